"""Tables of the registry. Nothing issued is ever edited: a correction adds a version, a recall adds a state.

Columns named ``*_sealed`` hold AEAD ciphertext under the record's own key (see ``portal.vault``).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import Base, Keyed


class Record(Keyed, Base):
    """One pupil × one school year × one school, under one assessment scheme."""

    __tablename__ = "records"
    __table_args__ = (UniqueConstraint("school_code", "pupil_index", "year"),)

    record_id: Mapped[str] = mapped_column(String(17), unique=True)  # mã tra cứu, 16 + check character
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)  # blind index of the school's pupil code
    # Blind index of personal number and birth date (portal.registry.learners); none without a number.
    learner_index: Mapped[str | None] = mapped_column(String(64), index=True)
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
    __table_args__ = (
        UniqueConstraint("record_pk", "version"),
        # The database itself keeps the rule that a record has at most one current version.
        Index(
            "uq_record_versions_one_current",
            "record_pk",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
    )

    record_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"))
    version: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    header: Mapped[str] = mapped_column(Text)
    disclosures_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # JSON list of disclosure strings
    public_sealed: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # JSON: masked name, birth date (for the public answers)
    school_name: Mapped[str] = mapped_column(String(200))  # as it was called on the day of issue
    roles: Mapped[str] = mapped_column(String(60))  # space-separated roles that signed
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
    __table_args__ = (Index("ix_registered_files_standing_fresh_until", "standing", "fresh_until"),)

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
    standing: Mapped[str] = mapped_column(String(12))  # passed | failed | incomplete | destroyed
    standing_epoch: Mapped[int]  # trust epoch the standing was decided or withdrawn under
    policy: Mapped[str] = mapped_column(String(40))  # name of the validation policy it was decided under
    standing_at: Mapped[datetime]
    fresh_until: Mapped[datetime]  # until when the standing may be answered: earliest nextUpdate of its CRLs

    version: Mapped[RecordVersion] = relationship(back_populates="files")


class FileCertificate(Base):
    """A registered file rests on this signing certificate: a change in trust finds its files here."""

    __tablename__ = "file_certificates"

    certificate_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    file_pk: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("registered_files.id"), primary_key=True, index=True
    )
