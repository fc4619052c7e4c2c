"""What people do: scan, upload, type, compare; on a telephone and at a desk."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pikepdf
import pytest
from playwright.sync_api import Page, expect

from portal.demo.manifest import Sample
from tests.browser.conftest import DESKTOP, PHONE, Site, Visit
from verifier import record as records
from verifier.locator import Locator, group, short_digest
from verifier.record import comparison_key

Look = Callable[[Page], None]
BOX = "Hoặc nhập mã in cạnh mã QR, hay dán liên kết"
WIDTHS = pytest.mark.parametrize("width", [PHONE, DESKTOP])


def headline(page: Page, text: str) -> None:
    expect(page.locator("h1")).to_have_text(text, timeout=60_000)
    expect(page).to_have_title(re.compile(rf"^{re.escape(text)} – "))
    assert page.title().startswith(f"{text} – ")


def upload(page: Page, path: Path) -> None:
    page.get_by_label("Hoặc chọn tệp PDF của học bạ").set_input_files(path)
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    page.wait_for_url(re.compile("/(kiem-tra|ket-qua/[0-9A-Z]+)$"))


def content(sample: Path) -> tuple[dict[str, object], dict[str, object], Locator]:
    """(header, fields, locator) of a genuine file, out of its attachment: what its paper says."""
    with pikepdf.open(sample) as pdf:
        attached = pdf.attachments[records.ATTACHMENT_NAME].get_file().read_bytes()
    header, disclosures = records.read_attachment(attached)
    fields = records.open_disclosures(header, disclosures)
    return header, dict(fields), Locator(str(header["record_id"]), records.digest(header))


def fill_birth(page: Page, birth: object) -> None:
    parts = str(birth).split("/")
    for name, part in zip(("ngay", "thang", "nam")[-len(parts) :], parts, strict=True):
        page.locator(f'main [name="{name}"]').fill(part)


def fill_paper(page: Page, fields: dict[str, object]) -> None:
    """Types what the paper says into the comparison form, in whatever language it is shown."""
    page.locator('main [name="ho_va_ten"]').fill(str(fields["ho_va_ten"]))
    fill_birth(page, fields["ngay_sinh"])
    for name, row in fields.items():
        if not name.startswith("mon.") or not isinstance(row, dict) or row.get("mien"):
            continue
        for cell in ("muc_dat_duoc", "diem_ktdk", "ca_nam"):
            if cell not in row:
                continue
            control = page.locator(f'main [name="{name}.{cell}"]')
            if control.evaluate("e => e.tagName") == "SELECT":
                control.select_option(str(row[cell]))
            else:
                control.fill(str(row[cell]).replace(".", ","))


@WIDTHS
def test_home(visit: Visit, look: Look, width: int) -> None:
    page = visit("/", width=width)
    headline(page, "Kiểm tra học bạ")
    expect(page.get_by_role("button", name="Kiểm tra", exact=True)).to_be_visible()
    expect(page.get_by_label("Chụp ảnh mã QR")).to_have_attribute("capture", "environment")
    expect(page.get_by_label("Hoặc chọn ảnh có sẵn")).not_to_have_attribute("capture", re.compile(".*"))
    look(page)


def test_every_target_is_large_enough_to_tap(visit: Visit, site: Site) -> None:
    """44 px (WCAG 2.5.5), links in running text apart."""
    for path in ("/", site.code("GENUINE_CURRENT"), "/khong-co", "/kiem-tra", "/hoc-ba-mau", "/lookup"):
        page = visit(path)
        small = page.locator("button, a:not(.skip), input:not([type=hidden]), select, summary")
        for target in small.all():
            box = target.bounding_box()
            assert box is None or box["height"] >= 44, target.inner_text()


@WIDTHS
@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("GENUINE_CURRENT", "Mã đúng; giấy chưa được so"),
        ("GENUINE_SUPERSEDED", "Mã của một bản cũ, đã có bản mới hơn"),
        ("GENUINE_REVOKED", "Mã của một học bạ đã được thu hồi"),
        (
            "REGISTERED_BUT_SIGNATURE_FAILS",
            "Mã có trong sổ đăng ký, nhưng chữ ký số của học bạ không đạt kiểm tra",
        ),
        ("CHECK_INCOMPLETE", "Chưa kiểm tra được"),
        ("CONTENT_DIFFERS", "Mã không khớp với bản nào đã cấp"),
        ("NOT_VERIFIED", "Không tìm thấy học bạ"),
    ],
)
def test_scanning(visit: Visit, look: Look, site: Site, *, width: int, verdict: str, says: str) -> None:
    page = visit(site.code(verdict), width=width)
    headline(page, says)
    look(page)


def test_a_scan_in_lower_case_and_in_english(visit: Visit, site: Site) -> None:
    path = site.code("GENUINE_CURRENT")
    page = visit(path.lower())
    assert page.url == site.url + path
    page.get_by_role("link", name="English").click()
    page.wait_for_url("**?lang=en")
    headline(page, "The code is right; the paper has not been compared")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="Compare the paper").click()
    headline(page, "Compare the paper")
    page.get_by_role("link", name="Tiếng Việt").click()
    headline(page, "So nội dung trên giấy")


@WIDTHS
def test_uploading_a_genuine_file(visit: Visit, look: Look, site: Site, width: int) -> None:
    sample = site.file("GENUINE_CURRENT")
    header, fields, _ = content(sample)
    page = visit("/", width=width)
    upload(page, sample)
    headline(page, "Đúng bản trường cấp, đang lưu hành")
    expect(page.locator(".panel")).to_have_class("panel ok")
    # Signers by role, with their names, and the checks behind each.
    seal = page.locator(".signatures li", has_text="Con dấu số của nhà trường")
    expect(seal).to_contain_text(str(fields["truong"]))
    seal.locator("summary").click()
    expect(seal.get_by_text("Người ký được duyệt ký cho trường này")).to_be_visible()
    assert str(fields["ho_va_ten"]) not in page.content()
    look(page)
    # The file's own data.
    page.get_by_label("Tệp PDF vừa kiểm tra").set_input_files(sample)
    with page.expect_download() as download:
        page.get_by_role("button", name="Tải bảng tính (.xlsx)").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    book = openpyxl.load_workbook(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert book["Thông tin"]["B2"].value == fields["ho_va_ten"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Tải tệp cho phần mềm (JSON)").click()
    assert json.loads(Path(download.value.path()).read_bytes())["header"] == header


@pytest.mark.parametrize(
    "verdict", ["REGISTERED_BUT_SIGNATURE_FAILS", "SEAL_VALID_NOT_REGISTERED", "CONTENT_DIFFERS"]
)
def test_uploading_what_must_not_be_green(visit: Visit, look: Look, site: Site, verdict: str) -> None:
    page = visit("/")
    upload(page, site.file(verdict))
    assert "ok" not in (page.locator(".panel").get_attribute("class") or "").split()
    expect(page.get_by_role("button", name="Tải tệp cho phần mềm (JSON)")).to_have_count(0)
    look(page)


@WIDTHS
def test_a_photo_leads_to_the_comparison(visit: Visit, look: Look, site: Site, width: int) -> None:
    page = visit("/", width=width)
    page.get_by_label("Hoặc chọn ảnh có sẵn").set_input_files(site.file("GENUINE_CURRENT", "code"))
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    headline(page, "Mã đúng; giấy chưa được so")
    expect(page.get_by_text("Nội dung trên giấy chưa được so.")).to_be_visible()
    page.get_by_role("link", name="So nội dung trên giấy").click()
    headline(page, "So nội dung trên giấy")
    look(page)


@WIDTHS
@pytest.mark.parametrize("number", [0, 1])
def test_comparing_a_paper(visit: Visit, look: Look, site: Site, width: int, number: int) -> None:
    """A primary and a secondary record: first one cell wrong, then all of it right."""
    sample = site.instance.demo / str(site.samples("GENUINE_CURRENT", "file")[number].file)
    _, fields, locator = content(sample)
    page = visit(f"/compare?code={locator}", width=width)
    fill_paper(page, fields)
    score = page.locator('main [name="mon.TOAN.diem_ktdk"], main [name="mon.TOAN.ca_nam"]')
    right = score.input_value()
    score.fill("1")
    page.get_by_role("button", name="So với bản trường cấp").click()
    headline(page, "Giấy không khớp với bản trường cấp")
    expect(page.get_by_label("Họ và tên học sinh")).to_have_value(str(fields["ho_va_ten"]))
    look(page)
    score.fill(right)
    page.get_by_role("button", name="So với bản trường cấp").click()
    headline(page, "Kết quả cả năm trên giấy khớp với bản trường cấp, đang lưu hành")
    expect(page.locator(".panel")).to_have_class("panel ok")
    look(page)


def test_comparing_too_often(visit: Visit, look: Look, site: Site) -> None:
    sample = site.instance.demo / str(site.samples("GENUINE_CURRENT", "file")[2].file)
    _, fields, locator = content(sample)
    page = visit(f"/compare?code={locator}")
    fill_paper(page, fields | {"ho_va_ten": "Người Khác"})
    for _ in range(5):
        page.get_by_role("button", name="So với bản trường cấp").click()
        page.wait_for_load_state()
        headline(page, "Giấy không khớp với bản trường cấp")
    page.get_by_role("button", name="So với bản trường cấp").click()
    headline(page, "Mã này đang tạm dừng ít phút")
    expect(page.get_by_text("Hãy thử lại sau 15 phút.")).to_be_visible()
    expect(page.get_by_label("Họ và tên học sinh")).to_have_value("Người Khác")
    look(page)


@WIDTHS
def test_typing_a_code(visit: Visit, look: Look, site: Site, width: int) -> None:
    """First with mistakes, which come back at their fields, then right."""
    _, fields, locator = content(site.file("GENUINE_CURRENT"))
    page = visit("/", width=width)
    page.get_by_label(BOX).fill("7K3M")
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    page.wait_for_url("**/kiem-tra")
    assert page.title().startswith("Lỗi: ")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    look(page)
    summary.get_by_role("link").first.click()
    box = page.get_by_label(BOX)
    expect(box).to_be_focused()
    expect(box).to_have_value("7K3M")
    box.fill(group(locator.record_id).lower())
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    headline(page, "Còn thiếu ngày sinh")
    look(page)
    box = page.get_by_label("Mã tra cứu, hoặc liên kết trong mã QR")
    expect(box).to_have_value(group(locator.record_id).lower())
    fill_birth(page, fields["ngay_sinh"])
    page.get_by_role("button", name="Tra cứu", exact=True).click()
    headline(page, "Có học bạ này, nhưng chưa biết giấy là bản nào")
    look(page)
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text(
        "There is such a record, but which version the paper is stays open"
    )
    page.get_by_role("button", name="Tiếng Việt").click()
    expect(box).to_have_value(group(locator.record_id).lower())
    box.press("End")
    box.press_sequentially(" " + short_digest(locator.digest).lower())
    page.get_by_role("button", name="Tra cứu", exact=True).click()
    headline(page, "Mã đúng; giấy chưa được so")
    assert "ngay" not in page.url
    look(page)
    page.get_by_role("link", name="So nội dung trên giấy").click()
    headline(page, "So nội dung trên giấy")


def test_pasting_a_link(visit: Visit, site: Site) -> None:
    path = site.code("GENUINE_SUPERSEDED")
    page = visit("/")
    page.get_by_label(BOX).fill(f"http://127.0.0.1:8000{path}")
    page.get_by_role("button", name="Kiểm tra", exact=True).click()
    page.wait_for_url(f"**{path}")
    headline(page, "Mã của một bản cũ, đã có bản mới hơn")


def test_samples_are_one_tap_away(visit: Visit, site: Site) -> None:
    wanted: Sample = site.samples("GENUINE_REVOKED", "file")[0]
    page = visit("/")
    page.get_by_role("link", name="Chưa có học bạ? Thử với học bạ mẫu").click()
    item = page.locator(".samples li", has_text=wanted.note).first
    item.get_by_role("link", name="Kiểm tra").click()
    headline(page, "Học bạ này đã được thu hồi")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto("/hoc-ba-mau")
    with page.expect_download() as download:
        item.get_by_role("link", name="Tải tệp").click()
    assert Path(download.value.path()).read_bytes() == (site.instance.demo / str(wanted.file)).read_bytes()


class TestWithoutScripts:
    """Everything works with JavaScript off."""

    def test_upload(self, visit: Visit, site: Site) -> None:
        page = visit("/", scripts=False)
        upload(page, site.file("GENUINE_CURRENT"))
        headline(page, "Đúng bản trường cấp, đang lưu hành")

    def test_photo(self, visit: Visit, site: Site) -> None:
        page = visit("/", scripts=False)
        page.get_by_label("Chụp ảnh mã QR").set_input_files(site.file("GENUINE_SUPERSEDED", "code"))
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        headline(page, "Mã của một bản cũ, đã có bản mới hơn")

    def test_nothing_chosen(self, visit: Visit) -> None:
        page = visit("/", scripts=False)
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        headline_with_error(page, "Kiểm tra học bạ")
        page.get_by_role("alert").get_by_role("link", name="Chưa có gì để kiểm tra.").click()
        expect(page.get_by_label("Hoặc chọn tệp PDF của học bạ")).to_be_focused()

    def test_typed_code_and_comparison(self, visit: Visit, site: Site) -> None:
        sample = site.instance.demo / str(site.samples("GENUINE_CURRENT", "file")[3].file)
        _, fields, locator = content(sample)
        page = visit("/", scripts=False)
        page.get_by_label(BOX).fill(locator.record_id + short_digest(locator.digest))
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        fill_birth(page, fields["ngay_sinh"])
        page.get_by_role("button", name="Tra cứu", exact=True).click()
        headline(page, "Mã đúng; giấy chưa được so")
        page.goto(f"/compare?code={locator}")
        for name, row in fields.items():
            if name.startswith("mon.") and isinstance(row, dict) and "ca_nam" in row:
                control = page.locator(f'main [name="{name}.ca_nam"]')
                text = str(row["ca_nam"])
                if comparison_key(text) in ("đạt", "chưa đạt"):
                    control.select_option(text)
                else:
                    control.fill(text)
        page.get_by_label("Họ và tên học sinh").fill(str(fields["ho_va_ten"]))
        fill_birth(page, fields["ngay_sinh"])
        page.get_by_role("button", name="So với bản trường cấp").click()
        headline(page, "Kết quả cả năm trên giấy khớp với bản trường cấp, đang lưu hành")


def headline_with_error(page: Page, text: str) -> None:
    expect(page.locator("h1")).to_have_text(text)
    assert page.title().startswith(f"Lỗi: {text} – ")


class TestSmallThings:
    def test_unknown_page(self, visit: Visit, look: Look) -> None:
        page = visit("/khong-co")
        headline(page, "Không có trang này")
        look(page)
        page.get_by_role("link", name="Về trang chủ").click()
        headline(page, "Kiểm tra học bạ")

    def test_a_file_that_is_too_large_is_not_even_sent(
        self, visit: Visit, look: Look, tmp_path: Path
    ) -> None:
        large = tmp_path / "large.pdf"
        large.write_bytes(b"%PDF-1.7" + bytes(11 << 20))
        page = visit("/")
        page.get_by_label("Hoặc chọn tệp PDF của học bạ").set_input_files(large)
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        expect(page.get_by_text("Tệp phải nhỏ hơn 10 MB.")).to_be_visible()
        box = page.get_by_label("Hoặc chọn tệp PDF của học bạ")
        expect(box).to_be_focused()
        expect(box).to_have_accessible_description(
            "Tệp nhận từ nhà trường, nhỏ hơn 10 MB. Lỗi: Tệp phải nhỏ hơn 10 MB."
        )
        look(page)
        assert page.url.endswith("/")
        small = tmp_path / "small.pdf"
        small.write_bytes(b"%PDF-1.7")
        box.set_input_files(small)
        expect(page.get_by_text("Tệp phải nhỏ hơn 10 MB.")).to_have_count(0)
        expect(box).to_have_accessible_description("Tệp nhận từ nhà trường, nhỏ hơn 10 MB.")

    def test_choosing_one_photo_clears_the_other(self, visit: Visit, site: Site) -> None:
        photo = site.file("GENUINE_CURRENT", "code")
        page = visit("/")
        page.get_by_label("Chụp ảnh mã QR").set_input_files(photo)
        page.get_by_label("Hoặc chọn ảnh có sẵn").set_input_files(photo)
        assert page.get_by_label("Chụp ảnh mã QR").input_value() == ""
        page.get_by_role("button", name="Kiểm tra", exact=True).click()
        headline(page, "Mã đúng; giấy chưa được so")

    def test_the_form_is_ready_again_after_going_back(self, visit: Visit, site: Site) -> None:
        page = visit("/")
        upload(page, site.file("GENUINE_CURRENT"))
        page.go_back()
        expect(page.get_by_role("button", name="Kiểm tra", exact=True)).to_be_enabled()
        expect(page.locator("[role=status]").first).to_be_empty()

    def test_the_keyboard_reaches_the_content_first(self, visit: Visit) -> None:
        page = visit("/", width=DESKTOP)
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Tới nội dung chính")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()

    def test_print_leaves_out_what_is_only_for_the_screen(self, visit: Visit, site: Site) -> None:
        page = visit(site.code("GENUINE_CURRENT"), width=DESKTOP)
        page.emulate_media(media="print")
        expect(page.locator(".panel")).to_be_visible()
        expect(page.locator(".when")).to_be_visible()
        for hidden in (".tongue", ".act", ".technical"):
            expect(page.locator(hidden)).to_be_hidden()
        expect(page.locator(".demo")).to_be_visible()  # no print of a demonstration passes for an answer

    @pytest.mark.parametrize(
        "verdict", ["GENUINE_CURRENT", "GENUINE_REVOKED", "REGISTERED_BUT_SIGNATURE_FAILS"]
    )
    def test_a_scans_answer_prints_on_one_sheet_that_says_where_and_when(
        self, visit: Visit, site: Site, verdict: str
    ) -> None:
        page = visit(site.code(verdict), width=DESKTOP)
        expect(page.locator(".printed")).to_be_hidden()
        with pikepdf.open(io.BytesIO(page.pdf(format="A4"))) as sheets:
            assert len(sheets.pages) == 1
        page.emulate_media(media="print")
        expect(page.locator(".printed")).to_have_text(
            re.compile(r"In từ [^ ]+, kiểm tra lúc \d\d:\d\d ngày \d\d/\d\d/\d{4}\.$")
        )

    def test_the_print_of_a_files_answer_names_the_file(self, visit: Visit, site: Site) -> None:
        sample = site.file("GENUINE_CURRENT")
        page = visit("/", width=DESKTOP)
        upload(page, sample)
        page.emulate_media(media="print")
        expect(page.locator(".printed")).to_contain_text(hashlib.sha256(sample.read_bytes()).hexdigest())

    def test_text_at_twice_its_size(self, visit: Visit, site: Site) -> None:
        scan = site.code("GENUINE_CURRENT")
        for path in ("/", site.code("GENUINE_REVOKED"), scan, f"/compare?code={scan.removeprefix('/V/')}"):
            page = visit(path, width=320)
            page.evaluate("document.documentElement.style.fontSize = '225%'")  # twice the sheet's 112.5 %
            page.wait_for_function("document.documentElement.scrollWidth <= 320")  # set anew, and laid out

    def test_first_view_is_light(self, visit: Visit, site: Site) -> None:
        page = visit(site.code("GENUINE_CURRENT"))
        sizes: list[int] = []
        page.on("response", lambda response: sizes.append(len(response.body())))
        page.reload(wait_until="networkidle")
        assert len(sizes) <= 4
        assert sum(sizes) < 60_000
