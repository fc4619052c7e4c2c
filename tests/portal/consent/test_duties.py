"""How often somebody looks by a duty of law: a ceiling for an account, alarms for the department (SEC-30)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from limits import parse

from portal.accounts.models import Organisation
from portal.consent import disclosing
from portal.consent.disclosing import Disclosed
from portal.consent.fields import Preset
from portal.consent.parties import Staff
from portal.consent.purposes import Duty
from portal.consent.service import Denied
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.permissions import Role
from tests.portal.audit.reading import entries
from tests.portal.consent.test_service import FIFTEEN
from tests.portal.consent.world import Pupil, World, done, why

ALARM = {"verdict": "STATUTORY_ACCESS_OFTEN"}


def look(world: World, pupil: Pupil, staff: Staff | None = None) -> Disclosed | Denied:
    return disclosing.statutory_access(
        world.session,
        world.vault,
        staff=staff or world.receiver,
        duty=Duty.RECEIVING_SCHOOL,
        reference="CT-1",
        preset=Preset.RESULT,
        locator=pupil.locator(),
        now=world.now,
    )


def alarms(world: World) -> list[tuple[object, object]]:
    told = [e for e in entries(world.session) if e["action"] == "alarm"]
    assert all(e["details"] == ALARM for e in told)
    return [(e["organisation"], e["object"]) for e in told]


def sent(world: World) -> int:
    sender = Sender("https://cong.example", "Cổng")
    found = messages.outbox(world.session, world.vault, sender=sender, limit=50)
    return sum(each.kind == "alarm_statutory_access" for each in found)


@pytest.fixture
def pupil(world: World, monkeypatch: pytest.MonkeyPatch) -> Pupil:
    monkeypatch.setattr(disclosing, "LOOKS_DAY", parse("2/day"))
    monkeypatch.setattr(disclosing, "OFFICE_LOOKS_DAY", parse("4/day"))
    world.session.get_one(Organisation, world.department).email = "so@sgd.example.vn"
    return world.pupil(FIFTEEN)


def test_one_account_looks_so_often_and_no_more(world: World, pupil: Pupil) -> None:
    """Each refusal is in the trail, the alarm once a day; a colleague still looks, the next day counts."""
    for _ in range(2):
        done(look(world, pupil))
    assert alarms(world) == []
    for _ in range(3):
        assert why(look(world, pupil)) == "looked_too_often"
    refused = [e for e in entries(world.session, "disclosure") if e["outcome"] == "refused"]
    assert [(e["details"], e["basis"]) for e in refused] == [
        ({"reason": "looked_too_often"}, "receiving_school")
    ] * 3
    assert alarms(world) == [("01000999", f"account:{world.receiver.account}")]
    assert sent(world) == 1
    done(look(world, pupil, world.staff(world.other, Role.RECEIVING_OFFICER)))
    world.now += timedelta(days=1)
    done(look(world, pupil))
    done(look(world, pupil))
    assert why(look(world, pupil)) == "looked_too_often"
    assert len(alarms(world)) == 2


def test_an_organisation_that_looks_very_often_is_told_of(world: World, pupil: Pupil) -> None:
    """It is not stopped: who stands at a bedside must not wait for a colleague's day to end."""
    people = [world.staff(world.other, Role.RECEIVING_OFFICER) for _ in range(3)]
    for staff in people[:2]:
        for _ in range(2):
            done(look(world, pupil, staff))
    assert alarms(world) == []
    for _ in range(2):
        done(look(world, pupil, people[2]))
    assert alarms(world) == [("01000999", None)]
    assert sent(world) == 1
