"""What people do to a signed record before they ask us about it: append, re-save, edit, scan, photograph.

Each function takes an issued PDF (or a page of it) and returns the bytes of a sample. Chance is seeded: the
same input gives the same photo.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pikepdf
import pypdfium2 as pdfium
import qrcode
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from qrcode.constants import ERROR_CORRECT_M

from portal.issuing.appearance import FONTS

Point = tuple[float, float]

PAPER_DPI = 200
_FACE = FONTS / "Tinos-Bold.ttf"
_DESK = (118, 96, 74)


def with_bytes_after(pdf: bytes) -> bytes:
    """The file with a sticky note on its first page, appended after the seal as viewers do: the bytes that
    the school issued stay a prefix.
    """
    note = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.Text,
        Rect=[400, 700, 420, 720],
        Contents=pikepdf.String("Ghi chú thêm sau khi ký"),
        F=4,
    )
    return _annotated(pdf, note)


def with_form_value(pdf: bytes) -> bytes:
    """A text field over the first page, filled in, appended after the seal."""
    field = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.Widget,
        FT=pikepdf.Name.Tx,
        T=pikepdf.String("diem"),
        V=pikepdf.String("9,9"),
        DA=pikepdf.String("/Helv 12 Tf 0 g"),
        Rect=[400, 400, 480, 420],
        F=4,
    )
    return _annotated(pdf, field)


def with_signature_field(pdf: bytes, name: str) -> bytes:
    """One more empty signature field on the first page, appended after the seal, for whoever signs there."""
    field = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.Widget,
        FT=pikepdf.Name.Sig,
        T=pikepdf.String(name),
        DA=pikepdf.String("/Tinos 8 Tf 0 g"),
        Rect=[400, 690, 540, 740],
        F=132,
    )
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page, root = document.pages[0].obj, document.Root
        added = document.make_indirect(field)
        page.Annots = pikepdf.Array([*page.get(pikepdf.Name.Annots, []), added])
        root.AcroForm.Fields = pikepdf.Array([*root.AcroForm.Fields, added])
        owner = root.AcroForm if root.AcroForm.is_indirect else root
        changed = [(each.objgen, each.unparse(resolved=True)) for each in (page, owner, added)]
        return _continued(pdf, changed, root.objgen)


def with_overlay(pdf: bytes) -> bytes:
    """The first page painted over, in a revision after the seal: nothing of what was signed is touched."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page = document.pages[0].obj
        content = b"q 1 g 60 300 475 200 re f Q"
        cover = document.make_indirect(pikepdf.Dictionary())
        old = page.Contents
        page.Contents = pikepdf.Array([*(old if isinstance(old, pikepdf.Array) else [old]), cover])
        stream = b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content)
        changed = [(page.objgen, page.unparse(resolved=True)), (cover.objgen, stream)]
        return _continued(pdf, changed, document.Root.objgen)


def with_loose_bytes(pdf: bytes) -> bytes:
    """Something behind the last revision that belongs to none."""
    return pdf + b"\n% diem ca nam: 9,9\n"


def with_two_tables(pdf: bytes) -> bytes:
    """A revision with a second table of objects beside the first (/XRefStm): programs differ in which they
    read.
    """
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page = document.pages[0].obj
        changed = [(page.objgen, page.unparse(resolved=True))]
        return _continued(pdf, changed, document.Root.objgen, b"/XRefStm %d" % pdf.rindex(b"xref\n", 0, -20))


def _annotated(pdf: bytes, annotation: pikepdf.Dictionary) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page = document.pages[0].obj
        added = document.make_indirect(annotation)
        page.Annots = pikepdf.Array([*page.get(pikepdf.Name.Annots, []), added])
        changed = [(each.objgen, each.unparse(resolved=True)) for each in (page, added)]
        return _continued(pdf, changed, document.Root.objgen)


