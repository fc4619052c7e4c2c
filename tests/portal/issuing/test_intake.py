"""Class files as schools send them: each trap is a real file and is undone, or named by its cell."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from portal.commands.template import template
from portal.issuing import intake_cells, intake_columns, intake_tables, intake_text
from portal.issuing.intake import ClassFile, Validated, class_file_template, read_class_file, validate
from portal.issuing.intake_text import Reading
from portal.issuing.problems import once
from tests.verifier.record_samples import sample
from verifier.errors import InvalidInput, Problem
from verifier.record import ColumnKind, Level, columns, level_info, parse

LEVELS = [(level, grade) for level in Level for grade in level_info(level).grades]
Value = str | int | float | bool | datetime | date | time | None
Cells = Sequence[Sequence[Value]]


# ---------------------------------------------------------------------------------------------- files to read


def flat(data: dict[str, Any]) -> dict[str, Value]:
    """A record's input as one spreadsheet row: column → what a clerk types."""
    row: dict[str, Value] = {}
    for name, value in data.items():
        if name.startswith("mon."):
            row |= {f"{name}.{part}": inner for part, inner in value.items()}
        elif isinstance(value, list):
            row[name] = "; ".join("|".join(str(v) for v in item.values()) for item in value)
        else:
            row[name] = value
    return row


def pupil(**changes: Value) -> dict[str, Value]:
    """One row of a THCS class, some cells changed (``mon__TOAN__hk1`` stands for ``mon.TOAN.hk1``)."""
    row = flat(sample(Level.THCS, 7))
    for name, value in changes.items():
        row[name.replace("__", ".")] = value
    return {name: value for name, value in row.items() if value is not None}


def table_of(rows: Sequence[dict[str, Value]]) -> list[list[Value]]:
    heads: list[Value] = list(dict.fromkeys(name for row in rows for name in row))
    return [heads, *([row.get(str(name), "") for name in heads] for row in rows)]


def xlsx(cells: Cells, **formats: str) -> bytes:
    """A workbook; ``formats`` are number formats by column head, a font by ``font_<head>``."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate(cells, 1):
        for index, value in enumerate(row, 1):
            if value == "":
                continue
            cell = sheet.cell(number, index, value)
            if isinstance(value, str):
                cell.data_type = "s"  # as typed into a text cell, even when it begins with =
            head = str(cells[0][index - 1])
            if number > 1 and head in formats:
                cell.number_format = formats[head]
            if number > 1 and f"font_{head}" in formats:
                cell.font = Font(name=formats[f"font_{head}"])
    return saved(book)


def nfd(value: Value) -> Value:
    """As a Mac's programs may store it: letters and their marks apart."""
    return unicodedata.normalize("NFD", value) if isinstance(value, str) else value


def day(year: int, month: int, of_month: int) -> datetime:
    """A date cell: spreadsheets know no time zones."""
    return datetime(year, month, of_month)  # noqa: DTZ001


def saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def csv_of(cells: Cells, separator: str = ";") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\r\n").writerows(cells)
    return buffer.getvalue()


def checked(data: bytes, name: str = "lop.xlsx") -> Validated:
    return validate(read_class_file(data, name))


def rows(*pupils: dict[str, Value], **formats: str) -> Validated:
    return checked(xlsx(table_of(pupils), **formats))


def codes(problems: Sequence[Problem]) -> list[str]:
    return [p.code for p in problems]


def only_problem(result: Validated) -> Problem:
    (problem,) = result.problems
    return problem


def refused(data: bytes, name: str = "lop.xlsx") -> str:
    with pytest.raises(InvalidInput) as caught:
        read_class_file(data, name)
    (problem,) = caught.value.problems
    assert problem.where == "tệp"
    return problem.code


def data_of(result: ClassFile, index: int = 0) -> dict[str, Any]:
    return dict(result.rows[index].data)


# ---------------------------------------------------------------------------------------------- whole files


@pytest.mark.parametrize(("level", "grade"), LEVELS)
def test_the_filled_template_is_the_record(level: Level, grade: int) -> None:
    book = load_workbook(io.BytesIO(class_file_template(level, grade)))
    guide = [[str(c.value or "") for c in row] for row in book["Hướng dẫn"].iter_rows(min_row=2)]
    heads = [c.value for c in book["Lớp"][1]]
    assert heads == [label for label, *_ in guide]
    assert {name for _, name, *_ in guide} | {"scheme"} == set(columns(level, grade)) | set(
        intake_columns.HEADER_FACTS
    )
    assert all(how for *_, how in guide)
    row = flat(sample(level, grade))
    for index, (_, name, *_) in enumerate(guide, 1):
        if name in row:
            book["Lớp"].cell(2, index, row[name])
    result = checked(saved(book))
    assert result.problems == ()
    assert result.warnings == ()
    ((number, record, code),) = result.records
    assert (number, code) == (2, row["ma_hoc_sinh"])
    assert record == parse(sample(level, grade))


def test_template_is_for_grades_that_exist() -> None:
    with pytest.raises(ValueError, match="grade"):
        class_file_template(Level.THCS, 5)
    with pytest.raises(ValueError, match="GDTX_THCS"):
        class_file_template("GDTX_THCS", 6)


@pytest.mark.parametrize(("level", "grade"), LEVELS)
def test_json_lines(level: Level, grade: int) -> None:
    one = sample(level, grade)
    two = sample(level, grade) | {
        "ma_hoc_sinh": "0100000002",
        "so_dinh_danh_ca_nhan": "001315000002",
        "ho_va_ten": "Lò Thị Ím",
    }
    lines = "\n".join(json.dumps(x, ensure_ascii=False) for x in (one, two))
    for data, numbers in (
        (lines, [1, 2]),
        ("\n" + lines.replace("\n", "\n\n"), [2, 4]),
        (json.dumps([one, two]), [1, 2]),
    ):
        result = checked(data.encode(), "lop.jsonl")
        assert result.problems == ()
        assert [n for n, _, _ in result.records] == numbers
        assert [r for _, r, _ in result.records] == [parse(one), parse(two)]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv(separator: str, encoding: str) -> None:
    text = csv_of(
        table_of([pupil(), pupil(ma_hoc_sinh="0100000002", so_dinh_danh_ca_nhan=None, ho_va_ten="Đỗ Ý Nhi")]),
        separator,
    )
    result = checked(text.encode(encoding), "lop.csv")
    assert result.problems == ()
    assert [n for n, _, _ in result.records] == [2, 3]
    assert result.records[0][1] == parse(sample(Level.THCS, 7))


def test_csv_that_excel_marked() -> None:
    text = "sep=,\r\n" + csv_of(table_of([pupil()]), ",")
    result = checked(text.encode("utf-8-sig"), "lop.csv")
    assert [n for n, _, _ in result.records] == [3]


def to_1258(text: str) -> bytes:
    """As windows-1258 stores Vietnamese: letters with their shape, tones as marks of their own."""
    result = b""
    for character in text:
        parts = unicodedata.normalize("NFD", character)
        tones = "".join(c for c in parts if c in intake_text._TONES)
        base = unicodedata.normalize("NFC", "".join(c for c in parts if c not in intake_text._TONES))
        result += (base + tones).encode("cp1258")
    return result


