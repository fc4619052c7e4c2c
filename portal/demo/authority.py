"""A demo certification authority with the shape of Vietnam's two signature systems.

*State* signatures (chuyên dùng công vụ) hang below one root with an intermediate for people and one for the
seals of organisations; *public* signatures (chữ ký số công cộng) hang below the national root with one
intermediate per provider. Lives follow NĐ 23/2025: root 25 years, intermediate 10, subscriber 3. Every
authority publishes a CRL.

Nothing here is a secret worth keeping: every root says DEMO in its name, the keys stay in the instance folder
and are trusted only where a demo instance pins them. The same class makes the *stranger*: authorities with
the very same names and other keys.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from verifier.report import Role
from verifier.trust import Approval, AuthorisedSigner, Pki, TrustAnchor, TrustStore

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# Names of the authorities inside this module and of their files; also the last part of the CRL's address.
STATE_ROOT = "state-root"
STATE_PEOPLE = "state-people"
STATE_SEALS = "state-seals"
PUBLIC_ROOT = "public-root"
PUBLIC_FIRST = "public-sao-viet"
PUBLIC_SECOND = "public-lac-hong"

CRL_LIFE = timedelta(days=7)
SUBSCRIBER_LIFE = timedelta(days=3 * 365)
_AGE = timedelta(days=240)  # how long before "now" a subscriber's certificate was issued
_PASSPHRASE_BYTES = 18


@dataclass(frozen=True, slots=True)
class _Plan:
    """One authority to make: its names, its system, who issues it and its key."""

    slug: str
    pki: Pki
    issuer: str | None
    organisation: str
    common_name: str
    key: str = "rsa"


_PLANS = (
    _Plan(STATE_ROOT, Pki.STATE, None, "Ban Cơ yếu Chính phủ (DEMO)", "DEMO RootCA chuyên dùng Chính phủ"),
    _Plan(
        STATE_PEOPLE,
        Pki.STATE,
        STATE_ROOT,
        "Ban Cơ yếu Chính phủ (DEMO)",
        "DEMO CA phục vụ các cơ quan Nhà nước",
    ),
    _Plan(
        STATE_SEALS, Pki.STATE, STATE_ROOT, "Ban Cơ yếu Chính phủ (DEMO)", "DEMO CA chứng thư số của tổ chức"
    ),
    _Plan(PUBLIC_ROOT, Pki.PUBLIC, None, "Bộ Khoa học và Công nghệ (DEMO)", "DEMO Vietnam National Root CA"),
    _Plan(PUBLIC_FIRST, Pki.PUBLIC, PUBLIC_ROOT, "Công ty Cổ phần Sao Việt (DEMO)", "DEMO Sao Việt CA"),
    _Plan(PUBLIC_SECOND, Pki.PUBLIC, PUBLIC_ROOT, "Công ty TNHH Lạc Hồng (DEMO)", "DEMO Lạc Hồng CA", "p256"),
)


@dataclass(frozen=True, slots=True)
class _Ca:
    slug: str
    pki: Pki
    issuer: str | None
    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True)
class Credential:
    """One subscriber: certificate, chain (issuer first, root left out), PKCS#12 and its passphrase file."""

    handle: str
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    path: Path
    passphrase_file: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        return tuple(c.public_bytes(serialization.Encoding.DER) for c in self.chain)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the DER certificate, the name a signer has in the trust tables."""
        return sha256(self.der).hexdigest()

    @property
    def name(self) -> str:
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    @cached_property
    def private_key(self) -> PrivateKey:
        key, _, _ = pkcs12.load_key_and_certificates(
            self.path.read_bytes(), self.passphrase_file.read_bytes().strip()
        )
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self.path} holds no RSA or EC key")
        return key

    def key_entry(self, folder: Path) -> dict[str, str]:
        """This key as one entry of a SIGNING_KEYS list in ``folder``."""
        return {
            "type": "pkcs12",
            "path": os.path.relpath(self.path, folder),
            "passphrase_file": os.path.relpath(self.passphrase_file, folder),
        }


class Authority:
    """Both systems of one (demo or stranger's) world, kept in one folder.

    ``create`` makes what the folder lacks and opens what it has, so it may be called again. So do
    ``seal`` and ``person``: the ``handle`` names a subscriber, and asking again returns the same certificate.
    """

    def __init__(self, directory: Path, cas: dict[str, _Ca], now: datetime) -> None:
        self.directory = directory
        self.now = now
        self._cas = cas

    @classmethod
    def create(cls, directory: Path, now: datetime) -> Authority:
        """The authority in ``directory``, made when it is not there yet; CAs without a CRL get one."""
        for name in ("ca", "keys", "crls"):
            (directory / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        cas: dict[str, _Ca] = {}
        for plan in _PLANS:
            cas[plan.slug] = _open_ca(directory, plan) or _make_ca(directory, plan, cas, now)
        authority = cls(directory, cas, now)
        missing = {plan.slug for plan in _PLANS if not authority._crl_path(plan.slug).exists()}
        authority.reissue_crls(now, except_stale=set(cas) - missing)
        return authority

    def anchors(self) -> tuple[TrustAnchor, ...]:
        """The two roots."""
        return tuple(
            TrustAnchor(_common_name(ca.certificate), ca.pki, _der(ca.certificate))
            for ca in self._cas.values()
            if ca.issuer is None
        )

    def intermediates(self) -> tuple[TrustAnchor, ...]:
        """The authorities below the roots, in the same shape (name, system, DER)."""
        return tuple(
            TrustAnchor(_common_name(ca.certificate), ca.pki, _der(ca.certificate))
            for ca in self._cas.values()
            if ca.issuer is not None
        )

    def crls(self) -> tuple[bytes, ...]:
        """The newest CRL of every authority, DER."""
        return tuple(self._crl_path(slug).read_bytes() for slug in self._cas)

    def crl(self, ca: str) -> bytes:
        """The newest CRL of one authority, DER."""
        return self._crl_path(ca).read_bytes()

    def ca_certificate(self, ca: str) -> x509.Certificate:
        return self._cas[ca].certificate

    def trust_store(self, signers: Sequence[AuthorisedSigner] = (), *, epoch: int = 1) -> TrustStore:
        """A store that pins this world and the given signers."""
        return TrustStore(
            epoch,
            self.anchors(),
            tuple(a.certificate for a in self.intermediates()),
            tuple(signers),
            self.crls(),
        )

    def seal(
        self,
        school: str,
        *,
        province: str = "",
        ca: str = STATE_SEALS,
        key: str = "rsa",
        handle: str = "",
        valid_from: datetime | None = None,
        life: timedelta = SUBSCRIBER_LIFE,
    ) -> Credential:
        """The digital seal of an organisation named ``school``."""
        names = _subject(common_name=school, organisation=school, province=province)
        return self.leaf(
            handle or f"seal-{slug(school)}", names, ca=ca, key=key, valid_from=valid_from, life=life
        )

    def person(
        self,
        name: str,
        role: Role | str,
        *,
        school: str = "",
        province: str = "",
        title: str = "",
        ca: str = STATE_PEOPLE,
        key: str = "rsa",
        handle: str = "",
        valid_from: datetime | None = None,
        life: timedelta = SUBSCRIBER_LIFE,
    ) -> Credential:
        """A teacher or manager called ``name``, with the title that such certificates carry."""
        names = _subject(
            common_name=name,
            organisation=school,
            province=province,
            title=title or _TITLES.get(str(role), ""),
        )
        default = f"{slug(str(role))}-{slug(name)}-{slug(school)}".strip("-")
        return self.leaf(handle or default, names, ca=ca, key=key, valid_from=valid_from, life=life)

    def leaf(
        self,
        handle: str,
        subject: x509.Name,
        *,
        ca: str,
        key: str = "rsa",
        valid_from: datetime | None = None,
        life: timedelta = SUBSCRIBER_LIFE,
        content_commitment: bool = True,
        extended: Sequence[x509.ObjectIdentifier] = (),
    ) -> Credential:
        """A subscriber certificate with digitalSignature and, unless told otherwise, contentCommitment.

        ``key`` is ``rsa`` (3072), ``rsa1024`` or ``p256``. ``extended`` adds extended key usages (a TLS or a
        timestamping certificate, for tests).
        """
        paths = [self.directory / "keys" / f"{handle}.{suffix}" for suffix in ("cer", "p12", "pass")]
        chain = self._chain(ca)
        if all(path.exists() for path in paths):
            certificate = x509.load_der_x509_certificate(paths[0].read_bytes())
            return Credential(handle, certificate, chain, paths[1], paths[2])
        issuer = self._cas[ca]
        private = _new_key(key)
        start = valid_from or self.now - _AGE
        builder = (
            _certificate(subject, private, issuer.certificate, start, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _usage(digital_signature=True, content_commitment=content_commitment), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .add_extension(_distribution_point(ca), critical=False)
        )
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=True)
        certificate = builder.sign(issuer.key, hashes.SHA256())
        passphrase = secrets.token_urlsafe(_PASSPHRASE_BYTES).encode()
        _write_private(paths[2], passphrase)
        _write_private(
            paths[1],
            pkcs12.serialize_key_and_certificates(
                _ascii(_common_name(certificate)).encode(),
                private,
                certificate,
                chain,
                serialization.BestAvailableEncryption(passphrase),
            ),
        )
        _write_private(paths[0], _der(certificate))  # last: its presence says that the three belong together
        return Credential(handle, certificate, chain, paths[1], paths[2])

    def timestamp_anchors(self) -> tuple[TrustAnchor, ...]:
        """Whom to trust for timestamps: the public root, and the provider below it that runs the service."""
        return tuple(
            TrustAnchor(_common_name(ca.certificate), ca.pki, _der(ca.certificate))
            for ca in (self._cas[PUBLIC_ROOT], self._cas[PUBLIC_FIRST])
        )

    def timestamp_authority(self, *, ca: str = PUBLIC_FIRST, handle: str = "tsa") -> Credential:
        """A certificate that may sign RFC 3161 timestamps and nothing else."""
        names = _subject(common_name="DEMO Dịch vụ cấp dấu thời gian", organisation="DEMO TSA")
        return self.leaf(handle, names, ca=ca, extended=(ExtendedKeyUsageOID.TIME_STAMPING,))

    def revoke(self, credential: Credential, at: datetime) -> None:
        """Put a subscriber on its issuer's next CRL (call :meth:`reissue_crls` after)."""
        issuer = next(
            n for n, c in self._cas.items() if c.certificate.subject == credential.certificate.issuer
        )
        revoked = self._revoked()
        revoked.setdefault(issuer, {})[str(credential.certificate.serial_number)] = at.isoformat()
        _write_private(self.directory / "revoked.json", json.dumps(revoked, indent=1).encode())

    def reissue_crls(
        self, now: datetime, except_stale: Collection[str] = (), *, life: timedelta = CRL_LIFE
    ) -> None:
        """A new CRL, good for ``life`` from ``now``, for every authority not named in ``except_stale``."""
        revoked = self._revoked()
        for name, ca in self._cas.items():
            if name in except_stale:
                continue
            key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(ca.certificate.subject)
                .last_update(now)
                .next_update(now + life)
                .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
                .add_extension(key_id, critical=False)
            )
            for serial, at in revoked.get(name, {}).items():
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(serial))
                    .revocation_date(datetime.fromisoformat(at))
                    .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                    .build()
                )
            crl = builder.sign(ca.key, hashes.SHA256())
            _write_private(self._crl_path(name), crl.public_bytes(serialization.Encoding.DER))

    def _chain(self, ca: str) -> tuple[x509.Certificate, ...]:
        chain = []
        current: str | None = ca
        while current is not None and self._cas[current].issuer is not None:
            chain.append(self._cas[current].certificate)
            current = self._cas[current].issuer
        return tuple(chain)

    def _crl_path(self, ca: str) -> Path:
        return self.directory / "crls" / f"{ca}.crl"

    def _revoked(self) -> dict[str, dict[str, str]]:
        """Authority → serial number → time of revocation."""
        path = self.directory / "revoked.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}


