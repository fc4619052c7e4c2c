"""The keys that sign, wherever they live, behind the one port ``portal.ports.Signer``.

Only the issuing command opens this module: the web process neither reads SIGNING_KEYS nor imports a line of
it.

SIGNING_KEYS names a JSON list. Each entry has a ``type``; paths are relative to the list:

- ``pkcs12``: ``path``, and the passphrase by ``passphrase_env`` (name of an environment variable) or
  ``passphrase_file`` (first line);
- ``pkcs11``: ``module``, ``token``, ``key`` (label), the PIN by ``pin_env`` or ``pin_file``; ``certificate``
  and ``chain`` as files (without ``certificate`` it is read from the token, by the label of the key);
- ``external``: ``certificate`` and optionally ``chain`` as files; the key is elsewhere and the signature
  values come in a file (two-step signing).

All keys are opened once and all mistakes are told at once. A secret never stands in the list itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs12
from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn

from portal.errors import InvalidSettings, PortalError
from verifier.errors import Problem

# DER of DigestInfo up to the SHA-256 value (RFC 8017, clause 9.2): what CKM_RSA_PKCS leaves to the caller.
_DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class ExternalKey(PortalError):  # noqa: N818 - a state of the flow, not a failure
    """Asked to sign with a key that is not here: the digest must be carried to it."""


@dataclass(frozen=True)
class Key:
    """A signing certificate and a way to its key; implements ``portal.ports.Signer``.

    ``sign`` is None for an external key. ``where`` tells a person which entry this is.
    """

    certificate: bytes
    chain: tuple[bytes, ...]
    where: str
    sign: Callable[[bytes], bytes] | None

    @cached_property
    def certificate_sha256(self) -> str:
        """Hex SHA-256 of the DER certificate: the signer's name in the trust tables."""
        return sha256(self.certificate).hexdigest()

    @property
    def external(self) -> bool:
        return self.sign is None

    def sign_digest(self, digest: bytes) -> bytes:
        """Raises :class:`ExternalKey` when the key is elsewhere."""
        if self.sign is None:
            raise ExternalKey(self.where)
        return self.sign(digest)


