"""SEC-18: a school's rows are its own in PostgreSQL itself, whatever SQL is written in the portal's role."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session

from portal import migrations
from portal.accounts import service as accounts
from portal.accounts.models import (
    AccountKind,
    ActivationSlip,
    ContactChange,
    Organisation,
    PupilLink,
    Relation,
)
from portal.config import Settings
from portal.consent.fields import Preset
from portal.consent.models import (
    Consent,
    ConsentEvent,
    ConsentRecord,
    EventKind,
    Matter,
    PurposeApproval,
    RequestKind,
    ShareCode,
    StatutoryAccess,
    SubjectRequest,
)
from portal.consent.purposes import Duty, Purpose
from portal.database import Base, everywhere, make_engine, narrow
from portal.decisions.models import Decision, Kind, State
from portal.errors import Refusal
from portal.extensions import reading, transaction
from portal.factory import create_app
from portal.issuing.models import (
    ClassUpload,
    CorrectionState,
    Issuance,
    LateCorrection,
    LineState,
    OrderLine,
    PlannedSignature,
    SigningOrder,
    Stage,
    UploadKind,
    UploadState,
    Way,
)
from portal.permissions import Act, OrganisationKind, Role
from portal.ports import Channel
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.start import refuse_unbound_role
from portal.vault import Vault
from portal.web.access import Access, allowed
from tests.conftest import NOW, FrozenClock
from tests.demo_instance import run_flask
from tests.portal.accounts.world import AWAY, HOME, kind_of, settle
from tests.servers import PostgresCluster

OWN, OTHER = HOME[kind_of(Role.CLERK)], AWAY[kind_of(Role.CLERK)]
#: Tables with rows of schools' pupils; a new one with a school's code has to be added here or named below.
BOUND = {
    "records",
    "record_versions",
    "registered_files",
    "issuances",
    "pupil_links",
    "activation_slips",
    "contact_changes",
    "consents",
    "consent_events",
    "consent_records",
    "share_codes",
    "statutory_accesses",
    "subject_requests",
    "class_uploads",
    "planned_signatures",
    "signing_orders",
    "order_lines",
    "late_corrections",
    "decisions",
}
#: Tables that name a school and hold nothing of its pupils.
NOT_OF_PUPILS = {"schools", "signers"}


@dataclass(frozen=True, slots=True)
class Place:
    """A database whose tables one role owns and another works with."""

    owner: str
    app: str
    superuser: str


@pytest.fixture(scope="module")
def place(postgres: PostgresCluster) -> Iterator[Place]:
    name = postgres.create()
    superuser = postgres.url(name)
    admin = make_engine(superuser)
    suffix = uuid.uuid4().hex[:8]
    with admin.begin() as connection:
        for role in ("owner", "app"):
            connection.execute(text(f"CREATE ROLE {role}_{suffix} LOGIN"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO owner_{suffix}"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA public TO app_{suffix}"))
    admin.dispose()
    roles = {role: superuser.replace("postgres@", f"{role}_{suffix}@") for role in ("owner", "app")}
    owner = make_engine(roles["owner"])
    migrations.upgrade(owner)
    migrations.grant(owner, f"app_{suffix}")
    owner.dispose()
    yield Place(roles["owner"], roles["app"], superuser)
    postgres.drop(name)


@pytest.fixture(scope="module")
def engine(place: Place) -> Iterator[Engine]:
    """The portal's own, with a row of each school in each table."""
    engine = make_engine(place.app)
    with Session(engine) as session, session.begin():
        for school in (OWN, OTHER):
            _rows_of(session, school)
    yield engine
    engine.dispose()


