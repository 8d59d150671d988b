"""Whether a candidate is surely better, or surely not better by as much as matters."""

from dataclasses import replace

from lineside.core import Invalid
from lineside.stats.clauses import settled_by
from lineside.stats.failures import count_failed
from lineside.stats.findings import Finding, RuleTerms, weigh, without_scores
from lineside.stats.judging import expect_spread
from lineside.stats.paired import PairedDifference, as_interval, paired_pivot
from lineside.stats.power import CASES_MAX
from lineside.stats.wording import Direction, show, show_failed, show_range


def judge_superiority(
    difference: PairedDifference | None,
    smallest: float,
    *,
    rule: str,
    label: str,
    unit: str = "",
    direction: Direction = ">=",
    against: str = "the baseline",
    failed: int = 0,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> Finding:
    """Say whether the candidate is surely better, or surely not by the smallest gain that matters.

    Ship when the whole interval is on the good side of no difference; hold when the whole interval
    falls short of `smallest`, because then further cases would show at best a gain nobody asked
    for. Both are read from one interval, so that neither needs a correction.

    Args:
        difference: Candidate minus baseline; None when no case was paired.
        direction: `>=` when a higher score is better, `<=` when a lower one is.
        failed: Cases that lack a score in either run; counted both ways where scores are shares.

    Raises:
        Invalid: `bad_margin` unless the smallest gain is above 0.
    """
    if not smallest > 0:
        raise Invalid("bad_margin", f"The smallest gain that matters must be above 0: `{smallest}`")
    level = difference.confidence if difference else confidence
    terms = RuleTerms(rule, label, unit, 0.0, direction, level, failed, power, cases_max)
    if difference is None:
        return replace(without_scores(terms), sentence=f"{label} is unknown: no case was scored")
    pivot = paired_pivot(difference)
    is_share = difference.method.startswith("tango") or unit == "%"
    bounds = (-1.0, 1.0) if is_share else None
    evidence = count_failed(pivot, failed, cases=difference.cases, bounds=bounds)
    counts = {"n": difference.n, "cases": difference.cases}
    any_gain = weigh(terms, pivot, evidence, **counts)
    wanted = replace(terms, threshold=smallest if direction == ">=" else -smallest)
    worthwhile = weigh(wanted, pivot, evidence, **counts)
    finding = any_gain
    if any_gain.decision != "ship":
        needs = [one.cases_needed for one in (any_gain, worthwhile) if one.decision == "more"]
        known = [needed for needed in needs if needed is not None]
        finding = replace(
            any_gain,
            decision="hold" if worthwhile.decision == "hold" else "more",
            p_fail=worthwhile.p_fail,
            cases_needed=0 if worthwhile.decision == "hold" else min(known, default=None),
        )
    finding = expect_spread(finding, [as_interval(difference)])
    return replace(finding, sentence=_clause(finding, smallest, against))


def _clause(finding: Finding, smallest: float, against: str) -> str:
    unit = "points" if finding.unit == "%" else finding.unit
    interval = show_range(finding.low, finding.high, unit, finding.confidence, signed=True)
    better = "above" if finding.direction == ">=" else "below"
    ends = {
        "ship": f", surely {better} {against}",
        "hold": f", surely not better by the {show(smallest, unit, exact=True)} that matter",
        "more": ", which may be better or not",
    }[finding.decision]
    failed = f"; {show_failed(finding.failed)}" if finding.failed else ""
    rest = f"; {settled_by(finding)}" if finding.decision == "more" else ""
    return (
        f"{finding.label} differs from {against} by {show(finding.value, unit, signed=True)} "
        f"({interval}){ends}{failed}{rest}"
    )
