"""Write-ahead rows of issuing: what will be signed is written before anything is signed."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class Issuance(Keyed, Base):
    """One version of one record on its way: reserved → rendered → signing → sealed → registered (or void).

    Idempotency key = (school, pupil, year, version); the same key with the same content resumes, with another
    content is refused.
    """

    __tablename__ = "issuances"
    __table_args__ = (UniqueConstraint("school_code", "pupil_index", "year", "version"),)

    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64))
    year: Mapped[str] = mapped_column(String(9))
    version: Mapped[int]
    record_id: Mapped[str] = mapped_column(String(17), index=True)
    content_index: Mapped[str] = mapped_column(
        String(64)
    )  # keyed hash of the canonical input, to tell same from other
    stage: Mapped[str] = mapped_column(
        String(12)
    )  # reserved | rendered | signing | sealed | registered | void
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)  # becomes the record's key for version 1
    intent_sealed: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # JSON: header, disclosures, signing plan, times
    issued_on: Mapped[date]
    stage_file: Mapped[str | None] = mapped_column(String(80))  # ciphertext name of the newest stored stage
    sealed_sha256: Mapped[str | None] = mapped_column(String(64))
    sealed_name: Mapped[str | None] = mapped_column(String(80))  # written before the object is stored
    next_field: Mapped[str | None] = mapped_column(String(80))  # two-step external signing waits here
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    batch: Mapped[uuid.UUID]
