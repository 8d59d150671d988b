"""Webhooks, and the messages that lie ready for them."""

import sqlalchemy as sa
from alembic import op

revision = "0026_webhooks"
down_revision = "0025_batch"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("disabled_why", sa.Text),
    )
    op.create_index("ix_webhooks_workspace", "webhooks", ["workspace"])
    op.create_table(
        "webhook_messages",
        sa.Column("webhook_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("once", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("said", sa.Text),
        sa.UniqueConstraint("webhook_id", "once", name="uq_webhook_messages_webhook_id_once"),
    )
    op.create_index("ix_webhook_messages_status_next_at", "webhook_messages", ["status", "next_at"])
    op.create_index("ix_webhook_messages_workspace_id", "webhook_messages", ["workspace", "id"])
