"""What a finding says in words, to follow `Ship: `, `Hold: ` or `Not enough data: `."""

from lineside.stats.findings import Finding
from lineside.stats.slices import SliceGap
from lineside.stats.wording import number, settle, show, show_failed, show_range


def threshold_clause(finding: Finding) -> str:
    interval = show_range(finding.low, finding.high, finding.unit, finding.confidence)
    asked = f"{show(finding.threshold, finding.unit, exact=True)} {_wish(finding)}"
    return (
        f"{finding.label} is {show(finding.value, finding.unit)} ({interval})"
        f"{_against(finding, asked)}{_rest(finding)}"
    )


def difference_clause(finding: Finding, margin: float, against: str) -> str:
    unit = "points" if finding.unit == "%" else finding.unit
    interval = show_range(finding.low, finding.high, unit, finding.confidence, signed=True)
    worse = "below" if finding.direction == ">=" else "above"
    verdicts = {
        "ship": f", not worse by more than the {show(margin, unit, exact=True)} allowed",
        "hold": f", worse by more than the {show(margin, unit, exact=True)} allowed",
        "more": _inside(finding, f"limit of {show(margin, unit, exact=True)} {worse} {against}"),
    }
    return (
        f"{finding.label} differs from {against} by {show(finding.value, unit, signed=True)} "
        f"({interval}){verdicts[finding.decision]}{_rest(finding)}"
    )


def gap_clause(finding: Finding, gap: SliceGap) -> str:
    unit = "points" if finding.unit == "%" else finding.unit
    interval = show_range(finding.low, finding.high, unit, finding.confidence)
    limit = show(finding.threshold, unit, exact=True)
    asked = f"limit of {limit}" if finding.decision == "more" else f"{limit} allowed"
    return (
        f"{finding.label} is {show(finding.value, unit)} between `{gap.best}` and `{gap.worst}` "
        f"({interval}){_against(finding, asked)}{_left_out(gap)}{_rest(finding)}"
    )


def no_gap_clause(finding: Finding, gap: SliceGap) -> str:
    return (
        f"{finding.label} is unknown: fewer than two slices have {gap.min_cases} scored cases"
        f"{_rest(finding, needed=False)}"
    )


def no_scores_clause(finding: Finding) -> str:
    return f"{finding.label} is unknown: no case was scored{_rest(finding, needed=False)}"


def settled_by(finding: Finding) -> str:
    """What would settle a finding: cases of other clusters, those that failed, or more of them."""
    if finding.is_of_one_cluster:
        return f"all {finding.cases:,} cases are of one cluster, only cases of others can settle it"
    if finding.failed and finding.cases_needed == finding.failed:
        return f"scoring {'it' if finding.failed == 1 else 'them'} would settle it"
    return settle(finding.cases_needed)


def _wish(finding: Finding) -> str:
    return "asked for" if finding.direction == ">=" else "allowed"


def _against(finding: Finding, asked: str) -> str:
    if finding.decision == "more":
        return _inside(finding, asked)
    is_above = (finding.decision == "ship") == (finding.direction == ">=")
    return f", {'above' if is_above else 'below'} the {asked}"


def _inside(finding: Finding, limit: str) -> str:
    return "" if finding.low is None or finding.high is None else f", the {limit} lies inside"


def _left_out(gap: SliceGap) -> str:
    if not gap.left_out:
        return ""
    names = ", ".join(f"`{name}`" for name in sorted(gap.left_out)[:3])
    more = len(gap.left_out) - 3
    names += f" and {number(more, '', exact=True)} more" if more > 0 else ""
    return f"; too small to judge: {names}"


def _rest(finding: Finding, *, needed: bool = True) -> str:
    failed = ""
    if finding.failed:
        counted = ", counted both ways" if finding.low is not None else ""
        failed = f"; {show_failed(finding.failed)}{counted}"
    if finding.decision != "more" or not needed:
        return failed
    return f"{failed}; {settled_by(finding)}"
