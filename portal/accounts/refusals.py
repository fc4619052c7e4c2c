"""Refusals of signed-in people in the trail: told at once, and what repeats within the hour as a number.

Whoever sends the same forbidden form ten thousand times would otherwise write ten thousand entries that can
never be taken out, and make everyone else wait for the trail's head. Nothing is lost: the first of an hour is
an entry, the others are its ``count`` in the next one, which comes with the next refusal or when the hour is
over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import RepeatedRefusal
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Outcome

#: How long the same refusal of the same person is only counted.
ONCE_IN: Final = timedelta(hours=1)


def tell(
    session: Session, actor: Actor, details: Mapping[str, str], *, organisation: str | None, now: datetime
) -> None:
    """One refusal: an entry, or one more of those that the next entry counts."""
    what = json.dumps(dict(details), sort_keys=True)
    row = session.scalars(
        select(RepeatedRefusal).filter_by(actor=str(actor), what=what).with_for_update()
    ).one_or_none()
    if row is not None and now - row.since < ONCE_IN:
        row.count += 1
        session.flush()
        return
    if row is None:
        row = RepeatedRefusal(actor=str(actor), what=what, organisation=organisation, since=now, count=0)
        session.add(row)
    _settle(session, row, now=now)
    row.since, row.count, row.organisation = now, 0, organisation
    _record(session, row, details, now=now)


def settle_due(session: Session, *, now: datetime, most: int = 100) -> int:
    """Tell of what was counted in hours that are over, and forget them; how many that were."""
    rows = session.scalars(
        select(RepeatedRefusal)
        .where(RepeatedRefusal.since <= now - ONCE_IN)
        .order_by(RepeatedRefusal.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _settle(session, row, now=now)
        session.delete(row)
    session.flush()
    return len(rows)


def _settle(session: Session, row: RepeatedRefusal, *, now: datetime) -> None:
    if row.count:
        _record(session, row, {**json.loads(row.what), "count": row.count}, now=now)


def _record(
    session: Session, row: RepeatedRefusal, details: Mapping[str, str | int], *, now: datetime
) -> None:
    kind, _, name = row.actor.partition(":")
    event = Event(
        Actor(kind, name),
        Action.ACCESS,
        outcome=Outcome.REFUSED,
        organisation=row.organisation,
        details=details,
    )
    audit.record(session, event, now=now)
