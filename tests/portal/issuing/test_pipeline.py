"""Issuing from rows to registered files: what is issued, what is refused, and nothing twice."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy.orm import Session

from portal.demo.authority import Authority
from portal.demo.timestamps import DemoTimestamper
from portal.errors import Refusal
from portal.issuing import lint
from portal.issuing.lock import exclusive
from portal.issuing.models import Stage
from portal.issuing.plan import Choice, Choices
from portal.issuing.problems import once
from portal.issuing.service import Order, Outcome, Row, State, examine, issue
from portal.registry import service as registry
from portal.trust import service as trust
from portal.trust import store as trust_store
from portal.trust.service import Change, SchoolInput
from tests.conftest import ACTOR, OTHER
from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.judges import assert_sealed
from tests.portal.issuing.world import NOW, School, World, changed, trust_timestamps
from verifier import pades
from verifier.errors import InvalidInput
from verifier.locator import Locator
from verifier.policy import DEFAULT
from verifier.record import digest, read_attachment
from verifier.report import Role, ValidationReport
from verifier.verdict import Outcome as Verdict
from verifier.verdict import RegistryFacts, Standing, VersionState, decide

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def content(world: World, outcome: Outcome) -> bytes:
    """The registered file of an outcome, as stored and decrypted."""
    for record, version, file in world.registered():
        if (record.record_id, version.version) == (outcome.record_id, outcome.version):
            return world.content(record, version, file)
    raise AssertionError(outcome)


def verdict(world: World, data: bytes) -> Verdict:
    """What a stranger's check of these bytes would answer."""
    with world.begin() as session:
        store = trust_store.load_store(session)
        found = registry.find_file(session, sha256(data).hexdigest(), now=world.clock.now())
    registered_at = found.registered_at if found else None
    report, _ = pades.validate(data, store, DEFAULT, world.clock.now(), registered_at=registered_at)
    return decide(report, RegistryFacts(file=found.facts if found else None)).outcome


def codes(error: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(problem.where, problem.code) for problem in error.value.problems]


# What is issued.


