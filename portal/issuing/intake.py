"""Class files: rows of pupils from a school's software become records, or every mistake of every row is
named.

A file holds one class (or more of one level): ``.xlsx``, CSV or JSON Lines, a row a pupil and school year.
Columns go by the record's field names or by Vietnamese heads (``intake_columns``). What spreadsheets do to
values is undone where only one thing can be meant, with a warning that names the cell, and refused otherwise
(``intake_cells``). Nothing in a file is ever evaluated.

``where`` of every problem reads ``dòng 5, ô C5 (mon.TOAN.hk1)``, rows counted as the clerk sees them.
"""

from __future__ import annotations

import io
import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from portal.issuing import intake_text
from portal.issuing.intake_cells import (
    CODES,
    ENOUGH,
    Place,
    TextPolicy,
    convert,
    restore_personal_number,
    shown,
    text_policy,
)
from portal.issuing.intake_columns import (
    HEADER_FACTS,
    IGNORED_COLUMN,
    Column,
    column_kinds,
    kinds,
    label_of,
    recognise,
    suggestion,
)
from portal.issuing.intake_tables import Cell, Kind, Table, read_tables, refuse
from portal.issuing.problems import ranges, row_of
from verifier.errors import Problem
from verifier.record import ColumnKind, Level, Record, columns, field_specs, level_info, parse
from verifier.record.kinds import (
    Choice,
    Day,
    Flag,
    Listed,
    Measure,
    Name,
    Pattern,
    Phrase,
    Text,
    Whole,
    fields_of,
)
from verifier.record.parsing import RefusedRecord

_HEADER_WITHIN: Final = 15  # rows in which the header must stand, titles above it included
_FEWEST_HEADS: Final = 3  # fewer are a sentence or a guide, not a header
_IDENTIFYING: Final = frozenset({"ho_va_ten", "ma_hoc_sinh"})


@dataclass(frozen=True, slots=True)
class Row:
    """One pupil's row. ``data`` is what ``verifier.record.parse`` takes; ``cells`` says where each flat
    column stood; ``refused`` are the columns whose cells already have a problem.
    """

    number: int
    data: Mapping[str, object]
    cells: Mapping[str, str]
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A class file as read: rows, and what is wrong or odd about its cells so far.

    ``columns``: the fields that the header names, ``header`` its (last) row; None where there is no header
    (JSON). ``sheet``: of a workbook, where the pupils stand. ``shifted``: rows that a comma inside a value
    may have moved to the right, with what to say if their cells do not fit.
    """

    name: str
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    columns: frozenset[str] | None = None
    header: int = 0
    shifted: Mapping[int, Problem] = field(default_factory=dict)
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Validated:
    """All rows against all rules. ``records`` are the (row, record, ma_hoc_sinh) that passed; with any
    problem the file must not be issued.
    """

    records: tuple[tuple[int, Record, str], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


@dataclass(slots=True)
class _Notes:
    """Problems and warnings in the order found; ``shifted`` as in :class:`ClassFile`."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    shifted: dict[int, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Head:
    """The header of a table: where the pupils begin and which column is which (None: not usable)."""

    first_row: int  # index into the table's rows
    columns: tuple[Column | None, ...]
    labels: tuple[tuple[str, str], ...]  # (cell, what it says)
    known: int


# ---------------------------------------------------------------------------------------------- reading


