"""Appending to the trail and reading it back: one unbroken chain, however many write (SEC-30, SEC-31).

An entry is appended in the transaction of the act that it tells of, so neither stands without the other. The
chain's head is locked until that transaction ends: take it last, when all other locks are held.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from portal.audit.models import AuditEntry, AuditHead
from portal.errors import PortalError
from portal.vault import Vault
from verifier import audit as form
from verifier.audit import Action, Checked, Checkpoint, Outcome

__all__ = [
    "Action",
    "Actor",
    "Entry",
    "Event",
    "Object",
    "Outcome",
    "Told",
    "check",
    "checkpoint",
    "count_by",
    "count_since",
    "head",
    "lines",
    "named",
    "of_pupil",
    "record",
    "told",
    "told_since",
    "typed",
]

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]")
_HEAD: Final = 1  # the head's only row
_MANY: Final = 1000  # entries held in memory while reading
_NO_ENTRY: Final = (ValueError, TypeError, AttributeError)  # what a damaged row raises when it is spelled
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the time of a head, which has none


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts; ``kind`` and form of ``name`` are those of :data:`verifier.audit.ACTORS`."""

    kind: str
    name: str

    @classmethod
    def command(cls, user: str) -> Actor:
        """Whoever runs a command, by the name the operating system has; letters that no such name should have
        are spelled "_".
        """
        return cls("command", _FOREIGN.sub("_", user)[:64].lstrip(".-") or "_")

    @classmethod
    def system(cls, part: str) -> Actor:
        """The portal itself, acting on nobody's word."""
        return cls("system", part)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Object:
    """On what; ``kind`` and form of ``name`` are those of :data:`verifier.audit.OBJECTS`."""

    kind: str
    name: str | uuid.UUID

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Event:
    """What an entry tells; the names and forms of ``details`` are those of :data:`verifier.audit.DETAILS`.

    ``organisation`` is the code of the school or department concerned, ``pupil`` the blind index that records
    have, so that a holder can be shown their part; ``purpose`` and ``basis`` are codes.
    """

    actor: Actor
    action: Action
    object: Object | None = None
    outcome: Outcome = Outcome.DONE
    organisation: str | None = None
    pupil: str | None = None
    purpose: str | None = None
    basis: str | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)


def named(vault: Vault, kind: str, text: str) -> Object:
    """What somebody called a ``kind`` of :data:`verifier.audit.OBJECTS`, whether or not we have it; only its
    keyed hash where nothing of that kind can be called so.
    """
    good = re.fullmatch(form.OBJECTS[kind], text, re.ASCII)
    return Object(kind, text) if good else typed(vault, text)


def typed(vault: Vault, text: str) -> Object:
    """A text that names nothing of ours: who types the same again is seen to, what it was is not."""
    return Object("typed", vault.blind_index(text, domain="audit-typed"))


def record(session: Session, *events: Event, now: datetime) -> None:
    """Append ``events`` in the caller's transaction; flushed, not committed. Raises ValueError for what may
    not stand in an entry.
    """
    if not events:
        return
    session.flush()  # what the entries tell of comes first, with its locks
    number, before = _take_head(session)
    rows: list[dict[str, Any]] = []
    for event in events:
        number += 1
        entry = form.seal(
            {
                "number": number,
                "at": form.moment_text(now),
                "actor": str(event.actor),
                "action": event.action.value,
                "outcome": event.outcome.value,
                "object": None if event.object is None else str(event.object),
                "organisation": event.organisation,
                "pupil": event.pupil,
                "purpose": event.purpose,
                "basis": event.basis,
                "details": dict(event.details),
                "previous": before.hex(),
            }
        )
        rows.append(_columns(entry, now))
        before = rows[-1]["digest"]
    session.execute(insert(AuditEntry), rows)
    session.execute(
        update(AuditHead)
        .where(AuditHead.id == _HEAD)
        .values(number=number, digest=before)
        .execution_options(synchronize_session=False)
    )


