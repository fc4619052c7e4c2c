"""QR codes as one vector path: plain squares, quiet zone included, no logo.

That of a record: ISO/IEC 18004, error correction M, one alphanumeric segment, version ≤ 5. The printed
size (30 mm with the quiet zone of 4 modules on each side, so at most 45 modules = 0.67 mm a module) is the
template's business.
"""

from __future__ import annotations

from typing import Final

import qrcode
from qrcode.util import MODE_ALPHA_NUM, QRData

QUIET_ZONE: Final = 4  # modules on each side, ISO/IEC 18004 §6.3.8
MASK: Final = 3
"""The data mask is fixed: a digest is random under every mask, so looking for the best of eight (ISO/IEC
18004 §7.8.3) costs five times as much and reads no better; 60 codes, blurred and noisy at the edge of
readability, were read 17, 0, 0 and 17 times with the search and 21, 0, 2 and 25 times without.
"""
MAX_VERSION: Final = 5  # 37 modules: read off paper by cheap phones; hosts up to 41 characters fit


class TooLong(ValueError):  # noqa: N818 - says what is wrong with the host
    """The URL does not fit version 5-M: the host is longer than 41 characters."""


def matrix(url: str) -> tuple[tuple[bool, ...], ...]:
    """Dark modules of ``url``, row by row, without the quiet zone.

    Raises ValueError when ``url`` is not in the alphanumeric set (our locators are, by their grammar) and
    TooLong.
    """
    code = qrcode.QRCode(
        version=1, error_correction=qrcode.constants.ERROR_CORRECT_M, border=0, mask_pattern=MASK
    )
    code.add_data(QRData(url, mode=MODE_ALPHA_NUM, check_data=True), optimize=0)
    if code.best_fit(start=1) > MAX_VERSION:
        raise TooLong(url)
    code.make(fit=False)
    return tuple(tuple(bool(module) for module in row) for row in code.modules)


def any_matrix(text: str) -> tuple[tuple[bool, ...], ...]:
    """Dark modules of a text for a screen, of as many as it needs: error correction M, any characters."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0)
    code.add_data(text)
    code.make()
    return tuple(tuple(bool(module) for module in row) for row in code.modules)


def svg(url: str) -> str:
    """An SVG of one black path; each horizontal run is a rectangle. Raises as :func:`matrix`."""
    return drawn(matrix(url))


def drawn(rows: tuple[tuple[bool, ...], ...]) -> str:
    """An SVG of one black path of these modules, with the quiet zone."""
    side = len(rows) + 2 * QUIET_ZONE
    path: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                path.append(f"M{start + QUIET_ZONE} {y + QUIET_ZONE}h{x - start}v1h{start - x}z")
            x += x == start
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" viewBox="0 0 {side} {side}">'
        f'<path fill="#000" d="{"".join(path)}"/></svg>'
    )
