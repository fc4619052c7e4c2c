"""What every report keeps to, whatever it is about."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]  # it has no types

from verifier.report import CheckName, CheckStatus, SignatureReport, TimestampReport, ValidationReport
from verifier.schema import report_schema

_SCHEMA = jsonschema.Draft202012Validator(report_schema())


def conforms(report: ValidationReport) -> None:
    """Its JSON fits the published schema and is read back as it was."""
    told = json.loads(json.dumps(report.to_json()))
    _SCHEMA.validate(told)
    assert ValidationReport.from_json(told) == report


def agree(report: ValidationReport) -> bool:
    """No signature covers the document where something that is not allowed follows it."""
    unlike = [r.start for r in report.revisions if any(not change.allowed for change in r.changes)]
    return not any(
        0 < _end(signature) <= start and _covers(signature)
        for start in unlike
        for signature in report.signatures
    )


def _end(signature: SignatureReport) -> int:
    return 0 if signature.byte_range is None else signature.byte_range[2] + signature.byte_range[3]


def _covers(signature: SignatureReport | TimestampReport) -> bool:
    return any(c.name is CheckName.COVERAGE and c.status is CheckStatus.PASSED for c in signature.checks)
