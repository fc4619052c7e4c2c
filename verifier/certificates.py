"""Certificates from pinned material only: is there a path to an anchor?

Nothing here fetches, and the operating system's trust store is never read. Path rules are those of RFC 5280
clause 6 for the profile of Vietnamese signing certificates (names, basic constraints, key usage, validity,
signatures); an extension that we do not understand and that is marked critical fails the path. Parsing is
cached by content, since the same few authorities stand behind thousands of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from verifier.policy import NEVER, Algorithms, KeyUse, ValidationPolicy
from verifier.trust import TrustStore

_SEARCH = 256  # chains looked at: certificates that sign each other could offer millions
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

# Critical extensions whose meaning is applied below or does not narrow what we rely on (RFC 5280 §4.2).
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,  # we ask for no particular policy
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
    }
)


@dataclass(frozen=True, eq=False)
class Certificate:
    """What we need of one certificate, read once. ``issuer`` and ``subject`` are DER names.

    ``authority`` is SHA-256 (hexadecimal) of the subject and the public key: equal for certificates of one
    authority that were renewed or cross-signed, which all verify the same signatures (RFC 4158 §1.5).
    """

    der: bytes = field(repr=False)
    sha256: str
    authority: str
    key_id: str  # SHA-256 (hexadecimal) of the public key alone, whoever carries it
    parsed: x509.Certificate = field(repr=False)
    subject: bytes
    issuer: bytes
    subject_text: str  # RFC 4514, as the certificate says it
    issuer_text: str
    serial: int
    not_before: datetime
    not_after: datetime
    key: PublicKey | None = field(repr=False)  # None: a kind of key we do not use
    digest: str | None  # that the issuer signed with, None: not told by the algorithm (Ed25519)
    is_ca: bool
    path_length: int | None
    usage: x509.KeyUsage | None
    purposes: frozenset[str] | None
    purposes_critical: bool
    answers_unchecked: bool  # id-pkix-ocsp-nocheck: its own revocation is not asked for (RFC 6960 §4.2.2.2.1)
    crl_points: frozenset[str]  # URLs of the lists that its authority keeps for it
    unknown_critical: bool


@lru_cache(maxsize=1024)
def read_certificate(der: bytes) -> Certificate:
    """Parse DER. Raises ValueError (or another error of the library) when it is no certificate."""
    parsed = x509.load_der_x509_certificate(der)
    subject = parsed.subject.public_bytes()
    key: object
    try:
        key = parsed.public_key()
        spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        key = None
        spki = der  # a key that verifies nothing here: such a certificate stands for itself alone
    try:
        digest = None if parsed.signature_hash_algorithm is None else parsed.signature_hash_algorithm.name
    except UnsupportedAlgorithm:
        digest = "unknown"
    constraints: x509.BasicConstraints | None = None
    usage: x509.KeyUsage | None = None
    purposes: frozenset[str] | None = None
    crl_points: frozenset[str] = frozenset()
    purposes_critical = answers_unchecked = unknown = False
    for extension in parsed.extensions:
        match extension.value:
            case x509.BasicConstraints() as value:
                constraints = value
            case x509.KeyUsage() as value:
                usage = value
            case x509.ExtendedKeyUsage() as value:
                purposes = frozenset(oid.dotted_string for oid in value)
                purposes_critical = extension.critical
            case x509.OCSPNoCheck():
                answers_unchecked = True
            case x509.CRLDistributionPoints() as value:
                crl_points = frozenset(name for point in value for name in urls(point.full_name))
        # Constraints on names bind a path whether marked or not (RFC 5280 §6.1), and we do not process them.
        constrains = isinstance(extension.value, x509.NameConstraints)
        unknown = unknown or constrains or (extension.critical and extension.oid not in _UNDERSTOOD)
    return Certificate(
        der=der,
        sha256=hashlib.sha256(der).hexdigest(),
        authority=hashlib.sha256(subject + spki).hexdigest(),
        key_id=hashlib.sha256(spki).hexdigest(),
        parsed=parsed,
        subject=subject,
        issuer=parsed.issuer.public_bytes(),
        subject_text=parsed.subject.rfc4514_string(),
        issuer_text=parsed.issuer.rfc4514_string(),
        serial=parsed.serial_number,
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        key=key
        if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
        else None,
        digest=digest,
        is_ca=constraints is not None and constraints.ca,
        path_length=None if constraints is None else constraints.path_length,
        usage=usage,
        purposes=purposes,
        purposes_critical=purposes_critical,
        answers_unchecked=answers_unchecked,
        crl_points=crl_points,
        unknown_critical=unknown,
    )


def urls(names: Iterable[x509.GeneralName] | None) -> Iterator[str]:
    """The addresses among the names of a distribution point."""
    return (name.value for name in names or () if isinstance(name, x509.UniformResourceIdentifier))


@lru_cache(maxsize=1024)
def issued(child: Certificate, parent: Certificate) -> bool:
    """Whether ``parent``'s key signed ``child``; names have been compared before."""
    try:
        child.parsed.verify_directly_issued_by(parent.parsed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Path:
    """From the signer (first) to the anchor (last); ``code`` says why it does not count, else it is empty."""

    certificates: tuple[Certificate, ...]
    code: str = ""


def find_path(
    leaf: Certificate,
    offered: Iterable[Certificate],
    trust: TrustStore,
    policy: ValidationPolicy,
    moment: datetime,
    *,
    use: KeyUse | None = None,
) -> Path | None:
    """A path from ``leaf`` to a pinned anchor that holds at ``moment``, else one that does not, else None.

    ``use`` is what the leaf's key must be for, by default signing records. ``offered`` are the certificates
    that came with the signature: they may be links of a path, never its end, and never where the store
    distrusts them.
    """
    anchors = tuple(read_certificate(anchor.certificate) for anchor in trust.anchors)
    pinned = {anchor.sha256 for anchor in anchors}
    pool = dict.fromkeys((*anchors, *(read_certificate(der) for der in trust.intermediates), *offered))
    if leaf.sha256 in pinned:
        return None  # an authority's own key signs certificates, not records
    by_subject: dict[bytes, list[Certificate]] = {}
    for candidate in pool:
        if not trust.distrusted.isdisjoint((candidate.sha256, candidate.authority)):
            continue
        by_subject.setdefault(candidate.subject, []).append(candidate)
    fallback: Path | None = None
    stack: list[tuple[Certificate, ...]] = [(leaf,)]
    for _ in range(_SEARCH):
        if not stack:
            break
        links = stack.pop()
        if links[-1].sha256 in pinned:
            path = Path(links, _path_fault(links, use or policy.key_use, moment))
            if not path.code:
                return path
            fallback = fallback or path
            continue
        if len(links) >= policy.path_length:
            continue
        stack += [
            (*links, parent)
            for parent in by_subject.get(links[-1].issuer, ())
            if parent not in links and issued(links[-1], parent)
        ]
    return fallback


def companions_fault(leaf: Certificate, along: Iterable[Certificate], trust: TrustStore) -> str:
    """Why ``along``, the certificates that a signature brings, are more or other than those of its signer's
    authorities; empty when they are not, or when there is nothing at hand to tell by.

    Nothing signs the set they lie in, and a path may well be found without them. So each must have signed
    another one, up from the signer, and be what its own authority signed, where that one is at hand.
    """
    rest = dict.fromkeys(c for c in along if c.der != leaf.der)
    chain = [leaf]
    for below in chain:  # grows on the way
        parents = [c for c in rest if c.subject == below.issuer and issued(below, c)]
        for parent in parents:
            del rest[parent]
        chain += parents
    if rest:
        return "certificate_unrelated"
    pinned = [
        *(read_certificate(anchor.certificate) for anchor in trust.anchors),
        *(read_certificate(der) for der in trust.intermediates),
    ]
    for each in chain[1:]:
        issuers = [c for c in (*pinned, *chain) if c.subject == each.issuer]
        if any(c.der == each.der for c in pinned):
            continue
        if issuers and not any(issued(each, issuer) for issuer in issuers):
            return "certificate_damaged"
        if any(_same_but_for_bytes(c, each) for c in pinned):
            return "certificate_damaged"
    return ""


def _same_but_for_bytes(one: Certificate, other: Certificate) -> bool:
    """No authority makes two certificates for one key with one number and one period."""
    return (one.authority, one.serial, one.not_before, one.not_after) == (
        other.authority,
        other.serial,
        other.not_before,
        other.not_after,
    )


def _path_fault(links: Sequence[Certificate], use: KeyUse, moment: datetime) -> str:
    """First reason why this chain of signatures does not count at ``moment``. The anchor's own dates do not
    bind: it is trusted because it is pinned (RFC 5280 §6.1.1 d).
    """
    leaf, authorities = links[0], links[1:]
    for below, authority in enumerate(authorities):
        usage = authority.usage
        if not authority.is_ca or (usage is not None and not usage.key_cert_sign):
            return "not_a_ca"
        if authority.path_length is not None and below > authority.path_length:
            return "path_too_long"
    if any(link.unknown_critical for link in links):
        return "unknown_critical_extension"
    for authority in authorities[:-1]:
        if moment < authority.not_before:
            return "ca_not_yet_valid"
        if moment > authority.not_after:
            return "ca_expired"
    if moment < leaf.not_before:
        return "not_yet_valid"
    if moment > leaf.not_after:
        return "expired"
    return _use_fault(leaf, use)


def _use_fault(leaf: Certificate, use: KeyUse) -> str:
    """Key usage and extended key usage of the signer (RFC 5280 §4.2.1.3, §4.2.1.12)."""
    if leaf.is_ca:
        return "signer_is_ca"
    if use.non_repudiation and (leaf.usage is None or not leaf.usage.content_commitment):
        return "key_usage"
    if leaf.usage is not None and not (leaf.usage.digital_signature or leaf.usage.content_commitment):
        return "key_usage"
    if use.sole and (not leaf.purposes_critical or leaf.purposes != use.purposes):
        return "extended_key_usage"
    if leaf.purposes is not None and (not leaf.purposes & use.purposes or leaf.purposes & use.forbidden):
        return "extended_key_usage"
    return ""


def key_fault(key: PublicKey | None, algorithms: Algorithms, moment: datetime) -> str:
    """Whether a key counts for what is proven at ``moment``: ``weak_key`` for one that never did,
    ``weak_key_since`` for one whose time was over, ``key_not_allowed`` for a kind that we do not accept, else
    empty.
    """
    match key:
        case rsa.RSAPublicKey():
            ends = [until for bits, until in algorithms.rsa if bits <= key.key_size]
            return _lapsed(ends[-1], moment, "weak_key") if ends else "weak_key"
        case ec.EllipticCurvePublicKey():
            curves = dict(algorithms.curves)
            name = key.curve.name
            return _lapsed(curves[name], moment, "weak_key") if name in curves else "key_not_allowed"
        case ed25519.Ed25519PublicKey():
            return _lapsed(algorithms.ed25519, moment, "weak_key")
        case None:
            return "key_not_allowed"


def digest_fault(name: str | None, algorithms: Algorithms, moment: datetime) -> str:
    """Whether a digest counts for what is proven at ``moment``: ``weak_digest`` for SHA-1 and its like,
    ``weak_digest_since`` for one whose time was over, ``digest_not_allowed`` for anything unlisted, else
    empty. None (Ed25519 brings its own) always counts.
    """
    digests = dict(algorithms.digests)
    if name is None:
        return ""
    return _lapsed(digests[name], moment, "weak_digest") if name in digests else "digest_not_allowed"


def _lapsed(until: datetime | None, moment: datetime, code: str) -> str:
    if until is None or moment < until:
        return ""
    return code if until == NEVER else f"{code}_since"
