"""Files that strict parsing refuses but people really have: a second look, for the report alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier import hybrids, pki
from tests.verifier.pki import NOW, World
from tests.verifier.reports import agree, conforms
from verifier import words
from verifier.pades import Structure, revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import ChangeKind, CheckName, CheckStatus, Medium
from verifier.sandbox import CheckJob, ForkServer
from verifier.verdict import (
    GENUINE,
    Outcome,
    RegistryFacts,
    Standing,
    VersionFacts,
    VersionState,
    decide,
)

VERSION = VersionFacts(pki.RECORD_ID, 1, VersionState.CURRENT, Standing.PASSED)
HYBRIDS = {"as Word writes": hybrids.like_word, "objects hidden": hybrids.with_hidden_objects}
Make = Callable[..., bytes]
hybrid = pytest.mark.parametrize("make", HYBRIDS.values(), ids=HYBRIDS)


def moved(pdf: bytes, by: int) -> bytes:
    """The last startxref points a little beside its table."""
    last = list(re.finditer(rb"startxref\n(\d+)", pdf))[-1]
    return pdf[: last.start(1)] + str(int(last[1]) + by).encode() + pdf[last.end(1) :]


@hybrid
def test_an_unsigned_hybrid_file(world: World, make: Make) -> None:
    report, _ = validate(make(), world.trust(), DEFAULT, NOW)
    assert (report.lenient, report.problem, report.signatures) == (True, None, ())
    assert report.unsigned_fields == ("Signature1",)
    assert {c.kind for r in report.revisions for c in r.changes} <= {ChangeKind.OBJECTS_ADDED}
    verdict = decide(report, RegistryFacts())
    assert (verdict.outcome, verdict.reasons) == (Outcome.NOT_VERIFIED, ("read_leniently", "no_signature"))


@hybrid
def test_a_signed_hybrid_file_gets_an_honest_report(world: World, make: Make) -> None:
    """Everything that needs no structure is said; what is covered cannot be told, and is not said to be."""
    stranger = pki.world("Công ty lạ")
    pdf = pki.sign(make(), "Signature1", stranger.people["seal"], strict=False)
    report, structure = validate(pdf, world.trust(), DEFAULT, NOW)
    assert report.lenient
    assert structure.lenient
    (signature,) = report.signatures
    states = {c.name: c.status for c in signature.checks}
    assert states[CheckName.INTEGRITY] is states[CheckName.BYTE_RANGE] is CheckStatus.PASSED
    assert states[CheckName.COVERAGE] is CheckStatus.NOT_AVAILABLE
    assert not signature.passed
    assert signature.signer is not None
    assert signature.signer.subject == "CN=Công ty lạ Trường"
    assert decide(report, RegistryFacts()).reasons[:2] == ("read_leniently", "untrusted_signer")
    conforms(report)
    assert agree(report)


@hybrid
def test_our_own_signers_in_a_hybrid_file(world: World, make: Make) -> None:
    """Every person approved, every signature whole: no alarm and no pass rests on such a reading."""
    fields = ("GVCN", "CBQL", "KY_PHAT_HANH")
    pdf = make(fields)
    for field in fields:
        pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]], strict=False, first=field == "GVCN")
    report, structure = validate(pdf, world.trust(), DEFAULT, NOW)
    assert {s.status(CheckName.INTEGRITY) for s in report.signatures} == {CheckStatus.PASSED}
    assert decide(report, RegistryFacts()).outcome is Outcome.NOT_VERIFIED
    # Registered all the same: neither the full way nor the fast one calls it genuine.
    own, _ = validate(pdf, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
    kept = Structure.from_json(json.loads(json.dumps(structure.to_json())))
    fast = revalidate(pdf, kept, world.trust(), DEFAULT, NOW, registered_at=NOW)
    assert fast.lenient
    for each in (own, fast):
        verdict = decide(each, RegistryFacts(file=VERSION))
        assert verdict.outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        assert verdict.reasons[0] == "read_leniently"


@pytest.mark.parametrize(
    "damage",
    [
        lambda pdf: moved(pdf, -3),
        lambda pdf: moved(pdf, 1),
        lambda pdf: pdf.replace(b"endobj", b"endobk"),
    ],
    ids=["startxref before", "startxref behind", "endobj misspelt"],
)
def test_a_damaged_file_is_read_once_more(
    world: World, primary: bytes, damage: Callable[[bytes], bytes]
) -> None:
    report, _ = validate(damage(primary), world.trust(), DEFAULT, NOW)
    assert report.lenient
    assert [s.field for s in report.signatures] == ["GVCN", "CBQL", "KY_PHAT_HANH"]
    assert not any(s.passed for s in report.signatures)
    assert not any(p.archival for p in report.prefixes)
    assert decide(report, RegistryFacts()).outcome is Outcome.NOT_VERIFIED
    assert decide(report, RegistryFacts(file=VERSION)).outcome is Outcome.REGISTERED_BUT_SIGNATURE_FAILS


def test_damage_that_shows_no_signature_may_hide_one(world: World) -> None:
    """Such a file stays unread: that nothing is seen in it says nothing."""
    report, _ = validate(moved(pki.base_pdf(("Signature1",), None), 1), world.trust(), DEFAULT, NOW)
    assert (report.problem, report.lenient) == ("broken_pdf", False)


def test_what_strict_reading_takes_is_not_looked_at_twice(world: World, primary: bytes) -> None:
    report, structure = validate(primary, world.trust(), DEFAULT, NOW)
    assert not report.lenient
    assert not structure.lenient


def test_in_the_sandbox_too(world: World, tmp_path: Path) -> None:
    """The same limits, the same confinement."""
    store = tmp_path / "trust.json"
    store.write_text(json.dumps(world.trust().to_json()))
    stranger = pki.world("Công ty lạ")
    pdf = pki.sign(hybrids.like_word(), "Signature1", stranger.people["seal"], strict=False)
    server = ForkServer()
    try:
        report = server.check(CheckJob(pdf, store, NOW))
    finally:
        server.close()
    assert (report.medium, report.lenient, report.incomplete) == (Medium.PDF, True, None)
    assert len(report.signatures) == 1
    verdict = decide(report, RegistryFacts())
    assert verdict.outcome not in GENUINE
    for language in words.LANGUAGES:
        said = words.say(verdict, language)
        assert "PDF" in said.headline
        found = words.findings(verdict, report, language)
        assert words.lenient_sentence(language) in {finding.sentence for finding in found}
