"""Rules that give a service's traces to a use case, and the traces that nothing gave to one."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from lineside.store import Moment, metadata

service_routes = sa.Table(
    "service_routes",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Moment, nullable=False),
)

# A row that is no more is the first of its trace, so each trace is counted once.
SHELF = """
SELECT service, count(*) FILTER (NOT is_more) AS traces,
    count(*) FILTER (NOT is_more AND status = 'error') AS errors,
    min(first_at) AS first_at, max(first_at) AS last_at,
    arg_max(trace_id, first_at) AS sample_id, arg_max(name, first_at) AS sample_name,
    arg_max(input, first_at) AS sample_input
FROM {traces}
WHERE workspace = ? AND use_case IS NULL AND run_id IS NULL
GROUP BY service ORDER BY traces DESC, service LIMIT ?
"""
COUNT_OF_SERVICE = """
SELECT count(*) FILTER (NOT is_more) AS traces FROM {traces}
WHERE workspace = ? AND service = ? AND use_case IS NULL
"""


def claim(table: str) -> str:
    """Parameters: the use case, the workspace, the service."""
    return (
        f"UPDATE lake.{table} SET use_case = ? "
        "WHERE workspace = ? AND service = ? AND use_case IS NULL"
    )


def lock_routes(connection: sa.Connection, workspace: str) -> None:
    """Let two people who claim at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"service routes {workspace}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def select_routes(connection: sa.Connection, workspaces: Collection[str]) -> list[dict[str, Any]]:
    query = sa.select(service_routes).where(service_routes.c.workspace.in_(sorted(workspaces)))
    rows = connection.execute(query.order_by(service_routes.c.service))
    return [dict(row._mapping) for row in rows]


def delete_route(connection: sa.Connection, workspace: str, service: str) -> None:
    connection.execute(
        service_routes.delete().where(
            service_routes.c.workspace == workspace, service_routes.c.service == service
        )
    )


def insert_route(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(service_routes.insert().values(workspace=workspace, **values))
