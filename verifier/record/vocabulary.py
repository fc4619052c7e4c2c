"""The closed lists of a học bạ: levels, schemes, subjects, scales, outcomes, read from
``verifier/data/subjects.json``.

The data file is the single source; nothing here repeats a list. Source of the lists: the 2018 general
education programme, TT 27/2020 (primary), TT 22/2021 (THCS, THPT), TT 43/2021 with TT 12/2022 (GDTX).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


class Level(StrEnum):
    """Levels a record can be issued for. GDTX_THCS is refused: the list of its subjects has no source yet."""

    TIEU_HOC = "TIEU_HOC"
    THCS = "THCS"
    THPT = "THPT"
    GDTX_THPT = "GDTX_THPT"


class Scheme(StrEnum):
    """Assessment schemes in force. The older ones are vocabulary only (:data:`LEGACY_SCHEMES`)."""

    TT27 = "TT27"
    TT22 = "TT22"
    TT43 = "TT43"


class SubjectKind(StrEnum):
    """How a subject comes into a pupil's year."""

    REQUIRED = "required"
    ELECTIVE = "elective"  # THPT: 4 of 9 (TT 13/2022), GDTX-THPT: 4 of 7
    OPTIONAL = "optional"


class Assessment(StrEnum):
    """How a subject is assessed."""

    LEVEL = "level_THC"
    LEVEL_AND_SCORE = "level_THC+integer_score"
    SCORE = "score_1dp"
    PASS_FAIL = "pass_fail"  # noqa: S105 - a way of assessing


DATA: Mapping[str, Any] = MappingProxyType(
    json.loads(resources.files("verifier").joinpath("data", "subjects.json").read_text("utf-8"))
)
LEGACY_SCHEMES: Mapping[str, Any] = MappingProxyType(DATA["legacy_schemes"])

THC: tuple[str, ...] = tuple(v["code"] for v in DATA["scales"]["level_THC"]["values"])
QUALITY_LEVELS: tuple[str, ...] = tuple(v["code"] for v in DATA["scales"]["pc_nl"]["values"])
PASS, FAIL = DATA["scales"]["pass_fail"]["values"]
LEVEL_4: tuple[str, ...] = tuple(DATA["scales"]["level_4"]["values"])
GOOD, FAIR, REACHED, NOT_REACHED = LEVEL_4
PRIMARY_RESULTS: tuple[str, ...] = tuple(DATA["scales"]["tieu_hoc_year_result"]["values"])
EXEMPT: tuple[str, ...] = tuple(DATA["scales"]["exempt"]["values"])
SEXES: tuple[str, ...] = tuple(DATA["scales"]["gioi_tinh"]["values"])
PROVINCES_2025: frozenset[str] = frozenset(
    DATA["provinces_since_2025_07"]["cities"] + DATA["provinces_since_2025_07"]["provinces"]
)


@dataclass(frozen=True, slots=True)
class Quality:
    """A phẩm chất or năng lực in primary; ``group``: pham_chat, nang_luc_chung or nang_luc_dac_thu."""

    code: str
    name: str
    group: str

    @property
    def field(self) -> str:
        """Disclosure name: ``pham_chat.<CODE>`` or ``nang_luc.<CODE>``."""
        return f"{'pham_chat' if self.group == 'pham_chat' else 'nang_luc'}.{self.code}"


