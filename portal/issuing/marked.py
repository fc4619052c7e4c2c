"""A class file given back as a spreadsheet with its mistakes marked, for the clerk to mend and send again.

Each wrong cell is coloured and carries what is wrong as a comment, a column at the end says it once more for
the whole row (the reader passes over that column), and a sheet lists everything. A workbook comes back as the
clerk's own; CSV and JSON Lines as a new one. Nothing in it is a formula: a text that a spreadsheet program
could take for one is stored as a string with the quote prefix.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from portal.issuing.intake_cells import shown
from portal.issuing.intake_columns import MISTAKES
from portal.issuing.intake_tables import Kind, Table, read_tables
from verifier.errors import InvalidInput, Problem

LIST_SHEET: Final = "Danh sách lỗi"
_PLACE: Final = re.compile(r"dòng ([0-9]+)(?:, ô ([A-Z]+[0-9]+))?(?: \((.*)\)|, (.*))?", re.DOTALL)
_FILL: Final = PatternFill("solid", fgColor="FFF2C7C3")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class _Mistake:
    """A problem by row (0: the whole file), cell and field; empty where it names none."""

    row: int
    cell: str
    field: str
    message: str


def mark(data: bytes, name: str, sheet: str, header: int, problems: Sequence[Problem]) -> bytes:
    """The class file ``data`` as an .xlsx with ``problems``. ``sheet`` and ``header`` say where its heads
    stand, as far as it was read.
    """
    mistakes = [_read(problem) for problem in problems]
    book, page, cells = _book(data, name, sheet)
    if page is not None:
        _mark_rows(page, header or 1, mistakes, cells)
    _list(book, mistakes)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _read(problem: Problem) -> _Mistake:
    found = _PLACE.fullmatch(problem.where)
    if found is None:
        return _Mistake(0, "", problem.where, problem.message)
    return _Mistake(int(found[1]), found[2] or "", found[3] or found[4] or "", problem.message)


_Cells = Mapping[tuple[int, str], str]  # (row, field) -> cell, where the file has no cell names of its own


def _book(data: bytes, name: str, sheet: str) -> tuple[Workbook, Worksheet | None, _Cells]:
    """The clerk's workbook, or a new one with what the file says; without a page when it cannot be read."""
    try:
        tables = read_tables(data, name)
    except InvalidInput:
        return _empty(), None, {}
    if data.startswith(b"PK"):
        book = load_workbook(io.BytesIO(data), keep_links=False)
        if LIST_SHEET in book.sheetnames:
            del book[LIST_SHEET]
        for each in book.worksheets:
            _disarm(each)
        named = book[sheet] if sheet in book.sheetnames else book.worksheets[0]
        return book, named, {}
    book = Workbook()
    page = _first(book)
    page.title = "Lớp"
    return book, page, _fill(page, tables[0][1])


def _empty() -> Workbook:
    book = Workbook()
    book.remove(_first(book))
    return book


def _first(book: Workbook) -> Worksheet:
    return book.worksheets[0]


def _disarm(page: Worksheet) -> None:
    """Formulas become the texts that they look like; marks of an earlier round go."""
    for row in page.iter_rows():
        for cell in row:
            if isinstance(cell, MergedCell):
                continue
            if cell.data_type == "f" or (isinstance(cell.value, str) and cell.value.startswith(_FORMULA)):
                _write(cell, str(cell.value))
            if cell.comment is not None:
                cell.comment = None
            if cell.fill.fgColor.rgb == _FILL.fgColor.rgb:
                cell.fill = PatternFill()


def _fill(page: Worksheet, table: Table) -> _Cells:
    """The table's texts where the clerk has them; JSON gets a column for each key."""
    if table.kind is not Kind.JSON:
        for number, cells in table.rows:
            for column, cell in enumerate(cells, 1):
                _write(page.cell(number, column), shown(cell.value))
        return {}
    keys = list(dict.fromkeys(cell.name for _, cells in table.rows for cell in cells))
    for column, key in enumerate(keys, 1):
        _write(page.cell(1, column), key)
        page.cell(1, column).font = Font(bold=True)
    places: dict[tuple[int, str], str] = {}
    for place, (number, cells) in enumerate(table.rows, 2):
        for cell in cells:
            target = page.cell(place, keys.index(cell.name) + 1)
            _write(target, shown(cell.value))
            places[number, cell.name] = target.coordinate
        places.setdefault((number, ""), f"A{place}")
    return places


def _mark_rows(page: Worksheet, header: int, mistakes: Sequence[_Mistake], cells: _Cells) -> None:
    column = _mistakes_column(page, header)
    head = page.cell(header, column)
    _write(head, MISTAKES)
    head.font = Font(bold=True)
    page.column_dimensions[get_column_letter(column)].width = 60
    rows: dict[int, list[str]] = defaultdict(list)
    comments: dict[str, list[str]] = defaultdict(list)
    for mistake in mistakes:
        if not mistake.row:
            continue
        by_name = cells.get((mistake.row, mistake.field)) or cells.get((mistake.row, ""))
        where = mistake.cell or by_name or ""
        row = int(re.sub("[A-Z]", "", by_name)) if by_name else mistake.row
        if row > header:
            rows[row].append(f"{mistake.field}: {mistake.message}" if mistake.field else mistake.message)
        if mistake.cell or (by_name and (mistake.row, mistake.field) in cells):
            comments[where].append(mistake.message)
    for row, messages in rows.items():
        target = page.cell(row, column)
        _write(target, "\n".join(messages))
        target.alignment = Alignment(wrap_text=True, vertical="top")
        target.fill = _FILL
    for where, messages in comments.items():
        cell = page[where]
        if isinstance(cell, Cell):
            cell.fill = _FILL
            cell.comment = Comment(_clean("\n".join(messages)), "Cổng xác thực học bạ số")


def _mistakes_column(page: Worksheet, header: int) -> int:
    """That of an earlier round, emptied, else the first free one."""
    for cell in page[header]:
        if cell.value == MISTAKES and isinstance(cell, Cell):
            for row in range(header + 1, page.max_row + 1):
                page.cell(row, cell.column).value = None
            return cell.column
    return page.max_column + 1


def _list(book: Workbook, mistakes: Sequence[_Mistake]) -> None:
    page = book.create_sheet(LIST_SHEET)
    for column, (title, width) in enumerate((("Dòng", 8), ("Ô", 8), ("Trường", 32), ("Nội dung", 100)), 1):
        _write(page.cell(1, column), title)
        page.cell(1, column).font = Font(bold=True)
        page.column_dimensions[get_column_letter(column)].width = width
    for row, mistake in enumerate(mistakes, 2):
        texts = (str(mistake.row or ""), mistake.cell, mistake.field, mistake.message)
        for column, text in enumerate(texts, 1):
            _write(page.cell(row, column), text)
    page.freeze_panes = "A2"


def _write(cell: Any, text: str) -> None:
    """A text that stays one."""
    clean = _clean(text)
    cell.value = clean
    cell.data_type = "s"
    cell.number_format = "@"
    cell.quotePrefix = clean.startswith(_FORMULA)


def _clean(text: str) -> str:
    return _CONTROL.sub("\ufffd", text)[:32_000]  # a cell holds 32,767 characters
