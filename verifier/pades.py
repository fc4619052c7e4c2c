"""Validates the signatures of a PDF. The only module that imports pyHanko for validation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from verifier.report import jsonable


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """What never changes about one signature of a file that never changes.

    ``byte_range`` is [0, a, b, c]: bytes [0, a) and [b, b + c) are signed, [a, b) holds ``<hex>``.
    ``coverage`` and ``integrity`` are reason codes found by the full validation, empty when nothing was
    wrong.
    """

    field: str
    byte_range: tuple[int, int, int, int] | None
    subfilter: str
    claimed_time: datetime | None
    coverage: str
    integrity: str


@dataclass(frozen=True, slots=True)
class Structure:
    """Facts of the bytes with this SHA-256, found once by the full validation and kept with a registered
    file.
    """

    sha256: str
    size: int
    pages: int
    signatures: tuple[SignatureFacts, ...]
    unsigned_fields: tuple[str, ...]
    attached_record_id: str | None
    school_code: str | None
    missing_roles: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; times in ISO 8601 with offset."""
        return jsonable(asdict(self))  # type: ignore[no-any-return]
