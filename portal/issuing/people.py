"""Signing by people: the worker's part. It signs what somebody ordered for their own certificate, no more.

A page writes a :class:`SigningOrder`; here each of its lines is brought into the file that waits, one
signature a transaction, whoever is killed when:

1. a *ring* line (the portal's key ring holds the key): prepared, signed and kept;
2. a *token* line (the key is the person's own): prepared and kept, its digest goes out; the value comes back
   by the page; checked against digest and certificate, then kept. Meanwhile nobody else signs that file, for
   each signature covers the ones before; after :data:`HOLD` the digest is given up;
3. when the last signature is in: checked by our own verifier, stored and registered, as in
   :mod:`portal.issuing.service`.

What is kept names the state that it started from, so a signature is kept once. A refusal is of the line alone
and is told by the trail; something that is broken (a timestamp authority, the store) is tried again later.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object, Outcome
from portal.errors import PortalError, Refusal
from portal.issuing import signing
from portal.issuing.intents import Held, Job, change, elsewhere, key_use, seal_held
from portal.issuing.keys import Key, KeyRing
from portal.issuing.models import (
    ClassUpload,
    Issuance,
    LineState,
    OrderLine,
    PlannedSignature,
    SigningOrder,
    Stage,
    UploadState,
    Way,
)
from portal.issuing.plan import Seat
from portal.issuing.service import (
    Desk,
    State,
    attempt,
    check_signers,
    complete,
    load,
    prepare,
    proceed,
    render,
    settle,
)
from portal.trust import store as trust
from verifier.certificates import find_path, read_certificate
from verifier.policy import DEFAULT
from verifier.trust import TrustStore

#: How long a file waits for the value of a digest that is out.
HOLD: Final = timedelta(hours=1)
#: What could not be finished is tried again after this time.
AGAIN: Final = timedelta(minutes=10)
_WORKER: Final = Actor.system("worker")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One field to sign, and whose word it is."""

    id: uuid.UUID
    order: uuid.UUID
    account: uuid.UUID
    school: str
    certificate: str
    way: Way
    issuance: uuid.UUID
    field: str
    state: LineState
    digest: str | None
    value: bytes | None

    @property
    def actor(self) -> Actor:
        return Actor("account", str(self.account))


def ring_of_people(session: Session, ring: KeyRing, store: TrustStore, now: datetime) -> KeyRing:
    """A key for each certificate that belongs to an account: the ring's own, or one that is elsewhere."""
    keys: dict[str, Key] = {}
    for signer in trust.list_signers(session):
        sha256 = signer.authority.certificate_sha256
        if signer.account is None or sha256 in keys:
            continue
        at_hand = ring.find(sha256)
        chain: tuple[bytes, ...] = ()
        if at_hand is None:
            path = find_path(read_certificate(signer.certificate), (), store, DEFAULT, now)
            # The root is pinned wherever a file is checked.
            chain = () if path is None else tuple(link.der for link in path.certificates[1:-1])
        keys[sha256] = at_hand or Key(signer.certificate, chain, sha256[:8], None)
    return KeyRing(tuple(keys.values()))


def is_due(session: Session, now: datetime) -> bool:
    """Whether a line, a digest that is late or a version that everybody signed waits for the worker."""
    late = select(OrderLine.id).where(_late(now)).limit(1)
    whole = select(ClassUpload.id).where(_whole()).limit(1)
    return (
        session.scalar(late) is not None
        or session.scalar(whole) is not None
        or _next_line(session, now) is not None
        or _next_signed(session, now) is not None
    )


def take_due(desk: Desk, store: TrustStore) -> bool:
    """Take the oldest line that is due, or finish the oldest version that everybody signed; False when there
    is nothing to do.
    """
    now = desk.clock.now()
    with desk.begin() as session:
        _lapse(session, now)
        end_uploads(session, now)
        line = _next_line(session, now)
        signed = None if line else _next_signed(session, now)
    if line is not None:
        _take(desk, store, line)
        return True
    if signed is not None:
        _finish(desk, store, signed)
        return True
    return False


def _lapse(session: Session, now: datetime) -> None:
    """Digests whose value nobody brought in time are given up."""
    session.execute(
        update(OrderLine)
        .where(_late(now))
        .values(state=LineState.LAPSED, done_at=now)
        .execution_options(synchronize_session=False)
    )


def _late(now: datetime) -> ColumnElement[bool]:
    late = select(SigningOrder.id).where(SigningOrder.held_until <= now)
    return and_(OrderLine.state == LineState.PREPARED, OrderLine.order_pk.in_(late))


