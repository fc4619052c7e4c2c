"""What a record may hold: every refusal with its place, what is only warned about, overrides, round trips."""

from __future__ import annotations

import unicodedata
from dataclasses import FrozenInstanceError
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.record_samples import sample
from verifier.errors import InvalidInput, Problem
from verifier.record import (
    Level,
    Record,
    conduct_year,
    level_info,
    outcome_phrases,
    parse,
    primary_award,
    primary_completed,
    primary_result,
    promoted,
    secondary_award,
    study_result,
    subjects,
    year_average,
)

EVERY = [(level, grade) for level in Level for grade in level_info(level).grades]
SCORES = st.integers(0, 100).map(lambda tenths: f"{tenths // 10}.{tenths % 10}")


def problems(data: dict[str, Any]) -> list[Problem]:
    """Everything parse says is wrong; fails when it says nothing."""
    with pytest.raises(InvalidInput) as caught:
        parse(data)
    assert caught.value.problems
    return list(caught.value.problems)


def places(data: dict[str, Any]) -> set[tuple[str, str]]:
    return {(p.where, p.code) for p in problems(data)}


def changed(level: str, grade: int, /, **fields: Any) -> dict[str, Any]:
    """A sample with some fields set; None takes a field away; ``__`` stands for a dot."""
    data = sample(level, grade)
    for key, value in fields.items():
        name = key.replace("__", ".")
        if value is None:
            del data[name]
        else:
            data[name] = value
    return data


class TestWholeRecords:
    @pytest.mark.parametrize(("level", "grade"), EVERY)
    def test_a_full_record_of_every_grade_goes_round(self, level: Level, grade: int) -> None:
        data = sample(level, grade)
        record = parse(data)
        assert record.to_input() == data
        assert parse(record.to_input()) == record
        assert record.warnings == ()
        assert list(record.fields()) == list(parse(dict(reversed(data.items()))).fields())

    def test_a_record_is_typed_and_frozen(self) -> None:
        record = parse(sample("THCS", 9))
        assert (record.level, record.scheme, record.grade) == ("THCS", "TT22", 9)
        assert (record.year, record.issuer, record.ma_hoc_sinh) == ("2025-2026", "01000123", "0100000001")
        assert record.issued_on == date(2026, 5, 31)
        assert record.masked_name == "N*** T*** H***"
        assert record.subject_codes[0] == "NGU_VAN"
        assert record.signature_fields[-3:] == ("GVCN", "CBQL", "KY_PHAT_HANH")
        with pytest.raises(FrozenInstanceError):
            record.grade = 8  # type: ignore[misc]

    def test_neither_header_facts_nor_the_pupil_code_are_fields(self) -> None:
        for level, grade in EVERY:
            assert not parse(sample(level, grade)).fields().keys() & {
                "level", "scheme", "grade", "year", "ma_truong", "issuer", "ma_hoc_sinh"
            }  # fmt: skip

    def test_the_smallest_record_states_nothing_else(self) -> None:
        data = sample("TIEU_HOC", 1)
        optional = [
            "dan_toc",
            "quoc_tich",
            "doi_tuong",
            "so_dinh_danh_ca_nhan",
            "noi_sinh",
            "que_quan",
            "noi_o_hien_tai",
            "cha_ho_ten",
            "cha_nghe_nghiep",
            "me_ho_ten",
            "me_nghe_nghiep",
            "nguoi_giam_ho_ho_ten",
            "nguoi_giam_ho_nghe_nghiep",
            "xa_phuong",
            "xa_phuong_ma",
            "tinh_thanh_ma",
            "qua_trinh_hoc_tap",
            "chieu_cao",
            "can_nang",
            "nghi_co_phep",
            "nghi_khong_phep",
            "khen_thuong",
            "mon.NGOAI_NGU_1",
            "mon.TIENG_DAN_TOC",
        ]
        for name in optional:
            del data[name]
        record = parse(data)
        assert not set(optional) & set(record.fields())
        assert record.to_input() == data

    def test_blank_is_not_absent(self) -> None:
        blank = parse(changed("THCS", 6, cha_ho_ten="", cha_nghe_nghiep=""))
        absent = parse(changed("THCS", 6, cha_ho_ten=None, cha_nghe_nghiep=None))
        assert blank.fields()["cha_ho_ten"] == ""
        assert "cha_ho_ten" not in absent.fields()

    def test_two_pupils_of_one_school_choose_different_electives(self) -> None:
        data = sample("THPT", 10)
        for code in ("DIA_LI", "GD_KT_PL"):
            del data[f"mon.{code}"]
        data["mon.AM_NHAC"] = {"hk1": "Đạt", "hk2": "Đạt", "ca_nam": "Đạt"}
        data["mon.TIN_HOC"] = {"hk1": "8.0", "hk2": "8.0", "ca_nam": "8.0"}
        record = parse(data)
        assert {"AM_NHAC", "TIN_HOC"} <= set(record.subject_codes)
        assert "mon.DIA_LI" not in record.fields()

    def test_a_row_without_a_name_has_the_circulars(self) -> None:
        data = sample("THCS", 6)
        del data["mon.LICH_SU_DIA_LI"]["ten"]
        row = parse(data).fields()["mon.LICH_SU_DIA_LI"]
        assert isinstance(row, dict)
        assert row["ten"] == "Lịch sử và Địa lí"


