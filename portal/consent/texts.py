"""What a person is asked to agree to, word by word: one edition of texts, in two languages, for two readers.

Luật 91/2025 Đ.9: who gets it, what of it, what for, for how long, which rights there are; silence is no
consent. The exact text that was shown is kept with each answer, with its edition and SHA-256; an edition that
was shown to anybody is never changed: another wording is another edition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from portal.consent.fields import PDF_WORDS, SENSITIVE, Preset
from portal.consent.purposes import Purpose

Language = Literal["vi", "en"]

#: The newest edition, which is the one shown.
EDITION: Final = 1


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


def render(terms: Terms, language: Language, reader: Reader, *, edition: int = EDITION) -> Shown:
    """The whole text. Raises KeyError for an edition there is none of."""
    words = _EDITIONS[edition][language, reader]
    index = 0 if language == "vi" else 1
    listed = [terms.preset.words[index], *(SENSITIVE[name][index] for name in terms.sensitive)]
    if terms.pdf:
        listed.append(PDF_WORDS[index])
    filled = {
        "recipient": terms.recipient or words["bearer"],
        "purpose": terms.purpose.words[index],
        "days": str(terms.days),
        "reference": terms.reference,
        "uses": words["once" if terms.once else "many"],
        "records": "\n".join(
            f"- {words['record'].format(year=year, school=school)}" for year, school in terms.records
        ),
        "fields": "\n".join(f"- {line}" for line in listed),
    }
    parts = [words["who"], words["what"]]
    if terms.reference:
        parts.append(words["case"])
    if terms.approval:
        parts.append(words["approval"])
    parts.append(words["rights"])
    return Shown(edition, language, reader, "\n\n".join(part.format(**filled) for part in parts))


_VI_ADULT: Final = {
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
_EN_ADULT: Final = {
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
_VI_CHILD: Final = {
    **_VI_ADULT,
    "bearer": "Người được gia đình đưa mã chia sẻ",
    "who": "{recipient} muốn xem học bạ của em để: {purpose}.\n{records}",
    "what": "Người đó sẽ thấy:\n{fields}\nTrong {days} ngày. {uses}\n"
    "Nếu nhà trường sửa học bạ, người đó thấy bản đã sửa.",
    "rights": "Em có thể nói không. Nếu em nói không thì không ai được xem, và không ai được trách em. "
    "Nếu em nói có, sau này em vẫn đổi ý được bất cứ lúc nào. Em hỏi cha mẹ hoặc thầy cô nếu chưa hiểu.",
}
_EN_CHILD: Final = {
    **_EN_ADULT,
    "bearer": "Somebody to whom your family gives a share code",
    "who": "{recipient} would like to see your school record for: {purpose}.\n{records}",
    "what": "They will see:\n{fields}\nFor {days} days. {uses}\n"
    "If the school corrects your record, they see the corrected one.",
    "rights": "You can say no. If you say no, nobody sees it, and nobody may blame you. If you say yes, you "
    "can still change your mind later at any time. Ask your parents or a teacher if something is not clear.",
}
_EDITIONS: Final[Mapping[int, Mapping[tuple[Language, Reader], Mapping[str, str]]]] = {
    1: {
        ("vi", Reader.ADULT): _VI_ADULT,
        ("en", Reader.ADULT): _EN_ADULT,
        ("vi", Reader.CHILD): _VI_CHILD,
        ("en", Reader.CHILD): _EN_CHILD,
    }
}
