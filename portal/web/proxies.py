"""Who asks, as told by exactly as many proxies as the settings name (SEC-32).

Each proxy appends the address it heard from to ``X-Forwarded-For``. With N trusted proxies the client is the
Nth from the right; everything left of it was written by the client and may say anything. Werkzeug's own
middleware reads the header as a quoted list: a client that opens a quotation mark swallows what the proxies
append, and becomes whom it likes. Here a comma is a comma. ``Forwarded`` is not read at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from portal.limits.table import parse_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """WSGI middleware: sets REMOTE_ADDR to a bare address, and the scheme. ``hops`` may be 0.

    Too few values mean that the request came by another way, and a value that is no address that somebody
    counted the proxies wrongly: then it is the peer itself that counts, and is limited.
    """

    def __init__(self, app: WSGIApplication, hops: int) -> None:
        self._app = app
        self._hops = hops

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._hops:
            told = parse_address(self._nth(environ.get("HTTP_X_FORWARDED_FOR", "")))
            if told is not None:
                environ["REMOTE_ADDR"] = str(told)
            scheme = self._nth(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        return self._app(environ, start_response)

    def _nth(self, header: str) -> str:
        """The value that the outermost trusted proxy wrote, empty when there are fewer."""
        values = header.split(",")
        return values[-self._hops].strip() if len(values) >= self._hops else ""
