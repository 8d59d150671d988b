"""What a gate and a comparison make of a judge, with a licence and without."""

from typing import Any, Literal

import pytest

from evals.conftest import ScriptedTarget
from evals.licences.labelled import (
    CASES,
    GRADES,
    RunCases,
    answer_as_judge_2,
    gate,
    grading,
    labels,
)
from evals.scoring import Declaration
from lineside.evals import (
    compare,
    judge_summary,
    licences,
    summarise,
    verdicts,
)
from lineside.evals.judge_summary import judge_summaries
from lineside.evals.licences.licence import labels_of
from lineside.gateway.scripted import ScriptedModel
from lineside.stats import corrected
from lineside.trust import Scope, ledger_entries


def test_a_judge_that_nobody_held_against_people_decides_nothing(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    for rule in ("right >= 0.3", "right >= 0.9"):
        outcome = gate(scope, run, rule)
        assert outcome.verdict.decision == "more"
        assert "judge not licensed: nobody has held `right` against" in outcome.verdict.sentence
        assert "the judge alone said 62.5 %" in outcome.verdict.sentence
        assert f"lineside judges sample right --run {run.id}" in outcome.notes[0]


@pytest.mark.parametrize("goal", ["not_worse", "better"])
def test_two_runs_are_not_decided_by_a_judge_without_a_licence_either(
    scope: Scope, judge_run: RunCases, goal: Literal["not_worse", "better"]
) -> None:
    first, second = judge_run(), judge_run(subject="other", wrong=1)
    told = {"margin": 0.1, "score": "right"}

    alone = verdicts.judge_pair(scope, first.id, second.id, goal=goal, **told)
    guarded = verdicts.judge_pair(
        scope, first.id, second.id, score="latency_ms", margin=1e9, guards={"right": 0.1}
    )

    assert (alone.verdict.decision, guarded.verdict.decision) == ("more", "more")
    said = "Not enough data: judge not licensed: nobody has held `right` against people"
    assert alone.headline.startswith(said)
    assert "the judge alone said +36.2 points" in alone.headline
    assert guarded.headline.startswith(said)
    assert any("lineside judges sample right" in text for text in alone.notes)
    board, points = verdicts.rank_runs(scope, "triage"), verdicts.run_history(scope, "triage")
    noted = [
        board.judge_note,
        points[0].judge_note,
        compare(scope, first.id, second.id, score="right").judge_note,
    ]
    assert noted == ["judge not licensed: nobody has held `right` against people"] * 3

    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=first.id)
    decided = verdicts.judge_pair(scope, first.id, second.id, goal=goal, **told)

    assert decided.verdict.decision == "ship"
    assert "true right" in decided.headline
    assert verdicts.rank_runs(scope, "triage").judge_note is None


