"""Batches: files whose rows a release answers, and what became of each row."""

import sqlalchemy as sa
from alembic import op

revision = "0025_batch"
down_revision = "0023_shadow"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in (
                *("workspace", "use_case", "file", "key", "release_id", "release"),
                *("knobs", "columns", "mapping", "limits", "status"),
            )
        ),
        sa.Column("stopped_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("rows_total", sa.BigInteger, nullable=False),
        sa.Column("rows_answered", sa.BigInteger, nullable=False),
        sa.Column("rows_failed", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Text, nullable=False),
        sa.Column("spent", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("team", sa.Text),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
    )
    op.create_index("ix_batches_workspace_id", "batches", ["workspace", "id"])
    under_way = sa.text("status = 'running'")
    op.create_index(
        "uq_batches_under_way",
        "batches",
        ["workspace", "key"],
        unique=True,
        sqlite_where=under_way,
        postgresql_where=under_way,
    )
    op.create_table(
        "batch_chunks",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_row", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("ix_batch_chunks_digest", "batch_chunks", ["digest"])
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("output", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("hand_off", sa.Boolean),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("latency_ms", sa.Float),
        sa.Column("cost_usd", sa.Float),
        sa.Column("tokens_in", sa.Integer),
        sa.Column("tokens_out", sa.Integer),
        sa.Column("finished_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_batch_rows_batch_id_error_code", "batch_rows", ["batch_id", "error_code"])
