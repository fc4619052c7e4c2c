"""Finding QR codes: in clean pictures, poor photos and pages, and not where there are none; inside bounds."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from datetime import UTC, datetime

import pikepdf
import pytest
import qrcode
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from bench import pictures as made
from bench.pictures import DEFECTS, LEVEL_M, RESOLUTIONS, Sheet
from verifier import barcode, check, locator
from verifier.errors import InvalidInput
from verifier.locator import Hosts, Kind, Locator
from verifier.policy import DEFAULT
from verifier.report import Medium
from verifier.trust import TrustStore

HOSTS = Hosts("https://hocba.example.vn")
PLACE = Locator(locator.new_record_id(b"hoc ba so!"), bytes(range(7, 39)))
URL = locator.url(HOSTS.public_url, PLACE)
NOBODY = TrustStore(epoch=1, anchors=(), intermediates=(), signers=(), crls=())
NOW = datetime(2026, 6, 10, tzinfo=UTC)
SAMPLE = [
    next(n for n in range(500) if made.kind(n) == ((110, 150, 200, 300)[place % 4], defect))
    for place, defect in enumerate(DEFECTS)
    if defect != LEVEL_M
]


def qr(text: str | bytes, box: int = 8) -> Image.Image:
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=box, border=4)
    code.add_data(text)
    code.make()
    picture: Image.Image = code.make_image().get_image().convert("L")
    return picture


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        barcode.open_image(data)
    (problem,) = caught.value.problems
    return problem.code


def photo(source: random.Random, millimetres: float, *, dpi: int = 72, blur: float = 0.7) -> Image.Image:
    """A page photographed badly: turned, at ``dpi`` pixels an inch of paper, blurred, noisy, unevenly lit."""
    over = 8  # drawn larger, then averaged down, as a sensor does
    side = int(millimetres / 25.4 * dpi * over)
    turned = qr(URL, 16).resize((side, side), Image.Resampling.LANCZOS)
    turned = turned.rotate(source.uniform(-25, 25), Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    small = turned.resize((turned.width // over, turned.height // over), Image.Resampling.BOX)
    page = Image.new("L", (int(8.27 * dpi), int(11.7 * dpi)), 255)
    page.paste(
        small, (source.randrange(page.width - small.width), source.randrange(page.height - small.height))
    )
    page = page.filter(ImageFilter.GaussianBlur(blur))
    light = Image.linear_gradient("L").resize(page.size).point(lambda v: 150 + v * 105 // 255)
    page = Image.composite(page, Image.new("L", page.size, 20), light)
    noise = Image.effect_noise(page.size, 12)
    page = Image.blend(page, noise, 0.06)
    return Image.open(io.BytesIO(encoded(page, "JPEG", quality=70)))


class TestReadCodes:
    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "CMYK", "I;16"])
    def test_every_mode(self, mode: str) -> None:
        picture = qr(URL)
        converted = (
            picture.convert("I").point(lambda v: v * 257).convert("I;16")
            if mode == "I;16"
            else picture.convert(mode)
        )
        assert barcode.read_codes(converted) == (URL,)

    @pytest.mark.parametrize("degrees", [0, 17, 90, 180, 270])
    def test_turned(self, degrees: int) -> None:
        assert barcode.read_codes(qr(URL).rotate(degrees, expand=True, fillcolor=255)) == (URL,)

    def test_inverted_and_mirrored(self) -> None:
        assert barcode.read_codes(ImageOps.invert(qr(URL))) == (URL,)
        assert barcode.read_codes(ImageOps.mirror(qr(URL))) == (URL,)

    def test_several_and_repeated(self) -> None:
        one, two = qr("HTTPS://A.VN"), qr("HTTPS://B.VN")
        page = Image.new("L", (one.width * 3, one.height), 255)
        for index, picture in enumerate((one, two, one)):
            page.paste(picture, (index * one.width, 0))
        found = barcode.read_codes(page)
        assert sorted(found) == ["HTTPS://A.VN", "HTTPS://B.VN"]

    def test_a_large_picture_is_looked_at_in_half_its_size_first(self) -> None:
        """Unless what is found there is not enough: a smaller code may stand beside it, or one too small."""
        sheet = Image.new("L", (2500, 3500), 255)
        sheet.paste(qr("HTTPS://A.VN", 16), (100, 100))
        tiny = qr(URL, 2).rotate(11, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
        sheet.paste(tiny, (1500, 2000))
        asked: list[str] = []

        def never(text: str) -> bool:
            asked.append(text)
            return False

        assert sorted(barcode.read_codes(sheet, enough=never)) == sorted([URL, "HTTPS://A.VN"])
        assert asked[0] == "HTTPS://A.VN"  # all that half the size shows
        assert set(asked) == {"HTTPS://A.VN", URL}
        assert barcode.read_codes(sheet, enough=lambda _: True) == ("HTTPS://A.VN",)
        assert len(barcode.read_codes(sheet)) == 2
        small = Image.new("L", (2500, 3500), 255)
        small.paste(tiny, (1500, 2000))
        assert barcode.read_codes(small, enough=lambda _: True) == (URL,)

    def test_none(self) -> None:
        assert barcode.read_codes(Image.new("L", (400, 300), 255)) == ()
        assert barcode.read_codes(Image.effect_noise((300, 300), 80)) == ()
        assert barcode.read_codes(Image.new("L", (1, 1))) == ()

    def test_other_symbologies_are_not_looked_for(self) -> None:
        for kind in (
            zxingcpp.BarcodeFormat.DataMatrix,
            zxingcpp.BarcodeFormat.Aztec,
            zxingcpp.BarcodeFormat.Code128,
        ):
            drawn = zxingcpp.create_barcode("HELLO", kind)
            picture = Image.fromarray(zxingcpp.write_barcode_to_image(drawn, scale=6)).convert("L")
            picture = ImageOps.expand(picture, 30, 255)
            assert zxingcpp.read_barcodes(picture)
            assert barcode.read_codes(picture) == ()

    @pytest.mark.parametrize(
        "text",
        [
            "WIFI:T:WPA;S:x;P:y;;",
            "https://evil.example/V/x",
            "a\0b",
            "\x1b[2J\r\n",
            "Trường ơi",
            "<script>",
            " " + URL,
            "0",
        ],
    )
    def test_foreign_content_comes_back_as_it_is(self, text: str) -> None:
        found = barcode.read_codes(qr(text.encode("utf-8")))
        assert found == (text,)
        assert locator.read_code(found[0], HOSTS).locator is None

    def test_bytes_that_are_no_text(self) -> None:
        found = barcode.read_codes(qr(bytes(range(128, 200))))
        assert len(found) == 1
        assert locator.read_code(found[0], HOSTS).kind is Kind.FOREIGN

    def test_poor_photos(self) -> None:
        """72 dpi with a blur of .7: codes of 30 mm are all read; of smaller ones the retries read most, where
        the picture as it is gives few.
        """
        source = random.Random(1)  # noqa: S311 - test data
        assert all(barcode.read_codes(photo(source, 30)) == (URL,) for _ in range(8))
        smaller = [photo(source, 25) for _ in range(12)]
        assert sum(barcode.read_codes(p) == (URL,) for p in smaller) >= 11
        assert sum(barcode.read_codes(p, rescue=False) == (URL,) for p in smaller) <= 4

    def test_size_is_bounded(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            barcode.read_codes(Image.new("1", (8000, 5001)))
        assert caught.value.problems[0].code == "image_too_large"

    def test_a_strange_code_does_not_hide_a_poor_one_beside_it(self) -> None:
        """Ours is too blurred for the first try, which reads the other; both are returned."""
        sheet = Image.new("L", (700, 400), 255)
        poor = qr(URL, 2).filter(ImageFilter.GaussianBlur(1.0))
        sheet.paste(poor, (20, 20))
        sheet.paste(qr("HTTPS://A.VN", 8), (350, 20))
        assert barcode.read_codes(sheet) == ("HTTPS://A.VN",)
        found = barcode.read_codes(sheet, enough=lambda text: text == URL)
        assert sorted(found) == sorted([URL, "HTTPS://A.VN"])


def sheet() -> Sheet:
    """A page of dark strokes with a code of 30 mm at its foot, where issued pages have theirs."""
    page = Image.new("L", (2480, 3508), 255)
    draw, source = ImageDraw.Draw(page), random.Random(3)  # noqa: S311 - test data
    for line in range(40):
        x = 236
        while x < 2200:
            wide = source.randint(30, 180)
            draw.rectangle((x, 300 + line * 60, x + wide, 330 + line * 60), fill=0)
            x += wide + 25
    page.paste(qr(URL).resize((354, 354), Image.Resampling.LANCZOS), (224, 3040))
    return Sheet.of(page)


@pytest.fixture(scope="module")
def sheets() -> list[Sheet]:
    return [sheet()]


def tries(data: bytes) -> list[bool]:
    """Of each try in turn whether it alone reads the picture's code."""
    grey = barcode.open_image(data)
    red = barcode._decoded(data, "RGB", barcode._red)
    return [URL in barcode._texts(each) for each in barcode._tries(grey, lambda: red)]


