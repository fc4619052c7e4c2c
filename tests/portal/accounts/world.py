"""Invented people, one of each role in two organisations of each kind; a browser signed in as any of them.

- ``people.sign_in(Role.CLERK)``: of the school HOME, whose records :mod:`tests.portal.web.world` issues;
- ``people.sign_in(Role.CLERK, away=True)``: of another school;
- ``visitor.post(path, data)``: a form of a page of ours; ``visitor.confirm(path, data)``: the same, confirmed
  with the person's passkey, as acts of ``CONFIRMED`` want it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts import service, sessions
from portal.accounts.models import Account, AccountKind, AccountState, Membership, Method, Passkey
from portal.accounts.service import OfficeInput, PersonInput
from portal.extensions import KEY, Resources
from portal.permissions import ROLES_OF, OrganisationKind, Role
from portal.trust import service as trust
from portal.trust.service import SchoolInput
from portal.vault import Vault
from portal.web.sessions import PASSKEY_FIELD, TOKEN_FIELD
from tests.conftest import ACTOR
from tests.portal.accounts.authenticator import SoftKey

#: The organisations in which everyone has a role, and those of everyone ``away``.
HOME: Final = {
    OrganisationKind.SCHOOL: "01000123",  # whose records :mod:`tests.portal.web.world` issues
    OrganisationKind.AGENCY: "XA-CAY-BANG",
    OrganisationKind.DEPARTMENT: "S01",
}
AWAY: Final = {
    OrganisationKind.SCHOOL: "02000456",
    OrganisationKind.AGENCY: "XA-CAY-DA",
    OrganisationKind.DEPARTMENT: "S02",
}
_NAMES: Final = {
    "01000123": "Trường Tiểu học Cây Bàng",
    "02000456": "Trường Tiểu học Cây Đa",
    "XA-CAY-BANG": "Ủy ban nhân dân xã Cây Bàng",
    "XA-CAY-DA": "Ủy ban nhân dân xã Cây Đa",
    "S01": "Sở Giáo dục và Đào tạo tỉnh Bàng",
    "S02": "Sở Giáo dục và Đào tạo tỉnh Đa",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one role, and the passkey they carry. ``organisation`` is a code, empty for a holder."""

    account: uuid.UUID
    role: Role
    organisation: str
    email: str
    key: SoftKey
    membership: uuid.UUID | None


@dataclass
class Visitor:
    """A browser in which ``person`` is signed in."""

    app: Flask
    person: Person
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        self.client.set_cookie(_cookie(self.app), self.token, domain=_host(self.app), path="/")

    def get(self, path: str, **how: Any) -> TestResponse:
        return self.client.get(path, base_url=_origin(self.app), **how)

    def post(self, path: str, data: Mapping[str, Any] | None = None, **how: Any) -> TestResponse:
        """A form of a page of ours."""
        sent = {TOKEN_FIELD: form_token(self.token), **(data or {})}
        return self.client.post(path, data=sent, base_url=_origin(self.app), **how)

    def ask(self, path: str, data: Mapping[str, Any] | None = None) -> TestResponse:
        """The question that must be answered before ``data`` may go to ``path``, as a page asks it."""
        asked = {"for": path, "fields": urlencode(data or {}, doseq=True)}
        return self.post("/account/passkey/confirm", asked, headers={"Accept": "application/json"})

    def confirm(self, path: str, data: Mapping[str, Any] | None = None, **how: Any) -> TestResponse:
        """A form of a page of ours, confirmed with the passkey."""
        options = self.ask(path, data).get_json()
        answer = json.dumps(self.person.key.get(options, _origin(self.app)))
        return self.post(path, {**(data or {}), PASSKEY_FIELD: answer}, **how)


@dataclass(frozen=True, slots=True)
class People:
    """Everyone there is."""

    app: Flask
    everyone: Mapping[tuple[Role, str], Person]  # by role and code of the organisation

    def at(self, app: Flask) -> People:
        """The same people, their passkeys unused, in a copy of the portal."""
        return People(
            app, {where: replace(each, key=replace(each.key)) for where, each in self.everyone.items()}
        )

    def person(self, role: Role, *, away: bool = False) -> Person:
        return self.everyone[role, "" if role is Role.HOLDER else (AWAY if away else HOME)[kind_of(role)]]

    def sign_in(
        self, role: Role, *, away: bool = False, method: Method = Method.PASSKEY, replaces: str = ""
    ) -> Visitor:
        """A new session of its own each time."""
        person = self.person(role, away=away)
        bundle = _bundle(self.app)
        with Session(bundle.engine) as session, session.begin():
            membership = None if person.membership is None else session.get_one(Membership, person.membership)
            token = sessions.begin(
                session,
                session.get_one(Account, person.account),
                method,
                membership=membership,
                replaces=replaces,
                now=bundle.clock.now(),
            )
        return Visitor(self.app, person, token)


