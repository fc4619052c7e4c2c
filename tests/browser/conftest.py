"""The real server and a real browser: granian over a demo instance, Debian's Chromium by Playwright.

Every page that a test leaves behind has been watched: no policy violation, no script error, no request to
anybody else, no cookie.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
from playwright.sync_api import TimeoutError as TooLate

from portal.config import Settings
from portal.demo.manifest import Sample
from tests.demo_instance import ROOT, DemoInstance

CHROMIUM = "/usr/bin/chromium"
PHONE, DESKTOP = 360, 1280
#: What the tests saw, named after page, language and width.
PICTURES: Final = ROOT / "build" / "screenshots"
PATIENCE: Final = 60_000  # ms for what is awaited: a busy machine, a first check that starts the fork server
AXE: Final[dict[str, object]] = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # of what passes, no list of every element is made
    # Style sheets would be read anew each time for one rule alone, an experimental one that is not asked.
    "preload": {"assets": ["media"]},
}
COLOURS = ("color-contrast", "link-in-text-block")  # rules of axe that a scheme of colours can break


@dataclass(frozen=True, slots=True)
class Site:
    """The running server and the demo it serves."""

    url: str
    pid: int
    instance: DemoInstance
    public_url: str

    def samples(self, verdict: str, evidence: str, *, file: bool = True) -> list[Sample]:
        """Samples with this expected answer; files, or codes."""
        return [
            s
            for s in self.instance.samples()
            if (s.expected_verdict, s.expected_evidence) == (verdict, evidence)
            and (s.file is not None) is file
        ]

    def file(self, verdict: str, evidence: str = "file") -> Path:
        name = self.samples(verdict, evidence)[0].file
        assert name is not None
        return self.instance.demo / name

    def code(self, verdict: str) -> str:
        """Path of a code on this server."""
        url = self.samples(verdict, "code", file=False)[0].url
        assert url is not None
        return urlsplit(url).path


@pytest.fixture(scope="session")
def site(demo_instance: DemoInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The server as ``make run`` starts it, over a copy of the demo."""
    with serve(demo_instance.copy_to(tmp_path_factory.mktemp("served") / "instance")) as running:
        yield running


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    instance: DemoInstance,
    *,
    log: Path | None = None,
    port: int | None = None,
    app: str = "wsgi",
    **changes: str,
) -> Iterator[Site]:
    """The server as ``make run`` starts it, with other settings where ``changes`` names some. What it prints
    goes to ``log``.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-ws", "--log-level", "error", "--log-config", "portal/logging.json"]
    command += ["--blocking-threads", changes.get("WEB_THREADS", str(Settings.web_threads)), f"{app}:app"]
    environment = {"PATH": os.environ["PATH"], **instance.environment, **changes}
    with (
        nullcontext() if log is None else log.open("ab") as printed,
        subprocess.Popen(  # noqa: S603 - our own server
            command, cwd=ROOT, env=environment, stdout=printed, stderr=printed
        ) as process,
    ):
        try:
            _wait(port, process)
            yield Site(f"http://127.0.0.1:{port}", process.pid, instance, environment["PUBLIC_URL"])
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:  # granian loses a signal that comes while it starts
                for pid in (*descendants(process.pid), process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


@contextmanager
def work(
    instance: DemoInstance, *, log: Path | None = None, app: str = "wsgi", **changes: str
) -> Iterator[None]:
    """The worker as ``make run`` starts it, beside a server with the same settings."""
    environment = {"PATH": os.environ["PATH"], **instance.environment, **changes}
    with (
        nullcontext() if log is None else log.open("ab") as printed,
        subprocess.Popen(  # noqa: S603 - our own worker
            [sys.executable, "-m", "flask", "--app", app, "work"],
            cwd=ROOT,
            env=environment,
            stdout=printed,
            stderr=printed,
        ) as process,
    ):
        try:
            yield
        finally:
            ended = process.poll()
            process.terminate()
            process.wait(60)
        assert ended is None, "the worker ended by itself"


def descendants(pid: int) -> Iterator[int]:
    """The processes below this one."""
    with suppress(FileNotFoundError):  # it has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from descendants(int(child))


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


# Not for the session: Playwright keeps an event loop running in this thread, and pyHanko starts one of its
# own in the tests that sign.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@dataclass
class Watch:
    """What pages complain of while they are watched: policy violations, script errors, requests to anybody
    else.
    """

    site: str
    complaints: list[str] = field(default_factory=list)

    def page(self, context: BrowserContext) -> Page:
        """A new page, watched."""
        page = context.new_page()
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => "
            "console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("console", lambda m: self.complaints.append(m.text) if _complains(m.type, m.text) else None)
        page.on("request", self._asked)
        return page

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.complaints.append(f"asked elsewhere: {request.url}")


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """``visit(path, width=360, scripts=True)`` opens a page in a context of its own, watched until the test
    ends.
    """
    watch = Watch(site.url)
    watched: list[Page] = []

    def visit(path: str, *, width: int = PHONE, scripts: bool = True) -> Page:
        phone = width < 700
        context = browser.new_context(
            viewport={"width": width, "height": 740},
            locale="vi-VN",
            java_script_enabled=scripts,
            is_mobile=phone,
            has_touch=phone,
            base_url=site.url,
        )
        context.set_default_timeout(PATIENCE)
        page = watch.page(context)
        watched.append(page)
        page.goto(path)
        return page

    yield visit
    for page in watched:
        assert page.context.cookies() == []
        page.context.close()
    assert watch.complaints == []


def _complains(kind: str, text: str) -> bool:
    """Chromium logs every 4xx as an error too; those are answers."""
    return kind in ("error", "warning") and "the server responded with a status of 4" not in text


def violations(page: Page, rules: Sequence[str] | None = None) -> list[str]:
    """What axe finds wrong with the page as it stands: rule, meaning, elements. Of all rules, or of these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = AXE if rules is None else AXE | {"runOnly": list(rules)}
    found = page.evaluate("options => axe.run(options).then(result => result.violations)", options)
    return [
        f"{each['id']}: {each['help']}: {', '.join(str(node['target']) for node in each['nodes'])}"
        for each in found
    ]


