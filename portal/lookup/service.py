"""Answers from a code: scanned, typed, or compared with what stands on the paper.

A code is never the paper: the answers here carry the evidence ``code``, and ``paper_compared`` only after
the blind match. Of that match one yes or no leaves this module, after the same work whatever was right.
"""

from __future__ import annotations

import hmac
import logging
import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.orm import Session

from portal.database import UNAVAILABLE
from portal.errors import Refusal
from portal.limits.table import RECORD_DAY, RECORD_TRIES
from portal.lookup.models import MatchAttempt
from portal.registry import service as registry
from portal.registry.models import Record
from portal.registry.service import PublicRecord
from portal.vault import Vault, VaultError
from verifier.locator import Locator, Typed
from verifier.record import Level, comparison_key, subjects
from verifier.report import Medium, ValidationReport
from verifier.verdict import CodeFacts, CodeKind, Outcome, RegistryFacts, Verdict, decide

log = logging.getLogger(__name__)

#: Wrong tries that a record id takes, known or not, of birth dates and of papers together.
WRONG_TRIES: Final = RECORD_TRIES.amount
WINDOW: Final = timedelta(seconds=RECORD_TRIES.get_expiry())
#: After so many in a day one try a window is left, never none: strangers must not close a record to others.
MANY_TRIES: Final = RECORD_DAY.amount
DAY: Final = timedelta(seconds=RECORD_DAY.get_expiry())
#: Tries of other ids that count no more, dropped along with each new one.
_DROPPED_AT_ONCE: Final = 100

#: We cannot look: the database does not answer, or a key of ours is missing. No statement about the record.
UNREADABLE: Final = (*UNAVAILABLE, VaultError)


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The verdict on a code, with what everyone may see of the record; ``locator`` names the exact
    version. ``tries_left`` is set for a wrong try: how many more the id takes before it pauses.
    """

    verdict: Verdict
    report: ValidationReport
    record: PublicRecord | None = None
    locator: Locator | None = None
    tries_left: int | None = None


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
    """The record id was tried wrongly too often of late. ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too_many_tries", "Mã này vừa được thử sai nhiều lần.")
        self.retry_after = retry_after


def missed(verdict: Verdict) -> bool:
    """Whether a full code was not one of ours: an unknown record, or a known one with another digest. What we
    could not look up is no miss.
    """
    return verdict.outcome in (Outcome.NOT_VERIFIED, Outcome.CONTENT_DIFFERS)


def malformed(now: datetime) -> CodeAnswer:
    """The answer to a code that breaks the grammar. No database is asked."""
    return _answer(CodeFacts(CodeKind.MALFORMED), now)


def strange(kind: CodeKind, now: datetime) -> CodeAnswer:
    """The answer to a text that is the code of something else. No database is asked."""
    return _answer(CodeFacts(kind), now)


def by_locator(session: Session | Connection, vault: Vault, locator: Locator, *, now: datetime) -> CodeAnswer:
    """The public answer to a scanned code."""
    try:
        code, record = registry.look_up_locator(session, vault, locator, now=now)
    except UNREADABLE as error:
        return unavailable(now, error)
    return _answer(code, now, record, locator)


def refuse_tried_out(session: Session, record_id: str, *, now: datetime) -> None:
    """Raise TooManyTries while the id has no try left; no wait is longer than the window.

    Asked of a session that only reads, it keeps a flood of tries away from the lock that each try takes.
    """
    # The try that must leave the window before another one fits in.
    blocking = session.scalar(
        select(MatchAttempt.at)
        .where(MatchAttempt.record_id == record_id, MatchAttempt.at > now - WINDOW)
        .order_by(MatchAttempt.at.desc())
        .offset(_share(session, record_id, now) - 1)
        .limit(1)
    )
    if blocking is not None:
        raise TooManyTries(math.ceil((blocking + WINDOW - now).total_seconds()))


def by_typed(
    session: Session, vault: Vault, typed: Typed, birth: str, *, now: datetime, charged: bool = False
) -> CodeAnswer:
    """The answer to a typed code with a birth date, in the registry's spelling of dates.

    A code that names its version brings its locator along, as if it had been scanned.

    Raises TooManyTries before anything is looked up when the id has had its share of wrong tries. A wrong try
    is counted in the caller's transaction, which must be committed before the answer is given; one that was
    ``charged`` before (:func:`receipt`) is not counted twice. Whether the id is known shows in nothing: not
    in what is counted, nor when keys of ours are missing, for then an unknown id fares as the record next to
    it.
    """
    left = None
    try:
        _take_turn(session, typed.record_id, now)
        code, record, locator = registry.look_up_typed(
            session, vault, typed.record_id, typed.short_digest, birth, now=now
        )
        if code.kind is CodeKind.UNKNOWN:
            _open_next(session, vault, typed.record_id, birth, now)
            left = _charge(session, vault, typed.record_id, now, charged=charged)
    except UNREADABLE as error:
        return unavailable(now, error)
    return _answer(code, now, record, locator, tries_left=left)


def unavailable(now: datetime, error: Exception) -> CodeAnswer:
    """The registry could not be read: no statement about the record. The log gets the cause without what was
    asked.
    """
    log.error("not checked: %s", error if isinstance(error, VaultError) else type(error).__name__)
    return _answer(None, now, available=False)


