"""What a line of the log looks like: one JSON object in ASCII, in UTC, with the id of its request (SEC-29).

No line holds what somebody sent or what a record says (SEC-28). Of an exception it names the types and the
places in the code, never the message: messages quote what could not be read. Whatever a line does hold is
escaped, so nobody writes a second line or colours a terminal.

Standard library alone: the server's own main process formats with it as well (``logging.json``).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any, Final, TextIO

#: The id of the request that is being answered; empty outside of one.
REQUEST: Final[ContextVar[str]] = ContextVar("request", default="")

_MOST_CAUSES: Final = 5
_MOST_PLACES: Final = 25


class JsonLines(logging.Formatter):
    """``at``, ``level``, ``logger``, ``message``; ``request`` inside one; ``error`` with an exception; and
    what the caller gave as ``extra={"fields": {…}}``.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "at": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if request := REQUEST.get():
            line["request"] = request
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _causes(record.exc_info[1])
        return json.dumps(line).replace("\x7f", "\\u007f")  # the one control character that is plain ASCII


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the arguments do not fit: logging itself would print them all
        return str(record.msg)


def _causes(error: BaseException) -> list[dict[str, object]]:
    """The exception and what it came from, innermost places first."""
    causes: list[dict[str, object]] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < _MOST_CAUSES:
        places = [
            f"{frame.f_globals.get('__name__', '?')}:{number} {frame.f_code.co_name}"
            for frame, number in walk_tb(cause.__traceback__)
        ]
        kind = type(cause)
        causes.append(
            {"type": f"{kind.__module__}.{kind.__qualname__}", "places": places[::-1][:_MOST_PLACES]}
        )
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return causes


def configure(stream: TextIO | None = None) -> None:
    """Every logger of this process writes such lines to ``stream`` (standard error). Safe to call twice."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("portal").setLevel(logging.INFO)
    # The development server's request lines hold whole addresses; ours say the same without them.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("_granian", "granian.access"):
        server = logging.getLogger(name)
        server.handlers, server.propagate = [], True
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended


def _thread_ended(arguments: Any) -> None:
    """A thread that ends with an exception would print its message."""
    if arguments.exc_type is not SystemExit:
        error = arguments.exc_value
        cause = None if error is None else (arguments.exc_type, error, arguments.exc_traceback)
        logging.getLogger(__name__).error("a thread ended", exc_info=cause or sys.exc_info())
