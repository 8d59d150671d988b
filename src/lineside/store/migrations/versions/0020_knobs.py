"""Knobs that users turned, and the values that were judged to be good."""

import sqlalchemy as sa
from alembic import op

revision = "0020_knobs"
down_revision = "0019_budgets"


def upgrade() -> None:
    op.create_table(
        "knob_turns",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("use_case", sa.Text, primary_key=True),
        sa.Column("user_digest", sa.Text, primary_key=True),
        sa.Column("knob", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("turned_at", sa.BigInteger, nullable=False),
        sa.Column("turned_by", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_knob_turns_workspace_use_case_number",
        "knob_turns",
        ["workspace", "use_case", "number"],
    )
    op.create_table(
        "knob_proofs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("release_id", sa.Text, nullable=False),
        sa.Column("knob", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("proved_at", sa.BigInteger, nullable=False),
        sa.Column("proved_by", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_knob_proofs_workspace_use_case_release_id",
        "knob_proofs",
        ["workspace", "use_case", "release_id"],
    )
