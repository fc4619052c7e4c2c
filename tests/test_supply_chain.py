"""What is installed is what was locked, by hash (SEC-42)."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
PYTHON = ROOT / ".venv" / "bin" / "python"
HASH = re.compile("sha256:[0-9a-f]{64}")


def test_every_file_in_the_lock_has_its_hash() -> None:
    """SEC-42: and all come from PyPI, over https, or are this project itself."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    assert len(lock["package"]) > 50
    for package in lock["package"]:
        if package["source"] == {"editable": "."}:
            assert package["name"] == "hoc-ba-so-portal"
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files
        for file in files:
            assert HASH.fullmatch(file["hash"])
            assert file["url"].startswith("https://files.pythonhosted.org/")


def test_no_other_index_is_named() -> None:
    """SEC-42: another index is where a stranger's package of the same name comes from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["tool"]["uv"]) == {"package"}
    assert not (ROOT / "uv.toml").exists()
    for file in ("Makefile", "scripts/bootstrap.py", "scripts/run.sh", "scripts/test-tools.sh"):
        assert not re.search(r"index-url|find-links|--index\b", (ROOT / file).read_text("utf-8"))


def test_setting_up_installs_by_hash_alone() -> None:
    """SEC-42: pip gets the installer by hash and never builds; the installer keeps to the lock."""
    text = (ROOT / "scripts/bootstrap.py").read_text("utf-8")
    assert text.count('"install"') == 2
    for option in ("--require-hashes", "--no-deps", "--only-binary=:all:"):
        assert f'"{option}"' in text
    assert "hashlib.sha256(data).hexdigest() != PIP_SHA256" in text.replace("'", '"')
    assert '"sync", "--frozen"' in text
    wanted = (ROOT / "scripts/uv.txt").read_text("utf-8")
    assert len(re.findall(r"^uv==[\d.]+ \\$", wanted, re.MULTILINE)) == 1
    assert len(HASH.findall(wanted)) >= 10


def test_a_wheel_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    """SEC-42: the installer holds to the lock: one digit changed, and nothing is installed."""
    wanted = (ROOT / "scripts/uv.txt").read_text("utf-8")
    spoiled = HASH.sub("sha256:" + "0" * 64, wanted)
    (tmp_path / "uv.txt").write_text(spoiled, "utf-8")
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--target", str(tmp_path / "to")]
    done = subprocess.run(  # noqa: S603
        [str(PYTHON), "-m", "pip", "install", *options, "-r", str(tmp_path / "uv.txt")],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH" in done.stderr
    assert not (tmp_path / "to").exists()


def test_a_bill_of_materials_is_made_from_the_lock() -> None:
    """SEC-42: `make sbom`."""
    done = subprocess.run(  # noqa: S603
        [str(UV), "export", "--quiet", "--frozen", "--no-dev", "--format", "cyclonedx1.5"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    named = {part["name"] for part in bill["components"]}
    assert {"flask", "pyhanko", "cryptography", "pikepdf", "granian"} <= named
    assert "pytest" not in named


def test_an_audit_that_reaches_nobody_is_no_clean_one() -> None:
    """SEC-42: `make audit` fails when the advisories cannot be read."""
    assert ".venv/bin/uv audit --frozen\n" in (ROOT / "Makefile").read_text("utf-8")
    done = subprocess.run(  # noqa: S603
        [str(UV), "audit", "--frozen", "--service-url", "http://127.0.0.1:1/"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no known vulnerabilities" not in (done.stdout + done.stderr).lower()
