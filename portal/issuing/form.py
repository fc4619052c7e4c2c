"""What is printed where: the words of the circulars' forms, the place of every field, the lines a page must
read.

Pure data for three readers that must agree: the template (which only sets type), the lint (which reads the
finished pages back) and the test that no field of a record lacks a place. Forms: TT 27/2020/TT-BGDĐT Phụ lục
1 (primary), TT 22/2021/TT-BGDĐT Phụ lục (THCS, THPT), TT 43/2021/TT-BGDĐT Phụ lục 2 (GDTX: "học viên", "Trung
tâm", "Giám đốc").

Values are printed as the record has them, with three exceptions of the form: decimal comma, units, and the
suffix of the register number ("/THCS").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from verifier.record import QUALITIES, Level, Record, is_last_grade, printed_fields


@dataclass(frozen=True, slots=True)
class Line:
    """Words and values that stand together and must be read in this order, white space aside.

    ``fields``: disclosure names whose values ``text`` prints.
    """

    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Form:
    """One record laid into its form: ``data`` is for the template, ``lines`` for whoever reads the pages
    back.
    """

    template: str
    title: str
    data: Mapping[str, Any]
    lines: tuple[Line, ...]
    head: tuple[str, ...]  # words and values at the head of every page but the first


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs between the forms of the four levels."""

    template: str
    level: str
    circular: str
    programme: str = ""
    learner: str = "học sinh"
    school: str = "Trường"
    school_sign: str = "nhà trường"
    head: str = "HIỆU TRƯỞNG"
    register_suffix: str = ""


_TT22: Final = "Thông tư số 22/2021/TT-BGDĐT ngày 20 tháng 7 năm 2021"
TERMS: Final[Mapping[Level, Terms]] = {
    Level.TIEU_HOC: Terms("tt27.typ", "TIỂU HỌC", "Thông tư số 27/2020/TT-BGDĐT ngày 04 tháng 9 năm 2020"),
    Level.THCS: Terms("tt22.typ", "TRUNG HỌC CƠ SỞ", _TT22, register_suffix="/THCS"),
    Level.THPT: Terms("tt22.typ", "TRUNG HỌC PHỔ THÔNG", _TT22, register_suffix="/THPT"),
    Level.GDTX_THPT: Terms(
        "tt43.typ",
        "TRUNG HỌC PHỔ THÔNG",
        "Thông tư số 43/2021/TT-BGDĐT ngày 30 tháng 12 năm 2021",
        programme="(Chương trình giáo dục thường xuyên)",
        learner="học viên",
        school="Trung tâm",
        school_sign="trung tâm",
        head="GIÁM ĐỐC",
        register_suffix="/THPT",
    ),
}

# Fields that share a line of the form, with their shares of its width. Order here = order on the page.
Row = tuple[tuple[str, float], ...]
_PARENT_ROWS: Final[tuple[Row, ...]] = (
    (("cha_ho_ten", 1.3), ("cha_nghe_nghiep", 1)),
    (("me_ho_ten", 1.3), ("me_nghe_nghiep", 1)),
    (("nguoi_giam_ho_ho_ten", 1.3), ("nguoi_giam_ho_nghe_nghiep", 1)),
)
_SCHOOL_ROWS: Final[tuple[Row, ...]] = ((("truong", 1),), (("lop", 1), ("issuer", 1.6)))
_PRIMARY_ROWS: Final[tuple[Row, ...]] = (
    (("ho_va_ten", 2.4), ("gioi_tinh", 1)),
    (("ngay_sinh", 1.5), ("dan_toc", 1), ("quoc_tich", 1)),
    (("so_dinh_danh_ca_nhan", 1.25), ("doi_tuong", 1)),
    (("noi_sinh", 1),),
    (("que_quan", 1),),
    (("noi_o_hien_tai", 1),),
    *_PARENT_ROWS,
    *_SCHOOL_ROWS,
)
_SECONDARY_ROWS: Final[tuple[Row, ...]] = (
    (("ho_va_ten", 2.4), ("gioi_tinh", 1)),
    (("ngay_sinh", 1), ("dan_toc", 1), ("quoc_tich", 1)),
    (("so_dinh_danh_ca_nhan", 1), ("so_so_dang_bo", 1)),
    (("noi_sinh", 1),),
    (("que_quan", 1),),
    (("doi_tuong", 1),),
    (("noi_o_hien_tai", 1),),
    *_PARENT_ROWS,
    *_SCHOOL_ROWS,
)
_PLACE_ROWS: Final[tuple[Row, ...]] = ((("xa_phuong", 1), ("tinh_thanh", 1)),)
_PLACE_ROWS_BEFORE_2025_07: Final[tuple[Row, ...]] = (
    (("xa_phuong", 1),),
    (("quan_huyen", 1), ("tinh_thanh", 1.2)),
)
_ATTENDANCE_ROW: Final[Row] = (
    ("chieu_cao", 1.6),
    ("can_nang", 1.5),
    ("nghi_co_phep", 0.75),
    ("nghi_khong_phep", 0.7),
)