def compare(
    session: Session, vault: Vault, locator: Locator, paper: Paper, *, now: datetime, charged: bool = False
) -> CodeAnswer:
    """The blind match: is what stands on the paper what the school issued under this code?

    Name, birth date and the whole "Cả năm" column (primary: every level and score) must match; one wrong
    cell is a no. Raises TooManyTries before anything is compared when the record has had its share of wrong
    tries. A wrong try is counted in the caller's transaction, which must be committed before the answer is
    given; one that was ``charged`` before (:func:`receipt`) is not counted twice.
    """
    left = None
    try:
        # 1 Only a code that names an issued version can be compared with, one that is still there.
        code, record = registry.look_up_locator(session, vault, locator, now=now)
        if code.kind is not CodeKind.VERSION or code.version is None or record is None:
            return _answer(code, now, record, locator)

        # 2 Not after too many wrong tries.
        _take_turn(session, locator.record_id, now)

        # 3 The comparison, over everything, without stopping at a difference.
        issued = registry.open_record(session, vault, locator.record_id, code.version.version)
        if issued is None:
            raise LookupError("a registered version has no content")
        same = _same(paper, issued.fields, str(issued.header["level"]), int(issued.header["grade"]))

        # 4 A wrong try is counted before anybody else may try.
        if not same:
            left = _charge(session, vault, locator.record_id, now, charged=charged)
    except UNREADABLE as error:
        return unavailable(now, error)
    return _answer(code, now, record, locator, compared=same, tries_left=left)


def receipt(vault: Vault, record_id: str, *typed: str) -> str:
    """What whoever got a "no" to exactly this may send along to see it again, in another language, without
    being charged again. It says nothing about any other try.
    """
    return vault.blind_index("\0".join((record_id, *typed)), domain="answered-try")


def log_tag(vault: Vault, record_id: str) -> str:
    """What the log calls a record: 12 digits of a keyed hash, for the id itself opens its public answer."""
    return vault.blind_index(record_id, domain="log-record")[:12]


def _answer(
    code: CodeFacts | None,
    now: datetime,
    record: PublicRecord | None = None,
    locator: Locator | None = None,
    *,
    compared: bool | None = None,
    available: bool = True,
    tries_left: int | None = None,
) -> CodeAnswer:
    report = ValidationReport(at=now, medium=Medium.CODE)
    verdict = decide(report, RegistryFacts(available=available, code=code, compared=compared))
    return CodeAnswer(verdict, report, record, locator, tries_left)


def _take_turn(session: Session, record_id: str, now: datetime) -> None:
    """Wait until nobody else is between the question whether a try is left and its count; then ask.

    However many guesses come at once, none is compared beyond the share. PostgreSQL takes a lock named after
    the record, freed with the transaction, and what is read after it was committed before it; SQLite's
    writing transaction began with the one write lock there is. Raises TooManyTries.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(record_id))))
    refuse_tried_out(session, record_id, now=now)


def _charge(session: Session, vault: Vault, record_id: str, now: datetime, *, charged: bool) -> int:
    """Count a wrong try, unless it was ``charged`` before; what was typed is not kept. Answers how many are
    left, the same for every id, known or not.
    """
    if not charged:
        # 1 Those that count no more go, a few at a time.
        old = select(MatchAttempt.id).where(MatchAttempt.at <= now - DAY).limit(_DROPPED_AT_ONCE)
        session.execute(
            delete(MatchAttempt).where(MatchAttempt.id.in_(old.with_for_update(skip_locked=True))),
            execution_options={"synchronize_session": False},
        )

        # 2 Counted; somebody should look at an id that is tried all day.
        session.execute(insert(MatchAttempt).values(id=uuid.uuid4(), record_id=record_id, at=now))
        today = _tries_of_a_day(session, record_id, now)
        if today >= MANY_TRIES:
            tag = log_tag(vault, record_id)
            log.warning("alarm TRIED_ALL_DAY: record %s, %d wrong tries in a day", tag, today)
    counted = select(func.count()).where(MatchAttempt.record_id == record_id, MatchAttempt.at > now - WINDOW)
    return max(0, _share(session, record_id, now) - (session.scalar(counted) or 0))


def _share(session: Session, record_id: str, now: datetime) -> int:
    """Wrong tries in one window."""
    return 1 if _tries_of_a_day(session, record_id, now) >= MANY_TRIES else WRONG_TRIES


def _tries_of_a_day(session: Session, record_id: str, now: datetime) -> int:
    counted = select(func.count()).where(MatchAttempt.record_id == record_id, MatchAttempt.at > now - DAY)
    return session.scalar(counted) or 0


def _open_next(session: Session, vault: Vault, record_id: str, birth: str, now: datetime) -> None:
    """Open the record with this id, or the next one when nobody has it. Raises VaultError as that record
    would.
    """
    here = select(func.min(Record.record_id)).where(Record.record_id >= record_id)
    found = session.scalar(here) or session.scalar(select(func.min(Record.record_id)))
    if found is not None:
        registry.look_up_typed(session, vault, found, None, birth, now=now)


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
