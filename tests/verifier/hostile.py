"""Files that attack whoever reads them: bombs, loops, deep nesting, several formats in one file.

Each is made here when a test asks for it; none is stored. None carries code: they only ask for absurd amounts
of time or memory, or mean different things to different readers.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Final

import pillow_heif
from PIL import Image

MIB: Final = 1 << 20


# ------------------------------------------------------------------------------------------------- writing


def pdf(
    objects: dict[int, bytes], *, trailer: bytes = b"/Root 1 0 R", header: bytes = b"%PDF-1.7\n"
) -> bytes:
    """A PDF of these objects with a true cross-reference table."""
    out = bytearray(header)
    places = {}
    for number, content in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    size = max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, table)
    return bytes(out)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def deflated(data: bytes, entries: bytes = b"") -> bytes:
    return stream(zlib.compress(data, 9), b"/Filter /FlateDecode " + entries)


def zeros(size: int) -> bytes:
    """``size`` zero bytes (whole mebibytes), deflated at once: one block, repeated (RFC 1950, RFC 1951)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    last, check = b"\x03\x00", (size % 65521) << 16 | 1
    return b"\x78\xda" + block * (size // MIB) + last + struct.pack(">I", check)


def one_page(page: bytes = b"", content: bytes = b"", more: dict[int, bytes] | None = None) -> bytes:
    """A PDF of one page: ``page`` its entries, ``content`` its operators, ``more`` from object 5 on."""
    box = b"" if b"/MediaBox" in page else b"/MediaBox [0 0 595 842] "
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R " + box + page + b" >>",
            4: stream(content),
            **(more or {}),
        }
    )


def drawing(image: bytes, more: dict[int, bytes] | None = None) -> bytes:
    """A page that shows one picture, object 5, and nothing else."""
    page = b"/Resources << /XObject << /X 5 0 R >> >>"
    return one_page(page, b"q 500 0 0 500 40 40 cm /X Do Q", {5: image, **(more or {})})


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, packed: bytes, *before: bytes) -> bytes:
    """A grey PNG; ``packed`` is its deflated content, whatever that says."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def picture(form: str, size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.new("L", size, 255)
    if form == "HEIF":
        pillow_heif.from_pillow(image).save(out, quality=30)
    else:
        image.save(out, form, **options)
    return out.getvalue()


# ------------------------------------------------------------------------------------------- PDFs that loop


def previous_loop() -> bytes:
    """The trailer names its own table as the one before it."""
    plain = one_page()
    place = plain.index(b"xref\n0")
    return plain.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % place)


def xref_streams_in_a_ring() -> bytes:
    """Two cross-reference streams, each the other's predecessor."""
    out = bytearray(b"%PDF-1.7\n")
    first = len(out)
    second = first + 200
    for here, other in ((first, second), (second, first)):
        out = out.ljust(here)
        entries = b"/Type /XRef /Size 1 /W [1 4 1] /Root 1 0 R /Prev %d" % other
        out += b"9 0 obj\n" + stream(bytes(6), entries) + b"\nendobj\n"
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % second


def page_tree_cycle() -> bytes:
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 9 /Parent 3 0 R >>",
            3: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 9 /Parent 2 0 R >>",
        }
    )


def page_tree_explosion() -> bytes:
    """Each level lists the next one ten times: 10^12 pages in a kilobyte."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
    for level in range(12):
        kids = b"%d 0 R " % (level + 3) * 10
        objects[level + 2] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, 10 ** (12 - level))
    objects[14] = b"<< /Type /Page /Parent 13 0 R /MediaBox [0 0 10 10] >>"
    return pdf(objects)


def reference_loop() -> bytes:
    """Objects that stand for each other, where a field, a length and a page are looked for."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm 5 0 R /Names 6 0 R >>",
            2: b"<< /Type /Pages /Kids 5 0 R /Count 6 0 R >>",
            5: b"6 0 R",
            6: b"5 0 R",
        }
    )


