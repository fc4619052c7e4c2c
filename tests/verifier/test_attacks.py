"""SEC-03, SEC-08: attacks on signed PDFs that are known by name, made here from their ideas.

Each is asked in three ways: near the registered file it was made from (the registry knows that one), where
the registry knows nothing of it (a lost row), and as if these very bytes were registered. Never is one
genuine; verdict and reasons are asserted exactly.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pikepdf
import pytest
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter, append_signature_field
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from tests.verifier import pki
from tests.verifier.pki import NOW, World
from tests.verifier.reports import agree, conforms
from tests.verifier.tsa import ForPyHanko, Tsa, timestamp_signer
from verifier.pades import validate
from verifier.policy import DEFAULT
from verifier.report import (
    ChangeKind,
    CheckName,
    CheckStatus,
    Indication,
    SubIndication,
    ValidationReport,
)
from verifier.trust import TrustStore
from verifier.verdict import (
    Outcome,
    RegistryFacts,
    Standing,
    Verdict,
    VersionFacts,
    VersionState,
    decide,
)

_name: Callable[[str], Any] = generic.NameObject
_array: Callable[..., Any] = generic.ArrayObject
_dictionary: Callable[..., Any] = generic.DictionaryObject
_number: Callable[[float], Any] = generic.FloatObject
_integer: Callable[[int], Any] = generic.NumberObject

VERSION = VersionFacts(pki.RECORD_ID, 1, VersionState.CURRENT, Standing.PASSED)
PAGE = (0, 0, 595, 842)
WHITE = b"1 1 1 rg 0 0 595 842 re f 0 g BT /F1 12 Tf 72 770 Td (10,0) Tj ET"
FIELDS = ("GVCN", "CBQL", "KY_PHAT_HANH")
ALTERED = ("CONTENT_DIFFERS", "changed_after_issue")
ALARM = ("SEAL_VALID_NOT_REGISTERED", "seal_valid_not_registered")


def failing(*reasons: str) -> tuple[str, ...]:
    """What is said of bytes taken for registered, whole: every reason, in the order of the signatures."""
    return ("REGISTERED_BUT_SIGNATURE_FAILS", *reasons)


def covering(homeroom: str, principal: str, seal: str) -> tuple[str, ...]:
    """As above, for files of which nothing but coverage fails; empty for a signature that covers."""
    codes = zip(FIELDS, (homeroom, principal, seal), strict=True)
    return failing(*(f"{field}:coverage:{code}" for field, code in codes if code))


@dataclass(frozen=True)
class Answers:
    """What is said of one file."""

    near: Verdict
    lost: Verdict
    registered: Verdict
    named: tuple[Named, ...]

    def said(self) -> dict[str, tuple[str, ...]]:
        return {
            name: (verdict.outcome.value, *verdict.reasons)
            for name, verdict in (("near", self.near), ("lost", self.lost), ("registered", self.registered))
        }


def ask(pdf: bytes, original: bytes, trust: TrustStore) -> Answers:
    """The three verdicts; ``original`` is the registered file. What is listed as changed and what the
    signatures cover never disagree, and every report is one by its schema.
    """
    report, _ = validate(pdf, trust, DEFAULT, NOW)
    own, _ = validate(pdf, trust, DEFAULT, NOW, registered_at=NOW, own=True)
    for each in (report, own):
        conforms(each)
        assert agree(each)
    return Answers(
        decide(report, facts_near(report, original)),
        decide(report, RegistryFacts()),
        decide(own, RegistryFacts(file=VERSION)),
        tuple(
            (revision.number, change.kind, change.object, change.page, change.field)
            for revision in report.revisions
            for change in revision.changes
            if not change.allowed
        ),
    )


Named = tuple[int | None, ChangeKind, str | None, int | None, str | None]


def facts_near(report: ValidationReport, original: bytes) -> RegistryFacts:
    """What a registry says that knows the original and its record."""
    known = sha256(original).hexdigest()
    prefixes = [p for p in report.prefixes if p.sha256 == known]
    return RegistryFacts(
        file=VERSION if report.sha256 == known else None,
        prefix=VERSION if prefixes else None,
        prefix_archival=any(p.archival for p in prefixes),
        named_record_known=report.attached_record_id == pki.RECORD_ID,
    )


def edit(pdf: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """One more revision (incremental saving)."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    change(writer)
    output = io.BytesIO()
    writer.write(output)  # type: ignore[no-untyped-call]
    return output.getvalue()


