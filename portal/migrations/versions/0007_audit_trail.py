"""The audit trail: entries that nothing may change or delete, and the head of their chain. Changes in trust
of before become its first entries; what tells one trust from another is kept beside the epoch.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import rfc8785
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ZEROS = bytes(32)
_TEXT = {  # the trail of the first form: 80 characters hold every actor and object
    "actor": 80,
    "action": 40,
    "outcome": 8,
    "object": 80,
    "organisation": 20,
    "pupil": 64,
    "purpose": 40,
    "basis": 40,
}
_MAY_BE_ABSENT = ("object", "organisation", "pupil", "purpose", "basis")

_ENTRIES = sa.table(
    "audit_entries",
    sa.column("number", sa.BigInteger()),
    sa.column("at", sa.DateTime(timezone=True)),
    *(sa.column(name, sa.String(length)) for name, length in _TEXT.items()),
    sa.column("details", sa.Text()),
    sa.column("previous", sa.LargeBinary()),
    sa.column("digest", sa.LargeBinary()),
)
_HEAD = sa.table(
    "audit_head",
    sa.column("id", sa.Integer()),
    sa.column("number", sa.BigInteger()),
    sa.column("digest", sa.LargeBinary()),
)
_EVENTS = sa.table(
    "trust_events",
    sa.column("id", sa.Uuid()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("epoch", sa.Integer()),
    sa.column("actor", sa.String()),
    sa.column("action", sa.String()),
    sa.column("subject", sa.String()),
    sa.column("detail", sa.String()),
    sa.column("signer_id", sa.Uuid()),
)
_SIGNERS = sa.table("signers", sa.column("id", sa.Uuid()), sa.column("school_code", sa.String()))
_STATE = sa.table("trust_state", sa.column("id", sa.Integer()), sa.column("mark", sa.Uuid()))

# SQLite's INSERT OR REPLACE deletes without asking a trigger for DELETE: hence one for INSERT.
_SQLITE = (
    "CREATE TRIGGER audit_entries_insert BEFORE INSERT ON audit_entries"
    " WHEN EXISTS (SELECT 1 FROM audit_entries WHERE number = NEW.number)"
    " BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END",
    "CREATE TRIGGER audit_entries_update BEFORE UPDATE ON audit_entries"
    " BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END",
    "CREATE TRIGGER audit_entries_delete BEFORE DELETE ON audit_entries"
    " BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END",
    "CREATE TRIGGER audit_head_insert BEFORE INSERT ON audit_head"
    " WHEN EXISTS (SELECT 1 FROM audit_head)"
    " BEGIN SELECT RAISE(ABORT, 'audit_head only moves on'); END",
    "CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head"
    " WHEN NEW.id <> OLD.id OR NEW.number <= OLD.number"
    " BEGIN SELECT RAISE(ABORT, 'audit_head only moves on'); END",
    "CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head"
    " BEGIN SELECT RAISE(ABORT, 'audit_head only moves on'); END",
)
_POSTGRESQL = (
    "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
    "CREATE TRIGGER audit_entries_keep BEFORE UPDATE OR DELETE ON audit_entries"
    " FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_entries_whole BEFORE TRUNCATE ON audit_entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_moves BEFORE UPDATE ON audit_head"
    " FOR EACH ROW WHEN (NEW.id <> OLD.id OR NEW.number <= OLD.number)"
    " EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_keep BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_whole BEFORE TRUNCATE ON audit_head"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
)


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.String(length), nullable=name in _MAY_BE_ABSENT)
            for name, length in _TEXT.items()
        ),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_entries"),
    )
    for name in ("object", "organisation", "pupil"):
        op.create_index(f"ix_audit_entries_{name}", "audit_entries", [name])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.add_column("trust_state", sa.Column("mark", sa.Uuid(), nullable=True))
    _carry_over()
    op.drop_table("trust_events")
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(sa.text(statement))


def _carry_over() -> None:
    """Every event of before as an entry, in their order; what was told in words stays behind, the tables of
    trust say it.
    """
    connection = op.get_bind()
    signers = connection.execute(sa.select(_SIGNERS.c.id, _SIGNERS.c.school_code)).all()
    schools = {signer.id: signer.school_code for signer in signers}
    number, before, mark = 0, _ZEROS, None
    events = connection.execute(
        sa.select(_EVENTS).order_by(_EVENTS.c.epoch, _EVENTS.c.at, _EVENTS.c.id)
    ).all()
    for event in events:
        number, mark = number + 1, event.id
        at = event.at.replace(tzinfo=UTC) if event.at.tzinfo is None else event.at.astimezone(UTC)
        plain = {
            "v": 1,
            "number": number,
            "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "actor": "command:" + (re.sub(r"[^A-Za-z0-9._-]", "_", event.actor)[:64].lstrip(".-") or "_"),
            "action": "trust_change",
            "outcome": "done",
            "object": _object(event.action, event.subject),
            "organisation": _organisation(event, schools),
            "pupil": None,
            "purpose": None,
            "basis": None,
            "details": _details(event),
            "previous": before.hex(),
        }
        before = hashlib.sha256(rfc8785.dumps(plain)).digest()
        columns = {name: plain[name] for name in _TEXT}
        columns |= {
            "number": number,
            "at": at,
            "digest": before,
            "previous": bytes.fromhex(plain["previous"]),
        }
        columns["details"] = rfc8785.dumps(plain["details"]).decode("ascii")
        connection.execute(sa.insert(_ENTRIES).values(columns))
    connection.execute(sa.insert(_HEAD).values(id=1, number=number, digest=before))
    connection.execute(sa.update(_STATE).values(mark=mark))


def _object(action: str, subject: str) -> str | None:
    kind = {
        "add_department": "department",
        "add_school": "school",
        "close_school": "school",
        "remove_crl_address": "authority",
    }.get(action, "certificate")
    pattern = r"[A-Za-z0-9._-]{1,20}" if kind in ("department", "school") else "[0-9a-f]{64}"
    return f"{kind}:{subject}" if re.fullmatch(pattern, subject) else None


def _organisation(event: Any, schools: dict[uuid.UUID, str]) -> str | None:
    if event.signer_id is not None:
        return schools.get(event.signer_id)
    office = _object(event.action, event.subject) or ""
    kind, _, code = office.partition(":")
    return code if kind in ("department", "school") else None


def _details(event: Any) -> dict[str, str | int]:
    details: dict[str, str | int] = {"change": event.action, "epoch": event.epoch}
    if event.signer_id is not None:
        details["signer"] = str(event.signer_id)
    if event.action in ("suspend", "suspend_key"):
        since = datetime.fromisoformat(event.detail).astimezone(UTC)
        details["since"] = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if event.action == "close_school":
        until, _, successor = event.detail.partition(" → ")
        details["until"] = until
        if successor != "—":
            details["successor"] = successor
    return details


def downgrade() -> None:
    """The events come back without their words. Everything else that the trail told is lost."""
    op.create_table(
        "trust_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.String(400), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"], name="fk_trust_events_signer_id_signers"),
        sa.PrimaryKeyConstraint("id", name="pk_trust_events"),
    )
    connection = op.get_bind()
    changes = sa.select(_ENTRIES).where(_ENTRIES.c.action == "trust_change", _ENTRIES.c.outcome == "done")
    for entry in connection.execute(changes.order_by(_ENTRIES.c.number)).all():
        details = json.loads(entry.details)
        signer = details.get("signer")
        connection.execute(
            sa.insert(_EVENTS).values(
                id=uuid.uuid4(),
                at=entry.at,
                epoch=details["epoch"],
                actor=entry.actor.partition(":")[2],
                action=details["change"],
                subject=(entry.object or "").partition(":")[2],
                detail="",
                signer_id=None if signer is None else uuid.UUID(signer),
            )
        )
    op.drop_column("trust_state", "mark")
    op.drop_table("audit_head")
    op.drop_table("audit_entries")
    if connection.dialect.name == "postgresql":
        op.execute(sa.text("DROP FUNCTION audit_refuse()"))
