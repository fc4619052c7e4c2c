"""What takes two persons, at the command line (SEC-24)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable

import pytest
from click.testing import Result

REFERENCE = ("--reference", "7/2026/QĐ-SGDĐT")
FIRST, SECOND = "an.nguyen", "binh.tran"


def as_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on commands run as another user of the operating system."""
    entry = pwd.struct_passwd((name, "x", os.getuid(), 0, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)


def proposed(run: Callable[..., Result], kind: str, *names: object, reason: str) -> str:
    """The key of a proposal."""
    said = run("decisions", "propose", kind, *names, "--reason", reason, *REFERENCE)
    assert said.exit_code == 0, said.output
    return said.stdout.partition(":")[0]


def decided(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, kind: str, *names: object, reason: str
) -> str:
    """The key of a decision that one proposed and another confirmed; the second goes on."""
    as_user(monkeypatch, FIRST)
    key = proposed(run, kind, *names, reason=reason)
    as_user(monkeypatch, SECOND)
    assert run("decisions", "confirm", key).exit_code == 0
    return key