def read_class_file(data: bytes, name: str) -> ClassFile:
    """The rows of a class file; mistakes of cells and columns are in its ``problems``.

    Raises InvalidInput only when the file as a whole cannot be read (see ``read_tables``), holds no header
    (``no_header``), several tables (``several_sheets``) or no pupils (``no_rows``).
    """
    # 1. The one table with pupils.
    notes = _Notes()
    sheet, table, head = _one_table(read_tables(data, name), notes)
    notes.problems += table.problems

    # 2. Its rows as (column, cell) pairs; what the header says wrong.
    if head is None:
        rows = [(number, [(Column(c.name), c) for c in cells]) for number, cells in table.rows]
    else:
        rows = _pairs(table, head, notes)
    if not rows and not notes.problems:
        raise refuse("no_rows", "Tệp không có dòng học sinh nào.")

    # 3. What each column says about texts that could be read two ways, and about codes.
    policies, siblings = _column_evidence(rows)

    # 4. Every cell.
    converted = [
        _row(number, pairs, policies, siblings, notes, keep_blank=table.kind is Kind.JSON)
        for number, pairs in rows
    ]

    # 5. Rows against each other.
    _find_repeated(converted, notes)
    return ClassFile(
        name,
        tuple(converted),
        tuple(notes.problems),
        tuple(notes.warnings),
        None if head is None else frozenset(c.field for c in head.columns if c),
        0 if head is None else table.rows[head.first_row - 1][0],
        notes.shifted,
        sheet,
    )


def _one_table(tables: Sequence[tuple[str, Table]], notes: _Notes) -> tuple[str, Table, _Head | None]:
    if len(tables) == 1 and tables[0][1].kind is Kind.JSON:
        return "", tables[0][1], None
    with_pupils = [(title, table, head) for title, table in tables if (head := _find_head(table)) is not None]
    found = [each for each in with_pupils if each[1].layout.visible]
    hidden = ", ".join(f"“{title}”" for title, table, _ in with_pupils if not table.layout.visible)
    if not found:
        raise refuse(
            "no_header",
            f"Không tìm thấy dòng tiêu đề trong {_HEADER_WITHIN} dòng đầu: "
            "phải có cột Họ và tên (ho_va_ten) hoặc Mã học sinh (ma_hoc_sinh)."
            + (f" Trang tính {hidden} có tiêu đề đó nhưng đang ẩn: bỏ ẩn rồi lưu lại." if hidden else ""),
        )
    if hidden:
        message = f"trang tính {hidden} đang ẩn nên không được đọc, dù có tiêu đề của danh sách học sinh"
        notes.warnings.append(Problem("tệp", "hidden_sheet", message))
    if len(found) > 1:
        titles = ", ".join(f"“{title}”" for title, _, _ in found)
        raise refuse(
            "several_sheets", f"Có nhiều trang tính có học sinh: {titles}. Mỗi tệp chỉ một trang tính."
        )
    return found[0]


def _find_head(table: Table) -> _Head | None:
    """The row (or the two rows, the upper with merged cells) that names most columns."""
    best = _best_head(table, None)
    level = _level_of(table, best) if best is not None else None
    # The level decides between subjects of one name, so the heads are read again with it.
    return best if level is None else _best_head(table, level)


def _best_head(table: Table, level: Level | None) -> _Head | None:
    best: _Head | None = None
    for index in range(min(_HEADER_WITHIN, len(table.rows))):
        single = [(c.name, _label(c)) for c in table.rows[index][1]]
        options = [(index + 1, single)]
        if index + 1 < len(table.rows):
            options.append((index + 2, _two_rows(table.rows[index][1], table.rows[index + 1][1])))
        for first_row, labels in options:
            found = tuple(_recognise(label, level) for _, label in labels)
            fields = {c.field for c in found if c}
            if len(fields) < _FEWEST_HEADS or not fields & _IDENTIFYING:
                continue
            if best is None or len(fields) > best.known:
                best = _Head(first_row, found, tuple(labels), len(fields))
    return best


def _label(cell: Cell) -> str:
    return " ".join(intake_text.repair(shown(cell.value)).text.split()) if cell.value is not None else ""


def _two_rows(upper: Sequence[Cell], lower: Sequence[Cell]) -> list[tuple[str, str]]:
    """Heads over two rows: a merged cell above ("Toán") counts for all columns below it ("HK1", "HK2", "Cả
    năm").
    """
    result: list[tuple[str, str]] = []
    above = ""
    for index in range(max(len(upper), len(lower))):
        top = _label(upper[index]) if index < len(upper) else ""
        low = _label(lower[index]) if index < len(lower) else ""
        above = top or above
        name = upper[index].name if top else (lower[index] if index < len(lower) else upper[index]).name
        result.append((name, f"{above}\n{low}" if low else top))
    return result


