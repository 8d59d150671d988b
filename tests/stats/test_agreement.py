"""Kappa and alpha against independent implementations, published examples and simulation."""

import time

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from lineside.core import Invalid
from lineside.stats import agreement, wilson
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha, raw_agreement

# The worked example of Wikipedia's article on the coefficient: three raters, 26 ratings to pair.
PUBLISHED = [
    [None, None, None, None, None, 3, 4, 1, 2, 1, 1, 3, 3, None, 3],
    [1, None, 2, 1, 3, 3, 4, 3, None, None, None, None, None, None, None],
    [None, None, 2, 1, 3, 4, 4, None, 2, 1, 1, 3, 3, None, 4],
]


def noisy(rng: np.random.Generator, items: int, raters: int = 3, right: float = 0.75) -> np.ndarray:
    truth = rng.choice(3, items, p=[0.6, 0.3, 0.1])
    guesses = rng.integers(0, 3, (raters, items))
    return np.where(rng.random((raters, items)) < right, truth, guesses)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.691), ("interval", 0.811)])
def test_alpha_gives_the_published_example(level, alpha: float) -> None:
    measured = krippendorff_alpha(PUBLISHED, level=level)

    assert round(measured.value, 3) == alpha
    assert (measured.items, measured.left_out, measured.raters) == (12, 3, 3)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_agrees_with_krippendorff(level) -> None:
    rng = np.random.default_rng(4)
    table = noisy(rng, 300, raters=5).astype(float) ** 2
    table[rng.random(table.shape) < 0.4] = np.nan
    rows = [[None if np.isnan(rating) else rating for rating in row] for row in table]

    measured = krippendorff_alpha(rows, level=level)

    expected = krippendorff.alpha(table, level_of_measurement=level)
    assert measured.value == pytest.approx(expected, abs=1e-12)
    assert measured.low < measured.value < measured.high


def test_alpha_of_numbers_that_are_all_different() -> None:
    scores = np.random.default_rng(4).normal(size=(3, 40)) + np.arange(40) / 10 + 1e6

    expected = krippendorff.alpha(scores, level_of_measurement="interval")
    assert krippendorff_alpha(list(scores), level="interval").value == pytest.approx(expected)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_agrees_with_scikit_learn(weights) -> None:
    first, second = noisy(np.random.default_rng(5), 200, raters=2)

    expected = cohen_kappa_score(first, second, weights=None if weights == "none" else weights)
    assert cohen_kappa(first, second, weights=weights).value == pytest.approx(expected)


def test_the_interval_of_kappa_is_near_the_normal_one_of_statsmodels() -> None:
    first, second = noisy(np.random.default_rng(5), 600, raters=2)
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)

    measured = cohen_kappa(first, second)

    expected = cohens_kappa(table)
    assert measured.low == pytest.approx(expected.kappa_low, abs=0.01)
    assert measured.high == pytest.approx(expected.kappa_upp, abs=0.01)


def test_words_have_an_order_where_one_is_given() -> None:
    first = ["bad", "good", "fair", "good", "bad", "fair"]
    second = ["fair", "good", "fair", "fair", "bad", "good"]
    order = ["bad", "fair", "good"]
    places = [[order.index(word) for word in row] for row in (first, second)]

    assert (
        cohen_kappa(first, second, weights="linear", order=order).value
        == cohen_kappa(*places, weights="linear").value
    )
    assert (
        krippendorff_alpha([first, second], level="ordinal", order=order).value
        == krippendorff_alpha(places, level="ordinal").value
    )


def test_raters_that_never_differed_are_not_taken_for_one() -> None:
    labels = ["a", "b"] * 10

    for measured in (cohen_kappa(labels, labels), krippendorff_alpha([labels] * 3)):
        assert (measured.value, measured.high) == (1, 1)
        # Half of all pairs would differ by chance.
        assert measured.low == pytest.approx(1 - 2 * (1 - wilson(20, 20).low))


