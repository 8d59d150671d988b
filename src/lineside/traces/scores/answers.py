"""Scores that name a provider's answer and no step: put on the step that has it, whichever came
first. A score that is limited to a use case is of that use case's steps alone."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from lineside.store import intake
from lineside.traces.arrivals import trace_key
from lineside.traces.rollup import PAID_KINDS
from lineside.traces.scores import queries

# A score is given up to 31 days after its step began; clocks may be a day apart.
_LATE, _EARLY = timedelta(days=31), timedelta(days=1)
_STRETCHES_MAX = 32

Row = dict[str, Any]
Steps = dict[tuple[str, str], list[Row]]


def placed(came: Sequence[Row], fresh: Sequence[Row], ask: intake.Ask) -> list[Row]:
    """Rows of the scores that came, on the steps they are of as far as those are here.

    Those that waited for a step that is here now come with them, once more.

    Args:
        fresh: Rows of the steps that came.
    """
    steps: Steps = {}
    _add(steps, fresh)
    lost = [row for row in came if _waits(row)]
    if not steps and not lost:
        return list(came)
    there = _there(lost, [step for named in steps.values() for step in named], ask)
    seen = {_told_by(row) for row in there if not _waits(row)}
    for start, end, of in _stretches((_scored_at(row), _scored_at(row), [row]) for row in lost):
        ids = sorted({row["response_id"] for row in of})
        asked = [_moved(start, -_LATE), _moved(end, _EARLY), ids]
        _add(steps, ask(queries.STEPS_OF_ANSWERS, asked))
    found = [row for row in came if not _waits(row)]
    for number, row in enumerate([*lost, *filter(_waits, there)]):
        # Sent again, or in the lake twice: it has its place already.
        if _told_by(row) in seen:
            continue
        seen.add(_told_by(row))
        on_step = _on_step(row, steps)
        if number < len(lost) or not _waits(on_step):
            found.append(on_step)
    return found


def _there(lost: Sequence[Row], fresh: Sequence[Row], ask: intake.Ask) -> list[Row]:
    """Scores in the lake that came before: these again, or such as wait for one of the steps.

    Only about those moments is the lake looked through: it may hold any number of scores.
    """
    moments = [(_scored_at(row), _scored_at(row), [row]) for row in lost]
    by_day: dict[str, list[Row]] = {}
    for step in fresh:
        by_day.setdefault(step["started_at"][:10], []).append(step)
    for steps in by_day.values():
        first = datetime.fromisoformat(min(step["started_at"] for step in steps))
        last = datetime.fromisoformat(max(step["started_at"] for step in steps))
        moments.append((_moved(first, -_EARLY), _moved(last, _LATE), steps))
    found: list[Row] = []
    for start, end, of in _stretches(moments):
        ids = sorted({row["response_id"] for row in of})
        found += map(_as_it_came, ask(queries.SCORES_OF_ANSWERS, [start, end, ids]))
    return found


def _stretches(
    moments: Iterable[tuple[datetime, datetime, list[Row]]],
) -> Iterator[tuple[datetime, datetime, list[Row]]]:
    """The rows by stretches of time that lie apart, since a batch may hold old ones among new."""
    made: list[tuple[datetime, datetime, list[Row]]] = []
    for start, end, rows in sorted(moments, key=lambda one: one[0]):
        if made and (start <= made[-1][1] or len(made) == _STRETCHES_MAX):
            first, last, before = made[-1]
            before.extend(rows)
            made[-1] = first, max(last, end), before
        else:
            made.append((start, end, rows))
    yield from made


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # a clock of the year 1 or 9999
        return moment


def _scored_at(row: Row) -> datetime:
    return datetime.fromisoformat(row["scored_at"])


def _as_it_came(row: Row) -> Row:
    return row | {"scored_at": row["scored_at"].isoformat(timespec="microseconds")}


def _told_by(row: Row) -> tuple[Any, ...]:
    names = ("workspace", "response_id", "name", "source", "given_by", "scored_at")
    return tuple(row[name] for name in names)


def _waits(row: Row) -> bool:
    return row["trace_id"] is None and row.get("response_id") is not None


def _add(steps: Steps, rows: Sequence[Row]) -> None:
    for row in rows:
        if row.get("response_id") is not None:
            steps.setdefault((row["workspace"], row["response_id"]), []).append(row)


def _is_in_time(score: Row, step: Row) -> bool:
    began, at = step["started_at"], _scored_at(score)
    began = datetime.fromisoformat(began) if isinstance(began, str) else began
    return _moved(at, -_LATE) <= began <= _moved(at, _EARLY)


def _on_step(score: Row, steps: Steps) -> Row:
    """The score on the step that has its answer: the model's call, where others repeat its id."""
    fitting = [
        step
        for step in steps.get((score["workspace"], score["response_id"]), ())
        if score["use_case"] in (None, step["use_case"]) and _is_in_time(score, step)
    ]
    if not fitting:
        return score
    step = min(fitting, key=lambda one: (one["kind"] not in PAID_KINDS, str(one["started_at"])))
    own = {name: step[name] for name in ("trace_id", "span_id")}
    key = {"trace_key": trace_key(step["trace_id"])}
    return score | own | key | {"session_id": score["session_id"] or step["session_id"]}
