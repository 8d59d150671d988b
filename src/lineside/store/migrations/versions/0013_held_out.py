"""Parts of datasets that are kept for the last exam."""

import sqlalchemy as sa
from alembic import op

revision = "0013_held_out"
down_revision = "0012_judge_licences"


def upgrade() -> None:
    op.create_table(
        "held_out",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("use_case", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("split", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("cases", sa.Integer, nullable=False),
        sa.Column("held_by", sa.Text, nullable=False),
        sa.Column("held_at", sa.BigInteger, nullable=False),
        sa.Column("open_until", sa.BigInteger),
        sa.Column("opened_by", sa.Text),
        sa.Column("reason", sa.Text),
    )
