"""Passkeys in a real browser with a virtual authenticator, on the real server at localhost (SEC-23)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Route, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import demonstration
from portal.accounts.demonstration import DemoAccount
from portal.accounts.models import Organisation
from portal.extensions import KEY
from portal.registry.models import Record, RecordVersion
from tests.browser.conftest import PATIENCE, Site, free_port, serve, violations
from tests.demo_instance import DemoInstance

SIGN_IN, INVITE = "Đăng nhập bằng khoá truy cập", "Mời"


@pytest.fixture(scope="module")
def local(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo as ``make run`` serves it: browsers make passkeys for names alone."""
    copy = demo_instance.copy_to(tmp_path_factory.mktemp("passkeys") / "instance")
    port = free_port()
    with serve(copy, port=port, PUBLIC_URL=f"http://localhost:{port}") as running:
        yield running


@pytest.fixture
def page(browser: Browser, local: Site) -> Iterator[Page]:
    context = browser.new_context(base_url=local.public_url, viewport={"width": 360, "height": 740})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def authenticator(page: Page) -> tuple[CDPSession, str]:
    """A phone that verifies its user; and its name for the protocol."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("WebAuthn.enable", {"enableUI": False})
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    return protocol, protocol.send("WebAuthn.addVirtualAuthenticator", {"options": kind})["authenticatorId"]


def account(local: Site, role: str) -> DemoAccount:
    return next(each for each in demonstration.read(local.instance.demo) if role in each.roles)


def sign_in_with_sample(page: Page, who: DemoAccount) -> None:
    """As a visitor of the demo does."""
    page.goto("/demo-accounts")
    page.locator("li", has_text=who.email).get_by_role("button").click()
    expect(page.get_by_role("status")).to_have_text(f"Đang dùng khoá mẫu của {who.name}.")
    page.goto("/sign-in")
    page.get_by_role("button", name=SIGN_IN).click()
    page.wait_for_url("**/work")


def invite(page: Page, name: str, email: str) -> None:
    page.goto("/people")
    page.get_by_label("Họ và tên").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.locator("input[name=roles]").first.check()
    page.get_by_role("button", name=INVITE, exact=True).click()


def test_a_passkey_from_its_making_to_its_use(page: Page, local: Site) -> None:
    """SEC-23: registered, signs in, confirms; a cancelled confirmation does nothing."""
    sign_in_with_sample(page, account(local, "administrator"))
    page.goto("/demo-accounts")
    page.get_by_role("button", name="Thôi dùng khoá mẫu").click()
    protocol, device = authenticator(page)

    page.goto("/account")
    page.get_by_label("Tên của khoá").fill("Điện thoại thử")
    page.get_by_role("button", name="Tạo khoá truy cập").click()
    page.get_by_text("Điện thoại thử").wait_for()
    made = protocol.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    assert [(each["rpId"], each["isResidentCredential"]) for each in made] == [("localhost", True)]

    page.get_by_role("button", name="Đăng xuất", exact=True).click()
    page.goto("/sign-in")
    page.get_by_role("button", name=SIGN_IN).click()
    page.wait_for_url("**/work")

    invite(page, "Lê Thử", "thu@moi.example")
    page.get_by_text("Lê Thử").wait_for()

    verified = {"authenticatorId": device, "isUserVerified": False}
    protocol.send("WebAuthn.setUserVerified", verified)
    invite(page, "Trần Khác", "khac@moi.example")
    page.get_by_text("Bạn đã dừng").wait_for()
    assert page.get_by_label("Họ và tên").input_value() == "Trần Khác"
    page.goto("/people")
    assert page.get_by_text("Trần Khác").count() == 0


def test_a_device_without_the_key_signs_nobody_in(page: Page) -> None:
    authenticator(page)
    page.goto("/sign-in")
    page.get_by_role("button", name=SIGN_IN).click()
    page.get_by_text("Chưa có gì được làm").wait_for()
    assert page.url.endswith("/sign-in")


def test_a_sample_passkey_registers_and_confirms(page: Page, local: Site) -> None:
    """The demo's keys answer as real ones do; another person's key confirms nothing."""
    first, second = account(local, "administrator"), account(local, "manager")
    sign_in_with_sample(page, first)
    page.goto("/account")
    page.get_by_role("button", name="Tạo khoá truy cập").click()
    page.get_by_text("Khoá của tôi").wait_for()
    invite(page, "Đỗ Mẫu", "mau@moi.example")
    page.get_by_text("Đỗ Mẫu").wait_for()
    page.goto("/demo-accounts")
    page.locator("li", has_text=second.email).get_by_role("button").click()
    invite(page, "Hồ Khác", "ho@moi.example")
    page.get_by_text("Chưa có gì được làm").wait_for()
    page.goto("/people")
    assert page.get_by_text("Hồ Khác").count() == 0


def test_without_javascript_the_page_says_so(browser: Browser, local: Site) -> None:
    context = browser.new_context(base_url=local.public_url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in")
    assert "cần JavaScript" in page.inner_text("main")
    expect(page.get_by_role("button", name=SIGN_IN)).to_be_disabled()
    expect(page.locator("#passkey-says")).to_be_hidden()  # nothing is on its way
    expect(page.get_by_role("button", name="Đăng nhập", exact=True)).to_be_enabled()
    context.close()


def test_no_press_is_lost_while_the_script_is_on_its_way(page: Page, local: Site) -> None:
    """The button waits with words, what is typed stays, and the first press does it."""
    sign_in_with_sample(page, account(local, "administrator"))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/static/passkey*", hold)
    page.goto("/people", wait_until="commit")
    button = page.get_by_role("button", name=INVITE, exact=True)
    expect(button).to_be_disabled()
    expect(page.locator("#passkey-says")).to_contain_text("Đang tải phần khoá truy cập")
    page.get_by_label("Họ và tên").fill("Lê Chậm")
    page.locator("input[name=roles]").first.check()
    page.get_by_label("E-mail").fill("cham@moi.example")
    page.get_by_label("E-mail").press("Enter")  # which would send a form whose button can be pressed
    expect(button).to_be_disabled()
    (script,) = held
    script.continue_()
    button.click()
    page.get_by_text("Lê Chậm").wait_for()
    assert urlsplit(page.url).path == "/people"
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_form_that_was_not_confirmed_comes_back_filled_and_goes_on(page: Page, local: Site) -> None:
    """However it was sent: here by a browser that does not know what the script would have done."""
    sign_in_with_sample(page, account(local, "administrator"))
    page.goto("/people")
    page.get_by_label("Họ và tên").fill("Vũ Còn Nguyên")
    page.get_by_label("E-mail").fill("nguyen@moi.example")
    page.locator("input[name=roles]").first.check()
    page.evaluate("document.querySelector('form[action=\"/people\"]').submit()")
    expect(page.get_by_role("alert")).to_contain_text("hãy bấm nút lần nữa")
    assert page.get_by_label("Họ và tên").input_value() == "Vũ Còn Nguyên"
    assert page.locator("input[name=roles]").first.is_checked()
    assert page.get_by_text("nguyen@moi.example").count() == 0
    page.get_by_role("button", name=INVITE, exact=True).click()
    page.get_by_text("nguyen@moi.example").wait_for()


def test_a_recall_is_done_once_however_often_its_page_is_loaded(page: Page, local: Site) -> None:
    """Reload, back and forward show what is so; a form with a mistake outlives its reload."""
    who = account(local, "manager")
    sign_in_with_sample(page, who)
    with Session(local.instance.app().extensions[KEY].engine) as session:
        school = session.scalars(select(Organisation.code).filter_by(name=who.organisation)).one()
        current = select(Record.record_id).join(RecordVersion).where(RecordVersion.state == "current")
        record_id = session.scalars(current.where(Record.school_code == school).limit(1)).one()
    page.goto("/recall")
    form = page.locator('form[action="/recall"]')
    form.get_by_label("Mã tra cứu").fill("không phải mã")
    form.get_by_label("Lý do").select_option("data_error")
    form.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("Mã tra cứu không đúng")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("hãy bấm nút lần nữa")
    assert form.get_by_label("Mã tra cứu").input_value() == "không phải mã"
    assert form.get_by_label("Lý do").input_value() == "data_error"

    page.goto("/recall")
    form.get_by_label("Mã tra cứu").fill(record_id)
    form.get_by_label("Lý do").select_option("data_error")
    form.get_by_role("button").click()
    page.wait_for_url("**/recall?record=*")
    for _ in range(2):
        expect(page.get_by_role("status").first).to_contain_text("Đã thu hồi bản số")
        page.reload()
    page.go_back()
    assert "record=" not in page.url
    page.go_forward()
    expect(page.get_by_role("status").first).to_contain_text("Đã thu hồi bản số")


@pytest.mark.parametrize("language", ["", "?lang=en"], ids=["vi", "en"])
def test_pages_fit_and_are_accessible(page: Page, local: Site, language: str) -> None:
    """From the narrowest phone to a desk."""
    sign_in_with_sample(page, account(local, "administrator"))
    for path in ("/work", "/account", "/people", "/demo-accounts", "/sign-in", "/sign-in/first"):
        page.goto(path + language)
        assert violations(page) == [], path
        for width in (320, 360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
