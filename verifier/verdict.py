"""The pure fold: what a check found + what the registry knows -> one verdict.

The registry decides; the signatures corroborate. The rows below are tried in order and the first that fits
decides. Nothing here reads a clock, a file or a database, so every combination can be tested.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Role,
    SignatureReport,
    ValidationReport,
)


class Outcome(StrEnum):
    """The closed enumeration that CLI, API and page share."""

    GENUINE_CURRENT = "GENUINE_CURRENT"
    GENUINE_SUPERSEDED = "GENUINE_SUPERSEDED"
    GENUINE_REVOKED = "GENUINE_REVOKED"
    CONTENT_DIFFERS = "CONTENT_DIFFERS"
    SEAL_VALID_NOT_REGISTERED = "SEAL_VALID_NOT_REGISTERED"
    REGISTERED_BUT_SIGNATURE_FAILS = "REGISTERED_BUT_SIGNATURE_FAILS"
    NOT_VERIFIED = "NOT_VERIFIED"
    CHECK_INCOMPLETE = "CHECK_INCOMPLETE"


#: As issued by the school; the state of the version tells them apart.
GENUINE = frozenset({Outcome.GENUINE_CURRENT, Outcome.GENUINE_SUPERSEDED, Outcome.GENUINE_REVOKED})


class Evidence(StrEnum):
    """What the answer speaks about: these bytes, a code, or values compared with the issued content."""

    FILE = "file"
    CODE = "code"
    PAPER_COMPARED = "paper_compared"


class VersionState(StrEnum):
    """State of an issued version in the registry."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    RECALLED = "recalled"


class Standing(StrEnum):
    """Last validation of a registered file under today's trust; INCOMPLETE until a change in trust is
    re-validated. DESTROYED: two persons decided that file and content are no more, and nothing can be
    validated ever again.
    """

    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    DESTROYED = "destroyed"


class CodeKind(StrEnum):
    """What a scanned or typed code turned out to be."""

    VERSION = "version"  # record and digest (or its first 8 characters) name an issued version
    RECORD_ONLY = "record_only"  # right id and birth date, no digest: which version the paper is stays open
    DIGEST_MISMATCH = "digest_mismatch"
    UNKNOWN = "unknown"  # also a right id with a wrong birth date: one answer
    MALFORMED = "malformed"  # looks like ours; the check character or the grammar says no
    FOREIGN = "foreign"  # a QR of somebody else, which opens nothing
    FOREIGN_LINK = "foreign_link"  # one that opens a page that is not ours
    SEVERAL = "several"  # more than one of our codes on one document


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One issued version as the registry knows it.

    ``checked_at`` says from when the data behind an unfinished standing are; None while a new check of the
    signatures is only waiting for its turn.
    """

    record_id: str
    version: int
    state: VersionState
    standing: Standing
    since: datetime | None = None  # when superseded or recalled
    recall_reason: str | None = None  # neutral public class
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """The registry's word on a code. ``version`` is set for VERSION (that one) and RECORD_ONLY (the current
    one).
    """

    kind: CodeKind
    version: VersionFacts | None = None


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """Everything the registry said about one document.

    ``available`` False: the registry could not be read, or (``stale``, offline) its facts are older than
    allowed.
    ``prefix_archival`` says that what follows the registered prefix is validation data only.
    ``compared`` is the single yes/no of the blind match, None when nothing was compared.
    """

    available: bool = True
    stale: bool = False
    file: VersionFacts | None = None
    prefix: VersionFacts | None = None
    prefix_archival: bool = False
    named_record_known: bool = False
    code: CodeFacts | None = None
    compared: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer. ``reasons`` are stable codes, the most important first; ``version`` is what the answer
    speaks of.
    """

    outcome: Outcome
    evidence: Evidence
    reasons: tuple[str, ...] = ()
    version: VersionFacts | None = None

    @property
    def green(self) -> bool:
        """Only a current version whose bytes or whole values were compared earns the green headline."""
        return self.outcome is Outcome.GENUINE_CURRENT and self.evidence is not Evidence.CODE

    @property
    def genuine_file(self) -> bool:
        """Whoever sent these bytes holds a file exactly as issued, whatever became of its version since."""
        return self.evidence is Evidence.FILE and self.outcome in GENUINE


