"""What a record may be shown for: purposes that a family consents to, and duties of law that need no consent.

Both lists are closed. A purpose has the letter that its share codes begin with; a code of the trail is its
value (:mod:`verifier.audit`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portal.permissions import OrganisationKind

Pair = tuple[str, str]  # Vietnamese, English


class Purpose(StrEnum):
    """What for. ``TRANSFER`` and ``ADMISSION`` are the schools' own business (NĐ 88/2026 Đ.12.2); everything
    else lies outside education.
    """

    TRANSFER = "transfer"
    ADMISSION = "admission"
    VIEW = "view"
    SCHOLARSHIP = "scholarship"
    EMPLOYMENT = "employment"
    BENEFIT = "benefit"
    STUDY_ABROAD = "study_abroad"

    @property
    def letter(self) -> str:
        """The first character of its share codes."""
        return _LETTERS[self]

    @property
    def words(self) -> Pair:
        return _WORDS[self]

    @property
    def in_education(self) -> bool:
        return self in (Purpose.TRANSFER, Purpose.ADMISSION)


_LETTERS: Final = {
    Purpose.TRANSFER: "C",
    Purpose.ADMISSION: "T",
    Purpose.VIEW: "X",
    Purpose.SCHOLARSHIP: "H",
    Purpose.EMPLOYMENT: "V",
    Purpose.BENEFIT: "B",
    Purpose.STUDY_ABROAD: "D",
}
_WORDS: Final = {
    Purpose.TRANSFER: ("chuyển trường", "changing school"),
    Purpose.ADMISSION: ("tuyển sinh", "admission"),
    Purpose.VIEW: (
        "biết việc học của học sinh, không làm thủ tục nào",
        "knowing how the pupil is doing, with no formal use",
    ),
    Purpose.SCHOLARSHIP: ("xét học bổng", "a scholarship"),
    Purpose.EMPLOYMENT: ("việc làm", "employment"),
    Purpose.BENEFIT: ("chế độ, chính sách", "a benefit"),
    Purpose.STUDY_ABROAD: ("du học", "studying abroad"),
}
LETTERS: Final = "".join(_LETTERS.values())


def outside_education(purpose: Purpose, recipient: OrganisationKind | None) -> bool:
    """Whether the data-managing unit's standing approval is needed too (NĐ 88/2026 Đ.12.2): for a purpose
    that is not the schools' own, and for a recipient that is no school and no department, whatever it says.

    ``recipient`` is None for whoever bears a share code.
    """
    return not purpose.in_education or recipient is OrganisationKind.AGENCY


class Duty(StrEnum):
    """On which ground content is shown without consent; each time anew, to one organisation, of one pupil."""

    RECEIVING_SCHOOL = "receiving_school"
    SECTOR_DUTY = "sector_duty"
    AGENCY_DUTY = "agency_duty"
    EMERGENCY = "emergency"

    @property
    def ground(self) -> Ground:
        return _GROUNDS[self]


@dataclass(frozen=True, slots=True)
class Ground:
    """The article, in words for the family, and which organisations can have this duty."""

    article: str
    words: Pair
    kinds: frozenset[OrganisationKind]


_GROUNDS: Final = {
    Duty.RECEIVING_SCHOOL: Ground(
        "NĐ 88/2026/NĐ-CP Đ.12.2",
        ("trường tiếp nhận học sinh", "the school that takes the pupil in"),
        frozenset({OrganisationKind.SCHOOL}),
    ),
    Duty.SECTOR_DUTY: Ground(
        "NĐ 88/2026/NĐ-CP Đ.12.2",
        ("nhiệm vụ quản lý giáo dục", "a duty of the education authority"),
        frozenset({OrganisationKind.DEPARTMENT}),
    ),
    Duty.AGENCY_DUTY: Ground(
        "Luật 91/2025/QH15 Đ.19.1",
        ("nhiệm vụ luật định của cơ quan nhà nước", "a state agency's duty by law"),
        frozenset({OrganisationKind.AGENCY, OrganisationKind.DEPARTMENT}),
    ),
    Duty.EMERGENCY: Ground(
        "Luật 91/2025/QH15 Đ.19.1",
        (
            "tình huống khẩn cấp về tính mạng, sức khoẻ của học sinh",
            "an emergency of the pupil's life or health",
        ),
        frozenset({OrganisationKind.SCHOOL, OrganisationKind.AGENCY, OrganisationKind.DEPARTMENT}),
    ),
}
