"""A judge that compares two runs: both orders, ties, licence, limits and what it took."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.test_judges import script
from lineside.core import Conflict, Invalid, NotFound
from lineside.evals import Run, get_run, licences, list_runs, pairwise, results_of, verdicts
from lineside.evals.plan import RunLimits
from lineside.store import Store
from lineside.trust import Scope, local_scope

RunCases = Callable[..., Run]
REASON = {"reason": "So it reads."}
COST = {"cost_usd": 0.01, "tokens_in": 20, "tokens_out": 5}


def says(verdict: str, when: Any, **more: Any) -> dict[str, Any]:
    return {"when": when, "output": {**REASON, "verdict": verdict}, **COST, **more}


FAIR = script(
    says("first", {"first": "refund", "second": "lost_card"}),
    says("second", {"first": "lost_card", "second": "refund"}),
    says("tie", {"default": True}),
)
"""Prefers `refund` wherever it stands."""
ALWAYS_FIRST = script(says("first", {"default": True}))


def judge(name: str = "better", field: str = "topic") -> Any:
    arguments = {"model": "scripted:judge.jsonl", "field": field}
    return SimpleNamespace(name=name, kind="judge_pairwise", arguments=arguments)


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner of a workspace that has a ledger."""
    return local_scope(store)


@pytest.fixture
def two_runs(run_cases: RunCases, target: ScriptedTarget) -> tuple[str, str]:
    """Of 60 cases the candidate answers 30 better, 20 worse, and 10 alike."""
    target.answers = {f"m{n}": "lost_card" for n in range(1, 31)}
    before = run_cases(rows(60), subject="a")
    target.answers = {f"m{n}": "lost_card" for n in range(41, 61)}
    return before.id, run_cases(rows(60), subject="b").id


@pytest.fixture
def compare(scope: Scope, two_runs: tuple[str, str]) -> Callable[..., pairwise.Preference]:
    """Has a judge compare the two runs and reads its verdict."""

    def asked(file: bytes = FAIR, *, limits: RunLimits | None = None, **more: Any) -> Any:
        pairs = pairwise.pairs_to_ask(
            scope, *two_runs, scorers=[judge()], scorer_files={"judge.jsonl": file}
        )
        run = pairwise.start_pairwise(scope, pairs, limits=limits)
        if run.status == "running":
            scope.store.jobs.result(run.id)
        return pairwise.judge_preference(scope, get_run(scope, run.id), **more)

    return asked


def test_a_judge_without_a_licence_informs_and_decides_nothing(
    scope: Scope, two_runs: tuple[str, str], compare: Callable[..., pairwise.Preference]
) -> None:
    found = compare(goal="better")

    flips = found.flips
    assert (flips.won_total, flips.lost_total, flips.tied_total) == (30, 20, 10)
    assert flips.won == [f"c{n}" for n in range(1, 31)]
    assert found.difference is not None
    assert (found.difference.value, found.difference.method) == (pytest.approx(1 / 6), "tango")
    assert found.verdict.decision == "more"
    assert "judge not licensed: nobody has held `better` against people" in found.verdict.sentence
    assert "the judge alone said +16.7 points" in found.verdict.sentence
    assert found.judged is not None
    assert (found.judged.calls, found.judged.orders_disagree) == (120, 0)
    assert found.judged.cost_usd == pytest.approx(1.2)
    assert (found.baseline_run_id, found.candidate_run_id) == two_runs
    kept = results_of(scope, found.run_id, case_ids=["c1"])[0].scores["better"]
    assert (kept.value, kept.label, kept.explanation) == (
        1.0,
        "better",
        "So it reads. / So it reads.",
    )


def test_a_verdict_that_turns_with_the_order_is_a_tie(
    compare: Callable[..., pairwise.Preference],
) -> None:
    found = compare(ALWAYS_FIRST)

    assert (found.flips.tied_total, found.flips.won_total) == (60, 0)
    assert found.judged is not None
    assert found.judged.orders_disagree == 1
    assert "In 100.0 % of the pairs the order decided" in found.notes[1]


def test_a_licence_on_such_pairs_lets_the_judge_decide_with_its_error_taken_out(
    scope: Scope, two_runs: tuple[str, str], compare: Callable[..., pairwise.Preference]
) -> None:
    first = compare(goal="better", margin=0.5)
    # A pair that people find tied is no win for them, and none for the judge.
    people = [("better", first.flips.won), ("worse", first.flips.lost), ("tie", first.flips.tied)]
    labels = [{"case": one, "label": word} for word, ids in people for one in ids]
    licences.licence_judge(scope, "better", labels, run_id=first.run_id)

    held, open_still = (compare(goal="better", margin=margin) for margin in (0.5, 0.02))
    kept = compare(goal="not_worse", margin=0.2)

    assert first.verdict.decision == "more"
    assert held.verdict.decision == "hold"
    assert "true share preferred by `better`" in held.verdict.sentence
    assert open_still.verdict.decision == "more"
    assert kept.verdict.decision == "ship"
    assert kept.run_id == held.run_id == first.run_id


