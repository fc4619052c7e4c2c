"""What a filled signature field shows: a few lines of text in the one embedded font, drawn the same way for
all.

The renderer puts the font into AcroForm /DR /Font /HBS (:func:`font_objects`); :func:`draw` writes the
content stream that a signature's /AP uses with it. Text is named by glyph id (Identity-H), no transparency,
no image, nothing that PDF/A-3 (ISO 19005-3) forbids.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

FONTS: Final = Path(__file__).parent / "fonts"
RESOURCE: Final = "HBS"  # name of the font in /DR /Font
MAX_SIZE: Final = 11.0  # points
MIN_SIZE: Final = 7.0  # below this a copy of a copy cannot be read
STEP: Final = 0.25
LEADING: Final = 1.26  # of the size; Vietnamese letters with two marks are 1.14 high
PADDING: Final = 2.5  # points
# NĐ 30/2020, Phụ lục I, mục II.7–8: a person's signature blue, the seal red. sRGB by the output intent.
PERSON_INK: Final = "0.05 0.15 0.42"
SEAL_INK: Final = "0.75 0.05 0.08"


_TEXT_STATE: Final = re.compile(rf"/{RESOURCE} ([0-9.]+) Tf")


@dataclass(frozen=True, slots=True)
class Signatory:
    """Who signs a field: ``name`` is printed under the place, ``lines`` stand in it, above the time."""

    name: str
    lines: tuple[str, ...]


class TooMuchText(ValueError):  # noqa: N818 - says what is wrong with the words
    """Words that do not fit a signature's place in a legible size."""


@dataclass(frozen=True, slots=True)
class SignatureFont:
    """``signature.json`` and ``signature.ttf``: figures in 1/1000 em, glyph ids by character."""

    base_font: str
    ascent: int
    descent: int
    cap_height: int
    bbox: tuple[int, int, int, int]
    widths: tuple[int, ...]
    glyphs: dict[str, int]
    coverage: tuple[tuple[int, int], ...]
    outlines: bytes  # the TrueType file, deflated
    outlines_length: int  # its length before deflation
    to_unicode: bytes  # the CMap, deflated

    def text_width(self, text: str) -> int:
        """Advance of ``text`` in 1/1000 em."""
        return sum(self.widths[self.glyph(c)] for c in text)

    def prints(self, character: str) -> bool:
        """Whether the faces of the pages (not only this cut) have ``character``."""
        index = bisect_right(self.coverage, (ord(character), sys.maxunicode)) - 1
        return index >= 0 and ord(character) <= self.coverage[index][1]

    def glyph(self, character: str) -> int:
        """Its glyph id; a character without one shows as an empty square, never as another letter."""
        return self.glyphs.get(character, self.glyphs["□"])


@cache
def signature_font() -> SignatureFont:
    """Read once a process."""
    facts = json.loads((FONTS / "signature.json").read_text(encoding="utf-8"))
    outlines = (FONTS / "signature.ttf").read_bytes()
    return SignatureFont(
        base_font=facts["base_font"],
        ascent=facts["ascent"],
        descent=facts["descent"],
        cap_height=facts["cap_height"],
        bbox=tuple(facts["bbox"]),
        widths=tuple(facts["widths"]),
        glyphs=facts["glyphs"],
        coverage=tuple((first, last) for first, last in facts["coverage"]),
        outlines=zlib.compress(outlines, 9),
        outlines_length=len(outlines),
        to_unicode=zlib.compress(_to_unicode_cmap(facts["glyphs"]), 9),
    )


def time_line(at: datetime) -> str:
    """When it was signed, as the page shows it: ``at`` (aware) in its own zone, "30/05/2026 08:05 +07:00".

    NĐ 30/2020 Phụ lục I wants date, time and zone (ISO 8601). What counts is the signature's own claim.
    """
    return f"{at:%d/%m/%Y %H:%M} {at.isoformat()[-6:]}"


