"""Arm against arm: what the calls of each came to since a moment, as sums over callers."""

from collections.abc import Sequence
from datetime import datetime

from lineside.core import Record
from lineside.traces import queries
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries as score_queries
from lineside.trust import Scope

SCORES_MAX = 200
THUMBS_MAX = 200_000


class MeasureSums(Record):
    """One measure of the calls of one arm; see `stats.unpaired.ClusterSums`.

    Attributes:
        arm: The name of an arm of an experiment, where arms were asked for by name.
        measure: `error_rate` (0 or 1 a call), `latency` (logarithm of milliseconds), `cost_usd`,
            `over:800` (whether it took longer, in milliseconds), `feedback` (1 for a thumb up), or
            `score:` and a score's name.
        units: Callers: sessions, else users, else calls; in an experiment users before sessions.
    """

    release: str
    arm: str | None = None
    measure: str
    units: int
    count: int
    total: float
    squares: float
    cross: float
    counts: float


class ArmFigures(Record):
    """What the calls of one arm came to, as people read it.

    Attributes:
        arm: The name of an arm of an experiment, where arms were asked for by name.
        refused: Calls that failed by what their caller sent or may; they are not among `calls`.
        cost_usd: Mean over the calls with a known cost.
        callers: Sessions, else users, else calls; in an experiment users before sessions.
    """

    release: str
    arm: str | None = None
    calls: int
    errors: int
    latency_ms_p50: float
    latency_ms_p95: float
    cost_usd: float | None
    callers: int = 0
    refused: int = 0


def arm_figures(
    scope: Scope,
    use_case: str,
    served_by: Sequence[str],
    *,
    since: datetime,
    audience_only: bool = False,
    by_name: bool = False,
) -> list[ArmFigures]:
    """Say what the served calls of some arms came to.

    Tests, probes and copies do not count, nor what was refused for its caller's sake: an input that
    does not fit, a used-up budget. An arm that only refused has no figures.

    Args:
        served_by: Releases, or the names of the arms of an experiment with `by_name`.
        since: Calls that began before do not count.
        audience_only: Leave out calls of whoever was not in the audience of the rollout.
    """
    scope.require("read", use_case=use_case)
    asked = [scope.workspace, use_case, since.replace(tzinfo=None), list(served_by), audience_only]
    figures = queries.NAMED_ARM_FIGURES if by_name else queries.ARM_FIGURES
    with open_reading(scope) as reading:
        rows = reading.rows(figures, asked)
    return [ArmFigures.model_validate(row) for row in rows]


def arm_sums(
    scope: Scope,
    use_case: str,
    served_by: Sequence[str],
    *,
    since: datetime,
    over_ms: Sequence[float] = (),
    audience_only: bool = False,
    by_name: bool = False,
    with_feedback: bool = False,
) -> list[MeasureSums]:
    """Add up every measure of the calls that `arm_figures` counts; it reads several times as much.

    Args:
        over_ms: Latencies, of each of which the share of slower calls is wanted.
        audience_only: As there; scores count all the same.
        with_feedback: Add up thumbs, too, of at most 200,000 answers, the newest.
    """
    scope.require("read", use_case=use_case)
    from_when, among = since.replace(tzinfo=None), list(served_by)
    asked = [scope.workspace, use_case, from_when, among, audience_only]
    scored = [scope.workspace, from_when, None, None, use_case, among, SCORES_MAX]
    thumbs: dict[str, float] = {}
    if with_feedback:
        with scope.store.records.read() as connection:
            thumbs = queries.thumbs_since(
                connection, scope.workspace, use_case, since=since, limit=THUMBS_MAX
            )
    asked += [list(map(float, over_ms)), list(thumbs), list(thumbs.values())]
    of_calls = queries.NAMED_ARM_SUMS if by_name else queries.ARM_SUMS
    of_scores = score_queries.NAMED_ARM_SUMS if by_name else score_queries.ARM_SUMS
    with open_reading(scope) as reading:
        sums = reading.rows(of_calls, asked) + reading.rows(of_scores, scored)
    return [MeasureSums.model_validate(row) for row in sums]
