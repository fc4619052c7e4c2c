"""SEC-02: coverage-guided fuzzing of the whole check, for whoever has an hour (docs/verification.md).

atheris is no dependency of the project: it builds on few machines. The seeds are a signed record and its
unsigned base; every finding is a file that ``python -m tests.fuzz.fuzz_check FILE`` asks again.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from tests.verifier import pki
from tests.verifier.pki import NOW
from verifier.check import examine
from verifier.policy import DEFAULT
from verifier.report import ValidationReport
from verifier.verdict import GENUINE, RegistryFacts, decide

WORLD = pki.world("Thử ngẫu nhiên")
TRUST = WORLD.trust()


def ask(data: bytes) -> None:
    """Nothing is raised, nothing unregistered is genuine, and the report is one that may cross a process."""
    report = examine(data, trust=TRUST, policy=DEFAULT, at=NOW)
    assert ValidationReport.from_json(report.to_json()) == report
    assert decide(report, RegistryFacts(named_record_known=True)).outcome not in GENUINE


def seeds(folder: Path) -> None:
    """Where the fuzzer starts from."""
    folder.mkdir(parents=True, exist_ok=True)
    signed = pki.signed_record(WORLD)
    (folder / "signed.pdf").write_bytes(signed)
    (folder / "unsigned.pdf").write_bytes(pki.base_pdf(list(pki.SIGNERS), pki.record_attachment()))


def main(arguments: list[str]) -> None:
    """``CORPUS [options of libFuzzer]``; the folder is made and filled when it is not there."""
    corpus = Path(arguments[1])
    if corpus.is_file():
        ask(corpus.read_bytes())
        return
    if not corpus.exists():
        seeds(corpus)
    atheris: Any = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(arguments, ask)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
