"""The record as typed, frozen data: one pupil × one school year × one school, under one assessment scheme.

Attribute names are the names of the disclosures, of the JSON keys and of the columns of a class file. The
kind in each field's metadata says what a value may look like; a field without a default is required. None is
"absent": not stated, not disclosed. Fields: TT 27/2020, TT 22/2021 and TT 43/2021, forms of the học bạ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, cast

from verifier.errors import Problem
from verifier.record import rules
from verifier.record.kinds import (
    Choice,
    ColumnKind,
    Day,
    FieldSpec,
    Findings,
    Flag,
    Json,
    Listed,
    Measure,
    Name,
    Pattern,
    Phrase,
    SchoolYear,
    Text,
    Whole,
    check_object,
    fields_of,
    object_schema,
    of,
    parse_day,
    shown,
)
from verifier.record.vocabulary import (
    EXEMPT,
    FAIL,
    LEVEL_4,
    PASS,
    PRIMARY_RESULTS,
    QUALITIES,
    QUALITY_LEVELS,
    SEXES,
    THC,
    Assessment,
    Level,
    Scheme,
    Subject,
    level_info,
    mask_name,
    signature_fields,
    subjects,
)

_FOUR = Choice(LEVEL_4)
_SCORE_OR_EXEMPT = Pattern(
    f"{rules.SCORE_PATTERN}|{'|'.join(EXEMPT)}",
    'điểm 0.0–10.0 với đúng một chữ số thập phân, dấu chấm ("8.3"), hoặc “M”/“Miễn” nếu được miễn',
    ColumnKind.SCORE,
)
_SCORE = Pattern(
    rules.SCORE_PATTERN, 'điểm 0.0–10.0 với đúng một chữ số thập phân, dấu chấm ("8.3")', ColumnKind.SCORE
)
_COMMENT_OR_EXEMPT = Choice((PASS, FAIL, *EXEMPT), ColumnKind.SCORE)
_COMMENT = Choice((PASS, FAIL), ColumnKind.SCORE)
_WHOLE_SCORE = Pattern(
    rules.WHOLE_SCORE_PATTERN,
    'điểm nguyên từ 0 đến 10 ("9"), không có phần thập phân',
    ColumnKind.WHOLE_SCORE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolingStep:
    """One line of the schooling history."""

    nam_hoc: str = field(metadata=of(SchoolYear()))
    lop: str = field(metadata=of(Text(30, blank=False)))
    truong: str = field(metadata=of(Text(200, blank=False)))
    tinh: str | None = field(default=None, metadata=of(Text(80)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of the pupil (nghề phổ thông, ngoại ngữ, tin học …) and its grade."""

    ten: str = field(metadata=of(Text(200, blank=False)))
    loai: str | None = field(default=None, metadata=of(Text(80)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """The school stands by a value that does not follow from the others, or by a gap, and says why."""

    truong: str = field(metadata=of(Text(80, blank=False)))
    ly_do: str = field(metadata=of(Text(500, blank=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every form has: the pupil, the family, the school, the schooling so far, who signs."""

    ho_va_ten: str = field(metadata=of(Name()))
    gioi_tinh: str = field(metadata=of(Choice(SEXES)))
    ngay_sinh: str = field(metadata=of(Day(year_alone=True)))
    dan_toc: str | None = field(default=None, metadata=of(Text(50)))
    quoc_tich: str | None = field(default=None, metadata=of(Text(50)))
    doi_tuong: str | None = field(default=None, metadata=of(Text(200)))
    so_dinh_danh_ca_nhan: str | None = field(default=None, metadata=of(Pattern("[0-9]{12}", "12 chữ số")))
    noi_sinh: str | None = field(default=None, metadata=of(Text(300)))
    que_quan: str | None = field(default=None, metadata=of(Text(300)))
    noi_o_hien_tai: str | None = field(default=None, metadata=of(Text(300)))
    cha_ho_ten: str | None = field(default=None, metadata=of(Name(blank=True)))
    cha_nghe_nghiep: str | None = field(default=None, metadata=of(Text(120)))
    me_ho_ten: str | None = field(default=None, metadata=of(Name(blank=True)))
    me_nghe_nghiep: str | None = field(default=None, metadata=of(Text(120)))
    nguoi_giam_ho_ho_ten: str | None = field(default=None, metadata=of(Name(blank=True)))
    nguoi_giam_ho_nghe_nghiep: str | None = field(default=None, metadata=of(Text(120)))
    truong: str = field(metadata=of(Text(200, blank=False)))
    xa_phuong: str | None = field(default=None, metadata=of(Text(120)))
    xa_phuong_ma: str | None = field(default=None, metadata=of(Pattern("[0-9]{1,8}", "mã gồm các chữ số")))
    quan_huyen: str | None = field(default=None, metadata=of(Text(120)))
    tinh_thanh: str = field(metadata=of(Text(80, blank=False)))
    tinh_thanh_ma: str | None = field(default=None, metadata=of(Pattern("[0-9]{1,8}", "mã gồm các chữ số")))
    lop: str = field(metadata=of(Text(30, blank=False)))
    qua_trinh_hoc_tap: tuple[SchoolingStep, ...] | None = field(
        default=None, metadata=of(Listed(SchoolingStep, 20))
    )
    nguoi_ky: str = field(metadata=of(Name()))
    chuc_vu: str = field(metadata=of(Text(80, blank=False)))
    ngay_ky_phat_hanh: str = field(metadata=of(Day()))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryLevelRow:
    """A primary subject without a test mark."""

    ten: str = field(metadata=of(Text(120, blank=False)))
    muc_dat_duoc: str | None = field(default=None, metadata=of(Choice(THC)))
    nhan_xet: str | None = field(default=None, metadata=of(Text(600)))
    mien: bool = field(default=False, metadata=of(Flag()))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryTestedRow(PrimaryLevelRow):
    """A primary subject that can have an end-of-year test mark (the last one, after a re-test)."""

    diem_ktdk: str | None = field(default=None, metadata=of(_WHOLE_SCORE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """A secondary subject with averages of one decimal."""

    ten: str = field(metadata=of(Text(120, blank=False)))
    hk1: str | None = field(default=None, metadata=of(_SCORE_OR_EXEMPT))
    hk2: str | None = field(default=None, metadata=of(_SCORE_OR_EXEMPT))
    ca_nam: str | None = field(default=None, metadata=of(_SCORE_OR_EXEMPT))
    sau_danh_gia_lai: str | None = field(default=None, metadata=of(_SCORE))
    nhan_xet: str | None = field(default=None, metadata=of(Text(600)))
    mien: bool = field(default=False, metadata=of(Flag()))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentRow:
    """A secondary subject assessed by comment: Đạt or Chưa đạt."""

    ten: str = field(metadata=of(Text(120, blank=False)))
    hk1: str | None = field(default=None, metadata=of(_COMMENT_OR_EXEMPT))
    hk2: str | None = field(default=None, metadata=of(_COMMENT_OR_EXEMPT))
    ca_nam: str | None = field(default=None, metadata=of(_COMMENT_OR_EXEMPT))
    sau_danh_gia_lai: str | None = field(default=None, metadata=of(_COMMENT))
    nhan_xet: str | None = field(default=None, metadata=of(Text(600)))
    mien: bool = field(default=False, metadata=of(Flag()))


Row = PrimaryLevelRow | ScoredRow | CommentRow


@dataclass(frozen=True, slots=True)
class RowKind:
    """The object behind ``mon.<CODE>``; its shape depends on how the subject is assessed."""

    subject: Subject
    column: ColumnKind = ColumnKind.OBJECT

    @property
    def model(self) -> type[Row]:
        """The dataclass of the row."""
        match self.subject.assessment:
            case Assessment.LEVEL:
                return PrimaryLevelRow
            case Assessment.LEVEL_AND_SCORE:
                return PrimaryTestedRow
            case Assessment.SCORE:
                return ScoredRow
            case Assessment.PASS_FAIL:
                return CommentRow

    def check(self, value: object, where: str, findings: Findings) -> None:
        self.read(value, where, findings)

    def read(self, value: object, where: str, findings: Findings) -> Row:
        """The row with every value that passed. Without ``ten`` it has the name in the circular."""
        given = {"ten": self.subject.name, **value} if isinstance(value, Mapping) else value
        good = check_object(given, where, findings, fields_of(self.model))
        name = good.setdefault("ten", self.subject.name)
        if not self.subject.is_called(str(name)):
            findings.wrong(
                f"{where}.ten",
                "wrong_subject_name",
                f"{shown(name)} không phải tên môn mang mã {self.subject.code} (“{self.subject.name}”)",
            )
        return self.model(**good)

    def schema(self) -> dict[str, Any]:
        schema = object_schema(fields_of(self.model))
        schema["required"] = []
        marks = {
            name: False
            for name in ("muc_dat_duoc", "diem_ktdk", "hk1", "hk2", "ca_nam", "sau_danh_gia_lai")
            if name in schema["properties"]
        }
        return {
            "title": self.model.__name__,
            **schema,
            "if": {"required": ["mien"]},
            "then": {"properties": marks},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryYear:
    """A primary year (TT 27/2020). ``mon``, ``pham_chat`` and ``nang_luc`` are keyed by code."""

    chieu_cao: str | None = field(default=None, metadata=of(Measure(30, 250, "cm")))
    can_nang: str | None = field(default=None, metadata=of(Measure(3, 300, "kg")))
    nghi_co_phep: int | None = field(default=None, metadata=of(Whole(0, 400)))
    nghi_khong_phep: int | None = field(default=None, metadata=of(Whole(0, 400)))
    mon: Mapping[str, Row]
    pham_chat: Mapping[str, str]
    nang_luc: Mapping[str, str]
    ket_qua_giao_duc: str = field(metadata=of(Choice(PRIMARY_RESULTS)))
    khen_thuong: str | None = field(default=None, metadata=of(Text(600)))
    hoan_thanh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryYear:
    """A THCS, THPT or GDTX-THPT year (TT 22/2021, TT 43/2021). ``mon`` is keyed by code."""

    so_so_dang_bo: str | None = field(default=None, metadata=of(Text(60)))
    mon: Mapping[str, Row]
    kq_ren_luyen_hk1: str | None = field(default=None, metadata=of(_FOUR))
    kq_ren_luyen_hk2: str | None = field(default=None, metadata=of(_FOUR))
    kq_ren_luyen_ca_nam: str | None = field(default=None, metadata=of(_FOUR))
    kq_ren_luyen_sau_he: str | None = field(default=None, metadata=of(_FOUR))
    kq_hoc_tap_hk1: str | None = field(default=None, metadata=of(_FOUR))
    kq_hoc_tap_hk2: str | None = field(default=None, metadata=of(_FOUR))
    kq_hoc_tap_ca_nam: str | None = field(default=None, metadata=of(_FOUR))
    kq_hoc_tap_sau_danh_gia_lai: str | None = field(default=None, metadata=of(_FOUR))
    tong_so_buoi_nghi: int | None = field(default=None, metadata=of(Whole(0, 400)))
    ket_qua_len_lop: str | None = None
    hoan_thanh_ct: str | None = None
    chung_chi: tuple[Certificate, ...] | None = field(default=None, metadata=of(Listed(Certificate, 10)))
    ket_qua_cuoc_thi: str | None = field(default=None, metadata=of(Text(600)))
    khen_thuong: str | None = field(default=None, metadata=of(Text(600)))
    ket_qua_ren_luyen_he: str | None = field(default=None, metadata=of(Text(300)))
    nhan_xet_gvcn: str | None = field(default=None, metadata=of(Text(1500)))
    phe_duyet_hieu_truong: str | None = field(default=None, metadata=of(Text(600)))


Year = PrimaryYear | SecondaryYear


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A checked record. Made by :func:`verifier.record.parse` only.

    ``ma_hoc_sinh`` is the school's own pupil code: it keeps issuing idempotent and is never disclosed.
    ``warnings`` are what was kept although it looks odd.
    """

    level: Level
    scheme: Scheme
    grade: int
    year: str
    issuer: str
    ma_hoc_sinh: str
    common: Common
    results: Year
    ghi_de: tuple[Override, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def issued_on(self) -> date:
        """``ngay_ky_phat_hanh`` as a date."""
        return parse_day(self.common.ngay_ky_phat_hanh)

    @property
    def subject_codes(self) -> tuple[str, ...]:
        """Codes of the subject rows in the order of the form, exempt rows included."""
        return tuple(self.results.mon)

    @property
    def signature_fields(self) -> tuple[str, ...]:
        """Signature fields of the document, in signing order."""
        return signature_fields(self.level, self.subject_codes)

    @property
    def masked_name(self) -> str:
        """What everyone may see of the name."""
        return mask_name(self.common.ho_va_ten)

    def fields(self) -> dict[str, Json]:
        """Disclosure name → value, in a stable order. Absent values are not there."""
        named: dict[str, Json] = {}
        for spec in field_specs(self.level, self.grade):
            head, _, code = spec.name.partition(".")
            holder = self.common if hasattr(self.common, head) else self.results
            value: object = self.ghi_de if head == "ghi_de" else getattr(holder, head)
            if code:
                value = cast("Mapping[str, object]", value).get(code)
            if value is not None and value != ():
                named[spec.name] = _json(value)
        return named

    def to_input(self) -> dict[str, Json]:
        """What ``parse`` takes: the header facts and the fields. ``parse(record.to_input()) == record``."""
        return {
            "level": self.level.value,
            "scheme": self.scheme.value,
            "grade": self.grade,
            "year": self.year,
            "ma_truong": self.issuer,
            "ma_hoc_sinh": self.ma_hoc_sinh,
            **self.fields(),
        }


def _json(value: object) -> Json:
    """A model value as JSON: objects lose what is absent, tuples become lists."""
    if isinstance(value, str | int):
        return value
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return {
        spec.name: _json(got)
        for spec in fields_of(type(value))
        if (got := getattr(value, spec.name)) is not None and got is not False
    }


_SIGNING = ("nguoi_ky", "chuc_vu", "ngay_ky_phat_hanh")  # the foot of the form


@cache
def field_specs(level: Level | str, grade: int) -> tuple[FieldSpec, ...]:
    """Every disclosure a record of this level and grade can have, in the order of the form."""
    level = Level(level)
    common = {spec.name: spec for spec in fields_of(Common)}
    year: list[FieldSpec] = []
    for a_field in dataclasses.fields(PrimaryYear if level is Level.TIEU_HOC else SecondaryYear):
        match a_field.name:
            case "mon":
                year.extend(FieldSpec(s.field, RowKind(s), False) for s in subjects(level, grade))
            case "pham_chat" | "nang_luc":
                year.extend(
                    FieldSpec(q.field, Choice(QUALITY_LEVELS), True)
                    for q in QUALITIES
                    if q.field.startswith(f"{a_field.name}.")
                )
            case "hoan_thanh_ct" if not rules.is_last_grade(level, grade):
                pass
            case "hoan_thanh" | "ket_qua_len_lop" | "hoan_thanh_ct":
                positive, negative = rules.outcome_phrases(level, grade, a_field.name)
                year.append(
                    FieldSpec(a_field.name, Phrase((*positive, *negative)), a_field.name == "hoan_thanh")
                )
            case name:
                year.append(FieldSpec(name, a_field.metadata["kind"], a_field.default is dataclasses.MISSING))
    return (
        *(spec for name, spec in common.items() if name not in _SIGNING),
        *year,
        *(common[name] for name in _SIGNING),
        FieldSpec("ghi_de", Listed(Override, 60), False),
    )


# Codes for the receiving software: the forms have no place for them.
MACHINE_ONLY = ("xa_phuong_ma", "tinh_thanh_ma")


def printed_fields(level: Level | str) -> tuple[str, ...]:
    """Every disclosure name of a level that has a place on the printed page, over all its grades."""
    names: dict[str, None] = {}
    for grade in level_info(level).grades:
        names |= dict.fromkeys(spec.name for spec in field_specs(level, grade))
    return tuple(name for name in names if name not in MACHINE_ONLY)


def columns(level: Level | str, grade: int) -> dict[str, ColumnKind]:
    """For an importer, flat column → how its cells become values; ``mon.TOAN.hk1`` is ``hk1`` of the row."""
    found: dict[str, ColumnKind] = {}
    for spec in field_specs(level, grade):
        if isinstance(spec.kind, RowKind):
            found |= {f"{spec.name}.{sub.name}": sub.kind.column for sub in fields_of(spec.kind.model)}
        else:
            found[spec.name] = spec.kind.column
    return found
