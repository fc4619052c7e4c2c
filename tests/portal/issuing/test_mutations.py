"""SEC-02: 2,500 byte mutations and 2,500 object mutations of really issued files of 3 and 15 signatures.

Each one is taken for a file near a registered one, and for registered itself; never is it genuine, and
nothing is raised. MUTATION_SEED chooses other mutations (the seed of a run is printed); MUTATION_EVERY=1
takes every one through the whole of PDF validation. By default some hundreds are; the others leave every
place where it was and go through the fast way with the structure kept. The run costs less than two CPU
minutes. Pages are not drawn: no verdict about a PDF's signatures needs them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from portal.registry.rows import open_file
from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.world import NOW, School
from tests.verifier.mutations import gaps, mutate_bytes, mutate_objects
from verifier import pades
from verifier.check import Known
from verifier.pades import Structure
from verifier.policy import DEFAULT
from verifier.report import ValidationReport
from verifier.sandbox import CheckJob, ForkServer
from verifier.trust import TrustStore
from verifier.verdict import GENUINE, Outcome, RegistryFacts, Standing, VersionFacts, VersionState, decide

SEED = int(os.environ.get("MUTATION_SEED", "20260610"))
EVERY = int(os.environ.get("MUTATION_EVERY", "0"))
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Issued:
    """One registered file and what it is judged by."""

    data: bytes
    trust: TrustStore
    structure: Structure
    version: VersionFacts


MakeIssued = Callable[[str], Issued]


@pytest.fixture
def make_issued(make_world: MakeWorld, request: pytest.FixtureRequest) -> MakeIssued:
    """Issued by the whole pipeline: rendered, linted, signed role by role, registered."""

    def make(level: str) -> Issued:
        school: School = request.getfixturevalue(level)
        world = make_world(school)
        world.run(school.rows[:1])
        ((record, version, file),) = world.registered()
        data = open_file(
            world.vault,
            world.files,
            record.wrapped_key,
            sha256=file.sha256,
            stored_name=file.stored_name,
            version=version.version,
        )
        trust = world.store()
        report, structure = pades.validate(data, trust, DEFAULT, NOW, registered_at=NOW, own=True)
        facts = VersionFacts(record.record_id, version.version, VersionState.CURRENT, Standing.PASSED)
        assert decide(report, RegistryFacts(file=facts)).green
        return Issued(data, trust, structure, facts)

    return make


def as_unknown(issued: Issued, report: ValidationReport) -> Outcome:
    """The verdict on bytes near a registered file."""
    known = sha256(issued.data).hexdigest()
    facts = RegistryFacts(
        prefix=issued.version if known in {p.sha256 for p in report.prefixes} else None,
        prefix_archival=any(p.archival for p in report.prefixes if p.sha256 == known),
        named_record_known=report.attached_record_id == issued.version.record_id,
    )
    return decide(report, facts).outcome


def as_registered(issued: Issued, report: ValidationReport) -> Outcome:
    return decide(report, RegistryFacts(file=issued.version)).outcome


def only_inside_values(issued: Issued, data: bytes) -> bool:
    """Whether nothing but values of signatures changed, which nothing can sign: for them the registry's hash
    stands, and nothing else could.
    """
    if len(data) != len(issued.data):
        return False
    changed = [place for place, (x, y) in enumerate(zip(issued.data, data, strict=True)) if x != y]
    return all(any(a < place < b for a, b in gaps(issued.data)) for place in changed)


@SQLITE
@pytest.mark.parametrize(
    ("level", "mutate", "count", "every"),
    [
        ("primary", mutate_bytes, 1600, 8),
        ("primary", mutate_objects, 1900, 19),
        ("secondary", mutate_bytes, 900, 30),
        ("secondary", mutate_objects, 600, 60),
    ],
    ids=["3 signatures, bytes", "3 signatures, objects", "15 signatures, bytes", "15 signatures, objects"],
)
def test_no_mutation_is_genuine_and_none_raises(
    *,
    make_issued: MakeIssued,
    level: str,
    mutate: Callable[..., bytes],
    count: int,
    every: int,
) -> None:
    issued = make_issued(level)
    outcomes: Counter[str] = Counter()
    print(f"MUTATION_SEED={SEED}")
    for number in range(count):
        whole = number % (EVERY or every) == 0
        dice = Random(f"{SEED} {level} {number}")  # noqa: S311 - repeatable
        data = mutate(issued.data, dice, in_place=not whole)
        if data == issued.data:
            continue
        where = f"seed {SEED}, {level}, {mutate.__name__}, number {number}"

        # 1 As if registered, the structure kept: for what leaves every place where it was.
        if len(data) == len(issued.data):
            kept = replace(issued.structure, sha256=sha256(data).hexdigest())
            fast = pades.revalidate(data, kept, issued.trust, DEFAULT, NOW, registered_at=NOW)
            outcome = as_registered(issued, fast)
            outcomes[f"kept {outcome}"] += 1
            assert outcome not in GENUINE or only_inside_values(issued, data), where

        # 2 The whole validation: near a registered file, and as if registered.
        if whole:
            report, _ = pades.validate(data, issued.trust, DEFAULT, NOW)
            outcome = as_unknown(issued, report)
            outcomes[f"near {outcome}"] += 1
            assert outcome not in GENUINE, where
            assert as_registered(issued, report) not in GENUINE or only_inside_values(issued, data), where
            own, _ = pades.validate(data, issued.trust, DEFAULT, NOW, registered_at=NOW, own=True)
            assert as_registered(issued, own) not in GENUINE or only_inside_values(issued, data), where
    print(dict(outcomes))
    assert sum(outcomes.values()) > count * 0.9


@SQLITE
def test_nor_in_the_sandbox(make_issued: MakeIssued, tmp_path: Path) -> None:
    """A sample through the fork server, as uploads go: the whole of the check, pages drawn."""
    issued = make_issued("primary")
    store = tmp_path / "trust.json"
    store.write_text(json.dumps(issued.trust.to_json()))
    server = ForkServer()
    print(f"MUTATION_SEED={SEED}")
    try:
        assert decide(
            server.check(CheckJob(issued.data, store, NOW, Known(NOW))), RegistryFacts(file=issued.version)
        ).green
        for number in range(16):
            mutate = (mutate_bytes, mutate_objects)[number % 2]
            data = mutate(issued.data, Random(f"{SEED} sandbox {number}"))  # noqa: S311 - repeatable
            if data == issued.data:
                continue
            report = server.check(CheckJob(data, store, NOW))
            assert report.incomplete is None
            assert as_unknown(issued, report) not in GENUINE
    finally:
        server.close()
