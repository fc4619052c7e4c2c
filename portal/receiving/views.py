"""Pages of whoever receives: asking families, opening what they agreed to, looking by a duty of law."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, abort, current_app, request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts.notices import send
from portal.consent import disclosing, service
from portal.consent.disclosing import Disclosed
from portal.consent.forms import (
    STATES,
    capital,
    of_pair,
    preset_choices,
    said,
    sensitive_choices,
    wish_choices,
)
from portal.consent.parties import Staff, day_of, staff
from portal.consent.service import AskedState, Denied, State
from portal.extensions import reading, resources, transaction
from portal.permissions import Act
from portal.receiving import forms
from portal.receiving.opened import content_page
from portal.receiving.sharing import opened_by_code, show_again
from portal.web.access import Access, allowed
from portal.web.contents import fetched
from portal.web.forms import messages, to
from portal.web.i18n import gettext, language, marked, moment
from portal.web.sessions import page, viewer
from verifier.errors import InvalidInput

receiving = Blueprint("receiving", __name__)

RECEIVED: Final = "/received"
ASK: Final = "/received/ask"
CODE: Final = "/received/code"
STATUTORY: Final = "/statutory"
_AGAIN: Final = "/received/opened"
_MOST: Final = 50  # questions on a page
#: A file, the code and every sensitive part ticked.
_PARTS: Final = 30
_OVER: Final = marked(
    "Phần học bạ này không còn được xem. Gia đình đã rút lại, thời hạn đã hết, hoặc đã mở quá lâu."
)


# ------------------------------------------------------------------------------------------------- questions


@receiving.get(RECEIVED)
@allowed(Access.ROLE, Act.ASK_CONSENT)
def questions() -> Response:
    """What the organisation asked, and how each question stands."""
    first = request.args.get("from", "0")
    skip = int(first) if first.isdecimal() and len(first) < 7 else 0
    bundle = resources()
    with transaction() as session:
        found = service.of_organisation(
            session, bundle.vault, staff=_me(session), skip=skip, limit=_MOST + 1, now=bundle.clock.now()
        )
    if isinstance(found, Denied):
        abort(403)
    context = {
        "questions": [_line(each) for each in found[:_MOST]],
        "newer": max(0, skip - _MOST) if skip else None,
        "older": skip + _MOST if len(found) > _MOST else None,
    }
    return page("receiving/questions.html", context, here=RECEIVED)


@receiving.get(ASK)
@allowed(Access.ROLE, Act.ASK_CONSENT)
def ask_page() -> Response:
    """The form of a question. Nothing is chosen beforehand."""
    return _ask_page(MultiDict(), {})


@receiving.post(ASK)
@allowed(Access.ROLE, Act.ASK_CONSENT)
def ask() -> AnyResponse:
    """Ask a family for the record that was scanned; they are told, once. Leads to the question, also where it
    was open before.
    """
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    try:
        wanted = forms.read_question(form, bundle.hosts)
        with transaction() as session:
            asked = service.ask(
                session,
                bundle.vault,
                staff=_me(session),
                locator=wanted.locator,
                wish=wanted.wish,
                reference=wanted.reference,
                whole_level=wanted.whole_level,
                now=now,
            )
            send(session, bundle.vault, asked.notices, now=now)
    except InvalidInput as mistakes:
        return _ask_page(form, messages(mistakes), 422)
    if isinstance(asked, Denied):
        field = {"unknown_record": "code", "not_approved": "purpose"}.get(asked.code, "code")
        return _ask_page(form, {field: said(asked)}, 422)
    return to(f"{RECEIVED}/{asked.consent}")


@receiving.get("/received/<uuid:consent>")
@allowed(Access.ROLE, Act.OPEN_SHARED)
def one_question(consent: uuid.UUID) -> Response:
    """How one question stands. Content is opened by a form: looking here uses nothing up."""
    return _question_page(consent, {})


@receiving.post("/received/<uuid:consent>")
@allowed(Access.ROLE, Act.OPEN_SHARED)
def open_question(consent: uuid.UUID) -> Response:
    """What the family agreed to, for this organisation."""
    bundle = resources()
    now = bundle.clock.now()
    with fetched(), transaction() as session:
        found = disclosing.disclose(
            session, bundle.vault, bundle.files, consent=consent, staff=_me(session), now=now
        )
        send(session, bundle.vault, found.notices, now=now)
    if isinstance(found, Denied):
        return _question_page(consent, {"open": gettext(found.message)}, 422)
    return content_page(found, _who(), path=_AGAIN)


@receiving.post(_AGAIN)
@allowed(Access.ROLE, Act.OPEN_SHARED)
def opened_again() -> AnyResponse:
    """What is open once more: in the other language, or as a file."""
    with reading() as session:
        me = _me(session)
    again = show_again(staff=me, who=lambda _: _who(), path=_AGAIN)
    return again or page("receiving/over.html", {"sentence": gettext(_OVER)}, 422, here=RECEIVED)


@receiving.get(CODE)
@allowed(Access.ROLE, Act.OPEN_SHARED)
def code_page() -> Response:
    """The form for a family's share code."""
    return _code_page({}, {})


