"""Vietnamese text that went through an older encoding: is it what it seems, and if not, what was it?

For class files only. A text is converted when exactly one reading makes every accented word a Vietnamese
syllable; otherwise it stays as it is, or is called damaged so that a person looks. Known sources of damage:
TCVN3 (ABC, fonts ``.VnTime``; TCVN 5712:1993 VN3), VNI for Windows (fonts ``VNI-Times``), and UTF-8 that was
read as windows-1252, windows-1258 or Latin-1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Final

_TONES: Final = "\u0300\u0301\u0303\u0309\u0323"  # huyền, sắc, ngã, hỏi, nặng
_ONSET: Final = "(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdđghklmnprstvx])?"
_RHYME: Final = "|".join(
    (
        "a(?:ch|nh|ng|[cimnoptuy])?",
        "ă(?:ng|[cmnpt])",
        "â(?:ng|[cmnptuy])",
        "e(?:ng|[cmnopt])?",
        "ê(?:ch|nh|[mnptu])?",
        "i(?:ch|nh|[amnptu])?",
        "iê(?:ng|[cmnptu])",
        "o(?:ng|[cimnpt])?",
        "oa(?:ch|nh|ng|[cimnopty])?",
        "oă(?:ng|[cmnpt])",
        "oe(?:[mnot])?",
        "oo(?:ng|[cn])",
        "ô(?:ng|[cimnpt])?",
        "ơ(?:[imnpt])?",
        "u(?:ng|[acimnpt])?",
        "uâ(?:ng|[nty])",
        "uê(?:ch|nh|[nu])?",
        "uô(?:ng|[cimnpt])",
        "uơ(?:[nt])?",
        "uy(?:ch|nh|[amnptu])?",
        "uyê(?:[ntu])",
        "ư(?:ng|[acimnptu])?",
        "ươ(?:ng|[cimnptu])",
        "y(?:ch|nh|[mnpt])?",
        "yê(?:ng|[mntu])",
    )
)
_SYLLABLE: Final = re.compile(f"{_ONSET}(?:{_RHYME})")
_STOPPED: Final = re.compile(r".*(?:ch|[cpt])")
_ALPHABET: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzăâđêôơư"
    + "".join(unicodedata.normalize("NFC", v + t) for v in "aăâeêioôơuưy" for t in _TONES)
)
_LOOK_ALIKES: Final = str.maketrans("Ððɖ", "Đđđ")
_TYPOGRAPHY: Final = "–—‘’“”…•"  # signs that have the same code in windows-1252 and in the old fonts
_PUNCTUATION: Final = frozenset("–—‘’ʼ“”…•°²³₫\u00a0\u200b\ufeff")


class Reading(Enum):
    """How a text may be taken."""

    PLAIN = "plain"  # as it stands
    UNSURE = "unsure"  # as it stands, though an older encoding would give Vietnamese words too
    CONVERTED = "converted"  # exactly one older encoding gives Vietnamese words, as it stands it does not
    DAMAGED = "damaged"  # not Vietnamese as it stands, and no single conversion helps


@dataclass(frozen=True, slots=True)
class Repaired:
    """``text`` to use; ``encoding`` names the conversion behind CONVERTED. ``options`` are the (font
    encoding, text) that an UNSURE or a DAMAGED text may stand for, if something else decides between them.
    """

    reading: Reading
    text: str
    encoding: str = ""
    options: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=20_000)
def repair(text: str) -> Repaired:
    """What ``text`` most likely was before an encoding was mistaken.

    1. Question marks inside words are letters that were lost for good: damaged.
    2. What decodes as UTF-8 was UTF-8: no real text does so by chance.
    3. The font encodings are tried. One counts if it maps all of the text and leaves only Vietnamese
       syllables among the accented words.
    4. As it stands it is Vietnamese: plain, or unsure when a font encoding counts too. It is not: converted
       when exactly one counts; damaged when several do, or when it holds symbols or letter pairs that a font
       encoding leaves behind; else plain (names of ethnic minorities and of foreigners are no syllables and
       are not touched).
    """
    if letters_lost(text):
        return Repaired(Reading.DAMAGED, text)
    if text.isascii():
        return Repaired(Reading.PLAIN, text)
    for codec in ("cp1252", "cp1258"):
        misread = _from_misread_utf8(text, codec)
        if misread is not None:
            return Repaired(Reading.CONVERTED, misread, f"UTF-8 đọc nhầm thành {codec}")
    options: dict[str, str] = {}
    for name, from_font in _FONT_ENCODINGS.items():
        converted = from_font(text)
        if converted is not None and converted != text and is_vietnamese(converted):
            options[name] = converted
    if is_vietnamese(text):
        return Repaired(Reading.UNSURE if options else Reading.PLAIN, text, "", tuple(options.items()))
    if len(options) == 1:
        name, converted = options.popitem()
        return Repaired(Reading.CONVERTED, converted, name)
    leftover = _has_symbols(text) or any(
        pair in _VNI and not is_vietnamese(pair) for pair in (a + b for a, b in pairwise(text))
    )
    damaged = bool(options) or leftover
    return Repaired(Reading.DAMAGED if damaged else Reading.PLAIN, text, "", tuple(options.items()))


def is_font_encoding(name: str) -> bool:
    """Whether a conversion of that name is one of a whole font, not a misread of UTF-8."""
    return name in _FONT_ENCODINGS


def from_font(text: str, encoding: str) -> str | None:
    """``text`` read in the font encoding of that name; None when it holds what that encoding has no letter
    for.
    """
    return _FONT_ENCODINGS[encoding](text)


def font_readings(text: str) -> dict[str, str]:
    """Font encoding → what ``text`` is in it, Vietnamese or not."""
    found = {name: read(text) for name, read in _FONT_ENCODINGS.items()}
    return {name: reading for name, reading in found.items() if reading is not None}


def letters_lost(text: str) -> bool:
    """Whether question marks stand inside words: letters that no conversion brings back."""
    return re.search(r"\w\?+\w|(?<!\S)\?+\w", text) is not None


def surely_unicode(text: str) -> bool:
    """Whether ``text`` has Vietnamese letters that no one-byte font encoding could have left behind."""
    return any(c in _ALPHABET and ord(c) > 0xFF for c in unicodedata.normalize("NFC", text).lower())


def decode(data: bytes) -> str | None:
    """Text of a CSV or JSON Lines file: by its byte order mark, else UTF-16, UTF-8, windows-1258,
    windows-1252.

    A file that is not UTF-8 is read in the encoding that makes more words Vietnamese; one in TCVN3 or VNI
    comes out as windows-1252 and is converted cell by cell. None when the bytes are no text.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decoded(data, encoding)
    head = data[:4096]
    if b"\0" in head:
        # UTF-16 without a mark: in a text that is mostly ASCII every second byte is zero.
        even, odd = head[0::2].count(0), head[1::2].count(0)
        return (
            _decoded(data, "utf-16-le" if odd > even else "utf-16-be")
            if max(even, odd) > len(head) / 8
            else None
        )
    text = _decoded(data, "utf-8")
    if text is not None:
        return text
    western = data.decode("cp1252", errors="replace").replace("\ufffd", "\x81")
    vietnamese = _decoded(data, "cp1258")
    if vietnamese is not None:
        vietnamese = unicodedata.normalize("NFC", vietnamese)
        if _foreign_words(vietnamese) < sum(_foreign_words(repair(w).text) for w in western.split()):
            return vietnamese
    return western


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).translate(_LOOK_ALIKES))


