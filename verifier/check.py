"""The one front door: bytes in, report out, whatever the bytes are.

Decides by content what is examined (PDF, picture, or something that is no school record) and puts together
what the parts find: signatures (``verifier.pades``), QR codes (``verifier.barcode``), the attached record.
Meant to run in a child process that may die (``verifier.sandbox``); called directly it still never raises for
a document's sake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from verifier import barcode
from verifier.errors import InvalidInput
from verifier.intake import Content, sniff
from verifier.pades import Beginning, Structure, revalidate, validate
from verifier.policy import ValidationPolicy
from verifier.report import Medium, ValidationReport
from verifier.trust import TrustStore


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows about exactly these bytes.

    ``registered_at`` proves that the file existed then, ``earlier`` are registered files that it continues
    (a renewed file continues the issued one). ``structure`` (facts of the bytes that never change) opens the
    fast path; None, as in an offline bundle, means the full one.
    """

    registered_at: datetime
    structure: Structure | None = None
    earlier: tuple[Beginning, ...] = ()


def examine(
    data: bytes, *, trust: TrustStore, policy: ValidationPolicy, at: datetime, known: Known | None = None
) -> ValidationReport:
    """Examine one document at the time ``at`` (aware). ``known`` is for these bytes or absent."""
    base = ValidationReport(
        at=at, medium=Medium.OTHER, size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    try:
        content = sniff(data, policy.limits)
        if content is Content.PDF:
            return _examine_pdf(data, trust, policy, at, known)
        if content in (Content.IMAGE, Content.HEIC):
            return _examine_image(data, base, policy)
        return replace(base, problem=content.value)
    except MemoryError:
        return replace(base, incomplete="memory")
    except RecursionError:
        return replace(base, medium=Medium.PDF, problem="broken_pdf")


def _examine_pdf(
    data: bytes, trust: TrustStore, policy: ValidationPolicy, at: datetime, known: Known | None
) -> ValidationReport:
    # 1 Bytes that we registered ourselves need no rendering and no search for codes.
    if known is not None:
        structure = known.structure
        if structure is not None and structure.sha256 == hashlib.sha256(data).hexdigest():
            return revalidate(
                data, structure, trust, policy, at, registered_at=known.registered_at, earlier=known.earlier
            )
        report, _ = validate(
            data, trust, policy, at, registered_at=known.registered_at, earlier=known.earlier, own=True
        )
        return report

    # 2 Unknown bytes: the signatures, then what the pages show.
    report, _ = validate(data, trust, policy, at)
    if report.incomplete or report.problem == "too_large":
        return report
    images_only, codes = _look_at_pages(data, policy)
    report = replace(report, codes=codes)
    if not images_only or report.signatures or report.attached_record_id or report.problem == "encrypted":
        return report

    # 3 Pages of pictures: whatever is wrong with the file's syntax, only its QR code can speak.
    #   Nothing that was read of the file itself counts.
    return replace(
        report,
        medium=Medium.PDF_OF_IMAGES,
        problem=None if codes else "no_code",
        lenient=False,
        revisions=(),
    )


def _look_at_pages(data: bytes, policy: ValidationPolicy) -> tuple[bool, tuple[str, ...]]:
    """Whether every page is pictures only, and the QR codes on the pages. Nothing when it cannot be drawn."""
    limits = policy.limits
    try:
        images_only = barcode.pages_are_images_only(data, max_pages=limits.pages)
        pages = barcode.read_page_codes(
            data,
            dpi=limits.page_dpi,
            max_pages=limits.scanned_pages if images_only else limits.pages,
            max_pixels=limits.page_pixels,
            rescue=images_only,
            enough=could_be_ours if images_only else None,
        )
    except MemoryError:
        raise
    except Exception:  # a page that PDFium cannot draw shows no code; the report says what the file is
        return False, ()
    return images_only, _bounded((code for page in pages for code in page), policy)


def _examine_image(data: bytes, base: ValidationReport, policy: ValidationPolicy) -> ValidationReport:
    report = replace(base, medium=Medium.IMAGE)
    try:
        codes = barcode.read_image_codes(data, enough=could_be_ours)
    except InvalidInput as refusal:
        too_large = refusal.problems[0].code == "image_too_large"
        return replace(report, problem="too_large" if too_large else "broken_image")
    codes = _bounded(codes, policy)
    return replace(report, codes=codes, problem=None if codes else "no_code")


def could_be_ours(text: str) -> bool:
    """Whether a code has the outline of a record's address; on which host is for the registry to say. Beside
    such a one in a large photo no smaller code is looked for: a second record of ours, too small for half the
    size, goes unseen, and the answer, evidence ``code``, is about the one that is read.
    """
    return "/V/" in text.upper()


def _bounded(codes: Iterable[str], policy: ValidationPolicy) -> tuple[str, ...]:
    """Distinct codes, in the order found, none longer than a locator could ever be."""
    limits = policy.limits
    return tuple(dict.fromkeys(code[: limits.code_length] for code in codes))[: limits.codes]
