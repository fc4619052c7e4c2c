"""Parts to sign at pages: whose turn it is, and a person's word that their part be signed.

A word is an order for one's own certificate; the worker alone signs, and only for such an order. With a token
of their own a person takes the digests out and brings the values back.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from portal.audit import service as audit
from portal.audit.service import Action, Event, Object, Outcome
from portal.desk.person import Person
from portal.errors import Refusal, marked
from portal.issuing import wire
from portal.issuing.models import (
    Issuance,
    LineState,
    OrderLine,
    PlannedSignature,
    SigningOrder,
    Way,
)
from portal.issuing.sealed import open_intent
from portal.permissions import Act
from portal.permissions import Role as Office
from portal.trust import store as trust
from portal.vault import Vault
from verifier.errors import InvalidInput, Problem
from verifier.report import Role

#: What a role's word is, and for which fields ("ký thay": a principal also for a subject teacher).
ACTS: Final[Mapping[Office, tuple[Act, tuple[str, ...]]]] = {
    Office.SUBJECT_TEACHER: (Act.SIGN_PART, (Role.GVBM, Role.GVCN)),
    Office.HOMEROOM_TEACHER: (Act.SIGN_PART, (Role.GVBM, Role.GVCN)),
    Office.MANAGER: (Act.APPROVE, (Role.CBQL, Role.GVBM)),
    Office.CLERK: (Act.SEAL, (Role.KY_PHAT_HANH,)),
}
_STANDING: Final = (LineState.ASKED, LineState.PREPARED, LineState.BROUGHT)


@dataclass(frozen=True, slots=True)
class PartKey:
    """One field of one class of an upload."""

    upload: uuid.UUID
    school_class: str
    field: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one person signs in one field of one class: counts of versions. ``ready`` can be ordered now,
    ``later`` wait for somebody before, ``ordered`` wait for the worker or for values of a token.
    """

    key: PartKey
    certificate: str
    signer: str
    ready: int
    later: int
    ordered: int
    signed: int
    since: datetime  # when the oldest of them was reserved
    before: tuple[str, ...] = ()  # of an own part of which nothing is ready: fields that are signed first

    @property
    def left(self) -> int:
        return self.ready + self.later + self.ordered


