"""The test vectors published in docs/record-digest.md, made from fixed salts.

``python -m tests.verifier.record_vectors`` prints the JSON block for the document.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.verifier.record_samples import sample
from verifier.record import (
    Json,
    Level,
    Record,
    canonical,
    digest,
    make_disclosures,
    make_header,
    parse,
)

RECORD_ID = "041061050R3GG28AD"


def salt(number: int) -> bytes:
    """The fixed salt of the disclosure at this place (from 0)."""
    return hashlib.sha256(f"salt {number}".encode()).digest()[:16]


def records() -> dict[str, Record]:
    """Name of a vector → its record."""
    secondary = sample(Level.THCS, 9)
    # Text that a careless program changes: NFD, the letter Ð, quotes, a backslash, a Nôm character.
    secondary["ho_va_ten"] = "Nguye\u0302\u0303n Thi\u0323 Hươ\u0300ng"
    secondary["me_ho_ten"] = "Ðặng H’Nga"
    secondary["mon.TOAN"]["nhan_xet"] = 'Ghi "giỏi" \\ tiến bộ 50% 𠀀'
    return {"primary_5": parse(sample(Level.TIEU_HOC, 5)), "secondary_9": parse(secondary)}


def vectors() -> list[dict[str, Any]]:
    """Every vector: fields, salts, disclosures, header, canonical header and digest."""
    return [_vector(name, record, version) for version, (name, record) in enumerate(records().items(), 1)]


def _vector(name: str, record: Record, version: int) -> dict[str, Any]:
    fields: dict[str, Json] = record.fields()
    salts = [salt(number) for number in range(len(fields))]
    remaining = iter(salts)
    disclosures = make_disclosures(fields, lambda: next(remaining))
    header = make_header(
        record,
        record_id=RECORD_ID,
        version=version,
        issued_on=record.issued_on,
        disclosures=disclosures,
    )
    return {
        "name": name,
        "fields": fields,
        "first_disclosure": {
            "salt_hex": salts[0].hex(),
            "json": _json_of(disclosures[0]),
            "disclosure": disclosures[0],
            "digest": _base64url(hashlib.sha256(disclosures[0].encode("ascii")).digest()),
        },
        "disclosures": list(disclosures),
        "header": header,
        "canonical": canonical(header).decode("utf-8"),
        "digest": digest(header).hex(),
    }


def _json_of(disclosure: str) -> str:
    return base64.urlsafe_b64decode(disclosure + "=" * (-len(disclosure) % 4)).decode("utf-8")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def block() -> str:
    """The JSON block of the document."""
    return json.dumps(vectors(), ensure_ascii=False, indent=1)


if __name__ == "__main__":
    print(block())
