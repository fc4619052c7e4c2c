"""Table of kept results. Nothing in a row names a person or holds anything of a file's content."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class CheckResult(Keyed, Base):
    """What one check answered. Its number stands nowhere: whoever has the table cannot open a page."""

    __tablename__ = "check_results"

    form: Mapped[int] = mapped_column(server_default="1")  # how to read the row (portal.results.form)
    number_index: Mapped[str] = mapped_column(String(64), unique=True)  # keyed hash of the number
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(40))
    evidence: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[str] = mapped_column(Text)  # JSON list of codes
    found: Mapped[str] = mapped_column(Text)  # JSON: outcomes of the checks and of the signatures
    strange: Mapped[bool]  # a picture showed a code beside it that opens something else
    record_id: Mapped[str | None] = mapped_column(String(17), index=True)  # the row goes with the record
    version: Mapped[int | None]
    state: Mapped[str | None] = mapped_column(Text)  # JSON: what the registry said of the version then
    # The registered file that was checked: what stands today is asked of that very one. No foreign key: a
    # result must not hold back what happens to the registry.
    file_pk: Mapped[uuid.UUID | None]
    # Keyed hash over all of the above: a row that was damaged or altered shows nothing. None in form 1.
    seal: Mapped[str | None] = mapped_column(String(64))
