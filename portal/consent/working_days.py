"""Working days in Vietnam: Monday to Friday without public holidays (Bộ luật Lao động 2019 Đ.112).

Holidays are data, with the days off in lieu of those on a weekend (Đ.111.3). A day that is not in the table
counts as a working day, so a deadline can only come out earlier than the law's, never later: that is how a
year is handled whose days off have not been announced yet.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

#: Of every year: New Year, 30 April, 1 May, National Day.
_FIXED: Final = frozenset({(1, 1), (4, 30), (5, 1), (9, 2)})
#: Tết, Giỗ Tổ (10/3 âm lịch), the second day of National Day, days in lieu.
_MOVING: Final = frozenset(
    date.fromisoformat(day)
    for day in (
        # 2026: Tết Bính Ngọ on 17 February; 10/3 on Sunday, 26 April
        "2026-02-16",
        "2026-02-17",
        "2026-02-18",
        "2026-02-19",
        "2026-02-20",
        "2026-04-27",
        "2026-09-01",
        # 2027: Tết Đinh Mùi on Saturday, 6 February; 10/3 on 16 April; 1 May on Saturday
        "2027-02-05",
        "2027-02-08",
        "2027-02-09",
        "2027-02-10",
        "2027-02-11",
        "2027-04-16",
        "2027-05-03",
    )
)


def is_working_day(day: date) -> bool:
    """Whether offices are open."""
    return day.weekday() < 5 and (day.month, day.day) not in _FIXED and day not in _MOVING


def after(day: date, count: int) -> date:
    """The ``count``-th working day after ``day``."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day)
    return day