def rectangle(values: tuple[int, ...] = PAGE) -> Any:
    return _array(_number(value) for value in values)


def drawn(writer: IncrementalPdfFileWriter, content: bytes = WHITE) -> Any:
    """An appearance of the size of a page."""
    form = generic.StreamObject(stream_data=content)
    form[_name("/Type")], form[_name("/Subtype")] = _name("/XObject"), _name("/Form")
    form[_name("/BBox")] = rectangle()
    return writer.add_object(form)


def page_of(writer: IncrementalPdfFileWriter) -> Any:
    return writer.root["/Pages"]["/Kids"][0]


def annotated(writer: IncrementalPdfFileWriter, kind: str, **entries: Any) -> None:
    page = page_of(writer)
    annotation = _dictionary({_name("/Type"): _name("/Annot"), _name("/Subtype"): _name(kind)})
    annotation[_name("/Rect")] = rectangle()
    annotation[_name("/AP")] = _dictionary({_name("/N"): drawn(writer)})
    for key, value in entries.items():
        annotation[_name(f"/{key}")] = value
    present = list(page["/Annots"]) if "/Annots" in page else []
    kept = [page["/Annots"].raw_get(number) for number in range(len(present))]
    page[_name("/Annots")] = _array([*kept, writer.add_object(annotation)])
    writer.update_container(page)


# --- USF, universal signature forgery: damage what a verifier goes by, so that it skips the check


def in_the_seal(pdf: bytes, old: bytes, new: bytes) -> bytes:
    """Text of the last signature dictionary replaced by text as long; the rest of the file stays in place."""
    found = list(re.finditer(old, pdf))[-1]
    assert len(new) <= len(found[0])
    changed = pdf[: found.start()] + new.ljust(len(found[0])) + pdf[found.end() :]
    assert changed != pdf
    return changed


