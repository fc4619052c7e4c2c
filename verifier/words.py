"""The one table of words: verdict × evidence × reason -> what a person reads, in Vietnamese and English; with
a column of its own for a holder who looks at their record here and has no paper or file in hand.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Final, Literal

from verifier.report import (
    Agreement,
    Change,
    ChangeKind,
    Check,
    CheckName,
    CheckStatus,
    Medium,
    Opinion,
    OpinionBy,
    ProvenBy,
    Revision,
    Role,
    TimestampKind,
    ValidationReport,
)
from verifier.verdict import CHANGED, GENUINE, Evidence, Outcome, Verdict, VersionState

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")
Pair = tuple[str, str]

#: Vietnam keeps UTC+7 all year; dates of an answer are those of the people who read it.
VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")


class Tone(StrEnum):
    """Colour family and icon of an answer. ``OK`` is reached only by a green verdict, ``UNFINISHED`` only by
    a check that was not completed.
    """

    OK = "ok"
    INFO = "info"  # only a code was checked, and nothing speaks against it
    UNFINISHED = "unfinished"
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
_WITHDRAWN: Final[Pair] = (
    "Không nên dùng học bạ này nữa. Hãy hỏi trường cấp xem có bản thay thế không.",
    "Do not use this record any more. Ask the school that issued it whether there is a new one.",
)
_ASK_ORIGINAL: Final[Pair] = (
    "Chưa nên dùng tệp này. Xin lại đúng tệp PDF gốc từ nhà trường hoặc gia đình rồi kiểm tra tệp đó.",
    "Do not rely on this file yet. Ask the school or the family for the original PDF and check that one.",
)
_ASK_READABLE: Final[Pair] = (
    "Xin lại tệp PDF gốc, mở được và không đặt mật khẩu, từ nhà trường hoặc gia đình rồi kiểm tra tệp đó.",
    "Ask the school or the family for the original PDF, one that opens without a password, and check that.",
)

#: Verdict × evidence where the pair alone decides; the other outcomes are worded by reason below.
_BY_EVIDENCE: Final[Mapping[tuple[Outcome, Evidence], _Entry]] = {
    (Outcome.GENUINE_CURRENT, Evidence.FILE): _entry(
        Tone.OK,
        ("Đúng bản trường cấp, đang lưu hành", "As issued by the school, and current"),
        (
            "Tệp này còn nguyên như {version} của học bạ do {issuer} cấp, và đó là bản đang lưu hành.",
            "This file is exactly {version} of the record issued by {issuer}, and it is the current version.",
        ),
        _COMPARE_WITH_PUPIL,
    ),
    (Outcome.GENUINE_CURRENT, Evidence.CODE): _entry(
        Tone.INFO,
        ("Mã đúng; giấy chưa được so", "The code is right; the paper has not been compared"),
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
            "Kết quả cả năm trên giấy khớp với bản trường cấp, đang lưu hành",
            "The year's results on the paper match what the school issued, and it is current",
        ),
        (
            "Họ tên, ngày sinh và toàn bộ kết quả bạn nhập từ giấy khớp với {version} của học bạ do {issuer} "
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
            "As issued by the school, but there is a newer version",
        ),
        (
            "Tệp này còn nguyên như {version} của học bạ do {issuer} cấp, nhưng bản đó đã được thay bằng "
            "{current}{since}.",
            "This file is exactly {version} of the record issued by {issuer}, but it was replaced by "
            "{current}{since}.",
        ),
        _ASK_NEWER,
    ),
    (Outcome.GENUINE_SUPERSEDED, Evidence.CODE): _entry(
        Tone.WARN,
        ("Mã của một bản cũ, đã có bản mới hơn", "The code of an older version: there is a newer one"),
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
            "Kết quả cả năm trên giấy khớp với một bản cũ, đã có bản mới hơn",
            "The year's results on the paper match an older version: there is a newer one",
        ),
        (
            "Những gì bạn nhập từ giấy khớp với {version} của học bạ do {issuer} cấp, nhưng bản đó đã được "
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
            "Tệp này còn nguyên như {version} của học bạ do {issuer} cấp, nhưng học bạ đã được thu "
            "hồi{since}{reason}.",
            "This file is exactly {version} of the record issued by {issuer}, but the record was withdrawn"
            "{since}{reason}.",
        ),
        _WITHDRAWN,
    ),
    (Outcome.GENUINE_REVOKED, Evidence.CODE): _entry(
        Tone.BAD,
        ("Mã của một học bạ đã được thu hồi", "The code of a record that has been withdrawn"),
        (
            "Mã này thuộc học bạ do {issuer} cấp, {version}, đã được thu hồi{since}{reason}. "
            "Nội dung trên giấy chưa được so.",
            "This code belongs to a record issued by {issuer}, {version}, which was "
            "withdrawn{since}{reason}. What is printed on the paper has not been compared.",
        ),
        _WITHDRAWN,
    ),
    (Outcome.GENUINE_REVOKED, Evidence.PAPER_COMPARED): _entry(
        Tone.BAD,
        (
            "Kết quả cả năm trên giấy khớp với một học bạ đã được thu hồi",
            "The year's results on the paper match a record that has been withdrawn",
        ),
        (
            "Những gì bạn nhập từ giấy khớp với {version} của học bạ do {issuer} cấp, nhưng học bạ đã được "
            "thu hồi{since}{reason}.",
            "What you typed from the paper matches {version} of the record issued by {issuer}, but the "
            "record was withdrawn{since}{reason}.",
        ),
        _WITHDRAWN,
    ),
    (Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.FILE): _entry(
        Tone.BAD,
        (
            "Có trong sổ đăng ký, nhưng chữ ký số không đạt kiểm tra",
            "In the registry, but a digital signature does not pass",
        ),
        (
            "Tệp này trùng với {version} của học bạ do {issuer} đăng ký, nhưng ít nhất một chữ ký số trên "
            "tệp không đạt kiểm tra. Vì vậy chưa thể coi là đúng bản trường cấp.",
            "This file is identical to {version} of the record that {issuer} registered, but at least one "
            "of its digital signatures does not pass the checks. So it cannot be taken to be as issued by "
            "the school.",
        ),
        _ASK_SCHOOL,
    ),
    (Outcome.REGISTERED_BUT_SIGNATURE_FAILS, Evidence.CODE): _entry(
        Tone.BAD,
        (
            "Mã có trong sổ đăng ký, nhưng chữ ký số của học bạ không đạt kiểm tra",
            "The code is in the registry, but the record's digital signatures do not pass",
        ),
        (
            "Mã này thuộc {version} của học bạ do {issuer} đăng ký, nhưng ít nhất một chữ ký số của bản đó "
            "không đạt kiểm tra. Vì vậy chưa thể coi là đúng bản trường cấp.",
            "This code belongs to {version} of the record that {issuer} registered, but at least one of its "
            "digital signatures does not pass the checks. So it cannot be taken to be as issued by the "
            "school.",
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
            "Mã trên giấy thuộc {version} của học bạ do {issuer} đăng ký, nhưng ít nhất một chữ ký số của "
            "bản đó không đạt kiểm tra. Vì vậy cổng không trả lời giấy có khớp hay không.",
            "The code on the paper belongs to {version} of the record that {issuer} registered, but at least "
            "one of its digital signatures does not pass the checks. So the portal does not say whether the "
            "paper matches.",
        ),
        _ASK_SCHOOL,
    ),
}

_PAPER_APART: Final[Pair] = (
    "Có tờ giấy hoặc tệp PDF của học bạ này thì kiểm tra riêng, bằng mã QR in trên đó hoặc bằng chính tệp.",
    "Check a paper or PDF of this record by itself: by the QR code printed on it, or by the file.",
)
#: What :data:`_BY_EVIDENCE` says of a code, to a holder: what they look at is the registered content itself,
#: so nothing was left uncompared. Not green all the same: no file was checked while they looked.
_TO_HOLDER: Final[Mapping[Outcome, _Entry]] = {
    Outcome.GENUINE_CURRENT: _entry(
        Tone.INFO,
        ("Đang lưu hành", "Current"),
        (
            "Đây là {version} do {issuer} cấp, bản mới nhất. Các chữ ký số đều đạt ở lần kiểm tra gần nhất.",
            "This is {version}, issued by {issuer}, the newest one. Every digital signature passed when last "
            "checked.",
        ),
        _PAPER_APART,
    ),
    Outcome.GENUINE_SUPERSEDED: _entry(
        Tone.WARN,
        ("Bản cũ, đã có bản mới hơn", "An older version: there is a newer one"),
        (
            "Đây là {version} do {issuer} cấp, đã được thay bằng {current}{since}.",
            "This is {version}, issued by {issuer}, which was replaced by {current}{since}.",
        ),
        ("Hãy dùng bản mới nhất.", "Use the newest version."),
    ),
    Outcome.GENUINE_REVOKED: _entry(
        Tone.BAD,
        ("Đã thu hồi", "Withdrawn"),
        (
            "Đây là {version} do {issuer} cấp, đã được thu hồi{since}{reason}.",
            "This is {version}, issued by {issuer}, which was withdrawn{since}{reason}.",
        ),
        _WITHDRAWN,
    ),
    Outcome.REGISTERED_BUT_SIGNATURE_FAILS: _entry(
        Tone.BAD,
        ("Chữ ký số không đạt kiểm tra", "A digital signature does not pass"),
        (
            "Đây là {version} do {issuer} đăng ký, nhưng ít nhất một chữ ký số của bản đó không đạt kiểm "
            "tra. Vì vậy chưa thể coi là đúng bản trường cấp.",
            "This is {version}, registered by {issuer}, but at least one of its digital signatures does not "
            "pass the checks. So it cannot be taken to be as issued by the school.",
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
        "Con dấu số trên tệp đúng là của {sealer}, nhưng sổ đăng ký của cổng không ghi nhận tệp này đã được "
        "cấp. Vì vậy chưa thể coi là đúng bản trường cấp.",
        "The digital seal on this file is that of {sealer}, but the portal's registry has no entry of the "
        "file being issued. So it cannot be taken to be as issued by the school.",
    ),
    (
        "Chưa nên dùng tệp này. Hãy báo cho trường có con dấu đó để trường kiểm tra.",
        "Do not rely on this file yet. Tell the school whose seal it is, so that it can look into it.",
    ),
)

_RETAKE: Final[Pair] = (
    "Chụp lại gần hơn, đủ sáng, thấy cả bốn góc mã; hoặc gõ mã tra cứu in cạnh mã QR.",
    "Take the photo again: closer, with more light, all four corners in view; or type the code printed "
    "beside the QR.",
)
_RETYPE: Final[Pair] = (
    "Gõ lại mã tra cứu và ngày sinh đúng như in trên học bạ, hoặc quét lại mã QR. Nếu vẫn không được, hãy "
    "hỏi trường có tên trên giấy.",
    "Type the code and the date of birth again exactly as printed, or scan the QR code again. If that does "
    "not help, ask the school named on the paper.",
)
_PDF_FROM_SOURCE: Final[Pair] = (
    "Chọn tệp PDF nhận từ nhà trường, hoặc ảnh chụp mã QR in trên học bạ.",
    "Choose the PDF file received from the school, or a photo of the QR code printed on the record.",
)
_ADD_CHECK_CODE: Final[Pair] = (
    "Nhập thêm 8 ký tự mã đối chiếu in cạnh mã tra cứu để biết tờ giấy là bản nào.",
    "Add the 8 characters of the check code, printed beside the record code, to learn which version the "
    "paper is.",
)
_ASK_GIVER: Final[Pair] = (
    "Chưa nên dùng tệp này. Hãy xin tệp PDF gốc, hoặc hỏi trường có tên trên học bạ.",
    "Do not rely on this file yet. Ask for the original PDF, or ask the school named on the record.",
)
#: Ends a sentence about a signature; said once an answer, however many reasons it has.
_NOT_EDITED: Final[Pair] = (
    "Điều này không nói lên rằng tệp bị sửa.",
    "This does not say that the file was changed.",
)
_NOT_KNOWN_HEAD: Final[Pair] = ("Không xác định được nơi cấp", "We cannot confirm who issued this")
_NOT_RECORD_HEAD: Final[Pair] = (
    "Cổng không kiểm tra được loại tệp này",
    "This portal cannot check this kind of file",
)

#: CONTENT_DIFFERS, one entry a reason.
_DIFFERS: Final[Mapping[str, _Entry]] = {
    "changed_after_issue": _entry(
        Tone.WARN,
        ("Tệp không còn nguyên như bản trường cấp", "The file is no longer as the school issued it"),
        (
            "Tệp bắt đầu đúng như {version} của học bạ do {issuer} cấp, nhưng sau đó có nội dung được thêm "
            "vào. Tệp không còn nguyên như bản trường cấp; chưa có nghĩa là bị sửa điểm.",
            "The file begins exactly as {version} of the record issued by {issuer}, but something was "
            "added after it. It is no longer as the school issued it; that does not mean that marks were "
            "changed.",
        ),
        _ASK_ORIGINAL,
    ),
    "archive_addition": _entry(
        Tone.WARN,
        ("Tệp có thêm một phần chưa được đăng ký", "The file has an added part that is not registered"),
        (
            "Tệp bắt đầu đúng như {version} của học bạ do {issuer} cấp. Phần thêm vào chỉ để nhiều năm sau "
            "vẫn kiểm tra được chữ ký, nhưng tệp này chưa được đăng ký nên không còn nguyên như bản trường "
            "cấp.",
            "The file begins exactly as {version} of the record issued by {issuer}. What was added only "
            "serves to check the signatures many years from now, but this file is not registered, so it is "
            "not as the school issued it.",
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
            "does not mean that marks were changed. Saving it again, printing it to PDF, compressing it or "
            "sending it through a messaging app changes a file too.",
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
            "Nếu bạn gõ mã bằng tay, hãy gõ lại. Nếu mã được quét từ giấy, chưa nên dùng tờ giấy đó và hãy "
            "hỏi trường có tên trên giấy.",
            "If you typed the code, type it again. If it was scanned from paper, do not rely on that paper "
            "yet and ask the school named on it.",
        ),
    ),
    "values_differ": _entry(
        Tone.WARN,
        ("Giấy không khớp với bản trường cấp", "The paper does not match what the school issued"),
        (
            "Ít nhất một điều bạn nhập khác với {version} của học bạ do {issuer} cấp. Gõ nhầm một ô cũng cho "
            "kết quả này; cổng không cho biết chỗ nào khác.",
            "At least one thing you typed differs from {version} of the record issued by {issuer}. One "
            "mistyped box gives this answer too; the portal does not say which differs.",
        ),
        (
            "So lại từng ô với giấy rồi thử lại. Nếu vẫn không khớp, hãy hỏi trường cấp.",
            "Check every box against the paper and try again. If it still does not match, ask the school "
            "that issued it.",
        ),
    ),
}

#: NOT_VERIFIED, one entry a reason class.
_NOT_VERIFIED: Final[Mapping[str, _Entry]] = {
    "read_leniently": _entry(
        Tone.WARN,
        ("Tệp PDF được tạo không đúng cách", "The PDF file is not made properly"),
        (
            "Mở bằng mỗi phần mềm, tệp này có thể hiện ra một nội dung khác, nên cổng không xác nhận được "
            "gì. Những gì đọc được chỉ liệt kê bên dưới để tham khảo. Phần mềm văn phòng hay tạo ra tệp như "
            "vậy; chưa có nghĩa là bị sửa điểm.",
            "Each program may show something else when it opens this file, so the portal cannot confirm "
            "anything. What could be read is listed below for information only. Office programs often write "
            "such files; it does not mean that marks were changed.",
        ),
        _ASK_ORIGINAL,
    ),
    "no_signature": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp PDF này không có chữ ký số nào, nên không có gì cho biết ai đã cấp.",
            "This PDF carries no digital signature, so nothing in it shows who issued it.",
        ),
        _ASK_GIVER,
    ),
    "changed_after_signing": _entry(
        Tone.WARN,
        (
            "Chữ ký số không còn khớp với nội dung tệp",
            "The digital signature no longer fits the file",
        ),
        (
            "Nội dung của tệp không còn như lúc được ký số, hoặc có phần không được ký. Lưu lại hoặc gửi qua "
            "ứng dụng nhắn tin cũng gây ra điều này; chưa có nghĩa là bị sửa điểm.",
            "The content is no longer as it was when signed, or part of it was not signed. Saving the file "
            "again or sending it through a messaging app causes this too; it does not mean that marks were "
            "changed.",
        ),
        _ASK_ORIGINAL,
    ),
    "signature_unreadable": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp có chữ ký số, nhưng ít nhất một chữ ký không đọc được hoặc không được làm như chữ ký của "
            "học bạ số, nên không xác định được ai đã ký.",
            "The file is digitally signed, but at least one signature cannot be read or is not made the way "
            "school records are signed, so it does not show who signed.",
        ),
        _ASK_ORIGINAL,
    ),
    "untrusted_signer": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp có chữ ký số, nhưng ít nhất một chữ ký không do nơi mà cổng tin cậy cấp. Tên ghi trong chữ "
            "ký đó chưa chứng minh được điều gì.",
            "The file is digitally signed, but at least one signature was not given out by anyone this "
            "portal trusts. The name in that signature proves nothing yet.",
        ),
        _ASK_GIVER,
    ),
    "certificate_expired": _entry(
        Tone.WARN,
        ("Chữ ký số của người ký đã hết hạn", "A signer's digital signature has expired"),
        (
            "Chữ ký số mà ít nhất một người ký đã dùng nay hết hạn, và không có gì chứng minh tệp được ký "
            f"trước lúc đó. {_NOT_EDITED[0]}",
            "The digital signature that at least one signer used has expired, and nothing proves that the "
            f"file was signed before that. {_NOT_EDITED[1]}",
        ),
        _ASK_GIVER,
    ),
    "certificate_unusable": _entry(
        Tone.WARN,
        _NOT_KNOWN_HEAD,
        (
            "Tệp có chữ ký số, nhưng vào lúc ký, ít nhất một người không được dùng chữ ký đó để ký giấy tờ.",
            "The file is digitally signed, but at that time at least one signer could not use that signature "
            "for documents.",
        ),
        _ASK_GIVER,
    ),
    "certificate_revoked": _entry(
        Tone.WARN,
        ("Chữ ký số của người ký đã bị thu hồi", "A signer's digital signature has been cancelled"),
        (
            "Một chữ ký số dùng để ký tệp này đã bị thu hồi, hoặc nơi cấp chữ ký đó không còn được cấp nữa, "
            "và không có gì chứng minh tệp được ký trước lúc đó.",
            "A digital signature this file was signed with has been cancelled, or whoever gave it out may no "
            "longer do so, and nothing proves that the file was signed before that.",
        ),
        _ASK_GIVER,
    ),
    "signer_not_authorised": _entry(
        Tone.WARN,
        (
            "Chưa xác nhận được quyền ký của người ký",
            "We cannot confirm the signer's right to sign",
        ),
        (
            "Theo danh sách của cổng, ít nhất một chữ ký trên tệp không phải của người hoặc con dấu được "
            f"duyệt ký học bạ cho trường ở vai trò đó. {_NOT_EDITED[0]}",
            "According to the portal's list, at least one signature on this file is not by someone approved "
            f"to sign records for the school in that role. {_NOT_EDITED[1]}",
        ),
        _ASK_GIVER,
    ),
    "weak_signature": _entry(
        Tone.WARN,
        ("Chữ ký số làm theo cách đã cũ", "A digital signature is made in an old way"),
        (
            "Ít nhất một chữ ký trên tệp được làm theo cách không còn đủ chắc với máy tính ngày nay, nên "
            f"không đủ làm bằng chứng. {_NOT_EDITED[0]}",
            "At least one signature on the file is made in a way that is no longer strong enough against "
            f"today's computers, so it is not enough as proof. {_NOT_EDITED[1]}",
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
    "unknown_code": _entry(
        Tone.WARN,
        ("Không tìm thấy học bạ", "No record found"),
        (
            "Không có học bạ nào trong sổ đăng ký ứng với mã này, hoặc ngày sinh đã nhập không đúng. Học bạ "
            "cấp trước khi trường dùng cổng cũng không có ở đây.",
            "No record in the registry goes with this code, or the date of birth that was typed is not "
            "right. Records issued before the school joined the portal are not here either.",
        ),
        _RETYPE,
    ),
    "malformed_code": _entry(
        Tone.WARN,
        ("Mã bị thiếu, thừa hoặc sai ký tự", "The code has missing, extra or wrong characters"),
        (
            "Mã trông giống mã học bạ nhưng không đúng cách viết, nên không tra cứu được. Chép nhầm một ký "
            "tự cũng cho kết quả này.",
            "This looks like a record code, but it is not written as one, so it cannot be looked up. One "
            "miscopied character gives this answer too.",
        ),
        _RETYPE,
    ),
    "foreign_code": _entry(
        Tone.WARN,
        ("Đây không phải mã của học bạ số", "This is not the code of a school record"),
        (
            "Mã đọc được nhưng là mã dùng cho việc khác, nên không nói gì về học bạ.",
            "The code can be read, but it is a code for something else, so it says nothing about the record.",
        ),
        (
            "Tìm mã QR in cạnh tên cổng này trên học bạ rồi kiểm tra lại.",
            "Look for the QR code printed beside this portal's name on the record and check that.",
        ),
    ),
    "foreign_link": _entry(
        Tone.BAD,
        ("Cẩn thận: mã này dẫn tới một trang lạ", "Careful: this leads to a page that is not ours"),
        (
            "Địa chỉ trong mã không thuộc cổng này. Kẻ gian có thể dán mã của họ lên giấy và dựng một trang "
            "mạo danh luôn trả lời rằng học bạ là đúng. Cổng không mở địa chỉ đó.",
            "The address in it does not belong to this portal. Somebody may put a code of their own on a "
            "paper and run a page that imitates this one and always answers that the record is right. The "
            "portal does not open that address.",
        ),
        (
            "Đừng mở địa chỉ đó, đừng nhập mật khẩu hay mã OTP ở đó. Xem địa chỉ in dưới mã QR: mã của "
            "học bạ luôn dẫn về đúng cổng này. Nếu trên giấy chỉ có mã lạ, hãy hỏi trực tiếp trường cấp.",
            "Do not open that address, and do not enter a password or a code sent to your telephone there. "
            "Look at the address printed under the QR code: the code of a record always leads to this very "
            "portal. If the paper has only a strange code, ask the school that issued the record.",
        ),
    ),
    "several_codes": _entry(
        Tone.WARN,
        ("Có nhiều mã học bạ khác nhau", "Several different record codes"),
        (
            "Trên cùng một tài liệu có nhiều mã học bạ khác nhau, nên không biết kiểm tra mã nào.",
            "The document shows several different record codes, so it is not clear which one to check.",
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
            "Ảnh hoặc bản quét không mang chữ ký số; chỉ mã QR trong ảnh mới tra cứu được, và không thấy mã "
            "nào.",
            "A photo or scan carries no digital signature; only a QR code in it can be looked up, and none "
            "was seen.",
        ),
        _RETAKE,
    ),
    "version_not_named": _entry(
        Tone.INFO,
        (
            "Có học bạ này, nhưng chưa biết giấy là bản nào",
            "There is such a record, but which version the paper is stays open",
        ),
        (
            "Mã và ngày sinh đúng. Bản đang lưu hành là {version}; chữ ký số và nội dung trên giấy chưa "
            "được xét.",
            "The code and the date of birth are right. The current version is {version}; digital signatures "
            "and what is printed on the paper have not been looked at.",
        ),
        _ADD_CHECK_CODE,
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
            "Đây là tệp dữ liệu (XML). Cổng kiểm tra học bạ ở dạng PDF hoặc ảnh chụp mã QR.",
            "This is a data file (XML). The portal checks a record as a PDF file or by a photo of its QR "
            "code.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "xml_record": _entry(
        Tone.WARN,
        (
            "Học bạ ở dạng tệp dữ liệu chưa kiểm tra được ở đây",
            "Records as data files cannot be checked here yet",
        ),
        (
            "Tệp giống học bạ số ở dạng dữ liệu (XML) của ngành giáo dục. Cổng này mới kiểm tra được bản "
            "PDF, nên không nói gì về tệp.",
            "The file looks like a school record in the education sector's data form (XML). So far this "
            "portal checks only the PDF form, so it says nothing about the file.",
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
            "Đây là tệp nén (ZIP) hoặc tệp văn phòng như Word, Excel, không phải một tệp PDF.",
            "This is a packed file (ZIP) or an office file such as Word or Excel, not a PDF.",
        ),
        (
            "Mở tệp nén, lấy tệp PDF bên trong rồi kiểm tra tệp đó.",
            "Unpack it, take out the PDF and check that file.",
        ),
    ),
    "encrypted": _entry(
        Tone.WARN,
        ("Tệp có mật khẩu", "The file is protected by a password"),
        (
            "Không mở được tệp vì tệp bị khoá bằng mật khẩu. Học bạ cấp qua cổng này không đặt mật khẩu.",
            "The file cannot be opened because it is protected by a password. Records issued through this "
            "portal have none.",
        ),
        _ASK_READABLE,
    ),
    "not_pdf_or_image": _entry(
        Tone.WARN,
        _NOT_RECORD_HEAD,
        (
            "Tệp không phải PDF, cũng không phải loại ảnh mà cổng đọc được.",
            "The file is neither a PDF nor a kind of picture that the portal can read.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "too_large": _entry(
        Tone.WARN,
        ("Tệp quá lớn để kiểm tra", "The file is too large to be checked"),
        (
            "Tệp lớn hơn hoặc phức tạp hơn mọi học bạ cấp qua cổng này, nên không được kiểm tra.",
            "The file is larger or more complex than any record issued through this portal, so it was not "
            "checked.",
        ),
        _PDF_FROM_SOURCE,
    ),
    "broken_pdf": _entry(
        Tone.WARN,
        ("Không đọc được tệp PDF này", "This PDF cannot be read"),
        (
            "Tệp mở đầu như PDF nhưng bị hỏng hoặc thiếu một phần, có thể do tải về chưa hết.",
            "The file begins like a PDF, but is damaged or incomplete, perhaps because the download was "
            "cut off.",
        ),
        _ASK_READABLE,
    ),
    "broken_image": _entry(
        Tone.WARN,
        ("Không đọc được ảnh này", "This picture cannot be read"),
        ("Tệp ảnh bị hỏng hoặc thiếu một phần.", "The picture file is damaged or incomplete."),
        _RETAKE,
    ),
}

#: A code without its 8 characters, when no version of the record is current any more.
_RECALLED_NOT_NAMED: Final = _entry(
    Tone.BAD,
    _BY_EVIDENCE[Outcome.GENUINE_REVOKED, Evidence.CODE].headline,
    (
        "Mã và ngày sinh đúng, nhưng học bạ đã được thu hồi{since}{reason}. Nội dung trên giấy chưa được so.",
        "The code and the date of birth are right, but the record was withdrawn{since}{reason}. What is "
        "printed on the paper has not been compared.",
    ),
    _WITHDRAWN,
)

#: What a code adds to the answer about the file that carries it, and a file to that about its structure.
_FURTHER: Final[Mapping[str, Pair]] = {
    "no_signature": (
        "Không thấy chữ ký số nào trong tệp.",
        "No digital signature was seen in the file.",
    ),
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
    "foreign_link": (
        "Mã QR trên tệp dẫn tới một trang lạ, không phải cổng này. Đừng mở trang đó.",
        "The QR code on the file leads to a page that is not this portal. Do not open it.",
    ),
}

_UNCHECKED_HEAD: Final[Pair] = ("Chưa kiểm tra được", "This could not be checked yet")
_SAYS_NOTHING: Final[Pair] = (
    "Vì vậy chưa kết luận được gì về học bạ này: chưa phải là đúng, cũng chưa phải là sai.",
    "Nothing can be said about this record yet: neither that it is right nor that it is wrong.",
)
_TRY_AGAIN: Final[Pair] = ("Thử lại sau ít phút.", "Try again in a few minutes.")
_TRY_LATER: Final[Pair] = (
    "Thử lại sau. Nếu cần gấp, hãy hỏi trực tiếp trường cấp.",
    "Try again later. If it is urgent, ask the school that issued the record.",
)
_ASK_ORIGINAL_SMALL: Final[Pair] = (
    "Nếu đây không phải tệp PDF gốc, hãy xin tệp gốc rồi kiểm tra lại. Nếu cần gấp, hãy hỏi trực tiếp "
    "trường cấp.",
    "If this is not the original PDF, ask for the original and check that. If it is urgent, ask the school "
    "that issued the record.",
)
_NEW_LISTS: Final[Pair] = (
    "Cổng phải nhận danh sách mới trước đã; thử lại ngay cũng chưa có kết quả. Nếu cần gấp, hãy hỏi trực "
    "tiếp trường cấp.",
    "The portal must get a new list first; trying again right away will not help. If it is urgent, ask the "
    "school that issued the record.",
)
_ASK_WHO_DECIDED: Final[Pair] = (
    "Thử lại cũng không có kết quả khác. Hãy hỏi trường cấp hoặc Sở Giáo dục và Đào tạo.",
    "Trying again will not help. Ask the school that issued the record, or the department of education.",
)
_NEW_BUNDLE: Final[Pair] = (
    "Tải bản sao mới (gói tin cậy) rồi kiểm tra lại, hoặc kiểm tra trên trang của cổng.",
    "Get a fresh copy (trust bundle) and check again, or check on the portal's page.",
)

#: CHECK_INCOMPLETE: what kept us from finishing, and what to do. ``""`` is the fallback for any other code.
_INCOMPLETE: Final[Mapping[str, tuple[Pair, Pair]]] = {
    "": (("Một bước kiểm tra chưa xong.", "One step of the check could not be finished."), _TRY_AGAIN),
    "deadline": (
        ("Kiểm tra mất quá nhiều thời gian nên đã dừng.", "The check took too long and was stopped."),
        _TRY_AGAIN,
    ),
    "crashed": (
        (
            "Máy của cổng dừng giữa chừng khi kiểm tra tệp này.",
            "The portal's computer stopped halfway through this file.",
        ),
        _ASK_ORIGINAL_SMALL,
    ),
    "memory": (
        (
            "Tệp này quá nặng cho một lần kiểm tra.",
            "This file is too heavy for one check.",
        ),
        _ASK_ORIGINAL_SMALL,
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
            "Bản sao sổ đăng ký trên máy này đã quá cũ.",
            "The copy of the registry on this computer is too old.",
        ),
        _NEW_BUNDLE,
    ),
    "clock": (
        (
            "Đồng hồ các máy của cổng đang lệch nhau, nên chưa xét được chữ ký số.",
            "The clocks of the portal's computers disagree, so it cannot judge the digital signatures yet.",
        ),
        _TRY_AGAIN,
    ),
    "trust_unavailable": (
        (
            "Hiện không đọc được danh sách những ai được ký học bạ.",
            "The list of those who may sign records cannot be read at the moment.",
        ),
        _TRY_AGAIN,
    ),
    "revalidation_pending": (
        (
            "Danh sách những ai được ký, hoặc cách kiểm tra, vừa thay đổi, và học bạ này đang chờ được kiểm "
            "tra lại.",
            "The list of those who may sign, or the way of checking, has changed, and this record is waiting "
            "to be checked again.",
        ),
        _TRY_LATER,
    ),
    "standing_lapsed": (
        (
            "Lần gần nhất cổng xét chữ ký số của học bạ này là{checked}. Danh sách những chữ ký số đã bị thu "
            "hồi mà cổng có lúc đó nay đã cũ hoặc chưa đủ, nên chưa biết chữ ký trên học bạ còn dùng được "
            "hay không.",
            "The portal last looked at this record's digital signatures{checked}. The list of cancelled "
            "signatures that it had then is out of date or incomplete by now, so it is not known whether "
            "those on the record are still good.",
        ),
        _NEW_LISTS,
    ),
    "evidence_destroyed": (
        (
            "Học bạ này từng có trong sổ đăng ký, nhưng nội dung và tệp đã bị hủy theo một quyết định, nên "
            "cổng không còn gì để đối chiếu.",
            "This record was once in the registry, but its content and files were destroyed by a decision, "
            "so the portal has nothing left to compare with.",
        ),
        _ASK_WHO_DECIDED,
    ),
    "crl_stale": (
        (
            "Danh sách những chữ ký số đã bị thu hồi mà cổng đang có đã cũ, nên chưa biết chữ ký trên học bạ "
            "còn dùng được hay không.",
            "The list of cancelled signatures that the portal has is out of date, so it is not known whether "
            "those on the record are still good.",
        ),
        _NEW_LISTS,
    ),
    "crl_after_expiry": (
        (
            "Chữ ký số của một người ký nay đã hết hạn, và danh sách những chữ ký số đã bị thu hồi không còn "
            "ghi về chữ ký đó.",
            "The digital signature of one signer has expired by now, and the list of cancelled signatures no "
            "longer speaks of it.",
        ),
        _NEW_LISTS,
    ),
    "timestamp_unchecked": (
        (
            "Ngày ký do một nơi khác đóng dấu xác nhận, mà cổng chưa có danh sách mới để biết con dấu của "
            "nơi đó còn dùng được hay không.",
            "The date of signing is confirmed by the stamp of another authority, and the portal has no new "
            "list that says whether that stamp is still good.",
        ),
        _NEW_LISTS,
    ),
    "crl_missing": (
        (
            "Cổng chưa có danh sách những chữ ký số đã bị thu hồi, nên chưa biết chữ ký trên học bạ còn dùng "
            "được hay không.",
            "The portal has no list of cancelled signatures yet, so it is not known whether those on the "
            "record are still good.",
        ),
        _NEW_LISTS,
    ),
}

_EVIDENCE: Final[Mapping[Evidence, Pair]] = {
    Evidence.FILE: (
        "Đã kiểm tra chính tệp này, từ đầu đến cuối.",
        "This very file was checked, from beginning to end.",
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
# What was looked at, where it was less than the evidence promises.
_NOT_OPENED: Final[Pair] = (
    "Đã nhận tệp, nhưng không kiểm tra được nội dung.",
    "The file was received, but its content could not be checked.",
)
_ONLY_COMPARED: Final[Pair] = (
    "Chỉ so được tệp với sổ đăng ký.",
    "The file could only be compared with the registry.",
)
_PARTLY: Final[Pair] = ("Mới kiểm tra được một phần.", "Only part of the check could be done.")
_FILE_UNFINISHED: Final[Pair] = (
    "Đã nhận tệp, nhưng chưa kiểm tra xong.",
    "The file was received, but the check was not finished.",
)
_CODE_UNANSWERED: Final[Pair] = ("Chưa tra cứu được mã.", "The code could not be looked up.")
_CODE_ONLY_READ: Final[Pair] = (
    "Chỉ đọc mã, chưa tra cứu được học bạ nào.",
    "Only the code was read; no record was looked up.",
)
_NO_CODE: Final[Pair] = ("Không có mã nào để kiểm tra.", "There is no code to check.")
_MATCH_UNSAID: Final[Pair] = (
    "Chỉ mã được xét; giấy có khớp hay không thì không nêu.",
    "Only the code counts here; whether the paper matches is not said.",
)

_TONES: Final[Mapping[Tone, Pair]] = {
    Tone.OK: ("Khớp", "Matches"),
    Tone.INFO: ("Mới kiểm tra mã", "Code only"),
    Tone.UNFINISHED: ("Chưa xong", "Not finished"),
    Tone.WARN: ("Lưu ý", "Take note"),
    Tone.BAD: ("Cảnh báo", "Warning"),
}

_ROLES: Final[Mapping[Role, Pair]] = {
    Role.GVBM: ("Giáo viên bộ môn", "Subject teacher"),
    Role.GVCN: ("Giáo viên chủ nhiệm", "Homeroom teacher"),
    Role.CBQL: ("Hiệu trưởng hoặc giám đốc", "Principal or director"),
    Role.KY_PHAT_HANH: ("Con dấu số của nhà trường", "School seal"),
}
#: The name of a field that is not ours is a stranger's text: never said in our voice.
_NO_ROLE: Final[Pair] = ("Chữ ký không thuộc mẫu học bạ", "Signature outside the school record form")
#: Who heads the school: continuing-education centres have a director (TT 43/2021).
_HEAD: Final[Pair] = ("Hiệu trưởng", "Principal")
_HEAD_OF_CENTRE: Final[Pair] = ("Giám đốc", "Director")

_CAPACITIES: Final[Mapping[str, Pair]] = {
    "": ("", ""),
    "KT": ("KT., ký thay người đứng đầu", "KT., on behalf of the head"),
    "Q": ("Q., quyền người đứng đầu", "Q., acting head"),
    "ky_thay": ("{head} ký thay", "signed by the {head} instead"),
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
    (CheckName.BYTE_RANGE, CheckStatus.PASSED): (
        "Phần được ký không bỏ sót chỗ nào, trừ chỗ đặt chính chữ ký.",
        "The signed part leaves nothing out but the place of the signature itself.",
    ),
    (CheckName.BYTE_RANGE, CheckStatus.FAILED): (
        "Phần được ký bỏ sót những chỗ không phải của chính chữ ký.",
        "The signed part leaves out places that are not those of the signature itself.",
    ),
    (CheckName.COVERAGE, CheckStatus.PASSED): (
        "Chữ ký bao trùm toàn bộ tài liệu vào lúc ký, sau đó chỉ có thay đổi được phép.",
        "The signature covers the whole document as it was then; only permitted changes followed.",
    ),
    (CheckName.COVERAGE, CheckStatus.FAILED): (
        "Có phần tài liệu không được chữ ký bao trùm, hoặc có thay đổi không được phép.",
        "Part of the document is not covered by the signature, or a change was not permitted.",
    ),
    (CheckName.COVERAGE, CheckStatus.NOT_AVAILABLE): (
        "Không xét được chữ ký bao trùm những gì, vì tệp PDF được tạo không đúng cách.",
        "What the signature covers cannot be told, because the PDF file is not made properly.",
    ),
    (CheckName.ALGORITHM, CheckStatus.PASSED): (
        "Cách làm chữ ký đủ chắc.",
        "The signature is made in a way that is strong enough.",
    ),
    (CheckName.ALGORITHM, CheckStatus.FAILED): (
        "Cách làm chữ ký không được chấp nhận.",
        "The signature is made in a way that is not accepted.",
    ),
    (CheckName.ALGORITHM, CheckStatus.WEAK): (
        "Chữ ký làm theo cách đã cũ, không còn đủ chắc để làm bằng chứng.",
        "The signature is made in an old way, no longer strong enough as proof.",
    ),
    (CheckName.CERTIFICATE, CheckStatus.PASSED): (
        "Chữ ký số do một nơi mà cổng tin cậy cấp cho người ký.",
        "The signer got the digital signature from an authority that the portal trusts.",
    ),
    (CheckName.CERTIFICATE, CheckStatus.FAILED): (
        "Chữ ký số không do nơi mà cổng tin cậy cấp, hoặc không được dùng để ký vào lúc đó.",
        "The digital signature was not given by an authority that the portal trusts, or could not be used "
        "at that time.",
    ),
    (CheckName.AUTHORITY, CheckStatus.PASSED): (
        "Người ký được duyệt ký cho trường này, đúng vai trò, vào lúc đó.",
        "The signer was approved to sign for this school in this role at that time.",
    ),
    (CheckName.AUTHORITY, CheckStatus.FAILED): (
        "Người ký không được duyệt ký cho trường này, ở vai trò này, vào lúc đó.",
        "The signer was not approved to sign for this school in this role at that time.",
    ),
    (CheckName.TIME, CheckStatus.PASSED): (
        "Các ngày giờ của chữ ký khớp nhau.",
        "The times of the signature fit together.",
    ),
    (CheckName.TIME, CheckStatus.FAILED): (
        "Ngày giờ ký ghi trong tệp không khớp với lúc cổng biết là tệp đã có.",
        "The time of signing stated in the file does not fit when the file is known to have existed.",
    ),
    (CheckName.REVOCATION, CheckStatus.PASSED): (
        "Chữ ký số của người ký chưa bị thu hồi vào lúc đó.",
        "The signer's digital signature was not cancelled at that time.",
    ),
    (CheckName.REVOCATION, CheckStatus.FAILED): (
        "Chữ ký số của người ký đã bị nơi cấp thu hồi.",
        "The signer's digital signature was cancelled by the authority that gave it.",
    ),
    (CheckName.REVOCATION, CheckStatus.INCOMPLETE): (
        "Chưa biết chữ ký số của người ký có bị thu hồi hay không, vì danh sách chưa có, đã cũ hoặc không "
        "còn ghi về chữ ký này.",
        "It is not known whether the signer's digital signature was cancelled, because the list is missing, "
        "out of date or no longer speaks of it.",
    ),
    (CheckName.REQUIRED_ROLES, CheckStatus.PASSED): (
        "Có đủ chữ ký của những người phải ký học bạ.",
        "Everyone who has to sign the record has signed.",
    ),
    (CheckName.REQUIRED_ROLES, CheckStatus.FAILED): (
        "Thiếu chữ ký của một người phải ký học bạ.",
        "Somebody who has to sign the record has not signed.",
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

#: Failures whose code says more, or something else, than the check's own sentence.
_FAILED_BY_CODE: Final[Mapping[tuple[CheckName, str], Pair]] = {
    (CheckName.REQUIRED_ROLES, "no_record"): (
        "Trong tệp không đọc được nội dung học bạ, nên không biết những ai phải ký.",
        "No school record can be read in the file, so it is not known who had to sign.",
    ),
    (CheckName.CERTIFICATE, "no_path"): (
        "Chữ ký số không do nơi nào mà cổng tin cậy cấp.",
        "The digital signature was not given by any authority that the portal trusts.",
    ),
    (CheckName.CERTIFICATE, "expired"): (
        "Chữ ký số của người ký đã hết hạn vào lúc đó.",
        "The signer's digital signature had expired at that time.",
    ),
    (CheckName.AUTHORITY, "unknown_signer"): (
        "Chữ ký số này không có trong danh sách được duyệt ký của cổng.",
        "This digital signature is not on the portal's list of those approved to sign.",
    ),
    (CheckName.AUTHORITY, "suspended"): (
        "Quyền ký bằng chữ ký số này đã bị dừng trước lúc đó.",
        "The right to sign with this digital signature had been stopped before that time.",
    ),
    (CheckName.REVOCATION, "ca_revoked"): (
        "Nơi cấp chữ ký số này đã bị thu hồi quyền cấp.",
        "The authority that gave this digital signature has lost the right to do so.",
    ),
    (CheckName.COVERAGE, "bytes_after_signature"): (
        "Sau phần được ký, tệp còn có nội dung khác.",
        "More follows in the file after the part that was signed.",
    ),
    (CheckName.COVERAGE, "seal_not_last"): (
        "Sau con dấu số còn có chữ ký khác; con dấu phải là chữ ký cuối cùng của học bạ.",
        "Another signature follows the school seal, which has to be the last one of a record.",
    ),
    (CheckName.COVERAGE, "foreign_signature"): (
        "Chữ ký này không thuộc mẫu học bạ.",
        "This signature is not part of the school record form.",
    ),
}
#: What a second opinion counts for, whatever the check.
_BY_SECOND_OPINION: Final[Mapping[str, Pair]] = {
    "library_disagrees": (
        "Công cụ kiểm tra thứ hai không chấp nhận bước này; kết quả chặt hơn được dùng.",
        "A second checking tool does not accept this step; the stricter result counts.",
    ),
    "library_failed": (
        "Công cụ kiểm tra thứ hai không xử lý được chữ ký, nên bước này không được coi là đạt.",
        "A second checking tool could not handle the signature, so this step does not count as passed.",
    ),
    "library_contradicts_itself": (
        "Công cụ kiểm tra thứ hai trả lời mâu thuẫn, nên bước này không được coi là đạt.",
        "A second checking tool contradicts itself, so this step does not count as passed.",
    ),
}
_OUT_OF_FORM: Final[Pair] = (
    "Chữ ký không đọc được, hoặc không được làm như chữ ký của học bạ số.",
    "The signature cannot be read or is not made the way school records are signed.",
)

_CHECK_NAMES: Final[Mapping[CheckName, Pair]] = {
    CheckName.INTEGRITY: ("Nội dung đã ký", "Signed content"),
    CheckName.BYTE_RANGE: ("Phần được ký", "Signed part"),
    CheckName.COVERAGE: ("Phạm vi chữ ký", "Coverage"),
    CheckName.ALGORITHM: ("Cách làm chữ ký", "Way of signing"),
    CheckName.CERTIFICATE: ("Nơi cấp chữ ký số", "Source of the digital signature"),
    CheckName.AUTHORITY: ("Quyền ký", "Authority to sign"),
    CheckName.TIME: ("Ngày giờ ký", "Time of signing"),
    CheckName.REVOCATION: ("Thu hồi chữ ký số", "Cancelled or not"),
    CheckName.REQUIRED_ROLES: ("Đủ chữ ký", "All signatures present"),
    CheckName.LOG_INCLUSION: ("Nhật ký công khai", "Public log"),
    CheckName.UNNAMED: (
        "Một bước kiểm tra mà cổng nay không còn gọi tên",
        "A check that the portal no longer names",
    ),
}

_PROVEN_BY: Final[Mapping[ProvenBy, Pair]] = {
    ProvenBy.SIGNATURE_TIMESTAMP: ("Có từ trước, theo dấu thời gian", "Existed by, as a timestamp proves"),
    ProvenBy.DOCUMENT_TIMESTAMP: (
        "Có từ trước, theo dấu thời gian lưu trữ",
        "Existed by, as an archive timestamp proves",
    ),
    ProvenBy.REGISTRATION: ("Có từ trước, theo sổ đăng ký", "Existed by, as the registry proves"),
    ProvenBy.CHECK: ("Chỉ biết là có vào lúc kiểm tra", "Only known to exist at the time of the check"),
}

_OPINION_BY: Final[Mapping[OpinionBy, Pair]] = {
    OpinionBy.OURS: ("quy tắc của cổng", "the portal's own rules"),
    OpinionBy.CLASSIC: ("pyHanko", "pyHanko"),
    OpinionBy.ADES_BASIC: ("pyHanko AdES, chữ ký cơ bản", "pyHanko AdES, basic signature"),
    OpinionBy.ADES_WITH_TIME: ("pyHanko AdES, chữ ký có thời gian", "pyHanko AdES, signature with time"),
    OpinionBy.ADES_TIMESTAMP: ("pyHanko AdES, dấu thời gian", "pyHanko AdES, timestamp"),
}
_AGREEMENTS: Final[Mapping[Agreement, Pair]] = {
    Agreement.SAME: ("", ""),
    Agreement.OTHER_REASON: ("cùng kết quả, lý do khác", "the same result for another reason"),
    Agreement.STRICTER: ("chặt hơn, nên được dùng", "stricter, so it counts"),
    Agreement.LAXER: ("lỏng hơn, nên không được dùng", "laxer, so it does not count"),
}

_TIMESTAMPS: Final[Mapping[TimestampKind, Pair]] = {
    TimestampKind.SIGNATURE: ("Dấu thời gian của chữ ký", "Timestamp of the signature"),
    TimestampKind.DOCUMENT: ("Dấu thời gian lưu trữ", "Archive timestamp"),
}

_STATUSES: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.PASSED: ("Đạt", "Passed"),
    CheckStatus.FAILED: ("Không đạt", "Failed"),
    CheckStatus.WEAK: ("Yếu", "Weak"),
    CheckStatus.INCOMPLETE: ("Chưa xong", "Not finished"),
    CheckStatus.NOT_AVAILABLE: ("Không có", "Not available"),
}

#: What a later revision did; the object, the page and the field follow in :func:`change_sentence`.
_CHANGES: Final[Mapping[ChangeKind, Pair]] = {
    ChangeKind.SIGNATURE_FILLED: ("ký vào một ô chữ ký", "a signature field was signed"),
    ChangeKind.SIGNATURE_ADDED: ("thêm một ô chữ ký", "a signature field was added"),
    ChangeKind.SIGNATURE_CHANGED: ("thay một chữ ký đã có", "a signature that was there was replaced"),
    ChangeKind.SIGNATURE_REMOVED: ("gỡ một chữ ký", "a signature was taken out"),
    ChangeKind.SIGNATURE_REDRAWN: (
        "đổi hình hoặc vị trí của ô chữ ký",
        "what a signature field shows, or its place, was changed",
    ),
    ChangeKind.DOCUMENT_TIMESTAMP: ("thêm dấu thời gian lưu trữ", "an archive timestamp was added"),
    ChangeKind.VALIDATION_DATA: (
        "thêm dữ liệu để kiểm tra chữ ký lâu dài",
        "data that keeps signatures checkable was added",
    ),
    ChangeKind.CERTIFICATION_CHANGED: (
        "đổi chữ ký chứng nhận của tài liệu",
        "the signature that certifies the document was set or changed",
    ),
    ChangeKind.FORM_VALUE_CHANGED: ("đổi giá trị điền trong biểu mẫu", "a value in the form was changed"),
    ChangeKind.FORM_FIELD_ADDED: ("thêm một ô biểu mẫu", "a form field was added"),
    ChangeKind.FORM_CHANGED: ("đổi biểu mẫu", "the form was changed"),
    ChangeKind.ANNOTATION_ADDED: ("thêm chú thích hoặc hình đè lên trang", "something was put over the page"),
    ChangeKind.ANNOTATION_CHANGED: (
        "đổi chú thích hoặc hình đè lên trang",
        "something that lies over the page was changed",
    ),
    ChangeKind.ANNOTATION_REMOVED: (
        "bỏ chú thích hoặc hình đè lên trang",
        "something that lay over the page was taken away",
    ),
    ChangeKind.PAGE_CONTENT_CHANGED: ("đổi nội dung trang", "the content of a page was changed"),
    ChangeKind.PAGE_CHANGED: (
        "đổi khổ, phông chữ hoặc hình của trang",
        "the size, fonts or pictures of a page were changed",
    ),
    ChangeKind.PAGE_ADDED: ("thêm trang", "a page was added"),
    ChangeKind.PAGE_REMOVED: ("bỏ trang", "a page was taken out"),
    ChangeKind.PAGE_REPLACED: ("thay trang bằng trang khác", "a page was replaced by another"),
    ChangeKind.NAMES_CHANGED: (
        "đổi danh mục tên hoặc tệp đính kèm",
        "the lists of names or of attached files were changed",
    ),
    ChangeKind.METADATA_CHANGED: ("cập nhật thông tin mô tả tệp", "information about the file was updated"),
    ChangeKind.VERSION_CHANGED: ("ghi lại phiên bản PDF", "the version of PDF was stated anew"),
    ChangeKind.CATALOG_CHANGED: (
        "đổi cấu trúc chung của tài liệu",
        "the document's overall structure was changed",
    ),
    ChangeKind.CATALOG_REPLACED: (
        "thay toàn bộ cấu trúc chung của tài liệu",
        "the document's overall structure was replaced",
    ),
    ChangeKind.OBJECT_REPLACED: ("ghi đè một thành phần của tệp", "a part of the file was written over"),
    ChangeKind.OBJECT_DELETED: ("xoá một thành phần của tệp", "a part of the file was deleted"),
    ChangeKind.OBJECTS_ADDED: (
        "thêm dữ liệu mà phần đã có không dùng đến",
        "data was added that nothing before it uses",
    ),
    ChangeKind.UNEXPLAINED_BYTES: (
        "có dữ liệu không thuộc lần lưu nào",
        "there is data that belongs to no revision",
    ),
}
_MOST_CHANGES: Final = 5  # among what was checked; the technical details list all that are known
_LENIENT: Final[Pair] = (
    "Tệp PDF được tạo không đúng cách nên chỉ được đọc thử; không kết luận gì từ cách đọc đó.",
    "The PDF file is not made properly and was only read tentatively; nothing follows from that.",
)

_MEDIA: Final[Mapping[Medium, Pair]] = {
    Medium.PDF: ("tệp PDF", "PDF file"),
    Medium.PDF_OF_IMAGES: ("tệp PDF chỉ gồm ảnh trang", "PDF of page images only"),
    Medium.IMAGE: ("ảnh", "picture"),
    Medium.CODE: ("mã", "code"),
    Medium.OTHER: ("tệp khác", "other file"),
}


_IN_REGISTRY: Final[Mapping[tuple[str, bool], Pair]] = {
    ("file", True): (
        "Tệp giống hệt một tệp trong sổ đăng ký học bạ.",
        "The file is exactly the same as one in the registry of records.",
    ),
    ("file", False): (
        "Tệp không giống hệt tệp nào trong sổ đăng ký học bạ.",
        "No file in the registry of records is exactly the same as this one.",
    ),
    ("code", True): (
        "Mã có trong sổ đăng ký học bạ.",
        "The code is in the registry of records.",
    ),
    ("code", False): (
        "Không bản nào trong sổ đăng ký học bạ ứng với những gì đã quét hoặc nhập.",
        "No version in the registry of records goes with what was scanned or typed.",
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
_NO_SIGNATURES: Final[Pair] = ("Tệp không có chữ ký số nào.", "The file carries no digital signature.")
_SIGNATURES_UNREAD: Final[Pair] = (
    "Chữ ký số: không kiểm tra được, vì không đọc được trọn vẹn tệp.",
    "Digital signatures: they could not be checked, because the file cannot be read whole.",
)
#: Of several signatures, by how each ended; the gravest first.
_SIGNATURES: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.FAILED: (
        "{some} trong {count} chữ ký số không đạt.",
        "Did not pass: {some} of {count} digital signatures.",
    ),
    CheckStatus.WEAK: (
        "{some} trong {count} chữ ký số làm theo cách đã cũ, không còn đủ chắc.",
        "Made in an old way, no longer strong enough: {some} of {count} digital signatures.",
    ),
    CheckStatus.INCOMPLETE: (
        "{some} trong {count} chữ ký số chưa kiểm tra xong.",
        "Not finished: {some} of {count} digital signatures.",
    ),
    CheckStatus.PASSED: (
        "{some} trong {count} chữ ký số đạt mọi bước kiểm tra.",
        "Passed every check: {some} of {count} digital signatures.",
    ),
}
#: Of several that all ended alike.
_ALL_SIGNATURES: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.FAILED: (
        "Cả {count} chữ ký số đều không đạt.",
        "None of the {count} digital signatures passes.",
    ),
    CheckStatus.WEAK: (
        "Cả {count} chữ ký số đều làm theo cách đã cũ, không còn đủ chắc.",
        "All {count} digital signatures are made in an old way, no longer strong enough.",
    ),
    CheckStatus.INCOMPLETE: (
        "Cả {count} chữ ký số đều chưa kiểm tra xong.",
        "The checks of all {count} digital signatures are not finished.",
    ),
    CheckStatus.PASSED: (
        "Cả {count} chữ ký số đều đạt mọi bước kiểm tra.",
        "All {count} digital signatures pass every check.",
    ),
}
#: Of the only one.
_ONE_SIGNATURE: Final[Mapping[CheckStatus, Pair]] = {
    CheckStatus.FAILED: ("Chữ ký số trên tệp không đạt.", "The digital signature on the file does not pass."),
    CheckStatus.WEAK: (
        "Chữ ký số trên tệp làm theo cách đã cũ, không còn đủ chắc.",
        "The digital signature on the file is made in an old way, no longer strong enough.",
    ),
    CheckStatus.INCOMPLETE: (
        "Chữ ký số trên tệp chưa kiểm tra xong.",
        "The check of the digital signature on the file is not finished.",
    ),
    CheckStatus.PASSED: (
        "Chữ ký số trên tệp đạt mọi bước kiểm tra.",
        "The digital signature on the file passes every check.",
    ),
}
#: Codes that never reached the registry, or whose version stays open.
_ONLY_READ: Final = frozenset({"malformed_code", "foreign_code", "foreign_link", "several_codes"})
#: Of a picture that shows a code of ours and, beside it, one that opens something else.
_STRANGE_BESIDE: Final[Pair] = (
    "Cạnh mã của học bạ còn một mã QR dẫn tới một trang lạ. Đừng mở mã đó: trang lạ có thể mạo danh cổng "
    "này.",
    "Beside the code of the record there is another QR code, which leads to a page that is not ours. Do not "
    "open it: that page may imitate this portal.",
)
#: Of a kept answer about a seal: whose it is stood in the file alone, which nobody kept.
_SEAL_UNNAMED: Final[Pair] = (
    "Kết quả đã giữ không ghi tên trường nào. Muốn biết con dấu là của trường nào, hãy kiểm tra lại chính "
    "tệp đó.",
    "A kept result holds no school's name. To learn whose seal it is, check the file itself again.",
)
_NOT_LOOKED_UP: Final = _ONLY_READ | {"no_code", "version_not_named"}
_KNOWN: Final = GENUINE | {Outcome.REGISTERED_BUT_SIGNATURE_FAILS}


def say(
    verdict: Verdict,
    language: Language,
    *,
    issuer: str | None = None,
    current_version: int | None = None,
    holder: bool = False,
) -> Words:
    """Word one verdict. Total: every outcome, evidence and reason gives three non-empty texts.

    ``issuer`` is the public name of the school that issued the record or, for a seal that the registry knows
    nothing of, of the school whose seal it is; ``current_version`` is the number that replaced a superseded
    version. Both may be unknown. An unknown reason code falls back to the outcome's general words, never to
    silence. ``holder`` words the answer to a code for somebody who looks at their own record.
    """
    entry = _choose(verdict, holder=holder)
    at = _at(language)
    sentence = _fill(entry.sentence[at], verdict, language, issuer, current_version)
    told = sentence
    further: list[str] = []
    for reason in verdict.reasons[1:]:
        words = _reason_sentence(verdict.outcome, reason, language)
        other = _fill(words, verdict, language, issuer, current_version)
        if _NOT_EDITED[at] in told:
            other = other.removesuffix(_NOT_EDITED[at]).rstrip()
        if other and other not in told:
            further.append(other)
            told += other
    return Words(entry.headline[at], sentence, entry.next_step[at], entry.tone, tuple(further))


def strange_beside(language: Language) -> str:
    """The warning for a picture that shows, beside the code that was answered, one that opens something
    else.
    """
    return _STRANGE_BESIDE[_at(language)]


def seal_unnamed(language: Language) -> str:
    """Why the kept answer about a seal does not say whose it is, and how to learn that."""
    return _SEAL_UNNAMED[_at(language)]


def spoken(said: Words, verdict: Verdict, report: ValidationReport, language: Language) -> dict[str, Any]:
    """``words`` of the JSON that portal and command line answer: for people, and free to be reworded."""
    return {
        "language": language,
        "headline": said.headline,
        "sentence": said.sentence,
        "next_step": said.next_step,
        "further": list(said.further),
        "evidence": evidence_sentence(verdict, report, language),
        "findings": [
            {"status": f.status.value, "sentence": f.sentence} for f in findings(verdict, report, language)
        ],
    }


def spoken_checks(checks: Sequence[Check], language: Language) -> list[dict[str, str]]:
    """Checks in every JSON answer and report: stable keys, and a sentence for people."""
    return [
        {
            "name": check.name.value,
            "status": check.status.value,
            "code": check.code,
            "sentence": check_sentence(check, language),
        }
        for check in checks
    ]


def findings(verdict: Verdict, report: ValidationReport, language: Language) -> tuple[Finding, ...]:
    """What was checked, one sentence each, in the order a reader asks: registry, signatures, version, paper.

    Only what was really looked at is listed; an unfinished check lists what it reached. What could comfort
    beside a failure is left out: that all signatures are there when one of them does not pass, and that the
    version is current when its signatures fail.
    """
    at = _at(language)
    if _compared_unread(verdict, report):
        return (
            Finding(CheckStatus.FAILED, _IN_REGISTRY["file", False][at]),
            Finding(CheckStatus.NOT_AVAILABLE, _SIGNATURES_UNREAD[at]),
        )
    if report.medium is Medium.OTHER or report.problem is not None or report.incomplete is not None:
        return ()
    found: list[Finding] = []
    known = verdict.outcome in _KNOWN or "values_differ" in verdict.reasons
    standing = verdict.outcome is not Outcome.REGISTERED_BUT_SIGNATURE_FAILS
    finished = verdict.outcome is not Outcome.CHECK_INCOMPLETE
    if verdict.evidence is Evidence.FILE:
        if finished:
            found.append(Finding(_passed(known), _IN_REGISTRY["file", known][at]))
        if report.lenient:
            found.append(Finding(CheckStatus.NOT_AVAILABLE, _LENIENT[at]))
        found += _signatures(report, language)
        changed = _changed_since(report, language)
        found += [*_why_not_passed(report, language, listed=bool(changed)), *changed]
        found += [
            Finding(c.status, check_sentence(c, language)) for c in report.checks if _worth_saying(c, report)
        ]
    elif finished and not _NOT_LOOKED_UP & set(verdict.reasons):
        found.append(Finding(_passed(known), _IN_REGISTRY["code", known][at]))
        if known:
            found.append(Finding(_passed(standing), _STANDING[standing][at]))
    if known and verdict.version is not None:
        state = verdict.version.state
        current = state is VersionState.CURRENT
        if standing or not current:
            found.append(Finding(_passed(current), _STATE[state][at]))
    if known and standing and verdict.evidence is not Evidence.FILE:
        compared = CheckStatus.NOT_AVAILABLE
        if verdict.evidence is Evidence.PAPER_COMPARED:
            compared = _passed("values_differ" not in verdict.reasons)
        found.append(Finding(compared, _COMPARED[compared][at]))
    return tuple(found)


def evidence_sentence(verdict: Verdict, report: ValidationReport, language: Language) -> str:
    """What the answer speaks about, as a sentence that claims no more than was looked at."""
    return _looked_at(verdict, report)[_at(language)]


def day(moment: date, language: Language) -> str:
    """A date, the same way wherever the language is spoken."""
    if language == "vi":
        return f"{moment.day:02}/{moment.month:02}/{moment.year}"
    return f"{moment.day} {moment:%B} {moment.year}"


def school_year(year: str) -> str:
    """A school year ("2025-2026" in records) as people write it, whatever the language."""
    return year.replace("-", "–")


def tone_word(tone: Tone, language: Language) -> str:
    """The word beside the icon, so that colour is never alone in carrying meaning."""
    return _TONES[tone][_at(language)]


def role_name(role: Role | None, language: Language, level: str | None = None) -> str:
    """Name of a signature role; ``level`` of the record, where known, says who heads the school. None is
    the role of a field that no record of ours has.
    """
    if role is None:
        return _NO_ROLE[_at(language)]
    return (_head(level) if role is Role.CBQL else _ROLES[role])[_at(language)]


def capacity_words(capacity: str, language: Language, level: str | None = None) -> str:
    """KT., Q. or a signature in another's stead; empty in one's own right, the code when unknown."""
    pair = _CAPACITIES.get(capacity)
    at = _at(language)
    return capacity if pair is None else pair[at].format(head=_head(level)[at].lower())


def medium_words(medium: Medium, language: Language) -> str:
    """What was handed in."""
    return _MEDIA[medium][_at(language)]


def check_name(name: CheckName, language: Language) -> str:
    """Short label of a check."""
    return _CHECK_NAMES[name][_at(language)]


def proven_by(proof: ProvenBy, language: Language) -> str:
    """What proves the time of a signature; the time follows."""
    return _PROVEN_BY[proof][_at(language)]


def opinion_words(opinion: Opinion, language: Language) -> str:
    """Who says what in terms of EN 319 102-1, and how that stands to our own result."""
    at = _at(language)
    said = [opinion.indication.value, opinion.sub_indication and opinion.sub_indication.value, opinion.code]
    terms = " ".join(term for term in said if term)
    stands = _AGREEMENTS[opinion.agreement][at]
    return f"{_OPINION_BY[opinion.by][at]}: {terms}" + (f" ({stands})" if stands else "")


def timestamp_name(kind: TimestampKind, language: Language) -> str:
    """What a timestamp is over."""
    return _TIMESTAMPS[kind][_at(language)]


def check_status(status: CheckStatus, language: Language) -> str:
    """Short word of a check's result."""
    return _STATUSES[status][_at(language)]


