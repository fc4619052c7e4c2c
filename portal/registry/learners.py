"""One pupil across schools and years: which records are of the same pupil, for a holder linked to one.

A record names its pupil by the code of its own school, which means nothing to another school. What all
schools know is the personal number, and schools mistype it. A wrong number alone would open a stranger's
record to a family, so two records count as one pupil's only if number *and* birth date agree, both as the
newest version has them, byte for byte. A slip in either then parts two records of one pupil, which the family
notices and the school corrects; it joins no strangers, unless one school enters both the number and the birth
date of another child into one record. Twins share the birth date: their numbers have to be mixed up for one
to show the other's.

Nothing is guessed: without a number, or with only the year of birth in one of two records, they stay apart.
Only one step is taken: from the records that the school itself names to those that agree with one of them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, selectinload

from portal.registry.models import Record, RecordVersion
from portal.registry.rows import open_column
from portal.vault import DESTROYED, Vault
from verifier import record as records
from verifier.report import Role
from verifier.verdict import VersionState

_ADULTS: Final = ("me_ho_ten", "cha_ho_ten", "nguoi_giam_ho_ho_ten")
_BATCH: Final = 200  # records opened in one transaction of :func:`fill`


@dataclass(frozen=True, slots=True)
class PupilVersion:
    """One version of a pupil's record; ``since`` tells when it was superseded or recalled."""

    version: int
    state: VersionState
    digest: bytes
    school_name: str
    roles: tuple[Role, ...]
    issued_on: date
    registered_at: datetime
    since: datetime | None
    recall_reason: str | None


@dataclass(frozen=True, slots=True)
class PupilRecord:
    """One record of a pupil, its versions oldest first. ``own`` says that the school which was asked about
    names this pupil itself; else number and birth date do.
    """

    key: uuid.UUID
    record_id: str
    school_code: str
    pupil_index: str
    own: bool
    level: str
    grade: int
    year: str
    versions: tuple[PupilVersion, ...]

    @property
    def newest(self) -> PupilVersion:
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class Pupil:
    """Who a school's pupil is by its records: names and birth date of the latest year, and every birth date
    that one of them has (``dd/MM/yyyy`` or ``yyyy``). Empty where the record names nobody.
    """

    name: str
    birth: str
    births: tuple[str, ...]
    mother: str
    father: str
    guardian: str


def learner_index(vault: Vault, fields: Mapping[str, Any]) -> str | None:
    """The blind index of a version's pupil, by personal number and birth date; None without a number."""
    number = fields.get("so_dinh_danh_ca_nhan")
    if not number:
        return None
    return vault.blind_index(f"{number}/{fields['ngay_sinh']}", domain="learner")


def pupil_index(vault: Vault, school_code: str, pupil_code: str) -> str:
    """The blind index of a pupil as their school calls them."""
    return vault.blind_index(f"{school_code}/{pupil_code}", domain="pupil")


def records_of(session: Session, school_code: str, pupil: str) -> tuple[PupilRecord, ...]:
    """All records of a pupil, by year: those under ``pupil`` (a blind index) at the school, and those of the
    same number and birth date as one of them.
    """
    mine = (Record.school_code == school_code, Record.pupil_index == pupil)
    found = session.scalars(
        select(Record)
        .where(or_(mine[0] & mine[1], Record.learner_index.in_(_learners(*mine))))
        .order_by(Record.year, Record.created_at)
        .options(selectinload(Record.versions))
    )
    return tuple(
        PupilRecord(
            record.id,
            record.record_id,
            record.school_code,
            record.pupil_index,
            (record.school_code, record.pupil_index) == (school_code, pupil),
            record.level,
            record.grade,
            record.year,
            tuple(_version(v) for v in record.versions),
        )
        for record in found
    )