def _recognise(label: str, level: Level | None) -> Column | None:
    """A head; of two rows both together, else the lower alone (the upper is then the title of a block)."""
    above, _, low = label.partition("\n")
    if not low:
        return recognise(above, level)
    return recognise(f"{above} {low}", level) or recognise(low, level)


def _level_of(table: Table, head: _Head) -> Level | None:
    """The level that all rows state, if they state one."""
    index = next((i for i, c in enumerate(head.columns) if c and c.field == "level"), None)
    if index is None:
        return None
    stated = {
        convert(cells[index], Place("level", ColumnKind.TEXT)).value
        for _, cells in table.rows[head.first_row :]
        if index < len(cells) and not cells[index].blank
    }
    known = {value for value in stated if isinstance(value, Level)}
    return known.pop() if len(known) == 1 else None


def _pairs(table: Table, head: _Head, notes: _Notes) -> list[tuple[int, list[tuple[Column, Cell]]]]:
    """Rows under the header as (column, cell). Unknown, repeated and nameless columns are problems."""
    rows = [
        (number, cells)
        for number, cells in table.rows[head.first_row :]
        if not all(c.blank for c in cells) and not _is_column_numbers(cells)
    ]
    used: dict[str, str] = {}
    usable: dict[int, Column] = {}
    for index, (column, (name, label)) in enumerate(zip(head.columns, head.labels, strict=True)):
        where = f"dòng {re.sub('[A-Z]', '', name)}, ô {name}"
        if column == IGNORED_COLUMN or (column is None and not label):
            continue
        if column is None:
            near = suggestion(label.replace("\n", " "), None)
            hint = f"; có phải “{near}”?" if near else ""
            said = label.replace("\n", " / ")
            notes.problems.append(Problem(where, "unknown_column", f"không nhận ra cột “{said}”{hint}"))
        elif column.field in used:
            notes.problems.append(
                Problem(
                    where, "repeated_column", f"cột trùng với cột ở ô {used[column.field]} ({column.field})"
                )
            )
        else:
            used[column.field] = name
            usable[index] = column
    named = {i for i, (_, label) in enumerate(head.labels) if label}
    nameless: set[int] = set()
    result = []
    for number, cells in rows:
        if table.separator == "," and len(cells) > len(head.labels):
            moved, certain = _shifted(number, cells, head)
            if certain:
                notes.problems.append(moved)
                continue
            notes.shifted[number] = moved
        result.append((number, [(usable[i], c) for i, c in enumerate(cells) if i in usable]))
        for index, cell in enumerate(cells):
            if index not in named and not cell.blank and index not in nameless:
                nameless.add(index)
                notes.problems.append(
                    Problem(
                        f"dòng {number}, ô {cell.name}",
                        "nameless_column",
                        "ô có giá trị nhưng cột không có tiêu đề",
                    )
                )
    _warn_of_hidden(table, [number for number, _ in result], usable, notes)
    return result


def _shifted(number: int, cells: Sequence[Cell], head: _Head) -> tuple[Problem, bool]:
    """What to say of a row of a comma-separated file that has more cells than the header, and whether it is
    certain that a comma inside a value made them: cells beyond the last head are filled.
    """
    said = max((i for i, cell in enumerate(cells, 1) if not cell.blank), default=0)
    heads = max(i for i, (_, label) in enumerate(head.labels, 1) if label)
    decimals = {
        name
        for name, kind in column_kinds(None).items()
        if kind in (ColumnKind.SCORE, ColumnKind.WHOLE_SCORE, ColumnKind.DECIMAL)
    }
    # Before the first comma too many every cell is under its own head.
    first = next(
        (
            i
            for i, column in enumerate(head.columns)
            if column
            and column.field in decimals
            and i + 1 < said
            and _digits(cells[i])
            and _digits(cells[i + 1])
        ),
        None,
    )
    if first is None:
        where, what = f"dòng {number}", "một giá trị có dấu phẩy mà không đặt trong dấu ngoặc kép"
    else:
        run = [shown(c.value).strip() for c in itertools.takewhile(_digits, cells[first:said])]
        where = f"dòng {number}, ô {cells[first].name}"
        what = f"dấu phẩy thập phân đã tách một điểm thành hai ô (“{','.join(run[:6])}”)"
    message = (
        f"dòng có {len(cells)} ô mà tiêu đề có {len(head.labels)}: {what}, các ô sau đó bị lệch nên cả dòng "
        "chưa được kiểm tra. Lưu lại thành .xlsx, hoặc CSV ngăn cách bằng dấu chấm phẩy (;), hoặc đặt "
        'giá trị trong dấu ngoặc kép ("8,3")'
    )
    return Problem(where, "comma_in_value", message), said > heads


