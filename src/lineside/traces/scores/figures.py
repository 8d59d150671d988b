"""Figures of many scores: how a name fares by release, by day, by whoever gave it."""

from collections import Counter
from datetime import timedelta
from typing import Literal

from lineside.core import Invalid, Record, did_you_mean, now
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries
from lineside.trust import Scope

ScoreGroup = Literal["release", "arm", "service", "use_case", "source", "user", "session", "day"]
GROUPS_MAX = 1_000
HOURS_MAX = 24 * 366 * 10
MONTH_HOURS = 24 * 30.0


class ScoreFigures(Record):
    """How one score fared in one group.

    Attributes:
        name: Of the score.
        group: What these scores have in common, such as a release; nothing where it is not known.
        count: Scores in all; `valued` counts those with a number, which the figures are of.
        labels: How often each label was given.
    """

    name: str
    group: str | None
    count: int
    valued: int
    mean: float | None
    median: float | None
    lowest: float | None
    highest: float | None
    labels: dict[str, int]


def score_figures(
    scope: Scope,
    *,
    use_case: str | None = None,
    by: ScoreGroup = "release",
    name: str | None = None,
    hours: float = MONTH_HOURS,
) -> list[ScoreFigures]:
    """Count, mean and labels of every score of the last hours, by what they have in common.

    Raises:
        Invalid: There is no such group.
    """
    scope.require("read", use_case=use_case)
    if by not in queries.GROUPS:
        near = did_you_mean(by, queries.GROUPS)
        raise Invalid(
            "unknown_group",
            f"Scores are not counted by `{by[:40]}`",
            hint=f"Did you mean `{near}`?" if near else f"There are: {', '.join(queries.GROUPS)}.",
        )
    since = (now() - timedelta(hours=max(0.0, min(hours, HOURS_MAX)))).replace(tzinfo=None)
    wanted = [None, name, None, use_case, GROUPS_MAX]
    with open_reading(scope) as reading:
        rows = reading.rows(queries.figures_by(by), [scope.workspace, since, *wanted])
    return [
        ScoreFigures.model_validate(row | {"labels": Counter(row["labels"] or ())}) for row in rows
    ]
