"""Whether a run earns permission to release: ship, hold, or not enough data."""

from collections.abc import Sequence
from dataclasses import replace

from lineside.core import Conflict, Invalid, Record
from lineside.evals.again import read_anew
from lineside.evals.compare import pair
from lineside.evals.judged import JudgedRun
from lineside.evals.licences.leaning import Leaning
from lineside.evals.means import failed_bounds, mean_of
from lineside.evals.measures import measure
from lineside.evals.quantiles import cases_for_upper_end, quantile_interval
from lineside.evals.run import Run, get_run, unknown_slice
from lineside.evals.twins import SAME_INPUT
from lineside.stats import (
    Finding,
    Verdict,
    judge_non_inferiority,
    judge_slice_gap,
    judge_threshold,
    np,
    slice_gap,
    verdict,
    wording,
)
from lineside.trust import Scope
from lineside.usecases import GateRule, parse_rule

_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


class GateOutcome(Record):
    """What a gate says of a run.

    Attributes:
        verdict: Ship, hold or more, in one sentence, with what each rule found.
        notes: What a reader should know beside that, in sentences.
        cases_failed: Cases of the run without an answer.
    """

    run_id: str
    baseline_run_id: str | None
    verdict: Verdict
    notes: list[str]
    cases_total: int
    cases_failed: int


def judge_gate(
    scope: Scope,
    run: Run,
    rules: Sequence[GateRule],
    *,
    baseline_run: Run | None = None,
    nothing_is_live: bool = False,
) -> GateOutcome:
    """Hold a run against the rules of its gate.

    Repetitions are averaged per case, and so are runs that asked the same anew. Related cases count
    as such, and failed ones count both ways, never as zero. A rule that leans on a judge without a
    licence never ships and never holds. A run that was not asked to its end, or got no answer at
    all, never ships; beside such a baseline, no rule about the live release does.

    Args:
        nothing_is_live: The caller looked, and there is nothing to compare with: rules about the
            live release pass.

    Raises:
        Conflict: `run_not_done` while cases of a run are still being judged.
        Invalid: `unknown_score` or `unknown_slice` names those there are; `no_baseline`.
    """
    scope.require("read", run.use_case)
    require_done(run)
    if not nothing_is_live:
        require_baseline(rules, baseline_run)
    read = read_anew(scope.store, run, baseline_run)
    judged, baseline, notes = read.judged, read.baseline, read.notes
    findings = find_all(judged, baseline, rules, notes)
    findings = Leaning(scope, judged, baseline).weigh(rules, findings, notes)
    findings = [_with_ground(*pair, judged) for pair in zip(rules, findings, strict=True)]
    answer = verdict(findings, confidence=judged.confidence)
    hindrance = obstacle(run)
    if hindrance is not None:
        sentence = f"Not enough data: {hindrance}"
        answer = replace(answer, decision="more", sentence=sentence, cases_needed=None)
    notes += twins_note(judged)
    notes += [f"{item.cases:,} × `{code}`: {item.message}" for code, item in run.failures.items()]
    return GateOutcome(
        run_id=run.id,
        baseline_run_id=baseline_run.id if baseline_run is not None else None,
        verdict=answer,
        notes=notes,
        cases_total=run.cases_total,
        cases_failed=run.cases_failed,
    )


def own_verdict(scope: Scope, run: Run) -> GateOutcome | None:
    """What the rules say that a run was started with; nothing without rules, or before its end."""
    if not run.plan.rules or run.status == "running" or run.compares:
        return None
    rules = [parse_rule(text) for text in run.plan.rules]
    baseline_id = run.plan.baseline_run_id
    baseline = get_run(scope, baseline_id) if baseline_id else None
    return judge_gate(scope, run, rules, baseline_run=baseline, nothing_is_live=baseline is None)


def require_done(run: Run) -> None:
    """Go on only if no case of a run is still being judged.

    Raises:
        Conflict: `run_not_done`.
    """
    if run.status == "running":
        raise Conflict(
            "run_not_done",
            f"Run `{run.id}` has judged {run.cases_done:,} of {run.cases_total:,} cases",
            hint="Wait until it is done; where its process was killed, the command that started it "
            "goes on from there.",
        )


