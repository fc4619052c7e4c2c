"""A department lets schools and agencies in, looks after alarms and counts; and only its own."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.models import Membership
from portal.accounts.service import OfficeInput, PersonInput
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.departments import service
from portal.departments.service import Finding
from portal.errors import Refusal
from portal.permissions import OrganisationKind, Role
from portal.registry.counts import LEAST, Count, closing, counts, shown
from portal.registry.models import Record, RecordVersion
from portal.trust import service as trust
from portal.trust import store
from portal.trust.service import SchoolInput
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.audit.reading import entries
from verifier.errors import InvalidInput

WHO: dict[str, Any] = {"actor": ACTOR, "now": NOW}
OFFICER = uuid.UUID(int=7)
SCHOOL = SchoolInput(
    code="001234",
    name="Trường Tiểu học Kim Đồng",
    department_code="91",
    levels=("TIEU_HOC",),
    commune="Phường Rạch Giá",
    province="An Giang",
    sector="cong_lap",
    valid_from=date(2020, 8, 1),
)
ADMIN = PersonInput("Lò Thị Mai", "mai@kimdong.edu.vn", ())
AGENCY = OfficeInput(OrganisationKind.AGENCY, "XA-01", "Ủy ban nhân dân xã Hòn Đất", "91")


@pytest.fixture
def session(session: Session) -> Session:
    """Two departments, a school each."""
    for code in ("91", "79"):
        trust.add_department(session, code, f"Sở {code}", "An Giang", **WHO)
    trust.add_school(session, SCHOOL, **WHO)
    trust.add_school(session, replace(SCHOOL, code="005678", department_code="79"), **WHO)
    return session


def wrong(mistakes: pytest.ExceptionInfo[InvalidInput]) -> set[tuple[str, str]]:
    return {(problem.where, problem.code) for problem in mistakes.value.problems}


def let_in(session: Session, vault: Vault, school: SchoolInput | str, **changes: Any) -> None:
    given: dict[str, Any] = {"email": "", "administrator": ADMIN} | WHO | changes
    service.let_school_in(session, vault, "91", school, **given)


def test_a_known_school_gets_its_accounts(session: Session, vault: Vault) -> None:
    assert [each.office for each in service.schools(session, "91", now=NOW)] == [None]
    let_in(session, vault, "001234")
    (known,) = service.schools(session, "91", now=NOW)
    assert known.office is not None
    assert known.office.name == SCHOOL.name
    (member,) = accounts.members(session, vault, "001234")
    assert (member.name, member.email) == (ADMIN.name, ADMIN.email)
    assert [role for _, role, _, _ in member.roles] == [Role.ADMINISTRATOR]
    changes = [e["details"]["change"] for e in entries(session, "account_change")]
    assert changes == ["office_opened", "made", "role_given"]


def test_a_new_school_enters_the_register_with_its_accounts(session: Session, vault: Vault) -> None:
    new = replace(SCHOOL, code="009999", name="Trường THCS Ba Hòn", levels=("THCS",), department_code="79")
    let_in(session, vault, new)
    found = {each.facts.code: each for each in service.schools(session, "91", now=NOW)}
    assert found["009999"].office is not None
    assert found["009999"].facts.department_code == "91"  # whatever the form says, the own department


def test_every_mistake_is_said_at_once(session: Session, vault: Vault) -> None:
    new = replace(SCHOOL, code="0 1", name="", levels=())
    with pytest.raises(InvalidInput) as mistakes:
        let_in(session, vault, new, email="x", administrator=PersonInput("", "y", ()))
    assert {where for where, _ in wrong(mistakes)} == {
        "code",
        "name",
        "levels",
        "email",
        "admin_name",
        "admin_email",
    }


def test_another_departments_school_is_not_let_in(session: Session, vault: Vault) -> None:
    """SEC-18."""
    with pytest.raises(InvalidInput) as mistakes:
        let_in(session, vault, "005678")
    assert ("code", "unknown_school") in wrong(mistakes)
    assert accounts.office(session, "005678") is None


def test_a_code_that_was_another_departments_stays_there(session: Session, vault: Vault) -> None:
    """SEC-18: with the code come the records, alarms and signers of before."""
    trust.close_school(session, "005678", date(2026, 9, 30), None, **WHO)
    with pytest.raises(InvalidInput) as mistakes:
        let_in(session, vault, replace(SCHOOL, code="005678", valid_from=date(2026, 10, 1)))
    assert wrong(mistakes) == {("code", "other_department")}


def test_an_agency(session: Session, vault: Vault) -> None:
    service.let_agency_in(session, vault, "91", AGENCY, administrator=ADMIN, **WHO)
    (agency,) = service.agencies(session, "91")
    assert agency.code == "XA-01"
    assert service.agencies(session, "79") == ()
    with pytest.raises(InvalidInput) as mistakes:
        service.let_agency_in(session, vault, "91", AGENCY, administrator=ADMIN, **WHO)
    assert wrong(mistakes) == {("code", "exists")}


def test_closing_reaches_the_own_offices_alone(session: Session, vault: Vault) -> None:
    """SEC-18."""
    let_in(session, vault, "001234")
    for department, code in (("79", "001234"), ("91", "không-có")):
        with pytest.raises(Refusal) as refused:
            service.close(session, department, code, **WHO)
        assert refused.value.code == "unknown_office"
    service.close(session, "91", "001234", **WHO)
    (known,) = service.schools(session, "91", now=NOW)
    assert known.office is not None
    assert known.office.closed_at == NOW
    assert session.scalars(select(Membership)).one().ended_at is None  # the role stands, its office does not


# --------------------------------------------------------------------------------------------------- alarms


def alarm(session: Session, school: str, minute: int) -> int:
    event = Event(
        Actor.system("uploads"),
        Action.ALARM,
        Object("certificate", "ab" * 32),
        organisation=school,
        details={"verdict": "SEAL_VALID_NOT_REGISTERED", "file": f"{minute:064x}"},
    )
    audit.record(session, event, now=NOW + timedelta(minutes=minute))
    return audit.head(session)[0]


@pytest.fixture
def officer(session: Session, vault: Vault) -> uuid.UUID:
    accounts.open_office(session, OfficeInput(OrganisationKind.DEPARTMENT, "91", "Sở 91", "91"), **WHO)
    person = PersonInput("Nguyễn An", "an@so.gov.vn", (Role.DEPARTMENT_OFFICER,))
    return accounts.invite(session, vault, "91", person, **WHO).account


def test_alarms_newest_first_and_only_the_own(session: Session) -> None:
    """SEC-18, SEC-30."""
    numbers = [alarm(session, "001234", minute) for minute in range(3)]
    alarm(session, "005678", 9)
    found = service.alarms(session, "91")
    assert [each.told.number for each in found] == numbers[::-1]
    assert {each.school_name for each in found} == {SCHOOL.name}
    assert [a.told.number for a in service.alarms(session, "91", before=numbers[2], most=1)] == [numbers[1]]


def test_what_was_found_out_is_kept_and_told(session: Session, officer: uuid.UUID) -> None:
    number = alarm(session, "001234", 0)
    for finding in (Finding.FORGED, Finding.KEY_STOLEN):
        service.answer_alarm(session, "91", number, finding, account=officer, **WHO)
    (known,) = service.alarms(session, "91")
    assert (known.finding, known.found_at) == (Finding.KEY_STOLEN, NOW)
    told = [entry["details"] for entry in entries(session, "alarm_answered")]
    assert told == [{"number": number, "reason": reason} for reason in ("forged", "key_stolen")]


@pytest.mark.parametrize("aside", [-1, 0, 1, 1000])
def test_no_other_entry_is_answered(session: Session, officer: uuid.UUID, aside: int) -> None:
    """SEC-18: another department's alarm, an entry that is none, a number that does not exist."""
    other = alarm(session, "005678", 0)
    alarm(session, "001234", 1)
    number = other + aside if aside != 1 else other - 2
    with pytest.raises(Refusal) as refused:
        service.answer_alarm(session, "91", number, Finding.FORGED, account=officer, **WHO)
    assert refused.value.code == "unknown_alarm"


