"""What follows an issue: taking a record back, and corrections after the lock date."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Event, Object
from portal.decisions import service as decisions
from portal.decisions.service import Kind, State
from portal.desk.person import Person
from portal.errors import Refusal, marked
from portal.issuing import deadlines, telling
from portal.issuing.deadlines import LockDay
from portal.issuing.models import CorrectionState, LateCorrection
from portal.permissions import Act, may
from portal.registry import many
from portal.registry import service as registry
from portal.registry.models import Record
from portal.registry.service import KnownRecord
from portal.trust import store as trust
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.locator import parse_record_id
from verifier.words import VIETNAM

#: Why a school asks to correct after the lock date; words for people stand with the forms.
REASONS: Final = ("data_entry", "identity", "re_marking", "decision", "technical")
#: Why a department refuses.
REFUSALS: Final = ("no_evidence", "not_an_error", "not_this_record", "other")


@dataclass(frozen=True, slots=True)
class LateFacts:
    """A request to correct after the lock date."""

    id: uuid.UUID
    school_code: str
    school_name: str
    record_id: str
    version: int
    reason: str
    state: CorrectionState
    asked_at: datetime
    decided_at: datetime | None
    refusal: str | None


def recall(session: Session, vault: Vault, who: Person, text: str, reason: str, *, now: datetime) -> int:
    """Take back the version in circulation of a record of the own school; answers its number. ``text`` is the
    record id as typed. Raises InvalidInput with everything that is wrong, Refusal.
    """
    who.must_be_allowed(Act.RECALL)
    known = _known_and_why(session, who, text, why=reason in registry.REASON_CLASSES)
    return telling.recall_one(session, vault, known.record_id, reason, actor=who.actor, now=now)


def recalled_version(session: Session, who: Person, text: str) -> int | None:
    """The number of the newest version of a record of the own school, when it was taken back."""
    who.must_be_allowed(Act.RECALL)
    try:
        known = _own_record(session, who, text)
    except InvalidInput:
        return None
    return known.newest_version if known.current_version is None else None


@dataclass(frozen=True, slots=True)
class ManyFacts:
    """A proposal to recall many records. ``own``: who looks made it, so another answers."""

    id: uuid.UUID
    records: tuple[str, ...]
    reason: str
    reference: str
    proposed_at: datetime
    until: datetime
    own: bool


def ask_many(
    session: Session, who: Person, text: str, reason: str, reference: str, *, now: datetime
) -> uuid.UUID:
    """Ask another manager of the school to recall many records; ``text`` has a record id a line (SEC-24).
    Raises InvalidInput, Refusal.
    """
    who.must_be_allowed(Act.RECALL)
    problems: list[Problem] = []
    if reason not in registry.REASON_CLASSES:
        problems.append(Problem("many_reason", "unknown_reason", marked("Chọn một lý do")))
    try:
        made = many.propose(
            session,
            Kind.RECALL_RECORDS,
            [line.replace(" ", "") for line in text.splitlines() if line.strip()],
            reason=reason if not problems else registry.REASON_CLASSES[0],
            reference=reference.strip(),
            school=who.office,
            actor=who.actor,
            now=now,
        )
    except InvalidInput as error:
        problems = [*error.problems, *problems]
    except Refusal as refused:
        if refused.code != "wrong_reference":
            raise
        problems.append(Problem("reference", refused.code, refused.message))
    if problems:
        raise InvalidInput(tuple(problems))
    return made.id


def many_waiting(session: Session, who: Person, *, now: datetime) -> tuple[ManyFacts, ...]:
    """Proposals of the own school that wait for another manager's answer."""
    who.must_be_allowed(Act.RECALL)
    found = decisions.listing(session, kind=Kind.RECALL_RECORDS, organisation=who.office, waiting_at=now)
    return tuple(
        ManyFacts(
            each.id,
            tuple(record_id for record_id, _ in many.records(session, each)),
            each.reason,
            each.reference,
            each.proposed_at,
            each.until or now,
            decisions.person(each.proposed_by) == decisions.person(str(who.actor)),
        )
        for each in found
    )