def test_lists_of_runs_read_no_result_to_say_what_their_judges_may(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = judge_run(), judge_run(subject="other", wrong=5)
    counted = judge_summaries(scope.store, first.model_copy(update={"judges": None}))
    monkeypatch.setattr(judge_summary, "queries", None)

    assert judge_summaries(scope.store, first) == counted
    assert counted["right"].judged == CASES
    for score in ("right", "latency_ms"):
        points = verdicts.run_history(scope, "triage", score=score)
        board = verdicts.rank_runs(scope, "triage", score=score)
        notes = {point.judge_note for point in points} | {board.judge_note}
        assert len(points) == len(board.entries) == 2
        assert [bool(note) for note in notes] == [score == "right"]
    # One that was done before that was kept: no judge is asked for a score that no judge gave.
    earlier = second.model_copy(update={"judges": None})
    assert licences.unlicensed(scope, [earlier], "latency_ms") is None
    assert "judges" not in first.model_dump()


def test_cost_per_success_decides_nothing_while_its_successes_are_an_unlicensed_judges(
    scope: Scope, judge_run: RunCases
) -> None:
    """A third of the successes is gone, so that each costs half as much again."""
    first, second = judge_run(wrong=5), judge_run(subject="other", wrong=40)
    asked = {"score": "right", "margin": 0.9, "guards": {"cost_per_success": 0.05}}

    unlicensed = verdicts.judge_pair(scope, first.id, second.id, **asked)
    licences.licence_judge(scope, "right", labels(no=40), run_id=second.id)
    licensed = verdicts.judge_pair(scope, first.id, second.id, **asked)

    guard = unlicensed.verdict.findings[1]
    assert (unlicensed.verdict.decision, guard.decision) == ("more", "more")
    assert "judge not licensed" in guard.sentence
    assert licensed.verdict.decision == "hold"
    assert any("by the word of the judge `right`, not corrected" in note for note in licensed.notes)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("its twin", None),
        ("another judge", "another `right` judged the baseline"),
        ("another model", "`judge-2` answered for `right`, its licence is for scripted:judge"),
        ("no judge", "a model gave `right` in run"),
    ],
)
def test_two_runs_are_decided_only_where_the_licensed_judge_saw_both(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch, who: str, said: str | None
) -> None:
    more: dict[str, Any] = {"arguments": {"rubric": "Polite?"}} if who == "another judge" else {}
    if who == "no judge":
        more["scorers"] = [Declaration("exact", "right", {"fields": ["topic"]})]
    with monkeypatch.context() as other:
        if who == "another model":
            other.setattr(ScriptedModel, "answer", answer_as_judge_2)
        before = judge_run(subject="live", **more)
    after = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=after.id)

    outcome = gate(scope, after, "not worse than live by 0.10 on right", baseline=before)
    pair = verdicts.judge_pair(scope, before.id, after.id, score="right", margin=0.1)

    decision = "more" if said else "ship"
    assert (outcome.verdict.decision, pair.verdict.decision) == (decision, decision)
    assert said is None or all(said in text for text in (outcome.verdict.sentence, pair.headline))
    assert bool(compare(scope, before.id, after.id, score="right").judge_note) == bool(said)
    assert gate(scope, after, "right >= 0.4").verdict.decision == "ship"


def test_a_licensed_judge_decides_with_its_error_taken_out(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    licence = licences.licence_judge(scope, "right", labels(60, but=(31,)))

    outcome = gate(scope, run, "right >= 0.4")

    assert (licence.standing, licence.family, licence.run_id) == ("granted", "golden", run.id)
    assert (licence.measured.false_yes, licence.measured.true_no) == (1, 30)
    assert outcome.verdict.decision == "ship"
    corrected = summarise(scope, run).scores["right"].standing
    assert corrected is not None
    assert corrected.corrected is not None
    assert corrected.corrected.method == "prediction_powered"
    assert corrected.corrected.value is not None
    assert corrected.corrected.value < corrected.corrected.judged == 0.625
    assert "the judge alone said 62 %" in outcome.notes[0]
    assert outcome.verdict.findings[0].low == pytest.approx(corrected.corrected.low, abs=1e-6)
    [entry] = ledger_entries(scope, kind="judge.licensed")
    assert (entry.subject, entry.details["name"]) == (licence.id, "right")


def test_grades_are_corrected_by_what_people_said_of_an_earlier_release(
    scope: Scope, judge_run: RunCases
) -> None:
    """People find 4 of the 50 good answers fair, so that the judge's mean is 0.025 too high."""
    words = {"files": grading(79, 80), "arguments": {"levels": GRADES}}
    first = judge_run(**words)
    said = [
        {"case": f"c{n}", "label": "bad" if n <= 30 else "fair" if n in (*range(31, 35), 79, 80)
         else "good"}
        for n in range(1, CASES + 1)
    ]  # fmt: skip
    bar = licences.Bar(specificity=0.7, kappa=0.5)
    licence = licences.licence_judge(scope, "right", said, bar=bar)
    second = judge_run(subject="other", wrong=20, **words)

    stands = summarise(scope, second).scores["right"].standing
    mean = gate(scope, second, "right >= 0.65")
    apart = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    assert (licence.standing, licence.measured.false_yes) == ("granted", 4)
    assert stands is not None
    assert stands.corrected is not None
    assert stands.corrected.judged == pytest.approx((60 - 1) / 80)
    assert stands.corrected.value == pytest.approx((60 - 1 - 2) / 80)
    assert stands.sentence.endswith("the judge alone said 74 %")
    [finding] = mean.verdict.findings
    assert (finding.value, finding.low) == (stands.corrected.value, stands.corrected.low)
    assert apart.verdict.decision == "more"
    assert "for its scores have more than two levels" in apart.verdict.sentence


def test_a_judge_of_yes_and_no_is_corrected_where_each_case_was_asked_several_times(
    scope: Scope, judge_run: RunCases
) -> None:
    first = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)))
    second = judge_run(subject="other", wrong=20, repetitions=2)

    outcome = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    stands = summarise(scope, second).scores["right"].standing
    assert stands is not None
    assert stands.corrected is not None
    assert stands.corrected.method == "rogan_gladen"
    assert outcome.verdict.findings[0].value == pytest.approx(0.125 / (30 / 31))


