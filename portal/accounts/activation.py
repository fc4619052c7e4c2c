"""The first sign-in of a family: a slip of paper from the school, then a code to one's own phone or e-mail.

The school knows the families and hands the slips out; the portal never guesses who belongs to whom. A slip's
code (55 random bits and a check character) stands here as an HMAC; with the pupil's birth date it opens once,
within 60 days, and after five wrong dates not at all. Wrong code, wrong date, a slip that is locked: one
answer. That a slip was used, cancelled or is too old is said to whoever has the right
pair.

An account is one person, named by the school. A contact that already is somebody's gets the pupil added only
if the slip names the same person: so on a family's one phone a father's or a child's slip does not become the
mother's, and they are told to use a contact of their own.
"""

from __future__ import annotations

import hmac
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session

from portal.accounts import credentials, sessions
from portal.accounts.ages import OF_AGE, OWN_VOICE, Born
from portal.accounts.contacts import read_own_contact, send_code
from portal.accounts.holders import GUARDIANS, NewLink, add_link, today
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    ActivationSlip,
    CodePurpose,
    Contact,
    Method,
    OneTimeCode,
    Relation,
)
from portal.accounts.notices import Notice, contact_of, notices
from portal.accounts.people import MAX_NAME, open_name, seal_name
from portal.accounts.service import add_contact, find_account, new_account
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Outcome
from portal.errors import Refusal, marked
from portal.messages.words import Kind
from portal.registry import learners
from portal.registry.rows import same_work
from portal.registry.service import read_birth
from portal.vault import Vault
from verifier import record as records
from verifier.errors import InvalidInput, Problem
from verifier.locator import new_slip_code, read_slip_code

LIFETIME: Final = timedelta(days=60)
#: Wrong birth dates that one slip takes.
TRIES: Final = 5
#: Slips made at one time.
MOST_SLIPS: Final = 300
#: How long an account waits for the code that was sent to its contact before it is forgotten.
UNFINISHED: Final = timedelta(days=1)
#: How long a slip that opens nothing any more can still say so.
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewSlip:
    """A slip to be made: for whom, and what they are to which pupil (a blind index). ``valid_to`` ends a
    guardianship.
    """

    pupil: str
    relation: Relation
    name: str
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class MadeSlip:
    """A slip to be printed. The code is shown this once: nobody can read it from the database."""

    slip: NewSlip
    pupil_name: str
    expires_on: date
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownSlip:
    """A slip as its school sees it."""

    key: uuid.UUID
    relation: Relation
    name: str
    made_at: datetime
    expires_on: date
    locked: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed from a slip: its code and, as its second half, the pupil's birth date."""

    code: str = field(repr=False)
    birth: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundSlip:
    """What the right code and birth date open: for whom the slip is. ``pupil`` is the masked name."""

    relation: Relation
    name: str
    pupil: str


@dataclass(frozen=True, slots=True)
class Activated:
    """Somebody is linked and signed in."""

    token: str = field(repr=False)
    account: uuid.UUID
    link: uuid.UUID
    told: tuple[Notice, ...]


# ------------------------------------------------------------------------------------------------- the school


def make_slips(
    session: Session,
    vault: Vault,
    school_code: str,
    wanted: Sequence[NewSlip],
    *,
    actor: Actor,
    now: datetime,
) -> tuple[MadeSlip, ...]:
    """Slips for pupils of the school. An unused one of before, for the same person, is cancelled. All or
    none: raises InvalidInput with every mistake, ``where`` is the place in ``wanted`` and the field:
    "0.name".
    """
    if len(wanted) > MOST_SLIPS:
        message = f"Mỗi lần làm được nhiều nhất {MOST_SLIPS} giấy."
        raise InvalidInput((Problem("slips", "too_many", message),))
    problems: list[Problem] = []
    made: list[tuple[NewSlip, str]] = []
    for number, slip in enumerate(wanted):
        pupil = learners.pupil_of(session, vault, school_code, slip.pupil)
        found = _slip_problems(slip, pupil, today(now))
        problems += (Problem(f"{number}.{name}", code, message) for name, code, message in found)
        made.append((slip, "" if pupil is None else pupil.name))
    if problems:
        raise InvalidInput(tuple(problems))
    expires = now + LIFETIME
    answers = []
    for slip, pupil_name in made:
        _cancel_earlier(session, vault, school_code, slip, now=now)
        code = new_slip_code(os.urandom(7))
        row = ActivationSlip(
            id=uuid.uuid4(),
            school_code=school_code,
            pupil_index=slip.pupil,
            relation=slip.relation,
            valid_to=slip.valid_to,
            wrapped_key=vault.new_key(),
            code_index=_code_index(vault, code),
            made_at=now,
            expires_at=expires,
        )
        row.name_sealed = seal_slip_name(vault, row, slip.name.strip())
        session.add(row)
        answers.append(MadeSlip(slip, pupil_name, today(expires), code))
    session.flush()
    told = [_event(actor, school_code, slip.pupil, {"change": "slip_made"}) for slip, _ in made]
    audit.record(session, *told, now=now)
    return tuple(answers)


