"""The lint finds each defect that it is there for: good files are damaged one way at a time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, NumberTree, Object, Pdf, Stream, String

from portal.issuing import lint as lint_module
from portal.issuing import qr
from portal.issuing.lint import audit_sealed, lint
from portal.issuing.rendering import Renderer
from tests.portal.issuing import papers
from tests.portal.issuing.papers import Paper, paper
from verifier.errors import Problem
from verifier.record import Level, parse

GOOD = paper(papers.full(Level.THCS, 7))
Damage = Callable[[Pdf], None]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture(scope="module")
def good(renderer: Renderer) -> bytes:
    return rendered(renderer, GOOD)


def rendered(renderer: Renderer, a_paper: Paper) -> bytes:
    return renderer.render(a_paper.record, a_paper.header, a_paper.disclosures, a_paper.url, a_paper.meta)


def findings(pdf: bytes, a_paper: Paper = GOOD) -> tuple[Problem, ...]:
    return lint(
        pdf, a_paper.record, a_paper.header, a_paper.url, disclosures=a_paper.disclosures, meta=a_paper.meta
    )


def codes(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.code for problem in problems}


def damaged(pdf: bytes, damage: Damage) -> bytes:
    with Pdf.open(BytesIO(pdf)) as document:
        damage(document)
        output = BytesIO()
        document.save(output, fix_metadata_version=False)
        return output.getvalue()


def widget(pdf: Pdf, name: str = "GVCN") -> Object:
    return next(
        w for page in pdf.pages for w in page.obj.get(Name.Annots, Array()) if str(w.get(Name.T)) == name
    )


def element(pdf: Pdf, name: str = "GVCN") -> Object:
    return NumberTree(pdf.Root.StructTreeRoot.ParentTree)[int(widget(pdf, name).StructParent)]


def state(pdf: Pdf, **entries: object) -> None:
    """A graphics state in the first page's resources."""
    pdf.pages[0].obj.Resources.ExtGState = Dictionary(G=Dictionary(entries))


def script() -> Dictionary:
    return Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


def annotate(pdf: Pdf, **entries: object) -> None:
    pdf.pages[0].obj.Annots = Array(
        [pdf.make_indirect(Dictionary({"/Type": Name.Annot, "/Rect": Array([0, 0, 9, 9]), **entries}))]
    )


def attach_another(pdf: Pdf) -> None:
    pdf.attachments["ke-hoach.txt"] = b"x"


def rewrite_attachment(pdf: Pdf) -> None:
    stream = pdf.Root.AF[0].EF.F
    stream.write(stream.read_bytes().replace(b'"version":1', b'"version":2'))


def rename_attachment(pdf: Pdf) -> None:
    pdf.Root.AF[0].UF = String("khac.json")


def unembed(pdf: Pdf) -> None:
    for item in pdf.objects:
        if isinstance(item, Dictionary) and Name.FontFile2 in item:
            del item.FontFile2
            return


def add_builtin_font(pdf: Pdf) -> None:
    pdf.pages[0].obj.Resources.Font.F9 = Dictionary(
        Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica
    )


def forget_unicode(pdf: Pdf) -> None:
    del pdf.Root.AcroForm.DR.Font.HBS.ToUnicode


def add_field(pdf: Pdf) -> None:
    pdf.Root.AcroForm.Fields.append(
        pdf.make_indirect(Dictionary(FT=Name.Sig, T=String("KE_LA"), Kids=Array([])))
    )


def drop_field(pdf: Pdf) -> None:
    pdf.Root.AcroForm.Fields = Array([f for f in pdf.Root.AcroForm.Fields if str(f.T) != "GVCN"])


def rename_field(pdf: Pdf) -> None:
    widget(pdf).T = String("GVCN2")


def make_text_field(pdf: Pdf) -> None:
    widget(pdf).FT = Name.Tx


def sign_already(pdf: Pdf) -> None:
    widget(pdf).V = pdf.make_indirect(Dictionary(Type=Name.Sig))


def set_flags(pdf: Pdf) -> None:
    pdf.Root.AcroForm.SigFlags = 3


def unlock(pdf: Pdf) -> None:
    del widget(pdf, "KY_PHAT_HANH").Lock


def lock_early(pdf: Pdf) -> None:
    widget(pdf).Lock = Dictionary(Type=Name.SigFieldLock, Action=Name.All, P=1)


def soften_lock(pdf: Pdf) -> None:
    widget(pdf, "KY_PHAT_HANH").Lock.P = 2


def outside_stream(pdf: Pdf) -> None:
    pdf.pages[0].obj.Resources.XObject = Dictionary(
        X=Stream(
            pdf, b"", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 1, 1], F=String("http://example.vn/x")
        )
    )


