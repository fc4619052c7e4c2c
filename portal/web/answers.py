"""Answers: one verdict as a page for people and as JSON for programs, from the same facts.

What is shown follows from the evidence: the record only where its version is part of the verdict, the
signers' names only to whoever holds a genuine file. Names come from our own tables, never out of a
certificate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Protocol

from flask import Response, current_app

from portal.web.i18n import language, marked, moment, translate
from portal.web.pages import Pages
from portal.web.requests import wants_json
from verifier import words
from verifier.locator import group
from verifier.record import level_info, subjects
from verifier.report import CheckStatus, Role, SignatureReport, ValidationReport, jsonable
from verifier.verdict import GENUINE, Evidence, Outcome, Verdict, VersionState
from verifier.words import Language

_STATES: Final = {
    VersionState.CURRENT: marked("Đang lưu hành"),
    VersionState.SUPERSEDED: marked("Đã có bản thay thế"),
    VersionState.RECALLED: marked("Đã thu hồi"),
}
_ENGLISH_LEVELS: Final = {
    "TIEU_HOC": "Primary",
    "THCS": "Lower secondary",
    "THPT": "Upper secondary",
    "GDTX_THPT": "Upper secondary (continuing education)",
}


class PublicFacts(Protocol):
    """What everyone with the full code may see of a record (``portal.registry`` has the class)."""

    @property
    def record_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def state(self) -> VersionState: ...
    @property
    def current_version(self) -> int | None: ...
    @property
    def school_name(self) -> str: ...
    @property
    def school_code(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def grade(self) -> int: ...
    @property
    def year(self) -> str: ...
    @property
    def issued_on(self) -> date: ...
    @property
    def roles(self) -> tuple[Role, ...]: ...
    @property
    def masked_name(self) -> str: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def recall_reason(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict with everything that may be said about it.

    ``record`` is what the registry knows publicly, ``signers`` maps certificate hashes to names of our own
    tables, ``locator`` is the code in its one spelling where the answer came from one.
    """

    verdict: Verdict
    report: ValidationReport
    record: PublicFacts | None = None
    signers: Mapping[str, str] = field(default_factory=dict)
    locator: str | None = None

    @property
    def shown_record(self) -> PublicFacts | None:
        """The record, where the verdict speaks of a version of it."""
        outcome = self.verdict.outcome
        known = outcome in GENUINE or outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        differs = outcome is Outcome.CONTENT_DIFFERS and self.verdict.version is not None
        return self.record if known or differs else None

    @property
    def names_shown(self) -> bool:
        """Whether this answer goes to somebody who holds the genuine file."""
        return self.verdict.genuine_file

    @property
    def issuer(self) -> str | None:
        record = self.shown_record
        return None if record is None else record.school_name

    @property
    def current_version(self) -> int | None:
        record = self.shown_record
        return None if record is None else record.current_version

    def words(self, language: Language) -> words.Words:
        return words.say(self.verdict, language, issuer=self.issuer, current_version=self.current_version)


def respond(answer: Answer, *, cache_seconds: int | None = None) -> Response:
    """The answer in the shape the client wants. ``cache_seconds`` makes it public for that long."""
    tongue = language()
    if wants_json():
        response = Response(
            json.dumps(as_json(answer, tongue), ensure_ascii=False), content_type="application/json"
        )
    else:
        pages: Pages = current_app.extensions["pages"]
        response = pages.page("verdict.html", tongue, context(answer, tongue))
    headers = response.headers
    headers["Vary"] = "Accept"
    if cache_seconds is not None and answer.verdict.outcome is not Outcome.CHECK_INCOMPLETE:
        headers["Cache-Control"] = f"public, max-age={cache_seconds}"
    return response


def as_json(answer: Answer, language: Language) -> dict[str, Any]:
    """The API's answer. Keys are stable; ``words`` are for people and may be reworded."""
    verdict, report, record = answer.verdict, answer.report, answer.shown_record
    said = answer.words(language)
    return {
        "verdict": verdict.outcome.value,
        "evidence": verdict.evidence.value,
        "reasons": list(verdict.reasons),
        "record": None
        if record is None
        else {
            "record_id": record.record_id,
            "version": record.version,
            "state": record.state.value,
            "current_version": record.current_version,
            "since": jsonable(record.since),
            "recall_reason": record.recall_reason,
            "school": {"code": record.school_code, "name": record.school_name},
            "level": record.level,
            "grade": record.grade,
            "year": record.year,
            "issued_on": record.issued_on.isoformat(),
            "signed_roles": [role.value for role in record.roles],
            "masked_name": record.masked_name,
        },
        "signatures": [_signature_json(s, answer, language) for s in report.signatures],
        "checks": [
            {
                "name": c.name.value,
                "status": c.status.value,
                "code": c.code,
                "sentence": words.check_sentence(c, language),
            }
            for c in report.checks
        ],
        "document": {
            "medium": report.medium.value,
            "size": report.size,
            "sha256": report.sha256,
            "pages": report.pages,
            "problem": report.problem,
            "unsigned_fields": list(report.unsigned_fields),
        },
        "words": {
            "language": language,
            "headline": said.headline,
            "sentence": said.sentence,
            "next_step": said.next_step,
            "further": list(said.further),
            "evidence": words.evidence_sentence(verdict.evidence, language),
            "findings": [
                {"status": f.status.value, "sentence": f.sentence}
                for f in words.findings(verdict, report, language)
            ],
        },
        "at": report.at.isoformat(),
    }


