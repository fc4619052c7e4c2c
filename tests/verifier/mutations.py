"""Damage done to signed files: byte by byte, and object by object. Every one is drawn from a seeded source:
the same seed makes the same files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pikepdf
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

Mutator = Callable[[bytes, Random], bytes]

_RANGE = re.compile(rb"/ByteRange\s*\[\s*0\s+(\d+)\s+(\d+)\s+(\d+)")
_END = re.compile(rb"%%EOF\r?\n?")
_name: Callable[[str], generic.PdfObject] = generic.NameObject
_dictionary: Callable[..., Any] = generic.DictionaryObject
_array: Callable[..., Any] = generic.ArrayObject
_number: Callable[[float], generic.PdfObject] = generic.FloatObject


def gaps(pdf: bytes) -> list[tuple[int, int]]:
    """Where the /Contents of each signature lie."""
    return [(int(m[1]), int(m[2])) for m in _RANGE.finditer(pdf)]


# --- bytes


def mutate_bytes(pdf: bytes, random: Random, *, in_place: bool = False) -> bytes:
    """One to three places changed, removed, doubled or overwritten, most where something is meant."""
    data = bytearray(pdf)
    for _ in range(random.randint(1, 3)):
        place = _place(pdf, random) % max(1, len(data))
        match random.randrange(5 if in_place else 8):
            case 0:
                data[place] ^= 1 << random.randrange(8)
            case 1:
                data[place] = random.randrange(256)
            case 2:
                piece = data[random.randrange(len(data)) :][: random.randint(1, 64)]
                data[place : place + len(piece)] = piece[: len(data) - place]
            case 3:
                data[place] = random.choice(b"/<>()[0 \0")
            case 4:
                word = random.choice((b"null", b"true", b"R 0 ", b"<<>>", b"%EOF"))
                data[place : place + 4] = word[: len(data) - place]
            case 5:
                del data[place : place + random.choice((1, 1, 2, 16, 400))]
            case 6:
                data[place:place] = random.randbytes(random.choice((1, 1, 2, 16)))
            case _:
                del data[place:]
                data += random.choice((b"", b"%%EOF\n", b"\n", random.randbytes(8)))
    return bytes(data)


def _place(pdf: bytes, random: Random) -> int:
    """Anywhere; in a signature's value; near a word that readers go by."""
    kind = random.randrange(4)
    if kind == 0:
        start, end = random.choice(gaps(pdf))
        return random.randrange(start, min(end, start + 9000))
    if kind == 1:
        word = random.choice(
            (b"/ByteRange", b"startxref", b"trailer", b"/Fields", b"/Kids", b"/DocMDP", b"/V ")
        )
        places = [m.start() for m in re.finditer(re.escape(word), pdf)]
        if places:
            return random.choice(places) + random.randrange(48)
    return random.randrange(len(pdf))


# --- objects, in place: the length of the file and the places of everything stay


def swap_values(pdf: bytes, random: Random) -> bytes:
    """The CMS of two signatures changed about, as far as both have room."""
    found = gaps(pdf)
    one, other = random.sample(found, 2)
    data = bytearray(pdf)
    room = min(one[1] - one[0], other[1] - other[0]) - 2
    first, second = (pdf[a + 1 : a + 1 + room] for a, _ in (one, other))
    data[one[0] + 1 : one[0] + 1 + room], data[other[0] + 1 : other[0] + 1 + room] = second, first
    return bytes(data)


def swap_ranges(pdf: bytes, random: Random) -> bytes:
    """A number of a ByteRange changed, or two ByteRanges about."""
    texts = [(m.start(), m[0]) for m in re.finditer(rb"/ByteRange\s*\[[^\]]*\]", pdf)]
    (at, text), (_, foreign) = random.choice(texts), random.choice(texts)
    if random.random() < 0.5 and foreign != text:
        new = foreign
    else:
        numbers = list(re.finditer(rb"\d+", text))
        chosen = random.choice(numbers)
        value = max(0, int(chosen[0]) + random.choice((-1, 1, -2, 2, 10, -10, random.randrange(99999))))
        new = text[: chosen.start()] + str(value).encode() + text[chosen.end() :]
    if len(new) > len(text):
        return pdf[:at] + new[: len(text) - 1] + b"]" + pdf[at + len(text) :]
    return pdf[:at] + new[:-1].ljust(len(text) - 1) + b"]" + pdf[at + len(text) :]


