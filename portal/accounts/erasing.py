"""Erasing a person: name, contacts, every way of signing in, and the key they were sealed under.

What stays is a row without a person in it, because roles, links and the trail name its key; roles and links
end.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    AuthenticatorApp,
    Contact,
    ContactChange,
    Federation,
    Membership,
    OneTimeCode,
    Passkey,
    Password,
    PupilLink,
    WebSession,
)
from portal.audit.service import Object
from portal.database import changed
from portal.erasure.service import Erased, Eraser
from portal.errors import Refusal
from portal.messages.models import Message
from portal.vault import DESTROYED

#: Rows that go with the account; sessions among them, so it ends with the next request.
_GO: Final = (
    ContactChange,
    Contact,
    Password,
    AuthenticatorApp,
    Passkey,
    Federation,
    OneTimeCode,
    WebSession,
)


def refuse_unknown(session: Session, account: uuid.UUID) -> None:
    """Raises Refusal: ``unknown_account``, ``already_erased``."""
    row = session.get(Account, account)
    if row is None:
        raise Refusal("unknown_account", f"Không có tài khoản {account}.")
    if row.wrapped_key == DESTROYED:
        raise Refusal("already_erased", "Tài khoản này đã được xóa.")


def _erase(session: Session, name: str, now: datetime) -> Erased:
    account = session.get(Account, uuid.UUID(name), with_for_update=True)
    if account is None or account.wrapped_key == DESTROYED:
        return Erased()
    rows = {Account.__tablename__: 1}
    for table in _GO:
        if count := changed(session, delete(table).where(table.account_pk == account.id)):
            rows[table.__tablename__] = count
    if count := changed(session, delete(Message).where(Message.about == name)):
        rows[Message.__tablename__] = count
    for held in (Membership, PupilLink):
        standing = (held.account_pk == account.id, held.ended_at.is_(None))
        changed(session, update(held).where(*standing).values(ended_at=now))
    account.wrapped_key, account.name_sealed = DESTROYED, b""
    account.state, account.closed_at = AccountState.CLOSED, account.closed_at or now
    session.flush()
    return Erased(rows, object=Object(AccountKind(account.kind).value, account.id))


def _alive(session: Session, names: Collection[str]) -> frozenset[str]:
    keys = [uuid.UUID(name) for name in names]
    alive = select(Account.id).where(Account.id.in_(keys), Account.wrapped_key != DESTROYED)
    return frozenset(str(key) for key in session.scalars(alive))


#: By the account's key.
ACCOUNT: Final = Eraser(
    "account",
    (Account.__tablename__, Message.__tablename__, *(table.__tablename__ for table in _GO)),
    _erase,
    _alive,
)
