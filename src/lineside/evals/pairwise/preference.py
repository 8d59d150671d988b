"""The verdict of a judge that compared the answers of two runs."""

from collections.abc import Callable
from dataclasses import replace

from lineside.core import Conflict, Invalid, NotFound, Record
from lineside.evals.gate import obstacle
from lineside.evals.judge_summary import JudgeSummary, judge_summaries
from lineside.evals.judged import JudgedCase, JudgedRun, clusters_of, read_judged
from lineside.evals.licences.leaning import Leaning
from lineside.evals.pairwise.asking import KIND, pairwise_runs
from lineside.evals.run import CONFIDENCE, Run, get_run
from lineside.evals.verdicts.verdict import MARGIN, Flips, Goal
from lineside.stats import (
    Finding,
    Interval,
    PairedDifference,
    Verdict,
    judge_non_inferiority,
    paired_difference,
    superiority,
    verdict,
    wording,
)
from lineside.trust import Scope

_FLIPS_MAX = 1000


class Preference(Record):
    """Which of two runs' answers a judge prefers.

    Attributes:
        run_id: The run in which the judge was asked, with all that it said of each pair.
        judge: Name of the judge's score.
        verdict: What the judge decides; without a licence nothing, and the sentence says so.
        difference: Share of pairs that the candidate won, less the share that it lost, by the
            judge's own word; nothing where it gave no verdict.
        flips: Pairs that the candidate won, lost and tied; where the judge's verdict turned with
            the order of the answers, that is a tie.
        pairs: Pairs of which the judge was to be asked; `unanswered` of them have no verdict, as
            one side has no answer or the judge gave none.
        judged: What the judge did and took.
        notes: What a reader should know beside that, in sentences.
    """

    run_id: str
    baseline_run_id: str
    candidate_run_id: str
    judge: str
    goal: Goal
    verdict: Verdict
    difference: PairedDifference | None
    flips: Flips
    pairs: int
    unanswered: int
    judged: JudgeSummary | None
    notes: list[str]


def find_preference(
    scope: Scope,
    baseline_run_id: str,
    candidate_run_id: str,
    *,
    judge: str | None = None,
    goal: Goal = "not_worse",
    margin: float = MARGIN,
) -> Preference:
    """The verdict of the newest run in which a judge compared these two.

    Raises:
        NotFound: `not_compared` where no judge has.
        Conflict, Invalid: as `judge_preference`.
    """
    baseline, candidate = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    for run in pairwise_runs(scope, baseline, candidate):
        if judge is None or run.main_score == judge:
            return judge_preference(scope, run, goal=goal, margin=margin)
    whose = f"The judge `{judge[:80]}`" if judge else "No judge"
    raise NotFound(
        "not_compared",
        f"{whose} has {'not ' if judge else ''}compared the answers of `{baseline.id}` and "
        f"`{candidate.id}`",
        hint=f"Run `lineside verdicts pairwise {baseline.id} {candidate.id}`.",
    )


