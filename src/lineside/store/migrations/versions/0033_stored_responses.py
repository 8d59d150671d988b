"""Responses that are kept to be read again, and to go on from."""

import sqlalchemy as sa
from alembic import op

revision = "0033_stored_responses"
down_revision = "0032_lean_holds"


def upgrade() -> None:
    op.create_table(
        "stored_responses",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("previous_id", sa.Text),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("input", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "ix_stored_responses_workspace_trace_id", "stored_responses", ["workspace", "trace_id"]
    )
    op.create_index("ix_stored_responses_expires_at", "stored_responses", ["expires_at"])
