"""Consent: what was asked and said, share codes, approvals of purposes, looks by duty of law, requests of
data subjects. What was asked, said and shown is never edited and never deleted; a row's key may be replaced,
when keys are rotated, or destroyed, which is how its texts are erased.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# table -> the columns that may change; nothing else of a row may, and no row may go.
_KEPT = {
    "consents": ("wrapped_key",),
    "consent_records": (),
    "consent_events": (),
    "statutory_accesses": ("wrapped_key",),
}


def _keep(table: str, may_change: tuple[str, ...]) -> None:
    """Triggers that refuse every other change. PostgreSQL raises by the trail's function (migration 0007)."""
    connection = op.get_bind()
    columns = [c["name"] for c in sa.inspect(connection).get_columns(table) if c["name"] not in may_change]
    listed = ", ".join(f'"{name}"' for name in columns)
    if connection.dialect.name == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        # SQLite's INSERT OR REPLACE deletes without asking a trigger for DELETE: hence one for INSERT.
        key = (
            "id = NEW.id" if "id" in columns else "consent_pk = NEW.consent_pk AND record_pk = NEW.record_pk"
        )
        same = f"EXISTS (SELECT 1 FROM {table} WHERE {key})"  # noqa: S608 - names of ours
        op.execute(f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN {same} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_update BEFORE UPDATE OF {listed} ON {table} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {refuse}")
        return
    call = "EXECUTE FUNCTION audit_refuse()"
    op.execute(
        f"CREATE TRIGGER {table}_keep BEFORE UPDATE OF {listed} OR DELETE ON {table} FOR EACH ROW {call}"
    )
    op.execute(f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}")


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("recipient_pk", sa.Uuid(), nullable=True),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("preset", sa.String(length=8), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("pdf", sa.Boolean(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("reference_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["accounts.id"], name="fk_consents_asked_by_accounts"),
        sa.ForeignKeyConstraint(
            ["recipient_pk"], ["organisations.id"], name="fk_consents_recipient_pk_organisations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_pupil_index", "consents", ["pupil_index"], unique=False)
    op.create_index("ix_consents_recipient_pk", "consents", ["recipient_pk"], unique=False)
    op.create_index("ix_consents_school_code", "consents", ["school_code"], unique=False)
    op.create_table(
        "purpose_approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("department_code", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["given_by"], ["accounts.id"], name="fk_purpose_approvals_given_by_accounts"),
        sa.ForeignKeyConstraint(
            ["revoked_by"], ["accounts.id"], name="fk_purpose_approvals_revoked_by_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_purpose_approvals"),
    )
    op.create_index(
        "uq_purpose_approvals_standing",
        "purpose_approvals",
        ["department_code", "purpose"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "statutory_accesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_pk", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("duty", sa.String(length=20), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("reference_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("record_pk", sa.Uuid(), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_statutory_accesses_account_pk_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_pk"],
            ["organisations.id"],
            name="fk_statutory_accesses_organisation_pk_organisations",
        ),
        sa.ForeignKeyConstraint(
            ["record_pk"], ["records.id"], name="fk_statutory_accesses_record_pk_records"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_statutory_accesses"),
    )
    op.create_index("ix_statutory_accesses_pupil_index", "statutory_accesses", ["pupil_index"], unique=False)
    op.create_table(
        "subject_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("matter", sa.String(length=12), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledge_by", sa.Date(), nullable=False),
        sa.Column("answer_by", sa.Date(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_subject_requests_account_pk_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["accounts.id"], name="fk_subject_requests_answered_by_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subject_requests"),
    )
    op.create_index("ix_subject_requests_account_pk", "subject_requests", ["account_pk"], unique=False)
    op.create_index("ix_subject_requests_pupil_index", "subject_requests", ["pupil_index"], unique=False)
    op.create_index("ix_subject_requests_school_code", "subject_requests", ["school_code"], unique=False)
    op.create_table(
        "consent_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consent_pk", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("party", sa.String(length=8), nullable=True),
        sa.Column("evidence", sa.String(length=12), nullable=True),
        sa.Column("account_pk", sa.Uuid(), nullable=True),
        sa.Column("request", sa.String(length=64), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=True),
        sa.Column("text_version", sa.Integer(), nullable=True),
        sa.Column("text_sha256", sa.String(length=64), nullable=True),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_consent_events_account_pk_accounts"
        ),
        sa.ForeignKeyConstraint(
            ["consent_pk"], ["consents.id"], name="fk_consent_events_consent_pk_consents"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_consent_events"),
        sa.UniqueConstraint("consent_pk", "number", name="uq_consent_events_consent_pk_number"),
    )
    op.create_index(
        "uq_consent_events_request",
        "consent_events",
        ["consent_pk", "request"],
        unique=True,
        sqlite_where=sa.text("request IS NOT NULL"),
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    op.create_index(
        "uq_consent_events_used_up",
        "consent_events",
        ["consent_pk"],
        unique=True,
        sqlite_where=sa.text("kind = 'used_up'"),
        postgresql_where=sa.text("kind = 'used_up'"),
    )
    op.create_table(
        "consent_records",
        sa.Column("consent_pk", sa.Uuid(), nullable=False),
        sa.Column("record_pk", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_pk"], ["consents.id"], name="fk_consent_records_consent_pk_consents"
        ),
        sa.ForeignKeyConstraint(["record_pk"], ["records.id"], name="fk_consent_records_record_pk_records"),
        sa.PrimaryKeyConstraint("consent_pk", "record_pk", name="pk_consent_records"),
    )
    op.create_index("ix_consent_records_record_pk", "consent_records", ["record_pk"], unique=False)
    op.create_table(
        "share_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consent_pk", sa.Uuid(), nullable=False),
        sa.Column("code_index", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["consent_pk"], ["consents.id"], name="fk_share_codes_consent_pk_consents"),
        sa.ForeignKeyConstraint(["made_by"], ["accounts.id"], name="fk_share_codes_made_by_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_share_codes"),
        sa.UniqueConstraint("code_index", name="uq_share_codes_code_index"),
        sa.UniqueConstraint("consent_pk", name="uq_share_codes_consent_pk"),
    )
    for table, may_change in _KEPT.items():
        _keep(table, may_change)
    if op.get_bind().dialect.name == "postgresql":  # a school's pupils are its own (see migration 0014)
        rule = "current_setting('portal.scope', true) IN ('*', school_code)"
        for table in ("consents", "subject_requests"):
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY own_school ON {table} USING ({rule}) WITH CHECK ({rule})")


def downgrade() -> None:
    op.drop_table("share_codes")
    op.drop_index("ix_consent_records_record_pk", table_name="consent_records")
    op.drop_table("consent_records")
    op.drop_index("uq_consent_events_used_up", table_name="consent_events")
    op.drop_index("uq_consent_events_request", table_name="consent_events")
    op.drop_table("consent_events")
    op.drop_index("ix_subject_requests_school_code", table_name="subject_requests")
    op.drop_index("ix_subject_requests_pupil_index", table_name="subject_requests")
    op.drop_index("ix_subject_requests_account_pk", table_name="subject_requests")
    op.drop_table("subject_requests")
    op.drop_index("ix_statutory_accesses_pupil_index", table_name="statutory_accesses")
    op.drop_table("statutory_accesses")
    op.drop_index("uq_purpose_approvals_standing", table_name="purpose_approvals")
    op.drop_table("purpose_approvals")
    op.drop_index("ix_consents_school_code", table_name="consents")
    op.drop_index("ix_consents_recipient_pk", table_name="consents")
    op.drop_index("ix_consents_pupil_index", table_name="consents")
    op.drop_table("consents")
