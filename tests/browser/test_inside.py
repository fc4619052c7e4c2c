"""Every page that somebody who is signed in can reach by links from their work page, for every role in the
demo: accessible at two widths, on dark screens and in English, never wider than the screen, silent in the
console, light, with no two fields of a section under one label and nothing that is too small for a finger.

What is seen is kept as pictures in ``build/screenshots``, named after who saw it, page, language and width.
Nothing is listed here: a new page is found by the link that leads to it.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.accounts import demonstration
from portal.accounts.demonstration import DemoAccount
from portal.accounts.forms import ROLE_NAMES
from portal.demo.accounts import SECONDARY
from portal.demo.families import PEOPLE
from portal.demo.schools import BY_KEY, DEPARTMENTS
from portal.permissions import Role
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
    work,
)
from tests.browser.stories.conftest import until
from tests.browser.stories.family import sign_in
from tests.browser.test_passkeys import sign_in_with_sample
from tests.demo_instance import DemoInstance

NARROWEST = 320
STAFF = tuple(role for role in Role if role is not Role.HOLDER)
#: What differs from one row to the next in an address: pages of one shape are not all looked at.
_KEYS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|[0-9A-Z]{17}|\d+")
#: What a picture's name does not hold.
_PLAIN = re.compile(r"[^0-9a-z]+")
_ALIKE = 2  # pages of one shape that are looked at
#: Links and buttons below 24 × 24 px (WCAG 2.2, 2.5.8) that do not stand inside a sentence.
_SMALL = """() => [...document.querySelectorAll("a[href], button, summary, select, input:not([type=hidden])")]
    .filter((each) => {
        const { width, height } = each.getBoundingClientRect();
        if (each.matches(".skip") || width < 2 || (width >= 24 && height >= 24)) return false;
        const around = each.closest("p, li, dd, td, h1, h2, h3") ?? each;
        const inline = getComputedStyle(each).display === "inline";
        return !(inline && around.innerText.trim() !== each.innerText.trim());
    })
    .map((each) => `${each.tagName} ${each.innerText || each.name}`)"""
#: Labels that stand twice in a list of values, in a form, or in a group of choices.
_DOUBLES = """() => [
        ["dl.summary", "dt:not(.hidden)"], ["form", ".field > label, legend"], ["fieldset", "label"],
    ].flatMap(([part, label]) => [...document.querySelectorAll(part)].flatMap((each) => {
        const labels = [...each.querySelectorAll(label)].map((one) => one.textContent.trim());
        return labels.filter((text, index) => labels.indexOf(text) < index);
    }))"""


@pytest.fixture(scope="module")
def local(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo as ``make run`` serves it, worker included."""
    copy = demo_instance.copy_to(tmp_path_factory.mktemp("inside") / "instance")
    port = free_port()
    url, keys, log = f"http://localhost:{port}", str(copy.demo / "keys.json"), copy.directory / "log"
    with (
        serve(copy, port=port, PUBLIC_URL=url, SIGNING_KEYS=keys) as running,
        work(copy, log=log, PUBLIC_URL=url, SIGNING_KEYS=keys),
    ):
        _wait_for_the_first_pass(log)
        yield running


def _wait_for_the_first_pass(log: Path) -> None:
    """The worker begins with validating files anew, and SQLite has one writer at a time."""
    end = time.monotonic() + 180
    while '"revalidated"' not in log.read_text():
        assert time.monotonic() < end, "the worker does nothing"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def watch(local: Site) -> Watch:
    return Watch(local.public_url)


Open = Callable[[], Page]


@pytest.fixture(scope="module")
def open_browser(browser: Browser, local: Site, watch: Watch) -> Iterator[Open]:
    """A browser with nobody signed in."""
    contexts = []

    def open_browser() -> Page:
        context = browser.new_context(base_url=local.public_url, locale="vi-VN")
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return watch.page(context)

    yield open_browser
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def _busy(local: Site, open_browser: Open) -> None:
    """Besides what the demo has: a class file with mistakes, and a class that waits for its people."""
    clerk = open_browser()
    sign_in_with_sample(clerk, _account(local, Role.CLERK))
    folder = local.instance.demo / "lop"
    wrong = (folder / "co-loi.csv").read_bytes()
    two_pupils = b"".join((folder / "y-jut-8a1-2025-2026.jsonl").read_bytes().splitlines(keepends=True)[:2])
    _send(clerk, "co-loi.csv", wrong)
    until(clerk, lambda: clerk.get_by_role("heading", name="lỗi cần sửa"))
    _send(clerk, "8A1.jsonl", two_pupils)
    until(clerk, lambda: clerk.get_by_role("heading", name="Không có lỗi"))
    clerk.get_by_role("button", name="Xác nhận").click()
    until(clerk, lambda: clerk.get_by_text("Đang chờ người ký"))


def _send(clerk: Page, name: str, content: bytes) -> None:
    clerk.goto("/classes")
    clerk.get_by_label("Tệp danh sách lớp").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
    clerk.get_by_role("button", name="Gửi để kiểm tra").click()


