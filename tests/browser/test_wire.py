"""The server as programs meet it: curl, bodies without a length, bodies that are too large."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Site


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
    """60 MiB are offered: 413 (or a closed connection while still sending), and the memory does not
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
    assert resident(site.pid) - before < 40 << 20
    assert json.loads(curl("-H", "Accept: application/json", site.url + site.code("GENUINE_CURRENT")))
