"""Many runs at once: leaderboard, history, themes of failures, and plans."""

from collections.abc import Callable

import numpy as np
import pytest

from evals.conftest import ScriptedTarget, rows
from lineside.core import Invalid, Unavailable
from lineside.evals import Run, verdicts
from lineside.evals.verdicts import RunVerdict, themes, wordspace
from lineside.trust import Scope

RunCases = Callable[..., Run]
Judge = Callable[..., RunVerdict]


def test_candidates_that_cannot_be_told_apart_are_tied(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    for subject, wrong in (("good", 1), ("alike", 3), ("bad", 50)):
        target.answers.clear()
        target.answers |= {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        run_cases(rows(100), subject=subject)

    board = verdicts.rank_runs(scope, "triage")

    ranks = {entry.subject: (entry.rank_best, entry.rank_worst) for entry in board.entries}
    assert ranks == {"good": (1, 2), "alike": (1, 2), "bad": (3, 3)}
    assert [entry.is_on_frontier for entry in board.entries] == [True, False, False]
    assert board.cases == 100
    with pytest.raises(Invalid, match="there are: golden"):
        verdicts.rank_runs(scope, "triage", dataset="other")


def test_who_may_each_be_first_is_said_where_nobody_surely_is(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    """20 cases, and candidates that are 5 points apart: the best mean is no first rank."""
    for subject, wrong in (("a", 2), ("b", 3), ("c", 3), ("d", 2), ("e", 3), ("f", 3)):
        target.answers.clear()
        target.answers |= {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        run_cases(rows(20), subject=subject)
        board = verdicts.rank_runs(scope, "triage")
        named = {entry.run_id: entry.subject for entry in board.entries}
        if subject == "c":
            said = board.undecided(named)

    assert said is not None
    assert said.startswith("Not enough data to rank: a, ")
    assert said.endswith(" may each be first")
    assert "2 more may each be first" in str(board.undecided(named))

    target.answers.clear()
    target.answers["*"] = "lost_card"
    run_cases(rows(20), subject="z")
    lost = verdicts.rank_runs(scope, "triage")
    assert len(lost.may_be_first) == 6


def test_one_candidate_is_no_leaderboard(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    assert verdicts.rank_runs(scope, "triage").problem == "No run is done that got an answer"
    run_cases(rows(10), subject="a")
    alone = verdicts.rank_runs(scope, "triage")
    assert (alone.entries, alone.problem) == ([], "Two candidates at least are needed for a rank")


def test_the_history_marks_steps_that_cannot_be_luck(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    for subject, wrong in (("a", 2), ("b", 3), ("c", 40)):
        target.answers.clear()
        target.answers |= {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        run_cases(rows(60), subject=subject)

    points = verdicts.run_history(scope, "triage")

    assert [point.run.subject for point in points] == ["c", "b", "a"]
    assert [point.standing for point in points] == ["worse", "open", "first"]
    assert points[0].change == pytest.approx(-37 / 60)


def test_failures_fall_into_themes_with_quotes(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    kinds = {
        "train": "the train to {} was late and my ticket is lost",
        "hotel": "the hotel room in {} had no hot water at all",
        "meal": "our meal in {} was cold, the waiter rude",
    }
    towns = [f"town{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(40)]
    cases = [
        {
            "id": f"{kind}-{town}",
            "input": {"message": text.format(town)},
            "expected": {"topic": "refund"},
        }
        for kind, text in kinds.items()
        for town in towns
    ]
    for case in cases:
        if case["id"].startswith(("train", "hotel")):
            target.answers[case["input"]["message"]] = "lost_card"
    target.answers[cases[-1]["input"]["message"]] = Unavailable("model_down", "The model is away")
    run = run_cases(cases)

    found = verdicts.analyse_errors(scope, run.id)

    assert found.failed == 81
    assert [(theme.kind, theme.cases) for theme in found.themes] == [
        ("wrong", 40),
        ("wrong", 40),
        ("no_answer", 1),
    ]
    names = {theme.name for theme in found.themes}
    assert any("train" in name for name in names)
    assert any("hotel" in name for name in names)
    assert found.themes[0].quotes[0].answered == "lost_card"
    assert found.themes[2].quotes[0].answered == "The model is away"


def test_slices_of_a_run_larger_than_what_is_read_are_counted_over_all_answers(
    run_cases: RunCases,
    target: ScriptedTarget,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each channel fails in one of ten; of the last only failures are among those read first."""
    monkeypatch.setattr(themes, "LIMIT_MAX", 100)
    cases = rows(250)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": f"channel {number // 50}"}
    target.answers |= {f"m{n}": "lost_card" for n in range(1, 251) if n % 10 == 0}
    target.answers |= {f"m{n}": Unavailable("model_down", "away") for n in (20, 70, 120, 170, 220)}

    found = verdicts.analyse_errors(scope, run_cases(cases).id)

    assert (found.cases, found.failed, found.read) == (250, 25, 100)
    channels = [one for one in found.slices if one.slice == "channel"]
    assert [(one.cases, one.failed, one.share) for one in channels] == [(50, 5, 0.1)] * 5
    assert not any(one.is_clear for one in found.slices)
    assert {(theme.kind, theme.cases, theme.alike) for theme in found.themes} == {
        ("mistake", 20, None),
        ("no_answer", 5, 5),
    }


def test_few_failures_without_a_common_word_fall_into_mistakes(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(40)
    for case in cases[30:]:
        case["expected"] = {"topic": "lost_card"}
    target.answers |= {f"m{n}": "card_arrival" for n in (1, 2, 3, 31, 40)}
    target.answers |= {f"m{n}": "lost_card" for n in range(32, 40)} | {"m4": "lost_card"}

    found = verdicts.analyse_errors(scope, run_cases(cases).id)

    assert [(theme.name, theme.how_many) for theme in found.themes] == [
        ("card_arrival instead of refund", "3 of 30 that ask for it, 10.0 %"),
        ("card_arrival instead of lost_card", "2 of 10 that ask for it, 20.0 %"),
        ("other wrong answers", "1"),
    ]
    assert [quote.case_id for quote in found.themes[0].quotes] == ["c1", "c2", "c3"]


def test_slices_in_which_few_answers_happen_not_to_fail_are_not_surely_better(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(240)
    for number, case in enumerate(cases):
        case["slices"] = {"topic": f"topic {number // 20}"}
    # As luck deals out 12 failures to 12 topics: some get none.
    failed = (1, 2, 3, 25, 26, 50, 90, 91, 130, 131, 200, 220)
    target.answers |= {f"m{n}": "lost_card" for n in failed}

    found = verdicts.analyse_errors(scope, run_cases(cases).id)

    topics = [one for one in found.slices if one.slice == "topic"]
    assert sum(one.failed == 0 for one in topics) == 5
    assert not any(one.is_clear for one in topics)


def test_a_slice_that_fails_wholly_and_alone_surely_fails_more(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    cases = rows(40)
    for number, case in enumerate(cases):
        case["slices"] = {"channel": ["mail", "chat"][number // 20]}
    target.answers |= {f"m{n}": "lost_card" for n in range(1, 21)}

    found = verdicts.analyse_errors(scope, run_cases(cases).id)

    mail, chat = (one for one in found.slices if one.slice == "channel")
    assert (mail.value, mail.share, mail.is_clear) == ("mail", 1.0, True)
    assert (chat.share, chat.is_clear) == (0.0, True)


def test_as_many_themes_are_told_as_come_out_alike_again() -> None:
    rng = np.random.default_rng(0)
    places = np.eye(12)[:5].repeat(30, axis=0) + rng.normal(0, 0.05, (150, 12))
    apart = places / np.linalg.norm(places, axis=1, keepdims=True)
    mist = rng.normal(size=(150, 12))
    mist /= np.linalg.norm(mist, axis=1, keepdims=True)

    five = wordspace.groups_of(apart)

    assert five is not None
    assert [len(set(five.labels[at : at + 30])) for at in range(0, 150, 30)] == [1] * 5
    assert len(set(five.labels)) == 5
    again = wordspace.groups_of(apart)
    assert again is not None
    assert (again.labels == five.labels).all()
    assert wordspace.groups_of(mist) is None


def test_a_plan_prices_what_the_pilots_took(
    run_cases: RunCases, target: ScriptedTarget, scope: Scope
) -> None:
    runs = []
    for subject, wrong in (("a", {1, 2, 3}), ("b", {3, 4})):
        target.answers.clear()
        target.answers |= {f"m{n}": ["lost_card", "refund"] for n in wrong}
        runs.append(run_cases(rows(30), subject=subject, repetitions=2).id)

    plans = verdicts.plan_runs(scope, *runs, margin=0.05)

    assert [plan.repetitions for plan in plans] == [1, 2, 3, 4, 5]
    assert plans[0].cases >= plans[-1].cases
    assert plans[0].cost_usd == pytest.approx(plans[0].answers * 0.001)
    assert sum(plan.is_cheapest for plan in plans) >= 1
