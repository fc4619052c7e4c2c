"""Timestamps (RFC 3161, RFC 5816): is this one over these bytes, and does it prove its time?

A timestamp is judged like a signature, at the earliest time at which it is itself known to have existed (ETSI
EN 319 102-1 clause 5.4 and 5.6.2.3): a later timestamp, the registration of the file, else the check. Its
authority must stand below an anchor that is pinned for timestamps; anchors for signers do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verifier.certificates import Certificate, Path, find_path
from verifier.cms import (
    COMPUTED,
    TIMESTAMP_INFO,
    Cms,
    MalformedSignature,
    digest_name,
    read_cms,
    signature_holds,
)
from verifier.der import GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE, Node, read
from verifier.indications import (
    check_algorithms,
    coverage_check,
    indicate,
    passed_unless,
    signer_info,
    unasked,
)
from verifier.policy import ValidationPolicy
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    TimestampKind,
    TimestampReport,
    plausible,
)
from verifier.revocation import Embedded, check_revocation
from verifier.trust import TrustStore

_BOOLEAN = 0x01
_TIME = re.compile(rb"(\d{14})(?:\.(\d{1,9}))?Z")


@dataclass(frozen=True, slots=True)
class Token:
    """What one timestamp says: ``imprint`` is the ``digest`` of what it is over, made at ``generated``, give
    or take ``accuracy``.
    """

    cms: Cms
    digest: str
    imprint: bytes
    generated: datetime
    accuracy: timedelta

    @property
    def latest(self) -> datetime:
        """What it is over existed by then."""
        return self.generated + self.accuracy


def read_token(contents: bytes, max_certificates: int) -> Token:
    """Read a TimeStampToken, as the value of /Contents or of a CMS attribute. Raises MalformedSignature."""
    cms = read_cms(contents, max_certificates, TIMESTAMP_INFO)
    try:
        return _read_info(cms)
    except MalformedSignature:
        raise
    except Exception as error:  # ValueError of DER, TypeError of a wrong count, OverflowError of a time
        raise MalformedSignature("malformed_timestamp") from error


def _read_info(cms: Cms) -> Token:
    """TSTInfo (RFC 3161 clause 2.4.2), every field of it known or refused."""
    info = read(cms.content)
    if info.encoded != cms.content:
        raise MalformedSignature("malformed_timestamp")
    version, policy, imprint, serial, generated, *rest = info.expect(SEQUENCE).children()
    if version.integer() != 1:
        raise MalformedSignature("malformed_timestamp")
    policy.expect(OID)
    serial.expect(INTEGER)
    algorithm, hashed = imprint.expect(SEQUENCE).children()
    accuracy = timedelta(0)
    order = (SEQUENCE, _BOOLEAN, INTEGER, 0xA0, 0xA1)  # accuracy, ordering, nonce, name, extensions
    if [order.index(node.tag) for node in rest] != sorted({order.index(node.tag) for node in rest}):
        raise MalformedSignature("malformed_timestamp")
    for node in rest:
        if node.tag == SEQUENCE:
            accuracy = _accuracy(node.children())
        elif node.tag == 0xA1 and any(_critical(extension.children()) for extension in node.children()):
            raise MalformedSignature("unknown_critical_extension")
    match = _TIME.fullmatch(generated.expect(GENERALIZED_TIME).content)
    if match is None:
        raise MalformedSignature("malformed_timestamp")
    moment = datetime.strptime(match[1].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if plausible(moment) is None:
        raise MalformedSignature("malformed_timestamp")
    fraction = timedelta(seconds=float(b"0." + (match[2] or b"0")))
    return Token(
        cms, digest_name(algorithm), hashed.expect(OCTET_STRING).content, moment + fraction, accuracy
    )


def _accuracy(parts: Sequence[Node]) -> timedelta:
    """Seconds, [0] milliseconds, [1] microseconds; each may be left out."""
    units = {INTEGER: "seconds", 0x80: "milliseconds", 0x81: "microseconds"}
    values: dict[str, int] = {}
    for part in parts:
        values[units[part.tag]] = int.from_bytes(part.content, "big", signed=True)
    if any(not 0 <= value < 1 << 31 for value in values.values()):
        raise MalformedSignature("malformed_timestamp")
    return timedelta(**values)


def _critical(parts: Sequence[Node]) -> bool:
    return any(part.tag == _BOOLEAN and part.content != b"\0" for part in parts)


def _path_fault(token: Token, path: Path | None, *, doubted: bool) -> str:
    signer = token.cms.signer
    if path is None:
        return "no_path"
    if path.code:
        return path.code
    if not signer.not_before <= token.generated <= signer.not_after:
        return "generated_outside_validity"
    return "library_disagrees" if doubted else ""


def digest_of(data: bytes, name: str) -> bytes | None:
    """None for a digest that we do not compute."""
    return hashlib.new(name, data).digest() if name in COMPUTED else None


@dataclass(frozen=True, slots=True)
class Bench:
    """By what a timestamp is judged. ``proven`` is when it is known to have existed, ``certificates`` and
    ``by_file`` what the file brings along.
    """

    trust: TrustStore
    policy: ValidationPolicy
    at: datetime
    proven: datetime
    certificates: tuple[Certificate, ...] = ()
    by_file: tuple[Embedded, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """One timestamp, judged. ``latest`` is the time that it proves, when it does; ``fresh_until`` as in
    :class:`verifier.revocation.Revocation`.
    """

    report: TimestampReport
    latest: datetime | None = None
    fresh_until: datetime | None = None


def judge_token(
    kind: TimestampKind,
    field: str,
    token: Token,
    covered: bytes | None,
    bench: Bench,
    *,
    library: str = "",
    doubted: bool = False,
    coverage: str | None = None,
) -> Stamp:
    """Judge one timestamp; ``covered`` is the digest of what it should be over, with the algorithm of its
    imprint. ``library`` and ``coverage`` are reason codes found when the file was read, ``doubted`` says that
    the library saw no trusted path. A document cannot make this raise.
    """
    cms, policy = token.cms, bench.policy

    # 1 Over these bytes, and made by the key of the certificate that it names itself (RFC 5816).
    if covered is None:
        fault = "digest_not_computable"
    elif covered != token.imprint:
        fault = "imprint_mismatch"
    elif not cms.names_certificate:
        fault = "no_signing_certificate_attribute"
    elif digest_of(cms.content, cms.digest) != cms.message_digest:
        fault = "digest_mismatch"
    else:
        fault = "" if signature_holds(cms) else "bad_signature"
    checks = [passed_unless(CheckName.INTEGRITY, fault or library)]
    if coverage is not None:
        covers = coverage_check(coverage)
        checks.append(unasked(covers) if fault or library else covers)
    about_authority = len(checks)

    # 2 A path to an anchor for timestamps that holds when the timestamp is known to have existed.
    store = bench.trust.for_timestamps
    offered = (*cms.offered, *bench.certificates)
    path = find_path(cms.signer, offered, store, policy, bench.proven, use=policy.timestamp_use)
    checks.append(check_algorithms((cms.digest, token.digest), cms.signer, path, policy, bench.proven))
    checks.append(passed_unless(CheckName.CERTIFICATE, _path_fault(token, path, doubted=doubted)))

    # 3 The time it gives: not after it was there, not vaguer than allowed.
    late = token.latest > bench.proven + policy.clock_tolerance
    vague = token.accuracy > policy.timestamp_accuracy
    checks.append(
        passed_unless(CheckName.TIME, "timestamp_in_future" if late else "accuracy_too_wide" if vague else "")
    )

    # 4 Revocation of the authority, hard-fail.
    until = None
    if path is None:
        checks.append(Check(CheckName.REVOCATION, CheckStatus.NOT_AVAILABLE, "no_path"))
    else:
        found = check_revocation(
            path,
            store,
            bench.proven,
            bench.at,
            embedded=bench.by_file,
            generated=token.latest,
            algorithms=policy.algorithms,
        )
        until = found.fresh_until
        status = CheckStatus.FAILED if found.revoked else CheckStatus.INCOMPLETE
        checks.append(Check(CheckName.REVOCATION, status if found.code else CheckStatus.PASSED, found.code))

    # 5 Where it is not a signature of that key, nothing more is known of any authority.
    if fault and not signature_holds(cms):
        checks[about_authority:] = map(unasked, checks[about_authority:])

    indication, sub_indication = indicate(checks)
    report = TimestampReport(
        kind=kind,
        field=field,
        time=token.latest,
        proven_time=bench.proven,
        signer=signer_info(cms.signer),
        authorities=() if path is None else tuple(link.authority for link in path.certificates[1:]),
        checks=tuple(checks),
        indication=indication,
        sub_indication=sub_indication,
    )
    return Stamp(report, token.latest, until)


def unreadable(
    kind: TimestampKind, field: str, code: str, proven: datetime, *, coverage: str | None = None
) -> Stamp:
    """A timestamp that cannot even be read: broken, whoever made it."""
    checks = [passed_unless(CheckName.INTEGRITY, code)]
    if coverage is not None:
        checks.append(unasked(coverage_check(coverage)))
    names = (CheckName.ALGORITHM, CheckName.CERTIFICATE, CheckName.TIME, CheckName.REVOCATION)
    checks += [Check(name, CheckStatus.NOT_AVAILABLE, "signature_unreadable") for name in names]
    indication, sub_indication = indicate(checks)
    return Stamp(
        TimestampReport(
            kind=kind,
            field=field,
            time=None,
            proven_time=proven,
            signer=None,
            authorities=(),
            checks=tuple(checks),
            indication=indication,
            sub_indication=sub_indication,
        )
    )
