"""Settings: everything that differs between installations, read once from the environment, then frozen.

All mistakes are reported together (:class:`portal.errors.InvalidSettings`). Secrets have no defaults: in
development they are generated once into ``INSTANCE_DIR/secrets.json`` (mode 0600), in production they must
be given.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from redis.connection import parse_url as parse_redis_url
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from portal.errors import InvalidSettings
from portal.limits import table
from portal.limits.table import Policy
from portal.limits.work import PER_CLIENT, WAIT_SECONDS, Bounds
from verifier.errors import Problem

KEY_BYTES = 32
MAX_HOST = 41  # longest host (with port) for which the QR stays at version 5-M
SECRETS_FILE = "secrets.json"
#: A school year and its admissions: later a result serves nothing that asking the code anew does not serve
#: better, and what is about a child is kept no longer than its purpose (Luật 91/2025/QH15 Đ.3.3).
MOST_RESULT_DAYS = 366
_RESULT_DAYS_END = (
    " Kết quả kiểm tra học bạ của trẻ em không giữ lâu hơn mục đích, tức một năm học và mùa tuyển sinh của "
    "nó (Luật 91/2025/QH15, Điều 3 khoản 3); cần chứng minh lâu hơn thì tải báo cáo."
)

_KEY_ID = re.compile(r"[a-z0-9-]{1,16}")
# What QR alphanumeric mode can spell: letters, digits, "-", "." and a port; a Unicode name goes in punycode.
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_MAIL_FROM = re.compile(r"[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+")
_MAIL_PORTS = {"smtp": 587, "smtps": 465}
_PRINTABLE = re.compile("[!-~]+")  # what a bearer token, a user name or a password of SMTP may be made of
_STORE_SCHEMES = ("file", "memory", "s3", "s3a", "gs", "az")
# How to make a value: a key in the list also needs a name of its own before the colon.
_HOW = {
    "KEY_ENCRYPTION_KEYS": 'echo "k1:$(openssl rand -base64 32)" (dạng mã:base64)',
    "INDEX_KEY": "openssl rand -base64 32",
}
# The first four belong together.
_OIDC = (
    "OIDC_ISSUER",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_NAME",
    "OIDC_FOR",
    "OIDC_ACR",
    "OIDC_AMR",
)
_OIDC_FOR = ("holders", "staff", "both")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")
_NO_DEBUG = ("", "0", "false", "no")  # what Flask itself takes for "off"; any other word turns it on


class Environment(StrEnum):
    """Where this runs; production refuses everything that is only good enough for a desk."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True)
class MailServer:
    """Who takes e-mail: ``smtps`` (``implicit_tls``) or ``smtp``, which becomes TLS by STARTTLS."""

    host: str
    port: int
    implicit_tls: bool
    user: str
    password: str = field(repr=False)
    sender: str  # the address that messages come from


