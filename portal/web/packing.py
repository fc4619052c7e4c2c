"""What goes over the wire is small: static files packed once, public pages packed as they leave (ADR 0026).

A static file's address names its content (``/static/app.css?v=…``), so whoever has it need not ask again for
a year. It is read when the process starts, and packed once for each way of packing when that is first asked
for; the table of names is the folder as it was at the start, and no question adds to it.
"""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import brotli
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

FOLDER: Final = Path(__file__).parent.parent / "static"
BROTLI: Final = "br"
GZIP: Final = "gzip"

#: What Python's own table leaves to the machine's.
_KINDS: Final = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
_LEVEL: Final = 4  # of a page, each time: 90 µs, within 2 % of the densest (ADR 0026)
_LARGE: Final = 256 * 1024  # bytes above which brotli's densest level takes seconds


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of ``portal/static`` as it was when the process started."""

    name: str
    content: bytes
    digest: str

    @property
    def kind(self) -> str:
        """Its content type; text is UTF-8."""
        suffix = Path(self.name).suffix
        kind = _KINDS.get(suffix) or mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    @property
    def address(self) -> str:
        """Where it is served for ever: the address changes with the content."""
        return f"/static/{self.name}?v={self.digest}"


@cache
def static_table() -> Mapping[str, StaticFile]:
    """Name (path below the folder) -> file."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            name, content = path.relative_to(FOLDER).as_posix(), path.read_bytes()
            found[name] = StaticFile(name, content, hashlib.sha256(content).hexdigest()[:12])
    return found


# Asked with names of the table alone, so it holds at most one entry for each file and way.
@cache
def packed(name: str, way: str) -> bytes | None:
    """A static file packed as densely as pays, None where packing gains nothing (images, fonts)."""
    content = static_table()[name].content
    if way == BROTLI:
        small = brotli.compress(content, quality=11 if len(content) <= _LARGE else 9)
    else:
        small = _gzip(content, 9)
    return small if len(small) < len(content) else None


def zipped(content: bytes) -> bytes:
    """A page as gzip, without a time or a name in it."""
    return _gzip(content, _LEVEL)


def takes(accepted: Accept, way: str) -> bool:
    """Whether the client says that it unpacks this; "anything" does not say so, and ``q=0`` refuses."""
    return any(name == way and quality > 0 for name, quality in accepted)


def takes_gzip(header: str) -> bool:
    """The same, of a bare ``Accept-Encoding``."""
    return GZIP in header and takes(parse_accept_header(header), GZIP)


def _gzip(content: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()