def text_state(size: float) -> str:
    """The default appearance (/DA, ISO 32000-1, 12.7.3.3) that says the size of a signature's words."""
    return f"/{RESOURCE} {_n(size)} Tf 0 g"


def size_of(state: str) -> float | None:
    """The size that a /DA says; None when it says none, or 0: as large as fits."""
    found = _TEXT_STATE.search(state)
    return (float(found[1]) or None) if found else None


def draw(
    lines: Sequence[str], width: float, height: float, *, seal: bool = False, size: float | None = None
) -> bytes:
    """Content stream of an appearance ``width`` × ``height`` points: a frame and ``lines``, centred; a
    person's in blue, the school's ``seal`` in red.

    Lines that are too wide wrap between words. Without a ``size`` it is :func:`fitting_size`. The first line
    is at the top. The stream names the font /HBS. Raises as :func:`fitting_size`.
    """
    font = signature_font()
    ink = SEAL_INK if seal else PERSON_INK
    texts = _texts(lines)
    if size is None:
        size = fitting_size(texts, width, height)
    wrapped = _wrap_all(font, texts, width, size)
    baseline = (height + _height(font, wrapped, size)) / 2 - size * font.ascent / 1000
    parts = [f"q {ink} RG 0.5 w 0.25 0.25 {_n(width - 0.5)} {_n(height - 0.5)} re S Q"]
    if wrapped:
        parts.append(f"q BT {ink} rg /{RESOURCE} {_n(size)} Tf")
        for index, text in enumerate(wrapped):
            left = (width - font.text_width(text) * size / 1000) / 2
            parts.append(
                f"1 0 0 1 {_n(left)} {_n(baseline - index * size * LEADING)} Tm <{_hex(font, text)}> Tj"
            )
        parts.append("ET Q")
    return "\n".join(parts).encode("ascii")


def fitting_size(lines: Sequence[str], width: float, height: float) -> float:
    """The largest size (points, MAX_SIZE to MIN_SIZE) at which ``lines``, wrapped, fit a place.

    Raises TooMuchText.
    """
    font, texts = signature_font(), _texts(lines)
    size = MAX_SIZE
    while size >= MIN_SIZE:
        wrapped = _wrap_all(font, texts, width, size)
        widest = max((font.text_width(part) for part in wrapped), default=0)
        if (
            widest * size / 1000 <= width - 2 * PADDING
            and _height(font, wrapped, size) <= height - 2 * PADDING
        ):
            return size
        size -= STEP
    raise TooMuchText(" / ".join(lines))


def _texts(lines: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFC", line) for line in lines if line]


def _height(font: SignatureFont, wrapped: Sequence[str], size: float) -> float:
    """From the top of the first line to the bottom of the last, points."""
    return size * ((len(wrapped) - 1) * LEADING + (font.ascent - font.descent) / 1000)


def _wrap_all(font: SignatureFont, texts: Sequence[str], width: float, size: float) -> list[str]:
    inner_width = (width - 2 * PADDING) / size * 1000
    return [part for text in texts for part in _wrap(font, text, inner_width)]


def _wrap(font: SignatureFont, text: str, width: float) -> list[str]:
    """Greedy wrapping between words, ``width`` in 1/1000 em; a word wider than that stays whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _hex(font: SignatureFont, text: str) -> str:
    return "".join(f"{font.glyph(c):04X}" for c in text)


def _n(value: float) -> str:
    """A PDF number: two decimals are finer than any printer, no exponent."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _to_unicode_cmap(glyphs: Mapping[str, int]) -> bytes:
    """The ToUnicode CMap (ISO 32000-1, 9.10.3), needed for text extraction and by PDF/A-3 level A."""
    pairs = [
        f"<{gid:04X}> <{character.encode('utf-16-be').hex().upper()}>" for character, gid in glyphs.items()
    ]
    blocks = [pairs[i : i + 100] for i in range(0, len(pairs), 100)]  # at most 100 entries a block
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{body}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode("ascii")
