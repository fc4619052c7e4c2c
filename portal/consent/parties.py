"""Who stands before us on this day: links of holders to a pupil, people of organisations.

Read anew each time. A link that is ended, lapsed or disputed, a closed account, a role that was taken back, a
closed organisation: none of them can act.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.accounts import holders
from portal.accounts import service as accounts
from portal.accounts.holders import LinkState
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Contact,
    Federation,
    Membership,
    Organisation,
    Relation,
)
from portal.accounts.service import Office
from portal.consent.ages import Party
from portal.database import everywhere
from portal.permissions import Act, Role, may
from portal.registry import learners
from portal.registry import service as registry
from portal.registry.service import Issued
from portal.trust import store as trust
from portal.vault import Vault
from verifier.report import Role as Signs
from verifier.verdict import VersionState
from verifier.words import VIETNAM


def day_of(moment: datetime) -> date:
    """The day in Vietnam, by which ages and periods count."""
    return moment.astimezone(VIETNAM).date()


@dataclass(frozen=True, slots=True)
class Link:
    """A holder and the records that are asked about, by all their links to the pupil as
    :mod:`portal.accounts.holders` knows them: at whatever school, not ended, not lapsed.
    """

    account: uuid.UUID
    party: Party
    disputed: bool  # one of the links is
    active: bool  # the account is
    sees: frozenset[uuid.UUID]  # the records among those asked about, by the links that are not in dispute

    @property
    def stands(self) -> bool:
        return self.active and bool(self.sees)


def links(session: Session, vault: Vault, records: Collection[Issued], now: datetime) -> tuple[Link, ...]:
    """Everybody who sees one of these records, or would if it were not in dispute.

    Another school's record that was taken back may have named this pupil by mistake: only the holders of its
    own school's pupil see it.
    """
    seen: dict[tuple[str, str], set[uuid.UUID]] = {}
    for record in records:
        own = (record.school_code, record.pupil_index)
        for pair in learners.pupils_like(session, record.record_id):
            if pair == own or record.shown.state is not VersionState.RECALLED:
                seen.setdefault(pair, set()).add(record.key)
    found = [
        (link, keys)
        for (school, pupil), keys in seen.items()
        for link in holders.links_to(session, vault, school, pupil, now=now)
        if link.state in (LinkState.STANDING, LinkState.DISPUTED)
    ]
    in_use = _in_use(session, {link.account for link, _ in found})
    merged: dict[tuple[uuid.UUID, Party], list[tuple[LinkState, set[uuid.UUID]]]] = {}
    for link, keys in sorted(found, key=lambda one: (one[0].linked_at, one[0].key)):
        merged.setdefault((link.account, link_party(link)), []).append((link.state, keys))
    return tuple(
        Link(
            account,
            party,
            any(state is LinkState.DISPUTED for state, _ in theirs),
            account in in_use,
            frozenset().union(*(keys for state, keys in theirs if state is LinkState.STANDING)),
        )
        for (account, party), theirs in merged.items()
    )


def link_party(link: holders.Link) -> Party:
    """For whom the holder of a link speaks."""
    return Party.PUPIL if link.relation is Relation.PUPIL else Party.GUARDIAN


def own_link(
    session: Session, vault: Vault, account: uuid.UUID, pupil: str, now: datetime
) -> holders.Link | None:
    """A holder's standing link to the pupil of this index, None when they have none or their account is not
    in use.
    """
    standing = (
        link
        for link in holders.links_of(session, vault, account, now=now)
        if link.pupil_index == pupil and link.state is LinkState.STANDING
    )
    return next(standing, None) if account in _in_use(session, {account}) else None


def visible(session: Session, school_code: str, pupil: str) -> tuple[Issued, ...]:
    """The records whose content the holders of a school's pupil see, year by year, at whatever school."""
    keys = [record.key for record in learners.records_of(session, school_code, pupil)]
    return tuple(
        record
        for record in registry.issued(session, keys=keys)
        if record.pupil_index == pupil or record.shown.state is not VersionState.RECALLED
    )


def _in_use(session: Session, accounts: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of these accounts that holders can sign in to."""
    wanted = select(Account.id).where(
        Account.id.in_(accounts), Account.kind == AccountKind.HOLDER, Account.state == AccountState.ACTIVE
    )
    return frozenset(session.scalars(wanted))


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


def office(session: Session, key: uuid.UUID) -> Office | None:
    """The organisation, None when it is closed or unknown."""
    found = accounts.office_of(session, key)
    return None if found is None or found.closed_at is not None else found


def recipient_of(session: Session, key: uuid.UUID | None) -> Office | None:
    """Whom a consent names, closed too: it was given to them. None for whoever bears its share code."""
    return None if key is None else accounts.office_of(session, key)


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


def no_witness(session: Session, staff: Staff, school_code: str, pupil: str) -> str | None:
    """Why a person of the pupil's school may not take this pupil's answer down; None when they may.

    ``not_own_class``: a homeroom teacher knows the pupils whose newest record they signed as that; the
    school's office speaks for all. ``own_family``: the account has a contact, now or before, or an identity
    at an OpenID provider in common with somebody who is, or was, linked to the pupil at any school. Staff and
    holder accounts are two also where they are one person, so that is all that can be known.
    """
    if staff.role is Role.HOMEROOM_TEACHER:
        own = trust.certificates_of(session, staff.account, school_code, Signs.GVCN)
        if not own & registry.last_signers(session, school_code, pupil, Signs.GVCN):
            return "not_own_class"
    with everywhere(session):
        records = learners.records_of(session, school_code, pupil)
        pairs = {pair for record in records for pair in learners.pupils_like(session, record.record_id)}
        family = holders.ever_linked(session, {(school_code, pupil), *pairs})
    contacts = select(Contact.value_index).where(Contact.account_pk.in_(family))
    identities = select(Federation.subject_index).where(Federation.account_pk.in_(family))
    same = select(
        exists().where(Contact.account_pk == staff.account, Contact.value_index.in_(contacts))
        | exists().where(Federation.account_pk == staff.account, Federation.subject_index.in_(identities))
    )
    return "own_family" if session.scalar(same) else None


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
