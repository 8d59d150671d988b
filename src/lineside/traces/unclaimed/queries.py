"""Rules that give a service's traces to a use case, and the traces that nothing gave to one."""

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa

from lineside.store import Moment, metadata
from lineside.traces.queries import MODEL_CALLS, SPANS, TRACES
from lineside.traces.scores.queries import SCORES
from lineside.traces.strays.queries import STRAYS

Connection = sa.Connection

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
SELECT coalesce('lineside.usecase=' || named, service, '(no service)') AS service, named,
    count(*) FILTER (NOT is_more) AS traces,
    count(*) FILTER (NOT is_more AND status = 'error') AS errors,
    min(first_at) AS first_at, max(first_at) AS last_at,
    arg_max(trace_id, first_at) AS sample_id, arg_max(name, first_at) AS sample_name,
    arg_max(input, first_at) AS sample_input
FROM {traces}
WHERE workspace = ? AND use_case IS NULL AND run_id IS NULL
GROUP BY ALL ORDER BY traces DESC, service LIMIT ?
"""
_OF_NAME = "'lineside.usecase=' || named = ?2"
_OF_SERVICE = "coalesce(service, '(no service)') = ?2"


class ClaimQueries(NamedTuple):
    """What a claim does; parameters of each: the workspace, the service, the use case.

    Attributes:
        counted: How many traces it moves, from the first two.
        notes_mixed: Notes traces of which it moves some steps only: what is below them moves along,
            and the rest stays. From the first two.
        moves: What it moves, and what was said of that.
    """

    counted: str
    notes_mixed: str
    moves: tuple[str, ...]


def claim_queries(*, is_named: bool) -> ClaimQueries:
    """Of a service, or of a use case that is named and that nobody knows."""
    whose = _OF_NAME if is_named else _OF_SERVICE
    moved = f"use_case IS NULL AND {whose}"
    of_steps = f"FROM lake.{SPANS.name} WHERE workspace = ?1 AND {moved}"
    tables = (SPANS.name, TRACES.name, MODEL_CALLS.name)
    return ClaimQueries(
        f"""
SELECT count(*) FILTER (NOT is_more) AS traces FROM {{traces}} WHERE workspace = ?1 AND {moved}
""",
        f"""
INSERT INTO lake.{STRAYS.name} BY NAME
SELECT DISTINCT workspace, trace_id, trace_key FROM lake.{TRACES.name}
WHERE workspace = ?1 AND trace_id IN (
    SELECT trace_id FROM lake.{SPANS.name}
    WHERE workspace = ?1 AND trace_id IN (SELECT trace_id {of_steps})
    GROUP BY trace_id HAVING NOT bool_and(coalesce({moved}, false))
)
""",
        (
            f"""
UPDATE lake.{SCORES.name} SET use_case = ?3
WHERE workspace = ?1 AND use_case IS NULL
  AND (trace_id, span_id) IN (SELECT (trace_id, span_id) {of_steps})
""",
            *(
                f"UPDATE lake.{table} SET use_case = ?3 WHERE workspace = ?1 AND {moved}"
                for table in tables
            ),
        ),
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


def delete_routes_to(connection: sa.Connection, workspace: str, use_case: str) -> None:
    chosen = service_routes.c.workspace == workspace, service_routes.c.use_case == use_case
    connection.execute(service_routes.delete().where(*chosen))


def insert_route(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(service_routes.insert().values(workspace=workspace, **values))
