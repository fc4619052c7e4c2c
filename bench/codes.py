"""How many codes are read of 500 seeded pictures of issued pages: by the server, and by a browser's reader.

``python -m bench.codes [how many]``; part of ``make bench``, which fails when the gate is missed.
docs/qr-reading.md says what the pictures are and holds the table of one whole run.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import fmean
from time import process_time
from types import TracebackType
from typing import Final

import pypdfium2 as pdfium
from PIL import Image, ImageDraw

from bench.pictures import DRAWN, LEVEL_M, RESOLUTIONS, Picture, Sheet, picture
from bench.workshop import Workshop, open_workshop
from tests.portal.issuing.world import NOW
from verifier import barcode, check
from verifier.policy import DEFAULT
from verifier.trust import TrustStore

COUNT: Final = 500
GATED: Final = 110  # dots an inch from which on the gate holds
GATE: Final = 0.99
AIM: Final = 0.95  # at 72 dots an inch; reported, no gate
SEED: Final = 31
SENT: Final = 2048  # portal/static/scan.js: longest side of a photo that is looked at in every way
TRIES: Final = 5  # ditto: of that
WHOLE: Final = 2  # ditto: tries of a larger one as it is
STATIC: Final = Path(__file__).parent.parent / "portal/static"


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one picture, and the milliseconds of a processor that it took. ``browser`` and
    ``browser_cost``: None where no browser looks (a PDF goes to the server).
    """

    dpi: int
    defect: str
    server: bool
    server_cost: float
    browser: bool | None
    browser_cost: float | None

    @property
    def answered(self) -> bool:
        """Whether a person gets the answer: by the browser's reader or, for what it leaves, by the server."""
        return bool(self.browser) or self.server


def main(count: int = COUNT) -> bool:
    """The whole of it in an installation of its own. Whether the gates hold."""
    with tempfile.TemporaryDirectory() as folder:
        return reading_rates(open_workshop(Path(folder)), count)


def reading_rates(shop: Workshop, count: int = COUNT) -> bool:
    """Reads ``count`` pictures both ways and prints the tables. Whether the gates hold."""
    sheets = issued_sheets(shop)
    store = shop.world.store()
    with BrowserReader() as browser:
        without_a_code(sheets[0], browser)
        readings = [_read(picture(sheets, number), store, browser) for number in range(count)]
    fair = [reading for reading in readings if reading.defect != LEVEL_M]
    print(f"\nQR codes read, {len(fair)} pictures of issued pages (72 dpi: aim {AIM:.0%})")
    _table("dpi", [(str(dpi), [r for r in fair if r.dpi == dpi]) for dpi in RESOLUTIONS])
    print(f"\nby defect, at {GATED} dpi and more")
    gated = [reading for reading in fair if reading.dpi >= GATED]
    names = dict.fromkeys(reading.defect for reading in fair)
    _table("defect", [(name, [r for r in gated if r.defect == name]) for name in names])
    print("\nby defect, at 72 and 90 dpi")
    coarse = [reading for reading in fair if reading.dpi < GATED]
    _table("defect", [(name, [r for r in coarse if r.defect == name]) for name in names])
    print("\nno gate: more lost than the code can repair")
    _table("", [(LEVEL_M, [reading for reading in readings if reading.defect == LEVEL_M])])
    print(f"\ngate: {GATE:.0%} at {GATED} dpi and more, {len(gated)} pictures")
    _table("", [("all", gated)])
    rates = _rates(gated)
    held = all(rate is not None and rate >= GATE for rate in rates)
    print(f"QR gate {'held' if held else 'MISSED'}", flush=True)
    return held


def issued_sheets(shop: Workshop) -> list[Sheet]:
    """The first and the last page of two records of each school, issued for this with seeded chances: the
    codes, too, are the same each time.
    """
    before = {file.sha256 for _, _, file in shop.world.registered()}
    for number, school in enumerate((shop.primary, shop.secondary)):
        desk = replace(shop.world.desk, random=Random(SEED + number).randbytes)  # noqa: S311 - test data
        shop.world.run(school.rows[-2:], desk)
    sheets = []
    for record, version, file in shop.world.registered():
        if file.sha256 in before:
            continue
        pdf = shop.world.content(record, version, file)
        document = pdfium.PdfDocument(pdf)
        try:
            for index in (0, len(document) - 1):
                sheets.append(Sheet.of(document[index].render(scale=DRAWN / 72).to_pil().convert("RGB")))
        finally:
            document.close()
    return sheets


def _read(shot: Picture, store: TrustStore, browser: BrowserReader) -> Reading:
    began = process_time()
    report = check.examine(shot.data, trust=store, policy=DEFAULT, at=NOW)
    cost = 1000 * (process_time() - began)
    seen: bool | None = None
    spent: float | None = None
    if not shot.data.startswith(b"%PDF"):
        texts, spent = browser.photo(shot.data)
        seen = shot.text in texts
    return Reading(shot.dpi, shot.defect, shot.text in report.codes, cost, seen, spent)


