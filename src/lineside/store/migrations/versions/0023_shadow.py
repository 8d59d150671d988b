"""Rollouts: a release that gets copies of calls and answers nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0023_shadow"
down_revision = "0022_cache"


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("shadow", sa.Text))
