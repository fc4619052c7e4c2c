"""Rotation of the key-encryption keys: every wrapped data key is put under the first key of the settings.

The data keys themselves stay, so nothing that was sealed under them is touched: neither sealed columns nor
stored files. Each step changes a row only if its wrapped key is still the one that was read; a key that
others wrap meanwhile under an older key is found by the next round, or by the next run. While both keys are
in the settings of every process, every read succeeds, whichever of the two a row is under.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import CursorResult, Table, func, or_, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import Account, ActivationSlip
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.consent.models import Consent, StatutoryAccess, SubjectRequest
from portal.database import KeyCheck
from portal.errors import Refusal
from portal.issuing.models import ClassUpload, Issuance
from portal.messages.models import Message
from portal.ports import Clock
from portal.registry.models import Record
from portal.vault import DESTROYED, Vault, VaultError, header_of

log = logging.getLogger(__name__)

#: Every table with a wrapped data key: columns ``id`` and ``wrapped_key``. A test compares this list with the
#: tables that there are.
WRAPPED: Final = tuple(
    cast("Table", model.__table__)
    for model in (
        Record,
        Issuance,
        ClassUpload,
        Account,
        ActivationSlip,
        Message,
        Consent,
        StatutoryAccess,
        SubjectRequest,
    )
)

#: Keys that one transaction re-wraps: on SQLite nobody else writes meanwhile.
MANY: Final = 200

Begin = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Held:
    """How many data keys of a table are wrapped under one key-encryption key."""

    key_id: str
    table: str
    count: int


def held(session: Session) -> tuple[Held, ...]:
    """All wrapped keys by key-encryption key and table. Reads every row."""
    found: list[Held] = []
    for table in WRAPPED:
        wrapped = table.c.wrapped_key
        # The length of the id stands in the second byte, which SQL cannot use alike on both databases.
        beginnings = session.scalars(
            select(func.substr(wrapped, 1, 2)).where(wrapped != DESTROYED).distinct()
        )
        for length in sorted({bytes(beginning)[1] for beginning in beginnings}):
            header = func.substr(wrapped, 1, 2 + length)
            same_length = func.substr(wrapped, 1, 2) == header_of("x" * length)[:2]
            rows = session.execute(select(header, func.count()).where(same_length).group_by(header))
            found += (Held(bytes(key)[2:].decode("ascii"), table.name, count) for key, count in rows)
    return tuple(sorted(found, key=lambda each: (each.key_id, each.table)))


def rotate(begin: Begin, read: Begin, vault: Vault, *, actor: Actor, clock: Clock) -> Iterator[int]:
    """Re-wrap what is not under the first key; after each committed batch its size is yielded. The end means
    that a whole round found nothing to change. Stopped anywhere, it goes on where it was when it runs again.

    What is under a key that this process does not have, or does not open, stays as it is: :func:`held` tells.
    """
    done = -1
    while done:
        done = 0
        for table in WRAPPED:
            for count in _round(table, begin, read, vault, actor=actor, clock=clock):
                done += count
                yield count


def _round(
    table: Table, begin: Begin, read: Begin, vault: Vault, *, actor: Actor, clock: Clock
) -> Iterator[int]:
    """Once through a table, in the order of its keys, which is that of every other lock on several rows."""
    active, *others = vault.key_ids
    last: uuid.UUID | None = None
    while others:
        wanted = select(table.c.id, table.c.wrapped_key).where(_under(table, others))
        wanted = wanted.order_by(table.c.id).limit(MANY)
        with read() as session:
            rows = session.execute(wanted if last is None else wanted.where(table.c.id > last)).all()
        if not rows:
            return
        last = rows[-1].id
        fresh: list[tuple[uuid.UUID, bytes, bytes]] = []
        for row in rows:
            try:
                fresh.append((row.id, row.wrapped_key, vault.rewrap(row.wrapped_key)))
            except VaultError as error:  # damaged: lost already, and it keeps the others from nothing
                log.error("%s %s is not re-wrapped: %s", table.name, row.id, error)
        with begin() as session:
            count = sum(_replace(session, table, *each) for each in fresh)
            if count:
                details: dict[str, str | int] = {"table": table.name, "count": count}
                event = Event(actor, Action.KEY_ROTATION, Object("key", active), details=details)
                audit.record(session, event, now=clock.now())
        yield count


def refuse_missing_keys(session: Session, vault: Vault) -> None:
    """Raise Refusal ``key_missing`` when a key-encryption key that this database knows is not in the settings
    and something is still wrapped under it. A key whose last use is gone may be gone, too.
    """
    known = session.scalars(select(KeyCheck.name).where(KeyCheck.name.startswith("key:")))
    gone = sorted({name.removeprefix("key:") for name in known} - set(vault.key_ids))
    needed = [
        key_id
        for key_id in gone
        if any(
            session.scalar(select(table.c.id).where(_under(table, [key_id])).limit(1)) for table in WRAPPED
        )
    ]
    if needed:
        names = ", ".join(f"“{key_id}”" for key_id in needed)
        raise Refusal(
            "key_missing",
            f"KEY_ENCRYPTION_KEYS thiếu khóa {names}, mà còn khóa dữ liệu được bọc bằng khóa đó.",
            "Đặt lại khóa đó vào cuối danh sách, chạy flask --app wsgi keys rotate rồi mới bỏ; "
            "xem docs/keys.md.",
        )


def _holds(session: Session, table: Table, key_id: str) -> bool:
    return session.scalar(select(table.c.id).where(_under(table, [key_id])).limit(1)) is not None


def _under(table: Table, key_ids: Sequence[str]) -> Any:
    headers = [header_of(key_id) for key_id in key_ids]
    return or_(*(func.substr(table.c.wrapped_key, 1, len(header)) == header for header in headers))


def _replace(session: Session, table: Table, row: uuid.UUID, old: bytes, new: bytes) -> int:
    statement = update(table).where(table.c.id == row, table.c.wrapped_key == old).values(wrapped_key=new)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
