import re
from collections.abc import Callable

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.scoring import Declaration
from lineside.evals import Run, compare, judge_gate, judged, reports, results_of, sheet, summarise
from lineside.evals.plan import RunPlan
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]


def until(*rules: str) -> RunPlan:
    return RunPlan(rules=list(rules), stops_early=True)


def test_a_run_ends_when_its_rules_are_settled_and_the_gate_agrees(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(400), plan=until("accuracy >= 0.8"))

    assert run.status == "done"
    assert run.is_settled
    assert 40 <= run.cases_done < 200
    gate = judge_gate(scope, run, [parse_rule("accuracy >= 0.8")])
    assert (gate.verdict.decision, run.looks[-1].decision) == ("ship", "ship")
    assert gate.verdict.findings[0].confidence == run.looks[-1].confidence > 0.95
    assert gate.verdict.findings[0].failed == 0
    report = reports.as_markdown(reports.report_of(scope, run, gate))
    assert f"<sub>{run.cases_done} of 400 cases of golden, 0 without" in report
    assert re.search(r"\| 9\d(\.\d{1,2}\+?)? % interval \|", report)


def test_cases_are_drawn_so_that_a_sorted_dataset_does_not_settle_on_its_first_topic(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    target.answers |= {f"m{number}": "lost_card" for number in range(201, 401)}

    run = run_cases(rows(400), plan=until("accuracy >= 0.8"))

    assert (run.is_settled, run.looks[-1].decision) == (True, "hold")
    assert 0.3 < run.spent.right / run.cases_done < 0.7


def test_a_close_call_is_asked_to_the_end_at_nearly_the_usual_confidence(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    target.answers |= {f"m{number}": "lost_card" for number in range(1, 401, 5)}

    run = run_cases(rows(400), plan=until("accuracy >= 0.8"))

    assert (run.cases_done, len(run.looks), run.looks[-1].decision) == (400, 10, "more")
    assert 0.95 < run.confidence < 0.97


def test_a_run_that_ended_early_does_not_stand_in_for_a_whole_one(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    early = run_cases(rows(400), plan=until("accuracy >= 0.8"))

    whole = run_cases(rows(400))

    assert (whole.id != early.id, whole.cases_done) == (True, 400)
    assert whole.spent.recalled == early.cases_done
    assert len(target.asked) == 400


def test_a_run_that_ended_early_counts_again_only_beside_the_same_baseline(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    plans = [
        until("not worse than live by 0.2").model_copy(update={"baseline_run_id": live.id})
        for live in (run_cases(rows(400), subject=name) for name in ("live", "newly-live"))
    ]

    first, again, other = (run_cases(rows(400), plan=plans[at]) for at in (0, 0, 1))

    assert first.is_settled
    assert (again.id == first.id, other.id == first.id) == (True, False)


def test_a_large_run_says_the_same_from_its_columns_as_from_its_results(
    run_cases: RunCases,
    target: ScriptedTarget,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target.answers |= {"m3": "lost_card", "m7": ValueError("a bug")}
    cases = rows(40, slices={"channel": "mail"}, cluster="k") + rows(80)[40:]
    small = run_cases(cases)
    monkeypatch.setattr(sheet, "CASES_MIN", 10)
    target.answers["m9"] = "lost_card"
    large = run_cases(cases, fresh=True)
    again = run_cases(cases, fresh=True)

    assert (small.sheet, large.sheet is not None) == (None, True)
    assert compare(scope, large.id, again.id).difference.value == 0
    found = compare(scope, small.id, large.id)
    assert (found.worsened, found.unpaired_cases) == (["c9"], 1)
    in_mail = found.slices["channel"]["mail"]
    assert (in_mail.value, in_mail.cases, in_mail.n) == (pytest.approx(-1 / 39), 39, 1)
    summary = summarise(scope, large)
    accuracy = summary.scores["accuracy"].interval
    assert accuracy is not None
    assert (accuracy.value, summary.scores["accuracy"].missing) == (pytest.approx(77 / 79), 1)
    assert summary.slices["channel"]["mail"].value == pytest.approx(37 / 39)
    assert len(results_of(scope, large.id, only="wrong")) == 2


def test_rules_of_a_large_run_are_judged_from_its_columns(
    run_cases: RunCases,
    target: ScriptedTarget,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Percentiles and slice gaps too: 200,000 cases one by one would take a page a second."""
    cases = rows(120)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": ("mail", "chat")[number % 2]} if number < 100 else {}
        case["cluster"] = f"k{number // 2}"
    target.answers |= {"m3": "lost_card", "m7": ValueError("a bug")}
    rules = ["p90(tokens) <= 20", "slice gap(channel) <= 0.2", "not worse than live by 0.2"]
    scorers = [Declaration("exact", "accuracy", {}), Declaration("tokens", "tokens", {})]
    parsed = [parse_rule(rule) for rule in rules]
    small = run_cases(cases, scorers=scorers)
    by_case = judge_gate(scope, small, parsed, baseline_run=small)
    monkeypatch.setattr(sheet, "CASES_MIN", 10)
    large = run_cases(cases, subject="other", scorers=scorers)
    monkeypatch.delattr(judged, "_cases_of")

    by_column = judge_gate(scope, large, parsed, baseline_run=large)

    assert large.sheet
    for one, other in zip(by_case.verdict.findings, by_column.verdict.findings, strict=True):
        assert one == other
    assert by_column.notes[:1] == by_case.notes[:1]
    assert "says nothing of 20 cases without `channel`" in by_column.notes[0]
