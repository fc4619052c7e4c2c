"""Renewal: what it adds, that both files stay genuine for ever after, and that a kill loses nothing."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.demo.authority import PUBLIC_FIRST, Authority
from portal.demo.timestamps import DemoTimestamper
from portal.errors import Refusal
from portal.extensions import KEY, Resources
from portal.factory import create_app
from portal.issuing.models import Renewal
from portal.issuing.renewal import Bench, Outcome, State, _ends, due, renew
from portal.issuing.service import State as Issued
from portal.issuing.timestamping import HttpTimestamper, TimestampFault
from portal.ports import Timestamper
from portal.registry import service as registry
from portal.registry.models import RegisteredFile
from portal.trust import service as trust
from portal.trust.service import find_signers
from tests.conftest import ACTOR, FrozenClock
from tests.pki_server import PkiServer
from tests.portal.audit.reading import entries
from tests.portal.issuing.conftest import MakeWorld
from tests.portal.issuing.judges import assert_sealed
from tests.portal.issuing.test_commands import NoChecker
from tests.portal.issuing.world import (
    NOW,
    School,
    World,
    changed,
    enter_trust,
    key_list,
    trust_timestamps,
)
from tests.verifier import pki
from verifier.check import Known, examine
from verifier.locator import Locator
from verifier.pades import Structure
from verifier.policy import DEFAULT
from verifier.report import Medium, ProvenBy, TimestampKind, ValidationReport
from verifier.trust import Pki, Purpose
from verifier.verdict import Outcome as Verdict
from verifier.verdict import RegistryFacts, Standing, decide

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DAY = timedelta(days=1)
POINTS = (
    "gathered",
    "timestamped",
    "validated",
    "sealed",
    "stored",
    "registering",
    "registering, not committed",
    "registered",
)


def at_day(world: World, days: int) -> None:
    """So many days later, everybody's lists are new and pinned."""
    now = world.clock.time = NOW + days * DAY
    world.authority.reissue_crls(now)
    with world.begin() as session:
        for crl in world.authority.crls():
            change = trust.import_crl(session, crl, actor=ACTOR, now=now)
            registry.withdraw_standing(session, change.certificates, epoch=change.epoch)
    settle(world)


def settle(world: World) -> None:
    """Every standing decided anew where it must be."""
    more = True
    while more:
        with world.begin() as session:
            store, now = trust.load_store(session), world.clock.now()
            more = registry.revalidate(session, world.vault, world.files, store, now=now).more


def bench(world: World, timestamper: Timestamper | None = None, **changes: Any) -> Bench:
    stamper = timestamper or DemoTimestamper(world.authority.timestamp_authority(), world.clock.now())
    return Bench(world.begin, world.vault, world.files, world.clock, ACTOR, stamper, **changes)


def run(world: World, timestamper: Timestamper | None = None, **wanted: Any) -> list[Outcome]:
    with world.begin() as session:
        hashes = due(session, now=world.clock.now(), **wanted)
    return list(renew(bench(world, timestamper), hashes))


@pytest.fixture
def world(make_world: MakeWorld, primary: School, authority: Authority, tmp_path: Path) -> World:
    """The primary school, and an authority that a test may publish lists with."""
    authority.timestamp_authority()  # its key is made once
    shutil.copytree(authority.directory, tmp_path / "authority")
    return replace(make_world(primary), authority=Authority.create(tmp_path / "authority", NOW))


@pytest.fixture
def issued(world: World, primary: School) -> World:
    """One issued record, B-B; a day has passed."""
    trust_timestamps(world)
    (outcome,) = world.run(primary.rows[:1])
    assert outcome.state is Issued.ISSUED
    at_day(world, 1)
    return world


def files(world: World) -> list[tuple[str, bytes, ValidationReport, RegisteredFile]]:
    """(kind, content, stored report, row) of every registered file, the shortest first."""
    found = []
    for record, version, file in world.registered():
        data = world.content(record, version, file)
        found.append((file.kind, data, ValidationReport.from_json(json.loads(file.report)), file))
    return sorted(found, key=lambda each: len(each[1]))


