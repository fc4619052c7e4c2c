"""``trust refresh``: lists from pinned addresses, however the servers there behave."""

from __future__ import annotations

import http.server
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.fetching import FetchFault, fetch
from portal.trust import service as trust
from portal.trust.models import RevocationList
from tests.conftest import NOW, FrozenClock
from tests.pki_server import PkiServer
from tests.portal.audit.reading import changes_told
from tests.portal.commands.conftest import Run
from tests.servers import serve_in_thread
from tests.verifier import pki
from verifier.certificates import read_certificate

HOUR = timedelta(hours=1)


class _Handler(http.server.BaseHTTPRequestHandler):
    """What stands at a path, or misbehaviour by its name."""

    pages: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        with suppress(BrokenPipeError, ConnectionResetError):
            misbehave = getattr(self, f"_{self.path.strip('/')}", None)
            if misbehave is not None:
                misbehave()
            elif self.path in self.pages:
                self._say(self.pages[self.path])
            else:
                self.send_error(404)

    def _say(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        """A byte now and then, for ever: no single read ever times out."""
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"0")
            time.sleep(0.05)

    def _drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X: y\r\n"[:1])
            time.sleep(0.05)

    def _huge(self) -> None:
        """More than it says, and more than anyone wants."""
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(bytes(64 * 1024))

    def _lies(self) -> None:
        """A huge length, and little behind it."""
        self._say(b"0", 1 << 40)

    def _cut(self) -> None:
        """Less than it says."""
        self._say(b"0", 1000)

    def _moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/elsewhere.crl")
        self.end_headers()

    def _hang(self) -> None:
        time.sleep(3)

    def _error(self) -> None:
        self.send_error(500)

    def _html(self) -> None:
        self._say(b"<html>Trang ch\xe1\xbb\xa7</html>")

    def _empty(self) -> None:
        self._say(b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.pages, _Handler.asked = {}, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.daemon_threads = True
        serve_in_thread(running)
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("drip", "timeout"),
        ("drip_headers", "timeout"),
        ("hang", "timeout"),
        ("huge", "too_large"),
        ("lies", "too_large"),
        ("cut", "unreachable"),
        ("moved", "redirected"),
        ("error", "http"),
        ("nothing-here", "http"),
    ],
)
def test_an_answer_is_bounded_in_time_and_size_and_goes_nowhere_else(
    server: str, path: str, code: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(FetchFault) as caught:
        fetch(f"{server}/{path}", most_bytes=256 * 1024, seconds=0.8 if code == "timeout" else 60)
    assert caught.value.code == code
    assert time.monotonic() - begun < 30  # what drips goes on for ever
    assert _Handler.asked == [f"/{path}"]  # nobody followed the redirect


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x.crl", "http://name.invalid/x.crl", "https://127.0.0.1:9/"]
)
def test_who_cannot_be_reached_is_told(url: str) -> None:
    with pytest.raises(FetchFault) as caught:
        fetch(url, seconds=5)
    assert caught.value.code in ("unreachable", "timeout")


def test_https_without_a_certificate_that_counts_is_refused(server: str) -> None:
    with pytest.raises(FetchFault) as caught:
        fetch(server.replace("http://", "https://") + "/x.crl", seconds=5)
    assert caught.value.code == "unreachable"


@pytest.fixture
def authority() -> pki.Ca:
    """One whose lists the tests make; certificates of the world's own time, so is the clock's."""
    return pki.root("Gốc thử danh sách")


@pytest.fixture
def ready(run: Run, clock: FrozenClock, authority: pki.Ca, tmp_path: Path) -> Run:
    clock.time = pki.NOW
    path = tmp_path / "root.cer"
    path.write_bytes(authority.der)
    run("trust", "add-anchor", path, "--pki", "state")
    return run


def kept(engine: Engine) -> list[bytes]:
    with Session(engine) as session:
        return list(session.scalars(select(RevocationList.crl).order_by(RevocationList.this_update)))


