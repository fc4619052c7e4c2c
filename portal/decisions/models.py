"""Decisions that take two persons. Nothing of a pupil stands here: codes, ids and a file reference."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class Kind(StrEnum):
    """What is decided."""

    DESTROY_RECORD_KEY = "destroy_record_key"  # a record's content is made unreadable for good
    RECALL_RECORDS = "recall_records"  # many at once
    EXPORT_RECORDS = "export_records"  # the signed files of many children leave the portal
    SUSPEND_SIGNERS = "suspend_signers"  # from a moment in the past on: what they signed since is doubted
    LINK_SIGNERS = "link_signers"  # who may order signatures with a key


class State(StrEnum):
    """How far a decision is. Only a confirmed one is acted on, once."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    EXPIRED = "expired"
    APPLIED = "applied"


class Decision(Keyed, Base):
    """One decision about one object: proposed (→ confirmed (→ applied | expired) | refused | expired)."""

    __tablename__ = "decisions"
    __table_args__ = (
        # The database itself keeps the rule that one decision about an object is open at a time.
        Index(
            "uq_decisions_one_open",
            "kind",
            "object_kind",
            "object_id",
            unique=True,
            sqlite_where=text("state IN ('proposed', 'confirmed')"),
            postgresql_where=text("state IN ('proposed', 'confirmed')"),
        ),
    )

    kind: Mapped[str] = mapped_column(String(40))
    object_kind: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[uuid.UUID]
    content: Mapped[str] = mapped_column(Text, default="{}")  # what exactly, where the object does not say it
    organisation: Mapped[str | None] = mapped_column(String(20), index=True)  # school or department concerned
    reason: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str] = mapped_column(String(40))  # number of the paper file that holds the grounds
    state: Mapped[str] = mapped_column(String(12), index=True)
    proposed_by: Mapped[str] = mapped_column(String(80))
    proposed_at: Mapped[datetime]
    answered_by: Mapped[str | None] = mapped_column(String(80))
    answered_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
