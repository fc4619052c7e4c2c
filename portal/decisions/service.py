"""Two persons for what cannot be taken back, or reaches many (SEC-24): one proposes, another confirms, then
it is done, once.

Each step is an entry of the trail. Whoever acts on a decision takes it in the same transaction
(:func:`take`), so that neither stands without the other; and does what it says, nothing that is said anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.decisions.models import Decision, Kind, State
from portal.errors import Refusal, marked
from verifier.words import RECALL_REASONS

__all__ = [
    "ALONE",
    "ONE_PERSON",
    "REASONS",
    "TERM",
    "TWO_PERSONS",
    "Facts",
    "Kind",
    "State",
    "about",
    "confirm",
    "expire",
    "find",
    "listed",
    "listing",
    "person",
    "propose",
    "refuse",
    "refuse_many_alone",
    "take",
]

#: How long a proposal waits for its answer, and an agreed one for being done.
TERM: Final = timedelta(days=7)
#: Records that one person recalls, or takes the files of, alone within :data:`PERIOD`. More are many, at once
#: or one after the other, and take two.
ALONE: Final = 5
PERIOD: Final = timedelta(hours=24)
#: What the trail calls the ground of such an act: nobody else was asked, or a decision stands.
ONE_PERSON: Final = "one_person"
TWO_PERSONS: Final = "two_persons"

#: Why, as codes of each kind: a text would hold names. The grounds themselves lie in the paper file.
REASONS: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.DESTROY_RECORD_KEY: {
        "court_order": "bản án hoặc quyết định của tòa án",
        "authority_order": "quyết định của cơ quan nhà nước có thẩm quyền",
        "no_such_pupil": "lập cho người không phải học sinh của trường",
        "test_data": "dữ liệu thử lọt vào sổ thật",
    },
    # The public reasons of a recall, as the register has them.
    Kind.RECALL_RECORDS: {code: vi for code, (vi, _) in RECALL_REASONS.items() if code != "unspecified"},
    Kind.EXPORT_RECORDS: {
        "school_files": "lưu hồ sơ của trường",
        "authority_order": "yêu cầu của cơ quan nhà nước có thẩm quyền",
        "school_closing": "trường sáp nhập, giải thể",
        "other_portal": "chuyển sang hệ thống khác",
    },
    Kind.SUSPEND_SIGNERS: {
        "key_stolen": "khóa bị lộ hoặc mất",
        "not_in_office": "đã thôi chức vụ từ trước",
        "wrong_registration": "đăng ký sai người hoặc sai vai trò",
    },
    Kind.LINK_SIGNERS: {
        "new_account": "người giữ chứng thư vừa có tài khoản",
        "seal_keeper": "con dấu được giao cho người khác",
    },
}

_OPEN: Final = (State.PROPOSED, State.CONFIRMED)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
# "123/QĐ-SGDĐT", "12/2026/QĐ-UBND", "45/BB-THPT": a number, then short groups of capitals: no free text.
_REFERENCE: Final = re.compile(r"[0-9]{1,6}(/[0-9]{4})?/[A-ZĐƯ]{1,8}(-[A-ZĐƯ]{1,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Facts:
    """A decision as it stands. ``content`` is what exactly was decided, empty where ``object`` says it;
    ``until`` the end of the wait for an answer, or for being done, None when it waits for nothing.
    """

    id: uuid.UUID
    kind: Kind
    object: Object
    content: Mapping[str, Any]
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
    what: Object | Mapping[str, Any],
    *,
    reason: str,
    reference: str,
    organisation: str | None = None,
    actor: Actor,
    now: datetime,
) -> Facts:
    """The first person's part. ``what`` is an object that has a key of ours, or the content of what is
    decided: JSON, nothing of a person. Raises Refusal: ``not_a_person``, ``unknown_reason``,
    ``wrong_reference``, ``decision_open``.
    """
    _person(actor)
    if reason not in REASONS[kind]:
        raise Refusal(
            "unknown_reason",
            f"Lý do “{reason}” không có trong danh mục.",
            f"Chọn: {', '.join(REASONS[kind])}.",
        )
    content: Mapping[str, Any] = _NOTHING
    if not isinstance(what, Object):
        content, what = what, listed(kind, what)
    if not _REFERENCE.fullmatch(reference):
        raise Refusal(
            "wrong_reference",
            marked("Số hồ sơ phải có dạng 123/QĐ-SGDĐT hoặc 12/2026/QĐ-UBND: số và chữ viết tắt in hoa."),
            marked("Không ghi tên người hay nội dung vụ việc: những điều đó nằm trong hồ sơ giấy."),
        )
    expire(session, now=now)
    key = uuid.UUID(str(what.name))
    same = select(Decision.id).filter_by(kind=kind, object_kind=what.kind, object_id=key)
    if session.scalar(same.where(Decision.state.in_(_OPEN))) is not None:
        raise Refusal("decision_open", marked("Đã có một đề nghị như thế chưa xong."))
    row = Decision(
        id=uuid.uuid4(),
        kind=kind,
        object_kind=what.kind,
        object_id=key,
        content=_text(content),
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
    ``decision_applied``, ``decision_expired``, ``decision_changed`` (what was decided is not what stands
    there now).
    """
    row = _locked(session, decision)
    if row.kind != kind:
        raise _unknown()
    if row.state == State.APPLIED:
        raise Refusal("decision_applied", "Quyết định này đã được thực hiện rồi.")
    if row.state == State.EXPIRED or (row.state == State.CONFIRMED and _moved(row) <= now - TERM):
        raise _expired()
    if row.state != State.CONFIRMED:
        raise Refusal(
            "decision_unconfirmed",
            "Quyết định này chưa được người thứ hai xác nhận.",
            f"flask --app wsgi decisions confirm {decision}",
        )
    facts = _facts(row)
    if facts.content and listed(kind, facts.content) != facts.object:
        raise Refusal(
            "decision_changed",
            "Nội dung quyết định không còn đúng như lúc đề nghị; không thực hiện.",
            "Giữ nguyên cơ sở dữ liệu làm bằng chứng, xem docs/audit.md.",
        )
    row.state, row.applied_at = State.APPLIED, now
    session.flush()
    _tell(session, row, Action.DECISION_APPLIED, actor, now)
    return _facts(row)