def decide(report: ValidationReport, facts: RegistryFacts) -> Verdict:
    """Fold report and registry facts into the verdict. Total: every input gives one answer, none raises."""
    evidence = _evidence(report, facts)

    # 1 Something needed could not be read or finished. Needed is what could still change the answer: the rows
    #   below are read once as if every unfinished check had passed, once as if it had failed.
    if report.incomplete:
        return Verdict(Outcome.CHECK_INCOMPLETE, evidence, (report.incomplete,))
    if report.medium is not Medium.OTHER and not facts.available:
        reason = "registry_stale" if facts.stale else "registry_unavailable"
        return Verdict(Outcome.CHECK_INCOMPLETE, evidence, (reason,))
    if facts.file is not None and facts.file.standing is Standing.DESTROYED:
        # Also for the very bytes, whose signatures could be looked at: the registry no longer stands behind
        # what it cannot open, and a scan of the same version must not be told otherwise.
        return _destroyed(facts.file, evidence)
    unfinished = _unfinished(report)
    if not unfinished:
        return _rows(report, facts, evidence)
    answer = _rows(_finished(report, CheckStatus.PASSED), facts, evidence)
    if _rows(_finished(report, CheckStatus.FAILED), facts, evidence).outcome is not answer.outcome:
        return Verdict(Outcome.CHECK_INCOMPLETE, evidence, unfinished, facts.file)
    return answer


def _rows(report: ValidationReport, facts: RegistryFacts, evidence: Evidence) -> Verdict:
    """Rows 2 to 7, for a report without unfinished checks."""
    # 2 These very bytes are registered.
    if facts.file is not None:
        return _registered(report, facts.file, evidence)

    # 3 A registered file is a strict prefix of the bytes.
    if facts.prefix is not None:
        reason = "archive_addition" if facts.prefix_archival else "changed_after_issue"
        return Verdict(Outcome.CONTENT_DIFFERS, evidence, (reason,), facts.prefix)

    # 4 Unknown bytes under a seal that was authorised: a stolen key or a lost registry row. What was read
    #   leniently is for the report alone: two programs may see two documents in such a file.
    if authorised_seal(report) is not None and not report.lenient:
        return Verdict(Outcome.SEAL_VALID_NOT_REGISTERED, evidence, ("seal_valid_not_registered",))

    # 5 A PDF that names a record of ours but is not a file we issued.
    if report.medium is Medium.PDF and facts.named_record_known:
        return Verdict(Outcome.CONTENT_DIFFERS, evidence, ("resaved_or_edited",))

    # 6 Only a code can speak.
    alone = report.problem is None and not report.lenient
    if report.medium in (Medium.IMAGE, Medium.PDF_OF_IMAGES, Medium.CODE) and alone:
        return _by_code(facts, evidence, report.at)

    # 7 Otherwise.
    return Verdict(Outcome.NOT_VERIFIED, evidence, _why_not(report, facts))


def _evidence(report: ValidationReport, facts: RegistryFacts) -> Evidence:
    if report.medium in (Medium.PDF, Medium.OTHER) or facts.file is not None:
        return Evidence.FILE
    return Evidence.CODE if facts.compared is None else Evidence.PAPER_COMPARED


def _unfinished(report: ValidationReport) -> tuple[str, ...]:
    """Codes of the unfinished checks."""
    checks = [*report.checks, *(c for s in report.signatures for c in s.checks)]
    return tuple(dict.fromkeys(c.code for c in checks if c.status is CheckStatus.INCOMPLETE))


def _finished(report: ValidationReport, status: CheckStatus) -> ValidationReport:
    """The report as it would be if every unfinished check had ended with ``status``."""
    return replace(
        report,
        checks=_with_status(report.checks, status),
        signatures=tuple(_finished_signature(s, status) for s in report.signatures),
    )


def _finished_signature(signature: SignatureReport, status: CheckStatus) -> SignatureReport:
    if not signature.incomplete:
        return signature
    checks = _with_status(signature.checks, status)
    passed = all(c.status is CheckStatus.PASSED for c in checks)
    indication = Indication.TOTAL_PASSED if passed else signature.indication
    return replace(signature, checks=checks, indication=indication)


def _with_status(checks: tuple[Check, ...], status: CheckStatus) -> tuple[Check, ...]:
    return tuple(replace(c, status=status) if c.status is CheckStatus.INCOMPLETE else c for c in checks)


def _registered(report: ValidationReport, version: VersionFacts, evidence: Evidence) -> Verdict:
    """All checks pass, or something is wrong with a file of ours. What was not checked has not passed."""
    if (
        report.problem is None
        and not report.lenient
        and report.signatures
        and all(s.passed and _passes(s.checks, _SIGNATURE_CHECKS) for s in report.signatures)
        and _passes(report.checks, (CheckName.REQUIRED_ROLES,))
        and all(_stands(c) for c in report.checks)
    ):
        return Verdict(_by_state(version), evidence, _state_reasons(version), version)
    failing = [f"{s.field}:{c.name.value}:{c.code}" for s in report.signatures for c in s.checks if _fails(c)]
    failing += [f"{c.name.value}:{c.code}" for c in report.checks if _fails(c)]
    if report.lenient:
        failing.insert(0, "read_leniently")
    reasons = tuple(failing) or ("not_validated",)
    return Verdict(Outcome.REGISTERED_BUT_SIGNATURE_FAILS, evidence, reasons, version)


