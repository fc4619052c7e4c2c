"""pyHanko's reader without the work that it does byte by byte, and again and again.

Most of the time of a full validation went into reading objects a byte at a time, and into the question of the
difference analysis from where each object is used, for which every object of every revision was copied. Here
an object in plain syntax is read by one regular expression, anything else is left to pyHanko; its references
are listed once, and a revision is a walk over lists. What is answered is the same, object for object and way
for way: ``tests/verifier/test_reader.py`` compares the two on every file that it has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits, DecodePurpose
from pyhanko.pdf_utils.misc import (
    PdfReadError,
    PdfStreamError,
    PdfStrictReadError,
    read_non_whitespace,
)
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader, RawPdfPath

_PDF: Any = generic  # its constructors are without types

_Path: TypeAlias = tuple[str | int, ...]
_Key: TypeAlias = tuple[int, int]  # number and generation of an object
_TREE: _Path = ("/Root", "/StructTreeRoot", "/K")
_PAGES: _Path = ("/Root", "/Pages")

# Objects as nearly every writer puts them down. Comments, other escapes and whatever else the syntax allows
# do not match, and neither do the dictionaries of streams.
_SPACE = rb"[\0\t\n\f\r ]"
_END = rb"(?=[\0\t\n\f\r /<>\[\]()])"
_HEADER = re.compile(rb"(\d{1,10}) (\d{1,5}) obj" + _END)
_TOKEN = re.compile(
    rb"%(space)b*(?:"
    rb"/(?P<name>[A-Za-z0-9_.+-]+)%(end)b"
    rb"|(?P<number>[1-9]\d{0,9}) (?P<generation>\d{1,5}) R%(end)b"
    rb"|(?P<integer>[+-]?\d{1,15})%(end)b"
    rb"|(?P<real>[+-]?\d{1,15}\.\d{1,15})%(end)b"
    rb"|(?P<bracket><<|>>|\[|\])"
    rb"|<(?P<hex>(?:[0-9A-Fa-f]{2})*)>"
    rb"|\((?P<text>(?:[^()\\]|\\[0-3][0-7]{2})*)\)"
    rb"|(?P<word>true|false|null)%(end)b"
    rb"|(?P<endobj>endobj))" % {b"space": _SPACE, b"end": _END}
)
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class _Edge:
    """One reference inside an object: where it stands there, and to what."""

    path: _Path
    to: generic.Reference
    key: _Key
    in_tree: bool  # inside the tree of the document's structure


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One way from the trailer to an object, as the last step of it."""

    before: _Step | None
    key: _Key
    path: _Path

    def passes(self, key: _Key) -> bool:
        step: _Step | None = self
        while step is not None:
            if step.key == key:
                return True
            step = step.before
        return False

    def whole(self) -> _Path:
        parts: list[_Path] = []
        step: _Step | None = self
        while step is not None:
            parts.append(step.path)
            step = step.before
        return tuple(element for part in reversed(parts) for element in part)


@dataclass(frozen=True, slots=True)
class _Packed:
    """An object stream: its content, how many objects it says it has, and where each number stands in its
    list first (index, place). ``fault`` is why the list could not be read to its end.
    """

    content: bytes
    count: int
    places: dict[int, tuple[int, int]]
    fault: Exception | None


