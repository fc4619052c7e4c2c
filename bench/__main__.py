"""`make bench`: issuing, checking and look-up against what one would otherwise use; ratios within one run."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import rfc8785
import typst
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from flask import Flask
from PIL import ImageFilter
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from sqlalchemy.orm import Session
from werkzeug.test import Client

from bench import pages
from bench.codes import reading_rates
from bench.workshop import Workshop, cpu, fastest, interleaved, open_workshop
from portal import logs
from portal.accounts import contacts
from portal.accounts import service as accounts
from portal.accounts.models import Account, Relation
from portal.accounts.notices import send
from portal.audit import service as audit
from portal.audit.service import Event
from portal.demo.authority import Credential
from portal.extensions import Resources
from portal.factory import create_app
from portal.filestore import ObjectFiles
from portal.issuing import appearance
from portal.issuing.plan import Choices
from portal.issuing.rendering import TEMPLATES, Renderer
from portal.issuing.service import Order, examine
from portal.limits.gate import Gate
from portal.limits.table import LAYERS, read_changes
from portal.lookup.scan import Scans
from portal.ports import Channel
from portal.web.journal import Journal
from tests.portal.consent.world import World as Families
from tests.portal.issuing.world import School
from tests.portal.limits.codes import unknown
from tests.servers import RedisServer
from verifier import audit as form
from verifier import barcode, check, pades
from verifier.locator import Locator
from verifier.policy import DEFAULT
from verifier.sandbox import CheckJob, ForkServer

ROUNDS = 5
REQUESTS = 400
ISOLATED_ROUNDS = 30
TRIES = 1000
FAMILY_TRIES = 60


def main() -> bool:
    """Every measurement, each on fresh records of one installation. Whether what is a gate holds."""
    with tempfile.TemporaryDirectory() as folder:
        shop = open_workshop(Path(folder))
        for school in (shop.primary, shop.secondary):
            files = issuing(shop, school)
            checking(shop, files)
            isolation(shop, files, Path(folder))
        spelling()
        reading_codes(files[0][0])
        look_up(shop)
        alike(shop)
        alike_inside(shop)
        limits(shop)
        log_line(shop)
        holds = reading_rates(shop)
    return pages.main() and holds


def report(what: str, ours: float, other_name: str, other: float) -> None:
    """One line: the ratio first, the figures it comes from behind it."""
    print(
        f"{what:<44} {other / ours:7.2f} ×   ours {ours:9.2f} ms | {other_name} {other:9.2f} ms", flush=True
    )


# ------------------------------------------------------------------------------------------------- issuing


def issuing(shop: Workshop, school: School) -> list[tuple[bytes, int]]:
    """Our whole pipeline (check rows, render, lint, sign, verify, encrypt, store, register) against typst and
    pyHanko as they come: `typst.compile` of the very same template and data, then one SimpleSigner a role,
    its key file loaded once, signing an invisible field. Stock neither lints nor verifies nor stores, so the
    comparison favours it. Within ours: the audit trail's entries, one a signature and one of the issue.
    Returns the registered files with their number of signatures.
    """
    warm, *rows = school.rows[: ROUNDS + 1]
    shop.world.run([warm])
    recorded = _Recorder()
    desk = replace(shop.world.desk, renderer=recorded)
    works = examine(desk, rows, Order(choices=Choices(), store=shop.world.store()))
    assert len(works) == len(recorded.inputs) == len(rows)
    stock_signers = _stock_signers(school)
    names = rows[0].record.signature_fields
    calls: list[float] = []
    record = audit.record

    def timed(session: Session, *events: Event, now: datetime) -> None:
        session.flush()  # the act's own rows
        calls.append(cpu(partial(record, session, *events, now=now)))

    with patch.object(audit, "record", timed):
        figures = interleaved(
            {
                "ours": [partial(shop.world.run, [row]) for row in rows],
                "stock": [partial(_stock_issue, given, names, stock_signers) for given in recorded.inputs],
            }
        )
    report(f"issue, {len(names)} signatures", figures["ours"], "stock typst + pyHanko", figures["stock"])
    each = len(calls) // len(rows)
    entries = median(sum(calls[start : start + each]) for start in range(0, len(calls), each))
    print(
        f"{f'audit trail of it, {len(names) + 1} entries':<44} {entries / figures['ours']:7.2%}     "
        f"entries {entries:6.2f} ms | issue {figures['ours']:9.2f} ms",
        flush=True,
    )
    return [
        (
            shop.world.content(record, version, file),
            len(names),
        )
        for record, version, file in shop.world.registered()
        if record.school_code == school.plan.code
    ]


def spelling() -> None:
    """The canonical form of an entry, by Python's own encoder and by the package `rfc8785`."""
    entry = form.seal(
        {
            "number": 12345,
            "at": "2026-10-05T02:30:00.000000Z",
            "actor": "command:an.nguyen",
            "action": "key_use",
            "outcome": "done",
            "object": "issuance:0b9a3f6e-58d1-4a0c-8e47-2f1d6c7b8a90",
            "organisation": "001234",
            "pupil": "5b" * 32,
            "purpose": None,
            "basis": None,
            "details": {"certificate": "ab" * 32, "digest": "cd" * 32, "field": "GVCN", "key": "local"},
            "previous": "00" * 32,
        }
    )
    assert form.canonical(entry) == rfc8785.dumps(entry)

    def many(write: Callable[[Any], bytes]) -> None:
        for _ in range(TRIES):
            write(entry)

    steps: dict[str, list[Callable[[], object]]] = {
        "ours": [partial(many, form.canonical)] * ISOLATED_ROUNDS,
        "package": [partial(many, rfc8785.dumps)] * ISOLATED_ROUNDS,
    }
    figures = interleaved(steps)
    report(f"canonical form of {TRIES} entries", figures["ours"], "rfc8785", figures["package"])