_SIGNATURE_CHECKS = (
    CheckName.INTEGRITY,
    CheckName.BYTE_RANGE,
    CheckName.COVERAGE,
    CheckName.ALGORITHM,
    CheckName.CERTIFICATE,
    CheckName.AUTHORITY,
    CheckName.TIME,
    CheckName.REVOCATION,
)


def _passes(checks: tuple[Check, ...], needed: tuple[CheckName, ...]) -> bool:
    """Every needed check was made, and none of that name ended otherwise than passed."""
    made = {c.name for c in checks}
    return made >= set(needed) and all(c.status is CheckStatus.PASSED for c in checks if c.name in needed)


def _stands(check: Check) -> bool:
    """Passed; a public log may not exist yet."""
    return check.status is CheckStatus.PASSED or (
        check.name is CheckName.LOG_INCLUSION and check.status is CheckStatus.NOT_AVAILABLE
    )


def _fails(check: Check) -> bool:
    return check.status in (CheckStatus.FAILED, CheckStatus.WEAK)


def _by_state(version: VersionFacts) -> Outcome:
    match version.state:
        case VersionState.CURRENT:
            return Outcome.GENUINE_CURRENT
        case VersionState.SUPERSEDED:
            return Outcome.GENUINE_SUPERSEDED
        case VersionState.RECALLED:
            return Outcome.GENUINE_REVOKED


def _state_reasons(version: VersionFacts) -> tuple[str, ...]:
    if version.state is VersionState.RECALLED:
        return (f"recalled:{version.recall_reason or 'unspecified'}",)
    return ()


def authorised_seal(report: ValidationReport) -> SignatureReport | None:
    """The seal of a school that may sign. A seal whose key signed bytes we do not know is an alarm, whatever
    follows it (coverage), whatever its maker wrote beside it to silence the alarm (:data:`_MAKERS_WORD`), and
    whatever a second opinion makes of that.
    """
    needed = tuple(name for name in _SIGNATURE_CHECKS if name is not CheckName.COVERAGE)
    seals = (s for s in report.signatures if s.role is Role.KY_PHAT_HANH)
    return next((s for s in seals if _passes(tuple(map(_without_makers_word, s.checks)), needed)), None)


#: Failures that whoever holds a key can bring about beside a signature that our own mathematics finds right:
#: a later time, and what lies in the gap and is signed by nobody. A file that names another school stays what
#: it is, signed by somebody who may not sign for it.
_MAKERS_WORD = frozenset(
    {
        (CheckName.INTEGRITY, "no_signing_certificate_attribute"),
        (CheckName.INTEGRITY, "unknown_unsigned_attribute"),
        (CheckName.CERTIFICATE, "certificate_unrelated"),
        (CheckName.CERTIFICATE, "certificate_damaged"),
        (CheckName.TIME, "claimed_in_future"),
        (CheckName.TIME, "timestamp_broken"),
    }
)
_SECOND_OPINIONS = frozenset(
    {"library_contradicts_itself", "library_disagrees", "library_failed", "library_refused"}
)


def _without_makers_word(check: Check) -> Check:
    others = check.status is CheckStatus.FAILED and check.code in _SECOND_OPINIONS
    silenced = others or (check.name, check.code) in _MAKERS_WORD
    return Check(check.name, CheckStatus.PASSED) if silenced else check


def _by_code(facts: RegistryFacts, evidence: Evidence, at: datetime) -> Verdict:
    code = facts.code
    if code is None:
        return Verdict(Outcome.NOT_VERIFIED, evidence, ("no_code",))
    match code.kind:
        case CodeKind.VERSION:
            return _by_version(code.version, facts.compared, evidence, at)
        case CodeKind.DIGEST_MISMATCH:
            return Verdict(Outcome.CONTENT_DIFFERS, evidence, ("digest_mismatch",))
        case CodeKind.RECORD_ONLY if code.version and code.version.standing is Standing.DESTROYED:
            return _destroyed(code.version, evidence)
        case CodeKind.RECORD_ONLY:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("version_not_named",), code.version)
        case CodeKind.UNKNOWN:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("unknown_code",))
        case CodeKind.MALFORMED:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("malformed_code",))
        case CodeKind.FOREIGN:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("foreign_code",))
        case CodeKind.FOREIGN_LINK:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("foreign_link",))
        case CodeKind.SEVERAL:
            return Verdict(Outcome.NOT_VERIFIED, evidence, ("several_codes",))


