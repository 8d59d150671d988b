"""What a run, a gate or a comparison found, as plots of intervals."""

from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import Markup

from lineside.evals.compare import Comparison
from lineside.evals.summary import RunSummary
from lineside.stats import Finding, Interval, PairedDifference, plots
from lineside.usecases import parse_rule


class RulePicture(NamedTuple):
    """One rule of a gate with what it found, drawn on an axis of its own."""

    finding: Finding
    plot: Markup


def rule_pictures(findings: tuple[Finding, ...]) -> list[RulePicture]:
    """Each rule of a gate; what was not measured has no plot."""
    return [RulePicture(finding, rule_plot(finding)) for finding in findings]


def rule_unit(finding: Finding) -> str:
    """The unit of what a rule found: between two shares lie points, not percent."""
    is_difference = parse_rule(finding.rule).kind != "threshold"
    return "points" if is_difference and finding.unit == "%" else finding.unit


def rule_plot(finding: Finding) -> Markup:
    """What a rule found, with the line that it asks to be reached."""
    if finding.value is None:
        return Markup("")
    note = f"n {finding.n:,}"
    row = plots.IntervalRow(
        finding.label, finding.value, finding.low, finding.high, note, finding.decision
    )
    unit = rule_unit(finding)
    if parse_rule(finding.rule).kind == "non_inferiority":
        return plots.difference_plot(finding.label, [row], unit=unit, accepted=finding.threshold)
    return plots.interval_rows(
        finding.label,
        [row],
        unit=unit,
        threshold=finding.threshold,
        threshold_label="at least" if finding.direction == ">=" else "at most",
    )


def score_plot(summary: RunSummary) -> Markup | str:
    """The main score of a run, and all others of its unit."""
    unit = _main_unit(summary)
    rows = [
        _interval_row(score.label, score.interval)
        for score in summary.scores.values()
        if score.unit == unit and score.interval is not None
    ]
    return plots.interval_rows("Scores", rows, unit=unit) if rows else ""


def slice_plots(summary: RunSummary) -> list[tuple[str, Markup]]:
    """The main score in each slice, by the slice's name."""
    main = summary.scores.get(summary.main_score or "")
    label, unit = (main.label if main else ""), _main_unit(summary)
    return [
        (name, plots.interval_rows(f"{label} by {name}", _interval_rows(values), unit=unit))
        for name, values in summary.slices.items()
    ]


def difference_plot(found: Comparison) -> Markup:
    """Candidate minus baseline over all cases."""
    row = _difference_row(found.score, found.difference, is_good_up=found.higher_is_better)
    title = f"{found.score}: candidate minus baseline"
    return plots.difference_plot(title, [row], unit=difference_unit(found))


def difference_plots(found: Comparison) -> list[tuple[str, Markup]]:
    """Candidate minus baseline in each slice, by the slice's name."""
    drawn = []
    for name, values in found.slices.items():
        rows = [
            _difference_row(value, difference, is_good_up=found.higher_is_better)
            for value, difference in values.items()
        ]
        plot = plots.difference_plot(f"Difference by {name}", rows, unit=difference_unit(found))
        drawn.append((name, plot))
    return drawn


def difference_unit(found: Comparison) -> str:
    """The unit of a difference: between two shares lie points, not percent."""
    return "points" if found.unit == "%" else found.unit


def _main_unit(summary: RunSummary) -> str:
    main = summary.scores.get(summary.main_score or "")
    return main.unit if main else ""


def _interval_rows(values: Mapping[str, Interval]) -> list[plots.IntervalRow]:
    return [_interval_row(value, found) for value, found in values.items()]


def _interval_row(label: str, interval: Interval) -> plots.IntervalRow:
    cases = interval.cases_scored
    return plots.IntervalRow(label, interval.value, interval.low, interval.high, f"n {cases:,}")


def _difference_row(label: str, found: PairedDifference, *, is_good_up: bool) -> plots.IntervalRow:
    is_clear = found.low > 0 or found.high < 0
    is_better = (found.value > 0) == is_good_up
    tone: plots.Tone = "plain" if not is_clear else "ship" if is_better else "hold"
    return plots.IntervalRow(label, found.value, found.low, found.high, f"n {found.cases:,}", tone)
