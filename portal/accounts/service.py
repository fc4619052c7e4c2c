"""Organisations, the accounts of their people and the roles these have; and how staff sign in.

Accounts are made by an administrator of the organisation and taken up by whoever has the one-time code that
was sent: nobody makes an account for themselves. A role ends, it is never deleted: the trail names it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts import browsers, credentials, sessions
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    CodePurpose,
    Contact,
    Federation,
    Membership,
    Method,
    Organisation,
    Passkey,
    Password,
)
from portal.accounts.people import (
    MAX_NAME,
    contact_index,
    open_contact,
    open_name,
    read_email,
    seal_contact,
    seal_name,
)
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.errors import Refusal, marked
from portal.messages import service as messages
from portal.messages.service import Address, Kind
from portal.messages.words import Parameter
from portal.permissions import ROLES_OF, OrganisationKind, Role
from portal.ports import Channel
from portal.trust import store as trust
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.words import VIETNAM

Begin = Callable[[], AbstractContextManager[Session]]

_CODE_LENGTH: Final = 20


@dataclass(frozen=True, slots=True)
class Office:
    """An organisation with accounts. ``department_code`` is the department that let it in."""

    key: uuid.UUID
    kind: OrganisationKind
    code: str
    name: str
    department_code: str
    email: str
    approved_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OfficeInput:
    """An organisation as it asks to be let in."""

    kind: OrganisationKind
    code: str
    name: str
    department_code: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class PersonInput:
    """Somebody who is to have roles. ``valid_to`` is the roles' last day."""

    name: str
    email: str
    roles: tuple[Role, ...]
    language: str = "vi"
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """What somebody must be told to sign in for the first time. ``code`` is None for a person who has an
    account already and was given a further role.
    """

    account: uuid.UUID
    email: str
    language: str
    code: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """A person of an organisation, for its administrator."""

    account: uuid.UUID
    name: str
    email: str
    state: AccountState
    roles: tuple[tuple[uuid.UUID, Role, date, date | None], ...]  # membership, role, from, to
    offered: frozenset[uuid.UUID] = frozenset()  # memberships that they have not accepted


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """A role that a signed-in person may act in."""

    membership: uuid.UUID
    role: Role
    organisation: str
    organisation_name: str


# ---------------------------------------------------------------------------------------------- organisations


def open_office(session: Session, new: OfficeInput, *, actor: Actor, now: datetime) -> Office:
    """Let an organisation in. A school or department must be known to trust under its code; an agency brings
    a code of its own. Raises InvalidInput with everything that is wrong.
    """
    problems = office_problems(session, new, now)
    if problems:
        raise InvalidInput(tuple(problems))
    row = Organisation(
        kind=new.kind,
        code=new.code,
        name=new.name.strip(),
        department_code=new.department_code,
        email=read_email(new.email) or "",
        approved_at=now,
    )
    session.add(row)
    session.flush()
    _tell(session, actor, "office_opened", row.code, None, now=now)
    return _office(row)


def close_office(session: Session, code: str, *, actor: Actor, now: datetime) -> None:
    """Close an organisation: its people can act for it no more, from their next request on. Raises Refusal
    ``unknown_office``.
    """
    row = _row(session, code)
    if row.closed_at is None:
        row.closed_at = now
        _tell(session, actor, "office_closed", code, None, now=now)


def offices(session: Session, *, department_code: str | None = None) -> tuple[Office, ...]:
    """Organisations by kind and name; of one department where its code is given."""
    wanted = select(Organisation).order_by(Organisation.kind, Organisation.name, Organisation.code)
    if department_code is not None:
        wanted = wanted.where(Organisation.department_code == department_code)
    return tuple(_office(row) for row in session.scalars(wanted))


def office(session: Session, code: str) -> Office | None:
    """The organisation of a code, None for none."""
    row = session.scalars(select(Organisation).filter_by(code=code)).one_or_none()
    return None if row is None else _office(row)


def office_of(session: Session, key: uuid.UUID) -> Office | None:
    """The organisation of a key, as it stands now; None for none."""
    row = session.get(Organisation, key, populate_existing=True)
    return None if row is None else _office(row)