def _continued(
    pdf: bytes, changed: Sequence[tuple[tuple[int, int], bytes]], root: tuple[int, int], also: bytes = b""
) -> bytes:
    """One more revision with these objects: ((number, generation), what stands there)."""
    size = 1 + max(int(number) for number in re.findall(rb"/Size (\d+)", pdf))
    size = max(size, *(number + 1 for (number, _), _ in changed))
    parts, table, length = [pdf, b"\n"], b"xref\n", len(pdf) + 1
    for (number, generation), body in changed:
        parts.append(b"%d %d obj\n%s\nendobj\n" % (number, generation, body))
        table += b"%d 1\n%010d %05d n \n" % (number, length, generation)
        length += len(parts[-1])
    previous = int(pdf[pdf.rindex(b"startxref") + len(b"startxref") :].split()[0])
    trailer = b"trailer\n<</Size %d/Prev %d/Root %d %d R%s>>\n" % (size, previous, *root, also)
    return b"".join((*parts, table, trailer, b"startxref\n%d\n%%%%EOF\n" % length))


def resaved(pdf: bytes) -> bytes:
    """Opened and saved by another program: every byte may move, nothing visible changes."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(output, deterministic_id=True)
    return output.getvalue()


def with_edited_page(pdf: bytes, old: str, new: str) -> bytes:
    """The first ``old`` on any page covered and overwritten by ``new``, then saved as a new file.

    Raises ValueError when no page shows ``old``.
    """
    number, (left, bottom, right, top) = _find(pdf, old)
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page = document.pages[number]
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name("/Times-Roman")
        )
        name = page.add_resource(document.make_indirect(font), pikepdf.Name.Font)
        size = (top - bottom) * 1.25
        page.contents_add(
            f"q 1 g {left - 1:.2f} {bottom - 1:.2f} {right - left + 2:.2f} {top - bottom + 2:.2f} re f "
            f"0 g BT {name} {size:.2f} Tf {left:.2f} {bottom:.2f} Td ({new}) Tj ET Q".encode("ascii")
        )
        document.save(output, deterministic_id=True)
    return output.getvalue()


def with_password(pdf: bytes) -> bytes:
    """Locked with a password, as some schools send files by e-mail."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(output, encryption=pikepdf.Encryption(owner="chu-so-huu", user="mat-khau", R=6))
    return output.getvalue()


def scanned(pages: Sequence[Image.Image]) -> bytes:
    """A PDF of page images, as an office scanner makes it."""
    first, *others = (page.convert("L") for page in pages)
    output = io.BytesIO()
    first.save(output, "PDF", save_all=True, append_images=others, resolution=PAPER_DPI, quality=70)
    return output.getvalue()


def printed(pdf: bytes, page: int = 0) -> Image.Image:
    """One page as the printer puts it on paper, RGB at 200 dpi."""
    with pdfium.PdfDocument(pdf) as document:
        document.init_forms()  # else the visible signatures are not drawn
        image: Image.Image = document[page].render(scale=PAPER_DPI / 72).to_pil()
        return image.convert("RGB")


def all_printed(pdf: bytes) -> tuple[Image.Image, ...]:
    """Every page as :func:`printed`."""
    with pdfium.PdfDocument(pdf) as document:
        count = len(document)
    return tuple(printed(pdf, number) for number in range(count))


def altered_paper(pdf: bytes, old: str, new: str) -> Image.Image:
    """The printed page with ``old`` whitened out and ``new`` written over it: the genuine QR stays."""
    number, (left, bottom, right, top) = _find(pdf, old)
    image = printed(pdf, number)
    scale = PAPER_DPI / 72
    box = [
        left * scale - 3,
        image.height - top * scale - 3,
        right * scale + 3,
        image.height - bottom * scale + 3,
    ]
    draw = ImageDraw.Draw(image)
    draw.rectangle(box, fill=(252, 252, 250))
    font = ImageFont.truetype(str(_FACE), int((box[3] - box[1]) * 1.1))
    draw.text((box[0] + 3, box[3] - 2), new, fill=(20, 20, 30), font=font, anchor="ls")
    return image


