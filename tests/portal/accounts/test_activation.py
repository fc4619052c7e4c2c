"""Slips: made by the school, opened by whoever has the code and the pupil's birth date, once."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.accounts import activation, sessions
from portal.accounts.activation import Activated, FoundSlip, NewSlip, Typed
from portal.accounts.models import Account, AccountState, ActivationSlip, Contact, PupilLink, Relation
from portal.accounts.notices import address
from portal.accounts.people import open_name
from portal.errors import Refusal
from portal.messages.words import Kind
from portal.permissions import Role
from portal.registry import learners
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.accounts.families import (
    CHILD,
    CHILDS_PHONE,
    FATHER,
    FATHERS_EMAIL,
    MOTHER,
    MOTHERS_PHONE,
    OFFICE,
    OTHER_SCHOOL,
    PUPIL,
    SCHOOL,
    code_in,
    linked,
    redeem,
    slip,
)
from tests.portal.audit.reading import entries
from tests.portal.registry.samples import BORN, enter_pupil
from verifier.errors import InvalidInput
from verifier.locator import group


def test_a_mother_with_a_slip_is_linked_and_signed_in(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    made = slip(session, vault)
    assert (made.pupil_name, made.expires_on) == (CHILD, date(2026, 12, 4))
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{12}", made.code)
    typed = Typed(f" {group(made.code).lower()} ", "14 3 2017")
    found = activation.open_slip(session, vault, typed, now=NOW)
    assert found == FoundSlip(Relation.MOTHER, MOTHER, "N*** T*** H***")
    sent = activation.ask_code(session, vault, typed, "+84 912 345 678", language="en", now=NOW)
    assert not isinstance(sent, Refusal)
    assert sent is not None
    assert address(session, vault, sent[0]).value == "+84912345678"
    done = activation.activate(session, vault, typed, MOTHERS_PHONE, code_in(sent), replaces="", now=NOW)
    assert isinstance(done, Activated)
    signed_in = sessions.find(session, vault, done.token, now=NOW)
    assert signed_in is not None
    assert (signed_in.name, signed_in.role) == (MOTHER, Role.HOLDER)
    link = session.get_one(PupilLink, done.link)
    assert (link.account_pk, link.school_code, link.relation) == (signed_in.account, SCHOOL, "mother")
    contact = session.scalars(select(Contact)).one()
    assert (contact.confirmed_at, session.scalars(select(Account.language)).one()) == (NOW, "en")
    assert [notice.kind for notice in done.told] == [Kind.ACTIVATION_CONFIRMED]
    told = entries(session, "holder_activated")
    assert [(e["outcome"], e["actor"], e["pupil"]) for e in told] == [
        ("done", f"holder:{signed_in.account}", link.pupil_index)
    ]


def test_a_slip_opens_once(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    made = slip(session, vault)
    assert isinstance(redeem(session, vault, made.code, MOTHERS_PHONE), Activated)
    again = activation.open_slip(session, vault, Typed(made.code, BORN), now=NOW)
    assert isinstance(again, Refusal)
    assert again.code == "slip_used"
    assert activation.open_slip(session, vault, Typed(made.code, "15/03/2017"), now=NOW) is None
    assert [e["details"]["reason"] for e in entries(session, "holder_activated") if e["details"]] == [
        "slip_used",
        "wrong_pair",
    ]


def test_wrong_code_wrong_date_and_a_locked_slip_are_one_answer(session: Session, vault: Vault) -> None:
    """SEC-30: each refusal is told; of a code that is nobody's there is nothing to tell."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    made, other = slip(session, vault), slip(session, vault, Relation.FATHER, FATHER)
    unknown = made.code[:-1] + next(c for c in "0123456789" if c != made.code[-1])
    with pytest.raises(InvalidInput):  # the check character: nobody's secret
        activation.open_slip(session, vault, Typed(unknown, BORN), now=NOW)
    assert activation.open_slip(session, vault, Typed("0" * 12, BORN), now=NOW) is None
    for _ in range(activation.TRIES):
        assert activation.open_slip(session, vault, Typed(made.code, "2017"), now=NOW) is None
    assert activation.open_slip(session, vault, Typed(made.code, BORN), now=NOW) is None
    assert (
        activation.ask_code(session, vault, Typed(made.code, BORN), MOTHERS_PHONE, language="vi", now=NOW)
        is None
    )
    assert isinstance(activation.open_slip(session, vault, Typed(other.code, BORN), now=NOW), FoundSlip)
    told = [e["details"]["reason"] for e in entries(session, "holder_activated")]
    assert told == ["wrong_pair"] * 5 + ["locked"] * 2


