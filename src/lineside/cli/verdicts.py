"""How verdicts, rules, slices and wrong answers look in a terminal."""

from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Protocol

from lineside.cli.output import print_table, say, short

if TYPE_CHECKING:
    from lineside.evals import GateOutcome, Result, Run, plan
    from lineside.stats import Finding, Interval

EXIT_CODES = {"ship": 0, "hold": 1, "more": 3}
"""What a verdict is to a shell; see `lineside --help`."""

SIGNS = {"ship": "✓ ship", "hold": "✗ hold", "more": "? not enough data"}
_SLICES_MAX = 5


class _Judge(Protocol):
    @property
    def models(self) -> list[str]: ...
    @property
    def calls(self) -> int: ...
    @property
    def recalled(self) -> int: ...
    @property
    def cost_usd(self) -> float | None: ...
    @property
    def failed(self) -> int: ...
    @property
    def orders_disagree(self) -> float | None: ...
    @property
    def self_agreement(self) -> float | None: ...
    @property
    def jury_agreement(self) -> float | None: ...


class _Standing(Protocol):
    @property
    def sentence(self) -> str: ...


class _Score(Protocol):
    @property
    def interval(self) -> "Interval | None": ...
    @property
    def unit(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def missing(self) -> int: ...
    @property
    def rests_on(self) -> str: ...
    @property
    def unscored(self) -> "plan.Unscored | None": ...
    @property
    def judge(self) -> "_Judge | None": ...
    @property
    def standing(self) -> "_Standing | None": ...


class _Summary(Protocol):
    """What `lineside.evals.summarise` returns, whose name the room keeps to itself."""

    @property
    def main_score(self) -> str | None: ...
    @property
    def scores(self) -> "Mapping[str, _Score]": ...
    @property
    def slices(self) -> "Mapping[str, Mapping[str, Interval]]": ...


def print_findings(findings: Sequence["Finding"]) -> None:
    """Each rule of the gate with its estimate, its interval and what it decides."""
    if not findings:
        return
    from lineside.stats import wording

    confidence = f"{wording.show_level(findings[0].confidence)} interval"
    rows = [
        (
            finding.rule,
            amount(finding.value, _unit(finding)) if finding.value is not None else "–",
            interval(finding.low, finding.high, _unit(finding)),
            _decided(finding),
        )
        for finding in findings
    ]
    print_table(("rule", "estimate", confidence, "decision"), rows, numbers=("estimate",))


def print_scores(summary: "_Summary") -> None:
    """Each score of a run with its interval."""
    rows = [
        (
            name,
            amount(score.interval.value if score.interval else None, score.unit),
            interval(score.interval.low, score.interval.high, score.unit)
            if score.interval
            else "–",
            f"{score.missing:,}",
        )
        for name, score in summary.scores.items()
    ]
    print_table(("score", "mean", "95 % interval", "missing"), rows, numbers=("mean", "missing"))
    for name, score in summary.scores.items():
        if score.rests_on:
            say(f"{name} {score.rests_on}")
        if score.unscored is not None:
            say(f"{name}: {score.unscored.in_words}")
        if score.judge is not None:
            say(_judge_line(name, score.judge))
        if score.standing is not None:
            say(f"{name}: {score.standing.sentence}")


def _judge_line(name: str, judge: "_Judge") -> str:
    if not judge.calls and not judge.recalled and judge.cost_usd is None:
        # A metric of another library asks by itself; we see only what it returns.
        models = ", ".join(judge.models) or "a model that nobody named"
        return f"{name}: asks {models} itself; what that takes is not seen"
    shares = (
        ("agrees with itself", judge.self_agreement),
        ("jurors agree", judge.jury_agreement),
        ("orders disagree", judge.orders_disagree),
    )
    said = [f"{word} in {amount(share, '%')}" for word, share in shares if share is not None]
    cost = "an unknown cost" if judge.cost_usd is None else f"{judge.cost_usd:.4f} USD"
    failed = [f"no verdict on {judge.failed:,}"] if judge.failed else []
    if judge.recalled:
        failed.append(f"{judge.recalled:,} verdicts known from earlier runs")
    return f"{name}: {judge.calls:,} calls of judges for {cost}; " + ", ".join(
        [*said, *failed] or ["asked once each"]
    )


def print_slices(summary: "_Summary") -> None:
    """The slices that are served worst, each with its interval."""
    flat = [
        (f"{name}: {value}", found)
        for name, values in summary.slices.items()
        for value, found in values.items()
    ]
    if not flat or summary.main_score is None:
        return
    score = summary.scores[summary.main_score]
    worst = sorted(flat, key=lambda pair: pair[1].value, reverse=not score.higher_is_better)
    say(f"\nWorst slices by {summary.main_score}", style="bold")
    rows = [
        (
            name,
            amount(found.value, score.unit),
            interval(found.low, found.high, score.unit),
            found.cases or found.n,
        )
        for name, found in worst[:_SLICES_MAX]
    ]
    print_table(("slice", "mean", "95 % interval", "cases"), rows, numbers=("mean", "cases"))


def print_wrong(run: "Run", results: Sequence["Result"], *, title: str) -> None:
    """Why cases failed, and what was answered where something is to be seen."""
    if run.failures:
        say(f"\n{run.cases_failed:,} of {run.cases_total:,} cases failed", style="bold")
        for code, failure in run.failures.items():
            say(f"• {failure.cases:,} × {code}: {failure.message}")
    if results:
        say(f"\n{title}", style="bold")
        print_table(("input", "expected", "answered"), [_row(result) for result in results])


def notes_beside(run: "Run", gate: "GateOutcome | None") -> list[str]:
    """What a gate notes beside its verdict, without why cases failed: `print_wrong` says that."""
    said = {f"{item.cases:,} × `{code}`: {item.message}" for code, item in run.failures.items()}
    return [line for line in (gate.notes if gate is not None else ()) if line not in said]


def amount(value: float | None, unit: str) -> str:
    """A number with its unit; shares in per cent."""
    if value is None:
        return "unknown"
    return f"{_digits(value, unit)} {unit}".rstrip()


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Two ends with one unit, or a dash where the data set no limit."""
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return "–"
    return f"{_digits(low, unit)} to {_digits(high, unit)} {unit}".rstrip()


def _digits(value: float, unit: str) -> str:
    """Shares with one decimal, everything else with three digits that count."""
    if unit in ("%", "points"):
        return f"{value * 100:.1f}"
    if not value:
        return "0"
    decimals = 2 - floor(log10(abs(value)))
    return f"{value:,.{min(9, max(0, decimals))}f}"


def _unit(finding: "Finding") -> str:
    """A difference of shares is in points, not in per cent."""
    is_difference = finding.rule.startswith(("not worse", "slice gap"))
    return "points" if finding.unit == "%" and is_difference else finding.unit


def _decided(finding: "Finding") -> str:
    if finding.decision == "ship" and finding.value is None:
        return "✓ nothing is live yet"
    return SIGNS[finding.decision]


def _row(result: "Result") -> tuple[str, str, str]:
    if result.output is None:
        answered = f"failed: {result.error_code}"
        return short(result.input, characters=160), short(result.expected), answered
    output = result.output
    asked = {} if result.lacks else {name: output.get(name) for name in result.expected}
    lacks = f"{result.lacks}: " if result.lacks and output else result.lacks
    confidence = f" ({result.confidence:.2f})" if result.confidence is not None else ""
    return (
        short(result.input, characters=160),
        short(result.expected),
        lacks + short(asked or output) + confidence,
    )
