"""SEC-02: 2,500 byte mutations and 2,500 object mutations of really issued files of 3 and 15 signatures.

Each is judged as if it were registered, and those that are read as whole files also as a file near a
registered one; never is one genuine, and nothing is raised. Whatever signature is called intact covers bytes
that its signer has signed: that is compared here, by hashing, not taken from the verifier.

MUTATION_SEED chooses other mutations (the seed of a run is printed); MUTATION_EVERY=1 takes every one through
all of PDF validation, the diff analysis of pyHanko too. By default half of them are read as registered files
are before they are stored, and one in eighteen as a stranger's file; the others leave every place where it
was and go through the fast way with the structure kept. The run costs less than 150 s of CPU. Pages are not
drawn: no verdict about a PDF's signatures needs them.
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
from asn1crypto import cms as asn1_cms

from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.world import NOW, School
from tests.verifier.mutations import gaps, mutate_bytes, mutate_objects
from verifier import pades
from verifier.check import Known
from verifier.pades import Structure
from verifier.policy import DEFAULT
from verifier.report import CheckName, CheckStatus, ValidationReport
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
        data = world.content(record, version, file)
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


def covered(data: bytes, byte_range: tuple[int, int, int, int]) -> str:
    zero, a, b, c = byte_range
    return sha256(data[zero : zero + a] + data[b : b + c]).hexdigest()


def hold_to_what_was_signed(issued: Issued, data: bytes, report: ValidationReport) -> None:
    """No signature is called intact over other bytes than its signer's."""
    signed = {
        s.field: covered(issued.data, s.byte_range) for s in issued.structure.signatures if s.byte_range
    }
    for each in report.signatures:
        if each.status(CheckName.INTEGRITY) is CheckStatus.PASSED:
            assert each.byte_range is not None
            assert covered(data, each.byte_range) in signed.values()


def same_statements(issued: Issued, data: bytes) -> bool:
    """Whether nothing but values of signatures changed, and these still hold what they held: the signed
    attributes, the signature, the signer's certificate. What stands beside them nothing can sign; there the
    registry's hash is the only judge.
    """
    if len(data) != len(issued.data):
        return False
    changed = [place for place, (x, y) in enumerate(zip(issued.data, data, strict=True)) if x != y]
    if not all(any(a < place < b for a, b in gaps(issued.data)) for place in changed):
        return False
    return statements(issued.data) == statements(data)


def statements(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    found = []
    for a, b in gaps(data):
        signed = asn1_cms.ContentInfo.load(bytes.fromhex(data[a + 1 : b - 1].decode()))["content"]
        (info,) = signed["signer_infos"]
        found.append(
            (info["signed_attrs"].dump(), info["signature"].native, signed["certificates"][0].dump())
        )
    return found


@dataclass(frozen=True)
class Share:
    """How many mutations; one in ``read`` is read as a file of ours, one in ``strange`` as a stranger's."""

    count: int
    read: int
    strange: int


@SQLITE
@pytest.mark.parametrize(
    ("level", "mutate", "share"),
    [
        ("primary", mutate_bytes, Share(1800, read=1, strange=12)),
        ("primary", mutate_objects, Share(2100, read=5, strange=30)),
        ("secondary", mutate_bytes, Share(700, read=4, strange=28)),
        ("secondary", mutate_objects, Share(400, read=10, strange=80)),
    ],
    ids=["3 signatures, bytes", "3 signatures, objects", "15 signatures, bytes", "15 signatures, objects"],
)
def test_no_mutation_is_genuine_and_none_raises(
    *, make_issued: MakeIssued, level: str, mutate: Callable[..., bytes], share: Share
) -> None:
    issued = make_issued(level)
    outcomes: Counter[str] = Counter()
    print(f"MUTATION_SEED={SEED}")
    for number in range(share.count):
        read, strange = number % (EVERY or share.read) == 0, number % (EVERY or share.strange) == 0
        dice = Random(f"{SEED} {level} {number}")  # noqa: S311 - repeatable
        data = mutate(issued.data, dice, in_place=not read)
        if data == issued.data:
            outcomes["unchanged"] += 1
            continue
        where = f"seed {SEED}, {level}, {mutate.__name__}, number {number}"
        judged: list[tuple[str, ValidationReport]] = []

        # 1 As if registered, the structure kept: for what leaves every place where it was.
        if len(data) == len(issued.data):
            kept = replace(issued.structure, sha256=sha256(data).hexdigest())
            fast = pades.revalidate(data, kept, issued.trust, DEFAULT, NOW, registered_at=NOW)
            judged.append(("kept", fast))

        # 2 The whole file read, as before it is registered.
        if read:
            own, _ = pades.validate(data, issued.trust, DEFAULT, NOW, registered_at=NOW, own=True)
            judged.append(("read", own))

        # 3 A stranger's file near a registered one.
        if strange:
            report, _ = pades.validate(data, issued.trust, DEFAULT, NOW)
            judged.append(("strange", report))
            near = as_unknown(issued, report)
            outcomes[f"near {near}"] += 1
            if data.startswith(issued.data):
                assert near is Outcome.CONTENT_DIFFERS, where
            elif near is Outcome.SEAL_VALID_NOT_REGISTERED:
                assert same_statements(issued, data), where
            else:
                assert near in (Outcome.CONTENT_DIFFERS, Outcome.NOT_VERIFIED), where

        for way, report in judged:
            assert report.incomplete is None, where
            hold_to_what_was_signed(issued, data, report)
            outcome = as_registered(issued, report)
            outcomes[f"{way} {outcome}"] += 1
            if outcome in GENUINE:
                assert same_statements(issued, data), where
            else:
                assert outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS, where
    print(dict(sorted(outcomes.items())))
    assert outcomes["unchanged"] < share.count / 10


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
