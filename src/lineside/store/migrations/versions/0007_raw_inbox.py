"""The inbox keeps what others sent as it came; PostgreSQL indexes the words of traces."""

import sqlalchemy as sa
from alembic import op

revision = "0007_raw_inbox"
down_revision = "0006_apps"


def upgrade() -> None:
    # An id must never come again: the lake remembers ids for a while after their rows left. SQLite
    # gives the ids of deleted rows anew unless the table says AUTOINCREMENT.
    kept = {"sqlite_autoincrement": True}
    with op.batch_alter_table(
        "inbox",
        recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
        table_kwargs=kept,
    ) as table:
        table.add_column(sa.Column("form", sa.Text, nullable=False, server_default="rows"))
        table.add_column(sa.Column("about", sa.Text, nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TABLE indexed_words (workspace text NOT NULL, key text NOT NULL, "
            "place bigint NOT NULL, words tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX indexed_words_words ON indexed_words USING gin (words)")
        op.execute("CREATE INDEX indexed_words_place ON indexed_words (workspace, place)")
        op.execute("CREATE INDEX indexed_words_key ON indexed_words (workspace, key)")