def judge_preference(
    scope: Scope, run: Run, *, goal: Goal = "not_worse", margin: float = MARGIN
) -> Preference:
    """Say whether a judge prefers the candidate's answers, from a run in which it compared them.

    The share won less the share lost is judged as any paired difference of shares: a tie is a pair
    that does not differ. A pair without a verdict counts both ways. A judge without a licence
    decides nothing; the error of one that has it is taken out first.

    Args:
        goal: `not_worse` asks for no loss beyond the margin, `better` for more won than lost.
        margin: Of shares: 0.02 is 2 points. With `better`, the smallest gain that matters.

    Raises:
        Conflict: `run_not_done` while the judge is still being asked.
        Invalid: `bad_margin` for one that is not above 0; `no_pairs` where the run compares none.
    """
    if run.compares is None:
        raise Invalid("no_pairs", f"Run `{run.id}` compares no two runs")
    baseline_id, candidate_id = run.compares
    if run.status == "running":
        raise Conflict(
            "run_not_done",
            f"The judge has compared {run.cases_done:,} of {run.cases_total:,} pairs",
            hint="Wait until it is done.",
        )
    if not margin > 0:
        raise Invalid("bad_margin", f"The margin must be above 0: `{margin}`")
    judged, name = read_judged(scope.store, run), run.main_score or KIND
    scored, missing = judged.scored(name), judged.count_missing(name)
    difference = _difference(scored, name)
    decide = _decider(name, goal, margin, missing)
    finding, notes = decide(difference, f"share preferred by `{name}`"), list[str]()
    if difference is not None:
        finding = _weighed(scope, judged, finding, difference, decide, notes)
    answer = verdict([finding], confidence=CONFIDENCE)
    if hindrance := obstacle(run):
        sentence = f"Not enough data: {hindrance}"
        answer = replace(answer, decision="more", sentence=sentence, cases_needed=None)
    done = judge_summaries(scope.store, run).get(name)
    return Preference(
        run_id=run.id,
        baseline_run_id=baseline_id,
        candidate_run_id=candidate_id,
        judge=name,
        goal=goal,
        verdict=answer,
        difference=difference,
        flips=_flips(scored, name),
        pairs=run.cases_total,
        unanswered=run.cases_total - len(scored),
        judged=done,
        notes=[*notes, *_notes(run, done)],
    )


def _difference(scored: list[JudgedCase], name: str) -> PairedDifference | None:
    """Share won less share lost. A jury may be of two minds: then a pair is won in part."""
    if not scored:
        return None
    changes = [2 * case.scores[name] - 1 for case in scored]
    return paired_difference(
        [max(-change, 0.0) for change in changes],
        [max(change, 0.0) for change in changes],
        confidence=CONFIDENCE,
        clusters=clusters_of(scored),
        bounds=(0.0, 1.0),
    )


def _decider(
    name: str, goal: Goal, margin: float, failed: int
) -> Callable[[PairedDifference | None, str], Finding]:
    def decide(difference: PairedDifference | None, label: str) -> Finding:
        if goal == "better":
            return superiority.judge_superiority(
                difference,
                margin,
                rule=f"{name} prefers the candidate",
                label=label,
                unit="%",
                failed=failed,
                confidence=CONFIDENCE,
            )
        return judge_non_inferiority(
            difference,
            margin,
            rule=f"{name} prefers the baseline by no more than {wording.show(margin, 'points')}",
            label=label,
            unit="%",
            failed=failed,
            bounds=(0.0, 1.0),
            confidence=CONFIDENCE,
        )

    return decide


def _weighed(
    scope: Scope,
    judged: JudgedRun,
    finding: Finding,
    difference: PairedDifference,
    decide: Callable[[PairedDifference | None, str], Finding],
    notes: list[str],
) -> Finding:
    def corrected(interval: Interval, label: str) -> Finding:
        # The mean score lies between 0 (all lost) and 1 (all won).
        value, low, high = (2 * end - 1 for end in (interval.value, interval.low, interval.high))
        estimated = difference.estimated_as(
            value, low, high, method=interval.method, df=interval.df
        )
        return decide(estimated, label)

    name = judged.run.main_score or KIND
    return Leaning(scope, judged, None).weigh_mean(name, finding, notes, decide=corrected)


def _flips(scored: list[JudgedCase], name: str) -> Flips:
    found: dict[str, list[str]] = {"won": [], "lost": [], "tied": []}
    for case in scored:
        change = case.scores[name] - 0.5
        found["won" if change > 0 else "lost" if change < 0 else "tied"].append(case.id)
    ids = {became: listed[:_FLIPS_MAX] for became, listed in found.items()}
    totals = {f"{became}_total": len(listed) for became, listed in found.items()}
    return Flips.model_validate({**ids, **totals})


def _notes(run: Run, done: JudgeSummary | None) -> list[str]:
    notes = [f"{item.cases:,} × `{code}`: {item.message}" for code, item in run.failures.items()]
    if done is not None and done.orders_disagree:
        share = wording.show(done.orders_disagree, "%")
        notes.insert(
            0, f"In {share} of the pairs the order decided, not the answer: those are ties"
        )
    return notes