@dataclass(frozen=True)
class Gateway:
    """Who takes SMS and Zalo messages over HTTP."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class OpenIdClient:
    """What the portal is at the one OpenID provider it knows. ``issuer`` is the provider's own spelling, byte
    for byte. ``acr`` and ``amr``: one of each must stand in the ID token; empty asks for nothing.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str  # of the provider, on the button
    holders: bool
    staff: bool
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """One installation. URLs carry no trailing slash; keys are raw bytes and are left out of ``repr``."""

    environment: Environment
    instance_dir: Path
    database_url: str
    database_owner_url: str | None  # for migrations alone
    file_store_url: str
    tombstones_url: str  # what was erased, kept apart from every backup of database and files
    public_url: str  # scheme, host and port in the QR
    public_url_former: tuple[str, ...]  # still accepted: paper outlives hosts
    key_encryption_keys: tuple[tuple[str, bytes], ...] = field(repr=False)  # (id, 32 bytes); the first seals
    index_key: bytes = field(repr=False)
    demo: bool = False
    signing_keys: Path | None = None  # read by issuing commands and the worker; never by the web process
    tsa_url: str | None = None
    openid: OpenIdClient | None = None
    audit_key: Path | None = None  # read by the command that signs checkpoints of the trail only
    mail: MailServer | None = None
    sms: Gateway | None = None
    limits_url: str = "memory://"  # rate-limit counters: memory:// or redis://
    limits: Mapping[str, Policy] = field(default_factory=lambda: table.DEFAULT)
    checks: Bounds = field(default_factory=lambda: Bounds(*_places()))  # in each server process
    web_threads: int = 256  # of one server process, as its command line says; SQLite gets as many connections
    database_connections: int = 10  # of one server process to PostgreSQL
    database_timeout_seconds: float = 5.0  # how long an answer to the web may wait for the database
    max_upload_bytes: int = 10 * 1024 * 1024
    check_deadline_seconds: float = 15.0
    trusted_proxies: int = 0
    result_days: int = 90  # how long the result of a check can be shown again
    system_name: str = "Cổng xác thực học bạ số"
    owner_name: str = "Sở Giáo dục và Đào tạo (bản chạy thử)"
    owner_contact: str | None = None  # whom to ask: telephone, e-mail; at the foot of every page
    offline_withdrawn: bool = False  # takes the service worker back from every browser

    @property
    def production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Settings:
        """Settings from variables such as ``os.environ``. Raises InvalidSettings with every mistake.

        In development this may create ``INSTANCE_DIR`` and its ``secrets.json``.
        """
        reader = _Reader(env)
        environment = reader.choice("ENVIRONMENT", Environment, Environment.DEVELOPMENT)
        production = environment is Environment.PRODUCTION
        instance_dir = Path(reader.text("INSTANCE_DIR") or "instance").absolute()
        demo = reader.flag("DEMO")
        if production and demo:
            reader.problem(
                "DEMO", "demo_in_production", "không được bật dữ liệu mẫu khi ENVIRONMENT=production."
            )
        if production and reader.text("FLASK_DEBUG").lower() not in _NO_DEBUG:
            reader.problem(
                "FLASK_DEBUG",
                "debug_in_production",
                "không được bật chế độ gỡ lỗi (FLASK_DEBUG, --debug) khi ENVIRONMENT=production.",
            )
        public_url = reader.origin("PUBLIC_URL", secure=production) or f"http://127.0.0.1:{reader.port()}"
        if production and not reader.text("PUBLIC_URL"):
            reader.problem(
                "PUBLIC_URL", "missing", "phải có khi ENVIRONMENT=production, dạng https://tên-miền."
            )
        signing_keys = reader.text("SIGNING_KEYS")
        audit_key = reader.text("AUDIT_KEY")
        owner_name = reader.text("OWNER_NAME")
        if production and not owner_name:
            reader.problem(
                "OWNER_NAME",
                "missing",
                "phải có khi ENVIRONMENT=production: tên cơ quan chủ quản, được in ở chân trang học bạ.",
            )
        keys = reader.key_list("KEY_ENCRYPTION_KEYS")
        index_key = reader.key("INDEX_KEY")
        keys, index_key = reader.complete_secrets(keys, index_key, instance_dir, production=production)
        file_store = reader.store("FILE_STORE_URL", instance_dir / "files", production=production)
        tombstones = reader.store("TOMBSTONES_URL", instance_dir / "tombstones", production=production)
        if tombstones.rstrip("/") == file_store.rstrip("/"):
            reader.problem("TOMBSTONES_URL", "same_place", "phải là nơi khác với FILE_STORE_URL.")
        if index_key and any(index_key == key for _, key in keys):
            reader.problem("INDEX_KEY", "reused", "phải khác mọi khóa trong KEY_ENCRYPTION_KEYS.")
        settings = cls(
            environment=environment,
            instance_dir=instance_dir,
            database_url=reader.database(instance_dir),
            database_owner_url=reader.database_owner(),
            file_store_url=file_store,
            tombstones_url=tombstones,
            public_url=public_url,
            public_url_former=reader.origins("PUBLIC_URL_FORMER"),
            key_encryption_keys=keys,
            index_key=index_key,
            demo=demo,
            signing_keys=Path(signing_keys).absolute() if signing_keys else None,
            tsa_url=reader.web_address("TSA_URL"),
            openid=reader.openid(secure=production),
            audit_key=Path(audit_key).absolute() if audit_key else None,
            mail=reader.mail(),
            sms=reader.gateway(secure=production),
            limits_url=reader.counters("LIMITS_URL", cls.limits_url),
            limits=reader.limits("LIMITS"),
            checks=reader.checks(),
            web_threads=int(reader.number("WEB_THREADS", cls.web_threads, 2, 1024, whole=True)),
            database_connections=int(
                reader.number("DATABASE_CONNECTIONS", cls.database_connections, 1, 1000, whole=True)
            ),
            database_timeout_seconds=reader.number(
                "DATABASE_TIMEOUT_SECONDS", cls.database_timeout_seconds, 0.1, 60, whole=False
            ),
            max_upload_bytes=int(
                reader.number("MAX_UPLOAD_BYTES", cls.max_upload_bytes, 1024, 1 << 30, whole=True)
            ),
            check_deadline_seconds=reader.number(
                "CHECK_DEADLINE_SECONDS", cls.check_deadline_seconds, 0.1, 300, whole=False
            ),
            trusted_proxies=int(reader.number("TRUSTED_PROXIES", cls.trusted_proxies, 0, 10, whole=True)),
            result_days=int(
                reader.number(
                    "RESULT_DAYS", cls.result_days, 90, MOST_RESULT_DAYS, whole=True, why=_RESULT_DAYS_END
                )
            ),
            system_name=reader.text("SYSTEM_NAME") or cls.system_name,
            owner_name=owner_name or cls.owner_name,
            owner_contact=reader.text("OWNER_CONTACT") or None,
            offline_withdrawn=reader.flag("OFFLINE_WITHDRAWN"),
        )
        if production and not reader.text("MAIL_URL") and not reader.text("SMS_URL"):
            reader.problem(
                "MAIL_URL",
                "missing",
                "phải có MAIL_URL hoặc SMS_URL khi ENVIRONMENT=production: để gửi mã, báo tin.",
            )
        if reader.problems:
            raise InvalidSettings(reader.problems)
        return settings


