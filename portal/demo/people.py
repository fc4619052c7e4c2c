"""Invented people whose names carry every difficulty of real class lists (see :data:`TRAPS`).

Everything is drawn from a seeded generator, so the same class has the same pupils on every machine. All text
is NFC; the look-alike Ð (U+00D0) never stands in clean data, only in the file of mistakes, to be warned of.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

CODE_OF_PROVINCE = {
    "Sơn La": "014",
    "Đắk Lắk": "066",
    "Thành phố Hồ Chí Minh": "079",
    "An Giang": "089",
    "Kiên Giang": "091",
}  # first three digits of a personal number


class Sex(StrEnum):
    """As printed."""

    MALE = "Nam"
    FEMALE = "Nữ"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a school or a family is. ``district`` stands only before 01/07/2025."""

    commune: str
    province: str
    district: str = ""
    people: tuple[str, ...] = ("Kinh",)  # peoples that live there, the first the most frequent

    @property
    def address(self) -> str:
        return ", ".join(part for part in (self.commune, self.district, self.province) if part)


@dataclass(frozen=True, slots=True)
class Pupil:
    """One pupil as the school's books know them; the keys of :meth:`fields` are those of the record."""

    code: str  # the school's own pupil code, ten digits, leading zeros kept
    name: str
    sex: Sex
    born: str  # dd/MM/yyyy, or yyyy where only the year is known
    people: str
    personal_number: str
    birth_place: str
    home_town: str
    address: str
    father: tuple[str, str] = ("", "")  # name, occupation; blank where there is none
    mother: tuple[str, str] = ("", "")
    guardian: tuple[str, str] = ("", "")
    policy: str = ""
    nationality: str = "Việt Nam"
    notes: tuple[str, ...] = field(default=())  # which traps this pupil carries, for the tests

    def fields(self) -> dict[str, object]:
        """The personal part of a record. Unknown things are blank, never invented."""
        return {
            "ma_hoc_sinh": self.code,
            "ho_va_ten": self.name,
            "gioi_tinh": self.sex.value,
            "ngay_sinh": self.born,
            "dan_toc": self.people,
            "quoc_tich": self.nationality,
            "doi_tuong": self.policy,
            "so_dinh_danh_ca_nhan": self.personal_number,
            "noi_sinh": self.birth_place,
            "que_quan": self.home_town,
            "noi_o_hien_tai": self.address,
            "cha_ho_ten": self.father[0],
            "cha_nghe_nghiep": self.father[1],
            "me_ho_ten": self.mother[0],
            "me_nghe_nghiep": self.mother[1],
            "nguoi_giam_ho_ho_ten": self.guardian[0],
            "nguoi_giam_ho_nghe_nghiep": self.guardian[1],
        }


Trap = tuple[str, Sex, str, str]  # people, sex, name, why real systems stumble over it

TRAPS: tuple[Trap, ...] = (
    ("Kinh", Sex.MALE, "Lê Nam", "two words"),
    ("Kinh", Sex.FEMALE, "Công Tằng Tôn Nữ Ngọc Hương", "six words, compound family name"),
    ("Kinh", Sex.MALE, "Đặng Đình Đức Đạt", "only đ"),
    ("Kinh", Sex.FEMALE, "Nguyễn Thị Hường", "16 code points, 22 when decomposed"),
    ("Kinh", Sex.FEMALE, "Trần Thị Thúy Hòa", "tone mark in the old place"),
    ("Kinh", Sex.FEMALE, "Trần Thị Thuý Hoà", "tone mark in the new place"),
    ("Ê Đê", Sex.FEMALE, "H'Nga Niê", "straight apostrophe"),
    ("Ê Đê", Sex.FEMALE, "H’Bích Ngọc Êban", "curly apostrophe"),
    ("Ê Đê", Sex.MALE, "Y Bhăm", "one letter first, no family name"),
    ("Ê Đê", Sex.MALE, "Y Thoan Ayŭn", "letter outside Vietnamese"),
    ("Gia Rai", Sex.MALE, "Ksor Y Blưng", "family name of another people"),
    ("Thái", Sex.FEMALE, "Lò Thị", "family name and middle name only"),
    ("Mông", Sex.MALE, "Giàng A Páo", "one letter in the middle"),
    ("Khmer", Sex.MALE, "Danh Sa Rươl", "Khmer"),
)


def _words(text: str) -> list[str]:
    return text.split()


