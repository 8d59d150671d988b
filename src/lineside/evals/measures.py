"""What two runs are compared on: every score they share, failures, and cost per success."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lineside.evals.compare import Pairing, Pairs, pair
from lineside.evals.judged import JudgedRun, clusters_of
from lineside.evals.run import CONFIDENCE
from lineside.stats import Interval, PairedDifference, ends, paired_difference, ratios

if TYPE_CHECKING:
    from numpy.typing import NDArray

MeasureKind = Literal["binary", "ordinal", "continuous", "rate", "ratio"]

FAILED = "failed"
COST_PER_SUCCESS = "cost_per_success"

_ORDINAL_LEVELS = range(3, 11)
_BOOTSTRAP_CASES_MAX = 1_000
TIME_AND_MONEY = ("ms", "USD")


class Measured(NamedTuple):
    """One measure of two runs over the cases that have it in both.

    Attributes:
        kind: `binary` for 0/1 scores, `ordinal` for 3 to 10 whole levels, whose distances mean
            nothing, `rate` for a share of cases, `ratio` for a ratio of sums.
        unit: Of the difference, `%` for shares; an ordinal one is judged by the share of cases that
            got better less the share that got worse.
        missing: Cases that should have the measure in both runs and lack it in one.
    """

    name: str
    label: str
    kind: MeasureKind
    unit: str
    higher_is_better: bool
    baseline: float
    candidate: float
    difference: PairedDifference
    missing: int

    def ends(self, confidence: float | None = None) -> ends.Ends:
        """The ends that decide: they hold whatever the missing cases would have scored."""
        bounds = (0.0, 1.0) if self.unit == "%" else None
        return ends.difference_ends(
            self.difference, self.missing, bounds=bounds, confidence=confidence
        )

    @property
    def deciding(self) -> PairedDifference:
        """The difference with the ends that decide.

        Its p-value is McNemar's exact one where no case is missing; the ends speak for the others.
        """
        if not self.missing:
            return self.difference
        low, high, p_value = self.ends()
        return replace(self.difference, low=low, high=high, p_value=p_value)


class Sides(NamedTuple):
    """What is held against what: the scores, or of grades who got worse and who got better."""

    kind: Literal["binary", "ordinal", "continuous"]
    unit: str
    before: "NDArray[Any]"
    after: "NDArray[Any]"

    @classmethod
    def of(cls, pairing: Pairing, unit: str) -> "Sides":
        """The sides of a pairing, whose scores have this unit."""
        before, after = pairing.before, pairing.after.values
        is_amount = unit in TIME_AND_MONEY
        kind = "continuous" if is_amount else _kind(before.tolist() + after.tolist())
        if kind == "ordinal" and unit == "":
            worse, better = (after < before).astype(float), (after > before).astype(float)
            return cls(kind, "%", worse, better)
        return cls("continuous" if kind == "ordinal" else kind, unit, before, after)


def measure(
    baseline: JudgedRun, candidate: JudgedRun, name: str, *, confidence: float = CONFIDENCE
) -> Measured | None:
    """One score of both runs; nothing where no case has it in both.

    Raises:
        Invalid: `unknown_score` for a name that one of the runs does not have.
    """
    trait = candidate.trait(name)
    baseline.trait(name)
    pairing = pair(baseline, candidate, name)
    if not pairing.ids:
        return None
    sides = Sides.of(pairing, trait.unit)
    # Over so many cases Student's t is as good, and a page need not wait for the bootstrap.
    is_quick = trait.unit in TIME_AND_MONEY and len(pairing.ids) > _BOOTSTRAP_CASES_MAX
    difference = paired_difference(
        sides.before,
        sides.after,
        confidence=confidence,
        clusters=pairing.after.clusters,
        method="t" if is_quick else "auto",
        bounds=None if sides.kind == "ordinal" else pairing.bounds,
    )
    return Measured(
        name=name,
        label=trait.label,
        kind=sides.kind,
        unit=sides.unit,
        higher_is_better=trait.higher_is_better,
        baseline=float(pairing.before.mean()),
        candidate=float(pairing.after.values.mean()),
        difference=difference,
        # Time and money are those of answers; cases without one have a measure of their own.
        missing=0 if trait.unit in TIME_AND_MONEY else pairing.missing,
    )


def other_measures(
    baseline: JudgedRun, candidate: JudgedRun, both: Pairs, main: str
) -> Iterator[Measured]:
    """Everything beside the main score that both runs can be compared on."""
    shared = {item.name for item in baseline.run.scorers}
    names = [item.name for item in candidate.run.scorers if item.name in shared]
    names = [name for name in names if name != main]
    level = candidate.confidence
    found = (measure(baseline, candidate, name, confidence=level) for name in names)
    yield from (one for one in found if one is not None)
    yield from _failed(both, main, level)
    if candidate.trait(main).unit == "%":
        yield from _cost_per_success(both, main, level)


def _kind(values: list[float]) -> Literal["binary", "ordinal", "continuous"]:
    levels = set(values)
    if levels <= {0.0, 1.0}:
        return "binary"
    whole = len(levels) in _ORDINAL_LEVELS and all(level.is_integer() for level in levels)
    return "ordinal" if whole else "continuous"


def _failed(pairs: Pairs, main: str, confidence: float) -> Iterator[Measured]:
    """The share of cases that got no score, where there is one such case."""
    before = [float(main in old.missing) for old, _ in pairs]
    after = [float(main in new.missing) for _, new in pairs]
    if not any(before) and not any(after):
        return
    yield Measured(
        name=FAILED,
        label="cases without a score",
        kind="rate",
        unit="%",
        higher_is_better=False,
        baseline=sum(before) / len(before),
        candidate=sum(after) / len(after),
        difference=paired_difference(
            before,
            after,
            confidence=confidence,
            clusters=clusters_of([new for _, new in pairs]),
        ),
        missing=0,
    )


def _cost_per_success(both: Pairs, main: str, confidence: float) -> Iterator[Measured]:
    """What one right answer costs, where costs are known and both runs got something right."""
    needed = {main, "cost_usd"}
    pairs = [(old, new) for old, new in both if needed <= old.scores.keys() & new.scores.keys()]
    if len(pairs) < 2:
        return
    clusters = clusters_of([new for _, new in pairs])
    if clusters is not None and len(set(clusters)) < 2:
        return
    sides = [
        ([case.scores["cost_usd"] for case in side], [case.scores[main] for case in side])
        for side in zip(*pairs, strict=True)
    ]
    if not all(sum(successes) > 0 and sum(costs) > 0 for costs, successes in sides):
        return
    found = ratios.ratio_difference(sides[0], sides[1], confidence=confidence, clusters=clusters)
    means = [sum(costs) / sum(successes) for costs, successes in sides]
    yield Measured(
        name=COST_PER_SUCCESS,
        label="cost per success",
        kind="ratio",
        unit="USD",
        higher_is_better=False,
        baseline=means[0],
        candidate=means[1],
        difference=_without_flips(found, means, len(pairs)),
        missing=0,
    )


def _without_flips(found: Interval, means: list[float], cases: int) -> PairedDifference:
    """A difference of ratios as one of pairs; no single case can win or lose a ratio."""
    return PairedDifference(
        value=found.value,
        low=found.low,
        high=found.high,
        p_value=1.0,
        n=found.n,
        confidence=found.confidence,
        method=found.method,
        baseline_mean=means[0],
        candidate_mean=means[1],
        wins=0,
        losses=0,
        ties=cases,
        df=found.df,
        design_effect=found.design_effect,
    )
