"""By which phone or e-mail a holder signs in and is told of things: the one-time code, another contact, the
yearly confirmation.

Whoever holds the contact is the holder, so it changes only at the school, where people know each other: the
contact of before is told at once, a week goes by, and until then the holder or the school can stop it. A
contact that nobody used for a year may be somebody else's by now (numbers are given out again): its holder is
asked to confirm it, which a sign-in by code does by itself. After 60 further days what was consented to by it
is asked for again; signing in stays possible.

Asking for a code answers the same for a contact that is nobody's: the same page, the same work, nothing sent.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

from portal.accounts import credentials, sessions
from portal.accounts.holders import own_row, today
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    CodePurpose,
    Contact,
    ContactChange,
    Method,
    OneTimeCode,
)
from portal.accounts.notices import Notice, contact_of, notices
from portal.accounts.people import contact_index, open_contact, read_contact
from portal.accounts.service import add_contact, find_account, new_account
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.errors import Refusal, marked
from portal.messages.words import Kind
from portal.ports import Channel
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem

#: How long a change of contact waits before it is in force.
WAIT: Final = timedelta(days=7)
#: How long a contact counts as its holder's without being used.
CONFIRMED_FOR: Final = timedelta(days=365)
#: How long after that what was consented to by it still stands.
GRACE: Final = timedelta(days=60)
_CODE_MINUTES: Final = 10
_CODES_AN_HOUR: Final = 5
_MANY: Final = 200  # contacts or changes looked at in one transaction


class Standing(StrEnum):
    """How sure it is that a contact still is its holder's."""

    CONFIRMED = "confirmed"
    DUE = "due"  # to be confirmed
    OVERDUE = "overdue"  # what was consented to by it is asked for again


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change of contact that is not in force yet; ``shown`` is the new contact, masked."""

    kind: Channel
    shown: str
    asked_at: datetime
    due_on: date
    school_code: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How a holder is reached; ``shown`` is masked."""

    kind: Channel
    shown: str
    standing: Standing
    confirmed_at: datetime | None
    waiting: Waiting | None


def mask_contact(kind: Channel, value: str) -> str:
    """Enough to know one's own contact by, too little to use it."""
    if kind is Channel.PHONE:
        return f"{value[:2]}*****{value[-3:]}"
    name, _, domain = value.partition("@")
    return f"{name[:1]}***@{domain}"


def reached(session: Session, vault: Vault, account: uuid.UUID, *, now: datetime) -> Reached | None:
    """How a holder is reached, None when they have no contact any more."""
    contact = contact_of(session, account)
    if contact is None:
        return None
    person = session.get_one(Account, account)
    kind = Channel(contact.kind)
    value = open_contact(vault, person, contact.id, contact.value_sealed)
    return Reached(
        kind,
        mask_contact(kind, value),
        standing_of(contact, now),
        contact.confirmed_at,
        _shown(vault, person, _waiting_change(session, account)),
    )


# ------------------------------------------------------------------------------------------------- signing in


def ask_sign_in(session: Session, vault: Vault, contact: str, *, now: datetime) -> tuple[Notice, ...]:
    """Send a one-time code to a holder's contact; nothing for one that is nobody's, after the same work.
    Raises InvalidInput for what can be no contact, Refusal ``wait`` after many codes, for nobody's contact as
    well.
    """
    kind, value = read_own_contact(contact)
    index = vault.blind_index(f"{kind}/{value}", domain="code asked for")
    _refuse_many(session, index, now=now)
    credentials.note_failure(session, index, now=now)
    account = find_account(session, vault, AccountKind.HOLDER, kind, value)
    if account is None or account.state != AccountState.ACTIVE:
        _same_work(session, vault, now)
        return ()
    return send_code(session, vault, account, CodePurpose.SIGN_IN, now=now)


