"""Purposes, fields, ages, texts, working days: the closed lists are whole."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.ages import Born, age
from portal.consent import working_days
from portal.consent.ages import Party, needed
from portal.consent.fields import PLAIN, SENSITIVE, Preset, is_sensitive, names_of
from portal.consent.purposes import LETTERS, Duty, Purpose, outside_education
from portal.consent.texts import EDITION, Language, Reader, Terms, render
from portal.permissions import OrganisationKind
from verifier.locator import ALPHABET
from verifier.record import Level, field_specs, level_info
from verifier.words import LANGUAGES

FORMS = [(level, grade) for level in Level for grade in level_info(level).grades]


@pytest.mark.parametrize(("level", "grade"), FORMS)
def test_no_disclosure_is_forgotten(level: Level, grade: int) -> None:
    """SEC-20: each name of each scheme is plain in some preset, or sensitive; none is both or neither."""
    every = {spec.name for spec in field_specs(level, grade)}
    whole = names_of(level, grade, Preset.WHOLE)
    sensitive = {name for name in every if is_sensitive(name)}
    assert whole | sensitive == every
    assert not whole & sensitive
    assert sensitive == every & set(SENSITIVE)


@pytest.mark.parametrize(("level", "grade"), FORMS)
def test_presets_hold_each_other_and_name_nothing_sensitive(level: Level, grade: int) -> None:
    sizes = [names_of(level, grade, preset) for preset in Preset]
    assert all(small < large for small, large in pairwise(sizes))
    for names in sizes:
        assert not any(is_sensitive(name) for name in names)
    one = names_of(level, grade, Preset.RESULT, ("dan_toc",))
    assert one - sizes[0] == {"dan_toc"}
    assert not any(name.startswith("mon.") for name in sizes[0])


def test_the_tables_name_only_what_exists() -> None:
    every = {spec.name for level, grade in FORMS for spec in field_specs(level, grade)}
    assert set(SENSITIVE) <= every
    assert set(PLAIN) == {name.partition(".")[0] for name in every} - set(SENSITIVE)
    with pytest.raises(KeyError):
        names_of(Level.THCS, 6, Preset.WHOLE, ("ho_va_ten",))
    with pytest.raises(KeyError):
        is_sensitive("luong")


def test_letters_are_of_the_alphabet_and_differ() -> None:
    assert len(set(LETTERS)) == len(Purpose)
    assert set(LETTERS) <= set(ALPHABET)
    assert [Purpose.TRANSFER.letter, Purpose.ADMISSION.letter, Purpose.VIEW.letter] == ["C", "T", "X"]


def test_what_lies_outside_education() -> None:
    """NĐ 88/2026 Đ.12.2."""
    inside = {
        (purpose, kind)
        for purpose in Purpose
        for kind in (*OrganisationKind, None)
        if not outside_education(purpose, kind)
    }
    assert inside == {
        (purpose, kind)
        for purpose in (Purpose.TRANSFER, Purpose.ADMISSION)
        for kind in (OrganisationKind.SCHOOL, OrganisationKind.DEPARTMENT, None)
    }
    assert all(duty.ground.article and duty.ground.kinds for duty in Duty)


@pytest.mark.parametrize(
    ("birth", "today", "parties", "own"),
    [
        ("01/09/2019", "2026-08-31", {"guardian"}, False),
        ("01/09/2019", "2026-09-01", {"guardian", "pupil"}, False),
        ("01/09/2010", "2026-08-31", {"guardian", "pupil"}, False),
        ("01/09/2010", "2026-09-01", {"guardian", "pupil"}, True),
        ("01/09/2008", "2026-08-31", {"guardian", "pupil"}, True),
        ("01/09/2008", "2026-09-01", {"pupil"}, True),
        # Born on 29 February: full years on 1 March, in a leap year on the day.
        ("29/02/2008", "2026-02-28", {"guardian", "pupil"}, True),
        ("29/02/2008", "2026-03-01", {"pupil"}, True),
        ("29/02/2020", "2027-02-28", {"guardian"}, False),
        ("29/02/2020", "2027-03-01", {"guardian", "pupil"}, False),
        ("29/02/2012", "2028-02-28", {"guardian", "pupil"}, False),
        ("29/02/2012", "2028-02-29", {"guardian", "pupil"}, True),
        # Only the year: whoever any birthday asks for.
        ("2019", "2026-01-01", {"guardian", "pupil"}, False),
        ("2019", "2025-12-31", {"guardian"}, False),
        ("2010", "2026-01-01", {"guardian", "pupil"}, True),
        ("2010", "2025-12-31", {"guardian", "pupil"}, False),
        ("2008", "2026-12-30", {"guardian", "pupil"}, True),
        ("2008", "2026-12-31", {"pupil"}, True),
    ],
)
def test_who_must_agree_by_age(birth: str, today: str, parties: set[str], own: bool) -> None:
    """SEC-21, Luật 91/2025 Đ.24."""
    found = needed(Born.read([birth]), date.fromisoformat(today))
    assert {party.value for party in found.parties} == parties
    assert found.own_sign_in is own


def test_records_that_disagree_ask_everybody() -> None:
    """SEC-21: eighteen in one record, seventeen in another; seven in one, six in another."""
    today = date(2026, 10, 5)
    both = frozenset(Party)
    assert needed(Born.read(["01/01/2008", "01/01/2009"]), today).parties == both
    assert needed(Born.read(["01/01/2019", "01/01/2020"]), today).parties == both
    with pytest.raises(ValueError, match="no birth date"):
        Born.read([])


@given(st.dates(date(1990, 1, 1), date(2026, 1, 1)), st.integers(0, 12_000))
def test_ages_grow_by_one_on_one_day_a_year(born: date, days: int) -> None:
    today = born + timedelta(days=days)
    before, after = age(born, today), age(born, today + timedelta(days=1))
    assert after - before in (0, 1)
    assert (after > before) == (
        (today + timedelta(days=1)).replace(year=2000) == born.replace(year=2000)
        or ((born.month, born.day) == (2, 29) and (today.month, today.day) == (2, 28) and after > before)
    )


TERMS = Terms(
    recipient=None,
    purpose=Purpose.VIEW,
    records=(("2025-2026 (THCS)", "Trường THCS Phúc Lộc"),),
    preset=Preset.MARKS,
    sensitive=tuple(SENSITIVE),
    pdf=True,
    days=7,
    once=False,
    approval=True,
)


@pytest.mark.parametrize("reader", Reader)
def test_the_text_names_everything(reader: Reader) -> None:
    """Luật 91/2025 Đ.9: what, for whom, what for, for how long, which rights; each sensitive detail named."""
    vi, en = render(TERMS, "vi", reader), render(TERMS, "en", reader)
    for shown, index in ((vi, 0), (en, 1)):
        for words in SENSITIVE.values():
            assert f"- {words[index]}\n" in shown.text
        assert "{" not in shown.text
        assert len(shown.sha256) == 64
    assert vi.sha256 != en.sha256
    assert "7 ngày" in vi.text
    assert "For 7 days" in en.text
    assert "For 1 day" in render(replace(TERMS, days=1), "en", reader).text
    with pytest.raises(KeyError):
        render(TERMS, "vi", reader, edition=EDITION + 1)


@pytest.mark.parametrize("reader", Reader)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_purpose_and_preset_reads_otherwise(language: Language, reader: Reader) -> None:
    purposes = {render(replace(TERMS, purpose=each), language, reader).text for each in Purpose}
    presets = {render(replace(TERMS, preset=each), language, reader).text for each in Preset}
    assert len(purposes) == len(Purpose)
    assert len(presets) == len(Preset)


@pytest.mark.parametrize("reader", Reader)
def test_what_the_whole_record_leaves_out_is_said_as_it_is(reader: Reader) -> None:
    """Something named stands right below; nothing named points nowhere; the signed PDF leaves nothing out."""
    whole = replace(TERMS, preset=Preset.WHOLE, pdf=False)
    lines = render(replace(whole, sensitive=("dan_toc",)), "vi", reader).text.split("\n")
    first = next(number for number, line in enumerate(lines) if "ngay sau đây" in line)
    assert lines[first + 1] == "- dân tộc"
    nothing = render(replace(whole, sensitive=()), "vi", reader).text
    assert not re.search("dưới đây\n|sau đây", nothing)
    assert re.search("không có .*số định danh", nothing)
    for sensitive in ((), ("dan_toc",)):
        with_pdf = render(replace(whole, sensitive=sensitive, pdf=True), "vi", reader).text
        assert not re.search("không có .*số định danh|sau đây", with_pdf)
        assert re.search("in mọi .*, cả ", with_pdf)


def test_an_edition_that_was_shown_is_never_changed() -> None:
    """Another wording is another edition: add one, and its hashes here."""
    hashes = {
        (edition, language, reader.value): [
            render(terms, language, reader, edition=edition).sha256[:16] for terms in (TERMS, WHOLE)
        ]
        for edition in range(1, EDITION + 1)
        for language in LANGUAGES
        for reader in Reader
    }
    assert hashes == EDITIONS


WHOLE = replace(
    TERMS,
    recipient="Trường THPT Tân Lập",
    purpose=Purpose.TRANSFER,
    preset=Preset.WHOLE,
    sensitive=(),
    pdf=False,
    days=1,
    once=True,
    approval=False,
    reference="HS-12",
)
EDITIONS = {
    (1, "vi", "adult"): ["96f3c3cfa82c2859", "3317f87c6276a8e4"],
    (1, "vi", "child"): ["90bb5f0274af40f7", "4f3b4e1e2542e419"],
    (1, "en", "adult"): ["17ac69f7ecd6a7ac", "2df763459505cf2e"],
    (1, "en", "child"): ["853062d9a3352748", "1acffe96526ef398"],
    (2, "vi", "adult"): ["1495804f3b5beefc", "5cbbb87e04fea1b9"],
    (2, "vi", "child"): ["c3864a98086068d6", "190008880299e913"],
    (2, "en", "adult"): ["0d8fec9fac071b39", "34e31c59cc10c823"],
    (2, "en", "child"): ["cebaf4e123db7878", "e229aa6a0d15166b"],
}


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        ("2026-10-05", 2, "2026-10-07"),
        ("2026-10-09", 2, "2026-10-13"),  # a weekend between
        ("2026-02-13", 2, "2026-02-24"),  # Tết
        ("2026-04-24", 2, "2026-04-29"),  # 10/3 in lieu
        ("2026-04-29", 2, "2026-05-05"),  # 30 April, 1 May, a weekend
        ("2026-08-31", 1, "2026-09-03"),
        ("2027-02-04", 1, "2027-02-12"),
        ("2031-04-29", 1, "2031-05-02"),  # nothing announced: only what is of every year
    ],
)
def test_working_days(day: str, count: int, expected: str) -> None:
    assert working_days.after(date.fromisoformat(day), count) == date.fromisoformat(expected)
