"""Words of these pages, and what people fill into their forms."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Final

from portal.desk.signatures import PartKey
from portal.errors import marked
from portal.issuing.models import CorrectionState, LineState, UploadState, Way
from portal.web.forms import read_day
from portal.web.i18n import gettext
from verifier.errors import InvalidInput, Problem
from verifier.record import Level, level_info
from verifier.report import Role
from verifier.trust import Approval

STATES: Final[Mapping[UploadState, str]] = {
    UploadState.SENT: marked("Đang chờ kiểm tra"),
    UploadState.EXAMINED: marked("Đã kiểm tra, chờ bạn"),
    UploadState.CONFIRMED: marked("Đã xác nhận, đang chuẩn bị"),
    UploadState.ISSUING: marked("Đang chờ người ký"),
    UploadState.DONE: marked("Đã cấp xong"),
    UploadState.REFUSED: marked("Không kiểm tra được"),
    UploadState.WITHDRAWN: marked("Đã rút lại"),
}
LINES: Final[Mapping[LineState, str]] = {
    LineState.ASKED: marked("chờ cổng làm"),
    LineState.PREPARED: marked("chờ chữ ký của bạn"),
    LineState.BROUGHT: marked("chờ kiểm tra chữ ký"),
    LineState.DONE: marked("đã ký"),
    LineState.REFUSED: marked("không ký được"),
    LineState.LAPSED: marked("đã bỏ"),
}
WAYS: Final[Mapping[Way, str]] = {
    Way.RING: marked("khoá do cổng giữ"),
    Way.TOKEN: marked("thiết bị của bạn"),
}
FAULTS: Final[Mapping[str, str]] = {
    "not_own_certificate": marked("Chứng thư số không phải của bạn."),
    "already_signed": marked("Phần này đã được ký."),
    "too_early": marked("Còn người phải ký trước."),
    "key_missing": marked("Cổng không giữ khoá của chứng thư số này; hãy ký bằng thiết bị của bạn."),
    "wrong_signature": marked("Chữ ký không khớp giá trị băm; hãy ký lại và gửi lại tệp."),
    "other_digest": marked("Giá trị băm đã đổi; hãy đặt lệnh ký mới."),
}
OTHER_FAULT: Final = marked("Chưa ký được: chứng thư số hoặc việc duyệt đã đổi. Hỏi văn thư của trường.")
#: What somebody does who wants more files of former years than one person takes alone.
MANY_COPIES: Final = marked(
    "Cần nhiều hơn thì nhờ người vận hành cổng: họ lấy cả danh sách khi hai người cùng quyết định."
)
#: For whom a lock date is, by whether they were assessed once more.
LOCK_WORDS: Final[Mapping[bool, str]] = {
    False: marked("Học sinh hoàn thành năm học"),
    True: marked("Học sinh đánh giá lại, rèn luyện trong hè"),
}
LOCK_GROUPS: Final = (("first", LOCK_WORDS[False]), ("again", LOCK_WORDS[True]))
LOCK_MISTAKES: Final[Mapping[tuple[str, str], str]] = {
    ("year", "year"): marked("Chọn năm học trong danh sách."),
    ("day", "day"): marked("Ngày chốt phải thuộc năm kết thúc của năm học, viết theo dạng 30/6/2027."),
}
LATE_REASONS: Final[Mapping[str, str]] = {
    "data_entry": marked("Nhập sai dữ liệu"),
    "identity": marked("Sai họ tên, ngày sinh hoặc giấy tờ"),
    "re_marking": marked("Phúc khảo, chấm lại"),
    "decision": marked("Theo quyết định của cơ quan có thẩm quyền"),
    "technical": marked("Lỗi kỹ thuật"),
}
LATE_REFUSALS: Final[Mapping[str, str]] = {
    "no_evidence": marked("Chưa có minh chứng"),
    "not_an_error": marked("Không phải sai sót"),
    "not_this_record": marked("Không đúng học bạ"),
    "other": marked("Lý do khác, Sở sẽ liên hệ trường"),
}
LATE_STATES: Final[Mapping[CorrectionState, str]] = {
    CorrectionState.WAITING: marked("Đang chờ Sở"),
    CorrectionState.APPROVED: marked("Sở đã duyệt"),
    CorrectionState.REFUSED: marked("Sở đã từ chối"),
}
CERTIFICATE_REFUSALS: Final[Mapping[str, str]] = {
    "other_person": marked("Không phải chứng thư số của người này"),
    "other_school": marked("Người này không thuộc trường"),
    "other_role": marked("Không đúng vai trò"),
    "wrong_subjects": marked("Không đúng môn dạy"),
    "other": marked("Lý do khác, Sở sẽ liên hệ trường"),
}
APPROVALS: Final[Mapping[Approval, str]] = {
    Approval.WAITING: marked("Đang chờ Sở duyệt"),
    Approval.APPROVED: marked("Đã duyệt"),
    Approval.REFUSED: marked("Bị từ chối"),
}
CAPACITIES: Final[Mapping[str, str]] = {
    "": marked("Hiệu trưởng, giám đốc"),
    "KT": marked("Phó, ký thay (KT.)"),
    "Q": marked("Quyền (Q.)"),
}
ROLES: Final[Mapping[Role, str]] = {
    Role.GVBM: marked("Giáo viên bộ môn"),
    Role.GVCN: marked("Giáo viên chủ nhiệm"),
    Role.CBQL: marked("Cán bộ quản lý"),
    Role.KY_PHAT_HANH: marked("Con dấu của trường"),
}
_SUBJECTS: Final = {
    subject.code: subject.name for level in reversed(Level) for subject in level_info(level).subjects
}


def subject_name(code: str) -> str:
    """What a subject is called; its code where it is none of ours."""
    return _SUBJECTS.get(code, code)


def field_name(field: str) -> str:
    """What a signature field is called, in the language of this request."""
    role, _, subject = field.partition(".")
    return subject_name(subject) if subject else gettext(ROLES[Role(role)])


def read_part(form: Mapping[str, str]) -> PartKey:
    """Fields ``upload``, ``class``, ``field``, which a page of ours wrote. Raises ValueError."""
    return PartKey(uuid.UUID(form.get("upload", "")), form.get("class", ""), form.get("field", ""))


def read_subjects(text: str) -> tuple[str, ...]:
    """Names or codes of subjects, separated by commas, as codes. Raises InvalidInput for unknown ones."""
    by_name = {name.casefold(): code for code, name in _SUBJECTS.items()}
    words = [word.strip() for word in text.split(",") if word.strip()]
    codes = {word: word if word in _SUBJECTS else by_name.get(word.casefold()) for word in words}
    unknown = [word for word, code in codes.items() if code is None]
    if unknown:
        message = gettext("Không có môn: %(names)s", names=", ".join(unknown))
        raise InvalidInput((Problem("subjects", "unknown_subject", message),))
    return tuple(sorted({code for code in codes.values() if code is not None}))


def read_lock_day(form: Mapping[str, str]) -> tuple[str, bool, date]:
    """School year, whether the day is of those assessed once more, and the day. Raises InvalidInput with
    everything that is missing.
    """
    problems: list[Problem] = []
    if not form.get("year"):
        problems.append(Problem("year", "year", LOCK_MISTAKES["year", "year"]))
    if form.get("group") not in dict(LOCK_GROUPS):
        problems.append(Problem("group", "group", marked("Chọn học sinh nào.")))
    last = None
    try:
        last = read_day(form.get("day", ""), "day")
    except InvalidInput as mistakes:
        problems += mistakes.problems
    else:
        if last is None:
            problems.append(Problem("day", "none", marked("Nhập ngày chốt.")))
    if problems or last is None:
        raise InvalidInput(tuple(problems))
    return form["year"], form["group"] == "again", last
