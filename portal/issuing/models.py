"""Write-ahead rows of issuing, and the rows through which people issue at pages.

What will be signed is written before anything is signed. Pages write what somebody asks for (an upload, an
order, an approval); a worker, which alone reaches the keys, reads it and does it.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
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
    signatures: Mapped[int] = mapped_column(default=0)  # how many the file in ``stage_sealed`` has
    # Of an upload: then each signature waits for its person's word, and the worker takes no other.
    upload_pk: Mapped[uuid.UUID | None] = mapped_column(index=True)  # key of class_uploads
    school_class: Mapped[str] = mapped_column(String(80), default="")
    fault: Mapped[str | None] = mapped_column(String(40))  # why the worker could not finish what is signed
    tried_at: Mapped[datetime | None]  # when it last tried to


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


class UploadKind(StrEnum):
    """What an upload asks for."""

    FIRST = "first"
    CORRECTION = "correction"


class UploadState(StrEnum):
    """sent → examined → confirmed → issuing → done; mended by sending another file, or withdrawn."""

    SENT = "sent"  # the worker has not examined it yet
    EXAMINED = "examined"  # its result waits for the person, who confirms it if nothing is wrong
    CONFIRMED = "confirmed"  # the worker will reserve its records
    ISSUING = "issuing"  # reserved: the records wait for their people
    DONE = "done"  # every record is registered
    REFUSED = "refused"  # the worker gave it up, see ``fault``
    WITHDRAWN = "withdrawn"


class ClassUpload(Keyed, Base):
    """A class file that a person of a school sent. Its content is sealed under a key of its own, and erased
    when its records are reserved, or 30 days after it was sent.
    """

    __tablename__ = "class_uploads"

    school_code: Mapped[str] = mapped_column(String(20), index=True)
    account_pk: Mapped[uuid.UUID]  # who sent it; accounts stand above this room
    kind: Mapped[UploadKind] = mapped_column(String(12))
    state: Mapped[UploadState] = mapped_column(String(12), index=True)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    name_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # of the file; a name may be a pupil's
    reason_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # of a correction; empty for a first issue
    content_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    result_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # JSON: Examined of portal.issuing.uploads
    marked_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # .xlsx with the mistakes
    choices: Mapped[str] = mapped_column(Text, default="{}")  # a plan file: who signs where several could
    rows: Mapped[int] = mapped_column(default=0)
    problems: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)  # examinations begun; a file that ends the worker ends here
    fault: Mapped[str | None] = mapped_column(String(40))
    sent_at: Mapped[datetime]
    examined_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class PlannedSignature(Keyed, Base):
    """A field of a version that came by an upload, and who is to sign it."""

    __tablename__ = "planned_signatures"
    __table_args__ = (UniqueConstraint("issuance_pk", "field"),)

    issuance_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("issuances.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String(80))
    # Teachers of subjects 0, homeroom teacher 1, principal 2, seal 3: whoever stands lower signs before.
    rank: Mapped[int]
    certificate_sha256: Mapped[str] = mapped_column(String(64), index=True)
    capacity: Mapped[str] = mapped_column(String(8), default="")
    signed_at: Mapped[datetime | None]


class Way(StrEnum):
    """Where the key is that an order is for."""

    RING = "ring"  # the portal's own key ring
    TOKEN = "token"  # noqa: S105 - the person's own device: digests out, signatures in


class SigningOrder(Keyed, Base):
    """A person's word that some fields be signed with their certificate. Without one nothing of an upload is
    signed.
    """

    __tablename__ = "signing_orders"

    account_pk: Mapped[uuid.UUID] = mapped_column(index=True)
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    certificate_sha256: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(20))  # of portal.permissions.Act
    way: Mapped[Way] = mapped_column(String(8))
    confirmed_by: Mapped[str] = mapped_column(String(8))  # how the person proved who they are
    ordered_at: Mapped[datetime]
    # Of a token: until then nobody else signs the files whose digests are out.
    held_until: Mapped[datetime | None]


class LineState(StrEnum):
    """asked → done; of a token asked → prepared → brought → done."""

    ASKED = "asked"
    PREPARED = "prepared"  # ``digest`` is out
    BROUGHT = "brought"  # ``value`` came back and is not yet looked at
    DONE = "done"
    REFUSED = "refused"  # see ``fault``
    LAPSED = "lapsed"  # nobody brought a value in time, or the person gave it up


class OrderLine(Keyed, Base):
    """One field of one version in an order."""

    __tablename__ = "order_lines"
    __table_args__ = (
        UniqueConstraint("order_pk", "issuance_pk", "field"),
        # The database itself keeps the rule that a field has one order at a time.
        Index(
            "uq_order_lines_standing",
            "issuance_pk",
            "field",
            unique=True,
            sqlite_where=text("state IN ('asked', 'prepared', 'brought')"),
            postgresql_where=text("state IN ('asked', 'prepared', 'brought')"),
        ),
    )

    order_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("signing_orders.id"))
    issuance_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("issuances.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String(80))
    state: Mapped[LineState] = mapped_column(String(8), index=True)
    digest: Mapped[str | None] = mapped_column(String(64))
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    fault: Mapped[str | None] = mapped_column(String(40))
    done_at: Mapped[datetime | None]


class LockDate(Keyed, Base):
    """From when on the records of a school year are closed in a department (domain rules: chốt dữ liệu)."""

    __tablename__ = "lock_dates"
    __table_args__ = (UniqueConstraint("department_code", "year", "supplementary"),)

    department_code: Mapped[str] = mapped_column(String(20))
    year: Mapped[str] = mapped_column(String(9))
    supplementary: Mapped[bool]  # of pupils who were assessed once more in summer
    day: Mapped[date]  # the last open one


class CorrectionState(StrEnum):
    """What the department said."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


class LateCorrection(Keyed, Base):
    """A school asks its department to correct a record after the lock date: for one version, once."""

    __tablename__ = "late_corrections"
    __table_args__ = (
        Index(
            "uq_late_corrections_standing",
            "record_id",
            "version",
            unique=True,
            sqlite_where=text("state IN ('waiting', 'approved')"),
            postgresql_where=text("state IN ('waiting', 'approved')"),
        ),
    )

    school_code: Mapped[str] = mapped_column(String(20), index=True)
    department_code: Mapped[str] = mapped_column(String(20), index=True)
    record_id: Mapped[str] = mapped_column(String(17), index=True)
    version: Mapped[int]  # that may be issued
    reason: Mapped[str] = mapped_column(String(40))
    state: Mapped[CorrectionState] = mapped_column(String(8))
    asked_by: Mapped[uuid.UUID]
    asked_at: Mapped[datetime]
    decided_by: Mapped[uuid.UUID | None]
    decided_at: Mapped[datetime | None]
    refusal: Mapped[str | None] = mapped_column(String(40))
