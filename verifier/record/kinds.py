"""What a single value of a record may look like. Each kind checks a value and states itself as JSON Schema.

Nothing is repaired here: a value is kept byte for byte or refused. Text that is legal but unusual (not NFC, a
look-alike letter, an odd space) is kept and warned about.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from verifier.errors import Problem
from verifier.record.vocabulary import LOOK_ALIKES

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"

EARLIEST_BIRTH_YEAR = 1900
_TEXT_PATTERN = r"^(?!\s)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*(?<!\s)$"


class ColumnKind(StrEnum):
    """How a cell of a class file becomes a value: what an importer has to convert before :func:`parse`."""

    TEXT = "text"
    INTEGER = "integer"  # JSON number
    SCORE = "score"  # string, one decimal with a dot: "8.3"; or a word (Đạt, Chưa đạt, M, Miễn)
    WHOLE_SCORE = "whole_score"  # string: "9"
    DECIMAL = "decimal"  # string with a dot: "132.5"
    DATE = "date"  # string: "31/05/2026"
    FLAG = "flag"  # true or absent
    LIST = "list"  # list of objects
    OBJECT = "object"  # a subject row


@dataclass(slots=True)
class Findings:
    """What is wrong (refused) and what is odd (kept, warned), in the order found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, code: str, message: str) -> None:
        self.problems.append(Problem(where, code, message))

    def odd(self, where: str, code: str, message: str) -> None:
        self.warnings.append(Problem(where, code, message))


class Kind(Protocol):
    """A kind of value."""

    @property
    def column(self) -> ColumnKind: ...

    def check(self, value: object, where: str, findings: Findings) -> None:
        """Adds every problem and warning of ``value`` to ``findings``."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same rule as far as JSON Schema (2020-12) can say it."""
        ...


def unusual_text(text: str) -> Iterator[tuple[str, str]]:
    """(code, Vietnamese sentence) for what is kept but should be looked at."""
    if not unicodedata.is_normalized("NFC", text):
        yield (
            "not_nfc",
            "chữ có dấu đang ở dạng tổ hợp (NFD); được giữ nguyên, nên chuyển sang dạng dựng sẵn (NFC)",
        )
    for look_alike in sorted(set(text) & LOOK_ALIKES.keys()):
        yield (
            "look_alike",
            f"có chữ {look_alike} (U+{ord(look_alike):04X}) giống chữ {LOOK_ALIKES[look_alike]} tiếng Việt; "
            "được giữ nguyên, nên kiểm tra lại",
        )
    odd = sorted({c for c in text if c != " " and unicodedata.category(c) == "Zs"})
    if odd:
        yield (
            "odd_space",
            f"có dấu cách đặc biệt (U+{ord(odd[0]):04X}); được giữ nguyên, nên thay bằng dấu cách thường",
        )
    if "  " in text:
        yield "double_space", "có hai dấu cách liền nhau; được giữ nguyên, nên kiểm tra lại"


def check_text(
    value: object, where: str, findings: Findings, *, max_length: int, blank: bool = False
) -> bool:
    """Whether ``value`` is a text of at most ``max_length`` code points without anything invisible in it.

    Refused: another type, control and format characters (C0, C1, bidi overrides, zero width, line breaks),
    surrogates, unassigned and private-use code points, U+FFFD (the trace of a broken conversion), spaces
    around.
    """
    if not isinstance(value, str):
        findings.wrong(where, "wrong_type", f"phải là chuỗi ký tự, không phải {_type_name(value)}")
        return False
    if not value:
        if not blank:
            findings.wrong(where, "blank", "để trống; nếu không có giá trị thì bỏ hẳn trường này")
        return blank
    before = len(findings.problems)
    hidden = next(
        (
            c
            for c in value
            if c == "\N{REPLACEMENT CHARACTER}"
            or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        ),
        None,
    )
    if hidden is not None:
        findings.wrong(
            where,
            "control_character",
            f"có ký tự điều khiển hoặc ký tự hỏng U+{ord(hidden):04X} ở vị trí {value.index(hidden) + 1}; "
            "hãy xoá nó",
        )
    if value != value.strip():
        findings.wrong(where, "surrounding_space", "có dấu cách thừa ở đầu hoặc cuối")
    if len(value) > max_length:
        findings.wrong(where, "too_long", f"dài {len(value)} ký tự, tối đa {max_length}")
    if len(findings.problems) > before:
        return False
    for code, message in unusual_text(value):
        findings.odd(where, code, message)
    return True