class _Recorder(Renderer):
    """Keeps what the typesetter is given."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[tuple[str, Mapping[str, Any], datetime]] = []

    def _set_type(self, template: str, data: Mapping[str, Any], at: datetime) -> bytes:
        self.inputs.append((template, data, at))
        return super()._set_type(template, data, at)


def _stock_signers(school: School) -> list[signers.SimpleSigner]:
    return [_simple_signer(credential) for credential in school.credentials]


def _simple_signer(credential: Credential) -> signers.SimpleSigner:
    passphrase = credential.passphrase_file.read_bytes().strip()
    signer = signers.SimpleSigner.load_pkcs12(  # type: ignore[no-untyped-call]
        str(credential.path), passphrase=passphrase
    )
    assert isinstance(signer, signers.SimpleSigner)
    return signer


def _stock_issue(
    given: tuple[str, Mapping[str, Any], datetime],
    names: Sequence[str],
    hands: Sequence[signers.SimpleSigner],
) -> bytes:
    template, data, at = given
    pdf = typst.compile(
        str(TEMPLATES / template),
        root=str(TEMPLATES),
        font_paths=[str(appearance.FONTS)],
        sys_inputs={"record": json.dumps(data, ensure_ascii=False)},
        pdf_standards=["a-3a"],
        timestamp=at,
    )
    for number, name in enumerate(names):
        out = BytesIO()
        signers.sign_pdf(
            IncrementalPdfFileWriter(BytesIO(pdf)),
            signers.PdfSignatureMetadata(
                field_name=f"S.{name}", md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
            ),
            signer=hands[number % len(hands)],
            output=out,
        )
        pdf = out.getvalue()
    return pdf


# ------------------------------------------------------------------------------------------------ checking


def checking(shop: Workshop, files: Sequence[tuple[bytes, int]]) -> None:
    """Checking a registered file (every signature verified anew; at least 20 times as quick), and the same
    bytes as if nobody had registered them (the full validation; at least twice as quick), against stock
    pyHanko validating each signature with its difference analysis. All in process.
    """
    store, world = shop.world.store(), shop.world
    now = world.clock.now()
    known = []
    for data, _ in files:
        _, structure = pades.validate(data, store, DEFAULT, now, registered_at=now, own=True)
        known.append((data, structure))
    roots = [asn1_x509.Certificate.load(anchor.certificate) for anchor in store.anchors]
    others = [asn1_x509.Certificate.load(der) for der in store.intermediates]
    crls = [asn1_crl.CertificateList.load(der) for der in store.crls]

    def ours(data: bytes, structure: pades.Structure) -> None:
        assert sha256(data).hexdigest() == structure.sha256
        checked = pades.revalidate(data, structure, store, DEFAULT, now, registered_at=now)
        assert all(signature.passed for signature in checked.signatures)

    def full(data: bytes) -> None:
        checked, _ = pades.validate(data, store, DEFAULT, now)
        assert all(signature.passed for signature in checked.signatures)

    def stock(data: bytes) -> None:
        for embedded in PdfFileReader(BytesIO(data)).embedded_signatures:
            context = ValidationContext(
                trust_roots=roots, other_certs=others, crls=crls, moment=now, revocation_mode="hard-fail"
            )
            status = validate_pdf_signature(embedded, signer_validation_context=context)
            assert status.intact
            assert status.valid

    ours(*known[0])
    figures = interleaved(
        {
            "ours": [partial(ours, data, structure) for data, structure in known],
            "full": [partial(full, data) for data, _ in known],
            "stock": [partial(stock, data) for data, _ in known],
        }
    )
    for what, name in (("a registered file", "ours"), ("the same, unknown", "full")):
        report(f"check {what}, {files[0][1]} signatures", figures[name], "stock pyHanko", figures["stock"])


# ----------------------------------------------------------------------------------------------- isolation


def isolation(shop: Workshop, files: Sequence[tuple[bytes, int]], folder: Path) -> None:
    """A check of unknown bytes in a confined child against the same check in this process, by the clock on
    the wall: the difference is what isolation costs (at most 10 ms a file). Bytes of the same size that take
    no examining at all show the fixed part of it, which a busy machine blurs less.
    """
    store, now = shop.world.store(), shop.world.clock.now()
    trust_path = folder / "trust.json"
    trust_path.write_text(json.dumps(store.to_json()))
    data, signatures = files[0]
    server = ForkServer(confined=True)
    server.start()

    def confined(content: bytes) -> None:
        assert server.check(CheckJob(content, trust_path, now)).incomplete is None

    def here(content: bytes) -> None:
        check.examine(content, trust=store, policy=DEFAULT, at=now)

    try:
        for what, content in (
            (f"{signatures} signatures", data),
            (f"nothing to examine, {len(data) // 1000} kB", bytes(len(data))),
        ):
            figures = fastest(
                {"confined": partial(confined, content), "here": partial(here, content)}, ISOLATED_ROUNDS
            )
            added = figures["confined"] - figures["here"]
            print(
                f"{f'isolating a check, {what}':<44} {added:+6.2f} ms   "
                f"confined {figures['confined']:9.2f} ms | in process {figures['here']:9.2f} ms",
                flush=True,
            )
    finally:
        server.close()


def reading_codes(pdf: bytes) -> None:
    """Finding the QR code in the photo of a whole page (A4 at 300 dpi, askew, a little blurred; at most
    30 ms) against decoding the JPEG that the photo comes in.
    """
    page = barcode.render_page(pdf, 0, dpi=300, max_pixels=barcode.MAX_PIXELS)
    out = BytesIO()
    page.rotate(2, fillcolor=255).filter(ImageFilter.GaussianBlur(0.7)).save(out, "JPEG", quality=70)
    photo = barcode.open_image(out.getvalue())
    assert barcode.read_codes(photo)
    figures = fastest(
        {
            "find": partial(barcode.read_codes, photo, enough=check.could_be_ours),
            "decode": partial(barcode.open_image, out.getvalue()),
        },
        ISOLATED_ROUNDS,
    )
    report("QR code in a photo, A4 at 300 dpi", figures["find"], "decoding the JPEG", figures["decode"])


# ------------------------------------------------------------------------------------------------- look-up


def look_up(shop: Workshop) -> None:
    """The page behind a QR code against a bare Flask page that says hello, in process."""
    app = create_app(shop.settings)
    bare = Flask("bare")
    bare.add_url_rule("/", view_func=lambda: "hello")
    record, version, _ = shop.world.registered()[0]
    path = f"/V/{Locator(record.record_id, version.digest)}"
    page, hello = app.test_client(), bare.test_client()
    assert page.get(path).status_code == 200

    def many(get: Callable[[], object]) -> None:
        for _ in range(REQUESTS):
            get()

    steps: dict[str, list[Callable[[], object]]] = {
        "ours": [partial(many, partial(page.get, path))] * ROUNDS,
        "bare": [partial(many, partial(hello.get, "/"))] * ROUNDS,
    }
    figures = {name: value / REQUESTS for name, value in interleaved(steps).items()}
    share = figures["bare"] / figures["ours"]
    print(
        f"{'QR look-up, share of a bare Flask page':<44} {share:7.0%}     "
        f"ours {figures['ours']:9.3f} ms | bare Flask {figures['bare']:9.3f} ms"
    )


def alike(shop: Workshop) -> None:
    """SEC-16: what time must not tell apart, a ratio between 0.90 and 1.10: a wrong birth date for a known
    record against the same for an unknown one. Medians of 2,000 each, in turns, every try by another client
    and a day apart, so that no limit answers.
    """
    record, _, _ = shop.world.registered()[0]
    clock = _Days(shop.world.clock.now())
    plenty, _ = read_changes("wrong-try all 1000000/second")
    app = create_app(replace(shop.settings, limits=plenty), clock=clock)
    nobody = unknown(1).removeprefix("/V/").partition(".")[0]
    client = app.test_client()
    times: dict[str, list[float]] = {record.record_id: [], nobody: []}
    for number in range(2 * TRIES + 100):
        for record_id, taken in times.items():
            clock.now_ += timedelta(days=1, seconds=1)
            address = {"REMOTE_ADDR": f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"}
            form = {"code": record_id, "ngay": "1", "thang": "1", "nam": "1990"}
            began = perf_counter()
            answer = client.post(
                "/lookup", data=form, content_type="multipart/form-data", environ_base=address
            )
            taken.append((perf_counter() - began) * 1000)
            assert answer.status_code == 200
    known, missing = (median(taken[100:]) for taken in times.values())
    report("wrong birth date, known id / unknown id", known, "unknown id", missing)


def alike_inside(shop: Workshop) -> None:
    """SEC-20, SEC-44: the same for a share code that is none against a wrong birth date, and for a code to
    sign in asked by nobody's number against a mother's. Each wrong date is for a code of its own, each
    request an hour and more after the last.
    """
    with Session(shop.world.engine) as session:
        files = ObjectFiles(shop.settings.file_store_url)
        family = Families(session, shop.world.vault, files, shop.world.clock.now())
        pupil = family.pupil("05/10/2011")
        mother = family.holder(pupil, Relation.MOTHER)
        phone = {"known": "0912345670", "nobody's": "0912345679"}
        row = session.get_one(Account, mother)
        accounts.add_contact(session, family.vault, row, Channel.PHONE, phone["known"], now=family.now)
        session.commit()
        codes: dict[str, list[float]] = {"known": [], "nobody's": []}
        numbers: dict[str, list[float]] = {"known": [], "nobody's": []}
        for _ in range(FAMILY_TRIES):
            _, code = family.shared(pupil, mother)
            session.commit()
            for name, typed in (("known", code), ("nobody's", "C000000000")):
                began = perf_counter()
                family.open(typed, "01/01/2001")
                session.commit()
                codes[name].append((perf_counter() - began) * 1000)
            family.now += timedelta(hours=2)
            for name, number in phone.items():
                began = perf_counter()
                told = contacts.ask_sign_in(session, family.vault, number, now=family.now)
                send(session, family.vault, told, now=family.now)
                session.commit()
                numbers[name].append((perf_counter() - began) * 1000)
                assert bool(told) is (name == "known")
    for name, taken in (("wrong date of a share code / no code", codes), ("number to sign in", numbers)):
        report(name, median(taken["known"]), "nobody's", median(taken["nobody's"]))


class _Days:
    """A clock that a measurement sets."""

    def __init__(self, now: datetime) -> None:
        self.now_ = now

    def now(self) -> datetime:
        return self.now_


# -------------------------------------------------------------------------------------------------- limits


class _Open(Gate):
    """No limits at all."""

    def refused(self, name: str, address: str) -> int | None:
        return None

    def charge(self, name: str, address: str) -> int | None:
        return None


def limits(shop: Workshop) -> None:
    """A scan with its limits against the same scan without any: right codes, which ask memory alone, and
    misses, which are charged in each layer of an IPv6 client, in memory and in a real Redis.
    """
    record, version, _ = shop.world.registered()[0]
    hit = f"/V/{Locator(record.record_id, version.digest)}"
    plenty, _ = read_changes("; ".join(f"miss {layer} 1000000/hour" for layer in LAYERS))
    address = {"REMOTE_ADDR": "2001:db8::1"}
    server = RedisServer()
    try:
        for where, url in (("memory", "memory://"), ("Redis", server.url)):
            app = create_app(replace(shop.settings, limits_url=url, limits=plenty))
            bundle: Resources = app.extensions["portal"]
            pages = app.extensions["pages"]
            free = replace(bundle, gate=_Open(bundle.gate.table, bundle.gate.strategy, bundle.gate.counters))
            ways = {
                name: Client(Scans(app.wsgi_app, given, pages))
                for name, given in (("limits", bundle), ("none", free))
            }

            def scans(client: Client, paths: Sequence[str]) -> None:
                for path in paths:
                    client.get(path, environ_base=address)

            for what, paths in (("hit", [hit] * REQUESTS), ("miss", [unknown(n) for n in range(REQUESTS)])):
                steps: dict[str, list[Callable[[], object]]] = {
                    name: [partial(scans, client, paths)] * ROUNDS for name, client in ways.items()
                }
                figures = {name: value / REQUESTS for name, value in interleaved(steps).items()}
                print(
                    f"{f'scan with limits / without, {what}, {where}':<44} "
                    f"{figures['limits'] / figures['none']:7.2f} ×   "
                    f"with {figures['limits']:9.3f} ms | without {figures['none']:9.3f} ms",
                    flush=True,
                )
            bundle.gate.counters.close()
    finally:
        server.stop()


def log_line(shop: Workshop) -> None:
    """A scan with its line in the log against the same scan without: what is hashed, put together as JSON and
    written, here to nowhere.
    """
    record, version, _ = shop.world.registered()[0]
    path = f"/V/{Locator(record.record_id, version.digest)}"
    app = create_app(shop.settings)
    bundle: Resources = app.extensions["portal"]
    scan = Scans(app.wsgi_app, bundle, app.extensions["pages"])
    ways = {"line": Client(Journal(scan, bundle.vault, bundle.clock, proxies=0)), "none": Client(scan)}

    def scans(client: Client) -> None:
        for _ in range(REQUESTS):
            client.get(path, environ_base={"REMOTE_ADDR": "2001:db8::1"})

    with open(os.devnull, "w") as nowhere:
        logs.configure(nowhere)
        steps: dict[str, list[Callable[[], object]]] = {
            name: [partial(scans, client)] * ROUNDS for name, client in ways.items()
        }
        figures = {name: value / REQUESTS for name, value in interleaved(steps).items()}
        logs.configure()
    print(
        f"{'scan with a line of the log / without':<44} {figures['line'] / figures['none']:7.2f} ×   "
        f"with {figures['line']:9.3f} ms | without {figures['none']:9.3f} ms",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(not main())
