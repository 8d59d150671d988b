"""Which model answered in a run."""

from collections.abc import Sequence

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
