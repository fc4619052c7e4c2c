"""Three stories with the keyboard alone: every stop shows where one is, in the order of the page."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESKTOP, Site, Visit
from tests.browser.test_journeys import BOX, content, headline
from verifier.locator import group, short_digest

_MOST = 120  # stops on the longest page here
#: What has the focus: what it is called, whether it shows, where it stands among all that can have it.
_STOP = """() => {
    const here = document.activeElement, style = getComputedStyle(here);
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
    const { top, bottom } = here.getBoundingClientRect();
    return {
        name: here.outerHTML.slice(0, 120),
        ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inside: bottom > 0 && top < innerHeight,
        place: here === document.body ? -1 : all.indexOf(here),
    };
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Goes forward to it. Every stop on the way is ringed, on the screen, and further down in the page."""
    before = page.evaluate(_STOP)["place"]
    for _ in range(_MOST):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        assert stop["place"] > before, f"after {before} the focus went to {stop}"
        assert stop["ringed"], f"the focus does not show on {stop}"
        assert stop["inside"], f"the focus is off the screen on {stop}"
        before = stop["place"]
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def fill(page: Page, field: Locator, text: str) -> None:
    """Types into a field, or picks from a list with the arrow."""
    tab_to(page, field)
    if field.evaluate("each => each.tagName") == "INPUT":
        page.keyboard.insert_text(text)
        return
    for _ in range(field.locator("option").count()):
        if field.input_value() == text:
            return
        page.keyboard.press("ArrowDown")
    expect(field).to_have_value(text)


def test_from_a_typed_code_to_the_compared_paper(visit: Visit, site: Site) -> None:
    _, fields, locator = content(site.file("GENUINE_CURRENT"))
    page = visit("/", width=DESKTOP)
    fill(page, page.get_by_label(BOX), f"{group(locator.record_id)} {short_digest(locator.digest)}".lower())
    page.keyboard.press("Enter")
    headline(page, "Còn thiếu ngày sinh")
    birth = str(fields["ngay_sinh"]).split("/")
    labels = ("Ngày", "Tháng", "Năm")[-len(birth) :]
    for label, part in zip(labels, birth, strict=True):
        fill(page, page.get_by_label(label, exact=True), part)
    page.keyboard.press("Enter")
    headline(page, "Mã đúng; giấy chưa được so")

    tab_to(page, page.get_by_role("link", name="So nội dung trên giấy"))
    page.keyboard.press("Enter")
    headline(page, "So nội dung trên giấy")
    fill(page, page.get_by_label("Họ và tên học sinh"), str(fields["ho_va_ten"]))
    for label, part in zip(labels, birth, strict=True):
        fill(page, page.get_by_label(label, exact=True), part)
    for cell in page.locator("main .cells input, main .cells select").all():
        subject, _, column = str(cell.get_attribute("name")).rpartition(".")
        row = fields.get(subject)
        if isinstance(row, dict) and column in row and not row.get("mien"):
            fill(page, cell, str(row[column]).replace(".", ","))
    tab_to(page, page.get_by_role("button", name="So với bản trường cấp"))
    page.keyboard.press("Enter")
    headline(page, "Kết quả cả năm trên giấy khớp với bản trường cấp, đang lưu hành")


def test_from_a_file_to_its_report(visit: Visit, site: Site) -> None:
    page = visit("/", width=DESKTOP)
    box = page.get_by_label("Hoặc chọn tệp PDF của học bạ")
    tab_to(page, box)
    box.set_input_files(site.file("GENUINE_CURRENT"))  # the dialogue is the system's
    tab_to(page, page.get_by_role("button", name="Kiểm tra", exact=True))
    page.keyboard.press("Space")
    headline(page, "Đúng bản trường cấp, đang lưu hành")

    details = page.locator("details.technical summary")
    tab_to(page, details)
    expect(page.get_by_role("link", name="Tải báo cáo (JSON)")).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Tải báo cáo (JSON)"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    report = json.loads(Path(download.value.path()).read_bytes())
    assert report["headline"] == "Đúng bản trường cấp, đang lưu hành"


def test_past_the_head_into_the_other_language_and_to_a_mistake(visit: Visit) -> None:
    page = visit("/kiem-tra", width=DESKTOP)
    tab_to(page, page.get_by_role("link", name="Tới nội dung chính"))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")  # the first that can be reached within
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")

    page.reload()
    tab_to(page, page.get_by_role("link", name="English"))
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    tab_to(page, page.get_by_role("button", name="Check", exact=True))
    page.keyboard.press("Enter")
    summary = page.get_by_role("alert").filter(has=page.get_by_role("link"))
    expect(summary).to_be_focused()
    tab_to(page, summary.get_by_role("link").first)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('[aria-invalid=true]')")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(_STOP)["ringed"]
