"""``flask issue | correct | recall | signatures`` as a clerk meets them: words, exit status, everything at
once.
"""

from __future__ import annotations

import base64
import csv
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from obstore.exceptions import BaseError as StoreError
from openpyxl.utils import get_column_letter
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.demo import classes
from portal.demo.authority import Authority
from portal.extensions import KEY, Resources
from portal.factory import create_app
from portal.issuing.keys import KeyRing
from portal.issuing.lock import exclusive
from portal.issuing.plan import Seat, unfit
from portal.migrations import upgrade
from portal.ports import Checker
from portal.registry.models import RecordVersion
from portal.trust import service as trust
from portal.trust import store as trust_store
from portal.trust.models import Signer
from portal.trust.service import SignerInput
from tests.conftest import ACTOR, OTHER, FrozenClock
from tests.portal.issuing.world import ISSUED_ON, NOW, School, class_plan, enter_trust, key_list
from verifier.policy import DEFAULT
from verifier.report import Medium, Role, ValidationReport
from verifier.sandbox import CheckJob
from verifier.trust import Approval
from verifier.words import RECALL_REASONS


class NoChecker:
    """Issuing validates by itself; nothing is uploaded here."""

    def check(self, job: CheckJob) -> ValidationReport:
        return ValidationReport(job.at, Medium.OTHER, incomplete="crashed")


