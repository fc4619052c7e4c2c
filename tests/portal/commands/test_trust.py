"""The command line of trust: what it says, what it leaves behind, and what a scan answers in between."""

from __future__ import annotations

import io
import json
import os
import pwd
import shutil
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from flask import Flask
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.demo.authority import PUBLIC_FIRST, STATE_PEOPLE, STATE_ROOT, STATE_SEALS, Authority
from portal.filestore import ObjectFiles
from portal.issuing.keys import load_keys
from portal.issuing.rendering import Renderer
from portal.registry import service as registry
from portal.registry.models import RegisteredFile
from portal.trust import service as trust
from portal.vault import Vault
from tests.conftest import ACTOR, NOW, FrozenClock
from tests.portal.audit.reading import entries
from tests.portal.commands.conftest import Run
from tests.portal.issuing.world import World, class_plan, enter_trust, key_list, open_school
from tests.portal.trust.test_renewed_authority import renewed
from tests.portal.two_persons import FIRST, REFERENCE, SECOND, as_user, decided
from verifier import pades
from verifier.locator import Locator
from verifier.policy import DEFAULT
from verifier.report import Medium, ValidationReport
from verifier.trust import read_store
from verifier.verdict import Outcome, RegistryFacts, Standing, decide

# Issuing a real record takes its time; what differs between databases is tested without one.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority.create(tmp_path_factory.mktemp("authority"), NOW)
    open_school(authority, class_plan("TIEU_HOC"))  # its keys are made once
    return authority


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def authority(published: Authority, tmp_path: Path) -> Authority:
    """A copy that a test may publish lists with."""
    shutil.copytree(published.directory, tmp_path / "authority")
    return Authority.create(tmp_path / "authority", NOW)


@pytest.fixture
def pinned(run: Run, authority: Authority) -> Run:
    """A state root, its two authorities, their lists, a department and a public school, all by command."""
    run("trust", "add-department", "91", "--name", "Sở GDĐT An Giang", "--province", "An Giang")
    run("trust", "add-school", "001234", *SCHOOL)
    for slug in (STATE_ROOT, STATE_PEOPLE, "state-seals"):
        run("trust", "add-anchor", authority.directory / "ca" / f"{slug}.cer", "--pki", "state")
    run("trust", "import-crl", *sorted((authority.directory / "crls").glob("state-*.crl")))
    return run


SCHOOL = (
    *("--name", "Trường Tiểu học Kim Đồng", "--department", "91", "--level", "TIEU_HOC"),
    *(
        "--commune",
        "Phường Rạch Giá",
        "--province",
        "An Giang",
        "--sector",
        "cong_lap",
        "--valid-from",
        "01/08/2020",
    ),
)


