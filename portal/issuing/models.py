"""Write-ahead rows of issuing: what will be signed is written before anything is signed."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class Stage(StrEnum):
    """How far a version is. What lies between is redone after a crash: nothing of it has left the process."""

    RESERVED = "reserved"  # everything that decides the file is fixed
    WAITING = "waiting"  # a signature is made elsewhere; the file so far is in ``stage_sealed``
    SEALED = "sealed"  # the finished file has a name; it may or may not be stored yet
    REGISTERED = "registered"


class Issuance(Keyed, Base):
    """One version of one record on its way: reserved (→ waiting)* → sealed → registered.

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
    # Keyed hash of the canonical input, to tell the same content from another.
    content_index: Mapped[str] = mapped_column(String(64))
    stage: Mapped[Stage] = mapped_column(String(12))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)  # becomes the record's key with version 1
    # JSON: input, header, disclosures, signing plan, words printed, times.
    intent_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    issued_on: Mapped[date]
    # JSON: the file as it waits for the signature of ``next_field``, or after it.
    stage_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    next_field: Mapped[str | None] = mapped_column(String(80))
    sealed_sha256: Mapped[str | None] = mapped_column(String(64))
    sealed_name: Mapped[str | None] = mapped_column(String(80))  # written before the object is stored
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    batch: Mapped[uuid.UUID]  # the run that reserved it


class Renewal(Keyed, Base):
    """A registered file on its way to its renewed form. The name of the new file is written before the object
    is stored, as in issuing; a renewed file may itself be renewed again.
    """

    __tablename__ = "renewals"

    source_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    sealed_sha256: Mapped[str] = mapped_column(String(64))
    sealed_name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    registered_at: Mapped[datetime | None]
