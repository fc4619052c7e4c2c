"""Certificates and CRLs from pinned material only: is there a path to an anchor, and was a key revoked in
time?

Nothing here fetches, and the operating system's trust store is never read. Path rules are those of RFC 5280
clause 6 for the profile of Vietnamese signing certificates (names, basic constraints, key usage, validity,
signatures); an extension that we do not understand and that is marked critical fails the path. Parsing is
cached by content, since the same few authorities stand behind thousands of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from verifier.policy import Algorithms, ValidationPolicy
from verifier.trust import TrustStore

_SEARCH = 256  # chains looked at: certificates that sign each other could offer millions
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_EXPIRED_CERTS_ON_CRL = x509.ObjectIdentifier("2.5.29.60")
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
    unknown = False
    for extension in parsed.extensions:
        match extension.value:
            case x509.BasicConstraints() as value:
                constraints = value
            case x509.KeyUsage() as value:
                usage = value
            case x509.ExtendedKeyUsage() as value:
                purposes = frozenset(oid.dotted_string for oid in value)
            case x509.CRLDistributionPoints() as value:
                crl_points = frozenset(name for point in value for name in _urls(point.full_name))
        unknown = unknown or (extension.critical and extension.oid not in _UNDERSTOOD)
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
        crl_points=crl_points,
        unknown_critical=unknown,
    )


def _urls(names: Iterable[x509.GeneralName] | None) -> Iterator[str]:
    return (name.value for name in names or () if isinstance(name, x509.UniformResourceIdentifier))


@lru_cache(maxsize=1024)
def _issued(child: Certificate, parent: Certificate) -> bool:
    """Whether ``parent``'s key signed ``child``; names have been compared before."""
    try:
        child.parsed.verify_directly_issued_by(parent.parsed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def prepare(trust: TrustStore) -> bool:
    """Parse everything that is pinned and check it against each other once, so that later checks find it
    cached.

    False when something pinned cannot be read: then nothing can be said about any signature.
    """
    try:
        authorities = [read_certificate(a.certificate) for a in trust.anchors]
        authorities += [read_certificate(der) for der in trust.intermediates]
        lists = [read_crl(der) for der in trust.crls]
    except Exception:  # the library raises ValueError and others of its own for DER it cannot read
        return False
    for authority in authorities:
        for child in authorities:
            if child.issuer == authority.subject:
                _issued(child, authority)
        for crl in lists:
            if crl.issuer == authority.subject:
                _crl_signed(crl, authority)
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
) -> Path | None:
    """A path from ``leaf`` to a pinned anchor that holds at ``moment``, else one that does not, else None.

    ``offered`` are the certificates that came with the signature: they may be links of a path, never its end,
    and never where the store distrusts them.
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
            path = Path(links, _path_fault(links, policy, moment))
            if not path.code:
                return path
            fallback = fallback or path
            continue
        if len(links) >= policy.path_length:
            continue
        stack += [
            (*links, parent)
            for parent in by_subject.get(links[-1].issuer, ())
            if parent not in links and _issued(links[-1], parent)
        ]
    return fallback


def _path_fault(links: Sequence[Certificate], policy: ValidationPolicy, moment: datetime) -> str:
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
        if not authority.not_before <= moment <= authority.not_after:
            return "ca_expired"
    if moment < leaf.not_before:
        return "not_yet_valid"
    if moment > leaf.not_after:
        return "expired"
    return _use_fault(leaf, policy)


def _use_fault(leaf: Certificate, policy: ValidationPolicy) -> str:
    """Key usage and extended key usage of the signer (RFC 5280 §4.2.1.3, §4.2.1.12)."""
    use = policy.key_use
    if leaf.is_ca:
        return "signer_is_ca"
    if use.non_repudiation and (leaf.usage is None or not leaf.usage.content_commitment):
        return "key_usage"
    if leaf.purposes is not None and (not leaf.purposes & use.purposes or leaf.purposes & use.forbidden):
        return "extended_key_usage"
    return ""


def key_fault(key: PublicKey | None, algorithms: Algorithms) -> str:
    """``weak_key`` for a short key, ``key_not_allowed`` for a kind we do not accept, else empty."""
    match key:
        case rsa.RSAPublicKey():
            return "" if key.key_size >= algorithms.rsa_min_bits else "weak_key"
        case ec.EllipticCurvePublicKey():
            return "" if key.curve.name in algorithms.curves else "key_not_allowed"
        case ed25519.Ed25519PublicKey():
            return "" if algorithms.ed25519 else "key_not_allowed"
        case None:
            return "key_not_allowed"


def digest_fault(name: str | None, algorithms: Algorithms) -> str:
    """``weak_digest`` for SHA-1 and its like, ``digest_not_allowed`` for anything unlisted, else empty."""
    if name is None or name in algorithms.digests:
        return ""
    return "weak_digest" if name in algorithms.weak_digests else "digest_not_allowed"


@dataclass(frozen=True, eq=False)
class Crl:
    """One certificate revocation list, read once."""

    parsed: x509.CertificateRevocationList = field(repr=False)
    issuer: bytes
    number: int | None  # cRLNumber (RFC 5280 §5.2.3)
    this_update: datetime
    next_update: datetime | None
    keeps_expired_since: datetime | None  # X.509 expiredCertsOnCRL
    covers_ca: bool
    covers_users: bool
    points: frozenset[str] | None  # it speaks of certificates that name one of these URLs; None: of all
    usable: bool  # no extension that we would have to understand and do not


@lru_cache(maxsize=256)
def read_crl(der: bytes) -> Crl:
    """Parse DER. Raises ValueError (or another error of the library) when it is no CRL."""
    parsed = x509.load_der_x509_crl(der)
    number: int | None = None
    keeps_expired_since: datetime | None = None
    points: frozenset[str] | None = None
    covers_ca = covers_users = usable = True
    for extension in parsed.extensions:
        match extension.value:
            case x509.CRLNumber() as value:
                number = value.crl_number
            case x509.IssuingDistributionPoint() as point:
                covers_ca = not point.only_contains_user_certs
                covers_users = not point.only_contains_ca_certs
                if point.full_name is not None or point.relative_name is not None:
                    points = frozenset(_urls(point.full_name))
                if point.indirect_crl or point.only_contains_attribute_certs or point.only_some_reasons:
                    usable = False
            case x509.UnrecognizedExtension(value=value) if extension.oid == _EXPIRED_CERTS_ON_CRL:
                keeps_expired_since = _generalized_time(value)
            case _:
                usable = usable and not extension.critical  # a delta CRL is one of these
    return Crl(
        parsed=parsed,
        issuer=parsed.issuer.public_bytes(),
        number=number,
        this_update=parsed.last_update_utc,
        next_update=parsed.next_update_utc,
        keeps_expired_since=keeps_expired_since,
        covers_ca=covers_ca,
        covers_users=covers_users,
        points=points,
        usable=usable,
    )


def _generalized_time(der: bytes) -> datetime | None:
    """DER GeneralizedTime ``YYYYMMDDHHMMSSZ`` (X.690 §11.7)."""
    try:
        return datetime.strptime(der[2:].decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _crl_signed(crl: Crl, authority: Certificate) -> bool:
    if authority.key is None or (authority.usage is not None and not authority.usage.crl_sign):
        return False
    try:
        return crl.parsed.is_signature_valid(authority.key)
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return False


@dataclass(frozen=True, slots=True)
class Revocation:
    """Outcome for a whole path. ``code``: ``certificate_revoked`` or ``ca_revoked`` (conclusive),
    ``crl_missing`` or ``crl_stale`` (not finished), empty: not revoked at the proven time. ``fresh_until``:
    earliest nextUpdate used.
    """

    code: str = ""
    fresh_until: datetime | None = None

    @property
    def revoked(self) -> bool:
        return self.code in ("certificate_revoked", "ca_revoked")


def check_revocation(path: Path, trust: TrustStore, proven: datetime, at: datetime) -> Revocation:
    """Hard-fail for the signer and every intermediate; the anchor is pinned and has no list above it.

    A list counts when it is signed by the certificate's issuer, speaks of such a certificate and
    ``this_update <= at <= next_update``. A revocation after ``proven`` does not reach back, unless its
    invalidityDate (RFC 5280 §5.3.2) does. A revocation that is on record stays conclusive, in a list that has
    gone stale and although a newer one is silent. A hold (§5.3.1) is not for ever: of it the newest list that
    speaks of the certificate decides.
    """
    lists = tuple(read_crl(der) for der in trust.crls)
    # Where nothing stands above a certificate, no list was asked about it.
    unfinished = "" if len(path.certificates) > 1 else "crl_missing"
    fresh_until: datetime | None = None
    for position, (certificate, authority) in enumerate(
        zip(path.certificates, path.certificates[1:], strict=False)
    ):
        usable = [
            crl
            for crl in lists
            if crl.issuer == authority.subject
            and crl.usable
            and crl.this_update <= at
            and _covers(crl, certificate)
            and _crl_signed(crl, authority)
        ]
        telling = [crl for crl in usable if _keeps(crl, certificate)]
        if any(_revoked_by(crl, certificate, proven) for crl in usable) or any(
            _held_by(crl, certificate, proven) for crl in _newest(telling)
        ):
            return Revocation("ca_revoked" if position else "certificate_revoked")
        newest = _newest(usable)
        until = min((crl.next_update for crl in newest if crl.next_update is not None), default=None)
        if not newest:
            unfinished = unfinished or "crl_missing"
        elif until is None or until < at:
            unfinished = unfinished or "crl_stale"
        elif not any(crl in newest or crl.this_update >= proven for crl in telling):
            # An authority may drop a certificate from its lists once it has expired (RFC 5280 §3.3).
            unfinished = unfinished or "crl_after_expiry"
        else:
            fresh_until = min(fresh_until or until, until)
    return Revocation(unfinished, None if unfinished else fresh_until)


def _covers(crl: Crl, certificate: Certificate) -> bool:
    """Whether the certificate is in the scope of the list (RFC 5280 §6.3.3 b 2): an authority may keep one
    for its authorities, one for its subscribers, or several for subscribers by their distribution point.
    """
    if not (crl.covers_ca if certificate.is_ca else crl.covers_users):
        return False
    return crl.points is None or not crl.points.isdisjoint(certificate.crl_points)


def _keeps(crl: Crl, certificate: Certificate) -> bool:
    """Whether silence of this list says anything of the certificate: one issued after the certificate's
    expiry does only when it says that it keeps expired ones (X.509 expiredCertsOnCRL).
    """
    if crl.this_update <= certificate.not_after:
        return True
    return crl.keeps_expired_since is not None and crl.keeps_expired_since <= certificate.not_after


def _newest(lists: Sequence[Crl]) -> list[Crl]:
    """The newest by thisUpdate, then by number; several when nothing tells them apart, and then each counts
    in what it says against the certificate.
    """
    order = [(crl.this_update, -1 if crl.number is None else crl.number) for crl in lists]
    return [crl for crl, place in zip(lists, order, strict=True) if place == max(order)]


def _entry(
    crl: Crl, certificate: Certificate
) -> tuple[x509.RevokedCertificate, x509.ReasonFlags | None] | None:
    """What the list says of the certificate, and its reason; None when nothing."""
    entry = crl.parsed.get_revoked_certificate_by_serial_number(certificate.serial)
    if entry is None:
        return None
    reasons = [value.reason for value in entry_details(entry) if isinstance(value, x509.CRLReason)]
    return entry, reasons[0] if reasons else None


def entry_details(entry: x509.RevokedCertificate) -> tuple[x509.ExtensionType, ...]:
    """The extensions of an entry. None where they cannot be read: then the entry itself still revokes."""
    try:
        return tuple(extension.value for extension in entry.extensions)
    except Exception:  # the library raises ValueError and others of its own
        return ()


_PASSING: Final = (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl)


def _revoked_by(crl: Crl, certificate: Certificate, proven: datetime) -> bool:
    """Whether the list revokes the certificate for good, with effect at the proven time."""
    found = _entry(crl, certificate)
    return found is not None and found[1] not in _PASSING and _effective(found[0]) <= proven


def _held_by(crl: Crl, certificate: Certificate, proven: datetime) -> bool:
    """Whether the list holds the certificate, with effect at the proven time."""
    found = _entry(crl, certificate)
    return (
        found is not None and found[1] is x509.ReasonFlags.certificate_hold and _effective(found[0]) <= proven
    )


def _effective(entry: x509.RevokedCertificate) -> datetime:
    """From when on the key is not to be believed: the entry's date, or its invalidityDate before that."""
    dates = [
        value.invalidity_date_utc for value in entry_details(entry) if isinstance(value, x509.InvalidityDate)
    ]
    return min((entry.revocation_date_utc, *dates))