def _next_line(session: Session, now: datetime) -> Line | None:
    """Values that came back first, then orders in their order. A file whose digest is out waits for it."""
    out = aliased(OrderLine)
    held = select(out.id).where(
        out.issuance_pk == OrderLine.issuance_pk,
        out.id != OrderLine.id,
        out.state.in_((LineState.PREPARED, LineState.BROUGHT)),
    )
    row = session.execute(
        select(OrderLine, SigningOrder)
        .join(SigningOrder, SigningOrder.id == OrderLine.order_pk)
        .join(Issuance, Issuance.id == OrderLine.issuance_pk)
        .where(
            or_(
                OrderLine.state == LineState.BROUGHT,
                and_(OrderLine.state == LineState.ASKED, ~held.exists()),
            ),
            or_(Issuance.tried_at.is_(None), Issuance.tried_at <= now - AGAIN),
        )
        .order_by(OrderLine.state.desc(), SigningOrder.ordered_at, OrderLine.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    line, order = row
    return Line(
        line.id,
        order.id,
        order.account_pk,
        order.school_code,
        order.certificate_sha256,
        Way(order.way),
        line.issuance_pk,
        line.field,
        LineState(line.state),
        line.digest,
        line.value,
    )


def _take(desk: Desk, store: TrustStore, line: Line) -> None:
    """One line as far as it goes now."""
    desk = replace(desk, actor=line.actor)
    try:
        job = load(desk, line.issuance)
        seat = _seat(desk, job, line)
        check_signers(desk, job, store)
        _bring(desk, job, seat, line)
    except Refusal as refused:
        _refuse(desk, line, refused.code)
    except PortalError as fault:
        _put_off(desk, line.issuance, type(fault).__name__)
        _tell(desk, line, Outcome.FAILED, "broken")
    else:
        desk.at("taken")
        if load(desk, line.issuance).signatures == len(job.intent.seats):
            _finish(desk, store, line.issuance)


def _bring(desk: Desk, job: Job, seat: Seat, line: Line) -> None:
    """Prepare a digest that goes out, or put a value into the file. Raises Refusal, PortalError."""
    now = desk.clock.now()
    if line.state is LineState.BROUGHT:
        prepared = job.held.prepared if job.held else None
        if job.held is None or prepared is None or prepared.digest.hex() != line.digest:
            raise Refusal("other_digest", "Giá trị băm đã đổi; hãy tải lại.")
        value = line.value or b""
        if not signing.fits(prepared.certificate, prepared.digest, value):
            raise Refusal("wrong_signature", "Chữ ký không khớp giá trị băm và chứng thư số.")
        _keep(desk, job, line, prepared, value, key="external")
        return
    key = desk.ring.find(line.certificate)
    if key is None or (line.way is Way.RING and key.external):
        raise Refusal("key_missing", "Cổng không giữ khoá của chứng thư số này.")
    held = Held(render(desk, job.intent), ()) if job.held is None else job.held.given_up()
    prepared = prepare(desk, job, seat, key, held, at=now)
    desk.at("prepared")
    if line.way is Way.RING:
        _keep(desk, job, line, prepared, key.sign_digest(prepared.digest), key="local")
        return
    waiting = seal_held(desk.vault, job, held.waiting(prepared))
    with desk.begin() as session:
        change(
            session, job, now, stage=Stage.WAITING, next_field=seat.field, stage_sealed=waiting, fault=None
        )
        _move(session, job, line, state=LineState.PREPARED, digest=prepared.digest.hex())
        session.get_one(SigningOrder, line.order).held_until = now + HOLD
    desk.at("waiting")


def _keep(desk: Desk, job: Job, line: Line, prepared: signing.Prepared, value: bytes, *, key: str) -> None:
    """The value in the file, committed with its line and its entry in the trail."""
    before = job.held.signed if job.held else ()
    pdf = complete(desk, job, prepared, value, before)
    desk.at("signed one")
    signed = (*before, line.field)
    kept = seal_held(desk.vault, job, Held(pdf, signed))
    now = desk.clock.now()
    with desk.begin() as session:
        change(
            session,
            job,
            now,
            stage=Stage.WAITING,
            next_field=None,
            signatures=len(signed),
            stage_sealed=kept,
            fault=None,
        )
        session.execute(
            update(PlannedSignature)
            .where(PlannedSignature.issuance_pk == job.id, PlannedSignature.field == line.field)
            .values(signed_at=now)
            .execution_options(synchronize_session=False)
        )
        _move(session, job, line, state=LineState.DONE, value=None, fault=None, done_at=now)
        audit.record(session, key_use(job, prepared, key=key, actor=line.actor), now=now)
        desk.at("signed, not committed")


def _move(session: Session, job: Job, line: Line, **values: Any) -> None:
    """From the state that ``line`` was read in. Raises Refusal when somebody was quicker."""
    moved = session.execute(
        update(OrderLine)
        .where(OrderLine.id == line.id, OrderLine.state == line.state)
        .values(**values)
        .returning(OrderLine.id)
        .execution_options(synchronize_session=False)
    ).all()
    if len(moved) != 1:
        raise elsewhere(job.intent)


def _seat(desk: Desk, job: Job, line: Line) -> Seat:
    """The seat that ``line`` is for. Raises Refusal when it is not its account's to sign, or not yet."""
    seat = next((seat for seat in job.intent.seats if seat.field == line.field), None)
    if seat is None or job.school_code != line.school or seat.certificate_sha256 != line.certificate:
        raise Refusal("other_seat", "Trường ký này không thuộc chứng thư số đó.")
    with desk.begin() as session:
        owners = {
            signer.account
            for signer in trust.list_signers(session, line.school)
            if signer.authority.certificate_sha256 == line.certificate
            and signer.authority.covers(desk.clock.now())
        }
        mine = session.execute(
            select(PlannedSignature.rank, PlannedSignature.signed_at).filter_by(
                issuance_pk=job.id, field=line.field
            )
        ).one_or_none()
        rank = 0 if mine is None else mine.rank
        before = session.scalar(
            select(func.count())
            .select_from(PlannedSignature)
            .where(
                PlannedSignature.issuance_pk == job.id,
                PlannedSignature.rank < rank,
                PlannedSignature.signed_at.is_(None),
            )
        )
    if line.account not in owners:
        raise Refusal("not_own_certificate", "Chứng thư số này không phải của người đặt lệnh ký.")
    if mine is None or mine.signed_at is not None:
        raise Refusal("already_signed", "Phần này đã được ký.")
    if before:
        raise Refusal("too_early", "Còn người phải ký trước.")
    return seat


def _refuse(desk: Desk, line: Line, code: str) -> None:
    """End a line; a value that does not fit may be brought once more. What somebody else did meanwhile is
    left to the next look.
    """
    if code == "issuing_elsewhere":
        return
    again = code == "wrong_signature"
    with desk.begin() as session:
        session.execute(
            update(OrderLine)
            .where(OrderLine.id == line.id, OrderLine.state == line.state)
            .values(
                state=LineState.PREPARED if again else LineState.REFUSED,
                value=None,
                fault=code,
                done_at=None if again else desk.clock.now(),
            )
            .execution_options(synchronize_session=False)
        )
        audit.record(session, _event(line, Outcome.REFUSED, code), now=desk.clock.now())


def _tell(desk: Desk, line: Line, outcome: Outcome, code: str) -> None:
    with desk.begin() as session:
        audit.record(session, _event(line, outcome, code), now=desk.clock.now())


def _event(line: Line, outcome: Outcome, code: str) -> Event:
    return Event(
        line.actor,
        Action.KEY_USE,
        Object("issuance", line.issuance),
        outcome,
        organisation=line.school,
        details={"certificate": line.certificate, "field": line.field, "reason": code},
    )


def _put_off(desk: Desk, issuance: uuid.UUID, fault: str) -> None:
    log.error("issuance %s is put off: %s", issuance, fault, exc_info=True)
    with desk.begin() as session:
        row = session.get(Issuance, issuance)
        if row is not None:
            row.tried_at, row.fault = desk.clock.now(), fault[:40]


# ----------------------------------------------------------------------------------------- when all signed


def _next_signed(session: Session, now: datetime) -> uuid.UUID | None:
    """A version of an upload that everybody signed and that is not registered."""
    open_seats = select(PlannedSignature.id).where(
        PlannedSignature.issuance_pk == Issuance.id, PlannedSignature.signed_at.is_(None)
    )
    return session.scalar(
        select(Issuance.id)
        .where(
            Issuance.upload_pk.is_not(None),
            Issuance.stage.in_((Stage.WAITING, Stage.SEALED)),
            ~open_seats.exists(),
            or_(Issuance.tried_at.is_(None), Issuance.tried_at <= now - AGAIN),
        )
        .order_by(Issuance.updated_at)
        .limit(1)
    )


def _finish(desk: Desk, store: TrustStore, issuance: uuid.UUID) -> None:
    """Check, store and register a version that everybody signed; whoever closed it is the actor."""
    job = load(desk, issuance)
    with desk.begin() as session:
        closer = session.scalar(
            select(SigningOrder.account_pk)
            .join(OrderLine, OrderLine.order_pk == SigningOrder.id)
            .where(OrderLine.issuance_pk == issuance, OrderLine.state == LineState.DONE)
            .order_by(OrderLine.done_at.desc())
            .limit(1)
        )
    desk = replace(desk, actor=_WORKER if closer is None else Actor("account", str(closer)))
    outcome = settle(desk, "", lambda: proceed(desk, issuance, store), attempt(desk, job))
    if outcome.state is State.FAILED:
        _put_off(desk, issuance, outcome.problems[0].code)
        return
    if job.upload is not None:
        with desk.begin() as session:
            end_uploads(session, desk.clock.now())


def end_uploads(session: Session, now: datetime) -> None:
    """An upload is done when every record of it is registered; also one whose worker died between the two."""
    session.execute(
        update(ClassUpload)
        .where(_whole())
        .values(state=UploadState.DONE, ended_at=now)
        .execution_options(synchronize_session=False)
    )


def _whole() -> ColumnElement[bool]:
    """Uploads that are being issued, all of them reserved, and of which nothing is left to issue."""
    left = exists().where(Issuance.upload_pk == ClassUpload.id, Issuance.stage != Stage.REGISTERED)
    return and_(ClassUpload.state == UploadState.ISSUING, ~left)
