from collections.abc import Callable

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Invalid, Unavailable
from lineside.evals import Comparison, Run, compare
from lineside.trust import Scope

RunCases = Callable[..., Run]


def test_two_runs_are_compared_case_by_case(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(40)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": "mail" if number < 10 else "chat"}
    target.answers |= {f"m{n}": "lost_card" for n in (1, 2, 3)}
    before = run_cases(cases, subject="a")
    target.answers.clear()
    target.answers["m40"] = "lost_card"
    after = run_cases(cases, subject="b")

    found = compare(scope, before.id, after.id)

    assert (found.score, found.unit, found.unpaired_cases) == ("accuracy", "%", 0)
    assert found.difference.value == pytest.approx(2 / 40)
    assert found.difference.low < 0 < found.difference.high
    assert (found.improved, found.worsened) == (["c1", "c2", "c3"], ["c40"])
    assert found.slices["channel"]["mail"].value == pytest.approx(0.3)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_only_cases_with_the_same_input_are_paired(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers["m9"] = Invalid("output_misfit", "nonsense")
    before = run_cases(rows(10))
    changed = rows(12)
    changed[0]["input"] = {"message": "another"}
    after = run_cases(changed)

    found = compare(scope, before.id, after.id)

    # c1 differs on both sides, c11 and c12 are new, c9 failed in both.
    assert found.unpaired_cases == 2 + 2 + 1
    assert found.difference.n == 8


def test_runs_without_a_common_case_cannot_be_compared(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    before = run_cases(rows(3))
    target.answers["*"] = Unavailable("model_down", "down")
    after = run_cases(rows(3), subject="b")
    with pytest.raises(Invalid, match="share no case") as caught:
        compare(scope, before.id, after.id)
    assert caught.value.code == "no_paired_cases"


def test_a_score_that_is_not_there_names_the_nearest(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(3))
    with pytest.raises(Invalid) as caught:
        compare(scope, run.id, run.id, score="acuracy")
    assert caught.value.hint == "Did you mean `accuracy`?"


def test_a_lower_latency_is_good_news(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(3))
    found = compare(scope, run.id, run.id, score="latency_ms")
    assert (found.unit, found.higher_is_better) == ("ms", False)
