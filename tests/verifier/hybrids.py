"""Files that strict reading refuses and people really have: two cross-reference tables in one section.

ISO 32000-2 clause 7.5.8.4: a classic table for old readers, and a stream that /XRefStm names for new ones.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence


def objects(fields: Sequence[str]) -> dict[int, bytes]:
    """One page of text with empty signature fields, one object a number."""
    numbers = [6 + number for number, _ in enumerate(fields)]
    listed = b" ".join(b"%d 0 R" % number for number in numbers)
    content = b"BT /F1 12 Tf 72 770 Td (Don xin chuyen truong) Tj ET"
    parts = {
        1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] /SigFlags 3 >> >>" % listed,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [%s]"
        b" /Resources << /Font << /F1 5 0 R >> >> >>" % listed,
        4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for number, name in zip(numbers, fields, strict=True):
        parts[number] = (
            b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /F 132 /P 3 0 R /Rect [72 %d 250 %d] >>"
            % (name.encode(), 700 - 30 * number, 720 - 30 * number)
        )
    return parts


def _body(parts: dict[int, bytes]) -> tuple[bytearray, dict[int, int]]:
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    for number, part in parts.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    return out, places


def _stream(number: int, rows: bytes, entries: bytes) -> bytes:
    packed = zlib.compress(rows)
    entries += b" /Filter /FlateDecode /Length %d" % len(packed)
    return b"%d 0 obj\n<< %s >>\nstream\n%s\nendstream\nendobj\n" % (number, entries, packed)


def _table(places: dict[int, int], size: int) -> bytes:
    rows = [
        b"%010d 00000 n \n" % places[n] if n in places else b"0000000000 65535 f \n" for n in range(1, size)
    ]
    return b"xref\n0 %d\n0000000000 65535 f \n" % size + b"".join(rows)


def like_word(fields: Sequence[str] = ("Signature1",)) -> bytes:
    """As Word saves a PDF: a whole classic table, then an empty one whose trailer names the stream."""
    parts = objects(fields)
    out, places = _body(parts)
    number, stream_at = max(parts) + 1, len(out)
    rows = b"\x00" + struct.pack(">IH", 0, 65535)
    rows += b"".join(b"\x01" + struct.pack(">IH", places[n], 0) for n in parts)
    rows += b"\x01" + struct.pack(">IH", stream_at, 0)
    entries = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R" % (number + 1)
    out += _stream(number, rows, entries)
    places[number] = stream_at
    first = len(out)
    out += _table(places, number + 1)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (number + 1, first)
    second = len(out)
    out += b"xref\n0 0\ntrailer\n<< /Size %d /Root 1 0 R" % (number + 1)
    out += b" /Prev %d /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n" % (first, stream_at, second)
    return bytes(out)


def with_hidden_objects(fields: Sequence[str] = ("Signature1",)) -> bytes:
    """The form's fields stand in an object stream that only the second table knows: old readers see none."""
    parts = objects(fields)
    hidden = {number: part for number, part in parts.items() if number > 5}
    out, places = _body({number: part for number, part in parts.items() if number <= 5})
    packed_at, stream_at = max(parts) + 1, max(parts) + 2
    head, body = b"", b""
    for number, part in hidden.items():
        head += b"%d %d " % (number, len(body))
        body += part + b" "
    places[packed_at] = len(out)
    entries = b"/Type /ObjStm /N %d /First %d" % (len(hidden), len(head))
    out += _stream(packed_at, head + body, entries)
    place = len(out)
    rows = b"".join(b"\x02" + struct.pack(">IH", packed_at, index) for index, _ in enumerate(hidden))
    first = min(hidden)
    entries = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R" % (stream_at + 1)
    entries += b" /Index [%d %d]" % (first, len(hidden))
    out += _stream(stream_at, rows, entries)
    places[stream_at] = place
    table = len(out)
    out += _table(places, stream_at + 1)
    out += b"trailer\n<< /Size %d /Root 1 0 R /XRefStm %d >>\n" % (stream_at + 1, place)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)