_FAMILY = {
    "Kinh": (
        _words(
            "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đoàn Trịnh Đinh Lâm Mai"
        ),
        (30, 11, 9, 7, 5, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1),
    ),
    "Thái": (["Lò", "Cầm", "Quàng", "Cà", "Tòng", "Lường", "Hoàng"], (8, 3, 4, 3, 3, 3, 2)),
    "Mông": (["Giàng", "Vàng", "Sùng", "Thào", "Mùa", "Lầu"], (4, 4, 3, 3, 2, 2)),
    "Ê Đê": (["Niê", "Êban", "Mlô", "Kbuôr", "Hđơk", "Niê Kđăm"], (5, 3, 3, 2, 1, 2)),
    "Gia Rai": (["Ksor", "Siu", "Rơ Châm", "Rmah", "Nay"], (4, 4, 3, 2, 2)),
    "Khmer": (["Danh", "Thạch", "Kim", "Sơn", "Thị"], (5, 3, 2, 1, 2)),
    "Hoa": (["Trần", "Lâm", "Quách", "Châu"], (2, 2, 2, 1)),
}
_MIDDLE = {
    Sex.MALE: ["Văn", "Hữu", "Đức", "Minh", "Quốc", "Gia", "Công", "Thành", "Nhật", "Anh", "Đăng", "Hoàng"],
    Sex.FEMALE: ["Thị", "Thị Thanh", "Ngọc", "Thị Kim", "Bảo", "Thùy", "Phương", "Khánh", "Như", "Quỳnh"],
}
_GIVEN = {
    Sex.MALE: _words(
        "An Bảo Cường Dũng Đạt Hải Hiếu Huy Khang Khôi Long Nam Nghĩa Phong Phúc Quân Sơn Thịnh Trí"
    ),
    Sex.FEMALE: _words(
        "Anh Chi Dung Giang Hà Hân Hiền Hương Lan Linh Mai My Ngân Nhi Oanh Thảo Thư Trang Vy"
    ),
}
_LOCAL_GIVEN = {
    "Thái": {Sex.MALE: ["Pâng", "Ín", "Hặc", "Thoan"], Sex.FEMALE: ["Pản", "Hặc", "Sương", "Ính"]},
    "Mông": {Sex.MALE: ["Páo", "Chứ", "Sở", "Dơ", "Vư"], Sex.FEMALE: ["Mỷ", "Dở", "Chía", "Sua", "Mai"]},
    "Ê Đê": {
        Sex.MALE: ["Bhăm", "Thoan", "Quý", "Wan", "Kô"],
        Sex.FEMALE: ["Nga", "Linh", "Bích", "Loan", "Zina"],
    },
    "Gia Rai": {Sex.MALE: ["Blưng", "Thanh", "Hăn"], Sex.FEMALE: ["Lan", "Phiên", "Yuh"]},
    "Khmer": {Sex.MALE: ["Sa Rươl", "Sô Phia", "Hiệp"], Sex.FEMALE: ["Sa Rây", "Sóc Kha", "Mỹ Linh"]},
    "Hoa": {Sex.MALE: ["Vĩ Hào", "Chí Kiên"], Sex.FEMALE: ["Bội Bội", "Mỹ Quân"]},
}
_OCCUPATIONS = [
    "Làm ruộng",
    "Công nhân",
    "Giáo viên",
    "Buôn bán nhỏ",
    "Lái xe",
    "Nội trợ",
    "Bộ đội",
    "Nhân viên văn phòng",
    "Thợ xây",
    "Điều dưỡng",
]
_POLICIES = ["Hộ nghèo", "Hộ cận nghèo", "Con thương binh", "Khuyết tật nhẹ"]


def draw_name(rng: random.Random, people: str, sex: Sex) -> str:
    """A name as that people builds it: family name first for most, last for Ê Đê."""
    words, weights = _FAMILY[people]
    family = rng.choices(words, weights)[0]
    if people == "Kinh":
        given = rng.choice(_GIVEN[sex])
        middle = rng.choice([m for m in _MIDDLE[sex] if given not in m])
        return f"{family} {middle} {given}"
    given = rng.choice(_LOCAL_GIVEN[people][sex])
    match people:
        case "Ê Đê":
            return f"Y {given} {family}" if sex is Sex.MALE else f"H'{given} {family}"
        case "Gia Rai":
            return f"{family} {given}" if sex is Sex.MALE else f"{family} H'{given}"
        case "Mông":
            return f"{family} {'A' if sex is Sex.MALE else 'Thị'} {given}"
        case "Thái":
            return f"{family} {'Văn' if sex is Sex.MALE else 'Thị'} {given}"
        case _:
            return f"{family} {given}"


