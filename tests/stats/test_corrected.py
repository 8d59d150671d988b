"""Corrections for a judge's error against ppi-python, published formulas and simulation."""

import numpy as np
import pytest

from lineside.core import Invalid
from lineside.stats import paired_difference
from lineside.stats.corrected import rogan_gladen, rogan_gladen_difference
from lineside.stats.prediction_powered import (
    prediction_powered_difference,
    prediction_powered_mean,
)

RUNS = 1_500
NEAR = pytest.approx(0.95, abs=0.017)  # three deviations of chance


def answered(
    rng: np.random.Generator, truth: np.ndarray, sensitivity: float, specificity: float
) -> np.ndarray:
    right = np.where(truth == 1, sensitivity, specificity)
    return np.where(rng.random(truth.size) < right, truth, 1 - truth)


def sample(rng, cases: int, rate: float, sensitivity: float, specificity: float):
    people = (rng.random(cases) < rate).astype(int)
    return answered(rng, people, sensitivity, specificity), people


def yes(count: int, of: int) -> list[int]:
    return [1] * count + [0] * (of - count)


@pytest.mark.parametrize("is_tuned", [True, False])
def test_a_prediction_powered_mean_agrees_with_ppi_python(is_tuned: bool) -> None:
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    rng = np.random.default_rng(1)
    truth = rng.gamma(2, 0.2, 5_000)
    judge = 0.8 * truth + 0.1 + rng.normal(0, 0.1, truth.size)
    rows = (truth[:800], judge[:800], judge[800:])
    words = {} if is_tuned else {"lam": 1}

    measured = prediction_powered_mean(rows[2], judge=rows[1], people=rows[0], is_tuned=is_tuned)

    low, high = ppi_mean_ci(*rows, alpha=0.05, **words)
    assert measured.low == pytest.approx(low[0], abs=2e-4)
    assert measured.high == pytest.approx(high[0], abs=2e-4)
    point = ppi_mean_pointestimate(*rows, lam=measured.weight)
    assert measured.value == pytest.approx(point[0], abs=1e-12)
    assert measured.labels_worth > 2_000


@pytest.mark.parametrize(("labels", "right"), [(80, 0.7), (60, 0.97)])
def test_grades_of_a_judge_are_corrected_by_labels_of_other_answers(
    labels: int, right: float
) -> None:
    """Levels 0, 0.5 and 1; the judge is one level too kind to the rest of the low ones."""
    rng, hits, naive = np.random.default_rng(11), 0, 0
    for _ in range(RUNS):
        people = rng.choice([0, 0.5, 1], labels + 600, p=[0.2, 0.3, 0.5])
        judge = people + 0.5 * (people < 1) * (rng.random(people.size) > right)
        measured = prediction_powered_mean(
            judge[labels:], judge=judge[:labels], people=people[:labels],
            is_tuned=False, are_shares=True,
        )  # fmt: skip
        hits += measured.low <= 0.65 <= measured.high
        naive += measured.judged > 0.68

    assert hits / RUNS >= 0.94
    assert naive / RUNS > 0.9 or right > 0.9


def test_the_mean_of_shares_is_a_share_and_a_judge_without_a_fault_is_not_infallible() -> None:
    people = [1, 0.5, 1] * 10
    measured = prediction_powered_mean(
        [1.0] * 500, judge=people, people=people, is_tuned=False, are_shares=True
    )
    assert (measured.value, measured.high) == (1, 1)
    assert 0.9 < measured.low < 0.95


def test_a_case_asked_several_times_is_corrected_by_its_share_of_yes() -> None:
    labels = {"judge": [*yes(90, 100), *yes(10, 100)], "people": yes(100, 200)}
    thirds = [1.0, 2 / 3] * 100
    assert rogan_gladen(thirds, **labels).value == pytest.approx((5 / 6 - 0.1) / 0.8)
    apart = rogan_gladen_difference(thirds, [1.0] * 200, **labels)
    assert apart.value == pytest.approx((1 / 6) / 0.8)