# -------------------------------------------------------------------------------------------------- numbers


#: A month after :data:`NOW`, when what was entered then is told.
LATER = closing(NOW + timedelta(days=31))


def enter(session: Session, school: str, states: tuple[str, ...], *, at: datetime = NOW) -> None:
    """A record whose versions have these states; its content is of no matter here."""
    key = uuid.uuid4()
    session.add(
        Record(
            id=key,
            record_id=key.hex[:17],
            school_code=school,
            pupil_index=key.hex * 2,
            level="TIEU_HOC",
            scheme="TT27",
            grade=3,
            year="2025-2026",
            wrapped_key=b"",
            created_at=at,
        )
    )
    session.flush()
    for number, state in enumerate(states, start=1):
        session.add(
            RecordVersion(
                record_pk=key,
                version=number,
                digest=uuid.uuid4().bytes * 2,
                header="",
                disclosures_sealed=b"",
                public_sealed=b"",
                school_name="",
                roles="",
                issued_on=NOW.date(),
                registered_at=at,
                state=state,
                superseded_at=at if state == "superseded" else None,
                recalled_at=at if state == "recalled" else None,
            )
        )
    session.flush()


def test_small_numbers_are_hidden(session: Session) -> None:
    for _ in range(6):
        enter(session, "001234", ("current",))
    for _ in range(5):
        enter(session, "001234", ("superseded", "current"))
    for _ in range(4):
        enter(session, "001234", ("recalled",))
    enter(session, "005678", ("current",))
    assert counts(session, ["001234"], now=LATER) == (Count("001234", "2025-2026", "TIEU_HOC", 15, 5, None),)
    assert [(name, c.records) for name, c in service.statistics(session, "79", now=LATER)] == [
        (SCHOOL.name, None)
    ]
    assert service.statistics(session, "91", now=LATER)[0][1].records == 15
    assert counts(session, [], now=LATER) == ()


