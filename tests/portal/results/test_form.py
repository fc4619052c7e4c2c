"""The form of a kept row: the bytes that are written, the bytes that were, and what is none of ours."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from portal.results import form, service
from portal.results.form import UnreadableResult
from portal.results.models import CheckResult
from portal.vault import Vault
from verifier import words
from verifier.report import (
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    ProvenBy,
    Role,
    SignatureReport,
    SubIndication,
    ValidationReport,
)
from verifier.verdict import GENUINE, Evidence, Outcome, Standing, Verdict, VersionFacts, VersionState

ROWS = {n: json.loads((Path(__file__).parent / f"rows/form-{n}.json").read_text("utf-8")) for n in (1, 2)}
NUMBER = ROWS[2]["number"]
AT = datetime(2026, 11, 23, 8, 9, 10, 123456, tzinfo=UTC)
NOW = AT + timedelta(days=1)
VAULT = Vault([("k1", b"k" * 32)], b"i" * 32)


def signature(role: Role | None, indication: Indication, *checks: Check, **changes: Any) -> SignatureReport:
    """As it is read again: role and outcomes."""
    plain: dict[str, Any] = dict.fromkeys(
        (
            "subject_code", "byte_range", "signer", "claimed_time", "proven_time", "school_code", "capacity",
            "digest_algorithm", "sub_indication",
        )
    )  # fmt: skip
    return SignatureReport(field="", role=role, indication=indication, checks=checks, **plain | changes)


DONE = (
    CheckName.INTEGRITY, CheckName.BYTE_RANGE, CheckName.COVERAGE, CheckName.ALGORITHM, CheckName.CERTIFICATE,
    CheckName.AUTHORITY, CheckName.TIME, CheckName.REVOCATION,
)  # fmt: skip
REPORT = ValidationReport(
    at=AT,
    medium=Medium.PDF,
    signatures=(
        signature(
            Role.GVBM,
            Indication.TOTAL_PASSED,
            *(Check(name, CheckStatus.PASSED) for name in DONE),
            subject_code="TOAN",
            capacity="",
            proven_by=ProvenBy.SIGNATURE_TIMESTAMP,
        ),
        signature(
            Role.GVCN,
            Indication.TOTAL_FAILED,
            Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch"),
            Check(CheckName.ALGORITHM, CheckStatus.WEAK, "sha1"),
            sub_indication=SubIndication.HASH_FAILURE,
        ),
        signature(
            Role.CBQL,
            Indication.INDETERMINATE,
            Check(CheckName.REVOCATION, CheckStatus.INCOMPLETE, "crl_stale"),
            capacity="KT",
            sub_indication=SubIndication.TRY_LATER,
            proven_by=ProvenBy.DOCUMENT_TIMESTAMP,
        ),
        signature(
            Role.KY_PHAT_HANH,
            Indication.INDETERMINATE,
            Check(CheckName.TIME, CheckStatus.NOT_AVAILABLE, "not_asked"),
            sub_indication=SubIndication.NO_POE,
            proven_by=ProvenBy.REGISTRATION,
        ),
        signature(None, Indication.INDETERMINATE, sub_indication=SubIndication.GENERIC),
    ),
    checks=(
        Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED),
        Check(CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE, "no_log"),
    ),
)
VERDICT = Verdict(
    Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
    Evidence.FILE,
    ("GVCN:integrity:digest_mismatch", "GVBM.TOAN:revocation:", "required_roles:role_missing"),
    VersionFacts(
        "185GR38E1W8124GKY",
        2,
        VersionState.CURRENT,
        Standing.FAILED,
        AT - timedelta(days=1),
        "data_error",
        AT - timedelta(hours=1),
    ),
)


def row(number: int = 2, **changes: Any) -> CheckResult:
    """The frozen row of a form. A changed ``found``, ``state`` or ``reasons`` may be given as plain JSON."""
    told = {key: value for key, value in ROWS[number].items() if key != "number"} | changes
    for column in ("found", "state", "reasons"):
        if told[column] is not None and not isinstance(told[column], str):
            told[column] = json.dumps(told[column])
    told |= {key: datetime.fromisoformat(told[key] + "+00:00") for key in ("made_at", "expires_at")}
    return CheckResult(id=uuid.uuid4(), **told | {"file_pk": uuid.UUID(told["file_pk"])})


def found(number: int = 2) -> Any:
    return json.loads(ROWS[number]["found"])


def enter(session: Session, number: int) -> None:
    """The frozen row, byte for byte, without a class of today's between."""
    told = {"id": uuid.uuid4().hex} | {key: value for key, value in ROWS[number].items() if key != "number"}
    if session.get_bind().dialect.name == "postgresql":
        told |= {key: f"{told[key]}+00:00" for key in ("made_at", "expires_at")}
    columns = ", ".join(told)
    values = ", ".join(f":{key}" for key in told)
    session.execute(text(f"INSERT INTO check_results ({columns}) VALUES ({values})"), told)  # noqa: S608


