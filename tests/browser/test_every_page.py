"""Every page that anybody can open, in every state it has: axe finds nothing at four widths, on light and
dark screens, in both languages and in forced colours; nothing is wider than the screen; the console stays
silent.

What is seen is kept as pictures in ``build/screenshots``, named after page, language and width.
Pages behind the sign-in are found by their links, in ``test_inside.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.conftest import (
    COLOURS,
    DESKTOP,
    PATIENCE,
    PHONE,
    Site,
    Watch,
    free_port,
    overweight,
    photograph,
    serve,
    violations,
)
from tests.browser.test_journeys import content, fill_paper
from tests.browser.test_wire import CODES, curl
from tests.demo_instance import PUBLIC_URL, DemoInstance

WIDTHS = (DESKTOP, 768, PHONE, 320)  # the narrowest last: it is the one that breaks
LANGUAGES = ("vi", "en")
_MISSES = 5  # wrong codes that an address may ask for here
_KEPT = 20  # answers that are kept for an address here
_HEIGHT = 740

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Stage:
    """The demo as it is served here, and the address of the kept answer to a file, uploaded once."""

    site: Site
    results: dict[Path, str]

    def result(self, verdict: str, evidence: str) -> str:
        """Where the answer to the first sample of these stands."""
        sample = self.site.file(verdict, evidence)
        if sample not in self.results:
            head = curl("-o", "/dev/null", "-D", "-", "-H", "X-Forwarded-For: 192.0.2.1",
                        "-F", f"file=@{sample}", f"{self.site.url}/kiem-tra").decode()  # fmt: skip
            found = re.search(r"(?mi)^content-location: (\S+)", head)
            assert found is not None, head
            self.results[sample] = found[1]
        return self.results[sample]

    def paper(self) -> tuple[str, dict[str, object]]:
        """A record's comparison form, and what its paper says."""
        _, fields, locator = content(self.site.file("GENUINE_CURRENT"))
        return f"/compare?code={locator}", fields


Open = Callable[[Page, Stage, str], None]
"""Brings a page into the state that is looked at, in a language."""


def go(page: Page, path: str, language: str, status: int = 200) -> None:
    """The page in this language; Vietnamese is what one gets without asking."""
    english = ("&" if "?" in path else "?") + "lang=en"
    answer = page.goto(path + (english if language == "en" else ""))
    assert answer is not None
    assert answer.status == status, f"{path}: {answer.status}"


def at(path: str, status: int = 200) -> Open:
    return lambda page, _stage, language: go(page, path, language, status)


def scanned(verdict: str) -> Open:
    return lambda page, stage, language: go(page, stage.site.code(verdict), language)


def uploaded(verdict: str, evidence: str) -> Open:
    return lambda page, stage, language: go(page, stage.result(verdict, evidence), language)


def typed(path: str, form: str, **values: str) -> Open:
    """A form that was filled in wrongly, as its sender sees it again."""

    def open_(page: Page, _stage: Stage, language: str) -> None:
        go(page, path, language)
        for name, value in values.items():
            page.locator(f'{form} [name="{name}"]').fill(value)
        page.locator(f"{form} button:not([type=button])").first.click()
        expect(page.locator(".errors")).to_be_focused()

    return open_


def sent(page: Page, sample: Path, language: str) -> None:
    """The page that a plain form gets: to whoever holds the file, not the kept one."""
    go(page, "/kiem-tra", language)
    page.locator('[name="file"]').set_input_files(sample)
    with page.expect_navigation():
        page.locator("form[data-box]").evaluate("form => form.submit()")
    expect(page.locator(".panel")).to_be_visible()


def strange_code(page: Page, stage: Stage, language: str) -> None:
    sent(page, stage.site.instance.demo / "mau/ma-qr-la.jpg", language)


