"""The registry: versions follow each other, codes are answered from what is stored, and only while it
stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from portal.database import Prepared, make_engine, reading_engine
from portal.errors import Refusal
from portal.filestore import ObjectFiles
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.registry.service import NewFile, NewVersion, PublicRecord
from portal.vault import Vault, VaultError
from tests.conftest import ACTOR, NOW
from tests.portal.registry.samples import SEAL, SIGNER, locator, new_file, new_version, report, structure
from verifier.errors import InvalidInput
from verifier.locator import Hosts, Locator, new_record_id, url
from verifier.policy import DEFAULT
from verifier.report import CheckStatus, Medium, Prefix, Role, ValidationReport
from verifier.trust import TrustStore
from verifier.verdict import (
    CodeFacts,
    CodeKind,
    Outcome,
    RegistryFacts,
    Standing,
    VersionFacts,
    VersionState,
    decide,
)

SOON = NOW + timedelta(hours=1)
BIRTH = "14/03/2017"
HOSTS = Hosts("https://hocba.example.vn", ("https://old.example.vn",))


def enter(
    session: Session, vault: Vault, new: NewVersion, data: bytes = b"", *, epoch: int = 0, **changes: Any
) -> NewFile:
    """Register a version with a file of its own; answers the file."""
    file = new_file(data or os.urandom(30), NOW, epoch=epoch, **changes)
    done = registry.register(session, vault, new, file, epoch=epoch, actor=ACTOR, now=NOW)
    assert done == registry.Registered(new.record_id, new.version, already=False)
    return file


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value.code


def look(session: Session, vault: Vault, code: Locator, at: datetime = SOON) -> PublicRecord | CodeKind:
    facts, public = registry.look_up_locator(session, vault, code, now=at)
    if public is None:
        assert facts.version is None
        return facts.kind
    assert facts.kind is CodeKind.VERSION
    return public


def standing(session: Session, vault: Vault, code: Locator, at: datetime = SOON) -> Standing:
    facts, _ = registry.look_up_locator(session, vault, code, now=at)
    assert facts.version is not None
    return facts.version.standing


class TestRegister:
    def test_a_version_answers_for_itself(self, session: Session, vault: Vault) -> None:
        new = new_version(vault, ho_va_ten="Nguyễn Thị Hường", ngay_sinh=BIRTH)
        file = enter(session, vault, new)
        session.commit()
        assert look(session, vault, locator(new)) == PublicRecord(
            record_id=new.record_id,
            version=1,
            state=VersionState.CURRENT,
            current_version=1,
            school_name="Trường Tiểu học Kim Đồng",
            school_code=new.school_code,
            level="TIEU_HOC",
            grade=3,
            year=new.header["year"],
            issued_on=datetime.fromisoformat(new.header["issued_on"]).date(),
            roles=(Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH),
            masked_name="N*** T*** H***",
            since=None,
            recall_reason=None,
        )
        found = registry.find_file(session, file.sha256, now=SOON)
        assert found is not None
        assert (found.registered_at, found.kind, found.size) == (NOW, "issued", file.size)
        assert found.structure == file.structure
        assert registry.find_file(session, "0" * 64, now=SOON) is None

    def test_registering_again_changes_nothing(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        file = enter(session, vault, new)
        again = registry.register(session, vault, new, file, epoch=7, actor=ACTOR, now=SOON)
        assert again == registry.Registered(new.record_id, 1, already=True)
        assert len(session.scalars(select(RecordVersion)).all()) == 1

    def test_a_correction_supersedes(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        second = new_version(vault, version=2, like=first, ho_va_ten="Nguyễn Thị Hương")
        enter(session, vault, first)
        registry.register(session, vault, second, new_file(b"second", SOON), epoch=0, actor=ACTOR, now=SOON)
        session.commit()
        old, new = look(session, vault, locator(first)), look(session, vault, locator(second))
        assert isinstance(old, PublicRecord)
        assert isinstance(new, PublicRecord)
        assert (old.state, old.since, old.current_version) == (VersionState.SUPERSEDED, SOON, 2)
        assert (new.state, new.since, new.current_version) == (VersionState.CURRENT, None, 2)
        known = registry.find_record(session, record_id=first.record_id)
        assert known is not None
        assert (known.newest_version, known.current_version) == (2, 2)
        assert known == registry.find_record(
            session, pupil=(first.school_code, first.pupil_index, first.header["year"])
        )
        assert known.wrapped_key == first.wrapped_key

    def test_versions_have_no_gap_and_no_twin(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        enter_version = partial(registry.register, session, vault, epoch=0, actor=ACTOR, now=NOW)
        late = new_version(vault, version=2)
        assert refusal(lambda: enter_version(late, new_file(b"late", NOW))) == "version_gap"
        file = enter(session, vault, first)
        assert refusal(lambda: enter_version(first, new_file(b"other", NOW))) == "version_exists"
        third = new_version(vault, version=3, like=first)
        assert refusal(lambda: enter_version(third, new_file(b"third", NOW))) == "version_gap"
        second = new_version(vault, version=2, like=first)
        assert refusal(lambda: enter_version(second, file)) == "file_registered_elsewhere"

    def test_a_record_stays_one_pupils_of_one_school_and_year(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        enter(session, vault, first)
        twin = replace(new_version(vault), pupil_index=first.pupil_index)
        act = partial(registry.register, session, vault, epoch=0, actor=ACTOR, now=NOW)
        assert refusal(lambda: act(twin, new_file(b"twin", NOW))) == "record_differs"
        other = replace(new_version(vault, version=2, like=first), pupil_index="ff" * 32)
        assert refusal(lambda: act(other, new_file(b"other", NOW))) == "record_differs"
        foreign = replace(new_version(vault, version=2, like=first), wrapped_key=vault.new_key())
        with pytest.raises(ValueError, match="own key"):
            act(foreign, new_file(b"foreign", NOW))

    @pytest.mark.parametrize(
        "changes",
        [
            {"revocation": CheckStatus.FAILED},
            {"revocation": CheckStatus.INCOMPLETE},
            {"signatures": ()},
            {"checks": ()},
            {"incomplete": "deadline"},
        ],
    )
    def test_only_what_passes_is_entered(
        self, session: Session, vault: Vault, changes: dict[str, Any]
    ) -> None:
        assert refusal(lambda: enter(session, vault, new_version(vault), **changes)) == "file_fails"
        assert session.scalars(select(Record)).all() == []

    @pytest.mark.parametrize("what", ["report", "structure", "sha256"])
    def test_what_speaks_of_other_bytes_enters_nothing(
        self, session: Session, vault: Vault, what: str
    ) -> None:
        file, other = new_file(b"these bytes", NOW), new_file(b"others", NOW)
        mixed = replace(file, **{what: getattr(other, what)})
        with pytest.raises(ValueError, match="other bytes"):
            registry.register(session, vault, new_version(vault), mixed, epoch=0, actor=ACTOR, now=NOW)
        assert session.scalars(select(Record)).all() == []

    def test_a_change_of_trust_meanwhile_leaves_the_answer_open(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        registry.register(session, vault, new, new_file(b"x", NOW, epoch=3), epoch=4, actor=ACTOR, now=NOW)
        assert standing(session, vault, locator(new)) is Standing.INCOMPLETE

    def test_the_database_itself_allows_one_current_version(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        enter(session, vault, first)
        enter(session, vault, new_version(vault, version=2, like=first))
        with pytest.raises(IntegrityError):
            session.execute(update(RecordVersion).values(state=VersionState.CURRENT))

    def test_two_writers_of_one_version(self, engine: Engine, vault: Vault) -> None:
        first = new_version(vault)
        with Session(engine) as session, session.begin():
            enter(session, vault, first)
        outcomes: list[str] = []

        def write() -> None:
            second = new_version(vault, version=2, like=first)
            try:
                with Session(engine) as session, session.begin():
                    enter(session, vault, second)
                    time.sleep(0.05)
                outcomes.append("entered")
            except Refusal as refused:
                outcomes.append(refused.code)

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["entered", "version_exists", "version_exists"]


class TestRecall:
    def test_a_recall_is_answered_with_its_class(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        assert registry.recall(session, new.record_id, "data_error", actor=ACTOR, now=SOON) == 1
        assert (
            registry.recall(session, new.record_id, "data_error", actor=ACTOR, now=SOON + timedelta(days=1))
            == 1
        )
        public = look(session, vault, locator(new), SOON)
        assert isinstance(public, PublicRecord)
        assert (public.state, public.since, public.recall_reason) == (
            VersionState.RECALLED,
            SOON,
            "data_error",
        )
        assert public.current_version is None
        other = registry.REASON_CLASSES[1]
        assert (
            refusal(lambda: registry.recall(session, new.record_id, other, actor=ACTOR, now=SOON))
            == "recalled_otherwise"
        )

    def test_an_older_version_may_be_recalled_by_number(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        enter(session, vault, first)
        enter(session, vault, new_version(vault, version=2, like=first))
        assert (
            registry.recall(session, first.record_id, "issued_in_error", actor=ACTOR, now=SOON, version=1)
            == 1
        )
        old = look(session, vault, locator(first))
        assert isinstance(old, PublicRecord)
        assert (old.state, old.current_version) == (VersionState.RECALLED, 2)

    def test_after_a_recall_a_new_version_may_follow(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        enter(session, vault, first)
        registry.recall(session, first.record_id, "data_error", actor=ACTOR, now=SOON)
        second = new_version(vault, version=2, like=first)
        enter(session, vault, second)
        old = look(session, vault, locator(first))
        assert isinstance(old, PublicRecord)
        assert (old.state, old.current_version) == (VersionState.RECALLED, 2)

    def test_what_cannot_be_recalled(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        story = "Phụ huynh khiếu nại"
        assert (
            refusal(lambda: registry.recall(session, new.record_id, story, actor=ACTOR, now=NOW))
            == "unknown_reason"
        )
        assert (
            refusal(lambda: registry.recall(session, new.record_id, "unspecified", actor=ACTOR, now=NOW))
            == "unknown_reason"
        )
        stranger = new_record_id(bytes(10))
        assert (
            refusal(lambda: registry.recall(session, stranger, "data_error", actor=ACTOR, now=NOW))
            == "unknown_record"
        )
        act = partial(registry.recall, session, new.record_id, "data_error", actor=ACTOR, now=NOW, version=9)
        assert refusal(act) == "unknown_record"


class TestScan:
    def test_codes_that_name_nothing(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        unknown = Locator(new_record_id(os.urandom(10)), locator(new).digest)
        assert look(session, vault, unknown) is CodeKind.UNKNOWN
        mismatch = Locator(new.record_id, hashlib.sha256(b"other").digest())
        assert look(session, vault, mismatch) is CodeKind.DIGEST_MISMATCH
        # Another record's digest under this id is a mismatch as well.
        other = new_version(vault)
        enter(session, vault, other)
        assert look(session, vault, Locator(new.record_id, locator(other).digest)) is CodeKind.DIGEST_MISMATCH

    def test_it_is_one_question_without_a_transaction(self, engine: Engine, vault: Vault) -> None:
        new = new_version(vault)
        with Session(engine) as session, session.begin():
            enter(session, vault, new)
        with reading_engine(engine).connect() as connection:
            facts, public = registry.look_up_locator(connection, vault, locator(new), now=SOON)
            assert not connection.in_transaction()
        assert facts.version is not None
        assert facts.version.standing is Standing.PASSED
        assert public is not None

    def test_the_pool_still_writes_afterwards(self, engine: Engine, vault: Vault) -> None:
        new = new_version(vault)
        for _ in range(3):
            with reading_engine(engine).connect() as connection:
                registry.look_up_locator(connection, vault, locator(new), now=SOON)
            with Session(engine) as session:
                session.execute(text("DELETE FROM match_attempts"))
                session.rollback()
        with Session(engine) as session, session.begin():
            enter(session, vault, new)
        with Session(engine) as session:
            assert isinstance(look(session, vault, locator(new)), PublicRecord)

    def test_a_database_that_fails_is_a_fault_in_sqlalchemys_words(
        self, database_url: str, tmp_path: Path, vault: Vault
    ) -> None:
        code = Locator(new_record_id(os.urandom(10)), bytes(32))
        bare = make_url(database_url)
        bare = bare.set(database=str(tmp_path / "bare") if bare.drivername == "sqlite" else "postgres")
        engine = make_engine(bare.render_as_string(hide_password=False))  # a database without our tables
        with Session(engine) as session, pytest.raises(DBAPIError) as caught:
            registry.look_up_locator(session, vault, code, now=NOW)
        engine.dispose()
        assert code.record_id not in str(caught.value)

    def test_the_newest_whole_file_answers(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        version = session.scalars(select(RecordVersion)).one()
        first = session.scalars(select(RegisteredFile)).one()
        columns = {c.name: getattr(first, c.name) for c in RegisteredFile.__table__.columns}
        for kind, hours, stands in (("renewed", 1, Standing.INCOMPLETE), ("extract", 2, Standing.FAILED)):
            at = NOW + timedelta(hours=hours)
            own = {"id": None, "sha256": kind, "stored_name": kind, "kind": kind, "registered_at": at}
            session.add(RegisteredFile(**(columns | own | {"standing": stands, "version_pk": version.id})))
        session.flush()
        assert standing(session, vault, locator(new)) is Standing.INCOMPLETE


class TestTyped:
    @pytest.fixture
    def entered(self, session: Session, vault: Vault) -> NewVersion:
        new = new_version(vault, ngay_sinh=BIRTH)
        enter(session, vault, new)
        session.commit()
        return new

    def typed(
        self, session: Session, vault: Vault, record_id: str, short: str | None, birth: str
    ) -> tuple[CodeKind, int | None]:
        facts, public, code = registry.look_up_typed(session, vault, record_id, short, birth, now=SOON)
        assert (public is not None) is (code is not None) is (facts.kind is CodeKind.VERSION)
        if code is not None:
            assert registry.look_up_locator(session, vault, code, now=SOON) == (facts, public)
        return facts.kind, None if facts.version is None else facts.version.version

    def test_all_right(self, session: Session, vault: Vault, entered: NewVersion) -> None:
        short = locator(entered).short_digest
        assert self.typed(session, vault, entered.record_id, short, BIRTH) == (CodeKind.VERSION, 1)
        assert self.typed(session, vault, entered.record_id, None, BIRTH) == (CodeKind.RECORD_ONLY, 1)
        wrong = "0" * 8 if short != "0" * 8 else "1" * 8
        assert self.typed(session, vault, entered.record_id, wrong, BIRTH) == (CodeKind.DIGEST_MISMATCH, None)

    @pytest.mark.parametrize("birth", ["15/03/2017", "2017", "14/03/2016", "", "14/3/2017"])
    def test_a_wrong_birth_date_is_answered_like_an_unknown_id(
        self, session: Session, vault: Vault, entered: NewVersion, birth: str
    ) -> None:
        short = locator(entered).short_digest
        unknown = new_record_id(os.urandom(10))
        for code in (short, None, "00000000"):
            wrong = registry.look_up_typed(session, vault, entered.record_id, code, birth, now=SOON)
            assert wrong == registry.look_up_typed(session, vault, unknown, code, BIRTH, now=SOON)
            assert wrong[0].kind is CodeKind.UNKNOWN

    def test_a_year_alone_is_right_where_the_record_has_no_more(self, session: Session, vault: Vault) -> None:
        new = new_version(vault, ngay_sinh="2017")
        enter(session, vault, new)
        assert self.typed(session, vault, new.record_id, None, "2017") == (CodeKind.RECORD_ONLY, 1)
        assert self.typed(session, vault, new.record_id, None, "01/01/2017") == (CodeKind.UNKNOWN, None)

    def test_each_version_has_its_own_birth_date(
        self, session: Session, vault: Vault, entered: NewVersion
    ) -> None:
        second = new_version(vault, version=2, like=entered, ngay_sinh="15/03/2017")
        enter(session, vault, second)
        old, new = locator(entered).short_digest, locator(second).short_digest
        look_up = partial(self.typed, session, vault, entered.record_id)
        assert look_up(old, BIRTH) == (CodeKind.VERSION, 1)
        assert look_up(new, "15/03/2017") == (CodeKind.VERSION, 2)
        assert look_up(new, BIRTH) == (CodeKind.DIGEST_MISMATCH, None)
        assert look_up(None, BIRTH) == look_up(None, "15/03/2017") == (CodeKind.RECORD_ONLY, 2)

    def test_a_record_without_a_current_version_says_so(
        self, session: Session, vault: Vault, entered: NewVersion
    ) -> None:
        registry.recall(session, entered.record_id, "data_error", actor=ACTOR, now=SOON)
        facts, _, _ = registry.look_up_typed(session, vault, entered.record_id, None, BIRTH, now=SOON)
        assert facts.version is not None
        assert (facts.version.version, facts.version.state) == (1, VersionState.RECALLED)

    def test_the_work_tells_nothing(
        self, session: Session, vault: Vault, entered: NewVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A known id with a wrong birth date costs the same queries and the same decryption as an unknown
        one (SEC-16), so that the time cannot tell them apart.
        """
        done: list[str] = []
        opened = Vault.open

        def open_counted(self: Vault, *arguments: Any, **place: Any) -> bytes:
            done.append(f"open {place['table']}.{place['column']}")
            return opened(self, *arguments, **place)

        asked = Prepared.run

        def run_counted(self: Prepared, *arguments: Any, **values: Any) -> Any:
            done.append(f"query {id(self)} {sorted(values)}")
            return asked(self, *arguments, **values)

        monkeypatch.setattr(Vault, "open", open_counted)
        monkeypatch.setattr(Prepared, "run", run_counted)
        work = []
        for record_id in (entered.record_id, new_record_id(os.urandom(10))):
            done.clear()
            facts, _, _ = registry.look_up_typed(session, vault, record_id, None, "01/01/2001", now=SOON)
            assert facts.kind is CodeKind.UNKNOWN
            work.append(tuple(done))
        known, unknown = work
        assert known == unknown
        assert [step.split()[0] for step in unknown] == ["query", "open"]


