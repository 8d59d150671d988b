"""Two runs, one answer; and an honest one where the data is bad."""

from collections.abc import Callable
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.evals import Run, verdicts
from lineside.evals.verdicts import RunVerdict
from lineside.trust import Scope

RunCases = Callable[..., Run]
Judge = Callable[..., RunVerdict]


@pytest.fixture
def judge(run_cases: RunCases, target: ScriptedTarget, scope: Scope) -> Judge:
    """Judges two runs over the same cases: the messages that each of them answers wrongly."""

    def judge_wrong(
        cases: list[dict[str, Any]], before: list[int], after: list[int], **asked: Any
    ) -> RunVerdict:
        runs = []
        for subject, wrong in (("a", before), ("b", after)):
            target.answers.clear()
            target.answers |= {f"m{n}": "lost_card" for n in wrong}
            runs.append(run_cases(cases, subject=subject).id)
        return verdicts.judge_pair(scope, *runs, **asked)

    return judge_wrong


def test_a_candidate_that_is_surely_better_ships(judge: Judge) -> None:
    found = judge(rows(100), before=list(range(1, 31)), after=[1, 2])

    assert found.verdict.decision == "ship"
    assert found.headline == "Ship: accuracy is 28.0 points higher, surely better than the baseline"
    assert (found.flips.won_total, found.flips.lost_total, found.flips.tied_total) == (28, 0, 72)
    assert found.main is not None
    assert (found.main.kind, found.main.standing) == ("binary", "better")
    assert RunVerdict.model_validate_json(found.model_dump_json()) == found


def test_not_enough_data_says_what_it_takes_to_know(judge: Judge) -> None:
    found = judge(rows(40), before=[1, 2, 3], after=[3, 4])

    assert found.verdict.decision == "more"
    assert found.more is not None
    # Each answer costs a tenth of a cent, and both runs answer every case.
    assert found.more.cost_usd == pytest.approx(found.more.cases * 0.002)
    assert found.headline == f"Not enough data: {found.more.in_words}"
    assert " USD and " in found.headline