def slips_for(
    session: Session, vault: Vault, school_code: str, pupil: str, *, now: datetime
) -> tuple[KnownSlip, ...]:
    """Slips of a pupil that were neither used nor cancelled nor are too old."""
    return tuple(
        KnownSlip(
            row.id,
            Relation(row.relation),
            open_slip_name(vault, row),
            row.made_at,
            today(row.expires_at),
            row.wrong_tries >= TRIES,
        )
        for row in session.scalars(_waiting(school_code, pupil).where(ActivationSlip.expires_at > now))
    )


def cancel_slip(session: Session, school_code: str, key: uuid.UUID, *, actor: Actor, now: datetime) -> None:
    """A slip that was lost or went to the wrong person opens nothing any more. Raises Refusal
    ``unknown_slip``.
    """
    row = session.get(ActivationSlip, key, with_for_update=True)
    if row is None or row.school_code != school_code or row.used_at is not None:
        raise Refusal("unknown_slip", marked("Không có giấy kích hoạt này, hoặc giấy đã được dùng."))
    if row.cancelled_at is None:
        row.cancelled_at = now
        told = _event(actor, school_code, row.pupil_index, {"change": "slip_cancelled"})
        audit.record(session, told, now=now)


def _slip_problems(slip: NewSlip, pupil: learners.Pupil | None, day: date) -> list[tuple[str, str, str]]:
    """(field, code, message) of everything that is wrong."""
    found = []
    if not 0 < len(slip.name.strip()) <= MAX_NAME:
        found.append(("name", "name", marked("Nhập họ và tên, dài nhất 120 ký tự.")))
    if slip.valid_to is not None and slip.relation is Relation.PUPIL:
        found.append(("valid_to", "pupil", marked("Liên kết của chính học sinh không có ngày kết thúc.")))
    elif slip.valid_to is not None and slip.valid_to < day:
        found.append(("valid_to", "past", marked("Ngày kết thúc đã qua.")))
    if pupil is None:
        message = marked("Trường chưa cấp học bạ số nào cho mã học sinh này.")
        found.append(("pupil", "unknown_pupil", message))
    elif slip.relation is Relation.PUPIL and not Born.read(pupil.births).surely(OWN_VOICE, day):
        found.append(("relation", "too_young", marked("Học sinh dưới 7 tuổi chưa có tài khoản riêng.")))
    elif slip.relation in GUARDIANS and Born.read(pupil.births).surely(OF_AGE, day):
        message = marked("Học sinh đã đủ 18 tuổi: chỉ làm giấy cho chính học sinh.")
        found.append(("relation", "of_age", message))
    return found


def _cancel_earlier(
    session: Session, vault: Vault, school_code: str, slip: NewSlip, *, now: datetime
) -> None:
    for row in session.scalars(_waiting(school_code, slip.pupil).with_for_update()):
        if row.relation == slip.relation and _same_person(open_slip_name(vault, row), slip.name):
            row.cancelled_at = now


# ------------------------------------------------------------------------------------------------- the family


def open_slip(session: Session, vault: Vault, slip: Typed, *, now: datetime) -> FoundSlip | Refusal | None:
    """The slip of a typed code and birth date; None when they do not fit, whichever of them it is, or when
    the slip is locked; a Refusal ``slip_used``, ``slip_cancelled``, ``slip_expired`` for a right pair. The
    caller commits whatever is answered: a wrong date is counted. Raises InvalidInput for what can be no code
    or no date, which is nobody's secret.
    """
    row = _matching(session, vault, slip, now=now)
    if row is None:
        return None
    if (refused := _not_open(session, row, now)) is not None:
        return refused
    pupil = learners.pupil_of(session, vault, row.school_code, row.pupil_index)
    return FoundSlip(
        Relation(row.relation),
        open_slip_name(vault, row),
        "" if pupil is None else records.mask_name(pupil.name),
    )


