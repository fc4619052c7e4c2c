"""Seeded pictures of issued pages, as scanners and phones make them: the same number gives the same picture.

What lies on the paper (a crease, a stain, a seal) is measured in millimetres, since it does not grow with the
resolution; what sensors and files do is in pixels of the picture. Blur is both. Everything is drawn with
Pillow and ``random.Random``, so that the same release of Pillow draws the same picture on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any, Final, cast

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter

DRAWN: Final = 300  # dots an inch of the pages that every picture is made from
RESOLUTIONS: Final = (72, 90, 110, 150, 200, 300)
MM: Final = DRAWN / 25.4
LEVEL_M: Final = "beyond level M"  # the one defect that no decoder has to read

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """One file as somebody would send it. ``text`` is what its code says."""

    number: int
    dpi: int
    defect: str
    data: bytes
    text: str


@dataclass(frozen=True)
class Sheet:
    """A page drawn at 300 dpi, its QR code (left, top, side in pixels, without the quiet zone; how many
    modules on a side) and what that says. Its smaller drawings are kept.
    """

    page: Image.Image
    left: int
    top: int
    side: int
    modules: int
    text: str
    _sizes: dict[tuple[int, str], Image.Image] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, page: Image.Image) -> Sheet:
        """The sheet of a clean page, upright. Raises ValueError where it shows no code or several."""
        qr_only = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        (code,) = zxingcpp.read_barcodes(page, formats=qr_only)
        corner = code.position.top_left
        side = code.position.top_right.x - corner.x
        version: int = int(cast(Any, code.extra)["Version"])
        modules = 17 + 4 * version  # ISO/IEC 18004, 6.3.1
        return cls(page.convert("L"), corner.x, corner.y, side, modules, code.text)

    @property
    def module(self) -> float:
        """Pixels of one module."""
        return self.side / self.modules

    def at(self, dpi: int) -> Image.Image:
        """The clean page in grey levels at ``dpi``."""
        key = (dpi, "L")
        if key not in self._sizes:
            size = (round(self.page.width * dpi / DRAWN), round(self.page.height * dpi / DRAWN))
            self._sizes[key] = self.page.resize(size, Image.Resampling.BOX)
        return self._sizes[key]


def kind(number: int) -> tuple[int, str]:
    """Resolution and defect of the picture of this number."""
    names = tuple(DEFECTS)
    return RESOLUTIONS[number % len(RESOLUTIONS)], names[number // len(RESOLUTIONS) % len(names)]


def picture(sheets: Sequence[Sheet], number: int) -> Picture:
    """The picture of this number, from which all of its chances follow."""
    dpi, defect = kind(number)
    source = Random(f"{number} {defect} {dpi}")  # noqa: S311 - test data
    sheet = sheets[source.randrange(len(sheets))]
    return Picture(number, dpi, defect, DEFECTS[defect](_Shot(sheet, dpi, source)), sheet.text)


# -------------------------------------------------------------------------------------------- one picture


@dataclass
class _Shot:
    """What happens to one sheet on its way into a file: marks on the paper, how the sheet lies, light,
    blur, noise, the file.
    """

    sheet: Sheet
    dpi: int
    source: Random

    def file(
        self,
        *,
        drawing: Image.Image | None = None,
        turn: float | None = None,
        tilt: float = 0.0,
        paper: tuple[int, int] = (15, 250),
        shadow: float = 0.0,
        blur: float | None = None,
        noise: float | None = None,
        quality: int | None = None,
        pdf: bool = False,
    ) -> bytes:
        """The JPEG. What is not named is what any scanner does.

        ``drawing``: the page with marks on it, at 300 dpi. ``turn`` in degrees, ``tilt`` the share by which
        the far edge is shorter, ``paper`` the grey levels of ink and paper, ``shadow`` the share of light
        lost in it, ``blur`` and ``noise`` standard deviations in pixels and grey levels, ``quality`` of the
        JPEG; ``pdf``: as the only picture of a PDF's page.
        """
        chance = self.source.uniform
        turn = chance(-2, 2) if turn is None else turn
        blur = chance(0.3, 0.5) if blur is None else blur
        noise = chance(1, 4) if noise is None else noise
        quality = self.source.randint(60, 90) if quality is None else quality
        image = self._lay(drawing, turn, tilt)
        if shadow:
            image = self._shade(image, shadow)
        dark, light = paper
        levels = [round(dark + value * (light - dark) / 255) for value in range(256)]
        image = image.point(levels * len(image.getbands()))
        image = image.filter(ImageFilter.GaussianBlur(blur))
        image = self._grain(image, noise)
        buffer = BytesIO()
        if pdf:
            image.save(buffer, "PDF", resolution=self.dpi, quality=quality)
        else:
            image.save(buffer, "JPEG", quality=quality)
        return buffer.getvalue()

    def _lay(self, drawing: Image.Image | None, turn: float, tilt: float) -> Image.Image:
        """The sheet as the sensor sees it, at twice the resolution, then averaged: as a sensor does."""
        fine = min(2 * self.dpi, DRAWN)
        page = self.sheet.at(fine)
        if drawing is not None:
            page = drawing.resize(page.size, Image.Resampling.BOX)
        width, height = page.size
        radians = math.radians(turn)
        reach = abs(math.cos(radians)), abs(math.sin(radians))
        out = (
            round(width * reach[0] + height * reach[1]),
            round(width * reach[1] + height * reach[0]),
        )
        shift = self.source.random(), self.source.random()  # modules never fall on pixels alike

        def placed(x: float, y: float) -> Point:
            u, v = x / width - 0.5, y / height - 0.5
            far = 1 - tilt * (0.5 - v)  # the upper edge is farther away
            u, v = u * far, v * (1 - tilt / 2)
            across, down = u * width, v * height
            return (
                out[0] / 2 + across * math.cos(radians) - down * math.sin(radians) + shift[0],
                out[1] / 2 + across * math.sin(radians) + down * math.cos(radians) + shift[1],
            )

        corners = [(0, 0), (width, 0), (width, height), (0, height)]
        data = _perspective([placed(*corner) for corner in corners], corners)
        table = 255 if tilt == 0 else 120  # a scanner's lid, a desk
        fill = table if page.mode == "L" else (table, table, table)
        page = page.transform(
            out, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC, fillcolor=fill
        )
        scale = self.dpi / fine
        return page.resize((round(out[0] * scale), round(out[1] * scale)), Image.Resampling.BOX)

    def _shade(self, image: Image.Image, lost: float) -> Image.Image:
        """A shadow with a soft edge across the code, and less light towards one side."""
        size = (60, 84)
        light = Image.new("L", size, 255)
        x, y = 60 * 0.16 + self.source.uniform(-6, 6), 84 * 0.92 + self.source.uniform(-4, 4)
        angle = self.source.uniform(0, math.pi)
        along = (math.cos(angle) * 200, math.sin(angle) * 200)
        away = (-along[1], along[0])
        edge = [
            (x - along[0], y - along[1]),
            (x + along[0], y + along[1]),
            (x + along[0] + away[0], y + along[1] + away[1]),
            (x - along[0] + away[0], y - along[1] + away[1]),
        ]
        ImageDraw.Draw(light).polygon(edge, fill=round(255 * (1 - lost)))
        light = light.filter(ImageFilter.GaussianBlur(self.source.uniform(0.6, 3)))
        fall = Image.linear_gradient("L").rotate(90 * self.source.randrange(4)).resize(size)
        light = ImageChops.multiply(light, fall.point([155 + value * 100 // 255 for value in range(256)]))
        light = light.resize(image.size, Image.Resampling.BICUBIC)
        return ImageChops.multiply(image, light.convert(image.mode))

    def _grain(self, image: Image.Image, deviation: float) -> Image.Image:
        """Noise of two even draws, so of a triangle's shape; 104 is the deviation of the two together."""
        for _ in range(2):
            grain = Image.frombytes("L", image.size, self.source.randbytes(image.width * image.height))
            level = [round(128 + (value - 127.5) * deviation / 104) for value in range(256)]
            image = ImageChops.add(image, grain.point(level).convert(image.mode), 1, -128)
        return image

    # ---- marks on the paper

    def inside(self, low: float, high: float) -> Point:
        """A place by the code, in shares of its side, as pixels of the drawing."""
        side, chance = self.sheet.side, self.source.uniform
        return self.sheet.left + side * chance(low, high), self.sheet.top + side * chance(low, high)

    def milli(self, low: float, high: float) -> float:
        """A length in pixels of the drawing."""
        return MM * self.source.uniform(low, high)

    def under(self, mark: Image.Image) -> Image.Image:
        """The page under a mark that lets it through, white where the paper stays as it is."""
        return ImageChops.multiply(self.sheet.page.convert(mark.mode), mark)

    def white(self, mode: str = "L") -> Image.Image:
        return Image.new(mode, self.sheet.page.size, "white")


