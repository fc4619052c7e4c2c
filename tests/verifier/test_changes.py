"""What a report says of later revisions: what changed, in which, after which signatures, allowed or not."""

from __future__ import annotations

import io
import json
import re
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from tests.verifier import hostile, hybrids, pki
from tests.verifier.pki import NOW, World
from tests.verifier.reports import agree, conforms
from tests.verifier.test_attacks import FIELDS, edit, stamp
from tests.verifier.tsa import ForPyHanko, Tsa, timestamp_signer
from verifier import cli, words
from verifier.changes import Mark, Step, Touch, Walk, settle
from verifier.pades import Structure, revalidate, validate
from verifier.policy import DEFAULT
from verifier.report import (
    LONGEST_NAME,
    MOST_CHANGES,
    Change,
    ChangeKind,
    CheckName,
    CheckStatus,
    Medium,
    Revision,
    ValidationReport,
)
from verifier.schema import report_schema
from verifier.verdict import Evidence, Outcome, Verdict

ROOT = Path(__file__).parents[2]


def kinds(revision: Revision) -> list[tuple[ChangeKind, bool]]:
    by_the_way = (ChangeKind.METADATA_CHANGED, ChangeKind.VERSION_CHANGED, ChangeKind.FORM_CHANGED)
    return [(change.kind, change.allowed) for change in revision.changes if change.kind not in by_the_way]


class TestAllowed:
    def test_each_role_signs_in_its_revision(self, world: World, primary: bytes) -> None:
        report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
        assert [(r.number, r.signed_before, r.after) for r in report.revisions] == [
            (2, 0, None),
            (3, 1, "GVCN"),
            (4, 2, "CBQL"),
        ]
        certified, *rest = report.revisions
        filled = (ChangeKind.SIGNATURE_FILLED, True)
        assert kinds(certified) == [(ChangeKind.CERTIFICATION_CHANGED, True), filled]
        assert [kinds(revision) for revision in rest] == [[filled], [filled]]
        signed = [c for r in report.revisions for c in r.changes if c.kind is ChangeKind.SIGNATURE_FILLED]
        assert [(c.object, c.page, c.field) for c in signed] == [
            ("8 0", 1, "GVCN"),
            ("9 0", 1, "CBQL"),
            ("10 0", 1, "KY_PHAT_HANH"),
        ]
        # Each revision begins where the one before ends: together they are the file.
        ends = [revision.end for revision in report.revisions]
        assert [revision.start for revision in report.revisions[1:]] == ends[:-1]
        assert ends[-1] == len(primary)
        assert structure.revisions == report.revisions

    def test_the_fast_way_answers_the_same(self, world: World, primary: bytes) -> None:
        """A fact of the bytes: kept with the registered file, and read back as it was."""
        report, structure = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
        kept = Structure.from_json(json.loads(json.dumps(structure.to_json())))
        fast = revalidate(primary, kept, world.trust(), DEFAULT, NOW, registered_at=NOW)
        assert fast == pki.alone(report)
        assert fast.revisions

    def test_whoever_asks_the_list_is_the_same(self, world: World, primary: bytes) -> None:
        own, _ = validate(primary, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
        unknown, _ = validate(primary, world.trust(), DEFAULT, NOW)
        assert own.revisions == unknown.revisions

    def test_a_stranger_may_sign_after_a_stranger(self, world: World) -> None:
        """A second field added, and signed: what pyHanko approves of stays allowed on files not ours."""
        stranger = pki.world("Công ty lạ")
        pdf = pki.sign(pki.base_pdf(("Signature1",), None), "Signature1", stranger.people["seal"])
        field = SigFieldSpec("Signature9", box=(0, 0, 90, 40))
        pdf = edit(pdf, lambda writer: append_signature_field(writer, field))
        pdf = pki.sign(pdf, "Signature9", stranger.people["principal"])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        assert [kinds(revision) for revision in report.revisions[1:]] == [
            [(ChangeKind.SIGNATURE_ADDED, True)],
            [(ChangeKind.SIGNATURE_FILLED, True)],
        ]
        assert all(s.status(CheckName.COVERAGE) == "passed" for s in report.signatures)

    def test_a_stranger_may_timestamp_what_a_stranger_signed(self, world: World) -> None:
        stranger = pki.world("Công ty lạ")
        pdf = pki.sign(pki.base_pdf(("Signature1",), None), "Signature1", stranger.people["seal"])
        output = io.BytesIO()
        stamper = signers.PdfTimeStamper(
            ForPyHanko(Tsa(timestamp_signer(pki.root("Giờ lạ")))), field_name="Stamp1"
        )
        stamper.timestamp_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), "sha256", output=output)
        report, _ = validate(output.getvalue(), world.trust(), DEFAULT, NOW)
        assert kinds(report.revisions[-1]) == [(ChangeKind.DOCUMENT_TIMESTAMP, True)]
        assert report.signatures[0].status(CheckName.COVERAGE) == "passed"

    def test_before_any_signature_everything_is(self, world: World) -> None:
        stranger = pki.world("Công ty lạ")
        pdf = edit(pki.base_pdf(("Signature1",), None), stamp)
        pdf = pki.sign(pdf, "Signature1", stranger.people["seal"])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        assert kinds(report.revisions[0]) == [(ChangeKind.ANNOTATION_ADDED, True)]
        assert report.revisions[0].after is None
        assert report.signatures[0].status(CheckName.COVERAGE) == "passed"


