"""What one rule finds: ship, hold, or more cases needed."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from lineside.core import Invalid
from lineside.stats.failures import FailureBounds
from lineside.stats.pivots import Pivot, RatePivot
from lineside.stats.power import cases_needed_for_rate, cases_to_settle
from lineside.stats.samples import check_confidence
from lineside.stats.wording import Direction

Decision = Literal["ship", "hold", "more"]


@dataclass(frozen=True)
class Finding:
    """What one rule says about one estimate, in numbers and in a sentence.

    Ship means that the whole interval clears the threshold, hold that the whole interval misses it.
    Failed cases widen the interval to what it would be if all of them had scored worst or best.

    Args:
        rule: The rule as it was written, such as `accuracy >= 0.85`.
        value: The estimate over the scored cases; None where there is none.
        low: None where the data set no limit, as is `high`.
        p_pass: One-sided p-value against "the truth misses the threshold".
        p_fail: One-sided p-value against "the truth clears the threshold".
        n: Independent units behind it: clusters where there are clusters, else cases.
        cases: Scored cases.
        failed: Cases that gave no score.
        cases_needed: How many more cases would settle it; 0 where it is settled, None where no
            affordable number would.
        sentence: Starts with the label, so that it can follow `Ship: ` or stand in a table.
    """

    rule: str
    label: str
    unit: str
    decision: Decision
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    threshold: float
    direction: Direction
    p_pass: float
    p_fail: float
    n: int
    cases: int
    failed: int
    cases_needed: int | None
    sentence: str

    @property
    def is_of_one_cluster(self) -> bool:
        """Whether all cases are related, so that more of their kind would show nothing."""
        return self.n == 1 and self.cases > 1


@dataclass(frozen=True)
class RuleTerms:
    """What a rule asks of an estimate."""

    rule: str
    label: str
    unit: str
    threshold: float
    direction: Direction
    confidence: float
    failed: int
    power: float
    cases_max: int

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if self.direction not in {">=", "<="}:
            raise Invalid("bad_direction", f"A direction is `>=` or `<=`: `{self.direction}`")
        if not isfinite(self.threshold):
            raise Invalid(
                "not_finite", f"The threshold must be a finite number: `{self.threshold}`"
            )
        if self.failed < 0:
            raise Invalid("bad_count", f"Failed cases cannot be fewer than 0: {self.failed}")


def without_scores(terms: RuleTerms) -> Finding:
    """Return the finding where no case gave a score: nothing is known, so nothing is settled."""
    return _finding(terms, "more", value=None, ends=(None, None), p_values=(1.0, 1.0))


def weigh(
    terms: RuleTerms, pivot: Pivot, evidence: FailureBounds | None, *, n: int, cases: int
) -> Finding:
    """Decide by the p-values of the worst case, and read the interval from the same statistic.

    Args:
        pivot: The estimate over the scored cases.
        evidence: The same with the failed cases at both bounds; None where they have no bounds.
    """
    tail = (1 - terms.confidence) / 2
    if evidence is None:
        needed = _cases_needed(terms, pivot, cases)
        return _finding(
            terms,
            "more",
            value=pivot.value,
            ends=(None, None),
            p_values=(1.0, 1.0),
            n=n,
            cases=cases,
            cases_needed=needed,
        )
    p_above = evidence.lower.p_above(terms.threshold)
    p_below = evidence.upper.p_below(terms.threshold)
    p_pass, p_fail = (p_above, p_below) if terms.direction == ">=" else (p_below, p_above)
    decision: Decision = "ship" if p_pass <= tail else "hold" if p_fail < tail else "more"
    return _finding(
        terms,
        decision,
        value=pivot.value,
        ends=(evidence.lower.low(tail), evidence.upper.high(tail)),
        p_values=(p_pass, p_fail),
        n=n,
        cases=cases,
        cases_needed=0 if decision != "more" else _cases_needed(terms, pivot, cases),
    )


def _cases_needed(terms: RuleTerms, pivot: Pivot, cases: int) -> int | None:
    tail = (1 - terms.confidence) / 2
    if terms.failed and (pivot.low(tail) > terms.threshold or pivot.high(tail) < terms.threshold):
        # The scored cases alone would settle it: the failed ones are what is missing.
        return terms.failed
    if isinstance(pivot, RatePivot) and pivot.df is None and 0 < terms.threshold < 1:
        total = cases_needed_for_rate(
            pivot.value,
            terms.threshold,
            confidence=terms.confidence,
            power=terms.power,
            cases_max=terms.cases_max,
        )
        if total is None:
            return None
        needed = int(total * cases / pivot.n) - cases
        return max(1, terms.failed, needed) if needed + cases <= terms.cases_max else None
    needed_more = cases_to_settle(
        pivot,
        terms.threshold,
        cases=cases,
        confidence=terms.confidence,
        power=terms.power,
        cases_max=terms.cases_max,
    )
    return None if needed_more is None else max(terms.failed, needed_more)


def _finding(
    terms: RuleTerms,
    decision: Decision,
    *,
    value: float | None,
    ends: tuple[float | None, float | None],
    p_values: tuple[float, float],
    n: int = 0,
    cases: int = 0,
    cases_needed: int | None = None,
) -> Finding:
    low, high = (None if end is None or abs(end) == inf else end for end in ends)
    return Finding(
        rule=terms.rule,
        label=terms.label,
        unit=terms.unit,
        decision=decision,
        value=value,
        low=low,
        high=high,
        confidence=terms.confidence,
        threshold=terms.threshold,
        direction=terms.direction,
        p_pass=p_values[0],
        p_fail=p_values[1],
        n=n,
        cases=cases,
        failed=terms.failed,
        cases_needed=cases_needed,
        sentence="",
    )