def crl(authority: pki.Ca, number: int, **options: Any) -> bytes:
    times: dict[str, Any] = {
        "this_update": pki.NOW - 9 * HOUR + number * HOUR,
        "next_update": pki.NOW + 9 * HOUR + number * HOUR,
    }
    return authority.crl(number=number, **{**times, **options})


def test_a_new_list_replaces_an_older_one_and_the_same_changes_nothing(
    ready: Run, server: str, authority: pki.Ca, engine: Engine
) -> None:
    ready("trust", "add-crl-address", authority.sha256, f"{server}/a.crl")
    crl_one, crl_two = crl(authority, 1), crl(authority, 2)
    _Handler.pages["/a.crl"] = crl_one
    assert "danh sách mới" in ready("trust", "refresh").stdout
    with Session(engine) as session:
        epoch = trust.current_epoch(session)
    assert "không có gì mới" in ready("trust", "refresh").stdout
    with Session(engine) as session:
        assert trust.current_epoch(session) == epoch
    _Handler.pages["/a.crl"] = crl_two
    ready("trust", "refresh")
    assert kept(engine) == [crl_one, crl_two]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("older", "mới hơn"),
        ("stranger", "đã ghim"),
        ("other", "tổ chức khác"),
        ("html", "CRL"),
        ("empty", "CRL"),
        ("moved", "Chuyển hướng"),
        ("missing", "404"),
        ("future", "tương lai"),
    ],
)
def test_what_is_no_newer_list_of_this_authority_replaces_nothing(
    ready: Run,
    server: str,
    authority: pki.Ca,
    engine: Engine,
    tmp_path: Path,
    *,
    wrong: str,
    word: str,
) -> None:
    other = pki.root("Gốc khác")
    (tmp_path / "other.cer").write_bytes(other.der)
    ready("trust", "add-anchor", tmp_path / "other.cer", "--pki", "public")
    good = tmp_path / "good.crl"
    good.write_bytes(crl(authority, 5))
    ready("trust", "import-crl", good)
    before = kept(engine)
    _Handler.pages["/list"] = {
        "older": crl(authority, 4),
        "stranger": crl(authority, 6, signed_by=pki.root("Kẻ lạ")),
        "other": crl(other, 6),
        "future": crl(authority, 30),
    }.get(wrong, b"")
    url = f"{server}/{'list' if wrong in ('older', 'stranger', 'other', 'future') else wrong}"
    ready("trust", "add-crl-address", authority.sha256, url)
    told = ready("trust", "refresh", code=1)
    (line,) = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
    assert url in line
    assert word in line
    assert kept(engine) == before
    assert word in ready("trust", "list").stdout


def test_one_bad_address_does_not_keep_the_others_out(
    ready: Run, server: str, authority: pki.Ca, engine: Engine
) -> None:
    """Every fault is told, each with its address; what could be collected is."""
    _Handler.pages["/good.crl"] = crl(authority, 1)
    for path in ("error", "good.crl", "html"):
        ready("trust", "add-crl-address", authority.sha256, f"{server}/{path}")
    told = ready("trust", "refresh", code=1)
    errors = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
    assert [f"{server}/{path}" in line for path, line in zip(("error", "html"), errors, strict=True)] == [
        True
    ] * 2
    assert f"{server}/good.crl: danh sách mới" in told.stdout
    assert len(kept(engine)) == 1
    # Mended, the next run finds everything in order.
    _Handler.pages["/error"] = _Handler.pages["/html"] = crl(authority, 1)
    ready("trust", "remove-crl-address", f"{server}/html")
    ready("trust", "remove-crl-address", f"{server}/error")
    assert ready("trust", "refresh").stderr == ""


