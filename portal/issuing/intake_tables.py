"""A class file as a table of raw cells: CSV, .xlsx and JSON Lines, inside limits, nothing evaluated.

A cell keeps the type the file gave it and the name under which a clerk finds it. What a cell means is decided
in ``intake_cells``; which column is which in ``intake_columns``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.utils import coordinate_to_tuple, get_column_letter

from portal.issuing import intake_text
from verifier.errors import InvalidInput, Problem

MAX_BYTES: Final = 10_000_000
MAX_ROWS: Final = 2_000  # a class has some 50 pupils, a whole school's year may come in one file
MAX_COLUMNS: Final = 400
MAX_TEXT: Final = 20_000  # characters of one cell
_MAX_UNPACKED: Final = 60_000_000  # bytes of an .xlsx once unpacked
_MAX_RATIO: Final = 200
_MAX_PARTS: Final = 500
_HIDDEN_SHEET_ROWS: Final = 20  # of a hidden sheet: titles and the header
_OTHER_KINDS: Final = {  # what begins so is no class file, whatever it is called
    b"%PDF-": "PDF",
    b"\x89PNG": "ảnh PNG",
    b"\xff\xd8\xff": "ảnh JPEG",
    b"GIF8": "ảnh GIF",
    b"Rar!": "tệp nén RAR",
    b"7z\xbc\xaf\x27\x1c": "tệp nén 7z",
    b"\x1f\x8b": "tệp nén gzip",
}
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f]")  # a text has none of them, a binary file many

Raw = str | int | float | bool | Decimal | date | datetime | None | list[object] | dict[str, object]


class Kind(Enum):
    """Where a table came from; decides what an empty cell says and how cells are named."""

    SHEET = "sheet"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. ``name`` is what the clerk looks for (``C5``; in JSON the key). ``refused`` says why it has
    no usable value. ``number_format`` and ``font`` are Excel's, empty elsewhere.
    """

    name: str
    value: Raw
    refused: tuple[str, str] | None = None
    number_format: str = ""
    font: str = ""

    @property
    def blank(self) -> bool:
        return self.refused is None and (
            self.value is None or (isinstance(self.value, str) and not self.value.strip())
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """What a sheet of a workbook shows and does not show. Rows and columns are 1-based; ``last_row`` is the
    last that holds anything; ``merged`` are ranges as (first column, first row, last column, last row), whose
    value stands in the first cell alone.
    """

    visible: bool = True
    last_row: int = 0
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    merged: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with their numbers as the clerk sees them (1-based), title and header rows included except in
    JSON, whose cells are named by their keys. ``separator``: of a CSV; ``layout``: of a sheet.
    """

    kind: Kind
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    problems: tuple[Problem, ...] = ()
    separator: str = ""
    layout: Layout = Layout()


def refuse(code: str, message: str) -> InvalidInput:
    """The refusal of a whole file."""
    return InvalidInput((Problem("tệp", code, message),))


def read_tables(data: bytes, name: str) -> tuple[tuple[str, Table], ...]:
    """The tables of a file with their titles: one, except for a workbook with several sheets. Of a hidden
    sheet only the first rows are read, enough to tell whether it holds pupils.

    The content decides whether it is a workbook; ``name`` tells JSON from CSV only where it ends in one of
    both. Raises InvalidInput: ``empty_file``, ``too_large``, ``old_excel``, ``not_xlsx``, ``encrypted``,
    ``not_text``, ``not_csv``, ``too_many_rows``, ``too_many_columns``.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise refuse("empty_file", "Tệp rỗng.")
    if len(data) > MAX_BYTES:
        raise refuse("too_large", f"Tệp lớn hơn {MAX_BYTES // 1_000_000} MB. Mỗi tệp chỉ nên có một lớp.")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise refuse(
            "old_excel", "Tệp là Excel cũ (.xls) hoặc có mật khẩu. Lưu lại thành .xlsx, không đặt mật khẩu."
        )
    if data.startswith(b"PK"):
        return tuple(_read_workbook(data))
    kind = next((what for start, what in _OTHER_KINDS.items() if data.startswith(start)), None)
    if kind is not None:
        raise refuse(
            "not_text", f"Tệp là {kind}, dù tên là “{name[:80]}”; cần tệp .xlsx, CSV hay JSON Lines."
        )
    text = intake_text.decode(data)
    if text is not None:
        text = re.sub(r"\r(?!\n)", "\n", text)  # programs of old Macs end lines so
        if len(_CONTROLS.findall(text[:4096])) * 50 > len(text[:4096]):
            text = None
    if text is None:
        raise refuse("not_text", "Tệp không phải .xlsx, CSV hay JSON Lines, hoặc bảng mã không nhận ra được.")
    lowered = name.lower()
    if lowered.endswith((".jsonl", ".json", ".ndjson")) or (
        not lowered.endswith((".csv", ".tsv", ".txt")) and text.lstrip()[:1] in ("{", "[")
    ):
        return (("", _read_json(text)),)
    return (("", _read_csv(text)),)


# ---------------------------------------------------------------------------------------------- CSV


def _read_csv(text: str) -> Table:
    """Separator ``;`` ``,`` or tab: Excel's ``sep=`` line, else the one that splits the first lines into most
    fields.
    """
    hint = re.match(r"sep=([;,\t])\r?\n", text)
    start = 1
    if hint:
        text, start = text[hint.end() :], 2
        separator = hint[1]
    else:
        separator = max(";,\t", key=lambda s: _fields(text, s))
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    try:
        for number, fields in enumerate(
            csv.reader(io.StringIO(text), delimiter=separator, strict=True), start
        ):
            _bound(number, len(fields))
            rows.append(
                (
                    number,
                    tuple(
                        _bounded(Cell(f"{get_column_letter(c)}{number}", f)) for c, f in enumerate(fields, 1)
                    ),
                )
            )
    except csv.Error as error:
        raise refuse(
            "not_csv",
            f"Dòng {len(rows) + start} của tệp CSV có dấu ngoặc kép không khớp ({error}). "
            "Xuất lại tệp từ Excel.",
        ) from None
    return Table(Kind.CSV, tuple(rows), separator=separator)


def _fields(text: str, separator: str) -> int:
    """Most fields that ``separator`` gives among the first lines; the header has the most."""
    head = "\n".join(text.splitlines()[:15])
    try:
        return max((len(row) for row in csv.reader(io.StringIO(head), delimiter=separator)), default=0)
    except csv.Error:
        return 0


# ---------------------------------------------------------------------------------------------- workbook


def _read_workbook(data: bytes) -> Iterator[tuple[str, Table]]:
    _check_package(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    except Exception:  # whatever the parser trips over in a damaged package means the same to a clerk
        raise refuse("not_xlsx", "Không mở được bảng tính: tệp hỏng hoặc không phải .xlsx.") from None
    try:
        for sheet in book.worksheets:
            yield sheet.title, _read_sheet(sheet)
    except InvalidInput:
        raise
    except Exception:
        raise refuse(
            "not_xlsx", "Không đọc được bảng tính: tệp hỏng. Mở bằng Excel rồi lưu lại .xlsx."
        ) from None
    finally:
        book.close()


def _check_package(data: bytes) -> None:
    """Bounds of the ZIP before anything is unpacked, and no document type declaration in any of its XML."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
            unpacked = sum(p.file_size for p in parts)
            if any(p.flag_bits & 1 for p in parts):
                raise refuse("encrypted", "Tệp có mật khẩu. Lưu lại .xlsx không đặt mật khẩu.")
            if (
                len(parts) > _MAX_PARTS
                or unpacked > _MAX_UNPACKED
                or any(p.file_size > 1_000_000 and p.file_size > _MAX_RATIO * p.compress_size for p in parts)
            ):
                raise refuse(
                    "too_large",
                    "Bảng tính quá lớn khi giải nén. Mỗi tệp chỉ nên có một lớp; nếu chỉ có một lớp, thường "
                    "là do kẻ khung hoặc tô màu đến cuối trang tính: chép riêng danh sách sang một tệp mới.",
                )
            names = {p.filename for p in parts}
            if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
                raise refuse("not_xlsx", "Tệp ZIP này không phải bảng tính .xlsx.")
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    head = package.read(part)
                    if (
                        b"<!DOCTYPE" in head
                        or b"<!ENTITY" in head
                        or b"\0<\0!\0D" in head
                        or b"<\0!\0D\0" in head
                    ):
                        raise refuse("not_xlsx", "Bảng tính chứa khai báo XML không được phép.")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError):
        raise refuse("not_xlsx", "Không mở được bảng tính: tệp hỏng hoặc không phải .xlsx.") from None


def _read_sheet(sheet: Any) -> Table:
    sheet.reset_dimensions()  # what the file declares is not what it holds
    visible = sheet.sheet_state == "visible"
    layout = _layout(sheet) if visible else Layout(visible=False, last_row=_HIDDEN_SHEET_ROWS)
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    # A frame drawn down to row 1,048,576 leaves as many rows of nothing.
    for number, row in enumerate(sheet.iter_rows(max_row=layout.last_row) if layout.last_row else (), 1):
        width = max((column for column, cell in enumerate(row, 1) if cell.value is not None), default=0)
        if not width:
            continue
        if visible:
            _bound(len(rows) + 1, width)
        merged = [area for area in layout.merged if area[1] <= number <= area[3]]
        width = min(len(row), max(width, *(area[2] for area in merged))) if merged else width
        cells = (_sheet_cell(cell, number, column) for column, cell in enumerate(row[:width], 1))
        rows.append((number, tuple(_unmerged(c, number, i, merged) for i, c in enumerate(cells, 1))))
    return Table(Kind.SHEET, tuple(rows), layout=layout)


def _unmerged(cell: Cell, row: int, column: int, merged: list[tuple[int, int, int, int]]) -> Cell:
    """A cell that looks filled because it is merged with another one has no value of its own."""
    for left, top, right, bottom in merged:
        if left <= column <= right and (row, column) != (top, left):
            area = f"{get_column_letter(left)}{top}:{get_column_letter(right)}{bottom}"
            return Cell(
                cell.name, "", ("merged_cell", f"ô nằm trong vùng gộp {area}; bỏ gộp ô rồi điền từng ô")
            )
    return cell


def _layout(sheet: Any) -> Layout:
    """Hidden rows and columns, and merged cells (ECMA-376-1 §18.3.1.73, .13 and .55). openpyxl leaves them
    out when it reads without building the whole sheet, so the part is read once more for them alone.
    """
    hidden_rows: set[int] = set()
    hidden_columns: set[int] = set()
    merged: list[tuple[int, int, int, int]] = []
    row = last_row = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, last_row
        hidden = attributes.get("hidden") in ("1", "true")
        match name.rpartition(":")[2]:
            case "row":
                row = int(attributes.get("r", row + 1))
                if hidden:
                    hidden_rows.add(row)
            case "v" | "is" | "f":  # a value, a text of its own, a formula
                last_row = max(last_row, row)
            case "col" if hidden:
                last = min(int(attributes["max"]), MAX_COLUMNS)
                hidden_columns.update(range(int(attributes["min"]), last + 1))
            case "mergeCell":
                start_at, _, end_at = attributes["ref"].partition(":")
                top, left = coordinate_to_tuple(start_at)
                bottom, right = coordinate_to_tuple(end_at or start_at)
                merged.append((left, top, right, bottom))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with sheet.parent._archive.open(sheet._worksheet_path) as part:  # openpyxl keeps the place to itself
        parser.ParseFile(part)
    return Layout(True, last_row, frozenset(hidden_rows), frozenset(hidden_columns), tuple(merged))


def _sheet_cell(cell: Any, row: int, column: int) -> Cell:
    name = f"{get_column_letter(column)}{row}"
    if cell.value is None:
        return Cell(name, None)
    value, refused = cell.value, None
    match cell.data_type:
        case "f":
            refused = ("formula", "ô chứa công thức; hãy chép rồi dán lại dưới dạng giá trị")
            value = str(value)
        case "e":
            refused = ("error_value", f"ô báo lỗi {value} của Excel")
        case _ if isinstance(value, time | timedelta):
            refused = ("time_value", "ô chứa giờ, không phải giá trị của học bạ")
            value = str(value)
    return _bounded(Cell(name, value, refused, str(cell.number_format or ""), str(cell.font.name or "")))


# ---------------------------------------------------------------------------------------------- JSON Lines


class _RepeatedError(ValueError):
    """A key stands twice in one object."""


def _read_json(text: str) -> Table:
    """One object a line; a whole array of objects is accepted too, its elements count as rows."""
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    problems: list[Problem] = []
    if text.lstrip().startswith("["):
        try:
            items = _loads(text)
        except (ValueError, RecursionError) as error:
            raise refuse("not_json", f"Tệp không phải JSON đúng cú pháp ({_reason(error)}).") from None
        sources = list(enumerate(items if isinstance(items, list) else [items], 1))
    else:
        sources = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                sources.append((number, _loads(line)))
            except (ValueError, RecursionError) as error:
                problems.append(
                    Problem(f"dòng {number}", "not_json", f"không phải JSON đúng cú pháp ({_reason(error)})")
                )
    for count, (number, item) in enumerate(sources, 1):
        if not isinstance(item, dict):
            problems.append(Problem(f"dòng {number}", "not_an_object", "phải là một đối tượng JSON {…}"))
            continue
        cells = tuple(_flatten(item))
        _bound(count, len(cells))
        rows.append((number, cells))
    return Table(Kind.JSON, tuple(rows), tuple(problems))


def _loads(text: str) -> object:
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_repeats)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} không phải số")


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _RepeatedError("một khóa đứng hai lần")
    return result


def _reason(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"vị trí {error.pos + 1}"
        case _RepeatedError():
            return str(error)
        case _:
            return "lồng nhau quá sâu hoặc số không hợp lệ"


def _flatten(item: dict[str, Any]) -> Iterator[Cell]:
    """Subject rows become cells of their own: ``mon.TOAN`` {"hk1": …} is the column ``mon.TOAN.hk1``."""
    for key, value in item.items():
        if key.startswith("mon.") and isinstance(value, dict):
            for sub, inner in value.items():
                yield _bounded(Cell(f"{key}.{sub}", inner))
        else:
            yield _bounded(Cell(key, value))


# ---------------------------------------------------------------------------------------------- limits


def _bound(rows: int, columns: int) -> None:
    if rows > MAX_ROWS + 30:  # titles and header rows stand above the pupils
        raise refuse("too_many_rows", f"Tệp có hơn {MAX_ROWS} dòng. Mỗi tệp chỉ nên có một lớp.")
    if columns > MAX_COLUMNS:
        raise refuse("too_many_columns", f"Tệp có hơn {MAX_COLUMNS} cột.")


def _bounded(cell: Cell) -> Cell:
    if isinstance(cell.value, str) and len(cell.value) > MAX_TEXT:
        return Cell(cell.name, cell.value[:100], ("too_long", f"ô dài hơn {MAX_TEXT} ký tự"))
    return cell
