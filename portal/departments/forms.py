"""What people of a department type."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Final

from portal.accounts.service import OfficeInput, PersonInput
from portal.departments.service import Finding
from portal.permissions import OrganisationKind
from portal.trust.service import ContactInput, SchoolInput
from portal.web.i18n import marked
from verifier.errors import InvalidInput, Problem
from verifier.record import Level

LEVEL_NAMES: Final[Mapping[Level, str]] = {
    Level.TIEU_HOC: marked("Tiểu học"),
    Level.THCS: marked("Trung học cơ sở"),
    Level.THPT: marked("Trung học phổ thông"),
    Level.GDTX_THPT: marked("Giáo dục thường xuyên cấp THPT"),
}
SECTOR_NAMES: Final[Mapping[str, str]] = {
    "cong_lap": marked("Công lập"),
    "tu_thuc": marked("Tư thục"),
}
FINDING_NAMES: Final[Mapping[Finding, str]] = {
    Finding.KEY_STOLEN: marked("Khoá ký bị lộ"),
    Finding.FORGED: marked("Tệp được làm để đánh lừa"),
    Finding.NOT_REGISTERED: marked("Trường ký ngoài cổng"),
    Finding.OUR_FAULT: marked("Lỗi của cổng hoặc của dữ liệu"),
    Finding.LAWFUL: marked("Đúng nhiệm vụ, có lý do"),
    Finding.MISUSED: marked("Dùng sai quyền xem"),
}
#: What the register finds wrong, by field, as a form says it; the command says it in the register's words.
_SCHOOL_MISTAKES: Final[Mapping[str, str]] = {
    "code": marked("Mã gồm chữ không dấu, số và các dấu . _ -, dài nhất 20 ký tự"),
    "name": marked("Nhập tên trường, dài nhất 200 ký tự"),
    "commune": marked("Nhập xã, phường hoặc đặc khu"),
    "province": marked("Nhập tỉnh hoặc thành phố"),
    "levels": marked("Chọn ít nhất một cấp học"),
    "sector": marked("Chọn công lập hay tư thục"),
    "contact_phone": marked("Số điện thoại có từ 3 chữ số, chỉ gồm chữ số, dấu cách và các dấu + ( ) . -"),
    "contact_email": marked("Địa chỉ e-mail chưa đúng, ví dụ vanthu@truong.edu.vn."),
    "contact_address": marked("Địa chỉ viết trên một dòng, dài nhất 200 ký tự"),
    "valid_from": marked("Mã này đã thuộc về một trường vào thời gian đó. Trường đã có thì chọn ở mục trên"),
}


#: The fields of the form, top to bottom: in this order their mistakes are told.
_FIELDS: Final = (
    *("code", "name", "levels", "sector", "commune", "province", "valid_from"),
    *("contact_phone", "contact_email", "contact_address", "email", "admin_name", "admin_email"),
)
#: Mistakes whose own message says more than that of their field.
_OWN_WORDS: Final = frozenset({"day", "not_yet", "exists", "unknown_school", "other_department"})
#: Years in which a school that is let in can have begun.
_OLDEST: Final = 1900
_LATEST: Final = 2099


def read_school(
    form: Mapping[str, str], levels: list[str], department: str, *, today: date
) -> tuple[SchoolInput, tuple[Problem, ...]]:
    """A new school, and what of it cannot be read: a day that is none, or in no school's life. ``today``
    stands for such a day, so that the register says everything else that is wrong in the same answer.
    """
    begins: date | None = None
    with suppress(ValueError):
        typed = _day(form)
        begins = typed if _OLDEST <= typed.year <= _LATEST else None
    no_day = Problem("valid_from", "day", marked("Nhập ngày có thật, ví dụ 1 9 2026"))
    school = SchoolInput(
        code=form.get("code", "").strip(),
        name=form.get("name", "").strip(),
        department_code=department,
        levels=tuple(level for level in Level if level.value in levels),
        commune=form.get("commune", "").strip(),
        province=form.get("province", "").strip(),
        sector=form.get("sector", ""),
        valid_from=begins or today,
        contact=read_contact(form),
    )
    return school, () if begins else (no_day,)


def read_contact(form: Mapping[str, str]) -> ContactInput:
    """How an office is reached by whoever checks its records."""
    return ContactInput(
        phone=form.get("contact_phone", "").strip(),
        email=form.get("contact_email", "").strip(),
        address=" ".join(form.get("contact_address", "").split()),
    )


def read_agency(form: Mapping[str, str], department: str) -> OfficeInput:
    """An agency."""
    return OfficeInput(
        OrganisationKind.AGENCY,
        form.get("code", "").strip(),
        form.get("name", "").strip(),
        department,
        form.get("email", ""),
    )


def read_administrator(form: Mapping[str, str]) -> PersonInput:
    """Who keeps the accounts of whoever is let in."""
    return PersonInput(form.get("admin_name", ""), form.get("admin_email", ""), ())


def school_messages(mistakes: InvalidInput) -> dict[str, str]:
    """field -> message, the first of each field, in the order of the form."""
    found: dict[str, str] = {}
    for problem in mistakes.problems:
        words = _SCHOOL_MISTAKES.get(problem.where)
        if problem.code in _OWN_WORDS or words is None:
            words = problem.message
        found.setdefault(problem.where, words)
    rest = (field for field in found if field not in _FIELDS)
    return {field: found[field] for field in (*_FIELDS, *rest) if field in found}


def _day(form: Mapping[str, str]) -> date:
    day, month, year = (form.get(name, "").strip() for name in ("ngay", "thang", "nam"))
    return datetime.strptime(f"{day}/{month}/{year}", "%d/%m/%Y").date()  # noqa: DTZ007 - a day has no zone
