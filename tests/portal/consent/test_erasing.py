"""What was said about a pupil can be erased; what is erased shows nothing and stops nothing (SEC-41)."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import select

from portal.accounts.models import Relation
from portal.consent import requests, service
from portal.consent.disclosing import statutory_access
from portal.consent.erasing import CONSENT, REQUEST, STATUTORY_ACCESS
from portal.consent.fields import Preset
from portal.consent.models import Consent, Evidence, Matter, RequestKind, StatutoryAccess
from portal.consent.purposes import Duty
from portal.consent.service import By, State
from portal.registry import erasing as registry
from portal.vault import DESTROYED, VaultError
from tests.portal.consent.test_service import FIFTEEN, SIX
from tests.portal.consent.world import World, done, why


def test_an_erased_consent_shows_nothing(world: World) -> None:
    """SEC-19: without its key a consent is none, whatever its events say."""
    pupil = world.pupil(FIFTEEN)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother)
    waiting = done(world.ask(pupil))
    for key in (consent, waiting.consent):
        assert CONSENT.alive(world.session, [str(key)]) == {str(key)}
        erased = CONSENT.erase(world.session, str(key), world.now)
        assert (erased.rows, erased.pupil) == ({"consents": 1}, pupil.index)
        assert CONSENT.erase(world.session, str(key), world.now).rows == {}
        assert CONSENT.alive(world.session, [str(key)]) == set()
    assert not world.live(consent)
    assert why(world.open(code, FIFTEEN)) == "not_in_force"
    by = By(Evidence.SIGN_IN, mother)
    for key in (consent, waiting.consent):
        shown = service.question(world.session, world.vault, key, by=by, language="vi", now=world.now)
        assert why(shown) == "not_open"
        assert why(world.no(key, mother)) == "not_open"
    row = world.session.scalars(
        select(Consent).where(Consent.id == waiting.consent).execution_options(populate_existing=True)
    ).one()
    assert row.wrapped_key == DESTROYED
    assert row.reference_sealed is not None
    with pytest.raises(VaultError):
        service.unseal(world.vault, row, "reference_sealed", row.reference_sealed, row.id)


def test_a_destroyed_record_is_shown_to_nobody(world: World) -> None:
    pupil = world.pupil(SIX)
    mother = world.holder(pupil, Relation.MOTHER)
    asked = done(world.ask(pupil))
    done(world.yes(asked.consent, mother))
    _, code = world.shared(pupil, mother)
    registry.destroy(world.session, pupil.locator().record_id)
    assert not world.live(asked.consent)
    assert why(world.disclose(asked.consent)) == "not_in_force"
    assert why(world.open(code, SIX)) == "not_opened"
    assert why(world.ask(pupil)) == "unknown_record"
    (state,) = done(service.of_organisation(world.session, world.vault, staff=world.receiver, now=world.now))
    assert state.state is State.GIVEN
    assert world.settle() is not None


def test_looks_by_duty_and_requests_are_erased_alike(world: World) -> None:
    pupil = world.pupil(FIFTEEN)
    mother = world.holder(pupil, Relation.MOTHER)
    done(
        statutory_access(
            world.session,
            world.vault,
            staff=world.receiver,
            duty=Duty.RECEIVING_SCHOOL,
            reference="CT-3/2026",
            preset=Preset.MARKS,
            locator=pupil.locator(),
            now=world.now,
        )
    )
    ticket = done(
        requests.make(
            world.session,
            world.vault,
            account=mother,
            pupil=pupil.index,
            kind=RequestKind.SEE,
            matter=Matter.RECORD,
            text="Xin xem.",
            now=world.now,
        )
    )
    look = world.session.scalars(select(StatutoryAccess.id)).one()
    for eraser, key in ((STATUTORY_ACCESS, look), (REQUEST, ticket.request)):
        assert eraser.erase(world.session, str(key), world.now).rows == {eraser.tables[0]: 1}
        assert eraser.alive(world.session, [str(key), str(uuid.uuid4())]) == set()
    assert (
        requests.of_holder(world.session, world.vault, account=mother, pupil=pupil.index, now=world.now) == ()
    )
    refused = requests.acknowledge(
        world.session, world.vault, staff=world.registrar, request=ticket.request, now=world.now
    )
    assert why(refused) == "unknown_request"
