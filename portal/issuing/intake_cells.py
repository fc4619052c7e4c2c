"""What a cell of a class file says: undoes what spreadsheets do to values, or names the cell.

Each conversion keeps the meaning or refuses: lost leading zeros, dates that were marks, serial numbers that
were dates, rounded long numbers, marks with a decimal comma. Whether the value may stand in a record is
decided afterwards by ``verifier.record.parse``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from portal.issuing import intake_text
from portal.issuing.intake_columns import plain_key
from portal.issuing.intake_tables import Cell, Raw
from portal.issuing.intake_text import Reading
from verifier.record import ColumnKind, Level, comparison_key
from verifier.record.kinds import Choice, Kind, Listed, Pattern, Phrase, fields_of

# Field → number of digits of an official code; None where the length is not fixed.
CODES: Final[dict[str, int | None]] = {
    "so_dinh_danh_ca_nhan": 12,
    "xa_phuong_ma": 5,
    "tinh_thanh_ma": 2,
    "ma_truong": None,
    "ma_hoc_sinh": None,
}
PUPIL_CODE_DIGITS: Final = 10  # in practice; only used to restore zeros where other rows agree
_LEVELS: Final = {
    plain_key(name): level
    for level, names in {
        Level.TIEU_HOC: ("TIEU_HOC", "Tiểu học", "Cấp 1"),
        Level.THCS: ("THCS", "Trung học cơ sở", "Cấp 2"),
        Level.THPT: ("THPT", "Trung học phổ thông", "Cấp 3"),
        Level.GDTX_THPT: ("GDTX_THPT", "GDTX cấp THPT", "GDTX", "Giáo dục thường xuyên cấp THPT"),
    }.items()
    for name in names
}
_WORDS: Final = {  # what clerks write for the values of a closed list
    "đ": "Đạt",
    "cđ": "Chưa đạt",
    "hoàn thành tốt": "T",
    "hoàn thành": "H",
    "chưa hoàn thành": "C",
    "tốt": "T",
    "đạt": "Đ",
    "cần cố gắng": "C",
}
_YES: Final = frozenset({"x", "có", "1", "true", "đúng", "miễn", "m"})
_NO: Final = frozenset({"", "không", "0", "false", "sai"})
ENOUGH: Final = 5  # different texts in one font encoding, to take the others for that too
_FIRST_SERIAL, _LAST_SERIAL = 10_000, 80_000  # 1927 … 2119 as Excel serial numbers


@dataclass(frozen=True, slots=True)
class Converted:
    """``value`` None: the cell says nothing. With ``problem`` it is what stands in the cell, as text."""

    value: object = None
    problem: tuple[str, str] | None = None
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """What the rest of the column says about texts that could be read two ways: ``encoding`` is the font
    encoding found in it (empty: none), ``mixed`` that plain Unicode or another font encoding was found too.
    ``whole``: so many texts are in ``encoding``, and none in anything else, that all of them are.
    """

    encoding: str = ""
    mixed: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands: its field, how the column becomes values, the kind of the value at the row's level
    and grade (None: not known), and what the column's other cells say (``siblings``: the texts of a code
    column).
    """

    field: str
    column: ColumnKind
    kind: Kind | None = None
    policy: TextPolicy = TextPolicy()
    siblings: frozenset[str] = frozenset()


class _RefusedError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = (code, message)


def shown(value: Raw) -> str:
    """A raw value as text, as the clerk sees it."""
    match value:
        case None:
            return ""
        case datetime() | date():
            return f"{value:%d/%m/%Y}"
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float() | Decimal():
            return number_text(value)
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def number_text(value: float | Decimal) -> str:
    """A number as a person writes it, at Excel's 15 digits: 8.3 for 8.299999999999999, no exponent for
    1.2e11.
    """
    number = Decimal(format(value, ".15g")) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def convert(cell: Cell, place: Place) -> Converted:
    """The value of ``cell``. Total: whatever cannot be used comes back as a problem."""
    if cell.refused is not None:
        return Converted(shown(cell.value), cell.refused)
    if cell.value is None:
        return Converted()
    warnings: list[tuple[str, str]] = []
    try:
        value = _value(cell, place, warnings)
    except _RefusedError as refused:
        return Converted(shown(cell.value), refused.problem)
    return Converted(value, None, tuple(warnings))


