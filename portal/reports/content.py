"""What a report says, by the published schema (docs/result.schema.json); the PDF prints the same."""

from __future__ import annotations

from typing import Any, Final

from portal.results.views import Opened
from portal.web import answers
from portal.web.answers import Answer
from portal.web.i18n import marked, translate
from verifier import words
from verifier.report import SignatureReport
from verifier.words import Language

FORMAT: Final = "hoc-ba-result/1"
#: The one thing that a report must not be taken for.
NOTICE: Final = marked(
    "Bản in này không phải là bằng chứng. Bằng chứng là trang của số kết quả này trên cổng: hãy mở địa chỉ "
    "trên và so với bản in. Kết quả chỉ nói về lần kiểm tra đó, không nói về tệp hay tờ giấy khác."
)


def content(opened: Opened, public_url: str, language: Language) -> dict[str, Any]:
    """The report in one language. Keys and codes are stable; headlines and sentences may be reworded."""
    then, today, record = opened.then, opened.today, opened.then.shown_record
    verdict, report = then.verdict, then.report
    said = then.words(language)
    return {
        "format": FORMAT,
        "language": language,
        "number": opened.number.text,
        "address": public_url + opened.number.path,
        "until": opened.number.expires_at.isoformat(),
        "checked_at": report.at.isoformat(),
        "asked_at": opened.now.isoformat(),
        "notice": translate(NOTICE, language),
        "today": None if today is None else _today(then, today, language),
        "verdict": verdict.outcome.value,
        "evidence": verdict.evidence.value,
        "reasons": list(verdict.reasons),
        "headline": said.headline,
        "sentence": said.sentence,
        "further": list(said.further),
        "next_step": said.next_step,
        "evidence_sentence": words.evidence_sentence(verdict, report, language),
        "record": None
        if record is None
        else {
            "record_id": record.record_id,
            "version": record.version,
            "state": record.state.value,
            "school": {"code": record.school_code, "name": record.school_name},
            "level": record.level,
            "grade": record.grade,
            "year": record.year,
            "issued_on": record.issued_on.isoformat(),
            "masked_name": record.masked_name,
        },
        "findings": [
            {"status": f.status.value, "sentence": f.sentence}
            for f in words.findings(verdict, report, language)
        ],
        "signatures": [_signature(each, then, language) for each in report.signatures],
        "checks": words.spoken_checks(report.checks, language),
        "medium": report.medium.value,
    }


def _today(then: Answer, today: Answer, language: Language) -> dict[str, Any]:
    said = today.words(language)
    return {
        "unchanged": answers.unchanged(then, today),
        "verdict": today.verdict.outcome.value,
        "reasons": list(today.verdict.reasons),
        "headline": said.headline,
        "sentence": said.sentence,
        "next_step": said.next_step,
    }


def _signature(signature: SignatureReport, answer: Answer, language: Language) -> dict[str, Any]:
    return {
        "role": None if signature.role is None else signature.role.value,
        "subject_code": signature.subject_code,
        "name": answers.signature_name(signature, answer, language),
        "status": signature.result.value,
        "indication": signature.indication.value,
        "sub_indication": None if signature.sub_indication is None else signature.sub_indication.value,
        "checks": words.spoken_checks(signature.checks, language),
    }