def kind_of(role: Role) -> OrganisationKind:
    """The kind of organisation that has the role; an administrator's is a school here."""
    return next(kind for kind, roles in ROLES_OF.items() if role in roles)


def settle(app: Flask) -> People:
    """Two departments, schools and agencies, with one person for each role they can give; and one holder."""
    bundle = _bundle(app)
    everyone: dict[tuple[Role, str], Person] = {}
    with Session(bundle.engine) as session, session.begin():
        for codes in (HOME, AWAY):
            open_offices(session, codes, now=bundle.clock.now())
            for kind, code in codes.items():
                for role in sorted(ROLES_OF[kind]):
                    everyone[role, code] = employ(session, bundle.vault, code, role, now=bundle.clock.now())
        everyone[Role.HOLDER, ""] = _holder(session, bundle)
    return People(app, everyone)


def share(app: Flask) -> None:
    """Fold the write-ahead log of the portal's database into the file that tests copy."""
    engine = _bundle(app).engine
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()


def open_offices(session: Session, codes: Mapping[OrganisationKind, str], *, now: datetime) -> None:
    """A department with one school and one agency, known to trust and let in."""
    department = codes[OrganisationKind.DEPARTMENT]
    trust.add_department(session, department, _NAMES[department], "Bàng", actor=ACTOR, now=now)
    school = SchoolInput(
        code=codes[OrganisationKind.SCHOOL],
        name=_NAMES[codes[OrganisationKind.SCHOOL]],
        department_code=department,
        levels=("TIEU_HOC", "THCS", "THPT"),
        commune="Phường Hoa",
        province="Bàng",
        sector="cong_lap",
        valid_from=date(2020, 9, 1),
    )
    trust.add_school(session, school, actor=ACTOR, now=now)
    for kind, code in codes.items():
        new = OfficeInput(kind, code, _NAMES[code], department, f"van-thu@{code.lower()}.example")
        service.open_office(session, new, actor=ACTOR, now=now)


def employ(
    session: Session, vault: Vault, office: str, *roles: Role, email: str = "", now: datetime
) -> Person:
    """Somebody with ``roles`` in an organisation, signed in once and with a passkey."""
    email = email or f"{roles[0]}@{office.lower()}.example"
    new = PersonInput(f"Nguyễn {roles[0].value.title().replace('_', ' ')}", email, roles)
    invited = service.invite(session, vault, office, new, actor=ACTOR, now=now)
    session.get_one(Account, invited.account).state = AccountState.ACTIVE
    held = {m.role: m.id for m in sessions.roles_for(session, invited.account, Method.PASSKEY, now=now)}
    key = carry(session, invited.account, now=now)
    return Person(invited.account, roles[0], office, email, key, held[roles[0]])


def carry(session: Session, account: uuid.UUID, *, now: datetime, label: str = "Khoá thử") -> SoftKey:
    """A passkey of the account."""
    key = SoftKey(account)
    session.add(
        Passkey(
            account_pk=account,
            credential_id=key.credential_id,
            public_key=key.public_key,
            sign_count=0,
            label=label,
            added_at=now,
        )
    )
    session.flush()
    return key


def form_token(token: str) -> str:
    """What a form brings back in a browser whose session cookie holds ``token``."""
    return sha256(b"form/1 " + token.encode()).hexdigest()


def _holder(session: Session, bundle: Resources) -> Person:
    now = bundle.clock.now()
    account = service.new_account(session, bundle.vault, AccountKind.HOLDER, "Lò Thị Hoa", "vi", now=now)
    account.state = AccountState.ACTIVE
    return Person(account.id, Role.HOLDER, "", "", carry(session, account.id, now=now), None)


def _bundle(app: Flask) -> Resources:
    bundle: Resources = app.extensions[KEY]
    return bundle


def _origin(app: Flask) -> str:
    return _bundle(app).settings.public_url


def _host(app: Flask) -> str:
    return urlsplit(_origin(app)).hostname or ""


def _cookie(app: Flask) -> str:
    return "__Host-session" if _origin(app).startswith("https:") else "session"