def authorise(
    credential: Credential,
    school_code: str,
    role: Role,
    *,
    capacity: str = "",
    subject_codes: Collection[str] = (),
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    approval: Approval = Approval.APPROVED,
    invalid_since: datetime | None = None,
) -> AuthorisedSigner:
    """The row that lets ``credential`` sign for a school, by default from the certificate's own start on."""
    return AuthorisedSigner(
        certificate_sha256=credential.sha256,
        school_code=school_code,
        role=role,
        capacity=capacity,
        subject_codes=frozenset(subject_codes),
        valid_from=valid_from or credential.certificate.not_valid_before_utc,
        valid_to=valid_to,
        approval=approval,
        invalid_since=invalid_since,
        display_name=credential.name,
    )


def write_key_list(path: Path, credentials: Sequence[Credential]) -> Path:
    """The SIGNING_KEYS file of the issuing command (0600); it names the keys relative to itself."""
    entries = [credential.key_entry(path.parent) for credential in credentials]
    _write_private(path, json.dumps(entries, ensure_ascii=False, indent=1).encode())
    return path


def slug(text: str) -> str:
    """Lower-case ASCII with hyphens, for file names."""
    return re.sub(r"[^a-z0-9]+", "-", _ascii(text).lower()).strip("-")


_TITLES = {
    Role.GVBM.value: "Giáo viên",
    Role.GVCN.value: "Giáo viên chủ nhiệm",
    Role.CBQL.value: "Hiệu trưởng",
}


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d"))
    return decomposed.encode("ascii", "ignore").decode()