def field_cycle() -> bytes:
    """A form field that is its own child, and a stranger's fields without end."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] >> >>",
            2: b"<< /Type /Pages /Kids [] /Count 0 >>",
            3: b"<< /T (GVCN) /FT /Sig /Kids [4 0 R] /Parent 4 0 R >>",
            4: b"<< /T (GVCN) /FT /Sig /Kids [3 0 R] /Parent 3 0 R >>",
        }
    )


def name_tree_cycle() -> bytes:
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles 3 0 R >> >>",
            2: b"<< /Type /Pages /Kids [] /Count 0 >>",
            3: b"<< /Kids [3 0 R 3 0 R 3 0 R] >>",
        }
    )


def form_draws_itself() -> bytes:
    form = stream(
        b"/X Do /X Do",
        b"/Type /XObject /Subtype /Form /BBox [0 0 600 900] /Resources << /XObject << /X 5 0 R >> >>",
    )
    return drawing(form)


def forms_without_end() -> bytes:
    """Thirty forms, each drawing the next one ten times."""
    more = {}
    for number in range(5, 35):
        resources = b"/Resources << /XObject << /X %d 0 R >> >>" % (number + 1)
        more[number] = stream(
            b"/X Do " * 10, b"/Type /XObject /Subtype /Form /BBox [0 0 600 900] " + resources
        )
    more[35] = stream(b"0 0 600 900 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 600 900]")
    return drawing(more.pop(5), more)


def glyph_draws_itself() -> bytes:
    """A Type 3 font whose only glyph shows a text in the same font."""
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 "
        b"/LastChar 97 /Widths [1000] /Encoding << /Differences [97 /a] >> /CharProcs << /a 6 0 R >> "
        b"/Resources << /Font << /F 5 0 R >> >> >>"
    )
    glyph = stream(b"1000 0 d0 BT /F 900 Tf (aaaaaaaa) Tj ET")
    page = b"/Resources << /Font << /F 5 0 R >> >>"
    return one_page(page, b"BT /F 12 Tf (aaaaaaaa) Tj ET", {5: font, 6: glyph})


# --------------------------------------------------------------------------------------- PDFs that are deep


def deep_arrays() -> bytes:
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /X " + b"[" * 100_000 + b"]" * 100_000 + b" >>",
            2: b"<< /Type /Pages /Kids [] /Count 0 >>",
        }
    )


def deep_dictionaries() -> bytes:
    deep = b"<< /A " * 50_000 + b"1" + b" >>" * 50_000
    return pdf({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: deep})


def deep_content() -> bytes:
    """Nesting and saved states in the operators of a page."""
    return one_page(content=b"[" * 100_000 + b"q " * 100_000 + b"<<" * 100_000)


def many_filters() -> bytes:
    """One stream behind two hundred filters."""
    filters = b"/Filter [" + b"/FlateDecode " * 200 + b"]"
    return drawing(
        stream(zlib.compress(b"x"), b"/Type /XObject /Subtype /Image /Width 1 /Height 1 " + filters)
    )


# ----------------------------------------------------------------------------- PDFs that are many or large


def many_revisions() -> bytes:
    """Two hundred updates, each of which writes one object anew."""
    data = one_page()
    table = data.rindex(b"xref\n0")
    for _ in range(200):
        place, before = len(data), table
        data += b"4 0 obj\n" + stream(b"") + b"\nendobj\n"
        table = len(data)
        data += b"xref\n4 1\n%010d 00000 n \n" % place
        data += b"trailer\n<< /Size 5 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (before, table)
    return data


def many_objects() -> bytes:
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}
    return pdf({**objects, **dict.fromkeys(range(3, 60_000), b"null")})


def many_pages() -> bytes:
    kids = b"3 0 R " * 50_000
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [" + kids + b"] /Count 50000 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        }
    )


def many_fields() -> bytes:
    kids = b"".join(b"%d 0 R " % number for number in range(4, 5000))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [" + kids + b"] >> >>",
        2: b"<< /Type /Pages /Kids [] /Count 0 >>",
        3: b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /ByteRange [0 1 2 3] >>",
    }
    return pdf(objects | {n: b"<< /FT /Sig /T (GVBM.%d) /V 3 0 R >>" % n for n in range(4, 5000)})


def stream_bomb() -> bytes:
    """A page whose operators inflate to a gigabyte."""
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
            4: stream(zeros(1024 * MIB), b"/Filter /FlateDecode"),
        }
    )


def object_stream_bomb() -> bytes:
    """The catalogue stands in an object stream that inflates to half a gigabyte."""
    out = bytearray(b"%PDF-1.7\n")
    place = len(out)
    packed = zeros(512 * MIB)
    entries = b"/Type /ObjStm /N 2 /First 10 /Filter /FlateDecode"
    out += b"5 0 obj\n" + stream(packed, entries) + b"\nendobj\n"
    table = len(out)
    rows = struct.pack(">BIB", 0, 0, 255) + struct.pack(">BIB", 2, 5, 0) + struct.pack(">BIB", 2, 5, 1)
    rows += struct.pack(">BIB", 0, 0, 0) * 2 + struct.pack(">BIB", 1, place, 0)
    out += b"6 0 obj\n" + stream(rows, b"/Type /XRef /Size 6 /W [1 4 1] /Root 1 0 R") + b"\nendobj\n"
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % table


def huge_page() -> bytes:
    """14 400 points square (200 inches), the largest that the standard knows, times a user unit of 75 000."""
    return one_page(b"/MediaBox [0 0 14400 14400] /UserUnit 75000 ", b"0 0 14400 14400 re f")


def absurd_boxes() -> bytes:
    """Boxes that are turned, reversed, and far outside any page."""
    boxes = b"/MediaBox [-1e9 -1e9 1e9 1e9] /CropBox [1e9 1e9 -1e9 -1e9] /Rotate 90 "
    return one_page(boxes, b"0 0 1e9 1e9 re f")


def no_width() -> bytes:
    return one_page(b"/MediaBox [0 0 0 100000000] /Rotate -270 ")


def pixel_bomb() -> bytes:
    """A picture of 2.5 thousand million pixels in three megabytes, shown on a page."""
    entries = (
        b"/Type /XObject /Subtype /Image /Width 50000 /Height 50000 /ColorSpace /DeviceGray "
        b"/BitsPerComponent 8 /Filter /FlateDecode"
    )
    return drawing(stream(zeros(2400 * MIB), entries))


def jbig2_bomb() -> bytes:
    """A page of 4 thousand million pixels in 30 bytes (ITU-T T.88, segment type 48)."""
    information = struct.pack(">IIIIBH", 65535, 65535, 0, 0, 0, 0)
    segment = struct.pack(">IBBBI", 0, 48, 0, 1, len(information)) + information
    entries = (
        b"/Type /XObject /Subtype /Image /Width 65535 /Height 65535 /ColorSpace /DeviceGray "
        b"/BitsPerComponent 1 /Filter /JBIG2Decode"
    )
    return drawing(stream(segment, entries))


def jpx_bomb() -> bytes:
    """A JPEG 2000 codestream that declares 60 000 by 60 000 points in three components."""
    siz = struct.pack(">HIIIIIIIIH", 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0, 3) + b"\x07\x01\x01" * 3
    code = b"\xff\x4f\xff\x51" + struct.pack(">H", len(siz) + 2) + siz
    code += b"\xff\x52\x00\x0c\x00\x00\x00\x01\x01\x05\x04\x04\x00\x00"
    code += b"\xff\x5c\x00\x13\x40" + b"\x40\x48\x48\x50" * 4
    code += b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\xff\x93\xff\xd9"
    entries = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /Filter /JPXDecode"
    return drawing(stream(code, entries))


def pattern_bomb() -> bytes:
    """A tiling pattern of cells a millionth of a point wide."""
    cell = stream(
        b"0 0 1 1 re f",
        b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.000001 "
        b"/YStep 0.000001 /Resources << >>",
    )
    page = b"/Resources << /Pattern << /P 5 0 R >> >>"
    return one_page(page, b"/Pattern cs /P scn 0 0 595 842 re f", {5: cell})


def function_bomb() -> bytes:
    """A shading over a PostScript function of a hundred thousand operators, point by point."""
    function = stream(
        b"{ " + b"dup mul sqrt " * 30_000 + b" dup }",
        b"/FunctionType 4 /Domain [0 1 0 1] /Range [0 1 0 1 0 1]",
    )
    shading = (
        b"<< /ShadingType 1 /ColorSpace /DeviceRGB /Domain [0 1 0 1] /Matrix [595 0 0 842 0 0] "
        b"/Function 6 0 R >>"
    )
    page = b"/Resources << /Shading << /S 5 0 R >> >>"
    return one_page(page, b"/S sh", {5: shading, 6: function})


def many_paths() -> bytes:
    """Two million curves, of which none is worth drawing."""
    curves = deflated(b"0 0 m 9 900 500 1 595 842 c S\n" * 2_000_000)
    return pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
            4: curves,
        }
    )


# -------------------------------------------------------------------------------------- several files in one


def zip_and_pdf() -> bytes:
    """A ZIP with a PDF stored in it, in which PDF readers find a PDF."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("hoc-ba.pdf", one_page())
    return out.getvalue()