class TestRefusals:
    """One spoiled field each: the place and the code."""

    @pytest.mark.parametrize(
        ("level", "grade", "fields", "expected"),
        [
            # header facts
            ("THCS", 6, {"level": None}, ("level", "missing")),
            ("THCS", 6, {"level": "GDTX_THCS"}, ("level", "level_not_supported")),
            ("THCS", 6, {"level": "MAM_NON"}, ("level", "not_in_list")),
            ("THCS", 6, {"scheme": None}, ("scheme", "missing")),
            ("THCS", 6, {"scheme": "TT58_2011"}, ("scheme", "legacy_scheme")),
            ("TIEU_HOC", 5, {"scheme": "TT22_2016"}, ("scheme", "legacy_scheme")),
            ("THCS", 6, {"scheme": "TT27"}, ("scheme", "not_in_list")),
            ("THCS", 6, {"scheme": "TT99"}, ("scheme", "not_in_list")),
            ("THCS", 6, {"grade": None}, ("grade", "missing")),
            ("THCS", 6, {"grade": 5}, ("grade", "out_of_range")),
            ("THCS", 6, {"grade": "6"}, ("grade", "wrong_type")),
            ("THCS", 6, {"grade": True}, ("grade", "wrong_type")),
            ("THCS", 6, {"year": None}, ("year", "missing")),
            ("THCS", 6, {"year": "2025-2027"}, ("year", "not_a_school_year")),
            ("THCS", 6, {"year": "2025–2026"}, ("year", "not_a_school_year")),
            ("TIEU_HOC", 5, {"year": "2023-2024"}, ("year", "legacy_scheme")),
            ("THPT", 12, {"year": "2023-2024"}, ("year", "legacy_scheme")),
            ("GDTX_THPT", 10, {"year": "2021-2022"}, ("year", "legacy_scheme")),
            ("THCS", 6, {"ma_truong": None}, ("ma_truong", "missing")),
            ("THCS", 6, {"ma_truong": "01 23"}, ("ma_truong", "wrong_form")),
            ("THCS", 6, {"ma_truong": 1000123}, ("ma_truong", "wrong_form")),
            ("THCS", 6, {"ma_hoc_sinh": ""}, ("ma_hoc_sinh", "wrong_form")),
            # the pupil
            ("THCS", 6, {"ho_va_ten": None}, ("ho_va_ten", "missing")),
            ("THCS", 6, {"ho_va_ten": ""}, ("ho_va_ten", "blank")),
            ("THCS", 6, {"ho_va_ten": "Nguyễn Văn 2"}, ("ho_va_ten", "not_a_name")),
            ("THCS", 6, {"ho_va_ten": "' -"}, ("ho_va_ten", "not_a_name")),
            ("THCS", 6, {"ho_va_ten": "Lê Thị\nMai"}, ("ho_va_ten", "control_character")),
            ("THCS", 6, {"ho_va_ten": "Lê\u202eThị"}, ("ho_va_ten", "control_character")),
            ("THCS", 6, {"ho_va_ten": "Lê\u200bThị"}, ("ho_va_ten", "control_character")),
            ("THCS", 6, {"ho_va_ten": "L\ufffd Thị"}, ("ho_va_ten", "control_character")),
            ("THCS", 6, {"ho_va_ten": "Lê \ud800"}, ("ho_va_ten", "control_character")),
            ("THCS", 6, {"ho_va_ten": " Lê Thị Mai"}, ("ho_va_ten", "surrounding_space")),
            ("THCS", 6, {"ho_va_ten": "A" * 101}, ("ho_va_ten", "too_long")),
            ("THCS", 6, {"ho_va_ten": ["Lê"]}, ("ho_va_ten", "wrong_type")),
            ("THCS", 6, {"gioi_tinh": "Khác"}, ("gioi_tinh", "not_in_list")),
            ("THCS", 6, {"ngay_sinh": "31/02/2014"}, ("ngay_sinh", "not_a_date")),
            ("THCS", 6, {"ngay_sinh": "1/9/2014"}, ("ngay_sinh", "not_a_date")),
            ("THCS", 6, {"ngay_sinh": "2014-09-01"}, ("ngay_sinh", "not_a_date")),
            ("THCS", 6, {"ngay_sinh": "00/00/2014"}, ("ngay_sinh", "not_a_date")),
            ("THCS", 6, {"ngay_sinh": "1899"}, ("ngay_sinh", "not_a_date")),
            ("THCS", 6, {"ngay_sinh": "01/09/2024"}, ("ngay_sinh", "out_of_range")),
            ("THCS", 6, {"so_dinh_danh_ca_nhan": "12345678901"}, ("so_dinh_danh_ca_nhan", "wrong_form")),
            ("THCS", 6, {"so_dinh_danh_ca_nhan": "٠١٢٣٤٥٦٧٨٩٠١"}, ("so_dinh_danh_ca_nhan", "wrong_form")),
            ("THCS", 6, {"dan_toc": None, "noi_sinh": "x" * 301}, ("noi_sinh", "too_long")),
            ("THCS", 6, {"quoc_tich": 84}, ("quoc_tich", "wrong_type")),
            ("THCS", 6, {"cha_ho_ten": "A1"}, ("cha_ho_ten", "not_a_name")),
            ("THCS", 6, {"dan_toc": [None]}, ("dan_toc", "wrong_type")),
            # the school and the signing
            ("THCS", 6, {"truong": None}, ("truong", "missing")),
            ("THCS", 6, {"tinh_thanh": None}, ("tinh_thanh", "missing")),
            ("THCS", 6, {"quan_huyen": "Huyện Phúc Thọ"}, ("quan_huyen", "no_district")),
            ("THCS", 6, {"tinh_thanh_ma": "HN"}, ("tinh_thanh_ma", "wrong_form")),
            ("THCS", 6, {"ngay_ky_phat_hanh": "2026"}, ("ngay_ky_phat_hanh", "not_a_date")),
            ("THCS", 6, {"ngay_ky_phat_hanh": "31/07/2025"}, ("ngay_ky_phat_hanh", "out_of_range")),
            ("THCS", 6, {"nguoi_ky": None}, ("nguoi_ky", "missing")),
            ("THCS", 6, {"chuc_vu": "Giám đốc"}, ("chuc_vu", "contradiction")),
            ("GDTX_THPT", 10, {"chuc_vu": "Hiệu trưởng"}, ("chuc_vu", "contradiction")),
            ("THCS", 6, {"qua_trinh_hoc_tap": []}, ("qua_trinh_hoc_tap", "blank")),
            ("THCS", 6, {"qua_trinh_hoc_tap": "lớp 5"}, ("qua_trinh_hoc_tap", "wrong_type")),
            ("THCS", 6, {"qua_trinh_hoc_tap": ["5A"]}, ("qua_trinh_hoc_tap[1]", "wrong_type")),
            (
                "THCS",
                6,
                {"qua_trinh_hoc_tap": [{"nam_hoc": "2024", "lop": "5A", "truong": "X"}]},
                ("qua_trinh_hoc_tap[1].nam_hoc", "not_a_school_year"),
            ),
            (
                "THCS",
                6,
                {"qua_trinh_hoc_tap": [{"nam_hoc": "2024-2025", "lop": "5A"}]},
                ("qua_trinh_hoc_tap[1].truong", "missing"),
            ),
            (
                "THCS",
                6,
                {"qua_trinh_hoc_tap": [{"nam_hoc": "2024-2025", "lop": "5A", "truong": "X"}] * 21},
                ("qua_trinh_hoc_tap", "too_long"),
            ),
            # strangers
            ("THCS", 6, {"diem_trung_binh": "8.0"}, ("diem_trung_binh", "unknown_field")),
            ("THCS", 6, {"pham_chat__YEU_NUOC": "T"}, ("pham_chat.YEU_NUOC", "unknown_field")),
            ("TIEU_HOC", 1, {"kq_hoc_tap_hk1": "Tốt"}, ("kq_hoc_tap_hk1", "unknown_field")),
            ("THCS", 6, {"mon__VAT_LI": {"ten": "Vật lí"}}, ("mon.VAT_LI", "unknown_subject")),
            ("TIEU_HOC", 1, {"mon__KHOA_HOC": {"ten": "Khoa học"}}, ("mon.KHOA_HOC", "subject_not_in_grade")),
            ("TIEU_HOC", 4, {"mon__TU_NHIEN_XA_HOI": {}}, ("mon.TU_NHIEN_XA_HOI", "subject_not_in_grade")),
            ("THCS", 6, {"hoan_thanh_ct": "Hoàn thành chương trình"}, ("hoan_thanh_ct", "not_in_grade")),
            # primary
            ("TIEU_HOC", 3, {"chieu_cao": "132,5"}, ("chieu_cao", "not_a_number")),
            ("TIEU_HOC", 3, {"chieu_cao": 132}, ("chieu_cao", "not_a_number")),
            ("TIEU_HOC", 3, {"chieu_cao": "13"}, ("chieu_cao", "out_of_range")),
            ("TIEU_HOC", 3, {"can_nang": "301"}, ("can_nang", "out_of_range")),
            ("TIEU_HOC", 3, {"nghi_co_phep": -1}, ("nghi_co_phep", "out_of_range")),
            ("TIEU_HOC", 3, {"nghi_khong_phep": "2"}, ("nghi_khong_phep", "wrong_type")),
            ("TIEU_HOC", 3, {"nghi_khong_phep": True}, ("nghi_khong_phep", "wrong_type")),
            ("TIEU_HOC", 3, {"pham_chat__YEU_NUOC": "H"}, ("pham_chat.YEU_NUOC", "not_in_list")),
            ("TIEU_HOC", 3, {"pham_chat__YEU_NUOC": "\u00d0"}, ("pham_chat.YEU_NUOC", "not_in_list")),
            ("TIEU_HOC", 3, {"nang_luc__THE_CHAT": None}, ("nang_luc.THE_CHAT", "missing")),
            ("TIEU_HOC", 3, {"ket_qua_giao_duc": None}, ("ket_qua_giao_duc", "missing")),
            ("TIEU_HOC", 3, {"ket_qua_giao_duc": "Tốt"}, ("ket_qua_giao_duc", "not_in_list")),
            ("TIEU_HOC", 3, {"hoan_thanh": "Lên lớp"}, ("hoan_thanh", "not_in_list")),
            ("TIEU_HOC", 3, {"hoan_thanh": "Hoàn thành chương trình lớp 4"}, ("hoan_thanh", "not_in_list")),
            ("TIEU_HOC", 3, {"mon__TOAN": None}, ("mon.TOAN", "missing_subject")),
            # secondary
            ("THCS", 6, {"kq_hoc_tap_hk1": "Giỏi"}, ("kq_hoc_tap_hk1", "not_in_list")),
            ("THCS", 6, {"kq_ren_luyen_hk2": "Trung bình"}, ("kq_ren_luyen_hk2", "not_in_list")),
            ("THCS", 6, {"kq_ren_luyen_hk2": None}, ("kq_ren_luyen_hk2", "missing")),
            ("THCS", 6, {"kq_hoc_tap_ca_nam": None}, ("kq_hoc_tap_ca_nam", "missing")),
            ("THCS", 6, {"tong_so_buoi_nghi": None}, ("tong_so_buoi_nghi", "missing")),
            ("THCS", 6, {"tong_so_buoi_nghi": 401}, ("tong_so_buoi_nghi", "out_of_range")),
            ("THCS", 6, {"ket_qua_len_lop": None}, ("ket_qua_len_lop", "missing")),
            ("THCS", 6, {"ket_qua_len_lop": "Ở lại lớp"}, ("ket_qua_len_lop", "not_in_list")),
            ("THCS", 6, {"ket_qua_len_lop": "Được lên lớp7"}, ("ket_qua_len_lop", "not_in_list")),
            ("THCS", 9, {"hoan_thanh_ct": None}, ("hoan_thanh_ct", "missing")),
            ("THCS", 9, {"hoan_thanh_ct": "Tốt nghiệp THCS"}, ("hoan_thanh_ct", "not_in_list")),
            ("THCS", 6, {"mon__TOAN": None}, ("mon.TOAN", "missing_subject")),
            ("THCS", 6, {"mon__TOAN": "8.3"}, ("mon.TOAN", "wrong_type")),
            ("THPT", 10, {"mon__DIA_LI": None}, ("mon", "electives")),
            ("THPT", 10, {"mon__TIN_HOC": {"mien": True}}, ("mon", "electives")),
            ("GDTX_THPT", 10, {"mon__VAT_LI": None}, ("mon", "electives")),
            ("THPT", 10, {"chung_chi": [{"loai": "Khá"}]}, ("chung_chi[1].ten", "missing")),
            ("THCS", 6, {"nhan_xet_gvcn": "x" * 1501}, ("nhan_xet_gvcn", "too_long")),
        ],
    )  # fmt: skip
    def test_field(self, level: str, grade: int, fields: dict[str, Any], expected: tuple[str, str]) -> None:
        assert expected in places(changed(level, grade, **fields))

    @pytest.mark.parametrize(
        ("level", "grade", "code", "row", "expected"),
        [
            ("THCS", 6, "TOAN", {"hk1": "8"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "8,0"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": 8.0}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "10.1"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "08.0"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "8.00"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "-0.0"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"hk1": "Đạt"}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"sau_danh_gia_lai": "M"}, ("sau_danh_gia_lai", "wrong_form")),
            ("THCS", 6, "NGHE_THUAT", {"hk1": "8.0"}, ("hk1", "not_in_list")),
            ("THCS", 6, "NGHE_THUAT", {"hk1": "đạt"}, ("hk1", "not_in_list")),
            ("THCS", 6, "NGHE_THUAT", {"sau_danh_gia_lai": "Miễn"}, ("sau_danh_gia_lai", "not_in_list")),
            ("THCS", 6, "TOAN", {"hk1": None}, ("hk1", "wrong_form")),
            ("THCS", 6, "TOAN", {"ten": "Ngữ văn"}, ("ten", "wrong_subject_name")),
            ("THCS", 6, "TOAN", {"ten": ""}, ("ten", "blank")),
            ("THCS", 6, "TOAN", {"diem": "8.0"}, ("diem", "unknown_field")),
            ("THCS", 6, "TOAN", {"nhan_xet": "x" * 601}, ("nhan_xet", "too_long")),
            ("THCS", 6, "TOAN", {"nhan_xet": "dòng một\ndòng hai"}, ("nhan_xet", "control_character")),
            ("THCS", 6, "TOAN", {"mien": False}, ("mien", "wrong_type")),
            ("THCS", 6, "TOAN", {"mien": True}, ("hk1", "exempt_with_mark")),
            ("TIEU_HOC", 4, "TOAN", {"mien": True}, ("diem_ktdk", "exempt_with_mark")),
            ("TIEU_HOC", 4, "TOAN", {"diem_ktdk": "9.0"}, ("diem_ktdk", "wrong_form")),
            ("TIEU_HOC", 4, "TOAN", {"diem_ktdk": "11"}, ("diem_ktdk", "wrong_form")),
            ("TIEU_HOC", 4, "TOAN", {"diem_ktdk": "09"}, ("diem_ktdk", "wrong_form")),
            ("TIEU_HOC", 4, "TOAN", {"diem_ktdk": 9}, ("diem_ktdk", "wrong_form")),
            ("TIEU_HOC", 4, "TOAN", {"muc_dat_duoc": "Đ"}, ("muc_dat_duoc", "not_in_list")),
            ("TIEU_HOC", 4, "DAO_DUC", {"diem_ktdk": "9"}, ("diem_ktdk", "unknown_field")),
        ],
    )
    def test_row(
        self, level: str, grade: int, code: str, row: dict[str, Any], expected: tuple[str, str]
    ) -> None:
        data = sample(level, grade)
        data[f"mon.{code}"] |= row
        assert (f"mon.{code}.{expected[0]}", expected[1]) in places(data)

    @pytest.mark.parametrize(
        ("level", "grade", "code", "name"),
        [("THCS", 6, "TOAN", "hk2"), ("THCS", 6, "NGHE_THUAT", "ca_nam"),
         ("TIEU_HOC", 4, "TOAN", "muc_dat_duoc"), ("TIEU_HOC", 4, "TOAN", "diem_ktdk")],
    )  # fmt: skip
    def test_a_missing_mark_is_named(self, level: str, grade: int, code: str, name: str) -> None:
        data = sample(level, grade)
        del data[f"mon.{code}"][name]
        assert places(data) == {(f"mon.{code}.{name}", "missing")}

    def test_all_mistakes_at_once(self) -> None:
        data = changed("THCS", 6, gioi_tinh="nam", lop=None, la="x", kq_ren_luyen_ca_nam="Khá")
        data["mon.TOAN"]["ca_nam"] = "9.9"
        data["mon.NGU_VAN"]["hk1"] = "12"
        data["mon.TIN_HOC"] = 7
        assert places(data) == {
            ("gioi_tinh", "not_in_list"),
            ("lop", "missing"),
            ("la", "unknown_field"),
            ("kq_ren_luyen_ca_nam", "contradiction"),
            ("mon.TOAN.ca_nam", "contradiction"),
            ("mon.NGU_VAN.hk1", "wrong_form"),
            ("mon.TIN_HOC", "wrong_type"),
        }

    def test_without_a_level_the_common_fields_are_still_checked(self) -> None:
        found = places(changed("THCS", 6, level="X", gioi_tinh="x", so_dinh_danh_ca_nhan="1"))
        assert {w for w, _ in found} == {"level", "gioi_tinh", "so_dinh_danh_ca_nhan"}

    def test_messages_name_both_values_as_on_paper(self) -> None:
        data = sample("THCS", 6)
        data["mon.TOAN"]["ca_nam"] = "8.3"
        (problem,) = problems(data)
        assert problem.where == "mon.TOAN.ca_nam"
        assert problem.message.startswith("ghi 8,3 nhưng tính được 8,2")

    def test_an_empty_input_is_refused(self) -> None:
        assert {"level", "scheme", "grade", "year", "ma_truong", "ho_va_ten"} - {"scheme"} <= {
            p.where for p in problems({})
        }


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["Ksor", "H'Nga Niê", "Y Bhăm", "H’Hen Niê", "Lò Thị", "Công Tằng Tôn Nữ Thị Diệu An Nhiên",
         "Giàng A Páo", "Nguyễn-Lê Mai", "Đặng St. Anne", "Nguye\u0302\u0303n An"],
    )  # fmt: skip
    def test_real_names_pass_unchanged(self, name: str) -> None:
        assert parse(changed("THCS", 6, ho_va_ten=name)).fields()["ho_va_ten"] == name

    @pytest.mark.parametrize("birth", ["01/09/2014", "29/02/2012", "2014"])
    def test_births(self, birth: str) -> None:
        assert parse(changed("THCS", 6, ngay_sinh=birth)).fields()["ngay_sinh"] == birth

    def test_an_adult_learner(self) -> None:
        assert parse(changed("GDTX_THPT", 10, ngay_sinh="1961")).warnings == ()

    def test_a_district_belongs_to_the_years_that_had_districts(self) -> None:
        data = changed("THCS", 6, year="2024-2025", quan_huyen="Huyện Phúc Thọ", tinh_thanh="Hà Giang")
        record = parse(data)
        assert record.fields()["quan_huyen"] == "Huyện Phúc Thọ"
        assert record.warnings == ()


class TestWarnings:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"ho_va_ten": "Nguye\u0302\u0303n An"}, ("ho_va_ten", "not_nfc")),
            ({"ho_va_ten": "\u00d0ặng An"}, ("ho_va_ten", "look_alike")),
            ({"noi_sinh": "Hải \u00f0ảo"}, ("noi_sinh", "look_alike")),
            ({"que_quan": "Hà\u00a0Nội"}, ("que_quan", "odd_space")),
            ({"truong": "Trường  Phúc Lộc"}, ("truong", "double_space")),
            ({"tinh_thanh": "Tỉnh Kiên Giang"}, ("tinh_thanh", "unknown_province")),
            ({"lop": "7A1"}, ("lop", "class_and_grade")),
            ({"khen_thuong": "Giải Ba cấp trường"}, ("khen_thuong", "award_not_stated")),
            (
                {"ghi_de": [{"truong": "mon.TOAN.ca_nam", "ly_do": "Đã đối chiếu sổ điểm"}]},
                ("mon.TOAN.ca_nam", "override_unneeded"),
            ),
        ],
    )
    def test_kept_and_warned(self, fields: dict[str, Any], expected: tuple[str, str]) -> None:
        record = parse(changed("THCS", 6, **fields))
        assert {(w.where, w.code) for w in record.warnings} == {expected}
        for name, value in fields.items():
            assert record.fields()[name] == value

    @pytest.mark.parametrize(
        "province", ["Hà Nội", "Thành phố Hà Nội", "TP. Hồ Chí Minh", "tỉnh Đắk Lắk", "Thanh Hoá", "Huế"]
    )
    def test_provinces_of_today_in_any_spelling(self, province: str) -> None:
        assert parse(changed("THCS", 6, tinh_thanh=province)).warnings == ()

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=40))
    def test_text_is_kept_byte_for_byte_or_refused(self, text: str) -> None:
        data = sample("TIEU_HOC", 2)
        data["mon.TOAN"]["nhan_xet"] = text
        try:
            record = parse(data)
        except InvalidInput:
            assert {p.where for p in problems(data)} == {"mon.TOAN.nhan_xet"}
            return
        row = record.fields()["mon.TOAN"]
        assert isinstance(row, dict)
        assert row["nhan_xet"] == text
        warned = {w.code for w in record.warnings}
        assert ("not_nfc" in warned) == (not unicodedata.is_normalized("NFC", text))


