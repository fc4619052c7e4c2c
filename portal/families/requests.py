"""Requests of the data subject, from both sides: a holder asks and sees by when the law wants an answer; the
school's office has a queue by due date and answers (NĐ 356/2025 Đ.5).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts.models import Account
from portal.accounts.notices import send
from portal.accounts.people import open_name
from portal.consent import requests as service
from portal.consent.models import RequestKind
from portal.consent.parties import Staff, day_of, staff
from portal.consent.requests import Ticket
from portal.consent.service import Denied
from portal.extensions import resources, transaction
from portal.families.forms import REQUEST_KINDS, REQUEST_MATTERS, read_answer, read_request
from portal.families.linked import acting, granted, name_of
from portal.permissions import Act
from portal.registry import learners
from portal.web.access import Access, allowed
from portal.web.forms import messages, to
from portal.web.i18n import gettext, language, moment
from portal.web.sessions import own_office, page, viewer
from verifier.errors import InvalidInput
from verifier.words import day

subject_requests = Blueprint("subject_requests", __name__)

QUEUE: Final = "/requests"


def address(key: uuid.UUID) -> str:
    """Where a holder's requests about the pupil of a link stand."""
    return f"/family/{key}/requests"


# ------------------------------------------------------------------------------------------------- the holder


@subject_requests.get("/family/<uuid:key>/requests")
@allowed(Access.ROLE, Act.MAKE_REQUESTS)
def own(key: uuid.UUID) -> Response:
    """The holder's own requests about one pupil, with what was answered and what is still due."""
    bundle = resources()
    now = bundle.clock.now()
    with acting(key, Act.MAKE_REQUESTS) as (session, link):
        found = service.of_holder(
            session, bundle.vault, account=viewer().account, pupil=link.pupil_index, now=now
        )
        name = name_of(session, link)
    context = {"key": key, "name": name, "requests": [_shown(each, now) for each in found]}
    return page("families/requests.html", context, here=address(key))


@subject_requests.get("/family/<uuid:key>/requests/new")
@allowed(Access.ROLE, Act.MAKE_REQUESTS)
def new(key: uuid.UUID) -> Response:
    """What may be asked for, what happens then, and by when."""
    return _new_page(key, {}, {})


@subject_requests.post("/family/<uuid:key>/requests/new")
@allowed(Access.ROLE, Act.MAKE_REQUESTS)
def make(key: uuid.UUID) -> AnyResponse:
    """Ask."""
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        kind, matter, text = read_request(form)
    except InvalidInput as mistakes:
        return _new_page(key, form, messages(mistakes), 422)
    with acting(key, Act.MAKE_REQUESTS) as (session, link):
        made = service.make(
            session,
            bundle.vault,
            account=viewer().account,
            pupil=link.pupil_index,
            kind=kind,
            matter=matter,
            text=text,
            now=now,
        )
    if isinstance(made, Denied) and made.code == "too_many_open":
        return _new_page(key, form, {"text": gettext(made.message)}, 422)
    granted(made)
    return to(address(key))


def _new_page(
    key: uuid.UUID, values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200
) -> Response:
    today = day_of(resources().clock.now())
    with acting(key, Act.MAKE_REQUESTS) as (session, link):
        name = name_of(session, link)
    context = {
        "key": key,
        "name": name,
        "values": values,
        "errors": errors,
        "kinds": [(kind.value, gettext(title), _then(kind, today)) for kind, (title, _) in _KINDS],
        "matters": [(matter.value, gettext(words), "") for matter, words in REQUEST_MATTERS.items()],
    }
    return page("families/request_new.html", context, status, here=f"{address(key)}/new")


_KINDS: Final = tuple(REQUEST_KINDS.items())


def _then(kind: RequestKind, today: date) -> str:
    """What happens after a request of this kind, and by when."""
    _, answer_by = service.deadlines(kind, today)
    due = gettext("Nếu gửi hôm nay, trường trả lời chậm nhất ngày %(day)s.", day=day(answer_by, language()))
    return f"{gettext(REQUEST_KINDS[kind][1])} {due}"


# ------------------------------------------------------------------------------------------------- the school


@subject_requests.get(QUEUE)
@allowed(Access.ROLE, Act.ANSWER_REQUESTS)
def queue() -> Response:
    """What waits at the school, by the day on which something is due; then what was answered."""
    bundle, now = resources(), resources().clock.now()
    with transaction() as session:
        found = service.of_school(session, bundle.vault, staff=_me(session), now=now)
        lines = () if isinstance(found, Denied) else tuple(_at_school(session, each, now) for each in found)
    granted(found)
    context = {
        "waiting": [line for line in lines if not line["answered_at"]],
        "answered": [line for line in lines if line["answered_at"]],
        "late": sum(line["late"] for line in lines),
        "shown": service.ANSWERED_SHOWN,
    }
    return page("families/request_queue.html", context, here=QUEUE)


