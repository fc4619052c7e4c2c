"""Build-time tool: cuts the one font that every signature appearance uses out of Tinos Regular.

Run by hand when Tinos is renewed (``python portal/issuing/fonts/build_signature_font.py``; needs fontTools,
which the running portal does not). It writes two files beside itself, both committed:

- ``signature.ttf``: TrueType outlines only, no hints, no layout tables; glyph ids are what Identity-H text
  names.
- ``signature.json``: glyph id by character, advance widths in 1/1000 em, the descriptor's figures, and the
  code points that all three faces of Tinos can print (the renderer names a character outside of them before
  Typst meets it).
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

HERE = Path(__file__).parent
FACES = ("Tinos-Regular.ttf", "Tinos-Bold.ttf", "Tinos-Italic.ttf")
VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
MINORITY = "ƀčĕĭŏŭñ"  # Ê Đê, Gia Rai, Ba Na, Chăm names
MARKS = "–—‘’“”…·•°²×ªº«»□"


def characters() -> set[str]:
    """Printable ASCII, every Vietnamese letter in every tone, letters of minority names, and a few signs."""
    letters = {unicodedata.normalize("NFC", v + tone) for v in VOWELS for tone in TONES} | set("đ" + MINORITY)
    ascii_printable = {chr(code) for code in range(0x20, 0x7F)}
    latin_1_letters = {chr(code) for code in range(0xC0, 0x100)}
    return ascii_printable | latin_1_letters | letters | {x.upper() for x in letters} | set(MARKS)


def main() -> None:
    fonts = [TTFont(HERE / face) for face in FACES]
    coverage = sorted(set.intersection(*(set(font.getBestCmap()) for font in fonts)))
    font = fonts[0]
    missing = [c for c in sorted(characters()) if len(c) != 1 or ord(c) not in font.getBestCmap()]
    if missing:
        raise SystemExit(f"Tinos has no glyph for {missing}")

    # 1. Cut; glyph ids are renumbered from 0 (.notdef, kept with its outline so that a gap is seen).
    options = subset.Options()
    options.hinting = False
    options.layout_features = []
    options.notdef_outline = True
    options.glyph_names = False
    options.drop_tables += ["GDEF", "GPOS", "GSUB", "DSIG", "gasp", "meta", "STAT", "prep", "fpgm", "cvt "]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters()])
    subsetter.subset(font)
    cmap = font.getBestCmap()
    glyphs = {chr(code): font.getGlyphID(name) for code, name in sorted(cmap.items())}

    # 2. What PDF needs for a CIDFontType2 beyond the outlines (ISO 32000-1, 9.7.4 and 9.8), in 1/1000 em.
    scale = 1000 / font["head"].unitsPerEm
    widths = [round(font["hmtx"][name][0] * scale) for name in font.getGlyphOrder()]
    head, os2 = font["head"], font["OS/2"]
    facts = {
        "base_font": "HBSVNA+Tinos-Regular",
        "ascent": round(font["hhea"].ascent * scale),
        "descent": round(font["hhea"].descent * scale),
        "cap_height": round(os2.sCapHeight * scale),
        "bbox": [round(x * scale) for x in (head.xMin, head.yMin, head.xMax, head.yMax)],
        "widths": widths,
        "glyphs": glyphs,
        "coverage": _ranges(coverage),
    }

    # 3. Only the tables that a PDF viewer reads (ISO 32000-1, 9.9.1); fixed timestamps keep the bytes
    # reproducible.
    for table in list(font.keys()):
        if table not in {"head", "hhea", "hmtx", "maxp", "loca", "glyf", "GlyphOrder"}:
            del font[table]
    font.recalcTimestamp = False
    font.save(HERE / "signature.ttf")
    (HERE / "signature.json").write_text(
        json.dumps(facts, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def _ranges(codes: list[int]) -> list[list[int]]:
    """[[first, last], …] of sorted code points."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


if __name__ == "__main__":
    main()
