"""Documents that say what the code does are held to it."""

from __future__ import annotations

import re
from pathlib import Path

from portal.permissions import PERMITTED, Role

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_is_documented_and_no_other() -> None:
    read = set(re.findall(r'\(\s*"([A-Z][A-Z_]+)"', (ROOT / "portal/config.py").read_text("utf-8")))
    told = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/settings.md").read_text("utf-8"), re.MULTILINE))
    assert read | {"PORT"} == told


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = set(re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text("utf-8")))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_test_that_a_document_names_exists() -> None:
    """A row of the table "attack, check, test" without its test would be a mere claim."""
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    files = {path.name for path in (ROOT / "tests").rglob("*.py")}
    told = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("verification.md", "privacy.md"))
    named = set(re.findall(r"\btest_\w+(?:\.py)?", told))
    assert len(named) > 15
    assert {n for n in named if n not in files and f"def {n}(" not in written} == set()


def test_who_may_do_what_is_told_as_it_is() -> None:
    """SEC-17: docs/privacy.md shows the one table of roles and acts, whole."""
    text = (ROOT / "docs/privacy.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", text, re.MULTILINE)
    told = {role: sorted(re.findall(r"`(\w+)`", acts)) for role, acts in rows if role in set(Role)}
    assert told == {role.value: sorted(act.value for act in acts) for role, acts in PERMITTED.items()}
