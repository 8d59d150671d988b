"""Reviews: what people are asked of answers, and what they say."""

import sqlalchemy as sa
from alembic import op

revision = "0016_reviews"
down_revision = "0015_overrides"


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("questions", sa.Text, nullable=False),
        sa.Column("raters_per_item", sa.Integer, nullable=False),
        sa.Column("minutes_max", sa.Float),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.UniqueConstraint("workspace", "name", name="uq_reviews_workspace_name"),
    )
    op.create_table(
        "review_items",
        sa.Column("review_id", sa.Text, primary_key=True),
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.Text, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("judge", sa.Text),
        sa.Column("known", sa.Text),
        sa.Column("chance", sa.Float),
        sa.Column("settled", sa.Text),
        sa.Column("settled_by", sa.Text),
        sa.Column("settled_at", sa.BigInteger),
    )
    op.create_table(
        "review_turns",
        sa.Column("review_id", sa.Text, primary_key=True),
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rater", sa.Text, primary_key=True),
        sa.Column("rater_name", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "review_answers",
        sa.Column("review_id", sa.Text, primary_key=True),
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rater", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("said", sa.Text),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
    )
