"""Cost and latency by API key and by team."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.apps import Call, Serving, deploy, release_folder
from lineside.core import Invalid, now
from lineside.traces import Span, new_span_id, new_trace_id, record, search
from lineside.trust import Scope, create_key, scope_for_key
from lineside.usecases import read_folder


async def test_traces_are_counted_by_key_and_by_team(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    await asyncio.to_thread(release_folder, scope, read_folder(make_folder()))
    await asyncio.to_thread(deploy, scope, "triage")
    serving = Serving(scope.store)
    callers = [scope]
    for name, team in (("shop", "support"), ("till", "support"), ("lab", None)):
        _, secret = create_key(scope, name, rights={"run"}, team=team)
        callers.append(scope_for_key(scope.store, secret))
    for at, caller in enumerate(callers):
        for _ in range(at + 1):
            await serving.call(caller, "triage", Call(input={"message": "message 1"}))
    await serving.close()

    by_key = {one.name: one.count for one in search.figures(scope, by="key")}
    assert by_key == {None: 1, "shop": 2, "till": 3, "lab": 4}
    by_team = {one.name: one.count for one in search.figures(scope, by="team")}
    assert by_team == {None: 5, "support": 5}
    of_shop = search.parse_query("key = shop and team = support")
    assert [one.count for one in search.figures(scope, of_shop)] == [2]
    assert len(search.list_traces(scope, search.read_filters(team="support")).traces) == 5
    drawn = search.chart(scope, by="team")
    assert drawn is not None
    assert set(drawn.names) == {None, "support"}
    with pytest.raises(Invalid, match="cannot be split by `teem`"):
        search.figures(scope, by="teem")


async def test_nobody_else_says_whose_a_call_was(scope: Scope) -> None:
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="of a program",
        kind="model",
        started_at=now(),
        duration_ms=1,
        raw={"attributes": {"lineside.team": "support"}},
    )
    await record.keep_spans(scope, [span])

    assert [one.name for one in search.figures(scope, by="team")] == [None]