def head(session: Session) -> tuple[int, bytes]:
    """Number and digest of the last entry; 0 and 32 zero bytes when there is none."""
    row = session.execute(
        select(AuditHead.number, AuditHead.digest).where(AuditHead.id == _HEAD)
    ).one_or_none()
    if row is None:
        raise PortalError("the trail has no head: its row was deleted")
    return row.number, row.digest


def told_since(session: Session, event: Event, since: datetime) -> bool:
    """Whether the same act on the same object, with the same outcome and details, was told at ``since`` or
    later.
    """
    alike = select(AuditEntry.number).where(
        AuditEntry.object == (None if event.object is None else str(event.object)),
        AuditEntry.action == event.action.value,
        AuditEntry.outcome == event.outcome.value,
        AuditEntry.details == form.canonical(dict(event.details)).decode("ascii"),
        AuditEntry.at >= since,
    )
    return session.scalar(alike.limit(1)) is not None


def count_since(session: Session, event: Event, since: datetime) -> int:
    """How many entries of this action on the same object there are, from ``since`` on."""
    alike = select(func.count()).where(
        AuditEntry.object == (None if event.object is None else str(event.object)),
        AuditEntry.action == event.action.value,
        AuditEntry.at >= since,
    )
    return session.scalar(alike) or 0


def count_by(session: Session, actor: Actor, action: Action, *, basis: str | None, since: datetime) -> int:
    """How often somebody did ``action`` on this basis, from ``since`` on."""
    mine = select(func.count()).where(
        AuditEntry.actor == str(actor),
        AuditEntry.action == action.value,
        AuditEntry.at >= since,
        AuditEntry.outcome == Outcome.DONE.value,
        AuditEntry.basis == basis,
    )
    return session.scalar(mine) or 0


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, for people who may see it."""

    number: int
    at: datetime
    actor: str
    action: Action
    outcome: Outcome
    object: str | None
    organisation: str | None
    details: Mapping[str, Any]


def told(
    session: Session, action: Action, organisations: Collection[str], *, before: int | None = None, most: int
) -> tuple[Told, ...]:
    """The newest ``most`` entries of one action that concern these organisations, newest first; those before
    the number ``before`` where one is given.
    """
    wanted = (
        select(AuditEntry)
        .where(AuditEntry.action == action.value, AuditEntry.organisation.in_(organisations))
        .order_by(AuditEntry.number.desc())
        .limit(most)
    )
    if before is not None:
        wanted = wanted.where(AuditEntry.number < before)
    return tuple(
        Told(
            row.number,
            row.at,
            row.actor,
            Action(row.action),
            Outcome(row.outcome),
            row.object,
            row.organisation,
            json.loads(row.details),
        )
        for row in session.scalars(wanted)
    )


def lines(session: Session, *, first: int = 1) -> Iterator[bytes]:
    """The trail from entry ``first`` to the head of this moment, as lines of an export. Raises PortalError
    for a row that is no entry any more.
    """
    last, _ = head(session)
    for row in _rows(session, first):
        if row.number > last:
            return
        try:
            yield _line(row)
        except _NO_ENTRY as error:
            raise PortalError(f"audit entry {row.number} is damaged") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as a holder's part of the trail needs it: when, by whom, on what, by which right."""

    number: int
    at: datetime
    actor: str
    object: str | None
    purpose: str | None
    basis: str | None
    details: Mapping[str, str | int]


