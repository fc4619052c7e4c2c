"""Reads a rendered file back before anything is signed, and looks over a sealed one: does it say the record,
no more?

Three questions, each answered from the finished bytes and not from what the renderer meant to do:

1. *Text*: every label and value of the form stands on the pages, in order; head and foot of every page are
   right.
2. *QR*: the code of every page, rendered at 200 dpi, reads exactly the record's URL.
3. *Structure*: nothing active, nothing from outside, nothing missing, nothing transparent, every font
   embedded, every widget tagged, exactly the expected empty signature fields, exactly our one attachment with
   exactly the canonical bytes (ISO 19005-3).

A finding is a :class:`verifier.errors.Problem`; what cannot be read is a finding too, never a pass.
:func:`audit_sealed` asks the part of 3 that must still hold after signing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import pikepdf
import pypdfium2 as pdfium
from pikepdf import Array, Dictionary, Name, NumberTree, Object, Pdf

from portal.issuing import form
from portal.issuing.rendering import PAGE, PrintedMeta, foot
from verifier.barcode import read_codes
from verifier.errors import Problem
from verifier.record import ATTACHMENT_NAME, Record, attachment

DPI: Final = 200
MM: Final = 72 / 25.4
QR_REGION: Final = (
    17.0,
    7.0,
    51.0,
    43.0,
)  # left, bottom, right, top in mm: the code of the strip and its quiet zone
A4: Final = (210.0, 297.0)

# Names that have no business in a record: actions, scripts, outside content, layers, forms of the XFA kind,
# transparency, encryption and what PDF/A-3 forbids besides (ISO 19005-3, 6.2–6.6; ISO 32000-1, 12.6, 13,
# 14.11).
FORBIDDEN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("/JS", "/JavaScript", "/AA", "/OpenAction", "/URI", "/Launch", "/GoToR", "/GoToE"), "active"
    ),
    **dict.fromkeys(
        ("/SubmitForm", "/ResetForm", "/ImportData", "/Rendition", "/SetOCGState", "/Trans"), "active"
    ),
    **dict.fromkeys(("/GoTo3DView", "/RichMediaExecute", "/Movie", "/Sound", "/Screen", "/3D"), "active"),
    **dict.fromkeys(("/RichMedia", "/RichMediaContent", "/FileAttachment", "/PS", "/Type3"), "active"),
    **dict.fromkeys(("/OCProperties", "/OCG", "/OCMD", "/OCGs", "/OC"), "layers"),
    **dict.fromkeys(("/XFA", "/NeedAppearances"), "form"),
    **dict.fromkeys(("/FFilter", "/FDecodeParms", "/OPI", "/Alternates", "/RF"), "external"),
    **dict.fromkeys(("/SMask", "/SMaskInData", "/Transparency", "/Group"), "transparency"),
    **dict.fromkeys(("/Encrypt", "/Crypt"), "encrypted"),
}
_SENTENCES: Final = {
    "active": "Tệp có nội dung động hoặc đa phương tiện",
    "layers": "Tệp có lớp ẩn hiện",
    "form": "Tệp có biểu mẫu XFA hoặc yêu cầu vẽ lại biểu mẫu",
    "external": "Tệp lấy nội dung từ bên ngoài",
    "transparency": "Tệp dùng hiệu ứng trong suốt",
    "encrypted": "Tệp bị mã hoá",
}
_STRING: Final = re.compile(rb"\((?:\\.|[^\\()])*\)|<[0-9A-Fa-f\s]*>", re.DOTALL)
_NAME: Final = re.compile(rb"/[^\s/<>\[\](){}%]*")
_STREAM: Final = re.compile(rb"\nstream\r?\n.*?endstream(?=\nendobj\n)", re.DOTALL)
_STREAM_MARK: Final = b" %stream "
_OBJECT: Final = re.compile(rb"^(\d+) 0 obj\n(.*?)\nendobj$", re.DOTALL | re.MULTILINE)
_REFERENCE: Final = re.compile(rb"(?<!\d)(\d+) (\d+) R(?![^\s/<>\[\](){}%])")
_OPACITY: Final = re.compile(rb"/(?:ca|CA)\s+([-+.0-9]+)")
_BLEND: Final = re.compile(rb"/BM\s*(/[A-Za-z]+|\[[^\]]*\])")


def lint(
    pdf: bytes,
    record: Record,
    header: Mapping[str, Any],
    url: str,
    *,
    disclosures: Sequence[str],
    meta: PrintedMeta,
) -> tuple[Problem, ...]:
    """Everything that is wrong with the base file of one version of ``record``; empty: it may be signed."""
    problems: list[Problem] = []
    try:
        with Pdf.open(BytesIO(pdf)) as document:
            objects = _objects(document, pdf)
            problems += _audit(document, objects)
            problems += _check_fields(document, record)
            problems += _check_attachment(document, objects, attachment(header, disclosures))
    except (pikepdf.PdfError, *_MALFORMED) as error:
        problems.append(
            Problem("file", "unreadable", f"Không đọc được cấu trúc tệp ({type(error).__name__}).")
        )
    try:
        laid_out = form.lay_out(record, meta.signer_names)
        problems += _check_pages(pdf, laid_out, url, foot(header, url, meta))
    except pdfium.PdfiumError as error:
        problems.append(Problem("file", "unreadable", f"Không đọc được các trang của tệp ({error})."))
    return tuple(problems)


def audit_sealed(pdf: bytes) -> tuple[Problem, ...]:
    """What of the structure must still hold after sealing: nothing active or transparent, every font
    embedded, every widget tagged and drawn.
    """
    try:
        with Pdf.open(BytesIO(pdf)) as document:
            return tuple(_audit(document, _objects(document, pdf)))
    except (pikepdf.PdfError, *_MALFORMED) as error:
        return (Problem("file", "unreadable", f"Không đọc được cấu trúc tệp ({type(error).__name__})."),)


# What pikepdf raises for an entry that is absent or of another kind than ours always are.
_MALFORMED: Final = (KeyError, AttributeError, TypeError, ValueError, IndexError)


# ----------------------------------------------------------------------------------------------- 1 text, 2 QR


def _check_pages(
    pdf: bytes, laid_out: form.Form, url: str, foot_words: Sequence[Sequence[str]]
) -> Iterator[Problem]:
    """Text in order over all pages, head, foot and QR of each; one page object serves all."""
    head = squeeze("".join(laid_out.head))
    body: list[str] = []
    document = pdfium.PdfDocument(pdf)
    try:
        count = len(document)
        for number, page in enumerate(document, 1):
            where = f"page {number}"
            text = squeeze(page.get_textpage().get_text_bounded())
            page_number = f"{number}/{count}"
            wanted_foot = squeeze(
                "".join(page_number if part == PAGE else part for line in foot_words for part in line)
            )
            if not text.endswith(wanted_foot):
                yield Problem(
                    where, "foot", "Chân trang không đúng mã tra cứu, số bản, số trang hoặc nơi phát hành."
                )
            text = text.removesuffix(wanted_foot)
            if number > 1:
                if not text.startswith(head):
                    yield Problem(where, "head", "Đầu trang không đúng họ tên, lớp, năm học.")
                text = text.removeprefix(head)
            body.append(text)
            found = _codes(page)
            if found != (url,):
                yield Problem(
                    where, "qr", f"Mã QR của trang đọc được {len(found)} mã, phải là đúng một mã của học bạ."
                )
            page.close()
    finally:
        document.close()
    yield from _check_lines("".join(body), laid_out.lines)


def _check_lines(text: str, lines: Sequence[form.Line]) -> Iterator[Problem]:
    """Each line is found behind the one before it."""
    position = 0
    for line in lines:
        wanted = squeeze(line.text)
        found = text.find(wanted, position)
        if found < 0:
            place = ", ".join(line.fields) or line.text
            yield Problem(place, "text", f"Trang in không có đúng nội dung “{line.text}” ở chỗ của nó.")
        else:
            position = found + len(wanted)


def squeeze(text: str) -> str:
    """For comparing: NFC, no white space; PDFium's sign for a hyphen that ends a line is a hyphen."""
    text = text.replace("\x02", "-").replace("\ufffe", "-")
    return "".join(unicodedata.normalize("NFC", text).split())


