"""The log: one JSON line a request, with its id, in UTC, escaped, without what anybody sent (SEC-29)."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from portal import logs
from tests.portal.web.world import Stock, World, build

LINE = {"at", "level", "logger", "message", "request", "method", "route", "status", "ms", "verdict", "client"}
HOSTILE = 'x\r\n{"level": "error"}\x1b[31mred\x07\x00\x7f\u0085\u2028'


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What the process would print, with the logging of the real one."""
    root, hook = logging.getLogger(), threading.excepthook
    named = [root, *map(logging.getLogger, ("portal", "werkzeug", "_granian", "granian.access"))]
    kept = [(log, log.handlers, log.level, log.propagate) for log in named]
    stream = io.StringIO()
    logs.configure(stream)
    try:
        yield stream
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        for log, handlers, level, propagate in kept:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)


def lines(printed: io.StringIO) -> list[dict[str, Any]]:
    """Every line, parsed; nothing but printable ASCII and the ends of lines was written."""
    text = printed.getvalue()
    assert re.fullmatch("[\x20-\x7e\n]*", text)
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_one_line_a_request(world: World, printed: io.StringIO) -> None:
    """SEC-29."""
    asked = {
        ("GET", world.primary.path): ("/V/<path:code>", 200, "GENUINE_CURRENT"),
        ("GET", world.primary.path + "?lang=en"): ("/V/<path:code>", 200, "GENUINE_CURRENT"),
        ("HEAD", world.recalled.path): ("/V/<path:code>", 200, "GENUINE_REVOKED"),
        ("GET", world.primary.path.lower()): ("/v/<path:code>", 301, None),
        ("GET", "/V/ABC"): ("/V/<path:code>", 200, "NOT_VERIFIED"),
        ("GET", "/khong-co"): (None, 404, None),
        ("POST", "/"): (None, 405, None),
        ("GET", "/static/app.css"): ("/static/<path:filename>", 200, None),
    }
    ids = [world.client.open(path, method=method).headers["X-Request-Id"] for method, path in asked]
    assert len(set(ids)) == len(asked)
    written = lines(printed)
    for line, request_id, ((method, _), expected) in zip(written, ids, asked.items(), strict=True):
        assert set(line) == LINE
        assert (line["level"], line["logger"], line["message"]) == ("info", "portal.requests", "request")
        assert (line["request"], line["method"]) == (request_id, method)
        assert (line["route"], line["status"], line["verdict"]) == expected
        assert 0 <= line["ms"] < 60_000
        at = datetime.fromisoformat(line["at"])
        assert line["at"].endswith("Z")
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert world.primary.locator.record_id not in printed.getvalue()


def test_verdicts_of_forms_and_files(world: World, printed: io.StringIO) -> None:
    world.client.post("/check", data={"file": (io.BytesIO(world.primary.file), "x.pdf")})
    day = {"ngay": "1", "thang": "1", "nam": "1999"}
    form = {"code": world.primary.locator.record_id, **day}
    world.client.post("/lookup", data=form, content_type="multipart/form-data")
    assert [(line["route"], line["verdict"]) for line in lines(printed)] == [
        ("/check", "GENUINE_CURRENT"),
        ("/lookup", "NOT_VERIFIED"),
    ]


def test_a_client_is_told_from_others_for_a_day_and_not_named(world: World, printed: io.StringIO) -> None:
    """SEC-28: no address, and /64 for IPv6 as the limits count it."""
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", ""]
    for address in addresses:
        world.client.get("/", environ_base={"REMOTE_ADDR": address})
    world.clock.time = world.clock.time.replace(day=world.clock.time.day + 1)
    world.client.get("/", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    tags = [line["client"] for line in lines(printed)]
    assert all(re.fullmatch("[0-9a-f]{12}", tag) for tag in tags)
    assert tags[0] == tags[1] != tags[2]
    assert tags[3] == tags[4] != tags[5]
    assert tags[7] not in tags[:7]
    assert "192.0.2" not in printed.getvalue()
    assert "2001:db8" not in printed.getvalue()


@pytest.mark.parametrize("hops", ["0", "1"])
def test_an_id_is_taken_from_a_trusted_proxy_alone(
    tmp_path: Path, issued_stock: Stock, printed: io.StringIO, hops: str
) -> None:
    world = build(tmp_path / "i", issued_stock, TRUSTED_PROXIES=hops)
    theirs = "0123456789abcdef0123456789abcdef"
    for given_id in (theirs, "short", theirs.upper(), "Nguyễn".encode().decode("latin-1"), "0" * 65):
        answer = world.client.get("/", headers={"X-Request-Id": given_id})
        kept = hops == "1" and given_id == theirs
        assert (answer.headers["X-Request-Id"] == given_id) is kept
    assert {len(line["request"]) for line in lines(printed)} == ({16, 32} if hops == "1" else {16})


HEADERS = (
    "HTTP_USER_AGENT",
    "HTTP_ACCEPT",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_REQUEST_ID",
    "HTTP_HOST",
    "HTTP_COOKIE",
    "HTTP_REFERER",
    "HTTP_ORIGIN",
    "REMOTE_ADDR",
    "QUERY_STRING",
    "CONTENT_TYPE",
)
PART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
    b"Content-Type: %b\r\n\r\nx\r\n--b--\r\n"
)