class TestExemptions:
    def test_a_whole_row(self) -> None:
        data = changed(
            "THCS", 6, mon__GIAO_DUC_THE_CHAT={"ten": "Giáo dục thể chất", "mien": True, "nhan_xet": ""}
        )
        assert parse(data).fields()["mon.GIAO_DUC_THE_CHAT"] == data["mon.GIAO_DUC_THE_CHAT"]

    def test_a_primary_row(self) -> None:
        data = changed("TIEU_HOC", 4, mon__TOAN={"ten": "Toán", "mien": True})
        assert parse(data).fields()["mon.TOAN"] == data["mon.TOAN"]

    @pytest.mark.parametrize("mark", ["M", "Miễn"])
    def test_one_semester(self, mark: str) -> None:
        data = sample("THPT", 10)
        data["mon.GDQP_AN"] |= {"hk1": mark, "hk2": "8.3", "ca_nam": "8.3"}
        assert parse(data).to_input() == data
        data["mon.GDQP_AN"] |= {"ca_nam": "8.2"}
        assert places(data) == {("mon.GDQP_AN.ca_nam", "contradiction")}

    @pytest.mark.parametrize("code", ["GIAO_DUC_THE_CHAT", "TOAN"])
    def test_the_whole_year_by_mark(self, code: str) -> None:
        data = sample("THCS", 6)
        data[f"mon.{code}"] |= {"hk1": "M", "hk2": "M", "ca_nam": "M"}
        assert parse(data).to_input() == data
        data[f"mon.{code}"] |= {"ca_nam": "8.0" if code == "TOAN" else "Đạt"}
        assert places(data) == {(f"mon.{code}.ca_nam", "contradiction")}

    def test_a_mark_earned_in_both_semesters_is_not_exempt_over_the_year(self) -> None:
        data = sample("THCS", 6)
        data["mon.TOAN"] |= {"ca_nam": "Miễn"}
        assert ("mon.TOAN.ca_nam", "contradiction") in places(data)

    def test_an_exempt_subject_does_not_count(self) -> None:
        data = sample("THCS", 6)
        data["mon.TOAN"] |= {"hk1": "2.0", "hk2": "2.0", "ca_nam": "2.0"}
        assert ("kq_hoc_tap_ca_nam", "contradiction") in places(data)
        data["mon.TOAN"] = {"ten": "Toán", "mien": True}
        parse(data)


