"""Answers of models that may be given again."""

import sqlalchemy as sa
from alembic import op

revision = "0022_cache"
down_revision = "0020_knobs"


def upgrade() -> None:
    op.create_table(
        "cached_answers",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_cached_answers_workspace_expires_at", "cached_answers", ["workspace", "expires_at"]
    )