def photograph(page: Page, name: str) -> None:
    """The whole page, as it stands, among what the tests saw. A headless Chromium has been seen to owe the
    picture for ever, once in thousands: it is asked again, with a screen of another height to draw anew.
    """
    asked, size = 3, page.viewport_size
    assert size is not None
    for left in reversed(range(asked)):
        try:
            page.screenshot(path=PICTURES / f"{name}.png", full_page=True, timeout=PATIENCE / asked)
            return
        except TooLate:
            if not left:
                raise
            page.set_viewport_size({"width": size["width"], "height": size["height"] + 1})
            page.set_viewport_size(size)


@pytest.fixture
def look() -> Callable[[Page], None]:
    """Looks at a page as a judge: axe finds nothing, and nothing is wider than the screen, not even at 320
    px.
    """

    def look(page: Page) -> None:
        assert violations(page) == []
        size = page.viewport_size
        assert size is not None
        for width in (size["width"], 320):
            page.set_viewport_size({"width": width, "height": size["height"]})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size(size)

    return look


#: Bytes on the wire of a first view, and how many requests.
HEAVIEST: Final = {"page": 14_000, "scripts": 10_000, "all": 60_000, "requests": 6}
#: What a page needs before it stands; what a script or another width asks for later is not of its first view.
_ASKED = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const files = performance.getEntriesByType("resource");
    return [page, ...files.filter((each) => each.startTime < (page.loadEventStart || Infinity))]
        .map((each) => [each.name.replace(location.origin, ""), each.encodedBodySize]);
}"""


def overweight(page: Page, *, packed: bool = True) -> list[str]:
    """Where the first view of the page is heavier than promised, and what was asked for. Pages of somebody
    who is signed in are not ``packed`` (their length would tell what is in them): only the whole is bounded.
    """
    asked: list[tuple[str, int]] = page.evaluate(_ASKED)
    found = {
        "page": asked[0][1] if packed else 0,
        "scripts": sum(size for path, size in asked if path.partition("?")[0].endswith(".js")),
        "all": sum(size for _, size in asked),
        "requests": len(asked),
    }
    listed = ", ".join(f"{path} {size}" for path, size in asked)
    return [
        f"first view: {what} {found[what]}, at most {most}: {listed}"
        for what, most in HEAVIEST.items()
        if found[what] > most
    ]
