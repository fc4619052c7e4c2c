"""What bytes are, the ByteRange gap, and where a file may have ended before."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.intake import (
    ByteRange,
    Content,
    contents_of,
    earlier_ends,
    gap_fault,
    range_digests,
    read_byte_range,
    sniff,
)
from verifier.policy import Limits

LIMITS = Limits()


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"", Content.EMPTY),
        (b"%PDF-1.7\n", Content.PDF),
        (b"\n" * 1000 + b"%PDF-1.4", Content.PDF),
        (b"\n" * 1024 + b"%PDF-1.4", Content.NOT_PDF_OR_IMAGE),
        (b"\x89PNG\r\n\x1a\nrest", Content.IMAGE),
        (b"\xff\xd8\xff\xe0rest", Content.IMAGE),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Content.IMAGE),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", Content.NOT_PDF_OR_IMAGE),
        (b"\x89PNG\r\n\x1a\n....tEXt%PDF-1.7", Content.IMAGE),
        (b"\xff\xd8\xff\xfe\x10\x00%PDF-1.7", Content.IMAGE),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 %PDF-1.7", Content.IMAGE),
        (b"\x00\x00\x00\x18ftypheic\x00\x00%PDF-1.7", Content.HEIC),
        (b"%PDF-1.7\n\x89PNG\r\n\x1a\n", Content.PDF),
        (b"\n%PDF-1.7\n\xff\xd8\xff\xe0", Content.PDF),
        (b"GIF89a %PDF-1.7", Content.PDF),  # no picture that we read
        (b"\x00\x00\x00\x18ftypheic\x00\x00", Content.HEIC),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00", Content.HEIC),
        (b"\x00\x00\x00\x18ftypavif\x00\x00", Content.NOT_PDF_OR_IMAGE),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00", Content.NOT_PDF_OR_IMAGE),
        (b"PK\x03\x04....word/document.xml", Content.ZIP),
        (b"PK\x05\x06" + bytes(18), Content.ZIP),
        (b"PK\x03\x04....hoc-ba.pdf%PDF-1.7\n", Content.ZIP),  # a PDF stored uncompressed
        (b'<?xml version="1.0"?>\n<!-- x -->\n<HOC_BA Id="a">', Content.XML_RECORD),
        (b"\xef\xbb\xbf  <hb:HOC_BA>", Content.XML_RECORD),
        ('<?xml version="1.0" encoding="UTF-16"?><HOC_BA/>'.encode("utf-16"), Content.XML_RECORD),
        (b'<?xml version="1.0"?><invoice>', Content.XML),
        (b"<!DOCTYPE html><html><body>", Content.NOT_PDF_OR_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Content.NOT_PDF_OR_IMAGE),
        (b"GIF89a", Content.NOT_PDF_OR_IMAGE),
        (b"just text with <HOC_BA> inside", Content.NOT_PDF_OR_IMAGE),
        (b"<", Content.NOT_PDF_OR_IMAGE),
        (bytes(range(256)), Content.NOT_PDF_OR_IMAGE),
    ],
)
def test_the_content_decides(data: bytes, content: Content) -> None:
    assert sniff(data, LIMITS) is content


def test_size_is_looked_at_before_anything_else() -> None:
    limits = Limits(size=8)
    assert sniff(b"%PDF-1.7", limits) is Content.PDF
    assert sniff(b"%PDF-1.7\n", limits) is Content.TOO_LARGE


@given(st.binary(max_size=2000))
def test_sniffing_is_total(data: bytes) -> None:
    assert sniff(data, LIMITS) in Content


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([0, 10, 20, 5], (0, 10, 20, 5)),
        ([0, 0, 2, 0], (0, 0, 2, 0)),
        ([1, 10, 20, 5], None),  # must start with the file
        ([0, 10, 10, 5], None),  # no gap
        ([0, 20, 10, 5], None),  # overlapping
        ([0, -1, 20, 5], None),
        ([0, 10, 20, -5], None),
        ([0, 10, 20], None),
        ([0, 10, 20, 5, 30, 5], None),  # a second gap
        ([0, 10.0, 20, 5], None),
        ([0, True, 20, 5], None),
        (["0", 10, 20, 5], None),
        ([], None),
    ],
)
def test_byte_ranges(values: list[object], read: ByteRange | None) -> None:
    assert read_byte_range(values) == read


#       0         1
#       0123456789012345678901
DATA = b"head /C <48656c6c6f> tail"
RANGE: ByteRange = (0, 8, 20, 5)


def test_a_gap_that_is_the_signature() -> None:
    assert gap_fault(DATA, RANGE, b"Hello") == ""
    assert gap_fault(DATA, RANGE, None) == ""
    assert contents_of(DATA, RANGE) == b"Hello"


@pytest.mark.parametrize(
    ("data", "byte_range", "contents", "fault"),
    [
        (DATA, RANGE, b"Other", "gap_not_contents"),  # the parser read another value
        (DATA, RANGE, b"Hell", "gap_not_contents"),
        (DATA, (0, 7, 20, 5), b"Hello", "gap_not_contents"),  # a free byte before
        (DATA, (0, 8, 21, 4), b"Hello", "gap_not_contents"),  # a free byte after
        (DATA, (0, 9, 19, 6), b"Hello", "gap_not_contents"),  # the brackets are signed
        (DATA, (0, 8, 20, 6), b"Hello", "byte_range_outside_file"),
        (b"head /C <48656c6c 6f> tail", (0, 8, 21, 5), b"Hello", "gap_not_contents"),  # white space hides
        (b"head /C <48656c6c6> tail..", (0, 8, 19, 5), b"Hello", "gap_not_contents"),  # half a byte
        (b"head /C <48656c6cZZ> tail", RANGE, b"Hello", "gap_not_contents"),
        (b"head /C (48656c6c6f) tail", RANGE, b"Hello", "gap_not_contents"),
        (b"head /C <> tail", (0, 8, 10, 5), b"", "gap_not_contents"),
        (b"head /C <48><486900> tail", RANGE, b"H", "gap_not_contents"),
        ("head /C <٤٨656c6c> tail".encode(), RANGE, b"Hell", "gap_not_contents"),  # other digits
    ],
)
def test_every_free_byte_in_the_gap_is_found(
    data: bytes, byte_range: ByteRange, contents: bytes, fault: str
) -> None:
    assert gap_fault(data, byte_range, contents) == fault


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_a_moved_gap_never_passes(contents: bytes, head: bytes, tail: bytes) -> None:
    data = head + b"<" + contents.hex().encode() + b">" + tail
    start, end = len(head), len(head) + 2 * len(contents) + 2
    assert gap_fault(data, (0, start, end, len(tail)), contents) == ""
    for a, b in ((start - 1, end), (start + 1, end), (start, end - 1), (start, end + 1)):
        if 0 <= a < b <= len(data):
            assert gap_fault(data, (0, a, b, len(data) - b), contents) == "gap_not_contents"


@given(st.binary(min_size=30, max_size=300), st.data())
def test_rolling_digests_equal_plain_ones(data: bytes, drawn: st.DataObject) -> None:
    wanted = []
    for _ in range(drawn.draw(st.integers(0, 5))):
        a = drawn.draw(st.integers(0, len(data) - 2))
        b = drawn.draw(st.integers(a + 1, len(data)))
        c = drawn.draw(st.integers(0, len(data) - b))
        wanted.append(((0, a, b, c), drawn.draw(st.sampled_from(["sha256", "sha1", "sha512"]))))
    digests = range_digests(data, wanted)
    assert set(digests) == set(wanted)
    for (byte_range, name), digest in digests.items():
        _, a, b, c = byte_range
        assert digest == hashlib.new(name, data[:a] + data[b : b + c]).digest()


def test_earlier_ends_are_every_end_of_file_with_each_line_end() -> None:
    data = b"one%%EOF\r\ntwo%%EOF\nthree%%EOF\rfour%%EOF"
    found = earlier_ends(data, LIMITS)
    assert [p.length for p in found] == [8, 9, 10, 18, 19, 29, 30]
    assert all(p.sha256 == hashlib.sha256(data[: p.length]).hexdigest() for p in found)
    assert not any(p.archival for p in found)


def test_the_end_of_a_signed_range_is_an_earlier_end_too() -> None:
    data = b"/ByteRange [0 25 30 15] and more and more and more and more"
    assert [p.length for p in earlier_ends(data, LIMITS)] == [45]
    beyond = b"/ByteRange [0 25 30 15000] and more"
    assert earlier_ends(beyond, LIMITS) == ()


def test_ranges_written_behind_a_file_cannot_push_its_end_out() -> None:
    """Text that says where it was itself not signed is no range; neither is one whose gap is empty."""
    issued = b"issued%%EOF\n"
    ends = "".join(f"/ByteRange [0 1 2 {n % 9}] /ByteRange [0 9000 9000 {n}]" for n in range(300)).encode()
    found = earlier_ends(issued + ends, LIMITS)
    assert {p.length for p in found} == {11, 12}
    assert hashlib.sha256(issued).hexdigest() in {p.sha256 for p in found}


def test_a_range_text_behind_its_gap_counts_too() -> None:
    data = b"issued<00>/ByteRange [0 6 10 26] and more"
    assert [p.length for p in earlier_ends(data, LIMITS)] == [36]


def test_ranges_that_cover_themselves_are_bounded_too() -> None:
    issued = b"issued%%EOF\n"
    flood = b"".join(b"/ByteRange [0 19990 19991 %d]" % n for n in range(500))
    found = earlier_ends(issued + flood.ljust(30_000), LIMITS)
    assert len(found) == LIMITS.prefixes
    assert found[1].sha256 == hashlib.sha256(issued).hexdigest()


def test_gathering_candidates_takes_no_more_than_are_kept() -> None:
    data = b"%%EOF\n" * 1_000_000
    tracemalloc.start()
    earlier_ends(data, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_whole_file_is_not_an_earlier_end_of_itself() -> None:
    assert [p.length for p in earlier_ends(b"one%%EOF\n", LIMITS)] == [8]
    assert earlier_ends(b"one%%EOF", LIMITS) == ()


def test_what_is_appended_cannot_push_the_true_end_out() -> None:
    issued = b"issued%%EOF\n"
    flooded = issued + b"%%EOF\n" * 5000
    found = earlier_ends(flooded, LIMITS)
    assert len(found) == LIMITS.prefixes
    assert hashlib.sha256(issued).hexdigest() in {p.sha256 for p in found}