def weak(level: str = "THCS", grade: int = 6) -> dict[str, Any]:
    """A pupil with two subjects under 3.5: Chưa đạt, not promoted, before summer."""
    data = changed(level, grade, khen_thuong=None, kq_hoc_tap_ca_nam="Chưa đạt")
    data |= {"kq_hoc_tap_hk1": "Chưa đạt", "kq_hoc_tap_hk2": "Chưa đạt"}
    for code in ("TOAN", "NGU_VAN"):
        data[f"mon.{code}"] |= {"hk1": "3.0", "hk2": "3.0", "ca_nam": "3.0"}
    name = "hoan_thanh_ct" if "hoan_thanh_ct" in data else "ket_qua_len_lop"
    data[name] = outcome_phrases(level, grade, name)[1][0]
    return data


class TestDerivedSecondary:
    def test_comment_subjects_take_the_second_semester(self) -> None:
        data = sample("THCS", 6)
        data["mon.NGHE_THUAT"] |= {"hk1": "Chưa đạt", "hk2": "Đạt", "ca_nam": "Chưa đạt"}
        assert ("mon.NGHE_THUAT.ca_nam", "contradiction") in places(data)

    @pytest.mark.parametrize("name", ["kq_hoc_tap_hk1", "kq_hoc_tap_hk2", "kq_hoc_tap_ca_nam"])
    def test_study_results_follow_from_the_subjects(self, name: str) -> None:
        assert (name, "contradiction") in places(changed("THCS", 6, **{name: "Đạt"}))

    def test_conduct_table_reads_hk2_first(self) -> None:
        data = changed(
            "THCS", 6, kq_ren_luyen_hk1="Chưa đạt", kq_ren_luyen_hk2="Tốt", kq_ren_luyen_ca_nam="Khá"
        )
        data["khen_thuong"] = "Khen đột xuất"
        parse(data)
        data |= {"kq_ren_luyen_hk1": "Tốt", "kq_ren_luyen_hk2": "Chưa đạt"}
        assert ("kq_ren_luyen_ca_nam", "contradiction") in places(data)

    @pytest.mark.parametrize(("absences", "promoted_"), [(45, True), (46, False)])
    def test_more_than_45_absences(self, absences: int, promoted_: bool) -> None:
        data = changed("THCS", 6, tong_so_buoi_nghi=absences)
        if promoted_:
            parse(data)
        else:
            (problem,) = problems(data)
            assert problem.where == "ket_qua_len_lop"
            assert "“Được lên lớp”" in problem.message
            assert "“Không được lên lớp”" in problem.message
            data["ket_qua_len_lop"] = "Không được lên lớp"
            parse(data)

    @pytest.mark.parametrize(("level", "grade"), [("THCS", 9), ("THPT", 12), ("GDTX_THPT", 12)])
    def test_completion_in_the_last_grade(self, level: str, grade: int) -> None:
        data = weak(level, grade)
        parse(data)
        data["hoan_thanh_ct"] = outcome_phrases(level, grade, "hoan_thanh_ct")[0][0]
        assert places(data) == {("hoan_thanh_ct", "contradiction")}

    def test_further_words_may_follow_the_outcome(self) -> None:
        text = "Được lên lớp. Rèn luyện thêm môn Toán trong hè"
        assert parse(changed("THCS", 6, ket_qua_len_lop=text)).fields()["ket_qua_len_lop"] == text
        for text in ("Hoàn thành chương trình", "Hoàn thành chương trình trung học cơ sở."):
            parse(changed("THCS", 9, hoan_thanh_ct=text))

    def test_a_pupil_promoted_after_reassessment(self) -> None:
        data = weak()
        data["mon.TOAN"] |= {"sau_danh_gia_lai": "6.0"}
        data["mon.NGU_VAN"] |= {"sau_danh_gia_lai": "5.0"}
        data["kq_hoc_tap_sau_danh_gia_lai"] = "Khá"
        data["ket_qua_len_lop"] = "Được lên lớp"
        parse(data)
        data["ket_qua_len_lop"] = "Không được lên lớp"
        assert places(data) == {("ket_qua_len_lop", "contradiction")}
        data["ket_qua_len_lop"] = "Được lên lớp"
        data["kq_hoc_tap_sau_danh_gia_lai"] = "Tốt"
        assert places(data) == {("kq_hoc_tap_sau_danh_gia_lai", "contradiction")}
        del data["kq_hoc_tap_sau_danh_gia_lai"]
        assert ("kq_hoc_tap_sau_danh_gia_lai", "missing") in places(data)

    def test_reassessment_is_for_those_who_need_it(self) -> None:
        data = sample("THCS", 6)
        data["mon.TOAN"] |= {"sau_danh_gia_lai": "9.0"}
        assert ("mon.TOAN.sau_danh_gia_lai", "not_entitled") in places(data)
        data["kq_hoc_tap_sau_danh_gia_lai"] = "Tốt"
        assert ("kq_hoc_tap_sau_danh_gia_lai", "not_entitled") in places(data)
        data = changed("THCS", 6, kq_hoc_tap_sau_danh_gia_lai="Tốt")
        assert places(data) == {("kq_hoc_tap_sau_danh_gia_lai", "not_entitled")}

    def test_summer_training(self) -> None:
        data = changed(
            "THCS", 6, kq_ren_luyen_hk2="Chưa đạt", kq_ren_luyen_ca_nam="Chưa đạt", khen_thuong=None
        )
        data["ket_qua_len_lop"] = "Không được lên lớp"
        parse(data)
        data |= {"kq_ren_luyen_sau_he": "Đạt", "ket_qua_ren_luyen_he": "Hoàn thành nhiệm vụ"}
        assert places(data) == {("ket_qua_len_lop", "contradiction")}
        data["ket_qua_len_lop"] = "Được lên lớp"
        parse(data)
        assert places(changed("THCS", 6, kq_ren_luyen_sau_he="Tốt")) == {
            ("kq_ren_luyen_sau_he", "not_entitled")
        }

    @pytest.mark.parametrize(
        ("level", "award", "right"),
        [
            ("THCS", "Học sinh Giỏi", True),
            ("THCS", "Danh hiệu “Học sinh giỏi” năm học 2025-2026; Giải Nhất thi vẽ", True),
            ("THCS", "Đạt danh hiệu Học sinh Giỏi", True),
            ("THCS", "Học sinh Giỏi, Giải Nhì học sinh giỏi cấp tỉnh môn Tin học.", True),
            ("THCS", "Học sinh Xuất sắc", False),
            ("THCS", "Giải Ba; HỌC SINH XUẤT SẮC", False),
            ("THCS", "Học sinh Tiên tiến", False),
            ("GDTX_THPT", "Học viên Giỏi", True),
            ("GDTX_THPT", "Học sinh Giỏi", True),
            ("GDTX_THPT", "Học viên Xuất sắc", False),
            ("GDTX_THPT", "Học viên Tiên tiến", False),
        ],
    )
    def test_titles(self, level: str, award: str, right: bool) -> None:
        data = changed(level, level_info(level).grades[0], khen_thuong=award)
        if right:
            assert parse(data).warnings == ()
        else:
            assert places(data) == {("khen_thuong", "contradiction")}

    def test_a_prize_is_not_a_title(self) -> None:
        data = weak()
        data["khen_thuong"] = "Giải Khuyến khích học sinh giỏi cấp trường"
        parse(data)

    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from([e for e in EVERY if e[0] is not Level.TIEU_HOC]), st.data())
    def test_what_is_computed_parses_and_any_other_value_does_not(
        self, which: tuple[Level, int], data: st.DataObject
    ) -> None:
        row = computed(*which, data)
        record = parse(row)
        assert parse(record.to_input()) == record
        # One derived value, changed to another of its own vocabulary, is found and named.
        name = data.draw(
            st.sampled_from(["kq_hoc_tap_hk1", "kq_hoc_tap_hk2", "kq_hoc_tap_ca_nam", "kq_ren_luyen_ca_nam"])
        )
        levels = ["Tốt", "Khá", "Đạt", "Chưa đạt"]
        row[name] = data.draw(st.sampled_from([v for v in levels if v != row[name]]))
        code = data.draw(st.sampled_from([s.code for s in subjects(*which) if f"mon.{s.code}" in row]))
        old = row[f"mon.{code}"]["ca_nam"]
        other = {"Đạt": "Chưa đạt", "Chưa đạt": "Đạt"}.get(old) or data.draw(
            SCORES.filter(lambda s: s != old)
        )
        row[f"mon.{code}"]["ca_nam"] = other
        found = places(row)
        assert (f"mon.{code}.ca_nam", "contradiction") in found
        if name != "kq_hoc_tap_ca_nam":  # the year's result is compared with the subjects as stated
            assert (name, "contradiction") in found


