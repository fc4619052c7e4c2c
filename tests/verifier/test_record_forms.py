"""No gap between the circulars' forms, the models, the page and the published schema."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.record_samples import sample
from verifier.errors import InvalidInput
from verifier.record import (
    ColumnKind,
    CommentRow,
    Common,
    Level,
    PrimaryTestedRow,
    PrimaryYear,
    Record,
    ScoredRow,
    SecondaryYear,
    columns,
    field_specs,
    json_schema,
    level_info,
    parse,
    printed_fields,
    subjects,
)
from verifier.record.vocabulary import DATA

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "record.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
SECONDARY = (Level.THCS, Level.THPT, Level.GDTX_THPT)
ALL = tuple(Level)
PRIMARY = (Level.TIEU_HOC,)

# Every entry of the forms (TT 27/2020, TT 22/2021, TT 43/2021): what the form calls it → (levels, field).
FORM: dict[str, tuple[tuple[Level, ...], str]] = {
    "Họ và tên": (ALL, "ho_va_ten"),
    "Giới tính": (ALL, "gioi_tinh"),
    "Ngày sinh": (ALL, "ngay_sinh"),
    "Dân tộc": (ALL, "dan_toc"),
    "Quốc tịch": (ALL, "quoc_tich"),
    "Đối tượng (diện chính sách)": (ALL, "doi_tuong"),
    "Số định danh cá nhân": (ALL, "so_dinh_danh_ca_nhan"),
    "Nơi sinh": (ALL, "noi_sinh"),
    "Quê quán": (ALL, "que_quan"),
    "Nơi ở hiện tại": (ALL, "noi_o_hien_tai"),
    "Họ tên cha": (ALL, "cha_ho_ten"),
    "Nghề nghiệp cha": (ALL, "cha_nghe_nghiep"),
    "Họ tên mẹ": (ALL, "me_ho_ten"),
    "Nghề nghiệp mẹ": (ALL, "me_nghe_nghiep"),
    "Họ tên người giám hộ": (ALL, "nguoi_giam_ho_ho_ten"),
    "Nghề nghiệp người giám hộ": (ALL, "nguoi_giam_ho_nghe_nghiep"),
    "Trường": (ALL, "truong"),
    "Xã, phường": (ALL, "xa_phuong"),
    "Huyện, quận (trước 07/2025)": (ALL, "quan_huyen"),
    "Tỉnh, thành phố": (ALL, "tinh_thanh"),
    "Lớp": (ALL, "lop"),
    "Quá trình học tập": (ALL, "qua_trinh_hoc_tap"),
    "Người ký": (ALL, "nguoi_ky"),
    "Chức vụ": (ALL, "chuc_vu"),
    "Ngày ký phát hành": (ALL, "ngay_ky_phat_hanh"),
    "Ghi đè kèm lý do": (ALL, "ghi_de"),
    "Chiều cao": (PRIMARY, "chieu_cao"),
    "Cân nặng": (PRIMARY, "can_nang"),
    "Số ngày nghỉ có phép": (PRIMARY, "nghi_co_phep"),
    "Số ngày nghỉ không phép": (PRIMARY, "nghi_khong_phep"),
    "Đánh giá kết quả giáo dục": (PRIMARY, "ket_qua_giao_duc"),
    "Khen thưởng": (ALL, "khen_thuong"),
    "Hoàn thành chương trình": (PRIMARY, "hoan_thanh"),
    "Số sổ đăng bộ": (SECONDARY, "so_so_dang_bo"),
    "Kết quả rèn luyện học kì I": (SECONDARY, "kq_ren_luyen_hk1"),
    "Kết quả rèn luyện học kì II": (SECONDARY, "kq_ren_luyen_hk2"),
    "Kết quả rèn luyện cả năm": (SECONDARY, "kq_ren_luyen_ca_nam"),
    "Kết quả rèn luyện sau rèn luyện trong hè": (SECONDARY, "kq_ren_luyen_sau_he"),
    "Kết quả học tập học kì I": (SECONDARY, "kq_hoc_tap_hk1"),
    "Kết quả học tập học kì II": (SECONDARY, "kq_hoc_tap_hk2"),
    "Kết quả học tập cả năm": (SECONDARY, "kq_hoc_tap_ca_nam"),
    "Kết quả học tập sau đánh giá lại": (SECONDARY, "kq_hoc_tap_sau_danh_gia_lai"),
    "Tổng số buổi nghỉ": (SECONDARY, "tong_so_buoi_nghi"),
    "Kết quả lên lớp": (SECONDARY, "ket_qua_len_lop"),
    "Hoàn thành chương trình (lớp 9, lớp 12)": (SECONDARY, "hoan_thanh_ct"),
    "Chứng chỉ": (SECONDARY, "chung_chi"),
    "Kết quả cuộc thi": (SECONDARY, "ket_qua_cuoc_thi"),
    "Kết quả rèn luyện trong hè": (SECONDARY, "ket_qua_ren_luyen_he"),
    "Nhận xét của giáo viên chủ nhiệm": (SECONDARY, "nhan_xet_gvcn"),
    "Phê duyệt của hiệu trưởng": (SECONDARY, "phe_duyet_hieu_truong"),
}
QUALITY_FIELDS = [
    "pham_chat.YEU_NUOC",
    "pham_chat.NHAN_AI",
    "pham_chat.CHAM_CHI",
    "pham_chat.TRUNG_THUC",
    "pham_chat.TRACH_NHIEM",
    "nang_luc.TU_CHU_TU_HOC",
    "nang_luc.GIAO_TIEP_HOP_TAC",
    "nang_luc.GIAI_QUYET_VAN_DE_SANG_TAO",
    "nang_luc.NGON_NGU",
    "nang_luc.TINH_TOAN",
    "nang_luc.KHOA_HOC",
    "nang_luc.CONG_NGHE",
    "nang_luc.TIN_HOC",
    "nang_luc.THAM_MI",
    "nang_luc.THE_CHAT",
]
FORM |= {
    f"{quality['group']}: {quality['name']}": (PRIMARY, name)
    for quality, name in zip(DATA["tieu_hoc_pham_chat_nang_luc"], QUALITY_FIELDS, strict=True)
}

# Facts of the form that are header facts, not disclosures.
HEADER_FACTS = {
    "Năm học": "year",
    "Khối": "grade",
    "Cấp học": "level",
    "Quy định đánh giá": "scheme",
    "Mã trường": "issuer",
}
# Codes for software; the forms print the words.
UNPRINTED = {"xa_phuong_ma", "tinh_thanh_ma"}

# The subjects of the programmes, by grade: required, elective, optional.
REQUIRED: dict[int | str, str] = {
    1: (
        "TIENG_VIET TOAN DAO_DUC TU_NHIEN_XA_HOI GIAO_DUC_THE_CHAT NGHE_THUAT_AM_NHAC "
        "NGHE_THUAT_MI_THUAT HOAT_DONG_TRAI_NGHIEM"
    ),
    3: (
        "TIENG_VIET TOAN NGOAI_NGU_1 DAO_DUC TU_NHIEN_XA_HOI TIN_HOC_CONG_NGHE_TIN_HOC "
        "TIN_HOC_CONG_NGHE_CONG_NGHE GIAO_DUC_THE_CHAT NGHE_THUAT_AM_NHAC NGHE_THUAT_MI_THUAT "
        "HOAT_DONG_TRAI_NGHIEM"
    ),
    4: (
        "TIENG_VIET TOAN NGOAI_NGU_1 DAO_DUC LICH_SU_DIA_LI KHOA_HOC TIN_HOC_CONG_NGHE_TIN_HOC "
        "TIN_HOC_CONG_NGHE_CONG_NGHE GIAO_DUC_THE_CHAT NGHE_THUAT_AM_NHAC NGHE_THUAT_MI_THUAT "
        "HOAT_DONG_TRAI_NGHIEM"
    ),
    "THCS": (
        "NGU_VAN TOAN NGOAI_NGU_1 GIAO_DUC_CONG_DAN LICH_SU_DIA_LI KHOA_HOC_TU_NHIEN CONG_NGHE "
        "TIN_HOC GIAO_DUC_THE_CHAT NGHE_THUAT HDTN_HN GD_DIA_PHUONG"
    ),
    "THPT": ("NGU_VAN TOAN NGOAI_NGU_1 LICH_SU GIAO_DUC_THE_CHAT GDQP_AN HDTN_HN GD_DIA_PHUONG"),
    "GDTX_THPT": ("NGU_VAN TOAN LICH_SU"),
}
OTHERS: dict[int | str, str] = {
    1: ("NGOAI_NGU_1 TIENG_DAN_TOC"),
    3: ("TIENG_DAN_TOC"),
    4: ("TIENG_DAN_TOC"),
    "THCS": ("TIENG_DTTS NGOAI_NGU_2"),
    "THPT": (
        "DIA_LI GD_KT_PL VAT_LI HOA_HOC SINH_HOC CONG_NGHE TIN_HOC AM_NHAC MI_THUAT TIENG_DTTS NGOAI_NGU_2"
    ),
    "GDTX_THPT": (
        "DIA_LI GD_KT_PL VAT_LI HOA_HOC SINH_HOC CONG_NGHE TIN_HOC NGOAI_NGU TIENG_DTTS GD_DIA_PHUONG"
    ),
}
PROGRAMME = {1: 1, 2: 1, 3: 3, 4: 4, 5: 4}
EVERY = [(level, grade) for level in Level for grade in level_info(level).grades]
ROW_FIELDS = {
    "level_THC": ["ten", "muc_dat_duoc", "nhan_xet", "mien"],
    "level_THC+integer_score": ["ten", "muc_dat_duoc", "nhan_xet", "mien", "diem_ktdk"],
    "score_1dp": ["ten", "hk1", "hk2", "ca_nam", "sau_danh_gia_lai", "nhan_xet", "mien"],
    "pass_fail": ["ten", "hk1", "hk2", "ca_nam", "sau_danh_gia_lai", "nhan_xet", "mien"],
}


class TestNoGap:
    @pytest.mark.parametrize(("entry", "levels", "name"), [(e, *where) for e, where in FORM.items()])
    def test_every_entry_of_the_form_has_a_field_and_a_place(
        self, entry: str, levels: tuple[Level, ...], name: str
    ) -> None:
        for level in Level:
            known = {spec.name for grade in level_info(level).grades for spec in field_specs(level, grade)}
            assert (name in known) == (level in levels), entry
            assert (name in printed_fields(level)) == (level in levels), entry

    @pytest.mark.parametrize("level", ALL)
    def test_nothing_is_a_field_that_is_not_on_the_form(self, level: Level) -> None:
        of_form = {name for levels, name in FORM.values() if level in levels}
        of_subjects = {s.field for s in level_info(level).subjects}
        for grade in level_info(level).grades:
            assert {spec.name for spec in field_specs(level, grade)} <= of_form | of_subjects | UNPRINTED
        assert set(printed_fields(level)) == of_form | of_subjects

    def test_every_model_attribute_is_reached(self) -> None:
        fields = {spec.name.partition(".")[0] for which in EVERY for spec in field_specs(*which)}
        models = (Common, PrimaryYear, SecondaryYear)
        attributes = {f.name for model in models for f in dataclasses.fields(model)}
        assert attributes | {"ghi_de"} == fields
        record_facts = {f.name for f in dataclasses.fields(Record)}
        assert set(HEADER_FACTS.values()) <= record_facts

    @pytest.mark.parametrize(("level", "grade"), EVERY)
    def test_the_subjects_of_each_grade(self, level: Level, grade: int) -> None:
        key = PROGRAMME.get(grade, level.value)
        required = REQUIRED[key].split()
        found = subjects(level, grade)
        assert Counter(s.code for s in found if s.required_in(grade)) == Counter(required)
        assert {s.code for s in found} == {*required, *OTHERS[key].split()}
        for subject in found:
            flat = [name for name in columns(level, grade) if name.startswith(f"{subject.field}.")]
            assert flat == [f"{subject.field}.{name}" for name in ROW_FIELDS[subject.assessment]]

    def test_every_subject_of_the_data_is_a_row_of_its_level(self) -> None:
        for name, data in DATA["levels"].items():
            if not data["subjects"]:
                assert name == "GDTX_THCS"
                continue
            assert [s["code"] for s in data["subjects"]] == [s.code for s in level_info(name).subjects]
            for subject in level_info(name).subjects:
                for grade in (*subject.grades, *subject.optional_grades):
                    assert subject.field in {spec.name for spec in field_specs(name, grade)}
                assert subject.field in printed_fields(name)

    def test_every_scale_of_the_data_is_used(self) -> None:
        """Every value of every scale is accepted where it belongs."""
        accepted = json.dumps(json_schema(), ensure_ascii=False)
        for name, scale in DATA["scales"].items():
            for value in scale.get("values", []):
                text = value["code"] if isinstance(value, dict) else value
                assert json.dumps(text, ensure_ascii=False)[1:-1] in accepted, (name, text)
        for outcomes in DATA["year_outcomes"].values():
            for phrase in (p for group in outcomes.values() for p in group):
                assert phrase in accepted

    def test_tested_subjects_of_primary(self) -> None:
        assert {s.code for s in subjects("TIEU_HOC", 5) if s.tested_in(5)} == {
            "TIENG_VIET", "TOAN", "NGOAI_NGU_1", "LICH_SU_DIA_LI", "KHOA_HOC", "TIN_HOC_CONG_NGHE_TIN_HOC",
            "TIN_HOC_CONG_NGHE_CONG_NGHE",
        }  # fmt: skip
        assert {s.code for s in subjects("TIEU_HOC", 1) if s.tested_in(1)} == {"TIENG_VIET", "TOAN"}

    def test_columns_say_how_to_read_a_cell(self) -> None:
        found = columns("TIEU_HOC", 4) | columns("THCS", 9)
        expected = {
            "ho_va_ten": ColumnKind.TEXT,
            "ngay_sinh": ColumnKind.DATE,
            "chieu_cao": ColumnKind.DECIMAL,
            "nghi_co_phep": ColumnKind.INTEGER,
            "mon.TOAN.hk1": ColumnKind.SCORE,
            "mon.NGHE_THUAT.ca_nam": ColumnKind.SCORE,
            "mon.KHOA_HOC.diem_ktdk": ColumnKind.WHOLE_SCORE,
            "mon.TOAN.mien": ColumnKind.FLAG,
            "chung_chi": ColumnKind.LIST,
        }
        assert {name: found[name] for name in expected} == expected
        assert ColumnKind.OBJECT not in found.values()

    def test_a_full_sample_fills_every_field(self) -> None:
        """The samples of the other tests leave out only what cannot stand beside the rest."""
        sometimes = {"quan_huyen", "ghi_de", "kq_ren_luyen_sau_he", "kq_hoc_tap_sau_danh_gia_lai",
                     "ket_qua_ren_luyen_he", "ket_qua_len_lop"}  # fmt: skip
        for level, grade in EVERY:
            missing = {spec.name for spec in field_specs(level, grade)} - parse(
                sample(level, grade)
            ).fields().keys()
            electives = {s.field for s in subjects(level, grade) if s.kind == "elective"}
            assert missing <= sometimes | electives


class TestSchema:
    def test_the_committed_file_is_fresh(self) -> None:
        assert json.loads(SCHEMA_FILE.read_text("utf-8")) == json_schema(), (
            "run: python -m verifier record --schema > docs/record.schema.json"
        )

    def test_it_is_a_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(json_schema())

    @pytest.mark.parametrize(("level", "grade"), EVERY)
    def test_full_records_are_valid(self, level: Level, grade: int) -> None:
        VALIDATOR.validate(sample(level, grade))

    @pytest.mark.parametrize(
        ("level", "grade", "change"),
        [
            ("THCS", 6, {"level": "GDTX_THCS"}),
            ("THCS", 6, {"scheme": "TT27"}),
            ("THCS", 6, {"grade": 13}),
            ("THCS", 6, {"grade": "6"}),
            ("THCS", 6, {"year": "2025"}),
            ("THCS", 6, {"ma_truong": ""}),
            ("THCS", 6, {"ho_va_ten": ""}),
            ("THCS", 6, {"ho_va_ten": " An"}),
            ("THCS", 6, {"ho_va_ten": "An 2"}),
            ("THCS", 6, {"ho_va_ten": "An\u0000"}),
            ("THCS", 6, {"gioi_tinh": "nam"}),
            ("THCS", 6, {"ngay_sinh": "1/1/2014"}),
            ("THCS", 6, {"so_dinh_danh_ca_nhan": "123"}),
            ("THCS", 6, {"dan_toc": None}),
            ("THCS", 6, {"noi_sinh": "x" * 301}),
            ("THCS", 6, {"qua_trinh_hoc_tap": []}),
            ("THCS", 6, {"qua_trinh_hoc_tap": [{"nam_hoc": "2024-2025"}]}),
            ("THCS", 6, {"mon.VAT_LI": {}}),
            ("THCS", 6, {"mon.TOAN": {"hk1": "8"}}),
            ("THCS", 6, {"mon.TOAN": {"hk1": "8.0", "mien": True}}),
            ("THCS", 6, {"mon.TOAN": {"diem": "8.0"}}),
            ("THCS", 6, {"mon.NGHE_THUAT": {"hk1": "8.0"}}),
            ("THCS", 6, {"kq_hoc_tap_hk1": "Giỏi"}),
            ("THCS", 6, {"ket_qua_len_lop": "Ở lại"}),
            ("THCS", 6, {"tong_so_buoi_nghi": -1}),
            ("THCS", 6, {"hoan_thanh_ct": "Hoàn thành chương trình"}),
            ("THCS", 6, {"la": "x"}),
            ("TIEU_HOC", 1, {"mon.KHOA_HOC": {}}),
            ("TIEU_HOC", 4, {"mon.TOAN": {"muc_dat_duoc": "T", "diem_ktdk": "9.5"}}),
            ("TIEU_HOC", 4, {"mon.DAO_DUC": {"muc_dat_duoc": "T", "diem_ktdk": "9"}}),
            ("TIEU_HOC", 4, {"pham_chat.YEU_NUOC": "H"}),
            ("TIEU_HOC", 4, {"chieu_cao": "132,5"}),
            ("TIEU_HOC", 4, {"ket_qua_giao_duc": "Tốt"}),
            ("TIEU_HOC", 4, {"ghi_de": [{"truong": "mon"}]}),
        ],
    )
    def test_schema_and_parser_refuse_the_same_forms(
        self, level: str, grade: int, change: dict[str, Any]
    ) -> None:
        data = sample(level, grade) | change
        assert not VALIDATOR.is_valid(data)
        with pytest.raises(InvalidInput):
            parse(data)

    @pytest.mark.parametrize(("level", "grade"), EVERY)
    def test_required_means_the_same(self, level: Level, grade: int) -> None:
        for name in sample(level, grade):
            data = sample(level, grade)
            del data[name]
            if not VALIDATOR.is_valid(data):
                with pytest.raises(InvalidInput) as caught:
                    parse(data)
                assert name in {p.where for p in caught.value.problems}

    @settings(max_examples=80, deadline=None)
    @given(st.sampled_from(EVERY), st.data())
    def test_whatever_parses_is_valid(self, which: tuple[Level, int], data: st.DataObject) -> None:
        """One to three fields set to anything: the schema never refuses what parse takes."""
        row = sample(*which)
        pool = [
            *(copy.deepcopy(v) for v in row.values()),
            "", "T", "Đ", "M", "Miễn", "Đạt", "2014", "8.0", "10.0", "0", "9", 0, 45, True, None, [], {},
            {"mien": True}, {"ten": "Toán", "hk1": "8.0"}, "Không được lên lớp. Ở lại lớp", "132.5",
        ]  # fmt: skip
        names = [spec.name for spec in field_specs(*which)]
        for _ in range(data.draw(st.integers(1, 3))):
            name = data.draw(st.sampled_from([*names, *row]))
            row[name] = data.draw(st.one_of(st.sampled_from(pool), st.text(max_size=12)))
        try:
            parse(row)
        except InvalidInput:
            return
        VALIDATOR.validate(row)

    def test_the_rows_are_the_models(self) -> None:
        definitions = json_schema()["$defs"]
        for model in (PrimaryTestedRow, ScoredRow, CommentRow):
            assert list(definitions[model.__name__]["properties"]) == [
                f.name for f in dataclasses.fields(model)
            ]