@subject_requests.get("/requests/<uuid:key>")
@allowed(Access.ROLE, Act.ANSWER_REQUESTS)
def one(key: uuid.UUID) -> Response:
    """One request with its text, and what the office may do with it."""
    return _one(key, {}, {})


@subject_requests.post("/requests/<uuid:key>/acknowledge")
@allowed(Access.ROLE, Act.ANSWER_REQUESTS)
def acknowledge(key: uuid.UUID) -> AnyResponse:
    """Say that the school has it."""
    return _do(
        key,
        lambda session, me, now: service.acknowledge(
            session, resources().vault, staff=me, request=key, now=now
        ),
    )


@subject_requests.post("/requests/<uuid:key>/extend")
@allowed(Access.ROLE, Act.ANSWER_REQUESTS)
def extend(key: uuid.UUID) -> AnyResponse:
    """Take the one extension."""
    return _do(
        key,
        lambda session, me, now: service.extend(session, resources().vault, staff=me, request=key, now=now),
    )


@subject_requests.post("/requests/<uuid:key>/answer")
@allowed(Access.ROLE, Act.ANSWER_REQUESTS)
def answer(key: uuid.UUID) -> AnyResponse:
    """Grant it or not, in words."""
    try:
        yes, text = read_answer(request.form)
    except InvalidInput as mistakes:
        return _one(key, request.form, messages(mistakes), 422)
    return _do(
        key,
        lambda session, me, now: service.answer(
            session, resources().vault, staff=me, request=key, granted=yes, text=text, now=now
        ),
    )


def _do(key: uuid.UUID, act: Callable[[Session, Staff, datetime], Ticket | Denied]) -> AnyResponse:
    """One step of a request; the holder is told of it."""
    bundle = resources()
    now = bundle.clock.now()
    with transaction() as session:
        done = act(session, _me(session), now)
        if isinstance(done, Ticket):
            send(session, bundle.vault, done.notices, now=now)
    if isinstance(done, Denied) and done.code in ("answered", "extended"):
        return _one(key, request.form, {"steps": gettext(done.message)}, 422)
    granted(done)
    return to(f"{QUEUE}/{key}")


def _one(key: uuid.UUID, values: Mapping[str, Any], errors: Mapping[str, str], status: int = 200) -> Response:
    bundle, now = resources(), resources().clock.now()
    with transaction() as session:
        found = service.at_school(session, bundle.vault, staff=_me(session), request=key, now=now)
        line = {} if isinstance(found, Denied) else _at_school(session, found, now)
    ticket = granted(found)
    _, longer = service.deadlines(ticket.kind, ticket.answer_by)
    context = {
        "each": line,
        "values": values,
        "errors": errors,
        "longer": day(longer, language()),
        "verdicts": [
            ("yes", gettext("Làm theo yêu cầu"), ""),
            ("no", gettext("Không làm theo yêu cầu"), gettext("Nêu rõ lý do để gia đình hiểu.")),
        ],
    }
    return page("families/request.html", context, status, here=f"{QUEUE}/{key}")


def _at_school(session: Session, ticket: Ticket, now: datetime) -> dict[str, Any]:
    """A request with who asked and about whom, for the office of the pupil's own school."""
    vault = resources().vault
    pupil = learners.pupil_of(session, vault, own_office(), ticket.pupil)
    return {
        **_shown(ticket, now),
        "asked_by": open_name(vault, session.get_one(Account, ticket.account)),
        "pupil": "" if pupil is None else pupil.name,
        "index": ticket.pupil,
    }


def _shown(ticket: Ticket, now: datetime) -> dict[str, Any]:
    """A request in words; ``overdue`` is how many days it is late."""
    tongue = language()
    title, _ = REQUEST_KINDS[ticket.kind]
    return {
        "request": ticket.request,
        "title": gettext(title),
        "matter": gettext(REQUEST_MATTERS[ticket.matter]),
        "text": ticket.text,
        "made_at": moment(ticket.made_at, tongue),
        "acknowledge_by": day(ticket.acknowledge_by, tongue),
        "answer_by": day(ticket.answer_by, tongue),
        "acknowledged_at": None if ticket.acknowledged_at is None else moment(ticket.acknowledged_at, tongue),
        "extended": ticket.extended,
        "answered_at": None if ticket.answered_at is None else moment(ticket.answered_at, tongue),
        "granted": ticket.granted,
        "ground": None if ticket.ground is None else gettext(ticket.ground),
        "answer": ticket.answer,
        "late": ticket.late,
        "overdue": (day_of(now) - ticket.due).days,
        "due": day(ticket.due, tongue),
    }


def _me(session: Session) -> Staff:
    me = viewer()
    return staff(session, me.account, me.role, me.organisation)
