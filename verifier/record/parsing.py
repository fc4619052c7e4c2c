"""From untrusted input to a checked :class:`Record`: every mistake at once, derived values checked, not
trusted.

A value that follows from others (averages, year results, awards, promotion) must agree with them. Where the
school knows better it says so in ``ghi_de`` with the reason, which silences the contradiction of exactly
that field and is kept in the record. The same way it explains a gap (a semester not attended, a subject not
taught).
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.errors import InvalidInput
from verifier.record import rules
from verifier.record.kinds import (
    Findings,
    Kind,
    Listed,
    Pattern,
    Phrase,
    SchoolYear,
    either,
    fields_of,
    parse_day,
    shown,
)
from verifier.record.model import (
    CommentRow,
    Common,
    Override,
    PrimaryLevelRow,
    PrimaryTestedRow,
    PrimaryYear,
    Record,
    Row,
    RowKind,
    ScoredRow,
    SecondaryYear,
    Year,
    field_specs,
)
from verifier.record.vocabulary import (
    DATA,
    EXEMPT,
    LEGACY_SCHEMES,
    NOT_REACHED,
    PROVINCES_2025,
    QUALITIES,
    Level,
    Scheme,
    SubjectKind,
    comparison_key,
    level_info,
    subjects,
)

HEADER_INPUT = ("level", "scheme", "grade", "year", "ma_truong", "ma_hoc_sinh")
SCHOOL_CODE = Pattern(
    "[0-9A-Za-z_-]{1,20}", "mã trường gồm chữ không dấu và số, tối đa 20 ký tự, giữ số 0 đầu"
)
PUPIL_CODE = Pattern(
    "[0-9A-Za-z._/-]{1,30}", "mã học sinh gồm chữ không dấu và số, tối đa 30 ký tự, giữ số 0 đầu"
)
_TERMS = ("hk1", "hk2", "ca_nam")


@dataclass(slots=True)
class _Draft:
    """What has passed so far. Contradictions are looked for among what passed, so that one bad cell does not
    hide the other mistakes.
    """

    level: Level
    grade: int
    year: str | None
    findings: Findings
    values: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    bad_rows: set[str] = field(default_factory=set)  # codes of rows that were given but did not pass
    reasons: dict[str, str] = field(default_factory=dict)  # overrides: field → reason
    used: set[str] = field(default_factory=set)

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def excused(self, where: str) -> bool:
        """Whether the school has overridden this field; remembers that it was needed."""
        if where not in self.reasons:
            return False
        self.used.add(where)
        return True

    def demand(self, where: str, code: str, message: str) -> None:
        """A problem unless the school gives a reason."""
        if not self.excused(where):
            self.findings.wrong(where, code, f"{message}; nếu đúng là như vậy, ghi lý do trong ghi_de")

    def compare(self, where: str, stated: str, derived: str, because: str = "") -> None:
        """A contradiction unless the two agree or the school gives a reason."""
        if stated != derived:
            why = f" ({because})" if because else ""
            self.demand(where, "contradiction", f"ghi {shown(stated)} nhưng tính được {shown(derived)}{why}")


class RefusedRecord(InvalidInput):
    """A record with problems; ``warnings`` are what was odd beside them."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(tuple(findings.problems))
        self.warnings = tuple(findings.warnings)


def parse(data: Mapping[str, object]) -> Record:
    """The record in ``data``: header facts, ``ma_hoc_sinh`` and fields under their names.

    Raises RefusedRecord, an InvalidInput, with every problem; ``where`` is the field, such as
    ``mon.TOAN.ca_nam``. What is only odd is in ``record.warnings``, or in those of the refusal.
    """
    findings = Findings()

    # 1. The header facts; without a level and a grade nothing else can be read.
    level, scheme, grade, year = _header(data, findings)
    issuer = _one(data, "ma_truong", SCHOOL_CODE, findings)
    pupil = _one(data, "ma_hoc_sinh", PUPIL_CODE, findings)
    if level is None or grade is None:
        for spec in fields_of(Common):
            _one(data, spec.name, spec.kind, findings, required=spec.required)
        raise RefusedRecord(findings)
    draft = _Draft(level, grade, year, findings)

    # 2. Every field by itself.
    _read_fields(data, draft)

    # 3. The reasons the school gives.
    _read_overrides(draft)

    # 4. Fields against each other and against the rules.
    _check_person_and_place(draft)
    _check_subjects(draft)
    if level is Level.TIEU_HOC:
        _check_primary(draft)
    else:
        _check_secondary(draft)
    for unused in sorted(draft.reasons.keys() - draft.used):
        findings.odd(
            unused, "override_unneeded", "ghi_de nêu trường này nhưng giá trị không trái với quy định"
        )

    # 5. A record, or everything that is wrong.
    if findings.problems or scheme is None or year is None:
        raise RefusedRecord(findings)
    return _build(draft, scheme, year, str(issuer), str(pupil))


