"""How fast and how sound pages are for a cheap phone, as Lighthouse sees them on the served demo.

``python -m bench.pages [--demo FOLDER] [page …]``; part of ``make bench``. ``FOLDER`` is the instance folder
of a demo that stands already (it is copied); a page is named as in the table. Fails where a gate is missed:
of three runs the median of performance and of the largest paint on a slow line, the worst of the others.

The largest paint on the slow line is measured: the browser, made slower, opens the page over a line that is
made slower (:mod:`bench.line`; ADR 0034 says why it is not what Lighthouse reckons).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import BrowserContext, sync_playwright

from bench.line import line
from portal.accounts import demonstration
from tests.browser.conftest import CHROMIUM, PATIENCE, Site, free_port, serve
from tests.browser.stories.family import sign_in
from tests.browser.test_every_page import FILES
from tests.browser.test_journeys import content, fill_paper
from tests.browser.test_wire import CODES, curl
from tests.demo_instance import DemoInstance

RUNS: Final = 3
PERFORMANCE: Final = 95
SOUND: Final = 100  # accessibility, best practices
PAINT: Final = 2500  # ms until the largest paint at 400 kbit/s, 400 ms, a processor six times slower
PROCESSOR: Final = 6
PHOTOS: Final = ("GENUINE_CURRENT", "GENUINE_SUPERSEDED")
COMPARED: Final = ("GENUINE_CURRENT", "GENUINE_SUPERSEDED")  # a withdrawn record is not compared
_PLENTY: Final = "miss v4 1000000/hour; upload v4 1000000/minute"  # one phone opens the same page many times
_SCRIPT: Final = Path(__file__).parent.parent / "tests/tools/lighthouse.mjs"


@dataclass(frozen=True, slots=True)
class Seen:
    """One run over one page. ``paint``, ``slow``, ``reckoned``: ms until the largest paint, as Lighthouse
    reckons it for a phone, as measured on the slow line, as Lighthouse reckons it there. ``failed``: audits
    of accessibility and best practices.
    """

    name: str
    shown: str
    performance: int
    accessibility: int
    practices: int
    paint: float
    slow: float
    reckoned: float
    failed: Sequence[str]


def main(demo: Path | None = None, wanted: Sequence[str] = ()) -> bool:
    """Prints the table; whether every gate holds."""
    with tempfile.TemporaryDirectory() as folder:
        instance = _instance(Path(folder), demo)
        port, slow = free_port(), free_port()
        url = f"http://localhost:{port}"
        with (
            serve(instance, log=Path(folder) / "log", port=port, PUBLIC_URL=url, LIMITS=_PLENTY) as site,
            line(slow, port),
        ):
            cookies, inside = _with_a_browser(site)
            paths = dict((*_public(site), *inside))
            if unknown := set(wanted) - set(paths):
                raise SystemExit(f"no such page: {', '.join(sorted(unknown))}; there are: {', '.join(paths)}")
            chosen = {name: paths[name] for name in wanted or paths}
            return table(_run(chosen, cookies, url, f"http://localhost:{slow}"), chosen, url)


def _instance(folder: Path, demo: Path | None) -> DemoInstance:
    if demo is not None:
        return DemoInstance(demo).copy_to(folder / "instance")
    instance = DemoInstance(folder / "instance")
    done = instance.run("demo", "create")
    if done.returncode:
        raise SystemExit(done.stderr)
    return instance


def _public(site: Site) -> Iterator[tuple[str, str]]:
    """Name and path of what needs neither sign-in nor form; the answer to a file stands where it is kept."""
    yield "home", "/"
    yield "check", "/kiem-tra"
    yield "share", "/share"
    for verdict in CODES:
        yield f"code {verdict}", site.code(verdict)
    for verdict in FILES:
        yield f"file {verdict}", _kept(site, site.file(verdict))
    for verdict in PHOTOS:
        yield f"photo {verdict}", _kept(site, site.file(verdict, "code"))


def _kept(site: Site, file: Path) -> str:
    head = curl("-o", "/dev/null", "-D", "-", "-F", f"file=@{file}", f"{site.url}/kiem-tra")
    found = re.search(rb"(?mi)^content-location: (\S+)", head)
    if found is None:
        raise SystemExit(f"{file.name}: no result is kept")
    return found[1].decode()


def _with_a_browser(site: Site) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The session of the demo's first mother; name and path of what is found by filling in forms."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=site.public_url, locale="vi-VN")
        context.set_default_timeout(PATIENCE)
        found = [(f"compared {verdict}", _compared(context, site, verdict)) for verdict in COMPARED]
        found.append(("consent", _consenting(context, site)))
        cookies = [
            {name: each[name] for name in ("name", "value", "domain", "path", "secure", "httpOnly")}
            for each in context.cookies()
        ]
        browser.close()
    return cookies, found


def _compared(context: BrowserContext, site: Site, verdict: str) -> str:
    """Where the answer to a paper stands that says what was issued."""
    _, fields, locator = content(site.file(verdict))
    page = context.new_page()
    page.goto(f"/compare?code={locator}")
    fill_paper(page, fields)
    page.locator("main form").last.locator("button:not([type=button])").first.click()
    path = page.locator('section a[href*="/ket-qua/"]').first.get_attribute("href")
    assert path is not None
    return path


def _consenting(context: BrowserContext, site: Site) -> str:
    """Where the mother lets somebody see the record."""
    page = context.new_page()
    sign_in(context.new_page(), page, demonstration.read_families(site.instance.demo).people[0].contact)
    consents = page.locator('a[href$="/consents"]').first.get_attribute("href")
    return f"{consents}/new"


def _run(paths: dict[str, str], cookies: list[dict[str, Any]], url: str, slow: str) -> Iterator[Seen]:
    order = {
        "chromium": CHROMIUM,
        "cookies": cookies,
        "pages": [{"name": name, "url": url + path, "slow": slow + path} for name, path in paths.items()],
        "runs": RUNS,
        "processor": PROCESSOR,
    }
    with subprocess.Popen(  # noqa: S603 - our own script
        ["node", str(_SCRIPT)],  # noqa: S607
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        for text in process.stdout:
            yield Seen(**json.loads(text))
    if process.returncode:
        raise SystemExit("Lighthouse failed")


def table(runs: Iterator[Seen], paths: dict[str, str], url: str) -> bool:
    """One row a page; what misses a gate is marked and makes the answer no."""
    print("| page | performance | accessibility | best practices | largest paint | slow line | reckoned | |\n"
          "|---|---:|---:|---:|---:|---:|---:|---|")  # fmt: skip
    holds = True
    collected: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in runs:
        collected[seen.name].append(seen)
        if len(collected[seen.name]) == RUNS:
            missed = misses(collected[seen.name], url + paths[seen.name])
            holds = holds and not missed
            print(_row(collected[seen.name], missed), flush=True)
    return holds and collected.keys() == paths.keys()


def misses(runs: Sequence[Seen], address: str) -> list[str]:
    """Which gates one page misses."""
    missed = []
    if median(each.performance for each in runs) < PERFORMANCE:
        missed.append("performance")
    if min(each.accessibility for each in runs) < SOUND or min(each.practices for each in runs) < SOUND:
        missed.append(", ".join(sorted({name for each in runs for name in each.failed})))
    if median(each.slow for each in runs) > PAINT:
        missed.append("slow line")
    if any(each.shown != address for each in runs):
        missed.append(f"another page was shown: {runs[0].shown}")
    return missed


def _row(runs: Sequence[Seen], missed: Sequence[str]) -> str:
    cells = (
        runs[0].name,
        f"{median(each.performance for each in runs):.0f}",
        f"{min(each.accessibility for each in runs)}",
        f"{min(each.practices for each in runs)}",
        f"{median(each.paint for each in runs) / 1000:.2f} s",
        f"{median(each.slow for each in runs) / 1000:.2f} s",
        f"{median(each.reckoned for each in runs) / 1000:.2f} s",
        "; ".join(missed),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m bench.pages")
    options.add_argument("--demo", type=Path, help="instance folder of a demo that stands already")
    options.add_argument("page", nargs="*")
    given = options.parse_args()
    sys.exit(not main(given.demo, given.page))
