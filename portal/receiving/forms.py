"""What the forms of receiving say and take, every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import MultiDict

from portal.consent.fields import Preset
from portal.consent.forms import Choices, capital, of_pair, read_choice, read_preset, read_wish
from portal.consent.purposes import Duty
from portal.consent.service import MAX_REFERENCE, Wish, read_code
from portal.lookup.forms import CODE_MISTAKES
from portal.permissions import OrganisationKind
from portal.registry.service import read_birth
from portal.web.i18n import marked
from verifier.errors import InvalidInput, Problem
from verifier.locator import Hosts, Locator, read_typed
from verifier.verdict import VersionState

#: What became of a version that is shown -> in words.
VERSIONS: Final[Mapping[VersionState, str]] = {
    VersionState.CURRENT: marked("đang lưu hành"),
    VersionState.SUPERSEDED: marked("đã có bản mới hơn"),
    VersionState.RECALLED: marked("đã thu hồi"),
}
#: Words for the codes of :func:`verifier.locator.read_share_code`, and for a birth date that is none.
MISTAKES: Final[Mapping[tuple[str, str], str]] = {
    ("code", "empty"): marked("Nhập mã chia sẻ mà gia đình đã đưa"),
    ("code", "too_long"): marked("Nội dung quá dài. Chỉ nhập mã chia sẻ"),
    ("code", "characters"): marked(
        "Mã chỉ gồm chữ số và chữ cái không dấu. Hãy tắt bộ gõ tiếng Việt rồi nhập lại"
    ),
    ("code", "length"): marked("Mã chia sẻ gồm 10 chữ và số. Hãy so lại với mã đã nhận"),
    ("code", "check_character"): marked("Có ký tự gõ sai. Hãy so lại từng ký tự với mã đã nhận"),
    ("code", "ambiguous"): marked("Bộ gõ tiếng Việt đã làm sai mã. Hãy tắt bộ gõ rồi nhập lại"),
    ("birth", "birth"): marked(
        "Nhập ngày sinh có thật, ví dụ 3 9 2015. Chỉ có năm sinh thì để trống ngày và tháng"
    ),
}
_WHOLE_CODE: Final = marked(
    "Quét mã QR hoặc dán cả liên kết của nó. Phần chữ in cạnh mã QR không đủ để xin xem học bạ"
)


def duties(kind: OrganisationKind) -> Choices:
    """Duties of law that an organisation of this kind may name, each with its article."""
    return [
        (duty.value, f"{capital(of_pair(duty.ground.words))} ({duty.ground.article})")
        for duty in Duty
        if kind in duty.ground.kinds
    ]


# ---------------------------------------------------------------------------------------------- a share code


@dataclass(frozen=True, slots=True)
class TypedPair:
    """A share code and a birth date in their one spelling."""

    code: str
    birth: str


def read_pair(form: Mapping[str, str]) -> TypedPair:
    """Fields ``code``, ``ngay``, ``thang``, ``nam``. Raises InvalidInput; what cannot be a code or a date is
    looked up nowhere.
    """
    boxes = (form.get(name, "").strip() for name in ("ngay", "thang", "nam"))
    problems: list[Problem] = []
    code = birth = ""
    try:
        code = read_code(form.get("code", ""))
    except InvalidInput as mistakes:
        problems += mistakes.problems
    try:
        birth = read_birth("/".join(box for box in boxes if box))
    except InvalidInput as mistakes:
        problems += (Problem("birth", "birth", problem.message) for problem in mistakes.problems)
    if problems:
        raise InvalidInput(tuple(problems))
    return TypedPair(code, birth)


# ------------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True, slots=True)
class Question:
    """What an organisation asks a family."""

    locator: Locator
    wish: Wish
    reference: str
    whole_level: bool


def read_question(form: MultiDict[str, str], hosts: Hosts) -> Question:
    """The form of a question. Raises InvalidInput; which sensitive parts there are the service knows."""
    problems: list[Problem] = []
    locator = _locator(form.get("code", ""), hosts, problems)
    wish = read_wish(form, problems)
    _reference(form, marked("Ghi số hồ sơ, không quá 80 ký tự."), problems)
    if problems or locator is None or wish is None:
        raise InvalidInput(tuple(problems))
    return Question(locator, wish, form.get("reference", ""), "whole_level" in form)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an organisation needs by a duty of law; the record by its locator, or by a file that is sent."""

    duty: Duty
    preset: Preset
    reference: str
    sensitive: tuple[str, ...]
    locator: Locator | None


def read_claim(form: MultiDict[str, str], hosts: Hosts, *, file: bool) -> Claim:
    """The form of an access by law; ``file`` says that a file came with it. Raises InvalidInput."""
    problems: list[Problem] = []
    typed = form.get("code", "").strip()
    locator = _locator(typed, hosts, problems) if typed else None
    if bool(typed) is file:
        message = marked("Xuất trình mã QR đầy đủ của học bạ, hoặc tệp học bạ đang giữ: một trong hai.")
        problems.append(Problem("code", "one", message))
    duty = read_choice(Duty, form, "duty", marked("Chọn căn cứ pháp luật."), problems)
    preset = read_preset(form, problems)
    _reference(form, marked("Ghi số hồ sơ, vụ việc, không quá 80 ký tự."), problems)
    if problems or duty is None or preset is None:
        raise InvalidInput(tuple(problems))
    return Claim(duty, preset, form.get("reference", ""), tuple(form.getlist("sensitive")), locator)


def _locator(text: str, hosts: Hosts, problems: list[Problem]) -> Locator | None:
    try:
        typed = read_typed(text, hosts)
    except InvalidInput as mistakes:
        code = mistakes.problems[0].code
        problems.append(Problem("code", code, CODE_MISTAKES.get(code, CODE_MISTAKES["check_character"])))
        return None
    if typed.locator is None:
        problems.append(Problem("code", "not_whole", _WHOLE_CODE))
    return typed.locator


def _reference(form: Mapping[str, str], message: str, problems: list[Problem]) -> None:
    if not 0 < len(form.get("reference", "").strip()) <= MAX_REFERENCE:
        problems.append(Problem("reference", "reference", message))
