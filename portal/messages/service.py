"""An outbox: a message is a row in the transaction of the act that it tells of, and is sent afterwards.

So nobody is told of what was rolled back, and nothing that happened goes untold because a mail server was
down. Sent is at least once: who is killed between a server's yes and the mark tries again, with the same
Message-ID and the same text.

Recipient and parameters are sealed under a key of the row's own, as those of records are; erasing a message
is dropping that key.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast
from urllib.parse import urlsplit

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.database import changed
from portal.messages.models import Message
from portal.messages.words import Kind, Parameter, Text, expiry, kept, write
from portal.ports import (
    Channel,
    Clock,
    Mailer,
    OutgoingMessage,
    PermanentSendFault,
    TemporarySendFault,
)
from portal.vault import Vault
from verifier.words import LANGUAGES, Language

__all__ = [
    "Address",
    "Kind",
    "Sender",
    "Shown",
    "deliver_due",
    "enqueue",
    "erase_over",
    "is_due",
    "is_over",
    "outbox",
]

#: How long after each failed attempt the next one comes; after the last, the message is given up.
BACK_OFF: Final = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60))
#: How long a claim holds: longer than any attempt may take (``portal.messages.smtp``, ``gateway``), so that a
#: message is taken over only from a worker that died.
LEASE: Final = timedelta(minutes=5)
#: How long what was sent, and to whom, can still be looked up: a month, in which somebody who says that they
#: were not told asks about it. That they were told stays.
KEPT: Final = timedelta(days=30)

_TABLE: Final = "messages"
_VERSION: Final = 1  # a message never changes
_ABOUT: Final = re.compile(r"[A-Za-z0-9._:-]{1,80}")
#: E-mail as far as mail servers of today take it without SMTPUTF8; a phone number as E.164 writes it.
_ADDRESS: Final[Mapping[Channel, re.Pattern[str]]] = {
    Channel.EMAIL: re.compile(
        r"(?=.{3,254}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
        r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    ),
    Channel.PHONE: re.compile(r"\+[1-9][0-9]{7,14}"),
}

log = logging.getLogger(__name__)

Begin = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: an e-mail address, or a phone number as +84… Raises ValueError for another
    form.
    """

    kind: Channel
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _ADDRESS[Channel(self.kind)].fullmatch(self.value):
            raise ValueError(f"not an address by {self.kind}")


@dataclass(frozen=True, slots=True)
class Sender:
    """As what this portal speaks: its host, as people type it, and its name."""

    host: str
    system_name: str

    @classmethod
    def of(cls, settings: Settings) -> Sender:
        """The portal of these settings."""
        return cls(urlsplit(settings.public_url).netloc, settings.system_name)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for the demo's outbox; ``text`` and ``to`` are None once they were erased."""

    id: uuid.UUID
    channel: Channel
    kind: Kind
    state: str  # waiting | sent | failed
    created_at: datetime
    ended_at: datetime | None
    to: str | None
    text: Text | None
    language: Language


def enqueue(
    session: Session,
    vault: Vault,
    *,
    to: Address,
    kind: Kind,
    language: Language,
    parameters: Mapping[str, Parameter],
    about: str | uuid.UUID | None,
    now: datetime,
) -> uuid.UUID:
    """Keep a message in the caller's transaction, to be sent once that is committed. Answers its id.

    ``parameters`` are exactly those that :data:`portal.messages.words.TAKES` has for ``kind``; ``about`` is
    an id that means nothing to strangers. Raises ValueError for anything else.
    """
    texts = kept(kind, parameters)
    expires = expiry(kind, texts, now)
    if language not in LANGUAGES:
        raise ValueError(f"{kind}: no such language")
    if about is not None and not _ABOUT.fullmatch(str(about)):
        raise ValueError(f"{kind}: not an id")
    if expires is not None and expires <= now:
        raise ValueError(f"{kind}: over before it is sent")
    number = uuid.uuid4()
    wrapped = vault.new_key()
    session.add(
        Message(
            id=number,
            channel=to.kind,
            kind=kind,
            language=language,
            about=None if about is None else str(about),
            created_at=now,
            expires_at=expires,
            state="waiting",
            attempts=0,
            due_at=now,
            erase_at=expires,
            wrapped_key=wrapped,
            recipient_sealed=_seal(vault, wrapped, number, "recipient", to.value),
            parameters_sealed=_seal(vault, wrapped, number, "parameters", json.dumps(texts)),
        )
    )
    session.flush()
    return number


def is_due(session: Session, channel: Channel, *, now: datetime) -> bool:
    """Whether :func:`deliver_due` would find something: a question that locks nothing."""
    return bool(session.scalar(select(exists().where(Message.channel == channel, Message.due_at <= now))))