def pdf_and_zip() -> bytes:
    """A PDF with a ZIP at its end, which ZIP readers open from there."""
    return one_page() + zip_and_pdf()


def jpeg_with_pdf() -> bytes:
    """A picture with a PDF in its comment, near enough to the beginning for PDF readers."""
    inside = one_page()
    comment = b"\xff\xfe" + struct.pack(">H", len(inside) + 2) + inside
    return b"\xff\xd8" + comment + picture("JPEG")[2:]


def png_with(inside: bytes, image: bytes) -> bytes:
    """The picture ``image`` (PNG) with a file of any size in a chunk that PNG readers pass over, in which PDF
    readers find a PDF.
    """
    head = 8 + 25  # signature and IHDR
    return image[:head] + chunk(b"pdFx", inside) + image[head:]


def pdf_and_jpeg() -> bytes:
    """A PDF with a picture at its end."""
    return one_page() + picture("JPEG")


def png_and_pdf() -> bytes:
    """A picture followed by a PDF, beyond where a header may stand."""
    return picture("PNG") + bytes(2000) + one_page()


def late_header() -> bytes:
    return b"\n" * 1000 + one_page()


def long_last_line() -> bytes:
    """Nine megabytes of nothing behind the end mark."""
    return one_page() + bytes(9 * MIB)