def sign_in(
    session: Session, vault: Vault, contact: str, code: str, *, replaces: str, now: datetime
) -> str | None:
    """A new session's token; None when contact and code do not fit. The contact counts as confirmed. The
    caller commits either way: wrong tries are counted. Raises InvalidInput for what can be no contact,
    Refusal ``wait``.
    """
    kind, value = read_own_contact(contact)
    index = vault.blind_index(f"{kind}/{value}", domain="holder's wrong code")
    _refuse_many(session, index, now=now)
    account = find_account(session, vault, AccountKind.HOLDER, kind, value)
    key = None if account is None or account.state != AccountState.ACTIVE else account.id
    right = credentials.use_code(session, vault, key, CodePurpose.SIGN_IN, code, now=now)
    if not right or account is None:
        credentials.note_failure(session, index, now=now)
        if account is not None:
            failed = Event(
                Actor.system("sign_in"),
                Action.SIGN_IN,
                Object("holder", account.id),
                Outcome.REFUSED,
                details={"method": Method.CODE.value, "reason": "wrong"},
            )
            audit.record(session, failed, now=now)
        return None
    held = contact_of(session, account.id)
    if held is not None:
        held.confirmed_at = now
    return sessions.begin(session, account, Method.CODE, replaces=replaces, now=now)


def send_code(
    session: Session, vault: Vault, account: Account, purpose: CodePurpose, *, now: datetime
) -> tuple[Notice, ...]:
    """A one-time code for the account's contact; nothing after many in an hour, so that nobody's phone is
    filled with them.
    """
    sent = session.scalar(
        select(func.count())
        .select_from(OneTimeCode)
        .where(
            OneTimeCode.account_pk == account.id,
            OneTimeCode.purpose == purpose,
            OneTimeCode.made_at > now - timedelta(hours=1),
        )
    )
    if sent is not None and sent >= _CODES_AN_HOUR:
        return ()
    code, _ = credentials.make_code(session, vault, account.id, purpose, now=now)
    told: dict[str, str | int] = {"code": code, "minutes": _CODE_MINUTES}
    return notices(session, [account.id], Kind.SIGN_IN_CODE, told)


def read_own_contact(text: str) -> tuple[Channel, str]:
    """A typed phone number or e-mail address in its one spelling. Raises InvalidInput."""
    found = read_contact(text)
    if found is None:
        message = marked("Nhập số điện thoại di động 10 số, hoặc một địa chỉ e-mail.")
        raise InvalidInput((Problem("contact", "contact", message),))
    return found


def _refuse_many(session: Session, index: str, *, now: datetime) -> None:
    try:
        credentials.refuse_guessing(session, index, now=now)
    except Refusal as refused:
        message = marked("Đã xin mã hoặc nhập mã sai nhiều lần.")
        raise Refusal(refused.code, message, marked("Hãy thử lại sau 15 phút.")) from None


def _same_work(session: Session, vault: Vault, now: datetime) -> None:
    """What somebody's contact would have cost, taken back at once."""
    trial = session.begin_nested()
    nobody = new_account(session, vault, AccountKind.HOLDER, "N*** V*** A***", "vi", now=now)
    add_contact(session, vault, nobody, Channel.PHONE, os.urandom(5).hex(), now=now)
    send_code(session, vault, nobody, CodePurpose.SIGN_IN, now=now)
    trial.rollback()


# ------------------------------------------------------------------------------------------- another contact


