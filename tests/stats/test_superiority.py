"""Whether a candidate is better: against scipy, statsmodels, and by simulation."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.power import TTestPower

from lineside.core import Invalid
from lineside.stats import PairedDifference, paired_difference
from lineside.stats.findings import Finding
from lineside.stats.planning import Spread, plan_comparison
from lineside.stats.superiority import judge_superiority


def judge(difference: PairedDifference | None, smallest: float, **more) -> Finding:
    return judge_superiority(difference, smallest, rule="better", label="grade", **more)


def test_both_p_values_are_those_of_scipys_t_test() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(0.5, 0.2, 25), rng.normal(0.58, 0.2, 25)

    found = judge(paired_difference(before, after, method="t"), 0.3)

    better = scipy.stats.ttest_rel(after, before, alternative="greater").pvalue
    worthwhile = scipy.stats.ttest_1samp(after - before, 0.3, alternative="less").pvalue
    assert found.p_pass == pytest.approx(better)
    assert found.p_fail == pytest.approx(worthwhile)
    assert found.decision == ("ship" if better <= 0.025 else "hold" if worthwhile < 0.025 else "")


@pytest.mark.parametrize(
    ("gain", "decision"), [(0.1, "ship"), (0.0, "hold"), (0.03, "more"), (-0.1, "hold")]
)
def test_the_whole_interval_decides(gain: float, decision: str) -> None:
    spread = np.tile([-0.1, 0.1], 50)
    higher = judge(paired_difference([0.5] * 100, 0.5 + gain + spread, method="t"), 0.04)
    if decision == "more":
        higher = judge(paired_difference([0.5] * 20, 0.5 + gain + spread[:20], method="t"), 0.04)

    assert higher.decision == decision
    low, high = higher.low, higher.high
    assert low is not None
    assert high is not None
    assert (low > 0, high < 0.04) == (decision == "ship", decision == "hold")


def test_lower_is_better_is_the_mirror_image() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.normal(900, 90, 40), rng.normal(850, 90, 40)
    higher = judge(paired_difference(-before, -after, method="t"), 20)
    lower = judge(paired_difference(before, after, method="t"), 20, direction="<=")

    assert (lower.p_pass, lower.p_fail) == pytest.approx((higher.p_pass, higher.p_fail))
    assert lower.decision == higher.decision


@pytest.mark.parametrize(("truth", "wrong"), [(0.0, "ship"), (0.1, "hold")])
def test_either_mistake_is_as_rare_as_promised(truth: float, wrong: str) -> None:
    rng, runs, smallest = np.random.default_rng(3), 2_000, 0.1
    mistakes = 0
    for change in rng.normal(truth, 0.3, (runs, 40)):
        found = judge(paired_difference(np.zeros(40), change, method="t"), smallest)
        mistakes += found.decision == wrong

    assert mistakes / runs == pytest.approx(0.025, abs=0.01)


def test_a_planned_run_shows_the_gain_with_the_power_promised() -> None:
    rng, runs = np.random.default_rng(4), 1_500
    (plan,) = plan_comparison(Spread(0.3, 0), 1e-9, true_difference=0.1, repetitions_max=1)
    expected = TTestPower().solve_power(0.1 / 0.3, alpha=0.025, power=0.8, alternative="larger")

    shipped = [
        judge(paired_difference(np.zeros(plan.cases), change, method="t"), 0.05).decision == "ship"
        for change in rng.normal(0.1, 0.3, (runs, plan.cases))
    ]

    assert plan.cases == int(np.ceil(expected))
    assert np.mean(shipped) == pytest.approx(0.8, abs=0.03)


def test_grades_that_rose_and_fell_are_weighed_by_the_sign_test_of_scipy() -> None:
    rose, fell, cases = 14, 4, 60
    worse = [1.0] * fell + [0.0] * (cases - fell)
    better = [0.0] * (cases - rose) + [1.0] * rose

    difference = paired_difference(worse, better)

    assert difference.p_value == pytest.approx(scipy.stats.binomtest(rose, rose + fell).pvalue)
    found = judge(difference, 0.05, unit="%")
    # The score test at no difference is McNemar's statistic without a correction.
    statistic = (rose - fell) / (rose + fell) ** 0.5
    assert found.p_pass == pytest.approx(scipy.stats.norm.sf(statistic))
    assert found.value == pytest.approx((rose - fell) / cases)


def test_few_equal_gains_ask_for_more_of_them() -> None:
    found = judge(paired_difference([0.1] * 5, [0.4] * 5), 0.1)
    many = judge(paired_difference([0.1] * 40, [0.4] * 40), 0.1)

    assert (found.decision, many.decision) == ("more", "ship")
    assert found.cases_needed is not None
    assert 5 < found.cases_needed < 35


def test_without_a_pair_or_a_gain_to_look_for_nothing_is_judged() -> None:
    assert judge(None, 0.1).sentence == "grade is unknown: no case was scored"
    with pytest.raises(Invalid) as caught:
        judge(None, 0.0)
    assert caught.value.code == "bad_margin"
