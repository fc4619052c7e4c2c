"""What people type into the forms of sign-in and of accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portal.accounts.service import PersonInput
from portal.permissions import OrganisationKind, Role
from portal.web.i18n import marked

#: role -> how people call it.
ROLE_NAMES: Final[Mapping[Role, str]] = {
    Role.MANAGER: marked("Hiệu trưởng, phó hiệu trưởng"),
    Role.SUBJECT_TEACHER: marked("Giáo viên bộ môn"),
    Role.HOMEROOM_TEACHER: marked("Giáo viên chủ nhiệm"),
    Role.ACADEMIC_STAFF: marked("Giáo vụ"),
    Role.CLERK: marked("Văn thư"),
    Role.ADMINISTRATOR: marked("Quản trị tài khoản"),
    Role.RECEIVING_OFFICER: marked("Tiếp nhận học sinh"),
    Role.AGENCY_OFFICER: marked("Cán bộ cơ quan"),
    Role.DEPARTMENT_OFFICER: marked("Cán bộ Sở"),
    Role.HOLDER: marked("Phụ huynh, học sinh"),
}

#: kind of organisation -> how people call it.
KIND_NAMES: Final[Mapping[OrganisationKind, str]] = {
    OrganisationKind.SCHOOL: marked("Trường"),
    OrganisationKind.AGENCY: marked("Cơ quan"),
    OrganisationKind.DEPARTMENT: marked("Sở Giáo dục và Đào tạo"),
}


def read_person(form: Mapping[str, str], roles: list[str]) -> PersonInput:
    """Fields ``name``, ``email`` and any number of ``roles``; a role that is none counts as not chosen."""
    chosen = tuple(role for role in Role if role.value in roles)
    return PersonInput(form.get("name", ""), form.get("email", ""), chosen)