def deliver_due(
    begin: Begin, vault: Vault, mailer: Mailer, *, channel: Channel, sender: Sender, clock: Clock
) -> bool:
    """Send the next message that is due by ``channel``, codes that run out first; False when there is none.

    ``begin`` opens a transaction (committed when its block ends). One claims the message, so that no other
    worker sends it too; one marks what came of it; none is open while a server is talked to. Never raises for
    a message's sake: one that cannot be written or sent is tried again later (:data:`BACK_OFF`), then given
    up.
    """
    # 1 Claimed: nobody else has it before the lease ends.
    with begin() as session:
        row = session.scalars(
            select(Message)
            .where(Message.channel == channel, Message.due_at <= clock.now())
            .order_by(Message.expires_at.is_(None), Message.due_at, Message.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite: this transaction has the only write lock
        ).one_or_none()
        if row is None:
            return False
        now = clock.now()
        over = row.expires_at is not None and row.expires_at <= now
        if over or row.attempts > len(BACK_OFF):  # the latter: workers died of it, time after time
            _end(row, "failed", now, fault="expired" if over else row.fault or "died")
            _tell(row, now)
            return True
        row.attempts += 1
        row.claim = claim = uuid.uuid4()
        row.due_at = now + LEASE
        session.flush()
        session.expunge(row)
    # 2 Sent.
    fault, again = None, True
    try:
        mailer.send(_written(vault, row, sender))
    except PermanentSendFault as refused:
        fault, again = refused.code, False
    except TemporarySendFault as failed:
        fault = failed.code
    except Exception:  # a key that is missing now, a mistake of ours: no reason to lose the message
        log.exception("a message could not be written or sent")
        fault = "fault"
    # 3 Marked, unless it was taken over or erased meanwhile.
    with begin() as session:
        mine = session.scalars(
            select(Message).where(Message.id == row.id, Message.claim == claim).with_for_update()
        ).one_or_none()
        if mine is None:
            log.warning("a message was sent by another worker too, or ran out meanwhile")
            return True
        now = clock.now()
        if fault is None:
            _end(mine, "sent", now)
        elif not again or mine.attempts > len(BACK_OFF):
            _end(mine, "failed", now, fault=fault)
        else:
            mine.claim, mine.fault = None, fault
            mine.due_at = now + BACK_OFF[mine.attempts - 1]
        _tell(mine, now)
    return True


def is_over(session: Session, *, now: datetime) -> bool:
    """Whether :func:`erase_over` would find something: a question that locks nothing."""
    return bool(session.scalar(select(exists().where(Message.erase_at <= now))))


def erase_over(session: Session, *, now: datetime) -> int:
    """Drop the keys of what was sent or given up :data:`KEPT` ago, and the rows of one-time codes that ran
    out. Answers how many messages that is.
    """
    over = Message.erase_at <= now
    nothing = {"wrapped_key": None, "recipient_sealed": None, "parameters_sealed": None, "erase_at": None}
    gone = changed(session, delete(Message).where(over, Message.expires_at.is_not(None)))
    return gone + changed(session, update(Message).where(over).values(nothing))


def outbox(session: Session, vault: Vault, *, sender: Sender, limit: int) -> tuple[Shown, ...]:
    """The newest messages as they are sent, for the demo alone: nobody else may read what was told to
    whom.
    """
    rows = session.scalars(select(Message).order_by(Message.created_at.desc(), Message.id).limit(limit))
    shown = []
    for row in rows:
        message = _written(vault, row, sender) if row.wrapped_key is not None else None
        shown.append(
            Shown(
                id=row.id,
                channel=Channel(row.channel),
                kind=Kind(row.kind),
                state=row.state,
                created_at=row.created_at,
                ended_at=row.ended_at,
                to=None if message is None else message.to,
                text=None if message is None else Text(message.subject, message.text),
                language=cast(Language, row.language),
            )
        )
    return tuple(shown)


def _end(row: Message, state: str, now: datetime, *, fault: str | None = None) -> None:
    row.state, row.ended_at, row.fault = state, now, fault
    row.due_at = row.claim = None
    row.erase_at = row.expires_at or now + KEPT


def _tell(row: Message, now: datetime) -> None:
    """A line without a word of the message; what is given up is a warning."""
    fields = {
        "message_id": str(row.id),
        "kind": row.kind,
        "channel": row.channel,
        "state": row.state,
        "attempt": row.attempts,
        "fault": row.fault,
        "age_s": round((now - row.created_at).total_seconds(), 1),
    }
    level = logging.WARNING if row.state == "failed" else logging.INFO
    log.log(level, "message", extra={"fields": fields})


def _written(vault: Vault, row: Message, sender: Sender) -> OutgoingMessage:
    """Raises VaultError, or ValueError for a kind or parameter that these words do not know."""
    kind, channel, language = Kind(row.kind), Channel(row.channel), cast(Language, row.language)
    texts = json.loads(_open(vault, row, "parameters", row.parameters_sealed))
    text = write(kind, language, channel, texts, host=sender.host, system_name=sender.system_name)
    to = _open(vault, row, "recipient", row.recipient_sealed)
    return OutgoingMessage(row.id, channel, to, text.subject, text.text, language, row.created_at)


def _seal(vault: Vault, wrapped: bytes, number: uuid.UUID, column: str, text: str) -> bytes:
    return vault.seal(
        wrapped, text.encode("utf-8"), table=_TABLE, column=column, row=str(number), version=_VERSION
    )


def _open(vault: Vault, row: Message, column: str, sealed: bytes | None) -> str:
    if row.wrapped_key is None or sealed is None:
        raise ValueError("erased")
    opened = vault.open(
        row.wrapped_key, sealed, table=_TABLE, column=column, row=str(row.id), version=_VERSION
    )
    return opened.decode("utf-8")
