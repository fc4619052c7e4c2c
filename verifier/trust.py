"""Whom we trust: anchors of two PKIs, and which certificate may sign for which school, in which role, when.

Chain trust is not authority to issue: any citizen can hold a certificate below the same national root, so a
signature counts only with a row of the authorised-signer table (decision 2 of the threat model).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from verifier.errors import InvalidInput, Problem
from verifier.report import Role

FORMAT = "hoc-ba-so-trust-1"


class Pki(StrEnum):
    """The two roots of Vietnamese digital signatures."""

    STATE = "state"  # chuyên dùng công vụ (Ban Cơ yếu Chính phủ)
    PUBLIC = "public"  # chữ ký số công cộng (under the NEAC root)


class Purpose(StrEnum):
    """What an authority is trusted for. One never implies the other."""

    SIGNING = "signing"  # certificates of persons and seals below it may sign records
    TIMESTAMPING = "timestamping"  # timestamp authorities below it prove times


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

    ``valid_to`` None means open. ``invalid_since`` set means suspended: nothing proven to exist only at or
    after that moment counts. ``subject_codes`` empty means every subject (GVBM only).
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
class Timestamping:
    """Whose timestamps prove a time: the same three things as for signers, pinned apart from them."""

    anchors: tuple[TrustAnchor, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    distrusted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TrustStore:
    """What a check may rely on, frozen at one ``epoch`` (a number that grows with each change in trust).

    ``intermediates`` and ``crls`` are DER. CRLs are pinned: a check never fetches. ``distrusted`` names what
    no path may go through, though a file brings it along: certificates by their SHA-256, whole authorities by
    their id (``verifier.certificates.Certificate.authority``). ``timestamping`` has the authorities for
    timestamps; lists of both purposes stand together, each counts for the authority that signed it.
    """

    epoch: int
    anchors: tuple[TrustAnchor, ...]
    intermediates: tuple[bytes, ...]
    signers: tuple[AuthorisedSigner, ...]
    crls: tuple[bytes, ...]
    distrusted: frozenset[str] = frozenset()
    timestamping: Timestamping = Timestamping()

    @cached_property
    def for_timestamps(self) -> TrustStore:
        """The store that a timestamp's path is looked for in: nobody of it may sign a record."""
        pinned = self.timestamping
        return TrustStore(self.epoch, pinned.anchors, pinned.intermediates, (), self.crls, pinned.distrusted)

    @cached_property
    def signers_by_certificate(self) -> Mapping[str, tuple[AuthorisedSigner, ...]]:
        """Every row of a certificate, by its SHA-256: one check asks for up to 24 of thousands."""
        rows: dict[str, tuple[AuthorisedSigner, ...]] = {}
        for signer in self.signers:
            rows[signer.certificate_sha256] = (*rows.get(signer.certificate_sha256, ()), signer)
        return rows

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; DER as base64, times in ISO 8601 with offset."""
        return {
            "format": FORMAT,
            "epoch": self.epoch,
            "anchors": [_anchor_to_json(a) for a in self.anchors],
            "intermediates": [_encode(der) for der in self.intermediates],
            "signers": [_signer_to_json(s) for s in self.signers],
            "crls": [_encode(der) for der in self.crls],
            "distrusted": sorted(self.distrusted),
            "timestamping": {
                "anchors": [_anchor_to_json(a) for a in self.timestamping.anchors],
                "intermediates": [_encode(der) for der in self.timestamping.intermediates],
                "distrusted": sorted(self.timestamping.distrusted),
            },
        }

    @classmethod
    def from_json(cls, data: Any) -> TrustStore:
        """Inverse of :meth:`to_json`; strict: raises InvalidInput on any other shape."""
        try:
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            return cls(
                epoch=int(data["epoch"]),
                anchors=tuple(_anchor_from_json(a) for a in data["anchors"]),
                intermediates=tuple(_decode(text) for text in data["intermediates"]),
                signers=tuple(_signer_from_json(s) for s in data["signers"]),
                crls=tuple(_decode(text) for text in data["crls"]),
                distrusted=frozenset(_fingerprint(text) for text in data["distrusted"]),
                timestamping=_timestamping(data["timestamping"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput((_problem(f"không phải kho tin cậy {FORMAT} ({error!r})"),)) from error


def read_store(path: str | Path) -> TrustStore:
    """Read a store from a file: the store itself, or a bundle that carries it under ``trust``.

    Raises InvalidInput when the file is not that, OSError when it cannot be read.
    """
    try:
        data = json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise InvalidInput((_problem(f"tệp không phải JSON ({error})"),)) from error
    return TrustStore.from_json(data["trust"] if isinstance(data, dict) and "trust" in data else data)


def _problem(message: str) -> Problem:
    return Problem("trust", "trust_unreadable", f"Không đọc được kho tin cậy: {message}.")


def _encode(der: bytes) -> str:
    return base64.b64encode(der).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _fingerprint(text: str) -> str:
    """SHA-256 in hexadecimal: in any other spelling it would never match, and a distrust be lost."""
    if len(bytes.fromhex(text)) != 32 or text != text.lower():
        raise ValueError(f"not a SHA-256: {text}")
    return text


def _anchor_to_json(anchor: TrustAnchor) -> dict[str, str]:
    return {"name": anchor.name, "pki": anchor.pki.value, "certificate": _encode(anchor.certificate)}


def _anchor_from_json(data: dict[str, Any]) -> TrustAnchor:
    return TrustAnchor(str(data["name"]), Pki(data["pki"]), _decode(data["certificate"]))


def _timestamping(data: dict[str, Any]) -> Timestamping:
    return Timestamping(
        anchors=tuple(_anchor_from_json(a) for a in data["anchors"]),
        intermediates=tuple(_decode(text) for text in data["intermediates"]),
        distrusted=frozenset(_fingerprint(text) for text in data["distrusted"]),
    )


def _signer_to_json(signer: AuthorisedSigner) -> dict[str, Any]:
    return {
        "certificate_sha256": signer.certificate_sha256,
        "school_code": signer.school_code,
        "role": signer.role.value,
        "capacity": signer.capacity,
        "subject_codes": sorted(signer.subject_codes),
        "valid_from": signer.valid_from.isoformat(),
        "valid_to": None if signer.valid_to is None else signer.valid_to.isoformat(),
        "approval": signer.approval.value,
        "invalid_since": None if signer.invalid_since is None else signer.invalid_since.isoformat(),
        "display_name": signer.display_name,
    }


def _signer_from_json(data: dict[str, Any]) -> AuthorisedSigner:
    return AuthorisedSigner(
        certificate_sha256=str(data["certificate_sha256"]),
        school_code=str(data["school_code"]),
        role=Role(data["role"]),
        capacity=str(data["capacity"]),
        subject_codes=frozenset(str(c) for c in data["subject_codes"]),
        valid_from=_moment(data["valid_from"]),
        valid_to=None if data["valid_to"] is None else _moment(data["valid_to"]),
        approval=Approval(data["approval"]),
        invalid_since=None if data["invalid_since"] is None else _moment(data["invalid_since"]),
        display_name=str(data["display_name"]),
    )


def _moment(text: str) -> datetime:
    """A time without an offset would be compared with aware ones and fail in the middle of a check."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without offset: {text}")
    return moment