def _digits(cell: Cell) -> bool:
    return re.fullmatch(r"[0-9]{1,3}", shown(cell.value).strip(), re.ASCII) is not None


def _warn_of_hidden(
    table: Table, numbers: Sequence[int], usable: Mapping[int, Column], notes: _Notes
) -> None:
    """A filter hides pupils from the clerk, not from the file."""
    rows = sorted(table.layout.hidden_rows.intersection(numbers))
    if rows:
        message = (
            f"{len(rows)} dòng đang ẩn (do bộ lọc hoặc ẩn bằng tay) vẫn được đọc: dòng {ranges(rows)}; "
            "không muốn cấp thì xoá các dòng đó"
        )
        notes.warnings.append(Problem("tệp", "hidden_rows", message))
    hidden = [i for i in usable if i + 1 in table.layout.hidden_columns]
    if hidden:
        names = ", ".join(f"{get_column_letter(i + 1)} ({usable[i].field})" for i in hidden)
        notes.warnings.append(Problem("tệp", "hidden_columns", f"cột đang ẩn vẫn được đọc: {names}"))


def _is_column_numbers(cells: Sequence[Cell]) -> bool:
    """The row "(1) (2) (3) …" that forms print under their header."""
    texts = [shown(c.value).strip() for c in cells if not c.blank]
    return len(texts) > 2 and all(re.fullmatch(r"\([0-9]{1,3}\)", t) for t in texts)


# ---------------------------------------------------------------------------------------------- cells


_Pairs = list[tuple[Column, Cell]]


def _column_evidence(
    rows: Sequence[tuple[int, _Pairs]],
) -> tuple[Mapping[str, TextPolicy], Mapping[str, frozenset[str]]]:
    """Field → text policy of its column, code field → texts of its column.

    Where a column says nothing, the whole table does if it is of one mind.
    """
    texts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    codes: dict[str, set[str]] = defaultdict(set)
    for _, pairs in rows:
        for column, cell in pairs:
            if isinstance(cell.value, str) and cell.refused is None:
                texts[column.field].append((cell.value, cell.font))
                if column.field in CODES:
                    codes[column.field].add(cell.value.strip())
    everywhere = text_policy([item for column_texts in texts.values() for item in column_texts])
    if everywhere.whole:
        return dict.fromkeys(texts, everywhere), {name: frozenset(found) for name, found in codes.items()}
    if everywhere.mixed:
        # Columns that say nothing are Unicode unless a good part of the file is in a font encoding.
        every_text = {text for column_texts in texts.values() for text, _ in column_texts}
        in_font = [t for t in every_text if intake_text.is_font_encoding(intake_text.repair(t).encoding)]
        if len(in_font) < ENOUGH:
            everywhere = TextPolicy()
    policies = {}
    for name, column_texts in texts.items():
        own = text_policy(column_texts)
        says_nothing = not own.encoding and not any(intake_text.surely_unicode(t) for t, _ in column_texts)
        # Names of subjects are checked against the form's own, whatever stands in the rest of a mixed file.
        asked = says_nothing and not (everywhere.mixed and name.endswith(".ten"))
        policies[name] = everywhere if asked else own
    return policies, {name: frozenset(found) for name, found in codes.items()}


