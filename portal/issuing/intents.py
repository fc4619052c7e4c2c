"""The write-ahead rows of issuing: what will be signed, how far it is, and steps that only the first run can
take.

Two columns are sealed under the record's own key: the intent, which never changes, and the file that waits
for a signature made elsewhere.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.audit.service import Action, Actor, Event, Object
from portal.errors import Refusal
from portal.issuing.appearance import Signatory
from portal.issuing.models import Issuance, Stage
from portal.issuing.plan import Seat
from portal.issuing.rendering import PrintedMeta
from portal.issuing.sealed import open_column, open_intent, place, seal_column
from portal.issuing.signing import VIETNAM, Prepared
from portal.vault import Vault
from verifier import record as records
from verifier.locator import group
from verifier.record import Record


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything that decides the bytes of one version, except signature values made of chance."""

    record: Record
    record_id: str
    version: int
    header: dict[str, Any]
    disclosures: tuple[str, ...]
    seats: tuple[Seat, ...]
    school_name: str
    url: str
    system_name: str
    owner: str
    reserved_at: datetime
    reason: str  # of a correction; "" for a first issue

    def to_json(self) -> dict[str, Any]:
        return {
            "input": self.record.to_input(),
            "record_id": self.record_id,
            "version": self.version,
            "header": self.header,
            "disclosures": list(self.disclosures),
            "seats": [seat.to_json() for seat in self.seats],
            "school_name": self.school_name,
            "url": self.url,
            "system_name": self.system_name,
            "owner": self.owner,
            "reserved_at": self.reserved_at.isoformat(),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Intent:
        return cls(
            record=records.parse(data["input"]),
            record_id=str(data["record_id"]),
            version=int(data["version"]),
            header=dict(data["header"]),
            disclosures=tuple(map(str, data["disclosures"])),
            seats=tuple(Seat.from_json(seat) for seat in data["seats"]),
            school_name=str(data["school_name"]),
            url=str(data["url"]),
            system_name=str(data["system_name"]),
            owner=str(data["owner"]),
            reserved_at=datetime.fromisoformat(data["reserved_at"]),
            reason=str(data["reason"]),
        )

    @property
    def meta(self) -> PrintedMeta:
        """Who signs; and for NĐ 137/2024 Đ.5: the copy is made when it is issued, by the school."""
        return PrintedMeta.for_url(
            self.url,
            system_name=self.system_name,
            owner=self.owner,
            converter=self.school_name,
            converted_at=self.reserved_at.astimezone(VIETNAM),
            signatories={seat.field: Signatory(seat.name, seat.lines) for seat in self.seats},
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A file on its way between signatures: fields that are signed, in the order of signing; ``prepared``
    waits for the next one, and what ``pdf`` was before that are its first ``before`` bytes.
    """

    pdf: bytes
    signed: tuple[str, ...]
    prepared: Prepared | None = None
    before: int = 0

    def waiting(self, prepared: Prepared) -> Held:
        """The same file waiting for the value of ``prepared``, which was made from it."""
        return Held(prepared.pdf, self.signed, prepared, len(self.pdf))

    def given_up(self) -> Held:
        """The file without the wait for a value: a signature is an incremental update, which is cut off."""
        return self if self.prepared is None else Held(self.pdf[: self.before], self.signed)

    def to_json(self) -> dict[str, Any]:
        waiting = self.prepared
        return {
            "pdf": _text(self.pdf),
            "signed": list(self.signed),
            "before": self.before,
            "prepared": None
            if waiting is None
            else {
                "field": waiting.field,
                "start": waiting.start,
                "end": waiting.end,
                "signed_attributes": _text(waiting.signed_attributes),
                "certificate": _text(waiting.certificate),
                "chain": [_text(certificate) for certificate in waiting.chain],
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Held:
        pdf, waiting = base64.b64decode(data["pdf"]), data["prepared"]
        signed = tuple(map(str, data["signed"]))
        if waiting is None:
            return cls(pdf, signed)
        prepared = Prepared(
            pdf=pdf,
            field=str(waiting["field"]),
            start=int(waiting["start"]),
            end=int(waiting["end"]),
            signed_attributes=base64.b64decode(waiting["signed_attributes"]),
            certificate=base64.b64decode(waiting["certificate"]),
            chain=tuple(base64.b64decode(certificate) for certificate in waiting["chain"]),
        )
        return cls(pdf, signed, prepared, int(data["before"]))


@dataclass(frozen=True, slots=True)
class Job:
    """A row as it was read. :func:`change` succeeds only if it still stands so."""

    id: uuid.UUID
    stage: Stage
    school_code: str
    pupil_index: str
    wrapped_key: bytes
    intent: Intent
    held: Held | None
    next_field: str | None
    sealed_sha256: str | None
    sealed_name: str | None
    signatures: int
    upload: uuid.UUID | None

    @property
    def waits_for_people(self) -> bool:
        """It came by an upload, and somebody has not signed yet."""
        unfinished = self.stage in (Stage.RESERVED, Stage.WAITING)
        return self.upload is not None and unfinished and self.signatures < len(self.intent.seats)


def read(vault: Vault, row: Issuance) -> Job:
    """The row in clear."""

    held = open_column(vault, row, "stage_sealed")
    return Job(
        id=row.id,
        stage=Stage(row.stage),
        school_code=row.school_code,
        pupil_index=row.pupil_index,
        wrapped_key=row.wrapped_key,
        intent=Intent.from_json(open_intent(vault, row)),
        held=None if held is None else Held.from_json(held),
        next_field=row.next_field,
        sealed_sha256=row.sealed_sha256,
        sealed_name=row.sealed_name,
        signatures=row.signatures,
        upload=row.upload_pk,
    )


def seal_intent(vault: Vault, row: Issuance, intent: Intent) -> bytes:
    """Value of ``intent_sealed``; the row has its id, version and key already."""
    return seal_column(vault, row.wrapped_key, intent.to_json(), place(row.id, row.version, "intent_sealed"))


def seal_held(vault: Vault, job: Job, held: Held) -> bytes:
    """Value of ``stage_sealed``."""
    where = place(job.id, job.intent.version, "stage_sealed")
    return seal_column(vault, job.wrapped_key, held.to_json(), where)


def change(session: Session, job: Job, now: datetime, **values: Any) -> None:
    """From the state that ``job`` was read in to another. Raises Refusal when another run was quicker."""
    changed = session.execute(
        update(Issuance)
        .where(
            Issuance.id == job.id,
            Issuance.stage == job.stage,
            Issuance.next_field.is_not_distinct_from(job.next_field),
            Issuance.sealed_name.is_not_distinct_from(job.sealed_name),
            Issuance.signatures == job.signatures,
        )
        .values(updated_at=now, **values)
        .returning(Issuance.id)
        .execution_options(synchronize_session=False)
    ).all()
    if len(changed) != 1:
        raise elsewhere(job.intent)


def key_use(job: Job, prepared: Prepared, *, key: str, actor: Actor) -> Event:
    """One signature, for the trail: whose key, over which digest, in which field; ``key`` is local or
    external.
    """
    return Event(
        actor,
        Action.KEY_USE,
        Object("issuance", job.id),
        organisation=job.school_code,
        pupil=job.pupil_index,
        details={
            "certificate": sha256(prepared.certificate).hexdigest(),
            "digest": prepared.digest.hex(),
            "field": prepared.field,
            "key": key,
            "version": job.intent.version,
        },
    )


def elsewhere(intent: Intent) -> Refusal:
    return Refusal(
        "issuing_elsewhere",
        f"Học bạ {group(intent.record_id)} đang được một lệnh khác cấp.",
        "Đợi lệnh đó xong rồi chạy lại; học bạ đã cấp sẽ không bị cấp lần hai.",
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