def to_tcvn3(text: str) -> str:
    """As a text in a .VnTime font looks in any other font."""
    table = {letter: byte for byte, letter in intake_text._TCVN3.items()}
    return "".join(bytes([table[c]]).decode("cp1252") if c in table else c for c in text)


def to_vni(text: str) -> str:
    """As a text in a VNI-Times font looks in any other font."""
    table = {letter: keys for keys, letter in intake_text._VNI.items()}
    return "".join(table.get(c, c) for c in text)


def as_cp1252(text: str) -> str:
    """UTF-8 bytes taken for windows-1252; bytes that it leaves open become C1 controls."""
    return "".join(
        bytes([b]).decode("cp1252") if b not in b"\x81\x8d\x8f\x90\x9d" else chr(b) for b in text.encode()
    )


def test_csv_in_windows_1258() -> None:
    text = csv_of(table_of([pupil()]))
    result = checked(to_1258(text), "lop.csv")
    assert result.problems == ()
    assert result.records[0][1] == parse(sample(Level.THCS, 7))


# Headings and texts whose capitals TCVN3 has no codes for keep to letters that every old font has.
@pytest.mark.parametrize(("name", "convert"), [("TCVN3 (ABC)", to_tcvn3), ("VNI", to_vni)])
def test_csv_in_an_old_font_encoding(name: str, convert: Callable[[str], str]) -> None:
    data = sample(Level.THCS, 7) | {"me_ho_ten": "Trần Thị Hoa"}
    text = csv_of(table_of([flat(data)]))
    result = checked(convert(text).encode("cp1252"), "lop.csv")
    assert result.problems == ()
    assert result.records[0][1] == parse(data)
    assert {w.code for w in result.warnings} == {"encoding"}
    assert any(
        w.where.startswith("dòng 2, ô ") and name in w.message and "ho_va_ten" in w.where
        for w in result.warnings
    )


def test_merged_headers_and_titles() -> None:
    """Three title rows, a header of two rows with merged cells, the numbers of the columns, blank rows, a
    hidden sheet.
    """
    row = pupil()
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["A2"] = "TRƯỜNG THCS PHÚC LỘC", "DANH SÁCH LỚP 7A1"
    subjects = [n.rpartition(".")[0] for n in row if n.endswith(".hk1")]
    simple = [n for n in row if not n.startswith("mon.")]
    heads = ["STT"] + [intake_columns.label_of(n, Level.THCS) for n in simple]
    for index, head in enumerate(heads, 1):
        sheet.cell(4, index, head)
        sheet.merge_cells(start_row=4, end_row=5, start_column=index, end_column=index)
        if index > 1:
            sheet.cell(8, index, row[simple[index - 2]])
    sheet.cell(8, 1, 1)
    column = len(heads) + 1
    for subject in subjects:
        sheet.cell(4, column, level_info(Level.THCS).subject(subject[4:]).name)  # type: ignore[union-attr]
        sheet.merge_cells(start_row=4, end_row=4, start_column=column, end_column=column + 3)
        for offset, (head, part) in enumerate(
            (("Học kỳ I", "hk1"), ("HK II", "hk2"), ("Cả năm", "ca_nam"), ("NX", "nhan_xet"))
        ):
            sheet.cell(5, column + offset, head)
            sheet.cell(8, column + offset, row[f"{subject}.{part}"])
        column += 4
    for index in range(1, column):
        sheet.cell(6, index, f"({index})")
    other = book.create_sheet("Danh mục")
    other["A1"] = "Kinh"
    hidden = book.create_sheet("Ẩn")
    hidden.append(heads)
    hidden.sheet_state = "hidden"
    result = checked(saved(book))
    assert result.problems == ()
    ((number, record, _),) = result.records
    assert number == 8
    assert record == parse(sample(Level.THCS, 7))


def test_all_mistakes_of_all_rows_together() -> None:
    result = rows(
        pupil(ho_va_ten="Nguyễn 2", mon__TOAN__hk1="11", gioi_tinh="nam giới"),
        pupil(ma_hoc_sinh="0100000002", so_dinh_danh_ca_nhan=None),
        pupil(
            ma_hoc_sinh="0100000003",
            so_dinh_danh_ca_nhan=None,
            mon__NGU_VAN__ca_nam="9,9",
            lop=day(2026, 7, 1),
        ),
    )
    found = [
        (p.where.partition(",")[0], p.where.partition("(")[2].rstrip(")"), p.code) for p in result.problems
    ]
    assert ("dòng 2", "ho_va_ten", "not_a_name") in found
    assert ("dòng 2", "mon.TOAN.hk1", "wrong_form") in found
    assert ("dòng 2", "gioi_tinh", "not_in_list") in found
    assert ("dòng 4", "mon.NGU_VAN.ca_nam", "contradiction") in found
    assert ("dòng 4", "lop", "became_date") in found
    assert not [f for f in found if f[0] == "dòng 3"]
    assert [n for n, _, _ in result.records] == [3]
    contradiction = next(p for p in result.problems if p.code == "contradiction")
    assert "9,9" in contradiction.message
    assert "8,2" in contradiction.message
    heads = table_of([pupil()])[0]
    letter = get_column_letter(heads.index("mon.NGU_VAN.ca_nam") + 1)
    assert contradiction.where == f"dòng 4, ô {letter}4 (mon.NGU_VAN.ca_nam)"


def test_a_refused_cell_is_said_once() -> None:
    result = rows(pupil(mon__TOAN__hk1=day(2026, 3, 8)))
    assert codes(result.problems) == ["became_date"]
    assert "8.3" in result.problems[0].message


# ---------------------------------------------------------------------------------------------- columns


def test_unknown_repeated_and_nameless_columns() -> None:
    cells = table_of([pupil()])
    cells[0] += ["Ghi chú riêng", "Họ tên", "", "Họ và tênn"]
    cells[1] += ["x", "Trần A", "lạc", ""]
    result = checked(xlsx(cells))
    width = len(cells[0])
    found = {p.code: p for p in result.problems if p.code != "unknown_column"}
    unknown = [p for p in result.problems if p.code == "unknown_column"]
    assert [p.where for p in unknown] == [
        f"dòng 1, ô {get_column_letter(width - 3)}1",
        f"dòng 1, ô {get_column_letter(width)}1",
    ]
    assert "Họ và tên" in unknown[1].message
    assert found["repeated_column"].where == f"dòng 1, ô {get_column_letter(width - 2)}1"
    assert found["nameless_column"].where == f"dòng 2, ô {get_column_letter(width - 1)}2"


@pytest.mark.parametrize(("level", "grade"), LEVELS)
def test_every_column_has_a_head_that_leads_back(level: Level, grade: int) -> None:
    for name in (*intake_columns.HEADER_FACTS, *columns(level, grade)):
        head = intake_columns.label_of(name, level)
        for spelled in (
            head,
            head.upper(),
            f"  {head} ",
            unicodedata.normalize("NFD", head),
            name,
            name.upper(),
        ):
            found = intake_columns.recognise(spelled, level)
            assert found is not None, spelled
            assert found.field == name, spelled