def verdict(world: World, data: bytes) -> Verdict:
    """What an upload of these bytes is answered."""
    now = world.clock.now()
    with world.begin() as session:
        found = registry.find_file(session, sha256(data).hexdigest(), now=now)
        store = trust.load_store(session)
    known = None if found is None else Known(found.registered_at, found.structure, found.earlier)
    report = examine(data, trust=store, policy=DEFAULT, at=now, known=known)
    slow = None if found is None else Known(found.registered_at, None, found.earlier)
    assert pki.alone(examine(data, trust=store, policy=DEFAULT, at=now, known=slow)) == pki.alone(report)
    return decide(report, RegistryFacts(file=found.facts if found else None)).outcome


def scan(world: World) -> Standing:
    """What a scan of the one record's code is answered."""
    ((record, version, _), *_) = world.registered()
    with world.begin() as session:
        locator = Locator(record.record_id, version.digest)
        facts, _ = registry.look_up_locator(session, world.vault, locator, now=world.clock.now())
    assert facts.version is not None
    return facts.version.standing


@SQLITE
def test_a_renewed_file_continues_the_issued_one_and_both_are_genuine(issued: World) -> None:
    assert [outcome.state for outcome in run(issued)] == [State.RENEWED]
    (kind, before, _, _), (renewed_kind, renewed, report, _) = files(issued)
    assert (kind, renewed_kind) == ("issued", "renewed")
    assert renewed.startswith(before)
    (stamp,) = report.timestamps
    assert (stamp.kind, stamp.passed) == (TimestampKind.DOCUMENT, True)
    # The first registration is the earlier proof; it is of the beginning.
    assert {(s.proven_by, s.proven_time) for s in report.signatures} == {(ProvenBy.REGISTRATION, NOW)}
    assert verdict(issued, before) is verdict(issued, renewed) is Verdict.GENUINE_CURRENT
    assert scan(issued) is Standing.PASSED
    # Nothing is left to do, and a cut or lengthened renewed file is neither of the two.
    assert run(issued) == []
    assert verdict(issued, renewed[:-1]) is not Verdict.GENUINE_CURRENT
    assert verdict(issued, renewed + b"\n") is not Verdict.GENUINE_CURRENT
    # It is told once, on the record that it is of (SEC-30).
    with issued.begin() as session:
        (first,), (told,) = entries(session, "issue"), entries(session, "renew")
    assert (told["object"], told["outcome"]) == (first["object"], "done")
    made = {"version": 1, "file": sha256(renewed).hexdigest(), "earlier_file": sha256(before).hexdigest()}
    assert told["details"] == made


@SQLITE
def test_others_read_the_renewed_file_too(issued: World, tmp_path: Path) -> None:
    """qpdf and poppler find nothing wrong with it; pyHanko reads its store."""
    run(issued)
    _, renewed, _, _ = files(issued)[1]
    reader = PdfFileReader(io.BytesIO(renewed))
    store = reader.root["/DSS"]
    assert len(store["/CRLs"]) >= 2
    assert len(store["/Certs"]) >= 2
    assert len(reader.embedded_timestamp_signatures) == 1
    path = tmp_path / "renewed.pdf"
    path.write_bytes(renewed)
    checked = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert checked.returncode == 0, checked.stdout + checked.stderr
    told = subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
    assert told.count("Signature is Valid.") == 3
    (tmp_path / "issued.pdf").write_bytes(files(issued)[0][1])
    assert_sealed(tmp_path / "issued.pdf", ("GVCN", "CBQL", "KY_PHAT_HANH"))


