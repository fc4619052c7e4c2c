"""Families as tests make them: a slip of the school, its code, one's own phone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy.orm import Session

from portal.accounts import activation
from portal.accounts import service as accounts
from portal.accounts.activation import Activated, MadeSlip, NewSlip, Typed
from portal.accounts.models import AccountKind, AccountState, PupilLink, Relation
from portal.accounts.notices import Notice
from portal.audit.service import Actor
from portal.errors import Refusal
from portal.messages.words import Kind
from portal.ports import Channel
from portal.registry import learners
from portal.vault import Vault
from tests.conftest import NOW
from tests.portal.registry.samples import BORN

SCHOOL, OTHER_SCHOOL = "0001", "0002"
PUPIL = "12"
MOTHER, MOTHERS_PHONE = "H'Nga Niê", "0912345678"
FATHER, FATHERS_EMAIL = "Nguyễn Văn Đạt", "dat@example.vn"
CHILD, CHILDS_PHONE = "Nguyễn Thị Hường", "0387654321"
#: Somebody of the school's office.
OFFICE = Actor("account", str(uuid.UUID(int=7)))


def slip(
    session: Session,
    vault: Vault,
    relation: Relation = Relation.MOTHER,
    name: str = MOTHER,
    *,
    school: str = SCHOOL,
    pupil: str = PUPIL,
    valid_to: date | None = None,
    now: datetime = NOW,
) -> MadeSlip:
    wanted = [NewSlip(learners.pupil_index(vault, school, pupil), relation, name, valid_to)]
    (made,) = activation.make_slips(session, vault, school, wanted, actor=OFFICE, now=now)
    return made


def code_in(told: Iterable[Notice] | Refusal | None) -> str:
    """The one-time code of the one notice."""
    assert told is not None
    assert not isinstance(told, Refusal)
    (notice,) = told
    assert notice.kind is Kind.SIGN_IN_CODE
    return str(notice.parameters["code"])


def redeem(
    session: Session,
    vault: Vault,
    code: str,
    contact: str,
    *,
    birth: str = BORN,
    now: datetime = NOW,
) -> Activated | Refusal | None:
    """Both pages of a slip, with the right one-time code."""
    typed = Typed(code, birth)
    asked = activation.ask_code(session, vault, typed, contact, language="vi", now=now)
    sent = code_in(asked)
    return activation.activate(session, vault, typed, contact, sent, replaces="", now=now)


def enter_holder(session: Session, vault: Vault, school: str, pupil: str) -> uuid.UUID:
    """A mother who is linked to the pupil of this index, whether there is a record yet or not."""
    account = accounts.new_account(session, vault, AccountKind.HOLDER, MOTHER, "vi", now=NOW)
    account.state = AccountState.ACTIVE
    email = f"{account.id.hex}@thu.example.vn"
    accounts.add_contact(session, vault, account, Channel.EMAIL, email, now=NOW)
    session.add(
        PupilLink(
            account_pk=account.id,
            school_code=school,
            pupil_index=pupil,
            relation=Relation.MOTHER,
            valid_from=date(2026, 1, 1),
            linked_at=NOW,
        )
    )
    session.flush()
    return account.id


def linked(
    session: Session,
    vault: Vault,
    relation: Relation = Relation.MOTHER,
    name: str = MOTHER,
    contact: str = MOTHERS_PHONE,
    *,
    school: str = SCHOOL,
    pupil: str = PUPIL,
    valid_to: date | None = None,
    now: datetime = NOW,
) -> PupilLink:
    """Somebody who took up a slip of the school."""
    made = slip(session, vault, relation, name, school=school, pupil=pupil, valid_to=valid_to, now=now)
    done = redeem(session, vault, made.code, contact, now=now)
    assert isinstance(done, Activated), done
    return session.get_one(PupilLink, done.link)
