"""What stays of something erased, outside the database: that it was, when, and what must not come back.

No personal data: ids of our own, names of stored ciphertexts, counts, a time.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_FORM: Final = 1
_FILE: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Tombstone:
    """``name`` is the object's own among those of its ``kind``. ``rows`` says how many rows of which table
    were emptied or deleted, ``files`` which stored files; ``decision`` names the one of two persons, where
    the kind takes one.
    """

    kind: str
    name: str
    at: datetime
    rows: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    decision: uuid.UUID | None = None

    def to_json(self) -> bytes:
        return json.dumps(
            {
                "v": _FORM,
                "kind": self.kind,
                "name": self.name,
                "at": self.at.isoformat(),
                "rows": dict(self.rows),
                "files": list(self.files),
                "decision": None if self.decision is None else str(self.decision),
            },
            indent=1,
        ).encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Tombstone:
        """Strict. Raises ValueError."""
        try:
            read = json.loads(data)
            if read["v"] != _FORM or not all(_FILE.fullmatch(name) for name in read["files"]):
                raise ValueError("not a tombstone of this form")
            return cls(
                kind=str(read["kind"]),
                name=str(read["name"]),
                at=datetime.fromisoformat(read["at"]),
                rows={str(table): int(count) for table, count in read["rows"].items()},
                files=tuple(read["files"]),
                decision=None if read["decision"] is None else uuid.UUID(read["decision"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a tombstone") from error