class KeyRing:
    """The keys at hand, found by certificate."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self.keys = keys
        self._by_certificate = {key.certificate_sha256: key for key in keys}

    def find(self, certificate_sha256: str) -> Key | None:
        return self._by_certificate.get(certificate_sha256)


def load_keys(path: Path, env: Mapping[str, str] | None = None) -> KeyRing:
    """Opens every key of the list at ``path``. Raises :class:`InvalidSettings` with the mistakes of all.

    ``env`` (default: the process environment) is read for ``*_env`` entries only.
    """
    reader = _Reader(path.parent, os.environ if env is None else env)
    try:
        entries = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidSettings(
            [Problem("SIGNING_KEYS", "unreadable", f"không đọc được {path}: {error.strerror}.")]
        ) from error
    except ValueError as error:
        raise InvalidSettings(
            [Problem("SIGNING_KEYS", "not_json", f"{path} không phải JSON: {error}.")]
        ) from error
    if not isinstance(entries, list):
        raise InvalidSettings(
            [Problem("SIGNING_KEYS", "not_a_list", f"{path} phải là một danh sách JSON các khoá.")]
        )
    keys: dict[str, Key] = {}
    for number, entry in enumerate(entries, 1):
        where = f"SIGNING_KEYS[{number}]"
        key = reader.open(where, entry)
        if key is None:
            continue
        if key.certificate_sha256 in keys:
            other = keys[key.certificate_sha256].where
            reader.problems.append(
                Problem(where, "duplicate", f"cùng chứng thư số với {other}; giữ một mục.")
            )
        keys[key.certificate_sha256] = key
    if reader.problems:
        raise InvalidSettings(reader.problems)
    return KeyRing(tuple(keys.values()))


class _Unusable(Exception):  # noqa: N818 - carries one finished sentence up to the entry it belongs to
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Reader:
    """Opens entries one by one and collects what is wrong with each."""

    _FIELDS = {  # noqa: RUF012 - a constant table: type -> (required, optional) members
        "pkcs12": ({"path"}, {"passphrase_env", "passphrase_file"}),
        "pkcs11": ({"module", "token", "key"}, {"pin_env", "pin_file", "certificate", "chain"}),
        "external": ({"certificate"}, {"chain"}),
    }

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.problems: list[Problem] = []
        self._sessions: dict[tuple[str, str], Any] = {}

    def open(self, where: str, entry: object) -> Key | None:
        try:
            kind, members = self._shape(entry)
            match kind:
                case "pkcs12":
                    return self._pkcs12(where, members)
                case "pkcs11":
                    return self._pkcs11(where, members)
                case _:
                    certificate, chain = self._files(members)
                    _public_key(certificate)
                    return Key(certificate, chain, where, None)
        except _Unusable as unusable:
            self.problems.append(Problem(where, unusable.code, unusable.message))
            return None

    def _shape(self, entry: object) -> tuple[str, dict[str, Any]]:
        if not isinstance(entry, dict) or entry.get("type") not in self._FIELDS:
            raise _Unusable("type", f'cần "type" là một trong {", ".join(self._FIELDS)}.')
        kind = str(entry["type"])
        required, optional = self._FIELDS[kind]
        given = set(entry) - {"type"}
        wrong = [f"thiếu {name}" for name in sorted(required - given)]
        wrong += [f"không hiểu {name}" for name in sorted(given - required - optional)]
        for name in sorted(given & (required | optional)):
            value = entry[name]
            well = (
                isinstance(value, list) and all(isinstance(v, str) for v in value)
                if name == "chain"
                else isinstance(value, str)
            )
            if not well:
                wrong.append(f"{name} phải là {'danh sách chuỗi' if name == 'chain' else 'chuỗi'}")
        if wrong:
            raise _Unusable("members", "; ".join(wrong) + ".")
        return kind, entry

    def _pkcs12(self, where: str, members: dict[str, Any]) -> Key:
        data = self._read(members["path"])
        passphrase = self._secret(members, "passphrase")
        try:
            bundle = pkcs12.load_pkcs12(data, passphrase.encode("utf-8"))
        except ValueError as error:
            raise _Unusable(
                "passphrase", f"không mở được {members['path']}: sai mật khẩu hoặc không phải PKCS#12."
            ) from error
        if bundle.cert is None or not isinstance(bundle.key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise _Unusable(
                "content", f"{members['path']} phải chứa chứng thư số và khoá RSA hoặc ECDSA của nó."
            )
        certificate = _der(bundle.cert.certificate)
        private = bundle.key
        _same_key(certificate, private.public_key())
        chain = _ordered(certificate, tuple(_der(extra.certificate) for extra in bundle.additional_certs))
        return Key(certificate, chain, where, lambda digest: _sign(private, digest))

    def _pkcs11(self, where: str, members: dict[str, Any]) -> Key:
        session = self._session(members)
        label = members["key"]
        try:
            private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
            kind = private.key_type
        except PKCS11Error as error:
            raise _Unusable(
                "key",
                f"{members['token']} không có đúng một khoá bí mật tên {label} ({type(error).__name__}).",
            ) from error
        if "certificate" in members:
            certificate, chain = self._files(members)
        else:
            query = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE, pkcs11.Attribute.LABEL: label}
            found = [bytes(thing[pkcs11.Attribute.VALUE]) for thing in session.get_objects(query)]
            if len(found) != 1:
                raise _Unusable(
                    "certificate",
                    f"{members['token']} có {len(found)} chứng thư số tên {label}; cần đúng một.",
                )
            certificate, chain = (
                found[0],
                _ordered(found[0], tuple(map(self._certificate, members.get("chain", ())))),
            )
        public = _public_key(certificate)
        if kind != (pkcs11.KeyType.RSA if isinstance(public, rsa.RSAPublicKey) else pkcs11.KeyType.EC):
            raise _Unusable("mismatch", "khoá không phải của chứng thư số.")
        if isinstance(public, rsa.RSAPublicKey):
            modulus = int.from_bytes(private[pkcs11.Attribute.MODULUS], "big")
            if modulus != public.public_numbers().n:
                raise _Unusable("mismatch", "khoá không phải của chứng thư số.")
            return Key(certificate, chain, where, lambda digest: _sign_rsa_token(private, digest))
        return Key(certificate, chain, where, lambda digest: _sign_ecdsa_token(private, digest))

    def _session(self, members: dict[str, Any]) -> Any:
        """One read-only session per token, opened once."""
        pin = self._secret(members, "pin")
        place = (members["module"], members["token"])
        if place not in self._sessions:
            try:
                token = pkcs11.lib(members["module"]).get_token(token_label=members["token"])
                try:
                    self._sessions[place] = token.open(user_pin=pin)
                except UserAlreadyLoggedIn:  # a login counts for the whole process
                    self._sessions[place] = token.open()
            except (PKCS11Error, RuntimeError) as error:
                reason = str(error) or type(error).__name__
                raise _Unusable(
                    "token", f"không mở được {members['token']} qua {members['module']}: {reason}."
                ) from error
        return self._sessions[place]

    def _files(self, members: dict[str, Any]) -> tuple[bytes, tuple[bytes, ...]]:
        certificate = self._certificate(members["certificate"])
        return certificate, _ordered(certificate, tuple(map(self._certificate, members.get("chain", ()))))

    def _certificate(self, name: str) -> bytes:
        data = self._read(name)
        try:
            pem = data.lstrip().startswith(b"-----BEGIN")
            return _der(x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data))
        except ValueError as error:
            raise _Unusable("certificate", f"{name} không phải chứng thư số X.509 (DER hoặc PEM).") from error

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise _Unusable("unreadable", f"không đọc được {name}: {error.strerror}.") from error

    def _secret(self, members: dict[str, Any], name: str) -> str:
        """The value named by exactly one of NAME_env, NAME_file."""
        by_env, by_file = members.get(f"{name}_env"), members.get(f"{name}_file")
        if (by_env is None) == (by_file is None):
            raise _Unusable("secret", f"ghi đúng một trong {name}_env, {name}_file.")
        if by_file is not None:
            lines = self._read(by_file).decode("utf-8", "replace").splitlines()
            value = lines[0] if lines else ""
        else:
            value = self.env.get(str(by_env), "")
        if not value:
            raise _Unusable("secret", f"{by_env or by_file} trống.")
        return value


def _sign(private: PrivateKey, digest: bytes) -> bytes:
    hashed = utils.Prehashed(hashes.SHA256())
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(digest, padding.PKCS1v15(), hashed)
    return private.sign(digest, ec.ECDSA(hashed))


def _sign_rsa_token(private: Any, digest: bytes) -> bytes:
    return bytes(private.sign(_DIGEST_INFO_SHA256 + digest, mechanism=pkcs11.Mechanism.RSA_PKCS))


def _sign_ecdsa_token(private: Any, digest: bytes) -> bytes:
    """Raw CKM_ECDSA, as not every module has CKM_ECDSA_SHA256 (SoftHSM 2.6 has not). r ‖ s becomes DER."""
    raw = bytes(private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
    half = len(raw) // 2
    return utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _ordered(certificate: bytes, others: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The issuers of ``certificate`` among ``others``, nearest first, the root left out."""
    by_subject = {x509.load_der_x509_certificate(other).subject: other for other in others}
    chain: list[bytes] = []
    current = x509.load_der_x509_certificate(certificate)
    while current.issuer != current.subject and current.issuer in by_subject:
        issuer = by_subject.pop(current.issuer)
        current = x509.load_der_x509_certificate(issuer)
        if current.issuer != current.subject:
            chain.append(issuer)
    return tuple(chain)


def _public_key(certificate: bytes) -> PublicKey:
    key = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _Unusable("algorithm", "chứng thư số phải có khoá RSA hoặc ECDSA.")
    return key


def _same_key(certificate: bytes, public: PublicKey) -> None:
    if _public_key(certificate) != public:
        raise _Unusable("mismatch", "khoá không phải của chứng thư số.")


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
