"""Security headers stand on every response, whatever happened; the limits of a body hold while it is read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from portal.web.headers import CONTENT_SECURITY_POLICY
from tests.portal.web.world import Stock, World, build

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
    "robots": (200, lambda c, _: c.get("/robots.txt")),
    "unknown page": (404, lambda c, _: c.get("/khong-co")),
    "unknown static": (404, lambda c, _: c.get("/static/khong-co.css")),
    "wrong method": (405, lambda c, _: c.get("/check/data")),
    "too large": (413, lambda c, _: c.post("/check", data={"file": (io.BytesIO(bytes(11 << 20)), "x")})),
    "wrong content type": (415, lambda c, _: c.post("/lookup", data=b"x", content_type="text/plain")),
    "nothing sent": (422, lambda c, _: c.post("/check", data={"x": "y"}, content_type="multipart/form-data")),
    "a check": (200, lambda c, w: c.post("/check", data={"file": (io.BytesIO(w.primary.file), "x.pdf")})),
    "its data": (200, lambda c, w: c.post("/check", data={"file": (io.BytesIO(b""), "x.pdf")})),
}


def test_the_policy_is_the_one_of_the_design() -> None:
    assert CONTENT_SECURITY_POLICY == POLICY


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_response(world: World, name: str, accept: str) -> None:
    status, send = REQUESTS[name]
    client = world.client
    client.environ_base["HTTP_ACCEPT"] = accept
    answer = send(client, world)
    assert answer.status_code == status
    for header, value in EXPECTED.items():
        assert answer.headers.getlist(header) == [value]
    assert len(answer.headers.getlist("Cache-Control")) == 1
    assert "Set-Cookie" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers


def test_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portal.web.home.samples", fail)
    answer = world.client.get("/")
    assert answer.status_code == 500
    assert {h: answer.headers[h] for h in EXPECTED} == EXPECTED
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_may_be_kept(world: World) -> None:
    """Public answers for 30 seconds, static files named by their content for ever, everything else not at
    all.
    """
    client = world.client
    page = client.get(world.primary.path).text
    sheet = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "max-age=31536000" in client.get(sheet).headers["Cache-Control"]
    assert client.get(world.primary.path).headers["Cache-Control"] == "public, max-age=30"
    for path in (f"/compare?code={world.primary.locator}", "/khong-co", "/check"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    answer = client.post("/check", data={"file": (io.BytesIO(world.primary.file), "x")})
    assert answer.headers["Cache-Control"] == "no-store"


def test_production_asks_for_https(tmp_path: Path, issued_stock: Stock) -> None:
    world = build(
        tmp_path / "instance",
        issued_stock,
        ENVIRONMENT="production",
        PUBLIC_URL="https://hocba.example.vn",
        OWNER_NAME="Sở Giáo dục và Đào tạo",
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


@pytest.mark.parametrize("path", ["/check", "/lookup", "/compare", "/check/data"])
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
    for path in ("/check", "/lookup"):
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
