"""What was opened and is on a screen (SEC-19), and what an organisation sees of its own questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.accounts.models import Relation
from portal.consent import disclosing, service
from portal.consent.disclosing import Opening
from portal.consent.fields import Preset
from portal.consent.models import ConsentEvent, Evidence
from portal.consent.parties import Staff
from portal.consent.purposes import Purpose
from portal.consent.service import OPEN_FOR, TWICE_WITHIN, State, Wish
from portal.permissions import Role
from tests.portal.audit.reading import entries
from tests.portal.consent.world import PLAIN_WISH, World, done, why

BIRTH = "03/09/2015"
ONCE = replace(PLAIN_WISH, once=True)


def stands(world: World, opening: Opening | None, staff: Staff | None = None) -> bool:
    assert opening is not None
    return disclosing.stands(world.session, world.vault, opening, staff=staff, now=world.now)


def again(world: World, opening: Opening | None, staff: Staff | None = None) -> object:
    assert opening is not None
    return disclosing.show_again(world.session, world.vault, world.files, opening, staff=staff, now=world.now)


@pytest.mark.parametrize("wish", [PLAIN_WISH, ONCE], ids=["many", "once"])
def test_what_a_code_opened_stands_until_it_is_withdrawn(world: World, wish: Wish) -> None:
    """SEC-19: at the next question, whoever asks; a use is not taken from the opening that it was."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother, wish)
    shown = done(world.open(code, BIRTH))
    assert stands(world, shown.opening)
    world.change_link(mother, disputed_at=world.now)
    assert not stands(world, shown.opening)
    world.change_link(mother, disputed_at=None)
    assert stands(world, shown.opening)
    assert isinstance(again(world, shown.opening), disclosing.Disclosed)
    if not wish.once:
        done(world.no(consent, mother))
        assert not stands(world, shown.opening)
        assert why(again(world, shown.opening)) == "not_in_force"


def test_a_use_is_one_opening(world: World) -> None:
    """SEC-20: seeing it again within the opening uses nothing up, another opening is refused."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother, ONCE)
    shown = done(world.open(code, BIRTH))
    assert why(world.open(code, BIRTH)) == "used_up"
    before = len(entries(world.session, "disclosure"))
    once_more = again(world, shown.opening)
    assert isinstance(once_more, disclosing.Disclosed)
    assert [r.disclosures for r in once_more.records] == [r.disclosures for r in shown.records]
    assert len(entries(world.session, "disclosure")) == before + 1  # a look like any other
    assert not stands(world, Opening(consent, shown.opening.number - 1) if shown.opening else None)
    assert not stands(world, Opening(consent, 99))


def browser(world: World, code: str, name: str, staff: Staff | None = None) -> object:
    """A right pair, sent from a browser of this name or by somebody signed in."""
    return disclosing.open_code(
        world.session,
        world.vault,
        world.files,
        code=code,
        birth=BIRTH,
        declared="Phòng tuyển sinh",
        staff=staff,
        browser=name,
        now=world.now,
    )


def test_a_form_that_comes_twice_is_one_use(world: World) -> None:
    """SEC-20: the same browser sees the same opening, within two minutes; no other one profits."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother, ONCE)
    first = browser(world, code, "a" * 64)
    assert isinstance(first, disclosing.Disclosed)
    twice = browser(world, code, "a" * 64)
    assert isinstance(twice, disclosing.Disclosed)
    assert (twice.opening, twice.declared) == (first.opening, "Phòng tuyển sinh")
    events = select(ConsentEvent.kind).where(ConsentEvent.consent_pk == consent)
    assert sorted(world.session.scalars(events)) == ["asked", "given", "given", "opened", "used_up"]
    for strange in (browser(world, code, "b" * 64), browser(world, code, ""), world.open(code, BIRTH)):
        assert why(strange) == "used_up"
    assert why(browser(world, code, "a" * 64, world.receiver)) == "used_up"
    kept = world.session.scalars(select(ConsentEvent.browser)).all()
    assert "a" * 64 not in kept
    world.now += TWICE_WITHIN - timedelta(seconds=1)
    assert isinstance(browser(world, code, "a" * 64), disclosing.Disclosed)
    world.now += timedelta(seconds=1)
    assert why(browser(world, code, "a" * 64)) == "used_up"  # the next person at the same computer
    assert stands(world, first.opening)  # what lies open there is another matter
    assert isinstance(again(world, first.opening), disclosing.Disclosed)


