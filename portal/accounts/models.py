"""Tables of people and organisations.

A person of an organisation and a holder are accounts of two kinds, also where they are the same human being:
what a clerk may see and what a mother may see never meet in one session. Columns named ``*_sealed`` hold AEAD
ciphertext under the account's own key; ``*_index`` are blind indexes, which find a value without storing it.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed
from portal.permissions import OrganisationKind, Role
from portal.ports import Channel


class AccountKind(StrEnum):
    """The two kinds; also the kinds of actors in the audit trail."""

    STAFF = "account"
    HOLDER = "holder"


class AccountState(StrEnum):
    """``invited``: made by an administrator, and nobody signed in yet."""

    INVITED = "invited"
    ACTIVE = "active"
    CLOSED = "closed"


class Organisation(Keyed, Base):
    """A school, an agency or a department that has accounts. A school's or department's code is the one that
    trust knows it by.
    """

    __tablename__ = "organisations"

    kind: Mapped[OrganisationKind] = mapped_column(String(12))
    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    department_code: Mapped[str] = mapped_column(String(20), index=True)  # a department: its own
    email: Mapped[str] = mapped_column(String(254), default="")  # of the office, where alarms go
    approved_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Account(Keyed, Base):
    """One person, as staff or as holder."""

    __tablename__ = "accounts"

    kind: Mapped[AccountKind] = mapped_column(String(8))
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    name_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[AccountState] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(2), default="vi")
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Membership(Keyed, Base):
    """A role in an organisation, from a day to a day. Ended, never deleted."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index(
            "uq_memberships_standing",
            "account_pk",
            "organisation_pk",
            "role",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"))
    organisation_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    role: Mapped[Role] = mapped_column(String(20))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    given_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]  # None: offered to somebody who has an account from elsewhere
    ended_at: Mapped[datetime | None]


class Contact(Keyed, Base):
    """An address under which one account signs in and is told of things. One that is replaced ends."""

    __tablename__ = "contacts"
    __table_args__ = (
        Index(
            "uq_contacts_standing",
            "account_kind",
            "value_index",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    account_kind: Mapped[AccountKind] = mapped_column(String(8))  # a teacher may be a mother, too
    kind: Mapped[Channel] = mapped_column(String(8))
    value_index: Mapped[str] = mapped_column(String(64), index=True)
    value_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # the last time somebody proved to hold it
    reminded_at: Mapped[datetime | None]  # the last time its holder was asked to confirm it
    ended_at: Mapped[datetime | None]


class Password(Base):
    """An Argon2id hash (RFC 9106) in PHC form."""

    __tablename__ = "passwords"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(200))
    changed_at: Mapped[datetime]


class AuthenticatorApp(Base):
    """A TOTP secret (RFC 6238). ``last_step`` is the newest time step accepted; none counts twice."""

    __tablename__ = "authenticator_apps"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int]


class Passkey(Keyed, Base):
    """A WebAuthn credential (Level 3). Removed ones stay, for the trail names them."""

    __tablename__ = "passkeys"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)  # COSE
    sign_count: Mapped[int]
    label: Mapped[str] = mapped_column(String(60))
    added_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class Federation(Keyed, Base):
    """An identity at an OpenID provider that signs in to an account."""

    __tablename__ = "federations"
    __table_args__ = (UniqueConstraint("account_kind", "issuer", "subject_index"),)

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    account_kind: Mapped[AccountKind] = mapped_column(String(8))
    issuer: Mapped[str] = mapped_column(String(200))
    subject_index: Mapped[str] = mapped_column(String(64))
    added_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class FederationAttempt(Base):
    """Somebody is at the OpenID provider: for one answer, in the same browser, within minutes. The row is
    deleted by whoever takes it up.
    """

    __tablename__ = "federation_attempts"

    state_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(String(64))
    account_kind: Mapped[AccountKind] = mapped_column(String(8))
    linking: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of the session that links its account
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))  # PKCE (RFC 7636); worth nothing without the code
    wanted: Mapped[str] = mapped_column(String(300))  # path on the portal to go on to
    language: Mapped[str] = mapped_column(String(2))
    began_at: Mapped[datetime] = mapped_column(index=True)


