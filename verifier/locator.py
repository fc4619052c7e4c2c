"""Record id, digest text, locator and the QR's URL: one spelling, strict parse, format.

Decides, for the web, the issuing side and the command line, whether a text is one of our codes. Nothing is
looked up here: a malformed code never reaches a database.

Grammar (upper case only; alphabet of Douglas Crockford's base 32, which has no I, L, O, U)::

    record id = 17 characters: 80 random bits as 16, then one check character
    share code = 10 characters: one that names a purpose, 40 random bits as 8, then one check character
    slip code = 12 characters: 55 random bits as 11, then one check character
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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice, product
from typing import Final

from verifier.errors import InvalidInput, Problem

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECORD_ID_LENGTH: Final = 17
SHARE_CODE_LENGTH: Final = 10
SLIP_CODE_LENGTH: Final = 12
DIGEST_LENGTH: Final = 52
SHORT_DIGEST_LENGTH: Final = 8
MAX_TEXT: Final = 512  # characters of a scanned or typed text that we look at
MAX_CANDIDATES: Final = 10_000  # spellings tried for one damaged code
_MAX_WORD_SPELLINGS: Final = 300  # of one run of letters

_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
_ALLOWED: Final = frozenset(ALPHABET)
_TO_BASE_32: Final = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # digits of Python's int
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
    """Σ αⁱ·cᵢ; zero for a whole record id, share code or slip code."""
    result = 0
    for row, value in zip(_TERM, values, strict=False):
        result ^= row[value]
    return result


def _check_passes(text: str) -> bool:
    """Whether up to 17 characters of the alphabet end in their check character."""
    return _syndrome(_VALUE[c] for c in text) == 0


def _checked(values: list[int]) -> str:
    """The characters of ``values`` and the check character behind them: cₙ = α⁻ⁿ · Σ αⁱ·cᵢ; in characteristic
    2 the sign does not matter, and α has order 31.
    """
    check = _multiply(_ALPHA[31 - len(values)], _syndrome(values))
    return "".join(ALPHABET[v] for v in (*values, check))


def _refuse(code: str, message: str) -> InvalidInput:
    return InvalidInput((Problem("code", code, message),))


# ---------------------------------------------------------------------------------------------- record id


def new_record_id(random: bytes) -> str:
    """The record id of 10 random bytes (80 bits, from a CSPRNG). Raises ValueError for another length."""
    if len(random) != 10:
        raise ValueError("a record id takes exactly 10 random bytes")
    number = int.from_bytes(random)
    return _checked([number >> 5 * (15 - i) & 31 for i in range(16)])


def parse_record_id(text: str) -> str:
    """``text`` itself when it is a record id in the one spelling (17 upper-case characters, no separators).

    Raises InvalidInput with code ``length``, ``characters`` or ``check_character``.
    """
    if len(text) != RECORD_ID_LENGTH:
        raise _refuse("length", f"Mã tra cứu gồm đúng {RECORD_ID_LENGTH} ký tự, mã này có {len(text)}.")
    if not _ALLOWED.issuperset(text):
        raise _refuse("characters", "Mã tra cứu chỉ gồm chữ số và chữ in hoa không dấu, trừ I, L, O, U.")
    if not _check_passes(text):
        raise _refuse("check_character", "Mã tra cứu có ký tự sai: ký tự kiểm tra không khớp.")
    return text


def group(code: str) -> str:
    """As printed, in groups of four: ``XXXX-XXXX-XXXX-XXXX-X`` for a record id."""
    return "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def new_slip_code(random: bytes) -> str:
    """The code of an activation slip: 55 of the bits of 7 random bytes (from a CSPRNG). Raises ValueError for
    another length.
    """
    if len(random) != 7:
        raise ValueError("a slip's code takes exactly 7 random bytes")
    number = int.from_bytes(random)
    return _checked([number >> 5 * i & 31 for i in range(SLIP_CODE_LENGTH - 1)])


def new_share_code(letter: str, random: bytes) -> str:
    """A share code that begins with ``letter`` (of :data:`ALPHABET`) and goes on with 5 random bytes (40
    bits, from a CSPRNG). Raises ValueError for other lengths.
    """
    if len(letter) != 1 or letter not in _ALLOWED or len(random) != 5:
        raise ValueError("a share code takes one letter and exactly 5 random bytes")
    number = int.from_bytes(random)
    return _checked([_VALUE[letter], *(number >> 5 * (7 - i) & 31 for i in range(8))])


def group_share_code(code: str) -> str:
    """As shown: ``XXXX-XXXX-XX``."""
    return "-".join((code[:4], code[4:8], code[8:]))


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
        raise _refuse(
            "length", f"Mã đối chiếu trong mã QR gồm đúng {DIGEST_LENGTH} ký tự, mã này có {len(text)}."
        )
    if not _ALLOWED.issuperset(text):
        raise _refuse("characters", "Mã đối chiếu chỉ gồm chữ số và chữ in hoa không dấu, trừ I, L, O, U.")
    number = int(text.translate(_TO_BASE_32), 32)
    if number & (1 << _PADDING_BITS) - 1:
        raise _refuse("padding", "Mã đối chiếu sai ở ký tự cuối.")
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
            raise _refuse("grammar", "Mã phải có dạng <mã tra cứu>.<mã đối chiếu>.")
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

    ``former`` holds hosts (``hocba.example.vn``, ``hocba.example.vn:8443``) or whole origins. ``authorities``
    are all of them in lower case, without default ports. Raises InvalidInput.
    """

    def __init__(self, public_url: str, former: tuple[str, ...] = ()) -> None:
        self.public_url = public_url
        origins = [_origin(public_url)]
        origins += [_origin(text if "://" in text else f"https://{text}") for text in former]
        self.authorities = frozenset(authority for _, authority in origins)

    def own(self, scheme: str, authority: str) -> bool:
        """Whether a URL of this scheme and authority is ours. Plain http is accepted: it only names the
        record.
        """
        lowered = scheme.lower()
        return authority.isascii() and _without_default_port(lowered, authority) in self.authorities

    def own_damaged(self, authority: str) -> bool:
        """Whether ``authority`` may be one of ours after an input method turned keystrokes into marks.

        Marks are taken off; what is left must be one of our hosts with no more letters missing than there
        were marks. The record id's check character still has to pass, so this only keeps foreign links out.
        """
        plain, marks = _strip_marks(authority.lower())
        return any(
            0 <= len(own) - len(plain) <= marks and _is_subsequence(plain, own) for own in self.authorities
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
    """What the text of a QR is. MALFORMED: it points at us, but grammar or check character says no.
    FOREIGN_LINK: it opens something that is not this portal. FOREIGN: it opens nothing (a wireless network, a
    visiting card, a text).
    """

    LOCATOR = "locator"
    MALFORMED = "malformed"
    FOREIGN_LINK = "foreign_link"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Code:
    """A scanned text; ``locator`` is set for LOCATOR only."""

    kind: Kind
    locator: Locator | None = None


def read_code(text: str, hosts: Hosts) -> Code:
    """What a scanned QR says. Total: never raises.

    Accepted: http or https, a current or former host, ``/V/`` or ``/v/``, one locator in upper or lower case
    (exactly what the web page would redirect). Everything else at our hosts is MALFORMED, elsewhere
    FOREIGN_LINK, and FOREIGN where it is no link.
    """
    match = _LINK.match(text.strip())
    if match is None or not hosts.own(match[1], match[2]):
        return Code(Kind.FOREIGN_LINK if leads_elsewhere(text) else Kind.FOREIGN)
    if len(text) > MAX_TEXT or text != text.strip():
        return Code(Kind.MALFORMED)
    path = match[3] or ""
    canonical = canonical_path(path[3:]) if path[:3] in ("/V/", "/v/") and match.end() == len(text) else None
    if canonical is None:
        return Code(Kind.MALFORMED)
    return Code(Kind.LOCATOR, Locator.parse(canonical))


def strangest(codes: Iterable[Code]) -> Kind:
    """Of codes that are not ours the kind to warn of first: one that opens something."""
    return Kind.FOREIGN_LINK if any(c.kind is Kind.FOREIGN_LINK for c in codes) else Kind.FOREIGN


#: What a telephone opens: an address with its scheme, or a bare host name with or without a path. Browsers
#: mend ``http:/host`` and ``http:\\host``.
_OPENS: Final = re.compile(
    r"\s*(?:(?:[a-z][a-z0-9+.-]*://|https?:)\S|(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::[0-9]+)?(?:[/?#]\S*)?\s*\Z)",
    re.IGNORECASE | re.ASCII,
)


def leads_elsewhere(text: str) -> bool:
    """Whether a text that is not ours is an address that a telephone would open."""
    return _OPENS.match(text) is not None


# ---------------------------------------------------------------------------------------------- typed codes


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed: a record id, the first 8 characters of a digest or a whole locator if given."""

    record_id: str
    short_digest: str | None = None
    locator: Locator | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """A kind of typed code: how many characters its check character covers, how long it may be with what
    follows, and in which groups people type it.
    """

    checked: int
    lengths: tuple[int, ...]
    layouts: tuple[tuple[int, ...], ...]

    def fits(self, plain: str) -> bool:
        """One of the lengths, characters of the alphabet, and check character (and padding) fit."""
        if len(plain) not in self.lengths or any(c not in _VALUE for c in plain):
            return False
        if len(plain) == _WHOLE_LOCATOR and _VALUE[plain[-1]] & (1 << _PADDING_BITS) - 1:
            return False
        return _check_passes(plain[: self.checked])


_WHOLE_LOCATOR: Final = RECORD_ID_LENGTH + DIGEST_LENGTH
_RECORD: Final = _Form(
    RECORD_ID_LENGTH,
    (RECORD_ID_LENGTH, RECORD_ID_LENGTH + SHORT_DIGEST_LENGTH, _WHOLE_LOCATOR),
    # The id in one or in groups of four, the digest's start in one or two.
    tuple(
        head + tail
        for head in ((RECORD_ID_LENGTH,), (4, 4, 4, 4, 1))
        for tail in ((), (SHORT_DIGEST_LENGTH,), (4, 4), (DIGEST_LENGTH,))
    ),
)
_SHARE: Final = _Form(
    SHARE_CODE_LENGTH, (SHARE_CODE_LENGTH,), ((SHARE_CODE_LENGTH,), (4, 4, 2), (5, 5), (4, 6))
)
_SLIP: Final = _Form(SLIP_CODE_LENGTH, (SLIP_CODE_LENGTH,), ((SLIP_CODE_LENGTH,), (4, 4, 4), (6, 6)))

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
    groups = _groups(body)
    if not groups:
        raise _refuse("empty", "Chưa có mã. Nhập mã tra cứu in cạnh mã QR, hoặc dán liên kết.")

    plain = "".join(groups).translate(_LOOKALIKES)
    if _RECORD.fits(plain):
        return _typed(plain)
    found = _undo_input_method(groups)
    if len(found) == 1:
        return _typed(found.pop())
    certain = {code[:RECORD_ID_LENGTH] for code in found}
    if len(found) > 1 and len(certain) == 1:
        raise _refuse(
            "ambiguous",
            f"Mã tra cứu là {group(certain.pop())}, nhưng bộ gõ tiếng Việt đã đổi 8 ký tự theo sau "
            "nên đọc được theo nhiều cách. Tắt bộ gõ rồi nhập lại 8 ký tự đó.",
        )
    if len(found) > 1:
        raise _ambiguous()
    raise _why_unreadable(plain, is_link=is_link)


def read_share_code(text: str, letters: str) -> str:
    """The share code that somebody typed, as :func:`read_typed` reads a record id; ``letters`` are those that
    a code may begin with.

    Raises InvalidInput: ``empty``, ``too_long``, ``characters``, ``length``, ``check_character``,
    ``ambiguous``.
    """
    empty = "Chưa có mã. Nhập mã chia sẻ mà gia đình đã đưa, gồm 10 chữ và số."
    return _read_code(text, _SHARE, SHARE_CODE_LENGTH, called="mã chia sẻ", empty=empty, letters=letters)


def read_slip_code(text: str) -> str:
    """The code of an activation slip that somebody typed; the same, and the same errors."""
    empty = "Nhập mã kích hoạt in trên giấy của nhà trường, gồm 12 chữ và số."
    return _read_code(text, _SLIP, SLIP_CODE_LENGTH, called="mã kích hoạt", empty=empty, letters=ALPHABET)


def _read_code(text: str, form: _Form, length: int, *, called: str, empty: str, letters: str) -> str:
    """A typed code of one part; ``called`` is its name in the sentences."""
    if len(text) > MAX_TEXT:
        raise _refuse("too_long", f"Nội dung quá dài. Chỉ nhập {called}, gồm {length} chữ và số.")
    groups = _groups(_fold(text))
    if not groups:
        raise _refuse("empty", empty)
    plain = "".join(groups).translate(_LOOKALIKES)
    if form.fits(plain) and plain[0] in letters:
        return plain
    found = {code for code in _undo_input_method(groups, form) if code[0] in letters}
    if len(found) == 1:
        return found.pop()
    if found:
        raise _ambiguous()
    if _MARKED.search(unicodedata.normalize("NFD", plain)):
        raise _marked()
    named = called.capitalize()
    if any(c not in _VALUE for c in plain):
        raise _refuse("characters", f"{named} chỉ gồm chữ số và chữ cái không dấu, trừ I, L, O, U.")
    if len(plain) != length:
        raise _refuse("length", f"{named} gồm {length} chữ và số, mã vừa nhập có {len(plain)}.")
    raise _refuse("check_character", f"{named} có ký tự gõ sai. So lại từng nhóm 4 ký tự.")


def _groups(text: str) -> list[str]:
    """The parts of a typed code, as they were typed apart."""
    return [g for g in re.split(r"[\s.,;:_/\\-]+", text) if g]


def _ambiguous() -> InvalidInput:
    return _refuse(
        "ambiguous",
        "Bộ gõ tiếng Việt đã đổi một số ký tự nên mã đọc được theo nhiều cách. "
        "Tắt bộ gõ (hoặc chuyển sang tiếng Anh) rồi nhập lại mã.",
    )


def _marked() -> InvalidInput:
    return _refuse(
        "characters",
        "Mã có chữ mang dấu do bộ gõ tiếng Việt và không khôi phục được. "
        "Tắt bộ gõ (hoặc chuyển sang tiếng Anh) rồi nhập lại mã.",
    )


_WIDE: Final = {0xFF01 + n: 0x21 + n for n in range(94)}  # as East Asian keyboards write ASCII


def _fold(text: str) -> str:
    """Upper case; every kind of dash or space a plain one, wide letters plain; invisible characters go.

    Not normalised: on the Vietnamese keyboard layout the order of marks is the order of keys.
    """
    result = []
    for character in text.upper().translate(_WIDE):
        category = unicodedata.category(character)
        if category in ("Cf", "Cc") and character not in "\t\r\n":
            continue
        if category == "Pd":
            result.append("-")
        elif category.startswith("Z") or character in "\t\r\n":
            result.append(" ")
        else:
            result.append("Đ" if character == "Ð" else character)  # U+00D0, the usual look-alike
    return "".join(result).strip()


def _after_link(folded: str, hosts: Hosts) -> str | None:
    """The code in a link (also one inside a message), or None when there is no link at all."""
    links = [re.search(r"(HTTPS?)://([^/?#\s]+)(/[^?#\s]*)?", word) for word in folded.split()]
    if not any(links):
        return None
    ours = []
    for link in filter(None, links):  # the first of a word: one in another's question opens that other page
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
        return _marked()
    strange = sorted({c for c in plain if c not in _VALUE})
    if strange:
        shown = " ".join(c for c in strange if c.isprintable())[:40]
        return _refuse(
            "characters",
            f"Mã không dùng ký tự {shown}. Mã chỉ gồm chữ số và chữ cái không dấu, trừ I, L, O, U.",
        )
    if len(plain) not in _RECORD.lengths:
        return _refuse(
            "length",
            f"Mã tra cứu có {RECORD_ID_LENGTH} ký tự (thêm {SHORT_DIGEST_LENGTH} ký tự mã đối chiếu nếu có); "
            f"mã vừa nhập có {len(plain)}. So lại từng nhóm 4 ký tự.",
        )
    return _refuse("check_character", "Có ký tự gõ sai. So lại từng nhóm 4 ký tự với mã in trên học bạ.")


# ---------------------------------------------------------------------------------------------- input methods

_CIRCUMFLEX, _BREVE, _HORN, _STROKE = "\u0302", "\u0306", "\u031b", "\u0335"
_TONES: Final = "\u0301\u0300\u0309\u0303\u0323"  # sắc, huyền, hỏi, ngã, nặng
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VOWELS: Final = frozenset("AEIOUYW")  # W because it becomes Ư
_MOST_UNMARKED: Final = 2  # keystrokes lost without any mark that are still tried


class _TooMany(Exception):  # noqa: N818 - leaves a search, is no error
    """More spellings than we are willing to try; ``beginnings`` are those of the first eight keystrokes, if
    known.
    """

    def __init__(self, beginnings: list[str]) -> None:
        super().__init__()
        self.beginnings = beginnings


@dataclass(frozen=True, slots=True, eq=False)
class _Method:
    """How one input method spends keystrokes. ``shapes``: key → the letters it marks and the mark it gives
    each.
    """

    tones: str  # keys of the five tone marks, in the order of _TONES
    shapes: Mapping[str, Mapping[str, str]]
    lone_w: bool  # the key W alone gives Ư

    def key_of(self, base: str, mark: str) -> str | None:
        """The key that puts ``mark`` on ``base``; None when no key does."""
        if mark in _TONES:
            return self.tones[_TONES.index(mark)]
        return next((key for key, marks in self.shapes.items() if marks.get(base) == mark), None)


_TELEX: Final = _Method(
    "SFRXJ",
    {
        "A": {"A": _CIRCUMFLEX},
        "E": {"E": _CIRCUMFLEX},
        "O": {"O": _CIRCUMFLEX},
        "D": {"D": _STROKE},
        "W": {"A": _BREVE, "O": _HORN, "U": _HORN},
    },
    lone_w=True,
)
_VNI: Final = _Method(
    "12345",
    {
        "6": {"A": _CIRCUMFLEX, "E": _CIRCUMFLEX, "O": _CIRCUMFLEX},
        "7": {"O": _HORN, "U": _HORN},
        "8": {"A": _BREVE},
        "9": {"D": _STROKE},
    },
    lone_w=False,
)


def _undo_input_method(groups: list[str], form: _Form = _RECORD) -> set[str]:
    """The codes whose keystrokes an input method may have turned into ``groups``; one of them means
    certainty.

    Telex consumes keystrokes: ``W``→``Ư``, ``DD``→``Đ``, ``AA``→``Â``, ``EE``→``Ê``, ``OO``→``Ô``,
    ``AW``→``Ă``, ``OW``→``Ơ``, and S F R X J become the tone mark of a vowel typed earlier in the word. So
    each mark gives back one keystroke, at any place from its letter (a tone: from the first vowel) to the end
    of that run of letters, because engines mark freely and differ in where they put a tone. A doubled key
    that cancels (``ASS``→``AS``, ``WW``→``W``) and a tone that a later one replaces (``ASF``→``À``) lose a
    keystroke without a mark; up to two are put back in a record id when exactly so many are missing and other
    marks show that an input method was on (else a character was left out, which nobody can put back). VNI
    does the same with the digits 1–9; its unmarked losses are not tried. The Vietnamese keyboard layout types
    Ă Â Ê Ô, the tone marks and Đ with the keys 1–9, 0, which is undone without any choice.

    Spellings survive if typing them again gives what was read (:func:`_shows`), if the check character fits
    (a wrong one does in 1 of 32 cases) and if the groups of four come out whole where they were typed apart.
    Not recoverable: two spellings that all this fits; a tone that Z removed (both keys leave no trace); marks
    in the digest that can be read more than one way, since no check character covers it. A whole digest read
    more than one way still gives its first eight characters when those agree. Where the truth is among the
    unrecoverable a wrong spelling can fit by chance (measured: fewer than 1 code in 100): it names no record
    and is answered as unknown.
    """
    layout = _undo_layout(groups)
    if layout is not None and form.fits(layout):
        return {layout}
    return _codes(groups, form, _TELEX) | _codes(groups, form, _VNI)


def _undo_layout(groups: list[str]) -> str | None:
    """What was typed on the Vietnamese keyboard layout (Windows, XKB ``vn``), or None when it was not.

    That layout has no digits without AltGr, so a single plain digit rules it out.
    """
    result: list[str] = []
    for character in "".join(groups):
        if character.isdecimal():
            return None
        # A letter with two marks is one key for the letter and its shape, then one for the tone.
        parts = sorted(unicodedata.normalize("NFD", character), key=lambda c: c in _TONES)
        for part in parts:
            if part in _TONES:
                result.append(
                    {"\u0300": "5", "\u0309": "6", "\u0303": "7", "\u0301": "8", "\u0323": "9"}[part]
                )
            elif part in (_BREVE, _CIRCUMFLEX) and result:
                result[-1] = _LAYOUT_SHAPES.get((result[-1], part), part)
            else:
                result.append("0" if part == "Đ" else part)
    return "".join(result).translate(_LOOKALIKES)


_LAYOUT_SHAPES: Final = {
    ("A", _BREVE): "1",
    ("A", _CIRCUMFLEX): "2",
    ("E", _CIRCUMFLEX): "3",
    ("O", _CIRCUMFLEX): "4",
}


def _codes(groups: list[str], form: _Form, method: _Method) -> set[str]:
    """Well-formed codes behind ``groups`` under one input method; empty when none or too many fit."""
    lengths = [_keystrokes(g, method) for g in groups]
    unmarked = _MOST_UNMARKED if method.lone_w and any(not g.isascii() for g in groups) else 0
    for layout in form.layouts:
        if len(layout) == len(groups):
            missing = tuple(size - length for size, length in zip(layout, lengths, strict=True))
            # What follows the record id has no check character, so nothing is guessed there: a digest read
            # wrong would make a genuine paper "different".
            allowed = [unmarked if sum(layout[:i]) < form.checked else 0 for i in range(len(layout))]
            if all(0 <= m <= most for m, most in zip(missing, allowed, strict=True)):
                return _assemble(groups, missing, form, method)
    for total in form.lengths:
        if 0 <= total - sum(lengths) <= (unmarked if total == form.checked else 0):
            shares = product(range(total - sum(lengths) + 1), repeat=len(groups))
            fitting = [s for s in shares if sum(s) == total - sum(lengths)]
            return set().union(*(_assemble(groups, missing, form, method) for missing in fitting))
    return set()


def _assemble(groups: list[str], missing: tuple[int, ...], form: _Form, method: _Method) -> set[str]:
    """Well-formed codes among all spellings of the groups, with so many unmarked keystrokes put back into
    each.

    Where only a digest can be read in several ways, codes that end after its first eight characters remain.
    """
    texts = [""]
    for group_text, count in zip(groups, missing, strict=True):
        if len(texts[0]) == form.checked:
            texts = [t for t in texts if all(c in _VALUE for c in t) and _check_passes(t)]
            if not texts:
                return set()
        try:
            spellings = _spellings(group_text, count, method)
        except _TooMany as many:
            if len(texts[0]) != form.checked or not many.beginnings:
                return set()
            spellings = many.beginnings
        if not spellings or len(spellings) * len(texts) > MAX_CANDIDATES:
            return set()
        texts = [a + b.translate(_LOOKALIKES) for a, b in product(texts, spellings)]
    found = {t for t in texts if form.fits(t)}
    if len(found) > 1 and len(texts[0]) == _WHOLE_LOCATOR:
        found = {t[: RECORD_ID_LENGTH + SHORT_DIGEST_LENGTH] for t in found}
    return found


def _spellings(text: str, missing: int, method: _Method) -> list[str]:
    """Keystrokes behind one group, word by word (a word is a run of letters). Raises _TooMany beyond
    MAX_CANDIDATES, with all beginnings of eight keystrokes if no more than that can be told.
    """
    states: dict[int, list[str]] = {0: [""]}  # unmarked keystrokes put back so far → spellings
    for word in _WORD.findall(unicodedata.normalize("NFD", text).replace("Đ", f"D{_STROKE}")):
        following: dict[int, list[str]] = {}
        for used, beginnings in states.items():
            for more in range(missing - used + 1 if word[0] in _LETTERS else 1):
                endings = _word_spellings(word, more, method)
                if len(endings) * len(beginnings) > MAX_CANDIDATES:
                    short = {b[:SHORT_DIGEST_LENGTH] for b in beginnings}
                    whole = all(len(b) == SHORT_DIGEST_LENGTH for b in short) and not missing
                    raise _TooMany(sorted(short) if whole else [])
                following.setdefault(used + more, []).extend(a + b for a, b in product(beginnings, endings))
        states = following
    return list(dict.fromkeys(states.get(missing, [])))


_WORD: Final = re.compile("[A-Z][A-Z\u0300-\u036f]*|[^A-Z]")


@lru_cache(maxsize=512)
def _word_spellings(word: str, unmarked: int, method: _Method) -> list[str]:
    """Keystrokes that show ``word`` (decomposed): every lost key at every place from its anchor on, and so
    many keys that a later one cancelled or replaced.
    """
    bases: list[str] = []
    lost: list[tuple[int, str]] = []  # (index of the letter it was typed after, key)
    for base, marks in re.findall("(.)([\u0300-\u036f]*)", word, re.DOTALL):
        letter = base
        for mark in marks:
            if mark == _HORN and base == "U" and method.lone_w:
                letter = "W"
            else:
                first = next((i for i, b in enumerate(bases) if b in _VOWELS), len(bases))
                lost.append((first if mark in _TONES else len(bases), method.key_of(base, mark) or mark))
        bases.append(letter)
    spellings = ["".join(bases)]
    if not lost and not unmarked:
        return spellings
    # Farthest anchor first, so that the indexes of the nearer anchors stay true while keys are put in.
    for anchor, key in sorted(lost, reverse=True):
        spellings = _bounded(s[:i] + key + s[i:] for s in spellings for i in range(anchor + 1, len(s) + 1))
    for _ in range(unmarked):
        more = (
            s[:i] + key + s[i:]
            for s in spellings
            for i in range(len(s))
            for key in {*method.tones, *(method.shapes.keys() & set(s[i:]))}
        )
        spellings = _bounded(more)
    return [s for s in spellings if _types(s, word, method)]


def _bounded(spellings: Iterable[str]) -> list[str]:
    """Distinct spellings of a word; raises _TooMany."""
    distinct = list(dict.fromkeys(islice(spellings, _MAX_WORD_SPELLINGS + 1)))
    if len(distinct) > _MAX_WORD_SPELLINGS:
        raise _TooMany([])
    return distinct


def _keystrokes(text: str, method: _Method) -> int:
    """How many keys ``text`` took, those that left no mark not counted."""
    decomposed = unicodedata.normalize("NFD", text.replace("Đ", "DD"))
    return len(decomposed) - (decomposed.count(f"U{_HORN}") if method.lone_w else 0)


def _types(keys: str, word: str, method: _Method) -> bool:
    """Whether typing ``keys`` shows ``word``, in one of the ways in which engines differ: marks reach back
    over the word or to the letter before only; W alone is a letter or not. Where the tone mark lands is left
    open.
    """
    plain = "".join(c for c in word if c not in _TONES)
    tone = "".join(c for c in word if c in _TONES)
    return any(
        _shows(keys, method, reach=reach, lone_w=lone_w) == (plain, tone)
        for reach in (True, False)
        for lone_w in ((True, False) if method.lone_w and "W" in keys else (False,))
    )


def _shows(keys: str, method: _Method, *, reach: bool, lone_w: bool) -> tuple[str, str]:
    """What an input method makes of the keys of one word: (decomposed text without tone, tone mark)."""
    word: list[list[str]] = []  # letter, its shape mark
    tone = ""
    for k in keys:
        if k in method.tones and any(letter in _VOWELS for letter, _ in word):
            mark = _TONES[method.tones.index(k)]
            if tone != mark:
                tone = mark
                continue
            tone = ""  # the same key again: the mark goes, the key stands
        elif k == "Z" and tone and method.lone_w:
            tone = ""
            continue
        else:
            shapes = method.shapes.get(k, {})
            near = [w for w in (word if reach else word[-1:]) if w[0] in shapes]
            if near and near[-1][1] != shapes[near[-1][0]]:
                near[-1][1] = shapes[near[-1][0]]
                continue
            if near and near[-1][0] == "U":
                word.remove(near[-1])  # it was W alone
            elif near:
                near[-1][1] = ""
            elif k == "W" and lone_w:
                word.append(["U", _HORN])
                continue
        word.append([k, ""])
    return "".join(map("".join, word)), tone