# Labels, in the words of the forms.
_LEARNER_LABELS: Final = {
    "gioi_tinh": "Giới tính:",
    "ngay_sinh": "Ngày sinh:",
    "dan_toc": "Dân tộc:",
    "quoc_tich": "Quốc tịch:",
    "so_dinh_danh_ca_nhan": "Số định danh cá nhân:",
    "so_so_dang_bo": "Số sổ đăng bộ PCGD:",
    "doi_tuong": "Đối tượng (con liệt sĩ, con thương binh, …):",
    "noi_sinh": "Nơi sinh:",
    "que_quan": "Quê quán:",
    "noi_o_hien_tai": "Chỗ ở hiện tại:",
    "cha_ho_ten": "Họ và tên cha:",
    "cha_nghe_nghiep": "Nghề nghiệp:",
    "me_ho_ten": "Họ và tên mẹ:",
    "me_nghe_nghiep": "Nghề nghiệp:",
    "nguoi_giam_ho_ho_ten": "Họ và tên người giám hộ:",
    "nguoi_giam_ho_nghe_nghiep": "Nghề nghiệp:",
    "lop": "Lớp:",
    "xa_phuong": "Xã (Phường, Đặc khu):",
    "quan_huyen": "Quận (Huyện, Thị xã, Thành phố):",
    "tinh_thanh": "Tỉnh (Thành phố):",
}
_PRIMARY_LEARNER_LABELS: Final = {
    "ngay_sinh": "Ngày, tháng, năm sinh:",
    "doi_tuong": "Đối tượng:",
    "noi_o_hien_tai": "Nơi ở hiện nay:",
    "nguoi_giam_ho_ho_ten": "Người giám hộ (nếu có):",
}
_ATTENDANCE_LABELS: Final = {
    "chieu_cao": "Chiều cao:",
    "can_nang": "Cân nặng:",
    "nghi_co_phep": "Số ngày nghỉ có phép:",
    "nghi_khong_phep": "Không phép:",
}
_PRIMARY_ENTRIES: Final = {
    "ket_qua_giao_duc": "4. Đánh giá kết quả giáo dục:",
    "khen_thuong": "5. Khen thưởng:",
    "hoan_thanh": "6. Hoàn thành chương trình lớp học/chương trình tiểu học:",
}
_SECONDARY_ENTRIES: Final = {
    "ket_qua_len_lop": "– Được lên lớp hoặc không được lên lớp:",
    "hoan_thanh_ct": "– Hoàn thành hoặc không hoàn thành chương trình:",
    "chung_chi": "– Chứng chỉ (nếu có):",
    "ket_qua_cuoc_thi": "– Kết quả tham gia các cuộc thi (nếu có):",
    "khen_thuong": "– Khen thưởng (nếu có):",
    "ket_qua_ren_luyen_he": "– Kết quả rèn luyện trong kì nghỉ hè (nếu có):",
}
_QUALITY_PARTS: Final = {
    "pham_chat": "2. Những phẩm chất chủ yếu",
    "nang_luc_chung": "3.1. Những năng lực chung",
    "nang_luc_dac_thu": "3.2. Những năng lực đặc thù",
}
_TERM_ROWS: Final = {
    "Học kì I": ("kq_ren_luyen_hk1", "kq_hoc_tap_hk1", "", "", ""),
    "Học kì II": ("kq_ren_luyen_hk2", "kq_hoc_tap_hk2", "", "", ""),
    "Cả năm": (
        "kq_ren_luyen_ca_nam",
        "kq_hoc_tap_ca_nam",
        "tong_so_buoi_nghi",
        "kq_ren_luyen_sau_he",
        "kq_hoc_tap_sau_danh_gia_lai",
    ),
}
_TERM_COLUMNS: Final = {
    "kq_ren_luyen_sau_he": "Kết quả rèn luyện sau kì nghỉ hè",
    "kq_hoc_tap_sau_danh_gia_lai": "Kết quả học tập sau đánh giá lại",
    "tong_so_buoi_nghi": "Tổng số buổi nghỉ học",
}
_REMARKS: Final = {
    "nhan_xet_gvcn": "Nhận xét của giáo viên chủ nhiệm",
    "phe_duyet_hieu_truong": "Phê duyệt của người đứng đầu",
}
_SIGNING: Final = {
    "ngay_ky_phat_hanh": "Phần ký › địa danh, ngày ký",
    "chuc_vu": "Phần ký › chức vụ",
    "nguoi_ky": "Phần ký › họ tên người ký",
}
SUBJECT_PARTS: Final = {
    "muc_dat_duoc": "mức đạt được",
    "diem_ktdk": "điểm KTĐK",
    "hk1": "học kì I",
    "hk2": "học kì II",
    "ca_nam": "cả năm",
    "sau_danh_gia_lai": "sau đánh giá lại",
    "nhan_xet": "nhận xét",
}
EXEMPT_WORD: Final = "Miễn"
LINE_CHARACTERS: Final = 92  # of average width, at the size of the form's fields
NO_BREAK_SPACE: Final = "\u00a0"


