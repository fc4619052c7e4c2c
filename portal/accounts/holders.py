"""Holders: who is linked to which pupil, what follows from it, and what they may open.

The issuing school says who somebody is to a pupil, for how long, and whether that is in dispute; the portal
knows no families. A link stands while nobody ended it, its period runs, no dispute is open and, for everyone
but the pupil, while the pupil is under 18: from that day the pupil alone decides (Luật 91/2025 Đ.24), and no
guardian keeps access, for whoever is of age can show their record by a share code. A holder of a pupil sees
all of that pupil's years (:mod:`portal.registry.learners`).

Nothing here is deleted: who was linked, and when, stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from portal.accounts.ages import CHILD, OF_AGE, Born
from portal.accounts.models import Account, PupilLink, Relation
from portal.accounts.notices import Notice, notices
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.database import everywhere
from portal.errors import Refusal, marked
from portal.messages.words import Kind
from portal.ports import FileStore
from portal.registry import learners
from portal.registry import service as registry
from portal.registry.learners import PupilRecord
from portal.registry.service import OpenRecord
from portal.vault import Vault
from verifier.verdict import VersionState
from verifier.words import VIETNAM

#: Why the school put a link in dispute, and why it ended one.
DISPUTE_REASONS: Final = ("custody_dispute", "guardianship_ended_claim", "identity_doubt")
END_REASONS: Final = ("guardianship_ended", "linked_by_mistake", "holder_asked")
#: Of those, what says that somebody may not speak for the pupil, wherever they are linked.
FOR_CAUSE: Final = ("guardianship_ended", "linked_by_mistake")
GUARDIANS: Final = frozenset({Relation.MOTHER, Relation.FATHER, Relation.GUARDIAN})
_MANY: Final = 500  # links looked at in one transaction of :func:`end_lapsed`


class LinkState(StrEnum):
    """How a link is today."""

    STANDING = "standing"
    DISPUTED = "disputed"  # nothing is shown and nothing consented to
    LAPSED = "lapsed"  # its period is over, or the pupil is of age
    OVERRULED = "overruled"  # a school where the pupil is now ended this person's link there for cause
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Link:
    """A holder and a pupil, as the school says."""

    key: uuid.UUID
    account: uuid.UUID
    school_code: str
    pupil_index: str
    relation: Relation
    state: LinkState
    valid_from: date
    valid_to: date | None
    linked_at: datetime
    disputed_at: datetime | None
    dispute_reason: str | None


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to be made, as the slip of a school has it."""

    school_code: str
    pupil_index: str
    relation: Relation
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that a holder asks for, by one of their links."""

    link: uuid.UUID
    record_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Child:
    """A pupil whom a holder is linked to, with all years; by the first of the links to the same pupil.

    ``links`` are all of them, for each school's consents are its own; ``grades`` are those with a record that
    was not recalled, ``missing`` those before the highest without.
    """

    link: Link
    links: tuple[Link, ...]
    name: str
    records: tuple[PupilRecord, ...]
    grades: tuple[int, ...]
    missing: tuple[int, ...]


def today(now: datetime) -> date:
    """Vietnam's day."""
    return now.astimezone(VIETNAM).date()


# ------------------------------------------------------------------------------------------------------ links


def links_of(session: Session, vault: Vault, account: uuid.UUID, *, now: datetime) -> tuple[Link, ...]:
    """A holder's links that were not ended, the oldest first, with their state of today."""
    rows = session.scalars(
        select(PupilLink).filter_by(account_pk=account, ended_at=None).order_by(PupilLink.linked_at)
    )
    return tuple(_link(session, row, _born(session, vault, row), now) for row in rows)


def pupils_of(session: Session, account: uuid.UUID) -> frozenset[str]:
    """The indexes of all pupils whom a holder is or was linked to."""
    return frozenset(session.scalars(select(PupilLink.pupil_index).filter_by(account_pk=account)))


def ever_linked(session: Session, pupils: Iterable[tuple[str, str]]) -> frozenset[uuid.UUID]:
    """The accounts that are, or ever were, linked to any of these pupils (school code, index)."""
    wanted = select(PupilLink.account_pk).where(
        tuple_(PupilLink.school_code, PupilLink.pupil_index).in_(sorted(pupils))
    )
    return frozenset(session.scalars(wanted))


