"""From checks to the main status of ETSI EN 319 102-1: every code has its row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate

from verifier import indications
from verifier.indications import STATUS, check_against, graver, indicate
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Opinion,
    OpinionBy,
    SubIndication,
    gravity,
)

SOURCES = (
    *("ades", "archive", "certificates", "cms", "indications", "intake", "pades", "revocation"),
    *("changes", "signatures", "timestamps"),
)
#: Words of these modules that look like a reason code and are none, or no code of a signature's check.
OTHERS = {
    *("attached_record_id", "missing_roles", "record_id", "school_code", "unsigned_fields"),  # members
    *("cert_id", "non_repudiation", "serial_number", "ky_thay"),
    *("broken_pdf", "too_large", "structure_of_other_bytes", "trust_unavailable"),  # of the document
    *("no_log", "no_record", "role_missing", "document_timestamp_broken"),
    "ocsp_not_read",  # of an opinion that passes
    *("not_asked", "signature_unreadable"),  # checks that had nothing to look at
}
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+|expired|suspended")
_NAMES = {
    *("fault", "code", "integrity", "coverage", "stamp", "update_fault", "unfinished"),
    *("RANGE_UNREADABLE", "READ_LENIENTLY", "_AFTER_SEAL"),
}
_CALLS = {
    *("MalformedSignature", "Check", "passed_unless", "stricter", "unreadable", "Revocation", "Path"),
    *("Touch", "_touch"),
}


def _name_of(node: ast.AST) -> str:
    """What a variable or a member is called."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def codes_in(source: str) -> Iterator[str]:
    """Everything that looks like a reason code where a reason is returned, assigned or passed on."""
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Return) and node.value is not None:
            parts = [node.value]
        elif isinstance(node, ast.Assign):
            stored = {name for target in node.targets for name in map(_name_of, ast.walk(target))}
            parts = [node.value] if stored & _NAMES else []
        elif isinstance(node, ast.keyword) and node.arg in _NAMES:
            parts = [node.value]
        elif isinstance(node, ast.Call) and _name_of(node.func) in _CALLS:
            parts = list(node.args)
        for inner in (inner for part in parts for inner in ast.walk(part)):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                yield from [inner.value] if _CODE.fullmatch(inner.value) else []


def produced() -> set[str]:
    folder = Path(indications.__file__).parent
    found = {code for name in SOURCES for code in codes_in((folder / f"{name}.py").read_text("utf-8"))}
    assert len(found) > 70  # the search finds something
    assert found >= OTHERS
    return (found - OTHERS) | {"weak_digest_since", "weak_key_since"}  # put together from two parts


def test_every_reason_code_has_a_row_of_its_own_and_no_row_is_for_nothing() -> None:
    assert {code for _, code in STATUS} == produced()


def test_every_check_of_a_signature_has_a_status_for_a_code_of_a_newer_version() -> None:
    of_documents = {CheckName.REQUIRED_ROLES, CheckName.LOG_INCLUSION, CheckName.UNNAMED}
    for name in set(CheckName) - of_documents:
        indication, sub_indication = indicate([Check(name, CheckStatus.FAILED, "from_the_future")])
        assert indication is not Indication.TOTAL_PASSED
        assert sub_indication is not None
    assert {name for name, _ in STATUS} == set(CheckName) - of_documents


def test_only_passed_checks_pass_and_the_gravest_gives_the_status() -> None:
    passed = Check(CheckName.INTEGRITY, CheckStatus.PASSED)
    assert indicate([passed]) == (Indication.TOTAL_PASSED, None)
    for (name, code), status in STATUS.items():
        for state in set(CheckStatus) - {CheckStatus.PASSED}:
            assert indicate([passed, Check(name, state, code)]) == status
    stale = Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale")
    weak = Check(CheckName.ALGORITHM, CheckStatus.WEAK, "weak_digest")
    broken = Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch")
    assert indicate([stale, weak])[1] is SubIndication.CRYPTO_CONSTRAINTS_FAILURE
    assert indicate([stale, weak, broken]) == (Indication.TOTAL_FAILED, SubIndication.HASH_FAILURE)


@pytest.mark.parametrize("theirs", [*AdESFailure, *AdESIndeterminate])
def test_every_answer_of_the_library_counts_against_a_check(
    theirs: AdESFailure | AdESIndeterminate,
) -> None:
    opinion = Opinion(OpinionBy.ADES_BASIC, Indication.INDETERMINATE, SubIndication(theirs.standard_name))
    check = check_against(opinion)
    assert check.status in (CheckStatus.FAILED, CheckStatus.WEAK, CheckStatus.INCOMPLETE)
    assert check.code == "library_disagrees"
    assert (check.name, check.code) in STATUS


def test_no_sub_indication_is_left_out() -> None:
    assert set(indications._COUNTS_AGAINST) == set(SubIndication)


def test_states_have_one_order() -> None:
    order = (
        CheckStatus.PASSED,
        CheckStatus.NOT_AVAILABLE,
        CheckStatus.INCOMPLETE,
        CheckStatus.WEAK,
        CheckStatus.FAILED,
    )
    assert set(order) == set(CheckStatus)
    for (low, lighter), (high, heavier) in product(enumerate(order), repeat=2):
        one, other = Check(CheckName.TIME, heavier), Check(CheckName.TIME, lighter)
        assert graver(one, other) is (high > low)
    assert sorted(Indication, key=gravity)[0] is Indication.TOTAL_PASSED
    assert sorted(Indication, key=gravity)[-1] is Indication.TOTAL_FAILED
