"""What one rule finds, failed cases included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineside.core import Invalid
from lineside.stats import (
    Finding,
    judge_non_inferiority,
    judge_slice_gap,
    judge_threshold,
    mean_interval,
    paired_difference,
    slice_gap,
    wilson,
)


def yes(count: int, of: int) -> list[int]:
    return [1] * count + [0] * (of - count)


def accuracy(values, threshold: float = 0.85, direction=">=", **options) -> Finding:
    words = {"rule": "accuracy >= 0.85", "label": "accuracy", "unit": "%"}
    return judge_threshold(values, threshold, direction, **{**words, **options})


def test_an_interval_above_the_threshold_ships() -> None:
    finding = accuracy(yes(280, 300))

    assert (finding.decision, finding.cases_needed) == ("ship", 0)
    assert finding.low == wilson(280, 300).low
    assert finding.sentence == (
        "accuracy is 93.3 % (95 % interval 89.9 to 95.6), above the 85 % asked for"
    )


def test_an_interval_below_the_threshold_holds() -> None:
    finding = accuracy(yes(70, 100))

    assert finding.decision == "hold"
    assert finding.sentence == (
        "accuracy is 70.0 % (95 % interval 60.4 to 78.1), below the 85 % asked for"
    )


def test_an_interval_around_the_threshold_asks_for_more_cases() -> None:
    finding = accuracy(yes(90, 100))

    assert (finding.decision, finding.cases_needed) == ("more", 278)
    assert finding.sentence == (
        "accuracy is 90.0 % (95 % interval 82.6 to 94.5), the 85 % asked for lies inside; "
        "about 280 more cases would settle it"
    )


def test_a_ceiling_is_judged_from_the_other_side() -> None:
    scores = np.random.default_rng(2).lognormal(7, 0.7, 200)
    words = {"rule": "latency_ms <= 800", "label": "latency", "unit": "ms"}

    over = judge_threshold(scores, 800, "<=", **words)
    under = judge_threshold(scores, 1_700, "<=", **words)

    assert (over.decision, under.decision) == ("hold", "ship")
    assert over.sentence.endswith("above the 800 ms allowed")
    assert under.sentence.endswith("below the 1,700 ms allowed")


def test_failed_cases_are_neither_zero_nor_forgotten() -> None:
    """170 of 180 ships; with 20 failed it is between 170 and 190 of 200."""
    sure, unsure = accuracy(yes(170, 180)), accuracy(yes(170, 180), failed=20)

    assert (sure.decision, unsure.decision) == ("ship", "more")
    assert unsure.value == pytest.approx(170 / 180)
    assert unsure.low == pytest.approx(wilson(170, 200).low)
    assert unsure.high == pytest.approx(wilson(190, 200).high)
    assert unsure.cases_needed == 20
    assert unsure.sentence.endswith(
        "20 cases failed, counted both ways; scoring them would settle it"
    )


def test_a_few_failed_cases_do_not_stop_what_is_clear() -> None:
    assert accuracy(yes(990, 1_000), failed=3).decision == "ship"
    assert accuracy(yes(500, 1_000), failed=3).decision == "hold"


def test_failed_cases_turn_a_hold_into_more() -> None:
    assert accuracy(yes(76, 100)).decision == "hold"
    assert accuracy(yes(76, 100), failed=60).decision == "more"


def test_failed_cases_widen_a_t_interval_as_if_they_were_scored_at_the_bounds() -> None:
    scores = [0.5, 0.75, 0.9, 0.6, 0.8, 0.95, 0.7]

    finding = accuracy(scores, failed=3)

    assert finding.low == pytest.approx(mean_interval([*scores, 0, 0, 0], method="t").low)
    assert finding.high == pytest.approx(mean_interval([*scores, 1, 1, 1], method="t").high)


def test_failed_cases_of_a_score_without_bounds_never_settle() -> None:
    scores = np.random.default_rng(2).normal(100, 1, 50)

    finding = judge_threshold(scores, 800, "<=", rule="latency_ms <= 800", unit="ms", failed=1)

    assert (finding.decision, finding.low, finding.high) == ("more", None, None)
    assert (finding.p_pass, finding.p_fail, finding.cases_needed) == (1, 1, 1)


@pytest.mark.parametrize("failed", [0, 40])
def test_without_a_scored_case_nothing_is_known(failed: int) -> None:
    finding = accuracy([], failed=failed)

    assert (finding.decision, finding.value, finding.n) == ("more", None, 0)
    assert finding.sentence.startswith("accuracy is unknown: no case was scored")
    assert ("40 cases failed" in finding.sentence) == (failed == 40)


def test_a_cost_that_is_always_zero_is_an_amount_and_not_a_share() -> None:
    words = {"rule": "cost_usd <= 0.01", "label": "cost", "unit": "USD"}

    assert judge_threshold([0.0] * 40, 0.01, "<=", **words).decision == "ship"
    few = judge_threshold([0.0] * 20, 0.01, "<=", **words)
    assert (few.decision, few.cases_needed, few.low) == ("more", 10, None)


def test_an_interval_is_judged_like_its_values() -> None:
    values = yes(170, 180)

    assert accuracy(mean_interval(values), failed=4) == accuracy(values, failed=4)


def test_related_cases_need_more_of_them() -> None:
    values = np.tile(np.repeat([1, 1, 1, 1, 1, 1, 1, 0], 10), 5)
    keys = list(np.repeat(np.arange(40), 10))

    alone, related = accuracy(values, 0.8), accuracy(values, 0.8, clusters=keys)

    assert (alone.decision, related.decision) == ("ship", "more")
    assert (related.n, related.cases) == (40, 400)
    assert related.cases_needed > 400


def test_scores_outside_their_bounds_are_refused() -> None:
    with pytest.raises(Invalid, match=r"outside 0.0 to 1.0"):
        accuracy([0.5, 93.0])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"direction": ">"}, "bad_direction"),
        ({"threshold": float("nan")}, "not_finite"),
        ({"failed": -1}, "bad_count"),
        ({"confidence": 0}, "bad_confidence"),
    ],
)
def test_an_impossible_rule_is_refused(options, code) -> None:
    with pytest.raises(Invalid) as caught:
        accuracy([1, 0], **options)

    assert caught.value.code == code


SCORES = st.one_of(
    st.lists(st.integers(0, 1), min_size=1, max_size=200),
    st.lists(st.floats(0, 1), min_size=1, max_size=45),
)


@settings(max_examples=120, deadline=None)
@given(SCORES, st.floats(0.01, 0.99), st.sampled_from([">=", "<="]), st.integers(0, 5))
def test_decision_interval_and_p_values_agree(values, threshold, direction, failed) -> None:
    finding = accuracy(values, threshold, direction, failed=failed)

    if finding.low is None or finding.high is None:
        assert finding.decision == "more"
        return
    rising = direction == ">="
    clears = finding.low - threshold if rising else threshold - finding.high
    misses = threshold - finding.high if rising else finding.low - threshold
    if abs(clears) > 1e-9:
        assert (finding.decision == "ship") == (clears > 0) == (finding.p_pass <= 0.025)
    if abs(misses) > 1e-9:
        assert (finding.decision == "hold") == (misses > 0) == (finding.p_fail < 0.025)
    assert (finding.cases_needed == 0) == (finding.decision != "more")


@settings(max_examples=60, deadline=None)
@given(SCORES, st.integers(1, 60))
def test_failed_cases_never_settle_what_was_open(values, failed) -> None:
    before, after = accuracy(values, 0.7), accuracy(values, 0.7, failed=failed)

    assert after.decision in {before.decision, "more"}


def test_one_score_and_a_failed_case_give_no_interval() -> None:
    finding = accuracy([0.7], failed=1)

    assert (finding.decision, finding.low, finding.high) == ("more", None, None)
    assert (finding.p_pass, finding.cases_needed) == (0.5, 29)


def test_a_slice_of_few_and_equal_scores_is_not_taken_for_certain() -> None:
    scores = [0.5, 0.6, 0.7] * 20 + [1.0] * 3 + [0.9] * 17
    slices = ["a"] * 40 + ["b"] * 28 + ["c"] * 12

    finding = judge_slice_gap(slice_gap(scores, slices), 0.2, rule="gap", unit="%")

    assert finding.decision == "more"
    assert finding.high is not None
    assert finding.high > 0.3


def test_a_candidate_within_the_margin_ships() -> None:
    baseline = yes(900, 1_000)
    candidate = [*yes(895, 900), *yes(3, 100)]
    words = {"rule": "not worse", "label": "accuracy", "unit": "%", "against": "live"}

    close = judge_non_inferiority(paired_difference(baseline, candidate), 0.01, **words)
    tight = judge_non_inferiority(paired_difference(baseline, candidate), 0.001, **words)

    assert (close.decision, tight.decision) == ("ship", "more")
    assert close.sentence == (
        "accuracy differs from live by -0.2 points (95 % interval -0.9 to +0.4), "
        "not worse by more than the 1 point allowed"
    )
    assert "the limit of 0.1 points below live lies inside" in tight.sentence
    assert tight.cases_needed is None or tight.cases_needed > 0


def test_a_candidate_worse_than_the_margin_holds() -> None:
    difference = paired_difference(yes(900, 1_000), yes(850, 1_000))

    finding = judge_non_inferiority(difference, 0.01, rule="not worse", unit="%")

    assert (finding.decision, finding.threshold, finding.direction) == ("hold", -0.01, ">=")
    assert finding.p_fail < 1e-4


def test_a_slower_candidate_is_worse_where_lower_is_better() -> None:
    rng = np.random.default_rng(3)
    before = rng.lognormal(6, 0.3, 200)
    words = {"rule": "not slower", "label": "latency", "unit": "ms", "direction": "<="}

    slower = judge_non_inferiority(paired_difference(before, before * 1.2), 20, **words)
    faster = judge_non_inferiority(paired_difference(before, before * 0.8), 20, **words)

    assert (slower.decision, faster.decision) == ("hold", "ship")


def test_failed_pairs_count_against_the_candidate_and_for_it() -> None:
    difference = paired_difference(yes(180, 200), yes(180, 200))

    finding = judge_non_inferiority(difference, 0.05, rule="not worse", unit="%", failed=10)

    assert judge_non_inferiority(difference, 0.05, rule="not worse").decision == "ship"
    assert finding.decision == "more"
    assert finding.low < -10 / 210 < 10 / 210 < finding.high
    assert finding.cases_needed == 10


def test_without_a_paired_case_nothing_is_known() -> None:
    finding = judge_non_inferiority(None, 0.01, rule="not worse", failed=3)

    assert (finding.decision, finding.value) == ("more", None)


def test_a_margin_of_nothing_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        judge_non_inferiority(None, 0, rule="not worse")

    assert caught.value.code == "bad_margin"


def gap(*counts: int, of: int = 400, names: str = "abcdef"):
    values = [value for count in counts for value in yes(count, of)]
    return slice_gap(values, [names[at // of] for at in range(len(values))])


@pytest.mark.parametrize(
    ("counts", "decision"),
    [((360, 362, 358), "ship"), ((380, 300, 360), "hold"), ((370, 345, 360), "more")],
)
def test_a_slice_gap_is_judged_three_ways(counts, decision) -> None:
    finding = judge_slice_gap(gap(*counts), 0.06, rule="slice gap", unit="%")

    assert finding.decision == decision
    assert (finding.cases_needed or 1) > 0


def test_a_slice_gap_reads_as_a_sentence() -> None:
    finding = judge_slice_gap(gap(380, 300), 0.05, rule="r", label="the accuracy gap", unit="%")

    assert finding.sentence == (
        "the accuracy gap is 20.0 points between `a` and `b` (95 % interval 14.5 to 24.8), "
        "above the 5 points allowed"
    )


def test_slices_too_small_are_named_in_the_sentence() -> None:
    small = slice_gap(yes(90, 100) + yes(91, 100) + [0], ["a"] * 100 + ["b"] * 100 + ["c"])

    assert "; too small to judge: `c`" in judge_slice_gap(small, 0.2, rule="gap").sentence


def test_failed_cases_could_widen_a_slice_gap() -> None:
    words = {"rule": "gap", "unit": "%"}

    assert judge_slice_gap(gap(360, 360), 0.06, **words).decision == "ship"
    assert judge_slice_gap(gap(360, 360), 0.06, failed=9, **words).decision == "more"


def test_a_slice_that_failed_whole_is_not_overlooked() -> None:
    finding = judge_slice_gap(gap(360, 360), 0.9, rule="gap", unit="%", failed=10)

    assert (finding.decision, finding.low) == ("more", None)


def test_a_gap_of_fewer_than_two_slices_is_unknown() -> None:
    finding = judge_slice_gap(gap(360), 0.05, rule="gap")

    assert (finding.decision, finding.value) == ("more", None)
    assert "fewer than two slices have 10 scored cases" in finding.sentence