def _perspective(seen: Sequence[Point], drawn: Sequence[Point]) -> tuple[float, ...]:
    """The eight numbers that take a point of the picture to a point of the drawing (four pairs)."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(seen, drawn, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for column in range(8):  # Gauss and Jordan, with the largest pivot
        pivot = max(range(column, 8), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(8):
            if row != column:
                factor = rows[row][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], head, strict=True)]
    return tuple(row[8] for row in rows)


# ------------------------------------------------------------------------------------------------ defects


def _plain(shot: _Shot) -> bytes:
    """What every scanner does: 2 degrees askew, blur of .3 to .5 pixels, a little noise, JPEG 60 to 90."""
    return shot.file()


def _scan(shot: _Shot) -> bytes:
    """The same as the only picture of a page in a PDF."""
    return shot.file(pdf=True)


def _blurred(shot: _Shot) -> bytes:
    """Out of focus: 0.15 to 0.35 mm on paper (half of the smallest module), and never less than .6 pixels."""
    return shot.file(blur=max(0.6, shot.source.uniform(0.15, 0.35) * shot.dpi / 25.4))


def _noisy(shot: _Shot) -> bytes:
    return shot.file(noise=shot.source.uniform(15, 45))


def _turned(shot: _Shot) -> bytes:
    return shot.file(turn=shot.source.uniform(-180, 180))


def _tilted(shot: _Shot) -> bytes:
    """The far edge 10 to 40 % shorter than the near one, and turned."""
    return shot.file(turn=shot.source.uniform(-20, 20), tilt=shot.source.uniform(0.1, 0.4))


def _pale(shot: _Shot) -> bytes:
    """Ink and paper 20 to 60 of 255 levels apart: a copy of a copy, a dark room."""
    dark = shot.source.randint(60, 150)
    return shot.file(paper=(dark, dark + shot.source.randint(20, 60)))


def _shaded(shot: _Shot) -> bytes:
    """40 to 80 % of the light gone behind an edge across the code."""
    return shot.file(shadow=shot.source.uniform(0.4, 0.8), tilt=0.05)


def _squeezed(shot: _Shot) -> bytes:
    """JPEG 8 to 25: what a messenger has made small."""
    return shot.file(quality=shot.source.randint(8, 25))


def _sealed(shot: _Shot) -> bytes:
    """A round red seal of 36 mm over the code, as offices stamp copies."""
    mark = shot.white("RGB")
    draw = ImageDraw.Draw(mark)
    red = (shot.source.randint(195, 235), shot.source.randint(20, 70), shot.source.randint(30, 80))
    x, y = shot.inside(0.2, 1.2)
    for radius, wide in ((18, 1.0), (15.5, 0.4), (9, 0.4)):
        box = (x - radius * MM, y - radius * MM, x + radius * MM, y + radius * MM)
        draw.ellipse(box, outline=red, width=round(wide * MM))
    for letter in range(24):
        angle = letter * math.tau / 24
        a, b = x + math.cos(angle) * 12.4 * MM, y + math.sin(angle) * 12.4 * MM
        draw.rectangle((a - 0.9 * MM, b - 1.3 * MM, a + 0.9 * MM, b + 1.3 * MM), outline=red, width=5)
    star = []
    for corner in range(10):
        angle = corner * math.tau / 10 - math.pi / 2
        reach = (5.5 if corner % 2 == 0 else 2.2) * MM
        star.append((x + math.cos(angle) * reach, y + math.sin(angle) * reach))
    draw.polygon(star, fill=red)
    return shot.file(drawing=shot.under(mark))


def _creased(shot: _Shot) -> bytes:
    """One or two folds across the code: dark lines of .2 to .6 mm."""
    mark = shot.white()
    draw = ImageDraw.Draw(mark)
    for _ in range(shot.source.randint(1, 2)):
        x, y = shot.inside(0.25, 0.75)
        angle = shot.source.uniform(0, math.pi)
        a, b = math.cos(angle) * 60 * MM, math.sin(angle) * 60 * MM
        wide = round(shot.milli(0.2, 0.6))
        draw.line((x - a, y - b, x + a, y + b), fill=shot.source.randint(90, 170), width=wide)
    return shot.file(drawing=shot.under(mark.filter(ImageFilter.GaussianBlur(2))))


def _stained(shot: _Shot) -> bytes:
    """Brown blots over the code that leave the paper 55 to 80 % of its light, as tea and wet fingers do."""
    mark = shot.white("RGB")
    draw = ImageDraw.Draw(mark)
    for _ in range(shot.source.randint(2, 4)):
        x, y = shot.inside(-0.1, 1.1)
        wide, high = shot.milli(4, 14), shot.milli(4, 14)
        left = shot.source.uniform(0.55, 0.8)
        colour = (round(255 * left), round(235 * left), round(190 * left))
        draw.ellipse((x - wide, y - high, x + wide, y + high), fill=colour)
    return shot.file(drawing=shot.under(mark.filter(ImageFilter.GaussianBlur(shot.milli(0.1, 0.6)))))


def _damaged(shot: _Shot) -> bytes:
    """A hole or a blot of 3 to 7 % of the code's square among its data. With the modules at its rim that is
    up to 12 % of the codewords; level M repairs 15 % and more (ISO/IEC 18004, table 9).
    """
    page = shot.sheet.page.copy()
    _blot(shot, page, shot.source.uniform(0.03, 0.07))
    return shot.file(drawing=page)


def _photographed(shot: _Shot) -> bytes:
    """A bit of everything, as a phone does it."""
    return shot.file(
        turn=shot.source.uniform(-15, 15),
        tilt=shot.source.uniform(0.05, 0.2),
        shadow=shot.source.uniform(0.2, 0.5),
        blur=max(0.5, shot.source.uniform(0.1, 0.2) * shot.dpi / 25.4),
        noise=shot.source.uniform(4, 16),
        paper=(shot.source.randint(20, 50), shot.source.randint(190, 240)),
    )


def _beyond(shot: _Shot) -> bytes:
    """30 to 40 % of the code's square gone."""
    page = shot.sheet.page.copy()
    for _ in range(2):
        _blot(shot, page, shot.source.uniform(0.15, 0.2))
    return shot.file(drawing=page)


