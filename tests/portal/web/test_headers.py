"""Security headers stand on every response, whatever happened (SEC-26); what may be kept (SEC-27); the limits
of a body hold while it is read.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from portal.extensions import Resources
from portal.web.headers import CONTENT_SECURITY_POLICY
from portal.web.offline import WORKER_POLICY
from tests.portal.limits.codes import unknown
from tests.portal.web.world import Stock, World, build, filled

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "manifest-src 'self'; "
    "object-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
EXPECTED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Server": "portal",
}
REQUESTS: dict[str, tuple[int, Callable[[FlaskClient, World], TestResponse]]] = {
    "home": (200, lambda c, _: c.get("/")),
    "scan": (200, lambda c, w: c.get(w.primary.path)),
    "scan in English": (200, lambda c, w: c.get(w.primary.path + "?lang=en")),
    "redirect": (301, lambda c, w: c.get(w.primary.path.lower())),
    "compare form": (200, lambda c, w: c.get(f"/compare?code={w.primary.locator}")),
    "static": (200, lambda c, _: c.get("/static/app.css")),
    "scanner": (200, lambda c, _: c.get("/static/scan.js")),
    "robots": (200, lambda c, _: c.get("/robots.txt")),
    "manifest": (200, lambda c, _: c.get("/manifest.webmanifest")),
    "no network": (200, lambda c, _: c.get("/ngoai-tuyen?lang=en")),
    "worker": (200, lambda c, _: c.get("/sw.js")),
    "unknown page": (404, lambda c, _: c.get("/khong-co")),
    "unknown static": (404, lambda c, _: c.get("/static/khong-co.css")),
    "wrong method": (405, lambda c, _: c.get("/check/data")),
    "too large": (413, lambda c, _: c.post("/check", data={"file": (io.BytesIO(bytes(11 << 20)), "x")})),
    "wrong content type": (415, lambda c, _: c.post("/lookup", data=b"x", content_type="text/plain")),
    "nothing sent": (422, lambda c, _: c.post("/check", data={"x": "y"}, content_type="multipart/form-data")),
    "a check": (200, lambda c, w: c.post("/check", data={"file": (io.BytesIO(w.primary.file), "x.pdf")})),
    "its data": (200, lambda c, w: c.post("/check", data={"file": (io.BytesIO(b""), "x.pdf")})),
}


TOOLS = Path(__file__).resolve().parents[2] / "tools"
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "X\x7fY")


def test_the_policy_is_the_one_of_the_design() -> None:
    """SEC-26."""
    assert CONTENT_SECURITY_POLICY == POLICY
    assert "unsafe" not in POLICY


def test_the_worker_that_reads_codes_alone_may_compile(world: World) -> None:
    """SEC-26: and it may do less of everything else. What is only named like it has the policy of all."""
    worker = world.client.get("/static/qr-worker.js?v=1")
    assert worker.headers.getlist("Content-Security-Policy") == [
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
    ]
    for path in (
        "/qr-worker.js",
        "/static/scan.js",
        "/V/qr-worker.js",
        "/static/qr-worker.js.txt",
        "/?qr-worker.js",
    ):
        assert world.client.get(path).headers.getlist("Content-Security-Policy") == [POLICY], path
    others = {h: v for h, v in EXPECTED.items() if h != "Content-Security-Policy"}
    assert {h: worker.headers[h] for h in others} == others


def evaluated(policy: str) -> list[list[str | None]]:
    """What Google's csp_evaluator finds: severity, directive, value."""
    assert (TOOLS / "node_modules" / "csp_evaluator").is_dir(), "run `make tools`"
    done = subprocess.run(  # noqa: S603 - our own script
        ["node", str(TOOLS / "csp.cjs"), policy],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    findings: list[list[str | None]] = json.loads(done.stdout)
    return findings


def test_google_finds_nothing_high_in_the_policy() -> None:
    """SEC-26. The judge judges: with one word more it does find something."""
    for policy in (POLICY, WORKER_POLICY):
        assert {severity for severity, _, _ in evaluated(policy)} <= {"MEDIUM_MAYBE", "INFO"}
    spoiled = evaluated(POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'"))
    assert ["HIGH", "script-src", "'unsafe-inline'"] in spoiled


def assert_headers(answer: TestResponse) -> None:
    # A worker's script brings a policy of its own, narrower than a page's.
    asked = answer.request.path == "/sw.js" and answer.request.method in ("GET", "HEAD")
    worker = asked and answer.status_code in (200, 304)
    own = {"Content-Security-Policy": WORKER_POLICY} if worker else {}
    for header, value in (EXPECTED | own).items():
        assert answer.headers.getlist(header) == [value]
    assert len(answer.headers.getlist("Cache-Control")) == 1
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])
    # A form by which people sign in or open what is theirs to see has a cookie of its own; a public answer
    # never sets one.
    for cookie in answer.headers.getlist("Set-Cookie"):
        assert re.fullmatch("form=[^;]+; HttpOnly; Path=/; SameSite=Lax", cookie)
        assert answer.request.path.startswith(("/sign-in", "/share"))
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("method", METHODS)
def test_every_route_and_every_method(world: World, method: str) -> None:
    """SEC-26, SEC-43: no method makes an exception, and TRACE gives nothing back."""
    for rule in world.app.url_map.iter_rules():
        for path in {filled(rule.rule), world.primary.path}:
            answer = world.client.open(path, method=method, headers={"X-Secret": "echo"})
            assert_headers(answer)
            assert answer.status_code < 500
            if method == "TRACE" or method not in METHODS[:7]:
                assert answer.status_code == 405
                assert "echo" not in answer.text


