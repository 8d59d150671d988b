"""Saved views of the list of traces."""

import sqlalchemy as sa
from alembic import op

revision = "0009_views"
down_revision = "0008_prices"


def upgrade() -> None:
    op.create_table(
        "trace_views",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("saved_by", sa.Text, nullable=False),
        sa.Column("saved_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "workspace", "owner", "name", name="uq_trace_views_workspace_owner_name"
        ),
    )
