"""Judges the signatures of one file: facts of the bytes + trust + policy + time -> one report per signature.

Both ways through ``verifier.pades`` end here, the full one with pyHanko and the fast one without, so a
registered file gets the same report on both. Order and names of the steps follow ETSI EN 319 102-1 clause 5.2
and 5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from verifier.certificates import (
    Certificate,
    Path,
    check_revocation,
    digest_fault,
    find_path,
    key_fault,
)
from verifier.cms import Cms, MalformedSignature, read_cms, signature_holds
from verifier.intake import ByteRange, contents_of, gap_fault, range_digests
from verifier.policy import ValidationPolicy
from verifier.report import (
    LONGEST_TEXT,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Role,
    SignatureReport,
    SignerInfo,
    SubIndication,
    plausible,
)
from verifier.trust import Approval, AuthorisedSigner, TrustStore

PADES = "/ETSI.CAdES.detached"


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What never changes about one signature of bytes that never change.

    ``byte_range`` is [0, a, b, c]: bytes [0, a) and [b, b + c) are signed, [a, b) holds ``<hex>``.
    ``coverage`` and ``integrity`` are reason codes found by the full validation, empty when nothing was
    wrong.
    """

    field: str
    byte_range: ByteRange | None
    subfilter: str
    claimed_time: datetime | None
    coverage: str
    integrity: str


def role_of(field: str) -> tuple[Role | None, str | None]:
    """Role and subject code that a field name stands for; (None, None) for a field that is not ours."""
    name, _, subject = field.partition(".")
    if name == Role.GVBM and subject:
        return Role.GVBM, subject
    if not subject and name in (Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH):
        return Role(name), None
    return None, None


