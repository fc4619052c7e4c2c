"""The server as programs meet it: curl, bodies without a length, bodies that are too large."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pikepdf
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.browser.conftest import HEAVIEST, Site, descendants, serve
from tests.demo_instance import DemoInstance

CODES = ("GENUINE_CURRENT", "GENUINE_SUPERSEDED", "GENUINE_REVOKED", "REGISTERED_BUT_SIGNATURE_FAILS",
         "CONTENT_DIFFERS", "NOT_VERIFIED", "CHECK_INCOMPLETE")  # fmt: skip
"""Verdicts that the demo has a code of."""


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


@pytest.mark.parametrize("ways", ["gzip", "gzip, deflate, br"])
def test_a_first_view_is_light_on_the_wire(site: Site, ways: str) -> None:
    """What a phone that was never here takes over the line from the real server: at most 6 answers and
    60 KB, 14 of them the page.
    """
    paths = (
        "/",
        "/kiem-tra",
        "/kiem-tra-nhieu",
        "/lookup",
        *(site.code(verdict) for verdict in CODES),
    )
    for path in paths:
        page = curl("-H", f"Accept-Encoding: {ways}", site.url + path)
        files = re.findall(r'(?:src|href)="(/static/[^"]+)', gzip.decompress(page).decode())
        heads = [
            curl("-o", "/dev/null", "-D", "-", "-H", f"Accept-Encoding: {ways}", site.url + f) for f in files
        ]
        for head in heads:
            assert b"cache-control: public, max-age=31536000, immutable" in head.lower()
        bodies = [curl("-H", f"Accept-Encoding: {ways}", site.url + file) for file in files]
        assert len(page) <= HEAVIEST["page"], f"{path}: {len(page)}"
        assert 2 <= len(files) < HEAVIEST["requests"], f"{path}: {files}"
        assert len(page) + sum(map(len, bodies)) <= HEAVIEST["all"], f"{path}: {files}"


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
UPLOADS = 1000
AT_ONCE = 8
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="canary-of-a-name.pdf"\r\n\r\n'
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


def upload(site: Site, content: bytes) -> bytes:
    """One document in one request, and the whole answer, headers too. Raises OSError or HTTPException where
    the server dies meanwhile.
    """
    connection = begun(site, len(content))
    connection.send(content + TAIL)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200
    return str(answer.getheaders()).encode() + body


def documents(site: Site) -> list[bytes]:
    """What is sent, in turns: each kind that takes a way of its own. All but the first hold the canary. One
    in 40 is parsed, drawn and validated from one end to the other, which takes most of a second: no more of
    them, so that the test stays one that is run.
    """
    noted = pikepdf.open(site.file("SEAL_VALID_NOT_REGISTERED"))
    noted.docinfo["/Subject"] = CANARY.decode()
    out = io.BytesIO()
    noted.save(out)
    text = PngInfo()
    text.add_text("Comment", CANARY.decode())
    photo = io.BytesIO()
    Image.new("L", (40, 40), 255).save(photo, "PNG", pnginfo=text)
    small = CANARY * 300
    quick = [
        site.file("GENUINE_CURRENT").read_bytes(),  # takes no child
        photo.getvalue(),
        small,
        b"%PDF-1.7 " + small,
        b"PK\x03\x04" + small,
        b"<HOC_BA>" + small,
        b"PK\x03\x04" + CANARY * 30_000,  # larger than what is kept in memory: spooled
    ]
    return [*quick * 5, *quick[:4], out.getvalue()]


def held(pids: list[int], folder: Path) -> list[str]:
    """Open files of these processes that lie or lay in ``folder``, in shared memory, or nowhere."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found.append(os.readlink(entry))
    kinds = (str(folder), "/memfd:", "/dev/shm")  # noqa: S108 - looked at, nothing is written there
    return [target for target in found if target.startswith(kinds)]


def kill_everything(site: Site) -> list[int]:
    """The server, its worker, the fork server and its children, all at once; answers who they were."""
    everybody = [site.pid, *descendants(site.pid)]
    for pid in everybody:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return everybody


def test_nothing_of_a_thousand_uploads_outlives_its_request(
    demo_instance: DemoInstance, tmp_path: Path
) -> None:
    """SEC-14: a thousand answered uploads, eight at a time, of every kind that takes a way of its own, with
    two kill -9 of everything among them: no file has appeared anywhere that the server writes, none holds a
    word of them, nobody holds one open, and no answer gives one back, to whoever sent it or to others.
    """
    spool = tmp_path / "spool"
    spool.mkdir()
    started = partial(
        serve,
        demo_instance.copy_to(tmp_path / "instance"),
        log=tmp_path / "printed",
        TMPDIR=str(spool),
        LIMITS="upload v4 1000000/minute",
        CHECKS_RUNNING=str(AT_ONCE),
        CHECKS_PER_CLIENT="64",
        CHECKS_WAITING="64",
    )
    answered: list[bytes] = []

    def files() -> set[Path]:
        return {p for p in tmp_path.rglob("*") if p.is_file() and not p.name.startswith("portal.sqlite3")}

    def send(site: Site, number: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # where everything dies
            answered.append(upload(site, sent[number % len(sent)]))

    with started() as site, ThreadPoolExecutor(AT_ONCE) as pool:
        sent = documents(site)
        assert upload(site, sent[3])  # the first writes today's trust down
        before = files()

        # 1 Whole requests; then one that is still being sent: its spool has no name.
        list(pool.map(lambda number: send(site, number), range(UPLOADS // 2)))
        assert len(answered) == UPLOADS // 2
        assert files() == before
        sending = begun(site, 9_000_000)
        sending.send(CANARY * 100_000)
        end = time.monotonic() + 30
        while not (spools := held([site.pid, *descendants(site.pid)], spool)) and time.monotonic() < end:
            time.sleep(0.02)
        assert spools
        assert all(target.endswith("(deleted)") for target in spools)

        # 2 Everything dies at once, in the middle of it and of eight more.
        flood = [pool.submit(send, site, number) for number in range(200)]
        while len(answered) < UPLOADS // 2 + 50 and not all(each.done() for each in flood):
            time.sleep(0.01)
        dead = kill_everything(site)
        for each in flood:
            each.result(60)
    sending.close()
    assert held(dead, spool) == []
    assert files() == before

    # 3 Started again over what was left; killed again, started again.
    for killed in (True, False):
        with started() as site, ThreadPoolExecutor(AT_ONCE) as pool:
            if killed:
                assert upload(site, sent[3])
                flood = [pool.submit(send, site, number) for number in range(200)]
                time.sleep(1)
                kill_everything(site)
                for each in flood:
                    each.result(60)
                continue
            list(pool.map(lambda number: send(site, number), range(UPLOADS - len(answered))))
            assert held([site.pid, *descendants(site.pid)], spool) == []
            for address in ("/", "/check", "/lookup", "/compare", "/check/data", "/demo/", "/robots.txt"):
                answered.append(curl("-i", site.url + address))
    assert len(answered) >= UPLOADS

    assert files() == before
    places = (tmp_path, Path("/dev/shm"))  # noqa: S108 - looked at, nothing is written there
    for path in (path for place in places for path in place.rglob("*") if path.is_file()):
        with contextlib.suppress(FileNotFoundError):  # somebody else's, in shared memory
            assert b"canary-of-a" not in path.read_bytes(), path
    assert [answer for answer in answered if b"canary-of-a" in answer] == []