@dataclass(frozen=True, slots=True)
class PupilPart:
    """One pupil in a part: the name, and of the record what this person signs for."""

    issuance: uuid.UUID
    name: str
    version: int
    rows: tuple[tuple[str, Mapping[str, Any]], ...]  # subject code, its row
    results: Mapping[str, Any]
    state: str  # ready | later | ordered | signed


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order of the own account: how many of its lines stand how."""

    id: uuid.UUID
    way: Way
    certificate: str
    ordered_at: datetime
    held_until: datetime | None
    counts: Mapping[LineState, int]
    faults: tuple[str, ...]
    preparing: int  # lines that the worker begins next; with none left all digests of a token are out

    @property
    def open(self) -> bool:
        return any(self.counts.get(state) for state in _STANDING)


def own_parts(session: Session, who: Person) -> tuple[Part, ...]:
    """What the own certificates are planned for at the own school, what is signed already included."""
    act, roles = _act(who)
    who.must_be_allowed(act)
    mine = _own_certificates(session, who)
    parts = _parts(session, who.office, mine)
    return tuple(
        part if part.ready or not part.later else replace(part, before=_before(session, who.office, part.key))
        for part in parts
        if part.key.field.partition(".")[0] in roles
    )


def progress(session: Session, who: Person) -> tuple[Part, ...]:
    """Who of the own school has not signed what."""
    who.must_be_allowed(Act.SEE_PROGRESS)
    return tuple(part for part in _parts(session, who.office, None) if part.left)


def pupils(
    session: Session,
    vault: Vault,
    who: Person,
    part: PartKey,
    *,
    now: datetime,
) -> tuple[PupilPart, ...]:
    """The pupils of one's own part: a subject teacher sees names and the own subject's row, the others what
    they answer for. The trail tells that it was shown. Raises Refusal ``unknown_part``.
    """
    act, _ = _act(who)
    who.must_be_allowed(act)
    rows = _seats(session, who, part)
    shown = [
        _pupil(vault, issuance, part.field, _state(planned, ordered=line is not None, blocked=blocked))
        for issuance, planned, line, blocked in rows
    ]
    event = Event(
        who.actor,
        Action.DISCLOSURE,
        Object("upload", part.upload),
        organisation=who.office,
        purpose="signing",
        details={"field": part.field, "count": len(shown)},
    )
    audit.record(session, event, now=now)
    return tuple(sorted(shown, key=lambda pupil: pupil.name))


def order(
    session: Session,
    who: Person,
    part: PartKey,
    *,
    way: Way,
    now: datetime,
) -> uuid.UUID:
    """The person's word that everything in this part that is ready be signed. Raises Refusal:
    ``unknown_part`` (nothing of one's own is there), ``nothing_ready``.
    """
    act, _ = _act(who)
    who.must_be_allowed(act)
    rows = _seats(session, who, part)
    ready = [
        (issuance, planned)
        for issuance, planned, line, blocked in rows
        if _state(planned, ordered=line is not None, blocked=blocked) == "ready"
    ]
    if not ready:
        raise Refusal("nothing_ready", marked("Chưa có học bạ nào đến lượt ký phần này."))
    placed = SigningOrder(
        id=uuid.uuid4(),
        account_pk=who.account,
        school_code=who.office,
        certificate_sha256=ready[0][1].certificate_sha256,
        act=act.value,
        way=way,
        confirmed_by=who.method,
        ordered_at=now,
    )
    lines = [
        OrderLine(
            id=uuid.uuid4(),
            order_pk=placed.id,
            issuance_pk=issuance.id,
            field=part.field,
            state=LineState.ASKED,
        )
        for issuance, planned in ready
        if planned.certificate_sha256 == placed.certificate_sha256
    ]
    try:
        with session.begin_nested():
            session.add(placed)
            session.flush()
            session.add_all(lines)
    except IntegrityError:
        raise Refusal("nothing_ready", marked("Phần này vừa được đặt lệnh ký; hãy xem lại trang.")) from None
    _tell(session, who, placed, len(lines), now)
    return placed.id


def orders(session: Session, who: Person) -> tuple[OrderFacts, ...]:
    """The own orders at the own school, newest first."""
    who.must_be_allowed(_act(who)[0])
    rows = session.scalars(
        select(SigningOrder)
        .where(SigningOrder.account_pk == who.account, SigningOrder.school_code == who.office)
        .order_by(SigningOrder.ordered_at.desc())
        .limit(50)
    ).all()
    return tuple(_order_facts(session, row) for row in rows)


def digests(session: Session, who: Person, placed: uuid.UUID) -> dict[str, Any]:
    """The digests that are out for an own order with a token, in the form of the exchange. Raises Refusal."""
    who.must_be_allowed(_act(who)[0])
    row = _own_order(session, who, placed)
    out = [
        (line.issuance_pk, line.field, line.digest)
        for line in _lines(session, row)
        if line.state == LineState.PREPARED and line.digest is not None
    ]
    certificate = next(
        (
            signer.certificate
            for signer in trust.list_signers(session, who.office)
            if signer.authority.certificate_sha256 == row.certificate_sha256
        ),
        None,
    )
    if certificate is None or not out:
        raise Refusal("no_digests", marked("Chưa có giá trị băm nào chờ ký; hãy xem lại sau ít phút."))
    return wire.digests_file(certificate, out)


def bring(session: Session, who: Person, placed: uuid.UUID, content: bytes, *, now: datetime) -> int:
    """Values of a token for an own order; the worker checks and takes them. All lines are right, or none is
    taken. Answers how many were new. Raises InvalidInput, Refusal.
    """
    who.must_be_allowed(_act(who)[0])
    row = _own_order(session, who, placed)
    found, wrong = wire.read_signatures(content, marked("Tệp chữ ký"))
    problems = list(wrong)
    waiting = {(str(line.issuance_pk), line.field): line for line in _lines(session, row)}
    brought: dict[uuid.UUID, tuple[OrderLine, bytes]] = {}
    for each in found:
        line = waiting.get((each.issuance, each.field))
        if line is None or line.state in (LineState.ASKED, LineState.LAPSED, LineState.REFUSED):
            message = f"Không có gì chờ chữ ký {each.field} với mã {each.issuance}; hãy tải giá trị băm mới."
            problems.append(Problem(each.where, "not_waiting", message))
        elif line.state != LineState.PREPARED:
            continue  # brought before
        elif each.digest.hex() != line.digest:
            message = f"Giá trị băm của {each.field} không phải giá trị đang chờ ký."
            problems.append(Problem(each.where, "other_digest", message))
        elif line.id in brought and brought[line.id][1] != each.value:
            problems.append(Problem(each.where, "repeated", "Hai chữ ký khác nhau cho cùng một mục."))
        else:
            brought[line.id] = (line, each.value)
    if not found and not problems:
        problems.append(Problem(marked("Tệp chữ ký"), "empty", marked("Tệp không có chữ ký nào.")))
    if problems:
        raise InvalidInput(tuple(problems))
    for line, value in brought.values():
        line.value, line.state, line.fault = value, LineState.BROUGHT, None
    session.flush()
    return len(brought)


def give_up(session: Session, who: Person, placed: uuid.UUID, *, now: datetime) -> None:
    """Take an own order back as far as it is not done, so that others may sign. Raises Refusal."""
    who.must_be_allowed(_act(who)[0])
    row = _own_order(session, who, placed)
    for line in _lines(session, row):
        if line.state in (LineState.ASKED, LineState.PREPARED):
            line.state, line.done_at = LineState.LAPSED, now
    session.flush()


# ------------------------------------------------------------------------------------------------ inside


def _act(who: Person) -> tuple[Act, tuple[str, ...]]:
    found = ACTS.get(who.role)
    if found is None:
        raise Refusal("not_permitted", marked("Vai trò này không được làm việc đó."))
    return found


def _own_certificates(session: Session, who: Person) -> frozenset[str]:
    return frozenset(
        signer.authority.certificate_sha256
        for signer in trust.list_signers(session, who.office)
        if signer.account == who.account
    )


_Seat = tuple[Issuance, PlannedSignature, OrderLine | None, bool]


def _seats(session: Session, who: Person, part: PartKey) -> Sequence[_Seat]:
    """The seats of one part that are the viewer's own. Raises Refusal ``unknown_part``, ``not_own_part``."""
    _, roles = _act(who)
    line = aliased(OrderLine)
    rows = session.execute(
        select(Issuance, PlannedSignature, line, _blocked())
        .join(PlannedSignature, PlannedSignature.issuance_pk == Issuance.id)
        .outerjoin(
            line,
            (line.issuance_pk == Issuance.id)
            & (line.field == PlannedSignature.field)
            & line.state.in_(_STANDING),
        )
        .where(
            Issuance.school_code == who.office,
            Issuance.upload_pk == part.upload,
            Issuance.school_class == part.school_class,
            PlannedSignature.field == part.field,
        )
        .order_by(Issuance.created_at, Issuance.id)
    ).all()
    mine = _own_certificates(session, who)
    own = [(i, p, o, bool(b)) for i, p, o, b in rows if p.certificate_sha256 in mine]
    if not own or part.field.partition(".")[0] not in roles:
        raise Refusal(
            "not_own_part" if rows else "unknown_part",
            marked("Phần này không có, hoặc không phải của chứng thư số của bạn."),
        )
    return own


def refused(session: Session, who: Person, field: str, code: str, *, now: datetime) -> None:
    """Tell the trail that somebody asked for what is not theirs to sign; in a transaction that is kept."""
    role, _, subject = field.partition(".")
    known = role in set(Role) and (not subject or subject.replace("_", "").isalnum()) and field.isascii()
    event = Event(
        who.actor,
        Action.SIGNATURE_ORDER,
        None,
        Outcome.REFUSED,
        organisation=who.office,
        details={"reason": code} | ({"field": field} if known and field == field.upper() else {}),
    )
    audit.record(session, event, now=now)


def _blocked() -> Any:
    """Whether somebody who stands before has not signed."""
    before = aliased(PlannedSignature)
    return (
        select(before.id)
        .where(
            before.issuance_pk == PlannedSignature.issuance_pk,
            before.rank < PlannedSignature.rank,
            before.signed_at.is_(None),
        )
        .exists()
    )


def _before(session: Session, school: str, part: PartKey) -> tuple[str, ...]:
    """The fields of this class that have to be signed before this part, and are not; in signing order."""
    before, mine = aliased(PlannedSignature), aliased(PlannedSignature)
    rows = session.execute(
        select(before.field, func.min(before.rank))
        .join(mine, mine.issuance_pk == before.issuance_pk)
        .join(Issuance, Issuance.id == before.issuance_pk)
        .where(
            Issuance.school_code == school,
            Issuance.upload_pk == part.upload,
            Issuance.school_class == part.school_class,
            mine.field == part.field,
            mine.signed_at.is_(None),
            before.rank < mine.rank,
            before.signed_at.is_(None),
        )
        .group_by(before.field)
        .order_by(func.min(before.rank), before.field)
    )
    return tuple(row.field for row in rows)


def _state(planned: PlannedSignature, *, ordered: bool, blocked: bool) -> str:
    if planned.signed_at is not None:
        return "signed"
    if ordered:
        return "ordered"
    return "later" if blocked else "ready"


def _parts(session: Session, school: str, certificates: frozenset[str] | None) -> tuple[Part, ...]:
    """Parts of a school, of some certificates or all."""
    line = aliased(OrderLine)
    ordered = (
        select(line.id)
        .where(
            line.issuance_pk == PlannedSignature.issuance_pk,
            line.field == PlannedSignature.field,
            line.state.in_(_STANDING),
        )
        .exists()
    )
    each = (
        select(
            Issuance.upload_pk,
            Issuance.school_class,
            PlannedSignature.field,
            PlannedSignature.certificate_sha256,
            PlannedSignature.signed_at.is_not(None).label("signed"),
            ordered.label("ordered"),
            _blocked().label("blocked"),
            Issuance.created_at,
        )
        .join(PlannedSignature, PlannedSignature.issuance_pk == Issuance.id)
        .where(Issuance.school_code == school)
    )
    if certificates is not None:
        each = each.where(PlannedSignature.certificate_sha256.in_(sorted(certificates)))
    seat = each.subquery().c
    part = (seat.upload_pk, seat.school_class, seat.field, seat.certificate_sha256)
    flags = (seat.signed, seat.ordered, seat.blocked)
    wanted = select(*part, *flags, func.count(), func.min(seat.created_at)).group_by(*part, *flags)
    counts: dict[tuple[PartKey, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    since: dict[tuple[PartKey, str], datetime] = {}
    for upload, lop, field, certificate, signed, is_ordered, blocked, count, first in session.execute(wanted):
        key = (PartKey(upload, lop, field), certificate)
        state = "signed" if signed else "ordered" if is_ordered else "later" if blocked else "ready"
        counts[key][state] += count
        since[key] = min(since.get(key, first), first)
    names = trust.signer_names(session, [certificate for _, certificate in counts])
    found = [
        Part(
            part_key,
            certificate,
            names.get(certificate, certificate[:8]),
            count["ready"],
            count["later"],
            count["ordered"],
            count["signed"],
            since[part_key, certificate],
        )
        for (part_key, certificate), count in counts.items()
    ]
    return tuple(sorted(found, key=lambda p: (p.since, p.key.school_class, p.key.field)))


def _pupil(vault: Vault, issuance: Issuance, field: str, state: str) -> PupilPart:
    """Of the record what the signer of ``field`` answers for."""
    record: dict[str, Any] = open_intent(vault, issuance)["input"]
    role, _, subject = field.partition(".")
    subjects = [f"mon.{subject}"] if role == Role.GVBM else [n for n in record if n.startswith("mon.")]
    rows = tuple((name.removeprefix("mon."), record[name]) for name in subjects if name in record)
    results = {} if role == Role.GVBM else {n: record[n] for n in _RESULTS if record.get(n) is not None}
    return PupilPart(issuance.id, str(record["ho_va_ten"]), issuance.version, rows, results, state)


_RESULTS: Final = (
    "kq_ren_luyen_ca_nam",
    "kq_hoc_tap_ca_nam",
    "ket_qua_giao_duc",
    "hoan_thanh",
    "ket_qua_len_lop",
    "hoan_thanh_ct",
    "khen_thuong",
)


def _own_order(session: Session, who: Person, placed: uuid.UUID) -> SigningOrder:
    row = session.scalar(
        select(SigningOrder).where(
            SigningOrder.id == placed,
            SigningOrder.account_pk == who.account,
            SigningOrder.school_code == who.office,
        )
    )
    if row is None:
        raise Refusal("unknown_order", marked("Không có lệnh ký nào như vậy của bạn."))
    return row


def _lines(session: Session, row: SigningOrder) -> Sequence[OrderLine]:
    return session.scalars(select(OrderLine).where(OrderLine.order_pk == row.id).with_for_update()).all()


def _order_facts(session: Session, row: SigningOrder) -> OrderFacts:
    lines: Iterable[OrderLine] = session.scalars(select(OrderLine).where(OrderLine.order_pk == row.id)).all()
    counts: dict[LineState, int] = defaultdict(int)
    for line in lines:
        counts[LineState(line.state)] += 1
    faults = sorted({line.fault for line in lines if line.fault is not None})
    preparing = 0 if not counts[LineState.ASKED] else session.scalar(_preparing(row.id)) or 0
    return OrderFacts(
        row.id,
        Way(row.way),
        row.certificate_sha256,
        row.ordered_at,
        row.held_until,
        {state: count for state, count in counts.items() if count},
        tuple(faults),
        preparing,
    )


def _preparing(placed: uuid.UUID) -> Select[int]:
    """How many files of an order the worker begins next: not those that wait for the value of somebody else's
    digest, or that it could not finish the last time, for these may wait long.
    """
    other = aliased(OrderLine)
    held = exists().where(
        other.issuance_pk == OrderLine.issuance_pk,
        other.state.in_((LineState.PREPARED, LineState.BROUGHT)),
    )
    return (
        select(func.count())
        .select_from(OrderLine)
        .join(Issuance, Issuance.id == OrderLine.issuance_pk)
        .where(
            OrderLine.order_pk == placed,
            OrderLine.state == LineState.ASKED,
            Issuance.fault.is_(None),
            ~held,
        )
    )


def _tell(session: Session, who: Person, placed: SigningOrder, count: int, now: datetime) -> None:
    event = Event(
        who.actor,
        Action.SIGNATURE_ORDER,
        Object("order", placed.id),
        organisation=who.office,
        details={
            "act": placed.act,
            "way": str(placed.way),
            "certificate": placed.certificate_sha256,
            "count": count,
            "method": placed.confirmed_by,
        },
    )
    audit.record(session, event, now=now)
