"""The upload over HTTP: what is answered, to whom names are shown, what is handed out, and that nothing is
kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pikepdf
import pytest
import qrcode
from PIL import Image
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.registry import service as registry
from portal.trust import service as trust
from portal.trust.models import Anchor
from portal.trust.service import SchoolInput
from portal.uploads import service
from portal.vault import Vault
from tests.conftest import ACTOR, NOW
from tests.portal.lookup.test_views import personal
from tests.portal.web.world import Issued, World, enter, signature
from tests.verifier import hostile
from verifier import record as records
from verifier import words
from verifier.locator import new_record_id, url
from verifier.policy import DEFAULT
from verifier.report import (
    Agreement,
    Change,
    ChangeKind,
    Check,
    CheckName,
    CheckStatus,
    Indication,
    Medium,
    Opinion,
    OpinionBy,
    Revision,
    SubIndication,
    TimestampKind,
    TimestampReport,
    ValidationReport,
)
from verifier.sandbox import ForkServer
from verifier.trust import Pki, Purpose, read_store

JSON = {"Accept": "application/json"}


def send(world: World, content: bytes, path: str = "/check", **headers: str) -> TestResponse:
    return world.client.post(path, data={"file": (io.BytesIO(content), "tệp.pdf")}, headers=headers)


def body(answer: TestResponse) -> Any:
    return json.loads(answer.data)


def picture(*texts: str, form: str = "PNG") -> bytes:
    """A picture with QR codes side by side."""
    codes = [qrcode.make(text, box_size=6).convert("RGB") for text in texts]
    page = Image.new("RGB", (sum(c.width for c in codes) + 40, max(c.height for c in codes) + 40), "white")
    left = 20
    for code in codes:
        page.paste(code, (left, 20))
        left += code.width
    out = io.BytesIO()
    page.save(out, form)
    return out.getvalue()


def code_url(issued: Issued) -> str:
    return url("http://127.0.0.1:8000", issued.locator)


def genuine_pdf(world: World, **changes: Any) -> Issued:
    """A registered file that really carries its record, as issued files do."""
    bundle = world.app.extensions["portal"]
    with Session(bundle.engine) as session, session.begin():
        draft = enter(session, bundle.vault, NOW, grade=2, **changes)
        pdf = pikepdf.new()
        pdf.add_blank_page()
        content = records.attachment(draft.header, draft.disclosures)
        attached = pikepdf.AttachedFileSpec(
            pdf,
            content,
            description="",
            filename=records.ATTACHMENT_NAME,
            mime_type="application/json",
            creation_date="",
            mod_date="",
        )
        pdf.attachments[records.ATTACHMENT_NAME] = attached
        out = io.BytesIO()
        pdf.save(out)
        session.rollback()
    with Session(bundle.engine) as session, session.begin():
        issued = enter(
            session,
            bundle.vault,
            NOW,
            grade=2,
            file=out.getvalue(),
            record_id=draft.locator.record_id,
            disclosures=draft.disclosures,
            **changes,
        )
    world.checker.knows(issued)
    return issued


class TestAnswers:
    def test_genuine_files(self, world: World) -> None:
        expected = ["CURRENT", "SUPERSEDED", "CURRENT", "REVOKED", "CURRENT"]
        for issued, state in zip(world.issued, expected, strict=True):
            answer = send(world, issued.file, **JSON)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
            assert (body(answer)["verdict"], body(answer)["evidence"]) == (f"GENUINE_{state}", "file")
            assert body(answer)["record"]["version"] == issued.version
            page = send(world, issued.file)
            assert body(answer)["words"]["headline"] in page.text

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"<?xml version='1.0'?><HOC_BA/>", "xml_record"),
            (b"<?xml version='1.0'?><a/>", "xml"),
            (b"PK\x03\x04....", "zip"),
            (b"hello", "not_pdf_or_image"),
            (b"%PDF-1.7\nbroken", "broken_pdf"),
            (b"\x00\x00\x00\x18ftypheic0000", "broken_image"),
            (b"\x89PNG\r\n\x1a\nbroken", "broken_image"),
            (picture("https://khac.example/"), "foreign_link"),
            (picture("WIFI:S:Lop 5A;T:WPA;P:12345678;;"), "foreign_code"),
            (picture(f"HTTP://127.0.0.1:8000/V/{new_record_id(bytes(10))}.X"), "malformed_code"),
        ],
    )
    def test_whatever_is_sent_gets_a_verdict(self, world: World, content: bytes, reason: str) -> None:
        answer = send(world, content, **JSON)
        assert answer.status_code == 200
        assert (body(answer)["verdict"], body(answer)["reasons"]) == ("NOT_VERIFIED", [reason])
        assert body(answer)["record"] is None
        assert send(world, content).status_code == 200

    def test_a_photo_is_answered_like_its_code(self, world: World) -> None:
        for form in ("PNG", "JPEG", "WEBP", "HEIF"):
            answer = send(world, picture(code_url(world.primary), form=form), **JSON)
            scan = body(world.client.get(world.primary.path, headers=JSON))
            for key in ("verdict", "evidence", "reasons", "record", "words"):
                assert body(answer)[key] == scan[key]
        page = send(world, picture(code_url(world.primary)))
        assert f"/compare?code={world.primary.locator}" in page.text

    def test_several_codes_on_one_picture(self, world: World) -> None:
        answer = body(send(world, picture(code_url(world.primary), code_url(world.second)), **JSON))
        assert (answer["verdict"], answer["reasons"]) == ("NOT_VERIFIED", ["several_codes"])

    def test_an_unfinished_check_says_nothing_about_the_file(self, world: World) -> None:
        sha = world.primary.report.sha256
        for code in ("deadline", "crashed", "memory", "busy"):
            world.checker.reports[sha] = replace(world.primary.report, incomplete=code)
            answer = body(send(world, world.primary.file, **JSON))
            assert (answer["verdict"], answer["reasons"]) == ("CHECK_INCOMPLETE", [code])
            assert "chưa phải là đúng, cũng chưa phải là sai" in answer["words"]["sentence"]
            assert answer["words"]["evidence"] == "Mới kiểm tra được một phần."

    def test_a_registered_file_that_fails_is_never_green(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        report = world.primary.report
        failed = Check(CheckName.AUTHORITY, CheckStatus.FAILED, "suspended")
        seal = report.signatures[-1]
        checks = tuple(failed if c.name is CheckName.AUTHORITY else c for c in seal.checks)
        broken = replace(seal, checks=checks, indication=Indication.INDETERMINATE)
        world.checker.reports[report.sha256] = replace(report, signatures=(*report.signatures[:-1], broken))
        answer = body(send(world, world.primary.file, **JSON))
        assert answer["verdict"] == "REGISTERED_BUT_SIGNATURE_FAILS"
        assert [s["signer"] for s in answer["signatures"]] == [None] * 3
        assert 'class="panel ok"' not in send(world, world.primary.file).text
        alarms = [r.getMessage() for r in caplog.records if "alarm" in r.getMessage()]
        assert len(alarms) == 2
        assert report.sha256 in alarms[0]
        assert not [each for each in personal(world.primary) if each in caplog.text]

    def test_the_checker_is_told_what_is_known_and_whom_to_trust(self, world: World) -> None:
        send(world, world.primary.file)
        send(world, b"unknown")
        known, unknown = world.checker.jobs
        assert known.known is not None
        assert known.known.structure is not None
        assert unknown.known is None
        assert known.trust_path == unknown.trust_path
        assert json.loads(known.trust_path.read_text())["epoch"] == 0

    def test_faults_of_ours_are_no_statement_about_the_file(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A missing key, a folder that cannot be made, no connection left: known and unknown files alike."""
        bundle = world.app.extensions["portal"]
        right = bundle.vault

        def incomplete(*contents: bytes) -> None:
            for content in contents:
                answer = send(world, content, **JSON)
                assert (answer.status_code, body(answer)["verdict"]) == (200, "CHECK_INCOMPLETE")
                assert body(answer)["reasons"] == ["registry_unavailable"]
                assert send(world, content).status_code == 200

        object.__setattr__(bundle, "vault", Vault([("new", b"k" * 32)], b"i" * 32))
        incomplete(world.primary.file)
        assert "no key-encryption key" in caplog.text
        object.__setattr__(bundle, "vault", right)

        service._WRITTEN.clear()
        folder = bundle.settings.instance_dir / "trust"
        shutil.rmtree(folder)
        folder.write_text("not a folder")
        incomplete(world.primary.file, b"%PDF-1.7 unknown")
        folder.unlink()

        pool = bundle.engine.pool
        monkeypatch.setattr(pool, "_timeout", 0.05)
        monkeypatch.setattr(pool, "_max_overflow", 0)
        with ExitStack() as held:
            for _ in range(pool.size()):
                held.enter_context(bundle.questions.connect())
            incomplete(world.primary.file, b"%PDF-1.7 unknown")
        assert body(send(world, world.primary.file, **JSON))["verdict"] == "GENUINE_CURRENT"

    def test_a_registered_file_inside_a_picture_is_no_genuine_file(self, world: World) -> None:
        """SEC-10: what PDF readers would show of such a file counts nothing; its picture's code may speak."""
        shown = hostile.png_with(world.first.file, picture(code_url(world.primary)))
        answer = body(send(world, shown, **JSON))
        assert (answer["verdict"], answer["evidence"]) == ("GENUINE_CURRENT", "code")
        assert answer["record"]["record_id"] == world.primary.locator.record_id
        silent = hostile.png_with(world.primary.file, hostile.picture("PNG"))
        assert (body(send(world, silent, **JSON))["verdict"]) == "NOT_VERIFIED"
        assert send(world, shown, "/check/data", **JSON).status_code == 422

    def test_an_epoch_given_out_again_after_a_restore_is_another_trust(self, world: World) -> None:
        """Back up, change trust, check, restore, change trust otherwise: the epoch's number is the same."""
        bundle = world.app.extensions["portal"]
        database = bundle.settings.instance_dir / "portal.sqlite3"

        def change(code: str) -> None:
            with Session(bundle.engine) as session, session.begin():
                added = trust.add_department(session, code, f"Sở {code}", "Hà Nội", actor=ACTOR, now=NOW)
                assert added.epoch == 1

        with (
            closing(sqlite3.connect(":memory:")) as backup,
            closing(sqlite3.connect(database)) as before,
        ):
            before.backup(backup)
            change("01")
            send(world, world.primary.file)
            bundle.engine.dispose()
            backup.backup(before)
        change("02")
        with Session(bundle.engine) as session, session.begin():
            certificate = b"invented intermediate"
            session.add(
                Anchor(
                    id=uuid.uuid4(),
                    name="CA thử",
                    pki=Pki.STATE,
                    purpose=Purpose.SIGNING,
                    is_root=False,
                    sha256="cd" * 32,
                    certificate=certificate,
                    authority_id="cd" * 32,
                    issuer_id="cd" * 32,
                    serial="1",
                    not_after=NOW,
                    added_at=NOW,
                )
            )
        send(world, world.primary.file)
        stale, today = (job.trust_path for job in world.checker.jobs)
        assert stale != today
        assert not read_store(stale).intermediates
        assert read_store(today).intermediates == (certificate,)
        assert read_store(stale).epoch == read_store(today).epoch == 1

    def test_a_trust_file_lying_there_is_not_believed(self, world: World) -> None:
        """Whatever another process left: it is written anew, and what is long out of use goes."""
        send(world, world.primary.file)
        path = world.checker.jobs[0].trust_path
        right = path.read_text()
        path.write_text("{}")
        left = path.with_name("store-0.json")
        left.write_text("{}")
        os.utime(left, (0, 0))
        service._WRITTEN.clear()  # as a process that just started
        send(world, world.primary.file)
        assert world.checker.jobs[1].trust_path == path
        assert path.read_text() == right
        assert path.name == f"trust-{hashlib.sha256(right.encode()).hexdigest()}.json"
        assert [each.name for each in path.parent.iterdir()] == [path.name]

    def test_an_unknown_file_under_a_real_seal_names_the_school_of_our_table(self, world: World) -> None:
        """The file says what it likes of its school; the certificate is approved for this one."""
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            trust.add_department(session, "01", "Sở Giáo dục và Đào tạo", "Hà Nội", actor=ACTOR, now=NOW)
            school = SchoolInput(
                code="01000123",
                name="Trường Tiểu học Cây Bàng",
                department_code="01",
                levels=("TIEU_HOC",),
                commune="Phường Hoa",
                district="",
                province="Hà Nội",
                sector="cong_lap",
                valid_from=date(2020, 9, 1),
            )
            trust.add_school(session, school, actor=ACTOR, now=NOW)
        content = b"%PDF-1.7 sealed, never registered"
        sha = hashlib.sha256(content).hexdigest()
        world.checker.reports[sha] = replace(world.primary.report, sha256=sha, size=len(content))
        answer = body(send(world, content, **JSON))
        assert answer["verdict"] == "SEAL_VALID_NOT_REGISTERED"
        assert "đúng là của Trường Tiểu học Cây Bàng, nhưng" in answer["words"]["sentence"]
        page = send(world, content, "/check?lang=en").text
        assert 'is that of <span lang="vi">Trường Tiểu học Cây Bàng</span>, but' in page

    def test_a_version_is_not_called_current_where_its_signatures_fail(self, world: World) -> None:
        report = world.primary.report
        failed = Check(CheckName.AUTHORITY, CheckStatus.FAILED, "suspended")
        broken = signature("KY_PHAT_HANH", NOW, failing=failed)
        world.checker.reports[report.sha256] = replace(report, signatures=(*report.signatures[:-1], broken))
        page = send(world, world.primary.file).text
        assert "lưu hành" not in page.partition("<main")[2]
        assert "Có đủ chữ ký" not in page
        assert "Con dấu số của nhà trường: quyền ký bằng chữ ký số này đã bị dừng trước lúc đó." in page
        assert "<details open" not in page  # a phone: what else was checked is one tap away
        assert "log_inclusion: not_available" in page.partition("<pre")[2]

    def test_a_strangers_field_name_stands_whole_in_the_technical_details(self, world: World) -> None:
        content = b"%PDF-1.7 a stranger's"
        sha = hashlib.sha256(content).hexdigest()
        for name, shown in (
            ("Chữ ký" * 20, f"&#34;{'Chữ ký' * 20}&#34;"),
            ("x" * 900, f"&#34;{'x' * 200}&#34;… (900)"),
            ("a\u202eb\n</pre>", "&#34;a\ufffdb\ufffd&lt;/pre&gt;&#34;"),
        ):
            stranger = replace(world.primary.report.signatures[0], field=name, role=None)
            report = replace(world.primary.report, sha256=sha, size=len(content), signatures=(stranger,))
            world.checker.reports[sha] = report
            assert f"field: {shown}" in send(world, content).text.partition("<pre")[2]

    def test_every_opinion_stands_in_the_technical_details_and_in_the_answer(self, world: World) -> None:
        content = b"%PDF-1.7 one on which opinions differ"
        sha = hashlib.sha256(content).hexdigest()
        laxer = Opinion(OpinionBy.ADES_BASIC, Indication.TOTAL_PASSED, None, Agreement.LAXER)
        ours = Opinion(OpinionBy.OURS, Indication.INDETERMINATE, SubIndication.SIG_CONSTRAINTS_FAILURE)
        judged = replace(world.primary.report.signatures[0], opinions=(ours, laxer))
        report = replace(world.primary.report, sha256=sha, size=len(content), signatures=(judged,))
        world.checker.reports[sha] = report
        details = send(world, content).text.partition("<pre")[2]
        for opinion in (ours, laxer):
            assert words.opinion_words(opinion, "vi") in details
        answer = body(send(world, content, **JSON))
        assert [o["agreement"] for o in answer["signatures"][0]["opinions"]] == ["same", "laxer"]

    def test_what_did_not_pass_leads_the_checks_of_a_signature(self, world: World) -> None:
        content = b"%PDF-1.7 weak"
        sha = hashlib.sha256(content).hexdigest()
        first = world.primary.report.signatures[0]
        weak = replace(
            first, checks=(*first.checks, Check(CheckName.ALGORITHM, CheckStatus.WEAK, "weak_key"))
        )
        world.checker.reports[sha] = replace(
            world.primary.report, sha256=sha, size=len(content), signatures=(weak,)
        )
        listed = send(world, content).text.partition('<ol class="signatures"')[2].partition("</ol>")[0]
        assert listed.index("Chữ ký làm theo cách đã cũ") < listed.index("Chữ ký khớp với nội dung đã ký")

    def test_why_a_file_could_not_be_read_stands_in_the_details(self, world: World) -> None:
        content = b"%PDF-1.7 unread"
        sha = hashlib.sha256(content).hexdigest()
        world.checker.reports[sha] = replace(
            world.primary.report, sha256=sha, size=len(content), signatures=(), problem="broken_pdf"
        )
        assert "problem: broken_pdf" in send(world, content).text.partition("<pre")[2]

    def test_what_changed_after_signing_stands_in_the_details(self, world: World) -> None:
        content = b"%PDF-1.7 changed"
        sha = hashlib.sha256(content).hexdigest()
        stamped = Change(ChangeKind.ANNOTATION_ADDED, allowed=False, object="33 0", page=1)
        filled = Change(ChangeKind.SIGNATURE_FILLED, allowed=True, object="9 0", page=1, field="<b>CBQL</b>")
        revision = Revision(5, 2000, 3000, 3, "KY_PHAT_HANH", (stamped, filled), more=7)
        world.checker.reports[sha] = replace(
            world.primary.report, sha256=sha, size=len(content), revisions=(revision,), lenient=True
        )
        for language, lines in (
            ("vi", ("lần lưu thứ 5, byte 2000–3000", "không được phép: thêm chú thích", "và 7 thay đổi nữa")),
            ("en", ("revision 5, bytes 2000–3000", "not permitted: something was put", "and 7 more")),
        ):
            page = send(world, content, f"/check?lang={language}").text
            technical = page.partition("<pre")[2]
            assert all(line in technical for line in lines)
            assert "read leniently: yes" in technical
            assert "<b>CBQL</b>" not in page
        told = body(send(world, content, **JSON))
        assert told["document"]["lenient"] is True
        assert told["verdict"] == "NOT_VERIFIED"
        (revision_told,) = told["revisions"]
        assert (revision_told["number"], revision_told["signed_before"], revision_told["more"]) == (5, 3, 7)
        assert [(c["kind"], c["allowed"], c["page"]) for c in revision_told["changes"]] == [
            ("annotation_added", False, 1),
            ("signature_filled", True, 1),
        ]

    def test_a_strangers_words_are_kept_with_no_kind_of_page(self, world: World) -> None:
        """A file without signatures may tell of revisions: its answer is its own."""
        content = b"%PDF-1.7 unsigned"
        sha = hashlib.sha256(content).hexdigest()
        for number in (2, 3):
            added = Change(ChangeKind.FORM_FIELD_ADDED, allowed=True, field=f"ô số {number}")
            revision = Revision(number, 10, 20, 0, None, (added,))
            world.checker.reports[sha] = replace(
                world.primary.report, sha256=sha, size=len(content), signatures=(), revisions=(revision,)
            )
            assert f"ô số {number}" in send(world, content).text

    def test_nor_are_those_of_a_timestamp_or_an_empty_field(self, world: World) -> None:
        """What one person's file says of itself never stands on another's page."""
        plain = replace(world.primary.report, signatures=(), timestamps=(), unsigned_fields=())
        mark = "GOI SO 0900000000"
        timestamp = TimestampReport(
            TimestampKind.DOCUMENT, mark, NOW, NOW, None, (), (), Indication.INDETERMINATE, None
        )
        for told in ({"timestamps": (timestamp,)}, {"unsigned_fields": (mark,)}):
            for report, expected in ((replace(plain, **told), "timestamps" in told), (plain, False)):
                content = os.urandom(16)
                sha = hashlib.sha256(content).hexdigest()
                world.checker.reports[sha] = replace(report, sha256=sha, size=len(content))
                assert (mark in send(world, content).text) is expected


