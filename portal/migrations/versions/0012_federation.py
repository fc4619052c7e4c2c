"""Attempts to sign in at an OpenID provider, while they last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "federation_attempts",
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("account_kind", sa.String(length=8), nullable=False),
        sa.Column("linking", sa.String(length=64), nullable=True),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False),
        sa.Column("wanted", sa.String(length=300), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_sha256", name="pk_federation_attempts"),
    )
    op.create_index("ix_federation_attempts_began_at", "federation_attempts", ["began_at"])


def downgrade() -> None:
    op.drop_index("ix_federation_attempts_began_at", table_name="federation_attempts")
    op.drop_table("federation_attempts")