def test_offline_the_lists_at_hand_stay_and_their_end_is_told(
    ready: Run, clock: FrozenClock, server: str, authority: pki.Ca, engine: Engine
) -> None:
    _Handler.pages["/a.crl"] = crl(authority, 1)
    ready("trust", "add-crl-address", authority.sha256, f"{server}/a.crl")
    ready("trust", "refresh")
    ready("trust", "remove-crl-address", f"{server}/a.crl")
    ready("trust", "add-crl-address", authority.sha256, "http://127.0.0.1:9/a.crl")
    ready("trust", "refresh", code=1)
    assert len(kept(engine)) == 1
    clock.time = pki.NOW + 48 * HOUR
    told = ready("trust", "refresh", code=1)
    assert "quá hạn" in told.stderr


def test_only_pinned_addresses_are_asked(
    ready: Run, server: str, authority: pki.Ca, tmp_path: Path, engine: Engine
) -> None:
    """An address in a certificate (its CRL distribution point) is nobody's word but the certificate's."""
    below = authority.issue("CA có điểm phân phối", ca=True, crl_url=f"{server}/from-the-certificate.crl")
    (tmp_path / "below.cer").write_bytes(below.der)
    ready("trust", "add-anchor", tmp_path / "below.cer", "--pki", "state")
    refused = ready("trust", "refresh", code=1)
    assert "add-crl-address" in refused.stderr
    _Handler.pages["/a.crl"] = crl(authority, 1)
    ready("trust", "add-crl-address", authority.sha256, f"{server}/a.crl")
    ready("trust", "refresh")
    assert _Handler.asked == ["/a.crl"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a.crl",
        "file:///etc/passwd",
        "http://",
        "http://ai:mat-khau@host/a.crl",
        "http://a b/c",
    ],
)
def test_addresses_are_http_and_carry_no_secret(ready: Run, authority: pki.Ca, url: str) -> None:
    told = ready("trust", "add-crl-address", authority.sha256, url, code=1)
    assert told.stderr.startswith("error: url: ")


def test_addresses_are_of_pinned_authorities(ready: Run, authority: pki.Ca) -> None:
    ready("trust", "add-crl-address", "00" * 32, "http://a.invalid/b.crl", code=1)
    ready("trust", "add-crl-address", authority.sha256, "http://a.invalid/b.crl")
    ready("trust", "add-crl-address", authority.sha256, "http://a.invalid/b.crl", code=1)
    ready("trust", "remove-crl-address", "http://a.invalid/other.crl", code=1)
    ready("trust", "remove-anchor", authority.sha256)
    ready("trust", "refresh", code=1)  # nobody is left to ask for


def test_a_whole_authority_as_certomancer_runs_one(
    run: Run, clock: FrozenClock, tmp_path: Path, engine: Engine
) -> None:
    """Pinned for timestamps, its lists collected, day after day; what changed is on record."""
    clock.time = NOW
    with PkiServer(tmp_path, NOW) as server:
        for name in ("root", "ca"):
            path = tmp_path / f"{name}.cer"
            path.write_bytes(server.certificate(name))
            run("trust", "add-anchor", path, "--pki", "public", "--purpose", "timestamping")
            sha256 = read_certificate(server.certificate(name)).sha256
            run("trust", "add-crl-address", sha256, server.crl_url(name))
        run("trust", "refresh")
        assert len(kept(engine)) == 2
        clock.time = NOW + timedelta(days=1, hours=1)
        server.move(clock.time)
        run("trust", "refresh")
        assert len(kept(engine)) == 4
    told = run("trust", "refresh", code=1)  # its server is gone
    assert len([line for line in told.stderr.splitlines() if line.startswith("error: ")]) == 2
    with Session(engine) as session:
        store = trust.load_store(session)
        on_record = set(changes_told(session))
    assert (store.anchors, len(store.timestamping.anchors), len(store.timestamping.intermediates)) == (
        (),
        1,
        1,
    )
    assert {"add_crl_address", "import_crl"} <= on_record
    assert "dấu thời gian" in run("trust", "list").stdout
