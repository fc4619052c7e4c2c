"""The command line: exit codes, words, and the offline bundle's answers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import qrcode

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from verifier import cli, words
from verifier.bundle import FORMAT, read_bundle
from verifier.errors import InvalidInput
from verifier.locator import Locator, digest_text, group, new_record_id, url
from verifier.report import Indication, Medium, Opinion, OpinionBy, Prefix, ValidationReport
from verifier.verdict import CodeKind, Evidence, Outcome, Standing, Verdict, VersionState

HOST = "https://hocba.example.vn"
RECORD = new_record_id(bytes(range(10)))
DIGEST = bytes(range(32))
HOUR = timedelta(hours=1)


def bundle_of(world: World, *pdfs: bytes, as_of: datetime = NOW, **changes: Any) -> dict[str, Any]:
    """A bundle with one record, whose versions 1, 2 … are the given files; all but the last superseded."""
    versions = [
        {
            "record_id": RECORD,
            "version": number,
            "digest": (DIGEST[:-1] + bytes([number])).hex(),
            "state": "current" if number == len(pdfs) else "superseded",
            "since": None if number == len(pdfs) else (NOW - HOUR).isoformat(),
            "recall_reason": None,
        }
        for number in range(1, len(pdfs) + 1)
    ]
    files = [
        {
            "sha256": sha256(pdf).hexdigest(),
            "size": len(pdf),
            "kind": "issued",
            "record_id": RECORD,
            "version": number,
            "registered_at": NOW.isoformat(),
            "standing": "passed",
            "checked_at": (NOW - 2 * timedelta(days=1)).isoformat(),
            "fresh_until": (NOW + 6 * timedelta(days=1)).isoformat(),
        }
        for number, pdf in enumerate(pdfs, 1)
    ]
    return {
        "format": FORMAT,
        "as_of": as_of.isoformat(),
        "trust": world.trust().to_json(),
        "registry": {"files": files, "versions": versions},
        "hosts": {"public_url": HOST, "former": ["old.example.vn"]},
    } | changes


@dataclass
class Desk:
    """A folder with a bundle, to run commands in."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def put(self, name: str, content: bytes | dict[str, Any]) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        said = self.capture.readouterr()
        return code, said.out, said.err

    def check(self, data: bytes, bundle: dict[str, Any], *options: str) -> tuple[int, dict[str, Any]]:
        code, out, _ = self.run(
            "check", self.put("file", data), "--trust", self.put("bundle.json", bundle), "--json", *options
        )
        return code, json.loads(out)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_a_current_file(desk: Desk, world: World, primary: bytes) -> None:
    code, answer = desk.check(primary, bundle_of(world, primary))
    assert code == 0
    assert (answer["verdict"], answer["evidence"]) == ("GENUINE_CURRENT", "file")
    assert answer["record"]["record_id"] == RECORD
    assert [s["role"] for s in answer["signatures"]] == ["GVCN", "CBQL", "KY_PHAT_HANH"]
    assert answer["document"]["sha256"] == sha256(primary).hexdigest()
    for signature in answer["signatures"]:
        opinions = {o["by"]: (o["indication"], o["agreement"]) for o in signature["opinions"]}
        asked = ("ours", "pyhanko_classic", "pyhanko_ades_basic")
        assert opinions == dict.fromkeys(asked, ("TOTAL_PASSED", "same"))
    said = words.say(Verdict(Outcome.GENUINE_CURRENT, Evidence.FILE), "vi")
    assert answer["words"]["headline"] == said.headline


def test_the_same_in_words(desk: Desk, world: World, primary: bytes) -> None:
    arguments = ("check", desk.put("a.pdf", primary), "--trust", desk.put("b", bundle_of(world, primary)))
    for language in words.LANGUAGES:
        code, out, err = desk.run(*arguments, "--lang", language)
        assert (code, err) == (0, "")
        said = words.say(Verdict(Outcome.GENUINE_CURRENT, Evidence.FILE), language)
        assert out.startswith(said.headline + "\n")
        assert said.next_step in out
        ours = Opinion(OpinionBy.OURS, Indication.TOTAL_PASSED, None)
        assert out.count(f"    {words.opinion_words(ours, language)} · pyHanko: TOTAL_PASSED · ") == 3