def many_told(session: Session, who: Person, decision: uuid.UUID) -> tuple[State, int] | None:
    """How a proposal of the own school stands, and how many records it names; None for none of its."""
    who.must_be_allowed(Act.RECALL)
    every = decisions.listing(session, closed=True, kind=Kind.RECALL_RECORDS, organisation=who.office)
    found = next((each for each in every if each.id == decision), None)
    return None if found is None else (found.state, len(many.records(session, found)))


def answer_many(
    session: Session, vault: Vault, who: Person, decision: uuid.UUID, *, yes: bool, now: datetime
) -> int:
    """The other manager's answer; a yes recalls at once, and answers how many. The same answer of the same
    person again (a form that was sent twice) changes nothing and answers the same. Raises Refusal.
    """
    who.must_be_allowed(Act.RECALL)
    every = decisions.listing(session, closed=True, kind=Kind.RECALL_RECORDS, organisation=who.office)
    if decision not in {each.id for each in every}:
        raise Refusal("unknown_decision", marked("Trường này không có đề nghị nào như vậy đang chờ."))
    many.hold(session, decision)
    found = decisions.find(session, decision)
    said = State.APPLIED if yes else State.REFUSED
    if found.state is said and found.answered_by == str(who.actor):
        return len(many.records(session, found)) if yes else 0
    if not yes:
        decisions.refuse(session, decision, actor=who.actor, now=now)
        return 0
    decisions.confirm(session, decision, actor=who.actor, now=now)
    return telling.recall_many(session, vault, decision, actor=who.actor, now=now)


def ask_late(
    session: Session, vault: Vault, who: Person, text: str, reason: str, *, now: datetime
) -> uuid.UUID:
    """Ask the department that the next version of a record be let through after the lock date. Raises
    InvalidInput; Refusal ``still_open`` (the school may correct by itself), ``asked_before``.
    """
    who.must_be_allowed(Act.ASK_LATE_CORRECTION)
    known = _known_and_why(session, who, text, why=reason in REASONS)
    before = registry.open_record(session, vault, known.record_id, known.newest_version)
    if before is None:
        raise Refusal("unknown_record", marked("Không đọc được học bạ này."))
    last = deadlines.closed_since(session, who.office, before)
    if _today(now) <= last:
        raise Refusal("still_open", marked("Học bạ này chưa chốt: trường gửi tệp sửa, không cần Sở duyệt."))
    version = known.newest_version + 1
    standing = session.scalar(
        select(LateCorrection.id).where(
            LateCorrection.record_id == known.record_id,
            LateCorrection.version == version,
            LateCorrection.state.in_((CorrectionState.WAITING, CorrectionState.APPROVED)),
        )
    )
    if standing is not None:
        raise Refusal("asked_before", marked("Học bạ này đã có đề nghị đang chờ hoặc đã được duyệt."))
    row = LateCorrection(
        id=uuid.uuid4(),
        school_code=who.office,
        department_code=trust.department_of(session, who.office) or "",
        record_id=known.record_id,
        version=version,
        reason=reason,
        state=CorrectionState.WAITING,
        asked_by=who.account,
        asked_at=now,
    )
    session.add(row)
    _tell(session, who, row, "asked", reason=reason, now=now)
    return row.id


def late_of_school(session: Session, who: Person) -> tuple[LateFacts, ...]:
    """Requests of the own school, newest first."""
    who.must_be_allowed(Act.ASK_LATE_CORRECTION, Act.UPLOAD_CLASS)
    return _listed(session, now_only=False, school_code=who.office)


def late_waiting(session: Session, officer: Person) -> tuple[LateFacts, ...]:
    """Requests that wait for this department."""
    officer.must_be_allowed(Act.APPROVE_LATE_CORRECTION)
    return _listed(session, now_only=True, department_code=officer.office)


