"""The trail in the database: one chain however many write, entries that nothing changes (SEC-30, SEC-31)."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.database import reading_engine
from portal.errors import PortalError
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.audit.reading import entries
from verifier.audit import BEGINNING, walk


def event(number: int = 1) -> Event:
    return Event(ACTOR, Action.ISSUE, Object("record", uuid.UUID(int=number)), details={"version": number})


def filled(engine: Engine, count: int = 5) -> None:
    with Session(engine) as session, session.begin():
        audit.record(session, *(event(number) for number in range(1, count + 1)), now=NOW)


def test_what_is_recorded_is_read_back(session: Session) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=7)))
    told = Event(
        Actor.system("registry"),
        Action.DISCLOSURE,
        Object("record", uuid.UUID(int=7)),
        Outcome.REFUSED,
        organisation="001234",
        pupil="ab" * 32,
        purpose="transfer",
        basis="consent",
        details={"version": 2, "reason": "no_basis"},
    )
    audit.record(session, told, now=local)
    (entry,) = entries(session)
    digest = entry.pop("digest")
    assert entry == {
        "v": 1,
        "number": 1,
        "at": "2026-10-05T02:30:00.000000Z",
        "actor": "system:registry",
        "action": "disclosure",
        "outcome": "refused",
        "object": "record:00000000-0000-0000-0000-000000000007",
        "organisation": "001234",
        "pupil": "ab" * 32,
        "purpose": "transfer",
        "basis": "consent",
        "details": {"version": 2, "reason": "no_basis"},
        "previous": BEGINNING.hex(),
    }
    assert audit.head(session) == (1, bytes.fromhex(digest))
    assert entries(session, "issue") == []


def test_an_entry_stands_and_falls_with_its_act(engine: Engine) -> None:
    with Session(engine) as session:
        audit.record(session, event(), now=NOW)
        session.rollback()
    filled(engine, 2)
    with Session(engine) as session:
        assert [entry["number"] for entry in entries(session)] == [1, 2]


def test_nothing_to_record_is_no_entry(session: Session) -> None:
    audit.record(session, now=NOW)
    assert audit.head(session) == (0, BEGINNING)
    assert audit.check(session).last == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Event(ACTOR, Action.ISSUE, Object("record", "Nguyễn Văn An")),
        Event(ACTOR, Action.ISSUE, Object("pupil", "0109876501")),
        Event(Actor("command", "an nguyen"), Action.ISSUE),
        Event(ACTOR, Action.ISSUE, pupil="0109876501"),
        Event(ACTOR, Action.ISSUE, purpose="Chuyển trường"),
        Event(ACTOR, Action.ISSUE, details={"name": "an"}),
        Event(ACTOR, Action.ISSUE, details={"reason": "vì sao"}),
        Event(ACTOR, Action.ISSUE, details={"version": -1}),
        Event(ACTOR, Action.ISSUE, details={"version": True}),
        Event(ACTOR, Action.ISSUE, details={"file": 1}),
        Event(ACTOR, Action.ISSUE, details={"until": "23/11/2015"}),
    ],
)
def test_texts_of_people_have_no_place_sec_28(session: Session, wrong: Event) -> None:
    """SEC-28: only what a pattern allows is written; all of it, or nothing."""
    with pytest.raises(ValueError, match=r"^(object|actor|pupil|purpose|details)"):
        audit.record(session, event(), wrong, now=NOW)
    session.rollback()
    assert audit.head(session) == (0, BEGINNING)


@pytest.mark.parametrize(
    ("user", "name"), [("an.nguyen", "an.nguyen"), ("Ân Nguyễn\n", "_n_Nguy_n_"), ("-", "_")]
)
def test_a_strange_user_name_is_spelled_with_few_letters(session: Session, user: str, name: str) -> None:
    audit.record(session, Event(Actor.command(user), Action.ISSUE), now=NOW)
    assert entries(session)[0]["actor"] == f"command:{name}"


def test_what_was_told_is_found_again(engine: Engine) -> None:
    """Same action, outcome, object and details, at that time or later; whoever acted."""
    filled(engine, 2)
    with Session(engine) as session:
        assert audit.told_since(session, event(2), NOW)
        assert audit.told_since(session, replace(event(2), actor=Actor.system("uploads")), NOW)
        for other in (
            event(3),
            replace(event(2), object=None),
            replace(event(2), action=Action.RECALL),
            replace(event(2), outcome=Outcome.REFUSED),
            replace(event(2), details={"version": 1}),
        ):
            assert not audit.told_since(session, other, NOW)
        assert not audit.told_since(session, event(2), NOW + timedelta(microseconds=1))
        nothing = Event(ACTOR, Action.ISSUE)
        audit.record(session, nothing, now=NOW)
        assert audit.told_since(session, nothing, NOW)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("school", "001234", True),
        ("school", "Trường An", False),
        ("school", "001234\n", False),
        ("certificate", "ab" * 32, True),
        ("certificate", "AB" * 32, False),
        ("certificate", "nobody", False),
    ],
)
def test_what_somebody_typed_is_named_or_hashed_sec_28(kind: str, text: str, kept: bool) -> None:
    vault = Vault([("a", b"k" * 32)], b"i" * 32)
    named = audit.named(vault, kind, text)
    if kept:
        assert str(named) == f"{kind}:{text}"
    else:
        assert named == audit.typed(vault, text)
        assert (named.kind, text in str(named)) == ("typed", False)
        assert named != audit.typed(Vault([("a", b"k" * 32)], b"j" * 32), text)


def test_many_writers_make_one_chain(engine: Engine) -> None:
    """Eight threads, each with transactions of its own, some of them given up."""

    def write(thread: int) -> None:
        for turn in range(10):
            with Session(engine) as session:
                audit.record(session, event(thread + 1), event(turn + 1), now=NOW)
                if turn % 5 == 4:
                    session.rollback()
                session.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with Session(engine) as session:
        found = audit.check(session)
        assert (found.fault, found.last) == (None, 8 * 8 * 2)
        assert walk(audit.lines(session)).fault is None


STATEMENTS = (
    "UPDATE audit_entries SET actor = 'command:x' WHERE number = 2",
    "DELETE FROM audit_entries WHERE number = 2",
    "DELETE FROM audit_entries",
    "UPDATE audit_head SET number = 1",
    "UPDATE audit_head SET id = 2",
    "DELETE FROM audit_head",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_change_or_delete(engine: Engine, statement: str) -> None:
    """SEC-31: on both databases, whoever asks."""
    filled(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"append-only|only moves on"):
        connection.execute(text(statement))
    with Session(engine) as session:
        assert (audit.check(session).fault, audit.check(session).last) == (None, 5)


def test_each_databases_other_ways_are_closed_too(engine: Engine) -> None:
    """SQLite's INSERT OR REPLACE deletes silently, PostgreSQL empties without looking at rows."""
    filled(engine)
    if engine.dialect.name == "sqlite":
        columns = "number + 0, at, 'command:x', action, outcome, object, organisation, pupil, purpose, basis"
        statements = [
            f"INSERT OR REPLACE INTO audit_entries SELECT {columns}, details, previous, digest"  # noqa: S608
            " FROM audit_entries WHERE number = 2",
            "INSERT OR REPLACE INTO audit_head VALUES (1, 1, x'00')",
        ]
    else:
        statements = ["TRUNCATE audit_entries", "TRUNCATE audit_head"]
    for statement in statements:
        with engine.connect() as connection, pytest.raises(DBAPIError, match=r"append-only|only moves on"):
            connection.execute(text(statement))


