"""A record as a spreadsheet for whoever has to take its data over.

Every cell is text, exactly as issued ("8.3" stays "8.3", a leading zero stays). A text that a spreadsheet
program could take for a formula is stored as a string and carries the quote prefix, so it stays one after
editing as well.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

#: What no XML can hold (XML 1.0, "Char").
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDTHS: Final = (34, 60, 16, 16, 16, 16, 60)

#: Cells of a subject's row in the order of the forms.
_COLUMNS: Final = (
    "ten",
    "muc_dat_duoc",
    "diem_ktdk",
    "hk1",
    "hk2",
    "ca_nam",
    "sau_danh_gia_lai",
    "mien",
    "nhan_xet",
)

Line = Sequence[str]


@dataclass(frozen=True, slots=True)
class Part:
    """One record: what was checked of it, and its values. ``name`` tells its sheets from those of others."""

    name: str
    check: Iterable[tuple[str, str]]
    fields: Mapping[str, Any]


def workbook(*parts: Part) -> bytes:
    """An .xlsx file: of each record what was checked, the single values, one line a subject, one line a list
    entry.
    """
    book = Workbook(write_only=True)
    for part in parts:
        _add(book, part, f" {part.name}" if len(parts) > 1 else "")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def plain_workbook(*sheets: tuple[str, Sequence[Line], Sequence[int]]) -> bytes:
    """An .xlsx file of lists: of each sheet its name, its lines (the first names the columns), the widths of
    its columns.
    """
    book = Workbook(write_only=True)
    for title, lines, widths in sheets:
        _sheet(book, title, lines, widths)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _add(book: Workbook, part: Part, name: str) -> None:
    fields = part.fields
    rows = {name: value for name, value in fields.items() if name.startswith("mon.")}
    lists = {name: value for name, value in fields.items() if isinstance(value, list)}
    single = {name: value for name, value in fields.items() if name not in rows and name not in lists}
    present = {key for row in rows.values() for key in row}
    columns = (*(c for c in _COLUMNS if c in present), *sorted(present.difference(_COLUMNS)))
    _sheet(book, f"Kiểm tra{name}", [("Mục", "Nội dung"), *part.check])
    _sheet(book, f"Thông tin{name}", [("Trường", "Giá trị"), *((n, _text(v)) for n, v in single.items())])
    _sheet(
        book,
        f"Kết quả{name}",
        [
            ("Mã môn", *columns),
            *((n.removeprefix("mon."), *(_text(row.get(c, "")) for c in columns)) for n, row in rows.items()),
        ],
    )
    entries = [
        (name, str(number), key, _text(value))
        for name, entries in lists.items()
        for number, entry in enumerate(entries, 1)
        for key, value in (entry.items() if isinstance(entry, dict) else (("", entry),))
    ]
    if entries:
        _sheet(book, f"Danh sách{name}", [("Trường", "Số", "Mục", "Giá trị"), *entries])


def _sheet(book: Workbook, title: str, lines: Sequence[Line], widths: Sequence[int] = _WIDTHS) -> None:
    sheet = book.create_sheet(title)
    for column, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A2"
    for number, line in enumerate(lines):
        cells = []
        for text in line:
            cell = WriteOnlyCell(sheet, _CONTROL.sub("\ufffd", text))
            cell.data_type = "s"  # never "f", whatever the text begins with
            cell.number_format = "@"
            cell.quotePrefix = text[:1] in ("=", "+", "-", "@", "\t", "\r")
            if number == 0:
                cell.font = Font(bold=True)
            cells.append(cell)
        sheet.append(cells)


def _text(value: object) -> str:
    match value:
        case True:
            return "Có"
        case False:
            return "Không"
        case None:
            return ""
        case _:
            return str(value)
