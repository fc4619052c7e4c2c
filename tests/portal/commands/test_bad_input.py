"""Whatever a command is handed, it answers in a line and an exit code, never with a traceback."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from flask import Flask

from portal.config import Settings
from portal.database import make_engine
from portal.factory import create_app
from portal.migrations import upgrade
from tests.verifier import pki

READING = (
    ("add-anchor", "--pki", "state"),
    ("add-signer", "--school", "001234", "--role", "GVCN"),
    ("import-crl",),
)


@pytest.fixture
def app(settings: Settings) -> Flask:
    settings.instance_dir.mkdir(parents=True, exist_ok=True)
    engine = make_engine(settings.database_url)
    upgrade(engine)
    engine.dispose()
    return create_app(settings)


def refused(app: Flask, *arguments: object) -> tuple[int, str]:
    """Exit code and standard error; a fault is raised, and doing as told is a failure here."""
    result = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stderr


def _twice_extended() -> bytes:
    """A certificate with one extension twice, which RFC 5280 §4.2 forbids."""
    certificate = asn1_x509.Certificate.load(pki.root("Gốc").der)
    extensions = certificate["tbs_certificate"]["extensions"]
    extensions.append(extensions[0].copy())
    return certificate.dump(force=True)  # type: ignore[no-any-return]


CONTENTS = {
    "empty": b"",
    "noise": os.urandom(2000),
    "text": "học bạ".encode("utf-16"),
    "pem of nothing": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "broken pem of a certificate": b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n",
    "broken pem of a list": b"-----BEGIN X509 CRL-----\nAA\n-----END X509 CRL-----\n",
    "pem that never ends": b"-----BEGIN X509 CRL-----\nAAAA",
    "two of them": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 2,
    "der of something else": b"\x30\x03\x02\x01\x05",
    "one extension twice": _twice_extended(),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("command", READING, ids=lambda c: c[0])
def test_files_of_another_kind(app: Flask, tmp_path: Path, command: tuple[str, ...], content: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS[content])
    code, said = refused(app, "trust", command[0], path, *command[1:])
    assert code == 1
    assert [line.partition(":")[0] for line in said.splitlines()] == ["error"]


@pytest.mark.parametrize("where", ["absent", "folder", "loop", "unreadable"])
@pytest.mark.parametrize("command", READING, ids=lambda c: c[0])
def test_files_that_cannot_be_read(app: Flask, tmp_path: Path, command: tuple[str, ...], where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    # Root reads what it has no right to; its own memory from the start is read by nobody.
    path = Path("/proc/self/mem") if where == "unreadable" else tmp_path / where
    code, said = refused(app, "trust", command[0], path, *command[1:])
    assert code == (1 if where == "unreadable" else 2)
    assert str(path) in said


def test_one_list_that_cannot_be_read_does_not_keep_the_others_out(app: Flask, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"")
    code, said = refused(app, "trust", "import-crl", "/proc/self/mem", bad)
    assert code == 1
    assert [line.split(": ")[1] for line in said.splitlines()] == ["/proc/self/mem", str(bad)]


@pytest.mark.parametrize("name", ["", " ", "zz", "0" * 64, "a" * 5000, "\udcff", "học bạ"])
def test_names_of_nobody(app: Flask, name: str) -> None:
    for command in (("approve",), ("suspend",), ("remove-anchor",)):
        refused(app, "trust", command[0], name, *command[1:])
    refused(app, "trust", "close-school", name, "--valid-to", "2026-01-01")
    refused(app, "trust", "list", "--school", name)


@pytest.mark.parametrize(
    "command",
    [
        ("issue", "\udcff.csv"),
        ("correct", "a.csv", "--reason", "\udcff"),
        ("recall", "\udcff", "--reason", "issued_in_error"),
        ("export", "\udcff", "--out", "here"),
        ("template", "THCS", "6", "\udcff.xlsx"),
        ("signatures", "export", "\udcff"),
        ("signatures", "import", "\udcff"),
    ],
    ids=lambda command: " ".join(command[:2]).partition(" ")[0],
)
def test_bytes_that_are_no_text(app: Flask, command: tuple[str, ...]) -> None:
    code, said = refused(app, *command)
    assert code == 2
    assert "không phải là văn bản UTF-8" in said


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("trust", "close-school", "91000001"), "--valid-to"),
        (("decisions", "propose", "suspend_signers", "0" * 8), "--since"),
    ],
)
def test_times_that_are_none(app: Flask, command: tuple[str, ...], option: str) -> None:
    """In one language: click would put our words into an English sentence."""
    code, said = refused(app, *command, option, "hôm nay")
    assert code == 2
    assert re.fullmatch(rf"error: {option}: “hôm nay” không phải là [^.]+\.\n?", said)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x1b[2J", "x" * 500, "\udcff"])
def test_texts_that_no_name_has(app: Flask, name: str) -> None:
    refused(app, "trust", "add-department", "91", "--name", name, "--province", "An Giang")
    refused(app, "trust", "add-department", "91", "--name", "Sở", "--province", name)
    school = ("--department", "91", "--level", "THCS", "--sector", "cong_lap", "--valid-from", "01/08/2020")
    refused(app, "trust", "add-school", "1", "--name", name, "--commune", name, "--province", name, *school)


@pytest.mark.parametrize(
    "moment", ["", "2026-99-99", "0001-01-01", "9999-12-31T23:59:59-14:00", "01/01/0000", "hôm qua"]
)
def test_moments_that_are_none(app: Flask, tmp_path: Path, moment: str) -> None:
    path = tmp_path / "root.cer"
    path.write_bytes(pki.root("Gốc").der)
    more = ("--reason", "key_stolen", "--reference", "1/QĐ")
    refused(app, "decisions", "propose", "suspend_signers", "zz", "--since", moment, *more)
    refused(app, "trust", "close-school", "9", "--valid-to", moment)
    refused(app, "trust", "add-signer", path, "--school", "1", "--role", "GVCN", "--valid-from", moment)


@pytest.mark.parametrize("where", ["/proc/bundle.json", "{}/file/bundle.json", "{}"])
def test_a_bundle_that_cannot_be_written(app: Flask, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    path = where.format(tmp_path)
    code, said = refused(app, "trust", "export", path)
    assert code == (2 if where == "{}" else 1)
    assert path in said


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "1e300", "9999999", ""])
def test_hours_that_are_none(app: Flask, hours: str) -> None:
    assert refused(app, "registry", "revalidate", "--within", hours)[0] == 2


def test_a_list_with_a_reason_that_is_none_is_taken_and_compared(app: Flask, tmp_path: Path) -> None:
    world = pki.world()
    serial = world.people["seal"].serial
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.21"), b"\x0a\x01\x63")  # CRLReason 99
    entry = x509.RevokedCertificateBuilder(serial, datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    path = tmp_path / "list.crl"

    def publish(*named: x509.RevokedCertificate, hours: int) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(world.intermediate.certificate.subject)
            .last_update(pki.NOW - timedelta(hours=hours))
            .next_update(pki.NOW + timedelta(hours=99))
        )
        for each in named:
            builder = builder.add_revoked_certificate(each)
        crl = builder.sign(world.intermediate.key, hashes.SHA256())
        path.write_bytes(crl.public_bytes(serialization.Encoding.DER))
        done("trust", "import-crl", path)

    def done(*arguments: object) -> None:
        result = app.test_cli_runner().invoke(args=[str(a) for a in arguments])
        assert (result.exception, result.exit_code) == (None, 0), result.output

    for number, der in enumerate((world.root.der, world.intermediate.der)):
        (tmp_path / f"{number}.cer").write_bytes(der)
        done("trust", "add-anchor", tmp_path / f"{number}.cer", "--pki", "state")
    publish(hours=3)
    publish(entry.add_extension(odd, critical=False).build(), hours=2)
    publish(hours=1)