@given(st.integers(0, 10**6))
def test_none_stands_for_a_handful_alone(number: int) -> None:
    assert (shown(number) is None) == (1 <= number < LEAST)
    assert (shown(number) or 0) % LEAST == 0


def test_a_part_that_leaves_a_handful_is_hidden(session: Session) -> None:
    """Twelve records, ten of them corrected: two were not."""
    for number in range(12):
        enter(session, "001234", ("superseded", "current") if number < 10 else ("current",))
    assert counts(session, ["001234"], now=LATER) == (Count("001234", "2025-2026", "TIEU_HOC", 10, None, 0),)


def test_schools_that_ended_are_still_looked_after(session: Session) -> None:
    """Their files are still checked, so their alarms still come; but nobody lets them in any more."""
    trust.close_school(session, "001234", date(2026, 9, 30), None, **WHO)
    alarm(session, "001234", 0)
    assert service.schools(session, "91", now=NOW) == ()
    assert len(service.alarms(session, "91")) == 1
    assert store.list_schools(session)


def test_two_days_cannot_be_subtracted(session: Session) -> None:
    """Twenty records; then one a day, and one of them recalled. Nothing moves within the month, and at its
    end a single issue or recall does not show.
    """
    for _ in range(20):
        enter(session, "001234", ("current",))
    before = counts(session, ["001234"], now=LATER)
    assert before == (Count("001234", "2025-2026", "TIEU_HOC", 20, 0, 0),)
    for days in range(1, 4):
        enter(session, "001234", ("current",), at=LATER + timedelta(days=days))
        assert counts(session, ["001234"], now=LATER + timedelta(days=days, hours=1)) == before
    following = closing(LATER + timedelta(days=40))
    assert counts(session, ["001234"], now=following) == before
    recalled = session.scalars(select(RecordVersion).filter_by(registered_at=NOW).limit(1)).one()
    recalled.recalled_at = LATER
    assert counts(session, ["001234"], now=LATER) == before
    assert counts(session, ["001234"], now=following)[0].recalled is None
