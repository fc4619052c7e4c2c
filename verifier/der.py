"""Just enough DER (X.690) to read a signature: definite lengths, single-byte tags, nothing left over.

A general ASN.1 library builds and re-encodes whole trees, which costs more than verifying; here bytes stay
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


class MalformedDer(ValueError):  # noqa: N818 - a finding on its way to a report
    """These bytes are not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its tag, its content and its whole encoding."""

    tag: int
    content: bytes
    encoded: bytes

    def expect(self, *tags: int) -> Node:
        """This node, when it has one of ``tags``."""
        if self.tag not in tags:
            raise MalformedDer(f"tag {self.tag:#x}")
        return self

    def children(self) -> list[Node]:
        """The values inside a constructed one."""
        nodes, rest = [], self.content
        while rest:
            node = read(rest)
            nodes.append(node)
            rest = rest[len(node.encoded) :]
        return nodes

    def integer(self) -> int:
        content = self.expect(INTEGER).content
        # X.690 §8.3.2: at least one octet, and the first nine bits are not all alike
        if not content or (len(content) > 1 and content[0] == (0xFF if content[1] & 0x80 else 0)):
            raise MalformedDer("integer is not the shortest")
        return int.from_bytes(content, "big", signed=True)


def read(data: bytes) -> Node:
    """The first value in ``data``; what follows it is the caller's business. Raises :class:`MalformedDer`."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise MalformedDer("no single-byte tag")
    size, start = data[1], 2
    if size >= 0x80:
        octets = size & 0x7F
        start += octets
        if not 1 <= octets <= 4 or len(data) < start:
            raise MalformedDer("length")
        size = int.from_bytes(data[2:start], "big")
        if size < 0x80 or data[2] == 0:
            raise MalformedDer("length is not the shortest")
    if len(data) < start + size:
        raise MalformedDer("truncated")
    return Node(data[0], data[start : start + size], data[: start + size])


def encode(tag: int, *parts: bytes) -> bytes:
    """One value with these parts as its content."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def oid(dotted: str) -> bytes:
    """Content octets of an object identifier (X.690 §8.19)."""
    first, second, *others = (int(part) for part in dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *others):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        content += bytes(reversed(digits))
    return bytes(content)
