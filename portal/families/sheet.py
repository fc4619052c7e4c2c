"""A whole record as its holder reads it on a screen: every value, in the form's words and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal.issuing.form import EXEMPT_WORD, SUBJECT_PARTS, places
from verifier.record import Level

#: What a place of the form that is but a page is called where there are no pages.
_TITLES: Final = {"Trang 1": "Thông tin học sinh", "Trang 2": "Sức khoẻ, ngày nghỉ"}
#: Labels that the form leaves short, because on paper another stands beside them on the line.
_LABELS: Final = {
    "cha_nghe_nghiep": "Nghề nghiệp của cha",
    "me_nghe_nghiep": "Nghề nghiệp của mẹ",
    "nguoi_giam_ho_nghe_nghiep": "Nghề nghiệp của người giám hộ",
    "xa_phuong": "Xã (phường, đặc khu) của trường",
    "quan_huyen": "Quận (huyện, thị xã, thành phố) của trường",
    "tinh_thanh": "Tỉnh (thành phố) của trường",
    "nghi_khong_phep": "Số ngày nghỉ không phép",
}

Parts = tuple[tuple[str, str], ...]  # (label, value) each; the label may be empty


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, the single values under it, and one row a subject."""

    title: str
    entries: Parts
    rows: tuple[tuple[str, Parts], ...]


def lay_out(level: str, fields: Mapping[str, Any]) -> tuple[Section, ...]:
    """The record's values in their sections; what is blank is left out."""
    found: dict[str, tuple[list[tuple[str, str]], list[tuple[str, Parts]]]] = {}
    for name, place in places(Level(level)).items():
        value = fields.get(name)
        if value in (None, "", []):
            continue
        title, _, label = place.rpartition(" › ")
        label = _LABELS.get(name, label)
        entries, rows = found.setdefault(_TITLES.get(title, title) or place, ([], []))
        if name.startswith("mon."):
            rows.append((str(value["ten"]), _parts(value)))
        elif isinstance(value, list):
            entries += (("", " – ".join(str(part) for part in item.values() if part)) for item in value)
        else:
            entries.append((label if title else "", _number(str(value))))
    return tuple(Section(title, tuple(entries), tuple(rows)) for title, (entries, rows) in found.items())


def _parts(row: Mapping[str, Any]) -> Parts:
    if row.get("mien"):
        return (("", EXEMPT_WORD),)
    return tuple((label, _number(str(row[name]))) for name, label in SUBJECT_PARTS.items() if row.get(name))


def _number(text: str) -> str:
    """As printed: "8,3" for "8.3"."""
    whole, dot, rest = text.partition(".")
    return f"{whole},{rest}" if dot and whole.isdecimal() and rest.isdecimal() else text
