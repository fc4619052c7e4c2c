"""A department's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from flask import Blueprint, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from portal.consent.disclosing import LOOKS_ALARM
from portal.departments import service
from portal.departments.forms import (
    FINDING_NAMES,
    LEVEL_NAMES,
    SECTOR_NAMES,
    read_administrator,
    read_agency,
    read_contact,
    read_school,
    school_messages,
)
from portal.departments.service import Finding
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.permissions import Act
from portal.registry.counts import closing
from portal.trust.service import SchoolInput
from portal.web.access import Access, allowed
from portal.web.forms import messages, to
from portal.web.i18n import gettext, language, moment
from portal.web.sessions import own_office, page, viewer
from verifier.errors import InvalidInput, Problem
from verifier.record import Level
from verifier.words import VIETNAM, day

departments = Blueprint("departments", __name__)

OFFICES: Final = "/offices"
ALARMS: Final = "/alarms"
#: The last part of a form's address.
FORMS: Final = ("known-school", "school", "agency")


@departments.get(OFFICES)
@allowed(Access.ROLE, Act.ONBOARD)
def offices() -> Response:
    """Schools and agencies: who has accounts, and the forms to let one in."""
    return _offices({})


@departments.get("/offices/<form>")
@allowed(Access.ROLE, Act.ONBOARD)
def let_in(form: str) -> Response:
    """One of the three forms by which a school or an agency gets its accounts."""
    if form not in FORMS:
        abort(404)
    return _form(form, {}, {})


@departments.post("/offices/known-school")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors: _form("known-school", request.form, errors))
def let_known_school_in() -> AnyResponse:
    """A school that the register has."""
    return _let_in("known-school", request.form.get("code", ""))


@departments.post("/offices/school")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors: _form("school", request.form, errors))
def let_school_in() -> AnyResponse:
    """A school that is new to the register."""
    today = resources().clock.now().astimezone(VIETNAM).date()
    school, unread = read_school(request.form, request.form.getlist("levels"), own_office(), today=today)
    return _let_in("school", school, unread)


@departments.post("/offices/agency")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors: _form("agency", request.form, errors))
def let_agency_in() -> AnyResponse:
    """An agency."""
    bundle, me = resources(), viewer()
    try:
        with transaction() as session:
            service.let_agency_in(
                session,
                bundle.vault,
                own_office(),
                read_agency(request.form, own_office()),
                administrator=read_administrator(request.form),
                actor=me.actor,
                now=bundle.clock.now(),
            )
    except InvalidInput as mistakes:
        return _form("agency", request.form, school_messages(mistakes), 422)
    return to(OFFICES)


@departments.post("/offices/<code>/close")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors, code: _offices(errors))
def close(code: str) -> AnyResponse:
    """Close the accounts of a school or agency."""
    try:
        with transaction() as session:
            service.close(session, own_office(), code, actor=viewer().actor, now=resources().clock.now())
    except Refusal as refused:
        return _offices({"offices": gettext(refused.message)}, 422)
    return to(OFFICES)


@departments.get("/offices/<code>/administrator")
@allowed(Access.ROLE, Act.ONBOARD)
def new_administrator(code: str) -> Response:
    """The form by which an organisation that lost its administrator gets another one."""
    return _administrator(code, {}, {})


@departments.post("/offices/<code>/administrator")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors, code: _administrator(code, request.form, errors))
def invite_administrator(code: str) -> AnyResponse:
    """Invite them; those that there were are told."""
    bundle, me = resources(), viewer()
    try:
        with transaction() as session:
            service.invite_administrator(
                session,
                bundle.vault,
                own_office(),
                code,
                read_administrator(request.form),
                actor=me.actor,
                now=bundle.clock.now(),
            )
    except InvalidInput as mistakes:
        return _administrator(code, request.form, messages(mistakes), 422)
    except Refusal:
        abort(404)
    return to(OFFICES)


@departments.get("/offices/<code>/contact")
@allowed(Access.ROLE, Act.ONBOARD)
def contact(code: str) -> Response:
    """How a school, or the department, is reached by whoever checks a record; the form to change it."""
    return _contact(code, None, {})


@departments.post("/offices/<code>/contact")
@allowed(Access.ROLE, Act.ONBOARD, again=lambda errors, code: _contact(code, request.form, errors))
def set_contact(code: str) -> AnyResponse:
    """Change it."""
    now = resources().clock.now()
    try:
        with transaction() as session:
            service.set_contact(
                session, own_office(), code, read_contact(request.form), actor=viewer().actor, now=now
            )
    except InvalidInput as mistakes:
        return _contact(code, request.form, school_messages(mistakes), 422)
    except Refusal:
        abort(404)
    return to(OFFICES)


@departments.get(ALARMS)
@allowed(Access.ROLE, Act.SEE_ALARMS)
def alarms() -> Response:
    """Alarms about the department's schools, newest first."""
    return _alarms({})


@departments.post("/alarms/<int:number>")
@allowed(Access.ROLE, Act.SEE_ALARMS)
def answer_alarm(number: int) -> AnyResponse:
    """What was found out about one."""
    me = viewer()
    try:
        finding = Finding(request.form.get("finding", ""))
    except ValueError:
        return _alarms({f"finding{number}": gettext("Chọn điều đã tìm ra.")}, 422)
    try:
        with transaction() as session:
            service.answer_alarm(
                session,
                own_office(),
                number,
                finding,
                account=me.account,
                actor=me.actor,
                now=resources().clock.now(),
            )
    except Refusal as refused:
        return _alarms({"alarms": gettext(refused.message)}, 422)
    return to(ALARMS)