def alarm_address(session: Session, school: str) -> Address | None:
    """Where somebody has to be told of an alarm about a school, also one that has ended: the e-mail of its
    department's office; None where there is none.
    """
    return department_address(session, trust.department_of(session, school))


def department_address(session: Session, department: str | None) -> Address | None:
    """The e-mail of a department's office, None where there is none."""
    row = session.scalars(
        select(Organisation).filter_by(code=department, kind=OrganisationKind.DEPARTMENT)
    ).one_or_none()
    return Address(Channel.EMAIL, row.email) if row is not None and row.email else None


def office_problems(session: Session, new: OfficeInput, now: datetime) -> list[Problem]:
    """What is wrong with an organisation that asks to be let in."""
    problems = []
    today = now.astimezone(VIETNAM).date()
    departments = set(trust.department_names(session))
    if (
        not new.code
        or len(new.code) > _CODE_LENGTH
        or not new.code.isascii()
        or not new.code.replace("-", "").isalnum()
    ):
        problems.append(
            Problem("code", "code", marked("Mã gồm chữ không dấu, số và “-”, dài nhất 20 ký tự."))
        )
    elif office(session, new.code) is not None:
        problems.append(Problem("code", "exists", marked("Đã có đơn vị mang mã này.")))
    elif new.kind is OrganisationKind.AGENCY and (
        new.code in departments or trust.department_of(session, new.code) is not None
    ):
        problems.append(Problem("code", "of_school", marked("Mã này là của một trường hoặc một Sở.")))
    elif new.kind is OrganisationKind.SCHOOL and trust.school_on(session, new.code, today) is None:
        problems.append(Problem("code", "unknown_school", marked("Danh mục chưa có trường nào mang mã này.")))
    elif new.kind is OrganisationKind.DEPARTMENT and new.code not in departments:
        problems.append(Problem("code", "unknown_department", marked("Danh mục chưa có Sở nào mang mã này.")))
    if new.department_code not in departments:
        problems.append(
            Problem("department_code", "unknown_department", marked("Danh mục chưa có Sở nào mang mã này."))
        )
    elif new.kind is OrganisationKind.DEPARTMENT and new.department_code != new.code:
        problems.append(
            Problem("department_code", "own", marked("Sở tự quản lý mình: hai mã phải như nhau."))
        )
    if not 0 < len(new.name.strip()) <= 200:
        problems.append(Problem("name", "name", marked("Nhập tên đơn vị, dài nhất 200 ký tự.")))
    if new.email.strip() and read_email(new.email) is None:
        problems.append(
            Problem("email", "email", marked("Địa chỉ e-mail chưa đúng, ví dụ vanthu@truong.edu.vn."))
        )
    return problems


# ------------------------------------------------------------------------------------------ people and roles


def invite(
    session: Session, vault: Vault, organisation: str, new: PersonInput, *, actor: Actor, now: datetime
) -> Invitation:
    """Give somebody roles in an organisation; who has no staff account under this e-mail yet gets one and a
    one-time code. The name of somebody who has one stays as it is, and if they have no role here, theirs
    begins when they accept it (:func:`answer_offer`). Nobody gives themselves another role than the
    administrator's. Raises InvalidInput, Refusal.
    """
    row = _row(session, organisation)
    problems = person_problems(new, OrganisationKind(row.kind), now)
    address = read_email(new.email)
    account = None if address is None else _account_of(session, vault, address)
    if account is not None and str(account.id) == actor.name and set(new.roles) - {Role.ADMINISTRATOR}:
        # Who keeps the accounts reaches no record by it, nor by their own hand.
        own = marked("Bạn không tự trao vai trò cho mình được: nhờ quản trị viên khác, hoặc Sở.")
        problems.append(Problem("roles", "own", own))
    if problems or address is None:
        raise InvalidInput(tuple(problems))

    fresh = account is None
    if account is None:
        account = new_account(session, vault, AccountKind.STAFF, new.name.strip(), new.language, now=now)
        add_contact(session, vault, account, Channel.EMAIL, address, now=now)
        _tell(session, actor, "made", organisation, account, now=now)
    before = session.scalars(
        select(Membership).filter_by(account_pk=account.id, organisation_pk=row.id, ended_at=None)
    ).all()
    held = {Role(m.role) for m in before}
    # Who works here already, or comes for this, need not be asked; who has an account elsewhere is.
    today = now.astimezone(VIETNAM).date()
    here = fresh or any(
        m.accepted_at is not None and (m.valid_to is None or today <= m.valid_to) for m in before
    )
    offered = False
    for place, role in enumerate(dict.fromkeys(new.roles)):
        if role not in held:
            session.add(
                Membership(
                    account_pk=account.id,
                    organisation_pk=row.id,
                    role=role,
                    valid_from=today,
                    valid_to=new.valid_to,
                    given_at=now + timedelta(microseconds=place),  # the first is what they sign in as
                    accepted_at=now if here else None,
                )
            )
            change = "role_given" if here else "role_offered"
            offered = offered or not here
            _tell(session, actor, change, organisation, account, now=now, role=role)
    session.flush()
    if offered:
        _enqueue(session, vault, account, Kind.STAFF_ROLE_OFFERED, {"organisation": organisation}, now=now)
    if account.state != AccountState.INVITED:
        return Invitation(account.id, address, account.language, None, None)
    return _invitation(session, vault, organisation, account, CodePurpose.INVITATION, now=now)


