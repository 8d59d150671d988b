"""Which model answered in a run, and how all of its answers fared."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from lineside.evals.queries import results

_POSITIONS_ASKED = 100
"""How many cases of a run are asked which model answered them."""


def models_of_runs(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """The model that answered, by run; of several the first by name."""
    query = (
        sa.select(results.c.run_id, sa.func.min(results.c.model))
        .where(results.c.run_id.in_(run_ids), results.c.position < _POSITIONS_ASKED)
        .group_by(results.c.run_id)
    )
    return {row[0]: row[1] for row in connection.execute(query) if row[1]}


class AnswerRow(NamedTuple):
    """What is counted of one answer; answers in the same slices share them."""

    slices: dict[str, str]
    expected: dict[str, Any]
    case_id: str
    standing: int
    error_code: str | None
    cluster: str | None
    input_characters: int


def answers_of_run(connection: sa.Connection, run_id: str) -> Iterable[AnswerRow]:
    """Every answer of a run; inputs stay in the database, which says how long they are as JSON."""
    slices, expected, asked = (
        sa.type_coerce(column, sa.Text)
        for column in (results.c.slices, results.c.expected, results.c.input)
    )
    query = (
        sa.select(
            slices,
            expected,
            results.c.case_id,
            results.c.standing,
            results.c.error_code,
            results.c.cluster,
            sa.func.length(asked),
        )
        .where(results.c.run_id == run_id)
        .order_by(results.c.position, results.c.repetition)
        .execution_options(yield_per=1000)
    )
    known: dict[str, dict[str, str]] = {}
    for lies_in, awaited, *rest in connection.execute(query):
        shared = known.get(lies_in)
        if shared is None:
            shared = known[lies_in] = orjson.loads(lies_in)
        yield AnswerRow(shared, orjson.loads(awaited), *rest)