def contents(pdf: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """What stands in the gap of the seal, brackets included, changed to something as long."""
    start, end = (int(n) for n in re.findall(rb"/ByteRange \[0 (\d+) (\d+)", pdf)[-1])
    new = change(pdf[start:end])
    assert len(new) == end - start
    return pdf[:start] + new + pdf[end:]


_RANGE = rb"/ByteRange \[[^\]]*\]"
CHANGED, UNREADABLE = "changed_after_signing", "signature_unreadable"
#: Without a readable range the seal stands first, and the others no longer where they should.
_DISPLACED = ("GVCN:coverage:certified_twice", "CBQL:coverage:bytes_after_signature")


@dataclass(frozen=True)
class Damage:
    """What is said of a seal damaged like this: the reason classes of strangers' files, and every reason."""

    classes: tuple[str, ...]
    reasons: tuple[str, ...]


def _twice(code: str) -> tuple[str, str]:
    return f"KY_PHAT_HANH:integrity:{code}", f"KY_PHAT_HANH:byte_range:{code}"


_GONE = Damage((CHANGED, UNREADABLE), (*_twice("malformed_signature"), *_DISPLACED))
_NO_RANGE = Damage((CHANGED, UNREADABLE), (*_twice("byte_range_malformed"), *_DISPLACED))
_OUTSIDE = Damage((UNREADABLE,), (*_twice("byte_range_outside_file"), _DISPLACED[0]))
_NO_GAP = Damage((UNREADABLE,), _twice("gap_not_contents"))
_NO_CMS = Damage((UNREADABLE,), ("KY_PHAT_HANH:integrity:malformed_cms",))
_OTHER_BYTES = Damage((CHANGED,), ("KY_PHAT_HANH:integrity:digest_mismatch",))
_OTHER_KIND = Damage(
    (CHANGED, UNREADABLE),
    ("KY_PHAT_HANH:integrity:digest_mismatch", "KY_PHAT_HANH:coverage:wrong_subfilter"),
)
USF: dict[str, tuple[Callable[[bytes], bytes], Damage]] = {
    "ByteRange renamed": (lambda p: in_the_seal(p, rb"/ByteRange", b"/ByteRanga"), _GONE),
    "ByteRange null": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange null"), _GONE),
    "ByteRange empty": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange []"), _NO_RANGE),
    "ByteRange of zeros": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [0 0 0 0]"), _NO_RANGE),
    "ByteRange negative": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [0 -1 9 9]"), _NO_RANGE),
    "ByteRange of three": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [0 1 9]"), _NO_RANGE),
    "ByteRange of names": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [/A /B /C /D]"), _NO_RANGE),
    "ByteRange reversed": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [0 999 99 9]"), _NO_RANGE),
    "ByteRange past the end": (lambda p: in_the_seal(p, _RANGE, b"/ByteRange [0 9 99 9999999]"), _OUTSIDE),
    "Contents renamed": (lambda p: in_the_seal(p, rb"/Contents <", b"/Contentz <"), _OTHER_BYTES),
    "Contents of zeros": (lambda p: contents(p, lambda c: b"<" + b"0" * (len(c) - 2) + b">"), _NO_CMS),
    "Contents null": (lambda p: contents(p, lambda c: b"null".ljust(len(c))), _NO_GAP),
    "Contents empty": (lambda p: contents(p, lambda c: b"<>".ljust(len(c))), _NO_GAP),
    "Contents no hexadecimal": (lambda p: contents(p, lambda c: b"<" + b"z" * (len(c) - 2) + b">"), _GONE),
    "Contents a string": (lambda p: contents(p, lambda c: b"(" + b"0" * (len(c) - 2) + b")"), _NO_GAP),
    "SubFilter unknown": (
        lambda p: in_the_seal(p, rb"/ETSI.CAdES.detached", b"/ETSI.CAdES.attached"),
        _OTHER_KIND,
    ),
    "SubFilter renamed": (lambda p: in_the_seal(p, rb"/SubFilter", b"/SubFilteR"), _OTHER_KIND),
    "SubFilter of certificates": (
        lambda p: in_the_seal(p, rb"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1"),
        _OTHER_KIND,
    ),
    "value taken out of the field": (lambda p: in_the_seal(p, rb"/Type /Sig\b", b"/Type /Sag"), _OTHER_BYTES),
}


@pytest.mark.parametrize(("damage", "expected"), USF.values(), ids=USF)
def test_universal_forgery(
    world: World, primary: bytes, damage: Callable[[bytes], bytes], expected: Damage
) -> None:
    """A seal that cannot be checked is a seal that does not pass, whether the record is known or not."""
    said = ask(damage(primary), primary, world.trust()).said()
    assert said["near"] == ("CONTENT_DIFFERS", "resaved_or_edited")
    assert said["lost"] == ("NOT_VERIFIED", *expected.classes, "not_registered")
    assert said["registered"] == failing(*expected.reasons)


# --- SWA, signature wrapping: the second signed range moved, own objects in the gap


@pytest.mark.parametrize(
    ("wedge", "readable"),
    [(b" ", True), (b"\n" + b" " * 300 + b"\n", False), (b"\n9999 0 obj\n<< /Evil true >>\nendobj\n", False)],
    ids=["a space", "a field of spaces", "an object"],
)
def test_wrapping(world: World, primary: bytes, wedge: bytes, *, readable: bool) -> None:
    """SEC-03: the gap must be the value that was parsed, to the byte."""
    start, text = [(m.start(), m[0]) for m in re.finditer(_RANGE, primary)][-1]
    _, a, b, c = (int(n) for n in re.findall(rb"\d+", text))
    moved = f"/ByteRange [0 {a} {b + len(wedge)} {c}".encode().ljust(len(text) - 1) + b"]"
    pdf = primary[:start] + moved + primary[start + len(text) :]
    pdf = pdf[:b] + wedge + pdf[b:]
    said = ask(pdf, primary, world.trust()).said()
    if readable:
        assert said["near"] == ("CONTENT_DIFFERS", "resaved_or_edited")
        assert said["lost"] == ("NOT_VERIFIED", UNREADABLE, "not_registered")
        assert said["registered"] == failing(*_twice("gap_not_contents"))
    else:  # the table of what follows lies elsewhere now, which the strict reader refuses
        assert said["near"] == said["lost"] == ("NOT_VERIFIED", "broken_pdf")
        assert said["registered"] == failing("required_roles:no_record")


# --- ISA, EAA, SSA and what else may follow the seal of a certified file

Where = tuple[str | None, int | None, str | None]
#: What writing a revision does besides.
BY_THE_WAY = (ChangeKind.METADATA_CHANGED, ChangeKind.VERSION_CHANGED, ChangeKind.OBJECT_REPLACED)


def change_page(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer)
    page[_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=WHITE))
    writer.update_container(page)