def unlocked(engine: Engine, *statements: str) -> None:
    """What an owner of the database may do: take the triggers away first."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for name in ("entries_insert", "entries_update", "entries_delete", "head_update", "head_delete"):
                connection.execute(text(f"DROP TRIGGER audit_{name}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "number", "code"),
    [
        ("UPDATE audit_entries SET actor = 'command:x' WHERE number = 3", 3, "digest"),
        ("UPDATE audit_entries SET details = '{ \"version\":3}' WHERE number = 3", 3, "malformed"),
        ("UPDATE audit_entries SET details = 'x' WHERE number = 3", 3, "malformed"),
        ("UPDATE audit_entries SET at = '2026-10-05 02:30:01' WHERE number = 3", 3, "digest"),
        ("DELETE FROM audit_entries WHERE number = 3", 3, "number"),
        ("DELETE FROM audit_entries WHERE number > 3", 4, "truncated"),
        ("DELETE FROM audit_entries", 1, "truncated"),
        ("UPDATE audit_entries SET number = 9 WHERE number = 3", 3, "number"),
        ("UPDATE audit_entries SET number = 0 WHERE number = 3", 1, "malformed"),
        ("UPDATE audit_head SET number = 3", 3, "checkpoint_differs"),
    ],
)
def test_what_the_owner_of_the_database_changes_is_found(
    engine: Engine, statement: str, number: int, code: str
) -> None:
    """SEC-31: the walk names the first entry that is wrong."""
    filled(engine)
    unlocked(engine, statement)
    with Session(reading_engine(engine)) as session:
        fault = audit.check(session).fault
    assert fault is not None
    assert (fault.number, fault.code) == (number, code)


def test_entries_beyond_the_head_are_found(engine: Engine) -> None:
    filled(engine, 2)
    with Session(engine) as session:
        number, digest = audit.head(session)
    filled(engine, 1)
    back = literal(engine, digest)
    unlocked(engine, f"UPDATE audit_head SET number = {number}, digest = {back}")  # noqa: S608
    with Session(engine) as session:
        fault = audit.check(session).fault
    assert fault is not None
    assert (fault.number, fault.code) == (3, "head_differs")


def literal(engine: Engine, value: bytes) -> str:
    return f"x'{value.hex()}'" if engine.dialect.name == "sqlite" else f"'\\x{value.hex()}'"


def test_a_trail_without_a_head_is_a_fault_not_a_new_trail(engine: Engine) -> None:
    filled(engine)
    unlocked(engine, "DELETE FROM audit_head")
    with Session(engine) as session:
        with pytest.raises(PortalError, match="no head"):
            audit.record(session, event(), now=NOW)
        with pytest.raises(PortalError, match="no head"):
            audit.head(session)


def test_a_damaged_row_is_not_exported_as_something_else(engine: Engine) -> None:
    filled(engine)
    unlocked(engine, "UPDATE audit_entries SET details = 'x' WHERE number = 3")
    with Session(engine) as session, pytest.raises(PortalError, match="entry 3 is damaged"):
        list(audit.lines(session))


def test_an_export_may_begin_anywhere_and_reads_page_by_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(engine, 7)
    monkeypatch.setattr(audit, "_MANY", 3)
    with Session(reading_engine(engine)) as session:
        whole = list(audit.lines(session))
        assert len(whole) == 7
        assert list(audit.lines(session, first=4)) == whole[3:]
        assert list(audit.lines(session, first=8)) == []
        assert (audit.check(session).last, audit.check(session).fault) == (7, None)
    assert walk(whole).fault is None


def test_a_checkpoint_names_the_head_and_is_itself_told(session: Session) -> None:
    assert audit.checkpoint(session, "h.vn/audit", actor=ACTOR, now=NOW) is None
    audit.record(session, event(), now=NOW)
    taken = audit.checkpoint(session, "h.vn/audit", actor=ACTOR, now=NOW)
    first, second = entries(session)
    assert taken is not None
    assert (taken.number, taken.digest.hex(), taken.at) == (1, first["digest"], NOW)
    assert (second["action"], second["details"]) == ("checkpoint", {"number": 1, "digest": first["digest"]})
    assert walk(audit.lines(session), [taken]).covered == 1
