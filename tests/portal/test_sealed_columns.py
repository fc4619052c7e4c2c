"""SEC-39: what is sealed opens in its own place only, column by column of the real tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from portal.accounts import activation, contacts, credentials
from portal.accounts import service as accounts
from portal.accounts.models import (
    Account,
    AccountKind,
    ActivationSlip,
    ContactChange,
    Organisation,
    Relation,
)
from portal.accounts.people import open_contact, open_name
from portal.consent import disclosing, requests
from portal.consent import service as consent
from portal.consent.fields import Preset
from portal.consent.models import (
    Consent,
    EventKind,
    Matter,
    RequestKind,
    StatutoryAccess,
    SubjectRequest,
)
from portal.consent.purposes import Duty, Purpose
from portal.database import Base
from portal.filestore import ObjectFiles, name_of
from portal.issuing.intents import Held, Intent, Job, read, seal_held, seal_intent
from portal.issuing.models import ClassUpload, Issuance, Stage, UploadKind, UploadState
from portal.issuing.sealed import open_upload, seal_upload
from portal.messages import service as messages
from portal.messages.service import Address, Kind
from portal.permissions import OrganisationKind
from portal.ports import Channel
from portal.registry import service as registry
from portal.registry.models import Record, RecordVersion, RegisteredFile
from portal.registry.rows import open_column, seal_file
from portal.vault import Vault, VaultError
from tests.conftest import NOW
from tests.portal.web.world import Issued, enter
from verifier import record as records


def _version(session: Session, vault: Vault, record: str, version: int, column: str) -> object:
    row = session.query(RecordVersion).join(Record).filter(Record.record_id == record)
    found = row.filter(RecordVersion.version == version).one()
    return open_column(
        vault,
        found.record.wrapped_key,
        getattr(found, column),
        column=column,
        record_id=record,
        version=version,
    )


def _issuance(session: Session, vault: Vault, record: str, version: int, column: str) -> object:
    return read(vault, session.query(Issuance).filter_by(record_id=record, version=version).one())


#: How the portal itself opens each sealed column; every one of the schema is here, or the test below fails.
OPEN: Final[Mapping[tuple[str, str], Callable[[Session, Vault, str, int, str], object]]] = {
    ("record_versions", "disclosures_sealed"): _version,
    ("record_versions", "public_sealed"): _version,
    ("issuances", "intent_sealed"): _issuance,
    ("issuances", "stage_sealed"): _issuance,
}

#: Where a row of a table is found by record id and version, for plain SQL.
_WHERE: Final = {
    "record_versions": "version = :version AND record_pk ="
    " (SELECT id FROM records WHERE record_id = :record)",
    "issuances": "version = :version AND record_id = :record",
}


@dataclass(frozen=True, slots=True)
class Theirs:
    """One sealed value of one person: where it stands, what it was, how the portal opens it. ``owner`` is the
    table and row that has the key it is sealed under.
    """

    session: Session
    table: str
    column: str
    row: tuple[str, uuid.UUID]  # name and value of the key
    owner: tuple[str, uuid.UUID]
    text: str
    open: Callable[[], str]

    @property
    def plain(self) -> tuple[str]:
        return (self.text,)

    def opened(self) -> str:
        self.session.expire_all()
        return self.open()

    def sealed(self) -> bytes:
        table = Base.metadata.tables[self.table]
        mine = select(table.c[self.column]).where(table.c[self.row[0]] == self.row[1])
        return bytes(self.session.execute(mine).scalar_one())

    def put(self, value: bytes, *, key_of: Theirs | None = None) -> None:
        table = Base.metadata.tables[self.table]
        self.session.execute(
            update(table).where(table.c[self.row[0]] == self.row[1]).values({self.column: value})
        )
        if key_of is not None:
            keys = Base.metadata.tables[self.owner[0]]
            theirs = select(keys.c.wrapped_key).where(keys.c.id == key_of.owner[1])
            key = self.session.execute(theirs).scalar_one()
            self.session.execute(update(keys).where(keys.c.id == self.owner[1]).values(wrapped_key=key))


def _person(session: Session, vault: Vault, name: str) -> Account:
    return accounts.new_account(session, vault, AccountKind.STAFF, name, "vi", now=NOW)


def _name(session: Session, vault: Vault, name: str) -> Theirs:
    account = _person(session, vault, name)
    owner = ("accounts", account.id)
    return Theirs(
        session, "accounts", "name_sealed", ("id", account.id), owner, name, lambda: open_name(vault, account)
    )


def _contact(session: Session, vault: Vault, name: str) -> Theirs:
    account = _person(session, vault, name)
    email = f"{account.id.hex}@truong.example"
    contact = accounts.add_contact(session, vault, account, Channel.EMAIL, email, now=NOW)
    owner, row = ("accounts", account.id), ("id", contact.id)

    def opened() -> str:
        return open_contact(vault, account, contact.id, contact.value_sealed)

    return Theirs(session, "contacts", "value_sealed", row, owner, email, opened)


def _app(session: Session, vault: Vault, name: str) -> Theirs:
    account = _person(session, vault, name)
    secret = credentials.begin_app(session, vault, account, now=NOW)
    owner, row = ("accounts", account.id), ("account_pk", account.id)

    def opened() -> str:
        return str(credentials.app_secret(session, vault, account))

    return Theirs(session, "authenticator_apps", "secret_sealed", row, owner, secret, opened)


def _message(column: str) -> Callable[[Session, Vault, str], Theirs]:
    def made(session: Session, vault: Vault, name: str) -> Theirs:
        to = f"{name.encode().hex()}@truong.example"
        key = messages.enqueue(
            session,
            vault,
            to=Address(Channel.EMAIL, to),
            kind=Kind.SIGN_IN_CODE,
            language="vi",
            parameters={"code": f"{len(name):06d}", "minutes": 10},
            about=None,
            now=NOW,
        )
        sender = messages.Sender("hocba.example.vn", "Cổng")

        def opened() -> str:
            shown = next(m for m in messages.outbox(session, vault, sender=sender, limit=9) if m.id == key)
            if shown.text is None or shown.to is None:
                raise VaultError("not opened")
            return shown.to if column == "recipient_sealed" else shown.text.text

        text = opened()
        return Theirs(session, "messages", column, ("id", key), ("messages", key), text, opened)

    return made


def _upload(column: str) -> Callable[[Session, Vault, str], Theirs]:
    def made(session: Session, vault: Vault, name: str) -> Theirs:
        row = ClassUpload(
            id=uuid.uuid4(),
            school_code="01000123",
            account_pk=uuid.uuid4(),
            kind=UploadKind.FIRST,
            state=UploadState.SENT,
            wrapped_key=vault.new_key(),
            sent_at=NOW,
        )
        for each in ("name_sealed", "reason_sealed", "content_sealed", "result_sealed", "marked_sealed"):
            setattr(row, each, seal_upload(vault, row, each, name.encode()))
        session.add(row)
        session.flush()

        def opened() -> str:
            return (open_upload(vault, row, column) or b"").decode()

        where = ("class_uploads", row.id)
        return Theirs(session, "class_uploads", column, ("id", row.id), where, name, opened)

    return made


def _slip(session: Session, vault: Vault, name: str) -> Theirs:
    row = ActivationSlip(
        id=uuid.uuid4(),
        school_code="01000123",
        pupil_index=uuid.uuid4().hex,
        relation=Relation.MOTHER,
        wrapped_key=vault.new_key(),
        code_index=uuid.uuid4().hex,
        made_at=NOW,
        expires_at=NOW,
    )
    row.name_sealed = activation.seal_slip_name(vault, row, name)
    session.add(row)
    session.flush()
    owner = ("activation_slips", row.id)

    def opened() -> str:
        return activation.open_slip_name(vault, row)

    return Theirs(session, "activation_slips", "name_sealed", ("id", row.id), owner, name, opened)


def _change(session: Session, vault: Vault, name: str) -> Theirs:
    account, value = _person(session, vault, name), f"{name.encode().hex()}@truong.example"
    row = ContactChange(
        id=uuid.uuid4(),
        account_pk=account.id,
        school_code="01000123",
        kind=Channel.EMAIL,
        value_index=uuid.uuid4().hex,
        asked_at=NOW,
        due_at=NOW,
    )
    row.value_sealed = contacts.seal_change(vault, account, row, value)
    session.add(row)
    session.flush()
    owner = ("accounts", account.id)

    def opened() -> str:
        return contacts.open_change(vault, account, row)

    return Theirs(session, "contact_changes", "value_sealed", ("id", row.id), owner, value, opened)


def _consent(session: Session, vault: Vault, reference: str = "") -> Consent:
    """What an agency asks for, as far as its columns need it."""
    account = _person(session, vault, "Phạm Văn Hỏi")
    row = Consent(
        id=uuid.uuid4(),
        pupil_index=uuid.uuid4().hex,
        school_code="01000123",
        purpose=Purpose.TRANSFER,
        asked_by=account.id,
        preset=Preset.RESULT,
        fields="[]",
        pdf=False,
        days=7,
        once=False,
        wrapped_key=vault.new_key(),
        asked_at=NOW,
        answer_until=NOW,
    )
    row.reference_sealed = consent.seal(vault, row, "reference_sealed", reference, row.id)
    session.add(row)
    session.flush()
    return row


def _case(session: Session, vault: Vault, name: str) -> Theirs:
    row = _consent(session, vault, name)
    owner = ("consents", row.id)

    def opened() -> str:
        return consent.unseal(vault, row, "reference_sealed", row.reference_sealed or b"", row.id)

    return Theirs(session, "consents", "reference_sealed", ("id", row.id), owner, name, opened)


def _said(column: str) -> Callable[[Session, Vault, str], Theirs]:
    def made(session: Session, vault: Vault, name: str) -> Theirs:
        row = _consent(session, vault)
        event = consent.new_event(row, 1, EventKind.GIVEN, NOW)
        for each in ("text_sealed", "note_sealed"):
            setattr(event, each, consent.seal(vault, row, each, name, event.id))
        session.add(event)
        session.flush()

        def opened() -> str:
            return consent.unseal(vault, row, column, getattr(event, column), event.id)

        where = ("consent_events", event.id)
        return Theirs(session, "consent_events", column, ("id", where[1]), ("consents", row.id), name, opened)

    return made


def _duty(session: Session, vault: Vault, name: str) -> Theirs:
    account = _person(session, vault, "Phạm Văn Hỏi")
    record = enter(session, vault, NOW)
    row = StatutoryAccess(
        id=uuid.uuid4(),
        organisation_pk=_office(session).id,
        account_pk=account.id,
        duty=Duty.AGENCY_DUTY,
        wrapped_key=vault.new_key(),
        record_pk=session.query(Record.id).filter_by(record_id=record.locator.record_id).scalar(),
        pupil_index=uuid.uuid4().hex,
        version=1,
        fields="[]",
        at=NOW,
    )
    row.reference_sealed = disclosing.seal_reference(vault, row, name)
    session.add(row)
    session.flush()

    def opened() -> str:
        return disclosing.open_reference(vault, row)

    where = ("statutory_accesses", row.id)
    return Theirs(session, "statutory_accesses", "reference_sealed", ("id", row.id), where, name, opened)


def _office(session: Session) -> Organisation:
    row = Organisation(
        id=uuid.uuid4(),
        kind=OrganisationKind.AGENCY,
        code=uuid.uuid4().hex[:20],
        name="Cơ quan thử",
        department_code="SO01",
        approved_at=NOW,
    )
    session.add(row)
    session.flush()
    return row


def _request(column: str) -> Callable[[Session, Vault, str], Theirs]:
    def made(session: Session, vault: Vault, name: str) -> Theirs:
        key, row_id = vault.new_key(), uuid.uuid4()
        row = SubjectRequest(
            id=row_id,
            account_pk=_person(session, vault, "Phạm Thị Xin").id,
            school_code="01000123",
            pupil_index=uuid.uuid4().hex,
            kind=RequestKind.SEE,
            matter=Matter.RECORD,
            wrapped_key=key,
            text_sealed=requests.seal(vault, key, "text_sealed", name, row_id),
            answer_sealed=requests.seal(vault, key, "answer_sealed", name, row_id),
            made_at=NOW,
            acknowledge_by=NOW.date(),
            answer_by=NOW.date(),
        )
        session.add(row)
        session.flush()

        def opened() -> str:
            return requests.unseal(vault, row, column, getattr(row, column))

        where = ("subject_requests", row_id)
        return Theirs(session, "subject_requests", column, ("id", row_id), where, name, opened)

    return made


#: What people have sealed under keys of their own: a value for each column.
SINGLE: Final[Mapping[tuple[str, str], Callable[[Session, Vault, str], Theirs]]] = {
    ("accounts", "name_sealed"): _name,
    ("activation_slips", "name_sealed"): _slip,
    ("consent_events", "note_sealed"): _said("note_sealed"),
    ("consent_events", "text_sealed"): _said("text_sealed"),
    ("consents", "reference_sealed"): _case,
    ("contact_changes", "value_sealed"): _change,
    ("contacts", "value_sealed"): _contact,
    ("authenticator_apps", "secret_sealed"): _app,
    ("messages", "recipient_sealed"): _message("recipient_sealed"),
    ("messages", "parameters_sealed"): _message("parameters_sealed"),
    ("class_uploads", "name_sealed"): _upload("name_sealed"),
    ("class_uploads", "reason_sealed"): _upload("reason_sealed"),
    ("class_uploads", "content_sealed"): _upload("content_sealed"),
    ("class_uploads", "result_sealed"): _upload("result_sealed"),
    ("class_uploads", "marked_sealed"): _upload("marked_sealed"),
    ("statutory_accesses", "reference_sealed"): _duty,
    ("subject_requests", "answer_sealed"): _request("answer_sealed"),
    ("subject_requests", "text_sealed"): _request("text_sealed"),
}


def _unlock(session: Session, table: str) -> None:
    """As whoever owns the database could: without the triggers that keep a table from being edited."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    triggers = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
    for name in connection.execute(triggers, {"table": table}).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))


