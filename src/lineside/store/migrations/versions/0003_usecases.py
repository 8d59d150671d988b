"""Use cases."""

import sqlalchemy as sa
from alembic import op

revision = "0003_usecases"
down_revision = "0002_trust"


def upgrade() -> None:
    op.create_table(
        "use_cases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("folder", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("workspace", "name", name="uq_use_cases_workspace_name"),
    )
