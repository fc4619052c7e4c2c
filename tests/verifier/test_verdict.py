"""The fold, row by row, and the properties that no combination may break."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Role,
    SignatureReport,
    SubIndication,
    ValidationReport,
)
from verifier.verdict import (
    GENUINE,
    CodeFacts,
    CodeKind,
    Evidence,
    Outcome,
    RegistryFacts,
    Standing,
    Verdict,
    VersionFacts,
    VersionState,
    decide,
)

AT = datetime(2026, 6, 1, 8, tzinfo=UTC)
NAMES = (
    CheckName.INTEGRITY,
    CheckName.BYTE_RANGE,
    CheckName.COVERAGE,
    CheckName.ALGORITHM,
    CheckName.CERTIFICATE,
    CheckName.AUTHORITY,
    CheckName.TIME,
    CheckName.REVOCATION,
)
BAD = tuple(s for s in CheckStatus if s is not CheckStatus.PASSED)
ROLES = (Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH)


def signature(role: Role | None, *checks: Check) -> SignatureReport:
    """A signature whose checks all passed, but for the ones given; the indication follows."""
    changed = {c.name: c for c in checks}
    all_checks = tuple(changed.get(name, Check(name, CheckStatus.PASSED)) for name in NAMES)
    passed = all(c.status is CheckStatus.PASSED for c in all_checks)
    return SignatureReport(
        field="Signature1" if role is None else role.value,
        role=role,
        subject_code=None,
        byte_range=(0, 1, 2, 3),
        signer=None,
        claimed_time=AT,
        proven_time=AT,
        school_code="79000123",
        capacity="",
        digest_algorithm="sha256",
        checks=all_checks,
        indication=Indication.TOTAL_PASSED if passed else Indication.INDETERMINATE,
        sub_indication=None if passed else SubIndication.SIG_CONSTRAINTS_FAILURE,
    )


ROLES_PASSED = Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED)
NO_LOG = Check(CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE, "no_log")


def report(medium: Medium = Medium.PDF, **changes: object) -> ValidationReport:
    base = ValidationReport(
        at=AT,
        medium=medium,
        signatures=tuple(signature(role) for role in ROLES) if medium is Medium.PDF else (),
        checks=(ROLES_PASSED, NO_LOG) if medium is Medium.PDF else (),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def version(
    state: VersionState = VersionState.CURRENT, standing: Standing = Standing.PASSED, **changes: object
) -> VersionFacts:
    return replace(VersionFacts("0123456789ABCDEF7", 2, state, standing), **changes)  # type: ignore[arg-type]


def with_check(index: int, check: Check) -> ValidationReport:
    """The whole report with one check of one signature changed, its indication following."""
    signatures = [signature(role) for role in ROLES]
    signatures[index] = signature(ROLES[index], check)
    return report(signatures=tuple(signatures))


REGISTERED = RegistryFacts(file=version())


# Row 1


def test_work_that_was_not_finished_says_nothing_about_the_record() -> None:
    verdict = decide(report(incomplete="deadline"), REGISTERED)
    assert verdict == Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("deadline",))


@pytest.mark.parametrize("medium", [m for m in Medium if m is not Medium.OTHER])
def test_without_the_registry_nothing_is_decided(medium: Medium) -> None:
    verdict = decide(report(medium), RegistryFacts(available=False, file=version()))
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("registry_unavailable",))


def test_old_registry_facts_are_named_as_such() -> None:
    verdict = decide(report(), RegistryFacts(available=False, stale=True))
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("registry_stale",))


def test_what_is_no_record_needs_no_registry() -> None:
    verdict = decide(report(Medium.OTHER, problem="zip"), RegistryFacts(available=False))
    assert verdict == Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, ("zip",))


def test_a_stale_list_holds_back_a_registered_file() -> None:
    stale = Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale")
    verdict = decide(with_check(1, stale), REGISTERED)
    assert verdict == Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("crl_stale",), version())


def test_an_unfinished_document_check_holds_back_too() -> None:
    unfinished = Check(CheckName.LOG_INCLUSION, CheckStatus.INCOMPLETE, "log_unreachable")
    verdict = decide(report(checks=(ROLES_PASSED, unfinished)), REGISTERED)
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("log_unreachable",))


def test_a_stale_list_does_not_hold_back_what_another_signature_decides() -> None:
    stale = Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale")
    broken = Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch")
    signatures = (signature(Role.GVCN, stale), signature(Role.CBQL, broken), signature(Role.KY_PHAT_HANH))
    verdict = decide(report(signatures=signatures), REGISTERED)
    assert verdict.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS
    assert verdict.reasons == ("CBQL:integrity:digest_mismatch",)


def test_a_stale_list_does_not_hold_back_what_the_hash_decides() -> None:
    stale = Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale")
    verdict = decide(with_check(2, stale), RegistryFacts(prefix=version()))
    assert verdict == Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("changed_after_issue",), version())


def test_a_stale_list_of_a_seal_on_unknown_bytes_holds_back_the_alarm() -> None:
    stale = Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale")
    verdict = decide(with_check(2, stale), RegistryFacts(named_record_known=True))
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("crl_stale",))
    unsealed = decide(with_check(0, stale), RegistryFacts())
    assert unsealed.outcome is Outcome.SEAL_VALID_NOT_REGISTERED


# Row 2


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (VersionState.CURRENT, Outcome.GENUINE_CURRENT),
        (VersionState.SUPERSEDED, Outcome.GENUINE_SUPERSEDED),
        (VersionState.RECALLED, Outcome.GENUINE_REVOKED),
    ],
)
def test_a_registered_file_answers_with_the_state_of_its_version(
    state: VersionState, outcome: Outcome
) -> None:
    facts = version(state, recall_reason="issued_in_error" if state is VersionState.RECALLED else None)
    verdict = decide(report(), RegistryFacts(file=facts))
    assert (verdict.outcome, verdict.evidence, verdict.version) == (outcome, Evidence.FILE, facts)
    assert verdict.reasons == (("recalled:issued_in_error",) if state is VersionState.RECALLED else ())
    assert verdict.green is (state is VersionState.CURRENT)
    assert verdict.genuine_file


def test_a_recall_without_reason_says_so() -> None:
    verdict = decide(report(), RegistryFacts(file=version(VersionState.RECALLED)))
    assert verdict.reasons == ("recalled:unspecified",)


@pytest.mark.parametrize("index", range(len(ROLES)))
@pytest.mark.parametrize(("name", "status"), [*itertools.product(NAMES, BAD)])
def test_one_check_that_did_not_pass_is_never_genuine(
    index: int, name: CheckName, status: CheckStatus
) -> None:
    """SEC-01, over every signature, every check and every state that is not passed."""
    verdict = decide(with_check(index, Check(name, status, "a_code")), REGISTERED)
    expected = (
        Outcome.CHECK_INCOMPLETE
        if status is CheckStatus.INCOMPLETE
        else Outcome.REGISTERED_BUT_SIGNATURE_FAILS
    )
    assert verdict.outcome is expected
    assert verdict.reasons


@pytest.mark.parametrize("index", range(len(ROLES)))
@pytest.mark.parametrize("name", NAMES)
def test_a_check_that_was_not_made_has_not_passed(index: int, name: CheckName) -> None:
    signatures = list(report().signatures)
    kept = tuple(c for c in signatures[index].checks if c.name is not name)
    signatures[index] = replace(signatures[index], checks=kept)
    verdict = decide(report(signatures=tuple(signatures)), REGISTERED)
    assert (verdict.outcome, verdict.reasons) == (
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
        ("not_validated",),
    )


@pytest.mark.parametrize("indication", [Indication.TOTAL_FAILED, Indication.INDETERMINATE])
def test_an_indication_that_did_not_pass_is_never_genuine(indication: Indication) -> None:
    signatures = list(report().signatures)
    signatures[0] = replace(signatures[0], indication=indication)
    verdict = decide(report(signatures=tuple(signatures)), REGISTERED)
    assert verdict.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_a_second_opinion_of_the_same_name_counts() -> None:
    signatures = list(report().signatures)
    doubt = Check(CheckName.INTEGRITY, CheckStatus.FAILED, "bad_signature")
    signatures[0] = replace(signatures[0], checks=(*signatures[0].checks, doubt))
    verdict = decide(report(signatures=tuple(signatures)), REGISTERED)
    assert verdict.reasons == ("GVCN:integrity:bad_signature",)


@pytest.mark.parametrize("status", BAD)
def test_required_roles_must_have_passed(status: CheckStatus) -> None:
    verdict = decide(report(checks=(Check(CheckName.REQUIRED_ROLES, status, "role_missing"),)), REGISTERED)
    assert verdict.outcome not in GENUINE


def test_missing_document_checks_are_not_passed_ones() -> None:
    assert decide(report(checks=()), REGISTERED).outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS
    assert decide(report(checks=(NO_LOG,)), REGISTERED).outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


@pytest.mark.parametrize("status", [CheckStatus.FAILED, CheckStatus.WEAK])
def test_a_failed_log_inclusion_is_named(status: CheckStatus) -> None:
    verdict = decide(report(checks=(ROLES_PASSED, replace(NO_LOG, status=status))), REGISTERED)
    assert verdict.reasons == ("log_inclusion:no_log",)
    assert verdict.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_a_registered_file_without_signatures_is_an_alarm() -> None:
    verdict = decide(report(signatures=()), REGISTERED)
    assert (verdict.outcome, verdict.reasons) == (
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
        ("not_validated",),
    )


# Row 3


@pytest.mark.parametrize(("archival", "reason"), [(False, "changed_after_issue"), (True, "archive_addition")])
def test_a_registered_beginning_differs(archival: bool, reason: str) -> None:
    facts = RegistryFacts(prefix=version(), prefix_archival=archival, named_record_known=True)
    verdict = decide(report(), facts)
    assert verdict == Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, (reason,), version())


def test_a_registered_file_wins_over_a_registered_beginning() -> None:
    facts = RegistryFacts(file=version(), prefix=version(VersionState.SUPERSEDED))
    assert decide(report(), facts).outcome is Outcome.GENUINE_CURRENT


# Row 4


def test_an_authorised_seal_on_unknown_bytes_is_an_alarm_even_for_a_known_record() -> None:
    facts = RegistryFacts(named_record_known=True, code=CodeFacts(CodeKind.VERSION, version()))
    verdict = decide(report(), facts)
    assert verdict.outcome is Outcome.SEAL_VALID_NOT_REGISTERED
    assert verdict.version is None


@pytest.mark.parametrize("role", [Role.GVBM, Role.GVCN, Role.CBQL, None])
def test_only_the_seal_raises_the_alarm(role: Role | None) -> None:
    verdict = decide(report(signatures=(signature(role),)), RegistryFacts())
    assert verdict.outcome is Outcome.NOT_VERIFIED


@pytest.mark.parametrize(
    ("name", "status"), [*itertools.product(NAMES, (CheckStatus.FAILED, CheckStatus.WEAK))]
)
def test_a_seal_that_fails_a_check_raises_no_alarm_but_coverage_does_not_save_it(
    name: CheckName, status: CheckStatus
) -> None:
    verdict = decide(with_check(2, Check(name, status, "a_code")), RegistryFacts())
    alarm = verdict.outcome is Outcome.SEAL_VALID_NOT_REGISTERED
    assert alarm is (name is CheckName.COVERAGE)


@pytest.mark.parametrize("code", ["library_disagrees", "library_failed", "library_refused"])
@pytest.mark.parametrize("name", NAMES)
def test_a_second_opinion_silences_no_alarm_and_lets_nothing_pass(name: CheckName, code: str) -> None:
    """Our own mathematics and tables decide about the alarm; the strictest about what is genuine."""
    doubted = with_check(2, Check(name, CheckStatus.FAILED, code))
    assert decide(doubted, RegistryFacts()).outcome is Outcome.SEAL_VALID_NOT_REGISTERED
    registered = decide(doubted, RegistryFacts(file=version()))
    assert registered.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


# Row 5


def test_a_pdf_that_names_a_known_record_was_saved_again_or_edited() -> None:
    verdict = decide(report(signatures=()), RegistryFacts(named_record_known=True))
    assert verdict == Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("resaved_or_edited",))


def test_even_a_broken_one() -> None:
    facts = RegistryFacts(named_record_known=True)
    assert decide(report(signatures=(), problem="broken_pdf"), facts).reasons == ("resaved_or_edited",)


# Row 6

PAPER = (Medium.IMAGE, Medium.PDF_OF_IMAGES, Medium.CODE)


@pytest.mark.parametrize("medium", PAPER)
@pytest.mark.parametrize(
    ("compared", "evidence"),
    [(None, Evidence.CODE), (True, Evidence.PAPER_COMPARED), (False, Evidence.PAPER_COMPARED)],
)
@pytest.mark.parametrize("state", VersionState)
def test_paper_answers_with_its_code(
    medium: Medium, compared: bool | None, evidence: Evidence, state: VersionState
) -> None:
    facts = RegistryFacts(
        named_record_known=True, code=CodeFacts(CodeKind.VERSION, version(state)), compared=compared
    )
    verdict = decide(report(medium), facts)
    assert verdict.evidence is evidence
    assert verdict.version == version(state)
    if compared is False:
        assert (verdict.outcome, verdict.reasons) == (Outcome.CONTENT_DIFFERS, ("values_differ",))
    else:
        assert verdict.outcome in GENUINE
    assert verdict.green is (state is VersionState.CURRENT and compared is True)
    assert not verdict.genuine_file


@pytest.mark.parametrize("state", VersionState)
def test_a_pending_or_failed_standing_speaks_before_the_state(state: VersionState) -> None:
    pending = CodeFacts(CodeKind.VERSION, version(state, Standing.INCOMPLETE))
    assert decide(report(Medium.CODE), RegistryFacts(code=pending)) == Verdict(
        Outcome.CHECK_INCOMPLETE, Evidence.CODE, ("revalidation_pending",), pending.version
    )
    failed = CodeFacts(CodeKind.VERSION, version(state, Standing.FAILED))
    assert decide(report(Medium.CODE), RegistryFacts(code=failed, compared=False)) == Verdict(
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.PAPER_COMPARED, ("standing_failed",), failed.version
    )


@pytest.mark.parametrize("state", VersionState)
def test_destroyed_evidence_is_one_answer_for_file_and_code(state: VersionState) -> None:
    """SEC-41: never green, never an accusation, whatever the signatures of the very bytes would say."""
    gone = version(state, Standing.DESTROYED)
    broken = Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch")
    for examined in (report(), with_check(0, broken), report(signatures=())):
        assert decide(examined, RegistryFacts(file=gone)) == Verdict(
            Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("evidence_destroyed",), gone
        )
    for kind in (CodeKind.VERSION, CodeKind.RECORD_ONLY):
        facts = RegistryFacts(code=CodeFacts(kind, gone))
        for medium in (Medium.CODE, Medium.IMAGE, Medium.PDF_OF_IMAGES):
            assert decide(report(medium), facts) == Verdict(
                Outcome.CHECK_INCOMPLETE, Evidence.CODE, ("evidence_destroyed",), gone
            )


def test_a_destroyed_records_code_hides_no_alarm() -> None:
    """Nor does it make an edited file unknown: the registry still knows its digests."""
    code = CodeFacts(CodeKind.VERSION, version(standing=Standing.DESTROYED))
    facts = RegistryFacts(named_record_known=True, code=code)
    assert decide(report(), facts).outcome is Outcome.SEAL_VALID_NOT_REGISTERED
    unsigned = decide(report(signatures=()), facts)
    assert (unsigned.outcome, unsigned.reasons) == (Outcome.CONTENT_DIFFERS, ("resaved_or_edited",))
    longer = decide(report(), RegistryFacts(prefix=version(standing=Standing.DESTROYED)))
    assert (longer.outcome, longer.reasons) == (Outcome.CONTENT_DIFFERS, ("changed_after_issue",))


def test_a_version_without_facts_is_a_fault_of_ours() -> None:
    verdict = decide(report(Medium.CODE), RegistryFacts(code=CodeFacts(CodeKind.VERSION)))
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("registry_unavailable",))


@pytest.mark.parametrize("medium", PAPER)
@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        (CodeKind.DIGEST_MISMATCH, Outcome.CONTENT_DIFFERS, "digest_mismatch"),
        (CodeKind.RECORD_ONLY, Outcome.NOT_VERIFIED, "version_not_named"),
        (CodeKind.UNKNOWN, Outcome.NOT_VERIFIED, "unknown_code"),
        (CodeKind.MALFORMED, Outcome.NOT_VERIFIED, "malformed_code"),
        (CodeKind.FOREIGN, Outcome.NOT_VERIFIED, "foreign_code"),
        (CodeKind.FOREIGN_LINK, Outcome.NOT_VERIFIED, "foreign_link"),
        (CodeKind.SEVERAL, Outcome.NOT_VERIFIED, "several_codes"),
    ],
)
def test_codes_that_name_no_version(medium: Medium, kind: CodeKind, outcome: Outcome, reason: str) -> None:
    verdict = decide(report(medium), RegistryFacts(code=CodeFacts(kind), named_record_known=True))
    assert (verdict.outcome, verdict.reasons, verdict.evidence) == (outcome, (reason,), Evidence.CODE)


def test_right_id_and_birth_date_name_the_current_version_and_decide_nothing() -> None:
    facts = RegistryFacts(code=CodeFacts(CodeKind.RECORD_ONLY, version()))
    verdict = decide(report(Medium.CODE), facts)
    assert (verdict.outcome, verdict.version) == (Outcome.NOT_VERIFIED, version())


def test_no_code_at_all() -> None:
    assert decide(report(Medium.IMAGE), RegistryFacts()).reasons == ("no_code",)
    assert decide(report(Medium.IMAGE, problem="no_code"), RegistryFacts()).reasons == ("no_code",)


# Row 7


@pytest.mark.parametrize(
    "problem", ["xml", "zip", "encrypted", "empty", "too_large", "broken_pdf", "xml_record"]
)
def test_what_is_no_record_says_what_it_is(problem: str) -> None:
    verdict = decide(report(Medium.OTHER, problem=problem), RegistryFacts())
    assert verdict == Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, (problem,))


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Check(CheckName.INTEGRITY, CheckStatus.FAILED), "changed_after_signing"),
        (Check(CheckName.COVERAGE, CheckStatus.FAILED), "changed_after_signing"),
        (Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch"), "changed_after_signing"),
        (Check(CheckName.INTEGRITY, CheckStatus.FAILED, "malformed_cms"), "signature_unreadable"),
        (Check(CheckName.COVERAGE, CheckStatus.FAILED, "bytes_after_signature"), "changed_after_signing"),
        (Check(CheckName.COVERAGE, CheckStatus.FAILED, "wrong_subfilter"), "signature_unreadable"),
        (Check(CheckName.CERTIFICATE, CheckStatus.FAILED), "untrusted_signer"),
        (Check(CheckName.CERTIFICATE, CheckStatus.FAILED, "no_path"), "untrusted_signer"),
        (Check(CheckName.CERTIFICATE, CheckStatus.FAILED, "expired"), "certificate_expired"),
        (Check(CheckName.CERTIFICATE, CheckStatus.FAILED, "key_usage"), "certificate_unusable"),
        (Check(CheckName.REVOCATION, CheckStatus.FAILED), "certificate_revoked"),
        (Check(CheckName.AUTHORITY, CheckStatus.FAILED), "signer_not_authorised"),
        (Check(CheckName.ALGORITHM, CheckStatus.WEAK), "weak_signature"),
        (Check(CheckName.ALGORITHM, CheckStatus.FAILED), "weak_signature"),
    ],
)
def test_unknown_signed_files_say_why(check: Check, reason: str) -> None:
    verdict = decide(report(signatures=(signature(Role.GVCN, check),)), RegistryFacts())
    assert verdict == Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, (reason, "not_registered"))


def test_reasons_come_in_order_of_weight_and_once() -> None:
    broken = Check(CheckName.INTEGRITY, CheckStatus.FAILED)
    stranger = Check(CheckName.CERTIFICATE, CheckStatus.FAILED)
    signatures = (
        signature(Role.GVCN, stranger),
        signature(Role.CBQL, broken),
        signature(None, broken, stranger),
    )
    verdict = decide(report(signatures=signatures), RegistryFacts(code=CodeFacts(CodeKind.FOREIGN)))
    assert verdict.reasons == ("changed_after_signing", "untrusted_signer", "not_registered", "foreign_code")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (CodeKind.FOREIGN, "foreign_code"),
        (CodeKind.FOREIGN_LINK, "foreign_link"),
        (CodeKind.UNKNOWN, "unknown_code"),
        (CodeKind.MALFORMED, "malformed_code"),
    ],
)
def test_unsigned_files_say_so_and_what_their_code_is(kind: CodeKind, reason: str) -> None:
    verdict = decide(report(signatures=()), RegistryFacts(code=CodeFacts(kind)))
    assert verdict.reasons == ("no_signature", reason)


# Every combination

versions = st.builds(version, st.sampled_from(VersionState), st.sampled_from(Standing))
checks = st.builds(Check, st.sampled_from(NAMES), st.sampled_from(CheckStatus), st.just("a_code"))
signatures = st.builds(
    lambda role, some: signature(role, *some), st.sampled_from([*Role, None]), st.lists(checks, max_size=3)
)
reports = st.builds(
    report,
    st.sampled_from(Medium),
    problem=st.sampled_from([None, "zip", "broken_pdf"]),
    incomplete=st.sampled_from([None, None, None, "deadline"]),
    signatures=st.lists(signatures, max_size=3).map(tuple),
    checks=st.lists(
        st.builds(Check, st.just(CheckName.REQUIRED_ROLES), st.sampled_from(CheckStatus)), max_size=2
    ).map(tuple),
)
facts_of = st.builds(
    RegistryFacts,
    available=st.sampled_from([True, True, True, False]),
    file=st.none() | versions,
    prefix=st.none() | versions,
    prefix_archival=st.booleans(),
    named_record_known=st.booleans(),
    code=st.none() | st.builds(CodeFacts, st.sampled_from(CodeKind), st.none() | versions),
    compared=st.sampled_from([None, True, False]),
)


@settings(max_examples=600, deadline=None)
@given(reports, facts_of)
def test_no_combination_is_genuine_without_its_evidence(
    a_report: ValidationReport, facts: RegistryFacts
) -> None:
    """Written from the product's definition of GENUINE, not from the code."""
    verdict = decide(a_report, facts)
    if verdict.outcome in GENUINE:
        assert a_report.incomplete is None
        assert facts.available or a_report.medium is Medium.OTHER
        if facts.file is not None:
            assert a_report.signatures
            for each in a_report.signatures:
                assert each.indication is Indication.TOTAL_PASSED
                assert {c.name for c in each.checks if c.status is CheckStatus.PASSED} == set(NAMES)
            assert CheckStatus.PASSED in {
                c.status for c in a_report.checks if c.name is CheckName.REQUIRED_ROLES
            }
            assert verdict.version == facts.file
        else:
            assert a_report.medium in PAPER
            assert facts.prefix is None
            assert facts.code is not None
            assert facts.code.version is not None
            assert facts.code.kind is CodeKind.VERSION
            assert facts.code.version.standing is Standing.PASSED
            assert facts.compared is not False
            assert verdict.evidence is not Evidence.FILE
    if verdict.green:
        assert verdict.outcome is Outcome.GENUINE_CURRENT
        assert facts.file is not None or facts.compared is True
    if verdict.outcome is not Outcome.GENUINE_CURRENT and verdict.outcome is not Outcome.GENUINE_SUPERSEDED:
        assert verdict.reasons


