"""The one front door: bytes in, report out, whatever the bytes are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from verifier.pades import Structure


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows about exactly these bytes.

    ``registered_at`` proves that the file existed then. ``structure`` (facts of the bytes that never change)
    opens the fast path; None, as in an offline bundle, means the full one.
    """

    registered_at: datetime
    structure: Structure | None = None
