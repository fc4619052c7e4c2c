"""Untrusted bytes before any parser: what they are, where signed ranges lie, where the file may have ended.

Everything here is a plain search over raw bytes, cheap and safe enough for the process that asks.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice

from verifier.policy import Limits
from verifier.report import Prefix

HEADER_WINDOW = 1024  # a PDF header may be preceded by a little rubbish (ISO 32000-1, annex H.3, note 12)


class Content(StrEnum):
    """What the bytes are, by themselves; the file's name is never asked."""

    PDF = "pdf"
    IMAGE = "image"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    XML_RECORD = "xml_record"  # the sector's signed XML: a school record, but not one we can check
    XML = "xml"
    ZIP = "zip"  # also .docx, .xlsx, .odt
    HEIC = "heic"  # an image whose decoder cannot work without a thread
    NOT_PDF_OR_IMAGE = "not_pdf_or_image"


#: Major brands of ISO/IEC 23008-12 that stand for HEVC pictures, as phones write them.
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_XML_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]")
_RECORD_ROOTS = frozenset({b"HOC_BA", b"HOCBA", b"DU_LIEU_HOC_BA"})


def sniff(data: bytes, limits: Limits) -> Content:
    """Decide what ``data`` is from its first kilobytes (SEC-10).

    Where two formats share a file, the one whose signature stands at the first byte decides, because every
    reader of it agrees that the file is one; a PDF alone may begin later. So a picture that carries a PDF
    inside is the picture that people see, and no more than its code can speak; bytes that we registered
    never get here.
    """
    if not data:
        return Content.EMPTY
    if len(data) > limits.size:
        return Content.TOO_LARGE
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Content.ZIP  # a stored, uncompressed PDF begins within the window
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    ):
        return Content.IMAGE
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return Content.HEIC
    if b"%PDF-" in data[:HEADER_WINDOW]:
        return Content.PDF
    return _sniff_text(data)


def _sniff_text(data: bytes) -> Content:
    """XML by its first element. UTF-16 counts too: Windows software likes to write it."""
    head = data[: 16 * 1024]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    root = _XML_ROOT.search(head) if head.startswith(b"<") else None
    if root is None or root[1].lower() in (b"html", b"svg"):
        return Content.NOT_PDF_OR_IMAGE
    return Content.XML_RECORD if root[1].upper() in _RECORD_ROOTS else Content.XML


ByteRange = tuple[int, int, int, int]


def read_byte_range(values: Sequence[object]) -> ByteRange | None:
    """The four non-negative integers [0, a, b, c] with a < b of ISO 32000-2, table 255, else None."""
    if len(values) != 4 or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return None
    zero, a, b, c = (int(v) for v in values if isinstance(v, int))
    # No file of ours is that long, and a report carries numbers that every JSON reader can hold.
    return (zero, a, b, c) if zero == 0 <= a < b < 1 << 53 and 0 <= c < 1 << 53 else None


def gap_fault(data: bytes, byte_range: ByteRange, contents: bytes | None) -> str:
    """Whether the gap belongs to the signature and to nothing else; empty when it does, else a reason code.

    Coverage computed from lengths alone leaves room for signature wrapping. Here the bytes ``[a, b)`` must be
    exactly ``<``, hex digits, ``>``, and decode to the very /Contents value that was parsed (None: not
    asked). The digits are all in one case, as every writer writes them: no signature covers how they are
    spelled.
    """
    _, a, b, c = byte_range
    if b + c > len(data):
        return "byte_range_outside_file"
    gap = data[a:b]
    if len(gap) < 4 or gap[:1] != b"<" or gap[-1:] != b">":
        return "gap_not_contents"
    try:
        value = bytes.fromhex(gap[1:-1].decode("ascii"))
    except ValueError:
        return "gap_not_contents"
    # fromhex skips white space, in which bytes could hide
    if len(value) * 2 != len(gap) - 2 or gap not in (gap.lower(), gap.upper()):
        return "gap_not_contents"
    if contents is not None and value != contents:
        return "gap_not_contents"
    return ""


def contents_of(data: bytes, byte_range: ByteRange) -> bytes:
    """The value in the gap of a range that :func:`gap_fault` has accepted."""
    _, a, b, _ = byte_range
    return bytes.fromhex(data[a + 1 : b - 1].decode("ascii"))


def range_digests(
    data: bytes, wanted: Iterable[tuple[ByteRange, str]]
) -> Mapping[tuple[ByteRange, str], bytes]:
    """Message digest of every (range, algorithm), hashing each byte once per algorithm as far as ranges nest.

    Signatures of one file cover growing prefixes, so one hash object rolls over the file and is copied at
    each gap.
    """
    digests: dict[tuple[ByteRange, str], bytes] = {}
    view = memoryview(data)
    pairs = set(wanted)
    for algorithm in {name for _, name in pairs}:
        rolling, position = hashlib.new(algorithm), 0
        for byte_range in sorted({r for r, name in pairs if name == algorithm}, key=lambda r: r[1]):
            _, a, b, c = byte_range
            rolling.update(view[position:a])
            position = a
            branch = rolling.copy()
            branch.update(view[b : b + c])
            digests[byte_range, algorithm] = branch.digest()
    return digests


_NOWHERE = 1 << 62  # behind the end of every file
_END_OF_FILE = re.compile(rb"%%EOF")
_RANGE_TEXT = re.compile(rb"/ByteRange\s*\[\s*0\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]")


def _signed_end(match: re.Match[bytes]) -> int:
    """End of the range that this text names, :data:`_NOWHERE` when it does not cover the text itself."""
    a, b, c = int(match[1]), int(match[2]), int(match[3])
    covered = match.end() <= a or (b <= match.start() and match.end() <= b + c)
    return b + c if 0 < a < b and covered else _NOWHERE


def earlier_ends(data: bytes, limits: Limits) -> tuple[Prefix, ...]:
    """Every place where an earlier state of this file may have ended, with the SHA-256 of everything before
    it.

    Candidates are the ends of signed ranges and each ``%%EOF`` with the line ends that writers put behind it.
    A range counts only where its own text lies inside one of its two parts, as in every signature: one
    written behind a registered file then cannot end before that file does, so whoever appends can only add
    candidates behind its own. The first ``limits.prefixes`` are kept, and no more are gathered:
    neither time nor memory grows with the number of texts.
    """
    ends: set[int] = set()
    ranges = (end for match in _RANGE_TEXT.finditer(data) if (end := _signed_end(match)) < len(data))
    ends.update(heapq.nsmallest(limits.prefixes, ranges))
    for match in islice(_END_OF_FILE.finditer(data), limits.prefixes):
        end = match.end()
        ends.add(end)
        if data[end : end + 2] == b"\r\n":
            ends.add(end + 2)
        if data[end : end + 1] in (b"\r", b"\n"):
            ends.add(end + 1)
    found: list[Prefix] = []
    rolling, position = hashlib.sha256(), 0
    for end in sorted(e for e in ends if 0 < e < len(data))[: limits.prefixes]:
        rolling.update(memoryview(data)[position:end])
        position = end
        found.append(Prefix(end, rolling.copy().hexdigest()))
    return tuple(found)