def check_sentence(check: Check, language: Language) -> str:
    """A full sentence, passed or not, for one check. Total over names and statuses."""
    pair = None if check.code == "not_asked" else _CHECKS.get((check.name, check.status))
    if check.status is CheckStatus.FAILED and check.code in _BY_SECOND_OPINION:
        pair = _BY_SECOND_OPINION[check.code]
    elif check.status is CheckStatus.FAILED:
        pair = _FAILED_BY_CODE.get((check.name, check.code), pair)
        if check.name in (CheckName.INTEGRITY, CheckName.COVERAGE) and check.code not in CHANGED:
            pair = _FAILED_BY_CODE.get((check.name, check.code), _OUT_OF_FORM)
    if pair is not None:
        return pair[_at(language)]
    name, status = check_name(check.name, language), check_status(check.status, language)
    match check.status:
        case CheckStatus.INCOMPLETE:
            pair = ("{name}: bước này chưa kiểm tra xong.", "{name}: this step could not be finished.")
        case CheckStatus.NOT_AVAILABLE if check.code == "not_asked":
            pair = (
                "{name}: không xét đến, vì chữ ký không đúng với tài liệu này.",
                "{name}: not looked at, since the signature is not right for this document.",
            )
        case CheckStatus.NOT_AVAILABLE:
            pair = ("{name}: không có dữ liệu để kiểm tra.", "{name}: there is nothing to check this with.")
        case _:
            pair = ("{name}: {status}.", "{name}: {status}.")
    return pair[_at(language)].format(name=name, status=status.lower())