@dataclass(frozen=True, slots=True)
class Text:
    """Free text in one line. With ``blank`` an empty string is a stated blank; absent is another thing."""

    max_length: int
    blank: bool = True
    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        check_text(value, where, findings, max_length=self.max_length, blank=self.blank)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": 0 if self.blank else 1,
            "maxLength": self.max_length,
            "pattern": _TEXT_PATTERN,
        }


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name: one word or more, letters of any script with marks, apostrophe, hyphen, dot."""

    max_length: int = 100
    blank: bool = False
    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        if not check_text(value, where, findings, max_length=self.max_length, blank=self.blank):
            return
        strange = sorted(
            {c for c in str(value) if c not in " '’ʼ-." and unicodedata.category(c)[0] not in "LM"}
            - {c for c in str(value) if unicodedata.category(c) == "Zs"}
        )
        if strange:
            findings.wrong(where, "not_a_name", f"họ tên không được có ký tự “{''.join(strange)}”")
        elif value and not any(c.isalpha() for c in str(value)):
            findings.wrong(where, "not_a_name", "họ tên phải có chữ cái")

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": 0 if self.blank else 1,
            "maxLength": self.max_length,
            "pattern": r"^(?!\s)[^\u0000-\u001f\u007f-\u009f\u2028\u20290-9]*(?<!\s)$",
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed list, spelled exactly so."""

    values: tuple[str, ...]
    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        if isinstance(value, str) and value not in self.values and _composed(value) in self.values:
            findings.wrong(where, "not_in_list", _decomposed(value))
        elif value not in self.values:
            findings.wrong(
                where, "not_in_list", f"{shown(value)} không hợp lệ; phải là {either(self.values)}"
            )

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole JSON number in a range."""

    low: int
    high: int
    column: ColumnKind = ColumnKind.INTEGER

    def check(self, value: object, where: str, findings: Findings) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            findings.wrong(where, "wrong_type", f"phải là số nguyên, không phải {shown(value)}")
        elif not self.low <= value <= self.high:
            findings.wrong(where, "out_of_range", f"{value} ngoài khoảng {self.low}–{self.high}")

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured number as text, a dot and at most one decimal ("132.5", "132"), in a range of its unit."""

    low: int
    high: int
    unit: str
    column: ColumnKind = ColumnKind.DECIMAL

    def check(self, value: object, where: str, findings: Findings) -> None:
        if not isinstance(value, str) or not re.fullmatch(r"(?:0|[1-9][0-9]{0,2})(?:\.[0-9])?", value):
            findings.wrong(
                where,
                "not_a_number",
                f'{shown(value)} không phải số {self.unit} viết dạng "132.5" hoặc "132"',
            )
        elif not self.low <= Decimal(value) <= self.high:
            findings.wrong(
                where, "out_of_range", f"{shown(value)} {self.unit} ngoài khoảng {self.low}–{self.high}"
            )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(?:0|[1-9][0-9]{0,2})(?:\.[0-9])?$"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text of one fixed shape; ``expected`` says it in words."""

    pattern: str
    expected: str
    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII):
            return
        if isinstance(value, str) and re.fullmatch(self.pattern, _composed(value), re.ASCII):
            findings.wrong(where, "wrong_form", _decomposed(value))
        elif self.column in (ColumnKind.SCORE, ColumnKind.WHOLE_SCORE) and _above_ten(value):
            findings.wrong(where, "wrong_form", f"điểm {shown(value)} ngoài khoảng 0–10")
        else:
            findings.wrong(where, "wrong_form", f"{shown(value)} không đúng dạng; phải là {self.expected}")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day "dd/MM/yyyy"; with ``year_alone`` also "yyyy" (only the year of a birth is known)."""

    year_alone: bool = False
    column: ColumnKind = ColumnKind.DATE

    def check(self, value: object, where: str, findings: Findings) -> None:
        alone = self.year_alone and isinstance(value, str) and re.fullmatch(r"[0-9]{4}", value, re.ASCII)
        if alone and int(str(value)) >= EARLIEST_BIRTH_YEAR:
            return
        try:
            parse_day(value)
        except ValueError:
            expected = "dd/MM/yyyy" + (
                ", hoặc chỉ năm yyyy khi không rõ ngày tháng" if self.year_alone else ""
            )
            findings.wrong(where, "not_a_date", f"{shown(value)} không phải ngày có thật dạng {expected}")

    def schema(self) -> dict[str, Any]:
        day = r"(?:0[1-9]|[12][0-9]|3[01])/(?:0[1-9]|1[0-2])/[0-9]{4}"
        return {"type": "string", "pattern": f"^(?:{day}|[0-9]{{4}})$" if self.year_alone else f"^{day}$"}


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """ "2025-2026": two years that follow each other."""

    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        found = re.fullmatch(r"([0-9]{4})-([0-9]{4})", value, re.ASCII) if isinstance(value, str) else None
        if not found or int(found[2]) != int(found[1]) + 1 or int(found[1]) < EARLIEST_BIRTH_YEAR:
            findings.wrong(
                where,
                "not_a_school_year",
                f'{shown(value)} không phải năm học dạng "2025-2026" (hai năm liền nhau)',
            )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9]{4}-[0-9]{4}$"}


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of the form's phrases, alone or before further words ("Được lên lớp. Rèn luyện thêm …")."""

    phrases: tuple[str, ...]
    max_length: int = 300
    column: ColumnKind = ColumnKind.TEXT

    def check(self, value: object, where: str, findings: Findings) -> None:
        if not check_text(value, where, findings, max_length=self.max_length):
            return
        text = str(value)
        if not self.found(text) and self.found(_composed(text)):
            findings.wrong(where, "not_in_list", _decomposed(text))
        elif not self.found(text):
            findings.wrong(
                where, "not_in_list", f"{shown(value)} không hợp lệ; phải bắt đầu bằng {either(self.phrases)}"
            )

    def found(self, value: str) -> str | None:
        """The phrase that ``value`` begins with (the longest), None when there is none."""
        return next(
            (
                phrase
                for phrase in sorted(self.phrases, key=len, reverse=True)
                if value.startswith(phrase) and not value[len(phrase) :][:1].isalnum()
            ),
            None,
        )

    def schema(self) -> dict[str, Any]:
        options = "|".join(re.escape(p).replace(r"\ ", " ") for p in self.phrases)
        return {"type": "string", "maxLength": self.max_length, "pattern": f"^(?:{options})"}


