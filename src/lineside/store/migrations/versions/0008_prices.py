"""Own prices of models."""

import sqlalchemy as sa
from alembic import op

revision = "0008_prices"
down_revision = "0007_raw_inbox"


def upgrade() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Text, nullable=False),
        sa.Column("valid_to", sa.Text),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("rates", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "workspace",
            "provider",
            "model",
            "valid_from",
            name="uq_prices_workspace_provider_model_valid_from",
        ),
    )