def links_to(
    session: Session, vault: Vault, school_code: str, pupil: str, *, now: datetime
) -> tuple[Link, ...]:
    """Who is linked to a pupil at this school, also those whose link has lapsed."""
    rows = session.scalars(
        select(PupilLink)
        .filter_by(school_code=school_code, pupil_index=pupil, ended_at=None)
        .order_by(PupilLink.linked_at, PupilLink.id)
    ).all()
    born = _born(session, vault, rows[0]) if rows else None  # of one pupil all
    return tuple(_link(session, row, born, now) for row in rows)


def holders_of(session: Session, vault: Vault, record_id: str, *, now: datetime) -> tuple[Link, ...]:
    """Every standing link, at whatever school, whose holder sees this record."""
    found = (
        link
        for school, pupil in learners.pupils_like(session, record_id)
        for link in links_to(session, vault, school, pupil, now=now)
    )
    return tuple(link for link in found if link.state is LinkState.STANDING)


def standing_link(
    session: Session, vault: Vault, account: uuid.UUID, key: uuid.UUID, *, now: datetime
) -> Link:
    """The holder's own link, which stands. Raises Refusal ``unknown_link``, ``link_disputed``,
    ``link_overruled``.
    """
    row = session.get(PupilLink, key)
    if row is None or row.account_pk != account:
        raise _unknown_link()
    link = _link(session, row, _born(session, vault, row), now)
    if link.state is LinkState.DISPUTED:
        raise _disputed()
    if link.state is LinkState.OVERRULED:
        raise Refusal(
            "link_overruled",
            marked("Trường học sinh học sau này đã kết thúc liên kết của bạn với học sinh."),
            marked("Hỏi trường học sinh đang học."),
        )
    if link.state is not LinkState.STANDING:
        raise _unknown_link()
    return link


def change_link(
    session: Session,
    school_code: str,
    key: uuid.UUID,
    *,
    relation: Relation,
    valid_to: date | None,
    actor: Actor,
    now: datetime,
) -> tuple[Notice, ...]:
    """Correct what a guardian is to the pupil, and until when. Raises Refusal ``unknown_link``,
    ``other_person`` (a pupil's own link is no guardian's), ``past``.
    """
    row = own_row(session, school_code, key)
    if row.relation == Relation.PUPIL or relation is Relation.PUPIL:
        raise Refusal(
            "other_person",
            marked("Liên kết của chính học sinh không đổi thành liên kết của người lớn, và ngược lại."),
            marked("Kết thúc liên kết này rồi làm giấy kích hoạt mới."),
        )
    if valid_to is not None and valid_to < today(now):
        raise Refusal(
            "past", marked("Ngày kết thúc đã qua."), marked("Muốn kết thúc ngay thì bấm “Kết thúc”.")
        )
    if (row.relation, row.valid_to) == (relation, valid_to):
        return ()
    row.relation, row.valid_to = relation, valid_to
    _tell(session, row, "changed", actor=actor, now=now)
    return notices(session, [row.account_pk], Kind.LINK_CHANGED, {"day": today(now)})


def end_link(
    session: Session, school_code: str, key: uuid.UUID, reason: str, *, actor: Actor, now: datetime
) -> tuple[Notice, ...]:
    """End a link for good, for one of :data:`END_REASONS`. Raises Refusal ``unknown_link``,
    ``unknown_reason``.
    """
    row = own_row(session, school_code, key)
    _require_reason(reason, END_REASONS)
    return _end(session, row, reason, actor=actor, now=now)


def open_dispute(
    session: Session, school_code: str, key: uuid.UUID, reason: str, *, actor: Actor, now: datetime
) -> tuple[Notice, ...]:
    """Put a link in dispute, for one of :data:`DISPUTE_REASONS`: from now on nothing is shown by it. Twice
    changes nothing. Raises Refusal ``unknown_link``, ``unknown_reason``.
    """
    row = own_row(session, school_code, key)
    _require_reason(reason, DISPUTE_REASONS)
    if row.disputed_at is not None:
        return ()
    row.disputed_at, row.dispute_reason = now, reason
    _tell(session, row, "dispute_opened", reason, actor=actor, now=now)
    return notices(session, [row.account_pk], Kind.LINK_DISPUTED, {"day": today(now)})


