"""What is added to a signed file for the archive: a document security store and document timestamps.

ISO 32000-2 clauses 12.8.4.3 and 12.8.5, ETSI EN 319 142-1 clauses 5.4 and 5.5. The file as it was signed
stays a beginning of the new one; this module says whether what follows is that and nothing else, and where
the store's contents lie, so that they can be read again without reading the PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verifier.policy import Limits
from verifier.signatures import Evidence, EvidenceKind

_PARTS = {
    "/Certs": EvidenceKind.CERTIFICATE,
    "/CRLs": EvidenceKind.CRL,
    "/OCSPs": EvidenceKind.OCSP,
}
# A timestamp's field shows nothing and does nothing: no appearance, no action.
_FIELD_ENTRIES = frozenset({"/FT", "/T", "/TU", "/V", "/Type", "/Subtype", "/F", "/Rect", "/P", "/Ff"})
_CATALOG_ENTRIES = frozenset({"/DSS", "/AcroForm", "/Extensions", "/Version"})


def security_store(reader: PdfFileReader, data: bytes, limits: Limits) -> tuple[Evidence, ...]:
    """Where certificates, lists and answers of the newest store lie. What is not there as bytes of the file,
    plain or deflated, is left out: it counts for nothing.
    """
    found: list[Evidence] = []
    try:
        store = reader.root["/DSS"]
        streams = [(kind, stream) for name, kind in _PARTS.items() for stream in _value(store, name, ())]
    except MemoryError:
        raise
    except Exception:  # no store, or nothing that could be called one
        return ()
    for kind, reference in streams[: limits.evidence]:
        place = _place(reference, data)
        if place is not None:
            found.append(Evidence(kind, *place))
    return tuple(found)


def _place(reference: Any, data: bytes) -> tuple[int, int, bool] | None:
    """(start, length, deflated) of a stream's bytes as they stand in the file."""
    try:
        stream = reference.get_object()
        raw, filters = bytes(stream.encoded_data), _value(stream, "/Filter")
        if isinstance(filters, generic.ArrayObject) and len(filters) == 1:
            filters = filters[0]
        if filters not in (None, "/FlateDecode") or "/DecodeParms" in stream:
            return None
    except MemoryError:
        raise
    except Exception:  # a part of the store that cannot be read
        return None
    start = data.find(raw) if raw else -1
    return None if start < 0 else (start, len(raw), filters is not None)


def addition_fault(reader: PdfFileReader, first: int, timestamps: Sequence[generic.DictionaryObject]) -> str:
    """Why the revisions from ``first`` on are not validation data and document timestamps alone; empty when
    they are. ``timestamps`` are the fields of the document timestamps.

    New objects are harmless until something that existed refers to them, so it is enough to look at what is
    replaced: the catalog, the form, the store, and the pages that list the new invisible fields.
    """
    xrefs = reader.xrefs
    fields = {reference for field in timestamps if (reference := field.container_ref) is not None}
    if any(not _invisible(field) for field in timestamps):
        return "archive_field_visible"
    for revision in range(first, xrefs.total_revisions):
        if xrefs.refs_freed_in_revision(revision):
            return "object_deleted"
        root = reader.trailer.raw_get("/Root", revision=revision)
        if root != reader.trailer.raw_get("/Root", revision=revision - 1):
            return "catalog_replaced"
        for reference in xrefs.explicit_refs_in_revision(revision):
            if xrefs.get_historical_ref(reference, revision - 1) is None:
                continue
            if not _allowed(reader, reference, revision, fields):
                return "archive_addition_changes_more"
    return ""


def _invisible(field: generic.DictionaryObject) -> bool:
    if not set(field) <= _FIELD_ENTRIES:
        return False
    rectangle = _value(field, "/Rect", (0, 0, 0, 0))
    return len(rectangle) == 4 and rectangle[0] == rectangle[2] and rectangle[1] == rectangle[3]


def _allowed(reader: PdfFileReader, reference: generic.Reference, revision: int, fields: Set[Any]) -> bool:
    """Whether a revision may replace this object, and as it does."""
    read: Callable[..., Any] = reader.get_object
    before, after = read(reference, revision=revision - 1), read(reference, revision=revision)
    was, root = reader.get_historical_root(revision - 1), reader.get_historical_root(revision)
    if isinstance(before, generic.ArrayObject) and isinstance(after, generic.ArrayObject):
        return _extends(before, after, fields)  # the list of fields or of a page's annotations, on its own
    if not isinstance(before, generic.DictionaryObject) or not isinstance(after, generic.DictionaryObject):
        return False
    if isinstance(before, generic.StreamObject) or isinstance(after, generic.StreamObject):
        return False
    changed = _changed(before, after)
    if reference == reader.root_ref:
        return changed <= _CATALOG_ENTRIES and _catalog_allowed(reader, revision, before, after, fields)
    if reference == _reference(root, "/DSS"):
        return _reference(was, "/DSS") == reference
    if reference == _reference(root, "/AcroForm"):
        return _form_allowed(before, after, fields)
    if _value(before, "/Type") == "/Page":
        return changed <= {"/Annots"} and _lists_extended(before, after, "/Annots", fields)
    return False


def _catalog_allowed(reader: PdfFileReader, revision: int, before: Any, after: Any, fields: Set[Any]) -> bool:
    changed = _changed(before, after)
    if "/DSS" in changed:
        # Pointed at an object of old, a later revision could replace that object under this name.
        named = _reference(after, "/DSS")
        if named is None or reader.xrefs.get_historical_ref(named, revision - 1) is not None:
            return False
    if "/AcroForm" in changed:
        old, new = _value(before, "/AcroForm"), _value(after, "/AcroForm")
        if _reference(before, "/AcroForm") or _reference(after, "/AcroForm"):
            return False
        return (
            isinstance(old, generic.DictionaryObject)
            and isinstance(new, generic.DictionaryObject)
            and (_form_allowed(old, new, fields))
        )
    return True


def _form_allowed(before: Any, after: Any, fields: Set[Any]) -> bool:
    changed = _changed(before, after)
    return changed <= {"/Fields", "/SigFlags"} and _lists_extended(before, after, "/Fields", fields)


def _lists_extended(before: Any, after: Any, key: str, fields: Set[Any]) -> bool:
    """The list under ``key`` only grows, by fields of document timestamps."""
    if key not in _changed(before, after):
        return True
    old, new = _value(before, key, generic.ArrayObject()), _value(after, key)
    return (
        isinstance(old, generic.ArrayObject)
        and isinstance(new, generic.ArrayObject)
        and (_extends(old, new, fields))
    )


def _extends(before: generic.ArrayObject, after: generic.ArrayObject, fields: Set[Any]) -> bool:
    old = [before.raw_get(number) for number in range(len(before))]
    new = [after.raw_get(number) for number in range(len(after))]
    return new[: len(old)] == old and all(
        isinstance(added, generic.IndirectObject) and added.reference in fields for added in new[len(old) :]
    )


def _changed(before: Any, after: Any) -> set[str]:
    """Entries that differ, compared as written (references are not followed)."""
    return {
        key
        for key in before.keys() | after.keys()
        if key not in before or key not in after or before.raw_get(key) != after.raw_get(key)
    }


def _value(dictionary: Any, key: str, default: Any = None) -> Any:
    """The entry itself: ``get`` would answer a reference as it stands."""
    return dictionary[key] if key in dictionary else default  # noqa: SIM401


def _reference(dictionary: Any, key: str) -> generic.Reference | None:
    value = dictionary.raw_get(key) if key in dictionary else None
    return value.reference if isinstance(value, generic.IndirectObject) else None
