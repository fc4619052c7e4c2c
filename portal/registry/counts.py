"""How many records there are, in numbers from which no pupil can be told.

A count of one to four is a handful of children, so it is not shown, and no total is given of which a hidden
count could be the rest: totals add up what is shown. There is one table and one way to cut it; a second one
would let a reader subtract the two.

Nor can tables of two days be subtracted: numbers are those of the end of the last month in Vietnam, so they
stand still for a month, and they are rounded down to a multiple of five, so that a month in which one record
was issued, corrected or recalled looks like one in which none was, or like one with several.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from portal.registry.models import Record, RecordVersion
from verifier.words import VIETNAM

#: The least number of pupils that may be shown, and the step of every number.
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


def closing(now: datetime) -> datetime:
    """The end of the last month that is over, in Vietnam's time."""
    return now.astimezone(VIETNAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def counts(session: Session, schools: Collection[str], *, now: datetime) -> tuple[Count, ...]:
    """Every school, year and level that had records at :func:`closing`, by school, newest year first."""
    end = closing(now)
    # A version was current then unless it had been followed or recalled.
    followed = and_(RecordVersion.superseded_at.is_not(None), RecordVersion.superseded_at < end)
    recalled_by_then = and_(RecordVersion.recalled_at.is_not(None), RecordVersion.recalled_at < end)
    versions = (
        select(
            RecordVersion.record_pk,
            func.max(RecordVersion.version).label("newest"),
            func.max(case((or_(followed, recalled_by_then), 0), else_=1)).label("current"),
        )
        .where(RecordVersion.registered_at < end)
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
    """The number, rounded down, unless it is a handful, or leaves a handful of those that it is ``of``."""
    return None if 0 < number < LEAST or 0 < of - number < LEAST else number - number % LEAST
