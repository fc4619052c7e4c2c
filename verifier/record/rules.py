"""Values that follow from others: averages, year results, awards, promotion.

Exact decimal arithmetic, half-up to one decimal. Thresholds stand in ``verifier/data/subjects.json``.
Clauses: TT 22/2021 Đ.6–9, 12, 14, 15 for THCS and THPT; TT 27/2020 Đ.9, 11, 13 for primary. For GDTX-THPT
promotion is that of TT 43/2021 Đ.11 (the same three conditions); results and titles use the thresholds of
TT 22/2021. Scores are strings of one decimal with a dot (``"8.3"``), primary test marks whole numbers
(``"9"``). A value outside its scale raises ValueError: callers check the form first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from verifier.record.vocabulary import (
    DATA,
    FAIL,
    GOOD,
    LEVEL_4,
    PASS,
    PRIMARY_RESULTS,
    QUALITY_LEVELS,
    THC,
    Level,
    level_info,
)

SCORE_PATTERN = r"(?:10\.0|[0-9]\.[0-9])"
WHOLE_SCORE_PATTERN = r"(?:10|[0-9])"
MAX_ABSENCES: int = DATA["rules_secondary"]["len_lop"]["max_absence_sessions"]
_RULES = DATA["rules_secondary"]
_TENTH = Decimal("0.1")


def score(text: str) -> Decimal:
    """The number behind a secondary score, 0.0 to 10.0."""
    if not re.fullmatch(SCORE_PATTERN, text):
        raise ValueError(f"not a score of one decimal: {text!r}")
    return Decimal(text)


def regular_scores_required(periods_per_year: int) -> int:
    """Number of regular marks a semester (#ĐĐGtx) by the subject's periods a year (TT 22/2021 Đ.6)."""
    if periods_per_year < 1:
        raise ValueError("a subject has at least one period a year")
    return int(
        next(
            row["n"]
            for row in _RULES["n_thuong_xuyen_by_periods_per_year"]
            if row["max"] is None or periods_per_year <= row["max"]
        )
    )


def semester_average(regular: Sequence[str], midterm: str, final: str) -> str:
    """ĐTBmhk = (ΣTX + 2·GK + 3·CK) / (nTX + 5), half-up: 8.25 is 8.3 (TT 22/2021 Đ.9)."""
    if not regular:
        raise ValueError("a semester has at least one regular mark")
    total = sum((score(s) for s in regular), Decimal(0)) + 2 * score(midterm) + 3 * score(final)
    return _one_decimal(total / (len(regular) + 5))


def year_average(hk1: str, hk2: str) -> str:
    """ĐTBmcn = (HK1 + 2·HK2) / 3, half-up (TT 22/2021 Đ.9)."""
    return _one_decimal((score(hk1) + 2 * score(hk2)) / 3)


def _one_decimal(value: Decimal) -> str:
    return str(value.quantize(_TENTH, ROUND_HALF_UP))


def study_result(scores: Sequence[str], comments: Sequence[str]) -> str:
    """Kết quả học tập of a semester or year: Tốt, Khá, Đạt, Chưa đạt (TT 22/2021 Đ.9.2 and 9.3).

    ``scores``: averages of the scored subjects; ``comments``: Đạt or Chưa đạt of the others. Where the level
    is two or more below Tốt or Khá only because of one single subject, it is raised to the level next to it
    (Đ.9.3): tried by putting the best result in that subject's place.
    """
    numbers = [score(s) for s in scores]
    if any(c not in (PASS, FAIL) for c in comments):
        raise ValueError("a comment subject is Đạt or Chưa đạt")
    failed = sum(c == FAIL for c in comments)
    reached = _study_rank(numbers, failed)
    without_one = [
        _study_rank([*numbers[:i], Decimal(10), *numbers[i + 1 :]], failed) for i in range(len(numbers))
    ]
    if failed:
        without_one.append(_study_rank(numbers, failed - 1))
    if min(without_one, default=reached) <= reached - 2:
        reached -= 1
    return LEVEL_4[reached]


def _study_rank(numbers: Sequence[Decimal], failed: int) -> int:
    """Index in LEVEL_4 (0 is Tốt), before the rule of the single subject."""
    for rank, name in enumerate(LEVEL_4[:-1]):
        rule = _RULES["hoc_tap"][name]
        if (
            failed <= rule["max_chua_dat"]
            and all(n >= Decimal(rule["all_min"]) for n in numbers)
            and sum(n >= Decimal(rule["at_least_min"]) for n in numbers) >= rule["at_least"]
        ):
            return rank
    return len(LEVEL_4) - 1


def conduct_year(hk1: str, hk2: str) -> str:
    """Kết quả rèn luyện of the year from those of the semesters (TT 22/2021 Đ.8.2)."""
    try:
        return str(_RULES["ren_luyen_nam_by_hk2_then_hk1"][hk2][hk1])
    except KeyError:
        raise ValueError(f"not conduct levels: {hk1!r}, {hk2!r}") from None


def may_be_reassessed(value: str) -> bool:
    """Whether a subject with this year value may be assessed again: Chưa đạt, or below 5.0 (Đ.14)."""
    return value == FAIL or (value != PASS and score(value) < Decimal(_RULES["danh_gia_lai_below"]))


def promoted(conduct: str, study: str, absences: int) -> bool:
    """Được lên lớp, or the programme completed in grades 9 and 12 (TT 22/2021 Đ.12; TT 43/2021 Đ.11).

    ``conduct`` and ``study`` are those of the year, after summer training and re-assessment, if any.
    """
    return (
        at_least(conduct, _RULES["len_lop"]["ren_luyen_min"])
        and at_least(study, _RULES["len_lop"]["hoc_tap_min"])
        and absences <= MAX_ABSENCES
    )


def at_least(level: str, wanted: str) -> bool:
    """Whether a level of four is ``wanted`` or better."""
    return LEVEL_4.index(level) <= LEVEL_4.index(wanted)


def secondary_award(level: Level | str, conduct: str, study: str, year_scores: Sequence[str]) -> str | None:
    """The title a pupil has earned at the end of the year, or None (TT 22/2021 Đ.15).

    ``year_scores``: ĐTBmcn of the scored subjects. The title of a GDTX learner begins with "Học viên".
    """
    if conduct != GOOD or study != GOOD:
        return None
    numbers = [score(s) for s in year_scores]
    for title in level_info(level).awards:  # best first
        rule = next(r for name, r in _RULES["danh_hieu"].items() if title.endswith(name))
        if sum(n >= Decimal(rule["min"]) for n in numbers) >= rule["at_least"]:
            return title
    return None


def primary_result(levels: Sequence[str], tests: Sequence[str], qualities: Sequence[str]) -> str:
    """Kết quả giáo dục of a primary year (TT 27/2020 Đ.9.2).

    ``levels``: T, H or C of every subject; ``tests``: end-of-year marks of the tested ones; ``qualities``:
    T, Đ or C of every phẩm chất and năng lực.
    """
    if any(v not in THC for v in levels) or any(v not in QUALITY_LEVELS for v in qualities):
        raise ValueError("levels are T, H, C; qualities are T, Đ, C")
    if any(not re.fullmatch(WHOLE_SCORE_PATTERN, t) for t in tests):
        raise ValueError("a test mark is a whole number from 0 to 10")
    best_level, best_quality = THC[0], QUALITY_LEVELS[0]
    minimum = DATA["scales"]["tieu_hoc_year_result"]["min_year_test"]
    worst = min((int(t) for t in tests), default=10)
    excellent, good, completed, not_completed = PRIMARY_RESULTS
    if all(v == best_level for v in levels) and all(q == best_quality for q in qualities):
        if worst >= minimum[excellent]:
            return excellent
        if worst >= minimum[good]:
            return good
    failed = any(v == THC[-1] for v in levels) or any(q == QUALITY_LEVELS[-1] for q in qualities)
    return not_completed if failed or worst < minimum[completed] else completed


def primary_award(result: str) -> str | None:
    """The year-end title open to a pupil with this result (TT 27/2020 Đ.13.1a), or None.

    The second title also takes a marked success or progress that the class recognises: it is open, not due.
    """
    excellent, good, *_ = PRIMARY_RESULTS
    first, second = level_info(Level.TIEU_HOC).awards
    return {excellent: first, good: second}.get(result)


def primary_completed(result: str) -> bool:
    """Whether the class programme is confirmed as completed (TT 27/2020 Đ.11)."""
    if result not in PRIMARY_RESULTS:
        raise ValueError(f"not a primary result: {result!r}")
    return result != PRIMARY_RESULTS[-1]


def outcome_phrases(level: Level | str, grade: int, field: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The (positive, negative) wordings of an outcome field; the first of each is the form's own.

    ``field``: ``hoan_thanh`` (primary), ``ket_qua_len_lop``, or ``hoan_thanh_ct`` (grades 9 and 12).
    """
    level = Level(level)
    outcomes = DATA["year_outcomes"]
    if field == "ket_qua_len_lop":
        return tuple(outcomes["len_lop"]["passed"]), tuple(outcomes["len_lop"]["failed"])
    if field == "hoan_thanh_ct" and level is not Level.TIEU_HOC:
        return tuple(outcomes[level.value]["passed"]), tuple(outcomes[level.value]["failed"])
    if field != "hoan_thanh" or level is not Level.TIEU_HOC:
        raise ValueError(f"{field} is not an outcome of {level}")
    primary = outcomes[level.value]
    passed = [*primary["passed"], *(f"{p.removesuffix('học')}{grade}" for p in primary["passed"])]
    failed = [*primary["failed"], *(f"{p.removesuffix('học')}{grade}" for p in primary["failed"])]
    if is_last_grade(level, grade):
        passed, failed = [*primary["passed_last"], *passed], [*primary["failed_last"], *failed]
    return tuple(passed), tuple(failed)


def is_last_grade(level: Level | str, grade: int) -> bool:
    """Grades 5, 9 and 12, where a programme is completed."""
    return grade == level_info(level).grades[-1]
