"""The trail as tests read it: what an export of it says."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.orm import Session

from portal.audit import service as audit


def entries(session: Session, action: str = "") -> list[dict[str, Any]]:
    """Every entry, in order; with ``action`` those of that action alone."""
    told = [json.loads(line) for line in audit.lines(session)]
    return [entry for entry in told if action in ("", entry["action"])]


def changes_told(session: Session) -> list[str]:
    """Which changes in trust were told, in order."""
    return [entry["details"]["change"] for entry in entries(session, "trust_change")]