@pytest.mark.parametrize(
    ("head", "level", "field"),
    [
        ("Ho va ten", None, "ho_va_ten"),
        ("Họ, chữ đệm và tên", None, "ho_va_ten"),
        ("Toán - Học kỳ I", Level.THPT, "mon.TOAN.hk1"),
        ("TOÁN CN", Level.THCS, "mon.TOAN.ca_nam"),
        ("Điểm môn Toán HKII", Level.THCS, "mon.TOAN.hk2"),
        ("Địa lý HK1", Level.THPT, "mon.DIA_LI.hk1"),
        ("Hoá học HK2", Level.THPT, "mon.HOA_HOC.hk2"),
        ("Mỹ thuật Cả năm", Level.THPT, "mon.MI_THUAT.ca_nam"),
        ("Tiếng Anh HK1", Level.THCS, "mon.NGOAI_NGU_1.hk1"),
        ("Tiếng Anh HK1", Level.GDTX_THPT, "mon.NGOAI_NGU.hk1"),
        ("Ngoại ngữ 1 (Tiếng Nhật): Cả năm", Level.THPT, "mon.NGOAI_NGU_1.ca_nam"),
        ("Khoa học Mức đạt được", Level.TIEU_HOC, "mon.KHOA_HOC.muc_dat_duoc"),
        ("Năng lực: Khoa học", Level.TIEU_HOC, "nang_luc.KHOA_HOC"),
        ("Khoa học", Level.TIEU_HOC, None),
        ("Yêu nước", Level.TIEU_HOC, "pham_chat.YEU_NUOC"),
        ("Toán", Level.THCS, None),
        ("Xếp hạng", Level.THCS, None),
        ("STT", Level.THCS, ""),
    ],
)
def test_heads(head: str, level: Level | None, field: str | None) -> None:
    found = intake_columns.recognise(head, level)
    assert (found.field if found else None) == field


def test_a_language_in_the_head_names_the_subject() -> None:
    cells = table_of([{n: v for n, v in pupil().items() if n != "mon.NGOAI_NGU_1.ten"}])
    cells[0] = [str(h).replace("mon.NGOAI_NGU_1.hk1", "Ngoại ngữ 1 (Tiếng Nhật) HK1") for h in cells[0]]
    result = read_class_file(xlsx(cells), "lop.xlsx")
    assert data_of(result)["mon.NGOAI_NGU_1"]["ten"] == "Ngoại ngữ 1 (Tiếng Nhật)"


def test_subject_names_are_filled_in_and_alone_say_nothing() -> None:
    row = {n: v for n, v in pupil().items() if not n.endswith(".ten") and "DTTS" not in n}
    row["mon.TIENG_DTTS.ten"] = "Tiếng dân tộc thiểu số (Tiếng Thái)"
    result = rows(row)
    assert result.problems == ()
    assert result.records[0][1].fields()["mon.TOAN"]["ten"] == "Toán"  # type: ignore[index,call-overload]
    assert "mon.TIENG_DTTS" not in result.records[0][1].fields()


# ---------------------------------------------------------------------------------------------- cells


@pytest.mark.parametrize("typed", ["8,0", "8.0", 8, 8.0, "8", " 8,00 ", "08,0"])
def test_marks(typed: Value) -> None:
    result = rows(pupil(mon__TOAN__hk1=typed))
    assert result.records[0][1].fields()["mon.TOAN"]["hk1"] == "8.0"  # type: ignore[index,call-overload]


@given(st.integers(0, 100))
def test_every_mark_survives_excel(tenths: int) -> None:
    """As text with a comma, as a number, and as what a formula's rounding error leaves."""
    expected = f"{tenths // 10}.{tenths % 10}"
    place = intake_cells.Place("mon.TOAN.hk1", ColumnKind.SCORE)
    for typed in (expected, expected.replace(".", ","), tenths / 10, tenths * 0.1):
        assert intake_cells.convert(intake_tables.Cell("A1", typed), place).value == expected


@pytest.mark.parametrize("typed", [8.25, "8,25", "8..3", "tám", "-1", 10.1, "1e1", "8,3 điểm", True, "８"])
def test_marks_that_are_none(typed: Value) -> None:
    result = rows(pupil(mon__TOAN__hk1=typed))
    assert [(p.code, p.where[-15:]) for p in result.problems] == [
        ("wrong_form", "(mon.TOAN.hk1)"[-15:])
    ] or codes(result.problems) == ["wrong_form"]


@pytest.mark.parametrize("typed", ["11,0", 11, "10,25", "85"])
def test_a_mark_above_ten_is_out_of_range(typed: Value) -> None:
    assert "ngoài khoảng 0–10" in only_problem(rows(pupil(mon__TOAN__hk1=typed))).message


@pytest.mark.parametrize(
    ("typed", "value"),
    [("đạt", "Đạt"), ("ĐẠT", "Đạt"), ("Đ", "Đạt"), ("CĐ", "Chưa đạt"), ("chưa đạt", "Chưa đạt")],
)
def test_comments_in_short(typed: str, value: str) -> None:
    result = read_class_file(xlsx(table_of([pupil(mon__NGHE_THUAT__hk1=typed)])), "lop.xlsx")
    assert data_of(result)["mon.NGHE_THUAT"]["hk1"] == value


def test_primary_words_for_letters() -> None:
    row = flat(sample(Level.TIEU_HOC, 4)) | {
        "mon.TOAN.muc_dat_duoc": "Hoàn thành tốt",
        "mon.DAO_DUC.muc_dat_duoc": "t",
        "mon.TOAN.diem_ktdk": 9.0,
        "pham_chat.YEU_NUOC": "Tốt",
        "chieu_cao": 132.5,
        "can_nang": "28,0",
        "nghi_co_phep": "2",
        "level": "Tiểu học",
        "grade": "Lớp 4",
        "year": "2025 – 2026",
    }
    result = rows(row)
    assert result.problems == ()
    assert result.records[0][1] == parse(sample(Level.TIEU_HOC, 4))


@pytest.mark.parametrize(
    ("typed", "value", "warned"),
    [
        ("05/09/2013", "05/09/2013", None),
        ("5/9/2013", "05/09/2013", None),
        ("5-9-2013", "05/09/2013", None),
        ("05.09.2013", "05/09/2013", None),
        ("2013-09-05", "05/09/2013", None),
        (day(2013, 9, 5), "05/09/2013", None),
        (date(2013, 9, 5), "05/09/2013", None),
        (41522, "05/09/2013", "serial_date"),
        ("41522", "05/09/2013", "serial_date"),
        (2013, "2013", None),
        ("2013", "2013", None),
        ("00/00/2013", "2013", "year_only"),
        ("0/0/2013", "2013", "year_only"),
        (day(1905, 7, 5), "2013", "year_only"),  # 2013 typed into a date column
    ],
)
def test_births(typed: Value, value: str, warned: str | None) -> None:
    result = rows(pupil(ngay_sinh=typed))
    assert result.problems == ()
    assert result.records[0][1].common.ngay_sinh == value
    assert [w.code for w in result.warnings] == ([warned] if warned else [])
    assert all(w.where.startswith("dòng 2, ô ") and w.where.endswith("(ngay_sinh)") for w in result.warnings)


@pytest.mark.parametrize(
    "typed", ["31/02/2013", "09/05/13", "00/05/2013", "05/13/2013", "hôm nay", 999_999, True, time(8, 30)]
)
def test_births_that_are_none(typed: Value) -> None:
    result = rows(pupil(ngay_sinh=typed, so_dinh_danh_ca_nhan=None))
    problem = only_problem(result)
    assert problem.where.endswith("(ngay_sinh)")
    assert problem.code in ("not_a_date", "time_value")