def _value(cell: Cell, place: Place, warnings: list[tuple[str, str]]) -> object:
    raw = cell.value
    if isinstance(raw, list | dict):
        return raw  # JSON Lines: what the record's own parser takes, or names
    if isinstance(raw, datetime | date) and place.column is not ColumnKind.DATE:
        hint = f"{raw.day}.{raw.month}" if place.column is ColumnKind.SCORE else f"{raw.day}/{raw.month}"
        raise _RefusedError(
            "became_date",
            f"Excel đã đổi ô này thành ngày {raw:%d/%m/%Y} (có lẽ đã gõ {hint}); "
            "định dạng cột là Văn bản rồi gõ lại",
        )
    text = _clean(raw, cell, place, warnings) if isinstance(raw, str) else shown(raw)
    if not text:
        return text
    match place.column:
        case ColumnKind.SCORE | ColumnKind.WHOLE_SCORE | ColumnKind.DECIMAL:
            return _number(text, place, warnings)
        case ColumnKind.INTEGER:
            return _integer(text, raw)
        case ColumnKind.DATE:
            return _day(raw, text, place.field, warnings)
        case ColumnKind.FLAG:
            return _flag(raw, text)
        case ColumnKind.LIST:
            return _list(text, place.kind)
        case _:
            return _text(text, cell, place, warnings)


def _text(text: str, cell: Cell, place: Place, warnings: list[tuple[str, str]]) -> str:
    if place.field in CODES:
        return _code(text, cell, place, warnings)
    if place.field == "year":
        return re.sub(r"\s*[-–—/]\s*", "-", text)
    if place.field == "level":
        return _LEVELS.get(plain_key(text), text)
    return _chosen(text, place.kind, warnings)


def _clean(raw: str, cell: Cell, place: Place, warnings: list[tuple[str, str]]) -> str:
    """The text without what nobody typed on purpose: spaces around, line breaks, invisible characters, and an
    older encoding. Everything but plain spaces around is said.
    """
    text = _recoded(raw, cell, place, warnings)
    shaped = re.sub(r"[\u00a0\u2007\u202f]", " ", re.sub(r"[\u200b\u200c\u200d\u2060\ufeff]", "", text))
    if shaped.strip() != text.strip():
        warnings.append(("odd_space", "đã thay dấu cách đặc biệt hoặc ký tự vô hình bằng dấu cách thường"))
    lines = [line.strip() for line in re.split(r"[\r\n\u2028\u2029]+|_x000D_", shaped) if line.strip()]
    if len(lines) > 1:
        warnings.append(("line_break", "đã thay chỗ xuống dòng trong ô bằng dấu cách"))
    return " ".join(lines).replace("\t", " ")


def _recoded(raw: str, cell: Cell, place: Place, warnings: list[tuple[str, str]]) -> str:
    """The text in Unicode. Refused where nothing decides between two readings."""
    if raw.isascii() and not intake_text.letters_lost(raw):
        return raw
    found = (
        _by_closed_list(raw, place.kind) or _by_whole(raw, cell, place.policy) or _by_itself(raw, cell, place)
    )
    encoding, text = found
    if text != raw:
        warnings.append(("encoding", f"đã chuyển từ {encoding} sang Unicode: “{raw[:60]}” → “{text[:60]}”"))
    return text


def _by_closed_list(raw: str, kind: Kind | None) -> tuple[str, str] | None:
    """(encoding, text) when the values of the column tell: as it stands, or in exactly one font encoding, the
    text is one of them ("Ñ" is VNI's "Đ", a level; TCVN3's "ẹ" is none).
    """
    if not isinstance(kind, Choice):
        return None
    if _listed_value(unicodedata.normalize("NFC", raw).strip(), kind) in kind.values:
        return "", raw
    readings = intake_text.font_readings(raw)
    fitting = [(n, t) for n, t in readings.items() if _listed_value(t.strip(), kind) in kind.values]
    return fitting[0] if len(fitting) == 1 else None


def _by_whole(raw: str, cell: Cell, policy: TextPolicy) -> tuple[str, str] | None:
    """(encoding, text) when all around is in one font encoding: then also names that are no Vietnamese
    syllables ("Y Juùt" is "Y Jút"), and texts that would pass as they stand ("Sôn La" is "Sơn La").
    """
    repaired = intake_text.repair(raw)
    misread = repaired.reading is Reading.CONVERTED and not intake_text.is_font_encoding(repaired.encoding)
    if not policy.whole or misread or font_encoding(cell.font) not in ("", policy.encoding):
        return None
    text = None if intake_text.letters_lost(raw) else intake_text.from_font(raw, policy.encoding)
    vietnamese = intake_text.is_vietnamese(raw) and not intake_text.letters_lost(raw)
    if text is None and vietnamese:
        return "", raw
    if text is None or (text != raw and vietnamese and not intake_text.is_vietnamese(text)):
        raise _unreadable(raw)
    return policy.encoding, text


