"""The stage of the stories: the town on a real server with its worker, and a browser for each person."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE, Site, Watch, free_port, serve, work
from tests.browser.stories import town as places
from tests.browser.stories.town import APP, Persona, Town, passkey_of

SIGN_IN = "Đăng nhập bằng khoá truy cập"
_PATIENCE = 180.0  # seconds in which the worker does nothing at all, on a busy machine


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Town:
    """The town, built once a run."""
    return places.found(tmp_path_factory.mktemp("town") / "instance", _sqlite_template)


@dataclass
class Stage:
    """One story: its portal, and the browsers in it."""

    town: Town
    site: Site
    browser: Browser
    watch: Watch
    _desks: dict[Persona, Page] = field(default_factory=dict)
    _post: Page | None = None

    def phone(self) -> Page:
        """Somebody's phone, with nobody signed in."""
        return self._open(360)

    def post(self) -> Page:
        """Where messages of the portal are read."""
        if self._post is None:
            self._post = self.phone()
        return self._post

    def enter(self, who: Persona) -> Page:
        """Somebody of the town at their own computer, newly signed in with their passkey."""
        page = self._desks.get(who)
        if page is None:
            page = self._desks[who] = self._open(1280)
            give_passkey(page, self.town, who)
        page.goto("/sign-in")
        page.get_by_role("button", name=SIGN_IN).click()
        page.wait_for_url("**/work")
        return page

    def _open(self, width: int) -> Page:
        context: BrowserContext = self.browser.new_context(
            base_url=self.site.public_url, locale="vi-VN", viewport={"width": width, "height": 740}
        )
        context.set_default_timeout(PATIENCE)
        return self.watch.page(context)


@pytest.fixture
def stage(founded: Town, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """The town on a server and a worker of its own; every page is watched to the end."""
    town = founded.copy_to(tmp_path / "instance")
    port = free_port()
    settings = {**town.environment, "PUBLIC_URL": f"http://localhost:{port}"}
    log = tmp_path / "log"
    with (
        serve(town.instance, port=port, app=APP, log=log, **settings) as site,
        work(town.instance, app=APP, log=log, **settings),
    ):
        stage = Stage(town, site, browser, Watch(site.public_url))
        yield stage
        for context in browser.contexts:
            context.close()
    printed = log.read_text()
    print(printed)  # beside what else a story that fails shows: server and worker say what they could not do
    assert "Traceback" not in printed, printed
    assert stage.watch.complaints == []


def give_passkey(page: Page, town: Town, who: Persona) -> None:
    """A device that verifies its user, with the person's passkey in it (Chromium's virtual authenticator)."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("WebAuthn.enable", {"enableUI": False})
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    device = protocol.send("WebAuthn.addVirtualAuthenticator", {"options": kind})["authenticatorId"]
    credential = passkey_of(town.keys[who])
    protocol.send("WebAuthn.addCredential", {"authenticatorId": device, "credential": credential})


def until(page: Page, seen: Callable[[], Locator]) -> None:
    """Look at the page again until what is awaited stands there: the worker does it, not the page. As long as
    the page goes on changing it is waited for.
    """
    shown, end, pause = "", time.monotonic() + _PATIENCE, 500
    while True:
        try:
            expect(seen()).to_be_visible(timeout=pause)
        except AssertionError:
            now = page.get_by_role("main").inner_text()
            if now != shown:
                shown, end, pause = now, time.monotonic() + _PATIENCE, 500
            elif time.monotonic() > end:
                raise
            page.reload()
            pause = min(pause + 100, 2000)  # looking takes of what the worker needs
        else:
            return