@SQLITE
@pytest.mark.parametrize("level", ["primary", "secondary"])
def test_an_issued_record_convinces_every_judge(
    make_world: MakeWorld, level: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    school: School = request.getfixturevalue(level)
    world = make_world(school)
    row = school.rows[0]

    (outcome,) = world.run([row])

    assert outcome.state is State.ISSUED
    data = content(world, outcome)
    path = tmp_path / "record.pdf"
    path.write_bytes(data)
    assert_sealed(path, row.record.signature_fields)
    assert len(row.record.signature_fields) == (3 if level == "primary" else 15)
    assert lint.audit_sealed(data) == ()
    assert verdict(world, data) is Verdict.GENUINE_CURRENT
    attached = pades.read_attached(data, DEFAULT)
    assert attached is not None
    header, _ = read_attachment(attached)
    assert outcome.url.endswith(str(Locator(outcome.record_id, digest(header))))
    with world.begin() as session:
        opened = registry.open_record(session, world.vault, outcome.record_id, 1)
    assert opened is not None
    assert opened.fields == row.record.fields()


@SQLITE
def test_names_in_the_signatures_come_from_our_tables(world: World, primary: School) -> None:
    (outcome,) = world.run(primary.rows[:1])
    with world.begin() as session:
        (record, _, file) = world.registered()[0]
        names = trust_store.signer_names(session, [c.sha256 for c in primary.credentials])
    report = json.loads(file.report)
    signed = {s["field"]: names[s["signer"]["certificate_sha256"]] for s in report["signatures"]}
    assert record.record_id == outcome.record_id
    assert signed == {
        "GVCN": primary.plan.staff[1].name,
        "CBQL": primary.plan.manager.name,
        "KY_PHAT_HANH": primary.plan.name,
    }


# What is not issued twice (REL-02).


def test_the_same_rows_again_change_nothing(world: World, primary: School) -> None:
    first = world.run(primary.rows[:2])
    before = world.registered()
    again = world.run(primary.rows[:2])

    assert [o.state for o in first] == [State.ISSUED] * 2
    assert again == [replace(o, state=State.ALREADY) for o in first]
    after = world.registered()
    assert [(f.sha256, f.stored_name) for *_, f in after] == [(f.sha256, f.stored_name) for *_, f in before]
    assert [i.stage for i in world.issuances()] == [Stage.REGISTERED] * 2


def test_other_content_for_an_issued_pupil_is_refused(world: World, primary: School) -> None:
    row = primary.rows[0]
    world.run([row])
    with pytest.raises(InvalidInput) as refused:
        world.run([changed(row, can_nang="31.5")])
    assert codes(refused) == [(f"{row.where}, ma_hoc_sinh", "other_content")]
    assert "correct" in refused.value.problems[0].message
    assert len(world.registered()) == 1


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_at(world: World, rows: list[Row], point: str, **order: object) -> None:
    def at(here: str) -> None:
        if here == point:
            raise Killed

    with pytest.raises(Killed):
        world.run(rows, desk=replace(world.desk, at=at), **order)


@pytest.mark.parametrize("point", ["reserved", "sealed", "registering, not committed"])
def test_an_ended_run_is_taken_up_where_it_stopped(world: World, primary: School, point: str) -> None:
    row = primary.rows[0]
    killed_at(world, [row], point)
    assert world.registered() == []
    (reserved,) = world.issuances()

    (outcome,) = world.run([row])

    assert (outcome.state, outcome.record_id) == (State.ISSUED, reserved.record_id)
    ((_, _, file),) = world.registered()
    assert file.standing == Standing.PASSED
    # What was stored is adopted; what had only a name by then is signed again, under another.
    assert (file.stored_name == reserved.sealed_name) is (point == "registering, not committed")
    assert sha256(content(world, outcome)).hexdigest() == file.sha256


@SQLITE
def test_an_unfinished_run_with_other_content_needs_a_word(world: World, primary: School) -> None:
    row = primary.rows[0]
    killed_at(world, [row], "reserved")
    other = changed(row, can_nang="31.5")
    with pytest.raises(InvalidInput) as refused:
        world.run([other])
    assert "--restart" in refused.value.problems[0].message

    (outcome,) = world.run([other], restart=True)

    assert outcome.state is State.ISSUED
    (issuance,) = world.issuances()
    assert (issuance.record_id, issuance.stage) == (outcome.record_id, Stage.REGISTERED)


@SQLITE
def test_what_is_registered_cannot_be_restarted(world: World, primary: School) -> None:
    row = primary.rows[0]
    killed_at(world, [row], "stored")
    with pytest.raises(InvalidInput) as refused:
        world.run([changed(row, can_nang="31.5")], restart=True)
    assert codes(refused) == [(f"{row.where}, ma_hoc_sinh", "other_content")]
    (outcome,) = world.run([row], restart=True)
    assert outcome.state is State.ISSUED


def test_two_commands_at_once(world: World, tmp_path: Path) -> None:
    with exclusive(world.engine, tmp_path):
        with pytest.raises(Refusal, match="đang chạy") as refused, exclusive(world.engine, tmp_path):
            pass
        assert refused.value.code == "issuing_in_progress"
    with exclusive(world.engine, tmp_path):
        pass


# Corrections.


def test_a_correction_supersedes(world: World, primary: School) -> None:
    row = primary.rows[0]
    (first,) = world.run([row])
    better = changed(row, can_nang="31.5")

    (second,) = world.run([better], correction="Nhập nhầm cân nặng")
    again = world.run([better], correction="Nhập nhầm cân nặng")

    assert (second.state, second.record_id, second.version) == (State.ISSUED, first.record_id, 2)
    assert again == [replace(second, state=State.ALREADY)]
    assert [(v.version, v.state) for _, v, _ in world.registered()] == [
        (1, VersionState.SUPERSEDED),
        (2, VersionState.CURRENT),
    ]
    assert verdict(world, content(world, first)) is Verdict.GENUINE_SUPERSEDED
    # The first file again is still the first issue, not a new one.
    assert world.run([row]) == [replace(first, state=State.ALREADY)]


@SQLITE
def test_a_correction_is_of_the_same_record(world: World, primary: School) -> None:
    row, never = primary.rows[:2]
    world.run([row])
    for wrong, where, code in (
        (never, "ma_hoc_sinh", "not_issued"),
        (changed(row, ngay_ky_phat_hanh="01/06/2026"), "ngay_ky_phat_hanh", "before_earlier"),
    ):
        with pytest.raises(InvalidInput) as refused:
            world.run([wrong], correction="sửa")
        assert (f"{wrong.where}, {where}", code) in codes(refused)
    assert len(world.registered()) == 1


@SQLITE
def test_an_unfinished_correction_is_taken_up(world: World, primary: School) -> None:
    row = primary.rows[0]
    world.run([row])
    better, other = changed(row, can_nang="31.5"), changed(row, can_nang="32.5")
    killed_at(world, [better], "signed", correction="sửa")
    with pytest.raises(InvalidInput):
        world.run([other], correction="sửa")

    (outcome,) = world.run([better], correction="sửa")

    assert (outcome.state, outcome.version) == (State.ISSUED, 2)
    assert [v.version for _, v, _ in world.registered()] == [1, 2]


# Everything that is wrong is said before anything is written.


@SQLITE
def test_all_mistakes_of_all_rows_at_once(world: World, primary: School) -> None:
    one, two, three, four, five = primary.rows[:5]
    rows = [
        changed(one, truong="Trường Tiểu học Khác"),
        changed(two, ngay_ky_phat_hanh="11/06/2026"),
        changed(three, nguoi_ky="Người Lạ"),
        changed(four, ma_truong="99999999"),
        five,
        replace(five, where="dòng 99"),
    ]
    with pytest.raises(InvalidInput) as refused:
        world.run(rows)
    assert sorted(codes(refused)) == sorted(
        [
            (f"{one.where}, truong", "other_school"),
            (f"{two.where}, ngay_ky_phat_hanh", "future"),
            (f"{three.where}, nguoi_ky", "other_signer"),
            (f"{four.where}, ma_truong", "unknown_school"),
            (f"{five.where}, ma_hoc_sinh", "repeated"),
            ("dòng 99, ma_hoc_sinh", "repeated"),
        ]
    )
    assert world.issuances() == []


@SQLITE
def test_what_cannot_be_printed_reserves_nothing(world: World, primary: School) -> None:
    good, bad = primary.rows[:2]
    wrong = changed(bad, noi_sinh="Sơn La 漢字")
    with pytest.raises(InvalidInput) as refused:
        world.run([good, wrong])
    assert [(w.startswith(bad.where), c) for w, c in codes(refused)] == [(True, "unprintable")]
    assert world.issuances() == []


@SQLITE
def test_examining_writes_nothing(world: World, primary: School) -> None:
    works = examine(world.desk, primary.rows[:2], Order(Choices(), world.store()))
    assert [work.existing for work in works] == [None, None]
    assert world.issuances() == []


# Who signs.


@SQLITE
def test_the_principal_signs_for_a_teacher(make_world: MakeWorld, secondary: School) -> None:
    world, row = make_world(secondary), secondary.rows[0]
    choices = Choices({"*": {"GVBM.TOAN": Choice(ky_thay=True)}})

    (outcome,) = world.run([row], choices=choices)

    assert outcome.state is State.ISSUED
    ((_, _, file),) = world.registered()
    by_field = {s["field"]: s for s in json.loads(file.report)["signatures"]}
    manager = secondary.people[secondary.plan.manager.name].sha256
    assert by_field["GVBM.TOAN"]["signer"]["certificate_sha256"] == manager
    assert by_field["GVBM.TOAN"]["capacity"] == "ky_thay"
    assert by_field["GVBM.NGU_VAN"]["capacity"] == ""


@SQLITE
def test_a_field_that_nobody_can_sign(make_world: MakeWorld, primary: School, secondary: School) -> None:
    world = make_world(secondary)  # the primary school is not in the tables, nor its signers
    ring = world.ring
    without = type(ring)(tuple(k for k in ring.keys if k.certificate_sha256 != secondary.seal.sha256))
    with pytest.raises(InvalidInput) as refused:
        world.run([secondary.rows[0], primary.rows[0]], desk=replace(world.desk, ring=without))
    assert codes(refused) == [
        (f"{secondary.rows[0].where}, KY_PHAT_HANH", "no_signer"),
        (f"{primary.rows[0].where}, ma_truong", "unknown_school"),
    ]


@SQLITE
def test_several_could_sign_and_the_plan_decides(world: World, primary: School, tmp_path: Path) -> None:
    manager, teacher = primary.plan.staff[:2]
    second = primary.people[manager.name]
    with Session(world.engine) as session, session.begin():
        entry = trust.SignerInput(second.der, primary.plan.code, Role.GVCN, display_name=manager.name)
        created = trust.add_signer(session, entry, actor=ACTOR, now=NOW).created
        assert created is not None
        trust.approve(session, [created], actor=OTHER, now=NOW)
    row = primary.rows[0]
    with pytest.raises(InvalidInput) as refused:
        world.run([row])
    assert codes(refused) == [(f"{row.where}, GVCN", "several_signers")]

    plan = tmp_path / "plan.json"
    chosen = primary.people[teacher.name].sha256
    plan.write_text(json.dumps({row.record.common.lop: {"GVCN": {"certificate": chosen[:12]}}}))
    (outcome,) = world.run([row], choices=Choices.read(plan))
    assert outcome.state is State.ISSUED
    ((_, _, file),) = world.registered()
    (gvcn,) = [s for s in json.loads(file.report)["signatures"] if s["field"] == "GVCN"]
    assert gvcn["signer"]["certificate_sha256"] == chosen


def test_every_mistake_of_a_plan_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(
        json.dumps(
            {
                "6A": {
                    "GVBM.TOAN": {"ky_thay": True},
                    "GVCN": {"ky_thay": True},
                    "HIEU_TRUONG": {"certificate": "0123abcd"},
                    "CBQL": {"certificate": "xyz"},
                    "KY_PHAT_HANH": {"certificate": "0123abcd", "ky_thay": True},
                },
                "6B": [],
            }
        )
    )
    with pytest.raises(InvalidInput) as refused:
        Choices.read(plan)
    assert [where for where, _ in codes(refused)] == [
        "plan.json: 6A.GVCN",
        "plan.json: 6A.HIEU_TRUONG",
        "plan.json: 6A.CBQL",
        "plan.json: 6A.KY_PHAT_HANH",
        "plan.json: 6B",
    ]
    plan.write_text("[")
    with pytest.raises(InvalidInput):
        Choices.read(plan)


# Our own verifier stands between signing and the registry.


@SQLITE
def test_a_stale_revocation_list_stops_issuing_and_a_fresh_one_lets_it_go_on(
    world: World, primary: School, tmp_path: Path
) -> None:
    row = primary.rows[0]
    killed_at(world, [row], "reserved")
    world.clock.time = NOW + timedelta(days=8)  # the lists live seven days
    (stopped,) = world.run([row])
    assert (stopped.state, stopped.problems[0].code) == (State.FAILED, "signer_crl_stale")
    assert world.registered() == []

    shutil.copytree(world.authority.directory, tmp_path / "authority")
    authority = Authority.create(tmp_path / "authority", world.clock.now())
    authority.reissue_crls(world.clock.now())
    with Session(world.engine) as session, session.begin():
        for crl in authority.crls():
            trust.import_crl(session, crl, actor=ACTOR, now=world.clock.now())
    (outcome,) = world.run([row])
    assert outcome.state is State.ISSUED
    assert len(world.issuances()) == 1


@SQLITE
def test_a_signer_who_is_suspended_meanwhile(world: World, primary: School) -> None:
    """Planned and reserved while the signer was approved; suspended before the file was sealed."""
    row = primary.rows[0]
    killed_at(world, [row], "reserved")
    with Session(world.engine) as session, session.begin():
        rows = trust.find_signers(session, primary.seal.sha256)
        trust.suspend(session, rows, NOW - timedelta(days=1), actor=ACTOR, now=NOW)
    (outcome,) = world.run([row])
    assert (outcome.state, outcome.problems[0].code) == (State.FAILED, "signer_not_approved")
    assert "đình chỉ" in outcome.problems[0].message
    assert "--restart" in outcome.problems[0].message
    assert world.registered() == []


@SQLITE
def test_what_is_wrong_with_a_signer_is_told_before_anything_is_signed(
    world: World, primary: School, tmp_path: Path
) -> None:
    """Once a signer and not once a row; each cause in its own words."""

    def told() -> list[tuple[str, str]]:
        with pytest.raises(InvalidInput) as refused:
            world.run(primary.rows[:3])
        found = once(refused.value.problems)
        assert all("Cũng ở dòng 3–4." in p.message for p in found)
        return [(p.code, p.message) for p in found]

    # 1 Lists that went stale: three signers, three sentences.
    world.clock.time = NOW + timedelta(days=8)
    assert [code for code, _ in told()] == ["signer_crl_stale"] * 3

    # 2 Revoked, by a new list.
    world.clock.time = NOW
    shutil.copytree(world.authority.directory, tmp_path / "authority")
    authority = Authority.create(tmp_path / "authority", NOW)
    authority.revoke(primary.seal, NOW)
    authority.reissue_crls(NOW + timedelta(minutes=1))
    world.clock.time = NOW + timedelta(minutes=2)
    with Session(world.engine) as session, session.begin():
        for crl in authority.crls():
            trust.import_crl(session, crl, actor=ACTOR, now=world.clock.now())
    ((code, message),) = told()
    assert (code, "đã bị thu hồi" in message) == ("signer_certificate_revoked", True)

    # 3 Suspended: nobody is left for the field, and the sentence says why.
    with Session(world.engine) as session, session.begin():
        rows = trust.find_signers(session, primary.seal.sha256)
        trust.suspend(session, rows, NOW, actor=ACTOR, now=world.clock.now())
    ((code, message),) = told()
    assert (code, "đình chỉ" in message) == ("no_signer", True)
    assert world.issuances() == []


@SQLITE
def test_trust_that_changes_during_the_run_leaves_no_answer_from_the_old_one(
    world: World, primary: School
) -> None:
    row, store = primary.rows[0], world.store()

    def at(point: str) -> None:
        if point == "registering":
            with Session(world.engine) as session, session.begin():
                rows = trust.find_signers(session, primary.seal.sha256)
                trust.suspend(session, rows, NOW - timedelta(days=1), actor=ACTOR, now=NOW)

    (outcome,) = world.run([row], desk=replace(world.desk, at=at))
    assert outcome.state is State.ISSUED
    ((_, _, file),) = world.registered()
    assert file.standing == Standing.INCOMPLETE
    assert file.standing_epoch > store.epoch


# The web process cannot sign (SEC-38).


@SQLITE
def test_the_web_process_does_not_even_import_what_signs(tmp_path: Path, database_url: str) -> None:
    script = (
        "import sys, wsgi\n"
        "from portal.factory import create_app\n"
        "print(*sorted(m for m in sys.modules if m.startswith(('portal.issuing', 'pkcs11', 'pyhanko'))))"
    )
    environment = {"INSTANCE_DIR": str(tmp_path / "instance"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    environment["DATABASE_URL"] = database_url
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "portal.issuing.keys",
        "portal.issuing.signing",
        "portal.issuing.service",
        "portal.commands.issuing",
        "pkcs11",
    }


# Timestamps.


@SQLITE
def test_a_timestamped_seal_passes_our_own_check(world: World, primary: School) -> None:
    """B-T: the token is on the seal alone, and proves the time of the whole file."""
    trust_timestamps(world)
    tsa = DemoTimestamper(world.authority.timestamp_authority(), NOW)
    (outcome,) = world.run(primary.rows[:1], desk=replace(world.desk, timestamper=tsa))
    assert outcome.state is State.ISSUED, outcome.problems
    sealed = PdfFileReader(io.BytesIO(content(world, outcome))).embedded_signatures
    token = bytes.fromhex("060b2a864886f70d010910020e")  # id-aa-timeStampToken
    tokens = [token in bytes(signature.signer_info.dump()) for signature in sealed]
    assert tokens == [False, False, True]
    ((_, _, file),) = world.registered()
    report = ValidationReport.from_json(json.loads(file.report))
    assert [t.passed for t in report.timestamps] == [True]


@SQLITE
def test_a_timestamp_of_somebody_untrusted_is_not_registered(world: World, primary: School) -> None:
    """The file would be genuine without it; with a timestamp that proves nothing it is not issued at all."""
    tsa = DemoTimestamper(world.authority.timestamp_authority(), NOW)
    (outcome,) = world.run(primary.rows[:1], desk=replace(world.desk, timestamper=tsa))
    assert (outcome.state, outcome.problems[0].code) == (State.FAILED, "timestamp_unproven")
    assert world.registered() == []
    trust_timestamps(world)
    (outcome,) = world.run(primary.rows[:1], desk=replace(world.desk, timestamper=tsa))
    assert outcome.state is State.ISSUED, outcome.problems


# A school that is no more.


def _settle(world: World, change: Change) -> tuple[Standing, set[str]]:
    """What the one registered file counts for after a change in trust, and why not."""
    with world.begin() as session:
        assert registry.withdraw_standing(session, change.certificates, epoch=change.epoch) == 1
        store, now = trust.load_store(session), world.clock.now()
        assert not registry.revalidate(session, world.vault, world.files, store, now=now).more
    ((_, _, file),) = world.registered()
    report = ValidationReport.from_json(json.loads(file.report))
    return Standing(file.standing), {c.code for s in report.signatures for c in s.checks if c.code}


@SQLITE
def test_a_school_that_is_no_more_issues_nothing_and_keeps_what_it_issued(
    world: World, primary: School
) -> None:
    """Its end bounds its signers: what is proven before stays genuine, back-dating helps nobody."""
    (issued,) = world.run(primary.rows[:1])
    assert issued.state is State.ISSUED
    prepared = examine(world.desk, primary.rows[1:2], Order(Choices(), world.store()))
    code = primary.plan.code
    own: dict[str, Any] = {"actor": ACTOR, "now": NOW}

    # 1 It ended a day before: what it signed since does not count. It goes on under another name: it does.
    with world.begin() as session:
        closed = trust.close_school(session, code, date(2026, 6, 9), code, **own)
    assert _settle(world, closed) == (Standing.FAILED, {"outside_period"})
    plan = primary.plan
    again = SchoolInput(
        code=code,
        name=plan.name,
        department_code="S00",
        levels=plan.levels,
        commune=plan.place.commune,
        province=plan.place.province,
        sector=plan.sector,
        valid_from=date(2026, 6, 10),
    )
    with world.begin() as session:
        reopened = trust.add_school(session, again, **own)
    assert _settle(world, reopened) == (Standing.PASSED, set())

    # 2 It ends today and has a successor: what was signed today stays.
    with world.begin() as session:
        trust.add_school(session, replace(again, code="01999999", name="Trường Tiểu học Hợp Nhất"), **own)
        closed = trust.close_school(session, code, date(2026, 6, 10), "01999999", **own)
    assert _settle(world, closed) == (Standing.PASSED, set())

    # 3 Tomorrow it issues nothing more, whatever day a record names: not from the start, not what was ready.
    world.clock.time = NOW + timedelta(days=1)
    for reason in (None, "Sửa tên"):
        with pytest.raises(InvalidInput) as error:
            world.run(primary.rows[:1], correction=reason)
        assert codes(error) == [("dòng 2, ma_truong", "school_ended")]
        assert "Trường kế tục: Trường Tiểu học Hợp Nhất (mã 01999999)." in error.value.problems[0].message
    (late,) = issue(world.desk, prepared, world.store())
    assert late.state is State.FAILED
    assert {problem.code for problem in late.problems} == {"signer_not_approved"}
    assert len(world.registered()) == 1
