"""Kept answers, in SQL."""

from collections.abc import Sequence
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
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("kept_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)
sa.Index("ix_cached_answers_workspace_expires_at", answers.c.workspace, answers.c.expires_at)
sa.Index("ix_cached_answers_workspace_trace_id", answers.c.workspace, answers.c.trace_id)

# Apart from the answers, so that to look through the vectors is not to read past those.
questions = sa.Table(
    "cached_questions",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("alike", sa.Text, nullable=False),
    sa.Column("kept_at", Moment, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
)
sa.Index(
    "ix_cached_questions_workspace_alike_kept_at",
    questions.c.workspace,
    questions.c.alike,
    questions.c.kept_at,
)

_FORGOTTEN_MAX = 100
_COMPARED_MAX = 2_000  # some ten milliseconds of a core

# Made once: every call that may be answered from here asks it.
_FIND = sa.select(answers.c.answer, answers.c.kept_at, answers.c.trace_id).where(
    answers.c.workspace == sa.bindparam("of_workspace"),
    answers.c.digest == sa.bindparam("of_digest"),
    answers.c.expires_at > sa.bindparam("moment", type_=Moment),
    answers.c.kept_at >= sa.bindparam("since", type_=Moment),
)
_ALIKE = (
    sa.select(questions.c.digest, questions.c.vector)
    .where(
        questions.c.workspace == sa.bindparam("of_workspace"),
        questions.c.alike == sa.bindparam("of_alike"),
    )
    .order_by(questions.c.kept_at.desc())
    .limit(_COMPARED_MAX)
)
_WORDS = sa.select(questions.c.words).where(
    questions.c.workspace == sa.bindparam("of_workspace"),
    questions.c.digest == sa.bindparam("of_digest"),
)


def find_answer(
    connection: sa.Connection, workspace: str, digest: str, *, at: datetime, since: datetime
) -> tuple[bytes, datetime, str] | None:
    """An answer kept since some moment: with when that was, and the trace it came from."""
    given = {"of_workspace": workspace, "of_digest": digest, "moment": at, "since": since}
    row = connection.execute(_FIND, given).first()
    return None if row is None else (bytes(row.answer), row.kept_at, row.trace_id)


def alike_questions(
    connection: sa.Connection, workspace: str, alike: str
) -> list[tuple[str, bytes]]:
    """Digest and vector of kept questions that differ in their last words alone, the newest."""
    given = {"of_workspace": workspace, "of_alike": alike}
    return [(digest, vector) for digest, vector in connection.execute(_ALIKE, given).all()]


def words_asked(connection: sa.Connection, workspace: str, digest: str) -> str:
    given = {"of_workspace": workspace, "of_digest": digest}
    return connection.execute(_WORDS, given).scalar() or ""


def keep_answer(
    connection: sa.Connection,
    values: dict[str, Any],
    question: dict[str, Any] | None,
    *,
    at: datetime,
    rows_max: int,
) -> None:
    """Keep an answer in place of an older one; forget some that are over, and the next to be.

    Args:
        question: What is kept beside it for others to be like.
    """
    _put(connection, answers, values)
    workspace = values["workspace"]
    if question is not None:
        named = {name: values[name] for name in ("workspace", "digest", "kept_at")}
        _put(connection, questions, named | question)
    here = answers.c.workspace == workspace
    count = connection.execute(sa.select(sa.func.count()).where(here)).scalar_one()
    others = sa.select(answers.c.digest).where(here, answers.c.digest != values["digest"])
    chosen = [others.where(answers.c.expires_at <= at).limit(_FORGOTTEN_MAX)]
    if count > rows_max:
        next_to_go = others.order_by(answers.c.expires_at)
        chosen.append(next_to_go.limit(min(_FORGOTTEN_MAX, count - rows_max)))
    for query in chosen:
        # What another call keeps anew just now is left alone, and nobody waits for anybody.
        found = connection.execute(query.with_for_update(skip_locked=True)).scalars()
        _forget(connection, workspace, list(found))


def count_answers_of(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    return len(_digests_of(connection, workspace, trace_ids))


def forget_answers_of(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    """Delete what came from some traces; gives how many answers that were."""
    digests = _digests_of(connection, workspace, trace_ids)
    _forget(connection, workspace, digests)
    return len(digests)


def expired_answers(
    connection: sa.Connection, *, at: datetime, rows_max: int
) -> list[tuple[str, str]]:
    """Workspace and digest of answers that are over, in every workspace."""
    query = sa.select(answers.c.workspace, answers.c.digest).where(answers.c.expires_at <= at)
    rows = connection.execute(query.limit(rows_max)).all()
    return [(workspace, digest) for workspace, digest in rows]


def forget_expired(connection: sa.Connection, *, at: datetime, rows_max: int) -> int:
    """Delete answers that are over, in every workspace; gives how many that were."""
    over = expired_answers(connection, at=at, rows_max=rows_max)
    for workspace in {workspace for workspace, _ in over}:
        _forget(connection, workspace, [digest for of, digest in over if of == workspace])
    return len(over)


def _put(connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(table).values(**values)
    keys = ["workspace", "digest"]
    fresh = {name: insert.excluded[name] for name in values if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=fresh))


def _digests_of(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> list[str]:
    query = sa.select(answers.c.digest).where(
        answers.c.workspace == workspace, answers.c.trace_id.in_(trace_ids)
    )
    return list(connection.execute(query).scalars())


def _forget(connection: sa.Connection, workspace: str, digests: Sequence[str]) -> None:
    for start in range(0, len(digests), _FORGOTTEN_MAX):
        some = digests[start : start + _FORGOTTEN_MAX]
        for table in (answers, questions):  # locked in the order in which they are kept
            mine = table.c.workspace == workspace, table.c.digest.in_(some)
            connection.execute(table.delete().where(*mine))
