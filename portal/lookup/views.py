"""Pages of the look-up: the scanned code, the typed code, the comparison with a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, current_app, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.database import UNAVAILABLE
from portal.extensions import reading, resources, transaction
from portal.lookup import forms, service
from portal.lookup.scan import CACHE_SECONDS, answer_scan
from portal.lookup.service import CodeAnswer
from portal.web import answers, errors
from portal.web.i18n import gettext, language, link
from portal.web.pages import Pages
from portal.web.requests import Mistake, Rejection, require_multipart, wants_json
from verifier.errors import InvalidInput
from verifier.locator import Locator, canonical_path
from verifier.words import tone_word

lookup = Blueprint("lookup", __name__)

#: name, birth date (three), code and two cells for each of the subjects of a form
COMPARE_PARTS: Final = 80


@lookup.get("/V/<path:code>")
def scanned(code: str) -> AnyResponse:
    """The public answer to a code. Reads no session, sets no cookie; a malformed code meets no database."""
    bundle = resources()
    try:
        locator = Locator.parse(code)
    except InvalidInput:
        return _respelled(code) or _malformed()
    return answers.respond(answer_scan(bundle, locator, code), cache_seconds=CACHE_SECONDS)


@lookup.get("/v/<path:code>")
def lower_case(code: str) -> AnyResponse:
    """Links that somebody's software wrote in lower case."""
    return _respelled(code) or _malformed()


@lookup.post("/lookup")
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
        if not wants_json():
            return _led_to(pasted)
        with reading() as session:
            found = service.by_locator(session, bundle.vault, pasted, now=now)
    else:
        with _too_many_tries(), reading() as session:
            found = service.by_typed(session, bundle.vault, wanted.typed, wanted.birth, now=now)
        found = _counted(found, wanted.typed.record_id, now)
        if found.locator is not None and not wants_json():
            return _led_to(found.locator)
    response = answers.respond(_answer(found))
    if found.locator is not None:
        response.headers["Content-Location"] = f"/V/{found.locator}"
    return response


@lookup.get("/compare")
def compare_form() -> AnyResponse:
    """The form for comparing a paper with what was issued under its code."""
    locator = forms.read_locator(request.args.get("code", ""))
    if locator is None:
        return redirect(link("/", language()), 303)
    form = _paper_form(locator)
    if form is None:
        return _led_to(locator)
    return _page("compare.html", {**form, "values": {}, "errors": {}})


@lookup.post("/compare")
def compare() -> AnyResponse:
    """The blind match: one yes or no."""
    require_multipart(parts=COMPARE_PARTS)
    bundle = resources()
    now = bundle.clock.now()
    locator = forms.read_locator(request.form.get("code", ""))
    if locator is None:
        return answers.respond(_answer(service.malformed(now)))
    form = _paper_form(locator)
    if form is None:  # no such version: the answer of the code itself, which /V/ gives to everyone
        with reading() as session:
            return answers.respond(_answer(service.by_locator(session, bundle.vault, locator, now=now)))
    try:
        paper = forms.read_paper(request.form, form["record"].level, form["record"].grade)
    except forms.FormMistakes as refused:
        return _form_again("compare.html", "compare_form", refused.mistakes, form)
    with _too_many_tries(), reading() as session:
        found = service.compare(session, bundle.vault, locator, paper, now=now)
    found = _counted(found, locator.record_id, now)
    answer = _answer(found)
    if "values_differ" in found.verdict.reasons and not wants_json():
        # One mistyped cell gives this answer too, so what was typed stays in the form below it.
        tongue = language()
        said = answer.words(tongue)
        shown = {
            "said": said,
            "tone_word": tone_word(said.tone, tongue),
            "values": request.form,
            "errors": {},
        }
        return _page("compare.html", form | shown)
    return answers.respond(answer)


@contextmanager
def _too_many_tries() -> Iterator[None]:
    """429 with the time to wait; the same for every record id, known or not."""
    try:
        yield
    except service.TooManyTries as refused:
        raise Rejection(429, refused.code, retry_after=refused.retry_after) from None


def _counted(found: CodeAnswer, record_id: str, now: datetime) -> CodeAnswer:
    """The answer, once a wrong try is counted: the only thing here that writes. None without counting."""
    if not found.wrong_try:
        return found
    try:
        with _too_many_tries(), transaction() as session:
            service.count_wrong_try(session, record_id, now=now)
    except UNAVAILABLE as error:
        return service.unavailable(now, error)
    return found


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


def _paper_form(locator: Locator) -> dict[str, Any] | None:
    """What the comparison form needs; None when the code names no issued version."""
    bundle = resources()
    with reading() as session:
        found = service.by_locator(session, bundle.vault, locator, now=bundle.clock.now())
    if found.record is None or found.verdict.version is None or found.record.state.value == "recalled":
        return None
    rows = forms.cells(found.record.level, found.record.grade)
    return {
        "locator": str(locator),
        "record": found.record,
        "subjects": rows,
        "labels": [gettext(cell.label) for cell in max((row.cells for row in rows), key=len)],
        "here": f"/compare?code={locator}",
        "said": None,
    }


def _form_again(
    template: str, code: str, mistakes: tuple[Mistake, ...], context: Mapping[str, Any]
) -> Response:
    """The form once more, 422, with what was typed and every mistake at its field; a problem for programs."""
    if wants_json():
        return errors.rejected(Rejection(422, code, mistakes))
    messages = {m.field: gettext(m.message, **m.values) for m in mistakes}
    return _page(template, {**context, "values": request.form, "errors": messages}, 422)


def _page(template: str, context: Mapping[str, Any], status: int = 200) -> Response:
    pages: Pages = current_app.extensions["pages"]
    return pages.page(template, language(), context, status)