def _rows_of(session: Session, school: str) -> None:
    vault = Vault([("test", bytes(range(32)))], bytes(range(32)))
    holder = accounts.new_account(session, vault, AccountKind.HOLDER, "Lò Thị Mai", "vi", now=NOW)
    record, version, issuance, order, consent, agency = (uuid.uuid4() for _ in range(6))
    pupil, tag = uuid.uuid4().hex * 2, uuid.uuid4().hex
    session.add(
        Record(
            id=record,
            record_id=tag[:17],
            school_code=school,
            pupil_index=pupil,
            level="TIEU_HOC",
            scheme="TT27",
            grade=3,
            year="2025-2026",
            wrapped_key=b"",
            created_at=NOW,
        )
    )
    session.flush()
    session.add(
        RecordVersion(
            id=version,
            record_pk=record,
            version=1,
            digest=uuid.uuid4().bytes * 2,
            header="",
            disclosures_sealed=b"",
            public_sealed=b"",
            school_name="",
            roles="",
            issued_on=NOW.date(),
            registered_at=NOW,
            state="current",
        )
    )
    session.add(
        Organisation(
            id=agency,
            kind=OrganisationKind.AGENCY,
            code=tag[:20],
            name="",
            department_code="S01",
            approved_at=NOW,
        )
    )
    session.flush()
    session.add_all(
        (
            StatutoryAccess(
                organisation_pk=agency,
                account_pk=holder.id,
                duty=Duty.AGENCY_DUTY,
                wrapped_key=b"",
                reference_sealed=b"",
                record_pk=record,
                pupil_index=pupil,
                version=1,
                fields="[]",
                at=NOW,
            ),
            RegisteredFile(
                version_pk=version,
                sha256=tag * 2,
                size=1,
                stored_name=tag,
                registered_at=NOW,
                report="",
                structure="",
                standing="passed",
                standing_epoch=0,
                policy="",
                standing_at=NOW,
                fresh_until=NOW,
            ),
            Issuance(
                id=issuance,
                school_code=school,
                pupil_index=pupil,
                year="2025-2026",
                version=1,
                record_id=tag[:17],
                content_index="",
                stage=Stage.REGISTERED,
                wrapped_key=b"",
                intent_sealed=b"",
                issued_on=NOW.date(),
                created_at=NOW,
                updated_at=NOW,
                batch=uuid.uuid4(),
            ),
            PupilLink(
                account_pk=holder.id,
                school_code=school,
                pupil_index=pupil,
                relation=Relation.MOTHER,
                valid_from=date(2026, 1, 1),
                linked_at=NOW,
            ),
            ActivationSlip(
                school_code=school,
                pupil_index=pupil,
                relation=Relation.MOTHER,
                wrapped_key=b"",
                name_sealed=b"",
                code_index=tag,
                made_at=NOW,
                expires_at=NOW,
            ),
            ContactChange(
                account_pk=holder.id,
                school_code=school,
                kind=Channel.EMAIL,
                value_index="",
                value_sealed=b"",
                asked_at=NOW,
                due_at=NOW,
            ),
            Consent(
                id=consent,
                pupil_index=pupil,
                school_code=school,
                purpose=Purpose.TRANSFER,
                asked_by=holder.id,
                preset=Preset.RESULT,
                fields="[]",
                pdf=False,
                days=1,
                once=True,
                wrapped_key=b"",
                asked_at=NOW,
                answer_until=NOW,
            ),
            SubjectRequest(
                account_pk=holder.id,
                school_code=school,
                pupil_index=pupil,
                kind=RequestKind.SEE,
                matter=Matter.RECORD,
                wrapped_key=b"",
                text_sealed=b"",
                made_at=NOW,
                acknowledge_by=NOW.date(),
                answer_by=NOW.date(),
            ),
            ClassUpload(
                school_code=school,
                account_pk=holder.id,
                kind=UploadKind.FIRST,
                state=UploadState.SENT,
                wrapped_key=b"",
                name_sealed=b"",
                reason_sealed=b"",
                sent_at=NOW,
            ),
            SigningOrder(
                id=order,
                account_pk=holder.id,
                school_code=school,
                certificate_sha256=tag * 2,
                act="seal",
                way=Way.RING,
                confirmed_by="passkey",
                ordered_at=NOW,
            ),
            LateCorrection(
                school_code=school,
                department_code="S01",
                record_id=tag[:17],
                version=2,
                reason="data_entry",
                state=CorrectionState.WAITING,
                asked_by=holder.id,
                asked_at=NOW,
            ),
            Decision(
                kind=Kind.RECALL_RECORDS,
                object_kind="listed",
                object_id=record,
                content="{}",
                organisation=school,
                reason="data_error",
                reference="1/QĐ",
                state=State.PROPOSED,
                proposed_by="command:an",
                proposed_at=NOW,
            ),
        )
    )
    session.flush()
    session.add_all(
        (
            PlannedSignature(issuance_pk=issuance, field="GVCN", rank=1, certificate_sha256=tag * 2),
            ConsentEvent(consent_pk=consent, number=1, kind=EventKind.ASKED, at=NOW),
            ConsentRecord(consent_pk=consent, record_pk=record, version=1),
            ShareCode(consent_pk=consent, code_index=tag * 2, made_at=NOW, made_by=holder.id),
            OrderLine(order_pk=order, issuance_pk=issuance, field="GVCN", state=LineState.ASKED),
        )
    )


