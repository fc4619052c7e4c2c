"""What of signing in is kept no longer than it is of use (Luật 91/2025 Đ.3.3). Who signed in and when stays
in the trail.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.orm import Session

from portal.accounts.credentials import TRIES_IN
from portal.accounts.models import ActivationSlip, FederationAttempt, OneTimeCode, SignInFailure, WebSession
from portal.accounts.sessions import ABSOLUTE
from portal.database import Base, changed

#: A day more than anything here can be of use: time to look at what went wrong.
_AFTERWARDS: Final = timedelta(days=1)


def is_over(session: Session, *, now: datetime) -> bool:
    """Whether :func:`sweep` would find something: a question that locks nothing."""
    return any(session.scalar(select(exists().where(over))) for _, over in _over(now))


def sweep(session: Session, *, now: datetime) -> int:
    """Delete sessions, slips, codes and wrong tries whose time is over. Answers how many rows that is."""
    return sum(changed(session, delete(table).where(over)) for table, over in _over(now))


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
