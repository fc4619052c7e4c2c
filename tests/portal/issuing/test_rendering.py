"""The printed học bạ: nothing of a record is missing, the form's words, the QR, the fields, PDF/A-3a,
determinism.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2 as pdfium
import pytest
import zxingcpp
from pikepdf import Name, NumberTree, Pdf
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from portal.issuing import appearance, form, qr
from portal.issuing.lint import lint, squeeze
from portal.issuing.rendering import Renderer, RenderingFault, foot
from tests.portal.issuing import papers
from tests.portal.issuing.papers import Paper, paper
from verifier.barcode import read_page_codes, render_page
from verifier.errors import InvalidInput
from verifier.locator import group
from verifier.record import Level, Record, parse, printed_fields, read_attachment

MM = 72 / 25.4
# Over these records every name of printed_fields has a value: all subjects, the last grades, the district
# of before.
FULL = {
    Level.TIEU_HOC: [
        papers.full(Level.TIEU_HOC, 3),
        papers.full(Level.TIEU_HOC, 5),
        papers.full(Level.TIEU_HOC, 4, before_2025_07=True),
    ],
    Level.THCS: [papers.full(Level.THCS, 9), papers.full(Level.THCS, 7, before_2025_07=True)],
    Level.THPT: [
        papers.full(Level.THPT, 12),
        papers.full(Level.THPT, 10, electives_from=4),
        papers.full(Level.THPT, 11, electives_from=5, before_2025_07=True),
    ],
    Level.GDTX_THPT: [
        papers.full(Level.GDTX_THPT, 12),
        papers.full(Level.GDTX_THPT, 10, electives_from=3, before_2025_07=True),
    ],
}


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def render(renderer: Renderer, a_paper: Paper) -> bytes:
    return renderer.render(a_paper.record, a_paper.header, a_paper.disclosures, a_paper.url, a_paper.meta)


def texts_of(pdf: bytes, folder: Path) -> dict[str, str]:
    """The whole text in content order, as two independent readers see it, white space taken out."""
    path = folder / "record.pdf"
    path.write_bytes(pdf)
    poppler = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, check=True)  # noqa: S603, S607
    with pdfium.PdfDocument(pdf) as document:
        pages = [page.get_textpage().get_text_bounded() for page in document]
    return {"poppler": squeeze(poppler.stdout.decode()), "pdfium": squeeze("".join(pages))}


def printed(name: str, value: Any) -> list[str]:
    """How the values inside one field read on paper, told independently of the renderer."""
    if name == "ngay_ky_phat_hanh":
        day, month, year = value.split("/")
        return [f"ngày {day} tháng {int(month)} năm {year}"]
    if name == "chuc_vu":
        return [str(value).upper()]
    if isinstance(value, dict):
        return [
            piece
            for key, inner in value.items()
            if key != "truong" or name != "ghi_de"
            for piece in printed(name, inner)
        ]
    if isinstance(value, list):
        return [piece for inner in value for piece in printed(name, inner)]
    text = str(value)
    return [text.replace(".", ",") if text.replace(".", "", 1).isdigit() else text]


# --------------------------------------------------------------------------------------- field → place → page


@pytest.mark.parametrize("level", list(FULL))
def test_every_printed_field_has_a_place_and_every_place_a_field(level: Level) -> None:
    assert set(form.places(level)) == set(printed_fields(level))
    assert all(form.places(level).values())


@pytest.mark.parametrize("level", list(FULL))
def test_every_field_of_full_records_is_read_on_the_pages(
    level: Level, renderer: Renderer, tmp_path: Path
) -> None:
    seen: set[str] = set()
    for record in FULL[level]:
        a_paper = paper(record)
        texts = texts_of(render(renderer, a_paper), tmp_path)
        for name, value in record.fields().items():
            if name not in printed_fields(level):
                continue
            seen.add(name)
            for reader, text in texts.items():
                for piece in printed(name, value):
                    assert squeeze(piece) in text, f"{name}: {piece!r} is not on the page for {reader}"
        for line in form.lay_out(record, a_paper.meta.signer_names).lines:
            for reader, text in texts.items():
                assert squeeze(line.text) in text, f"{line.fields}: {line.text!r} for {reader}"
    assert seen == set(printed_fields(level)), "a field of the model is in no full record of these tests"


def test_a_field_without_a_place_is_a_fault_and_never_left_out(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_paper = paper(papers.bare(Level.TIEU_HOC, 2))
    monkeypatch.setattr(form, "printed_fields", lambda level: (*printed_fields(level), "ma_bi_mat"))
    monkeypatch.setattr(Record, "fields", lambda self, own=Record.fields: own(self) | {"ma_bi_mat": "x"})
    with pytest.raises(RenderingFault, match="ma_bi_mat"):
        render(renderer, a_paper)


# ------------------------------------------------------------------------------------------ words of the form


def test_secondary_scores_have_a_comma_and_primary_ones_are_whole(renderer: Renderer, tmp_path: Path) -> None:
    secondary = texts_of(render(renderer, paper(papers.full(Level.THCS, 7))), tmp_path)["poppler"]
    assert squeeze("Toán 8,1 8,6 8,4") in secondary
    assert "8.1" not in secondary
    primary = texts_of(render(renderer, paper(papers.full(Level.TIEU_HOC, 4))), tmp_path)["poppler"]
    assert squeeze("Toán T 10 Có tiến bộ") in primary


def test_gdtx_speaks_of_learners_centre_and_director(renderer: Renderer, tmp_path: Path) -> None:
    text = texts_of(render(renderer, paper(papers.bare(Level.GDTX_THPT, 11))), tmp_path)["pdfium"]
    for words in (
        "Họ và tên học viên:",
        "Trung tâm:",
        "Mã trung tâm:",
        "PHÊ DUYỆT CỦA GIÁM ĐỐC",
        "43/2021/TT-BGDĐT",
    ):
        assert squeeze(words) in text
    for words in ("họcsinh", "hiệutrưởng", "nhàtrường"):
        assert words not in squeeze(text.lower()).replace(
            squeeze("người chuyển đổi: trần quốc tuấn, hiệu trưởng"), ""
        )


def test_a_deputy_signs_for_the_head(renderer: Renderer, tmp_path: Path) -> None:
    data = papers.full(Level.THCS, 7).to_input() | {"chuc_vu": "Phó Hiệu trưởng"}
    text = texts_of(render(renderer, paper(parse(data))), tmp_path)["pdfium"]
    assert squeeze("KT. HIỆU TRƯỞNG PHÓ HIỆU TRƯỞNG") in text.replace(squeeze("GIÁO VIÊN CHỦ NHIỆM"), "")


def test_an_exempt_subject_says_so(renderer: Renderer, tmp_path: Path) -> None:
    data = papers.full(Level.THPT, 11).to_input()
    data["mon.GIAO_DUC_THE_CHAT"] = {"ten": "Giáo dục thể chất", "mien": True}
    text = texts_of(render(renderer, paper(parse(data))), tmp_path)["pdfium"]
    assert squeeze("Giáo dục thể chất Miễn Miễn Miễn") in text


@pytest.mark.parametrize("record", [papers.bare(Level.TIEU_HOC, 1), papers.overlong(Level.THPT, 12)])
def test_foot_of_every_page(record: Record, renderer: Renderer) -> None:
    a_paper = paper(record, version=3)
    pdf = render(renderer, a_paper)
    meta = a_paper.meta
    with pdfium.PdfDocument(pdf) as document:
        for number, page in enumerate(document, 1):
            text = squeeze(page.get_textpage().get_text_bounded())
            for words in (
                "xacthuc.hocba.example.vn",
                group(a_paper.header["record_id"]),
                foot(a_paper.header, a_paper.url, meta)[1][3],
                "Bản số 3, cấp ngày 30/05/2026",
                f"trang {number}/{len(document)}",
                meta.system_name,
                meta.owner,
                "VĂN BẢN GIẤY CHUYỂN ĐỔI TỪ THÔNG ĐIỆP DỮ LIỆU",
                "08 giờ 05 phút, ngày 30/05/2026",
                meta.converter,
            ):
                assert squeeze(words) in text, f"page {number} lacks {words}"


# ----------------------------------------------------------------------------------------------------- the QR


@pytest.mark.parametrize(
    "record",
    [
        papers.full(Level.TIEU_HOC, 4),
        papers.full(Level.THCS, 9),
        papers.full(Level.THPT, 10),
        papers.bare(Level.GDTX_THPT, 12),
        papers.overlong(Level.THCS, 8),
    ],
)
def test_the_qr_of_every_page_reads_at_200_dpi(record: Record, renderer: Renderer) -> None:
    a_paper = paper(record)
    pages = read_page_codes(render(renderer, a_paper), dpi=200)
    assert len(pages) >= 3
    assert set(pages) == {(a_paper.url,)}


def test_the_qr_is_30_mm_wide_with_its_quiet_zone(renderer: Renderer) -> None:
    a_paper = paper(papers.bare(Level.THCS, 6))
    page = render_page(render(renderer, a_paper), 0, dpi=300)
    (code,) = zxingcpp.read_barcodes(page, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    modules = len(qr.matrix(a_paper.url))
    side = code.position.top_right.x - code.position.top_left.x
    assert side / 300 * 25.4 * (modules + 2 * qr.QUIET_ZONE) / modules == pytest.approx(30, abs=0.6)
    assert code.ec_level == "M"


def test_hosts_of_up_to_41_characters_fit_and_longer_ones_are_refused(renderer: Renderer) -> None:
    path = "/V/" + "0" * 17 + "." + "0" * 52
    assert len(qr.matrix("HTTPS://" + "A" * 41 + path)) == 37
    with pytest.raises(qr.TooLong):
        qr.matrix("HTTPS://" + "A" * 42 + path)
    a_paper = paper(papers.bare(Level.THCS, 6))
    strange = replace(a_paper.meta, owner="Sở \ue000")
    with pytest.raises(InvalidInput) as caught:
        renderer.render(
            a_paper.record, a_paper.header, a_paper.disclosures, "HTTPS://" + "A" * 42 + path, strange
        )
    assert {(p.where, p.code) for p in caught.value.problems} == {
        ("PUBLIC_URL", "too_long"),
        ("printed_meta", "unprintable"),
    }


def test_letters_that_cannot_be_printed_are_named_with_their_field(renderer: Renderer) -> None:
    data = papers.bare(Level.THCS, 6).to_input() | {"que_quan": "Xã 漢字", "nhan_xet_gvcn": "Tốt \U0001f600"}
    with pytest.raises(InvalidInput) as caught:
        render(renderer, paper(parse(data)))
    found = {p.where: p.message for p in caught.value.problems}
    assert set(found) == {"que_quan", "nhan_xet_gvcn"}
    assert "U+5B57, U+6F22" in found["que_quan"]


def test_decomposed_letters_and_minority_names_print(renderer: Renderer) -> None:
    """NFD text and names with H', apostrophes, ƀ and č are printed, found and linted as they are."""
    data = papers.bare(Level.THCS, 6).to_input() | {
        "ho_va_ten": "H’Nga Niê Kdăm",
        "me_ho_ten": "Nguye\u0302\u0303n Thi\u0323 Hu\u031bo\u031b\u0300ng",
        "cha_ho_ten": "Y ƀăč Êban",
    }
    a_paper = paper(parse(data))
    assert lint_of(render(renderer, a_paper), a_paper) == ()