def _header(
    data: Mapping[str, object], findings: Findings
) -> tuple[Level | None, Scheme | None, int | None, str | None]:
    """Level, scheme, grade and year, each None when it cannot be used."""
    level = _level(data, findings)
    scheme = _scheme(data, level, findings)
    grade = data.get("grade")
    known_grade: int | None = None
    if grade is None:
        findings.wrong("grade", "missing", "thiếu khối lớp")
    elif isinstance(grade, bool) or not isinstance(grade, int):
        findings.wrong("grade", "wrong_type", f"khối lớp phải là số nguyên, không phải {shown(grade)}")
    elif level is not None and grade not in level_info(level).grades:
        grades = level_info(level).grades
        findings.wrong(
            "grade",
            "out_of_range",
            f"khối {grade} không thuộc {level_info(level).name} ({grades[0]}–{grades[-1]})",
        )
    else:
        known_grade = grade
    year = _one(data, "year", SchoolYear(), findings)
    known_year = year if isinstance(year, str) else None
    if scheme is not None and known_grade is not None and known_year is not None:
        info = DATA["schemes"][scheme.value]
        first = info["first_year_by_grade"].get(str(known_grade))
        if first is not None and int(known_year[:4]) < first:
            before = LEGACY_SCHEMES[info["before"]]["regulation"]
            findings.wrong(
                "year",
                "legacy_scheme",
                f"khối {known_grade} chỉ theo {info['regulation']} từ năm học {first}-{first + 1}; "
                f"năm học {known_year} còn theo {before}, cổng này chưa phát hành học bạ theo quy định đó",
            )
    return level, scheme, known_grade, known_year


def _level(data: Mapping[str, object], findings: Findings) -> Level | None:
    value = data.get("level")
    if value is None:
        findings.wrong("level", "missing", f"thiếu cấp học; phải là {either(tuple(Level))}")
    elif value == "GDTX_THCS":
        findings.wrong(
            "level",
            "level_not_supported",
            "chưa phát hành được học bạ GDTX cấp THCS: chưa có danh mục môn học chính thức làm nguồn",
        )
    elif value not in tuple(Level):
        findings.wrong("level", "not_in_list", f"{shown(value)} không hợp lệ; phải là {either(tuple(Level))}")
    else:
        return Level(str(value))
    return None


def _scheme(data: Mapping[str, object], level: Level | None, findings: Findings) -> Scheme | None:
    value = data.get("scheme")
    if isinstance(value, str) and value in LEGACY_SCHEMES:
        findings.wrong(
            "scheme",
            "legacy_scheme",
            f"chưa phát hành được học bạ theo {LEGACY_SCHEMES[value]['regulation']}: "
            "chỉ lưu danh mục để đối chiếu",
        )
        return None
    if value is not None and value not in tuple(Scheme):
        findings.wrong(
            "scheme", "not_in_list", f"{shown(value)} không hợp lệ; phải là {either(tuple(Scheme))}"
        )
        return None
    if level is None:
        return None
    expected = level_info(level).scheme
    if value is None:
        findings.wrong("scheme", "missing", f"thiếu quy định đánh giá; cấp này là “{expected}”")
    elif value != expected:
        findings.wrong(
            "scheme",
            "not_in_list",
            f"{level_info(level).name} đánh giá theo “{expected}”, không phải “{value}”",
        )
    return expected


