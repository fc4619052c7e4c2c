"""Words for a consent on the pages of families and of the school, and the form by which a family begins to
share.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from portal.consent.ages import Party
from portal.consent.fields import SENSITIVE, Preset, in_words, names_of
from portal.consent.forms import STATES, Choices, capital, of_pair, read_wish, sensitive_choices
from portal.consent.models import EventKind, Evidence
from portal.consent.receipts import ReceiptState
from portal.consent.service import Overview, State, Wish
from portal.registry.service import Issued
from portal.web.i18n import gettext, language, marked, moment
from verifier.errors import InvalidInput, Problem
from verifier.record import level_info
from verifier.verdict import VersionState
from verifier.words import school_year

#: Why nothing is shown on a consent that was given -> in words.
OBSTACLES: Final[Mapping[str, str]] = {
    "disputed": marked("nhà trường đang xác minh ai được đại diện cho học sinh"),
    "giver_gone": marked("người đã đồng ý không còn đại diện cho học sinh, nên cần đồng ý lại"),
    "party_missing": marked("theo tuổi của học sinh hôm nay, còn thiếu một người phải đồng ý"),
    "not_approved": marked("mục đích này cần Sở Giáo dục và Đào tạo chấp thuận, và hiện không có chấp thuận"),
    "recipient_closed": marked("nơi xin xem không còn hoạt động trên cổng"),
    "erased": marked("nội dung của sự đồng ý này đã được xoá"),
    "record_destroyed": marked("học bạ không còn trong hệ thống"),
}
#: State -> tone of its sign.
_TONES: Final[Mapping[State, str]] = {State.WAITING: "info", State.GIVEN: "ok"}
_ENDED: Final = "unfinished"
PARTIES: Final[Mapping[Party, str]] = {
    Party.GUARDIAN: marked("cha, mẹ hoặc người giám hộ"),
    Party.PUPIL: marked("học sinh"),
}
EVENTS: Final[Mapping[EventKind, str]] = {
    EventKind.ASKED: marked("hỏi"),
    EventKind.GIVEN: marked("đồng ý"),
    EventKind.REFUSED: marked("từ chối"),
    EventKind.WITHDRAWN: marked("rút lại"),
    EventKind.EXPIRED: marked("hết hạn"),
    EventKind.OPENED: marked("đã được xem"),
    EventKind.USED_UP: marked("dùng hết"),
    EventKind.SUSPENDED: marked("tạm dừng"),
    EventKind.RESUMED: marked("có hiệu lực lại"),
}
EVIDENCE: Final[Mapping[Evidence, str]] = {
    Evidence.SIGN_IN: marked("tự đăng nhập"),
    Evidence.SAME_DEVICE: marked("trên trang riêng, bằng máy của người giám hộ"),
    Evidence.WITNESS: marked("nói tại trường, có người của trường chứng kiến"),
    Evidence.PAPER: marked("ký trên giấy, nhà trường giữ"),
}
BEARER: Final = marked("Người có mã chia sẻ và biết ngày sinh của học sinh")
_LEVEL: Final = "level:"


def years(names: Sequence[str]) -> str:
    """School years as people write them."""
    return ", ".join(map(school_year, names))


def listed(preset: Preset, names: Sequence[str], *, pdf: bool) -> list[str]:
    """What may be seen, one thing a line."""
    return [capital(of_pair(pair)) for pair in in_words(preset, names, pdf=pdf)]


def standing(each: Overview) -> tuple[str, str, str]:
    """Tone, word and sentence of how a consent stands."""
    tone, word = _TONES.get(each.state, _ENDED), STATES[each.state]
    until = moment(each.until, language())
    match each.state:
        case State.GIVEN if each.suspended is not None:
            reason = gettext(OBSTACLES[each.suspended])
            word = marked("Đang tạm dừng")
            tone, sentence = "warn", gettext("Bây giờ không ai xem được gì: %(reason)s.", reason=reason)
        case State.GIVEN:
            sentence = gettext("Xem được đến %(until)s.", until=until)
            if each.once:
                sentence = gettext("Xem được một lần, đến %(until)s.", until=until)
            if each.code_locked:
                tone = "warn"
                sentence = gettext("Mã chia sẻ đã bị khoá vì có người nhập sai ngày sinh nhiều lần.")
            elif each.recipient is None and not each.code_made:
                sentence += " " + gettext("Chưa tạo mã chia sẻ nên chưa ai xem được.")
        case State.WAITING:
            who = gettext(" và ").join(gettext(PARTIES[party]) for party in each.waiting_for)
            sentence = gettext("Chờ %(who)s trả lời, đến %(until)s.", who=who, until=until)
            sentence += " " + gettext("Chưa đủ người đồng ý thì không ai xem được gì.")
        case State.EXPIRED:
            sentence = gettext("Hết hạn lúc %(until)s. Không ai xem được nữa.", until=until)
        case State.USED_UP:
            sentence = gettext("Đã được xem một lần, đúng như đã đồng ý. Không ai xem được nữa.")
        case _:
            sentence = gettext("Không ai xem được nữa.")
    return tone, gettext(word), sentence


def standing_of(found: ReceiptState) -> tuple[str, str, str]:
    """As :func:`standing`, for whoever has the number of a receipt: the state and nothing else."""
    tone, word = _TONES.get(found.state, _ENDED), STATES[found.state]
    until = moment(found.until, language())
    match found.state:
        case State.GIVEN if found.in_force:
            return tone, gettext("Đang có hiệu lực"), gettext("Có hiệu lực đến %(until)s.", until=until)
        case State.GIVEN:
            return "warn", gettext("Đang tạm dừng"), gettext("Đã được đồng ý, nhưng hiện không có hiệu lực.")
        case State.WAITING:
            return tone, gettext(word), gettext("Chưa đủ người đồng ý, nên không có hiệu lực.")
        case _:
            return tone, gettext(word), gettext("Không còn hiệu lực.")


# ------------------------------------------------------------------------------------------- an own sharing


def record_choices(records: Sequence[Issued]) -> Choices:
    """Each year, newest first, and for every level of several years all of them as one bundle."""
    choices = []
    for record in reversed(records):
        words = gettext(
            "Lớp %(grade)s, năm học %(year)s, %(school)s",
            grade=record.grade,
            year=years([record.year]),
            school=record.shown.school_name,
        )
        if record.shown.state is VersionState.RECALLED:
            words += " " + gettext("(đã thu hồi)")
        choices.append((str(record.key), words))
    for level in dict.fromkeys(record.level for record in records):
        count = sum(record.level == level for record in records)
        if count > 1:
            words = gettext(
                "Cả cấp %(level)s thành một bộ: %(count)s năm học", level=level_info(level).name, count=count
            )
            choices.append((_LEVEL + level, words))
    return choices


def possible_choices(records: Sequence[Issued]) -> Choices:
    """What is sensitive and can stand in one of the records."""
    possible = set().union(*(names_of(r.level, r.grade, Preset.RESULT, SENSITIVE) for r in records))
    return [(name, words) for name, words in sensitive_choices() if name in possible]


def read_sharing(form: MultiDict[str, Any], records: Sequence[Issued]) -> tuple[Wish, tuple[uuid.UUID, ...]]:
    """What a family wants to share, and which of ``records``. Raises InvalidInput with every mistake."""
    problems: list[Problem] = []
    wish = read_wish(form, problems)
    given = set(form.getlist("records"))
    chosen = tuple(r.key for r in records if str(r.key) in given or _LEVEL + r.level in given)
    if not chosen or not given <= {value for value, _ in record_choices(records)}:
        problems.append(Problem("records", "choose", marked("Chọn ít nhất một năm học.")))
    if not set(form.getlist("sensitive")) <= {name for name, _ in possible_choices(records)}:
        message = marked("Chỉ chọn những thông tin có trong danh sách.")
        problems.append(Problem("sensitive", "choose", message))
    if problems or wish is None:
        raise InvalidInput(tuple(problems))
    return wish, chosen