def test_items_of_one_conversation_count_as_related() -> None:
    rng = np.random.default_rng(6)
    keys = np.repeat(np.arange(60), 8)
    truth = rng.integers(0, 2, 60)[keys]
    second = np.where((rng.random(60) < 0.25)[keys], 1 - truth, truth)

    alone, related = cohen_kappa(truth, second), cohen_kappa(truth, second, clusters=keys.tolist())

    assert (alone.n, related.n, related.items) == (480, 60, 480)
    assert related.high - related.low > 2 * (alone.high - alone.low)


def test_raw_agreement_counts_what_both_rated() -> None:
    measured = raw_agreement([1, 1, None, 0], [1, 0, 1, 0])

    assert (measured.low, measured.high) == (wilson(2, 3).low, wilson(2, 3).high)


@pytest.mark.parametrize("measure", ["alpha", "kappa"])
def test_the_interval_covers_as_often_as_it_says(measure: str) -> None:
    rng = np.random.default_rng(8)

    def estimate(table: np.ndarray, **options) -> agreement.RaterAgreement:
        if measure == "alpha":
            return krippendorff_alpha(table.tolist(), **options)
        return cohen_kappa(*table[:2].tolist(), weights="quadratic", **options)

    truth = estimate(noisy(rng, 80_000), draws=2).value
    hits = 0
    for seed in range(400):
        measured = estimate(noisy(rng, 120), draws=400, seed=seed)
        hits += measured.low <= truth <= measured.high

    assert hits / 400 == pytest.approx(0.95, abs=0.033)  # three deviations of chance


def test_five_raters_of_five_thousand_items_take_a_moment() -> None:
    table = noisy(np.random.default_rng(9), 5_000, raters=5).tolist()

    start = time.process_time()
    krippendorff_alpha(table, draws=1_000)

    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: krippendorff_alpha([[1, 0]]), "one_rater"),
        (lambda: krippendorff_alpha([[1, 1, 1], [1, 1, 1]]), "one_class"),
        (lambda: cohen_kappa("aaa", "aaa"), "one_class"),
        (lambda: krippendorff_alpha([[1, None], [None, 2]]), "no_overlap"),
        (lambda: raw_agreement([1, None], [None, 2]), "no_overlap"),
        (lambda: cohen_kappa([], []), "no_values"),
        (lambda: cohen_kappa([1, float("nan")], [1, 0]), "not_finite"),
        (lambda: cohen_kappa([1, 0, 1], [1, 0]), "lengths_differ"),
        (lambda: cohen_kappa([1, 0], [1, 1], clusters=["a"]), "lengths_differ"),
        (lambda: cohen_kappa([[1], [0]], [1, 0]), "not_a_label"),
        (lambda: cohen_kappa("ab", "ba", weights="linear"), "not_a_number"),
        (lambda: cohen_kappa("ab", "bc", weights="linear", order="ab"), "unknown_label"),
        (lambda: krippendorff_alpha(["ab", "ba"], level="interval"), "not_a_number"),
        (lambda: krippendorff_alpha([range(99), range(99)], level="ordinal"), "too_many_labels"),
        (lambda: krippendorff_alpha(["ab", "ba"], level="ratio"), "bad_level"),
        (lambda: cohen_kappa("ab", "ba", weights="cubic"), "bad_weights"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code


def test_a_judge_that_always_says_the_same_bounds_nothing() -> None:
    kappa = cohen_kappa([1] * 40, [1, 0] * 20)

    assert (kappa.value, kappa.low, kappa.high) == (0, -1, 1)


def test_one_item_or_one_cluster_bounds_nothing() -> None:
    one_item = krippendorff_alpha([[1], [0]])
    one_cluster = cohen_kappa([1, 0, 1], [1, 1, 0], clusters="aaa")

    assert (one_item.low, one_item.high, one_item.n) == (-1, 1, 1)
    assert (one_cluster.low, one_cluster.high, one_cluster.n) == (-1, 1, 1)