def _foreign_words(text: str) -> int:
    """How many words with a letter beyond ASCII are no Vietnamese syllables."""
    return sum(not w.isascii() and not _is_syllable(w) for w in _words(text))


@lru_cache(maxsize=20_000)
def _is_syllable(word: str) -> bool:
    decomposed = unicodedata.normalize("NFD", word.lower())
    tones = [c for c in decomposed if c in _TONES]
    plain = unicodedata.normalize("NFC", "".join(c for c in decomposed if c not in _TONES))
    if len(tones) > 1 or not _SYLLABLE.fullmatch(plain):
        return False
    # A syllable that ends in c, ch, p or t carries sắc or nặng.
    return not _STOPPED.fullmatch(plain) or (bool(tones) and tones[0] in "\u0301\u0323")


def is_vietnamese(text: str) -> bool:
    """Whether every accented word is a Vietnamese syllable and no sign of an old encoding stands in it."""
    return not _has_symbols(text) and _foreign_words(text) == 0


def _has_symbols(text: str) -> bool:
    """Whether there are signs that old font encodings leave behind: those of windows-1252 beyond ASCII that
    are neither letters nor usual punctuation, C1 controls, and the mark of a failed conversion.
    """
    return any(
        c == "\ufffd"
        or "\x80" <= c < "\xa0"
        or (
            not c.isascii()
            and c not in _PUNCTUATION
            and unicodedata.category(c) not in ("Lu", "Ll", "Mn")
            and _in_cp1252(c)
        )
        for c in unicodedata.normalize("NFC", text)
    )