def _row(
    number: int,
    pairs: _Pairs,
    policies: Mapping[str, TextPolicy],
    siblings: Mapping[str, frozenset[str]],
    notes: _Notes,
    *,
    keep_blank: bool,
) -> Row:
    """One row's cells as values. In JSON an empty text is stated, in a spreadsheet it says nothing."""
    level, grade = _stated_level(pairs)
    by_kind = kinds(level, grade) if level is not None and grade is not None else {}
    by_column = column_kinds(level)
    flat: dict[str, object] = {}
    cells: dict[str, str] = {}
    refused: set[str] = set()
    subject_names: dict[str, str] = {}
    for column, cell in pairs:
        if cell.value is None or (cell.blank and not keep_blank):
            continue
        name = column.field
        cells[name] = "" if keep_blank else cell.name
        place = Place(
            name,
            by_column.get(name, ColumnKind.TEXT),
            by_kind.get(name),
            policies.get(name, TextPolicy()),
            siblings.get(name, frozenset()),
        )
        outcome = convert(cell, place)
        where = _where(number, cells[name], name)
        notes.warnings += [Problem(where, code, message) for code, message in outcome.warnings]
        if outcome.problem is not None:
            refused.add(name)
            notes.problems.append(Problem(where, *outcome.problem))
        if outcome.value is not None:
            flat[name] = outcome.value
        if column.subject_name is not None:
            subject_names[name.rpartition(".")[0]] = column.subject_name
    _finish_personal_number(number, flat, cells, refused, notes)
    return Row(number, _nested(flat, level, subject_names), cells, frozenset(refused))


def _stated_level(pairs: _Pairs) -> tuple[Level | None, int | None]:
    stated = {
        column.field: convert(cell, Place(column.field, kind)).value
        for column, cell in pairs
        for kind in [ColumnKind.INTEGER if column.field == "grade" else ColumnKind.TEXT]
        if column.field in ("level", "grade")
    }
    level, grade = stated.get("level"), stated.get("grade")
    try:
        known = Level(str(level))
    except ValueError:
        return None, None
    fits = isinstance(grade, int) and grade in level_info(known).grades
    return known, grade if fits and isinstance(grade, int) else None


def _finish_personal_number(
    number: int, flat: dict[str, object], cells: Mapping[str, str], refused: set[str], notes: _Notes
) -> None:
    """Puts lost zeros back into a personal number when birth and sex of the same row confirm them."""
    name = "so_dinh_danh_ca_nhan"
    digits = flat.get(name)
    if name in refused or not isinstance(digits, str) or not digits.isdecimal() or not 9 <= len(digits) < 12:
        return
    where = _where(number, cells[name], name)
    full = restore_personal_number(digits, flat.get("ngay_sinh"), flat.get("gioi_tinh"))
    if full is None:
        refused.add(name)
        notes.problems.append(
            Problem(
                where,
                "zeros_lost",
                f"{digits} có {len(digits)} chữ số, phải có 12; có thể Excel đã bỏ số 0 đầu nhưng ngày sinh "
                "và giới tính không xác nhận được. Định dạng cột là Văn bản rồi gõ lại",
            )
        )
    else:
        flat[name] = full
        notes.warnings.append(
            Problem(
                where,
                "zeros_restored",
                f"đã thêm lại số 0 đầu, khớp ngày sinh và giới tính: {digits} → {full}",
            )
        )


