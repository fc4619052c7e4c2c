"""What messages say: one closed table, kind × language, for e-mail and for the short text of SMS and Zalo.

Others read along: telephones lie on tables, notices show on locked screens, gateways keep texts. So no
message names a pupil, a school or what a record says, none holds a link, and what may be filled in is closed
as well: numbers, dates and codes by name, each in one form. A message that leads to the portal says its host,
to be typed, and what to choose there. A short text takes at most two segments of an SMS in UCS-2
(:data:`SHORT`) with the longest host and the longest values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from portal.ports import Channel
from verifier.words import VIETNAM, Language, day, school_year

SHORT: Final = 134  # UTF-16 units: 2 × 67 (3GPP TS 23.040, clause 9.2.3.24.1)

Parameter = str | int | date | datetime


class Kind(StrEnum):
    """What a message tells of. Whom it goes to stands beside it."""

    ACTIVATION_CONFIRMED = "activation_confirmed"  # the contact that was just linked to a pupil
    SIGN_IN_CODE = "sign_in_code"  # whoever signs in
    CONTACT_CHANGE_REQUESTED = "contact_change_requested"  # the old contact, before the change
    CONTACT_CHANGED = "contact_changed"  # old and new contact
    CONTACT_CHANGE_STOPPED = "contact_change_stopped"  # the contact that stays
    CONTACT_RECONFIRM = "contact_reconfirm"  # a holder
    RECORD_NEW_VERSION = "record_new_version"  # a holder
    RECORD_RECALLED = "record_recalled"  # a holder
    CONSENT_REQUESTED = "consent_requested"  # a holder
    SHARING_PROPOSED = "sharing_proposed"  # the holders who have to agree as well
    CONSENT_GIVEN = "consent_given"  # the other holders, and who asked for an organisation
    CONSENT_REFUSED = "consent_refused"  # the same
    CONSENT_WITHDRAWN = "consent_withdrawn"  # the same
    CONSENT_SUSPENDED = "consent_suspended"  # the holders who count
    SHARE_CODE_MADE = "share_code_made"  # the other holders who agreed
    SHARE_CODE_LOCKED = "share_code_locked"  # the holders who agreed to it
    STATUTORY_ACCESS = "statutory_access"  # a holder
    REQUEST_RECEIVED = "request_received"  # the data subject who asked
    REQUEST_EXTENDED = "request_extended"  # the same
    REQUEST_ANSWERED = "request_answered"  # the same
    LINK_DISPUTED = "link_disputed"  # a holder whose link to a pupil is in dispute
    DISPUTE_CLOSED = "dispute_closed"  # the same, when it is over
    LINK_CHANGED = "link_changed"  # a holder: kind of relation or its last day
    LINK_ENDED = "link_ended"  # a holder
    PUPIL_ACCOUNT = "pupil_account"  # a guardian: the child has a sign-in of their own
    ALARM_SEAL_VALID_NOT_REGISTERED = "alarm_seal_valid_not_registered"  # the department
    ALARM_REGISTERED_BUT_SIGNATURE_FAILS = "alarm_registered_but_signature_fails"  # the department
    ALARM_STATUTORY_ACCESS = "alarm_statutory_access"  # the department
    STAFF_INVITATION = "staff_invitation"  # somebody who will work with the portal
    STAFF_ROLE_OFFERED = "staff_role_offered"  # somebody who has an account from another organisation
    STAFF_ADMINISTRATOR_ADDED = "staff_administrator_added"  # the administrators that there were


@dataclass(frozen=True, slots=True)
class Form:
    """What a parameter may be, how it is kept as text, and how it is shown."""

    keep: Callable[[Parameter], str | None]  # None: not such a value
    show: Callable[[str, Language], str]


def _as_kept(text: str, language: Language) -> str:
    return text


def _code(pattern: str, show: Callable[[str, Language], str] = _as_kept) -> Form:
    allowed = re.compile(pattern)

    def keep(value: Parameter) -> str | None:
        return value if isinstance(value, str) and allowed.fullmatch(value) else None

    return Form(keep, show)


def _number(low: int, high: int) -> Form:
    def keep(value: Parameter) -> str | None:
        return str(value) if type(value) is int and low <= value <= high else None

    return Form(keep, _as_kept)


def _keep_day(value: Parameter) -> str | None:
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else None


def _keep_moment(value: Parameter) -> str | None:
    return value.isoformat() if isinstance(value, datetime) and value.tzinfo is not None else None


def _show_moment(text: str, language: Language) -> str:
    local = datetime.fromisoformat(text).astimezone(VIETNAM)
    return f"{local:%H:%M} {day(local, language)}"


#: Which contact changes, as it is called.
_CONTACTS: Final[Mapping[str, Mapping[Language, str]]] = {
    Channel.PHONE: {"vi": "số điện thoại", "en": "phone number"},
    Channel.EMAIL: {"vi": "địa chỉ e-mail", "en": "e-mail address"},
}

FORMS: Final[Mapping[str, Form]] = {
    "code": _code(r"[0-9A-Z-]{4,12}"),
    "minutes": _number(1, 60),
    "day": Form(_keep_day, lambda text, language: day(date.fromisoformat(text), language)),
    "moment": Form(_keep_moment, _show_moment),
    "grade": _number(1, 12),
    "year": _code(r"20[0-9]{2}-20[0-9]{2}", lambda text, language: school_year(text)),
    "reference": _code(r"[0-9A-Za-z-]{4,16}"),
    "organisation": _code(r"[A-Za-z0-9._-]{1,20}"),
    "contact": Form(
        lambda value: str(value) if value in _CONTACTS else None,
        lambda text, language: _CONTACTS[text][language],
    ),
}

#: What each kind has to be given; a name that is not here takes nothing.
TAKES: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.ACTIVATION_CONFIRMED: frozenset(),
    Kind.SIGN_IN_CODE: frozenset({"code", "minutes"}),
    Kind.CONTACT_CHANGE_REQUESTED: frozenset({"contact", "day"}),  # from when
    Kind.CONTACT_CHANGED: frozenset({"contact", "day"}),  # since when
    Kind.CONTACT_CHANGE_STOPPED: frozenset({"contact", "day"}),  # which was to change; when it was stopped
    Kind.CONTACT_RECONFIRM: frozenset({"day"}),  # until when
    Kind.RECORD_NEW_VERSION: frozenset({"grade", "year"}),
    Kind.RECORD_RECALLED: frozenset({"grade", "year"}),
    Kind.CONSENT_REQUESTED: frozenset({"day"}),  # until when to answer
    Kind.SHARING_PROPOSED: frozenset({"day"}),  # until when to answer
    Kind.CONSENT_GIVEN: frozenset({"reference"}),
    Kind.CONSENT_REFUSED: frozenset({"reference"}),
    Kind.CONSENT_WITHDRAWN: frozenset({"reference"}),
    Kind.CONSENT_SUSPENDED: frozenset({"reference"}),
    Kind.SHARE_CODE_MADE: frozenset({"day"}),
    Kind.SHARE_CODE_LOCKED: frozenset({"day"}),  # of which day the code is
    Kind.STATUTORY_ACCESS: frozenset({"day"}),  # when
    Kind.REQUEST_RECEIVED: frozenset({"day"}),  # until when it is answered
    Kind.REQUEST_EXTENDED: frozenset({"day"}),  # the same
    Kind.REQUEST_ANSWERED: frozenset({"day"}),  # of which day the request is
    Kind.LINK_DISPUTED: frozenset({"day"}),  # since when
    Kind.DISPUTE_CLOSED: frozenset({"day"}),
    Kind.LINK_CHANGED: frozenset({"day"}),
    Kind.LINK_ENDED: frozenset({"day"}),
    Kind.PUPIL_ACCOUNT: frozenset({"day"}),
    Kind.ALARM_SEAL_VALID_NOT_REGISTERED: frozenset({"organisation", "reference", "moment"}),
    Kind.ALARM_REGISTERED_BUT_SIGNATURE_FAILS: frozenset({"organisation", "reference", "moment"}),
    Kind.ALARM_STATUTORY_ACCESS: frozenset({"organisation", "reference", "moment"}),
    Kind.STAFF_INVITATION: frozenset({"organisation", "code", "day"}),  # until when
    Kind.STAFF_ROLE_OFFERED: frozenset({"organisation"}),
    Kind.STAFF_ADMINISTRATOR_ADDED: frozenset({"organisation", "day"}),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A message, ready to be read; ``subject`` is empty for a short text."""

    subject: str
    text: str


