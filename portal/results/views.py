"""The page of a kept result, for everyone who has its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.extensions import reading, resources
from portal.limits.table import MISS
from portal.results import service
from portal.results.form import UnreadableResult
from portal.results.keeping import PATH, address
from portal.web import answers
from portal.web.access import Access, allowed
from portal.web.answers import Answer, Number
from portal.web.i18n import gettext, language, link, marked
from portal.web.limits import admit, charge
from portal.web.pages import Pages
from portal.web.requests import Rejection
from verifier.errors import InvalidInput
from verifier.locator import parse_record_id, read_typed

results = Blueprint("results", __name__)

_MISTAKE: Final = marked("Số kết quả gồm 17 chữ và số. Hãy so lại với số đã ghi hay đã in")


@dataclass(frozen=True, slots=True)
class Opened:
    """A kept result, as it may be shown now: what was answered, what stands today (None: nothing more can be
    said than then), its number, and the moment.
    """

    then: Answer
    today: Answer | None
    number: Number
    now: datetime


@results.get(PATH)
@allowed(Access.EVERYONE)
def asked() -> AnyResponse:
    """The address that stands beside every number: where whoever has one on paper types it. Read as a typed
    code is; asks nobody whether there is such a result.
    """
    text = request.args.get("so")
    if text is not None:
        try:
            typed = read_typed(text, resources().hosts)
        except InvalidInput:
            typed = None
        if typed is not None and typed.short_digest is None:
            return redirect(link(address(typed.record_id), language()), 303)
    mistakes = {} if text is None else {"so": gettext(_MISTAKE)}
    pages: Pages = current_app.extensions["pages"]
    # The other language keeps what was typed.
    here = PATH if text is None else f"{PATH}?{urlencode({'so': text})}"
    context = {"errors": mistakes, "values": {"so": text or ""}, "here": here, "english": language() == "en"}
    return pages.page("number.html", language(), context, 422 if mistakes else 200)


@results.get(f"{PATH}/<number>")
@allowed(Access.RESULT)
def shown(number: str) -> AnyResponse:
    """What a check answered, after what stands today where that is something else. Reads no session."""
    plain = _plain(number)
    if plain != number and _is_number(plain):
        return redirect(link(address(plain), language()), 301)
    opened = open_result(number)
    return answers.respond_kept(opened.then, opened.today, opened.number, opened.now)


def open_result(number: str) -> Opened:
    """The result with this number, in any of its spellings, under the limits of this request; 404 where there
    is none, 410 where what was kept cannot be read. A malformed number meets no database.
    """
    number = _plain(number)
    if not _is_number(number):
        raise Rejection(404, "no_such_result")
    bundle = resources()
    now = bundle.clock.now()
    admit(MISS)
    with reading() as session:
        try:
            kept = service.find(session, bundle.vault, number, now=now)
        except UnreadableResult:
            raise Rejection(410, "result_unreadable") from None
        state = None if kept is None else service.today(session, bundle.vault, kept, now=now)
    if kept is None or state is None:
        charge(MISS)
        raise Rejection(404, "no_such_result")
    then = Answer(kept.verdict, kept.report, state.record, strange=kept.strange, kept=True)
    today = None if state.verdict is None else Answer(state.verdict, kept.report, state.record, kept=True)
    return Opened(then, today, Number(number, kept.expires_at), now)


def _plain(number: str) -> str:
    """As it stands in addresses; on paper it is written in groups."""
    return number.replace("-", "").upper()


def _is_number(text: str) -> bool:
    """The alphabet and the check character of record ids: most slips end here."""
    try:
        parse_record_id(text)
    except InvalidInput:
        return False
    return True
