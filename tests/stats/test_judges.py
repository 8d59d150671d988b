"""A judge against people: shares as scikit-learn counts them, with intervals that cover."""

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import f1_score, precision_score, recall_score

from lineside.core import Invalid
from lineside.stats import wilson
from lineside.stats.judges import measure_judge


def labelled(rng: np.random.Generator, cases: int) -> tuple[np.ndarray, np.ndarray]:
    people = (rng.random(cases) < 0.7).astype(int)
    return np.where(rng.random(cases) < 0.85, people, 1 - people), people


def test_shares_agree_with_scikit_learn() -> None:
    judge, people = labelled(np.random.default_rng(1), 200)

    measured = measure_judge(judge, people)

    assert measured.precision is not None
    assert measured.precision.value == pytest.approx(precision_score(people, judge))
    assert measured.sensitivity.value == pytest.approx(recall_score(people, judge))
    assert measured.specificity.value == pytest.approx(recall_score(1 - people, 1 - judge))
    assert measured.f1.value == pytest.approx(f1_score(people, judge))
    assert measured.accuracy.low == wilson(int((judge == people).sum()), 200).low
    assert measured.true_yes + measured.false_yes + measured.false_no + measured.true_no == 200


def test_a_judge_never_caught_wrong_is_not_taken_for_infallible() -> None:
    measured = measure_judge([1, 0] * 15, [1, 0] * 15)

    assert measured.f1.value == measured.youden.value == 1
    assert measured.f1.low < 0.95
    assert measured.youden.low == pytest.approx(1 - 2**0.5 * (1 - wilson(15, 15).low))


def test_a_judge_that_never_says_yes_has_no_precision() -> None:
    measured = measure_judge([0] * 6, [1, 0] * 3)

    assert (measured.precision, measured.sensitivity.value, measured.f1.value) == (None, 0, 0)


def test_cases_of_one_conversation_count_as_related() -> None:
    keys = np.repeat(np.arange(50), 6)
    rng = np.random.default_rng(3)
    people = np.tile([1, 0], 150)
    judge = np.where((rng.random(50) < 0.2)[keys], 1 - people, people)

    alone, related = (
        measure_judge(judge, people, clusters=keys_or_none)
        for keys_or_none in (None, keys.tolist())
    )

    for name in ("accuracy", "sensitivity", "f1", "youden"):
        narrow, wide = getattr(alone, name), getattr(related, name)
        assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_f1_covers_as_often_as_it_says() -> None:
    """Over all counts: F1 depends on the split of true yes against errors alone."""
    rate, hits = 0.7, 0.0
    for kept in range(101):
        measured = measure_judge([1] * kept + [0] * (100 - kept) + [0], [1] * 100 + [0]).f1
        if measured.low <= 2 * rate / (1 + rate) <= measured.high:
            hits += scipy.stats.binom.pmf(kept, 100, rate)

    assert hits == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("judge", "people", "options", "code"),
    [
        ([1, 0], [1, 1], {}, "one_class"),
        ([1, 0.5], [1, 0], {}, "not_binary"),
        ([1], [1, 0], {}, "lengths_differ"),
        ([1, float("nan")], [1, 0], {}, "not_finite"),
        ([1, 0], [1, 0], {"clusters": ["a"]}, "lengths_differ"),
        ([], [], {}, "no_values"),
    ],
)
def test_labels_that_tell_no_error_are_refused(judge, people, options, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        measure_judge(judge, people, **options)

    assert caught.value.code == code