def _in_cp1252(character: str) -> bool:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------------------------------------- conversions

_TCVN3: Final = dict(
    zip(
        bytes.fromhex(
            "a1a2a3a4a5a6a7a8a9aaabacadaeb5b6b7b8b9bbbcbdbec6c7c8c9cacbcccecfd0d1d2d3d4d5d6d7d8dcdddedf"
            "e1e2e3e4e5e6e7e8e9eaebecedeeeff1f2f3f4f5f6f7f8f9fafbfcfdfe"
        ),
        "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
        strict=True,
    )
)
_VNI_TONES: Final = dict(zip("ùøûõï", "\u0301\u0300\u0309\u0303\u0323", strict=True))
_VNI_BREVE: Final = dict(zip("êéèúüë", ("", "\u0301", "\u0300", "\u0309", "\u0303", "\u0323"), strict=True))
_VNI_CIRCUMFLEX: Final = dict(
    zip("âáàåãä", ("", "\u0301", "\u0300", "\u0309", "\u0303", "\u0323"), strict=True)
)


def _vni_table() -> dict[str, str]:
    """One or two characters of a VNI font → one letter, lower and upper case."""
    table = {"í": "í", "ì": "ì", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "ô": "ơ", "ö": "ư", "î": "ỵ", "ñ": "đ"}
    for base, letter in (("a", "a"), ("e", "e"), ("o", "o"), ("u", "u"), ("y", "y"), ("ô", "ơ"), ("ö", "ư")):
        table |= {base + mark: letter + tone for mark, tone in _VNI_TONES.items()}
    table |= {"a" + mark: "ă" + tone for mark, tone in _VNI_BREVE.items()}
    table |= {base + mark: base + "\u0302" + tone for base in "aeo" for mark, tone in _VNI_CIRCUMFLEX.items()}
    table = {key: unicodedata.normalize("NFC", value) for key, value in table.items()}
    return table | {key.upper(): value.upper() for key, value in table.items()}


_VNI: Final = _vni_table()


def _from_tcvn3(text: str) -> str | None:
    try:
        data = text.encode("cp1252")
    except UnicodeEncodeError:
        return None
    kept = _TYPOGRAPHY.encode("cp1252") + b"\xa0"
    if any(b >= 0x80 and b not in _TCVN3 and b not in kept for b in data):
        return None
    words = []
    for word in re.split(r"(\s+)", text):
        converted = "".join(_TCVN3.get(c.encode("cp1252")[0], c) for c in word)
        # The capitals of TCVN3 are a font of their own: the word carries small letters under large ones.
        letters = [c for c in word if c.isascii() and c.isalpha()]
        capitals = len(letters) > 1 and all(c.isupper() for c in letters)
        words.append(converted.upper() if capitals else converted)
    return "".join(words)


def _from_vni(text: str) -> str | None:
    result = []
    index = 0
    while index < len(text):
        pair = text[index : index + 2]
        mixed = pair[:1] + pair[1:].lower() if pair[:1].isupper() else pair
        if pair in _VNI and len(pair) == 2:
            result.append(_VNI[pair])
        elif len(mixed) == 2 and mixed.lower() in _VNI and pair[:1].isupper():
            result.append(_VNI[mixed.lower()].upper())
        elif pair[:1] in _VNI:
            result.append(_VNI[pair[:1]])
            index -= 1
        elif pair[:1].isascii() or pair[:1] in _TYPOGRAPHY:
            result.append(pair[:1])
            index -= 1
        else:
            return None
        index += 2
    return "".join(result)


def _from_misread_utf8(text: str, codec: str) -> str | None:
    try:
        # Bytes that the code page leaves open come out as C1 controls of the same value.
        data = b"".join(
            bytes([ord(c)]) if 0x80 <= ord(c) < 0xA0 else c.encode(codec)
            for c in unicodedata.normalize("NFC", text)
        )
        return data.decode("utf-8")
    except UnicodeError:
        return None


_FONT_ENCODINGS: Final[dict[str, Callable[[str], str | None]]] = {
    "TCVN3 (ABC)": _from_tcvn3,
    "VNI": _from_vni,
}
