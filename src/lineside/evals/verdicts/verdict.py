"""Two runs, one answer: ship, hold, or how much more it takes to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Literal

from lineside.core import Invalid, Record, did_you_mean
from lineside.evals.again import read_anew
from lineside.evals.compare import Pairing, pair
from lineside.evals.gate import obstacle, require_done
from lineside.evals.judged import JudgedRun
from lineside.evals.licences.leaning import Leaning
from lineside.evals.measures import COST_PER_SUCCESS, FAILED, Measured, measure, other_measures
from lineside.evals.run import CONFIDENCE, Run, get_run
from lineside.evals.verdicts.effects import Effect, effects_of, margin_of
from lineside.evals.verdicts.notes import notes_of
from lineside.evals.verdicts.price import MoreCases, pace_of, price_of
from lineside.evals.verdicts.slices import SliceSearch, find_slices
from lineside.stats import Finding, Verdict, judge_non_inferiority, superiority, verdict, wording
from lineside.trust import Scope

Goal = Literal["not_worse", "better"]

MARGIN = 0.02


class Flips(Record):
    """What became of each pair of cases: ids in dataset order, at most 1,000 of each."""

    won: list[str]
    lost: list[str]
    tied: list[str]
    won_total: int
    lost_total: int
    tied_total: int


class RunVerdict(Record):
    """What two runs say of a candidate.

    Attributes:
        headline: The answer in a line, such as `Not enough data: about 420 more cases, 4.10 USD
            and 9 min`.
        verdict: The same with its reason, and what was found of the main score and each guard.
        more: What it takes to know; nothing where the answer is settled or cannot be bought.
        effects: The main score first, then guards, then what is only watched.
        notes: What a reader should know beside that, in sentences.
        unpaired_cases: Cases that only one run has, or has with another input or expectation.
    """

    baseline_run_id: str
    candidate_run_id: str
    score: str
    goal: Goal
    headline: str
    verdict: Verdict
    more: MoreCases | None
    effects: list[Effect]
    slices: SliceSearch
    flips: Flips
    notes: list[str]
    unpaired_cases: int

    @property
    def main(self) -> Effect | None:
        """The effect on the main score, where one case has it in both runs."""
        return next((effect for effect in self.effects if effect.role == "main"), None)


def judge_pair(
    scope: Scope,
    baseline_run_id: str,
    candidate_run_id: str,
    *,
    score: str | None = None,
    goal: Goal = "not_worse",
    margin: float = MARGIN,
    guards: Mapping[str, float] | None = None,
) -> RunVerdict:
    """Say whether a candidate may replace a baseline, from two runs over the same cases.

    A judge without a licence decides nothing here either, neither ship nor hold; the error of one
    that has it is taken out as in a gate.

    Args:
        score: The main score; by default the candidate's.
        goal: `not_worse` asks for no loss beyond the margin, `better` for a gain.
        margin: Of a share or an ordinal score in points (0.02 is 2 points), of anything else as a
            part of the baseline's mean (0.02 is 2 %). With `better`, the smallest gain that
            matters.
        guards: Measures that must not get worse either, each with its margin in the same terms;
            beside the scores there are `failed` and `cost_per_success`.

    Raises:
        NotFound: The workspace has no such run.
        Conflict: `run_not_done` while cases are still being judged.
        Invalid: `unknown_score` names those there are; `bad_margin` for one that is not above 0;
            `same_run` for a run beside itself.
    """
    before, after = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    _require_two(before, after)
    guards = guards or {}
    _require_margins({"margin": margin, **guards})
    anew = read_anew(scope.store, after, before)
    candidate, baseline = anew.judged, anew.against
    main_name = score or after.main_score or "latency_ms"
    main = measure(baseline, candidate, main_name, confidence=candidate.confidence)
    others = [
        one
        for one in other_measures(baseline, candidate, main_name)
        if one.name not in candidate.rescored
    ]
    _require_known(guards, others, candidate.rescored)
    leaning, judging = Leaning(scope, candidate, baseline), list[str]()
    findings = [_main_finding(main, main_name, goal, margin, leaning, judging)]
    findings += [
        _guarded(one, guards[one.name], main_name, leaning, judging)
        for one in others
        if one.name in guards
    ]
    answer = verdict(findings, confidence=candidate.confidence)
    pairing = pair(baseline, candidate, main_name)
    hindrance = obstacle(after) or obstacle(before) or _nothing_in_common(pairing)
    hindrance = hindrance or candidate.rescored.get(main_name)
    if hindrance is not None:
        sentence = f"Not enough data: {hindrance}"
        answer = replace(answer, decision="more", sentence=sentence, cases_needed=None)
    more = _more_cases(answer, baseline, candidate, main_name)
    effects = effects_of(main, others, margin=margin, guards=guards)
    is_judged = any(leaning.has_judge(name) for name in (main_name, *guards))
    if hindrance is not None or (is_judged and more is None):
        headline = answer.sentence
    else:
        headline = _headline(answer, effects, goal, more)
    return RunVerdict(
        baseline_run_id=before.id,
        candidate_run_id=after.id,
        score=main_name,
        goal=goal,
        headline=headline,
        verdict=answer,
        more=more,
        effects=effects,
        slices=find_slices(pairing, candidate.trait(main_name).unit),
        flips=_flips(pairing, main),
        notes=[
            *anew.notes,
            *judging,
            *candidate.rescored.values(),
            *notes_of(effects, pairing, baseline, candidate),
        ],
        unpaired_cases=pairing.unpaired,
    )


def _require_two(before: Run, after: Run) -> None:
    if before.id == after.id:
        raise Invalid(
            "same_run",
            f"Run `{before.id}` was named as baseline and as candidate, and differs from itself in "
            "nothing",
            hint="Name two runs; `lineside evals ls` lists them.",
        )
    for run in (before, after):
        require_done(run)


def _require_margins(margins: Mapping[str, float]) -> None:
    for name, allowed in margins.items():
        if not (isfinite(allowed) and allowed > 0):
            raise Invalid(
                "bad_margin",
                f"The margin of `{name}` must be above 0: `{allowed}`",
                hint="Give the largest loss you could defend, such as 0.02.",
            )


def _require_known(
    guards: Mapping[str, float], others: Sequence[Measured], rescored: Mapping[str, str]
) -> None:
    """A guard that was asked for and is not there would be a promise nobody keeps."""
    known = {one.name for one in others}
    for name in guards.keys() & rescored.keys():
        raise Invalid(
            "other_scorer",
            f"`{name}` cannot be guarded: {rescored[name]}",
            hint="Judge both with the same scorers; what was answered is not asked again.",
        )
    # Where every case has a score there is nothing to compare, and nothing to fear.
    for name in sorted(guards.keys() - known - {FAILED}):
        near = did_you_mean(name, known)
        raise Invalid(
            "unknown_score",
            f"Both runs have no `{name}` to guard; they have: {', '.join(sorted(known))}",
            hint=f"Did you mean `{near}`?" if near else None,
        )


def _main_finding(
    main: Measured | None,
    name: str,
    goal: Goal,
    margin: float,
    leaning: Leaning,
    notes: list[str],
) -> Finding:
    if main is None:
        return _asked(main, name, goal, margin, confidence=leaning.confidence)
    return _weighed(main, lambda one: _asked(one, name, goal, margin), leaning, notes)


def _guarded(
    one: Measured, allowed: float, main: str, leaning: Leaning, notes: list[str]
) -> Finding:
    if one.name == COST_PER_SUCCESS:
        return leaning.weigh_ratio(main, _not_worse(one, one.name, allowed), notes)
    return _weighed(one, lambda one: _not_worse(one, one.name, allowed), leaning, notes)


def _weighed(
    one: Measured, decide: Callable[[Measured], Finding], leaning: Leaning, notes: list[str]
) -> Finding:
    """What is found of a measure; of a judge's score only what its licence allows."""
    return leaning.weigh_difference(
        one.name,
        decide(one),
        notes,
        decide=lambda difference, label: decide(one._replace(difference=difference, label=label)),
    )