def _by_itself(raw: str, cell: Cell, place: Place) -> tuple[str, str]:
    """(encoding, text) from the text alone, or from what its font or its column says."""
    repaired, policy = intake_text.repair(raw), place.policy
    by_font, options = font_encoding(cell.font), dict(repaired.options)
    if repaired.reading is Reading.CONVERTED:
        return repaired.encoding, repaired.text
    if repaired.reading is Reading.PLAIN:
        if policy.mixed and not by_font and _maybe_font(raw, policy.encoding):
            raise _two_readings(raw, policy.encoding)
        return "", raw
    encoding = by_font if by_font in options else policy.encoding
    if repaired.reading is Reading.UNSURE and policy.mixed and not by_font:
        raise _two_readings(raw, encoding or " hoặc ".join(options))
    if encoding not in options:
        if repaired.reading is Reading.UNSURE:
            return "", raw
        raise _unreadable(raw)
    if policy.mixed and encoding != by_font:
        raise _two_readings(raw, encoding)
    return encoding, options[encoding]


def _maybe_font(raw: str, encoding: str) -> bool:
    """Whether a text that is no Vietnamese ("Y Jót") might be in that font encoding."""
    if not encoding or intake_text.surely_unicode(raw) or intake_text.is_vietnamese(raw):
        return False
    return intake_text.from_font(raw, encoding) not in (None, raw)


def _unreadable(raw: str) -> _RefusedError:
    return _RefusedError(
        "encoding",
        f"“{raw[:60]}” bị lỗi bảng mã (TCVN3, VNI hoặc mất dấu) và không đọc chắc chắn được; gõ lại",
    )


def _two_readings(raw: str, encoding: str) -> _RefusedError:
    return _RefusedError(
        "encoding", f"“{raw[:60]}” có thể là Unicode hoặc {encoding}, quanh ô này có cả hai; gõ lại ô này"
    )


def font_encoding(font: str) -> str:
    """The encoding that a font of the old sets stands for; empty for every other font."""
    lowered = font.lower()
    if lowered.startswith(".vn"):
        return "TCVN3 (ABC)"
    return "VNI" if lowered.startswith("vni") else ""


