"""Pages of the look-up: the scanned code, the typed code, the comparison with a paper."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, current_app, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.database import UNAVAILABLE
from portal.extensions import reading, resources, transaction
from portal.limits.table import MISS, WRONG_TRY
from portal.lookup import forms, service
from portal.lookup.scan import CACHE_SECONDS, answer_scan
from portal.lookup.service import CodeAnswer
from portal.results.keeping import PATH, address, keep, number_of
from portal.web import answers, errors, journal
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language, link, marked
from portal.web.limits import TooMany, admit, charge
from portal.web.pages import Pages
from portal.web.requests import RECEIPT, Mistake, Rejection, require_multipart, sent_fields, wants_json
from verifier.errors import InvalidInput
from verifier.locator import Locator, Typed, canonical_path, group
from verifier.words import Tone, Words, day, tone_word

lookup = Blueprint("lookup", __name__)

#: name, birth date (three), code and two cells for each of the subjects of a form
COMPARE_PARTS: Final = 80
#: Reasons behind which a typing mistake may stand, or which ask for more to be typed.
MENDED_IN_PLACE: Final = frozenset({"unknown_code", "version_not_named", "digest_mismatch"})


@lookup.get("/V/<path:code>")
@allowed(Access.CODE)
def scanned(code: str) -> AnyResponse:
    """The public answer to a code. Reads no session, sets no cookie; a malformed code meets no database."""
    bundle = resources()
    try:
        locator = Locator.parse(code)
    except InvalidInput:
        return _respelled(code) or _malformed()
    admit(MISS)
    answer = answer_scan(bundle, locator, code)
    if service.missed(answer.verdict):
        charge(MISS)
    return answers.respond(answer, cache_seconds=CACHE_SECONDS)


@lookup.post(PATH)
@allowed(Access.CODE, asks_only=True)
def keep_code() -> AnyResponse:
    """A number for the answer to a code, which is asked anew: reading a code writes nothing."""
    require_multipart()
    now = resources().clock.now()
    locator = forms.read_locator(request.form.get("code", ""))
    if locator is None:
        return answers.respond(_answer(service.malformed(now)), again=sent_fields())
    found = _by_locator(locator, now)
    number = keep(found.verdict, found.report) if _answer(found).keepable else None
    if number is None:
        return answers.respond(_answer(found), here=f"/V/{locator}", unkept=_answer(found).keepable)
    if wants_json():
        return answers.respond(_answer(found), number=number_of(number, now))
    return redirect(link(address(number), language()), 303)


@lookup.get("/v/<path:code>")
@allowed(Access.CODE)
def lower_case(code: str) -> AnyResponse:
    """Links that somebody's software wrote in lower case."""
    return _respelled(code) or _malformed()


@lookup.get("/lookup")
@allowed(Access.EVERYONE)
def lookup_page() -> Response:
    """The look-up form on a page of its own."""
    return _page("lookup.html", {"said": None, "values": {}, "errors": {}, "half": False})


@lookup.post("/lookup")
@allowed(Access.TYPED, asks_only=True)
def typed() -> AnyResponse:
    """A typed code with a birth date, or a pasted link."""
    require_multipart()
    bundle = resources()
    try:
        wanted = forms.read_lookup(request.form, bundle.hosts)
    except forms.FormMistakes as refused:
        return _form_again("lookup.html", "lookup_form", refused.mistakes, {})
    now = bundle.clock.now()
    if (pasted := wanted.typed.locator) is not None:
        return answer_locator(pasted)
    record_id, short = wanted.typed.record_id, wanted.typed.short_digest or ""
    receipt = service.receipt(bundle.vault, record_id, short, wanted.birth)
    try:
        admit(WRONG_TRY)
        ask = partial(service.by_typed, vault=bundle.vault, typed=wanted.typed, birth=wanted.birth, now=now)
        found = _tried(ask, record_id, receipt, now)
    except (service.TooManyTries, TooMany) as refused:
        return _paused("lookup.html", refused, {})
    if wants_json():
        return _named(found)
    if found.locator is not None:
        return _led_to(found.locator)
    if not MENDED_IN_PLACE.isdisjoint(found.verdict.reasons):
        return _form_below("lookup.html", found, receipt, {})
    return answers.respond(_answer(found), again=sent_fields())