def _codes(page: Any) -> tuple[str, ...]:
    """QR texts in the place of the code, at 200 dpi; a page of another size than A4 has none there."""
    width, height = page.get_size()
    if abs(width - A4[0] * MM) > 1 or abs(height - A4[1] * MM) > 1:
        return ()
    left, bottom, right, top = (side * MM for side in QR_REGION)
    bitmap = page.render(scale=DPI / 72, crop=(left, bottom, width - right, height - top), grayscale=True)
    try:
        return read_codes(bitmap.to_pil(), rescue=False)
    finally:
        bitmap.close()


# ------------------------------------------------------------------------------------------------ 3 structure


@dataclass(frozen=True, slots=True)
class _Item:
    """One indirect object, or the trailer, and its dictionary in qpdf's one spelling, strings taken out.

    In that spelling a name cannot hide behind #-escapes; and a pupil's text, being a string, is never
    mistaken for a name. Looking at this text first spares looking into objects one entry at a time.
    """

    objgen: tuple[int, int] | None  # None: the trailer
    source: bytes
    is_stream: bool

    def names_any(self, *names: bytes) -> bool:
        """Whether one of ``names`` stands in it as a whole name."""
        return any(name in self.source for name in names) and not set(names).isdisjoint(
            _NAME.findall(self.source)
        )

    def value(self, document: Pdf) -> Object:
        """The object itself; a stream's dictionary."""
        found: Object = document.trailer if self.objgen is None else document.get_object(self.objgen)
        return found.stream_dict if isinstance(found, pikepdf.Stream) else found


