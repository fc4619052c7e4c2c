"""What was opened and is on a screen (SEC-19), and what an organisation sees of its own questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.accounts.models import Relation
from portal.consent import disclosing, service
from portal.consent.disclosing import Opening
from portal.consent.fields import Preset
from portal.consent.models import Evidence
from portal.consent.parties import Staff
from portal.consent.purposes import Purpose
from portal.consent.service import OPEN_FOR, State, Wish
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
    for end in (True, False):
        world.now += timedelta(minutes=1)
        keys.append(done(world.ask(pupil)).consent)
        if end:
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
