"""Record id, digest text, locator and the QR's URL: one spelling, strict parse, format.

Decides, for the web, the issuing side and the command line, whether a text is one of our codes. Nothing is
looked up here: a malformed code never reaches a database.

Grammar (upper case only; alphabet of Douglas Crockford's base 32, which has no I, L, O, U)::

    record id = 17 characters: 80 random bits as 16, then one check character
    digest    = 52 characters: 256 bits, then 4 padding bits that are zero (so the last character is 0 or G)
    locator   = record id "." digest
    URL       = HTTPS://HOST/V/ locator            (every character is in QR alphanumeric mode, ISO/IEC 18004
    §7.3.4)

The check character makes Σ αⁱ·cᵢ = 0 over GF(32) with the primitive polynomial x⁵+x²+1, i = 0 for the
leftmost character. α has order 31, so all αⁱ (i < 17) differ and are not zero: every single substitution
changes the sum by αⁱ·e ≠ 0 and every adjacent transposition by (αⁱ+αⁱ⁺¹)(a+b) ≠ 0.

What people type is more lenient (:func:`read_typed`); how damage by a Vietnamese input method is undone is
described at :func:`_undo_input_method`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import islice, product
from typing import Final

from verifier.errors import InvalidInput, Problem

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECORD_ID_LENGTH: Final = 17
DIGEST_LENGTH: Final = 52
SHORT_DIGEST_LENGTH: Final = 8
MAX_TEXT: Final = 512  # characters of a scanned or typed text that we look at
MAX_CANDIDATES: Final = 20_000  # spellings tried for one damaged code

_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
_PADDING_BITS: Final = 5 * DIGEST_LENGTH - 256


def _powers_of_alpha(count: int) -> tuple[int, ...]:
    """α⁰ … αⁿ⁻¹ in GF(32), α = x, reduced by x⁵+x²+1 (0b100101)."""
    powers = [1]
    while len(powers) < count:
        doubled = powers[-1] << 1
        powers.append(doubled ^ 0b100101 if doubled & 32 else doubled)
    return tuple(powers)


def _multiply(a: int, b: int) -> int:
    """Product in GF(32)."""
    result = 0
    while b:
        if b & 1:
            result ^= a
        a = (a << 1) ^ (0b100101 if a & 16 else 0)
        b >>= 1
    return result


_ALPHA: Final = _powers_of_alpha(31)
# _TERM[i][c] = αⁱ·c: one table look-up a character keeps the trial of thousands of candidates cheap.
_TERM: Final = tuple(tuple(_multiply(_ALPHA[i], c) for c in range(32)) for i in range(RECORD_ID_LENGTH))


def _syndrome(values: Iterable[int]) -> int:
    """Σ αⁱ·cᵢ; zero for a whole record id."""
    result = 0
    for row, value in zip(_TERM, values, strict=False):
        result ^= row[value]
    return result


def _check_passes(text: str) -> bool:
    """Whether 17 characters of the alphabet end in their check character."""
    return _syndrome(_VALUE[c] for c in text) == 0


def _refuse(code: str, message: str) -> InvalidInput:
    return InvalidInput((Problem("code", code, message),))


# ---------------------------------------------------------------------------------------------- record id


def new_record_id(random: bytes) -> str:
    """The record id of 10 random bytes (80 bits, from a CSPRNG). Raises ValueError for another length."""
    if len(random) != 10:
        raise ValueError("a record id takes exactly 10 random bytes")
    number = int.from_bytes(random)
    values = [number >> 5 * (15 - i) & 31 for i in range(16)]
    # c₁₆ = α⁻¹⁶ · Σ αⁱ·cᵢ; in characteristic 2 the sign does not matter, and α⁻¹⁶ = α¹⁵ (order 31).
    values.append(_multiply(_ALPHA[15], _syndrome(values)))
    return "".join(ALPHABET[v] for v in values)


def parse_record_id(text: str) -> str:
    """``text`` itself when it is a record id in the one spelling (17 upper-case characters, no separators).

    Raises InvalidInput with code ``length``, ``characters`` or ``check_character``.
    """
    if len(text) != RECORD_ID_LENGTH:
        raise _refuse("length", f"Mã tra cứu gồm đúng {RECORD_ID_LENGTH} ký tự, mã này có {len(text)}.")
    if any(c not in _VALUE for c in text):
        raise _refuse("characters", "Mã tra cứu chỉ gồm chữ số và chữ in hoa không dấu, trừ I, L, O, U.")
    if not _check_passes(text):
        raise _refuse("check_character", "Mã tra cứu có ký tự sai: ký tự kiểm tra không khớp.")
    return text


def group(record_id: str) -> str:
    """As printed: ``XXXX-XXXX-XXXX-XXXX-X``."""
    return "-".join(record_id[i : i + 4] for i in range(0, len(record_id), 4))


# ---------------------------------------------------------------------------------------------- digest


def digest_text(digest: bytes) -> str:
    """52 characters for 32 bytes. Raises ValueError for another length."""
    if len(digest) != 32:
        raise ValueError("a record digest has 32 bytes")
    number = int.from_bytes(digest) << _PADDING_BITS
    return "".join(ALPHABET[number >> 5 * (DIGEST_LENGTH - 1 - i) & 31] for i in range(DIGEST_LENGTH))


def parse_digest(text: str) -> bytes:
    """The 32 bytes of 52 characters. Raises InvalidInput; padding bits that are not zero are refused, so that
    a digest has one spelling.
    """
    if len(text) != DIGEST_LENGTH:
        raise _refuse("length", f"Mã nội dung gồm đúng {DIGEST_LENGTH} ký tự, mã này có {len(text)}.")
    number = 0
    for character in text:
        if character not in _VALUE:
            raise _refuse("characters", "Mã nội dung chỉ gồm chữ số và chữ in hoa không dấu, trừ I, L, O, U.")
        number = number << 5 | _VALUE[character]
    if number & (1 << _PADDING_BITS) - 1:
        raise _refuse("padding", "Mã nội dung sai ở ký tự cuối.")
    return (number >> _PADDING_BITS).to_bytes(32)


def short_digest(digest: bytes) -> str:
    """The first 8 characters of the digest text, as printed beside the record id on every page."""
    return digest_text(digest)[:SHORT_DIGEST_LENGTH]


# ---------------------------------------------------------------------------------------------- locator


@dataclass(frozen=True, slots=True)
class Locator:
    """What a QR names: one record, and the digest (32 bytes) of one version of it."""

    record_id: str
    digest: bytes

    def __str__(self) -> str:
        return f"{self.record_id}.{digest_text(self.digest)}"

    @property
    def short_digest(self) -> str:
        return short_digest(self.digest)

    @classmethod
    def parse(cls, text: str) -> Locator:
        """Strict: only the upper-case spelling. Raises InvalidInput."""
        record_id, dot, digest = text.partition(".")
        if not dot:
            raise _refuse("grammar", "Mã phải có dạng <mã tra cứu>.<mã nội dung>.")
        return cls(parse_record_id(record_id), parse_digest(digest))


def canonical_path(path_tail: str) -> str | None:
    """The one spelling of what follows ``/V/`` or ``/v/`` in a path, or None when it is malformed.

    Only the case of ASCII letters is folded. The caller redirects when the result differs from the request.
    """
    if not path_tail.isascii() or len(path_tail) != RECORD_ID_LENGTH + 1 + DIGEST_LENGTH:
        return None
    try:
        return str(Locator.parse(path_tail.upper()))
    except InvalidInput:
        return None


def url(public_url: str, locator: Locator) -> str:
    """The text of the QR: ``HTTPS://HOST/V/<locator>``, upper case, QR alphanumeric mode.

    ``public_url`` is scheme and host (and port), without a path. Raises InvalidInput for anything else.
    """
    scheme, authority = _origin(public_url)
    return f"{scheme}://{authority}/V/{locator}".upper()


# ---------------------------------------------------------------------------------------------- hosts


_DEFAULT_PORT: Final = {"http": "80", "https": "443"}
# Only what QR alphanumeric mode can hold: no user info, no IPv6 brackets, no underscore.
_AUTHORITY: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?")
_LINK: Final = re.compile(r"(https?)://([^/?#\s]*)(/[^?#\s]*)?", re.IGNORECASE | re.ASCII)


def _without_default_port(scheme: str, authority: str) -> str:
    host, colon, port = authority.lower().partition(":")
    return host if not colon or port == _DEFAULT_PORT[scheme] else f"{host}:{port}"


def _origin(public_url: str) -> tuple[str, str]:
    """(scheme, authority) in lower case, without the scheme's default port."""
    match = _LINK.fullmatch(public_url)
    if match is None or match[3] not in (None, "/") or not _AUTHORITY.fullmatch(match[2].lower()):
        raise InvalidInput(
            (
                Problem(
                    "public_url",
                    "public_url",
                    f"{public_url!r} phải có dạng https://tên-miền hoặc https://tên-miền:cổng, "
                    "không có đường dẫn.",
                ),
            )
        )
    scheme = match[1].lower()
    return scheme, _without_default_port(scheme, match[2])


