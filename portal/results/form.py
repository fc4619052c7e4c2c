"""What a row of kept results says, in a form of its own: small, numbered, and read alike ever after.

Nothing here follows the classes of a validation report: what they gain or lose changes no row. What is kept
is copied member by member, and a text of it only where it is a code of ours, for a report may come from a
process that a file has taken over. A form is never changed: another one takes the next number, and those of
before are read as long as there may be rows of theirs.

- Form 1 (migration 0022) held a whole validation report, emptied of what is not kept, without a seal.
- Form 2 (migration 0023) holds what :func:`fill` writes, and a seal over the row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from portal.results.models import CheckResult
from verifier.errors import InvalidInput
from verifier.locator import parse_record_id
from verifier.record import Level, level_info, subjects
from verifier.report import (
    MOST_ENTRIES,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    ProvenBy,
    Role,
    SignatureReport,
    SubIndication,
    ValidationReport,
    plausible,
)
from verifier.verdict import GENUINE, Evidence, Outcome, Standing, Verdict, VersionFacts, VersionState

FORM: Final = 2
#: In the place of a text that is no code of ours.
_OTHER: Final = "other"
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")
#: A code, narrowed ("recalled:data_error"), or a check of a field of ours ("GVBM.TOAN:time:no_time").
_REASON: Final = re.compile(
    r"(GVBM\.[A-Z0-9_]{1,32}|GVCN|CBQL|KY_PHAT_HANH|[a-z0-9_]{1,64})(:[a-z0-9_]{0,64}){0,2}"
)
#: As far as other releases may name fields of theirs.
_REASON_READ: Final = re.compile(r"[A-Za-z0-9_.]{1,64}(:[a-z0-9_]{0,64}){0,2}")
_CAPACITY: Final = re.compile(r"[A-Za-z_]{0,16}")
_SUBJECT: Final = re.compile(r"[A-Z0-9_]{1,32}")
#: What a field of ours may name; another name would be a stranger's word.
_SUBJECTS: Final = frozenset(
    subject.code
    for level in Level
    for grade in level_info(level).grades
    for subject in subjects(level, grade)
)
_STATE_OF: Final = {
    Outcome.GENUINE_CURRENT: VersionState.CURRENT,
    Outcome.GENUINE_SUPERSEDED: VersionState.SUPERSEDED,
    Outcome.GENUINE_REVOKED: VersionState.RECALLED,
}

_FOUND: Final = frozenset({"at", "medium", "problem", "incomplete", "lenient", "checks", "signatures"})
_SIGNATURE: Final = frozenset(
    {"role", "subject", "capacity", "indication", "sub_indication", "proven_by", "checks"}
)
_STATE: Final = frozenset({"state", "standing", "since", "recall_reason", "checked_at"})

# The members of form 1 as they were when its last row was written.
_FOUND_1: Final = _FOUND | {
    "size", "sha256", "unsigned_fields", "prefixes", "codes", "attached_record_id", "pages", "fresh_until",
    "timestamps", "revisions",
}  # fmt: skip
_SIGNATURE_1: Final = frozenset(
    {
        "field", "role", "subject_code", "byte_range", "signer", "claimed_time", "proven_time", "school_code",
        "capacity", "digest_algorithm", "checks", "indication", "sub_indication", "proven_by", "opinions",
    }
)  # fmt: skip


class UnreadableResult(Exception):  # noqa: N818 - a finding about a row, not a fault
    """A row that is damaged, or in a form that this release does not know: nothing of it is believed."""


def fill(verdict: Verdict, report: ValidationReport) -> dict[str, Any]:
    """The columns of a row that say what was answered, in the newest form."""
    version = verdict.version
    return {
        "form": FORM,
        "outcome": verdict.outcome.value,
        "evidence": verdict.evidence.value,
        "reasons": _json([_ours(reason, _REASON) for reason in verdict.reasons]),
        "found": _json(
            {
                "at": _time(report.at),
                "medium": report.medium.value,
                "problem": None if report.problem is None else _ours(report.problem),
                "incomplete": None if report.incomplete is None else _ours(report.incomplete),
                "lenient": report.lenient,
                "checks": [_check(check) for check in report.checks],
                "signatures": [_signature(signature) for signature in report.signatures],
            }
        ),
        "record_id": None if version is None else version.record_id,
        "version": None if version is None else version.version,
        "state": None
        if version is None
        else _json(
            {
                "state": version.state.value,
                "standing": version.standing.value,
                "since": None if version.since is None else _time(version.since),
                "recall_reason": None if version.recall_reason is None else _ours(version.recall_reason),
                "checked_at": None if version.checked_at is None else _time(version.checked_at),
            }
        ),
    }


def sealed_text(row: CheckResult) -> str:
    """Everything that a row says, and of which number and until when, as one text to be sealed."""
    return _json(
        [
            row.form, row.number_index, _time(row.made_at), _time(row.expires_at), row.outcome, row.evidence,
            row.reasons, row.found, row.strange, row.record_id, row.version, row.state,
            None if row.file_pk is None else row.file_pk.hex,
        ]
    )  # fmt: skip


def read(row: CheckResult) -> tuple[Verdict, ValidationReport]:
    """Inverse of :func:`fill`, for every form that was ever written. Raises UnreadableResult.

    A check that this release no longer names is :attr:`CheckName.UNNAMED`, with its own name for a code; a
    reason or code that is new to it stays. What a verdict rests on is never guessed: outcome, evidence, state
    and standing, and that they agree.
    """
    try:
        found = json.loads(row.found)
        match row.form:
            case 1:
                found = _of_form_1(found)
            case 2:
                _exactly(found, _FOUND)
            case _:
                raise ValueError("of a form that this release does not know")
        return _verdict(row), _report(found)
    except (KeyError, TypeError, ValueError, RecursionError, InvalidInput) as error:
        raise UnreadableResult(f"form {row.form}: {type(error).__name__}") from error


def _of_form_1(found: Any) -> Any:
    """What form 1 said, as form 2 says it."""
    _exactly(found, _FOUND_1)
    signatures = []
    for each in found["signatures"]:
        _exactly(each, _SIGNATURE_1)
        told = {key: each[key] for key in _SIGNATURE - {"subject", "checks"}}
        signatures.append(told | {"subject": each["subject_code"], "checks": _checks_1(each["checks"])})
    return {key: found[key] for key in _FOUND} | {
        "checks": _checks_1(found["checks"]),
        "signatures": signatures,
    }


def _checks_1(checks: Any) -> list[list[Any]]:
    return [[check["name"], check["status"], check["code"]] for check in checks]


def _verdict(row: CheckResult) -> Verdict:
    version = None
    if row.record_id is not None and row.version is not None and row.state is not None:
        version = _version(row.record_id, row.version, json.loads(row.state))
    elif (row.record_id, row.version, row.state) != (None, None, None):
        raise ValueError("half a version")
    outcome = Outcome(row.outcome)
    if outcome in GENUINE and (version is None or version.state is not _STATE_OF[outcome]):
        raise ValueError("genuine, and not by its version")
    reasons = tuple(_one(_REASON_READ, reason) for reason in _list(json.loads(row.reasons)))
    return Verdict(outcome, Evidence(row.evidence), reasons, version)


def _version(record_id: str, version: int, state: Any) -> VersionFacts:
    _exactly(state, _STATE)
    reason = state["recall_reason"]
    if version < 1:
        raise ValueError("not the number of a version")
    return VersionFacts(
        parse_record_id(record_id),
        version,
        VersionState(state["state"]),
        Standing(state["standing"]),
        None if state["since"] is None else _moment(state["since"]),
        None if reason is None else _one(_CODE, reason),
        None if state["checked_at"] is None else _moment(state["checked_at"]),
    )


def _report(found: Mapping[str, Any]) -> ValidationReport:
    problem, incomplete, lenient = found["problem"], found["incomplete"], found["lenient"]
    if type(lenient) is not bool:
        raise TypeError("neither true nor false")
    return ValidationReport(
        at=_moment(found["at"]),
        medium=Medium(found["medium"]),
        problem=None if problem is None else _one(_CODE, problem),
        incomplete=None if incomplete is None else _one(_CODE, incomplete),
        signatures=tuple(_signature_of(each) for each in _list(found["signatures"])),
        checks=tuple(_checks_of(found["checks"])),
        lenient=lenient,
    )


def _signature_of(told: Any) -> SignatureReport:
    _exactly(told, _SIGNATURE)
    role, subject, capacity = told["role"], told["subject"], told["capacity"]
    return SignatureReport(
        field="",
        role=None if role is None else Role(role),
        subject_code=None if subject is None else _one(_SUBJECT, subject),
        byte_range=None,
        signer=None,
        claimed_time=None,
        proven_time=None,
        school_code=None,
        capacity=None if capacity is None else _one(_CAPACITY, capacity),
        digest_algorithm=None,
        checks=tuple(_checks_of(told["checks"])),
        indication=Indication(told["indication"]),
        sub_indication=_sub_indication(told["sub_indication"]),
        proven_by=ProvenBy(told["proven_by"]),
    )


def _sub_indication(told: Any) -> SubIndication | None:
    """One that this release does not know is "any other reason" (EN 319 102-1, table 6)."""
    if told is None:
        return None
    return SubIndication(told) if told in _SUB_INDICATIONS else SubIndication.GENERIC


_SUB_INDICATIONS: Final = frozenset(each.value for each in SubIndication)
_NAMES: Final = frozenset(each.value for each in CheckName)


def _checks_of(checks: Any) -> Iterator[Check]:
    for name, status, code in _list(checks):
        if code != "":
            _one(_CODE, code)
        if name in _NAMES:
            yield Check(CheckName(name), CheckStatus(status), code)
        else:
            yield Check(CheckName.UNNAMED, CheckStatus(status), _one(_CODE, name))


def _check(check: Check) -> list[str]:
    return [check.name.value, check.status.value, _ours(check.code) if check.code else ""]


def _signature(signature: SignatureReport) -> dict[str, Any]:
    """Role and outcomes. Names of fields and signers, and the times, are left out."""
    subject, capacity, sub = signature.subject_code, signature.capacity, signature.sub_indication
    return {
        "role": None if signature.role is None else signature.role.value,
        "subject": subject if subject in _SUBJECTS else None,
        "capacity": capacity if capacity is not None and _CAPACITY.fullmatch(capacity) else None,
        "indication": signature.indication.value,
        "sub_indication": None if sub is None else sub.value,
        "proven_by": signature.proven_by.value,
        "checks": [_check(check) for check in signature.checks],
    }


def _ours(code: str, pattern: re.Pattern[str] = _CODE) -> str:
    return code if pattern.fullmatch(code) else _OTHER


def _one(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError("not a code")
    return text


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise TypeError("not a list of the allowed length")
    return value


def _exactly(value: Any, members: Collection[str]) -> None:
    """An object with these members, no more and no less."""
    if not isinstance(value, dict) or value.keys() != members:
        raise TypeError("not an object of this form")


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or plausible(moment) is None:
        raise ValueError("not a moment")
    return moment


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
