"""Authorities for timestamps apart from those of signers; where lists are collected; renewals."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 1 What is pinned so far is pinned for signers.
    with op.batch_alter_table("anchors") as anchors:
        anchors.add_column(
            sa.Column("purpose", sa.String(length=12), nullable=False, server_default="signing")
        )
        anchors.drop_constraint("uq_anchors_sha256", type_="unique")
        anchors.create_unique_constraint("uq_anchors_sha256_purpose", ["sha256", "purpose"])
    with op.batch_alter_table("anchors") as anchors:
        anchors.alter_column("purpose", server_default=None)

    # 2 New tables.
    op.create_table(
        "crl_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=400), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_crl_addresses"),
        sa.UniqueConstraint("issuer_id", "url", name="uq_crl_addresses_issuer_id_url"),
    )
    op.create_table(
        "timestamp_units",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("issuer_id", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=50), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_timestamp_units"),
        sa.UniqueConstraint("certificate_sha256", name="uq_timestamp_units_certificate_sha256"),
    )
    op.create_index("ix_timestamp_units_issuer_id", "timestamp_units", ["issuer_id"], unique=False)
    op.create_table(
        "renewals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed_sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed_name", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_renewals"),
        sa.UniqueConstraint("source_sha256", name="uq_renewals_source_sha256"),
    )

    # 3 What was found about files so far has no document timestamps and no security store in it.
    files = sa.table("registered_files", sa.column("id", sa.Uuid()), sa.column("structure", sa.Text()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(files.c.id)).all():
        wanted = sa.select(files.c.structure).where(files.c.id == row.id)
        found = json.loads(connection.execute(wanted).scalar_one())
        found |= {"timestamps": [], "evidence": []}
        found["signatures"] = [{**each, "stamp": ""} for each in found["signatures"]]
        text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        connection.execute(sa.update(files).where(files.c.id == row.id).values(structure=text))


def downgrade() -> None:
    op.drop_table("renewals")
    op.drop_index("ix_timestamp_units_issuer_id", table_name="timestamp_units")
    op.drop_table("timestamp_units")
    op.drop_table("crl_addresses")
    op.execute("DELETE FROM anchors WHERE purpose <> 'signing'")
    with op.batch_alter_table("anchors") as anchors:
        anchors.drop_constraint("uq_anchors_sha256_purpose", type_="unique")
        anchors.create_unique_constraint("uq_anchors_sha256", ["sha256"])
        anchors.drop_column("purpose")
