"""How the printed page looks, measured: nothing too small, nothing over the edge, nothing over anything else,
with short values and with the longest that a record may hold; and what each signature shows.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from unicodedata import combining

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
import pytest
from pikepdf import Name, Pdf

from portal.issuing import appearance
from portal.issuing.lint import lint, squeeze
from portal.issuing.rendering import Renderer
from tests.portal.issuing import papers
from tests.portal.issuing.papers import Paper, paper
from verifier.record import Level

MM = 72 / 25.4
EDGE = 8 * MM  # what cheap printers leave white
SMALLEST = 7.0
# A line's baseline lies at least this far below the one before, in sizes of the larger: 0.6 em of leading.
LEADING = 1.24
PAPERS = {
    **{f"full {level} {grade}": paper(papers.full(level, grade)) for level, grade in [
        *((Level.TIEU_HOC, grade) for grade in range(1, 6)),
        (Level.THCS, 6), (Level.THCS, 9), (Level.THPT, 10), (Level.THPT, 12), (Level.GDTX_THPT, 11),
    ]},
    **{f"worst {level} {grade}": papers.worst_paper(level, grade) for level, grade in [
        (Level.TIEU_HOC, 5), (Level.THCS, 9), (Level.THPT, 12), (Level.GDTX_THPT, 12),
    ]},
}  # fmt: skip


@dataclass(frozen=True)
class Letter:
    """One printed character: its ink's box and baseline, in points from the lower left; ``size`` of type."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    baseline: float
    size: float


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture(scope="module", params=list(PAPERS))
def printed(request: pytest.FixtureRequest, renderer: Renderer) -> tuple[Paper, bytes]:
    a_paper = PAPERS[request.param]
    return a_paper, renderer.render(
        a_paper.record, a_paper.header, a_paper.disclosures, a_paper.url, a_paper.meta
    )


def letters_of(page: pdfium.PdfPage) -> list[Letter]:
    text = page.get_textpage()
    found = []
    x, y = ctypes.c_double(), ctypes.c_double()
    for index in range(text.count_chars()):
        character = chr(pdfium_c.FPDFText_GetUnicode(text, index))
        if character.isspace() or combining(character):  # a combining mark shares its letter's box
            continue
        pdfium_c.FPDFText_GetCharOrigin(text, index, x, y)
        size = pdfium_c.FPDFText_GetFontSize(text, index)
        left, bottom, right, top = text.get_charbox(index)
        found.append(Letter(character, left, bottom, right, top, y.value, size))
    assert found
    return found


def test_nothing_is_small_over_the_edge_or_over_other_words(printed: tuple[Paper, bytes]) -> None:
    _, pdf = printed
    with pdfium.PdfDocument(pdf) as document:
        for number, page in enumerate(document, 1):
            width, height = page.get_size()
            letters = letters_of(page)
            for letter in letters:
                assert letter.size >= SMALLEST, f"page {number}: {letter}"
                assert letter.left >= EDGE, f"page {number}: {letter}"
                assert letter.right <= width - EDGE, f"page {number}: {letter}"
                assert letter.bottom >= EDGE, f"page {number}: {letter}"
                assert letter.top <= height - EDGE, f"page {number}: {letter}"
            letters.sort(key=lambda letter: letter.left)
            for index, one in enumerate(letters):
                for other in letters[index + 1 :]:
                    if other.left >= one.right - 0.05:
                        break
                    apart = abs(one.baseline - other.baseline)
                    if apart < 0.5:  # beside each other: kerning and overhang, no more
                        inside = min(one.right, other.right) - other.left
                        assert inside < 0.35 * one.size, f"page {number}: {one} and {other}"
                    elif max(one.bottom, other.bottom) < min(one.top, other.top):
                        pytest.fail(f"page {number}: {one} and {other} touch")
                    elif one.size == other.size:
                        assert apart >= LEADING * one.size, f"page {number}: {one} and {other}"