def _open_ca(directory: Path, plan: _Plan) -> _Ca | None:
    certificate, key = (directory / "ca" / f"{plan.slug}.{suffix}" for suffix in ("cer", "key"))
    if not (certificate.exists() and key.exists()):
        return None
    # Looking for the primes of a key anew takes a tenth of a second, and this one is our own, made below.
    private = serialization.load_pem_private_key(key.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise TypeError(f"{key} holds no RSA or EC key")
    return _Ca(
        plan.slug, plan.pki, plan.issuer, x509.load_der_x509_certificate(certificate.read_bytes()), private
    )


def _make_ca(directory: Path, plan: _Plan, cas: dict[str, _Ca], now: datetime) -> _Ca:
    private = _new_key(plan.key)
    subject = _subject(common_name=plan.common_name, organisation=plan.organisation)
    root = plan.issuer is None
    issuer = None if plan.issuer is None else cas[plan.issuer]
    issuer_key = private if issuer is None else issuer.key
    builder = (
        _certificate(
            subject,
            private,
            None if issuer is None else issuer.certificate,
            now - timedelta(days=(4 if root else 2) * 365),
            timedelta(days=(25 if root else 10) * 365),
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None if root else 0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    if plan.issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        ).add_extension(_distribution_point(plan.issuer), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    _write_private(
        directory / "ca" / f"{plan.slug}.key",
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    _write_private(directory / "ca" / f"{plan.slug}.cer", _der(certificate))
    return _Ca(plan.slug, plan.pki, plan.issuer, certificate, private)


def _new_key(kind: str) -> PrivateKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 3072)
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - the weak key that a check must refuse
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            raise ValueError(f"unknown kind of key: {kind}")


def _subject(*, common_name: str, organisation: str = "", province: str = "", title: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN")]
    for oid, value in (
        (NameOID.STATE_OR_PROVINCE_NAME, province),
        (NameOID.ORGANIZATION_NAME, organisation[:64]),  # upper bound of X.520
        (NameOID.TITLE, title),
        (NameOID.COMMON_NAME, common_name[:64]),
    ):
        if value:
            attributes.append(x509.NameAttribute(oid, value))
    return x509.Name(attributes)


def _certificate(
    subject: x509.Name, key: PrivateKey, issuer: x509.Certificate | None, start: datetime, life: timedelta
) -> x509.CertificateBuilder:
    start = start.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )


def _usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _distribution_point(ca: str) -> x509.CRLDistributionPoints:
    # ".invalid" never resolves (RFC 6761): a check that tries to fetch fails loudly.
    uri = x509.UniformResourceIdentifier(f"http://crl.demo.invalid/{ca}.crl")
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name=[uri], relative_name=None, reasons=None, crl_issuer=None)]
    )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, readable by its owner only."""
    draft = path.with_name(f"{path.name}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    draft.replace(path)
