"""Makes .venv and installs what uv.lock says. Needs only Python's standard library; safe to run twice.

Usage: python3 scripts/bootstrap.py [--dev]

A bare Debian has python3 but neither pip nor ensurepip (they are in python3-venv), so the environment is made
without pip, and pip comes from ensurepip where it exists, else as one wheel whose SHA-256 is pinned here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
PIP_WHEEL = (
    "https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/"
    "pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def fail(what: str, hint: str) -> None:
    """One clear line each for what is wrong and what to do."""
    sys.exit(f"error: {what}\nhint: {hint}")


def run(*command: str | Path, quiet: bool = False, settings: dict[str, str] | None = None) -> bool:
    """True when the command succeeded. Our own environment only: an activated one must not leak in."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(  # noqa: S603 - our own commands
        [str(c) for c in command],
        env=environment | (settings or {}),
        cwd=ROOT,
        check=False,
        capture_output=quiet,
    )
    return done.returncode == 0


def ensure_uv() -> None:
    """Steps 1 to 3: environment, pip, uv."""
    # 1 The environment, without pip.
    if not PYTHON.exists() and not run(sys.executable, "-m", "venv", "--without-pip", VENV):
        fail("the virtual environment could not be made", "check that this folder can be written to")
    if UV.exists():
        return
    # 2 pip, from this Python or from its pinned wheel.
    if not run(PYTHON, "-m", "pip", "--version", quiet=True) and not run(
        PYTHON, "-m", "ensurepip", quiet=True
    ):
        wheel = VENV / PIP_WHEEL.rsplit("/", 1)[1]
        try:
            with urllib.request.urlopen(PIP_WHEEL, timeout=120) as answer:
                data = answer.read()
        except OSError as error:
            fail(
                f"pip could not be fetched from PyPI ({error})",
                "apt-get install python3-venv ca-certificates, or give this machine a way to PyPI",
            )
        if hashlib.sha256(data).hexdigest() != PIP_SHA256:
            fail("the pip wheel that arrived is not the pinned one", "try again; check the proxy in between")
        wheel.write_bytes(data)
        if not run(PYTHON, wheel / "pip", "install", "--quiet", "--no-index", wheel):
            fail("pip could not be installed", "apt-get install python3-venv")
    # 3 uv, by the hashes that stand beside this file.
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
    )
    if not run(PYTHON, "-m", "pip", "install", *options, "-r", ROOT / "scripts" / "uv.txt"):
        fail(
            "uv could not be installed from PyPI",
            "give this machine a way to PyPI, then run the command again",
        )


def main() -> None:
    dev = "--dev" in sys.argv[1:]
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        fail(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}", "apt-get install python3.11"
        )
    # What was installed last, so that the second run is quick; --dev holds everything a plain run needs.
    wanted = hashlib.sha256(
        (ROOT / "uv.lock").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    ).hexdigest()
    stamp = VENV / ".installed"
    done = stamp.read_text().split() if stamp.exists() else []
    if done and done[0] == wanted and (done[1] == "dev" or not dev):
        return
    ensure_uv()
    options = ["--inexact", "--no-dev"] if not dev else ["--inexact"]
    # --inexact: uv itself lives in this environment and must survive the sync. System certificates: behind an
    # office proxy only the machine's own store knows the proxy's authority, and pip above used it as well.
    settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_PYTHON": str(PYTHON), "UV_SYSTEM_CERTS": "true"}
    if not run(UV, "sync", "--frozen", "--quiet", *options, settings=settings):
        fail(
            "the packages of uv.lock could not be installed",
            "give this machine a way to PyPI, then run it again",
        )
    stamp.write_text(f"{wanted} {'dev' if dev else 'run'}\n")


if __name__ == "__main__":
    main()
