"""The real clock. Everything else is handed a time or a :class:`portal.ports.Clock`."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Tells the computer's time, aware, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)
