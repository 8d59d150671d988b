"""What a score comes to over many traces: its mean, its labels, and how many carry it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lineside.core import Record
from lineside.traces.filters import Filters
from lineside.traces.reading import open_reading
from lineside.traces.search.asked import EARLIEST, asked_of, earlier, plain
from lineside.traces.search.counted import Counted, asked_of_figures, counted
from lineside.traces.search.figures import Chart, checked_group
from lineside.traces.search.queries import OTHERS, Named
from lineside.traces.search.scored import queries
from lineside.traces.search.streamed import keep_said, set_apart
from lineside.trust import Scope

LABELS_MAX = 5
NAMES_MAX = 200
_SOME: Named = "some"
_NONE: Named = ""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so


class ScoredTraces(Record):
    """How a score fared over some traces, each of which counts once.

    Where steps and judges gave a trace the score several times, its number is their mean and its
    label the last one. Scores that were given more than a day before the time that is asked for
    are left out.

    Attributes:
        name: What the traces have in common; nothing where that is not known.
        traces: All of them; `scored` carry the score, the others are in no other figure.
        valued: Those with a number; `mean` is over them.
        labels: Label to how many traces have it: the five most frequent, then `All others`.
    """

    name: str | None
    traces: int
    scored: int
    valued: int
    mean: float | None
    labels: dict[str, int]


class ScoredMoment(Record):
    """One bucket of a chart of a score.

    Attributes:
        start: When it begins, in UTC.
    """

    start: datetime
    of: tuple[ScoredTraces, ...]


class ScoreChart(Record):
    """A score over time, in the buckets and by the names of the chart that it stands beside.

    Attributes:
        score: Its name.
        is_cut: Whether more traces hold the words asked for than are looked at, the newest 200,000.
        whole: What all of it comes to; by model, a trace counts once for each of its models.
        moments: Buckets in order; those without a trace are left out.
    """

    score: str
    is_cut: bool
    whole: ScoredTraces
    moments: tuple[ScoredMoment, ...]


def score_stats(
    scope: Scope, filters: Filters | None = None, *, score: str, by: str = "use_case"
) -> list[ScoredTraces]:
    """How a score fared over the wanted traces, by one of their fields, the most traces first.

    Where more than 200,000 traces hold the words asked for, the newest so many are looked at.

    Args:
        by: As in `figures`.

    Raises:
        Invalid: Traces have no such field.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    group = checked_group(by)
    with open_reading(scope) as reading:
        found = counted(reading, scope, asked_of_figures(filters, scope))
        set_apart(found)
        keep_said(found, group)
        rows = _rows(found, score, group, "all")
    return sorted(
        map(_scored, rows), key=lambda one: (-one.traces, one.name is None, one.name or "")
    )


def score_chart(
    scope: Scope, filters: Filters | None = None, *, score: str, over: Chart
) -> ScoreChart:
    """A score over time, beside the figures of a chart of the same filters.

    Args:
        over: Says from when to when, in what buckets, and by which names.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    asked = asked_of(filters, scope)
    asked = asked._replace(since=plain(over.since), until=plain(over.until))
    width = timedelta(seconds=over.width_seconds)
    with open_reading(scope) as reading:
        found = counted(reading, scope, asked)
        by, named = (over.by, _SOME) if over.by else ("use_case", _NONE)
        set_apart(found)
        keep_said(found, by)
        rows = _rows(found, score, by, named, width=width, names=over.names)
        whole = _rows(found, score, by, _NONE)
    moments: dict[int, list[ScoredTraces]] = {}
    for row in rows:
        moments.setdefault(row["bucket"], []).append(_scored(row))
    nothing = {"name": None, "traces": 0, "scored": 0, "valued": 0, "mean": None, "labels": ()}
    return ScoreChart(
        score=score,
        is_cut=found.is_cut,
        whole=_scored(whole[0] if whole else nothing),
        moments=tuple(
            ScoredMoment(start=(_EPOCH + bucket * width).replace(tzinfo=UTC), of=tuple(of))
            for bucket, of in sorted(moments.items())
        ),
    )


def score_names(scope: Scope, *, since: datetime = EARLIEST) -> list[str]:
    """Names of the scores that traces were given since a moment, the most frequent first.

    At most 200. A day is added before, as `score_chart` does.
    """
    scope.require("read")
    with open_reading(scope) as reading:
        wanted = [scope.workspace, earlier(plain(since)), NAMES_MAX]
        rows = reading.rows(queries.NAMES, wanted)
    return [row["name"] for row in rows]


def _rows(
    found: Counted,
    score: str,
    by: str,
    named: Named,
    *,
    width: timedelta | None = None,
    names: Sequence[str | None] = (),
) -> list[dict[str, Any]]:
    sql = queries.scored_query(
        by, wanted=found.wanted, bucketed=width is not None, named=named, labels_max=LABELS_MAX
    )
    bound = found.bound * (1 if by == "model" else 2)
    # What is judged has begun before, and a judge's clock may be a little behind.
    bound += [found.workspace, score, earlier(found.asked.since)]
    if width is not None:
        bound.append(width // timedelta(microseconds=1))
    if named == "some":
        bound.append([name or "" for name in names if name != OTHERS])
    return found.reading.rows(sql, bound)


def _scored(row: dict[str, Any]) -> ScoredTraces:
    labels = dict(Counter(row["labels"] or ()).most_common())
    values = {name: row[name] for name in ScoredTraces.model_fields}
    return ScoredTraces.model_validate(values | {"labels": labels})
