"""Two-step signing: the principal's and the school's keys are on tokens elsewhere, the homeroom teacher's is
here.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.demo.authority import Authority
from portal.issuing import exchange
from portal.issuing.exchange import Incoming
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.models import Stage
from portal.issuing.service import Outcome, State, proceed, unfit_signers
from tests.portal.audit.reading import entries
from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.judges import assert_sealed
from tests.portal.issuing.test_pipeline import SQLITE, Killed, content, killed_at, verdict
from tests.portal.issuing.world import School, World, key_list
from verifier.errors import InvalidInput
from verifier.verdict import Outcome as Verdict

pytestmark = SQLITE


@pytest.fixture
def world(make_world: MakeWorld, authority: Authority, primary: School) -> World:
    manager = primary.people[primary.plan.manager.name]
    teacher = primary.people[primary.plan.staff[1].name]
    path = key_list(authority.directory / "two-step.json", [teacher], [manager, primary.seal])
    return make_world(primary, ring=load_keys(path))


@dataclass(frozen=True)
class Owner:
    """Whoever holds the tokens: knows their keys, and of us only the files of digests."""

    keys: KeyRing
    certificates: dict[str, bytes]

    def answer(self, files: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
        """Signs every digest, each with the token it is for."""
        lines = []
        for file in files:
            key = self.keys.find(file["signer"])
            assert key is not None
            assert base64.b64decode(file["certificate"]) == self.certificates[file["signer"]]
            for line in file["digests"]:
                value = key.sign_digest(bytes.fromhex(line["digest"]))
                lines.append(line | {"signature": base64.b64encode(value).decode()})
        path.write_text(json.dumps(lines))
        return lines


@pytest.fixture
def owner(primary: School, ring: KeyRing) -> Owner:
    """Of the principal's token and of the one with the seal."""
    credentials = (primary.people[primary.plan.manager.name], primary.seal)
    return Owner(ring, {credential.sha256: credential.der for credential in credentials})


def export(world: World, directory: Path) -> list[dict[str, Any]]:
    """The files of digests, as an outside program reads them."""
    with Session(world.engine) as session:
        unfit = partial(unfit_signers, world.desk, store=world.store())
        done = exchange.export_digests(session, world.vault, directory, unfit=unfit)
    assert done.problems == ()
    return [json.loads(each.path.read_text()) for each in done.written]


def bring_in(world: World, path: Path) -> list[Outcome]:
    """What ``signatures import`` does."""
    incoming = read(world, path)
    store, desk = world.store(), world.desk

    def outcomes() -> Iterator[Outcome]:
        for brought in incoming.brought:
            taken = exchange.take(
                brought,
                begin=desk.begin,
                vault=desk.vault,
                clock=desk.clock,
                actor=desk.actor,
                timestamper=None,
                at=desk.at,
            )
            yield proceed(desk, taken, store)
        for ready in incoming.ready:
            yield proceed(desk, ready.id, store)

    return list(outcomes())


def read(world: World, path: Path) -> Incoming:
    with Session(world.engine) as session:
        return exchange.read_signatures(session, world.vault, path.read_bytes(), path.name)


def codes(world: World, path: Path) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read(world, path)
    return [(p.where, p.code) for p in refused.value.problems]


def test_digests_out_signatures_in_role_by_role(
    world: World, owner: Owner, primary: School, tmp_path: Path
) -> None:
    rows = primary.rows[:2]

    stopped = world.run(rows)
    assert [(o.state, o.waiting_for) for o in stopped] == [(State.WAITING, "CBQL")] * 2
    assert world.run(rows) == stopped  # asking again changes nothing

    # 1 The principal's token: a digest each, and no word about a pupil.
    (file,) = export(world, tmp_path / "out")
    assert [line["field"] for line in file["digests"]] == ["CBQL"] * 2
    text = json.dumps(file)
    assert not any(row.record.common.ho_va_ten in text for row in rows)
    owner.answer([file], tmp_path / "cbql.json")
    assert [(o.state, o.waiting_for) for o in bring_in(world, tmp_path / "cbql.json")] == [
        (State.WAITING, "KY_PHAT_HANH")
    ] * 2

    # 2 The token with the seal.
    files = export(world, tmp_path / "out")
    owner.answer(files, tmp_path / "seal.json")
    done = bring_in(world, tmp_path / "seal.json")

    assert [o.state for o in done] == [State.ISSUED] * 2
    assert [i.stage for i in world.issuances()] == [Stage.REGISTERED] * 2
    assert all(i.stage_sealed is None for i in world.issuances())
    for number, outcome in enumerate(done):
        data = content(world, outcome)
        (tmp_path / "record.pdf").write_bytes(data)
        assert_sealed(tmp_path / "record.pdf", rows[number].record.signature_fields)
    assert verdict(world, content(world, done[0])) is Verdict.GENUINE_CURRENT
    assert export(world, tmp_path / "out") == []

    # 3 The same files again are an echo, not a mistake.
    for name in ("cbql.json", "seal.json"):
        again = read(world, tmp_path / name)
        assert (again.brought, again.before, again.ready) == ((), 2, ())

    # 4 Each signature is told once, over the digest that went out, and by whose key (SEC-30).
    with Session(world.engine) as session:
        uses = [use["details"] for use in entries(session, "key_use")]
    assert Counter((use["field"], use["key"]) for use in uses) == {
        ("GVCN", "local"): 2,
        ("CBQL", "external"): 2,
        ("KY_PHAT_HANH", "external"): 2,
    }
    went_out = {line["digest"] for each in (file, *files) for line in each["digests"]}
    assert {use["digest"] for use in uses if use["key"] == "external"} == went_out
    assert [o.state for o in world.run(rows)] == [State.ALREADY] * 2


