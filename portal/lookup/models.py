"""Wrong tries of the blind match, counted per record in the database, so that every node sees them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class MatchAttempt(Keyed, Base):
    """One wrong try. Holds nothing of what was typed."""

    __tablename__ = "match_attempts"
    __table_args__ = (Index("ix_match_attempts_record_id_at", "record_id", "at"),)

    record_id: Mapped[str] = mapped_column(String(17))
    at: Mapped[datetime]