class TestNotAllowed:
    def test_nothing_follows_the_seal_of_a_record(self, world: World, primary: bytes) -> None:
        """Not even what nobody uses."""

        begin, table = len(primary), re.findall(rb"startxref\s+(\d+)", primary)[-1]
        root, size = (re.findall(name + rb" (\d+)", primary)[-1] for name in (rb"/Root", rb"/Size"))
        pdf = primary + b"%s 0 obj\n7\nendobj\n" % size
        place = len(pdf)
        pdf += b"xref\n%s 1\n%010d 00000 n \n" % (size, begin)
        pdf += b"trailer\n<< /Size %d /Root %s 0 R /Prev %s >>\n" % (int(size) + 1, root, table)
        pdf += b"startxref\n%d\n%%%%EOF\n" % place
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        assert [kinds(revision) for revision in report.revisions[3:]] == [[(ChangeKind.OBJECTS_ADDED, False)]]
        assert agree(report)

    def test_bytes_behind_a_strangers_signature(self, world: World) -> None:
        stranger = pki.world("Công ty lạ")
        pdf = pki.sign(pki.base_pdf(("Signature1",), None), "Signature1", stranger.people["seal"])
        report, _ = validate(pdf + b"10,0", world.trust(), DEFAULT, NOW)
        last = report.revisions[-1]
        assert (last.number, last.start, last.end) == (None, len(pdf), len(pdf) + 4)
        assert kinds(last) == [(ChangeKind.UNEXPLAINED_BYTES, False)]
        coverage = {c.code for c in report.signatures[0].checks if c.name is CheckName.COVERAGE}
        assert coverage == {"bytes_after_signature"}

    def test_a_second_certification(self, world: World) -> None:
        """Which signature certifies is said once: nothing later may say it anew."""
        pdf = pki.sign_all(pki.base_pdf(FIELDS, pki.record_attachment()), FIELDS[:1], world.people)

        def certify(writer: IncrementalPdfFileWriter) -> None:
            writer.root["/Perms"][generic.NameObject("/UR3")] = generic.DictionaryObject()  # type: ignore[no-untyped-call]
            writer.update_root()  # type: ignore[no-untyped-call]

        pdf = edit(pdf, certify)
        for field in FIELDS[1:]:
            pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        assert (ChangeKind.CERTIFICATION_CHANGED, False) in kinds(report.revisions[1])
        assert agree(report)
        assert not any(s.passed for s in report.signatures)


def walked(*touches: Touch, more: int = 0) -> Walk:
    mark = Mark("Signature1", 100, 0)
    return Walk((Step(1, 100, 200, touches, more),), (mark,), "")


def touch(kind: ChangeKind, fault: str = "") -> Touch:
    return Touch(Change(kind, allowed=False), fault)