def replace_administrator(
    session: Session, vault: Vault, organisation: str, new: PersonInput, *, actor: Actor, now: datetime
) -> Invitation:
    """From outside, give an organisation that cannot help itself another administrator; those that it has are
    told. Raises InvalidInput, Refusal.
    """
    row = _row(session, organisation, lock=True)
    standing = [
        held
        for held in session.scalars(
            select(Membership).filter_by(organisation_pk=row.id, role=Role.ADMINISTRATOR, ended_at=None)
        )
        if sessions.stands(held, now)
    ]
    invited = invite(
        session, vault, organisation, replace(new, roles=(Role.ADMINISTRATOR,)), actor=actor, now=now
    )
    today = now.astimezone(VIETNAM).date()
    parameters: Mapping[str, Parameter] = {"organisation": organisation, "day": today}
    for held in standing:
        account = session.get_one(Account, held.account_pk)
        if account.id != invited.account and account.state != AccountState.CLOSED:
            _enqueue(session, vault, account, Kind.STAFF_ADMINISTRATOR_ADDED, parameters, now=now)
    return invited


def person_problems(new: PersonInput, kind: OrganisationKind, now: datetime) -> list[Problem]:
    """What is wrong with somebody who is to have roles in an organisation of this kind."""
    problems = []
    if read_email(new.email) is None:
        problems.append(Problem("email", "email", marked("Nhập địa chỉ e-mail, ví dụ an@truong.edu.vn.")))
    if not 0 < len(new.name.strip()) <= MAX_NAME:
        problems.append(Problem("name", "name", marked("Nhập họ và tên, dài nhất 120 ký tự.")))
    if not new.roles:
        problems.append(Problem("roles", "none", marked("Chọn ít nhất một vai trò.")))
    elif not ROLES_OF[kind].issuperset(new.roles):
        problems.append(Problem("roles", "foreign", marked("Đơn vị này không có vai trò đã chọn.")))
    if new.valid_to is not None and new.valid_to < now.astimezone(VIETNAM).date():
        problems.append(Problem("valid_to", "past", marked("Ngày kết thúc đã qua.")))
    return problems


def invite_again(
    session: Session, vault: Vault, organisation: str, account: uuid.UUID, *, actor: Actor, now: datetime
) -> Invitation:
    """A new one-time code for a person of the organisation: the first was not used, or they lost every way of
    signing in, which then all end. Raises Refusal ``unknown_person``; ``other_office`` for somebody whose
    account another organisation made: theirs is to recover it, whoever else gave roles since.
    """
    person = _person(session, organisation, account)
    if person.state == AccountState.INVITED:
        return _invitation(session, vault, organisation, person, CodePurpose.INVITATION, now=now)
    if _home(session, account) != _row(session, organisation).id:
        raise Refusal(
            "other_office",
            marked("Người này có tài khoản từ đơn vị khác nên không cấp lại cách đăng nhập từ đây được."),
            marked("Họ nhờ quản trị viên của đơn vị đó, hoặc liên hệ Sở."),
        )
    sessions.end_all(session, account, now=now)
    credentials.forget_all(session, account, now=now)
    _tell(session, actor, "recovery", organisation, person, now=now)
    return _invitation(session, vault, organisation, person, CodePurpose.RECOVERY, now=now)


