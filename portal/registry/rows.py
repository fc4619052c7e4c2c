"""How the registry reads its rows: the statements of the busy paths, and what a row means.

Statements are built once, since building one costs more than running it, over plain tables, which keeps the
object-relational machinery out of the busiest path.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, and_, bindparam, literal_column, select
from sqlalchemy.orm import Session

from portal.database import Prepared, Row
from portal.ports import FileStore
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.trust.store import CONTACT_COLUMNS, Contact, contact_of, with_contact
from portal.vault import Vault
from verifier.locator import Locator
from verifier.pades import Beginning
from verifier.policy import DEFAULT
from verifier.report import Role
from verifier.verdict import Standing, VersionFacts, VersionState
from verifier.words import VIETNAM


@dataclass(frozen=True, slots=True)
class PublicRecord:
    """What everyone with the full code may see: no marks, no birth date, no name of a signer."""

    record_id: str
    version: int
    state: VersionState
    current_version: int | None
    school_name: str
    school_code: str
    level: str
    grade: int
    year: str
    issued_on: date
    roles: tuple[Role, ...]
    masked_name: str
    since: datetime | None
    recall_reason: str | None
    contact: Contact | None = None  # whom to ask, out of our own register


#: ``standing_at`` of a file whose standing was withdrawn and not decided since: such files come first.
UNDECIDED: Final = datetime(1970, 1, 1, tzinfo=UTC)

_R, _V, _F = Record.__table__, RecordVersion.__table__, RegisteredFile.__table__
_OTHER = _V.alias("other")

_VERSION_COLUMNS = (
    _R.c.record_id,
    _R.c.school_code,
    _R.c.level,
    _R.c.grade,
    _R.c.year,
    _R.c.wrapped_key,
    _V.c.version,
    _V.c.digest,
    _V.c.public_sealed,
    _V.c.school_name,
    _V.c.roles,
    _V.c.issued_on,
    _V.c.state,
    _V.c.superseded_at,
    _V.c.recalled_at,
    _V.c.recall_reason,
    _F.c.standing,
    _F.c.policy,
    _F.c.fresh_until,
    _F.c.standing_at,
    select(_OTHER.c.version)
    # A constant in the text, not a parameter: SQLite plans a statement anew at every run when a parameter
    # decides whether a partial index fits, which costs five times the query itself.
    .where(_OTHER.c.record_pk == _R.c.id, _OTHER.c.state == literal_column(f"'{VersionState.CURRENT.value}'"))
    .correlate(_R)
    .scalar_subquery()
    .label("current_version"),
    *CONTACT_COLUMNS,
)
# The file whose standing a code answers with: the newest that shows the whole record.
_ANSWERING = and_(_F.c.version_pk == _V.c.id, _F.c.kind != "extract")
_BY_LOCATOR = Prepared(
    select(*_VERSION_COLUMNS)
    .select_from(
        with_contact(
            _R.outerjoin(_V, and_(_V.c.record_pk == _R.c.id, _V.c.digest == bindparam("digest"))).outerjoin(
                _F, _ANSWERING
            ),
            _R.c.school_code,
        )
    )
    .where(_R.c.record_id == bindparam("record_id"))
    .order_by(_F.c.registered_at)
)
_BY_RECORD = Prepared(
    select(*_VERSION_COLUMNS)
    .select_from(
        with_contact(_R.join(_V, _V.c.record_pk == _R.c.id).outerjoin(_F, _ANSWERING), _R.c.school_code)
    )
    .where(_R.c.record_id == bindparam("record_id"))
    .order_by(_V.c.version, _F.c.registered_at)
)
_BY_FILE = (
    select(
        _R.c.record_id,
        _V.c.version,
        _V.c.state,
        _V.c.superseded_at,
        _V.c.recalled_at,
        _V.c.recall_reason,
        _F.c.standing,
        _F.c.policy,
        _F.c.fresh_until,
        _F.c.standing_at,
        _F.c.version_pk,
        _F.c.sha256,
        _F.c.size,
        _F.c.kind,
        _F.c.structure,
        _F.c.registered_at.label("file_registered_at"),
    )
    .select_from(_F.join(_V, _F.c.version_pk == _V.c.id).join(_R, _V.c.record_pk == _R.c.id))
    .where(_F.c.sha256.in_(bindparam("hashes", expanding=True)))
)


def locator_rows(source: Session | Connection, locator: Locator) -> list[Row]:
    """Nothing for an unknown record; a row without a version for an unknown digest of a known one; else the
    version with each of its files, the answering one last.
    """
    return _BY_LOCATOR.run(source, record_id=locator.record_id, digest=locator.digest)


def record_rows(source: Session | Connection, record_id: str) -> list[Row]:
    """Every version of a record, oldest first, each with its answering (newest) file."""
    rows = _BY_RECORD.run(source, record_id=record_id)
    return list({row["version"]: row for row in rows}.values())


def version_facts(row: Row, now: datetime) -> VersionFacts:
    return VersionFacts(
        row["record_id"],
        row["version"],
        VersionState(row["state"]),
        _standing(row, now),
        state_since(row),
        row["recall_reason"],
        _checked_at(row),
    )


def _standing(row: Row, now: datetime) -> Standing:
    """What is stored holds only under the policy it was decided by and while its CRLs are fresh, which a
    clock behind the day it was decided cannot tell; what was destroyed stays so.
    """
    if row["standing"] == Standing.DESTROYED:
        return Standing.DESTROYED
    if row["standing"] is None or row["policy"] != DEFAULT.name or row["fresh_until"] <= now:
        return Standing.INCOMPLETE
    if row["standing_at"] > now + DEFAULT.clock_tolerance:
        return Standing.INCOMPLETE
    return Standing(row["standing"])


def _checked_at(row: Row) -> datetime | None:
    """When the signatures were last checked; None while a change in trust or policy waits to be taken in."""
    waiting = row["standing"] is None or row["policy"] != DEFAULT.name or row["standing_at"] == UNDECIDED
    return None if waiting else row["standing_at"]


def state_since(row: Row) -> datetime | None:
    """When the version was superseded or recalled; None while it is current."""
    since: datetime | None = (
        row["recalled_at"] if row["state"] == VersionState.RECALLED else row["superseded_at"]
    )
    return since


def public_of(vault: Vault, row: Row, facts: VersionFacts, now: datetime) -> PublicRecord:
    return PublicRecord(
        record_id=facts.record_id,
        version=facts.version,
        state=facts.state,
        current_version=row["current_version"],
        school_name=row["school_name"],
        school_code=row["school_code"],
        level=row["level"],
        grade=row["grade"],
        year=row["year"],
        issued_on=row["issued_on"],
        roles=tuple(Role(role) for role in row["roles"].split()),
        masked_name=open_public(vault, row)["masked_name"],
        since=facts.since,
        recall_reason=facts.recall_reason,
        contact=contact_of(row, now.astimezone(VIETNAM).date()),
    )


def open_public(vault: Vault, row: Row) -> dict[str, str]:
    plain = open_column(
        vault,
        row["wrapped_key"],
        row["public_sealed"],
        column="public_sealed",
        record_id=row["record_id"],
        version=row["version"],
    )
    public: dict[str, str] = json.loads(plain)
    return public


@lru_cache(maxsize=4)
def _decoy(vault: Vault) -> tuple[bytes, bytes]:
    """A data key and a sealed value that belong to nobody, of the usual size."""
    key = vault.new_key()
    plain = json.dumps({"masked_name": "N*** V*** A***", "birth": "00/00/0000"}).encode()
    return key, seal_column(vault, key, plain, column="public_sealed", record_id="", version=0)


def same_work(vault: Vault, birth: str) -> None:
    """What a known record would have cost, so that the time tells nothing."""
    key, sealed = _decoy(vault)
    public = json.loads(open_column(vault, key, sealed, column="public_sealed", record_id="", version=0))
    hmac.compare_digest(public["birth"].encode(), birth.encode())


def file_rows(session: Session, hashes: Iterable[str]) -> dict[str, Row]:
    """Registered files by their SHA-256, each with its version; one query (a report names few hashes)."""
    rows = session.execute(_BY_FILE, {"hashes": list(hashes)})
    return {row.sha256: row._asdict() for row in rows}


def beginnings(session: Session, version: uuid.UUID, size: int) -> tuple[Beginning, ...]:
    """Shorter files of the same version, which a file of ``size`` bytes may continue."""
    rows = session.execute(
        select(_F.c.size, _F.c.sha256, _F.c.registered_at)
        .where(_F.c.version_pk == version, _F.c.size < size)
        .order_by(_F.c.registered_at)
    )
    return tuple(Beginning(row.size, row.sha256, row.registered_at) for row in rows)


def seal_column(
    vault: Vault, wrapped_key: bytes, plain: bytes, *, column: str, record_id: str, version: int
) -> bytes:
    """Seal a column of ``record_versions``; record id and version name the row for ever, on every copy."""
    return vault.seal(
        wrapped_key, plain, table="record_versions", column=column, row=record_id, version=version
    )


def open_column(
    vault: Vault, wrapped_key: bytes, sealed: bytes, *, column: str, record_id: str, version: int
) -> bytes:
    """What :func:`seal_column` sealed. Raises VaultError."""
    return vault.open(
        wrapped_key, sealed, table="record_versions", column=column, row=record_id, version=version
    )


def seal_file(vault: Vault, wrapped_key: bytes, data: bytes, *, sha256: str, version: int) -> bytes:
    """Ciphertext of a version's file, to be stored under its own SHA-256; ``sha256`` is the plaintext's."""
    return vault.seal(
        wrapped_key, data, table="registered_files", column="content", row=sha256, version=version
    )


def open_file(
    vault: Vault, files: FileStore, wrapped_key: bytes, *, stored_name: str, sha256: str, version: int
) -> bytes:
    """The stored file, decrypted. Raises FileNotFoundError, CorruptFile or VaultError."""
    return vault.open(
        wrapped_key,
        files.get(stored_name),
        table="registered_files",
        column="content",
        row=sha256,
        version=version,
    )
