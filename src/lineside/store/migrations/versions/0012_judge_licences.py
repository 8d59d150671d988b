"""Licences of judges: what each showed against people, for what, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0012_judge_licences"
down_revision = "0011_privacy"


def upgrade() -> None:
    op.create_table(
        "judge_licences",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text),
        sa.Column("judge", sa.Text, nullable=False),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("judge_digest", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("passes_at", sa.Float, nullable=False),
        sa.Column("bar", sa.Text, nullable=False),
        sa.Column("measured", sa.Text, nullable=False),
        sa.Column("shortfalls", sa.Text, nullable=False),
        sa.Column("corrected", sa.Text),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_judge_licences_workspace_judge_id", "judge_licences", ["workspace", "judge", "id"]
    )
