"""``flask audit export | checkpoint | check`` with the offline checker beside them (SEC-31)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import Engine, text

from portal.config import Settings
from portal.factory import create_app
from tests.conftest import FrozenClock
from tests.portal.audit.test_service import unlocked
from tests.portal.commands.conftest import Run
from verifier.cli import main

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return pem(tmp_path / "audit.pem", KEY)


def pem(path: Path, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> Path:
    sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    return path


@pytest.fixture
def signing(settings: Settings, database_url: str, clock: FrozenClock, key_file: Path) -> Run:
    """The same portal with AUDIT_KEY."""
    return runner(replace(settings, database_url=database_url, audit_key=key_file), clock)


def runner(settings: Settings, clock: FrozenClock) -> Run:
    app = create_app(settings, clock=clock)

    def invoke(*arguments: object, code: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def told(run: Run) -> Run:
    """Three entries."""
    for code in ("91", "92", "93"):
        run("trust", "add-department", code, "--name", f"Sở {code}", "--province", "An Giang")
    return run


Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """``python -m verifier audit …``: its exit code and what it says."""

    def invoke(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        try:
            code = main(["audit", *map(str, arguments)])
        except SystemExit as ended:
            code = int(ended.code or 0)
        output = capsys.readouterr()
        return code, output.out + output.err

    return invoke


def test_a_copy_is_checked_against_a_checkpoint(
    told: Run, signing: Run, check: Check, tmp_path: Path
) -> None:
    """SEC-31: from the table to the offline answer, signed."""
    note, copy = tmp_path / "cp.txt", tmp_path / "trail.jsonl"
    assert "3 mục, nối tiếp đúng" in told("audit", "check").output
    key = signing("audit", "checkpoint", "--out", note).stdout.splitlines()[-1].partition(": ")[2]
    assert key.startswith("127.0.0.1:8000/audit+")
    assert (
        "từ mục 1 đến mục 4" in told("audit", "export", "--out", copy).output
    )  # the checkpoint is the fourth
    for path in (note, copy):
        assert path.stat().st_mode & 0o777 == 0o600

    code, said = check(copy, "--checkpoint", note, "--key", key)
    assert code == 0
    assert "nguyên vẹn từ mục 1 đến mục 3" in said
    assert "4–4" in said
    code, said = check(copy, "--checkpoint", note, "--key", key, "--json")
    answer = json.loads(said)
    assert (code, answer["covered"], answer["last"], answer["fault"]) == (0, 3, 4, None)
    assert answer["signatures"] == "checked"

    # Missing evidence never passes.
    assert check(copy)[0] == 2
    assert "không loại trừ được" in check(copy)[1]
    code, said = check(copy, "--checkpoint", note)
    assert (code, "--key" in said) == (2, True)

    # A line cut off, at the end and before the checkpoint.
    lines = copy.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[:2]))
    code, said = check(copy, "--checkpoint", note, "--key", key)
    assert (code, "Mục 3" in said, "[truncated]" in said) == (1, True, True)
    copy.write_bytes(lines[0] + lines[1].replace(b'"epoch":2', b'"epoch":7') + lines[2])
    code, said = check(copy, "--checkpoint", note, "--json")
    assert (code, json.loads(said)["fault"]["number"], json.loads(said)["fault"]["code"]) == (1, 2, "digest")


def test_a_part_of_the_trail_goes_out_alone(told: Run, check: Check, tmp_path: Path) -> None:
    note, part = tmp_path / "cp.txt", tmp_path / "part.jsonl"
    unsigned = told("audit", "checkpoint", "--out", note)
    assert "AUDIT_KEY" in unsigned.stderr
    told("audit", "export", "--out", part, "--from", "2")
    code, said = check(part, "--checkpoint", note, "--from", "2")
    assert (code, "không có chữ ký" in said) == (0, True)
    assert check(part, "--checkpoint", note)[0] == 1
    assert check(part, "--from", "0")[0] == 64
    refused = told("audit", "export", "--out", tmp_path / "x", "--from", "5", code=1)
    assert "4 mục" in refused.stderr


def test_the_checker_runs_by_itself(told: Run, tmp_path: Path) -> None:
    """In a process that has nothing of the portal's settings."""
    note, copy = tmp_path / "cp.txt", tmp_path / "trail.jsonl"
    told("audit", "checkpoint", "--out", note)
    told("audit", "export", "--out", copy)
    command = [sys.executable, "-m", "verifier", "audit", str(copy), "--checkpoint", str(note)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_wrong_usage_is_said(told: Run, check: Check, tmp_path: Path) -> None:
    copy = tmp_path / "trail.jsonl"
    told("audit", "export", "--out", copy)
    for arguments in (
        (tmp_path / "nowhere",),
        (copy, "--checkpoint", tmp_path / "nowhere"),
        (copy, "--checkpoint", copy),
        (copy, "--key", "x"),
        (),
    ):
        code, said = check(*arguments)
        assert (code, said.startswith("error: ")) == (64, True)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    code, said = check(empty)
    assert (code, "không có mục nào" in said) == (2, True)


def test_nothing_is_written_over(told: Run, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    for command in (("export",), ("checkpoint",)):
        assert "không ghi đè" in told("audit", *command, "--out", there, code=1).stderr
        assert "Không ghi được" in told("audit", *command, "--out", tmp_path / "no" / "x", code=1).stderr
    assert there.read_text() == "mine"
    assert "3 mục" in told("audit", "check").output  # a checkpoint that was not handed out is not told


def test_an_empty_trail(run: Run, tmp_path: Path) -> None:
    assert "0 mục" in run("audit", "check").output
    assert "chưa có mục nào" in run("audit", "checkpoint", "--out", tmp_path / "x", code=1).stderr
    assert "0 mục" in run("audit", "export", "--out", tmp_path / "x", code=1).stderr


def test_a_key_that_cannot_sign_checkpoints(
    settings: Settings, database_url: str, clock: FrozenClock, told: Run, tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("x")
    for path in (
        tmp_path / "nowhere.pem",
        tmp_path / "text.pem",
        pem(tmp_path / "ec.pem", ec.generate_private_key(ec.SECP256R1())),
        pem(tmp_path / "locked.pem", KEY, b"secret"),
    ):
        run = runner(replace(settings, database_url=database_url, audit_key=path), clock)
        refused = run("audit", "checkpoint", "--out", tmp_path / "x", code=1)
        assert refused.stderr.startswith("error: ")
        assert "AUDIT_KEY" in refused.stderr
    assert not (tmp_path / "x").exists()


def test_a_falsified_table_is_said_and_not_exported(told: Run, engine: Engine, tmp_path: Path) -> None:
    """SEC-31."""
    unlocked(engine, "UPDATE audit_entries SET actor = 'command:x' WHERE number = 2")
    refused = told("audit", "check", code=1)
    assert refused.stderr.startswith("error: Mục 2: ")
    unlocked_again(engine)
    refused = told("audit", "export", "--out", tmp_path / "x", code=1)
    assert "audit check" in refused.stderr
    assert not (tmp_path / "x").exists()


def unlocked_again(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE audit_entries SET details = 'x' WHERE number = 2"))


def test_a_refusal_where_nothing_can_be_told(
    settings: Settings, clock: FrozenClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database without tables: the refusal is said all the same, the log has the rest."""
    run = runner(replace(settings, database_url=f"sqlite:///{tmp_path / 'none.sqlite3'}"), clock)
    assert "TSA_URL" in run("renew", code=1).stderr
    assert "could not be told" in caplog.text
