"""The receipt of a consent: what a holder keeps, as ISO/IEC TS 27560:2023 lists it, and a check of one.

A receipt is made anew from the events each time; ``version`` is the number of the last one. Its number is the
consent's random key: whoever has it can ask how the consent stands now, and learns nothing else. The JSON
Schema is published (docs/consent-receipt.schema.json).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.service import Action, Actor, Object
from portal.consent.ages import Party
from portal.consent.models import ConsentEvent, EventKind, Evidence
from portal.consent.parties import recipient_of, told
from portal.consent.purposes import Purpose
from portal.consent.service import Denied, State, examine, refuse
from portal.vault import Vault
from verifier.record import Level

SCHEMA: Final = "hoc-ba-so-consent-receipt/1"
BASIS: Final = "Luật 91/2025/QH15 Đ.9, Đ.24; NĐ 88/2026/NĐ-CP Đ.12.2"
WITHDRAWAL: Final = (
    "Đăng nhập cổng, mở mục Cho xem học bạ, chọn Rút lại; hoặc đến trường. Có hiệu lực ngay lần xem sau."
)


@dataclass(frozen=True, slots=True)
class ReceiptEvent:
    """One event, with the edition, language and SHA-256 of the text that was shown where one was."""

    number: int
    at: str
    kind: str
    party: str | None
    evidence: str | None
    text_version: int | None
    text_language: str | None
    text_sha256: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receipt; times are ISO 8601 in UTC."""

    schema: str
    record_id: str  # number of the receipt
    version: int
    issued_at: str
    pii_principal: str  # keyed hash, another one in each receipt
    pii_controller: str  # code of the school that manages the data
    recipient: str | None  # None: whoever has the share code
    purpose: str
    lawful_basis: str
    pii_categories: tuple[str, ...]  # disclosure names
    signed_pdf: bool
    years: tuple[str, ...]
    levels: tuple[str, ...]
    asked_at: str
    expires_at: str
    once: bool
    withdrawal: str
    state: str
    events: tuple[ReceiptEvent, ...]

    def to_json(self) -> dict[str, Any]:
        """As the published schema has it."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


@dataclass(frozen=True, slots=True)
class ReceiptState:
    """How a consent stands now: ``in_force`` when content may be shown on it at this moment."""

    state: State
    in_force: bool
    until: datetime


def receipt(
    session: Session, vault: Vault, *, consent: uuid.UUID, account: uuid.UUID, now: datetime
) -> Receipt | Denied:
    """The receipt, for a holder who may act for the pupil today. Denied: ``unknown_consent``."""
    case = examine(session, vault, consent, now)
    if case is None or account not in told(case.links, case.needed.parties):
        message = "Không có sự đồng ý nào với số này."
        actor = Actor("holder", str(account))
        about = None if case is None else Object("consent", consent)
        return refuse(session, actor, Action.DISCLOSURE, "unknown_consent", message, now=now, about=about)
    row = case.row
    named = recipient_of(session, row.recipient_pk)
    events = session.scalars(
        select(ConsentEvent).where(ConsentEvent.consent_pk == consent).order_by(ConsentEvent.number)
    )
    return Receipt(
        schema=SCHEMA,
        record_id=str(consent),
        version=case.fold.last,
        issued_at=now.isoformat(),
        pii_principal=vault.blind_index(f"{consent}/{row.pupil_index}", domain="receipt-principal"),
        pii_controller=row.school_code,
        recipient=None if named is None else named.name,
        purpose=Purpose(row.purpose).value,
        lawful_basis=BASIS,
        pii_categories=tuple(json.loads(row.fields)),
        signed_pdf=row.pdf,
        years=tuple(record.year for record in case.records),
        levels=tuple(sorted({record.level for record in case.records})),
        asked_at=row.asked_at.isoformat(),
        expires_at=case.fold.until.isoformat(),
        once=row.once,
        withdrawal=WITHDRAWAL,
        state=case.fold.state.value,
        events=tuple(
            ReceiptEvent(
                event.number,
                event.at.isoformat(),
                event.kind,
                event.party,
                event.evidence,
                event.text_version,
                event.language,
                event.text_sha256,
                event.reason,
            )
            for event in events
        ),
    )


def state_of(session: Session, vault: Vault, number: uuid.UUID, now: datetime) -> ReceiptState | None:
    """How the consent of a receipt stands now, for anybody who has the number; None for one of no receipt."""
    case = examine(session, vault, number, now)
    if case is None:
        return None
    return ReceiptState(case.fold.state, case.obstacle is None, case.fold.until)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of :meth:`Receipt.to_json`."""
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    event = {
        "number": {"type": "integer", "minimum": 1},
        "at": moment,
        "kind": {"enum": [kind.value for kind in EventKind]},
        "party": {"enum": [*(party.value for party in Party), None]},
        "evidence": {"enum": [*(evidence.value for evidence in Evidence), None]},
        "text_version": {"type": ["integer", "null"]},
        "text_language": {"enum": ["vi", "en", None]},
        "text_sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "reason": {"type": ["string", "null"]},
    }
    properties = {
        "schema": {"const": SCHEMA},
        "record_id": {"type": "string", "format": "uuid"},
        "version": {"type": "integer", "minimum": 1},
        "issued_at": moment,
        "pii_principal": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "pii_controller": text,
        "recipient": {"type": ["string", "null"]},
        "purpose": {"enum": [purpose.value for purpose in Purpose]},
        "lawful_basis": text,
        "pii_categories": {"type": "array", "items": text, "uniqueItems": True},
        "signed_pdf": {"type": "boolean"},
        "years": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{4}$"}},
        "levels": {"type": "array", "items": {"enum": [level.value for level in Level]}},
        "asked_at": moment,
        "expires_at": moment,
        "once": {"type": "boolean"},
        "withdrawal": text,
        "state": {"enum": [state.value for state in State]},
        "events": {"type": "array", "minItems": 1, "items": _closed(event)},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA} | _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
