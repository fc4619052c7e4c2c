"""The sealed columns of issuing, for whoever may read a row but must not come near a key that signs.

Each value is JSON (or a file) under the row's own key, bound to its table, column, row and version.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from portal.errors import PortalError
from portal.issuing.models import ClassUpload, Issuance
from portal.vault import Vault
from verifier.errors import Problem


def place(row: uuid.UUID, version: int, column: str) -> dict[str, Any]:
    """Where a column of an issuance stands."""
    return {"table": "issuances", "column": column, "row": str(row), "version": version}


def seal_column(vault: Vault, wrapped_key: bytes, value: Mapping[str, Any], where: dict[str, Any]) -> bytes:
    """A JSON value for one place."""
    return vault.seal(wrapped_key, json.dumps(value, ensure_ascii=False).encode("utf-8"), **where)


def open_column(vault: Vault, row: Issuance, column: str) -> dict[str, Any] | None:
    """A sealed column of an issuance; None when it is empty. Raises VaultError."""
    sealed: bytes | None = getattr(row, column)
    if sealed is None:
        return None
    value: dict[str, Any] = json.loads(
        vault.open(row.wrapped_key, sealed, **place(row.id, row.version, column))
    )
    return value


def open_intent(vault: Vault, row: Issuance) -> dict[str, Any]:
    """What will be signed (the members of ``intents.Intent``). Raises VaultError."""
    value = open_column(vault, row, "intent_sealed")
    if value is None:
        raise PortalError(f"issuance {row.id} has no intent")
    return value


@dataclass(frozen=True, slots=True)
class Examined:
    """What the worker found in a class file. ``already``: rows whose content was issued before, or is on its
    way; ``fields``: class -> signature fields of its records.
    """

    rows: int
    already: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    fields: Mapping[str, tuple[str, ...]]

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8")

    @classmethod
    def from_json(cls, text: bytes) -> Examined:
        data = json.loads(text)
        return cls(
            rows=int(data["rows"]),
            already=int(data["already"]),
            problems=tuple(Problem(**each) for each in data["problems"]),
            warnings=tuple(Problem(**each) for each in data["warnings"]),
            fields={name: tuple(fields) for name, fields in data["fields"].items()},
        )


def seal_upload(vault: Vault, row: ClassUpload, column: str, value: bytes) -> bytes:
    """A column of an upload; the row has its id and key already."""
    return vault.seal(row.wrapped_key, value, **_upload_place(row, column))


def open_upload(vault: Vault, row: ClassUpload, column: str) -> bytes | None:
    """What :func:`seal_upload` sealed; None when it is empty or was erased. Raises VaultError."""
    sealed: bytes | None = getattr(row, column)
    return None if sealed is None else vault.open(row.wrapped_key, sealed, **_upload_place(row, column))


def _upload_place(row: ClassUpload, column: str) -> dict[str, Any]:
    return {"table": "class_uploads", "column": column, "row": str(row.id), "version": 1}
