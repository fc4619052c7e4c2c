"""How often somebody looks by a duty of law: a ceiling for an account, alarms for the department (SEC-30)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from limits import parse
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from portal.accounts.models import Membership, Organisation
from portal.consent import disclosing
from portal.consent.disclosing import Disclosed
from portal.consent.fields import Preset
from portal.consent.parties import Staff
from portal.consent.purposes import Duty
from portal.consent.service import Denied
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.permissions import Role
from portal.vault import Vault
from tests.portal.audit.reading import entries
from tests.portal.consent.test_service import FIFTEEN
from tests.portal.consent.world import Pupil, World, done, why

ALARM = {"verdict": "STATUTORY_ACCESS_OFTEN"}


def look(
    world: World, pupil: Pupil, staff: Staff | None = None, duty: Duty = Duty.RECEIVING_SCHOOL
) -> Disclosed | Denied:
    return disclosing.statutory_access(
        world.session,
        world.vault,
        staff=staff or world.receiver,
        duty=duty,
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


def test_an_emergency_is_told_and_never_refused(world: World, pupil: Pupil) -> None:
    """Beyond the ceiling the department learns of it at once; the look is one, for every other duty too."""
    for _ in range(2):
        done(look(world, pupil, duty=Duty.EMERGENCY))
    assert alarms(world) == []
    for _ in range(2):
        done(look(world, pupil, duty=Duty.EMERGENCY))
        assert alarms(world) == [("01000999", f"account:{world.receiver.account}")]
    assert sent(world) == 1
    assert why(look(world, pupil)) == "looked_too_often"


def test_one_person_with_roles_in_two_offices_is_counted_as_one(
    world: World, pupil: Pupil, engine: Engine, vault: Vault
) -> None:
    """A look that is under way in one office counts for one that begins in the other, on both databases."""
    there = world.staff(world.school, Role.RECEIVING_OFFICER)
    held = select(Membership).filter_by(account_pk=there.account)
    world.session.scalars(held).one().account_pk = world.receiver.account
    there = replace(there, account=world.receiver.account)
    done(look(world, pupil))
    world.session.commit()
    done(look(world, pupil))  # the second of two, not committed yet

    def looks() -> Disclosed | Denied:
        with Session(engine) as session, session.begin():
            return disclosing.statutory_access(
                session,
                vault,
                staff=there,
                duty=Duty.RECEIVING_SCHOOL,
                reference="CT-1",
                preset=Preset.RESULT,
                locator=pupil.locator(),
                now=world.now,
            )

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(looks)
        until_waiting(engine)
        world.session.commit()
        assert why(other.result()) == "looked_too_often"


def until_waiting(engine: Engine) -> None:
    """Until the other transaction waits for a lock of ours; on SQLite it does not even begin."""
    if engine.dialect.name == "sqlite":
        return
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(3000):
            if connection.scalar(waits):
                return
            time.sleep(0.01)
    raise AssertionError("nobody waited")
