"""Whether a judge of a run is licensed now, and what its score is once corrected."""

from collections.abc import Mapping, Sequence

from lineside.core import Record, now
from lineside.evals.judge_summary import JudgeSummary, judge_names, judge_summaries
from lineside.evals.judged import JudgedRun, read_judged
from lineside.evals.licences.correction import (
    CorrectedScore,
    SaidOfAnswer,
    correct_elsewhere,
    correct_with_error,
    correct_with_labels,
)
from lineside.evals.licences.licence import Licence, get_licence, labels_of, list_licences
from lineside.evals.run import Run
from lineside.evals.scorers.judges import level_values
from lineside.trust import Scope


class JudgeStanding(Record):
    """Whether a judge may decide, here and now.

    Attributes:
        licence_id: The licence that holds, or the newest that does not.
        obstacle: Why there is no licence that holds, as a clause.
        corrected: Its mean score as people would have found it; nothing without a licence, or
            where the judge gave no verdict in this run.
    """

    score: str
    licence_id: str | None = None
    obstacle: str | None = None
    corrected: CorrectedScore | None = None

    @property
    def is_licensed(self) -> bool:
        return self.obstacle is None

    @property
    def sentence(self) -> str:
        """What a person should know of it."""
        if self.obstacle is not None:
            return f"judge not licensed: {self.obstacle}"
        if self.corrected is None:
            return "judge licensed; its score is its own, not corrected"
        return self.corrected.sentence


def standings_of(scope: Scope, run: Run) -> dict[str, JudgeStanding]:
    """How each judge of a run stands now; empty, and quick, where no model judged."""
    judges = judge_summaries(scope.store, run)
    if not judges:
        return {}
    return judge_standings(scope, read_judged(scope.store, run), judges=judges)


def judge_standings(
    scope: Scope, judged: JudgedRun, *, judges: Mapping[str, JudgeSummary] | None = None
) -> dict[str, JudgeStanding]:
    """How each judge of a run stands, by the name of its score; empty where none judged.

    Args:
        judges: What they did over the run, where that is known already.
    """
    known = judge_summaries(scope.store, judged.run) if judges is None else judges
    return {name: _standing(scope, judged, name, done) for name, done in known.items()}


def licensing(scope: Scope) -> str:
    """What changes whenever a licence is decided or expires, to keep no older answer than that."""
    found = list_licences(scope)
    lasting = sum(now() < item.expires_at for item in found)
    return f"{found[0].id if found else ''}:{len(found)}:{lasting}"


def unlicensed(scope: Scope, runs: Sequence[Run], score: str) -> str | None:
    """Why a score may decide nothing, in words; nothing where its judge may or no model judged."""
    digests = set()
    for run in runs:
        # What judges did is long to read of a run that is under way.
        done = judge_summaries(scope.store, run)[score] if score in judge_names(run) else None
        digests.add(done.judge_digest if done else None)
        obstacle = None if done is None else _licence(scope, run, score, done)[1]
        if obstacle is not None:
            return f"judge not licensed: {obstacle}"
    return f"not all runs got `{score}` from one and the same judge" if len(digests) > 1 else None


def pair_obstacles(
    scope: Scope, standings: Mapping[str, JudgeStanding], candidate: Run, baseline: Run
) -> dict[str, str]:
    """Why scores that a licensed judge gave a candidate say nothing beside those of a baseline.

    Both must be of that one judge, else their difference may be one between judges.
    """
    before = judge_summaries(scope.store, baseline)
    found = {}
    for name in before.keys() | standings.keys():
        standing, done = standings.get(name), before.get(name)
        if standing is None or done is None:
            sides = f"`{candidate.id}`", f"`{baseline.id}`"
            own, other = sides if standing else sides[::-1]
            found[name] = f"a model gave `{name}` in run {own}, but not in run {other}"
        elif standing.is_licensed and standing.licence_id is not None:
            licence = get_licence(scope, standing.licence_id)
            if licence.judge_digest != done.judge_digest:
                found[name] = f"another `{name}` judged the baseline, run `{baseline.id}`"
            elif obstacle := _obstacle(licence, licence.family, done):
                found[name] = f"in the baseline, run `{baseline.id}`, {obstacle}"
    return found


def says_yes_or_no(run: Run, score: str, labels: Sequence[SaidOfAnswer]) -> bool:
    """Whether a judge knows two levels only, and was all one or all the other on each label.

    Only then do sensitivity and specificity say all about its error. A case asked several times
    may still have a score in between.
    """
    judges = {item.name: item for item in run.scorers}
    levels = level_values(judges[score].kind, judges[score].arguments)
    said = {value for item in labels for value in (item.judge, item.people)}
    return len(levels) == 2 and said <= {0.0, 1.0}


def _standing(scope: Scope, judged: JudgedRun, name: str, done: JudgeSummary) -> JudgeStanding:
    licence, obstacle = _licence(scope, judged.run, name, done)
    return JudgeStanding(
        score=name,
        licence_id=licence.id if licence else None,
        obstacle=obstacle,
        corrected=_corrected(scope, judged, name, licence)
        if licence and obstacle is None
        else None,
    )


def _licence(
    scope: Scope, run: Run, name: str, done: JudgeSummary
) -> tuple[Licence | None, str | None]:
    """The licence that holds, or the newest that does not and why."""
    licences = [item for item in list_licences(scope, judge=name) if item.use_case == run.use_case]
    if not licences:
        return None, f"nobody has held `{name}` against people"
    same = [item for item in licences if item.judge_digest == done.judge_digest]
    on_family = [item for item in same if item.family == run.dataset_name]
    licence = (on_family or same or licences)[0]
    return licence, _obstacle(licence, run.dataset_name, done)


def _obstacle(licence: Licence, family: str, done: JudgeSummary) -> str | None:
    name, day = licence.judge, f"{licence.decided_at:%Y-%m-%d}"
    if licence.judge_digest != done.judge_digest:
        return f"the models, prompt, levels or options of `{name}` changed since {day}"
    if licence.family != family:
        return f"the licence of `{name}` is for the dataset `{licence.family}`, not `{family}`"
    others = sorted(set(done.models) - set(licence.models))
    if others:
        return (
            f"`{others[0]}` answered for `{name}`, its licence is for {', '.join(licence.models)}"
        )
    if licence.shortfalls:
        tries = licence.measured.attempts
        again = f" at attempt {tries}" if tries > 1 else ""
        return f"`{name}` missed the bar on {day}{again}: {licence.shortfalls[0]}"
    if now() >= licence.expires_at:
        return f"the licence of `{name}` expired on {licence.expires_at:%Y-%m-%d}"
    return None


def _corrected(
    scope: Scope, judged: JudgedRun, name: str, licence: Licence
) -> CorrectedScore | None:
    said = [
        SaidOfAnswer(case.id, case.scores[name], None, case.cluster) for case in judged.scored(name)
    ]
    labels, level = labels_of(scope, licence), judged.confidence
    # Labels are of the answers of one run, not of the mean of several.
    if licence.run_id == judged.run.id and judged.times == 1:
        people = {item.case_id: item.people for item in labels}
        return correct_with_labels(
            [item._replace(people=people.get(item.case_id)) for item in said], confidence=level
        )
    if not said:
        return None
    if says_yes_or_no(judged.run, name, labels):
        return correct_with_error(said, labels, confidence=level)
    return correct_elsewhere(said, labels, confidence=level)
