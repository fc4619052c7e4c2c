"""Which disclosures a family can give: presets of plain ones, and sensitive ones, each named by itself.

Every disclosure name that a record can have stands in exactly one of the two tables; a name that stands in
none cannot be given at all. Sensitive are what NĐ 356/2025 Đ.4 lists and what a receiver of results has no
use for: ethnicity and origin, parents, addresses, health, policy category, personal number. The signed PDF
prints all of them, so it is a yes of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Final

from portal.consent.purposes import Pair
from verifier.record import Level, field_specs


class Preset(StrEnum):
    """How much of what is not sensitive; each holds the one before."""

    RESULT = "result"
    MARKS = "marks"
    WHOLE = "whole"

    @property
    def words(self) -> Pair:
        return _PRESET_WORDS[self]


_PRESET_WORDS: Final = {
    Preset.RESULT: (
        "kết quả cả năm: họ tên, ngày sinh, trường, lớp, mức học tập, rèn luyện, khen thưởng, lên lớp",
        "the result of the year: name, birth date, school, class, levels, awards, promotion",
    ),
    Preset.MARKS: (
        "kết quả cả năm, và điểm, mức đạt được, nhận xét của từng môn, phẩm chất, năng lực",
        "the result of the year, and marks, levels and comments of every subject, qualities, abilities",
    ),
    Preset.WHOLE: (
        "toàn bộ học bạ: kết quả, điểm, ngày nghỉ, nhận xét, quá trình học tập, chứng chỉ, người ký",
        "the whole record: result, marks, absences, comments, schools attended, certificates, who signed",
    ),
}
#: What "the whole record" leaves out, by whether something sensitive is named after it.
_WITHOUT: Final[dict[bool, Pair]] = {
    False: (
        "không có thông tin nhạy cảm như địa chỉ, cha mẹ, sức khoẻ, số định danh",
        "without sensitive details such as addresses, parents, health, personal number",
    ),
    True: (
        "trong thông tin nhạy cảm chỉ có những mục nêu ngay sau đây",
        "of the sensitive details only those named next",
    ),
}

#: The smallest preset with this disclosure; of a name with a dot ("mon.TOAN") the part before it.
PLAIN: Final = {
    **dict.fromkeys(
        (
            "ho_va_ten",
            "gioi_tinh",
            "ngay_sinh",
            "truong",
            "xa_phuong",  # where the school lies
            "xa_phuong_ma",
            "quan_huyen",
            "tinh_thanh",
            "tinh_thanh_ma",
            "lop",
            "ket_qua_giao_duc",
            "khen_thuong",
            "hoan_thanh",
            "kq_ren_luyen_hk1",
            "kq_ren_luyen_hk2",
            "kq_ren_luyen_ca_nam",
            "kq_ren_luyen_sau_he",
            "kq_hoc_tap_hk1",
            "kq_hoc_tap_hk2",
            "kq_hoc_tap_ca_nam",
            "kq_hoc_tap_sau_danh_gia_lai",
            "ket_qua_len_lop",
            "hoan_thanh_ct",
        ),
        Preset.RESULT,
    ),
    **dict.fromkeys(("mon", "pham_chat", "nang_luc"), Preset.MARKS),
    **dict.fromkeys(
        (
            "so_so_dang_bo",
            "nghi_co_phep",
            "nghi_khong_phep",
            "tong_so_buoi_nghi",
            "chung_chi",
            "ket_qua_cuoc_thi",
            "ket_qua_ren_luyen_he",
            "nhan_xet_gvcn",
            "phe_duyet_hieu_truong",
            "qua_trinh_hoc_tap",
            "nguoi_ky",
            "chuc_vu",
            "ngay_ky_phat_hanh",
            "ghi_de",
        ),
        Preset.WHOLE,
    ),
}

#: Given only when named, one by one.
SENSITIVE: Final[dict[str, Pair]] = {
    "dan_toc": ("dân tộc", "ethnicity"),
    "quoc_tich": ("quốc tịch", "nationality"),
    "doi_tuong": ("đối tượng chính sách", "policy category"),
    "so_dinh_danh_ca_nhan": ("số định danh cá nhân", "personal number"),
    "noi_sinh": ("nơi sinh", "place of birth"),
    "que_quan": ("quê quán", "family's home place"),
    "noi_o_hien_tai": ("nơi ở hiện tại", "present address"),
    "cha_ho_ten": ("họ tên cha", "father's name"),
    "cha_nghe_nghiep": ("nghề nghiệp của cha", "father's occupation"),
    "me_ho_ten": ("họ tên mẹ", "mother's name"),
    "me_nghe_nghiep": ("nghề nghiệp của mẹ", "mother's occupation"),
    "nguoi_giam_ho_ho_ten": ("họ tên người giám hộ", "guardian's name"),
    "nguoi_giam_ho_nghe_nghiep": ("nghề nghiệp của người giám hộ", "guardian's occupation"),
    "chieu_cao": ("chiều cao", "height"),
    "can_nang": ("cân nặng", "weight"),
}
PDF_WORDS: Final[Pair] = (
    "tệp PDF có chữ ký của trường, trong đó in mọi thông tin của học bạ, cả thông tin nhạy cảm",
    "the PDF signed by the school, which prints everything in the record, sensitive details too",
)


def in_words(preset: Preset, sensitive: Iterable[str], *, pdf: bool) -> tuple[Pair, ...]:
    """What may be seen, one thing each: the preset, each sensitive thing by name, the signed PDF.

    That something is left out is said where it is so: the signed PDF leaves nothing out.
    """
    given = frozenset(sensitive)
    named = tuple(pair for name, pair in SENSITIVE.items() if name in given)
    first = preset.words
    if preset is Preset.WHOLE and not pdf:
        first = joined(first, _WITHOUT[bool(named)])
    return (first, *named, PDF_WORDS) if pdf else (first, *named)


def joined(first: Pair, second: Pair) -> Pair:
    """Two halves of a line."""
    return f"{first[0]}; {second[0]}", f"{first[1]}; {second[1]}"


def names_of(level: str, grade: int, preset: Preset, sensitive: Iterable[str] = ()) -> frozenset[str]:
    """The disclosure names that a record of this level and grade may have among what was chosen.

    By the form, not by one version: a subject that a correction adds is a subject all the same. Raises
    KeyError for a sensitive name that is none.
    """
    named = frozenset(sensitive)
    for name in named:
        SENSITIVE[name]
    sizes = list(Preset)
    within = sizes[: sizes.index(preset) + 1]
    every = _form(level, grade)
    return frozenset(n for n in every if PLAIN.get(n.partition(".")[0]) in within) | named & every


def is_sensitive(name: str) -> bool:
    """Whether a disclosure takes a yes of its own. Raises KeyError for a name that stands in no table."""
    if name in SENSITIVE:
        return True
    PLAIN[name.partition(".")[0]]
    return False


@cache
def _form(level: str, grade: int) -> frozenset[str]:
    return frozenset(spec.name for spec in field_specs(Level(level), grade))
