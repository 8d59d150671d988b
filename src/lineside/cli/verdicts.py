"""How verdicts, rules, slices and wrong answers look in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lineside.cli.output import print_table, say, short

if TYPE_CHECKING:
    from lineside.evals import Result, Run
    from lineside.stats import Finding

EXIT_CODES = {"ship": 0, "hold": 1, "more": 3}
"""What a verdict is to a shell; see `lineside --help`."""

SIGNS = {"ship": "✓ ship", "hold": "✗ hold", "more": "? not enough data"}
_SLICES_MAX = 5


def print_findings(findings: Sequence["Finding"]) -> None:
    """Each rule of the gate with its estimate, its interval and what it decides."""
    if not findings:
        return
    confidence = f"{findings[0].confidence * 100:g} % interval"
    rows = [
        (
            finding.rule,
            amount(finding.value, finding.unit),
            interval(finding.low, finding.high, finding.unit),
            _decided(finding),
        )
        for finding in findings
    ]
    print_table(("rule", "estimate", confidence, "decision"), rows, numbers=("estimate",))


def print_wrong(run: "Run", wrong: Sequence["Result"], failed: Sequence["Result"]) -> None:
    """A few wrong answers to look at, and why cases failed."""
    if run.failures:
        say(f"\n{run.cases_failed:,} of {run.cases_total:,} cases failed", style="bold")
        for code, failure in run.failures.items():
            say(f"• {failure.cases:,} with {code}: {failure.message}")
    elif failed:
        say(f"\n{run.cases_failed:,} of {run.cases_total:,} cases failed", style="bold")
    if wrong:
        say("\nSome wrong answers", style="bold")
        print_table(("input", "expected", "answered"), [_row(result) for result in wrong])


def amount(value: float | None, unit: str) -> str:
    """A number with its unit; shares in per cent."""
    if value is None:
        return "unknown"
    if unit in ("%", "points"):
        return f"{value * 100:.1f} {unit}"
    return f"{value:,.4g} {unit}".rstrip()


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Two ends with one unit, or a dash where the data set no limit."""
    if low is None or high is None:
        return "–"
    scale, form = (100, ".1f") if unit in ("%", "points") else (1, ",.4g")
    return f"{low * scale:{form}} to {high * scale:{form}} {unit}".rstrip()


def _decided(finding: "Finding") -> str:
    if finding.decision == "more" and finding.cases_needed:
        return f"? about {finding.cases_needed:,} more cases"
    return SIGNS[finding.decision]


def _row(result: "Result") -> tuple[str, str, str]:
    output: dict[str, Any] = result.output or {}
    answered = {name: output.get(name) for name in result.expected}
    confidence = f" ({result.confidence:.2f})" if result.confidence is not None else ""
    return (
        short(result.input, characters=160),
        short(result.expected),
        (short(answered) if answered else short(output)) + confidence,
    )