@receiving.post(CODE)
@allowed(Access.ROLE, Act.OPEN_SHARED)
def open_code() -> Response:
    """A share code, opened under one's own name."""
    with reading() as session:
        me = _me(session)
    found = opened_by_code(staff=me)
    if isinstance(found, Disclosed):
        return content_page(found, _who(), path=_AGAIN)
    return _code_page(request.form, found, 422)


def _line(each: AskedState) -> dict[str, Any]:
    tongue = language()
    return {
        "key": each.consent,
        "state": gettext(STATES[each.state]),
        "waiting": each.state is State.WAITING,
        "given": each.state is State.GIVEN,
        "once": each.once,
        "purpose": capital(of_pair(each.purpose.words)),
        "number": each.case_number,
        "reference": each.reference,
        "asked": moment(each.asked_at, tongue),
        "until": moment(each.until, tongue),
        "ended": None if each.ended_at is None else moment(each.ended_at, tongue),
    }


def _question_page(consent: uuid.UUID, errors: Mapping[str, str], status: int = 200) -> Response:
    bundle = resources()
    with transaction() as session:
        found = service.asked(session, bundle.vault, consent, staff=_me(session), now=bundle.clock.now())
    if isinstance(found, Denied):
        abort(404)
    context = {"errors": errors, "question": _line(found)}
    return page("receiving/question.html", context, status, here=f"{RECEIVED}/{consent}")


def _ask_page(values: MultiDict[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    with reading() as session:
        askable = service.askable(session, _me(session), day_of(resources().clock.now()))
    context = {
        "values": values,
        "chosen": values.to_dict(flat=False),
        "errors": errors,
        **wish_choices(askable),
    }
    return page("receiving/ask.html", context, status, here=ASK)


def _code_page(values: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    context = {"values": values, "errors": errors, "path": CODE, "own": True}
    return page("receiving/share.html", context, status, here=CODE)


# ---------------------------------------------------------------------------------------------- duties of law


@receiving.get(STATUTORY)
@allowed(Access.ROLE, Act.STATUTORY_ACCESS)
def statutory_page() -> Response:
    """The form of an access by law."""
    return _statutory_page(MultiDict(), {})


@receiving.post(STATUTORY)
@allowed(
    Access.ROLE,
    Act.STATUTORY_ACCESS,
    parts=_PARTS,
    again=lambda errors: _statutory_page(request.form, errors),
)
def statutory() -> Response:
    """One look by a duty of law, at the record that the organisation holds, confirmed with a passkey; the
    holders are told.
    """
    bundle, form = resources(), request.form
    now = bundle.clock.now()
    file = _file_sha256()
    try:
        claim = forms.read_claim(form, bundle.hosts, file=file is not None)
        with fetched(), transaction() as session:
            found = disclosing.statutory_access(
                session,
                bundle.vault,
                staff=_me(session),
                duty=claim.duty,
                reference=claim.reference,
                preset=claim.preset,
                sensitive=claim.sensitive,
                locator=claim.locator,
                file=file,
                now=now,
            )
            send(session, bundle.vault, found.notices, now=now)
    except InvalidInput as mistakes:
        return _statutory_page(form, messages(mistakes), 422)
    if isinstance(found, Denied):
        field = {"wrong_duty": "duty"}.get(found.code, "code")
        return _statutory_page(form, {field: gettext(found.message)}, 422)
    return content_page(found, _who(), path=STATUTORY)


def _file_sha256() -> str | None:
    """Of the file that was sent, None without one. Nothing of it is kept."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return None
    limit: int = current_app.config["MAX_FILE_BYTES"]
    return hashlib.sha256(sent.stream.read(limit + 1)).hexdigest()


def _statutory_page(values: MultiDict[str, str], errors: Mapping[str, str], status: int = 200) -> Response:
    kind = viewer().organisation_kind
    context = {
        "values": values,
        "chosen": values.to_dict(flat=False),
        "errors": errors,
        "duties": [] if kind is None else forms.duties(kind),
        "presets": preset_choices(),
        "sensitive": sensitive_choices(),
        "passkeys": True,
    }
    return page("receiving/statutory.html", context, status, here=STATUTORY)


# -------------------------------------------------------------------------------------------------- in common


def _me(session: Session) -> Staff:
    """The viewer as the services take them."""
    me = viewer()
    return staff(session, me.account, me.role, me.organisation)


def _who() -> str:
    me = viewer()
    return f"{me.organisation_name} – {me.name}"