@SQLITE
def test_a_file_waits_for_a_list_newer_than_its_signatures(world: World, primary: School) -> None:
    """A revocation of today with an earlier effect stands only in a list of tomorrow."""
    trust_timestamps(world)
    world.clock.time = NOW + timedelta(hours=1)  # the lists are of NOW
    world.run(primary.rows[:1])
    world.clock.time = NOW + timedelta(hours=3)
    (outcome,) = run(world)
    assert outcome.state is State.WAITING
    assert outcome.problem is not None
    assert outcome.problem.code == "lists_older"
    assert [kind for kind, *_ in files(world)] == ["issued"]
    at_day(world, 1)
    assert [outcome.state for outcome in run(world)] == [State.RENEWED]


def test_a_report_that_was_not_finished_makes_the_file_due() -> None:
    """It names no timestamp; the file is looked at anew, and no other is held up."""
    unfinished = ValidationReport(at=NOW, medium=Medium.PDF, incomplete="trust_unavailable")
    assert _ends(json.dumps(unfinished.to_json()), NOW) == NOW


@SQLITE
def test_a_second_renewal_before_the_first_timestamp_ends(issued: World) -> None:
    run(issued)
    assert run(issued) == []  # the timestamp's certificate lives for years
    at_day(issued, 3)
    assert [o.state for o in run(issued, within=4000 * DAY)] == [State.RENEWED]
    first, second, third = (data for _, data, _, _ in files(issued))
    assert third.startswith(second)
    assert second.startswith(first)
    report = files(issued)[2][2]
    assert [t.passed for t in report.timestamps] == [True, True]
    assert [verdict(issued, data) for data in (first, second, third)] == [Verdict.GENUINE_CURRENT] * 3
    assert scan(issued) is Standing.PASSED


@SQLITE
def test_superseded_and_recalled_versions_are_kept_too(issued: World, primary: School) -> None:
    (outcome,) = issued.run([changed(primary.rows[0], can_nang="31.5")], correction="Nhập nhầm")
    assert outcome.state is Issued.ISSUED, outcome.problems
    with issued.begin() as session:
        registry.recall(session, outcome.record_id, "data_error", actor=ACTOR, now=issued.clock.now())
    at_day(issued, 2)
    assert [o.state for o in run(issued)] == [State.RENEWED] * 2
    answers = {verdict(issued, data) for _, data, _, _ in files(issued)}
    assert answers == {Verdict.GENUINE_SUPERSEDED, Verdict.GENUINE_REVOKED}


@SQLITE
def test_a_renewed_file_is_found_by_changes_in_trust(issued: World) -> None:
    """A new list, the timestamps' anchor, a suspension: each withdraws the standing of what rests on it."""
    run(issued)

    def withdrawn(change: trust.Change) -> int:
        with issued.begin() as session:
            return registry.withdraw_standing(session, change.certificates, epoch=change.epoch)

    # 1 The authority of its timestamp is no longer trusted: the renewed file alone rests on it.
    der = issued.authority.ca_certificate(PUBLIC_FIRST).public_bytes(Encoding.DER)
    given: dict[str, Any] = {"purpose": Purpose.TIMESTAMPING, "actor": ACTOR, "now": issued.clock.now()}
    with issued.begin() as session:
        change = trust.remove_anchor(session, sha256(der).hexdigest(), **given)
    assert withdrawn(change) == 1
    assert scan(issued) is Standing.INCOMPLETE  # the newest file answers for the code
    settle(issued)
    assert scan(issued) is Standing.PASSED  # the registration proves what the timestamp did
    assert not files(issued)[1][2].timestamps[0].passed

    # 2 Pinned again.
    with issued.begin() as session:
        change = trust.add_anchor(session, der, Pki.PUBLIC, **given)
    assert withdrawn(change) == 1
    settle(issued)
    assert files(issued)[1][2].timestamps[0].passed

    # 3 A signer's suspension touches both files.
    with issued.begin() as session:
        seal = files(issued)[0][2].signatures[-1].signer
        assert seal is not None
        keys = find_signers(session, seal.certificate_sha256)
        change = trust.suspend(session, keys, NOW - DAY, actor=ACTOR, now=issued.clock.now())
    assert withdrawn(change) == 2
    settle(issued)
    assert [verdict(issued, data) for _, data, _, _ in files(issued)] == [
        Verdict.REGISTERED_BUT_SIGNATURE_FAILS
    ] * 2
    assert scan(issued) is Standing.FAILED


