"""All tables of the thin whole: trust, registry, issuing, look-up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "anchors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("pki", sa.String(length=10), nullable=False),
        sa.Column("is_root", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("authority_id", sa.String(length=64), nullable=False),
        sa.Column("issuer_id", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=50), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_anchors"),
        sa.UniqueConstraint("sha256", name="uq_anchors_sha256"),
    )
    op.create_index("ix_anchors_authority_id", "anchors", ["authority_id"], unique=False)
    op.create_index("ix_anchors_issuer_id", "anchors", ["issuer_id"], unique=False)
    op.create_table(
        "departments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("province", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_departments"),
        sa.UniqueConstraint("code", name="uq_departments_code"),
    )
    op.create_table(
        "issuances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("year", sa.String(length=9), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(length=17), nullable=False),
        sa.Column("content_index", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("intent_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("stage_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("next_field", sa.String(length=80), nullable=True),
        sa.Column("sealed_sha256", sa.String(length=64), nullable=True),
        sa.Column("sealed_name", sa.String(length=80), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_issuances"),
        sa.UniqueConstraint(
            "school_code",
            "pupil_index",
            "year",
            "version",
            name="uq_issuances_school_code_pupil_index_year_version",
        ),
    )
    op.create_index("ix_issuances_record_id", "issuances", ["record_id"], unique=False)
    op.create_index("ix_issuances_school_code", "issuances", ["school_code"], unique=False)
    op.create_table(
        "match_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.String(length=17), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_match_attempts"),
    )
    op.create_index("ix_match_attempts_record_id_at", "match_attempts", ["record_id", "at"], unique=False)
    op.create_table(
        "records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.String(length=17), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("scheme", sa.String(length=16), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("year", sa.String(length=9), nullable=False),
        sa.Column("original_mode", sa.String(length=8), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_records"),
        sa.UniqueConstraint("record_id", name="uq_records_record_id"),
        sa.UniqueConstraint(
            "school_code", "pupil_index", "year", name="uq_records_school_code_pupil_index_year"
        ),
    )
    op.create_index("ix_records_pupil_index", "records", ["pupil_index"], unique=False)
    op.create_index("ix_records_school_code", "records", ["school_code"], unique=False)
    op.create_table(
        "revocation_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer_id", sa.String(length=64), nullable=False),
        sa.Column("crl", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.String(length=50), nullable=True),
        sa.Column("this_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_update", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocation_lists"),
    )
    op.create_index("ix_revocation_lists_issuer_id", "revocation_lists", ["issuer_id"], unique=False)
    op.create_table(
        "signers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issuer_id", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=50), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("capacity", sa.String(length=8), nullable=False),
        sa.Column("subject_codes", sa.String(length=400), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approval", sa.String(length=10), nullable=False),
        sa.Column("invalid_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_signers"),
        sa.UniqueConstraint(
            "certificate_sha256",
            "school_code",
            "role",
            "capacity",
            "valid_from",
            name="uq_signers_registration",
        ),
    )
    op.create_index("ix_signers_certificate_sha256", "signers", ["certificate_sha256"], unique=False)
    op.create_index("ix_signers_issuer_id", "signers", ["issuer_id"], unique=False)
    op.create_index("ix_signers_school_code", "signers", ["school_code"], unique=False)
    op.create_table(
        "trust_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trust_state"),
    )
    op.create_table(
        "record_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("record_pk", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("disclosures_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("school_name", sa.String(length=200), nullable=False),
        sa.Column("roles", sa.String(length=60), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recalled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recall_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["record_pk"], ["records.id"], name="fk_record_versions_record_pk_records"),
        sa.PrimaryKeyConstraint("id", name="pk_record_versions"),
        sa.UniqueConstraint("digest", name="uq_record_versions_digest"),
        sa.UniqueConstraint("record_pk", "version", name="uq_record_versions_record_pk_version"),
    )
    op.create_index(
        "uq_record_versions_one_current",
        "record_versions",
        ["record_pk"],
        unique=True,
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )
    op.create_table(
        "schools",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("department_code", sa.String(length=16), nullable=False),
        sa.Column("levels", sa.String(length=80), nullable=False),
        sa.Column("commune", sa.String(length=120), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("province", sa.String(length=80), nullable=False),
        sa.Column("sector", sa.String(length=10), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("successor_code", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["department_code"], ["departments.code"], name="fk_schools_department_code_departments"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schools"),
        sa.UniqueConstraint("code", "valid_from", name="uq_schools_code_valid_from"),
    )
    op.create_index("ix_schools_code", "schools", ["code"], unique=False)
    op.create_table(
        "trust_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.String(length=400), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"], name="fk_trust_events_signer_id_signers"),
        sa.PrimaryKeyConstraint("id", name="pk_trust_events"),
    )
    op.create_table(
        "registered_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_pk", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stored_name", sa.String(length=80), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("structure", sa.Text(), nullable=False),
        sa.Column("standing", sa.String(length=12), nullable=False),
        sa.Column("standing_epoch", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(length=40), nullable=False),
        sa.Column("standing_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_pk"], ["record_versions.id"], name="fk_registered_files_version_pk_record_versions"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_registered_files"),
        sa.UniqueConstraint("sha256", name="uq_registered_files_sha256"),
        sa.UniqueConstraint("stored_name", name="uq_registered_files_stored_name"),
    )
    op.create_index(
        "ix_registered_files_standing_fresh_until",
        "registered_files",
        ["standing", "fresh_until"],
        unique=False,
    )
    op.create_index("ix_registered_files_version_pk", "registered_files", ["version_pk"], unique=False)
    op.create_table(
        "file_certificates",
        sa.Column("certificate_sha256", sa.String(length=64), nullable=False),
        sa.Column("file_pk", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_pk"], ["registered_files.id"], name="fk_file_certificates_file_pk_registered_files"
        ),
        sa.PrimaryKeyConstraint("certificate_sha256", "file_pk", name="pk_file_certificates"),
    )
    op.create_index("ix_file_certificates_file_pk", "file_certificates", ["file_pk"], unique=False)
    op.bulk_insert(
        sa.table("trust_state", sa.column("id", sa.Integer), sa.column("epoch", sa.Integer)),
        [{"id": 1, "epoch": 0}],
    )


def downgrade() -> None:
    op.drop_index("ix_file_certificates_file_pk", table_name="file_certificates")
    op.drop_table("file_certificates")
    op.drop_index("ix_registered_files_version_pk", table_name="registered_files")
    op.drop_index("ix_registered_files_standing_fresh_until", table_name="registered_files")
    op.drop_table("registered_files")
    op.drop_table("trust_events")
    op.drop_index("ix_schools_code", table_name="schools")
    op.drop_table("schools")
    op.drop_index(
        "uq_record_versions_one_current",
        table_name="record_versions",
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )
    op.drop_table("record_versions")
    op.drop_table("trust_state")
    op.drop_index("ix_signers_school_code", table_name="signers")
    op.drop_index("ix_signers_issuer_id", table_name="signers")
    op.drop_index("ix_signers_certificate_sha256", table_name="signers")
    op.drop_table("signers")
    op.drop_index("ix_revocation_lists_issuer_id", table_name="revocation_lists")
    op.drop_table("revocation_lists")
    op.drop_index("ix_records_school_code", table_name="records")
    op.drop_index("ix_records_pupil_index", table_name="records")
    op.drop_table("records")
    op.drop_index("ix_match_attempts_record_id_at", table_name="match_attempts")
    op.drop_table("match_attempts")
    op.drop_index("ix_issuances_school_code", table_name="issuances")
    op.drop_index("ix_issuances_record_id", table_name="issuances")
    op.drop_table("issuances")
    op.drop_table("departments")
    op.drop_index("ix_anchors_issuer_id", table_name="anchors")
    op.drop_index("ix_anchors_authority_id", table_name="anchors")
    op.drop_table("anchors")