class TestCodes:
    """so_dinh_danh_ca_nhan of the sample: 001 3 15 000001 would be a girl of 2015; the pupil of grade 7 is of
    2013.
    """

    number = "001313000001"

    @pytest.mark.parametrize(
        "typed", ["001313000001", "'001313000001", "001 313 000001", 1313000001, "1313000001", 1313000001.0]
    )
    def test_personal_numbers(self, typed: Value) -> None:
        result = rows(pupil(so_dinh_danh_ca_nhan=typed))
        assert result.problems == ()
        assert result.records[0][1].common.so_dinh_danh_ca_nhan == self.number
        short = str(typed).startswith("1")
        assert codes(result.warnings) == (["zeros_restored"] if short else [])

    def test_custom_number_format(self) -> None:
        result = rows(pupil(so_dinh_danh_ca_nhan=1313000001), so_dinh_danh_ca_nhan="000000000000")
        assert result.records[0][1].common.so_dinh_danh_ca_nhan == self.number
        assert result.warnings == ()

    @pytest.mark.parametrize(
        ("typed", "code"),
        [
            (
                1313000001 + 10**7,
                "zeros_lost",
            ),  # another year of birth: a digit left out rather than zeros lost
            ("79313000001", None),
            (131300001, "zeros_lost"),
            ("1,3E+09", "digits_lost"),
            ("1.313000001E+09", None),
            (1.5, "not_a_code"),
            ("12345678901a", "wrong_form"),
        ],
    )
    def test_personal_numbers_in_doubt(self, typed: Value, code: str | None) -> None:
        result = rows(pupil(so_dinh_danh_ca_nhan=typed))
        assert codes(result.problems) == ([code] if code else [])
        if code is None:
            restored = result.records[0][1].common.so_dinh_danh_ca_nhan
            assert restored is not None
            assert len(restored) == 12

    def test_not_without_birth_and_sex(self) -> None:
        assert intake_cells.restore_personal_number("1313000001", "2013", "Nữ") == self.number
        assert intake_cells.restore_personal_number("1313000001", "2013", "Nam") is None
        assert intake_cells.restore_personal_number("1313000001", None, "Nữ") is None
        assert intake_cells.restore_personal_number("97313000001", "2013", "Nữ") is None

    def test_pupil_codes(self) -> None:
        second = {"so_dinh_danh_ca_nhan": None, "ho_va_ten": "Trần B"}
        alone = rows(pupil(ma_hoc_sinh=100000001))
        assert codes(alone.problems) == ["zeros_lost"]
        among = rows(pupil(ma_hoc_sinh=100000001), pupil(ma_hoc_sinh="0100000002", **second))
        assert codes(among.warnings) == ["zeros_restored"]
        assert [c for _, _, c in among.records] == ["0100000001", "0100000002"]

    def test_school_codes(self) -> None:
        second = {"so_dinh_danh_ca_nhan": None, "ho_va_ten": "Trần B", "ma_hoc_sinh": "0100000002"}
        alone = rows(pupil(ma_truong=1000123))
        assert codes(alone.warnings) == ["maybe_zeros_lost"]
        among = rows(pupil(ma_truong=1000123), pupil(ma_truong="01000123", **second))
        assert codes(among.warnings) == ["zeros_restored"]
        assert {r.issuer for _, r, _ in among.records} == {"01000123"}

    def test_places(self) -> None:
        result = rows(pupil(tinh_thanh_ma=1, xa_phuong_ma="9715"))
        common = result.records[0][1].common
        assert (common.tinh_thanh_ma, common.xa_phuong_ma) == ("01", "09715")
        assert codes(result.warnings) == ["zeros_restored", "zeros_restored"]

    @given(st.integers(1, 96), st.integers(1900, 2099), st.booleans(), st.integers(0, 999_999))
    def test_restoring_is_exact(self, province: int, year: int, girl: bool, rest: int) -> None:
        full = f"{province:03}{2 * (year // 100 - 19) + girl}{year % 100:02}{rest:06}"
        short = full.lstrip("0")
        sex = "Nữ" if girl else "Nam"
        assert intake_cells.restore_personal_number(short, f"01/02/{year}", sex) == (
            full if len(short) < 12 else None
        )


def test_dates_where_none_belong() -> None:
    result = rows(pupil(lop=day(2026, 1, 7)))
    problem = only_problem(result)
    assert problem.code == "became_date"
    assert "7/1" in problem.message


def test_formulas_and_errors_are_named() -> None:
    cells = table_of([pupil()])
    book = load_workbook(io.BytesIO(xlsx(cells)))
    sheet = book.active
    assert sheet is not None
    name = cells[0].index("mon.TOAN.hk1") + 1
    sheet.cell(2, name).value = "=A1+B1"
    sheet.cell(2, cells[0].index("lop") + 1).value = "#REF!"
    result = checked(saved(book))
    assert sorted(codes(result.problems)) == ["error_value", "formula"]
    assert all(p.where.startswith("dòng 2, ô ") for p in result.problems)


@pytest.mark.parametrize(
    "text", ["=1+1", "=cmd|'/c calc'!A0", "+84 912", "-", "@SUM(A1)", '=HYPERLINK("http://x")']
)
def test_what_looks_like_a_formula_is_text(text: str) -> None:
    for result in (
        rows(pupil(noi_sinh=text)),
        checked(csv_of(table_of([pupil(noi_sinh=text)])).encode(), "lop.csv"),
        checked((json.dumps(sample(Level.THCS, 7) | {"noi_sinh": text}) + "\n").encode(), "lop.jsonl"),
    ):
        assert result.problems == ()
        assert result.records[0][1].common.noi_sinh == text


def test_spaces_and_line_breaks() -> None:
    result = rows(
        pupil(
            ho_va_ten="  Nguyễn Thị Hường ",
            noi_sinh="Hà\u00a0Nội\u200b",
            nhan_xet_gvcn="Chăm ngoan.\r\nTiến bộ.",
        )
    )
    record = result.records[0][1]
    assert record.common.ho_va_ten == "Nguyễn Thị Hường"
    assert record.common.noi_sinh == "Hà Nội"
    assert record.fields()["nhan_xet_gvcn"] == "Chăm ngoan. Tiến bộ."
    assert sorted(codes(result.warnings)) == ["line_break", "odd_space"]


def test_unicode_forms_are_kept_and_warned_about() -> None:
    decomposed = unicodedata.normalize("NFD", "Nguyễn Thị Hường")
    result = rows(pupil(ho_va_ten=decomposed))
    assert result.records[0][1].common.ho_va_ten == decomposed
    assert codes(result.warnings) == ["not_nfc"]
    assert result.warnings[0].where.startswith("dòng 2, ô ")


