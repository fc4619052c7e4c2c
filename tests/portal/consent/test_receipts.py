"""Receipts: what a holder keeps, in the published form, and a check that tells nothing of a person."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]

from portal.accounts.models import Relation
from portal.consent import receipts, service
from portal.consent.fields import Preset
from portal.consent.models import Evidence
from portal.consent.purposes import Purpose
from portal.consent.receipts import Receipt, ReceiptState
from portal.consent.service import By, Denied, State, Wish
from portal.consent.texts import EDITION
from tests.portal.consent.test_service import FIFTEEN
from tests.portal.consent.world import World, done, why

ADMISSION = Wish(Purpose.ADMISSION, Preset.MARKS, days=30, once=False)
PUBLISHED = Path(__file__).parents[3] / "docs/consent-receipt.schema.json"


def receipt(world: World, consent: uuid.UUID, account: uuid.UUID) -> Receipt | Denied:
    return receipts.receipt(world.session, world.vault, consent=consent, account=account, now=world.now)


def test_a_receipt_has_the_published_form(world: World) -> None:
    """ISO/IEC TS 27560: who, what, what for, until when, how to withdraw, each event with its text's hash."""
    pupil = world.pupil(FIFTEEN)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, code = world.shared(pupil, mother)
    world.open(code, FIFTEEN)
    made = done(receipt(world, consent, mother)).to_json()
    schema = json.loads(PUBLISHED.read_text("utf-8"))
    assert schema == receipts.schema(), "write portal.consent.receipts.schema() to docs/"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    assert [e["kind"] for e in made["events"]] == ["asked", "given", "given", "opened"]
    yes = [e for e in made["events"] if e["kind"] == "given"]
    assert [(e["party"], e["evidence"], e["text_version"]) for e in yes] == [
        ("guardian", "sign_in", EDITION),
        ("pupil", "same_device", EDITION),
    ]
    assert yes[0]["text_sha256"] != yes[1]["text_sha256"]
    assert (made["state"], made["version"], made["once"]) == ("given", 4, False)
    written = json.dumps(made, ensure_ascii=False)
    for personal in ("Hường", FIFTEEN, pupil.index, code):
        assert personal not in written


def test_only_for_a_holder_who_may(world: World) -> None:
    pupil, other = world.pupil(FIFTEEN), world.pupil(FIFTEEN)
    mother, stranger = world.holder(pupil, Relation.MOTHER), world.holder(other, Relation.MOTHER)
    consent, _ = world.shared(pupil, mother)
    assert why(receipt(world, consent, stranger)) == "unknown_consent"
    assert why(receipt(world, uuid.uuid4(), mother)) == "unknown_consent"


def test_an_organisation_that_closed_keeps_its_name(world: World) -> None:
    """In the receipt and in the text that was answered: not as if whoever bears a code were meant."""
    pupil = world.pupil(FIFTEEN)
    mother = world.holder(pupil, Relation.MOTHER)
    done(world.approve(Purpose.ADMISSION))
    asked = done(world.ask(pupil, staff=world.officer, wish=ADMISSION))
    by = By(Evidence.SIGN_IN, mother)

    def text() -> str:
        shown = done(
            service.question(world.session, world.vault, asked.consent, by=by, language="vi", now=world.now)
        )
        return shown.text

    before = text()
    world.close_office(world.agency)
    assert done(receipt(world, asked.consent, mother)).recipient == "Ủy ban nhân dân xã Tân Lập"
    assert "Ủy ban nhân dân xã Tân Lập" in text()
    assert text() == before


def test_a_number_tells_the_state_and_nothing_else(world: World) -> None:
    pupil = world.pupil(FIFTEEN)
    mother = world.holder(pupil, Relation.MOTHER)
    consent, _ = world.shared(pupil, mother)
    number = uuid.UUID(done(receipt(world, consent, mother)).record_id)

    def state() -> ReceiptState | None:
        return receipts.state_of(world.session, world.vault, number, world.now)

    until = world.now + timedelta(days=30)
    assert state() == ReceiptState(State.GIVEN, True, until)
    world.change_link(mother, disputed_at=world.now)
    assert state() == ReceiptState(State.GIVEN, False, until)
    world.change_link(mother, disputed_at=None)
    done(world.no(consent, mother))
    assert state() == ReceiptState(State.WITHDRAWN, False, until)
    assert set(asdict(ReceiptState(State.GIVEN, True, until))) == {"state", "in_force", "until"}
    assert receipts.state_of(world.session, world.vault, uuid.uuid4(), world.now) is None
