"""Keys wherever they live: PKCS#12, a PKCS#11 token (SoftHSM), elsewhere; all mistakes of a list at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from portal.demo.authority import Authority, Credential
from portal.errors import InvalidSettings
from portal.issuing.keys import ExternalKey, Key, KeyRing, load_keys
from portal.issuing.signing import fits, sign_field
from tests.portal.issuing.basefile import make_base
from tests.portal.issuing.judges import assert_sealed
from tests.portal.issuing.softhsm import MODULE, PIN, TOKEN, make_token
from verifier.report import Role

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
DIGEST = bytes(range(32))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"), NOW)


@pytest.fixture(scope="module")
def rsa(authority: Authority) -> Credential:
    return authority.person("Ksor Y Bhăm", Role.GVCN, handle="gvcn")


@pytest.fixture(scope="module")
def p256(authority: Authority) -> Credential:
    return authority.seal("Trường THCS Lê Lợi", key="p256", handle="seal")


@pytest.fixture(scope="module")
def other(authority: Authority) -> Credential:
    return authority.person("Trần Văn An", Role.CBQL, handle="other")


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, rsa: Credential, p256: Credential) -> None:
    make_token(tmp_path_factory.mktemp("softhsm"), (rsa, p256))


def by_file_entry(credential: Credential) -> dict[str, Any]:
    return {
        "type": "pkcs12",
        "path": str(credential.path),
        "passphrase_file": str(credential.passphrase_file),
    }


def on_token(credential: Credential, **more: str) -> dict[str, Any]:
    entry = {"type": "pkcs11", "module": MODULE, "token": TOKEN, "key": credential.handle, "pin_env": "PIN"}
    return entry | more


def load(
    folder: Path, entries: Sequence[object] | dict[str, object], env: dict[str, str] | None = None
) -> KeyRing:
    path = folder / "keys.json"
    path.write_text(json.dumps(entries, ensure_ascii=False))
    return load_keys(path, {"PIN": PIN} if env is None else env)


def codes(
    folder: Path, entries: Sequence[object], env: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSettings) as refused:
        load(folder, entries, env)
    return [(p.where, p.code) for p in refused.value.problems]


def only(ring: KeyRing) -> Key:
    (key,) = ring.keys
    return key


def test_pkcs12_by_file_and_by_environment(tmp_path: Path, rsa: Credential, p256: Credential) -> None:
    by_env = {"type": "pkcs12", "path": str(p256.path), "passphrase_env": "SEAL_PASSPHRASE"}
    env = {"SEAL_PASSPHRASE": p256.passphrase_file.read_text()}
    ring = load(tmp_path, [by_file_entry(rsa), by_env], env)
    for credential in (rsa, p256):
        key = ring.find(credential.sha256)
        assert key is not None
        assert not key.external
        assert key.chain == credential.chain_der
        assert fits(credential.der, DIGEST, key.sign_digest(DIGEST))
    assert ring.find("0" * 64) is None


@pytest.mark.usefixtures("token")
def test_a_token_signs_as_a_file_does(tmp_path: Path, rsa: Credential, p256: Credential) -> None:
    chain = []
    for number, certificate in enumerate(rsa.chain):
        name = f"ca-{number}.pem"
        (tmp_path / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        chain.append(name)
    ring = load(tmp_path, [on_token(rsa) | {"chain": chain}, on_token(p256)])
    for credential in (rsa, p256):
        key = ring.find(credential.sha256)
        assert key is not None
        assert fits(credential.der, DIGEST, key.sign_digest(DIGEST))
    by_file = only(load(tmp_path, [by_file_entry(rsa)]))
    by_token = ring.find(rsa.sha256)
    assert by_token is not None
    assert by_token.chain == by_file.chain == rsa.chain_der
    assert by_token.sign_digest(DIGEST) == by_file.sign_digest(DIGEST)


@pytest.mark.usefixtures("token")
def test_a_file_sealed_with_a_token(tmp_path: Path, rsa: Credential, p256: Credential) -> None:
    (tmp_path / "ca.cer").write_bytes(p256.chain_der[0])
    ring = load(tmp_path, [on_token(rsa), on_token(p256) | {"chain": ["ca.cer"]}])
    fields = ("GVCN", "KY_PHAT_HANH")
    pdf = make_base(fields)
    for field, credential in zip(fields, (rsa, p256), strict=True):
        key = ring.find(credential.sha256)
        assert key is not None
        last = field == fields[-1]
        pdf = sign_field(pdf, field, key, at=NOW, first=not last, last=last, lines=("Ký số",))
    path = tmp_path / "sealed.pdf"
    path.write_bytes(pdf)
    assert_sealed(path, fields)


def test_an_external_key_asks_to_be_carried_to(tmp_path: Path, rsa: Credential) -> None:
    (tmp_path / "signer.cer").write_bytes(rsa.der)
    (tmp_path / "ca.cer").write_bytes(rsa.chain_der[0])
    entry = {"type": "external", "certificate": "signer.cer", "chain": ["ca.cer"]}
    key = only(load(tmp_path, [entry]))
    assert key.external
    assert (key.certificate, key.chain) == (rsa.der, rsa.chain_der)
    with pytest.raises(ExternalKey):
        key.sign_digest(DIGEST)


@pytest.mark.usefixtures("token")
def test_every_mistake_is_told_at_once(
    tmp_path: Path, rsa: Credential, p256: Credential, other: Credential
) -> None:
    mixed = tmp_path / "mixed.p12"
    mixed.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"x", rsa.private_key, None, None, serialization.BestAvailableEncryption(b"pw")
        )
    )
    (tmp_path / "other.cer").write_bytes(other.der)
    (tmp_path / "rsa.cer").write_bytes(rsa.der)
    (tmp_path / "junk.cer").write_bytes(b"junk")
    good = by_file_entry(rsa)
    wrong_passphrase = {"type": "pkcs12", "path": str(rsa.path), "passphrase_env": "PIN"}
    entries: list[tuple[object, str]] = [
        ("text", "type"),
        ({"type": "usb"}, "type"),
        ({"type": "pkcs12", "path": "x.p12", "pin": "1234"}, "members"),
        ({"type": "pkcs12", "path": 5}, "members"),
        ({"type": "external", "certificate": "rsa.cer", "chain": "rsa.cer"}, "members"),
        ({"type": "pkcs12", "path": "nowhere.p12", "passphrase_env": "PIN"}, "unreadable"),
        ({"type": "pkcs12", "path": str(rsa.path)}, "secret"),
        (good | {"passphrase_env": "PIN"}, "secret"),
        ({"type": "pkcs12", "path": str(rsa.path), "passphrase_env": "UNSET"}, "secret"),
        (wrong_passphrase, "passphrase"),
        ({"type": "pkcs12", "path": str(mixed), "passphrase_env": "PW"}, "content"),
        ({"type": "external", "certificate": "junk.cer"}, "certificate"),
        (on_token(rsa) | {"token": "nobody"}, "token"),
        (on_token(rsa) | {"module": "/nowhere.so"}, "token"),
        (on_token(other), "key"),
        (on_token(rsa, certificate="other.cer"), "mismatch"),
        (on_token(p256, certificate="rsa.cer"), "mismatch"),
    ]
    found = codes(tmp_path, [*(entry for entry, _ in entries), good, good], {"PIN": PIN, "PW": "pw"})
    assert found == [
        *((f"SIGNING_KEYS[{n}]", code) for n, (_, code) in enumerate(entries, 1)),
        (f"SIGNING_KEYS[{len(entries) + 2}]", "duplicate"),
    ]


@pytest.mark.parametrize("text", ["{}", "[", "5"])
def test_a_list_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(InvalidSettings):
        load_keys(path)
    with pytest.raises(InvalidSettings):
        load_keys(tmp_path / "missing.json")


def test_problems_name_no_secret(tmp_path: Path, rsa: Credential) -> None:
    entry = {"type": "pkcs12", "path": str(rsa.path), "passphrase_env": "P"}
    with pytest.raises(InvalidSettings) as refused:
        load(tmp_path, [entry], {"P": "wrong-horse"})
    assert "wrong-horse" not in str(refused.value)