def _asked(
    main: Measured | None, name: str, goal: Goal, margin: float, *, confidence: float = CONFIDENCE
) -> Finding:
    if goal == "better":
        return superiority.judge_superiority(
            main.difference if main else None,
            margin_of(main, margin) if main else margin,
            rule=f"{name} better than the baseline",
            label=main.label if main else name,
            unit=main.unit if main else "",
            direction=_direction(main),
            failed=main.missing if main else 0,
            confidence=confidence,
        )
    return _not_worse(main, name, margin, confidence=confidence)


def _not_worse(
    one: Measured | None, name: str, allowed: float, *, confidence: float = CONFIDENCE
) -> Finding:
    limit = margin_of(one, allowed) if one else allowed
    unit = one.unit if one else ""
    return judge_non_inferiority(
        one.difference if one else None,
        limit,
        rule=f"{name} not worse by {wording.show(limit, 'points' if unit == '%' else unit)}",
        label=one.label if one else name,
        unit=unit,
        direction=_direction(one),
        failed=one.missing if one else 0,
        confidence=confidence,
    )


def _direction(one: Measured | None) -> wording.Direction:
    return ">=" if one is None or one.higher_is_better else "<="


def _more_cases(
    answer: Verdict, baseline: JudgedRun, candidate: JudgedRun, score: str
) -> MoreCases | None:
    if not answer.cases_needed:
        return None
    open_ones = [one for one in answer.findings if one.decision == "more"]
    failed = max((min(one.failed, answer.cases_needed) for one in open_ones), default=0)
    runs = [baseline, candidate]
    if failed == answer.cases_needed:
        runs = [run for run in runs if run.count_missing(score)] or runs
    return price_of(answer.cases_needed, *map(pace_of, runs), failed=failed)