@lookup.get("/compare")
@allowed(Access.CODE)
def compare_form() -> AnyResponse:
    """The form for comparing a paper with what was issued under its code."""
    locator = forms.read_locator(request.args.get("code", ""))
    if locator is None:
        return redirect(link("/", language()), 303)
    form = _paper_form(locator)
    if form is None:
        return _led_to(locator)
    here = {"here": f"/compare?code={locator}"}
    return _page("compare.html", {**form, **here, "said": None, "values": {}, "errors": {}})


@lookup.post("/compare")
@allowed(Access.TYPED, asks_only=True, parts=COMPARE_PARTS)
def compare() -> AnyResponse:
    """The blind match: one yes or no."""
    require_multipart()
    bundle = resources()
    now = bundle.clock.now()
    locator = forms.read_locator(request.form.get("code", ""))
    if locator is None:
        return answers.respond(_answer(service.malformed(now)), again=sent_fields())
    form = _paper_form(locator)
    if form is None:  # no such version: the answer of the code itself, which /V/ gives to everyone
        with reading() as session:
            found = service.by_locator(session, bundle.vault, locator, now=now)
        return answers.respond(_answer(found), here=f"/V/{locator}")
    try:
        paper = forms.read_paper(request.form, form["record"].level, form["record"].grade)
    except forms.FormMistakes as refused:
        return _form_again("compare.html", "compare_form", refused.mistakes, form)
    cells = (f"{name}={'|'.join(values)}" for name, values in sorted(paper.results.items()))
    receipt = service.receipt(bundle.vault, str(locator), paper.name, paper.birth, *cells)
    try:
        admit(WRONG_TRY)
        ask = partial(service.compare, vault=bundle.vault, locator=locator, paper=paper, now=now)
        found = _tried(ask, locator.record_id, receipt, now)
    except (service.TooManyTries, TooMany) as refused:
        return _paused("compare.html", refused, form)
    if "values_differ" in found.verdict.reasons and not wants_json():
        return _form_below("compare.html", found, receipt, form)
    answer = _answer(found)
    number = keep(found.verdict, found.report) if answer.compared else None
    if number is None:
        return answers.respond(answer, again=sent_fields(), unkept=answer.compared)
    return answers.respond(answer, here=address(number), number=number_of(number, now))


def answer_locator(locator: Locator) -> AnyResponse:
    """A code that names its version: people are led to where a scan of it is answered, programs are told."""
    if not wants_json():
        return _led_to(locator)
    return _named(_by_locator(locator, resources().clock.now()))


def ask_birth(typed: Typed) -> Response:
    """What a record id alone still needs, asked on a page of its own that keeps what was typed. The number of
    a result looks the same.
    """
    if wants_json():
        missing = Mistake("ngay", marked("Nhập ngày sinh của học sinh"))
        return errors.rejected(Rejection(422, "lookup_form", (missing,)))
    values = {"code": request.form.get("code", "")}
    kept = {"said": None, "values": values, "errors": {}, "again": sent_fields(), "half": True}
    number_path = None if typed.short_digest else link(address(typed.record_id), language())
    return _page("lookup.html", kept | {"number_path": number_path})


def respond_code(found: CodeAnswer) -> Response:
    """The answer to a text that was sent; in the other language the text is sent once more."""
    return answers.respond(_answer(found), again=sent_fields())


def _tried(ask: partial[CodeAnswer], record_id: str, receipt: str, now: datetime) -> CodeAnswer:
    """What ``ask`` answers, in a transaction of its own: a wrong try is counted with it, or nothing is
    answered. One that was answered before is not counted again. Counted by record and by client. Raises
    TooManyTries, TooMany.
    """
    charged = hmac.compare_digest(request.form.get(RECEIPT, "").encode(), receipt.encode())
    try:
        with reading() as session:
            service.refuse_tried_out(session, record_id, now=now)
        with transaction() as session:
            found = ask(session, charged=charged)
    except UNAVAILABLE as error:
        return service.unavailable(now, error)
    if found.tries_left is not None and not charged:
        charge(WRONG_TRY)
    return found