class TestTries:
    def test_the_pictures_are_the_same_each_time(self, sheets: list[Sheet]) -> None:
        assert made.picture(sheets, 31) == made.picture([sheet()], 31)
        assert made.picture(sheets, 31).data != made.picture(sheets, 32).data

    def test_every_defect_meets_every_resolution(self, sheets: list[Sheet]) -> None:
        """500 pictures: at 110 dpi and more at least 300 that level M can carry."""
        kinds = [made.kind(number) for number in range(500)]
        assert set(kinds) == {(dpi, defect) for dpi in RESOLUTIONS for defect in DEFECTS}
        assert sum(dpi >= 110 and defect != LEVEL_M for dpi, defect in kinds) >= 300

    @pytest.mark.parametrize("number", SAMPLE)
    def test_pictures_of_the_bench(self, sheets: list[Sheet], number: int) -> None:
        """One of each defect, at 110 dpi and more; the scan comes as a PDF."""
        shot = made.picture(sheets, number)
        assert shot.dpi >= 110
        report = check.examine(shot.data, trust=NOBODY, policy=DEFAULT, at=NOW)
        assert report.medium is (Medium.PDF_OF_IMAGES if shot.defect == "scan in a PDF" else Medium.IMAGE)
        assert report.codes == (URL,)

    def test_what_is_lost_is_not_read(self, sheets: list[Sheet]) -> None:
        number = next(n for n in range(500) if made.kind(n) == (300, LEVEL_M))
        assert barcode.read_image_codes(made.picture(sheets, number).data) == ()

    def test_each_try_reads_what_no_other_does(self, sheets: list[Sheet]) -> None:
        """A shadow at 72 dpi, half a module's blur, a phone's photo; the first try reads nearly all others.
        Red light is test_red_ink_of_a_scan's.
        """
        blurred = made._Shot(sheets[0], 150, random.Random(1)).file(blur=0.36 * 150 / 25.4)  # noqa: S311
        assert tries(made.picture(sheets, 132).data) == [False, True, False, False]
        assert tries(blurred) == [False, False, True, False]
        assert tries(made.picture(sheets, 259).data) == [False, False, False, True]

    def test_work_is_bounded(self) -> None:
        """In tries and in pixels looked at, whatever the picture; red ink adds one look, not one of each."""
        for size in ((40, 30), (1240, 1754), (2480, 3508), (7000, 5700), (20_000, 2000), (1, 20_000)):
            grey = Image.new("L", size, 90)
            red = Image.new("L", size, 200)
            plain = [look.width * look.height for look in barcode._tries(grey, lambda: None)]
            inked = [look.width * look.height for look in barcode._tries(grey, lambda red=red: red)]  # type: ignore[misc]
            assert len(plain) == 4
            assert len(inked) == 5
            assert sum(plain[1:]) <= 17 * barcode._BASE
            assert inked == [plain[0], *plain]

    def test_grey_pictures_have_no_red_light(self, sheets: list[Sheet]) -> None:
        grey = encoded(sheets[0].page.resize((620, 877)), "JPEG")
        assert len(tries(grey)) == 4

    def test_red_ink_of_a_scan(self, sheets: list[Sheet]) -> None:
        """A seal over the code of a scanned page: the PDF is drawn again in colour."""
        number = next(n for n in range(500) if made.kind(n) == (200, "red seal"))
        scan = Image.open(io.BytesIO(made.picture(sheets, number).data))
        buffer = io.BytesIO()
        scan.save(buffer, "PDF", resolution=200, quality=90)
        assert barcode.read_page_codes(buffer.getvalue()) == ((URL,),)
        grey = io.BytesIO()
        scan.convert("L").save(grey, "PDF", resolution=200, quality=90)
        assert barcode.read_page_codes(grey.getvalue()) == ((),)


