"""Two persons, or nothing happens (SEC-24)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit.service import Actor, Object
from portal.decisions import service
from portal.decisions.models import Decision
from portal.decisions.service import REASONS, TERM, Facts, Kind, State
from portal.errors import Refusal
from tests.conftest import ACTOR, NOW, OTHER
from tests.portal.audit.reading import entries

RECORD = Object("record", uuid.UUID(int=7))


def propose(session: Session, *, what: Object = RECORD, actor: Actor = ACTOR, **changes: str) -> Facts:
    given = {"reason": "court_order", "reference": "123/QĐ-TAND"} | changes
    return service.propose(
        session,
        Kind.DESTROY_RECORD_KEY,
        what,
        organisation="01000123",
        actor=actor,
        now=NOW,
        **given,
    )


def code(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        act()
    return refused.value.code


def test_two_persons_and_once_sec_24(session: Session) -> None:
    """SEC-24: proposed, confirmed by another, applied once; each step in the trail, on the object."""
    made = propose(session)
    assert (made.state, made.until) == (State.PROPOSED, NOW + TERM)

    def take() -> Facts:
        return service.take(session, made.id, Kind.DESTROY_RECORD_KEY, actor=ACTOR, now=NOW)

    assert code(take) == "decision_unconfirmed"
    assert code(lambda: service.confirm(session, made.id, actor=ACTOR, now=NOW)) == "same_person"
    assert code(lambda: service.refuse(session, made.id, actor=ACTOR, now=NOW)) == "same_person"
    assert code(take) == "decision_unconfirmed"
    service.confirm(session, made.id, actor=OTHER, now=NOW)
    assert code(lambda: service.confirm(session, made.id, actor=OTHER, now=NOW)) == "decision_answered"
    assert code(lambda: service.refuse(session, made.id, actor=OTHER, now=NOW)) == "decision_answered"
    taken = take()
    assert (taken.object, taken.state, taken.answered_by) == (RECORD, State.APPLIED, str(OTHER))
    assert code(take) == "decision_applied"
    assert [(e["action"], e["actor"]) for e in entries(session)] == [
        ("decision_proposed", str(ACTOR)),
        ("decision_confirmed", str(OTHER)),
        ("decision_applied", str(ACTOR)),
    ]
    assert {e["object"] for e in entries(session)} == {str(RECORD)}
    assert {e["organisation"] for e in entries(session)} == {"01000123"}
    assert {e["details"]["decision"] for e in entries(session)} == {str(made.id)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("an.nguyen", "an.nguyen"),
        ("an.nguyen", "An.Nguyen"),
        ("an.nguyen", "AN_NGUYEN"),
        ("an nguyen", "an.nguyen"),
        (".an-nguyen", "annguyen"),
        ("an.nguyễn", "an.nguy_n"),
    ],
)
def test_one_person_spelled_twice_is_one_sec_24(session: Session, first: str, second: str) -> None:
    """SEC-24."""
    made = propose(session, actor=Actor.command(first))
    answer = Actor.command(second)
    assert code(lambda: service.confirm(session, made.id, actor=answer, now=NOW)) == "same_person"


def test_the_key_of_an_account_is_one_in_any_spelling() -> None:
    """And an account is not the user of the operating system whose name has the same letters."""
    key = uuid.uuid4()
    spellings = (str(key), str(key).upper(), key.hex, f"{{{key}}}", key.urn.removeprefix("urn:uuid:"))
    assert len({service.person(f"account:{each}") for each in spellings}) == 1
    assert service.person(f"account:{key}") != service.person(f"command:{key}")
    assert service.person(f"account:{key}") != service.person(f"account:{uuid.uuid4()}")


def test_the_system_is_nobody(session: Session) -> None:
    machine = Actor.system("renewal")
    assert code(lambda: propose(session, actor=machine)) == "not_a_person"
    made = propose(session)
    assert code(lambda: service.confirm(session, made.id, actor=machine, now=NOW)) == "not_a_person"


def test_no_answer_in_time_is_the_end_of_it(session: Session) -> None:
    made = propose(session)
    late = NOW + TERM
    assert code(lambda: service.confirm(session, made.id, actor=OTHER, now=late)) == "decision_expired"
    assert service.expire(session, now=late - timedelta(seconds=1)) == 0
    assert service.expire(session, now=late) == 1
    assert service.expire(session, now=late) == 0
    assert code(lambda: service.confirm(session, made.id, actor=OTHER, now=late)) == "decision_expired"
    assert [(e["action"], e["actor"]) for e in entries(session)][1:] == [
        ("decision_expired", "system:decisions")
    ]
    assert [each.state for each in service.listing(session, closed=True)] == [State.EXPIRED]
    assert service.listing(session) == ()
    propose(session)  # again, for it is over


def test_what_was_agreed_to_is_done_in_time_or_not_at_all(session: Session) -> None:
    made = propose(session)
    agreed = NOW + timedelta(days=1)
    assert service.confirm(session, made.id, actor=OTHER, now=agreed).until == agreed + TERM
    late = agreed + TERM

    def take() -> Facts:
        return service.take(session, made.id, Kind.DESTROY_RECORD_KEY, actor=ACTOR, now=late)

    assert code(take) == "decision_expired"
    assert service.expire(session, now=late - timedelta(seconds=1)) == 0
    assert service.expire(session, now=late) == 1
    assert code(take) == "decision_expired"
    propose(session)  # again, for it is over


def test_a_no_ends_it(session: Session) -> None:
    made = propose(session)
    assert service.refuse(session, made.id, actor=OTHER, now=NOW).state is State.REFUSED
    act = lambda: service.take(session, made.id, Kind.DESTROY_RECORD_KEY, actor=ACTOR, now=NOW)  # noqa: E731
    assert code(act) == "decision_unconfirmed"


def test_one_is_open_about_one_object(session: Session) -> None:
    propose(session)
    assert code(lambda: propose(session, actor=OTHER)) == "decision_open"
    propose(session, what=Object("record", uuid.UUID(int=8)))
    row = {c.name: None for c in Decision.__table__.c} | {
        "id": uuid.uuid4(), "kind": Kind.DESTROY_RECORD_KEY, "object_kind": "record",
        "object_id": RECORD.name, "reason": "test_data", "reference": "1/QĐ", "state": State.CONFIRMED,
        "proposed_by": "command:x", "proposed_at": NOW,
    }  # fmt: skip
    with pytest.raises(IntegrityError):
        session.execute(insert(Decision).values(row))


@pytest.mark.parametrize("reference", ["123/QĐ-SGDĐT", "12/2026/QĐ-UBND", "45/BB-THPT", "1/QĐ"])
def test_a_file_number_is_taken(session: Session, reference: str) -> None:
    assert propose(session, reference=reference).reference == reference


@pytest.mark.parametrize(
    "reference",
    ["", "theo đơn của chị Lan", "123", "QĐ-12", "1/Nguyễn Văn An", "1/QĐ - A", "1/ABCDEFGHIJK", "1/QĐ\n"],
)
def test_a_text_is_no_file_number(session: Session, reference: str) -> None:
    assert code(lambda: propose(session, reference=reference)) == "wrong_reference"


def test_reasons_are_a_closed_list(session: Session) -> None:
    assert code(lambda: propose(session, reason="vi gia dinh muon")) == "unknown_reason"
    assert set(REASONS) == set(Kind)


def test_two_at_once_apply_it_once(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        made = propose(session)
        service.confirm(session, made.id, actor=OTHER, now=NOW)
    results: list[str] = []

    def apply() -> None:
        try:
            with Session(engine) as session, session.begin():
                service.take(session, made.id, Kind.DESTROY_RECORD_KEY, actor=ACTOR, now=NOW)
            results.append("applied")
        except Refusal as refusal:
            results.append(refusal.code)

    threads = [threading.Thread(target=apply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["applied"] + ["decision_applied"] * 3


def test_an_unknown_one(session: Session) -> None:
    nothing = uuid.uuid4()
    assert code(lambda: service.confirm(session, nothing, actor=OTHER, now=NOW)) == "unknown_decision"
    act = lambda: service.take(session, nothing, Kind.DESTROY_RECORD_KEY, actor=OTHER, now=NOW)  # noqa: E731
    assert code(act) == "unknown_decision"


def test_a_decision_is_bound_to_what_it_says_sec_24(session: Session) -> None:
    """SEC-24: another content under the same yes is not done; the trail has the digest of the right one."""
    content = {"versions": {str(uuid.UUID(int=3)): 1}}
    made = service.propose(
        session, Kind.RECALL_RECORDS, content, reason="data_error", reference="1/QĐ", actor=ACTOR, now=NOW
    )
    again = lambda: service.propose(  # noqa: E731
        session, Kind.RECALL_RECORDS, content, reason="data_error", reference="2/QĐ", actor=OTHER, now=NOW
    )
    assert code(again) == "decision_open"
    service.confirm(session, made.id, actor=OTHER, now=NOW)
    row = session.get_one(Decision, made.id)
    row.content = row.content.replace("3", "4")

    def take() -> Facts:
        return service.take(session, made.id, Kind.RECALL_RECORDS, actor=ACTOR, now=NOW)

    assert code(take) == "decision_changed"
    row.content = row.content.replace("4", "3")
    assert code(lambda: service.take(session, made.id, Kind.EXPORT_RECORDS, actor=ACTOR, now=NOW)) == (
        "unknown_decision"
    )
    assert take().content == content
    assert len({e["details"]["digest"] for e in entries(session)}) == 1


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_asks_two_persons_sec_24(session: Session, kind: Kind) -> None:
    """SEC-24: one identity is not enough for any of them."""
    reason = next(iter(REASONS[kind]))
    made = service.propose(
        session, kind, {"number": 1}, reason=reason, reference="1/QĐ", actor=ACTOR, now=NOW
    )

    def take() -> Facts:
        return service.take(session, made.id, kind, actor=ACTOR, now=NOW)

    assert code(take) == "decision_unconfirmed"
    assert code(lambda: service.confirm(session, made.id, actor=ACTOR, now=NOW)) == "same_person"
    service.confirm(session, made.id, actor=OTHER, now=NOW)
    assert take().state is State.APPLIED
    assert code(take) == "decision_applied"