def places(level: Level) -> dict[str, str]:
    """Disclosure name → place in the printed form, for every name the form of ``level`` prints."""
    primary = level is Level.TIEU_HOC
    labels = _labels(level)
    found = {
        name: f"Trang 1 › {labels[name].rstrip(':')}"
        for row in (*_learner_rows(level), *_PLACE_ROWS_BEFORE_2025_07)
        for name, _ in row
        if name != "issuer"  # a fact of the header, not a disclosure
    }
    found["qua_trinh_hoc_tap"] = "Quá trình học tập"
    subjects = (name for name in printed_fields(level) if name.startswith("mon."))
    if primary:
        found |= {name: f"Trang 2 › {label.rstrip(':')}" for name, label in _ATTENDANCE_LABELS.items()}
        found |= dict.fromkeys(subjects, "1. Các môn học và hoạt động giáo dục")
        found |= {quality.field: f"{_QUALITY_PARTS[quality.group]} › {quality.name}" for quality in QUALITIES}
        found |= {name: label.rstrip(":") for name, label in _PRIMARY_ENTRIES.items()}
    else:
        found |= dict.fromkeys(subjects, "Kết quả các môn học và hoạt động giáo dục")
        found |= {
            name: f"Kết quả rèn luyện và học tập › {_in_term(name, row)}"
            for row, names in _TERM_ROWS.items()
            for name in names
            if name
        }
        found |= {name: label.strip("–: ") for name, label in _SECONDARY_ENTRIES.items()}
        found |= _REMARKS
    return found | {"ghi_de": "Nội dung quyết định khác cách tính, kèm lý do"} | _SIGNING