class TestSettling:
    """Files that are not ours: what pyHanko's word does to the list."""

    @pytest.mark.parametrize("opinion", [True, False, None])
    @pytest.mark.parametrize("kind", ChangeKind)
    def test_the_list_and_coverage_are_one_decision(self, kind: ChangeKind, opinion: bool | None) -> None:
        found = settle(walked(touch(kind)), [opinion], record=False)
        (revision,) = found.revisions
        allowed = revision.changes[0].allowed
        assert bool(found.faults[0]) is not allowed
        if opinion is False:
            assert not allowed

    @pytest.mark.parametrize(
        "kind", [ChangeKind.PAGE_CONTENT_CHANGED, ChangeKind.PAGE_REPLACED, ChangeKind.UNEXPLAINED_BYTES]
    )
    def test_pages_never_change_whoever_approves(self, kind: ChangeKind) -> None:
        found = settle(walked(touch(kind)), [True], record=False)
        assert not found.revisions[0].changes[0].allowed
        assert found.faults[0]

    def test_what_explains_the_objection_is_named(self) -> None:
        touches = (touch(ChangeKind.VALIDATION_DATA), touch(ChangeKind.FORM_VALUE_CHANGED))
        found = settle(walked(*touches), [False], record=False)
        assert [change.allowed for change in found.revisions[0].changes] == [True, False]

    def test_a_new_field_is_not_blamed_for_what_came_later(self) -> None:
        marks = (Mark("Signature1", 100, 0), Mark("Signature2", 200, 1))
        steps = (
            Step(1, 100, 200, (touch(ChangeKind.SIGNATURE_ADDED),)),
            Step(2, 200, 300, (touch(ChangeKind.ANNOTATION_ADDED),)),
        )
        found = settle(Walk(steps, marks, ""), [False, False], record=False)
        assert [change.allowed for r in found.revisions for change in r.changes] == [True, False]
        assert all(found.faults)

    def test_of_two_opinions_the_stricter_counts_for_both(self) -> None:
        """What is listed as not allowed is so for every signature before it."""
        marks = (Mark("Signature1", 100, 0), Mark("Signature2", 100, 0))
        found = settle(
            Walk((Step(1, 100, 200, (touch(ChangeKind.VALIDATION_DATA),)),), marks, ""),
            [True, False],
            record=False,
        )
        assert not found.revisions[0].changes[0].allowed
        assert all(found.faults)

    def test_what_was_not_looked_into_needs_approval(self) -> None:
        """Missing evidence never passes."""
        few = walked(touch(ChangeKind.VALIDATION_DATA), more=9)
        assert settle(few, [None], record=False).faults == ("changed_after_signing",)
        assert settle(few, [True], record=False).faults == ("",)


class TestBounds:
    def test_of_too_many_the_forbidden_are_listed(self) -> None:
        allowed = [
            Touch(Change(ChangeKind.SIGNATURE_FILLED, allowed=False, object=f"{n} 0"), "") for n in range(200)
        ]
        forbidden = [touch(ChangeKind.PAGE_CONTENT_CHANGED, "content_changed")]
        steps = (Step(1, 100, 200, tuple(allowed), 5), Step(2, 200, 300, tuple(forbidden)))
        found = settle(Walk(steps, (Mark("GVCN", 300, 2),), ""), [None], record=True)
        first, last = found.revisions
        assert [c.kind for c in last.changes] == [ChangeKind.PAGE_CONTENT_CHANGED]
        assert len(first.changes) == MOST_CHANGES - 1
        assert first.more == 200 + 5 - len(first.changes)

    def test_a_file_that_changes_everything(self, world: World) -> None:
        """A second revision that writes every object anew: some are named, the others counted."""
        parts = {n: b"<< /Type /Font /Subtype /Type1 /BaseFont /A%d >>" % n for n in range(5, 1500)}
        pdf = hostile.one_page(more=parts)
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        for number in parts:
            font: Any = writer.get_object(generic.Reference(number, 0, writer))
            font[generic.NameObject("/BaseFont")] = generic.NameObject("/B")
            writer.update_container(font)
        output = io.BytesIO()
        writer.write(output)  # type: ignore[no-untyped-call]
        report, _ = validate(output.getvalue(), world.trust(), DEFAULT, NOW)
        (revision,) = report.revisions
        assert len(revision.changes) <= MOST_CHANGES
        assert len(revision.changes) + revision.more >= len(parts)
        conforms(report)

    def test_a_strangers_name_is_printable_and_short(self, world: World) -> None:
        stranger = pki.world("Công ty lạ")
        name = "\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 500
        pdf = pki.sign(pki.base_pdf((name,), None), name, stranger.people["seal"])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        (named,) = [c.field for c in report.revisions[0].changes if c.field is not None]
        assert named.isprintable()
        assert len(named) == LONGEST_NAME
        conforms(report)


