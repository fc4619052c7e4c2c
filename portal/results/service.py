"""Keeps what a check answered, for a while, and says what stands of it today.

Kept are verdict, evidence, reasons, outcomes of the checks, record id and version, the key of a registered
file, and the time. Never the file, its name, its fingerprint, names of people, nor the masked name: what a
page shows of a record is asked of the registry anew, each time.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from portal.database import changed
from portal.registry import service as registry
from portal.registry.service import PublicRecord
from portal.results.models import CheckResult
from portal.vault import Vault, VaultError
from verifier.locator import new_record_id
from verifier.record import Level, level_info, subjects
from verifier.report import Check, Medium, SignatureReport, ValidationReport, jsonable
from verifier.verdict import (
    GENUINE,
    CodeFacts,
    CodeKind,
    Evidence,
    Outcome,
    RegistryFacts,
    Standing,
    Verdict,
    VersionFacts,
    VersionState,
    decide,
)

log = logging.getLogger(__name__)

NUMBER_BYTES: Final = 10  # 80 bits
_DOMAIN: Final = "result-number"
#: Rows that are erased in one transaction.
_AT_ONCE: Final = 500
#: What was said of the version itself can be asked again; of other bytes nobody can say more than then.
_ASKED_AGAIN: Final = GENUINE | {Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Outcome.CHECK_INCOMPLETE}
#: What a field of ours may name; another name would be a stranger's word.
_SUBJECTS: Final = frozenset(
    subject.code
    for level in Level
    for grade in level_info(level).grades
    for subject in subjects(level, grade)
)
#: A code of ours; anything else beside a check would be a stranger's word.
_CODE: Final = re.compile(r"[a-z0-9_]{0,64}")


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
) -> str:
    """Keep what a check answered for so many days; answers its number, which stands nowhere else."""
    number = new_record_id(secrets.token_bytes(NUMBER_BYTES))
    version = verdict.version
    by_file = verdict.evidence is Evidence.FILE and version is not None
    session.add(
        CheckResult(
            id=uuid.uuid4(),
            number_index=_index(vault, number),
            made_at=now,
            expires_at=now + timedelta(days=days),
            outcome=verdict.outcome,
            evidence=verdict.evidence,
            reasons=json.dumps(verdict.reasons),
            found=json.dumps(_outcomes(report).to_json(), ensure_ascii=False),
            strange=strange,
            record_id=None if version is None else version.record_id,
            version=None if version is None else version.version,
            state=None if version is None else json.dumps(_state(version)),
            file_pk=registry.file_key(session, report.sha256) if by_file and report.sha256 else None,
        )
    )
    session.flush()
    return number


def find(session: Session, vault: Vault, number: str, *, now: datetime) -> Kept | None:
    """The result with this number; None when there is none, or none any more. Nor is one that another release
    wrote in a form which this one does not read: no part of it is guessed.
    """
    row = session.scalar(
        select(CheckResult).where(
            CheckResult.number_index == _index(vault, number), CheckResult.expires_at > now
        )
    )
    if row is None:
        return None
    try:
        return _read(row)
    except (KeyError, TypeError, ValueError) as error:
        log.error("a kept result of %s cannot be read: %s", row.made_at.date(), type(error).__name__)
        return None


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


def _read(row: CheckResult) -> Kept:
    """Raises KeyError, TypeError or ValueError for what :func:`keep` of this release would not write."""
    version = None
    if row.record_id is not None and row.version is not None and row.state is not None:
        version = _version(row.record_id, row.version, json.loads(row.state))
    verdict = Verdict(Outcome(row.outcome), Evidence(row.evidence), tuple(json.loads(row.reasons)), version)
    report = ValidationReport.from_json(json.loads(row.found))
    return Kept(verdict, report, row.file_pk, row.expires_at, row.strange)


def _index(vault: Vault, number: str) -> str:
    return vault.blind_index(number, domain=_DOMAIN)


def _outcomes(report: ValidationReport) -> ValidationReport:
    """The report without anything that a file says in its own words, and without what names a file."""
    return ValidationReport(
        at=report.at,
        medium=report.medium,
        problem=report.problem,
        incomplete=report.incomplete,
        signatures=tuple(map(_signature, report.signatures)),
        checks=tuple(map(_check, report.checks)),
        lenient=report.lenient,
    )


def _signature(signature: SignatureReport) -> SignatureReport:
    """Role and outcomes. The name of a field that is not ours, the times and the signer are left out."""
    subject = signature.subject_code
    return replace(
        signature,
        field="",
        subject_code=subject if subject in _SUBJECTS else None,
        byte_range=None,
        signer=None,
        claimed_time=None,
        proven_time=None,
        school_code=None,
        digest_algorithm=None,
        checks=tuple(map(_check, signature.checks)),
        opinions=(),
    )


def _check(check: Check) -> Check:
    return check if _CODE.fullmatch(check.code) else replace(check, code="")


def _state(version: VersionFacts) -> dict[str, Any]:
    """JSON of what the registry said of a version, beside its name."""
    state: dict[str, Any] = jsonable(
        {
            "state": version.state,
            "standing": version.standing,
            "since": version.since,
            "recall_reason": version.recall_reason,
            "checked_at": version.checked_at,
        }
    )
    return state


def _version(record_id: str, version: int, state: dict[str, Any]) -> VersionFacts:
    """Inverse of :func:`_state`."""
    return VersionFacts(
        record_id,
        version,
        VersionState(state["state"]),
        Standing(state["standing"]),
        _moment(state["since"]),
        state["recall_reason"],
        _moment(state["checked_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
