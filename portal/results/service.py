"""Keeps what a check answered, for a while, and says what stands of it today.

Kept are verdict, evidence, reasons, outcomes of the checks, record id and version, the key of a registered
file, and the time. Never the file, its name, its fingerprint, names of people, nor the masked name: what a
page shows of a record is asked of the registry anew, each time.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from portal.database import changed
from portal.registry import service as registry
from portal.registry.service import PublicRecord
from portal.results import form
from portal.results.form import UnreadableResult
from portal.results.models import CheckResult
from portal.vault import Vault, VaultError
from verifier.locator import new_record_id
from verifier.report import Medium, ValidationReport
from verifier.verdict import (
    GENUINE,
    CodeFacts,
    CodeKind,
    Evidence,
    Outcome,
    RegistryFacts,
    Verdict,
    decide,
)

log = logging.getLogger(__name__)

NUMBER_BYTES: Final = 10  # 80 bits
_DOMAIN: Final = "result-number"
_SEAL: Final = "result-row"
#: Rows that are erased in one transaction.
_AT_ONCE: Final = 500
#: What was said of the version itself can be asked again; of other bytes nobody can say more than then.
_ASKED_AGAIN: Final = GENUINE | {Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Outcome.CHECK_INCOMPLETE}


@dataclass(frozen=True, slots=True)
class Kept:
    """A result as it was given. ``report`` holds outcomes alone; ``strange``: a picture showed, beside the
    code that was answered, one that opens something else.
    """

    verdict: Verdict
    report: ValidationReport
    file: uuid.UUID | None
    expires_at: datetime
    strange: bool = False


@dataclass(frozen=True, slots=True)
class Today:
    """What stands now. ``verdict`` is None where nothing more can be said than then, ``record`` where
    nothing may be shown (destroyed, or not in the registry).
    """

    verdict: Verdict | None
    record: PublicRecord | None


def keep(
    session: Session,
    vault: Vault,
    verdict: Verdict,
    report: ValidationReport,
    *,
    strange: bool = False,
    now: datetime,
    days: int,
) -> str | None:
    """Keep what a check answered for so many days; answers its number, which stands nowhere else. None of an
    answer about a record that was destroyed, or is being destroyed now: nothing names it again.
    """
    version = verdict.version
    if version is not None and not registry.stands(session, version.record_id):
        return None
    number = new_record_id(secrets.token_bytes(NUMBER_BYTES))
    by_file = verdict.evidence is Evidence.FILE and version is not None
    row = CheckResult(
        id=uuid.uuid4(),
        number_index=_index(vault, number),
        made_at=now,
        expires_at=now + timedelta(days=days),
        strange=strange,
        file_pk=registry.file_key(session, report.sha256) if by_file and report.sha256 else None,
        **form.fill(verdict, report),
    )
    row.seal = _seal(vault, row)
    session.add(row)
    session.flush()
    return number


def find(session: Session, vault: Vault, number: str, *, now: datetime) -> Kept | None:
    """The result with this number; None when there is none, or none any more. Raises UnreadableResult for a
    row that is damaged, was altered, or is in a form which this release does not read: nothing is guessed.
    """
    wanted = select(CheckResult).where(
        CheckResult.number_index == _index(vault, number), CheckResult.expires_at > now
    )
    try:
        row = session.scalar(wanted)
        return None if row is None else _read(vault, row)
    except (TypeError, ValueError) as error:  # a value that is none of its column
        log.error("a kept result cannot be read: %s", type(error).__name__)
        raise UnreadableResult("not a row") from error


def _read(vault: Vault, row: CheckResult) -> Kept:
    try:
        if row.form > 1 and not _sealed(vault, row):
            raise UnreadableResult("its seal is not over what it says")
        verdict, report = form.read(row)
    except UnreadableResult as error:
        log.error("a kept result of %s cannot be read: %s", row.made_at.date(), error)
        raise
    return Kept(verdict, report, row.file_pk, row.expires_at, row.strange)


def today(session: Session, vault: Vault, kept: Kept, *, now: datetime) -> Today:
    """What stands now of what was checked. Of a registered file, the standing of that very file. Where a key
    of ours is missing nothing can be said, as of a scan.
    """
    then = kept.verdict
    if then.version is None:
        return Today(None, None)
    facts = registry.version_today(session, then.version.record_id, then.version.version, kept.file, now=now)
    if facts is None:  # an older backup of the registry: no word about the record
        return _unavailable(then, now)
    try:
        record = registry.public_record(session, vault, facts, now=now)
    except VaultError as error:
        log.error("not asked again: %s", error)
        return _unavailable(then, now)
    if then.outcome not in _ASKED_AGAIN or (then.evidence is Evidence.FILE and kept.file is None):
        return Today(None, record)
    by_paper = then.evidence is Evidence.PAPER_COMPARED
    if by_paper and then.outcome not in GENUINE:  # nobody knows whether that paper matched
        return Today(None, record)
    compared = True if by_paper else None
    code = CodeFacts(CodeKind.VERSION, facts)
    report = ValidationReport(at=now, medium=Medium.CODE)
    verdict = decide(report, RegistryFacts(code=code, compared=compared))
    return Today(replace(verdict, evidence=then.evidence), record)


def _unavailable(then: Verdict, now: datetime) -> Today:
    """The registry cannot be asked about this version: no statement about it, nor about the record."""
    report = ValidationReport(at=now, medium=Medium.CODE)
    verdict = decide(report, RegistryFacts(available=False))
    return Today(replace(verdict, evidence=then.evidence), None)


def is_over(session: Session, *, now: datetime) -> bool:
    """Whether :func:`erase_over` would find something: a question that locks nothing."""
    return bool(session.scalar(select(exists().where(CheckResult.expires_at <= now))))


def erase_over(session: Session, *, now: datetime) -> int:
    """Delete results whose time is over, so many at once; answers how many."""
    over = select(CheckResult.id).where(CheckResult.expires_at <= now).limit(_AT_ONCE)
    return changed(session, delete(CheckResult).where(CheckResult.id.in_(over)))


def erase_of(session: Session, record_id: str) -> int:
    """Delete what was kept about a record that is being destroyed; answers how many. The caller holds the
    record, so that nothing more comes (:func:`keep`).
    """
    return changed(session, delete(CheckResult).where(CheckResult.record_id == record_id))


def named(session: Session, record_ids: Collection[str]) -> set[str]:
    """Those of ``record_ids`` that a kept result names."""
    wanted = select(CheckResult.record_id).where(CheckResult.record_id.in_(record_ids)).distinct()
    return {record_id for record_id in session.scalars(wanted) if record_id is not None}


def _index(vault: Vault, number: str) -> str:
    return vault.blind_index(number, domain=_DOMAIN)


def _sealed(vault: Vault, row: CheckResult) -> bool:
    return hmac.compare_digest((row.seal or "").encode(), _seal(vault, row).encode())


def _seal(vault: Vault, row: CheckResult) -> str:
    return vault.blind_index(form.sealed_text(row), domain=_SEAL)