def _one(
    data: Mapping[str, object], name: str, kind: Kind, findings: Findings, *, required: bool = True
) -> object | None:
    """The value under ``name`` if it is there and passes, else None."""
    if name not in data:
        if required:
            findings.wrong(name, "missing", "thiếu giá trị bắt buộc")
        return None
    before = len(findings.problems)
    kind.check(data[name], name, findings)
    return data[name] if len(findings.problems) == before else None


def _read_fields(data: Mapping[str, object], draft: _Draft) -> None:
    findings = draft.findings
    specs = {spec.name: spec for spec in field_specs(draft.level, draft.grade)}
    for name in data:
        if name not in specs and name not in HEADER_INPUT:
            findings.wrong(str(name), *_stranger(str(name), draft))
    for name, spec in specs.items():
        if isinstance(spec.kind, RowKind):
            if name in data:
                before = len(findings.problems)
                row = spec.kind.read(data[name], name, findings)
                draft.rows[spec.kind.subject.code] = row
                if len(findings.problems) > before:
                    draft.bad_rows.add(spec.kind.subject.code)
        else:
            value = _one(data, name, spec.kind, findings, required=spec.required)
            if value is not None:
                draft.values[name] = value


def _stranger(name: str, draft: _Draft) -> tuple[str, str]:
    """(code, sentence) for a field that has no place in a record of this level and grade."""
    info = level_info(draft.level)
    head, _, code = name.partition(".")
    if head == "mon":
        subject = info.subject(code)
        if subject is not None:
            return "subject_not_in_grade", f"môn {subject.name} không có ở lớp {draft.grade}"
        return "unknown_subject", f"mã môn {shown(code)} không có ở {info.name}"
    if name == "hoan_thanh_ct":
        return "not_in_grade", f"chỉ ghi ở lớp cuối cấp ({info.grades[-1]})"
    return "unknown_field", f"học bạ {info.name} không có trường này"


def _read_overrides(draft: _Draft) -> None:
    allowed = set(_overridable(draft.level, draft.grade))
    for number, item in enumerate(draft.values.get("ghi_de", ()), 1):
        name, reason = item["truong"], item["ly_do"]
        where = f"ghi_de[{number}].truong"
        if name not in allowed:
            draft.findings.wrong(
                where,
                "not_overridable",
                f"{shown(name)} không phải trường được tính hoặc được phép vắng kèm lý do",
            )
        elif name in draft.reasons:
            draft.findings.wrong(where, "repeated", f"{shown(name)} đã có lý do ở trên")
        else:
            draft.reasons[name] = reason


def _overridable(level: Level, grade: int) -> Iterator[str]:
    """Fields a school may override: the derived ones, and gaps that it can explain."""
    yield "mon"  # the number of electives
    yield "chuc_vu"
    yield "khen_thuong"
    for subject in subjects(level, grade):
        yield subject.field
        names = ("diem_ktdk",) if level is Level.TIEU_HOC else (*_TERMS, "sau_danh_gia_lai")
        yield from (f"{subject.field}.{name}" for name in names)
    if level is Level.TIEU_HOC:
        yield from ("ket_qua_giao_duc", "hoan_thanh")
        return
    yield from (f"kq_{what}_{term}" for what in ("ren_luyen", "hoc_tap") for term in _TERMS)
    yield from ("kq_ren_luyen_sau_he", "kq_hoc_tap_sau_danh_gia_lai", "tong_so_buoi_nghi", "ket_qua_len_lop")
    if rules.is_last_grade(level, grade):
        yield "hoan_thanh_ct"


