"""The demo's classes are what careful schools hand in: every row is a valid record, nothing odd."""

from __future__ import annotations

from datetime import date

import pytest

from portal.demo.classes import CLASSES, Case, ClassPlan, Format, Row, rows
from portal.demo.schools import SCHOOLS
from verifier import record

ISSUED_ON = {"2024-2025": date(2025, 6, 20), "2025-2026": date(2026, 6, 15)}


def _rows(plan: ClassPlan) -> tuple[Row, ...]:
    return rows(plan, ISSUED_ON[plan.year])


@pytest.mark.parametrize("plan", CLASSES, ids=lambda plan: plan.file_name)
def test_every_row_is_a_valid_record(plan: ClassPlan) -> None:
    for row in _rows(plan):
        parsed = record.parse(row)
        assert parsed.warnings == ()
        assert parsed.issuer == plan.plan.code
        assert parsed.issued_on == ISSUED_ON[plan.year]


def test_every_grade_of_every_level_is_there() -> None:
    met = {(plan.level, plan.grade) for plan in CLASSES}
    wanted = {("TIEU_HOC", g) for g in range(1, 6)} | {("THCS", g) for g in range(6, 10)}
    wanted |= {("THPT", g) for g in range(10, 13)} | {("GDTX_THPT", g) for g in range(10, 13)}
    assert met == wanted


def test_every_format_and_every_case_is_there() -> None:
    assert {plan.format for plan in CLASSES} == set(Format)
    assert {plan.format for plan in CLASSES if plan.issued} == set(Format)
    assert {case for plan in CLASSES for case in plan.cases} == set(Case)


def test_electives_are_four_of_nine_and_differ() -> None:
    choices = {plan.electives for plan in CLASSES if plan.level == "THPT"}
    assert len(choices) >= 3
    for plan in CLASSES:
        if plan.level in ("THPT", "GDTX_THPT"):
            assert len(set(plan.electives)) == 4


def test_issued_secondary_records_take_ten_signatures_or_more() -> None:
    for plan in CLASSES:
        if plan.issued:
            fields = record.parse(_rows(plan)[0]).signature_fields
            assert len(fields) >= 10 if plan.level != "TIEU_HOC" else len(fields) == 3


def _with_case(case: Case) -> list[Row]:
    return [
        _rows(plan)[number] for plan in CLASSES for number, found in enumerate(plan.cases) if found is case
    ]


def test_absence_above_45_sessions_holds_a_pupil_back() -> None:
    for row in _with_case(Case.ABSENT):
        assert int(str(row["tong_so_buoi_nghi"])) > 45
        assert row["ket_qua_len_lop"] == "Không được lên lớp"


def test_reassessed_pupils_are_promoted_in_the_end() -> None:
    for row in _with_case(Case.REASSESSED):
        assert row["kq_hoc_tap_ca_nam"] == "Chưa đạt"
        assert row["kq_hoc_tap_sau_danh_gia_lai"] == "Đạt"
        assert row["ket_qua_len_lop"] == "Được lên lớp"


def test_exempt_pupils_have_no_mark_in_that_subject() -> None:
    for row in _with_case(Case.EXEMPT):
        subject = row["mon.GIAO_DUC_THE_CHAT"]
        assert isinstance(subject, dict)
        assert subject["mien"] is True
        assert "ca_nam" not in subject


def test_overrides_say_why() -> None:
    for row in _with_case(Case.OVERRIDE):
        reasons = row["ghi_de"]
        assert isinstance(reasons, list)
        assert reasons[0]["ly_do"]


def test_former_provinces_keep_their_name_and_district() -> None:
    former = [school for school in SCHOOLS if school.valid_to is not None]
    assert former
    for school in former:
        assert school.place.district
        assert school.successor in {other.code for other in SCHOOLS}
    for plan in CLASSES:
        row = _rows(plan)[0]
        assert bool(row.get("quan_huyen")) == (plan.year == "2024-2025")


def test_every_subject_of_an_issued_class_has_a_teacher_with_a_certificate() -> None:
    for plan in CLASSES:
        if not plan.issued or plan.level == "TIEU_HOC":
            continue
        taught = {code for person in plan.plan.staff for _, _, codes in person.duties for code in codes}
        assert set(record.parse(_rows(plan)[0]).subject_codes) <= taught