def keys_of(session: Session, pupil: str) -> tuple[uuid.UUID, ...]:
    """The rows of all records of a pupil, as :func:`records_of`; an index is of one school's pupil alone."""
    wanted = select(Record.id).where(
        or_(Record.pupil_index == pupil, Record.learner_index.in_(_learners(Record.pupil_index == pupil)))
    )
    return tuple(session.scalars(wanted))


def newest_years(session: Session, pupil: str) -> Mapping[str, str]:
    """Every index that names the pupil of this one, at whatever school -> the newest year with a record."""
    rows = session.execute(
        select(Record.pupil_index, func.max(Record.year).label("newest"))
        .where(Record.id.in_(keys_of(session, pupil)))
        .group_by(Record.pupil_index)
    )
    return {row.pupil_index: row.newest for row in rows}


def _learners(*which: ColumnElement[bool]) -> Select[str | None]:
    """What all schools know the pupil of these records by."""
    return select(Record.learner_index).where(*which, Record.learner_index.is_not(None))


def pupil_of(session: Session, vault: Vault, school_code: str, pupil: str) -> Pupil | None:
    """Who the school's records under ``pupil`` (a blind index) are of, None when it has none. What was
    recalled says nothing as long as something else does.
    """
    found = session.scalars(
        select(Record)
        .where(Record.school_code == school_code, Record.pupil_index == pupil)
        .order_by(Record.year)
        .options(selectinload(Record.versions))
    ).all()
    standing = [r for r in found if r.versions[-1].state != VersionState.RECALLED] or found
    fields = [_fields(vault, record, record.versions[-1]) for record in standing]
    if not fields:
        return None
    births = tuple(dict.fromkeys(str(each["ngay_sinh"]) for each in reversed(fields)))
    adults = (str(fields[-1].get(name) or "") for name in _ADULTS)
    return Pupil(str(fields[-1]["ho_va_ten"]), births[0], births, *adults)


def pupils_like(session: Session, record_id: str) -> tuple[tuple[str, str], ...]:
    """Every (school code, pupil index) whose holders see this record: its own, and those of records with the
    same number and birth date.
    """
    own = session.execute(
        select(Record.school_code, Record.pupil_index, Record.learner_index).where(
            Record.record_id == record_id
        )
    ).one()
    pairs = {(own.school_code, own.pupil_index)}
    if own.learner_index is not None:
        others = select(Record.school_code, Record.pupil_index).where(
            Record.learner_index == own.learner_index
        )
        pairs.update((row.school_code, row.pupil_index) for row in session.execute(others))
    return tuple(sorted(pairs))


def fill(session: Session, vault: Vault, *, after: uuid.UUID | None = None) -> uuid.UUID | None:
    """Give records of before their index, a batch: those without one whose key follows ``after``. Answers the
    last key looked at, None when nothing is left; the caller commits and repeats.
    """
    wanted = (
        select(Record)
        .where(Record.learner_index.is_(None), Record.wrapped_key != DESTROYED)
        .order_by(Record.id)
        .limit(_BATCH)
    )
    if after is not None:
        wanted = wanted.where(Record.id > after)
    batch = session.scalars(wanted.with_for_update().options(selectinload(Record.versions))).all()
    for record in batch:
        record.learner_index = learner_index(vault, _fields(vault, record, record.versions[-1]))
    session.flush()
    return batch[-1].id if batch else None


def _fields(vault: Vault, record: Record, version: RecordVersion) -> dict[str, Any]:
    plain = open_column(
        vault,
        record.wrapped_key,
        version.disclosures_sealed,
        column="disclosures_sealed",
        record_id=record.record_id,
        version=version.version,
    )
    return records.open_disclosures(json.loads(version.header), tuple(json.loads(plain)))


def _version(row: RecordVersion) -> PupilVersion:
    state = VersionState(row.state)
    return PupilVersion(
        row.version,
        state,
        row.digest,
        row.school_name,
        tuple(Role(role) for role in row.roles.split()),
        row.issued_on,
        row.registered_at,
        row.recalled_at if state is VersionState.RECALLED else row.superseded_at,
        row.recall_reason,
    )