def _check_person_and_place(draft: _Draft) -> None:
    """Birth, issue date, district, province, class and the signer's title against year, level and grade."""
    findings, info = draft.findings, level_info(draft.level)
    born, issued = draft.text("ngay_sinh"), draft.text("ngay_ky_phat_hanh")
    if draft.year is not None:
        start = int(draft.year[:4])
        if born is not None and not 4 <= start - int(born[-4:]) <= 100:
            findings.wrong(
                "ngay_sinh", "out_of_range", f"sinh năm {born[-4:]} không khớp với năm học {draft.year}"
            )
        if issued is not None and parse_day(issued).isoformat() < f"{start}-08-01":
            findings.wrong(
                "ngay_ky_phat_hanh", "out_of_range", f"{issued} trước khi năm học {draft.year} bắt đầu"
            )
        if start >= 2025:
            if draft.text("quan_huyen"):
                findings.wrong(
                    "quan_huyen", "no_district", "từ 01/07/2025 không còn cấp huyện; hãy bỏ trường này"
                )
            province = draft.text("tinh_thanh")
            if province is not None and _bare_province(province) not in _PROVINCE_KEYS:
                findings.odd(
                    "tinh_thanh",
                    "unknown_province",
                    f"{shown(province)} không có trong 34 tỉnh, thành phố từ 01/07/2025; được giữ nguyên",
                )
    number = re.match(r"[0-9]{1,2}", draft.text("lop") or "", re.ASCII)
    if number and int(number[0]) != draft.grade:
        findings.odd(
            "lop", "class_and_grade", f"lớp {shown(draft.text('lop'))} không cùng số với khối {draft.grade}"
        )
    title = draft.text("chuc_vu")
    if title is not None and comparison_key(info.head_title) not in comparison_key(title):
        draft.demand(
            "chuc_vu",
            "contradiction",
            f"ghi {shown(title)} nhưng học bạ {info.name} do {info.head_title} ký "
            "(hoặc cấp phó, người được giao quyền)",
        )


def _bare_province(name: str) -> str:
    """A province's name without "Tỉnh", "Thành phố", "TP."."""
    key = comparison_key(name)
    return re.sub(rf"^(?:{comparison_key('tỉnh')}|{comparison_key('thành phố')}|tp\.?)\s*", "", key)


_PROVINCE_KEYS = frozenset(_bare_province(name) for name in PROVINCES_2025)


def _exempt(row: Row) -> bool:
    return row.mien or getattr(row, "ca_nam", None) in EXEMPT


def _check_subjects(draft: _Draft) -> None:
    """Required subjects are there, electives as many as the programme says, exempt rows without marks."""
    info = level_info(draft.level)
    for subject in subjects(draft.level, draft.grade):
        if subject.required_in(draft.grade) and subject.code not in draft.rows:
            draft.demand(
                subject.field,
                "missing_subject",
                f'thiếu môn bắt buộc {subject.name} (nếu được miễn, ghi "mien": true)',
            )
    if info.electives_to_choose:
        electives = [s for s in subjects(draft.level, draft.grade) if s.kind is SubjectKind.ELECTIVE]
        chosen = [s for s in electives if s.code in draft.rows]
        if len(chosen) != info.electives_to_choose:
            draft.demand(
                "mon",
                "electives",
                f"có {len(chosen)} môn lựa chọn, phải đúng {info.electives_to_choose} "
                f"trong {len(electives)} môn",
            )
    for code, row in draft.rows.items():
        marks = [spec.name for spec in fields_of(type(row)) if spec.name not in ("ten", "nhan_xet", "mien")]
        if row.mien:
            for name in marks:
                if getattr(row, name) is not None:
                    draft.findings.wrong(
                        f"mon.{code}.{name}", "exempt_with_mark", "môn được miễn thì không có kết quả"
                    )


