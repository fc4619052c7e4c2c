"""The page of a desk: several files or ZIPs in one sending, each checked as an upload of its own.

Each file is charged and takes a place as if it were sent alone, so a pile is no way around a limit. The page
waits for the whole pile, as long as :data:`SECONDS`; a program (and the page's script) gets what was done
until then, or until a limit, and asks on with ``skip``.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from portal.errors import marked
from portal.extensions import reading, resources
from portal.limits.table import MISS
from portal.results import service as results
from portal.results.form import UnreadableResult
from portal.results.keeping import address, keep
from portal.uploads import piles
from portal.uploads.piles import Bounds, Document, TooMuch, Trouble, Unreadable
from portal.uploads.spreadsheet import Line, plain_workbook
from portal.uploads.views import XLSX, answer_of, download, examine
from portal.web import answers, errors
from portal.web.access import Access, allowed
from portal.web.answers import Answer
from portal.web.i18n import duration, gettext, language, link, moment
from portal.web.limits import TooMany, admit, charge, receiving_pile, working
from portal.web.pages import Pages
from portal.web.requests import Mistake, Rejection, require_multipart, wants_json
from verifier import words
from verifier.errors import InvalidInput
from verifier.locator import group, parse_record_id
from verifier.words import Language, Tone

desk_pile = Blueprint("piles", __name__)

PATH: Final = "/kiem-tra-nhieu"
#: So long a pile is worked at; a check that has begun is finished then: with the wait for its place and the
#: deadline as shipped within 25 s. What a proxy has to wait for stands in docs/settings.md.
SECONDS: Final = 30.0
#: All files of one sending together, in times of the largest single one.
TIMES_ONE: Final = 10
#: Parts that a form is read to: too many files are told with their number, not as a broken request.
_PARTS: Final = 400
#: Lines of a spreadsheet: several sendings may stand in one table.
_MOST_LINES: Final = 180

#: What is said of a document that could not be checked, and what to do.
_TROUBLES: Final = {
    Trouble.TOO_LARGE: marked("Tệp lớn hơn %(limit)s MB. Học bạ do trường cấp nhỏ hơn nhiều."),
    Trouble.ENCRYPTED: marked("Tệp trong ZIP có mật khẩu. Hãy gửi tệp không khoá."),
    Trouble.NESTED: marked("Tệp nén nằm trong tệp ZIP. Hãy giải nén rồi gửi."),
    Trouble.UNKNOWN_METHOD: marked("Cách nén này không đọc được. Hãy giải nén rồi gửi."),
    Trouble.DAMAGED: marked("Tệp trong ZIP bị hỏng hoặc thiếu. Hãy nén lại rồi gửi."),
    Trouble.NOT_A_ZIP: marked("Không mở được tệp ZIP này. Hãy nén lại rồi gửi."),
    Trouble.NOTHING_INSIDE: marked("Tệp ZIP này không có tệp nào."),
    Trouble.NO_TIME: marked("Chưa tới lượt thì hết thời gian. Hãy gửi lại tệp này."),
    Trouble.BUSY: marked("Cổng đang bận. Hãy gửi lại tệp này sau ít phút."),
    Trouble.TOO_MANY: marked(
        "Từ mạng của bạn vừa có nhiều tệp chưa xác nhận được. Hãy gửi lại tệp này sau %(wait)s."
    ),
}
_UNCHECKED: Final = marked("Chưa kiểm tra được")
_UNNUMBERED: Final = marked("Không có số kết quả; câu trả lời chỉ có trên trang")
_GONE: Final = marked("Không có kết quả với số này, hoặc đã quá hạn giữ")
_UNREADABLE: Final = marked("Kết quả mang số này không đọc được; hãy kiểm tra lại tệp")
_STILL: Final = marked("Vẫn như vậy")
#: Trouble first: what somebody has to look at stands on top.
_ORDER: Final = (Tone.BAD, Tone.WARN, Tone.UNFINISHED, Tone.INFO, Tone.OK)


#: Columns of the spreadsheet, and how wide they are.
_COLUMNS: Final = (
    (marked("Tệp"), 40),
    (marked("Kết quả"), 44),
    (marked("Kiểm tra bằng cách nào"), 50),
    (marked("Nơi cấp"), 34),
    (marked("Học sinh"), 18),
    (marked("Bản số"), 8),
    (marked("Kiểm tra lúc"), 24),
    (marked("Số kết quả"), 24),
    (marked("Lúc tải bảng"), 44),
)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A document that was not examined, and in how many seconds it may be sent again, if that helps."""

    trouble: Trouble
    retry_after: int | None = None
    rejection: Rejection | None = None


@desk_pile.get(PATH)
@allowed(Access.EVERYONE)
def pile_page() -> Response:
    """The form for several files."""
    return _page({})


