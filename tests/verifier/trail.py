"""Invented trails for the checker, and the ways to falsify one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from verifier.audit import BEGINNING, Checkpoint, line_of, seal

AT = datetime(2026, 10, 5, 2, 30, tzinfo=UTC)
ORIGIN = "hocba.example.vn/audit"


def members(number: int, previous: bytes, **changes: Any) -> dict[str, Any]:
    """An entry without its digest."""
    return {
        "number": number,
        "at": "2026-10-05T02:30:00.000000Z",
        "actor": "command:an.nguyen",
        "action": "issue",
        "outcome": "done",
        "object": f"record:{number:08x}-0000-4000-8000-000000000000",
        "organisation": "001234",
        "pupil": f"{number:064x}",
        "purpose": None,
        "basis": None,
        "details": {"version": 1, "file": sha256(b"%d" % number).hexdigest()},
        "previous": previous.hex(),
    } | changes


def trail(count: int, *, first: int = 1, previous: bytes = BEGINNING, **changes: Any) -> list[bytes]:
    """``count`` chained entries, as lines; ``changes`` in each."""
    lines = []
    for number in range(first, first + count):
        entry = seal(members(number, previous, **changes))
        previous = bytes.fromhex(entry["digest"])
        lines.append(line_of(entry))
    return lines


def digest(line: bytes) -> bytes:
    return bytes.fromhex(json.loads(line)["digest"])


def checkpoint(lines: Sequence[bytes], number: int | None = None, origin: str = ORIGIN) -> Checkpoint:
    """On an entry of a trail that begins at 1, by default the last."""
    number = number or len(lines)
    return Checkpoint(origin, number, digest(lines[number - 1]), AT)


def edited(line: bytes, *, resealed: bool = False, **changes: Any) -> bytes:
    """The entry with other members; ``resealed``: with the digest that these have."""
    entry = json.loads(line) | changes
    if resealed:
        entry = seal({name: value for name, value in entry.items() if name not in ("v", "digest")})
    return line_of(entry)
