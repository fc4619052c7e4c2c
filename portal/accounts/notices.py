"""What people have to be told of, as data: a service answers with notices, whoever calls it sends them.

A notice names the row of a contact, never the contact itself, so that nothing personal is carried around; the
parameters are codes, numbers and dates. The one secret, a one-time code, is left out of ``repr``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Account, Contact
from portal.accounts.people import dialled, open_contact
from portal.messages import service as messages
from portal.messages.service import Address, Kind
from portal.messages.words import Parameter
from portal.ports import Channel
from portal.vault import Vault


@dataclass(frozen=True, slots=True)
class Notice:
    """One person is to be told something at one contact, which may have ended with what it is told of."""

    account: uuid.UUID
    contact: uuid.UUID
    kind: Kind
    parameters: Mapping[str, Parameter] = field(default_factory=dict, repr=False)


def send(session: Session, vault: Vault, told: Iterable[Notice], *, now: datetime) -> None:
    """Put notices into the outbox, in the transaction of the act that they tell of."""
    for notice in told:
        account = session.get_one(Account, notice.account)
        messages.enqueue(
            session,
            vault,
            to=address(session, vault, notice),
            kind=notice.kind,
            language="en" if account.language == "en" else "vi",
            parameters=notice.parameters,
            about=notice.account,
            now=now,
        )


def address(session: Session, vault: Vault, notice: Notice) -> Address:
    """Where ``notice`` goes."""
    contact = session.get_one(Contact, notice.contact)
    account = session.get_one(Account, notice.account)
    value = open_contact(vault, account, contact.id, contact.value_sealed)
    channel = Channel(contact.kind)
    return Address(channel, dialled(value) if channel is Channel.PHONE else value)


def contact_of(session: Session, account: uuid.UUID) -> Contact | None:
    """The contact by which somebody signs in and is told of things: they have one; None once it was
    erased.
    """
    return session.scalars(
        select(Contact).filter_by(account_pk=account, ended_at=None).order_by(Contact.added_at.desc())
    ).first()


def notices(
    session: Session,
    accounts: Iterable[uuid.UUID],
    kind: Kind,
    parameters: Mapping[str, Parameter] | None = None,
) -> tuple[Notice, ...]:
    """The same notice for several people, each once."""
    return tuple(
        Notice(account, contact.id, kind, parameters or {})
        for account in dict.fromkeys(accounts)
        if (contact := contact_of(session, account)) is not None
    )
