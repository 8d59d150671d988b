"""Feedback on answers."""

import sqlalchemy as sa
from alembic import op

revision = "0005_traces"
down_revision = "0004_evals"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text),
        sa.Column("release", sa.Text),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("thumb", sa.Text),
        sa.Column("correction", sa.Text),
        sa.Column("comment", sa.Text),
        sa.Column("given_by", sa.Text, nullable=False),
        sa.Column("given_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_feedback_workspace_use_case_id", "feedback", ["workspace", "use_case", "id"]
    )
