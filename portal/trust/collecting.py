"""Collecting revocation lists from pinned addresses: the only place of the trust feature that uses a network.
Timestamps are asked for in the same bounds (``portal.issuing.timestamping``).

A job of its own does it (``flask --app wsgi trust refresh``); checks read what it brought and never fetch.
Only the addresses of the trust tables are asked, never one that a certificate or a file names. An answer is
bounded in time and size, goes nowhere else (no redirect is followed), and replaces nothing before its
signature and age were checked by ``portal.trust.service.import_crl``.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MOST_BYTES: Final = 32 * 1024 * 1024
SECONDS: Final = 30.0

Fetch = Callable[[str], bytes]


class CollectFault(Exception):  # noqa: N818 - somebody else's fault, told and tried again later
    """Why an address gave no list: a stable code, and a Vietnamese sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Answer:
    body: bytes = b""
    fault: CollectFault | None = None
    connection: http.client.HTTPConnection | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent along, by POST."""

    kind: str  # media type
    body: bytes


def fetch(
    url: str, *, most_bytes: int = MOST_BYTES, seconds: float = SECONDS, question: Question | None = None
) -> bytes:
    """What stands at ``url`` (http or https), or is answered there to ``question``: at most so much, within
    so many seconds in all, from looking the name up to the last byte. Raises CollectFault.
    """
    answer = _Answer()
    worker = threading.Thread(target=_ask, args=(url, question, most_bytes, seconds, answer), daemon=True)
    worker.start()
    worker.join(seconds)
    if worker.is_alive():
        # A server that drips byte by byte never times out by itself: its connection is taken away.
        connection = answer.connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        raise CollectFault("timeout", f"Không trả lời xong trong {seconds:g} giây.")
    if answer.fault is not None:
        raise answer.fault
    return answer.body


def _ask(url: str, question: Question | None, most_bytes: int, seconds: float, answer: _Answer) -> None:
    parts = urlsplit(url)
    try:
        answer.connection = connection = _connection(parts.scheme, parts.hostname or "", parts.port, seconds)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "hoc-ba-so-portal", "Accept-Encoding": "identity", "Connection": "close"}
        if question is None:
            connection.request("GET", target, headers=headers)
        else:
            connection.request("POST", target, question.body, headers | {"Content-Type": question.kind})
        response = connection.getresponse()
        if 300 <= response.status < 400:
            where = (response.getheader("Location") or "")[:200]
            raise CollectFault("redirected", f"Chuyển hướng tới “{where}”; chỉ hỏi đúng địa chỉ đã ghim.")
        if response.status != 200:
            raise CollectFault("http", f"Máy chủ trả lời mã {response.status}.")
        expected = response.length or 0  # what it says itself; nothing where it does not
        answer.body = response.read(most_bytes + 1) if expected <= most_bytes else b""
        if max(len(answer.body), expected) > most_bytes:
            raise CollectFault("too_large", f"Câu trả lời lớn hơn {most_bytes // 1024} KiB.")
        if len(answer.body) < expected:
            raise CollectFault("unreachable", "Kết nối đứt giữa chừng.")
    except CollectFault as fault:
        answer.fault = fault
    except TimeoutError:
        answer.fault = CollectFault("timeout", f"Không trả lời trong {seconds:g} giây.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        answer.fault = CollectFault(
            "unreachable", f"Không lấy được: {str(error)[:120] or type(error).__name__}."
        )
    finally:
        if answer.connection is not None:
            answer.connection.close()


def _connection(scheme: str, host: str, port: int | None, seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    return http.client.HTTPConnection(host, port, timeout=seconds)