def context(answer: Answer, language: Language) -> dict[str, Any]:
    """Everything the page needs, in the order it is read."""
    verdict, report, record = answer.verdict, answer.report, answer.shown_record
    by_code = verdict.evidence is Evidence.CODE and record is not None and answer.locator is not None
    said = answer.words(language)
    return {
        "said": said,
        "tone_word": words.tone_word(said.tone, language),
        "at": moment(report.at, language),
        "rows": () if record is None else _rows(record, language),
        "evidence": words.evidence_sentence(verdict.evidence, language),
        "findings": [
            (f.status, words.check_status(f.status, language), f.sentence)
            for f in words.findings(verdict, report, language)
        ],
        "signatures": [_signature_view(s, answer, language) for s in report.signatures],
        "compare_with": answer.locator if by_code and verdict.outcome in _COMPARABLE else None,
        "names_shown": answer.names_shown,
        "technical": _technical(answer),
    }


_COMPARABLE: Final = frozenset({Outcome.GENUINE_CURRENT, Outcome.GENUINE_SUPERSEDED})


def level_name(level: str, language: Language) -> str:
    """Name of a school level."""
    return level_info(level).name if language == "vi" else _ENGLISH_LEVELS[level]


def subject_name(code: str) -> str | None:
    """Vietnamese name of a subject code at any level; None for a code that is none."""
    return _SUBJECT_NAMES.get(code)


_SUBJECT_NAMES: Final = {
    subject.code: subject.name
    for level in _ENGLISH_LEVELS
    for grade in level_info(level).grades
    for subject in subjects(level, grade)
}


def _rows(record: PublicFacts, language: Language) -> tuple[tuple[str, str], ...]:
    """The summary list: label, value."""
    grade = translate(marked("Lớp %(grade)s"), language) % {"grade": record.grade}
    version = translate(_STATES[record.state], language)
    return tuple(
        (translate(label, language), value)
        for label, value in (
            (marked("Nơi cấp"), record.school_name),
            (marked("Học sinh"), record.masked_name),
            (marked("Cấp học"), f"{level_name(record.level, language)}, {grade.lower()}"),
            (marked("Năm học"), record.year.replace("-", "–")),
            (marked("Bản số"), f"{record.version} – {version}"),
            (marked("Ngày cấp"), f"{record.issued_on:%d/%m/%Y}"),
            (marked("Đã ký"), ", ".join(words.role_name(role, language) for role in record.roles)),
            (marked("Mã tra cứu"), group(record.record_id)),
        )
    )


def _technical(answer: Answer) -> str:
    """Verdict and report codes for whoever has to look closer."""
    verdict, report = answer.verdict, answer.report
    lines = [
        f"verdict: {verdict.outcome}",
        f"evidence: {verdict.evidence}",
        f"reasons: {', '.join(verdict.reasons) or '-'}",
        f"medium: {report.medium}",
        f"at: {report.at.isoformat()}",
    ]
    if report.sha256:
        lines += [f"size: {report.size}", f"sha256: {report.sha256}"]
    return "\n".join(lines)


def _signature_json(signature: SignatureReport, answer: Answer, language: Language) -> dict[str, Any]:
    return {
        "field": signature.field,
        "role": jsonable(signature.role),
        "subject_code": signature.subject_code,
        "capacity": signature.capacity,
        "school_code": signature.school_code,
        "indication": signature.indication.value,
        "sub_indication": jsonable(signature.sub_indication),
        "digest_algorithm": signature.digest_algorithm,
        "claimed_time": jsonable(signature.claimed_time),
        "proven_time": jsonable(signature.proven_time),
        "signer": _signer(signature, answer),
        "checks": [
            {
                "name": c.name.value,
                "status": c.status.value,
                "code": c.code,
                "sentence": words.check_sentence(c, language),
            }
            for c in signature.checks
        ],
    }


def _signer(signature: SignatureReport, answer: Answer) -> dict[str, Any] | None:
    """The signer for whoever holds the genuine file. A certificate's subject can hold a personal number, so
    it is left out.
    """
    signer = signature.signer
    if signer is None or not answer.names_shown:
        return None
    return {
        "name": answer.signers.get(signer.certificate_sha256),
        "issuer": signer.issuer,
        "serial": signer.serial,
        "not_before": signer.not_before.isoformat(),
        "not_after": signer.not_after.isoformat(),
        "certificate_sha256": signer.certificate_sha256,
    }


def _signature_view(signature: SignatureReport, answer: Answer, language: Language) -> dict[str, Any]:
    """One line of the list of signatures: who in which role, passed or not, and the checks behind it."""
    role = signature.field if signature.role is None else words.role_name(signature.role, language)
    subject = subject_name(signature.subject_code) if signature.subject_code else None
    name = None
    if answer.names_shown and signature.signer is not None:
        name = answer.signers.get(signature.signer.certificate_sha256)
    status = CheckStatus.INCOMPLETE if signature.incomplete else CheckStatus.FAILED
    if signature.passed:
        status = CheckStatus.PASSED
    return {
        "role": f"{role}: {subject}" if subject else role,
        "capacity": words.capacity_words(signature.capacity or "", language),
        "name": name,
        "at": None if signature.claimed_time is None else moment(signature.claimed_time, language),
        "status": status,
        "status_word": words.check_status(status, language),
        "checks": [
            (c.status, words.check_status(c.status, language), words.check_sentence(c, language))
            for c in signature.checks
        ],
    }
