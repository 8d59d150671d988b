"""A release that goes up by steps: promoted, held and rolled back by what its calls say."""

from datetime import timedelta
from typing import Any

import pytest

from apps.staged.watched import SOON, Call, look, said, shares
from lineside.apps import (
    staged,
)
from lineside.core import Conflict, now
from lineside.traces.scores import TraceScore, record_scores
from lineside.trust import Scope, ledger_entries


def test_a_good_release_goes_up_step_by_step(scope: Scope, releases, calls: Call) -> None:
    started = staged.start(scope, "triage", "v2", plan=SOON | {"steps": ["10%", "50%", "100%"]})
    assert shares(scope) == {"v1": 90, "v2": 10}
    assert (started.status, started.percent) == ("running", 10)

    for share in (50, 100):
        calls(releases[0], 400, failing=4)
        calls(releases[1], 200, failing=2)
        assert look(scope).percent == share
    assert shares(scope) == {"v2": 100}
    done = look(scope)

    assert done.status == "done"
    assert [step.percent for step in done.taken] == [10, 50]
    [*_, first, second] = ledger_entries(scope, kind="deploy")
    assert second.details["traffic"] == {"v2": "100 %"}
    assert first.details["traffic"] == {"v1": "50 %", "v2": "50 %"}
    assert first.details["why"].startswith("Promote v2 to 50 %: error rate differs from live by")
    assert {one["standing"] for one in first.details["findings"]} == {"clear", "within"}
    assert first.details["calls"]["canary"]["calls"] == 200
    assert first.actor.name == "lineside"
    assert ledger_entries(scope, kind="rollout.finished")[0].subject == started.id


def test_a_release_that_fails_is_pulled_back_though_its_step_is_held(
    scope: Scope, releases, calls: Call
) -> None:
    plan = {"steps": ["10%", "100%"], "hold": "1d", "stop_if": ["error_rate > 2%"]}
    staged.start(scope, "triage", "v2", plan=plan)
    calls(releases[0], 2000, failing=20)
    calls(releases[1], 200, failing=25)

    ended = look(scope)

    assert ended.status == "rolled_back"
    assert shares(scope) == {"v1": 100}
    assert "error rate is 12.5 %" in str(ended.ended_why)
    entry = ledger_entries(scope, kind="rollback")[-1]
    assert entry.details["why"] == ended.ended_why
    assert entry.actor.name == "lineside"


@pytest.mark.parametrize(
    ("plan", "values", "why"),
    [
        ({"stop_if": ["latency_p95_ms > 800"]}, {"duration_ms": 900.0}, "calls above 800 ms"),
        ({}, {"duration_ms": 180.0}, "typical latency differs from live by +7"),
        ({"stop_if": ["cost_usd > 0.01"]}, {"cost_usd": 0.02}, "cost of a call is 0.020"),
    ],
)
def test_a_slow_or_dear_release_is_pulled_back(
    scope: Scope, releases, calls: Call, plan: dict[str, Any], values: dict[str, Any], why: str
) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | plan)
    calls(releases[0], 400, cost_usd=0.001 if "cost_usd" in values else None)
    for part in range(4):
        varied = {name: value + 0.0001 * part for name, value in values.items()}
        calls(releases[1], 60, **varied)

    ended = look(scope)

    assert ended.status == "rolled_back"
    assert why in str(ended.ended_why)


def test_what_nobody_notices_is_said_in_plain_words(scope: Scope, releases, calls: Call) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | {"steps": ["50%", "100%"]})
    calls(releases[0], 200, duration_ms=2.0)
    for part in range(4):
        calls(releases[1], 50, duration_ms=6.0 + 0.1 * part)
    look(scope)

    why = ledger_entries(scope, kind="deploy")[-1].details["why"]
    assert "surely within the 20 ms that nobody notices" in why
    assert "notices allowed" not in why


def test_a_live_score_holds_and_ends_a_rollout(scope: Scope, releases, calls: Call) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | {"stop_if": ["helpful < 0.7"]})
    calls(releases[0], 400)
    traces = calls(releases[1], 200)

    held = look(scope)
    assert held.step == 0
    assert "score `helpful` is not known yet of the new release" in said(held)

    scores = [
        TraceScore(trace_id=trace, name="helpful", value=float(at % 3 == 0))
        for at, trace in enumerate(traces)
    ]
    record_scores(scope, scores).result()
    calls(releases[1], 100)
    assert look(scope).status == "rolled_back"


def test_without_enough_calls_it_is_held_and_says_how_many_lack(
    scope: Scope, releases, calls: Call
) -> None:
    staged.start(scope, "triage", "v2", plan={"hold": "0s"})
    assert said(look(scope)).endswith("calls of it needed; nobody has called it yet")

    calls(releases[0], 100)
    calls(releases[1], 5)
    held = look(scope)
    verdict = staged.verdict(held, at=now())

    assert (held.status, held.step, held.looks) == ("running", 0, ())
    assert verdict.decision == "hold"
    assert verdict.calls_needed is not None
    assert 100 < verdict.calls_needed < 400
    assert "not enough data, about" in verdict.sentence
    assert "of it needed, in about" in verdict.sentence


def test_what_answers_nobody_and_what_came_before_the_step_does_not_count(
    scope: Scope, releases, calls: Call
) -> None:
    early = now() - timedelta(minutes=1)
    calls(releases[1], 300, failing=300, started_at=early)
    staged.start(scope, "triage", "v2", plan=SOON)
    calls(releases[0], 300)
    calls(releases[1], 300, failing=300, arm="shadow")
    calls(releases[1], 300, failing=300, run_id="run_1")

    assert look(scope).seen.canary is None
    assert look(scope).status == "running"


def test_calls_of_one_caller_do_not_decide_for_all(scope: Scope, releases, calls: Call) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | {"stop_if": ["error_rate > 2%"]})
    calls(releases[0], 300)
    calls(releases[1], 200, failing=200, session_id="a program that goes on and on")

    held = look(scope)

    assert (held.status, held.step) == ("running", 0)
    assert [one.units for one in held.findings if one.rule == "error_rate > 2%"] == [1]


def test_a_pause_lets_nothing_go_up_and_still_pulls_back(
    scope: Scope, releases, calls: Call
) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | {"stop_if": ["error_rate > 5%"]})
    staged.pause(scope, "triage")
    with pytest.raises(Conflict, match="`v2` is paused already"):
        staged.pause(scope, "triage")
    calls(releases[0], 400)
    calls(releases[1], 200)
    assert said(look(scope)) == "Hold v2 at 5 %: paused; it could go to 25 %"

    staged.resume(scope, "triage")
    assert look(scope).percent == 25
    staged.pause(scope, "triage")
    calls(releases[0], 400)
    calls(releases[1], 200, failing=100)
    assert look(scope).status == "rolled_back"
    kinds = [entry.kind for entry in ledger_entries(scope, limit=20)]
    assert {"rollout.paused", "rollout.resumed"} <= set(kinds)
