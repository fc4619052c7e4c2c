"""One CMS signature (RFC 5652) with exactly one signer: detached, as PAdES uses it, or around the content of
a timestamp (RFC 3161).

Strict: what this module does not know fails, with a reason code. Nothing is decided here about trust.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from verifier.certificates import Certificate, read_certificate
from verifier.der import (
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    UTC_TIME,
    Node,
    encode,
    oid,
    read,
)

_DATA = oid("1.2.840.113549.1.7.1")
TIMESTAMP_INFO = oid("1.2.840.113549.1.9.16.1.4")  # id-ct-TSTInfo
_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = oid("1.2.840.113549.1.9.5")
_SIGNING_CERTIFICATE = oid("1.2.840.113549.1.9.16.2.12")
_SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")
_TIMESTAMP = oid("1.2.840.113549.1.9.16.2.14")  # signature-time-stamp-token, RFC 3161 appendix A
_CERTIFICATE_VALUES = oid("1.2.840.113549.1.9.16.2.23")  # ETSI EN 319 122-1 annex A.1.1.1
_REVOCATION_VALUES = oid("1.2.840.113549.1.9.16.2.24")  # annex A.1.2.1
_REVOCATION_ARCHIVAL = oid("1.2.840.113583.1.1.8")  # adbe-revocationInfoArchival, ISO 32000-2 12.8.3.3.2
_OCSP_RESPONSE = oid("1.3.6.1.5.5.7.16.2")  # RFC 5940
_OCSP_BASIC = oid("1.3.6.1.5.5.7.48.1.1")
_MGF1 = oid("1.2.840.113549.1.1.8")
_OF_AN_UNSIGNED_KIND = frozenset({_TIMESTAMP, _CERTIFICATE_VALUES, _REVOCATION_VALUES})
_NULL = b"\x05\0"
_MOST_TIMESTAMPS = 4  # on one signature: one, and a few more of other authorities
_LONGEST_SALT = 2048  # bytes: more than fit into the largest RSA key we would verify with

_DIGESTS = {
    oid("1.3.14.3.2.26"): "sha1",
    oid("2.16.840.1.101.3.4.2.4"): "sha224",
    oid("2.16.840.1.101.3.4.2.1"): "sha256",
    oid("2.16.840.1.101.3.4.2.2"): "sha384",
    oid("2.16.840.1.101.3.4.2.3"): "sha512",
}
# Signature algorithm -> scheme and the digest it implies (None: it names none of its own).
_SCHEMES: dict[bytes, tuple[str, str | None]] = {
    oid("1.2.840.113549.1.1.1"): ("rsa", None),
    oid("1.2.840.113549.1.1.5"): ("rsa", "sha1"),
    oid("1.2.840.113549.1.1.14"): ("rsa", "sha224"),
    oid("1.2.840.113549.1.1.11"): ("rsa", "sha256"),
    oid("1.2.840.113549.1.1.12"): ("rsa", "sha384"),
    oid("1.2.840.113549.1.1.13"): ("rsa", "sha512"),
    oid("1.2.840.113549.1.1.10"): ("rsa_pss", None),
    oid("1.2.840.10045.4.1"): ("ecdsa", "sha1"),
    oid("1.2.840.10045.4.3.1"): ("ecdsa", "sha224"),
    oid("1.2.840.10045.4.3.2"): ("ecdsa", "sha256"),
    oid("1.2.840.10045.4.3.3"): ("ecdsa", "sha384"),
    oid("1.2.840.10045.4.3.4"): ("ecdsa", "sha512"),
    oid("1.3.101.112"): ("ed25519", None),
}
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

#: Digests that we can compute at all; which of them count is the policy's word.
COMPUTED = frozenset(_HASHES)


class MalformedSignature(Exception):  # noqa: N818 - a finding on its way to a report
    """Why this CMS cannot be what it claims; the only argument is a reason code."""

    @property
    def code(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Cms:
    """What one signature says. ``signed_attributes`` is the DER SET that is signed (RFC 5652 §5.4)."""

    digest: str  # "sha256"; the algorithm of message digest and signature
    scheme: str  # rsa (PKCS #1 v1.5) | rsa_pss | ecdsa | ed25519
    salt_length: int  # of RSASSA-PSS, else 0
    message_digest: bytes
    signed_attributes: bytes
    signature: bytes
    signer: Certificate
    offered: tuple[Certificate, ...]  # every certificate that came along
    signing_time: datetime | None
    names_certificate: bool  # carries the signing-certificate attribute that PAdES demands
    content: bytes = b""  # what is signed when it stands inside
    timestamps: tuple[bytes, ...] = ()  # tokens over the signature value, DER
    lists: tuple[bytes, ...] = ()  # revocation lists that came along, DER
    answers: tuple[bytes, ...] = ()  # OCSP responses that came along, DER
    unknown_unsigned: bool = False  # carries an unsigned attribute that says nothing to us


def read_cms(contents: bytes, max_certificates: int, content_type: bytes = _DATA) -> Cms:
    """Read the value of /Contents, zero padding included. The content is ``content_type``: detached data, or
    :data:`TIMESTAMP_INFO` inside. Raises :class:`MalformedSignature`.
    """
    try:
        return _read(contents, max_certificates, content_type)
    except (MalformedSignature, MemoryError):
        raise
    except Exception as error:  # ValueError of DER and certificates, TypeError of a wrong count, and the like
        raise MalformedSignature("malformed_cms") from error


def _read(contents: bytes, max_certificates: int, content_type: bytes) -> Cms:
    # 1 One value, then zeros only: anything else in the gap would be bytes that nobody signed.
    message = read(contents)
    if contents[len(message.encoded) :].strip(b"\0"):
        raise MalformedSignature("bytes_after_cms")
    kind, content = message.expect(SEQUENCE).children()
    if kind.expect(OID).content != _SIGNED_DATA:
        raise MalformedSignature("not_signed_data")
    (signed_data,) = content.expect(0xA0).children()
    version, digest_algorithms, encapsulated, *optional, signer_infos = signed_data.expect(
        SEQUENCE
    ).children()
    tags = [node.tag for node in optional]
    if tags not in ([], [0xA0], [0xA1], [0xA0, 0xA1]):  # certificates, crls; each once
        raise MalformedSignature("unknown_part")

    # 2 Detached or around its content, one signer, signed attributes.
    inside = _content(encapsulated, content_type)
    infos = signer_infos.expect(SET).children()
    if len(infos) != 1:
        raise MalformedSignature("several_signers")
    own_version, identifier, digest_algorithm, signed, *rest = infos[0].expect(SEQUENCE).children()
    if signed.tag != 0xA0:
        raise MalformedSignature("no_signed_attributes")
    _check_unsigned_words(
        version=version,
        own_version=own_version,
        digest_algorithms=digest_algorithms,
        digest_algorithm=digest_algorithm,
        optional=optional,
        content_type=content_type,
    )
    attributes = _attributes(signed)
    signature_algorithm, signature, *after = rest
    unsigned = _unsigned(after)

    # 3 The signer's certificate, by the identifier and by the signed attribute.
    further = [node for values in unsigned.get(_CERTIFICATE_VALUES, ()) for node in values.children()]
    offered = _certificates([node for node in optional if node.tag == 0xA0], further, max_certificates)
    signer = _signer(identifier, offered)
    named = _names_certificate(attributes, signer)

    # 4 Algorithms; the digest of the signature must be that of the message (RFC 8933).
    digest = digest_name(digest_algorithm)
    scheme, salt_length = _scheme(signature_algorithm, digest)

    # 5 What came along to judge the signer by.
    lists, answers = _revocation(optional, attributes, unsigned)
    tokens = tuple(node.encoded for node in unsigned.get(_TIMESTAMP, ()))
    if len(tokens) > _MOST_TIMESTAMPS or len(lists) + len(answers) > max_certificates:
        raise MalformedSignature("too_much_along")

    if _one(attributes, _CONTENT_TYPE).expect(OID).content != content_type:
        raise MalformedSignature("wrong_content_type")
    return Cms(
        digest=digest,
        scheme=scheme,
        salt_length=salt_length,
        message_digest=_one(attributes, _MESSAGE_DIGEST).expect(OCTET_STRING).content,
        signed_attributes=b"\x31" + signed.encoded[1:],
        signature=signature.expect(OCTET_STRING).content,
        signer=signer,
        offered=offered,
        signing_time=_time(attributes[_SIGNING_TIME]) if _SIGNING_TIME in attributes else None,
        names_certificate=named,
        content=inside,
        timestamps=tokens,
        lists=lists,
        answers=answers,
        unknown_unsigned=not unsigned.keys() <= _OF_AN_UNSIGNED_KIND,
    )


def _check_unsigned_words(
    *,
    version: Node,
    own_version: Node,
    digest_algorithms: Node,
    digest_algorithm: Node,
    optional: Sequence[Node],
    content_type: bytes,
) -> None:
    """What no signature covers and is said twice, or follows from the rest, must say the same (RFC 5652 §5.1,
    §5.3): the versions, and the digests in use.
    """
    versions = {1 if content_type == _DATA else 3}
    if any(choice.tag == 0xA1 for node in optional[-1:] for choice in node.children()):
        versions.add(5)  # not every writer counts the OCSP responses
    if version.integer() not in versions or own_version.integer() != 1:
        raise MalformedSignature("wrong_version")
    named = [digest_name(each) for each in digest_algorithms.expect(SET).children()]
    if named != [digest_name(digest_algorithm)]:
        raise MalformedSignature("mixed_digests")


def _content(encapsulated: Node, content_type: bytes) -> bytes:
    """What is signed and stands inside; nothing for detached data."""
    kind, *content = encapsulated.expect(SEQUENCE).children()
    if kind.expect(OID).content != content_type or len(content) != (content_type != _DATA):
        raise MalformedSignature("not_detached" if content_type == _DATA else "not_a_timestamp")
    if not content:
        return b""
    (octets,) = content[0].expect(0xA0).children()
    return octets.expect(OCTET_STRING).content


def _unsigned(after: Sequence[Node]) -> dict[bytes, list[Node]]:
    """Type -> its values. Nobody signed them: each proves itself or counts for nothing."""
    found: dict[bytes, list[Node]] = {}
    if not after:
        return found
    (attributes,) = after
    for attribute in attributes.expect(0xA1).children():
        kind, values = attribute.expect(SEQUENCE).children()
        inside = values.expect(SET).children()
        if not inside or kind.expect(OID).content in found:  # RFC 5652 §11: each once, and never empty
            raise MalformedSignature("repeated_attribute")
        found[kind.content] = inside
    if not found:
        raise MalformedSignature("unknown_part")  # SIZE (1..MAX)
    return found


def _revocation(
    optional: Sequence[Node], attributes: dict[bytes, Node], unsigned: dict[bytes, list[Node]]
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Lists and OCSP responses: of the SignedData (RFC 5652 §10.2.1, RFC 5940), of Adobe's signed attribute,
    of CAdES's unsigned one.
    """
    lists: list[bytes] = []
    answers: list[bytes] = []
    for choice in (choice for node in optional if node.tag == 0xA1 for choice in node.children()):
        if choice.tag == SEQUENCE:
            lists.append(choice.encoded)
        elif choice.tag == 0xA1:
            form, response = choice.children()
            if form.expect(OID).content != _OCSP_RESPONSE:
                raise MalformedSignature("unknown_part")
            answers.append(response.encoded)
        else:
            raise MalformedSignature("unknown_part")
    archival = [attributes[_REVOCATION_ARCHIVAL]] if _REVOCATION_ARCHIVAL in attributes else []
    for whole, values in ((True, archival), (False, unsigned.get(_REVOCATION_VALUES, []))):
        for part in (part for value in values for part in value.expect(SEQUENCE).children()):
            found = [node.encoded for group in part.children() for node in group.children()]
            if part.tag == 0xA0:
                lists += found
            elif part.tag == 0xA1:
                answers += found if whole else map(_response, found)
    return tuple(lists), tuple(answers)


