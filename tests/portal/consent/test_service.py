"""Who must agree, in which way, and when what was given stands (SEC-19, SEC-20, SEC-21)."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from threading import Event

import pytest
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import holders, notices
from portal.accounts.models import Membership, PupilLink, Relation
from portal.audit import service as audit
from portal.audit.service import Action, Outcome
from portal.consent import disclosing, service
from portal.consent.ages import Party
from portal.consent.fields import Preset
from portal.consent.models import Consent, ConsentEvent, Evidence
from portal.consent.parties import Staff
from portal.consent.purposes import Purpose
from portal.consent.service import By, Said, State, Wish
from portal.consent.texts import Reader, Shown
from portal.messages import service as messages
from portal.messages.words import Kind
from portal.permissions import OrganisationKind, Role
from portal.registry import service as registry
from portal.trust.models import Signer
from portal.vault import Vault
from tests.conftest import ACTOR
from tests.portal.audit.reading import entries
from tests.portal.consent.world import PLAIN_WISH, World, done, why
from verifier.errors import InvalidInput
from verifier.trust import Approval

# NOW is 5 October 2026.
SIX, SEVEN, FIFTEEN, SIXTEEN, EIGHTEEN = (
    "06/10/2019",
    "05/10/2019",
    "06/10/2010",
    "05/10/2010",
    "05/10/2008",
)
SIGN_IN, SAME_DEVICE, WITNESS, PAPER = Evidence


class TestWhoMustAgree:
    def test_for_a_child_under_seven_the_guardian(self, world: World) -> None:
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        assert why(world.yes(asked.consent, mother, SAME_DEVICE)) == "not_entitled"
        given = done(world.yes(asked.consent, mother))
        assert (given.party, given.state) == (Party.GUARDIAN, State.GIVEN)
        assert given.until == world.now + timedelta(days=30)
        assert world.live(asked.consent)

    @pytest.mark.parametrize("how", [SAME_DEVICE, WITNESS, PAPER])
    @pytest.mark.parametrize("birth", [SEVEN, FIFTEEN])
    def test_from_seven_pupil_and_guardian(self, world: World, birth: str, how: Evidence) -> None:
        """SEC-21: neither yes alone shows anything, in either order."""
        pupil = world.pupil(birth)
        mother = world.holder(pupil, Relation.MOTHER)
        for child_first in (False, True):
            purpose = Purpose.ADMISSION if child_first else Purpose.TRANSFER
            asked = done(world.ask(pupil, replace(PLAIN_WISH, purpose=purpose)))

            def child(consent: uuid.UUID = asked.consent) -> service.Answered:
                if how is SAME_DEVICE:
                    return done(world.yes(consent, mother, how))
                return done(world.at_school(consent, how=how))

            first = child() if child_first else done(world.yes(asked.consent, mother))
            assert (first.state, first.until) == (State.WAITING, None)
            assert not world.live(asked.consent)
            assert why(world.disclose(asked.consent)) == "not_in_force"
            second = done(world.yes(asked.consent, mother)) if child_first else child()
            assert second.state is State.GIVEN
            assert world.live(asked.consent)
            done(world.disclose(asked.consent))

    def test_two_answers_never_come_in_one_request(self, world: World) -> None:
        """SEC-21."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.say(asked.consent, Said.YES, By(SIGN_IN, mother), request="r1"))
        both = world.say(asked.consent, Said.YES, By(SAME_DEVICE, mother), request="r1")
        assert why(both) == "same_request"
        event = world.session.scalars(select(ConsentEvent).where(ConsentEvent.request == "r1")).one()
        twin = {c.key: getattr(event, c.key) for c in ConsentEvent.__table__.columns}
        with pytest.raises(IntegrityError), world.session.begin_nested():
            world.session.execute(insert(ConsentEvent).values(twin | {"id": uuid.uuid4(), "number": 99}))

    def test_a_pupil_with_an_account_speaks_by_it(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, child = world.holder(pupil, Relation.MOTHER), world.holder(pupil, Relation.PUPIL)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        assert why(world.yes(asked.consent, mother, SAME_DEVICE)) == "own_sign_in"
        assert why(world.at_school(asked.consent)) == "own_sign_in"
        assert why(world.yes(asked.consent, child, SAME_DEVICE)) == "not_entitled"
        assert done(world.yes(asked.consent, child)).state is State.GIVEN

    @pytest.mark.parametrize("how", [WITNESS, PAPER])
    def test_a_homeroom_teacher_answers_for_the_own_class_alone(self, world: World, how: Evidence) -> None:
        """SEC-21: whoever signed the pupil's newest record as homeroom teacher, or the school's office."""
        pupil = world.pupil(FIFTEEN, "2024-2025")
        later = world.staff(world.school, Role.HOMEROOM_TEACHER)
        world.certify(later, "ef" * 32)
        asked = done(world.ask(pupil, code=pupil.locator("2024-2025")))

        def said(staff: Staff, word: Said) -> service.Answered | service.Denied:
            by = By(how, staff.account, staff, "Hộp 3, tờ 15" if how is PAPER else "")
            return world.say(asked.consent, word, by)

        for word in Said:
            assert why(said(later, word)) == "not_own_class"
        seen = service.at_school(world.session, world.vault, staff=later, pupil=pupil.index, now=world.now)
        assert why(seen) == "not_own_class"
        world.homeroom = "ef" * 32
        world.issue(pupil, "2025-2026")
        assert why(said(world.teacher, Said.YES)) == "not_own_class"
        assert done(said(later, Said.YES)).party is Party.PUPIL
        assert done(said(world.registrar, Said.NO)).party is Party.PUPIL
        refused = entries(world.session, "consent_given")[0]
        assert (refused["outcome"], refused["details"], refused["pupil"]) == (
            "refused",
            {"reason": "not_own_class"},
            pupil.index,
        )

    @pytest.mark.parametrize("how", [WITNESS, PAPER])
    @pytest.mark.parametrize("known_by", ["contact", "former contact", "identity"])
    def test_no_relative_takes_the_answer_down(self, world: World, how: Evidence, known_by: str) -> None:
        """SEC-21: as far as can be known, for accounts of staff and of holders are two; others may."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        world.share(world.registrar.account, mother, known_by)
        staff = world.registrar
        by = By(how, staff.account, staff, "Hộp 3, tờ 15" if how is PAPER else "")
        for word in Said:
            assert why(world.say(asked.consent, word, by)) == "own_family"
        seen = service.at_school(world.session, world.vault, staff=staff, pupil=pupil.index, now=world.now)
        assert why(seen) == "own_family"
        assert done(world.at_school(asked.consent, how=how)).party is Party.PUPIL
        other = world.pupil(FIFTEEN)
        world.holder(other, Relation.MOTHER)
        assert done(world.say(done(world.ask(other)).consent, Said.YES, by)).party is Party.PUPIL

    @pytest.mark.parametrize("reason", holders.END_REASONS)
    def test_who_was_of_the_family_is_no_stranger_afterwards(self, world: World, reason: str) -> None:
        """SEC-21: a father whose link was ended, for cause or as he asked, takes nothing down at his desk."""
        pupil = world.pupil(FIFTEEN)
        world.holder(pupil, Relation.MOTHER)
        father = world.holder(pupil, Relation.FATHER)
        asked = done(world.ask(pupil))
        staff = world.registrar
        world.share(staff.account, father, "contact")
        key = world.session.scalars(select(PupilLink.id).where(PupilLink.account_pk == father)).one()
        holders.end_link(world.session, pupil.school, key, reason, actor=ACTOR, now=world.now)
        for word in Said:
            assert why(world.say(asked.consent, word, By(WITNESS, staff.account, staff))) == "own_family"
        seen = service.at_school(world.session, world.vault, staff=staff, pupil=pupil.index, now=world.now)
        assert why(seen) == "own_family"

    def test_a_certificate_that_was_refused_makes_nobody_a_homeroom_teacher(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mine = select(Signer).where(Signer.account_pk == world.teacher.account)
        world.session.scalars(mine).one().approval = Approval.REFUSED
        asked = done(world.ask(pupil))
        assert why(world.at_school(asked.consent)) == "not_own_class"

    def test_from_sixteen_only_by_an_own_sign_in(self, world: World) -> None:
        pupil = world.pupil(SIXTEEN)
        father = world.holder(pupil, Relation.FATHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, father))
        for answer in (
            world.yes(asked.consent, father, SAME_DEVICE),
            world.at_school(asked.consent),
            world.at_school(asked.consent, how=PAPER),
        ):
            assert why(answer) == "own_sign_in"
        child = world.holder(pupil, Relation.PUPIL)
        assert done(world.yes(asked.consent, child)).state is State.GIVEN

    def test_from_eighteen_the_pupil_alone(self, world: World) -> None:
        pupil = world.pupil(EIGHTEEN)
        mother, grown = world.holder(pupil, Relation.MOTHER), world.holder(pupil, Relation.PUPIL)
        assert why(world.offer(mother, pupil)) == "not_entitled"
        asked = done(world.ask(pupil))
        assert [notice.account for notice in asked.notices] == [grown]
        for said in Said:
            for how in (SIGN_IN, SAME_DEVICE):
                assert why(world.say(asked.consent, said, By(how, mother))) == "not_entitled"
        assert done(world.yes(asked.consent, grown)).state is State.GIVEN
        assert why(world.no(asked.consent, mother)) == "not_entitled"
        assert world.live(asked.consent)

    def test_a_year_alone_asks_everybody_whom_any_birthday_would(self, world: World) -> None:
        """Born in 2019: six or seven. In 2008: seventeen or eighteen."""
        small, grown = world.pupil("2019"), world.pupil("2008")
        mother = world.holder(small, Relation.MOTHER)
        asked = done(world.ask(small))
        assert done(world.yes(asked.consent, mother)).state is State.WAITING
        assert done(world.yes(asked.consent, mother, SAME_DEVICE)).state is State.GIVEN
        father, pupil = world.holder(grown, Relation.FATHER), world.holder(grown, Relation.PUPIL)
        asked = done(world.ask(grown))
        assert done(world.yes(asked.consent, pupil)).state is State.WAITING
        assert done(world.yes(asked.consent, father)).state is State.GIVEN

    def test_a_child_that_turns_seven_is_asked_before_the_next_look(self, world: World) -> None:
        """SEC-21: who must agree is decided on the day of each look."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        done(world.disclose(asked.consent))
        world.now += timedelta(days=1)
        assert why(world.disclose(asked.consent)) == "not_in_force"
        (seen,) = done(
            service.of_pupil(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now)
        )
        assert (seen.state, seen.suspended, seen.waiting_for) == (
            State.GIVEN,
            "party_missing",
            (Party.PUPIL,),
        )
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        done(world.disclose(asked.consent))


class TestNo:
    @pytest.mark.parametrize("who", ["mother", "father", "child", "school"])
    def test_either_no_ends_the_question(self, world: World, who: str) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        refused = {
            "mother": lambda: world.no(asked.consent, mother),
            "father": lambda: world.no(asked.consent, father),
            "child": lambda: world.no(asked.consent, mother, SAME_DEVICE),
            "school": lambda: world.at_school(asked.consent, Said.NO),
        }[who]()
        assert done(refused).state is State.REFUSED
        assert {n.kind for n in done(refused).notices} == {Kind.CONSENT_REFUSED}
        assert world.receiver.account in {n.account for n in done(refused).notices}
        for later in (world.yes(asked.consent, father), world.no(asked.consent, mother)):
            assert why(later) == "not_open"
        assert not world.live(asked.consent)

    @pytest.mark.parametrize("who", ["mother", "father", "child", "school"])
    def test_withdrawal_works_on_the_next_request(self, world: World, who: str) -> None:
        """SEC-19: asked anew at each look; nothing outlives it."""
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        consent, code = world.shared(pupil, mother)
        done(world.open(code, FIFTEEN))
        withdrawn = {
            "mother": lambda: world.no(consent, mother),
            "father": lambda: world.no(consent, father),
            "child": lambda: world.no(consent, mother, SAME_DEVICE),
            "school": lambda: world.at_school(consent, Said.NO, PAPER),
        }[who]()
        assert done(withdrawn).state is State.WITHDRAWN
        assert why(world.open(code, FIFTEEN)) == "cancelled"
        assert not world.live(consent)
        told = [entry["action"] for entry in entries(world.session)]
        assert {"consent_withdrawn", "share_code_cancelled"} <= set(told)


def to(account: uuid.UUID) -> str:
    """Where the world of these tests reaches somebody."""
    return f"{account.hex}@thu.example.vn"


class TestWhoIsTold:
    def test_what_a_result_tells_of_goes_out_as_messages(self, world: World) -> None:
        """SEC-28: codes and days, in the words of each kind: no name of a pupil, a school or an office."""
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        given = done(world.yes(asked.consent, mother, SAME_DEVICE))
        withdrawn = done(world.no(asked.consent, father))
        offered = done(world.offer(father, pupil))
        done(world.yes(offered.consent, father))
        done(world.yes(offered.consent, father, SAME_DEVICE))
        made = done(world.code(offered.consent, father))
        for result in (asked, given, withdrawn, offered, made):
            notices.send(world.session, world.vault, result.notices, now=world.now)
        sender = messages.Sender("hocba.example.vn", "Cổng")
        shown = messages.outbox(world.session, world.vault, sender=sender, limit=20)
        asker, family = world.receiver.account, {mother, father}
        told = {kind: {m.to for m in shown if m.kind is kind} for kind in Kind}
        assert {kind: to for kind, to in told.items() if to} == {
            Kind.CONSENT_REQUESTED: {to(one) for one in family},
            Kind.CONSENT_GIVEN: {to(father), to(asker)},
            Kind.CONSENT_WITHDRAWN: {to(mother), to(asker)},
            Kind.SHARING_PROPOSED: {to(mother)},
            Kind.SHARE_CODE_MADE: {to(mother)},
        }
        texts = " ".join(f"{m.text.subject} {m.text.text}" for m in shown if m.text is not None)
        assert service.reference_of(asked.consent) in texts
        for secret in (made.code, FIFTEEN, "Trường", "Bế Văn Đàn"):
            assert secret not in texts

    def test_who_left_the_asking_office_is_not_told(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        world.session.execute(
            update(Membership)
            .where(Membership.account_pk == world.receiver.account)
            .values(ended_at=world.now)
        )
        assert done(world.no(asked.consent, mother)).notices == ()


AWAY = "01000999"  # the other school


class TestTwoSchools:
    """SEC-19, SEC-21: a pupil who moved has holders and records at both; all of them count, as families see
    them.
    """

    def test_holders_of_either_school_speak_and_see(self, world: World) -> None:
        first = world.pupil(FIFTEEN, "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        mother, father = world.holder(first, Relation.MOTHER), world.holder(second, Relation.FATHER)
        asked = done(world.ask(first, code=first.locator("2024-2025"), whole_level=True))
        assert {n.account for n in asked.notices} == {mother, father}
        done(world.yes(asked.consent, father))
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        shown = done(world.disclose(asked.consent))
        assert [r.record_id for r in shown.records] == [
            first.locator("2024-2025").record_id,
            second.locator("2025-2026").record_id,
        ]
        for account, pupil in ((mother, first), (father, second)):
            (seen,) = done(
                service.of_pupil(
                    world.session, world.vault, account=account, pupil=pupil.index, now=world.now
                )
            )
            looks = disclosing.accesses(
                world.session, world.vault, account=account, pupil=pupil.index, now=world.now
            )
            assert (seen.consent, seen.years, len(done(looks))) == (
                asked.consent,
                ("2024-2025", "2025-2026"),
                2,
            )
        keys = [record.key for record in registry.issued(world.session, pupils=[first.index, second.index])]
        done(
            service.offer(
                world.session,
                world.vault,
                account=father,
                pupil=second.index,
                records=keys,
                wish=PLAIN_WISH,
                now=world.now,
            )
        )
        done(world.no(asked.consent, mother))
        assert not world.live(asked.consent)

    def test_a_dispute_at_one_school_suspends_what_the_other_has(self, world: World) -> None:
        first = world.pupil(FIFTEEN, "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        mother, father = world.holder(first, Relation.MOTHER), world.holder(second, Relation.FATHER)
        asked = done(world.ask(first, code=first.locator("2024-2025")))
        done(world.yes(asked.consent, mother))
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        world.change_link(father, disputed_at=world.now, dispute_reason="custody_dispute")
        told = world.settle(second)
        assert [(n.account, n.kind) for n in told] == [(mother, Kind.CONSENT_SUSPENDED)]
        assert why(world.disclose(asked.consent)) == "not_in_force"
        world.link(father, first, Relation.FATHER)  # the first school links him as well: he may say no by it
        assert not world.live(asked.consent)
        assert done(world.no(asked.consent, father)).state is State.WITHDRAWN

    def test_whom_the_present_school_sent_away_gives_nothing_by_the_former_one(self, world: World) -> None:
        """SEC-19, SEC-21: what he gave rests at once, also what he would give; the mother's stays."""
        first = world.pupil(FIFTEEN, "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        father, mother = world.holder(first, Relation.FATHER), world.holder(second, Relation.MOTHER)
        world.link(father, second, Relation.FATHER)
        asked = done(world.ask(first, code=first.locator("2024-2025")))
        done(world.yes(asked.consent, father))
        done(world.yes(asked.consent, father, SAME_DEVICE))
        done(world.disclose(asked.consent))
        there = select(PupilLink).where(PupilLink.account_pk == father, PupilLink.school_code == AWAY)
        key = world.session.scalars(there).one().id
        holders.end_link(world.session, AWAY, key, "guardianship_ended", actor=ACTOR, now=world.now)
        assert {(n.account, n.kind) for n in world.settle(second)} == {(mother, Kind.CONSENT_SUSPENDED)}
        assert why(world.disclose(asked.consent)) == "not_in_force"
        assert why(world.offer(father, first)) == "not_entitled"
        assert why(world.no(asked.consent, father)) == "not_entitled"
        done(world.yes(asked.consent, mother))
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        done(world.disclose(asked.consent))

    def test_a_dispute_outlives_what_another_school_ended(self, world: World) -> None:
        """SEC-19: what the first school's dispute suspended stays so, whatever the second does."""
        first = world.pupil(FIFTEEN, "2024-2025")
        second = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=first)
        mother, father = world.holder(first, Relation.MOTHER), world.holder(first, Relation.FATHER)
        world.link(father, second, Relation.FATHER)
        asked = done(world.ask(first, code=first.locator("2024-2025")))
        done(world.yes(asked.consent, mother))
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        links = select(PupilLink).where(PupilLink.account_pk == father)
        keys = {row.school_code: row.id for row in world.session.scalars(links)}
        holders.open_dispute(
            world.session, first.school, keys[first.school], "custody_dispute", actor=ACTOR, now=world.now
        )
        world.settle(first)
        assert not world.live(asked.consent)
        holders.end_link(world.session, AWAY, keys[AWAY], "linked_by_mistake", actor=ACTOR, now=world.now)
        world.settle(second)
        assert not world.live(asked.consent)

    def test_from_eighteen_no_guardian_of_either_school_is_left(self, world: World) -> None:
        """The day before their 18th birthday the father is needed; on it he is nobody, at both schools."""
        birth = "06/10/2008"
        first = world.pupil(birth, "2024-2025")
        second = world.pupil(birth, "2025-2026", at=AWAY, like=first)
        father, grown = world.holder(second, Relation.FATHER), world.holder(first, Relation.PUPIL)
        asked = done(world.ask(first, code=first.locator("2024-2025")))
        done(world.yes(asked.consent, grown))
        assert not world.live(asked.consent)
        done(world.yes(asked.consent, father))
        done(world.disclose(asked.consent))
        world.now += timedelta(days=1)
        done(world.disclose(asked.consent))
        assert why(world.no(asked.consent, father)) == "not_entitled"
        assert service.entitled(world.session, world.vault, father, second.index, world.now) is None
        done(world.no(asked.consent, grown))

    def test_a_yes_is_of_somebody_who_sees_every_record(self, world: World) -> None:
        """Without a number a year is of its own school's holders alone; refusing takes less."""
        first = world.pupil(FIFTEEN, "2023-2024", "2024-2025")
        third = world.pupil(FIFTEEN, "2022-2023", at=AWAY, like=first)
        world.issue(first, "2023-2024", so_dinh_danh_ca_nhan=None)
        mother, father = world.holder(first, Relation.MOTHER), world.holder(third, Relation.FATHER)
        asked = done(world.ask(first, code=first.locator("2024-2025"), whole_level=True))
        assert why(world.yes(asked.consent, father)) == "not_entitled"
        done(world.yes(asked.consent, mother))
        assert done(world.no(asked.consent, father)).state is State.REFUSED

    def test_who_sees_a_record_by_another_schools_mistake_gives_nothing_once_it_is_recalled(
        self, world: World
    ) -> None:
        strange = world.pupil(FIFTEEN, "2024-2025")
        mine = world.pupil(FIFTEEN, "2025-2026", at=AWAY, like=strange)
        mother = world.holder(mine, Relation.MOTHER)
        asked = done(world.ask(strange, code=strange.locator("2024-2025")))
        done(world.yes(asked.consent, mother))
        done(world.yes(asked.consent, mother, SAME_DEVICE))
        done(world.disclose(asked.consent))
        record_id = strange.locator("2024-2025").record_id
        registry.recall(world.session, record_id, "issued_in_error", actor=ACTOR, now=world.now)
        assert why(world.disclose(asked.consent)) == "not_in_force"
        assert why(world.no(asked.consent, mother)) == "not_entitled"


class TestWhoCannotAct:
    def test_a_dispute_suspends_what_stands_and_stops_what_waits(self, world: World) -> None:
        """SEC-19: with the reason, and until it ends."""
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        consent, code = world.shared(pupil, mother)
        waiting = done(world.ask(pupil))
        world.change_link(father, disputed_at=world.now, dispute_reason="custody")
        told = world.settle(pupil)
        assert {(n.account, n.kind) for n in told} == {(mother, Kind.CONSENT_SUSPENDED)}
        assert told[0].parameters == {"reference": service.reference_of(consent)}
        assert why(world.open(code, FIFTEEN)) == "not_in_force"
        assert why(world.yes(waiting.consent, mother)) == "disputed"
        assert why(world.offer(mother, pupil)) == "disputed"
        for said in Said:
            assert why(world.say(consent, said, By(SIGN_IN, father))) == "not_entitled"
        world.change_link(father, disputed_at=None)
        world.settle()
        done(world.open(code, FIFTEEN))
        kinds = world.session.scalars(
            select(ConsentEvent.kind).where(ConsentEvent.consent_pk == consent).order_by(ConsentEvent.number)
        ).all()
        assert kinds == ["asked", "given", "given", "suspended", "resumed", "opened"]

    def test_in_a_dispute_the_other_parent_can_still_say_no(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        consent, _ = world.shared(pupil, mother)
        world.change_link(father, disputed_at=world.now)
        assert done(world.no(consent, mother)).state is State.WITHDRAWN

    @pytest.mark.parametrize("what", ["ended", "expired", "not yet", "closed"])
    def test_a_giver_who_is_gone_takes_the_consent_along(self, world: World, what: str) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, relation) for relation in (Relation.MOTHER, Relation.FATHER))
        consent, code = world.shared(pupil, mother)
        match what:
            case "ended":
                world.change_link(mother, ended_at=world.now)
            case "expired":
                world.change_link(mother, valid_to=world.today - timedelta(days=1))
            case "not yet":
                world.change_link(mother, valid_from=world.today + timedelta(days=1))
            case _:
                world.close(mother)
        assert why(world.open(code, FIFTEEN)) == "not_in_force"
        assert why(world.no(consent, mother)) == "not_entitled"
        assert why(world.offer(mother, pupil)) == "not_entitled"
        # The other parent's yes, and the child's on that parent's device, put it in force again.
        done(world.yes(consent, father))
        done(world.yes(consent, father, SAME_DEVICE))
        done(world.open(code, FIFTEEN))

    def test_strangers_cannot_act(self, world: World) -> None:
        pupil, sibling = world.pupil(FIFTEEN), world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        stranger = world.holder(sibling, Relation.MOTHER)
        asked = done(world.ask(pupil))
        for said in Said:
            for how in (SIGN_IN, SAME_DEVICE):
                assert why(world.say(asked.consent, said, By(how, stranger))) == "not_entitled"
        elsewhere = world.staff(world.other, Role.HOMEROOM_TEACHER)
        clerk = world.staff(world.school, Role.CLERK)
        for staff in (elsewhere, clerk):
            by = By(WITNESS, staff.account, staff)
            assert why(world.say(asked.consent, Said.YES, by)) == "not_permitted"
        by = By(SIGN_IN, world.teacher.account, world.teacher)
        assert why(world.say(asked.consent, Said.YES, by)) == "not_permitted"
        assert why(world.yes(uuid.uuid4(), mother)) == "unknown_consent"
        assert why(world.offer(stranger, pupil)) == "not_entitled"
        records = world.record_keys(sibling)
        mixed = service.offer(
            world.session,
            world.vault,
            account=mother,
            pupil=pupil.index,
            records=records,
            wish=PLAIN_WISH,
            now=world.now,
        )
        assert why(mixed) == "unknown_record"

    def test_the_asker_needs_a_role_and_the_whole_code(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        assert why(world.ask(pupil, staff=world.teacher)) == "not_permitted"
        forged = Staff(world.teacher.account, world.other, Role.RECEIVING_OFFICER)
        assert why(world.ask(pupil, staff=forged)) == "not_permitted"
        stranger = world.pupil(FIFTEEN)
        other = stranger.locator()
        wrong = type(other)(pupil.locator().record_id, other.digest)
        assert why(world.ask(pupil, code=wrong)) == "unknown_record"
        world.close_office(world.other)
        assert why(world.ask(pupil)) == "not_permitted"


class TestTime:
    def test_a_question_waits_two_weeks(self, world: World) -> None:
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        assert asked.answer_until == world.now + timedelta(days=14)
        world.now = asked.answer_until
        assert why(world.yes(asked.consent, mother)) == "not_open"
        (state,) = done(
            service.of_organisation(world.session, world.vault, staff=world.receiver, now=world.now)
        )
        assert state.state is State.EXPIRED
        assert entries(world.session)[-2]["action"] == "consent_expired"

    @pytest.mark.parametrize("days", service.DAYS)
    def test_a_consent_ends_to_the_moment(self, world: World, days: int) -> None:
        pupil = world.pupil("06/10/2020")
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil, Wish(Purpose.TRANSFER, Preset.RESULT, days, once=False)))
        given = done(world.yes(asked.consent, mother))
        assert given.until == world.now + timedelta(days=days)
        world.now = given.until - timedelta(microseconds=1)
        done(world.disclose(asked.consent))
        world.now += timedelta(microseconds=1)
        assert why(world.disclose(asked.consent)) == "not_in_force"
        assert (
            done(service.of_organisation(world.session, world.vault, staff=world.receiver, now=world.now))[
                0
            ].state
            is State.EXPIRED
        )

    def test_ends_are_told_once(self, world: World) -> None:
        pupil = world.pupil(SIX)
        world.holder(pupil, Relation.MOTHER)
        done(world.ask(pupil))
        world.now += timedelta(days=15)
        for _ in range(2):
            world.settle()
        told = [e for e in entries(world.session) if e["action"] == "consent_expired"]
        assert len(told) == 1


class TestAtTheSameTime:
    """Whoever answers locks a consent and then the trail; whoever settles many waits for none of them with
    the trail in its hands. SQLite has one writer.
    """

    @pytest.mark.parametrize("before", ["nothing", "an entry of the trail"])
    def test_an_answer_and_a_settling(self, world: World, engine: Engine, vault: Vault, before: str) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = world.holder(pupil, Relation.MOTHER), world.holder(pupil, Relation.FATHER)
        first, last = sorted(world.shared(pupil, mother)[0] for _ in range(2))
        world.close(mother)
        world.session.commit()
        held, over = Event(), Event()

        def answers() -> object:
            with Session(engine) as session, session.begin():
                service.examine(session, vault, last, world.now, lock=True)
                held.set()
                over.wait(1)  # the other is under way; it cannot end before this one
                by = By(SIGN_IN, father)
                return service.answer(
                    session, vault, consent=last, said=Said.NO, by=by, request="a" * 32, now=world.now
                )

        def settles() -> tuple[notices.Notice, ...]:
            held.wait()
            with Session(engine) as session, session.begin():
                if before != "nothing":
                    service.hold(session, pupils=[pupil.index])
                    told = audit.Event(audit.Actor.system("holders"), Action.HOLDER_CHANGE)
                    audit.record(session, told, now=world.now)
                found = service.settle(session, vault, pupils=[pupil.index], now=world.now)
            over.set()
            return found

        with ThreadPoolExecutor(2) as pool:
            said, told = pool.submit(answers), pool.submit(settles)
            assert isinstance(said.result(), service.Answered)
            assert [each.kind for each in told.result()] == [Kind.CONSENT_SUSPENDED]
        world.session.expire_all()
        kinds = select(ConsentEvent.consent_pk, ConsentEvent.kind)
        ends = kinds.where(ConsentEvent.kind.in_(("suspended", "withdrawn")))
        assert {row.consent_pk: row.kind for row in world.session.execute(ends)} == {
            first: "suspended",
            last: "withdrawn",
        }


class TestOutsideEducation:
    def test_without_the_departments_approval_no_field(self, world: World) -> None:
        """NĐ 88/2026 Đ.12.2: both the family and the data-managing unit."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        wish = Wish(Purpose.EMPLOYMENT, Preset.RESULT, 30, once=False)
        assert why(world.ask(pupil, wish, staff=world.officer)) == "not_approved"
        assert why(world.offer(mother, pupil, wish)) == "not_approved"
        done(world.approve(Purpose.EMPLOYMENT))
        asked = done(world.ask(pupil, wish, staff=world.officer))
        done(world.yes(asked.consent, mother))
        done(world.disclose(asked.consent, world.officer))
        done(
            service.revoke_purpose(
                world.session, staff=world.authority, purpose=Purpose.EMPLOYMENT, now=world.now
            )
        )
        assert why(world.disclose(asked.consent, world.officer)) == "not_in_force"
        done(world.approve(Purpose.EMPLOYMENT))
        done(world.disclose(asked.consent, world.officer))

    def test_an_agency_needs_it_for_a_schools_purpose_too(self, world: World) -> None:
        pupil = world.pupil(SIX)
        assert why(world.ask(pupil, staff=world.officer)) == "not_approved"
        done(world.approve(Purpose.TRANSFER))
        done(world.ask(pupil, staff=world.officer))

    def test_an_approval_has_its_days(self, world: World) -> None:
        pupil = world.pupil(SIX)
        wish = Wish(Purpose.BENEFIT, Preset.RESULT, 30, once=False)
        done(
            service.approve_purpose(
                world.session,
                staff=world.authority,
                purpose=Purpose.BENEFIT,
                reference="16/QĐ-SGDĐT",
                valid_from=world.today + timedelta(days=1),
                valid_to=world.today + timedelta(days=2),
                now=world.now,
            )
        )
        allowed = []
        for _ in range(4):
            result = world.ask(pupil, wish, staff=world.officer)
            allowed.append(not isinstance(result, service.Denied))
            world.now += timedelta(days=1)
        assert allowed == [False, True, True, False]

    def test_a_department_sees_what_rests_on_its_word(self, world: World) -> None:
        """Given ones alone, and of those only what needs an approval; the former approvals stay listed."""

        def counted() -> dict[str, int]:
            found = done(service.approvals(world.session, staff=world.authority, now=world.now))
            return {purpose.value: count for purpose, _, count in found.standing if count}

        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        wish = Wish(Purpose.BENEFIT, Preset.RESULT, 30, once=False)
        done(world.approve(Purpose.BENEFIT))
        done(world.ask(world.pupil(SIX), wish, staff=world.officer))  # waits for its answer
        offices = [world.office(OrganisationKind.AGENCY, f"UB{n}", "Ủy ban nhân dân xã") for n in range(2, 5)]
        people = [world.staff(office, Role.AGENCY_OFFICER) for office in offices]
        asked = [done(world.ask(pupil, wish, staff=staff)).consent for staff in people]
        inside = done(world.ask(pupil)).consent
        for consent in (*asked, inside):
            done(world.yes(consent, mother))
        done(world.no(asked[0], mother))
        assert counted() == {"benefit": 2}
        done(
            service.revoke_purpose(
                world.session, staff=world.authority, purpose=Purpose.BENEFIT, now=world.now
            )
        )
        assert counted() == {"benefit": 2}  # suspended, and let go again by the next approval
        found = done(service.approvals(world.session, staff=world.authority, now=world.now))
        assert [(each.purpose, each.reference) for each in found.former] == [(Purpose.BENEFIT, "15/QĐ-SGDĐT")]
        assert all(approval is None for _, approval, _ in found.standing)
        world.now += timedelta(days=31)
        assert counted() == {}
        assert why(service.approvals(world.session, staff=world.officer, now=world.now)) == "not_permitted"

    def test_only_a_department_approves_its_own(self, world: World) -> None:
        refused = service.approve_purpose(
            world.session,
            staff=world.officer,
            purpose=Purpose.VIEW,
            reference="1",
            valid_from=world.today,
            valid_to=None,
            now=world.now,
        )
        assert why(refused) == "not_permitted"
        done(world.approve(Purpose.VIEW))
        assert why(world.approve(Purpose.VIEW)) == "approved_already"
        revoke = service.revoke_purpose(
            world.session, staff=world.authority, purpose=Purpose.BENEFIT, now=world.now
        )
        assert why(revoke) == "no_approval"
        with pytest.raises(InvalidInput) as caught:
            service.approve_purpose(
                world.session,
                staff=world.authority,
                purpose=Purpose.BENEFIT,
                reference=" ",
                valid_from=date(2026, 2, 1),
                valid_to=date(2026, 1, 1),
                now=world.now,
            )
        assert [p.code for p in caught.value.problems] == ["reference", "valid_to"]


class TestWhatIsKept:
    def test_the_exact_text_its_edition_and_hash(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        wish = Wish(Purpose.TRANSFER, Preset.RESULT, 30, once=True, sensitive=("dan_toc",), pdf=True)
        asked = done(world.ask(pupil, wish))
        by = By(SIGN_IN, mother)
        shown = service.question(
            world.session, world.vault, asked.consent, by=by, language="vi", now=world.now
        )
        assert isinstance(shown, Shown)
        for words in (
            "Trường THCS Tân Lập được xem",
            "chuyển trường",
            "năm học 2025–2026",
            "- dân tộc",
            "tệp PDF có chữ ký",
            "30 ngày",
            "một lần",
            "HS-15/2026",
            "rút lại",
        ):
            assert words in shown.text
        child = service.question(
            world.session,
            world.vault,
            asked.consent,
            by=By(SAME_DEVICE, mother),
            language="en",
            now=world.now,
        )
        assert isinstance(child, Shown)
        assert (child.reader, child.language) == (Reader.CHILD, "en")
        assert "You can say no" in child.text
        done(world.yes(asked.consent, mother))
        event = world.session.scalars(
            select(ConsentEvent).where(ConsentEvent.text_sha256 == shown.sha256)
        ).one()
        row = world.session.get_one(Consent, asked.consent)
        assert event.text_sealed is not None
        assert service.unseal(world.vault, row, "text_sealed", event.text_sealed, event.id) == shown.text
        assert "2025–2026".encode() not in event.text_sealed

    def test_a_yes_to_another_text_does_not_count(self, world: World) -> None:
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        result = service.answer(
            world.session,
            world.vault,
            consent=asked.consent,
            said=Said.YES,
            by=By(SIGN_IN, mother),
            request="r",
            sha256="0" * 64,
            now=world.now,
        )
        assert why(result) == "text_differs"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE consent_events SET kind = 'given'",
            "UPDATE consent_events SET until = until",
            "UPDATE consent_events SET browser = 'b'",
            "DELETE FROM consent_events",
            "UPDATE consents SET fields = '[]'",
            "UPDATE consents SET recipient_pk = NULL",
            "DELETE FROM consents",
            "UPDATE consent_records SET version = 2",
            "DELETE FROM consent_records",
        ],
    )
    def test_the_database_refuses_to_edit(self, world: World, statement: str) -> None:
        pupil = world.pupil(SIX)
        done(world.ask(pupil))
        world.session.commit()
        with pytest.raises(DBAPIError, match="append-only"):
            world.session.execute(text(statement))
        world.session.rollback()
        world.session.execute(text("UPDATE consents SET wrapped_key = wrapped_key"))

    def test_the_trail_has_each_refusal_and_nothing_of_a_person(self, world: World) -> None:
        """SEC-28, SEC-30."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        done(world.offer(mother, pupil))
        before = len(entries(world.session))
        refusals = [
            world.offer(world.receiver.account, pupil),
            world.ask(pupil, staff=world.teacher),
            world.yes(uuid.uuid4(), mother),
            world.disclose(uuid.uuid4()),
        ]
        told = entries(world.session)[before:]
        assert [e["details"]["reason"] for e in told] == [why(r) for r in refusals]
        assert {e["outcome"] for e in told} == {Outcome.REFUSED.value}
        written = json.dumps(entries(world.session), ensure_ascii=False)
        for personal in ("Hường", FIFTEEN, "HS-15", pupil.versions["2025-2026"][0].record_id):
            assert personal not in written
        assert Action.CONSENT_ASKED.value in written


def test_mistakes_of_a_wish_come_all_at_once(world: World) -> None:
    pupil = world.pupil(SIX)
    wish = Wish(Purpose.TRANSFER, Preset.RESULT, days=5, once=True, sensitive=("ho_va_ten", "luong"))
    with pytest.raises(InvalidInput) as caught:
        service.ask(
            world.session,
            world.vault,
            staff=world.receiver,
            locator=pupil.locator(),
            wish=wish,
            reference=" ",
            now=world.now,
        )
    assert [p.code for p in caught.value.problems] == ["days", "sensitive", "reference"]
    with pytest.raises(InvalidInput):
        service.answer(
            world.session,
            world.vault,
            consent=uuid.uuid4(),
            said=Said.YES,
            by=By(PAPER, world.teacher.account, world.teacher, ""),
            request="r",
            now=world.now,
        )


def test_a_recipient_that_closes_sees_nothing(world: World) -> None:
    pupil = world.pupil(SIX)
    mother = world.holder(pupil, Relation.MOTHER)
    asked = done(world.ask(pupil))
    done(world.yes(asked.consent, mother))
    assert world.live(asked.consent)
    world.close_office(world.other)
    assert not world.live(asked.consent)
    assert why(world.disclose(asked.consent)) == "not_permitted"


def test_all_years_of_a_level_are_one_bundle(world: World) -> None:
    pupil = world.pupil(EIGHTEEN, "2022-2023", "2023-2024", "2024-2025")
    grown = world.holder(pupil, Relation.PUPIL)
    asked = done(world.ask(pupil, whole_level=True, code=pupil.locator("2024-2025")))
    done(world.yes(asked.consent, grown))
    shown = done(world.disclose(asked.consent))
    assert [r.header["year"] for r in shown.records] == ["2022-2023", "2023-2024", "2024-2025"]
    # A year that is issued later is none that the family agreed to.
    world.issue(pupil, "2025-2026")
    assert len(done(world.disclose(asked.consent)).records) == 3