def test_superseded_and_recalled(desk: Desk, world: World, primary: bytes, secondary: bytes) -> None:
    bundle = bundle_of(world, primary, secondary)
    code, answer = desk.check(primary, bundle)
    assert (code, answer["verdict"]) == (1, "GENUINE_SUPERSEDED")
    assert answer["record"]["since"] == (NOW - HOUR).isoformat()
    recalled = bundle["registry"]["versions"][1]
    recalled |= {"state": "recalled", "recall_reason": "issued_in_error", "since": NOW.isoformat()}
    code, answer = desk.check(secondary, bundle)
    assert (code, answer["verdict"], answer["reasons"]) == (
        1,
        "GENUINE_REVOKED",
        ["recalled:issued_in_error"],
    )


def test_changed_unknown_and_unsigned(desk: Desk, world: World, primary: bytes, secondary: bytes) -> None:
    bundle = bundle_of(world, primary)
    code, answer = desk.check(primary + b"\n%\n", bundle)
    assert (code, answer["verdict"], answer["reasons"]) == (1, "CONTENT_DIFFERS", ["changed_after_issue"])
    code, answer = desk.check(secondary, bundle)
    assert (code, answer["verdict"]) == (1, "SEAL_VALID_NOT_REGISTERED")
    code, answer = desk.check(pki.base_pdf((), None), bundle)
    assert (code, answer["verdict"], answer["reasons"]) == (1, "NOT_VERIFIED", ["no_signature"])
    code, answer = desk.check(b"PK\x03\x04", bundle)
    assert (code, answer["verdict"], answer["reasons"]) == (1, "NOT_VERIFIED", ["zip"])


def test_a_stale_list_is_not_completed(desk: Desk, world: World, primary: bytes) -> None:
    stale = world.root.crl(this_update=NOW - 9 * HOUR, next_update=NOW - HOUR)
    trust = world.trust(crls=(stale, world.intermediate.crl()))
    code, answer = desk.check(primary, bundle_of(world, primary, trust=trust.to_json()))
    assert (code, answer["verdict"], answer["reasons"]) == (2, "CHECK_INCOMPLETE", ["crl_stale"])


def test_registry_facts_grow_old(desk: Desk, world: World, primary: bytes) -> None:
    yesterday = bundle_of(world, primary, as_of=NOW - 25 * HOUR)
    code, answer = desk.check(primary, yesterday)
    assert (code, answer["verdict"], answer["reasons"]) == (2, "CHECK_INCOMPLETE", ["registry_stale"])
    code, answer = desk.check(primary, yesterday, "--max-age", "48")
    assert (code, answer["verdict"]) == (0, "GENUINE_CURRENT")
    code, _ = desk.check(primary, bundle_of(world, primary), "--max-age", "0")
    assert code == 2
    tomorrow = bundle_of(world, primary, as_of=NOW + 24 * HOUR)
    assert desk.check(primary, tomorrow)[0] == 2