def overlay_page(writer: IncrementalPdfFileWriter) -> None:
    page = page_of(writer)
    old = page.raw_get("/Contents")
    page[_name("/Contents")] = _array([old, writer.add_object(generic.StreamObject(stream_data=WHITE))])
    writer.update_container(page)


def replace_stream(writer: IncrementalPdfFileWriter) -> None:
    """The page untouched, its content replaced under the old number."""
    content = page_of(writer)["/Contents"]
    content._data, content._encoded_data = WHITE, None
    writer.update_container(content)


def stamp(writer: IncrementalPdfFileWriter) -> None:
    annotated(writer, "/Stamp")


def free_text(writer: IncrementalPdfFileWriter) -> None:
    annotated(writer, "/FreeText", Contents=generic.pdf_string("10,0"))


def redraw_field(writer: IncrementalPdfFileWriter) -> None:
    """The appearance of the principal's signature drawn over the page."""
    field = writer.root["/AcroForm"]["/Fields"][1]
    field[_name("/Rect")] = rectangle()
    field[_name("/AP")] = _dictionary({_name("/N"): drawn(writer)})
    writer.update_container(field)


def add_text_field(writer: IncrementalPdfFileWriter) -> None:
    annotated(writer, "/Widget", FT=_name("/Tx"), T=generic.pdf_string("x"), V=generic.pdf_string("10,0"))


def replace_pages(writer: IncrementalPdfFileWriter) -> None:
    page = _dictionary({_name("/Type"): _name("/Page"), _name("/MediaBox"): rectangle()})
    page[_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=WHITE))
    tree = _dictionary({_name("/Type"): _name("/Pages"), _name("/Count"): _integer(1)})
    tree[_name("/Kids")] = _array([writer.add_object(page)])
    writer.root[_name("/Pages")] = writer.add_object(tree)
    writer.update_container(writer.root)


def add_script(writer: IncrementalPdfFileWriter) -> None:
    writer.root[_name("/OpenAction")] = _dictionary({_name("/S"): _name("/JavaScript")})
    writer.update_container(writer.root)


def drop_certification(writer: IncrementalPdfFileWriter) -> None:
    del writer.root["/Perms"]
    writer.update_container(writer.root)


def unsign(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][2]
    del field["/V"]
    writer.update_container(field)


PAGE_ONE = ("11 0", 1, None)
#: Name -> the change, what it is called and where it is, and what it does to the coverage of those who signed
#: before the seal.
AFTER: dict[str, tuple[Callable[[IncrementalPdfFileWriter], None], ChangeKind, Where, tuple[str, str]]] = {
    "page content replaced": (
        change_page,
        ChangeKind.PAGE_CONTENT_CHANGED,
        PAGE_ONE,
        ("content_changed", "content_changed"),
    ),
    "page overlaid": (
        overlay_page,
        ChangeKind.PAGE_CONTENT_CHANGED,
        PAGE_ONE,
        ("content_changed", "content_changed"),
    ),
    "content stream replaced": (
        replace_stream,
        ChangeKind.PAGE_CONTENT_CHANGED,
        ("16 0", 1, None),
        ("content_changed", "content_changed"),
    ),
    "stamp over the page": (
        stamp,
        ChangeKind.ANNOTATION_ADDED,
        ("33 0", 1, None),
        ("content_changed", "content_changed"),
    ),
    "text over the page": (
        free_text,
        ChangeKind.ANNOTATION_ADDED,
        ("33 0", 1, None),
        ("content_changed", "content_changed"),
    ),
    "signature drawn over the page": (
        redraw_field,
        ChangeKind.SIGNATURE_REDRAWN,
        ("9 0", 1, "CBQL"),
        ("field_changed", "field_changed"),
    ),
    "form value added": (
        add_text_field,
        ChangeKind.FORM_FIELD_ADDED,
        ("33 0", 1, "x"),
        ("content_changed", "content_changed"),
    ),
    "pages replaced": (
        replace_pages,
        ChangeKind.PAGE_REPLACED,
        ("33 0", 1, None),
        ("catalog_changed", "catalog_changed"),
    ),
    "script added": (
        add_script,
        ChangeKind.CATALOG_CHANGED,
        ("1 0", None, None),
        ("catalog_changed", "catalog_changed"),
    ),
    "certification dropped": (
        drop_certification,
        ChangeKind.CERTIFICATION_CHANGED,
        ("1 0", None, None),
        ("not_certified", "catalog_changed"),
    ),
}