def long_line_before_the_end_mark() -> bytes:
    """Where the place of the last table should stand."""
    return one_page() + bytes(9 * MIB) + b"\n%%EOF\n"


def too_late_header() -> bytes:
    return b"\n" * 1024 + one_page()


# ------------------------------------------------------------------------------------------------- pictures


def heic_saying(width: int, height: int) -> bytes:
    """A HEIC of 64 by 64 points whose box says another size (ispe, ISO/IEC 23008-12, 6.5.3)."""
    true = picture("HEIF")
    said = b"ispe" + bytes(4) + struct.pack(">II", 64, 64)
    assert said in true
    return true.replace(said, b"ispe" + bytes(4) + struct.pack(">II", width, height))


def heic_hiding_its_size() -> bytes:
    """A HEIC whose box says 64 by 64 points and whose coded picture is far larger."""
    true = picture("HEIF", (1600, 1200))
    said = b"ispe" + bytes(4) + struct.pack(">II", 1600, 1200)
    assert said in true
    return true.replace(said, b"ispe" + bytes(4) + struct.pack(">II", 64, 64))


def jpeg_saying(width: int, height: int) -> bytes:
    """A JPEG whose frame header says another size (SOF0, ITU-T T.81, B.2.2)."""
    true = picture("JPEG")
    place = true.index(b"\xff\xc0") + 5
    return true[:place] + struct.pack(">HH", height, width) + true[place + 4 :]


def animated_webp() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("L", (900, 900), shade) for shade in range(0, 250, 5)]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=1)
    return out.getvalue()