def change_sentence(change: Change, language: Language) -> str:
    """One change: allowed or not, what was done, where. A field's name is a stranger's text: quoted."""
    allowed = ("được phép", "permitted") if change.allowed else ("không được phép", "not permitted")
    at = _at(language)
    places = _places(change, language)
    if change.object is not None:
        places.append(f"đối tượng {change.object}" if language == "vi" else f"object {change.object}")
    return f"{allowed[at]}: {_CHANGES[change.kind][at]}{_in_brackets(places)}"


def _changed_since(report: ValidationReport, language: Language) -> list[Finding]:
    """What was done after a signature and may not be: what, on which page, in which revision of the file."""
    head = ("Thay đổi sau khi ký", "Changed after signing")[_at(language)]
    sentences: dict[str, None] = {}
    for revision in report.revisions:
        for change in revision.changes if revision.signed_before else ():
            if not change.allowed:
                places = _places(change, language)
                if revision.number is not None:
                    number = revision.number
                    places.append(
                        f"lần lưu thứ {number} của tệp" if language == "vi" else f"revision {number}"
                    )
                what = _CHANGES[change.kind][_at(language)]
                sentences[f"{head}: {what}{_in_brackets(places)}."] = None
    listed = list(sentences)[:_MOST_CHANGES]
    if rest := len(sentences) - len(listed):
        listed[-1] = f"{listed[-1][:-1]}, {unlisted(rest, language)}."
    return [Finding(CheckStatus.FAILED, sentence) for sentence in listed]


