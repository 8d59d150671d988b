"""Experiments: named arms beside each other, and which rollout is of which."""

import sqlalchemy as sa
from alembic import op

revision = "0028_experiments"
down_revision = "0027_idempotency"


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("experiment", sa.Text))
    op.add_column("staged_rollouts", sa.Column("experiment", sa.Text))
