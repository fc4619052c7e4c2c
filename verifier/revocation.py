"""Was a key revoked in time? Revocation lists (RFC 5280 clause 5) and OCSP answers (RFC 6960).

Nothing here fetches. Pinned lists are collected by a job of their own; what a file brings along counts only
when an authority of the pinned path signed it, so a file can tell more about its signers, never less. A
certificate that has expired may be judged by what was embedded in time (ETSI EN 319 102-1 clause 5.6.2.2),
any other needs something fresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from verifier.certificates import (
    Certificate,
    Path,
    digest_fault,
    issued,
    key_fault,
    read_certificate,
    urls,
)
from verifier.policy import DEFAULT, Algorithms
from verifier.trust import TrustStore

#: ``fresh_until`` of what does not lapse: the last year that a report can name.
FOR_EVER: Final = datetime(2100, 1, 1, tzinfo=UTC)

_EXPIRED_CERTS_ON_CRL: Final = x509.ObjectIdentifier("2.5.29.60")
_OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
_LONGEST_ANSWER: Final = 64  # certificates one OCSP answer may speak of
_MOST_DELEGATES: Final = 8  # certificates one may bring along for whoever signed it
_PASSING: Final = (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl)
#: Reasons for which a timestamp authority ends without its key having been lost (RFC 3161 clause 4).
_ORDERLY: Final = (
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
)


# ---------------------------------------------------------------------------------------------- what is said


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
    digest: str | None  # that it was signed with, as in :class:`Certificate`


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
                    points = frozenset(urls(point.full_name))
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
        digest=_digest(parsed),
    )


def _digest(signed: x509.CertificateRevocationList | ocsp.OCSPResponse) -> str | None:
    try:
        algorithm = signed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown"
    return None if algorithm is None else algorithm.name


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


def entry_details(entry: x509.RevokedCertificate) -> tuple[x509.ExtensionType, ...]:
    """The extensions of an entry. None where they cannot be read: then the entry itself still revokes."""
    try:
        return tuple(extension.value for extension in entry.extensions)
    except Exception:  # the library raises ValueError and others of its own
        return ()


@dataclass(frozen=True, eq=False)
class Answer:
    """One OCSP response (RFC 6960 §4.2), read once; ``certificates`` may say who was told to answer."""

    parsed: ocsp.OCSPResponse = field(repr=False)
    produced_at: datetime
    certificates: tuple[Certificate, ...]
    singles: tuple[ocsp.OCSPSingleResponse, ...] = field(repr=False)
    digest: str | None


@lru_cache(maxsize=256)
def read_answer(der: bytes) -> Answer:
    """Parse a DER OCSPResponse. Raises ValueError (or another error of the library) when it is none, or says
    no more than that there is no answer.
    """
    parsed = ocsp.load_der_ocsp_response(der)
    if any(extension.critical for extension in parsed.extensions):
        raise ValueError("a critical extension")
    singles = tuple(single for single, _ in zip(parsed.responses, range(_LONGEST_ANSWER), strict=False))
    return Answer(
        parsed=parsed,
        produced_at=parsed.produced_at_utc,
        certificates=tuple(
            read_certificate(c.public_bytes(Encoding.DER)) for c in parsed.certificates[:_MOST_DELEGATES]
        ),
        singles=singles,
        digest=_digest(parsed),
    )


@dataclass(frozen=True, slots=True)
class Embedded:
    """A list or an answer that came with a file, and since when it is known to have existed."""

    content: Crl | Answer
    proven: datetime


@dataclass(frozen=True, slots=True)
class ValidationData:
    """What speaks of the revocation of a path: lists and OCSP responses (DER), and the certificates of those
    whom an authority of the path may have told to answer. ``superseded`` are those of the lists that a newer
    one of the same authority and scope replaces.
    """

    lists: tuple[bytes, ...] = ()
    answers: tuple[bytes, ...] = ()
    delegates: tuple[Certificate, ...] = ()
    superseded: frozenset[bytes] = frozenset()

    @property
    def newest(self) -> ValidationData:
        """Without the lists that newer ones replace."""
        return replace(
            self, lists=tuple(der for der in self.lists if der not in self.superseded), superseded=frozenset()
        )


def validation_data(
    paths: Iterable[Path], trust: TrustStore, at: datetime, embedded: Iterable[Crl | Answer]
) -> ValidationData:
    """Everything at hand at ``at`` that names an authority or a certificate of the paths, unjudged: for a
    second opinion.
    """
    links = [(link, path.certificates[1:]) for path in paths for link in path.certificates[:-1]]
    authorities = {authority.subject for _, above in links for authority in above}
    serials = {link.serial for link, _ in links}
    lists = {der: read_crl(der) for der in trust.crls}
    answers: dict[bytes, Answer] = {}
    for content in embedded:
        der = content.parsed.public_bytes(Encoding.DER)
        match content:
            case Crl():
                lists[der] = content
            case Answer() if any(_serial(single) in serials for single in content.singles):
                answers[der] = content
    lists = {d: c for d, c in lists.items() if c.issuer in authorities and c.this_update <= at}
    newest: dict[tuple[object, ...], tuple[datetime, int]] = {}
    for one in lists.values():
        newest[_scope(one)] = max(newest.get(_scope(one), _age(one)), _age(one))
    return ValidationData(
        lists=tuple(lists),
        answers=tuple(answers),
        delegates=tuple(
            c for answer in answers.values() for c in answer.certificates if c.issuer in authorities
        ),
        superseded=frozenset(der for der, one in lists.items() if _age(one) < newest[_scope(one)]),
    )


def _serial(single: ocsp.OCSPSingleResponse) -> int | None:
    try:
        return single.serial_number
    except (ValueError, UnsupportedAlgorithm):
        return None


def _scope(crl: Crl) -> tuple[object, ...]:
    return crl.issuer, crl.covers_ca, crl.covers_users, crl.points


def _age(crl: Crl) -> tuple[datetime, int]:
    return crl.this_update, -1 if crl.number is None else crl.number


def prepare(trust: TrustStore) -> bool:
    """Parse everything that is pinned and check it against each other once, so that later checks find it
    cached.

    False when something pinned cannot be read: then nothing can be said about any signature.
    """
    pinned = trust.timestamping
    try:
        authorities = [read_certificate(a.certificate) for a in (*trust.anchors, *pinned.anchors)]
        authorities += [read_certificate(der) for der in (*trust.intermediates, *pinned.intermediates)]
        lists = [read_crl(der) for der in trust.crls]
    except Exception:  # the library raises ValueError and others of its own for DER it cannot read
        return False
    for authority in authorities:
        for child in authorities:
            if child.issuer == authority.subject:
                issued(child, authority)
        for crl in lists:
            if crl.issuer == authority.subject:
                _crl_signed(crl, authority)
    return True


# ------------------------------------------------------------------------------------------------ the verdict


@dataclass(frozen=True, slots=True)
class Revocation:
    """Outcome for a whole path. ``code``: ``certificate_revoked`` or ``ca_revoked`` (conclusive),
    ``crl_missing``, ``crl_stale`` or ``crl_after_expiry`` (not finished), empty: not revoked at the proven
    time. ``fresh_until``: until when that may be said, :data:`FOR_EVER` when nothing can lapse.
    """

    code: str = ""
    fresh_until: datetime | None = None

    @property
    def revoked(self) -> bool:
        return self.code in ("certificate_revoked", "ca_revoked")


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where word of a revocation may come from, and by which rules it is taken at the time ``at``."""

    trust: TrustStore
    embedded: Sequence[Embedded]
    algorithms: Algorithms
    at: datetime

    def lists(self) -> Iterator[Crl]:
        yield from (read_crl(der) for der in self.trust.crls)
        for each in self.embedded:
            if isinstance(each.content, Crl) and not self.weak(each.content, each.proven):
                yield each.content

    def weak(self, content: Crl | Answer, proven: datetime) -> bool:
        """Signed with a digest that did not count any more when it is first known to have existed."""
        return bool(digest_fault(content.digest, self.algorithms, proven))


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one list or answer says of one certificate; ``since`` None: that it is not revoked.

    ``silent``: it may have forgotten the certificate, so not naming it says nothing. ``archived``: it came
    with the file and is proven to be from the lifetime of the authority that signed it.
    """

    issued: datetime
    number: int
    until: datetime | None
    since: datetime | None = None
    reason: x509.ReasonFlags | None = None
    silent: bool = False
    archived: bool = False
    current: bool = True  # may be the newest word; an answer that names no next one speaks for its moment
    pinned: bool = False  # it did not come with a file

    def revokes(self, proven: datetime, generated: datetime | None) -> bool:
        """For good, with effect at the proven time. An authority that ended in order takes no timestamp along
        that it gave before (RFC 3161 clause 4).
        """
        if self.since is None or self.reason in _PASSING or self.since > proven:
            return False
        return generated is None or self.reason not in _ORDERLY or self.since <= generated

    def holds(self, proven: datetime) -> bool:
        """Until further notice (RFC 5280 §5.3.1), with effect at the proven time."""
        held = self.reason is x509.ReasonFlags.certificate_hold
        return held and self.since is not None and self.since <= proven


def check_revocation(
    path: Path,
    trust: TrustStore,
    proven: datetime,
    at: datetime,
    *,
    embedded: Sequence[Embedded] = (),
    generated: datetime | None = None,
    algorithms: Algorithms = DEFAULT.algorithms,
) -> Revocation:
    """Hard-fail for the signer and every intermediate; the anchor is pinned and has no list above it.

    A list counts when it is signed by the certificate's issuer, speaks of such a certificate and
    ``this_update <= at <= next_update``. A revocation after ``proven`` does not reach back, unless its
    invalidityDate (RFC 5280 §5.3.2) does. A revocation that is on record stays conclusive, in a list that has
    gone stale and although a newer one is silent. A hold (§5.3.1) is not for ever: of it the newest list that
    speaks of the certificate decides.

    ``embedded`` counts like pinned lists. For a certificate that has expired it may also be the last word,
    when it was issued at or after ``proven`` and is itself proven to be from its authority's lifetime.
    ``generated`` is the time that a timestamp gives, when the path is a timestamp authority's.
    """
    sources = _Sources(trust, embedded, algorithms, at)
    # Where nothing stands above a certificate, no list was asked about it.
    unfinished = "" if len(path.certificates) > 1 else "crl_missing"
    fresh_until: datetime | None = None
    for position, (certificate, authority) in enumerate(
        zip(path.certificates, path.certificates[1:], strict=False)
    ):
        own = generated if position == 0 else None
        anchored = authority is path.certificates[-1]
        every = _statements(certificate, authority, sources, anchored=anchored)
        said = [statement for statement in every if statement.issued <= at]
        telling = [statement for statement in said if not statement.silent]
        # Only a pinned list releases from a hold that a pinned one names.
        last_words = [*_newest(telling), *_newest([s for s in telling if s.pinned])]
        if any(s.revokes(proven, own) for s in said) or any(s.holds(proven) for s in last_words):
            return Revocation("ca_revoked" if position else "certificate_revoked")
        newest = _newest([statement for statement in said if statement.current])
        until = min((s.until for s in newest if s.until is not None), default=None)
        if not newest:
            code = "crl_missing"
        elif until is None or until < at:
            code = "crl_stale"
        elif not any(s in newest or s.issued >= proven for s in telling):
            # An authority may drop a certificate from its lists once it has expired (RFC 5280 §3.3).
            code = "crl_after_expiry"
        else:
            code = ""
        if code and at > certificate.not_after and any(s.archived and s.issued >= proven for s in telling):
            code, until = "", FOR_EVER
        if code or until is None:
            unfinished = unfinished or code
        else:
            fresh_until = min(fresh_until or until, until)
    return Revocation(unfinished, None if unfinished else fresh_until)


def telling_lists(
    certificate: Certificate, authority: Certificate, trust: TrustStore
) -> tuple[tuple[datetime, bytes], ...]:
    """Pinned lists (thisUpdate, DER) that tell whether ``certificate`` is revoked, the newest first: what an
    archive keeps of them.
    """
    lists = [(read_crl(der), der) for der in trust.crls]
    telling = [
        (crl.this_update, der)
        for crl, der in lists
        if _counts(crl, certificate, authority) and not _listed(crl, certificate, archived=False).silent
    ]
    return tuple(sorted(telling, key=lambda each: each[0], reverse=True))


def _newest(said: Sequence[_Statement]) -> list[_Statement]:
    """The newest by thisUpdate, then by number; several when nothing tells them apart, and then each counts
    in what it says against the certificate.
    """
    latest = max(((s.issued, s.number) for s in said), default=None)
    return [s for s in said if (s.issued, s.number) == latest]


def _statements(
    certificate: Certificate, authority: Certificate, sources: _Sources, *, anchored: bool
) -> Iterator[_Statement]:
    """Everything that ``authority``, or whom it told to answer, says of ``certificate``. ``anchored``: it is
    the pinned end of the path, whose dates do not bind, here as there.
    """
    for der in sources.trust.crls:
        crl = read_crl(der)
        if _counts(crl, certificate, authority):
            yield replace(_listed(crl, certificate, archived=False), pinned=True)
    for each in sources.embedded:
        in_time = anchored or each.proven <= authority.not_after
        match each.content:
            case Crl() as crl:
                if not sources.weak(crl, each.proven) and _counts(crl, certificate, authority):
                    yield _listed(crl, certificate, archived=in_time)
            case Answer() as answer:
                if _may_answer(answer, authority, sources, each.proven):
                    yield from _answered(answer, certificate, authority, archived=in_time)


def _counts(crl: Crl, certificate: Certificate, authority: Certificate) -> bool:
    """Signed by the authority, and the certificate is in its scope (RFC 5280 §6.3.3 b 2): an authority may
    keep one list for its authorities, one for its subscribers, or several for subscribers by their
    distribution point.
    """
    if crl.issuer != authority.subject or not crl.usable:
        return False
    if not (crl.covers_ca if certificate.is_ca else crl.covers_users):
        return False
    if crl.points is not None and crl.points.isdisjoint(certificate.crl_points):
        return False
    return _crl_signed(crl, authority)


def _listed(crl: Crl, certificate: Certificate, *, archived: bool) -> _Statement:
    entry = crl.parsed.get_revoked_certificate_by_serial_number(certificate.serial)
    reason = since = None
    if entry is not None:
        values = entry_details(entry)
        reason = next((v.reason for v in values if isinstance(v, x509.CRLReason)), None)
        # From when on the key is not to be believed: the entry's date, or its invalidityDate before that.
        dates = (v.invalidity_date_utc for v in values if isinstance(v, x509.InvalidityDate))
        since = min((entry.revocation_date_utc, *dates))
    # One issued after the certificate's expiry tells something only when it says that it keeps expired ones.
    kept = crl.keeps_expired_since
    silent = crl.this_update > certificate.not_after and (kept is None or kept > certificate.not_after)
    return _Statement(
        issued=crl.this_update,
        number=-1 if crl.number is None else crl.number,
        until=crl.next_update,
        since=since,
        reason=reason,
        silent=silent,
        archived=archived,
    )


def _answered(
    answer: Answer, certificate: Certificate, authority: Certificate, *, archived: bool
) -> Iterator[_Statement]:
    """ "unknown" is no statement: another list or answer may know the certificate."""
    for single in answer.singles:
        try:
            if not _names(single, certificate, authority):
                continue
            since = single.revocation_time_utc
            reason = single.revocation_reason
            status = single.certificate_status
        except (ValueError, UnsupportedAlgorithm):
            continue
        if status is ocsp.OCSPCertStatus.UNKNOWN:
            continue
        yield _Statement(
            issued=single.this_update_utc,
            number=-1,
            until=single.next_update_utc,
            since=since,
            reason=reason,
            silent=single.this_update_utc > certificate.not_after,
            archived=archived,
            current=single.next_update_utc is not None,
        )


def _names(single: ocsp.OCSPSingleResponse, certificate: Certificate, authority: Certificate) -> bool:
    """Whether the answer is about this certificate of this authority (RFC 6960 §4.1.1)."""
    if single.serial_number != certificate.serial:
        return False
    name, key = _certificate_id(certificate, authority, single.hash_algorithm.name)
    return (single.issuer_name_hash, single.issuer_key_hash) == (name, key)


_ID_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,  # names a key here, and proves nothing
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@lru_cache(maxsize=1024)
def _certificate_id(certificate: Certificate, authority: Certificate, digest: str) -> tuple[bytes, bytes]:
    maker = _ID_DIGESTS.get(digest)
    if maker is None:
        return b"", b""
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, authority.parsed, maker()).build()
    return request.issuer_name_hash, request.issuer_key_hash


def _may_answer(answer: Answer, authority: Certificate, sources: _Sources, proven: datetime) -> bool:
    """Whether the authority itself signed, or somebody whom it told to (RFC 6960 §4.2.2.2): a certificate
    that it issued directly, for OCSP signing, in force and not revoked when the answer was made.
    """
    algorithms = sources.algorithms
    # Whoever answers writes when that was: a delegate must have been in force at every time that it names.
    moments = [answer.produced_at, *(single.this_update_utc for single in answer.singles)]
    if sources.weak(answer, proven) or answer.produced_at > sources.at:
        return False
    if _answer_signed(answer, authority):
        return True
    return any(
        delegate.issuer == authority.subject
        and delegate.sha256 not in sources.trust.distrusted
        and delegate.purposes is not None
        and _OCSP_SIGNING in delegate.purposes
        and not delegate.unknown_critical
        and (delegate.usage is None or delegate.usage.digital_signature)
        and all(delegate.not_before <= moment <= delegate.not_after for moment in moments)
        and not key_fault(delegate.key, algorithms, proven)
        and not digest_fault(delegate.digest, algorithms, proven)
        and issued(delegate, authority)
        and _answer_signed(answer, delegate)
        and (delegate.answers_unchecked or _stands(delegate, authority, sources, answer.produced_at))
        for delegate in answer.certificates
    )


def _stands(delegate: Certificate, authority: Certificate, sources: _Sources, moment: datetime) -> bool:
    """Whether a list, and only a list, says that who answers was not revoked when answering."""
    lists = (crl for crl in sources.lists() if _counts(crl, delegate, authority))
    said = [_listed(crl, delegate, archived=False) for crl in lists]
    if any(s.since is not None and s.since <= moment for s in said):
        return False
    return any(not s.silent and s.until is not None and s.until >= moment for s in said)


@lru_cache(maxsize=256)
def _answer_signed(answer: Answer, signer: Certificate) -> bool:
    parsed, key = answer.parsed, signer.key
    try:
        digest = parsed.signature_hash_algorithm
        match key:
            case rsa.RSAPublicKey() if digest is not None:
                key.verify(parsed.signature, parsed.tbs_response_bytes, padding.PKCS1v15(), digest)
            case ec.EllipticCurvePublicKey() if digest is not None:
                key.verify(parsed.signature, parsed.tbs_response_bytes, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey():
                key.verify(parsed.signature, parsed.tbs_response_bytes)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
