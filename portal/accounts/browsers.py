"""Browsers that somebody signed in with before (OWASP, "Slow Down Online Guessing Attacks with Device
Cookies").

Wrong passwords are counted by name, so strangers could keep its owner out for as long as they go on guessing.
A browser that the name has signed in with has a count of its own: theirs never reaches it. What it shows is a
random number and, for each name, a keyed hash of both: nothing of it tells who that was, no table has it, and
it opens nothing. A stolen one is worth the tries of one more name.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final

from portal.vault import Vault

#: Names that one browser remembers, the newest first: a school's office shares its computers.
MOST: Final = 10
_SHOWN: Final = re.compile(r"[0-9a-f]{32}(\.[0-9a-f]{64}){1,10}", re.ASCII)


def counted_as(vault: Vault, shown: str, name: str) -> str:
    """What wrong tries are counted by: the blind index ``name`` of what was typed, or that name in a browser
    that it has signed in with.
    """
    browser, *known = shown.split(".") if _SHOWN.fullmatch(shown) else ("",)
    mark = _mark(vault, browser, name)
    if any(hmac.compare_digest(mark, each) for each in known):
        return vault.blind_index(mark, domain="known browser tries")
    return name


def remember(vault: Vault, shown: str, name: str) -> str:
    """What the browser shows from now on."""
    browser, *known = shown.split(".") if _SHOWN.fullmatch(shown) else (secrets.token_hex(16),)
    mark = _mark(vault, browser, name)
    return ".".join([browser, *[mark, *(each for each in known if each != mark)][:MOST]])


def _mark(vault: Vault, browser: str, name: str) -> str:
    return vault.blind_index(f"{browser} {name}", domain="known browser")
