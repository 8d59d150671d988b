"""Saved views in SQL."""

from typing import Any

import sqlalchemy as sa

from lineside.store import Document, Moment, metadata

trace_views = sa.Table(
    "trace_views",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    # Empty for everybody: a missing value would be unequal to itself in the unique rule.
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("asked", Document, nullable=False),
    sa.Column("columns", Document, nullable=False),
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at", Moment, nullable=False),
    sa.UniqueConstraint("workspace", "owner", "name"),
)


def insert_view(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(trace_views.insert().values(workspace=workspace, **values))


def delete_view(connection: sa.Connection, workspace: str, view_id: str) -> None:
    connection.execute(
        trace_views.delete().where(
            trace_views.c.workspace == workspace, trace_views.c.id == view_id
        )
    )


def select_views(connection: sa.Connection, workspace: str, owner: str) -> list[dict[str, Any]]:
    """Views of everybody and of one person, by name."""
    columns = [column for column in trace_views.c if column.name != "workspace"]
    query = sa.select(*columns).where(
        trace_views.c.workspace == workspace, trace_views.c.owner.in_(["", owner])
    )
    rows = connection.execute(query.order_by(trace_views.c.name, trace_views.c.owner.desc()))
    return [dict(row._mapping) for row in rows]


def lock_views(connection: sa.Connection, workspace: str) -> None:
    """Let two people who save under one name at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"trace views {workspace}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