@SQLITE
def test_a_revoked_timestamp_certificate_is_found_by_its_list(issued: World) -> None:
    world, authority = issued, issued.authority
    run(world)
    authority.revoke(authority.timestamp_authority(), NOW)
    now = world.clock.time = NOW + 2 * DAY
    authority.reissue_crls(now)
    with world.begin() as session:
        changes = [trust.import_crl(session, crl, actor=ACTOR, now=now) for crl in authority.crls()]
        counts = [registry.withdraw_standing(session, c.certificates, epoch=c.epoch) for c in changes]
    assert sorted(counts) == [0] * (len(counts) - 1) + [1]
    settle(world)
    assert not files(world)[1][2].timestamps[0].passed
    assert scan(world) is Standing.PASSED


@SQLITE
def test_an_untrusted_timestamp_is_not_taken(world: World, primary: School) -> None:
    """Renewal is for the timestamp's sake: one that proves nothing is not registered."""
    world.run(primary.rows[:1])
    at_day(world, 1)
    (outcome,) = run(world)
    assert outcome.state is State.FAILED
    assert outcome.problem is not None
    assert outcome.problem.code == "timestamp_unproven"
    assert [kind for kind, *_ in files(world)] == ["issued"]


@SQLITE
def test_a_file_that_no_longer_stands_is_not_renewed(issued: World) -> None:
    seal = files(issued)[0][2].signatures[-1].signer
    assert seal is not None
    with issued.begin() as session:
        trust.suspend(
            session,
            find_signers(session, seal.certificate_sha256),
            NOW - DAY,
            actor=ACTOR,
            now=issued.clock.now(),
        )
    (outcome,) = run(issued)
    assert outcome.state is State.FAILED
    assert outcome.problem is not None
    assert outcome.problem.code == "own_check_fails"
    with issued.begin() as session:
        (told,) = entries(session, "renew")
    assert (told["outcome"], told["details"]["reason"]) == ("refused", "own_check_fails")


@SQLITE
def test_an_authority_that_is_silent_stops_that_file_alone(issued: World, primary: School) -> None:
    class Silent:
        def __init__(self) -> None:
            self.count = 0

        def timestamp(self, digest: bytes) -> bytes:
            self.count += 1
            if self.count == 1:
                return HttpTimestamper("http://127.0.0.1:9/").timestamp(digest)
            signer = issued.authority.timestamp_authority()
            return DemoTimestamper(signer, issued.clock.now()).timestamp(digest)

    issued.run(primary.rows[1:2])
    at_day(issued, 2)
    assert [o.state for o in run(issued, Silent())] == [State.FAILED, State.RENEWED]
    assert [o.state for o in run(issued)] == [State.RENEWED]


@SQLITE
def test_the_same_file_is_registered_once(issued: World) -> None:
    run(issued)
    (_, before, _, _), (_, _, report, row) = files(issued)
    structure = Structure.from_json(json.loads(row.structure))
    new = registry.NewFile(row.sha256, row.size, row.stored_name, report, structure, 1, kind="renewed")
    with issued.begin() as session:
        again = registry.register_renewed(
            session, sha256(before).hexdigest(), new, epoch=1, actor=ACTOR, now=issued.clock.now()
        )
        assert again.already
        with pytest.raises(Refusal) as caught:
            registry.register_renewed(session, "0" * 64, new, epoch=1, actor=ACTOR, now=issued.clock.now())
    assert caught.value.code == "unknown_file"
    assert len(files(issued)) == 2


# Killed.


