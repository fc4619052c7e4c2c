"""What became of alarms."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base


class AlarmAnswer(Base):
    """What somebody of the department found out about an alarm; its number is that of the trail's entry."""

    __tablename__ = "alarm_answers"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    finding: Mapped[str] = mapped_column(String(20))
    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    at: Mapped[datetime]
