"""People and organisations: accounts, how they sign in, sessions, holders and their pupils."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "activation_slips",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("relation", sa.String(length=8), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("code_index", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_activation_slips"),
        sa.UniqueConstraint("code_index", name="uq_activation_slips_code_index"),
    )
    op.create_index("ix_activation_slips_pupil_index", "activation_slips", ["pupil_index"], unique=False)
    op.create_index("ix_activation_slips_school_code", "activation_slips", ["school_code"], unique=False)
    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("department_code", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("code", name="uq_organisations_code"),
    )
    op.create_index("ix_organisations_department_code", "organisations", ["department_code"], unique=False)
    op.create_table(
        "sign_in_failures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name_index", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_failures"),
    )
    op.create_index(
        "ix_sign_in_failures_name_index_at", "sign_in_failures", ["name_index", "at"], unique=False
    )
    op.create_table(
        "authenticator_apps",
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_authenticator_apps_account_pk_accounts"
        ),
        sa.PrimaryKeyConstraint("account_pk", name="pk_authenticator_apps"),
    )
    op.create_table(
        "contact_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value_index", sa.String(length=64), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_contact_changes_account_pk_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_contact_changes"),
    )
    op.create_index("ix_contact_changes_account_pk", "contact_changes", ["account_pk"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("account_kind", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("value_index", sa.String(length=64), nullable=False),
        sa.Column("value_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_contacts_account_pk_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_account_pk", "contacts", ["account_pk"], unique=False)
    op.create_index("ix_contacts_value_index", "contacts", ["value_index"], unique=False)
    op.create_index(
        "uq_contacts_standing",
        "contacts",
        ["account_kind", "value_index"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "federations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("account_kind", sa.String(length=8), nullable=False),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("subject_index", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_federations_account_pk_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_federations"),
        sa.UniqueConstraint(
            "account_kind", "issuer", "subject_index", name="uq_federations_account_kind_issuer_subject_index"
        ),
    )
    op.create_index("ix_federations_account_pk", "federations", ["account_pk"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("organisation_pk", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_memberships_account_pk_accounts"),
        sa.ForeignKeyConstraint(
            ["organisation_pk"], ["organisations.id"], name="fk_memberships_organisation_pk_organisations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_organisation_pk", "memberships", ["organisation_pk"], unique=False)
    op.create_index(
        "uq_memberships_standing",
        "memberships",
        ["account_pk", "organisation_pk", "role"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "one_time_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("code_index", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wrong_tries", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.id"], name="fk_one_time_codes_account_pk_accounts"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_codes"),
    )
    op.create_index("ix_one_time_codes_account_pk", "one_time_codes", ["account_pk"], unique=False)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_passkeys_account_pk_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    op.create_index("ix_passkeys_account_pk", "passkeys", ["account_pk"], unique=False)
    op.create_table(
        "passwords",
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(length=200), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_passwords_account_pk_accounts"),
        sa.PrimaryKeyConstraint("account_pk", name="pk_passwords"),
    )
    op.create_table(
        "pupil_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("school_code", sa.String(length=20), nullable=False),
        sa.Column("pupil_index", sa.String(length=64), nullable=False),
        sa.Column("relation", sa.String(length=8), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disputed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispute_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_pupil_links_account_pk_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_pupil_links"),
    )
    op.create_index("ix_pupil_links_account_pk", "pupil_links", ["account_pk"], unique=False)
    op.create_index("ix_pupil_links_pupil_index", "pupil_links", ["pupil_index"], unique=False)
    op.create_index("ix_pupil_links_school_code", "pupil_links", ["school_code"], unique=False)
    op.create_index(
        "uq_pupil_links_standing",
        "pupil_links",
        ["account_pk", "pupil_index"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "web_sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("account_pk", sa.Uuid(), nullable=False),
        sa.Column("membership_pk", sa.Uuid(), nullable=True),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("challenge", sa.LargeBinary(length=64), nullable=True),
        sa.Column("challenge_for", sa.String(length=64), nullable=True),
        sa.Column("challenge_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_pk"], ["accounts.id"], name="fk_web_sessions_account_pk_accounts"),
        sa.ForeignKeyConstraint(
            ["membership_pk"], ["memberships.id"], name="fk_web_sessions_membership_pk_memberships"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_web_sessions"),
    )
    op.create_index("ix_web_sessions_account_pk", "web_sessions", ["account_pk"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_web_sessions_account_pk", table_name="web_sessions")
    op.drop_table("web_sessions")
    op.drop_index("uq_pupil_links_standing", table_name="pupil_links")
    op.drop_index("ix_pupil_links_school_code", table_name="pupil_links")
    op.drop_index("ix_pupil_links_pupil_index", table_name="pupil_links")
    op.drop_index("ix_pupil_links_account_pk", table_name="pupil_links")
    op.drop_table("pupil_links")
    op.drop_table("passwords")
    op.drop_index("ix_passkeys_account_pk", table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index("ix_one_time_codes_account_pk", table_name="one_time_codes")
    op.drop_table("one_time_codes")
    op.drop_index("uq_memberships_standing", table_name="memberships")
    op.drop_index("ix_memberships_organisation_pk", table_name="memberships")
    op.drop_table("memberships")
    op.drop_index("ix_federations_account_pk", table_name="federations")
    op.drop_table("federations")
    op.drop_index("uq_contacts_standing", table_name="contacts")
    op.drop_index("ix_contacts_value_index", table_name="contacts")
    op.drop_index("ix_contacts_account_pk", table_name="contacts")
    op.drop_table("contacts")
    op.drop_index("ix_contact_changes_account_pk", table_name="contact_changes")
    op.drop_table("contact_changes")
    op.drop_table("authenticator_apps")
    op.drop_index("ix_sign_in_failures_name_index_at", table_name="sign_in_failures")
    op.drop_table("sign_in_failures")
    op.drop_index("ix_organisations_department_code", table_name="organisations")
    op.drop_table("organisations")
    op.drop_index("ix_activation_slips_school_code", table_name="activation_slips")
    op.drop_index("ix_activation_slips_pupil_index", table_name="activation_slips")
    op.drop_table("activation_slips")
    op.drop_table("accounts")