@pytest.mark.parametrize(("change", "kind", "where", "before"), AFTER.values(), ids=AFTER)
def test_incremental_saving(
    *,
    world: World,
    primary: bytes,
    change: Callable[[IncrementalPdfFileWriter], None],
    kind: ChangeKind,
    where: Where,
    before: tuple[str, str],
) -> None:
    """SEC-08: the registered file is a beginning of it, so that is what it is called; where the registry has
    lost that file the seal alarms, for it is one; registered, it fails. What was done is named.
    """
    answers = ask(edit(primary, change), primary, world.trust())
    said = answers.said()
    assert said["near"] == ALTERED
    assert said["lost"] == ALARM
    assert said["registered"] == covering(*before, "bytes_after_signature")
    assert [name for name in answers.named if name[1] not in BY_THE_WAY] == [(5, kind, *where)]
    assert {name[0] for name in answers.named} == {5}


def test_a_seal_taken_out(world: World, primary: bytes) -> None:
    """Without the seal there is nothing to alarm about, and nothing that passes."""
    answers = ask(edit(primary, unsign), primary, world.trust())
    said = answers.said()
    assert (5, ChangeKind.SIGNATURE_REMOVED, "10 0", 1, "KY_PHAT_HANH") in answers.named
    assert said["near"] == ALTERED
    assert said["lost"] == ("NOT_VERIFIED", CHANGED, "not_registered")
    assert said["registered"] == failing(
        "GVCN:coverage:field_changed", "CBQL:coverage:bytes_after_signature", "required_roles:role_missing"
    )


@pytest.mark.parametrize(
    ("tail", "readable"),
    [
        (b" ", True),
        (b"\n", True),
        (b"\0" * 40, True),
        (b"10,0 10,0", True),
        (b"%%EOF\n", False),
        (b"%PDF-1.7\n%%EOF\n", False),
    ],
)
def test_unexplained_bytes_behind_the_last_revision(
    world: World, primary: bytes, tail: bytes, *, readable: bool
) -> None:
    """Whether a reader would take them for nothing, or for the end of a revision that is not there."""
    answers = ask(primary + tail, primary, world.trust())
    said = answers.said()
    assert said["near"] == ALTERED
    assert said["lost"] == (ALARM if readable else ("NOT_VERIFIED", "broken_pdf"))
    all_of_them = covering(*["bytes_after_signature"] * 3)
    assert said["registered"] == (all_of_them if readable else failing("required_roles:no_record"))
    unexplained = (None, ChangeKind.UNEXPLAINED_BYTES, None, None, None)
    assert answers.named == ((unexplained,) if readable else ())


@pytest.mark.parametrize("box", [PAGE, (0, 0, 0, 0)], ids=["over the page", "invisible"])
def test_a_strangers_extra_signature(world: World, primary: bytes, box: tuple[int, int, int, int]) -> None:
    """Whether it covers the page or shows nothing: every signature in the file must be ours."""
    stranger = pki.world("Người ngoài")
    field = SigFieldSpec("Signature1", box=box)
    pdf = edit(primary, lambda writer: append_signature_field(writer, field))
    answers = ask(pki.sign(pdf, "Signature1", stranger.people["seal"]), primary, world.trust())
    said = answers.said()
    assert [(name[0], name[1], name[4]) for name in answers.named if name[4]] == [
        (5, ChangeKind.SIGNATURE_ADDED, "Signature1"),
        (6, ChangeKind.SIGNATURE_FILLED, "Signature1"),
    ]
    assert said["near"] == ALTERED
    assert said["lost"] == ALARM
    assert said["registered"] == (
        *covering("form_changed", "form_changed", "seal_not_last"),
        "Signature1:coverage:foreign_signature",
        "Signature1:certificate:no_path",
        "Signature1:authority:unknown_signer",
    )


