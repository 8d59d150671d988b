"""Two runs, one answer; and an honest one where the data is bad."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.test_judges import declared, judge_file
from lineside.core import Invalid, Unavailable
from lineside.evals import Run, judge_gate, register_runner, verdicts
from lineside.evals.judged import read_judged
from lineside.evals.run import RunScorer
from lineside.evals.verdicts import RunVerdict
from lineside.evals.verdicts.price import pace_of
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.trust import Scope
from lineside.usecases import parse_rule

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


class Slow(ScriptedTarget):
    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        await asyncio.sleep(0.02)
        return await super().__call__(payload)


def test_what_it_takes_to_know_counts_judges_and_is_not_less_where_answers_were_known(
    run_cases: RunCases, store: Store
) -> None:
    register_runner(store, lambda _run: Slow({}))
    judge = {"scorers": [declared()], "scorer_files": judge_file(cost_usd=0.01)}
    run_cases(rows(60))

    run = run_cases(rows(62), **judge)

    assert (run.spent.recalled, run.spent.concurrency) == (60, 8)
    judged = read_judged(store, run)
    pace = pace_of(judged)
    latency_ms = judged.column("latency_ms").values.mean()
    assert pace.cost_usd == pytest.approx(0.011)
    assert pace.seconds is not None
    assert pace.seconds >= latency_ms / 1000 / 8


def test_a_gain_too_small_to_matter_holds_where_a_gain_was_asked_for(judge: Judge) -> None:
    found = judge(rows(100), before=[1], after=[1], goal="better", margin=0.2)

    assert found.verdict.decision == "hold"
    assert found.headline == "Hold: accuracy is not better by as much as matters"


def test_a_guard_holds_what_the_main_score_would_ship(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    before = run_cases(rows(60), subject="a")
    target.answers |= {f"m{n}": Unavailable("model_down", "down") for n in range(1, 61, 2)}
    after = run_cases(rows(60), subject="b")

    found = verdicts.judge_pair(scope, before.id, after.id, guards={"failed": 0.05})

    failed = next(effect for effect in found.effects if effect.name == "failed")
    assert (failed.kind, failed.role, failed.standing) == ("rate", "guard", "worse")
    assert found.verdict.decision == "hold"
    assert "30 cases lack a score in one of the runs, counted both ways" in found.notes
    with pytest.raises(Invalid) as caught:
        verdicts.judge_pair(scope, before.id, after.id, guards={"latency": 0.1})
    assert caught.value.hint == "Did you mean `latency_ms`?"


def test_measures_beside_the_main_score_hold_at_once(judge: Judge) -> None:
    found = judge(rows(60), before=[1, 2, 3], after=[4])

    beside = [effect for effect in found.effects if effect.role == "watched"]
    assert {effect.name for effect in beside} == {"latency_ms", "cost_usd", "cost_per_success"}
    ratio = next(effect for effect in beside if effect.name == "cost_per_success")
    assert ratio.kind == "ratio"
    assert ratio.baseline == pytest.approx(0.001 * 60 / 57)
    assert ratio.together_low is not None
    assert ratio.low is not None
    assert ratio.together_low < ratio.low


def test_a_grade_is_judged_by_who_got_better_and_who_got_worse(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    source = b"def score(context):\n    return len(context.output['tags'])\n"
    grade = {"name": "grade", "kind": "python", "arguments": {"function": "grade.py:score"}}
    runs = []
    for subject, more in (("a", 0), ("b", 1)):
        answers = {
            f"m{n}": {"topic": "refund", "confidence": 1.0, "tags": ["x"] * (n % 3 + more)}
            for n in range(1, 41)
        }
        target.answers |= answers
        runs.append(
            run_cases(
                rows(40),
                subject=subject,
                scorers=[RunScorer.model_validate(grade)],
                scorer_files={"grade.py": source},
            ).id
        )

    main = verdicts.judge_pair(scope, *runs).main

    assert main is not None
    assert (main.kind, main.unit, main.difference_unit) == ("ordinal", "", "points")
    assert main.difference == 1.0  # each of the 40 got better
    assert main.candidate - main.baseline == pytest.approx(1.0)
    assert main.standing == "better"


def test_gate_and_page_judge_grades_alike(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    """A few grades fell far and many rose a little: the mean fell, and most cases got better."""
    source = b"def score(context):\n    return len(context.output['tags'])\n"
    grade = {"name": "grade", "kind": "python", "arguments": {"function": "grade.py:score"}}
    runs = []
    for subject, high, low in (("a", 5, 3), ("b", 1, 4)):
        target.answers |= {
            f"m{n}": {
                "topic": "refund",
                "confidence": 1.0,
                "tags": ["x"] * (low if n > 12 else high),
            }
            for n in range(1, 41)
        }
        more = {"scorers": [RunScorer.model_validate(grade)], "scorer_files": {"grade.py": source}}
        runs.append(run_cases(rows(40), subject=subject, **more))

    page = verdicts.judge_pair(scope, runs[0].id, runs[1].id, margin=0.05)
    rules = [parse_rule("not worse than live by 0.05 on grade")]
    gate = judge_gate(scope, runs[1], rules, baseline_run=runs[0])

    (on_page,), (at_gate,) = page.verdict.findings, gate.verdict.findings
    assert at_gate.value == on_page.value == pytest.approx((28 - 12) / 40)
    assert (at_gate.low, at_gate.high, at_gate.p_pass) == (
        on_page.low,
        on_page.high,
        on_page.p_pass,
    )
    assert gate.verdict.decision == page.verdict.decision == "ship"
    assert "points" in at_gate.sentence


def test_a_slice_that_fares_unlike_the_rest_is_found(judge: Judge) -> None:
    cases = rows(120)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": ["mail", "chat", "phone"][number // 40], "half": number % 2}
    found = judge(cases, before=[], after=list(range(1, 31)))

    surely = [one for one in found.slices.effects if one.is_unlike_rest]
    assert ("channel", "mail") in {(one.slice, one.value) for one in surely}
    assert not any(one.slice == "half" for one in surely)
    assert surely[0].difference == pytest.approx(-0.75)


# What may be wrong with the data, each with a clear word and an honest verdict.


def test_runs_without_a_common_case_are_not_enough_data(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    before = run_cases(rows(3), subject="a")
    others = [{**case, "id": f"other-{case['id']}"} for case in rows(3)]
    after = run_cases(others, subject="b")

    found = verdicts.judge_pair(scope, before.id, after.id)

    assert found.verdict.decision == "more"
    assert found.headline == (
        "Not enough data: the two runs share no case with the same id, input and expectation"
    )
    assert (found.effects, found.more) == ([], None)


def test_one_case_shows_nothing_beyond_itself(judge: Judge) -> None:
    found = judge(rows(1), before=[1], after=[])

    assert found.verdict.decision == "more"
    assert found.notes[0].startswith("There is one case only")


@pytest.mark.parametrize(("wrong", "score"), [([], "1"), (list(range(1, 61)), "0")])
def test_a_dataset_that_tells_nothing_apart_says_so(
    judge: Judge, wrong: list[int], score: str
) -> None:
    found = judge(rows(60), before=wrong, after=wrong, goal="better")

    assert found.verdict.decision == "more"
    assert found.flips.tied_total == 60
    assert any(f"Every case scored {score} in both runs" in text for text in found.notes)


def test_all_ties_of_different_cases_do_not_read_as_certain(judge: Judge) -> None:
    found = judge(rows(30), before=[1, 2], after=[1, 2], margin=0.01)

    assert found.verdict.decision == "more"
    assert found.main is not None
    assert found.main.low is not None
    assert found.main.low < 0
    assert "No case scored differently in the two runs" in found.notes


def test_one_cluster_only_counts_as_one(judge: Judge) -> None:
    found = judge(rows(40, cluster="talk"), before=list(range(1, 30)), after=[])

    assert found.verdict.decision == "more"
    assert any("they count as one" in text for text in found.notes)
    assert found.main is not None
    assert found.main.units == 1
    assert found.more is None
    assert found.headline == (
        "Not enough data: all 40 cases are of one conversation or document; cases of others are "
        "needed"
    )
    assert found.verdict.sentence.endswith(
        "all 40 cases are of one cluster, only cases of others can settle it"
    )


def test_clusters_of_size_one_are_as_good_as_none(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    intervals = []
    for clustered in (False, True):
        cases = rows(40)
        for number, case in enumerate(cases):
            case["cluster"] = f"talk-{number}" if clustered else None
        runs = []
        for subject, wrong in (("a", range(1, 9)), ("b", range(1, 3))):
            target.answers.clear()
            target.answers |= {f"m{n}": "lost_card" for n in wrong}
            runs.append(run_cases(cases, subject=subject).id)
        main = verdicts.judge_pair(scope, *runs).main
        assert main is not None
        intervals.append((main.low, main.high, main.p_adjusted))

    assert intervals[0] == intervals[1]


def test_a_score_that_is_no_number_is_missing_and_counts_both_ways(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    source = (
        b"def score(context):\n"
        b"    return float('nan') if context.input['message'] == 'm1' else 1.0\n"
    )
    odd = {"name": "odd", "kind": "python", "arguments": {"function": "odd.py:score"}}
    more = {"scorers": [RunScorer.model_validate(odd)], "scorer_files": {"odd.py": source}}
    runs = [run_cases(rows(50), subject=subject, **more).id for subject in ("a", "b")]

    found = verdicts.judge_pair(scope, *runs)

    assert found.main is not None
    assert (found.main.cases, found.main.missing) == (49, 1)
    assert "1 case lacks a score in one of the runs, counted both ways" in found.notes
    assert found.verdict.decision == "more"


# Many runs, one run taken apart, and what the next one takes.
