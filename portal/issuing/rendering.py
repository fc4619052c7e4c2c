"""Renders one record into the base PDF that will be signed: the circular's form, tagged PDF/A-3a, the data
attached.

Two steps:

1. Typst sets the pages from a template per scheme (TT 27/2020, TT 22/2021, TT 43/2021), attaches the
   canonical record as ``hoc-ba.json`` (AFRelationship Source) and refuses by itself what PDF/A-3a (ISO
   19005-3, level A) forbids.
2. pikepdf turns the places that the template keeps free into empty signature fields (ISO 32000-1, 12.7.4.5).
   The template emits each place as a link whose address names the field, so Typst has already put rectangle,
   structure element, object reference and parent-tree entry where they belong; only the kind changes: Link →
   Form, Widget.

The same input gives the same bytes: times are arguments, nothing is drawn by chance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import pikepdf
import typst
from pikepdf import Array, Dictionary, Name, NumberTree, Object, Pdf, Stream, String

from portal.errors import PortalError
from portal.issuing import appearance, form, qr
from portal.issuing.appearance import Signatory
from verifier.errors import InvalidInput, Problem
from verifier.locator import group, short_digest
from verifier.record import Record, attachment, digest

PAGE: Final = "{page}"
FIELD_LINK: Final = "hbs-field:"
MARK: Final = "VĂN BẢN GIẤY CHUYỂN ĐỔI TỪ THÔNG ĐIỆP DỮ LIỆU"
TEMPLATES: Final = Path(__file__).parent / "templates"
PRINT_AND_LOCKED: Final = (
    4 | 128
)  # annotation flags; PDF/A-3 requires Print, the other keeps viewers from moving it


@dataclass(frozen=True, slots=True)
class PrintedMeta:
    """What is printed beside the record: who signs, and what NĐ 137/2024 Đ.5 asks a converted copy to carry.

    ``host`` is printed in words; ``converted_at`` is aware and printed in its own zone; ``signatories``: one
    for each signature field of the record; ``mark`` is the sign of its own ("ký hiệu riêng"), in words.
    """

    system_name: str
    owner: str
    host: str
    converter: str
    converted_at: datetime
    signatories: Mapping[str, Signatory]
    mark: str = MARK

    @classmethod
    def for_url(
        cls,
        url: str,
        *,
        system_name: str,
        owner: str,
        converter: str,
        converted_at: datetime,
        signatories: Mapping[str, Signatory],
    ) -> PrintedMeta:
        """With the host of the QR's own URL, in lower case as people type it."""
        return cls(system_name, owner, urlsplit(url).netloc.lower(), converter, converted_at, signatories)

    @property
    def signer_names(self) -> dict[str, str]:
        """Signature field → the name printed under it."""
        return {field: signatory.name for field, signatory in self.signatories.items()}


class RenderingFault(PortalError):  # noqa: N818 - neither a person's mistake nor a finding
    """The template or Typst broke a promise of ours: not a mistake of the record."""


class Renderer:
    """Renders records. Build once: the fonts are read and the templates compiled once, then reused."""

    standards: ClassVar[tuple[typst.PDFStandard, ...]] = ("a-3a",)

    def __init__(self) -> None:
        fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(appearance.FONTS)]
        )
        self._compiler = typst.Compiler(root=str(TEMPLATES), font_paths=fonts)

    def render(
        self,
        record: Record,
        header: Mapping[str, Any],
        disclosures: Sequence[str],
        url: str,
        meta: PrintedMeta,
    ) -> bytes:
        """The base PDF of one version of ``record``; ``url`` is what the QR says.

        Raises InvalidInput for characters that the fonts cannot print and for a host too long for the QR
        (everything at once), then for words too long for a signature's place; RenderingFault for a failure of
        ours.
        """
        try:
            laid_out = form.lay_out(record, meta.signer_names)
        except KeyError as error:
            raise RenderingFault(str(error)) from error
        data = dict(laid_out.data) | {
            "title": laid_out.title,
            "attachment": attachment(header, disclosures).decode("utf-8"),
            "foot": foot(header, url, meta),
            "qr_alt": f"Mã QR tra cứu học bạ: {url}",
            "author": record.common.truong,
            "description": f"Mã tra cứu {group(header['record_id'])}",
        }
        problems = _unprintable(laid_out, data["foot"])
        try:
            data["qr"] = qr.svg(url)
        except qr.TooLong:
            problems.append(
                Problem("PUBLIC_URL", "too_long", "Tên miền dài quá 41 ký tự: mã QR không in vừa.")
            )
        if problems:
            raise InvalidInput(tuple(problems))
        pages = self._set_type(laid_out.template, data, meta.converted_at)
        return _add_fields(pages, _tooltips(record), meta)

    def _set_type(self, template: str, data: Mapping[str, Any], at: datetime) -> bytes:
        try:
            pdf = self._compiler.compile(
                str(TEMPLATES / template),
                format="pdf",
                sys_inputs={"record": json.dumps(data, ensure_ascii=False)},
                pdf_standards=list(self.standards),
                timestamp=at.replace(microsecond=0),
            )
        except typst.TypstError as error:
            raise RenderingFault(f"{template}: {error.message} {' '.join(error.hints)}") from error
        if not isinstance(pdf, bytes):
            raise RenderingFault(f"{template}: Typst returned no PDF")
        return pdf