def test_values_of_closed_lists_take_the_spelling_of_the_list() -> None:
    """A Mac's decomposed letters look the same; the record holds the form's own, and says what was done."""
    values: dict[str, Value] = {"gioi_tinh": "Nữ", "mon.NGHE_THUAT.hk1": "Đạt", "kq_hoc_tap_hk1": "Tốt"}
    plain = pupil() | values
    plain["ket_qua_len_lop"] = "Được lên lớp"
    wanted = rows(plain)
    result = rows({name: nfd(value) for name, value in plain.items()})
    assert codes(result.problems) == codes(wanted.problems)
    data = data_of(read_class_file(xlsx(table_of([{n: nfd(v) for n, v in plain.items()}])), "lop.xlsx"))
    assert data["gioi_tinh"] == "Nữ"
    assert data["mon.NGHE_THUAT"]["hk1"] == "Đạt"
    assert data["ket_qua_len_lop"] == "Được lên lớp"
    warned = {w.where.partition("(")[2] for w in result.warnings if "đã ghi theo mẫu" in w.message}
    assert {"gioi_tinh)", "mon.NGHE_THUAT.hk1)", "ket_qua_len_lop)"} <= warned


def test_words_after_a_phrase_keep_their_form() -> None:
    extra = nfd(". Rèn luyện thêm Toán")
    data = read_class_file(xlsx(table_of([pupil(ket_qua_len_lop=f"{nfd('Được lên lớp')}{extra}")])), "a.xlsx")
    assert data_of(data)["ket_qua_len_lop"] == f"Được lên lớp{extra}"


def test_lists() -> None:
    steps = "2023-2024|5A|TH Phúc Lộc|Hà Nội; 2024-2025 | 6A1 | THCS Phúc Lộc"
    result = rows(pupil(qua_trinh_hoc_tap=steps, chung_chi='[{"ten": "Tin học"}]'))
    fields = result.records[0][1].fields()
    assert fields["qua_trinh_hoc_tap"] == [
        {"nam_hoc": "2023-2024", "lop": "5A", "truong": "TH Phúc Lộc", "tinh": "Hà Nội"},
        {"nam_hoc": "2024-2025", "lop": "6A1", "truong": "THCS Phúc Lộc"},
    ]
    assert fields["chung_chi"] == [{"ten": "Tin học"}]
    assert codes(rows(pupil(qua_trinh_hoc_tap="a|b|c|d|e")).problems) == ["list_form"]
    assert codes(rows(pupil(qua_trinh_hoc_tap="[{")).problems) == ["not_json"]
    nested = rows(pupil(qua_trinh_hoc_tap="2024|6A|THCS"))
    assert only_problem(nested).where.endswith("(qua_trinh_hoc_tap[1].nam_hoc)")


@pytest.mark.parametrize(
    ("typed", "value"), [("x", True), ("Có", True), (True, True), ("không", None), (False, None), ("", None)]
)
def test_flags(typed: Value, value: Value) -> None:
    result = read_class_file(xlsx(table_of([pupil(mon__TOAN__mien=typed)])), "lop.xlsx")
    assert data_of(result)["mon.TOAN"].get("mien") == value


# ---------------------------------------------------------------------------------------------- old encodings