class Hosts:
    """The hosts whose ``/V/`` paths are ours: the current one and those that paper may still carry.

    ``former`` holds hosts (``hocba.example.vn``, ``hocba.example.vn:8443``) or whole origins. Raises
    InvalidInput.
    """

    def __init__(self, public_url: str, former: tuple[str, ...] = ()) -> None:
        self.public_url = public_url
        origins = [_origin(public_url)]
        origins += [_origin(text if "://" in text else f"https://{text}") for text in former]
        self._authorities = frozenset(authority for _, authority in origins)

    def own(self, scheme: str, authority: str) -> bool:
        """Whether a URL of this scheme and authority is ours. Plain http is accepted: it only names the
        record.
        """
        lowered = scheme.lower()
        return authority.isascii() and _without_default_port(lowered, authority) in self._authorities

    def own_damaged(self, authority: str) -> bool:
        """Whether ``authority`` may be one of ours after an input method turned keystrokes into marks.

        Marks are taken off; what is left must be one of our hosts with no more letters missing than there
        were marks. The record id's check character still has to pass, so this only keeps foreign links out.
        """
        plain, marks = _strip_marks(authority.lower())
        return any(
            0 <= len(own) - len(plain) <= marks and _is_subsequence(plain, own) for own in self._authorities
        )