def of_pupil(
    session: Session,
    pupil: str,
    action: Action,
    *,
    also: Iterable[tuple[str, uuid.UUID]] = (),
    before: int | None = None,
    limit: int,
) -> tuple[Entry, ...]:
    """What was done (refusals left out) in one kind of act on a pupil's records, newest first: at most
    ``limit`` entries with a number below ``before``. ``also`` are single records of the same pupil under
    another index, each with its key: of that index what names this record, and nothing else.
    """
    elsewhere = (
        and_(
            AuditEntry.pupil == index,
            or_(
                AuditEntry.object == str(Object("record", key)),
                AuditEntry.details.contains(f'"record":"{key}"'),
            ),
        )
        for index, key in also
    )
    wanted = select(AuditEntry).where(
        or_(AuditEntry.pupil == pupil, *elsewhere),
        AuditEntry.action == action,
        AuditEntry.outcome == Outcome.DONE,
    )
    if before is not None:
        wanted = wanted.where(AuditEntry.number < before)
    return tuple(
        Entry(row.number, row.at, row.actor, row.object, row.purpose, row.basis, json.loads(row.details))
        for row in session.scalars(wanted.order_by(AuditEntry.number.desc()).limit(limit))
    )


def check(session: Session) -> Checked:
    """Walk the whole table; it must end where the head says. What this cannot see is a trail that was written
    anew together with its head: for that there are checkpoints.

    Others may append meanwhile: the head is read before and after.
    """
    number, digest = head(session)
    ends = [Checkpoint("head", number, digest, _NEVER)] if number else []
    found = form.walk(_readable(session), ends)
    number, _ = head(session)
    if found.fault is None and found.last > number:
        return replace(found, fault=form.fault(number + 1, "head_differs"))
    return found


def checkpoint(session: Session, origin: str, *, actor: Actor, now: datetime) -> Checkpoint | None:
    """The head as a checkpoint, None while there is no entry. That it was taken is an entry too, the next
    one; the caller signs and keeps it elsewhere.
    """
    number, digest = _take_head(session)
    if number == 0:
        return None
    details: dict[str, str | int] = {"number": number, "digest": digest.hex()}
    record(session, Event(actor, Action.CHECKPOINT, details=details), now=now)
    return Checkpoint(origin, number, digest, now)


def _take_head(session: Session) -> tuple[int, bytes]:
    """The head, locked until this transaction ends (SQLite's writing transaction began with its only
    lock).
    """
    row = session.execute(
        select(AuditHead.number, AuditHead.digest).where(AuditHead.id == _HEAD).with_for_update()
    ).one_or_none()
    if row is None:
        raise PortalError("the trail has no head: its row was deleted")
    return row.number, row.digest


def _columns(entry: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    plain = {name: value for name, value in entry.items() if name != "v"}
    return plain | {
        "at": now,
        "details": form.canonical(entry["details"]).decode("ascii"),
        "previous": bytes.fromhex(entry["previous"]),
        "digest": bytes.fromhex(entry["digest"]),
    }


def _rows(session: Session, first: int | None) -> Iterator[Row[Any]]:
    """In order, :data:`_MANY` a question."""
    table = AuditEntry.__table__
    wanted = select(table).order_by(table.c.number).limit(_MANY)
    rows = session.execute(wanted if first is None else wanted.where(table.c.number >= first)).all()
    while rows:
        yield from rows
        rows = session.execute(wanted.where(table.c.number > rows[-1].number)).all()


def _line(row: Row[Any]) -> bytes:
    """The entry of a row, as the line whose digest was taken. Raises one of :data:`_NO_ENTRY` for columns
    that no entry has.
    """
    details = json.loads(row.details)
    if form.canonical(details).decode("ascii") != row.details:
        raise ValueError("details in another spelling")
    columns = row._asdict() | {
        "v": form.FORM,
        "at": form.moment_text(row.at),
        "details": details,
        "previous": row.previous.hex(),
        "digest": row.digest.hex(),
    }
    return form.line_of(columns)


def _readable(session: Session) -> Iterator[bytes]:
    """Every row as a line; one that is no entry reads as an empty line, which is one in no form."""
    for row in _rows(session, None):
        try:
            yield _line(row)
        except _NO_ENTRY:
            yield b"\n"
