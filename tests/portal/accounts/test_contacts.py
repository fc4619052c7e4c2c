"""Contacts of holders: the one-time code, another contact, the yearly confirmation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import contacts, sessions
from portal.accounts.contacts import Standing
from portal.accounts.models import Account, AccountState, Contact, OneTimeCode, Relation
from portal.accounts.notices import Notice, address
from portal.errors import Refusal
from portal.messages.words import Kind
from portal.ports import Channel
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.accounts.families import (
    FATHER,
    FATHERS_EMAIL,
    MOTHERS_PHONE,
    OFFICE,
    OTHER_SCHOOL,
    PUPIL,
    SCHOOL,
    code_in,
    linked,
)
from tests.portal.audit.reading import entries
from tests.portal.registry.samples import enter_pupil
from verifier.errors import InvalidInput

NEW_PHONE = "0701234567"
NEXT_DAY = NOW + timedelta(days=1)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value.code


def mother(session: Session, vault: Vault) -> tuple[uuid.UUID, uuid.UUID]:
    """Account and link of a mother."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    link = linked(session, vault)
    return link.account_pk, link.id


def sign_in(session: Session, vault: Vault, contact: str, code: str, *, days: float = 0) -> str | None:
    now = NOW + timedelta(days=days)
    return contacts.sign_in(session, vault, contact, code, replaces="", now=now)


def test_a_code_to_the_contact_signs_in_once(session: Session, vault: Vault) -> None:
    account, _ = mother(session, vault)
    asked = contacts.ask_sign_in(session, vault, " 0912 345 678", now=NEXT_DAY)
    code = code_in(asked)
    assert len(code) == 6
    assert code not in repr(asked)
    assert address(session, vault, asked[0]).value == "+84912345678"
    token = sign_in(session, vault, "+84912345678", f"{code[:3]} {code[3:]}", days=1)
    assert token is not None
    found = sessions.find(session, vault, token, now=NEXT_DAY)
    assert found is not None
    assert found.account == account
    assert sign_in(session, vault, MOTHERS_PHONE, code, days=1) is None
    assert session.scalars(select(Contact.confirmed_at)).one() == NEXT_DAY
    told = entries(session, "sign_in")
    assert [(e["outcome"], e["details"]["method"]) for e in told[-2:]] == [
        ("done", "code"),
        ("refused", "code"),
    ]


def test_only_the_newest_code_counts_for_ten_minutes_and_five_tries(session: Session, vault: Vault) -> None:
    mother(session, vault)
    first = code_in(contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW))
    second = code_in(contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW))
    assert first == second or sign_in(session, vault, MOTHERS_PHONE, first) is None
    late = timedelta(minutes=10) / timedelta(days=1)
    assert sign_in(session, vault, MOTHERS_PHONE, second, days=late) is None
    assert sign_in(session, vault, MOTHERS_PHONE, second) is not None
    for _ in range(3):
        assert sign_in(session, vault, MOTHERS_PHONE, "12") is None
    assert refusal(lambda: sign_in(session, vault, MOTHERS_PHONE, "12")) == "wait"
    assert refusal(lambda: [sign_in(session, vault, NEW_PHONE, "12") for _ in range(6)]) == "wait"


def test_nobodys_contact_gets_the_same_answer_and_nothing_is_sent_or_kept(
    session: Session, vault: Vault
) -> None:
    mother(session, vault)
    before = {table: session.scalars(select(table.id)).all() for table in (Account, Contact, OneTimeCode)}
    assert contacts.ask_sign_in(session, vault, NEW_PHONE, now=NOW) == ()
    assert before == {t: session.scalars(select(t.id)).all() for t in (Account, Contact, OneTimeCode)}
    assert sign_in(session, vault, NEW_PHONE, "123456") is None
    for text in ("", "0912", "ai đó", "+1 202 555 0101", "đạt@example.vn"):
        with pytest.raises(InvalidInput):
            contacts.ask_sign_in(session, vault, text, now=NOW)
    asked = [contacts.ask_sign_in(session, vault, NEW_PHONE, now=NOW) for _ in range(4)]
    assert asked == [()] * 4
    assert refusal(lambda: contacts.ask_sign_in(session, vault, NEW_PHONE, now=NOW)) == "wait"


def test_a_closed_account_gets_no_code(session: Session, vault: Vault) -> None:
    account, _ = mother(session, vault)
    session.get_one(Account, account).state = AccountState.CLOSED
    assert contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW) == ()


# ------------------------------------------------------------------------------------------- another contact


def ask(session: Session, vault: Vault, link: uuid.UUID, contact: str = NEW_PHONE) -> tuple[Notice, ...]:
    return contacts.ask_change(session, vault, SCHOOL, link, contact, actor=OFFICE, now=NOW)