def test_a_strangers_document_timestamp(world: World, primary: bytes) -> None:
    """A stamp proves a time, not a right: these bytes are registered or they are not."""
    clock = timestamp_signer(pki.root("Giờ người ngoài"))
    output = io.BytesIO()
    stamper = signers.PdfTimeStamper(ForPyHanko(Tsa(clock)), field_name="Stamp1")
    stamper.timestamp_pdf(IncrementalPdfFileWriter(io.BytesIO(primary)), "sha256", output=output)
    report, _ = validate(output.getvalue(), world.trust(), DEFAULT, NOW)
    last = report.revisions[-1]
    assert (last.number, last.after, last.signed_before) == (5, "KY_PHAT_HANH", 3)
    assert ChangeKind.DOCUMENT_TIMESTAMP in {change.kind for change in last.changes}
    said = ask(output.getvalue(), primary, world.trust()).said()
    assert said["near"] == ALTERED  # pyHanko shows its field on the page: more than an archive may add
    assert said["lost"] == ALARM
    assert said["registered"] == covering(*["archive_addition_changes_more"] * 3)


# --- form values of a file that had some when it was signed


def with_text_field(pdf: bytes) -> bytes:
    """An unsigned record with a text field that shows a mark."""

    def add(writer: IncrementalPdfFileWriter) -> None:
        annotated(
            writer, "/Widget", FT=_name("/Tx"), T=generic.pdf_string("diem"), V=generic.pdf_string("5,0")
        )
        page = page_of(writer)
        fields = writer.root["/AcroForm"]["/Fields"]
        fields.append(page["/Annots"].raw_get(len(page["/Annots"]) - 1))
        writer.update_container(fields)

    return edit(pdf, add)


def fill(writer: IncrementalPdfFileWriter) -> None:
    field = writer.root["/AcroForm"]["/Fields"][3]
    assert field["/T"] == "diem"
    field[_name("/V")] = generic.pdf_string("10,0")
    writer.update_container(field)


@pytest.mark.parametrize("when", [1, 2, 3], ids=["before the principal", "before the seal", "after the seal"])
def test_form_values_changed(world: World, when: int) -> None:
    """The first signature allows filling of forms; a record has none to fill but signatures."""
    pdf = flat(with_text_field(pki.base_pdf(FIELDS, pki.record_attachment())))
    whole = pki.sign_all(pdf, FIELDS, world.people)
    assert ask(whole, whole, world.trust()).registered.green
    pdf = pki.sign_all(pdf, FIELDS[:when], world.people)
    pdf = edit(pdf, fill)
    for field in FIELDS[when:]:
        pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]])
    answers = ask(pdf, whole, world.trust())
    said = answers.said()
    assert (when + 2, ChangeKind.FORM_VALUE_CHANGED, "11 0", 1, "diem") in answers.named
    assert said["lost"] == ALARM
    assert said["near"] == ALARM  # signed anew: another file than the one registered
    last = "bytes_after_signature" if when == 3 else "content_changed"
    assert said["registered"] == covering("content_changed", "content_changed", last)


def flat(pdf: bytes) -> bytes:
    """One revision, as a renderer would write."""
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(output, compress_streams=False)
    return output.getvalue()


# --- shadow documents: prepared before they are signed, turned afterwards


def hide(writer: IncrementalPdfFileWriter) -> None:
    """Prepared: a picture over the real page, to be made invisible later."""
    annotated(writer, "/Square", F=_integer(4))


def unhide(writer: IncrementalPdfFileWriter) -> None:
    cover = page_of(writer)["/Annots"][-1]
    cover[_name("/F")] = _integer(2)
    writer.update_container(cover)


def prepare_replacement(writer: IncrementalPdfFileWriter) -> None:
    """Prepared: a font whose letters can be exchanged later."""
    font = _dictionary({_name("/Type"): _name("/Font"), _name("/Subtype"): _name("/Type1")})
    font[_name("/BaseFont")] = _name("/Courier")
    page = page_of(writer)
    page["/Resources"]["/Font"][_name("/F9")] = writer.add_object(font)
    page[_name("/Contents")] = _array(
        [
            page.raw_get("/Contents"),
            writer.add_object(generic.StreamObject(stream_data=b"BT /F9 9 Tf 72 700 Td (05) Tj ET")),
        ]
    )
    writer.update_container(page)


def exchange_font(writer: IncrementalPdfFileWriter) -> None:
    font = page_of(writer)["/Resources"]["/Font"]["/F9"]
    font[_name("/BaseFont")] = _name("/Symbol")
    writer.update_container(font)


