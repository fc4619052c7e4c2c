"""How a school and a department are reached; results of checks, shown again by their number for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_CONTACT = (("phone", 40), ("email", 120), ("address", 200))


def upgrade() -> None:
    for table in ("departments", "schools"):
        for name, length in _CONTACT:
            op.add_column(table, sa.Column(name, sa.String(length), nullable=True))
    op.create_table(
        "check_results",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number_index", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("evidence", sa.String(16), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("strange", sa.Boolean(), nullable=False),
        sa.Column("record_id", sa.String(17), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("file_pk", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_results")),
        sa.UniqueConstraint("number_index", name=op.f("uq_check_results_number_index")),
    )
    op.create_index(op.f("ix_check_results_expires_at"), "check_results", ["expires_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_check_results_expires_at"), "check_results")
    op.drop_table("check_results")
    for table in ("schools", "departments"):
        for name, _ in reversed(_CONTACT):
            op.drop_column(table, name)
