"""The one table of words: verdict × evidence × reason -> what a person reads, in Vietnamese and English.

Page, API and command line all speak through :func:`say`, so the same answer never comes in two wordings.
Three rules bind every text and are tested: a school record is "đúng bản trường cấp" (as issued), never
"valid", which is an admission decision; nobody is ever told that a document is forged, because a check
proves a file and not an intent; and an unfinished check says in so many words that it says nothing about the
record.

Each cell is a pair (Vietnamese, English). Headlines and next steps are constant; sentences hold only the
placeholders of :func:`_fill`, which all have a fallback, so that a sentence stays whole when the registry
(offline, unknown code) knows less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final, Literal

from verifier.report import Check, CheckName, CheckStatus, Medium, Role, ValidationReport
from verifier.verdict import Evidence, Outcome, Verdict, VersionState

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")
Pair = tuple[str, str]

#: Vietnam keeps UTC+7 all year; dates of an answer are those of the people who read it.
VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")


class Tone(StrEnum):
    """Colour family and icon of an answer. ``OK`` is reached only by a green verdict."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Words:
    """One answer in one language. ``further`` explains the reasons after the first, most important first."""

    headline: str
    sentence: str
    next_step: str
    tone: Tone
    further: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, as a full sentence, passed or not."""

    status: CheckStatus
    sentence: str


@dataclass(frozen=True, slots=True)
class _Entry:
    headline: Pair
    sentence: Pair
    next_step: Pair
    tone: Tone


def _entry(tone: Tone, headline: Pair, sentence: Pair, next_step: Pair) -> _Entry:
    return _Entry(headline, sentence, next_step, tone)


_COMPARE_WITH_PUPIL: Final[Pair] = (
    "Đối chiếu họ tên và ngày sinh trong học bạ với giấy tờ của học sinh.",
    "Compare the name and date of birth in the record with the pupil's own papers.",
)
_COMPARE_PAPER: Final[Pair] = (
    "Hãy so họ tên, ngày sinh và kết quả in trên giấy với bản trường cấp trước khi dùng.",
    "Compare the name, date of birth and results printed on the paper with what the school issued before "
    "using it.",
)
_ASK_NEWER: Final[Pair] = (
    "Hỏi người đưa học bạ hoặc nhà trường để nhận bản mới nhất.",
    "Ask the person who gave you the record, or the school, for the newest version.",
)
_ASK_SCHOOL: Final[Pair] = (
    "Chưa nên dùng học bạ này. Hãy liên hệ trường cấp để hỏi.",
    "Do not rely on this record yet. Ask the school that issued it.",
)
_ASK_ORIGINAL: Final[Pair] = (
    "Xin lại đúng tệp PDF gốc từ nhà trường hoặc gia đình rồi kiểm tra tệp đó.",
    "Ask the school or the family for the original PDF file and check that one.",
)

#: Verdict × evidence where the pair alone decides; the other outcomes are worded by reason below.
_BY_EVIDENCE: Final[Mapping[tuple[Outcome, Evidence], _Entry]] = {
    (Outcome.GENUINE_CURRENT, Evidence.FILE): _entry(
        Tone.OK,
        ("Đúng bản trường cấp, đang lưu hành", "As issued by the school, and current"),
        (
            "Tệp này còn nguyên như học bạ {version} do {issuer} cấp, và đó là bản đang lưu hành.",
            "This file is exactly {version} of the record issued by {issuer}, and it is the current version.",
        ),
        _COMPARE_WITH_PUPIL,
    ),
    (Outcome.GENUINE_CURRENT, Evidence.CODE): _entry(
        Tone.INFO,
        ("Mã của một học bạ đang lưu hành", "Code of a current record"),
        (
            "Mã này thuộc học bạ do {issuer} cấp, {version}, đang lưu hành. Nội dung trên giấy chưa được so.",
            "This code belongs to a record issued by {issuer}, {version}, which is current. "
            "What is printed on the paper has not been compared.",
        ),
        _COMPARE_PAPER,
    ),
    (Outcome.GENUINE_CURRENT, Evidence.PAPER_COMPARED): _entry(
        Tone.OK,
        (
            "Điểm cả năm trên giấy khớp với bản trường cấp, đang lưu hành",
            "The year's results on the paper match what the school issued, and it is current",
        ),
        (
            "Họ tên, ngày sinh và toàn bộ kết quả bạn nhập từ giấy khớp với học bạ {version} do {issuer} "
            "cấp, đang lưu hành.",
            "The name, date of birth and all results you typed from the paper match {version} of the "
            "record issued by {issuer}, which is current.",
        ),
        (
            "Những phần khác trên giấy chưa được so. Đối chiếu họ tên và ngày sinh với giấy tờ của học sinh.",
            "Other parts of the paper were not compared. Compare name and date of birth with the pupil's "
            "own papers.",
        ),
    ),
    (Outcome.GENUINE_SUPERSEDED, Evidence.FILE): _entry(
        Tone.WARN,
        (
            "Đúng bản trường cấp, nhưng đã có bản mới hơn",
            "As issued by the school, but a newer version exists",
        ),
        (
            "Tệp này còn nguyên như học bạ {version} do {issuer} cấp, nhưng đã được thay bằng "
            "{current}{since}.",
            "This file is exactly {version} of the record issued by {issuer}, but it was replaced by "
            "{current}{since}.",
        ),
        _ASK_NEWER,
    ),
    (Outcome.GENUINE_SUPERSEDED, Evidence.CODE): _entry(
        Tone.WARN,
        ("Mã của một bản cũ, đã có bản mới hơn", "Code of an older version; a newer one exists"),
        (
            "Mã này thuộc học bạ do {issuer} cấp, {version}, đã được thay bằng {current}{since}. "
            "Nội dung trên giấy chưa được so.",
            "This code belongs to a record issued by {issuer}, {version}, which was replaced by "
            "{current}{since}. What is printed on the paper has not been compared.",
        ),
        _ASK_NEWER,
    ),
    (Outcome.GENUINE_SUPERSEDED, Evidence.PAPER_COMPARED): _entry(
        Tone.WARN,
        (
            "Điểm cả năm trên giấy khớp với một bản cũ, đã có bản mới hơn",
            "The year's results on the paper match an older version: there is a newer one",
        ),
        (
            "Những gì bạn nhập từ giấy khớp với học bạ {version} do {issuer} cấp, nhưng bản đó đã được "
            "thay bằng {current}{since}.",
            "What you typed from the paper matches {version} of the record issued by {issuer}, but that "
            "version was replaced by {current}{since}.",
        ),
        _ASK_NEWER,
    ),
    (Outcome.GENUINE_REVOKED, Evidence.FILE): _entry(
        Tone.BAD,
        ("Học bạ này đã được thu hồi", "This record has been withdrawn"),
        (
            "Tệp này còn nguyên như học bạ {version} do {issuer} cấp, nhưng học bạ đã được thu "
            "hồi{since}{reason}.",
            "This file is exactly {version} of the record issued by {issuer}, but the record was withdrawn"
            "{since}{reason}.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.GENUINE_REVOKED, Evidence.CODE): _entry(
        Tone.BAD,
        ("Mã của một học bạ đã được thu hồi", "Code of a record that has been withdrawn"),
        (
            "Mã này thuộc học bạ do {issuer} cấp, {version}, đã được thu hồi{since}{reason}. "
            "Nội dung trên giấy chưa được so.",
            "This code belongs to a record issued by {issuer}, {version}, which was "
            "withdrawn{since}{reason}. What is printed on the paper has not been compared.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.GENUINE_REVOKED, Evidence.PAPER_COMPARED): _entry(
        Tone.BAD,
        (
            "Điểm cả năm trên giấy khớp với một học bạ đã được thu hồi",
            "The year's results on the paper match a record that has been withdrawn",
        ),
        (
            "Những gì bạn nhập từ giấy khớp với học bạ {version} do {issuer} cấp, nhưng học bạ đã được thu "
            "hồi{since}{reason}.",
            "What you typed from the paper matches {version} of the record issued by {issuer}, but the "
            "record was withdrawn{since}{reason}.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.FILE): _entry(
        Tone.BAD,
        (
            "Có trong sổ đăng ký, nhưng chữ ký số không đạt kiểm tra",
            "In the registry, but a digital signature does not pass",
        ),
        (
            "Tệp này là học bạ {version} do {issuer} đăng ký, nhưng ít nhất một chữ ký số không đạt kiểm "
            "tra theo quy tắc hiện nay. Vì vậy chưa thể coi là đúng bản trường cấp.",
            "This file is {version} of a record registered by {issuer}, but at least one digital signature "
            "does not pass today's rules. It cannot be taken as issued by the school.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.CODE): _entry(
        Tone.BAD,
        (
            "Mã có trong sổ đăng ký, nhưng chữ ký số của học bạ không đạt kiểm tra",
            "Code in the registry, but the record's digital signatures do not pass",
        ),
        (
            "Mã này thuộc học bạ {version} do {issuer} đăng ký, nhưng ít nhất một chữ ký số của học bạ đó "
            "không đạt kiểm tra theo quy tắc hiện nay.",
            "This code belongs to {version} of a record registered by {issuer}, but at least one digital "
            "signature on it does not pass today's rules.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.PAPER_COMPARED): _entry(
        Tone.BAD,
        (
            "Có trong sổ đăng ký, nhưng chữ ký số của học bạ không đạt kiểm tra",
            "In the registry, but the record's digital signatures do not pass",
        ),
        (
            "Giấy nêu học bạ {version} do {issuer} đăng ký, nhưng ít nhất một chữ ký số của học bạ đó "
            "không đạt kiểm tra theo quy tắc hiện nay.",
            "The paper names {version} of a record registered by {issuer}, but at least one digital "
            "signature on it does not pass today's rules.",
        ),
        _ASK_SCHOOL,
    ),
}

_SEAL_NOT_REGISTERED: Final = _entry(
    Tone.BAD,
    (
        "Có con dấu số của trường, nhưng không có trong sổ đăng ký",
        "Sealed for a school, but not in the registry",
    ),
    (
        "Con dấu số trên tệp đúng là của một trường được phép ký, nhưng cổng này không ghi nhận tệp đã "
        "được cấp. Vì vậy chưa thể coi là đúng bản trường cấp.",
        "The digital seal on this file belongs to a school that may sign, but this portal has no entry of "
        "the file being issued. It cannot be taken as issued by the school.",
    ),
    (
        "Chưa nên dùng tệp này. Hãy báo cho trường có tên trên con dấu để trường kiểm tra.",
        "Do not rely on this file yet. Tell the school named on the seal, so that it can look into it.",
    ),
)

_RETAKE: Final[Pair] = (
    "Chụp lại gần hơn, đủ sáng, thấy cả bốn góc mã; hoặc gõ mã tra cứu in cạnh mã QR.",
    "Take the photo again: closer, with more light, all four corners in view; or type the code printed "
    "beside the QR.",
)
_RETYPE: Final[Pair] = (
    "Gõ lại mã tra cứu và ngày sinh đúng như in trên học bạ, hoặc chụp mã QR.",
    "Type the code and the date of birth again exactly as printed, or take a photo of the QR code.",
)
_PDF_FROM_SOURCE: Final[Pair] = (
    "Chọn tệp PDF nhận từ nhà trường, hoặc ảnh chụp mã QR in trên học bạ.",
    "Choose the PDF file received from the school, or a photo of the QR code printed on the record.",
)
_ASK_GIVER: Final[Pair] = (
    "Hãy xin tệp PDF gốc hoặc hỏi trường có tên trên học bạ.",
    "Ask for the original PDF file, or ask the school named on the record.",
)
_NOT_KNOWN_HEAD: Final[Pair] = ("Không xác định được nơi cấp", "We cannot confirm who issued this")
_NOT_RECORD_HEAD: Final[Pair] = (
    "Không phải tệp học bạ kiểm tra được",
    "Not a record file that can be checked",
)

#: CONTENT_DIFFERS, one entry a reason.
_DIFFERS: Final[Mapping[str, _Entry]] = {
    "changed_after_issue": _entry(
        Tone.WARN,
        ("Tệp không còn nguyên như bản trường cấp", "The file is no longer as the school issued it"),
        (
            "Tệp bắt đầu đúng như học bạ {version} do {issuer} cấp, nhưng sau đó có nội dung được thêm "
            "vào. Tệp không còn nguyên như bản trường cấp; chưa có nghĩa là bị sửa điểm.",
            "The file begins exactly as {version} of the record issued by {issuer}, but something was "
            "added after it. It is no longer as the school issued it; that does not mean that marks were "
            "changed.",
        ),
        _ASK_ORIGINAL,
    ),
    "archive_addition": _entry(
        Tone.WARN,
        ("Tệp có thêm dữ liệu lưu trữ chưa đăng ký", "The file carries archive data that is not registered"),
        (
            "Tệp bắt đầu đúng như học bạ {version} do {issuer} cấp. Phần thêm vào chỉ là dữ liệu để lưu "
            "trữ chữ ký lâu dài, nhưng tệp này chưa được đăng ký nên không còn nguyên như bản trường cấp.",
            "The file begins exactly as {version} of the record issued by {issuer}. What was added is only "
            "data that keeps signatures checkable for long, but this file is not registered, so it is not "
            "as the school issued it.",
        ),
        _ASK_ORIGINAL,
    ),
    "resaved_or_edited": _entry(
        Tone.WARN,
        ("Tệp không còn nguyên như bản trường cấp", "The file is no longer as the school issued it"),
        (
            "Tệp nêu tên một học bạ có trong sổ đăng ký, nhưng không còn nguyên như bản trường cấp; chưa "
            "có nghĩa là bị sửa điểm. Lưu lại, in ra PDF, nén hoặc gửi qua ứng dụng nhắn tin cũng làm tệp "
            "thay đổi.",
            "The file names a record in the registry, but it is no longer as the school issued it; that "
            "does not mean that marks were changed. Saving again, printing to PDF, compressing or sending "
            "through a messenger changes a file too.",
        ),
        _ASK_ORIGINAL,
    ),
    "digest_mismatch": _entry(
        Tone.WARN,
        ("Mã không khớp với bản nào đã cấp", "The code matches no version that was issued"),
        (
            "Mã tra cứu có trong sổ đăng ký, nhưng mã đối chiếu không khớp với bản nào nhà trường đã cấp.",
            "The record code is in the registry, but the check code matches no version that the "
            "school has issued.",
        ),
        (
            "Nếu bạn gõ mã bằng tay, hãy gõ lại. Nếu mã được quét từ giấy, hãy hỏi trường cấp.",
            "If you typed the code, type it again. If it was scanned from paper, ask the issuing school.",
        ),
    ),
    "values_differ": _entry(
        Tone.WARN,
        ("Giấy không khớp với bản trường cấp", "The paper does not match what the school issued"),
        (
            "Ít nhất một điều bạn nhập khác với học bạ {version} do {issuer} cấp. Cổng không cho biết chỗ "
            "nào khác. Gõ nhầm một ô cũng cho kết quả này.",
            "At least one thing you typed differs from {version} of the record issued by {issuer}. The "
            "portal does not say which. One mistyped box gives this answer too.",
        ),
        (
            "So lại từng ô với giấy rồi thử lại. Nếu vẫn không khớp, hãy hỏi trường cấp.",
            "Compare every box with the paper and try again. If it still does not match, ask the issuing "
            "school.",
        ),
    ),
}

#: NOT_VERIFIED, one entry a reason class.
_NOT_VERIFIED: Final[Mapping[str, _Entry]] = {
    "no_signature": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp PDF này không có chữ ký số nào, nên không có gì để kiểm tra ai đã cấp.",
            "This PDF carries no digital signature, so nothing in it shows who issued it.",
        ),
        _ASK_GIVER,
    ),
    "untrusted_signer": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp có chữ ký số, nhưng chứng thư của người ký không thuộc hệ thống chứng thực mà cổng tin cậy.",
            "The file is digitally signed, but the signer's certificate does not come from an authority "
            "that this portal trusts.",
        ),
        _ASK_GIVER,
    ),
    "signer_not_authorised": _entry(
        Tone.WARN,
        ("Người ký không được phép ký cho trường này", "The signer may not sign for this school"),
        (
            "Người ký không có trong danh sách được phép cấp học bạ cho trường có tên trên tệp.",
            "The signer is not on the list of those who may issue records for the school named in the file.",
        ),
        _ASK_GIVER,
    ),
    "changed_after_signing": _entry(
        Tone.WARN,
        ("Tệp đã thay đổi sau khi ký", "The file was changed after signing"),
        (
            "Nội dung của tệp không còn như lúc được ký số. Lưu lại hoặc gửi qua ứng dụng nhắn tin cũng "
            "gây ra điều này; chưa có nghĩa là bị sửa điểm.",
            "The content is no longer as it was when signed. Saving again or sending through a messenger "
            "causes this too; it does not mean that marks were changed.",
        ),
        _ASK_ORIGINAL,
    ),
    "certificate_revoked": _entry(
        Tone.WARN,
        ("Chứng thư của người ký đã bị thu hồi", "The signer's certificate has been revoked"),
        (
            "Cơ quan chứng thực đã thu hồi chứng thư số dùng để ký tệp này, và không có bằng chứng tệp "
            "được ký trước lúc đó.",
            "The authority has revoked the certificate this file was signed with, and nothing proves that "
            "the file was signed before that.",
        ),
        _ASK_GIVER,
    ),
    "weak_signature": _entry(
        Tone.WARN,
        ("Chữ ký số dùng thuật toán đã yếu", "The digital signature uses a weak algorithm"),
        (
            "Chữ ký trên tệp dùng thuật toán cũ (như SHA-1) không còn đủ mạnh để làm bằng chứng. Điều này "
            "không nói lên rằng tệp bị sửa.",
            "The signature uses an old algorithm (such as SHA-1) that is no longer strong enough to prove "
            "anything. This does not say that the file was changed.",
        ),
        _ASK_GIVER,
    ),
    "not_registered": _entry(
        Tone.WARN,
        ("Không có trong sổ đăng ký", "Not in the registry"),
        (
            "Cổng này không ghi nhận tệp đã được cấp. Học bạ cấp trước khi trường dùng cổng cũng không có "
            "ở đây.",
            "This portal has no entry of this file being issued. Records issued before the school joined "
            "the portal are not here either.",
        ),
        _ASK_GIVER,
    ),
    "issued_before_portal": _entry(
        Tone.WARN,
        ("Học bạ cấp trước khi có cổng này", "Issued before this portal existed"),
        (
            "Học bạ được cấp trước khi trường dùng cổng này, nên cổng không có dữ liệu để kiểm tra.",
            "The record was issued before the school joined this portal, so there is nothing here to check "
            "it with.",
        ),
        _ASK_GIVER,
    ),
    "not_a_record": _entry(
        Tone.WARN,
        _NOT_RECORD_HEAD,
        (
            "Tệp đọc được nhưng không phải học bạ số.",
            "The file can be read, but it is not a school record.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "unknown_code": _entry(
        Tone.WARN,
        ("Không tìm thấy học bạ", "No record found"),
        (
            "Không có học bạ nào ứng với những gì đã nhập hoặc quét. Mã, hoặc ngày sinh nếu có nhập, không "
            "đúng với học bạ nào trong sổ đăng ký.",
            "No record goes with what was typed or scanned. The code, or the date of birth if you typed "
            "one, fits no record in the registry.",
        ),
        _RETYPE,
    ),
    "malformed_code": _entry(
        Tone.WARN,
        ("Mã không đúng dạng", "The code is not well-formed"),
        (
            "Mã trông giống mã học bạ nhưng thiếu, thừa hoặc sai ký tự, nên không tra cứu được.",
            "This looks like a record code, but characters are missing, extra or wrong, so it cannot be "
            "looked up.",
        ),
        _RETYPE,
    ),
    "foreign_code": _entry(
        Tone.WARN,
        ("Đây không phải mã của học bạ số", "This is not a record code"),
        (
            "Mã QR đọc được nhưng không phải do cổng này cấp. Cổng không mở địa chỉ trong mã đó.",
            "The QR code can be read, but this portal did not issue it. The portal does not open the "
            "address in it.",
        ),
        (
            "Không mở địa chỉ lạ và không nhập mật khẩu, OTP. Tìm mã QR in cạnh tên cổng này trên học bạ.",
            "Do not open strange addresses, and never enter a password or OTP. Look for the QR code "
            "printed beside this portal's name on the record.",
        ),
    ),
    "several_codes": _entry(
        Tone.WARN,
        ("Có nhiều mã học bạ khác nhau", "Several different record codes"),
        (
            "Trên cùng một tài liệu có mã của nhiều học bạ, nên không biết kiểm tra mã nào.",
            "One document shows codes of several records, so it is not clear which one to check.",
        ),
        (
            "Kiểm tra từng học bạ một: mỗi ảnh chỉ chụp một mã.",
            "Check one record at a time: one code in each photo.",
        ),
    ),
    "no_code": _entry(
        Tone.WARN,
        ("Không thấy mã QR trong ảnh", "No QR code seen in the picture"),
        (
            "Ảnh hoặc bản quét không có chữ ký số; chỉ mã QR trong ảnh mới tra cứu được, và không thấy mã "
            "nào.",
            "A photo or scan has no digital signature; only a QR code in it can be looked up, and none was "
            "seen.",
        ),
        _RETAKE,
    ),
    "version_not_named": _entry(
        Tone.INFO,
        (
            "Có học bạ này, nhưng chưa biết giấy là bản nào",
            "The record exists, but which version the paper is stays open",
        ),
        (
            "Mã và ngày sinh đúng. Bản đang lưu hành là {version}. Muốn biết tờ giấy là bản nào, hãy nhập "
            "thêm 8 ký tự của mã đối chiếu.",
            "Code and date of birth fit. The current version is {version}. To learn which version the "
            "paper is, add the 8 characters of the check code.",
        ),
        (
            "Xem “bản số” in trên giấy, và nhập thêm 8 ký tự in cạnh mã tra cứu.",
            "Look at the version printed on the paper, and add the 8 characters printed beside the record "
            "code.",
        ),
    ),
    "empty": _entry(
        Tone.WARN,
        ("Tệp trống", "The file is empty"),
        ("Tệp không có nội dung nào.", "There is nothing in the file."),
        _PDF_FROM_SOURCE,
    ),
    "xml": _entry(
        Tone.WARN,
        _NOT_RECORD_HEAD,
        (
            "Đây là tệp XML. Cổng kiểm tra học bạ ở dạng PDF hoặc ảnh chụp mã QR.",
            "This is an XML file. The portal checks records as PDF, or a photo of the QR code.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "xml_record": _entry(
        Tone.WARN,
        ("Học bạ dạng XML chưa kiểm tra được ở đây", "XML records cannot be checked here yet"),
        (
            "Tệp giống học bạ số dạng XML của ngành. Cổng này mới kiểm tra được bản PDF.",
            "The file looks like the sector's XML form of a record. This portal checks the PDF form only.",
        ),
        (
            "Xin nhà trường bản PDF đã ký số của học bạ.",
            "Ask the school for the signed PDF of the record.",
        ),
    ),
    "zip": _entry(
        Tone.WARN,
        _NOT_RECORD_HEAD,
        (
            "Đây là tệp nén (ZIP) hoặc tệp văn phòng, không phải một tệp PDF.",
            "This is a ZIP archive or an office file, not a PDF.",
        ),
        (
            "Mở tệp nén, lấy tệp PDF bên trong rồi kiểm tra tệp đó.",
            "Open the archive, take out the PDF and check that file.",
        ),
    ),
    "encrypted": _entry(
        Tone.WARN,
        ("Tệp có mật khẩu", "The file is protected by a password"),
        (
            "Không mở được tệp vì tệp bị khoá bằng mật khẩu. Học bạ do trường cấp không có mật khẩu.",
            "The file cannot be opened because it is protected by a password. Records issued by schools "
            "have none.",
        ),
        _ASK_ORIGINAL,
    ),
    "not_pdf_or_image": _entry(
        Tone.WARN,
        _NOT_RECORD_HEAD,
        (
            "Tệp không phải PDF, cũng không phải ảnh JPEG, PNG hay WebP.",
            "The file is neither a PDF nor a JPEG, PNG or WebP picture.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "heic": _entry(
        Tone.WARN,
        ("Chưa đọc được ảnh HEIC", "HEIC pictures cannot be read"),
        (
            "Ảnh ở định dạng HEIC của iPhone, cổng chưa đọc được.",
            "The picture is in the iPhone's HEIC format, which the portal cannot read.",
        ),
        (
            "Chụp màn hình bức ảnh rồi gửi ảnh màn hình, hoặc đặt máy ảnh sang “Tương thích nhất” (JPEG).",
            "Take a screenshot of the picture and send that, or set the camera to “Most Compatible” (JPEG).",
        ),
    ),
    "too_large": _entry(
        Tone.WARN,
        ("Tệp quá lớn để là học bạ", "The file is too large to be a record"),
        (
            "Tệp lớn hơn hoặc phức tạp hơn mọi học bạ mà cổng cấp, nên không được mở.",
            "The file is larger or more complex than any record this portal issues, so it was not opened.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "broken_pdf": _entry(
        Tone.WARN,
        ("Không đọc được tệp PDF này", "This PDF cannot be read"),
        (
            "Tệp mở đầu như PDF nhưng bị hỏng hoặc thiếu một phần.",
            "The file begins like a PDF, but is damaged or incomplete.",
        ),
        _ASK_ORIGINAL,
    ),
    "broken_image": _entry(
        Tone.WARN,
        ("Không đọc được ảnh này", "This picture cannot be read"),
        ("Tệp ảnh bị hỏng hoặc thiếu một phần.", "The picture file is damaged or incomplete."),
        _RETAKE,
    ),
}

#: What a code adds to the answer about the file that carries it.
_FURTHER: Final[Mapping[str, Pair]] = {
    "unknown_code": (
        "Mã QR trên tệp không ứng với học bạ nào trong sổ đăng ký.",
        "The QR code on the file fits no record in the registry.",
    ),
    "malformed_code": (
        "Mã QR trên tệp thiếu, thừa hoặc sai ký tự.",
        "The QR code on the file has characters missing, extra or wrong.",
    ),
    "foreign_code": (
        "Mã QR trên tệp không phải do cổng này cấp.",
        "The QR code on the file was not issued by this portal.",
    ),
}

_UNCHECKED_HEAD: Final[Pair] = ("Chưa kiểm tra được", "This could not be checked yet")
_SAYS_NOTHING: Final[Pair] = (
    "Chưa kiểm tra được; điều này không nói gì về tính xác thực của học bạ.",
    "It could not be checked; this says nothing about whether the record is authentic.",
)
_TRY_AGAIN: Final[Pair] = ("Thử lại sau ít phút.", "Try again in a few minutes.")
_TRY_LATER: Final[Pair] = (
    "Thử lại sau. Nếu cần gấp, hãy hỏi trực tiếp trường cấp.",
    "Try again later. If it is urgent, ask the issuing school directly.",
)
_NEW_BUNDLE: Final[Pair] = (
    "Tải gói tin cậy mới rồi kiểm tra lại, hoặc kiểm tra trực tuyến.",
    "Get a fresh trust bundle and check again, or check online.",
)

#: CHECK_INCOMPLETE: what kept us from finishing, and what to do. ``""`` is the fallback for any other code.
_INCOMPLETE: Final[Mapping[str, tuple[Pair, Pair]]] = {
    "": (("Một bước kiểm tra chưa xong.", "One step of the check could not be finished."), _TRY_AGAIN),
    "deadline": (
        ("Kiểm tra mất quá nhiều thời gian nên đã dừng.", "The check took too long and was stopped."),
        _TRY_AGAIN,
    ),
    "crashed": (
        ("Chương trình kiểm tra dừng giữa chừng với tệp này.", "The checking program stopped on this file."),
        _TRY_LATER,
    ),
    "memory": (
        (
            "Tệp cần nhiều bộ nhớ hơn mức dành cho một lần kiểm tra.",
            "The file needs more memory than one check may use.",
        ),
        _TRY_LATER,
    ),
    "busy": (
        ("Đang có quá nhiều tệp chờ kiểm tra.", "Too many files are waiting to be checked."),
        _TRY_AGAIN,
    ),
    "registry_unavailable": (
        ("Hiện không đọc được sổ đăng ký học bạ.", "The registry of records cannot be read at the moment."),
        _TRY_AGAIN,
    ),
    "registry_stale": (
        (
            "Dữ liệu sổ đăng ký trong gói tin cậy đã quá cũ.",
            "The registry facts in the trust bundle are too old.",
        ),
        _NEW_BUNDLE,
    ),
    "trust_unavailable": (
        (
            "Hiện không đọc được danh sách tin cậy.",
            "The list of trusted authorities cannot be read at the moment.",
        ),
        _TRY_AGAIN,
    ),
    "revalidation_pending": (
        (
            "Danh sách tin cậy đã thay đổi hoặc đã quá hạn, và học bạ này đang chờ được kiểm tra lại.",
            "The lists of trusted signers have changed or run out, and this record is waiting to be "
            "checked again.",
        ),
        _TRY_AGAIN,
    ),
    "crl_stale": (
        (
            "Danh sách chứng thư bị thu hồi của cơ quan chứng thực đã quá hạn, nên không biết chứng thư "
            "của người ký còn dùng được hay không.",
            "The authority's list of revoked certificates is out of date, so it is not known whether the "
            "signer's certificate still stood.",
        ),
        _TRY_LATER,
    ),
    "crl_after_expiry": (
        (
            "Chứng thư của người ký đã hết hạn, và các danh sách thu hồi hiện có không còn nói về chứng "
            "thư đó.",
            "The signer's certificate has expired, and the revocation lists at hand no longer speak of it.",
        ),
        _TRY_LATER,
    ),
    "crl_missing": (
        (
            "Chưa có danh sách chứng thư bị thu hồi của cơ quan chứng thực, nên không biết chứng thư của "
            "người ký còn dùng được hay không.",
            "The authority's list of revoked certificates is missing, so it is not known whether the "
            "signer's certificate still stood.",
        ),
        _TRY_LATER,
    ),
}

_EVIDENCE: Final[Mapping[Evidence, Pair]] = {
    Evidence.FILE: (
        "Đã kiểm tra chính tệp này, từng byte.",
        "This very file was checked, byte by byte.",
    ),
    Evidence.CODE: (
        "Chỉ kiểm tra mã. Nội dung in trên giấy hoặc thấy trong ảnh chưa được so.",
        "Only the code was checked. What is printed on the paper or seen in the picture was not compared.",
    ),
    Evidence.PAPER_COMPARED: (
        "Đã so họ tên, ngày sinh và kết quả bạn nhập từ giấy với bản trường cấp.",
        "The name, date of birth and results you typed from the paper were compared with what the school "
        "issued.",
    ),
}

_TONES: Final[Mapping[Tone, Pair]] = {
    Tone.OK: ("Khớp", "Matches"),
    Tone.INFO: ("Thông tin", "Information"),
    Tone.WARN: ("Lưu ý", "Take note"),
    Tone.BAD: ("Cảnh báo", "Warning"),
}

_ROLES: Final[Mapping[Role, Pair]] = {
    Role.GVBM: ("Giáo viên bộ môn", "Subject teacher"),
    Role.GVCN: ("Giáo viên chủ nhiệm", "Homeroom teacher"),
    Role.CBQL: ("Hiệu trưởng hoặc giám đốc", "Principal or director"),
    Role.KY_PHAT_HANH: ("Con dấu số của nhà trường", "School seal"),
}

_CAPACITIES: Final[Mapping[str, Pair]] = {
    "": ("", ""),
    "KT": ("KT., ký thay người đứng đầu", "KT., on behalf of the head"),
    "Q": ("Q., quyền người đứng đầu", "Q., acting head"),
    "ky_thay": ("hiệu trưởng ký thay", "signed by the principal instead"),
}

#: Neutral public classes of a recall; never the story behind it.
RECALL_REASONS: Final[Mapping[str, Pair]] = {
    "data_error": ("có sai sót về dữ liệu", "an error in the data"),
    "issued_in_error": ("cấp nhầm", "issued in error"),
    "administrative": ("theo thủ tục hành chính", "an administrative procedure"),
    "legal_decision": ("theo quyết định của cơ quan có thẩm quyền", "a decision of a competent authority"),
    "key_compromise": ("lý do an toàn chữ ký số", "the safety of a digital signature"),
    "unspecified": ("không nêu", "not stated"),
}

_CHECKS: Final[Mapping[tuple[CheckName, CheckStatus], Pair]] = {
    (CheckName.INTEGRITY, CheckStatus.PASSED): (
        "Chữ ký khớp với nội dung đã ký.",
        "The signature matches the signed content.",
    ),
    (CheckName.INTEGRITY, CheckStatus.FAILED): (
        "Chữ ký không khớp với nội dung.",
        "The signature does not match the content.",
    ),
    (CheckName.COVERAGE, CheckStatus.PASSED): (
        "Chữ ký bao trùm toàn bộ tài liệu vào lúc ký, sau đó chỉ có thay đổi được phép.",
        "The signature covers the whole document as it was then; only permitted changes followed.",
    ),
    (CheckName.COVERAGE, CheckStatus.FAILED): (
        "Có phần tài liệu không được chữ ký bao trùm, hoặc có thay đổi không được phép.",
        "Part of the document is not covered by the signature, or a change was not permitted.",
    ),
    (CheckName.ALGORITHM, CheckStatus.PASSED): (
        "Thuật toán ký đủ mạnh.",
        "The signing algorithm is strong enough.",
    ),
    (CheckName.ALGORITHM, CheckStatus.FAILED): (
        "Thuật toán ký không được chấp nhận.",
        "The signing algorithm is not accepted.",
    ),
    (CheckName.ALGORITHM, CheckStatus.WEAK): (
        "Thuật toán ký đã yếu, không còn đủ làm bằng chứng.",
        "The signing algorithm is weak and no longer enough as proof.",
    ),
    (CheckName.CERTIFICATE, CheckStatus.PASSED): (
        "Chứng thư số dẫn tới một cơ quan chứng thực mà cổng tin cậy.",
        "The certificate leads to an authority that the portal trusts.",
    ),
    (CheckName.CERTIFICATE, CheckStatus.FAILED): (
        "Chứng thư số không dẫn tới cơ quan chứng thực mà cổng tin cậy, hoặc không được dùng để ký vào lúc "
        "đó.",
        "The certificate does not lead to an authority that the portal trusts, or could not be used for "
        "signing then.",
    ),
    (CheckName.AUTHORITY, CheckStatus.PASSED): (
        "Người ký được duyệt ký cho trường này, đúng vai trò, vào lúc đó.",
        "The signer was approved to sign for this school in this role at that time.",
    ),
    (CheckName.AUTHORITY, CheckStatus.FAILED): (
        "Người ký không được duyệt ký cho trường này trong vai trò này vào lúc đó.",
        "The signer was not approved to sign for this school in this role at that time.",
    ),
    (CheckName.TIME, CheckStatus.PASSED): ("Thời điểm ký nhất quán.", "The time of signing is consistent."),
    (CheckName.TIME, CheckStatus.FAILED): (
        "Thời điểm ký mâu thuẫn hoặc không chứng minh được.",
        "The time of signing is contradictory or cannot be proved.",
    ),
    (CheckName.REVOCATION, CheckStatus.PASSED): (
        "Chứng thư chưa bị thu hồi vào lúc đó.",
        "The certificate was not revoked at that time.",
    ),
    (CheckName.REVOCATION, CheckStatus.FAILED): (
        "Chứng thư đã bị cơ quan chứng thực thu hồi.",
        "The certificate was revoked by its authority.",
    ),
    (CheckName.REVOCATION, CheckStatus.INCOMPLETE): (
        "Chưa biết chứng thư có bị thu hồi hay không, vì danh sách thu hồi thiếu hoặc quá hạn.",
        "It is not known whether the certificate was revoked: the revocation list is missing or out of date.",
    ),
    (CheckName.REQUIRED_ROLES, CheckStatus.PASSED): (
        "Có đủ chữ ký của mọi vai trò mà học bạ yêu cầu.",
        "Every role that the record requires has signed.",
    ),
    (CheckName.REQUIRED_ROLES, CheckStatus.FAILED): (
        "Thiếu chữ ký của một vai trò mà học bạ yêu cầu.",
        "A role that the record requires has not signed.",
    ),
    (CheckName.LOG_INCLUSION, CheckStatus.PASSED): (
        "Học bạ có trong nhật ký công khai.",
        "The record is in the public log.",
    ),
    (CheckName.LOG_INCLUSION, CheckStatus.FAILED): (
        "Học bạ không có trong nhật ký công khai.",
        "The record is not in the public log.",
    ),
    (CheckName.LOG_INCLUSION, CheckStatus.NOT_AVAILABLE): (
        "Chưa có nhật ký công khai để đối chiếu.",
        "There is no public log to compare with yet.",
    ),
}

_CHECK_NAMES: Final[Mapping[CheckName, Pair]] = {
    CheckName.INTEGRITY: ("Nội dung đã ký", "Signed content"),
    CheckName.COVERAGE: ("Phạm vi chữ ký", "Coverage"),
    CheckName.ALGORITHM: ("Thuật toán", "Algorithm"),
    CheckName.CERTIFICATE: ("Chứng thư số", "Certificate"),
    CheckName.AUTHORITY: ("Quyền ký", "Authority to sign"),
    CheckName.TIME: ("Thời điểm", "Time"),
    CheckName.REVOCATION: ("Thu hồi chứng thư", "Revocation"),
    CheckName.REQUIRED_ROLES: ("Đủ chữ ký", "All signatures present"),
    CheckName.LOG_INCLUSION: ("Nhật ký công khai", "Public log"),
}

_STATUSES: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.PASSED: ("Đạt", "Passed"),
    CheckStatus.FAILED: ("Không đạt", "Failed"),
    CheckStatus.WEAK: ("Yếu", "Weak"),
    CheckStatus.INCOMPLETE: ("Chưa xong", "Not finished"),
    CheckStatus.NOT_AVAILABLE: ("Không có", "Not available"),
}

_MEDIA: Final[Mapping[Medium, Pair]] = {
    Medium.PDF: ("tệp PDF", "PDF file"),
    Medium.PDF_OF_IMAGES: ("tệp PDF chỉ gồm ảnh trang", "PDF of page images only"),
    Medium.IMAGE: ("ảnh", "picture"),
    Medium.CODE: ("mã", "code"),
    Medium.OTHER: ("tệp khác", "other file"),
}


_IN_REGISTRY: Final[Mapping[tuple[str, bool], Pair]] = {
    ("file", True): (
        "Tệp trùng từng byte với một tệp trong sổ đăng ký học bạ.",
        "The file equals, byte for byte, a file in the registry of records.",
    ),
    ("file", False): (
        "Tệp không trùng với tệp nào trong sổ đăng ký học bạ.",
        "The file equals no file in the registry of records.",
    ),
    ("code", True): (
        "Mã có trong sổ đăng ký học bạ.",
        "The code is in the registry of records.",
    ),
    ("code", False): (
        "Mã không trỏ tới bản nào trong sổ đăng ký học bạ.",
        "The code leads to no version in the registry of records.",
    ),
}
_STANDING: Final[Mapping[bool, Pair]] = {
    True: (
        "Mọi chữ ký số của bản này đạt ở lần kiểm tra gần nhất.",
        "Every digital signature of this version passed when last checked.",
    ),
    False: (
        "Có chữ ký số của bản này không đạt ở lần kiểm tra gần nhất.",
        "A digital signature of this version did not pass when last checked.",
    ),
}
_STATE: Final[Mapping[VersionState, Pair]] = {
    VersionState.CURRENT: ("Đây là bản đang lưu hành.", "This is the current version."),
    VersionState.SUPERSEDED: (
        "Đây không còn là bản đang lưu hành: đã có bản thay thế.",
        "This is no longer the current version: it has been replaced.",
    ),
    VersionState.RECALLED: (
        "Học bạ đã được nhà trường thu hồi.",
        "The record has been withdrawn by the school.",
    ),
}
_COMPARED: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.PASSED: (
        "Mọi điều nhập từ giấy khớp với bản trường cấp.",
        "Everything typed from the paper matches what the school issued.",
    ),
    CheckStatus.FAILED: (
        "Ít nhất một điều nhập từ giấy khác với bản trường cấp.",
        "At least one thing typed from the paper differs from what the school issued.",
    ),
    CheckStatus.NOT_AVAILABLE: (
        "Nội dung in trên giấy: chưa so.",
        "What is printed on the paper: not compared.",
    ),
}
_SIGNATURES: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.PASSED: (
        "Cả {count} chữ ký số đều đạt mọi bước kiểm tra.",
        "All {count} digital signatures pass every check.",
    ),
    CheckStatus.FAILED: (
        "{failing} trong {count} chữ ký số không đạt.",
        "{failing} of {count} digital signatures do not pass.",
    ),
    CheckStatus.NOT_AVAILABLE: ("Tệp không có chữ ký số nào.", "The file carries no digital signature."),
}
#: Codes that never reached the registry, or whose version stays open.
_NOT_LOOKED_UP: Final = frozenset(
    {"no_code", "malformed_code", "foreign_code", "several_codes", "version_not_named"}
)
_KNOWN: Final = frozenset(
    {
        Outcome.GENUINE_CURRENT,
        Outcome.GENUINE_SUPERSEDED,
        Outcome.GENUINE_REVOKED,
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
    }
)


def say(
    verdict: Verdict, language: Language, *, issuer: str | None = None, current_version: int | None = None
) -> Words:
    """Word one verdict. Total: every outcome, evidence and reason gives three non-empty texts.

    ``issuer`` is the school's public name, ``current_version`` the number that replaced a superseded version;
    both may be unknown. An unknown reason code falls back to the outcome's general words, never to silence.
    """
    entry = _choose(verdict)
    at = _at(language)
    sentence = _fill(entry.sentence[at], verdict, language, issuer, current_version)
    others = [_reason_sentence(verdict.outcome, reason, language) for reason in verdict.reasons[1:]]
    further = tuple(dict.fromkeys(other for other in others if other and other not in sentence))
    return Words(entry.headline[at], sentence, entry.next_step[at], entry.tone, further)


def findings(verdict: Verdict, report: ValidationReport, language: Language) -> tuple[Finding, ...]:
    """What was checked, one sentence each, in the order a reader asks: registry, signatures, version, paper.

    Only what was really looked at is listed; an unfinished check lists what it reached.
    """
    if report.medium is Medium.OTHER or report.problem is not None or report.incomplete is not None:
        return ()
    at = _at(language)
    found: list[Finding] = []
    known = verdict.outcome in _KNOWN or "values_differ" in verdict.reasons
    finished = verdict.outcome is not Outcome.CHECK_INCOMPLETE
    if verdict.evidence is Evidence.FILE:
        if finished:
            found.append(Finding(_passed(known), _IN_REGISTRY["file", known][at]))
        found.append(_signatures(report, language))
        found += [Finding(c.status, check_sentence(c, language)) for c in report.checks]
    elif finished and not _NOT_LOOKED_UP & set(verdict.reasons):
        found.append(Finding(_passed(known), _IN_REGISTRY["code", known][at]))
        if known:
            standing = verdict.outcome is not Outcome.REGISTERED_BUT_SIGNATURE_FAILS
            found.append(Finding(_passed(standing), _STANDING[standing][at]))
    if known and verdict.version is not None:
        state = verdict.version.state
        found.append(Finding(_passed(state is VersionState.CURRENT), _STATE[state][at]))
    if known and verdict.evidence is not Evidence.FILE:
        compared = CheckStatus.NOT_AVAILABLE
        if verdict.evidence is Evidence.PAPER_COMPARED:
            compared = _passed("values_differ" not in verdict.reasons)
        found.append(Finding(compared, _COMPARED[compared][at]))
    return tuple(found)


def evidence_sentence(evidence: Evidence, language: Language) -> str:
    """What the answer speaks about, as a sentence."""
    return _EVIDENCE[evidence][_at(language)]


def tone_word(tone: Tone, language: Language) -> str:
    """The word beside the icon, so that colour is never alone in carrying meaning."""
    return _TONES[tone][_at(language)]


def role_name(role: Role, language: Language) -> str:
    """Name of a signature role."""
    return _ROLES[role][_at(language)]


def capacity_words(capacity: str, language: Language) -> str:
    """KT., Q. or a signature in another's stead; empty in one's own right, the code when unknown."""
    pair = _CAPACITIES.get(capacity)
    return capacity if pair is None else pair[_at(language)]


def medium_words(medium: Medium, language: Language) -> str:
    """What was handed in."""
    return _MEDIA[medium][_at(language)]


def check_name(name: CheckName, language: Language) -> str:
    """Short label of a check."""
    return _CHECK_NAMES[name][_at(language)]


def check_status(status: CheckStatus, language: Language) -> str:
    """Short word of a check's result."""
    return _STATUSES[status][_at(language)]


