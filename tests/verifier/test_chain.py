"""SEC-01: the chain of checks. One link alone that did not pass, and nothing is genuine.

A report that is genuine in every link is drawn, one link of it is turned, and the fold is asked again. The
links are listed here from the product's definition, not taken from the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.verifier.test_verdict import AT, NO_LOG, ROLES_PASSED, report, signature, version
from verifier import verdict as fold
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
from verifier.verdict import (
    GENUINE,
    CodeFacts,
    CodeKind,
    Outcome,
    RegistryFacts,
    Standing,
    VersionFacts,
    VersionState,
    decide,
)

#: Every signature answers for itself to each of these.
OF_A_SIGNATURE = (
    CheckName.INTEGRITY,
    CheckName.BYTE_RANGE,
    CheckName.COVERAGE,
    CheckName.ALGORITHM,
    CheckName.CERTIFICATE,
    CheckName.AUTHORITY,
    CheckName.TIME,
    CheckName.REVOCATION,
)
OF_THE_DOCUMENT = (CheckName.REQUIRED_ROLES,)
NOT_PASSED = tuple(status for status in CheckStatus if status is not CheckStatus.PASSED)
CODE_MEDIA = (Medium.IMAGE, Medium.PDF_OF_IMAGES, Medium.CODE)


@dataclass(frozen=True)
class Case:
    """What the fold is asked about."""

    report: ValidationReport
    facts: RegistryFacts

    @property
    def genuine(self) -> bool:
        return decide(self.report, self.facts).outcome in GENUINE


states = st.sampled_from(VersionState)
#: A file is judged by what is found in it now, whatever it was judged before; unless its evidence is no more.
STANDINGS = [each for each in Standing if each is not Standing.DESTROYED]


@st.composite
def whole_files(draw: st.DrawFn) -> Case:
    """A registered file of 1 to 15 signatures, the seal last, every check of which passed."""
    teachers = draw(st.integers(0, 12))
    roles = (*([Role.GVBM] * teachers), Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH)[-draw(st.integers(1, 15)) :]
    log = draw(st.sampled_from([(NO_LOG,), (), (Check(CheckName.LOG_INCLUSION, CheckStatus.PASSED),)]))
    signatures = tuple(signature(role) for role in roles)
    facts = RegistryFacts(
        file=version(draw(states), draw(st.sampled_from(STANDINGS))),
        prefix=draw(st.none() | st.just(version())),
        named_record_known=draw(st.booleans()),
    )
    return Case(report(signatures=signatures, checks=(ROLES_PASSED, *log)), facts)


@st.composite
def good_codes(draw: st.DrawFn) -> Case:
    """A code that names an issued version whose file passed when it was last validated."""
    facts = RegistryFacts(
        code=CodeFacts(CodeKind.VERSION, version(draw(states), Standing.PASSED)),
        named_record_known=draw(st.booleans()),
        compared=draw(st.sampled_from([None, True])),
    )
    return Case(report(draw(st.sampled_from(CODE_MEDIA))), facts)


@given(whole_files() | good_codes())
def test_with_every_link_whole_it_is_genuine(case: Case) -> None:
    """Else nothing below would say anything."""
    assert case.genuine


# --- evidence: the file


def turned(
    signature: SignatureReport, name: CheckName, status: CheckStatus | None, *, honest: bool
) -> SignatureReport:
    """The signature with one check at another status, None: not there. A report that is not honest keeps its
    main status all the same.
    """
    checks = tuple(
        each if each.name is not name else Check(name, status or CheckStatus.FAILED, "turned")
        for each in signature.checks
        if each.name is not name or status is not None
    )
    indication = Indication.INDETERMINATE if honest else signature.indication
    return replace(signature, checks=checks, indication=indication)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_one_check_of_one_signature(data: st.DataObject) -> None:
    case = data.draw(whole_files())
    place = data.draw(st.integers(0, len(case.report.signatures) - 1))
    name = data.draw(st.sampled_from(OF_A_SIGNATURE))
    status = data.draw(st.sampled_from([*NOT_PASSED, None]))
    honest = data.draw(st.booleans())
    signatures = list(case.report.signatures)
    signatures[place] = turned(signatures[place], name, status, honest=honest)
    case = replace(case, report=replace(case.report, signatures=tuple(signatures)))
    assert not case.genuine
    if status is CheckStatus.INCOMPLETE and not honest:
        assert decide(case.report, case.facts).outcome is Outcome.CHECK_INCOMPLETE


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_second_result_of_the_same_name_cannot_outvote_the_first(data: st.DataObject) -> None:
    case = data.draw(whole_files())
    place = data.draw(st.integers(0, len(case.report.signatures) - 1))
    more = Check(
        data.draw(st.sampled_from(OF_A_SIGNATURE)), data.draw(st.sampled_from(NOT_PASSED)), "one_more"
    )
    signatures = list(case.report.signatures)
    before = data.draw(st.booleans())
    checks = signatures[place].checks
    signatures[place] = replace(signatures[place], checks=(more, *checks) if before else (*checks, more))
    assert not replace(case, report=replace(case.report, signatures=tuple(signatures))).genuine


@settings(max_examples=200, deadline=None)
@given(whole_files(), st.sampled_from(OF_THE_DOCUMENT), st.sampled_from([*NOT_PASSED, None]))
def test_one_check_of_the_document(case: Case, name: CheckName, status: CheckStatus | None) -> None:
    checks = tuple(
        c if c.name is not name else Check(name, status or CheckStatus.FAILED, "turned")
        for c in case.report.checks
        if c.name is not name or status is not None
    )
    assert not replace(case, report=replace(case.report, checks=checks)).genuine


@settings(max_examples=200, deadline=None)
@given(whole_files(), st.sampled_from(CheckName), st.sampled_from(NOT_PASSED))
def test_any_further_check_of_the_document(case: Case, name: CheckName, status: CheckStatus) -> None:
    """Whatever the document as a whole fails; only the public log may be missing, until there is one."""
    checks = (*case.report.checks, Check(name, status, "one_more"))
    excused = name is CheckName.LOG_INCLUSION and status is CheckStatus.NOT_AVAILABLE
    assert replace(case, report=replace(case.report, checks=checks)).genuine is excused


WITHOUT_THE_FILE: dict[str, Callable[[Case], Case]] = {
    "bytes not registered": lambda c: replace(c, facts=replace(c.facts, file=None)),
    "registry not read": lambda c: replace(c, facts=replace(c.facts, available=False)),
    "registry stale": lambda c: replace(c, facts=replace(c.facts, available=False, stale=True)),
    "check not finished": lambda c: replace(c, report=replace(c.report, incomplete="deadline")),
    "file not read": lambda c: replace(c, report=replace(c.report, problem="broken_pdf")),
    "file read leniently": lambda c: replace(c, report=replace(c.report, lenient=True)),
    "no signature": lambda c: replace(c, report=replace(c.report, signatures=())),
    "no check made": lambda c: replace(c, report=replace(c.report, checks=())),
    "a signature without checks": lambda c: replace(
        c, report=replace(c.report, signatures=(*c.report.signatures, replace(signature(None), checks=())))
    ),
}


@pytest.mark.parametrize("turn", WITHOUT_THE_FILE.values(), ids=WITHOUT_THE_FILE)
@settings(max_examples=60, deadline=None)
@given(case=whole_files())
def test_what_a_file_needs_beside_its_checks(turn: Callable[[Case], Case], case: Case) -> None:
    assert not turn(case).genuine


@settings(max_examples=100, deadline=None)
@given(whole_files(), st.sampled_from([i for i in Indication if i is not Indication.TOTAL_PASSED]))
def test_a_main_status_that_is_not_passed(case: Case, indication: Indication) -> None:
    """Even beside checks that all passed: of two things said, the stricter."""
    first, *rest = case.report.signatures
    signatures = (replace(first, indication=indication), *rest)
    assert not replace(case, report=replace(case.report, signatures=signatures)).genuine


@given(whole_files() | good_codes(), st.sampled_from([VersionState.SUPERSEDED, VersionState.RECALLED]))
def test_a_version_that_is_not_current_is_not_green(case: Case, state: VersionState) -> None:
    """Version: as issued, but of another time; it never earns the green headline nor passes for current."""

    def at(facts: VersionFacts | None) -> VersionFacts | None:
        return facts and replace(facts, state=state, since=AT - timedelta(days=1))

    code = case.facts.code
    facts = replace(
        case.facts, file=at(case.facts.file), code=code and CodeFacts(code.kind, at(code.version))
    )
    verdict = decide(case.report, facts)
    assert not verdict.green
    assert verdict.outcome is not Outcome.GENUINE_CURRENT


@given(whole_files())
def test_a_file_whose_evidence_was_destroyed(case: Case) -> None:
    """Even the very bytes: the registry no longer stands behind what it cannot open."""
    assert case.facts.file is not None
    gone = replace(case.facts.file, standing=Standing.DESTROYED)
    verdict = decide(case.report, replace(case.facts, file=gone))
    assert (verdict.outcome, verdict.reasons) == (Outcome.CHECK_INCOMPLETE, ("evidence_destroyed",))


# --- evidence: a code


def coded(case: Case, kind: CodeKind = CodeKind.VERSION, **changes: object) -> Case:
    assert case.facts.code is not None
    assert case.facts.code.version is not None
    changed = replace(case.facts.code.version, **changes)  # type: ignore[arg-type]
    return replace(case, facts=replace(case.facts, code=CodeFacts(kind, changed)))


WITHOUT_THE_CODE: dict[str, Callable[[Case], Case]] = {
    "no code": lambda c: replace(c, facts=replace(c.facts, code=None)),
    "no version": lambda c: replace(c, facts=replace(c.facts, code=CodeFacts(CodeKind.VERSION))),
    "file failed since": lambda c: coded(c, standing=Standing.FAILED),
    "file not validated since": lambda c: coded(c, standing=Standing.INCOMPLETE),
    "evidence destroyed": lambda c: coded(c, standing=Standing.DESTROYED),
    "values differ": lambda c: replace(c, facts=replace(c.facts, compared=False)),
    "registry not read": lambda c: replace(c, facts=replace(c.facts, available=False)),
    "check not finished": lambda c: replace(c, report=replace(c.report, incomplete="deadline")),
    "read leniently": lambda c: replace(c, report=replace(c.report, lenient=True)),
    "picture not read": lambda c: replace(c, report=replace(c.report, problem="broken_image")),
    "a changed registered file": lambda c: replace(c, facts=replace(c.facts, prefix=version())),
    **{f"code is {kind}": lambda c, kind=kind: coded(c, kind) for kind in CodeKind if kind != "version"},  # type: ignore[misc]
}


@pytest.mark.parametrize("turn", WITHOUT_THE_CODE.values(), ids=WITHOUT_THE_CODE)
@settings(max_examples=40, deadline=None)
@given(case=good_codes())
def test_what_a_code_needs(turn: Callable[[Case], Case], case: Case) -> None:
    assert not turn(case).genuine


@given(good_codes(), st.sampled_from([Medium.PDF, Medium.OTHER]))
def test_a_file_cannot_pass_for_its_code(case: Case, medium: Medium) -> None:
    """A PDF with text answers for its bytes, whatever code it shows."""
    assert not replace(case, report=replace(case.report, medium=medium)).genuine


# --- that nothing is left out here


def test_every_check_there_is_is_one_of_these() -> None:
    """A check that is added must be put into the chain, or excused by name."""
    ours = set(CheckName) - {CheckName.UNNAMED}  # which nobody makes
    assert {*OF_A_SIGNATURE, *OF_THE_DOCUMENT, CheckName.LOG_INCLUSION} == ours
    assert set(fold._SIGNATURE_CHECKS) == set(OF_A_SIGNATURE)


@example(CheckName.BYTE_RANGE)
@given(st.sampled_from(OF_A_SIGNATURE))
def test_an_alarm_wants_all_but_coverage(name: CheckName) -> None:
    """A seal on unknown bytes alarms only where it is one; bytes behind it do not make it less of a seal."""
    seal = turned(signature(Role.KY_PHAT_HANH), name, CheckStatus.FAILED, honest=True)
    outcome = decide(report(signatures=(seal,)), RegistryFacts()).outcome
    alarms = name is CheckName.COVERAGE
    assert outcome is (Outcome.SEAL_VALID_NOT_REGISTERED if alarms else Outcome.NOT_VERIFIED)


@settings(max_examples=300, deadline=None)
@given(whole_files() | good_codes(), st.booleans(), st.booleans(), st.booleans())
def test_nothing_but_words_rests_on_a_lenient_reading(
    case: Case,
    registered: bool,
    named: bool,
    available: bool,
) -> None:
    """Every check passed, an authorised seal among them: neither genuine nor green, and no alarm either."""
    facts = replace(
        case.facts,
        file=case.facts.file if registered else None,
        named_record_known=named,
        available=available,
    )
    verdict = decide(replace(case.report, lenient=True), facts)
    assert verdict.outcome not in GENUINE
    assert verdict.outcome is not Outcome.SEAL_VALID_NOT_REGISTERED
    assert not verdict.green
    assert not verdict.genuine_file


def test_facts_of_the_registry_are_all_turned_above() -> None:
    assert {f.name for f in fields(RegistryFacts)} == {
        *("available", "stale", "file", "prefix", "prefix_archival"),
        *("named_record_known", "code", "compared"),
    }
