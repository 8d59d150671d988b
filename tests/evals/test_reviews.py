"""People judge answers: blind, with agreement, budgets, known items and the last word."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from evals.raters import BETTER, RIGHT, always, case_rows, honest, open_review, rate_all
from lineside.core import Conflict, Denied, Invalid, NotFound, Settings, clock
from lineside.evals import Run, reviews
from lineside.trust import Scope, ledger_entries, local_scope


@pytest.fixture
def settings(made_home) -> Settings:
    """SQLite alone; what the database could change is tested on both beside this file."""
    return Settings(home=made_home, flush_seconds=0.05, otlp_grpc_port=0)


@pytest.fixture
def scope(store) -> Scope:
    """The owner of a workspace with a ledger."""
    return local_scope(store)


@pytest.fixture
def run(target, run_cases) -> Run:
    """Eight answers, the first three of them wrong."""
    return run_cases(case_rows(8, wrong=3))


def test_two_raters_judge_every_item_and_their_agreement_is_told(scope, run, rater) -> None:
    review = open_review(scope, run)

    first = rate_all(rater("ann"), review, honest)
    second = rate_all(rater("bob"), review, honest)

    state = reviews.review_state(scope, "topics")
    assert (state.items, state.items_done, state.answers_left, state.disputed) == (8, 8, 0, 0)
    assert state.questions[0].alpha.value == 1.0
    assert state.questions[0].pairs[0].kappa.value == 1.0
    assert [record.name for record in state.raters] == ["ann", "bob"]
    orders = [[task.input["message"] for task in tasks] for tasks in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    kinds = [entry.kind for entry in ledger_entries(scope, subject=review.id)]
    assert kinds == ["review.opened"]


def test_raters_who_all_say_the_same_leave_their_agreement_unknown(scope, run, rater) -> None:
    review = open_review(scope, run)
    for name in ("ann", "bob"):
        rate_all(rater(name), review, always({"right": "yes"}))

    [agreement] = reviews.review_state(scope, review.id).questions

    assert (agreement.alpha, agreement.decision) == (None, "unknown")
    assert agreement.sentence.startswith("All said the same so far")


def test_a_rater_sees_neither_release_nor_confidence_nor_what_others_said(
    scope, run, rater
) -> None:
    review = open_review(scope, run)
    rate_all(rater("ann"), review, honest)

    seen = reviews.rating.next_turn(rater("bob"), review.id).model_dump_json()

    assert not any(word in seen for word in ("candidate", "confidence", "ann", run.id, "scripted"))
    for refused in (
        reviews.review_state,
        reviews.settling.disagreements,
        reviews.labels.labels_file,
    ):
        with pytest.raises(Denied):
            refused(rater("bob"), review.id)


def test_no_item_is_given_to_more_raters_than_asked_for(scope, run, rater) -> None:
    review = open_review(scope, run, raters_per_item=1, items=2)

    held = [reviews.rating.next_turn(rater(name), review.id) for name in ("ann", "bob", "cem")]

    assert len({turn.task.item for turn in held[:2]}) == 2
    assert (held[2].standing, held[2].task) == ("waiting", None)
    again = reviews.rating.next_turn(rater("ann"), review.id)
    assert again.task == held[0].task


def test_labels_and_cases_leave_as_files(scope, run, rater) -> None:
    topic = {**RIGHT, "name": "topic", "options": ["refund", "lost_card"], "yes": ["refund"]}
    review = open_review(scope, run, questions=[topic], judge="accuracy")
    for name in ("ann", "bob"):
        rate_all(rater(name), review, always({"topic": "refund"}))

    rows = list(csv.DictReader(io.StringIO(reviews.labels.labels_file(scope, review.id))))
    by_case = {row["case"]: row for row in rows}
    assert by_case["c8"] == {
        "case": "c8",
        "label": "refund",
        "ann": "refund",
        "bob": "refund",
        "verdict": "1.0",
        "chance": "1.0",
        "is_settled": "no",
    }
    assert by_case["c1"]["verdict"] == "0.0"
    state = reviews.review_state(scope, review.id)
    assert state.disputed == 3  # the judge says otherwise of the first three
    assert '"expected":{"topic":"refund"}' in reviews.labels.cases_file(scope, review.id)
    long = reviews.labels.labels_by_rater_file(scope, review.id).splitlines()
    assert (long[0], len(long)) == ("case,rater,label,verdict", 17)


def test_sides_are_shuffled_for_each_rater_and_mean_the_same_run(
    scope, run_cases, target, rater
) -> None:
    plain = run_cases(case_rows(20, wrong=0))
    target.answers["*"] = "lost_card"
    other = run_cases(case_rows(20, wrong=0), subject="other")
    source = {"run": plain.id, "against": other.id}
    review = open_review(scope, plain, questions=[BETTER], source=source)

    def prefers_refund(task: reviews.rating.ReviewTask) -> dict[str, Any]:
        return {"better": "AB"[[output["topic"] for output in task.outputs].index("refund")]}

    shown = {name: rate_all(rater(name), review, prefers_refund) for name in ("ann", "bob")}

    assert {label.label for label in reviews.labels.review_labels(scope, review.id)} == {"first"}
    sides = {
        name: {task.item: task.outputs[0]["topic"] for task in tasks}
        for name, tasks in shown.items()
    }
    assert len(set(sides["ann"].values())) == 2
    assert sides["ann"] != sides["bob"]


def test_planted_known_items_measure_raters_and_give_no_labels(scope, run, rater) -> None:
    known = [
        {
            "case_id": f"known{n}",
            "input": {"message": f"known {n}"},
            "output": {"topic": "refund"},
            "said": {"right": "no"},
        }
        for n in range(12)
    ]
    review = open_review(scope, run, known=known)
    rate_all(rater("ann"), review, always({"right": "no"}))
    rate_all(rater("bob"), review, always({"right": "yes"}))

    state = reviews.review_state(scope, review.id)

    ann, bob = state.raters
    assert (ann.known, ann.known_right, bob.known_right) == (12, 12, 0)
    assert any("bob got 0 of 12 known answers right" in warning for warning in state.warnings)
    assert state.items == 8
    assert all(
        label.case.startswith("c") for label in reviews.labels.review_labels(scope, review.id)
    )


def test_minutes_are_a_budget(scope, run, rater, monkeypatch) -> None:
    review, ann = open_review(scope, run, minutes_max=3), rater("ann")
    start, passed = clock.now(), 0.0

    def later() -> Any:
        return start + timedelta(seconds=passed)

    for place in ("rating", "progress"):
        monkeypatch.setattr(f"lineside.evals.reviews.{place}.now", later)
    for _ in range(3):
        task = reviews.rating.next_turn(ann, review.id).task
        passed += 60
        reviews.rating.give_answer(ann, review.id, task.item, honest(task))

    assert reviews.rating.next_turn(ann, review.id).standing == "budget"
    state = reviews.review_state(scope, review.id)
    assert (state.minutes_spent, state.minutes_left) == (3.0, 13.0)
    assert (state.time_spent, state.time_left) == ("3 min 0 s", "13 min 0 s")
    assert state.sentence.endswith("13 more answers, about 13 min 0 s, to go")
    assert any("budget of 3 minutes ends" in warning for warning in state.warnings)
    passed += 2 * 86_400
    state = reviews.review_state(scope, review.id)
    assert any("ann began and did not answer for a day" in word for word in state.warnings)


def test_a_rater_who_never_answers_does_not_hold_an_item_for_good(
    scope, run, rater, monkeypatch
) -> None:
    review = open_review(scope, run, raters_per_item=1, items=1)
    reviews.rating.next_turn(rater("ann"), review.id)
    assert reviews.rating.next_turn(rater("bob"), review.id).standing == "waiting"

    later = clock.now() + timedelta(minutes=31)
    monkeypatch.setattr("lineside.evals.reviews.rating.now", lambda: later)

    assert reviews.rating.next_turn(rater("bob"), review.id).standing == "item"


def test_passages_scales_and_own_words(scope, run, rater) -> None:
    questions = [
        {"name": "clear", "ask": "How clear is it?", "kind": "scale", "low": 1, "high": 5},
        {
            "name": "wrong",
            "ask": "Mark what is wrong",
            "kind": "spans",
            "options": ["fact", "tone"],
        },
        {"name": "note", "ask": "Anything else?", "kind": "text", "is_optional": True},
    ]
    review = open_review(scope, run, questions=questions)
    span = {"start": 0, "end": 6, "label": "fact"}

    def said(task: reviews.rating.ReviewTask) -> dict[str, Any]:
        number = int(task.input["message"][1:])
        return {"clear": number % 5 + 1, "wrong": [span] if number % 2 else []}

    for name in ("ann", "bob"):
        rate_all(rater(name), review, said)

    clear, wrong, note = reviews.review_state(scope, review.id).questions
    assert (clear.alpha.value, clear.alpha.method) == (1.0, "alpha_ordinal")
    assert wrong.alpha.value == 1.0
    assert note.alpha is None
    other = open_review(scope, run, name="other", questions=questions)
    item = reviews.rating.next_turn(rater("cem"), other.id).task.item
    with pytest.raises(Invalid, match="expected 1, 2, 3, 4, 5"):
        reviews.rating.give_answer(rater("cem"), other.id, item, {"clear": 9})


def test_more_items_are_drawn_where_the_judge_was_wrong_before(scope, run_cases, target, rater):
    run = run_cases(case_rows(60, wrong=30))
    learning = open_review(scope, run, judge="accuracy", raters_per_item=1, items=40)
    rate_all(rater("ann"), learning, always({"right": "yes"}))  # the judge's 0 was wrong

    review = open_review(scope, run, name="again", judge="accuracy", picked_by="judge", items=20)
    rate_all(rater("ann"), review, always({"right": "yes"}))

    labels = reviews.labels.review_labels(scope, review.id)
    doubted = [label for label in labels if label.verdict == 0]
    assert len(doubted) > 13
    assert doubted[0].chance > 3 * next(label.chance for label in labels if label.verdict == 1)
    weighed = sum(1 / label.chance for label in labels)
    assert weighed == pytest.approx(60, abs=25)  # the chances undo the choice


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"questions": [{**RIGHT, "options": ["yes"]}]}, "bad_question"),
        ({"questions": [RIGHT, RIGHT]}, "bad_questions"),
        ({"questions": [BETTER]}, "no_second_run"),
        ({"picked_by": "judge"}, "no_judge_named"),
        ({"judge": "tone"}, "no_judge_score"),
        ({"raters_per_item": 0}, "bad_review"),
        ({"known": [{"case_id": "k", "said": {"wright": "yes"}}]}, "unknown_question"),
    ],
)
def test_a_wish_that_cannot_be_says_why(scope, run, wish, code) -> None:
    with pytest.raises(Invalid) as refused:
        open_review(scope, run, **wish)

    assert refused.value.code == code


def test_what_cannot_be_answered_says_why(scope, run, rater) -> None:
    review, ann = open_review(scope, run), rater("ann")
    with pytest.raises(NotFound, match="shown you no item 3"):
        reviews.rating.give_answer(ann, review.id, 3, {"right": "yes"})
    with pytest.raises(Invalid, match="Nobody has answered"):
        reviews.labels.labels_file(scope, review.id)
    item = reviews.rating.next_turn(ann, review.id).task.item
    with pytest.raises(Invalid, match="`right` has no answer"):
        reviews.rating.give_answer(ann, review.id, item, {})
    reviews.close_review(scope, review.id)
    assert reviews.rating.next_turn(ann, review.id).standing == "closed"
    with pytest.raises(Conflict, match="was not kept"):
        reviews.rating.give_answer(ann, review.id, item, {"right": "yes"})
    with pytest.raises(Conflict, match="already"):
        open_review(scope, run)
    with pytest.raises(NotFound, match="No review"):
        reviews.review_state(scope, "topic")