@pytest.fixture(scope="module")
def real() -> Iterator[ForkServer]:
    """One for all hostile files: it must survive each."""
    server = ForkServer(replace(DEFAULT, resources=replace(DEFAULT.resources, deadline=6.0)), confined=True)
    server.start()
    yield server
    server.close()


class TestHostile:
    """SEC-02 over HTTP, with the real fork server and its children."""

    @pytest.fixture
    def portal(self, world: World, real: ForkServer) -> World:
        object.__setattr__(world.app.extensions["portal"], "checker", real)
        return world

    @pytest.mark.parametrize(
        "name",
        [
            *("page tree cycle", "reference loop", "deep arrays", "many revisions", "many pages"),
            *("object stream bomb", "form draws itself", "huge page", "absurd boxes", "PDF and JPEG"),
            *("ZIP and PDF", "PDF header at byte 1000", "EPS", "SVG with entities"),
            *("PNG of 169 megapixels", "PNG with a huge text", "JPEG of 4 gigapixels"),
            *("HEIC of 3.6 gigapixels", "HEIC that hides its size"),
        ],
    )
    def test_a_hostile_file_gets_an_answer_of_the_usual_shape(self, portal: World, name: str) -> None:
        answer = send(portal, hostile.FILES[name][0](), **JSON)
        assert answer.status_code == 200
        assert body(answer)["verdict"] in ("NOT_VERIFIED", "CHECK_INCOMPLETE")
        assert body(answer)["record"] is None

    def test_a_fork_server_that_dies_is_no_error_page(self, portal: World) -> None:
        checker = portal.app.extensions["portal"].checker
        os.kill(checker.pid, signal.SIGKILL)
        assert send(portal, b"<a/>", **JSON).status_code == 200
        os.kill(checker.pid, signal.SIGSTOP)
        stopped = send(portal, b"<a/>", **JSON)
        assert (stopped.status_code, body(stopped)["reasons"]) == (200, ["deadline"])
        assert body(send(portal, b"<a/>", **JSON))["reasons"] == ["xml"]

    def test_what_a_child_that_was_taken_over_can_say_at_most(self, world: World) -> None:
        """Every claim that a report can make about bytes nobody registered: an alarm, or the answer to a code
        that anybody could have held up; never a genuine file, and never anybody's name.
        """
        content = b"%PDF-1.7 taken over"
        true = replace(
            world.primary.report, sha256=hashlib.sha256(content).hexdigest(), size=len(content), codes=()
        )
        nasty = "\x00\x1b[31m\u202e</script><b onload=1>"
        odd = replace(true.signatures[0], field=nasty, school_code=nasty, capacity=nasty, subject_code=nasty)
        claims = {
            "SEAL_VALID_NOT_REGISTERED": true,
            "CONTENT_DIFFERS": replace(
                true, signatures=(odd,), attached_record_id=world.primary.locator.record_id
            ),
            "NOT_VERIFIED": replace(true, signatures=(odd,), unsigned_fields=(nasty,), problem=nasty),
            "CHECK_INCOMPLETE": replace(true, incomplete=nasty),
            "GENUINE_CURRENT": replace(
                true, medium=Medium.IMAGE, signatures=(), codes=(code_url(world.primary),)
            ),
        }
        for verdict, claim in claims.items():
            report = ValidationReport.from_json(json.loads(json.dumps(claim.to_json())))
            world.checker.reports[report.sha256] = report
            answer = send(world, content, **JSON)
            assert (answer.status_code, body(answer)["verdict"]) == (200, verdict)
            assert all(s["signer"] is None for s in body(answer)["signatures"])
            page = send(world, content)
            assert page.status_code == 200
            assert "<b onload" not in page.text
            assert 'class="panel ok"' not in page.text
            assert verdict != "GENUINE_CURRENT" or body(answer)["evidence"] == "code"