def require_baseline(rules: Sequence[GateRule], baseline_run: Run | None) -> None:
    """Go on only if rules that compare with what is live have a run, and a whole one, to do so.

    Raises:
        Invalid: `no_baseline` where no run was named.
        Conflict: `run_not_done` while its cases are still being judged.
    """
    rule = next((rule for rule in rules if rule.kind == "non_inferiority"), None)
    if rule is None:
        return
    if baseline_run is None:
        raise Invalid(
            "no_baseline",
            f"`{rule.text}` needs a run to compare with, and none was named",
            hint="Name it, as `--baseline latest`; `lineside evals run --target my-case@live …` "
            "makes one of what is live.",
        )
    require_done(baseline_run)


def find_all(
    judged: JudgedRun, baseline: JudgedRun | None, rules: Sequence[GateRule], notes: list[str]
) -> list[Finding]:
    """What each rule finds in the cases judged so far, at the run's own confidence."""
    return [_find(rule, judged, baseline, notes) for rule in rules]


def obstacle(run: Run) -> str | None:
    """Why a run can say nothing at all, whatever its rules."""
    reasons = [item for code, item in run.failures.items() if code != "not_asked"]
    reason = max(reasons, key=lambda item: item.cases).message if reasons else ""
    if run.status == "stopped":
        asked = f"{run.cases_done:,} of {run.cases_total:,} cases"
        return f"the run stopped after {asked}: {reason}"
    if run.cases_failed >= run.cases_total:
        return f"none of {run.cases_total:,} cases got an answer: {reason}"
    return None


def twins_note(judged: JudgedRun) -> list[str]:
    """That cases ask the same and so count as related, where they do."""
    twins = [
        cluster for cluster in judged.sheet.clusters or [] if (cluster or "").startswith(SAME_INPUT)
    ]
    if not twins:
        return []
    asked = len(set(twins))
    inputs = "the same input" if asked == 1 else f"{asked:,} inputs only"
    return [f"{len(twins):,} cases ask {inputs}: those that ask the same count as related"]


def _with_ground(rule: GateRule, finding: Finding, judged: JudgedRun) -> Finding:
    """A finding that says so where it rests on a part of the cases only, or its scorer failed."""
    ground, unscored = judged.rests_on(rule.score), judged.run.spent.unscored.get(rule.score)
    sentence = f"{finding.sentence}; it {ground}" if ground else finding.sentence
    if unscored is not None and finding.failed:
        sentence += f"; {unscored.in_words}"
    return replace(finding, sentence=sentence)


def _find(
    rule: GateRule, judged: JudgedRun, baseline: JudgedRun | None, notes: list[str]
) -> Finding:
    if rule.kind == "non_inferiority":
        if baseline is None:
            notes.append(f"`{rule.text}` does not apply yet: nothing else is live")
            return _not_applicable(rule, judged)
        return _find_not_worse(rule, judged, baseline, notes)
    if rule.kind == "slice_gap":
        return _find_gap(rule, judged, notes)
    if rule.statistic in _PERCENTILES:
        return _find_percentile(rule, judged)
    if rule.comparator == "<=" and rule.score == judged.run.main_score:
        notes.append(
            f"`{rule.text}` ships the less `{rule.score}` there is, which is the score that says "
            "whether an answer is right; was `>=` meant?"
        )
    return _find_mean(rule, judged)


def _find_mean(rule: GateRule, judged: JudgedRun) -> Finding:
    trait, column = judged.trait(rule.score), judged.column(rule.score)
    return judge_threshold(
        mean_of(column, trait, confidence=judged.confidence) or [],
        _number(rule, rule.threshold),
        ">=" if rule.comparator == ">=" else "<=",
        rule=rule.text,
        label=trait.label,
        unit=trait.unit,
        failed=judged.count_missing(rule.score),
        bounds=failed_bounds(column, trait),
        confidence=judged.confidence,
    )


def _find_percentile(rule: GateRule, judged: JudgedRun) -> Finding:
    trait, column = judged.trait(rule.score), judged.column(rule.score)
    missing, share = judged.count_missing(rule.score), _PERCENTILES[rule.statistic]
    if not len(column.values):
        return _find_mean(rule, judged)
    interval = quantile_interval(
        column.values.tolist(),
        share,
        missing=missing,
        clusters=column.clusters,
        confidence=judged.confidence,
    )
    finding = judge_threshold(
        interval,
        _number(rule, rule.threshold),
        ">=" if rule.comparator == ">=" else "<=",
        rule=rule.text,
        label=f"{trait.label} {rule.statistic}",
        # A percentile of shares is no share: failed cases are in the interval already.
        unit="" if trait.unit == "%" else trait.unit,
        confidence=judged.confidence,
    )
    lacking = cases_for_upper_end(share, confidence=judged.confidence) - len(column.values)
    if finding.decision == "more" and lacking > 0:
        # The judge sees only an interval without an end; how many cases give it one is known here.
        few = f"a {rule.statistic} of so few cases has no upper end; {lacking:,} more give it one"
        sentence = f"{finding.sentence.partition(',')[0]}, but {few}"
        finding = replace(finding, cases_needed=lacking, sentence=sentence)
    elif finding.decision == "more" and missing:
        failed = f"{wording.show_failed(missing)} and may lie beyond it"
        sentence = f"{finding.sentence.partition(';')[0]}; {failed}; scoring them would settle it"
        finding = replace(finding, cases_needed=missing, sentence=sentence)
    return replace(finding, failed=missing)


