"""Invented class results in the shape that schools hand in, for every level, with the hard cases.

Marks are drawn; everything that follows from them is computed by ``verifier.record``, so the rows are as
consistent as a careful school's. Classes may carry :class:`Case` rows: a subject assessed again in summer, an
exemption, too many absences, conduct made good in summer, a result that the school set itself and why.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import openpyxl

from portal.demo.people import TRAPS, Pupil, Trap, draw_class
from portal.demo.schools import BY_KEY, SchoolPlan
from verifier import record
from verifier.record import ColumnKind, vocabulary

Row = dict[str, object]


class Case(StrEnum):
    """What makes a pupil's year unusual."""

    REASSESSED = "reassessed"  # a weak subject assessed again in summer, then promoted
    ABSENT = "absent"  # more than 45 sessions: not promoted whatever the marks
    EXEMPT = "exempt"  # miễn Giáo dục thể chất
    SUMMER_TRAINING = "summer_training"  # conduct not reached, made good in summer
    REPEATS = "repeats"  # not promoted
    OVERRIDE = "override"  # the school sets a result itself and says why
    EXCELLENT = "excellent"
    MOVED = "moved"  # came from another school in mid-year


class Format(StrEnum):
    """The three ways in which class files come."""

    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class ClassPlan:
    """One class file. ``issued`` says whether the demo issues it; the others stay to be tried by hand.

    ``electives``: subject codes chosen in grades 10–12. ``cases`` are dealt to the first pupils in order.
    ``first`` is the number of the first pupil's code: classes of one grade in a school share a row of them.
    """

    school: str
    level: str
    grade: int
    name: str
    size: int
    format: Format
    issued: bool = False
    year: str = "2025-2026"
    electives: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()
    traps: tuple[Trap, ...] = ()
    first: int = 1

    @property
    def plan(self) -> SchoolPlan:
        return BY_KEY[self.school]

    @property
    def file_name(self) -> str:
        return f"{self.school}-{self.name.lower().replace('/', '-')}-{self.year}.{self.format}"

    def pupils(self) -> tuple[Pupil, ...]:
        age = {"GDTX_THPT": 9}.get(self.level, 5)  # learners of continuing education are often older
        return draw_class(
            f"{self.school}/{self.name}/{self.year}",
            self.plan.place,
            self.size,
            birth_year=int(self.year[:4]) - self.grade - age,
            code_prefix=f"{self.plan.code[:4]}{self.grade:02d}",
            traps=self.traps,
            first=self.first,
        )


def _traps(*names: str) -> tuple[Trap, ...]:
    return tuple(trap for trap in TRAPS if trap[2] in names)


