"""Programs that had no part in making a file and say what they think of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def pdfsig(path: Path) -> list[tuple[str, bool, bool]]:
    """Poppler's word on each signature: (field, signature valid, total document signed)."""
    done = _run("pdfsig", "-nocert", str(path))
    assert done.stdout, done.stderr
    return [
        (
            _one(part, r"Signature Field Name: (.*)"),
            "Signature is Valid." in part,
            "- Total document signed" in part,
        )
        for part in re.split(r"^Signature #\d+:$", done.stdout, flags=re.MULTILINE)[1:]
    ]


def assert_sealed(path: Path, fields: tuple[str, ...]) -> None:
    """Every field validly signed, the last over the whole file, and a structure without fault for qpdf."""
    found = pdfsig(path)
    assert [field for field, _, _ in found] == list(fields)
    assert all(valid for _, valid, _ in found)
    assert [total for _, _, total in found] == [False] * (len(fields) - 1) + [True]
    checked = _run("qpdf", "--check", str(path))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def _one(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match.group(1).strip()
