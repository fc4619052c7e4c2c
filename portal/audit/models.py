"""Tables of the trail. The database itself refuses to change or delete an entry (migration 0007)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base


class AuditEntry(Base):
    """One act, asked for or done: the members of :mod:`verifier.audit`, a column each."""

    __tablename__ = "audit_entries"
    # What one person did lately: how much of it alone, and what they were refused before.
    __table_args__ = (Index("ix_audit_entries_actor", "actor", "action", "at"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(8))
    object: Mapped[str | None] = mapped_column(String(80), index=True)
    organisation: Mapped[str | None] = mapped_column(String(20), index=True)
    pupil: Mapped[str | None] = mapped_column(String(64), index=True)  # the blind index that records have
    purpose: Mapped[str | None] = mapped_column(String(40))
    basis: Mapped[str | None] = mapped_column(String(40))
    details: Mapped[str] = mapped_column(Text)  # JSON in the form of RFC 8785
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """One row: where the chain ends. Whoever appends holds its lock, so there is one chain."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)  # 0: no entry yet
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
