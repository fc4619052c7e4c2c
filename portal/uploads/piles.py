"""Several documents in one sending: which they are, and their bytes one after the other, in bounded memory.

Decides for a desk that sends a pile of files, or ZIP archives of files, what of it can be checked at all. No
archive is unpacked: its directory is read in bounds, and one member at a time is inflated, in pieces and up
to the size of one upload. Names are shown and nothing else: no path of an archive ever names a file of ours.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import IO, Final, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from portal.errors import marked

#: What :mod:`zipfile` raises for bytes that are no ZIP, or not a whole one.
_DAMAGED: Final = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
    struct.error,
    zlib.error,
)
_PIECE: Final = 64 * 1024
#: Bit 0 of a member's flags: its content needs a password (APPNOTE.TXT 4.4.4). Bit 11: its name is UTF-8.
_ENCRYPTED: Final = 0x1
_UTF8: Final = 0x800
_ARCHIVES: Final = (".zip", ".rar", ".7z", ".gz", ".tar", ".tgz", ".bz2", ".xz")
#: What macOS and Windows put into archives by themselves: a folder, and files.
_LITTER_FOLDER: Final = "__macosx"
_LITTER: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_LONGEST_NAME: Final = 160
#: Characters of a name that are looked at, from each end: composing marks takes the square of their number.
_LOOKED_AT: Final = 4 * _LONGEST_NAME


class Trouble(StrEnum):
    """Why a document of a pile was not checked. None of them says anything about the document."""

    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    NESTED = "nested"
    UNKNOWN_METHOD = "unknown_method"
    DAMAGED = "damaged"
    NOT_A_ZIP = "not_a_zip"
    NOTHING_INSIDE = "nothing_inside"
    NO_TIME = "no_time"
    BUSY = "busy"
    TOO_MANY = "too_many"


class Unreadable(Exception):  # noqa: N818 - a finding, not a fault
    """A document whose bytes cannot be had."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Document:
    """One file of a pile: its name as people see it, and its bytes when they are asked for.

    ``read`` raises :class:`Unreadable`.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Excess:
    """One reason why a pile is not taken: a message (Vietnamese source) and its values."""

    message: str
    values: dict[str, object] = field(default_factory=dict)


class TooMuch(Exception):  # noqa: N818 - the pile is turned away; nothing of ours went wrong
    """A pile that is not begun, with every reason."""

    def __init__(self, reasons: Sequence[Excess]) -> None:
        super().__init__(reasons)
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one sending may hold; sizes in bytes, of members as they are inflated."""

    file_bytes: int
    total_bytes: int
    files: int = 50
    archives: int = 5
    members: int = 200  # of one archive, folders among them
    directory_bytes: int = 1 << 20  # of one archive: 200 members with the longest names need far less


def is_archive(name: str) -> bool:
    """Whether a file is opened as a ZIP: by its name alone, for office documents are ZIPs as well."""
    return name.casefold().endswith(".zip")


def gather(sent: Iterable[tuple[str, IO[bytes]]], bounds: Bounds) -> tuple[Document, ...]:
    """The documents of a pile in the order in which they came, those of archives in their archive's place.

    What is wrong with one file is told when it is read, so that the others are checked all the same. Raises
    :class:`TooMuch` with every reason why the pile as a whole is not taken.
    """
    documents: list[Document] = []
    reasons: list[Excess] = []
    counts: list[tuple[str, int]] = []
    archives = inside = 0
    for sent_name, stream in sent:
        name = shown(sent_name)
        if not is_archive(sent_name):
            documents.append(Document(name, partial(_whole, stream, bounds.file_bytes)))
            continue
        archives += 1
        if archives > bounds.archives:
            continue  # counted, not opened: the pile is refused below
        try:
            archive = ZipFile(cast(IO[bytes], _Bounded(stream, bounds.directory_bytes)))
        except _LongRead:
            reasons.append(_too_many_members(name, bounds))
            continue
        except _DAMAGED:
            documents.append(_unreadable(name, Trouble.NOT_A_ZIP))
            continue
        members = archive.infolist()
        if len(members) > bounds.members:
            reasons.append(_too_many_members(name, bounds))
            continue
        found = [m for m in members if not m.filename.endswith("/") and not _is_litter(_name(m))]
        inside += sum(member.file_size for member in found if _hindrance(member, bounds) is None)
        counts.append((name, len(found)))
        documents += [_member(archive, each, name, bounds) for each in found] or [
            _unreadable(name, Trouble.NOTHING_INSIDE)
        ]
    if archives > bounds.archives:
        message = marked("Có %(count)s tệp ZIP; mỗi lần chỉ nhận %(most)s tệp ZIP.")
        reasons.append(Excess(message, {"count": archives, "most": bounds.archives}))
    if len(documents) > bounds.files:
        reasons.append(_too_many_files(len(documents), counts, bounds))
    if inside > bounds.total_bytes:
        message = marked("Các tệp trong ZIP mở ra lớn hơn %(limit)s MB.")
        reasons.append(Excess(message, {"limit": bounds.total_bytes >> 20}))
    if reasons:
        raise TooMuch(reasons)
    return tuple(documents)


