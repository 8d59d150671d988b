"""Kept answers know the trace they came from, and the questions that others may be like."""

import sqlalchemy as sa
from alembic import op

revision = "0029_cache"
down_revision = "0028_experiments"


def upgrade() -> None:
    # Nobody can say any more whose those are that were kept before; the models are asked again.
    op.drop_table("cached_answers")
    op.create_table(
        "cached_answers",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "ix_cached_answers_workspace_expires_at", "cached_answers", ["workspace", "expires_at"]
    )
    op.create_index(
        "ix_cached_answers_workspace_trace_id", "cached_answers", ["workspace", "trace_id"]
    )
    op.create_table(
        "cached_questions",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("alike", sa.Text, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "ix_cached_questions_workspace_alike_kept_at",
        "cached_questions",
        ["workspace", "alike", "kept_at"],
    )