def test_slips_lapse_are_cancelled_and_replaced(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    first = slip(session, vault)
    second = slip(session, vault, name="H’NGA  Niê")  # the same person, spelled otherwise
    father = slip(session, vault, Relation.FATHER, FATHER)

    def state(code: str, days: int = 0) -> str:
        found = activation.open_slip(session, vault, Typed(code, BORN), now=NOW + timedelta(days=days))
        return found.code if isinstance(found, Refusal) else "" if found is None else "open"

    assert [state(s.code) for s in (first, second, father)] == ["slip_cancelled", "open", "open"]
    index = session.scalars(select(ActivationSlip.pupil_index)).first() or ""
    known = activation.slips_for(session, vault, SCHOOL, index, now=NOW)
    assert [(s.relation, s.name, s.locked) for s in known] == [
        (Relation.MOTHER, "H’NGA  Niê", False),
        (Relation.FATHER, FATHER, False),
    ]
    with pytest.raises(Refusal, match="giấy kích hoạt"):
        activation.cancel_slip(session, OTHER_SCHOOL, known[1].key, actor=OFFICE, now=NOW)
    activation.cancel_slip(session, SCHOOL, known[1].key, actor=OFFICE, now=NOW)
    assert state(father.code) == "slip_cancelled"
    assert [state(second.code, days) for days in (59, 60)] == ["open", "slip_expired"]
    assert [e["details"]["change"] for e in entries(session, "holder_change")] == [
        *["slip_made"] * 3,
        "slip_cancelled",
    ]


def test_every_mistake_of_a_list_is_told_and_nothing_is_made(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    enter_pupil(session, vault, SCHOOL, "20", ngay_sinh="2008", so_dinh_danh_ca_nhan=None)
    enter_pupil(session, vault, SCHOOL, "21", ngay_sinh="2019", so_dinh_danh_ca_nhan=None)

    def pupil(code: str) -> str:
        return learners.pupil_index(vault, SCHOOL, code)

    wanted = [
        NewSlip(pupil(PUPIL), Relation.MOTHER, MOTHER),
        NewSlip(pupil("99"), Relation.MOTHER, " "),
        NewSlip(pupil("21"), Relation.PUPIL, "Em Nhỏ"),  # 7 on the last day of 2026
        NewSlip(pupil(PUPIL), Relation.GUARDIAN, FATHER, date(2026, 10, 4)),
        NewSlip(pupil(PUPIL), Relation.PUPIL, CHILD, date(2030, 1, 1)),
    ]
    with pytest.raises(InvalidInput) as refused:
        activation.make_slips(session, vault, SCHOOL, wanted, actor=OFFICE, now=NOW)
    assert {(p.where, p.code) for p in refused.value.problems} == {
        ("1.name", "name"),
        ("1.pupil", "unknown_pupil"),
        ("2.relation", "too_young"),
        ("3.valid_to", "past"),
        ("4.valid_to", "pupil"),
    }
    assert session.scalars(select(ActivationSlip.id)).all() == []
    of_age = NOW + timedelta(days=90)  # 2027: whoever was born in 2008 is 18
    with pytest.raises(InvalidInput, match="đủ 18 tuổi"):
        slip(session, vault, Relation.MOTHER, "Lê An", pupil="20", now=of_age)
    assert slip(session, vault, Relation.PUPIL, "Lê An", pupil="20", now=of_age).code


def test_a_school_makes_slips_for_its_own_pupils_only(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    with pytest.raises(InvalidInput):
        slip(session, vault, school=OTHER_SCHOOL)


def test_a_second_child_is_added_to_the_same_person(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    enter_pupil(session, vault, OTHER_SCHOOL, "5", so_dinh_danh_ca_nhan="001319000002")
    first = linked(session, vault)
    second = linked(session, vault, name="h'nga niê", school=OTHER_SCHOOL, pupil="5")
    assert first.account_pk == second.account_pk
    account = session.scalars(select(Account)).one()
    assert open_name(vault, account) == MOTHER


def test_a_familys_one_phone_stays_one_persons(session: Session, vault: Vault) -> None:
    """A father's or a child's slip does not turn into the mother's account."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    linked(session, vault)
    for relation, name, own in (
        (Relation.FATHER, FATHER, FATHERS_EMAIL),
        (Relation.PUPIL, CHILD, CHILDS_PHONE),
    ):
        made = slip(session, vault, relation, name)
        refused = redeem(session, vault, made.code, MOTHERS_PHONE)
        assert isinstance(refused, Refusal)
        assert refused.code == "another_person"
        assert isinstance(redeem(session, vault, made.code, own), Activated)
    assert len(session.scalars(select(PupilLink)).all()) == 3
    twice = slip(session, vault)
    again = redeem(session, vault, twice.code, MOTHERS_PHONE)
    assert isinstance(again, Refusal)
    assert again.code == "already_linked"
    told = [e["details"].get("reason") for e in entries(session, "holder_activated")]
    assert told == [None, "another_person", None, "another_person", None, "already_linked"]


def test_a_wrong_one_time_code_links_nobody(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    typed = Typed(slip(session, vault).code, BORN)
    asked = activation.ask_code(session, vault, typed, MOTHERS_PHONE, language="vi", now=NOW)
    right = code_in(asked)
    wrong = "000000" if right != "000000" else "000001"

    def use(code: str, contact: str = MOTHERS_PHONE) -> Activated | Refusal | None:
        return activation.activate(session, vault, typed, contact, code, replaces="", now=NOW)

    assert use(wrong) is None
    assert use(right, FATHERS_EMAIL) is None  # sent to somebody else
    assert isinstance(use(right), Activated)
    assert session.scalars(select(Account.state)).all() == [AccountState.ACTIVE]


def test_an_account_that_nobody_finished_is_forgotten(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    enter_pupil(session, vault, OTHER_SCHOOL, "5", so_dinh_danh_ca_nhan="001319000002")
    linked(session, vault)
    strange = slip(session, vault, Relation.FATHER, FATHER)
    activation.ask_code(session, vault, Typed(strange.code, BORN), CHILDS_PHONE, language="vi", now=NOW)
    # Whoever typed a number does not have it: its owner takes it up with a slip of their own.
    child = linked(session, vault, Relation.PUPIL, CHILD, CHILDS_PHONE, school=OTHER_SCHOOL, pupil="5")
    assert open_name(vault, session.get_one(Account, child.account_pk)) == CHILD
    activation.ask_code(session, vault, Typed(strange.code, BORN), FATHERS_EMAIL, language="vi", now=NOW)
    assert activation.forget(session, now=NOW + timedelta(hours=23)) == 0
    assert activation.forget(session, now=NOW + timedelta(hours=24)) == 1
    assert len(session.scalars(select(Account)).all()) == len(session.scalars(select(Contact)).all()) == 2


def test_slips_that_are_over_go(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    linked(session, vault)  # used
    slip(session, vault, Relation.FATHER, FATHER)
    slip(session, vault, Relation.FATHER, FATHER)  # cancels the one before

    def left(days: int) -> int:
        activation.forget(session, now=NOW + timedelta(days=days))
        return len(session.scalars(select(ActivationSlip.id)).all())

    assert [left(days) for days in (29, 30, 89, 90)] == [3, 1, 1, 0]


def test_nobodys_phone_is_filled_with_codes(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, SCHOOL, PUPIL)
    typed = Typed(slip(session, vault).code, BORN)
    answers = [
        activation.ask_code(session, vault, typed, MOTHERS_PHONE, language="vi", now=NOW) for _ in range(7)
    ]
    assert [len(a) for a in answers if isinstance(a, tuple)] == [1, 1, 1, 1, 1, 0, 0]


def test_neither_code_nor_name_nor_contact_stands_in_the_database(session: Session, vault: Vault) -> None:
    """SEC-28, SEC-39."""
    enter_pupil(session, vault, SCHOOL, PUPIL)
    made = slip(session, vault)
    linked(session, vault, Relation.FATHER, FATHER, FATHERS_EMAIL)
    session.flush()
    tables = ("accounts", "contacts", "activation_slips", "one_time_codes", "audit_entries", "pupil_links")
    kept = "".join(str(row) for table in tables for row in session.execute(text(f"SELECT * FROM {table}")))  # noqa: S608
    for canary in (made.code, FATHER, FATHER.encode().hex(), FATHERS_EMAIL, BORN, MOTHER):
        assert canary not in kept
    assert FATHERS_EMAIL not in repr(made)
    assert made.code not in repr(made)
