"""Erasing for good, and keeping it so when an older backup comes back (SEC-41).

Each room says how what it keeps is erased: an :class:`Eraser` for each kind of object. Erasing one object:

1. its rows are emptied or deleted, in the caller's transaction;
2. a tombstone is written, create-only, to a store outside the database;
3. its stored files are deleted;
4. the trail is told, and the caller commits.

From 2 on there is no way back: whatever ends the process, the object is named by its tombstone, the portal
does not start while it is alive, and :func:`replay` finishes what was begun. Every step may be repeated.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.errors import Refusal
from portal.ports import Clock, FileStore, Tombstones
from portal.tombstone import Tombstone

Begin = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an eraser did: how many rows of which table (none: there was nothing left to erase), which stored
    files are to go with them, and how the trail names the object.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    object: Object | None = None
    organisation: str | None = None
    pupil: str | None = None


@dataclass(frozen=True, slots=True)
class Eraser:
    """How one kind of object is erased, in which tables. ``erase(session, name, now)`` does it as often as it
    is asked to and flushes; ``alive(session, names)`` are those of ``names`` that are not, or not wholly,
    erased.
    """

    kind: str
    tables: tuple[str, ...]
    erase: Callable[[Session, str, datetime], Erased]
    alive: Callable[[Session, Collection[str]], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One tombstone that something had come back for: rows and files that were erased again."""

    kind: str
    name: str
    rows: int
    files: int


def erase(
    session: Session,
    eraser: Eraser,
    name: str,
    *,
    tombstones: Tombstones,
    files: FileStore,
    actor: Actor,
    now: datetime,
    decision: uuid.UUID | None = None,
    basis: str | None = None,
) -> Erased:
    """Erase one object; ``basis`` is the code of the ground, for the trail. The caller commits at once."""
    # 1 The rows, with their locks.
    erased = eraser.erase(session, name, now)

    # 2 No way back from here.
    with suppress(FileExistsError):  # of a try that ended before its commit; what it named is erased again
        tombstones.put_new(Tombstone(eraser.kind, name, now, dict(erased.rows), erased.files, decision))

    # 3 The files.
    for stored in erased.files:
        files.delete(stored)

    # 4 The trail.
    _tell(session, erased, actor=actor, now=now, decision=decision, basis=basis)
    return erased


def replay(
    begin: Begin,
    erasers: Mapping[str, Eraser],
    *,
    tombstones: Tombstones,
    files: FileStore,
    actor: Actor,
    clock: Clock,
) -> Iterator[Replayed]:
    """Erase again whatever came back, one transaction a tombstone; what is gone is passed over in silence.

    Raises Refusal ``unknown_kind`` for tombstones that nobody knows how to follow.
    """
    for kind, names in tombstones.names().items():
        eraser = _known(erasers, kind)
        for name in names:
            stone = tombstones.get(kind, name)
            with begin() as session:
                erased = eraser.erase(session, name, clock.now())
                here = [each for each in sorted({*stone.files, *erased.files}) if files.exists(each)]
                for each in here:
                    files.delete(each)
                if not erased.rows and not here:
                    continue
                _tell(session, erased, actor=actor, now=clock.now(), decision=stone.decision, basis="replay")
            yield Replayed(kind, name, sum(erased.rows.values()), len(here))


def alive(
    session: Session, erasers: Mapping[str, Eraser], tombstones: Tombstones
) -> tuple[tuple[str, str], ...]:
    """Kind and name of what has a tombstone and is in the database again. Raises Refusal as
    :func:`replay`.
    """
    return tuple(
        (kind, name)
        for kind, names in tombstones.names().items()
        for name in sorted(_known(erasers, kind).alive(session, names))
    )


def refuse_erased_alive(session: Session, erasers: Mapping[str, Eraser], tombstones: Tombstones) -> None:
    """Raise Refusal ``erased_alive`` while :func:`alive` finds anything."""
    found = alive(session, erasers, tombstones)
    if found:
        kinds = ", ".join(sorted({kind for kind, _ in found}))
        raise Refusal(
            "erased_alive",
            f"Cơ sở dữ liệu có lại {len(found)} mục đã xóa vĩnh viễn ({kinds}): đây là bản khôi phục cũ.",
            "Chạy flask --app wsgi erasure replay rồi khởi động lại; xem docs/keys.md.",
        )


def _known(erasers: Mapping[str, Eraser], kind: str) -> Eraser:
    eraser = erasers.get(kind)
    if eraser is None:
        raise Refusal(
            "unknown_kind",
            f"Có dấu đã xóa của loại “{kind}” mà phiên bản này không biết xóa.",
            "Cài đúng phiên bản của cổng, hoặc kiểm tra TOMBSTONES_URL.",
        )
    return eraser


def _tell(
    session: Session,
    erased: Erased,
    *,
    actor: Actor,
    now: datetime,
    decision: uuid.UUID | None,
    basis: str | None,
) -> None:
    details: dict[str, str | int] = {"count": sum(erased.rows.values())}
    if decision is not None:
        details["decision"] = str(decision)
    event = Event(
        actor,
        Action.ERASURE,
        erased.object,
        organisation=erased.organisation,
        pupil=erased.pupil,
        basis=basis,
        details=details,
    )
    audit.record(session, event, now=now)
