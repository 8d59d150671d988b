"""The verdict so far of a run that goes on to its end whatever that is."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Unavailable
from lineside.evals import Run, judge_gate, list_runs, register_runner, schedule, working
from lineside.evals.plan import RunPlan
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]
RULES = ["accuracy >= 0.8", "not worse than live by 0.2"]


class Watched(ScriptedTarget):
    """Waits after some cases until enough of them were looked at, however slow the machine is."""

    def __init__(self, scope: Scope, *, after: int, until: int) -> None:
        super().__init__({})
        self._scope, self._after, self._until = scope, after, until

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        for _ in range(1_000):
            if len(self.asked) < self._after or self._has_look():
                break
            await asyncio.sleep(0.05)
        return await super().__call__(payload)

    def _has_look(self) -> bool:
        looks = list_runs(self._scope)[0].looks
        return bool(looks) and looks[-1].cases >= self._until


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "GLANCE_SECONDS", 0.0)
    monkeypatch.setattr(working, "_WATCH_SECONDS", 0.01)


def decided(scope: Scope, run: Run, baseline: Run) -> Any:
    return judge_gate(scope, run, [parse_rule(rule) for rule in RULES], baseline_run=baseline)


def test_looking_on_the_way_changes_nothing_at_the_end(
    run_cases: RunCases, store: Store, scope: Scope
) -> None:
    register_runner(store, lambda _run: ScriptedTarget({}))
    before = run_cases(rows(200), subject="baseline")
    watched = Watched(scope, after=130, until=100)
    register_runner(store, lambda _run: watched)
    plan = RunPlan(rules=RULES, baseline_run_id=before.id)
    looked_at = run_cases(rows(200), plan=plan)

    register_runner(store, lambda _run: ScriptedTarget({}))
    alone = run_cases(rows(200), subject="alone", fresh=True)

    seen = looked_at.looks[-1]
    assert (seen.decision, looked_at.status, looked_at.cases_done) == ("ship", "done", 200)
    assert 100 <= seen.cases < 200
    assert seen.sentence.startswith("Ship: all 2 rules pass")
    assert seen.confidence > looked_at.confidence  # the later the look, the less stricter
    assert looked_at.confidence == 0.95
    assert decided(scope, looked_at, before).verdict == decided(scope, alone, before).verdict


def test_what_is_looked_at_was_drawn_from_all_cases(
    run_cases: RunCases, store: Store, scope: Scope
) -> None:
    watched = Watched(scope, after=60, until=20)
    watched.answers |= {f"m{number}": "lost_card" for number in range(101, 201)}
    register_runner(store, lambda _run: watched)

    run = run_cases(rows(200), plan=RunPlan(rules=RULES[:1]), repetitions=2)

    assert run.looks[0].decision != "ship"
    in_second_half = [message for message in watched.asked[:60] if int(message[1:]) > 100]
    assert 12 < len(in_second_half) < 48


def test_a_look_that_fails_tells_nothing_and_the_run_goes_on(
    run_cases: RunCases, store: Store, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    glanced: list[int] = []
    look = schedule.Schedule.glance
    monkeypatch.setattr(
        schedule.Schedule, "glance", lambda self, n: (glanced.append(n), look(self, n))
    )
    slow = ScriptedTarget({})

    def fails(*_: Any, **__: Any) -> None:
        raise Unavailable("database_away", "The database does not answer")

    monkeypatch.setattr(schedule.Schedule, "_look", fails)

    class Slow(ScriptedTarget):
        async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
            for _ in range(1_000):
                if len(slow.asked) < 50 or max(glanced, default=0) >= 40:
                    break
                await asyncio.sleep(0.01)
            return await slow(payload)

    register_runner(store, lambda _run: Slow({}))

    run = run_cases(rows(60), plan=RunPlan(rules=RULES[:1]))

    assert (run.status, run.cases_done, run.looks) == ("done", 60, [])
