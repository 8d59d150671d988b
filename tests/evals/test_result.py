from collections.abc import Callable

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Invalid, NotFound
from lineside.evals import Run, get_run, list_runs, results_of
from lineside.trust import Scope

RunCases = Callable[..., Run]


@pytest.fixture
def run(run_cases: RunCases, target: ScriptedTarget) -> Run:
    """Twelve cases: c3 failed, c1 and c2 wrong."""
    target.answers |= {
        "m1": "lost_card",
        "m2": "lost_card",
        "m3": Invalid("output_misfit", "nonsense"),
    }
    cases = rows(12)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": 'say "mail"' if number % 2 else "chat_100%"}
    return run_cases(cases)


def test_failures_come_first_then_wrong_answers(run: Run, scope: Scope) -> None:
    ids = [result.case_id for result in results_of(scope, run.id)]
    assert ids[:4] == ["c3", "c1", "c2", "c4"]
    assert [r.case_id for r in results_of(scope, run.id, only="wrong")] == ["c1", "c2"]
    assert [r.case_id for r in results_of(scope, run.id, only="failed")] == ["c3"]


def test_pages_follow_each_other_without_gap_or_repeat(run: Run, scope: Scope) -> None:
    seen: list[str] = []
    after = None
    while page := results_of(scope, run.id, limit=5, after=after):
        seen += [result.case_id for result in page]
        after = page[-1].cursor
    assert seen == [result.case_id for result in results_of(scope, run.id)]


def test_results_of_one_slice(run: Run, scope: Scope) -> None:
    odd = results_of(scope, run.id, in_slice=("channel", "chat_100%"))
    even = results_of(scope, run.id, in_slice=("channel", 'say "mail"'))
    assert {result.case_id for result in odd} == {"c1", "c3", "c5", "c7", "c9", "c11"}
    assert len(even) == 6
    assert results_of(scope, run.id, in_slice=("channel", "chat_1000")) == []


def test_a_cursor_of_rubbish_is_refused(run: Run, scope: Scope) -> None:
    with pytest.raises(Invalid, match="Results cannot go on after `x`"):
        results_of(scope, run.id, after="x")


def test_a_run_is_not_seen_from_another_workspace(run: Run, scope: Scope) -> None:
    other = Scope(scope.store, "other", scope.actor, scope.rights)
    assert list_runs(other) == []
    for look in (get_run, results_of):
        with pytest.raises(NotFound):
            look(other, run.id)


def test_runs_are_listed_newest_first(run: Run, run_cases: RunCases, scope: Scope) -> None:
    newer = run_cases(rows(2))
    assert [item.id for item in list_runs(scope, use_case="triage")] == [newer.id, run.id]
    assert list_runs(scope, use_case="other") == []