def _nested(
    flat: Mapping[str, object], level: Level | None, subject_names: Mapping[str, str]
) -> dict[str, object]:
    """Flat columns as the record's input: ``mon.TOAN.hk1`` goes into ``mon.TOAN``, its name filled in."""
    data: dict[str, object] = {}
    subject_rows: dict[str, dict[str, object]] = defaultdict(dict)
    for name, value in flat.items():
        if name.startswith("mon.") and name.count(".") == 2:
            head, _, part = name.rpartition(".")
            subject_rows[head][part] = value
        else:
            data[name] = value
    for head, row in subject_rows.items():
        if set(row) == {"ten"}:
            continue  # the name stands in every row of the column, the pupil does not take the subject
        known = level_info(level).subject(head.removeprefix("mon.")) if level is not None else None
        if known is not None:
            row.setdefault("ten", subject_names.get(head, known.name))
        data[head] = row
    if level is not None:
        data.setdefault("scheme", level_info(level).scheme.value)
        data["level"] = level.value
    return data


def _where(number: int, cell: str, name: str) -> str:
    return f"dòng {number}, ô {cell} ({name})" if cell else f"dòng {number} ({name})"


def _find_repeated(rows: Sequence[Row], notes: _Notes) -> None:
    """The same pupil in two rows is a problem; the same name and birth under two codes is odd."""
    for names, code, severe in (
        (("ma_truong", "ma_hoc_sinh", "year"), "repeated_pupil", True),
        (("so_dinh_danh_ca_nhan", "year"), "repeated_pupil", True),
        (("ho_va_ten", "ngay_sinh", "year"), "same_name_and_birth", False),
    ):
        first: dict[tuple[str, ...], int] = {}
        for row in rows:
            values = tuple(str(row.data[n]) for n in names if n in row.data)
            if len(values) < len(names) and not (names[0] == "ma_truong" and "ma_hoc_sinh" in row.data):
                continue
            earlier = first.setdefault(values, row.number)
            if earlier != row.number:
                shown_field = "ma_hoc_sinh" if "ma_hoc_sinh" in names else names[0]
                where = _where(row.number, row.cells.get(shown_field, ""), shown_field)
                if severe:
                    notes.problems.append(Problem(where, code, f"học sinh này trùng với dòng {earlier}"))
                else:
                    sentence = f"họ tên và ngày sinh trùng với dòng {earlier}; có phải hai em khác nhau?"
                    notes.warnings.append(Problem(where, code, sentence))


# ---------------------------------------------------------------------------------------------- validating


def validate(class_file: ClassFile) -> Validated:
    """Every row through ``verifier.record.parse``; all mistakes of all rows, those of the reading included,
    in the order of the rows. A column that is not there is one mistake, at the header.
    """
    records: list[tuple[int, Record, str]] = []
    problems = list(class_file.problems)
    warnings = list(class_file.warnings)
    columns_missing: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in class_file.rows:
        try:
            record = parse(row.data)
        except RefusedRecord as error:
            if row.number in class_file.shifted:
                # Cells under heads that are not theirs: what is said of them would be untrue.
                problems = [p for p in problems if row_of(p) != row.number]
                problems.append(class_file.shifted[row.number])
                continue
            warnings += [_located(w, row) for w in error.warnings]
            for problem in error.problems:
                if problem.code in ("missing", "missing_subject") and _no_column(
                    problem.where, class_file.columns
                ):
                    columns_missing[problem.where, problem.message].append(row.number)
                elif not _already_said(problem.where, row.refused):
                    problems.append(_located(problem, row))
            continue
        warnings += [_located(p, row) for p in record.warnings]
        if not row.refused:
            records.append((row.number, record, record.ma_hoc_sinh))
    problems += [_missing_column(class_file.header, *what, rows) for what, rows in columns_missing.items()]
    return Validated(tuple(records), tuple(sorted(problems, key=row_of)), tuple(sorted(warnings, key=row_of)))


def _no_column(where: str, known: frozenset[str] | None) -> bool:
    """Whether the header has no column for a field, nor for any part of it (``mon.TOAN``)."""
    if known is None or "[" in where:
        return False
    return not any(name == where or name.startswith(f"{where}.") for name in known)


def _missing_column(header: int, name: str, message: str, rows: Sequence[int]) -> Problem:
    subject = name.startswith("mon.") and name.count(".") == 1
    head = "cột nào của môn này" if subject else f"cột “{label_of(name, None)}”"
    where = f"dòng {header} ({name})"
    return Problem(where, "missing_column", f"tệp không có {head}: {message}; ở dòng {ranges(rows)}")


