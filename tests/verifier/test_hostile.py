"""Files that attack whoever reads them, through the sandbox: each ends in a finding within the deadline
(SEC-02, SEC-10, SEC-11, SEC-12, SEC-13).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier import hostile
from tests.verifier.pki import NOW, World
from verifier.policy import DEFAULT, Resources
from verifier.report import Medium, ValidationReport
from verifier.sandbox import CheckJob, ForkServer
from verifier.verdict import Outcome, RegistryFacts, decide


@pytest.fixture(scope="module")
def trust_path(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "store.json"
    path.write_text(json.dumps(world.trust().to_json()))
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    running = ForkServer(confined=True)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[ForkServer]:
    """For files that take all the time there is: there is little."""
    resources = replace(Resources(), deadline=3.0, cpu_seconds=2)
    running = ForkServer(replace(DEFAULT, resources=resources), confined=True)
    running.start()
    yield running
    running.close()


def checked(server: ForkServer, job: CheckJob, seconds: float) -> ValidationReport:
    begin = time.monotonic()
    report = server.check(job)
    assert time.monotonic() - begin < seconds
    return report


@pytest.mark.parametrize("name", sorted(hostile.FILES.keys() - hostile.ENDLESS))
def test_a_hostile_file_is_a_finding(server: ForkServer, trust_path: Path, name: str) -> None:
    make, problems = hostile.FILES[name]
    report = checked(server, CheckJob(make(), trust_path, NOW), Resources().deadline + Resources().grace)
    assert report.incomplete is None
    assert report.problem in problems
    assert report.codes == ()
    assert decide(report, RegistryFacts()).outcome is Outcome.NOT_VERIFIED


@pytest.mark.parametrize("name", sorted(hostile.ENDLESS))
def test_an_endless_file_is_ended(hasty: ForkServer, trust_path: Path, name: str) -> None:
    make, _ = hostile.FILES[name]
    report = checked(hasty, CheckJob(make(), trust_path, NOW), 3.0 + Resources().grace)
    assert report.incomplete in ("deadline", "memory", "crashed")
    assert report.medium is Medium.OTHER
    assert decide(report, RegistryFacts()).outcome is Outcome.CHECK_INCOMPLETE
