"""Erasing a person leaves rows without a person in them, and nothing that would sign them in (SEC-41)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import credentials, service, sessions
from portal.accounts.erasing import ACCOUNT, refuse_unknown
from portal.accounts.models import Account, AccountState, CodePurpose, Membership, Method
from portal.accounts.service import PersonInput
from portal.database import Base
from portal.errors import Refusal
from portal.messages.models import Message
from portal.permissions import OrganisationKind, Role
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.accounts.world import HOME, carry, open_offices

WHO: dict[str, Any] = {"actor": ACTOR, "now": NOW}
SCHOOL = HOME[OrganisationKind.SCHOOL]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with everything that an account can have."""

    account: uuid.UUID
    token: str


def person(session: Session, vault: Vault, email: str) -> Person:
    new = PersonInput("Lò Thị Mai", email, (Role.ACADEMIC_STAFF,))
    key = service.invite(session, vault, SCHOOL, new, **WHO).account
    account = session.get_one(Account, key)
    account.state = AccountState.ACTIVE
    credentials.set_password(session, key, credentials.new_hash("bốn từ không liên quan"), now=NOW)
    credentials.begin_app(session, vault, account, now=NOW)
    carry(session, key, now=NOW)
    credentials.make_code(session, vault, key, CodePurpose.CONTACT, now=NOW)
    (role,) = sessions.roles_for(session, key, Method.PASSKEY, now=NOW)
    return Person(key, sessions.begin(session, account, Method.PASSKEY, membership=role, now=NOW))


@pytest.fixture
def two(session: Session, vault: Vault) -> tuple[Person, Person]:
    open_offices(session, HOME, now=NOW)
    return person(session, vault, "mai@truong.example"), person(session, vault, "an@truong.example")


def rows_of(session: Session, account: uuid.UUID) -> set[str]:
    """Tables that have a row of this account."""
    return {
        table.name
        for table in Base.metadata.sorted_tables
        if "account_pk" in table.c
        and session.execute(select(table).where(table.c.account_pk == account)).first() is not None
    }


def test_nothing_of_a_person_stays_sec_41(session: Session, vault: Vault, two: tuple[Person, Person]) -> None:
    gone, other = two
    before = rows_of(session, other.account)
    assert rows_of(session, gone.account) == before
    assert len(before) >= 6
    erased = ACCOUNT.erase(session, str(gone.account), NOW)
    assert set(erased.rows) == (before - {"memberships"}) | {"accounts", "messages"}
    assert rows_of(session, gone.account) == {"memberships"}
    assert session.scalars(select(Membership).filter_by(account_pk=gone.account)).one().ended_at == NOW
    row = session.get_one(Account, gone.account, populate_existing=True)
    assert (row.wrapped_key, row.name_sealed, row.state, row.closed_at) == (b"", b"", "closed", NOW)
    assert sessions.find(session, vault, gone.token, now=NOW) is None
    assert [member.account for member in service.members(session, vault, SCHOOL)] == [other.account]
    assert session.scalars(select(Message.about)).all() == [str(other.account)]  # told to nobody any more
    assert rows_of(session, other.account) == before
    assert sessions.find(session, vault, other.token, now=NOW) is not None


def test_it_may_be_done_again(session: Session, two: tuple[Person, Person]) -> None:
    """As replay does it; and the same e-mail can have another account."""
    names = [str(each.account) for each in two]
    assert ACCOUNT.alive(session, names) == set(names)
    ACCOUNT.erase(session, names[0], NOW)
    assert ACCOUNT.alive(session, names) == {names[1]}
    assert ACCOUNT.erase(session, names[0], NOW).rows == {}
    assert ACCOUNT.erase(session, str(uuid.UUID(int=9)), NOW).rows == {}


def test_what_is_not_there_is_refused(session: Session, two: tuple[Person, Person]) -> None:
    key = two[0].account
    refuse_unknown(session, key)
    ACCOUNT.erase(session, str(key), NOW)
    for account, code in ((key, "already_erased"), (uuid.UUID(int=9), "unknown_account")):
        with pytest.raises(Refusal) as refused:
            refuse_unknown(session, account)
        assert refused.value.code == code
