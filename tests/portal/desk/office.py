"""A school whose people issue at pages: who they are, and the worker that does what they ask for."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from portal.audit.service import Actor
from portal.demo.classes import as_xlsx
from portal.desk import signatures, uploads
from portal.desk.person import Person
from portal.desk.signatures import Part
from portal.issuing import people
from portal.issuing import uploads as worker
from portal.issuing.models import UploadKind, Way
from portal.issuing.plan import PAGES
from portal.issuing.service import Desk, Row
from portal.permissions import Role as Office
from portal.trust import service as trust
from portal.trust import store as trust_store
from tests.conftest import ACTOR
from tests.portal.issuing.world import School, World
from verifier.report import Role

TEACHER, HOMEROOM, HEAD, CLERK = (
    Office.SUBJECT_TEACHER,
    Office.HOMEROOM_TEACHER,
    Office.MANAGER,
    Office.CLERK,
)
OFFICER = Person(uuid.UUID(int=99), Office.DEPARTMENT_OFFICER, "S00", "Cán bộ Sở", "passkey")


@dataclass(frozen=True)
class SchoolOffice:
    """One school, its accounts by name, and its clerk."""

    world: World
    school: School
    accounts: dict[str, uuid.UUID]
    clerk: Person

    @classmethod
    def open(cls, world: World, school: School) -> SchoolOffice:
        """Accounts for everyone of the school; each certificate belongs to its person."""
        accounts = {name: uuid.uuid4() for name in (*school.people, "văn thư")}
        with world.begin() as session:
            for signer in trust_store.list_signers(session, school.plan.code):
                seal = signer.authority.role is Role.KY_PHAT_HANH
                owner = "văn thư" if seal else signer.authority.display_name
                trust.link_account(session, [signer.id], accounts[owner], actor=ACTOR, now=world.clock.now())
        clerk = Person(accounts["văn thư"], CLERK, school.plan.code, "Văn thư", "passkey")
        return cls(world, school, accounts, clerk)

    def person(self, name: str, role: Office) -> Person:
        return Person(self.accounts[name], role, self.school.plan.code, name, "passkey")

    def file(self, *rows: Row, **changes: object) -> bytes:
        return as_xlsx([row.record.to_input() | changes for row in rows])

    def send(
        self,
        content: bytes,
        *,
        kind: UploadKind = UploadKind.FIRST,
        reason: str = "",
        who: Person | None = None,
    ) -> uuid.UUID:
        with self.world.begin() as session:
            return uploads.send(
                session,
                self.world.vault,
                who or self.clerk,
                content,
                "lop.xlsx",
                kind=kind,
                reason=reason,
                now=self.world.clock.now(),
            )

    def view(self, upload: uuid.UUID) -> uploads.UploadView:
        with self.world.begin() as session:
            return uploads.view(session, self.world.vault, self.clerk, upload)

    def confirm(self, upload: uuid.UUID) -> None:
        with self.world.begin() as session:
            uploads.confirm(session, self.clerk, upload, now=self.world.clock.now())

    def desk(self, at: Callable[[str], None] | None = None) -> Desk:
        """The worker's: everybody's certificates, keys where the ring holds them."""
        world = self.world
        with world.begin() as session:
            ring = people.ring_of_people(session, world.ring, world.store(), world.clock.now())
        desk = replace(world.desk, ring=ring, actor=Actor.system("worker"), advice=PAGES)
        return replace(desk, at=at) if at else desk

    def work(self, at: Callable[[str], None] | None = None) -> int:
        """Everything that is due; answers how many steps that were."""
        desk, done = self.desk(at), 0
        steps: tuple[Callable[[], bool], ...] = (
            lambda: people.take_due(desk, self.world.store()),
            lambda: worker.examine_due(desk, self.world.store()),
            lambda: worker.reserve_due(desk, self.world.store()),
        )
        while any(step() for step in steps):
            done += 1
        return done

    def reserved(self, *rows: Row) -> uuid.UUID:
        """A file without mistakes, confirmed and reserved."""
        upload = self.send(self.file(*rows))
        self.work()
        assert self.view(upload).examined is not None
        assert [p.message for p in self.view(upload).examined.problems] == []  # type: ignore[union-attr]
        self.confirm(upload)
        self.work()
        return upload

    def parts(self, who: Person) -> list[Part]:
        """What is ready for somebody."""
        with self.world.begin() as session:
            return [part for part in signatures.own_parts(session, who) if part.ready]

    def order(self, who: Person, part: Part, way: Way = Way.RING) -> uuid.UUID:
        with self.world.begin() as session:
            return signatures.order(session, who, part.key, way=way, now=self.world.clock.now())

    def sign_all(self, who: Person) -> int:
        """Orders for everything that is ready, taken by the worker."""
        parts = self.parts(who)
        for part in parts:
            self.order(who, part)
        self.work()
        return len(parts)

    def sign_with_token(self, who: Person, part: Part) -> dict[str, Any]:
        """Order, digests out, values of the person's own device in; answers the file that went out."""
        order = self.order(who, part, Way.TOKEN)
        self.work()
        with self.world.begin() as session:
            out = signatures.digests(session, who, order)
        self.bring(who, order, self.answer(out))
        self.work()
        return out

    def answer(self, out: dict[str, Any]) -> bytes:
        """What the person's own program makes of the digests."""
        key = self.world.ring.find(out["signer"])
        assert key is not None
        lines = [
            line | {"signature": base64.b64encode(key.sign_digest(bytes.fromhex(line["digest"]))).decode()}
            for line in out["digests"]
        ]
        return json.dumps(lines).encode()

    def bring(self, who: Person, order: uuid.UUID, content: bytes) -> int:
        with self.world.begin() as session:
            return signatures.bring(session, who, order, content, now=self.world.clock.now())

    def later(self, **delta: float) -> None:
        self.world.clock.time += timedelta(**delta)