def _response(basic: bytes) -> bytes:
    """The OCSPResponse around a BasicOCSPResponse (RFC 6960 §4.2.1)."""
    successful = encode(0x0A, b"\0")
    inner = encode(SEQUENCE, encode(OID, _OCSP_BASIC), encode(OCTET_STRING, basic))
    return encode(SEQUENCE, successful, encode(0xA0, inner))


def _attributes(signed: Node) -> dict[bytes, Node]:
    """Type -> its single value; each type may stand once (RFC 5652 §5.3)."""
    found: dict[bytes, Node] = {}
    for attribute in signed.children():
        kind, values = attribute.expect(SEQUENCE).children()
        inside = values.expect(SET).children()
        if kind.content in found or len(inside) != 1:
            raise MalformedSignature("repeated_attribute")
        found[kind.expect(OID).content] = inside[0]
    return found


def _one(attributes: dict[bytes, Node], kind: bytes) -> Node:
    if kind not in attributes:
        raise MalformedSignature("attribute_missing")
    return attributes[kind]


def _certificates(sets: Sequence[Node], further: Sequence[Node], maximum: int) -> tuple[Certificate, ...]:
    choices = [*(choice for node in sets for choice in node.children()), *further]
    if len(choices) > maximum:
        raise MalformedSignature("too_many_certificates")
    if any(choice.tag != SEQUENCE for choice in choices):
        raise MalformedSignature("unknown_part")  # attribute certificates, and what X.509 is not
    return tuple(read_certificate(choice.encoded) for choice in choices)


