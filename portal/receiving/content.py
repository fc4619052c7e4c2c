"""What is shown of shared records: the page, and the files that take it over.

Everything here was proved against the digest before it came (:mod:`portal.consent.disclosing`). The page
names whoever looks at it; a file's name says nothing of a person.
"""

from __future__ import annotations

import json
from typing import Any, Final

from flask import Response

from portal.consent.disclosing import Disclosed, DisclosedRecord
from portal.consent.forms import of_pair
from portal.consent.purposes import Duty, Purpose
from portal.consent.service import OPEN_FOR
from portal.families.sheet import lay_out
from portal.receiving.forms import VERSIONS
from portal.uploads.spreadsheet import Part, workbook
from portal.web.i18n import gettext, language, moment
from verifier.locator import digest_text, group, short_digest
from verifier.report import jsonable
from verifier.words import recall_reason, school_year

SCHEMA: Final = "hoc-ba-so-shared/1"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: What may be asked for of an opening: the page in another language, or a file.
PAGE, JSON, SHEET, PDF = "page", "json", "xlsx", "pdf"


def context(shown: Disclosed, who: str) -> dict[str, Any]:
    """For the page. ``who`` looks: the words of its watermark."""
    return {
        "who": who,
        "at": moment(shown.at, language()),
        "why": _why(shown),
        "records": [_record(record, number) for number, record in enumerate(shown.records)],
        "closes": moment(shown.at + OPEN_FOR, language()),
        "files": [
            (number, record.header["grade"])
            for number, record in enumerate(shown.records)
            if record.pdf is not None
        ],
    }


def _why(shown: Disclosed) -> str:
    if shown.basis in set(Duty):
        ground = Duty(shown.basis).ground
        return f"{of_pair(ground.words)} ({ground.article})"
    return of_pair(Purpose(shown.purpose).words)


def _record(record: DisclosedRecord, number: int) -> dict[str, Any]:
    level, tongue = str(record.header["level"]), language()
    return {
        "number": number,
        "grade": record.header["grade"],
        "year": school_year(str(record.header["year"])),
        "school": record.school_name,
        "shown_id": group(record.record_id),
        "version": record.version,
        "state": gettext(VERSIONS[record.state]),
        "current": record.since is None,
        "since": None if record.since is None else moment(record.since, tongue),
        "reason": None if record.recall_reason is None else recall_reason(record.recall_reason, tongue),
        "consented": record.consented_version,
        "short": short_digest(record.digest),
        "sections": lay_out(level, record.fields),
    }


def as_json(shown: Disclosed, who: str) -> Response:
    """Records with header and disclosures, so that each part can be proved again without us
    (docs/sharing.md).
    """
    body = {
        "schema": SCHEMA,
        "basis": shown.basis,
        "purpose": shown.purpose,
        "consent": str(shown.about.name),
        "seen_by": who,
        "at": shown.at.isoformat(),
        "records": [
            {
                "record_id": record.record_id,
                "version": record.version,
                "state": record.state.value,
                "since": None if record.since is None else record.since.isoformat(),
                "recall_reason": record.recall_reason,
                "consented_version": record.consented_version,
                "school_name": record.school_name,
                "digest": digest_text(record.digest),
                "header": record.header,
                "disclosures": record.disclosures,
                "fields": record.fields,
            }
            for record in shown.records
        ],
    }
    text = json.dumps(jsonable(body), ensure_ascii=False, indent=1)
    return _download(text.encode(), f"{_name(shown)}.json", "application/json")


def as_sheet(shown: Disclosed, who: str) -> Response:
    """The same as a spreadsheet: every cell is text, nothing is a formula."""
    parts = [
        Part(str(record.header["year"]), _lines(shown, record, who), record.fields)
        for record in shown.records
    ]
    return _download(workbook(*parts), f"{_name(shown)}.xlsx", XLSX)


def _lines(shown: Disclosed, record: DisclosedRecord, who: str) -> list[tuple[str, str]]:
    return [
        ("Mã tra cứu", group(record.record_id)),
        ("Nơi cấp", f"{record.school_name} ({record.header['issuer']})"),
        ("Năm học", str(record.header["year"])),
        ("Bản số", str(record.version)),
        ("Trạng thái", VERSIONS[record.state]),
        ("Đối chiếu với mã trên học bạ", f"khớp ({short_digest(record.digest)}…)"),
        ("Mục đích hoặc căn cứ", _why(shown)),
        ("Người xem", who),
        ("Xem lúc", moment(shown.at, "vi")),
    ]


def as_pdf(shown: Disclosed, number: int) -> Response | None:
    """The signed file of one record, None where it was not consented to."""
    if not 0 <= number < len(shown.records) or (data := shown.records[number].pdf) is None:
        return None
    return _download(data, f"{_name(shown)}-{number + 1}.pdf", "application/pdf")


def _name(shown: Disclosed) -> str:
    return f"hoc-ba-chia-se-{shown.at:%Y%m%d-%H%M%S}"


def _download(content: bytes, name: str, kind: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