def computed(level: Level, grade: int, data: st.DataObject) -> dict[str, Any]:
    """A record with drawn marks whose derived values are computed with the public functions."""
    row = sample(level, grade)
    values: dict[str, tuple[list[str], list[str]]] = {term: ([], []) for term in ("hk1", "hk2", "ca_nam")}
    for name, mark in row.items():
        if not name.startswith("mon."):
            continue
        if "." in mark["hk1"]:
            mark["hk1"], mark["hk2"] = data.draw(SCORES), data.draw(SCORES)
            mark["ca_nam"] = year_average(mark["hk1"], mark["hk2"])
        else:
            mark["hk2"] = mark["ca_nam"] = data.draw(st.sampled_from(["Đạt", "Đạt", "Đạt", "Chưa đạt"]))
        for term, (scores, comments) in values.items():
            (scores if "." in mark[term] else comments).append(mark[term])
    for term, marks in values.items():
        row[f"kq_hoc_tap_{term}"] = study_result(*marks)
    levels = st.sampled_from(["Tốt", "Khá", "Đạt", "Chưa đạt"])
    row["kq_ren_luyen_hk1"], row["kq_ren_luyen_hk2"] = data.draw(levels), data.draw(levels)
    conduct = conduct_year(row["kq_ren_luyen_hk1"], row["kq_ren_luyen_hk2"])
    row["kq_ren_luyen_ca_nam"] = conduct
    row["tong_so_buoi_nghi"] = data.draw(st.integers(0, 60))
    award = secondary_award(level, conduct, row["kq_hoc_tap_ca_nam"], values["ca_nam"][0])
    if award is None:
        del row["khen_thuong"]
    else:
        row["khen_thuong"] = award
    passed = promoted(conduct, row["kq_hoc_tap_ca_nam"], row["tong_so_buoi_nghi"])
    name = "hoan_thanh_ct" if "hoan_thanh_ct" in row else "ket_qua_len_lop"
    row[name] = outcome_phrases(level, grade, name)[0 if passed else 1][0]
    return row


