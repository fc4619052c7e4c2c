"""Records of one pupil are found across schools; a school's slip opens no other child's record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.registry import erasing, learners
from portal.registry import service as registry
from portal.registry.models import Record
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.registry.samples import BORN, NUMBER, enter_pupil
from verifier.verdict import VersionState

OTHER_NUMBER, OTHER_BORN = "001317000002", "02/11/2017"
VAULT = Vault([("k1", bytes(range(32)))], bytes(range(1, 33)))


def seen(session: Session, vault: Vault, school: str, pupil: str) -> list[tuple[str, bool]]:
    found = learners.records_of(session, school, learners.pupil_index(vault, school, pupil))
    return [(each.record_id, each.own) for each in found]


def test_a_pupil_who_moved_has_all_years_in_one_place(session: Session, vault: Vault) -> None:
    first = enter_pupil(session, vault, "0001", "12", year="2024-2025")
    second = enter_pupil(session, vault, "0002", "77", year="2025-2026")
    stranger = enter_pupil(
        session, vault, "0001", "13", so_dinh_danh_ca_nhan=OTHER_NUMBER, ngay_sinh=OTHER_BORN
    )
    assert seen(session, vault, "0001", "12") == [(first.record_id, True), (second.record_id, False)]
    assert seen(session, vault, "0002", "77") == [(first.record_id, False), (second.record_id, True)]
    assert seen(session, vault, "0001", "13") == [(stranger.record_id, True)]
    assert seen(session, vault, "0002", "12") == []


@pytest.mark.parametrize(
    "mistake",
    [
        {"so_dinh_danh_ca_nhan": NUMBER, "ngay_sinh": OTHER_BORN},  # another child's number
        {"so_dinh_danh_ca_nhan": OTHER_NUMBER, "ngay_sinh": BORN},  # another child's birth date
        {"so_dinh_danh_ca_nhan": NUMBER, "ngay_sinh": "2017"},  # less is known
        {"so_dinh_danh_ca_nhan": None, "ngay_sinh": BORN},  # no number
    ],
)
def test_a_slip_of_a_school_opens_no_other_childs_record(
    session: Session, vault: Vault, mistake: dict[str, Any]
) -> None:
    mine = enter_pupil(session, vault, "0001", "12")
    strange = enter_pupil(session, vault, "0002", "99", **mistake)
    assert seen(session, vault, "0001", "12") == [(mine.record_id, True)]
    assert seen(session, vault, "0002", "99") == [(strange.record_id, True)]


def test_pupils_without_a_number_are_not_one_pupil(session: Session, vault: Vault) -> None:
    one = enter_pupil(session, vault, "0001", "1", so_dinh_danh_ca_nhan=None)
    enter_pupil(session, vault, "0001", "2", so_dinh_danh_ca_nhan=None)
    assert seen(session, vault, "0001", "1") == [(one.record_id, True)]
    assert session.scalars(select(Record.learner_index)).all() == [None, None]


def test_a_correction_moves_the_record_to_its_pupil(session: Session, vault: Vault) -> None:
    """The newest version says who the pupil is: a wrong number that was corrected opens nothing more, and a
    right one joins what belongs together.
    """
    mine = enter_pupil(session, vault, "0001", "12", year="2024-2025")
    wrong = enter_pupil(session, vault, "0002", "77")  # of another child, with my number and my birth date
    assert len(seen(session, vault, "0001", "12")) == 2
    enter_pupil(
        session, vault, "0002", "77", like=wrong, so_dinh_danh_ca_nhan=OTHER_NUMBER, ngay_sinh=OTHER_BORN
    )
    assert seen(session, vault, "0001", "12") == [(mine.record_id, True)]
    enter_pupil(session, vault, "0002", "77", like=replace(wrong, version=2))
    assert seen(session, vault, "0001", "12") == [(mine.record_id, True), (wrong.record_id, False)]


def test_only_one_step_is_taken(session: Session, vault: Vault) -> None:
    """A pupil with two birth dates on file at one school is not led from school to school."""
    enter_pupil(session, vault, "0001", "12", year="2023-2024")
    enter_pupil(session, vault, "0002", "77", year="2024-2025")
    enter_pupil(session, vault, "0002", "77", year="2025-2026", ngay_sinh=OTHER_BORN)
    enter_pupil(session, vault, "0003", "5", year="2022-2023", ngay_sinh=OTHER_BORN)
    assert len(seen(session, vault, "0001", "12")) == 2
    assert len(seen(session, vault, "0002", "77")) == 4


def test_versions_tell_what_became_of_them(session: Session, vault: Vault) -> None:
    first = enter_pupil(session, vault, "0001", "12")
    enter_pupil(session, vault, "0001", "12", like=first)
    registry.recall(session, first.record_id, "data_error", actor=ACTOR, now=NOW)
    (found,) = learners.records_of(session, "0001", learners.pupil_index(vault, "0001", "12"))
    old, new = found.versions
    assert (old.version, old.state, old.since, old.recall_reason) == (1, VersionState.SUPERSEDED, NOW, None)
    assert (new.version, new.state, new.since) == (2, VersionState.RECALLED, NOW)
    assert (new.recall_reason, found.newest, found.grade) == ("data_error", new, 3)


def test_who_sees_a_record_is_told_by_it(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, "0001", "12", year="2024-2025")
    enter_pupil(session, vault, "0002", "77")
    alone = enter_pupil(session, vault, "0003", "5", so_dinh_danh_ca_nhan=None)
    pairs = {
        (school, learners.pupil_index(vault, school, pupil))
        for school, pupil in (("0001", "12"), ("0002", "77"))
    }
    for record in session.scalars(select(Record).where(Record.record_id != alone.record_id)):
        assert set(learners.pupils_like(session, record.record_id)) == pairs
    assert learners.pupils_like(session, alone.record_id) == (
        ("0003", learners.pupil_index(vault, "0003", "5")),
    )


def test_a_pupil_is_whom_the_records_that_stand_name(session: Session, vault: Vault) -> None:
    pupil = learners.pupil_index(vault, "0001", "12")
    assert learners.pupil_of(session, vault, "0001", pupil) is None
    first = enter_pupil(session, vault, "0001", "12", year="2024-2025", ho_va_ten="Nguyễn Thị Hường")
    latest = enter_pupil(session, vault, "0001", "12", ngay_sinh=OTHER_BORN, ho_va_ten="Lê Thị Hường")
    enter_pupil(session, vault, "0002", "12", ngay_sinh="01/01/2017")  # another school's pupil
    both = learners.pupil_of(session, vault, "0001", pupil)
    adults = ("H'Nga Niê", "Nguyễn Văn Đạt", "Nguyễn Văn Bảo")
    assert both == learners.Pupil("Lê Thị Hường", OTHER_BORN, (OTHER_BORN, BORN), *adults)
    registry.recall(session, latest.record_id, "data_error", actor=ACTOR, now=NOW)
    one = learners.Pupil("Nguyễn Thị Hường", BORN, (BORN,), *adults)
    assert learners.pupil_of(session, vault, "0001", pupil) == one
    registry.recall(session, first.record_id, "data_error", actor=ACTOR, now=NOW)
    assert learners.pupil_of(session, vault, "0001", pupil) == both


def test_records_of_before_are_filled_in_once_each(session: Session, vault: Vault) -> None:
    enter_pupil(session, vault, "0001", "12", year="2024-2025")
    enter_pupil(session, vault, "0001", "13", so_dinh_danh_ca_nhan=None)
    first = enter_pupil(session, vault, "0002", "77", ngay_sinh=OTHER_BORN)
    enter_pupil(session, vault, "0002", "77", like=first)  # the newest version counts
    was = session.scalars(select(Record.learner_index).order_by(Record.id)).all()
    session.execute(update(Record).values(learner_index=None))
    last, steps = learners.fill(session, vault), 0
    while last is not None:
        last, steps = learners.fill(session, vault, after=last), steps + 1
    assert session.scalars(select(Record.learner_index).order_by(Record.id)).all() == was
    assert steps == 1
    assert len(seen(session, vault, "0001", "12")) == 2


def test_a_destroyed_record_is_nobodys(session: Session, vault: Vault) -> None:
    """SEC-41: the index goes with the key, and does not come back."""
    gone = enter_pupil(session, vault, "0001", "12", year="2024-2025")
    mine = enter_pupil(session, vault, "0002", "77")
    erasing.destroy(session, gone.record_id)
    assert learners.fill(session, vault) is None
    assert seen(session, vault, "0002", "77") == [(mine.record_id, True)]
    assert seen(session, vault, "0001", "12") == []


@given(
    st.tuples(st.from_regex(r"\A[0-9]{12}\Z"), st.from_regex(r"\A[0-9/]{1,12}\Z")),
    st.tuples(st.from_regex(r"\A[0-9]{12}\Z"), st.from_regex(r"\A[0-9/]{1,12}\Z")),
)
def test_equal_means_both_agree(one: tuple[str, str], other: tuple[str, str]) -> None:
    def index(pair: tuple[str, str]) -> str | None:
        return learners.learner_index(VAULT, {"so_dinh_danh_ca_nhan": pair[0], "ngay_sinh": pair[1]})

    assert (index(one) == index(other)) is (one == other)
    assert index(one) != VAULT.blind_index(f"{one[0]}/{one[1]}", domain="pupil")
