"""The composition root: what the web process holds, which commands are at hand."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from flask import request

from portal.config import Settings
from portal.errors import InvalidSettings
from portal.factory import COMMANDS, create_app
from tests.demo_instance import run_flask
from tests.portal.web.world import Stock, World, build

ROOT = Path(__file__).resolve().parents[3]


def test_outside_demo_mode_there_are_no_samples(world: World) -> None:
    (world.app.extensions["portal"].settings.instance_dir / "demo").mkdir()
    (world.app.extensions["portal"].settings.instance_dir / "demo" / "manifest.json").write_text("[]")
    assert "hoc-ba-mau" not in world.client.get("/").text
    assert world.client.get("/hoc-ba-mau").status_code == 404
    assert world.client.get("/demo/manifest.json").status_code == 404
    assert world.client.get("/check/sample/manifest.json").status_code == 404


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_where_the_factory_says(name: str) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    assert isinstance(getattr(import_module(module), attribute), click.Command)


def test_commands_can_be_listed_and_called(world: World) -> None:
    runner = world.app.test_cli_runner()
    listed = runner.invoke(args=["--help"])
    assert listed.exit_code == 0
    for name in COMMANDS:
        assert name in listed.output
        assert runner.invoke(args=[name, "--help"]).exit_code == 0
    assert runner.invoke(args=["khong-co"]).exit_code == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_web_process_does_not_load_what_signs(tmp_path: Path, database_url: str) -> None:
    """SEC-38: no key code, no PKCS#11, no demo authority in the process that serves; of issuing only tables,
    their sealed columns, how rows are erased, lock dates, the form of files, drawings of codes and whom a
    version is told to, which pages and the question at the start need. What was loaded is no garbage; of what
    comes the collector takes care again.
    """
    script = (
        "import gc, sys, wsgi\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000\n"
        "wsgi.app.test_client().get('/V/ABC')\n"
        "bad = [m for m in sys.modules if m.startswith(('portal.issuing', 'portal.demo', 'pkcs11', "
        "'pyhanko.sign.pkcs11', 'typst'))]\n"
        "print(sorted(bad))\n"
    )
    environment = {"INSTANCE_DIR": str(tmp_path), "PATH": os.environ["PATH"], "DEMO": "1"}
    environment["DATABASE_URL"] = database_url
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    light = [
        "deadlines",
        "erasing",
        "form",
        "intake_tables",
        "intake_text",
        "models",
        "qr",
        "sealed",
        "telling",
        "wire",
    ]
    assert done.stdout.strip() == str(["portal.issuing", *(f"portal.issuing.{name}" for name in light)])


def test_wrong_settings_are_listed_without_a_traceback(tmp_path: Path) -> None:
    environment = {
        "INSTANCE_DIR": str(tmp_path),
        "PATH": os.environ["PATH"],
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "http://hocba.example.vn",
        "TRUSTED_PROXIES": "viele",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert {line.split(":")[1].strip() for line in lines} >= {"PUBLIC_URL", "TRUSTED_PROXIES", "INDEX_KEY"}


PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://hocba.example.vn",
    "OWNER_NAME": "Sở thử",
    "SMS_URL": "https://sms.example.vn/send",
    "SMS_TOKEN": "t0ken",
    "KEY_ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    "INDEX_KEY": base64.b64encode(bytes(range(1, 33))).decode(),
}


def test_production_starts_with_no_debugger(tmp_path: Path) -> None:
    """SEC-43: neither by the environment nor by Flask's own switch, and said like every other mistake."""
    environment = {**PRODUCTION, "INSTANCE_DIR": str(tmp_path), "TRUSTED_PROXIES": "viele"}
    for given, switch in (({"FLASK_DEBUG": "1"}, ()), ({}, ("--debug",))):
        done = run_flask(environment | given, *switch, "routes")
        assert done.returncode == 1
        assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
            "FLASK_DEBUG",
            "TRUSTED_PROXIES",
        ]


def test_production_starts_only_where_it_can_confine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-13: the self-test really runs; what it finds stops the start, and in development is said."""
    production = Settings.from_environment({**PRODUCTION, "INSTANCE_DIR": str(tmp_path)})
    create_app(production)

    monkeypatch.setattr("verifier.confinement._landlock_version", lambda: 0)
    monkeypatch.setattr("verifier.confinement.weaknesses", lambda: ("landlock is missing", "open a file"))
    with pytest.raises(InvalidSettings) as refused:
        create_app(production)
    assert [p.code for p in refused.value.problems] == ["not_confined"] * 2
    assert str(refused.value).endswith("open a file")

    assert not caplog.records
    create_app(Settings.from_environment({"INSTANCE_DIR": str(tmp_path)}))
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "without landlock" in caplog.text


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_the_clients_address_comes_from_as_many_proxies_as_the_settings_name(
    world: World, hops: int, tmp_path: Path
) -> None:
    made = build(
        tmp_path / "other", Stock(world.app.extensions["portal"].settings.instance_dir, world.issued),
        TRUSTED_PROXIES=str(hops),
    )  # fmt: skip
    seen: list[str | None] = []

    @made.app.before_request
    def note() -> None:
        seen.append(request.remote_addr)

    made.client.get("/", headers={"X-Forwarded-For": "6.6.6.6, 7.7.7.7, 8.8.8.8"})
    assert seen == [["127.0.0.1", "8.8.8.8", "7.7.7.7"][hops]]