def not_kept(page: Page, stage: Stage, language: str) -> None:
    """The answer to somebody whose share of kept answers is used up."""
    sample = stage.site.file("GENUINE_CURRENT")
    upload: FilePayload = {
        "name": "hoc-ba.pdf",
        "mimeType": "application/pdf",
        "buffer": sample.read_bytes(),
    }
    for _ in range(_KEPT):
        page.request.post("/kiem-tra", multipart={"file": upload})
    sent(page, sample, language)
    expect(page.locator("#number")).to_have_count(0)


def pile_of_files(page: Page, stage: Stage, language: str) -> None:
    go(page, "/kiem-tra-nhieu", language)
    names = ("GENUINE_CURRENT", "CONTENT_DIFFERS", "NOT_VERIFIED")
    page.locator('main input[type="file"]').first.set_input_files([stage.site.file(each) for each in names])
    with page.expect_navigation():
        page.locator("form[data-pile]").evaluate("form => form.submit()")
    expect(page.locator('a[href*="/ket-qua/"]')).to_have_count(3)


def compared(*, right: bool) -> Open:
    def open_(page: Page, stage: Stage, language: str) -> None:
        path, fields = stage.paper()
        go(page, path, language)
        fill_paper(page, fields if right else fields | {"ho_va_ten": "Người Khác"})
        with page.expect_navigation():
            page.locator("main form").last.locator("button:not([type=button])").first.click()
        expect(page.locator(".panel.ok" if right else ".panel:not(.ok)")).to_be_visible()

    return open_


def too_often(page: Page, stage: Stage, language: str) -> None:
    unknown = stage.site.code("CONTENT_DIFFERS")
    for _ in range(_MISSES):
        page.request.get(unknown)
    go(page, unknown, language, 429)


STATES: dict[str, Open] = {
    "home": at("/"),
    "check": at("/kiem-tra"),
    "check-mistakes": typed("/kiem-tra", "form[data-box]", code="7K3M"),
    "samples": at("/hoc-ba-mau"),
    "pile": at("/kiem-tra-nhieu"),
    "pile-answers": pile_of_files,
    "lookup": at("/lookup"),
    "compare": lambda page, stage, language: go(page, stage.paper()[0], language),
    "compare-differs": compared(right=False),
    "compare-agrees": compared(right=True),
    "offline": at("/ngoai-tuyen"),
    "gallery": at("/thiet-ke"),
    "gallery-mistakes": at("/thiet-ke?trang-thai=loi"),
    "not-found": at("/khong-co", 404),
    "no-such-result": at("/ket-qua/0000-0000-0000-0000", 404),
    "result-number": at("/ket-qua"),
    "result-number-mistake": at("/ket-qua?so=7K3M", 422),
    "not-allowed": at("/check/data", 405),
    "too-often": too_often,
    "sign-in": at("/sign-in"),
    "sign-in-family": at("/sign-in/family"),
    "sign-in-slip": at("/sign-in/slip"),
    "share": at("/share"),
    "receipt": at("/receipt"),
    "outbox": at("/hop-thu-demo"),
    "answer-to-a-form": lambda page, stage, language: sent(
        page, stage.site.file("GENUINE_CURRENT"), language
    ),
    "answer-not-kept": not_kept,
    "strange-code": strange_code,
}
FILES = (*CODES, "SEAL_VALID_NOT_REGISTERED")
STATES |= {f"file-{verdict}": uploaded(verdict, "file") for verdict in FILES}
STATES |= {f"code-{verdict}": scanned(verdict) for verdict in CODES}
STATES |= {
    "photo-GENUINE_CURRENT": uploaded("GENUINE_CURRENT", "code"),
    "photo-GENUINE_SUPERSEDED": uploaded("GENUINE_SUPERSEDED", "code"),
}

HEAVY = ("gallery", "gallery-mistakes")  # which nobody opens on a slow line
PHOTOGRAPHED_DARK = ("home", "file-GENUINE_CURRENT", "code-GENUINE_CURRENT", "file-CONTENT_DIFFERS")


