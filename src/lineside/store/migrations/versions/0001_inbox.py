"""The inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001_inbox"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("lake_table", sa.Text, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_inbox_lake_table_id", "inbox", ["lake_table", "id"])