def end_role(
    session: Session, organisation: str, membership: uuid.UUID, *, actor: Actor, now: datetime
) -> None:
    """Take a role back, from the next request on. Raises Refusal: ``unknown_person``; ``last_administrator``
    when nobody would be left to give roles.
    """
    row = _row(session, organisation, lock=True)  # two who take each other's role do it one after the other
    held = session.get(Membership, membership, with_for_update=True)
    if held is None or held.organisation_pk != row.id or held.ended_at is not None:
        raise _unknown_person()
    if held.role == Role.ADMINISTRATOR and held.accepted_at is not None:
        left = session.scalars(
            select(Membership)
            .join(Account)
            .where(
                Membership.organisation_pk == row.id,
                Membership.role == Role.ADMINISTRATOR,
                Membership.ended_at.is_(None),
                Account.state == AccountState.ACTIVE,  # who was only invited may never come
            )
        ).all()
        if not any(m.id != held.id and sessions.stands(m, now) for m in left):
            raise Refusal(
                "last_administrator",
                marked("Đây là quản trị viên cuối cùng của đơn vị."),
                marked("Trao vai trò quản trị cho người khác trước."),
            )
    held.ended_at = now
    account = session.get_one(Account, held.account_pk)
    _tell(session, actor, "role_ended", organisation, account, now=now, role=Role(held.role))


@dataclass(frozen=True, slots=True)
class Offer:
    """A role in an organisation that the person has not accepted."""

    membership: uuid.UUID
    role: Role
    organisation_name: str


def offers(session: Session, account: uuid.UUID, *, now: datetime) -> tuple[Offer, ...]:
    """Roles that wait for the person's word, the oldest first."""
    rows = session.execute(
        select(Membership, Organisation.name)
        .join(Organisation)
        .where(
            Membership.account_pk == account,
            Membership.ended_at.is_(None),
            Membership.accepted_at.is_(None),
            Organisation.closed_at.is_(None),
        )
        .order_by(Membership.given_at, Membership.id)
    )
    today = now.astimezone(VIETNAM).date()
    return tuple(
        Offer(held.id, Role(held.role), name)
        for held, name in rows
        if held.valid_to is None or today <= held.valid_to
    )


def answer_offer(
    session: Session, account: uuid.UUID, membership: uuid.UUID, *, yes: bool, actor: Actor, now: datetime
) -> None:
    """Accept a role that was offered, or decline it, which ends it. Raises Refusal ``not_held``."""
    held = session.get(Membership, membership, with_for_update=True)
    if held is None or membership not in {each.membership for each in offers(session, account, now=now)}:
        raise Refusal("not_held", marked("Lời mời này không còn."))
    if yes:
        held.accepted_at = now
    else:
        held.ended_at = now
    office_code = session.get_one(Organisation, held.organisation_pk).code
    person = session.get_one(Account, account)
    change = "role_accepted" if yes else "role_declined"
    _tell(session, actor, change, office_code, person, now=now, role=Role(held.role))


def members(session: Session, vault: Vault, organisation: str) -> tuple[Member, ...]:
    """Everyone who has a role in the organisation, by name."""
    row = _row(session, organisation)
    by_account: dict[uuid.UUID, list[Membership]] = {}
    for held in session.scalars(
        select(Membership).filter_by(organisation_pk=row.id, ended_at=None).order_by(Membership.given_at)
    ):
        by_account.setdefault(held.account_pk, []).append(held)
    found = []
    for key, roles in by_account.items():
        account = session.get_one(Account, key)
        email = _contact(session, vault, account, Channel.EMAIL) or ""
        # Whoever types the e-mail of somebody from elsewhere does not learn their name by it.
        own = account.state != AccountState.CLOSED and _home(session, key) == row.id
        found.append(
            Member(
                key,
                open_name(vault, account) if own else email,
                email,
                AccountState(account.state),
                tuple((m.id, Role(m.role), m.valid_from, m.valid_to) for m in roles),
                frozenset(m.id for m in roles if m.accepted_at is None),
            )
        )
    return tuple(sorted(found, key=lambda each: each.name.split()[::-1]))  # the given name leads