class TestWhoSeesWhat:
    def test_names_of_signers_only_for_a_genuine_file(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "portal.uploads.service.trust.signer_names",
            lambda _, certificates: dict.fromkeys(certificates, "Cô Lan"),
        )
        genuine = body(send(world, world.primary.file, **JSON))
        assert {s["signer"]["name"] for s in genuine["signatures"]} == {"Cô Lan"}
        assert "Cô Lan" in send(world, world.primary.file).text
        for content in (picture(code_url(world.primary)), b"%PDF-1.7 something else"):
            assert "Cô Lan" not in send(world, content).text
            assert all(s["signer"] is None for s in body(send(world, content, **JSON))["signatures"])
        assert "Cô Lan" not in world.client.get(world.primary.path).text

    def test_a_certificates_own_words_are_never_shown(self, world: World) -> None:
        for headers in ({}, JSON):
            text = send(world, world.primary.file, **headers).text
            assert "CCCD" not in text
            assert "001080000009" not in text

    def test_an_answer_about_a_file_shows_no_content(self, world: World) -> None:
        for issued in world.issued:
            text = send(world, issued.file, **JSON).text + send(world, issued.file).text
            assert not [each for each in personal(issued) if each in text]


class TestData:
    def test_json_is_the_record_proved_by_its_digest(self, world: World) -> None:
        issued = genuine_pdf(world)
        answer = send(world, issued.file, "/check/data?format=json")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="hoc-ba-')
        assert answer.headers["Cache-Control"] == "no-store"
        data = body(answer)
        assert data["verdict"] == "GENUINE_CURRENT"
        assert data["fields"]["ho_va_ten"] == issued.data["ho_va_ten"]
        assert records.digest(data["header"]) == issued.locator.digest
        assert records.open_disclosures(data["header"], data["disclosures"]) == data["fields"]

    def test_a_spreadsheet_of_texts(self, world: World) -> None:
        formula = '=HYPERLINK("http://x")'
        issued = genuine_pdf(
            world, nguoi_giam_ho_nghe_nghiep="+84 912", doi_tuong="@SUM(1)", noi_sinh=formula
        )
        answer = send(world, issued.file, "/check/data?format=xlsx")
        assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
        book = openpyxl.load_workbook(io.BytesIO(answer.data))
        assert book.sheetnames == ["Kiểm tra", "Thông tin", "Kết quả", "Danh sách"]
        for sheet in book:
            for row in sheet.iter_rows():
                for cell in row:
                    assert cell.data_type in ("s", "inlineStr", "n")  # "n": an empty cell
                    assert cell.value is None or isinstance(cell.value, str)
        values = {row[0]: row[1] for row in book["Thông tin"].iter_rows(min_row=2, values_only=True)}
        assert values["noi_sinh"] == formula
        assert values["so_dinh_danh_ca_nhan"] == "001315000001"
        quoted = {c.value for r in book["Thông tin"].iter_rows() for c in r if c.quotePrefix}
        assert {formula, "+84 912", "@SUM(1)"} <= quoted
        marks = {row[0]: row[1:] for row in book["Kết quả"].iter_rows(min_row=2, values_only=True)}
        assert marks["TOAN"][0] == issued.data["mon.TOAN"]["ten"]
        assert book["Kiểm tra"]["B2"].value == "Đúng bản trường cấp, đang lưu hành"

    @pytest.mark.parametrize("content", [b"%PDF-1.7 broken", b"", b"<a/>"])
    def test_no_data_of_anything_else(self, world: World, content: bytes) -> None:
        answer = send(world, content, "/check/data?format=xlsx", **JSON)
        assert (answer.status_code, body(answer)["verdict"]) == (422, "NOT_VERIFIED")
        assert send(world, content, "/check/data?format=xlsx").mimetype == "text/html"

    def test_no_data_of_a_photo(self, world: World) -> None:
        answer = send(world, picture(code_url(world.primary)), "/check/data?format=json", **JSON)
        assert answer.status_code == 422
        assert "fields" not in body(answer)

    def test_a_superseded_file_gives_its_own_data_and_nothing_newer(self, world: World) -> None:
        issued = genuine_pdf(world)
        bundle = world.app.extensions["portal"]
        with Session(bundle.engine) as session, session.begin():
            newer = enter(session, bundle.vault, NOW, grade=2, before=issued, ho_va_ten="Nguyễn Thị Hồng")
        answer = send(world, issued.file, "/check/data?format=json")
        assert body(answer)["verdict"] == "GENUINE_SUPERSEDED"
        assert body(answer)["fields"]["ho_va_ten"] == issued.data["ho_va_ten"]
        assert "Nguyễn Thị Hồng" not in answer.text
        assert newer.version == 2

    def test_a_file_whose_attachment_is_not_the_registered_record_is_a_fault(self, world: World) -> None:
        """Cannot happen to a file of ours; if it does, no data leaves."""
        answer = send(world, world.primary.file, "/check/data?format=json", **JSON)
        assert answer.status_code == 500

    def test_unknown_formats(self, world: World) -> None:
        assert send(world, world.primary.file, "/check/data?format=csv").status_code == 400