def svg_with_entities() -> bytes:
    """Entities that would grow to a thousand million letters."""
    lines = [b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">']
    for name, inner in zip(b"bcdefghi", b"abcdefgh", strict=True):
        lines.append(b'<!ENTITY %c "%s">' % (name, b"&%c;" % inner * 10))
    return b"\n".join([*lines, b"]><svg xmlns='http://www.w3.org/2000/svg'>&i;</svg>"])


#: Files whose drawing takes more than a check may spend: what is said of them is that nothing can be said.
ENDLESS: Final = frozenset(
    {
        "form draws itself",
        "forms without end",
        "stream bomb",
        "object stream bomb",
        "pattern bomb",
        "function bomb",
        "many paths",
    }
)

#: name -> (how to make it, what its report may call it; None: a PDF, only none of ours).
FILES: Final[dict[str, tuple[Callable[[], bytes], frozenset[str | None]]]] = {
    name: (make, frozenset(problems))
    for name, make, *problems in (
        ("previous table is itself", previous_loop, "broken_pdf"),
        ("xref streams in a ring", xref_streams_in_a_ring, "broken_pdf"),
        ("page tree cycle", page_tree_cycle, None, "broken_pdf"),
        ("page tree explosion", page_tree_explosion, "too_large"),
        ("reference loop", reference_loop, "broken_pdf"),
        ("field cycle", field_cycle, None, "broken_pdf"),
        ("name tree cycle", name_tree_cycle, None, "broken_pdf"),
        ("form draws itself", form_draws_itself, None),
        ("forms without end", forms_without_end, None),
        ("glyph draws itself", glyph_draws_itself, None),
        ("deep arrays", deep_arrays, "broken_pdf"),
        ("deep dictionaries", deep_dictionaries, "broken_pdf"),
        ("deep content", deep_content, None),
        ("many filters", many_filters, None, "no_code", "broken_pdf"),
        ("many revisions", many_revisions, "too_large"),
        ("many objects", many_objects, "too_large"),
        ("many pages", many_pages, "too_large"),
        ("many fields", many_fields, "too_large"),
        ("stream bomb", stream_bomb, None),
        ("object stream bomb", object_stream_bomb, "broken_pdf"),
        ("huge page", huge_page, None),
        ("absurd boxes", absurd_boxes, None),
        ("no width", no_width, None),
        ("pixel bomb", pixel_bomb, None, "no_code"),
        ("JBIG2 bomb", jbig2_bomb, None, "no_code"),
        ("JPEG 2000 bomb", jpx_bomb, None, "no_code"),
        ("pattern bomb", pattern_bomb, None),
        ("function bomb", function_bomb, None),
        ("many paths", many_paths, None),
        ("ZIP and PDF", zip_and_pdf, "zip"),
        ("PDF and ZIP", pdf_and_zip, None, "broken_pdf"),
        ("PDF and JPEG", pdf_and_jpeg, None, "broken_pdf"),
        ("JPEG with a PDF inside", jpeg_with_pdf, "no_code"),
        ("PNG with a PDF inside", lambda: png_with(one_page(), picture("PNG")), "no_code"),
        ("PNG and PDF", png_and_pdf, "no_code"),
        ("PDF header at byte 1000", late_header, None, "broken_pdf"),
        ("long last line", long_last_line, "broken_pdf"),
        ("long line before the end mark", long_line_before_the_end_mark, "broken_pdf"),
        ("PDF header at byte 1024", too_late_header, "not_pdf_or_image"),
        ("EPS", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n", "not_pdf_or_image"),
        ("TIFF", lambda: picture("TIFF"), "not_pdf_or_image"),
        ("GIF", lambda: picture("GIF"), "not_pdf_or_image"),
        ("BMP", lambda: picture("BMP"), "not_pdf_or_image"),
        ("SVG with entities", svg_with_entities, "not_pdf_or_image", "xml"),
        ("PNG of 169 megapixels", lambda: png(13_000, 13_000, zeros(162 * MIB)), "too_large"),
        ("PNG beyond every side", lambda: png((1 << 31) - 1, 1, b""), "broken_image", "too_large"),
        ("PNG of one long line", lambda: png(40_000, 900, zeros(35 * MIB)), "too_large"),
        ("PNG that is longer than it says", lambda: png(64, 64, zeros(700 * MIB)), "no_code", "broken_image"),
        (
            "PNG with a huge colour profile",
            lambda: png(64, 64, zlib.compress(bytes(65 * 64)), chunk(b"iCCP", b"x\0\0" + zeros(900 * MIB))),
            "no_code",
            "broken_image",
        ),
        (
            "PNG with a huge text",
            lambda: png(64, 64, zlib.compress(bytes(65 * 64)), chunk(b"zTXt", b"x\0\0" + zeros(900 * MIB))),
            "no_code",
            "broken_image",
        ),
        ("JPEG of 4 gigapixels", lambda: jpeg_saying(65_500, 65_500), "too_large"),
        ("JPEG of 36 megapixels in 700 bytes", lambda: jpeg_saying(6000, 6000), "no_code", "broken_image"),
        ("JPEG without width", lambda: jpeg_saying(0, 64), "broken_image"),
        ("animated WebP", animated_webp, "no_code"),
        ("HEIC of 3.6 gigapixels", lambda: heic_saying(60_000, 60_000), "too_large"),
        ("HEIC of 36 megapixels in 500 bytes", lambda: heic_saying(6000, 6000), "broken_image"),
        ("HEIC without width", lambda: heic_saying(0, 64), "broken_image"),
        ("HEIC that hides its size", heic_hiding_its_size, "broken_image"),
        ("HEIC cut off", lambda: picture("HEIF")[:300], "broken_image"),
        ("AVIF", lambda: b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1", "not_pdf_or_image"),
    )
}