def test_every_wrong_line_is_told_and_none_is_taken(
    world: World, owner: Owner, primary: School, tmp_path: Path
) -> None:
    world.run(primary.rows[:2])
    files = export(world, tmp_path)
    path = tmp_path / "in.json"
    one, two = owner.answer(files, path)
    seal_key = owner.keys.find(primary.seal.sha256)
    assert seal_key is not None
    by_another = base64.b64encode(seal_key.sign_digest(bytes.fromhex(one["digest"]))).decode()
    stranger = "00000000-0000-4000-8000-000000000000"
    lines: list[Any] = [
        one | {"signature": two["signature"]},  # slipped by a line
        one | {"signature": by_another},  # another person's token
        one | {"digest": "00" * 32},
        one | {"field": "KY_PHAT_HANH"},
        one | {"issuance": stranger},
        one | {"issuance": "x"},
        {"field": "CBQL"},
        "text",
        two,
        two | {"signature": "AAAA"},
    ]
    path.write_text(json.dumps({"signatures": lines}))

    found = codes(world, path)

    assert found == [
        (f"in.json, mục {number}", code)
        for number, code in (
            (1, "wrong_signature"),
            (2, "wrong_signature"),
            (3, "other_digest"),
            (4, "not_waiting"),
            (5, "not_waiting"),
            (6, "line"),
            (7, "line"),
            (8, "line"),
            (10, "wrong_signature"),
        )
    ]
    assert [i.next_field for i in world.issuances()] == ["CBQL"] * 2  # line 9 was right and still not taken
    path.write_text(json.dumps([one, two]))
    assert [o.waiting_for for o in bring_in(world, path)] == ["KY_PHAT_HANH"] * 2


@pytest.mark.parametrize("text", ["[", "5", '{"x": []}'])
def test_a_file_that_is_none(world: World, tmp_path: Path, text: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(text)
    assert codes(world, path) == [("in.json", "file")]


@pytest.mark.parametrize("point", ["prepared", "waiting"])
def test_a_kill_before_the_digest_is_out(world: World, primary: School, point: str, tmp_path: Path) -> None:
    killed_at(world, list(primary.rows[:1]), point)
    (outcome,) = world.run(primary.rows[:1])
    assert (outcome.state, outcome.waiting_for) == (State.WAITING, "CBQL")
    (file,) = export(world, tmp_path)
    assert len(file["digests"]) == 1
    assert len(world.issuances()) == 1


@pytest.mark.parametrize("point", ["completed", "taken", "prepared", "waiting", "sealed", "stored"])
def test_a_kill_after_the_signature_came_in(
    world: World, owner: Owner, primary: School, tmp_path: Path, point: str
) -> None:
    """A signature that a person made with a token is not asked for again once it was taken."""
    world.run(primary.rows[:1])
    owner.answer(export(world, tmp_path), tmp_path / "cbql.json")
    late = point in ("sealed", "stored")
    if late:
        bring_in(world, tmp_path / "cbql.json")
        owner.answer(export(world, tmp_path), tmp_path / "seal.json")
    name = "seal.json" if late else "cbql.json"

    def at(here: str) -> None:
        if here == point:
            raise Killed

    desk = replace(world.desk, at=at)
    (brought,) = read(world, tmp_path / name).brought

    def take_and_proceed() -> None:
        taken = exchange.take(
            brought,
            begin=desk.begin,
            vault=desk.vault,
            clock=desk.clock,
            actor=desk.actor,
            timestamper=None,
            at=at,
        )
        proceed(desk, taken, world.store())

    with pytest.raises(Killed):
        take_and_proceed()

    if late:
        (outcome,) = world.run(primary.rows[:1])
        assert outcome.state is State.ISSUED
    else:
        outcomes = bring_in(world, tmp_path / name)
        (again,) = world.run(primary.rows[:1])
        assert again.waiting_for == "KY_PHAT_HANH"
        assert all(o.waiting_for == "KY_PHAT_HANH" for o in outcomes)
        owner.answer(export(world, tmp_path), tmp_path / "seal.json")
        (outcome,) = bring_in(world, tmp_path / "seal.json")
        assert outcome.state is State.ISSUED
    assert len(world.registered()) == 1
