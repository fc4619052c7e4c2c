"""Requests of data subjects: their days, one extension, late ones; a record is never erased."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest

from portal.accounts.models import Relation
from portal.consent import requests
from portal.consent.models import Matter, RequestKind
from portal.consent.requests import Ticket
from portal.consent.service import Denied
from portal.messages.words import Kind
from portal.permissions import Role
from tests.portal.audit.reading import entries
from tests.portal.consent.test_service import FIFTEEN
from tests.portal.consent.world import Pupil, World, done, why
from verifier.errors import InvalidInput


def made(
    world: World, account: uuid.UUID, pupil: Pupil, kind: RequestKind, matter: Matter = Matter.RECORD
) -> Ticket:
    return done(
        requests.make(
            world.session,
            world.vault,
            account=account,
            pupil=pupil.index,
            kind=kind,
            matter=matter,
            text="Điểm Toán học kỳ 1 ghi thiếu.",
            now=world.now,
        )
    )


@pytest.fixture
def pupil(world: World) -> Pupil:
    return world.pupil(FIFTEEN)


@pytest.fixture
def mother(world: World, pupil: Pupil) -> uuid.UUID:
    return world.holder(pupil, Relation.MOTHER)


@pytest.mark.parametrize(
    ("kind", "days"),
    [("see", 10), ("correct", 10), ("copy", 10), ("withdraw", 15), ("object", 15), ("delete", 20)],
)
def test_each_kind_has_its_days_and_one_extension(
    world: World, pupil: Pupil, mother: uuid.UUID, kind: str, days: int
) -> None:
    """NĐ 356/2025 Đ.5."""
    ticket = made(world, mother, pupil, RequestKind(kind), Matter.ACCOUNT)
    assert ticket.acknowledge_by == date(2026, 10, 7)
    assert ticket.answer_by == date(2026, 10, 5) + timedelta(days=days)

    def extend() -> Ticket | Denied:
        return requests.extend(
            world.session, world.vault, staff=world.registrar, request=ticket.request, now=world.now
        )

    extended = done(extend())
    assert extended.answer_by == date(2026, 10, 5) + timedelta(days=2 * days)
    assert why(extend()) == "extended"


def test_ten_of_one_holder_wait_and_no_more(world: World, pupil: Pupil, mother: uuid.UUID) -> None:
    """Answered ones, and those that are answered at once, do not count; nor do another holder's."""
    made(world, mother, pupil, RequestKind.DELETE)
    tickets = [made(world, mother, pupil, RequestKind.CORRECT) for _ in range(requests.MOST_OPEN)]

    def one_more(account: uuid.UUID) -> Ticket | Denied:
        return requests.make(
            world.session,
            world.vault,
            account=account,
            pupil=pupil.index,
            kind=RequestKind.SEE,
            matter=Matter.RECORD,
            text="Xin xem.",
            now=world.now,
        )

    assert why(one_more(mother)) == "too_many_open"
    assert entries(world.session, "request_made")[-1]["details"] == {"reason": "too_many_open"}
    done(one_more(world.holder(pupil, Relation.FATHER)))
    requests.answer(
        world.session,
        world.vault,
        staff=world.registrar,
        request=tickets[0].request,
        granted=True,
        text="Đã sửa.",
        now=world.now,
    )
    done(one_more(mother))


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b", "\u200b \u2060\ufeff", "\u3164\u2800", "\u0301", "\u202e\u00ad"]
)
def test_what_nobody_can_see_is_empty(text: str) -> None:
    with pytest.raises(InvalidInput):
        requests.check(text)
    requests.check(f"{text}Xin xem.{text}")


def test_late_ones_show(world: World, pupil: Pupil, mother: uuid.UUID) -> None:
    ticket = made(world, mother, pupil, RequestKind.CORRECT)
    start, late = world.now, []
    for days in (0, 2, 3, 10, 11):
        world.now = start + timedelta(days=days)
        if days == 10:
            done(
                requests.acknowledge(
                    world.session,
                    world.vault,
                    staff=world.registrar,
                    request=ticket.request,
                    now=world.now,
                )
            )
        (seen,) = done(requests.of_school(world.session, world.vault, staff=world.registrar, now=world.now))
        late.append(seen.late)
    assert late == [False, False, True, False, True]


def test_a_request_is_answered_once(world: World, pupil: Pupil, mother: uuid.UUID) -> None:
    ticket = made(world, mother, pupil, RequestKind.CORRECT)
    assert ticket.text == "Điểm Toán học kỳ 1 ghi thiếu."

    def answer() -> Ticket | Denied:
        return requests.answer(
            world.session,
            world.vault,
            staff=world.registrar,
            request=ticket.request,
            granted=True,
            text="Đã sửa, xem bản số 2.",
            now=world.now,
        )

    answered = done(answer())
    assert (answered.granted, answered.answer, answered.late) == (True, "Đã sửa, xem bản số 2.", False)
    assert [(n.account, n.kind) for n in answered.notices] == [(mother, Kind.REQUEST_ANSWERED)]
    assert why(answer()) == "answered"
    assert (
        requests.of_holder(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now)[
            0
        ].answer
        == "Đã sửa, xem bản số 2."
    )
    told = [(e["action"], e["outcome"]) for e in entries(world.session)][-3:]
    assert told == [
        ("request_made", "done"),
        ("request_answered", "done"),
        ("request_answered", "refused"),
    ]


def test_erasing_a_record_is_refused_with_its_ground(world: World, pupil: Pupil, mother: uuid.UUID) -> None:
    """NĐ 88/2026 Đ.8.3; contacts and consents stay erasable."""
    ticket = made(world, mother, pupil, RequestKind.DELETE)
    assert (ticket.granted, ticket.answered_at, ticket.late) == (False, world.now, False)
    assert ticket.ground is not None
    assert "NĐ 88/2026/NĐ-CP Đ.8.3" in ticket.ground
    last = entries(world.session)[-1]
    assert (last["outcome"], last["details"]) == ("refused", {"reason": "kept_permanently"})
    for matter in (Matter.ACCOUNT, Matter.CONSENTS):
        assert made(world, mother, pupil, RequestKind.DELETE, matter).granted is None


def test_only_who_may(world: World, pupil: Pupil, mother: uuid.UUID) -> None:
    ticket = made(world, mother, pupil, RequestKind.SEE)
    elsewhere = world.staff(world.other, Role.ACADEMIC_STAFF)
    for staff, reason in ((elsewhere, "unknown_request"), (world.teacher, "not_permitted")):
        refused = requests.acknowledge(
            world.session, world.vault, staff=staff, request=ticket.request, now=world.now
        )
        assert why(refused) == reason
    listed = requests.of_school(world.session, world.vault, staff=world.teacher, now=world.now)
    assert why(listed) == "not_permitted"
    assert done(requests.of_school(world.session, world.vault, staff=elsewhere, now=world.now)) == ()
    world.change_link(mother, disputed_at=world.now)
    refused = requests.make(
        world.session,
        world.vault,
        account=mother,
        pupil=pupil.index,
        kind=RequestKind.SEE,
        matter=Matter.RECORD,
        text="x",
        now=world.now,
    )
    assert why(refused) == "not_entitled"
    with pytest.raises(InvalidInput):
        requests.make(
            world.session,
            world.vault,
            account=mother,
            pupil=pupil.index,
            kind=RequestKind.SEE,
            matter=Matter.RECORD,
            text=" ",
            now=world.now,
        )
