"""Tables of trust. Nothing here is deleted: an anchor or a signer ends, it does not vanish."""

from __future__ import annotations

import secrets
import uuid
from datetime import date, datetime

from sqlalchemy import ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Keyed


class Department(Keyed, Base):
    """Sở Giáo dục và Đào tạo."""

    __tablename__ = "departments"

    code: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    province: Mapped[str] = mapped_column(String(80))
    # How whoever checks a record reaches it; shown to everybody.
    phone: Mapped[str | None] = mapped_column(String(40))
    email: Mapped[str | None] = mapped_column(String(120))
    address: Mapped[str | None] = mapped_column(String(200))


class School(Keyed, Base):
    """One school under one name for one period: schools merge and rename, so code + validity + successor."""

    __tablename__ = "schools"
    __table_args__ = (UniqueConstraint("code", "valid_from"),)

    code: Mapped[str] = mapped_column(String(20), index=True)  # mã trường, leading zeros kept
    name: Mapped[str] = mapped_column(String(200))
    department_code: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    levels: Mapped[str] = mapped_column(String(80))  # space-separated level codes
    commune: Mapped[str] = mapped_column(String(120))
    district: Mapped[str] = mapped_column(String(120), default="")  # before 07/2025 only
    province: Mapped[str] = mapped_column(String(80))
    sector: Mapped[str] = mapped_column(String(10))  # cong_lap | tu_thuc
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    successor_code: Mapped[str | None] = mapped_column(String(20))
    # How whoever checks a record reaches its office; shown to everybody.
    phone: Mapped[str | None] = mapped_column(String(40))
    email: Mapped[str | None] = mapped_column(String(120))
    address: Mapped[str | None] = mapped_column(String(200))


class Anchor(Keyed, Base):
    """A pinned certificate of an authority: a root (``is_root``) or an intermediate below one, for one
    purpose. Trusted for both purposes, it stands here twice.
    """

    __tablename__ = "anchors"
    __table_args__ = (UniqueConstraint("sha256", "purpose"),)

    name: Mapped[str] = mapped_column(String(200))
    pki: Mapped[str] = mapped_column(String(10))  # state | public
    purpose: Mapped[str] = mapped_column(String(12))  # signing | timestamping
    is_root: Mapped[bool]
    sha256: Mapped[str] = mapped_column(String(64))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    # An authority is a name with a key (``verifier.certificates.Certificate.authority``): a certificate that
    # was renewed or cross-signed is another row of the same one.
    authority_id: Mapped[str] = mapped_column(String(64), index=True)
    issuer_id: Mapped[str] = mapped_column(String(64), index=True)  # authority above; a root names itself
    serial: Mapped[str] = mapped_column(String(50))  # decimal; 20 octets at most (RFC 5280 §4.1.2.2)
    not_after: Mapped[datetime]
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


def _nonce() -> str:
    return secrets.token_hex(16)


class Signer(Keyed, Base):
    """Certificate × school × role × capacity × period, with its approval."""

    __tablename__ = "signers"
    __table_args__ = (
        UniqueConstraint(
            "certificate_sha256",
            "school_code",
            "role",
            "capacity",
            "valid_from",
            name="uq_signers_registration",
        ),  # named by hand: the convention's name is longer than PostgreSQL's 63 characters
    )

    certificate_sha256: Mapped[str] = mapped_column(String(64), index=True)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    issuer_id: Mapped[str] = mapped_column(String(64), index=True)  # the pinned authority that issued it
    serial: Mapped[str] = mapped_column(String(50))
    not_after: Mapped[datetime]  # the certificate's own end
    school_code: Mapped[str] = mapped_column(String(20), index=True)
    role: Mapped[str] = mapped_column(String(16))
    capacity: Mapped[str] = mapped_column(String(8), default="")
    subject_codes: Mapped[str] = mapped_column(
        String(400), default=""
    )  # space-separated; empty: every subject
    display_name: Mapped[str] = mapped_column(String(200))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    approval: Mapped[str] = mapped_column(String(10), default="waiting")
    invalid_since: Mapped[datetime | None]
    # The key itself is not to be believed from then on; set on every row of the key at once.
    compromised_since: Mapped[datetime | None]
    # Whose certificate it is; accounts stand above this room. None: registered by a command for nobody.
    account_pk: Mapped[uuid.UUID | None] = mapped_column(index=True)
    refusal: Mapped[str | None] = mapped_column(String(40))  # why the department refused it
    nonce: Mapped[str] = mapped_column(String(32), default=_nonce)  # of the challenge to show the key with
    possession_at: Mapped[datetime | None]  # when it was shown (portal.trust.possession)
    # Who asked for it, as the trail calls them: another person approves (SEC-24).
    registered_by: Mapped[str] = mapped_column(String(80), default="")


class RevocationList(Keyed, Base):
    """A pinned CRL, the newest of each issuer and scope; the older ones stay for what was answered from them.

    ``kept_since`` is when a newer list no longer named a certificate of ours that this one revokes for good,
    or named it more mildly: checks go on reading it.
    """

    __tablename__ = "revocation_lists"

    issuer_id: Mapped[str] = mapped_column(String(64), index=True)  # the authority that issued it
    scope: Mapped[str] = mapped_column(Text)  # of which certificates it speaks (checks.scope)
    crl: Mapped[bytes] = mapped_column(LargeBinary)
    number: Mapped[str | None] = mapped_column(String(50))  # cRLNumber, decimal (RFC 5280 §5.2.3)
    this_update: Mapped[datetime]
    next_update: Mapped[datetime]
    added_at: Mapped[datetime]
    kept_since: Mapped[datetime | None]


class CrlAddress(Keyed, Base):
    """Where the newest list of an authority is collected from; ``fault`` says why the last try failed."""

    __tablename__ = "crl_addresses"
    __table_args__ = (UniqueConstraint("issuer_id", "url"),)

    issuer_id: Mapped[str] = mapped_column(String(64))  # the authority whose list it is
    url: Mapped[str] = mapped_column(String(400))
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    fault: Mapped[str] = mapped_column(String(200), default="")


class TimestampUnit(Keyed, Base):
    """A certificate that signed timestamps of registered files (a time-stamping unit, EN 319 421): nobody
    registers it, it is noted so that a change in trust finds the files that rest on it.
    """

    __tablename__ = "timestamp_units"

    certificate_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    issuer_id: Mapped[str] = mapped_column(String(64), index=True)  # the authority that issued it
    serial: Mapped[str] = mapped_column(String(50))
    not_after: Mapped[datetime]
    noted_at: Mapped[datetime]


class TrustState(Base):
    """One row: the epoch that grows with every change in trust. Who changed what is in the audit trail."""

    __tablename__ = "trust_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    # Random with every change: tells this trust from that of a restored database with the same epoch.
    mark: Mapped[uuid.UUID | None]
