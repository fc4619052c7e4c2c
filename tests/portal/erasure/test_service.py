"""Erasing and replaying: what is kept, what goes, what a process that ends in between leaves (SEC-41)."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select, text
from sqlalchemy.orm import Session, sessionmaker

from portal.database import Base
from portal.erasers import BY_TIME, ERASERS
from portal.erasure import service
from portal.erasure.service import Erased, Eraser
from portal.errors import Refusal
from portal.filestore import CorruptFile, ObjectFiles, ObjectTombstones, name_of
from portal.issuing.erasing import RECORD, refuse_registered
from portal.issuing.models import Issuance, Renewal, Stage
from portal.lookup import service as lookup
from portal.lookup.models import MatchAttempt
from portal.lookup.service import Paper
from portal.registry import service as registry
from portal.registry.models import FileCertificate, Record, RecordVersion, RegisteredFile
from portal.results import service as results
from portal.results.models import CheckResult
from portal.tombstone import Tombstone
from portal.trust.service import load_store
from portal.vault import DESTROYED, Vault
from tests.conftest import ACTOR, NOW, FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.web.world import Issued, enter
from verifier.locator import Hosts, Typed, short_digest
from verifier.report import Medium, ValidationReport
from verifier.verdict import Evidence, Outcome, Standing, Verdict

SEALED = b"sealed and stored: "


@pytest.fixture
def tombstones(tmp_path: Path) -> ObjectTombstones:
    return ObjectTombstones((tmp_path / "tombstones").as_uri())


def store(files: ObjectFiles) -> str:
    data = SEALED + os.urandom(8)
    files.put_new(name_of(data), data)
    return name_of(data)


def issuance(issued: Issued, version: int, **changes: object) -> dict[str, object]:
    return {
        "id": uuid.uuid4(), "school_code": "01000123", "pupil_index": "ab" * 32, "year": "2025-2026",
        "version": version, "record_id": issued.locator.record_id, "content_index": "cd" * 32,
        "stage": Stage.SEALED, "wrapped_key": issued.wrapped_key, "intent_sealed": b"intent",
        "issued_on": NOW.date(), "stage_sealed": b"held", "next_field": None, "sealed_sha256": None,
        "sealed_name": None, "created_at": NOW, "updated_at": NOW, "batch": uuid.uuid4(),
    } | changes  # fmt: skip


@pytest.fixture
def issued(session: Session, vault: Vault, files: ObjectFiles) -> Issued:
    """A record of two versions, each with a stored file, a renewal that is not registered, an unfinished
    third version, and a kept result of each version; and another record with one.
    """
    first = enter(session, vault, NOW - timedelta(days=3))
    second = enter(session, vault, NOW - timedelta(days=2), before=first)
    other = enter(session, vault, NOW - timedelta(days=2), grade=5)
    for each in (first, second, other):
        assert keep(session, vault, each) is not None
    rows = session.scalars(select(RegisteredFile).order_by(RegisteredFile.registered_at)).all()
    for row in rows:
        row.stored_name = store(files)
    session.execute(
        insert(Renewal).values(
            id=uuid.uuid4(),
            source_sha256=second.report.sha256,
            sealed_sha256="e" * 64,
            sealed_name=store(files),
            created_at=NOW,
        )
    )
    session.execute(insert(Issuance).values(issuance(second, 2)))
    session.execute(insert(Issuance).values(issuance(second, 3, sealed_name=store(files))))
    session.commit()
    return second


def keep(session: Session, vault: Vault, issued: Issued) -> str | None:
    """The number of what a check of the code answered."""
    record_id = issued.locator.record_id
    facts = registry.version_today(session, record_id, issued.version, None, now=NOW)
    verdict = Verdict(Outcome.GENUINE_CURRENT, Evidence.CODE, (), facts)
    report = ValidationReport(at=NOW, medium=Medium.CODE)
    return results.keep(session, vault, verdict, report, now=NOW, days=90)


def stored(files: ObjectFiles, tmp_path: Path) -> int:
    return sum(1 for path in (tmp_path / "instance" / "files").glob("??/*") if path.is_file())


def erase(session: Session, record_id: str, tombstones: ObjectTombstones, files: ObjectFiles) -> Erased:
    return service.erase(
        session,
        RECORD,
        record_id,
        tombstones=tombstones,
        files=files,
        actor=ACTOR,
        now=NOW,
        basis="court_order",
    )


def test_every_column_that_was_sealed_is_emptied(
    session: Session,
    *,
    files: ObjectFiles,
    tombstones: ObjectTombstones,
    issued: Issued,
    tmp_path: Path,
) -> None:
    """Versions, files, issuances, renewals; what stays is id, versions, digests, states and times."""
    record_id = issued.locator.record_id
    digests = session.scalars(select(RecordVersion.digest).join(Record).where(Record.record_id == record_id))
    before = set(digests)
    pupil = session.scalars(select(Record.pupil_index).where(Record.record_id == record_id)).one()
    assert stored(files, tmp_path) == 5
    erased = erase(session, record_id, tombstones, files)
    session.commit()
    assert stored(files, tmp_path) == 1  # the other record's
    assert erased.rows == {
        "records": 1, "record_versions": 2, "registered_files": 2, "file_certificates": 2,
        "issuances": 2, "renewals": 1, "check_results": 2,
    }  # fmt: skip
    assert (set(erased.rows), len(erased.files)) == (set(RECORD.tables), 4)
    record = session.scalars(select(Record).where(Record.record_id == record_id)).one()
    assert record.wrapped_key == DESTROYED
    assert (record.pupil_index != pupil, len(record.pupil_index)) == (True, 64)
    for version in record.versions:
        assert (version.disclosures_sealed, version.public_sealed, version.header) == (b"", b"", "")
        assert [(f.report, f.structure, f.standing) for f in version.files] == [("", "", "destroyed")]
    assert {v.digest for v in record.versions} == before
    assert [(v.version, v.state) for v in record.versions] == [(1, "superseded"), (2, "current")]
    for table in (Issuance, Renewal):
        assert session.scalars(select(table)).all() == []
    assert len(session.scalars(select(FileCertificate)).all()) == 1
    assert record_id not in session.scalars(select(CheckResult.record_id)).all()
    assert len(session.scalars(select(CheckResult)).all()) == 1
    # Everywhere in the schema: whatever is sealed belongs to a table that is named.
    sealed = {
        t.name for t in Base.metadata.tables.values() if any(c.name.endswith("_sealed") for c in t.columns)
    }
    assert sealed == (sealed & {table for eraser in ERASERS.values() for table in eraser.tables}) | BY_TIME
    # The trail tells it once, of the pupil that it was.
    (told,) = entries(session, "erasure")
    assert (told["object"], told["pupil"], told["basis"]) == (f"record:{record.id}", pupil, "court_order")
    stone = tombstones.get("record", record_id)
    assert (stone.rows, stone.files, stone.at) == (erased.rows, erased.files, NOW)


def test_what_is_left_is_answered_truthfully(
    session: Session, vault: Vault, files: ObjectFiles, tombstones: ObjectTombstones, issued: Issued
) -> None:
    """Scan, typed code, paper, upload, bundle: one answer, neither green nor an accusation."""
    locator = issued.locator
    erase(session, locator.record_id, tombstones, files)
    session.commit()
    answers = [
        lookup.by_locator(session, vault, locator, now=NOW),
        lookup.by_typed(session, vault, Typed(locator.record_id, None), "03/09/2015", now=NOW),
        lookup.by_typed(session, vault, Typed(locator.record_id, short_digest(locator.digest)), "x", now=NOW),
        lookup.compare(session, vault, locator, Paper("A", "1", {}), now=NOW),
    ]
    for answer in answers:
        assert (answer.verdict.outcome, answer.verdict.reasons) == (
            Outcome.CHECK_INCOMPLETE,
            ("evidence_destroyed",),
        )
        assert (answer.record, answer.verdict.green, answer.tries_left) == (None, False, None)
    wrong = lookup.by_typed(session, vault, Typed(locator.record_id, "00000000"), "03/09/2015", now=NOW)
    assert wrong.verdict.reasons == ("unknown_code",)
    facts = registry.facts_for(session, issued.report, Hosts("https://x.vn", ()), now=NOW)
    assert facts.file is not None
    assert facts.file.standing is Standing.DESTROYED
    assert registry.find_file(session, issued.report.sha256, now=NOW) is None
    assert registry.public_record(session, vault, facts.file, now=NOW) is None
    exported = registry.registry_facts_export(session)["files"]
    assert {row["standing"] for row in exported if row["record_id"] == locator.record_id} == {"destroyed"}
    # Nothing goes on with it.
    revalidated = registry.revalidate(
        session, vault, files, replace(load_store(session), epoch=9), now=NOW + timedelta(days=900)
    )
    assert revalidated.files == 1  # the other record's
    for act in (
        lambda: registry.open_record(session, vault, locator.record_id, 2),
        lambda: registry.read_file(session, vault, files, issued.report.sha256),
        lambda: enter(session, vault, NOW, before=issued),
    ):
        with pytest.raises(Refusal) as refused:
            act()
        assert refused.value.code == "record_destroyed"


class Ended(Exception):  # noqa: N818 - the process's end
    pass


@pytest.mark.parametrize("point", ["tombstone", "files", "commit"])
def test_a_process_that_ends_in_between_is_finished_by_replay(
    engine: Engine,
    *,
    session: Session,
    vault: Vault,
    files: ObjectFiles,
    tombstones: ObjectTombstones,
    issued: Issued,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    """Before the tombstone nothing happened; after it there is no way back, and the portal does not start."""
    record_id = issued.locator.record_id
    session.close()

    def end(*_: object) -> None:
        raise Ended

    def dies() -> None:
        with Session(engine) as dying, dying.begin():
            erase(dying, record_id, tombstones, files)
            end()

    with monkeypatch.context() as broken:
        if point == "tombstone":
            broken.setattr(ObjectTombstones, "put_new", end)
        elif point == "files":
            broken.setattr(ObjectFiles, "delete", end)
        with pytest.raises(Ended):
            dies()
    with Session(engine) as after:
        alive = service.alive(after, ERASERS, tombstones)
        assert registry.open_record(after, vault, record_id, 2) is not None
        if point == "tombstone":
            assert (alive, stored(files, tmp_path)) == ((), 5)
            return
        assert alive == (("record", record_id),)
        with pytest.raises(Refusal, match="bản khôi phục cũ") as refused:
            service.refuse_erased_alive(after, ERASERS, tombstones)
        assert refused.value.code == "erased_alive"
    again = list(replay(engine, tombstones, files))
    assert [(each.kind, each.name) for each in again] == [("record", record_id)]
    assert stored(files, tmp_path) == 1
    with Session(engine) as after:
        service.refuse_erased_alive(after, ERASERS, tombstones)
    assert list(replay(engine, tombstones, files)) == []


def replay(engine: Engine, tombstones: ObjectTombstones, files: ObjectFiles) -> Iterator[service.Replayed]:
    return service.replay(
        sessionmaker(engine).begin,
        ERASERS,
        tombstones=tombstones,
        files=files,
        actor=ACTOR,
        clock=FrozenClock(),
    )


def test_a_backup_from_before_the_registration_holds_the_draft(
    engine: Engine, session: Session, files: ObjectFiles, tombstones: ObjectTombstones, issued: Issued
) -> None:
    """The record was on its way when the backup was made: its row is not there, its intent is."""
    record_id = issued.locator.record_id
    erase(session, record_id, tombstones, files)
    session.commit()
    session.execute(insert(Issuance).values(issuance(issued, 1)))
    session.commit()
    assert service.alive(session, ERASERS, tombstones) == (("record", record_id),)
    session.close()
    assert [each.rows for each in replay(engine, tombstones, files)] == [1]
    assert service.alive(session, ERASERS, tombstones) == ()


def test_only_what_was_never_issued_is_erased_on_request(
    session: Session, vault: Vault, files: ObjectFiles, tombstones: ObjectTombstones, issued: Issued
) -> None:
    def code(record_id: str) -> str:
        with pytest.raises(Refusal) as refused:
            refuse_registered(session, record_id)
        return refused.value.code

    record_id = issued.locator.record_id
    assert code(record_id) == "kept_permanently"
    assert code("0" * 17) == "unknown_record"
    erase(session, record_id, tombstones, files)
    assert code(record_id) == "already_destroyed"
    draft = "1" * 17
    session.execute(insert(Issuance).values(issuance(issued, 1, record_id=draft, sealed_name=store(files))))
    refuse_registered(session, draft)
    erased = erase(session, draft, tombstones, files)
    assert (erased.rows, len(erased.files)) == ({"issuances": 1}, 1)
    assert not files.exists(erased.files[0])
    assert [e["object"].partition(":")[0] for e in entries(session, "erasure")] == ["record", "issuance"]


def test_another_room_adds_its_eraser(
    engine: Engine, session: Session, files: ObjectFiles, tombstones: ObjectTombstones
) -> None:
    """A kind, a function that erases, a function that finds: no more is asked of a room."""

    def gone(session: Session, name: str, now: datetime) -> Erased:
        found = session.scalars(select(MatchAttempt).where(MatchAttempt.record_id == name)).all()
        session.execute(delete(MatchAttempt).where(MatchAttempt.record_id == name))
        return Erased({"match_attempts": len(found)} if found else {})

    def alive(session: Session, names: Collection[str]) -> frozenset[str]:
        there = select(MatchAttempt.record_id).where(MatchAttempt.record_id.in_(names))
        return frozenset(session.scalars(there))

    eraser = Eraser("attempt", ("match_attempts",), gone, alive)
    put: Callable[[], object] = lambda: session.execute(  # noqa: E731
        insert(MatchAttempt).values(id=uuid.uuid4(), record_id="A", at=NOW)
    )
    put()
    service.erase(session, eraser, "A", tombstones=tombstones, files=files, actor=ACTOR, now=NOW)
    session.commit()
    assert service.alive(session, {"attempt": eraser}, tombstones) == ()
    put()
    session.commit()
    assert service.alive(session, {"attempt": eraser}, tombstones) == (("attempt", "A"),)
    with pytest.raises(Refusal, match="attempt"):
        service.alive(session, ERASERS, tombstones)  # a kind that nobody knows is no reason to start


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b'{"v":2}',
        b'{"v":1,"kind":"record","name":"A","at":"x","rows":{},"files":["../a"],"decision":null}',
    ],
)
def test_a_tombstone_that_cannot_be_read_is_no_tombstone(tmp_path: Path, text: bytes) -> None:
    stones = ObjectTombstones(tmp_path.as_uri())
    stones.create("record/A.json", text)
    assert stones.names() == {"record": ("A",)}
    with pytest.raises(CorruptFile):
        stones.get("record", "A")


def test_tombstones_are_private_and_never_change(tmp_path: Path) -> None:
    stones = ObjectTombstones((tmp_path / "t").as_uri())
    stone = Tombstone("record", "0123456789ABCDEF0", NOW, {"records": 1}, ("a" * 64,), uuid.uuid4())
    stones.put_new(stone)
    with pytest.raises(FileExistsError):
        stones.put_new(replace(stone, rows={}))
    assert stones.get("record", stone.name) == stone
    path = tmp_path / "t" / "record" / f"{stone.name}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for kind, name in (("../up", "A"), ("record", "../A"), ("record", "")):
        with pytest.raises(ValueError, match="not the name"):
            stones.put_new(replace(stone, kind=kind, name=name))
    (tmp_path / "t" / "stray").write_text("")
    with pytest.raises(CorruptFile, match="stray"):
        stones.names()


def test_a_stored_file_is_deleted_once_and_again(files: ObjectFiles) -> None:
    data = os.urandom(20)
    name = hashlib.sha256(data).hexdigest()
    files.put_new(name, data)
    files.delete(name)
    assert not files.exists(name)
    files.delete(name)
    files.put_new(name, data)
    assert files.get(name) == data


def test_a_result_that_is_kept_while_its_record_is_destroyed_is_not(
    session: Session, engine: Engine, vault: Vault, *, files: ObjectFiles, tombstones: ObjectTombstones,
    issued: Issued,
) -> None:  # fmt: skip
    """Whoever keeps one waits for the other; else a row would name the record again, for months."""
    facts = registry.version_today(session, issued.locator.record_id, issued.version, None, now=NOW)
    verdict = Verdict(Outcome.GENUINE_CURRENT, Evidence.CODE, (), facts)
    report = ValidationReport(at=NOW, medium=Medium.CODE)
    session.commit()

    def meanwhile() -> str | None:
        with Session(engine) as other, other.begin():
            return results.keep(other, vault, verdict, report, now=NOW, days=90)

    erase(session, issued.locator.record_id, tombstones, files)
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(meanwhile)
        while engine.dialect.name == "postgresql" and not _waits(engine):
            time.sleep(0.01)
        session.commit()
        assert kept.result(60) is None
    assert RECORD.alive(session, [issued.locator.record_id]) == frozenset()


def test_what_is_left_of_a_result_keeps_a_record_alive(
    session: Session, *, issued: Issued, files: ObjectFiles, tombstones: ObjectTombstones
) -> None:
    """As a backup of that table alone brings it back."""
    record_id = issued.locator.record_id
    back = session.scalars(select(CheckResult).where(CheckResult.record_id == record_id)).all()
    copied = [{c.name: getattr(row, c.name) for c in CheckResult.__table__.columns} for row in back]
    erase(session, record_id, tombstones, files)
    session.commit()
    session.execute(insert(CheckResult), copied)
    session.commit()
    assert RECORD.alive(session, [record_id]) == frozenset({record_id})
    assert erase(session, record_id, tombstones, files).rows == {"check_results": 2}
    session.commit()
    assert RECORD.alive(session, [record_id]) == frozenset()


def _waits(engine: Engine) -> bool:
    with engine.connect() as connection:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(connection.execute(text(waiting)).scalar_one())