class CodePurpose(StrEnum):
    """What a one-time code is for."""

    SIGN_IN = "sign_in"
    INVITATION = "invitation"  # staff: the first sign-in, to set a passkey or a password
    CONTACT = "contact"  # to prove that a new or old contact is held
    RECOVERY = "recovery"  # given by an administrator to somebody who lost everything


class OneTimeCode(Keyed, Base):
    """A code that was sent to somebody. Kept as an HMAC under a key outside the database."""

    __tablename__ = "one_time_codes"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    purpose: Mapped[CodePurpose] = mapped_column(String(12))
    code_index: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    wrong_tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class SignInFailure(Keyed, Base):
    """One wrong try of a sign-in name, known or not: ``name_index`` is the blind index of what was typed."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index("ix_sign_in_failures_name_index_at", "name_index", "at"),)

    name_index: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class Method(StrEnum):
    """How a session's person proved who they are."""

    PASSKEY = "passkey"
    PASSWORD = "password"  # noqa: S105 - with an authenticator app; a password alone opens nothing
    CODE = "code"  # a one-time code
    OIDC = "oidc"


class WebSession(Base):
    """A signed-in browser. The cookie holds 256 random bits, this row their SHA-256 (SEC-22)."""

    __tablename__ = "web_sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    membership_pk: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("memberships.id"))  # acting as; staff
    method: Mapped[Method] = mapped_column(String(8))
    made_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # The open WebAuthn challenge, for one answer: of a new passkey or of an act that is being confirmed.
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary(64))
    challenge_for: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of what it confirms
    challenge_until: Mapped[datetime | None]


class Relation(StrEnum):
    """What a holder is to a pupil."""

    MOTHER = "mother"
    FATHER = "father"
    GUARDIAN = "guardian"  # người giám hộ
    PUPIL = "pupil"  # themselves


class PupilLink(Keyed, Base):
    """A holder and a pupil, as the issuing school says. Ended, never deleted.

    ``school_code`` and ``pupil_index`` are those of the pupil's records at the school that made the link.
    """

    __tablename__ = "pupil_links"
    __table_args__ = (
        Index(
            "uq_pupil_links_standing",
            "account_pk",
            "pupil_index",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)
    relation: Mapped[Relation] = mapped_column(String(8))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]  # a guardianship may have an end
    linked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))
    disputed_at: Mapped[datetime | None]  # while it stands, nothing is shown and nothing consented to
    dispute_reason: Mapped[str | None] = mapped_column(String(40))


class ActivationSlip(Keyed, Base):
    """A slip of paper with a one-time code, by which a guardian or pupil is linked for the first time."""

    __tablename__ = "activation_slips"

    school_code: Mapped[str] = mapped_column(String(20), index=True)
    pupil_index: Mapped[str] = mapped_column(String(64), index=True)
    relation: Mapped[Relation] = mapped_column(String(8))
    valid_to: Mapped[date | None]  # of the link it makes
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    name_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # of the person it is for
    code_index: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    wrong_tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


class ContactChange(Keyed, Base):
    """A new contact of a holder, asked for at the school: told to the old one, in force after the wait."""

    __tablename__ = "contact_changes"

    account_pk: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    school_code: Mapped[str] = mapped_column(String(20))  # where it was asked for
    kind: Mapped[Channel] = mapped_column(String(8))
    value_index: Mapped[str] = mapped_column(String(64))
    value_sealed: Mapped[bytes] = mapped_column(LargeBinary)  # under the account's key
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]


class RepeatedRefusal(Keyed, Base):
    """What somebody was refused within the last hour, and how often it was only counted since the entry."""

    __tablename__ = "repeated_refusals"
    __table_args__ = (UniqueConstraint("actor", "what"),)

    actor: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(200))  # JSON of codes: the entry's details
    organisation: Mapped[str | None] = mapped_column(String(20))
    since: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