def ask_code(
    session: Session, vault: Vault, slip: Typed, contact: str, *, language: str, now: datetime
) -> tuple[Notice, ...] | Refusal | None:
    """Send a one-time code to the contact that somebody with a slip typed; None as :func:`open_slip`, a
    Refusal as the slip's state has it. No notice is answered where too many codes went there of late: the
    page is the same. The caller commits whatever is answered. Raises InvalidInput.
    """
    kind, value = read_own_contact(contact)
    row = _matching(session, vault, slip, now=now)
    if row is None:
        return None
    if (refused := _not_open(session, row, now)) is not None:
        return refused
    account = find_account(session, vault, AccountKind.HOLDER, kind, value)
    if account is None:
        account = new_account(
            session, vault, AccountKind.HOLDER, open_slip_name(vault, row), language, now=now
        )
        add_contact(session, vault, account, kind, value, now=now)
    return send_code(session, vault, account, CodePurpose.CONTACT, now=now)


def activate(
    session: Session,
    vault: Vault,
    slip: Typed,
    contact: str,
    one_time_code: str,
    *,
    replaces: str,
    now: datetime,
) -> Activated | Refusal | None:
    """Link whoever proved that the contact is theirs, and sign them in; None when slip or one-time code do
    not fit. A Refusal as :func:`ask_code` has it, or ``another_person``, ``already_linked``. The caller
    commits whatever is answered. Raises InvalidInput.
    """
    # 1 The slip, once more: the pages before this one keep nothing.
    kind, value = read_own_contact(contact)
    row = _matching(session, vault, slip, now=now)
    if row is None:
        return None
    if (refused := _not_open(session, row, now)) is not None:
        return refused

    # 2 The contact is theirs.
    account = find_account(session, vault, AccountKind.HOLDER, kind, value)
    key = None if account is None else account.id
    right = credentials.use_code(session, vault, key, CodePurpose.CONTACT, one_time_code, now=now)
    if not right or account is None:
        _refused(session, row, "wrong_code", now=now)
        return None
    held = contact_of(session, account.id)
    if held is not None:
        held.confirmed_at = now

    # 3 A new account is the person of the slip; one that stands has to be.
    if account.state == AccountState.INVITED:
        account.name_sealed = seal_name(vault, account, open_slip_name(vault, row))
        account.state = AccountState.ACTIVE
    elif not _same_person(open_name(vault, account), open_slip_name(vault, row)):
        _refused(session, row, "another_person", now=now)
        return Refusal(
            "another_person",
            marked("Số điện thoại hoặc e-mail này đã là của một người khác trên cổng."),
            marked("Dùng số hoặc e-mail của riêng bạn. Nếu tên trên giấy sai, nhờ nhà trường làm lại giấy."),
        )

    # 4 The link; the slip is used up.
    new = NewLink(row.school_code, row.pupil_index, Relation(row.relation), row.valid_to)
    try:
        link, told = add_link(session, vault, account, new, now=now)
    except Refusal as refusal:
        _refused(session, row, refusal.code, now=now)
        return refusal
    row.used_at = now
    actor = Actor("holder", str(account.id))
    event = _event(actor, row.school_code, row.pupil_index, {}, Action.HOLDER_ACTIVATED)
    audit.record(session, event, now=now)
    token = sessions.begin(session, account, Method.CODE, replaces=replaces, now=now)
    confirmed = notices(session, [account.id], Kind.ACTIVATION_CONFIRMED)
    return Activated(token, link.account, link.key, (*confirmed, *told))


def forget(session: Session, *, now: datetime) -> int:
    """For the worker: names and contacts of accounts that nobody finished go, and slips that are over.
    Answers how many accounts.
    """
    over = now - KEPT
    session.execute(
        delete(ActivationSlip).where(
            or_(
                ActivationSlip.expires_at <= over,
                ActivationSlip.used_at <= over,
                ActivationSlip.cancelled_at <= over,
            )
        )
    )
    stale = list(
        session.scalars(
            select(Account.id).where(
                Account.kind == AccountKind.HOLDER,
                Account.state == AccountState.INVITED,
                Account.created_at <= now - UNFINISHED,
            )
        )
    )
    for table in (OneTimeCode, Contact):
        session.execute(delete(table).where(table.account_pk.in_(stale)))
    session.execute(delete(Account).where(Account.id.in_(stale)))
    return len(stale)