class TestForEver:
    def test_the_newest_form_is_written_in_these_bytes(self) -> None:
        """Whoever changes a byte writes another form: give it the next number and keep this one's row."""
        written = form.fill(VERDICT, REPORT)
        assert written == {key: ROWS[form.FORM][key] for key in written}
        assert service._seal(VAULT, row(form.FORM)) == ROWS[form.FORM]["seal"]
        assert max(ROWS) == form.FORM

    @pytest.mark.parametrize("number", sorted(ROWS))
    def test_a_row_of_each_form_is_read(self, session: Session, number: int) -> None:
        enter(session, number)
        kept = service.find(session, VAULT, NUMBER, now=NOW)
        assert kept is not None
        assert (kept.verdict, kept.report) == (VERDICT, REPORT)
        assert kept.file == uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
        assert kept.expires_at == datetime(2027, 2, 21, 8, 9, 10, 200000, tzinfo=UTC)
        assert kept.strange is False

    @pytest.mark.parametrize(
        ("member", "values"),
        [
            ("medium", "pdf pdf_of_images image code other"),
            ("role", "GVBM GVCN CBQL KY_PHAT_HANH"),
            ("indication", "TOTAL_PASSED TOTAL_FAILED INDETERMINATE"),
            ("proven_by", "signature_timestamp document_timestamp registration check"),
            ("status", "passed failed weak incomplete not_available"),
            (
                "name",
                "integrity byte_range coverage algorithm certificate authority time revocation "
                "required_roles log_inclusion",
            ),
            ("state", "current superseded recalled"),
            ("standing", "passed failed incomplete destroyed"),
            ("evidence", "file code paper_compared"),
            (
                "outcome",
                "CONTENT_DIFFERS SEAL_VALID_NOT_REGISTERED REGISTERED_BUT_SIGNATURE_FAILS NOT_VERIFIED "
                "CHECK_INCOMPLETE",
            ),
        ],
    )
    def test_every_word_that_was_ever_written_is_read(self, member: str, values: str) -> None:
        for value in values.split():
            told, state = found(), json.loads(ROWS[2]["state"])
            changes: dict[str, Any] = {}
            match member:
                case "outcome" | "evidence":
                    changes[member] = value
                case "state" | "standing":
                    state[member] = value
                case "name" | "status":
                    told["checks"][0][("name", "status").index(member)] = value
                case "medium":
                    told[member] = value
                case _:
                    told["signatures"][1][member] = value
            verdict, report = form.read(row(found=told, state=state) if not changes else row(**changes))
            assert all(c.name is not CheckName.UNNAMED for c in report.checks)
            assert value in json.dumps([form.fill(verdict, report)]).replace("\\", "")

    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            ("GENUINE_CURRENT", "current"),
            ("GENUINE_SUPERSEDED", "superseded"),
            ("GENUINE_REVOKED", "recalled"),
        ],
    )
    def test_genuine_is_what_its_version_is(self, outcome: str, state: str) -> None:
        told = json.loads(ROWS[2]["state"])
        for each in ("current", "superseded", "recalled"):
            changed = row(outcome=outcome, state=told | {"state": each})
            if each == state:
                assert form.read(changed)[0].outcome in GENUINE
            else:
                with pytest.raises(UnreadableResult):
                    form.read(changed)
        with pytest.raises(UnreadableResult):
            form.read(row(outcome=outcome, state=None, record_id=None, version=None))


