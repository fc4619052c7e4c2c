"""A school issues a class at pages, and corrects a record after the day on which the year was closed."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet
from playwright.sync_api import Page, expect

from portal.demo.classes import as_xlsx
from tests.browser.stories.conftest import Stage, until
from tests.browser.stories.town import (
    CLERK,
    ENGLISH,
    HEAD,
    HOMEROOM,
    MAI,
    OFFICER,
    PRINCIPAL,
    SCIENCE,
    SECRETARY,
    TEACHER,
    class_5a,
    class_of,
)
from tests.browser.test_journeys import content, headline, upload
from verifier.locator import group

PUPILS = 2
NAME = "lop 8A1.xlsx"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ALL_READY = re.compile(r"[1-9] học bạ ký được ngay\s*$")
AFTER_THE_LOCK = datetime(2026, 7, 5, 1, 0, tzinfo=UTC)  # the year is closed on 30/6


def test_a_class_is_issued_from_a_spreadsheet_with_mistakes(stage: Stage, tmp_path: Path) -> None:
    rows = class_of("THCS", PUPILS, PRINCIPAL)
    clerk = stage.enter(CLERK)

    # Every mistake is said at once, with its row and column; mended in the very file that came back.
    wrong = sheet(as_xlsx(rows))
    put(wrong, 2, "gioi_tinh", "Không rõ")
    put(wrong, 3, "mon.TOAN.hk1", 11)
    put(wrong, 3, "mon.NGU_VAN.ca_nam", 9.9)
    send(clerk, wrong)
    until(clerk, lambda: clerk.get_by_role("heading", name="lỗi cần sửa"))
    said = clerk.get_by_role("region", name="Các lỗi")
    assert clerk.get_by_role("button", name="Xác nhận").count() == 0
    for row, column in (("2", "gioi_tinh"), ("3", "mon.TOAN.hk1"), ("3", "mon.NGU_VAN.ca_nam")):
        expect(said.locator("tr", has_text=column).filter(has_text=f"dòng {row}").first).to_be_visible()
    with clerk.expect_download() as download:
        clerk.get_by_role("link", name="Tải bảng có đánh dấu lỗi (.xlsx)").click()
    marked = sheet(Path(download.value.path()).read_bytes())
    assert "gioi_tinh" in str(marked.cell(2, marked.max_column).value)
    put(marked, 2, "gioi_tinh", rows[0]["gioi_tinh"])
    for column in ("mon.TOAN.hk1", "mon.NGU_VAN.ca_nam"):
        put(marked, 3, column, value(as_xlsx(rows), 3, column))
    send(clerk, marked)
    confirm(clerk)

    # Three teachers, in any order; one of them on a token of her own. Then one after the other.
    there = clerk.url
    sign_on_own_token(stage, stage.enter(ENGLISH))
    order_all_subjects(stage.enter(SCIENCE))
    homeroom = stage.enter(HOMEROOM)
    order_all_subjects(homeroom)
    order(homeroom, "/sign", "Giáo viên chủ nhiệm")
    order(stage.enter(PRINCIPAL), "/approve", "Cán bộ quản lý")
    order(clerk, "/seal", "Con dấu của trường")

    file = issued_file(clerk, there, str(rows[0]["ho_va_ten"]))
    _, fields, locator = content(file)
    assert fields["ho_va_ten"] == rows[0]["ho_va_ten"]
    anybody = stage.phone()
    anybody.goto(f"/V/{locator}")
    headline(anybody, "Mã đúng; giấy chưa được so")
    anybody.goto("/")
    upload(anybody, file)
    headline(anybody, "Đúng bản trường cấp, đang lưu hành")


def test_a_correction_after_the_lock_date_goes_through_the_department(stage: Stage) -> None:
    first = next(each for each in stage.town.papers if content(each)[1]["ho_va_ten"] == MAI.name)
    _, _, before = content(first)
    stage.town.clock.turn_to(AFTER_THE_LOCK)
    secretary, head, officer = (stage.enter(who) for who in (SECRETARY, HEAD, OFFICER))

    better = as_xlsx([class_5a()[0] | {"que_quan": "Hà Nội", "ngay_ky_phat_hanh": "05/07/2026"}])
    correct(secretary, sheet(better))
    until(secretary, lambda: secretary.get_by_text("đã chốt sau ngày 30/06/2026"))

    head.goto("/late-corrections")
    head.get_by_label("Mã tra cứu").fill(group(before.record_id))
    head.get_by_label("Lý do").select_option(label="Nhập sai dữ liệu")
    head.get_by_role("button", name="Gửi Sở").click()
    expect(head.get_by_text("Đang chờ Sở")).to_be_visible()
    officer.goto("/department/late-corrections")
    officer.get_by_role("button", name=f"Duyệt: {group(before.record_id)}").click()
    expect(officer.get_by_text("Không có đề nghị nào đang chờ.")).to_be_visible()
    head.reload()
    expect(head.get_by_text("Sở đã duyệt")).to_be_visible()

    correct(secretary, sheet(better))
    confirm(secretary)
    there = secretary.url
    order(stage.enter(TEACHER), "/sign", "Giáo viên chủ nhiệm")
    order(head, "/approve", "Cán bộ quản lý")
    order(secretary, "/seal", "Con dấu của trường")
    second = issued_file(secretary, there, MAI.name)

    _, fields, after = content(second)
    assert (fields["que_quan"], after.record_id) == ("Hà Nội", before.record_id)
    anybody = stage.phone()
    for code, answer in (
        (before, "Mã của một bản cũ, đã có bản mới hơn"),
        (after, "Mã đúng; giấy chưa được so"),
    ):
        anybody.goto(f"/V/{code}")
        headline(anybody, answer)
    for file, answer in (
        (first, "Đúng bản trường cấp, nhưng đã có bản mới hơn"),
        (second, "Đúng bản trường cấp, đang lưu hành"),
    ):
        anybody.goto("/")
        upload(anybody, file)
        headline(anybody, answer)


# ------------------------------------------------------------------------------------------- what people do


def send(clerk: Page, book: Worksheet) -> None:
    clerk.goto("/classes")
    _send(clerk, book)


def correct(clerk: Page, book: Worksheet) -> None:
    clerk.goto("/classes")
    clerk.get_by_label("Sửa học bạ đã cấp").check()
    clerk.get_by_label("Lý do sửa").fill("Nhập nhầm quê quán")
    _send(clerk, book)


def _send(clerk: Page, book: Worksheet) -> None:
    content = io.BytesIO()
    assert book.parent is not None
    book.parent.save(content)
    clerk.get_by_label("Tệp danh sách lớp").set_input_files(
        {"name": NAME, "mimeType": XLSX, "buffer": content.getvalue()}
    )
    clerk.get_by_role("button", name="Gửi để kiểm tra").click()
    expect(clerk.get_by_role("heading", name=NAME)).to_be_visible()


def confirm(clerk: Page) -> None:
    until(clerk, lambda: clerk.get_by_role("heading", name="Không có lỗi"))
    clerk.get_by_role("button", name="Xác nhận, chuyển cho người ký").click()
    until(clerk, lambda: clerk.get_by_text("Đang chờ người ký"))


def order(signer: Page, place: str, part: str) -> None:
    """Wait for one's turn with every pupil, and order the signature of one part."""
    signer.goto(place)
    until(signer, lambda: signer.locator("li", has_text=part).filter(has_text=ALL_READY))
    _order(signer, part)