def test_a_useless_judge_makes_the_answer_no_better_than_the_labels_alone() -> None:
    rng = np.random.default_rng(2)
    judge, people = rng.integers(0, 2, 2_200), rng.integers(0, 2, 2_200)

    measured = prediction_powered_mean(judge[200:], judge=judge[:200], people=people[:200])

    assert measured.weight < 0.2
    assert measured.labels_worth == pytest.approx(200, rel=0.1)
    assert measured.value == pytest.approx(people[:200].mean(), abs=0.02)


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity", "labels"),
    [(0.86, 0.95, 0.8, 150), (0.5, 0.9, 0.9, 60)],
)
def test_a_prediction_powered_rate_covers_as_often_as_it_says(
    rate: float, sensitivity: float, specificity: float, labels: int
) -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(RUNS):
        judge, people = sample(rng, labels + 1_000, rate, sensitivity, specificity)
        measured = prediction_powered_mean(
            judge[labels:], judge=judge[:labels], people=people[:labels]
        )
        hits += measured.low <= rate <= measured.high

    assert hits / RUNS == NEAR


def test_a_judge_that_favours_one_release_is_seen_through() -> None:
    rng, hits, naive = np.random.default_rng(4), 0, 0
    for _ in range(RUNS):
        baseline = (rng.random(1_200) < 0.7).astype(int)
        candidate = np.where(rng.random(1_200) < 0.4, rng.random(1_200) < 0.7, baseline)
        scores = answered(rng, baseline, 0.85, 0.9), answered(rng, candidate, 0.97, 0.7)
        judged, judge = ([row[part] for row in scores] for part in (slice(200, None), slice(200)))
        measured = prediction_powered_difference(
            tuple(judged), judge=tuple(judge), people=(baseline[:200], candidate[:200])
        )
        hits += measured.low <= 0 <= measured.high
        naive += measured.judged > 0.05

    assert hits / RUNS == NEAR
    assert naive / RUNS > 0.9


def test_labels_and_others_of_one_conversation_count_as_related() -> None:
    rng, hits, naive = np.random.default_rng(5), 0, 0
    keys = np.repeat(np.arange(60), 10)
    for _ in range(800):
        people = (rng.random(600) < rng.beta(4, 1, 60)[keys]).astype(int)
        judge = answered(rng, people, 0.9, 0.9)
        order = rng.permutation(600)
        ours, others = order[:150], order[150:]
        rows = {"judge": judge[ours], "people": people[ours]}
        related = prediction_powered_mean(
            judge[others],
            **rows,
            clusters=keys[others].tolist(),
            labelled_clusters=keys[ours].tolist(),
        )
        alone = prediction_powered_mean(judge[others], **rows)
        hits += related.low <= 0.8 <= related.high
        naive += alone.low <= 0.8 <= alone.high

    assert hits / 800 == pytest.approx(0.95, abs=0.02)
    assert naive / 800 < 0.92


def test_rogan_gladen_gives_the_interval_of_lang_and_reiczigel() -> None:
    """By hand from the formulas of the paper, section 2.2."""
    judge, people = [*yes(90, 100), *yes(15, 100)], yes(100, 200)

    measured = rogan_gladen(yes(120, 400), judge=judge, people=people)

    z = 1.959963984540054
    rate, yes_right, no_right = (120 + z * z / 2) / (400 + z * z), 91 / 102, 86 / 102
    youden = yes_right + no_right - 1
    value = (rate + no_right - 1) / youden
    errors = yes_right * (1 - yes_right) / 102, no_right * (1 - no_right) / 102
    variance = rate * (1 - rate) / (400 + z * z)
    variance += value**2 * errors[0] + (1 - value) ** 2 * errors[1]
    shift = 2 * z * z * (value * errors[0] - (1 - value) * errors[1])
    assert measured.value == pytest.approx((0.3 + 0.85 - 1) / 0.75)
    assert measured.low == pytest.approx(value + shift - z * variance**0.5 / youden)
    assert measured.high == pytest.approx(value + shift + z * variance**0.5 / youden)
    assert measured.judged == 0.3


@pytest.mark.parametrize(("rate", "labels"), [(0.86, 400), (0.3, 200)])
def test_rogan_gladen_covers_as_often_as_it_says(rate: float, labels: int) -> None:
    rng, hits = np.random.default_rng(6), 0
    for _ in range(RUNS):
        judged, _ = sample(rng, 800, rate, 0.9, 0.85)
        judge, people = sample(rng, labels, 0.5, 0.9, 0.85)
        measured = rogan_gladen(judged, judge=judge, people=people)
        hits += measured.low <= rate <= measured.high

    assert hits / RUNS == NEAR


