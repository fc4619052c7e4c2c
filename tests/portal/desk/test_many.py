"""Many records of a school are recalled by two of its managers, at a page (SEC-24)."""

from __future__ import annotations

import re
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import sessions
from portal.accounts.models import Account, Membership, Method
from portal.decisions.models import Decision
from portal.extensions import KEY
from portal.permissions import OrganisationKind, Role
from portal.registry.models import RecordVersion
from tests.portal.accounts.world import HOME, People, Visitor, employ
from tests.portal.audit.reading import entries
from tests.portal.web.test_pages import inspect
from tests.portal.web.world import World


def second_manager(world: World) -> Visitor:
    bundle = world.app.extensions[KEY]
    now = bundle.clock.now()
    with Session(bundle.engine) as session, session.begin():
        office = HOME[OrganisationKind.SCHOOL]
        person = employ(session, bundle.vault, office, Role.MANAGER, email="pho@truong.example", now=now)
        token = sessions.begin(
            session,
            session.get_one(Account, person.account),
            Method.PASSKEY,
            membership=session.get_one(Membership, person.membership),
            replaces="",
            now=now,
        )
    return Visitor(world.app, person, token)


def asked(world: World, records: str, **changes: str) -> dict[str, str]:
    return {"records": records, "many_reason": "data_error", "reference": "12/2026/QĐ-THPT"} | changes


def ids(world: World) -> list[str]:
    return [world.primary.locator.record_id, world.second.locator.record_id]


def recalled(world: World) -> int:
    with Session(world.app.extensions[KEY].engine) as session:
        return len(session.scalars(select(RecordVersion).filter_by(state="recalled")).all())


def open_decision(world: World) -> uuid.UUID:
    with Session(world.app.extensions[KEY].engine) as session:
        return session.scalars(select(Decision.id).filter_by(state="proposed")).one()


def test_two_managers_recall_a_list_sec_24(world: World, people: People) -> None:
    """SEC-24: one identity fails, of another school nobody sees it, two succeed, once."""
    before = recalled(world)
    record_ids = ids(world)
    first, second = people.sign_in(Role.MANAGER), second_manager(world)
    done = first.confirm("/recall/many", asked(world, "\r\n".join(record_ids)))
    assert done.status_code == 200
    inspect(done.text)
    assert "một cán bộ quản lý khác của trường phải trả lời" in done.text
    key = open_decision(world)
    path = f"/recall/many/{key}"
    own = first.confirm(path, {"answer": "yes"})
    assert (own.status_code, recalled(world)) == (422, before)
    assert "Người đề nghị không được tự trả lời" in own.text
    stranger = people.sign_in(Role.MANAGER, away=True)
    assert str(key) not in stranger.get("/recall").text
    assert stranger.confirm(path, {"answer": "yes"}).status_code == 422
    assert second.post(path, {"answer": "yes"}).status_code == 403  # without the passkey
    seen = second.get("/recall?lang=en")
    inspect(seen.text)
    assert str(key) in seen.text
    assert second.confirm(path, {"answer": "yes"}).status_code == 200
    assert recalled(world) == before + len(record_ids)
    again = second.confirm(path, {"answer": "yes"})  # sent twice: the same answer, nothing done anew
    assert (again.status_code, recalled(world)) == (200, before + len(record_ids))
    inspect(again.text)
    assert f"Đã thu hồi {len(record_ids)} học bạ" in again.text
    assert "Đề nghị này đã có câu trả lời" in second.confirm(path, {"answer": "no"}).text
    assert first.confirm(path, {"answer": "yes"}).status_code == 422
    with Session(world.app.extensions[KEY].engine) as session:
        told = [e for e in entries(session, "recall") if e["basis"] == "two_persons"]
    assert len(told) == len(record_ids)


def test_a_second_manager_may_refuse_sec_24(world: World, people: People) -> None:
    """SEC-24."""
    before = recalled(world)
    first, second = people.sign_in(Role.MANAGER), second_manager(world)
    first.confirm("/recall/many", asked(world, "\n".join(ids(world))))
    path = f"/recall/many/{open_decision(world)}"
    for _ in range(2):
        assert "Đã từ chối" in second.confirm(path, {"answer": "no"}).text
    assert second.confirm(path, {"answer": "yes"}).status_code == 422
    assert recalled(world) == before


def test_everything_wrong_with_a_list_is_said_at_once(world: World, people: People) -> None:
    manager = people.sign_in(Role.MANAGER)
    wrong = asked(world, "XXXX\n0000000000000000", many_reason="", reference="theo đơn")
    for language in ("", "?lang=en"):
        answer = manager.confirm(f"/recall/many{language}", wrong)
        assert answer.status_code == 422
        inspect(answer.text)
        assert {"#records", "#many_reason"} <= set(re.findall(r'href="(#\w+)"', answer.text))
        assert "XXXX" in answer.text
        assert "theo đơn" in answer.text
    answer = manager.confirm("/recall/many", asked(world, "\n".join(ids(world)), reference="theo đơn"))
    assert 'href="#reference"' in answer.text
    # Another school's records are as unknown as none (SEC-18).
    stranger = people.sign_in(Role.MANAGER, away=True)
    answer = stranger.confirm("/recall/many", asked(world, ids(world)[0]))
    assert (answer.status_code, "không có học bạ này" in answer.text) == (422, True)
