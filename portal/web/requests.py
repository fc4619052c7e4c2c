"""Reading requests: what answer is wanted, one multipart form, one file.

``POST /lookup``, ``/check`` and ``/compare`` are safe requests (RFC 9110 §9.2.1 in spirit: they change
nothing that a person owns), carry no session and no token, and so work from any command line. They take
multipart only, which keeps personal data out of addresses and logs.
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
    """A request that is no check at all: 400, 413, 415, 422 or 429.

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


def require_multipart(*, parts: int | None = None) -> None:
    """Turn away every other content type; ``parts`` raises the number of form parts for this request."""
    if request.mimetype != "multipart/form-data":
        raise Rejection(415, "multipart_only")
    if parts is not None:
        request.max_form_parts = parts


def one_file() -> bytes:
    """The bytes of the single file sent as ``file``. Browsers send an empty part for an input left alone.

    A form that asks for a photo says so with ``kind=photo`` and has its mistakes at its own field.
    """
    photo = request.form.get("kind") == "photo"
    field = "camera" if photo else "file"
    chosen = [f for f in request.files.getlist("file") if f.filename]
    if not chosen:
        wanted = (
            marked("Chụp ảnh mã QR, hoặc chọn ảnh có sẵn") if photo else marked("Chọn tệp PDF của học bạ")
        )
        raise Rejection(422, "no_file", (Mistake(field, wanted),))
    if len(chosen) > 1:
        raise Rejection(422, "several_files", (Mistake(field, marked("Mỗi lần chỉ kiểm tra một tệp")),))
    data = _read(chosen[0])
    if len(data) > _limit():
        too_large = marked("Tệp phải nhỏ hơn %(limit)s MB.")
        raise Rejection(413, "too_large", (Mistake(field, too_large, {"limit": _limit() >> 20}),))
    return data


def sent_fields() -> list[tuple[str, str]]:
    """The texts of this form, to be sent once more for the other language. Never the files."""
    return [(name, text) for name, text in request.form.items(multi=True) if name != RECEIPT]


def _read(file: FileStorage) -> bytes:
    """At most one byte over the limit."""
    return file.stream.read(_limit() + 1)


def _limit() -> int:
    limit: int = current_app.config["MAX_FILE_BYTES"]
    return limit
