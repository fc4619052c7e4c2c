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
from verifier.locator import group


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
    key = open_decision(world)
    assert (done.status_code, done.headers["Location"]) == (303, f"/recall?decision={key}")
    for _ in range(2):  # loaded again it says the same and does nothing
        shown = first.get(done.headers["Location"])
        inspect(shown.text)
        assert "Đã gửi đề nghị" in shown.text
        assert "một cán bộ quản lý khác của trường phải trả lời" in shown.text
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
    assert "Đã gửi đề nghị" not in stranger.get(f"/recall?decision={key}").text
    assert second.confirm(path, {"answer": "yes"}).headers["Location"] == f"/recall?decision={key}"
    assert recalled(world) == before + len(record_ids)
    again = second.confirm(path, {"answer": "yes"})  # sent twice: the same answer, nothing done anew
    assert (again.status_code, recalled(world)) == (303, before + len(record_ids))
    shown = second.get(again.headers["Location"])
    inspect(shown.text)
    assert f"Đã thu hồi {len(record_ids)} học bạ" in shown.text
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
        answer = second.confirm(path, {"answer": "no"})
        assert "Đã từ chối" in second.get(answer.headers["Location"]).text
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


def test_one_recalled_record_is_told_as_often_as_the_page_is_loaded(world: World, people: People) -> None:
    before = recalled(world)
    manager, record_id = people.sign_in(Role.MANAGER), world.primary.locator.record_id
    done = manager.confirm("/recall?lang=en", {"record_id": f" {group(record_id)} ", "reason": "data_error"})
    assert done.status_code == 303
    there = done.headers["Location"]
    for _ in range(2):
        assert "Version 1 was recalled" in manager.get(there).text
    assert recalled(world) == before + 1
    # What an address says is believed only where it is so, and told to the own school alone.
    other = f"/recall?record={world.second.locator.record_id}"
    for address in (other, "/recall?record=x", "/recall?decision=x", f"/recall?decision={uuid.UUID(int=1)}"):
        assert 'class="done"' not in manager.get(address).text, address
    stranger = people.sign_in(Role.MANAGER, away=True)
    assert 'class="done"' not in stranger.get(there).text


def test_everything_wrong_with_one_recall_is_said_at_once(people: People) -> None:
    answer = people.sign_in(Role.MANAGER).confirm("/recall", {"record_id": "không phải mã", "reason": ""})
    assert answer.status_code == 422
    inspect(answer.text)
    assert {"#record_id", "#reason"} <= set(re.findall(r'href="(#\w+)"', answer.text))
    assert 'value="không phải mã"' in answer.text
