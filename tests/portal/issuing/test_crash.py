"""REL-01 and REL-02: a kill anywhere loses nothing and issues nothing twice; nor do runs at the same time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from portal.demo.authority import Authority

ROOT = Path(__file__).parents[3]


def lab(
    authority: Authority, folder: Path, mode: str, count: int, *, processes: int = 1
) -> list[dict[str, Any]]:
    """``count`` runs of the crash lab; each line tells what was wrong with the history it left."""
    share = count // processes
    for number in range(processes):  # each lab adds a seal of its own to its authority
        shutil.copytree(authority.directory, folder / f"authority-{number}")
    labs = [
        subprocess.Popen(  # noqa: S603 - our own words
            [
                *(sys.executable, "-m", "tests.portal.issuing.crash_lab"),
                *(str(folder / f"authority-{number}"), str(folder / f"lab-{number}")),
                *(mode, str(1 + number * share), str(share)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    runs: list[dict[str, Any]] = []
    for done in labs:
        output, errors = done.communicate()
        assert done.returncode == 0, errors
        found = [json.loads(line) for line in output.splitlines()]
        assert [run for run in found if run["problems"]] == [], errors
        runs += found
    assert len(runs) == count
    return runs


def test_a_kill_at_any_point(authority: Authority, tmp_path: Path) -> None:
    runs = lab(authority, tmp_path, "points", 54, processes=2)
    killed = Counter(point for run in runs for point in run["killed"] if point)
    # The seeds reach every arrow, more than once the ones around the registry.
    assert set(killed) == {
        "reserving",
        "reserved",
        "rendered",
        "signed one",
        "signed",
        "validated",
        "sealed",
        "stored",
        "registering",
        "registering, not committed",
        "registered",
    }
    assert {run["scenario"] for run in runs} == {"one", "two", "correction"}


def test_a_kill_at_any_moment(authority: Authority, tmp_path: Path) -> None:
    lab(authority, tmp_path, "moments", 8)


def test_runs_of_one_file_at_the_same_time(authority: Authority, tmp_path: Path) -> None:
    lab(authority, tmp_path, "together", 6)