def test_every_sealed_column_is_tried_sec_39() -> None:
    """SEC-39: a new ``*_sealed`` column has to be added to :data:`OPEN`, and then is tried below."""
    there = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if "sealed" in column.name and column.name not in ("sealed_sha256", "sealed_name")
    }
    assert there == set(OPEN) | set(SINGLE)


@pytest.mark.parametrize(("table", "column"), sorted(SINGLE))
def test_what_people_have_sealed_opens_in_its_own_row_sec_39(
    session: Session, vault: Vault, table: str, column: str
) -> None:
    """SEC-39: two rows of two people, ciphertexts swapped in the tables, with and without the keys."""
    one, other = (SINGLE[table, column](session, vault, name) for name in ("Lò Thị Mai", "Ksor Y Bhăm"))
    _unlock(session, table)
    assert (one.opened(), other.opened()) == one.plain + other.plain
    mine, theirs = one.sealed(), other.sealed()
    one.put(theirs)
    other.put(mine)
    for swapped in (one, other):
        with pytest.raises(VaultError):
            swapped.opened()
    one.put(theirs, key_of=other)
    with pytest.raises(VaultError):
        one.opened()


@pytest.fixture
def two(session: Session, vault: Vault) -> tuple[Issued, Issued]:
    """Two records of two versions each, all with an issuance that waits for a signature."""
    made: list[Issued] = []
    for grade in (4, 5):
        first = enter(session, vault, NOW, grade=grade)
        second = enter(session, vault, NOW, grade=grade, before=first)
        for issued in (first, second):
            _wait(session, vault, issued)
        made.append(first)
    session.commit()
    return made[0], made[1]