class TestOpenImage:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "HEIF"])
    def test_formats(self, kind: str) -> None:
        picture = barcode.open_image(encoded(qr(URL).convert("RGB"), kind))
        assert picture.mode == "L"
        assert barcode.read_codes(picture) == (URL,)

    @pytest.mark.parametrize(
        "kind", ["GIF", "BMP", "TIFF", "PDF", "ICO", "PPM", "TGA", "JPEG2000", "AVIF", "EPS"]
    )
    def test_other_formats_are_refused(self, kind: str) -> None:
        assert refused(encoded(qr(URL).convert("RGB"), kind)) == "not_an_image"

    @pytest.mark.parametrize(
        "data", [b"", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"PK\x03\x04", b"<svg/>", b"\xff\xd8\xff"]
    )
    def test_no_picture(self, data: bytes) -> None:
        assert refused(data) == "not_an_image"

    def test_cut_short(self) -> None:
        for kind in ("PNG", "JPEG", "WEBP", "HEIF"):
            data = encoded(Image.effect_noise((600, 600), 90), kind)
            assert refused(data[: len(data) // 2]) in ("unreadable_image", "not_an_image")

    def test_too_large_before_anything_is_decoded(self) -> None:
        """A PNG of a few bytes that says 30000 × 30000, and one of 41 MP: refused by the header."""

        def chunk(kind: bytes, body: bytes) -> bytes:
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

        for width, height in ((30_000, 30_000), (7_000, 6_000), (40_000, 10)):
            header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
            bomb = (
                b"\x89PNG\r\n\x1a\n"
                + chunk(b"IHDR", header)
                + chunk(b"IDAT", zlib.compress(b"\0" * 99))
                + chunk(b"IEND", b"")
            )
            tracemalloc.start()
            assert refused(bomb) == "image_too_large"
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
            tracemalloc.stop()

    def test_orientation(self) -> None:
        """All eight EXIF orientations show the same picture: a mark stands in the upper left corner."""
        upright = Image.new("L", (60, 40), 255)
        ImageDraw.Draw(upright).rectangle((0, 0, 19, 9), fill=0)
        turned = {
            1: upright,
            2: ImageOps.mirror(upright),
            3: upright.transpose(Image.Transpose.ROTATE_180),
            4: ImageOps.flip(upright),
            5: upright.transpose(Image.Transpose.TRANSPOSE),
            6: upright.transpose(Image.Transpose.ROTATE_90),
            7: upright.transpose(Image.Transpose.TRANSVERSE),
            8: upright.transpose(Image.Transpose.ROTATE_270),
        }
        for orientation, stored in turned.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            seen = barcode.open_image(encoded(stored, "PNG", exif=exif.tobytes()))
            assert (seen.size, seen.getpixel((3, 3)), seen.getpixel((40, 30))) == ((60, 40), 0, 255), (
                orientation
            )

    def test_a_phone_turns_its_heic_by_itself(self) -> None:
        """The container says how to turn the picture; its EXIF, which says so too, must not turn it again."""
        upright = Image.new("L", (600, 400), 255)
        ImageDraw.Draw(upright).rectangle((0, 0, 199, 99), fill=0)
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = upright.transpose(Image.Transpose.ROTATE_90)
        seen = barcode.open_image(encoded(stored, "HEIF", exif=exif.tobytes(), quality=90))
        assert seen.size == (600, 400)
        black = seen.point(lambda level: 255 * (level < 128)).getbbox()
        assert black is not None
        assert all(abs(seen_at - drawn) <= 2 for seen_at, drawn in zip(black, (0, 0, 200, 100), strict=True))

    def test_transparent_ground_is_white_paper(self) -> None:
        code = qr(URL)
        clear = Image.new("RGBA", code.size, (0, 0, 0, 0))
        clear.paste((0, 0, 0, 255), mask=ImageOps.invert(code))
        assert barcode.read_codes(barcode.open_image(encoded(clear))) == (URL,)

    def test_first_frame_of_an_animation(self) -> None:
        frames = [qr(URL).convert("RGB"), Image.new("RGB", qr(URL).size, "white")]
        data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
        assert barcode.read_codes(barcode.open_image(data)) == (URL,)


def pdf_of(*pages: Image.Image | None, size: tuple[float, float] = (595, 842), extra: bytes = b"") -> bytes:
    """A PDF whose pages show one picture each (None: nothing), drawn over the whole width, then ``extra``
    operators.
    """
    document = pikepdf.new()
    font = document.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
    )
    for picture in pages:
        page = document.add_blank_page(page_size=size)
        resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        content = extra
        if picture is not None:
            image = document.make_stream(zlib.compress(picture.convert("L").tobytes()))
            _fill(image, picture)
            resources.XObject = pikepdf.Dictionary(I1=image)
            content = b"q 200 0 0 200 50 50 cm /I1 Do Q " + extra
        page.Resources = resources
        page.Contents = document.make_stream(content)
    buffer = io.BytesIO()
    document.save(buffer, static_id=True)
    return buffer.getvalue()


def _fill(image: pikepdf.Object, picture: Image.Image) -> None:
    image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    image.Width, image.Height = picture.width, picture.height
    image.ColorSpace, image.BitsPerComponent = pikepdf.Name.DeviceGray, 8
    image.Filter = pikepdf.Name.FlateDecode


class TestPages:
    def test_codes_by_page(self) -> None:
        data = pdf_of(qr(URL), None, qr("HTTPS://B.VN"))
        assert barcode.read_page_codes(data) == ((URL,), (), ("HTTPS://B.VN",))
        assert barcode.read_page_codes(data, max_pages=1) == ((URL,),)
        assert barcode.read_page_codes(data, rescue=False)[0] == (URL,)

    def test_huge_pages_cost_no_memory(self) -> None:
        for size in ((14_400, 14_400), (14_400, 3), (3, 14_400)):
            data = pdf_of(None, size=size)
            page = barcode.render_page(data, 0, dpi=300, max_pixels=4_000_000)
            assert page.width * page.height <= 4_100_000
            assert max(page.size) <= barcode.MAX_SIDE + 1
        assert barcode.read_page_codes(pdf_of(qr(URL), size=(5000, 5000)), max_pixels=9_000_000) == ((URL,),)

    @pytest.mark.parametrize("data", [b"", b"no", b"%PDF-1.7\n%%EOF"])
    def test_no_pdf(self, data: bytes) -> None:
        for question in (barcode.read_page_codes, barcode.pages_are_images_only):
            with pytest.raises(InvalidInput) as caught:
                question(data)
            assert caught.value.problems[0].code == "unreadable_pdf"

    def test_password(self) -> None:
        buffer = io.BytesIO()
        with pikepdf.open(io.BytesIO(pdf_of(qr(URL)))) as document:
            document.save(buffer, encryption=pikepdf.Encryption(owner="a", user="b"))
        with pytest.raises(InvalidInput) as caught:
            barcode.read_page_codes(buffer.getvalue())
        assert caught.value.problems[0].code == "pdf_password"


class TestImagesOnly:
    def test_scans(self) -> None:
        assert barcode.pages_are_images_only(pdf_of(qr(URL), qr(URL)))
        assert barcode.pages_are_images_only(pdf_of(qr(URL), None))

    @pytest.mark.parametrize(
        "operators",
        [
            b"BT 3 Tr /F1 12 Tf 60 60 Td (search layer) Tj ET",  # invisible text of a scanner
            b"0 0 100 100 re n",  # a path that paints nothing
        ],
    )
    def test_what_nobody_sees_does_not_count(self, operators: bytes) -> None:
        assert barcode.pages_are_images_only(pdf_of(qr(URL), extra=operators))

    @pytest.mark.parametrize(
        "operators",
        [
            b"BT /F1 12 Tf 60 60 Td (text) Tj ET",
            b"BT 3 Tr /F1 12 Tf (a) Tj 0 Tr (b) Tj ET",
            b"0 0 100 100 re f",
            b"0 0 100 100 re S",
        ],
    )
    def test_drawn_documents(self, operators: bytes) -> None:
        assert not barcode.pages_are_images_only(pdf_of(qr(URL), extra=operators))

    def test_nothing_at_all_is_no_scan(self) -> None:
        assert not barcode.pages_are_images_only(pdf_of(None))

    def test_limits(self) -> None:
        assert not barcode.pages_are_images_only(pdf_of(*[qr(URL)] * 3), max_pages=2)
        many = b"BT 3 Tr /F1 12 Tf (a) Tj ET " * (barcode.MAX_OBJECTS + 1)
        assert not barcode.pages_are_images_only(pdf_of(qr(URL), extra=many))

    @pytest.mark.parametrize("depth", [1, 3, 7, 8, 12])
    def test_text_inside_forms(self, depth: int) -> None:
        """Text in nested form XObjects counts; deeper than we look is never "images only"."""
        with pikepdf.open(io.BytesIO(pdf_of(qr(URL)))) as document:
            page = document.pages[0]
            inner = document.make_stream(b"BT /F1 12 Tf 9 9 Td (text) Tj ET")
            for level in range(depth):
                inner.Type, inner.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
                inner.BBox = pikepdf.Array([0, 0, 595, 842])
                if level == 0:
                    inner.Resources = pikepdf.Dictionary(Font=page.Resources.Font)
                outer = document.make_stream(b"/X Do")
                outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=inner))
                inner = outer
            page.Resources.XObject.X = inner.Resources.XObject.X
            page.contents_add(b" /X Do")
            buffer = io.BytesIO()
            document.save(buffer)
        assert not barcode.pages_are_images_only(buffer.getvalue())

    def test_annotations(self) -> None:
        for kind, expected in (("Link", True), ("FreeText", False), ("Stamp", False), ("Square", False)):
            with pikepdf.open(io.BytesIO(pdf_of(qr(URL)))) as document:
                note = pikepdf.Dictionary(
                    Type=pikepdf.Name.Annot,
                    Subtype=pikepdf.Name("/" + kind),
                    Rect=pikepdf.Array([0, 0, 50, 50]),
                )
                document.pages[0].Annots = pikepdf.Array([document.make_indirect(note)])
                buffer = io.BytesIO()
                document.save(buffer)
            assert barcode.pages_are_images_only(buffer.getvalue()) is expected
