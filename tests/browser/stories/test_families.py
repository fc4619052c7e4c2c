"""A mother comes to the portal with a slip of the school; what the school's office then changes for her."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Page, expect

from tests.browser.stories.conftest import Stage, until
from tests.browser.stories.family import activate, card_of, find, messages_to, sign_in, slip_for
from tests.browser.stories.town import BEGINNING, MAI, OFFICE
from tests.browser.test_journeys import fill_birth

FORMER, LATER = "0912345678", "hoa.lo@thu.example"


def test_a_mother_activates_with_a_slip_and_reads_her_childs_record(stage: Stage) -> None:
    office, mother = stage.enter(OFFICE), stage.phone()
    activate(stage.post(), mother, slip_for(office, MAI, "Mẹ", MAI.mother), MAI, FORMER)

    expect(mother.get_by_role("heading", name=MAI.name)).to_be_visible()
    expect(mother.get_by_text("Lớp 5, năm học 2025–2026")).to_be_visible()
    mother.get_by_role("link", name="Xem bản số 1").click()
    expect(mother.get_by_role("heading", name="Học bạ lớp 5, bản số 1")).to_be_visible()
    expect(mother.get_by_text(MAI.mother).first).to_be_visible()
    with mother.expect_download() as download:
        mother.get_by_role("link", name="Tải tệp PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")


def test_a_slip_works_once(stage: Stage) -> None:
    office, mother, finder = stage.enter(OFFICE), stage.phone(), stage.phone()
    slip = slip_for(office, MAI, "Mẹ", MAI.mother)
    activate(stage.post(), mother, slip, MAI, FORMER)
    finder.goto("/sign-in/slip")
    finder.get_by_label("Mã trên giấy").fill(slip)
    finder.get_by_role("button", name="Tiếp tục").click()
    fill_birth(finder, MAI.born)
    finder.get_by_role("button", name="Tiếp tục").click()
    expect(finder.get_by_role("alert")).to_contain_text("đã được dùng")


def test_another_contact_waits_a_week_and_can_be_stopped(stage: Stage) -> None:
    office, mother = stage.enter(OFFICE), stage.phone()
    activate(stage.post(), mother, slip_for(office, MAI, "Mẹ", MAI.mother), MAI, FORMER)

    ask_for_contact(office, LATER)
    expect(messages_to(stage.post(), FORMER).filter(has_text="đổi").first).to_be_visible()
    mother.reload()
    mother.get_by_role("link", name="Xem, hoặc dừng lại").click()
    mother.get_by_role("button", name="Dừng việc đổi").click()
    expect(mother.get_by_role("heading", name="Sắp đổi")).to_have_count(0)

    ask_for_contact(office, LATER)
    stage.town.clock.turn_to(BEGINNING + timedelta(days=8))
    stage.enter(OFFICE)
    find(office, MAI)
    card = office.locator("section.card", has_text="h***@thu.example")
    until(office, lambda: card.filter(has_not_text="Sắp đổi"))
    mother.goto("/family")
    expect(mother.get_by_role("heading", name="Đăng nhập")).to_be_visible()
    sign_in(stage.post(), mother, LATER)
    expect(mother.get_by_role("heading", name=MAI.name)).to_be_visible()


def test_a_guardian_in_dispute_sees_nothing_until_it_is_settled(stage: Stage) -> None:
    office, mother, father = stage.enter(OFFICE), stage.phone(), stage.phone()
    activate(stage.post(), mother, slip_for(office, MAI, "Mẹ", MAI.mother), MAI, FORMER)
    activate(stage.post(), father, slip_for(office, MAI, "Cha", MAI.father), MAI, "0987654321")
    record = father.get_by_role("link", name="Xem bản số 1").get_attribute("href")
    assert record is not None

    find(office, MAI)
    card = card_of(office, MAI.father)
    card.get_by_label("Tạm dừng để xem xét, vì").select_option(label="Đang có tranh chấp quyền nuôi con")
    card.get_by_role("button", name="Tạm dừng").click()
    expect(office.get_by_text("Trong lúc này không xem được gì.")).to_be_visible()
    father.reload()
    expect(father.get_by_text("Trong lúc đó học bạ của em không hiện ở đây.")).to_be_visible()
    expect(father.get_by_text(MAI.name)).to_have_count(0)
    for path in (record, f"{record}/pdf"):
        answer = father.request.get(path)
        assert (answer.status, MAI.name in answer.text()) == (404, False)
    mother.reload()
    expect(mother.get_by_role("heading", name=MAI.name)).to_be_visible()

    office.get_by_role("button", name="Xem xét xong, cho xem lại").click()
    father.reload()
    expect(father.get_by_role("heading", name=MAI.name)).to_be_visible()


def ask_for_contact(office: Page, contact: str) -> None:
    find(office, MAI)
    card = card_of(office, MAI.mother)
    card.get_by_label("Số điện thoại hoặc e-mail mới").fill(contact)
    card.get_by_role("button", name="Đổi liên hệ").click()
    expect(office.get_by_text("Sắp đổi sang")).to_be_visible()