@dataclass(frozen=True, slots=True)
class Flag:
    """True, or absent: a second way to say "no" would be a second spelling."""

    column: ColumnKind = ColumnKind.FLAG

    def check(self, value: object, where: str, findings: Findings) -> None:
        if value is not True:
            findings.wrong(where, "wrong_type", "chỉ có thể là true; nếu không thì bỏ hẳn trường này")

    def schema(self) -> dict[str, Any]:
        return {"const": True}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of small objects, each of the fields of one model (a dataclass)."""

    model: type
    max_items: int
    column: ColumnKind = ColumnKind.LIST

    def check(self, value: object, where: str, findings: Findings) -> None:
        if not isinstance(value, list | tuple):
            findings.wrong(where, "wrong_type", f"phải là danh sách, không phải {_type_name(value)}")
            return
        if not value:
            findings.wrong(where, "blank", "danh sách trống; nếu không có mục nào thì bỏ hẳn trường này")
        elif len(value) > self.max_items:
            findings.wrong(where, "too_long", f"có {len(value)} mục, tối đa {self.max_items}")
        for number, item in enumerate(value[: self.max_items], 1):
            check_object(item, f"{where}[{number}]", findings, fields_of(self.model))

    def schema(self) -> dict[str, Any]:
        return {
            "type": "array",
            "minItems": 1,
            "maxItems": self.max_items,
            "items": object_schema(fields_of(self.model)),
        }


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a model: its name is the disclosure name, the JSON key and the column head."""

    name: str
    kind: Kind
    required: bool


