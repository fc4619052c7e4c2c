"""A kept result in a real browser: the number after an upload, loaded again, gone back from, in the other
language, taken along; a recall since stands first.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Site, Visit, serve
from tests.browser.test_journeys import content
from tests.demo_instance import DemoInstance

Look = Callable[[Page], None]
CURRENT = "Đúng bản trường cấp, đang lưu hành"


@pytest.fixture
def site(demo_instance: DemoInstance, tmp_path: Path) -> Iterator[Site]:
    """A server of its own: a record of it is recalled."""
    with serve(demo_instance.copy_to(tmp_path / "instance")) as running:
        yield running


def result_of(page: Page, sample: Path) -> str:
    """The number's address after an upload, by whatever way the box took."""
    page.goto(re.sub(r"^(https?://[^/]+).*", r"\1/kiem-tra", page.url))
    page.locator('input[type="file"][name="file"]').set_input_files(sample)
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    expect(page.locator("h1")).to_have_text(CURRENT, timeout=60_000)
    address = page.locator('a[href^="/ket-qua/"]', has_text=re.compile("^[0-9A-Z]{4}-")).get_attribute("href")
    assert address is not None
    return address


@pytest.mark.parametrize("scripts", [True, False])
def test_a_number_shows_the_result_again(visit: Visit, look: Look, site: Site, scripts: bool) -> None:
    page = visit("/", width=PHONE, scripts=scripts)
    address = result_of(page, site.file("GENUINE_CURRENT"))
    page.goto(site.url + address)
    expect(page.locator("h1")).to_have_text(CURRENT)
    page.reload()
    expect(page.locator("h1")).to_have_text(CURRENT)
    page.locator("a.tongue").click()
    expect(page.locator("h1")).to_have_text("As issued by the school, and current")
    assert page.url == f"{site.url}{address}?lang=en"
    page.go_back()
    expect(page.locator("h1")).to_have_text(CURRENT)
    if scripts:
        look(page)


def test_a_masked_name_stays_on_one_line(visit: Visit, site: Site) -> None:
    """Wherever it stands, on the narrowest phone."""
    page = visit(site.code("GENUINE_CURRENT"), width=320)
    lines = page.locator("main").evaluate(
        """main => {
          const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT), found = [];
          const masked = /\\p{L}[*]{3}(\\s\\p{L}[*]{3})+/gu;
          while (walk.nextNode()) {
            for (const { index, 0: name } of walk.currentNode.data.matchAll(masked)) {
              const range = document.createRange();
              range.setStart(walk.currentNode, index);
              range.setEnd(walk.currentNode, index + name.length);
              found.push(range.getClientRects().length);
            }
          }
          return found;
        }"""
    )
    assert lines == [1, 1]


def test_a_kept_page_offers_no_data(visit: Visit, site: Site) -> None:
    page = visit("/")
    address = result_of(page, site.file("GENUINE_CURRENT"))
    expect(page.get_by_role("heading", name="Lấy dữ liệu của tệp này")).to_be_visible()
    page.goto(site.url + address)
    expect(page.get_by_role("heading", name="Lấy dữ liệu của tệp này")).to_have_count(0)


def test_a_code_gets_its_number_by_a_button(visit: Visit, site: Site) -> None:
    page = visit(site.code("GENUINE_CURRENT"))
    page.get_by_role("button", name="Lấy số kết quả").click()
    page.wait_for_url("**/ket-qua/*")
    expect(page.locator("h1")).to_have_text("Mã đúng; giấy chưa được so")
    expect(page.get_by_role("button", name="Lấy số kết quả")).to_have_count(0)


def test_a_recall_since_stands_first(visit: Visit, look: Look, site: Site) -> None:
    sample = site.file("GENUINE_CURRENT")
    page = visit("/")
    address = result_of(page, sample)
    record_id = content(sample)[2].record_id
    done = site.instance.run("recall", record_id, "--reason", "data_error")
    assert done.returncode == 0, done.stdout + done.stderr
    page.goto(site.url + address)
    expect(page.locator("h1")).to_have_text("Hôm nay: Học bạ này đã được thu hồi")
    assert page.title().startswith("Hôm nay: ")
    expect(page.get_by_text(CURRENT)).to_be_visible()
    look(page)


def test_the_report_is_taken_along(visit: Visit, site: Site) -> None:
    page = visit("/")
    address = result_of(page, site.file("GENUINE_CURRENT"))
    page.goto(site.url + address)
    page.locator("details.technical summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Tải báo cáo (PDF)").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    with page.expect_download() as download:
        page.get_by_role("link", name="Tải báo cáo (JSON)").click()
    assert json.loads(Path(download.value.path()).read_bytes())["headline"] == CURRENT


def test_nothing_of_the_file_is_in_the_row(visit: Visit, site: Site) -> None:
    sample = site.file("GENUINE_CURRENT")
    result_of(visit("/"), sample)
    with closing(sqlite3.connect(site.instance.directory / "portal.sqlite3")) as database:
        stored = str(database.execute("SELECT * FROM check_results").fetchall())
    _, fields, _ = content(sample)
    assert str(fields["ho_va_ten"]) not in stored
    assert sample.name not in stored
    assert "GENUINE_CURRENT" in stored