def _objects(document: Pdf, pdf: bytes) -> list[_Item]:
    """Every indirect object, and the trailer."""
    scanned = _scanned(document, pdf)
    if scanned is not None:
        return scanned
    items = [_Item(None, _STRING.sub(b"()", document.trailer.unparse(resolved=True)), is_stream=False)]
    for found in document.objects:
        is_stream = isinstance(found, pikepdf.Stream)
        source = (found.stream_dict if is_stream else found).unparse(resolved=True)
        items.append(_Item(found.objgen, _STRING.sub(b"()", source), is_stream))
    return items


def _scanned(document: Pdf, pdf: bytes) -> list[_Item] | None:
    """The objects cut out of ``pdf`` without parsing them; None when the file is not the plain kind the
    renderer writes, where that is safe: one revision, no object streams, no escaped names, objects 1 to n in
    order.

    Parsing all objects takes longer than all other questions about the structure together. qpdf ends a line
    inside a string with an escape, so ``stream`` at the head of a line begins a stream and nothing else.
    """
    if pdf.count(b"startxref") != 1 or any(mark in pdf for mark in (b"/ObjStm", b"/XRef", b"/Encrypt")):
        return None
    plain = _STRING.sub(b"()", _STREAM.sub(_STREAM_MARK, pdf)).replace(b"/application#2fjson", b"/json")
    objects, _, rest = plain.rpartition(b"\nxref\n")
    _, _, trailer = rest.partition(b"trailer ")
    found = _OBJECT.findall(objects)
    if b"#" in plain or [int(number) for number, _ in found] != list(range(1, int(document.trailer.Size))):
        return None
    items = [_Item((int(number), 0), source, _STREAM_MARK in source) for number, source in found]
    return [*items, _Item(None, trailer, is_stream=False)]


def _audit(document: Pdf, objects: Sequence[_Item]) -> Iterator[Problem]:
    """What must hold for the base file and for the sealed one."""
    if document.is_encrypted:
        yield Problem("file", "encrypted", f"{_SENTENCES['encrypted']}.")
    yield from _check_names(document, objects)
    yield from _check_references(objects)
    yield from _check_fonts(document, objects)
    yield from _check_catalog(document)
    yield from _check_annotations(document)


def _check_names(document: Pdf, objects: Sequence[_Item]) -> Iterator[Problem]:
    """Forbidden names and transparency, over all objects."""
    source = b"\n".join(item.source for item in objects)
    source = re.sub(rb"/SMask\s*/None", b"", source)
    for name in sorted({name.decode("latin-1") for name in _NAME.findall(source)} & FORBIDDEN.keys()):
        code = FORBIDDEN[name]
        yield Problem("file", code, f"{_SENTENCES[code]} ({name}).")
    streams = (item for item in objects if item.is_stream and item.names_any(b"/F"))
    if any(Name.F in item.value(document) for item in streams):
        yield Problem("file", "external", f"{_SENTENCES['external']} (/F).")
    if any(not _is_one(value) for value in _OPACITY.findall(source)):
        yield Problem("file", "transparency", f"{_SENTENCES['transparency']} (ca/CA).")
    if any(set(_NAME.findall(value)) - {b"/Normal", b"/Compatible"} for value in _BLEND.findall(source)):
        yield Problem("file", "transparency", f"{_SENTENCES['transparency']} (BM).")


