import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Denied, Invalid, Unavailable
from lineside.evals import Result, Run, register_runner, results_of
from lineside.evals import target as asking
from lineside.store import Store
from lineside.trust import Scope

RunCases = Callable[..., Run]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_BACKOFF_SECONDS", 0.001)


def failures(run: Run) -> dict[str, int]:
    return {code: failure.cases for code, failure in run.failures.items()}


def test_a_run_keeps_every_answer_with_its_scores(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers["m2"] = "lost_card"

    run = run_cases(rows(30, slices={"channel": "mail"}))

    assert (run.status, run.cases_total, run.cases_done, run.cases_failed) == ("done", 30, 30, 0)
    assert sorted(target.asked) == sorted(f"m{n}" for n in range(1, 31))
    assert target.is_closed
    first, second = results_of(scope, run.id, limit=2)
    assert (first.case_id, first.standing, first.output) == (
        "c2",
        "wrong",
        {"topic": "lost_card", "confidence": 0.9},
    )
    accuracy = first.scores["accuracy"]
    assert accuracy.value == 0
    assert accuracy.explanation == '`topic` is `"lost_card"`, expected `"refund"`'
    assert first.scores["cost_usd"].value == 0.001
    assert (first.tokens_in, first.tokens_out, first.model) == (7, 3, "scripted")
    assert (second.case_id, second.slices) == ("c1", {"channel": "mail"})


def test_a_done_run_is_returned_again_unless_fresh(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    first = run_cases(rows(5))
    again = run_cases(rows(5))
    fresh = run_cases(rows(5), fresh=True)
    other = run_cases(rows(5), subject="another")

    assert (again.id, again.is_reused) == (first.id, True)
    assert len({first.id, fresh.id, other.id}) == 3
    assert len(target.asked) == 15


def test_a_run_with_failures_from_outside_is_not_reused(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    target.answers["*"] = Unavailable("model_down", "The endpoint does not answer")
    first = run_cases(rows(5))
    target.answers.clear()

    second = run_cases(rows(5))

    assert (first.cases_failed, second.cases_failed) == (5, 0)


def test_a_model_that_is_busy_for_a_moment_is_asked_again(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    busy = Unavailable("rate_limited", "429, asked to wait 1 s")
    run_cases(rows(1))
    target.answers["m2"] = [busy, busy, "refund"]

    run = run_cases(rows(3), subject="other")

    assert run.cases_failed == 0
    assert Counter(target.asked)["m2"] == 3


def test_failures_are_counted_by_what_went_wrong(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers |= {
        "m1": Unavailable("model_slow", "No answer within 30 s"),
        "m2": Invalid("output_misfit", "The answer does not fit: `topic` is missing"),
        "m3": Denied("model_denied", "401: the key was refused"),
        "m4": ValueError("a bug\0"),
        "m5": {"topic": object()},
    }

    run = run_cases(rows(8))

    assert failures(run) == {
        "unavailable:model_slow": 1,
        "invalid:output_misfit": 1,
        "denied:model_denied": 1,
        "error:ValueError": 1,
        "invalid:output_not_json": 1,
    }
    assert run.failures["denied:model_denied"].message == "401: the key was refused"
    failed = results_of(scope, run.id, only="failed")
    assert [(result.case_id, result.scores) for result in failed] == [
        (f"c{n}", {}) for n in range(1, 6)
    ]


def test_an_endpoint_that_is_down_is_not_asked_for_every_case(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers["*"] = Unavailable("model_down", "Nothing listens at 127.0.0.1:9")

    run = run_cases(rows(240))

    assert (run.status, run.cases_done, run.cases_failed) == ("done", 240, 240)
    assert len(target.asked) < 60
    assert failures(run)["not_asked"] > 200
    assert "Nothing listens at 127.0.0.1:9" in run.failures["not_asked"].message


def test_different_failures_at_the_start_do_not_end_the_asking(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    for number in range(1, 26):
        target.answers[f"m{number}"] = Invalid(f"kind_{number % 2}", "different")
    assert run_cases(rows(60)).cases_failed == 25


def test_a_slow_case_fails_alone(
    run_cases: RunCases, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr(asking, "CASE_SECONDS_MAX", 0.05)

    class Slow(ScriptedTarget):
        async def __call__(self, payload: Any) -> Any:
            if payload["message"] == "m1":
                await asyncio.sleep(5)
            return await super().__call__(payload)

    register_runner(store, lambda _run: Slow({}))
    assert failures(run_cases(rows(5))) == {"unavailable:case_timeout": 1}


def test_repetitions_ask_each_case_that_often(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(4), repetitions=3)

    assert (run.cases_total, run.cases_done) == (12, 12)
    assert set(Counter(target.asked).values()) == {3}
    assert {result.repetition for result in results_of(scope, run.id)} == {0, 1, 2}


def test_a_scorer_that_fails_leaves_the_score_missing(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    class Declared:
        name, kind, arguments = "polite", "python", {"function": "s.py:polite"}

    run = run_cases(
        rows(2), scorers=[Declared()], scorer_files={"s.py": b"def polite(c): return c.nothing"}
    )

    result = results_of(scope, run.id)[0]
    assert result.scores["polite"].value is None
    assert "AttributeError" in str(result.scores["polite"].error)
    assert (result.standing, run.cases_failed) == ("failed", 0)


def test_two_scorers_of_one_name_are_refused(run_cases: RunCases, target: ScriptedTarget) -> None:
    class Declared:
        name, kind, arguments = "accuracy", "exact", {}  # type: ignore[var-annotated] # test data

    with pytest.raises(Invalid, match="Two scorers are called `accuracy`"):
        run_cases(rows(2), scorers=[Declared(), Declared()])


def test_a_target_that_cannot_be_opened_stops_the_run_and_says_why(
    run_cases: RunCases, store: Store, scope: Scope
) -> None:
    def broken(_run: Run) -> Any:
        raise Invalid("bad_model_setup", "There is no file `answers.jsonl`")

    register_runner(store, broken)
    with pytest.raises(Invalid, match=r"no file `answers\.jsonl`"):
        run_cases(rows(2))

    from lineside.evals import list_runs

    (run,) = list_runs(scope)
    assert run.status == "stopped"
    assert "answers.jsonl" in run.failures["stopped:bad_model_setup"].message


def test_results_are_told_as_they_come_and_a_listener_cannot_stop_the_run(
    run_cases: RunCases, store: Store
) -> None:
    told: list[str] = []

    def listen(_run: Run, results: list[Result]) -> None:
        told.extend(result.case_id for result in results)
        raise RuntimeError("listener broke")

    register_runner(store, lambda _run: ScriptedTarget({}), on_results=listen)

    assert run_cases(rows(40)).cases_done == 40
    assert sorted(told) == sorted(f"c{n}" for n in range(1, 41))


PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from lineside.core import SYSTEM, Settings
from lineside.evals import get_run, keep_dataset, read_dataset, register_runner, start_run
from lineside.gateway import ModelReply
from lineside.store import open_store
from lineside.trust import Scope

home, url, log = sys.argv[1:]
file = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

class Target:
    async def __call__(self, payload):
        os.write(file, (payload["message"] + "\\n").encode())
        await asyncio.sleep(0.02)
        return ModelReply({"topic": "refund"}, "logged")
    async def close(self):
        pass

if __name__ == "__main__":
    store = open_store(Settings(home=Path(home), database_url=url))
    register_runner(store, lambda run: Target())
    scope = Scope(store, "main", SYSTEM, frozenset({"read", "test"}))
    rows = "".join('{"id":"c%d","input":{"message":"m%d"}}\\n' % (n, n) for n in range(400))
    dataset = read_dataset("golden.jsonl", rows.encode(), input_schema={}, output_schema={},
                           bytes_max=10**6)
    run = start_run(scope, use_case="triage", subject="s",
                    dataset=keep_dataset(scope, "triage", dataset))
    print(run.id, run.cases_done, flush=True)
    store.jobs.result(run.id)
    run = get_run(scope, run.id)
    print(run.status, run.cases_done, run.cases_failed, flush=True)
    store.close()
"""


def start(store: Store, program: Path, log: Path) -> "subprocess.Popen[str]":
    settings = store.settings
    return subprocess.Popen(
        [sys.executable, str(program), str(settings.home), settings.database_url, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_after_kill_9_or_ctrl_c_a_run_goes_on_and_judges_no_case_twice(
    store: Store, scope: Scope, tmp_path: Path, ended_by: signal.Signals
) -> None:
    program, log = tmp_path / "program.py", tmp_path / "asked.log"
    program.write_text(PROGRAM)

    first = start(store, program, log)
    deadline = time.monotonic() + 60
    while (not log.exists() or len(log.read_text().split()) < 120) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(first.pid, ended_by)
    run_id, _ = first.communicate(timeout=5)[0].split()[:2]
    before = {result.case_id for result in results_of(scope, run_id, limit=1000)}
    asked_before = len(log.read_text().split())

    second = start(store, program, log)
    output = second.communicate(timeout=60)[0].split()

    assert output[0] == run_id
    assert output[2:] == ["done", "400", "0"]
    asked = Counter(log.read_text().split())
    after = results_of(scope, run_id, limit=1000)
    assert len({result.case_id for result in after}) == len(after) == len(asked) == 400
    # Only what had been asked but not yet kept at the kill is asked again.
    assert sum(asked.values()) - 400 == asked_before - len(before)
    assert before
    assert all(asked[f"m{case_id[1:]}"] == 1 for case_id in before)
