"""What a text given to the box is: typed, pasted, or sent by a scanner that behaves as a keyboard.

Decided here and nowhere else, before anything is looked up; nothing is opened or fetched. The text is taken
as it came, not normalised: on a Vietnamese keyboard the order of marks is the order of keys, from which
:func:`verifier.locator.read_typed` undoes what an input method made of a code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from verifier.errors import InvalidInput
from verifier.locator import Hosts, Typed, leads_elsewhere, read_typed


class Kind(Enum):
    """What to do with a text."""

    CODE = "code"  # a locator, or a record id that still needs a birth date
    RESULT = "result"  # the address of an answer that was given before
    STRANGE_LINK = "strange_link"  # opens a page that is not ours
    STRANGE = "strange"  # a code for something else: a wireless network, a visiting card
    MISTAKE = "mistake"  # nothing that we know; somebody mistyped


@dataclass(frozen=True, slots=True)
class Given:
    """A text's kind, with ``typed`` for CODE, ``number`` for RESULT and the ``mistake`` of
    :func:`verifier.locator.read_typed` for MISTAKE.
    """

    kind: Kind
    typed: Typed | None = None
    number: str = ""
    mistake: str = ""


_RESULT: Final = re.compile(r"(https?)://([^/?#\s]+)/ket-qua/([0-9a-z-]{8,40})", re.IGNORECASE | re.ASCII)
#: An address without its scheme, as address bars show it; the dot before letters keeps typed codes out.
_BARE: Final = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::[0-9]+)?/\S*", re.IGNORECASE | re.ASCII)
#: What the codes of other things begin with (``WIFI:``, ``BEGIN:VCARD``, ``mailto:``, ``SMSTO:`` …).
_OTHER_CODE: Final = re.compile(r"[a-z][a-z0-9+.-]{2,}:\S", re.IGNORECASE | re.ASCII)


def read_text(text: str, hosts: Hosts) -> Given:
    """Total: every text is one of the kinds.

    1. An answer's address (also inside a message) leads to that answer.
    2. An address without its scheme is read as one with it.
    3. A code, a link to one, or a message that holds such a link.
    4. Of what is left, an address opens something that is not ours; what begins as the code of another thing
       is that; the rest is a mistake, to be corrected where it was typed.
    """
    text = text.strip()
    for word in text.split():
        match = _RESULT.search(word)
        # Of an address inside another one the other page decides where it leads.
        if match and "://" not in word[: match.start()] and hosts.own(match[1], match[2]):
            return Given(Kind.RESULT, number=match[3])
    address = f"https://{text}" if _BARE.fullmatch(text) else text
    try:
        return Given(Kind.CODE, read_typed(address, hosts))
    except InvalidInput as refused:
        mistake = refused.problems[0].code
    if mistake == "foreign_link" or (mistake != "malformed_link" and leads_elsewhere(text)):
        return Given(Kind.STRANGE_LINK)
    if mistake != "malformed_link" and _OTHER_CODE.match(text):
        return Given(Kind.STRANGE)
    return Given(Kind.MISTAKE, mistake=mistake)