class Reader(PdfFileReader):
    """A :class:`PdfFileReader` whose views of earlier revisions share what they find out."""

    def __init__(
        self, data: bytes, *, strict: bool = True, decode_limits: DecodeLimits | None = None
    ) -> None:
        self._data = data
        super().__init__(BytesIO(data), strict=strict, decode_limits=decode_limits)
        self._edges: dict[tuple[_Key, Any, bool], tuple[_Edge, ...]] = {}
        self._last_changes: dict[_Key, int | None] = {}
        self._packed: dict[int, _Packed] = {}

    def _read_object(
        self,
        ref: generic.Reference,
        marker: Any,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> generic.PdfObject:
        if isinstance(marker, int) and not self.encrypted:
            plain = _plain_object(self._data, marker, generic.Reference(ref.idnum, ref.generation, self))
            if plain is not None:
                return plain
        read: Any = super()._read_object
        return read(ref, marker, never_decrypt, as_metadata_stream)  # type: ignore[no-any-return]

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> generic.PdfObject:
        """As pyHanko does, but the list of an object stream is read once: read again for each of its objects,
        twenty kilobytes of a stranger's cost more time than a check has.
        """
        if stmnum not in self._packed:
            self._packed[stmnum] = self._unpack(stmnum)
        packed = self._packed[stmnum]
        index, place = packed.places.get(idnum, (-1, -1))
        if index < 0 and packed.fault is not None and not isinstance(packed.fault, ValueError):
            raise packed.fault
        if index < 0 or not 0 <= idx < packed.count or (self.strict and index != idx):
            if self.strict:
                raise PdfStrictReadError("the object does not stand in its stream where it should")
            return generic.NullObject()
        content = BytesIO(packed.content)
        content.seek(place)
        try:
            found: generic.PdfObject = generic.read_object(content, generic.Reference(idnum, 0, self))
        except (PdfStreamError, PdfReadError) as error:
            if self.strict:
                raise PdfStrictReadError("an object in a stream cannot be read") from error
            return generic.NullObject()
        if self.strict and isinstance(found, generic.StreamObject | generic.IndirectObject):
            raise PdfStrictReadError("an object of this kind may not stand in a stream")
        return found

    def _unpack(self, number: int) -> _Packed:
        read: Any = self.get_object
        stream = read(generic.Reference(number, 0, self))
        if not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
            raise PdfReadError("not an object stream")
        content: bytes = stream.read_data(DecodePurpose.OBJECT_STREAM)
        first, count = stream["/First"], stream["/N"]
        places: dict[int, tuple[int, int]] = {}
        at = BytesIO(content)
        integer: Any = generic.NumberObject.read_from_stream
        skip: Any = read_non_whitespace
        try:
            for index in range(count):
                skip(at, seek_back=True)
                held = int(integer(at))
                skip(at, seek_back=True)
                place = int(integer(at))
                skip(at, seek_back=True)
                places.setdefault(held, (index, first + place))
        except MemoryError:
            raise
        except Exception as error:  # what was listed before still counts
            return _Packed(content, count, places, error)
        return _Packed(content, count, places, None)

    def get_historical_resolver(self, revision: int) -> HistoricalResolver:
        views = self._historical_resolver_cache
        if revision not in views:
            views[revision] = _Revision(self, revision)
        return views[revision]

    def last_change(self, ref: generic.Reference, key: _Key) -> int | None:
        """The newest revision that says anything of this object, None when none does."""
        if key not in self._last_changes:
            try:
                self._last_changes[key] = self.xrefs.get_last_change(ref)
            except KeyError:
                self._last_changes[key] = None
        return self._last_changes[key]


class _Revision(HistoricalResolver):
    """The file as it was at one revision."""

    reader: Reader

    def __init__(self, reader: Reader, revision: int) -> None:
        super().__init__(reader, revision)
        self._ways: dict[_Key, list[_Step]] | None = None
        self._usages: dict[_Key, set[RawPdfPath]] = {}

    def _get_usages_of_ref(self, ref: generic.Reference) -> set[RawPdfPath]:
        key = (ref.idnum, ref.generation)
        if key not in self._usages:
            ways = (self._ways or {}).get(key, ())
            self._usages[key] = {RawPdfPath(*way.whole()) for way in ways}
        return self._usages[key]

    def _load_reverse_xref_cache(self) -> None:
        """Every way from the trailer to every object. As in pyHanko a page is entered through the tree of
        pages alone, an element of the structure through the tree of the structure alone, and ``/Parent`` is
        never followed, nor ``/P`` within that tree.
        """
        if self._ways is not None:
            return
        pages, elements = self._pages(), self._elements()
        ways: dict[_Key, list[_Step]] = defaultdict(list)
        todo: list[tuple[_Step | None, tuple[_Edge, ...]]] = [
            (None, tuple(_references(self.trailer_view, (), in_tree=False)))
        ]
        while todo:
            step, edges = todo.pop()
            for edge in edges:
                key = edge.key
                if step is not None and step.passes(key):
                    continue
                here = _Step(step, key, edge.path)
                ways[key].append(here)
                if key in pages and pages[key] != here.whole():
                    continue
                if key in elements and not edge.in_tree:
                    continue
                beyond = self._edges_of(edge, here)
                if beyond:
                    todo.append((here, beyond))
        self._ways = ways

    def _edges_of(self, edge: _Edge, here: _Step) -> tuple[_Edge, ...]:
        """References inside an object. Where the structure begins they depend on where the object stands."""
        depth = 0
        step: _Step | None = here
        while step is not None and depth < len(_TREE):
            depth += len(step.path)
            step = step.before
        if depth < len(_TREE) and (path := here.whole()) == _TREE[: len(path)]:
            return tuple(_references(self._raw(edge.to, edge.key), path, in_tree=False))
        reader = self.reader
        last_change = reader.last_change(edge.to, edge.key)
        version = (
            None
            if last_change is not None and last_change <= self.revision
            else reader.xrefs.get_historical_ref(edge.to, self.revision)
        )
        name = (edge.key, version, edge.in_tree)
        if name not in reader._edges:
            found = self._raw(edge.to, edge.key)
            reader._edges[name] = tuple(_references(found, None, in_tree=edge.in_tree))
        return reader._edges[name]

    def _raw(self, ref: generic.Reference, key: _Key) -> Any:
        """The object as it was, its references leading into the newest revision."""
        read: Any = self.reader.get_object
        last_change = self.reader.last_change(ref, key)
        unchanged = last_change is not None and last_change <= self.revision
        return read(ref) if unchanged else read(ref, self.revision)

    def _pages(self) -> dict[_Key, _Path]:
        """Where each page, and each part of the tree of pages, is to be entered."""
        root = self.root.raw_get("/Pages")
        found: dict[_Key, _Path] = {}
        if isinstance(root, generic.IndirectObject):
            found[_key(root)] = _PAGES
        for key, path in _kids(root.get_object(), _PAGES):
            if key in found:
                raise PdfReadError("the tree of pages leads back into itself")
            found[key] = path
        return found

    def _elements(self) -> set[_Key]:
        """Every element in the tree of the structure that is an object of its own."""
        found: set[_Key] = set()
        if "/StructTreeRoot" not in self.root:
            return found
        todo = [self._followed(self.root.raw_get("/StructTreeRoot"))]
        while todo:
            parent = todo.pop()
            if "/K" not in parent:
                continue
            children = self._followed(parent.raw_get("/K"))
            for child in children if isinstance(children, generic.ArrayObject) else (children,):
                element = self._followed(child)
                if not isinstance(element, generic.DictionaryObject) or not self._structural(element):
                    continue
                if isinstance(child, generic.IndirectObject):
                    if _key(child) in found:
                        raise PdfReadError("the tree of the structure leads back into itself")
                    found.add(_key(child))
                todo.append(element)
        return found

    def _followed(self, value: Any) -> Any:
        return self._raw(value.reference, _key(value)) if isinstance(value, generic.IndirectObject) else value

    def _structural(self, element: generic.DictionaryObject) -> bool:
        """Not a piece of content; /Type may be left out (ISO 32000-2 clause 14.7.2)."""
        kind = self._followed(element.raw_get("/Type")) if "/Type" in element else generic.NullObject()
        return isinstance(kind, generic.NullObject) or kind == "/StructElem"


def _plain_object(data: bytes, start: int, ref: generic.Reference) -> generic.PdfObject | None:
    """The object that begins at ``start``, None when it is not this one, or not all of it is plain."""
    header = _HEADER.match(data, start)
    if header is None or (int(header[1]), int(header[2])) != (ref.idnum, ref.generation):
        return None
    whole: list[generic.PdfObject] = []
    open_: list[tuple[bytes, list[generic.PdfObject]]] = []
    into, at = whole, header.end()
    while (token := _TOKEN.match(data, at)) is not None:
        at = token.end()
        kind, text = token.lastgroup, token[token.lastgroup or 0]
        if kind == "endobj":
            return whole[0] if len(whole) == 1 and not open_ else None
        if kind == "bracket" and text in (b"<<", b"["):
            if len(open_) == _DEEPEST:
                return None
            open_.append((text, into))
            into = []
            continue
        if kind == "bracket":
            if not open_ or (text == b">>") is not (open_[-1][0] == b"<<"):
                return None
            value: generic.PdfObject | None = generic.ArrayObject(into) if text == b"]" else _dictionary(into)
            if value is None:
                return None
            into = open_.pop()[1]
        elif kind == "generation":
            value = _PDF.IndirectObject(int(token["number"]), int(text), ref.pdf)
        else:
            value = _SIMPLE[kind or ""](text)
        value.container_ref = ref
        into.append(value)
    return None


def _dictionary(parts: list[generic.PdfObject]) -> generic.DictionaryObject | None:
    names = parts[::2]
    if len(parts) % 2 or not all(isinstance(name, generic.NameObject) for name in names):
        return None
    entries = dict(zip(names, parts[1::2], strict=True))
    return _PDF.DictionaryObject(entries) if len(entries) == len(names) else None


_SIMPLE: dict[str, Callable[[bytes], generic.PdfObject]] = {
    "name": lambda text: generic.NameObject("/" + text.decode("ascii")),
    "integer": lambda text: _PDF.NumberObject(text.decode("ascii")),
    "real": lambda text: _PDF.FloatObject(text.decode("ascii")),
    "hex": lambda text: generic.pdf_string(bytes.fromhex(text.decode("ascii"))),
    "text": lambda text: generic.pdf_string(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), text)),
    "word": lambda text: generic.NullObject() if text == b"null" else _PDF.BooleanObject(text == b"true"),
}