def _already_said(where: str, refused: frozenset[str]) -> bool:
    return any(where == name or where.startswith((f"{name}[", f"{name}.")) for name in refused)


def _located(problem: Problem, row: Row) -> Problem:
    """The same problem with the row and the cell (of a subject as a whole: its first cell)."""
    name = problem.where.partition("[")[0]
    cell = row.cells.get(name) or next((c for n, c in row.cells.items() if n.startswith(f"{name}.")), "")
    return Problem(_where(row.number, cell, problem.where), problem.code, problem.message)


# ---------------------------------------------------------------------------------------------- template


def class_file_template(level: Level | str, grade: int) -> bytes:
    """An .xlsx with one column for every field of a record of that level and grade, all formatted as text (so
    that Excel keeps zeros, commas and dates as typed), and a second sheet that explains each column.

    Raises ValueError for a level or grade that is not issued.
    """
    level = Level(level)
    if grade not in level_info(level).grades:
        raise ValueError(f"{level} has no grade {grade}")
    fields = [*HEADER_FACTS, *columns(level, grade)]
    fields.remove("scheme")  # follows from the level
    book = Workbook()
    sheet = book.active
    assert sheet is not None  # noqa: S101 - a new workbook has a sheet
    sheet.title = "Lớp"
    guide = book.create_sheet("Hướng dẫn")
    guide.append(["Tiêu đề cột", "Tên trường", "Bắt buộc", "Cách ghi"])
    required = _required(level, grade)
    for index, name in enumerate(fields, 1):
        label = label_of(name, level)
        head = sheet.cell(1, index, label)
        head.font = Font(bold=True)
        head.alignment = Alignment(wrap_text=True, vertical="top")
        letter = get_column_letter(index)
        sheet.column_dimensions[letter].width = max(12, min(28, len(label) + 2))
        sheet.column_dimensions[letter].number_format = "@"
        guide.append([label, name, "có" if name in required else "", _how_to_write(name, level, grade)])
    sheet.freeze_panes = "A2"
    for letter, width in (("A", 44), ("B", 44), ("C", 10), ("D", 90)):
        guide.column_dimensions[letter].width = width
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _required(level: Level, grade: int) -> frozenset[str]:
    return frozenset(s.name for s in field_specs(level, grade) if s.required) | frozenset(HEADER_FACTS)


def _how_to_write(name: str, level: Level, grade: int) -> str:
    """One line for the clerk, from the rule of the field itself."""
    header = {
        "level": f"{level.value} ({level_info(level).name})",
        "grade": str(grade),
        "year": "2025-2026",
        "ma_truong": "mã của cơ sở giáo dục, giữ số 0 đầu",
        "ma_hoc_sinh": "mã của học sinh trong trường, giữ số 0 đầu",
    }
    if name in header:
        return header[name]
    match kinds(level, grade)[name]:
        case Choice(values=values):
            return "một trong: " + ", ".join(values)
        case Phrase(phrases=phrases):
            return "bắt đầu bằng: " + " hoặc ".join(phrases)
        case Pattern(expected=expected):
            return expected.replace("dấu chấm", "dấu phẩy hoặc dấu chấm")
        case Day(year_alone=year_alone):
            return "ngày/tháng/năm" + (", hoặc chỉ năm nếu không rõ ngày tháng" if year_alone else "")
        case Whole(low=low, high=high):
            return f"số nguyên {low}–{high}"
        case Measure(low=low, high=high, unit=unit):
            return f"số {unit} từ {low} đến {high}, tối đa một chữ số thập phân"
        case Listed(model=model):
            return "|".join(s.name for s in fields_of(model)) + "; các mục cách nhau bằng dấu chấm phẩy"
        case Flag():
            return "x nếu được miễn, để trống nếu không"
        case Text(max_length=length) | Name(max_length=length):
            return f"chữ, tối đa {length} ký tự"
        case other:
            return other.column.value