CLASSES = (
    # Issued: primary, three signatures each.
    ClassPlan(
        "hoa-ban",
        "TIEU_HOC",
        3,
        "3A",
        9,
        Format.XLSX,
        issued=True,
        cases=(Case.EXCELLENT, Case.REPEATS),
        traps=_traps("Lò Thị", "Giàng A Páo"),
    ),
    ClassPlan("hoa-ban", "TIEU_HOC", 5, "5A", 8, Format.JSONL, issued=True, cases=(Case.EXCELLENT,)),
    ClassPlan(
        "anh-duong",
        "TIEU_HOC",
        4,
        "4T",
        4,
        Format.CSV,
        issued=True,
        traps=_traps("Công Tằng Tôn Nữ Ngọc Hương", "Lê Nam"),
    ),
    ClassPlan("sao-mai", "TIEU_HOC", 1, "1B", 3, Format.JSONL, issued=True),
    ClassPlan("hoa-mai", "TIEU_HOC", 2, "2C", 3, Format.CSV, issued=True),
    ClassPlan("hoa-mai", "TIEU_HOC", 4, "4D", 1, Format.JSONL),
    # Issued with a timestamp; one class for each thing that became of its teacher's certificate.
    ClassPlan("suong-mai", "TIEU_HOC", 3, "3M", 2, Format.JSONL, issued=True),
    ClassPlan("suong-mai", "TIEU_HOC", 4, "4M", 1, Format.JSONL, issued=True),
    ClassPlan("suong-mai", "TIEU_HOC", 5, "5M", 1, Format.JSONL, issued=True),
    # Issued: secondary, ten signatures and more.
    ClassPlan(
        "y-jut",
        "THCS",
        9,
        "9A3",
        4,
        Format.CSV,
        issued=True,
        cases=(Case.EXCELLENT, Case.EXEMPT),
        traps=_traps("H'Nga Niê", "Y Bhăm", "H’Bích Ngọc Êban", "Y Thoan Ayŭn"),
    ),
    ClassPlan(
        "ban-mai",
        "THPT",
        12,
        "12C1",
        4,
        Format.XLSX,
        issued=True,
        electives=("VAT_LI", "HOA_HOC", "SINH_HOC", "TIN_HOC"),
        cases=(Case.EXCELLENT, Case.MOVED),
        traps=_traps("Nguyễn Thị Hường", "Đặng Đình Đức Đạt"),
    ),
    ClassPlan(
        "ban-mai",
        "THPT",
        10,
        "10C1",
        1,
        Format.JSONL,
        issued=True,
        electives=("VAT_LI", "HOA_HOC", "SINH_HOC", "TIN_HOC"),
        first=101,
    ),
    ClassPlan("anh-duong", "THCS", 6, "6T", 2, Format.JSONL, issued=True),
    ClassPlan(
        "gdtx-buon-hoa",
        "GDTX_THPT",
        12,
        "12G",
        2,
        Format.JSONL,
        issued=True,
        electives=("DIA_LI", "GD_KT_PL", "SINH_HOC", "CONG_NGHE"),
        optional=("NGOAI_NGU",),
        traps=_traps("Ksor Y Blưng"),
    ),
    ClassPlan(
        "rach-hoa",
        "THCS",
        8,
        "8/1",
        2,
        Format.CSV,
        issued=True,
        year="2024-2025",
        traps=_traps("Danh Sa Rươl"),
    ),
    # Validated only, left to be issued by hand.
    ClassPlan("hoa-ban", "TIEU_HOC", 1, "1A", 10, Format.CSV, cases=(Case.REPEATS,)),
    ClassPlan("hoa-ban", "TIEU_HOC", 2, "2A", 10, Format.XLSX, cases=(Case.OVERRIDE,)),
    ClassPlan("hoa-ban", "TIEU_HOC", 4, "4B", 10, Format.JSONL, optional=("TIENG_DAN_TOC",)),
    ClassPlan("y-jut", "THCS", 6, "6A1", 11, Format.CSV, cases=(Case.REASSESSED, Case.ABSENT, Case.EXEMPT)),
    ClassPlan(
        "y-jut",
        "THCS",
        7,
        "7A2",
        11,
        Format.XLSX,
        optional=("TIENG_DTTS",),
        cases=(Case.REPEATS, Case.SUMMER_TRAINING, Case.OVERRIDE),
    ),
    ClassPlan("y-jut", "THCS", 8, "8A1", 10, Format.JSONL, cases=(Case.MOVED,)),
    ClassPlan(
        "ban-mai",
        "THPT",
        10,
        "10A2",
        12,
        Format.XLSX,
        electives=("DIA_LI", "GD_KT_PL", "AM_NHAC", "MI_THUAT"),
        cases=(Case.REASSESSED, Case.SUMMER_TRAINING),
        traps=_traps("Trần Thị Thúy Hòa", "Trần Thị Thuý Hoà"),
    ),
    ClassPlan(
        "ban-mai",
        "THPT",
        11,
        "11D",
        12,
        Format.CSV,
        electives=("DIA_LI", "GD_KT_PL", "TIN_HOC", "CONG_NGHE"),
        optional=("NGOAI_NGU_2",),
        cases=(Case.ABSENT, Case.EXEMPT),
    ),
    ClassPlan(
        "gdtx-buon-hoa",
        "GDTX_THPT",
        10,
        "10G",
        8,
        Format.CSV,
        electives=("DIA_LI", "GD_KT_PL", "VAT_LI", "TIN_HOC"),
        cases=(Case.REASSESSED,),
    ),
    ClassPlan(
        "gdtx-buon-hoa",
        "GDTX_THPT",
        11,
        "11G",
        8,
        Format.XLSX,
        electives=("DIA_LI", "HOA_HOC", "SINH_HOC", "CONG_NGHE"),
        optional=("GD_DIA_PHUONG",),
    ),
)