def _places(change: Change, language: Language) -> list[str]:
    """On which page, in which field."""
    places: list[str] = []
    if change.page is not None:
        places.append(f"trang {change.page}" if language == "vi" else f"page {change.page}")
    if change.field is not None:
        places.append(f"ô “{change.field}”" if language == "vi" else f"field “{change.field}”")
    return places


def _in_brackets(places: Sequence[str]) -> str:
    return f" ({', '.join(places)})" if places else ""


def revision_sentence(revision: Revision, language: Language) -> str:
    """Which revision, where in the file, and after which signatures."""
    count, last = revision.signed_before, revision.after
    if language == "vi":
        name = "sau lần lưu cuối" if revision.number is None else f"lần lưu thứ {revision.number}"
        after = f"sau {count} chữ ký, gần nhất là “{last}”" if last else "trước mọi chữ ký"
        return f"{name}, byte {revision.start}–{revision.end}, {after}"
    name = "after the last revision" if revision.number is None else f"revision {revision.number}"
    after = (
        f"after {count} signature{'s' * (count != 1)}, the last “{last}”" if last else "before any signature"
    )
    return f"{name}, bytes {revision.start}–{revision.end}, {after}"


def lenient_sentence(language: Language) -> str:
    """That strict reading refused the file, and what follows from the other reading: nothing."""
    return _LENIENT[_at(language)]


