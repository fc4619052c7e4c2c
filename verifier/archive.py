"""Where the contents of a document security store lie, to be read again without reading the PDF.

ISO 32000-2 clause 12.8.4.3, ETSI EN 319 142-1 clause 5.4. Whether what was added to a signed file for the
archive is that and nothing else is decided in ``verifier.changes``.
"""

from __future__ import annotations

from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from verifier.changes import value_of
from verifier.policy import Limits
from verifier.signatures import Evidence, EvidenceKind

_PARTS = {
    "/Certs": EvidenceKind.CERTIFICATE,
    "/CRLs": EvidenceKind.CRL,
    "/OCSPs": EvidenceKind.OCSP,
}


def security_store(reader: PdfFileReader, data: bytes, limits: Limits) -> tuple[Evidence, ...]:
    """Where certificates, lists and answers of the newest store lie. What is not there as bytes of the file,
    plain or deflated, is left out: it counts for nothing.
    """
    found: list[Evidence] = []
    try:
        store = reader.root["/DSS"]
        streams = [(kind, stream) for name, kind in _PARTS.items() for stream in value_of(store, name, ())]
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
        raw, filters = bytes(stream.encoded_data), value_of(stream, "/Filter")
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