def _signer(identifier: Node, offered: tuple[Certificate, ...]) -> Certificate:
    if identifier.tag != SEQUENCE:
        raise MalformedSignature("signer_not_named")  # PAdES names by issuer and serial number
    issuer, serial = identifier.children()
    matches = {
        c.sha256: c
        for c in offered
        if c.issuer == issuer.encoded and c.serial == serial.expect(INTEGER).integer()
    }
    if len(matches) != 1:
        raise MalformedSignature("no_signing_certificate")
    return next(iter(matches.values()))


def _names_certificate(attributes: dict[bytes, Node], signer: Certificate) -> bool:
    """Whether a signing-certificate attribute (RFC 5035) is there; a wrong one is refused.

    It stops the substitution of another certificate for the same key.
    """
    named = False
    for kind, default in ((_SIGNING_CERTIFICATE_V2, "sha256"), (_SIGNING_CERTIFICATE, "sha1")):
        if kind not in attributes:
            continue
        first = attributes[kind].expect(SEQUENCE).children()[0].expect(SEQUENCE).children()[0].children()
        digest = default
        if first[0].tag == SEQUENCE:
            digest = digest_name(first.pop(0))
        if digest not in _HASHES or hashlib.new(digest, signer.der).digest() != first[0].content:
            raise MalformedSignature("wrong_signing_certificate")
        named = True
    return named


