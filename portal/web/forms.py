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


def read_day(text: str, where: str) -> date | None:
    """A day typed as ``dd/MM/yyyy`` into the field ``where``; None for none. Raises InvalidInput."""
    if not text.strip():
        return None
    try:
        return datetime.strptime(text.strip(), "%d/%m/%Y").replace(tzinfo=VIETNAM).date()
    except ValueError:
        message = marked("Viết ngày có thật theo dạng 31/12/2027.")
        raise InvalidInput((Problem(where, "day", message),)) from None
