"""What is read of two runs, and the runs that compared them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from lineside.evals.queries import PAIR_MARK, Row, results, runs


class FirstAnswer(NamedTuple):
    """What a case got at its first repetition; `output` is nothing where it failed."""

    case_id: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    slices: dict[str, str]
    source: str | None
    cluster: str | None


def first_answers(connection: sa.Connection, run_id: str) -> Iterable[FirstAnswer]:
    """The first answer to each case of a run, in the order of the dataset."""
    names = FirstAnswer._fields
    query = (
        sa.select(*(results.c[name] for name in names))
        .where(results.c.run_id == run_id, results.c.repetition == 0)
        .order_by(results.c.position)
        .execution_options(yield_per=1000)
    )
    for row in connection.execute(query):
        yield FirstAnswer(*row)


def pair_rows(
    connection: sa.Connection,
    *,
    workspace: str,
    use_case: str,
    subject: str | None = None,
    limit: int,
) -> list[Row]:
    """Runs that compared two runs, newest first; of one pair where its subject is given."""
    query = sa.select(runs).where(
        runs.c.workspace == workspace,
        runs.c.use_case == use_case,
        runs.c.subject.startswith(PAIR_MARK) if subject is None else runs.c.subject == subject,
    )
    rows = connection.execute(query.order_by(runs.c.id.desc()).limit(limit))
    return [row._asdict() for row in rows]