def digest_name(algorithm: Node) -> str:
    """Name of a digest; one that we do not know keeps its number, for the policy to refuse."""
    identifier, *parameters = algorithm.expect(SEQUENCE).children()
    _no_parameters(parameters)
    return _DIGESTS.get(identifier.expect(OID).content, f"oid-{identifier.content.hex()}")


def _no_parameters(parameters: Sequence[Node]) -> None:
    """Absent or NULL: writers differ (RFC 5754 §2, §3.2, RFC 8419 §3.1)."""
    if [node.encoded for node in parameters] not in ([], [_NULL]):
        raise MalformedSignature("unknown_part")


def _scheme(algorithm: Node, digest: str) -> tuple[str, int]:
    identifier, *parameters = algorithm.expect(SEQUENCE).children()
    scheme, implied = _SCHEMES.get(identifier.expect(OID).content, ("unknown", None))
    if implied is not None and implied != digest:
        raise MalformedSignature("mixed_digests")
    if scheme == "rsa_pss":
        (only,) = parameters
        return scheme, _salt_length(only, digest)
    _no_parameters(parameters)
    return scheme, 0


def _salt_length(parameters: Node, digest: str) -> int:
    """RSASSA-PSS-params (RFC 4055 §3.1): hash [0], mask generation [1], salt length [2]; the digest
    throughout.
    """
    parts: dict[int, Node] = {}
    for node in parameters.expect(SEQUENCE).children():
        (parts[node.tag],) = node.children()
    if not {0xA0, 0xA1} <= parts.keys() or digest_name(parts[0xA0]) != digest:
        raise MalformedSignature("mixed_digests")
    if list(parts) != sorted(parts) or max(parts) > 0xA3 or (0xA3 in parts and parts[0xA3].integer() != 1):
        raise MalformedSignature("unknown_part")
    generator, inner = parts[0xA1].children()
    if generator.content != _MGF1 or digest_name(inner) != digest:
        raise MalformedSignature("mixed_digests")
    salt = parts[0xA2].integer() if 0xA2 in parts else 20
    if not 0 <= salt <= _LONGEST_SALT:
        raise MalformedSignature("bad_salt_length")
    return salt


def _time(node: Node) -> datetime:
    """UTCTime or GeneralizedTime in the forms of DER (X.690 §11.7, §11.8): seconds, ``Z``."""
    text = node.expect(UTC_TIME, GENERALIZED_TIME).content.decode("ascii")
    form = "%y%m%d%H%M%SZ" if node.tag == UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def signature_holds(cms: Cms) -> bool:
    """Whether the signer's key made this signature over the signed attributes."""
    key = cms.signer.key
    maker = _HASHES.get(cms.digest)
    if maker is None:
        return False
    try:
        match key, cms.scheme:
            case rsa.RSAPublicKey(), "rsa":
                key.verify(cms.signature, cms.signed_attributes, padding.PKCS1v15(), maker())
            case rsa.RSAPublicKey(), "rsa_pss":
                pss = padding.PSS(padding.MGF1(maker()), cms.salt_length)
                key.verify(cms.signature, cms.signed_attributes, pss, maker())
            case ec.EllipticCurvePublicKey(), "ecdsa":
                key.verify(cms.signature, cms.signed_attributes, ec.ECDSA(maker()))
            case ed25519.Ed25519PublicKey(), "ed25519":
                key.verify(cms.signature, cms.signed_attributes)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, OverflowError):
        return False
    return True
