"""SEC-02: coverage-guided fuzzing of the whole check, for whoever has an hour (docs/verification.md).

    python -m tests.fuzz.fuzz_check CORPUS [options of libFuzzer]   the folder is made and filled when missing
    python -m tests.fuzz.fuzz_check FILE                            asks one finding again, without atheris

atheris comes with the dependency group ``fuzz``. Our own modules alone are instrumented: atheris takes
packages as a whole, and with pyHanko's it would not begin within minutes.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    if len(arguments) < 2 or arguments[1].startswith("-"):
        sys.exit(__doc__)
    corpus = Path(arguments[1])
    if corpus.is_file():
        importlib.import_module("tests.fuzz.target").ask(corpus.read_bytes())
        return
    try:
        atheris: Any = importlib.import_module("atheris")
    except ModuleNotFoundError:
        sys.exit("atheris is not installed: .venv/bin/uv run --frozen --inexact --group fuzz python -m …")
    with atheris.instrument_imports(include=["verifier"]):
        target: Any = importlib.import_module("tests.fuzz.target")
    if not corpus.exists():
        corpus.mkdir(parents=True)
        for name, content in target.seeds().items():
            (corpus / name).write_bytes(content)
    atheris.Setup(arguments, target.ask)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
