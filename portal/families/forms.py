"""Words of the families' pages, and what the school's office types there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from portal.accounts.activation import MOST_SLIPS
from portal.accounts.models import Relation
from portal.consent import requests
from portal.consent.models import Matter, RequestKind
from portal.web.forms import read_day
from portal.web.i18n import marked
from verifier.errors import InvalidInput, Problem

#: relation -> how people call it.
RELATIONS: Final[Mapping[Relation, str]] = {
    Relation.MOTHER: marked("Mẹ"),
    Relation.FATHER: marked("Cha"),
    Relation.GUARDIAN: marked("Người giám hộ"),
    Relation.PUPIL: marked("Chính học sinh"),
}

#: Why a link is in dispute -> in words.
DISPUTES: Final[Mapping[str, str]] = {
    "custody_dispute": marked("Đang có tranh chấp quyền nuôi con"),
    "guardianship_ended_claim": marked("Có người báo việc giám hộ đã kết thúc"),
    "identity_doubt": marked("Chưa chắc đúng người"),
}

#: Why a link was ended -> in words.
ENDS: Final[Mapping[str, str]] = {
    "guardianship_ended": marked("Việc giám hộ đã kết thúc"),
    "linked_by_mistake": marked("Liên kết nhầm"),
    "holder_asked": marked("Người được liên kết đề nghị"),
}

#: Words for the codes of :func:`verifier.locator.read_slip_code`, and for a birth date that is none.
MISTAKES: Final[Mapping[tuple[str, str], str]] = {
    ("code", "empty"): marked("Nhập mã in trên giấy của nhà trường"),
    ("code", "too_long"): marked("Nội dung quá dài. Chỉ nhập mã in trên giấy"),
    ("code", "characters"): marked(
        "Mã chỉ gồm chữ số và chữ cái không dấu. Hãy tắt bộ gõ tiếng Việt rồi nhập lại"
    ),
    ("code", "length"): marked("Mã trên giấy gồm 12 chữ và số. Hãy so lại với giấy"),
    ("code", "check_character"): marked("Có ký tự gõ sai. Hãy so lại từng nhóm 4 ký tự với giấy"),
    ("code", "ambiguous"): marked("Bộ gõ tiếng Việt đã làm sai mã. Hãy tắt bộ gõ rồi nhập lại"),
    ("birth", "birth"): marked(
        "Nhập ngày sinh có thật, ví dụ 3 9 2015. Chỉ có năm sinh thì để trống ngày và tháng"
    ),
}

_CHILDHOOD: Final = 18  # years that a guardianship lasts at most
_CODES: Final = re.compile(r"[\s,;]+")


def read_relation(text: str) -> Relation:
    """One of the relations. Raises InvalidInput."""
    try:
        return Relation(text)
    except ValueError:
        message = marked("Chọn quan hệ với học sinh.")
        raise InvalidInput((Problem("relation", "relation", message),)) from None


def read_link(form: Mapping[str, str], now: datetime) -> tuple[Relation, date | None]:
    """A relation and the last day of the link, None for none. Raises InvalidInput with everything that is
    wrong.
    """
    problems: list[Problem] = []
    relation, last = None, None
    try:
        relation = read_relation(form.get("relation", ""))
    except InvalidInput as mistakes:
        problems += mistakes.problems
    try:
        last = read_day(form.get("valid_to", ""), "valid_to", now=now, behind=_CHILDHOOD, ahead=_CHILDHOOD)
    except InvalidInput as mistakes:
        problems += mistakes.problems
    if problems or relation is None:
        raise InvalidInput(tuple(problems))
    return relation, last


def read_codes(text: str, file: bytes) -> tuple[str, ...]:
    """Pupil codes, from a box and from a text or CSV file whose lines begin with one; each once. Raises
    InvalidInput.
    """
    try:
        lines = file.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        message = marked("Tệp phải là văn bản hoặc CSV, mỗi dòng bắt đầu bằng một mã học sinh.")
        raise InvalidInput((Problem("file", "not_text", message),)) from None
    firsts = (_CODES.split(line.strip().replace('"', ""), maxsplit=1)[0] for line in lines)
    codes = tuple(dict.fromkeys(c for c in (*_CODES.split(text.strip()), *firsts) if c))
    if not codes:
        raise InvalidInput((Problem("codes", "none", marked("Nhập hoặc gửi lên ít nhất một mã học sinh.")),))
    if len(codes) > MOST_SLIPS:
        message = marked("Mỗi lần làm giấy cho nhiều nhất 300 học sinh.")
        raise InvalidInput((Problem("codes", "too_many", message),))
    return codes


#: What may be asked for as a data subject -> in words, and what happens then.
REQUEST_KINDS: Final[Mapping[RequestKind, tuple[str, str]]] = {
    RequestKind.SEE: (
        marked("Xem dữ liệu nhà trường đang giữ"),
        marked(
            "Trường cho biết đang giữ những gì về học sinh, lấy từ đâu, dùng vào việc gì. Riêng học bạ thì "
            "bạn xem được ngay ở trang các năm học."
        ),
    ),
    RequestKind.CORRECT: (
        marked("Sửa chỗ sai"),
        marked(
            "Bạn nói rõ chỗ nào sai và đúng phải là gì. Nếu trường thấy đúng là sai, trường cấp bản học bạ "
            "mới; bản cũ ghi là đã có bản mới hơn."
        ),
    ),
    RequestKind.COPY: (
        marked("Xin một bản sao"),
        marked("Trường đưa bạn bản sao. Tệp học bạ có chữ ký thì bạn tự tải được ở trang của từng bản."),
    ),
    RequestKind.WITHDRAW: (
        marked("Rút lại sự đồng ý đã cho nhà trường"),
        marked(
            "Trường thôi làm việc mà trước đây bạn đã đồng ý. Rút lại một lần cho xem học bạ thì không cần "
            "yêu cầu: bạn tự rút ở trang Cho xem học bạ, có hiệu lực ngay."
        ),
    ),
    RequestKind.OBJECT: (
        marked("Phản đối hoặc hạn chế việc dùng dữ liệu"),
        marked("Trường xem lại việc đang làm với dữ liệu và cho biết có dừng hay không, vì sao."),
    ),
    RequestKind.DELETE: (
        marked("Xoá dữ liệu"),
        marked(
            "Tài khoản, số liên hệ và những lần cho xem học bạ xoá được. Học bạ đã cấp thì luật bắt lưu vĩnh "
            "viễn, nên yêu cầu xoá học bạ được trả lời ngay là không xoá được."
        ),
    ),
    RequestKind.COMPLAIN: (
        marked("Khiếu nại"),
        marked(
            "Trường xem lại việc bạn thấy không đúng và trả lời. Nếu chưa đồng ý với câu trả lời, bạn có "
            "quyền khiếu nại lên cơ quan nhà nước."
        ),
    ),
}

REQUEST_MATTERS: Final[Mapping[Matter, str]] = {
    Matter.RECORD: marked("Học bạ"),
    Matter.ACCOUNT: marked("Tài khoản, số điện thoại, e-mail"),
    Matter.CONSENTS: marked("Những lần cho xem học bạ"),
}


def read_request(form: Mapping[str, str]) -> tuple[RequestKind, Matter, str]:
    """A request as a holder filled it in. Raises InvalidInput with everything that is missing."""
    problems: list[Problem] = []
    if form.get("kind") not in set(RequestKind):
        problems.append(Problem("kind", "kind", marked("Chọn điều bạn yêu cầu.")))
    if form.get("matter") not in set(Matter):
        problems.append(Problem("matter", "matter", marked("Chọn yêu cầu này về cái gì.")))
    problems += _text_problems(form)
    if problems:
        raise InvalidInput(tuple(problems))
    return RequestKind(form["kind"]), Matter(form["matter"]), _text(form)


def read_answer(form: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a request is granted, and the words for it. Raises InvalidInput as :func:`read_request`."""
    problems: list[Problem] = []
    if form.get("granted") not in ("yes", "no"):
        problems.append(Problem("granted", "granted", marked("Chọn trường có làm theo yêu cầu hay không.")))
    problems += _text_problems(form)
    if problems:
        raise InvalidInput(tuple(problems))
    return form["granted"] == "yes", _text(form)


def _text(form: Mapping[str, str]) -> str:
    """The text as it was counted while it was typed: browsers send two characters for the end of a line."""
    return form.get("text", "").replace("\r\n", "\n")


def _text_problems(form: Mapping[str, str]) -> tuple[Problem, ...]:
    try:
        requests.check(_text(form))
    except InvalidInput as mistakes:
        return mistakes.problems
    return ()