# Marks a pupil's year is drawn around: hk1 and hk2 lie within 0.8 of the middle.
_MIDDLES = (Decimal("9.3"), Decimal("8.4"), Decimal("7.4"), Decimal("6.6"), Decimal("5.8"))
_REMARKS = {
    "high": (
        "Nắm vững kiến thức, vận dụng sáng tạo.",
        "Tích cực phát biểu, làm bài cẩn thận.",
        "Học tốt, biết giúp đỡ bạn.",
    ),
    "middle": (
        "Nắm được kiến thức cơ bản, cần mạnh dạn hơn.",
        "Có tiến bộ, cần rèn thêm kĩ năng trình bày.",
        "Chăm chỉ, hoàn thành đầy đủ bài tập.",
    ),
    "low": (
        "Cần ôn lại kiến thức cơ bản và đi học đều hơn.",
        "Còn nhiều lỗi tính toán, cần luyện tập thêm.",
        "Cần tập trung hơn trong giờ học.",
    ),
}
_LANGUAGE = {
    "NGOAI_NGU_1": "Ngoại ngữ 1 (Tiếng Anh)",
    "NGOAI_NGU_2": "Ngoại ngữ 2 (Tiếng Nhật)",
    "TIENG_DTTS": "Tiếng dân tộc thiểu số (Ê Đê)",
}


def rows(plan: ClassPlan, issued_on: date) -> tuple[Row, ...]:
    """The class as the school's software would hand it in, one mapping a pupil, ready for the intake."""
    result = []
    for number, pupil in enumerate(plan.pupils()):
        rng = random.Random(f"{plan.file_name}/{pupil.code}")  # noqa: S311 - the demo is the same everywhere
        case = plan.cases[number] if number < len(plan.cases) else None
        content = _primary(plan, rng, case) if plan.level == "TIEU_HOC" else _secondary(plan, rng, case)
        result.append({**_header(plan, issued_on), **pupil.fields(), **_school_years(plan, case), **content})
    return tuple(result)


def _header(plan: ClassPlan, issued_on: date) -> Row:
    school = plan.plan
    return {
        "level": plan.level,
        "scheme": vocabulary.level_info(plan.level).scheme.value,
        "grade": plan.grade,
        "year": plan.year,
        "ma_truong": school.code,
        "truong": school.name,
        "xa_phuong": school.place.commune,
        **({"quan_huyen": school.place.district} if school.place.district else {}),
        "tinh_thanh": school.place.province,
        "lop": plan.name,
        "nguoi_ky": school.manager.name,
        "chuc_vu": school.manager.title,
        "ngay_ky_phat_hanh": f"{issued_on:%d/%m/%Y}",
    }


def _school_years(plan: ClassPlan, case: Case | None) -> Row:
    first = vocabulary.level_info(plan.level).grades[0]
    start = int(plan.year[:4])
    school = plan.plan
    years = [
        {
            "nam_hoc": f"{start - back}-{start - back + 1}",
            "lop": f"{plan.grade - back}{plan.name.lstrip('0123456789')}",
            "truong": "Trường THPT Sông Hoa" if case is Case.MOVED and back else school.name,
            "tinh": school.place.province,
        }
        for back in range(plan.grade - first, -1, -1)
    ]
    return {"qua_trinh_hoc_tap": years}


