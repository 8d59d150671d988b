"""Holds of budgets in one tree on SQLite, so that a call writes fewer pages."""

import sqlalchemy as sa
from alembic import op

revision = "0032_lean_holds"
down_revision = "0031_held_out_reach"


def upgrade() -> None:
    op.drop_index("ix_cap_holds_hold_id", "cap_holds")
    if op.get_bind().dialect.name != "sqlite":
        return
    # What calls under way hold is lost with the table: nothing may serve while this runs.
    op.drop_table("cap_holds")
    op.create_table(
        "cap_holds",
        sa.Column("cap_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("begins_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hold_id", sa.Text, primary_key=True),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