def prepare_second_pages(writer: IncrementalPdfFileWriter) -> None:
    """Prepared: another page that nothing refers to, kept in the file."""
    page = _dictionary({_name("/Type"): _name("/Page"), _name("/MediaBox"): rectangle()})
    page[_name("/Contents")] = writer.add_object(generic.StreamObject(stream_data=WHITE))
    page[_name("/Parent")] = writer.root.raw_get("/Pages")
    writer.root[_name("/Hidden")] = writer.add_object(page)
    writer.update_container(writer.root)


def show_second_pages(writer: IncrementalPdfFileWriter) -> None:
    pages = writer.root["/Pages"]
    pages[_name("/Kids")] = _array([writer.root.raw_get("/Hidden")])
    writer.update_container(pages)


SHADOWS = {
    "hide": (hide, unhide, ChangeKind.ANNOTATION_CHANGED),
    "replace": (prepare_replacement, exchange_font, ChangeKind.PAGE_CHANGED),
    "hide and replace": (prepare_second_pages, show_second_pages, ChangeKind.PAGE_REPLACED),
}


@pytest.mark.parametrize(("prepare", "turn", "kind"), SHADOWS.values(), ids=SHADOWS)
@pytest.mark.parametrize("when", [1, 3], ids=["between signatures", "after the seal"])
def test_shadow_documents(
    world: World,
    prepare: Callable[[IncrementalPdfFileWriter], None],
    turn: Callable[[IncrementalPdfFileWriter], None],
    kind: ChangeKind,
    when: int,
) -> None:
    """SEC-08: we sign nothing that others prepared; had somebody done so, the turning would show."""
    prepared = flat(edit(pki.base_pdf(FIELDS, pki.record_attachment()), prepare))
    whole = pki.sign_all(prepared, FIELDS, world.people)
    assert ask(whole, b"", world.trust()).said()["near"] == ALARM
    pdf = edit(whole if when == 3 else pki.sign_all(prepared, FIELDS[:when], world.people), turn)
    for field in FIELDS[when:]:
        pdf = pki.sign(pdf, field, world.people[pki.SIGNERS[field]])
    answers = ask(pdf, whole, world.trust())
    said = answers.said()
    named = [name for name in answers.named if name[1] not in BY_THE_WAY]
    assert [(number, what, page) for number, what, _, page, _ in named] == [(when + 2, kind, 1)]
    assert said["near"] == (ALTERED if when == 3 else ALARM)
    assert said["lost"] == ALARM
    last = "bytes_after_signature" if when == 3 else "content_changed"
    assert said["registered"] == covering("content_changed", "content_changed", last)


# --- EAA and SSA on files that strangers certified


@pytest.mark.parametrize("permissions", [MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE])
@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        (stamp, ChangeKind.ANNOTATION_ADDED),
        (free_text, ChangeKind.ANNOTATION_ADDED),
        (redraw_field, ChangeKind.SIGNATURE_REDRAWN),
    ],
)
def test_a_certified_file_that_is_not_ours(
    world: World,
    permissions: MDPPerm,
    attack: Callable[[IncrementalPdfFileWriter], None],
    kind: ChangeKind,
) -> None:
    """Whatever its certification permits: it is not ours, and nothing about it is genuine."""
    stranger = pki.world("Công ty lạ")
    pdf = pki.base_pdf(("Signature1", "Signature2"), None)
    pdf = pki.sign(pdf, "Signature1", stranger.people["seal"], first=True, permissions=permissions)
    answers = ask(edit(pdf, attack), b"", world.trust())
    said = answers.said()
    assert [(number, what, page) for number, what, _, page, _ in answers.named] == [(3, kind, 1)]
    classes = (CHANGED, "untrusted_signer", "signer_not_authorised", "not_registered")
    assert said["near"] == said["lost"] == ("NOT_VERIFIED", *classes)
    assert said["registered"] == failing(
        "Signature1:coverage:changed_after_signing",
        "Signature1:certificate:no_path",
        "Signature1:authority:unknown_signer",
        "required_roles:no_record",
    )


# --- where the library alone would say yes


