"""The migrations build exactly the tables that the models declare, on both databases."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import DateTime, Engine, Uuid, bindparam, inspect, select, text
from sqlalchemy.orm import Session

import portal.accounts.models
import portal.audit.models
import portal.consent.models
import portal.decisions.models
import portal.departments.models
import portal.issuing.models
import portal.lookup.models
import portal.messages.models
import portal.migrations
import portal.registry.models
import portal.results.models
import portal.trust.models
from portal.accounts.models import Account, PupilLink
from portal.audit import service as audit
from portal.database import Base, make_engine
from portal.registry.models import Record
from portal.results.models import CheckResult
from portal.trust.models import TrustState
from tests.servers import PostgresCluster
from verifier.pades import Structure


def test_autogenerate_finds_no_difference(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_autogenerate_would_notice_a_missing_column(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE match_attempts RENAME COLUMN at TO moment"))
        context = MigrationContext.configure(connection)
        kinds = {
            difference[0] for difference in compare_metadata(context, Base.metadata) if len(difference) > 1
        }
        assert {"add_column", "remove_column"} <= kinds
        connection.rollback()


def test_there_is_one_newest_migration_and_upgrading_again_does_nothing(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    heads = ScriptDirectory.from_config(config).get_heads()
    assert len(heads) == 1
    portal.migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == list(
            heads
        )
        assert connection.execute(text("SELECT id, epoch FROM trust_state")).all() == [(1, 0)]


def test_two_processes_may_upgrade_one_new_database_at_once(
    tmp_path: Path, postgres: PostgresCluster
) -> None:
    name = postgres.create()
    program = "import sys; from portal import database, migrations; "
    program += "migrations.upgrade(database.make_engine(sys.argv[1]))"
    for url in (f"sqlite:///{tmp_path / 'new.sqlite3'}", postgres.url(name)):
        running = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]  # noqa: S603
        assert [process.wait() for process in running] == [0, 0]
        engine = make_engine(url)
        assert "records" in inspect(engine).get_table_names()
        engine.dispose()
    postgres.drop(name)


def test_files_of_before_are_read_after(tmp_path: Path) -> None:
    """0004: what was found about a file tells of timestamps from then on; anchors have a purpose. 0006: and
    of its revisions, in the report as well, which has opinions on each signature and timestamp.
    """
    engine = make_engine(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    folder = str(Path(portal.migrations.__file__).parent)
    config = Config()
    config.set_main_option("script_location", folder)
    old = {
        "sha256": "0" * 64,
        "size": 1,
        "pages": 1,
        "signatures": [
            {
                "field": "GVCN",
                "byte_range": [0, 1, 2, 3],
                "subfilter": "/ETSI.CAdES.detached",
                "claimed_time": None,
                "coverage": "",
                "integrity": "",
            }
        ],
        "unsigned_fields": [],
        "attached_record_id": None,
        "school_code": None,
        "missing_roles": [],
    }
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.execute(
            text(
                "INSERT INTO registered_files VALUES (:id, :id, 'issued', 'a', 1, 'b', '2026-06-01', :report,"
                " :structure, 'passed', 1, 'p', '2026-06-01', '2026-06-01')"
            ),
            {
                "id": "0" * 32,
                "structure": json.dumps(old),
                "report": json.dumps(
                    {"signatures": [{"field": "GVCN"}], "timestamps": [{"field": "Stamp1"}]}
                ),
            },
        )
        connection.execute(
            text(
                "INSERT INTO anchors (id, name, pki, is_root, sha256, certificate, authority_id, issuer_id,"
                " serial, not_after, added_at) VALUES (:id, 'A', 'state', 1, 'f', x'00', 'a', 'a', '1',"
                " '2040-01-01', '2026-06-01')"
            ),
            {"id": "1" * 32},
        )
        command.upgrade(config, "head")
        found = connection.execute(text("SELECT structure FROM registered_files")).scalar_one()
        told = json.loads(connection.execute(text("SELECT report FROM registered_files")).scalar_one())
        purpose = connection.execute(text("SELECT purpose FROM anchors")).scalar_one()
        connection.exec_driver_sql("DELETE FROM registered_files")
    structure = Structure.from_json(json.loads(found))
    assert (structure.timestamps, structure.evidence, structure.signatures[0].stamp) == ((), (), "")
    assert (structure.revisions, structure.lenient) == ((), False)
    assert told == {
        "signatures": [{"field": "GVCN", "opinions": []}],
        "timestamps": [{"field": "Stamp1", "opinions": []}],
        "revisions": [],
        "lenient": False,
    }
    assert purpose == "signing"
    engine.dispose()


def test_lists_of_before_have_a_scope_after(tmp_path: Path) -> None:
    """0005: the next list of an authority is compared with the last one of the same scope."""
    key = ec.generate_private_key(ec.SECP256R1())
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A")])
    whole = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(moment)
        .next_update(moment + timedelta(days=7))
    )
    point = [x509.UniformResourceIdentifier("http://crl.test/1")]
    part = x509.IssuingDistributionPoint(point, None, True, False, None, False, False)
    engine = make_engine(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for each, builder in (("0", whole), ("1", whole.add_extension(part, critical=True))):
            der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
            connection.execute(
                text(
                    "INSERT INTO revocation_lists (id, issuer_id, crl, this_update, next_update, added_at)"
                    " VALUES (:id, 'a', :der, '2026-06-01', '2026-06-08', '2026-06-01')"
                ),
                {"id": each * 32, "der": der},
            )
        command.upgrade(config, "head")
        found = connection.execute(text("SELECT scope FROM revocation_lists ORDER BY id")).scalars().all()
    engine.dispose()
    assert found == ["ca users", "users at http://crl.test/1"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_changes_in_trust_of_before_begin_the_trail(
    tmp_path: Path, postgres: PostgresCluster, database: str
) -> None:
    """0007: in their order, chained, without their words; and back again."""
    name = postgres.create() if database == "postgresql" else ""
    engine = make_engine(postgres.url(name) if name else f"sqlite:///{tmp_path / 'old.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    signer, mark = uuid.UUID(int=5), uuid.UUID(int=9)
    at = datetime(2026, 6, 1, 1, tzinfo=UTC)
    events = [
        ("add_school", "001234", "Trường Một", None, "Nguyễn An", uuid.UUID(int=8)),
        ("close_school", "001234", "2026-08-31 → 005678", None, "an", uuid.UUID(int=7)),
        ("add_anchor", "ab" * 32, "DEMO CA", None, "an", uuid.UUID(int=6)),
        ("suspend", "cd" * 32, "2026-05-30T08:00:00+07:00", signer, "an", mark),
    ]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        connection.execute(
            text(
                "INSERT INTO signers (id, certificate_sha256, certificate, issuer_id, serial, not_after,"
                " school_code, role, capacity, subject_codes, display_name, valid_from, approval)"
                " VALUES (:id, 'c', :der, 'a', '1', :at, '001234', 'GVCN', '', '', 'Cô', :at, 'approved')"
            ).bindparams(bindparam("id", type_=Uuid()), bindparam("at", type_=DateTime(timezone=True))),
            {"id": signer, "der": b"", "at": at},
        )
        for epoch, (action, subject, detail, of, actor, identity) in enumerate(events, 1):
            connection.execute(
                text(
                    "INSERT INTO trust_events VALUES"
                    " (:id, :at, :epoch, :actor, :action, :subject, :detail, :of)"
                ).bindparams(
                    bindparam("id", type_=Uuid()),
                    bindparam("of", type_=Uuid()),
                    bindparam("at", type_=DateTime(timezone=True)),
                ),
                {"id": identity, "at": at, "epoch": epoch, "actor": actor, "action": action,
                 "subject": subject, "detail": detail, "of": of},
            )  # fmt: skip
        command.upgrade(config, "head")
    with Session(engine) as session:
        told = [json.loads(line) for line in audit.lines(session)]
        assert (audit.check(session).fault, audit.check(session).last) == (None, 4)
        assert session.scalar(select(TrustState.mark)) == mark
    assert [entry["object"] for entry in told] == [
        *(["school:001234"] * 2),
        "certificate:" + "ab" * 32,
        "certificate:" + "cd" * 32,
    ]
    assert [entry["details"] for entry in told] == [
        {"change": "add_school", "epoch": 1},
        {"change": "close_school", "epoch": 2, "until": "2026-08-31", "successor": "005678"},
        {"change": "add_anchor", "epoch": 3},
        {"change": "suspend", "epoch": 4, "since": "2026-05-30T01:00:00.000000Z", "signer": str(signer)},
    ]
    assert [entry["organisation"] for entry in told] == ["001234", "001234", None, "001234"]
    assert [entry["actor"] for entry in told][:2] == ["command:Nguy_n_An", "command:an"]
    assert {entry["at"] for entry in told} == {"2026-06-01T01:00:00.000000Z"}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
        back = connection.execute(
            text("SELECT epoch, action, subject FROM trust_events ORDER BY epoch")
        ).all()
    engine.dispose()
    if name:
        postgres.drop(name)
    assert [tuple(row) for row in back] == [(n, e[0], e[1]) for n, e in enumerate(events, 1)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_links_of_before_say_why_they_ended(tmp_path: Path, postgres: PostgresCluster, database: str) -> None:
    """0021: by what the trail was told; and back again, with what keeps events as they are."""
    name = postgres.create() if database == "postgresql" else ""
    engine = make_engine(postgres.url(name) if name else f"sqlite:///{tmp_path / 'old.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    at, account = datetime(2026, 6, 1, 1, tzinfo=UTC), uuid.UUID(int=5)
    reasons = {"a" * 64: "guardianship_ended", "b" * 64: "period_over", "c" * 64: None}
    portal.migrations.upgrade(engine)
    with Session(engine) as session, session.begin():
        session.add(
            Account(
                id=account, kind="holder", wrapped_key=b"", name_sealed=b"", state="active", created_at=at
            )
        )
        session.flush()
        for days, (pupil, reason) in enumerate(reasons.items()):
            ended = at + timedelta(days=days)
            session.add(
                PupilLink(
                    account_pk=account,
                    school_code="001234",
                    pupil_index=pupil,
                    relation="mother",
                    valid_from=at.date(),
                    linked_at=at,
                    ended_at=ended if reason else None,
                )
            )
            change = {"change": "ended", "reason": reason} if reason else {"change": "linked"}
            told = audit.Event(
                audit.Actor.system("holders"),
                audit.Action.HOLDER_CHANGE,
                audit.Object("holder", account),
                pupil=pupil,
                details=change,
            )
            audit.record(session, told, now=ended)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0020")
        kept = {column["name"] for column in inspect(connection).get_columns("consent_events")}
        command.upgrade(config, "head")
    with Session(engine) as session:
        found = {link.pupil_index: link.end_reason for link in session.scalars(select(PupilLink))}
    with engine.connect() as connection:
        of_postgresql = "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'consent_events%'"
        of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'consent_events'"
        triggers = connection.scalars(text(of_postgresql if name else of_sqlite)).all()
    engine.dispose()
    if name:
        postgres.drop(name)
    assert found == reasons
    assert "browser" not in kept
    assert len(triggers) == (2 if name else 3)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_results_of_before_stay_for_a_year_at_most(
    tmp_path: Path, postgres: PostgresCluster, database: str
) -> None:
    """0023: as they were written, of records that are there; and back again, those of the form before."""
    name = postgres.create() if database == "postgresql" else ""
    engine = make_engine(postgres.url(name) if name else f"sqlite:///{tmp_path / 'old.sqlite3'}")
    config = Config()
    config.set_main_option("script_location", str(Path(portal.migrations.__file__).parent))
    told = json.loads((Path(__file__).parent / "results/rows/form-1.json").read_text("utf-8"))
    for new in ("form", "seal", "number"):
        del told[new]
    at, zone = datetime(2026, 6, 1, tzinfo=UTC), "+00:00" if name else ""
    rows = {
        1: ("A" * 17, 90),
        2: ("A" * 17, 3650),
        3: ("B" * 17, 90),  # destroyed
        4: (None, 366),
    }
    portal.migrations.upgrade(engine)
    with Session(engine) as session, session.begin():
        for n, (name_of, key) in enumerate((("A" * 17, b"key"), ("B" * 17, b""))):
            session.add(
                Record(
                    record_id=name_of,
                    school_code="001234",
                    pupil_index=str(n) * 64,
                    year="2025-2026",
                    level="TIEU_HOC",
                    scheme="TT27_2020",
                    grade=5,
                    wrapped_key=key,
                    created_at=at,
                )
            )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0022")
        for n, (record_id, days) in rows.items():
            values = told | {
                "id": uuid.UUID(int=n).hex,
                "number_index": str(n) * 64,
                "record_id": record_id,
                "made_at": f"2026-06-01 00:00:00.000000{zone}",
                "expires_at": f"{at + timedelta(days=days):%Y-%m-%d %H:%M:%S.%f}{zone}",
            }
            columns, places = ", ".join(values), ", ".join(f":{key}" for key in values)
            connection.execute(
                text(f"INSERT INTO check_results ({columns}) VALUES ({places})"),  # noqa: S608
                values,
            )
        command.upgrade(config, "head")
    with Session(engine) as session, session.begin():
        found = {row.id.int: row for row in session.scalars(select(CheckResult))}
        kept = {n: (row.expires_at - at).days for n, row in found.items()}
        untouched = {
            getattr(row, column) == told[column] for row in found.values() for column in ("found", "state")
        }
        forms = {(row.form, row.seal) for row in found.values()}
        found[1].form = 2
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0022")
        left = connection.execute(text("SELECT count(*) FROM check_results")).scalar_one()
        command.upgrade(config, "head")
    engine.dispose()
    if name:
        postgres.drop(name)
    assert kept == {1: 90, 2: 366, 4: 366}
    assert (untouched, forms) == ({True}, {(1, None)})
    assert left == 2
