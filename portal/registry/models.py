"""Tables of the registry. Nothing issued is ever edited: a correction adds a version, a recall adds a state.

Columns named ``*_sealed`` hold AEAD ciphertext under the record's own key (see ``portal.vault``).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, Keyed


class Record(Keyed, Base):
    """One pupil × one school year × one school, under one assessment scheme."""

    __tablename__ = "records"
    __table_args__ = (UniqueConstraint("school_code", "pupil_index", "year"),)

    record_id: Mapped[str] = mapped_column(String(17), unique=True)  # mã tra cứu, 16 + check character
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)  # blind index of the school's pupil code
    level: Mapped[str] = mapped_column(String(16))
    scheme: Mapped[str] = mapped_column(String(16))
    grade: Mapped[int]
    year: Mapped[str] = mapped_column(String(9))  # "2025-2026"
    original_mode: Mapped[str] = mapped_column(String(8), default="PDF")
    wrapped_key: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # the record's data key under the key-encryption key
    created_at: Mapped[datetime]

    versions: Mapped[list[RecordVersion]] = relationship(
        back_populates="record", order_by="RecordVersion.version"
    )


class RecordVersion(Keyed, Base):
    """One issued version. ``header`` is the exact JCS text whose SHA-256 is ``digest``."""

    __tablename__ = "record_versions"
    __table_args__ = (UniqueConstraint("record_pk", "version"),)

    record_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), index=True)
    version: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    header: Mapped[str] = mapped_column(Text)
    disclosures_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # JSON list of disclosure strings
    public_sealed: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # JSON: masked name, birth date (for the public answers)
    issued_on: Mapped[date]
    registered_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12))  # current | superseded | recalled
    superseded_at: Mapped[datetime | None]
    recalled_at: Mapped[datetime | None]
    recall_reason: Mapped[str | None] = mapped_column(String(40))

    record: Mapped[Record] = relationship(back_populates="versions")
    files: Mapped[list[RegisteredFile]] = relationship(back_populates="version")


class RegisteredFile(Keyed, Base):
    """Bytes that answer for a version: as issued, renewed for the archive, or an extract."""

    __tablename__ = "registered_files"

    version_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("record_versions.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12), default="issued")  # issued | renewed | extract
    sha256: Mapped[str] = mapped_column(String(64), unique=True)  # of the plaintext
    size: Mapped[int]
    stored_name: Mapped[str] = mapped_column(String(80), unique=True)  # SHA-256 of the ciphertext
    registered_at: Mapped[datetime]
    report: Mapped[str] = mapped_column(Text)  # ValidationReport JSON of the last validation
    structure: Mapped[str] = mapped_column(
        Text
    )  # facts of these bytes that never change (verifier.pades.Structure JSON)
    standing: Mapped[str] = mapped_column(String(12))  # passed | failed | incomplete
    standing_epoch: Mapped[int]  # trust epoch the standing was decided under
    standing_at: Mapped[datetime]
    fresh_until: Mapped[datetime]  # earliest nextUpdate among the CRLs it rests on

    version: Mapped[RecordVersion] = relationship(back_populates="files")