def shown(name: str) -> str:
    """A file's name for the eye: no control or direction marks, which could show another name, and no more
    than fits.
    """
    if len(name) > 2 * _LOOKED_AT:
        name = f"{name[:_LOOKED_AT]}…{name[-_LOOKED_AT:]}"
    plain = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    plain = unicodedata.normalize("NFC", plain).strip()
    if len(plain) > _LONGEST_NAME:
        plain = f"{plain[: _LONGEST_NAME - 41]}…{plain[-40:]}"
    return plain or "?"


def _too_many_members(name: str, bounds: Bounds) -> Excess:
    message = marked("%(name)s chứa quá %(most)s mục; hãy chia thành nhiều tệp ZIP nhỏ hơn.")
    return Excess(message, {"name": name, "most": bounds.members})


def _too_many_files(count: int, counts: Sequence[tuple[str, int]], bounds: Bounds) -> Excess:
    if not counts:
        message = marked("Có %(count)s tệp; mỗi lần chỉ kiểm tra %(most)s tệp.")
        return Excess(message, {"count": count, "most": bounds.files})
    message = marked("Có %(count)s tệp, tính cả trong ZIP (%(archives)s); mỗi lần chỉ kiểm tra %(most)s tệp.")
    archives = ", ".join(f"{name}: {number}" for name, number in counts)
    return Excess(message, {"count": count, "archives": archives, "most": bounds.files})


def _whole(stream: IO[bytes], limit: int) -> bytes:
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(Trouble.TOO_LARGE)
    return data


def _unreadable(name: str, trouble: Trouble) -> Document:
    def read() -> bytes:
        raise Unreadable(trouble)

    return Document(name, read)


def _member(archive: ZipFile, member: ZipInfo, archive_name: str, bounds: Bounds) -> Document:
    """A member as a document. What its directory entry already says is not tried."""
    name = f"{archive_name} › {shown(_name(member))}"
    hindrance = _hindrance(member, bounds)
    if hindrance is not None:
        return _unreadable(name, hindrance)
    return Document(name, partial(_inflate, archive, member, bounds.file_bytes))


def _hindrance(member: ZipInfo, bounds: Bounds) -> Trouble | None:
    if member.flag_bits & _ENCRYPTED:
        return Trouble.ENCRYPTED
    if _name(member).casefold().endswith(_ARCHIVES):
        return Trouble.NESTED
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        # The others are inflated by the library without a bound.
        return Trouble.UNKNOWN_METHOD
    return Trouble.TOO_LARGE if member.file_size > bounds.file_bytes else None


def _inflate(archive: ZipFile, member: ZipInfo, limit: int) -> bytes:
    """A member's bytes, in pieces, whatever its directory entry promised."""
    pieces: list[bytes] = []
    size = 0
    try:
        with archive.open(member) as opened:
            while piece := opened.read(_PIECE):
                size += len(piece)
                if size > limit:
                    raise Unreadable(Trouble.TOO_LARGE)
                pieces.append(piece)
    except _DAMAGED:
        raise Unreadable(Trouble.DAMAGED) from None
    if size != member.file_size:
        raise Unreadable(Trouble.DAMAGED)
    return b"".join(pieces)


def _is_litter(name: str) -> bool:
    *folders, last = name.casefold().split("/")
    return _LITTER_FOLDER in folders or last.startswith("._") or last in _LITTER


def _name(member: ZipInfo) -> str:
    """A member's name. Without the mark for UTF-8 it should be CP437, but macOS and many phones write UTF-8
    all the same.
    """
    name = member.filename
    if not member.flag_bits & _UTF8:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


class _LongRead(Exception):  # noqa: N818
    """More was asked for in one go than anything here needs."""


class _Bounded:
    """A file whose every single read is bounded: a ZIP's directory is read whole, and it says itself how long
    it is.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._most = most

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise _LongRead
        data = self._stream.read(size if size >= 0 else self._most + 1)
        if len(data) > self._most:
            raise _LongRead
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._stream.seek(offset, whence)
        return self._stream.tell()

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """The request closes what it received."""
