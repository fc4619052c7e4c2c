"""What families do at the portal, and the school's office for them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.stories.town import Pupil
from tests.browser.test_journeys import fill_birth


def find(office: Page, pupil: Pupil) -> None:
    """The office opens the page of a pupil."""
    office.goto("/holders")
    office.get_by_label("Mã học sinh", exact=True).fill(pupil.code)
    office.get_by_role("button", name="Mở").click()
    expect(office.get_by_role("heading", name=pupil.name)).to_be_visible()


def slip_for(office: Page, pupil: Pupil, relation: str, name: str) -> str:
    """The code on a slip that the office makes."""
    find(office, pupil)
    office.get_by_label("Quan hệ với học sinh").select_option(label=relation)
    office.get_by_label("Họ và tên người nhận").fill(name)
    office.get_by_role("button", name="Làm giấy để in").click()
    return office.locator(".slip-code").inner_text()


def activate(post: Page, phone: Page, slip: str, pupil: Pupil, contact: str) -> None:
    """The slip's code, the child's birth date, and the one-time code that was sent to the contact."""
    phone.goto("/sign-in")
    phone.get_by_role("link", name="Có giấy kích hoạt").click()
    phone.get_by_label("Mã trên giấy").fill(slip)
    phone.get_by_role("button", name="Tiếp tục").click()
    fill_birth(phone, pupil.born)
    phone.get_by_role("button", name="Tiếp tục").click()
    phone.get_by_label("Số điện thoại hoặc e-mail của riêng bạn").fill(contact)
    phone.get_by_role("button", name="Đúng là tôi, gửi mã").click()
    phone.get_by_label("Mã 6 số").fill(one_time_code(post, contact))
    phone.get_by_role("button", name="Kích hoạt").click()
    phone.wait_for_url("**/family")


def sign_in(post: Page, phone: Page, contact: str) -> None:
    """By the code that was sent to the contact."""
    phone.goto("/sign-in/family")
    phone.get_by_label("Số điện thoại hoặc e-mail của bạn").fill(contact)
    phone.get_by_role("button", name="Gửi mã cho tôi").click()
    phone.get_by_label("Mã 6 số").fill(one_time_code(post, contact))
    phone.get_by_role("button", name="Đăng nhập").click()
    phone.wait_for_url("**/family")


def messages_to(post: Page, contact: str) -> Locator:
    """Messages that somebody was sent, the newest first; ``post`` reads the outbox of the demonstration."""
    post.goto("/hop-thu-demo")
    return post.locator("li.card", has_text=contact.removeprefix("0"))  # phones stand there with +84


def one_time_code(post: Page, contact: str) -> str:
    """The newest code that was sent to a contact."""
    newest = messages_to(post, contact).filter(has_text=re.compile(r"\b\d{6}\b")).first.inner_text()
    return str(re.findall(r"\b\d{6}\b", newest)[-1])


def card_of(office: Page, name: str) -> Locator:
    """Somebody who is linked to the pupil whose page the office has open; what can be changed is unfolded."""
    card = office.locator("section.card", has=office.get_by_role("heading", name=name))
    card.get_by_text("Thay đổi", exact=True).click()
    return card