def _primary(plan: ClassPlan, rng: random.Random, case: Case | None) -> Row:
    """TT 27/2020: T, H, C with whole test marks; qualities T, Đ, C; result, award and completion follow."""
    excellent, repeats = case is Case.EXCELLENT, case is Case.REPEATS
    ability = 9 if excellent else 4 if repeats else rng.choice((6, 7, 8, 9))
    row: Row = {
        "chieu_cao": f"{108 + plan.grade * 5 + rng.randrange(80) / 10:.1f}",
        "can_nang": f"{16 + plan.grade * 2.5 + rng.randrange(60) / 10:.1f}",
        "nghi_co_phep": rng.randrange(6),
        "nghi_khong_phep": rng.randrange(2),
    }
    levels, tests = [], []
    for subject in record.subjects(plan.level, plan.grade):
        optional = not subject.required_in(plan.grade)
        if optional and subject.code not in plan.optional:
            continue
        mark = max(0, min(10, ability + rng.choice((0, 1)))) if not repeats else ability
        level = "T" if mark >= 9 or (ability >= 8 and not subject.scored) else "H" if mark >= 5 else "C"
        value = {
            "ten": _LANGUAGE.get(subject.code, subject.name) if subject.free_text_suffix else subject.name,
            "muc_dat_duoc": level,
            "nhan_xet": rng.choice(_REMARKS["high" if level == "T" else "middle" if level == "H" else "low"]),
        }
        if subject.tested_in(plan.grade) or (optional and subject.scored):
            value["diem_ktdk"] = str(mark)
            tests.append(str(mark))
        levels.append(level)
        row[subject.field] = value
    qualities = ["T" if ability >= 8 else rng.choice(("T", "Đ")) for _ in vocabulary.QUALITIES]
    row |= dict(zip((quality.field for quality in vocabulary.QUALITIES), qualities, strict=True))
    result = record.primary_result(levels, tests, qualities)
    if case is Case.OVERRIDE:
        result = "Hoàn thành" if result != "Hoàn thành" else "Hoàn thành tốt"
        row["ghi_de"] = [
            {"truong": "ket_qua_giao_duc", "ly_do": "Hội đồng xét lại theo biên bản số 07/BB-HĐ."}
        ]
    row["ket_qua_giao_duc"] = result
    award = record.primary_award(result)
    if award:
        row["khen_thuong"] = award
    passed, failed = record.outcome_phrases(plan.level, plan.grade, "hoan_thanh")
    row["hoan_thanh"] = (passed if record.primary_completed(result) else failed)[0]
    return row


def _secondary(plan: ClassPlan, rng: random.Random, case: Case | None) -> Row:
    """TT 22/2021 and TT 43/2021: scores of one decimal or Đạt/Chưa đạt; averages and results follow."""
    middle = _MIDDLES[0] if case is Case.EXCELLENT else rng.choice(_MIDDLES)
    if case in (Case.REASSESSED, Case.REPEATS):
        middle = _MIDDLES[-1]
    row: Row = {"so_so_dang_bo": f"{rng.randrange(100, 900)}/{plan.level.removeprefix('GDTX_')}"}
    chosen = [s for s in record.subjects(plan.level, plan.grade) if _takes(plan, s)]
    # Two, because one weak subject alone is forgiven by one level (TT 22/2021 Đ.9.3).
    weak = [s for s in chosen if s.scored and s.code != "NGU_VAN"][:2]
    for subject in chosen:
        row[subject.field] = _subject_row(rng, subject, middle, case, weak=subject in weak)
    subjects = [value for name, value in row.items() if name.startswith("mon.") and isinstance(value, dict)]
    for term in ("hk1", "hk2", "ca_nam"):
        row[f"kq_hoc_tap_{term}"] = _study(subjects, term)
    _conduct(row, rng, case)
    row["tong_so_buoi_nghi"] = 46 + rng.randrange(10) if case is Case.ABSENT else rng.randrange(12)
    study = str(row["kq_hoc_tap_ca_nam"])
    if any("sau_danh_gia_lai" in value for value in subjects):
        study = _study(subjects, "sau_danh_gia_lai")
        row["kq_hoc_tap_sau_danh_gia_lai"] = study
    conduct = str(row.get("kq_ren_luyen_sau_he", row["kq_ren_luyen_ca_nam"]))
    if case is Case.OVERRIDE:
        row["kq_hoc_tap_ca_nam"] = study = "Khá" if study != "Khá" else "Đạt"
        row["ghi_de"] = [{"truong": "kq_hoc_tap_ca_nam", "ly_do": "Theo kết luận phúc khảo số 12/KL-THCS."}]
    promoted = record.promoted(conduct, study, int(str(row["tong_so_buoi_nghi"])))
    field = "hoan_thanh_ct" if record.is_last_grade(plan.level, plan.grade) else "ket_qua_len_lop"
    row[field] = record.outcome_phrases(plan.level, plan.grade, field)[0 if promoted else 1][0]
    scores = [str(v["ca_nam"]) for v in subjects if "ca_nam" in v and str(v["ca_nam"])[0].isdigit()]
    award = record.secondary_award(
        plan.level, str(row["kq_ren_luyen_ca_nam"]), str(row["kq_hoc_tap_ca_nam"]), scores
    )
    if award:
        row["khen_thuong"] = award
    if case is Case.EXCELLENT:
        row["chung_chi"] = [{"ten": "Chứng chỉ nghề Tin học văn phòng", "loai": "Giỏi"}]
        row["ket_qua_cuoc_thi"] = "Giải Nhì học sinh giỏi cấp tỉnh môn Toán"
    row["nhan_xet_gvcn"] = rng.choice(
        _REMARKS["high" if study in ("Tốt", "Khá") else "middle" if promoted else "low"]
    )
    row["phe_duyet_hieu_truong"] = "Phê duyệt kết quả cả năm."
    return row


