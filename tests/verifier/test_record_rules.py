"""Derived values: averages, results, conduct, awards, promotion, and the vocabulary they rest on."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.record import (
    MAX_ABSENCES,
    Level,
    comparison_key,
    conduct_year,
    is_last_grade,
    level_info,
    mask_name,
    may_be_reassessed,
    outcome_phrases,
    primary_award,
    primary_completed,
    primary_result,
    promoted,
    regular_scores_required,
    secondary_award,
    semester_average,
    signature_fields,
    study_result,
    subject_code,
    subjects,
    year_average,
)

ORDER = ["Tốt", "Khá", "Đạt", "Chưa đạt"]
SCORES = st.integers(0, 100).map(lambda tenths: f"{tenths // 10}.{tenths % 10}")


def half_up(value: Fraction) -> str:
    """One decimal, ties away from zero, by whole-number arithmetic alone."""
    tenths = (value * 10 + Fraction(1, 2)).__floor__()
    return f"{tenths // 10}.{tenths % 10}"


class TestAverages:
    def test_a_tie_goes_up_where_floats_go_down(self) -> None:
        # (9.0 + 9.0 + 8.0 + 2·8.0 + 3·8.0) / 8 = 8.25
        assert round(8.25, 1) == 8.2
        assert semester_average(["9.0", "9.0", "8.0"], "8.0", "8.0") == "8.3"

    def test_year_is_one_part_hk1_and_two_parts_hk2(self) -> None:
        assert year_average("8.0", "8.3") == "8.2"
        assert year_average("10.0", "10.0") == "10.0"
        assert year_average("0.0", "0.1") == "0.1"
        assert year_average("9.0", "6.0") != year_average("6.0", "9.0")

    @settings(max_examples=60, deadline=None)
    @given(SCORES, SCORES)
    def test_year_average_agrees_with_exact_fractions(self, hk1: str, hk2: str) -> None:
        assert year_average(hk1, hk2) == half_up((Fraction(hk1) + 2 * Fraction(hk2)) / 3)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(SCORES, min_size=1, max_size=4), SCORES, SCORES)
    def test_semester_average_agrees_with_exact_fractions(
        self, regular: list[str], midterm: str, final: str
    ) -> None:
        total = sum(map(Fraction, regular)) + 2 * Fraction(midterm) + 3 * Fraction(final)
        assert semester_average(regular, midterm, final) == half_up(total / (len(regular) + 5))

    @pytest.mark.parametrize("bad", ["8", "8,3", "8.25", "10.1", "-1.0", "", "Đạt", "8.3 ", "٨.٣"])
    def test_what_is_no_score_is_refused(self, bad: str) -> None:
        with pytest.raises(ValueError, match="score"):
            year_average(bad, "8.0")

    def test_a_semester_without_regular_marks_has_no_average(self) -> None:
        with pytest.raises(ValueError, match="regular"):
            semester_average([], "8.0", "8.0")

    @pytest.mark.parametrize(("periods", "wanted"), [(1, 2), (35, 2), (36, 3), (70, 3), (71, 4), (140, 4)])
    def test_number_of_regular_marks(self, periods: int, wanted: int) -> None:
        assert regular_scores_required(periods) == wanted

    def test_no_periods_no_subject(self) -> None:
        with pytest.raises(ValueError, match="period"):
            regular_scores_required(0)


class TestStudyResult:
    """TT 22/2021 Đ.9.2 and 9.3."""

    PASSED: tuple[str, ...] = ("Đạt", "Đạt", "Đạt", "Đạt")

    @pytest.mark.parametrize(
        ("scores", "comments", "expected"),
        [
            (["8.0"] * 6 + ["6.5"] * 2, PASSED, "Tốt"),
            (["8.0"] * 5 + ["7.9"] * 3, PASSED, "Khá"),  # five at 8.0 are not six
            (["6.5"] * 6 + ["5.0"] * 2, PASSED, "Khá"),
            (["6.5"] * 5 + ["6.4"] * 3, PASSED, "Đạt"),
            (["5.0"] * 6 + ["3.5"] * 2, PASSED, "Đạt"),
            (["5.0"] * 6 + ["3.5"] * 2, ("Chưa đạt", "Đạt", "Đạt", "Đạt"), "Đạt"),  # one may fail
            (["5.0"] * 6 + ["3.5"] * 2, ("Chưa đạt", "Chưa đạt", "Đạt", "Đạt"), "Chưa đạt"),
            (["5.0"] * 5 + ["4.9"] * 3, PASSED, "Chưa đạt"),
            (["5.0"] * 7 + ["3.4"], PASSED, "Chưa đạt"),
        ],
    )
    def test_thresholds(self, scores: list[str], comments: tuple[str, ...], expected: str) -> None:
        assert study_result(scores, comments) == expected

    @pytest.mark.parametrize(
        ("scores", "comments", "expected"),
        [
            # Tốt but for one subject: down two levels to Đạt, raised to Khá.
            (["8.5"] * 7 + ["4.9"], PASSED, "Khá"),
            # Tốt but for one subject under 3.5: down three levels to Chưa đạt, raised to Đạt.
            (["8.5"] * 7 + ["3.4"], PASSED, "Đạt"),
            # Khá but for one subject under 3.5: down two levels to Chưa đạt, raised to Đạt.
            (["7.0"] * 7 + ["3.4"], PASSED, "Đạt"),
            # Tốt but for one comment subject: Đạt, raised to Khá.
            (["8.5"] * 8, ("Chưa đạt", "Đạt", "Đạt", "Đạt"), "Khá"),
            # One level down only: stays.
            (["8.5"] * 7 + ["6.4"], PASSED, "Khá"),
            # Two subjects pull down: no adjustment.
            (["8.5"] * 6 + ["4.9", "4.9"], PASSED, "Đạt"),
            (["8.5"] * 6 + ["3.4", "3.4"], PASSED, "Chưa đạt"),
            (["8.5"] * 7 + ["4.9"], ("Chưa đạt", "Đạt", "Đạt", "Đạt"), "Đạt"),
        ],
    )
    def test_one_single_subject_costs_one_level_less(
        self, scores: list[str], comments: tuple[str, ...], expected: str
    ) -> None:
        assert study_result(scores, comments) == expected

    @settings(max_examples=80, deadline=None)
    @given(
        st.lists(SCORES, min_size=6, max_size=12),
        st.lists(st.sampled_from(["Đạt", "Chưa đạt"]), max_size=4),
        st.data(),
    )
    def test_a_better_mark_never_makes_a_worse_result(
        self, scores: list[str], comments: list[str], data: st.DataObject
    ) -> None:
        place = data.draw(st.integers(0, len(scores) - 1))
        better = data.draw(SCORES.filter(lambda s: Fraction(s) >= Fraction(scores[place])))
        raised = [*scores[:place], better, *scores[place + 1 :]]
        before, after = study_result(scores, comments), study_result(raised, comments)
        assert ORDER.index(after) <= ORDER.index(before)

    def test_a_comment_is_one_of_two(self) -> None:
        with pytest.raises(ValueError, match="comment"):
            study_result(["8.0"] * 8, ["Tốt"])


class TestConduct:
    """TT 22/2021 Đ.8.2, every one of the sixteen cases, from the text of the clause."""

    @pytest.mark.parametrize(("hk1", "hk2"), list(itertools.product(ORDER, ORDER)))
    def test_year_from_semesters(self, hk1: str, hk2: str) -> None:
        if hk2 == "Tốt" and hk1 in ("Tốt", "Khá"):
            expected = "Tốt"
        elif (
            (hk2 == "Khá" and hk1 in ("Tốt", "Khá", "Đạt"))
            or (hk2 == "Đạt" and hk1 == "Tốt")
            or (hk2 == "Tốt" and hk1 in ("Đạt", "Chưa đạt"))
        ):
            expected = "Khá"
        elif (hk2 == "Đạt" and hk1 in ("Khá", "Đạt", "Chưa đạt")) or (hk2 == "Khá" and hk1 == "Chưa đạt"):
            expected = "Đạt"
        else:
            expected = "Chưa đạt"
        assert conduct_year(hk1, hk2) == expected

    def test_the_second_semester_weighs_more(self) -> None:
        assert conduct_year("Chưa đạt", "Tốt") == "Khá"
        assert conduct_year("Tốt", "Chưa đạt") == "Chưa đạt"

    def test_other_words_are_refused(self) -> None:
        with pytest.raises(ValueError, match="conduct"):
            conduct_year("Tốt", "Yếu")


class TestPromotionAndAwards:
    @pytest.mark.parametrize(
        ("conduct", "study", "absences", "expected"),
        [
            ("Đạt", "Đạt", MAX_ABSENCES, True),
            ("Đạt", "Đạt", MAX_ABSENCES + 1, False),
            ("Chưa đạt", "Tốt", 0, False),
            ("Tốt", "Chưa đạt", 0, False),
        ],
    )
    def test_promotion(self, conduct: str, study: str, absences: int, expected: bool) -> None:
        assert MAX_ABSENCES == 45
        assert promoted(conduct, study, absences) is expected

    @pytest.mark.parametrize(
        ("value", "expected"), [("Chưa đạt", True), ("Đạt", False), ("4.9", True), ("5.0", False)]
    )
    def test_what_may_be_assessed_again(self, value: str, expected: bool) -> None:
        assert may_be_reassessed(value) is expected

    @pytest.mark.parametrize(
        ("level", "conduct", "study", "scores", "expected"),
        [
            ("THCS", "Tốt", "Tốt", ["9.0"] * 6 + ["8.0"] * 2, "Học sinh Xuất sắc"),
            ("THPT", "Tốt", "Tốt", ["9.0"] * 5 + ["8.9"] * 3, "Học sinh Giỏi"),
            ("THCS", "Khá", "Tốt", ["9.0"] * 8, None),
            ("THCS", "Tốt", "Khá", ["9.0"] * 8, None),
            ("GDTX_THPT", "Tốt", "Tốt", ["9.0"] * 7, "Học viên Xuất sắc"),
        ],
    )
    def test_secondary_titles(
        self, level: str, conduct: str, study: str, scores: list[str], expected: str | None
    ) -> None:
        assert secondary_award(level, conduct, study, scores) == expected

    @pytest.mark.parametrize(
        ("levels", "tests", "qualities", "expected"),
        [
            ("TTT", ["9", "10"], "TTT", "Hoàn thành xuất sắc"),
            ("TTT", ["9", "8"], "TTT", "Hoàn thành tốt"),
            ("TTT", ["9", "7"], "TTT", "Hoàn thành tốt"),
            ("TTT", ["9", "6"], "TTT", "Hoàn thành"),
            ("TTH", ["9", "9"], "TTT", "Hoàn thành"),
            ("TTT", ["9", "9"], "TTĐ", "Hoàn thành"),
            ("THH", ["5", "5"], "ĐĐĐ", "Hoàn thành"),
            ("THH", ["4", "9"], "ĐĐĐ", "Chưa hoàn thành"),
            ("TTC", ["9", "9"], "TTT", "Chưa hoàn thành"),
            ("TTT", ["9", "9"], "TTC", "Chưa hoàn thành"),
            ("TTT", ["0"], "TTT", "Chưa hoàn thành"),
        ],
    )
    def test_primary_result(self, levels: str, tests: list[str], qualities: str, expected: str) -> None:
        assert primary_result(list(levels), tests, list(qualities)) == expected
        assert primary_completed(expected) is (expected != "Chưa hoàn thành")

    def test_primary_values_outside_the_scales_are_refused(self) -> None:
        for levels, tests, qualities in (("X", ["9"], "T"), ("T", ["9.5"], "T"), ("T", ["9"], "H")):
            with pytest.raises(ValueError, match=r"levels|whole"):
                primary_result(list(levels), tests, list(qualities))
        with pytest.raises(ValueError, match="result"):
            primary_completed("Tốt")

    def test_primary_titles(self) -> None:
        assert primary_award("Hoàn thành xuất sắc") == "Học sinh Xuất sắc"
        assert (
            primary_award("Hoàn thành tốt") == "Học sinh Tiêu biểu hoàn thành tốt trong học tập và rèn luyện"
        )
        assert primary_award("Hoàn thành") is None

    def test_outcome_phrases(self) -> None:
        assert outcome_phrases("TIEU_HOC", 5, "hoan_thanh")[0][0] == "Hoàn thành chương trình tiểu học"
        assert "Hoàn thành chương trình tiểu học" not in outcome_phrases("TIEU_HOC", 4, "hoan_thanh")[0]
        assert "Hoàn thành chương trình lớp 4" in outcome_phrases("TIEU_HOC", 4, "hoan_thanh")[0]
        assert outcome_phrases("THCS", 9, "hoan_thanh_ct")[1][0] == (
            "Không hoàn thành chương trình trung học cơ sở"
        )
        with pytest.raises(ValueError, match="outcome"):
            outcome_phrases("THCS", 9, "hoan_thanh")
        assert [g for g in range(10, 13) if is_last_grade("THPT", g)] == [12]


class TestVocabulary:
    def test_terms_of_each_level(self) -> None:
        assert level_info("GDTX_THPT").learner_term == "học viên"
        assert level_info("GDTX_THPT").head_title == "Giám đốc"
        assert {level_info(level).head_title for level in ("TIEU_HOC", "THCS", "THPT")} == {"Hiệu trưởng"}
        with pytest.raises(ValueError, match="GDTX_THCS"):
            level_info("GDTX_THCS")

    def test_electives(self) -> None:
        for level, total in (("THPT", 9), ("GDTX_THPT", 7)):
            electives = [s for s in subjects(level, 10) if s.kind == "elective"]
            assert (len(electives), level_info(level).electives_to_choose) == (total, 4)

    @pytest.mark.parametrize(
        ("level", "name", "code"),
        [
            ("THPT", "Địa lí", "DIA_LI"),
            ("THPT", "Địa lý", "DIA_LI"),
            ("THPT", "Hoá học", "HOA_HOC"),
            ("THPT", "Hóa học", "HOA_HOC"),
            ("THPT", "VẬT LÝ", "VAT_LI"),
            ("THPT", "Mỹ thuật", "MI_THUAT"),
            ("THPT", "Mi\u0303 thua\u0323\u0302t", "MI_THUAT"),
            ("GDTX_THPT", "Hoá học", "HOA_HOC"),
            ("TIEU_HOC", "Nghệ thuật (Mỹ thuật)", "NGHE_THUAT_MI_THUAT"),
            ("TIEU_HOC", "Nghệ thuật( Mĩ thuật )", "NGHE_THUAT_MI_THUAT"),
            ("TIEU_HOC", "Tiếng dân tộc", "TIENG_DAN_TOC"),
            ("TIEU_HOC", "Đạo đức", "DAO_DUC"),
            ("TIEU_HOC", "Ðạo đức", "DAO_DUC"),  # U+00D0
            ("THCS", "Ngoại ngữ 1 (Tiếng Anh)", "NGOAI_NGU_1"),
            ("THCS", "Ngoại ngữ 2: Tiếng Pháp", "NGOAI_NGU_2"),
            ("THCS", "Ngoại ngữ 1 - Tiếng Nga", "NGOAI_NGU_1"),
            ("THCS", "Toán (nâng cao)", None),
            ("THCS", "Ngoại ngữ 1 ()", None),
            ("THCS", "Vật lí", None),
            ("THCS", "", None),
        ],
    )
    def test_subjects_are_matched_by_code_in_any_spelling(
        self, level: str, name: str, code: str | None
    ) -> None:
        assert subject_code(level, name) == code

    def test_no_two_subjects_of_a_level_share_a_name(self) -> None:
        for level in Level:
            for subject in level_info(level).subjects:
                for name in (subject.name, *subject.spelling_variants):
                    assert [s.code for s in level_info(level).subjects if s.is_called(name)] == [subject.code]

    def test_comparison_key(self) -> None:
        assert comparison_key("Nguyễn  THỊ Hoà") == comparison_key("nguye\u0302\u0303n thị Hòa")
        assert comparison_key("Ðặng H’Nga") == comparison_key("Đặng H'Nga")
        assert comparison_key("Thúy") == comparison_key("Thuý")
        assert comparison_key("Lý") != comparison_key("Lí")
        assert comparison_key("Dung") != comparison_key("Dũng")
        assert comparison_key("Đạt") != comparison_key("Dạt")

    @pytest.mark.parametrize(
        ("name", "masked"),
        [
            ("Nguyễn Thị Hường", "N*** T*** H***"),
            ("Đỗ", "Đ***"),
            ("H'Nga Niê", "H*** N***"),
            ("Y Bhăm", "Y*** B***"),
            ("  E\u0302ban   'Ngọc", "Ê*** N***"),
            ("Công Tằng Tôn Nữ Thị Diệu An", "C*** T*** T*** N*** T*** D*** A***"),
            ("-", ""),
        ],
    )
    def test_mask_is_the_first_letter_and_three_asterisks(self, name: str, masked: str) -> None:
        assert mask_name(name) == masked

    def test_signature_fields(self) -> None:
        assert signature_fields("TIEU_HOC", ("TOAN", "TIENG_VIET")) == ("GVCN", "CBQL", "KY_PHAT_HANH")
        assert signature_fields("THCS", ("TOAN", "NGU_VAN")) == (
            "GVBM.NGU_VAN",
            "GVBM.TOAN",
            "GVCN",
            "CBQL",
            "KY_PHAT_HANH",
        )
        for codes in (("VAT_LI",), ("TOAN", "TOAN")):
            with pytest.raises(ValueError, match="distinct subjects"):
                signature_fields("THCS", codes)
