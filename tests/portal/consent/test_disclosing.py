"""What is shown, to whom, how often, and that everybody else gets one answer (SEC-19, SEC-20)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, inspect, select, text
from sqlalchemy.orm import Session

from portal.accounts.models import Relation
from portal.consent import disclosing, service
from portal.consent.disclosing import WRONG_TRIES, Disclosed
from portal.consent.fields import Preset, is_sensitive, names_of
from portal.consent.models import Consent, ConsentEvent, Evidence, ShareCode, StatutoryAccess
from portal.consent.parties import Staff
from portal.consent.purposes import LETTERS, Duty, Purpose
from portal.consent.service import OPEN_FOR, Denied, State, Wish
from portal.filestore import ObjectFiles
from portal.messages.words import Kind
from portal.permissions import Role
from portal.registry import service as registry
from portal.vault import Vault
from tests.conftest import ACTOR
from tests.portal.audit.reading import entries
from tests.portal.consent.test_service import EIGHTEEN, FIFTEEN, SIX
from tests.portal.consent.world import PLAIN_WISH, World, done, why
from verifier import record as records
from verifier.errors import InvalidInput
from verifier.locator import ALPHABET, group_share_code, new_share_code
from verifier.verdict import VersionState

ONCE = replace(PLAIN_WISH, once=True)


class TestWhatIsShown:
    @pytest.mark.parametrize("preset", Preset)
    def test_exactly_the_consented_part_proved_against_the_digest(self, world: World, preset: Preset) -> None:
        """SEC-20: byte for byte as issued; a receiver can prove each part by itself (RFC 9901)."""
        pupil = world.pupil(FIFTEEN)
        issued = pupil.versions["2025-2026"][0]
        mother = world.holder(pupil, Relation.MOTHER)
        wish = replace(PLAIN_WISH, preset=preset, sensitive=("dan_toc",))
        _, code = world.shared(pupil, mother, wish)
        shown = done(world.open(code, FIFTEEN))
        (record,) = shown.records
        allowed = names_of("TIEU_HOC", 3, preset, ("dan_toc",))
        every = records.open_disclosures(issued.header, issued.disclosures)
        assert record.fields == {n: v for n, v in every.items() if n in allowed}
        assert {n for n in record.fields if is_sensitive(n)} == {"dan_toc"}
        assert set(record.disclosures) <= set(issued.disclosures)
        assert records.open_disclosures(record.header, record.disclosures) == record.fields
        assert records.digest(record.header) == record.digest == pupil.locator().digest
        assert record.pdf is None
        assert (shown.basis, shown.purpose) == ("consent", "transfer")

    def test_the_signed_pdf_is_a_yes_of_its_own(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        read: list[str] = []

        def read_file(*given: Any) -> bytes:
            read.append(given[-1])
            return b"%PDF of the school"

        monkeypatch.setattr(registry, "read_file", read_file)
        _, code = world.shared(pupil, mother)
        assert done(world.open(code, FIFTEEN)).records[0].pdf is None
        assert read == []
        _, code = world.shared(pupil, mother, replace(PLAIN_WISH, pdf=True))
        assert done(world.open(code, FIFTEEN)).records[0].pdf == b"%PDF of the school"
        (sha256,) = read
        assert registry.find_file(world.session, sha256, now=world.now) is not None

    def test_a_file_that_is_lost_uses_up_nothing(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        consent, code = world.shared(pupil, mother, replace(ONCE, pdf=True))
        world.session.commit()
        with pytest.raises(FileNotFoundError):
            world.open(code, FIFTEEN)
        world.session.rollback()
        assert world.live(consent)

    def test_a_correction_is_shown_and_a_recall_is_said(self, world: World) -> None:
        """A consent is to the year: the version that speaks for it now, with the one of then beside it."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        _, code = world.shared(pupil, mother)
        corrected = world.issue(pupil, ho_va_ten="Nguyễn Thị Hương")
        (record,) = done(world.open(code, FIFTEEN)).records
        assert (record.version, record.consented_version, record.state) == (2, 1, VersionState.CURRENT)
        assert record.fields["ho_va_ten"] == "Nguyễn Thị Hương"
        registry.recall(world.session, corrected.record_id, "data_error", actor=ACTOR, now=world.now)
        (record,) = done(world.open(code, FIFTEEN)).records
        assert (record.version, record.state, record.since) == (2, VersionState.RECALLED, world.now)
        assert record.recall_reason == "data_error"

    def test_each_look_is_an_entry(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        done(world.at_school(asked.consent))
        shown = done(world.disclose(asked.consent))
        last = entries(world.session)[-1]
        (key,) = world.record_keys(pupil)
        assert last["action"] == "disclosure"
        assert last["actor"] == f"account:{world.receiver.account}"
        assert last["object"] == f"consent:{asked.consent}"
        assert (last["basis"], last["purpose"], last["pupil"]) == ("consent", "transfer", pupil.index)
        assert last["details"] == {
            "record": str(key),
            "version": 1,
            "count": len(shown.records[0].fields),
            "number": shown.opening.number if shown.opening else None,
        }

    def test_only_the_organisation_that_was_named(self, world: World) -> None:
        """SEC-20: a grant binds its recipient."""
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        third = world.staff(world.school, Role.RECEIVING_OFFICER)
        assert why(world.disclose(asked.consent, third)) == "unknown_consent"
        assert why(world.disclose(asked.consent, world.teacher)) == "not_permitted"
        forged = Staff(world.officer.account, world.other, Role.RECEIVING_OFFICER)
        assert why(world.disclose(asked.consent, forged)) == "not_permitted"
        done(world.disclose(asked.consent))
        assert why(world.code(asked.consent, mother)) == "unknown_consent"


class TestShareCodes:
    def test_shown_once_and_kept_nowhere(self, world: World) -> None:
        """SEC-20: neither the database nor its seals hold a code."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        consent, code = world.shared(pupil, mother)
        assert code[0] == "C"
        world.open(code, FIFTEEN)
        world.open(code, "01/01/2001")
        assert why(world.code(consent, mother)) == "code_made"
        world.session.commit()
        found = 0
        for table in inspect(world.session.connection()).get_table_names():
            for row in world.session.execute(text(f"SELECT * FROM {table}")):  # noqa: S608
                for value in row:
                    found += 1
                    written = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    for spelling in (code, group_share_code(code), code.lower()):
                        assert spelling.encode() not in written, table
        assert found > 100

    def test_no_code_before_everybody_agreed(self, world: World) -> None:
        """SEC-21."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.offer(mother, pupil))
        assert why(world.code(asked.consent, mother)) == "not_in_force"
        done(world.yes(asked.consent, mother))
        assert why(world.code(asked.consent, mother)) == "not_in_force"
        done(world.at_school(asked.consent))
        done(world.code(asked.consent, mother))

    def test_an_unknown_code_a_wrong_date_and_a_locked_code_are_one_answer(self, world: World) -> None:
        """SEC-20: the same answer, after as many questions to the database and as many decryptions; what that
        takes in time is a row of ``make bench``.
        """
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        _, code = world.shared(pupil, mother)
        _, locked = world.shared(pupil, mother)
        for _ in range(WRONG_TRIES):
            world.open(locked, "01/01/2001")
        tries = {
            "unknown": ("C" + "0" * 9, FIFTEEN),
            "wrong date": (code, "07/10/2010"),
            "year alone": (code, "2010"),
            "locked": (locked, "01/01/2001"),
            "locked, right date": (locked, FIFTEEN),
        }
        seen = {}
        for name, (typed, birth) in tries.items():
            with counted(world) as counts:
                answer = world.open(typed, birth)
            seen[name] = (answer, counts["statements"], counts["opened"])
        assert len(set(seen.values())) == 1, seen
        assert seen["unknown"][0] == Denied("not_opened", "Mã hoặc ngày sinh không đúng.")
        # A code that is none is no entry: strangers could fill the trail with them.
        told = [entry["object"] for entry in entries(world.session, "disclosure")]
        assert len(told) == WRONG_TRIES + len(tries) - 1
        assert None not in told

    def test_five_wrong_dates_lock_it_and_the_holders_are_told(self, world: World) -> None:
        """SEC-20."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        consent, code = world.shared(pupil, mother)
        for number in range(1, WRONG_TRIES + 1):
            answer = world.open(code, f"{number:02}/01/2001")
            assert isinstance(answer, Denied)
            told = [(n.account, n.kind, n.parameters) for n in answer.notices]
            locked = (mother, Kind.SHARE_CODE_LOCKED, {"day": world.today})
            assert told == ([locked] if number == WRONG_TRIES else [])
        assert why(world.open(code, FIFTEEN)) == "not_opened"
        told_in_trail = [e["action"] for e in entries(world.session)]
        assert told_in_trail.count("share_code_locked") == 1
        (seen,) = done(
            service.of_pupil(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now)
        )
        assert (seen.consent, seen.code_made, seen.code_locked) == (consent, True, True)
        # Another code of the same pupil is not touched.
        _, other = world.shared(pupil, mother)
        done(world.open(other, FIFTEEN))

    def test_a_right_date_in_between_forgives_nothing(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        _, code = world.shared(pupil, mother)
        for _ in range(WRONG_TRIES - 1):
            world.open(code, "01/01/2001")
        done(world.open(code, FIFTEEN))
        world.open(code, "01/01/2001")
        assert why(world.open(code, FIFTEEN)) == "not_opened"

    def test_what_became_of_it_is_said_to_a_right_pair_only(self, world: World) -> None:
        """SEC-20."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        cancelled, code_1 = world.shared(pupil, mother)
        done(world.no(cancelled, mother))
        _, code_2 = world.shared(pupil, mother, ONCE)
        done(world.open(code_2, FIFTEEN))
        _, code_3 = world.shared(pupil, mother, replace(PLAIN_WISH, days=1))
        world.now += timedelta(days=1)
        for code, reason in ((code_1, "cancelled"), (code_2, "used_up"), (code_3, "expired")):
            assert why(world.open(code, "01/01/2001")) == "not_opened"
            assert why(world.open(code, FIFTEEN)) == reason

    def test_many_codes_live_side_by_side(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        made = [world.shared(pupil, mother) for _ in range(4)]
        assert len({code for _, code in made}) == 4
        done(world.no(made[1][0], mother))
        opened = [isinstance(world.open(code, FIFTEEN), Disclosed) for _, code in made]
        assert opened == [True, False, True, True]

    def test_who_opened_said_who_they_are(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        consent, code = world.shared(pupil, mother)
        done(world.open(code, FIFTEEN, declared="Trường THPT Chu Văn An"))
        opened = world.session.scalars(
            select(ConsentEvent).where(ConsentEvent.consent_pk == consent, ConsentEvent.kind == "opened")
        ).one()
        assert opened.note_sealed is not None
        assert b"Chu" not in opened.note_sealed
        row = world.session.get_one(Consent, consent)
        assert (
            service.unseal(world.vault, row, "note_sealed", opened.note_sealed, opened.id)
            == "Trường THPT Chu Văn An"
        )
        with pytest.raises(InvalidInput):
            world.open(code, FIFTEEN, declared="x" * 81)

    def test_a_code_that_is_taken_is_drawn_again(self, world: World) -> None:
        pupil = world.pupil(EIGHTEEN)
        grown = world.holder(pupil, Relation.PUPIL)
        draws = iter([b"\1" * 5, b"\1" * 5, b"\2" * 5])
        made = []
        for _ in range(2):
            asked = done(world.offer(grown, pupil))
            done(world.yes(asked.consent, grown))
            result = service.make_code(
                world.session,
                world.vault,
                consent=asked.consent,
                account=grown,
                random=lambda _: next(draws),
                now=world.now,
            )
            made.append(done(result).code)
        assert made == [new_share_code("C", b"\1" * 5), new_share_code("C", b"\2" * 5)]

    def test_two_at_once_one_wins(
        self, world: World, engine: Engine, vault: Vault, files: ObjectFiles
    ) -> None:
        """SEC-20: a consent for one time, opened by eight at once, on both databases."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        _, code = world.shared(pupil, mother, ONCE)
        world.session.commit()
        together = Barrier(8)

        def opened(_: int) -> str:
            together.wait()
            with Session(engine) as session, session.begin():
                result = disclosing.open_code(session, vault, files, code=code, birth=FIFTEEN, now=world.now)
                return result.code if isinstance(result, Denied) else "shown"

        with ThreadPoolExecutor(8) as pool:
            results = sorted(pool.map(opened, range(8)))
        assert results == ["shown", *["used_up"] * 7]
        used = select(ConsentEvent.kind).where(ConsentEvent.kind.in_(("opened", "used_up")))
        assert sorted(world.session.scalars(used)) == ["opened", "used_up"]

    def test_wrong_tries_at_once_are_counted_one_by_one(
        self, world: World, engine: Engine, vault: Vault, files: ObjectFiles
    ) -> None:
        """SEC-20: however many guess together, five are compared."""
        pupil = world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        _, code = world.shared(pupil, mother)
        world.session.commit()

        def guess(day: int) -> None:
            with Session(engine) as session, session.begin():
                birth = f"{day:02}/01/2001"
                disclosing.open_code(session, vault, files, code=code, birth=birth, now=world.now)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(guess, range(1, 17)))
        row = world.session.execute(select(ShareCode.wrong_tries, ShareCode.locked_at)).one()
        assert (row.wrong_tries, row.locked_at) == (WRONG_TRIES, world.now)


class TestFoundByALook:
    """Whoever looks may be the first to find that a consent rests; the worker then says nothing more."""

    def test_of_a_code_the_holders_are_told_once(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = world.holder(pupil, Relation.MOTHER), world.holder(pupil, Relation.FATHER)
        _, code = world.shared(pupil, mother)
        world.close(mother)
        found = world.open(code, FIFTEEN)
        assert why(found) == "not_in_force"
        assert isinstance(found, Denied)
        assert [(each.kind, each.account) for each in found.notices] == [(Kind.CONSENT_SUSPENDED, father)]
        assert world.settle() == ()
        again = world.open(code, FIFTEEN)
        assert isinstance(again, Denied)
        assert again.notices == ()

    def test_of_a_question_the_holders_are_told_once(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = world.holder(pupil, Relation.MOTHER), world.holder(pupil, Relation.FATHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        done(world.yes(asked.consent, mother, Evidence.SAME_DEVICE))
        world.close(mother)
        found = world.disclose(asked.consent)
        assert why(found) == "not_in_force"
        assert isinstance(found, Denied)
        assert [(each.kind, each.account) for each in found.notices] == [(Kind.CONSENT_SUSPENDED, father)]
        assert world.settle() == ()


class TestTyping:
    @given(st.sampled_from(LETTERS), st.binary(min_size=5, max_size=5), st.data())
    def test_a_code_is_read_however_it_is_typed(
        self, letter: str, random: bytes, data: st.DataObject
    ) -> None:
        code = new_share_code(letter, random)
        assert re.fullmatch(f"[{ALPHABET}]{{10}}", code)
        assert service.read_code(code) == code
        typed = group_share_code(code)
        if data.draw(st.booleans()):
            typed = typed.lower()
        typed = typed.replace("0", data.draw(st.sampled_from("0Oo")))
        typed = typed.replace("1", data.draw(st.sampled_from("1IiLl")))
        typed = typed.replace("-", data.draw(st.sampled_from(["-", " ", "–", "", "."])))
        assert service.read_code(f" {typed}\n") == code

    @given(st.sampled_from(LETTERS), st.binary(min_size=5, max_size=5), st.data())
    def test_one_wrong_or_two_swapped_characters_are_noticed(
        self, letter: str, random: bytes, data: st.DataObject
    ) -> None:
        code = new_share_code(letter, random)
        place = data.draw(st.integers(0, 9))
        other = data.draw(st.sampled_from([c for c in ALPHABET if c != code[place]]))
        wrong = code[:place] + other + code[place + 1 :]
        with pytest.raises(InvalidInput):
            service.read_code(wrong)
        if place and code[place - 1] != code[place]:
            swapped = code[: place - 1] + code[place] + code[place - 1] + code[place + 1 :]
            with pytest.raises(InvalidInput):
                service.read_code(swapped)

    @pytest.mark.parametrize(
        ("keys", "seen"),
        [("CDDA23456", "CĐA23456"), ("TAAEE2345", "TÂÊ2345"), ("XW2345678", "XƯ2345678")],
    )
    def test_what_an_input_method_made_of_it_is_undone(self, keys: str, seen: str) -> None:
        code = next(keys + last for last in ALPHABET if _is_code(keys + last))
        assert service.read_code(seen + code[-1]) == code

    @pytest.mark.parametrize(
        ("typed", "why_not"),
        [
            ("", "empty"),
            ("x" * 600, "too_long"),
            ("C123", "length"),
            ("C12345678?", "characters"),
            ("C123456789", "check_character"),
            ("Cáááááááááá", "characters"),
        ],
    )
    def test_what_is_no_code_says_why(self, typed: str, why_not: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            service.read_code(typed)
        assert caught.value.problems[0].code == why_not

    def test_codes_are_spread_evenly(self) -> None:
        """40 random bits each: every bit is seen, nothing of one code is in the next."""
        codes = {new_share_code("C", number.to_bytes(5)) for number in range(2000)}
        assert len(codes) == 2000
        with pytest.raises(ValueError, match="5 random bytes"):
            new_share_code("C", b"1234")
        with pytest.raises(ValueError, match="letter"):
            new_share_code("I", b"12345")


class TestDutiesOfLaw:
    def access(self, world: World, **changes: Any) -> Disclosed | Denied:
        given: dict[str, Any] = {
            "staff": world.receiver,
            "duty": Duty.RECEIVING_SCHOOL,
            "reference": "CT-3/2026",
            "preset": Preset.MARKS,
            "now": world.now,
        } | changes
        return disclosing.statutory_access(world.session, world.vault, **given)

    def test_a_receiving_school_with_the_code_or_the_file(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        mother, father = (world.holder(pupil, r) for r in (Relation.MOTHER, Relation.FATHER))
        world.change_link(father, disputed_at=world.now)
        shown = done(self.access(world, locator=pupil.locator()))
        assert set(shown.records[0].fields) <= names_of("TIEU_HOC", 3, Preset.MARKS)
        assert [(n.account, n.kind) for n in shown.notices] == [(mother, Kind.STATUTORY_ACCESS)]
        assert shown.notices[0].parameters == {"day": world.today}
        assert shown.until is None
        (record,) = registry.issued(world.session, pupils=[pupil.index])
        file = registry.answering_file(world.session, record, 1)
        done(self.access(world, file=file, sensitive=("chieu_cao",)))
        last = entries(world.session)[-1]
        assert (last["basis"], last["purpose"]) == ("receiving_school", "statutory")
        rows = world.session.scalars(select(StatutoryAccess)).all()
        assert len(rows) == 2
        assert all(b"CT-3" not in row.reference_sealed for row in rows)

    def test_no_way_to_a_pupil_whose_record_is_not_held(self, world: World) -> None:
        pupil, other = world.pupil(FIFTEEN), world.pupil(FIFTEEN)
        mixed = replace(pupil.locator(), digest=other.locator().digest)
        assert why(self.access(world, locator=mixed)) == "unknown_record"
        assert why(self.access(world, file="0" * 64)) == "unknown_record"
        shown = done(self.access(world, locator=pupil.locator()))
        assert [r.record_id for r in shown.records] == [pupil.locator().record_id]

    @pytest.mark.parametrize("duty", Duty)
    def test_each_duty_is_of_some_offices(self, world: World, duty: Duty) -> None:
        pupil = world.pupil(FIFTEEN)
        kinds = {"school": world.receiver, "agency": world.officer, "department": world.authority}
        allowed = {
            kind
            for kind, staff in kinds.items()
            if isinstance(self.access(world, staff=staff, duty=duty, locator=pupil.locator()), Disclosed)
        }
        assert allowed == {kind.value for kind in duty.ground.kinds}

    def test_others_have_no_duty(self, world: World) -> None:
        pupil = world.pupil(FIFTEEN)
        refused = self.access(world, staff=world.teacher, locator=pupil.locator())
        assert why(refused) == "not_permitted"
        assert entries(world.session)[-1]["outcome"] == "refused"

    def test_mistakes_come_all_at_once(self, world: World) -> None:
        with pytest.raises(InvalidInput) as caught:
            self.access(world, reference="", sensitive=("ho_va_ten",))
        assert [p.code for p in caught.value.problems] == ["reference", "sensitive", "record"]


class TestWhoLooked:
    def look(self, world: World, account: uuid.UUID, pupil: str, before: int | None = None) -> Any:
        return disclosing.accesses(
            world.session, world.vault, account=account, pupil=pupil, before=before, now=world.now
        )

    def test_a_record_of_another_school_is_among_them_and_nothing_else_of_it(self, world: World) -> None:
        """What stands on the family's page by number and birth date; not what only the index shares."""
        pupil = world.pupil(FIFTEEN)
        elsewhere = world.pupil(FIFTEEN, at="01000999", like=pupil)
        world.issue(elsewhere, "2024-2025", so_dinh_danh_ca_nhan="079211999999")
        mother = world.holder(pupil, Relation.MOTHER)
        for year in ("2025-2026", "2024-2025"):
            done(
                disclosing.statutory_access(
                    world.session,
                    world.vault,
                    staff=world.authority,
                    duty=Duty.SECTOR_DUTY,
                    reference=year,
                    preset=Preset.RESULT,
                    locator=elsewhere.locator(year),
                    now=world.now,
                )
            )
        assert [each.reference for each in self.look(world, mother, pupil.index)] == ["2025-2026"]

    def test_when_who_why_and_how_much(self, world: World) -> None:
        pupil, stranger = world.pupil(FIFTEEN), world.pupil(FIFTEEN)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        done(world.at_school(asked.consent))
        done(world.disclose(asked.consent))
        _, code = world.shared(pupil, mother)
        done(world.open(code, FIFTEEN, "Phòng nhân sự"))
        world.open(code, "01/01/2001")
        done(
            disclosing.statutory_access(
                world.session,
                world.vault,
                staff=world.authority,
                duty=Duty.SECTOR_DUTY,
                reference="TT-1",
                preset=Preset.RESULT,
                locator=pupil.locator(),
                now=world.now,
            )
        )
        seen = self.look(world, mother, pupil.index)
        assert [(a.who, a.why, a.basis) for a in seen] == [
            ("Sở GDĐT thử nghiệm", "sector_duty", "sector_duty"),
            (None, "transfer", "consent"),
            ("Trường THCS Tân Lập", "transfer", "consent"),
        ]
        assert [(a.reference, a.declared) for a in seen] == [("TT-1", ""), ("", "Phòng nhân sự"), ("", "")]
        assert all(a.count > 5 and a.at == world.now for a in seen)
        other = world.holder(stranger, Relation.MOTHER)
        assert self.look(world, other, stranger.index) == ()
        assert why(self.look(world, other, pupil.index)) == "not_entitled"

    def test_pages_follow_each_other(self, world: World) -> None:
        pupil = world.pupil(SIX)
        mother = world.holder(pupil, Relation.MOTHER)
        asked = done(world.ask(pupil))
        done(world.yes(asked.consent, mother))
        for _ in range(disclosing.PAGE + 3):
            done(world.disclose(asked.consent))
        first = self.look(world, mother, pupil.index)
        rest = self.look(world, mother, pupil.index, before=first[-1].number)
        assert (len(first), len(rest)) == (disclosing.PAGE, 3)
        numbers = [a.number for a in (*first, *rest)]
        assert numbers == sorted(set(numbers), reverse=True)


def test_a_consent_for_one_time_is_used_up(world: World) -> None:
    pupil = world.pupil(SIX)
    mother = world.holder(pupil, Relation.MOTHER)
    asked = done(world.ask(pupil, Wish(Purpose.TRANSFER, Preset.RESULT, 30, once=True)))
    done(world.yes(asked.consent, mother))
    assert done(world.disclose(asked.consent)).until is None
    world.now += OPEN_FOR
    assert why(world.disclose(asked.consent)) == "not_in_force"
    assert why(world.yes(asked.consent, mother)) == "not_open"  # a no: test_opened
    (state,) = done(service.of_organisation(world.session, world.vault, staff=world.receiver, now=world.now))
    assert state.state is State.USED_UP


def _is_code(text: str) -> bool:
    try:
        return service.read_code(text) == text
    except InvalidInput:
        return False


@contextmanager
def counted(world: World) -> Iterator[dict[str, int]]:
    """How many statements a block sends, and how many sealed values it opens."""
    counts = {"statements": 0, "opened": 0}
    connection = world.session.connection()

    def statement(*_: object) -> None:
        counts["statements"] += 1

    original = Vault.open

    def opened(self: Vault, *given: Any, **named: Any) -> bytes:
        counts["opened"] += 1
        return original(self, *given, **named)

    event.listen(connection, "before_cursor_execute", statement)
    Vault.open = opened  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        Vault.open = original  # type: ignore[method-assign]
        event.remove(connection, "before_cursor_execute", statement)
