"""What a form brings and answers: a day, its mistakes in words, and where it leads when there are none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from flask import redirect
from werkzeug.wrappers import Response as AnyResponse

from portal.errors import Refusal, marked
from portal.web.i18n import gettext, language, link
from verifier.errors import InvalidInput, Problem
from verifier.words import VIETNAM

_LONG_AGO: Final = marked("Ngày này đã qua quá lâu. Xem lại năm vừa gõ.")
_FAR_OFF: Final = marked("Ngày này còn quá xa. Xem lại năm vừa gõ.")
_NONE: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})


def messages(mistakes: InvalidInput, words: Mapping[tuple[str, str], str] = _NONE) -> dict[str, str]:
    """field -> message in the language of this request, the first of each field. ``words`` maps (field, code)
    to what people are told, for codes whose own message is no sentence for them.
    """
    found: dict[str, str] = {}
    for problem in mistakes.problems:
        message = words.get((problem.where, problem.code), problem.message)
        found.setdefault(problem.where, gettext(message))
    return found


def said(refused: Refusal) -> str:
    """A refusal's sentence and hint, in the language of this request."""
    return " ".join(gettext(part) for part in (refused.message, refused.hint) if part)


def to(path: str) -> AnyResponse:
    """To another page of ours, in the same language: what a form that was done answers."""
    return redirect(link(path, language()), 303)


def read_day(
    text: str, where: str, *, now: datetime | None = None, behind: int = 1, ahead: int = 10
) -> date | None:
    """A day typed as ``dd/MM/yyyy`` into the field ``where``; None for none. With ``now`` it lies at most
    ``behind`` years before today in Vietnam and ``ahead`` after it: farther is a slip of the hand. Raises
    InvalidInput.
    """
    if not text.strip():
        return None
    try:
        day = datetime.strptime(text.strip(), "%d/%m/%Y").replace(tzinfo=VIETNAM).date()
    except ValueError:
        message = marked("Viết ngày có thật theo dạng 31/12/2027.")
        raise InvalidInput((Problem(where, "day", message),)) from None
    if now is not None:
        today = now.astimezone(VIETNAM).date()
        if day < _years(today, -behind):
            raise InvalidInput((Problem(where, "long_ago", _LONG_AGO),))
        if day > _years(today, ahead):
            raise InvalidInput((Problem(where, "far_off", _FAR_OFF),))
    return day


def _years(today: date, years: int) -> date:
    """The same day in another year; 28 February for the 29th where there is none."""
    try:
        return today.replace(year=today.year + years)
    except ValueError:
        return today.replace(year=today.year + years, day=28)