def _paused(template: str, refused: service.TooManyTries | TooMany, context: Mapping[str, Any]) -> Response:
    """429 with the time to wait, the same for every record id, known or not; what was typed stays."""
    if wants_json():
        return errors.rejected(Rejection(429, refused.code, retry_after=refused.retry_after))
    title, sentence, next_step = errors.said(429, refused.code, retry_after=refused.retry_after)
    kept = gettext("Những gì bạn đã nhập vẫn còn ở dưới.")
    said = Words(title, sentence, next_step, Tone.UNFINISHED, (kept,))
    response = _page(template, {**context, **_panel(said, said.sentence)}, 429)
    response.headers["Retry-After"] = str(refused.retry_after)
    return response


def _form_below(template: str, found: CodeAnswer, receipt: str, context: Mapping[str, Any]) -> Response:
    """An answer that a typing mistake gives as well: the form stays below it, with what was typed."""
    answer, tongue = _answer(found), language()
    journal.note(verdict=found.verdict.outcome.value)
    said = answer.words(tongue)
    if found.tries_left is not None:
        tries = gettext("Số lần thử còn lại trước khi tạm dừng: %(left)s.", left=found.tries_left)
        said = replace(said, further=(*said.further, tries))
    fields = [*sent_fields(), (RECEIPT, receipt)]
    return _page(template, {**context, **_panel(said, *answers.lead(answer, tongue)), "again": fields})


def _panel(said: Words, sentence: str, named: str = "", after: str = "") -> dict[str, Any]:
    """What a form's page needs for an answer above what was typed; the sentence as ``answers.lead`` cuts
    it.
    """
    return {
        "said": said,
        "sentence": sentence,
        "named": named,
        "after": after,
        "tone_word": tone_word(said.tone, language()),
        "values": request.form,
        "errors": {},
        "again": sent_fields(),
        "half": False,
    }


def _named(found: CodeAnswer) -> Response:
    """The answer for programs; with the address of the version where the code named one."""
    response = answers.respond(_answer(found))
    if found.locator is not None:
        response.headers["Content-Location"] = f"/V/{found.locator}"
    return response


def _led_to(locator: Locator) -> AnyResponse:
    """A typed code that names its version is answered where a scan of it is, and goes on from there."""
    return redirect(link(f"/V/{locator}", language()), 303)


def _respelled(code: str) -> AnyResponse | None:
    """A redirect to the one spelling, None for a code that has none."""
    canonical = canonical_path(code)
    return None if canonical is None else redirect(link(f"/V/{canonical}", language()), 301)


def _answer(found: CodeAnswer) -> answers.Answer:
    locator = None if found.locator is None else str(found.locator)
    return answers.Answer(found.verdict, found.report, found.record, locator=locator)


def _malformed() -> Response:
    """The answer to a code without a meaning: the same for everybody, from no database."""
    return answers.respond(_answer(service.malformed(resources().clock.now())), cache_seconds=CACHE_SECONDS)


def _by_locator(locator: Locator, now: datetime) -> CodeAnswer:
    """The answer to a full code, under the limits of a scan."""
    admit(MISS)
    with reading() as session:
        found = service.by_locator(session, resources().vault, locator, now=now)
    if service.missed(found.verdict):
        charge(MISS)
    return found


def _paper_form(locator: Locator) -> dict[str, Any] | None:
    """What the comparison form needs; None when the code names no issued version."""
    found = _by_locator(locator, resources().clock.now())
    if found.record is None or found.verdict.version is None or found.record.state.value == "recalled":
        return None
    rows = forms.cells(found.record.level, found.record.grade)
    return {
        "locator": str(locator),
        "grouped": group(locator.record_id),
        "short": locator.short_digest,
        "issued_on": day(found.record.issued_on, "vi"),  # as printed
        "record": found.record,
        "subjects": rows,
        "labels": [gettext(cell.label) for cell in max((row.cells for row in rows), key=len)],
    }


def _form_again(
    template: str, code: str, mistakes: tuple[Mistake, ...], context: Mapping[str, Any]
) -> Response:
    """The form once more, 422, with what was typed and every mistake at its field; a problem for programs."""
    if wants_json():
        return errors.rejected(Rejection(422, code, mistakes))
    messages = {m.field: gettext(m.message, **m.values) for m in mistakes}
    kept = {"said": None, "values": request.form, "errors": messages, "again": sent_fields(), "half": False}
    return _page(template, {**context, **kept}, 422)


def _page(template: str, context: Mapping[str, Any], status: int = 200) -> Response:
    pages: Pages = current_app.extensions["pages"]
    return pages.page(template, language(), context, status)