# ----------------------------------------------------------------------------------- file, attachment, fields


def lint_of(pdf: bytes, a_paper: Paper) -> tuple[Any, ...]:
    return lint(
        pdf,
        a_paper.record,
        a_paper.header,
        a_paper.url,
        disclosures=a_paper.disclosures,
        meta=a_paper.meta,
    )


@pytest.mark.parametrize(
    "record",
    [
        *(record for records in FULL.values() for record in records[:1]),
        papers.bare(Level.TIEU_HOC, 1),
        papers.bare(Level.GDTX_THPT, 10),
        papers.overlong(Level.TIEU_HOC, 5),
        papers.overlong(Level.THPT, 12),
    ],
    ids=lambda record: f"{record.level}-{record.grade}",
)
def test_what_is_rendered_passes_the_lint(record: Record, renderer: Renderer) -> None:
    a_paper = paper(record)
    assert lint_of(render(renderer, a_paper), a_paper) == ()


def test_the_same_input_gives_the_same_bytes(renderer: Renderer) -> None:
    a_paper = paper(papers.full(Level.THCS, 9))
    first = render(renderer, a_paper)
    render(renderer, paper(papers.full(Level.TIEU_HOC, 4)))
    assert render(renderer, a_paper) == first
    assert render(Renderer(), a_paper) == first


