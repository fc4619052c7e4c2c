"""The scan, the portal's busiest request, answered below Flask.

Measured: building Flask's request costs more than everything the answer itself takes, so the plain case
(GET, a locator in its one spelling, no query, a page wanted) is answered here, by the same functions as the
view's and with the same bytes. Whatever is not the plain case, and every fault, goes on to Flask.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from portal.database import UNAVAILABLE
from portal.extensions import Resources
from portal.limits.table import MISS
from portal.lookup import service
from portal.web import journal
from portal.web.answers import Answer, as_page, caching
from portal.web.packing import GZIP, takes_gzip, zipped
from portal.web.pages import HTML, Pages
from verifier.errors import InvalidInput
from verifier.locator import Locator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

#: A public answer may be kept this long, by browsers and by caches in between (SEC-27).
CACHE_SECONDS: Final = 30
_PREFIX: Final = "/V/"
_ROUTE: Final = "/V/<path:code>"


def answer_scan(bundle: Resources, locator: Locator, code: str) -> Answer:
    """The public answer to a code; ``code`` is the locator's text."""
    now = bundle.clock.now()
    try:
        # A bare connection: a session would cost more than the question.
        with bundle.questions.connect() as connection:
            found = service.by_locator(connection, bundle.vault, locator, now=now)
    except UNAVAILABLE as error:  # not even a connection
        found = service.unavailable(now, error)
    return Answer(found.verdict, found.report, found.record, locator=code)


class Scans:
    """WSGI middleware for the plain case."""

    def __init__(self, app: WSGIApplication, bundle: Resources, pages: Pages) -> None:
        self._app = app
        self._bundle = bundle
        self._pages = pages

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if (
            path.startswith(_PREFIX)
            and environ["REQUEST_METHOD"] == "GET"
            and not environ.get("QUERY_STRING")
            and "json" not in environ.get("HTTP_ACCEPT", "")
        ):
            code = path[len(_PREFIX) :]
            client, gate = environ.get("REMOTE_ADDR", ""), self._bundle.gate
            try:
                locator = Locator.parse(code)
                if gate.refused(MISS, client) is not None:
                    return self._app(environ, start_response)  # Flask says until when
                answer = answer_scan(self._bundle, locator, code)
                if service.missed(answer.verdict) and gate.charge(MISS, client) is not None:
                    return self._app(environ, start_response)
                body = as_page(self._pages, answer, "vi", path, scanned=True).encode()
            except InvalidInput:
                pass
            except Exception:
                log.exception("a scan failed; Flask answers")
            else:
                headers = [("Content-Type", HTML), *caching(answer, CACHE_SECONDS)]
                if takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
                    body = zipped(body)
                    headers.append(("Content-Encoding", GZIP))
                headers.append(("Content-Length", str(len(body))))
                journal.note(route=_ROUTE, verdict=answer.verdict.outcome.value)
                start_response("200 OK", headers)
                return [body]
        return self._app(environ, start_response)
