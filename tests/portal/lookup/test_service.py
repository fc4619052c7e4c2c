"""The blind match: one yes or no for the whole paper, and a bounded number of wrong tries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.orm import Session

from portal.lookup import service
from portal.lookup.models import MatchAttempt
from portal.lookup.service import WRONG_TRIES, CodeAnswer, Paper, TooManyTries, compare
from portal.registry import service as registry
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.web.world import Issued, enter
from tests.verifier.record_samples import sample
from verifier.locator import Locator, Typed, new_record_id
from verifier.verdict import Evidence, Outcome, Verdict


def paper(issued: Issued) -> Paper:
    """What the paper of ``issued`` says, as a careful person types it."""
    results = {}
    for name, row in issued.data.items():
        if not name.startswith("mon."):
            continue
        if issued.header["level"] == "TIEU_HOC":
            cells = [str(row["muc_dat_duoc"])] + ([str(row["diem_ktdk"])] if "diem_ktdk" in row else [])
            results[name] = tuple(cells)
        elif not row.get("mien"):
            results[name] = (str(row["ca_nam"]).replace(".", ","),)
    return Paper(str(issued.data["ho_va_ten"]), str(issued.data["ngay_sinh"]), results)


@pytest.fixture(params=[("TIEU_HOC", 4), ("THCS", 8), ("THPT", 11), ("GDTX_THPT", 12)])
def issued(request: pytest.FixtureRequest, session: Session, vault: Vault) -> Issued:
    level, grade = request.param
    made = enter(session, vault, NOW - timedelta(days=3), level=level, grade=grade)
    session.commit()
    return made


@pytest.fixture
def one(session: Session, vault: Vault) -> Issued:
    made = enter(session, vault, NOW - timedelta(days=3))
    session.commit()
    return made


def verdict(session: Session, vault: Vault, issued: Issued, typed: Paper) -> Verdict:
    answer = compare(session, vault, issued.locator, typed, now=NOW).verdict
    session.execute(delete(MatchAttempt))  # each case on its own
    return answer


def test_the_whole_paper_matches(session: Session, vault: Vault, issued: Issued) -> None:
    answer = verdict(session, vault, issued, paper(issued))
    assert (answer.outcome, answer.evidence) == (Outcome.GENUINE_CURRENT, Evidence.PAPER_COMPARED)
    assert answer.green


def test_every_single_cell_counts(session: Session, vault: Vault, issued: Issued) -> None:
    """Each cell altered, each row left out, a row added: always the same one answer."""
    right = paper(issued)
    wrong = [replace(right, name="Nguyễn Thị Hương"), replace(right, birth="31/12/1999")]
    for name, cells in right.results.items():
        others = dict(right.results)
        wrong.append(replace(right, results={n: c for n, c in others.items() if n != name}))
        for position, cell in enumerate(cells):
            other = {"T": "H", "H": "C", "C": "T", "Đạt": "Chưa đạt", "Chưa đạt": "Đạt"}.get(cell)
            if other is None:
                other = "1" if cell != "1" else "2"
            altered = (*cells[:position], other, *cells[position + 1 :])
            wrong.append(replace(right, results=others | {name: altered}))
    wrong.append(replace(right, results=dict(right.results) | {"mon.KHONG_CO": ("9",)}))
    answers = {verdict(session, vault, issued, each) for each in wrong}
    assert len(answers) == 1
    only = answers.pop()
    assert (only.outcome, only.evidence) == (Outcome.CONTENT_DIFFERS, Evidence.PAPER_COMPARED)
    assert only.reasons == ("values_differ",)


@pytest.mark.parametrize(
    "name",
    [
        "nguyễn  thị hường",
        "NGUYỄN THỊ HƯỜNG ",
        "Nguyễn Thị Hường",  # decomposed, as telephones of one maker send it
    ],
)
def test_spelling_of_a_name_is_forgiven(session: Session, vault: Vault, one: Issued, name: str) -> None:
    assert verdict(session, vault, one, replace(paper(one), name=name)).green


def test_numbers_are_compared_as_numbers(session: Session, vault: Vault, one: Issued) -> None:
    right = paper(one)
    scores = {n: c for n, c in right.results.items() if len(c) == 2}
    assert scores
    spelled = {n: (c[0].lower(), f"{c[1]},0") for n, c in scores.items()}
    assert verdict(session, vault, one, replace(right, results=dict(right.results) | spelled)).green


def test_exempt_subjects_are_left_empty(session: Session, vault: Vault) -> None:
    field = "mon.GIAO_DUC_THE_CHAT"
    exempt = {"ten": sample("THCS", 7)[field]["ten"], "mien": True}
    changes: dict[str, Any] = {field: exempt}
    issued = enter(session, vault, NOW - timedelta(days=3), level="THCS", grade=7, **changes)
    assert verdict(session, vault, issued, paper(issued)).green
    claimed = dict(paper(issued).results) | {field: ("Đạt",)}
    assert not verdict(session, vault, issued, replace(paper(issued), results=claimed)).green


def test_an_older_version_matches_itself_and_says_so(session: Session, vault: Vault, one: Issued) -> None:
    newer = enter(session, vault, NOW - timedelta(days=1), before=one, ho_va_ten="Nguyễn Thị Hương")
    assert verdict(session, vault, one, paper(one)).outcome is Outcome.GENUINE_SUPERSEDED
    assert verdict(session, vault, one, paper(newer)).outcome is Outcome.CONTENT_DIFFERS
    assert verdict(session, vault, newer, paper(newer)).green


def test_a_code_that_names_no_version_is_not_compared(session: Session, vault: Vault, one: Issued) -> None:
    stranger = Locator(one.locator.record_id, bytes(32))
    answer = compare(session, vault, stranger, paper(one), now=NOW)
    assert answer.verdict.reasons == ("digest_mismatch",)
    assert session.scalar(select(func.count()).select_from(MatchAttempt)) == 0


class TestTries:
    """5 wrong in 15 minutes, after 20 in a day 1 in 15 minutes, per record; no wait is longer than that."""

    def wrong(self, one: Issued) -> Paper:
        return replace(paper(one), name="Ai Đó")

    def test_the_sixth_try_waits_and_even_the_right_paper_waits(
        self, session: Session, vault: Vault, one: Issued
    ) -> None:
        for minute in range(5):
            compare(session, vault, one.locator, self.wrong(one), now=NOW + timedelta(minutes=minute))
        for typed in (self.wrong(one), paper(one)):
            with pytest.raises(TooManyTries) as refused:
                compare(session, vault, one.locator, typed, now=NOW + timedelta(minutes=5))
            assert refused.value.retry_after == 10 * 60
        later = NOW + timedelta(minutes=15)
        assert compare(session, vault, one.locator, paper(one), now=later).verdict.green

    def test_refused_tries_do_not_prolong_the_wait(self, session: Session, vault: Vault, one: Issued) -> None:
        for _ in range(5):
            compare(session, vault, one.locator, self.wrong(one), now=NOW)
        for minute in range(1, 15):
            with pytest.raises(TooManyTries):
                compare(session, vault, one.locator, self.wrong(one), now=NOW + timedelta(minutes=minute))
        later = NOW + timedelta(minutes=15)
        assert compare(session, vault, one.locator, paper(one), now=later).verdict.green

    def test_twenty_a_day_only_slow_down_and_raise_an_alarm(
        self, session: Session, vault: Vault, one: Issued, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Strangers trying all day leave a try every 15 minutes to whoever holds the paper."""
        for quarter in range(20):
            assert "alarm" not in caplog.text
            compare(session, vault, one.locator, self.wrong(one), now=NOW + timedelta(minutes=16 * quarter))
        assert "alarm TRIED_ALL_DAY" in caplog.text
        last = NOW + timedelta(minutes=16 * 19)
        for typed in (self.wrong(one), paper(one)):
            with pytest.raises(TooManyTries) as refused:
                compare(session, vault, one.locator, typed, now=last + timedelta(minutes=5))
            assert refused.value.retry_after == 10 * 60
        later = last + timedelta(minutes=15)
        assert compare(session, vault, one.locator, paper(one), now=later).verdict.green
        compare(session, vault, one.locator, self.wrong(one), now=later)
        with pytest.raises(TooManyTries) as refused:
            compare(session, vault, one.locator, paper(one), now=later)
        assert refused.value.retry_after == 15 * 60

    def burst(self, engine: Engine, ask: Callable[[Session], CodeAnswer], many: int = 12) -> int:
        """How many of so many tries that begin together are answered."""
        together = Barrier(many)

        def one_try(_: int) -> bool:
            together.wait()
            try:
                with Session(engine) as session, session.begin():
                    assert ask(session).verdict.outcome is not Outcome.CHECK_INCOMPLETE
            except TooManyTries:
                return False
            return True

        with ThreadPoolExecutor(many) as pool:
            return sum(pool.map(one_try, range(many)))

    def test_of_many_papers_at_once_no_more_are_compared_than_one_after_the_other(
        self,
        session: Session,
        engine: Engine,
        vault: Vault,
        one: Issued,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        compared, same = [], service._same

        def watched(*values: Any) -> bool:
            compared.append(values)
            return same(*values)

        monkeypatch.setattr(service, "_same", watched)
        wrong = self.wrong(one)
        ask = partial(service.compare, vault=vault, locator=one.locator, paper=wrong, now=NOW)
        assert self.burst(engine, ask) == WRONG_TRIES
        assert len(compared) == WRONG_TRIES
        assert session.scalar(select(func.count()).select_from(MatchAttempt)) == WRONG_TRIES

    @pytest.mark.parametrize("known", [True, False])
    def test_of_many_birth_dates_at_once_neither(
        self,
        session: Session,
        engine: Engine,
        vault: Vault,
        one: Issued,
        *,
        known: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        looked_up, look_up = [], registry.look_up_typed
        record_id = one.locator.record_id if known else new_record_id(bytes(10))

        def watched(source: Session, keys: Vault, wanted: str, *values: Any, **times: Any) -> Any:
            looked_up.extend([wanted] if wanted == record_id else [])
            return look_up(source, keys, wanted, *values, **times)

        monkeypatch.setattr(registry, "look_up_typed", watched)
        typed = Typed(record_id, None, None)
        ask = partial(service.by_typed, vault=vault, typed=typed, birth="01/01/1999", now=NOW)
        assert self.burst(engine, ask) == WRONG_TRIES
        # A wrong birth date opens the record once more, as an unknown id opens the one next to it.
        assert looked_up == [record_id] * WRONG_TRIES * (2 if known else 1)
        assert session.scalar(select(func.count()).select_from(MatchAttempt)) == WRONG_TRIES

    def test_right_papers_at_once_are_all_answered(
        self, session: Session, engine: Engine, vault: Vault, one: Issued
    ) -> None:
        ask = partial(service.compare, vault=vault, locator=one.locator, paper=paper(one), now=NOW)
        assert self.burst(engine, ask) == 12

    def test_what_cannot_be_counted_is_not_answered(
        self, session: Session, vault: Vault, one: Issued
    ) -> None:
        session.execute(text("CREATE UNIQUE INDEX one_only ON match_attempts (record_id)"))
        assert not compare(session, vault, one.locator, self.wrong(one), now=NOW).verdict.green
        answer = compare(session, vault, one.locator, self.wrong(one), now=NOW)
        assert answer.verdict.reasons == ("registry_unavailable",)
        session.rollback()

    def test_right_papers_are_never_counted(self, session: Session, vault: Vault, one: Issued) -> None:
        for _ in range(30):
            assert compare(session, vault, one.locator, paper(one), now=NOW).verdict.green
        assert session.scalar(select(func.count()).select_from(MatchAttempt)) == 0

    def test_records_are_counted_apart_and_old_tries_are_dropped(
        self, session: Session, vault: Vault, one: Issued
    ) -> None:
        other = enter(session, vault, NOW - timedelta(days=3), grade=2)
        for _ in range(5):
            compare(session, vault, one.locator, self.wrong(one), now=NOW)
        assert compare(session, vault, other.locator, paper(other), now=NOW).verdict.green
        compare(session, vault, one.locator, self.wrong(one), now=NOW + timedelta(days=2))
        assert session.scalar(select(func.count()).select_from(MatchAttempt)) == 1

    def test_both_versions_of_a_record_share_its_tries(
        self, session: Session, vault: Vault, one: Issued
    ) -> None:
        newer = enter(session, vault, NOW - timedelta(days=1), before=one)
        for _ in range(5):
            compare(session, vault, one.locator, self.wrong(one), now=NOW)
        with pytest.raises(TooManyTries):
            compare(session, vault, newer.locator, paper(newer), now=NOW)

    def test_nothing_typed_is_kept(self, session: Session, vault: Vault, one: Issued) -> None:
        compare(session, vault, one.locator, self.wrong(one), now=NOW)
        row = session.scalars(select(MatchAttempt)).one()
        columns = {c.name for c in MatchAttempt.__table__.columns}
        assert columns == {"id", "record_id", "at"}
        assert (row.record_id, row.at) == (one.locator.record_id, NOW)


def test_a_database_that_does_not_answer_is_no_statement(session: Session, vault: Vault, one: Issued) -> None:
    session.connection().exec_driver_sql(
        "DROP TABLE registered_files CASCADE" if _postgres(session) else _DROP
    )
    answer = service.by_locator(session, vault, one.locator, now=NOW)
    assert (answer.verdict.outcome, answer.verdict.reasons) == (
        Outcome.CHECK_INCOMPLETE,
        ("registry_unavailable",),
    )
    assert answer.record is None


_DROP = "ALTER TABLE registered_files RENAME TO registered_files_gone"


def _postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
