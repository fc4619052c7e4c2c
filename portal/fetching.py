"""Asking other machines over HTTP: the only place of the portal that does.

A feature asks the addresses of its own tables or settings, never one that a certificate, a file or an answer
names; an OpenID provider of the settings alone says itself where its parts are. An answer is bounded in time
and size and goes nowhere else: no redirect is followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

MOST_BYTES: Final = 32 * 1024 * 1024
SECONDS: Final = 30.0

Fetch = Callable[[str], bytes]
_T = TypeVar("_T")


class FetchFault(Exception):  # noqa: N818 - somebody else's fault, told and tried again later
    """Why an address gave nothing: a stable code, a Vietnamese sentence, and the status of an answer."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Connected(Protocol):
    """Something that talks through a socket, once it has one."""

    sock: socket.socket | None


@dataclass(slots=True)
class Line:
    """Where work that :func:`in_time` bounds leaves what it talks through."""

    connection: Connected | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent along, by POST, and the statuses that mean it was taken."""

    kind: str  # media type
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    taken: frozenset[int] = frozenset({200})


def in_time(seconds: float, work: Callable[[Line], _T]) -> _T:
    """What ``work`` answers or raises. TimeoutError when it has not ended after so many seconds in all: a
    machine that drips byte by byte never times out by itself, so its connection is taken away.
    """
    line = Line()
    answers: list[_T] = []
    faults: list[Exception] = []

    def run() -> None:
        try:
            answers.append(work(line))
        except Exception as error:  # whatever it is, it is raised to whoever waits
            faults.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(seconds)
    if worker.is_alive():
        if line.connection is not None and line.connection.sock is not None:
            with suppress(OSError):
                line.connection.sock.shutdown(socket.SHUT_RDWR)
        raise TimeoutError
    for error in faults:
        raise error
    return answers[0]


def fetch(
    url: str, *, most_bytes: int = MOST_BYTES, seconds: float = SECONDS, question: Question | None = None
) -> bytes:
    """What stands at ``url`` (http or https), or is answered there to ``question``: at most so much, within
    so many seconds in all, from looking the name up to the last byte. Raises FetchFault.
    """
    try:
        return in_time(seconds, lambda line: _ask(url, question, most_bytes, seconds, line))
    except TimeoutError:
        raise FetchFault("timeout", f"Không trả lời xong trong {seconds:g} giây.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = str(error)[:120] or type(error).__name__
        raise FetchFault("unreachable", f"Không lấy được: {what}.") from error


def _ask(url: str, question: Question | None, most_bytes: int, seconds: float, line: Line) -> bytes:
    parts = urlsplit(url)
    line.connection = connection = _connection(parts.scheme, parts.hostname or "", parts.port, seconds)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "hoc-ba-so-portal", "Accept-Encoding": "identity", "Connection": "close"}
        if question is None:
            connection.request("GET", target, headers=headers)
        else:
            headers |= {"Content-Type": question.kind, **question.headers}
            connection.request("POST", target, question.body, headers)
        response = connection.getresponse()
        status = response.status
        if 300 <= status < 400:
            where = (response.getheader("Location") or "")[:200]
            raise FetchFault(
                "redirected", f"Chuyển hướng tới “{where}”; chỉ hỏi đúng địa chỉ đã ghim.", status
            )
        if status not in (question.taken if question else (200,)):
            raise FetchFault("http", f"Máy chủ trả lời mã {status}.", status)
        expected = response.length or 0  # what it says itself; nothing where it does not
        body = response.read(most_bytes + 1) if expected <= most_bytes else b""
        if max(len(body), expected) > most_bytes:
            raise FetchFault("too_large", f"Câu trả lời lớn hơn {most_bytes // 1024} KiB.")
        if len(body) < expected:
            raise FetchFault("unreachable", "Kết nối đứt giữa chừng.")
        return body
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None, seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    return http.client.HTTPConnection(host, port, timeout=seconds)