def photographed(page: Image.Image, *, seed: str, quality: int = 72) -> bytes:
    """A JPEG of ``page`` lying on a desk, taken by hand: perspective, uneven light, soft focus, noise."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, nothing secret
    width, height = 1500, 2000
    # 1 Where the four corners of the paper land: nearly the whole picture, a little turned and tilted.
    jitter = [(rng.uniform(0.01, 0.05) * width, rng.uniform(0.01, 0.04) * height) for _ in range(4)]
    corners: list[Point] = [
        (50 + jitter[0][0], 40 + jitter[0][1]),
        (width - 40 - jitter[1][0], 60 + jitter[1][1]),
        (width - 30 - jitter[2][0] / 2, height - 50 - jitter[2][1]),
        (30 + jitter[3][0] / 2, height - 30 - jitter[3][1]),
    ]
    # 2 Paper and its outline under the same projection; outside the paper is the desk.
    sheet: list[Point] = [(0, 0), (page.width, 0), (page.width, page.height), (0, page.height)]
    matrix = _projection(corners, sheet)
    paper = page.transform((width, height), Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC)
    outline = Image.new("L", page.size, 255).transform(
        (width, height), Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BILINEAR
    )
    picture = Image.new("RGB", (width, height), _DESK)
    picture.paste(paper, (0, 0), outline)
    # 3 Light that falls off to one side, soft focus, sensor noise.
    light = Image.linear_gradient("L").resize((width, height)).rotate(90 * rng.randrange(4), expand=False)
    light = light.resize((width, height)).point([190 + value // 4 for value in range(256)])
    picture = ImageChops.multiply(picture, Image.merge("RGB", (light, light, light)))
    picture = picture.filter(ImageFilter.GaussianBlur(0.7))
    noise = Image.frombytes("L", (width, height), rng.randbytes(width * height))
    picture = Image.blend(picture, Image.merge("RGB", (noise, noise, noise)), 0.06)
    output = io.BytesIO()
    picture.save(output, "JPEG", quality=quality)
    return output.getvalue()


def poster(url: str, text: str) -> Image.Image:
    """A sheet with somebody else's QR."""
    sheet = Image.new("RGB", (1654, 2339), "white")
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=16, border=4)
    code.add_data(url)
    sheet.paste(code.make_image().get_image().convert("RGB"), (500, 500))
    font = ImageFont.truetype(str(_FACE), 56)
    ImageDraw.Draw(sheet).multiline_text((200, 200), text, fill="black", font=font, spacing=16)
    return sheet


def png(image: Image.Image) -> bytes:
    """A lossless screenshot."""
    output = io.BytesIO()
    image.save(output, "PNG", optimize=True)
    return output.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    """A ZIP with one file, as the sector's warehouse hands out packages."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return output.getvalue()


# The outline of the sector's signed package; invented values, no signature.
XML = """<?xml version="1.0" encoding="UTF-8"?>
<HOC_BA>
  <DU_LIEU_HOC_BA Id="data">
    <THONG_TIN_HOC_BA Id="thongtinhocba">
      <HO_VA_TEN>Nguyễn Văn Mẫu</HO_VA_TEN>
      <NAM_HOC>2025-2026</NAM_HOC>
    </THONG_TIN_HOC_BA>
    <DANH_SACH_THONG_TIN_KY/>
  </DU_LIEU_HOC_BA>
  <PHAT_HANH_HOC_BA/>
</HOC_BA>
""".encode()


def garbage(size: int = 4096) -> bytes:
    """Bytes that are nothing."""
    return random.Random("garbage").randbytes(size)  # noqa: S311 - reproducible on purpose


def _find(pdf: bytes, text: str) -> tuple[int, tuple[float, float, float, float]]:
    """Page number and box (left, bottom, right, top in points) of the first place that shows ``text``."""
    with pdfium.PdfDocument(pdf) as document:
        for number in range(len(document)):
            page = document[number].get_textpage()
            found = page.search(text, match_case=True, match_whole_word=True).get_next()
            if found is not None:
                index, count = found
                boxes = [page.get_charbox(i) for i in range(index, index + count)]
                left, bottom = min(b[0] for b in boxes), min(b[1] for b in boxes)
                return number, (left, bottom, max(b[2] for b in boxes), max(b[3] for b in boxes))
    raise ValueError(f"no page shows {text!r}")


def _projection(points: Sequence[Point], onto: Sequence[Point]) -> list[float]:
    """The eight coefficients with which Pillow fetches, for a point of the picture, its place on the page.

    Solves the usual eight equations of a plane projection through four pairs of points.
    """
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(points, onto, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        lead = rows[column][column]
        rows[column] = [value / lead for value in rows[column]]
        for row in range(size):
            if row != column:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[size] for row in rows]


def write(directory: Path, name: str, data: bytes) -> Path:
    """Puts one sample into its place."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(data)
    return path
