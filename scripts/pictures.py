"""Makes the pictures of README out of what ``tests/browser/test_every_page.py`` saw last.

.venv/bin/python scripts/pictures.py, after the test: ``build/screenshots`` to ``docs/pictures``.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SEEN, SHOWN = ROOT / "build/screenshots", ROOT / "docs/pictures"
MOST = 60_000  # bytes of one picture
#: Name in docs/pictures: what was seen, and how much of it from the top, as a share of its width.
CHOSEN = {
    "home-phone": ("home-vi-360", 2.0),
    "file-phone": ("answer-to-a-form-vi-360", 2.0),
    "code-phone": ("code-GENUINE_CURRENT-vi-360", 2.0),
    "file-desk-english": ("answer-to-a-form-en-1280", 0.75),
    "differs-desk-dark": ("file-CONTENT_DIFFERS-vi-1280-dark", 0.75),
    "pile-desk": ("pile-answers-vi-1280", 0.75),
}


def main() -> None:
    """Raises FileNotFoundError where the test has not run, ValueError for a picture that is too large."""
    SHOWN.mkdir(exist_ok=True)
    for name, (seen, share) in CHOSEN.items():
        with Image.open(SEEN / f"{seen}.png") as whole:
            height = min(whole.height, round(whole.width * share))
            part = whole.convert("RGB").crop((0, 0, whole.width, height))
        out = SHOWN / f"{name}.webp"
        part.thumbnail((900, 900))
        part.save(out, "WEBP", quality=82, method=6)
        if out.stat().st_size > MOST:
            raise ValueError(f"{out.name}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
