"""A person of an agency links an identity elsewhere and signs in by it: real server, browser, provider."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session

from portal.accounts import service
from portal.accounts.federation_views import CALLBACK
from portal.accounts.models import Organisation
from portal.accounts.service import PersonInput
from portal.clock import SystemClock
from portal.config import Settings
from portal.database import make_engine
from portal.permissions import OrganisationKind, Role
from portal.vault import Vault
from tests.browser.conftest import DESKTOP, PATIENCE, PHONE, free_port, serve, violations
from tests.conftest import ACTOR
from tests.demo_instance import DemoInstance
from tests.openid_servers import CertifiedProvider, settings_for

EMAIL = "lan@xa.example.vn"
WIDTHS = (320, PHONE, 768, DESKTOP)


@pytest.fixture
def provider_and_portal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """Address of the portal, name on the button, and the code of an invitation."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    provider = CertifiedProvider(address + CALLBACK)
    instance = DemoInstance(tmp_path)  # of the demo this story needs nothing but a schema
    shutil.copyfile(request.getfixturevalue("_sqlite_template"), tmp_path / "portal.sqlite3")
    try:
        client = settings_for(provider.issuer)
        with serve(
            instance,
            port=port,
            DEMO="0",
            PUBLIC_URL=address,
            OIDC_ISSUER=client["OIDC_ISSUER"],
            OIDC_CLIENT_ID=client["OIDC_CLIENT_ID"],
            OIDC_CLIENT_SECRET=client["OIDC_CLIENT_SECRET"],
            OIDC_NAME=client["OIDC_NAME"],
        ):
            yield address, client["OIDC_NAME"], _invited(instance)
    finally:
        provider.stop()


def _invited(instance: DemoInstance) -> str:
    settings = Settings.from_environment(instance.environment)
    vault, now = Vault(settings.key_encryption_keys, settings.index_key), SystemClock().now()
    engine = make_engine(settings.database_url)
    with Session(engine) as session, session.begin():
        session.add(
            Organisation(
                kind=OrganisationKind.AGENCY,
                code="xa-01",
                name="Ủy ban nhân dân xã",
                department_code="so-01",
                approved_at=now,
            )
        )
        session.flush()
        person = PersonInput("Trần Thị Lan", EMAIL, (Role.AGENCY_OFFICER,))
        code = service.invite(session, vault, "xa-01", person, actor=ACTOR, now=now).code
    engine.dispose()
    assert code is not None
    return code


def _at_the_provider(page: Page, name: str, *, first: bool) -> None:
    """Its own pages: who one is, and the first time that the portal may know."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("x")
    page.get_by_role("button", name="Sign-in").click()
    if first:
        page.get_by_role("button", name="Continue").click()


def _fits(page: Page) -> None:
    """Nothing of the page runs out of it at any width, and axe finds nothing."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (page.url, width)
    assert violations(page) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_linking_and_signing_in(
    browser: Browser, provider_and_portal: tuple[str, str, str], scripts: bool
) -> None:
    address, name, code = provider_and_portal
    context = browser.new_context(locale="vi-VN", base_url=address, java_script_enabled=scripts)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/sign-in/first")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Mã mời").fill(code)
    page.get_by_role("button", name="Tiếp tục").click()

    page.get_by_role("button", name=f"Liên kết với {name}").click()
    _at_the_provider(page, "lan", first=True)
    page.wait_for_url(f"{address}/account")
    assert page.get_by_text("Đã liên kết").is_visible()
    page.get_by_role("button", name="Đăng xuất", exact=True).click()

    page.goto("/sign-in")
    page.get_by_role("button", name=f"Đăng nhập bằng {name}").last.click()
    _at_the_provider(page, "lan", first=False)
    page.wait_for_url(f"{address}/work")
    assert page.get_by_text("Ủy ban nhân dân xã").first.is_visible()
    entries = context.cookies()
    assert all(c["httpOnly"] for c in entries if c["name"] == "session")
    page.go_back()
    assert "code=" not in page.url
    context.close()


def test_cancelling_and_the_pages(browser: Browser, provider_and_portal: tuple[str, str, str]) -> None:
    address, name, _ = provider_and_portal
    context = browser.new_context(locale="vi-VN", base_url=address)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/sign-in")
    _fits(page)
    page.get_by_role("button", name=f"Đăng nhập bằng {name}").last.click()
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url(f"{address}/sign-in/openid/trouble/cancelled")
    assert page.get_by_role("heading", name="Bạn đã dừng đăng nhập").is_visible()
    _fits(page)
    context.close()
