"""The small DER reader: strict, and right where it accepts."""

from __future__ import annotations

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from verifier.der import INTEGER, SEQUENCE, MalformedDer, Node, oid, read


@given(st.integers())
def test_integers(number: int) -> None:
    assert read(core.Integer(number).dump()).integer() == number


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_children(values: list[bytes]) -> None:
    class Strings(core.SequenceOf):  # type: ignore[misc]
        _child_spec = core.OctetString

    encoded = Strings(values).dump()
    node = read(encoded + b"what follows")
    assert node.expect(SEQUENCE).encoded == encoded
    assert [child.content for child in node.children()] == values


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113549.1.7.2", "2.16.840.1.101.3.4.2.1", "1.3.101.112", "0.4.0.1862"]
)
def test_object_identifiers(dotted: str) -> None:
    assert oid(dotted) == core.ObjectIdentifier(dotted).contents


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",  # indefinite length is BER
        b"\x30\x81\x05hello",  # a length in more octets than it takes
        b"\x30\x82\x00\x85" + bytes(0x85),
        b"\x30\x85\x00\x00\x00\x00\x01a",
        b"\x30\x82\x01",
        b"\x30\x05four",
        b"\x1f\x81\x01\x00",  # a tag of several octets
    ],
)
def test_what_is_not_der(data: bytes) -> None:
    with pytest.raises(MalformedDer):
        read(data)


@pytest.mark.parametrize("content", [b"", b"\0\x01", b"\xff\xff", b"\0\0"])
def test_an_integer_in_more_octets_than_it_takes(content: bytes) -> None:
    with pytest.raises(MalformedDer):
        Node(INTEGER, content, b"").integer()


def test_another_tag_is_refused() -> None:
    node = read(b"\x04\x01a")
    assert node == Node(0x04, b"a", b"\x04\x01a")
    with pytest.raises(MalformedDer):
        node.expect(INTEGER)
    with pytest.raises(MalformedDer):
        node.integer()


@given(st.binary(max_size=64))
def test_reading_is_total(data: bytes) -> None:
    try:
        node = read(data)
    except MalformedDer:
        return
    assert data.startswith(node.encoded)
    assert node.encoded.endswith(node.content)