def decide_late(
    session: Session, officer: Person, request: uuid.UUID, *, refusal: str | None = None, now: datetime
) -> None:
    """Approve a request of a school of this department, or refuse it for a reason of :data:`REFUSALS`; once.
    Raises Refusal.
    """
    officer.must_be_allowed(Act.APPROVE_LATE_CORRECTION)
    row = session.scalar(
        select(LateCorrection)
        .where(LateCorrection.id == request, LateCorrection.department_code == officer.office)
        .with_for_update()
    )
    if row is None:
        raise Refusal("unknown_request", marked("Không có đề nghị nào như vậy gửi Sở này."))
    if row.state != CorrectionState.WAITING:
        raise Refusal("already_decided", marked("Đề nghị này đã được trả lời."))
    if refusal is not None and refusal not in REFUSALS:
        raise Refusal("unknown_reason", marked("Chọn một lý do trong danh sách."))
    row.state = CorrectionState.APPROVED if refusal is None else CorrectionState.REFUSED
    row.refusal, row.decided_by, row.decided_at = refusal, officer.account, now
    change = "approved" if refusal is None else "refused"
    _tell(session, officer, row, change, reason=refusal or row.reason, now=now)


def lock_days(session: Session, who: Person, *, now: datetime) -> tuple[LockDay, ...]:
    """Until when schools correct by themselves: of the own school, or of the department's schools."""
    who.must_be_allowed(Act.ASK_LATE_CORRECTION, Act.SET_LOCK_DATES)
    own = who.office if may(who.role, Act.SET_LOCK_DATES) else trust.department_of(session, who.office) or ""
    return deadlines.lock_days(session, own, deadlines.school_years(_today(now)))


def set_lock_day(
    session: Session, officer: Person, year: str, day: date, *, supplementary: bool, now: datetime
) -> None:
    """Set the last day on which the department's schools correct a year's records by themselves: of a year
    that :func:`lock_days` lists. Raises InvalidInput.
    """
    officer.must_be_allowed(Act.SET_LOCK_DATES)
    if year not in {each.year for each in lock_days(session, officer, now=now)}:
        raise InvalidInput((Problem("year", "year", marked("Chọn năm học trong danh sách.")),))
    deadlines.set_last_open_day(
        session, officer.office, year, day, supplementary=supplementary, actor=officer.actor, now=now
    )


def _known_and_why(session: Session, who: Person, text: str, *, why: bool) -> KnownRecord:
    """The record that a person named; ``why``: they chose one of our reasons. Raises InvalidInput with both
    mistakes.
    """
    wrong = () if why else (Problem("reason", "unknown_reason", marked("Chọn một lý do")),)
    try:
        known = _own_record(session, who, text)
    except InvalidInput as error:
        raise InvalidInput((*error.problems, *wrong)) from None
    if wrong:
        raise InvalidInput(wrong)
    return known


def _own_record(session: Session, who: Person, text: str) -> KnownRecord:
    """The record that a person named. Another school's is as unknown as none (SEC-18)."""
    try:
        record_id = parse_record_id(text.replace("-", "").replace(" ", "").upper())
    except InvalidInput as error:
        raise InvalidInput((Problem("record_id", "record_id", marked("Mã tra cứu không đúng")),)) from error
    known = registry.find_record(session, record_id=record_id)
    if known is None or known.school_code != who.office:
        raise InvalidInput(
            (Problem("record_id", "unknown_record", marked("Trường này không có học bạ mang mã đó")),)
        )
    return known


def _listed(session: Session, *, now_only: bool, **columns: str) -> tuple[LateFacts, ...]:
    wanted = select(LateCorrection).filter_by(**columns).order_by(LateCorrection.asked_at.desc()).limit(200)
    if now_only:
        wanted = wanted.where(LateCorrection.state == CorrectionState.WAITING)
    return tuple(
        LateFacts(
            row.id,
            row.school_code,
            trust.school_name(session, row.school_code, row.asked_at.astimezone(VIETNAM).date())
            or row.school_code,
            row.record_id,
            row.version,
            row.reason,
            CorrectionState(row.state),
            row.asked_at,
            row.decided_at,
            row.refusal,
        )
        for row in session.scalars(wanted)
    )


def _today(now: datetime) -> date:
    return now.astimezone(VIETNAM).date()


def _tell(
    session: Session, who: Person, row: LateCorrection, change: str, *, reason: str, now: datetime
) -> None:
    session.flush()
    found = session.execute(
        select(Record.id, Record.pupil_index).where(Record.record_id == row.record_id)
    ).one()
    event = Event(
        who.actor,
        Action.LATE_CORRECTION,
        Object("late_correction", row.id),
        organisation=row.school_code,
        pupil=found.pupil_index,
        details={"change": change, "version": row.version, "reason": reason},
    )
    audit.record(session, event, now=now)
