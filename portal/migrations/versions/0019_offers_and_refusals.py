"""A role that somebody from elsewhere is offered begins when they accept it; refusals that repeat are
counted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE memberships SET accepted_at = given_at")  # roles of before stand as they are
    op.create_table(
        "repeated_refusals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("organisation", sa.String(20), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repeated_refusals"),
        sa.UniqueConstraint("actor", "what", name="uq_repeated_refusals_actor_what"),
    )
    op.create_index("ix_repeated_refusals_since", "repeated_refusals", ["since"])


def downgrade() -> None:
    op.drop_table("repeated_refusals")
    with op.batch_alter_table("memberships") as memberships:
        memberships.drop_column("accepted_at")