def soft_mask_image(pdf: Pdf) -> None:
    grey = {"Type": Name.XObject, "Subtype": Name.Image, "Width": 1, "Height": 1, "BitsPerComponent": 8}
    mask = Stream(pdf, b"\x80", ColorSpace=Name.DeviceGray, **grey)
    picture = Stream(pdf, b"\x00", ColorSpace=Name.DeviceGray, SMask=pdf.make_indirect(mask), **grey)
    pdf.pages[0].obj.Resources.XObject = Dictionary(I=pdf.make_indirect(picture))


def cover_qr(pdf: Pdf) -> None:
    paint(pdf, 1, "1 1 1 rg 40 20 120 110 re f")


def paint_foreign_qr(pdf: Pdf) -> None:
    """A code of the same shape but another record's, over ours."""
    rows = qr.matrix(GOOD.url[:-2] + ("0G" if GOOD.url[-2:] != "0G" else "1G"))
    side = 30 * 72 / 25.4 / (len(rows) + 8)
    left, top = 19 * 72 / 25.4, 41 * 72 / 25.4
    squares = [
        f"{left + (x + 4) * side:.2f} {top - (y + 5) * side:.2f} {side:.2f} {side:.2f} re"
        for y, row in enumerate(rows)
        for x, dark in enumerate(row)
        if dark
    ]
    paint(pdf, 2, "1 1 1 rg 40 15 120 110 re f 0 g " + " ".join(squares) + " f")


def paint(pdf: Pdf, page: int, content: str) -> None:
    pdf.pages[page].contents_add(pdf.make_stream(f"q {content} Q".encode()))


def shrink_page(pdf: Pdf) -> None:
    pdf.pages[0].obj.MediaBox = Array([0, 0, 420, 595])


def drop_page(pdf: Pdf) -> None:
    del pdf.pages[1]


def swap_pages(pdf: Pdf) -> None:
    pdf.pages[0], pdf.pages[1] = pdf.pages[1], pdf.pages[0]