# ---------------------------------------------------------------------------------------- signing in as staff


def sign_in_by_password(
    begin: Begin,
    vault: Vault,
    email: str,
    password: str,
    app_code: str,
    *,
    known: str = "",
    replaces: str,
    now: datetime,
) -> str | None:
    """A new session's token; None when anything is wrong, and nobody is told what. ``known`` is what the
    browser shows of sign-ins before (:mod:`portal.accounts.browsers`). ``begin`` opens a transaction and
    commits at its end; none is open while the password is hashed. Raises Refusal ``wait``, ``passkey_only``,
    ``no_role``.
    """
    address = read_email(email) or ""
    index = browsers.counted_as(vault, known, contact_index(vault, Channel.EMAIL, address))

    # 1 Whether to look at all, and at what.
    with begin() as session:
        credentials.refuse_guessing(session, index, now=now)
        account = _account_of(session, vault, address)
        hashed = None if account is None else credentials.hash_of(session, account.id)

    # 2 The work, which is the same for everybody.
    right = credentials.is_password(hashed, password)
    better = credentials.new_hash(password) if right and credentials.is_outdated(hashed or "") else None

    # 3 Others may have tried meanwhile, and the password may be another: tries count one after the other.
    with begin() as session:
        credentials.refuse_guessing(session, index, now=now)
        account = _account_of(session, vault, address)
        if (
            account is None
            or not right
            or account.state != AccountState.ACTIVE
            or credentials.hash_of(session, account.id) != hashed
            or not credentials.is_app_code(session, vault, account, app_code, now=now)
        ):
            credentials.note_failure(session, index, now=now)
            tell_failed_sign_in(session, account, Method.PASSWORD, "wrong", now=now)
            return None
        if better is not None:
            credentials.set_password(session, account.id, better, now=now)
        try:
            return start(session, account, Method.PASSWORD, replaces=replaces, now=now)
        except Refusal as refusal:  # that the code was used, and what the trail tells of it, stay
            refused = refusal
    raise refused


def sign_in_by_invitation(
    session: Session, vault: Vault, email: str, code: str, *, replaces: str, now: datetime
) -> str | None:
    """A session in which the own account can be set up, and nothing else; None when e-mail and code do not
    fit. The caller commits either way. Raises Refusal ``wait``.
    """
    address = read_email(email) or ""
    # Counted apart from passwords, and with the many tries that twelve digits bear: a stranger who guesses
    # keeps nobody out.
    index = vault.blind_index(contact_index(vault, Channel.EMAIL, address), domain="first sign-in")
    credentials.refuse_guessing(session, index, tries=credentials.LONG_CODE_TRIES, now=now)
    account = _account_of(session, vault, address)
    purpose = CodePurpose.RECOVERY
    if account is None or account.state == AccountState.INVITED:
        purpose = CodePurpose.INVITATION
    key = None if account is None else account.id
    if not credentials.use_code(session, vault, key, purpose, code, now=now) or account is None:
        credentials.note_failure(session, index, now=now)
        tell_failed_sign_in(session, account, Method.CODE, "wrong", now=now)
        return None
    account.state = AccountState.ACTIVE
    contact = session.scalars(select(Contact).filter_by(account_pk=account.id, ended_at=None)).first()
    if contact is not None:
        contact.confirmed_at = now
    return sessions.begin(session, account, Method.CODE, replaces=replaces, now=now)


def remembered(session: Session, vault: Vault, account: uuid.UUID, shown: str) -> str | None:
    """What the browser in which this person of an organisation signed in shows from now on; None where they
    have no e-mail. ``shown`` as it did before.
    """
    address = email_of(session, vault, account)
    if address is None:
        return None
    return browsers.remember(vault, shown, contact_index(vault, Channel.EMAIL, address))