def test_answers_that_take_preparation(tmp_path: Path, issued_stock: Stock) -> None:
    """SEC-26: 206, 304, 400, 416, 429, 503, and what breaks outside Flask."""
    world = build(
        tmp_path / "i", issued_stock, LIMITS="miss v4 1/hour", CHECKS_RUNNING="1", CHECKS_WAITING="0"
    )
    client = world.client
    sheet = client.get("/static/app.css")
    answers = {
        206: client.get("/static/app.css", headers={"Range": "bytes=0-9"}),
        304: client.get("/static/app.css", headers={"If-None-Match": sheet.headers["ETag"]}),
        400: client.post("/check/data?format=exe", data={"file": (io.BytesIO(b"x"), "x")}),
        416: client.get("/static/app.css", headers={"Range": "bytes=99999999-"}),
    }
    client.get(unknown(1))
    answers[429] = client.get(unknown(2))
    bundle: Resources = world.app.extensions["portal"]
    with bundle.workroom.place("203.0.113.9"):
        answers[503] = client.post("/check", data={"file": (io.BytesIO(b"%PDF-1.7"), "x")})
    for status, answer in answers.items():
        assert answer.status_code == status
        assert_headers(answer)


def test_an_exception_below_flask(world: World) -> None:
    """SEC-26: also what breaks outside the routes is our own answer, with our headers."""
    environ = EnvironBuilder(path="/").get_environ()
    del environ["PATH_INFO"]
    body, status, headers = run_wsgi_app(world.app.wsgi_app, environ)
    assert (status, b"".join(body)) == ("500 Internal Server Error", b"500\n")
    assert {h: headers[h] for h in EXPECTED} == EXPECTED
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_response(world: World, name: str, accept: str) -> None:
    status, send = REQUESTS[name]
    client = world.client
    client.environ_base["HTTP_ACCEPT"] = accept
    answer = send(client, world)
    assert answer.status_code == status
    assert_headers(answer)


