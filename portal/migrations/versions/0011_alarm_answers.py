"""What became of alarms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm_answers",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("finding", sa.String(length=20), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_alarm_answers_account_pk_accounts"),
        sa.PrimaryKeyConstraint("number", name="pk_alarm_answers"),
    )


def downgrade() -> None:
    op.drop_table("alarm_answers")