def check_sentence(check: Check, language: Language) -> str:
    """A full sentence, passed or not, for one check. Total over names and statuses."""
    pair = _CHECKS.get((check.name, check.status))
    if pair is not None:
        return pair[_at(language)]
    name, status = check_name(check.name, language), check_status(check.status, language)
    match check.status:
        case CheckStatus.INCOMPLETE:
            pair = ("{name}: bước này chưa kiểm tra xong.", "{name}: this step could not be finished.")
        case CheckStatus.NOT_AVAILABLE:
            pair = ("{name}: không có dữ liệu để kiểm tra.", "{name}: there is nothing to check this with.")
        case _:
            pair = ("{name}: {status}.", "{name}: {status}.")
    return pair[_at(language)].format(name=name, status=status.lower())


def recall_reason(code: str | None, language: Language) -> str:
    """Neutral public words for a recall's reason class."""
    return RECALL_REASONS.get(code or "unspecified", RECALL_REASONS["unspecified"])[_at(language)]


def reason_codes() -> dict[Outcome, tuple[str, ...]]:
    """Every reason that has words of its own, by outcome (for tests and the API's documentation)."""
    return {
        Outcome.CONTENT_DIFFERS: tuple(_DIFFERS),
        Outcome.NOT_VERIFIED: tuple(_NOT_VERIFIED),
        Outcome.CHECK_INCOMPLETE: tuple(code for code in _INCOMPLETE if code),
    }