class TestDerivedPrimary:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 5), st.data())
    def test_what_is_computed_parses_and_any_other_result_does_not(
        self, grade: int, data: st.DataObject
    ) -> None:
        row = sample("TIEU_HOC", grade)
        good = data.draw(st.booleans())
        marks = [m for name, m in row.items() if name.startswith("mon.")]
        for mark in marks:
            mark["muc_dat_duoc"] = "T" if good else data.draw(st.sampled_from("TTTHHC"))
            if "diem_ktdk" in mark:
                mark["diem_ktdk"] = str(data.draw(st.integers(7 if good else 3, 10)))
        qualities = [name for name in row if name.startswith(("pham_chat.", "nang_luc."))]
        for name in qualities:
            row[name] = "T" if good else data.draw(st.sampled_from("TTĐĐC"))
        result = primary_result(
            [m["muc_dat_duoc"] for m in marks],
            [m["diem_ktdk"] for m in marks if "diem_ktdk" in m],
            [row[name] for name in qualities],
        )
        row["ket_qua_giao_duc"] = result
        row["hoan_thanh"] = outcome_phrases("TIEU_HOC", grade, "hoan_thanh")[
            0 if primary_completed(result) else 1
        ][0]
        row["khen_thuong"] = primary_award(result) or "Thư khen của Hiệu trưởng"
        record = parse(row)
        assert parse(record.to_input()) == record
        row["ket_qua_giao_duc"] = data.draw(
            st.sampled_from(
                [
                    r
                    for r in ("Hoàn thành xuất sắc", "Hoàn thành tốt", "Hoàn thành", "Chưa hoàn thành")
                    if r != result
                ]
            )
        )
        assert ("ket_qua_giao_duc", "contradiction") in places(row)

    @pytest.mark.parametrize(
        ("grade", "text"),
        [
            (3, "Hoàn thành chương trình lớp học"),
            (3, "Hoàn thành chương trình lớp 3"),
            (3, "Hoàn thành chương trình lớp 3. Được lên lớp 4"),
            (5, "Hoàn thành chương trình tiểu học"),
            (5, "Hoàn thành chương trình lớp 5"),
        ],
    )
    def test_completion_wordings(self, grade: int, text: str) -> None:
        parse(changed("TIEU_HOC", grade, hoan_thanh=text))

    def test_completion_must_agree_with_the_result(self) -> None:
        (problem,) = problems(changed("TIEU_HOC", 3, hoan_thanh="Chưa hoàn thành chương trình lớp học"))
        assert problem.where == "hoan_thanh"
        assert "“Chưa hoàn thành chương trình lớp học” nhưng tính được “Hoàn thành" in problem.message

    @pytest.mark.parametrize(
        ("award", "right"),
        [
            ("Học sinh Xuất sắc", True),
            ("Thư khen của Hiệu trưởng", True),
            ("Học sinh Tiêu biểu hoàn thành tốt trong học tập và rèn luyện", False),
            ("Học sinh Tiêu biểu", False),
            ("Học sinh Giỏi", False),
        ],
    )
    def test_titles(self, award: str, right: bool) -> None:
        data = changed("TIEU_HOC", 4, khen_thuong=award)
        if right:
            parse(data)
        else:
            assert places(data) == {("khen_thuong", "contradiction")}

    def test_zero_is_a_mark(self) -> None:
        data = changed(
            "TIEU_HOC", 4, ket_qua_giao_duc="Chưa hoàn thành", khen_thuong=None,
            hoan_thanh="Chưa hoàn thành chương trình lớp học",
        )  # fmt: skip
        data["mon.TOAN"]["diem_ktdk"] = "0"
        parse(data)

    def test_the_language_of_grade_one_needs_no_test(self) -> None:
        data = sample("TIEU_HOC", 1)
        del data["mon.NGOAI_NGU_1"]["diem_ktdk"]
        parse(data)


