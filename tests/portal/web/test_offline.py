"""The manifest, the page for when there is no network, and the worker's script, as handed out."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from portal.web.packing import FOLDER
from tests.portal.web.world import Stock, World, build


def kept(script: str) -> list[str]:
    """What a worker says that it keeps."""
    found = re.search("^const FILES = (.+);$", script, re.MULTILINE)
    assert found
    files: list[str] = json.loads(found[1])
    return files


@pytest.mark.parametrize(
    ("query", "tongue", "called"), [("", "vi", "Học bạ số"), ("?lang=en", "en", "School records")]
)
def test_the_manifest(world: World, query: str, tongue: str, called: str) -> None:
    answer = world.client.get(f"/manifest.webmanifest{query}")
    assert answer.content_type == "application/manifest+json"
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    manifest = json.loads(answer.text)
    assert (manifest["lang"], manifest["short_name"]) == (tongue, called)
    assert (manifest["id"], manifest["scope"], manifest["start_url"]) == ("/", "/", f"/{query}")
    assert f'<link rel="manifest" href="/manifest.webmanifest{query}"' in world.client.get(f"/{query}").text
    for icon in manifest["icons"]:
        picture = world.client.get(icon["src"])
        assert picture.status_code == 200
        assert picture.content_type.split(";")[0] == icon["type"]
        if icon["type"] == "image/png":
            width, height = Image.open(io.BytesIO(picture.data)).size
            assert icon["sizes"] == f"{width}x{height}"
    assert [icon["purpose"] for icon in manifest["icons"]] == ["any", "any", "any", "maskable"]


def test_the_worker_keeps_the_page_and_what_stands_beside_it(world: World) -> None:
    """Two pages, their static files, no other address; each is there."""
    answer = world.client.get("/sw.js")
    assert answer.headers["Cache-Control"] == "no-cache, max-age=0"
    assert answer.content_type == "text/javascript; charset=utf-8"
    files = kept(answer.text)
    assert files[:2] == ["/ngoai-tuyen", "/ngoai-tuyen?lang=en"]
    assert all(re.fullmatch(r"/static/\S+", address) for address in files[2:])
    assert any("offline.js" in address for address in files)
    for address in files:
        assert world.client.get(address).status_code == 200
    for address in files[:2]:
        beside = re.findall(r'(?:href|src)="(/static/[^"#]+)', world.client.get(address).text)
        assert set(beside) <= set(files)
    again = world.client.get("/sw.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_worker_changes_with_the_page(tmp_path: Path, issued_stock: Stock, world: World) -> None:
    """Another word on the page is another worker, so that browsers fetch the page anew."""
    other = build(tmp_path / "i", issued_stock, OWNER_CONTACT="0123 456 789")
    scripts = [each.client.get("/sw.js").text for each in (world, other)]
    names = {re.findall('^const CACHE = "(.+)";$', script, re.MULTILINE)[0] for script in scripts}
    assert len(names) == 2


def test_the_worker_is_taken_back_by_a_setting(tmp_path: Path, issued_stock: Stock) -> None:
    """Then no page registers one, and the script that browsers ask for anew keeps and answers nothing."""
    world = build(tmp_path / "i", issued_stock, OFFLINE_WITHDRAWN="1")
    script = world.client.get("/sw.js").text
    assert "unregister" in script
    assert "fetch" not in script
    for path in ("/", "/ngoai-tuyen"):
        assert 'data-worker="/sw.js"' not in world.client.get(path).text


def test_pages_that_show_somebodys_record_register_nothing(world: World) -> None:
    """Only what holds nothing of anybody does."""
    for path in ("/", "/ngoai-tuyen"):
        assert 'data-worker="/sw.js"' in world.client.get(path).text
    for path in (world.primary.path, f"/compare?code={world.primary.locator}", "/sign-in"):
        assert 'data-worker="/sw.js"' not in world.client.get(path).text


def test_the_page_names_our_hosts_and_calls_nothing_right(tmp_path: Path, issued_stock: Stock) -> None:
    world = build(
        tmp_path / "i",
        issued_stock,
        PUBLIC_URL="https://hocba.example.vn",
        PUBLIC_URL_FORMER="https://cu.example.vn:8443",
    )
    page = world.client.get("/ngoai-tuyen").text
    assert 'data-hosts="cu.example.vn:8443 hocba.example.vn"' in page
    main = re.sub("<[^>]+>", " ", page.partition("<main")[2].partition("</main>")[0])
    assert main.count("Chưa kiểm tra được khi không có mạng") == 2
    assert not re.search(r"\b(đúng|hợp lệ|thật|giả)\b", main, re.IGNORECASE)


def test_the_scripts_are_light() -> None:
    assert all((FOLDER / name).is_file() for name in ("sw.js", "sw-withdrawn.js", "offline.js"))
    assert not re.search(
        r"localStorage|sessionStorage|indexedDB|cookie", (FOLDER / "offline.js").read_text("utf-8")
    )
    assert "put(" not in (FOLDER / "sw.js").read_text("utf-8")
