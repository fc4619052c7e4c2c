"""The limits, all of them, in one table, and who counts as one client.

Charged is what costs us or tells a guesser something: misses, wrong tries, unknown files. A right code and a
registered file cost nothing, so a school behind one address checks a whole class, and a results day is no
attack. Behind one IPv4 address sit up to thousands of families (carrier-grade NAT): its numbers are high. An
IPv6 client owns at least a /64 and often a /56, and moves in it at will: prefixes are counted, in layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from limits import RateLimitItem, parse

from verifier.errors import Problem

V4: Final = "v4"
V6_LAYERS: Final = ("/64", "/56", "/48")
#: Counted for all clients together. Refuses the one charge, never everybody's next request.
ALL: Final = "all"
LAYERS: Final = (V4, *V6_LAYERS, ALL)


@dataclass(frozen=True, slots=True)
class Policy:
    """One row: what is charged, and how much of it each layer of a client may cause.

    ``code`` is the stable code of the refusal. A layer that is not named has no limit.
    """

    name: str
    charged: str
    code: str
    layers: Mapping[str, RateLimitItem]


def _policy(name: str, charged: str, code: str, **layers: str) -> Policy:
    """``v4``, ``n64``, ``n56``, ``n48`` and ``all`` as limit strings."""
    return Policy(name, charged, code, {_layer(key): parse(text) for key, text in layers.items()})


def _layer(key: str) -> str:
    return f"/{key[1:]}" if key.startswith("n") else key


MISS: Final = "miss"
WRONG_TRY: Final = "wrong-try"
UPLOAD: Final = "upload"
FORM: Final = "form"
KEPT: Final = "kept"
WRONG_SIGN_IN: Final = "wrong-sign-in"

#: name -> policy, as shipped; the setting ``LIMITS`` replaces single numbers.
DEFAULT: Final[Mapping[str, Policy]] = {
    policy.name: policy
    for policy in (
        _policy(
            MISS,
            "a code that names no record, or a known record with another digest; a result number that is "
            "none",
            "too_many_misses",
            v4="300/10 minutes",
            n64="20/10 minutes",
            n56="30/10 minutes",
            n48="120/10 minutes",
            all="200/second",
        ),
        _policy(
            WRONG_TRY,
            "a typed code and birth date that do not fit, a paper that differs, a receipt nobody got",
            "too_many_wrong_tries",
            v4="100/hour",
            n64="10/hour",
            n56="20/hour",
            n48="60/hour",
            all="50/second",
        ),
        _policy(
            UPLOAD,
            "a file that is not registered, byte for byte",
            "too_many_uploads",
            v4="600/10 minutes",
            n64="60/10 minutes",
            n56="120/10 minutes",
            n48="600/10 minutes",
        ),
        _policy(
            FORM,
            "a form sent to /lookup, /compare, /receipt, /ket-qua, /kiem-tra-nhieu/bang.xlsx, right or "
            "wrong; a way begun to the OpenID provider",
            "too_many_requests",
            v4="1200/minute",
            n64="120/minute",
            n56="360/minute",
            n48="3000/minute",
        ),
        _policy(
            KEPT,
            "an answer that is kept under a number; one more is answered without a number",
            "too_many_requests",
            v4="3000/hour",
            n64="600/hour",
            n56="1200/hour",
            n48="3000/hour",
            all="50/second",
        ),
        _policy(
            WRONG_SIGN_IN,
            "a password, a one-time code, a slip or a share code that is not right",
            "too_many_wrong_sign_ins",
            v4="300/10 minutes",
            n64="20/10 minutes",
            n56="40/10 minutes",
            n48="120/10 minutes",
            all="50/second",
        ),
    )
}

#: Wrong tries that a record id takes, known or not, of birth dates and of papers together. Counted in the
#: database (``portal.lookup``), so that no node and no restart forgets them.
RECORD_TRIES: Final = parse("5/15 minutes")
#: After so many one try a window is left, never none: strangers must not close a record to others.
RECORD_DAY: Final = parse("20/day")
#: Questions of one organisation to families that no family has answered yet (``portal.consent``).
ASKED_DAY: Final = parse("500/day")
#: Looks by a duty of law (``portal.consent``): of one account, then refused; of one organisation. Going over
#: either is an alarm.
LOOKS_DAY: Final = parse("100/day")
OFFICE_LOOKS_DAY: Final = parse("300/day")

_CHANGE: Final = re.compile(r"(?P<name>[a-z-]+)\s+(?P<layer>v4|/64|/56|/48|all)\s+(?P<limit>.+)", re.DOTALL)


def read_changes(text: str) -> tuple[Mapping[str, Policy], list[Problem]]:
    """The table with changes such as ``miss v4 500/10 minutes; upload /64 30/minute``, and what is wrong."""
    table = dict(DEFAULT)
    problems = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        found = _CHANGE.fullmatch(part)
        policy = table.get(found["name"]) if found else None
        limit = _parsed(found["limit"]) if found else None
        if found is None or policy is None:
            message = (
                f"“{part}” phải có dạng: tên tầng số/thời gian, tên là một trong {', '.join(DEFAULT)}; "
                f"tầng là một trong {', '.join(LAYERS)}."
            )
            problems.append(Problem("LIMITS", "limit", message))
        elif limit is None:
            message = f"“{found['limit']}” không phải là một giới hạn; viết như 30/10 minutes hoặc 5/hour."
            problems.append(Problem("LIMITS", "limit", message))
        else:
            table[policy.name] = replace(policy, layers={**policy.layers, found["layer"]: limit})
    return table, problems


def _parsed(text: str) -> RateLimitItem | None:
    """One limit; the library alone would take several, and a limit of nothing, without a word."""
    try:
        limit = None if re.search(r"[,;|]", text) else parse(text)
    except ValueError:
        return None
    return limit if limit is not None and limit.amount > 0 else None


@lru_cache(maxsize=4096)
def client_keys(address: str) -> tuple[tuple[str, str], ...]:
    """The layers a client is counted in, as (layer, key), smallest first.

    ``address`` is what :mod:`portal.web.proxies` left in REMOTE_ADDR. An IPv4 address in IPv6 clothes counts
    as IPv4. What is no address (a Unix socket's peer) counts as one client, with the numbers of ``v4``.
    """
    parsed = parse_address(address)
    if parsed is None:
        return ((V4, "unknown"),)
    if isinstance(parsed, IPv4Address):
        return ((V4, str(parsed)),)
    return tuple(
        (layer, str(IPv6Network((int(parsed), int(layer[1:])), strict=False))) for layer in V6_LAYERS
    )


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with a port, in brackets, with a zone. None for anything else."""
    text = text.strip()
    if text.startswith("["):  # [2001:db8::1]:443
        inside, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
        text = inside
    elif text.count(":") == 1:  # 192.0.2.1:443; an IPv6 address has two colons or more
        text, colon, port = text.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdecimal() and len(text) <= 6


def rows(table: Mapping[str, Policy] = DEFAULT) -> Iterator[tuple[str, ...]]:
    """The table as documents show it: name, what is charged, and one cell a layer."""
    for policy in table.values():
        cells = (policy.layers.get(layer) for layer in LAYERS)
        yield policy.name, policy.charged, *("–" if limit is None else spelled(limit) for limit in cells)


def spelled(limit: RateLimitItem) -> str:
    """``30/10 minutes``, ``5/hour``."""
    unit = limit.GRANULARITY.name
    return f"{limit.amount}/{unit}" if limit.multiples == 1 else f"{limit.amount}/{limit.multiples} {unit}s"