class TestBirth:
    @pytest.mark.parametrize(
        ("typed", "read"),
        [
            ("14/03/2017", "14/03/2017"),
            (" 3/9/2015 ", "03/09/2015"),
            ("3-9-2015", "03/09/2015"),
            ("3.9.2015", "03/09/2015"),
            ("2015-09-03", "03/09/2015"),
            ("03092015", "03/09/2015"),
            ("2015", "2015"),
        ],
    )
    def test_spellings(self, typed: str, read: str) -> None:
        assert registry.read_birth(typed) == read

    @pytest.mark.parametrize(
        "typed", ["", "31/02/2015", "0/0/2015", "15", "3/9/15", "a/b/c", "1/2/3/2015", "1899", "٣/٩/٢٠١٥"]
    )
    def test_what_is_no_date(self, typed: str) -> None:
        with pytest.raises(InvalidInput):
            registry.read_birth(typed)

    @given(st.text(max_size=20))
    def test_nothing_else_is_raised(self, typed: str) -> None:
        try:
            read = registry.read_birth(typed)
        except InvalidInput:
            return
        assert registry.read_birth(read) == read


class TestFacts:
    def facts(self, session: Session, a_report: ValidationReport) -> Any:
        return registry.facts_for(session, a_report, HOSTS, now=SOON)

    def test_a_registered_file_and_its_beginnings(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new, b"issued")
        exact = self.facts(session, report(b"issued", SOON))
        assert (exact.file.record_id, exact.prefix, exact.named_record_known) == (new.record_id, None, False)
        longer = report(
            b"issued and more",
            SOON,
            prefixes=(
                Prefix(3, hashlib.sha256(b"iss").hexdigest()),
                Prefix(6, hashlib.sha256(b"issued").hexdigest()),
            ),
        )
        found = self.facts(session, longer)
        assert found.file is None
        assert found.prefix.record_id == new.record_id
        assert not found.prefix_archival
        archival = replace(longer, prefixes=(replace(longer.prefixes[1], archival=True),))
        assert self.facts(session, archival).prefix_archival
        # A hash that claims another length is not that file's beginning, and no file is a beginning of
        # itself.
        lying = replace(longer, prefixes=(replace(longer.prefixes[1], length=7),))
        assert self.facts(session, lying).prefix is None
        whole = replace(report(b"issued", SOON), prefixes=(Prefix(6, hashlib.sha256(b"issued").hexdigest()),))
        assert self.facts(session, whole).prefix is None

    def test_the_longest_registered_beginning_counts(self, session: Session, vault: Vault) -> None:
        first = new_version(vault)
        second = new_version(vault, version=2, like=first)
        enter(session, vault, first, b"one")
        enter(session, vault, second, b"one two")
        prefixes = tuple(Prefix(len(d), hashlib.sha256(d).hexdigest()) for d in (b"one", b"one two"))
        found = self.facts(session, report(b"one two three", SOON, prefixes=prefixes))
        assert found.prefix.version == 2

    def test_codes_on_a_page(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        good = url("https://hocba.example.vn", locator(new))
        former = url("https://old.example.vn", locator(new)).lower()
        unknown = url("https://hocba.example.vn", Locator(new_record_id(os.urandom(10)), bytes(32)))
        damaged = good[:-1] + ("0" if good[-1] != "0" else "1")
        foreign = "https://example.com/V/" + str(locator(new))
        for codes, kind, known in (
            ((), None, False),
            ((good,), CodeKind.VERSION, True),
            ((good, former, good), CodeKind.VERSION, True),
            ((good, foreign), CodeKind.VERSION, True),
            ((foreign,), CodeKind.FOREIGN_LINK, False),
            (("WIFI:S:x;;", foreign), CodeKind.FOREIGN_LINK, False),
            (("WIFI:S:x;;",), CodeKind.FOREIGN, False),
            (("https://hocba.example.vn/V/NOTHING",), CodeKind.MALFORMED, False),
            ((damaged[:-52] + damaged[-52:],), None, None),
            ((unknown,), CodeKind.UNKNOWN, False),
            ((good, unknown), CodeKind.SEVERAL, True),
        ):
            found = self.facts(session, report(b"photo", SOON, codes=codes, medium=Medium.IMAGE))
            if known is None:  # the last character decides between a malformed and a different digest
                assert found.code.kind in (CodeKind.MALFORMED, CodeKind.DIGEST_MISMATCH)
                continue
            assert (None if found.code is None else found.code.kind) is kind
            assert found.named_record_known is known

    def test_an_attachment_names_a_record(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        for named, known in (
            (new.record_id, True),
            (new_record_id(os.urandom(10)), False),
            ("' OR 1=1 --", False),
            (new.record_id.lower(), False),
            ("", False),
            (None, False),
        ):
            found = self.facts(session, report(b"edited", SOON, attached_record_id=named))
            assert found.named_record_known is known

    def test_a_document_that_says_nothing(self, session: Session) -> None:
        found = self.facts(session, ValidationReport(NOW, Medium.OTHER, problem="empty"))
        assert found == RegistryFacts()


class TestStanding:
    def test_it_lapses_with_its_crls(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        enter(session, vault, new)
        until = NOW + timedelta(days=7)
        assert standing(session, vault, locator(new), until - timedelta(seconds=1)) is Standing.PASSED
        assert standing(session, vault, locator(new), until) is Standing.INCOMPLETE

    def test_a_clock_behind_its_last_look_cannot_tell(self, session: Session, vault: Vault) -> None:
        """As for a file: such a clock would take lists that ran out long ago for fresh ones."""
        new = new_version(vault)
        enter(session, vault, new)
        borne = NOW - DEFAULT.clock_tolerance
        assert standing(session, vault, locator(new), borne) is Standing.PASSED
        behind = borne - timedelta(seconds=1)
        assert standing(session, vault, locator(new), behind) is Standing.INCOMPLETE
        code, _ = registry.look_up_locator(session, vault, locator(new), now=behind)
        found = decide(ValidationReport(behind, Medium.CODE), RegistryFacts(code=code))
        assert (found.outcome, found.reasons) == (Outcome.CHECK_INCOMPLETE, ("clock",))

    def test_another_policy_decided_it(self, session: Session, vault: Vault) -> None:
        new = new_version(vault)
        file = replace(new_file(b"x", NOW), policy="hoc-ba-so-0")
        registry.register(session, vault, new, file, epoch=0, actor=ACTOR, now=NOW)
        assert standing(session, vault, locator(new)) is Standing.INCOMPLETE

    def test_a_change_in_trust_withdraws_what_rests_on_it(self, session: Session, vault: Vault) -> None:
        touched, other = new_version(vault), new_version(vault)
        enter(session, vault, touched)
        elsewhere = dict.fromkeys((Role.GVCN, Role.CBQL, Role.KY_PHAT_HANH), "ee" * 32)
        enter(session, vault, other, certificates=elsewhere)
        assert registry.withdraw_standing(session, frozenset(), epoch=1) == 0
        assert registry.withdraw_standing(session, frozenset({"99" * 32}), epoch=2) == 0
        assert standing(session, vault, locator(touched)) is Standing.PASSED
        many = frozenset(hashlib.sha256(bytes([n % 251, n // 251])).hexdigest() for n in range(1200))
        assert registry.withdraw_standing(session, many | {SEAL}, epoch=3) == 1
        assert standing(session, vault, locator(touched)) is Standing.INCOMPLETE
        assert standing(session, vault, locator(other)) is Standing.PASSED
        outcome = decide(
            ValidationReport(SOON, Medium.CODE),
            RegistryFacts(code=registry.look_up_locator(session, vault, locator(touched), now=SOON)[0]),
        ).outcome
        assert outcome is Outcome.CHECK_INCOMPLETE

    def test_it_is_known_whether_a_check_waits_for_its_turn_or_for_data(
        self, session: Session, vault: Vault
    ) -> None:
        def checked_at(new: NewVersion, now: datetime) -> datetime | None:
            code, _ = registry.look_up_locator(session, vault, locator(new), now=now)
            assert code.version is not None
            return code.version.checked_at

        lapsing, withdrawn, late, former = (new_version(vault) for _ in range(4))
        enter(session, vault, lapsing)
        assert checked_at(lapsing, NOW + timedelta(days=8)) == NOW  # its lists ended after 7 days
        old_policy = replace(new_file(b"former", NOW), policy="hoc-ba-so-0")
        registry.register(session, vault, former, old_policy, epoch=0, actor=ACTOR, now=NOW)
        assert checked_at(former, SOON) is None
        registry.register(
            session, vault, late, new_file(b"late", NOW), epoch=1, actor=ACTOR, now=NOW
        )  # trust moved on
        assert checked_at(late, SOON) is None
        enter(session, vault, withdrawn)
        registry.withdraw_standing(session, frozenset({SEAL}), epoch=3)
        assert checked_at(withdrawn, SOON) is None

    @given(st.data())
    def test_the_code_and_the_file_have_one_answer(self, data: st.DataObject) -> None:
        """Whatever a report says, its stored standing gives a code the outcome that an upload gets."""
        status = data.draw(st.sampled_from(CheckStatus))
        changes: dict[str, Any] = data.draw(
            st.sampled_from([{}, {"signatures": ()}, {"checks": ()}, {"incomplete": "deadline"}])
        )
        a_report = report(b"file", NOW, revocation=status, **changes)
        for state in VersionState:
            facts = VersionFacts("A" * 17, 1, state, registry.standing_of(a_report))
            uploaded = decide(a_report, RegistryFacts(file=facts)).outcome
            code = CodeFacts(CodeKind.VERSION, facts)
            scanned = decide(ValidationReport(NOW, Medium.CODE), RegistryFacts(code=code)).outcome
            assert scanned is uploaded


class TestFreshUntil:
    """How long a standing may be answered: as long as an upload of the bytes would be answered the same."""

    def test_a_passing_one_lapses_with_its_lists(self) -> None:
        a_report = report(b"x", NOW)
        assert registry.fresh_until(a_report) == a_report.fresh_until

    def test_one_that_no_list_could_rescue_stays(self) -> None:
        hopeless = report(b"x", NOW, revocation=CheckStatus.FAILED, fresh_until=None)
        assert registry.fresh_until(hopeless) == registry.FOR_EVER

    def test_one_bad_signature_decides_whatever_the_other_lists_say(self) -> None:
        good, bad = report(b"x", NOW), report(b"x", NOW, revocation=CheckStatus.FAILED)
        mixed = replace(good, signatures=(bad.signatures[0], *good.signatures[1:]))
        assert registry.standing_of(mixed) is Standing.FAILED
        assert registry.fresh_until(mixed) == registry.FOR_EVER

    def test_an_unfinished_one_has_lapsed_already(self) -> None:
        open_end = report(b"x", NOW, revocation=CheckStatus.INCOMPLETE, fresh_until=None)
        assert registry.fresh_until(open_end) == NOW


class TestRevalidate:
    """The order of work; what is found is the verifier's business and tested with real files."""

    @pytest.fixture
    def found(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What the validation will find: changes to a passing report."""
        changes: dict[str, Any] = {}

        def validate_again(
            data: bytes,
            a_structure: Any,
            trust: TrustStore,
            policy: Any,
            at: datetime,
            *,
            registered_at: datetime,
            earlier: Sequence[Any],
        ) -> ValidationReport:
            assert a_structure == structure(data)
            assert registered_at == NOW
            assert not earlier
            return report(data, at, **changes)

        monkeypatch.setattr(registry, "validate_again", validate_again)
        return changes

    def store_and_enter(self, session: Session, vault: Vault, files: ObjectFiles, data: bytes) -> NewVersion:
        new = new_version(vault)
        file = new_file(data, NOW)
        sealed = registry.seal_file(vault, new.wrapped_key, data, sha256=file.sha256, version=1)
        name = hashlib.sha256(sealed).hexdigest()
        files.put_new(name, sealed)
        registry.register(session, vault, new, replace(file, stored_name=name), epoch=0, actor=ACTOR, now=NOW)
        return new

    def trust(self, epoch: int) -> TrustStore:
        return TrustStore(epoch, (), (), (), ())

    def test_in_batches_until_nothing_is_left(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        entered = [self.store_and_enter(session, vault, files, bytes([n])) for n in range(5)]
        act = partial(registry.revalidate, session, vault, files, self.trust(1), now=SOON)
        assert act() == registry.Revalidated(0, 0, 0, more=False)
        assert registry.withdraw_standing(session, frozenset({SIGNER}), epoch=1) == 5
        found.update(revocation=CheckStatus.PASSED)
        later = SOON + timedelta(minutes=1)
        act = partial(registry.revalidate, session, vault, files, self.trust(1), now=later, limit=2)
        assert [act(), act(), act(), act()] == [
            registry.Revalidated(2, 0, 0, more=True),
            registry.Revalidated(2, 0, 0, more=True),
            registry.Revalidated(1, 0, 0, more=False),
            registry.Revalidated(0, 0, 0, more=False),
        ]
        assert {standing(session, vault, locator(n), later) for n in entered} == {Standing.PASSED}
        row = session.scalars(select(RegisteredFile)).first()
        assert row is not None
        session.refresh(row)
        assert (row.standing_epoch, row.standing_at) == (1, later)
        assert row.fresh_until == later + timedelta(days=7)
        assert ValidationReport.from_json(json.loads(row.report)).at == later

    def test_a_file_that_the_store_has_lost_keeps_the_others_from_nothing(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        kept, lost, damaged = [self.store_and_enter(session, vault, files, bytes([n])) for n in range(3)]
        registry.withdraw_standing(session, frozenset({SIGNER}), epoch=1)
        sealed = registry.seal_file(vault, vault.new_key(), b"x", sha256="0" * 64, version=1)
        other = hashlib.sha256(sealed).hexdigest()
        files.put_new(other, sealed)  # readable as it is, but no file of this record
        for new, name in ((lost, "0" * 64), (damaged, other)):
            row = session.scalars(
                select(RegisteredFile)
                .join(RecordVersion, RegisteredFile.version_pk == RecordVersion.id)
                .join(Record, RecordVersion.record_pk == Record.id)
                .where(Record.record_id == new.record_id)
            ).one()
            row.stored_name = name
        session.flush()
        later = SOON + timedelta(minutes=1)
        act = partial(registry.revalidate, session, vault, files, self.trust(1), now=later, limit=2)
        batches = [act(), act()]
        assert [b.more for b in batches] == [True, False]
        assert (sum(b.passed for b in batches), sum(b.incomplete for b in batches)) == (1, 2)
        assert {name for b in batches for name in b.unreadable} == {"0" * 64, other}
        assert standing(session, vault, locator(kept), later) is Standing.PASSED
        for new in (lost, damaged):
            assert standing(session, vault, locator(new), later) is Standing.INCOMPLETE

    def test_a_standing_for_ever_is_stored_and_read_on_both_databases(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        registry.withdraw_standing(session, frozenset({SIGNER}), epoch=1)
        found.update(revocation=CheckStatus.FAILED, fresh_until=None)
        registry.revalidate(session, vault, files, self.trust(1), now=SOON)
        session.commit()
        assert standing(session, vault, locator(new), SOON + timedelta(days=9000)) is Standing.FAILED

    def test_right_after_the_change_at_the_same_moment(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        registry.withdraw_standing(session, frozenset({SIGNER}), epoch=1)
        found.update(revocation=CheckStatus.FAILED)
        done = registry.revalidate(session, vault, files, self.trust(1), now=SOON)
        assert done == registry.Revalidated(0, 1, 0, more=False)
        assert standing(session, vault, locator(new)) is Standing.FAILED

    def test_what_cannot_be_finished_is_tried_once_a_moment(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        registry.withdraw_standing(session, frozenset({SIGNER}), epoch=1)
        found.update(revocation=CheckStatus.INCOMPLETE, fresh_until=None)
        act = partial(registry.revalidate, session, vault, files, self.trust(1))
        assert act(now=SOON) == registry.Revalidated(0, 0, 1, more=False, why=("crl_incomplete",))
        assert act(now=SOON).files == 0
        assert standing(session, vault, locator(new)) is Standing.INCOMPLETE
        found.clear()
        assert act(now=SOON + timedelta(hours=1)).passed == 1

    def test_a_standing_is_renewed_before_it_lapses(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        act = partial(registry.revalidate, session, vault, files, self.trust(1), now=NOW + timedelta(days=6))
        assert act().files == 0
        assert act(due=NOW + timedelta(days=7)).passed == 1
        assert standing(session, vault, locator(new), NOW + timedelta(days=8)) is Standing.PASSED

    def test_a_later_change_keeps_its_mark(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        registry.withdraw_standing(session, frozenset({SIGNER}), epoch=5)
        old = registry.revalidate(session, vault, files, self.trust(4), now=SOON + timedelta(hours=1))
        assert old.files == 1  # looked at under what is no longer today's trust
        assert standing(session, vault, locator(new)) is Standing.INCOMPLETE

    def test_a_new_policy_means_everything_anew(
        self, session: Session, vault: Vault, files: ObjectFiles, found: dict[str, Any]
    ) -> None:
        new = self.store_and_enter(session, vault, files, b"x")
        session.execute(update(RegisteredFile).values(policy="hoc-ba-so-0"))
        assert registry.revalidate(session, vault, files, self.trust(0), now=SOON).passed == 1
        assert standing(session, vault, locator(new)) is Standing.PASSED


class TestSealed:
    def test_content_opens_whole(self, session: Session, vault: Vault) -> None:
        new = new_version(vault, ho_va_ten="H'Nga Niê")
        enter(session, vault, new)
        opened = registry.open_record(session, vault, new.record_id, 1)
        assert opened is not None
        assert opened.header == new.header
        assert opened.disclosures == new.disclosures
        assert opened.fields["ho_va_ten"] == "H'Nga Niê"
        assert registry.open_record(session, vault, new.record_id, 2) is None

    def test_nothing_personal_stands_in_the_clear(self, engine: Engine, vault: Vault) -> None:
        new = new_version(vault, ho_va_ten="Tống Khánh Huyền Trân", ngay_sinh=BIRTH)
        with Session(engine) as session, session.begin():
            enter(session, vault, new)
        with engine.connect() as connection:
            everything = "\n".join(
                repr(tuple(row))
                for table in ("records", "record_versions", "registered_files", "file_certificates")
                for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - fixed names
            )
        for secret in ("Huyền", "T*** K***", BIRTH, *new.disclosures):
            assert secret not in everything

    @pytest.mark.parametrize("column", ["public_sealed", "disclosures_sealed"])
    def test_swapped_ciphertexts_do_not_open(self, session: Session, vault: Vault, column: str) -> None:
        """SEC-39: between versions of a record (one key), and between records."""
        first = new_version(vault)
        enter(session, vault, first)
        enter(session, vault, new_version(vault, version=2, like=first))
        enter(session, vault, new_version(vault))
        rows = session.scalars(select(RecordVersion).order_by(RecordVersion.registered_at)).all()
        values = [getattr(row, column) for row in rows]
        for row, value in zip(rows, values[1:] + values[:1], strict=True):
            setattr(row, column, value)
        session.flush()
        for row in rows:
            record_id = row.record.record_id
            act: Callable[[], object] = partial(registry.open_record, session, vault, record_id, row.version)
            if column == "public_sealed":
                code = Locator(record_id, row.digest)
                act = partial(registry.look_up_locator, session, vault, code, now=SOON)
            with pytest.raises(VaultError):
                act()

    def test_a_stored_file_is_read_back_and_only_in_its_place(
        self, session: Session, vault: Vault, files: ObjectFiles
    ) -> None:
        new, data = new_version(vault), b"%PDF-1.7 invented"
        sealed = registry.seal_file(
            vault, new.wrapped_key, data, sha256=hashlib.sha256(data).hexdigest(), version=1
        )
        name = hashlib.sha256(sealed).hexdigest()
        files.put_new(name, sealed)
        file = replace(new_file(data, NOW), stored_name=name)
        registry.register(session, vault, new, file, epoch=0, actor=ACTOR, now=NOW)
        assert registry.read_file(session, vault, files, file.sha256) == data
        assert registry.read_file(session, vault, files, "0" * 64) is None
        session.execute(update(RegisteredFile).values(sha256="1" * 64))
        with pytest.raises(VaultError):
            registry.read_file(session, vault, files, "1" * 64)


def test_the_offline_export_has_states_and_no_names(session: Session, vault: Vault) -> None:
    first = new_version(vault, ho_va_ten="Tống Khánh Huyền Trân", ngay_sinh=BIRTH)
    second = new_version(vault, version=2, like=first)
    file = enter(session, vault, first)
    registry.register(session, vault, second, new_file(b"second", SOON), epoch=0, actor=ACTOR, now=SOON)
    registry.recall(session, first.record_id, "data_error", actor=ACTOR, now=SOON)
    exported = registry.registry_facts_export(session)
    assert exported["files"][0] == {
        "sha256": file.sha256,
        "size": file.size,
        "record_id": first.record_id,
        "version": 1,
        "kind": "issued",
        "registered_at": NOW.isoformat(),
        "standing": "passed",
        "checked_at": NOW.isoformat(),
        "fresh_until": (NOW + timedelta(days=7)).isoformat(),
    }
    assert [v["state"] for v in exported["versions"]] == ["superseded", "recalled"]
    assert exported["versions"][1] == {
        "record_id": first.record_id,
        "version": 2,
        "digest": locator(second).digest.hex(),
        "state": "recalled",
        "since": SOON.astimezone(UTC).isoformat(),
        "recall_reason": "data_error",
        "issued_on": second.header["issued_on"],
        "registered_at": SOON.astimezone(UTC).isoformat(),
    }
    for secret in ("Huyền", "H***", BIRTH, first.pupil_index):
        assert secret not in json.dumps(exported, ensure_ascii=False)
