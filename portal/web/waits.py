"""How long a request may wait for what is outside (REL-05)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from portal.database import PATIENCE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class BoundedWaits:
    """WSGI middleware: while a request is answered, no statement waits longer than ``seconds`` for the
    database. Commands, which may rewrite millions of rows, wait as long as it takes.
    """

    def __init__(self, app: WSGIApplication, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        token = PATIENCE.set(self._seconds)
        try:
            return self._app(environ, start_response)
        finally:
            PATIENCE.reset(token)