def library_says(pdf: bytes, world: World) -> list[bool]:
    """pyHanko's own last word on each signature, told to trust what we trust and to fetch nothing."""
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(world.root.der)],
        other_certs=[asn1_x509.Certificate.load(world.intermediate.der)],
        moment=NOW,
        allow_fetching=False,
    )
    reader = PdfFileReader(io.BytesIO(pdf))
    return [bool(validate_pdf_signature(s, context).bottom_line) for s in reader.embedded_regular_signatures]


def test_somebody_below_the_same_authority(world: World, primary: bytes) -> None:
    """SEC-04: a citizen's certificate seals a record: the path is right, the right is missing."""
    pdf = pki.signed_record(world, people={"seal": world.intermediate.issue("Một người dân")})
    assert library_says(pdf, world) == [True] * 3
    said = ask(pdf, primary, world.trust()).said()
    assert said["lost"] == ("NOT_VERIFIED", "signer_not_authorised", "not_registered")
    assert said["near"] == ("CONTENT_DIFFERS", "resaved_or_edited")
    assert said["registered"] == failing("KY_PHAT_HANH:authority:unknown_signer")


def test_a_strangers_signature_over_the_page_of_an_approved_file(world: World) -> None:
    """Without certification later signatures may be added, and one may cover the page."""
    pdf = pki.sign(pki.base_pdf(("GVCN",), None), "GVCN", world.people["homeroom"])
    stranger = pki.world("Người che trang")
    pdf = edit(pdf, lambda writer: append_signature_field(writer, SigFieldSpec("Signature1", box=PAGE)))
    pdf = pki.sign(pdf, "Signature1", stranger.people["principal"])
    assert library_says(pdf, world)[0]
    said = ask(pdf, b"", world.trust()).said()
    classes = (UNREADABLE, "untrusted_signer", "signer_not_authorised", "not_registered")
    assert said["near"] == said["lost"] == ("NOT_VERIFIED", *classes)
    assert said["registered"] == failing(
        "GVCN:coverage:not_certified",
        "Signature1:coverage:foreign_signature",
        "Signature1:certificate:no_path",
        "Signature1:authority:unknown_signer",
        "required_roles:no_record",
    )


def test_no_revocation_list_at_hand(world: World, primary: bytes) -> None:
    """The library fails softly: what it cannot ask counts as not revoked."""
    assert library_says(primary, world) == [True] * 3
    said = ask(primary, primary, world.trust(crls=())).said()
    assert said["near"] == said["lost"] == said["registered"] == ("CHECK_INCOMPLETE", "crl_missing")


def test_a_file_without_signatures(world: World, primary: bytes) -> None:
    """Every one of no signatures passes."""
    pdf = pki.base_pdf(FIELDS, pki.record_attachment())
    assert all(library_says(pdf, world))
    said = ask(pdf, primary, world.trust()).said()
    assert said["near"] == ("CONTENT_DIFFERS", "resaved_or_edited")
    assert said["lost"] == ("NOT_VERIFIED", "no_signature")
    assert said["registered"] == failing("required_roles:role_missing")


# --- files that never were ours


@pytest.mark.parametrize(
    "subfilter", [SigSeedSubFilter.PADES, SigSeedSubFilter.ADOBE_PKCS7_DETACHED], ids=["PAdES", "pkcs7"]
)
def test_a_strangers_signed_file_gets_an_honest_report(world: World, subfilter: SigSeedSubFilter) -> None:
    """PAdES or the older kind: nothing is wrong with its signatures, and nobody we trust has made them."""
    stranger = pki.world("Công ty lạ")
    pdf = pki.base_pdf(("Signature1",), None)
    pdf = pki.sign(pdf, "Signature1", stranger.people["seal"], subfilter=subfilter)
    report, _ = validate(pdf, world.trust(), DEFAULT, NOW)
    (signature,) = report.signatures
    passed = {c.name for c in signature.checks if c.status is CheckStatus.PASSED}
    assert passed == {
        CheckName.INTEGRITY,
        CheckName.BYTE_RANGE,
        CheckName.COVERAGE,
        CheckName.ALGORITHM,
        CheckName.TIME,
    }
    assert signature.indication is Indication.INDETERMINATE
    assert signature.sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND
    assert signature.signer is not None
    assert signature.signer.subject == "CN=Công ty lạ Trường"
    verdict = decide(report, RegistryFacts())
    assert (verdict.outcome, verdict.reasons) == (
        Outcome.NOT_VERIFIED,
        ("untrusted_signer", "signer_not_authorised", "not_registered"),
    )
