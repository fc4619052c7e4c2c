"""Our reader answers what pyHanko's answers, object for object and way for way."""

from __future__ import annotations

from random import Random

import pytest
from pyhanko.pdf_utils.generic import DictionaryObject, Reference

from tests.verifier import hostile, mutations
from tests.verifier.reading import compare
from verifier.reader import _plain_object


def test_of_signed_records(primary: bytes, secondary: bytes) -> None:
    assert compare(primary) > 100
    assert compare(secondary) > 100


@pytest.mark.parametrize("mutate", [mutations.mutate_bytes, mutations.mutate_objects])
def test_of_damaged_ones(primary: bytes, mutate: object) -> None:
    assert callable(mutate)
    opened = 0
    for number in range(80):
        opened += bool(compare(mutate(primary, Random(f"reader {number}"))))  # noqa: S311 - repeatable
    assert opened > 20


HOSTILE = [
    "previous table is itself",
    "xref streams in a ring",
    "page tree cycle",
    "reference loop",
    "field cycle",
    "name tree cycle",
    "form draws itself",
    "glyph draws itself",
    "many filters",
    "PDF and ZIP",
    "PDF and JPEG",
    "PDF header at byte 1000",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_of_hostile_files(name: str) -> None:
    make, _ = hostile.FILES[name]
    compare(make())


SYNTAX = [
    b"<< /A 1 /B -2.50 /C +3 /D (text) /E <48656C6C6F> /F [ true false null 4 0 R ] >>",
    b"<</A/B/C[1 0 R 1 0]/D<</E(x)>>>>",
    b"[(\\101\\377\\000) <> ()]",
    b"[(\\(escaped\\)) (nes(t)ed) (\\7) (\\n)]",
    b"[<4> <4 8> /a#20b /]",
    b"<< /A 1 /A 2 >>",
    b"<< /A 1 2 >>",
    b"<< 1 /A >>",
    b"[ 0 0 R ]",
    b"[1 0 R2]",
    b"[1 0Rx]",
    b"[ .5 5. --1 1e3 00012 999999999999999999999 ]",
    b"% a comment\n[ 1 ]",
    b"[ 1 % a comment\n 2 ]",
    b"7",
    b"7 0 R",
    b"7 8",
    b"/Name",
    b"truefalse",
    b"nullx",
    b"[1 2",
    b"1 ]",
    b"<< /A [ >> ]",
    b"(" + b"\xfe\xff\x01\x10" + b")",
    b"[" * 100 + b"]" * 100,
    b"",
]


@pytest.mark.parametrize("syntax", SYNTAX)
def test_of_single_objects(syntax: bytes) -> None:
    catalog, pages = b"<< /Type /Catalog /Pages 2 0 R /X 3 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"
    for end in (b"", b"\nstream\nx\nendstream", b"\nendob"):
        assert compare(hostile.pdf({1: catalog, 2: pages, 3: syntax + end})) > 3


def test_only_plain_objects_are_read_here() -> None:
    ref = Reference(4, 0)
    plain = b"4 0 obj\n<< /A [ 1 0 R (\\050) <00> 1.5 true ] >>\nendobj"
    assert isinstance(_plain_object(plain, 0, ref), DictionaryObject)
    for other in (
        plain.replace(b"1.5", b"%\n"),
        plain.replace(b"\\050", b"\\("),
        plain.replace(b"endobj", b"stream"),
    ):
        assert other != plain
        assert _plain_object(other, 0, ref) is None
    assert _plain_object(plain, 0, Reference(5, 0)) is None
    assert _plain_object(plain, 1, ref) is None
