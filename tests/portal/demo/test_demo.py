"""The demo keeps its promises: every sample gives the answer of its manifest, every issued file is sound."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pypdfium2 as pdfium
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.demo import manifest
from portal.demo.classes import CLASSES
from portal.demo.manifest import Sample
from portal.extensions import Resources, reading
from portal.issuing import intake
from portal.registry import service as registry
from portal.trust import service as trust
from portal.web.i18n import translate
from tests.demo_instance import PUBLIC_URL, ROOT, DemoInstance
from tests.portal.issuing.judges import assert_sealed
from verifier.barcode import read_codes
from verifier.errors import InvalidInput
from verifier.record import open_disclosures, read_attachment, signature_fields
from verifier.verdict import Evidence, Outcome


@pytest.fixture(scope="module")
def app(demo_instance: DemoInstance) -> Flask:
    return demo_instance.app()


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def portal(app: Flask) -> Resources:
    found = app.extensions["portal"]
    assert isinstance(found, Resources)
    return found


@dataclass(frozen=True, slots=True)
class IssuedFile:
    """A registered file, decrypted into a folder, and what its own attachment says of it."""

    path: Path
    record_id: str
    school: str
    fields: tuple[str, ...]  # signature fields the record must have


@pytest.fixture(scope="module")
def issued(app: Flask, portal: Resources, tmp_path_factory: pytest.TempPathFactory) -> tuple[IssuedFile, ...]:
    """Every file of the registry as it was issued."""
    folder = tmp_path_factory.mktemp("issued")
    written = []
    with app.app_context(), reading() as session:
        for file in registry.registry_facts_export(session)["files"]:
            if file["kind"] != "issued":
                continue
            data = registry.read_file(session, portal.vault, portal.files, file["sha256"])
            assert data is not None
            path = folder / f"{file['record_id']}-{file['version']}.pdf"
            path.write_bytes(data)
            with pdfium.PdfDocument(data) as document:
                header, disclosures = read_attachment(bytes(document.get_attachment(0).get_data()))
            names = open_disclosures(header, disclosures)
            codes = tuple(name.removeprefix("mon.") for name in names if name.startswith("mon."))
            fields = signature_fields(header["level"], codes)
            written.append(IssuedFile(path, file["record_id"], header["issuer"], fields))
    return tuple(written)


# ---------- what there is


def test_departments_schools_and_both_systems(app: Flask) -> None:
    with app.app_context(), reading() as session:
        schools = trust.list_schools(session)
        anchors = trust.list_anchors(session)
        signers = trust.list_signers(session)
    assert len({school.department_name for school in schools}) >= 2
    assert len(schools) >= 5
    levels = {level for school in schools for level in school.levels}
    assert levels == {"TIEU_HOC", "THCS", "THPT", "GDTX_THPT"}
    assert {anchor.pki for anchor in anchors if anchor.is_root} == {"state", "public"}
    assert {"cong_lap", "tu_thuc"} == {school.sector for school in schools}
    (merged,) = [school for school in schools if school.valid_to is not None]
    assert merged.successor_code in {school.code for school in schools if school.valid_to is None}
    assert merged.district
    assert {signer.authority.capacity for signer in signers} == {"", "KT", "Q"}


def test_enough_pupils_and_records(demo_instance: DemoInstance, issued: tuple[IssuedFile, ...]) -> None:
    rows = [row for plan in CLASSES for row in _class_file(demo_instance.demo / "lop" / plan.file_name).rows]
    assert len(rows) >= 120
    assert len({file.record_id for file in issued}) >= 40
    signatures = Counter(len(file.fields) for file in issued)
    assert signatures[3] >= 20
    assert sum(count for number, count in signatures.items() if number >= 10) >= 10


def test_the_manifest_names_every_verdict_and_only_what_is_there(demo_instance: DemoInstance) -> None:
    samples = demo_instance.samples()
    assert {sample.expected_verdict for sample in samples} == set(Outcome)
    assert {sample.expected_evidence for sample in samples} == {Evidence.FILE, Evidence.CODE}
    for sample in samples:
        assert (sample.file is None) != (sample.url is None)
        assert sample.note
        if sample.file is not None:
            assert (demo_instance.demo / sample.file).is_file()
        if sample.url is not None:
            assert sample.url.startswith(PUBLIC_URL)
    written = json.loads((demo_instance.demo / manifest.NAME).read_text("utf-8"))
    assert {frozenset(line) for line in written} == {
        frozenset({"file", "url", "expected_verdict", "expected_evidence", "note"})
    }


def test_keys_are_private_and_roots_say_demo(demo_instance: DemoInstance, app: Flask) -> None:
    for path in demo_instance.demo.rglob("*"):
        if path.suffix in (".p12", ".pass", ".key") or path.name == "keys.json":
            assert path.stat().st_mode & 0o077 == 0, path
    with app.app_context(), reading() as session:
        roots = [anchor for anchor in trust.list_anchors(session) if anchor.is_root]
    assert roots
    assert all("DEMO" in anchor.name for anchor in roots)


# ---------- samples


def _ask(client: FlaskClient, instance: DemoInstance, sample: Sample, accept: str) -> TestResponse:
    headers = {"Accept": accept}
    if sample.url is not None:
        return client.get(urlsplit(sample.url).path, headers=headers)
    assert sample.file is not None
    data = (instance.demo / sample.file).read_bytes()
    form = {"file": (BytesIO(data), Path(sample.file).name)}
    return client.post("/check", data=form, headers=headers)


def test_every_sample_gives_its_answer(client: FlaskClient, demo_instance: DemoInstance) -> None:
    """In JSON and, with the same headline and evidence, in HTML."""
    wrong = []
    for sample in demo_instance.samples():
        answer = _ask(client, demo_instance, sample, "application/json")
        assert answer.status_code == 200, sample
        said = answer.get_json()
        if (said["verdict"], said["evidence"]) != (sample.expected_verdict, sample.expected_evidence):
            wrong.append((sample.file or sample.note, said["verdict"], said["evidence"], said["reasons"]))
        page = _ask(client, demo_instance, sample, "text/html")
        text = html.unescape(page.get_data(as_text=True))
        assert page.status_code == 200
        assert said["words"]["headline"] in text, sample
        assert said["words"]["evidence"] in text, sample
    assert wrong == []


REASONS = {
    "mau/them-sau-con-dau.pdf": "changed_after_issue",
    "mau/phu-len-trang.pdf": "changed_after_issue",
    "mau/them-o-nhap.pdf": "changed_after_issue",
    "mau/byte-thua.pdf": "changed_after_issue",
    "mau/hai-bang-doi-tuong.pdf": "changed_after_issue",
    "mau/nguoi-la-ky-them.pdf": "changed_after_issue",
    "mau/luu-lai.pdf": "resaved_or_edited",
    "mau/sua-diem.pdf": "resaved_or_edited",
    "mau/chua-ky.pdf": "no_signature",
    "mau/nguoi-la-ky.pdf": "untrusted_signer",
    "mau/truong-khac-ky.pdf": "signer_not_authorised",
    "mau/khoa-yeu.pdf": "signer_not_authorised",
    "mau/ma-qr-la.jpg": "foreign_link",
    "mau/hoc-ba.zip": "zip",
    "mau/hoc-ba.xml": "xml_record",
    "mau/co-mat-khau.pdf": "encrypted",
    "mau/trong.pdf": "empty",
    "mau/rac.bin": "not_pdf_or_image",
    "mau/crl-het-han.pdf": "crl_stale",
    "mau/lui-ngay-ky.pdf": "signer_not_authorised",
}


@pytest.mark.parametrize(("file", "reason"), REASONS.items())
def test_samples_are_refused_for_their_own_reason(
    client: FlaskClient, demo_instance: DemoInstance, file: str, reason: str
) -> None:
    sample = next(sample for sample in demo_instance.samples() if sample.file == file)
    said = _ask(client, demo_instance, sample, "application/json").get_json()
    assert said["reasons"][0] == reason


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("mau/hien-hanh-tieu-hoc.pdf", []),
        ("mau/dau-thoi-gian.pdf", ["signature"]),
        ("mau/gia-han-luu-tru.pdf", ["document", "signature"]),
    ],
)
def test_samples_carry_the_timestamps_that_their_notes_tell(
    client: FlaskClient, demo_instance: DemoInstance, file: str, kinds: list[str]
) -> None:
    (sample,) = [s for s in demo_instance.samples() if s.file == file]
    said = _ask(client, demo_instance, sample, "application/json").get_json()
    assert [t["kind"] for t in said["timestamps"]] == kinds
    assert {t["indication"] for t in said["timestamps"]} <= {"TOTAL_PASSED"}
    assert {s["proven_by"] for s in said["signatures"]} == {"registration"}


def test_a_weak_key_and_a_signature_too_many_are_named(
    client: FlaskClient, demo_instance: DemoInstance
) -> None:
    """Below the verdict, where the reader is told of each signature and of what was added after it."""
    said = {}
    for name in ("mau/khoa-yeu.pdf", "mau/nguoi-la-ky-them.pdf"):
        (sample,) = [s for s in demo_instance.samples() if s.file == name]
        said[name] = _ask(client, demo_instance, sample, "application/json").get_json()
    algorithms = {
        s["field"]: next(c["status"] for c in s["checks"] if c["name"] == "algorithm")
        for s in said["mau/khoa-yeu.pdf"]["signatures"]
    }
    assert algorithms == {"GVCN": "passed", "CBQL": "passed", "KY_PHAT_HANH": "weak"}
    (added,) = [s for s in said["mau/nguoi-la-ky-them.pdf"]["signatures"] if s["field"] == "Signature1"]
    assert added["indication"] == "TOTAL_FAILED"
    kinds = {c["kind"] for r in said["mau/nguoi-la-ky-them.pdf"]["revisions"] for c in r["changes"]}
    assert "signature_added" in kinds


def test_the_home_page_leads_to_the_samples(client: FlaskClient, demo_instance: DemoInstance) -> None:
    assert 'href="/hoc-ba-mau"' in client.get("/").get_data(as_text=True)
    page = client.get("/hoc-ba-mau").get_data(as_text=True)
    for sample in demo_instance.samples():
        if sample.file is not None:
            assert f"/demo/{sample.file}" in page
            assert client.get(f"/demo/{sample.file}").status_code == 200
        elif sample.url is not None:
            assert urlsplit(sample.url).path in page


def test_the_notes_speak_the_readers_language(client: FlaskClient, demo_instance: DemoInstance) -> None:
    vietnamese, english = (
        html.unescape(client.get(f"/hoc-ba-mau{query}").get_data(as_text=True)) for query in ("", "?lang=en")
    )
    for sample in demo_instance.samples():
        told = translate(sample.note, "en")
        assert told != sample.note
        assert sample.note in vietnamese
        assert told in english
        assert sample.note not in english


def test_checking_offline_agrees(demo_instance: DemoInstance) -> None:
    """The exported bundle answers as the portal does, one file for each verdict."""
    files = {
        sample.expected_verdict: sample.file
        for sample in demo_instance.samples()
        if sample.file is not None and sample.expected_evidence is Evidence.FILE
    }
    assert files.keys() == set(Outcome)
    for verdict, file in files.items():
        done = subprocess.run(  # noqa: S603 - our own command
            [
                sys.executable,
                *("-m", "verifier", "check", str(demo_instance.demo / file), "--json"),
                *("--trust", str(demo_instance.demo / "trust.json")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert json.loads(done.stdout)["verdict"] == verdict, (file, done.stderr)
        wanted = {Outcome.GENUINE_CURRENT: 0, Outcome.CHECK_INCOMPLETE: 2}.get(verdict, 1)
        assert done.returncode == wanted, (file, done.stderr)


# ---------- issued files


def test_every_issued_file_is_sound_for_poppler_and_qpdf(issued: tuple[IssuedFile, ...], app: Flask) -> None:
    with app.app_context(), reading() as session:
        schools = {school.code for school in trust.list_schools(session)}
    for file in issued:
        assert file.school in schools
        assert_sealed(file.path, file.fields)


def test_every_page_of_every_issued_file_has_its_code(issued: tuple[IssuedFile, ...]) -> None:
    for file in issued:
        with pdfium.PdfDocument(file.path) as document:
            for page in document:
                image = page.render(scale=200 / 72).to_pil()
                (code,) = read_codes(image)
                assert code.startswith(f"{PUBLIC_URL.upper()}/V/{file.record_id}.")


# ---------- again


def test_a_second_run_renews_the_lists_and_issues_nothing(
    demo_instance: DemoInstance, tmp_path: Path
) -> None:
    copy = demo_instance.copy_to(tmp_path / "instance")
    crls = {path.name: path.read_bytes() for path in (copy.demo / "authority" / "crls").iterdir()}
    kept = {p: p.read_bytes() for p in copy.demo.rglob("*") if p.is_file() and p.suffix in (".pdf", ".p12")}
    before = (copy.demo / manifest.NAME).read_text("utf-8")

    done = copy.run("demo", "create")

    assert done.returncode == 0, done.stderr
    assert (copy.demo / manifest.NAME).read_text("utf-8") == before
    assert all(path.read_bytes() == data for path, data in kept.items())
    renewed = {
        path.name
        for path in (copy.demo / "authority" / "crls").iterdir()
        if path.read_bytes() != crls[path.name]
    }
    assert renewed == crls.keys() - {"public-lac-hong.crl"}
    client = copy.app().test_client()
    for sample in copy.samples():
        if sample.url is not None:
            said = _ask(client, copy, sample, "application/json").get_json()
            assert (said["verdict"], said["evidence"]) == (sample.expected_verdict, sample.expected_evidence)


def test_chapters_that_were_interrupted_are_told_again(demo_instance: DemoInstance, tmp_path: Path) -> None:
    copy = demo_instance.copy_to(tmp_path / "instance")
    state_path = copy.demo / "state.json"
    state = json.loads(state_path.read_text())
    state["done"] = [name for name in state["done"] if name not in ("recalls", "theft", "samples")]
    state_path.write_text(json.dumps(state))

    done = copy.run("demo", "create")

    assert done.returncode == 0, done.stderr
    assert json.loads(state_path.read_text())["done"][-1] == "samples"
    assert {s.expected_verdict for s in copy.samples()} == set(Outcome)


def test_another_port_moves_the_codes_and_keeps_the_old_ones(
    demo_instance: DemoInstance, tmp_path: Path
) -> None:
    copy = demo_instance.copy_to(tmp_path / "instance")
    done = copy.run("demo", "create", PUBLIC_URL="http://127.0.0.1:9123")
    assert done.returncode == 0, done.stderr
    assert all(s.url is None or s.url.startswith("http://127.0.0.1:9123/V/") for s in copy.samples())
    assert (copy.demo / "former-urls").read_text().strip() == PUBLIC_URL


def test_commands_print_the_host_that_was_served(demo_instance: DemoInstance, tmp_path: Path) -> None:
    copy = demo_instance.copy_to(tmp_path / "it's an instance")
    url = "http://127.0.0.1:9123"
    assert copy.run("demo", "create", PUBLIC_URL=url).returncode == 0
    read = subprocess.run(  # noqa: S603 - our own file, read as the README says
        ["/bin/sh", "-c", '. "$0" && env', str(copy.demo / "environment")],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    settings = dict(line.split("=", 1) for line in read.stdout.splitlines())
    assert (settings["PUBLIC_URL"], settings["PUBLIC_URL_FORMER"]) == (url, PUBLIC_URL)
    assert settings["INSTANCE_DIR"] == str(copy.directory)
    assert Path(settings["SIGNING_KEYS"]).is_file()


def test_production_is_left_alone(tmp_path: Path, demo_instance: DemoInstance) -> None:
    copy = demo_instance.copy_to(tmp_path / "instance")
    done = copy.run("demo", "create", ENVIRONMENT="production", DEMO="0")
    assert done.returncode != 0
    assert "error:" in done.stderr


# ---------- by hand


def _class_file(path: Path) -> intake.ClassFile:
    return intake.read_class_file(path.read_bytes(), path.name)


@pytest.mark.parametrize("name", [plan.file_name for plan in CLASSES])
def test_class_files_pass_the_intake(demo_instance: DemoInstance, name: str) -> None:
    checked = intake.validate(_class_file(demo_instance.demo / "lop" / name))
    assert checked.problems == ()
    assert checked.records


@pytest.mark.parametrize("school", ["y-jut", "ban-mai", "gdtx-buon-hoa", "hoa-ban"])
def test_a_class_left_over_can_be_issued_by_hand(
    demo_instance: DemoInstance, tmp_path: Path, school: str
) -> None:
    plan = next(p for p in CLASSES if p.school == school and not p.issued and (p.optional or p.cases))
    copy = demo_instance.copy_to(tmp_path / "instance")
    file = str(copy.demo / "lop" / plan.file_name)
    done = copy.run("issue", "--dry-run", file, SIGNING_KEYS=str(copy.demo / "keys.json"))
    assert done.returncode == 0, done.stderr


def test_the_file_of_mistakes_is_refused_with_all_of_them(demo_instance: DemoInstance) -> None:
    path = demo_instance.demo / "lop" / "co-loi.csv"
    try:
        checked = intake.validate(_class_file(path))
    except InvalidInput as error:
        pytest.fail(f"refused as a whole: {error}")
    wanted = ("mon.TOAN.hk1", "mon.NGU_VAN.ca_nam", "ngay_sinh", "ket_qua_len_lop", "ma_hoc_sinh")
    told = " ".join(problem.where for problem in checked.problems)
    assert all(field in told for field in wanted), told
    assert any(problem.code == "look_alike" for problem in checked.warnings)
