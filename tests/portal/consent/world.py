"""People, offices and records for tests of consent: rows as the other rooms leave them, nothing mocked."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.accounts import service as accounts
from portal.accounts.models import (
    Account,
    AccountKind,
    AccountState,
    Contact,
    Federation,
    Membership,
    Organisation,
    PupilLink,
    Relation,
)
from portal.accounts.notices import Notice
from portal.consent import disclosing, service
from portal.consent.disclosing import Disclosed
from portal.consent.erasing import CONSENT
from portal.consent.fields import Preset
from portal.consent.models import Evidence
from portal.consent.parties import Staff
from portal.consent.purposes import Purpose
from portal.consent.service import Answered, Asked, By, CodeMade, Denied, Said, Wish
from portal.consent.texts import Shown
from portal.filestore import ObjectFiles
from portal.permissions import OrganisationKind, Role
from portal.ports import Channel
from portal.registry import service as registry
from portal.registry.service import NewVersion
from portal.trust.models import Signer
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.registry.samples import SIGNER, locator, new_file, new_version
from verifier.locator import Locator
from verifier.report import Role as Signs
from verifier.trust import Approval

SCHOOL = "01000123"  # of the sample records
DEPARTMENT = "SO01"
T = TypeVar("T")
PLAIN_WISH = Wish(Purpose.TRANSFER, Preset.MARKS, days=30, once=False)


@dataclass
class Pupil:
    """A pupil with records at one school; ``index`` is the blind index that they have there."""

    index: str
    birth: str
    school: str
    number: str | None  # personal number: what all schools know them by
    versions: dict[str, list[NewVersion]] = field(default_factory=dict)  # by school year

    def locator(self, year: str = "2025-2026", version: int = -1) -> Locator:
        return locator(self.versions[year][version])


class World:
    """One database with a school, another school, an agency and their department."""

    def __init__(self, session: Session, vault: Vault, files: ObjectFiles, now: datetime = NOW) -> None:
        self.session, self.vault, self.files, self.now = session, vault, files, now
        self.school = self.office(OrganisationKind.SCHOOL, SCHOOL, "Trường Tiểu học Phúc Lộc")
        self.other = self.office(OrganisationKind.SCHOOL, "01000999", "Trường THCS Tân Lập")
        self.agency = self.office(OrganisationKind.AGENCY, "UB01", "Ủy ban nhân dân xã Tân Lập")
        self.department = self.office(OrganisationKind.DEPARTMENT, DEPARTMENT, "Sở GDĐT thử nghiệm")
        self.receiver = self.staff(self.other, Role.RECEIVING_OFFICER)
        self.officer = self.staff(self.agency, Role.AGENCY_OFFICER)
        self.teacher = self.staff(self.school, Role.HOMEROOM_TEACHER)
        self.homeroom = SIGNER  # the certificate with which homeroom teachers sign
        self.certify(self.teacher, SIGNER)
        self.registrar = self.staff(self.school, Role.ACADEMIC_STAFF)
        self.authority = self.staff(self.department, Role.DEPARTMENT_OFFICER)

    @property
    def today(self) -> date:
        return (self.now + timedelta(hours=7)).date()

    def office(self, kind: OrganisationKind, code: str, name: str) -> uuid.UUID:
        row = Organisation(
            id=uuid.uuid4(),
            kind=kind,
            code=code,
            name=name,
            department_code=DEPARTMENT,
            email="",
            approved_at=self.now,
        )
        self.session.add(row)
        self.session.flush()
        return row.id

    def account(self, kind: AccountKind) -> uuid.UUID:
        row = accounts.new_account(self.session, self.vault, kind, "Người Thử", "vi", now=self.now)
        email = f"{row.id.hex}@thu.example.vn"
        accounts.add_contact(self.session, self.vault, row, Channel.EMAIL, email, now=self.now)
        row.state = AccountState.ACTIVE
        self.session.flush()
        return row.id

    def staff(self, office: uuid.UUID, role: Role) -> Staff:
        account = self.account(AccountKind.STAFF)
        self.session.add(
            Membership(
                id=uuid.uuid4(),
                account_pk=account,
                organisation_pk=office,
                role=role,
                valid_from=date(2020, 1, 1),
                given_at=self.now,
                accepted_at=self.now,
            )
        )
        self.session.flush()
        return Staff(account, office, role)

    def certify(self, teacher: Staff, sha256: str) -> None:
        """A homeroom teacher of the school has this certificate."""
        row = Signer(
            id=uuid.uuid4(),
            certificate_sha256=sha256,
            certificate=b"",
            issuer_id="ca",
            serial="1",
            not_after=self.now + timedelta(days=900),
            school_code=SCHOOL,
            role="GVCN",
            display_name="Người Thử",
            valid_from=self.now,
            account_pk=teacher.account,
            approval=Approval.APPROVED,
        )
        self.session.add(row)
        self.session.flush()

    def share(self, staff: uuid.UUID, holder: uuid.UUID, what: str) -> None:
        """One person has both accounts, as a common ``contact``, ``former contact`` or ``identity`` tells."""
        if what == "identity":
            self.session.add_all(
                Federation(
                    id=uuid.uuid4(),
                    account_pk=account,
                    account_kind=kind,
                    issuer="https://id.example.vn",
                    subject_index="12" * 32,
                    added_at=self.now,
                )
                for account, kind in ((staff, AccountKind.STAFF), (holder, AccountKind.HOLDER))
            )
        else:
            row = self.session.get_one(Account, holder)
            email = f"{staff.hex}@thu.example.vn"
            accounts.add_contact(self.session, self.vault, row, Channel.EMAIL, email, now=self.now)
            if what == "former contact":
                mine = update(Contact).where(Contact.account_pk == staff)
                self.session.execute(mine.values(ended_at=self.now))
        self.session.flush()

    def pupil(
        self, birth: str, *years: str, at: str = SCHOOL, like: Pupil | None = None, **fields: Any
    ) -> Pupil:
        """A pupil of a school with a record of each year (one of 2025-2026 when none is named); the same
        child as ``like`` at another school.
        """
        number = f"{int.from_bytes(os.urandom(4)):012}" if like is None else like.number
        pupil = Pupil(hashlib.sha256(os.urandom(8)).hexdigest(), birth, at, number)
        for year in years or ("2025-2026",):
            self.issue(pupil, year, **fields)
        return pupil

    def issue(self, pupil: Pupil, year: str = "2025-2026", **fields: Any) -> NewVersion:
        """The first or next version of a year's record."""
        earlier = pupil.versions.setdefault(year, [])
        like = earlier[-1] if earlier else None
        made = new_version(
            self.vault,
            version=len(earlier) + 1,
            like=like,
            **{
                "ngay_sinh": pupil.birth,
                "year": year,
                "ma_truong": pupil.school,
                "so_dinh_danh_ca_nhan": pupil.number,
            }
            | fields,
        )
        made = replace(made, pupil_index=pupil.index)
        data = os.urandom(20)
        registry.register(
            self.session,
            self.vault,
            made,
            new_file(data, self.now, certificates={Signs.GVCN: self.homeroom}),
            epoch=0,
            actor=ACTOR,
            now=self.now,
        )
        earlier.append(made)
        return made

    def holder(self, pupil: Pupil, relation: Relation, **link: Any) -> uuid.UUID:
        account = self.account(AccountKind.HOLDER)
        self.link(account, pupil, relation, **link)
        return account

    def link(self, account: uuid.UUID, pupil: Pupil, relation: Relation, **link: Any) -> None:
        row = PupilLink(
            id=uuid.uuid4(),
            account_pk=account,
            school_code=pupil.school,
            pupil_index=pupil.index,
            relation=relation,
            **{"valid_from": date(2020, 1, 1), "linked_at": self.now} | link,
        )
        self.session.add(row)
        self.session.flush()

    def change_link(self, account: uuid.UUID, **values: Any) -> None:
        self.session.execute(update(PupilLink).where(PupilLink.account_pk == account).values(**values))

    def close(self, account: uuid.UUID) -> None:
        self.session.execute(
            update(Account).where(Account.id == account).values(state=AccountState.CLOSED, closed_at=self.now)
        )

    def settle(self, *pupils: Pupil) -> tuple[Notice, ...]:
        """What a change of links does for its pupils, and the worker, daily, for all."""
        if pupils:
            indexes = [pupil.index for pupil in pupils]
            return service.settle(self.session, self.vault, pupils=indexes, now=self.now)
        told, last = service.settle_some(self.session, self.vault, now=self.now)
        while last is not None:
            more, last = service.settle_some(self.session, self.vault, after=last, now=self.now)
            told += more
        return told

    def erase(self, consent: uuid.UUID) -> None:
        CONSENT.erase(self.session, str(consent), self.now)
        self.session.expire_all()

    def close_office(self, office: uuid.UUID) -> None:
        self.session.execute(update(Organisation).where(Organisation.id == office).values(closed_at=self.now))

    def record_keys(self, pupil: Pupil) -> list[uuid.UUID]:
        return [record.key for record in registry.issued(self.session, pupils=[pupil.index])]

    # ------------------------------------------------------------------------------- acts, as pages do them

    def offer(self, account: uuid.UUID, pupil: Pupil, wish: Wish = PLAIN_WISH) -> Asked | Denied:
        return service.offer(
            self.session,
            self.vault,
            account=account,
            pupil=pupil.index,
            records=self.record_keys(pupil),
            wish=wish,
            now=self.now,
        )

    def ask(
        self,
        pupil: Pupil,
        wish: Wish = PLAIN_WISH,
        *,
        staff: Staff | None = None,
        whole_level: bool = False,
        code: Locator | None = None,
    ) -> Asked | Denied:
        return service.ask(
            self.session,
            self.vault,
            staff=staff or self.receiver,
            locator=code or pupil.locator(),
            wish=wish,
            reference="HS-15/2026",
            whole_level=whole_level,
            now=self.now,
        )

    def say(self, consent: uuid.UUID, said: Said, by: By, *, request: str | None = None) -> Answered | Denied:
        """Read the text and answer, each in a request of its own."""
        sha256 = ""
        if said is Said.YES:
            shown = service.question(self.session, self.vault, consent, by=by, language="vi", now=self.now)
            if not isinstance(shown, Shown):
                return shown
            sha256 = shown.sha256
        return service.answer(
            self.session,
            self.vault,
            consent=consent,
            said=said,
            by=by,
            request=request or uuid.uuid4().hex,
            sha256=sha256,
            now=self.now,
        )

    def yes(
        self, consent: uuid.UUID, account: uuid.UUID, how: Evidence = Evidence.SIGN_IN
    ) -> Answered | Denied:
        return self.say(consent, Said.YES, By(how, account))

    def no(
        self, consent: uuid.UUID, account: uuid.UUID, how: Evidence = Evidence.SIGN_IN
    ) -> Answered | Denied:
        return self.say(consent, Said.NO, By(how, account))

    def at_school(
        self, consent: uuid.UUID, said: Said = Said.YES, how: Evidence = Evidence.WITNESS
    ) -> Answered | Denied:
        reference = "Hộp 3, tờ 15" if how is Evidence.PAPER else ""
        return self.say(consent, said, By(how, self.teacher.account, self.teacher, reference))

    def code(self, consent: uuid.UUID, account: uuid.UUID) -> CodeMade | Denied:
        return service.make_code(self.session, self.vault, consent=consent, account=account, now=self.now)

    def open(self, code: str, birth: str, declared: str = "") -> Disclosed | Denied:
        return disclosing.open_code(
            self.session,
            self.vault,
            self.files,
            code=code,
            birth=birth,
            declared=declared,
            now=self.now,
        )

    def disclose(self, consent: uuid.UUID, staff: Staff | None = None) -> Disclosed | Denied:
        return disclosing.disclose(
            self.session,
            self.vault,
            self.files,
            consent=consent,
            staff=staff or self.receiver,
            now=self.now,
        )

    def live(self, consent: uuid.UUID) -> bool:
        return service.live(self.session, self.vault, consent, self.now)

    def approve(self, purpose: Purpose) -> uuid.UUID | Denied:
        return service.approve_purpose(
            self.session,
            staff=self.authority,
            purpose=purpose,
            reference="15/QĐ-SGDĐT",
            valid_from=self.today,
            valid_to=None,
            now=self.now,
        )

    def shared(self, pupil: Pupil, mother: uuid.UUID, wish: Wish = PLAIN_WISH) -> tuple[uuid.UUID, str]:
        """A small child's consent and its code, given on the mother's device."""
        asked = done(self.offer(mother, pupil, wish))
        done(self.yes(asked.consent, mother))
        given = self.yes(asked.consent, mother, Evidence.SAME_DEVICE)
        assert isinstance(given, Answered) or given.code == "not_entitled"  # under seven
        return asked.consent, done(self.code(asked.consent, mother)).code


def done(result: T | Denied) -> T:
    """The result of something that is not denied."""
    assert not isinstance(result, Denied), result
    return result


def why(result: object) -> str:
    """The code of a refusal."""
    assert isinstance(result, Denied), result
    return result.code
