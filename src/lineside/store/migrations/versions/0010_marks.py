"""What people put on a trace, and which use case a service belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0010_marks"
down_revision = "0009_views"


def upgrade() -> None:
    op.create_table(
        "service_routes",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("use_case", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "marks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("use_case", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_marks_workspace_trace_id", "marks", ["workspace", "trace_id"])
    op.create_index("ix_marks_workspace_kind_text", "marks", ["workspace", "kind", "text"])
