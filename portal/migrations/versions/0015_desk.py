"""Issuing by people at pages: uploads, who signs what, orders, the certificate's owner, late corrections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


#: A school's rows are its own, as in migration 0014.
_SCOPE = "current_setting('portal.scope', true)"
_OWN = f"{_SCOPE} IN ('*', school_code)"
_BELOW = f"{_SCOPE} = '*' OR EXISTS (SELECT 1 FROM {{above}} WHERE {{above}}.id = {{column}})"  # noqa: S608
_POLICIES = {
    "class_uploads": _OWN,
    "signing_orders": _OWN,
    "late_corrections": _OWN,
    "planned_signatures": _BELOW.format(above="issuances", column="issuance_pk"),
    "order_lines": _BELOW.format(above="signing_orders", column="order_pk"),
}


def upgrade() -> None:
    op.create_table(
        "class_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("result_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("marked_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("problems", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("examined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_class_uploads"),
    )
    op.create_index("ix_class_uploads_school_code", "class_uploads", ["school_code"], unique=False)
    op.create_index("ix_class_uploads_state", "class_uploads", ["state"], unique=False)
    op.create_table(
        "late_corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("department_code", sa.String(length=20), nullable=False),
        sa.Column("record_id", sa.String(length=17), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_late_corrections"),
    )
    op.create_index(
        "ix_late_corrections_department_code", "late_corrections", ["department_code"], unique=False
    )
    op.create_index("ix_late_corrections_record_id", "late_corrections", ["record_id"], unique=False)
    op.create_index("ix_late_corrections_school_code", "late_corrections", ["school_code"], unique=False)
    op.create_index(
        "uq_late_corrections_standing",
        "late_corrections",
        ["record_id", "version"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'approved')"),
        postgresql_where=sa.text("state IN ('waiting', 'approved')"),
    )
    op.create_table(
        "lock_dates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("department_code", sa.String(length=20), nullable=False),
        sa.Column("year", sa.String(length=9), nullable=False),
        sa.Column("supplementary", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lock_dates"),
        sa.UniqueConstraint(
            "department_code",
            "year",
            "supplementary",
            name="uq_lock_dates_department_code_year_supplementary",
        ),
    )
    op.create_table(
        "signing_orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=20), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("confirmed_by", sa.String(length=8), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_signing_orders"),
    )
    op.create_index("ix_signing_orders_account_pk", "signing_orders", ["account_pk"], unique=False)
    op.create_index("ix_signing_orders_school_code", "signing_orders", ["school_code"], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_pk", sa.Uuid(), nullable=False),
        sa.Column("issuance_pk", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["issuance_pk"], ["issuances.id"], ondelete="CASCADE", name="fk_order_lines_issuance_pk_issuances"
        ),
        sa.ForeignKeyConstraint(
            ["order_pk"], ["signing_orders.id"], name="fk_order_lines_order_pk_signing_orders"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_order_lines"),
        sa.UniqueConstraint(
            "order_pk", "issuance_pk", "field", name="uq_order_lines_order_pk_issuance_pk_field"
        ),
    )
    op.create_index("ix_order_lines_state", "order_lines", ["state"], unique=False)
    op.create_index(
        "uq_order_lines_standing",
        "order_lines",
        ["issuance_pk", "field"],
        unique=True,
        sqlite_where=sa.text("state IN ('asked', 'prepared', 'brought')"),
        postgresql_where=sa.text("state IN ('asked', 'prepared', 'brought')"),
    )
    op.create_table(
        "planned_signatures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuance_pk", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("capacity", sa.String(length=8), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["issuance_pk"],
            ["issuances.id"],
            ondelete="CASCADE",
            name="fk_planned_signatures_issuance_pk_issuances",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_planned_signatures"),
        sa.UniqueConstraint("issuance_pk", "field", name="uq_planned_signatures_issuance_pk_field"),
    )
    op.create_index(
        "ix_planned_signatures_certificate_sha256", "planned_signatures", ["certificate_sha256"], unique=False
    )
    with op.batch_alter_table("issuances") as issuances:
        issuances.add_column(sa.Column("signatures", sa.Integer(), nullable=False, server_default="0"))
        issuances.add_column(sa.Column("upload_pk", sa.Uuid(), nullable=True))
        issuances.add_column(
            sa.Column("school_class", sa.String(length=80), nullable=False, server_default="")
        )
        issuances.add_column(sa.Column("fault", sa.String(length=40), nullable=True))
        issuances.add_column(sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("issuances") as issuances:
        issuances.alter_column("signatures", server_default=None)
        issuances.alter_column("school_class", server_default=None)
    op.create_index("ix_issuances_upload_pk", "issuances", ["upload_pk"], unique=False)
    op.add_column("signers", sa.Column("account_pk", sa.Uuid(), nullable=True))
    op.add_column("signers", sa.Column("refusal", sa.String(length=40), nullable=True))
    op.create_index("ix_signers_account_pk", "signers", ["account_pk"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table, rule in _POLICIES.items():
            op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            op.execute(f"CREATE POLICY own_school ON {table} USING ({rule}) WITH CHECK ({rule})")


def downgrade() -> None:
    op.drop_index("ix_signers_account_pk", table_name="signers")
    with op.batch_alter_table("signers") as signers:
        signers.drop_column("refusal")
        signers.drop_column("account_pk")
    op.drop_index("ix_issuances_upload_pk", table_name="issuances")
    with op.batch_alter_table("issuances") as issuances:
        for column in ("tried_at", "fault", "school_class", "upload_pk", "signatures"):
            issuances.drop_column(column)
    op.drop_index("ix_planned_signatures_certificate_sha256", table_name="planned_signatures")
    op.drop_table("planned_signatures")
    op.drop_index("uq_order_lines_standing", table_name="order_lines")
    op.drop_index("ix_order_lines_state", table_name="order_lines")
    op.drop_table("order_lines")
    op.drop_index("ix_signing_orders_school_code", table_name="signing_orders")
    op.drop_index("ix_signing_orders_account_pk", table_name="signing_orders")
    op.drop_table("signing_orders")
    op.drop_table("lock_dates")
    op.drop_index("uq_late_corrections_standing", table_name="late_corrections")
    op.drop_index("ix_late_corrections_school_code", table_name="late_corrections")
    op.drop_index("ix_late_corrections_record_id", table_name="late_corrections")
    op.drop_index("ix_late_corrections_department_code", table_name="late_corrections")
    op.drop_table("late_corrections")
    op.drop_index("ix_class_uploads_state", table_name="class_uploads")
    op.drop_index("ix_class_uploads_school_code", table_name="class_uploads")
    op.drop_table("class_uploads")