def foot(header: Mapping[str, Any], url: str, meta: PrintedMeta) -> list[list[str]]:
    """The foot of every page as lines of [words, value, words, value, …]; PAGE stands for "1/3".

    Host and codes first, then exactly what NĐ 137/2024 Đ.5 lists.
    """
    year, month, day = str(header["issued_on"]).split("-")
    at = f"{meta.converted_at:%H giờ %M phút, ngày %d/%m/%Y}"
    return [
        ["Tra cứu và xác thực tại ", meta.host, "trang ", PAGE],
        ["Mã tra cứu: ", group(header["record_id"]), "Mã đối chiếu: ", short_digest(digest(header))],
        [f"Bản số {header['version']}, cấp ngày {day}/{month}/{year}"],
        [f"Hệ thống: {meta.system_name}. Chủ quản: {meta.owner}."],
        [f"Ký hiệu riêng: {meta.mark}."],
        [f"Thời gian chuyển đổi: {at}. Người chuyển đổi: {meta.converter}."],
    ]


def _unprintable(laid_out: form.Form, foot_lines: Sequence[Sequence[str]]) -> list[Problem]:
    """One problem for each line with characters that the vendored faces do not have."""
    printable = appearance.signature_font().prints
    texts = [(", ".join(line.fields) or "–", line.text) for line in laid_out.lines]
    texts += [("printed_meta", "".join(line)) for line in foot_lines]
    problems = []
    for where, text in texts:
        if bad := sorted({c for c in text if c != "\n" and not printable(c)}):
            named = ", ".join(f"U+{ord(c):04X}" for c in bad)
            problems.append(
                Problem(where, "unprintable", f"Ký tự {named} không có trong phông chữ in học bạ.")
            )
    return problems


# ------------------------------------------------------------------------------------------- signature fields


def _tooltips(record: Record) -> dict[str, str]:
    """Signature field → its role in words, for /TU: what a screen reader says (ISO 14289-1, 7.18.1)."""
    head = form.TERMS[record.level].head.capitalize()
    roles = {
        "GVCN": "Chữ ký số của giáo viên chủ nhiệm",
        "CBQL": f"Chữ ký số của cán bộ quản lý ({head} hoặc người được giao quyền)",
        "KY_PHAT_HANH": "Chữ ký số của cơ sở giáo dục (con dấu), ký phát hành",
    }
    subjects = {f"GVBM.{code}": row.ten for code, row in record.results.mon.items()}
    return {
        name: roles.get(name) or f"Chữ ký số của giáo viên môn {subjects[name]}"
        for name in record.signature_fields
    }


