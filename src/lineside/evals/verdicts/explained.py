"""A gate line by line: what each rule found, how, and the cases that speak against it."""

from typing import Literal

from lineside.core import Record
from lineside.evals.again import read_anew
from lineside.evals.compare import pair
from lineside.evals.gate import GateOutcome
from lineside.evals.judged import JudgedRun
from lineside.evals.run import get_run
from lineside.stats import Finding, multiplicity
from lineside.trust import Scope
from lineside.usecases import GateRule, parse_rule

EVIDENCE_MAX = 20

_HOW = {
    "threshold": "the whole 95 % interval of the mean against one number",
    "percentile": "the whole 95 % interval of the percentile, from order statistics",
    "non_inferiority": "case by case against what was live; the interval's bad end must stay "
    "within the margin",
    "slice_gap": "the best slice against the worst, allowing for having picked them",
}


class CaseEvidence(Record):
    """A case that speaks against a rule.

    Attributes:
        value: Its score; nothing where it has none.
        baseline: Its score in the run compared with, where the rule compares.
    """

    case_id: str
    value: float | None
    baseline: float | None = None


class GateLine(Record):
    """One rule of a gate with its decision and all it rests on.

    Attributes:
        how: What was held against what, in words.
        p_fail: One-sided, against "the truth meets the rule"; after Holm's correction for all rules
            of the gate, which is what a hold is decided by.
        is_deciding: Whether the verdict would be another without this line.
        against_total: Cases that speak against the rule, of which `against` shows the first; those
            without a score are among them.
    """

    rule: str
    decision: Literal["ship", "hold", "more"]
    sentence: str
    how: str
    cases: int
    units: int
    failed: int
    p_pass: float
    p_fail: float
    is_deciding: bool
    run_ids: list[str]
    against: list[CaseEvidence]
    against_total: int


def explain_gate(scope: Scope, outcome: GateOutcome) -> list[GateLine]:
    """Say of each rule of a gate what it found, how, and which cases speak against it.

    Raises:
        NotFound: The run is gone.
    """
    run = get_run(scope, outcome.run_id)
    before = get_run(scope, outcome.baseline_run_id) if outcome.baseline_run_id else None
    read = read_anew(scope.store, run, before)
    findings = outcome.verdict.findings
    corrected = multiplicity.holm([finding.p_fail for finding in findings])
    return [
        _line(finding, p_fail, outcome, read.judged, read.baseline)
        for finding, p_fail in zip(findings, corrected, strict=True)
    ]


def _line(
    finding: Finding,
    p_fail: float,
    outcome: GateOutcome,
    judged: JudgedRun,
    baseline: JudgedRun | None,
) -> GateLine:
    rule = parse_rule(finding.rule)
    against = _against(rule, judged, baseline)
    is_percentile = rule.kind == "threshold" and rule.statistic.startswith("p")
    runs = [judged.run.id]
    if rule.kind == "non_inferiority" and baseline is not None:
        runs.append(baseline.run.id)
    fails_surely = p_fail < (1 - finding.confidence) / 2
    return GateLine(
        rule=finding.rule,
        decision=finding.decision,
        sentence=finding.sentence,
        how=_HOW["percentile" if is_percentile else rule.kind],
        cases=finding.cases,
        units=finding.n,
        failed=finding.failed,
        p_pass=finding.p_pass,
        p_fail=p_fail,
        is_deciding=(
            fails_surely if outcome.verdict.decision == "hold" else finding.decision != "ship"
        ),
        run_ids=runs,
        against=against[:EVIDENCE_MAX],
        against_total=len(against),
    )


def _against(rule: GateRule, judged: JudgedRun, baseline: JudgedRun | None) -> list[CaseEvidence]:
    """The cases that pull the estimate the wrong way, the worst first, then those without one."""
    if rule.kind == "non_inferiority":
        return _worse_than(judged, baseline, rule.score) if baseline is not None else []
    trait, scored = judged.trait(rule.score), judged.scored(rule.score)
    is_low_bad = rule.comparator == ">=" if rule.kind == "threshold" else trait.higher_is_better
    limit = rule.threshold if rule.kind == "threshold" else 1.0 if trait.unit == "%" else None
    found = [
        CaseEvidence(case_id=case.id, value=value)
        for case in scored
        for value in [case.scores[rule.score]]
        if limit is not None and (value < limit if is_low_bad else value > limit)
    ]
    found.sort(key=lambda one: (one.value or 0.0) * (1 if is_low_bad else -1))
    unscored = [case for case in judged.cases if rule.score in case.missing]
    return found + [CaseEvidence(case_id=case.id, value=None) for case in unscored]


def _worse_than(judged: JudgedRun, baseline: JudgedRun, score: str) -> list[CaseEvidence]:
    sign = 1 if judged.trait(score).higher_is_better else -1
    pairing = pair(baseline, judged, score)
    change = sign * pairing.change
    worse = (change < 0).nonzero()[0]
    return [
        CaseEvidence(
            case_id=pairing.ids[place],
            value=float(pairing.after.values[place]),
            baseline=float(pairing.before[place]),
        )
        for place in worse[change[worse].argsort(kind="stable")].tolist()
    ]
