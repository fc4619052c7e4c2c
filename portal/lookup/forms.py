"""What people type into the look-up and comparison forms, read leniently and answered with every mistake at
once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from portal.lookup.service import Paper
from portal.registry.service import read_birth
from portal.web.i18n import marked
from portal.web.requests import Mistake
from verifier.errors import InvalidInput
from verifier.locator import Hosts, Locator, Typed, read_typed
from verifier.record import subjects

#: Words for the codes of :func:`verifier.locator.read_typed`.
CODE_MISTAKES: Final = {
    "empty": marked("Nhập mã tra cứu in cạnh mã QR, hoặc dán liên kết"),
    "too_long": marked("Nội dung quá dài. Chỉ nhập mã tra cứu hoặc dán liên kết"),
    "foreign_link": marked("Liên kết này không thuộc cổng này. Hãy nhập mã tra cứu in trên học bạ"),
    "malformed_link": marked("Liên kết bị thiếu hoặc sai. Hãy dán lại cả liên kết"),
    "characters": marked("Mã chỉ gồm chữ số và chữ cái không dấu. Hãy so lại với mã in trên học bạ"),
    "length": marked("Mã tra cứu gồm 17 ký tự, có thể kèm 8 ký tự mã đối chiếu. Hãy so lại với học bạ"),
    "check_character": marked("Mã có ký tự sai. Hãy so lại từng ký tự với mã in trên học bạ"),
    "ambiguous": marked("Bộ gõ tiếng Việt đã làm sai mã. Hãy tắt bộ gõ rồi nhập lại"),
}
_SCORE: Final = re.compile(r"(10([.,]0)?|[0-9]([.,][0-9])?)", re.ASCII)
_WHOLE_SCORE: Final = re.compile(r"(10|[0-9])", re.ASCII)
_MAX_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """A code; with a birth date unless the code names its version itself (a pasted link)."""

    typed: Typed
    birth: str


class FormMistakes(Exception):  # noqa: N818 - what a person has to correct
    """Everything to correct in one form."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(", ".join(m.field for m in mistakes))
        self.mistakes = mistakes


def read_lookup(form: Mapping[str, str], hosts: Hosts) -> LookupRequest:
    """Fields ``code`` and a birth date. Raises FormMistakes."""
    mistakes: list[Mistake] = []
    typed = None
    try:
        typed = read_typed(form.get("code", ""), hosts)
    except InvalidInput as refused:
        problem = refused.problems[0]
        mistakes.append(Mistake("code", CODE_MISTAKES.get(problem.code, CODE_MISTAKES["check_character"])))
    birth = ""
    if typed is None or typed.locator is None:
        birth = _birth(form, mistakes, required=typed is not None)
    if typed is None or mistakes:
        raise FormMistakes(tuple(mistakes))
    return LookupRequest(typed, birth)


def read_paper(form: Mapping[str, str], level: str, grade: int) -> Paper:
    """Fields ``ho_va_ten``, a birth date and the cells of :func:`cells`. Raises FormMistakes.

    Only what no paper can say is a mistake here; whether it is *right* is the blind match's one answer.
    """
    mistakes: list[Mistake] = []
    name = form.get("ho_va_ten", "").strip()
    if not name:
        mistakes.append(Mistake("ho_va_ten", marked("Nhập họ và tên in trên học bạ")))
    elif len(name) > _MAX_NAME:
        mistakes.append(Mistake("ho_va_ten", marked("Họ và tên quá dài")))
    birth = _birth(form, mistakes, required=True)
    results: dict[str, tuple[str, ...]] = {}
    for row in cells(level, grade):
        values = tuple(form.get(cell.name, "").strip() for cell in row.cells)
        for cell, value in zip(row.cells, values, strict=True):
            if value and not cell.accepts(value):
                mistakes.append(Mistake(cell.name, cell.mistake, {"subject": row.subject}))
        if any(values):
            results[row.field] = values
    if not results:
        mistakes.append(Mistake(cells(level, grade)[0].cells[0].name, marked("Nhập kết quả in trên học bạ")))
    if mistakes:
        raise FormMistakes(tuple(mistakes))
    return Paper(name, birth, results)


def read_locator(text: str) -> Locator | None:
    """A locator in its one spelling, None for anything else."""
    try:
        return Locator.parse(text)
    except InvalidInput:
        return None


@dataclass(frozen=True, slots=True)
class Cell:
    """One box of the comparison form; ``choices`` make it a list, else it is a number."""

    name: str
    label: str
    choices: tuple[str, ...] = ()
    whole: bool = False

    def accepts(self, value: str) -> bool:
        """Whether a paper could say this at all."""
        if self.choices:
            return value in self.choices
        return (_WHOLE_SCORE if self.whole else _SCORE).fullmatch(value) is not None

    @property
    def mistake(self) -> str:
        if self.choices:
            return marked("%(subject)s: chọn một mức trong danh sách")
        if self.whole:
            return marked("%(subject)s: điểm là số nguyên từ 0 đến 10")
        return marked("%(subject)s: điểm từ 0 đến 10, một chữ số thập phân, ví dụ 8,3")


@dataclass(frozen=True, slots=True)
class Row:
    """One subject of the comparison form."""

    field: str
    subject: str
    cells: tuple[Cell, ...]


def cells(level: str, grade: int) -> tuple[Row, ...]:
    """The comparison form of a level and grade: every subject a paper of it can show.

    All of them, not only those of this record: which electives a pupil took is content.
    """
    return tuple(
        Row(s.field, s.name, _row_cells(level, s.field, scored=s.scored)) for s in subjects(level, grade)
    )


def _row_cells(level: str, field: str, *, scored: bool) -> tuple[Cell, ...]:
    if level == "TIEU_HOC":
        reached = Cell(f"{field}.muc_dat_duoc", marked("Mức đạt được"), choices=("T", "H", "C"))
        return (
            (reached, Cell(f"{field}.diem_ktdk", marked("Điểm KTĐK"), whole=True)) if scored else (reached,)
        )
    if scored:
        return (Cell(f"{field}.ca_nam", marked("Cả năm")),)
    return (Cell(f"{field}.ca_nam", marked("Cả năm"), choices=("Đạt", "Chưa đạt")),)


def _birth(form: Mapping[str, str], mistakes: list[Mistake], *, required: bool) -> str:
    """Three fields ``ngay``, ``thang``, ``nam`` (the year alone where the record has no more), or one
    ``ngay_sinh``.
    """
    day, month, year = (form.get(name, "").strip() for name in ("ngay", "thang", "nam"))
    text = form.get("ngay_sinh", "").strip() or "/".join(part for part in (day, month, year) if part)
    if not text:
        if required:
            mistakes.append(Mistake("ngay", marked("Nhập ngày sinh của học sinh")))
        return ""
    incomplete = bool(day) != bool(month) or ((day or month) and not year)
    try:
        if incomplete:
            raise InvalidInput(())
        return read_birth(text)
    except InvalidInput:
        mistakes.append(
            Mistake(
                "ngay",
                marked("Nhập ngày sinh có thật, ví dụ 3 9 2015. Chỉ có năm sinh thì để trống ngày và tháng"),
            )
        )
        return ""