def test_the_error_of_a_judge_is_taken_out_also_where_few_cases_differ(
    scope: Scope, judge_run: RunCases, target: ScriptedTarget
) -> None:
    first = judge_run()
    people = labels(but=(*range(31, 38), 41, 45))
    bar = licences.Bar(specificity=0.5, kappa=0.4)
    licence = licences.licence_judge(scope, "right", people, bar=bar)
    # A list is popped once per ask: one of three answers to m80 is wrong, all others as before.
    second = judge_run(
        subject="other", repetitions=3, answers={"m80": ["lost_card", "refund", "refund"]}
    )

    rule = "not worse than live by 0.10 on right"
    [finding] = gate(scope, second, rule, baseline=first).verdict.findings

    judged = labels_of(scope, licence)
    before = [0.0] * 30 + [1.0] * 50
    expected = corrected.rogan_gladen_difference(
        before,
        [*before[:-1], 2 / 3],
        judge=[item.judge for item in judged],
        people=[float(item.people or 0) for item in judged],
    )
    ends = (finding.value, finding.low, finding.high)
    assert ends == pytest.approx((expected.value, expected.low, expected.high), abs=1e-9)


def test_a_licensed_judge_decides_over_all_times_that_a_candidate_was_asked(
    scope: Scope, judge_run: RunCases
) -> None:
    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=judge_run(wrong=30).id)
    again = judge_run(wrong=20, fresh=True)

    mean = gate(scope, again, "right >= 0.5")

    (finding,) = mean.verdict.findings
    assert mean.verdict.decision == "ship"
    assert finding.confidence == 0.975
    assert "the judge alone said 68.8 %" in finding.sentence


def test_a_rate_that_the_labels_leave_open_asks_for_labels(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    licences.licence_judge(scope, "right", labels(60, but=(31,)))
    verdict = gate(scope, run, "right >= 0.6").verdict
    assert (verdict.decision, verdict.cases_needed) == ("more", None)
    assert "more labels, or more cases, would narrow it; the judge alone" in verdict.sentence


def test_a_licence_earned_on_one_run_corrects_the_next_by_the_judges_error(
    scope: Scope, judge_run: RunCases
) -> None:
    first = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)))
    second = judge_run(subject="other", wrong=20)

    corrected = summarise(scope, second).scores["right"].standing
    outcome = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    assert corrected is not None
    assert corrected.corrected is not None
    assert corrected.corrected.method == "rogan_gladen"
    # 75 % by the judge, which took 1 of 31 noes for a yes.
    assert corrected.corrected.value == pytest.approx((0.75 - 1 / 31) / (30 / 31))
    assert corrected.sentence.endswith("the judge alone said 75 %")
    [finding] = outcome.verdict.findings
    assert finding.value == pytest.approx(0.125 / (30 / 31))
    assert outcome.verdict.decision == "ship"
