"""A small town: a primary school, a secondary school, a commune office and their department.

Everyone has an account with a passkey. The schools' certificates are approved and belong to the accounts; one
teacher keeps her key on a token of her own. A class of the primary school has its records.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.orm import Session

from portal.accounts import service
from portal.accounts.models import Account, AccountState
from portal.accounts.service import OfficeInput, PersonInput
from portal.config import Settings
from portal.database import make_engine
from portal.demo import classes
from portal.demo.authority import Authority, Credential, write_key_list
from portal.demo.classes import CLASSES, as_xlsx
from portal.demo.schools import BY_KEY
from portal.permissions import OrganisationKind, Role
from portal.trust import service as trust
from portal.trust.service import SchoolInput, SignerInput
from portal.vault import Vault
from tests.browser.stories.wsgi import VARIABLE, StoryClock
from tests.conftest import ACTOR, OTHER
from tests.demo_instance import DemoInstance, run_flask
from tests.portal.accounts.authenticator import SoftKey
from tests.portal.accounts.world import carry
from verifier.report import Role as SigningRole

#: Where every story begins: ten days before the day on which the year's records are closed.
BEGINNING: Final = datetime(2026, 6, 20, 1, 0, tzinfo=UTC)
TODAY: Final = date(2026, 6, 20)
#: The codes on the primary school's records name this host.
FIRST_URL: Final = "http://localhost:8000"
APP: Final = "tests.browser.stories.wsgi"
_LISTS: Final = timedelta(days=90)  # revocation lists of the whole story

DEPARTMENT: Final = "S66"
COMMUNE: Final = OfficeInput(
    OrganisationKind.AGENCY, "XA-EA-HOA", "Ủy ban nhân dân xã Ea Hoa", DEPARTMENT, "vanthu@eahoa.example"
)
GVBM, GVCN, CBQL, SEAL = (
    SigningRole.GVBM,
    SigningRole.GVCN,
    SigningRole.CBQL,
    SigningRole.KY_PHAT_HANH,
)


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody with an account. ``duties``: what they sign as, and for which subjects."""

    name: str
    office: str
    roles: tuple[Role, ...]
    duties: tuple[tuple[SigningRole, tuple[str, ...]], ...] = ()

    @property
    def email(self) -> str:
        return f"{self.roles[-1].value.replace('_', '-')}{len(self.name)}@{self.office.lower()}.example"


PRIMARY: Final = BY_KEY["hoa-ban"]
SECONDARY: Final = BY_KEY["y-jut"]
# The secondary school, which issues in the stories and takes pupils in.
PRINCIPAL: Final = Persona("Nguyễn Thị Mai", SECONDARY.code, (Role.MANAGER,), ((CBQL, ()),))
HOMEROOM: Final = Persona(
    "Trần Thị Hoa",
    SECONDARY.code,
    (Role.SUBJECT_TEACHER, Role.HOMEROOM_TEACHER),
    (
        (GVBM, ("NGU_VAN", "LICH_SU_DIA_LI", "GIAO_DUC_CONG_DAN", "GD_DIA_PHUONG", "HDTN_HN")),
        (GVCN, ()),
    ),
)
SCIENCE: Final = Persona(
    "Lê Văn Bình",
    SECONDARY.code,
    (Role.SUBJECT_TEACHER,),
    ((GVBM, ("TOAN", "KHOA_HOC_TU_NHIEN", "CONG_NGHE", "TIN_HOC", "GIAO_DUC_THE_CHAT", "NGHE_THUAT")),),
)
ENGLISH: Final = Persona(
    "Đỗ Thu Hà", SECONDARY.code, (Role.SUBJECT_TEACHER,), ((GVBM, ("NGOAI_NGU_1",)),)
)  # whose key is on a token of her own
CLERK: Final = Persona("Vũ Văn Nam", SECONDARY.code, (Role.CLERK,), ((SEAL, ()),))
RECEIVING: Final = Persona("Hồ Thị Lan", SECONDARY.code, (Role.RECEIVING_OFFICER,))
# The primary school, whose families come to the portal.
HEAD: Final = Persona("Lò Văn Sơn", PRIMARY.code, (Role.MANAGER,), ((CBQL, ()),))
TEACHER: Final = Persona("Cầm Thị Thu", PRIMARY.code, (Role.HOMEROOM_TEACHER,), ((GVCN, ()),))
SECRETARY: Final = Persona("Quàng Văn Đức", PRIMARY.code, (Role.CLERK,), ((SEAL, ()),))
OFFICE: Final = Persona("Hà Thị Xuân", PRIMARY.code, (Role.ACADEMIC_STAFF,))
# Others.
OFFICER: Final = Persona("Phạm Quốc Anh", DEPARTMENT, (Role.DEPARTMENT_OFFICER,))
AGENT: Final = Persona("Ngô Văn Phúc", COMMUNE.code, (Role.AGENCY_OFFICER,))

