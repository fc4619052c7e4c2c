"""Recalling many records and taking many files out takes two persons (SEC-24), at the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy.orm import Session

from portal.decisions.service import ALONE, PERIOD, TERM
from portal.demo.authority import Authority
from portal.extensions import KEY
from portal.registry.many import FRESH
from tests.conftest import FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.issuing.test_commands import Office, make_office
from tests.portal.issuing.world import School, key_list
from tests.portal.two_persons import FIRST, REFERENCE, SECOND, as_user, decided, proposed

#: More than one person takes alone.
MANY = ALONE + 1


@pytest.fixture
def office(
    tmp_path: Path, authority: Authority, primary: School, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Office, list[str]]]:
    """A desk that issued MANY records, and their ids."""
    as_user(monkeypatch, FIRST)
    made = make_office(tmp_path, authority, primary, key_list(tmp_path / "keys.json", primary.credentials))
    said = made.run("issue", made.file(*made.rows[:MANY]), "--out", tmp_path / "issued")
    assert said.exit_code == 0, said.output
    yield made, sorted(path.name.split("-")[-2] for path in (tmp_path / "issued").iterdir())
    made.app.extensions[KEY].engine.dispose()


def pass_time(office: Office, delta: timedelta) -> None:
    clock = office.app.extensions[KEY].clock
    assert isinstance(clock, FrozenClock)
    clock.time += delta


def refused(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return result.stderr


def recall(office: Office, record_id: str) -> Result:
    return office.run("recall", record_id, "--reason", "data_error")


def test_one_person_recalls_a_few_a_day_sec_24(
    office: tuple[Office, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-24: one after the other is many as well; a day later, or another person, is another count."""
    desk, ids = office
    for each in ids[:ALONE]:
        assert recall(desk, each).exit_code == 0
    assert "phải có hai người" in refused(recall(desk, ids[ALONE]))
    assert desk.versions() == [(1, "current"), *[(1, "recalled")] * ALONE]
    as_user(monkeypatch, FIRST.upper())  # a name that the system knows as another one is its own count
    assert recall(desk, ids[0]).exit_code == 0  # again: nothing new, nothing counted
    as_user(monkeypatch, FIRST)
    pass_time(desk, PERIOD + timedelta(seconds=1))
    assert recall(desk, ids[ALONE]).exit_code == 0


def test_two_persons_recall_many_sec_24(
    office: tuple[Office, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-24: one identity fails, in any spelling; two succeed, with exactly what was listed, once."""
    desk, ids = office
    key = proposed(desk.run, "recall_records", *ids[:-1], reason="data_error")
    run = ("recall", "--decision", key)
    assert "chưa được người thứ hai" in refused(desk.run(*run))
    for same in (FIRST, "An_Nguyen"):
        as_user(monkeypatch, same)
        assert "người thứ hai" in refused(desk.run("decisions", "confirm", key))
    as_user(monkeypatch, SECOND)
    assert desk.run("decisions", "show", key).stdout.count("bản số 1") == len(ids) - 1
    assert desk.run("decisions", "confirm", key).exit_code == 0
    assert desk.run(*run, "--reason", "other").exit_code == 2  # nothing is said anew
    assert desk.run(*run).exit_code == 0
    assert desk.versions() == [(1, "current"), *[(1, "recalled")] * (len(ids) - 1)]
    assert "đã được thực hiện" in refused(desk.run(*run))
    with Session(desk.app.extensions[KEY].engine) as session:
        told = [e for e in entries(session) if e["action"] == "recall" and e["outcome"] == "done"]
    assert {(e["basis"], e["details"]["decision"]) for e in told} == {("two_persons", key)}


def test_a_decision_to_recall_lapses_sec_24(
    office: tuple[Office, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-24."""
    desk, ids = office
    key = proposed(desk.run, "recall_records", *ids, reason="data_error")
    pass_time(desk, TERM)
    as_user(monkeypatch, SECOND)
    assert "hết hạn" in refused(desk.run("decisions", "confirm", key))
    key = decided(desk.run, monkeypatch, "recall_records", *ids, reason="data_error")
    pass_time(desk, TERM)
    assert "hết hạn" in refused(desk.run("recall", "--decision", key))
    assert desk.versions() == [(1, "current")] * MANY


def test_two_persons_take_many_files_out_sec_24(
    office: tuple[Office, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-24: bulk export. What an own class file led to is not one."""
    desk, ids = office
    out = desk.folder / "out"
    refused(desk.run("export", *ids, "--out", out))
    assert len(list(out.iterdir())) == ALONE
    refused(desk.run("export", ids[-1], "--out", out))
    assert len(list(out.iterdir())) == ALONE
    key = proposed(desk.run, "export_records", *ids, reason="school_files")
    whole = desk.folder / "whole"
    run = ("export", "--decision", key, "--out", whole)
    refused(desk.run(*run))
    refused(desk.run("decisions", "confirm", key))
    as_user(monkeypatch, SECOND)
    assert desk.run("decisions", "confirm", key).exit_code == 0
    done = desk.run(*run)
    assert done.exit_code == 0, done.stderr
    assert len(list(whole.iterdir())) == MANY
    assert "đã được thực hiện" in refused(desk.run(*run))
    assert "không có quyết định" in refused(desk.run("recall", "--decision", key)).lower()


def test_a_class_file_of_long_ago_takes_out_a_few_sec_24(office: tuple[Office, list[str]]) -> None:
    """SEC-24: run again, the files of a class file come out uncounted as long as they are fresh; after that
    they count with what else one person takes.
    """
    desk, ids = office
    run = ("issue", desk.file(*desk.rows[:MANY]), "--out")
    pass_time(desk, FRESH - timedelta(hours=1))
    done = desk.run(*run, desk.folder / "fresh")
    assert done.exit_code == 0, done.stderr
    assert len(list((desk.folder / "fresh").iterdir())) == MANY
    assert desk.run("export", ids[0], "--out", desk.folder / "one").exit_code == 0  # nothing was counted
    pass_time(desk, timedelta(hours=1))
    assert "phải có hai người" in refused(desk.run(*run, desk.folder / "old"))
    assert len(list((desk.folder / "old").iterdir())) == ALONE - 1
    with Session(desk.app.extensions[KEY].engine) as session:
        told = [e["basis"] for e in entries(session) if e["purpose"] == "issuer_copy"]
    assert [told.count(basis) for basis in (None, "one_person")] == [2 * MANY, ALONE]


def test_what_is_wrong_with_a_list_is_said_at_once(office: tuple[Office, list[str]]) -> None:
    desk, ids = office
    recall(desk, ids[0])
    said = refused(
        desk.run(
            *("decisions", "propose", "recall_records", "XXXX", "0000000000000000", *ids[:2]),
            *("--reason", "data_error", *REFERENCE),
        )
    )
    assert ("XXXX" in said, "không có bản đang lưu hành" in said) == (True, True)
    for wrong in (
        ("export",),
        ("recall",),
        ("recall", ids[1]),
        ("trust", "suspend"),
        (
            "decisions",
            "propose",
            "recall_records",
            ids[1],
            "--account",
            "00000000-0000-4000-8000-000000000001",
        ),
        ("decisions", "propose", "link_signers", "ab" * 32),
        ("decisions", "propose", "destroy_record_key", *ids[:2]),
    ):
        more = ("--reason", "data_error", *REFERENCE) if wrong[0] == "decisions" else ()
        assert desk.run(*wrong, *more).exit_code == 2, wrong