def _account(local: Site, role: Role) -> DemoAccount:
    """Who has a role: in one school, in its department, at the agency."""
    plan = BY_KEY[SECONDARY]
    department = next(each.name for each in DEPARTMENTS if each.code == plan.department)
    having = [each for each in demonstration.read(local.instance.demo) if role in each.roles]
    return next(
        (each for each in having if each.organisation in (plan.name, department)),
        having[0],
    )


@pytest.mark.usefixtures("_busy")
@pytest.mark.parametrize("role", STAFF)
def test_pages_of_staff(local: Site, open_browser: Open, watch: Watch, role: Role) -> None:
    page = open_browser()
    sign_in_with_sample(page, _account(local, role))
    _act_as(page, role)
    look_everywhere(page, watch, role.value)


@pytest.mark.parametrize("number", range(len(PEOPLE)))
def test_pages_of_families(local: Site, open_browser: Open, watch: Watch, number: int) -> None:
    page = open_browser()
    sign_in(open_browser(), page, demonstration.read_families(local.instance.demo).people[number].contact)
    look_everywhere(page, watch, f"family-{number + 1}")


def test_the_list_of_sample_accounts(local: Site, open_browser: Open, watch: Watch) -> None:
    """The longest of all pages, which nobody has to sign in for."""
    page = open_browser()
    page.goto("/demo-accounts")
    assert page.locator("[data-demo-key]").count() == len(demonstration.read(local.instance.demo))
    assert [*_faults(page), *watch.complaints] == []


def _act_as(page: Page, role: Role) -> None:
    """Who has several roles takes this one."""
    name = ROLE_NAMES[role]
    if name not in page.locator(".lead").inner_text():
        page.goto("/account")
        page.get_by_label(name).check()
        page.get_by_role("button", name="Đổi vai trò").click()
        page.goto("/work")
    expect(page.locator(".lead")).to_contain_text(name)


def look_everywhere(page: Page, watch: Watch, who: str) -> None:
    """Look at each page that can be reached; everything that is wrong is told at once."""
    wrong: list[str] = []
    seen: set[str] = set()
    shapes: Counter[str] = Counter()
    waiting = deque(["/work"])
    while waiting:
        path = waiting.popleft()
        if path in seen or shapes[shape := _KEYS.sub("*", path)] == _ALIKE:
            continue
        seen.add(path)
        shapes[shape] += 1
        answer = page.request.get(path)
        if answer.status != 200:
            wrong.append(f"{path}: {answer.status}")
        if answer.status != 200 or not answer.headers["content-type"].startswith("text/html"):
            continue
        page.goto(path)
        if page.locator(".who").count() == 0:
            continue  # of the public part, which has tests of its own
        waiting += _links(page)
        new = shapes[shape] == 1
        wrong += (f"{path}: {each}" for each in _faults(page, (DESKTOP, PHONE) if new else (PHONE,)))
        if new:
            name = f"inside-{who}{_PLAIN.sub('-', shape)}"
            _both_widths(page, f"{name}-vi")
            wrong += (f"{path}: {each}" for each in _faults_otherwise(page))
            _both_widths(page, f"{name}-en")
        wrong += (f"{path}: {each}" for each in watch.complaints)
        watch.complaints.clear()
    assert wrong == []
    assert len(seen) > 2


def _faults(page: Page, judged: Sequence[int] = (DESKTOP, PHONE)) -> Iterator[str]:
    """``judged``: the widths at which axe looks."""
    for width in judged:
        page.set_viewport_size({"width": width, "height": 740})
        yield from (f"{width} px: {each}" for each in violations(page))
    for width in (DESKTOP, PHONE, NARROWEST):
        page.set_viewport_size({"width": width, "height": 740})
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > width:
            yield f"{width} px: needs {needed} px"
    for small in page.evaluate(_SMALL):  # at the narrowest
        yield f"too small for a finger: {small}"
    for label in page.evaluate(_DOUBLES):
        yield f"two fields of one section are called {label}"
    yield from overweight(page, packed=False)


def _faults_otherwise(page: Page) -> Iterator[str]:
    """On a dark screen, and in English; once for each shape of page; at the narrowest."""
    page.set_viewport_size({"width": NARROWEST, "height": 740})
    page.emulate_media(color_scheme="dark")
    yield from (f"dark: {each}" for each in violations(page, COLOURS))
    page.emulate_media(color_scheme="light")
    page.goto(page.url + ("&" if "?" in page.url else "?") + "lang=en")
    assert page.locator("html").get_attribute("lang") == "en"
    yield from (f"English: {each}" for each in violations(page))
    needed = page.evaluate("document.documentElement.scrollWidth")
    if needed > NARROWEST:
        yield f"English, {NARROWEST} px: needs {needed} px"


def _both_widths(page: Page, name: str) -> None:
    for width in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": 740})
        photograph(page, f"{name}-{width}")


def _links(page: Page) -> list[str]:
    """Where the page leads to on this site, in the same language."""
    here = urlsplit(page.url)
    found = [
        urlsplit(each) for each in page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
    ]
    return [
        each.path + (f"?{each.query}" if each.query else "")
        for each in found
        if (each.scheme, each.netloc) == (here.scheme, here.netloc) and "lang=" not in each.query
    ]
