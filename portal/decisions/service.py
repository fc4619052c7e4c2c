"""Two persons for what cannot be taken back (SEC-24): one proposes, another confirms, then it is done, once.

Each step is an entry of the trail. Whoever acts on a decision takes it in the same transaction
(:func:`take`), so that neither stands without the other.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.decisions.models import Decision, Kind, State
from portal.errors import Refusal

__all__ = [
    "REASONS",
    "TERM",
    "Facts",
    "Kind",
    "State",
    "about",
    "confirm",
    "expire",
    "listing",
    "person",
    "propose",
    "refuse",
    "take",
]

#: How long a proposal waits for its answer.
TERM: Final = timedelta(days=7)

#: Why, as codes of each kind: a text would hold names. The grounds themselves lie in the paper file.
REASONS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.DESTROY_RECORD_KEY: {
        "court_order": "bản án hoặc quyết định của tòa án",
        "authority_order": "quyết định của cơ quan nhà nước có thẩm quyền",
        "no_such_pupil": "lập cho người không phải học sinh của trường",
        "test_data": "dữ liệu thử lọt vào sổ thật",
    }
}

_OPEN: Final = (State.PROPOSED, State.CONFIRMED)
# "123/QĐ-SGDĐT", "12/2026/QĐ-UBND", "45/BB-THPT": a number, then short groups of capitals: no free text.
_REFERENCE: Final = re.compile(r"[0-9]{1,6}(/[0-9]{4})?/[A-ZĐƯ]{1,8}(-[A-ZĐƯ]{1,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Facts:
    """A decision as it stands. ``until`` is the last moment for an answer, None when it has one."""

    id: uuid.UUID
    kind: Kind
    object: Object
    organisation: str | None
    reason: str
    reference: str
    state: State
    proposed_by: str
    proposed_at: datetime
    answered_by: str | None
    until: datetime | None


def propose(
    session: Session,
    kind: Kind,
    what: Object,
    *,
    reason: str,
    reference: str,
    organisation: str | None = None,
    actor: Actor,
    now: datetime,
) -> Facts:
    """The first person's part; ``what`` is named by a key of ours. Raises Refusal: ``not_a_person``,
    ``unknown_reason``, ``wrong_reference``, ``decision_open``.
    """
    _person(actor)
    if reason not in REASONS[kind]:
        raise Refusal(
            "unknown_reason",
            f"Lý do “{reason}” không có trong danh mục.",
            f"Chọn: {', '.join(REASONS[kind])}.",
        )
    if not _REFERENCE.fullmatch(reference):
        raise Refusal(
            "wrong_reference",
            "Số hồ sơ phải có dạng 123/QĐ-SGDĐT hoặc 12/2026/QĐ-UBND: số và chữ viết tắt in hoa.",
            "Không ghi tên người hay nội dung vụ việc: những điều đó nằm trong hồ sơ giấy.",
        )
    expire(session, now=now)
    key = uuid.UUID(str(what.name))
    same = select(Decision.id).filter_by(kind=kind, object_kind=what.kind, object_id=key)
    if session.scalar(same.where(Decision.state.in_(_OPEN))) is not None:
        raise Refusal(
            "decision_open",
            "Đã có một đề nghị như thế chưa xong.",
            "Xem: flask --app wsgi decisions list",
        )
    row = Decision(
        id=uuid.uuid4(),
        kind=kind,
        object_kind=what.kind,
        object_id=key,
        organisation=organisation,
        reason=reason,
        reference=reference,
        state=State.PROPOSED,
        proposed_by=str(actor),
        proposed_at=now,
    )
    session.add(row)
    session.flush()
    _tell(session, row, Action.DECISION_PROPOSED, actor, now)
    return _facts(row)


def confirm(session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime) -> Facts:
    """The other person's yes. Raises Refusal: ``not_a_person``, ``unknown_decision``, ``decision_answered``,
    ``decision_expired``, ``same_person``.
    """
    return _answer(session, decision, State.CONFIRMED, Action.DECISION_CONFIRMED, actor=actor, now=now)


def refuse(session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime) -> Facts:
    """The other person's no, which ends it. Raises Refusal as :func:`confirm`."""
    return _answer(session, decision, State.REFUSED, Action.DECISION_REFUSED, actor=actor, now=now)


