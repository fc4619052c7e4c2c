"""Words of a consent, and the part of a form by which somebody wishes to see or to show: the same for the
family that begins to share and for the organisation that asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from werkzeug.datastructures import MultiDict

from portal.consent.fields import PDF_WORDS, SENSITIVE, Preset
from portal.consent.purposes import Pair, Purpose
from portal.consent.service import DAYS, Denied, State, Wish
from portal.web.i18n import gettext, language, marked, ngettext
from verifier.errors import Problem
from verifier.words import day

#: Where a consent stands -> what it is called.
STATES: Final[Mapping[State, str]] = {
    State.WAITING: marked("Đang chờ trả lời"),
    State.GIVEN: marked("Đã đồng ý"),
    State.REFUSED: marked("Đã từ chối"),
    State.WITHDRAWN: marked("Đã rút lại"),
    State.EXPIRED: marked("Đã hết hạn"),
    State.USED_UP: marked("Đã dùng hết"),
}
ONCE, MANY, YES = "once", "many", "yes"
_USES: Final[Mapping[str, str]] = {ONCE: marked("Một lần"), MANY: marked("Nhiều lần trong thời hạn")}
_CHOOSE: Final[Mapping[str, str]] = {
    "purpose": marked("Chọn mục đích."),
    "preset": marked("Chọn phần học bạ."),
    "days": marked("Chọn thời hạn 1, 7, 30 hoặc 90 ngày."),
    "uses": marked("Chọn xem một lần hay nhiều lần."),
}

_NOT_APPROVED: Final = marked("Chưa chọn được: Sở Giáo dục và Đào tạo chưa chấp thuận mục đích này.")

Choices = list[tuple[str, str]]  # value and words


class Option(NamedTuple):
    """A choice with a line under it, which cannot be taken while it is ``closed``."""

    value: str
    words: str
    line: str
    closed: bool


_Choice = TypeVar("_Choice", bound=StrEnum)


def of_pair(pair: Pair) -> str:
    """The half of a pair in the language of this request."""
    return pair[language() == "en"]


def said(denied: Denied) -> str:
    """The sentence of a refusal, with the day that it names."""
    return gettext(denied.message, day="" if denied.day is None else day(denied.day, language()))


def capital(text: str) -> str:
    """As the beginning of a line."""
    return text[:1].upper() + text[1:]


def wish_choices(available: Collection[Purpose]) -> dict[str, Choices | list[Option]]:
    """What can be chosen in each field that :func:`read_wish` reads; a purpose that is not ``available`` says
    why.
    """
    return {
        "purposes": [
            Option(
                purpose.value,
                capital(of_pair(purpose.words)),
                "" if purpose in available else gettext(_NOT_APPROVED),
                closed=purpose not in available,
            )
            for purpose in Purpose
        ],
        "presets": preset_choices(),
        "sensitive": sensitive_choices(),
        "pdf": [(YES, capital(of_pair(PDF_WORDS)))],
        "days": [(str(count), ngettext("%(count)s ngày", count)) for count in DAYS],
        "uses": [(value, gettext(words)) for value, words in _USES.items()],
    }


def preset_choices() -> Choices:
    """How much of a record."""
    return [(preset.value, capital(of_pair(preset.words))) for preset in Preset]


def sensitive_choices() -> Choices:
    """What is named one by one."""
    return [(name, capital(of_pair(words))) for name, words in SENSITIVE.items()]


def read_wish(form: MultiDict[str, Any], problems: list[Problem]) -> Wish | None:
    """Fields ``purpose``, ``preset``, ``days``, ``uses``, ``sensitive`` (several), ``pdf``. Each mistake is
    added to ``problems``, and then there is no wish; which sensitive parts there are the service knows.
    """
    purpose = read_choice(Purpose, form, "purpose", _CHOOSE["purpose"], problems)
    preset = read_preset(form, problems)
    days, uses = str(form.get("days", "")), form.get("uses")
    if days not in {str(each) for each in DAYS}:
        problems.append(Problem("days", "choose", _CHOOSE["days"]))
    if uses not in _USES:
        problems.append(Problem("uses", "choose", _CHOOSE["uses"]))
    if problems or purpose is None or preset is None:
        return None
    sensitive, pdf = tuple(form.getlist("sensitive")), form.get("pdf") == YES
    return Wish(purpose, preset, int(days), uses == ONCE, sensitive, pdf)


def read_preset(form: Mapping[str, Any], problems: list[Problem]) -> Preset | None:
    """Field ``preset``; its mistake is added to ``problems``."""
    return read_choice(Preset, form, "preset", _CHOOSE["preset"], problems)


def read_choice(
    choices: type[_Choice], form: Mapping[str, Any], name: str, message: str, problems: list[Problem]
) -> _Choice | None:
    """A field that takes one of a closed list; ``message`` is added to ``problems`` when it is none."""
    try:
        return choices(form.get(name, ""))
    except ValueError:
        problems.append(Problem(name, "choose", message))
        return None