def count(session: Session, table: str) -> int:
    return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608 - names of ours


def test_every_table_with_a_schools_rows_is_bound() -> None:
    """Also one that is made tomorrow."""
    with_code = {table.name for table in Base.metadata.sorted_tables if "school_code" in table.c}
    assert with_code - NOT_OF_PUPILS <= BOUND


@pytest.mark.parametrize("table", sorted(BOUND))
def test_a_school_reads_its_own_rows_alone(engine: Engine, table: str) -> None:
    """SEC-18: by raw SQL; also after a rollback, and only in the session that was narrowed."""
    for scope, there in ((OWN, 1), (None, 2), ("no school", 0), ("all", 0)):
        with Session(engine) as session:
            narrow(session, scope)
            for _ in range(2):
                assert count(session, table) == there
                session.rollback()


@pytest.mark.parametrize("table", sorted(BOUND))
def test_a_school_changes_its_own_rows_alone(engine: Engine, table: str) -> None:
    """SEC-18: what an UPDATE or DELETE without a WHERE reaches."""
    column = next(c.name for c in Base.metadata.tables[table].columns if c.name not in ("id", "school_code"))
    if table in ("consents", "statutory_accesses"):
        column = "wrapped_key"  # of a consent and a look nothing else may change
    with Session(engine) as session:
        narrow(session, OWN)
        if table in ("consent_events", "consent_records"):
            with pytest.raises(DBAPIError, match="append-only"):
                session.execute(text(f"UPDATE {table} SET {column} = {column}"))  # noqa: S608
            return
        touched = session.execute(text(f"UPDATE {table} SET {column} = {column} RETURNING 1")).all()  # noqa: S608
        assert len(touched) == 1
        session.rollback()
        if table == "statutory_accesses":
            return  # none goes
        if table not in ("records", "record_versions", "signing_orders", "consents"):  # others are below them
            assert len(session.execute(text(f"DELETE FROM {table} RETURNING 1")).all()) == 1  # noqa: S608
        session.rollback()


def test_a_school_gives_no_row_to_another(engine: Engine) -> None:
    """SEC-18: neither a new one nor one of its own."""
    with Session(engine) as session:
        narrow(session, OWN)
        with pytest.raises(ProgrammingError, match="row-level security"):
            session.execute(text("UPDATE pupil_links SET school_code = :other"), {"other": OTHER})
        session.rollback()
        with pytest.raises(ProgrammingError, match="row-level security"):
            _rows_of(session, OTHER)