def _check_primary(draft: _Draft) -> None:
    """TT 27/2020: levels and test marks complete; year result, award and completion follow."""
    readable = not draft.bad_rows
    for subject in subjects(draft.level, draft.grade):
        row = draft.rows.get(subject.code)
        if row is None and subject.required_in(draft.grade) and subject.field not in draft.reasons:
            readable = False
        if not isinstance(row, PrimaryLevelRow) or row.mien or subject.code in draft.bad_rows:
            continue
        if row.muc_dat_duoc is None:
            readable = False
            draft.findings.wrong(
                f"{subject.field}.muc_dat_duoc", "missing", "thiếu mức đạt được (T, H hoặc C)"
            )
        if isinstance(row, PrimaryTestedRow) and row.diem_ktdk is None and subject.tested_in(draft.grade):
            where = f"{subject.field}.diem_ktdk"
            readable = readable and where in draft.reasons
            draft.demand(where, "missing", "thiếu điểm kiểm tra định kì cuối năm")
    rows = [row for row in draft.rows.values() if isinstance(row, PrimaryLevelRow) and not row.mien]
    qualities = [q for quality in QUALITIES if (q := draft.text(quality.field)) is not None]
    result = draft.text("ket_qua_giao_duc")
    if readable and result is not None and len(qualities) == len(QUALITIES):
        derived = rules.primary_result(
            [row.muc_dat_duoc for row in rows if row.muc_dat_duoc is not None],
            [
                row.diem_ktdk
                for row in rows
                if isinstance(row, PrimaryTestedRow) and row.diem_ktdk is not None
            ],
            qualities,
        )
        draft.compare("ket_qua_giao_duc", result, derived, f"theo {level_info(draft.level).regulation} Đ.9")
    if result is None:
        return
    earned = rules.primary_award(result)
    _check_award(draft, earned, due=False)
    _check_outcome(draft, "hoan_thanh", rules.primary_completed(result))


def _check_secondary(draft: _Draft) -> None:
    """TT 22/2021, TT 43/2021: averages, results of semesters and year, award, promotion, completion."""
    # 1. Every subject: complete, and the year follows from the semesters.
    for subject in subjects(draft.level, draft.grade):
        row = draft.rows.get(subject.code)
        if isinstance(row, ScoredRow | CommentRow) and not row.mien and subject.code not in draft.bad_rows:
            _check_secondary_row(draft, subject.field, row)

    # 2. Results of both semesters and of the year.
    for name in (
        *(f"kq_{what}_{term}" for what in ("ren_luyen", "hoc_tap") for term in _TERMS),
        "tong_so_buoi_nghi",
        "hoan_thanh_ct" if rules.is_last_grade(draft.level, draft.grade) else "ket_qua_len_lop",
    ):
        if not _given(draft, name):
            draft.demand(name, "missing", "thiếu giá trị bắt buộc")
    for term in _TERMS:
        _check_study(draft, f"kq_hoc_tap_{term}", term)
    conduct = draft.text("kq_ren_luyen_ca_nam")
    halves = draft.text("kq_ren_luyen_hk1"), draft.text("kq_ren_luyen_hk2")
    if conduct is not None and halves[0] is not None and halves[1] is not None:
        draft.compare(
            "kq_ren_luyen_ca_nam",
            conduct,
            rules.conduct_year(halves[0], halves[1]),
            f"theo {level_info(draft.level).regulation}",
        )

    # 3. Summer: only for those who need it.
    study = draft.text("kq_hoc_tap_ca_nam")
    again = _check_reassessment(draft, study)
    after_summer = draft.text("kq_ren_luyen_sau_he")
    if after_summer is not None and conduct is not None and conduct != NOT_REACHED:
        draft.demand(
            "kq_ren_luyen_sau_he",
            "not_entitled",
            f"chỉ rèn luyện trong hè khi kết quả cả năm Chưa đạt, mà cả năm ghi {shown(conduct)}",
        )

    # 4. Award of the year, then promotion or completion after summer.
    if study is not None and conduct is not None:
        scores = _term_values(draft, "ca_nam")
        if scores is not None:
            earned = rules.secondary_award(draft.level, conduct, study, scores[0])
            _check_award(draft, earned, due=True)
    final_study, final_conduct = again or study, after_summer or conduct
    absences = draft.values.get("tong_so_buoi_nghi")
    if final_study is not None and final_conduct is not None and isinstance(absences, int):
        passed = rules.promoted(final_conduct, final_study, absences)
        because = f"rèn luyện {final_conduct}, học tập {final_study}, nghỉ {absences} buổi"
        for name in ("ket_qua_len_lop", "hoan_thanh_ct"):
            _check_outcome(draft, name, passed, because)


def _given(draft: _Draft, name: str) -> bool:
    """Whether a field has a good value, or a bad one that is already named."""
    return name in draft.values or any(p.where == name for p in draft.findings.problems)


