"""One open question, a pause after a no, a ceiling of what waits, a wish that comes twice (SEC-30)."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from limits import parse
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Relation
from portal.consent import service
from portal.consent.fields import Preset
from portal.consent.models import Consent, Evidence
from portal.consent.purposes import Purpose
from portal.consent.service import ANSWER_WITHIN, PAUSE, By, Denied, Said, State
from portal.permissions import Role
from portal.vault import Vault
from tests.portal.audit.reading import entries
from tests.portal.consent.test_service import FIFTEEN, SAME_DEVICE, SIX
from tests.portal.consent.world import PLAIN_WISH, World, done, why

WIDER = replace(PLAIN_WISH, preset=Preset.WHOLE, days=90)
ADMISSION = replace(PLAIN_WISH, purpose=Purpose.ADMISSION)
AWAY = "01000999"


def count(session: Session) -> int:
    return session.scalar(select(func.count(Consent.id))) or 0


class TestOneOpenQuestion:
    def test_asking_again_is_the_question_that_is_open(self, world: World) -> None:
        """While it waits and while it is given, by whomever of the organisation; nobody is told again."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        first = done(world.ask(pupil))
        assert [n.account for n in first.notices] == [mother]
        before = len(entries(world.session))
        colleague = world.staff(world.other, Role.RECEIVING_OFFICER)
        again = [
            done(world.ask(pupil)),
            done(world.ask(pupil, WIDER)),
            done(world.ask(pupil, staff=colleague)),
        ]
        assert {(each.consent, each.notices) for each in again} == {(first.consent, ())}
        assert len(entries(world.session)) == before
        done(world.yes(first.consent, mother))
        assert done(world.ask(pupil)).consent == first.consent
        assert count(world.session) == 1

    def test_another_purpose_other_records_or_another_organisation_ask_anew(self, world: World) -> None:
        pupil = world.pupil(SIX, "2024-2025", "2025-2026")
        for staff in (world.receiver, world.staff(world.school, Role.RECEIVING_OFFICER)):
            done(world.ask(pupil, staff=staff))
            done(world.ask(pupil, ADMISSION, staff=staff))
            done(world.ask(pupil, staff=staff, code=pupil.locator("2024-2025")))
        assert count(world.session) == 6

    @pytest.mark.parametrize("end", ["unanswered", "over", "used", "erased"])
    def test_what_has_ended_is_asked_anew(self, world: World, end: str) -> None:
        """Silence, an end and a use are no no."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        wish = replace(PLAIN_WISH, once=end == "used")
        first = done(world.ask(pupil, wish))
        if end == "unanswered":
            world.now += ANSWER_WITHIN
        else:
            done(world.yes(first.consent, mother))
        if end == "over":
            world.now += timedelta(days=30)
        if end == "used":
            done(world.disclose(first.consent))
        if end == "erased":
            world.erase(first.consent)
        assert done(world.ask(pupil, wish)).consent != first.consent

    def test_two_at_once_are_one(self, world: World, engine: Engine, vault: Vault) -> None:
        """A form sent twice, on both databases."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        world.session.commit()
        keys, together = world.record_keys(pupil), Barrier(8)
        world.session.rollback()

        def asks(number: int) -> uuid.UUID:
            together.wait()
            with Session(engine) as session, session.begin():
                if number % 2:
                    return done(
                        service.offer(
                            session,
                            vault,
                            account=mother,
                            pupil=pupil.index,
                            records=keys,
                            wish=PLAIN_WISH,
                            now=world.now,
                        )
                    ).consent
                return done(
                    service.ask(
                        session,
                        vault,
                        staff=world.receiver,
                        locator=pupil.locator(),
                        wish=PLAIN_WISH,
                        reference="HS-1",
                        now=world.now,
                    )
                ).consent

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(asks, range(8)))
        assert len(set(found)) == 2
        assert count(world.session) == 2


