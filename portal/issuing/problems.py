"""Problems of many rows, put so that a clerk reads each of them once and none is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from typing import Final

from verifier.errors import Problem

#: ``dòng 5, ô C5 (mon.TOAN.hk1)``: row, letters of the column, what stands there.
_PLACE: Final = re.compile(r"dòng ([0-9]+)(?:, ô ([A-Z]+)[0-9]+)?(.*)", re.DOTALL)


def row_of(problem: Problem) -> int:
    """The row a problem is about; 0 for what concerns the whole file, which therefore sorts first."""
    found = _PLACE.fullmatch(problem.where)
    return int(found[1]) if found else 0


def once(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same sentence about the same column is said at its first row, with all its other rows.

    What is wrong with a signer is the same wherever it is met, whatever the field. Other rows are named one
    by one; records that have no row (they wait for a signature) are counted.
    """
    kept: dict[object, Problem] = {}
    places: dict[object, dict[str, int]] = {}
    for number, problem in enumerate(problems):
        found = _PLACE.fullmatch(problem.where)
        key: object = number
        if problem.code == "no_signer" or problem.code.startswith("signer_"):
            key = (problem.code, problem.message)
        elif found:
            key = (problem.code, problem.message, found[2], found[3])
        kept.setdefault(key, problem)
        place = f"dòng {found[1]}" if found else problem.where.split(", ")[0]
        places.setdefault(key, {})[place] = int(found[1]) if found else 0
    return tuple(_with_others(problem, list(places[key].values())[1:]) for key, problem in kept.items())


def ranges(numbers: Iterable[int]) -> str:
    """``3–5, 9`` for 3, 4, 5 and 9."""
    runs = groupby(enumerate(sorted(set(numbers))), key=lambda item: item[1] - item[0])
    ends = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in ends)


def _with_others(problem: Problem, others: list[int]) -> Problem:
    rows = [number for number in others if number]
    also = [f"dòng {ranges(rows)}"] if rows else []
    if len(rows) < len(others):
        also.append(f"{len(others) - len(rows)} học bạ khác")
    if not also:
        return problem
    stop = "" if problem.message.endswith((".", "?")) else "."
    return replace(problem, message=f"{problem.message}{stop} (Cũng ở {' và '.join(also)}.)")