def expire(session: Session, *, now: datetime) -> int:
    """End what nobody answered, or did, within :data:`TERM`; how many that were."""
    late = session.scalars(
        select(Decision)
        .where(
            or_(
                and_(Decision.state == State.PROPOSED, Decision.proposed_at <= now - TERM),
                and_(Decision.state == State.CONFIRMED, Decision.answered_at <= now - TERM),
            )
        )
        .order_by(Decision.id)
        .with_for_update()
    ).all()
    for row in late:
        row.state = State.EXPIRED
        if row.answered_at is None:
            row.answered_at = now
        _tell(session, row, Action.DECISION_EXPIRED, Actor.system("decisions"), now)
    session.flush()
    return len(late)


def listing(
    session: Session,
    *,
    closed: bool = False,
    kind: Kind | None = None,
    organisation: str | None = None,
    waiting_at: datetime | None = None,
) -> tuple[Facts, ...]:
    """Open decisions, oldest first; with ``closed`` all; of one kind, of one organisation, or only those that
    somebody can still answer at ``waiting_at``.
    """
    wanted = select(Decision).order_by(Decision.proposed_at, Decision.id)
    if not closed:
        wanted = wanted.where(Decision.state.in_(_OPEN))
    if kind is not None:
        wanted = wanted.where(Decision.kind == kind)
    if organisation is not None:
        wanted = wanted.where(Decision.organisation == organisation)
    if waiting_at is not None:
        wanted = wanted.where(Decision.state == State.PROPOSED, Decision.proposed_at > waiting_at - TERM)
    return tuple(map(_facts, session.scalars(wanted)))


def find(session: Session, decision: uuid.UUID) -> Facts:
    """One decision. Raises Refusal ``unknown_decision``."""
    row = session.get(Decision, decision, populate_existing=True)
    if row is None:
        raise _unknown()
    return _facts(row)


def listed(kind: Kind, content: Mapping[str, Any]) -> Object:
    """What the trail calls this content, and no other: half of its digest."""
    return Object("listed", uuid.UUID(bytes=_digest(kind, content)[:16]))


def refuse_many_alone(
    session: Session, action: Action, *, more: int = 0, actor: Actor, now: datetime
) -> None:
    """Raises Refusal ``needs_two_persons`` when one person did ``action`` on their own, with ``more`` to
    come, more than :data:`ALONE` times within :data:`PERIOD`.

    Asked after the act was told and before it is committed, it holds for whoever acts twice at once as well:
    the trail's head is locked.
    """
    done = audit.count_by(session, actor, action, basis=ONE_PERSON, since=now - PERIOD)
    if done + more > ALONE:
        raise Refusal(
            "needs_two_persons",
            marked(
                "Trong 24 giờ một người chỉ tự làm việc này với 5 học bạ. Nhiều hơn thì phải có hai người."
            ),
            marked("Lập đề nghị cho cả danh sách; người thứ hai xác nhận rồi mới thực hiện."),
        )


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
        raise _expired()
    if row.state != State.PROPOSED:
        raise Refusal("decision_answered", marked("Đề nghị này đã có câu trả lời."))
    if person(row.proposed_by) == person(str(actor)):
        raise Refusal(
            "same_person",
            marked("Người đề nghị không được tự trả lời: phải là người thứ hai."),
            marked("Nhờ một người khác đăng nhập bằng tài khoản của họ rồi trả lời."),
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
    return Refusal("unknown_decision", marked("Không có quyết định nào mang mã này."))


def _expired() -> Refusal:
    return Refusal(
        "decision_expired",
        marked("Đề nghị này đã hết hạn: quá 7 ngày không ai trả lời, hoặc không ai thực hiện."),
        marked("Nếu vẫn cần, hãy đề nghị lại."),
    )


def _moved(row: Decision) -> datetime:
    """When it came to where it stands."""
    return row.answered_at or row.proposed_at


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(dict(content), sort_keys=True, separators=(",", ":"))


def _digest(kind: str, content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(f"{kind} {_text(content)}".encode()).digest()


def _person(actor: Actor) -> None:
    if actor.kind == "system":
        raise Refusal("not_a_person", "Quyết định này phải do người đưa ra, không phải hệ thống.")


def _facts(row: Decision) -> Facts:
    return Facts(
        id=row.id,
        kind=Kind(row.kind),
        object=Object(row.object_kind, row.object_id),
        content=json.loads(row.content),
        organisation=row.organisation,
        reason=row.reason,
        reference=row.reference,
        state=State(row.state),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        answered_by=row.answered_by,
        until=_moved(row) + TERM if row.state in _OPEN else None,
    )


def _tell(session: Session, row: Decision, action: Action, actor: Actor, now: datetime) -> None:
    details: dict[str, str | int] = {"decision": str(row.id), "decided": row.kind, "reason": row.reason}
    if content := json.loads(row.content):
        details["digest"] = _digest(row.kind, content).hex()
    event = Event(
        actor,
        action,
        Object(row.object_kind, row.object_id),
        organisation=row.organisation,
        details=details,
    )
    audit.record(session, event, now=now)