def kept(kind: Kind, parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """The parameters as texts, to be kept. Raises ValueError for one that is missing, unknown, or in another
    form; the error names it and never repeats its value.
    """
    takes = TAKES[kind]
    if wrong := takes ^ parameters.keys():
        raise ValueError(f"{kind}: missing or unknown: {', '.join(sorted(wrong))}")
    texts = {name: FORMS[name].keep(parameters[name]) for name in sorted(takes)}
    if bad := [name for name, text in texts.items() if text is None]:
        raise ValueError(f"{kind}: not in its form: {', '.join(bad)}")
    return {name: text for name, text in texts.items() if text is not None}


def expiry(kind: Kind, texts: Mapping[str, str], now: datetime) -> datetime | None:
    """When what the message brings is worth nothing any more: the end of a one-time code; None for others."""
    if kind is Kind.SIGN_IN_CODE:
        return now + timedelta(minutes=int(texts["minutes"]))
    if kind is Kind.STAFF_INVITATION:
        last = date.fromisoformat(texts["day"])
        return datetime.combine(last, time(), VIETNAM) + timedelta(days=1)
    return None


def write(
    kind: Kind,
    language: Language,
    channel: Channel,
    texts: Mapping[str, str],
    *,
    host: str,
    system_name: str,
) -> Text:
    """The message in words. ``texts`` are those of :func:`kept`."""
    wording = WORDS[kind][language]
    shown = {name: FORMS[name].show(text, language) for name, text in texts.items()}
    if channel is Channel.PHONE:
        return Text("", wording.short.format(host=host, **shown))
    body = wording.body.format(host=host, **shown)
    foot = _FOOT[language].format(host=host)
    return Text(wording.subject.format(**shown), f"{_HEAD[language]}\n\n{body}\n\n{foot}\n\n{system_name}\n")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one kind in one language."""

    subject: str
    body: str
    short: str


_HEAD: Final[Mapping[Language, str]] = {"vi": "Chào bạn,", "en": "Hello,"}
_FOOT: Final[Mapping[Language, str]] = {
    "vi": (
        "Không ai của nhà trường hay của cổng hỏi bạn mật khẩu hoặc mã dùng một lần.\n"
        "Thư này không có liên kết. Muốn vào cổng, bạn tự mở trình duyệt và gõ {host}."
    ),
    "en": (
        "Nobody from the school or the portal will ask you for a password or a one-time code.\n"
        "This e-mail holds no link. To reach the portal, open a browser yourself and type {host}."
    ),
}

WORDS: Final[Mapping[Kind, Mapping[Language, Wording]]] = {
    Kind.ACTIVATION_CONFIRMED: {
        "vi": Wording(
            "Đã nối liên hệ của bạn với hồ sơ học sinh",
            "Liên hệ này vừa được nối với hồ sơ của một học sinh, bằng mã mà nhà trường đã phát.\n"
            "Từ nay bạn xem được học bạ: mở trình duyệt, gõ {host}, chọn Đăng nhập.\n\n"
            "Nếu không phải bạn làm, hãy báo nhà trường ngay.",
            "Học bạ số: đã nối bạn với hồ sơ học sinh. Không phải bạn? Báo trường. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Your contact is now linked to a pupil's file",
            "This contact was just linked to a pupil's file, with the code that the school gave out.\n"
            "You can see the records now: open a browser, type {host}, choose Sign in.\n\n"
            "If this was not you, tell the school at once.",
            "School record: you are linked to a pupil. Not you? Tell the school. Sign in at {host}",
        ),
    },
    Kind.SIGN_IN_CODE: {
        "vi": Wording(
            "Mã đăng nhập của bạn",
            "Mã đăng nhập: {code}\nMã dùng được một lần, trong {minutes} phút.\n\n"
            "Nhập mã vào trang đang mở trên máy của bạn. Không ai của nhà trường hay của cổng hỏi bạn mã "
            "này.\nNếu bạn không đăng nhập, hãy bỏ qua thư này: không có mã thì không ai vào được.",
            "Học bạ số: mã đăng nhập {code}, dùng trong {minutes} phút. Không ai của nhà trường hay của cổng "
            "hỏi bạn mã này.",
        ),
        "en": Wording(
            "Your sign-in code",
            "Sign-in code: {code}\nIt works once, within {minutes} minutes.\n\n"
            "Enter it on the page that is open on your device. Nobody from the school or the portal will ask "
            "you for it.\nIf you are not signing in, ignore this e-mail: without the code nobody gets in.",
            "School record: sign-in code {code}, for {minutes} min. Nobody from the school or the portal "
            "will ask you for it.",
        ),
    },
    Kind.CONTACT_CHANGE_REQUESTED: {
        "vi": Wording(
            "Liên hệ của bạn sắp được đổi",
            "Nhà trường nhận được đề nghị đổi {contact} nhận tin về học bạ.\n"
            "Từ ngày {day}, tin và mã đăng nhập sẽ gửi tới liên hệ mới, không gửi tới đây nữa.\n\n"
            "Nếu bạn không đề nghị, hãy dừng lại trước ngày đó: tới nhà trường, hoặc mở trình duyệt, gõ "
            "{host}, chọn Đăng nhập.",
            "Học bạ số: {contact} sẽ đổi từ {day}. Để dừng: tới trường, hoặc gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Your contact is about to change",
            "The school was asked to change the {contact} to which news about school records goes.\n"
            "From {day}, messages and sign-in codes will go to the new contact and no longer here.\n\n"
            "If you did not ask for this, stop it before that day: go to the school, or open a browser, type "
            "{host}, choose Sign in.",
            "School record: {contact} changes {day}. To stop: ask school or sign in at {host}",
        ),
    },
    Kind.CONTACT_CHANGED: {
        "vi": Wording(
            "Liên hệ đã được đổi",
            "Từ ngày {day}, {contact} nhận tin về học bạ đã đổi.\n\n"
            "Nếu bạn không đề nghị, hãy báo nhà trường ngay.",
            "Học bạ số: {contact} nhận tin đã đổi từ {day}. Nếu bạn không đề nghị, hãy báo nhà trường ngay.",
        ),
        "en": Wording(
            "A contact was changed",
            "Since {day}, news about school records goes to another {contact}.\n\n"
            "If you did not ask for this, tell the school at once.",
            "School record: the {contact} was changed on {day}. If you did not ask for it, tell the school.",
        ),
    },
    Kind.CONTACT_CHANGE_STOPPED: {
        "vi": Wording(
            "Không đổi liên hệ của bạn nữa",
            "Ngày {day}, việc đổi {contact} nhận tin về học bạ đã được dừng. Tin và mã đăng nhập vẫn gửi tới "
            "đây.\n\nNếu không phải bạn dừng, hãy báo nhà trường ngay.",
            "Học bạ số: {day} đã dừng đổi {contact}. Nếu không phải bạn dừng, hãy báo nhà trường ngay.",
        ),
        "en": Wording(
            "Your contact stays",
            "On {day} the change of the {contact} to which news about school records goes was stopped. "
            "Messages and sign-in codes still come here.\n\n"
            "If it was not you who stopped it, tell the school at once.",
            "School record: change of {contact} stopped on {day}. Not you? Tell the school at once.",
        ),
    },
    Kind.CONTACT_RECONFIRM: {
        "vi": Wording(
            "Hãy xác nhận bạn vẫn dùng liên hệ này",
            "Đã lâu liên hệ này chưa được dùng để vào cổng. Để chắc rằng tin về học bạ vẫn tới đúng người, "
            "hãy xác nhận trước ngày {day}: mở trình duyệt, gõ {host}, chọn Đăng nhập.\n\n"
            "Sau ngày đó, những gì bạn đã đồng ý bằng liên hệ này sẽ được hỏi lại. Bạn vẫn đăng nhập được.",
            "Học bạ số: hãy xác nhận liên hệ này trước {day}: gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Confirm that you still use this contact",
            "This contact has not been used to enter the portal for a long time. To make sure that news "
            "still reaches the right person, confirm it before {day}: open a browser, type {host}, choose "
            "Sign in.\n\nAfter that day, what you agreed to by this contact will be asked again. You can "
            "still sign in.",
            "School record: confirm this contact before {day}: type {host}, choose Sign in",
        ),
    },
    Kind.RECORD_NEW_VERSION: {
        "vi": Wording(
            "Học bạ lớp {grade}, năm học {year}: có bản mới",
            "Nhà trường vừa cấp bản mới của học bạ lớp {grade}, năm học {year}.\n"
            "Để xem: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: học bạ lớp {grade}, năm {year} có bản mới. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "School record of grade {grade}, {year}: a new version",
            "The school has issued a new version of the record of grade {grade}, school year {year}.\n"
            "To see it: open a browser, type {host}, choose Sign in.",
            "School record: grade {grade}, {year} has a new version. Type {host}, choose Sign in",
        ),
    },
    Kind.RECORD_RECALLED: {
        "vi": Wording(
            "Học bạ lớp {grade}, năm học {year}: đã thu hồi",
            "Nhà trường đã thu hồi học bạ lớp {grade}, năm học {year}. Bản bạn đang giữ không còn hiệu lực.\n"
            "Để xem lý do: mở trình duyệt, gõ {host}, chọn Đăng nhập; hoặc hỏi nhà trường.",
            "Học bạ số: học bạ lớp {grade}, năm {year} đã thu hồi. Hỏi trường, hoặc gõ {host}, chọn Đăng "
            "nhập",
        ),
        "en": Wording(
            "School record of grade {grade}, {year}: recalled",
            "The school has recalled the record of grade {grade}, school year {year}. The copy you hold is "
            "no longer in force.\nTo see why: open a browser, type {host}, choose Sign in; or ask the "
            "school.",
            "School record: grade {grade}, {year} was recalled. Ask the school, or sign in at {host}",
        ),
    },
    Kind.CONSENT_REQUESTED: {
        "vi": Wording(
            "Có đơn vị xin xem học bạ",
            "Một đơn vị xin được xem học bạ. Bạn đồng ý hay từ chối đều được, và không trả lời nghĩa là "
            "không đồng ý.\nĐể xem ai xin, xin xem gì, để làm gì, và trả lời trước ngày {day}: mở trình "
            "duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: có đơn vị xin xem học bạ. Trả lời trước {day}: gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "An organisation asks to see a school record",
            "An organisation asks to see a school record. You may agree or refuse; no answer means no.\n"
            "To see who asks, for what and why, and to answer before {day}: open a browser, type {host}, "
            "choose Sign in.",
            "School record: an organisation asks to see it. Answer by {day}: sign in at {host}",
        ),
    },
    Kind.SHARING_PROPOSED: {
        "vi": Wording(
            "Gia đình muốn cho xem học bạ, đang chờ bạn trả lời",
            "Có người trong gia đình muốn cho người khác xem học bạ. Bạn đồng ý hay từ chối đều được, và "
            "không trả lời nghĩa là không đồng ý.\nĐể biết cho xem những gì, để làm gì, và trả lời trước "
            "ngày {day}: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: gia đình muốn cho xem học bạ. Trả lời trước {day}: gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Your family would like to let somebody see a school record and waits for your answer",
            "Somebody in the family would like to let others see a school record. You may agree or refuse; "
            "no answer means no.\nTo read what may be seen and why, and to answer before {day}: open a "
            "browser, type {host}, choose Sign in.",
            "School record: your family would like to show it. Answer by {day}: sign in at {host}",
        ),
    },
    Kind.CONSENT_GIVEN: {
        "vi": Wording(
            "Yêu cầu {reference}: đã được đồng ý",
            "Yêu cầu xem học bạ {reference} đã được đồng ý.\n"
            "Để xem: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: yêu cầu {reference} đã được đồng ý. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Request {reference}: agreed",
            "The request {reference} to see a school record was agreed to.\n"
            "To see it: open a browser, type {host}, choose Sign in.",
            "School record: request {reference} was agreed to. Sign in at {host}",
        ),
    },
    Kind.CONSENT_REFUSED: {
        "vi": Wording(
            "Yêu cầu {reference}: bị từ chối",
            "Yêu cầu xem học bạ {reference} bị từ chối. Không ai được xem gì theo yêu cầu này.",
            "Học bạ số: yêu cầu {reference} bị từ chối. Không ai được xem gì theo yêu cầu này.",
        ),
        "en": Wording(
            "Request {reference}: refused",
            "The request {reference} to see a school record was refused. It opens nothing to anybody.",
            "School record: request {reference} was refused. It opens nothing to anybody.",
        ),
    },
    Kind.CONSENT_WITHDRAWN: {
        "vi": Wording(
            "Yêu cầu {reference}: sự đồng ý đã được rút",
            "Sự đồng ý cho yêu cầu {reference} đã được rút: từ bây giờ không xem được học bạ theo yêu cầu "
            "này.\nBản đã tải về trước đó không được dùng tiếp, trừ khi pháp luật cho phép.",
            "Học bạ số: sự đồng ý cho yêu cầu {reference} đã được rút; từ bây giờ không xem được nữa.",
        ),
        "en": Wording(
            "Request {reference}: consent withdrawn",
            "The consent for request {reference} was withdrawn: from now on it opens no record.\n"
            "Copies taken before may not be used any further, unless the law allows it.",
            "School record: consent for request {reference} was withdrawn; it opens nothing any more.",
        ),
    },
    Kind.CONSENT_SUSPENDED: {
        "vi": Wording(
            "Yêu cầu {reference}: đang tạm dừng",
            "Sự đồng ý cho yêu cầu {reference} đang tạm dừng: lúc này không ai xem được học bạ theo yêu cầu "
            "đó.\nĐể biết vì sao, hoặc để trả lời lại: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: yêu cầu {reference} đang tạm dừng, chưa ai xem được. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Request {reference}: paused",
            "The consent for request {reference} is paused: nobody can see the record by it now.\n"
            "To see why, or to answer again: open a browser, type {host}, choose Sign in.",
            "School record: request {reference} is paused, it opens nothing now. Sign in at {host}",
        ),
    },
    Kind.SHARE_CODE_MADE: {
        "vi": Wording(
            "Một mã chia sẻ học bạ vừa được tạo",
            "Ngày {day}, một mã chia sẻ học bạ được tạo theo điều cả gia đình đã đồng ý. Ai có mã và biết "
            "ngày sinh thì xem được.\nĐể biết cho xem những gì, hoặc để rút lại: mở trình duyệt, gõ {host}, "
            "chọn Đăng nhập.",
            "Học bạ số: ngày {day} một mã chia sẻ được tạo. Để xem hoặc rút lại: gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "A share code was just made",
            "On {day} a share code for a school record was made, as everybody in the family agreed. Whoever "
            "has the code and knows the date of birth can see it.\nTo read what may be seen, or to "
            "withdraw: open a browser, type {host}, choose Sign in.",
            "School record: a share code was made on {day}. To see or withdraw: sign in at {host}",
        ),
    },
    Kind.SHARE_CODE_LOCKED: {
        "vi": Wording(
            "Một mã chia sẻ đã bị khóa",
            "Mã chia sẻ học bạ tạo ngày {day} đã bị khóa, vì có người nhập sai ngày sinh nhiều lần.\n"
            "Không có gì được mở ra. Nếu vẫn cần, hãy tạo mã mới: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: mã chia sẻ ngày {day} bị khóa vì nhập sai nhiều lần. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "A share code was locked",
            "The share code that was made on {day} was locked, because somebody entered a wrong date of "
            "birth too often.\nNothing was opened. If it is still needed, make a new one: open a browser, "
            "type {host}, choose Sign in.",
            "School record: share code of {day} locked after wrong tries. Sign in at {host}",
        ),
    },
    Kind.STATUTORY_ACCESS: {
        "vi": Wording(
            "Học bạ được xem theo quy định của pháp luật",
            "Ngày {day}, một cơ quan hoặc trường đã xem học bạ theo quy định của pháp luật, không cần sự "
            "đồng ý.\nĐể biết ai xem, xem gì, theo căn cứ nào, và để phản ánh: mở trình duyệt, gõ {host}, "
            "chọn Đăng nhập.",
            "Học bạ số: ngày {day} học bạ được xem theo luật. Ai xem, vì sao: gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "A school record was seen as the law allows",
            "On {day} an authority or a school saw a school record as the law allows, without consent.\n"
            "To see who, what and on what basis, and to object: open a browser, type {host}, choose Sign in.",
            "School record: seen on {day} as the law allows. Who and why: sign in at {host}",
        ),
    },
    Kind.REQUEST_RECEIVED: {
        "vi": Wording(
            "Nhà trường đã nhận đề nghị của bạn",
            "Nhà trường đã nhận đề nghị của bạn về dữ liệu cá nhân, và trả lời chậm nhất ngày {day}.\n"
            "Để xem: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: trường đã nhận đề nghị của bạn, trả lời chậm nhất {day}. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "The school has your request",
            "The school has your request about personal data and answers it by {day}.\n"
            "To see it: open a browser, type {host}, choose Sign in.",
            "School record: the school has your request, answer by {day}. Sign in at {host}",
        ),
    },
    Kind.REQUEST_EXTENDED: {
        "vi": Wording(
            "Nhà trường cần thêm thời gian để trả lời bạn",
            "Nhà trường cần thêm thời gian cho đề nghị của bạn về dữ liệu cá nhân, và trả lời chậm nhất ngày "
            "{day}. Luật chỉ cho gia hạn một lần.\nĐể xem: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: trường xin thêm thời gian, trả lời chậm nhất {day}. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "The school needs more time for your request",
            "The school needs more time for your request about personal data and answers it by {day}. The "
            "law allows one extension.\nTo see it: open a browser, type {host}, choose Sign in.",
            "School record: the school needs more time, answer by {day}. Sign in at {host}",
        ),
    },
    Kind.REQUEST_ANSWERED: {
        "vi": Wording(
            "Đề nghị của bạn đã có trả lời",
            "Đề nghị bạn gửi ngày {day} về dữ liệu cá nhân đã có trả lời.\n"
            "Để đọc: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: đề nghị bạn gửi ngày {day} đã có trả lời. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "Your request has been answered",
            "The request about personal data that you sent on {day} has been answered.\n"
            "To read it: open a browser, type {host}, choose Sign in.",
            "School record: your request of {day} was answered. Sign in at {host}",
        ),
    },
    Kind.LINK_DISPUTED: {
        "vi": Wording(
            "Nhà trường đang xem lại liên hệ của bạn",
            "Từ ngày {day}, nhà trường xem lại việc liên hệ này được nối với hồ sơ của một học sinh.\n"
            "Để biết trong lúc đó bạn xem được gì: mở trình duyệt, gõ {host}, chọn Đăng nhập; hoặc hỏi nhà "
            "trường.",
            "Học bạ số: từ {day} trường xem lại liên hệ của bạn. Hỏi trường, hoặc gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "The school is looking again at your link",
            "Since {day} the school is looking again at how this contact is linked to a pupil's file.\n"
            "To see what is open to you meanwhile: open a browser, type {host}, choose Sign in; or ask the "
            "school.",
            "School record: your link is under review since {day}. Ask the school or see {host}",
        ),
    },
    Kind.DISPUTE_CLOSED: {
        "vi": Wording(
            "Bạn lại xem được học bạ",
            "Ngày {day}, nhà trường đã xem xét xong liên kết của bạn với một học sinh. Bạn lại xem được học "
            "bạ: mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Học bạ số: nhà trường đã xem xét xong, bạn lại xem được học bạ. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "You can see the records again",
            "On {day} the school finished looking into your link to a pupil. You can see the records again: "
            "open a browser, type {host}, choose Sign in.",
            "School record: you can see the records again. Type {host}, choose Sign in",
        ),
    },
    Kind.LINK_CHANGED: {
        "vi": Wording(
            "Liên kết của bạn với học sinh đã đổi",
            "Ngày {day}, nhà trường đã đổi quan hệ hoặc thời hạn liên kết của bạn với một học sinh.\n"
            "Nếu không đúng, hãy báo nhà trường ngay.",
            "Học bạ số: {day} trường đã đổi liên kết của bạn. Nếu không đúng, hãy báo nhà trường ngay.",
        ),
        "en": Wording(
            "Your link to a pupil was changed",
            "On {day} the school changed your relation to a pupil, or until when it counts.\n"
            "If this is not right, tell the school at once.",
            "School record: on {day} the school changed your link to a pupil. Not right? Tell the school.",
        ),
    },
    Kind.LINK_ENDED: {
        "vi": Wording(
            "Liên kết của bạn với học sinh đã kết thúc",
            "Từ ngày {day}, bạn không còn xem được học bạ của một học sinh trên cổng: liên kết đã hết hạn, "
            "nhà trường đã kết thúc, hoặc học sinh đã đủ 18 tuổi.\nNếu không đúng, hãy báo nhà trường ngay.",
            "Học bạ số: từ {day} bạn không còn xem được học bạ. Nếu không đúng, hãy báo nhà trường ngay.",
        ),
        "en": Wording(
            "Your link to a pupil has ended",
            "Since {day} you no longer see the records of a pupil here: the link ran out, the school ended "
            "it, or the pupil is 18.\nIf this is not right, tell the school at once.",
            "School record: since {day} you no longer see a pupil's records. Not right? Tell the school.",
        ),
    },
    Kind.PUPIL_ACCOUNT: {
        "vi": Wording(
            "Con của bạn đã có cách đăng nhập riêng",
            "Ngày {day}, một học sinh mà bạn là cha, mẹ hoặc người giám hộ đã đăng nhập lần đầu bằng mã của "
            "nhà trường và liên hệ riêng. Các em từ 7 tuổi được xem học bạ của mình.\n\n"
            "Nếu bạn thấy không đúng, hãy báo nhà trường ngay.",
            "Học bạ số: {day} con bạn đã đăng nhập riêng. Nếu không đúng, hãy báo nhà trường ngay.",
        ),
        "en": Wording(
            "Your child has a sign-in of their own",
            "On {day} a pupil whose parent or guardian you are signed in for the first time, with a code of "
            "the school and a contact of their own. From 7 years on, pupils may see their own records.\n\n"
            "If this does not seem right, tell the school at once.",
            "School record: on {day} your child signed in for the first time. Not right? Tell the school.",
        ),
    },
    Kind.ALARM_SEAL_VALID_NOT_REGISTERED: {
        "vi": Wording(
            "Báo động: tệp có dấu của {organisation}, không có trong sổ",
            "Lúc {moment}, cổng kiểm tra một tệp có dấu đúng của đơn vị {organisation}, nhưng tệp không có "
            "trong sổ đăng ký (SEAL_VALID_NOT_REGISTERED).\nMã vụ việc: {reference}.\n\n"
            "Khóa của đơn vị có thể đã bị dùng ngoài hệ thống. Mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Báo động {reference}: dấu {organisation}, tệp ngoài sổ, {moment}. Vào {host}",
        ),
        "en": Wording(
            "Alarm: a seal of {organisation} on a file nobody registered",
            "At {moment} the portal checked a file with an authorised seal of {organisation} that is not in "
            "the registry (SEAL_VALID_NOT_REGISTERED).\nReference: {reference}.\n\n"
            "Its key may be in use outside the system. Open a browser, type {host}, choose Sign in.",
            "Alarm {reference}: {organisation}, unknown file, {moment}. See {host}",
        ),
    },
    Kind.ALARM_REGISTERED_BUT_SIGNATURE_FAILS: {
        "vi": Wording(
            "Báo động: chữ ký trên một tệp của {organisation} không còn đạt",
            "Lúc {moment}, một tệp đã đăng ký của đơn vị {organisation} không qua được kiểm tra chữ ký "
            "(REGISTERED_BUT_SIGNATURE_FAILS).\nMã vụ việc: {reference}.\n\n"
            "Mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Báo động {reference}: chữ ký tệp {organisation} không đạt, {moment}. Vào {host}",
        ),
        "en": Wording(
            "Alarm: a signature on a file of {organisation} no longer passes",
            "At {moment} a registered file of {organisation} did not pass the check of its signatures "
            "(REGISTERED_BUT_SIGNATURE_FAILS).\nReference: {reference}.\n\n"
            "Open a browser, type {host}, choose Sign in.",
            "Alarm {reference}: {organisation} signature fails, {moment}. See {host}",
        ),
    },
    Kind.ALARM_STATUTORY_ACCESS: {
        "vi": Wording(
            "Báo động: {organisation} xem học bạ theo luật quá nhiều lần",
            "Đến {moment}, đơn vị {organisation} hoặc một người của đơn vị đã xem học bạ theo quy định của "
            "pháp luật, không cần gia đình đồng ý, nhiều hơn mức cho một ngày (STATUTORY_ACCESS_OFTEN).\n"
            "Mã vụ việc: {reference}.\n\nHãy hỏi đơn vị vì sao. Mở trình duyệt, gõ {host}, chọn Đăng nhập.",
            "Báo động {reference}: {organisation} xem theo luật nhiều, {moment}. Vào {host}",
        ),
        "en": Wording(
            "Alarm: {organisation} sees records by law very often",
            "Until {moment} {organisation}, or one person of it, saw more school records by a duty of law, "
            "without consent, than a day has room for (STATUTORY_ACCESS_OFTEN).\n"
            "Reference: {reference}.\n\nAsk them why. Open a browser, type {host}, choose Sign in.",
            "Alarm {reference}: {organisation} looks too often, {moment}. See {host}",
        ),
    },
    Kind.STAFF_INVITATION: {
        "vi": Wording(
            "Bạn được mời làm việc trên cổng",
            "Đơn vị {organisation} mời bạn làm việc trên cổng.\n"
            "Mã vào lần đầu: {code}\nMã dùng được một lần, đến hết ngày {day}.\n\n"
            "Mở trình duyệt, gõ {host}, chọn Đăng nhập, rồi nhập mã. Không ai của nhà trường hay của cổng "
            "hỏi bạn mã này.",
            "Mã vào lần đầu {code}, đơn vị {organisation}, đến {day}. Gõ {host}, chọn Đăng nhập",
        ),
        "en": Wording(
            "You are invited to work with the portal",
            "{organisation} invites you to work with the portal.\n"
            "First sign-in code: {code}\nIt works once, until the end of {day}.\n\n"
            "Open a browser, type {host}, choose Sign in, then enter the code. Nobody from the school or the "
            "portal will ask you for it.",
            "First sign-in code {code}, {organisation}, until {day}. Sign in at {host}",
        ),
    },
    Kind.STAFF_ROLE_OFFERED: {
        "vi": Wording(
            "Một đơn vị mời bạn nhận vai trò",
            "Đơn vị {organisation} mời bạn nhận một vai trò trên cổng. Bạn chưa nhận thì chưa có gì "
            "thay đổi.\n\n"
            "Mở trình duyệt, gõ {host}, chọn Đăng nhập, rồi trả lời ở trang Tài khoản.",
            "Đơn vị {organisation} mời bạn nhận vai trò. Gõ {host}, Đăng nhập, xem Tài khoản",
        ),
        "en": Wording(
            "An organisation offers you a role",
            "{organisation} offers you a role in the portal. Nothing changes until you accept it.\n\n"
            "Open a browser, type {host}, choose Sign in, then answer on the page Account.",
            "{organisation} offers you a role. Sign in at {host}, see Account",
        ),
    },
    Kind.STAFF_ADMINISTRATOR_ADDED: {
        "vi": Wording(
            "Sở mời thêm một quản trị viên",
            "Ngày {day}, Sở mời thêm một quản trị viên cho đơn vị {organisation}. Nếu đơn vị không nhờ việc "
            "này, hãy báo Sở ngay.\n\nMở trình duyệt, gõ {host}, chọn Đăng nhập để xem ai có vai trò gì.",
            "Sở mời thêm quản trị viên cho {organisation} ngày {day}. Xem {host}",
        ),
        "en": Wording(
            "The department invited another administrator",
            "On {day} the department invited another administrator of {organisation}. If nobody of yours "
            "asked for this, tell the department at once.\n\n"
            "Open a browser, type {host}, choose Sign in to see who has which role.",
            "The department added an administrator of {organisation}, {day}. See {host}",
        ),
    },
}
