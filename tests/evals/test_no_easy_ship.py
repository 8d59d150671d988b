"""Ways to get a ship that is not earned, each of which must end otherwise."""

from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.test_gate import RunCases, judge
from lineside.core import Invalid, Unavailable
from lineside.evals import compare, summarise, verdicts
from lineside.evals import target as asking
from lineside.trust import Scope


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_BACKOFF_SECONDS", 0.001)


class Declared:
    """A scorer as a run takes it."""

    def __init__(self, name: str, kind: str, **arguments: Any) -> None:
        self.name, self.kind, self.arguments = name, kind, arguments


def test_tries_that_failed_do_not_leave_the_case_to_those_that_did_not(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    down = Unavailable("model_down", "The model is down")
    fails_once = ["refund", "refund", *[down] * asking.TRIES_MAX]
    target.answers = {f"m{n}": list(fails_once) for n in range(1, 41)}
    run = run_cases(rows(100), repetitions=3)

    outcome = judge(scope, run, "accuracy >= 0.85")

    assert run.cases_failed == 40
    assert outcome.verdict.decision == "more"
    assert "40 cases failed, counted both ways" in outcome.verdict.sentence
    once, *_, every = summarise(scope, run).attempts
    assert (once.k, once.cases, once.failed) == (1, 100, 40)
    assert every.k == 3
    assert every.all.low < 0.61
    assert every.all.high == pytest.approx(1.0)


def test_a_case_that_was_copied_counts_once(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    copies = [{**case, "id": f"{case['id']}-{copy}"} for copy in range(20) for case in rows(12)]

    outcome = judge(scope, run_cases(copies), "accuracy >= 0.85")

    (finding,) = outcome.verdict.findings
    assert outcome.verdict.decision == "more"
    assert finding.low == pytest.approx(0.758, abs=0.001)  # Wilson's low end of 12 of 12
    assert outcome.notes == [
        "240 cases ask 12 inputs only: those that ask the same count as related"
    ]


def test_conversations_that_share_a_question_are_related(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(60)
    for number, case in enumerate(cases):
        case["cluster"] = f"talk-{number % 6}"
    for case in cases[:6]:  # the first turn of each talk
        case["input"] = {"message": "hello"}
    (finding,) = judge(scope, run_cases(cases), "accuracy >= 0.85").verdict.findings

    assert finding.is_of_one_cluster


def test_cases_whose_expectation_was_changed_are_not_held_against_the_old_one(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    old, new = rows(200), rows(200)
    for case in old[:100]:
        case["expected"] = {"topic": "lost_card"}
    before, after = run_cases(old, subject="a"), run_cases(new, subject="b")

    outcome = judge(scope, after, "not worse than live by 0.03", baseline=before)
    found = verdicts.judge_pair(scope, before.id, after.id, goal="better")

    assert "by 0.0 points" in outcome.verdict.sentence
    assert outcome.notes == [
        (
            "`not worse than live by 0.03` leaves out 200 cases: only in one run, or there with "
            "another input or expectation"
        )
    ]
    assert found.verdict.decision != "ship"
    assert found.effects[0].cases == 100


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (("exact", "contains"), "is another scorer in run"),
        (("python", "python"), "another `own.py`"),
    ],
)
def test_a_score_is_not_compared_with_that_of_another_scorer(
    run_cases: RunCases,
    target: ScriptedTarget,
    scope: Scope,
    kinds: tuple[str, str],
    said: str,
) -> None:
    wanted = {
        "exact": {},
        "contains": {"field": "topic", "text": "r"},
        "python": {"function": "own.py:score"},
    }
    wordings = (b"score = lambda context: 0\n", b"score = lambda context: 1\n")
    before, after = (
        run_cases(
            rows(100),
            subject=subject,
            scorers=[Declared("right", kind, **wanted[kind])],
            scorer_files={"own.py": content} if kind == "python" else None,
        )
        for subject, kind, content in zip("ab", kinds, wordings, strict=True)
    )

    outcome = judge(scope, after, "not worse than live by 0.05 on right", baseline=before)
    found = verdicts.judge_pair(scope, before.id, after.id, score="latency_ms", margin=100)
    history = verdicts.run_history(scope, "triage", score="right")
    board = verdicts.rank_runs(scope, "triage", score="right")

    assert outcome.verdict.decision == "more"
    assert said in outcome.verdict.sentence
    assert verdicts.judge_pair(scope, before.id, after.id).verdict.decision == "more"
    assert "right" not in [effect.name for effect in found.effects]
    assert [point.change for point in history] == [None, None]
    assert board.entries == []
    assert "1 of the runs got `right` from another scorer" in str(board.problem)
    with pytest.raises(Invalid, match="`right` cannot be guarded"):
        verdicts.judge_pair(scope, before.id, after.id, score="latency_ms", guards={"right": 0.02})


def test_asking_anew_until_one_run_ships_does_not_pay(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": "lost_card" for n in range(1, 51)}
    unlucky = judge(scope, run_cases(rows(200)), "accuracy >= 0.85")
    target.answers = {}

    lucky = run_cases(rows(200), fresh=True)
    asked_again = judge(scope, lucky, "accuracy >= 0.85")
    another = judge(scope, run_cases(rows(200), subject="another"), "accuracy >= 0.85")

    assert unlucky.verdict.decision == "hold"
    assert asked_again.verdict.decision == "more"
    (finding,) = asked_again.verdict.findings
    assert (finding.value, finding.confidence) == (pytest.approx((0.75 + 1) / 2), 0.975)
    (note,) = asked_again.notes
    assert note.startswith("The same candidate was asked these cases 2 times: the mean of all")
    assert another.verdict.decision == "ship"


def test_asking_anew_until_one_run_is_lucky_does_not_pay_beside_another_either(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": "lost_card" for n in range(1, 21)}
    before = run_cases(rows(200), subject="before")
    run_cases(rows(200))
    target.answers = {}
    lucky = run_cases(rows(200), fresh=True)

    found = verdicts.judge_pair(scope, before.id, lucky.id, goal="better", margin=0.01)

    assert found.effects[0].difference == pytest.approx(10 / 200)
    assert found.verdict.findings[0].confidence == 0.975
    assert found.notes[0].startswith("The same candidate was asked these cases 2 times: the mean")
    assert compare(scope, before.id, lucky.id).difference.value == pytest.approx(10 / 200)
    assert {line.against_total for line in verdicts.explain_gate(
        scope, judge(scope, lucky, "accuracy >= 0.85")
    )} == {20}  # fmt: skip


def test_asking_the_baseline_anew_until_it_is_unlucky_does_not_pay(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    rule = "not worse than live by 0.05"
    run_cases(rows(200), subject="live")
    target.answers = {f"m{n}": "lost_card" for n in range(1, 21)}
    candidate = run_cases(rows(200))
    unlucky = run_cases(rows(200), subject="live", fresh=True)

    outcome = judge(scope, candidate, rule, baseline=unlucky)

    (finding,) = outcome.verdict.findings
    assert outcome.verdict.decision == "more"
    assert (finding.value, finding.confidence) == (pytest.approx(-10 / 200), 0.975)
    assert "The baseline was asked these cases 2 times: the mean of all" in outcome.notes[0]
    later = judge(scope, run_cases(rows(200), subject="later"), rule, baseline=unlucky)
    assert later.verdict.findings[0].confidence == 0.95


@pytest.mark.parametrize("by", ["subject", "model"])
def test_asking_anew_until_one_run_leads_does_not_lead_the_board(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope, by: Any
) -> None:
    for name, wrong in (("other", 15), ("lucky", 30)):
        target.model = f"model of {name}"
        target.answers = {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        run_cases(rows(200), subject=name)
    target.answers = {}
    newest = run_cases(rows(200), subject="lucky", fresh=True)

    board = verdicts.rank_runs(scope, "triage", by=by)

    first, second = board.entries
    assert (first.subject, first.runs, second.subject, second.runs) == ("other", 1, "lucky", 2)
    assert (second.run_id, second.mean) == (newest.id, pytest.approx(1 - 15 / 200))
    [decides] = judge(scope, newest, "accuracy >= 0.85").verdict.findings
    assert (second.low, second.high) == (decides.low, decides.high)
    assert {first.rank_best, second.rank_best} == {1}
    assert board.asked_anew({entry.run_id: entry.subject for entry in board.entries}) == (
        "Asked the same cases anew: lucky rests on 2 runs. The mean of all runs counts, not the "
        "luckiest, with intervals that are wider for each time"
    )


def test_a_large_run_asked_anew_is_judged_with_the_one_before(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {f"m{n}": "lost_card" for n in range(1, 401)}
    assert run_cases(rows(1_200)).sheet
    target.answers = {}

    asked_again = judge(scope, run_cases(rows(1_200), fresh=True), "accuracy >= 0.90")

    assert asked_again.verdict.findings[0].value == pytest.approx((2 / 3 + 1) / 2)
    assert asked_again.verdict.decision == "hold"


def test_a_rule_that_ships_the_worse_answers_is_asked_about(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    target.answers = {"*": "lost_card"}

    outcome = judge(scope, run_cases(rows(50)), "accuracy <= 0.85")

    assert any("was `>=` meant?" in note for note in outcome.notes)


def test_a_percentile_says_that_it_hangs_on_the_cases_that_failed(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    down = Unavailable("model_down", "The model is down")
    target.answers = {f"m{n}": down for n in range(1, 21)}

    outcome = judge(scope, run_cases(rows(200)), "p95(latency_ms) <= 800")

    assert outcome.verdict.decision == "more"
    assert outcome.verdict.sentence.endswith(
        "20 cases failed and may lie beyond it; scoring them would settle it"
    )


def test_two_slices_are_named_where_none_is_better(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(200)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": ("mail", "chat")[number % 2]}

    outcome = judge(scope, run_cases(cases), "slice gap(channel) <= 0.05")

    assert "between `mail` and `chat`" in outcome.verdict.sentence