def unlisted(count: int, language: Language) -> str:
    """How many changes of a revision are not listed."""
    return f"và {count} thay đổi nữa" if language == "vi" else f"and {count} more"


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


def _signatures(report: ValidationReport, language: Language) -> list[Finding]:
    """How many signatures ended how: unlike results are never added up."""
    at = _at(language)
    results = [s.result for s in report.signatures]
    count = len(results)
    if not count:
        return [Finding(CheckStatus.NOT_AVAILABLE, _NO_SIGNATURES[at])]
    if len(set(results)) == 1:
        alike = _ONE_SIGNATURE if count == 1 else _ALL_SIGNATURES
        return [Finding(results[0], alike[results[0]][at].format(count=count))]
    return [
        Finding(status, pair[at].format(some=results.count(status), count=count))
        for status, pair in _SIGNATURES.items()
        if status in results
    ]


def _why_not_passed(report: ValidationReport, language: Language, *, listed: bool) -> list[Finding]:
    """Whose signature did not pass, and the check that decided it; what else was checked of it stands at the
    signature. A reason that several share is said once, without names where every signature has it. That
    something was changed is left to the list of changes where there is one (``listed``).
    """
    reasons: dict[tuple[str, CheckStatus], list[str]] = {}
    for signature in report.signatures:
        deciding = next((c for c in signature.checks if c.status is signature.result), None)
        if deciding is None or deciding.status is CheckStatus.PASSED:
            continue
        if not (listed and deciding.name is CheckName.COVERAGE and deciding.code in CHANGED):
            said = check_sentence(deciding, language), deciding.status
            reasons.setdefault(said, []).append(role_name(signature.role, language))
    return [
        Finding(
            status,
            sentence
            if len(names) == len(report.signatures)
            else f"{', '.join(dict.fromkeys(names))}: {sentence[0].lower()}{sentence[1:]}",
        )
        for (sentence, status), names in reasons.items()
    ][:_MOST_CHANGES]


