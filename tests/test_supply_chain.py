"""What is installed is what was locked, by hash (SEC-42)."""

from __future__ import annotations

import hashlib
import json
import os
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
        env=os.environ | {"UV_HTTP_RETRIES": "0"},  # asked once, it says the same ten seconds sooner
    )  # fmt: skip
    assert done.returncode != 0
    assert "no known vulnerabilities" not in (done.stdout + done.stderr).lower()


def test_vendored_files_are_those_that_their_readme_names() -> None:
    """SEC-42: version, licences, and the sha256 of each file. A change of one byte fails here."""
    folders = [each for each in (ROOT / "portal/static/vendor").iterdir() if each.is_dir()]
    assert [each.name for each in folders] == ["zxing-wasm"]
    for folder in folders:
        readme = (folder / "README.md").read_text("utf-8")
        held = dict(re.findall(r"^\| ([\w.-]+) \| .* \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
        licences = {each.name for each in folder.glob("LICENSE-*.txt")}
        assert {each.name for each in folder.iterdir()} == {"README.md", *held, *licences}
        assert all(each in readme for each in licences)
        for name, digest in held.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_the_vendored_reader_asks_for_its_own_wasm() -> None:
    """SEC-42: the two files belong together; the script names the hash of the wasm that it was built with."""
    folder = ROOT / "portal/static/vendor/zxing-wasm"
    built_with = hashlib.sha256((folder / "zxing-reader.wasm").read_bytes()).hexdigest()
    assert f"ZXING_WASM_SHA256=`{built_with}`" in (folder / "zxing-reader.js").read_text("utf-8")
