"""One demo instance for the whole test run, created as a newcomer does: by the command, in its own process.

``demo_instance`` is shared: tests read it and check documents against it. Whoever must change something takes
``copy_to``. With several test processes the first one creates it and the others wait.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from portal.config import Settings
from portal.demo import manifest
from portal.demo.manifest import Sample
from portal.factory import create_app

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class DemoInstance:
    """A created demo. ``environment`` is what a process needs to serve it, on any port."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"INSTANCE_DIR": str(self.directory), "DEMO": "1", "PUBLIC_URL": PUBLIC_URL}

    @property
    def demo(self) -> Path:
        return self.directory / "demo"

    def samples(self) -> list[Sample]:
        return manifest.read(self.demo)

    def app(self) -> Flask:
        """The real app over this instance."""
        return create_app(Settings.from_environment(self.environment))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """``flask --app wsgi ARGUMENTS`` in its own process, with these settings and none of the caller's."""
        return run_flask(self.environment | environment, *arguments)

    def copy_to(self, directory: Path) -> DemoInstance:
        shutil.copytree(self.directory, directory)
        return DemoInstance(directory)


def run_flask(
    environment: Mapping[str, str], *arguments: str, app: str = "wsgi"
) -> subprocess.CompletedProcess[str]:
    """One command of the portal; ``environment`` holds all of its settings."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "flask", "--app", app, *arguments],
        cwd=ROOT,
        env=inherited | dict(environment),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def demo_instance(tmp_path_factory: pytest.TempPathFactory) -> DemoInstance:
    """The shared demo instance of this test run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder below the run's own
        base = base.parent
    instance = DemoInstance(base / "demo-instance")
    with (base / "demo-instance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (instance.demo / manifest.NAME).exists():
            done = instance.run("demo", "create")
            assert done.returncode == 0, done.stdout + done.stderr
    return instance