class _Reader:
    """Reads one variable after the other and collects what is wrong; a wrong value reads as its default."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[Problem] = []

    def problem(self, where: str, code: str, message: str) -> None:
        self.problems.append(Problem(where, code, message))

    def text(self, name: str) -> str:
        return self.env.get(name, "").strip()

    def choice(self, name: str, kind: type[Environment], default: Environment) -> Environment:
        text = self.text(name)
        try:
            return kind(text) if text else default
        except ValueError:
            self.problem(name, "choice", f"“{text}” không phải là một trong: {', '.join(kind)}.")
            return default

    def flag(self, name: str) -> bool:
        text = self.text(name).lower()
        if text not in _TRUE + _FALSE:
            self.problem(name, "flag", f"“{text}” phải là 1 hoặc 0.")
        return text in _TRUE

    def number(
        self, name: str, default: float, low: float, high: float, *, whole: bool, why: str = ""
    ) -> float:
        """``why`` says of a number that is too high what keeps it down."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:  # NaN is not between anything either
            kind = "số nguyên" if whole else "số"
            reason = why if value is not None and value > high else ""
            bounds = f"từ {_plain(low)} đến {_plain(high)}"
            self.problem(name, "number", f"“{text}” phải là {kind} {bounds}.{reason}")
            return default
        return value

    def port(self) -> int:
        return int(self.number("PORT", 8000, 1, 65535, whole=True))

    def origin(self, name: str, *, secure: bool) -> str:
        text = self.text(name)
        return self._origin(name, text, secure=secure) if text else ""

    def origins(self, name: str) -> tuple[str, ...]:
        parts = [part for part in re.split(r"[,\s]+", self.text(name)) if part]
        return tuple(origin for part in parts if (origin := self._origin(name, part, secure=False)))

    def _origin(self, name: str, text: str, *, secure: bool) -> str:
        parts = urlsplit(text)
        host = parts.netloc.lower()
        if (
            parts.scheme.lower() not in ("http", "https")
            or parts.path not in ("", "/")
            or parts.query + parts.fragment
        ):
            self.problem(name, "origin", f"“{text}” phải có dạng https://tên-miền, không kèm đường dẫn.")
            return ""
        if not _HOST.fullmatch(host):
            self.problem(name, "host", f"tên miền “{host}” chỉ được gồm chữ không dấu, số, “-”, “.” và cổng.")
            return ""
        if len(host) > MAX_HOST:
            self.problem(
                name, "host_too_long", f"tên miền “{host}” dài quá {MAX_HOST} ký tự, mã QR sẽ quá dày."
            )
            return ""
        if secure and parts.scheme.lower() != "https":
            self.problem(name, "http_in_production", "phải bắt đầu bằng https:// khi ENVIRONMENT=production.")
            return ""
        return f"{parts.scheme.lower()}://{host}"

    def web_address(self, name: str) -> str | None:
        text = self.text(name)
        if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).netloc):
            self.problem(name, "address", f"“{text}” phải là địa chỉ http:// hoặc https://.")
            return None
        return text or None

    def mail(self) -> MailServer | None:
        """Both or neither. The address holds a password, so no mistake repeats any of it."""
        text, sender = self.text("MAIL_URL"), self.text("MAIL_FROM")
        if not text and not sender:
            return None
        before = len(self.problems)
        if not _MAIL_FROM.fullmatch(sender):
            self.problem("MAIL_FROM", "address", "phải là địa chỉ e-mail gửi đi, dạng ten@ten-mien.vn.")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port or _MAIL_PORTS.get(parts.scheme, 0)
        except ValueError:
            host = ""
        user, password = ("", "") if not host else map(unquote, (parts.username or "", parts.password or ""))
        if (
            not host
            or parts.scheme not in _MAIL_PORTS
            or parts.path not in ("", "/")
            or parts.query + parts.fragment
        ):
            self.problem(
                "MAIL_URL",
                "url",
                "phải có dạng smtps://tên:mật-khẩu@máy:465 hoặc smtp://tên:mật-khẩu@máy:587.",
            )
        elif bool(user) != bool(password) or not _PRINTABLE.fullmatch(user + password or "-"):
            self.problem(
                "MAIL_URL",
                "sign_in",
                "tên và mật khẩu phải có cả hai, bằng chữ không dấu (ký tự đặc biệt viết dạng %xx).",
            )
        if len(self.problems) > before:
            return None
        return MailServer(host, port, parts.scheme == "smtps", user, password, sender)

    def gateway(self, *, secure: bool) -> Gateway | None:
        """Both or neither; https, but for a machine of one's own in development."""
        text, token = self.text("SMS_URL"), self.text("SMS_TOKEN")
        if not text and not token:
            return None
        before = len(self.problems)
        try:
            parts = urlsplit(text)
            bad = not parts.hostname or parts.scheme not in ("http", "https") or "@" in parts.netloc
            bad = bad or not _PRINTABLE.fullmatch(text) or parts.port == 0 or bool(parts.fragment)
        except ValueError:  # a port that is no number
            bad = True
        if bad:  # it may hold a secret of the provider's, so it is not repeated
            self.problem(
                "SMS_URL", "address", "phải là địa chỉ https:// của nhà cung cấp, không kèm tên và mật khẩu."
            )
        elif secure and parts.scheme != "https":
            self.problem(
                "SMS_URL", "http_in_production", "phải bắt đầu bằng https:// khi ENVIRONMENT=production."
            )
        if not _PRINTABLE.fullmatch(token):
            self.problem(
                "SMS_TOKEN", "token", "phải có cùng SMS_URL: một dãy ký tự không dấu, không khoảng trắng."
            )
        return Gateway(text, token) if len(self.problems) == before else None

    def openid(self, *, secure: bool) -> OpenIdClient | None:
        issuer = self._issuer("OIDC_ISSUER", secure=secure)
        client = self._printable("OIDC_CLIENT_ID", 256)
        secret = self.text("OIDC_CLIENT_SECRET")
        name = self._printable("OIDC_NAME", 40)
        whom = self.text("OIDC_FOR") or "both"
        if whom not in _OIDC_FOR:
            self.problem("OIDC_FOR", "choice", f"“{whom}” không phải là một trong: {', '.join(_OIDC_FOR)}.")
        acr, amr = self._words("OIDC_ACR"), self._words("OIDC_AMR")
        if not any(self.text(name) for name in _OIDC):
            return None
        for needed in _OIDC[:4]:
            if not self.text(needed):
                self.problem(needed, "missing", f"phải có khi dùng đăng nhập OpenID: {', '.join(_OIDC[:4])}.")
        return OpenIdClient(
            issuer, client, secret, name, whom in ("holders", "both"), whom in ("staff", "both"), acr, amr
        )

    def _issuer(self, name: str, *, secure: bool) -> str:
        text = self.text(name)
        try:
            parts = urlsplit(text)
            fit = bool(parts.hostname) and parts.scheme in ("http", "https") and (parts.port or 1) > 0
        except ValueError:
            fit = False
        if text and (not fit or parts.query or parts.fragment or "@" in parts.netloc or len(text) > 200):
            # A mistyped address may hold a password, so it is not repeated.
            self.problem(
                name, "address", "phải là địa chỉ của nhà cung cấp, không kèm “?”, “#” hay tên người dùng."
            )
        elif text and secure and parts.scheme != "https":
            self.problem(name, "http_in_production", "phải bắt đầu bằng https:// khi ENVIRONMENT=production.")
        return text

    def _printable(self, name: str, longest: int) -> str:
        text = self.text(name)
        if len(text) > longest or not text.isprintable():
            self.problem(name, "text", f"phải là một dòng chữ, dài nhất {longest} ký tự.")
        return text

    def _words(self, name: str) -> tuple[str, ...]:
        words = tuple(part for part in re.split(r"[,\s]+", self.text(name)) if part)
        if any(not word.isascii() or not word.isprintable() for word in words):
            self.problem(name, "words", "phải là các giá trị ASCII, cách nhau bằng dấu phẩy.")
        return words

    def scheme(self, name: str, schemes: tuple[str, ...], default: str) -> str:
        text = self.text(name)
        if text and urlsplit(text).scheme not in schemes:
            self.problem(
                name, "scheme", f"“{text}” phải bắt đầu bằng một trong: {', '.join(schemes)} (rồi “://”)."
            )
            return default
        return text or default

    def counters(self, name: str, default: str) -> str:
        text = self.scheme(name, ("memory", "redis", "rediss"), default)
        try:
            if not text.startswith("memory"):
                parse_redis_url(text)  # type: ignore[no-untyped-call]
        except ValueError:  # the text may hold a password, so it is not repeated
            self.problem(name, "url", "không phải là địa chỉ Redis (redis://máy:cổng/số).")
            return default
        return text

    def limits(self, name: str) -> Mapping[str, Policy]:
        changed, problems = table.read_changes(self.text(name))
        self.problems.extend(problems)
        return changed

    def checks(self) -> Bounds:
        running, waiting = _places()
        running = int(self.number("CHECKS_RUNNING", running, 1, 256, whole=True))
        waiting = int(self.number("CHECKS_WAITING", 4 * running, 0, 1024, whole=True))
        per_client = int(self.number("CHECKS_PER_CLIENT", PER_CLIENT, 1, 1024, whole=True))
        wait = self.number("CHECKS_WAIT_SECONDS", WAIT_SECONDS, 0.1, 5, whole=False)
        return Bounds(running, waiting, per_client, wait)

    def database(self, instance_dir: Path) -> str:
        return self._database("DATABASE_URL") or f"sqlite:///{instance_dir / 'portal.sqlite3'}"

    def database_owner(self) -> str | None:
        return self._database("DATABASE_OWNER_URL") or None

    def _database(self, name: str) -> str:
        """The address of a database, empty where none is set."""
        text = self.text(name)
        if not text:
            return ""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            # The text may hold a password, so it is not repeated.
            self.problem(
                name,
                "url",
                "không phải là địa chỉ cơ sở dữ liệu (sqlite:///… hoặc postgresql://…).",
            )
            return ""
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername not in ("sqlite", "postgresql+psycopg"):
            self.problem(name, "driver", f"“{url.drivername}” không dùng được; chỉ sqlite hoặc postgresql.")
        if url.drivername == "sqlite":
            if url.query:
                self.problem(name, "query", "địa chỉ sqlite không nhận tham số sau dấu “?”.")
            if not url.database or url.database.startswith((":", "file:")):
                self.problem(name, "no_file", "địa chỉ sqlite phải nêu một tệp: sqlite:////đường/dẫn.")
        return url.render_as_string(hide_password=False)

    def store(self, name: str, folder: Path, *, production: bool) -> str:
        schemes = tuple(s for s in _STORE_SCHEMES if not (production and s == "memory"))
        return self.scheme(name, schemes, folder.as_uri())

    def key(self, name: str) -> bytes:
        text = self.text(name)
        return self._key(name, text) if text else b""

    def key_list(self, name: str) -> tuple[tuple[str, bytes], ...]:
        keys: dict[str, bytes] = {}
        for part in filter(None, (p.strip() for p in self.text(name).split(","))):
            key_id, colon, text = part.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):
                # Never repeat the part: without a colon it may be the key itself.
                self.problem(
                    name, "key_list", "mỗi khóa phải có dạng mã:base64, mã gồm 1–16 ký tự a–z, 0–9, “-”."
                )
            elif key_id in keys:
                self.problem(name, "key_id_twice", f"mã khóa “{key_id}” xuất hiện hai lần.")
            elif key := self._key(name, text):
                if key in keys.values():
                    self.problem(name, "reused", f"khóa “{key_id}” trùng với một khóa khác trong danh sách.")
                keys[key_id] = key
        return tuple(keys.items())

    def _key(self, name: str, text: str) -> bytes:
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            self.problem(
                name,
                "key",
                f"khóa phải là base64 của đúng {KEY_BYTES} byte ngẫu nhiên; tạo bằng: {_HOW[name]}.",
            )
            return b""
        if len(set(key)) < 8:  # 32 random bytes repeat this much with probability below 10⁻³⁰
            self.problem(name, "weak_key", f"khóa không ngẫu nhiên; tạo bằng: {_HOW[name]}.")
            return b""
        return key

    def complete_secrets(
        self, keys: tuple[tuple[str, bytes], ...], index_key: bytes, instance_dir: Path, *, production: bool
    ) -> tuple[tuple[tuple[str, bytes], ...], bytes]:
        """Fill what the environment leaves out: from ``secrets.json`` in development, never in production."""
        missing = [name for name in ("KEY_ENCRYPTION_KEYS", "INDEX_KEY") if not self.text(name)]
        if not missing:
            return keys, index_key
        if production:
            for name in missing:
                self.problem(name, "missing", f"phải có khi ENVIRONMENT=production; tạo bằng: {_HOW[name]}.")
            return keys, index_key
        try:
            kept = _kept_secrets(instance_dir)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            path = instance_dir / SECRETS_FILE
            self.problem("INSTANCE_DIR", "secrets_unreadable", f"không đọc hoặc tạo được {path} ({error}).")
            return keys, index_key
        return keys or kept[0], index_key or kept[1]


