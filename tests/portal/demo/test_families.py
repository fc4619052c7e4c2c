"""The demo's families: a visitor signs in as each of them with what the page of sample accounts says."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import demonstration
from portal.accounts.demonstration import DemoFamilies
from portal.consent import disclosing, requests, service
from portal.consent.disclosing import Disclosed
from portal.consent.models import Consent
from portal.demo.families import PEOPLE
from portal.demo.schools import BY_KEY
from portal.extensions import KEY, Resources
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.messages.words import Kind
from portal.registry.service import read_birth
from portal.web.i18n import translate
from portal.web.sessions import TOKEN_FIELD
from tests.demo_instance import DemoInstance
from tests.portal.web.test_pages import inspect


@pytest.fixture
def app(demo_instance: DemoInstance, tmp_path: Path) -> Iterator[Flask]:
    """A demo of its own: signing in changes it."""
    app = demo_instance.copy_to(tmp_path / "demo").app()
    yield app
    bundle(app).engine.dispose()


@pytest.fixture
def families(demo_instance: DemoInstance) -> DemoFamilies:
    return demonstration.read_families(demo_instance.demo)


def bundle(app: Flask) -> Resources:
    found: Resources = app.extensions[KEY]
    return found


def post(client: FlaskClient, path: str, form: dict[str, str]) -> str:
    """A form of the page of sample accounts, or of one that follows it; the page that answers."""
    shown = client.get("/demo-accounts", base_url="http://127.0.0.1:8000").text
    token = re.findall(f'name="{TOKEN_FIELD}" value="([0-9a-f]+)"', shown)[0]
    answer = client.post(
        path, data={TOKEN_FIELD: token, **form}, base_url="http://127.0.0.1:8000", follow_redirects=True
    )
    assert answer.status_code == 200, answer.text
    inspect(answer.text)
    return answer.text


def code_of(app: Flask) -> str:
    """The newest one-time code in the outbox."""
    portal = bundle(app)
    with Session(portal.engine) as session:
        newest, *_ = messages.outbox(session, portal.vault, sender=Sender.of(portal.settings), limit=1)
    assert newest.text is not None
    return str(re.findall(r"\d{6}", newest.text.text)[0])


def sign_in(app: Flask, contact: str) -> tuple[FlaskClient, str]:
    """A browser in which somebody is signed in, and their first page."""
    client = app.test_client()
    asked = post(client, "/sign-in/family", {"contact": contact})
    assert "/hop-thu-demo" in asked  # where the code is
    return client, post(client, "/sign-in/family/code", {"contact": contact, "code": code_of(app)})


def test_its_messages_lie_in_the_outbox_before_anybody_looks(app: Flask) -> None:
    """Those of its making; other tests' files raise alarms in the shared demo."""
    portal = bundle(app)
    with Session(portal.engine) as session:
        shown = messages.outbox(session, portal.vault, sender=Sender.of(portal.settings), limit=500)
    assert {each.state for each in shown if each.kind is Kind.STAFF_INVITATION} == {"sent"}


def test_everybody_signs_in_and_finds_something(app: Flask, families: DemoFamilies) -> None:
    accounts = app.test_client().get("/demo-accounts").text
    inspect(accounts)
    english = app.test_client().get("/demo-accounts?lang=en").text
    assert [each.contact for each in families.people] == [each.contact for each in PEOPLE]
    for person in families.people:
        assert f'value="{person.contact}"' in accounts
        _, home = sign_in(app, person.contact)
        assert person.name in html.unescape(home)
        told = translate(person.note, "en")
        assert told != person.note
        assert html.escape(told.capitalize()) in english
        disputed = "xác minh" in person.note
        assert ("Nhà trường đang xem xét liên kết" in home) is disputed
        assert ("Bản số 1" in home) is not disputed


def test_the_mothers_pages_have_something_in_them(app: Flask, families: DemoFamilies) -> None:
    client, home = sign_in(app, families.people[0].contact)
    (looks,) = re.findall(r'href="(/family/[0-9a-f-]{36}/looks)"', home)
    seen = client.get(looks, base_url="http://127.0.0.1:8000").text
    assert "Luật 91/2025/QH15 Đ.19.1" in seen
    asked = client.get(looks.replace("looks", "requests"), base_url="http://127.0.0.1:8000").text
    for state in ("Trễ hạn", "Đã làm theo yêu cầu", "Không làm theo yêu cầu"):
        assert state in asked
    portal = bundle(app)
    with Session(portal.engine) as session:
        assert requests.late(session, BY_KEY["hoa-ban"].code, portal.clock.now()) == 1


def test_slips_and_share_codes_open_what_they_promise(app: Flask, families: DemoFamilies) -> None:
    portal = bundle(app)
    now = portal.clock.now()
    accounts = app.test_client().get("/demo-accounts").text
    assert len(families.slips) == 3
    for slip in families.slips:
        assert slip.code in accounts
        day, month, year = ("", "", slip.birth) if "/" not in slip.birth else slip.birth.split("/")
        form = {"code": slip.code, "ngay": day, "thang": month, "nam": year}
        assert "***</dd>" in post(app.test_client(), "/sign-in/slip/contact", form)
    with Session(portal.engine) as session:
        for shared in families.shared:
            assert shared.code in accounts
            opened = disclosing.open_code(
                session,
                portal.vault,
                portal.files,
                code=service.read_code(shared.code),
                birth=read_birth(shared.birth),
                now=now,
            )
            assert isinstance(opened, Disclosed)
        session.rollback()


def test_a_question_waits_and_consents_live(app: Flask) -> None:
    portal = bundle(app)
    now = portal.clock.now()
    with Session(portal.engine) as session:
        keys = session.scalars(select(Consent.id)).all()
        cases = [service.examine(session, portal.vault, key, now) for key in keys]
        states = sorted(case.fold.state.value for case in cases if case is not None)
        assert states == ["given", "given", "waiting"]
        assert sum(service.live(session, portal.vault, key, now) for key in keys) == 2
        later = now + timedelta(days=100)
        assert not any(service.live(session, portal.vault, key, later) for key in keys)
