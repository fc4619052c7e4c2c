"""A family lets a school see a record, takes it back, refuses, loses a code, is in dispute; an office looks
by law. Mother and child have one phone.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import openpyxl
from playwright.sync_api import Page, expect

from tests.browser.stories.conftest import Stage
from tests.browser.stories.family import activate, card_of, find, messages_to, slip_for
from tests.browser.stories.town import AGENT, FIRST_URL, MAI, OFFICE, RECEIVING, SECONDARY
from tests.browser.test_journeys import content, fill_birth
from verifier.locator import Locator

MOTHERS, FATHERS = "0912345678", "0987654321"
MARKS = re.compile("^Kết quả cả năm, và điểm")
OVER = "Không còn được xem"


def test_a_mother_and_her_child_consent_on_one_phone_and_take_it_back(stage: Stage) -> None:
    phone, school = mothers_phone(stage), stage.enter(RECEIVING)
    ask_for_a_transfer(stage, school)
    mother_agrees(phone)
    child_answers(phone, "Có")
    expect(phone.get_by_role("heading", name="Em đã trả lời: Có")).to_be_visible()
    phone.get_by_role("link", name="Đưa lại điện thoại cho cha mẹ").click()
    expect(phone.get_by_role("status")).to_contain_text("Đã đồng ý")

    # The school takes the data over: what was agreed to, and nothing else.
    school.reload()
    school.get_by_role("button", name="Mở học bạ").click()
    expect(school.get_by_role("heading", name="Học bạ được cho xem")).to_be_visible()
    expect(school.get_by_text(MAI.name).first).to_be_visible()
    assert MAI.mother not in school.content()
    data = json.loads(taken(school, "Tải dữ liệu (.json)"))
    book = openpyxl.load_workbook(io.BytesIO(taken(school, "Tải bảng tính (.xlsx)")))
    sheets = str([[cell.value for cell in row] for sheet in book for row in sheet])
    for text in (json.dumps(data, ensure_ascii=False), sheets):
        assert (MAI.name in text, MAI.mother in text) == (True, False)

    # The mother sees who looked, and withdraws; the page that is open at the school closes by itself.
    phone.goto("/family")
    phone.get_by_role("link", name="Ai đã xem học bạ").click()
    expect(phone.get_by_text(SECONDARY.name).first).to_be_visible()
    phone.goto("/family")
    phone.get_by_role("link", name="Cho xem học bạ").click()
    phone.get_by_role("button", name="Rút lại").click()
    expect(phone.get_by_role("heading", name="Đã rút lại sự đồng ý")).to_be_visible()
    expect(school.get_by_text(OVER).first).to_be_visible()
    expect(school.get_by_text(MAI.name)).to_have_count(0)
    school.goto("/received")
    expect(school.get_by_text("Đã rút lại")).to_be_visible()


def test_what_is_open_answers_no_more_after_the_withdrawal(stage: Stage) -> None:
    """Also where the page does not ask by itself: a download of what was open a moment ago."""
    phone, school = mothers_phone(stage), stage.enter(RECEIVING)
    ask_for_a_transfer(stage, school)
    mother_agrees(phone)
    child_answers(phone, "Có")
    school.reload()
    school.get_by_role("button", name="Mở học bạ").click()
    form = school.locator("form", has=school.get_by_role("button", name="Tải dữ liệu (.json)"))
    fields = form.locator("input[type=hidden]").evaluate_all(
        "all => Object.fromEntries(all.map(each => [each.name, each.value]))"
    )
    path = form.get_attribute("action")
    assert path is not None
    fields = {**fields, "as": "json"}
    assert MAI.name in school.request.post(path, form=fields).text()

    phone.goto("/family")
    phone.get_by_role("link", name="Cho xem học bạ").click()
    phone.get_by_role("button", name="Rút lại").click()
    expect(phone.get_by_role("heading", name="Đã rút lại sự đồng ý")).to_be_visible()
    refused = school.request.post(path, form=fields)
    assert (refused.status, MAI.name in refused.text()) == (422, False)


def test_a_child_says_no_and_nobody_sees_anything(stage: Stage) -> None:
    phone, school = mothers_phone(stage), stage.enter(RECEIVING)
    ask_for_a_transfer(stage, school)
    mother_agrees(phone)
    child_answers(phone, "Không")
    expect(phone.get_by_role("heading", name="Cảm ơn em")).to_be_visible()
    school.reload()
    expect(school.get_by_text("Đã từ chối")).to_be_visible()
    expect(school.get_by_role("button", name="Mở học bạ")).to_have_count(0)


def test_a_lost_share_code_is_cancelled_and_another_one_opens(stage: Stage) -> None:
    phone, stranger = mothers_phone(stage), stage.phone()
    lost = share(phone)
    try_code(stranger, lost)
    expect(stranger.get_by_role("heading", name="Học bạ được cho xem")).to_be_visible()

    phone.get_by_role("button", name="Huỷ mã").click()
    expect(phone.get_by_text("Mã này không mở được gì.")).to_be_visible()
    again = share(phone)
    try_code(stranger, lost)
    expect(stranger.get_by_role("alert")).to_contain_text("Gia đình đã huỷ mã này.")
    try_code(stranger, again)
    expect(stranger.get_by_text(MAI.name).first).to_be_visible()


def test_a_dispute_suspends_what_a_guardian_consented_to(stage: Stage) -> None:
    phone, school, office = mothers_phone(stage), stage.enter(RECEIVING), stage.enter(OFFICE)
    father = stage.phone()
    activate(stage.post(), father, slip_for(office, MAI, "Cha", MAI.father), MAI, FATHERS)
    ask_for_a_transfer(stage, school)
    mother_agrees(phone)
    child_answers(phone, "Có")
    school.reload()
    school.get_by_role("button", name="Mở học bạ").click()
    expect(school.get_by_text(MAI.name).first).to_be_visible()

    find(office, MAI)
    card = card_of(office, MAI.mother)
    card.get_by_label("Tạm dừng để xem xét, vì").select_option(label="Đang có tranh chấp quyền nuôi con")
    card.get_by_role("button", name="Tạm dừng").click()
    expect(office.get_by_text("Trong lúc này không xem được gì.")).to_be_visible()
    expect(school.get_by_text(OVER).first).to_be_visible()
    expect(school.get_by_text(MAI.name)).to_have_count(0)
    father.goto("/family")
    father.get_by_role("link", name="Cho xem học bạ").click()
    expect(father.get_by_text("Đang tạm dừng").first).to_be_visible()
    phone.goto("/family")
    expect(phone.get_by_role("link", name="Cho xem học bạ")).to_have_count(0)


def test_an_authority_looks_by_law_and_the_family_is_told_with_the_article(stage: Stage) -> None:
    phone, agent = mothers_phone(stage), stage.enter(AGENT)
    agent.goto("/statutory")
    agent.get_by_label(re.compile("^Nhiệm vụ luật định của cơ quan nhà nước")).check()
    agent.get_by_label("Số hồ sơ, vụ việc").fill("45/CSBT")
    agent.get_by_label("Hoặc tệp PDF học bạ").set_input_files(paper(stage))
    agent.get_by_label(MARKS).check()
    expect(agent.get_by_text("Mỗi lần xem phải xác nhận bằng khoá truy cập")).to_be_visible()
    agent.get_by_role("button", name="Xem một lần").click()  # and the agent's passkey answers
    expect(agent.get_by_role("heading", name="Học bạ được cho xem")).to_be_visible()
    expect(agent.get_by_text(MAI.name).first).to_be_visible()

    told = messages_to(stage.post(), MOTHERS).filter(has_text="học bạ được xem theo luật")
    expect(told.first).to_be_visible()
    phone.goto("/family")
    phone.get_by_role("link", name="Ai đã xem học bạ").click()
    look = phone.locator("ol.members li", has_text="Ủy ban nhân dân xã Ea Hoa")
    expect(look).to_contain_text("Luật 91/2025/QH15 Đ.19.1")
    expect(look).to_contain_text("45/CSBT")


# ------------------------------------------------------------------------------------------- what people do


def mothers_phone(stage: Stage) -> Page:
    """The one phone of mother and child, with the mother signed in."""
    phone = stage.phone()
    activate(stage.post(), phone, slip_for(stage.enter(OFFICE), MAI, "Mẹ", MAI.mother), MAI, MOTHERS)
    return phone


def ask_for_a_transfer(stage: Stage, school: Page) -> None:
    school.goto("/received")
    school.get_by_role("link", name="Xin gia đình cho xem").click()
    school.get_by_label("Mã QR trên học bạ").fill(f"{FIRST_URL}/V/{locator(stage)}")
    school.get_by_label("Chuyển trường").check()
    school.get_by_label(MARKS).check()
    school.get_by_label("7 ngày").check()
    school.get_by_label("Nhiều lần trong thời hạn").check()
    school.get_by_label("Số hồ sơ của đơn vị").fill("TN-12")
    school.get_by_role("button", name="Gửi tới gia đình").click()
    expect(school.get_by_text("Đang chờ trả lời")).to_be_visible()


def mother_agrees(phone: Page) -> None:
    phone.goto("/family")
    phone.get_by_role("link", name=f"Chuyển trường: {SECONDARY.name}").click()
    expect(phone.get_by_role("heading", name="Có đồng ý cho xem học bạ không?")).to_be_visible()
    phone.get_by_role("button", name="Đồng ý", exact=True).click()
    expect(phone.get_by_role("heading", name="Bạn đã đồng ý. Bây giờ hỏi con")).to_be_visible()


def child_answers(phone: Page, answer: str) -> None:
    phone.get_by_role("link", name="Đưa điện thoại cho con").click()
    expect(phone.get_by_role("heading", name="Em có đồng ý không?")).to_be_visible()
    expect(phone.get_by_text(MAI.mother)).to_have_count(0)  # nothing of the mother's on the child's page
    phone.get_by_role("button", name=answer, exact=True).click()


def share(phone: Page) -> str:
    """Mother and child share the record; the code, which is shown once."""
    phone.goto("/family")
    phone.get_by_role("link", name="Cho xem học bạ").click()
    phone.get_by_role("link", name="Cho người khác xem học bạ").click()
    phone.get_by_label("Chuyển trường").check()
    phone.get_by_label(re.compile("2025–2026")).check()
    phone.get_by_label(MARKS).check()
    phone.get_by_label("7 ngày").check()
    phone.get_by_label("Nhiều lần trong thời hạn").check()
    phone.get_by_role("button", name="Tiếp tục").click()
    phone.get_by_role("button", name="Đồng ý", exact=True).click()
    child_answers(phone, "Có")
    phone.get_by_role("link", name="Đưa lại điện thoại cho cha mẹ").click()
    phone.get_by_role("link", name="Tạo mã chia sẻ").click()
    phone.get_by_role("button", name="Tạo mã").click()
    return phone.locator(".slip-code").inner_text()


def try_code(page: Page, code: str) -> None:
    """Somebody opens a share code with the child's birth date."""
    page.goto("/share")
    page.get_by_label("Mã chia sẻ").fill(code)
    fill_birth(page, MAI.born)
    page.get_by_role("button", name="Xem học bạ").click()


def taken(page: Page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_bytes()


def paper(stage: Stage) -> Path:
    """The signed file of MAI's record."""
    return next(each for each in stage.town.papers if content(each)[1]["ho_va_ten"] == MAI.name)


def locator(stage: Stage) -> Locator:
    return content(paper(stage))[2]