def order_all_subjects(teacher: Page) -> None:
    """All parts of subjects, which have no turn."""
    teacher.goto("/sign")
    parts = teacher.locator(".tasks li", has_not_text="chủ nhiệm").get_by_role("link").all_inner_texts()
    assert parts
    for part in parts:
        _order(teacher, part)


def _order(signer: Page, part: str, *, token: bool = False) -> None:
    signer.locator(".tasks").get_by_role("link", name=part).click()
    signer.wait_for_url("**/part?*")  # and until its scripts ran: one of them asks for the passkey
    if token:
        signer.get_by_label("Trên thiết bị của bạn").check()
    signer.get_by_role("button", name="Ký").click()
    expect(signer.get_by_role("heading", name="Lệnh ký của bạn")).to_be_visible()


def sign_on_own_token(stage: Stage, teacher: Page) -> None:
    """Digests out, the token's values in."""
    teacher.goto("/sign")
    _order(teacher, "Ngoại ngữ 1", token=True)
    until(teacher, lambda: teacher.get_by_role("link", name="Tải giá trị băm cần ký (.json)"))
    with teacher.expect_download() as download:
        teacher.get_by_role("link", name="Tải giá trị băm cần ký (.json)").click()
    values = stage.town.sign_on_token(json.loads(Path(download.value.path()).read_text()))
    teacher.get_by_label("Tệp chữ ký (.json) từ thiết bị của bạn").set_input_files(
        {"name": "signatures.json", "mimeType": "application/json", "buffer": values}
    )
    teacher.get_by_role("button", name="Gửi chữ ký").click()
    until(teacher, lambda: teacher.get_by_text(f"{PUPILS} đã ký"))


def issued_file(clerk: Page, upload: str, name: str) -> Path:
    """The signed PDF of a pupil, when everything of an upload is issued."""
    clerk.goto(upload)
    until(clerk, lambda: clerk.get_by_text("Đã cấp xong"))
    with clerk.expect_download() as download:
        clerk.get_by_role("link", name=f"Tải tệp PDF: {name}").click()
    return Path(download.value.path())


# ------------------------------------------------------------------------------------------- spreadsheets


def sheet(book: bytes) -> Worksheet:
    first = openpyxl.load_workbook(io.BytesIO(book)).worksheets[0]
    assert isinstance(first, Worksheet)
    return first


def value(book: bytes, row: int, column: str) -> object:
    page = sheet(book)
    return page.cell(row, _column(page, column)).value


def put(page: Worksheet, row: int, column: str, value: object) -> None:
    page.cell(row, _column(page, column)).value = value  # type: ignore[assignment]


def _column(page: Worksheet, name: str) -> int:
    return [cell.value for cell in page[1]].index(name) + 1