def _blot(shot: _Shot, page: Image.Image, share: float) -> None:
    """A disc of ``share`` of the code's square, of paper or of ink, clear of the three corner squares."""
    sheet = shot.sheet
    radius = math.sqrt(share / math.pi)
    corner = 8 / sheet.modules
    while True:
        x, y = (shot.source.uniform(radius, 1 - radius) for _ in range(2))
        squares = ((0.0, 0.0), (1 - corner, 0.0), (0.0, 1 - corner))
        gaps = [
            math.hypot(max(left - x, 0, x - left - corner), max(top - y, 0, y - top - corner))
            for left, top in squares
        ]
        if min(gaps) >= radius or share > 0.1:
            break
    a, b, r = sheet.left + x * sheet.side, sheet.top + y * sheet.side, radius * sheet.side
    ImageDraw.Draw(page).ellipse((a - r, b - r, a + r, b + r), fill=shot.source.choice((20, 255)))


DEFECTS: Final[Mapping[str, Callable[[_Shot], bytes]]] = {
    "plain": _plain,
    "scan in a PDF": _scan,
    "blur": _blurred,
    "noise": _noisy,
    "turned": _turned,
    "perspective": _tilted,
    "low contrast": _pale,
    "shadow": _shaded,
    "JPEG": _squeezed,
    "red seal": _sealed,
    "creases": _creased,
    "stains": _stained,
    "damage": _damaged,
    "phone": _photographed,
    LEVEL_M: _beyond,
}
