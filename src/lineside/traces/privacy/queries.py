"""Rules of what is masked, and of how long traces are kept."""

from typing import Any

import sqlalchemy as sa

from lineside.store import Moment, metadata

mask_rules = sa.Table(
    "mask_rules",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("pattern", sa.Text, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Moment, nullable=False),
)

retentions = sa.Table(
    "retentions",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    # Empty for what no use case has claimed: a key may not lack a value.
    sa.Column("use_case", sa.Text, primary_key=True),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Moment, nullable=False),
)


def lock_privacy(connection: sa.Connection, workspace: str) -> None:
    """Let two people who change rules at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"privacy {workspace}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def select_rules(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    columns = [column for column in mask_rules.c if column.name != "workspace"]
    query = sa.select(*columns).where(mask_rules.c.workspace == workspace)
    rows = connection.execute(query.order_by(mask_rules.c.set_at, mask_rules.c.name))
    return [dict(row._mapping) for row in rows]


def insert_rule(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(mask_rules.insert().values(workspace=workspace, **values))


def delete_rule(connection: sa.Connection, workspace: str, name: str) -> None:
    connection.execute(
        mask_rules.delete().where(mask_rules.c.workspace == workspace, mask_rules.c.name == name)
    )


def select_retentions(
    connection: sa.Connection, workspace: str | None = None
) -> list[dict[str, Any]]:
    query = sa.select(retentions).order_by(retentions.c.workspace, retentions.c.use_case)
    if workspace is not None:
        query = query.where(retentions.c.workspace == workspace)
    return [dict(row._mapping) for row in connection.execute(query)]


def insert_retention(connection: sa.Connection, values: dict[str, Any]) -> None:
    connection.execute(retentions.insert().values(**values))


def delete_retention(connection: sa.Connection, workspace: str, use_case: str) -> None:
    connection.execute(
        retentions.delete().where(
            retentions.c.workspace == workspace, retentions.c.use_case == use_case
        )
    )
