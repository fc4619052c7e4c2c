"""What a holder asks the school for as a data subject, and by when it has to be answered (NĐ 356/2025 Đ.5).

Acknowledged within 2 working days; withdrawing and objecting answered within 15 days, seeing, correcting and
copying within 10, deleting within 20; each extended once, by as many days. For complaints the law names no
days: we take the shortest. A day counts by the calendar in Vietnam, the first one after the request.

A registered record is kept permanently (NĐ 88/2026 Đ.8.3): a request to erase one is answered at once, with
that ground. Withdrawing a consent needs no request: it works at once (:mod:`portal.consent.service`).
"""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.accounts.notices import Notice, notices
from portal.accounts.service import Office
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.consent import working_days
from portal.consent.models import Matter, RequestKind, SubjectRequest
from portal.consent.parties import Staff, day_of, standing
from portal.consent.service import Denied, entitled, refuse
from portal.errors import marked
from portal.messages.words import Kind
from portal.permissions import Act
from portal.vault import DESTROYED, Vault
from verifier.errors import InvalidInput, Problem

ACKNOWLEDGE_DAYS: Final = 2
ANSWER_DAYS: Final = {
    RequestKind.SEE: 10,
    RequestKind.CORRECT: 10,
    RequestKind.COPY: 10,
    RequestKind.WITHDRAW: 15,
    RequestKind.OBJECT: 15,
    RequestKind.DELETE: 20,
    RequestKind.COMPLAIN: 10,
}
MAX_TEXT: Final = 2000
#: Requests of one holder that wait for their answer.
MOST_OPEN: Final = 10
KEPT_PERMANENTLY: Final = "kept_permanently"
GROUNDS: Final = {
    KEPT_PERMANENTLY: marked("Học bạ được lưu trữ vĩnh viễn (NĐ 88/2026/NĐ-CP Đ.8.3), không xoá được.")
}
#: Requests with their answer in a school's queue; the others stay in the table.
ANSWERED_SHOWN: Final = 50

