"""Lifting a signed file to PAdES B-LTA (ETSI EN 319 142-1 clauses 5.5 and 6.3): a document security store
with what its signatures are judged by, and one document timestamp over all of it, in one incremental update.

The file stays a byte prefix of the new one. Nothing is shown and nothing of the record is touched: the store
hangs on the catalog, the timestamp in an invisible field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

from pyhanko.pdf_utils import generic, misc
from pyhanko.sign.fields import SigFieldSpec, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

from portal.issuing.signing import TIMESTAMP_ROOM, SigningFault, Update
from portal.ports import Timestamper

_pdf: Any = generic  # pyHanko's object model carries no types


@dataclass(frozen=True, slots=True)
class Proofs:
    """What goes into the store, DER: certificates, revocation lists."""

    certificates: tuple[bytes, ...]
    lists: tuple[bytes, ...]


def archive(pdf: bytes, proofs: Proofs, timestamper: Timestamper) -> bytes:
    """``pdf`` with what ``proofs`` brings new in its store, and a document timestamp over everything.

    Raises :class:`SigningFault`, and what the timestamper raises.
    """
    try:
        writer = Update(BytesIO(pdf))
        _add_to_store(writer, proofs)
        writer.register_extension(ESIC_EXTENSION_1)
        cast(Any, writer).update_root()
        name = f"DAU_THOI_GIAN-{sum(1 for _ in enumerate_sig_fields(writer.prev))}"
        embedding = PdfCMSEmbedder(
            new_field_spec=SigFieldSpec(name, readable_field_name="Dấu thời gian lưu trữ")
        ).write_cms(name, writer, existing_fields_only=False)
        next(embedding)
        embedding.send(SigObjSetup(cast(Any, DocumentTimestamp)(bytes_reserved=2 * TIMESTAMP_ROOM)))
        ranges, output = embedding.send(SigIOSetup(md_algorithm="sha256"))
    except (SigningError, misc.PdfError, KeyError) as error:
        raise SigningFault(f"document timestamp: {error}") from error
    start, end = ranges.reserved_region_start, ranges.reserved_region_end
    token = timestamper.timestamp(ranges.document_digest).hex().encode("ascii").upper()
    room = end - start - 2
    if len(token) > room:
        raise SigningFault(f"document timestamp: takes {len(token)} digits, {room} are kept free")
    filled: bytes = output.getvalue()
    return b"".join((filled[: start + 1], token.ljust(room, b"0"), filled[end - 1 :]))


def _add_to_store(writer: Update, proofs: Proofs) -> None:
    """What the store lacks, as plain streams: the verifier reads them where they lie."""
    root = writer.root
    store = root["/DSS"] if "/DSS" in root else None  # noqa: SIM401 - get() does not follow references
    if store is None:
        store = _pdf.DictionaryObject({_pdf.pdf_name("/Type"): _pdf.pdf_name("/DSS")})
        root[_pdf.pdf_name("/DSS")] = writer.add_object(store)
        cast(Any, writer).update_root()
    else:
        writer.update_container(store)
    for key, parts in (("/Certs", proofs.certificates), ("/CRLs", proofs.lists)):
        references = list(store[key]) if key in store else []
        known = {bytes(reference.get_object().data) for reference in references}
        references += [writer.add_object(_pdf.StreamObject(stream_data=der)) for der in _new(parts, known)]
        store[_pdf.pdf_name(key)] = _pdf.ArrayObject(references)


def _new(parts: Iterable[bytes], known: set[bytes]) -> Iterable[bytes]:
    return (der for der in dict.fromkeys(parts) if der not in known)