QUALITIES: tuple[Quality, ...] = tuple(
    Quality(q["code"], q["name"], q["group"]) for q in DATA["tieu_hoc_pham_chat_nang_luc"]
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject or educational activity of a level, under the code that never changes with spelling."""

    code: str
    name: str
    grades: tuple[int, ...]
    optional_grades: tuple[int, ...]
    kind: SubjectKind
    assessment: Assessment
    periodic_test: bool  # primary: an end-of-year test is obligatory
    spelling_variants: tuple[str, ...]
    free_text_suffix: bool  # a language may follow: "Ngoại ngữ 1 (Tiếng Anh)"
    components: tuple[str, ...]

    @property
    def field(self) -> str:
        """Disclosure name of the row."""
        return f"mon.{self.code}"

    @property
    def scored(self) -> bool:
        return self.assessment in (Assessment.SCORE, Assessment.LEVEL_AND_SCORE)

    def required_in(self, grade: int) -> bool:
        return self.kind is SubjectKind.REQUIRED and grade in self.grades

    def tested_in(self, grade: int) -> bool:
        """Whether a primary pupil of ``grade`` must have an end-of-year test mark (TT 27/2020 Đ.7)."""
        return self.periodic_test and grade in self.grades

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is a spelling of this subject: "Địa lý" for "Địa lí", "Hoá" for "Hóa", a language
        named in brackets or after a dash where the form leaves room for it.
        """
        wanted = {_subject_key(known) for known in (self.name, *self.spelling_variants)}
        if _subject_key(name) in wanted:
            return True
        head, bracket, rest = name.partition("(")
        if not bracket:
            head, bracket, rest = name.partition(":")
        if not bracket:
            head, bracket, rest = name.partition(" - ")
        return self.free_text_suffix and bool(bracket and rest.strip(" )")) and _subject_key(head) in wanted


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """Everything that differs between levels: terms, regulation, subjects."""

    level: Level
    name: str
    scheme: Scheme
    regulation: str
    grades: tuple[int, ...]
    head_title: str  # Hiệu trưởng | Giám đốc
    learner_term: str  # học sinh | học viên
    electives_to_choose: int
    subjects: tuple[Subject, ...]
    awards: tuple[str, ...]

    def subject(self, code: str) -> Subject | None:
        return next((s for s in self.subjects if s.code == code), None)


@cache
def level_info(level: Level | str) -> LevelInfo:
    """Facts of a level. Raises ValueError for a level that cannot be issued."""
    level = Level(level)
    data = DATA["levels"][level.value]
    return LevelInfo(
        level=level,
        name=data["name"],
        scheme=Scheme(data["scheme"]),
        regulation=data["regulation"],
        grades=tuple(data["grades"]),
        head_title=data["head_title"],
        learner_term=data["learner_term"],
        electives_to_choose=data.get("electives_to_choose", 0),
        subjects=tuple(_subject(s) for s in data["subjects"]),
        awards=tuple(DATA["awards"][level.value]["titles"]),
    )


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(
        code=data["code"],
        name=data["name"],
        grades=tuple(data["grades"]),
        optional_grades=tuple(data.get("optional_grades", ())),
        kind=SubjectKind(data["kind"]),
        assessment=Assessment(data["assessment"]),
        periodic_test=data.get("periodic_test", False),
        spelling_variants=tuple(data.get("spelling_variants", ())),
        free_text_suffix=data.get("free_text_suffix", False),
        components=tuple(data.get("components", ())),
    )


def subjects(level: Level | str, grade: int) -> tuple[Subject, ...]:
    """Subjects a pupil of this level and grade can have, in the order of the form."""
    return tuple(s for s in level_info(level).subjects if grade in s.grades or grade in s.optional_grades)


def subject_code(level: Level | str, name: str) -> str | None:
    """The code behind a subject's name in any accepted spelling; None when the level has no such subject."""
    return next((s.code for s in level_info(level).subjects if s.is_called(name)), None)


def signature_fields(level: Level | str, subject_codes: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the signature fields in signing order: ``GVBM.<code>`` in the order of the form (none in
    primary), then GVCN, CBQL, KY_PHAT_HANH. Raises ValueError for a code that is not a subject of the level
    or is repeated.
    """
    info = level_info(level)
    unknown = set(subject_codes) - {s.code for s in info.subjects}
    if unknown or len(set(subject_codes)) != len(subject_codes):
        raise ValueError(f"not distinct subjects of {info.level}: {', '.join(subject_codes)}")
    teachers = (
        ()
        if info.level is Level.TIEU_HOC
        else tuple(f"GVBM.{s.code}" for s in info.subjects if s.code in subject_codes)
    )
    return (*teachers, "GVCN", "CBQL", "KY_PHAT_HANH")


LOOK_ALIKES: Mapping[str, str] = MappingProxyType({"Ð": "Đ", "ð": "đ", "Ɖ": "Đ", "ɖ": "đ"})
_TONES = "\u0300\u0301\u0303\u0309\u0323"  # huyền, sắc, ngã, hỏi, nặng


def comparison_key(text: str) -> str:
    """What two texts must share to be called the same: normalised for comparing, never for storing.

    NFC or NFD, Ð or Đ, capitals, runs of spaces, the curly apostrophe and the place of the tone mark
    ("Hòa", "Hoà") do not matter; every letter and every tone does.
    """
    for look_alike, letter in LOOK_ALIKES.items():
        text = text.replace(look_alike, letter)
    words = unicodedata.normalize("NFD", text.replace("’", "'").casefold()).split()
    return " ".join(
        unicodedata.normalize("NFC", re.sub(f"[{_TONES}]", "", word))
        + "".join(re.findall(f"[{_TONES}]", word))
        for word in words
    )


def _subject_key(name: str) -> str:
    """As :func:`comparison_key`, with "Địa lý" = "Địa lí" and "Mỹ thuật" = "Mĩ thuật"."""
    return comparison_key(re.sub(r"\s*([()])\s*", r" \1 ", name)).replace("y", "i")


def mask_name(name: str) -> str:
    """The first letter of each word and exactly three asterisks: "Nguyễn Thị Hường" → "N*** T*** H***".

    The number of asterisks says nothing of the length. A word without a letter is left out.
    """
    initials = (
        next((c for c in word if c.isalpha()), "") for word in unicodedata.normalize("NFC", name).split()
    )
    return " ".join(f"{initial}***" for initial in initials if initial)