def _add_fields(pages: bytes, tooltips: Mapping[str, str], meta: PrintedMeta) -> bytes:
    """``pages`` with one empty signature field for each key of ``tooltips``, where the template keeps its
    place. Raises InvalidInput for words that do not fit one.
    """
    with Pdf.open(BytesIO(pages)) as pdf:
        # 1. The places, by field name. Anything else that is an annotation has no business here.
        places: dict[str, tuple[Object, Object]] = {}
        for page in pdf.pages:
            for annotation in page.obj.get(Name.Annots, Array()):
                address = str(annotation.get(Name.A, Dictionary()).get(Name.URI, String("")))
                name = address.removeprefix(FIELD_LINK)
                if not address.startswith(FIELD_LINK) or name in places:
                    raise RenderingFault(f"unexpected or repeated annotation {address!r}")
                places[name] = (annotation, page.obj)
        if places.keys() != tooltips.keys():
            raise RenderingFault(f"places {sorted(places)} for fields {sorted(tooltips)}")

        # 2. Link → Widget and Form. Names with a dot are a hierarchy: field GVBM with a kid for each subject.
        parents = NumberTree(pdf.Root.StructTreeRoot.ParentTree)
        sizes = _sizes(places, meta)
        nothing = pdf.make_indirect(
            Stream(pdf, b"", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 1, 1], Resources=Dictionary())
        )
        teachers = pdf.make_indirect(Dictionary(T=String("GVBM"), Kids=Array()))
        fields = Array()
        for name, tooltip in tooltips.items():
            annotation, page_object = places[name]
            _to_widget(annotation, page_object, name, tooltip, nothing)
            annotation.DA = String(appearance.text_state(sizes[page_object.objgen]))
            element = parents[int(annotation.StructParent)]
            element.S = Name.Form
            (element.K,) = (
                element.K
            )  # pyHanko's difference policy knows a field by the path …/K/Obj, not …/K[0]/Obj
            if name.startswith("GVBM."):
                annotation.Parent = teachers
                teachers.Kids.append(annotation)
            else:
                fields.append(annotation)
        if len(teachers.Kids):
            fields.insert(0, teachers)

        # 3. The form: the one font that every signature's appearance uses. SigFlags come with the first
        # signature.
        pdf.Root.AcroForm = pdf.make_indirect(
            Dictionary(
                Fields=fields,
                DR=Dictionary(Font=Dictionary({f"/{appearance.RESOURCE}": _font(pdf)})),
                DA=String(f"/{appearance.RESOURCE} 0 Tf 0 g"),
            )
        )
        pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)

        # 4. No object streams: pyHanko reads the head of one again for each object in it.
        output = BytesIO()
        pdf.save(
            output,
            deterministic_id=True,
            fix_metadata_version=False,
            compress_streams=False,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
        return output.getvalue()


def _sizes(places: Mapping[str, tuple[Object, Object]], meta: PrintedMeta) -> dict[tuple[int, int], float]:
    """Page → the one size at which the words of all its signatures fit their places."""
    time = appearance.time_line(meta.converted_at)  # as long as any
    sizes: dict[tuple[int, int], float] = {}
    problems: list[Problem] = []
    for name, (annotation, page) in places.items():
        left, bottom, right, top = (float(side) for side in annotation.Rect)
        words = (*meta.signatories[name].lines, time)
        try:
            size = appearance.fitting_size(words, right - left, top - bottom)
        except appearance.TooMuchText as error:
            problems.append(Problem(name, "too_long", f"Chữ trong ô ký dài quá, không in vừa: {error}."))
        else:
            sizes[page.objgen] = min(size, sizes.get(page.objgen, size))
    if problems:
        raise InvalidInput(tuple(problems))
    return sizes


def _to_widget(annotation: Object, page: Object, name: str, tooltip: str, nothing: Object) -> None:
    """Turn one link annotation into the merged field and widget ``name``, in place: its rectangle, structure
    parent and object number stay.
    """
    names = annotation.keys()
    for key in [name for name in names if name not in ("/Type", "/Rect", "/StructParent")]:
        del annotation[key]
    annotation.Type = Name.Annot
    annotation.Subtype = Name.Widget
    annotation.FT = Name.Sig
    annotation.T = String(name.rpartition(".")[2])
    annotation.TU = String(tooltip)
    annotation.F = PRINT_AND_LOCKED
    annotation.P = page
    annotation.AP = Dictionary(N=nothing)  # PDF/A-3 wants an appearance even before the signature, 6.3.3
    if name == "KY_PHAT_HANH":
        annotation.Lock = Dictionary(Type=Name.SigFieldLock, Action=Name.All, P=1)


def _font(pdf: Pdf) -> Object:
    """The Type 0 font of all signature appearances (ISO 32000-1, 9.7): embedded, Identity-H, ToUnicode."""
    font = appearance.signature_font()
    outlines = Stream(pdf, font.outlines, Length1=font.outlines_length, Filter=Name.FlateDecode)
    descriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=Name(f"/{font.base_font}"),
        Flags=4 | 2,  # symbolic (glyphs are named by id) and serif
        FontBBox=list(font.bbox),
        ItalicAngle=0,
        Ascent=font.ascent,
        Descent=font.descent,
        CapHeight=font.cap_height,
        StemV=80,
        FontFile2=pdf.make_indirect(outlines),
    )
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name(f"/{font.base_font}"),
        CIDSystemInfo=Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0),
        FontDescriptor=pdf.make_indirect(descriptor),
        DW=1000,
        W=Array([0, Array(list(font.widths))]),
        CIDToGIDMap=Name.Identity,
    )
    return pdf.make_indirect(
        Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name(f"/{font.base_font}"),
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
            ToUnicode=pdf.make_indirect(Stream(pdf, font.to_unicode, Filter=Name.FlateDecode)),
        )
    )
