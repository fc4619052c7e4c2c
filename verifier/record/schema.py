"""The published JSON Schema of an input record (docs/record.schema.json), generated from the models.

It says the form: names, types, vocabularies, ranges, which field and subject belongs to which level and
grade. What a schema cannot say (averages, results, gaps that a school may explain, calendar days) is left to
:func:`verifier.record.parse`: every record that parses is valid against the schema, not the other way round.
"""

from __future__ import annotations

from typing import Any

from verifier.record.kinds import FieldSpec, SchoolYear, fields_of
from verifier.record.model import Common, RowKind, field_specs
from verifier.record.parsing import PUPIL_CODE, SCHOOL_CODE
from verifier.record.vocabulary import Level, level_info


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one line of a class file in JSON Lines."""
    header = {
        "level": {"enum": [level.value for level in Level]},
        "scheme": {"enum": sorted({level_info(level).scheme.value for level in Level})},
        "grade": {"type": "integer", "minimum": 1, "maximum": 12},
        "year": SchoolYear().schema(),
        "ma_truong": SCHOOL_CODE.schema(),
        "ma_hoc_sinh": PUPIL_CODE.schema(),
    }
    common = fields_of(Common)
    shared = {spec.name for spec in common}
    branches: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for level in Level:
        info = level_info(level)
        for grade in info.grades:
            specs = [spec for spec in field_specs(level, grade) if spec.name not in shared]
            definitions[f"{level}_{grade}"] = {
                "title": f"{info.name}, lớp {grade} ({info.regulation})",
                "properties": {
                    "scheme": {"const": info.scheme.value},
                    **{spec.name: _schema(spec, definitions) for spec in specs},
                },
                "required": [spec.name for spec in specs if spec.required],
            }
            branches.append(
                {
                    "if": {"properties": {"level": {"const": level.value}, "grade": {"const": grade}}},
                    "then": {"$ref": f"#/$defs/{level}_{grade}"},
                }
            )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Học bạ số: một học sinh, một năm học, một trường",
        "type": "object",
        "properties": header | {spec.name: spec.kind.schema() for spec in common},
        "required": [*header, *(spec.name for spec in common if spec.required)],
        "allOf": branches,
        "unevaluatedProperties": False,
        "$defs": definitions,
    }


def _schema(spec: FieldSpec, definitions: dict[str, Any]) -> dict[str, Any]:
    """A subject row by reference to its shape (put into ``definitions``), any other kind as it is."""
    if not isinstance(spec.kind, RowKind):
        return spec.kind.schema()
    name = spec.kind.model.__name__
    definitions.setdefault(name, spec.kind.schema())
    return {"$ref": f"#/$defs/{name}"}