def start(session: Session, account: Account, method: Method, *, replaces: str, now: datetime) -> str:
    """A session in the first role that ``method`` may take up. Raises Refusal: ``passkey_only`` where every
    role asks for a passkey; ``no_role`` where there is none.
    """
    if account.kind == AccountKind.HOLDER:
        return sessions.begin(session, account, method, replaces=replaces, now=now)
    roles = sessions.roles_for(session, account.id, method, now=now)
    if not roles:
        if sessions.roles_for(session, account.id, Method.PASSKEY, now=now):
            tell_failed_sign_in(session, account, method, "passkey_only", now=now)
            raise Refusal(
                "passkey_only",
                marked("Vai trò của bạn chỉ đăng nhập được bằng khoá truy cập (passkey)."),
                marked("Dùng nút “Đăng nhập bằng khoá truy cập”. Mất khoá thì nhờ quản trị viên của đơn vị."),
            )
        tell_failed_sign_in(session, account, method, "no_role", now=now)
        raise Refusal(
            "no_role",
            marked("Tài khoản này hiện không có vai trò nào."),
            marked("Hỏi quản trị viên của đơn vị."),
        )
    return sessions.begin(session, account, method, membership=roles[0], replaces=replaces, now=now)


def roles_held(
    session: Session, account: uuid.UUID, method: Method, *, now: datetime
) -> tuple[RoleHeld, ...]:
    """What the signed-in person may act as, by this way of signing in."""
    return tuple(
        RoleHeld(m.id, Role(m.role), office_row.code, office_row.name)
        for m in sessions.roles_for(session, account, method, now=now)
        for office_row in (session.get_one(Organisation, m.organisation_pk),)
    )


def roles_given(session: Session, account: uuid.UUID, *, now: datetime) -> frozenset[Role]:
    """Every role that stands, whatever way of signing in it asks for."""
    return frozenset(Role(m.role) for m in sessions.roles_for(session, account, Method.PASSKEY, now=now))


def act_as(
    session: Session,
    account: uuid.UUID,
    method: Method,
    membership: uuid.UUID,
    *,
    replaces: str,
    since: datetime,
    now: datetime,
) -> str:
    """A new session in another role of the same person, which began, as its end counts, when they signed in:
    ``since``. Raises Refusal ``not_held``.
    """
    held = {m.id: m for m in sessions.roles_for(session, account, method, now=now)}
    if membership not in held:
        raise Refusal(
            "not_held", marked("Bạn không có vai trò này."), marked("Chọn một vai trò trong danh sách.")
        )
    person = session.get_one(Account, account)
    return sessions.begin(
        session, person, method, membership=held[membership], replaces=replaces, since=since, now=now
    )


# --------------------------------------------------------------------------------------- the own account


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """A passkey, as its owner tells it from others."""

    key: uuid.UUID
    label: str
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ways:
    """How an account can sign in."""

    password: bool
    app: bool
    passkeys: tuple[KnownPasskey, ...]
    openid_since: datetime | None  # an identity at the OpenID provider is linked


def ways(session: Session, account: uuid.UUID) -> Ways:
    """What is set up."""
    return Ways(
        session.get(Password, account) is not None,
        credentials.has_app(session, account),
        tuple(
            KnownPasskey(row.id, row.label, row.added_at, row.used_at)
            for row in session.scalars(
                select(Passkey).filter_by(account_pk=account, removed_at=None).order_by(Passkey.added_at)
            )
        ),
        session.scalar(select(func.max(Federation.added_at)).filter_by(account_pk=account)),
    )


def set_password(
    begin: Begin,
    vault: Vault,
    account: uuid.UUID,
    current: str,
    new: str,
    *,
    session_id: str,
    now: datetime,
) -> None:
    """A first password, or another in the place of ``current``; every other session ends. ``begin`` as in
    :func:`sign_in_by_password`. Raises InvalidInput; Refusal ``wait`` after too many wrong ones.
    """
    index = vault.blind_index(str(account), domain="current password")
    with begin() as session:
        credentials.refuse_guessing(session, index, now=now)
        person = session.get_one(Account, account)
        hashed = credentials.hash_of(session, account)
        email = _contact(session, vault, person, Channel.EMAIL) or ""
        known = (*open_name(vault, person).split(), *email.split("@"))
    if hashed is not None and not credentials.is_password(hashed, current):
        with begin() as session:
            credentials.note_failure(session, index, now=now)
        raise InvalidInput((Problem("current", "wrong", marked("Mật khẩu đang dùng không đúng.")),))
    credentials.check_password(new, known)
    made = credentials.new_hash(new)
    with begin() as session:
        if credentials.hash_of(session, account) != hashed:
            raise InvalidInput((Problem("current", "wrong", marked("Mật khẩu đang dùng không đúng.")),))
        credentials.set_password(session, account, made, now=now)
        person = session.get_one(Account, account)
        changed_sign_in(session, person, "password_set", session_id=session_id, now=now)


