"""Scores that name a provider's answer and no step: put on the step that has it, whichever came
first. A score that is limited to a use case is of that use case's steps alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lineside.store import intake
from lineside.traces.arrivals import trace_key
from lineside.traces.rollup import PAID_KINDS
from lineside.traces.scores import queries

_BEFORE, _AFTER = timedelta(days=31), timedelta(days=1)

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
    wanted = {answer for _, answer in steps} | {row["response_id"] for row in lost}
    if not wanted:
        return list(came)
    there = [_as_it_came(row) for row in ask(queries.SCORES_OF_ANSWERS, [sorted(wanted)])]
    seen = {_told_by(row) for row in there if not _waits(row)}
    if lost:
        moments = [datetime.fromisoformat(row["scored_at"]) for row in lost]
        ids = sorted({row["response_id"] for row in lost})
        asked = [min(moments) - _BEFORE, max(moments) + _AFTER, ids]
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


def _on_step(score: Row, steps: Steps) -> Row:
    """The score on the step that has its answer: the model's call, where others repeat its id."""
    fitting = [
        step
        for step in steps.get((score["workspace"], score["response_id"]), ())
        if score["use_case"] in (None, step["use_case"])
    ]
    if not fitting:
        return score
    step = min(fitting, key=lambda one: (one["kind"] not in PAID_KINDS, str(one["started_at"])))
    own = {name: step[name] for name in ("trace_id", "span_id")}
    key = {"trace_key": trace_key(step["trace_id"])}
    return score | own | key | {"session_id": score["session_id"] or step["session_id"]}
