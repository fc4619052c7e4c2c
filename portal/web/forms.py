"""What a form answers: its mistakes in words, and where it leads when there are none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flask import redirect
from werkzeug.wrappers import Response as AnyResponse

from portal.errors import Refusal
from portal.web.i18n import gettext, language, link
from verifier.errors import InvalidInput

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
