"""A story told with the real commands, and the trail of it: each act once, nothing else (SEC-30); nothing of
a pupil in it (SEC-28).
"""

from __future__ import annotations

import json
import os
import pwd
from collections import Counter
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.errors import Refusal
from portal.extensions import KEY, Resources
from portal.issuing import service
from portal.issuing.intents import Job, elsewhere
from portal.registry.models import Record
from tests.portal.audit.reading import entries
from tests.portal.issuing.conftest import authority, primary
from tests.portal.issuing.test_commands import Office, office
from tests.portal.issuing.world import School
from tests.portal.web.test_canaries import texts
from verifier import record as records

__all__ = ["authority", "office", "primary"]

ME = f"command:{pwd.getpwuid(os.getuid()).pw_name}"


def bundle(office: Office) -> Resources:
    resources: Resources = office.app.extensions[KEY]
    return resources


def told(office: Office, action: str = "") -> list[dict[str, Any]]:
    """What the commands of this test were told of, by the trail."""
    with Session(bundle(office).engine) as session:
        return [entry for entry in entries(session, action) if entry["actor"] == ME]


def summary(office: Office) -> list[tuple[str, str, str]]:
    """Action, outcome, and the version, change or reason that tells it from others."""
    return [
        (e["action"], e["outcome"], str(e["details"].get("reason") or e["details"].get("change") or ""))
        for e in told(office)
    ]


def test_every_act_of_a_story_is_told_once_sec_30(office: Office, primary: School, tmp_path: Path) -> None:
    """SEC-30: a class issued, one record corrected, one recalled, trust changed, refusals between."""
    one, two, three = office.rows[:3]
    file = office.file(one, two, three)
    better = office.file(one | {"can_nang": "31.5"}, name="sua.jsonl")
    wrong = office.file(two | {"ngay_sinh": "31/02/2017"}, name="sai.jsonl")
    out = tmp_path / "pdf"

    def run(*arguments: str | Path, code: int = 0) -> str:
        result = office.run(*arguments)
        assert result.exit_code == code, result.output
        return result.output

    run("issue", file, "--dry-run")
    run("issue", file)
    run("issue", file)  # nothing new: nothing to tell
    run("issue", wrong, "--dry-run", code=1)
    run("issue", wrong, code=1)
    run("issue", better, code=1)  # other content goes by another door
    run("correct", better, "--reason", "Nhập nhầm cân nặng")
    with Session(bundle(office).engine) as session:
        ids = {r.pupil_index: r.record_id for r in session.scalars(select(Record))}
        keys = {r.record_id: r.id for r in session.scalars(select(Record))}
    recalled = sorted(ids.values())[0]
    run("recall", recalled, "--reason", "data_error")
    run("recall", recalled, "--reason", "data_error")  # said again, done once
    run("recall", recalled, "--reason", "issued_in_error", code=1)
    run("recall", "0000000000000000", "--reason", "data_error", code=1)  # no id at all: nothing was asked
    run("export", recalled, "--version", "1", "--out", out)
    run("trust", "add-department", "S01", "--name", "Sở Một", "--province", "An Giang")
    run("trust", "add-department", "S01", "--name", "Sở Một", "--province", "An Giang", code=1)
    run("trust", "approve", "nobody", code=1)
    run("trust", "suspend", primary.seal.sha256)
    run("issue", office.file(office.rows[3], name="bon.jsonl"), code=1)
    run("trust", "list")
    run("registry", "revalidate")

    fields = primary_fields(office)
    signing = [("key_use", "done", "")] * len(fields)
    assert summary(office) == [
        *(([*signing, ("issue", "done", "")]) * 3),
        ("issue", "refused", "not_a_date"),
        ("issue", "refused", "other_content"),
        *signing,
        ("correct", "done", ""),
        ("recall", "done", "data_error"),
        ("recall", "refused", "recalled_otherwise"),
        ("disclosure", "done", ""),
        ("trust_change", "done", "add_department"),
        ("trust_change", "refused", "exists"),
        ("trust_change", "refused", "unknown_signer"),
        ("trust_change", "done", "suspend"),
        ("issue", "refused", summary(office)[-1][2]),
    ]
    # Each on what it was done: records by their keys, signatures by their issuance.
    issues = told(office, "issue")[:3]
    assert {e["object"] for e in issues} == {f"record:{key}" for key in keys.values()}
    assert {e["pupil"] for e in issues} == set(ids)
    assert {e["organisation"] for e in issues} == {primary.plan.code}
    uses = told(office, "key_use")
    by_issue = Counter(e["object"] for e in uses)
    assert set(by_issue) == {
        f"issuance:{e['details']['issuance']}" for e in [*issues, *told(office, "correct")]
    }
    assert set(by_issue.values()) == {len(fields)}
    assert {e["details"]["field"] for e in uses} == fields
    assert {e["details"]["certificate"] for e in uses} <= {c.sha256 for c in primary.credentials}
    assert [e["object"] for e in told(office, "recall")] == [f"record:{keys[recalled]}"] * 2
    assert told(office, "recall")[1]["details"]["command"] == "recall"
    (shown,), (pdf,) = told(office, "disclosure"), out.glob("*.pdf")
    assert (shown["details"]["file"], shown["purpose"]) == (
        sha256(pdf.read_bytes()).hexdigest(),
        "issuer_copy",
    )