def take(session: Session, decision: uuid.UUID, kind: Kind, *, actor: Actor, now: datetime) -> Facts:
    """Whoever does what was decided says so, in the transaction that does it. Answers what was decided on.

    Raises Refusal: ``unknown_decision`` (also for a decision of another kind), ``decision_unconfirmed``,
    ``decision_applied``.
    """
    row = _locked(session, decision)
    if row.kind != kind:
        raise _unknown()
    if row.state == State.APPLIED:
        raise Refusal("decision_applied", "Quyết định này đã được thực hiện rồi.")
    if row.state != State.CONFIRMED:
        raise Refusal(
            "decision_unconfirmed",
            "Quyết định này chưa được người thứ hai xác nhận.",
            f"flask --app wsgi decisions confirm {decision}",
        )
    row.state, row.applied_at = State.APPLIED, now
    session.flush()
    _tell(session, row, Action.DECISION_APPLIED, actor, now)
    return _facts(row)


def expire(session: Session, *, now: datetime) -> int:
    """End what nobody answered within :data:`TERM`; how many that were."""
    late = session.scalars(
        select(Decision)
        .where(Decision.state == State.PROPOSED, Decision.proposed_at <= now - TERM)
        .order_by(Decision.id)
        .with_for_update()
    ).all()
    for row in late:
        row.state, row.answered_at = State.EXPIRED, now
        _tell(session, row, Action.DECISION_EXPIRED, Actor.system("decisions"), now)
    session.flush()
    return len(late)


def listing(session: Session, *, closed: bool = False) -> tuple[Facts, ...]:
    """Open decisions, oldest first; with ``closed`` all."""
    rows = session.scalars(
        select(Decision)
        .where(*([] if closed else [Decision.state.in_(_OPEN)]))
        .order_by(Decision.proposed_at, Decision.id)
    )
    return tuple(map(_facts, rows))


def about(decision: uuid.UUID) -> Object:
    """What the trail calls a decision."""
    return Object("decision", decision)


def person(actor: str) -> str:
    """Spellings of one person are one: only letters and digits count, large or small. Two people whose names
    meet are taken for one, which a third can solve.
    """
    kind, _, name = actor.partition(":")
    return kind + ":" + "".join(letter for letter in name.casefold() if letter.isalnum())


def _answer(
    session: Session, decision: uuid.UUID, state: State, action: Action, *, actor: Actor, now: datetime
) -> Facts:
    _person(actor)
    row = _locked(session, decision)
    if row.state == State.EXPIRED or (row.state == State.PROPOSED and row.proposed_at <= now - TERM):
        raise Refusal(
            "decision_expired",
            f"Đề nghị này đã hết hạn: quá {TERM.days} ngày không ai trả lời.",
            "Nếu vẫn cần, hãy đề nghị lại.",
        )
    if row.state != State.PROPOSED:
        raise Refusal("decision_answered", "Đề nghị này đã có câu trả lời.")
    if person(row.proposed_by) == person(str(actor)):
        raise Refusal(
            "same_person",
            "Người đề nghị không được tự trả lời: phải là người thứ hai.",
            "Nhờ một người khác đăng nhập bằng tài khoản của họ rồi chạy lệnh này.",
        )
    row.state, row.answered_by, row.answered_at = state, str(actor), now
    session.flush()
    _tell(session, row, action, actor, now)
    return _facts(row)


def _locked(session: Session, decision: uuid.UUID) -> Decision:
    row = session.get(Decision, decision, with_for_update=True, populate_existing=True)
    if row is None:
        raise _unknown()
    return row


def _unknown() -> Refusal:
    return Refusal("unknown_decision", "Không có quyết định nào mang mã này.")


def _person(actor: Actor) -> None:
    if actor.kind == "system":
        raise Refusal("not_a_person", "Quyết định này phải do người đưa ra, không phải hệ thống.")


def _facts(row: Decision) -> Facts:
    return Facts(
        id=row.id,
        kind=Kind(row.kind),
        object=Object(row.object_kind, row.object_id),
        organisation=row.organisation,
        reason=row.reason,
        reference=row.reference,
        state=State(row.state),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        answered_by=row.answered_by,
        until=row.proposed_at + TERM if row.state == State.PROPOSED else None,
    )


def _tell(session: Session, row: Decision, action: Action, actor: Actor, now: datetime) -> None:
    details: dict[str, str | int] = {"decision": str(row.id), "decided": row.kind, "reason": row.reason}
    event = Event(
        actor,
        action,
        Object(row.object_kind, row.object_id),
        organisation=row.organisation,
        details=details,
    )
    audit.record(session, event, now=now)