STRUCTURE: dict[str, tuple[str, Damage]] = {
    "script at opening": ("active", lambda pdf: pdf.Root.update({"/OpenAction": script()})),
    "document script": (
        "active",
        lambda pdf: pdf.Root.Names.update({"/JavaScript": Dictionary(Names=Array([String("a"), script()]))}),
    ),
    "page action": ("active", lambda pdf: pdf.pages[0].obj.update({"/AA": Dictionary(O=script())})),
    "widget action": (
        "active",
        lambda pdf: widget(pdf).update({"/A": Dictionary(S=Name.Named, N=Name.Print)}),
    ),
    "widget script": ("active", lambda pdf: widget(pdf).update({"/AA": Dictionary(E=script())})),
    "launch": ("active", lambda pdf: pdf.Root.update({"/X": Dictionary(S=Name.Launch, F=String("a.exe"))})),
    "link": (
        "annotation",
        lambda pdf: annotate(
            pdf, **{"/Subtype": Name.Link, "/A": Dictionary(S=Name.URI, URI=String("http://a"))}
        ),
    ),
    "stamp": ("annotation", lambda pdf: annotate(pdf, **{"/Subtype": Name.Stamp})),
    "rich media": ("active", lambda pdf: annotate(pdf, **{"/Subtype": Name.RichMedia})),
    "layers": (
        "layers",
        lambda pdf: pdf.Root.update(
            {"/OCProperties": Dictionary(OCGs=Array([Dictionary(Type=Name.OCG, Name=String("a"))]))}
        ),
    ),
    "xfa": ("form", lambda pdf: pdf.Root.AcroForm.update({"/XFA": pdf.make_stream(b"<x/>")})),
    "redraw": ("form", lambda pdf: pdf.Root.AcroForm.update({"/NeedAppearances": True})),
    "outside stream": ("external", outside_stream),
    "fill opacity": ("transparency", lambda pdf: state(pdf, **{"/ca": 0.5})),
    "stroke opacity": ("transparency", lambda pdf: state(pdf, **{"/CA": 0})),
    "blend mode": ("transparency", lambda pdf: state(pdf, **{"/BM": Name.Multiply})),
    "blend modes": ("transparency", lambda pdf: state(pdf, **{"/BM": Array([Name.Screen, Name.Normal])})),
    "soft mask": (
        "transparency",
        lambda pdf: state(pdf, **{"/SMask": Dictionary(S=Name.Luminosity)}),
    ),
    "soft-masked image": ("transparency", soft_mask_image),
    "page group": (
        "transparency",
        lambda pdf: pdf.pages[0].obj.update({"/Group": Dictionary(S=Name.Transparency, CS=Name.DeviceRGB)}),
    ),
    "font not embedded": ("font", unembed),
    "built-in font": ("font", add_builtin_font),
    "font without letters": ("font", forget_unicode),
    "hidden widget": ("widget_flags", lambda pdf: widget(pdf).update({"/F": 4 | 2})),
    "unprinted widget": ("widget_flags", lambda pdf: widget(pdf).update({"/F": 128})),
    "nameless widget": ("tooltip", lambda pdf: widget(pdf).update({"/TU": String("")})),
    "widget without picture": ("appearance", lambda pdf: widget(pdf).update({"/AP": Dictionary()})),
    "widget without tag": ("untagged", lambda pdf: widget(pdf).update({"/StructParent": 9999})),
    "widget tagged as link": ("untagged", lambda pdf: element(pdf).update({"/S": Name.Link})),
    "tag of another widget": (
        "untagged",
        lambda pdf: element(pdf).update(
            {"/K": Dictionary(Type=Name.OBJR, Obj=widget(pdf, "CBQL"), Pg=pdf.pages[2].obj)}
        ),
    ),
    "no language": ("pdfa", lambda pdf: pdf.Root.update({"/Lang": String("en")})),
    "no tags": ("pdfa", lambda pdf: pdf.Root.update({"/MarkInfo": Dictionary(Marked=False)})),
    "no colour space": ("pdfa", lambda pdf: pdf.Root.update({"/OutputIntents": Array()})),
    "no metadata": ("pdfa", lambda pdf: pdf.Root.__delitem__("/Metadata")),
    "no title": ("pdfa", lambda pdf: pdf.docinfo.__delitem__("/Title")),
}
BASE_ONLY: dict[str, tuple[str, Damage]] = {
    "field more": ("fields", add_field),
    "field less": ("fields", drop_field),
    "field renamed": ("fields", rename_field),
    "text field": ("field", make_text_field),
    "signed field": ("field", sign_already),
    "signature flags": ("field", set_flags),
    "seal does not lock": ("lock", unlock),
    "homeroom teacher locks": ("lock", lock_early),
    "seal lets changes in": ("lock", soften_lock),
    "second attachment": ("attachment", attach_another),
    "attachment of another name": ("attachment", rename_attachment),
    "attachment not the source": (
        "attachment",
        lambda pdf: pdf.Root.AF[0].update({"/AFRelationship": Name.Data}),
    ),
    "attachment not associated": ("attachment", lambda pdf: pdf.Root.__delitem__("/AF")),
    "attachment not json": (
        "attachment",
        lambda pdf: pdf.Root.AF[0].EF.F.update({"/Subtype": Name("/text/plain")}),
    ),
    "attachment changed": ("attachment_content", rewrite_attachment),
    "covered qr": ("qr", cover_qr),
    "foreign qr": ("qr", paint_foreign_qr),
    "other paper": ("qr", shrink_page),
    "page lost": ("text", drop_page),
    "pages swapped": ("head", swap_pages),
    "pages misnumbered": ("foot", swap_pages),
}


def test_a_good_file_has_no_findings(good: bytes) -> None:
    assert findings(good) == ()
    assert audit_sealed(good) == ()
    assert findings(damaged(good, lambda pdf: None)) == ()


@pytest.mark.parametrize("defect", list(STRUCTURE))
def test_structure(defect: str, good: bytes) -> None:
    code, damage = STRUCTURE[defect]
    bad = damaged(good, damage)
    assert code in codes(findings(bad))
    assert code in codes(audit_sealed(bad))


@pytest.mark.parametrize("defect", list(BASE_ONLY))
def test_base_file(defect: str, good: bytes) -> None:
    code, damage = BASE_ONLY[defect]
    assert code in codes(findings(damaged(good, damage)))


@pytest.mark.parametrize("escaped", [b"/J#61vaScript", b"/Java#53cript"])
def test_names_do_not_hide_behind_escapes(escaped: bytes, good: bytes) -> None:
    bad = damaged(good, lambda pdf: pdf.Root.update({"/X": Name.JavaScript}))
    assert bad.count(b"/JavaScript") == 1
    assert "active" in codes(findings(bad.replace(b"/JavaScript", escaped)))


def test_what_is_named_and_not_there_is_found(good: bytes) -> None:
    """Whoever brings it in a later revision changes nothing that stands in the file."""
    pdf = good.replace(b"/Type /Catalog", b"/AA0 9999 0 R ", 1)
    assert len(pdf) == len(good)
    assert [(p.code, "9999 0" in p.message) for p in findings(pdf)] == [("dangling", True)]