def test_the_marks_of_tagged_pdfa_3a_survive(renderer: Renderer) -> None:
    with Pdf.open(BytesIO(render(renderer, paper(papers.full(Level.THCS, 9))))) as pdf:
        metadata = pdf.Root.Metadata.read_raw_bytes().decode()
        assert "<pdfaid:part>3</pdfaid:part>" in metadata
        assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
        assert str(pdf.Root.Lang) == "vi-VN"
        assert pdf.Root.MarkInfo.Marked
        assert Name("/GTS_PDFA1") == pdf.Root.OutputIntents[0].S
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        assert str(pdf.docinfo.Title).startswith("Học bạ trung học cơ sở – Nguyễn Thị Hường")
        assert all(page.obj.Tabs == Name.S for page in pdf.pages if Name.Annots in page.obj)
        assert Name.ID in pdf.trailer
        assert pdf.pdf_version == "1.7"


@pytest.mark.parametrize("record", [papers.full(Level.TIEU_HOC, 4), papers.overlong(Level.GDTX_THPT, 12)])
def test_the_pages_also_meet_what_typst_checks_of_pdfua(
    record: Record, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not claimed in the file; but no picture without words, no table without heads, a title, a language."""
    monkeypatch.setattr(Renderer, "standards", ("a-3a", "ua-1"))
    assert b"pdfuaid" in render(renderer, paper(record))


def test_qpdf_finds_no_fault(renderer: Renderer, tmp_path: Path) -> None:
    path = tmp_path / "record.pdf"
    path.write_bytes(render(renderer, paper(papers.full(Level.THPT, 12))))
    subprocess.run(["qpdf", "--check", str(path)], check=True, capture_output=True)  # noqa: S603, S607


def test_the_canonical_record_is_attached(renderer: Renderer) -> None:
    a_paper = paper(papers.full(Level.THCS, 9))
    with Pdf.open(BytesIO(render(renderer, a_paper))) as pdf:
        (spec,) = pdf.Root.AF
        assert spec.AFRelationship == Name.Source
        assert str(spec.UF) == "hoc-ba.json"
        assert spec.EF.F.Subtype == Name("/application/json")
        assert read_attachment(spec.EF.F.read_bytes()) == (a_paper.header, a_paper.disclosures)


@pytest.mark.parametrize(
    ("record", "count"),
    [
        (papers.full(Level.TIEU_HOC, 4), 3),
        (papers.full(Level.THCS, 9), 17),
        (papers.overlong(Level.THPT, 12), 17),
    ],
)
def test_signature_fields_stand_where_the_form_shows_them(
    record: Record, count: int, renderer: Renderer
) -> None:
    pdf = render(renderer, paper(record))
    names = [name for name, value, _ in enumerate_sig_fields(PdfFileReader(BytesIO(pdf))) if value is None]
    assert len(names) == count
    assert sorted(names) == sorted(record.signature_fields)
    with Pdf.open(BytesIO(pdf)) as document:
        boxes: list[tuple[int, list[float]]] = []
        parents = NumberTree(document.Root.StructTreeRoot.ParentTree)
        for number, page in enumerate(document.pages):
            for widget in page.obj.get(Name.Annots, []):
                left, bottom, right, top = (float(x) for x in widget.Rect)
                assert left >= 18 * MM
                assert right <= 196 * MM
                assert bottom >= 44 * MM
                assert top <= 275 * MM
                assert right - left >= 30 * MM
                assert top - bottom >= 8 * MM  # two lines of 8 points
                assert int(widget.F) & 4
                assert widget.AP.N.read_bytes() == b""
                assert Name.Form == parents[int(widget.StructParent)].S
                assert not any(n == number and overlap(box, [left, bottom, right, top]) for n, box in boxes)
                boxes.append((number, [left, bottom, right, top]))
    assert len(boxes) == count


def overlap(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] - 0.1 and b[0] < a[2] - 0.1 and a[1] < b[3] - 0.1 and b[1] < a[3] - 0.1


def test_a_teacher_signs_in_the_row_of_the_subject(renderer: Renderer) -> None:
    pdf = render(renderer, paper(papers.full(Level.THCS, 9)))
    with Pdf.open(BytesIO(pdf)) as document, pdfium.PdfDocument(pdf) as view:
        page = document.pages[1].obj
        text = view[1].get_textpage()
        for code, name in (("TOAN", "Toán"), ("NGHE_THUAT", "Nghệ thuật"), ("NGOAI_NGU_2", "Ngoại ngữ 2")):
            (widget,) = (w for w in page.Annots if str(w.T) == code)
            _, bottom, _, top = (float(x) for x in widget.Rect)
            row = text.get_text_bounded(left=19 * MM, bottom=bottom - 3, right=52 * MM, top=top + 3)
            assert " ".join(row.split()) == name


def test_tooltips_name_the_role_and_only_the_seal_locks(renderer: Renderer) -> None:
    with Pdf.open(BytesIO(render(renderer, paper(papers.full(Level.THCS, 9))))) as pdf:
        widgets = {str(w.T): w for page in pdf.pages for w in page.obj.get(Name.Annots, [])}
        assert "giáo viên chủ nhiệm" in str(widgets["GVCN"].TU)
        assert "môn Ngữ văn" in str(widgets["NGU_VAN"].TU)
        assert {name for name, widget in widgets.items() if Name.Lock in widget} == {"KY_PHAT_HANH"}
        lock = widgets["KY_PHAT_HANH"].Lock
        assert lock.Type == Name.SigFieldLock
        assert lock.Action == Name.All
        assert lock.P == 1
        assert Name.SigFlags not in pdf.Root.AcroForm
        assert str(widgets["TOAN"].Parent.T) == "GVBM"


# ------------------------------------------------------------------------------------------------ appearances


def drawn(lines: list[str], width: float, height: float, renderer: Renderer) -> bytes:
    """A file whose first page shows nothing but an appearance, with the font of a rendered record."""
    with (
        Pdf.open(BytesIO(render(renderer, paper(papers.bare(Level.TIEU_HOC, 2))))) as source,
        Pdf.new() as pdf,
    ):
        font = pdf.copy_foreign(source.Root.AcroForm.DR.Font.HBS)
        page = pdf.add_blank_page(page_size=(width, height))
        page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(HBS=font))
        page.obj.Contents = pdf.make_stream(appearance.draw(lines, width, height))
        output = BytesIO()
        pdf.save(output)
        return output.getvalue()


def test_appearances_read_back_with_every_vietnamese_letter(renderer: Renderer, tmp_path: Path) -> None:
    letters = [c for c in appearance.signature_font().glyphs if c.isalpha()]
    lines = ["".join(letters[i : i + 40]) for i in range(0, len(letters), 40)] + ["Ký bởi: Nguyễn Thị Hường"]
    texts = texts_of(drawn(lines, 500, 300, renderer), tmp_path)
    for text in texts.values():
        assert text == squeeze("".join(lines))


TIME = datetime(2026, 5, 30, 10, 15, tzinfo=papers.HANOI)
LONG_WORDS = [papers.LONG_NAME, "Giáo viên môn Hoạt động trải nghiệm, hướng nghiệp"]


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [(96, 24, ["Đã ký số"]), (96, 24, ["Ký thay giáo viên môn học"]), (140, 74, LONG_WORDS)],
)
def test_appearances_stay_inside_their_field(
    width: float, height: float, words: list[str], renderer: Renderer
) -> None:
    lines = [*words, appearance.time_line(TIME)]
    assert lines[-1] == "30/05/2026 10:15 +07:00"
    assert appearance.fitting_size(lines, width, height) >= 7
    with pdfium.PdfDocument(drawn(lines, width, height, renderer)) as document:
        text = document[0].get_textpage()
        assert squeeze(text.get_text_bounded()) == squeeze("".join(lines))
        for index in range(text.count_chars()):
            left, bottom, right, top = text.get_charbox(index)
            assert left >= 0
            assert bottom >= 0
            assert right <= width
            assert top <= height


def test_an_appearance_has_no_transparency_and_shows_unknown_letters_as_squares() -> None:
    stream = appearance.draw(["漢"], 100, 40)
    square = appearance.signature_font().glyphs["□"]
    assert f"<{square:04X}> Tj".encode() in stream
    assert b" gs" not in stream


def test_persons_sign_in_blue_and_the_seal_is_red() -> None:
    person, seal = (appearance.draw(["A"], 100, 40, seal=seal) for seal in (False, True))
    assert appearance.PERSON_INK.encode() in person
    assert appearance.SEAL_INK.encode() in seal
    assert seal.replace(appearance.SEAL_INK.encode(), appearance.PERSON_INK.encode()) == person


def test_words_that_would_be_too_small_to_read_are_refused(renderer: Renderer) -> None:
    with pytest.raises(appearance.TooMuchText):
        appearance.draw(LONG_WORDS, 92, 34)
    a_paper = paper(papers.bare(Level.THCS, 6))
    endless = replace(a_paper.meta.signatories["GVCN"], lines=(papers.LONG_NAME * 20,))
    meta = replace(a_paper.meta, signatories={**a_paper.meta.signatories, "GVCN": endless})
    with pytest.raises(InvalidInput) as caught:
        render(renderer, replace(a_paper, meta=meta))
    assert [(p.where, p.code) for p in caught.value.problems] == [("GVCN", "too_long")]


def test_a_signature_without_a_printed_name_is_a_fault(renderer: Renderer) -> None:
    a_paper = paper(papers.bare(Level.THCS, 6))
    known = dict(a_paper.meta.signatories)
    del known["GVBM.TOAN"]
    with pytest.raises(RenderingFault, match=r"GVBM\.TOAN"):
        render(renderer, replace(a_paper, meta=replace(a_paper.meta, signatories=known)))


def test_an_appearance_without_lines_is_a_frame() -> None:
    assert b"Tj" not in appearance.draw([], 100, 40)
