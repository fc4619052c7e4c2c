"""What people have to be told of, as data: a service answers with notices, whoever calls it sends them.

A notice names the row of a contact, never the contact itself, so that nothing personal is carried around; the
parameters are codes, numbers and dates. The one secret, a one-time code, is left out of ``repr``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Account, Contact, ContactKind
from portal.accounts.people import open_contact
from portal.vault import Vault


class NoticeKind(StrEnum):
    """What a notice tells of; the words are the messages' matter."""

    SIGN_IN_CODE = "sign_in_code"
    ACTIVATION_CONFIRMED = "activation_confirmed"
    PUPIL_ACCOUNT = "pupil_account"  # a guardian: the child has a sign-in of their own
    LINK_CHANGED = "link_changed"
    LINK_ENDED = "link_ended"
    LINK_DISPUTED = "link_disputed"
    DISPUTE_CLOSED = "dispute_closed"
    CONTACT_CHANGE_REQUESTED = "contact_change_requested"  # the contact of now, before the change
    CONTACT_CHANGE_STOPPED = "contact_change_stopped"
    CONTACT_CHANGED = "contact_changed"  # the former contact and the new one
    CONTACT_RECONFIRM = "contact_reconfirm"
    RECORD_NEW_VERSION = "record_new_version"
    RECORD_RECALLED = "record_recalled"


@dataclass(frozen=True, slots=True)
class Notice:
    """One person is to be told something at one contact, which may have ended with what it is told of."""

    account: uuid.UUID
    contact: uuid.UUID
    kind: NoticeKind
    parameters: Mapping[str, str | int | date | datetime] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a notice goes, and in which language."""

    kind: ContactKind
    value: str = field(repr=False)
    language: str


def addressee(session: Session, vault: Vault, notice: Notice) -> Addressee:
    """Where ``notice`` goes."""
    contact = session.get_one(Contact, notice.contact)
    account = session.get_one(Account, notice.account)
    value = open_contact(vault, account, contact.id, contact.value_sealed)
    return Addressee(ContactKind(contact.kind), value, account.language)


def contact_of(session: Session, account: uuid.UUID) -> Contact | None:
    """The contact by which a holder signs in and is told of things: they have one; None once it was
    erased.
    """
    return session.scalars(
        select(Contact).filter_by(account_pk=account, ended_at=None).order_by(Contact.added_at.desc())
    ).first()


def notices(
    session: Session,
    accounts: Iterable[uuid.UUID],
    kind: NoticeKind,
    parameters: Mapping[str, str | int | date | datetime] | None = None,
) -> tuple[Notice, ...]:
    """The same notice for several holders, each once."""
    return tuple(
        Notice(account, contact.id, kind, parameters or {})
        for account in dict.fromkeys(accounts)
        if (contact := contact_of(session, account)) is not None
    )
