"""Sends static files, and packs the pages of public routes as they leave (ADR 0026).

A page is packed only where it is public (:data:`PUBLIC`): such a page is the same for whoever asks the same,
cookies or not, so the length of a packed one tells a listener nothing that asking would not (BREACH). What
signed-in people and families see is never packed.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Flask, Response, abort, current_app, request

from portal.web.access import Access, allowed, rule_of
from portal.web.packing import BROTLI, GZIP, packed, static_table, takes, zipped

#: Kinds of routes whose pages read no session, hold no token, and answer everybody alike.
PUBLIC: Final = frozenset(
    {Access.EVERYONE, Access.CODE, Access.TYPED, Access.FILE, Access.RESULT, Access.DEMO}
)

#: The worker that reads QR codes in the browser has a policy of its own, as every worker that comes from an
#: address: its response alone may compile WebAssembly, no page may.
QR_WORKER: Final = "qr-worker.js"
QR_WORKER_POLICY: Final = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_SMALL: Final = 500  # bytes of a page below which packing gains nothing

static_files = Blueprint("static_files", __name__)


@static_files.get("/static/<path:filename>")
@allowed(Access.EVERYONE)
def send(filename: str) -> Response:
    """One static file: to be kept for a year under the address that names its content. Under any other, as
    from a page of an older release, the file of today, to be kept by nobody.
    """
    file = static_table().get(filename)
    if file is None:
        abort(404)
    content, way = file.content, ""
    for each in (BROTLI, GZIP):
        if takes(request.accept_encodings, each) and (small := packed(filename, each)) is not None:
            content, way = small, each
            break
    response = Response(content, content_type=file.kind)
    response.set_etag(f"{file.digest}{way}")
    response.vary.add("Accept-Encoding")
    if way:
        response.content_encoding = way
    if filename == QR_WORKER:
        response.headers["Content-Security-Policy"] = QR_WORKER_POLICY
    if request.args.get("v") == file.digest:
        response.headers["Cache-Control"] = _FOR_EVER
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def install(app: Flask) -> None:
    """Pack the pages of public routes."""

    def pack(response: Response) -> Response:
        view = current_app.view_functions.get(request.endpoint or "")
        rule = None if view is None else rule_of(view)
        if rule is None or rule.access not in PUBLIC or response.mimetype != "text/html":
            return response
        response.vary.add("Accept-Encoding")
        content = response.get_data()
        if len(content) >= _SMALL and takes(request.accept_encodings, GZIP):
            response.set_data(zipped(content))
            response.content_encoding = GZIP
        return response

    app.register_blueprint(static_files)
    app.after_request(pack)
