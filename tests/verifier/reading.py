"""Compares our reader with pyHanko's, on one file: every object of every revision, and every use of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verifier.reader import Reader


def answers(reader: PdfFileReader) -> Iterator[tuple[object, ...]]:
    """Everything that the two readers must answer alike."""
    xrefs = reader.xrefs
    revisions = range(xrefs.total_revisions)
    every = sorted(
        {ref for number in revisions for ref in xrefs.explicit_refs_in_revision(number)},
        key=lambda ref: (ref.idnum, ref.generation),
    )
    read: Any = reader.get_object
    for revision in revisions:
        for ref in every:
            if xrefs.get_historical_ref(ref, revision) is not None:
                yield revision, ref, _outcome(partial(_read, read, ref, revision))
        view: Any = reader.get_historical_resolver(revision)
        uses = _outcome(view._load_reverse_xref_cache)
        yield revision, uses
        if uses is None:
            for ref in every:
                yield revision, ref, {path.path for path in view._get_usages_of_ref(ref)}


def compare(data: bytes) -> int:
    """How many answers were compared; a file that pyHanko cannot open, ours cannot either."""
    theirs = _outcome(lambda: PdfFileReader(BytesIO(data)))
    ours = _outcome(lambda: Reader(data))
    if not isinstance(theirs, PdfFileReader) or not isinstance(ours, PdfFileReader):
        assert theirs == ours
        return 0
    count = 0
    for expected, found in zip(answers(theirs), answers(ours), strict=True):
        assert found == expected
        count += 1
    return count


def spelled(value: Any) -> object:
    """An object with the types of all its parts, and where it says that it stands."""
    home = getattr(value, "container_ref", None)
    match value:
        case generic.IndirectObject():
            return "reference", value.reference, home
        case generic.StreamObject():
            return "stream", value.encoded_data, {k: spelled(v) for k, v in value.items()}, home
        case generic.DictionaryObject():
            names = [type(name).__name__ for name in value]
            return "dictionary", names, {k: spelled(v) for k, v in value.items()}, home
        case generic.ArrayObject():
            return "array", [spelled(v) for v in value], home
        case generic.NullObject():
            return "null", home
        case generic.BooleanObject():
            return "boolean", value.value, home
        case generic.TextStringObject():
            return "text", str(value), value.original_bytes, value.autodetected_encoding, home
        case _:
            return type(value).__name__, repr(value), home


def _read(read: Any, ref: generic.Reference, revision: int) -> object:
    return spelled(read(ref, revision))


def _outcome(ask: Callable[[], Any]) -> Any:
    """The answer, or that there is none. Which of a file's faults is met first may differ."""
    try:
        return ask()
    except Exception:
        return "no answer"
