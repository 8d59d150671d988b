"""Says which limits of sessions count them by alias; their rows follow once the key is at hand."""

import sqlalchemy as sa
from alembic import op

revision = "0034_session_aliases"
down_revision = "0033_stored_responses"


def upgrade() -> None:
    # Aliases need the signing key, which no migration has: `budgets.keep_in_order` puts them in
    # place of the ids, of the limits marked here, before anything is served.
    op.add_column(
        "caps", sa.Column("is_aliased", sa.Boolean, nullable=False, server_default=sa.false())
    )