@desk_pile.post(PATH)
@allowed(Access.FILE, asks_only=True, parts=_PARTS)
def check_pile() -> Response:
    """A pile of files: a table of answers, in the order of the files."""
    require_multipart()
    with _room():
        try:
            documents = _documents()
        except Rejection as refused:
            return _form_again(refused)
        if wants_json():
            return _as_json(documents)
        found = list(_checked(documents, patient=True))
    tongue = language()
    rows = [_row(name, outcome, tongue) for name, outcome in found]
    return _page({"rows": rows, "counts": _counts(rows)})


@desk_pile.post(f"{PATH}/bang.xlsx")
@allowed(Access.RESULT, asks_only=True, parts=_PARTS)
def spreadsheet() -> Response:
    """A table as a spreadsheet: made of the kept results that the form numbers, never of what it says about
    them. Its texts name the files: the sender's own words, which stay texts. Each line asks the registry, so
    the whole takes a place as a check does: a busy machine says when to come back, 503.
    """
    require_multipart()
    names, numbers = request.form.getlist("name"), request.form.getlist("number")
    if not names or len(names) != len(numbers) or len(names) > _MOST_LINES:
        raise Rejection(422, "lines")
    tongue, now = language(), resources().clock.now()
    admit(MISS)
    with working(), reading() as session:
        lines = [_line(session, *each, tongue) for each in zip(names, numbers, strict=True)]
    about = [
        (gettext(marked("Mục")), gettext(marked("Nội dung"))),
        (gettext(marked("Bảng này lấy từ")), resources().settings.public_url),
        (gettext(marked("Tải lúc")), moment(now, tongue)),
        (gettext(marked("Số tệp")), str(len(lines))),
    ]
    head = tuple(gettext(title) for title, _ in _COLUMNS)
    content = plain_workbook(
        (gettext(marked("Kết quả")), [head, *lines], [width for _, width in _COLUMNS]),
        (gettext(marked("Về bảng này")), about, (24, 60)),
    )
    return download(content, "kiem-tra-nhieu.xlsx", XLSX)


def _line(session: Session, name: str, number: str, tongue: Language) -> Line:
    """One file as the spreadsheet has it. A number that is none is charged, as on its own page."""
    label = piles.shown(name)
    if not number:
        return (label, gettext(_UNNUMBERED), *[""] * (len(_COLUMNS) - 2))
    bundle = resources()
    now = bundle.clock.now()
    try:
        kept = results.find(session, bundle.vault, parse_record_id(number), now=now)
        if kept is None:
            charge(MISS)
    except InvalidInput:
        kept = None
    except UnreadableResult:
        return (label, gettext(_UNREADABLE), *[""] * (len(_COLUMNS) - 2))
    if kept is None:
        return (label, gettext(_GONE), *[""] * (len(_COLUMNS) - 2))
    state = results.today(session, bundle.vault, kept, now=now)
    then = Answer(kept.verdict, kept.report, state.record, strange=kept.strange, kept=True)
    record = then.shown_record
    today = ""
    if state.verdict is not None:
        after = Answer(state.verdict, kept.report, state.record, kept=True)
        same = answers.unchanged(then, after)
        today = gettext(_STILL) if same else after.words(tongue).headline
    return (
        label,
        then.words(tongue).headline,
        _how(then, tongue),
        "" if record is None else record.school_name,
        "" if record is None else record.masked_name,
        "" if record is None else str(record.version),
        moment(kept.report.at, tongue),
        group(number),
        today,
    )


def _room() -> AbstractContextManager[None]:
    """More than one upload's worth of bytes takes one of few places while it is received and checked."""
    usual: int = current_app.config["MAX_CONTENT_LENGTH"]
    if (request.content_length or 0) <= usual:
        return nullcontext()
    request.max_content_length = _bounds().total_bytes + usual - _bounds().file_bytes
    return receiving_pile()


def _bounds() -> Bounds:
    most: int = current_app.config["MAX_FILE_BYTES"]
    return Bounds(most, most * TIMES_ONE)


def _documents() -> tuple[Document, ...]:
    """The documents of this form. Raises Rejection with every mistake."""
    bounds = _bounds()
    try:
        chosen = [file for file in request.files.getlist("file") if file.filename]
    except RequestEntityTooLarge:
        message = marked("Cả thảy các tệp phải nhỏ hơn %(limit)s MB. Hãy gửi ít tệp hơn mỗi lần.")
        mistake = Mistake("file", message, {"limit": bounds.total_bytes >> 20})
        raise Rejection(413, "too_large", (mistake,)) from None
    if not chosen:
        message = marked("Chọn các tệp PDF, ảnh hoặc tệp ZIP")
        raise Rejection(422, "no_file", (Mistake("file", message),))
    try:
        return piles.gather(((str(file.filename), file.stream) for file in chosen), bounds)
    except TooMuch as refused:
        mistakes = tuple(Mistake("file", reason.message, reason.values) for reason in refused.reasons)
        raise Rejection(422, "pile_too_much", mistakes) from None


