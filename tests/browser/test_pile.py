"""A desk's pile of files: fifty at once, in a ZIP, without JavaScript, on a bad line; as a spreadsheet and on
paper.
"""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.browser.conftest import DESKTOP, PHONE, Site, Visit, Watch, serve
from tests.demo_instance import DemoInstance

Look = Callable[[Page], None]
PATH = "/kiem-tra-nhieu"
ANSWERS = {
    "GENUINE_CURRENT": "Đúng bản trường cấp, đang lưu hành",
    "GENUINE_REVOKED": "Học bạ này đã được thu hồi",
}
CALLED = "[data-rows] tr"


@pytest.fixture
def mixed(site: Site, tmp_path: Path) -> list[Path]:
    """Fifty files as they come over a desk: genuine, recalled, strangers', an empty one."""
    genuine, recalled = site.file("GENUINE_CURRENT"), site.file("GENUINE_REVOKED")
    files = []
    for number in range(50):
        file = tmp_path / f"hồ sơ {number:02}.pdf"
        if number % 10 == 3:
            file.write_bytes(recalled.read_bytes())
        elif number % 10 == 7:
            file.write_bytes(b"%PDF-1.7 something else " + bytes([number]))
        elif number == 9:
            file.write_bytes(b"")
        else:
            file.write_bytes(genuine.read_bytes())
        files.append(file)
    return files


def begin(page: Page, *files: Path) -> None:
    page.get_by_label("Các tệp PDF, ảnh hoặc ZIP").set_input_files(files)
    page.get_by_role("button", name="Kiểm tra các tệp").click()


def finished(page: Page, count: int) -> None:
    expect(page.get_by_role("status")).to_have_text(f"Đã xong cả {count} tệp.", timeout=240_000)


def table(page: Page) -> list[list[str]]:
    return [
        [" ".join(cell.split()) for cell in row.locator("th, td").all_inner_texts()]
        for row in page.locator(CALLED).all()
    ]


def counted(page: Page) -> dict[str, int]:
    return {
        line.locator("[data-headline]").inner_text(): int(line.locator("[data-count]").inner_text())
        for line in page.locator("[data-counts] li").all()
    }