@pytest.fixture(scope="module")
def stage(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Behind one proxy, which the tests play: each page is looked at from an address of its own.
    What the demo printed names another address: an older one of this portal.
    """
    copy = demo_instance.copy_to(tmp_path_factory.mktemp("every") / "instance")
    port = free_port()
    url = f"http://localhost:{port}"
    limits = f"miss v4 {_MISSES}/hour; upload v4 1000000/minute; kept v4 {_KEPT}/hour"
    with serve(
        copy, port=port, PUBLIC_URL=url, PUBLIC_URL_FORMER=PUBLIC_URL, TRUSTED_PROXIES="1", LIMITS=limits
    ) as running:
        yield Stage(replace(running, url=url), {})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", STATES)
def test_looks(browser: Browser, stage: Stage, state: str, language: str) -> None:
    """Everything that is wrong with one state is told at once."""
    watch = Watch(stage.site.url)
    context = browser.new_context(
        base_url=stage.site.url,
        locale="vi-VN",
        viewport={"width": DESKTOP, "height": _HEIGHT},
        reduced_motion="reduce",
        extra_http_headers={"X-Forwarded-For": _address(state, language)},
    )
    context.set_default_timeout(PATIENCE)
    page = watch.page(context)
    STATES[state](page, stage, language)
    assert page.locator("html").get_attribute("lang") == language
    wrong = [] if state in HEAVY else overweight(page)
    wrong += _faults(page, f"{state}-{language}", dark=state in PHOTOGRAPHED_DARK)
    context.close()
    assert wrong + watch.complaints == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_to_whoever_holds_the_file(browser: Browser, stage: Stage, language: str) -> None:
    """They say more than the kept ones that are looked at above: who signed, what the data form offers."""
    watch = Watch(stage.site.url)
    context = browser.new_context(
        base_url=stage.site.url,
        locale="vi-VN",
        reduced_motion="reduce",
        extra_http_headers={"X-Forwarded-For": f"198.51.100.{1 + LANGUAGES.index(language)}"},
    )
    context.set_default_timeout(PATIENCE)
    page = watch.page(context)
    wrong: list[str] = []
    for verdict in sorted({*FILES} - {"GENUINE_CURRENT"}):  # that one is a state of its own
        sent(page, stage.site.file(verdict), language)
        assert page.locator("html").get_attribute("lang") == language
        wrong += [f"{verdict}: {each}" for each in overweight(page)]
        for width in (DESKTOP, 320):
            wrong += [f"{verdict}: {each}" for each in _fault(page, "light", width)]
            photograph(page, f"sent-{verdict}-{language}-{width}")
    context.close()
    assert wrong + watch.complaints == []


def _fault(page: Page, scheme: Scheme, width: int) -> Iterator[str]:
    """What axe finds at a width, and whether it is too narrow."""
    page.set_viewport_size({"width": width, "height": _HEIGHT})
    rules = None if scheme == "light" else COLOURS
    yield from (f"{scheme}, {width} px: {each}" for each in violations(page, rules))
    needed = page.evaluate("document.documentElement.scrollWidth")
    if needed > width:
        yield f"{scheme}, {width} px: needs {needed} px"


def _faults(page: Page, name: str, *, dark: bool) -> Iterator[str]:
    """What axe finds and what is too wide; pictures are taken on the way."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            yield from _fault(page, scheme, width)
            if width in (PHONE, DESKTOP) and (scheme == "light" or dark):
                shown = "" if scheme == "light" else f"-{scheme}"
                photograph(page, f"{name}-{width}{shown}")
    page.emulate_media(forced_colors="active")
    yield from (f"forced colours, 320 px: {each}" for each in violations(page, COLOURS))


def _address(state: str, language: str) -> str:
    """An address that nobody else has here."""
    return f"192.0.2.{2 + 2 * list(STATES).index(state) + LANGUAGES.index(language)}"