class TestPause:
    @pytest.mark.parametrize("taken_back", [False, True])
    def test_after_a_no_the_same_organisation_waits(self, world: World, taken_back: bool) -> None:
        """For the same pupil and purpose, whichever year; the family may share of its own accord."""
        pupil = world.pupil(SIX, "2024-2025", "2025-2026")
        mother = world.holder(pupil, Relation.MOTHER)
        first = done(world.ask(pupil))
        if taken_back:
            done(world.yes(first.consent, mother))
        done(world.no(first.consent, mother))
        for other_year in (False, True):
            code = pupil.locator("2024-2025") if other_year else None
            refused = world.ask(pupil, code=code, whole_level=other_year)
            assert isinstance(refused, Denied)
            assert (refused.code, refused.day) == ("asked_lately", world.today + PAUSE)
        told = entries(world.session, "consent_asked")[-1]
        assert (told["outcome"], told["details"], told["pupil"]) == (
            "refused",
            {"reason": "asked_lately"},
            pupil.index,
        )
        done(world.ask(pupil, ADMISSION))
        done(world.ask(pupil, staff=world.staff(world.school, Role.RECEIVING_OFFICER)))
        done(world.offer(mother, pupil))
        world.now += PAUSE - timedelta(days=1)
        assert why(world.ask(pupil)) == "asked_lately"
        world.now += timedelta(days=1)
        assert done(world.ask(pupil)).consent != first.consent

    def test_at_whatever_school_the_pupil_is(self, world: World) -> None:
        first = world.pupil(FIFTEEN, "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        mother = world.holder(first, Relation.MOTHER)
        staff = world.officer
        world.approve(Purpose.TRANSFER)
        asked = done(world.ask(first, staff=staff, code=first.locator("2024-2025")))
        done(world.no(asked.consent, mother))
        assert why(world.ask(second, staff=staff)) == "asked_lately"


class TestOneNo:
    @pytest.mark.parametrize("taken_back", [False, True])
    def test_a_no_ends_what_else_waits(self, world: World, taken_back: bool) -> None:
        """Of this organisation, about this pupil at any school, for this purpose; what was given stays."""
        first = world.pupil(FIFTEEN, "2023-2024", "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        mother = world.holder(first, Relation.MOTHER)
        child = world.holder(first, Relation.PUPIL)
        answered = done(world.ask(first, code=first.locator("2023-2024"))).consent
        given = done(world.ask(first, code=first.locator("2024-2025"))).consent
        for account in (mother, child):
            done(world.yes(given, account))
        if taken_back:
            for account in (mother, child):
                done(world.yes(answered, account))
        colleague = world.staff(world.other, Role.RECEIVING_OFFICER)
        waiting = done(world.ask(second, staff=colleague)).consent
        others = [
            done(world.ask(first, ADMISSION, code=first.locator("2023-2024"))).consent,
            done(world.ask(second, staff=world.staff(world.school, Role.RECEIVING_OFFICER))).consent,
            done(world.ask(world.pupil(FIFTEEN))).consent,
        ]
        said = done(world.no(answered, mother))
        assert said.state is (State.WITHDRAWN if taken_back else State.REFUSED)
        assert states(world, answered, waiting) == [said.state, State.REFUSED]
        assert states(world, given, *others) == [State.GIVEN] + [State.WAITING] * 3
        told = entries(world.session, "consent_refused")[-1]
        assert (told["object"], told["actor"], told["details"]) == (
            f"consent:{waiting}",
            f"holder:{mother}",
            {"party": "guardian", "evidence": "sign_in", "reason": "no_to_another"},
        )
        asker = [n.parameters for n in said.notices if n.account == colleague.account]
        assert asker == [{"reference": service.reference_of(waiting)}]
        assert why(world.no(waiting, child)) == "not_open"

    def test_a_no_to_a_share_ends_no_question(self, world: World) -> None:
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil)).consent
        offered = [done(world.offer(mother, pupil, wish)).consent for wish in (PLAIN_WISH, WIDER)]
        done(world.no(offered[0], mother))
        assert states(world, asked, offered[1]) == [State.WAITING] * 2

    def test_two_noes_at_once_end_both_and_wait_for_nobody(
        self, world: World, engine: Engine, vault: Vault
    ) -> None:
        """Each ends the other's question: locked in one order they are never a deadlock."""
        pupil = world.pupil(SIX, "2024-2025", "2025-2026")
        mother = world.holder(pupil, Relation.MOTHER)
        keys = [done(world.ask(pupil)).consent]
        keys.append(done(world.ask(pupil, code=pupil.locator("2024-2025"))).consent)
        world.session.commit()
        together = Barrier(2)

        def says(consent: uuid.UUID) -> object:
            together.wait()
            with Session(engine) as session, session.begin():
                return service.answer(
                    session,
                    vault,
                    consent=consent,
                    said=Said.NO,
                    by=By(Evidence.SIGN_IN, mother),
                    request=consent.hex,
                    now=world.now,
                )

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(says, keys))
        assert sorted(isinstance(each, Denied) for each in found) == [False, True]
        assert states(world, *keys) == [State.REFUSED] * 2


