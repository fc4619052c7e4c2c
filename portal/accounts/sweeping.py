"""What of signing in is kept no longer than it is of use (Luật 91/2025 Đ.3.3). Who signed in and when stays
in the trail.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.orm import Session

from portal.accounts import refusals
from portal.accounts.credentials import TRIES_IN
from portal.accounts.models import (
    ActivationSlip,
    FederationAttempt,
    OneTimeCode,
    RepeatedRefusal,
    SignInFailure,
    WebSession,
)
from portal.accounts.refusals import ONCE_IN
from portal.accounts.sessions import ABSOLUTE
from portal.database import Base, changed

#: A day more than anything here can be of use: time to look at what went wrong.
_AFTERWARDS: Final = timedelta(days=1)


def is_over(session: Session, *, now: datetime) -> bool:
    """Whether :func:`sweep` would find something: a question that locks nothing."""
    counted = RepeatedRefusal.since <= now - ONCE_IN
    return any(session.scalar(select(exists().where(over))) for over in (counted, *map(_when, _over(now))))


def sweep(session: Session, *, now: datetime) -> int:
    """Delete sessions, slips, codes and wrong tries whose time is over, and refusals when the trail has been
    told how many they were. Answers how many rows that is.
    """
    gone = sum(changed(session, delete(table).where(over)) for table, over in _over(now))
    return gone + refusals.settle_due(session, now=now)


def _when(rule: tuple[type[Base], ColumnElement[Any]]) -> ColumnElement[Any]:
    return rule[1]


def _over(now: datetime) -> tuple[tuple[type[Base], ColumnElement[Any]], ...]:
    since = now - _AFTERWARDS
    return (
        (WebSession, or_(WebSession.made_at <= since - ABSOLUTE, WebSession.ended_at <= since)),
        (OneTimeCode, OneTimeCode.expires_at <= since),
        (SignInFailure, SignInFailure.at <= now - TRIES_IN),
        (FederationAttempt, FederationAttempt.began_at <= since),
        (
            ActivationSlip,
            or_(
                ActivationSlip.expires_at <= since,
                ActivationSlip.used_at <= since,
                ActivationSlip.cancelled_at <= since,
            ),
        ),
    )