def picture(text: str) -> bytes:
    buffer = io.BytesIO()
    qrcode.make(text).get_image().convert("L").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_photo_answers_for_its_code_and_is_never_green(desk: Desk, world: World, primary: bytes) -> None:
    locator = Locator(RECORD, DIGEST[:-1] + bytes([1]))
    bundle = bundle_of(world, primary)
    code, answer = desk.check(picture(url(HOST, locator)), bundle)
    assert (code, answer["verdict"], answer["evidence"]) == (1, "GENUINE_CURRENT", "code")
    other = Locator(RECORD, bytes(32))
    assert desk.check(picture(url(HOST, other)), bundle)[1]["reasons"] == ["digest_mismatch"]
    assert desk.check(picture("https://elsewhere.example/V/1"), bundle)[1]["reasons"] == ["foreign_link"]
    lapsed = bundle_of(world, primary)
    lapsed["registry"]["files"][0]["fresh_until"] = (NOW - HOUR).isoformat()
    code, answer = desk.check(picture(url(HOST, locator)), lapsed)
    assert (code, answer["reasons"]) == (2, ["standing_lapsed"])
    checked = NOW - timedelta(days=2)  # the portal's last check of that file, not the day of the bundle
    assert checked.astimezone(words.VIETNAM).strftime("%d/%m/%Y") in answer["words"]["sentence"]
    assert answer["bundle"] == {
        "as_of": NOW.isoformat(),
        "trust_epoch": world.trust().epoch,
        "checked_at": checked.isoformat(),
    }
    lapsed["registry"]["files"][0] |= {"standing": "incomplete", "checked_at": None}
    assert desk.check(picture(url(HOST, locator)), lapsed)[1]["reasons"] == ["revalidation_pending"]


def test_used_wrongly(desk: Desk, world: World, primary: bytes) -> None:
    bundle = desk.put("b", bundle_of(world, primary))
    file = desk.put("a.pdf", primary)
    for arguments in (
        (),
        ("chek", file),
        ("check", file),
        ("check", file, "--trust", bundle, "--max-age", "soon"),
        ("check", file, "--trust", bundle, "--max-age", "-1"),
        ("check", file, "--trust", bundle, "--lang", "fr"),
        ("check", str(desk.folder / "none"), "--trust", bundle),
        ("check", file, "--trust", str(desk.folder / "none")),
        ("check", str(desk.folder), "--trust", bundle),
        ("record",),
        ("record", file, "--schema"),
        ("inspect", str(desk.folder / "none")),
        ("locator",),
    ):
        code, out, err = desk.run(*arguments)
        assert (code, out) == (64, ""), arguments
        assert err.startswith("error: "), arguments
        assert "\nhint: " in err, arguments


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b.pop("format"),
        lambda b: b.update(format="another"),
        lambda b: b.pop("trust"),
        lambda b: b.pop("hosts"),
        lambda b: b.update(as_of="2026-06-01T00:00:00"),
        lambda b: b["registry"]["files"][0].update(version=9),
        lambda b: b["registry"]["files"][0].pop("standing"),
        lambda b: b["registry"]["versions"][0].update(state="lost"),
        lambda b: b["registry"]["versions"][0].update(digest="zz"),
        lambda b: b["trust"]["signers"][0].update(valid_from="yesterday"),
        lambda b: b["trust"]["anchors"][0].update(certificate="~"),
    ],
)
def test_a_bundle_that_is_none_completes_nothing(
    desk: Desk, world: World, primary: bytes, spoil: Callable[[dict[str, Any]], object]
) -> None:
    bundle = bundle_of(world, primary)
    spoil(bundle)
    code, out, err = desk.run("check", desk.put("a.pdf", primary), "--trust", desk.put("b", bundle))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "\nhint: " in err


def test_inspect_tells_of_signatures_and_trusts_nobody(desk: Desk, primary: bytes) -> None:
    code, out, _ = desk.run("inspect", desk.put("a.pdf", primary), "--json")
    said = json.loads(out)
    assert code == 0
    assert [s["field"] for s in said["signatures"]] == ["GVCN", "CBQL", "KY_PHAT_HANH"]
    assert all(set(s["checks"].values()) == {"passed"} for s in said["signatures"])
    assert said["record_id"] == pki.RECORD_ID
    code, out, _ = desk.run("inspect", desk.put("a.pdf", primary))
    assert code == 0
    assert "KY_PHAT_HANH: CN=Thử Trường" in out
    assert "GENUINE" not in out
    code, out, _ = desk.run("inspect", desk.put("a.zip", b"PK\x03\x04"))
    assert code == 1
    assert "problem: zip" in out


