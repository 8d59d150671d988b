"""How a run is to be done, what it has taken, and where its answers come from."""

import sqlalchemy as sa
from alembic import op

revision = "0014_run_plans"
down_revision = "0013_held_out"


def upgrade() -> None:
    for name, empty in (("plan", "{}"), ("spent", "{}"), ("looks", "[]")):
        op.add_column("runs", sa.Column(name, sa.Text, nullable=False, server_default=empty))
    op.add_column("runs", sa.Column("sheet", sa.Text))
    op.add_column("results", sa.Column("recalled_from", sa.Text))