class TestReadingBack:
    def whole(self, world: World, primary: bytes) -> dict[str, Any]:
        report, _ = validate(edit(primary, stamp), world.trust(), DEFAULT, NOW)
        told: dict[str, Any] = json.loads(json.dumps(report.to_json()))
        return told

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (("revisions", 0, "number"), "2"),
            (("revisions", 0, "start"), -1),
            (("revisions", 0, "after"), "x" * (LONGEST_NAME + 1)),
            (("revisions", 0, "after"), "a\nb"),
            (("revisions", 0, "more"), None),
            (("revisions", 0, "changes", 0, "kind"), "nothing"),
            (("revisions", 0, "changes", 0, "allowed"), 1),
            (("revisions", 0, "changes", 0, "object"), "1 0 R"),
            (("revisions", 0, "changes", 0, "page"), True),
            (("revisions", 0, "changes", 0, "field"), "\N{RIGHT-TO-LEFT OVERRIDE}"),
            (("revisions", 0, "changes", 0, "surplus"), 0),
            (("revisions",), [None]),
            (("lenient",), "no"),
            (("lenient",), None),
        ],
    )
    def test_nothing_else_is_a_report(
        self, world: World, primary: bytes, place: tuple[Any, ...], value: Any
    ) -> None:
        """The report may come from a process that a document has taken over."""
        told = self.whole(world, primary)
        node: Any = told
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = value
        with pytest.raises((KeyError, TypeError, ValueError)):
            ValidationReport.from_json(told)

    def test_more_changes_than_a_report_lists(self, world: World, primary: bytes) -> None:
        told = self.whole(world, primary)
        told["revisions"][0]["changes"] = told["revisions"][0]["changes"][:1] * (MOST_CHANGES + 1)
        with pytest.raises(ValueError, match="more changes"):
            ValidationReport.from_json(told)

    def test_the_published_schema_is_fresh(self) -> None:
        published = json.loads((ROOT / "docs/report.schema.json").read_text("utf-8"))
        assert published == report_schema(), (
            "run: python -m verifier report --schema > docs/report.schema.json"
        )


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("kind", ChangeKind)
def test_every_change_has_its_words(kind: ChangeKind, language: words.Language) -> None:
    bare = Change(kind, allowed=True)
    full = replace(bare, allowed=False, object="12 0", page=3, field="GVCN")
    assert words.change_sentence(bare, language) != words.change_sentence(full, language)
    for part in ("12 0", "3", "“GVCN”"):
        assert part in words.change_sentence(full, language)


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_command_line_names_them_too(language: words.Language) -> None:
    change = Change(ChangeKind.PAGE_CONTENT_CHANGED, allowed=False, object="11 0", page=1)
    lines = list(cli._revision_lines(Revision(5, 10, 20, 3, "GVCN", (change,), more=2), language))
    assert lines[0].strip() == words.revision_sentence(Revision(5, 10, 20, 3, "GVCN", ()), language)
    assert lines[1].endswith("[page_content_changed]")
    assert words.change_sentence(change, language) in lines[1]
    assert words.unlisted(2, language) in lines[2]


def test_the_command_line_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == report_schema()


def test_what_was_changed_after_signing_is_told_among_what_was_checked() -> None:
    """What is allowed, and what came before any signature, is for the technical details alone."""
    added = Change(ChangeKind.SIGNATURE_ADDED, allowed=False, object="392 0", page=1, field="Signature1")
    filled = Change(ChangeKind.SIGNATURE_FILLED, allowed=True, page=3, field="CBQL")
    early = Change(ChangeKind.PAGE_ADDED, allowed=False, page=9)
    tail = Change(ChangeKind.UNEXPLAINED_BYTES, allowed=False)
    revisions = (
        Revision(2, 10, 20, 0, None, (early,)),
        Revision(5, 20, 30, 3, "KY_PHAT_HANH", (filled, added, replace(added, object="393 0"))),
        Revision(None, 30, 40, 3, "KY_PHAT_HANH", (tail,)),
    )
    report = ValidationReport(at=NOW, medium=Medium.PDF, size=1, sha256="0" * 64, revisions=revisions)
    verdict = Verdict(Outcome.CONTENT_DIFFERS, Evidence.FILE, ("changed_after_issue",))
    told = [f for f in words.findings(verdict, report, "vi") if f.sentence.startswith("Thay đổi")]
    assert {f.status for f in told} == {CheckStatus.FAILED}
    assert [f.sentence for f in told] == [
        "Thay đổi sau khi ký: thêm một ô chữ ký (trang 1, ô “Signature1”, lần lưu thứ 5 của tệp).",
        "Thay đổi sau khi ký: có dữ liệu không thuộc lần lưu nào.",
    ]
    pages = tuple(Change(ChangeKind.PAGE_CONTENT_CHANGED, allowed=False, page=n) for n in range(1, 9))
    report = replace(report, revisions=(Revision(5, 20, 30, 3, "KY_PHAT_HANH", pages),))
    told = [f for f in words.findings(verdict, report, "en") if f.sentence.startswith("Changed")]
    assert len(told) == 5
    assert told[-1].sentence.endswith("(page 5, revision 5), and 3 more.")


