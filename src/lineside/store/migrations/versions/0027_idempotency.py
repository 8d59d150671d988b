"""Keys under which a call counts once, and the answers that are given again."""

import sqlalchemy as sa
from alembic import op

revision = "0027_idempotency"
down_revision = "0026_webhooks"


def upgrade() -> None:
    op.create_table(
        "replies",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_replies_workspace_trace_id", "replies", ["workspace", "trace_id"])
    op.create_index("ix_replies_expires_at", "replies", ["expires_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("key_digest", sa.Text, primary_key=True),
        sa.Column("request_digest", sa.Text, nullable=False),
        sa.Column("claim", sa.Text, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
