"""The record on a screen: nothing of it is left out, whatever the level."""

from __future__ import annotations

from typing import Any

import pytest

from portal.families.sheet import Section, lay_out
from tests.verifier.record_samples import sample
from verifier import record as records
from verifier.record import Level, printed_fields, subjects


def texts(sections: tuple[Section, ...]) -> str:
    return "\n".join(str(each) for each in sections)


@pytest.mark.parametrize(("level", "grade"), [(Level.TIEU_HOC, 5), (Level.THCS, 9), (Level.THPT, 12)])
def test_every_printed_value_is_shown(level: Level, grade: int) -> None:
    fields: dict[str, Any] = records.parse(sample(level, grade)).fields()
    shown = lay_out(level.value, fields)
    seen = texts(shown)
    for name in printed_fields(level):
        value = fields.get(name)
        for text in _values(value):
            assert text in seen, name
    titles = [section.title for section in shown]
    assert len(titles) == len(set(titles))
    assert titles[0] == "Thông tin học sinh"
    assert titles[-1] == "Phần ký"
    learned = next((s for s in shown if s.title == "Kết quả rèn luyện và học tập"), None)
    if learned is not None:
        assert len(learned.entries) >= 6  # conduct and learning under names of their own


@pytest.mark.parametrize("level", Level)
def test_no_two_fields_of_a_section_share_a_label(level: Level) -> None:
    """Whose occupation it is stands in its label, and so with everything that a record can hold."""
    fields = {name: f"giá trị {name}" for name in printed_fields(level) if not name.startswith("mon.")}
    sections = lay_out(level.value, fields)
    titles = [section.title for section in sections]
    assert len(titles) == len(set(titles))
    for section in sections:
        labels = [label for label, _ in section.entries]
        assert len(labels) == len(set(labels)), section.title
        assert labels == [""] or all(labels), section.title
    learner = dict(sections[0].entries)
    assert learner["Nghề nghiệp của mẹ"] == "giá trị me_nghe_nghiep"
    assert learner["Nghề nghiệp của cha"] == "giá trị cha_nghe_nghiep"
    assert learner["Nghề nghiệp của người giám hộ"] == "giá trị nguoi_giam_ho_nghe_nghiep"


def _values(value: Any) -> list[str]:
    match value:
        case None | "" | True | False:
            return []
        case dict():
            return [text for part in value.values() for text in _values(part)]
        case list() | tuple():
            return [text for part in value for text in _values(part)]
        case _:
            text = str(value)
            return [text.replace(".", ",") if text.replace(".", "", 1).isdecimal() else text]


def test_a_mark_reads_as_on_paper_and_an_exemption_says_so() -> None:
    sport = next(s.field for s in subjects(Level.THCS, 9) if s.name == "Giáo dục thể chất")
    fields = {
        "ho_va_ten": "Lò Thị Hoa",
        "mon.TOAN": {"ten": "Toán", "hk1": "8.3", "ca_nam": "9"},
        sport: {"ten": "Giáo dục thể chất", "mien": True},
    }
    learner, marks = lay_out("THCS", fields)
    assert learner.entries == (("Họ và tên học sinh", "Lò Thị Hoa"),)
    assert marks.rows == (
        ("Toán", (("học kì I", "8,3"), ("cả năm", "9"))),
        ("Giáo dục thể chất", (("", "Miễn"),)),
    )
