"""Whoever asks that a certificate be approved may show that they hold its key."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_SIGNERS = sa.table("signers", sa.column("id", sa.Uuid()), sa.column("nonce", sa.String()))


def upgrade() -> None:
    op.add_column("signers", sa.Column("nonce", sa.String(32), nullable=False, server_default=""))
    op.add_column("signers", sa.Column("possession_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("signers") as signers:
        signers.alter_column("nonce", server_default=None)
    connection = op.get_bind()
    for (key,) in connection.execute(sa.select(_SIGNERS.c.id)).all():
        values = {"nonce": secrets.token_hex(16)}
        connection.execute(sa.update(_SIGNERS).where(_SIGNERS.c.id == key).values(values))


def downgrade() -> None:
    with op.batch_alter_table("signers") as signers:
        signers.drop_column("possession_at")
        signers.drop_column("nonce")
