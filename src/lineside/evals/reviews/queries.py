"""The tables of reviews."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Document, Moment, metadata

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("questions", Document, nullable=False),
    sa.Column("raters_per_item", sa.Integer, nullable=False),
    sa.Column("minutes_max", sa.Float),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("source", Document, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("closed_at", Moment),
    sa.UniqueConstraint("workspace", "name"),
)
items = sa.Table(
    "review_items",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("shown", Document, nullable=False),
    sa.Column("judge", Document),
    sa.Column("known", Document),
    sa.Column("chance", sa.Float),
    sa.Column("settled", Document),
    sa.Column("settled_by", sa.Text),
    sa.Column("settled_at", Moment),
)
turns = sa.Table(
    "review_turns",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rater", sa.Text, primary_key=True),
    sa.Column("rater_name", sa.Text, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
)
answers = sa.Table(
    "review_answers",
    metadata,
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rater", sa.Text, primary_key=True),
    # A changed answer is one more row, so that what was said before stays.
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("said", Document),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("answered_at", Moment, nullable=False),
)

Row = dict[str, Any]


def insert_review(connection: sa.Connection, row: Row, its_items: Sequence[Row]) -> bool:
    """Add a review with its items; false when another one has its name."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(reviews).values(**row).on_conflict_do_nothing()
    if connection.execute(query.returning(sa.literal(1))).first() is None:
        return False
    connection.execute(items.insert(), list(its_items))
    return True


def review_row(
    connection: sa.Connection, workspace: str, name_or_id: str, *, for_change: bool = False
) -> Row | None:
    """One review by its name or id; `for_change` makes others who would change it wait."""
    query = sa.select(reviews).where(
        reviews.c.workspace == workspace,
        sa.or_(reviews.c.id == name_or_id, reviews.c.name == name_or_id),
    )
    rows = _all(connection, query.with_for_update() if for_change else query)
    return rows[0] if rows else None


def review_rows(
    connection: sa.Connection, workspace: str, use_case: str | None, limit: int
) -> list[Row]:
    query = sa.select(reviews).where(reviews.c.workspace == workspace)
    if use_case is not None:
        query = query.where(reviews.c.use_case == use_case)
    return _all(connection, query.order_by(reviews.c.id.desc()).limit(limit))


def close_review(connection: sa.Connection, review_id: str, at: datetime) -> bool:
    """Close a review; false when it was closed before."""
    query = reviews.update().where(reviews.c.id == review_id, reviews.c.closed_at.is_(None))
    return connection.execute(query.values(closed_at=at)).rowcount == 1


def item_rows(
    connection: sa.Connection, review_id: str, *, with_shown: bool = False, item: int | None = None
) -> list[Row]:
    """Items in their order, or one of them; what they show can be large."""
    columns = [column for column in items.c if with_shown or column.name != "shown"]
    query = sa.select(*columns).where(items.c.review_id == review_id, *_only(items, item))
    return _all(connection, query.order_by(items.c.item))


def item_row(connection: sa.Connection, review_id: str, item: int) -> Row | None:
    query = sa.select(items).where(items.c.review_id == review_id, items.c.item == item)
    rows = _all(connection, query)
    return rows[0] if rows else None


def settle_item(connection: sa.Connection, review_id: str, item: int, **values: Any) -> None:
    query = items.update().where(items.c.review_id == review_id, items.c.item == item)
    connection.execute(query.values(**values))


def turn_rows(connection: sa.Connection, review_id: str, *, item: int | None = None) -> list[Row]:
    """Who was shown which item, and when."""
    query = sa.select(turns).where(turns.c.review_id == review_id, *_only(turns, item))
    return _all(connection, query)


def open_turn(connection: sa.Connection, row: Row) -> None:
    """Note that a rater is looking at an item, from now on."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(turns).values(**row)
    keys = ["review_id", "item", "rater"]
    again = {name: query.excluded[name] for name in ("opened_at", "rater_name")}
    connection.execute(query.on_conflict_do_update(index_elements=keys, set_=again))


def answer_rows(connection: sa.Connection, review_id: str, *, item: int | None = None) -> list[Row]:
    """All that was said, changed answers before what they were changed to."""
    query = sa.select(answers).where(answers.c.review_id == review_id, *_only(answers, item))
    return _all(connection, query.order_by(answers.c.item, answers.c.rater, answers.c.revision))


def insert_answer(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    connection.execute(answers.insert().values(**row))


def _only(table: sa.Table, item: int | None) -> list[sa.ColumnElement[bool]]:
    return [] if item is None else [table.c.item == item]


def _all(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
    return [row._asdict() for row in connection.execute(query)]
