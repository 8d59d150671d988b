"""A run in a few numbers, each with its interval."""

from lineside.core import Record
from lineside.evals.judge_summary import JudgeSummary, judge_summaries
from lineside.evals.judged import JudgedCase, clusters_of, read_judged
from lineside.evals.licences.standing import JudgeStanding, judge_standings
from lineside.evals.run import Run
from lineside.stats import Interval, mean_interval
from lineside.trust import Scope


class ScoreSummary(Record):
    """The mean of one score over a run.

    Attributes:
        interval: Nothing where no case was scored.
        unit: `%` for shares from 0 to 1, else what to print behind the number.
        missing: Cases that should have the score and have none; they are in no number here.
        judge: What the judge did, where models gave the score.
        standing: Whether that judge is licensed, and its score corrected for its error.
    """

    interval: Interval | None
    label: str
    unit: str
    higher_is_better: bool
    missing: int
    judge: JudgeSummary | None = None
    standing: JudgeStanding | None = None


class RunSummary(Record):
    """A run in a few numbers.

    Attributes:
        main_score: The score that `slices` is about.
        slices: Name of a slice to its values, each with the mean of the main score.
    """

    main_score: str | None
    scores: dict[str, ScoreSummary]
    slices: dict[str, dict[str, Interval]]


def summarise(scope: Scope, run: Run, *, score: str | None = None) -> RunSummary:
    """Say how a run went: every score, and one of them in every slice.

    Args:
        score: The score to show in slices; by default the run's main one.

    Raises:
        Invalid: `unknown_score`.
    """
    scope.require("read", run.use_case)
    judged = read_judged(scope.store, run)
    scores, judges = {}, judge_summaries(scope.store, run)
    standings = judge_standings(scope, judged, judges=judges)
    for item in run.scorers:
        trait, scored = judged.trait(item.name), judged.scored(item.name)
        scores[item.name] = ScoreSummary(
            interval=_interval(scored, item.name),
            label=trait.label,
            unit=trait.unit,
            higher_is_better=trait.higher_is_better,
            missing=judged.count_missing(item.name),
            judge=judges.get(item.name),
            standing=standings.get(item.name),
        )
    main = score or run.main_score
    slices: dict[str, dict[str, Interval]] = {}
    if main is not None:
        judged.trait(main)
        members: dict[tuple[str, str], list[JudgedCase]] = {}
        for case in judged.scored(main):
            for pair in case.slices.items():
                members.setdefault(pair, []).append(case)
        for (name, value), cases in sorted(members.items()):
            interval = _interval(cases, main)
            if interval is not None:
                slices.setdefault(name, {})[value] = interval
    return RunSummary(main_score=main, scores=scores, slices=slices)


def _interval(cases: list[JudgedCase], score: str) -> Interval | None:
    if not cases:
        return None
    return mean_interval([case.scores[score] for case in cases], clusters=clusters_of(cases))