def _places() -> tuple[int, int]:
    """Checks that run and wait unless the settings say otherwise: one a core, four waiting for each."""
    cores = os.cpu_count() or 1
    return cores, 4 * cores


def _plain(value: float) -> str:
    """A limit as a person writes it: 1073741824, not 1.07374e+09."""
    return f"{value:.0f}" if value == int(value) else str(value)


def _kept_secrets(instance_dir: Path) -> tuple[tuple[tuple[str, bytes], ...], bytes]:
    """The development secrets, generated at the first call.

    Whatever was sealed under a lost key is lost, so the file is on disk before its name exists, and two
    processes that start together agree on one: the name is made by ``link``, which fails for the second.
    """
    path = instance_dir / SECRETS_FILE
    if not path.exists():
        instance_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = {
            "KEY_ENCRYPTION_KEYS": f"dev-1:{_random_key()}",
            "INDEX_KEY": _random_key(),
        }
        descriptor, temporary = tempfile.mkstemp(dir=instance_dir, prefix=".secrets-")  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(fresh, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: its keys count
                os.link(temporary, path)
        finally:
            os.unlink(temporary)
        directory = os.open(instance_dir, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    stored = _Reader(json.loads(path.read_text()))
    keys, index_key = stored.key_list("KEY_ENCRYPTION_KEYS"), stored.key("INDEX_KEY")
    if stored.problems or not keys or not index_key:
        raise ValueError("; ".join(p.message for p in stored.problems) or "thiếu khóa")
    return keys, index_key


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