def _check_references(objects: Sequence[_Item]) -> Iterator[Problem]:
    """Nothing is named that is not there: a later revision could bring it, and only add an object by that.
    Seen in files as the renderer writes them; qpdf leaves such names out.
    """
    there = {item.objgen for item in objects}
    source = b"\n".join(item.source for item in objects)
    for number, generation in sorted({(int(n), int(g)) for n, g in _REFERENCE.findall(source)} - there):
        yield Problem("file", "dangling", f"Tệp nhắc đến một đối tượng không có ({number} {generation}).")


def _is_one(number: bytes) -> bool:
    with suppress(ValueError):
        return float(number) == 1.0
    return False


def _check_fonts(document: Pdf, objects: Sequence[_Item]) -> Iterator[Problem]:
    """Every font carries its outlines (ISO 19005-3, 6.2.11.4) and says what its codes mean (6.2.11.7)."""
    for item in objects:
        if not item.names_any(b"/Font"):
            continue
        for font in _fonts(item.value(document)):
            base = font.get(Name.BaseFont)
            carriers = [font]
            if font.get(Name.Subtype) == Name.Type0:
                if Name.ToUnicode not in font:
                    yield Problem("file", "font", f"Phông {base} không có bảng chữ (ToUnicode).")
                carriers = list(font.get(Name.DescendantFonts, Array()))
            for carrier in carriers:
                descriptor = carrier.get(Name.FontDescriptor, Dictionary())
                if not any(key in descriptor for key in (Name.FontFile, Name.FontFile2, Name.FontFile3)):
                    yield Problem("file", "font", f"Phông {base} không được nhúng.")


def _fonts(value: Object) -> Iterator[Object]:
    """Fonts in one indirect object: itself, and those written directly into a resource dictionary."""
    if not isinstance(value, Dictionary):
        return
    if value.get(Name.Type) == Name.Font:
        yield value
        return
    for entry in value.values():
        if isinstance(entry, Dictionary) and not entry.is_indirect:
            yield from _fonts(entry)


def _check_catalog(document: Pdf) -> Iterator[Problem]:
    """The marks of a tagged PDF/A file (ISO 19005-3, 6.2.3, 6.6, 6.7)."""
    root = document.Root
    marks = {
        "MarkInfo": bool(root.get(Name.MarkInfo, Dictionary()).get(Name.Marked, False)),
        "Lang": str(root.get(Name.Lang, "")).startswith("vi"),
        "Metadata": b"pdfaid" in (root.Metadata.read_bytes() if Name.Metadata in root else b""),
        "OutputIntents": len(root.get(Name.OutputIntents, Array())) == 1,
        "StructTreeRoot": Name.StructTreeRoot in root,
        "Title": bool(str(document.trailer.get(Name.Info, Dictionary()).get(Name.Title, ""))),
    }
    for mark, present in marks.items():
        if not present:
            yield Problem("file", "pdfa", f"Tệp thiếu {mark} của một tệp PDF/A có gắn thẻ.")


def _check_annotations(document: Pdf) -> Iterator[Problem]:
    """Widgets only; each printed, drawn, named and tagged (ISO 19005-3, 6.3; ISO 14289-1, 7.18)."""
    root = document.Root
    parents = (
        NumberTree(root.StructTreeRoot.ParentTree)
        if Name.StructTreeRoot in root and Name.ParentTree in root.StructTreeRoot
        else {}
    )
    for number, page in enumerate(document.pages, 1):
        for annotation in page.obj.get(Name.Annots, Array()):
            where = f"page {number}"
            if annotation.get(Name.Subtype) != Name.Widget:
                yield Problem(where, "annotation", f"Trang có chú thích {annotation.get(Name.Subtype)}.")
                continue
            where = f"field {_full_name(annotation)}"
            if Name.A in annotation:
                yield Problem(where, "active", f"{_SENTENCES['active']} (/A).")
            flags = int(annotation.get(Name.F, 0))
            if not flags & 4 or flags & (
                1 | 2 | 32 | 256
            ):  # Print; not Invisible, Hidden, NoView, ToggleNoView
                yield Problem(where, "widget_flags", "Ô chữ ký không được in ra hoặc bị ẩn.")
            if not str(annotation.get(Name.TU, "")):
                yield Problem(
                    where, "tooltip", "Ô chữ ký thiếu tên vai trò cho người dùng trình đọc màn hình."
                )
            if not isinstance(annotation.get(Name.AP, Dictionary()).get(Name.N), pikepdf.Stream):
                yield Problem(where, "appearance", "Ô chữ ký không có phần hiển thị.")
            key = annotation.get(Name.StructParent)
            element = parents[int(key)] if key is not None and int(key) in parents else None
            if element is None or element.get(Name.S) != Name.Form or not _refers_to(element, annotation):
                yield Problem(where, "untagged", "Ô chữ ký không được gắn thẻ trong cây cấu trúc.")


