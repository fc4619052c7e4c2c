"""How many records there are, in numbers from which no pupil can be told.

A count of one to four is a handful of children, so it is not shown, and no total is given of which a hidden
count could be the rest: totals add up what is shown. There is one table and one way to cut it; a second one
would let a reader subtract the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from portal.registry.models import Record, RecordVersion
from verifier.verdict import VersionState

#: The least number of pupils that may be shown.
LEAST: Final = 5


@dataclass(frozen=True, slots=True)
class Count:
    """One school's records of one year and level. None stands for one to four."""

    school_code: str
    year: str
    level: str
    records: int | None
    corrected: int | None  # records with a second version or a later one
    recalled: int | None  # records none of whose versions is current


def counts(session: Session, schools: Collection[str]) -> tuple[Count, ...]:
    """Every school, year and level that has records, by school, newest year first."""
    versions = (
        select(
            RecordVersion.record_pk,
            func.max(RecordVersion.version).label("newest"),
            func.max(case((RecordVersion.state == VersionState.CURRENT.value, 1), else_=0)).label("current"),
        )
        .group_by(RecordVersion.record_pk)
        .subquery()
    )
    rows = session.execute(
        select(
            Record.school_code,
            Record.year,
            Record.level,
            func.count(),
            func.sum(case((versions.c.newest > 1, 1), else_=0)),
            func.sum(case((versions.c.current == 0, 1), else_=0)),
        )
        .join(versions, versions.c.record_pk == Record.id)
        .where(Record.school_code.in_(schools))
        .group_by(Record.school_code, Record.year, Record.level)
        .order_by(Record.school_code, Record.year.desc(), Record.level)
    )
    return tuple(
        Count(school, year, level, shown(every), shown(int(corrected), every), shown(int(recalled), every))
        for school, year, level, every, corrected, recalled in rows
    )


def shown(number: int, of: int = 0) -> int | None:
    """The number, unless it is a handful, or leaves a handful of those that it is ``of``."""
    return None if 0 < number < LEAST or 0 < of - number < LEAST else number