def close_dispute(
    session: Session, school_code: str, key: uuid.UUID, *, actor: Actor, now: datetime
) -> tuple[Notice, ...]:
    """The dispute is over and the link stands again. Twice changes nothing. Raises Refusal
    ``unknown_link``.
    """
    row = own_row(session, school_code, key)
    if row.disputed_at is None:
        return ()
    row.disputed_at = row.dispute_reason = None
    _tell(session, row, "dispute_closed", actor=actor, now=now)
    return notices(session, [row.account_pk], Kind.DISPUTE_CLOSED, {"day": today(now)})


def end_lapsed(
    session: Session, vault: Vault, *, after: uuid.UUID | None = None, now: datetime
) -> tuple[tuple[Notice, ...], uuid.UUID | None]:
    """For the worker, daily: links that lapsed are ended and their holders told; until then they show nothing
    either. A batch: those whose key follows ``after``. Answers the notices and the last key, None when
    nothing is left; the caller commits and repeats.
    """
    wanted = select(PupilLink).where(PupilLink.ended_at.is_(None)).order_by(PupilLink.id).limit(_MANY)
    if after is not None:
        wanted = wanted.where(PupilLink.id > after)
    rows = session.scalars(wanted.with_for_update()).all()
    told: list[Notice] = []
    for row in rows:
        over = row.valid_to is not None and row.valid_to < today(now)
        if over or _is_outgrown(row, _born(session, vault, row), now):
            reason = "period_over" if over else "pupil_of_age"
            told += _end(session, row, reason, actor=Actor.system("holders"), now=now)
    return tuple(told), rows[-1].id if rows else None


def add_link(
    session: Session, vault: Vault, account: Account, new: NewLink, *, now: datetime
) -> tuple[Link, tuple[Notice, ...]]:
    """Link a holder to a pupil. Of a child's own link the guardians are told. Raises Refusal
    ``already_linked``.
    """
    for row in session.scalars(
        select(PupilLink).filter_by(account_pk=account.id, pupil_index=new.pupil_index, ended_at=None)
    ):
        if _state(row, _born(session, vault, row), now) is not LinkState.LAPSED:
            raise Refusal(
                "already_linked",
                marked("Bạn đã được liên kết với học sinh này."),
                marked("Đăng nhập để xem học bạ."),
            )
        _end(session, row, "period_over", actor=Actor.system("holders"), now=now)
    row = PupilLink(
        account_pk=account.id,
        school_code=new.school_code,
        pupil_index=new.pupil_index,
        relation=new.relation,
        valid_from=today(now),
        valid_to=new.valid_to,
        linked_at=now,
    )
    session.add(row)
    session.flush()
    born = _born(session, vault, row)
    told: tuple[Notice, ...] = ()
    if new.relation is Relation.PUPIL and born is not None and not born.surely(CHILD, today(now)):
        guardians = [
            link.account
            for link in links_to(session, vault, new.school_code, new.pupil_index, now=now)
            if link.relation in GUARDIANS and link.state is LinkState.STANDING
        ]
        told = notices(session, guardians, Kind.PUPIL_ACCOUNT, {"day": today(now)})
    return _link(session, row, born, now), told


def told_of_version(
    session: Session,
    vault: Vault,
    record_id: str,
    *,
    grade: int,
    year: str,
    recalled: bool,
    now: datetime,
) -> tuple[Notice, ...]:
    """A version was registered, or recalled: everyone who sees the record is told, also the family that never
    heard of the school which issued it.
    """
    kind = Kind.RECORD_RECALLED if recalled else Kind.RECORD_NEW_VERSION
    accounts = [link.account for link in holders_of(session, vault, record_id, now=now)]
    return notices(session, accounts, kind, {"grade": grade, "year": year})


# -------------------------------------------------------------------------------------------- what they see


def children(session: Session, vault: Vault, account: uuid.UUID, *, now: datetime) -> tuple[Child, ...]:
    """The pupils a holder is linked to by a link that stands, each once, however many schools linked them."""
    found: list[Child] = []
    for link in links_of(session, vault, account, now=now):
        if link.state is not LinkState.STANDING:
            continue
        records = learners.records_of(session, link.school_code, link.pupil_index)
        keys = {record.key for record in records}
        same = (n for n, child in enumerate(found) if keys & {record.key for record in child.records})
        number = next(same, None)
        if number is None:
            found.append(_child(session, vault, link, records))
        else:
            found[number] = replace(found[number], links=(*found[number].links, link))
    return tuple(found)