class TestOverrides:
    REASON = "Hội đồng trường quyết định, biên bản số 12"

    def override(self, data: dict[str, Any], *fields: str) -> Record:
        return parse(data | {"ghi_de": [{"truong": f, "ly_do": self.REASON} for f in fields]})

    @pytest.mark.parametrize(
        ("level", "fields", "where"),
        [
            ("THCS", {"kq_ren_luyen_ca_nam": "Tốt", "kq_ren_luyen_hk2": "Khá"}, "kq_ren_luyen_ca_nam"),
            ("THCS", {"kq_hoc_tap_hk1": "Khá"}, "kq_hoc_tap_hk1"),
            ("THCS", {"ket_qua_len_lop": "Không được lên lớp"}, "ket_qua_len_lop"),
            ("THCS", {"khen_thuong": "Học sinh Xuất sắc"}, "khen_thuong"),
            ("THCS", {"kq_ren_luyen_hk1": None}, "kq_ren_luyen_hk1"),
            ("THCS", {"mon__TIN_HOC": None}, "mon.TIN_HOC"),
            ("THPT", {"mon__DIA_LI": None}, "mon"),
            ("GDTX_THPT", {"chuc_vu": "Hiệu trưởng"}, "chuc_vu"),
            ("TIEU_HOC", {"hoan_thanh": "Chưa hoàn thành chương trình lớp học"}, "hoan_thanh"),
            ("TIEU_HOC", {"mon__TOAN": None}, "mon.TOAN"),
        ],
    )
    def test_a_reason_silences_that_field_and_is_kept(
        self, level: str, fields: dict[str, Any], where: str
    ) -> None:
        data = changed(level, level_info(level).grades[0], **fields)
        assert {w for w, _ in places(data)} == {where}
        record = self.override(data, where)
        assert record.fields()["ghi_de"] == [{"truong": where, "ly_do": self.REASON}]
        assert parse(record.to_input()) == record

    def test_it_silences_no_other_field(self) -> None:
        data = changed("THCS", 6, kq_hoc_tap_hk1="Khá", kq_hoc_tap_hk2="Khá")
        with pytest.raises(InvalidInput) as caught:
            self.override(data, "kq_hoc_tap_hk1")
        assert [p.where for p in caught.value.problems] == ["kq_hoc_tap_hk2"]

    def test_an_overridden_average_is_what_the_result_rests_on(self) -> None:
        data = sample("THCS", 6)
        data["mon.TOAN"]["ca_nam"] = "6.4"
        with pytest.raises(InvalidInput) as caught:
            self.override(data, "mon.TOAN.ca_nam")
        assert {p.where for p in caught.value.problems} == {"kq_hoc_tap_ca_nam"}

    def test_a_semester_not_attended_is_explained(self) -> None:
        data = sample("THCS", 6)
        del data["mon.TOAN"]["hk1"]
        data["mon.TOAN"]["ca_nam"] = "8.3"
        assert places(data) == {("mon.TOAN.hk1", "missing")}
        self.override(data, "mon.TOAN.hk1")
        data["mon.TOAN"]["ca_nam"] = "8.2"
        with pytest.raises(InvalidInput) as caught:
            self.override(data, "mon.TOAN.hk1")
        assert [p.where for p in caught.value.problems] == ["mon.TOAN.ca_nam"]

    def test_form_cannot_be_overridden(self) -> None:
        data = changed("THCS", 6, gioi_tinh="x")
        data["mon.TOAN"]["hk1"] = "11.0"
        with pytest.raises(InvalidInput) as caught:
            self.override(data, "gioi_tinh", "mon.TOAN.hk1", "khong_co")
        assert {(p.where, p.code) for p in caught.value.problems} == {
            ("gioi_tinh", "not_in_list"),
            ("mon.TOAN.hk1", "wrong_form"),
            ("ghi_de[1].truong", "not_overridable"),
            ("ghi_de[3].truong", "not_overridable"),
        }

    def test_a_reason_is_words_and_given_once(self) -> None:
        data = changed("THCS", 6, kq_hoc_tap_hk1="Khá")
        for entries, expected in (
            ([{"truong": "kq_hoc_tap_hk1"}], ("ghi_de[1].ly_do", "missing")),
            ([{"truong": "kq_hoc_tap_hk1", "ly_do": ""}], ("ghi_de[1].ly_do", "blank")),
            ([{"truong": "kq_hoc_tap_hk1", "ly_do": "a"}] * 2, ("ghi_de[2].truong", "repeated")),
        ):
            assert expected in places(data | {"ghi_de": entries})


def test_a_decomposed_value_of_a_closed_list_is_refused_with_the_reason() -> None:
    """The two look the same, so the sentence must say what differs."""
    names = {"ket_qua_giao_duc", "hoan_thanh"}
    data = sample("TIEU_HOC", 1)
    data |= {name: unicodedata.normalize("NFD", data[name]) for name in names}
    found = problems(data)
    assert {p.where for p in found} == names
    assert all("dạng tổ hợp (NFD)" in p.message for p in found)


def test_a_title_counts_in_either_unicode_form_and_stays_as_given() -> None:
    title = unicodedata.normalize("NFD", "Danh hiệu Học sinh Xuất sắc")
    data = sample("THCS", 6) | {"khen_thuong": title}
    assert ("khen_thuong", "contradiction") in places(data)


def test_a_mark_above_ten_is_out_of_range_whatever_its_decimals() -> None:
    for mark, said in (("11.0", "11,0 ngoài khoảng 0–10"), ("10.25", "10,25 ngoài khoảng 0–10")):
        data = sample("THCS", 6)
        data["mon.TOAN"]["hk1"] = mark
        assert said in problems(data)[0].message