def test_what_was_taken_back_is_not_seen_again(world: World) -> None:
    """SEC-19: the same browser asks anew each time, like everybody."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother, ONCE)
    done(browser(world, code, "a" * 64))
    world.change_link(mother, disputed_at=world.now)
    assert why(browser(world, code, "a" * 64)) == "not_in_force"
    world.change_link(mother, disputed_at=None)
    done(world.no(consent, mother))
    assert why(browser(world, code, "a" * 64)) == "cancelled"


def test_the_same_person_sees_what_they_used_up(world: World) -> None:
    """By their organisation's question or by a code under their own name; a colleague does not."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    colleague = world.staff(world.other, Role.RECEIVING_OFFICER)
    asked = done(world.ask(pupil, ONCE))
    done(world.yes(asked.consent, mother))
    done(world.yes(asked.consent, mother, Evidence.SAME_DEVICE))
    first = done(world.disclose(asked.consent))
    assert done(world.disclose(asked.consent)).opening == first.opening
    assert why(world.disclose(asked.consent, colleague)) == "not_in_force"
    _, code = world.shared(pupil, mother, ONCE)
    done(browser(world, code, "", world.receiver))
    done(browser(world, code, "", world.receiver))
    assert why(browser(world, code, "", colleague)) == "used_up"
    world.now += TWICE_WITHIN
    assert why(world.disclose(asked.consent)) == "not_in_force"
    assert why(browser(world, code, "", world.receiver)) == "used_up"
    assert stands(world, first.opening, world.receiver)


def test_a_code_that_nobody_tried_is_replaced_by_its_maker(world: World) -> None:
    """SEC-20: a button pressed twice loses no code; the newer opens, the older nothing."""
    pupil = world.pupil(BIRTH)
    mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
    consent, older = world.shared(pupil, mother)
    assert why(world.code(consent, father)) == "code_made"
    made = done(world.code(consent, mother))
    assert (made.replaces, made.notices) == (True, ())
    told = [(e["action"], e["object"]) for e in entries(world.session) if "share_code" in str(e["object"])]
    assert [action for action, _ in told] == ["share_code_made", "share_code_cancelled", "share_code_made"]
    assert told[0][1] == told[1][1] != told[2][1]
    assert why(world.open(older, BIRTH)) == "not_opened"
    (seen,) = done(
        service.of_pupil(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now)
    )
    assert seen.code_replaceable_by == mother
    done(world.open(made.code, BIRTH))
    assert why(world.code(consent, mother)) == "code_made"


def test_a_code_that_somebody_tried_stays(world: World) -> None:
    """SEC-20: its wrong tries are not made undone by another code."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother)
    assert why(world.open(code, "01/01/2001")) == "not_opened"
    assert why(world.code(consent, mother)) == "code_made"
    done(world.open(code, BIRTH))


@pytest.mark.parametrize("moment", ["at once", "later"])
def test_what_a_bearer_takes_over_bears_their_name(world: World, moment: str) -> None:
    """SEC-30: in the family's "who looked": of the look and of what was taken over later."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    _, code = world.shared(pupil, mother)
    first = done(world.open(code, BIRTH, "Phòng tuyển sinh"))
    second = done(world.open(code, BIRTH, "Cửa hàng Hoa"))
    if moment == "later":
        world.now += timedelta(minutes=7)
    for shown in (first, second, first):
        assert isinstance(again(world, shown.opening), disclosing.Disclosed)
    looks = done(
        disclosing.accesses(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now)
    )
    named = ["Phòng tuyển sinh", "Cửa hàng Hoa"]
    assert [look.declared for look in looks] == [named[0], named[1], named[0], named[1], named[0]]