def of(kind: Kind) -> dict[str, Kind]:
    """Metadata of a dataclass field that holds a value of ``kind``."""
    return {"kind": kind}


def fields_of(model: type[Any]) -> tuple[FieldSpec, ...]:
    """The fields of a model that carry a kind, in order; one without a default is required."""
    if model not in _FIELDS:
        _FIELDS[model] = tuple(
            FieldSpec(f.name, f.metadata["kind"], f.default is MISSING)
            for f in dataclasses.fields(model)
            if "kind" in f.metadata
        )
    return _FIELDS[model]


_FIELDS: dict[type[Any], tuple[FieldSpec, ...]] = {}


def check_object(
    value: object, where: str, findings: Findings, fields: tuple[FieldSpec, ...]
) -> dict[str, Any]:
    """Checks an object with exactly these fields; the values that passed come back under their names."""
    if not isinstance(value, Mapping):
        findings.wrong(where, "wrong_type", f"phải là nhóm trường, không phải {_type_name(value)}")
        return {}
    known = [spec.name for spec in fields]
    good: dict[str, Any] = {}
    for name in value:
        if name not in known:
            findings.wrong(
                f"{where}.{name}", "unknown_field", f"không có trường này; chỉ có {', '.join(known)}"
            )
    for spec in fields:
        path = f"{where}.{spec.name}"
        if spec.name not in value:
            if spec.required:
                findings.wrong(path, "missing", "thiếu giá trị bắt buộc")
            continue
        before = len(findings.problems)
        spec.kind.check(value[spec.name], path, findings)
        if len(findings.problems) == before:
            good[spec.name] = value[spec.name]
    return good


def object_schema(fields: tuple[FieldSpec, ...]) -> dict[str, Any]:
    """JSON Schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": {spec.name: spec.kind.schema() for spec in fields},
        "required": [spec.name for spec in fields if spec.required],
        "additionalProperties": False,
    }


def parse_day(value: object) -> date:
    """The day behind "dd/MM/yyyy" from 1900 on. Raises ValueError."""
    found = (
        re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", value, re.ASCII) if isinstance(value, str) else None
    )
    if not found:
        raise ValueError("not dd/MM/yyyy")
    day = date(int(found[3]), int(found[2]), int(found[1]))
    if day.year < EARLIEST_BIRTH_YEAR:
        raise ValueError("too long ago")
    return day


def shown(value: object) -> str:
    """A value inside a Vietnamese sentence: a score with a comma as on paper, a long text cut short."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return _type_name(value)
    text = str(value)
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text, re.ASCII):
        return text.replace(".", ",")
    return f"“{text if len(text) <= 60 else text[:59] + '…'}”"


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _decomposed(text: str) -> str:
    """Why a value that looks right is refused: values of closed lists are stored in one spelling."""
    return (
        f"{shown(text)} đang ở dạng tổ hợp (NFD), nhìn giống nhưng khác mã với giá trị của mẫu; "
        "hãy gõ lại hoặc chuyển sang dạng dựng sẵn (NFC)"
    )


def _above_ten(value: object) -> bool:
    """Whether ``value`` is a plain number that no mark can be, however many decimals it has."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", value, re.ASCII) is not None
        and Decimal(value) > 10
    )


def either(values: tuple[str, ...]) -> str:
    """ "A", "B" or "C" in Vietnamese."""
    return " hoặc ".join(f"“{v}”" for v in values)


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "đúng/sai"
        case int() | float():
            return "số"
        case str():
            return "chuỗi ký tự"
        case list() | tuple():
            return "danh sách"
        case Mapping():
            return "nhóm trường"
        case _:
            return type(value).__name__