def _nothing_in_common(pairing: Pairing) -> str | None:
    if pairing.ids:
        return None
    if pairing.missing:
        return f"of {pairing.missing:,} cases in common none has a score in both runs"
    return "the two runs share no case with the same id, input and expectation"


def _headline(
    answer: Verdict, effects: Sequence[Effect], goal: Goal, more: MoreCases | None
) -> str:
    """The answer in a line; its reason stands in the verdict's own sentence."""
    if answer.decision == "more":
        lone = next((one for one in answer.findings if one.is_of_one_cluster), None)
        if lone is not None and lone.decision == "more":
            return (
                f"Not enough data: all {lone.cases:,} cases are of one conversation or document; "
                "cases of others are needed"
            )
        if more is not None:
            return f"Not enough data: {more.in_words}"
        if answer.cases_needed is None and effects:
            return "Not enough data, and no affordable number of cases would settle it"
        return answer.sentence
    main = effects[0]
    amount = wording.show(abs(main.difference), main.difference_unit)
    if answer.decision == "hold":
        culprit = min(answer.findings, key=lambda finding: finding.p_fail)
        if goal == "better" and culprit is answer.findings[0]:
            return f"Hold: {main.label} is not better by as much as matters"
        return f"Hold: {culprit.label} is worse than the baseline by more than is allowed"
    if main.standing == "better":
        word = "higher" if main.higher_is_better else "lower"
        return f"Ship: {main.label} is {amount} {word}, surely better than the baseline"
    return f"Ship: {main.label} is not worse than the baseline by more than is allowed"


def _flips(pairing: Pairing, main: Measured | None) -> Flips:
    change = pairing.change * (1 if main is None or main.higher_is_better else -1)
    won, lost, tied = change > 0, change < 0, change == 0
    return Flips(
        won=pairing.ids_where(won),
        lost=pairing.ids_where(lost),
        tied=pairing.ids_where(tied),
        won_total=int(won.sum()),
        lost_total=int(lost.sum()),
        tied_total=int(tied.sum()),
    )
