"""Rollouts that go up by steps, and what was seen on the way."""

import sqlalchemy as sa
from alembic import op

revision = "0024_staged_rollouts"
down_revision = "0023_shadow"


def upgrade() -> None:
    op.create_table(
        "staged_rollouts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("release_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("from_release_id", sa.Text, nullable=False),
        sa.Column("from_label", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("step_began_at", sa.BigInteger, nullable=False),
        sa.Column("planned", sa.Integer, nullable=False),
        sa.Column("looks", sa.Text, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("taken", sa.Text, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("watched_at", sa.BigInteger),
        sa.Column("trouble", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_why", sa.Text),
    )
    op.create_index(
        "ix_staged_rollouts_workspace_use_case_id",
        "staged_rollouts",
        ["workspace", "use_case", "id"],
    )
    op.create_index("ix_staged_rollouts_status", "staged_rollouts", ["status"])
