"""Who stands before us on this day: links of holders to a pupil, people of organisations.

Read anew each time. A link that is ended, out of its period or disputed, a closed account, a role that was
taken back, a closed organisation: none of them can act.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

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


def staff(session: Session, account: uuid.UUID, role: Role | None, office_code: str | None) -> Staff:
    """Who is signed in, as the services take them. Raises LookupError for somebody without an organisation:
    no act of these services is theirs.
    """
    key = session.scalar(select(Organisation.id).where(Organisation.code == office_code))
    if key is None or role is None:
        raise LookupError("an act of an organisation's people, and no organisation")
    return Staff(account, key, role)


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
    if not may(staff.role, act) or staff.role not in roles(session, staff.account, staff.organisation, today):
        return None
    return office(session, staff.organisation)


def roles(session: Session, account: uuid.UUID, organisation: uuid.UUID, today: date) -> frozenset[Role]:
    """What a person is in an organisation today; nothing when their account is not in use."""
    found = session.scalars(
        select(Membership.role)
        .join(Account, Account.id == Membership.account_pk)
        .where(
            Membership.account_pk == account,
            Membership.organisation_pk == organisation,
            Membership.ended_at.is_(None),
            Membership.accepted_at.is_not(None),
            Membership.valid_from <= today,
            (Membership.valid_to.is_(None)) | (Membership.valid_to >= today),
            Account.kind == AccountKind.STAFF,
            Account.state == AccountState.ACTIVE,
        )
    )
    return frozenset(Role(role) for role in found)


def told(known: Iterable[Link], parties: frozenset[Party]) -> tuple[uuid.UUID, ...]:
    """The holders who are told of a consent: who counts today and can act."""
    return tuple(link.account for link in known if link.stands and link.party in parties)