class TestRequests:
    def test_data_takes_one_file(self, world: World) -> None:
        for files, code in (
            ([], "no_file"),
            ([(io.BytesIO(b"a"), "a"), (io.BytesIO(b"b"), "b")], "several_files"),
        ):
            answer = world.client.post(
                "/check/data", data={"file": files}, headers=JSON, content_type="multipart/form-data"
            )
            assert (answer.status_code, body(answer)["code"]) == (422, code)
            assert body(answer)["errors"][0]["field"] == "file"

    def test_samples_of_the_demo(self, world: World) -> None:
        settings = world.app.extensions["portal"].settings
        object.__setattr__(settings, "demo", True)
        folder = settings.instance_dir / "demo"
        (folder / "mau").mkdir(parents=True)
        (folder / "mau" / "a b.pdf").write_bytes(world.primary.file)
        (folder / "secret.txt").write_text("secret")
        lines = [
            {
                "file": "mau/a b.pdf",
                "url": None,
                "expected_verdict": "GENUINE_CURRENT",
                "expected_evidence": "file",
            },
            {
                "file": None,
                "url": code_url(world.second),
                "expected_verdict": "X",
                "expected_evidence": "code",
            },
        ]
        (folder / "manifest.json").write_text(json.dumps([{**line, "note": "Mẫu <1>"} for line in lines]))
        page = world.client.get("/hoc-ba-mau").text
        assert "Mẫu &lt;1&gt;" in page
        assert "<code>GENUINE_CURRENT</code> · <code>file</code>" in page
        assert f'href="{world.second.path}"' in page
        assert 'href="/check/sample/mau/a%20b.pdf"' in page
        got = world.client.get("/demo/mau/a%20b.pdf")
        assert got.data == world.primary.file
        assert got.headers["Content-Disposition"].startswith("attachment")
        checked = world.client.get("/check/sample/mau/a%20b.pdf", headers=JSON)
        assert body(checked)["verdict"] == "GENUINE_CURRENT"
        for name in ("secret.txt", "manifest.json", "mau", "../secrets.json", "%2e%2e/secrets.json"):
            assert world.client.get(f"/demo/{name}").status_code == 404
            assert world.client.get(f"/check/sample/{name}").status_code == 404


