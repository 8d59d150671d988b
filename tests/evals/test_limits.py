import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.test_judges import declared, judge_file
from lineside.core import Invalid
from lineside.evals import (
    Run,
    get_run,
    keep_dataset,
    register_runner,
    results_of,
    start_run,
    summarise,
)
from lineside.evals.dataset import Dataset
from lineside.evals.plan import RunLimits, RunPlan
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.traces import prices
from lineside.trust import Scope, local_scope

RunCases = Callable[..., Run]


def within(**limits: Any) -> RunPlan:
    return RunPlan(limits=RunLimits(**limits))


def test_what_an_earlier_run_answered_is_judged_again_without_being_asked(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    first = run_cases(rows(20))
    changed = [SimpleNamespace(name="refunds", kind="contains", arguments={"field": "topic"})]

    again = run_cases(rows(30), scorers=changed)

    assert len(target.asked) == 30
    assert (again.spent.recalled, again.spent.cost_usd) == (20, pytest.approx(0.01))
    origins = {result.recalled_from for result in results_of(scope, again.id)}
    assert origins == {first.id, None}


def test_a_changed_input_under_the_same_id_is_asked(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    run_cases(rows(5))
    changed = rows(5)
    changed[2]["input"]["message"] = "other"

    assert run_cases(changed).spent.recalled == 4
    assert target.asked[-1] == "other"


def test_the_second_try_never_gets_the_answer_to_the_first(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    run_cases(rows(10))
    target.answers["*"] = "lost_card"

    run = run_cases(rows(10), repetitions=3)

    assert run.spent.recalled == 10
    assert set(Counter(target.asked).values()) == {3}
    tries = {found.k: found for found in summarise(scope, run).attempts}
    assert (tries[1].some.value, tries[3].some.value) == (pytest.approx(1 / 3), 1.0)
    assert tries[3].all.value == 0.0


def test_a_limit_on_money_is_kept_to_the_cent_and_the_rest_is_asked_later(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    run = run_cases(rows(100), plan=within(cost_usd_max=0.0305))

    assert (run.status, run.cases_done, len(target.asked)) == ("stopped", 30, 30)
    assert run.spent.cost_usd == pytest.approx(0.03)
    assert run.failures["limit:cost_usd"].cases == 70
    rest = run_cases(rows(100), plan=within(cost_usd_max=1.0))
    assert (rest.status, rest.spent.recalled, len(target.asked)) == ("done", 30, 100)


def test_a_limit_on_tokens_ends_a_run_with_what_it_has(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    run = run_cases(rows(100), plan=within(tokens_max=55))
    assert (run.status, run.spent.tokens) == ("stopped", 50)


def test_a_limit_on_money_needs_a_known_cost(run_cases: RunCases, store: Store) -> None:
    class Unpriced(ScriptedTarget):
        async def __call__(self, _payload: Mapping[str, Any]) -> ModelReply:
            return ModelReply({"topic": "refund"}, "nobody-knows-me", tokens_in=5, tokens_out=5)

    register_runner(store, lambda _run: Unpriced({}))
    run = run_cases(rows(50), plan=within(cost_usd_max=1.0))

    assert run.status == "stopped"
    assert "lineside prices set" in run.failures["limit:cost_unknown"].message


def test_tokens_are_priced_where_the_model_names_no_cost(run_cases: RunCases, store: Store) -> None:
    class Known(ScriptedTarget):
        async def __call__(self, _payload: Mapping[str, Any]) -> ModelReply:
            return ModelReply({"topic": "refund"}, "gpt-4o-mini", tokens_in=1000, tokens_out=100)

    register_runner(store, lambda _run: Known({}))
    run = run_cases(rows(10))
    assert (run.spent.cost_unknown, run.spent.cost_usd) == (0, pytest.approx(10 * 0.00021))


def test_a_limit_on_money_stops_judges_too_and_says_what_they_took(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    judge = {"scorers": [declared()], "scorer_files": judge_file(cost_usd=0.01, tokens_in=9)}

    run = run_cases(rows(40), plan=within(cost_usd_max=0.1105, concurrency_max=2), **judge)

    assert (run.status, run.cases_done, len(target.asked)) == ("stopped", 10, 10)
    assert (run.spent.cost_usd, run.spent.tokens) == (pytest.approx(0.01), 100)
    judges = run.spent.judges
    assert (judges.answers, judges.calls, judges.tokens) == (10, 10, 90)
    assert judges.cost_usd == pytest.approx(0.1)
    assert run.spent.total_usd == pytest.approx(0.11)
    assert "0.1 of them on judges" in run.failures["limit:cost_usd"].message
    plan = within(tokens_max=100, concurrency_max=1)
    by_tokens = run_cases(rows(40), plan=plan, fresh=True, **judge)
    assert by_tokens.spent.tokens + by_tokens.spent.judges.tokens == 95


def test_a_verdict_of_the_same_judge_on_the_same_answer_is_not_asked_again(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    files = judge_file(cost_usd=0.01)
    first = run_cases(rows(20), scorers=[declared()], scorer_files=files, repetitions=2)

    more = run_cases(rows(30), scorers=[declared(usd_max=9)], scorer_files=files, repetitions=2)

    assert (more.spent.recalled, more.spent.judges.calls) == (40, 20)
    done = summarise(scope, more).scores["right"].judge
    assert done is not None
    assert (done.judged, done.recalled, done.calls) == (60, 40, 20)
    details = [found.scores["right"].detail for found in results_of(scope, more.id)]
    assert {(detail or {}).get("recalled_from") for detail in details} == {first.id, None}


def test_what_is_known_with_its_verdict_costs_nothing_where_the_limit_is_reached(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    judge = {"scorers": [declared()], "scorer_files": judge_file(cost_usd=0.01)}
    run_cases(rows(20)[1:], **judge)

    run = run_cases(rows(20), plan=within(cost_usd_max=0.011, concurrency_max=1), **judge)

    assert (run.status, run.cases_done, run.spent.recalled) == ("done", 20, 19)


@pytest.mark.parametrize("change", ["criterion", "repeats", "field", "expected", "fresh"])
def test_another_question_to_a_judge_is_asked(
    run_cases: RunCases, target: ScriptedTarget, change: str
) -> None:
    files = judge_file(cost_usd=0.01)
    arguments: dict[str, dict[str, Any]] = {
        "criterion": {"rubric": "Is it kind?"},
        "repeats": {"repeats": 2},
        "field": {"field": "confidence"},
    }
    again = rows(6)
    if change == "expected":
        again = [row | {"expected": {"topic": "lost_card"}} for row in again]
    run_cases(rows(6), scorers=[declared()], scorer_files=files)

    run = run_cases(
        again,
        scorers=[declared(**arguments.get(change, {}))],
        scorer_files=files,
        fresh=change == "fresh",
    )

    assert run.spent.judges.calls == (12 if change == "repeats" else 6)


def test_judging_answers_that_are_known_already_counts_as_well(
    run_cases: RunCases, target: ScriptedTarget
) -> None:
    run_cases(rows(20))
    judge = {"scorers": [declared()], "scorer_files": judge_file(cost_usd=0.01)}

    run = run_cases(rows(20), plan=within(cost_usd_max=0.05, concurrency_max=1), **judge)

    assert (run.status, run.spent.cost_usd, len(target.asked)) == ("stopped", 0, 20)
    assert run.spent.judges.cost_usd == pytest.approx(0.05)


def test_a_judge_that_names_no_cost_is_priced_by_its_tokens_or_stops_a_limit_on_money(
    store: Store, read: Callable[..., Dataset], target: ScriptedTarget
) -> None:
    owner = local_scope(store)
    rates = prices.Rates(input=2, output=10)

    def run(**more: Any) -> Run:
        started = start_run(
            owner,
            use_case="triage",
            subject="candidate",
            dataset=keep_dataset(owner, "triage", read(rows(40))),
            scorers=[declared()],
            scorer_files=judge_file(tokens_in=1000, tokens_out=100),
            plan=within(cost_usd_max=1.0),
            **more,
        )
        store.jobs.result(started.id)
        return get_run(owner, started.id)

    unknown = run()
    prices.set_price(owner, "scripted:judge.jsonl", rates=rates, valid_from=date(2026, 1, 1))
    known = run(fresh=True)

    assert unknown.status == "stopped"
    assert "the model of a judge costs" in unknown.failures["limit:cost_unknown"].message
    assert unknown.spent.total_usd is None
    assert (known.status, known.spent.judges.cost_unknown) == ("done", 0)
    assert known.spent.judges.cost_usd == pytest.approx(40 * 0.003)


def test_an_impossible_limit_is_refused(run_cases: RunCases, target: ScriptedTarget) -> None:
    with pytest.raises(Invalid, match="`cost_usd_max` is 0"):
        run_cases(rows(2), plan=within(cost_usd_max=0))


class Crowded(ScriptedTarget):
    """A provider that takes three calls at once and answers 429 to a fourth."""

    inside = most = refused = 0

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        class RateLimitError(Exception):
            status_code = 429
            response = SimpleNamespace(headers={"retry-after": "0.05"})

        if self.inside >= 3:
            self.refused += 1
            raise RateLimitError("slow down")
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.004)
        self.inside -= 1
        return await super().__call__(payload)


def test_a_model_that_says_429_is_asked_less_and_no_case_is_lost(
    run_cases: RunCases, store: Store
) -> None:
    crowded = Crowded({})
    register_runner(store, lambda _run: crowded)

    run = run_cases(rows(80), plan=within(concurrency_max=16))

    assert (run.cases_done, run.cases_failed) == (80, 0)
    assert run.spent.rate_limited == crowded.refused > 0
    # Found once, the limit is met again only when one more is tried.
    assert crowded.refused < 40
    assert crowded.most == 3
    assert run.spent.concurrency is not None
    assert run.spent.concurrency < 8
