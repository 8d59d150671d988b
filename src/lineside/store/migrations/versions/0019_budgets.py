"""Budgets: caps, what was spent of them, what calls under way hold; and narrower keys."""

import sqlalchemy as sa
from alembic import op

revision = "0019_budgets"
down_revision = "0016_reviews"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("models", sa.Text))
    op.add_column("api_keys", sa.Column("team", sa.Text))
    op.create_table(
        "caps",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("every", sa.Text, nullable=False),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "workspace",
            "about",
            "subject",
            "measure",
            "every",
            name="uq_caps_workspace_about_subject_measure_every",
        ),
    )
    op.create_table(
        "cap_counters",
        sa.Column("cap_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("begins_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cap_holds",
        sa.Column("cap_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("begins_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hold_id", sa.Text, primary_key=True),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_cap_holds_hold_id", "cap_holds", ["hold_id"])
