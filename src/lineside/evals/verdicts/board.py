"""Runs over one dataset, ranked: who is surely ahead of whom, and what quality costs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from lineside.core import Invalid, Record, did_you_mean
from lineside.evals.again import over_all_times
from lineside.evals.judged import JudgedRun, ScoreTrait, clusters_of, read_judged
from lineside.evals.licences.standing import unlicensed
from lineside.evals.means import deciding_mean
from lineside.evals.run import CONFIDENCE, Run, list_runs
from lineside.evals.same_scorer import other_scorers
from lineside.evals.verdicts import queries
from lineside.stats import Interval, leaderboard, np
from lineside.trust import Scope

ENTRIES_MAX = 20
_NAMED_MAX = 4
_RUNS_READ_MAX = 1_000

By = Literal["subject", "model"]


class BoardEntry(Record):
    """One candidate, by its newest run and those before it that asked it the same anew.

    Attributes:
        runs: On how many runs it rests: each case counts with its mean over them, and intervals are
            wider for each time that it was asked anew, as in a gate.
        run_id: The newest of them.
        mean: Over the cases that it has a score of.
        low: Its own interval, the one that a gate decides by, as `high`; None where there are too
            few cases, or where the score has no bounds and cases failed.
        together_low: The intervals of all entries hold at once, whatever the failed cases would
            have scored, as `together_high`. Ranks and ties rest on such.
        failed: Cases that it should have a score of and has none.
        rank_best: The best rank it may truly have, 1 being the first; as sure as all intervals.
        tied_with: Runs of which neither it is surely better nor they.
        cost_usd: Mean per case; None where it is not known.
        is_on_frontier: Whether nothing else is at least as good for no more money.
    """

    run_id: str
    subject: str
    model: str | None
    mean: float
    low: float | None
    high: float | None
    together_low: float | None
    together_high: float | None
    rank_best: int
    rank_worst: int
    tied_with: list[str]
    cost_usd: float | None
    latency_ms: float | None
    is_on_frontier: bool
    failed: int = 0
    runs: int = 1


class Board(Record):
    """Candidates over the cases of one dataset that all of them were asked.

    Attributes:
        entries: The best mean first, with failed cases at their worst; its place alone says
            nothing, `rank_best` to `rank_worst` do.
        cases: Cases that all entries have in common.
        left_out: Cases of the first entry that expect nothing, or that some other was not asked.
        rescored: Runs that are left out since another scorer of that name judged them than the
            newest run.
        datasets: Names of all datasets of the use case that were judged.
        problem: Why nothing can be ranked, in a sentence.
        judge_note: Why the score may decide nothing, where a judge without a licence gave it.
    """

    use_case: str
    dataset: str | None
    score: str | None
    unit: str
    higher_is_better: bool
    entries: list[BoardEntry]
    cases: int
    left_out: int
    datasets: list[str]
    problem: str | None
    judge_note: str | None = None
    rescored: int = 0

    @property
    def may_be_first(self) -> list[str]:
        """Runs of those that may truly be the best, in the order of the entries."""
        return [entry.run_id for entry in self.entries if entry.rank_best == 1]

    def asked_anew(self, called: Mapping[str, str]) -> str | None:
        """On how many runs each candidate rests that was asked anew, in a sentence; else nothing.

        Args:
            called: What each run's candidate is called.
        """
        anew = [entry for entry in self.entries if entry.runs > 1]
        if not anew:
            return None
        listed = ", ".join(f"{called[entry.run_id]} rests on {entry.runs} runs" for entry in anew)
        return (
            f"Asked the same cases anew: {listed}. The mean of all runs counts, not the luckiest, "
            "with intervals that are wider for each time"
        )

    def undecided(self, called: Mapping[str, str]) -> str | None:
        """That nobody is surely the first, in a sentence; nothing where somebody is.

        Args:
            called: What each run's candidate is called.
        """
        names = [called[run_id] for run_id in self.may_be_first]
        if len(names) < 2:
            return None
        named, more = names[:_NAMED_MAX], len(names) - _NAMED_MAX
        last = f"{more} more" if more > 0 else named.pop()
        return f"Not enough data to rank: {', '.join(named)} and {last} may each be first"


def rank_runs(
    scope: Scope,
    use_case: str,
    *,
    dataset: str | None = None,
    score: str | None = None,
    by: By = "subject",
) -> Board:
    """Rank the candidates of a use case over one dataset, with ties shown as ties.

    Of each candidate (or model) the newest run counts that is done, over the newest version of the
    dataset, together with those before it that asked the same candidate the same anew; at most the
    20 newest candidates.

    Args:
        dataset: Its name; by default that of the newest run.
        score: By default the newest run's main one.

    Raises:
        Invalid: `unknown_dataset` or `unknown_score` names those there are.
    """
    runs = [
        run
        for run in list_runs(scope, use_case=use_case, limit=_RUNS_READ_MAX)
        if run.status == "done" and run.cases_failed < run.cases_total
    ]
    datasets = sorted({run.dataset_name for run in runs})
    chosen = _over_one_dataset(runs, dataset, datasets, use_case)
    name = score or (chosen[0].main_score if chosen else None)
    kept = _of_one_scorer(scope, chosen, name)
    rescored, chosen = len(chosen) - len(kept), kept
    models = _models(scope, chosen)
    newest: dict[str, Run] = {}
    for run in chosen:
        key = (models.get(run.id) or run.subject) if by == "model" else run.subject
        newest.setdefault(key, run)
    picked = list(newest.values())[:ENTRIES_MAX]
    base = Board(
        use_case=use_case,
        dataset=chosen[0].dataset_name if chosen else None,
        score=name,
        unit="",
        higher_is_better=True,
        entries=[],
        cases=0,
        left_out=0,
        datasets=datasets,
        rescored=rescored,
        problem="No run is done that got an answer",
    )
    if not picked or name is None:
        return base
    judged = [over_all_times(scope.store, read_judged(scope.store, run)) for run in picked]
    trait = judged[0].trait(name)
    base = base.model_copy(update={"judge_note": unlicensed(scope, picked, name)})
    return _ranked(base, [one for one in judged if _has(one, name)], name, trait, models)


def _over_one_dataset(
    runs: Sequence[Run], dataset: str | None, datasets: Sequence[str], use_case: str
) -> list[Run]:
    if dataset is not None and dataset not in datasets:
        near = did_you_mean(dataset, datasets)
        raise Invalid(
            "unknown_dataset",
            f"No run of `{use_case}` is over a dataset `{dataset}`; there are: "
            f"{', '.join(datasets) or 'none'}",
            hint=f"Did you mean `{near}`?" if near else None,
        )
    of_name = [run for run in runs if dataset is None or run.dataset_name == dataset]
    # Another version may hold other cases; a rank over both would compare what was not compared.
    return [run for run in of_name if run.dataset_digest == of_name[0].dataset_digest]


def _of_one_scorer(scope: Scope, runs: list[Run], name: str | None) -> list[Run]:
    """The runs in which a score means what it does in the newest one that has it."""
    newest = next((run for run in runs if any(item.name == name for item in run.scorers)), None)
    if newest is None:
        return runs
    return [run for run in runs if name not in other_scorers(scope.store, newest, run)]


def _models(scope: Scope, runs: Sequence[Run]) -> dict[str, str]:
    with scope.store.records.read() as connection:
        return queries.models_of_runs(connection, [run.id for run in runs])


def _has(judged: JudgedRun, name: str) -> bool:
    return any(item.name == name for item in judged.run.scorers)


def _ranked(
    base: Board, judged: list[JudgedRun], name: str, trait: ScoreTrait, models: Mapping[str, str]
) -> Board:
    by_run = {one.run.id: _scores(one, name, trait) for one in judged}
    common = set.intersection(*(set(cases) for cases in by_run.values()))
    order = [case.id for case in judged[0].cases if case.id in common]
    kept = base.model_copy(
        update={
            "unit": trait.unit,
            "higher_is_better": trait.higher_is_better,
            "cases": len(order),
            "left_out": len(judged[0].cases) - len(order),
        }
    )
    held = {case.id: case for case in judged[0].cases}
    clusters = clusters_of([held[case_id] for case_id in order]) if order else None
    scored = [
        clusters[at] if clusters else case_id
        for at, case_id in enumerate(order)
        if all(scores[case_id] is not None for scores in by_run.values())
    ]
    units = len(set(scored))
    if len(judged) < 2 or units < 2:
        few = "Two candidates at least are needed for a rank"
        if base.rescored:
            few += f"; {base.rescored:,} of the runs got `{name}` from another scorer"
        lone = "Fewer than two independent cases have a score from every candidate"
        return kept.model_copy(update={"problem": few if len(judged) < 2 else lone})
    found = leaderboard.leaderboard(
        {run_id: [scores[one] for one in order] for run_id, scores in by_run.items()},
        lower_is_better=not trait.higher_is_better,
        confidence=CONFIDENCE,
        clusters=clusters,
        bounds=trait.bounds,
        looks={one.run.id: one.times for one in judged},
    )
    runs = {one.run.id: one for one in judged}
    entries = [
        _entry(entry, runs[entry.name], models, score=name, cases=common) for entry in found.entries
    ]
    return kept.model_copy(
        update={"entries": _with_frontier(entries, kept, trait), "problem": None}
    )


def _scores(judged: JudgedRun, name: str, trait: ScoreTrait) -> dict[str, float | None]:
    """The score of each case that should have one; nothing where it failed.

    Times and money are those of answers: a case without one is left out of them.
    """
    return {
        case.id: case.scores.get(name)
        for case in judged.cases
        if name in case.scores or (name in case.missing and not trait.is_amount)
    }


def _entry(
    entry: leaderboard.LeaderboardEntry,
    judged: JudgedRun,
    models: Mapping[str, str],
    *,
    score: str,
    cases: Collection[str],
) -> BoardEntry:
    own = _own(judged, score, cases) or entry.mean
    return BoardEntry(
        run_id=entry.name,
        subject=judged.run.subject,
        model=models.get(entry.name),
        mean=entry.mean.value,
        low=_known(own.low),
        high=_known(own.high),
        together_low=_known(entry.mean.low),
        together_high=_known(entry.mean.high),
        rank_best=entry.rank_best,
        rank_worst=entry.rank_worst,
        tied_with=list(entry.tied_with),
        cost_usd=_mean(judged, "cost_usd"),
        latency_ms=_mean(judged, "latency_ms"),
        is_on_frontier=False,
        failed=entry.failed,
        runs=judged.times,
    )


def _own(judged: JudgedRun, score: str, cases: Collection[str]) -> Interval | None:
    """The interval of one candidate by itself, as its run shows it, over the cases of the board."""
    trait, held = judged.trait(score), judged.scored(score)
    kept = [place for place, case in enumerate(held) if case.id in cases]
    missing = sum(score in case.missing for case in judged.cases if case.id in cases)
    if len(kept) == len(held):
        missing = judged.count_missing(score)
    column = judged.column(score).at(np.array(kept, dtype=int))
    return deciding_mean(column, trait, missing, confidence=judged.confidence)


def _with_frontier(entries: list[BoardEntry], board: Board, trait: ScoreTrait) -> list[BoardEntry]:
    sign = 1 if trait.higher_is_better else -1
    priced = [one for one in entries if one.cost_usd is not None]

    def placed(one: BoardEntry) -> tuple[float, float]:
        worst = one.mean if trait.unit != "%" else 0.0 if sign > 0 else 1.0
        mean = one.mean + (worst - one.mean) * one.failed / board.cases
        return sign * mean, -(one.cost_usd or 0.0)

    def is_beaten(one: BoardEntry) -> bool:
        mine, others = placed(one), [placed(other) for other in priced]
        return any(
            other != mine and other[0] >= mine[0] and other[1] >= mine[1] for other in others
        )

    return [
        one.model_copy(update={"is_on_frontier": one.cost_usd is not None and not is_beaten(one)})
        for one in entries
    ]


def _mean(judged: JudgedRun, name: str) -> float | None:
    if not _has(judged, name):
        return None
    values = [case.scores[name] for case in judged.scored(name)]
    return sum(values) / len(values) if values else None


def _known(end: float) -> float | None:
    return end if abs(end) != float("inf") else None