def _checked(documents: Sequence[Document], *, patient: bool) -> Iterator[tuple[str, Answer | _Refused]]:
    """Each document's answer, in turn. ``patient`` waits for a place while there is time."""
    ends = time.monotonic() + SECONDS
    for document in documents:
        if time.monotonic() >= ends:
            yield document.name, _Refused(Trouble.NO_TIME, 1)
            continue
        try:
            data = document.read()
        except Unreadable as found:
            yield document.name, _Refused(found.trouble)
            continue
        yield document.name, _one(data, ends if patient else 0.0)


def _one(data: bytes, ends: float) -> Answer | _Refused:
    """One document's answer. Between two, and while it waits, no connection of the database is held."""
    while True:
        try:
            with reading() as session:
                return answer_of(examine(session, data))
        except Rejection as refused:
            wait = refused.retry_after
            if wait is None:
                raise
            if time.monotonic() + wait > ends:
                many = isinstance(refused, TooMany) and refused.code != "too_many_at_once"
                return _Refused(Trouble.TOO_MANY if many else Trouble.BUSY, wait, refused)
            time.sleep(wait)


def _as_json(documents: Sequence[Document]) -> Response:
    """What was checked of the documents after the first ``skip``. With ``retry_after`` there are more to be
    had by asking on; where not even one was checked, that is the answer (429, 503).
    """
    tongue = language()
    skip = request.form.get("skip", default=0, type=int)
    rows: list[dict[str, Any]] = []
    retry_after = None
    for name, outcome in _checked(documents[max(0, skip) :], patient=False):
        if isinstance(outcome, _Refused) and outcome.retry_after is not None:
            if not rows and outcome.rejection is not None:
                raise outcome.rejection
            retry_after = outcome.retry_after
            break
        rows.append(_row(name, outcome, tongue))
    body = {"documents": len(documents), "rows": rows, "retry_after": retry_after}
    return Response(json.dumps(body, ensure_ascii=False), content_type="application/json")


def _row(name: str, outcome: Answer | _Refused, tongue: Language) -> dict[str, Any]:
    """One line of the table, in words; ``verdict``, ``evidence`` and ``trouble`` are for programs."""
    row: dict[str, Any] = {"name": name, "number": "", "number_shown": "", "path": ""}
    if isinstance(outcome, _Refused):
        values = {
            "limit": current_app.config["MAX_FILE_BYTES"] >> 20,
            "wait": duration(outcome.retry_after or 0),
        }
        tone, headline = Tone.UNFINISHED, gettext(_UNCHECKED)
        row |= {"verdict": None, "evidence": None, "trouble": outcome.trouble.value}
        row |= {"checked": gettext(_TROUBLES[outcome.trouble]) % values, "at": ""}
        record = None
    else:
        said = outcome.words(tongue)
        verdict, report = outcome.verdict, outcome.report
        tone, headline = said.tone, said.headline
        row |= {"verdict": verdict.outcome.value, "evidence": verdict.evidence.value, "trouble": None}
        row["checked"] = _how(outcome, tongue)
        row["at"] = moment(report.at, tongue)
        record = outcome.shown_record
        number = keep(verdict, report, strange=outcome.strange)
        if number is not None:
            row |= {"number": number, "number_shown": group(number), "path": link(address(number), tongue)}
    row |= {
        "tone": tone.value,
        "tone_word": words.tone_word(tone, tongue),
        "headline": headline,
        "school": "" if record is None else record.school_name,
        "pupil": "" if record is None else answers.together(record.masked_name),
        "version": "" if record is None else str(record.version),
    }
    return row


def _how(answer: Answer, tongue: Language) -> str:
    """What was looked at, and a strange code beside the one that was answered."""
    looked = words.evidence_sentence(answer.verdict, answer.report, tongue)
    return f"{looked} {words.strange_beside(tongue)}" if answer.strange else looked


def _counts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many rows have which answer; what needs a look comes first."""
    counted = Counter((row["tone"], row["tone_word"], row["headline"]) for row in rows)
    ordered = sorted(counted.items(), key=lambda each: _ORDER.index(Tone(each[0][0])))
    return [
        {"tone": tone, "tone_word": word, "headline": headline, "count": count}
        for (tone, word, headline), count in ordered
    ]


def _form_again(refused: Rejection) -> Response:
    if wants_json():
        return errors.rejected(refused)
    said = " ".join(gettext(m.message, **m.values) for m in refused.mistakes)
    return _page({"errors": {"file": said}}, refused.status)


def _page(context: dict[str, Any], status: int = 200) -> Response:
    pages: Pages = current_app.extensions["pages"]
    bounds = _bounds()
    rows = context.get("rows", [])
    at = moment(resources().clock.now(), language()) if rows else ""
    values = {
        "errors": {},
        "rows": rows,
        "file_again": answers.file_again(language()) if rows else "",
        "counts": [],
        "at": at,
        "here": PATH,
        "most": bounds.files,
        "most_archives": bounds.archives,
        "total_mb": bounds.total_bytes >> 20,
        "tones": [(tone.value, words.tone_word(tone, language())) for tone in Tone],
    }
    return pages.page("pile.html", language(), values | context, status)
