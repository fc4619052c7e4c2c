"""Languages: Vietnamese is what the sources say, English is a complete catalogue.

The language of a page is chosen by ``?lang=en`` and nothing else, so that an address always shows the same
words, caches need no cookie, and a link can be sent on. The catalogue is read from its ``.po`` source when
the app starts; there is no compiled copy that could be stale.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from flask import request

from portal.errors import marked
from verifier.words import VIETNAM, Language, day

#: ``marked`` is a service's word as well, so it lives below; whoever writes pages finds it here.
__all__ = [
    "CATALOGUE",
    "duration",
    "english",
    "gettext",
    "in_number",
    "language",
    "link",
    "marked",
    "moment",
    "ngettext",
    "this_page",
    "translate",
]

CATALOGUE: Final = Path(__file__).parent.parent / "translations" / "en" / "LC_MESSAGES" / "messages.po"


@cache
def english() -> dict[str, str]:
    """Vietnamese message -> English message."""
    return {m.id: str(m.string) for m in _messages() if isinstance(m.id, str)}


@cache
def english_in_number() -> dict[str, tuple[str, str]]:
    """Vietnamese message that counts something -> English message for one, and for any other number."""
    return {
        m.id[0]: (m.string[0], m.string[1])
        for m in _messages()
        if isinstance(m.id, tuple) and isinstance(m.string, tuple)
    }


@cache
def _messages() -> tuple[Message, ...]:
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="en")
    return tuple(m for m in catalogue if m.id and m.string and not m.fuzzy)


def translate(message: str, language: Language) -> str:
    """``message`` in ``language``. What the catalogue lacks stays Vietnamese; a test keeps it whole."""
    return message if language == "vi" else english().get(message, message)


def gettext(message: str, **values: object) -> str:
    """``message`` in the language of this request, with ``%(name)s`` filled in."""
    text = translate(message, language())
    return text % values if values else text


def in_number(message: str, language: Language) -> tuple[str, str]:
    """``message`` for one and for any other number; Vietnamese has one form for both."""
    same = (message, message)
    return same if language == "vi" else english_in_number().get(message, same)


def ngettext(message: str, count: int, **values: object) -> str:
    """As :func:`gettext`, for a message that counts: ``%(count)s`` is filled in, in its plural form."""
    return in_number(message, language())[count != 1] % {"count": count, **values}


def language() -> Language:
    """The language of this request."""
    if not request.query_string:  # most requests, without parsing
        return "vi"
    return "en" if request.args.get("lang") == "en" else "vi"


def link(path: str, language: Language) -> str:
    """An address of ours that keeps the language."""
    if language == "vi":
        return path
    return f"{path}{'&' if '?' in path else '?'}lang=en"


def this_page() -> str:
    """The path of this request, fit for a link: one slash at its head, for two would name another host."""
    return quote("/" + request.path.lstrip("/"))


def moment(value: datetime, language: Language) -> str:
    """Date and time of a moment, in Vietnam's time."""
    local = value.astimezone(VIETNAM)
    clock = f"{local.hour:02}:{local.minute:02}"  # strftime would take three times as long
    if language == "vi":
        return f"{clock} ngày {day(local, language)}"
    return f"{clock} on {day(local, language)} (Vietnam time)"


def duration(seconds: int) -> str:
    """A time to wait, in the language of this request; never shorter than it is, and always more than one."""
    if seconds < 120:
        return gettext(marked("%(seconds)s giây"), seconds=max(2, seconds))
    return gettext(marked("%(minutes)s phút"), minutes=-(-seconds // 60))
