"""What a child cannot do, that the self-test would notice if it could, and the kernel's numbers (SEC-13)."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from verifier import confinement
from verifier.confinement import LANDLOCK, MACHINES, SECCOMP


def test_this_machine_confines() -> None:
    """SEC-07, SEC-13: no file, socket, process, thread, signal, trace or code, in a real child."""
    assert confinement.missing() == ()
    assert confinement.weaknesses() == ()


def test_the_command_says_it_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verifier.confinement"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_hole_in_the_filter_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where another layer still holds: here the limit on descriptors."""
    here = MACHINES[platform.machine()]
    holed = replace(here, calls={**here.calls, "socket": {"x86_64": 41, "aarch64": 198}[platform.machine()]})
    monkeypatch.setitem(MACHINES, platform.machine(), holed)
    assert confinement._tried_in_a_child(threads=False) == ["open a network socket", "open a local socket"]


def test_without_landlock_the_self_test_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_forbid_files", lambda: True)
    assert confinement._tried_under_landlock() == ["open a file under Landlock"]


def test_each_thing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has become possible is named, whatever it is."""
    for what in confinement.FORBIDDEN:
        with monkeypatch.context() as patch:
            patch.setitem(confinement.FORBIDDEN, what, lambda: None)
            assert confinement._tried_in_a_child(threads=False) == [what]


@pytest.mark.parametrize("layer", [LANDLOCK, SECCOMP])
def test_a_child_that_must_be_confined_does_not_live_without_a_layer(
    monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    if layer == LANDLOCK:
        monkeypatch.setattr(confinement, "_landlock_version", lambda: 0)
    else:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert confinement.missing() == (layer,)
    assert confinement._tried_in_a_child(threads=False) == ["go unconfined, or die of it"]


def test_a_self_test_that_cannot_run_counts_as_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    for interpreter in ("/nonexistent", "/bin/false"):
        monkeypatch.setattr(sys, "executable", interpreter)
        assert len(confinement.weaknesses()) == 1


def library_numbers() -> Iterator[tuple[str, str, int, int]]:
    """(machine, call, our number, the number that libseccomp knows)."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    for name, machine in MACHINES.items():
        ours = {**machine.calls, **machine.mapping, **machine.threading}
        ours |= {"clone": machine.clone, "seccomp": machine.seccomp, "clone3": confinement._CLONE3}
        ours["landlock_create_ruleset"] = confinement._LANDLOCK_CREATE_RULESET
        ours["landlock_restrict_self"] = confinement._LANDLOCK_RESTRICT_SELF
        for call, number in ours.items():
            theirs = library.seccomp_syscall_resolve_name_arch(machine.architecture, call.encode())
            yield name, call, number, theirs


def test_the_numbers_are_those_of_libseccomp() -> None:
    """An independent table, for the machines that this test does not run on as well."""
    rows = list(library_numbers())
    assert len(rows) > 40
    assert [row for row in rows if row[2] != row[3]] == []
    assert MACHINES["x86_64"].calls.keys() == MACHINES["aarch64"].calls.keys()