def _refers_to(element: Object, annotation: Object) -> bool:
    """Whether a structure element has an object reference to ``annotation`` (ISO 32000-1, 14.7.4.3)."""
    kids = element.get(Name.K, Array())
    for kid in kids if isinstance(kids, Array) else [kids]:
        if (
            isinstance(kid, Dictionary)
            and kid.get(Name.Type) == Name.OBJR
            and kid.Obj.objgen == annotation.objgen
        ):
            return True
    return False


def _full_name(field: Object) -> str:
    """ISO 32000-1, 12.7.3.2: partial names from the root, joined by dots."""
    names: list[str] = []
    node: Object | None = field
    while node is not None and len(names) < 8:
        if Name.T in node:
            names.insert(0, str(node.T))
        node = node.get(Name.Parent)
    return ".".join(names)


def _check_fields(document: Pdf, record: Record) -> Iterator[Problem]:
    """Exactly the record's signature fields, empty, each with one place; the seal's one locks all."""
    acro = document.Root.get(Name.AcroForm, Dictionary())
    found: list[str] = []
    for field in _terminal_fields(acro.get(Name.Fields, Array())):
        name = _full_name(field)
        found.append(name)
        if field.get(Name.FT) != Name.Sig or Name.V in field:
            yield Problem(f"field {name}", "field", "Ô phải là ô chữ ký và còn trống.")
    placed = sorted(
        _full_name(annotation)
        for page in document.pages
        for annotation in page.obj.get(Name.Annots, Array())
        if annotation.get(Name.Subtype) == Name.Widget
    )
    expected = sorted(record.signature_fields)
    if sorted(found) != expected or placed != expected:
        yield Problem("fields", "fields", f"Các ô chữ ký không đúng {len(expected)} ô của học bạ này.")
    if Name.SigFlags in acro:
        yield Problem("fields", "field", "Tệp chưa ký đã ghi là có chữ ký.")
    locks = {
        _full_name(field): field.Lock
        for field in _terminal_fields(acro.get(Name.Fields, Array()))
        if Name.Lock in field
    }
    seal = locks.pop("KY_PHAT_HANH", Dictionary())
    if locks or seal.get(Name.Action) != Name.All or seal.get(Name.P) != 1:
        yield Problem(
            "field KY_PHAT_HANH",
            "lock",
            "Chữ ký phát hành phải khoá mọi ô; các chữ ký khác không khoá ô nào.",
        )


def _terminal_fields(fields: Object) -> Iterator[Object]:
    """Depth first; a kid without a name of its own is a widget of its parent."""
    for field in fields:
        kids = field.get(Name.Kids, Array())
        if len(kids) and any(Name.T in kid for kid in kids):
            yield from _terminal_fields(kids)
        else:
            yield field


def _check_attachment(document: Pdf, objects: Sequence[_Item], content: bytes) -> Iterator[Problem]:
    """Exactly one embedded file: ours, byte for byte, associated with the document as its source."""
    specs = [item.value(document) for item in objects if item.names_any(b"/Filespec", b"/EF")]
    streams = [item for item in objects if item.names_any(b"/EmbeddedFile")]
    names = list(document.attachments)
    if len(specs) != 1 or len(streams) != 1 or names != [ATTACHMENT_NAME]:
        yield Problem("attachment", "attachment", f"Tệp phải đính kèm đúng một tệp {ATTACHMENT_NAME}.")
        return
    spec = specs[0]
    associated = document.Root.get(Name.AF, Array())
    if (
        spec.get(Name.AFRelationship) != Name.Source
        or [item.objgen for item in associated] != [spec.objgen]
        or str(spec.get(Name.UF, "")) != ATTACHMENT_NAME
    ):
        yield Problem("attachment", "attachment", "Tệp đính kèm không được khai là nguồn dữ liệu của học bạ.")
    stream = spec.EF.F
    if stream.get(Name.Subtype) != Name("/application/json"):
        yield Problem("attachment", "attachment", "Tệp đính kèm không được khai là JSON.")
    if stream.read_bytes() != content:
        yield Problem("attachment", "attachment_content", "Tệp đính kèm khác dữ liệu chuẩn của học bạ.")