def test_a_limit_ends_it_and_what_was_judged_stays(
    scope: Scope, two_runs: tuple[str, str], compare: Callable[..., pairwise.Preference]
) -> None:
    few = compare(limits=RunLimits(cost_usd_max=0.2, concurrency_max=1))
    whole = compare()

    assert few.verdict.sentence.startswith("Not enough data: the run stopped after 10 of 60 cases")
    assert (few.pairs, few.unanswered, few.flips.won_total) == (60, 50, 10)
    assert (whole.unanswered, whole.flips.won_total) == (0, 30)
    assert whole.judged is not None
    assert (whole.judged.calls, whole.judged.recalled) == (100, 10)
    newest = pairwise.find_preference(scope, *two_runs)
    assert newest.run_id == whole.run_id


def test_a_pair_that_lacks_an_answer_counts_both_ways(
    scope: Scope, run_cases: RunCases, target: ScriptedTarget
) -> None:
    before = run_cases(rows(60), subject="a")
    target.answers = {f"m{n}": ValueError("a bug") for n in range(21, 51)}
    after = run_cases(rows(50), subject="b")
    pairs = pairwise.pairs_to_ask(
        scope, before.id, after.id, scorers=[judge()], scorer_files={"judge.jsonl": FAIR}
    )

    run = pairwise.start_pairwise(scope, pairs)
    scope.store.jobs.result(run.id)
    found = pairwise.judge_preference(scope, get_run(scope, run.id))

    assert (found.pairs, found.unanswered, found.flips.tied_total) == (50, 30, 20)
    assert found.verdict.findings[0].failed == 30
    assert any(note.startswith("30 × `not_found:no_output`") for note in found.notes)


def test_such_a_run_stands_in_no_list_and_changes_no_forecast(
    scope: Scope, two_runs: tuple[str, str], compare: Callable[..., pairwise.Preference]
) -> None:
    found = compare()
    pairs = pairwise.pairs_to_ask(
        scope, *two_runs, scorers=[judge()], scorer_files={"judge.jsonl": FAIR}
    )

    again = pairwise.forecast_pairwise(scope, pairs, fresh=True)

    assert [run.id for run in list_runs(scope)] == [*reversed(two_runs)]
    assert verdicts.rank_runs(scope, "triage").dataset == "golden"
    assert get_run(scope, found.run_id).compares == two_runs
    assert again.judges is not None
    assert (again.judges.calls, again.judges.cost_usd) == (120, pytest.approx(1.2))
    assert (again.cost_usd, again.judges.unknown) == (0, [])


def test_a_judge_of_one_of_the_runs_is_found_by_its_name(
    scope: Scope, run_cases: RunCases, target: ScriptedTarget
) -> None:
    exact = SimpleNamespace(name="accuracy", kind="exact", arguments={})
    files = {"scorer_files": {"judge.jsonl": FAIR}}
    before = run_cases(rows(4), subject="a")
    after = run_cases(rows(4), subject="b", scorers=[exact, judge("kinder")], **files)

    pairs = pairwise.pairs_to_ask(scope, before.id, after.id)

    assert (pairs.judge.name, dict(pairs.files)) == ("kinder", {"judge.jsonl": FAIR})
    with pytest.raises(Invalid, match=r"has a judge `kind` that compares .* kinder"):
        pairwise.pairs_to_ask(scope, before.id, after.id, judge="kind")


def test_what_cannot_be_compared_is_refused_by_name(
    scope: Scope, run_cases: RunCases, target: ScriptedTarget, two_runs: tuple[str, str]
) -> None:
    with pytest.raises(Invalid, match="Neither run has a judge of the kind `judge_pairwise`"):
        pairwise.pairs_to_ask(scope, *two_runs)
    files = {"scorer_files": {"judge.jsonl": FAIR}}
    with pytest.raises(Invalid, match=r"has the field `topics` .* confidence, topic") as caught:
        pairwise.pairs_to_ask(scope, *two_runs, scorers=[judge(field="topics")], **files)
    assert caught.value.hint == "Did you mean `topic`?"
    others = [{**row, "id": f"x{n}"} for n, row in enumerate(rows(3))]
    elsewhere = run_cases(others, subject="c")
    with pytest.raises(Invalid, match="share no case"):
        pairwise.pairs_to_ask(scope, two_runs[0], elsewhere.id, scorers=[judge()], **files)
    with pytest.raises(NotFound, match="No judge has compared"):
        pairwise.find_preference(scope, *two_runs)
    with pytest.raises(Invalid, match="compares no two runs"):
        pairwise.judge_preference(scope, get_run(scope, two_runs[0]))


def test_a_run_that_is_under_way_is_waited_for(scope: Scope, two_runs: tuple[str, str]) -> None:
    pairs = pairwise.pairs_to_ask(
        scope, *two_runs, scorers=[judge()], scorer_files={"judge.jsonl": FAIR}
    )
    started = pairwise.start_pairwise(scope, pairs).model_copy(update={"status": "running"})

    with pytest.raises(Conflict, match="of 60 pairs"):
        pairwise.judge_preference(scope, started)
    scope.store.jobs.result(started.id)