def _wait(session: Session, vault: Vault, issued: Issued) -> None:
    record = records.parse(issued.data)
    intent = Intent(
        record=record,
        record_id=issued.locator.record_id,
        version=issued.version,
        header=dict(issued.header),
        disclosures=issued.disclosures,
        seats=(),
        school_name="Trường thử",
        url="https://hocba.example.vn",
        system_name="Thử",
        owner="Thử",
        reserved_at=NOW,
        reason="",
    )
    row = Issuance(
        school_code=record.issuer,
        pupil_index=vault.blind_index(issued.locator.record_id, domain="pupil"),
        year=record.year,
        version=issued.version,
        record_id=issued.locator.record_id,
        content_index="0" * 64,
        stage=Stage.WAITING,
        wrapped_key=issued.wrapped_key,
        issued_on=record.issued_on,
        created_at=NOW,
        updated_at=NOW,
    )
    row.id = row.batch = uuid.uuid4()
    row.intent_sealed = seal_intent(vault, row, intent)
    job = Job(
        id=row.id,
        stage=Stage.WAITING,
        school_code=row.school_code,
        pupil_index=row.pupil_index,
        wrapped_key=row.wrapped_key,
        intent=intent,
        held=None,
        next_field=None,
        sealed_sha256=None,
        sealed_name=None,
        signatures=0,
        upload=None,
    )
    row.stage_sealed = seal_held(vault, job, Held(issued.file, ()))
    session.add(row)
    session.flush()


