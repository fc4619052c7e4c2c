"""When the records of a school year are closed, and what it takes to correct one after that.

The department's regulation closes a year's records on two days ("chốt dữ liệu"): for pupils who completed the
grade, and for those who were assessed once more in summer. Until then the school corrects by itself; later
its department approves each correction. The days are data (``LockDate``), a department's and a year's; where
a department said nothing, those of the one regulation that is known count.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.issuing.models import CorrectionState, LateCorrection, LockDate
from portal.registry.service import OpenRecord
from portal.trust import store as trust
from verifier.errors import InvalidInput, Problem
from verifier.locator import group
from verifier.record import Record

#: Last open day (month, day) of the year in which a school year ends, by whether it is of those who were
#: assessed once more.
USUAL: Final[Mapping[bool, tuple[int, int]]] = {False: (6, 30), True: (8, 15)}
_BEGINS: Final = 8  # month
_YEAR: Final = re.compile(r"[0-9]{4}-[0-9]{4}")
_AGAIN: Final = ("kq_ren_luyen_sau_he", "kq_hoc_tap_sau_danh_gia_lai")


def last_open_day(session: Session, department_code: str, year: str, *, supplementary: bool) -> date:
    """The last day on which a school of this department corrects a record of ``year`` by itself."""
    said = session.scalar(
        select(LockDate.day).filter_by(
            department_code=department_code, year=year, supplementary=supplementary
        )
    )
    return said or date(int(year[-4:]), *USUAL[supplementary])


def school_years(today: date) -> tuple[str, ...]:
    """The school year that runs, from August on, and the two before it, the newest first."""
    first = today.year if today.month >= _BEGINS else today.year - 1
    return tuple(f"{year}-{year + 1}" for year in range(first, first - 3, -1))


@dataclass(frozen=True, slots=True)
class LockDay:
    """The last open day of a school year for one of its two groups; ``said``: the department set it."""

    year: str
    supplementary: bool
    day: date
    said: bool


def lock_days(session: Session, department_code: str, years: Iterable[str]) -> tuple[LockDay, ...]:
    """Both days of each of ``years`` and of every year that the department spoke of, newest year first."""
    said = {
        (row.year, row.supplementary): row.day
        for row in session.scalars(select(LockDate).filter_by(department_code=department_code))
    }
    every = sorted({*years, *(year for year, _ in said)}, reverse=True)
    return tuple(
        LockDay(
            year,
            again,
            said.get((year, again)) or date(int(year[-4:]), *USUAL[again]),
            (year, again) in said,
        )
        for year in every
        for again in (False, True)
    )


def set_last_open_day(
    session: Session,
    department_code: str,
    year: str,
    day: date,
    *,
    supplementary: bool,
    actor: Actor,
    now: datetime,
) -> None:
    """What a department says of a year; said again, it replaces what was said before. Raises InvalidInput for
    a year or department that is none.
    """
    problems: list[Problem] = []
    if not _YEAR.fullmatch(year) or int(year[5:]) != int(year[:4]) + 1:
        problems.append(Problem("year", "year", "Năm học có dạng 2025-2026."))
    elif not date(int(year[5:]), 1, 1) <= day <= date(int(year[5:]), 12, 31):
        problems.append(Problem("day", "day", f"Ngày chốt phải thuộc năm {year[5:]}."))
    if department_code not in trust.department_names(session):
        problems.append(Problem("department", "unknown_department", f"Chưa có sở mang mã {department_code}."))
    if problems:
        raise InvalidInput(tuple(problems))
    row = session.scalar(
        select(LockDate).filter_by(department_code=department_code, year=year, supplementary=supplementary)
    )
    if row is None:
        row = LockDate(
            id=uuid.uuid4(), department_code=department_code, year=year, supplementary=supplementary, day=day
        )
        session.add(row)
    row.day = day
    event = Event(
        actor,
        Action.LATE_CORRECTION,
        Object("department", department_code),
        organisation=department_code,
        details={
            "change": "lock_date_again" if supplementary else "lock_date",
            "until": day.isoformat(),
        },
    )
    audit.record(session, event, now=now)


def closed_since(session: Session, school_code: str, before: OpenRecord, *more: Mapping[str, Any]) -> date:
    """The last open day of the record whose newest version is ``before``. Whoever was assessed once more, by
    ``before`` or the fields ``more`` of what is to follow it, or was issued a record only after the first
    day, has until the second.
    """
    department = trust.department_of(session, school_code) or ""
    year = str(before.header["year"])
    first = last_open_day(session, department, year, supplementary=False)
    again = any(_assessed_again(fields) for fields in (before.fields, *more))
    if again or date.fromisoformat(before.header["issued_on"]) > first:
        return last_open_day(session, department, year, supplementary=True)
    return first


def problems(
    session: Session, record: Record, before: OpenRecord, version: int, today: date
) -> list[Problem]:
    """Why ``record`` may not follow ``before`` as ``version`` on this day; nothing when it may."""
    last = closed_since(session, record.issuer, before, record.to_input())
    if today <= last:
        return []
    states = session.scalars(
        select(LateCorrection.state).filter_by(
            school_code=record.issuer, record_id=before.record_id, version=version
        )
    ).all()
    if CorrectionState.APPROVED in states:
        return []
    said = f"Học bạ {group(before.record_id)} đã chốt sau ngày {last:%d/%m/%Y}"
    if CorrectionState.WAITING in states:
        return [Problem("ma_hoc_sinh", "late_waiting", f"{said}; đề nghị sửa đang chờ Sở duyệt.")]
    if CorrectionState.REFUSED in states:
        return [Problem("ma_hoc_sinh", "late_refused", f"{said}; Sở đã từ chối đề nghị sửa.")]
    return [
        Problem(
            "ma_hoc_sinh",
            "late",
            f"{said}; hiệu trưởng đề nghị Sở cho sửa (mục “Sửa sau ngày chốt”), Sở duyệt rồi mới cấp bản "
            "sửa.",
        )
    ]


def _assessed_again(fields: Mapping[str, Any]) -> bool:
    rows = (value for name, value in fields.items() if name.startswith("mon."))
    return any(fields.get(name) for name in _AGAIN) or any(
        isinstance(row, Mapping) and row.get("sau_danh_gia_lai") for row in rows
    )