def _matching(session: Session, vault: Vault, slip: Typed, *, now: datetime) -> ActivationSlip | None:
    """The slip of a right pair that still takes tries, locked. Raises InvalidInput for what is none."""
    index, born = _read_pair(vault, slip)
    row = session.scalars(
        select(ActivationSlip).where(ActivationSlip.code_index == index).with_for_update()
    ).one_or_none()
    if row is None:  # no entry: a stranger could fill the trail with what is nobody's
        same_work(vault, born)
        return None
    pupil = learners.pupil_of(session, vault, row.school_code, row.pupil_index)
    births = () if pupil is None else pupil.births
    right = [hmac.compare_digest(each.encode(), born.encode()) for each in births]
    if row.wrong_tries >= TRIES:
        _refused(session, row, "locked", now=now)
        return None
    if not any(right):
        row.wrong_tries += 1
        _refused(session, row, "wrong_pair", now=now)
        return None
    return row


def _read_pair(vault: Vault, slip: Typed) -> tuple[str, str]:
    """The code's index and the birth date in its one spelling. Raises InvalidInput with both mistakes."""
    problems: list[Problem] = []
    index = born = ""
    try:
        index = _code_index(vault, read_slip_code(slip.code))
    except InvalidInput as refused:
        problems += refused.problems
    try:
        born = read_birth(slip.birth)
    except InvalidInput as refused:
        problems += refused.problems
    if problems:
        raise InvalidInput(tuple(problems))
    return index, born


def _not_open(session: Session, row: ActivationSlip, now: datetime) -> Refusal | None:
    """Why a slip opens nothing any more, for whoever has the right pair; the trail tells it."""
    if row.used_at is not None:
        refused = Refusal(
            "slip_used", marked("Giấy này đã được dùng."), marked("Hãy đăng nhập, hoặc hỏi nhà trường.")
        )
    elif row.cancelled_at is not None:
        refused = Refusal(
            "slip_cancelled",
            marked("Nhà trường đã huỷ giấy này."),
            marked("Dùng giấy mới nhất, hoặc hỏi nhà trường."),
        )
    elif row.expires_at <= now:
        refused = Refusal("slip_expired", marked("Giấy này đã hết hạn."), marked("Xin nhà trường giấy mới."))
    else:
        return None
    _refused(session, row, refused.code, now=now)
    return refused


# --------------------------------------------------------------------------------------------------- inside


def _waiting(school_code: str, pupil: str) -> Select[ActivationSlip]:
    return (
        select(ActivationSlip)
        .filter_by(school_code=school_code, pupil_index=pupil, used_at=None, cancelled_at=None)
        .order_by(ActivationSlip.made_at)
    )


def _same_person(one: str, other: str) -> bool:
    return records.comparison_key(one) == records.comparison_key(other)


def _code_index(vault: Vault, code: str) -> str:
    return vault.blind_index(code, domain="activation slip")


def seal_slip_name(vault: Vault, row: ActivationSlip, name: str) -> bytes:
    """The name on a slip, for its column."""
    return vault.seal(
        row.wrapped_key,
        name.encode(),
        table="activation_slips",
        column="name_sealed",
        row=str(row.id),
        version=1,
    )


def open_slip_name(vault: Vault, row: ActivationSlip) -> str:
    """The name on a slip."""
    return vault.open(
        row.wrapped_key,
        row.name_sealed,
        table="activation_slips",
        column="name_sealed",
        row=str(row.id),
        version=1,
    ).decode()


def _event(
    actor: Actor,
    school_code: str,
    pupil: str,
    details: dict[str, str | int],
    action: Action = Action.HOLDER_CHANGE,
) -> Event:
    return Event(actor, action, organisation=school_code, pupil=pupil, details=details)


def _refused(session: Session, row: ActivationSlip, reason: str, *, now: datetime) -> None:
    """Told in the trail: nobody is known yet who could be its actor."""
    event = Event(
        Actor.system("activation"),
        Action.HOLDER_ACTIVATED,
        outcome=Outcome.REFUSED,
        organisation=row.school_code,
        pupil=row.pupil_index,
        details={"reason": reason},
    )
    audit.record(session, event, now=now)
