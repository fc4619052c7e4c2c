"""The table of messages. Whom and what a message tells stands sealed under a key of its own; without that key
a row still says that somebody was told, of which kind, and when.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class Message(Keyed, Base):
    """One message to one person. ``id`` is its Message-ID and Idempotency-Key too."""

    __tablename__ = "messages"

    channel: Mapped[str] = mapped_column(String(8))  # email | phone
    kind: Mapped[str] = mapped_column(String(40))
    language: Mapped[str] = mapped_column(String(2))
    about: Mapped[str | None] = mapped_column(String(80), index=True)  # an opaque id, whoever's it is
    created_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]  # a one-time code's end
    state: Mapped[str] = mapped_column(String(8))  # waiting | sent | failed
    attempts: Mapped[int]
    due_at: Mapped[datetime | None] = mapped_column(index=True)  # none once it is sent or given up
    claim: Mapped[uuid.UUID | None] = mapped_column(Uuid)  # of whoever is sending it
    fault: Mapped[str | None] = mapped_column(String(40))  # why the last attempt failed
    ended_at: Mapped[datetime | None]  # when it was sent or given up
    erase_at: Mapped[datetime | None] = mapped_column(index=True)  # none before it ended and once erased
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    recipient_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    parameters_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # JSON object of texts
