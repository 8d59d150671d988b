"""What raters say is kept on both databases, also when they say it at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from evals.raters import always, case_rows, honest, open_review, rate_all
from lineside.core import Invalid
from lineside.evals import Run, reviews
from lineside.trust import Scope, ledger_entries, local_scope


@pytest.fixture
def scope(store) -> Scope:
    """The owner of a workspace with a ledger."""
    return local_scope(store)


@pytest.fixture
def run(target, run_cases) -> Run:
    """Eight answers, the first three of them wrong."""
    return run_cases(case_rows(8, wrong=3))


def test_an_answer_given_twice_is_one_and_a_changed_one_keeps_its_history(
    scope, run, rater
) -> None:
    review, ann = open_review(scope, run), rater("ann")
    item = reviews.rating.next_turn(ann, review.id).task.item
    reviews.rating.give_answer(ann, review.id, item, {"right": "yes"})
    reviews.rating.give_answer(ann, review.id, item, {"right": "yes"})

    turn = reviews.rating.next_turn(ann, review.id, item=item)
    assert turn.task.said == {"right": "yes"}
    reviews.rating.give_answer(ann, review.id, item, {"right": "no"})

    history = reviews.settling.answer_history(scope, review.id)
    assert [(change.revision, change.said["right"]) for change in history] == [
        (1, "yes"),
        (2, "no"),
    ]
    state = reviews.review_state(scope, review.id)
    assert (state.answers, state.raters[0].changed) == (1, 1)
    assert [label.label for label in reviews.labels.review_labels(scope, review.id)] == ["no"]


def test_where_raters_differ_a_third_is_asked_and_the_last_word_counts(scope, run, rater) -> None:
    review = open_review(scope, run)
    rate_all(rater("ann"), review, honest)
    rate_all(rater("bob"), review, always({"right": "yes"}))
    third = rate_all(rater("cem"), review, always({"right": "yes"}))

    assert sorted(task.input["message"] for task in third) == ["m1", "m2", "m3"]
    found = reviews.settling.disagreements(scope, review.id)
    assert sorted(one.case_id for one in found) == ["c1", "c2", "c3"]
    one = next(one for one in found if one.case_id == "c1")
    assert one.said == {"ann": {"right": "no"}, "bob": {"right": "yes"}, "cem": {"right": "yes"}}
    reviews.settling.settle(scope, review.id, one.item, {"right": "no"}, why="Lost is not a refund")

    labels = {label.case: label for label in reviews.labels.review_labels(scope, review.id)}
    assert (labels["c1"].label, labels["c1"].is_settled) == ("no", True)
    assert labels["c2"].label == "yes"
    assert len(reviews.settling.disagreements(scope, review.id)) == 2
    entry = ledger_entries(scope, kind="review.settled")[0]
    assert entry.details["why"] == "Lost is not a refund"


def test_raters_who_come_at_the_same_moment_get_different_items(scope, run, rater) -> None:
    review = open_review(scope, run, raters_per_item=1)
    names = [f"rater{number}" for number in range(8)]

    with ThreadPoolExecutor(8) as threads:
        turns = list(
            threads.map(lambda name: reviews.rating.next_turn(rater(name), review.id), names)
        )

    assert len({turn.task.item for turn in turns}) == 8


def test_labels_given_elsewhere_are_imported_whole_or_not_at_all(scope, run) -> None:
    review = open_review(scope, run)
    labels = [{"case": f"c{n}", "rater": who, "label": "yes"} for n in (1, 2) for who in "ab"]
    with pytest.raises(Invalid, match=r"1 of 5 labels are for cases .* does not have: `c99`"):
        reviews.importing.import_labels(scope, review.id, [*labels, labels[0] | {"case": "c99"}])
    assert reviews.review_state(scope, review.id).answers == 0

    assert reviews.importing.import_labels(scope, review.id, labels).labels == 4
    again = reviews.importing.import_labels(
        scope, review.id, [*labels[1:], labels[0] | {"label": "no"}]
    )

    assert (again.labels, again.known) == (1, 3)
    assert [one.case_id for one in reviews.settling.disagreements(scope, review.id)] == ["c1"]
    assert [rater.name for rater in reviews.review_state(scope, review.id).raters] == ["a", "b"]