def test_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portal.web.home.language", fail)
    answer = world.client.get("/")
    assert answer.status_code == 500
    assert {h: answer.headers[h] for h in EXPECTED} == EXPECTED
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_may_be_kept(world: World) -> None:
    """SEC-27. Public answers for 30 seconds, static files named by their content for ever, all else not
    at all.
    """
    client = world.client
    page = client.get(world.primary.path).text
    sheet = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "max-age=31536000" in client.get(sheet).headers["Cache-Control"]
    assert client.get(world.primary.path).headers["Cache-Control"] == "public, max-age=30"
    for path in (f"/compare?code={world.primary.locator}", "/khong-co", "/kiem-tra"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    answer = client.post("/check", data={"file": (io.BytesIO(world.primary.file), "x")})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_shared_cache_never_mixes_answers(world: World) -> None:
    """SEC-27, RFC 9111: what a shared cache may keep sets no cookie, depends on nothing but its address and
    on headers that ``Vary`` names, and is a status page (30 s at most), a static file or free of records.
    """
    others = {"Cookie": "a=b", "Authorization": "Bearer x", "Accept-Language": "en", "User-Agent": "y"}
    kept: dict[tuple[str, str | None], bytes] = {}
    paths = [filled(rule.rule) for rule in world.app.url_map.iter_rules()]
    for path in [*paths, world.primary.path, world.primary.path.lower(), unknown(1), "/static/app.css"]:
        for suffix in ("", "?lang=en"):
            for accept in ("text/html", "application/json"):
                answer = world.client.get(path + suffix, headers={"Accept": accept})
                if not answer.headers["Cache-Control"].startswith("public"):
                    assert answer.headers["Cache-Control"] in ("no-store", "no-cache, max-age=0")
                    continue
                again = world.client.get(path + suffix, headers={"Accept": accept, **others})
                assert again.data == answer.data
                assert "Set-Cookie" not in again.headers
                key = (path + suffix, accept if "Accept" in answer.vary else None)
                assert kept.setdefault(key, answer.data) == answer.data
                age = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
                assert age is not None
                if path.upper().startswith("/V/"):
                    assert int(age[1]) <= 30
                    assert key[1] is not None
                else:
                    assert path in ("/", "/static/app.css", "/manifest.webmanifest", "/ngoai-tuyen")
    assert {path for path, _ in kept} >= {"/", world.primary.path, f"{world.primary.path}?lang=en"}


def test_production_asks_for_https(tmp_path: Path, issued_stock: Stock) -> None:
    world = build(
        tmp_path / "instance",
        issued_stock,
        ENVIRONMENT="production",
        PUBLIC_URL="https://hocba.example.vn",
        OWNER_NAME="Sở Giáo dục và Đào tạo",
        MAIL_URL="smtps://mail.example.vn",
        MAIL_FROM="hocba@example.vn",
        KEY_ENCRYPTION_KEYS="k1:3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=",
        INDEX_KEY="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    )
    for path in ("/", "/khong-co", "/static/app.css"):
        answer = world.client.get(path)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


class Endless:
    """A body that never names its length and would never end; counts what was taken."""

    def __init__(self, start: bytes) -> None:
        self.start, self.taken = start, 0

    def read(self, size: int = -1) -> bytes:
        size = 65536 if size < 0 else size
        piece, self.start = self.start[:size], self.start[size:]
        piece = piece or b"A" * size
        self.taken += len(piece)
        return piece

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.read()


@pytest.mark.parametrize("path", ["/kiem-tra", "/check", "/lookup", "/compare", "/check/data"])
def test_a_body_without_a_length_is_cut_off_at_the_limit(world: World, path: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = Endless(head)
    environ = EnvironBuilder(path=path, method="POST").get_environ()
    environ |= {
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_TYPE": "multipart/form-data; boundary=b",
    }
    environ.pop("CONTENT_LENGTH", None)
    _, status, headers = run_wsgi_app(world.app.wsgi_app, environ)
    assert status.startswith("413")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert body.taken <= (10 << 20) + (1 << 18)


def test_a_form_has_few_parts(world: World) -> None:
    many = {f"p{n}": "x" for n in range(11)}
    for path in ("/kiem-tra", "/lookup"):
        answer = world.client.post(path, data=many, content_type="multipart/form-data")
        assert answer.status_code == 413
    many = {f"p{n}": "x" for n in range(81)}
    assert world.client.post("/compare", data=many, content_type="multipart/form-data").status_code == 413


def test_form_fields_are_short(world: World) -> None:
    answer = world.client.post("/lookup", data={"code": "A" * 70_000}, content_type="multipart/form-data")
    assert answer.status_code == 413


def test_a_file_of_exactly_the_limit_is_checked(world: World) -> None:
    limit = 10 << 20
    for size, status in ((limit, 200), (limit + 1, 413)):
        answer = world.client.post("/check", data={"file": (io.BytesIO(b"\0" * size), "x")})
        assert answer.status_code == status
