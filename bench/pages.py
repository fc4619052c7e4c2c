"""How fast and how sound pages are for a cheap phone, as Lighthouse sees them on the served demo.

``python -m bench.pages [--demo FOLDER] [page …]``; part of ``make bench``. ``FOLDER`` is the instance folder
of a demo that stands already (it is copied); a page is named as in the table. Fails where a gate is missed:
of three runs the median of performance and of the largest paint on a slow line, the worst of the others.
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

from playwright.sync_api import sync_playwright

from portal.accounts import demonstration
from tests.browser.conftest import CHROMIUM, PATIENCE, Site, free_port, serve
from tests.browser.stories.family import sign_in
from tests.browser.test_wire import CODES, curl
from tests.demo_instance import DemoInstance

RUNS: Final = 3
PERFORMANCE: Final = 95
SOUND: Final = 100  # accessibility, best practices
PAINT: Final = 2500  # ms until the largest paint at 400 kbit/s, 400 ms, a processor six times slower
FILES: Final = (*CODES, "SEAL_VALID_NOT_REGISTERED")
_SCRIPT: Final = Path(__file__).parent.parent / "tests/tools/lighthouse.mjs"


@dataclass(frozen=True, slots=True)
class Seen:
    """One run over one page. ``paint`` and ``slow``: ms until the largest paint, on the usual and on the slow
    line. ``failed``: audits of accessibility and best practices.
    """

    name: str
    shown: str
    performance: int
    accessibility: int
    practices: int
    paint: float
    slow: float
    failed: Sequence[str]


def main(demo: Path | None = None, wanted: Sequence[str] = ()) -> bool:
    """Prints the table; whether every gate holds."""
    with tempfile.TemporaryDirectory() as folder:
        instance = _instance(Path(folder), demo)
        port = free_port()
        url = f"http://localhost:{port}"
        with serve(instance, log=Path(folder) / "log", port=port, PUBLIC_URL=url) as site:
            cookies, consent = _consenting(site)
            pages = {name: f"{url}{path}" for name, path in (*_public(site), ("consent", consent))}
            if unknown := set(wanted) - set(pages):
                raise SystemExit(f"no such page: {', '.join(sorted(unknown))}; there are: {', '.join(pages)}")
            chosen = {name: pages[name] for name in wanted or pages}
            return table(_run(chosen, cookies), chosen)


def _instance(folder: Path, demo: Path | None) -> DemoInstance:
    if demo is not None:
        return DemoInstance(demo).copy_to(folder / "instance")
    instance = DemoInstance(folder / "instance")
    done = instance.run("demo", "create")
    if done.returncode:
        raise SystemExit(done.stderr)
    return instance


def _public(site: Site) -> Iterator[tuple[str, str]]:
    """Name and path of what needs no sign-in; the answer to a file stands where it is kept."""
    yield "home", "/"
    yield "check", "/kiem-tra"
    yield "scan", site.code("GENUINE_CURRENT")
    for verdict in FILES:
        head = curl("-o", "/dev/null", "-D", "-", "-F", f"file=@{site.file(verdict)}", f"{site.url}/kiem-tra")
        kept = re.search(rb"(?mi)^content-location: (\S+)", head)
        if kept is None:
            raise SystemExit(f"{verdict}: no result is kept")
        yield verdict, kept[1].decode()


def _consenting(site: Site) -> tuple[list[dict[str, Any]], str]:
    """The session of the demo's first mother, and the path where she lets somebody see the record."""
    contact = demonstration.read_families(site.instance.demo).people[0].contact
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=site.public_url, locale="vi-VN")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        sign_in(context.new_page(), page, contact)
        consents = page.locator('a[href$="/consents"]').first.get_attribute("href")
        cookies = [
            {name: each[name] for name in ("name", "value", "domain", "path", "secure", "httpOnly")}
            for each in context.cookies()
        ]
        browser.close()
    return cookies, f"{consents}/new"


def _run(pages: dict[str, str], cookies: list[dict[str, Any]]) -> Iterator[Seen]:
    order = {
        "chromium": CHROMIUM,
        "cookies": cookies,
        "pages": [{"name": name, "url": url} for name, url in pages.items()],
        "runs": RUNS,
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
        for line in process.stdout:
            yield Seen(**json.loads(line))
    if process.returncode:
        raise SystemExit("Lighthouse failed")


def table(runs: Iterator[Seen], pages: dict[str, str]) -> bool:
    """One row a page; what misses a gate is marked and makes the answer no."""
    print("| page | performance | accessibility | best practices | largest paint | on a slow line |  |\n"
          "|---|---:|---:|---:|---:|---:|---|")  # fmt: skip
    holds = True
    collected: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in runs:
        collected[seen.name].append(seen)
        if len(collected[seen.name]) == RUNS:
            missed = misses(collected[seen.name], pages[seen.name])
            holds = holds and not missed
            print(_row(collected[seen.name], missed), flush=True)
    return holds and collected.keys() == pages.keys()


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
        "; ".join(missed),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m bench.pages")
    options.add_argument("--demo", type=Path, help="instance folder of a demo that stands already")
    options.add_argument("page", nargs="*")
    given = options.parse_args()
    sys.exit(not main(given.demo, given.page))
