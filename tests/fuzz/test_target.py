"""The fuzzing target says what it should over its own seeds, and the program runs as far as it can without
atheris, so that neither rots between two fuzzing runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import target
from tests.verifier.mutations import mutate_bytes

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(target.seeds()))
def test_every_seed_passes_the_target(name: str) -> None:
    target.ask(target.seeds()[name])


def test_so_do_files_like_those_a_fuzzer_makes() -> None:
    for number in range(12):
        target.ask(mutate_bytes(target.SIGNED, Random(f"fuzz {number}")))  # noqa: S311 - repeatable


def test_the_target_finds_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that calls another file genuine is a finding."""
    genuine = target.SIGNED
    monkeypatch.setattr(target, "SIGNED", b"some other file")
    with pytest.raises(AssertionError):
        target.ask(genuine)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.fuzz.fuzz_check", *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def test_a_finding_can_be_asked_again(tmp_path: Path) -> None:
    finding = tmp_path / "crash-1"
    finding.write_bytes(b"%PDF-1.7\n%%EOF")
    assert run(str(finding)).returncode == 0
    assert "CORPUS" in run().stderr