def child(session: Session, vault: Vault, account: uuid.UUID, key: uuid.UUID, *, now: datetime) -> Child:
    """The pupil of one link. Raises Refusal as :func:`standing_link`."""
    link = standing_link(session, vault, account, key, now=now)
    found = _child(session, vault, link, learners.records_of(session, link.school_code, link.pupil_index))
    every = (each.links for each in children(session, vault, account, now=now))
    return replace(found, links=next(links for links in every if key in {one.key for one in links}))


def open_version(
    session: Session, vault: Vault, account: uuid.UUID, wanted: Wanted, *, now: datetime
) -> OpenRecord:
    """The whole content of one version, for a holder; the trail tells it. Raises Refusal as
    :func:`standing_link`, and ``unknown_record``.
    """
    record = _seen(session, vault, account, wanted, now=now)
    opened = registry.open_record(session, vault, wanted.record_id, wanted.version)
    if opened is None:
        raise _unknown_record()
    _disclosed(session, account, record, {"version": wanted.version}, now=now)
    return opened


def open_pdf(
    session: Session, vault: Vault, files: FileStore, account: uuid.UUID, wanted: Wanted, *, now: datetime
) -> bytes:
    """The signed file of one version, as :func:`open_version`. Raises besides what ``registry.read_file``
    raises.
    """
    record = _seen(session, vault, account, wanted, now=now)
    sha256 = registry.newest_file(session, wanted.record_id, wanted.version)
    data = None if sha256 is None else registry.read_file(session, vault, files, sha256)
    if sha256 is None or data is None:
        raise _unknown_record()
    _disclosed(session, account, record, {"version": wanted.version, "file": sha256}, now=now)
    return data


def _seen(
    session: Session, vault: Vault, account: uuid.UUID, wanted: Wanted, *, now: datetime
) -> PupilRecord:
    """The record of a version that the holder may open. A dispute at one school closes to them what another
    school's link would show of the same pupil, as it does for consents.
    """
    link = standing_link(session, vault, account, wanted.link, now=now)
    for record in learners.records_of(session, link.school_code, link.pupil_index):
        if record.record_id != wanted.record_id:
            continue
        # Another school's record that was taken back may have named this pupil by mistake: that it was
        # recalled is told, what stood in it is not.
        kept_back = not record.own and record.newest.state is VersionState.RECALLED
        if not kept_back and any(v.version == wanted.version for v in record.versions):
            if any(
                other.account == account and other.state is LinkState.DISPUTED
                for school, pupil in learners.pupils_like(session, record.record_id)
                for other in links_to(session, vault, school, pupil, now=now)
            ):
                raise _disputed()
            return record
    raise _unknown_record()


def _disclosed(
    session: Session,
    account: uuid.UUID,
    record: PupilRecord,
    details: Mapping[str, str | int],
    *,
    now: datetime,
) -> None:
    event = Event(
        Actor("holder", str(account)),
        Action.DISCLOSURE,
        Object("record", record.key),
        organisation=record.school_code,
        pupil=record.pupil_index,
        purpose="own_record",
        basis="holder",
        details=details,
    )
    audit.record(session, event, now=now)


def _child(session: Session, vault: Vault, link: Link, records: tuple[PupilRecord, ...]) -> Child:
    known = learners.pupil_of(session, vault, link.school_code, link.pupil_index)
    grades = sorted({r.grade for r in records if r.newest.state is not VersionState.RECALLED})
    missing = sorted(set(range(1, grades[-1])).difference(grades)) if grades else []
    return Child(link, (link,), "" if known is None else known.name, records, tuple(grades), tuple(missing))


# --------------------------------------------------------------------------------------------------- inside


def _link(session: Session, row: PupilLink, born: Born | None, now: datetime) -> Link:
    state = _state(row, born, now)
    # A dispute stays one: it closes what other links would show, and that nothing may take away.
    if state is LinkState.STANDING and _is_overruled(session, row):
        state = LinkState.OVERRULED
    return Link(
        row.id,
        row.account_pk,
        row.school_code,
        row.pupil_index,
        Relation(row.relation),
        state,
        row.valid_from,
        row.valid_to,
        row.linked_at,
        row.disputed_at,
        row.dispute_reason,
    )