def test_another_contact_is_told_to_the_old_one_waits_and_ends_sessions(
    session: Session, vault: Vault
) -> None:
    account, link = mother(session, vault)
    code = code_in(contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW))
    token = sign_in(session, vault, MOTHERS_PHONE, code) or ""
    (told,) = ask(session, vault, link)
    assert (told.kind, told.parameters) == (
        Kind.CONTACT_CHANGE_REQUESTED,
        {"contact": Channel.PHONE, "day": date(2026, 10, 12)},
    )
    assert address(session, vault, told).value == "+84912345678"
    reached = contacts.reached(session, vault, account, now=NOW)
    assert reached is not None
    assert reached.waiting is not None
    assert (reached.shown, reached.waiting.shown) == ("09*****678", "07*****567")
    week = NOW + timedelta(days=7)
    assert contacts.apply_due(session, vault, now=week - timedelta(seconds=1)) == ()
    assert contacts.ask_sign_in(session, vault, NEW_PHONE, now=NOW) == ()
    pending = code_in(contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=week))
    both = contacts.apply_due(session, vault, now=week)
    assert [(n.kind, address(session, vault, n).value) for n in both] == [
        (Kind.CONTACT_CHANGED, "+84912345678"),
        (Kind.CONTACT_CHANGED, "+84701234567"),
    ]
    assert sessions.find(session, vault, token, now=NOW) is None
    assert sign_in(session, vault, MOTHERS_PHONE, pending, days=7) is None
    assert sign_in(session, vault, NEW_PHONE, pending, days=7) is None
    assert contacts.apply_due(session, vault, now=week) == ()
    fresh = code_in(contacts.ask_sign_in(session, vault, NEW_PHONE, now=week))
    assert sign_in(session, vault, NEW_PHONE, fresh, days=7) is not None
    assert [e["details"]["change"] for e in entries(session, "contact_change")] == ["asked", "in_force"]


@pytest.mark.parametrize("by_school", [False, True])
def test_a_change_that_waits_can_be_stopped(session: Session, vault: Vault, by_school: bool) -> None:
    account, link = mother(session, vault)
    ask(session, vault, link)
    assert refusal(lambda: ask(session, vault, link)) == "change_waiting"

    def stop() -> tuple[Notice, ...]:
        if by_school:
            return contacts.stop_change_at_school(session, SCHOOL, link, actor=OFFICE, now=NOW)
        return contacts.stop_change(session, account, actor=OFFICE, now=NOW)

    assert [n.kind for n in stop()] == [Kind.CONTACT_CHANGE_STOPPED]
    assert refusal(stop) == "nothing_waiting"
    assert contacts.apply_due(session, vault, now=NOW + timedelta(days=8)) == ()
    assert contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW) != ()
    ask(session, vault, link)  # and asked for again


def test_what_cannot_be_the_new_contact(session: Session, vault: Vault) -> None:
    _, link = mother(session, vault)
    linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    assert refusal(lambda: ask(session, vault, link, MOTHERS_PHONE)) == "same_contact"
    assert refusal(lambda: ask(session, vault, link, FATHERS_EMAIL)) == "contact_taken"
    with pytest.raises(InvalidInput):
        ask(session, vault, link, "09")
    for school in (OTHER_SCHOOL, ""):
        act = lambda s=school: contacts.ask_change(  # noqa: E731
            session, vault, s, link, NEW_PHONE, actor=OFFICE, now=NOW
        )
        assert refusal(act) == "unknown_link"
    stop = lambda: contacts.stop_change_at_school(session, OTHER_SCHOOL, link, actor=OFFICE, now=NOW)  # noqa: E731
    assert refusal(stop) == "unknown_link"


def test_a_contact_that_was_taken_up_meanwhile_stays_with_its_owner(session: Session, vault: Vault) -> None:
    account, link = mother(session, vault)
    ask(session, vault, link, FATHERS_EMAIL)
    linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    told = contacts.apply_due(session, vault, now=NOW + timedelta(days=7))
    assert [(n.account, n.kind) for n in told] == [(account, Kind.CONTACT_CHANGE_STOPPED)]
    assert contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=NOW) != ()
    assert [e["details"]["change"] for e in entries(session, "contact_change")] == ["asked", "taken"]


# ------------------------------------------------------------------------------------ the yearly confirmation


def test_a_contact_is_confirmed_once_a_year(session: Session, vault: Vault) -> None:
    account, _ = mother(session, vault)

    def standing(days: int) -> Standing:
        found = contacts.reached(session, vault, account, now=NOW + timedelta(days=days))
        assert found is not None
        return found.standing

    assert [standing(d) for d in (0, 364, 365, 424, 425)] == [
        Standing.CONFIRMED,
        Standing.CONFIRMED,
        Standing.DUE,
        Standing.DUE,
        Standing.OVERDUE,
    ]
    year = NOW + timedelta(days=365)
    assert contacts.remind(session, now=year - timedelta(seconds=1)) == ()
    (told,) = contacts.remind(session, now=year)
    assert (told.account, told.kind) == (account, Kind.CONTACT_RECONFIRM)
    assert told.parameters == {"day": date(2027, 12, 4)}
    assert contacts.remind(session, now=year + timedelta(days=300)) == ()
    assert contacts.overdue(session, now=year + timedelta(days=59)) == ()
    assert contacts.overdue(session, now=year + timedelta(days=60)) == (account,)
    late = year + timedelta(days=90)
    code = code_in(contacts.ask_sign_in(session, vault, MOTHERS_PHONE, now=late))  # signing in stays possible
    assert sign_in(session, vault, MOTHERS_PHONE, code, days=455) is not None
    assert contacts.overdue(session, now=late) == ()
    assert standing(455 + 364) is Standing.CONFIRMED
    assert len(contacts.remind(session, now=late + timedelta(days=365))) == 1
