"""Scores that name a step and not its trace: put on the step once it is here.

Whoever annotates right after sending is often quicker than what was sent. A score of the last 31
days waits; where two traces have a step of that id, none of them is taken to be meant.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from lineside.core import now
from lineside.store import intake
from lineside.traces.arrivals import trace_key
from lineside.traces.parts import PartKey
from lineside.traces.scores import queries

WAIT = timedelta(days=31)
_EARLY = timedelta(days=1)

Row = dict[str, Any]
_Steps = dict[tuple[str, str], dict[tuple[str, str | None], Row]]


def on_steps(
    came: Sequence[Row], found: Mapping[PartKey, Sequence[Row]], ask: intake.Ask
) -> list[Row]:
    """Rows of the scores that came, and of those that waited for one of the steps that came.

    Where nothing waits, as nearly always, that costs one question that reads no file.

    Args:
        found: The steps that came, by the part of a trace that each is of.
    """
    since = now().replace(tzinfo=None) - WAIT
    lost = [row for row in came if row["trace_key"] == queries.WAITS]
    waited = ask(queries.ANY_WAITING, [since]) if found else []
    if not lost and not waited:
        return list(came)
    steps: _Steps = {}
    for part, rows in found.items():
        for row in rows:
            _add(steps, row | {"use_case": part[2]})
    if waited:
        span_ids = sorted({span_id for _, span_id in steps})
        rows = ask(queries.WAITING_FOR_STEPS, [since, span_ids])
        lost += [_as_it_came(row) for row in rows]
    known = {_told_by(row) for row in _placed_before(lost, since, ask)}
    _look_up(steps, lost, ask)
    made = []
    for row in lost:
        on_step = _on_step(row, steps)
        if on_step is not None and _told_by(row) not in known:
            known.add(_told_by(row))
            made.append(on_step)
    return [*came, *made]


def _placed_before(lost: Sequence[Row], since: datetime, ask: intake.Ask) -> list[Row]:
    if not lost:
        return []
    span_ids = sorted({row["span_id"] for row in lost})
    return [_as_it_came(row) for row in ask(queries.PLACED_ON_STEPS, [since, span_ids])]


def _look_up(steps: _Steps, lost: Iterable[Row], ask: intake.Ask) -> None:
    """Add steps that came between the look at the door and now."""
    left = [row for row in lost if (row["workspace"], row["span_id"]) not in steps]
    if left:
        moment = now().replace(tzinfo=None)
        span_ids = sorted({row["span_id"] for row in left})
        for row in ask(queries.STEPS_NAMED, [moment - WAIT, moment + _EARLY, span_ids]):
            _add(steps, row)


def _add(steps: _Steps, row: Row) -> None:
    named = steps.setdefault((row["workspace"], row["span_id"]), {})
    named.setdefault((row["trace_id"], row["use_case"]), row)


def _on_step(score: Row, steps: _Steps) -> Row | None:
    fitting = [
        step
        for step in steps.get((score["workspace"], score["span_id"]), {}).values()
        if score["use_case"] in (None, step["use_case"])
    ]
    if len({step["trace_id"] for step in fitting}) != 1:
        return None
    step = fitting[0]
    place = {"trace_id": step["trace_id"], "trace_key": trace_key(step["trace_id"])}
    return score | place | {"session_id": score["session_id"] or step["session_id"]}


def _as_it_came(row: Row) -> Row:
    return row | {"scored_at": row["scored_at"].isoformat(timespec="microseconds")}


def _told_by(row: Row) -> tuple[Any, ...]:
    names = ("workspace", "span_id", "name", "source", "given_by", "scored_at")
    return tuple(row[name] for name in names)
