"""What goes over the wire is small, and the same once it is unpacked (ADR 0026)."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import brotli
import pytest
from werkzeug.test import TestResponse

from portal.web import packing
from portal.web.access import Access, rule_of
from portal.web.packing import FOLDER, packed, static_table, takes_gzip
from portal.web.wire import PUBLIC
from tests.portal.lookup.test_views import post, typed_form
from tests.portal.web.world import World

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
FOR_EVER = "public, max-age=31536000, immutable"
UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
#: Bytes on the wire: a page, its style sheet, what any page runs before somebody taps.
MOST = {"html": 14_000, "app.css": 8_000, "scripts": 10_000, "requests": 6, "view": 60_000}


def accepting(world: World, path: str, ways: str) -> TestResponse:
    return world.client.get(path, headers={"Accept-Encoding": ways})


@pytest.mark.parametrize("name", FILES)
def test_a_static_file_is_packed_and_kept_for_a_year(world: World, name: str) -> None:
    file = static_table()[name]
    assert file.content == (FOLDER / name).read_bytes()
    sizes = {}
    for ways, wanted in (
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("", None),
        ("br;q=0, *", None),
    ):
        answer = accepting(world, file.address, ways)
        assert answer.status_code == 200
        way = answer.headers.get("Content-Encoding")
        assert way == (wanted if wanted and packed(name, wanted) else None)
        assert UNPACK[way](answer.data) == file.content
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        assert answer.headers.getlist("Cache-Control") == [FOR_EVER]
        assert "Accept-Encoding" in answer.vary
        sizes[wanted] = len(answer.data)
        tag = answer.headers["ETag"]
        again = world.client.get(file.address, headers={"Accept-Encoding": ways, "If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Cache-Control"] == FOR_EVER
    if name.endswith((".js", ".css")):
        assert sizes["br"] < sizes["gzip"] < sizes[None]


def test_only_the_address_that_names_the_content_is_kept(world: World) -> None:
    """A page of an older release still gets a style sheet, and no cache takes it for that release's."""
    for question in ("", "?v=", "?v=000000000000", "?v=x&v=y", f"?w={static_table()['app.css'].digest}"):
        answer = world.client.get(f"/static/app.css{question}")
        assert answer.data == static_table()["app.css"].content
        assert answer.headers.getlist("Cache-Control") == ["no-store"]


@pytest.mark.parametrize(
    "name",
    ["", "khong-co.css", "../wsgi.py", "..%2f..%2fwsgi.py", "/etc/passwd", "app.css/", "app.css.br", "."],
)
def test_what_is_not_in_the_table_is_not_there(world: World, name: str) -> None:
    """And asking adds nothing to what the process keeps."""
    accepting(world, static_table()["app.css"].address, "br")
    before = (len(static_table()), packed.cache_info().currsize)
    assert accepting(world, f"/static/{name}", "br, gzip").status_code == 404
    assert (len(static_table()), packed.cache_info().currsize) == before


def test_content_types() -> None:
    kinds = {Path(name).suffix: static_table()[name].kind for name in FILES}
    assert kinds[".js"] == "text/javascript; charset=utf-8"
    assert kinds[".css"] == "text/css; charset=utf-8"
    assert kinds[".svg"] == "image/svg+xml"
    assert "application/octet-stream" not in kinds.values()


def test_public_pages_are_packed_and_no_others(world: World) -> None:
    """BREACH: never where somebody is signed in or shows a family's code. Every route that takes GET, and
    what is typed.
    """
    asked: dict[Access, set[bool]] = {}
    for rule in world.app.url_map.iter_rules():
        declared = rule_of(world.app.view_functions[rule.endpoint])
        if declared is None or rule.arguments or "GET" not in (rule.methods or ()):
            continue
        answer = accepting(world, rule.rule, "gzip, br")
        if answer.mimetype == "text/html" and answer.status_code != 303:
            is_packed = answer.headers.get("Content-Encoding") == "gzip"
            asked.setdefault(declared.access, set()).add(is_packed)
    assert asked.pop(Access.EVERYONE) == {True}
    assert asked.pop(Access.SIGN_IN) == {False}
    assert all(found == {access in PUBLIC} for access, found in asked.items())
    typed = world.client.post(
        "/lookup",
        data=typed_form(world.primary, short=False),
        content_type="multipart/form-data",
        headers={"Accept-Encoding": "gzip"},
    )
    assert typed.headers["Content-Encoding"] == "gzip"
    plain = post(world.client, "/lookup", typed_form(world.primary, short=False))
    assert "Content-Encoding" not in plain.headers
    hidden = re.compile(r"\d\d:\d\d(:\d\d)?")
    assert hidden.sub("", gzip.decompress(typed.data).decode()) == hidden.sub("", plain.text)


def test_the_scan_below_flask_is_packed_like_any(world: World) -> None:
    """And a cache is told that what it keeps depends on it."""
    path = world.primary.path
    plain, small = accepting(world, path, ""), accepting(world, path, "gzip, br")
    through_flask = accepting(world, path + "?", "gzip")
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) == len(small.data) < len(plain.data) / 2
    assert gzip.decompress(small.data) == plain.data
    assert {"Accept", "Accept-Encoding"} <= set(small.vary) == set(plain.vary) == set(through_flask.vary)
    assert "Content-Encoding" not in plain.headers
    assert accepting(world, path, "gzip;q=0, *").data == plain.data


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, gzip;q=0.1", True),
        ("", False),
        ("gzip;q=0", False),
        ("*", False),
        ("xgzip", False),
    ],
)
def test_who_unpacks_gzip(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


@pytest.mark.parametrize(
    "path", ["/", "/kiem-tra", "/lookup", "/compare?code={locator}", "/V/{locator}", "/khong-co"]
)
def test_the_first_view_fits(world: World, path: str) -> None:
    """What a phone that was never here loads: page, style sheets, scripts, icon."""
    page = world.client.get(path.format(locator=world.primary.locator)).text
    names = re.findall(r'(?:src|href)="/static/([^"?]+)', page)
    sizes = {name: len(packed(name, "gzip") or static_table()[name].content) for name in names}
    html = len(packing.zipped(page.encode()))
    assert html <= MOST["html"]
    assert sizes["app.css"] <= MOST["app.css"]
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) <= MOST["scripts"]
    assert 1 + len(sizes) <= MOST["requests"]
    assert html + sum(sizes.values()) <= MOST["view"]


def test_a_page_that_says_how_it_is_packed_names_no_time(world: World) -> None:
    """The same page is the same bytes: a gzip head may hold the time of packing."""
    first, second = accepting(world, "/", "gzip"), accepting(world, "/", "gzip")
    assert first.data == second.data
