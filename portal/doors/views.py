"""The one box: a file, a photo, a typed code, a pasted link or a keyboard scanner's burst.

``POST /kiem-tra`` is what the box sends to, ``POST /check`` the same under the address that programs use. One
thing is checked at a time: nothing, or two things at once, are said at their fields and never guessed at.

A script that sends a file by itself says so with the header ``X-Upload: 1``. Where the answer has an address
of its own it then gets 204 and ``X-Next: <path>``; about a file the same page as everybody, with its number's
address as ``Content-Location``; for a picture that it made smaller (field ``shrunk``) and in which no code is
seen 204 and ``X-Again: original``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from flask import Blueprint, Response, current_app, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.doors.texts import Given, Kind, read_text
from portal.extensions import reading, resources
from portal.lookup import service as lookup
from portal.lookup.forms import CODE_MISTAKES
from portal.lookup.views import answer_locator, ask_birth, respond_code
from portal.uploads.views import examine, respond_kept
from portal.web import errors
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language, link, marked
from portal.web.pages import Pages
from portal.web.requests import (
    Mistake,
    Rejection,
    chosen_files,
    file_content,
    require_multipart,
    sent_fields,
    wants_json,
)
from verifier.verdict import CodeKind

doors = Blueprint("doors", __name__)

#: The inputs that take a file. Which of them it came by says nothing: its content decides.
FILES: Final = ("camera", "photo", "file")
_NO_VALUES: Final[Mapping[str, str]] = MappingProxyType({})
_NOTHING: Final = marked("Chưa có gì để kiểm tra. Chọn tệp PDF, chụp ảnh mã QR, hoặc nhập mã")
_ONE_FILE: Final = marked("Mỗi lần chỉ kiểm tra một tệp hoặc một ảnh. Hãy chọn lại một thứ")
_FILE_OR_CODE: Final = marked("Bạn gửi cả tệp lẫn mã. Hãy chọn lại tệp và để trống ô mã, hoặc chỉ gửi mã")
_CODE_OR_FILE: Final = marked("Bạn gửi cả tệp lẫn mã. Hãy để trống ô này, hoặc chỉ gửi mã")


@doors.get("/kiem-tra")
@allowed(Access.EVERYONE)
def box_page() -> Response:
    """The box on a page of its own."""
    return _page({})


@doors.get("/check")
@allowed(Access.EVERYONE)
def former_page() -> AnyResponse:
    """Where the box's page used to be."""
    return redirect(link("/kiem-tra", language()), 303)


@doors.post("/kiem-tra")
@doors.post("/check")
@allowed(Access.FILE, asks_only=True)
def check() -> AnyResponse:
    """The answer to exactly one thing."""
    require_multipart()
    try:
        given = _one_thing()
    except Rejection as refused:
        return _again(refused)
    if isinstance(given, _File):
        return _about_file(given)
    return _for_script(_about_text(given))


@dataclass(frozen=True, slots=True)
class _File:
    """The input that a file came by, and its bytes."""

    field: str
    content: bytes


def _one_thing() -> _File | str:
    """The one file or text that was given. Raises Rejection, 413 or 422."""
    files = chosen_files(*FILES)
    text = request.form.get("code", "").strip()
    if len(files) > 1:
        fields = dict.fromkeys(field for field, _ in files)
        raise Rejection(422, "several_files", tuple(Mistake(field, _ONE_FILE) for field in fields))
    if files and text:
        mistakes = (Mistake(files[0][0], _FILE_OR_CODE), Mistake("code", _CODE_OR_FILE))
        raise Rejection(422, "file_and_code", mistakes)
    if files:
        return _File(files[0][0], file_content(*files[0]))
    if not text:
        raise Rejection(422, "no_file", (Mistake("file", _NOTHING),))
    return text


def _about_file(given: _File) -> AnyResponse:
    with reading() as session:
        found = examine(session, given.content)
        if _by_script() and request.form.get("shrunk") == "1" and "no_code" in found.verdict.reasons:
            return Response(status=204, headers={"X-Again": "original"})
    return _for_script(respond_kept(found))


def _about_text(text: str) -> AnyResponse:
    bundle = resources()
    given = read_text(text, bundle.hosts)
    match given:
        case Given(Kind.CODE, typed=typed) if typed is not None:
            return ask_birth(typed) if typed.locator is None else answer_locator(typed.locator)
        case Given(Kind.RESULT, number=number):
            return redirect(link(f"/ket-qua/{number}", language()), 303)
        case Given(Kind.STRANGE_LINK):
            return respond_code(lookup.strange(CodeKind.FOREIGN_LINK, bundle.clock.now()))
        case Given(Kind.STRANGE):
            return respond_code(lookup.strange(CodeKind.FOREIGN, bundle.clock.now()))
        case _:
            words = CODE_MISTAKES.get(given.mistake, CODE_MISTAKES["check_character"])
            return _again(Rejection(422, "lookup_form", (Mistake("code", words),)))


def _by_script() -> bool:
    return request.headers.get("X-Upload") == "1"


def _for_script(answer: AnyResponse) -> AnyResponse:
    """Where to go on, for a script; a redirect would be followed before the script sees it. The answer about
    a file comes as the page that everybody gets: only whoever holds the file sees who signed it, which the
    kept answer does not tell. ``Content-Location`` is where that one stands.
    """
    if not _by_script():
        return answer
    if answer.status_code == 303:
        return Response(status=204, headers={"X-Next": answer.headers["Location"]})
    if (kept := answer.headers.get("Content-Location")) is not None:
        answer.headers["Content-Location"] = link(kept, language())
    return answer


def _again(refused: Rejection) -> Response:
    """The box once more with every mistake at its field and the text as it was typed; a problem for
    programs.
    """
    if wants_json():
        return errors.rejected(refused)
    mistakes = {m.field: gettext(m.message, **m.values) for m in refused.mistakes}
    return _page(mistakes, request.form, refused.status)


def _page(mistakes: Mapping[str, str], values: Mapping[str, str] = _NO_VALUES, status: int = 200) -> Response:
    pages: Pages = current_app.extensions["pages"]
    # A text alone is sent once more for the other language; a file would have to be chosen once more.
    again = sent_fields() if set(mistakes) == {"code"} else []
    context = {"errors": mistakes, "values": values, "here": "/kiem-tra", "again": again}
    return pages.page("check.html", language(), context, status)
