"""Kept results say in which form they are, are sealed, end with their record, and are kept a year at most."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_LONGEST = timedelta(days=366)
_RESULTS = sa.table(
    "check_results",
    sa.column("id", sa.Uuid()),
    sa.column("made_at", sa.DateTime(timezone=True)),
    sa.column("expires_at", sa.DateTime(timezone=True)),
    sa.column("form", sa.Integer()),
    sa.column("record_id", sa.String()),
)
_RECORDS = sa.table(
    "records", sa.column("record_id", sa.String()), sa.column("wrapped_key", sa.LargeBinary())
)


def upgrade() -> None:
    op.add_column("check_results", sa.Column("form", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("check_results", sa.Column("seal", sa.String(64), nullable=True))
    op.create_index(op.f("ix_check_results_record_id"), "check_results", ["record_id"])
    connection = op.get_bind()

    # 1 Of records that two persons destroyed; an empty key is one that was.
    destroyed = sa.select(_RECORDS.c.record_id).where(_RECORDS.c.wrapped_key == b"")
    connection.execute(sa.delete(_RESULTS).where(_RESULTS.c.record_id.in_(destroyed)))

    # 2 Rows of a longer RESULT_DAYS.
    for key, made_at, expires_at in connection.execute(
        sa.select(_RESULTS.c.id, _RESULTS.c.made_at, _RESULTS.c.expires_at)
    ).all():
        if expires_at - made_at > _LONGEST:
            end = {"expires_at": made_at + _LONGEST}
            connection.execute(sa.update(_RESULTS).where(_RESULTS.c.id == key).values(end))


def downgrade() -> None:
    # What the release before cannot read, it would show as no result: no row of another form is left to it.
    op.get_bind().execute(sa.delete(_RESULTS).where(_RESULTS.c.form != 1))
    op.drop_index(op.f("ix_check_results_record_id"), "check_results")
    with op.batch_alter_table("check_results") as results:
        results.drop_column("seal")
        results.drop_column("form")