class BrowserReader:
    """The page's way with a photo (portal/static/scan.js), by the portal's own worker under Node: sizes and
    tries are the page's, the scaling is Pillow's where a browser has its canvas's.
    """

    def __enter__(self) -> BrowserReader:
        vendor = STATIC / "vendor/zxing-wasm"
        parts = (STATIC / "qr-worker.js", vendor / "zxing-reader.js", vendor / "zxing-reader.wasm")
        command = ["node", str(Path(__file__).with_name("browser-reader.cjs")), *map(str, parts)]
        self._node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.communicate()

    def photo(self, data: bytes) -> tuple[tuple[str, ...], float]:
        """What the first look that finds anything reads, and the milliseconds of all looks. The picture's
        decoding and scaling, which the page does elsewhere, are not in them.
        """
        image = Image.open(BytesIO(data)).convert("RGBA")
        scale = min(1.0, SENT / max(image.size))
        size = (round(image.width * scale), round(image.height * scale))
        scaled = image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)
        texts, spent = self._look(scaled, TRIES)
        if not texts and scale < 1:
            texts, more = self._look(image, WHOLE)
            spent += more
        return texts, spent

    def _look(self, image: Image.Image, tries: int) -> tuple[tuple[str, ...], float]:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(struct.pack("<III", image.width, image.height, tries))
        self._node.stdin.write(image.tobytes())
        self._node.stdin.flush()
        answer = self._node.stdout.readline()
        if not answer:
            raise RuntimeError("the browser's reader ended")
        texts, spent = json.loads(answer)
        if texts is None:
            raise RuntimeError("the browser's reader could not work")
        return tuple(texts), spent


# ------------------------------------------------------------------------------------------------- tables


def share(hits: Iterable[bool]) -> float | None:
    """The share of hits; None of nothing."""
    all_hits = list(hits)
    return sum(all_hits) / len(all_hits) if all_hits else None


def _rates(readings: Sequence[Reading]) -> tuple[float | None, ...]:
    """Of the server; of the browser's reader, in what a browser looks at; of the one and then the other."""
    return (
        share(reading.server for reading in readings),
        share(reading.browser for reading in readings if reading.browser is not None),
        share(reading.answered for reading in readings),
    )


def row(name: str, readings: Sequence[Reading]) -> str:
    """One line of the tables: the rates, and what a picture costs the server and the browser on average."""
    costs = (
        [reading.server_cost for reading in readings],
        [reading.browser_cost for reading in readings if reading.browser_cost is not None],
    )
    cells = ["     –" if rate is None else f"{100 * rate:5.1f}%" for rate in _rates(readings)]
    cells += [f"{fmean(cost):6.0f}" if cost else "     –" for cost in costs]
    return f"| {name:<14} | {len(readings):4} | {' | '.join(cells)} |"


def _table(head: str, rows: Sequence[tuple[str, Sequence[Reading]]]) -> None:
    print(f"| {head:<14} |  no. | server | browser | then server | server ms | browser ms |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, readings in rows:
        print(row(name, readings), flush=True)


# ------------------------------------------------------------------------------------------- without a code


def without_a_code(sheet: Sheet, browser: BrowserReader) -> None:
    """What a page without any code costs, which is every try in vain, in pages read at once."""
    bare = sheet.page.copy()
    ImageDraw.Draw(bare).rectangle(
        (sheet.left, sheet.top, sheet.left + sheet.side, sheet.top + sheet.side), fill=255
    )
    for dpi in RESOLUTIONS:
        files = []
        for page in (bare, sheet.page):
            buffer = BytesIO()
            size = (round(page.width * dpi / DRAWN), round(page.height * dpi / DRAWN))
            page.resize(size, Image.Resampling.BOX).save(buffer, "JPEG", quality=80)
            files.append(buffer.getvalue())
        for name, reader in (("server", _server), ("browser", browser.photo)):
            in_vain, at_once = (_cheapest(reader, data, found=data is files[1]) for data in files)
            print(
                f"{f'a page without a code, {dpi} dpi, {name}':<44} {in_vain / at_once:7.2f} ×   "
                f"in vain {in_vain:7.2f} ms | with a code {at_once:7.2f} ms",
                flush=True,
            )


def _server(data: bytes) -> tuple[tuple[str, ...], float]:
    began = process_time()
    texts = barcode.read_image_codes(data, enough=check.could_be_ours)
    return texts, 1000 * (process_time() - began)


def _cheapest(reader: Callable[[bytes], tuple[tuple[str, ...], float]], data: bytes, *, found: bool) -> float:
    """The least of three times."""
    looks = [reader(data) for _ in range(3)]
    assert all(bool(texts) == found for texts, _ in looks)
    return min(spent for _, spent in looks)


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
