"""The three questions a gate asks of scores: good enough, not worse, fair to every slice."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from lineside.core import Invalid
from lineside.stats.clauses import (
    difference_clause,
    gap_clause,
    no_gap_clause,
    no_scores_clause,
    threshold_clause,
)
from lineside.stats.failures import FailureBounds, count_failed
from lineside.stats.findings import Finding, RuleTerms, weigh, without_scores
from lineside.stats.intervals import (
    AMOUNT,
    CONSTANT_CASES_MIN,
    Interval,
    MeanMethod,
    mean_interval,
    pivot_of,
)
from lineside.stats.paired import PairedDifference, as_interval, paired_pivot
from lineside.stats.pivots import Pivot
from lineside.stats.power import CASES_MAX
from lineside.stats.samples import is_binary, read_values
from lineside.stats.slices import SliceGap, gap_pivot
from lineside.stats.wording import Direction


def judge_threshold(
    values: Iterable[float] | Interval,
    threshold: float,
    direction: Direction = ">=",
    *,
    rule: str,
    label: str | None = None,
    unit: str = "",
    failed: int = 0,
    bounds: tuple[float, float] | None = None,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    method: MeanMethod = "auto",
    seed: int = 0,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> Finding:
    """Say whether a mean surely clears a threshold, surely misses it, or needs more cases.

    Failed cases count both ways (worst-case bounds, Manski 1990): ship only if it would clear with
    all of them at the bad bound, hold only if it would miss with all of them at the good one.
    Scores without bounds and failed cases never settle. Without a scored case the answer is always
    more.

    Args:
        values: One score per case that gave one, or their interval, whose confidence then counts.
        failed: Cases that gave no score: endpoint down, scorer broken.
        bounds: Lowest and highest possible score. Known without saying for scores that are all 0 or
            1 and for shares (`unit="%"`): 0 and 1.
        unit: `%` for shares from 0 to 1, else a unit to print, such as `ms`.

    Raises:
        Invalid: `out_of_bounds`, `bad_direction`, `bad_count`, and what `mean_interval` raises.
    """
    interval, bounds = _interval_of(
        values, unit, bounds, confidence=confidence, clusters=clusters, method=method, seed=seed
    )
    terms = RuleTerms(
        rule,
        label or rule,
        unit,
        threshold,
        direction,
        interval.confidence if interval else confidence,
        failed,
        power,
        cases_max,
    )
    if interval is None:
        return _unscored(terms)
    pivot = pivot_of(interval)
    evidence = count_failed(pivot, failed, cases=interval.cases_scored, bounds=bounds)
    finding = weigh(terms, pivot, evidence, n=interval.n, cases=interval.cases_scored)
    finding = expect_spread(finding, [interval])
    return replace(finding, sentence=threshold_clause(finding))


def judge_non_inferiority(
    difference: PairedDifference | None,
    margin: float,
    *,
    rule: str,
    label: str | None = None,
    unit: str = "",
    direction: Direction = ">=",
    against: str = "the baseline",
    failed: int = 0,
    bounds: tuple[float, float] | None = None,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> Finding:
    """Say whether the candidate is surely not worse by more than the margin.

    The interval approach to non-inferiority (EMA guideline CPMP/EWP/2158/99, 2005): the end of the
    two-sided interval on the bad side must stay within the margin. `p_pass` is the one-sided
    p-value.

    Args:
        difference: Candidate minus baseline; its confidence counts. None when no case was paired.
        direction: `>=` when a higher score is better, `<=` when a lower one is (latency, cost).
        against: What the baseline is called in the sentence, such as `live`.
        failed: Cases that lack a score in either run.
        bounds: Lowest and highest possible score; 0 and 1 for 0/1 scores and shares.

    Raises:
        Invalid: `bad_margin` unless the margin is above 0.
    """
    if not margin > 0:
        raise Invalid("bad_margin", f"The margin must be above 0: `{margin}`")
    terms = RuleTerms(
        rule,
        label or rule,
        unit,
        -margin if direction == ">=" else margin,
        direction,
        difference.confidence if difference else confidence,
        failed,
        power,
        cases_max,
    )
    if difference is None:
        return _unscored(terms)
    pivot = paired_pivot(difference)
    if bounds is None and (difference.method.startswith("tango") or unit == "%"):
        bounds = (0.0, 1.0)
    reach = None if bounds is None else bounds[1] - bounds[0]
    evidence = count_failed(
        pivot,
        failed,
        cases=difference.cases,
        bounds=None if reach is None else (-reach, reach),
    )
    finding = weigh(terms, pivot, evidence, n=difference.n, cases=difference.cases)
    finding = expect_spread(finding, [as_interval(difference)])
    return replace(finding, sentence=difference_clause(finding, margin, against))


def judge_slice_gap(
    gap: SliceGap,
    threshold: float,
    *,
    rule: str,
    label: str | None = None,
    unit: str = "",
    failed: int = 0,
    bounds: tuple[float, float] | None = None,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> Finding:
    """Say whether no two slices surely differ by more than the threshold.

    Which slices the failed cases belong to is not known. They are counted as if they all fell on
    the two smallest slices and pulled them apart; where they could fill a slice of their own that
    nobody has seen a score of, the answer is more. Slices too small to judge are named, not judged.

    Args:
        failed: Cases that gave no score, of whatever slice.
        bounds: Lowest and highest possible score; 0 and 1 for 0/1 scores and shares.

    Raises:
        Invalid: `bad_threshold` unless the threshold is above 0, because no gap is below it.
    """
    terms = RuleTerms(
        rule, label or rule, unit, threshold, "<=", gap.confidence, failed, power, cases_max
    )
    if not threshold > 0:
        raise Invalid("bad_threshold", f"The largest gap allowed must be above 0: `{threshold}`")
    cases = sum(interval.cases_scored for interval in gap.slices.values())
    if gap.value is None:
        finding = replace(without_scores(terms), n=gap.n, cases=cases)
        return replace(finding, sentence=no_gap_clause(finding, gap))
    pivot = gap_pivot(gap)
    rates = all(interval.method.startswith("wilson") for interval in gap.slices.values())
    if bounds is None and (rates or unit == "%"):
        bounds = (0.0, 1.0)
    unseen = failed + max(gap.left_out.values(), default=0) >= gap.min_cases
    evidence = None
    if failed == 0:
        evidence = FailureBounds(pivot, pivot)
    elif bounds is not None and not unseen:
        smallest = min(interval.cases_scored for interval in gap.slices.values())
        # Split evenly over two slices, failed cases move the gap the most.
        shift = (bounds[1] - bounds[0]) * failed / (smallest + failed / 2)
        evidence = FailureBounds(_Shifted(pivot, -shift), _Shifted(pivot, shift))
    finding = weigh(terms, pivot, evidence, n=gap.n, cases=cases)
    finding = expect_spread(finding, gap.slices.values())
    return replace(finding, sentence=gap_clause(finding, gap))


@dataclass(frozen=True)
class _Shifted:
    """A statistic moved by a constant: the worst that failed cases could do to a gap."""

    inner: Pivot
    shift: float

    @property
    def value(self) -> float:
        return max(0.0, self.inner.value + self.shift)

    def low(self, tail: float) -> float:
        return max(0.0, self.inner.low(tail) + self.shift)

    def high(self, tail: float) -> float:
        return self.inner.high(tail) + self.shift

    def p_above(self, limit: float) -> float:
        return self.inner.p_above(limit - self.shift)

    def p_below(self, limit: float) -> float:
        return self.inner.p_below(limit - self.shift)

    def scaled(self, factor: float) -> "_Shifted":
        return replace(self, inner=self.inner.scaled(factor))


def _interval_of(
    values: Iterable[float] | Interval,
    unit: str,
    bounds: tuple[float, float] | None,
    *,
    confidence: float,
    clusters: Sequence[Hashable] | None,
    method: MeanMethod,
    seed: int,
) -> tuple[Interval | None, tuple[float, float] | None]:
    """Return the interval of the scores, None without a score, and the bounds they must keep."""
    if isinstance(values, Interval):
        is_rate = unit == "%" or values.method.startswith("wilson")
        return values, (0.0, 1.0) if bounds is None and is_rate else bounds
    row = list(values)
    if not row:
        return None, bounds
    scores = read_values(row)
    # A cost of 0 USD for every case is an amount, not a share of yes.
    is_rate = unit in {"", "%"} and is_binary(scores)
    if method == "auto" and is_binary(scores) and not is_rate:
        method = "t"
    if bounds is None and (is_rate or unit == "%"):
        bounds = (0.0, 1.0)
    if bounds is not None and not (bounds[0] <= scores.min() <= scores.max() <= bounds[1]):
        raise Invalid(
            "out_of_bounds",
            f"A score lies outside {bounds[0]} to {bounds[1]}: "
            f"`{scores.min()}` to `{scores.max()}`",
            hint="Pass the score's own `bounds`, or a unit other than `%`",
        )
    # A worst latency that is known all the same does not make latencies scores between bounds.
    is_amount = unit not in {"", "%"}
    interval = mean_interval(
        scores,
        confidence=confidence,
        clusters=clusters,
        method=method,
        bounds=AMOUNT if is_amount else bounds,
        seed=seed,
    )
    return interval, bounds


def expect_spread(finding: Finding, intervals: Iterable[Interval]) -> Finding:
    """Ask for the cases from which on equal scores count as certain, where they decide nothing.

    Of one cluster no number of cases would do.
    """
    if finding.is_of_one_cluster and finding.decision == "more":
        return replace(finding, cases_needed=None)
    lacking = [interval.n for interval in intervals if interval.method == "unknown"]
    if not lacking or finding.decision != "more":
        return finding
    needed = sum(CONSTANT_CASES_MIN - n for n in lacking)
    return replace(finding, cases_needed=max(needed, finding.failed))


def _unscored(terms: RuleTerms) -> Finding:
    finding = without_scores(terms)
    return replace(finding, sentence=no_scores_clause(finding))
