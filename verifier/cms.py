"""One CMS signature (RFC 5652) as PAdES uses it: detached SignedData with exactly one signer.

Strict: what this module does not know fails, with a reason code. Nothing is decided here about trust.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms as asn1_cms
from asn1crypto import core
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from verifier.certificates import Certificate, read_certificate

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,  # read in order to be called weak
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class MalformedSignature(Exception):  # noqa: N818 - a finding on its way to a report
    """Why this CMS cannot be what it claims; the only argument is a reason code."""

    @property
    def code(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Cms:
    """What one signature says. ``signed_attributes`` is the DER SET that is signed (RFC 5652 §5.4)."""

    digest: str  # "sha256"; the algorithm of message digest and signature
    scheme: str  # rsassa_pkcs1v15 | rsassa_pss | ecdsa | ed25519
    salt_length: int  # of RSASSA-PSS, else 0
    message_digest: bytes
    signed_attributes: bytes
    signature: bytes
    signer: Certificate
    offered: tuple[Certificate, ...]  # every certificate that came along
    signing_time: datetime | None
    names_certificate: bool  # carries the signing-certificate attribute that PAdES demands


def read_cms(contents: bytes, max_certificates: int) -> Cms:
    """Read the value of /Contents, zero padding included. Raises :class:`MalformedSignature`."""
    try:
        return _read(contents, max_certificates)
    except MalformedSignature:
        raise
    except MemoryError:
        raise
    except Exception as error:  # asn1crypto raises whatever its lazy parsing runs into
        raise MalformedSignature("malformed_cms") from error


def _read(contents: bytes, max_certificates: int) -> Cms:
    # 1 One value, then zeros only: anything else in the gap would be bytes that nobody signed.
    message = asn1_cms.ContentInfo.load(contents)
    if contents[len(message.dump()) :].strip(b"\0"):
        raise MalformedSignature("bytes_after_cms")
    if message["content_type"].native != "signed_data":
        raise MalformedSignature("not_signed_data")
    data = message["content"]

    # 2 Detached, one signer, signed attributes.
    if data["encap_content_info"]["content_type"].native != "data" or not isinstance(
        data["encap_content_info"]["content"], core.Void
    ):
        raise MalformedSignature("not_detached")
    if len(data["signer_infos"]) != 1:
        raise MalformedSignature("several_signers")
    info = data["signer_infos"][0]
    if isinstance(info["signed_attrs"], core.Void) or not len(info["signed_attrs"]):
        raise MalformedSignature("no_signed_attributes")
    attributes = _attributes(info["signed_attrs"])

    # 3 The signer's certificate, by the identifier and by the signed attribute.
    offered = _certificates(data["certificates"], max_certificates)
    signer = _signer(info["sid"], offered)
    named = _names_certificate(attributes, signer)

    # 4 Algorithms; the digest of the signature must be that of the message (RFC 8933).
    digest = str(info["digest_algorithm"]["algorithm"].native)
    scheme, salt_length = _scheme(info["signature_algorithm"], digest)

    if _one(attributes, "content_type").native != "data":
        raise MalformedSignature("wrong_content_type")
    signing_time = attributes.get("signing_time")
    return Cms(
        digest=digest,
        scheme=scheme,
        salt_length=salt_length,
        message_digest=bytes(_one(attributes, "message_digest").native),
        signed_attributes=b"\x31" + info["signed_attrs"].dump()[1:],
        signature=bytes(info["signature"].native),
        signer=signer,
        offered=offered,
        signing_time=None if signing_time is None else signing_time.native,
        names_certificate=named,
    )


def _attributes(attributes: core.SetOf) -> dict[str, core.Asn1Value]:
    """Type → its single value; each type may stand once (RFC 5652 §5.3)."""
    found: dict[str, core.Asn1Value] = {}
    for attribute in attributes:
        kind = str(attribute["type"].native)
        if kind in found or len(attribute["values"]) != 1:
            raise MalformedSignature("repeated_attribute")
        found[kind] = attribute["values"][0]
    return found


def _one(attributes: dict[str, core.Asn1Value], kind: str) -> core.Asn1Value:
    if kind not in attributes:
        raise MalformedSignature(f"no_{kind}")
    return attributes[kind]


def _certificates(choices: core.Asn1Value, maximum: int) -> tuple[Certificate, ...]:
    if isinstance(choices, core.Void):
        raise MalformedSignature("no_signing_certificate")
    if len(choices) > maximum:
        raise MalformedSignature("too_many_certificates")
    return tuple(read_certificate(c.chosen.dump()) for c in choices if c.name == "certificate")


def _signer(identifier: core.Asn1Value, offered: tuple[Certificate, ...]) -> Certificate:
    if identifier.name != "issuer_and_serial_number":
        raise MalformedSignature("signer_not_named")
    issuer, serial = identifier.chosen["issuer"].dump(), identifier.chosen["serial_number"].native
    matches = {c.sha256: c for c in offered if c.issuer == issuer and c.serial == serial}
    if len(matches) != 1:
        raise MalformedSignature("no_signing_certificate")
    return next(iter(matches.values()))


def _names_certificate(attributes: dict[str, core.Asn1Value], signer: Certificate) -> bool:
    """Whether a signing-certificate attribute (RFC 5035) is there; a wrong one is refused.

    It stops the substitution of another certificate for the same key.
    """
    named = False
    for kind in ("signing_certificate_v2", "signing_certificate"):
        if kind not in attributes:
            continue
        first = attributes[kind]["certs"][0]
        digest = "sha1" if kind == "signing_certificate" else str(first["hash_algorithm"]["algorithm"].native)
        if digest not in _HASHES or hashlib.new(digest, signer.der).digest() != first["cert_hash"].native:
            raise MalformedSignature("wrong_signing_certificate")
        named = True
    return named


def _scheme(algorithm: core.Asn1Value, digest: str) -> tuple[str, int]:
    scheme = str(algorithm.signature_algo)
    salt_length = 0
    if scheme == "rsassa_pss":
        parameters = algorithm["parameters"]
        mask = parameters["mask_gen_algorithm"]
        inner = (parameters["hash_algorithm"]["algorithm"].native, mask["parameters"]["algorithm"].native)
        if inner != (digest, digest) or mask["algorithm"].native != "mgf1":
            raise MalformedSignature("mixed_digests")
        salt_length = int(parameters["salt_length"].native)
    elif (
        algorithm["algorithm"].native not in ("rsassa_pkcs1v15", "ed25519") and algorithm.hash_algo != digest
    ):
        raise MalformedSignature("mixed_digests")
    return scheme, salt_length


def signature_holds(cms: Cms) -> bool:
    """Whether the signer's key made this signature over the signed attributes."""
    key = cms.signer.key
    maker = _HASHES.get(cms.digest)
    if maker is None:
        return False
    try:
        match key, cms.scheme:
            case rsa.RSAPublicKey(), "rsassa_pkcs1v15":
                key.verify(cms.signature, cms.signed_attributes, padding.PKCS1v15(), maker())
            case rsa.RSAPublicKey(), "rsassa_pss":
                pss = padding.PSS(padding.MGF1(maker()), cms.salt_length)
                key.verify(cms.signature, cms.signed_attributes, pss, maker())
            case ec.EllipticCurvePublicKey(), "ecdsa":
                key.verify(cms.signature, cms.signed_attributes, ec.ECDSA(maker()))
            case ed25519.Ed25519PublicKey(), "ed25519":
                key.verify(cms.signature, cms.signed_attributes)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
