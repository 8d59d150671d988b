"""Who released what a gate had refused, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0015_overrides"
down_revision = "0014_run_plans"


def upgrade() -> None:
    op.add_column("releases", sa.Column("override", sa.Text))
