"""Candidates, releases and rollouts."""

import sqlalchemy as sa
from alembic import op

revision = "0006_apps"
down_revision = "0005_traces"


def upgrade() -> None:
    op.create_table(
        "candidates",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("artefact", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "artefacts",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("recipe", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("artefact", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("baseline_id", sa.Text),
        sa.Column("gate", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.UniqueConstraint(
            "workspace", "use_case", "number", name="uq_releases_workspace_use_case_number"
        ),
    )
    op.create_index(
        "ix_releases_workspace_use_case_id", "releases", ["workspace", "use_case", "id"]
    )
    op.create_index("ix_releases_workspace_digest", "releases", ["workspace", "digest"])
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("arms", sa.Text, nullable=False),
        sa.Column("knobs", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_rollouts_workspace_use_case_id", "rollouts", ["workspace", "use_case", "id"]
    )
