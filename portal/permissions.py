"""Who may do what: one table of roles and acts (SEC-17, SEC-18, SEC-23).

docs/privacy.md shows this table to people; a test compares the two and tries every route with every role.
An act that is in nobody's row is nobody's to do. Whose rows an act may touch is another question, which each
service answers: a school's people see their school's rows, a holder their own children's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class OrganisationKind(StrEnum):
    """What an organisation is to the portal. Every school may issue and receive."""

    SCHOOL = "school"
    AGENCY = "agency"
    DEPARTMENT = "department"  # Sở Giáo dục và Đào tạo


class Role(StrEnum):
    """What a person is in an organisation, or to a pupil."""

    MANAGER = "manager"  # hiệu trưởng, phó hiệu trưởng, giám đốc trung tâm: signs as CBQL
    SUBJECT_TEACHER = "subject_teacher"  # signs as GVBM
    HOMEROOM_TEACHER = "homeroom_teacher"  # signs as GVCN
    ACADEMIC_STAFF = "academic_staff"  # giáo vụ
    CLERK = "clerk"  # văn thư, keeps the school's seal: KY_PHAT_HANH
    ADMINISTRATOR = "administrator"  # keeps the accounts of an organisation
    RECEIVING_OFFICER = "receiving_officer"  # takes in pupils of other schools
    AGENCY_OFFICER = "agency_officer"
    DEPARTMENT_OFFICER = "department_officer"
    HOLDER = "holder"  # guardian or pupil; in no organisation


class Act(StrEnum):
    """What can be asked for behind a sign-in."""

    # Issuing, in the own school.
    UPLOAD_CLASS = "upload_class"  # with its dry run; a first issue or a correction
    SEE_PROGRESS = "see_progress"  # who has not signed
    SIGN_PART = "sign_part"  # GVBM and GVCN
    APPROVE = "approve"  # CBQL
    SEAL = "seal"  # KY_PHAT_HANH
    RECALL = "recall"
    ASK_LATE_CORRECTION = "ask_late_correction"  # after the lock date
    REGISTER_CERTIFICATE = "register_certificate"  # ask that the own one be approved
    # Families, in the own school.
    LINK_HOLDERS = "link_holders"  # slips, relations, contacts, disputes
    WITNESS_CONSENT = "witness_consent"  # at school, or on paper
    ANSWER_REQUESTS = "answer_requests"  # of the data subject
    # Receiving.
    ASK_CONSENT = "ask_consent"
    OPEN_SHARED = "open_shared"  # what a family consented to for this organisation
    STATUTORY_ACCESS = "statutory_access"
    # Every organisation.
    MANAGE_ACCOUNTS = "manage_accounts"
    # The department.
    ONBOARD = "onboard"  # schools and agencies
    DECIDE_CERTIFICATES = "decide_certificates"
    APPROVE_LATE_CORRECTION = "approve_late_correction"
    SET_LOCK_DATES = "set_lock_dates"  # until when schools correct by themselves
    APPROVE_PURPOSES = "approve_purposes"
    SEE_ALARMS = "see_alarms"
    SEE_STATISTICS = "see_statistics"
    # Holders, of their own children or of themselves.
    SEE_OWN_RECORDS = "see_own_records"
    CONSENT = "consent"  # give, refuse, withdraw; share codes
    MAKE_REQUESTS = "make_requests"
    # Everyone who is signed in.
    OWN_ACCOUNT = "own_account"


#: Acts of a school's people that reach records of other schools: each asks its own basis first.
RECEIVING: Final = frozenset({Act.ASK_CONSENT, Act.OPEN_SHARED, Act.STATUTORY_ACCESS})
_TEACHING: Final = frozenset({Act.SIGN_PART, Act.REGISTER_CERTIFICATE, Act.OWN_ACCOUNT})
#: role -> what it may ask for.
PERMITTED: Final[Mapping[Role, frozenset[Act]]] = {
    Role.MANAGER: frozenset(
        {
            Act.SEE_PROGRESS,
            Act.APPROVE,
            Act.RECALL,
            Act.ASK_LATE_CORRECTION,
            Act.REGISTER_CERTIFICATE,
            Act.OWN_ACCOUNT,
        }
    ),
    Role.SUBJECT_TEACHER: _TEACHING,
    Role.HOMEROOM_TEACHER: _TEACHING | {Act.SEE_PROGRESS, Act.WITNESS_CONSENT},
    Role.ACADEMIC_STAFF: frozenset(
        {
            Act.UPLOAD_CLASS,
            Act.SEE_PROGRESS,
            Act.LINK_HOLDERS,
            Act.WITNESS_CONSENT,
            Act.ANSWER_REQUESTS,
            Act.OWN_ACCOUNT,
        }
    ),
    Role.CLERK: frozenset(
        {Act.UPLOAD_CLASS, Act.SEE_PROGRESS, Act.SEAL, Act.REGISTER_CERTIFICATE, Act.OWN_ACCOUNT}
    ),
    Role.ADMINISTRATOR: frozenset({Act.MANAGE_ACCOUNTS, Act.OWN_ACCOUNT}),
    Role.RECEIVING_OFFICER: RECEIVING | {Act.OWN_ACCOUNT},
    Role.AGENCY_OFFICER: RECEIVING | {Act.OWN_ACCOUNT},
    Role.DEPARTMENT_OFFICER: frozenset(
        {
            Act.ONBOARD,
            Act.DECIDE_CERTIFICATES,
            Act.APPROVE_LATE_CORRECTION,
            Act.SET_LOCK_DATES,
            Act.APPROVE_PURPOSES,
            Act.SEE_ALARMS,
            Act.SEE_STATISTICS,
            Act.STATUTORY_ACCESS,
            Act.OWN_ACCOUNT,
        }
    ),
    Role.HOLDER: frozenset({Act.SEE_OWN_RECORDS, Act.CONSENT, Act.MAKE_REQUESTS, Act.OWN_ACCOUNT}),
}

#: Acts that cannot be undone (SEC-23); whoever has one of them signs in with a passkey.
STRONG: Final = frozenset(
    {
        Act.APPROVE,
        Act.SEAL,
        Act.RECALL,
        Act.MANAGE_ACCOUNTS,
        Act.ONBOARD,
        Act.DECIDE_CERTIFICATES,
        Act.APPROVE_LATE_CORRECTION,
        Act.SET_LOCK_DATES,
        Act.APPROVE_PURPOSES,
    }
)

#: Acts that are confirmed with a passkey each time (SEC-23): those, and seeing a record on nobody's word but
#: one's own. Its officers may sign in another way; without a passkey they do not look, and their first one
#: comes by a code of their administrator.
CONFIRMED: Final = STRONG | {Act.STATUTORY_ACCESS}

#: Which roles an organisation can give.
ROLES_OF: Final[Mapping[OrganisationKind, frozenset[Role]]] = {
    OrganisationKind.SCHOOL: frozenset(
        {
            Role.MANAGER,
            Role.SUBJECT_TEACHER,
            Role.HOMEROOM_TEACHER,
            Role.ACADEMIC_STAFF,
            Role.CLERK,
            Role.ADMINISTRATOR,
            Role.RECEIVING_OFFICER,
        }
    ),
    OrganisationKind.AGENCY: frozenset({Role.AGENCY_OFFICER, Role.ADMINISTRATOR}),
    OrganisationKind.DEPARTMENT: frozenset({Role.DEPARTMENT_OFFICER, Role.ADMINISTRATOR}),
}


def may(role: Role, act: Act) -> bool:
    """Whether ``role`` may ask for ``act`` at all."""
    return act in PERMITTED[role]


def needs_passkey(role: Role) -> bool:
    """Whether ``role`` signs in with a passkey and nothing less."""
    return not STRONG.isdisjoint(PERMITTED[role])


def confirms(role: Role) -> bool:
    """Whether ``role`` has acts that a passkey confirms, however it signs in."""
    return not CONFIRMED.isdisjoint(PERMITTED[role])