class TestOfAnotherRelease:
    def test_a_check_that_is_no_longer_named_keeps_its_result(self) -> None:
        told = found()
        told["checks"].append(["log_witness", "failed", "no_witness"])
        told["signatures"][2]["checks"] = [["quantum_safe", "incomplete", ""]]
        _, report = form.read(row(found=told))
        assert report.checks[-1] == Check(CheckName.UNNAMED, CheckStatus.FAILED, "log_witness")
        assert report.signatures[2].result is CheckStatus.INCOMPLETE
        said = {
            "vi": "Một bước kiểm tra mà cổng nay không còn gọi tên: không đạt.",
            "en": "A check that the portal no longer names: failed.",
        }
        for language in words.LANGUAGES:
            assert words.check_sentence(report.checks[-1], language) == said[language]

    def test_new_codes_and_reasons_stay(self) -> None:
        told = found()
        told["checks"] = [["required_roles", "failed", "a_reason_of_2031"]]
        told["signatures"][1]["sub_indication"] = "SOMETHING_NEW"
        verdict, report = form.read(row(found=told, reasons=["a_reason_of_2031"], outcome="NOT_VERIFIED"))
        assert (verdict.reasons, report.checks[0].code) == (("a_reason_of_2031",), "a_reason_of_2031")
        assert report.signatures[1].sub_indication is SubIndication.GENERIC
        assert words.say(verdict, "vi").headline

    def test_every_reason_that_an_answer_gives_is_one_of_ours(self) -> None:
        """Else it would be kept as another, and "today" would never be the same again."""
        state = json.loads(ROWS[2]["state"]) | {"state": "recalled"}
        reasons = [code for codes in words.reason_codes().values() for code in codes]
        reasons += [f"recalled:{reason}" for reason in (*words.RECALL_REASONS, "unspecified")]
        reasons += [f"{field}:time:no_time" for field in ("GVBM.NGOAI_NGU_1", "GVCN", "CBQL", "KY_PHAT_HANH")]
        verdict = Verdict(Outcome.GENUINE_REVOKED, Evidence.CODE, tuple(reasons), VERDICT.version)
        for number in sorted(ROWS):
            kept = row(number, outcome="GENUINE_REVOKED", state=state, reasons=reasons)
            assert form.read(kept)[0].reasons == verdict.reasons
        assert json.loads(form.fill(verdict, REPORT)["reasons"]) == reasons

    def test_no_document_answers_a_check_that_is_none(self) -> None:
        """The name is for reading alone: a report that brings it is refused."""
        report = ValidationReport(
            at=AT, medium=Medium.PDF, checks=(Check(CheckName.UNNAMED, CheckStatus.PASSED),)
        )
        with pytest.raises(ValueError, match="none"):
            ValidationReport.from_json(report.to_json())

    def test_a_strangers_words_are_not_written(self) -> None:
        """A report may come from a process that a file has taken over."""
        bad = "Khuất Canary"
        taken = ValidationReport(
            at=AT,
            medium=Medium.PDF,
            problem=bad,
            incomplete=bad,
            signatures=(signature(Role.GVBM, Indication.TOTAL_FAILED, subject_code=bad, capacity=bad),),
            checks=(Check(CheckName.TIME, CheckStatus.FAILED, bad),),
        )
        written = form.fill(Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, (bad,)), taken)
        assert "Canary" not in json.dumps(written)
        verdict, report = form.read(row(**written))
        assert (verdict.reasons, report.problem, report.incomplete) == (("other",), "other", "other")
        assert words.say(verdict, "vi").headline == "Chưa kiểm tra được"

    def test_a_form_of_tomorrow_is_not_guessed_at(self) -> None:
        with pytest.raises(UnreadableResult):
            form.read(row(form=3))