NAMES = [
    "Nguyễn Thị Hường",
    "Trần Văn Đức",
    "Lê Bảo Ngọc",
    "Phạm Quỳnh Anh",
    "Hoàng Gia Huy",
    "Đỗ Thuỳ Dương",
    "Vũ Đặng Phương Uyên",
    "Lò Thị Ím",
    "Nguyễn Khuyến",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convert", [to_tcvn3, to_vni, as_cp1252, lambda s: s.encode().decode("latin-1")])
def test_names_from_old_encodings(name: str, convert: Callable[[str], str]) -> None:
    broken = convert(name)
    found = intake_text.repair(broken)
    if broken == name:
        pytest.fail("the sample must be damaged")
    # A letter that the old font has no code for stays; the rest must come back.
    assert found.text == name or "Í" in name


@pytest.mark.parametrize(
    "text",
    [
        *NAMES,
        "Y Bhăm Êban",
        "H'Nga Niê",
        "H’Wôn Byă",
        "Ksor Hờ Lan",
        "Rơ Châm Bôl",
        "Zoë Müller",
        "José Núñez",
        "François",
        "Ðinh Văn Nam",
        "NGUYỄN VĂN AN",
        "Thành phố Hồ Chí Minh – Quận 1",
        "Em có tiến bộ không?",
        "Đạt 9,5 điểm; hạng “Giỏi”…",
    ],
)
def test_good_text_is_left_alone(text: str) -> None:
    for form in (text, text.upper(), unicodedata.normalize("NFD", text)):
        found = intake_text.repair(form)
        assert found.text == form
        assert found.reading in (Reading.PLAIN, Reading.UNSURE)


@pytest.mark.parametrize("text", ["Nguy?n V?n An", "Y Bh¨m £ban", "Ñaék Laék", "§¾k L¾k", "Nguyá»�n"])
def test_damage_beyond_repair_is_named(text: str) -> None:
    result = rows(pupil(noi_sinh=text))
    problem = only_problem(result)
    assert problem.where.endswith("(noi_sinh)")
    assert problem.code in ("encoding", "control_character")


def test_a_column_in_an_old_font() -> None:
    """ "Lª" is "Lê" for certain; "Tó" is "Tú" in TCVN3 or "Tó" in Unicode: the column, or the cell's font,
    decides.
    """
    second = {"ma_hoc_sinh": "0100000002", "so_dinh_danh_ca_nhan": None}
    both = rows(pupil(ho_va_ten=to_tcvn3("Lê Tú")), pupil(ho_va_ten=to_tcvn3("Hồ Tú"), **second))
    assert [r.common.ho_va_ten for _, r, _ in both.records] == ["Lê Tú", "Hồ Tú"]
    alone = rows(pupil(ho_va_ten="Tó"), pupil(ho_va_ten="Lê Lợi", **second))
    assert [r.common.ho_va_ten for _, r, _ in alone.records] == ["Tó", "Lê Lợi"]
    mixed = rows(
        pupil(ho_va_ten="Tó"),
        pupil(ho_va_ten="Lê Lợi", **second),
        pupil(ho_va_ten=to_tcvn3("Lê Tú"), ma_hoc_sinh="3", so_dinh_danh_ca_nhan=None),
    )
    assert [(p.code, p.where.partition(",")[0]) for p in mixed.problems] == [("encoding", "dòng 2")]
    by_font = rows(pupil(ho_va_ten="Tó"), pupil(ho_va_ten="Lê Lợi", **second), font_ho_va_ten=".VnTime")
    assert [r.common.ho_va_ten for _, r, _ in by_font.records] == ["Tú", "Lê Lợi"]
    assert codes(by_font.warnings) == ["encoding"]


class TestWholeFilesInAnOldFont:
    VNI_ROW: dict[str, Value] = {  # noqa: RUF012 - read only
        "ho_va_ten": "Y Juùt",
        "me_ho_ten": "H'Bích Nieâ",
        "tinh_thanh": "Sôn La",
        "noi_sinh": "Ñaék Laék",
    }

    def test_names_of_minorities_and_places(self) -> None:
        read = read_class_file(csv_of(table_of([vni_pupil() | self.VNI_ROW])).encode("cp1252"), "lop.csv")
        assert read.problems == ()
        assert {name: data_of(read)[name] for name in self.VNI_ROW} == {
            "ho_va_ten": "Y Jút",
            "me_ho_ten": "H'Bích Niê",
            "tinh_thanh": "Sơn La",
            "noi_sinh": "Đắk Lắk",
        }
        warned = {w.where.partition("(")[2].rstrip(")") for w in read.warnings if w.code == "encoding"}
        assert warned >= set(self.VNI_ROW)

    def test_what_the_font_has_no_letter_for_is_named(self) -> None:
        row = vni_pupil() | {"noi_sinh": "Zoë Müller"}
        read = read_class_file(csv_of(table_of([row])).encode("cp1252"), "lop.csv")
        assert [p.where.partition("(")[2] for p in read.problems] == ["noi_sinh)"]

    def test_two_readings_in_a_mixed_file_are_a_problem(self) -> None:
        names: list[Value] = [to_vni(n) for n in ("Trần Hưng", "Lê Lợi", "Đỗ Đức", "Vũ Đặng", "Hồ Hường")]
        pupils = [
            pupil(ho_va_ten=name, ma_hoc_sinh=f"010000001{n}", so_dinh_danh_ca_nhan=None, tinh_thanh="Sôn La")
            for n, name in enumerate(names)
        ]
        found = rows(*pupils)
        assert {p.code for p in found.problems} == {"encoding"}
        assert len([p for p in found.problems if p.where.endswith("(tinh_thanh)")]) == len(pupils)

    @pytest.mark.parametrize("damaged", ["Ñ", "§"])
    def test_a_level_is_read_by_the_list_of_its_column(self, damaged: str) -> None:
        row = flat(sample(Level.TIEU_HOC, 4)) | {"pham_chat.CHAM_CHI": damaged}
        read = read_class_file(xlsx(table_of([row])), "lop.xlsx")
        assert read.problems == ()
        assert data_of(read)["pham_chat.CHAM_CHI"] == "Đ"
        assert codes(read.warnings) == ["encoding"]


def vni_pupil() -> dict[str, Value]:
    """A row in a VNI font; the heads are field names."""
    return {n: to_vni(v) if isinstance(v, str) else v for n, v in pupil().items()}


@given(st.text(max_size=60))
def test_repair_is_total(text: str) -> None:
    found = intake_text.repair(text)
    assert found.reading is not Reading.CONVERTED or found.encoding
    assert found.reading is Reading.CONVERTED or found.text == text


@given(st.binary(max_size=200))
def test_decode_is_total(data: bytes) -> None:
    text = intake_text.decode(data)
    assert text is None or "\0" not in text


# ---------------------------------------------------------------------------------------------- rows


def test_the_same_pupil_twice() -> None:
    again = rows(pupil(), pupil(ho_va_ten="Khác Tên", so_dinh_danh_ca_nhan=None))
    problem = only_problem(again)
    assert problem == Problem(problem.where, "repeated_pupil", "học sinh này trùng với dòng 2")
    assert problem.where.startswith("dòng 3, ô ")
    by_number = rows(pupil(), pupil(ma_hoc_sinh="0100000002", ho_va_ten="Khác Tên"))
    assert codes(by_number.problems) == ["repeated_pupil"]
    namesake = rows(pupil(), pupil(ma_hoc_sinh="0100000002", so_dinh_danh_ca_nhan=None))
    assert (codes(namesake.problems), codes(namesake.warnings)) == ([], ["same_name_and_birth"])
    other_year = {"year": "2024-2025", "ngay_ky_phat_hanh": "31/05/2025"}
    assert "repeated_pupil" not in codes(rows(pupil(), pupil(**other_year)).problems)


def test_json_mistakes_by_line() -> None:
    good = json.dumps(sample(Level.THCS, 7), ensure_ascii=False)
    lines = [
        good,
        "{",
        "[1]",
        '"x"',
        '{"a": 1, "a": 2}',
        '{"grade": NaN}',
        "[" * 5000,
        good.replace('"grade": 7', '"grade": "7a"'),
    ]
    result = checked("\n".join(lines).encode(), "lop.jsonl")
    by_row = {p.where: p.code for p in result.problems}
    assert by_row["dòng 2"] == by_row["dòng 5"] == by_row["dòng 6"] == by_row["dòng 7"] == "not_json"
    assert by_row["dòng 3"] == by_row["dòng 4"] == "not_an_object"
    assert by_row["dòng 8 (grade)"] == "wrong_type"
    assert [n for n, _, _ in result.records] == [1]


def test_json_values_keep_their_meaning() -> None:
    one = sample(Level.THCS, 7)
    one["mon.TOAN"] = {**one["mon.TOAN"], "hk1": 8.0, "ca_nam": None}
    one["quan_huyen"] = ""
    one["khong_co"] = 1
    result = read_class_file(json.dumps(one).encode(), "lop.jsonl")
    data = data_of(result)
    assert data["mon.TOAN"]["hk1"] == "8.0"
    assert "ca_nam" not in data["mon.TOAN"]
    assert data["quan_huyen"] == ""
    problems = validate(result).problems
    assert ("dòng 1 (khong_co)", "unknown_field") in [(p.where, p.code) for p in problems]


# ---------------------------------------------------------------------------------------------- whole-file
# refusals


def test_files_that_are_none() -> None:
    assert refused(b"") == "empty_file"
    assert refused(b" \r\n\t") == "empty_file"
    assert refused(b"\0" * 100) == "empty_file"
    assert refused(b"x" * (intake_tables.MAX_BYTES + 1)) == "too_large"
    assert refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)) == "old_excel"
    assert refused(b"PK\x03\x04" + bytes(50)) == "not_xlsx"
    assert refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") == "not_text"
    assert refused(b"a;b;c\n1;2;3", "lop.csv") == "no_header"
    assert refused(csv_of(table_of([pupil()])[:1]).encode(), "lop.csv") == "no_rows"
    assert refused(b'ho_va_ten;lop;grade\n"a;b\n', "lop.csv") == "not_csv"
    assert refused(b"[1, 2", "lop.json") == "not_json"


def test_a_file_of_another_kind_is_called_what_it_is() -> None:
    for data, said in (
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"\x89PNG\r\n\x1a\nabc", "PNG"),
        (b"\xff\xd8\xff\xe0x", "JPEG"),
    ):
        with pytest.raises(InvalidInput) as caught:
            read_class_file(data, "lop.csv")
        assert said in caught.value.problems[0].message
    assert refused(bytes(range(1, 32)) * 20, "lop.csv") == "not_text"


def test_lines_that_end_as_on_an_old_mac() -> None:
    text = csv_of(table_of([pupil(), pupil(ma_hoc_sinh="0100000002", so_dinh_danh_ca_nhan=None)]))
    result = checked(text.replace("\r\n", "\r").encode(), "lop.csv")
    assert result.problems == ()
    assert [n for n, _, _ in result.records] == [2, 3]


def test_a_row_with_a_problem_keeps_its_warnings() -> None:
    result = rows(pupil(ho_va_ten=nfd("Nguyễn Thị Hường"), gioi_tinh="nam giới"))
    assert codes(result.problems) == ["not_in_list"]
    assert codes(result.warnings) == ["not_nfc"]


def test_the_template_command_writes_once(tmp_path: Path) -> None:
    target = tmp_path / "lop-7a.xlsx"
    assert CliRunner().invoke(template, ["THCS", "7", str(target)]).exit_code == 0
    written = target.read_bytes()
    assert load_workbook(io.BytesIO(written)).sheetnames == ["Lớp", "Hướng dẫn"]
    for arguments in (["THCS", "7", str(target)], ["THCS", "3", str(tmp_path / "a.xlsx")]):
        assert CliRunner().invoke(template, arguments).exit_code == 1
    assert target.read_bytes() == written
    assert [p.name for p in tmp_path.iterdir()] == ["lop-7a.xlsx"]