def test_fifty_files_each_get_an_answer(visit: Visit, look: Look, mixed: list[Path], tmp_path: Path) -> None:
    page = visit(PATH, width=DESKTOP)
    look(page)
    at_once = page.evaluate_handle(
        """() => {
          const seen = {open: 0, most: 0};
          const send = XMLHttpRequest.prototype.send;
          XMLHttpRequest.prototype.send = function (...body) {
            seen.open += 1;
            seen.most = Math.max(seen.most, seen.open);
            this.addEventListener("readystatechange", () => { if (this.readyState === 4) seen.open -= 1; });
            return send.apply(this, body);
          };
          return seen;
        }"""
    )
    said = page.evaluate_handle(
        "() => { const said = []; new MutationObserver(() => said.push(1)).observe("
        "document.querySelector('[role=status]'), {childList: true}); return said; }"
    )
    begin(page, *mixed)
    finished(page, 50)

    # 1 Two at a time, in the order of the choice; few words aloud.
    assert at_once.evaluate("seen => seen.most") == 2
    rows = table(page)
    assert [row[0] for row in rows] == [file.name for file in mixed]
    assert said.evaluate("said => said.length") <= 8

    # 2 Each its own answer; what needs a look stands first among the counts.
    for number, row in enumerate(rows):
        wanted = ANSWERS["GENUINE_REVOKED" if number % 10 == 3 else "GENUINE_CURRENT"]
        if number % 10 == 7 or number == 9:
            assert row[2:5] == ["", "", ""]
        else:
            assert wanted in row[1]
            assert re.search(r"^(\S\*\*\* ?)+$", row[3]), row
    numbers = counted(page)
    assert sum(numbers.values()) == 50
    assert numbers[ANSWERS["GENUINE_CURRENT"]] == 39
    assert next(iter(numbers)) == ANSWERS["GENUINE_REVOKED"]
    assert numbers[ANSWERS["GENUINE_REVOKED"]] == 5
    look(page)

    # 3 The spreadsheet says the same, from what the portal kept.
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Tải bảng tính (.xlsx)").click()
    waiting.value.save_as(tmp_path / "bang.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "bang.xlsx").worksheets[0]
    lines = [
        ["" if cell is None else str(cell) for cell in line] for line in sheet.iter_rows(values_only=True)
    ]
    assert lines[0][:2] == ["Tệp", "Kết quả"]
    assert [line[0] for line in lines[1:]] == [file.name for file in mixed]
    for line, row in zip(lines[1:], rows, strict=True):
        assert line[1] in row[1]
        assert line[3:6] == row[2:5]
        assert line[7] == row[6]

    # 4 On paper: the host, the time, every file, no buttons.
    page.pdf(path=tmp_path / "bang.pdf", prefer_css_page_size=True)
    read = ["/usr/bin/pdftotext", "-layout", str(tmp_path / "bang.pdf"), "-"]
    printed = subprocess.run(read, capture_output=True, text=True, check=True)  # noqa: S603 - our own page
    text = " ".join(printed.stdout.split())
    assert "In từ 127.0.0.1" in text
    assert re.search(r"Kiểm tra lúc \d\d:\d\d ngày", text)
    assert "hồ sơ 49.pdf" in text
    assert "Tải bảng tính" not in text

    # 5 A number leads to its answer, beside the table.
    with page.context.expect_page() as opened:
        page.locator(CALLED).first.get_by_role("link").click()
    expect(opened.value).to_have_url(re.compile("/ket-qua/"))
    expect(opened.value.locator("h1")).to_have_text(ANSWERS["GENUINE_CURRENT"])


def packed(site: Site, tmp_path: Path) -> Path:
    """A class folder in a ZIP, with what must not be opened in it."""
    zipped = tmp_path / "lớp 5A.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(site.file("GENUINE_CURRENT"), "lớp 5A/Nguyễn Văn A.pdf")
        made.write(site.file("GENUINE_REVOKED"), "lớp 5A/Trần Thị B.pdf")
        made.writestr("lớp 5A/nén.zip", b"PK")
    return zipped


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scripts", [True, False])
def test_a_zip_is_opened_by_the_portal(
    visit: Visit, look: Look, site: Site, tmp_path: Path, *, width: int, scripts: bool
) -> None:
    """The same table with JavaScript and without."""
    page = visit(PATH, width=width, scripts=scripts)
    begin(page, packed(site, tmp_path), site.file("GENUINE_CURRENT"))
    if scripts:
        finished(page, 2)
    else:
        expect(page.get_by_role("heading", name="Kết quả")).to_be_visible()
    assert [row[0] for row in table(page)] == [
        "lớp 5A.zip › lớp 5A/Nguyễn Văn A.pdf",
        "lớp 5A.zip › lớp 5A/Trần Thị B.pdf",
        "lớp 5A.zip › lớp 5A/nén.zip",
        site.file("GENUINE_CURRENT").name,
    ]
    assert counted(page) == {
        ANSWERS["GENUINE_REVOKED"]: 1,
        "Chưa kiểm tra được": 1,
        ANSWERS["GENUINE_CURRENT"]: 2,
    }
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Tải bảng tính (.xlsx)").click()
    waiting.value.save_as(tmp_path / "bang.xlsx")
    book = openpyxl.load_workbook(tmp_path / "bang.xlsx")
    assert [line[1] for line in book.worksheets[0].iter_rows(min_row=2, values_only=True)] == [
        ANSWERS["GENUINE_CURRENT"],
        ANSWERS["GENUINE_REVOKED"],
        "Không có số kết quả; câu trả lời chỉ có trên trang",
        ANSWERS["GENUINE_CURRENT"],
    ]
    if scripts:
        look(page)


def test_a_lost_connection_is_tried_again_and_a_lasting_one_told(browser: Browser, site: Site) -> None:
    """One file's line breaks once, another's always; the third is not held up."""
    watch = Watch(site.url)
    context = browser.new_context(base_url=site.url, locale="vi-VN")
    context.set_default_timeout(60_000)
    page = watch.page(context)
    page.goto(PATH)
    page.clock.install()
    names = ("GENUINE_CURRENT", "GENUINE_REVOKED", "GENUINE_SUPERSEDED")
    first, second, third = (site.file(name) for name in names)
    broken: list[str] = []

    def line(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        name = next(f.name for f in (first, second, third) if f'filename="{f.name}"'.encode() in body)
        if name == second.name or (name == first.name and name not in broken):
            broken.append(name)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(f"**{PATH}", line)
    begin(page, first, second, third)
    says = page.get_by_role("status")
    waits = "document.querySelector('[data-rows]').textContent.includes('tự gửi lại')"
    over = "document.querySelector('[role=status]').textContent.startsWith('Đã xong')"
    for _ in range(10):  # the page's own clock: no test waits for it
        page.wait_for_function(f"() => {over} || {waits}")
        if page.evaluate(over):
            break
        page.clock.run_for(17_000)
    expect(says).to_have_text("Đã xong cả 3 tệp.")
    rows = table(page)
    assert ANSWERS["GENUINE_CURRENT"] in rows[0][1]
    assert "Chưa kiểm tra được" in rows[1][1]
    assert "Mất kết nối" in rows[1][1]
    assert broken.count(first.name) == 1
    assert broken.count(second.name) == 5
    page.unroute(f"**{PATH}")
    page.locator(CALLED).nth(1).get_by_role("button", name="Gửi lại").click()
    expect(page.locator(CALLED).nth(1)).to_contain_text(ANSWERS["GENUINE_REVOKED"])
    context.close()
    # The browser says each time that the line broke, and complains of nothing else.
    assert watch.complaints == ["Failed to load resource: net::ERR_CONNECTION_RESET"] * 6


@pytest.mark.parametrize("answer", ["{}", "[]", "null", "<h1>Bad Gateway</h1>"])
def test_an_answer_of_somebody_else_is_a_failure_that_is_told(visit: Visit, site: Site, answer: str) -> None:
    """A proxy answers in the portal's place: the line says so, and nothing waits without end."""
    page = visit(PATH)
    page.route(f"**{PATH}", lambda route: route.fulfill(status=200, body=answer))
    begin(page, site.file("GENUINE_CURRENT"))
    expect(page.get_by_role("status")).to_have_text("Đã xong cả 1 tệp.")
    assert "Chưa kiểm tra được" in table(page)[0][1]
    page.unroute(f"**{PATH}")
    page.get_by_role("button", name="Gửi lại").click()
    expect(page.locator(CALLED).first).to_contain_text(ANSWERS["GENUINE_CURRENT"])


def test_leaving_a_table_that_is_only_here_is_asked_about(visit: Visit, site: Site) -> None:
    """Another language, the way home: the table is gone. A result opens beside it."""
    page = visit(PATH, width=DESKTOP)
    begin(page, site.file("GENUINE_CURRENT"))
    finished(page, 1)
    with page.context.expect_page() as opened:
        page.locator(f"{CALLED} a").click()
    expect(opened.value.locator("h1")).to_have_text(ANSWERS["GENUINE_CURRENT"])
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_role("link", name="English").click()
    expect(page.locator(CALLED)).to_have_count(1)
    assert asked == ["beforeunload"]
    with page.expect_download():
        page.get_by_role("button", name="Tải bảng tính").click()
    page.get_by_role("link", name="English").click()
    expect(page.locator("h1")).to_have_text("Check several files at once")
    assert asked == ["beforeunload"]


@pytest.fixture
def strict(demo_instance: DemoInstance, tmp_path: Path) -> Iterator[Site]:
    """A portal that takes two unknown files in three seconds from one address."""
    instance = demo_instance.copy_to(tmp_path / "strict")
    with serve(instance, LIMITS="upload v4 2/3 seconds") as running:
        yield running


def test_a_limit_is_waited_for(browser: Browser, strict: Site, tmp_path: Path) -> None:
    """What is refused for now is sent again after its time, and nothing is lost."""
    files = []
    for number in range(5):
        file = tmp_path / f"{number}.pdf"
        file.write_bytes(b"%PDF-1.7 unknown " + bytes([number]))
        files.append(file)
    watch = Watch(strict.url)
    context = browser.new_context(base_url=strict.url, locale="vi-VN")
    context.set_default_timeout(60_000)
    page = watch.page(context)
    refused: list[int] = []
    page.on("response", lambda answer: refused.append(answer.status) if answer.status == 429 else None)
    page.goto(PATH)
    begin(page, *files)
    finished(page, 5)
    assert refused
    assert not any("Chưa kiểm tra được" in row[1] for row in table(page))
    context.close()
    assert watch.complaints == []


def test_too_many_files_are_said_at_once(visit: Visit, look: Look, tmp_path: Path) -> None:
    page = visit(PATH)
    files = []
    for number in range(51):
        files.append(tmp_path / f"{number}.pdf")
        files[-1].write_bytes(b"x")
    begin(page, *files)
    expect(page.locator(".mistake")).to_have_text("Có 51 tệp; mỗi lần chỉ kiểm tra 50 tệp.")
    expect(page.get_by_label("Các tệp PDF, ảnh hoặc ZIP")).to_be_focused()
    look(page)


def test_stopping_leaves_what_was_not_checked_on_the_table(visit: Visit, site: Site) -> None:
    page = visit(PATH, width=DESKTOP)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**{PATH}", hold)
    begin(page, *[site.file("GENUINE_CURRENT")] * 3)
    expect(page.get_by_text("Đang chờ tới lượt")).to_have_count(1)
    page.get_by_role("button", name="Dừng").click()
    expect(page.get_by_role("status")).to_have_text("Đã dừng: xong 0 trên 3 tệp.")
    assert counted(page) == {"Chưa kiểm tra được": 3}
    page.unroute(f"**{PATH}")
    page.locator(CALLED).nth(2).get_by_role("button", name="Gửi lại").click()
    expect(page.locator(CALLED).nth(2)).to_contain_text(ANSWERS["GENUINE_CURRENT"])


def test_files_are_dropped_and_pasted(visit: Visit) -> None:
    page = visit(PATH, width=DESKTOP)
    carry = """(kind) => {
      const data = new DataTransfer();
      data.items.add(new File(["%PDF-1.7 x"], `${kind}.pdf`, {type: "application/pdf"}));
      const event = kind === "drop"
        ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
        : new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
      document.body.dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(carry, kind)
        finished(page, 1)
        assert [row[0] for row in table(page)] == [f"{kind}.pdf"]