def _takes(plan: ClassPlan, subject: vocabulary.Subject) -> bool:
    return subject.required_in(plan.grade) or subject.code in plan.electives or subject.code in plan.optional


def _subject_row(
    rng: random.Random,
    subject: vocabulary.Subject,
    middle: Decimal,
    case: Case | None,
    *,
    weak: bool,
) -> dict[str, object]:
    name = _LANGUAGE.get(subject.code, subject.name) if subject.free_text_suffix else subject.name
    if case is Case.EXEMPT and subject.code == "GIAO_DUC_THE_CHAT":
        return {"ten": name, "mien": True, "nhan_xet": "Được miễn học theo giấy chứng nhận của bệnh viện."}
    if not subject.scored:
        passed = {"hk1": "Đạt", "hk2": "Đạt", "ca_nam": "Đạt"}
        return {"ten": name, **passed, "nhan_xet": rng.choice(_REMARKS["middle"])}
    if case in (Case.REPEATS, Case.REASSESSED) and weak:
        middle = Decimal("2.7")
    hk1, hk2 = (
        str(min(Decimal("10.0"), max(Decimal("0.0"), middle + Decimal(rng.randint(-6, 6)) / 10)))
        for _ in "12"
    )
    average = record.year_average(hk1, hk2)
    value: dict[str, object] = {"ten": name, "hk1": hk1, "hk2": hk2, "ca_nam": average}
    if case is Case.REASSESSED and weak:
        value["sau_danh_gia_lai"] = "5.5"
    band = "high" if Decimal(average) >= 8 else "middle" if Decimal(average) >= 5 else "low"
    value["nhan_xet"] = rng.choice(_REMARKS[band])
    return value


def _study(subjects: Sequence[Mapping[str, object]], term: str) -> str:
    """The study result of one term; after re-assessment the new value stands for the year's."""
    values = [str(v.get(term) or v["ca_nam"]) for v in subjects if "ca_nam" in v]
    scores = [v for v in values if v[0].isdigit()]
    return record.study_result(scores, [v for v in values if not v[0].isdigit()])


def _conduct(row: Row, rng: random.Random, case: Case | None) -> None:
    first, second = rng.choice((("Tốt", "Tốt"), ("Khá", "Tốt"), ("Khá", "Khá"), ("Tốt", "Tốt")))
    if case is Case.EXCELLENT:
        first, second = "Tốt", "Tốt"
    if case is Case.SUMMER_TRAINING:
        first, second = "Đạt", "Chưa đạt"
    row["kq_ren_luyen_hk1"], row["kq_ren_luyen_hk2"] = first, second
    row["kq_ren_luyen_ca_nam"] = record.conduct_year(first, second)
    if case is Case.SUMMER_TRAINING:
        row["ket_qua_ren_luyen_he"] = "Hoàn thành tốt nhiệm vụ rèn luyện trong hè."
        row["kq_ren_luyen_sau_he"] = "Đạt"


