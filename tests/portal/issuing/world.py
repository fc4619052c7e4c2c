"""A whole installation to issue in: database, vault, files, an authority, schools and all who sign."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from portal.demo import classes
from portal.demo.authority import PUBLIC_FIRST, PUBLIC_ROOT, Authority, Credential
from portal.demo.classes import CLASSES, ClassPlan
from portal.demo.schools import SchoolPlan
from portal.issuing.intents import read
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.models import Issuance, Stage
from portal.issuing.plan import Choices
from portal.issuing.rendering import Renderer
from portal.issuing.service import Desk, Order, Outcome, Row, examine, issue
from portal.ports import FileStore
from portal.registry.models import Record as RecordRow
from portal.registry.models import RecordVersion, RegisteredFile
from portal.registry.rows import open_file
from portal.trust import service as trust
from portal.trust import store as trust_store
from portal.trust.service import SchoolInput, SignerInput
from portal.vault import Vault
from tests.conftest import ACTOR, OTHER, FrozenClock
from verifier import record as records
from verifier.report import Role
from verifier.trust import Pki, Purpose, TrustStore

ISSUED_ON = date(2026, 6, 10)
NOW = datetime(2026, 6, 10, 3, 0, tzinfo=UTC)
PUBLIC_URL = "https://hocba.example.vn"


def class_plan(level: str) -> ClassPlan:
    """The first class of ``level`` that the demo issues."""
    return next(plan for plan in CLASSES if plan.level == level and plan.issued)


@dataclass(frozen=True)
class School:
    """A school, its people's credentials by name, its seal's, and the rows of one class."""

    plan: SchoolPlan
    people: dict[str, Credential]
    seal: Credential
    rows: tuple[Row, ...]

    @property
    def credentials(self) -> tuple[Credential, ...]:
        return (*self.people.values(), self.seal)


def open_school(authority: Authority, plan: ClassPlan) -> School:
    """Credentials for everyone of the plan's school; made once in the authority's folder."""
    school = plan.plan
    people = {
        person.name: authority.person(
            person.name,
            person.duties[0][0],
            school=school.name,
            title=person.title,
            ca=school.people_ca,
            key=person.key,
        )
        for person in school.staff
    }
    rows = tuple(
        Row(f"dòng {number}", records.parse(row))
        for number, row in enumerate(classes.rows(plan, ISSUED_ON), 2)
    )
    return School(school, people, authority.seal(school.name, ca=school.seal_ca), rows)


def enter_trust(session: Session, authority: Authority, schools: Sequence[School], now: datetime) -> None:
    """Anchors, revocation lists, the schools and their approved signers into the tables."""
    for anchor in (*authority.anchors(), *authority.intermediates()):
        trust.add_anchor(session, anchor.certificate, anchor.pki, actor=ACTOR, now=now)
    for crl in authority.crls():
        trust.import_crl(session, crl, actor=ACTOR, now=now)
    trust.add_department(session, "S00", "Sở Giáo dục và Đào tạo Thử", "Thử", actor=ACTOR, now=now)
    for school in schools:
        plan = school.plan
        trust.add_school(
            session,
            SchoolInput(
                code=plan.code,
                name=plan.name,
                department_code="S00",
                levels=plan.levels,
                commune=plan.place.commune,
                province=plan.place.province,
                sector=plan.sector,
                valid_from=plan.valid_from,
            ),
            actor=ACTOR,
            now=now,
        )
        created: list[uuid.UUID | None] = []
        for person in plan.staff:
            for role, capacity, subjects in person.duties:
                der = school.people[person.name].der
                entry = SignerInput(der, plan.code, role, capacity, subjects, person.name)
                created.append(trust.add_signer(session, entry, actor=ACTOR, now=now).created)
        entry = SignerInput(school.seal.der, plan.code, Role.KY_PHAT_HANH, display_name=plan.name)
        created.append(trust.add_signer(session, entry, actor=ACTOR, now=now).created)
        trust.approve(session, [key for key in created if key], actor=OTHER, now=now)


def trust_timestamps(world: World, now: datetime = NOW) -> None:
    """The public root and its first provider, whose lists are pinned already, for timestamps too."""
    with world.begin() as session:
        for slug in (PUBLIC_ROOT, PUBLIC_FIRST):
            der = world.authority.ca_certificate(slug).public_bytes(Encoding.DER)
            purpose = Purpose.TIMESTAMPING
            trust.add_anchor(session, der, Pki.PUBLIC, purpose=purpose, actor=ACTOR, now=now)


def key_list(path: Path, local: Sequence[Credential], external: Sequence[Credential] = ()) -> Path:
    """A SIGNING_KEYS file: some keys at hand, some elsewhere."""
    entries: list[dict[str, Any]] = [
        {"type": "pkcs12", "path": str(c.path), "passphrase_file": str(c.passphrase_file)} for c in local
    ]
    for number, credential in enumerate(external):
        chain = []
        for level, certificate in enumerate(credential.chain_der):
            name = f"external-{number}-ca-{level}.cer"
            (path.parent / name).write_bytes(certificate)
            chain.append(name)
        (path.parent / f"external-{number}.cer").write_bytes(credential.der)
        entries.append({"type": "external", "certificate": f"external-{number}.cer", "chain": chain})
    path.write_text(json.dumps(entries))
    return path


@dataclass(frozen=True)
class World:
    """One installation. ``desk`` is what issuing gets."""

    engine: Engine
    vault: Vault
    files: FileStore
    authority: Authority
    schools: tuple[School, ...]
    ring: KeyRing
    clock: FrozenClock
    renderer: Renderer

    @property
    def begin(self) -> Callable[[], AbstractContextManager[Session]]:
        return sessionmaker(self.engine).begin

    @property
    def desk(self) -> Desk:
        return Desk(
            begin=self.begin,
            vault=self.vault,
            files=self.files,
            clock=self.clock,
            actor=ACTOR,
            renderer=self.renderer,
            ring=self.ring,
            public_url=PUBLIC_URL,
            system_name="Cổng xác thực học bạ số",
            owner="Sở Giáo dục và Đào tạo Thử",
        )

    def store(self) -> TrustStore:
        with self.begin() as session:
            return trust_store.load_store(session)

    def run(self, rows: Sequence[Row], desk: Desk | None = None, **order: Any) -> list[Outcome]:
        """Examines and issues ``rows``."""
        desk, store = desk or self.desk, self.store()
        works = examine(desk, rows, Order(choices=order.pop("choices", Choices()), store=store, **order))
        return list(issue(desk, works, store))

    def issuances(self) -> list[Issuance]:
        with self.begin() as session:
            found = list(session.scalars(select(Issuance).order_by(Issuance.created_at)))
            session.expunge_all()
            return found

    def registered(self) -> list[tuple[RecordRow, RecordVersion, RegisteredFile]]:
        """Every registered file with its version and record."""
        with self.begin() as session:
            query = (
                select(RecordRow, RecordVersion, RegisteredFile)
                .join(RecordVersion, RecordVersion.record_pk == RecordRow.id)
                .join(RegisteredFile, RegisteredFile.version_pk == RecordVersion.id)
                .order_by(RecordRow.record_id, RecordVersion.version)
            )
            found = [(record, version, file) for record, version, file in session.execute(query)]
            session.expunge_all()
            return found

    def content(self, record: RecordRow, version: RecordVersion, file: RegisteredFile) -> bytes:
        """A registered file as it is stored, decrypted."""
        return open_file(
            self.vault,
            self.files,
            record.wrapped_key,
            sha256=file.sha256,
            stored_name=file.stored_name,
            version=version.version,
        )


def changed(row: Row, **fields: Any) -> Row:
    """The row with other content."""
    return replace(row, record=records.parse(row.record.to_input() | fields))


__all__ = [
    "ISSUED_ON",
    "NOW",
    "Issuance",
    "Stage",
    "World",
    "changed",
    "class_plan",
    "enter_trust",
    "key_list",
    "load_keys",
    "open_school",
    "read",
    "trust_timestamps",
]