def test_a_corrected_difference_covers_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(7), 0
    for _ in range(RUNS):
        baseline = (rng.random(600) < 0.5).astype(int)
        candidate = np.where(rng.random(600) < 0.5, rng.random(600) < 0.8, baseline)
        judge, people = sample(rng, 200, 0.5, 0.9, 0.8)
        measured = rogan_gladen_difference(
            answered(rng, baseline, 0.9, 0.8),
            answered(rng, candidate, 0.9, 0.8),
            judge=judge,
            people=people,
        )
        hits += measured.low <= 0.15 <= measured.high

    assert hits / RUNS == NEAR


def test_a_difference_grows_by_what_the_judge_blurs() -> None:
    baseline, candidate = yes(200, 400), yes(240, 400)
    perfect = rogan_gladen_difference(
        baseline, candidate, judge=yes(10_000, 20_000), people=yes(10_000, 20_000)
    )
    blurred = rogan_gladen_difference(
        baseline, candidate, judge=[*yes(80, 100), *yes(20, 100)], people=yes(100, 200)
    )

    alone = paired_difference(baseline, candidate)
    assert (perfect.low, perfect.high) == pytest.approx((alone.low, alone.high), abs=1e-3)
    assert blurred.value == pytest.approx(0.1 / 0.6)
    assert blurred.high - blurred.low > (alone.high - alone.low) / 0.6


def test_a_judge_that_tells_nothing_gives_no_number() -> None:
    rng = np.random.default_rng(8)
    judge, people = sample(rng, 200, 0.5, 0.5, 0.5)

    rate = rogan_gladen(yes(300, 400), judge=judge, people=people)
    difference = rogan_gladen_difference(yes(200, 400), yes(300, 400), judge=judge, people=people)

    assert (rate.value, rate.low, rate.high, rate.is_identified) == (None, 0, 1, False)
    assert (difference.value, difference.low, difference.high) == (None, -1, 1)
    assert rate.judged == 0.75


def test_a_judge_never_caught_wrong_still_leaves_a_width() -> None:
    people = yes(20, 40)

    powered = prediction_powered_mean(yes(1_900, 2_000), judge=people, people=people)
    corrected = rogan_gladen(yes(1_900, 2_000), judge=people, people=people)

    assert powered.high - powered.low > 0.05
    equal = prediction_powered_mean([0.5] * 90, judge=[0.5] * 20, people=[0.5] * 20)
    assert (equal.value, equal.low, equal.high) == (0.5, -np.inf, np.inf)
    assert corrected.high - corrected.low > 0.05


LABELS = {"judge": [1, 0] * 10, "people": [1, 0] * 10}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: rogan_gladen([1, 0], judge=[1, 0], people=[1, 1]), "one_class"),
        (lambda: rogan_gladen([1.3], **LABELS), "no_shares"),
        (lambda: rogan_gladen([], **LABELS), "no_values"),
        (lambda: rogan_gladen([1], **LABELS, confidence=1), "bad_confidence"),
        (lambda: rogan_gladen_difference([1], [1, 0], **LABELS), "lengths_differ"),
        (lambda: prediction_powered_mean([1], judge=[1] * 9, people=[1] * 9), "too_few_labels"),
        (lambda: prediction_powered_mean([1], judge=[1], people=[1, 0]), "lengths_differ"),
        (lambda: prediction_powered_mean([float("nan")], **LABELS), "not_finite"),
        (lambda: prediction_powered_mean([1], **LABELS, clusters=["a"]), "cluster_missing"),
        (
            lambda: prediction_powered_mean(
                [1], **LABELS, clusters=["a"], labelled_clusters=["b"] * 20
            ),
            "too_few_labels",
        ),
        (
            lambda: prediction_powered_difference(
                ([1], [1, 0]), judge=([1], [1]), people=([1], [1])
            ),
            "lengths_differ",
        ),
    ],
)
def test_labels_that_correct_nothing_are_refused(call, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        call()

    assert caught.value.code == code