def test_from_nothing_to_an_approved_signer_sec_24(
    pinned: Run, authority: Authority, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-24: who registers a key does not approve it, in whatever spelling; another does. Stopping it does
    not wait for anybody; doubting what it signed before takes two.
    """
    teacher = authority.person("Trần Thị B", "GVCN")
    path = teacher.path.with_suffix(".cer")
    added = pinned(
        "trust", "add-signer", path, "--school", "001234", "--role", "GVCN", "--name", "Cô Trần Thị B"
    )
    key = added.output.split()[-1]
    assert "chờ duyệt" in pinned("trust", "list").output
    actor = f"command:{pwd.getpwuid(os.getuid()).pw_name}"
    for same in (pwd.getpwuid(os.getuid()).pw_name, pwd.getpwuid(os.getuid()).pw_name.upper()):
        as_user(monkeypatch, same)
        assert "người thứ hai" in pinned("trust", "approve", key, code=1).stderr
    as_user(monkeypatch, SECOND)
    pinned("trust", "approve", key)
    listed = pinned("trust", "list", "--school", "001234").output
    for word in (
        "Cô Trần Thị B",
        "đã duyệt",
        teacher.sha256,
        "Trường Tiểu học Kim Đồng",
        "DEMO RootCA",
        "gốc",
    ):
        assert word in listed
    pinned("trust", "suspend", teacher.sha256)
    assert f"đình chỉ từ {trust.local(NOW):%H:%M %d/%m/%Y}" in pinned("trust", "list").output
    since = ("--since", "2026-10-01T08:00")
    decision = decided(pinned, monkeypatch, "suspend_signers", teacher.sha256, *since, reason="not_in_office")
    assert "Cô Trần Thị B" in pinned("decisions", "show", decision).output
    pinned("trust", "suspend", "--decision", decision)
    assert "đình chỉ từ 08:00 01/10/2026" in pinned("trust", "list").output
    with Session(engine) as session:
        (row,) = trust.load_store(session).signers
        assert row.invalid_since is not None
        assert row.invalid_since.isoformat() == "2026-10-01T01:00:00+00:00"
        told = [(e["actor"], e["details"]["change"]) for e in entries(session) if "change" in e["details"]]
    assert (actor, "add_signer") in told
    assert (f"command:{SECOND}", "approve") in told


def test_refusals_name_everything_and_change_nothing(
    pinned: Run, authority: Authority, engine: Engine
) -> None:
    with Session(engine) as session:
        epoch = trust.current_epoch(session)
    public = authority.seal("Trường Tiểu học Kim Đồng", ca=PUBLIC_FIRST).path.with_suffix(".cer")
    wrong = pinned(
        *("trust", "add-signer", public, "--school", "999999", "--role", "KY_PHAT_HANH", "--capacity", "KT"),
        code=1,
    )
    lines = wrong.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    unknown = pinned("trust", "approve", "nobody", code=1)
    assert [line.partition(":")[0] for line in unknown.stderr.splitlines()] == ["error", "hint"]
    assert unknown.stdout == ""
    pinned("trust", "close-school", "000000", "--valid-to", "2026-06-30", code=1)
    pinned("trust", "remove-anchor", "00" * 32, code=1)
    pinned("trust", "import-crl", public, code=1)
    propose = ("decisions", "propose", "suspend_signers", "x", "--reason", "key_stolen", *REFERENCE)
    pinned(*propose, "--since", "hôm qua", code=2)
    pinned(*propose, code=2)
    pinned("trust", "add-school", "001235", *SCHOOL[:-1], "31/02/2020", code=2)
    pinned("trust", "add-anchor", "no-such-file", "--pki", "state", code=2)
    with Session(engine) as session:
        assert trust.current_epoch(session) == epoch


def test_every_refusal_names_its_object(
    pinned: Run, authority: Authority, engine: Engine, tmp_path: Path
) -> None:
    """SEC-30: what was asked for, on what. SEC-28: what names nothing of ours is there as a keyed hash."""
    ca = authority.directory / "ca" / f"{STATE_PEOPLE}.cer"
    teacher = authority.person("Trần Thị B", "GVCN")
    path = teacher.path.with_suffix(".cer")
    pinned("trust", "add-signer", path, "--school", "001234", "--role", "GVCN", "--name", "Cô B")
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish")
    rubbish_sha = sha256(b"rubbish").hexdigest()
    nothing = "0a" * 32
    colons = ":".join(["0A"] * 32)
    asked: list[tuple[tuple[str | Path, ...], tuple[str, ...]]] = [
        (("add-department", "91", "--name", "Sở", "--province", "An Giang"), ("department:91",)),
        (("add-department", "Sở An", "--name", "Sở", "--province", "An Giang"), ("typed:",)),
        (("add-school", "001234", *SCHOOL), ("school:001234",)),
        (("add-school", "Trường An", *SCHOOL), ("typed:",)),
        (("close-school", "000000", "--valid-to", "2026-06-30"), ("school:000000",)),
        (("add-anchor", path, "--pki", "state"), (f"certificate:{teacher.sha256}",)),
        (("add-anchor", rubbish, "--pki", "state"), (f"certificate:{rubbish_sha}",)),
        (("remove-anchor", colons), (f"certificate:{nothing}",)),
        (("remove-anchor", "nobody"), ("typed:",)),
        (("add-signer", path, "--school", "9", "--role", "GVCN"), (f"certificate:{teacher.sha256}",)),
        (("approve", teacher.sha256, "nobody"), (f"certificate:{teacher.sha256}", "typed:")),
        (
            ("suspend", "nobody", colons),
            ("typed:", f"certificate:{nothing}"),
        ),
        (("import-crl", rubbish, ca), (f"list:{rubbish_sha}", f"list:{sha256(ca.read_bytes()).hexdigest()}")),
        (("add-crl-address", nothing, "http://x/y.crl"), (f"certificate:{nothing}",)),
        (("remove-crl-address", "http://nguyen-van-an/"), ("typed:",)),
    ]
    for arguments, objects in asked:
        with Session(engine) as session:
            before = len(entries(session))
        pinned("trust", *arguments, code=1)
        with Session(engine) as session:
            told = entries(session)[before:]
        assert len(told) == len(objects), arguments
        for entry, wanted in zip(told, objects, strict=True):
            assert (entry["action"], entry["outcome"]) == ("trust_change", "refused")
            assert entry["details"]["command"] == f"trust {arguments[0]}"
            assert entry["object"] == wanted if wanted != "typed:" else entry["object"].startswith(wanted)


def test_a_school_is_closed_and_renamed(pinned: Run, engine: Engine) -> None:
    pinned("trust", "close-school", "001234", "--valid-to", "30/06/2026", "--successor", "001234")
    renamed = ("--name", "Trường Tiểu học Rạch Giá 1", *SCHOOL[2:-1], "2026-07-01")
    pinned("trust", "add-school", "001234", *renamed)
    with Session(engine) as session:
        assert [s.name for s in trust.list_schools(session)] == [
            "Trường Tiểu học Kim Đồng",
            "Trường Tiểu học Rạch Giá 1",
        ]


def test_an_old_list_is_taken_with_a_warning(pinned: Run, authority: Authority, clock: FrozenClock) -> None:
    clock.time = NOW + timedelta(days=30)
    authority.reissue_crls(NOW + timedelta(days=1))
    late = pinned("trust", "import-crl", authority.directory / "crls" / f"{STATE_PEOPLE}.crl")
    assert "hint: " in late.stderr
    assert "quá hạn" in late.stderr


def test_one_bad_list_does_not_keep_the_others_out(
    pinned: Run, authority: Authority, clock: FrozenClock, tmp_path: Path, engine: Engine
) -> None:
    clock.time = NOW + timedelta(hours=2)
    authority.reissue_crls(NOW + timedelta(hours=1))
    good = [authority.directory / "crls" / f"{slug}.crl" for slug in (STATE_ROOT, STATE_PEOPLE)]
    bad = tmp_path / "bad.crl"
    bad.write_bytes(b"no list")
    with Session(engine) as session:
        epoch = trust.current_epoch(session)
    result = pinned("trust", "import-crl", good[0], bad, good[1], code=1)
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert str(bad) in error
    for path in good:
        assert str(path) in result.stdout
    with Session(engine) as session:
        assert trust.current_epoch(session) == epoch + 2


def test_the_list_names_levels_and_periods_and_refuses_an_unknown_school(
    pinned: Run, authority: Authority
) -> None:
    path = authority.person("Trần Thị B", "GVCN").path.with_suffix(".cer")
    pinned(
        *("trust", "add-signer", path, "--school", "001234", "--role", "GVCN"),
        *("--valid-from", "2026-09-01", "--valid-to", "2027-05-31"),
    )
    listed = pinned("trust", "list", "--school", "001234").output
    assert "công lập, TIEU_HOC, 01/08/2020 – nay" in listed
    assert "00:00 01/09/2026 – 00:00 31/05/2027" in listed
    assert pinned("trust", "list", "--school", "999999", code=1).stderr.startswith("error: ")


def test_the_exported_bundle_is_one_the_verifier_reads(
    pinned: Run, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "out" / "bundle.json"
    pinned("trust", "export", path)
    bundle = json.loads(path.read_text())
    assert bundle["hosts"]["public_url"] == settings.public_url
    assert bundle["as_of"] == NOW.isoformat()
    assert len(read_store(path).anchors) == 1


class TestWithARealRecord:
    """Suspending, revoking and staleness, seen through a sealed and registered file."""

    @pytest.fixture
    def world(
        self,
        *,
        engine: Engine,
        vault: Vault,
        files: ObjectFiles,
        authority: Authority,
        clock: FrozenClock,
        renderer: Renderer,
    ) -> World:
        school = open_school(authority, class_plan("TIEU_HOC"))
        ring = load_keys(key_list(authority.directory / "keys.json", school.credentials))
        with Session(engine) as session, session.begin():
            enter_trust(session, authority, [school], NOW)
        world = World(engine, vault, files, authority, (school,), ring, clock, renderer)
        world.run(school.rows[:1])
        clock.time = NOW + timedelta(hours=1)
        return world

    def answers(self, world: World) -> tuple[Outcome, Outcome]:
        """(scan of the code, upload of the file) at the clock's time."""
        now = world.clock.now()
        (record, version, file) = world.registered()[0]
        with world.begin() as session:
            facts, _ = registry.look_up_locator(
                session, world.vault, Locator(record.record_id, version.digest), now=now
            )
            data = registry.read_file(session, world.vault, world.files, file.sha256)
            assert data is not None
            assert sha256(data).hexdigest() == file.sha256
            found = registry.find_file(session, file.sha256, now=now)
            store = trust.load_store(session)
        assert found is not None
        scanned = decide(ValidationReport(now, Medium.CODE), RegistryFacts(code=facts)).outcome
        report = pades.revalidate(
            data, found.structure, store, DEFAULT, now, registered_at=found.registered_at
        )
        full, _ = pades.validate(data, store, DEFAULT, now, registered_at=found.registered_at)
        uploaded = decide(report, RegistryFacts(file=found.facts)).outcome
        assert decide(full, RegistryFacts(file=found.facts)).outcome is uploaded
        return scanned, uploaded

    def test_genuine_until_a_signer_is_suspended(
        self, run: Run, world: World, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)
        seal = world.schools[0].seal.sha256
        clock.time += timedelta(minutes=1)
        after = run("trust", "suspend", seal)
        assert "1 tệp phải kiểm tra lại" in after.output
        assert "1 đạt" in after.output  # it was signed before that moment
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)
        what = (seal, "--since", "2026-01-01")
        decision = decided(run, monkeypatch, "suspend_signers", *what, reason="key_stolen")
        before = run("trust", "suspend", "--decision", decision)
        assert "1 không đạt" in before.output
        failed = Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        assert self.answers(world) == (failed, failed)

    @SQLITE
    def test_a_closed_school_is_judged_anew(self, run: Run, world: World, tmp_path: Path) -> None:
        """Here and offline, what is proven only after its end counts no more; under a new name it goes on."""
        plan = world.schools[0].plan
        closed = run("trust", "close-school", plan.code, "--valid-to", "30/09/2026", "--successor", plan.code)
        assert "1 tệp phải kiểm tra lại" in closed.output
        assert "1 không đạt" in closed.output
        failed = Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        assert self.answers(world) == (failed, failed)
        run("trust", "export", tmp_path / "bundle.json")
        end = datetime(2026, 9, 30, 17, tzinfo=UTC)  # midnight in Vietnam
        assert {row.valid_to for row in read_store(tmp_path / "bundle.json").signers} == {end}
        renamed = run(
            *("trust", "add-school", plan.code, "--name", "Tên mới", "--department", "S00"),
            *(part for level in plan.levels for part in ("--level", level)),
            *("--commune", plan.place.commune, "--province", plan.place.province),
            *("--sector", plan.sector, "--valid-from", "01/10/2026"),
        )
        assert "1 đạt" in renamed.output
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)

    @SQLITE
    def test_registering_again_does_not_bring_back_what_a_suspension_withdrew(
        self, run: Run, world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seal = world.schools[0].seal

        def suspend(signer: str, since: str) -> None:
            what = (signer, "--since", since)
            decision = decided(run, monkeypatch, "suspend_signers", *what, reason="key_stolen")
            run("trust", "suspend", "--decision", decision)

        suspend(seal.sha256, "2026-09-01")
        failed = Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        assert self.answers(world) == (failed, failed)
        bad = run(
            *("decisions", "propose", "suspend_signers", seal.sha256, "--since", "2026-09-02"),
            *("--reason", "key_stolen", *REFERENCE),
            code=1,
        )
        assert "--valid-from" in bad.stderr
        again = (
            *("trust", "add-signer", seal.path.with_suffix(".cer"), "--role", "KY_PHAT_HANH"),
            *("--school", world.schools[0].plan.code, "--valid-from"),
        )
        # From before the suspension, or from its very moment: still bound by it.
        for start in ("2026-08-31", "2026-09-01"):
            as_user(monkeypatch, FIRST)
            key = run(*again, start).output.split()[-1]
            as_user(monkeypatch, SECOND)
            run("trust", "approve", key)
            assert self.answers(world) == (failed, failed)
            suspend(key, "2026-09-01")
        # A new decision for the time after it stands by itself.
        as_user(monkeypatch, FIRST)
        key = run(*again, "2026-09-02").output.split()[-1]
        as_user(monkeypatch, SECOND)
        run("trust", "approve", key)
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)

    @SQLITE
    def test_between_the_change_and_the_validation_the_code_says_so(
        self, world: World, engine: Engine, run: Run
    ) -> None:
        seal = world.schools[0].seal.sha256
        with Session(engine) as session, session.begin():
            keys = trust.find_signers(session, seal)
            change = trust.suspend(session, keys, NOW - timedelta(days=1), actor=ACTOR, now=world.clock.now())
            assert registry.withdraw_standing(session, change.certificates, epoch=change.epoch) == 1
        assert self.answers(world)[0] is Outcome.CHECK_INCOMPLETE
        assert "1 không đạt" in run("registry", "revalidate").output
        assert run("registry", "revalidate").output == ""

    @SQLITE
    def test_a_revocation_reaches_the_code_with_the_list(
        self, run: Run, world: World, authority: Authority
    ) -> None:
        teacher = next(iter(world.schools[0].people.values()))
        authority.revoke(teacher, NOW - timedelta(days=2))
        authority.reissue_crls(NOW + timedelta(minutes=30))
        imported = run("trust", "import-crl", *sorted((authority.directory / "crls").glob("*.crl")))
        signed_by_teacher = teacher.sha256 in world.registered()[0][2].report
        expected = Outcome.REGISTERED_BUT_SIGNATURE_FAILS if signed_by_teacher else Outcome.GENUINE_CURRENT
        assert ("1 không đạt" in imported.output) is signed_by_teacher
        assert self.answers(world) == (expected, expected)

    def test_stale_lists_leave_both_open_until_new_ones_come(
        self, run: Run, world: World, authority: Authority, clock: FrozenClock
    ) -> None:
        clock.time = NOW + timedelta(days=8)
        assert self.answers(world) == (Outcome.CHECK_INCOMPLETE, Outcome.CHECK_INCOMPLETE)
        assert "1 chưa kiểm tra được (crl_stale)" in run("registry", "revalidate").output
        clock.time += timedelta(hours=1)
        authority.reissue_crls(clock.time)
        imported = run("trust", "import-crl", *sorted((authority.directory / "crls").glob("*.crl")))
        assert "1 đạt" in imported.output
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)

    @SQLITE
    def test_lists_imported_in_time_leave_no_gap(
        self, run: Run, world: World, authority: Authority, clock: FrozenClock
    ) -> None:
        clock.time = NOW + timedelta(days=6, hours=12)
        authority.reissue_crls(clock.time)
        imported = run("trust", "import-crl", *sorted((authority.directory / "crls").glob("*.crl")))
        assert "phải kiểm tra lại" not in imported.output
        assert "1 đạt" in imported.output
        clock.time = NOW + timedelta(days=8)
        assert self.answers(world) == (Outcome.GENUINE_CURRENT, Outcome.GENUINE_CURRENT)

    @SQLITE
    def test_a_removed_root_takes_everything_below_it_along(
        self, run: Run, world: World, authority: Authority
    ) -> None:
        (file,) = (file for *_, file in world.registered())
        roots = [authority.ca_certificate(slug) for slug in (STATE_ROOT, "public-root")]
        for root in roots:
            der = root.public_bytes(serialization.Encoding.DER)
            run("trust", "remove-anchor", sha256(der).hexdigest())
        failed = Outcome.REGISTERED_BUT_SIGNATURE_FAILS
        assert self.answers(world) == (failed, failed)
        assert file.standing == Standing.PASSED  # as it was before

    def seen(self, app: Flask, world: World) -> tuple[Any, Any, set[str]]:
        """What a visitor sees: the verdict on the scanned code, the verdict on the uploaded file, and what
        the latter says of the seal's certificate and revocation where they did not pass.
        """
        (record, version, file) = world.registered()[0]
        with world.begin() as session:
            data = registry.read_file(session, world.vault, world.files, file.sha256)
        assert data is not None
        client, as_json = app.test_client(), {"Accept": "application/json"}
        code = Locator(record.record_id, version.digest)
        scan = client.get(f"/V/{code}", headers=as_json).get_json()
        upload = client.post("/check", headers=as_json, data={"file": (io.BytesIO(data), "x.pdf")}).get_json()
        seal = next(s for s in upload["signatures"] if s["role"] == "KY_PHAT_HANH")
        codes = {c["code"] for c in seal["checks"] if c["name"] in ("certificate", "revocation")} - {""}
        assert (scan["evidence"], upload["evidence"]) == ("code", "file")
        return scan["verdict"], upload["verdict"], codes

    @SQLITE
    @pytest.mark.parametrize("key_too", [False, True], ids=["same key", "new key"])
    def test_a_renewed_authority_and_the_old_one_stand_together(
        self, *, run: Run, app: Flask, world: World, authority: Authority, tmp_path: Path, key_too: bool
    ) -> None:
        old = authority.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER)
        path = tmp_path / "renewed.cer"
        path.write_bytes(renewed(authority, key_too=key_too, starts=NOW + timedelta(minutes=30)))
        genuine, failed = "GENUINE_CURRENT", "REGISTERED_BUT_SIGNATURE_FAILS"
        assert self.seen(app, world) == (genuine, genuine, set())
        run("trust", "add-anchor", path, "--pki", "state")
        assert self.seen(app, world) == (genuine, genuine, set())
        # The new certificate alone says nothing of what was signed before it was there, or by another key.
        run("trust", "remove-anchor", sha256(old).hexdigest())
        assert self.seen(app, world)[:2] == (failed, failed)
        assert ("no_path" if key_too else "ca_not_yet_valid") in self.seen(app, world)[2]
        (tmp_path / "old.cer").write_bytes(old)
        run("trust", "add-anchor", tmp_path / "old.cer", "--pki", "state")
        assert self.seen(app, world) == (genuine, genuine, set())

    @SQLITE
    def test_a_certificate_that_covers_the_time_of_signing_stands_for_its_authority(
        self, *, run: Run, app: Flask, world: World, authority: Authority, tmp_path: Path
    ) -> None:
        old = authority.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER)
        path = tmp_path / "renewed.cer"
        path.write_bytes(renewed(authority))  # the same name and key, valid since before the record
        run("trust", "add-anchor", path, "--pki", "state")
        run("trust", "remove-anchor", sha256(old).hexdigest())
        assert self.seen(app, world) == ("GENUINE_CURRENT", "GENUINE_CURRENT", set())

    @SQLITE
    def test_a_removed_intermediate_leaves_no_path_whatever_the_file_brings(
        self, run: Run, app: Flask, world: World, authority: Authority
    ) -> None:
        der = authority.ca_certificate(STATE_SEALS).public_bytes(serialization.Encoding.DER)
        assert "1 không đạt" in run("trust", "remove-anchor", sha256(der).hexdigest()).output
        failed = "REGISTERED_BUT_SIGNATURE_FAILS"
        assert self.seen(app, world) == (failed, failed, {"no_path"})
        assert self.answers(world) == (Outcome(failed), Outcome(failed))

    @SQLITE
    def test_a_lost_stored_file_is_named_and_restoring_it_is_the_hint(
        self, run: Run, world: World, engine: Engine
    ) -> None:
        with Session(engine) as session, session.begin():
            session.execute(update(RegisteredFile).values(standing=Standing.INCOMPLETE))
            lost = session.scalars(select(RegisteredFile)).first()
            assert lost is not None
            lost.stored_name = "0" * 64
        answer = run("registry", "revalidate", code=1)
        assert "1 tệp trong kho bị mất" in answer.output
        assert "0" * 64 in answer.output
        assert "bản sao lưu" in answer.output


def test_the_database_command_may_run_again(run: Run) -> None:
    for _ in range(2):
        assert "mới nhất" in run("database", "upgrade").output
