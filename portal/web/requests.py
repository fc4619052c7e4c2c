"""Reading requests: what answer is wanted, one multipart form, one file.

``POST /kiem-tra``, ``/check``, ``/lookup`` and ``/compare`` are safe requests (RFC 9110 §9.2.1 in spirit:
they change nothing that a person owns), carry no session and no token, and so work from any command line.
They take multipart only, which keeps personal data out of addresses and logs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from flask import current_app, request
from werkzeug.datastructures import FileStorage

from portal.web.i18n import marked

#: The field that shows that a try was answered and counted before.
RECEIPT: Final = "receipt"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to correct in a form: the field it stands at and a message (Vietnamese source, see i18n)."""

    field: str
    message: str
    values: dict[str, object] = dataclasses.field(default_factory=dict)


class Rejection(Exception):  # noqa: N818 - the request is turned away; nothing of ours went wrong
    """A request that is no check at all: 400, 404, 413, 415, 422 or 429.

    ``code`` is stable for programs. ``mistakes`` name fields; without them the page of the status speaks.
    """

    def __init__(
        self, status: int, code: str, mistakes: tuple[Mistake, ...] = (), *, retry_after: int | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.mistakes = mistakes
        self.retry_after = retry_after


def wants_json() -> bool:
    """Whether the client prefers JSON; whoever accepts anything gets the page."""
    if "json" not in request.environ.get("HTTP_ACCEPT", ""):  # most requests, without parsing
        return False
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def require_multipart() -> None:
    """Turn away every other content type."""
    if request.mimetype != "multipart/form-data":
        raise Rejection(415, "multipart_only")


def chosen_files(*fields: str) -> list[tuple[str, FileStorage]]:
    """The files that were chosen, with their fields. Browsers send an empty part for an input left alone."""
    return [(field, file) for field in fields for file in request.files.getlist(field) if file.filename]


def file_content(field: str, file: FileStorage) -> bytes:
    """The bytes of one file. Raises Rejection, 413, with the mistake at its field."""
    data = file.stream.read(_limit() + 1)
    if len(data) > _limit():
        too_large = marked("Tệp phải nhỏ hơn %(limit)s MB.")
        raise Rejection(413, "too_large", (Mistake(field, too_large, {"limit": _limit() >> 20}),))
    return data


def one_file() -> bytes:
    """The bytes of the single file sent as ``file``. Raises Rejection, 413 or 422."""
    chosen = chosen_files("file")
    if not chosen:
        raise Rejection(422, "no_file", (Mistake("file", marked("Chọn tệp PDF của học bạ")),))
    if len(chosen) > 1:
        raise Rejection(422, "several_files", (Mistake("file", marked("Mỗi lần chỉ kiểm tra một tệp")),))
    return file_content(*chosen[0])


def sent_fields() -> list[tuple[str, str]]:
    """The texts of this form, to be sent once more for the other language. Never the files."""
    return [(name, text) for name, text in request.form.items(multi=True) if name != RECEIPT]


def _limit() -> int:
    limit: int = current_app.config["MAX_FILE_BYTES"]
    return limit
