"""A kept result as a file to keep or print, for everyone who has its number."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from flask import Blueprint, Response

from portal.extensions import resources
from portal.reports.content import content
from portal.results.keeping import PATH
from portal.results.views import Opened, open_result
from portal.web import answers
from portal.web.access import Access, allowed
from portal.web.i18n import gettext, language, moment
from portal.web.limits import working
from verifier import words
from verifier.locator import group
from verifier.report import CheckStatus
from verifier.verdict import GENUINE
from verifier.words import VIETNAM, Language

reports = Blueprint("reports", __name__)


@reports.get(f"{PATH}/<number>/bao-cao.json")
@allowed(Access.RESULT)
def as_json(number: str) -> Response:
    """The report for programs (docs/result.schema.json)."""
    opened = open_result(number)
    body = content(opened, resources().settings.public_url, language())
    text = json.dumps(body, ensure_ascii=False, indent=1)
    return _download(text.encode(), f"{opened.number.text}.json", "application/json")


@reports.get(f"{PATH}/<number>/bao-cao.pdf")
@allowed(Access.RESULT)
def as_pdf(number: str) -> Response:
    """The report for paper. Setting it takes a place as a check does: a busy machine says when to come back,
    503.
    """
    opened = open_result(number)
    tongue = language()
    body = content(opened, resources().settings.public_url, tongue)
    labels = _labels(opened, body, tongue)
    with working():
        made: bytes = import_module("portal.reports.paper").pdf(body, labels, opened.now)
    return _download(made, f"{opened.number.text}.pdf", "application/pdf")


def _labels(opened: Opened, body: dict[str, Any], tongue: Language) -> dict[str, Any]:
    """The words beside the content."""
    record, number = opened.then.shown_record, opened.number
    issued = ""
    if record is not None and opened.then.verdict.outcome in GENUINE:
        what = gettext(
            "cấp học bạ %(level)s, năm học %(year)s, cho học sinh %(pupil)s, ngày %(day)s.",
            level=answers.level_name(record, tongue),
            year=words.school_year(record.year),
            pupil=answers.together(record.masked_name),
            day=words.day(record.issued_on, tongue),
        )
        issued = f"{record.school_name} {what}"
    until = words.day(number.expires_at.astimezone(VIETNAM).date(), tongue)
    facts = [
        ("verdict", body["verdict"]),
        ("evidence", body["evidence"]),
        ("reasons", ", ".join(body["reasons"]) or "-"),
        ("medium", body["medium"]),
        *((c["name"], f"{c['status']} {c['code']}".strip()) for c in body["checks"]),
    ]
    if record is not None:
        facts += [(gettext("Mã tra cứu"), group(record.record_id)), (gettext("Bản số"), str(record.version))]
    statuses = {status.value: words.check_status(status, tongue) for status in CheckStatus}
    return statuses | {
        "system": resources().settings.system_name,
        "title": gettext("Báo cáo kỹ thuật của một lần kiểm tra"),
        "page": gettext("trang"),
        "today": gettext("Hôm nay"),
        "asked": gettext("Hỏi lại sổ đăng ký lúc %(time)s.", time=moment(opened.now, tongue)),
        "still": gettext("Hỏi lại sổ đăng ký lúc %(time)s: vẫn như vậy.", time=moment(opened.now, tongue)),
        "then": gettext(
            "Lúc kiểm tra, %(time)s, cổng đã trả lời", time=moment(opened.then.report.at, tongue)
        ),
        "checked": gettext("Kiểm tra lúc %(time)s.", time=moment(opened.then.report.at, tongue)),
        "issued": issued,
        "masked": gettext("Tên học sinh được che: mỗi từ chỉ hiện chữ đầu, ba dấu * thay cho phần còn lại."),
        "next": gettext("Nên làm gì"),
        "number": gettext("Số kết quả"),
        "grouped": group(number.text),
        "until": gettext("Xem lại được đến hết ngày %(day)s.", day=until),
        "what": gettext("Đã kiểm tra những gì"),
        "signatures": gettext("Chữ ký số"),
        "codes": gettext("Mã của báo cáo, cho người xem kỹ hơn"),
        "facts": facts,
    }


def _download(content: bytes, name: str, kind: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="ket-qua-{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