def linearised(pdf: bytes) -> bytes:
    """Two tables, the second in front of the first (ISO 32000-2, annex F)."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        opened.save(
            out,
            compress_streams=False,
            linearize=True,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
    return out.getvalue()


class TestLinearised:
    def test_a_strangers_file_is_read(self, world: World) -> None:
        """The trailer of its first table names no catalog."""
        stranger = pki.world("Công ty lạ")
        pdf = linearised(pki.base_pdf(("Signature1",), None))
        pdf = pki.sign(pdf, "Signature1", stranger.people["seal"])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
        assert (report.problem, report.lenient) == (None, False)
        assert report.signatures[0].status(CheckName.COVERAGE) == "passed"

    def test_what_the_second_table_brought_is_not_new_later(self, world: World) -> None:
        """A page drawn anew between two signatures, where the page stands in a table that adds no bytes."""
        pdf = linearised(pki.base_pdf(FIELDS, pki.record_attachment()))
        root = re.findall(rb"/Root (\d+ 0 R)", pdf)[0]
        last = pdf.rindex(b"trailer <<") + len(b"trailer <<")
        pdf = pdf[:last] + b" /Info 2 0 R /Root " + root + pdf[last:]
        pdf = pki.sign(pdf, FIELDS[0], world.people[pki.SIGNERS[FIELDS[0]]], first=True)

        def draw(writer: IncrementalPdfFileWriter) -> None:
            page: Any = writer.root["/Pages"]["/Kids"][0]
            old = page.raw_get("/Contents").reference
            drawn = generic.StreamObject(stream_data=b"BT 9 0 0 9 9 9 Tm (10,0) Tj ET")
            writer.objects[(old.generation, old.idnum)] = drawn

        pdf = edit(pdf, draw)
        for field in FIELDS[1:]:
            pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]])
        report, _ = validate(pdf, world.trust(), DEFAULT, NOW, registered_at=NOW, own=True)
        assert (ChangeKind.PAGE_CONTENT_CHANGED, False) in [k for r in report.revisions for k in kinds(r)]
        assert agree(report)
        assert not any(s.passed for s in report.signatures)


def packed(*revisions: dict[int, bytes]) -> bytes:
    """Each revision's objects in one object stream, under a cross-reference stream."""
    out, before = bytearray(b"%PDF-1.7\n"), b""
    number = max(max(objects) for objects in revisions)
    for objects in revisions:
        listed, content = b"", b""
        for each, written in objects.items():
            listed += b"%d %d " % (each, len(content))
            content += written + b" "
        stream, table = number + 1, number + 2
        number = table
        rows = {each: (2, stream, index) for index, each in enumerate(objects)}
        rows[stream] = (1, len(out), 0)
        entries = b"/Type /ObjStm /N %d /First %d" % (len(objects), len(listed))
        out += hybrids._stream(stream, listed + content, entries)
        place = rows[table] = (1, len(out), 0)
        index = b" ".join(b"%d 1" % each for each in sorted(rows))
        entries = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R /Index [%s]%s" % (table + 1, index, before)
        out += hybrids._stream(
            table, b"".join(struct.pack(">BIH", *rows[each]) for each in sorted(rows)), entries
        )
        out += b"startxref\n%d\n%%%%EOF\n" % place[1]
        before = b" /Prev %d" % place[1]
    return bytes(out)


PAGES = {
    1: b"<< /Type /Catalog /Pages 2 0 R >>",
    2: b"<< /Type /Pages /Count 20 /Kids [" + b" ".join(b"%d 0 R" % n for n in range(10, 90)) + b"] >>",
    3: b"<< /B 0 >>",
    **dict.fromkeys(range(10, 90), b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Annots 4 0 R >>"),
    4: b"[" + b"9 0 R " * 20_000 + b"]",
}
MANY = dict.fromkeys(range(100, 2100), b"<< /A 1 >>")


@pytest.mark.parametrize(
    "pdf",
    [packed(PAGES | MANY, MANY), packed(PAGES, *({3: b"<< /B %d >>" % n} for n in range(1, 30)))],
    ids=["every object anew", "one list of annotations on all pages"],
)
def test_small_files_cost_little(world: World, monkeypatch: pytest.MonkeyPatch, pdf: bytes) -> None:
    """SEC-13: 50 and 20 kB that took half a minute while lists were read again for each object, or page and
    revision. What is counted is what was read: numbers in the lists of streams, members of arrays.
    """
    read = Counter[str]()

    def counted(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def counting(*given: Any) -> Any:
            read[name] += 1
            return real(*given)

        monkeypatch.setattr(owner, name, counting)

    counted(generic.NumberObject, "read_from_stream")
    counted(generic.ArrayObject, "raw_get")
    assert len(pdf) < 100_000
    report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
    assert report.problem is None
    assert read["read_from_stream"] > 0
    assert all(count < 2 * DEFAULT.limits.objects for count in read.values()), read
