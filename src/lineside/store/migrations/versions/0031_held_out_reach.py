"""How far what is held out reaches, and what the judges of a run did."""

import sqlalchemy as sa
from alembic import op

revision = "0031_held_out_reach"
down_revision = "0030_watched"


def upgrade() -> None:
    op.add_column("held_out", sa.Column("use_cases", sa.Text))
    op.add_column("runs", sa.Column("judges", sa.Text))