def test_limits() -> None:
    assert refused(b"ho_va_ten;lop;grade\n" + b"a;b;1\n" * 3000, "lop.csv") == "too_many_rows"
    assert refused((";".join(f"c{i}" for i in range(500)) + "\n").encode(), "lop.csv") == "too_many_columns"
    assert refused(b'{"a":1}\n' * 3000, "lop.jsonl") == "too_many_rows"
    long = rows(pupil(noi_sinh="a" * 30_000))
    assert codes(long.problems) == ["too_long"]


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in parts.items():
            package.writestr(name, data)
    return buffer.getvalue()


def parts_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return {name: package.read(name) for name in package.namelist()}


def test_hostile_workbooks() -> None:
    good = parts_of(xlsx(table_of([pupil()])))
    assert refused(zipped({"a.txt": b"x"})) == "not_xlsx"
    assert refused(zipped(good | {"xl/media/x.bin": bytes(70_000_000)})) == "too_large"
    assert refused(zipped(good | {f"x{i}": b"" for i in range(600)})) == "too_large"
    declared = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>'
    assert refused(zipped(good | {"xl/workbook.xml": declared + good["xl/workbook.xml"]})) == "not_xlsx"
    assert refused(zipped(good | {"xl/workbook.xml": b"<broken"})) == "not_xlsx"
    assert (
        refused(zipped(good | {"xl/worksheets/sheet1.xml": good["xl/worksheets/sheet1.xml"][:300]}))
        == "not_xlsx"
    )
    sheet = good["xl/worksheets/sheet1.xml"]
    narrow = sheet.replace(
        sheet[sheet.index(b"<dimension") : sheet.index(b"/>", sheet.index(b"<dimension")) + 2],
        b'<dimension ref="A1:B1"/>',
    )
    assert narrow != sheet
    assert checked(zipped(good | {"xl/worksheets/sheet1.xml": narrow})).problems == ()


def test_two_sheets_with_pupils() -> None:
    book = load_workbook(io.BytesIO(xlsx(table_of([pupil()]))))
    other = book.create_sheet("7A2")
    for line in table_of([pupil()]):
        other.append(line)
    assert refused(saved(book)) == "several_sheets"


@given(
    st.lists(
        st.lists(st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans()), max_size=6),
        max_size=5,
    )
)
@settings(max_examples=60)
def test_any_cells_give_an_answer(extra: list[list[Value]]) -> None:
    """Whatever stands under and beside the header, reading ends in rows, problems, or one refusal of the
    file.
    """
    cells: list[list[Value]] = [
        ["ho_va_ten", "ngay_sinh", "mon.TOAN.hk1", "qua_trinh_hoc_tap", "so_dinh_danh_ca_nhan", "grade"],
        *extra,
    ]
    text = csv_of(cells)
    try:
        result = checked(text.encode("utf-8", "surrogatepass"), "lop.csv")
    except InvalidInput:
        return
    assert all(p.where.startswith("dòng ") for p in result.problems)
    assert result.records == ()


@given(st.text(max_size=300))
@settings(max_examples=60)
def test_any_text_gives_an_answer(text: str) -> None:
    for name in ("a.csv", "a.jsonl", "a"):
        try:
            result = checked(text.encode("utf-8", "surrogatepass"), name)
        except InvalidInput:
            continue
        assert result.problems


# --------------------------------------------------------------------------- what concerns many rows at once


def test_a_missing_column_is_said_once_at_the_header() -> None:
    one = pupil()
    del one["ho_va_ten"]
    for name in [name for name in one if name.startswith("mon.TOAN.")]:
        del one[name]
    wrong = {**one, "ma_hoc_sinh": "0100000012", "so_dinh_danh_ca_nhan": None, "gioi_tinh": "X"}
    found = checked(csv_of(table_of([one, wrong])).encode(), "lop.csv").problems
    told = {p.where: (p.code, p.message) for p in found if p.code == "missing_column"}
    assert set(told) == {"dòng 1 (ho_va_ten)", "dòng 1 (mon.TOAN)"}
    assert "“Họ và tên”" in told["dòng 1 (ho_va_ten)"][1]
    assert "dòng 2–3" in told["dòng 1 (ho_va_ten)"][1]
    # The rest of the rows is checked as ever.
    assert [p.where.rpartition(" ")[2] for p in found if p.code == "not_in_list"] == ["(gioi_tinh)"]


def test_a_column_that_is_there_and_empty_names_its_cells() -> None:
    found = rows(pupil(), pupil(ma_hoc_sinh="0100000012", so_dinh_danh_ca_nhan=None, ho_va_ten="")).problems
    assert [(p.code, p.where.startswith("dòng 3")) for p in found] == [("missing", True)]


def test_the_same_sentence_about_a_column_is_put_once_with_all_its_rows() -> None:
    level = Problem("dòng 2, ô A2 (level)", "not_in_list", "“X” không hợp lệ")
    found = once(
        [
            level,
            Problem("dòng 2, ô B2 (lop)", "missing", "thiếu giá trị bắt buộc"),
            *(Problem(f"dòng {n}, ô A{n} (level)", level.code, level.message) for n in (3, 4, 7)),
            Problem("dòng 8, ô A8 (level)", level.code, "“Y” không hợp lệ"),
            Problem("dòng 9, ô B9 (lop)", "missing", "thiếu giá trị bắt buộc"),
            Problem("tệp", "x", "một"),
            Problem("tệp", "x", "một"),
        ]
    )
    assert [(p.where, p.message) for p in found] == [
        ("dòng 2, ô A2 (level)", "“X” không hợp lệ. (Cũng ở dòng 3–4, 7.)"),
        ("dòng 2, ô B2 (lop)", "thiếu giá trị bắt buộc. (Cũng ở dòng 9.)"),
        ("dòng 8, ô A8 (level)", "“Y” không hợp lệ"),
        ("tệp", "một"),
        ("tệp", "một"),
    ]


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from("AB"), st.sampled_from(["một", "hai"]))))
def test_putting_problems_together_loses_none(said: list[tuple[int, str, str]]) -> None:
    found = once(Problem(f"dòng {n}, ô {c}{n} (x)", "code", message) for n, c, message in said)
    told = set()
    for problem in found:
        place = re.match(r"dòng (\d+), ô ([AB])", problem.where)
        assert place is not None
        message, _, others = problem.message.partition(". (Cũng ở dòng ")
        numbers = {int(place[1])}
        for part in filter(None, others.removesuffix(".)").split(", ")):
            low, _, high = part.partition("–")
            numbers |= set(range(int(low), int(high or low) + 1))
        told |= {(n, place[2], message) for n in numbers}
    assert told == set(said)


# ------------------------------------------------------------------------ commas that were meant as decimals


def _unquoted(*cells: Sequence[Value]) -> bytes:
    return "\n".join(",".join(str(v) for v in row) for row in cells).encode()