def test_what_a_document_says_does_not_drive_the_terminal(desk: Desk, world: World) -> None:
    evil = world.intermediate.issue("Tên\x1b[2J\x07\nlạ")
    pdf = pki.sign(pki.base_pdf(("GVCN",), None), "GVCN", evil, first=True)
    code, out, _ = desk.run("inspect", desk.put("a.pdf", pdf))
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out


def test_record_gives_the_data_proved_by_the_digest(desk: Desk, primary: bytes) -> None:
    code, out, _ = desk.run("record", desk.put("a.pdf", primary))
    said = json.loads(out)
    assert code == 0
    assert said["header"]["record_id"] == pki.RECORD_ID
    assert said["fields"]["ho_va_ten"] == "Nguyễn Văn Thử"
    assert len(said["digest"]) == 52
    assert desk.run("record", desk.put("hoc-ba.json", pki.record_attachment()))[1] == out


def test_record_refuses_what_the_digest_does_not_prove(desk: Desk) -> None:
    whole = json.loads(pki.record_attachment())
    whole["disclosures"][0] = whole["disclosures"][0][:-2] + "AA"
    for content in (json.dumps(whole).encode(), b"{}", b"%PDF-1.7", pki.base_pdf((), None)):
        code, out, err = desk.run("record", desk.put("a", content))
        assert (code, out) == (1, "")
        assert err.startswith("error: ")


def test_the_schema_is_printed(desk: Desk) -> None:
    code, out, _ = desk.run("record", "--schema")
    assert code == 0
    assert json.loads(out)["$schema"].startswith("https://json-schema.org/")


def test_locators_are_read_in_every_form(desk: Desk) -> None:
    locator = Locator(RECORD, DIGEST)
    code, out, _ = desk.run("locator", url(HOST, locator))
    assert code == 0
    assert f"record  {group(RECORD)}" in out
    assert f"digest  {digest_text(DIGEST)}" in out
    assert "HOCBA.EXAMPLE.VN" in out
    code, out, _ = desk.run("locator", group(RECORD).lower())
    assert (code, out) == (0, f"record  {group(RECORD)}\n")
    code, out, _ = desk.run("locator", f"{RECORD} {digest_text(DIGEST)[:8]}")
    assert out.endswith(f"short   {digest_text(DIGEST)[:8]}\n")
    code, out, err = desk.run("locator", RECORD[:-1] + ("0" if RECORD[-1] != "0" else "1"))
    assert (code, out) == (1, "")
    assert "error: " in err
    assert "hint: " in err


