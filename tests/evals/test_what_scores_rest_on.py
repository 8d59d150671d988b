"""Cases that nothing can be held against, and cases that failed, are said beside every number."""

from collections.abc import Callable
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.cli.progress import _so_far
from lineside.core import Denied
from lineside.evals import GateOutcome, Run, compare, judge_gate, summarise, verdicts
from lineside.evals import target as asking
from lineside.evals.reports import as_markdown, report_of
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_BACKOFF_SECONDS", 0.001)


def judge(scope: Scope, run: Run, *rules: str) -> GateOutcome:
    return judge_gate(scope, run, [parse_rule(rule) for rule in rules])


def half_open(held: int, unheld: int) -> list[dict[str, Any]]:
    """Cases of which only the first expect something."""
    cases = rows(held + unheld)
    return cases[:held] + [case | {"expected": {}} for case in cases[held:]]


def test_a_verdict_says_on_how_many_of_the_cases_a_score_rests(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(half_open(20, 40))
    outcome = judge(scope, run, "accuracy >= 0.8", "p95(latency_ms) <= 1000")

    rests = "rests on 20 of 60 cases: 40 expect nothing this score can be held against"
    by_score, by_time = outcome.verdict.findings
    assert by_score.sentence.endswith(f"; it {rests}")
    assert "rests on" not in by_time.sentence
    assert rests in judge(scope, run, "accuracy >= 0.8").verdict.sentence
    scores = summarise(scope, run).scores
    assert scores["accuracy"].rests_on == rests
    assert scores["latency_ms"].rests_on == ""
    assert rests in as_markdown(report_of(scope, run, judge(scope, run, "accuracy >= 0.8")))


def test_two_runs_say_so_too(run_cases: RunCases, target: ScriptedTarget, scope: Scope) -> None:
    before, after = [run_cases(half_open(20, 40), subject=name) for name in ("one", "two")]
    notes = verdicts.judge_pair(scope, before.id, after.id).notes
    assert (
        "`accuracy` rests on 20 of 60 cases: 40 expect nothing this score can be held against"
    ) in notes


def test_progress_calls_nothing_right_that_was_not_scored(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    mixed = run_cases(half_open(4, 6))
    assert (mixed.spent.right, mixed.spent.wrong) == (4, 0)
    assert ", 100 % right of 4 scored" in _so_far(mixed)

    nothing = run_cases([case | {"id": f"n{case['id']}"} for case in half_open(0, 6)])
    assert (nothing.spent.right, nothing.spent.wrong) == (0, 0)
    assert "right" not in _so_far(nothing)


def failing(target: ScriptedTarget, *numbers: int) -> None:
    """These get no answer, all others the right one."""
    target.answers = {f"m{n}": Denied("down", "No answer") for n in numbers}


def test_who_failed_cases_is_not_ranked_by_the_rest_alone(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    wrong = {f"m{n}": "lost_card" for n in range(1, 61)}
    target.answers = dict(wrong)
    poor = run_cases(rows(80), subject="poor")
    failing(target, *range(4, 81, 4))
    broken = run_cases(rows(80), subject="broken")
    target.answers = {}
    whole = run_cases(rows(80), subject="whole")

    board = verdicts.rank_runs(scope, "triage")

    assert (board.cases, board.left_out) == (80, 0)
    assert [entry.run_id for entry in board.entries] == [whole.id, broken.id, poor.id]
    first, second, last = board.entries
    assert [entry.failed for entry in board.entries] == [0, 20, 0]
    gate = judge(scope, broken, "accuracy >= 0.8").verdict.findings[0]
    assert second.mean == 1.0
    assert (second.low or 1) <= (gate.low or 1) < 0.7
    assert second.tied_with == [whole.id]
    assert (last.rank_best, last.rank_worst) == (3, 3)
    assert [first.is_on_frontier, second.is_on_frontier] == [True, False]


def test_no_step_is_called_better_by_the_answered_cases_alone(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": "lost_card" for n in range(1, 17)}
    run_cases(rows(80), subject="one")
    # It fails what the one before got right, and is right on all that it answers.
    failing(target, *range(17, 60))
    run_cases(rows(80), subject="two")

    newest, oldest = verdicts.run_history(scope, "triage")

    assert (newest.missing, oldest.missing) == (43, 0)
    assert (newest.change or 0) > 0.3
    assert newest.standing == "open"
    assert (newest.low or 1) < 0.5


def test_table_and_plot_show_the_interval_that_decides(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(80, slices={"channel": "mail"})
    before = run_cases(cases, subject="one")
    failing(target, *range(4, 81, 4))
    after = run_cases(cases, subject="two")

    found = verdicts.judge_pair(scope, before.id, after.id)
    decided, main = found.verdict.findings[0], found.effects[0]
    assert (main.low, main.high) == (decided.low, decided.high)
    assert (main.low or 0) < -0.2
    assert (main.standing, main.p_adjusted > 0.2) == ("open", True)

    gate = judge(scope, after, "accuracy >= 0.8").verdict.findings[0]
    summary = summarise(scope, after)
    for shown in (summary.scores["accuracy"].interval, summary.slices["channel"]["mail"]):
        assert shown is not None
        assert (shown.value, shown.low, shown.high) == (1.0, gate.low, gate.high)

    one = compare(scope, before.id, after.id)
    assert (one.difference.low, one.difference.high) == (decided.low, decided.high)
    assert (one.missing_cases, one.unpaired_cases) == (20, 20)


def test_the_headline_asks_for_the_failed_cases_again(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    before = run_cases(rows(80), subject="one")
    failing(target, *range(4, 81, 4))
    after = run_cases(rows(80), subject="two")

    wide = verdicts.judge_pair(scope, before.id, after.id, margin=0.1)
    assert wide.more is not None
    # A tenth of a cent an answer, and only the candidate has to be asked again.
    assert (wide.more.cases, wide.more.failed) == (20, 20)
    assert wide.more.cost_usd == pytest.approx(0.02)
    assert wide.headline.startswith("Not enough data: ask the 20 failed cases again, 0.02 USD and")
    narrow = verdicts.judge_pair(scope, before.id, after.id, margin=0.02)
    assert " more cases, the 20 that failed first, " in narrow.headline
