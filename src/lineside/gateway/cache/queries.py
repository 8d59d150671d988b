"""Kept answers, in SQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Moment, metadata

answers = sa.Table(
    "cached_answers",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("kept_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
sa.Index("ix_cached_answers_workspace_expires_at", answers.c.workspace, answers.c.expires_at)

_FORGOTTEN_MAX = 100

# Made once: every call that may be answered from here asks it.
_FIND = sa.select(answers.c.answer, answers.c.kept_at).where(
    answers.c.workspace == sa.bindparam("of_workspace"),
    answers.c.digest == sa.bindparam("of_digest"),
    answers.c.expires_at > sa.bindparam("moment", type_=Moment),
)


def find_answer(
    connection: sa.Connection, workspace: str, digest: str, *, at: datetime
) -> tuple[bytes, datetime] | None:
    given = {"of_workspace": workspace, "of_digest": digest, "moment": at}
    row = connection.execute(_FIND, given).first()
    return None if row is None else (bytes(row.answer), row.kept_at)


def keep_answer(
    connection: sa.Connection, values: dict[str, Any], *, at: datetime, rows_max: int
) -> None:
    """Keep an answer in place of an older one; forget some that are over, and the next to be."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(answers).values(**values)
    fresh = {name: insert.excluded[name] for name in ("answer", "kept_at", "expires_at")}
    connection.execute(
        insert.on_conflict_do_update(index_elements=["workspace", "digest"], set_=fresh)
    )
    here = answers.c.workspace == values["workspace"]
    count = connection.execute(sa.select(sa.func.count()).where(here)).scalar_one()
    over = sa.select(answers.c.digest).where(here, answers.c.expires_at <= at)
    first = sa.select(answers.c.digest).where(here).order_by(answers.c.expires_at)
    chosen = [over.limit(_FORGOTTEN_MAX)]
    if count > rows_max:
        chosen.append(first.limit(min(_FORGOTTEN_MAX, count - rows_max)))
    for query in chosen:
        digests = list(connection.execute(query).scalars())
        if digests:
            connection.execute(answers.delete().where(here, answers.c.digest.in_(digests)))