def _state(row: PupilLink, born: Born | None, now: datetime) -> LinkState:
    if row.ended_at is not None:
        return LinkState.ENDED
    day = today(now)
    over = row.valid_to is not None and row.valid_to < day
    if row.valid_from > day or over or _is_outgrown(row, born, now):
        return LinkState.LAPSED
    return LinkState.STANDING if row.disputed_at is None else LinkState.DISPUTED


def _is_overruled(session: Session, row: PupilLink) -> bool:
    """Whether a school that has the pupil's records of the same year or of a later one ended the link of the
    same account there for cause, as its last word, and has not linked it again. What the school of this link
    had ended before it made it, it has thought better of. Whoever has another account is somebody else here:
    nothing tells that two accounts are one person's.
    """
    wanted = select(
        PupilLink.pupil_index, PupilLink.school_code, PupilLink.ended_at, PupilLink.end_reason
    ).where(PupilLink.account_pk == row.account_pk, PupilLink.pupil_index != row.pupil_index)
    with everywhere(session):
        others = session.execute(wanted).all()
        linked = {other.pupil_index for other in others if other.ended_at is None}
        ended = (other for other in others if other.ended_at is not None)
        last = {other.pupil_index: other for other in sorted(ended, key=lambda other: other.ended_at)}
        cause = {
            index
            for index, other in last.items()
            if other.end_reason in FOR_CAUSE
            and index not in linked
            and not (other.school_code == row.school_code and other.ended_at <= row.linked_at)
        }
        if not cause:
            return False
        years = learners.newest_years(session, row.pupil_index)
    own = years.get(row.pupil_index, "")
    return any(years[index] >= own for index in cause & years.keys())


def _born(session: Session, vault: Vault, row: PupilLink) -> Born | None:
    """When the pupil of a link was born, by all that the school's records say; None when it has none."""
    known = learners.pupil_of(session, vault, row.school_code, row.pupil_index)
    return None if known is None else Born.read(known.births)


def _is_outgrown(row: PupilLink, born: Born | None, now: datetime) -> bool:
    """Whether this is a guardian's link and the pupil is surely of age: a child's protection lasts rather
    longer.
    """
    return row.relation != Relation.PUPIL and born is not None and born.surely(OF_AGE, today(now))


def own_row(session: Session, school_code: str, key: uuid.UUID) -> PupilLink:
    """A link that this school made and nobody ended, locked. Raises Refusal ``unknown_link``."""
    row = session.get(PupilLink, key, with_for_update=True)
    if row is None or row.school_code != school_code or row.ended_at is not None:
        raise _unknown_link()
    return row


def _end(session: Session, row: PupilLink, reason: str, *, actor: Actor, now: datetime) -> tuple[Notice, ...]:
    row.ended_at, row.end_reason = now, reason
    _tell(session, row, "ended", reason, actor=actor, now=now)
    return notices(session, [row.account_pk], Kind.LINK_ENDED, {"day": today(now)})


def _tell(
    session: Session, row: PupilLink, change: str, reason: str = "", *, actor: Actor, now: datetime
) -> None:
    details: dict[str, str | int] = {"change": change}
    if reason:
        details["reason"] = reason
    audit.record(
        session,
        Event(
            actor,
            Action.HOLDER_CHANGE,
            Object("holder", row.account_pk),
            organisation=row.school_code,
            pupil=row.pupil_index,
            details=details,
        ),
        now=now,
    )


def _require_reason(reason: str, known: Iterable[str]) -> None:
    if reason not in known:
        raise Refusal("unknown_reason", marked("Chọn một lý do trong danh sách."))


def _disputed() -> Refusal:
    return Refusal(
        "link_disputed",
        marked("Nhà trường đang xem xét liên kết của bạn với học sinh này nên tạm thời chưa cho xem."),
        marked("Hỏi nhà trường."),
    )


def _unknown_link() -> Refusal:
    return Refusal("unknown_link", marked("Không có liên kết này, hoặc liên kết đã kết thúc."))


def _unknown_record() -> Refusal:
    return Refusal("unknown_record", marked("Không có học bạ này trong các năm học của học sinh."))