def draw_class(
    seed: str,
    place: Place,
    size: int,
    *,
    birth_year: int,
    code_prefix: str,
    traps: Sequence[Trap] = (),
    first: int = 1,
) -> tuple[Pupil, ...]:
    """``size`` pupils of one class, the first of them named by ``traps``, sorted as Vietnamese lists are.
    Their codes count from ``first``.

    A class of eight or more has one pair of the same name. Some pupils have one parent or a guardian, and
    among Thái, Mông, Ê Đê and Gia Rai there are births of which only the year is known.
    """
    rng = random.Random(seed)  # noqa: S311 - the demo must be the same everywhere; nothing secret is drawn
    pupils = [
        _draw(rng, place, birth_year, f"{code_prefix}{number:04d}", trap)
        for number, trap in enumerate([*traps, *([None] * (size - len(traps)))], start=first)
    ]
    if size >= 8:
        pupils[-1] = _same_name(rng, place, pupils[-2], pupils[-1], birth_year)
    return tuple(sorted(pupils, key=lambda pupil: sort_key(pupil.name)))


def draw_adults(seed: str, people: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Names of ``count`` teachers, no two alike."""
    rng = random.Random(seed)  # noqa: S311 - as above
    names: dict[str, None] = {}
    while len(names) < count:
        names.setdefault(draw_name(rng, rng.choice((*people, "Kinh", "Kinh")), rng.choice(list(Sex))))
    return tuple(names)


def sort_key(name: str) -> tuple[str, str]:
    """Given name first, without diacritics, đ after d."""
    words = name.split()
    return _plain(words[-1]), _plain(name)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower().replace("đ", "d~"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _draw(rng: random.Random, place: Place, birth_year: int, code: str, trap: Trap | None) -> Pupil:
    notes: list[str] = []
    if trap is None:
        people = place.people[0] if rng.random() < 0.6 else rng.choice(place.people)
        sex = rng.choice(list(Sex))
        name = draw_name(rng, people, sex)
    else:
        people, sex, name, why = trap
        notes.append(why)
    day = date(birth_year, 1, 1) + timedelta(days=rng.randrange(365))
    born = f"{day:%d/%m/%Y}"
    if people in ("Thái", "Mông", "Ê Đê", "Gia Rai") and rng.random() < 0.15:
        born = str(birth_year)
        notes.append("year-only birth")
    father, mother, guardian, note = _family(rng, people, name)
    if note:
        notes.append(note)
    return Pupil(
        code=code,
        name=name,
        sex=sex,
        born=born,
        people=people,
        personal_number=_personal_number(rng, place, sex, birth_year),
        birth_place=place.province,
        home_town=place.address,
        address=f"{rng.choice(('Tổ', 'Thôn', 'Khu'))} {rng.randint(1, 12)}, {place.address}",
        father=father,
        mother=mother,
        guardian=guardian,
        policy=rng.choice(_POLICIES) if rng.random() < 0.12 else "",
        notes=tuple(notes),
    )


def _family(
    rng: random.Random, people: str, child: str
) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str], str]:
    father_name = draw_name(rng, people, Sex.MALE)
    if people in ("Kinh", "Thái", "Mông"):  # the child bears the father's family name
        father_name = " ".join([child.split(maxsplit=1)[0], *father_name.split()[1:]])
    father = (father_name, rng.choice(_OCCUPATIONS))
    mother = (draw_name(rng, people, Sex.FEMALE), rng.choice(_OCCUPATIONS))
    none = ("", "")
    draw = rng.random()
    if draw < 0.10:
        return none, mother, none, "no father"
    if draw < 0.14:
        return father, none, none, "no mother"
    if draw < 0.18:
        guardian = (draw_name(rng, people, Sex.FEMALE), rng.choice(_OCCUPATIONS))
        return none, none, guardian, "guardian"
    return father, mother, none, ""


def _personal_number(rng: random.Random, place: Place, sex: Sex, birth_year: int) -> str:
    """Twelve digits: province, century and sex (2 and 3 for the 21st), two digits of the year, six random."""
    century = (2 if birth_year >= 2000 else 0) + (1 if sex is Sex.FEMALE else 0)
    return f"{CODE_OF_PROVINCE[place.province]}{century}{birth_year % 100:02d}{rng.randrange(10**6):06d}"


def _same_name(rng: random.Random, place: Place, one: Pupil, other: Pupil, birth_year: int) -> Pupil:
    """``other`` under the name of ``one``: classmates of one name differ by birth date and code."""
    day = date(birth_year, 1, 1) + timedelta(days=rng.randrange(365))
    return replace(
        other,
        name=one.name,
        sex=one.sex,
        people=one.people,
        born=f"{day:%d/%m/%Y}",
        personal_number=_personal_number(rng, place, one.sex, birth_year),
        notes=(*other.notes, "same name"),
    )
