"""One test of a candidate, with all that somebody who was not there needs to know of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lineside.core import Record
from lineside.evals.compare import Comparison
from lineside.evals.gate import GateOutcome
from lineside.evals.result import Result, results_of
from lineside.evals.run import Run
from lineside.evals.summary import RunSummary, summarise
from lineside.stats import Finding
from lineside.trust import Scope

DECISIONS = {"ship": "Ship", "hold": "Hold", "more": "Not enough data"}
_SIGNS = {"ship": "✓ ship", "hold": "✗ hold", "more": "? not enough data"}
_WRONG_SHOWN = 20


def decided(finding: Finding) -> str:
    """What a rule decides, with a sign that is read without colour."""
    if finding.decision == "ship" and finding.value is None:
        return "✓ not needed yet"
    return _SIGNS[finding.decision]


def in_words(value: Mapping[str, Any]) -> str:
    """A payload as people read it: a lone field by its value, several with their names."""
    if len(value) == 1:
        return _text(next(iter(value.values())))
    return " · ".join(f"{name}: {_text(item)}" for name, item in value.items())


def answered(result: Result) -> str:
    """The answer in words; where something was expected, of the same fields in the same order."""
    output = result.output or {}
    asked = {name: output[name] for name in result.expected if name in output}
    lacks = f"{result.lacks}: " if result.lacks and output else result.lacks
    return lacks + in_words(asked or output)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


class Report(Record):
    """A judged run with its verdict, ready to be written down in any form.

    Attributes:
        title: What was judged, such as the use case.
        comparison: Candidate against baseline, where there was one.
        wrong: Cases to look at, at most 20: failed ones, wrong answers that were better in the
            baseline, then other wrong answers.
    """

    title: str
    run: Run
    summary: RunSummary
    gate: GateOutcome
    comparison: Comparison | None
    wrong: list[Result]

    @property
    def findings(self) -> Sequence[Finding]:
        """What each rule of the gate found."""
        return self.gate.verdict.findings

    def is_worse(self, result: Result) -> bool:
        """Whether the baseline did better on this case."""
        return self.comparison is not None and result.case_id in self.comparison.worsened

    @property
    def reason(self) -> str:
        """The verdict's sentence where its word stands beside it already."""
        rest = self.gate.verdict.sentence.partition(": ")[2] or self.gate.verdict.sentence
        return rest[:1].upper() + rest[1:]


def report_of(
    scope: Scope,
    run: Run,
    gate: GateOutcome,
    *,
    comparison: Comparison | None = None,
    title: str | None = None,
) -> Report:
    """Gather what is to be reported of a run that a gate has judged.

    Args:
        title: By default the name of the use case.
    """
    worsened = comparison.worsened[:_WRONG_SHOWN] if comparison else []
    found = [
        *results_of(scope, run.id, only="failed", limit=_WRONG_SHOWN),
        *results_of(scope, run.id, only="wrong", case_ids=worsened, limit=_WRONG_SHOWN),
        *results_of(scope, run.id, only="wrong", limit=_WRONG_SHOWN),
    ]
    wrong = {(result.case_id, result.repetition): result for result in found}
    return Report(
        title=title or run.use_case,
        run=run,
        summary=summarise(scope, run),
        gate=gate,
        comparison=comparison,
        wrong=list(wrong.values())[:_WRONG_SHOWN],
    )
