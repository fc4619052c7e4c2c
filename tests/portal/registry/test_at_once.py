"""Two who act at the same time: each locks what it acts on and then the trail, never the other way round. On
PostgreSQL two that wait for each other end as a fault of ours; SQLite has one writer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Actor
from portal.decisions import service as decisions
from portal.decisions.service import Kind
from portal.desk import corrections
from portal.desk.person import Person
from portal.errors import Refusal
from portal.filestore import ObjectFiles
from portal.permissions import Role
from portal.registry import many, service
from portal.registry.models import Record, RecordVersion
from portal.trust import decided
from portal.trust import service as trust
from portal.trust.models import TrustState
from portal.vault import Vault
from tests.conftest import ACTOR, NOW, OTHER
from tests.portal.consent.world import SCHOOL, World

Step = Callable[[Session], object]
HEAD = Person(uuid.UUID(int=5), Role.MANAGER, SCHOOL, "Hiệu trưởng", "passkey")


def race(engine: Engine, locks: Step, tells: Step, other: Step) -> object:
    """One person ``locks`` and a moment later ``tells``; ``other`` begins in between. What the other had."""
    held, over = Event(), Event()

    def first() -> None:
        with Session(engine) as session, session.begin():
            locks(session)
            held.set()
            over.wait(1)  # the other is under way; it cannot end before this one
            tells(session)

    def second() -> object:
        held.wait()
        try:
            with Session(engine) as session, session.begin():
                return other(session)
        finally:
            over.set()

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        one.result()
        return two.result()


def by_decision(vault: Vault) -> Callable[[Session, uuid.UUID], object]:
    def act(session: Session, key: uuid.UUID) -> object:
        return len(many.recall(session, key, actor=ACTOR, now=NOW))

    return act


def by_a_second_manager(vault: Vault) -> Callable[[Session, uuid.UUID], object]:
    def act(session: Session, key: uuid.UUID) -> object:
        return corrections.answer_many(session, vault, HEAD, key, yes=True, now=NOW)

    return act


@pytest.mark.parametrize("way", [by_decision, by_a_second_manager])
def test_one_record_is_recalled_while_two_persons_recall_many(
    session: Session,
    engine: Engine,
    vault: Vault,
    files: ObjectFiles,
    way: Callable[[Vault], Callable[[Session, uuid.UUID], object]],
) -> None:
    """SEC-24: both are done, each record is told once."""
    world = World(session, vault, files)
    for birth in ("01/02/2015", "03/04/2015", "05/06/2015"):
        world.pupil(birth)
    rows = session.execute(select(Record.id, Record.record_id).order_by(Record.id)).all()
    made = many.propose(
        session,
        Kind.RECALL_RECORDS,
        [row.record_id for row in rows],
        reason="data_error",
        reference="1/2026/QĐ-TH",
        school=SCHOOL,
        actor=ACTOR,
        now=NOW,
    )
    if way is by_decision:
        decisions.confirm(session, made.id, actor=OTHER, now=NOW)
    session.commit()
    last = rows[-1]

    count = race(
        engine,
        lambda own: service.hold(own, [last.id]),
        lambda own: many.recall_one(own, last.record_id, "data_error", actor=OTHER, now=NOW),
        lambda own: way(vault)(own, made.id),
    )
    assert count == len(rows)
    states = session.scalars(select(RecordVersion.state)).all()
    assert set(states) == {"recalled"}
    counted = audit.count_by(session, OTHER, Action.RECALL, basis="one_person", since=NOW)
    assert counted == 1


def test_a_record_is_corrected_while_it_is_recalled(
    session: Session, engine: Engine, vault: Vault, files: ObjectFiles
) -> None:
    """Whoever adds a version locks the record first, and so does a recall: it takes back what it finds."""
    world = World(session, vault, files)
    pupil = world.pupil("01/02/2015")
    record_id = pupil.locator().record_id
    session.commit()

    def correct(own: Session) -> None:
        World.issue(again, pupil)

    def lock(own: Session) -> None:
        again.session = own
        key = own.scalars(select(Record.id)).one()
        own.execute(select(Record).where(Record.id == key).with_for_update())

    again = object.__new__(World)
    again.vault, again.files, again.now, again.homeroom = vault, files, NOW, world.homeroom
    version = race(
        engine,
        lock,
        correct,
        lambda own: service.recall(own, record_id, "data_error", actor=OTHER, now=NOW),
    )
    assert version == 2


def test_trust_changes_while_two_persons_change_it(session: Session, engine: Engine) -> None:
    """SEC-24: what is decided of signers waits for the change before it, and is then looked at."""
    session.merge(TrustState(id=1, epoch=0, mark=uuid.uuid4()))
    content = {"signers": [str(uuid.UUID(int=1))], "account": str(uuid.UUID(int=2))}
    made = decisions.propose(
        session,
        Kind.LINK_SIGNERS,
        content,
        reason="new_account",
        reference="1/2026/QĐ-TH",
        actor=ACTOR,
        now=NOW,
    )
    decisions.confirm(session, made.id, actor=OTHER, now=NOW)
    session.commit()
    told = audit.Event(Actor.system("holders"), Action.HOLDER_CHANGE)
    with pytest.raises(Refusal):  # no such signer
        race(
            engine,
            trust.hold,
            lambda own: audit.record(own, told, now=NOW),
            lambda own: decided.link(own, made.id, actor=ACTOR, now=NOW),
        )
