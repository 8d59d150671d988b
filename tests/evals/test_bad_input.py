"""Data that tells little: whoever asks gets a clear word, and nothing ships on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Invalid, Settings
from lineside.evals import Run, compare, datasets, judge_gate, summarise, verdicts
from lineside.evals.run import RunScorer
from lineside.store import Store, open_store
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]
RULES = ("right >= 0.5", "not worse than live by 0.05 on right", "slice gap(lang) <= 0.2 on right")


@pytest.fixture
def store(made_home: Path) -> Iterator[Store]:
    """On SQLite: what is judged does not depend on the database."""
    opened = open_store(Settings(home=made_home))
    yield opened
    opened.close()


@pytest.fixture
def two_runs(run_cases: RunCases) -> Callable[..., tuple[Run, Run]]:
    """Two runs over the same cases, scored by a line of Python each, called `right`."""

    def run(cases: list[dict[str, Any]], before: str, after: str) -> tuple[Run, Run]:
        done = []
        for subject, line in (("a", before), ("b", after)):
            source = f"def score(context):\n    n = int(context.input['message'][1:])\n    {line}\n"
            scorer = {"name": "right", "kind": "python", "arguments": {"function": "s.py:score"}}
            done.append(
                run_cases(
                    cases,
                    subject=subject,
                    scorers=[RunScorer.model_validate(scorer)],
                    scorer_files={"s.py": source.encode()},
                )
            )
        return done[0], done[1]

    return run


def related(count: int, clusters: int) -> list[dict[str, Any]]:
    cases = rows(count, slices={"lang": "de"})
    return [case | {"cluster": f"talk-{at % clusters}"} for at, case in enumerate(cases)]


@pytest.mark.parametrize(
    ("cases", "before", "after", "word"),
    [
        (related(1, 1), "return 0.0", "return 1.0", "There is one case only"),
        (related(30, 1), "return float(n > 3)", "return 1.0", "they count as one"),
        (related(30, 2), "return float(n > 3)", "return 1.0", "take the interval as rough"),
        (related(9, 9), "return float('nan')", "return float('inf')", "9 cases lack a score"),
        (related(9, 9), "return 1.0", "return 'yes'", "9 cases lack a score"),
    ],
    ids=["one case", "one cluster", "two clusters", "no number", "mixed types"],
)
def test_data_that_tells_little_never_ships_and_says_why(
    two_runs: Callable[..., tuple[Run, Run]],
    target: ScriptedTarget,
    scope: Scope,
    cases: list[dict[str, Any]],
    before: str,
    after: str,
    word: str,
) -> None:
    first, second = two_runs(cases, before, after)

    found = verdicts.judge_pair(scope, first.id, second.id)
    assert found.verdict.decision == "more"
    assert any(word in note for note in found.notes)
    for rule in RULES:
        outcome = judge_gate(scope, second, [parse_rule(rule)], baseline_run=first)
        assert outcome.verdict.decision == "more", rule
        assert verdicts.explain_gate(scope, outcome)
    assert all(point.standing != "better" for point in verdicts.run_history(scope, "triage"))
    assert summarise(scope, second).scores["right"].missing in {0, 9}
    assert verdicts.analyse_errors(scope, second.id).failed in {0, 9}


@pytest.mark.parametrize("clusters", [1, 30])
def test_a_plan_needs_two_cases_that_are_not_related(
    two_runs: Callable[..., tuple[Run, Run]], target: ScriptedTarget, scope: Scope, clusters: int
) -> None:
    pilots = two_runs(related(30, clusters), "return float(n > 3)", "return float(n > 1)")

    if clusters > 1:
        assert verdicts.plan_runs(scope, pilots[0].id, pilots[1].id)
        return
    with pytest.raises(Invalid, match="the pilots share 1, at least 2") as caught:
        verdicts.plan_runs(scope, pilots[0].id, pilots[1].id)
    assert caught.value.hint


def test_grades_are_planned_by_how_many_get_better(
    two_runs: Callable[..., tuple[Run, Run]], target: ScriptedTarget, scope: Scope
) -> None:
    """Twice the distance between grades takes no further case: the verdict does not look at it."""
    near = two_runs(related(30, 30), "return n % 3", "return n % 3 + (n % 5 == 0)")
    far = two_runs(related(30, 30), "return 2 * (n % 3)", "return 2 * (n % 3 + (n % 5 == 0))")

    plans = [verdicts.plan_runs(scope, a.id, b.id, margin=0.1)[0].cases for a, b in (near, far)]

    assert plans[0] == plans[1]
    assert compare(scope, near[0].id, near[1].id).difference.value == pytest.approx(0.2)


def test_a_column_of_mixed_types_is_kept_as_it_is_written(tmp_path: Path) -> None:
    lines = [
        '{"input": {"q": 1}, "expected": {"a": "one"}}',
        '{"input": {"q": "1"}, "expected": {"a": 1}}',
        '{"input": {"q": true}, "expected": {"a": null}}',
        '["no", "object"]',
    ]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines))

    found = datasets.importing.import_cases(tmp_path / "mixed.jsonl", form="lineside")

    assert [case.input["q"] for case in found.dataset] == [1, "1", True]
    assert len({case.id for case in found.dataset}) == 3
    assert found.left_out == {"no object with fields": 1}
