"""The table of words is total, keeps the vocabulary of the product and never leaves a hole in a sentence."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime

import pytest

from verifier import words
from verifier.report import Check, CheckName, CheckStatus, Medium, Role, ValidationReport
from verifier.verdict import Evidence, Outcome, Standing, Verdict, VersionFacts, VersionState
from verifier.words import LANGUAGES, Language, Tone, Words, say

#: "hợp lệ" is an admission decision, "giả" an accusation; whole words, so that "giải thích" stays possible.
FORBIDDEN = {
    "vi": re.compile(r"\b(hợp lệ|giả|giả mạo|vui lòng)\b", re.IGNORECASE),
    "en": re.compile(
        r"\b(valid|invalid|fake|forged|forgery|counterfeit|falsified|please|congratulations)\b", re.IGNORECASE
    ),
}
WHEN = datetime(2026, 6, 2, 18, 30, tzinfo=UTC)  # 3 June in Vietnam


def _versions() -> list[VersionFacts | None]:
    return [
        None,
        VersionFacts("7K3M9QXTZ2ABCDEFG", 2, VersionState.CURRENT, Standing.PASSED),
        VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.RECALLED, Standing.PASSED, WHEN, "data_error"),
        VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.RECALLED, Standing.PASSED, WHEN, "not of our list"),
    ]


def _verdicts() -> list[Verdict]:
    """Outcome × evidence × (none, each reason with words, an unknown one) × version facts."""
    every = tuple(itertools.chain.from_iterable(words.reason_codes().values()))
    return [
        Verdict(outcome, evidence, reasons, version)
        for outcome, evidence in itertools.product(Outcome, Evidence)
        for reasons in [(), ("never heard of",), *((r, "not_registered", "no_code") for r in every)]
        for version in _versions()
    ]


def _texts(answer: Words) -> tuple[str, ...]:
    return (answer.headline, answer.sentence, answer.next_step, *answer.further)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_has_whole_sentences_in_the_product_vocabulary(language: Language) -> None:
    for verdict in _verdicts():
        for issuer, current in ((None, None), ("Trường Tiểu học Cây {Đa} %s", 3)):
            answer = say(verdict, language, issuer=issuer, current_version=current)
            for text in _texts(answer):
                assert text == text.strip() != ""
                assert "  " not in text
                assert not FORBIDDEN[language].search(text), text
                assert issuer is not None or "{" not in text
            assert not answer.headline.endswith(".")
            assert answer.sentence.endswith(".")
            assert answer.next_step.endswith(".")


@pytest.mark.parametrize("language", LANGUAGES)
def test_green_is_the_only_ok(language: Language) -> None:
    for verdict in _verdicts():
        assert (say(verdict, language).tone is Tone.OK) == verdict.green


@pytest.mark.parametrize("outcome", words.reason_codes())
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_has_a_sentence_of_its_own(outcome: Outcome, language: Language) -> None:
    codes = words.reason_codes()[outcome]
    sentences = [say(Verdict(outcome, Evidence.FILE, (c,)), language).sentence for c in codes]
    assert len(set(sentences)) == len(codes)


def test_languages_are_complete_and_differ() -> None:
    for verdict in _verdicts():
        vietnamese, english = (say(verdict, language) for language in LANGUAGES)
        assert len(vietnamese.further) == len(english.further)
        assert vietnamese.headline != english.headline
        assert vietnamese.sentence != english.sentence
        assert vietnamese.next_step != english.next_step


def test_a_code_says_that_the_paper_was_not_compared() -> None:
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 2, VersionState.CURRENT, Standing.PASSED)
    answer = say(
        Verdict(Outcome.GENUINE_CURRENT, Evidence.CODE, (), version), "vi", issuer="Trường THCS Sao Mai"
    )
    assert answer.sentence == (
        "Mã này thuộc học bạ do Trường THCS Sao Mai cấp, bản số 2, đang lưu hành. Nội dung trên giấy chưa "
        "được so."
    )
    for outcome in (Outcome.GENUINE_SUPERSEDED, Outcome.GENUINE_REVOKED):
        assert (
            "Nội dung trên giấy chưa được so."
            in say(Verdict(outcome, Evidence.CODE, (), version), "vi").sentence
        )


def test_an_unfinished_check_says_nothing_about_the_record() -> None:
    for reason in ("", "deadline", "crl_stale", "never heard of"):
        verdict = Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, (reason,) if reason else ())
        assert say(verdict, "vi").sentence.endswith(
            "Chưa kiểm tra được; điều này không nói gì về tính xác thực của học bạ."
        )
        assert say(verdict, "en").sentence.endswith(
            "this says nothing about whether the record is authentic."
        )


def test_a_resaved_file_is_not_an_accusation() -> None:
    verdict = Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("resaved_or_edited",))
    assert "không còn nguyên như bản trường cấp; chưa có nghĩa là bị sửa điểm" in say(verdict, "vi").sentence


def test_dates_are_those_of_vietnam_and_what_replaced_it_is_named() -> None:
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.SUPERSEDED, Standing.PASSED, WHEN)
    verdict = Verdict(Outcome.GENUINE_SUPERSEDED, Evidence.FILE, (), version)
    assert "được thay bằng bản số 3 từ ngày 03/06/2026." in say(verdict, "vi", current_version=3).sentence
    assert "replaced by version 3 on 3 June 2026." in say(verdict, "en", current_version=3).sentence


def test_a_recall_gives_its_neutral_class() -> None:
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.RECALLED, Standing.PASSED, WHEN, "data_error")
    verdict = Verdict(Outcome.GENUINE_REVOKED, Evidence.CODE, ("recalled:data_error",), version)
    assert "thu hồi từ ngày 03/06/2026 (lý do: có sai sót về dữ liệu)." in say(verdict, "vi").sentence
    assert words.recall_reason("not of our list", "vi") == words.recall_reason(None, "vi") == "không nêu"


@pytest.mark.parametrize("language", LANGUAGES)
def test_checks_roles_evidence_and_tones_are_worded(language: Language) -> None:
    texts = [
        *(words.check_sentence(Check(n, s), language) for n, s in itertools.product(CheckName, CheckStatus)),
        *(words.check_name(n, language) for n in CheckName),
        *(words.check_status(s, language) for s in CheckStatus),
        *(words.role_name(r, language) for r in Role),
        *(words.evidence_sentence(e, language) for e in Evidence),
        *(words.tone_word(t, language) for t in Tone),
        *(words.medium_words(m, language) for m in Medium),
        *(words.recall_reason(r, language) for r in words.RECALL_REASONS),
        *(words.capacity_words(c, language) for c in ("KT", "Q", "ky_thay", "unknown")),
    ]
    for text in texts:
        assert text
        assert not FORBIDDEN[language].search(text), text
    assert words.capacity_words("", language) == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_findings_are_sentences_and_never_pass_what_the_verdict_does_not(language: Language) -> None:
    for verdict in _verdicts():
        for medium in Medium:
            for finding in words.findings(verdict, ValidationReport(WHEN, medium), language):
                assert finding.sentence.endswith(".")
                assert not FORBIDDEN[language].search(finding.sentence), finding.sentence
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.CURRENT, Standing.PASSED)
    code = ValidationReport(WHEN, Medium.CODE)

    def statuses(*verdict: object) -> list[str]:
        return [f.status for f in words.findings(Verdict(*verdict), code, language)]  # type: ignore[arg-type]

    current, differs = Outcome.GENUINE_CURRENT, Outcome.CONTENT_DIFFERS
    assert statuses(current, Evidence.CODE, (), version) == ["passed", "passed", "passed", "not_available"]
    assert statuses(current, Evidence.PAPER_COMPARED, (), version) == ["passed"] * 4
    assert statuses(differs, Evidence.PAPER_COMPARED, ("values_differ",), version)[-1] == "failed"
    assert statuses(Outcome.NOT_VERIFIED, Evidence.CODE, ("unknown_code",)) == ["failed"]
    assert statuses(Outcome.CHECK_INCOMPLETE, Evidence.CODE, ("registry_unavailable",)) == []
