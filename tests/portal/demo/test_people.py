"""Invented people must be as difficult as real ones, and always the same."""

from __future__ import annotations

import re
import unicodedata
from itertools import combinations

import pytest

from portal.demo.classes import CLASSES
from portal.demo.people import TRAPS, Place, Pupil, Sex, draw_adults, draw_class, sort_key

PUPILS = tuple((plan, pupil) for plan in CLASSES for pupil in plan.pupils())


def test_the_same_seed_gives_the_same_class() -> None:
    place = Place("Xã Ea Hoa", "Đắk Lắk", people=("Ê Đê", "Kinh"))
    one = draw_class("seed", place, 12, birth_year=2015, code_prefix="066201")
    assert one == draw_class("seed", place, 12, birth_year=2015, code_prefix="066201")
    assert one != draw_class("other", place, 12, birth_year=2015, code_prefix="066201")


def test_there_are_enough_pupils() -> None:
    assert len(PUPILS) >= 120
    assert sum(plan.size for plan in CLASSES if plan.issued) >= 40


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap[2])
def test_every_difficult_name_is_met(trap: tuple[str, Sex, str, str]) -> None:
    assert trap[2] in {pupil.name for _, pupil in PUPILS}


def test_lengths_apostrophes_and_peoples_are_met() -> None:
    names = [pupil.name for _, pupil in PUPILS]
    assert {len(name.split()) for name in names} >= {2, 3, 4, 6}
    assert any("'" in name for name in names)
    assert any("’" in name for name in names)
    assert {pupil.people for _, pupil in PUPILS} >= {"Kinh", "Thái", "Mông", "Ê Đê", "Gia Rai", "Khmer"}


def test_single_parents_guardians_and_year_only_births_are_met() -> None:
    pupils = [pupil for _, pupil in PUPILS]
    assert any(p.father == ("", "") and p.mother[0] for p in pupils)
    assert any(p.mother == ("", "") and p.father[0] for p in pupils)
    assert any(p.guardian[0] and not p.father[0] and not p.mother[0] for p in pupils)
    assert any(re.fullmatch("[0-9]{4}", p.born) for p in pupils)


def test_classmates_of_one_name_can_be_told_apart() -> None:
    doubles = [(a, b) for plan in CLASSES for a, b in combinations(plan.pupils(), 2) if a.name == b.name]
    assert doubles
    for a, b in doubles:
        assert a.code != b.code
        assert a.born != b.born
        assert a.personal_number != b.personal_number


def test_codes_keep_their_leading_zeros_and_are_unique_within_a_school() -> None:
    codes: dict[str, list[str]] = {}
    for plan, pupil in PUPILS:
        assert re.fullmatch("[0-9]{10}", pupil.code)
        codes.setdefault(plan.school, []).append(pupil.code)
    assert all(len(set(found)) == len(found) for found in codes.values())
    assert any(code.startswith("0") for found in codes.values() for code in found)


def _texts(pupil: Pupil) -> list[str]:
    return [str(value) for value in pupil.fields().values()]


def test_clean_data_is_nfc_without_look_alikes() -> None:
    for _, pupil in PUPILS:
        for text in _texts(pupil):
            assert unicodedata.is_normalized("NFC", text)
            assert "Ð" not in text
            assert "ð" not in text


def test_personal_numbers_agree_with_sex_and_year() -> None:
    for _, pupil in PUPILS:
        assert re.fullmatch("[0-9]{12}", pupil.personal_number)
        assert (int(pupil.personal_number[3]) % 2 == 1) == (pupil.sex is Sex.FEMALE)
        assert pupil.personal_number[4:6] == pupil.born[-2:]


def test_classes_are_sorted_by_given_name() -> None:
    assert sort_key("Nguyễn Văn An") < sort_key("Bùi Thị Bình") < sort_key("Lê Nam")
    assert sort_key("Lê Dũng") < sort_key("Lê Đạt") < sort_key("Lê Em")
    for plan in CLASSES:
        names = [pupil.name for pupil in plan.pupils()]
        assert names == sorted(names, key=sort_key)


def test_teachers_of_one_school_have_names_of_their_own() -> None:
    names = draw_adults("seed", ("Kinh",), 40)
    assert len(set(names)) == 40
