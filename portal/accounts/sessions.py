"""Sessions: rows on the server, so that one can be ended by whoever must end it (SEC-22).

The token is 256 random bits and stands in the browser's cookie alone. A sign-in always makes a new one; the
one before ends. Limits are those of OWASP ASVS 5.0 §7.3 for records of children: 30 minutes without a
request, 12 hours in all.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Membership,
    Method,
    Organisation,
    WebSession,
)
from portal.accounts.people import open_name
from portal.audit import service as audit
from portal.audit.service import Action, Actor, Event, Object
from portal.permissions import OrganisationKind, Role, needs_passkey
from portal.vault import Vault
from verifier.words import VIETNAM

IDLE: Final = timedelta(minutes=30)
ABSOLUTE: Final = timedelta(hours=12)
_TOKEN_BYTES: Final = 32
#: ``seen_at`` is written at most this often: a page in SQLite need not wait for the writer each time.
_SEEN_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session and whoever it belongs to. ``role`` None for staff who have yet to set up how they
    sign in.
    """

    session: str
    account: uuid.UUID
    kind: AccountKind
    name: str
    method: Method
    role: Role | None
    organisation: str | None
    organisation_name: str
    organisation_kind: OrganisationKind | None
    made_at: datetime

    @property
    def actor(self) -> Actor:
        """As the trail calls them."""
        return Actor(self.kind.value, str(self.account))


def begin(
    session: Session,
    account: Account,
    method: Method,
    *,
    membership: Membership | None = None,
    replaces: str = "",
    since: datetime | None = None,
    now: datetime,
) -> str:
    """A new session's token. ``replaces`` is the token this browser had, whose session ends: what somebody
    planted in a cookie before the sign-in is worth nothing after it. ``since``: when the person proved who
    they are, if that was earlier.
    """
    if replaces:
        end(session, replaces, now=now)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        WebSession(
            token_sha256=_digest(token),
            account_pk=account.id,
            membership_pk=None if membership is None else membership.id,
            method=method,
            made_at=since or now,
            seen_at=now,
        )
    )
    session.flush()
    office = None if membership is None else _office(session, membership)
    details: dict[str, str | int] = {"method": method.value}
    if membership is not None:
        details["role"] = membership.role
    audit.record(
        session,
        Event(
            Actor(AccountKind(account.kind).value, str(account.id)),
            Action.SIGN_IN,
            Object(AccountKind(account.kind).value, account.id),
            organisation=None if office is None else office.code,
            details=details,
        ),
        now=now,
    )
    return token


def find(session: Session, vault: Vault, token: str, *, now: datetime) -> SignedIn | None:
    """The live session of ``token``; None when there is none: unknown, ended, over its time, or its account
    or role is no more. Asked at every request: whoever loses a role loses it now.
    """
    if not token:
        return None
    row = session.get(WebSession, _digest(token))
    if row is None or row.ended_at is not None:
        return None
    if now - row.seen_at > IDLE or now - row.made_at > ABSOLUTE:
        return None
    account = session.get_one(Account, row.account_pk)
    if account.state != AccountState.ACTIVE:
        return None
    kind, method = AccountKind(account.kind), Method(row.method)
    role: Role | None = Role.HOLDER if kind is AccountKind.HOLDER else None
    office: Organisation | None = None
    if row.membership_pk is not None:
        membership = session.get_one(Membership, row.membership_pk)
        office = _office(session, membership)
        role = Role(membership.role)
        if not stands(membership, now) or office.closed_at is not None or not allows(method, role):
            return None
    if now - row.seen_at >= _SEEN_EVERY:
        row.seen_at = now
    return SignedIn(
        row.token_sha256,
        account.id,
        kind,
        open_name(vault, account),
        method,
        role,
        None if office is None else office.code,
        "" if office is None else office.name,
        None if office is None else OrganisationKind(office.kind),
        row.made_at,
    )


def end(session: Session, token: str, *, now: datetime) -> None:
    """Sign out: the session of ``token`` ends, if it lives. Twice changes nothing."""
    row = session.get(WebSession, _digest(token))
    if row is None or row.ended_at is not None:
        return
    row.ended_at = now
    account = session.get_one(Account, row.account_pk)
    kind = AccountKind(account.kind).value
    audit.record(
        session,
        Event(Actor(kind, str(account.id)), Action.SIGN_OUT, Object(kind, account.id)),
        now=now,
    )


def end_all(session: Session, account: uuid.UUID, *, now: datetime, but: str = "") -> int:
    """End every session of an account, after a change of how it signs in or of what it may do; ``but`` is the
    :attr:`SignedIn.session` that made the change. Answers how many ended.
    """
    ended = session.scalars(
        update(WebSession)
        .where(
            WebSession.account_pk == account, WebSession.ended_at.is_(None), WebSession.token_sha256 != but
        )
        .values(ended_at=now)
        .returning(WebSession.token_sha256)
        .execution_options(synchronize_session="fetch")
    ).all()
    return len(ended)


def proof_of(session: Session, key: str) -> tuple[Method, datetime]:
    """How and when the person of a live session (:attr:`SignedIn.session`) proved who they are."""
    row = session.get_one(WebSession, key)
    return Method(row.method), row.made_at


def roles_for(session: Session, account: uuid.UUID, method: Method, *, now: datetime) -> list[Membership]:
    """The roles that somebody who signed in by ``method`` may take up, the oldest first."""
    wanted = (
        select(Membership)
        .join(Organisation)
        .where(
            Membership.account_pk == account,
            Membership.ended_at.is_(None),
            Organisation.closed_at.is_(None),
        )
        .order_by(Membership.given_at, Membership.id)
    )
    return [m for m in session.scalars(wanted) if stands(m, now) and allows(method, Role(m.role))]


def stands(membership: Membership, now: datetime) -> bool:
    """Whether a role is held today, Vietnam's today: accepted, begun, not over."""
    today = now.astimezone(VIETNAM).date()
    taken = membership.accepted_at is not None and membership.ended_at is None
    begun = taken and membership.valid_from <= today
    return begun and (membership.valid_to is None or today <= membership.valid_to)


def allows(method: Method, role: Role) -> bool:
    """Whether somebody who proved themselves by ``method`` may act in ``role`` (SEC-23): roles with acts
    that cannot be undone need what no false page can fish for. A one-time code alone is for families.
    """
    if role is Role.HOLDER:
        return method in (Method.CODE, Method.OIDC, Method.PASSKEY)
    if needs_passkey(role):
        return method is Method.PASSKEY
    return method in (Method.PASSKEY, Method.PASSWORD, Method.OIDC)


def _office(session: Session, membership: Membership) -> Organisation:
    return session.get_one(Organisation, membership.organisation_pk)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