def test_the_module_runs(primary: bytes, world: World, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(primary)
    (tmp_path / "b.json").write_text(json.dumps(bundle_of(world, primary)))
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "verifier", "check", tmp_path / "a.pdf", "--trust", tmp_path / "b.json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "GENUINE_CURRENT" in done.stdout


# The bundle's facts


def saw(**changes: object) -> ValidationReport:
    return replace(ValidationReport(at=NOW, medium=Medium.PDF, size=1000), **changes)  # type: ignore[arg-type]


def test_facts_of_a_bundle(desk: Desk, world: World) -> None:
    one, two = b"first version", b"second"
    bundle = read_bundle(desk.put("b", bundle_of(world, one, two)))

    def facts(**changes: object) -> Any:
        return bundle.facts_for(saw(**changes), max_age=24 * HOUR)

    own = facts(sha256=sha256(one).hexdigest())
    assert (own.file.version, own.file.state) == (1, VersionState.SUPERSEDED)
    ends = (
        Prefix(len(one), sha256(one).hexdigest()),
        Prefix(len(two), sha256(two).hexdigest(), archival=True),
        Prefix(9, sha256(two).hexdigest()),
    )
    longest = facts(prefixes=ends)
    assert (longest.prefix.version, longest.prefix_archival) == (1, False)
    assert facts(prefixes=ends[1:]).prefix_archival
    assert facts(prefixes=(Prefix(9, sha256(two).hexdigest()),)).prefix is None  # another length

    assert facts(attached_record_id=RECORD).named_record_known
    assert not facts(attached_record_id=new_record_id(bytes(10))).named_record_known
    assert not facts(attached_record_id="no id").named_record_known

    first = url(HOST, Locator(RECORD, DIGEST[:-1] + bytes([1])))
    second = url("https://old.example.vn", Locator(RECORD, DIGEST[:-1] + bytes([2])))
    assert (facts(codes=(first, first)).code.kind, facts(codes=(first,)).code.version.version) == (
        CodeKind.VERSION,
        1,
    )
    assert facts(codes=(second,)).code.version.state is VersionState.CURRENT
    assert facts(codes=(first, second)).code.kind is CodeKind.SEVERAL
    assert facts(codes=(f"{HOST}/V/broken",)).code.kind is CodeKind.MALFORMED
    assert facts(codes=("text",)).code.kind is CodeKind.FOREIGN
    unknown = facts(codes=(url(HOST, Locator(new_record_id(bytes(10)), DIGEST)),))
    assert (unknown.code.kind, unknown.named_record_known) == (CodeKind.UNKNOWN, False)
    assert facts().code is None


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        ({}, Standing.PASSED),
        ({"standing": "failed"}, Standing.FAILED),
        ({"standing": "incomplete"}, Standing.INCOMPLETE),
        ({"fresh_until": NOW.isoformat()}, Standing.INCOMPLETE),
        ({"kind": "extract"}, Standing.INCOMPLETE),  # an extract does not answer for the whole record
    ],
)
def test_a_code_answers_with_its_files_standing(
    desk: Desk, world: World, change: dict[str, str], standing: Standing
) -> None:
    content = bundle_of(world, b"file")
    content["registry"]["files"][0] |= change
    bundle = read_bundle(desk.put("b", content))
    code = url(HOST, Locator(RECORD, DIGEST[:-1] + bytes([1])))
    facts = bundle.facts_for(saw(codes=(code,)), max_age=HOUR)
    assert facts.code is not None
    assert facts.code.version is not None
    assert facts.code.version.standing is standing


def test_a_bundle_is_refused_with_a_sentence(desk: Desk) -> None:
    for content in (b"", b"[]", b"{}", b"\xff", b"null"):
        with pytest.raises(InvalidInput) as refusal:
            read_bundle(desk.put("b", content))
        assert [p.code for p in refusal.value.problems] == ["bundle_unreadable"]


def test_a_truncated_pdf_has_no_record(desk: Desk, primary: bytes) -> None:
    with pikepdf.open(io.BytesIO(primary)) as pdf:
        del pdf.Root.Names
        output = io.BytesIO()
        pdf.save(output)
    assert desk.run("record", desk.put("a.pdf", output.getvalue()))[0] == 1


def module(*arguments: str, stdout: Any = subprocess.PIPE, **environment: str) -> tuple[int, bytes, str]:
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "verifier", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def test_output_that_cannot_be_written_is_no_finding() -> None:
    code, out, _ = module("check", "--help", PYTHONIOENCODING="ascii", COLUMNS="300")
    assert code == 0
    assert b": 0 " in out
    assert b"; 64 " in out
    with open("/dev/full", "wb") as full:
        code, _, said = module("record", "--schema", stdout=full, PYTHONIOENCODING="utf-8")
    assert code == 2
    (line,) = said.splitlines()
    assert line.startswith("error: Không ghi được")


def test_a_fault_of_ours_is_not_an_answer(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(cli, "json_schema", broken)
    code, _, said = desk.run("record", "--schema")
    assert code == 2
    assert said.startswith("error: ")


def test_a_broken_bundle_is_one_short_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"format": "x" * 5000}))
    with pytest.raises(InvalidInput) as refusal:
        read_bundle(path)
    (problem,) = refusal.value.problems
    assert len(problem.message) <= 200