def test_a_decimal_comma_without_quotes_is_said_once_a_row() -> None:
    one = pupil(mon__TOAN__hk1="8,3", khen_thuong="", noi_sinh="Hà Nội", que_quan="Hà Nội", noi_o_hien_tai="")
    one = {name: value for name, value in one.items() if "," not in str(value) or name == "mon.TOAN.hk1"}
    whole = {name: value for name, value in one.items() if name != "mon.TOAN.hk1"} | {"mon.TOAN.hk1": "8.3"}
    heads = [name for name in one if name != "mon.TOAN.hk1"]
    heads.insert(heads.index("lop"), "mon.TOAN.hk1")
    cells = ([row.get(name, "") for name in heads] for row in (one, whole))
    found = checked(_unquoted(heads, *cells), "lop.csv").problems
    shifted = [p for p in found if p.where.startswith("dòng 2")]
    assert [p.code for p in shifted] == ["comma_in_value"]
    column = get_column_letter(heads.index("mon.TOAN.hk1") + 1)
    assert shifted[0].where == f"dòng 2, ô {column}2"
    assert "“8,3”" in shifted[0].message
    assert ".xlsx" in shifted[0].message
    # The row that is well is judged by itself; here it lacks what was left out above.
    assert all(p.where.startswith(("dòng 1 ", "dòng 3")) for p in found if p is not shifted[0])


def test_a_comma_in_words_without_quotes() -> None:
    found = checked(
        _unquoted(["ho_va_ten", "lop", "noi_sinh"], ["An", "7A", "Xã Hoa, Hà Nội"]), "a.csv"
    ).problems
    (shifted,) = [p for p in found if p.where.startswith("dòng 2")]
    assert (shifted.code, "dòng có 4 ô mà tiêu đề có 3" in shifted.message) == ("comma_in_value", True)


def test_a_shifted_row_whose_last_columns_are_empty() -> None:
    """The cells beyond the header are blank: only that the row does not fit tells its comma from an idle
    one.
    """
    one = pupil(mon__TOAN__hk1="8,3")
    good = {name: value for name, value in pupil().items() if "," not in str(value)}
    heads = list(good)
    heads.insert(heads.index("lop"), heads.pop(heads.index("mon.TOAN.hk1")))
    cells = [str(one["mon.TOAN.hk1"]) if n == "mon.TOAN.hk1" else good[n] for n in heads]
    found = checked(_unquoted([*heads, "ghi_de"], [*cells, ""]), "lop.csv").problems
    assert [p.code for p in found if p.where.startswith("dòng 2")] == ["comma_in_value"]


def test_idle_commas_at_the_end_of_rows_say_nothing() -> None:
    table = table_of([pupil()])
    assert checked(csv_of([table[0], [*table[1], "", ""]], ",").encode(), "lop.csv").problems == ()


# ----------------------------------------------------------------------------- what a workbook does not show


def _workbook(change: Callable[[Workbook], None], *pupils: dict[str, Value]) -> bytes:
    book = load_workbook(io.BytesIO(xlsx(table_of(pupils))))
    change(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _class() -> list[dict[str, Value]]:
    return [pupil(ma_hoc_sinh=f"010000001{n}", so_dinh_danh_ca_nhan=None) for n in range(4)]


def test_hidden_rows_and_columns_are_read_and_named() -> None:
    def hide(book: Workbook) -> None:
        sheet = book.worksheets[0]
        sheet.auto_filter.ref = sheet.dimensions
        for number in (3, 4):
            sheet.row_dimensions[number].hidden = True
        sheet.row_dimensions[40].hidden = True  # no pupil there
        sheet.column_dimensions["C"].hidden = True

    result = checked(_workbook(hide, *_class()))
    assert len(result.records) == 4
    told = {p.code: p.message for p in result.warnings if p.code.startswith("hidden_")}
    assert set(told) == {"hidden_rows", "hidden_columns"}
    assert "2 dòng" in told["hidden_rows"]
    assert "dòng 3–4;" in told["hidden_rows"]
    assert told["hidden_columns"].endswith(f"C ({list(_class()[0])[2]})")


def test_merged_cells_are_named_one_by_one() -> None:
    def merge(book: Workbook) -> None:
        sheet = book.worksheets[0]
        column = list(_class()[0]).index("lop") + 1
        sheet.merge_cells(start_row=2, end_row=4, start_column=column, end_column=column)

    data = _workbook(merge, *_class())
    found = checked(data).problems
    letter = get_column_letter(list(_class()[0]).index("lop") + 1)
    assert [(p.where, p.code) for p in found] == [
        (f"dòng {n}, ô {letter}{n} (lop)", "merged_cell") for n in (3, 4)
    ]
    assert f"{letter}2:{letter}4" in found[0].message


def test_formulas_with_and_without_a_value_are_named() -> None:
    def calculate(book: Workbook) -> None:
        book.worksheets[0].cell(2, list(_class()[0]).index("mon.TOAN.ca_nam") + 1).value = "=1+1"

    data = _workbook(calculate, *_class())  # openpyxl writes no value beside a formula
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert parts[sheet].count(b"<f>1+1</f><v") == 1
    valued = re.sub(rb"<f>1\+1</f><v ?/>|<f>1\+1</f><v></v>", b"<f>1+1</f><v>8.3</v>", parts[sheet])
    assert valued != parts[sheet]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in (parts | {sheet: valued}).items():
            package.writestr(name, content)
    for workbook in (data, buffer.getvalue()):
        (problem,) = checked(workbook).problems
        assert (problem.code, "(mon.TOAN.ca_nam)" in problem.where) == ("formula", True)


def test_hidden_sheets_are_not_read_and_named() -> None:
    def add(book: Workbook) -> None:
        old = book.create_sheet("Năm trước")
        for row in book.worksheets[0].iter_rows(values_only=True):
            old.append(row)
        for _ in range(intake_tables.MAX_ROWS + 40):
            old.append(["x"])  # its size is nobody's business
        old.sheet_state = "hidden"

    result = checked(_workbook(add, *_class()))
    assert len(result.records) == 4
    assert [p.message.split(" đang")[0] for p in result.warnings if p.code == "hidden_sheet"] == [
        "trang tính “Năm trước”"
    ]

    def only_hidden(book: Workbook) -> None:
        book.worksheets[0].sheet_state = "hidden"
        book.active = book.create_sheet("Trang trắng")

    with pytest.raises(InvalidInput) as refused:
        read_class_file(_workbook(only_hidden, *_class()), "lop.xlsx")
    assert refused.value.problems[0].code == "no_header"
    assert "đang ẩn" in refused.value.problems[0].message


def test_rows_of_nothing_but_a_frame_are_passed_over_and_hide_nothing() -> None:
    """A frame down to the last row of the sheet, with one more pupil far below the others."""
    data = _workbook(lambda book: None, *_class())
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    frame = b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (n, n) for n in range(6, 200_000))
    late = parts[sheet].replace(b"</sheetData>", frame + b"</sheetData>")
    last = re.search(rb'<row r="5".*?</row>', parts[sheet], re.DOTALL)
    assert last is not None
    below = re.sub(rb'r="([A-Z]*)5"', rb'r="\g<1>150000"', last[0])
    late = late.replace(b'<row r="150000"><c r="A150000" s="0"/></row>', below)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in (parts | {sheet: late}).items():
            package.writestr(name, content)
    result = read_class_file(buffer.getvalue(), "lop.xlsx")
    assert [row.number for row in result.rows] == [2, 3, 4, 5, 150_000]
