"""How many cases and how many repetitions of each a paired comparison takes, before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite, sqrt

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.power import (
    CASES_MAX,
    cases_needed_for_bounded_scores,
    cases_needed_for_difference,
    cases_needed_for_paired_rates,
)
from lineside.stats.samples import read_values

REPETITIONS_MAX = 50

# Of 17 expected by chance, fewer than 10 come in 2.6 % (Poisson).
_DIFFER_SURELY = 17


@dataclass(frozen=True)
class Spread:
    """How differences between two releases vary.

    Args:
        between: Standard deviation, from case to case, of the difference that endless repetition
            would show.
        within: Standard deviation of one repetition's difference around it.
    """

    between: float
    within: float

    def __post_init__(self) -> None:
        if not all(isfinite(sd) and sd >= 0 for sd in (self.between, self.within)):
            raise Invalid(
                "bad_spread",
                f"Deviations must be 0 or above: `{self.between}`, `{self.within}`",
            )

    def of_case(self, repetitions: int) -> float:
        """Return the deviation of a case's mean difference over so many repetitions."""
        return sqrt(self.between**2 + self.within**2 / repetitions)


@dataclass(frozen=True)
class Plan:
    """One way to reach the promised power; its price is up to the caller.

    Args:
        cases: Cases, or for clustered ones all cases of the clusters.
        repetitions: Answers per case and release.
        answers: Answers to be produced in all, both releases together.
    """

    cases: int
    repetitions: int
    answers: int


def nested_spread(
    baseline: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]]
) -> Spread:
    """Tell how much of a pilot's spread more cases would tame, and how much more repetitions.

    Analysis of variance of a balanced or unbalanced one-way layout, per release for the part within
    (Searle, Casella and McCulloch, "Variance Components", 1992, chapter 3). The part between comes
    from the differences of the means per case, less what repetition explains; never below 0.

    Args:
        baseline: The scores of each case's repetitions; `candidate` likewise, the same cases. At
            least one case of each must have two.

    Raises:
        Invalid: `lengths_differ`, `too_few_cases` below 2 cases, `one_repetition`, and what
            `read_values` raises.
    """
    if len(baseline) != len(candidate):
        raise Invalid(
            "lengths_differ",
            f"The runs must score the same cases: {len(baseline)} and {len(candidate)}",
        )
    if len(baseline) < 2:
        raise Invalid("too_few_cases", f"A spread needs at least 2 cases: {len(baseline)}")
    within, noise = 0.0, np.zeros(len(baseline))
    change = np.zeros(len(baseline))
    for sign, run in ((-1, baseline), (1, candidate)):
        rows = [read_values(row, name="repetitions") for row in run]
        spare = sum(row.size - 1 for row in rows)
        if spare == 0:
            raise Invalid(
                "one_repetition",
                "No case was repeated: what repetition changes is not known",
                hint="Repeat a few cases of a pilot twice, for both releases",
            )
        variance = float(sum(((row - row.mean()) ** 2).sum() for row in rows)) / spare
        within += variance
        noise += np.array([variance / row.size for row in rows])
        change += sign * np.array([row.mean() for row in rows])
    between = float(change.var(ddof=1)) - float(noise.mean())
    return Spread(sqrt(max(0.0, between)), sqrt(within))


def plan_comparison(
    spread: Spread,
    margin: float,
    *,
    true_difference: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
    repetitions_max: int = 10,
    cases_per_cluster: float = 1.0,
    cluster_correlation: float = 0.0,
    are_rates: bool = False,
    differing: float | None = None,
    cases_max: int = CASES_MAX,
) -> tuple[Plan, ...]:
    """List what would show that a candidate is not worse by the margin: a plan per repetitions.

    Repetitions tame only the spread within a case, so that more of them save ever fewer cases. The
    caller prices the plans, by cases where labelling is dear and by answers where models are, and
    takes the cheapest. The power is that of `cases_needed_for_difference` on the means per case, or
    of whole clusters where there are any: few clusters take more, as their spread is known less.

    Args:
        margin: The largest loss that is acceptable, above 0.
        true_difference: Presumed candidate minus baseline, higher being better. To show that the
            candidate is better by d, pass a tiny margin and d.
        cases_per_cluster: Cases of a conversation or document, on average.
        cluster_correlation: How alike the differences of its cases are, 0 to 1; they then count for
            less by `1 + (cases_per_cluster - 1) * cluster_correlation` (Kish, "Survey Sampling",
            1965).
        are_rates: Whether scores are 0 or 1; without repetitions Tango's interval then decides, as
            in `cases_needed_for_paired_rates`.
        differing: Share of cases whose scores, each within 0 to 1, differ at all between the two;
            as the pilot showed it. Where it is small, cases are asked for until enough differ.
        cases_max: Plans with more cases are left out.

    Returns:
        Rising in repetitions; empty where no plan within the limits will do.

    Raises:
        Invalid: `bad_count`, `bad_correlation`, and what `cases_needed_for_difference` raises.
    """
    if not 1 <= repetitions_max <= REPETITIONS_MAX:
        raise Invalid(
            "bad_count", f"Repetitions must lie between 1 and {REPETITIONS_MAX}: {repetitions_max}"
        )
    if not (cases_per_cluster >= 1 and 0 <= cluster_correlation <= 1):
        raise Invalid(
            "bad_correlation",
            "A cluster has at least 1 case and a correlation of 0 to 1: "
            f"`{cases_per_cluster}`, `{cluster_correlation}`",
        )
    design_effect = 1 + (cases_per_cluster - 1) * cluster_correlation
    limits = {"true_difference": true_difference, "confidence": confidence, "power": power}
    plans = []
    for repetitions in range(1, repetitions_max + 1):
        sd = spread.of_case(repetitions)
        if are_rates and repetitions == 1:
            cases = cases_needed_for_paired_rates(
                min(1.0, max(abs(true_difference), sd**2 + true_difference**2)),
                margin,
                cases_per_cluster=cases_per_cluster,
                design_effect=design_effect,
                cases_max=cases_max,
                **limits,
            )
        else:
            clusters = cases_needed_for_difference(
                sd * sqrt(design_effect / cases_per_cluster),
                margin,
                cases_max=int(cases_max / cases_per_cluster),
                **limits,
            )
            if clusters is not None and differing is not None:
                clusters = _until_enough_differ(
                    clusters,
                    differing,
                    sd,
                    margin,
                    design_effect=design_effect / cases_per_cluster,
                    **limits,
                )
            cases = None if clusters is None else ceil(clusters * cases_per_cluster)
            cases = None if cases is None or cases > cases_max else cases
        if cases is not None:
            plans.append(Plan(cases, repetitions, 2 * cases * repetitions))
    return tuple(plans)


def _until_enough_differ(
    units: int,
    differing: float,
    sd: float,
    margin: float,
    *,
    true_difference: float,
    confidence: float,
    power: float,
    design_effect: float,
) -> int:
    """The cases (or clusters) at which the verdict's own test settles scores that hardly differ.

    Either so many that hardly ever fewer than 10 of them differ, as Student's t then judges, or as
    many as the test by the bounds of the score takes.
    """
    enough = ceil(_DIFFER_SURELY / differing) if differing > 0 else None
    if enough is not None and enough <= units:
        return units
    by_bounds = cases_needed_for_bounded_scores(
        sd,
        margin,
        true_difference=true_difference,
        confidence=confidence,
        power=power,
    )
    asked = [enough, by_bounds and ceil(by_bounds * design_effect)]
    return max(units, min((one for one in asked if one), default=units))
