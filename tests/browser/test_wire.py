"""The server as programs meet it: curl, bodies without a length, bodies that are too large."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Site, serve
from tests.demo_instance import DemoInstance


def curl(*arguments: str) -> bytes:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, check=True).stdout  # noqa: S603, S607


def test_plain_curl(site: Site) -> None:
    answer = json.loads(
        curl(
            "-H",
            "Accept: application/json",
            "-F",
            f"file=@{site.file('GENUINE_CURRENT')}",
            f"{site.url}/check",
        )
    )
    assert (answer["verdict"], answer["evidence"]) == ("GENUINE_CURRENT", "file")
    page = curl("-F", f"file=@{site.file('GENUINE_CURRENT')}", f"{site.url}/check").decode()
    assert "Đúng bản trường cấp, đang lưu hành" in page


def test_a_body_in_chunks_without_a_length(site: Site) -> None:
    answer = json.loads(
        curl(
            *("-H", "Accept: application/json", "-H", "Transfer-Encoding: chunked"),
            *("-F", f"file=@{site.file('GENUINE_REVOKED')}", f"{site.url}/check"),
        )
    )
    assert answer["verdict"] == "GENUINE_REVOKED"


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/icon.svg", "/V/X", "/check"])
def test_the_server_does_not_say_what_it_is(site: Site, path: str) -> None:
    head = curl("-o", "/dev/null", "-D", "-", site.url + path).decode().lower()
    assert [line for line in head.splitlines() if line.startswith("server:")] == ["server: portal"]
    assert not any(name in head for name in ("granian", "python", "werkzeug", "flask", "x-powered-by"))


def test_a_trace_is_refused(site: Site) -> None:
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-X", "TRACE", site.url) == b"405"


def resident(pid: int) -> int:
    """Resident memory of the server and its workers, in bytes."""
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    pages = [int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in (pid, *children)]
    return sum(pages) * 4096


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_large_is_refused_without_being_held(site: Site, chunked: bool) -> None:
    """SEC-09: 60 MiB are offered: 413 (or a closed connection while still sending), and the memory does not
    follow.
    """
    curl("-F", f"file=@{site.file('GENUINE_CURRENT')}", f"{site.url}/check")  # warm
    before = resident(site.pid)
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    size = len(head) + (60 << 20)
    connection.putrequest("POST", "/check")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Accept", "application/json")
    connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(size))))
    connection.endheaders()
    refused = False
    try:
        for piece in (head, *(bytes(1 << 20) for _ in range(60))):
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            connection.send(b"0\r\n\r\n")
    except OSError:
        refused = True
    try:
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["code"] == "request_entity_too_large"
    except (OSError, http.client.HTTPException):
        assert refused
    connection.close()
    assert resident(site.pid) - before < 20 << 20
    assert json.loads(curl("-H", "Accept: application/json", site.url + site.code("GENUINE_CURRENT")))


CANARY = b"canary-of-a-strangers-document"


def upload(site: Site, content: bytes) -> http.client.HTTPResponse:
    """One document in one request; large ones are spooled by the server."""
    connection = begun(site, len(content))
    connection.send(content + TAIL)
    return connection.getresponse()


HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


def begun(site: Site, size: int) -> http.client.HTTPConnection:
    """A request that announces a document of ``size`` bytes and has sent none of it."""
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    connection.putrequest("POST", "/check")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Accept", "application/json")
    connection.putheader("Content-Length", str(len(HEAD) + size + len(TAIL)))
    connection.endheaders(HEAD)
    return connection


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


def spooled(pids: list[int], folder: Path) -> list[str]:
    """Open files of these processes that lie, or once lay, in ``folder``."""
    found = []
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(entry))
    return [target for target in found if target.startswith(str(folder))]


def test_nothing_of_an_upload_outlives_its_request(demo_instance: DemoInstance, tmp_path: Path) -> None:
    """SEC-14: after a hundred uploads, and after a kill -9 of everything in the middle of two more, no file
    has appeared anywhere that the server writes, and no file holds a word of them.
    """
    spool = tmp_path / "spool"
    spool.mkdir()
    instance = demo_instance.copy_to(tmp_path / "instance")

    def files() -> set[Path]:
        return {p for p in tmp_path.rglob("*") if p.is_file() and not p.name.startswith("portal.sqlite3")}

    with serve(instance, TMPDIR=str(spool)) as site:
        assert upload(site, b"%PDF-1.7 the first writes today's trust down").status == 200
        before = files()

        # 1 Whole requests, every tenth one larger than what is kept in memory.
        for number in range(100):
            size = 1_000_000 if number % 10 == 0 else 10_000
            assert upload(site, CANARY * (size // len(CANARY))).status == 200
        assert files() == before

        # 2 One that is still being sent: its spool has no name. One that is being examined.
        sending = begun(site, 9_000_000)
        sending.send(CANARY * 100_000)
        examined = begun(site, 9_000_000)
        examined.send((b"%PDF-1.7 " + CANARY * 300_000)[:9_000_000] + TAIL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            everybody = [site.pid, *descendants(site.pid)]
            spools = spooled(everybody, spool)
            if spools:
                break
            time.sleep(0.02)
        assert spools
        assert all(target.endswith("(deleted)") for target in spools)

        # 3 Everything dies at once.
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    sending.close()
    examined.close()
    assert files() == before
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and CANARY in path.read_bytes()]
