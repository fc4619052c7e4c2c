"""Answers about a document, and the data of a genuine file. The box that takes one is ``portal.doors``."""

from __future__ import annotations

import json
from typing import Final

from flask import Blueprint, Response, abort, request
from sqlalchemy.orm import Session

from portal.extensions import reading, resources, transaction
from portal.results.keeping import address, keep, number_of
from portal.uploads import service
from portal.uploads.service import FileAnswer
from portal.uploads.spreadsheet import Part, workbook
from portal.web import answers
from portal.web.access import Access, allowed
from portal.web.home import samples, samples_folder
from portal.web.i18n import moment
from portal.web.limits import examining
from portal.web.requests import Rejection, one_file, require_multipart
from verifier.locator import digest_text
from verifier.record import digest
from verifier.report import jsonable

uploads = Blueprint("uploads", __name__)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@uploads.get("/check/sample/<path:name>")
@allowed(Access.DEMO)
def check_sample(name: str) -> Response:
    """Demo only: check one of the samples without downloading it first."""
    if name not in {s.file for s in samples()}:
        abort(404)
    with reading() as session:
        return answers.respond(answer_of(examine(session, (samples_folder() / name).read_bytes())))


@uploads.post("/check/data")
@allowed(Access.FILE, asks_only=True)
def data() -> Response:
    """The data of a genuine file, as JSON or as a spreadsheet; the file is sent again because none is
    kept.
    """
    require_multipart()
    wanted = request.args.get("format", "json")
    if wanted not in ("json", "xlsx"):
        raise Rejection(400, "unknown_format")
    content = one_file()
    with reading() as session:
        found = examine(session, content)
        if not found.verdict.genuine_file:
            return respond(found, status=422)  # no data, and why
        opened = service.extract(content, session, resources().vault, found)
    version = found.verdict.version
    name = f"hoc-ba-{version.record_id}-{version.version}" if version else "hoc-ba"
    if wanted == "xlsx":
        return download(workbook(Part(name, _check_lines(found), opened.fields)), f"{name}.xlsx", XLSX)
    body = {
        "verdict": found.verdict.outcome.value,
        "evidence": found.verdict.evidence.value,
        "at": found.report.at.isoformat(),
        "file_sha256": found.report.sha256,
        "digest": digest_text(digest(opened.header)),
        "header": opened.header,
        "fields": opened.fields,
        "disclosures": opened.disclosures,
    }
    text = json.dumps(jsonable(body), ensure_ascii=False, indent=1)
    return download(text.encode(), f"{name}.json", "application/json")


def examine(session: Session, content: bytes) -> FileAnswer:
    """What :func:`portal.uploads.service.check` says, under the limits of this request."""
    bundle = resources()
    return service.check(
        content,
        session,
        bundle.vault,
        begin=transaction,
        checker=bundle.checker,
        hosts=bundle.hosts,
        instance_dir=bundle.settings.instance_dir,
        now=bundle.clock.now(),
        admission=examining,
    )


def respond_kept(found: FileAnswer) -> Response:
    """The answer with its number, at which it is shown again, in the other language too."""
    number = keep(found.verdict, found.report, strange=found.strange)
    if number is None:
        return respond(found, unkept=True)
    now = resources().clock.now()
    response = answers.respond(answer_of(found), here=address(number), number=number_of(number, now))
    response.headers["Content-Location"] = address(number)
    return response


def respond(found: FileAnswer, *, status: int = 200, unkept: bool = False) -> Response:
    """The answer without a number; ``unkept``: it should have one. In the other language that of a code has
    an address of its own; a file, which is not kept, is asked for again.
    """
    answer = answer_of(found)
    here = "/kiem-tra" if answer.locator is None else f"/V/{answer.locator}"
    return answers.respond(answer, status=status, here=here, unkept=unkept)


def answer_of(found: FileAnswer) -> answers.Answer:
    """What pages and programs are told of it."""
    locator = None if found.locator is None else str(found.locator)
    return answers.Answer(
        found.verdict,
        found.report,
        found.record,
        found.signers,
        locator,
        found.sealed_by,
        found.strange,
        found.contact,
    )


def _check_lines(found: FileAnswer) -> list[tuple[str, str]]:
    """The first sheet: what was checked, when, with which answer."""
    said = answer_of(found).words("vi")
    lines = [
        ("Kết quả", said.headline),
        ("Giải thích", said.sentence),
        ("Kiểm tra lúc", moment(found.report.at, "vi")),
        ("SHA-256 của tệp", found.report.sha256),
    ]
    if found.record is not None:
        lines += [
            ("Nơi cấp", f"{found.record.school_name} ({found.record.school_code})"),
            ("Mã tra cứu", found.record.record_id),
            ("Bản số", str(found.record.version)),
            ("Năm học", found.record.year),
        ]
    return lines


def download(content: bytes, name: str, kind: str) -> Response:
    """A file to keep, made for whoever asked."""
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
