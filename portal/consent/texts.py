"""What a person is asked to agree to, word by word: editions of texts, in two languages, for two readers.

Luật 91/2025 Đ.9: who gets it, what of it, what for, for how long, which rights there are; silence is no
consent. The exact text that was shown is kept with each answer, with its edition and SHA-256; an edition that
was shown to anybody is never changed: another wording is another edition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from portal.consent.fields import PDF_WORDS, SENSITIVE, Preset, in_words, joined
from portal.consent.purposes import Pair, Purpose

Language = Literal["vi", "en"]

#: The newest edition, which is the one shown.
EDITION: Final = 2


class Reader(StrEnum):
    """For whom the text is worded."""

    ADULT = "adult"  # guardians, and pupils from 16
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed to. ``recipient`` is None for whoever bears a share code; ``records`` are (school year,
    school); ``reference`` the asker's number of the case, empty when it gave none.
    """

    recipient: str | None
    purpose: Purpose
    records: tuple[tuple[str, str], ...]
    preset: Preset
    sensitive: tuple[str, ...]
    pdf: bool
    days: int
    once: bool
    approval: bool  # the department's standing approval is needed too
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it was shown: its edition, language and reader, and the SHA-256 of its UTF-8."""

    edition: int
    language: Language
    reader: Reader
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Edition:
    """The sentences, and what the purpose and the things to be seen are called to a reader."""

    words: Mapping[tuple[Language, Reader], Mapping[str, str]]
    purpose: Callable[[Terms, Reader], Pair]
    things: Callable[[Terms, Reader], tuple[Pair, ...]]


def render(terms: Terms, language: Language, reader: Reader, *, edition: int = EDITION) -> Shown:
    """The whole text. Raises KeyError for an edition there is none of."""
    chosen = _EDITIONS[edition]
    words = chosen.words[language, reader]
    index = 0 if language == "vi" else 1
    filled = {
        "recipient": terms.recipient or words["bearer"],
        "purpose": chosen.purpose(terms, reader)[index],
        "days": str(terms.days),
        "s": "" if terms.days == 1 else "s",
        "reference": terms.reference,
        "uses": words["once" if terms.once else "many"],
        "records": "\n".join(
            f"- {words['record'].format(year=year, school=school)}" for year, school in terms.records
        ),
        "fields": "\n".join(f"- {thing[index]}" for thing in chosen.things(terms, reader)),
    }
    parts = [words["who"], words["what"]]
    if terms.reference:
        parts.append(words["case"])
    if terms.approval:
        parts.append(words["approval"])
    parts.append(words["rights"])
    return Shown(edition, language, reader, "\n\n".join(part.format(**filled) for part in parts))


# ------------------------------------------------------------------------------------------------- edition 1

_VI_ADULT_1: Final = {
    "bearer": "Người có mã chia sẻ và biết ngày sinh của học sinh",
    "record": "năm học {year}, {school}",
    "who": "{recipient} được xem học bạ dưới đây để: {purpose}.\n{records}",
    "what": "Những gì được xem:\n{fields}\nThời hạn: {days} ngày kể từ khi đủ người đồng ý. {uses}\n"
    "Nếu nhà trường sửa học bạ trong thời hạn đó, bản đã sửa được xem thay cho bản cũ.",
    "once": "Chỉ xem được một lần.",
    "many": "Xem được nhiều lần trong thời hạn.",
    "case": "Số hồ sơ của nơi xin xem: {reference}.",
    "approval": "Mục đích này nằm ngoài ngành giáo dục, nên còn cần Sở Giáo dục và Đào tạo chấp thuận; "
    "chưa có chấp thuận thì không ai xem được gì.",
    "rights": "Không đồng ý thì không ai xem được gì và không ảnh hưởng đến việc học. Im lặng không phải là "
    "đồng ý. Đã đồng ý vẫn rút lại được bất cứ lúc nào, có hiệu lực ngay. Mỗi lần xem đều được ghi lại để "
    "gia đình biết. Nhà trường quản lý dữ liệu này; gia đình có quyền xem, đề nghị sửa và khiếu nại.",
}
_EN_ADULT_1: Final = {
    "bearer": "Whoever has the share code and knows the pupil's birth date",
    "record": "school year {year}, {school}",
    "who": "{recipient} may see the record below for: {purpose}.\n{records}",
    "what": "What may be seen:\n{fields}\nFor {days} days from when everybody needed has agreed. {uses}\n"
    "If the school corrects the record in that time, the corrected version is seen instead of the old one.",
    "once": "It can be seen once.",
    "many": "It can be seen as often as needed in that time.",
    "case": "Number of the case: {reference}.",
    "approval": "This purpose lies outside education, so the department of education has to approve it too; "
    "without that nobody sees anything.",
    "rights": "If you do not agree, nobody sees anything and schooling is not affected. Silence is not "
    "consent. You can take your consent back at any time, with immediate effect. Every look is recorded for "
    "the family. The school manages this data; the family may see it, ask for corrections and complain.",
}
_VI_CHILD_1: Final = {
    **_VI_ADULT_1,
    "bearer": "Người được gia đình đưa mã chia sẻ",
    "who": "{recipient} muốn xem học bạ của em để: {purpose}.\n{records}",
    "what": "Người đó sẽ thấy:\n{fields}\nTrong {days} ngày. {uses}\n"
    "Nếu nhà trường sửa học bạ, người đó thấy bản đã sửa.",
    "rights": "Em có thể nói không. Nếu em nói không thì không ai được xem, và không ai được trách em. "
    "Nếu em nói có, sau này em vẫn đổi ý được bất cứ lúc nào. Em hỏi cha mẹ hoặc thầy cô nếu chưa hiểu.",
}
_EN_CHILD_1: Final = {
    **_EN_ADULT_1,
    "bearer": "Somebody to whom your family gives a share code",
    "who": "{recipient} would like to see your school record for: {purpose}.\n{records}",
    "what": "They will see:\n{fields}\nFor {days} days. {uses}\n"
    "If the school corrects your record, they see the corrected one.",
    "rights": "You can say no. If you say no, nobody sees it, and nobody may blame you. If you say yes, you "
    "can still change your mind later at any time. Ask your parents or a teacher if something is not clear.",
}
_VIEW_1: Final[Pair] = ("xem", "viewing")
_WHOLE_1: Final[Pair] = (
    "toàn bộ học bạ: kết quả, điểm, ngày nghỉ, nhận xét, quá trình học tập, chứng chỉ, người ký; "
    "trừ thông tin nhạy cảm không được nêu tên dưới đây",
    "the whole record: result, marks, absences, comments, schools attended, certificates, who signed; "
    "without sensitive details that are not named below",
)


def _purpose_1(terms: Terms, reader: Reader) -> Pair:
    return _VIEW_1 if terms.purpose is Purpose.VIEW else terms.purpose.words


def _things_1(terms: Terms, reader: Reader) -> tuple[Pair, ...]:
    first = _WHOLE_1 if terms.preset is Preset.WHOLE else terms.preset.words
    named = tuple(SENSITIVE[name] for name in terms.sensitive)
    return (first, *named, PDF_WORDS) if terms.pdf else (first, *named)


# ------------------------------------------------------------------------------------------------- edition 2

_VI_ADULT_2: Final = _VI_ADULT_1
_EN_ADULT_2: Final = {
    **_EN_ADULT_1,
    "what": "What may be seen:\n{fields}\nFor {days} day{s} from when everybody needed has agreed. {uses}\n"
    "If the school corrects the record in that time, the corrected version is seen instead of the old one.",
}
_VI_CHILD_2: Final = {
    **_VI_CHILD_1,
    "what": "Người xem sẽ thấy:\n{fields}\nTrong {days} ngày. {uses}\n"
    "Nếu nhà trường sửa học bạ, người xem thấy bản đã sửa.",
    "many": "Trong thời gian đó xem được nhiều lần.",
    "approval": "Việc này còn cần Sở Giáo dục và Đào tạo đồng ý. Sở chưa đồng ý thì không ai xem được.",
}
_EN_CHILD_2: Final = {
    **_EN_CHILD_1,
    "what": "They will see:\n{fields}\nFor {days} day{s}. {uses}\n"
    "If the school corrects your record, they see the corrected one.",
    "approval": "The department of education has to say yes too. Until it does, nobody sees anything.",
}
_CHILD_PURPOSES: Final[Mapping[Purpose, Pair]] = {
    Purpose.TRANSFER: ("cho em chuyển sang học trường khác", "your change to another school"),
    Purpose.ADMISSION: ("xét cho em vào học", "your place at a school"),
    Purpose.VIEW: ("biết em học thế nào", "knowing how you are doing at school"),
    Purpose.SCHOLARSHIP: ("xét cho em học bổng", "a scholarship for you"),
    Purpose.EMPLOYMENT: ("nhận em vào làm việc", "work for you"),
    Purpose.BENEFIT: ("xét cho gia đình em được Nhà nước giúp đỡ", "help for your family"),
    Purpose.STUDY_ABROAD: ("cho em đi học ở nước ngoài", "your studies in another country"),
}
_CHILD_PRESETS: Final[Mapping[Preset, Pair]] = {
    Preset.RESULT: (
        "họ tên, ngày sinh, trường, lớp của em; cả năm em học và rèn luyện thế nào, được khen gì, có lên lớp "
        "không",
        "your name, birth date, school and class; how you did over the year, awards, whether you move up",
    ),
    Preset.MARKS: (
        "họ tên, ngày sinh, trường, lớp và kết quả cả năm của em; điểm và lời nhận xét của từng môn, phẩm "
        "chất, năng lực",
        "your name, birth date, school, class and result of the year; marks and comments of every subject, "
        "qualities, abilities",
    ),
    Preset.WHOLE: (
        "cả học bạ của em: kết quả, điểm, ngày nghỉ, lời nhận xét, những trường em đã học, chứng chỉ, ai ký",
        "your whole school record: results, marks, days missed, comments, schools you went to, certificates, "
        "who signed",
    ),
}
#: What the whole record leaves out, by whether something sensitive is named after it.
_CHILD_WITHOUT: Final[Mapping[bool, Pair]] = {
    False: (
        "không có địa chỉ, cha mẹ, sức khoẻ, số định danh của em",
        "not your address, parents, health or personal number",
    ),
    True: (
        "những điều riêng của em thì chỉ có các mục ghi ngay sau đây",
        "of your private things only those named next",
    ),
}
_CHILD_PDF: Final[Pair] = (
    "tệp học bạ có chữ ký của trường (PDF), trong đó in mọi điều ghi về em, cả địa chỉ, cha mẹ, số định danh",
    "the file signed by your school (PDF), which prints everything about you, also address, parents and "
    "personal number",
)


def _purpose_2(terms: Terms, reader: Reader) -> Pair:
    return _CHILD_PURPOSES[terms.purpose] if reader is Reader.CHILD else terms.purpose.words


def _things_2(terms: Terms, reader: Reader) -> tuple[Pair, ...]:
    if reader is Reader.ADULT:
        return in_words(terms.preset, terms.sensitive, pdf=terms.pdf)
    first = _CHILD_PRESETS[terms.preset]
    named = tuple(SENSITIVE[name] for name in terms.sensitive)
    if terms.preset is Preset.WHOLE and not terms.pdf:
        first = joined(first, _CHILD_WITHOUT[bool(named)])
    return (first, *named, _CHILD_PDF) if terms.pdf else (first, *named)


_EDITIONS: Final[Mapping[int, _Edition]] = {
    1: _Edition(
        {
            ("vi", Reader.ADULT): _VI_ADULT_1,
            ("en", Reader.ADULT): _EN_ADULT_1,
            ("vi", Reader.CHILD): _VI_CHILD_1,
            ("en", Reader.CHILD): _EN_CHILD_1,
        },
        _purpose_1,
        _things_1,
    ),
    2: _Edition(
        {
            ("vi", Reader.ADULT): _VI_ADULT_2,
            ("en", Reader.ADULT): _EN_ADULT_2,
            ("vi", Reader.CHILD): _VI_CHILD_2,
            ("en", Reader.CHILD): _EN_CHILD_2,
        },
        _purpose_2,
        _things_2,
    ),
}