EVERYONE: Final = (
    PRINCIPAL, HOMEROOM, SCIENCE, ENGLISH, CLERK, RECEIVING,
    HEAD, TEACHER, SECRETARY, OFFICE, OFFICER, AGENT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pupil:
    """A child of the primary school's class 5A, and whom the record names as parents."""

    code: str
    name: str
    born: str
    mother: str = ""
    father: str = ""

    def row(self) -> dict[str, object]:
        return {
            "ma_hoc_sinh": self.code,
            "ho_va_ten": self.name,
            "ngay_sinh": self.born,
            "me_ho_ten": self.mother,
            "cha_ho_ten": self.father,
            "nguoi_giam_ho_ho_ten": "",
            "nguoi_giam_ho_nghe_nghiep": "",
        }


MAI: Final = Pupil("0661051001", "Lò Thị Mai", "03/09/2015", "Lò Thị Hoa", "Lò Văn Minh")  # ten years old
PAO: Final = Pupil("0661051002", "Giàng A Páo", "12/01/2015", "Sùng Thị Mỷ", "Giàng A Sử")


def class_of(level: str, size: int, head: Persona) -> list[dict[str, object]]:
    """Rows of a class as a school would hand it in, of the year that ends; at most one pupil of them had an
    unusual year.
    """
    plan = next(p for p in CLASSES if p.plan.code == head.office and p.level == level and not p.cases[1:])
    signs = {"nguoi_ky": head.name, "chuc_vu": "Hiệu trưởng"}
    return [dict(row) | signs for row in classes.rows(plan, TODAY)[:size]]


def class_5a() -> list[dict[str, object]]:
    """The class of the primary school that has its records: MAI's row and PAO's."""
    rows = class_of("TIEU_HOC", 2, HEAD)
    return [row | pupil.row() for row, pupil in zip(rows, (MAI, PAO), strict=True)]


@dataclass(frozen=True)
class Town:
    """A portal with the town in it. ``keys`` are the passkeys of its people."""

    instance: DemoInstance
    keys: Mapping[Persona, SoftKey]
    token: Credential  # of :data:`ENGLISH`

    @property
    def clock(self) -> StoryClock:
        return StoryClock(self.instance.directory / "clock")

    @property
    def environment(self) -> dict[str, str]:
        return {
            VARIABLE: str(self.clock.file),
            "SIGNING_KEYS": str(self.instance.directory / "authority" / "keys.json"),
            "OWNER_NAME": "Sở Giáo dục và Đào tạo tỉnh Đắk Lắk",
            "PUBLIC_URL_FORMER": FIRST_URL,
        }

    @property
    def papers(self) -> tuple[Path, ...]:
        """The issued files of class 5A."""
        return tuple((self.instance.directory / "papers").iterdir())

    def copy_to(self, directory: Path) -> Town:
        """The same town, once more."""
        instance = self.instance.copy_to(directory)
        own = {who: replace(key) for who, key in self.keys.items()}
        town = Town(instance, own, self.token)
        town.clock.turn_to(BEGINNING)
        return town

    def sign_on_token(self, digests: Mapping[str, Any]) -> bytes:
        """What the program of her token makes of a file of digests."""
        key = self.token.private_key
        assert isinstance(key, RSAPrivateKey)
        lines = [
            line
            | {
                "signature": base64.b64encode(
                    key.sign(bytes.fromhex(line["digest"]), padding.PKCS1v15(), Prehashed(hashes.SHA256()))
                ).decode()
            }
            for line in digests["digests"]
        ]
        return json.dumps(lines).encode()


def found(folder: Path, template: Path) -> Town:
    """Build the town in ``folder``. ``template`` is a database with the schema."""
    folder.mkdir()
    shutil.copyfile(template, folder / "portal.sqlite3")
    instance = DemoInstance(folder)
    StoryClock(folder / "clock").turn_to(BEGINNING)
    settings = Settings.from_environment(instance.environment)
    vault = Vault(settings.key_encryption_keys, settings.index_key)
    engine = make_engine(settings.database_url)
    authority = Authority.create(folder / "authority", BEGINNING)
    authority.reissue_crls(BEGINNING, life=_LISTS)
    credentials = {who: _credential(authority, who) for who in EVERYONE if who.duties}
    with Session(engine) as session, session.begin():
        _open_offices(session, authority)
        keys = {who: _employ(session, vault, who, credentials.get(who)) for who in EVERYONE}
    engine.dispose()
    write_key_list(
        folder / "authority" / "keys.json", [each for who, each in credentials.items() if who is not ENGLISH]
    )
    town = Town(instance, keys, credentials[ENGLISH])
    _issue_primary(town)
    return town


def _credential(authority: Authority, who: Persona) -> Credential:
    school = PRIMARY if who.office == PRIMARY.code else SECONDARY
    if SEAL in dict(who.duties):
        return authority.seal(school.name)
    key = "rsa" if who is ENGLISH else "p256"
    return authority.person(who.name, who.duties[0][0], school=school.name, key=key)


def _open_offices(session: Session, authority: Authority) -> None:
    now, name = BEGINNING, "Sở Giáo dục và Đào tạo tỉnh Đắk Lắk"
    for anchor in (*authority.anchors(), *authority.intermediates()):
        trust.add_anchor(session, anchor.certificate, anchor.pki, actor=ACTOR, now=now)
    for crl in authority.crls():
        trust.import_crl(session, crl, actor=ACTOR, now=now)
    trust.add_department(session, DEPARTMENT, name, "Đắk Lắk", actor=ACTOR, now=now)
    offices = [
        OfficeInput(OrganisationKind.DEPARTMENT, DEPARTMENT, name, DEPARTMENT, "so@s66.example"),
        COMMUNE,
    ]
    for plan in (PRIMARY, SECONDARY):
        school = SchoolInput(
            code=plan.code, name=plan.name, department_code=DEPARTMENT, levels=plan.levels,
            commune=plan.place.commune, province=plan.place.province, sector=plan.sector,
            valid_from=plan.valid_from,
        )  # fmt: skip
        trust.add_school(session, school, actor=ACTOR, now=now)
        email = f"vanthu@{plan.key}.example"
        offices.append(OfficeInput(OrganisationKind.SCHOOL, plan.code, plan.name, DEPARTMENT, email))
    for office in offices:
        service.open_office(session, office, actor=ACTOR, now=now)


def _employ(session: Session, vault: Vault, who: Persona, credential: Credential | None) -> SoftKey:
    """An account with its passkey; the certificate, approved, is the account's."""
    person = PersonInput(who.name, who.email, who.roles)
    account = service.invite(session, vault, who.office, person, actor=ACTOR, now=BEGINNING).account
    session.get_one(Account, account).state = AccountState.ACTIVE
    for role, subjects in who.duties:
        assert credential is not None
        entry = SignerInput(credential.der, who.office, role, "", subjects, who.name, account=account)
        made = trust.add_signer(session, entry, actor=ACTOR, now=BEGINNING).created
        assert made is not None
        trust.approve(session, [made], actor=OTHER, now=BEGINNING)
    return carry(session, account, now=BEGINNING)


def _issue_primary(town: Town) -> None:
    """The class of MAI and PAO, as the school issues it on a command line."""
    file, papers = town.instance.directory / "5A.xlsx", town.instance.directory / "papers"
    file.write_bytes(as_xlsx(class_5a()))
    papers.mkdir()
    environment = town.instance.environment | town.environment | {"PUBLIC_URL": FIRST_URL}
    done = run_flask(
        environment | {"PUBLIC_URL_FORMER": ""}, "issue", str(file), "--out", str(papers), app=APP
    )
    assert done.returncode == 0, done.stdout + done.stderr


def passkey_of(key: SoftKey) -> dict[str, Any]:
    """A person's passkey, as Chromium's virtual authenticator takes it."""
    private = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    text = {"credentialId": key.credential_id, "privateKey": private, "userHandle": key.account.bytes}
    return {
        **{name: base64.b64encode(value).decode() for name, value in text.items()},
        "isResidentCredential": True,
        "rpId": "localhost",
        "signCount": 0,
    }