def text_policy(texts: list[tuple[str, str]]) -> TextPolicy:
    """What (text, font) of a column or a file say together about the ones that could be read two ways.

    ``whole`` takes ``ENOUGH`` different texts that are in one font encoding for certain, next to none that
    speaks for another one, and none that is surely Unicode.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for text, _ in texts:
        repaired = intake_text.repair(text)
        if repaired.reading is Reading.CONVERTED and intake_text.is_font_encoding(repaired.encoding):
            found[repaired.encoding].add(text)
    if not found:
        return TextPolicy()
    unicode_too = any(intake_text.surely_unicode(text) for text, _ in texts)
    encoding = max(found, key=lambda name: len(found[name]))
    # A text that the leading encoding can read too ("Ñ") does not speak against it, unless there are many.
    others = {t for name, group in found.items() if name != encoding for t in group}
    against = any(intake_text.from_font(t, encoding) is None for t in others)
    if len(found[encoding]) >= ENOUGH and len(others) * 10 <= len(found[encoding]) + 9 and not against:
        return TextPolicy(encoding, unicode_too, not unicode_too)
    return TextPolicy(encoding, unicode_too) if not others else TextPolicy(mixed=True)


# ---------------------------------------------------------------------------------------------- numbers and
# days


def _number(text: str, place: Place, warnings: list[tuple[str, str]]) -> str:
    """Decimal comma or dot; one decimal for averages, none for test marks. Words ("Đạt", "M") stay words."""
    compact = text.replace(" ", "")
    if not re.fullmatch(r"[0-9]{1,4}(?:[.,][0-9]+)?", compact, re.ASCII):
        return _chosen(text, place.kind, warnings)
    whole, _, decimals = compact.replace(",", ".").partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    if place.column is ColumnKind.SCORE:
        decimals = decimals or "0"
    return f"{whole}.{decimals}" if decimals else whole


def _integer(text: str, raw: Raw) -> object:
    composed = unicodedata.normalize("NFC", text).strip().lower()
    found = re.fullmatch(r"(?:kh[ốo]i|l[ớo]p)?\s*([0-9]{1,6})(?:[.,]0+)?", composed, re.ASCII)
    return int(found[1]) if found and not isinstance(raw, bool) else text


def _day(raw: Raw, text: str, field: str, warnings: list[tuple[str, str]]) -> str:
    """A day as dd/MM/yyyy; for births also the year alone."""
    birth = field == "ngay_sinh"
    if isinstance(raw, datetime | date):
        serial = (date(raw.year, raw.month, raw.day) - date(1899, 12, 30)).days
        if birth and raw.year == 1905 and 1990 <= serial <= 2050:
            # The clerk typed the year alone into a column formatted as a date.
            warnings.append(
                ("year_only", f"Excel hiện {raw:%d/%m/%Y}; đã hiểu là chỉ biết năm sinh {serial}")
            )
            return str(serial)
        return f"{raw:%d/%m/%Y}"
    if (
        re.fullmatch(r"[0-9]{5}(?:[.,]0+)?", text, re.ASCII)
        and _FIRST_SERIAL <= int(text[:5]) <= _LAST_SERIAL
    ):
        day = date(1899, 12, 30) + timedelta(days=int(text[:5]))
        warnings.append(
            ("serial_date", f"số {text[:5]} là ngày theo cách ghi của Excel: đã hiểu là {day:%d/%m/%Y}")
        )
        return f"{day:%d/%m/%Y}"
    iso = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ]00:00(?::00)?)?", text, re.ASCII)
    usual = re.fullmatch(r"([0-9]{1,2})\s*[-/.]\s*([0-9]{1,2})\s*[-/.]\s*([0-9]{4})", text, re.ASCII)
    if iso:
        day_of, month, year = iso[3], iso[2], iso[1]
    elif usual:
        day_of, month, year = usual[1], usual[2], usual[3]
    else:
        return text
    if birth and int(day_of) == 0 and int(month) == 0:
        warnings.append(("year_only", f"không rõ ngày và tháng sinh: đã ghi chỉ năm {year}"))
        return year
    if birth and (int(day_of) == 0 or int(month) == 0):
        raise _RefusedError("not_a_date", f"“{text}”: không rõ ngày hoặc tháng sinh thì chỉ ghi năm ({year})")
    return f"{int(day_of):02}/{int(month):02}/{year}"


def _flag(raw: Raw, text: str) -> object:
    if isinstance(raw, bool):
        return raw or None
    lowered = unicodedata.normalize("NFC", text).lower()
    if lowered in _NO:
        return None
    return True if lowered in _YES else text


# ---------------------------------------------------------------------------------------------- codes, words,
# lists


def _code(text: str, cell: Cell, place: Place, warnings: list[tuple[str, str]]) -> str:
    """A code of digits that Excel may have taken for a number.

    Zeros are put back where nothing else can be meant: the cell's own number format shows them; the length is
    fixed (communes, provinces); other rows have the same length (pupil codes) or the same code (school
    codes). A personal number that is short is left to :func:`restore_personal_number`, which knows the row.
    """
    field, raw, width = place.field, cell.value, CODES[place.field]
    text = text.removeprefix("'").replace(" ", "")
    text = _unscientific(text)
    numeric = isinstance(raw, int | float | Decimal) and not isinstance(raw, bool)
    if numeric and not text.isdecimal():
        raise _RefusedError("not_a_code", f"{text} không phải mã; định dạng ô là Văn bản rồi gõ lại")
    if numeric and isinstance(raw, float) and len(text) > 15:
        raise _RefusedError("digits_lost", "Excel chỉ giữ 15 chữ số; định dạng ô là Văn bản rồi gõ lại đủ mã")
    if not text.isdecimal():
        return text
    if numeric and re.fullmatch(r"0{2,20}", cell.number_format):
        return text.zfill(len(cell.number_format))
    if field in ("xa_phuong_ma", "tinh_thanh_ma") and width and len(text) < width:
        warnings.append(("zeros_restored", f"đã thêm lại số 0 đầu: {text} → {text.zfill(width)}"))
        return text.zfill(width)
    if not numeric:
        return text
    if field == "ma_hoc_sinh" and len(text) < PUPIL_CODE_DIGITS:
        if not any(len(s) == PUPIL_CODE_DIGITS and s.startswith("0") for s in place.siblings):
            raise _RefusedError(
                "zeros_lost",
                f"ô là số {text}, có thể đã mất số 0 đầu; định dạng cột là Văn bản rồi gõ lại đủ mã",
            )
        warnings.append(("zeros_restored", f"đã thêm lại số 0 đầu: {text} → {text.zfill(PUPIL_CODE_DIGITS)}"))
        return text.zfill(PUPIL_CODE_DIGITS)
    if field == "ma_truong":
        same = {s for s in place.siblings if s != text and s.lstrip("0") == text}
        if len(same) == 1:
            warnings.append(
                ("zeros_restored", f"đã thêm lại số 0 đầu như các dòng khác: {text} → {min(same)}")
            )
            return same.pop()
        if same:
            raise _RefusedError(
                "zeros_lost", f"ô là số {text}, các dòng khác ghi {' hoặc '.join(sorted(same))}"
            )
        warnings.append(
            ("maybe_zeros_lost", f"ô là số {text}: nếu mã trường có số 0 đầu thì đã mất, hãy kiểm tra")
        )
    return text


def _unscientific(text: str) -> str:
    """Digits behind ``7,9015001234E+10`` when all of them are there."""
    found = re.fullmatch(r"([0-9])(?:[.,]([0-9]+))?E\+?([0-9]{1,2})", text.upper(), re.ASCII)
    if not found:
        return text
    decimals, exponent = found[2] or "", int(found[3])
    if len(decimals) < exponent:
        raise _RefusedError(
            "digits_lost",
            f"“{text}” là số đã bị Excel rút gọn, mất chữ số; định dạng ô là Văn bản rồi gõ lại đủ mã",
        )
    return found[1] + decimals if len(decimals) == exponent else text


def restore_personal_number(digits: str, birth: object, sex: object) -> str | None:
    """The 12 digits behind 10 or 11 that lost their leading zeros, if they agree with the rest of the row.

    Structure (NĐ 137/2015 Đ.13): 3 digits of the province (001–096), 1 of century and sex (0 and 1 for 19xx,
    2 and 3 for 20xx; even for men), 2 of the year of birth, 6 random. None when that does not fit birth and
    sex, or when these are not known: then nothing tells a lost zero from a digit left out.
    """
    full = digits.zfill(12)
    year = re.search(r"(?:19|20)[0-9]{2}$", birth) if isinstance(birth, str) else None
    if not 10 <= len(digits) <= 11 or year is None or sex not in ("Nam", "Nữ"):
        return None
    century_and_sex = 2 * (int(year[0][:2]) - 19) + (sex == "Nữ")
    fits = 1 <= int(full[:3]) <= 96 and full[3] == str(century_and_sex) and full[4:6] == year[0][2:]
    return full if fits else None


def _chosen(text: str, kind: Kind | None, warnings: list[tuple[str, str]]) -> str:
    """The value of a closed list that is meant, whatever its capitals, tone place, usual short form or
    Unicode form. A decomposed (NFD) one is said: the record holds the list's own spelling, not the file's.
    """
    composed = unicodedata.normalize("NFC", text)
    value = _listed_value(composed, kind)
    if composed == text:
        return value
    if isinstance(kind, Phrase) and (phrase := kind.found(composed)) and not kind.found(text):
        value = phrase + text[_length_of(phrase, text) :]  # the words after the phrase are the school's own
    elif not isinstance(kind, Choice | Pattern):
        return text  # free text keeps its form; the record warns
    warnings.append(("not_nfc", f"chữ có dấu ở dạng tổ hợp (NFD); đã ghi theo mẫu: “{value[:60]}”"))
    return value


def _length_of(phrase: str, text: str) -> int:
    """How many characters of ``text``, in whatever Unicode form, are the NFC ``phrase`` it begins with."""
    return next(n for n in range(len(text) + 1) if unicodedata.normalize("NFC", text[:n]) == phrase)


def _listed_value(text: str, kind: Kind | None) -> str:
    if isinstance(kind, Choice):
        for value in kind.values:
            if comparison_key(value) == comparison_key(text):
                return value
        word = _WORDS.get(text.lower())
        if word in kind.values:
            return word
        if comparison_key(text) == comparison_key("Đ") and "Đạt" in kind.values:
            return "Đạt"
    return text


def _list(text: str, kind: Kind | None) -> object:
    """JSON, or ``a|b|c; d|e|f`` in the order of the item's fields."""
    if text.startswith("["):
        try:
            parsed: object = json.loads(text)
        except (ValueError, RecursionError):
            raise _RefusedError(
                "not_json", "danh sách bắt đầu bằng [ nhưng không phải JSON đúng cú pháp"
            ) from None
        return parsed
    names = [spec.name for spec in fields_of(kind.model)] if isinstance(kind, Listed) else []
    items: list[object] = []
    for number, item in enumerate(filter(str.strip, text.split(";")), 1):
        parts = [part.strip() for part in item.split("|")]
        if len(parts) > len(names):
            raise _RefusedError(
                "list_form",
                f"mục {number} có {len(parts)} phần; phải viết {'|'.join(names)}, các mục cách nhau bằng ;",
            )
        items.append({name: part for name, part in zip(names, parts, strict=False) if part})
    return items
