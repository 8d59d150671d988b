"""The workspace's own prices in SQL."""

from typing import Any

import sqlalchemy as sa

from lineside.store import Document, Moment, metadata

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    # Empty for any provider: a missing value would be unequal to itself in the unique rule.
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    # Days as text, `2026-01-31`, which both databases order as days are ordered.
    sa.Column("valid_from", sa.Text, nullable=False),
    sa.Column("valid_to", sa.Text),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("rates", Document, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Moment, nullable=False),
    sa.UniqueConstraint("workspace", "provider", "model", "valid_from"),
)


def insert_price(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(prices.insert().values(workspace=workspace, **values))


def delete_price(connection: sa.Connection, workspace: str, price_id: str) -> None:
    connection.execute(
        prices.delete().where(prices.c.workspace == workspace, prices.c.id == price_id)
    )


def lock_prices(connection: sa.Connection, workspace: str) -> None:
    """Let two people who set a price at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"prices {workspace}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def select_prices(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    columns = [column for column in prices.c if column.name != "workspace"]
    query = sa.select(*columns).where(prices.c.workspace == workspace)
    rows = connection.execute(
        query.order_by(prices.c.model, prices.c.provider, prices.c.valid_from.desc())
    )
    return [dict(row._mapping) for row in rows]