def test_the_quick_look_and_the_thorough_one_agree(good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The renderer's plain files are cut up without parsing; the parser, kept from that, sees the same
    objects.
    """
    with Pdf.open(BytesIO(good)) as document:
        quick = lint_module._scanned(document, good)
        monkeypatch.setattr(lint_module, "_scanned", lambda *_: None)
        thorough = lint_module._objects(document, good)
    assert quick is not None
    seen = [
        {
            item.objgen: (
                sorted(lint_module._NAME.findall(item.source.replace(b"/application#2fjson", b"/json"))),
                item.is_stream,
            )
            for item in items
        }
        for items in (quick, thorough)
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("defect", list(STRUCTURE))
def test_structure_by_the_thorough_look(defect: str, good: bytes) -> None:
    """The same defects in a file with object streams, where only parsing finds them."""
    code, damage = STRUCTURE[defect]
    with Pdf.open(BytesIO(good)) as document:
        damage(document)
        output = BytesIO()
        document.save(
            output, fix_metadata_version=False, object_stream_mode=pikepdf.ObjectStreamMode.generate
        )
    assert code in codes(audit_sealed(output.getvalue()))


def test_a_name_in_a_pupils_text_is_no_finding(renderer: Renderer) -> None:
    data = papers.full(Level.THCS, 7).to_input() | {
        "lop": "7/AA",
        "ket_qua_cuoc_thi": "/JavaScript /Group (/OC)",
    }
    a_paper = paper(parse(data))
    assert findings(rendered(renderer, a_paper), a_paper) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ho_va_ten", "Nguyễn Thị Hướng"),
        ("ngay_sinh", "06/09/2013"),
        ("so_dinh_danh_ca_nhan", "001313004568"),
        ("me_ho_ten", "Lê Thị Hòa"),
        ("tong_so_buoi_nghi", 4),
        ("nhan_xet_gvcn", "Em chăm ngoan."),
        (
            "mon.TOAN",
            {"ten": "Toán", "hk1": "8.1", "hk2": "8.9", "ca_nam": "8.6", "nhan_xet": papers.REMARKS[1]},
        ),
    ],
)
def test_pages_that_say_something_else_are_found(name: str, value: object, renderer: Renderer) -> None:
    """The pages of one record under the data of another that differs in a single field."""
    other = paper(parse(GOOD.record.to_input() | {name: value}))
    # The same header facts and QR, so that only the text can give it away.
    pdf = renderer.render(other.record, other.header, other.disclosures, GOOD.url, GOOD.meta)
    found = [problem for problem in findings(pdf) if problem.code == "text"]
    assert name in {field for problem in found for field in problem.where.split(", ")}


def test_text_must_stand_in_order(renderer: Renderer) -> None:
    """Father and mother swapped: every value is on the page, none at its place."""
    data = GOOD.record.to_input()
    data |= {"cha_ho_ten": data["me_ho_ten"], "me_ho_ten": data["cha_ho_ten"]}
    other = paper(parse(data))
    pdf = renderer.render(other.record, other.header, other.disclosures, GOOD.url, GOOD.meta)
    assert {p.where for p in findings(pdf) if p.code == "text"} == {"cha_ho_ten", "me_ho_ten"}


def test_another_version_is_found_in_the_foot_and_the_attachment(renderer: Renderer) -> None:
    second = paper(GOOD.record, version=2)
    found = codes(findings(rendered(renderer, second)))
    assert {"foot", "attachment_content", "qr"} <= found


def test_encryption_is_found(good: bytes) -> None:
    output = BytesIO()
    with Pdf.open(BytesIO(good)) as pdf:
        pdf.save(output, encryption=pikepdf.Encryption(owner="chu", user=""))
    assert "encrypted" in codes(findings(output.getvalue()))
    assert "encrypted" in codes(audit_sealed(output.getvalue()))


@pytest.mark.parametrize("junk", [b"", b"%PDF-1.7\n", b"not a pdf at all"])
def test_what_cannot_be_read_never_passes(junk: bytes) -> None:
    assert "unreadable" in codes(findings(junk))
    assert "unreadable" in codes(audit_sealed(junk))


@pytest.mark.parametrize("key", ["/AcroForm", "/Names", "/AF", "/StructTreeRoot", "/Metadata"])
def test_a_torn_catalog_is_a_finding_and_not_a_crash(key: str, good: bytes) -> None:
    assert findings(damaged(good, lambda pdf: pdf.Root.update({key: Array([1])})))


def test_torn_annotations_are_a_finding_and_not_a_crash(good: bytes) -> None:
    bad = damaged(good, lambda pdf: pdf.pages[0].obj.update({"/Annots": Array([1, Name.X])}))
    assert "unreadable" in codes(findings(bad))
    assert "unreadable" in codes(audit_sealed(bad))
