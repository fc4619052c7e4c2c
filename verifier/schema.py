"""The published JSON Schema of a validation report (docs/report.schema.json), generated from its classes.

A report has exactly these members. What :meth:`verifier.report.ValidationReport.from_json` refuses besides
(times without offset, half characters, changes beyond the most in all) a schema cannot say.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from verifier.report import (
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_ENTRIES,
    OBJECT_PLACE,
    Change,
    Check,
    CheckName,
    Revision,
    ValidationReport,
)

#: Members that are narrower than their type.
_NARROWER: dict[tuple[type[Any], str], dict[str, Any]] = {
    (Change, "object"): {"pattern": f"^{OBJECT_PLACE}$"},
    (Change, "field"): {"maxLength": LONGEST_NAME},
    (Revision, "after"): {"maxLength": LONGEST_NAME},
    (Check, "name"): {"enum": [each.value for each in CheckName if each is not CheckName.UNNAMED]},
}


def report_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of :meth:`verifier.report.ValidationReport.to_json`."""
    definitions: dict[str, Any] = {}
    whole = _object(ValidationReport, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Báo cáo kiểm tra một tài liệu",
        **whole,
        "$defs": definitions,
    }


def _object(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """An object with all members of a dataclass and no others."""
    types = get_type_hints(kind)
    names = [member.name for member in fields(kind)]
    properties = {name: _narrowed(kind, name, _schema(types[name], definitions)) for name in names}
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


def _narrowed(kind: type[Any], name: str, schema: dict[str, Any]) -> dict[str, Any]:
    narrower = _NARROWER.get((kind, name), {})
    if "anyOf" in schema and narrower:
        first, *rest = schema["anyOf"]
        return {"anyOf": [first | narrower, *rest]}
    return schema | narrower


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one type of a report's members."""
    if get_origin(kind) is UnionType:
        return {"anyOf": [_schema(each, definitions) for each in get_args(kind)]}
    if get_origin(kind) is tuple:
        first, *rest = get_args(kind)
        items = _schema(first, definitions)
        length = {"maxItems": MOST_ENTRIES} if rest == [...] else {"minItems": 4, "maxItems": 4}
        return {"type": "array", "items": items} | length
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # named before it is filled: a class may hold others
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [each.value for each in kind]}
    plain: dict[Any, dict[str, Any]] = {
        NoneType: {"type": "null"},
        bool: {"type": "boolean"},
        int: {"type": "integer", "minimum": 0},
        str: {"type": "string", "maxLength": LONGEST_TEXT},
        datetime: {"type": "string", "format": "date-time"},
    }
    return plain[kind]
