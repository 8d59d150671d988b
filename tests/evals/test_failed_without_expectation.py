"""A case that failed and expects nothing counts alike in every sum."""

from collections.abc import Callable

from evals.conftest import ScriptedTarget, rows
from lineside.core import Unavailable
from lineside.evals import Run, compare, judge_gate, summarise, verdicts
from lineside.trust import Scope
from lineside.usecases import parse_rule


def test_failed_cases_that_expect_nothing_count_alike_everywhere(
    run_cases: Callable[..., Run], target: ScriptedTarget, scope: Scope
) -> None:
    """Of 40 cases 5 expect nothing, and 3 fail, of which 2 expect nothing.

    Whether a scorer would have judged a failed case is not known, so that it counts both ways.
    """
    cases = rows(40)
    for n in (1, 2, 3, 10, 11):
        cases[n - 1]["expected"] = {}
    down = Unavailable("model_down", "It is down")
    target.answers |= {f"m{n}": down for n in (1, 2, 20)}
    before, after = (run_cases(cases, subject=subject) for subject in ("a", "b"))

    [gate] = judge_gate(scope, after, [parse_rule("accuracy >= 0.5")]).verdict.findings
    shown = summarise(scope, after).scores["accuracy"]
    point = verdicts.run_history(scope, "triage")[0]
    board = verdicts.rank_runs(scope, "triage")
    compared = compare(scope, before.id, after.id)
    page = verdicts.judge_pair(scope, before.id, after.id)

    assert shown.interval is not None
    assert page.main is not None
    scored_and_failed = {
        "gate": (gate.cases, gate.failed),
        "run": (shown.interval.cases_scored, shown.missing),
        "history": (point.cases, point.missing),
        "leaderboard": (board.cases - board.entries[0].failed, board.entries[0].failed),
        "compare": (compared.difference.cases, compared.missing_cases),
        "page": (page.main.cases, page.main.missing),
    }
    assert scored_and_failed == dict.fromkeys(scored_and_failed, (34, 3))
    assert "3 cases failed, counted both ways" in gate.sentence
    assert "rests on 34 of 40 cases: 3 expect nothing" in gate.sentence
    assert "rests on 34 of 40 cases: 3 expect nothing" in shown.rests_on