def _strip_marks(text: str) -> tuple[str, int]:
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d\u0335"))
    # Standalone ư is the keystroke W, not U with a mark.
    decomposed = decomposed.replace("u\u031b", "w\u0335")
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return plain, len(decomposed) - len(plain)


def _is_subsequence(short: str, long: str) -> bool:
    rest = iter(long)
    return all(c in rest for c in short)


# ---------------------------------------------------------------------------------------------- scanned codes


class Kind(Enum):
    """What the text of a QR is. MALFORMED: it points at us, but grammar or check character says no."""

    LOCATOR = "locator"
    MALFORMED = "malformed"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Code:
    """A scanned text; ``locator`` is set for LOCATOR only."""

    kind: Kind
    locator: Locator | None = None


def read_code(text: str, hosts: Hosts) -> Code:
    """What a scanned QR says. Total: never raises.

    Accepted: http or https, a current or former host, ``/V/`` or ``/v/``, one locator in upper or lower case
    (exactly what the web page would redirect). Everything else at our hosts is MALFORMED, elsewhere FOREIGN.
    """
    if len(text) > MAX_TEXT:
        return Code(Kind.FOREIGN)
    match = _LINK.match(text)
    if match is None or not hosts.own(match[1], match[2]):
        return Code(Kind.FOREIGN)
    path = match[3] or ""
    canonical = canonical_path(path[3:]) if path[:3] in ("/V/", "/v/") and match.end() == len(text) else None
    if canonical is None:
        return Code(Kind.MALFORMED)
    return Code(Kind.LOCATOR, Locator.parse(canonical))