def lay_out(record: Record, signers: Mapping[str, str]) -> Form:
    """Lay ``record`` into the form of its level; ``signers``: signature field → the name printed under it.

    Raises KeyError for a disclosure that is to be printed and has no place, and for a signature without a
    name: nothing is left out silently.
    """
    terms = TERMS[record.level]
    fields = record.fields()
    texts, labels = _texts(record, terms), _labels(record.level)
    data: dict[str, Any] = {
        "texts": texts,
        "labels": labels,
        "words": {
            "level": terms.level,
            "programme": terms.programme,
            "form": f"(Theo {terms.circular} của Bộ Giáo dục và Đào tạo)",
            "school": terms.school,
            "school_sign": terms.school_sign,
            "head": terms.head,
        },
        "year": record.year,
        "head": (labels["ho_va_ten"], texts["ho_va_ten"], "Lớp:", texts["lop"], "Năm học:", record.year),
        "rows": _roomy(
            _learner_rows(record.level)
            + (_PLACE_ROWS_BEFORE_2025_07 if "quan_huyen" in fields else _PLACE_ROWS),
            texts,
            labels,
        ),
        "history": _history(fields),
        "overrides": _overrides(fields, labels),
        "place_and_date": _place_and_date(fields),
        "deputy": texts["chuc_vu"].lower().startswith("phó"),
        "homeroom_teacher": _clean(signers["GVCN"]),
    }
    if record.level is Level.TIEU_HOC:
        data |= _primary_data(fields)
        lines = _primary_lines(texts, labels, data)
    else:
        data |= _secondary_data(record, signers)
        lines = _secondary_lines(texts, labels, data)
    wanted = {name for name in printed_fields(record.level) if fields.get(name) not in (None, "", [])}
    forgotten = wanted - {name for line in lines for name in line.fields}
    if forgotten:
        raise KeyError(f"no place in the form of {record.level} for {', '.join(sorted(forgotten))}")
    title = f"Học bạ {terms.level.lower()} – {texts['ho_va_ten']} – lớp {texts['lop']}, năm học {record.year}"
    return Form(terms.template, title, data, tuple(line for line in lines if line.text), data["head"])


# -------------------------------------------------------------------------------------- data for the template


def _learner_rows(level: Level) -> tuple[Row, ...]:
    return _PRIMARY_ROWS if level is Level.TIEU_HOC else _SECONDARY_ROWS


def _roomy(rows: tuple[Row, ...], texts: Mapping[str, str], labels: Mapping[str, str]) -> tuple[Row, ...]:
    """``rows`` with each field that is too long for its share of a line, and those beside it, on lines of
    their own: better a longer page than a column of single words.
    """
    found: list[Row] = []
    for row in rows:
        whole = sum(share for _, share in row)
        # What the labels leave, shared out as the template does.
        room = LINE_CHARACTERS - sum(len(labels[name]) + 2 for name, _ in row)
        fits = all(len(texts.get(name, "")) <= 2 * room * share / whole for name, share in row)
        found += [row] if fits else [((name, share),) for name, share in row]
    return tuple(found)


def _labels(level: Level) -> dict[str, str]:
    terms = TERMS[level]
    labels = _LEARNER_LABELS | {
        "ho_va_ten": f"Họ và tên {terms.learner}:",
        "truong": f"{terms.school}:",
        "issuer": f"Mã {terms.school.lower()}:",
    }
    if level is Level.TIEU_HOC:
        return labels | _PRIMARY_LEARNER_LABELS | _ATTENDANCE_LABELS | _PRIMARY_ENTRIES
    return labels | _SECONDARY_ENTRIES


def _texts(record: Record, terms: Terms) -> dict[str, str]:
    """Every single-valued field as it is printed; fields without a value are left out."""
    fields = record.fields()
    texts = {"issuer": record.issuer}
    for name, value in fields.items():
        if isinstance(value, (str, int)) and value != "":
            texts[name] = _clean(str(value))
    for name, unit in (("chieu_cao", "cm"), ("can_nang", "kg")):
        if name in texts:
            texts[name] = f"{texts[name].replace('.', ',')}{NO_BREAK_SPACE}{unit}"
    register = texts.get("so_so_dang_bo", "")
    if register and not register.upper().endswith(terms.register_suffix):
        texts["so_so_dang_bo"] = register + terms.register_suffix
    certificates: Any = fields.get("chung_chi")
    if certificates:
        texts["chung_chi"] = "; ".join(
            _clean(f"{item['ten']}. Loại: {item['loai']}" if item.get("loai") else item["ten"])
            for item in certificates
        )
    texts["chuc_vu_in"] = texts["chuc_vu"].upper()
    return texts