@dataclass(frozen=True)
class Office:
    """A school's clerk at the command line."""

    app: Flask
    folder: Path
    rows: tuple[dict[str, object], ...]

    def run(self, *arguments: str | Path) -> Result:
        result = self.app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def file(self, *rows: dict[str, object], name: str = "lop.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return path

    def versions(self) -> list[tuple[int, str]]:
        bundle: Resources = self.app.extensions[KEY]
        with Session(bundle.engine) as session:
            rows = session.execute(select(RecordVersion.version, RecordVersion.state))
            return sorted((version, state) for version, state in rows)


@pytest.fixture
def office(tmp_path: Path, authority: Authority, primary: School) -> Office:
    return make_office(tmp_path, authority, primary, key_list(tmp_path / "keys.json", primary.credentials))


def make_office(tmp_path: Path, authority: Authority, school: School, keys: Path) -> Office:
    settings = Settings.from_environment(
        {"INSTANCE_DIR": str(tmp_path / "instance"), "SIGNING_KEYS": str(keys)}
    )
    checker: Checker = NoChecker()
    app = create_app(settings, checker=checker, clock=FrozenClock(NOW))
    engine = app.extensions[KEY].engine
    upgrade(engine)
    with Session(engine) as session, session.begin():
        enter_trust(session, authority, [school], NOW)
    rows = tuple(dict(row) for row in classes.rows(class_plan("TIEU_HOC"), ISSUED_ON))
    return Office(app, tmp_path, rows)


def test_a_class_file_from_the_first_look_to_the_recall(office: Office) -> None:
    one, two = office.rows[:2]
    file = office.file(one, two)

    # 1 A look.
    looked = office.run("issue", file, "--dry-run")
    assert (looked.exit_code, office.versions()) == (0, [])
    assert "2 học bạ đúng" in looked.stdout

    # 2 Issued; again: nothing new.
    issued = office.run("issue", file)
    assert issued.exit_code == 0, issued.stderr
    assert "Đã cấp 2, đã cấp từ trước 0, chờ chữ ký 0, lỗi 0." in issued.stdout
    again = office.run("issue", file)
    assert "Đã cấp 0, đã cấp từ trước 2" in again.stdout
    assert office.versions() == [(1, "current")] * 2

    # 3 Other content goes by another door.
    better = office.file(one | {"can_nang": "31.5"}, name="sua.jsonl")
    refused = office.run("issue", better)
    assert refused.exit_code == 1
    assert "correct" in refused.stderr
    corrected = office.run("correct", better, "--reason", "Nhập nhầm cân nặng")
    assert corrected.exit_code == 0, corrected.stderr
    assert "bản số 2" in corrected.stdout
    assert office.versions() == [(1, "current"), (1, "superseded"), (2, "current")]

    # 4 Recalled, by the id as it is printed.
    line = next(line for line in corrected.stdout.splitlines() if "bản số 2" in line)
    printed = line.split(": ")[1].split(" ")[0]
    unknown = office.run("recall", printed, "--reason", "because")
    assert unknown.exit_code == 2
    recalled = office.run("recall", printed, "--reason", "issued_in_error")
    assert recalled.exit_code == 0, recalled.stderr
    assert "Đã thu hồi bản số 2" in recalled.stdout
    assert (2, "recalled") in office.versions()


def test_all_mistakes_of_all_rows_on_stderr(office: Office) -> None:
    one, two, three = office.rows[:3]
    file = office.file(one | {"ngay_sinh": "31/02/2017"}, two, three | {"gioi_tinh": "X", "lop": ""})

    result = office.run("issue", file)

    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [any(name in line for line in told) for name in ("ngay_sinh", "gioi_tinh", "lop")] == [True] * 3
    assert office.versions() == []


def test_what_only_the_portal_knows_is_told_for_all_rows_too(office: Office) -> None:
    one, two = office.rows[:2]
    file = office.file(one | {"truong": "Trường Khác"}, two | {"nguoi_ky": "Người Lạ"})
    result = office.run("issue", file)
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 2
    assert "truong" in told[0]
    assert "nguoi_ky" in told[1]
    assert office.versions() == []


def test_settings_and_keys_that_are_wrong(tmp_path: Path, authority: Authority, primary: School) -> None:
    office = make_office(tmp_path, authority, primary, tmp_path / "nowhere.json")
    result = office.run("issue", office.file(office.rows[0]))
    assert result.exit_code == 1
    assert "SIGNING_KEYS" in result.stderr

    bundle: Resources = office.app.extensions[KEY]
    with exclusive(bundle.engine, bundle.settings.instance_dir):
        busy = office.run("issue", office.file(office.rows[0]))
    assert busy.exit_code == 1
    assert "hint: " in busy.stderr
    assert office.run("correct", office.file(office.rows[0]), "--reason", " ").exit_code == 2
    assert office.run("recall", "XXXX", "--reason", "issued_in_error").exit_code == 1


def test_two_steps_at_the_command_line(
    tmp_path: Path, authority: Authority, primary: School, ring: KeyRing
) -> None:
    keys = key_list(tmp_path / "keys.json", tuple(primary.people.values()), [primary.seal])
    office = make_office(tmp_path, authority, primary, keys)
    waiting = office.run("issue", office.file(*office.rows[:2]))
    assert waiting.exit_code == 0, waiting.stderr
    assert "chờ chữ ký 2" in waiting.stdout
    assert "KY_PHAT_HANH" in waiting.stdout

    exported = office.run("signatures", "export", tmp_path / "out")
    assert "2 giá trị băm" in exported.stdout
    assert primary.plan.name in exported.stdout
    (path,) = (tmp_path / "out").glob("*.json")
    out = json.loads(path.read_text())
    seal = ring.find(out["signer"])
    assert seal is not None
    lines: list[dict[str, Any]] = [
        line | {"signature": base64.b64encode(seal.sign_digest(bytes.fromhex(line["digest"]))).decode()}
        for line in out["digests"]
    ]
    brought = tmp_path / "in.json"
    brought.write_text(json.dumps([lines[0], lines[1] | {"signature": lines[0]["signature"]}]))
    refused = office.run("signatures", "import", brought)
    assert refused.exit_code == 1
    assert "mục 2" in refused.stderr

    brought.write_text(json.dumps(lines))
    done = office.run("signatures", "import", brought)
    assert done.exit_code == 0, done.stderr
    assert "Đã cấp 2" in done.stdout
    assert office.versions() == [(1, "current")] * 2
    assert "Không có học bạ nào chờ ký" in office.run("signatures", "export", tmp_path / "out").stdout
    assert "2 chữ ký đã được nhập trước đây" in office.run("signatures", "import", brought).stdout


def test_issued_files_are_handed_out(office: Office) -> None:
    out = office.folder / "pdf"
    one, two = office.rows[:2]
    issued = office.run("issue", office.file(one, two), "--out", out)
    assert issued.exit_code == 0, issued.stderr
    files = sorted(out.iterdir())
    assert len(files) == 2
    for path in files:
        assert path.name.startswith(f"{one['lop']}-")
        assert path.name.endswith("-v1.pdf")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes().startswith(b"%PDF-")
        assert f"  {path}" in issued.stdout

    # 1 Again, with one file lost and the other still there: the lost one comes back.
    files[0].unlink()
    again = office.run("issue", office.file(one, two), "--out", out)
    assert again.exit_code == 0, again.stderr
    assert sorted(out.iterdir()) == files
    assert again.stdout.count("bản số 1, đã cấp từ trước\n") == 2

    # 2 Other bytes of that name stay as they are, and the rest is written.
    files[0].write_bytes(b"mine")
    files[1].unlink()
    refused = office.run("issue", office.file(one, two), "--out", out)
    assert (refused.exit_code, files[0].read_bytes()) == (1, b"mine")
    assert str(files[0]) in refused.stderr
    assert files[1].exists()
    assert office.run("issue", office.file(one), "--dry-run", "--out", out).exit_code == 2


def test_files_by_record_id_and_what_became_of_them(office: Office) -> None:
    row, out = office.rows[0], office.folder / "pdf"
    first = office.file(row)
    office.run("issue", first, "--out", out)
    (v1,) = out.iterdir()
    record_id = v1.name.split("-")[-2]
    better = office.file(row | {"can_nang": "31.5"}, name="sua.jsonl")
    assert office.run("correct", better, "--reason", "Nhập nhầm").exit_code == 0
    assert "thay thế bằng bản số 2" in office.run("issue", first).stdout

    done = office.run("export", record_id.lower(), "--out", out)
    assert done.exit_code == 0, done.stderr
    assert {path.name[-6:] for path in out.iterdir()} == {"v1.pdf", "v2.pdf"}

    assert office.run("recall", record_id, "--reason", "issued_in_error").exit_code == 0
    assert "nay đã thu hồi" in office.run("correct", better, "--reason", "Nhập nhầm").stdout
    none = office.run("export", record_id, "XXXX", "--out", office.folder / "other")
    assert none.exit_code == 1
    told = [line for line in none.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 2
    assert "--version" in told[0]
    old = office.run("export", record_id, "--version", "1", "--out", office.folder / "other")
    assert old.exit_code == 0, old.stderr
    (copy,) = (office.folder / "other").iterdir()
    assert copy.read_bytes() == v1.read_bytes()


def test_mistakes_of_every_kind_in_one_run(office: Office) -> None:
    """A cell, a school of another name, a future day, and a plan for a class that is not there."""
    one, two, three = office.rows[:3]
    file = office.file(
        one | {"ngay_sinh": "31/02/2017"},
        two | {"truong": "Trường Khác"},
        three | {"ngay_ky_phat_hanh": "11/06/2030"},
    )
    plan = office.folder / "plan.json"
    plan.write_text(
        json.dumps({"9Z": {"GVCN": {"certificate": "3f9a0c12"}}, "*": {"GVBM.X": {"ky_thay": True}}})
    )
    result = office.run("issue", file, "--plan", plan)
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    wanted = ("plan.json: 9Z:", "plan.json: *.GVBM.X", "ngay_sinh", "truong", "ngay_ky_phat_hanh")
    assert [name in line for name, line in zip(wanted, told, strict=True)] == [True] * 5
    assert str(one["lop"]) in told[0]


def test_what_the_portal_knows_names_the_cell(office: Office) -> None:
    row = office.rows[0] | {"truong": "Trường Khác"}
    flat = {name: value for name, value in row.items() if not isinstance(value, dict | list)}
    for name, value in row.items():
        if isinstance(value, dict):
            for code, inner in value.items():
                parts = inner if isinstance(inner, dict) else {"": inner}
                flat |= {f"{name}.{code}.{k}".rstrip("."): v for k, v in parts.items() if k != "ten"}
    path = office.folder / "lop.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(flat))
        writer.writeheader()
        writer.writerow(flat)
    result = office.run("issue", path)
    assert result.exit_code == 1
    column = get_column_letter(list(flat).index("truong") + 1)
    assert f"error: dòng 2, ô {column}2 (truong): " in result.stderr


def test_recall_explains_its_reasons(office: Office) -> None:
    told = " ".join(office.run("recall", "--help").stdout.split())
    for code, (vietnamese, _) in RECALL_REASONS.items():
        assert (f"{code} = {vietnamese}" in told) is (code != "unspecified")


def test_signatures_of_a_plan_that_no_longer_holds_are_refused(
    tmp_path: Path, authority: Authority, primary: School, ring: KeyRing
) -> None:
    keys = key_list(tmp_path / "keys.json", tuple(primary.people.values()), [primary.seal])
    office = make_office(tmp_path, authority, primary, keys)
    file = office.file(*office.rows[:2])
    assert office.run("issue", file).exit_code == 0
    office.run("signatures", "export", tmp_path / "out")
    (path,) = (tmp_path / "out").glob("*.json")
    seal = ring.find(primary.seal.sha256)
    assert seal is not None
    brought = tmp_path / "in.json"
    brought.write_text(
        json.dumps(
            [
                line
                | {"signature": base64.b64encode(seal.sign_digest(bytes.fromhex(line["digest"]))).decode()}
                for line in json.loads(path.read_text())["digests"]
            ]
        )
    )
    manager = primary.people[primary.plan.manager.name]
    with Session(office.app.extensions[KEY].engine) as session, session.begin():
        trust.suspend(session, trust.find_signers(session, manager.sha256), NOW, actor=ACTOR, now=NOW)

    refused = office.run("signatures", "import", brought)
    assert refused.exit_code == 1
    (told,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert primary.plan.manager.name in told
    assert "--restart" in told
    assert "Cũng ở 1 học bạ khác" in told
    looked = office.run("issue", file, "--dry-run")
    assert (looked.exit_code, "đình chỉ" in looked.stderr) == (1, True)
    assert office.versions() == []


def test_the_formats_are_in_the_help(office: Office) -> None:
    told = office.run("signatures", "--help").stdout
    for name in ("certificate", "signer", "algorithm", "issuance", "field", "digest", "signature"):
        assert f'"{name}"' in told


# ----------------------------------------------------------------------------------- two steps, in trouble


def _signed(keys: KeyRing, folder: Path, path: Path) -> Path:
    """Every digest in ``folder``, signed by whoever it is for."""
    lines = []
    for file in sorted(folder.glob("*.json")):
        out = json.loads(file.read_text())
        key = keys.find(out["signer"])
        assert key is not None
        lines += [
            line | {"signature": base64.b64encode(key.sign_digest(bytes.fromhex(line["digest"]))).decode()}
            for line in out["digests"]
        ]
    path.write_text(json.dumps(lines))
    return path


@pytest.fixture
def two_step(tmp_path: Path, authority: Authority, primary: School) -> Office:
    """The seal is elsewhere; two records wait for it."""
    keys = key_list(tmp_path / "keys.json", tuple(primary.people.values()), [primary.seal])
    office = make_office(tmp_path, authority, primary, keys)
    waiting = office.run("issue", office.file(*office.rows[:2]))
    assert waiting.exit_code == 0, waiting.stderr
    return office


def test_an_import_hands_the_files_out(two_step: Office, ring: KeyRing) -> None:
    office, pdf = two_step, two_step.folder / "pdf"
    office.run("signatures", "export", office.folder / "out")
    brought = _signed(ring, office.folder / "out", office.folder / "in.json")
    done = office.run("signatures", "import", brought, "--out", pdf)
    assert done.exit_code == 0, done.stderr
    files = sorted(pdf.iterdir())
    assert [path.name[-7:] for path in files] == ["-v1.pdf"] * 2
    for path in files:
        assert path.read_bytes().startswith(b"%PDF-")
        assert f"  {path}" in done.stdout


def test_no_digest_goes_out_for_a_signature_that_would_not_count(two_step: Office, primary: School) -> None:
    office, out = two_step, two_step.folder / "out"
    assert office.run("signatures", "export", out).exit_code == 0
    (earlier,) = out.iterdir()
    mine = out / "digests-0123456789abcdef.json"
    mine.write_text("{}")
    engine = office.app.extensions[KEY].engine
    with Session(engine) as session, session.begin():
        rows = trust.find_signers(session, primary.seal.sha256)
        trust.suspend(session, rows, NOW, actor=ACTOR, now=NOW)

    refused = office.run("signatures", "export", out)

    assert refused.exit_code == 1
    (told,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert f"“{primary.plan.name}”" in told
    assert "bị đình chỉ quyền ký" in told
    assert "--restart" in told
    assert "Cũng ở 1 học bạ khác" in told
    # What the export before left is taken away, and said; what is not ours stays.
    assert list(out.iterdir()) == [mine]
    assert f"{earlier}: đã bỏ" in refused.stdout
    assert "Không có học bạ nào chờ ký" not in refused.stdout


def test_an_export_writes_over_nothing_but_its_own(two_step: Office, ring: KeyRing) -> None:
    office, out = two_step, two_step.folder / "out"
    office.run("signatures", "export", out)
    (path,) = out.iterdir()
    assert office.run("signatures", "export", out).exit_code == 0

    # 1 Signatures written beside the digests are somebody's work.
    content = json.loads(path.read_text())
    for line in content["digests"]:
        line["signature"] = "AAAA"
    path.write_text(json.dumps(content))
    refused = office.run("signatures", "export", out)
    assert refused.exit_code == 1
    assert f"error: {path}: " in refused.stderr
    assert json.loads(path.read_text()) == content
    path.unlink()

    # 2 A folder that cannot be one, and one that cannot be written.
    blocked = office.folder / "blocked"
    blocked.write_text("")
    told = office.run("signatures", "export", blocked / "out")
    assert told.exit_code == 1
    assert "error: Không ghi được vào" in told.stderr

    # 3 Signed and taken: the file goes with the next export.
    office.run("signatures", "export", out)
    office.run("signatures", "import", _signed(ring, out, office.folder / "in.json"))
    done = office.run("signatures", "export", out)
    assert (done.exit_code, list(out.iterdir())) == (0, [])
    assert "đã bỏ" in done.stdout


# --------------------------------------------------------------------------- who cannot sign, and what to do


def _told(office: Office) -> str:
    """What one look at one row says, in its only line; nothing is issued."""
    result = office.run("issue", office.file(office.rows[0]), "--dry-run")
    assert result.exit_code == 1
    assert office.versions() == []
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


def _with_manager(tmp_path: Path, authority: Authority, school: School, **certificate: Any) -> Office:
    """An office whose principal has another certificate."""
    person = school.plan.manager
    name, role = person.name, person.duties[0][0]
    mine = authority.person(name, role, school=school.plan.name, **certificate)
    changed = replace(school, people={**school.people, name: mine})
    return make_office(tmp_path, authority, changed, key_list(tmp_path / "keys.json", changed.credentials))


def test_a_certificate_that_has_expired(tmp_path: Path, authority: Authority, primary: School) -> None:
    start, life = NOW - timedelta(days=90), timedelta(days=91)
    office = _with_manager(tmp_path, authority, primary, handle="ended", valid_from=start, life=life)
    clock = office.app.extensions[KEY].clock
    assert isinstance(clock, FrozenClock)
    clock.time = NOW + timedelta(days=2)
    line = _told(office)
    steps = ("đã hết hạn ký ngày 11/06/2026", "trust add-signer", "SIGNING_KEYS", "--plan")
    assert [word in line for word in (primary.plan.manager.name, *steps)] == [True] * 5


def test_a_certificate_that_is_not_yet_valid(tmp_path: Path, authority: Authority, primary: School) -> None:
    start, life = NOW + timedelta(days=5), timedelta(days=80)
    office = _with_manager(tmp_path, authority, primary, handle="to-come", valid_from=start, life=life)
    line = _told(office)
    steps = ("chỉ được ký từ 15/06/2026", "đợi đến ngày đó", "--plan")
    assert [word in line for word in (primary.plan.manager.name, *steps)] == [True] * 4


def test_a_period_longer_than_the_certificate(office: Office, authority: Authority, primary: School) -> None:
    """The table would let the person sign; the certificate does not."""
    name = primary.plan.manager.name
    start, life = NOW - timedelta(days=1), timedelta(days=9)
    brief = authority.person(name, "CBQL", handle="brief", valid_from=start, life=life)
    with Session(office.app.extensions[KEY].engine) as session, session.begin():
        entry = SignerInput(brief.der, primary.plan.code, Role.CBQL, display_name=name)
        created = trust.add_signer(session, entry, actor=ACTOR, now=NOW).created
        assert created is not None
        trust.approve(session, [created], actor=OTHER, now=NOW)
        store = trust_store.load_store(session)
    endless = (replace(s, valid_from=NOW - timedelta(days=999), valid_to=None) for s in store.signers)
    store = replace(store, signers=tuple(endless))

    def told(now: datetime) -> str:
        seat = Seat("CBQL", brief.sha256, "", name, ())
        chain = (brief.der, tuple(brief.chain_der))
        (problem,) = unfit([seat], primary.plan.code, lambda _: chain, store=store, policy=DEFAULT, now=now)
        return problem.message

    before, after = told(NOW - timedelta(days=2)), told(NOW + timedelta(days=9))
    assert [word in before for word in (name, "chưa có hiệu lực (từ ", "đợi đến ngày đó", "--plan")] == [
        True
    ] * 4
    assert [word in after for word in (name, "đã hết hạn ngày ", "trust add-signer", "--plan")] == [True] * 4


def test_a_signer_who_is_not_approved(office: Office, authority: Authority, primary: School) -> None:
    engine, name = office.app.extensions[KEY].engine, primary.plan.manager.name
    with Session(engine) as session, session.begin():
        for row in session.scalars(
            select(Signer).where(Signer.certificate_sha256 == primary.people[name].sha256)
        ):
            row.approval = Approval.WAITING
    line = _told(office)
    assert [word in line for word in (name, "chưa được duyệt ký", "trust approve")] == [True] * 3


def test_a_signer_whose_key_is_not_at_hand(tmp_path: Path, authority: Authority, primary: School) -> None:
    name = primary.plan.manager.name
    others = [c for c in primary.credentials if c is not primary.people[name]]
    office = make_office(tmp_path, authority, primary, key_list(tmp_path / "keys.json", others))
    line = _told(office)
    assert [word in line for word in (name, "không có khoá", "SIGNING_KEYS; thêm vào tệp đó")] == [True] * 3


def test_a_signer_who_is_suspended(office: Office, primary: School) -> None:
    engine, name = office.app.extensions[KEY].engine, primary.plan.manager.name
    with Session(engine) as session, session.begin():
        rows = trust.find_signers(session, primary.people[name].sha256)
        trust.suspend(session, rows, NOW, actor=ACTOR, now=NOW)
    line = _told(office)
    assert [word in line for word in (name, "đình chỉ quyền ký từ 10:00 10/06/2026", "--plan")] == [True] * 3


def test_nobody_is_entered_for_a_field(office: Office, primary: School) -> None:
    engine = office.app.extensions[KEY].engine
    with Session(engine) as session, session.begin():
        session.execute(update(Signer).where(Signer.role == Role.KY_PHAT_HANH).values(role=Role.CBQL))
    line = _told(office)
    assert [word in line for word in ("KY_PHAT_HANH", "trust add-signer, trust approve")] == [True] * 2


# ------------------------------------------------------------------------------- before anything can be done


@pytest.mark.parametrize(
    "arguments",
    [
        ("issue", "lop.jsonl"),
        ("issue", "lop.jsonl", "--dry-run"),
        ("correct", "lop.jsonl", "--reason", "x"),
        ("recall", "0000-0000-0000-0000-0", "--reason", "issued_in_error"),
        ("export", "0000-0000-0000-0000-0", "--out", "pdf"),
        ("signatures", "export", "out"),
        ("signatures", "import", "in.json"),
    ],
)
def test_an_empty_database_is_a_sentence(
    tmp_path: Path, primary: School, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = key_list(tmp_path / "keys.json", primary.credentials)
    settings = Settings.from_environment(
        {"INSTANCE_DIR": str(tmp_path / "instance"), "SIGNING_KEYS": str(keys)}
    )
    checker: Checker = NoChecker()
    app = create_app(settings, checker=checker, clock=FrozenClock(NOW))
    office = Office(
        app, tmp_path, tuple(dict(row) for row in classes.rows(class_plan("TIEU_HOC"), ISSUED_ON))
    )
    office.file(office.rows[0])
    (tmp_path / "in.json").write_text("[]")
    result = office.run(*arguments)
    assert result.exit_code == 1
    assert "hint: flask --app wsgi database upgrade" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there(office: Office) -> None:
    for arguments in (
        ("issue",),
        ("issue", "--dry-run"),
        ("correct", "--reason", "x"),
        ("signatures", "import"),
    ):
        result = office.run(*arguments, office.folder / "khong-co.csv")
        assert result.exit_code == 1
        assert f"error: Không có tệp {office.folder / 'khong-co.csv'}." in result.stderr
    assert "Không đọc được" in office.run("issue", office.folder).stderr
    plan = office.run(
        "issue", office.file(office.rows[0]), "--dry-run", "--plan", office.folder / "plan.json"
    )
    assert (plan.exit_code, "Không có tệp kế hoạch ký" in plan.stderr) == (1, True)


def test_an_instance_that_cannot_be_written(office: Office) -> None:
    lock = office.app.extensions[KEY].settings.instance_dir / "issuing.lock"
    lock.mkdir()  # refused to root as well, unlike a mode
    result = office.run("issue", office.file(office.rows[0]))
    assert result.exit_code == 1
    assert f"error: Không ghi được {lock}: " in result.stderr
    assert "INSTANCE_DIR" in result.stderr


def test_a_run_that_ends_in_the_middle_says_that_nothing_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of sealed files is gone after the first record, as on a disk that fails."""
    bundle: Resources = office.app.extensions[KEY]
    file = office.file(*office.rows[:3])
    store = bundle.files.put_new
    taken: list[str] = []

    def fails(name: str, data: bytes) -> None:
        if taken:
            raise StoreError("No space left on device")
        taken.append(name)
        store(name, data)

    with monkeypatch.context() as broken:
        broken.setattr(bundle.files, "put_new", fails)
        stopped = office.run("issue", file)
    assert stopped.exit_code == 1
    assert "Dừng ở 2/3 học bạ" in stopped.stderr
    assert "error: Không dùng được kho tệp" in stopped.stderr
    again = office.run("issue", file)
    assert "Đã cấp 2, đã cấp từ trước 1, chờ chữ ký 0, lỗi 0." in again.stdout
    assert office.versions() == [(1, "current")] * 3


def test_options_that_do_not_go_together_are_said_in_one_language(office: Office) -> None:
    for arguments in (
        ("issue", office.file(office.rows[0]), "--dry-run", "--out", office.folder / "pdf"),
        ("correct", office.file(office.rows[0]), "--reason", " "),
    ):
        result = office.run(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: --")
        assert "Usage" not in result.stderr


def test_a_mistake_of_the_whole_class_is_one_line(office: Office) -> None:
    rows = [row | {"truong": "Trường Khác", "ngay_ky_phat_hanh": "11/06/2030"} for row in office.rows[:3]]
    result = office.run("issue", office.file(*rows))
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.endswith("(Cũng ở dòng 2–3.)") for line in told] == [True, True]
    wrong = office.run("issue", office.file(*(row | {"level": "TH"} for row in office.rows[:3])))
    (line,) = [line for line in wrong.stderr.splitlines() if line.startswith("error: ")]
    assert "“TH”" in line