# ---------------------------------------------------------------------------------------------- typed codes


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed: a record id, with the first 8 characters of a digest or a whole locator if given."""

    record_id: str
    short_digest: str | None = None
    locator: Locator | None = None


_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_MARKED: Final = re.compile(r"[\u0300-\u036f\u0110\u0111]")


def read_typed(text: str, hosts: Hosts) -> Typed:
    """Reads the one input box: a typed code, a pasted link, a keyboard scanner's burst.

    1. Spaces, dashes (also those that phones make longer), line ends and invisible characters separate and
       are dropped; lower case is folded; O reads as 0, I and L as 1.
    2. A link must be ours; tracking parameters that messengers append are ignored.
    3. A code of 17 characters may be followed by 8 (the printed start of the digest) or 52 (all of it).
    4. Text that carries Vietnamese marks, or is short of its check character, is read as what an input method
       made of it (:func:`_undo_input_method`). Exactly one spelling must fit.

    Raises InvalidInput: ``empty``, ``too_long``, ``foreign_link``, ``malformed_link``, ``characters``,
    ``length``, ``check_character``, ``ambiguous``; the sentence says what to do next.
    """
    if len(text) > MAX_TEXT:
        raise _refuse("too_long", "Nội dung quá dài. Chỉ nhập mã tra cứu in trên học bạ hoặc dán liên kết.")
    folded = _fold(text)
    body = _after_link(folded, hosts)
    is_link = body is not None
    if body is None:
        body = folded
    groups = [g for g in re.split(r"[\s.,;:_/\\-]+", body) if g]
    if not groups:
        raise _refuse("empty", "Chưa có mã. Nhập mã tra cứu in cạnh mã QR, hoặc dán liên kết.")

    plain = "".join(groups).translate(_LOOKALIKES)
    if _well_formed(plain):
        return _typed(plain)
    found = _undo_input_method(groups)
    if len(found) == 1:
        return _typed(found.pop())
    if len(found) > 1:
        raise _refuse(
            "ambiguous",
            "Bộ gõ tiếng Việt đã đổi một số ký tự nên mã đọc được theo nhiều cách. "
            "Tắt bộ gõ (hoặc chuyển sang tiếng Anh) rồi nhập lại mã.",
        )
    raise _why_unreadable(plain, is_link=is_link)


def _fold(text: str) -> str:
    """Upper case, composed; every kind of dash or space becomes a plain one, invisible characters go."""
    result = []
    for character in unicodedata.normalize("NFC", text).upper():
        category = unicodedata.category(character)
        if category in ("Cf", "Cc") and character not in "\t\r\n":
            continue
        if category == "Pd":
            result.append("-")
        elif category.startswith("Z") or character in "\t\r\n":
            result.append(" ")
        else:
            result.append("Đ" if character == "Ð" else character)  # U+00D0, the usual look-alike
    return unicodedata.normalize("NFC", "".join(result)).strip()


def _after_link(folded: str, hosts: Hosts) -> str | None:
    """The code in a link (also one inside a message), or None when there is no link at all."""
    links = list(re.finditer(r"(HTTPS?)://([^/?#\s]+)(/[^?#\s]*)?", folded))
    if not links:
        return None
    ours = []
    for link in links:
        damaged = not link[0].isascii()
        known = hosts.own_damaged(link[2]) if damaged else hosts.own(link[1], link[2])
        if known:
            ours.append(link)
    if not ours:
        raise _refuse(
            "foreign_link",
            "Liên kết này không thuộc cổng xác thực. Kiểm tra tên miền in cạnh mã QR trên học bạ "
            "rồi nhập mã tra cứu.",
        )
    tails = {(link[3] or "")[3:].rstrip(_TRAILING) for link in ours if (link[3] or "").startswith("/V/")}
    if len(tails) != 1:
        raise _refuse(
            "malformed_link", "Liên kết không chứa một mã tra cứu. Dán lại nguyên liên kết trong mã QR."
        )
    return tails.pop()


_TRAILING: Final = "/.,;:!?)]}>\"'”’»"  # what a message may put right behind a link
_LENGTHS: Final = (
    RECORD_ID_LENGTH,
    RECORD_ID_LENGTH + SHORT_DIGEST_LENGTH,
    RECORD_ID_LENGTH + DIGEST_LENGTH,
)


def _well_formed(plain: str) -> bool:
    """17, 25 or 69 characters of the alphabet whose check character (and padding) fits."""
    if len(plain) not in _LENGTHS or any(c not in _VALUE for c in plain):
        return False
    if len(plain) == _LENGTHS[2] and _VALUE[plain[-1]] & (1 << _PADDING_BITS) - 1:
        return False
    return _check_passes(plain[:RECORD_ID_LENGTH])


def _typed(plain: str) -> Typed:
    record_id, rest = plain[:RECORD_ID_LENGTH], plain[RECORD_ID_LENGTH:]
    if len(rest) == DIGEST_LENGTH:
        locator = Locator(record_id, parse_digest(rest))
        return Typed(record_id, locator.short_digest, locator)
    return Typed(record_id, rest or None)


def _why_unreadable(plain: str, *, is_link: bool) -> InvalidInput:
    if is_link:
        return _refuse("malformed_link", "Mã trong liên kết không đúng. Dán lại nguyên liên kết trong mã QR.")
    if _MARKED.search(unicodedata.normalize("NFD", plain)):
        return _refuse(
            "characters",
            "Mã có chữ mang dấu do bộ gõ tiếng Việt và không khôi phục được. "
            "Tắt bộ gõ (hoặc chuyển sang tiếng Anh) rồi nhập lại mã.",
        )
    strange = sorted({c for c in plain if c not in _VALUE})
    if strange:
        shown = " ".join(c for c in strange if c.isprintable())[:40]
        return _refuse(
            "characters",
            f"Mã không dùng ký tự {shown}. Mã chỉ gồm chữ số và chữ cái không dấu, trừ I, L, O, U.",
        )
    if len(plain) not in _LENGTHS:
        return _refuse(
            "length",
            f"Mã tra cứu có {RECORD_ID_LENGTH} ký tự (thêm {SHORT_DIGEST_LENGTH} ký tự đầu của mã nội dung "
            f"nếu có); mã vừa nhập có {len(plain)}. So lại từng nhóm 4 ký tự.",
        )
    return _refuse("check_character", "Có ký tự gõ sai. So lại từng nhóm 4 ký tự với mã in trên học bạ.")


# ---------------------------------------------------------------------------------------------- input methods

_CIRCUMFLEX, _BREVE, _HORN, _STROKE = "\u0302", "\u0306", "\u031b", "\u0335"
_TONES: Final = "\u0301\u0300\u0309\u0303\u0323"  # sắc, huyền, hỏi, ngã, nặng
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VOWELS: Final = frozenset("AEIOUYW")  # W because it becomes Ư
_MOST_UNMARKED: Final = 2  # keystrokes lost without any mark that are still tried


class _TooMany(Exception):  # noqa: N818 - leaves a search, is no error
    """More spellings than we are willing to try."""


@dataclass(frozen=True, slots=True)
class _Method:
    """How one input method spends keystrokes: mark → key. ``again`` stands for the marked letter itself."""

    tones: str  # keys of the five tone marks, in the order of _TONES
    circumflex: str
    breve: str
    horn: str
    stroke: str
    lone_horn_u: bool  # Ư comes from the one key W
    cancels: frozenset[str]  # keys that, doubled, leave one literal character


_AGAIN: Final = "again"
_TELEX: Final = _Method("SFRXJ", _AGAIN, "W", "W", _AGAIN, True, frozenset("SFRXJAEOWD"))
_VNI: Final = _Method("12345", "6", "8", "7", "9", False, frozenset("123456789"))


def _undo_input_method(groups: list[str]) -> set[str]:
    """The codes whose keystrokes an input method may have turned into ``groups``; one of them means
    certainty.

    Telex consumes keystrokes: ``W``→``Ư``, ``DD``→``Đ``, ``AA``→``Â``, ``EE``→``Ê``, ``OO``→``Ô``,
    ``AW``→``Ă``, ``OW``→``Ơ``, and S F R X J become the tone mark of a vowel typed earlier in the word. So
    each mark gives back one keystroke, at any place from its letter (a tone: from the first vowel) to the end
    of that run of letters, because engines mark freely and differ in where they put a tone. A doubled key
    that cancels (``ASS``→``AS``, ``WW``→``W``) loses a keystroke without a mark; that is tried when exactly
    so many are missing. VNI does the same with the digits 1–9. The Vietnamese keyboard layout types Ă Â Ê Ô,
    the tone marks and Đ with the keys 1–9, 0, which is undone without any choice.

    Spellings survive only if the check character fits (a wrong one does in 1 of 32 cases) and if the groups
    of four come out whole where they were typed apart. Not recoverable: two spellings that both fit; a tone
    that another replaced or that Z removed (the first key leaves no trace); marks in the digest that can be
    read more than one way, since no check character covers it. A whole digest read more than one way still
    gives its first eight characters when those agree.
    """
    layout = _undo_layout(groups)
    if layout is not None and _well_formed(layout):
        return {layout}
    telex, vni = (_codes(groups, method) for method in (_TELEX, _VNI))
    if telex and vni and telex != vni:
        # Both explain the text. A key of the method that stands there undone, right behind its letter, speaks
        # against the method: it would have been consumed.
        text = " ".join(groups)
        against_telex, against_vni = (
            len(pattern.findall(text)) for pattern in (_TELEX_LITERAL, _VNI_LITERAL)
        )
        if against_telex != against_vni:
            return telex if against_telex < against_vni else vni
    return telex | vni


_TELEX_LITERAL: Final = re.compile(r"[AEIOUY](?=[SFRXJW])|W|AA|EE|OO|DD")
_VNI_LITERAL: Final = re.compile(r"[AEIOUY](?=[1-5])|[AEO](?=6)|A(?=8)|D(?=9)")


def _undo_layout(groups: list[str]) -> str | None:
    """What was typed on the Vietnamese keyboard layout (Windows, XKB ``vn``), or None when it was not.

    That layout has no digits without AltGr, so a single plain digit rules it out.
    """
    result: list[str] = []
    for character in unicodedata.normalize("NFD", "".join(groups)):
        if character.isdecimal():
            return None
        if character == _BREVE and result and result[-1] == "A":
            result[-1] = "1"
        elif character == _CIRCUMFLEX and result and result[-1] in ("A", "E", "O"):
            result[-1] = {"A": "2", "E": "3", "O": "4"}[result[-1]]
        elif character in _TONES:
            result.append(
                {"\u0300": "5", "\u0309": "6", "\u0303": "7", "\u0301": "8", "\u0323": "9"}[character]
            )
        else:
            result.append("0" if character == "Đ" else character)
    return "".join(result).translate(_LOOKALIKES)


def _codes(groups: list[str], method: _Method) -> set[str]:
    """Well-formed codes behind ``groups`` under one input method; empty when none or too many fit."""
    try:
        spellings = [_visible(g, method) for g in groups]
        lengths = [len(next(iter(s))) for s in spellings]
        for layout in _LAYOUTS:
            if len(layout) == len(groups):
                missing = [size - length for size, length in zip(layout, lengths, strict=True)]
                if all(0 <= m <= _MOST_UNMARKED for m in missing):
                    filled = [_unmarked(s, m, method) for s, m in zip(spellings, missing, strict=True)]
                    return _assemble(filled)
        for total in _LENGTHS:
            missing_in_all = total - sum(lengths)
            if 0 <= missing_in_all <= _MOST_UNMARKED:
                return _spread(spellings, missing_in_all, method)
    except _TooMany:
        return set()
    return set()


# Sizes of the groups as people type them: the id in one or in groups of four, the digest's start in one or
# two.
_LAYOUTS: Final = tuple(
    head + tail
    for head in ((RECORD_ID_LENGTH,), (4, 4, 4, 4, 1))
    for tail in ((), (SHORT_DIGEST_LENGTH,), (4, 4), (DIGEST_LENGTH,))
)


def _visible(text: str, method: _Method) -> set[str]:
    """All spellings that give back one keystroke for each mark in ``text`` (never empty, all of one length)."""
    result = [""]
    run: list[tuple[str, str]] = []
    for base, marks in [*_letters(text), (" ", "")]:
        if base in _LETTERS:
            run.append((base, marks))
            continue
        result = _bounded(a + b for a, b in product(result, _visible_run(run, method)))
        result = [a + base for a in result]
        run = []
    return {r[:-1].translate(_LOOKALIKES) for r in result}


def _letters(text: str) -> list[tuple[str, str]]:
    """(base letter, its marks) one by one; Đ is D with a stroke."""
    result: list[tuple[str, str]] = []
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character) and result:
            base, marks = result[-1]
            result[-1] = (base, marks + character)
        else:
            result.append(("D", _STROKE) if character == "Đ" else (character, ""))
    return result


def _visible_run(run: list[tuple[str, str]], method: _Method) -> list[str]:
    """Spellings of one run of letters: every lost key at every place from its anchor on."""
    bases: list[str] = []
    lost: list[tuple[int, str]] = []  # (index of the letter it was typed after, key)
    first_vowel = next((i for i, (base, _) in enumerate(run) if base in _VOWELS), 0)
    for index, (base, marks) in enumerate(run):
        letter = base
        for mark in marks:
            if mark in _TONES:
                lost.append((first_vowel, method.tones[_TONES.index(mark)]))
            elif mark == _HORN and base == "U" and method.lone_horn_u:
                letter = "W"
            else:
                key = {
                    _CIRCUMFLEX: method.circumflex,
                    _BREVE: method.breve,
                    _HORN: method.horn,
                    _STROKE: method.stroke,
                }.get(mark, mark)
                lost.append((index, base if key == _AGAIN else key))
        bases.append(letter)
    spellings = ["".join(bases)]
    # Farthest anchor first, so that the indexes of the nearer anchors stay true while keys are put in.
    for anchor, key in sorted(lost, reverse=True):
        spellings = _bounded(s[:i] + key + s[i:] for s in spellings for i in range(anchor + 1, len(s) + 1))
    return spellings


def _unmarked(spellings: set[str], count: int, method: _Method) -> set[str]:
    """``spellings`` with ``count`` more keystrokes, each of which a doubled key cancelled without a mark."""
    for _ in range(count):
        spellings = set(
            _bounded(
                s[:i] + s[at] + s[i:]
                for s in spellings
                for at in range(len(s))
                if s[at] in method.cancels
                for i in range(_run_start(s, at), at + 1)
            )
        )
    return spellings


def _run_start(text: str, at: int) -> int:
    """Where the run of letters that ends at (or right before) ``at`` begins."""
    while at > 0 and text[at - 1] in _LETTERS:
        at -= 1
    return at


def _spread(spellings: list[set[str]], missing: int, method: _Method) -> set[str]:
    """Codes when the groups are of no known sizes: the missing keystrokes may lie in any of them."""
    found: set[str] = set()
    for shares in product(range(missing + 1), repeat=len(spellings)):
        if sum(shares) == missing:
            found |= _assemble([_unmarked(s, n, method) for s, n in zip(spellings, shares, strict=True)])
    return found


def _assemble(groups: list[set[str]]) -> set[str]:
    """Well-formed codes among all combinations. Where only the far end of a digest is open, codes of 25
    remain.
    """
    texts = [""]
    for group_spellings in groups:
        if len(texts[0]) == RECORD_ID_LENGTH:
            texts = [t for t in texts if all(c in _VALUE for c in t) and _check_passes(t)]
        texts = _bounded(a + b for a, b in product(texts, group_spellings))
        if not texts:
            return set()
    found = {t for t in texts if _well_formed(t)}
    if len(found) > 1 and len(texts[0]) == _LENGTHS[2]:
        found = {t[: _LENGTHS[1]] for t in found}
    return found


def _bounded(spellings: Iterable[str]) -> list[str]:
    """Distinct spellings; raises _TooMany beyond MAX_CANDIDATES."""
    distinct = list(dict.fromkeys(islice(spellings, MAX_CANDIDATES + 1)))
    if len(distinct) > MAX_CANDIDATES:
        raise _TooMany
    return distinct