def swap_names(pdf: bytes, random: Random) -> bytes:
    """Every name of one kind in the file written as another of the same length."""
    pairs = (
        (b"/GVCN", b"/CBQL"),
        (b"(GVCN)", b"(CBQL)"),
        (b"ETSI.CAdES.detached", b"adbe.pkcs7.detached"),
        (b"/DocMDP", b"/DocMDQ"),
        (b"/FieldMDP", b"/FieldMDQ"),
        (b"/Contents", b"/Contentz"),
        (b"/AcroForm", b"/AcroFerm"),
        (b"/Annots", b"/Annotz"),
        (b"/P 2", b"/P 3"),
        (b"/P 1", b"/P 2"),
        (b"/Perms", b"/Permz"),
        (b"/Prev", b"/Prew"),
        (b"(All)", b"(Any)"),
        (b"/All", b"/Inc"),
    )
    present = [(a, b) for a, b in pairs if a in pdf]
    old, new = random.choice(present)
    places = [m.start() for m in re.finditer(re.escape(old), pdf)]
    chosen = places if random.random() < 0.5 else [random.choice(places)]
    data = bytearray(pdf)
    for place in chosen:
        data[place : place + len(old)] = new
    return bytes(data)


def swap_streams(pdf: bytes, random: Random) -> bytes:
    """The content of one stream over the beginning of another."""
    streams = [
        (m.start(1), m.end(1)) for m in re.finditer(rb"stream\r?\n(.{8,60000}?)\r?\nendstream", pdf, re.S)
    ]
    one, other = random.choice(streams), random.choice(streams)
    piece = pdf[one[0] : one[1]][: other[1] - other[0]]
    new = pdf[: other[0]] + piece + pdf[other[0] + len(piece) :]
    return new if new != pdf else mutate_bytes(pdf, random)


# --- revisions


def cut_revision(pdf: bytes, random: Random) -> bytes:
    """The file as it was after an earlier revision, or without one in the middle, or one of them twice."""
    ends = [m.end() for m in _END.finditer(pdf)]
    match random.randrange(4):
        case 0 if len(ends) > 1:
            return pdf[: random.choice(ends[:-1])]
        case 1 if len(ends) > 2:
            number = random.randrange(1, len(ends) - 1)
            return pdf[: ends[number - 1]] + pdf[ends[number] :]
        case 2 if len(ends) > 1:
            number = random.randrange(1, len(ends))
            return pdf + pdf[ends[number - 1] : ends[number]]
        case _:
            return pdf + random.choice((b"\n", b"%%EOF\n", b"startxref\n0\n%%EOF\n", pdf[: ends[0]]))


def append_raw(pdf: bytes, random: Random) -> bytes:
    """A revision written by hand: some object of old replaced, with a table that leads to it."""
    size = max(int(m[1]) for m in re.finditer(rb"/Size (\d+)", pdf))
    root = re.findall(rb"/Root (\d+) (\d+) R", pdf)[-1]
    previous = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    number = random.choice((random.randrange(1, size), int(root[0]), size))
    body = random.choice(
        (
            b"<< >>",
            b"null",
            b"[ ]",
            b"<< /Type /Catalog >>",
            b"<< /Type /DSS /Certs [] >>",
            b"<< /FT /Sig /T (GVCN) /V " + str(random.randrange(1, size)).encode() + b" 0 R >>",
            b"<< /Length 12 >>\nstream\nq 1 0 0 1 0 0\nendstream",
            b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 595 842] >>",
            str(random.randrange(1, size)).encode() + b" 0 R",
        )
    )
    start = len(pdf) + 1
    new = b"\n%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(pdf) + len(new)
    free = random.random() < 0.1
    entry = b"%010d %05d %s \n" % (0 if free else start, 1 if free else 0, b"f" if free else b"n")
    new += b"xref\n%d 1\n%s" % (number, entry)
    new += b"trailer\n<< /Size %d /Root %s %s R /Prev %d >>\n" % (max(size, number + 1), *root, previous)
    new += b"startxref\n%d\n%%%%EOF\n" % table
    return pdf + new


