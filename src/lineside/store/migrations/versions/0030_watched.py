"""A use case may be known by its name alone: it is watched, and nothing of it was tested here."""

import sqlalchemy as sa
from alembic import op

revision = "0030_watched"
down_revision = "0029_cache"


def upgrade() -> None:
    with op.batch_alter_table("use_cases") as table:
        table.alter_column("manifest", existing_type=sa.Text, nullable=True)