def begin_app(session: Session, vault: Vault, account: uuid.UUID, *, now: datetime) -> None:
    """Begin an authenticator app where none counts yet. Raises Refusal ``has_app``."""
    if credentials.has_app(session, account):
        raise Refusal(
            "has_app",
            marked("Tài khoản này đã có ứng dụng tạo mã."),
            marked("Mất điện thoại thì nhờ quản trị viên của đơn vị cấp lại."),
        )
    credentials.begin_app(session, vault, session.get_one(Account, account), now=now)


def confirm_app(
    session: Session, vault: Vault, account: uuid.UUID, code: str, *, session_id: str, now: datetime
) -> bool:
    """The first code of the app that was begun: whether it is right, and so the app counts."""
    person = session.get_one(Account, account)
    if not credentials.is_app_code(session, vault, person, code, now=now, confirms=True):
        return False
    changed_sign_in(session, person, "app_set", session_id=session_id, now=now)
    return True


def changed_sign_in(
    session: Session, account: Account, change: str, *, session_id: str, now: datetime
) -> None:
    """Whoever else is signed in as this person is not any more."""
    sessions.end_all(session, account.id, now=now, but=session_id)
    kind = AccountKind(account.kind).value
    audit.record(
        session,
        Event(
            Actor(kind, str(account.id)),
            Action.ACCOUNT_CHANGE,
            Object(kind, account.id),
            details={"change": change},
        ),
        now=now,
    )


# ------------------------------------------------------------------------------------------- who is who


def email_of(session: Session, vault: Vault, account: uuid.UUID) -> str | None:
    """The e-mail address of an account, None where it has none."""
    return _contact(session, vault, session.get_one(Account, account), Channel.EMAIL)


def add_contact(
    session: Session, vault: Vault, account: Account, kind: Channel, value: str, *, now: datetime
) -> Contact:
    """A contact of an account, not yet confirmed; ``value`` in its one spelling."""
    key = uuid.uuid4()
    contact = Contact(
        id=key,
        account_pk=account.id,
        account_kind=account.kind,
        kind=kind,
        value_index=contact_index(vault, kind, value),
        value_sealed=seal_contact(vault, account, key, value),
        added_at=now,
    )
    session.add(contact)
    session.flush()
    return contact


def find_account(
    session: Session, vault: Vault, account_kind: AccountKind, kind: Channel, value: str
) -> Account | None:
    """Whose contact this is, among accounts of one kind that are not closed."""
    return session.scalars(
        select(Account)
        .join(Contact)
        .where(
            Contact.value_index == contact_index(vault, kind, value),
            Contact.account_kind == account_kind,
            Contact.ended_at.is_(None),
            Account.state != AccountState.CLOSED,
        )
    ).one_or_none()


# ------------------------------------------------------------------------------------------------ in common


def new_account(
    session: Session, vault: Vault, kind: AccountKind, name: str, language: str, *, now: datetime
) -> Account:
    """An account that nobody has signed in to."""
    key, wrapped = uuid.uuid4(), vault.new_key()
    account = Account(
        id=key, kind=kind, wrapped_key=wrapped, state=AccountState.INVITED, language=language, created_at=now
    )
    account.name_sealed = seal_name(vault, account, name)
    session.add(account)
    session.flush()
    return account


def _account_of(session: Session, vault: Vault, address: str) -> Account | None:
    return find_account(session, vault, AccountKind.STAFF, Channel.EMAIL, address)


