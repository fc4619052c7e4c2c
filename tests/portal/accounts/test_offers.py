"""Roles that somebody from elsewhere is offered, roles of one's own, and a lost administrator."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import refusals, service, sessions, sweeping
from portal.accounts.models import Membership, Method, RepeatedRefusal
from portal.accounts.service import PersonInput
from portal.audit.service import Actor
from portal.departments import service as departments
from portal.errors import Refusal
from portal.extensions import KEY
from portal.messages.models import Message
from portal.permissions import OrganisationKind, Role
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.world import AWAY, HOME, People, Person, employ
from tests.portal.audit.reading import entries
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World
from verifier.errors import InvalidInput

SCHOOL, AGENCY, DEPARTMENT = (
    HOME[kind] for kind in (OrganisationKind.SCHOOL, OrganisationKind.AGENCY, OrganisationKind.DEPARTMENT)
)


def offer(session: Session, vault: Vault, staff: Person) -> uuid.UUID:
    """A role at the agency for somebody of the school."""
    email = service.email_of(session, vault, staff.account) or ""
    new = PersonInput("Lê An", email, (Role.AGENCY_OFFICER,))
    invited = service.invite(session, vault, AGENCY, new, actor=ACTOR, now=NOW)
    assert (invited.account, invited.code) == (staff.account, None)
    (waiting,) = service.offers(session, staff.account, now=NOW)
    return waiting.membership


def roles(session: Session, staff: Person) -> set[Role]:
    return set(service.roles_given(session, staff.account, now=NOW))


def changes(session: Session) -> list[str]:
    return [e["details"]["change"] for e in entries(session) if e["action"] == "account_change"]


def test_a_role_elsewhere_begins_when_it_is_accepted(session: Session, vault: Vault, staff: Person) -> None:
    before = roles(session, staff)
    key = offer(session, vault, staff)
    assert roles(session, staff) == before
    (member,) = service.members(session, vault, AGENCY)
    assert member.offered == {key}
    other = employ(session, vault, SCHOOL, Role.ACADEMIC_STAFF, now=NOW)
    me, stranger = Actor("account", str(staff.account)), Actor("account", str(other.account))
    with pytest.raises(Refusal):
        service.answer_offer(session, other.account, key, yes=True, actor=stranger, now=NOW)
    service.answer_offer(session, staff.account, key, yes=True, actor=me, now=NOW)
    assert roles(session, staff) == before | {Role.AGENCY_OFFICER}
    assert changes(session)[-1] == "role_accepted"
    with pytest.raises(Refusal):
        service.answer_offer(session, staff.account, key, yes=False, actor=me, now=NOW)
    # A further role where they work is theirs at once.
    email = service.email_of(session, vault, staff.account) or ""
    more = PersonInput("Lê An", email, (Role.ACADEMIC_STAFF,))
    service.invite(session, vault, SCHOOL, more, actor=ACTOR, now=NOW)
    assert service.offers(session, staff.account, now=NOW) == ()


def test_a_role_elsewhere_may_be_declined_or_taken_back(
    session: Session, vault: Vault, staff: Person
) -> None:
    key = offer(session, vault, staff)
    me = Actor("account", str(staff.account))
    service.answer_offer(session, staff.account, key, yes=False, actor=me, now=NOW)
    assert (service.offers(session, staff.account, now=NOW), service.members(session, vault, AGENCY)) == (
        (),
        (),
    )
    assert changes(session)[-2:] == ["role_offered", "role_declined"]
    again = offer(session, vault, staff)
    service.end_role(session, AGENCY, again, actor=ACTOR, now=NOW)
    assert service.offers(session, staff.account, now=NOW) == ()
    assert len(session.scalars(select(Message).filter_by(kind="staff_role_offered")).all()) == 2


def test_nobody_gives_themselves_a_role_that_reaches_records(
    session: Session, vault: Vault, staff: Person
) -> None:
    email = service.email_of(session, vault, staff.account) or ""
    me = Actor("account", str(staff.account))
    before = roles(session, staff)
    for role in (Role.RECEIVING_OFFICER, Role.MANAGER, Role.ACADEMIC_STAFF):
        new = PersonInput("Lê An", email, (Role.ADMINISTRATOR, role))
        with pytest.raises(InvalidInput) as mistakes:
            service.invite(session, vault, SCHOOL, new, actor=me, now=NOW)
        assert [(p.where, p.code) for p in mistakes.value.problems] == [("roles", "own")]
    assert roles(session, staff) == before


def test_a_department_replaces_a_lost_administrator(session: Session, vault: Vault, staff: Person) -> None:
    new = PersonInput("Lò Thị Mai", "mai@truong.example", (Role.MANAGER,))
    who = {"actor": ACTOR, "now": NOW}
    for department, code in ((AWAY[OrganisationKind.DEPARTMENT], SCHOOL), (DEPARTMENT, DEPARTMENT)):
        with pytest.raises(Refusal):
            departments.invite_administrator(session, vault, department, code, new, **who)  # type: ignore[arg-type]
    invited = departments.invite_administrator(session, vault, DEPARTMENT, SCHOOL, new, **who)  # type: ignore[arg-type]
    assert invited.code
    held = session.scalars(select(Membership).filter_by(account_pk=invited.account)).all()
    assert [each.role for each in held] == [Role.ADMINISTRATOR]
    told = session.scalars(select(Message).filter_by(kind="staff_administrator_added")).all()
    assert len(told) == 1  # the one that there was
    with pytest.raises(InvalidInput) as mistakes:
        departments.invite_administrator(
            session,
            vault,
            DEPARTMENT,
            SCHOOL,
            PersonInput("", "x", ()),
            **who,  # type: ignore[arg-type]
        )
    assert {p.where for p in mistakes.value.problems} == {"admin_name", "admin_email"}


def test_what_repeats_within_the_hour_is_a_number(session: Session, staff: Person) -> None:
    """SEC-30: nothing is lost, and nobody fills the trail."""
    me = Actor("account", str(staff.account))
    before = len(entries(session))

    def refuse(reason: str = "role", *, minutes: int = 0) -> None:
        what = {"act": "seal", "reason": reason}
        refusals.tell(session, me, what, organisation=SCHOOL, now=NOW + timedelta(minutes=minutes))

    def told() -> list[dict[str, object]]:
        return [e["details"] for e in entries(session)[before:] if e["action"] == "access"]

    for _ in range(1000):
        refuse()
    refuse("passkey_missing")
    role = {"act": "seal", "reason": "role"}
    assert told() == [role, {"act": "seal", "reason": "passkey_missing"}]
    refuse(minutes=60)
    assert told()[2:] == [role | {"count": 999}, role]
    refuse(minutes=61)
    assert sweeping.is_over(session, now=NOW + timedelta(minutes=121))
    sweeping.sweep(session, now=NOW + timedelta(minutes=121))
    assert told()[4:] == [role | {"count": 1}]
    assert session.scalars(select(RepeatedRefusal)).all() == []


class TestPages:
    def test_an_offer_is_answered_in_the_own_account(self, world: World, people: People) -> None:
        bundle = world.app.extensions[KEY]
        person = people.person(Role.RECEIVING_OFFICER)
        with Session(bundle.engine) as session, session.begin():
            new = PersonInput("Lê An", person.email, (Role.AGENCY_OFFICER,))
            service.invite(session, bundle.vault, AGENCY, new, actor=ACTOR, now=bundle.clock.now())
        visitor = people.sign_in(Role.RECEIVING_OFFICER)
        for language in ("", "?lang=en"):
            page = visitor.get("/account" + language)
            inspect(page.text)
            assert 'id="offers"' in page.text
        with Session(bundle.engine) as session:
            (waiting,) = service.offers(session, person.account, now=bundle.clock.now())
        path = f"/account/role/{waiting.membership}"
        assert people.sign_in(Role.CLERK).post(path, {"answer": "yes"}).status_code == 422
        assert visitor.post(path, {"answer": "yes"}).status_code == 303
        assert 'id="offers"' not in visitor.get("/account").text
        with Session(bundle.engine) as session:
            held = sessions.roles_for(session, person.account, Method.PASSKEY, now=bundle.clock.now())
            assert {m.role for m in held} == {Role.RECEIVING_OFFICER, Role.AGENCY_OFFICER}

    def test_a_department_invites_at_a_page(self, world: World, people: People) -> None:
        officer = people.sign_in(Role.DEPARTMENT_OFFICER)
        path = f"/offices/{SCHOOL}/administrator"
        assert path in officer.get("/offices").text
        for language in ("", "?lang=en"):
            inspect(officer.get(path + language).text)
        form = {"admin_name": "Lò Thị Mai", "admin_email": "mai@truong.example"}
        assert officer.post(path, form).status_code == 403  # without the passkey
        wrong = officer.confirm(path, form | {"admin_email": "x"})
        assert (wrong.status_code, "Lò Thị Mai" in wrong.text) == (422, True)
        inspect(wrong.text)
        assert officer.confirm(path, form).status_code == 303
        stranger = people.sign_in(Role.DEPARTMENT_OFFICER, away=True)
        assert stranger.get(path).status_code == 404
        assert stranger.confirm(path, form).status_code == 404