Place = tuple[str, str, str, int]  # table, column, record id, version


def _value(session: Session, place: Place) -> bytes:
    table, column, record, version = place
    return bytes(
        session.execute(
            text(f"SELECT {column} FROM {table} WHERE {_WHERE[table]}"),  # noqa: S608 - names of ours
            {"record": record, "version": version},
        ).scalar_one()
    )


def _put(session: Session, place: Place, value: bytes) -> None:
    table, column, record, version = place
    session.execute(
        text(f"UPDATE {table} SET {column} = :value WHERE {_WHERE[table]}"),  # noqa: S608 - names of ours
        {"value": value, "record": record, "version": version},
    )


def _opens(session: Session, vault: Vault, place: Place) -> None:
    table, column, record, version = place
    session.expire_all()
    OPEN[table, column](session, vault, record, version, column)


@pytest.mark.parametrize(("table", "column"), sorted(OPEN))
def test_swapped_ciphertexts_do_not_open_sec_39(
    session: Session, vault: Vault, two: tuple[Issued, Issued], table: str, column: str
) -> None:
    """SEC-39: between rows, versions and columns, by plain SQL on the real table; in place they open."""
    one, other = (issued.locator.record_id for issued in two)
    here: Place = (table, column, one, 1)
    sibling = next(c for t, c in OPEN if t == table and c != column)
    others: list[Place] = [
        (table, column, other, 1),  # another record's row
        (table, column, one, 2),  # another version under the same key
        (table, sibling, one, 1),  # another column of the same row
        next((t, c, one, 1) for t, c in sorted(OPEN) if t != table),  # another table, the same key
    ]
    for there in others:
        mine, theirs = _value(session, here), _value(session, there)
        _opens(session, vault, here)
        _opens(session, vault, there)
        _put(session, here, theirs)
        _put(session, there, mine)
        for place in (here, there):
            with pytest.raises(VaultError):
                _opens(session, vault, place)
        session.rollback()


