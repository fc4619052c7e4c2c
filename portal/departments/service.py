"""A department's desk: schools and agencies, alarms, numbers. Every function takes the department's code and
reaches its own schools and agencies only (SEC-18).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.service import Invitation, Office, OfficeInput, PersonInput
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Told
from portal.departments.models import AlarmAnswer
from portal.errors import Refusal, marked
from portal.permissions import OrganisationKind, Role
from portal.registry.counts import Count, counts
from portal.trust import service as trust
from portal.trust import store
from portal.trust.service import ContactInput, SchoolInput
from portal.trust.store import SchoolFacts
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.words import VIETNAM

#: Alarms shown on one page.
PAGE: Final = 50
#: No trail has so many entries; a database takes no larger number.
MOST: Final = 2**53


class Finding(StrEnum):
    """What an alarm turned out to be."""

    KEY_STOLEN = "key_stolen"  # then the signer is suspended
    FORGED = "forged"  # a file made to deceive; the police decide
    NOT_REGISTERED = "not_registered"  # signed elsewhere, by mistake or outside the portal
    OUR_FAULT = "our_fault"  # a fault of the portal or of its data
    LAWFUL = "lawful"  # so many looks by a duty of law had their reason
    MISUSED = "misused"  # they had none


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of one of the department's schools or agencies, and what was found out."""

    told: Told
    school_name: str
    finding: Finding | None
    found_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownSchool:
    """A school of the department, with its accounts where it has any."""

    facts: SchoolFacts
    office: Office | None


# ------------------------------------------------------------------------------------- schools and agencies


def schools(session: Session, department: str, *, now: datetime) -> tuple[KnownSchool, ...]:
    """The department's schools that exist today, by name."""
    today = now.astimezone(VIETNAM).date()
    known = {office.code: office for office in accounts.offices(session, department_code=department)}
    found = [
        KnownSchool(facts, known.get(facts.code))
        for facts in store.list_schools(session)
        if facts.department_code == department
        and facts.valid_from <= today
        and (facts.valid_to is None or today <= facts.valid_to)
    ]
    return tuple(sorted(found, key=lambda each: (each.facts.name, each.facts.code)))


def agencies(session: Session, department: str) -> tuple[Office, ...]:
    """The agencies that the department let in, by name."""
    every = accounts.offices(session, department_code=department)
    return tuple(office for office in every if office.kind is OrganisationKind.AGENCY)


def let_school_in(
    session: Session,
    vault: Vault,
    department: str,
    school: SchoolInput | str,
    *,
    email: str,
    administrator: PersonInput,
    unread: Sequence[Problem] = (),
    actor: Actor,
    now: datetime,
) -> Invitation:
    """Give a school its accounts, beginning with an administrator's. ``school`` is the code of one that trust
    knows, or a new one, which trust then learns of; ``unread`` is what of it could not be read. Raises
    InvalidInput with everything that is wrong.
    """
    problems, today = list(unread), now.astimezone(VIETNAM).date()
    if isinstance(school, SchoolInput):
        code, name = school.code, school.name
        before = store.department_of(session, code)
        if before not in (None, department):
            other = marked("Mã này thuộc về, hoặc đã từng thuộc về, một trường của Sở khác.")
            problems.append(Problem("code", "other_department", other))
        if school.valid_from > today:
            early = marked("Ngày này chưa tới. Trường được cấp tài khoản từ ngày bắt đầu hoạt động.")
            problems.append(Problem("valid_from", "not_yet", early))
        try:
            trust.add_school(session, replace(school, department_code=department), actor=actor, now=now)
        except InvalidInput as error:
            problems += _of_contact(error.problems)
    else:
        facts = store.school_on(session, school, today)
        if facts is None or facts.department_code != department:
            unknown = marked("Sở này không có trường nào mang mã này.")
            problems.append(Problem("code", "unknown_school", unknown))
            code, name = school, ""
        else:
            code, name = facts.code, facts.name
    office = OfficeInput(OrganisationKind.SCHOOL, code, name, department, email)
    return _let_in(session, vault, office, administrator, problems, actor=actor, now=now)


def let_agency_in(
    session: Session,
    vault: Vault,
    department: str,
    agency: OfficeInput,
    *,
    administrator: PersonInput,
    actor: Actor,
    now: datetime,
) -> Invitation:
    """Give an agency its accounts, beginning with an administrator's. Raises InvalidInput."""
    office = replace(agency, kind=OrganisationKind.AGENCY, department_code=department)
    return _let_in(session, vault, office, administrator, [], actor=actor, now=now)


def close(session: Session, department: str, code: str, *, actor: Actor, now: datetime) -> None:
    """Close the accounts of a school or agency of the department. What a school issued stays as it is. Raises
    Refusal ``unknown_office``.
    """
    office = accounts.office(session, code)
    if office is None or office.department_code != department or office.code == department:
        raise Refusal("unknown_office", marked("Sở này không có đơn vị nào mang mã này."))
    accounts.close_office(session, code, actor=actor, now=now)


def invite_administrator(
    session: Session,
    vault: Vault,
    department: str,
    code: str,
    administrator: PersonInput,
    *,
    actor: Actor,
    now: datetime,
) -> Invitation:
    """Give a school or agency of the department that lost its administrator another one. Raises Refusal
    ``unknown_office``, InvalidInput.
    """
    open_office(session, department, code)
    try:
        return accounts.replace_administrator(
            session, vault, code, replace(administrator, roles=(Role.ADMINISTRATOR,)), actor=actor, now=now
        )
    except InvalidInput as error:
        raise InvalidInput(
            tuple(replace(problem, where=f"admin_{problem.where}") for problem in error.problems)
        ) from None


