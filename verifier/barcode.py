"""Finds QR codes in a photo, a screenshot or the pages of a PDF. Says what they contain, not what they mean.

For the checker (inside its sandbox) and for the issuing side, which reads back what it printed. Only QR is
decoded: other symbologies cost seconds on noise and have had memory bugs. Every image is bounded in pixels
before memory is taken for it. What a text means is decided by ``verifier.locator.read_code``: a text may hold
anything, also NUL.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import pillow_heif
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
import zxingcpp
from PIL import Image, ImageChops, ImageFilter

from verifier.errors import InvalidInput, Problem

MAX_PIXELS: Final = 40_000_000  # of an uploaded image, and of any image we make (SEC-11)
MAX_SIDE: Final = 20_000
MAX_CODES: Final = 32  # distinct texts of one image
MAX_OBJECTS: Final = 5_000  # page objects looked at before a PDF is called "not images only"
_FORM_DEPTH: Final = 8
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "HEIF")
_LARGE: Final = 4_000_000  # pixels from which on half the size is looked at first: A4 at 200 dpi and more
_BASE: Final = (
    2_200_000  # pixels, A4 at 150 dpi: what is enlarged is no larger, and so costs no more than that
)
_RED: Final = 40  # levels by which red ink is lighter in red light than in all light
_RED_SHARE: Final = 0.0005  # of a picture: a line of a seal; less hides no code
_QR_ONLY: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)


# The picture alone, no thumbnails, depth maps or masks; its decoder still starts one thread of its own.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=0)


def _refuse(code: str, message: str) -> InvalidInput:
    return InvalidInput((Problem("file", code, message),))


# ---------------------------------------------------------------------------------------------- images


def open_image(data: bytes) -> Image.Image:
    """The picture as people see it (EXIF orientation applied, transparency on white), in grey levels (mode
    ``L``).

    The content decides the format, never a name: PNG, JPEG, WebP or HEIC; of an animation the first frame.
    Raises InvalidInput: ``not_an_image``, ``image_too_large`` (before anything is decoded: the decoders hold
    a picture to the size that its head declares), ``unreadable_image``.
    """
    return _decoded(data, "L", _grey)


def _decoded(data: bytes, mode: str, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture by ``convert``; a JPEG is decoded in ``mode`` where it can be, in less time and memory."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large() from None
    except Exception:  # any parser error in hostile bytes means the same
        raise _refuse("not_an_image", "Tệp không phải ảnh PNG, JPEG, WebP hoặc HEIC.") from None
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise _too_large()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image.draft(mode, image.size)  # JPEG alone; a no-op elsewhere
            orientation = image.getexif().get(0x0112, 1)
            return _oriented(convert(image), orientation)
    except Exception:
        raise _refuse(
            "unreadable_image", "Không đọc được ảnh: tệp bị hỏng hoặc bị cắt. Chụp hoặc tải lại ảnh."
        ) from None


def _too_large() -> InvalidInput:
    return _refuse("image_too_large", "Ảnh quá lớn (hơn 40 triệu điểm ảnh). Chụp lại ở cỡ nhỏ hơn.")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "L":
        image.load()
        return image
    return _on_paper(image).convert("L")


def _on_paper(image: Image.Image) -> Image.Image:
    """A code on a transparent ground has black pixels on transparent black: without white paper it is
    invisible.
    """
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)


def _red(image: Image.Image) -> Image.Image:
    """The picture in red light, in which the red ink of a seal is as light as paper."""
    coloured = _on_paper(image)
    return (coloured if coloured.mode in ("RGB", "RGBA") else coloured.convert("RGB")).getchannel(0)


def _shows_red(grey: Image.Image, red: Image.Image) -> bool:
    lighter = ImageChops.subtract(red, grey).histogram()
    return sum(lighter[_RED:]) > _RED_SHARE * red.width * red.height


def _oriented(image: Image.Image, orientation: object) -> Image.Image:
    """EXIF 2.32 tag 0x0112; unknown values leave the picture as it is."""
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation if isinstance(orientation, int) else 1)
    return image if method is None else image.transpose(method)


def read_codes(
    image: Image.Image, *, rescue: bool = True, enough: Callable[[str], bool] | None = None
) -> tuple[str, ...]:
    """Texts of the QR codes in ``image``, distinct, in the order found; empty when there is none to be read.

    Tried in the order of :func:`_tries` (rates: docs/qr-reading.md) until a text is ``enough``, so that a
    strange code does not hide a poor one beside it; without ``enough`` the first try that reads anything
    decides. All that was read is returned.

    A large picture is looked at in half its size first, in a quarter of the time, and no further if that is
    ``enough``: where nothing could be, a smaller code may stand beside it. Work is bounded in pixels. Without
    ``rescue`` nothing is enlarged and no ink is taken away: for pages drawn by a program. Raises InvalidInput
    ``image_too_large`` beyond MAX_PIXELS.
    """
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    grey = _grey(image)

    def red() -> Image.Image | None:
        return None if image.mode in ("1", "L", "I;16") else _red(image)

    return _read(grey, red, rescue=rescue, enough=enough)


def read_image_codes(data: bytes, *, enough: Callable[[str], bool] | None = None) -> tuple[str, ...]:
    """:func:`read_codes` of the picture in ``data``, which is decoded a second time in colour only where its
    grey levels gave nothing. Raises as :func:`open_image`.
    """
    return _read(open_image(data), lambda: _decoded(data, "RGB", _red), rescue=True, enough=enough)


def _read(
    grey: Image.Image,
    red: Callable[[], Image.Image | None],
    *,
    rescue: bool,
    enough: Callable[[str], bool] | None,
) -> tuple[str, ...]:
    if enough is not None and grey.width * grey.height > _LARGE:
        texts = _texts(grey.reduce(2))
        if any(enough(text) for text in texts):
            return texts
    found: dict[str, None] = {}
    tries = _tries(grey, red)
    for attempt in tries if rescue else islice(tries, 1):
        texts = _texts(attempt)
        found.update(dict.fromkeys(texts))
        if texts and (enough is None or any(enough(text) for text in texts)):
            break
    return tuple(found)[:MAX_CODES]


def _tries(grey: Image.Image, red: Callable[[], Image.Image | None]) -> Iterator[Image.Image]:
    """What is looked at, cheap tries first.

    1 The picture as it is. 2 Where it shows red ink (a seal over the code, which in grey levels is as dark as
    a module): the same in red light; what follows then looks at that alone. 3 Twice the size, a little
    sharpened (few pixels a module). 4 Three times the size, sharpened (the same with blur). 5 Softened, twice
    the size, sharpened again (noise, and what sharpening alone breaks into specks). Of a large picture a
    smaller one is enlarged, so that 3, 4 and 5 together cost at most 17 times _BASE.
    """
    yield grey
    light = red()
    if light is not None and _shows_red(grey, light):
        grey = light
        yield grey
    if (pixels := grey.width * grey.height) > _BASE:
        grey = grey.reduce(math.ceil(math.sqrt(pixels / _BASE)))
    yield _enlarged(grey, 2, sharpening=100)
    yield _enlarged(grey, 3, sharpening=200)
    yield _enlarged(grey.filter(ImageFilter.GaussianBlur(1)), 2, sharpening=200)


def _enlarged(grey: Image.Image, factor: int, *, sharpening: int) -> Image.Image:
    larger = grey.resize((grey.width * factor, grey.height * factor), Image.Resampling.BICUBIC)
    return larger.filter(ImageFilter.UnsharpMask(radius=3, percent=sharpening, threshold=0))


def _texts(grey: Image.Image) -> tuple[str, ...]:
    found = zxingcpp.read_barcodes(
        grey,
        formats=_QR_ONLY,
        try_rotate=True,
        try_downscale=True,
        try_invert=True,
        text_mode=zxingcpp.TextMode.Plain,
        binarizer=zxingcpp.Binarizer.LocalAverage,
    )
    return tuple(dict.fromkeys(barcode.text for barcode in found if barcode.valid))[:MAX_CODES]


# ---------------------------------------------------------------------------------------------- PDF pages


def read_page_codes(
    pdf: bytes,
    *,
    dpi: int = 200,
    max_pages: int = 20,
    max_pixels: int = 16_000_000,
    rescue: bool = True,
    enough: Callable[[str], bool] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """For each of the first ``max_pages`` pages, the texts of its QR codes, from a rendering at ``dpi``.

    ``rescue`` and ``enough`` as in :func:`read_codes`: about a second for each page without a code.

    A page that would exceed ``max_pixels`` is rendered smaller, so that no page size costs more memory.
    Raises InvalidInput: ``pdf_password``, ``unreadable_pdf``.
    """
    with _opened(pdf) as document:
        return tuple(
            _read(
                _rendered(document, index, dpi / 72, max_pixels),
                lambda index=index: _red(  # type: ignore[misc]
                    _rendered(document, index, dpi / 72, max_pixels, coloured=True)
                ),
                rescue=rescue,
                enough=enough,
            )
            for index in range(min(len(document), max_pages))
        )


def render_page(pdf: bytes, index: int, *, dpi: int = 200, max_pixels: int = 16_000_000) -> Image.Image:
    """Page ``index`` in grey levels, bounded as in :func:`read_page_codes`."""
    with _opened(pdf) as document:
        return _rendered(document, index, dpi / 72, max_pixels)


def pages_are_images_only(pdf: bytes, *, max_pages: int = 50) -> bool:
    """Whether every page shows nothing but pictures: a scan or photos put into a PDF, not a document of ours.

    Invisible text (render mode 3: the search layer of a scanner) and paths that paint nothing (PDFium makes
    no objects of them) do not count; visible text, painted paths, shadings and annotations other than links
    do. A file with more pages or page objects than we look at is not called images only. Raises InvalidInput
    as :func:`read_page_codes`.
    """
    with _opened(pdf) as document:
        if len(document) > max_pages:
            return False
        pictures = 0
        left = MAX_OBJECTS
        for index in range(len(document)):
            page = document[index]
            if not _annotations_are_links(page):
                return False
            for item in page.get_objects(max_depth=_FORM_DEPTH):
                left -= 1
                if left < 0 or not _shows_no_drawing(item):
                    return False
                pictures += item.type == pdfium_c.FPDF_PAGEOBJ_IMAGE
        return pictures > 0


def _shows_no_drawing(item: Any) -> bool:
    match item.type:
        case pdfium_c.FPDF_PAGEOBJ_IMAGE:
            return True
        case pdfium_c.FPDF_PAGEOBJ_FORM:
            # The contents of a form come as objects of their own, but for forms nested deeper than we look.
            return bool(item.level < _FORM_DEPTH - 1)
        case pdfium_c.FPDF_PAGEOBJ_TEXT:
            return bool(
                pdfium_c.FPDFTextObj_GetTextRenderMode(item) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE
            )
        case _:
            return False


def _annotations_are_links(page: Any) -> bool:
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), MAX_OBJECTS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        pdfium_c.FPDFPage_CloseAnnot(annotation)
        if kind != pdfium_c.FPDF_ANNOT_LINK:
            return False
    return True


@contextmanager
def _opened(pdf: bytes) -> Iterator[Any]:
    """The document, closed at the end; every PDFium failure inside becomes one refusal."""
    try:
        document = pdfium.PdfDocument(pdf)
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            raise _refuse("pdf_password", "Tệp PDF được đặt mật khẩu nên không kiểm tra được.") from None
        raise _unreadable_pdf() from None
    try:
        yield document
    except pdfium.PdfiumError:
        raise _unreadable_pdf() from None
    finally:
        document.close()


def _unreadable_pdf() -> InvalidInput:
    return _refuse("unreadable_pdf", "Không mở được tệp PDF: tệp bị hỏng hoặc không phải PDF.")


def _rendered(
    document: Any, index: int, scale: float, max_pixels: int, *, coloured: bool = False
) -> Image.Image:
    page = document[index]
    width, height = page.get_size()
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise _unreadable_pdf()
    # Bounded before allocation: both the area and, for pages that are thin lines, the longer side.
    scale = min(scale, (max_pixels / (width * height)) ** 0.5, MAX_SIDE / max(width, height))
    kind = pdfium_c.FPDFBitmap_BGR if coloured else pdfium_c.FPDFBitmap_Gray
    bitmap = page.render(scale=scale, grayscale=not coloured, force_bitmap_format=kind)
    picture: Image.Image = bitmap.to_pil().copy()
    bitmap.close()
    page.close()
    return picture