def ask_change(
    session: Session,
    vault: Vault,
    school_code: str,
    link: uuid.UUID,
    contact: str,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[Notice, ...]:
    """Ask, at the school that made the link, for another contact of its holder; the contact of now is told.
    Raises InvalidInput; Refusal ``unknown_link``, ``same_contact``, ``contact_taken``, ``change_waiting``.
    """
    kind, value = read_own_contact(contact)
    key = own_row(session, school_code, link).account_pk
    account = session.get_one(Account, key, with_for_update=True)  # one change at a time
    if _waiting_change(session, account.id) is not None:
        raise Refusal(
            "change_waiting",
            marked("Đang có một lần đổi số hoặc e-mail chờ hiệu lực."),
            marked("Dừng lần đổi đó trước, rồi làm lại."),
        )
    holder = find_account(session, vault, AccountKind.HOLDER, kind, value)
    if holder is not None and holder.id == account.id:
        raise Refusal("same_contact", marked("Đây là số hoặc e-mail đang dùng."))
    if holder is not None and holder.state == AccountState.ACTIVE:
        raise _taken()
    row = ContactChange(
        id=uuid.uuid4(),
        account_pk=account.id,
        school_code=school_code,
        kind=kind,
        value_index=contact_index(vault, kind, value),
        asked_at=now,
        due_at=now + WAIT,
    )
    row.value_sealed = seal_change(vault, account, row, value)
    session.add(row)
    session.flush()
    _tell(session, row, "asked", actor=actor, now=now)
    told = {"contact": kind.value, "day": today(row.due_at)}
    return notices(session, [account.id], Kind.CONTACT_CHANGE_REQUESTED, told)


def stop_change(session: Session, account: uuid.UUID, *, actor: Actor, now: datetime) -> tuple[Notice, ...]:
    """The holder stops the change that waits: the contact stays. Raises Refusal ``nothing_waiting``."""
    row = _waiting_change(session, account, lock=True)
    if row is None:
        raise Refusal("nothing_waiting", marked("Không có lần đổi nào đang chờ."))
    return _stop(session, row, "stopped", actor=actor, now=now)


def stop_change_at_school(
    session: Session, school_code: str, link: uuid.UUID, *, actor: Actor, now: datetime
) -> tuple[Notice, ...]:
    """The same by a school that made a link of the holder. Raises Refusal ``unknown_link``,
    ``nothing_waiting``.
    """
    return stop_change(session, own_row(session, school_code, link).account_pk, actor=actor, now=now)


def apply_due(session: Session, vault: Vault, *, now: datetime) -> tuple[Notice, ...]:
    """For the worker, hourly: changes whose wait is over come into force; both contacts are told and whoever
    is signed in is not any more. A batch: the caller commits, and repeats while anything is answered.
    """
    due = (
        select(ContactChange)
        .where(
            ContactChange.due_at <= now,
            ContactChange.done_at.is_(None),
            ContactChange.stopped_at.is_(None),
        )
        .order_by(ContactChange.due_at)
        .limit(_MANY)
        .with_for_update(skip_locked=True)
    )
    told: list[Notice] = []
    for row in session.scalars(due).all():
        account = session.get_one(Account, row.account_pk)
        kind = Channel(row.kind)
        value = open_change(vault, account, row)
        # Somebody may have taken the contact up meanwhile; nobody has it who only typed it.
        holder = find_account(session, vault, AccountKind.HOLDER, kind, value)
        if holder is not None and holder.state == AccountState.ACTIVE:
            told += _stop(session, row, "taken", actor=Actor.system("contacts"), now=now)
            continue
        ended = session.scalars(
            select(Contact).where(
                Contact.ended_at.is_(None),
                or_(
                    Contact.account_pk == account.id,
                    (Contact.value_index == row.value_index) & (Contact.account_kind == AccountKind.HOLDER),
                ),
            )
        ).all()
        for contact in ended:
            contact.ended_at = now
        session.flush()
        fresh = add_contact(session, vault, account, kind, value, now=now)
        row.done_at = now
        sessions.end_all(session, account.id, now=now)
        # A code that went to the contact of before opens nothing any more.
        session.execute(
            update(OneTimeCode)
            .where(OneTimeCode.account_pk == account.id, OneTimeCode.used_at.is_(None))
            .values(used_at=now)
        )
        _tell(session, row, "in_force", actor=Actor.system("contacts"), now=now)
        parameters = {"contact": kind.value, "day": today(now)}
        both = [*(c.id for c in ended if c.account_pk == account.id), fresh.id]
        told += (Notice(account.id, each, Kind.CONTACT_CHANGED, parameters) for each in both)
    session.flush()
    return tuple(told)


def _stop(
    session: Session, row: ContactChange, change: str, *, actor: Actor, now: datetime
) -> tuple[Notice, ...]:
    row.stopped_at = now
    _tell(session, row, change, actor=actor, now=now)
    told = {"contact": Channel(row.kind).value, "day": today(now)}
    return notices(session, [row.account_pk], Kind.CONTACT_CHANGE_STOPPED, told)


def _waiting_change(session: Session, account: uuid.UUID, *, lock: bool = False) -> ContactChange | None:
    wanted = select(ContactChange).filter_by(account_pk=account, done_at=None, stopped_at=None)
    return session.scalars(wanted.with_for_update() if lock else wanted).first()


def _shown(vault: Vault, account: Account, row: ContactChange | None) -> Waiting | None:
    if row is None:
        return None
    kind = Channel(row.kind)
    shown = mask_contact(kind, open_change(vault, account, row))
    return Waiting(kind, shown, row.asked_at, today(row.due_at), row.school_code)


def seal_change(vault: Vault, account: Account, row: ContactChange, value: str) -> bytes:
    """A new contact that waits, for its column."""
    return vault.seal(
        account.wrapped_key,
        value.encode(),
        table="contact_changes",
        column="value_sealed",
        row=str(row.id),
        version=1,
    )


def open_change(vault: Vault, account: Account, row: ContactChange) -> str:
    """A new contact that waits."""
    return vault.open(
        account.wrapped_key,
        row.value_sealed,
        table="contact_changes",
        column="value_sealed",
        row=str(row.id),
        version=1,
    ).decode()


def _tell(session: Session, row: ContactChange, change: str, *, actor: Actor, now: datetime) -> None:
    event = Event(
        actor,
        Action.CONTACT_CHANGE,
        Object("holder", row.account_pk),
        organisation=row.school_code,
        details={"change": change},
    )
    audit.record(session, event, now=now)


def _taken() -> Refusal:
    return Refusal(
        "contact_taken",
        marked("Số hoặc e-mail này đang là của một tài khoản khác."),
        marked("Mỗi người dùng một số hoặc e-mail của riêng mình."),
    )


# ------------------------------------------------------------------------------------ the yearly confirmation


def standing_of(contact: Contact, now: datetime) -> Standing:
    """How sure it is that a contact still is its holder's."""
    age = now - (contact.confirmed_at or contact.added_at)
    if age < CONFIRMED_FOR:
        return Standing.CONFIRMED
    return Standing.DUE if age < CONFIRMED_FOR + GRACE else Standing.OVERDUE


def remind(session: Session, *, now: datetime) -> tuple[Notice, ...]:
    """For the worker, daily: holders whose contact is to be confirmed, each once a year, and until when. A
    batch: the caller commits, and repeats while anything is answered.
    """
    due = (
        _unconfirmed_since(now - CONFIRMED_FOR)
        .where(or_(Contact.reminded_at.is_(None), Contact.reminded_at <= now - CONFIRMED_FOR))
        .order_by(Contact.id)
        .limit(_MANY)
        .with_for_update(skip_locked=True)
    )
    told = []
    for contact in session.scalars(due).all():
        contact.reminded_at = now
        until = (contact.confirmed_at or contact.added_at) + CONFIRMED_FOR + GRACE
        day = max(today(until), today(now))
        told.append(Notice(contact.account_pk, contact.id, Kind.CONTACT_RECONFIRM, {"day": day}))
    session.flush()
    return tuple(told)


def overdue(session: Session, *, now: datetime) -> tuple[uuid.UUID, ...]:
    """Accounts whose contact nobody confirmed in time: what they consented to is to be asked for again."""
    return tuple(
        contact.account_pk for contact in session.scalars(_unconfirmed_since(now - CONFIRMED_FOR - GRACE))
    )


def _unconfirmed_since(moment: datetime) -> Select[Contact]:
    return (
        select(Contact)
        .join(Account)
        .where(
            Contact.account_kind == AccountKind.HOLDER,
            Contact.ended_at.is_(None),
            Account.state == AccountState.ACTIVE,
            func.coalesce(Contact.confirmed_at, Contact.added_at) <= moment,
        )
    )
