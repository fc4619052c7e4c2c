"""SEC-39: what is sealed opens in its own place only, column by column of the real tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from portal.database import Base
from portal.filestore import ObjectFiles, name_of
from portal.issuing.intents import Held, Intent, Job, read, seal_held, seal_intent
from portal.issuing.models import Issuance, Stage
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.registry.rows import open_column, seal_file
from portal.vault import Vault, VaultError
from tests.conftest import NOW
from tests.portal.web.world import Issued, enter
from verifier import record as records


def _version(session: Session, vault: Vault, record: str, version: int, column: str) -> object:
    row = session.query(RecordVersion).join(Record).filter(Record.record_id == record)
    found = row.filter(RecordVersion.version == version).one()
    return open_column(
        vault,
        found.record.wrapped_key,
        getattr(found, column),
        column=column,
        record_id=record,
        version=version,
    )


def _issuance(session: Session, vault: Vault, record: str, version: int, column: str) -> object:
    return read(vault, session.query(Issuance).filter_by(record_id=record, version=version).one())


#: How the portal itself opens each sealed column; every one of the schema is here, or the test below fails.
OPEN: Final[Mapping[tuple[str, str], Callable[[Session, Vault, str, int, str], object]]] = {
    ("record_versions", "disclosures_sealed"): _version,
    ("record_versions", "public_sealed"): _version,
    ("issuances", "intent_sealed"): _issuance,
    ("issuances", "stage_sealed"): _issuance,
}

#: Where a row of a table is found by record id and version, for plain SQL.
_WHERE: Final = {
    "record_versions": "version = :version AND record_pk ="
    " (SELECT id FROM records WHERE record_id = :record)",
    "issuances": "version = :version AND record_id = :record",
}


def test_every_sealed_column_is_tried_sec_39() -> None:
    """SEC-39: a new ``*_sealed`` column has to be added to :data:`OPEN`, and then is tried below."""
    there = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if "sealed" in column.name and column.name not in ("sealed_sha256", "sealed_name")
    }
    assert there == set(OPEN)


@pytest.fixture
def two(session: Session, vault: Vault) -> tuple[Issued, Issued]:
    """Two records of two versions each, all with an issuance that waits for a signature."""
    made: list[Issued] = []
    for grade in (4, 5):
        first = enter(session, vault, NOW, grade=grade)
        second = enter(session, vault, NOW, grade=grade, before=first)
        for issued in (first, second):
            _wait(session, vault, issued)
        made.append(first)
    session.commit()
    return made[0], made[1]


def _wait(session: Session, vault: Vault, issued: Issued) -> None:
    record = records.parse(issued.data)
    intent = Intent(
        record=record,
        record_id=issued.locator.record_id,
        version=issued.version,
        header=dict(issued.header),
        disclosures=issued.disclosures,
        seats=(),
        school_name="Trường thử",
        url="https://hocba.example.vn",
        system_name="Thử",
        owner="Thử",
        reserved_at=NOW,
        reason="",
    )
    row = Issuance(
        school_code=record.issuer,
        pupil_index=vault.blind_index(issued.locator.record_id, domain="pupil"),
        year=record.year,
        version=issued.version,
        record_id=issued.locator.record_id,
        content_index="0" * 64,
        stage=Stage.WAITING,
        wrapped_key=issued.wrapped_key,
        issued_on=record.issued_on,
        created_at=NOW,
        updated_at=NOW,
    )
    row.id = row.batch = uuid.uuid4()
    row.intent_sealed = seal_intent(vault, row, intent)
    job = Job(
        id=row.id,
        stage=Stage.WAITING,
        school_code=row.school_code,
        pupil_index=row.pupil_index,
        wrapped_key=row.wrapped_key,
        intent=intent,
        held=None,
        next_field=None,
        sealed_sha256=None,
        sealed_name=None,
    )
    row.stage_sealed = seal_held(vault, job, Held(issued.file, 0))
    session.add(row)
    session.flush()


Place = tuple[str, str, str, int]  # table, column, record id, version


def _value(session: Session, place: Place) -> bytes:
    table, column, record, version = place
    return bytes(
        session.execute(
            text(f"SELECT {column} FROM {table} WHERE {_WHERE[table]}"),  # noqa: S608 - names of ours
            {"record": record, "version": version},
        ).scalar_one()
    )


def _put(session: Session, place: Place, value: bytes) -> None:
    table, column, record, version = place
    session.execute(
        text(f"UPDATE {table} SET {column} = :value WHERE {_WHERE[table]}"),  # noqa: S608 - names of ours
        {"value": value, "record": record, "version": version},
    )


def _opens(session: Session, vault: Vault, place: Place) -> None:
    table, column, record, version = place
    session.expire_all()
    OPEN[table, column](session, vault, record, version, column)


@pytest.mark.parametrize(("table", "column"), sorted(OPEN))
def test_swapped_ciphertexts_do_not_open_sec_39(
    session: Session, vault: Vault, two: tuple[Issued, Issued], table: str, column: str
) -> None:
    """SEC-39: between rows, versions and columns, by plain SQL on the real table; in place they open."""
    one, other = (issued.locator.record_id for issued in two)
    here: Place = (table, column, one, 1)
    sibling = next(c for t, c in OPEN if t == table and c != column)
    others: list[Place] = [
        (table, column, other, 1),  # another record's row
        (table, column, one, 2),  # another version under the same key
        (table, sibling, one, 1),  # another column of the same row
        next((t, c, one, 1) for t, c in sorted(OPEN) if t != table),  # another table, the same key
    ]
    for there in others:
        mine, theirs = _value(session, here), _value(session, there)
        _opens(session, vault, here)
        _opens(session, vault, there)
        _put(session, here, theirs)
        _put(session, there, mine)
        for place in (here, there):
            with pytest.raises(VaultError):
                _opens(session, vault, place)
        session.rollback()


def test_a_key_moved_to_another_record_opens_nothing_sec_39(
    session: Session, vault: Vault, two: tuple[Issued, Issued]
) -> None:
    """SEC-39: not even with the wrapped key that belongs to the ciphertext, for the row is bound as well."""
    one, other = (issued.locator.record_id for issued in two)
    for column in ("disclosures_sealed", "public_sealed"):
        theirs = _value(session, ("record_versions", column, one, 1))
        _put(session, ("record_versions", column, other, 1), theirs)
    session.execute(
        text(
            "UPDATE records SET wrapped_key = (SELECT wrapped_key FROM records WHERE record_id = :one)"
            " WHERE record_id = :other"
        ),
        {"one": one, "other": other},
    )
    for column in ("disclosures_sealed", "public_sealed"):
        with pytest.raises(VaultError):
            _opens(session, vault, ("record_versions", column, other, 1))


def test_swapped_files_do_not_open_sec_39(
    session: Session, vault: Vault, files: ObjectFiles, two: tuple[Issued, Issued]
) -> None:
    """SEC-39: a stored file is bound to the SHA-256 that the registry has for it, and to its version."""
    rows = session.query(RegisteredFile).order_by(RegisteredFile.id).all()
    for row in rows:
        key, version = row.version.record.wrapped_key, row.version.version
        sealed = seal_file(vault, key, row.sha256.encode(), sha256=row.sha256, version=version)
        files.put_new(name_of(sealed), sealed)
        row.stored_name = name_of(sealed)
    session.commit()
    names = {row.sha256: row.stored_name for row in rows}
    for sha in names:
        assert registry.read_file(session, vault, files, sha) == sha.encode()
    for moved in ([1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]):
        for row in rows:
            row.stored_name = "-" + row.stored_name
        session.flush()
        for row, index in zip(rows, moved, strict=True):
            row.stored_name = list(names.values())[index]
        session.flush()
        for sha in names:
            with pytest.raises(VaultError):
                registry.read_file(session, vault, files, sha)
        session.rollback()