def open_office(session: Session, department: str, code: str) -> Office:
    """A school or agency of the department whose accounts are not closed. Raises Refusal
    ``unknown_office``.
    """
    office = accounts.office(session, code)
    if (
        office is None
        or office.department_code != department
        or office.code == department
        or office.closed_at is not None
    ):
        raise Refusal("unknown_office", marked("Sở này không có đơn vị nào mang mã này."))
    return office


def contacts(session: Session, department: str) -> Mapping[str, ContactInput]:
    """How each of the department's schools is reached by whoever checks its records, by code."""
    return store.listed_contacts(session, department)


def contact(
    session: Session, department: str, code: str, *, now: datetime
) -> tuple[SchoolFacts | None, ContactInput]:
    """A school of the department as it is today, with or without accounts, and how it is reached; no school
    for the department itself, which is named where a school is not. Raises Refusal ``unknown_office``.
    """
    today = now.astimezone(VIETNAM).date()
    school, own = store.school_on(session, code, today), code == department
    listed = store.listed_contact(session, code)
    if listed is None or not (own or (school and store.department_of(session, code) == department)):
        raise Refusal("unknown_office", marked("Sở này không có đơn vị nào mang mã này."))
    return (None if own else school), listed


def set_contact(
    session: Session, department: str, code: str, new: ContactInput, *, actor: Actor, now: datetime
) -> None:
    """Say how a school of the department, or the department itself, is reached from now on. Raises Refusal
    ``unknown_office``, InvalidInput.
    """
    contact(session, department, code, now=now)
    try:
        trust.set_contact(session, code, new, actor=actor, now=now)
    except InvalidInput as error:
        raise InvalidInput(tuple(_of_contact(error.problems))) from None


def _of_contact(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The register's problems, those of a contact under the names that its fields have beside others."""
    for problem in problems:
        of_contact = problem.where in ("phone", "email", "address")
        yield replace(problem, where=f"contact_{problem.where}") if of_contact else problem


def _let_in(
    session: Session,
    vault: Vault,
    office: OfficeInput,
    administrator: PersonInput,
    problems: list[Problem],
    *,
    actor: Actor,
    now: datetime,
) -> Invitation:
    """The organisation and its administrator, or everything that is wrong with both."""
    wrong = {problem.where for problem in problems}
    found = (p for p in accounts.office_problems(session, office, now) if p.where not in wrong)
    # A school that was not taken in for something else is unknown for no fault of its code.
    problems += (p for p in found if not (problems and p.code == "unknown_school"))
    person = replace(administrator, roles=(Role.ADMINISTRATOR,))
    mistakes = accounts.person_problems(person, OrganisationKind(office.kind), now)
    problems += (replace(problem, where=f"admin_{problem.where}") for problem in mistakes)
    if problems:
        raise InvalidInput(tuple(problems))
    accounts.open_office(session, office, actor=actor, now=now)
    return accounts.invite(session, vault, office.code, person, actor=actor, now=now)


# --------------------------------------------------------------------------------------------------- alarms


def alarms(
    session: Session, department: str, *, before: int | None = None, most: int = PAGE
) -> tuple[Alarm, ...]:
    """The newest alarms about the department's schools and agencies, newest first; see
    :func:`portal.audit.service.told` for ``before``. Schools that have ended are among them: their files are
    still checked.
    """
    names = _watched(session, department)
    entries = audit.told(session, Action.ALARM, names, before=before, most=most)
    numbers = [entry.number for entry in entries]
    answers = {
        row.number: row for row in session.scalars(select(AlarmAnswer).where(AlarmAnswer.number.in_(numbers)))
    }
    return tuple(
        Alarm(
            entry,
            names[entry.organisation or ""],
            Finding(answers[entry.number].finding) if entry.number in answers else None,
            answers[entry.number].at if entry.number in answers else None,
        )
        for entry in entries
    )


def answer_alarm(
    session: Session,
    department: str,
    number: int,
    finding: Finding,
    *,
    account: uuid.UUID,
    actor: Actor,
    now: datetime,
) -> None:
    """Keep what was found out about an alarm; a later finding takes the place of an earlier one, and the
    trail tells both. Raises Refusal ``unknown_alarm``.
    """
    before = min(number, MOST) + 1
    newest = audit.told(session, Action.ALARM, _watched(session, department), before=before, most=1)
    if not newest or newest[0].number != number:
        raise Refusal("unknown_alarm", marked("Không có cảnh báo này ở các trường của Sở."))
    kept = session.get(AlarmAnswer, number)
    if kept is None:
        session.add(AlarmAnswer(number=number, finding=finding, account_pk=account, at=now))
    else:
        kept.finding, kept.account_pk, kept.at = finding, account, now
    audit.record(
        session,
        Event(
            actor,
            Action.ALARM_ANSWERED,
            organisation=newest[0].organisation,
            details={"number": number, "reason": finding.value},
        ),
        now=now,
    )


# -------------------------------------------------------------------------------------------------- numbers


def statistics(session: Session, department: str, *, now: datetime) -> tuple[tuple[str, Count], ...]:
    """Name of the school and its count at the end of the last month, for each that may be counted
    (:mod:`portal.registry.counts`).
    """
    names = _names(session, department)
    return tuple((names[count.school_code], count) for count in counts(session, names, now=now))


def _watched(session: Session, department: str) -> Mapping[str, str]:
    """Code -> name of everybody whose alarms the department answers: whoever has accounts from it too."""
    offices = accounts.offices(session, department_code=department)
    return {**{office.code: office.name for office in offices}, **_names(session, department)}


def _names(session: Session, department: str) -> Mapping[str, str]:
    """Code -> newest name of every school the department ever had."""
    return {
        facts.code: facts.name for facts in store.list_schools(session) if facts.department_code == department
    }
