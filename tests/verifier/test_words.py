"""The table of words is total, keeps the vocabulary of the product and never leaves a hole in a sentence."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from verifier import words
from verifier.report import (
    Agreement,
    Change,
    ChangeKind,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Opinion,
    OpinionBy,
    Revision,
    Role,
    SignatureReport,
    SubIndication,
    ValidationReport,
)
from verifier.verdict import (
    CHANGED,
    GENUINE,
    Evidence,
    Outcome,
    Standing,
    Verdict,
    VersionFacts,
    VersionState,
)
from verifier.words import LANGUAGES, Language, Tone, Words, say

#: "hợp lệ" is an admission decision, "giả" an accusation; whole words, so that "giải thích" stays possible.
FORBIDDEN = {
    "vi": re.compile(r"\b(hợp lệ|giả|giả mạo|vui lòng)\b", re.IGNORECASE),
    "en": re.compile(
        r"\b(valid|invalid|fake|forged|forgery|counterfeit|falsified|please|congratulations)\b", re.IGNORECASE
    ),
}
WHEN = datetime(2026, 6, 2, 18, 30, tzinfo=UTC)  # 3 June in Vietnam


SECOND_OPINIONS = ("library_disagrees", "library_failed", "library_contradicts_itself")


def test_an_opinion_is_named_with_how_it_stands_to_ours() -> None:
    refusal = Opinion(
        OpinionBy.ADES_BASIC, Indication.INDETERMINATE, SubIndication.TRY_LATER, Agreement.STRICTER
    )
    assert words.opinion_words(refusal, "vi") == (
        "pyHanko AdES, chữ ký cơ bản: INDETERMINATE TRY_LATER (chặt hơn, nên được dùng)"
    )
    ours = Opinion(OpinionBy.OURS, Indication.TOTAL_PASSED, None)
    assert words.opinion_words(ours, "en") == "the portal's own rules: TOTAL_PASSED"
    failed = Opinion(
        OpinionBy.CLASSIC, Indication.INDETERMINATE, SubIndication.GENERIC, code="library_failed"
    )
    assert words.opinion_words(failed, "en") == "pyHanko: INDETERMINATE GENERIC library_failed"
    sentences = {
        words.check_sentence(Check(CheckName.CERTIFICATE, CheckStatus.FAILED, code), "vi")
        for code in (*SECOND_OPINIONS, "no_path")
    }
    assert len(sentences) == 4


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
        known = itertools.product(((None, None), ("Trường Tiểu học Cây {Đa} %s", 3)), (False, True))
        for (issuer, current), holder in known:
            answer = say(verdict, language, issuer=issuer, current_version=current, holder=holder)
            for text in _texts(answer):
                assert text == text.strip() != ""
                assert "  " not in text
                assert not FORBIDDEN[language].search(text), text
                assert issuer is not None or "{" not in text
            assert not answer.headline.endswith(".")
            assert answer.sentence.endswith(".")
            assert answer.next_step.endswith(".")


@pytest.mark.parametrize("language", LANGUAGES)
def test_green_is_the_only_ok_and_grey_the_only_unfinished(language: Language) -> None:
    for verdict in _verdicts():
        unfinished = verdict.outcome is Outcome.CHECK_INCOMPLETE
        assert (say(verdict, language).tone is Tone.UNFINISHED) == unfinished
        assert (say(verdict, language).tone is Tone.OK) == verdict.green
        assert (say(verdict, language, holder=True).tone is Tone.OK) == verdict.green


@pytest.mark.parametrize("outcome", words.reason_codes())
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_has_a_sentence_of_its_own(outcome: Outcome, language: Language) -> None:
    codes = words.reason_codes()[outcome]
    sentences = [say(Verdict(outcome, Evidence.FILE, (c,)), language).sentence for c in codes]
    assert len(set(sentences)) == len(codes)


def test_languages_are_complete_and_differ() -> None:
    for verdict in _verdicts():
        for holder in (False, True):
            vietnamese, english = (say(verdict, language, holder=holder) for language in LANGUAGES)
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


def test_a_holder_reads_of_their_record_and_not_of_a_paper_in_hand() -> None:
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 2, VersionState.CURRENT, Standing.PASSED)
    by_code = Verdict(Outcome.GENUINE_CURRENT, Evidence.CODE, (), version)
    answer = say(by_code, "vi", issuer="Trường Tiểu học Hoa Ban", holder=True)
    assert answer.sentence == (
        "Đây là bản số 2 do Trường Tiểu học Hoa Ban cấp, bản mới nhất. Các chữ ký số đều đạt ở lần kiểm tra "
        "gần nhất."
    )
    held = GENUINE | {Outcome.REGISTERED_BUT_SIGNATURE_FAILS}
    for verdict in _verdicts():
        everybody, holder = say(verdict, "vi"), say(verdict, "vi", holder=True)
        if verdict.evidence is Evidence.CODE and verdict.outcome in held:
            assert holder.tone is everybody.tone
            assert not re.search("mã này|trên giấy|chưa được so", holder.headline + holder.sentence, re.I)
        else:
            assert holder == everybody


def test_an_unfinished_check_says_nothing_about_the_record() -> None:
    for reason in ("", "deadline", "crl_stale", "never heard of"):
        verdict = Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, (reason,) if reason else ())
        assert say(verdict, "vi").sentence.endswith(
            "chưa kết luận được gì về học bạ này: chưa phải là đúng, cũng chưa phải là sai."
        )
        assert say(verdict, "en").sentence.endswith("neither that it is right nor that it is wrong.")
        assert say(verdict, "vi").tone is Tone.UNFINISHED


def test_a_resaved_file_is_not_an_accusation() -> None:
    verdict = Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("resaved_or_edited",))
    assert "không còn nguyên như bản trường cấp; chưa có nghĩa là bị sửa điểm" in say(verdict, "vi").sentence


def test_that_nothing_says_a_file_was_changed_is_said_once() -> None:
    reasons = ("signer_not_authorised", "weak_signature", "certificate_expired", "not_registered")
    tails: dict[Language, str] = {"vi": "Điều này không nói lên rằng", "en": "This does not say that"}
    for language, tail in tails.items():
        said = say(Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, reasons), language)
        assert len(said.further) == 3
        assert " ".join((said.sentence, *said.further)).count(tail) == 1
        later = say(Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, ("untrusted_signer", *reasons)), language)
        assert tail in later.further[0]
        assert " ".join(later.further).count(tail) == 1


def test_a_file_that_begins_as_issued_and_cannot_be_read_is_said_to_have_been_compared() -> None:
    """That it begins as issued was seen, so "the content could not be checked" would contradict it."""
    verdict = Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("changed_after_issue",), CURRENT)
    found = words.findings(verdict, ValidationReport(WHEN, Medium.PDF, problem="broken_pdf"), "vi")
    assert [(f.status, f.sentence) for f in found] == [
        (CheckStatus.FAILED, "Tệp không giống hệt tệp nào trong sổ đăng ký học bạ."),
        (
            CheckStatus.NOT_AVAILABLE,
            "Chữ ký số: không kiểm tra được, vì không đọc được trọn vẹn tệp.",
        ),
    ]


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
        *(
            words.check_sentence(Check(n, CheckStatus.FAILED, code), language)
            for n, code in itertools.product(CheckName, SECOND_OPINIONS)
        ),
        *(
            words.opinion_words(Opinion(by, Indication.INDETERMINATE, SubIndication.NO_POE, how), language)
            for by, how in itertools.product(OpinionBy, Agreement)
        ),
        *(words.check_name(n, language) for n in CheckName),
        *(words.check_status(s, language) for s in CheckStatus),
        *(words.role_name(r, language) for r in Role),
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


def _signature(*statuses: CheckStatus) -> SignatureReport:
    """A signature with these results of its first checks; the indication follows."""
    checks = tuple(Check(name, status) for name, status in zip(CheckName, statuses, strict=False))
    passed = set(statuses) == {CheckStatus.PASSED}
    return SignatureReport(
        field="GVCN",
        role=Role.GVCN,
        subject_code=None,
        byte_range=None,
        signer=None,
        claimed_time=None,
        proven_time=None,
        school_code=None,
        capacity=None,
        digest_algorithm=None,
        checks=checks,
        indication=Indication.TOTAL_PASSED if passed else Indication.INDETERMINATE,
        sub_indication=None,
    )


PASSED = _signature(CheckStatus.PASSED)
FAILED = _signature(CheckStatus.INCOMPLETE, CheckStatus.WEAK, CheckStatus.FAILED)
WEAK = _signature(CheckStatus.INCOMPLETE, CheckStatus.WEAK)
UNFINISHED = _signature(CheckStatus.PASSED, CheckStatus.INCOMPLETE)
NOT_SIGNED_BY_ALL = Check(CheckName.REQUIRED_ROLES, CheckStatus.FAILED)
SIGNED_BY_ALL = Check(CheckName.REQUIRED_ROLES, CheckStatus.PASSED)
NO_LOG = Check(CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE)
CURRENT = VersionFacts("7K3M9QXTZ2ABCDEFG", 2, VersionState.CURRENT, Standing.PASSED)


def _pdf(*signatures: SignatureReport, checks: tuple[Check, ...] = ()) -> ValidationReport:
    return ValidationReport(WHEN, Medium.PDF, signatures=signatures, checks=checks)


def test_results_of_signatures_are_never_added_up() -> None:
    """What could not be checked has not failed, and it has not passed."""
    verdict = Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, ("not_registered",))
    found = words.findings(verdict, _pdf(PASSED, UNFINISHED, FAILED, WEAK, PASSED), "vi")
    assert [(f.status.value, f.sentence) for f in found[1:5]] == [
        ("failed", "1 trong 5 chữ ký số không đạt."),
        ("weak", "1 trong 5 chữ ký số làm theo cách đã cũ, không còn đủ chắc."),
        ("incomplete", "1 trong 5 chữ ký số chưa kiểm tra xong."),
        ("passed", "2 trong 5 chữ ký số đạt mọi bước kiểm tra."),
    ]
    assert words.findings(verdict, _pdf(PASSED, PASSED), "en")[1].sentence.startswith("All 2 ")
    for signature in (FAILED, WEAK, UNFINISHED):
        alike = words.findings(verdict, _pdf(signature, signature), "vi")[1]
        assert alike.status is signature.result
        assert alike.sentence.startswith("Cả 2 chữ ký số đều ")
    assert words.findings(verdict, _pdf(PASSED), "vi")[1].sentence.startswith("Chữ ký số trên tệp đạt")


def test_why_a_signature_did_not_pass_is_said_once() -> None:
    """By the check that decided it, with whose it is; without names where every signature has that reason."""
    verdict = Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, ("not_registered",))

    def why(*signatures: SignatureReport) -> list[tuple[str, str]]:
        found = words.findings(verdict, _pdf(*signatures), "vi")
        kinds = len({s.result for s in signatures})
        return [(f.status.value, f.sentence) for f in found[1 + kinds :]]

    strange = replace(UNFINISHED, role=None, field="ĐÃ KIỂM TRA")
    assert why(PASSED, FAILED, FAILED, strange) == [
        ("failed", "Giáo viên chủ nhiệm: có phần tài liệu không được chữ ký bao trùm, hoặc có thay đổi không "
         "được phép."),
        ("incomplete", "Chữ ký không thuộc mẫu học bạ: phần được ký: bước này chưa kiểm tra xong."),
    ]  # fmt: skip
    assert why(WEAK, WEAK) == [("weak", "Phần được ký: yếu.")]
    assert why(PASSED, PASSED) == []


def test_a_change_that_is_listed_is_not_said_a_second_time() -> None:
    verdict = Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("changed_after_issue",), CURRENT)
    changed = replace(
        PASSED,
        checks=(Check(CheckName.COVERAGE, CheckStatus.FAILED, min(CHANGED)),),
        indication=Indication.TOTAL_FAILED,
    )
    change = Change(ChangeKind.ANNOTATION_ADDED, allowed=False, object=None, page=1, field=None)
    report = replace(_pdf(changed), revisions=(Revision(5, 0, 9, 3, "GVCN", (change,)),))
    said = [f.sentence for f in words.findings(verdict, report, "vi")]
    assert said[1:] == [
        "Chữ ký số trên tệp không đạt.",
        "Thay đổi sau khi ký: thêm chú thích hoặc hình đè lên trang (trang 1, lần lưu thứ 5 của tệp).",
    ]


#: Words that a grandmother would have to ask about. Of the details and the technical report they are part.
JARGON = {
    "vi": re.compile(
        r"\b(byte|chứng thư|chứng thực|thuật toán|SHA-?\d*|RSA|CRL|OCSP|tên miền|máy chủ|bộ nhớ|chuẩn PDF|"
        r"dữ liệu lưu trữ|dấu thời gian|quy cách|JSON|JPEG|WebP|HEIC)\b",
        re.IGNORECASE,
    ),
    "en": re.compile(
        r"\b(bytes?|certificates?|algorithms?|SHA-?\d*|RSA|CRL|OCSP|domain|servers?|memory|standard|revo\w+|"
        r"timestamps?|archive|JSON|JPEG|WebP|HEIC)\b",
        re.IGNORECASE,
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_the_first_screen_has_to_be_asked_about(language: Language) -> None:
    checks = [
        Check(name, status, code)
        for name, status in itertools.product(CheckName, CheckStatus)
        for code in ("", "no_path", "expired", "unknown_signer", "suspended", "ca_revoked", "not_asked",
                     "no_record", "bytes_after_signature", "malformed_signature", *SECOND_OPINIONS)
    ]  # fmt: skip
    said = {words.check_sentence(check, language) for check in checks}
    for verdict in _verdicts():
        said |= set(_texts(say(verdict, language))) | set(_texts(say(verdict, language, holder=True)))
        for medium, problem in itertools.product(Medium, (None, "broken_pdf")):
            report = replace(_pdf(FAILED, WEAK, UNFINISHED), medium=medium, problem=problem, lenient=True)
            said.add(words.evidence_sentence(verdict, report, language))
            said |= {finding.sentence for finding in words.findings(verdict, report, language)}
    assert [text for text in sorted(said) if JARGON[language].search(text)] == []


def test_no_comfort_beside_a_failure() -> None:
    outcome = Outcome.REGISTERED_BUT_SIGNATURE_FAILS
    verdict = Verdict(outcome, Evidence.FILE, ("x",), CURRENT)
    said = [f.sentence for f in words.findings(verdict, _pdf(PASSED, FAILED, checks=(SIGNED_BY_ALL,)), "vi")]
    assert not [s for s in said if "Có đủ chữ ký" in s or "đang lưu hành" in s]
    missing = words.findings(verdict, _pdf(FAILED, checks=(NOT_SIGNED_BY_ALL,)), "vi")
    assert "Thiếu chữ ký của một người phải ký học bạ." in [f.sentence for f in missing]
    good = Verdict(Outcome.GENUINE_CURRENT, Evidence.FILE, (), CURRENT)
    said = [f.sentence for f in words.findings(good, _pdf(PASSED, checks=(SIGNED_BY_ALL, NO_LOG)), "vi")]
    assert "Có đủ chữ ký của những người phải ký học bạ." in said
    assert "Đây là bản đang lưu hành." in said
    assert not [s for s in said if "nhật ký" in s]


def test_a_match_is_not_claimed_where_the_signatures_fail() -> None:
    """The verdict stops at the signatures: whether the paper matched is not part of it."""
    verdict = Verdict(
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.PAPER_COMPARED, ("standing_failed",), CURRENT
    )
    code = ValidationReport(WHEN, Medium.CODE)
    assert not [f for f in words.findings(verdict, code, "vi") if "nhập từ giấy" in f.sentence]
    assert words.evidence_sentence(verdict, code, "vi") == (
        "Chỉ mã được xét; giấy có khớp hay không thì không nêu."
    )


@pytest.mark.parametrize(
    ("verdict", "report", "sentence"),
    [
        (
            Verdict(Outcome.GENUINE_CURRENT, Evidence.FILE, (), CURRENT),
            _pdf(PASSED),
            "Đã kiểm tra chính tệp này, từ đầu đến cuối.",
        ),
        *(
            (
                Verdict(Outcome.NOT_VERIFIED, Evidence.FILE, (problem,)),
                ValidationReport(WHEN, medium, problem=problem),
                "Đã nhận tệp, nhưng không kiểm tra được nội dung.",
            )
            for medium, problem in [
                (Medium.OTHER, "empty"),
                (Medium.OTHER, "zip"),
                (Medium.OTHER, "xml"),
                (Medium.PDF, "encrypted"),
                (Medium.PDF, "broken_pdf"),
            ]
        ),
        (
            Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("changed_after_issue",), CURRENT),
            ValidationReport(WHEN, Medium.PDF, problem="broken_pdf"),
            "Chỉ so được tệp với sổ đăng ký.",
        ),
        (
            Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("broken_image",)),
            ValidationReport(WHEN, Medium.IMAGE, problem="broken_image"),
            "Đã nhận tệp, nhưng không kiểm tra được nội dung.",
        ),
        (
            Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("no_code",)),
            ValidationReport(WHEN, Medium.IMAGE, problem="no_code"),
            "Không có mã nào để kiểm tra.",
        ),
        (
            Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, ("foreign_code",)),
            ValidationReport(WHEN, Medium.IMAGE),
            "Chỉ đọc mã, chưa tra cứu được học bạ nào.",
        ),
        (
            Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("crl_stale",)),
            _pdf(UNFINISHED),
            "Mới kiểm tra được một phần.",
        ),
        (
            Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("busy",)),
            ValidationReport(WHEN, Medium.OTHER, incomplete="busy"),
            "Đã nhận tệp, nhưng chưa kiểm tra xong.",
        ),
        (
            Verdict(Outcome.CHECK_INCOMPLETE, Evidence.CODE, ("registry_unavailable",)),
            ValidationReport(WHEN, Medium.CODE),
            "Chưa tra cứu được mã.",
        ),
    ],
)
def test_what_was_looked_at_is_not_overstated(
    verdict: Verdict, report: ValidationReport, sentence: str
) -> None:
    assert words.evidence_sentence(verdict, report, "vi") == sentence
    assert words.evidence_sentence(verdict, report, "en")[-1] == "."


def test_a_scan_says_in_its_headline_that_the_paper_was_not_compared() -> None:
    answer = say(Verdict(Outcome.GENUINE_CURRENT, Evidence.CODE, (), CURRENT), "vi")
    assert answer.headline == "Mã đúng; giấy chưa được so"
    assert words.tone_word(answer.tone, "vi") == "Mới kiểm tra mã"


def test_a_code_without_its_digest_does_not_call_a_recalled_record_current() -> None:
    recalled = VersionFacts(
        "7K3M9QXTZ2ABCDEFG", 1, VersionState.RECALLED, Standing.PASSED, WHEN, "data_error"
    )
    reasons = ("version_not_named",)
    open_version = say(Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, reasons, CURRENT), "vi")
    assert "Bản đang lưu hành là bản số 2;" in open_version.sentence
    assert "8 ký tự mã đối chiếu" in open_version.next_step
    gone = say(Verdict(Outcome.NOT_VERIFIED, Evidence.CODE, reasons, recalled), "vi")
    assert gone.headline == "Mã của một học bạ đã được thu hồi"
    assert "lưu hành" not in gone.sentence
    assert gone.tone is Tone.BAD


def test_an_unknown_seal_is_named_after_its_school_or_nobody() -> None:
    verdict = Verdict(Outcome.SEAL_VALID_NOT_REGISTERED, Evidence.FILE, ("seal_valid_not_registered",))
    assert (
        "đúng là của Trường THCS Sao Mai, nhưng" in say(verdict, "vi", issuer="Trường THCS Sao Mai").sentence
    )
    assert "đúng là của một trường được phép ký, nhưng" in say(verdict, "vi").sentence


def test_lists_that_lapsed_must_come_anew_and_trying_again_is_not_advised() -> None:
    version = VersionFacts("7K3M9QXTZ2ABCDEFG", 1, VersionState.CURRENT, Standing.INCOMPLETE, checked_at=WHEN)
    answer = say(Verdict(Outcome.CHECK_INCOMPLETE, Evidence.CODE, ("standing_lapsed",), version), "vi")
    assert "Lần gần nhất cổng xét chữ ký số của học bạ này là ngày 03/06/2026." in answer.sentence
    for reason in ("standing_lapsed", "crl_stale", "crl_missing", "crl_after_expiry"):
        answer = say(Verdict(Outcome.CHECK_INCOMPLETE, Evidence.CODE, (reason,)), "vi")
        assert answer.next_step.startswith(
            "Cổng phải nhận danh sách mới trước đã; thử lại ngay cũng chưa có kết quả."
        )
        assert "{" not in answer.sentence


def test_a_further_reason_is_filled_in_too() -> None:
    verdict = Verdict(Outcome.CHECK_INCOMPLETE, Evidence.FILE, ("deadline", "standing_lapsed"))
    assert "{" not in "".join(say(verdict, "en").further)


@pytest.mark.parametrize(
    ("level", "head", "instead"),
    [
        ("TIEU_HOC", "Hiệu trưởng", "hiệu trưởng ký thay"),
        ("GDTX_THPT", "Giám đốc", "giám đốc ký thay"),
        (None, "Hiệu trưởng hoặc giám đốc", "hiệu trưởng hoặc giám đốc ký thay"),
    ],
)
def test_who_heads_the_school_follows_from_the_level(level: str | None, head: str, instead: str) -> None:
    assert words.role_name(Role.CBQL, "vi", level) == head
    assert words.capacity_words("ky_thay", "vi", level) == instead
    assert words.role_name(Role.GVCN, "vi", level) == "Giáo viên chủ nhiệm"


def test_a_signature_that_cannot_be_read_does_not_accuse_the_content() -> None:
    for name in (CheckName.INTEGRITY, CheckName.COVERAGE):
        unreadable = words.check_sentence(Check(name, CheckStatus.FAILED, "malformed_signature"), "vi")
        assert unreadable.startswith("Chữ ký không đọc được")
    followed = words.check_sentence(Check(CheckName.COVERAGE, CheckStatus.FAILED, "seal_not_last"), "vi")
    assert followed.startswith("Sau con dấu số còn có chữ ký khác")
    changed = words.check_sentence(Check(CheckName.INTEGRITY, CheckStatus.FAILED, "digest_mismatch"), "vi")
    assert changed == "Chữ ký không khớp với nội dung."


def test_a_check_that_had_nothing_to_look_at_says_why() -> None:
    check = Check(CheckName.COVERAGE, CheckStatus.NOT_AVAILABLE, "not_asked")
    assert words.check_sentence(check, "vi").endswith("không xét đến, vì chữ ký không đúng với tài liệu này.")
    assert words.check_sentence(check, "en").endswith(
        "not looked at, since the signature is not right for this document."
    )
