"""Arm against arm: what the calls of two releases came to since a moment, as sums over callers."""

from collections.abc import Sequence
from datetime import datetime

from lineside.core import Record
from lineside.traces import queries
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries as score_queries
from lineside.trust import Scope

SCORES_MAX = 200


class MeasureSums(Record):
    """One measure of the calls of one release; see `stats.unpaired.ClusterSums`.

    Attributes:
        measure: `error_rate` (0 or 1 a call), `latency` (logarithm of milliseconds), `cost_usd`,
            `over:800` (whether it took longer, in milliseconds), or `score:` and a score's name.
        units: Callers: sessions, else users, else calls.
    """

    release: str
    measure: str
    units: int
    count: int
    total: float
    squares: float
    cross: float
    counts: float


class ArmFigures(Record):
    """What the calls of one release came to, as people read it.

    Attributes:
        cost_usd: Mean over the calls with a known cost.
    """

    release: str
    calls: int
    errors: int
    latency_ms_p50: float
    latency_ms_p95: float
    cost_usd: float | None


def arm_figures(
    scope: Scope,
    use_case: str,
    releases: Sequence[str],
    *,
    since: datetime,
    audience_only: bool = False,
) -> list[ArmFigures]:
    """Say what the served calls of some releases came to; tests, probes and copies do not count.

    Args:
        since: Calls that began before do not count.
        audience_only: Leave out calls of whoever was not in the audience of the rollout.
    """
    scope.require("read", use_case=use_case)
    asked = [scope.workspace, use_case, since.replace(tzinfo=None), list(releases), audience_only]
    with open_reading(scope) as reading:
        rows = reading.rows(queries.ARM_FIGURES, asked)
    return [ArmFigures.model_validate(row) for row in rows]


def arm_sums(
    scope: Scope,
    use_case: str,
    releases: Sequence[str],
    *,
    since: datetime,
    over_ms: Sequence[float] = (),
    audience_only: bool = False,
) -> list[MeasureSums]:
    """Add up every measure of the calls that `arm_figures` counts; it reads several times as much.

    Args:
        over_ms: Latencies, of each of which the share of slower calls is wanted.
        audience_only: As there; scores count all the same.
    """
    scope.require("read", use_case=use_case)
    from_when = since.replace(tzinfo=None)
    asked = [scope.workspace, use_case, from_when, list(releases), audience_only]
    scored = [scope.workspace, from_when, None, None, use_case, list(releases), SCORES_MAX]
    with open_reading(scope) as reading:
        sums = reading.rows(queries.ARM_SUMS, [*asked, list(map(float, over_ms))])
        sums += reading.rows(score_queries.ARM_SUMS, scored)
    return [MeasureSums.model_validate(row) for row in sums]