def _passed(yes: bool) -> CheckStatus:
    return CheckStatus.PASSED if yes else CheckStatus.FAILED


def _signatures(report: ValidationReport, language: Language) -> Finding:
    count = len(report.signatures)
    failing = sum(not s.passed for s in report.signatures)
    status = CheckStatus.NOT_AVAILABLE if not count else _passed(not failing)
    return Finding(status, _SIGNATURES[status][_at(language)].format(count=count, failing=failing))


def _at(language: Language) -> int:
    return 0 if language == "vi" else 1


def _choose(verdict: Verdict) -> _Entry:
    reason = verdict.reasons[0] if verdict.reasons else ""
    match verdict.outcome:
        case Outcome.CONTENT_DIFFERS:
            return _DIFFERS.get(reason, _DIFFERS["resaved_or_edited"])
        case Outcome.SEAL_VALID_NOT_REGISTERED:
            return _SEAL_NOT_REGISTERED
        case Outcome.NOT_VERIFIED:
            return _NOT_VERIFIED.get(reason, _NOT_VERIFIED["not_registered"])
        case Outcome.CHECK_INCOMPLETE:
            why, then = _INCOMPLETE.get(reason, _INCOMPLETE[""])
            return _Entry(
                _UNCHECKED_HEAD,
                (f"{why[0]} {_SAYS_NOTHING[0]}", f"{why[1]} {_SAYS_NOTHING[1]}"),
                then,
                Tone.INFO,
            )
        case _:
            return _BY_EVIDENCE[verdict.outcome, verdict.evidence]