def append_revision(pdf: bytes, random: Random) -> bytes:
    """A revision as a program would write it: the form, fields, annotations, the page, the store."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    form = writer.root["/AcroForm"]
    fields = form["/Fields"]
    field = fields[random.randrange(len(fields))]
    page = writer.root["/Pages"]["/Kids"][0]
    match random.randrange(9):
        case 0:
            field[_name("/Rect")] = _array(_number(n) for n in (0, 0, 595, 842))
            writer.update_container(field)
        case 1:
            other = fields[random.randrange(len(fields))]
            field[_name("/V")] = other.raw_get("/V" if "/V" in other else "/T")
            writer.update_container(field)
        case 2:
            field.pop("/V", None)
            writer.update_container(field)
        case 3:
            field[_name("/T")] = generic.pdf_string(random.choice(("GVCN", "CBQL", "KY_PHAT_HANH", "X")))
            writer.update_container(field)
        case 4:
            content = generic.StreamObject(stream_data=b"1 1 1 rg 0 0 595 842 re f")
            page[_name("/Contents")] = writer.add_object(content)
            writer.update_container(page)
        case 5:
            stamp = {"/Type": "/Annot", "/Subtype": "/Stamp"}
            annotation = _dictionary({_name(k): _name(v) for k, v in stamp.items()})
            annotation[_name("/Rect")] = _array(_number(n) for n in (0, 0, 595, 842))
            page[_name("/Annots")] = _array([writer.add_object(annotation)])
            writer.update_container(page)
        case 6:
            store = _dictionary({_name("/Certs"): _array()})
            writer.root[_name("/DSS")] = writer.add_object(store)
            writer.update_container(writer.root)
        case 7:
            del fields[random.randrange(len(fields))]
            writer.update_container(fields)
        case _:
            for key in random.sample(sorted(writer.root), 1):
                if key not in ("/Type", "/Pages"):
                    del writer.root[key]
            writer.root[_name("/OpenAction")] = writer.add_object(_dictionary({_name("/S"): _name("/Named")}))
            writer.update_container(writer.root)
    output = io.BytesIO()
    writer.write(output)  # type: ignore[no-untyped-call]
    return output.getvalue()


# --- objects, everything written anew


def rewrite(pdf: bytes, random: Random) -> bytes:
    """Opened and saved by another program, with an object taken out, changed about or emptied."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        for _ in range(random.randint(0, 3)):
            _disturb(document, random)
        document.save(output, compress_streams=False)
    return output.getvalue()


def _disturb(document: pikepdf.Pdf, random: Random) -> None:
    objects = [o for o in document.objects if isinstance(o, pikepdf.Dictionary | pikepdf.Stream)]
    one, other = random.choice(objects), random.choice(objects)
    names = one.keys()
    keys = [name for name in names if name not in ("/Length", "/Kids", "/Parent")]
    if not keys:
        return
    key = random.choice(keys)
    match random.randrange(4):
        case 0:
            del one[key]
        case 1:
            if key in other:
                one[key], other[key] = other[key], one[key]
        case 2:
            one[key] = random.choice(
                (0, -1, True, pikepdf.Array(), pikepdf.Dictionary(), pikepdf.String("x"))
            )
        case _:
            if isinstance(one, pikepdf.Stream):
                one.write(b"0 0 0 rg")


MUTATORS: Sequence[Mutator] = (
    swap_values,
    swap_ranges,
    swap_names,
    swap_streams,
    cut_revision,
    append_raw,
    append_revision,
    rewrite,
)


def mutate_objects(pdf: bytes, random: Random, *, in_place: bool = False) -> bytes:
    """One of the above; ``in_place``, one that leaves everything else where it was."""
    return random.choice(MUTATORS[:4] if in_place else MUTATORS)(pdf, random)