def _clean(text: str) -> str:
    """Runs of blanks are one space on paper; line ends stay."""
    return re.sub(r"[^\S\n]+", " ", text.replace("\r\n", "\n")).strip()


def _decimal_comma(value: str) -> str:
    """As "8,3" for "8.3"; anything that is not a number stays."""
    return value.replace(".", ",") if re.fullmatch(r"\d+\.\d+", value) else value


def _history(fields: Mapping[str, Any]) -> list[list[str]]:
    """Rows of "Quá trình học tập": school year, class, school, province."""
    return [
        [_clean(row.get(key, "")) for key in ("nam_hoc", "lop", "truong", "tinh")]
        for row in fields.get("qua_trinh_hoc_tap", ())
    ]


def _overrides(fields: Mapping[str, Any], labels: Mapping[str, str]) -> list[list[str]]:
    """Rows of the school's overrides: the field in words, the reason."""
    return [
        [_in_words(row["truong"], fields, labels), _clean(row["ly_do"])] for row in fields.get("ghi_de", ())
    ]


def _in_term(name: str, row: str) -> str:
    """A value of the table of terms, by its column and row: "Kết quả học tập, học kì I"."""
    what = "Kết quả rèn luyện" if name.startswith("kq_ren_luyen") else "Kết quả học tập"
    return _TERM_COLUMNS.get(name) or f"{what}, {row[0].lower()}{row[1:]}"


def _in_words(name: str, fields: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """What an override is about, in the words of the form: "mon.TOAN.ca_nam" → "Toán, cả năm"."""
    head, _, rest = name.partition(".")
    if head == "mon":
        code, _, part = rest.partition(".")
        subject = fields.get(f"mon.{code}", {}).get("ten", code)
        return ", ".join(x for x in (subject or "Số môn lựa chọn", SUBJECT_PARTS.get(part, part)) if x)
    for row, names in _TERM_ROWS.items():
        if name in names:
            return _in_term(name, row)
    if name == "chuc_vu":
        return "Chức vụ người ký"
    return labels.get(name, name).strip("–:0123456789. ")


def _place_and_date(fields: Mapping[str, Any]) -> str:
    """As "Hà Nội, ngày 05 tháng 6 năm 2026": zeros before days below 10 and months 1, 2 (NĐ 30/2020)."""
    day, month, year = (int(part) for part in fields["ngay_ky_phat_hanh"].split("/"))
    place = _clean(fields["tinh_thanh"])
    if not place.endswith("Hồ Chí Minh"):
        place = re.sub(r"^(Tỉnh|Thành phố|TP\.?)\s+", "", place)
    return (
        f"{place}, ngày {day:02d} tháng {month:02d} năm {year}"
        if month < 3
        else (f"{place}, ngày {day:02d} tháng {month} năm {year}")
    )


def _subject_rows(fields: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, row) for name, row in fields.items() if name.startswith("mon.")]


def _primary_data(fields: Mapping[str, Any]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, str]]] = {group: [] for group in _QUALITY_PARTS}
    for quality in QUALITIES:
        groups[quality.group].append(
            {"field": quality.field, "name": quality.name, "level": fields.get(quality.field, "")}
        )
    return {
        "attendance_rows": [_ATTENDANCE_ROW],
        "subjects": [
            {
                "field": name,
                "cells": [
                    _clean(row["ten"]),
                    row.get("muc_dat_duoc", EXEMPT_WORD if row.get("mien") else ""),
                    row.get("diem_ktdk", ""),
                    _clean(row.get("nhan_xet", "")),
                ],
            }
            for name, row in _subject_rows(fields)
        ],
        "qualities": groups,
        "entries": list(_PRIMARY_ENTRIES),
    }