_SENTENCES: Final = {
    "not_permitted": marked("Tài khoản này không có quyền làm việc này."),
    "not_entitled": marked("Theo tuổi của học sinh hôm nay, tài khoản này không được yêu cầu thay học sinh."),
    "too_many_open": marked(
        "Bạn đang có 10 yêu cầu chờ nhà trường trả lời. Chờ một yêu cầu được trả lời rồi gửi tiếp."
    ),
    "unknown_request": marked("Không có yêu cầu này ở trường."),
    "answered": marked("Yêu cầu này đã được trả lời."),
    "extended": marked("Yêu cầu này đã được gia hạn một lần; không gia hạn thêm được."),
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request as both sides see it. ``late``: something is due and was not done by its day."""

    request: uuid.UUID
    account: uuid.UUID
    pupil: str
    kind: RequestKind
    matter: Matter
    text: str
    made_at: datetime
    acknowledge_by: date
    answer_by: date
    acknowledged_at: datetime | None
    extended: bool
    answered_at: datetime | None
    granted: bool | None
    ground: str | None
    answer: str | None
    late: bool
    notices: tuple[Notice, ...] = ()

    @property
    def due(self) -> date:
        """Until when the school has to do what comes next, of a request that is not answered."""
        return self.answer_by if self.acknowledged_at is not None else self.acknowledge_by


def deadlines(kind: RequestKind, today: date) -> tuple[date, date]:
    """Until when a request of ``today`` is to be acknowledged and answered."""
    return working_days.after(today, ACKNOWLEDGE_DAYS), today + timedelta(days=ANSWER_DAYS[kind])


def make(
    session: Session,
    vault: Vault,
    *,
    account: uuid.UUID,
    pupil: str,
    kind: RequestKind,
    matter: Matter,
    text: str,
    now: datetime,
) -> Ticket | Denied:
    """A holder asks. Denied: ``not_entitled``, ``too_many_open``: :data:`MOST_OPEN` of theirs wait already.
    Raises InvalidInput for a text that is empty or too long.
    """
    check(text)
    actor = Actor("holder", str(account))
    link = entitled(session, vault, account, pupil, now)
    if link is None:
        return _deny(session, actor, Action.REQUEST_MADE, "not_entitled", now)
    # Requests of one holder one after the other: those that come at once are counted one by one.
    session.execute(select(Account.id).where(Account.id == account).with_for_update(key_share=True))
    mine = _kept(SubjectRequest.account_pk == account, SubjectRequest.answered_at.is_(None))
    if (session.scalar(select(func.count()).select_from(mine.subquery())) or 0) >= MOST_OPEN:
        return _deny(session, actor, Action.REQUEST_MADE, "too_many_open", now)
    today = day_of(now)
    acknowledge_by, answer_by = deadlines(kind, today)
    key, row_id = vault.new_key(), uuid.uuid4()
    row = SubjectRequest(
        id=row_id,
        account_pk=account,
        school_code=link.school_code,
        pupil_index=pupil,
        kind=kind,
        matter=matter,
        wrapped_key=key,
        text_sealed=seal(vault, key, "text_sealed", text, row_id),
        made_at=now,
        acknowledge_by=acknowledge_by,
        answer_by=answer_by,
    )
    session.add(row)
    told = [_told(row, Action.REQUEST_MADE, actor)]
    if kind is RequestKind.DELETE and matter is Matter.RECORD:
        row.acknowledged_at = row.answered_at = now
        row.granted, row.reason = False, KEPT_PERMANENTLY
        told.append(
            _told(
                row,
                Action.REQUEST_ANSWERED,
                Actor.system("requests"),
                outcome=Outcome.REFUSED,
                reason=KEPT_PERMANENTLY,
            )
        )
    audit.record(session, *told, now=now)
    return _ticket(vault, row, today)


def acknowledge(
    session: Session, vault: Vault, *, staff: Staff, request: uuid.UUID, now: datetime
) -> Ticket | Denied:
    """The school says that it has the request. Denied: ``not_permitted``, ``unknown_request``,
    ``answered``.
    """
    row = _open(session, staff, request, now)
    if isinstance(row, Denied):
        return row
    if row.acknowledged_at is not None:
        return _ticket(vault, row, day_of(now))
    row.acknowledged_at = now
    audit.record(session, _told(row, Action.REQUEST_ANSWERED, _actor(staff), reason="acknowledged"), now=now)
    tell = notices(session, [row.account_pk], Kind.REQUEST_RECEIVED, {"day": row.answer_by})
    return _ticket(vault, row, day_of(now), tell)


def extend(
    session: Session, vault: Vault, *, staff: Staff, request: uuid.UUID, now: datetime
) -> Ticket | Denied:
    """The school takes the one extension there is. Denied: as :func:`acknowledge`, and ``extended``."""
    row = _open(session, staff, request, now)
    if isinstance(row, Denied):
        return row
    if row.extended_at is not None:
        return _deny(session, _actor(staff), Action.REQUEST_ANSWERED, "extended", now, row=row)
    row.extended_at = now
    row.acknowledged_at = row.acknowledged_at or now
    row.answer_by += timedelta(days=ANSWER_DAYS[RequestKind(row.kind)])
    audit.record(session, _told(row, Action.REQUEST_ANSWERED, _actor(staff), reason="extended"), now=now)
    tell = notices(session, [row.account_pk], Kind.REQUEST_EXTENDED, {"day": row.answer_by})
    return _ticket(vault, row, day_of(now), tell)


def answer(
    session: Session,
    vault: Vault,
    *,
    staff: Staff,
    request: uuid.UUID,
    granted: bool,
    text: str,
    now: datetime,
) -> Ticket | Denied:
    """The school answers, with its words. Denied: as :func:`acknowledge`. Raises InvalidInput as
    :func:`make`.
    """
    check(text)
    row = _open(session, staff, request, now)
    if isinstance(row, Denied):
        return row
    row.acknowledged_at = row.acknowledged_at or now
    row.answered_at, row.answered_by, row.granted = now, staff.account, granted
    row.answer_sealed = seal(vault, row.wrapped_key, "answer_sealed", text, row.id)
    reason = "granted" if granted else "not_granted"
    audit.record(session, _told(row, Action.REQUEST_ANSWERED, _actor(staff), reason=reason), now=now)
    tell = notices(session, [row.account_pk], Kind.REQUEST_ANSWERED, {"day": day_of(row.made_at)})
    return _ticket(vault, row, day_of(now), tell)


def of_holder(
    session: Session, vault: Vault, *, account: uuid.UUID, pupil: str, now: datetime
) -> tuple[Ticket, ...]:
    """A holder's own requests about one pupil, newest first."""
    rows = session.scalars(
        _kept(SubjectRequest.account_pk == account, SubjectRequest.pupil_index == pupil).order_by(*_NEWEST)
    )
    return tuple(_ticket(vault, row, day_of(now)) for row in rows)


def of_school(session: Session, vault: Vault, *, staff: Staff, now: datetime) -> tuple[Ticket, ...] | Denied:
    """What a school was asked for: what waits, by the day on which something is due; then the newest that are
    answered. ``late`` ones say so. Denied: ``not_permitted``.
    """
    school = standing(session, staff, Act.ANSWER_REQUESTS, day_of(now))
    if school is None:
        return _deny(session, _actor(staff), Action.REQUEST_ANSWERED, "not_permitted", now)
    own = SubjectRequest.school_code == school.code
    waiting = session.scalars(_kept(own, SubjectRequest.answered_at.is_(None)).order_by(*_NEWEST))
    answered = session.scalars(
        _kept(own, SubjectRequest.answered_at.is_not(None)).order_by(*_NEWEST).limit(ANSWERED_SHOWN)
    )
    today = day_of(now)
    first = sorted((_ticket(vault, row, today) for row in waiting), key=lambda ticket: ticket.due)
    return (*first, *(_ticket(vault, row, today) for row in answered))


def at_school(
    session: Session, vault: Vault, *, staff: Staff, request: uuid.UUID, now: datetime
) -> Ticket | Denied:
    """One request that a school was asked for. Denied: ``not_permitted``, ``unknown_request``."""
    row = _own(session, staff, request, now)
    return row if isinstance(row, Denied) else _ticket(vault, row, day_of(now))


def late(session: Session, school_code: str, now: datetime) -> int:
    """How many requests of a school are late."""
    today = day_of(now)
    overdue = or_(
        SubjectRequest.answer_by < today,
        and_(SubjectRequest.acknowledged_at.is_(None), SubjectRequest.acknowledge_by < today),
    )
    mine = _kept(SubjectRequest.school_code == school_code, SubjectRequest.answered_at.is_(None), overdue)
    return session.scalar(select(func.count()).select_from(mine.subquery())) or 0


def check(text: str) -> None:
    """Raises InvalidInput for a text in which nothing can be seen, or longer than :data:`MAX_TEXT`."""
    if not _is_written(text) or len(text.strip()) > MAX_TEXT:
        raise InvalidInput((Problem("text", "text", marked("Viết nội dung, không quá 2000 ký tự.")),))


# ------------------------------------------------------------------------------------------------- inside


#: Letters and signs without a mark on the page: Hangul fillers, the empty Braille pattern.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def _is_written(text: str) -> bool:
    """Whether anything of ``text`` can be seen: spaces, control and format characters (U+200B among them)
    and combining marks alone cannot.
    """
    return any(unicodedata.category(each)[0] not in "ZCM" and each not in _BLANK for each in text)


_NEWEST: Final = (SubjectRequest.made_at.desc(), SubjectRequest.id)


def _kept(*which: ColumnElement[bool]) -> Select[SubjectRequest]:
    """Requests whose texts can still be read."""
    return select(SubjectRequest).where(*which, SubjectRequest.wrapped_key != DESTROYED)


def _open(session: Session, staff: Staff, request: uuid.UUID, now: datetime) -> SubjectRequest | Denied:
    """The request of the own school that still waits for its answer, locked."""
    row = _own(session, staff, request, now)
    if not isinstance(row, Denied) and row.answered_at is not None:
        return _deny(session, _actor(staff), Action.REQUEST_ANSWERED, "answered", now, row=row)
    return row


def _own(session: Session, staff: Staff, request: uuid.UUID, now: datetime) -> SubjectRequest | Denied:
    """A request of the own school, locked."""
    school: Office | None = standing(session, staff, Act.ANSWER_REQUESTS, day_of(now))
    if school is None:
        return _deny(session, _actor(staff), Action.REQUEST_ANSWERED, "not_permitted", now)
    one = _kept(SubjectRequest.id == request, SubjectRequest.school_code == school.code)
    row = session.scalar(one.with_for_update())
    if row is None:
        return _deny(session, _actor(staff), Action.REQUEST_ANSWERED, "unknown_request", now)
    return row


def _ticket(vault: Vault, row: SubjectRequest, today: date, told: tuple[Notice, ...] = ()) -> Ticket:
    late = row.answered_at is None and (
        today > row.answer_by or (row.acknowledged_at is None and today > row.acknowledge_by)
    )
    return Ticket(
        row.id,
        row.account_pk,
        row.pupil_index,
        RequestKind(row.kind),
        Matter(row.matter),
        unseal(vault, row, "text_sealed", row.text_sealed),
        row.made_at,
        row.acknowledge_by,
        row.answer_by,
        row.acknowledged_at,
        row.extended_at is not None,
        row.answered_at,
        row.granted,
        None if row.reason is None else GROUNDS[row.reason],
        None if row.answer_sealed is None else unseal(vault, row, "answer_sealed", row.answer_sealed),
        late,
        told,
    )


def _actor(staff: Staff) -> Actor:
    return Actor("account", str(staff.account))


def seal(vault: Vault, key: bytes, column: str, text: str, row: uuid.UUID) -> bytes:
    """Seal a column of the request ``row`` under its own key."""
    return vault.seal(
        key,
        text.strip().encode(),
        table=SubjectRequest.__tablename__,
        column=column,
        row=str(row),
        version=1,
    )


def unseal(vault: Vault, row: SubjectRequest, column: str, sealed: bytes) -> str:
    """What :func:`seal` sealed. Raises VaultError."""
    table = SubjectRequest.__tablename__
    opened = vault.open(row.wrapped_key, sealed, table=table, column=column, row=str(row.id), version=1)
    return opened.decode()


def _told(
    row: SubjectRequest,
    action: Action,
    actor: Actor,
    *,
    outcome: Outcome = Outcome.DONE,
    reason: str | None = None,
) -> Event:
    return Event(
        actor,
        action,
        Object("request", row.id),
        outcome,
        organisation=row.school_code,
        pupil=row.pupil_index,
        purpose=RequestKind(row.kind).value,
        details={} if reason is None else {"reason": reason},
    )


def _deny(
    session: Session,
    actor: Actor,
    action: Action,
    code: str,
    now: datetime,
    *,
    row: SubjectRequest | None = None,
) -> Denied:
    return refuse(
        session,
        actor,
        action,
        code,
        _SENTENCES[code],
        now=now,
        about=None if row is None else Object("request", row.id),
        school=None if row is None else row.school_code,
        pupil=None if row is None else row.pupil_index,
    )
