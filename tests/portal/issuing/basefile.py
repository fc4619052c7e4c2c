"""A small tagged file with empty signature fields, in the shape that the renderer hands over for signing."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from portal.issuing.appearance import RESOURCE


def make_base(fields: Sequence[str]) -> bytes:
    """One page; ``GVBM.TOAN`` is a kid TOAN of a field GVBM; the last field carries the lock of the seal."""
    pdf = pikepdf.new()
    pdf.add_blank_page(page_size=(595, 842))
    page = pdf.pages[0]
    font = pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
    page.obj.Resources = Dictionary(Font=Dictionary(F=font))
    page.obj.Contents = pdf.make_stream(b"/P <</MCID 0>> BDC BT /F 12 Tf 50 800 Td (hoc ba) Tj ET EMC")
    page.obj.StructParents = 0
    tree = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot))
    document = pdf.make_indirect(Dictionary(Type=Name.StructElem, S=Name.Document, P=tree))
    text = pdf.make_indirect(Dictionary(Type=Name.StructElem, S=Name.P, P=document, Pg=page.obj, K=0))
    kids, numbers, widgets, top = Array([text]), Array([0, Array([text])]), Array([]), Array([])
    parents: dict[str, pikepdf.Object] = {}
    for index, field in enumerate(fields):
        left, bottom = 40 + (index % 4) * 130, 700 - (index // 4) * 60
        look = pdf.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 120, 50]))
        head, _, tail = field.rpartition(".")
        widget = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Sig,
                T=String(tail),
                TU=String(f"Chữ ký {field}"),
                F=4,
                Rect=Array([left, bottom, left + 120, bottom + 50]),
                P=page.obj,
                StructParent=index + 1,
                AP=Dictionary(N=look),
            )
        )
        if head:
            if head not in parents:
                parents[head] = pdf.make_indirect(Dictionary(T=String(head), Kids=Array([])))
                top.append(parents[head])
            widget.Parent = parents[head]
            parents[head].Kids.append(widget)
        else:
            top.append(widget)
        element = pdf.make_indirect(
            Dictionary(
                Type=Name.StructElem,
                S=Name.Form,
                P=document,
                Pg=page.obj,
                K=Dictionary(Type=Name.OBJR, Obj=widget),
            )
        )
        kids.append(element)
        numbers.append(index + 1)
        numbers.append(element)
        widgets.append(widget)
    widgets[-1].Lock = pdf.make_indirect(Dictionary(Type=Name.SigFieldLock, Action=Name.All, P=1))
    document.K = kids
    tree.K = document
    tree.ParentTree = pdf.make_indirect(Dictionary(Nums=numbers))
    tree.ParentTreeNextKey = len(fields) + 1
    page.obj.Annots = widgets
    pdf.Root.StructTreeRoot = tree
    pdf.Root.MarkInfo = Dictionary(Marked=True)
    pdf.Root.Lang = String("vi")
    pdf.Root.AcroForm = pdf.make_indirect(
        Dictionary(Fields=top, SigFlags=3, DR=Dictionary(Font=Dictionary({f"/{RESOURCE}": font})))
    )
    output = io.BytesIO()
    pdf.save(
        output,
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
        deterministic_id=True,
        min_version="1.7",
    )
    return output.getvalue()
