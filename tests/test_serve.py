"""``make run`` serves and works side by side: both end together, and nobody is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.demo_instance import ROOT, run_flask
from tests.portal.messages.outside import free_port


def children(parent: int) -> dict[int, str]:
    """Every process below ``parent``: its id and command line."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: dict[int, str] = {}
    below = [parent]
    while below:
        above = below.pop()
        for child in (c for c, p in parents.items() if p == above):
            below.append(child)
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def alive(processes: dict[int, str]) -> dict[int, str]:
    """Those that still run (a zombie does not)."""
    running = {}
    for number, command in processes.items():
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            running[number] = command
    return running


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.1)


@contextmanager
def served(instance: Path) -> Iterator[tuple[subprocess.Popen[str], dict[int, str]]]:
    """What scripts/run.sh starts last, once it answers; and all processes below it."""
    port = free_port()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "scripts/serve.py", str(port)],
        cwd=ROOT,
        env=inherited | {"INSTANCE_DIR": str(instance), "WEB_THREADS": "16"},
        stderr=subprocess.PIPE,
        text=True,
    )
    below: dict[int, str] = {}
    try:

        def answers() -> bool:
            assert process.poll() is None
            try:
                return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/").status == 200)
            except OSError:
                return False

        eventually(answers)
        below = children(process.pid)
        yield process, below
    finally:
        process.kill()
        for number in alive(below):
            os.kill(number, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty portal, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    done = run_flask({"INSTANCE_DIR": str(folder)}, "database", "upgrade")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def instance(empty: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty, tmp_path / "instance")


def named(below: dict[int, str], word: str) -> int:
    return next(number for number, command in below.items() if word in command)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_ends_both(instance: Path, number: signal.Signals) -> None:
    with served(instance) as (process, below):
        assert named(below, "granian")
        assert named(below, "wsgi work")
        process.send_signal(number)
        assert process.wait(40) == 0
        assert alive(below) == {}


@pytest.mark.parametrize(("word", "name"), [("wsgi work", "worker"), ("granian", "web server")])
def test_when_one_dies_it_says_so_and_ends_the_other(instance: Path, word: str, name: str) -> None:
    with served(instance) as (process, below):
        os.kill(named(below, word), signal.SIGKILL)
        _, said = process.communicate(timeout=40)
        assert process.returncode == 1
        assert f"error: the {name} ended by itself" in said
        eventually(lambda: alive(below) == {}, 20)


def test_killed_outright_it_leaves_no_orphan(instance: Path) -> None:
    with served(instance) as (process, below):
        process.kill()
        process.wait()
        eventually(lambda: alive(below) == {}, 30)
