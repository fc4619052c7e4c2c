"""An open page in a real browser: it closes when the family takes its consent back (SEC-19)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pypdfium2 as pdfium
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from tests.portal.receiving.scene import Scene, birth
from tests.servers import serve_in_thread

_PATIENCE = 60_000  # ms, on a busy machine
GONE = re.compile("Không còn được xem")


@pytest.fixture
def address(scene: Scene) -> Iterator[str]:
    """Where the portal of this test listens."""
    server = make_server("127.0.0.1", 0, scene.world.app, threaded=True)
    thread = serve_in_thread(server)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        opened = browser.new_page()
        opened.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)
        yield opened
        browser.close()


def printed(page: Page) -> str:
    """The words on paper."""
    return "".join(
        sheet.get_textpage().get_text_range() for sheet in pdfium.PdfDocument(io.BytesIO(page.pdf()))
    )


def test_withdrawal_closes_an_open_page(scene: Scene, address: str, page: Page) -> None:
    """SEC-19, SEC-20: the code leaves the address bar; without an answer the content is hidden and comes
    back; after the withdrawal paper stays empty at once, and the content leaves the page.
    """
    name = str(scene.issued.data["ho_va_ten"])
    consent, code = scene.code()
    page.goto(f"{address}/share#{code.replace('-', '')}")
    assert page.url == f"{address}/share"
    expect(page.locator("#code")).to_have_value(code.replace("-", ""))
    for box, value in birth(scene.issued).items():
        page.fill(f"#{box}", value)
    page.click("main button")
    expect(page.locator("#shown")).to_contain_text(name)
    assert name in printed(page)

    page.context.set_offline(True)
    expect(page.locator("#shown")).to_be_hidden()
    expect(page.locator("#watch")).to_contain_text("Không kiểm tra được")
    assert name not in printed(page)
    page.context.set_offline(False)
    expect(page.locator("#shown")).to_be_visible()
    assert name in printed(page)

    scene.withdraw(consent)
    assert name not in printed(page)
    expect(page.locator("#watch")).to_have_text(GONE)
    assert name not in page.content()


def test_it_closes_by_itself(scene: Scene, address: str, page: Page) -> None:
    """SEC-19: nobody touches the page."""
    consent, code = scene.code()
    page.goto(f"{address}/share")
    for box, value in {"code": code, **birth(scene.issued)}.items():
        page.fill(f"#{box}", value)
    page.click("main button")
    expect(page.locator("#shown")).to_be_visible()
    scene.withdraw(consent)
    expect(page.locator("#watch")).to_have_text(GONE)
    expect(page.locator("#shown")).to_have_count(0)