@pytest.mark.parametrize("point", POINTS)
@SQLITE
def test_a_kill_at_any_point_loses_nothing_and_renews_once(issued: World, tmp_path: Path, point: str) -> None:
    """A process of its own, killed there without any clean-up (REL-01); the next run finishes."""
    database = issued.engine.url.database
    assert database is not None
    folder = next(p for p in tmp_path.rglob("secrets.json")).parent
    issued.engine.dispose()
    killed = subprocess.run(  # noqa: S603 - our own words
        [
            *(sys.executable, "-m", "tests.portal.issuing.renewal_lab"),
            *(str(folder), database, str(issued.authority.directory)),
            *(issued.clock.now().isoformat(), point),
        ],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    left = run(issued)
    assert [o.state for o in left] == ([] if point == "registered" else [State.RENEWED])
    (_, before, _, _), (_, renewed, _, row) = files(issued)
    assert [verdict(issued, data) for data in (before, renewed)] == [Verdict.GENUINE_CURRENT] * 2
    with issued.begin() as session:
        (renewal,) = session.scalars(select(Renewal)).all()
        assert (renewal.sealed_sha256, renewal.sealed_name) == (row.sha256, row.stored_name)
        assert renewal.registered_at is not None
    # What was stored before the kill was adopted; before that nothing had left the process.
    objects = {p.name for p in (folder / "files").rglob("*") if re.fullmatch("[0-9a-f]{64}", p.name)}
    assert len(objects) == 2


@SQLITE
def test_what_was_stored_and_counts_no_more_is_made_again(issued: World) -> None:
    """Its timestamp's certificate was found revoked between the kill and the next run: the stored file would
    prove nothing, and another one takes its place.
    """

    class Killed(BaseException):
        pass

    def at(point: str) -> None:
        if point == "stored":
            raise Killed

    with issued.begin() as session:
        hashes = due(session, now=issued.clock.now())
    lost = issued.authority.timestamp_authority(handle="tsa-2")
    with pytest.raises(Killed):
        list(renew(bench(issued, DemoTimestamper(lost, issued.clock.now()), at=at), hashes))
    with issued.begin() as session:
        (left,) = session.scalars(select(Renewal.sealed_sha256)).all()
    issued.authority.revoke(lost, NOW)
    at_day(issued, 2)
    assert [o.state for o in run(issued)] == [State.RENEWED]
    (_, before, _, _), (_, renewed, report, row) = files(issued)
    assert row.sha256 != left
    assert [stamp.passed for stamp in report.timestamps] == [True]
    assert [verdict(issued, data) for data in (before, renewed)] == [Verdict.GENUINE_CURRENT] * 2


@SQLITE
def test_a_name_that_was_committed_without_its_object_is_made_again(issued: World) -> None:
    """The object store lost it, or never had it."""

    class Killed(BaseException):
        pass

    def at(point: str) -> None:
        if point == "sealed":
            raise Killed

    with issued.begin() as session:
        hashes = due(session, now=issued.clock.now())
    with pytest.raises(Killed):
        list(renew(bench(issued, at=at), hashes))
    assert [o.state for o in run(issued)] == [State.RENEWED]
    assert len(files(issued)) == 2


# At the command line, with an authority of certomancer's on loopback.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PkiServer]:
    (tmp_path / "pki").mkdir()
    with PkiServer(tmp_path / "pki", NOW) as running:
        yield running


WRONG = {
    "down": "503",
    "slow": "1 giây",
    "html": "not a timestamp response",
    "flood": "256 KiB",
    "redirect": "elsewhere",
    "policy": "rejection unaccepted_policy",
    "digest": "another request",
    "nonce": "another request",
}


@pytest.mark.parametrize(("fault", "said"), WRONG.items(), ids=WRONG)
def test_whatever_an_authority_answers_is_told_in_time(server: PkiServer, fault: str, said: str) -> None:
    """REL-05: down, dripping, sending elsewhere or answering something else, it is named."""
    stamper = HttpTimestamper(server.tsa_url, seconds=1 if fault == "slow" else 20)
    server.fault = fault
    begun = monotonic()
    with pytest.raises(TimestampFault, match=re.escape(server.tsa_url)) as caught:
        stamper.timestamp(b"\x01" * 32)
    assert said in str(caught.value)
    assert monotonic() - begun < 20
    if fault != "slow":  # this server has one thread, which still drips
        server.fault = ""
        assert stamper.timestamp(b"\x01" * 32)


def kinds(bundle: Resources) -> list[str]:
    """Of every registered file, the shortest first."""
    with Session(bundle.engine) as session:
        return list(session.scalars(select(RegisteredFile.kind).order_by(RegisteredFile.size)))


def test_b_t_and_b_lta_at_the_command_line(
    tmp_path: Path, authority: Authority, primary: School, server: PkiServer
) -> None:
    """From TSA_URL to a renewed file: pin the authority, collect its lists, issue B-T, renew."""
    shutil.copytree(authority.directory, tmp_path / "authority")
    authority = Authority.create(tmp_path / "authority", NOW)
    settings = Settings.from_environment(
        {
            "INSTANCE_DIR": str(tmp_path / "instance"),
            "SIGNING_KEYS": str(key_list(tmp_path / "keys.json", primary.credentials)),
            "TSA_URL": server.tsa_url,
        }
    )
    clock = FrozenClock(NOW)
    app = create_app(settings, checker=NoChecker(), clock=clock)
    bundle: Resources = app.extensions[KEY]

    def flask(*arguments: object, code: int = 0) -> str:
        done = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.output

    flask("database", "upgrade")
    with Session(bundle.engine) as session, session.begin():
        enter_trust(session, authority, [primary], NOW)
    rows = tmp_path / "lop.jsonl"
    rows.write_text(json.dumps(primary.rows[0].record.to_input(), ensure_ascii=False))

    # 1 Nobody's timestamps are trusted yet: neither command begins.
    assert "--purpose timestamping" in flask("issue", rows, code=1)
    assert "--purpose timestamping" in flask("renew", code=1)
    for name in ("root", "ca"):
        path = tmp_path / f"{name}.cer"
        path.write_bytes(server.certificate(name))
        flask("trust", "add-anchor", path, "--pki", "public", "--purpose", "timestamping")
        fingerprint = sha256(server.certificate(name)).hexdigest()
        flask("trust", "add-crl-address", fingerprint, server.crl_url(name))
    flask("trust", "refresh")

    # 2 B-T: the seal's timestamp was given by certomancer's TSA, once it answers to what was asked.
    clock.time = NOW + timedelta(hours=1)  # the signers' lists are of NOW
    server.move(clock.time)
    for fault in ("down", "policy", "digest"):
        server.fault = fault
        assert server.tsa_url in flask("issue", rows, code=1)
        assert kinds(bundle) == []
    server.fault = ""
    assert "Đã cấp 1" in flask("issue", rows)
    with Session(bundle.engine) as session:
        (stored,) = session.scalars(select(RegisteredFile)).all()
        report = ValidationReport.from_json(json.loads(stored.report))
    assert [(t.kind, t.passed) for t in report.timestamps] == [(TimestampKind.SIGNATURE, True)]

    # 3 B-LTA, a day later: before the signers' lists are newer it waits, then it is done, then there is
    #   nothing left.
    clock.time = NOW + DAY
    server.move(clock.time)
    flask("trust", "refresh")
    assert "chờ danh sách thu hồi 1" in flask("renew")
    authority.reissue_crls(clock.time)
    flask("trust", "import-crl", *sorted((authority.directory / "crls").glob("*.crl")))
    server.fault = "nonce"
    assert server.tsa_url in flask("renew", code=1)
    server.fault = ""
    assert "Đã gia hạn 1" in flask("renew")
    assert "Đã gia hạn 0" in flask("renew")
    assert kinds(bundle) == ["issued", "renewed"]
    assert "XXXX" in flask("renew", "XXXX", code=1)
