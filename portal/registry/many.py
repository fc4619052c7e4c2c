"""Recalling records and taking their signed files out: a few alone, many by two persons (SEC-24).

Handing out what was just sealed is the desk's daily work and is not counted; whoever walks through the years
before, one file after the other, takes many.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor
from portal.decisions import service as decisions
from portal.decisions.service import ONE_PERSON, TWO_PERSONS, Facts, Kind
from portal.errors import marked
from portal.registry import service
from portal.registry.models import Record, RecordVersion
from verifier.errors import InvalidInput, Problem
from verifier.locator import group, parse_record_id

#: What is wrong with a line, behind the id as it was typed.
_NO_ID: Final = marked("mã tra cứu không đúng")
_UNKNOWN: Final = marked("không có học bạ này")
_NONE_CURRENT: Final = marked("không có bản đang lưu hành")
#: Records that one decision names at most: a large school's year.
MOST: Final = 3000
#: How long after it was sealed a file is handed out with the class file that led to it, uncounted.
FRESH: Final = timedelta(days=14)
#: What the trail calls a file that goes to the school that issued it.
OWN_COPY: Final = "issuer_copy"


def recall_one(
    session: Session,
    record_id: str,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    version: int | None = None,
) -> int:
    """Recall a version on one person's word, as :func:`portal.registry.service.recall` does; also raises
    Refusal ``needs_two_persons``.
    """
    number = service.recall(
        session, record_id, reason, actor=actor, now=now, version=version, basis=ONE_PERSON
    )
    decisions.refuse_many_alone(session, Action.RECALL, actor=actor, now=now)
    return number


def propose(
    session: Session,
    kind: Kind,
    typed: Sequence[str],
    *,
    reason: str,
    reference: str,
    school: str | None = None,
    actor: Actor,
    now: datetime,
) -> Facts:
    """Ask that the versions in circulation of these records, by their ids as typed, be recalled or handed
    out; only those of ``school``, where one is named. Raises InvalidInput with everything that is wrong with
    the list, Refusal as :func:`portal.decisions.service.propose`.
    """
    problems: list[Problem] = []
    versions: dict[str, int] = {}
    schools: set[str] = set()
    for text in dict.fromkeys(each.replace("-", "").strip().upper() for each in typed):
        try:
            record_id = parse_record_id(text)
        except InvalidInput:
            problems.append(Problem("records", "record_id", f"{text[:40]}: {_NO_ID}"))
            continue
        known = service.find_record(session, record_id=record_id)
        if known is None or school not in (None, known.school_code):
            problems.append(Problem("records", "unknown_record", f"{group(record_id)}: {_UNKNOWN}"))
        elif known.current_version is None:
            problems.append(Problem("records", "nothing_current", f"{group(record_id)}: {_NONE_CURRENT}"))
        else:
            key = session.scalars(select(Record.id).where(Record.record_id == record_id)).one()
            versions[str(key)] = known.current_version
            schools.add(known.school_code)
    if not versions and not problems:
        problems.append(Problem("records", "none", marked("Nhập các mã tra cứu, mỗi dòng một mã")))
    if len(versions) > MOST:
        problems.append(Problem("records", "too_many", marked("Một đề nghị nêu nhiều nhất 3000 học bạ")))
    if problems:
        raise InvalidInput(tuple(problems))
    return decisions.propose(
        session,
        kind,
        {"versions": versions},
        reason=reason,
        reference=reference,
        organisation=schools.pop() if len(schools) == 1 else None,
        actor=actor,
        now=now,
    )


def hold(session: Session, decision: uuid.UUID) -> None:
    """Lock the records that a decision names, before anything of it is told. Raises Refusal
    ``unknown_decision``.
    """
    decided = decisions.find(session, decision)
    named: dict[str, int] = decided.content.get("versions", {})
    alone = [str(decided.object.name)] if decided.object.kind == "record" else []
    service.hold(session, map(uuid.UUID, (*named, *alone)))


def recall(
    session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime
) -> tuple[tuple[str, int], ...]:
    """Recall what two persons decided to, all or nothing; ids and versions. Raises Refusal."""
    hold(session, decision)
    taken = decisions.take(session, decision, Kind.RECALL_RECORDS, actor=actor, now=now)
    chosen = records(session, taken)
    for record_id, version in chosen:
        service.recall(
            session,
            record_id,
            taken.reason,
            actor=actor,
            now=now,
            version=version,
            basis=TWO_PERSONS,
            decision=decision,
        )
    return chosen


def export(
    session: Session, decision: uuid.UUID, *, actor: Actor, now: datetime
) -> tuple[tuple[str, int], ...]:
    """Record ids and versions that two persons decided to hand out, once. Raises Refusal."""
    taken = decisions.take(session, decision, Kind.EXPORT_RECORDS, actor=actor, now=now)
    return records(session, taken)


def records(session: Session, decided: Facts) -> tuple[tuple[str, int], ...]:
    """Record ids and versions that a decision names; what is not here any more is left out."""
    versions: dict[str, int] = decided.content.get("versions", {})
    keys = [uuid.UUID(key) for key in versions]
    found = {
        row.id: row.record_id
        for start in range(0, len(keys), 500)
        for row in session.execute(
            select(Record.id, Record.record_id).where(Record.id.in_(keys[start : start + 500]))
        )
    }
    return tuple(sorted((found[key], versions[str(key)]) for key in keys if key in found))


def is_fresh(session: Session, record_id: str, version: int, *, now: datetime) -> bool:
    """Whether a version was sealed within :data:`FRESH`; what became of its file since (a renewal) makes it
    no younger.
    """
    sealed = session.scalar(
        select(RecordVersion.registered_at)
        .join(Record)
        .where(Record.record_id == record_id, RecordVersion.version == version)
    )
    return sealed is not None and now - sealed < FRESH


def tell_copy(
    session: Session,
    record_id: str,
    version: int,
    sha256: str,
    *,
    basis: str | None = None,
    decision: uuid.UUID | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Tell the trail, under the pupil, that the school has a signed file out, before it has it.

    ``basis``: on one person's word, or by ``decision`` of two; None for a file that its own class file led
    to, which is free while it is fresh (:data:`FRESH`) and on one person's word after that. Raises Refusal
    ``needs_two_persons``: the caller's transaction does not stand then.
    """
    if basis is None and not is_fresh(session, record_id, version, now=now):
        basis = ONE_PERSON
    shown: dict[str, str | int] = {"version": version, "file": sha256}
    if decision is not None:
        shown["decision"] = str(decision)
    event = service.trail_event(session, record_id, Action.DISCLOSURE, shown, actor=actor)
    audit.record(session, replace(event, purpose=OWN_COPY, basis=basis), now=now)
    if basis == ONE_PERSON:
        decisions.refuse_many_alone(session, Action.DISCLOSURE, actor=actor, now=now)