def test_nothing_that_is_sent_breaks_a_line(world: World, printed: io.StringIO) -> None:
    """SEC-29: CR, LF, ANSI, NUL and half characters in every header, in paths, methods and file names; every
    line parses, and what was sent is in none.
    """
    hostile = [HOSTILE, "\ud800\udfff", "%0d%0aCANARY", "x" * 20_000, "\xff\xfe"]
    for number, text in enumerate(hostile):
        mark = f"CANARY{number}{text}"
        for name in HEADERS:
            environ = EnvironBuilder(path="/check").get_environ()
            run_wsgi_app(world.app.wsgi_app, environ | {name: mark})
        for path in (f"/{mark}", f"/V/{mark}", f"/v/{mark}"):
            environ = EnvironBuilder(path="/").get_environ()
            run_wsgi_app(world.app.wsgi_app, environ | {"PATH_INFO": path, "REQUEST_METHOD": f"GET{mark}"})
            run_wsgi_app(world.app.wsgi_app, environ | {"PATH_INFO": path})
        raw = mark.encode("utf-8", "surrogatepass")
        body = PART % (raw, raw)
        world.client.post("/check", data=body, content_type="multipart/form-data; boundary=b")
    written = lines(printed)
    requests = [line for line in written if line["logger"] == "portal.requests" and "route" in line]
    assert len(requests) == len(hostile) * (len(HEADERS) + 7)
    assert "CANARY" not in printed.getvalue()


def test_a_fault_names_its_place_and_not_its_words(
    world: World, printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-28, SEC-29: messages of exceptions quote what they could not read."""

    def fail(*_: object, **__: object) -> None:
        try:
            raise KeyError("CANARY-1 Nguyễn Thị Hường")
        except KeyError as error:
            raise ValueError("CANARY-2") from error

    monkeypatch.setattr("portal.web.home.language", fail)
    answer = world.client.get("/")
    fault, request = lines(printed)
    assert fault["request"] == request["request"] == answer.headers["X-Request-Id"]
    assert fault["request"] in answer.text
    assert [cause["type"] for cause in fault["error"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert re.fullmatch(r"tests\.portal\.web\.test_journal:\d+ fail", fault["error"][0]["places"][0])
    assert any(place.startswith("portal.web.home:") for place in fault["error"][0]["places"])
    assert "CANARY" not in printed.getvalue()
    assert request["status"] == 500


def test_threads_and_warnings_and_wrong_arguments_are_lines_too(printed: io.StringIO) -> None:
    """SEC-29: nothing reaches standard error another way."""

    def fail() -> None:
        raise RuntimeError("CANARY")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    logging.getLogger("_granian").error("from the server")
    written = lines(printed)
    assert [line["message"] for line in written] == ["a thread ended", "from the server"]
    assert "CANARY" not in printed.getvalue()
    wrong = logging.LogRecord("x", logging.ERROR, "", 0, "%d tries", ("CANARY",), None)
    assert json.loads(logs.JsonLines().format(wrong))["message"] == "%d tries"


@given(st.text(), st.text())
def test_every_text_is_one_line(message: str, name: str) -> None:
    """SEC-29."""
    record = logging.LogRecord(name, logging.INFO, "", 0, message, None, None)
    text = logs.JsonLines().format(record)
    assert re.fullmatch("[\x20-\x7e]*", text)
    assert (json.loads(text)["message"], json.loads(text)["logger"]) == (message, name)