def primary_fields(office: Office) -> set[str]:
    return set(records.parse(office.rows[0]).signature_fields)


@pytest.mark.parametrize(
    ("raised", "ended"),
    [
        (Refusal("own_check_fails", "Thử."), [("issue", "refused", "own_check_fails")]),
        (RuntimeError("a fault of ours"), []),
        (KeyboardInterrupt(), []),
    ],
)
def test_a_signature_that_is_given_up_is_told_too(
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    ended: list[tuple[str, str, str]],
) -> None:
    """SEC-30: keys were used; then our own check said no, or broke, or somebody pressed Ctrl-C."""

    def stop(*_: object) -> None:
        raise raised

    with monkeypatch.context() as broken, suppress(RuntimeError):
        broken.setattr(service, "_validate", stop)
        office.run("issue", office.file(office.rows[0]))
    fields = primary_fields(office)
    assert summary(office) == [("key_use", "failed", "")] * len(fields) + ended
    assert office.run("issue", office.file(office.rows[0])).exit_code == 0
    assert Counter(e["outcome"] for e in told(office, "key_use")) == {
        "failed": len(fields),
        "done": len(fields),
    }


def test_signatures_that_another_run_overtook_are_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-30: the row was no longer ours when the signed file was to be kept."""

    def overtaken(session: Session, job: Job, now: datetime, **values: object) -> None:
        raise elsewhere(job.intent)

    monkeypatch.setattr(service, "change", overtaken)
    assert office.run("issue", office.file(office.rows[0])).exit_code == 1
    assert summary(office) == [("key_use", "failed", "")] * len(primary_fields(office)) + [
        ("issue", "refused", "issuing_elsewhere")
    ]


def test_nothing_of_a_pupil_is_in_the_trail_sec_28(office: Office, tmp_path: Path) -> None:
    """SEC-28: neither rows nor export hold a text of the records, a record id, or a word of a reason."""
    one, two = office.rows[:2]
    assert office.run("issue", office.file(one, two), "--out", tmp_path / "pdf").exit_code == 0
    better = office.file(one | {"can_nang": "31.5"}, name="sua.jsonl")
    assert office.run("correct", better, "--reason", "Canary-lýdo").exit_code == 0
    copy = tmp_path / "trail.jsonl"
    assert office.run("audit", "export", "--out", copy).exit_code == 0
    text = copy.read_text()
    assert text.isascii()
    with Session(bundle(office).engine) as session:
        ids = session.scalars(select(Record.record_id)).all()
        rows = session.connection().exec_driver_sql("SELECT * FROM audit_entries").all()
    stored = json.dumps([[str(value) for value in row] for row in rows], ensure_ascii=False)
    free = {part for row in (one, two) for part in texts(row) if len(part) > 6 and part != row["ma_truong"]}
    assert any("/" in part for part in free)  # dates of birth are among what is looked for
    for sink in (text, stored):
        assert {part for part in free if part in sink} == set()
        assert [each for each in ids if each in sink] == []
        assert "Canary" not in sink