def states(world: World, *consents: uuid.UUID) -> list[State]:
    found = [service.examine(world.session, world.vault, consent, world.now) for consent in consents]
    return [case.fold.state for case in found if case is not None]


class TestCeiling:
    def test_three_wait_for_one_pupil_and_no_more(self, world: World) -> None:
        """Whatever purposes and years; an answer or the end of the time makes room."""
        pupil = world.pupil(SIX, "2024-2025", "2025-2026")
        mother = world.holder(pupil, Relation.MOTHER)
        first = done(world.ask(pupil))
        done(world.ask(pupil, ADMISSION))
        done(world.ask(pupil, code=pupil.locator("2024-2025")))
        assert why(world.ask(pupil, whole_level=True)) == "enough_waiting"
        assert entries(world.session, "consent_asked")[-1]["details"] == {"reason": "enough_waiting"}
        assert done(world.ask(pupil)).consent == first.consent  # one that is open
        done(world.ask(world.pupil(SIX)))
        done(world.ask(pupil, staff=world.staff(world.school, Role.RECEIVING_OFFICER), whole_level=True))
        done(world.yes(first.consent, mother))
        done(world.ask(pupil, whole_level=True))
        fourth = replace(ADMISSION, preset=Preset.WHOLE)
        assert why(world.ask(pupil, fourth, whole_level=True)) == "enough_waiting"
        world.now += ANSWER_WITHIN
        done(world.ask(pupil, fourth, whole_level=True))

    def test_so_many_wait_and_no_more(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a family answered, or what is older than a day, counts no more."""
        monkeypatch.setattr(service, "ASKED_DAY", parse("3/day"))
        pupils = [world.pupil(SIX) for _ in range(5)]
        mother = world.holder(pupils[0], Relation.MOTHER)
        first = done(world.ask(pupils[0]))
        for pupil in pupils[1:3]:
            done(world.ask(pupil))
        assert why(world.ask(pupils[3])) == "asked_too_often"
        assert entries(world.session, "consent_asked")[-1]["details"] == {"reason": "asked_too_often"}
        assert done(world.ask(pupils[1]))  # one that is open
        done(world.ask(pupils[3], staff=world.staff(world.school, Role.RECEIVING_OFFICER)))
        done(world.yes(first.consent, mother))
        done(world.ask(pupils[3]))
        assert why(world.ask(pupils[4])) == "asked_too_often"
        world.now += timedelta(days=1)
        done(world.ask(pupils[4]))


class TestOffer:
    def test_the_same_wish_that_waits_is_one(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        first = done(world.offer(mother, pupil))
        assert [n.account for n in first.notices] == [father]
        done(world.yes(first.consent, mother))  # the child has yet to answer
        again = done(world.offer(mother, pupil))
        assert (again.consent, again.notices) == (first.consent, ())
        others = {
            done(world.offer(mother, pupil, WIDER)).consent,
            done(world.offer(mother, pupil, replace(PLAIN_WISH, once=True))).consent,
            done(world.offer(mother, pupil, replace(PLAIN_WISH, sensitive=("dan_toc",)))).consent,
            done(world.offer(father, pupil)).consent,
        }
        assert len(others - {first.consent}) == 4

    def test_what_is_given_is_shared_anew(self, world: World) -> None:
        """A second code, for somebody else."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        first = done(world.offer(mother, pupil))
        done(world.yes(first.consent, mother))
        given = done(world.yes(first.consent, mother, SAME_DEVICE))
        assert given.state is State.GIVEN
        assert done(world.offer(mother, pupil)).consent != first.consent
