"""Whom we trust: anchors of two PKIs, and which certificate may sign for which school, in which role, when.

Chain trust is not authority to issue: any citizen can hold a certificate below the same national root, so a
signature counts only with a row of the authorised-signer table (decision 2 of the threat model).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.report import Role


class Pki(StrEnum):
    """The two roots of Vietnamese digital signatures."""

    STATE = "state"  # chuyên dùng công vụ (Ban Cơ yếu Chính phủ)
    PUBLIC = "public"  # chữ ký số công cộng (under the NEAC root)


class Approval(StrEnum):
    """State of a certificate registration (domain §1.3: 01, 02, 03)."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A pinned root. ``certificate`` is DER."""

    name: str
    pki: Pki
    certificate: bytes


@dataclass(frozen=True, slots=True)
class AuthorisedSigner:
    """One certificate, allowed to sign for one school in one role and capacity, for a period.

    ``valid_to`` None means open. ``invalid_since`` set means suspended: nothing proven to exist only at or after
    that moment counts. ``subject_codes`` empty means every subject (GVBM only).
    """

    certificate_sha256: str
    school_code: str
    role: Role
    capacity: str  # "" in own right, "KT", "Q"
    subject_codes: frozenset[str]
    valid_from: datetime
    valid_to: datetime | None
    approval: Approval
    invalid_since: datetime | None
    display_name: str

    def covers(self, moment: datetime) -> bool:
        """Approved, inside its period and not suspended at ``moment``."""
        return (
            self.approval is Approval.APPROVED
            and self.valid_from <= moment
            and (self.valid_to is None or moment < self.valid_to)
            and (self.invalid_since is None or moment < self.invalid_since)
        )


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What a check may rely on, frozen at one ``epoch`` (a number that grows with each change in trust).

    ``intermediates`` and ``crls`` are DER. CRLs are pinned: a check never fetches.
    """

    epoch: int
    anchors: tuple[TrustAnchor, ...]
    intermediates: tuple[bytes, ...]
    signers: tuple[AuthorisedSigner, ...]
    crls: tuple[bytes, ...]
