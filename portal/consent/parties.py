"""Who stands before us on this day: links of holders to a pupil, people of organisations; and whom to tell.

Read anew each time. A link that is ended, out of its period or disputed, a closed account, a role that was
taken back, a closed organisation: none of them can act.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Membership,
    Organisation,
    PupilLink,
    Relation,
)
from portal.consent.ages import Party
from portal.permissions import Act, OrganisationKind, Role, may
from verifier.words import VIETNAM


def day_of(moment: datetime) -> date:
    """The day in Vietnam, by which ages and periods count."""
    return moment.astimezone(VIETNAM).date()


@dataclass(frozen=True, slots=True)
class Link:
    """A holder's link to the pupil that is not ended and in its period."""

    account: uuid.UUID
    party: Party
    disputed: bool
    active: bool  # the account is
    language: str

    @property
    def stands(self) -> bool:
        return self.active and not self.disputed


def links(session: Session, pupil: str, today: date) -> tuple[Link, ...]:
    """Every link to the pupil that is not ended and in its period."""
    rows = session.execute(
        select(
            PupilLink.account_pk,
            PupilLink.relation,
            PupilLink.valid_from,
            PupilLink.valid_to,
            PupilLink.disputed_at,
            Account.state,
            Account.language,
        )
        .join(Account, Account.id == PupilLink.account_pk)
        .where(
            PupilLink.pupil_index == pupil, PupilLink.ended_at.is_(None), Account.kind == AccountKind.HOLDER
        )
        .order_by(PupilLink.linked_at, PupilLink.id)
    )
    return tuple(
        Link(
            row.account_pk,
            Party.PUPIL if row.relation == Relation.PUPIL else Party.GUARDIAN,
            row.disputed_at is not None,
            row.state == AccountState.ACTIVE,
            row.language,
        )
        for row in rows
        if row.valid_from <= today and (row.valid_to is None or today <= row.valid_to)
    )


@dataclass(frozen=True, slots=True)
class Staff:
    """A person of an organisation, acting in one of their roles there."""

    account: uuid.UUID
    organisation: uuid.UUID
    role: Role


@dataclass(frozen=True, slots=True)
class Office:
    """An organisation that is open."""

    key: uuid.UUID
    kind: OrganisationKind
    code: str
    name: str
    department_code: str


def office(session: Session, key: uuid.UUID) -> Office | None:
    """The organisation, None when it is closed or unknown."""
    row = session.get(Organisation, key, populate_existing=True)
    if row is None or row.closed_at is not None:
        return None
    return Office(row.id, OrganisationKind(row.kind), row.code, row.name, row.department_code)


def names(session: Session, keys: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Names of organisations, closed ones too: who looked stays who looked."""
    wanted = select(Organisation.id, Organisation.name).where(Organisation.id.in_(list(keys)))
    return {row.id: row.name for row in session.execute(wanted)}


def department_of(session: Session, school_code: str) -> str | None:
    """Code of the department that manages a school's data, None when the school has no accounts here."""
    return session.scalar(select(Organisation.department_code).where(Organisation.code == school_code))


def standing(session: Session, staff: Staff, act: Act, today: date) -> Office | None:
    """The open organisation for which ``staff`` may ask for ``act`` today, None when they may not."""
    if not may(staff.role, act):
        return None
    member = session.scalar(
        select(Membership.id)
        .join(Account, Account.id == Membership.account_pk)
        .where(
            Membership.account_pk == staff.account,
            Membership.organisation_pk == staff.organisation,
            Membership.role == staff.role,
            Membership.ended_at.is_(None),
            Membership.accepted_at.is_not(None),
            Membership.valid_from <= today,
            (Membership.valid_to.is_(None)) | (Membership.valid_to >= today),
            Account.kind == AccountKind.STAFF,
            Account.state == AccountState.ACTIVE,
        )
    )
    return None if member is None else office(session, staff.organisation)


class Tell(StrEnum):
    """What a notice is about; its words are the caller's."""

    CONSENT_ASKED = "consent_asked"
    CONSENT_GIVEN = "consent_given"  # now in force
    CONSENT_REFUSED = "consent_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_SUSPENDED = "consent_suspended"
    CODE_LOCKED = "code_locked"
    STATUTORY_ACCESS = "statutory_access"
    REQUEST_ANSWERED = "request_answered"


@dataclass(frozen=True, slots=True)
class Notice:
    """What has to be told to an account, for the caller to send in the same transaction. No content of a
    record, no name of a pupil; ``about`` is "kind:id" as in the trail.
    """

    to: uuid.UUID
    tell: Tell
    language: str
    about: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def notices(
    known: Iterable[Link], parties: frozenset[Party], tell: Tell, about: str, **parameters: str
) -> tuple[Notice, ...]:
    """One for each holder who counts today and can act."""
    return tuple(
        Notice(link.account, tell, link.language, about, parameters)
        for link in known
        if link.stands and link.party in parties
    )
