"""The published JSON Schema of an input record (docs/record.schema.json), generated from the models.

It says the form: names, types, vocabularies, ranges, which field and subject belongs to which level and
grade. What a schema cannot say (averages, results, completeness that a school may explain, calendar days) is
left to :func:`verifier.record.parse`, so every record that parses is valid against the schema, but not the
other way round.
"""

from __future__ import annotations

from typing import Any

from verifier.record.kinds import SchoolYear
from verifier.record.model import field_specs
from verifier.record.parsing import PUPIL_CODE, SCHOOL_CODE
from verifier.record.vocabulary import Level, level_info


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one line of a class file in JSON Lines."""
    branches: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for level in Level:
        info = level_info(level)
        for grade in info.grades:
            name = f"{level}_{grade}"
            specs = field_specs(level, grade)
            definitions[name] = {
                "title": f"{info.name}, lớp {grade} ({info.regulation})",
                "properties": {
                    "scheme": {"const": info.scheme.value},
                    **{spec.name: spec.kind.schema() for spec in specs},
                },
                "required": [spec.name for spec in specs if spec.required],
            }
            branches.append(
                {
                    "if": {"properties": {"level": {"const": level.value}, "grade": {"const": grade}}},
                    "then": {"$ref": f"#/$defs/{name}"},
                }
            )
    header = {
        "level": {"enum": [level.value for level in Level]},
        "scheme": {"type": "string"},
        "grade": {"type": "integer", "minimum": 1, "maximum": 12},
        "year": SchoolYear().schema(),
        "ma_truong": SCHOOL_CODE.schema(),
        "ma_hoc_sinh": PUPIL_CODE.schema(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Học bạ số: một học sinh, một năm học, một trường",
        "type": "object",
        "properties": header,
        "required": list(header),
        "allOf": branches,
        "unevaluatedProperties": False,
        "$defs": definitions,
    }
