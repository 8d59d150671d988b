"""Notices that a step has come which says whose other steps are that were kept before it."""

from collections.abc import Mapping, Sequence
from typing import Any

from lineside.store import intake
from lineside.traces.arrivals import Arrived, trace_key
from lineside.traces.parts import PartKey
from lineside.traces.strays import queries


def strays_of(
    found: Mapping[PartKey, Sequence[dict[str, Any]]], before: Arrived, ask: intake.Ask
) -> list[dict[str, Any]]:
    """Rows of traces in the lake with steps right below some that came only now.

    Nothing is asked where all that is known of these traces is of one use case, as nearly always.

    Args:
        found: What came, by the part that each step is of.
        before: What the lake has of the same traces.
    """
    known = {(workspace, trace_id, span_id) for workspace, trace_id, _, span_id in before.spans}
    came = [
        ((workspace, trace_id, step["span_id"]), use_case, step)
        for (workspace, trace_id, use_case), steps in found.items()
        for step in steps
    ]
    # One that somebody else sent as well makes it doubtful whose the steps below it are.
    doubtful = {name for name, _, _ in came if name in known}
    above = doubtful | {
        name
        for name, use_case, _ in came
        if use_case is not None and (*name[:2], None) in before.parts
    }
    if not above:
        return []
    trace_ids = sorted({trace_id for _, trace_id, _ in above})
    span_ids = sorted({span_id for *_, span_id in above})
    asked = [min(before.moments), max(before.moments), trace_ids, span_ids]
    below = {
        name[:2]
        for name, _, step in came
        if step["use_case"] is None and (*name[:2], step["parent_span_id"]) in doubtful
    } | {
        (row["workspace"], row["trace_id"])
        for row in ask(queries.STEPS_BELOW, asked)
        if (row["workspace"], row["trace_id"], row["parent_span_id"]) in above
    }
    return [
        {"workspace": workspace, "trace_id": trace_id, "trace_key": trace_key(trace_id)}
        for workspace, trace_id in sorted(below)
    ]