def _worth_saying(check: Check, report: ValidationReport) -> bool:
    if check.name is CheckName.LOG_INCLUSION and check.status is CheckStatus.NOT_AVAILABLE:
        return False
    return check.status is not CheckStatus.PASSED or all(s.passed for s in report.signatures)


def _looked_at(verdict: Verdict, report: ValidationReport) -> Pair:
    if verdict.outcome is Outcome.CHECK_INCOMPLETE:
        if report.signatures or verdict.version is not None:
            return _PARTLY
        return _CODE_UNANSWERED if report.medium is Medium.CODE else _FILE_UNFINISHED
    if "no_code" in verdict.reasons:
        return _NO_CODE
    if report.medium is Medium.OTHER or report.problem is not None:
        return _ONLY_COMPARED if _compared_unread(verdict, report) else _NOT_OPENED
    if verdict.evidence is Evidence.PAPER_COMPARED and verdict.outcome is not Outcome.CONTENT_DIFFERS:
        return _EVIDENCE[verdict.evidence] if verdict.outcome in GENUINE else _MATCH_UNSAID
    if verdict.evidence is Evidence.CODE and _ONLY_READ & set(verdict.reasons):
        return _CODE_ONLY_READ
    return _EVIDENCE[verdict.evidence]


def _compared_unread(verdict: Verdict, report: ValidationReport) -> bool:
    """A file that begins as one of the registry's, or names its record, and cannot be read itself."""
    differs = verdict.outcome is Outcome.CONTENT_DIFFERS and verdict.evidence is Evidence.FILE
    return differs and report.problem is not None