@settings(max_examples=300, deadline=None)
@given(reports, facts_of)
def test_finishing_a_check_never_contradicts_a_verdict_that_did_not_wait_for_it(
    a_report: ValidationReport, facts: RegistryFacts
) -> None:
    verdict = decide(a_report, facts)
    if verdict.outcome is Outcome.CHECK_INCOMPLETE:
        return
    for status in (CheckStatus.PASSED, CheckStatus.FAILED):
        finished = replace(
            a_report,
            signatures=tuple(
                signature(
                    s.role,
                    *(
                        replace(c, status=status) if c.status is CheckStatus.INCOMPLETE else c
                        for c in s.checks
                    ),
                )
                for s in a_report.signatures
            ),
            checks=tuple(
                replace(c, status=status) if c.status is CheckStatus.INCOMPLETE else c
                for c in a_report.checks
            ),
        )
        assert decide(finished, facts).outcome is verdict.outcome


@pytest.mark.parametrize(
    ("checked", "reason"),
    [(None, "revalidation_pending"), (AT, "standing_lapsed"), (AT + timedelta(days=1), "clock")],
)
def test_a_code_waiting_for_its_turn_is_not_one_waiting_for_data(
    checked: datetime | None, reason: str
) -> None:
    """The first is a matter of time, the second of somebody loading new lists, the third of a clock."""
    version = VersionFacts(
        "7K3M9QXTZ2ABCDEFG", 1, VersionState.CURRENT, Standing.INCOMPLETE, checked_at=checked
    )
    verdict = decide(report(Medium.CODE), RegistryFacts(code=CodeFacts(CodeKind.VERSION, version)))
    assert verdict == Verdict(Outcome.CHECK_INCOMPLETE, Evidence.CODE, (reason,), version)