@departments.get("/statistics")
@allowed(Access.ROLE, Act.SEE_STATISTICS)
def statistics() -> Response:
    """Numbers of records, from which no pupil can be told."""
    now = resources().clock.now()
    with reading() as session:
        rows = service.statistics(session, own_office(), now=now)
    columns = zip(*((count.records, count.corrected, count.recalled) for _, count in rows), strict=True)
    # Nothing but hidden numbers adds up to nothing that could be said.
    totals = [None if set(column) <= {None, 0} and None in column else _sum(column) for column in columns]
    context = {"rows": [(name, count, gettext(LEVEL_NAMES[Level(count.level)])) for name, count in rows]}
    until = day(closing(now) - timedelta(days=1), language())
    return page("departments/statistics.html", {**context, "totals": totals, "until": until})


def _sum(column: tuple[int | None, ...]) -> int:
    return sum(number for number in column if number is not None)


def _let_in(form: str, school: SchoolInput | str, unread: Sequence[Problem] = ()) -> AnyResponse:
    bundle, me = resources(), viewer()
    try:
        with transaction() as session:
            service.let_school_in(
                session,
                bundle.vault,
                own_office(),
                school,
                email=request.form.get("email", ""),
                administrator=read_administrator(request.form),
                unread=unread,
                actor=me.actor,
                now=bundle.clock.now(),
            )
    except InvalidInput as mistakes:
        return _form(form, request.form, school_messages(mistakes), 422)
    return to(OFFICES)


def _offices(errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        schools = service.schools(session, own_office(), now=resources().clock.now())
        agencies = service.agencies(session, own_office())
        contacts = service.contacts(session, own_office())
    context = {
        "schools": [each for each in schools if each.office is not None],
        "without": [each.facts for each in schools if each.office is None],
        "agencies": agencies,
        "contacts": contacts,
        "own": own_office(),
        "errors": errors,
        "passkeys": True,
    }
    return page("departments/offices.html", context, status, here=OFFICES)


def _form(form: str, values: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    """One of :data:`FORMS`, as it was sent where it came back with mistakes."""
    with reading() as session:
        schools = service.schools(session, own_office(), now=resources().clock.now())
    context = {
        "form": form,
        "without": [each.facts for each in schools if each.office is None],
        "values": values,
        "errors": {field: gettext(message) for field, message in errors.items()},
        "levels": [(level.value, gettext(name)) for level, name in LEVEL_NAMES.items()],
        "sectors": [(sector, gettext(name)) for sector, name in SECTOR_NAMES.items()],
        "chosen": request.form.getlist("levels"),
        "passkeys": True,
    }
    return page("departments/let_in.html", context, status, here=f"{OFFICES}/{form}")


def _administrator(
    code: str, values: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    try:
        with reading() as session:
            office = service.open_office(session, own_office(), code)
    except Refusal:
        abort(404)
    context = {"office": office, "values": values, "errors": errors, "passkeys": True}
    here = f"{OFFICES}/{code}/administrator"
    return page("departments/administrator.html", context, status, here=here)


def _contact(
    code: str, values: Mapping[str, str] | None, errors: Mapping[str, str], status: int = 200
) -> Response:
    """The form with what was sent, or with what the register has."""
    try:
        with reading() as session:
            school, listed = service.contact(session, own_office(), code, now=resources().clock.now())
    except Refusal:
        abort(404)
    known = {f"contact_{name}": text for name, text in asdict(listed).items()}
    context = {
        "code": code,
        "name": viewer().organisation_name if school is None else school.name,
        "values": known if values is None else values,
        "errors": {field: gettext(message) for field, message in errors.items()},
        "passkeys": True,
    }
    return page("departments/contact.html", context, status, here=f"{OFFICES}/{code}/contact")


def _findings(verdict: str) -> list[tuple[str, str]]:
    """What an alarm may turn out to be: one of looks by duty of law, or one of a file."""
    of_looks = {Finding.LAWFUL, Finding.MISUSED, Finding.OUR_FAULT}
    possible = of_looks if verdict == LOOKS_ALARM else set(Finding) - of_looks | {Finding.OUR_FAULT}
    return [(each.value, gettext(name)) for each, name in FINDING_NAMES.items() if each in possible]


def _alarms(errors: Mapping[str, str], status: int = 200) -> Response:
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < service.MOST:
        abort(404)
    with reading() as session:
        found = service.alarms(session, own_office(), before=before)
    context = {
        "errors": errors,
        "alarms": [
            {
                "number": alarm.told.number,
                "school": alarm.school_name,
                "at": moment(alarm.told.at, language()),
                "verdict": alarm.told.details["verdict"],
                "file": alarm.told.details.get("file", ""),
                "object": alarm.told.object or "",
                "findings": _findings(alarm.told.details["verdict"]),
                "finding": None if alarm.finding is None else gettext(FINDING_NAMES[alarm.finding]),
                "found_at": None if alarm.found_at is None else moment(alarm.found_at, language()),
            }
            for alarm in found
        ],
        "older": found[-1].told.number if len(found) == service.PAGE else None,
    }
    return page("departments/alarms.html", context, status, here=ALARMS)
