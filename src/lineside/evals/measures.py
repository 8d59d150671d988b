"""What two runs are compared on: every score they share, failures, and cost per success."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lineside.evals.compare import Met, Pairing, met, pair
from lineside.evals.judged import JudgedRun, cluster_keys
from lineside.evals.run import CONFIDENCE
from lineside.stats import Interval, PairedDifference, ends, np, paired_difference, ratios

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
        kind = "continuous" if is_amount else _kind(np.concatenate([before, after]))
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


def other_measures(baseline: JudgedRun, candidate: JudgedRun, main: str) -> Iterator[Measured]:
    """Everything beside the main score that both runs can be compared on."""
    shared = {item.name for item in baseline.run.scorers}
    names = [item.name for item in candidate.run.scorers if item.name in shared]
    names = [name for name in names if name != main]
    level = candidate.confidence
    found = (measure(baseline, candidate, name, confidence=level) for name in names)
    yield from (one for one in found if one is not None)
    both = met(baseline, candidate)
    yield from _failed(baseline, candidate, both, main)
    if candidate.trait(main).unit == "%" and "cost_usd" in shared:
        yield from _cost_per_success(baseline, candidate, both, main)


def _kind(values: "NDArray[Any]") -> Literal["binary", "ordinal", "continuous"]:
    if ((values == 0) | (values == 1)).all():
        return "binary"
    levels = np.unique(values)
    whole = len(levels) in _ORDINAL_LEVELS and (levels % 1 == 0).all()
    return "ordinal" if whole else "continuous"


def _failed(baseline: JudgedRun, candidate: JudgedRun, both: Met, main: str) -> Iterator[Measured]:
    """The share of cases that got no score, where there is one such case."""
    before, after = (
        run.sheet.missing[run.row(main)][places].astype(float)
        for run, places in zip((baseline, candidate), both, strict=True)
    )
    if not before.any() and not after.any():
        return
    yield Measured(
        name=FAILED,
        label="cases without a score",
        kind="rate",
        unit="%",
        higher_is_better=False,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        difference=paired_difference(
            before,
            after,
            confidence=candidate.confidence,
            clusters=cluster_keys(candidate.sheet, both.after),
        ),
        missing=0,
    )


def _cost_per_success(
    baseline: JudgedRun, candidate: JudgedRun, both: Met, main: str
) -> Iterator[Measured]:
    """What one right answer costs, where costs are known and both runs got something right."""
    rows = np.array(
        [
            run.sheet.values[run.row(name)][places]
            for run, places in zip((baseline, candidate), both, strict=True)
            for name in ("cost_usd", main)
        ]
    )
    known = (rows == rows).all(axis=0)  # what is not a number differs from itself
    rows = rows[:, known]
    cases = rows.shape[1]
    clusters = cluster_keys(candidate.sheet, both.after[known])
    if (len(set(clusters)) if clusters else cases) < 2 or not (rows.sum(axis=1) > 0).all():
        return
    sides = [(rows[0], rows[1]), (rows[2], rows[3])]
    found = ratios.ratio_difference(*sides, confidence=candidate.confidence, clusters=clusters)
    means = [float(costs.sum() / successes.sum()) for costs, successes in sides]
    yield Measured(
        name=COST_PER_SUCCESS,
        label="cost per success",
        kind="ratio",
        unit="USD",
        higher_is_better=False,
        baseline=means[0],
        candidate=means[1],
        difference=_without_flips(found, means, cases),
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
