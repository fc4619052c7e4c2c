"""One line for each request, and the id that people may quote: ``X-Request-Id`` (SEC-29).

The line says the pattern of the route, never the path, which may hold a code or what somebody pasted; the
status, the time taken, the verdict. The client is a keyed hash that changes every day: it tells a flood from
a crowd, and nobody's address. Addresses stay with the proxy in front.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, request

from portal.limits.table import client_keys
from portal.logs import REQUEST
from portal.ports import Clock
from portal.vault import Vault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("portal.requests")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"})
_ID: Final = re.compile("[0-9a-f]{16,64}")


@dataclass(slots=True)
class _Entry:
    route: str | None = None
    verdict: str | None = None
    status: int = 0


_ENTRY: Final[ContextVar[_Entry | None]] = ContextVar("entry", default=None)


def note(*, route: str | None = None, verdict: str | None = None) -> None:
    """Say in this request's line which route answered, or with which verdict."""
    entry = _ENTRY.get()
    if entry is not None:
        entry.route = route or entry.route
        entry.verdict = verdict or entry.verdict


def request_id() -> str:
    """The id of the request that is being answered."""
    return REQUEST.get()


def install(app: Flask) -> None:
    """Flask's routes note their pattern themselves."""

    def note_route() -> None:
        if request.url_rule is not None:
            note(route=request.url_rule.rule)

    app.before_request(note_route)


class Journal:
    """WSGI middleware. Whatever gets this far as an exception is a bare 500 and a line: no server's own error
    page. An id that a trusted proxy gave (16 to 64 hexadecimal digits) is kept.
    """

    def __init__(self, app: WSGIApplication, vault: Vault, clock: Clock, *, proxies: int) -> None:
        self._app = app
        self._vault = vault
        self._clock = clock
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "") if self._proxies else ""
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        entry = _Entry()
        tokens = _ENTRY.set(entry), REQUEST.set(request_id)

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            entry.status = int(status[:3])
            return start_response(status, [*headers, ("X-Request-Id", request_id)], exc_info)

        try:
            return self._app(environ, start)
        except Exception:
            log.exception("fault %s outside the routes", request_id)
            body = b"500\n"
            headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
            start("500 Internal Server Error", headers, sys.exc_info() if entry.status else None)
            return [body]
        finally:
            if log.isEnabledFor(logging.INFO):
                self._write(environ, entry, began)
            _ENTRY.reset(tokens[0])
            REQUEST.reset(tokens[1])

    def _write(self, environ: WSGIEnvironment, entry: _Entry, began: float) -> None:
        method = environ["REQUEST_METHOD"]
        fields = {
            "method": method if method in _METHODS else "other",
            "route": entry.route,
            "status": entry.status,
            "ms": round((time.perf_counter() - began) * 1000, 2),
            "verdict": entry.verdict,
            "client": self._client(environ.get("REMOTE_ADDR") or ""),
        }
        log.info("request", extra={"fields": fields})

    def _client(self, address: str) -> str:
        """An IPv4 address or the /64 of an IPv6 one, as a keyed hash of today."""
        _, network = client_keys(address)[0]
        today = self._clock.now().date().isoformat()
        return self._vault.blind_index(f"{today} {network}", domain="log-client")[:12]
