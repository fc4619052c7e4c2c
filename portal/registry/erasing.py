"""What destroying a record's key leaves in the registry: id, school, versions, digests, states, times.

A code is then answered truthfully with ``evidence_destroyed``; nothing can be opened, compared or shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import CursorResult, Delete, Update, delete, select, update
from sqlalchemy.orm import Session

from portal.audit.service import Object
from portal.registry.models import FileCertificate, Record, RecordVersion, RegisteredFile
from portal.registry.service import FOR_EVER
from portal.vault import DESTROYED
from verifier.verdict import Standing

#: What is emptied.
TABLES: Final = tuple(
    model.__tablename__ for model in (Record, RecordVersion, RegisteredFile, FileCertificate)
)


@dataclass(frozen=True, slots=True)
class Destroyed:
    """``rows`` is empty when it was destroyed before; ``files`` are the stored names, ``hashes`` the SHA-256
    of what they held, both also then.
    """

    rows: dict[str, int]
    files: tuple[str, ...]
    hashes: tuple[str, ...]
    object: Object
    organisation: str
    pupil: str


def destroy(session: Session, record_id: str) -> Destroyed | None:
    """Overwrite a record's key and empty whatever was sealed under it or tells of the pupil or the signers.
    None for an unknown record. Flushed, not committed.
    """
    record = session.scalar(
        select(Record)
        .where(Record.record_id == record_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if record is None:
        return None
    versions = select(RecordVersion.id).where(RecordVersion.record_pk == record.id)
    mine = RegisteredFile.version_pk.in_(versions)
    kept = session.execute(select(RegisteredFile.stored_name, RegisteredFile.sha256).where(mine)).all()
    rows: dict[str, int] = {}
    pupil = record.pupil_index
    if record.wrapped_key != DESTROYED:
        record.wrapped_key = DESTROYED
        # Random, in the form of an index: unique as the table wants it, and nobody's.
        record.pupil_index = secrets.token_hex(32)
        record.learner_index = None  # a keyed hash of the pupil's number and birth date
        session.flush()
        rows["records"] = 1
        rows["record_versions"] = _changed(
            session,
            update(RecordVersion)
            .where(RecordVersion.record_pk == record.id)
            .values(disclosures_sealed=b"", public_sealed=b"", header=""),
        )
        certificates = FileCertificate.file_pk.in_(select(RegisteredFile.id).where(mine))
        rows["file_certificates"] = _changed(session, delete(FileCertificate).where(certificates))
        rows["registered_files"] = _changed(
            session,
            update(RegisteredFile)
            .where(mine)
            .values(standing=Standing.DESTROYED, fresh_until=FOR_EVER, report="", structure=""),
        )
    return Destroyed(
        rows,
        tuple(row.stored_name for row in kept),
        tuple(row.sha256 for row in kept),
        Object("record", record.id),
        record.school_code,
        pupil,
    )


def alive(session: Session, record_ids: Collection[str]) -> set[str]:
    """Those of ``record_ids`` whose key is there."""
    wanted = select(Record.record_id).where(
        Record.record_id.in_(sorted(record_ids)), Record.wrapped_key != DESTROYED
    )
    return set(session.scalars(wanted))


def known(session: Session, record_id: str) -> bool:
    """Whether such a record was ever registered."""
    return session.scalar(select(Record.id).where(Record.record_id == record_id)) is not None


def _changed(session: Session, statement: Update | Delete) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount
