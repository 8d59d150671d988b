from collections.abc import Callable
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Conflict, Denied, Invalid, Unavailable
from lineside.evals import GateOutcome, Run, judge_gate
from lineside.evals import target as asking
from lineside.evals.plan import RunLimits, RunPlan
from lineside.trust import Scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_BACKOFF_SECONDS", 0.001)


def judge(scope: Scope, run: Run, *rules: str, baseline: Run | None = None) -> GateOutcome:
    return judge_gate(
        scope,
        run,
        [parse_rule(rule) for rule in rules],
        baseline_run=baseline,
        nothing_is_live=baseline is None,
    )


def wrong(target: ScriptedTarget, *numbers: int) -> None:
    target.answers = {f"m{n}": "lost_card" for n in numbers}


def test_a_run_ships_when_its_whole_interval_clears_the_rule(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    wrong(target, *range(1, 11))
    outcome = judge(scope, run_cases(rows(200)), "accuracy >= 0.85")

    assert outcome.verdict.decision == "ship"
    assert outcome.verdict.sentence.startswith("Ship: accuracy is 95.0 % (95 % interval ")
    assert (outcome.cases_total, outcome.cases_failed, outcome.notes) == (200, 0, [])


def test_a_run_is_held_when_its_whole_interval_misses(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    wrong(target, *range(1, 101))
    outcome = judge(scope, run_cases(rows(200)), "accuracy >= 0.85")
    assert outcome.verdict.decision == "hold"


def test_too_few_cases_say_how_many_more(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    wrong(target, 1)
    outcome = judge(scope, run_cases(rows(20)), "accuracy >= 0.85")
    assert outcome.verdict.decision == "more"
    assert (outcome.verdict.cases_needed or 0) > 0


def test_an_outcome_survives_being_stored(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    rules = ("accuracy >= 0.85", "p99(latency_ms) <= 800", "not worse than live by 0.01")
    outcome = judge(scope, run_cases(rows(30)), *rules)
    assert GateOutcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_not_worse_than_live_passes_while_nothing_is_live(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    outcome = judge(scope, run_cases(rows(200)), "accuracy >= 0.85", "not worse than live by 0.01")

    assert outcome.verdict.decision == "ship"
    assert outcome.notes == [
        "`not worse than live by 0.01` does not apply yet: nothing else is live"
    ]


def test_a_rule_that_compares_is_refused_where_nobody_said_with_what(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run, rule = run_cases(rows(20)), parse_rule("not worse than live by 0.01")
    under_way = run.model_copy(update={"status": "running"})

    with pytest.raises(Invalid, match="needs a run to compare with") as caught:
        judge_gate(scope, run, [rule])
    with pytest.raises(Conflict, match=f"Run `{run.id}` has judged 20 of 20 cases"):
        judge_gate(scope, run, [rule], baseline_run=under_way)

    assert "--baseline" in str(caught.value.hint)


@pytest.mark.parametrize("rule", ["not worse than live by 0.01", "accuracy >= 0.8"])
def test_a_baseline_that_was_cut_decides_nothing(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope, rule: str
) -> None:
    """A fifth of the cases would hold the candidate for sure; the rest might say otherwise."""
    limits = RunLimits(cost_usd_max=0.04, concurrency_max=1)
    live = run_cases(rows(200), subject="live", plan=RunPlan(limits=limits))
    wrong(target, *range(1, 21))
    candidate = run_cases(rows(200), subject="candidate")

    outcome = judge(scope, candidate, "accuracy <= 0.99", rule, baseline=live)

    assert (live.status, live.cases_done) == ("stopped", 40)
    [_, finding] = outcome.verdict.findings
    if rule.startswith("not"):
        assert (outcome.verdict.decision, finding.decision) == ("more", "more")
        assert f"run `{live.id}`: the run stopped after 40 of 200 cases" in finding.sentence
    else:
        assert outcome.verdict.decision == "ship"


def test_a_worse_candidate_is_held_against_what_is_live(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    live = run_cases(rows(200), subject="live")
    wrong(target, *range(1, 31))
    candidate = run_cases(rows(200), subject="candidate")

    outcome = judge(scope, candidate, "not worse than live by 0.01", baseline=live)

    assert outcome.verdict.decision == "hold"
    assert "accuracy differs from live by -15.0 points" in outcome.verdict.sentence
    assert outcome.baseline_run_id == live.id


def test_a_slice_that_is_served_worse_is_found(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(300)
    for number, case in enumerate(cases, start=1):
        case["slices"] = {"channel": "mail" if number <= 150 else "chat"}
    wrong(target, *range(1, 61))

    outcome = judge(scope, run_cases(cases), "slice gap(channel) <= 0.05")

    assert outcome.verdict.decision == "hold"
    assert "accuracy gap by channel is 40.0 points" in outcome.verdict.sentence


def test_a_slice_that_no_case_has_names_the_nearest(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(3, slices={"channel": "mail"}))
    with pytest.raises(Invalid) as caught:
        judge(scope, run, "slice gap(chanel) <= 0.05")
    assert caught.value.hint == "Did you mean `channel`?"


def test_a_percentile_of_the_latency_is_judged(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(100))
    passes = judge(scope, run, "p95(latency_ms) <= 10000")
    fails = judge(scope, run, "p50(latency_ms) <= 0.00001")
    unknown = judge(scope, run, "p99(latency_ms) <= 10000")

    assert passes.verdict.decision == "ship"
    assert passes.verdict.sentence.startswith("Ship: latency p95 is ")
    assert fails.verdict.decision == "hold"
    assert unknown.verdict.decision == "more"
    assert unknown.verdict.cases_needed == 368 - 100
    assert "a p99 of so few cases has no upper end; 268 more" in unknown.verdict.sentence


def test_failed_cases_are_never_counted_as_zero(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": Invalid("output_misfit", "nonsense") for n in range(6, 241, 6)}
    outcome = judge(scope, run_cases(rows(240)), "accuracy >= 0.9")

    (finding,) = outcome.verdict.findings
    assert (outcome.verdict.decision, finding.value, finding.failed) == ("more", 1.0, 40)
    assert outcome.notes == ["40 × `invalid:output_misfit`: nonsense"]


def test_a_few_failed_cases_do_not_stop_what_is_sure_without_them(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": Invalid("output_misfit", "nonsense") for n in (1, 2)}
    rules = ("accuracy >= 0.9", "latency_ms <= 5000", "p90(latency_ms) <= 5000")
    outcome = judge(scope, run_cases(rows(240)), *rules)
    assert outcome.verdict.decision == "ship"


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("model_down", "Nothing listens at http://127.0.0.1:9"),
        Unavailable("model_slow", "No answer within 30 s"),
        Unavailable("rate_limited", "429, asked to wait 60 s"),
        Invalid("output_misfit", "The answer is not JSON"),
        Denied("model_denied", "401: the key was refused"),
    ],
)
def test_a_model_that_never_answers_is_not_enough_data(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope, error: Exception
) -> None:
    target.answers["*"] = error
    run = run_cases(rows(240))
    outcome = judge(
        scope, run, "accuracy >= 0.85", "not worse than live by 0.01", "p95(latency_ms) <= 5"
    )

    assert run.cases_failed == 240
    assert outcome.verdict.decision == "more"
    assert outcome.verdict.sentence == (
        f"Not enough data: none of 240 cases got an answer: {error}"
    )


def test_repetitions_are_averaged_and_do_not_count_as_cases(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": ["lost_card"] for n in range(1, 11)}
    outcome = judge(scope, run_cases(rows(50), repetitions=2), "accuracy >= 0.5")

    (finding,) = outcome.verdict.findings
    assert (finding.n, finding.value) == (50, pytest.approx(0.9))


def test_related_cases_widen_the_interval(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    wrong(target, *range(1, 21))
    alone, related = rows(200), rows(200)
    for number, case in enumerate(related):
        case["cluster"] = f"talk-{number // 20}"

    (one,) = judge(scope, run_cases(alone), "accuracy >= 0.8").verdict.findings
    (other,) = judge(scope, run_cases(related), "accuracy >= 0.8").verdict.findings

    assert one.low is not None
    assert other.low is not None
    assert (other.n, other.low < one.low) == (10, True)


def test_a_rule_about_a_score_that_is_not_there_names_the_nearest(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    with pytest.raises(Invalid, match="has no score `acuracy`"):
        judge(scope, run_cases(rows(3)), "acuracy >= 0.85")


def test_a_run_under_way_cannot_be_judged(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run: Any = run_cases(rows(3)).model_copy(update={"status": "running"})
    with pytest.raises(Conflict, match="has judged 3 of 3 cases"):
        judge(scope, run, "accuracy >= 0.85")


def test_a_stopped_run_never_ships(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run = run_cases(rows(200)).model_copy(update={"status": "stopped", "cases_total": 400})
    outcome = judge(scope, run, "accuracy >= 0.1")
    assert outcome.verdict.decision == "more"
    assert "the run stopped after 200 of 400 cases" in outcome.verdict.sentence