def test_values_and_units_share_a_line(printed: tuple[Paper, bytes], tmp_path: Path) -> None:
    a_paper, pdf = printed
    fields = a_paper.record.fields()
    path = tmp_path / "record.pdf"
    path.write_bytes(pdf)
    out = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)  # noqa: S603, S607
    lines = out.stdout.decode().replace("\u00a0", " ").splitlines()
    wanted = [
        f"{str(fields[name]).replace('.', ',')} {unit}"
        for name, unit in (("chieu_cao", "cm"), ("can_nang", "kg"))
        if name in fields
    ]
    assert bool(wanted) == (a_paper.record.level is Level.TIEU_HOC)
    for value in wanted:
        assert any(value in line for line in lines), value


def test_the_lint_agrees(printed: tuple[Paper, bytes]) -> None:
    a_paper, pdf = printed
    assert not lint(
        pdf,
        a_paper.record,
        a_paper.header,
        a_paper.url,
        disclosures=a_paper.disclosures,
        meta=a_paper.meta,
    )


def test_under_every_signature_stands_who_signs(printed: tuple[Paper, bytes]) -> None:
    a_paper, pdf = printed
    with Pdf.open(BytesIO(pdf)) as document, pdfium.PdfDocument(pdf) as view:
        seen = set()
        for page, sight in zip(document.pages, view, strict=True):
            text = sight.get_textpage()
            for widget in page.obj.get(Name.Annots, []):
                left, bottom, right, _ = (float(side) for side in widget.Rect)
                # Three lines of the largest type that names are set in.
                below = squeeze(text.get_text_bounded(left - 1, bottom - 48, right + 1, bottom - 0.1))
                subject = str(widget.T) if Name.Parent in widget else ""
                field = f"GVBM.{subject}" if subject else str(widget.T)
                seen.add(field)
                name = a_paper.meta.signatories[field].name
                wanted = squeeze("Chữ ký số của") if field == "KY_PHAT_HANH" else squeeze(name)
                assert below.startswith(wanted), f"{field}: {below}"
        assert seen == set(a_paper.record.signature_fields)


def test_signatures_of_a_page_are_set_in_one_legible_size_and_stay_inside(
    printed: tuple[Paper, bytes],
) -> None:
    a_paper, pdf = printed
    font = appearance.signature_font()
    time = appearance.time_line(a_paper.meta.converted_at)
    assert time == "30/05/2026 08:05 +07:00"
    with Pdf.open(BytesIO(pdf)) as document:
        for page in document.pages:
            sizes = set()
            for widget in page.obj.get(Name.Annots, []):
                field = f"GVBM.{widget.T}" if Name.Parent in widget else str(widget.T)
                left, bottom, right, top = (float(side) for side in widget.Rect)
                width, height = right - left, top - bottom
                size = appearance.size_of(str(widget.DA))
                assert size is not None
                sizes.add(size)
                lines = (*a_paper.meta.signatories[field].lines, time)
                stream = appearance.draw(lines, width, height, size=size).decode()
                assert f"/HBS {size:g} Tf" in stream
                placed = re.findall(r"1 0 0 1 ([-0-9.]+) ([-0-9.]+) Tm <([0-9A-F]+)> Tj", stream)
                baselines = [float(y) for _, y, _ in placed]
                assert len(placed) >= 2
                assert all(before - after >= 1.24 * size for before, after in pairwise(baselines))
                for x, y, glyphs in placed:
                    advance = sum(font.widths[int(glyphs[i : i + 4], 16)] for i in range(0, len(glyphs), 4))
                    assert float(x) >= 1
                    assert float(x) + advance * size / 1000 <= width - 1
                    assert float(y) + size * font.descent / 1000 >= 1
                    assert float(y) + size * font.ascent / 1000 <= height - 1
            assert len(sizes) <= 1
            assert all(size >= SMALLEST for size in sizes)