def _reason_sentence(outcome: Outcome, reason: str, language: Language) -> str:
    """Words for a reason after the first; empty when the reason is a technical code only."""
    match outcome:
        case Outcome.NOT_VERIFIED if reason in _FURTHER:
            return _FURTHER[reason][_at(language)]
        case Outcome.NOT_VERIFIED if reason in _NOT_VERIFIED:
            return _NOT_VERIFIED[reason].sentence[_at(language)]
        case Outcome.CHECK_INCOMPLETE if reason in _INCOMPLETE:
            return _INCOMPLETE[reason][0][_at(language)]
        case _:
            return ""


def _fill(
    text: str, verdict: Verdict, language: Language, issuer: str | None, current_version: int | None
) -> str:
    """Put in what is known: ``{issuer} {version} {current} {since} {reason}``.

    The texts are our own constants; the issuer's name comes from outside and is put in once by ``format``,
    so braces in it stay what they are.
    """
    vietnamese = language == "vi"
    facts = verdict.version
    version = (
        ("một bản" if vietnamese else "a version")
        if facts is None
        else (f"bản số {facts.version}" if vietnamese else f"version {facts.version}")
    )
    current = (
        ("bản mới hơn" if vietnamese else "a newer version")
        if current_version is None
        else (f"bản số {current_version}" if vietnamese else f"version {current_version}")
    )
    since = "" if facts is None or facts.since is None else _since(facts.since, language)
    reason = ""
    if facts is not None and facts.recall_reason:
        words = recall_reason(facts.recall_reason, language)
        reason = f" (lý do: {words})" if vietnamese else f" (reason: {words})"
    return text.format(
        issuer=issuer or ("nhà trường" if vietnamese else "the school"),
        version=version,
        current=current,
        since=since,
        reason=reason,
    )


def _since(moment: datetime, language: Language) -> str:
    day = moment.astimezone(VIETNAM)
    return f" từ ngày {day:%d/%m/%Y}" if language == "vi" else f" on {day.day} {day:%B %Y}"
