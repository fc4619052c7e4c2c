"""The invented schools of the demo: their places, their staff, and who may sign what.

They stand for what the real ones bring: every level, both signature systems, a private school with a public
certificate, a vice principal signing for the principal ("KT."), an acting director ("Q."), a provider whose
revocation list runs out, a stolen seal, certificates that ended or were revoked after (or before) they
signed, and a school of a former province, merged into a successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.demo import authority as ca
from portal.demo.people import Place, draw_adults
from verifier.report import Role
from verifier.trust import Pki


@dataclass(frozen=True, slots=True)
class DepartmentPlan:
    """Sở Giáo dục và Đào tạo."""

    code: str
    name: str
    province: str

    @property
    def phone(self) -> str:
        """A number that nobody has: no area of Vietnam begins so."""
        return f"0200 000 0{self.code[1:]}"


class Fate(StrEnum):
    """What becomes of a certificate after its person has signed."""

    GOOD = "good"
    EXPIRED = "expired"  # ended a few weeks later
    REVOKED_LATER = "revoked later"  # from a day after the signature
    REVOKED_BEFORE = "revoked before"  # found out later: the key was lost before it signed


@dataclass(frozen=True, slots=True)
class Staff:
    """One person with one certificate. ``duties``: role, capacity, subjects (empty: every subject)."""

    name: str
    title: str
    duties: tuple[tuple[Role, str, tuple[str, ...]], ...]
    key: str = "rsa"
    fate: Fate = Fate.GOOD

    def holds(self, role: Role) -> bool:
        return any(duty[0] is role for duty in self.duties)


@dataclass(frozen=True, slots=True)
class SchoolPlan:
    """One school. ``seal_ca`` and ``people_ca`` name the authorities of its seal and of its people."""

    key: str
    code: str
    name: str
    department: str
    levels: tuple[str, ...]
    place: Place
    staff: tuple[Staff, ...]
    head_title: str = "Hiệu trưởng"
    sector: str = "cong_lap"
    seal_ca: str = ca.STATE_SEALS
    people_ca: str = ca.STATE_PEOPLE
    pki: Pki = Pki.STATE
    valid_from: date = date(2020, 9, 1)
    valid_to: date | None = None
    successor: str | None = None

    @property
    def phone(self) -> str:
        """A number that nobody has: no area of Vietnam begins so."""
        return f"0200 555 {sum(self.code.encode()) % 1000:03}"

    @property
    def manager(self) -> Staff:
        """Who signs as CBQL."""
        return next(person for person in self.staff if person.holds(Role.CBQL))


DEPARTMENTS = (
    DepartmentPlan("S79", "Sở Giáo dục và Đào tạo Thành phố Hồ Chí Minh", "Thành phố Hồ Chí Minh"),
    DepartmentPlan("S14", "Sở Giáo dục và Đào tạo tỉnh Sơn La", "Sơn La"),
    DepartmentPlan("S66", "Sở Giáo dục và Đào tạo tỉnh Đắk Lắk", "Đắk Lắk"),
    DepartmentPlan("S91", "Sở Giáo dục và Đào tạo tỉnh Kiên Giang", "Kiên Giang"),
    DepartmentPlan("S89", "Sở Giáo dục và Đào tạo tỉnh An Giang", "An Giang"),
)

# Which subjects one teacher teaches; the first teacher of a list is also the homeroom teacher.
_THCS_POSTS = (
    ("NGU_VAN", "HDTN_HN"),
    ("TOAN",),
    ("NGOAI_NGU_1",),
    ("GIAO_DUC_CONG_DAN",),
    ("LICH_SU_DIA_LI", "GD_DIA_PHUONG", "TIENG_DTTS"),
    ("KHOA_HOC_TU_NHIEN",),
    ("CONG_NGHE", "TIN_HOC"),
    ("GIAO_DUC_THE_CHAT",),
    ("NGHE_THUAT",),
)
_THPT_POSTS = (
    ("TOAN", "HDTN_HN"),
    ("NGU_VAN",),
    ("NGOAI_NGU_1", "NGOAI_NGU_2"),
    ("LICH_SU", "GD_DIA_PHUONG"),
    ("GIAO_DUC_THE_CHAT", "GDQP_AN"),
    ("VAT_LI", "CONG_NGHE"),
    ("HOA_HOC",),
    ("SINH_HOC",),
    ("DIA_LI",),
    ("GD_KT_PL",),
    ("TIN_HOC",),
    ("AM_NHAC", "MI_THUAT"),
)
_GDTX_POSTS = (
    ("NGU_VAN", "GD_DIA_PHUONG"),
    ("TOAN", "TIN_HOC"),
    ("LICH_SU", "DIA_LI", "GD_KT_PL"),
    ("VAT_LI", "HOA_HOC", "SINH_HOC", "CONG_NGHE"),
    ("NGOAI_NGU",),
)


def _staff(
    seed: str,
    peoples: tuple[str, ...],
    posts: tuple[tuple[str, ...], ...],
    *,
    head: str = "Hiệu trưởng",
    capacity: str = "",
) -> tuple[Staff, ...]:
    """A manager, then a homeroom teacher; with ``posts`` (secondary) also subject teachers.

    The manager, the homeroom teacher and every fourth of the others have an RSA key, as Vietnamese
    authorities mostly give; the rest P-256, which is made and opened in a twentieth of the time.
    """
    names = draw_adults(seed, peoples, 2 + len(posts))
    title = {"KT": "Phó Hiệu trưởng", "Q": f"Q. {head}"}.get(capacity, head)
    people = [Staff(names[0], title, ((Role.CBQL, capacity, ()),))]
    if not posts:
        people.append(Staff(names[1], "Giáo viên chủ nhiệm", ((Role.GVCN, "", ()),)))
    for number, (name, subjects) in enumerate(zip(names[2:], posts, strict=True)):
        duties: list[tuple[Role, str, tuple[str, ...]]] = [(Role.GVBM, "", subjects)]
        if number == 0:
            duties.append((Role.GVCN, "", ()))
        people.append(Staff(name, "Giáo viên", tuple(duties), "p256" if number % 4 else "rsa"))
    return tuple(people)


def _staff_of_fates(seed: str, peoples: tuple[str, ...]) -> tuple[Staff, ...]:
    """A manager, and a homeroom teacher for each thing that may become of a certificate."""
    head, *teachers = draw_adults(seed, peoples, 4)
    fates = (Fate.EXPIRED, Fate.REVOKED_LATER, Fate.REVOKED_BEFORE)
    return (
        Staff(head, "Hiệu trưởng", ((Role.CBQL, "", ()),)),
        *(
            Staff(name, "Giáo viên chủ nhiệm", ((Role.GVCN, "", ()),), fate=fate)
            for name, fate in zip(teachers, fates, strict=True)
        ),
    )


_TAY_BAC = ("Thái", "Mông", "Kinh")
_TAY_NGUYEN = ("Ê Đê", "Gia Rai", "Kinh")
_CITY = ("Kinh", "Hoa")
_WEST = ("Kinh", "Khmer", "Hoa")

SCHOOLS = (
    SchoolPlan(
        "hoa-ban",
        "01410203",
        "Trường Tiểu học Hoa Ban",
        "S14",
        ("TIEU_HOC",),
        Place("Xã Mường Hoa", "Sơn La", people=_TAY_BAC),
        _staff("hoa-ban", _TAY_BAC, ()),
    ),
    SchoolPlan(
        "y-jut",
        "06620415",
        "Trường THCS Y Jút",
        "S66",
        ("THCS",),
        Place("Xã Ea Hoa", "Đắk Lắk", people=_TAY_NGUYEN),
        _staff("y-jut", _TAY_NGUYEN, _THCS_POSTS, capacity="KT"),
    ),
    SchoolPlan(
        "ban-mai",
        "07930127",
        "Trường THPT Ban Mai",
        "S79",
        ("THPT",),
        Place("Phường Bến Hoa", "Thành phố Hồ Chí Minh", people=_CITY),
        _staff("ban-mai", _CITY, _THPT_POSTS),
    ),
    SchoolPlan(
        "anh-duong",
        "07990008",
        "Trường TH, THCS và THPT Ánh Dương",
        "S79",
        ("TIEU_HOC", "THCS", "THPT"),
        Place("Phường An Hoa", "Thành phố Hồ Chí Minh", people=_CITY),
        _staff("anh-duong", _CITY, _THCS_POSTS),
        sector="tu_thuc",
        seal_ca=ca.PUBLIC_FIRST,
        people_ca=ca.PUBLIC_FIRST,
        pki=Pki.PUBLIC,
    ),
    SchoolPlan(
        "gdtx-buon-hoa",
        "06650031",
        "Trung tâm GDNN-GDTX Buôn Hoa",
        "S66",
        ("GDTX_THPT",),
        Place("Phường Buôn Hoa", "Đắk Lắk", people=_TAY_NGUYEN),
        _staff("gdtx", _TAY_NGUYEN, _GDTX_POSTS, head="Giám đốc", capacity="Q"),
        head_title="Giám đốc",
    ),
    SchoolPlan(
        "sao-mai",
        "07990052",
        "Trường Tiểu học tư thục Sao Mai",
        "S79",
        ("TIEU_HOC",),
        Place("Phường Tân Hoa", "Thành phố Hồ Chí Minh", people=_CITY),
        _staff("sao-mai", _CITY, ()),
        sector="tu_thuc",
        seal_ca=ca.PUBLIC_SECOND,
        people_ca=ca.PUBLIC_FIRST,
        pki=Pki.PUBLIC,
    ),
    SchoolPlan(
        "hoa-mai",
        "07910344",
        "Trường Tiểu học Hoa Mai",
        "S79",
        ("TIEU_HOC",),
        Place("Phường Bình Hoa", "Thành phố Hồ Chí Minh", people=_CITY),
        _staff("hoa-mai", _CITY, ()),
    ),
    SchoolPlan(
        "suong-mai",
        "01410219",
        "Trường Tiểu học Sương Mai",
        "S14",
        ("TIEU_HOC",),
        Place("Xã Mường Hoa", "Sơn La", people=_TAY_BAC),
        _staff_of_fates("suong-mai", _TAY_BAC),
    ),
    SchoolPlan(
        "rach-hoa",
        "09120076",
        "Trường THCS Rạch Hoa",
        "S91",
        ("THCS",),
        Place("Phường Rạch Hoa", "Kiên Giang", "Thành phố Rạch Giá", people=_WEST),
        _staff("rach-hoa", _WEST, _THCS_POSTS),
        valid_from=date(2015, 9, 1),
        valid_to=date(2025, 8, 31),
        successor="08920199",
    ),
    SchoolPlan(
        "vinh-hoa",
        "08920199",
        "Trường THCS Vĩnh Hoa",
        "S89",
        ("THCS",),
        Place("Phường Vĩnh Hoa", "An Giang", people=_WEST),
        (),
        valid_from=date(2025, 9, 1),
    ),
)

BY_KEY = {school.key: school for school in SCHOOLS}