def _contact(session: Session, vault: Vault, account: Account, kind: Channel) -> str | None:
    row = session.scalars(select(Contact).filter_by(account_pk=account.id, kind=kind, ended_at=None)).first()
    return None if row is None else open_contact(vault, account, row.id, row.value_sealed)


def _invitation(
    session: Session,
    vault: Vault,
    organisation: str,
    account: Account,
    purpose: CodePurpose,
    *,
    now: datetime,
) -> Invitation:
    """A code, on its way to the person in the same transaction."""
    code, expires = credentials.make_code(session, vault, account.id, purpose, now=now)
    day = expires.astimezone(VIETNAM).date()
    parameters: Mapping[str, Parameter] = {"organisation": organisation, "code": code, "day": day}
    address = _enqueue(session, vault, account, Kind.STAFF_INVITATION, parameters, now=now)
    return Invitation(account.id, address, account.language, code, expires)


def _enqueue(
    session: Session,
    vault: Vault,
    account: Account,
    kind: Kind,
    parameters: Mapping[str, Parameter],
    *,
    now: datetime,
) -> str:
    """A message to a person of an organisation, by e-mail; where it goes. Raises Refusal
    ``unknown_person``.
    """
    address = _contact(session, vault, account, Channel.EMAIL)
    if address is None:
        raise _unknown_person()
    messages.enqueue(
        session,
        vault,
        to=Address(Channel.EMAIL, address),
        kind=kind,
        language="en" if account.language == "en" else "vi",
        parameters=parameters,
        about=account.id,
        now=now,
    )
    return address


def _home(session: Session, account: uuid.UUID) -> uuid.UUID | None:
    """The organisation that made an account: that of its first role."""
    first = select(Membership.organisation_pk).where(Membership.account_pk == account)
    return session.scalar(first.order_by(Membership.given_at, Membership.id).limit(1))


def _person(session: Session, organisation: str, account: uuid.UUID) -> Account:
    """An account that has a role in the organisation. Raises Refusal ``unknown_person``."""
    found = session.scalars(
        select(Account)
        .join(Membership)
        .join(Organisation)
        .where(Account.id == account, Organisation.code == organisation, Membership.ended_at.is_(None))
    ).first()
    if found is None:
        raise _unknown_person()
    return found


def _row(session: Session, code: str, *, lock: bool = False) -> Organisation:
    wanted = select(Organisation).filter_by(code=code)
    row = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise Refusal("unknown_office", marked("Không có đơn vị nào mang mã này."))
    return row


def _office(row: Organisation) -> Office:
    return Office(
        row.id,
        OrganisationKind(row.kind),
        row.code,
        row.name,
        row.department_code,
        row.email,
        row.approved_at,
        row.closed_at,
    )


def _unknown_person() -> Refusal:
    return Refusal("unknown_person", marked("Không có người này, hoặc vai trò này, trong đơn vị."))


def _tell(
    session: Session,
    actor: Actor,
    change: str,
    organisation: str,
    account: Account | None,
    *,
    now: datetime,
    role: Role | None = None,
) -> None:
    """An entry about an organisation or one of its people."""
    details: dict[str, str | int] = {"change": change}
    if role is not None:
        details["role"] = role.value
    audit.record(
        session,
        Event(
            actor,
            Action.ACCOUNT_CHANGE,
            None if account is None else Object(AccountKind(account.kind).value, account.id),
            organisation=organisation,
            details=details,
        ),
        now=now,
    )


def tell_failed_sign_in(
    session: Session, account: Account | None, method: Method, reason: str, *, now: datetime
) -> None:
    """Somebody tried to be this account; who, nobody knows. What is typed of nobody's name is no entry: a
    stranger could fill the trail with it. The work is done all the same, and undone, so that the time taken
    does not tell who has an account (SEC-16).
    """
    whom = (
        Object(AccountKind.STAFF.value, uuid.UUID(int=0))
        if account is None
        else Object(AccountKind(account.kind).value, account.id)
    )
    event = Event(
        Actor.system("sign_in"),
        Action.SIGN_IN,
        whom,
        Outcome.REFUSED,
        details={"method": method.value, "reason": reason},
    )
    with session.begin_nested() as written:
        audit.record(session, event, now=now)
        if account is None:
            written.rollback()
