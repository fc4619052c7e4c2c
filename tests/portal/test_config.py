"""Settings: frozen, all mistakes at once, no secret has a default."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.config import Environment, Gateway, MailServer, OpenIdClient, Settings
from portal.errors import InvalidSettings

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(32, 64))).decode()
PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://hocba.example.vn",
    "KEY_ENCRYPTION_KEYS": f"k2026:{KEY}",
    "INDEX_KEY": OTHER,
    "OWNER_NAME": "Sở Giáo dục và Đào tạo Kiên Hải",
    "MAIL_URL": "smtps://portal:m4il-pass@mail.example.vn",
    "MAIL_FROM": "hocba@example.vn",
}

#: What a setting cannot do without.
COMPANIONS = {
    "MAIL_URL": {"MAIL_FROM": "a@b.vn"},
    "MAIL_FROM": {"MAIL_URL": "smtps://mail.example.vn"},
    "SMS_URL": {"SMS_TOKEN": "t0ken"},
    "SMS_TOKEN": {"SMS_URL": "https://sms.example.vn/"},
}


def mistakes(env: dict[str, str], tmp_path: Path) -> set[tuple[str, str]]:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment({"INSTANCE_DIR": str(tmp_path / "instance")} | env)
    return {(p.where, p.code) for p in caught.value.problems}


class TestDevelopment:
    def test_an_empty_environment_is_enough(self, tmp_path: Path) -> None:
        settings = Settings.from_environment({"INSTANCE_DIR": str(tmp_path / "instance"), "PORT": "8123"})
        assert settings.environment is Environment.DEVELOPMENT
        assert settings.public_url == "http://127.0.0.1:8123"
        assert settings.database_url == f"sqlite:///{tmp_path}/instance/portal.sqlite3"
        assert settings.file_store_url == f"file://{tmp_path}/instance/files"
        assert settings.signing_keys is None
        assert settings.mail is None
        assert settings.sms is None
        assert settings.audit_key is None
        assert not settings.demo
        with pytest.raises(dataclasses.FrozenInstanceError):
            settings.demo = True  # type: ignore[misc]

    def test_secrets_are_made_once_and_private(self, tmp_path: Path) -> None:
        env = {"INSTANCE_DIR": str(tmp_path / "instance")}
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: Settings.from_environment(env), range(16)))
        assert len({(s.key_encryption_keys, s.index_key) for s in made}) == 1
        path = tmp_path / "instance" / "secrets.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(tmp_path / "instance") == ["secrets.json"]
        (key_id, key), index_key = made[0].key_encryption_keys[0], made[0].index_key
        assert key_id == "dev-1"
        assert len(key) == len(index_key) == 32
        assert key != index_key
        assert base64.b64encode(key).decode() not in repr(made[0])

    def test_the_key_of_checkpoints_is_a_file(self, tmp_path: Path) -> None:
        env = {"INSTANCE_DIR": str(tmp_path / "instance"), "AUDIT_KEY": " audit.pem "}
        assert Settings.from_environment(env).audit_key == Path("audit.pem").absolute()

    def test_a_given_key_goes_before_a_kept_one(self, tmp_path: Path) -> None:
        env = {"INSTANCE_DIR": str(tmp_path / "instance")}
        kept = Settings.from_environment(env)
        given = Settings.from_environment(env | {"KEY_ENCRYPTION_KEYS": f"a:{KEY}, b:{OTHER}"})
        assert given.key_encryption_keys == (("a", bytes(range(32))), ("b", bytes(range(32, 64))))
        assert given.index_key == kept.index_key

    def test_damaged_secrets_are_named_and_never_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "instance" / "secrets.json"
        path.parent.mkdir()
        for text in ("", "{", "[]", json.dumps({"INDEX_KEY": KEY}), json.dumps({"INDEX_KEY": 1})):
            path.write_text(text)
            assert mistakes({}, tmp_path) == {("INSTANCE_DIR", "secrets_unreadable")}
            assert path.read_text() == text


class TestProduction:
    def test_complete_settings(self, tmp_path: Path) -> None:
        env = PRODUCTION | {
            "INSTANCE_DIR": str(tmp_path),
            "DATABASE_URL": "postgresql://portal:s3cret@db/portal",
            "FILE_STORE_URL": "s3://records",
            "PUBLIC_URL": "https://HocBa.example.vn:8443/",
            "PUBLIC_URL_FORMER": "https://old.example.vn, http://older.example.vn",
            "TRUSTED_PROXIES": "2",
            "OWNER_CONTACT": " 0297 3123 456, hocba@so.example.vn ",
            "CHECK_DEADLINE_SECONDS": "7.5",
        }
        settings = Settings.from_environment(env)
        assert settings.production
        assert settings.public_url == "https://hocba.example.vn:8443"
        assert settings.public_url_former == ("https://old.example.vn", "http://older.example.vn")
        assert settings.database_url == "postgresql+psycopg://portal:s3cret@db/portal"
        assert settings.file_store_url == "s3://records"
        assert (settings.trusted_proxies, settings.check_deadline_seconds) == (2, 7.5)
        assert settings.owner_contact == "0297 3123 456, hocba@so.example.vn"
        assert not (tmp_path / "secrets.json").exists()

    def test_every_mistake_is_told_at_once(self, tmp_path: Path) -> None:
        assert mistakes(
            {
                "ENVIRONMENT": "production",
                "DEMO": "1",
                "FLASK_DEBUG": "1",
                "FILE_STORE_URL": "memory:///",
                "TOMBSTONES_URL": "memory:///",
                "LIMITS": "miss v4 many",
            },
            tmp_path,
        ) == {
            ("LIMITS", "limit"),
            ("DEMO", "demo_in_production"),
            ("FLASK_DEBUG", "debug_in_production"),
            ("PUBLIC_URL", "missing"),
            ("OWNER_NAME", "missing"),
            ("KEY_ENCRYPTION_KEYS", "missing"),
            ("INDEX_KEY", "missing"),
            ("FILE_STORE_URL", "scheme"),
            ("MAIL_URL", "missing"),
            ("TOMBSTONES_URL", "scheme"),
        }

    def test_kept_development_secrets_do_not_count(self, tmp_path: Path) -> None:
        Settings.from_environment({"INSTANCE_DIR": str(tmp_path / "instance")})
        env = {k: v for k, v in PRODUCTION.items() if k not in ("KEY_ENCRYPTION_KEYS", "INDEX_KEY")}
        assert mistakes(env, tmp_path) == {("KEY_ENCRYPTION_KEYS", "missing"), ("INDEX_KEY", "missing")}

    @pytest.mark.parametrize("value", ["1", "true", "on", "off", "2", "x"])
    def test_debugging_is_refused(self, tmp_path: Path, value: str) -> None:
        """SEC-43: whatever Flask takes for "on", which is nearly every word."""
        assert mistakes(PRODUCTION | {"FLASK_DEBUG": value}, tmp_path) == {
            ("FLASK_DEBUG", "debug_in_production")
        }
        assert not Settings.from_environment({"INSTANCE_DIR": str(tmp_path), "FLASK_DEBUG": value}).production

    @pytest.mark.parametrize("value", ["", "0", "False", "no"])
    def test_debugging_turned_off_is_no_mistake(self, tmp_path: Path, value: str) -> None:
        env = PRODUCTION | {"INSTANCE_DIR": str(tmp_path), "FLASK_DEBUG": value}
        assert Settings.from_environment(env).production

    def test_one_way_of_sending_is_enough(self, tmp_path: Path) -> None:
        env = {k: v for k, v in PRODUCTION.items() if not k.startswith("MAIL_")}
        env["INSTANCE_DIR"] = str(tmp_path)
        sms = {"SMS_URL": "https://sms.example.vn/v1/send?app=7", "SMS_TOKEN": "t0ken"}
        assert Settings.from_environment(env | sms).sms == Gateway(sms["SMS_URL"], "t0ken")
        plain = {"SMS_URL": "http://sms.example.vn/", "SMS_TOKEN": "t0ken"}
        assert mistakes(env | plain, tmp_path) == {("SMS_URL", "http_in_production")}
        assert Settings.from_environment(env | plain | {"ENVIRONMENT": "development"}).sms is not None

    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("smtps://mail.example.vn", MailServer("mail.example.vn", 465, True, "", "", "a@b.vn")),
            ("smtp://mail.example.vn", MailServer("mail.example.vn", 587, False, "", "", "a@b.vn")),
            (
                "smtp://hocba%40so.vn:p%3Ass%2F@mail.example.vn:2525",
                MailServer("mail.example.vn", 2525, False, "hocba@so.vn", "p:ss/", "a@b.vn"),
            ),
        ],
    )
    def test_mail_servers(self, tmp_path: Path, url: str, server: MailServer) -> None:
        env = PRODUCTION | {"INSTANCE_DIR": str(tmp_path), "MAIL_URL": url, "MAIL_FROM": "a@b.vn"}
        settings = Settings.from_environment(env)
        assert settings.mail == server
        assert not server.password or server.password not in repr(settings)

    def test_plain_http_is_refused(self, tmp_path: Path) -> None:
        env = PRODUCTION | {"PUBLIC_URL": "http://hocba.example.vn"}
        assert mistakes(env, tmp_path) == {("PUBLIC_URL", "http_in_production")}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ENVIRONMENT", "prod", "choice"),
        ("DEMO", "maybe", "flag"),
        ("PORT", "0", "number"),
        ("PUBLIC_URL", "hocba.example.vn", "origin"),
        ("PUBLIC_URL", "https://hocba.example.vn/v", "origin"),
        ("PUBLIC_URL", "https://học-bạ.vn", "host"),
        ("PUBLIC_URL", "https://user@hocba.vn", "host"),
        ("PUBLIC_URL", f"https://{'a' * 39}.vn", "host_too_long"),
        ("PUBLIC_URL_FORMER", "https://a.vn ftp://b.vn", "origin"),
        ("KEY_ENCRYPTION_KEYS", KEY, "key_list"),
        ("KEY_ENCRYPTION_KEYS", f"K:{KEY}", "key_list"),
        ("KEY_ENCRYPTION_KEYS", f"a:{KEY},a:{OTHER}", "key_id_twice"),
        ("KEY_ENCRYPTION_KEYS", f"a:{KEY},b:{KEY}", "reused"),
        ("KEY_ENCRYPTION_KEYS", "a:AAAA", "key"),
        ("INDEX_KEY", base64.b64encode(b"x" * 32).decode(), "weak_key"),
        ("INDEX_KEY", "không phải base64", "key"),
        ("DATABASE_URL", "nowhere", "url"),
        ("DATABASE_URL", "mysql://db/portal", "driver"),
        ("DATABASE_URL", "sqlite:///x.sqlite3?unknown=1", "query"),
        ("DATABASE_URL", "sqlite://", "no_file"),
        ("DATABASE_URL", "sqlite:///:memory:", "no_file"),
        ("DATABASE_URL", "sqlite:///file:x", "no_file"),
        ("FILE_STORE_URL", "/var/files", "scheme"),
        ("TOMBSTONES_URL", "/var/tombstones", "scheme"),
        ("LIMITS", "miss v4 thirty/minute", "limit"),
        ("LIMITS", "guess v4 30/minute", "limit"),
        ("CHECKS_RUNNING", "0", "number"),
        ("CHECKS_WAITING", "-1", "number"),
        ("CHECKS_WAIT_SECONDS", "60", "number"),
        ("WEB_THREADS", "1", "number"),
        ("DATABASE_TIMEOUT_SECONDS", "0", "number"),
        ("LIMITS_URL", "redis://:s3cret@cache:port/0", "url"),
        ("LIMITS_URL", "memcached://x", "scheme"),
        ("TSA_URL", "tsa.example.vn", "address"),
        ("MAIL_URL", "https://mail.example.vn", "url"),
        ("MAIL_URL", "smtp://", "url"),
        ("MAIL_URL", "smtp://mail.example.vn:many", "url"),
        ("MAIL_URL", "smtp://mail.example.vn/x", "url"),
        ("MAIL_URL", "smtp://user@mail.example.vn", "sign_in"),
        ("MAIL_URL", "smtp://user:mật-khẩu@mail.example.vn", "sign_in"),
        ("MAIL_URL", "smtp://user:a%0Ab@mail.example.vn", "sign_in"),
        ("MAIL_FROM", "Cổng <a@b.vn>", "address"),
        ("MAIL_FROM", "a@b.vn\r\nBcc: c@d.vn", "address"),
        ("SMS_URL", "sms.example.vn", "address"),
        ("SMS_URL", "https://user:secret@sms.example.vn", "address"),
        ("SMS_URL", "https://sms.example.vn:0/", "address"),
        ("SMS_TOKEN", "two words", "token"),
        ("MAX_UPLOAD_BYTES", "1e6", "number"),
        ("CHECK_DEADLINE_SECONDS", "nan", "number"),
        ("TRUSTED_PROXIES", "-1", "number"),
    ],
)
def test_a_wrong_value_names_its_variable(tmp_path: Path, name: str, value: str, code: str) -> None:
    assert mistakes(COMPANIONS.get(name, {}) | {name: value}, tmp_path) == {(name, code)}


@pytest.mark.parametrize("name", ["MAIL_URL", "MAIL_FROM", "SMS_URL", "SMS_TOKEN"])
def test_settings_that_need_each_other(tmp_path: Path, name: str) -> None:
    ((missing, _),) = COMPANIONS[name].items()
    assert {where for where, _ in mistakes({**COMPANIONS[missing]}, tmp_path)} == {missing}


def test_one_key_for_two_purposes_is_refused(tmp_path: Path) -> None:
    assert mistakes({"KEY_ENCRYPTION_KEYS": f"a:{KEY}", "INDEX_KEY": KEY}, tmp_path) == {
        ("INDEX_KEY", "reused")
    }


def test_messages_never_repeat_a_secret(tmp_path: Path) -> None:
    env = {
        "KEY_ENCRYPTION_KEYS": KEY,
        "INDEX_KEY": OTHER + "=",
        "DATABASE_URL": "postgresql://u:s3cret@h:bad/x",
        "MAIL_URL": "smtp://u:s3cret@h:bad",
        "MAIL_FROM": "s3cret",
        "SMS_URL": "https://u:s3cret@h",
        "SMS_TOKEN": "s3cret s3cret",
    }
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment(env | {"INSTANCE_DIR": str(tmp_path)})
    for secret in (KEY, OTHER, "s3cret"):
        assert secret not in str(caught.value)


def test_results_are_kept_a_school_year_at_most(tmp_path: Path) -> None:
    """What is about a child is kept no longer than its purpose, and the refusal says so."""
    place = {"INSTANCE_DIR": str(tmp_path / "instance")}
    for days in ("90", "366"):
        assert Settings.from_environment(place | {"RESULT_DAYS": days}).result_days == int(days)
    for days, why in (("367", True), ("3650", True), ("89", False), ("một năm", False)):
        with pytest.raises(InvalidSettings) as refused:
            Settings.from_environment(place | {"RESULT_DAYS": days})
        (problem,) = refused.value.problems
        assert (problem.where, problem.code) == ("RESULT_DAYS", "number")
        assert "từ 90 đến 366." in problem.message
        assert ("Luật 91/2025/QH15" in problem.message) is why


def test_limits_are_plain_numbers_and_key_hints_show_the_whole_form() -> None:
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment(
            {
                "MAX_UPLOAD_BYTES": "1e6",
                "CHECK_DEADLINE_SECONDS": "nan",
                "KEY_ENCRYPTION_KEYS": "k1:short",
                "INDEX_KEY": "short",
            }
        )
    said = {problem.where: problem.message for problem in caught.value.problems}
    assert "từ 1024 đến 1073741824." in said["MAX_UPLOAD_BYTES"]
    assert "từ 0.1 đến 300." in said["CHECK_DEADLINE_SECONDS"]
    assert "mã:base64" in said["KEY_ENCRYPTION_KEYS"]
    assert "mã:" not in said["INDEX_KEY"]


def test_tombstones_lie_elsewhere_than_files(tmp_path: Path) -> None:
    both = {"FILE_STORE_URL": "s3://one", "TOMBSTONES_URL": "s3://one/"}
    assert mistakes(both, tmp_path) == {("TOMBSTONES_URL", "same_place")}
    settings = Settings.from_environment({"INSTANCE_DIR": str(tmp_path)})
    assert settings.tombstones_url == (tmp_path / "tombstones").as_uri()


OIDC = {
    "OIDC_ISSUER": "https://id.example.vn/so/",
    "OIDC_CLIENT_ID": "hoc-ba",
    "OIDC_CLIENT_SECRET": "s3cret-of-the-client",
    "OIDC_NAME": "Định danh của tỉnh",
}


class TestOpenId:
    def test_none_and_all(self, tmp_path: Path) -> None:
        env = {"INSTANCE_DIR": str(tmp_path)}
        assert Settings.from_environment(env).openid is None
        found = Settings.from_environment(env | OIDC | {"OIDC_ACR": "loa2, loa3", "OIDC_AMR": "mfa"}).openid
        assert found == OpenIdClient(
            "https://id.example.vn/so/",
            "hoc-ba",
            "s3cret-of-the-client",
            "Định danh của tỉnh",
            holders=True,
            staff=True,
            acr=("loa2", "loa3"),
            amr=("mfa",),
        )
        assert "s3cret" not in repr(found)

    @pytest.mark.parametrize(
        ("whom", "holders", "staff"), [("holders", True, False), ("staff", False, True), ("both", True, True)]
    )
    def test_for_whom(self, tmp_path: Path, whom: str, holders: bool, staff: bool) -> None:
        found = Settings.from_environment({"INSTANCE_DIR": str(tmp_path), **OIDC, "OIDC_FOR": whom}).openid
        assert found is not None
        assert (found.holders, found.staff) == (holders, staff)

    @pytest.mark.parametrize("name", OIDC)
    def test_all_or_none(self, tmp_path: Path, name: str) -> None:
        assert mistakes({n: v for n, v in OIDC.items() if n != name}, tmp_path) == {(name, "missing")}

    @pytest.mark.parametrize("name", ["OIDC_FOR", "OIDC_ACR", "OIDC_AMR"])
    def test_a_part_alone_is_a_mistake(self, tmp_path: Path, name: str) -> None:
        """Somebody meant to turn it on."""
        assert mistakes({name: "staff"}, tmp_path) == {(needed, "missing") for needed in OIDC}

    def test_every_mistake_at_once_and_no_secret(self, tmp_path: Path) -> None:
        wrong = {
            "INSTANCE_DIR": str(tmp_path),
            "OIDC_ISSUER": "https://user:pa55@id.example.vn",
            "OIDC_CLIENT_ID": "x" * 257,
            "OIDC_CLIENT_SECRET": "s3cret-of-the-client",
            "OIDC_NAME": "x" * 41,
            "OIDC_FOR": "everybody",
            "OIDC_ACR": "cao,thấp",
            "OIDC_AMR": "mạnh",
        }
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_environment(wrong)
        assert {p.where for p in caught.value.problems} == wrong.keys() - {
            "INSTANCE_DIR",
            "OIDC_CLIENT_SECRET",
        }
        assert "s3cret" not in str(caught.value)
        assert "pa55" not in str(caught.value)

    @pytest.mark.parametrize(
        "issuer",
        [
            "id.example.vn",
            "ftp://id.example.vn",
            "https://",
            "https://id.example.vn?x=1",
            "https://id.example.vn#x",
            "https://id.example.vn:port",
            "https://[id",
            "https://id.example.vn/" + "x" * 200,
        ],
    )
    def test_no_issuer(self, tmp_path: Path, issuer: str) -> None:
        assert mistakes(OIDC | {"OIDC_ISSUER": issuer}, tmp_path) == {("OIDC_ISSUER", "address")}

    def test_production_asks_for_https(self, tmp_path: Path) -> None:
        plain = {"OIDC_ISSUER": "http://id.example.vn"}
        assert mistakes(PRODUCTION | OIDC | plain, tmp_path) == {("OIDC_ISSUER", "http_in_production")}
        assert Settings.from_environment({"INSTANCE_DIR": str(tmp_path), **OIDC, **plain}).openid is not None