def _secondary_data(record: Record, signers: Mapping[str, str]) -> dict[str, Any]:
    fields: Mapping[str, Any] = record.fields()
    subjects = []
    for name, row in _subject_rows(fields):
        blank = EXEMPT_WORD if row.get("mien") else ""
        marks = [_decimal_comma(row.get(term, blank)) for term in ("hk1", "hk2", "ca_nam")]
        again = _decimal_comma(row.get("sau_danh_gia_lai", ""))
        place = f"GVBM.{name.removeprefix('mon.')}"
        subjects.append(
            {
                "field": name,
                "cells": [_clean(row["ten"]), *marks, again, _clean(row.get("nhan_xet", ""))],
                "signature": place,
                "signer": _clean(signers[place]),
            }
        )
    return {
        "subjects": subjects,
        "terms": [[row, *(str(fields.get(name, "")) for name in names)] for row, names in _TERM_ROWS.items()],
        "entries": [
            name
            for name in _SECONDARY_ENTRIES
            if name != "hoan_thanh_ct" or is_last_grade(record.level, record.grade)
        ],
    }


# ---------------------------------------------------------------------------- lines to be read, in page order


def _labelled(name: str, texts: Mapping[str, str], labels: Mapping[str, str]) -> Line:
    """Label and value; a blank field reads its label alone."""
    return Line((name,), labels[name] + texts.get(name, ""))


def _learner_lines(
    texts: Mapping[str, str], labels: Mapping[str, str], data: Mapping[str, Any]
) -> list[Line]:
    lines = [_labelled(name, texts, labels) for row in data["rows"] for name, _ in row]
    return lines + [Line(("qua_trinh_hoc_tap",), "".join(row)) for row in data["history"]]


def _closing_lines(texts: Mapping[str, str], data: Mapping[str, Any]) -> list[Line]:
    """The signing part: date, title, names; in primary the head signs on the left."""
    names = [Line((), data["homeroom_teacher"]), Line(("nguoi_ky",), texts["nguoi_ky"])]
    return [
        Line(("ngay_ky_phat_hanh",), data["place_and_date"]),
        Line(("chuc_vu",), texts["chuc_vu_in"]),
        *(names if "terms" in data else reversed(names)),
    ]


def _override_lines(data: Mapping[str, Any]) -> list[Line]:
    return [Line(("ghi_de",), "".join(row)) for row in data["overrides"]]


def _primary_lines(
    texts: Mapping[str, str], labels: Mapping[str, str], data: Mapping[str, Any]
) -> list[Line]:
    return [
        *_learner_lines(texts, labels, data),
        *(_labelled(name, texts, labels) for name, _ in _ATTENDANCE_ROW),
        *(Line((subject["field"],), "".join(subject["cells"])) for subject in data["subjects"]),
        *(
            Line((quality["field"],), quality["name"] + quality["level"])
            for group in data["qualities"].values()
            for quality in group
        ),
        *(_labelled(name, texts, labels) for name in data["entries"]),
        *_override_lines(data),
        *_closing_lines(texts, data),
    ]


def _secondary_lines(
    texts: Mapping[str, str], labels: Mapping[str, str], data: Mapping[str, Any]
) -> list[Line]:
    return [
        *_learner_lines(texts, labels, data),
        *(
            Line((subject["field"],), "".join(subject["cells"]) + subject["signer"])
            for subject in data["subjects"]
        ),
        *(
            Line(tuple(name for name in names if name in texts), "".join(row))
            for names, row in zip(_TERM_ROWS.values(), data["terms"], strict=True)
        ),
        *(_labelled(name, texts, labels) for name in data["entries"]),
        *_override_lines(data),
        *(Line((name,), texts[name]) for name in _REMARKS if name in texts),
        *_closing_lines(texts, data),
    ]