class TestDamaged:
    @pytest.mark.parametrize("number", sorted(ROWS))
    def test_any_other_shape_is_unreadable(self, number: int) -> None:
        """Every member of every object, taken away, doubled or made something else."""
        texts = {column: json.loads(ROWS[number][column]) for column in ("found", "state", "reasons")}
        tried = 0
        for column, whole in texts.items():
            for path in list(_paths(whole)):
                others: tuple[Any, ...] = ({}, [], 7, "Khuất Canary", [["x"]], True)
                for other in others:
                    changed = json.loads(json.dumps(whole))
                    _put(changed, path, other)
                    tried += _never_worse(row(number, **{column: changed}))
        assert tried > 200

    @pytest.mark.parametrize("number", sorted(ROWS))
    def test_every_cut_is_unreadable(self, number: int) -> None:
        for column in ("found", "state", "reasons"):
            whole = ROWS[number][column]
            for end in range(len(whole)):
                with pytest.raises(UnreadableResult):
                    form.read(row(number, **{column: whole[:end]}))

    @pytest.mark.parametrize(
        "changes",
        [
            {"outcome": "LIKELY"},
            {"outcome": "GENUINE_CURRENT", "state": None},
            {"evidence": ""},
            {"record_id": None},
            {"record_id": "185GR38E1W8124GKZ"},
            {"version": 0},
            {"found": "[" * 100_000},
            {"found": '{"at":' + "9" * 10_000 + "}"},
        ],
    )
    def test_what_contradicts_itself_is_unreadable(self, changes: dict[str, Any]) -> None:
        with pytest.raises(UnreadableResult):
            form.read(row(**changes))

    @pytest.mark.parametrize(
        "changes",
        [
            {"outcome": "GENUINE_CURRENT"},
            {"outcome": "NOT_VERIFIED"},
            {"evidence": "paper_compared"},
            {"reasons": "[]"},
            {"strange": True},
            {"version": 1},
            {"record_id": "000G40R40M30E2099"},
            {"state": ROWS[2]["state"].replace("failed", "passed")},
            {"found": ROWS[2]["found"].replace('"failed"', '"passed"')},
            {"file_pk": uuid.UUID(int=5)},
            {"expires_at": datetime(2028, 1, 1, tzinfo=UTC)},
            {"made_at": datetime(2027, 1, 1, tzinfo=UTC)},
            {"seal": None},
            {"seal": "é"},
            {"form": 1},
        ],
        ids="-".join,
    )
    def test_a_row_that_was_altered_shows_nothing(self, session: Session, changes: dict[str, Any]) -> None:
        """Each of these is a whole and lawful row of its own; only not the one that was sealed."""
        enter(session, 2)
        session.execute(update(CheckResult).values(**changes))
        with pytest.raises(UnreadableResult):
            service.find(session, VAULT, NUMBER, now=NOW)

    def test_a_row_under_another_number_shows_nothing(self, session: Session) -> None:
        enter(session, 2)
        other = "ZZZZZZZZZZZZZZZZ0"
        session.execute(update(CheckResult).values(number_index=service._index(VAULT, other)))
        with pytest.raises(UnreadableResult):
            service.find(session, VAULT, other, now=NOW)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _put(value: Any, path: tuple[Any, ...], other: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = other


def _never_worse(changed: CheckResult) -> int:
    """UnreadableResult, or an answer without a stranger's word; never an exception of another kind."""
    try:
        verdict, report = form.read(changed)
    except UnreadableResult:
        return 1
    assert "Canary" not in f"{verdict} {report}"
    return 0