def _by_version(
    version: VersionFacts | None, compared: bool | None, evidence: Evidence, at: datetime
) -> Verdict:
    if version is None:
        return Verdict(Outcome.CHECK_INCOMPLETE, evidence, ("registry_unavailable",))
    match version.standing:
        case Standing.DESTROYED:
            return _destroyed(version, evidence)
        case Standing.INCOMPLETE:
            return Verdict(Outcome.CHECK_INCOMPLETE, evidence, (_why_unfinished(version, at),), version)
        case Standing.FAILED:
            return Verdict(Outcome.REGISTERED_BUT_SIGNATURE_FAILS, evidence, ("standing_failed",), version)
        case Standing.PASSED if compared is False:
            return Verdict(Outcome.CONTENT_DIFFERS, evidence, ("values_differ",), version)
        case Standing.PASSED:
            return Verdict(_by_state(version), evidence, _state_reasons(version), version)


def _why_unfinished(version: VersionFacts, at: datetime) -> str:
    """Whether time, a clock or somebody who loads new lists will finish the standing of a version."""
    if version.checked_at is None:
        return "revalidation_pending"
    return "clock" if version.checked_at > at else "standing_lapsed"


def _destroyed(version: VersionFacts, evidence: Evidence) -> Verdict:
    """Row 1: what an answer would rest on can be read no more. No word about the record itself."""
    return Verdict(Outcome.CHECK_INCOMPLETE, evidence, ("evidence_destroyed",), version)


def _why_not(report: ValidationReport, facts: RegistryFacts) -> tuple[str, ...]:
    """Reason classes of NOT_VERIFIED for a file, the one that explains most first: before all others, that
    strict reading refuses it.
    """
    if report.problem is not None:
        return (report.problem,)
    if not report.signatures:
        reasons = ["no_signature"]
    else:
        found = {_class_of(check) for s in report.signatures for check in s.checks}
        reasons = [reason for reason in _CLASSES if reason in found]
        reasons.append("not_registered")
    if report.lenient:
        reasons.insert(0, "read_leniently")
    match facts.code:
        case CodeFacts(kind=CodeKind.FOREIGN):
            reasons.append("foreign_code")
        case CodeFacts(kind=CodeKind.FOREIGN_LINK):
            reasons.append("foreign_link")
        case CodeFacts(kind=CodeKind.UNKNOWN):
            reasons.append("unknown_code")
        case CodeFacts(kind=CodeKind.MALFORMED):
            reasons.append("malformed_code")
        case _:
            pass
    return tuple(dict.fromkeys(reasons))


#: Codes of a failed integrity or coverage check that speak of the content; every other one says that the
#: signature itself cannot be read or is not made as the form demands.
CHANGED = frozenset(
    {
        "",
        "digest_mismatch",
        "bad_signature",
        "bytes_after_signature",
        "not_whole_revision",
        "changed_after_signing",
        "content_changed",
        "form_changed",
        "field_changed",
        "catalog_changed",
        "catalog_replaced",
        "object_deleted",
        "changed_after_seal",
    }
)
#: Why a file that is not ours is not verified, the class that explains most first.
_CLASSES = (
    "changed_after_signing",
    "signature_unreadable",
    "untrusted_signer",
    "certificate_expired",
    "certificate_unusable",
    "certificate_revoked",
    "signer_not_authorised",
    "weak_signature",
)


def _class_of(check: Check) -> str | None:
    """The reason class of one check that did not pass; None for what explains nothing."""
    match check:
        case Check(CheckName.INTEGRITY | CheckName.BYTE_RANGE | CheckName.COVERAGE, CheckStatus.FAILED, code):
            return "changed_after_signing" if code in CHANGED else "signature_unreadable"
        case Check(CheckName.CERTIFICATE, CheckStatus.FAILED, "expired" | "ca_expired"):
            return "certificate_expired"
        case Check(CheckName.CERTIFICATE, CheckStatus.FAILED, "" | "no_path"):
            return "untrusted_signer"
        case Check(CheckName.CERTIFICATE, CheckStatus.FAILED):
            return "certificate_unusable"
        case Check(CheckName.REVOCATION, CheckStatus.FAILED):
            return "certificate_revoked"
        case Check(CheckName.AUTHORITY, CheckStatus.FAILED):
            return "signer_not_authorised"
        case Check(CheckName.ALGORITHM, CheckStatus.FAILED | CheckStatus.WEAK):
            return "weak_signature"
        case _:
            return None