def _check_secondary_row(draft: _Draft, where: str, row: ScoredRow | CommentRow) -> None:
    for term in _TERMS:
        if getattr(row, term) is None:
            draft.demand(
                f"{where}.{term}", "missing", 'thiếu kết quả (nếu được miễn, ghi "M" hoặc "mien": true)'
            )
    missing = [term for term in ("hk1", "hk2") if getattr(row, term) is None]
    if row.ca_nam is not None and all(f"{where}.{term}" in draft.reasons for term in missing):
        halves = [v for v in (row.hk1, row.hk2) if v is not None and v not in EXEMPT]
        exempt = [v for v in (row.hk1, row.hk2) if v in EXEMPT]
        if not halves:
            if exempt and row.ca_nam not in EXEMPT:
                draft.compare(f"{where}.ca_nam", row.ca_nam, exempt[-1], "cả hai học kì được miễn")
        elif len(halves) == 1:
            draft.compare(f"{where}.ca_nam", row.ca_nam, halves[0], "chỉ một học kì có kết quả")
        elif isinstance(row, ScoredRow):
            draft.compare(f"{where}.ca_nam", row.ca_nam, rules.year_average(*halves), "(HK1 + 2 × HK2) / 3")
        else:
            draft.compare(f"{where}.ca_nam", row.ca_nam, halves[1], "lấy theo học kì II")
    retaken = row.sau_danh_gia_lai is not None and row.ca_nam is not None
    if retaken and (row.ca_nam in EXEMPT or not rules.may_be_reassessed(str(row.ca_nam))):
        draft.demand(
            f"{where}.sau_danh_gia_lai",
            "not_entitled",
            f"chỉ đánh giá lại môn Chưa đạt hoặc dưới 5,0, mà cả năm ghi {shown(row.ca_nam)}",
        )


def _term_values(draft: _Draft, term: str, *, again: bool = False) -> tuple[list[str], list[str]] | None:
    """(scores, comments) of a semester or the year over all subjects; None when one of them cannot be read.

    A gap that the school explains is left out, like an exemption. ``again``: a re-assessed value replaces
    the year's.
    """
    if draft.bad_rows:
        return None
    scores: list[str] = []
    comments: list[str] = []
    for subject in subjects(draft.level, draft.grade):
        row = draft.rows.get(subject.code)
        if row is None:
            if subject.required_in(draft.grade) and subject.field not in draft.reasons:
                return None
            continue
        if not isinstance(row, ScoredRow | CommentRow) or row.mien:
            continue
        value: str | None = getattr(row, term)
        if again and row.sau_danh_gia_lai is not None:
            value = row.sau_danh_gia_lai
        if value is None:
            if f"{subject.field}.{term}" not in draft.reasons:
                return None
        elif value not in EXEMPT:
            (scores if isinstance(row, ScoredRow) else comments).append(value)
    return scores, comments


def _check_study(draft: _Draft, name: str, term: str, *, again: bool = False) -> None:
    stated, values = draft.text(name), _term_values(draft, term, again=again)
    if stated is not None and values is not None:
        draft.compare(name, stated, rules.study_result(*values), f"theo {level_info(draft.level).regulation}")


def _check_reassessment(draft: _Draft, study: str | None) -> str | None:
    """Re-assessed subjects and the result after them belong together; gives the stated result, if any."""
    name = "kq_hoc_tap_sau_danh_gia_lai"
    stated = draft.text(name)
    retaken = [code for code, row in draft.rows.items() if getattr(row, "sau_danh_gia_lai", None) is not None]
    if retaken and not _given(draft, name):
        draft.demand(
            name,
            "missing",
            f"thiếu kết quả học tập sau khi đánh giá lại (có {len(retaken)} môn đánh giá lại)",
        )
    if stated is not None and not retaken:
        draft.demand(name, "not_entitled", "không có môn nào được đánh giá lại")
    elif stated is not None and study is not None and study != NOT_REACHED:
        draft.demand(
            name,
            "not_entitled",
            f"chỉ đánh giá lại khi kết quả học tập cả năm Chưa đạt, mà cả năm ghi {shown(study)}",
        )
    elif stated is not None:
        _check_study(draft, name, "ca_nam", again=True)
    return stated