def _find_not_worse(
    rule: GateRule, judged: JudgedRun, baseline: JudgedRun, notes: list[str]
) -> Finding:
    trait = judged.trait(rule.score)
    baseline.trait(rule.score)
    pairing = pair(baseline, judged, rule.score)
    if pairing.unpaired:
        notes.append(
            f"`{rule.text}` leaves out {pairing.unpaired:,} cases: only in one run, or there with "
            "another input or expectation"
        )
    # The same measure as on the page of the two runs: grades by the share that got better or worse.
    measured = measure(baseline, judged, rule.score, confidence=judged.confidence)
    # The part of a run that was asked before it was cut may be another kind of cases than the rest.
    hindrance = obstacle(baseline.run) or judged.rescored.get(rule.score)
    if hindrance is not None:
        measured = None
    finding = judge_non_inferiority(
        measured.difference if measured else None,
        _number(rule, rule.margin),
        rule=rule.text,
        label=trait.label,
        unit=measured.unit if measured else trait.unit,
        direction=">=" if trait.higher_is_better else "<=",
        against="live",
        failed=pairing.missing + judged.never_asked,
        confidence=judged.confidence,
    )
    if hindrance is None and measured is None and not pairing.missing:
        hindrance = "the two runs share no case with the same id, input and expectation"
    if hindrance is None:
        return finding
    sentence = f"{trait.label} cannot be compared with live, run `{baseline.run.id}`: {hindrance}"
    return replace(finding, sentence=sentence)


def _find_gap(rule: GateRule, judged: JudgedRun, notes: list[str]) -> Finding:
    trait, name = judged.trait(rule.score), rule.slice or ""
    sheet, column = judged.sheet, judged.column(rule.score)
    # A column is read at once, where 200,000 cases take a second to be built one by one.
    counts = np.bincount(sheet.slice_codes, minlength=len(sheet.slices)).tolist()
    there = [slices for slices, count in zip(sheet.slices, counts, strict=True) if count]
    known = {key for slices in there for key in slices}
    if sheet.ids and name not in known:
        raise unknown_slice(rule, judged.run.dataset_name, known)
    outside = sum(
        count for slices, count in zip(sheet.slices, counts, strict=True) if name not in slices
    )
    if outside:
        notes.append(f"`{rule.text}` says nothing of {outside:,} cases without `{name}`")
    values_of = [slices.get(name) for slices in sheet.slices]
    has_it = np.array([value is not None for value in values_of], dtype=bool)
    inside = column.at(has_it[column.slice_codes].nonzero()[0])
    if not len(inside.values):
        return _find_mean(rule, judged)
    gap = slice_gap(
        inside.values,
        [str(values_of[code]) for code in inside.slice_codes.tolist()],
        clusters=inside.clusters,
        bounds=trait.bounds,
        confidence=judged.confidence,
    )
    return judge_slice_gap(
        gap,
        _number(rule, rule.threshold),
        rule=rule.text,
        label=f"{trait.label} gap by {name}",
        unit=trait.unit,
        failed=judged.count_missing(rule.score),
    )


def _not_applicable(rule: GateRule, judged: JudgedRun) -> Finding:
    trait = judged.trait(rule.score)
    return Finding(
        rule=rule.text,
        label=trait.label,
        unit=trait.unit,
        decision="ship",
        value=None,
        low=None,
        high=None,
        confidence=judged.confidence,
        threshold=-_number(rule, rule.margin),
        direction=">=",
        p_pass=0.0,
        p_fail=1.0,
        n=0,
        cases=0,
        failed=0,
        cases_needed=0,
        sentence=f"`{rule.text}` does not apply yet: nothing else is live",
    )


def _number(rule: GateRule, value: float | None) -> float:
    if value is None:
        raise Invalid("bad_gate_rule", f"The rule `{rule.text}` names no number")
    return value
