"""Answers from a code: scanned, typed, or compared with what stands on the paper.

A code is never the paper: the answers here carry the evidence ``code``, and ``paper_compared`` only after
the blind match. Of that match one yes or no leaves this module, after the same work whatever was right.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.errors import Refusal
from portal.lookup.models import MatchAttempt
from portal.registry import service as registry
from portal.registry.service import PublicRecord
from portal.vault import Vault
from verifier.locator import Locator, Typed
from verifier.record import Level, comparison_key, subjects
from verifier.report import Medium, ValidationReport
from verifier.verdict import CodeFacts, CodeKind, RegistryFacts, Verdict, decide

#: Wrong tries of the blind match that a record takes: (tries, window). Never a permanent lock: each window
#: passes.
WRONG_TRIES: Final = ((5, timedelta(minutes=15)), (20, timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The verdict on a code, with what everyone may see of the record; ``locator`` names the exact
    version.
    """

    verdict: Verdict
    report: ValidationReport
    record: PublicRecord | None = None
    locator: Locator | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """What somebody typed from a paper.

    ``results`` maps ``mon.<CODE>`` to the printed cells: secondary ``(whole year,)``, primary ``(level,
    score)``; an empty text for an empty cell. A subject that is not on the paper has only empty cells.
    """

    name: str
    birth: str
    results: Mapping[str, tuple[str, ...]]


class TooManyTries(Refusal):
    """The record was compared wrongly too often of late. ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too_many_tries", "Học bạ này vừa được đối chiếu sai nhiều lần.")
        self.retry_after = retry_after


def malformed(now: datetime) -> CodeAnswer:
    """The answer to a code that breaks the grammar. No database is asked."""
    return _answer(CodeFacts(CodeKind.MALFORMED), now)


def by_locator(session: Session | Connection, vault: Vault, locator: Locator, *, now: datetime) -> CodeAnswer:
    """The public answer to a scanned code."""
    try:
        code, record = registry.look_up_locator(session, vault, locator, now=now)
    except DBAPIError:
        return unavailable(now)
    return _answer(code, now, record, locator)


def by_typed(session: Session, vault: Vault, typed: Typed, birth: str, *, now: datetime) -> CodeAnswer:
    """The answer to a typed code with a birth date, in the registry's spelling of dates."""
    try:
        code, record = registry.look_up_typed(
            session, vault, typed.record_id, typed.short_digest, birth, now=now
        )
    except DBAPIError:
        return unavailable(now)
    return _answer(code, now, record)


def unavailable(now: datetime) -> CodeAnswer:
    """The registry could not be read: no statement about the record."""
    return _answer(None, now, available=False)


def compare(session: Session, vault: Vault, locator: Locator, paper: Paper, *, now: datetime) -> CodeAnswer:
    """The blind match: is what stands on the paper what the school issued under this code?

    Name, birth date and the whole "Cả năm" column (primary: every level and score) must match; one wrong
    cell is a no. Raises TooManyTries before anything is compared when the record has had its share of wrong
    tries.
    """
    # 1 Only a code that names an issued version can be compared with.
    code, record = registry.look_up_locator(session, vault, locator, now=now)
    if code.kind is not CodeKind.VERSION or code.version is None:
        return _answer(code, now, record, locator)

    # 2 One comparison of a record at a time, so that many at once are still counted one after the other.
    _serialise(session, locator.record_id)
    wait = _retry_after(session, locator.record_id, now)
    if wait:
        raise TooManyTries(wait)

    # 3 The comparison, over everything, without stopping at a difference.
    issued = registry.open_record(session, vault, locator.record_id, code.version.version)
    if issued is None:
        raise LookupError("a registered version has no content")
    same = _same(paper, issued.fields, str(issued.header["level"]), int(issued.header["grade"]))

    # 4 A wrong try is counted, and those that count no more are dropped; what was typed is not kept.
    if not same:
        longest = max(window for _, window in WRONG_TRIES)
        session.execute(
            delete(MatchAttempt).where(
                MatchAttempt.record_id == locator.record_id, MatchAttempt.at <= now - longest
            )
        )
        session.add(MatchAttempt(record_id=locator.record_id, at=now))
        session.flush()
    return _answer(code, now, record, locator, compared=same)


def _answer(
    code: CodeFacts | None,
    now: datetime,
    record: PublicRecord | None = None,
    locator: Locator | None = None,
    *,
    compared: bool | None = None,
    available: bool = True,
) -> CodeAnswer:
    report = ValidationReport(at=now, medium=Medium.CODE)
    verdict = decide(report, RegistryFacts(available=available, code=code, compared=compared))
    return CodeAnswer(verdict, report, record, locator)


def _serialise(session: Session, record_id: str) -> None:
    """SQLite has one writer anyhow; PostgreSQL gets a lock named after the record, freed with the
    transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(record_id))))


def _retry_after(session: Session, record_id: str, now: datetime) -> int:
    """Seconds until the next try is allowed; 0 when it is allowed now."""
    wait = 0.0
    for tries, window in WRONG_TRIES:
        # The try that must leave the window before another one fits in.
        blocking = session.scalar(
            select(MatchAttempt.at)
            .where(MatchAttempt.record_id == record_id, MatchAttempt.at > now - window)
            .order_by(MatchAttempt.at.desc())
            .offset(tries - 1)
            .limit(1)
        )
        if blocking is not None:
            wait = max(wait, (blocking + window - now).total_seconds())
    return math.ceil(wait)


def _same(paper: Paper, fields: Mapping[str, Any], level: str, grade: int) -> bool:
    """Whether everything matches. Both sides are brought to one text each and compared once."""
    primary = level == Level.TIEU_HOC
    names = tuple(subject.field for subject in subjects(level, grade))
    typed = [comparison_key(paper.name), paper.birth]
    issued = [comparison_key(str(fields["ho_va_ten"])), str(fields["ngay_sinh"])]
    for name in names:
        typed.append(_row(paper.results.get(name, ())))
        issued.append(_issued_cells(fields.get(name), primary=primary))
    # A row of the record that the form does not know would never be compared: then nothing can match whole.
    complete = all(n in names for n in fields if n.startswith("mon."))
    return (
        hmac.compare_digest("\n".join(typed).encode(), "\n".join(issued).encode())
        and complete
        and set(paper.results) <= set(names)
    )


def _issued_cells(row: Mapping[str, Any] | None, *, primary: bool) -> str:
    if row is None:
        return ""
    if primary:
        return _row(str(row.get(key, "")) for key in ("muc_dat_duoc", "diem_ktdk"))
    return "" if row.get("mien") else _row((str(row.get("ca_nam", "")),))


def _row(cells: Iterable[str]) -> str:
    return "|".join(_cell(c) for c in cells).rstrip("|")


def _cell(text: str) -> str:
    """One cell for comparing: "8", "8.0" and "8,0" are one number; words by their comparison key."""
    text = text.strip()
    number = text.replace(",", ".")
    if number.replace(".", "", 1).isdecimal() and number.isascii() and number[0] != "." and number[-1] != ".":
        return f"{Decimal(number).normalize():f}"
    return comparison_key(text)
