"""Licences of judges in SQL."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from lineside.store import Document, Moment, metadata

licences = sa.Table(
    "judge_licences",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text),
    sa.Column("judge", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("judge_digest", sa.Text, nullable=False),
    sa.Column("models", Document, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("passes_at", sa.Float, nullable=False),
    sa.Column("bar", Document, nullable=False),
    sa.Column("measured", Document, nullable=False),
    sa.Column("shortfalls", Document, nullable=False),
    sa.Column("corrected", Document),
    sa.Column("labels", Document, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
sa.Index(None, licences.c.workspace, licences.c.judge, licences.c.id)

_TOLD = [column for column in licences.c if column.name not in ("workspace", "labels")]

Row = Mapping[str, Any]


def insert_licence(connection: sa.Connection, row: Row) -> None:
    connection.execute(licences.insert().values(**row))


def licence_rows(
    connection: sa.Connection,
    workspace: str,
    *,
    judge: str | None = None,
    licence_id: str | None = None,
    limit: int,
) -> list[Row]:
    """Licences without their labels, the newest first."""
    query = sa.select(*_TOLD).where(licences.c.workspace == workspace)
    if judge is not None:
        query = query.where(licences.c.judge == judge)
    if licence_id is not None:
        query = query.where(licences.c.id == licence_id)
    rows = connection.execute(query.order_by(licences.c.id.desc()).limit(limit))
    return [row._asdict() for row in rows]


def attempt_rows(
    connection: sa.Connection,
    workspace: str,
    *,
    use_case: str | None,
    judge: str,
    family: str,
    limit: int,
) -> list[Row]:
    """What was decided about a judge on one family, with its labels, the newest first."""
    query = sa.select(
        licences.c.judge_digest,
        licences.c.run_id,
        licences.c.passes_at,
        licences.c.bar,
        licences.c.shortfalls,
        licences.c.labels,
    ).where(
        licences.c.workspace == workspace,
        licences.c.use_case.is_not_distinct_from(use_case),
        licences.c.judge == judge,
        licences.c.family == family,
    )
    rows = connection.execute(query.order_by(licences.c.id.desc()).limit(limit))
    return [row._asdict() for row in rows]


def label_rows(connection: sa.Connection, licence_id: str) -> list[Row]:
    """What judge and people said of each answer that a licence rests on."""
    query = sa.select(licences.c.labels).where(licences.c.id == licence_id)
    return list(connection.execute(query).scalar_one())
