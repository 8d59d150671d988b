"""Each door shows the interval that decides, and no other, for one score of one run."""

from collections.abc import Callable
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.scoring import Declaration
from lineside.core import Unavailable
from lineside.evals import Run, compare, judge_gate, summarise, verdicts
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]
Ends = tuple[float | None, float | None]

# Grades of four levels, and shares with many; both lower where the answer is wrong.
OWN = b"""
def grade(context):
    return 1.0 + ord(context.case_id[-1]) % 4 - (context.output["topic"] != "refund")


def share(context):
    return (ord(context.case_id[-1]) % 10) / 20 + 0.5 * (context.output["topic"] == "refund")
"""
SCORERS = [
    Declaration("exact", "accuracy", {}),
    Declaration("python", "grade", {"function": "s.py:grade"}),
    Declaration("python", "share", {"function": "s.py:share"}),
    Declaration("tokens", "tokens", {}),
]
AMOUNTS = ("tokens", "latency_ms", "cost_usd")


@pytest.fixture
def two_runs(run_cases: RunCases, target: ScriptedTarget) -> Callable[[int], list[Run]]:
    """Two candidates over the same 60 cases, of which a few may fail."""

    def run(failing: int, **more: Any) -> list[Run]:
        found = []
        for subject, wrong in (("a", 9), ("b", 5)):
            down = Unavailable("model_down", "It is down")
            target.answers.clear()
            target.answers |= {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
            target.answers |= {f"m{n}": down for n in range(30, 30 + failing)}
            cases = rows(60, slices={"all": "yes"})
            found.append(
                run_cases(cases, subject=subject, scorers=SCORERS, scorer_files={"s.py": OWN})
            )
        return found

    return run


def ends(shown: Any) -> Ends:
    """Both ends, up to rounding; nothing for one that the cases do not bound."""
    low, high = (None if end is None or abs(end) == float("inf") else round(end, 12)
                 for end in (shown.low, shown.high))  # fmt: skip
    return low, high


@pytest.mark.parametrize("failing", [0, 3])
@pytest.mark.parametrize("score", ["accuracy", "grade", "share", *AMOUNTS])
def test_every_door_shows_the_mean_with_the_interval_of_the_gate(
    two_runs: Callable[[int], list[Run]], scope: Scope, score: str, failing: int
) -> None:
    _, after = two_runs(failing)
    rule = parse_rule(f"{score} {'<=' if score in AMOUNTS else '>='} 0.5")
    [decides] = judge_gate(scope, after, [rule]).verdict.findings

    summary = summarise(scope, after, score=score)
    [point, _] = verdicts.run_history(scope, "triage", score=score)
    board = verdicts.rank_runs(scope, "triage", score=score)
    [entry] = [entry for entry in board.entries if entry.run_id == after.id]

    doors = {
        "run": summary.scores[score].interval,
        "slice": summary.slices["all"]["yes"],
        "history": point,
        "leaderboard": entry,
    }
    assert {name: ends(shown) for name, shown in doors.items()} == dict.fromkeys(
        doors, ends(decides)
    )


@pytest.mark.parametrize("failing", [0, 3])
@pytest.mark.parametrize("score", ["accuracy", "grade", "share", *AMOUNTS])
def test_every_door_shows_the_difference_with_the_interval_that_decides(
    two_runs: Callable[[int], list[Run]], scope: Scope, score: str, failing: int
) -> None:
    before, after = two_runs(failing)

    page = verdicts.judge_pair(scope, before.id, after.id, score=score)
    compared = compare(scope, before.id, after.id, score=score)
    [point, _] = verdicts.run_history(scope, "triage", score=score)

    assert page.main is not None
    assert ends(page.main) == pytest.approx(ends(page.verdict.findings[0]))
    assert ends(compared.difference) == ends(page.main)
    assert point.change == compared.difference.value == page.main.difference
    assert point.p_adjusted == compared.difference.p_value
    assert ends(compared.slices["all"]["yes"]) == ends(page.slices.effects[0])
    if score == "accuracy":
        rule = parse_rule("not worse than live by 0.1")
        [decides] = judge_gate(scope, after, [rule], baseline_run=before).verdict.findings
        assert ends(compared.difference) == ends(decides)
        assert ends(compared.slices["all"]["yes"]) == ends(decides)
