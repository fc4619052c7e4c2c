"""People of the demo who can sign in: one of each role at three schools, an agency
and three departments, and the office of one school more.

Each is let in as a real person is: invited by an administrator, in by the code of the invitation, with a
passkey; and a password with an authenticator app where the role may use these. Their certificates are those
that bear their names. What a visitor needs to sign in as them lies in ``passkeys.json``.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pyotp
from sqlalchemy.orm import Session

from portal.accounts import credentials, passkeys, service, sessions
from portal.accounts.demonstration import FILE, DemoAccount
from portal.accounts.models import Account
from portal.accounts.passkeys import RelyingParty
from portal.accounts.service import Invitation, OfficeInput, PersonInput
from portal.audit.service import Actor
from portal.demo.passkeys import new_passkey
from portal.demo.people import draw_adults
from portal.demo.schools import BY_KEY, DEPARTMENTS, SchoolPlan
from portal.errors import PortalError
from portal.permissions import ROLES_OF, OrganisationKind, Role, needs_passkey
from portal.trust import service as trusted
from portal.trust import store as trust
from portal.vault import Vault
from verifier.report import Role as SigningRole

#: Two schools that issue, one of either level, and one that receives.
PRIMARY: Final = "hoa-ban"
SECONDARY: Final = "y-jut"
RECEIVING: Final = "anh-duong"
#: One more that issues, with its office alone: of its pupils some are 16 or 18.
HIGH_SCHOOL: Final = "ban-mai"
AGENCY: Final = OfficeInput(
    OrganisationKind.AGENCY, "XA-MUONG-HOA", "Ủy ban nhân dân xã Mường Hoa", "S14", "vanthu@muonghoa.example"
)
#: Of every account that may use a password. Invented for the demo and known to everyone.
PASSWORD: Final = "ba-con-meo-leo-thang-tre"  # noqa: S105
_TEACHING: Final = {
    SigningRole.CBQL: Role.MANAGER,
    SigningRole.GVBM: Role.SUBJECT_TEACHER,
    SigningRole.GVCN: Role.HOMEROOM_TEACHER,
}
_TITLES: Final = {
    Role.ACADEMIC_STAFF: "giaovu",
    Role.CLERK: "vanthu",
    Role.ADMINISTRATOR: "quantri",
    Role.RECEIVING_OFFICER: "tiepnhan",
    Role.AGENCY_OFFICER: "canbo",
    Role.DEPARTMENT_OFFICER: "chuyenvien",
    Role.MANAGER: "hieutruong",
    Role.SUBJECT_TEACHER: "gvbm",
    Role.HOMEROOM_TEACHER: "gvcn",
}
_STEP: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Planned:
    person: PersonInput
    office: OfficeInput


def open_accounts(
    session: Session, vault: Vault, party: RelyingParty, directory: Path, *, actor: Actor, now: datetime
) -> tuple[DemoAccount, ...]:
    """Let organisations and people in and write the file, in the caller's transaction: an interrupted run
    leaves nobody behind. Raises InvalidInput, Refusal.
    """
    made = []
    for planned in _plan():
        if service.office(session, planned.office.code) is None:
            service.open_office(session, planned.office, actor=actor, now=now)
        invited = service.invite(session, vault, planned.office.code, planned.person, actor=actor, now=now)
        made.append(_settle(session, vault, party, planned, invited, now=now))
        _give_certificates(session, planned, invited.account, actor=actor, now=now)
    path = directory / FILE
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps([asdict(each) for each in made], ensure_ascii=False, indent=1), "utf-8")
    os.replace(draft, path)
    return tuple(made)


def _give_certificates(
    session: Session, planned: _Planned, account: uuid.UUID, *, actor: Actor, now: datetime
) -> None:
    """The certificates that bear the person's name are theirs, the school's seal is its clerk's: so each can
    be asked to sign at a page.
    """
    clerk = Role.CLERK in planned.person.roles
    mine = [
        signer.id
        for signer in trust.list_signers(session, planned.office.code)
        if (
            clerk
            if signer.authority.role is SigningRole.KY_PHAT_HANH
            else signer.authority.display_name == planned.person.name
        )
    ]
    if mine:
        trusted.link_account(session, mine, account, actor=actor, now=now)


def _settle(
    session: Session,
    vault: Vault,
    party: RelyingParty,
    planned: _Planned,
    invited: Invitation,
    *,
    now: datetime,
) -> DemoAccount:
    """The first sign-in of somebody who was invited."""
    token = service.sign_in_by_invitation(
        session, vault, invited.email, invited.code or "", replaces="", now=now
    )
    found = sessions.find(session, vault, token or "", now=now)
    if token is None or found is None:
        raise PortalError(f"{invited.email}: the invitation does not open the account")
    here, account = found.session, found.account
    options = passkeys.begin_new(session, vault, party, account, session_id=here, now=now)
    answer, key = new_passkey(options, party.origin)
    if not passkeys.add(session, party, account, answer, "Khoá mẫu", session_id=here, now=now):
        raise PortalError(f"{invited.email}: the passkey was not taken")
    password, secret = "", ""
    if not all(needs_passkey(role) for role in planned.person.roles):
        password = PASSWORD
        credentials.set_password(session, account, credentials.new_hash(password), now=now)
        service.begin_app(session, vault, account, now=now)
        secret = credentials.app_secret(session, vault, session.get_one(Account, account)) or ""
        # The code before this one, so that a visitor may use this one at once.
        code = pyotp.TOTP(secret).at(now - _STEP)
        service.confirm_app(session, vault, account, code, session_id=here, now=now)
    sessions.end(session, token, now=now)
    return DemoAccount(
        planned.person.name,
        invited.email,
        tuple(role.value for role in planned.person.roles),
        planned.office.name,
        key,
        password,
        secret,
    )


def _plan() -> Iterator[_Planned]:
    for department in DEPARTMENTS[:3]:
        office = OfficeInput(
            OrganisationKind.DEPARTMENT, department.code, department.name, department.code,
            f"vanthu@{department.code.lower()}.example",
        )  # fmt: skip
        names = draw_adults(f"so-{department.code}", ("Kinh", "Thái"), 3)
        roles = (Role.DEPARTMENT_OFFICER, Role.DEPARTMENT_OFFICER, Role.ADMINISTRATOR)
        yield from _people(office, [(name, (role,)) for name, role in zip(names, roles, strict=True)])
    for key in (PRIMARY, SECONDARY, RECEIVING):
        yield from _school(BY_KEY[key])
    high = BY_KEY[HIGH_SCHOOL]
    names = draw_adults(f"van-phong-{high.key}", high.place.people, 2)
    yield from _people(_office(high), [(names[0], (Role.ACADEMIC_STAFF,)), (names[1], (Role.ADMINISTRATOR,))])
    names = draw_adults("muong-hoa", ("Thái", "Kinh"), 2)
    yield from _people(AGENCY, [(names[0], (Role.AGENCY_OFFICER,)), (names[1], (Role.ADMINISTRATOR,))])


def _school(school: SchoolPlan) -> Iterator[_Planned]:
    """Its people who sign, with the names their certificates bear; and its office."""
    signing = [
        (person.name, tuple(dict.fromkeys(_TEACHING[role] for role, _, _ in person.duties)))
        for person in school.staff
    ]
    rest = sorted(ROLES_OF[OrganisationKind.SCHOOL] - set(_TEACHING.values()), key=list(Role).index)
    names = draw_adults(f"van-phong-{school.key}", school.place.people, len(rest))
    others = [(name, (role,)) for name, role in zip(names, rest, strict=True)]
    yield from _people(_office(school), [*signing, *others])


def _office(school: SchoolPlan) -> OfficeInput:
    return OfficeInput(
        OrganisationKind.SCHOOL, school.code, school.name, school.department, f"vanthu@{school.key}.example"
    )


def _people(office: OfficeInput, people: Sequence[tuple[str, tuple[Role, ...]]]) -> Iterator[_Planned]:
    counted: dict[Role, int] = {}
    domain = office.email.partition("@")[2]
    for name, roles in people:
        leading = roles[-1]
        number = counted[leading] = counted.get(leading, 0) + 1
        email = f"{_TITLES[leading]}{'' if number == 1 else number}@{domain}"
        yield _Planned(PersonInput(name, email, roles), office)