def test_an_opening_is_over_after_half_an_hour(world: World) -> None:
    """SEC-22's idle time, for what lies open; the consent itself goes on."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    _, code = world.shared(pupil, mother)
    shown = done(world.open(code, BIRTH))
    world.now += OPEN_FOR - timedelta(seconds=1)
    assert stands(world, shown.opening)
    world.now += timedelta(seconds=1)
    assert not stands(world, shown.opening)
    assert stands(world, done(world.open(code, BIRTH)).opening)


def test_a_withdrawal_closes_what_a_single_use_opened(world: World) -> None:
    """SEC-19: while it may lie on a screen; afterwards there is nothing left to take back."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother, ONCE)
    shown = done(world.open(code, BIRTH))
    assert why(world.yes(consent, mother)) == "not_open"
    assert stands(world, shown.opening)
    assert done(world.no(consent, mother)).state is State.WITHDRAWN
    assert not stands(world, shown.opening)
    assert why(again(world, shown.opening)) == "not_in_force"
    assert why(world.open(code, BIRTH)) == "cancelled"
    assert why(world.no(consent, mother)) == "not_open"

    consent, code = world.shared(pupil, mother, ONCE)
    done(world.open(code, BIRTH))
    world.now += OPEN_FOR
    assert why(world.no(consent, mother)) == "not_open"


def test_an_opening_is_its_persons(world: World) -> None:
    """SEC-18: nobody else's, and not theirs once they left."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    asked = done(world.ask(pupil))
    done(world.yes(asked.consent, mother))
    done(world.yes(asked.consent, mother, Evidence.SAME_DEVICE))
    shown = done(world.disclose(asked.consent))
    assert stands(world, shown.opening, world.receiver)
    colleague = world.staff(world.other, Role.RECEIVING_OFFICER)
    for other in (None, colleague, world.officer):
        assert not stands(world, shown.opening, other)
        assert why(again(world, shown.opening, other)) == "not_in_force"
    world.close(world.receiver.account)
    assert not stands(world, shown.opening, world.receiver)


def test_an_organisation_sees_states_and_its_own_words(world: World) -> None:
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    keys = []
    for purpose in (Purpose.TRANSFER, Purpose.ADMISSION):
        world.now += timedelta(minutes=1)
        keys.append(done(world.ask(pupil, replace(PLAIN_WISH, purpose=purpose))).consent)
        if purpose is Purpose.TRANSFER:
            done(world.no(keys[-1], mother))
    found = done(service.of_organisation(world.session, world.vault, staff=world.receiver, now=world.now))
    assert [(f.consent, f.state) for f in found] == [(keys[1], State.WAITING), (keys[0], State.REFUSED)]
    assert [f.case_number for f in found] == ["HS-15/2026"] * 2
    assert [f.ended_at for f in found] == [None, world.now - timedelta(minutes=1)]
    (older,) = done(
        service.of_organisation(
            world.session, world.vault, staff=world.receiver, skip=1, limit=1, now=world.now
        )
    )
    assert older.consent == keys[0]
    one = done(service.asked(world.session, world.vault, keys[1], staff=world.receiver, now=world.now))
    assert one == found[0]
    for staff in (world.officer, world.authority):
        refused = service.asked(world.session, world.vault, keys[1], staff=staff, now=world.now)
        assert why(refused) in ("unknown_consent", "not_permitted")
    world.now += timedelta(days=15)
    late = done(service.asked(world.session, world.vault, keys[1], staff=world.receiver, now=world.now))
    assert (late.state, late.ended_at) == (State.EXPIRED, late.until)


def test_a_bearer_sees_nothing_once_the_approval_is_gone(world: World) -> None:
    """SEC-19: whatever ends the basis ends the page."""
    pupil = world.pupil(BIRTH)
    mother = world.holder(pupil, Relation.MOTHER)
    done(world.approve(Purpose.VIEW))
    _, code = world.shared(pupil, mother, Wish(Purpose.VIEW, Preset.RESULT, days=7, once=False))
    shown = done(world.open(code, BIRTH))
    assert stands(world, shown.opening)
    done(service.revoke_purpose(world.session, staff=world.authority, purpose=Purpose.VIEW, now=world.now))
    assert not stands(world, shown.opening)