def _head(level: str | None) -> Pair:
    if level is None:
        return _ROLES[Role.CBQL]
    return _HEAD_OF_CENTRE if level.startswith("GDTX") else _HEAD


def _at(language: Language) -> int:
    return 0 if language == "vi" else 1


def _choose(verdict: Verdict, *, holder: bool) -> _Entry:
    reason = verdict.reasons[0] if verdict.reasons else ""
    match verdict.outcome:
        case Outcome.CONTENT_DIFFERS:
            return _DIFFERS.get(reason, _DIFFERS["resaved_or_edited"])
        case Outcome.SEAL_VALID_NOT_REGISTERED:
            return _SEAL_NOT_REGISTERED
        case Outcome.NOT_VERIFIED if reason == "version_not_named" and _recalled(verdict):
            return _RECALLED_NOT_NAMED
        case Outcome.NOT_VERIFIED:
            return _NOT_VERIFIED.get(reason, _NOT_VERIFIED["not_registered"])
        case Outcome.CHECK_INCOMPLETE:
            why, then = _INCOMPLETE.get(reason, _INCOMPLETE[""])
            return _Entry(
                _UNCHECKED_HEAD,
                (f"{why[0]} {_SAYS_NOTHING[0]}", f"{why[1]} {_SAYS_NOTHING[1]}"),
                then,
                Tone.UNFINISHED,
            )
        case _ if holder and verdict.evidence is Evidence.CODE:
            return _TO_HOLDER[verdict.outcome]
        case _:
            return _BY_EVIDENCE[verdict.outcome, verdict.evidence]


def _recalled(verdict: Verdict) -> bool:
    return verdict.version is not None and verdict.version.state is VersionState.RECALLED


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
    """Put in what is known: ``{issuer} {sealer} {version} {current} {since} {reason} {checked}``.

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
    checked = " trước đó" if vietnamese else " earlier"
    if facts is not None and facts.checked_at is not None:
        checked = _on(facts.checked_at, language)
    return text.format(
        issuer=issuer or ("nhà trường" if vietnamese else "the school"),
        sealer=issuer or ("một trường được phép ký" if vietnamese else "a school that may sign"),
        checked=checked,
        version=version,
        current=current,
        since=since,
        reason=reason,
    )


def _since(moment: datetime, language: Language) -> str:
    text = day(moment.astimezone(VIETNAM), language)
    return f" từ ngày {text}" if language == "vi" else f" on {text}"


def _on(moment: datetime, language: Language) -> str:
    text = day(moment.astimezone(VIETNAM), language)
    return f" ngày {text}" if language == "vi" else f" on {text}"