def _check_award(draft: _Draft, earned: str | None, *, due: bool) -> None:
    """A title of the circular in ``khen_thuong`` must be earned; other words of praise are free.

    ``due``: an earned title that is not stated is worth a warning.
    """
    # Titles are looked for in one Unicode form; the text itself stays as it was given.
    text = unicodedata.normalize("NFC", draft.text("khen_thuong") or "")
    parts = {comparison_key(_without_frame(part)) for part in re.split(r"[;,.]", text)}
    derived = "không có danh hiệu" if earned is None else f"“{earned}”"
    stated = [
        (written, meant)
        for written, meant in _award_wordings(draft.level)
        if comparison_key(written) in parts
    ]
    for written, meant in stated:
        if meant is None or meant != earned:
            draft.demand("khen_thuong", "contradiction", f"ghi “{written}” nhưng tính được {derived}")
    if due and earned is not None and not stated:
        draft.findings.odd(
            "khen_thuong", "award_not_stated", f"đủ điều kiện {derived} nhưng không ghi khen thưởng"
        )


def _award_wordings(level: Level) -> Iterator[tuple[str, str | None]]:
    """(how a title is written, the title in force that it means; None for one that is no longer given)."""
    awards = DATA["awards"][level.value]
    yield from ((title, title) for title in awards["titles"])
    yield from awards["also_written"].items()
    yield from ((title, None) for title in awards["not_given"])


def _without_frame(part: str) -> str:
    """A title without what people write around it: "Danh hiệu “Học sinh Giỏi” năm học 2025-2026"."""
    part = part.strip(" \"'“”‘’")
    part = re.sub(r"^(?:đạt\s+)?(?:danh hiệu:?\s+)?", "", part, flags=re.IGNORECASE)
    part = re.sub(r"\s+(?:cả năm|năm học [0-9–-]+|cuối năm)$", "", part, flags=re.IGNORECASE)
    return part.strip(" \"'“”‘’")


def _check_outcome(draft: _Draft, name: str, passed: bool, because: str = "") -> None:
    """An outcome phrase says yes or no; it must be the answer that follows from the results."""
    stated = draft.text(name)
    if stated is None:
        return
    positive, negative = rules.outcome_phrases(draft.level, draft.grade, name)
    said = Phrase((*positive, *negative)).found(stated)
    if said is not None and (said in positive) != passed:
        draft.compare(name, said, (positive if passed else negative)[0], because)


def _build(draft: _Draft, scheme: Scheme, year: str, issuer: str, pupil: str) -> Record:
    values = draft.values
    common = _arguments(values, Common)
    rows = {s.code: draft.rows[s.code] for s in subjects(draft.level, draft.grade) if s.code in draft.rows}
    results: Year
    if draft.level is Level.TIEU_HOC:
        groups: dict[str, Any] = {
            group: {q.code: values[q.field] for q in QUALITIES if q.field.startswith(f"{group}.")}
            for group in ("pham_chat", "nang_luc")
        }
        results = PrimaryYear(mon=rows, **groups, **_arguments(values, PrimaryYear))
    else:
        results = SecondaryYear(mon=rows, **_arguments(values, SecondaryYear))
    return Record(
        level=draft.level,
        scheme=scheme,
        grade=draft.grade,
        year=year,
        issuer=issuer,
        ma_hoc_sinh=pupil,
        common=Common(**common),
        results=results,
        ghi_de=tuple(Override(**item) for item in values.get("ghi_de", ())),
        warnings=tuple(draft.findings.warnings),
    )


def _arguments(values: Mapping[str, Any], model: type) -> dict[str, Any]:
    """The checked values that belong to a model, lists of objects as tuples of their own models."""
    found = {f.name: values[f.name] for f in dataclasses.fields(model) if f.name in values}
    for spec in fields_of(model):
        if isinstance(spec.kind, Listed) and spec.name in found:
            item_model = spec.kind.model
            found[spec.name] = tuple(item_model(**item) for item in found[spec.name])
    return found
