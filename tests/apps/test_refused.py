"""What a caller did wrong is held against the caller, and never against the release."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineside.apps import Call, Release, Serving, deploy, release_folder, staged
from lineside.apps.staged import Watcher
from lineside.core import Denied, Invalid, LinesideError, now
from lineside.gateway import budgets
from lineside.traces import (
    Span,
    get_trace,
    latest_calls,
    new_span_id,
    new_trace_id,
    record_spans,
    traffic,
)
from lineside.trust import Scope
from lineside.usecases import read_folder

PLAN: dict[str, Any] = {"steps": ["50%", "100%"], "hold": "1h", "stop_if": ["error_rate > 2%"]}


@pytest.fixture
def releases(scope: Scope, make_folder: Callable[..., Path]) -> list[Release]:
    found = []
    for note in ("one", "two"):
        folder = make_folder(note=note, gate=["accuracy >= 0.5"])
        with (folder / "usecase.yaml").open("a") as manifest:
            manifest.write("\nguards:\n  input: [{banned_phrases: [forbidden]}]\n")
        found.append(release_folder(scope, read_folder(folder)).release)
    deploy(scope, "triage", "v1")
    return found


def served(release: Release, count: int, *, failing: int = 0, **attributes: Any) -> list[Span]:
    return [
        Span(
            trace_id=new_trace_id(),
            span_id=new_span_id(),
            name="triage",
            kind="app",
            use_case="triage",
            release=release.id,
            arm="live" if release.label == "v1" else "canary",
            started_at=now(),
            duration_ms=100.0 + at % 7,
            status="error" if at < failing else "ok",
            attributes=attributes if at < failing else {},
        )
        for at in range(count)
    ]


async def test_calls_that_are_refused_to_their_callers_do_not_pull_a_release_back(
    scope: Scope, releases: list[Release]
) -> None:
    await asyncio.to_thread(staged.start, scope, "triage", "v2", plan=PLAN)
    budgets.set_cap(scope, "use_case", "triage", measure="requests", amount=40, every="ever")
    serving = Serving(scope.store)
    refused: dict[str, int] = {}
    wrong: list[dict[str, Any]] = [
        {"input": {"massage": "oops"}},
        {"input": {"message": "message 1"}, "knobs": {"autonomy": "act"}},
        {"input": {"message": "this is forbidden"}},
        {"input": {"message": "message 1"}},
    ]
    for at, call in enumerate(wrong):
        for one in range(60):
            try:
                await serving.call(scope, "triage", Call(session=f"{at} {one}", **call))
            except LinesideError as error:
                refused[error.code] = refused.get(error.code, 0) + 1
    await serving.close()

    assert refused.keys() == {"input_misfit", "knob_not_proved", "guard_denied", "budget_exceeded"}
    assert sum(refused.values()) == 200  # forty were answered
    await asyncio.to_thread(Watcher(scope, every_seconds=0).watch)
    held = await asyncio.to_thread(staged.current, scope, "triage")
    assert held is not None
    assert held.status == "running"
    arms = [arm for arm in (held.seen.canary, held.seen.live) if arm]
    assert [arm.errors for arm in arms] == [0, 0]
    assert (sum(arm.calls for arm in arms), sum(arm.refused for arm in arms)) == (40, 200)
    week = traffic(scope, use_case="triage")
    assert sum(arm.errors for arm in week) == 0
    assert (sum(arm.calls for arm in week), sum(arm.refused for arm in week)) == (240, 200)


async def test_a_refusal_says_so_in_its_trace_and_a_failure_of_the_release_does_not(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder(gate=["accuracy >= 0.5"])
    answers = folder / "answers.jsonl"
    fails = '{"when": {"contains": {"message": "tandem"}}, "fail": "unavailable"}\n'
    answers.write_text(fails + answers.read_text())
    await asyncio.to_thread(release_folder, scope, read_folder(folder))
    await asyncio.to_thread(deploy, scope, "triage")
    serving = Serving(scope.store)
    with pytest.raises(Invalid):
        await serving.call(scope, "triage", Call(input={"massage": "oops"}))
    with pytest.raises(LinesideError):
        await serving.call(scope, "triage", Call(input={"message": "my tandem"}))
    turned = Call(input={"message": "x"}, knobs={"hand_off_below": 0})
    with pytest.raises(Denied):
        await serving.call(scope, "triage", turned)
    await serving.close()

    calls = [get_trace(scope, one.trace_id)[0] for one in latest_calls(scope, use_case="triage")]
    said = [one.attributes.get("refused") for one in reversed(calls)]
    assert said == ["input_misfit", None, "knob_not_yours"]


def test_a_release_that_surely_breaks_a_limit_goes_back_though_the_week_was_full_of_errors(
    scope: Scope, releases: list[Release]
) -> None:
    record_spans(scope, served(releases[0], 400, failing=120)).result()
    plan = PLAN | {"steps": ["5%", "100%"], "margins": {"error_rate": "0.5%"}}
    started = staged.start(scope, "triage", "v2", plan=plan)
    assert started.planned > 10_000
    record_spans(scope, [*served(releases[0], 400), *served(releases[1], 25, failing=22)]).result()

    Watcher(scope, every_seconds=0).watch()

    ended = staged.current(scope, "triage")
    assert ended is not None
    assert ended.status == "rolled_back"
    assert "error rate is 88.0 %" in str(ended.ended_why)


def test_refusals_of_the_week_before_do_not_stretch_the_plan(
    scope: Scope, releases: list[Release]
) -> None:
    calm = staged.start(scope, "triage", "v2", plan=PLAN).planned
    staged.abort(scope, "triage")
    record_spans(scope, served(releases[0], 400, failing=200, refused="input_misfit")).result()

    assert staged.start(scope, "triage", "v2", plan=PLAN).planned == calm