def write(directory: Path, plan: ClassPlan, content: Sequence[Row]) -> Path:
    """Writes one class file in its format; the same rows give the same file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / plan.file_name
    match plan.format:
        case Format.JSONL:
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), "utf-8")
        case Format.CSV:
            path.write_text(as_csv(content), "utf-8-sig", newline="")
        case Format.XLSX:
            path.write_bytes(as_xlsx(content))
    return path


def as_csv(content: Sequence[Row]) -> str:
    """As Vietnamese Excel saves it: semicolons, decimal comma (the BOM is added on writing)."""
    heads, flat = _table(content)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow(heads)
    writer.writerows([_csv_cell(heads[name], row.get(name, "")) for name in heads] for row in flat)
    return buffer.getvalue()


def as_xlsx(content: Sequence[Row]) -> bytes:
    """As a school keeps it: marks are numbers, full dates are dates, codes are text."""
    heads, flat = _table(content)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Kết quả")
    sheet.append(list(heads))
    for row in flat:
        sheet.append([_xlsx_cell(heads[name], row.get(name)) for name in heads])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def file_of_mistakes(issued_on: date) -> str:
    """A CSV that must be refused, every mistake of it named: for trying ``issue --dry-run``.

    A mark beyond 10, an average that does not follow, a result that contradicts the marks, a day that does
    not exist, a pupil twice; and, to be warned of, a name with the look-alike Ð.
    """
    plan = next(p for p in CLASSES if not p.issued and p.level == "THCS")
    one, two, three, four, five, *_ = (dict(row) for row in rows(plan, issued_on))
    one["mon.TOAN"] = {**_subject_of(one, "TOAN"), "hk1": "11.0"}
    two["mon.NGU_VAN"] = {**_subject_of(two, "NGU_VAN"), "ca_nam": "9.9"}
    two["ngay_sinh"] = "31/02/2014"
    three["ket_qua_len_lop"] = "Không được lên lớp"
    four["ma_hoc_sinh"] = three["ma_hoc_sinh"]
    five["ho_va_ten"] = "Ðặng Văn Ðức"
    return as_csv([one, two, three, four, five])


def _subject_of(row: Row, code: str) -> Mapping[str, object]:
    value = row[f"mon.{code}"]
    if not isinstance(value, Mapping):
        raise TypeError(f"mon.{code} is not a subject row")
    return value


def _table(content: Sequence[Row]) -> tuple[dict[str, ColumnKind | None], list[dict[str, object]]]:
    """Column heads with their kinds (None: a header fact, plain text) and the rows as flat cells.

    Members of a subject become columns of their own, lists become JSON in one cell.
    """
    kinds = record.columns(str(content[0]["level"]), int(str(content[0]["grade"])))
    flat: list[dict[str, object]] = []
    for row in content:
        cells: dict[str, object] = {}
        for name, value in row.items():
            if isinstance(value, Mapping):
                cells |= {f"{name}.{member}": inner for member, inner in value.items()}
            elif isinstance(value, list):
                cells[name] = json.dumps(value, ensure_ascii=False)
            else:
                cells[name] = value
        flat.append(cells)
    return {name: kinds.get(name) for cells in flat for name in cells}, flat


def _csv_cell(kind: ColumnKind | None, value: object) -> object:
    match kind, value:
        case ColumnKind.SCORE | ColumnKind.DECIMAL, str():
            return value.replace(".", ",")
        case ColumnKind.FLAG, _:
            return "x" if value else ""
        case _:
            return value


def _xlsx_cell(kind: ColumnKind | None, value: object) -> str | int | float | date | None:
    match kind, value:
        case _, None | "":
            return None
        case ((ColumnKind.SCORE | ColumnKind.DECIMAL), str()) if value[0].isdigit():
            return float(value)
        case ColumnKind.WHOLE_SCORE, str():
            return int(value)
        case ColumnKind.DATE, str() if "/" in value:
            return datetime.strptime(value, "%d/%m/%Y").date()  # noqa: DTZ007 - a calendar day has no zone
        case ColumnKind.FLAG, _:
            return "x"
        case ColumnKind.INTEGER, int():
            return value
        case _:
            return str(value)
