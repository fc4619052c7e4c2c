"""The real server's outer edge: what it prints (SEC-28, SEC-29) and what it gives away (SEC-43)."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Site, serve
from tests.demo_instance import DemoInstance

BANNERS = re.compile("granian|hyper|werkzeug|flask|python|jinja|sqlalchemy|traceback|powered", re.IGNORECASE)
#: What a damaged row may hold.
PERSONAL = "CANARY Nguyen Thi Lan"
#: What tools of developers and operators usually answer, and ways out of the folders that are served.
INSIDE = (
    *("/metrics", "/health", "/status", "/server-status", "/debug", "/console", "/_debug_toolbar", "/admin"),
    *("/docs", "/redoc", "/openapi.json", "/swagger.json", "/graphql", "/.git/config", "/.env", "/wsgi.py"),
    *("/static/../wsgi.py", "/static/%2e%2e/config.py", "/static//etc/passwd", "/static/", "/uv.lock"),
    *("/demo/", "/demo/../secrets.json", "/demo/%2e%2e/secrets.json", "/demo/keys.json"),
    "/?__debugger__=yes&cmd=resource&f=style.css",
)


@dataclass(frozen=True, slots=True)
class Edge:
    """A server of its own whose prints go to a file; started with a debug flag in its environment, as an
    operator may have left one.
    """

    site: Site
    log: Path

    def send(self, request: bytes) -> bytes:
        """Raw bytes to the server, and whatever comes back until it closes or is silent for 5 s."""
        where = urlsplit(self.site.url)
        pieces = []
        with socket.create_connection((str(where.hostname), where.port or 80), 5) as line, suppress(OSError):
            line.sendall(request)
            while piece := line.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)

    def get(self, path: str, *, method: str = "GET", headers: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        return self.send(head + headers + b"\r\n")


@pytest.fixture(scope="module")
def edge(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    log = folder / "printed"
    with serve(demo_instance.copy_to(folder / "instance"), log=log, FLASK_DEBUG="1") as site:
        yield Edge(site, log)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("path", INSIDE)
def test_nothing_of_the_inside_is_served(edge: Edge, path: str) -> None:
    """SEC-43: no debug, documentation or metrics pages, no files but the public ones."""
    answer = edge.get(path)
    assert status(answer) == (200 if path.startswith("/?") else 404)
    assert not BANNERS.search(answer.decode())


def test_no_method_gives_back_what_was_sent(edge: Edge) -> None:
    """SEC-43: TRACE and its like are refused by us, with our headers."""
    for method in ("TRACE", "TRACK", "DEBUG", "CONNECT", "PROPFIND"):
        answer = edge.get("/", method=method, headers=b"X-Secret: echo\r\n")
        assert status(answer) in (400, 404, 405)
        assert b"echo" not in answer
        assert not BANNERS.search(answer.decode())
    assert b"content-security-policy" in edge.get("/", method="TRACE").lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 600_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: \x1b[31m\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_the_servers_own_refusals_say_nothing(edge: Edge, request_bytes: bytes) -> None:
    """SEC-26, SEC-43: what granian turns away before any application sees it has no body and no name; what
    gets further has our headers.
    """
    answer = edge.send(request_bytes)
    assert not BANNERS.search(answer.decode("latin-1"))
    head, _, body = answer.partition(b"\r\n\r\n")
    if body and answer.startswith(b"HTTP/1"):
        assert b"content-security-policy" in head.lower()
    assert status(edge.get("/")) == 200


def test_a_fault_shows_no_debugger(edge: Edge) -> None:
    """SEC-43, SEC-28: a real fault (a damaged row of the database, whose words the exception quotes), with a
    debug flag in the environment: a page or a problem with a request id, the headers of every answer, and in
    the log what broke and where, without those words.
    """
    code = edge.site.code("GENUINE_CURRENT")
    database = sqlite3.connect(edge.site.instance.directory / "portal.sqlite3")
    with closing(database):
        before = database.execute("SELECT id, standing FROM registered_files").fetchall()
        with database:
            database.execute("UPDATE registered_files SET standing = ?", (PERSONAL,))
        try:
            read = len(edge.log.read_text("ascii").splitlines())
            page, other = edge.get(code), edge.get(f"{code}?lang=en")
            problem = edge.get(code, headers=b"Accept: application/json\r\n")
        finally:
            with database:
                database.executemany(
                    "UPDATE registered_files SET standing = ? WHERE id = ?", [(s, i) for i, s in before]
                )

    told = []
    for answer in (page, other, problem):
        assert status(answer) == 500
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-security-policy: default-src 'none'" in head.lower()
        assert b"cache-control: no-store" in head.lower()
        found = re.search(rb"(?i)x-request-id: ([0-9a-f]{16})\r\n", head + b"\r\n")
        assert found
        assert found[1] in body
        told.append(found[1].decode())
        assert not BANNERS.search(answer.decode())
        assert PERSONAL not in answer.decode()
    assert "Cổng đang gặp trục trặc" in page.decode()
    assert "The portal has a problem" in other.decode()
    assert json.loads(problem.partition(b"\r\n\r\n")[2])["code"] == "fault"

    printed = edge.log.read_text("ascii").splitlines()[read:]
    assert not any("CANARY" in line for line in printed)
    lines = [json.loads(line) for line in printed]
    for request in told:
        mine = [line for line in lines if line.get("request") == request]
        faults = [line for line in mine if line["message"] == f"fault {request}"]
        assert [line["error"][0]["type"] for line in faults] == ["builtins.ValueError"]
        assert any("portal.registry" in place for place in faults[0]["error"][0]["places"])
        assert [line["status"] for line in mine if line["message"] == "request"] == [500]
    assert status(edge.get(code)) == 200


def test_everything_that_is_printed_is_json_without_what_was_sent(edge: Edge) -> None:
    """SEC-28, SEC-29, over all that these tests did and more: standard output and error of the server and its
    children, line by line.
    """
    code = edge.site.code("GENUINE_CURRENT")
    before = len(edge.log.read_text("ascii").splitlines())
    hostile = b"X-Request-Id: CANARY\r\nUser-Agent: CANARY\xff\r\nReferer: http://x/CANARY\r\n"
    edge.get(code, headers=hostile)
    edge.get(f"{code}/CANARY?x=CANARY", headers=hostile)
    edge.get("/%0d%0aCANARY%1b%5b31m", headers=hostile)
    for file_name in (b"CANARY.pdf", b"CANARY\x1b\xff.pdf", b"CANARY%0d%0a.pdf"):
        for content in (b"%PDF-1.7 CANARY", edge.site.file("GENUINE_CURRENT").read_bytes()):
            part = (
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + file_name + b'"\r\n\r\n'
            )
            body = part + content + b"\r\n--b--\r\n"
            head = b"POST /check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + hostile
            head += b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n" % len(body)
            assert status(edge.send(head + body)) in (200, 422)  # 422: no name that could be read
    printed = edge.log.read_text("ascii")
    assert re.fullmatch("[\x20-\x7e\n]*", printed)
    written = [json.loads(line) for line in printed.splitlines()]
    requests = [line for line in written[before:] if line["logger"] == "portal.requests"]
    assert [line["route"] for line in requests] == ["/V/<path:code>", "/V/<path:code>", None] + ["/check"] * 6
    assert {line["verdict"] for line in requests} == {"GENUINE_CURRENT", "NOT_VERIFIED", None}
    assert "CANARY" not in printed
    assert code.removeprefix("/V/").partition(".")[0] not in printed
    assert "127.0.0.1" not in printed