def test_schools_read_approvals_of_purposes_and_write_none(place: Place, engine: Engine) -> None:
    """SEC-18: the department's word, on which what a school takes down depends."""
    with Session(engine) as session, session.begin():
        officer = accounts.new_account(
            session, Vault([("test", bytes(32))], bytes(32)), AccountKind.STAFF, "Lò Thị Mai", "vi", now=NOW
        )
        session.add(
            PurposeApproval(
                department_code="S01",
                purpose=Purpose.EMPLOYMENT,
                reference="15/QĐ",
                valid_from=NOW.date(),
                given_at=NOW,
                given_by=officer.id,
            )
        )
    with Session(engine) as session:
        narrow(session, OWN)
        assert count(session, "purpose_approvals") == 1
        for statement in ("UPDATE purpose_approvals SET reference = ''", "DELETE FROM purpose_approvals"):
            assert session.execute(text(f"{statement} RETURNING 1")).all() == []
    with psycopg.connect(place.app.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 1 FROM purpose_approvals").fetchall() == []


def test_what_concerns_several_schools_is_looked_at_in_a_block(engine: Engine) -> None:
    """SEC-18: for a decision about a pupil of two schools; before and after it the rule stands, also after a
    mistake, and blocks may stand in blocks.
    """
    with Session(engine) as session:
        narrow(session, OWN)
        assert count(session, "pupil_links") == 1
        with everywhere(session):
            with everywhere(session):
                assert count(session, "pupil_links") == 2
            assert count(session, "pupil_links") == 2
        assert count(session, "pupil_links") == 1
        with pytest.raises(LookupError), everywhere(session):
            raise LookupError
        assert count(session, "pupil_links") == 1
        with pytest.raises(ProgrammingError), everywhere(session):
            session.execute(text("SELECT nonsense"))
        session.rollback()
        assert count(session, "pupil_links") == 1


def test_without_a_scope_there_is_nothing(place: Place, engine: Engine) -> None:
    """SEC-18: whoever connects in the portal's role by hand."""
    with psycopg.connect(place.app.replace("+psycopg", "")) as connection:
        for table in sorted(BOUND):
            seen = connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(table)))
            assert seen.fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE records DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE records NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_school ON records",
        "DROP TRIGGER audit_entries_keep ON audit_entries",
        "UPDATE audit_entries SET number = 9",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DELETE FROM audit_head",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET ROLE postgres",
    ],
)
def test_the_portals_role_lifts_no_rule(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(ProgrammingError):
        connection.execute(text(statement))


def test_the_owner_is_bound_as_well(place: Place, engine: Engine) -> None:
    """FORCE ROW LEVEL SECURITY."""
    owner = make_engine(place.owner)
    with Session(owner) as session:
        narrow(session, OWN)
        assert count(session, "records") == 1
    owner.dispose()


def test_production_serves_in_no_other_role(place: Place) -> None:
    for url, free in ((place.superuser, True), (place.owner, True), (place.app, False)):
        engine = make_engine(url)
        with Session(engine) as session:
            if free:
                with pytest.raises(Refusal) as refused:
                    refuse_unbound_role(session)
                assert refused.value.code == "unbound_role"
            else:
                refuse_unbound_role(session)
        engine.dispose()


def test_the_command_makes_tables_as_their_owner(postgres: PostgresCluster, tmp_path: Path) -> None:
    """What docs/settings.md tells an operator to do, twice."""
    name = postgres.create()
    admin, suffix = make_engine(postgres.url(name)), uuid.uuid4().hex[:8]
    with admin.begin() as connection:
        for role in ("boss", "web"):
            connection.execute(text(f"CREATE ROLE {role}_{suffix} LOGIN"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO boss_{suffix}"))
    admin.dispose()
    urls = {role: postgres.url(name).replace("postgres@", f"{role}_{suffix}@") for role in ("boss", "web")}
    environment = {
        "INSTANCE_DIR": str(tmp_path / "instance"),
        "DATABASE_URL": urls["web"],
        "DATABASE_OWNER_URL": urls["boss"],
    }
    for _ in range(2):
        done = run_flask(environment, "database", "upgrade")
        assert done.returncode == 0, done.stderr
    engine = make_engine(urls["web"])
    with Session(engine) as session, session.begin():
        refuse_unbound_role(session)
        _rows_of(session, OWN)
    engine.dispose()
    postgres.drop(name)


def test_requests_of_a_schools_people_are_narrowed(place: Place, engine: Engine, tmp_path: Path) -> None:
    """SEC-18: by the act that the route names, whatever its view asks for; also where it only reads."""
    environment = {"INSTANCE_DIR": str(tmp_path / "instance"), "DATABASE_URL": place.app}
    app: Flask = create_app(Settings.from_environment(environment), clock=FrozenClock())

    def asks(act: Act) -> None:
        @allowed(Access.ROLE, act)
        def view() -> dict[str, list[str]]:
            question = select(Record.school_code).distinct().order_by(Record.school_code)
            with transaction() as session:
                written = list(session.scalars(question))
            with reading() as session:
                read = list(session.scalars(question))
            return {"written": written, "read": read}

        app.add_url_rule(f"/test/{act}", act, view)

    everyone = sorted((OWN, OTHER))
    wanted = {
        (Role.CLERK, Act.SEE_PROGRESS): [OWN],
        (Role.ACADEMIC_STAFF, Act.LINK_HOLDERS): [OWN],
        (Role.RECEIVING_OFFICER, Act.OPEN_SHARED): everyone,
        (Role.RECEIVING_OFFICER, Act.OWN_ACCOUNT): [OWN],
        (Role.AGENCY_OFFICER, Act.STATUTORY_ACCESS): everyone,
        (Role.DEPARTMENT_OFFICER, Act.SEE_STATISTICS): everyone,
        (Role.HOLDER, Act.SEE_OWN_RECORDS): everyone,
    }
    for act in sorted({act for _, act in wanted}):
        asks(act)
    people = settle(app)
    for (role, act), schools in wanted.items():
        answer = people.sign_in(role).get(f"/test/{act}")
        assert answer.json == {"written": schools, "read": schools}, (role, act)
    app.extensions["portal"].engine.dispose()