def _key(reference: generic.IndirectObject) -> _Key:
    return reference.idnum, reference.generation


def _kids(pages: Any, path: _Path) -> Iterator[tuple[_Key, _Path]]:
    for number, kid in enumerate(pages["/Kids"]):
        below = (*path, "/Kids", number)
        if isinstance(kid, generic.IndirectObject):
            yield _key(kid), below
        node = kid.get_object()
        if node.get("/Type", None) == "/Pages":
            yield from _kids(node, below)


def _references(value: Any, path: _Path | None, *, in_tree: bool) -> Iterator[_Edge]:
    """Every reference inside an object. ``path`` is where it stands in the file while that may still lead to
    the tree of the structure, None when it does not matter any more.
    """
    if isinstance(value, generic.IndirectObject):
        return  # an object that is nothing but a reference is not followed
    todo: list[tuple[Any, _Path, bool]] = [(value, (), in_tree)]
    while todo:
        value, inner, inside = todo.pop()
        if isinstance(value, generic.IndirectObject):
            yield _Edge(inner, value.reference, _key(value), inside)
        elif isinstance(value, generic.DictionaryObject):
            for name, entry in value.items():
                if name == "/Parent" or (inside and name == "/P"):
                    continue
                below = (*inner, name)
                todo.append((entry, below, inside or (path is not None and (*path, *below) == _TREE)))
        elif isinstance(value, generic.ArrayObject):
            todo.extend((entry, (*inner, number), inside) for number, entry in enumerate(value))