@dataclass(frozen=True, slots=True)
class Basis:
    """What signatures are judged by. ``school_code`` is the record's issuer when the file says it, ``proven``
    the earliest time at which the file is known to have existed, ``at`` the time of this check.
    """

    trust: TrustStore
    policy: ValidationPolicy
    at: datetime
    proven: datetime
    school_code: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Reports in the order of the facts; ``fresh_until`` is the earliest nextUpdate of the lists they rest
    on.
    """

    reports: tuple[SignatureReport, ...]
    fresh_until: datetime | None


def judge(data: bytes, facts: Sequence[SignatureFacts], basis: Basis) -> Judgement:
    """Judge every signature. A document cannot make this raise."""
    # 1 Read every CMS; what cannot be read keeps its reason.
    parsed = [_read(data, each, basis.policy) for each in facts]

    # 2 One pass over the bytes for all message digests.
    digests = range_digests(
        data,
        (
            (each.byte_range, cms.digest)
            for each, cms in zip(facts, parsed, strict=True)
            if isinstance(cms, Cms) and each.byte_range is not None and not digest_unknown(cms)
        ),
    )

    # 3 The checks, one signature at a time.
    reports: list[SignatureReport] = []
    fresh: list[datetime] = []
    for each, cms in zip(facts, parsed, strict=True):
        if isinstance(cms, str):
            reports.append(_unreadable(each, cms, basis.proven))
            continue
        digest = None if each.byte_range is None else digests.get((each.byte_range, cms.digest))
        report, until = _judge_one(each, cms, digest, basis)
        reports.append(report)
        fresh += [until] if until else []
    return Judgement(tuple(reports), min(fresh, default=None))


def digest_unknown(cms: Cms) -> bool:
    """A digest that we could not even compute."""
    return cms.digest not in ("sha1", "sha224", "sha256", "sha384", "sha512")


def _read(data: bytes, facts: SignatureFacts, policy: ValidationPolicy) -> Cms | str:
    """The CMS in the gap, or the reason code why there is none."""
    if facts.byte_range is None:
        return facts.integrity or "no_byte_range"
    fault = gap_fault(data, facts.byte_range, None)
    if fault:
        return fault
    try:
        return read_cms(contents_of(data, facts.byte_range), policy.limits.certificates)
    except MalformedSignature as error:
        return error.code


def _judge_one(
    facts: SignatureFacts, cms: Cms, digest: bytes | None, basis: Basis
) -> tuple[SignatureReport, datetime | None]:
    role, subject_code = role_of(facts.field)
    signer = cms.signer

    # 3.1 Integrity: the bytes match the message digest, the signature matches the signed attributes.
    integrity = _verdict(CheckName.INTEGRITY, _integrity_fault(facts, cms, digest) or facts.integrity)

    # 3.2 Coverage: found once, when the structure of the file was read.
    coverage = _verdict(CheckName.COVERAGE, facts.coverage)

    # 3.3 Certificate: a path to a pinned anchor that holds at the proven time.
    path = find_path(signer, cms.offered, basis.trust, basis.policy, basis.proven)
    certificate = _verdict(CheckName.CERTIFICATE, "no_path" if path is None else path.code)

    # 3.4 Algorithms of the signature and of every certificate below the anchor.
    algorithm = _algorithm(cms, path, basis.policy)

    # 3.5 Authority: our own table, never the certificate's words.
    row, authority_code = _authority(signer, role, subject_code, basis)
    authority = _verdict(CheckName.AUTHORITY, authority_code)

    # 3.6 Time: the claim may not lie after the proof.
    claimed = facts.claimed_time or cms.signing_time
    late = claimed is not None and claimed > basis.proven + basis.policy.clock_tolerance
    time = _verdict(CheckName.TIME, "claimed_in_future" if late else "")

    # 3.7 Revocation, hard-fail.
    until = None
    if path is None:
        revocation = Check(CheckName.REVOCATION, CheckStatus.NOT_AVAILABLE, "no_path")
    else:
        found = check_revocation(path, basis.trust, basis.proven, basis.at)
        until = found.fresh_until
        status = CheckStatus.FAILED if found.revoked else CheckStatus.INCOMPLETE
        revocation = Check(CheckName.REVOCATION, status if found.code else CheckStatus.PASSED, found.code)

    checks = (integrity, coverage, algorithm, certificate, authority, time, revocation)
    indication, sub_indication = indicate(checks)
    return SignatureReport(
        field=facts.field,
        role=role,
        subject_code=subject_code,
        byte_range=facts.byte_range,
        signer=SignerInfo(
            certificate_sha256=signer.sha256,
            subject=signer.subject_text[:LONGEST_TEXT],
            issuer=signer.issuer_text[:LONGEST_TEXT],
            serial=f"{signer.serial:x}"[:LONGEST_TEXT],
            not_before=signer.not_before,
            not_after=signer.not_after,
        ),
        claimed_time=None if claimed is None else plausible(claimed),
        proven_time=basis.proven,
        school_code=None if row is None else row.school_code,
        capacity=None if row is None else _capacity(row, role),
        digest_algorithm=cms.digest,
        checks=checks,
        indication=indication,
        sub_indication=sub_indication,
    ), until


def _unreadable(facts: SignatureFacts, code: str, proven: datetime) -> SignatureReport:
    """A signature that cannot even be read fails as a whole; the other checks had nothing to look at."""
    role, subject_code = role_of(facts.field)
    rest = (
        CheckName.ALGORITHM,
        CheckName.CERTIFICATE,
        CheckName.AUTHORITY,
        CheckName.TIME,
        CheckName.REVOCATION,
    )
    checks = (
        _verdict(CheckName.INTEGRITY, code),
        _verdict(CheckName.COVERAGE, facts.coverage),
        *(Check(name, CheckStatus.NOT_AVAILABLE, "signature_unreadable") for name in rest),
    )
    indication, sub_indication = indicate(checks)
    return SignatureReport(
        field=facts.field,
        role=role,
        subject_code=subject_code,
        byte_range=facts.byte_range,
        signer=None,
        claimed_time=None if facts.claimed_time is None else plausible(facts.claimed_time),
        proven_time=proven,
        school_code=None,
        capacity=None,
        digest_algorithm=None,
        checks=checks,
        indication=indication,
        sub_indication=sub_indication,
    )


def _verdict(name: CheckName, code: str) -> Check:
    return Check(name, CheckStatus.FAILED if code else CheckStatus.PASSED, code)


def _integrity_fault(facts: SignatureFacts, cms: Cms, digest: bytes | None) -> str:
    if facts.subfilter == PADES and not cms.names_certificate:
        return "no_signing_certificate_attribute"  # ETSI EN 319 142-1 clause 6.3, requirement k
    if digest is None:
        return "digest_not_computable"
    if digest != cms.message_digest:
        return "digest_mismatch"
    return "" if signature_holds(cms) else "bad_signature"


def _algorithm(cms: Cms, path: Path | None, policy: ValidationPolicy) -> Check:
    """The worst of all algorithms: refused ones fail, known old ones are weak."""
    algorithms = policy.algorithms
    links = (cms.signer,) if path is None else path.certificates[:-1]
    faults = [
        digest_fault(cms.digest, algorithms),
        *(key_fault(link.key, algorithms) for link in links),
        *(digest_fault(link.digest, algorithms) for link in links),
    ]
    if path is not None:
        faults.append(key_fault(path.certificates[-1].key, algorithms))
    refused = [code for code in faults if code and not code.startswith("weak_")]
    weak = [code for code in faults if code.startswith("weak_")]
    if refused:
        return Check(CheckName.ALGORITHM, CheckStatus.FAILED, refused[0])
    if weak:
        return Check(CheckName.ALGORITHM, CheckStatus.WEAK, weak[0])
    return Check(CheckName.ALGORITHM, CheckStatus.PASSED)


def _authority(
    signer: Certificate, role: Role | None, subject_code: str | None, basis: Basis
) -> tuple[AuthorisedSigner | None, str]:
    """The row that lets this certificate sign this field, or the nearest row and why it does not."""
    rows = basis.trust.signers_by_certificate.get(signer.sha256, ())
    if not rows:
        return None, "unknown_signer"
    if role is None:
        return rows[0], "no_role"
    at_school = [row for row in rows if basis.school_code in (None, row.school_code)]
    if not at_school:
        return rows[0], "other_school"
    in_role = [row for row in at_school if row.role is role or (row.role is Role.CBQL and role is Role.GVBM)]
    if not in_role:
        return at_school[0], "other_role"
    fitting = [
        row
        for row in in_role
        if row.role is not Role.GVBM or not row.subject_codes or subject_code in row.subject_codes
    ]
    if not fitting:
        return in_role[0], "other_subject"
    for row in fitting:
        if row.covers(basis.proven):
            return row, ""
    row = fitting[0]
    if row.approval is not Approval.APPROVED:
        return row, "not_approved"
    if row.invalid_since is not None and row.invalid_since <= basis.proven:
        return row, "suspended"
    return row, "outside_period"


def _capacity(row: AuthorisedSigner, role: Role | None) -> str:
    """The principal may sign for a subject teacher ("ký thay")."""
    return "ky_thay" if row.role is Role.CBQL and role is Role.GVBM else row.capacity


_FAILED = Indication.TOTAL_FAILED
_OPEN = Indication.INDETERMINATE
# (check, code) or (check, "") for every other code -> main status of EN 319 102-1, tables 5 and 6. A key that
# was revoked, or a certificate that had expired, by the proven time leaves open whether the signature is
# older.
_STATUS: dict[tuple[CheckName, str], tuple[Indication, SubIndication]] = {
    (CheckName.INTEGRITY, "digest_mismatch"): (_FAILED, SubIndication.HASH_FAILURE),
    (CheckName.INTEGRITY, "bad_signature"): (_FAILED, SubIndication.SIG_CRYPTO_FAILURE),
    (CheckName.INTEGRITY, "no_signing_certificate"): (_OPEN, SubIndication.NO_SIGNING_CERTIFICATE_FOUND),
    (CheckName.INTEGRITY, ""): (_FAILED, SubIndication.FORMAT_FAILURE),
    (CheckName.COVERAGE, ""): (_FAILED, SubIndication.FORMAT_FAILURE),
    (CheckName.CERTIFICATE, "no_path"): (_OPEN, SubIndication.NO_CERTIFICATE_CHAIN_FOUND),
    (CheckName.CERTIFICATE, "expired"): (_OPEN, SubIndication.OUT_OF_BOUNDS_NO_POE),
    (CheckName.CERTIFICATE, "ca_expired"): (_OPEN, SubIndication.OUT_OF_BOUNDS_NO_POE),
    (CheckName.CERTIFICATE, "not_yet_valid"): (_FAILED, SubIndication.NOT_YET_VALID),
    (CheckName.CERTIFICATE, "library_disagrees"): (_OPEN, SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE),
    (CheckName.CERTIFICATE, ""): (_OPEN, SubIndication.CHAIN_CONSTRAINTS_FAILURE),
    (CheckName.REVOCATION, "certificate_revoked"): (_OPEN, SubIndication.REVOKED_NO_POE),
    (CheckName.REVOCATION, "ca_revoked"): (_OPEN, SubIndication.REVOKED_CA_NO_POE),
    (CheckName.REVOCATION, ""): (_OPEN, SubIndication.TRY_LATER),
    (CheckName.ALGORITHM, ""): (_OPEN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE),
    (CheckName.AUTHORITY, ""): (_OPEN, SubIndication.SIG_CONSTRAINTS_FAILURE),
    (CheckName.TIME, ""): (_OPEN, SubIndication.SIG_CONSTRAINTS_FAILURE),
}
_WEIGHT = {
    CheckStatus.FAILED: 0,
    CheckStatus.WEAK: 1,
    CheckStatus.INCOMPLETE: 2,
    CheckStatus.NOT_AVAILABLE: 3,
}


def indicate(checks: Sequence[Check]) -> tuple[Indication, SubIndication | None]:
    """Main status of a signature: TOTAL_PASSED only when every check passed, else that of the gravest one."""
    open_checks = [c for c in checks if c.status is not CheckStatus.PASSED]
    if not open_checks:
        return Indication.TOTAL_PASSED, None
    statuses = [
        (_STATUS.get((c.name, c.code)) or _STATUS[c.name, ""], _WEIGHT[c.status]) for c in open_checks
    ]
    return min(statuses, key=lambda s: (s[0][0] is not _FAILED, s[1]))[0]


def stricter(report: SignatureReport, name: CheckName, code: str) -> SignatureReport:
    """The report with one check that had passed turned into a failure; other states already count less."""
    checks = tuple(
        Check(name, CheckStatus.FAILED, code) if c.name is name and c.status is CheckStatus.PASSED else c
        for c in report.checks
    )
    indication, sub_indication = indicate(checks)
    return replace(report, checks=checks, indication=indication, sub_indication=sub_indication)
