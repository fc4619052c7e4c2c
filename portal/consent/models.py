"""Tables of consent. What was asked, said and shown is added, never edited: the database refuses it
(migration 0016).

Columns named ``*_sealed`` hold AEAD ciphertext under the row's own key, or for an event under its consent's.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.consent.ages import Party
from portal.consent.fields import Preset
from portal.consent.purposes import Duty, Purpose
from portal.database import Base, Keyed


class Evidence(StrEnum):
    """How a yes or no was said."""

    SIGN_IN = "sign_in"
    SAME_DEVICE = "same_device"  # the pupil's own page on the guardian's device
    WITNESS = "witness"  # at school, before a person of the school
    PAPER = "paper"  # signed on paper, kept at school under a reference


class EventKind(StrEnum):
    """What happened to a consent."""

    ASKED = "asked"
    GIVEN = "given"  # one yes
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    OPENED = "opened"  # content was shown
    USED_UP = "used_up"
    SUSPENDED = "suspended"
    RESUMED = "resumed"


class Consent(Keyed, Base):
    """What is asked for. ``recipient_pk`` is None for whoever bears the share code."""

    __tablename__ = "consents"

    pupil_index: Mapped[str] = mapped_column(String(64), index=True)
    school_code: Mapped[str] = mapped_column(String(20), index=True)  # of the pupil's records
    purpose: Mapped[Purpose] = mapped_column(String(16))
    recipient_pk: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    asked_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    preset: Mapped[Preset] = mapped_column(String(8))
    fields: Mapped[str] = mapped_column(Text)  # JSON list of the exact disclosure names
    pdf: Mapped[bool]
    days: Mapped[int]  # how long it lasts from the last yes
    once: Mapped[bool]
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    reference_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # the asker's number of the case
    asked_at: Mapped[datetime]
    answer_until: Mapped[datetime]


class ConsentRecord(Base):
    """A record that a consent is about: the year, in whatever version speaks for it when it is shown.

    ``version`` is the one that did when the consent was asked for.
    """

    __tablename__ = "consent_records"

    consent_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("consents.id"), primary_key=True)
    record_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), primary_key=True, index=True)
    version: Mapped[int]


class ConsentEvent(Keyed, Base):
    """One thing that happened. The state of a consent is the fold of its events and the time."""

    __tablename__ = "consent_events"
    __table_args__ = (
        UniqueConstraint("consent_pk", "number"),
        # However two requests meet, a consent is used up once.
        Index(
            "uq_consent_events_used_up",
            "consent_pk",
            unique=True,
            sqlite_where=text("kind = 'used_up'"),
            postgresql_where=text("kind = 'used_up'"),
        ),
        # Two parties never speak in one request.
        Index(
            "uq_consent_events_request",
            "consent_pk",
            "request",
            unique=True,
            sqlite_where=text("request IS NOT NULL"),
            postgresql_where=text("request IS NOT NULL"),
        ),
    )

    consent_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("consents.id"))
    number: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[EventKind] = mapped_column(String(12))
    party: Mapped[Party | None] = mapped_column(String(8))
    evidence: Mapped[Evidence | None] = mapped_column(String(12))
    account_pk: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id"))  # who sent it
    request: Mapped[str | None] = mapped_column(String(64))  # id of the request with this answer
    browser: Mapped[str | None] = mapped_column(String(64))  # HMAC: where a bearer opened it
    until: Mapped[datetime | None]  # with the last yes that was needed: how long it lasts
    reason: Mapped[str | None] = mapped_column(String(40))
    language: Mapped[str | None] = mapped_column(String(2))
    text_version: Mapped[int | None]
    text_sha256: Mapped[str | None] = mapped_column(String(64))
    text_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # exactly what was shown
    note_sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # reference of the paper; who opened a code


class ShareCode(Keyed, Base):
    """The code of a consent that no organisation is named in. Kept as an HMAC under a key outside the
    database (SEC-20); ``wrong_tries`` are wrong birth dates. A row that nobody has tried may be replaced.
    """

    __tablename__ = "share_codes"

    consent_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("consents.id"), unique=True)
    code_index: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    made_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    wrong_tries: Mapped[int] = mapped_column(default=0)
    locked_at: Mapped[datetime | None]


class PurposeApproval(Keyed, Base):
    """A department stands by a purpose outside education (NĐ 88/2026 Đ.12.2), for its schools, from a day to
    a day. Revoked, never deleted.
    """

    __tablename__ = "purpose_approvals"
    __table_args__ = (
        Index(
            "uq_purpose_approvals_standing",
            "department_code",
            "purpose",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    department_code: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[Purpose] = mapped_column(String(16))
    reference: Mapped[str] = mapped_column(String(80))  # number of the decision
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    given_at: Mapped[datetime]
    given_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id"))


class StatutoryAccess(Keyed, Base):
    """One look by a duty of law; the next one needs a row of its own."""

    __tablename__ = "statutory_accesses"

    organisation_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"))
    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    duty: Mapped[Duty] = mapped_column(String(20))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    reference_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # of the case
    record_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"))
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)
    version: Mapped[int]
    fields: Mapped[str] = mapped_column(Text)  # JSON list of the disclosure names that were shown
    at: Mapped[datetime]


class RequestKind(StrEnum):
    """What a data subject may ask the school for (Luật 91/2025 Đ.4, NĐ 356/2025 Đ.5)."""

    SEE = "see"
    CORRECT = "correct"
    COPY = "copy"
    WITHDRAW = "withdraw"
    OBJECT = "object"
    DELETE = "delete"
    COMPLAIN = "complain"


class Matter(StrEnum):
    """What a request is about."""

    RECORD = "record"
    ACCOUNT = "account"  # contacts among it
    CONSENTS = "consents"


class SubjectRequest(Keyed, Base):
    """A request with its deadlines. Its texts are sealed under its own key."""

    __tablename__ = "subject_requests"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[RequestKind] = mapped_column(String(12))
    matter: Mapped[Matter] = mapped_column(String(12))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    text_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
    acknowledge_by: Mapped[date]
    answer_by: Mapped[date]
    acknowledged_at: Mapped[datetime | None]
    extended_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("accounts.id"))
    granted: Mapped[bool | None]
    reason: Mapped[str | None] = mapped_column(String(40))  # of a refusal
    answer_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
