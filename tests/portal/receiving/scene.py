"""A family and those who receive, as browsers; consents are given by the services, as pages do."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts.models import Account, PupilLink, Relation
from portal.accounts.service import add_contact
from portal.audit.models import AuditEntry
from portal.consent import service
from portal.consent.fields import Preset
from portal.consent.models import ConsentEvent, Evidence, ShareCode
from portal.consent.purposes import Purpose
from portal.consent.service import By, Said, Wish
from portal.consent.texts import Shown
from portal.extensions import KEY, Resources
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.permissions import Role
from portal.ports import Channel
from portal.registry import service as registry
from portal.web.sessions import TOKEN_FIELD
from tests.portal.accounts.world import People, Visitor
from tests.portal.consent.world import done
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import Issued, World

MARKS = Wish(Purpose.TRANSFER, Preset.MARKS, days=30, once=False)
QUESTION = {
    "purpose": "transfer",
    "preset": "marks",
    "days": "30",
    "uses": "many",
    "reference": "HS-15/2026",
}


def birth(issued: Issued) -> dict[str, str]:
    day, month, year = str(issued.data["ngay_sinh"]).split("/")
    return {"ngay": day, "thang": month, "nam": year}


def ok(page: TestResponse, status: int = 200) -> str:
    """The text of a page that is sound and stored by nobody."""
    assert page.status_code == status, page.text
    assert page.headers["Cache-Control"] == "no-store"
    inspect(page.text)
    return page.text


@dataclass
class Scene:
    """The portal, its people, and the mother of the pupil of ``world.primary``."""

    world: World
    people: People
    mother: Visitor = field(init=False)
    link: uuid.UUID = field(init=False)

    def __post_init__(self) -> None:
        self.mother = self.people.sign_in(Role.HOLDER)
        self.link = self.add_link(self.issued)
        with Session(self.bundle.engine) as session, session.begin():
            account = session.get_one(Account, self.mother.person.account)
            add_contact(
                session,
                self.bundle.vault,
                account,
                Channel.PHONE,
                "0912345678",
                now=self.world.clock.now(),
            )

    @property
    def issued(self) -> Issued:
        return self.world.primary

    @property
    def bundle(self) -> Resources:
        bundle: Resources = self.world.app.extensions[KEY]
        return bundle

    def add_link(self, issued: Issued) -> uuid.UUID:
        row = PupilLink(
            id=uuid.uuid4(),
            account_pk=self.mother.person.account,
            school_code="01000123",
            pupil_index=self.index(issued),
            relation=Relation.MOTHER,
            valid_from=date(2020, 1, 1),
            linked_at=self.world.clock.now(),
        )
        with Session(self.bundle.engine) as session, session.begin():
            session.add(row)
            return row.id

    def index(self, issued: Issued) -> str:
        return self.bundle.vault.blind_index(issued.locator.record_id, domain="pupil")

    # ------------------------------------------------------------------------------------------- the family

    def offered(self, wish: Wish = MARKS) -> uuid.UUID:
        """A sharing that mother and child agreed to."""
        with Session(self.bundle.engine) as session, session.begin():
            records = registry.issued(session, pupils=[self.index(self.issued)])
            asked = done(
                service.offer(
                    session,
                    self.bundle.vault,
                    account=self.mother.person.account,
                    pupil=self.index(self.issued),
                    records=[record.key for record in records],
                    wish=wish,
                    now=self.world.clock.now(),
                )
            )
        self.agree(asked.consent)
        return asked.consent

    def agree(self, consent: uuid.UUID) -> None:
        for how in (Evidence.SIGN_IN, Evidence.SAME_DEVICE):
            self.say(consent, Said.YES, how)

    def withdraw(self, consent: uuid.UUID) -> None:
        self.say(consent, Said.NO)

    def say(self, consent: uuid.UUID, said: Said, how: Evidence = Evidence.SIGN_IN) -> None:
        by, vault, now = By(how, self.mother.person.account), self.bundle.vault, self.world.clock.now()
        with Session(self.bundle.engine) as session, session.begin():
            sha256 = ""
            if said is Said.YES:
                shown = service.question(session, vault, consent, by=by, language="vi", now=now)
                assert isinstance(shown, Shown)
                sha256 = shown.sha256
            done(
                service.answer(
                    session,
                    vault,
                    consent=consent,
                    said=said,
                    by=by,
                    request=uuid.uuid4().hex,
                    sha256=sha256,
                    now=now,
                )
            )

    def code_path(self, consent: uuid.UUID) -> str:
        return f"/family/{self.link}/consents/{consent}/code"

    def code(self, wish: Wish = MARKS) -> tuple[uuid.UUID, str]:
        """A sharing and its code, made at the mother's page."""
        consent = self.offered(wish)
        page = ok(self.mother.post(self.code_path(consent)))
        (code,) = re.findall(r'class="slip-code">([0-9A-Z-]{12})<', page)
        return consent, str(code)

    # --------------------------------------------------------------------------------------------- receiving

    def browser(self) -> FlaskClient:
        """A stranger's browser that has opened the form."""
        client = self.world.client
        ok(client.get("/share"))
        return client

    def open(self, client: FlaskClient, code: str, **form: str) -> TestResponse:
        """The form of /share, filled in with the right date unless said otherwise."""
        return self.send(client, "/share", {"code": code, **birth(self.issued), **form})

    def send(self, client: FlaskClient, path: str, form: Mapping[str, Any], **how: Any) -> TestResponse:
        token = re.findall(f'name="{TOKEN_FIELD}" value="([0-9a-f]+)"', client.get("/share").text)[0]
        return client.post(path, data={TOKEN_FIELD: token, **form}, **how)

    def ask(self, visitor: Visitor, **form: Any) -> TestResponse:
        address = f"{self.bundle.settings.public_url}/V/{self.issued.locator}"
        return visitor.post("/received/ask", {"code": address, **QUESTION, **form})

    def given(self, visitor: Visitor, **form: Any) -> str:
        """The path of a question that the family agreed to."""
        answer = self.ask(visitor, **form)
        assert answer.status_code == 303, answer.text
        path = answer.headers["Location"]
        self.agree(uuid.UUID(path.rpartition("/")[2]))
        return path

    # ------------------------------------------------------------------------------------------------ behind

    def traces(self) -> tuple[Any, ...]:
        """Everything that opening, trying or consenting would change."""
        with Session(self.bundle.engine) as session:
            return (
                session.scalar(select(func.count(AuditEntry.number))),
                session.scalar(select(func.count(ConsentEvent.id))),
                session.execute(select(ShareCode.wrong_tries, ShareCode.locked_at)).all(),
            )

    def sent(self, kind: str) -> list[str]:
        """Messages of one kind, the newest first."""
        with Session(self.bundle.engine) as session:
            sender = Sender.of(self.bundle.settings)
            found = messages.outbox(session, self.bundle.vault, sender=sender, limit=50)
        return [each.text.text for each in found if each.kind == kind and each.text is not None]