def test_a_key_moved_to_another_record_opens_nothing_sec_39(
    session: Session, vault: Vault, two: tuple[Issued, Issued]
) -> None:
    """SEC-39: not even with the wrapped key that belongs to the ciphertext, for the row is bound as well."""
    one, other = (issued.locator.record_id for issued in two)
    for column in ("disclosures_sealed", "public_sealed"):
        theirs = _value(session, ("record_versions", column, one, 1))
        _put(session, ("record_versions", column, other, 1), theirs)
    session.execute(
        text(
            "UPDATE records SET wrapped_key = (SELECT wrapped_key FROM records WHERE record_id = :one)"
            " WHERE record_id = :other"
        ),
        {"one": one, "other": other},
    )
    for column in ("disclosures_sealed", "public_sealed"):
        with pytest.raises(VaultError):
            _opens(session, vault, ("record_versions", column, other, 1))


def test_swapped_files_do_not_open_sec_39(
    session: Session, vault: Vault, files: ObjectFiles, two: tuple[Issued, Issued]
) -> None:
    """SEC-39: a stored file is bound to the SHA-256 that the registry has for it, and to its version."""
    rows = session.query(RegisteredFile).order_by(RegisteredFile.id).all()
    for row in rows:
        key, version = row.version.record.wrapped_key, row.version.version
        sealed = seal_file(vault, key, row.sha256.encode(), sha256=row.sha256, version=version)
        files.put_new(name_of(sealed), sealed)
        row.stored_name = name_of(sealed)
    session.commit()
    names = {row.sha256: row.stored_name for row in rows}
    for sha in names:
        assert registry.read_file(session, vault, files, sha) == sha.encode()
    for moved in ([1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]):
        for row in rows:
            row.stored_name = "-" + row.stored_name
        session.flush()
        for row, index in zip(rows, moved, strict=True):
            row.stored_name = list(names.values())[index]
        session.flush()
        for sha in names:
            with pytest.raises(VaultError):
                registry.read_file(session, vault, files, sha)
        session.rollback()