class TestForms:
    def test_in_the_other_language_a_file_that_has_no_number_is_asked_for_again(self, world: World) -> None:
        """What was no genuine file gives no data, and no number: that is said at the way over."""
        unknown = b"%PDF-1.7 unknown"
        switch = (
            '<a class="tongue" href="/kiem-tra?lang=en" lang="en" hreflang="en">English<span class="muted">'
        )
        assert f"{switch}send the file again</span></a>" in send(world, unknown, "/check/data").text
        english = send(world, unknown, "/check/data?lang=en").text
        assert (
            'href="/kiem-tra" lang="vi" hreflang="vi">Tiếng Việt<span class="muted">phải gửi lại tệp'
            in english
        )

    @pytest.mark.parametrize("kind", ["file", "photo", "unknown"])
    def test_the_answer_has_an_address_in_either_language(self, world: World, kind: str) -> None:
        content = {
            "file": world.primary.file,
            "photo": picture(code_url(world.primary)),
            "unknown": b"%PDF-1.7 unknown",
        }[kind]
        page = send(world, content).text
        address = re.findall(r'<a class="tongue" href="(/ket-qua/[0-9A-Z]{17}[?]lang=en)"', page)
        assert len(address) == 1
        assert "send the file again" not in page
        english = world.client.get(address[0]).text
        headline = body(send(world, content, "/check?lang=en", **JSON))["words"]["headline"]
        assert f">{headline}</h1>" in english


def test_nothing_of_an_upload_is_kept(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file appears anywhere we write; what is spooled has no name."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    instance = world.app.extensions["portal"].settings.instance_dir
    send(world, world.primary.file)  # the trust store of this epoch is written once
    before = set(_files(instance))
    for content in (world.primary.file, os.urandom(3 << 20), picture(code_url(world.primary)), b"%PDF-1.7"):
        send(world, content)
    assert set(_files(instance)) == before
    assert list(_files(spool)) == []


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("portal.sqlite3"))


def test_a_recalled_file_is_still_its_holders(world: World) -> None:
    issued = genuine_pdf(world)
    bundle = world.app.extensions["portal"]
    with Session(bundle.engine) as session, session.begin():
        registry.recall(session, issued.locator.record_id, "data_error", actor=ACTOR, now=NOW)
    answer = send(world, issued.file, "/check/data?format=json")
    assert body(answer)["verdict"] == "GENUINE_REVOKED"
