"""When a look counts, and what all looks together say: promote, hold or roll back.

Looks are planned a stretch of calls at a time. The chance of a false alarm that a rollout may take
is shared over its steps and rules; each stretch of a step spends half of what is left of its share,
over its looks by alpha spending. So a step may be watched for as long as it takes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count, takewhile
from math import ceil, log
from typing import Any, Literal

from lineside.apps.staged.effects import Outcome, outcome_of
from lineside.apps.staged.experiment import Experiment
from lineside.apps.staged.record import LiveFinding, LookMark, StagedRollout, percent_of
from lineside.apps.staged.rules import Sums, Tails, WatchedRule, rules_of, unseen, weigh
from lineside.core import Record
from lineside.stats import sequential

FALSE_ALARMS_MAX = 0.05
"""How often a rollout may be rolled back though every limit holds, all looks together."""

FALSE_PASSES_MAX = 0.05
"""How often a step may be passed by a release that is worse than a margin allows."""

FIRST_CALLS_MIN, FIRST_CALLS_MAX = 40, 20_000
_EARLY_CALLS = 20
"""The first look of a step at the latest, then at twice as many calls each time: a release that
surely breaks a limit must not wait for a part of a long plan."""
_FIRST_LOOKS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_LATER_LOOKS = (0.6, 0.7, 0.8, 0.9, 1.0)
_FRACTION_STEP_MIN = 1e-3
_ERROR_RATES = (0.005, 0.2)
_Z_BOTH = 2.24 + 0.84
"""Deviations for a false pass of 1.25 % at one look and a power of 80 %."""

_EXACT = 1.6
"""How many times the calls exact limits of a small rate take, by simulation."""

Decision = Literal["promote", "finish", "settle", "hold", "roll_back"]


class StepVerdict(Record):
    """What is to be done with a step now.

    Attributes:
        outcome: What an experiment says: an arm is better, the first keeps, or not enough data.
        winner: The arm that is better, by name.
        calls_needed: About how many more calls of the canary are needed, where that is what lacks.
        ready_at: About when a decision is due.
    """

    decision: Decision
    sentence: str
    calls_needed: int | None = None
    ready_at: datetime | None = None
    outcome: Outcome | None = None
    winner: str | None = None


class StagedView(Record):
    """A staged rollout as it stands now.

    Attributes:
        next_look_calls: Calls of the release since the step began at which the next look counts;
            between looks the findings stand still, since watching them would not be honest.
        is_watched: Whether a server looked lately; if not, nothing goes up and nothing is pulled
            back by itself.
    """

    rollout: StagedRollout
    verdict: StepVerdict
    held_until: datetime
    next_look_calls: int
    is_watched: bool


_WATCHED_LATELY = timedelta(seconds=60)


def view_of(staged: StagedRollout, *, at: datetime) -> StagedView:
    """Say how it stands; what has ended stands as it ended."""
    due = verdict(staged, at=at)
    if not staged.is_open:
        sentence = staged.ended_why or staged.status
        due = StepVerdict(
            decision="hold", sentence=sentence, outcome=due.outcome, winner=due.winner
        )
    seen = staged.watched_at or staged.created_at
    return StagedView(
        rollout=staged,
        verdict=due,
        held_until=staged.held_until,
        next_look_calls=next_look(staged)[2],
        is_watched=not staged.is_open or at - seen < _WATCHED_LATELY,
    )


def calls_planned(plan_margin: float, *, error_rate: float, share: float) -> int:
    """Calls of the canary after which a step should be settled, if nothing is wrong.

    Enough to see that the error rate is not worse by the margin. It sets the pace of the looks and
    nothing else: however wrong it is, no look decides on too little.
    """
    rate = min(_ERROR_RATES[1], max(_ERROR_RATES[0], error_rate))
    others = 1 + share / max(0.05, 1 - share) if share < 1 else 1.0
    by_spread = _EXACT * _Z_BOTH**2 * rate * (1 - rate) * others / plan_margin**2
    without_errors = -log(FALSE_PASSES_MAX / 8) / plan_margin
    return min(FIRST_CALLS_MAX, max(FIRST_CALLS_MIN, ceil(max(by_spread, without_errors))))


def next_look(staged: StagedRollout) -> tuple[int, int, int]:
    """The stretch of the next look that counts, with how many calls it ends, and when it is due."""
    if not staged.looks:
        return 0, staged.planned, _dues(0, staged.planned)[0]
    last = staged.looks[-1]
    stretch, planned = last.stretch, last.planned
    if last.calls >= planned:
        stretch, planned = stretch + 1, 2 * max(planned, last.calls)
    return stretch, planned, next(due for due in _dues(stretch, planned) if due > last.calls)


def _dues(stretch: int, planned: int) -> list[int]:
    """The calls at which the looks of a stretch count; an early one spends little of the share."""
    looks = [ceil(planned * part) for part in (_LATER_LOOKS if stretch else _FIRST_LOOKS)]
    doubled = (_EARLY_CALLS * 2**part for part in count())
    early = [] if stretch else takewhile(lambda calls: calls < looks[0], doubled)
    return [*early, *looks]


def is_due(staged: StagedRollout, calls: int) -> bool:
    """Whether a look counts now, with so many calls of the canary since the step began."""
    return calls >= max(1, next_look(staged)[2])


def look(
    staged: StagedRollout, canary: Sums, live: Sums, *, at: datetime
) -> tuple[tuple[LookMark, ...], tuple[LiveFinding, ...]]:
    """Look if a look is due: all looks of the step so far, and what each rule says now."""
    return look_at_all(staged, {"": canary}, live, at=at)


def look_at_all(
    staged: StagedRollout, canaries: Mapping[str, Sums], live: Sums, *, at: datetime
) -> tuple[tuple[LookMark, ...], tuple[LiveFinding, ...]]:
    """The same over every arm of an experiment but its first, by name.

    A look is due when the arm with the fewest calls has enough.
    """
    rules = watched_rules(staged)
    calls = min(calls_of(sums) for sums in canaries.values())
    asked = [(arm, rule) for arm in canaries for rule in rules]
    if not is_due(staged, calls):
        return staged.looks, staged.findings or tuple(
            unseen(rule, None, arm=arm) for arm, rule in asked
        )
    stretch, planned, _ = next_look(staged)
    counts = {
        _counted(arm, rule): canaries[arm][rule.measure].count
        for arm, rule in asked
        if rule.measure in canaries[arm]
    }
    mark = LookMark(at=at, stretch=stretch, planned=planned, calls=calls, counts=counts)
    marks = (*staged.looks, mark)
    before = {(found.arm, found.rule): found for found in staged.findings}
    found = []
    for arm, rule in asked:
        tails = _tails(staged, marks, _counted(arm, rule))
        if tails is None:  # nothing new of this measure since the look before
            kept = before.get((arm, rule.text))
            found.append(kept or unseen(rule, canaries[arm].get(rule.measure), arm=arm))
        else:
            found.append(weigh(rule, canaries[arm], live, tails=tails, arm=arm))
    return marks, tuple(found)


def calls_of(sums: Sums) -> int:
    return sums["error_rate"].count if "error_rate" in sums else 0


def _counted(arm: str, rule: WatchedRule) -> str:
    return f"{arm} {rule.measure}" if arm else rule.measure


def watched_rules(staged: StagedRollout) -> list[WatchedRule]:
    """The rules of the present step: at everybody, nothing is left to compare with."""
    rules = rules_of(staged.plan)
    return [rule for rule in rules if rule.kind == "limit" or not staged.is_at_everybody]


def verdict(staged: StagedRollout, *, at: datetime) -> StepVerdict:
    """Say what is to be done now, in one sentence."""
    label, until = staged.label, staged.held_until
    if staged.experiment is not None:
        return _told(staged, staged.experiment)
    if said := _broken(staged):
        return StepVerdict(decision="roll_back", sentence=f"Roll back {label}: {said}")
    if staged.trouble:
        return StepVerdict(
            decision="hold",
            sentence=f"Hold {label} at {staged.percent:g} %: it cannot be watched "
            f"({staged.trouble})",
        )
    if staged.is_at_everybody:
        if at >= until or not watched_rules(staged):
            return StepVerdict(decision="finish", sentence=f"{label} is at {staged.whom}")
        sentence = f"{label} is at {staged.whom}; its limits are watched {_for(until - at)} more"
        return StepVerdict(decision="hold", sentence=sentence, ready_at=until)
    open_ones = [one for one in staged.findings if one.standing in ("unclear", "no_data")]
    if open_ones or not staged.looks:
        return _lacking(staged, open_ones, at=at)
    if at < until:
        sentence = f"Hold {label} at {staged.percent:g} % for {_for(until - at)} more: all is well"
        return StepVerdict(decision="hold", sentence=sentence, ready_at=until)
    share = percent_of(staged.plan.steps[staged.step + 1])
    target = staged.whom if share == 100 else f"{share:g} %"
    if staged.status == "paused":
        sentence = f"Hold {label} at {staged.percent:g} %: paused; it could go to {target}"
        return StepVerdict(decision="hold", sentence=sentence)
    said = "; ".join(one.sentence for one in staged.findings if one.standing == "clear")
    sentence = f"Promote {label} to {target}: {said or 'every limit holds'}"
    return StepVerdict(decision="promote", sentence=sentence)


def _broken(staged: StagedRollout) -> str:
    return "; ".join(found.sentence for found in staged.findings if found.standing == "broken")


def _told(staged: StagedRollout, experiment: Experiment) -> StepVerdict:
    """What an experiment says: nobody gets the winner before a person deploys it."""
    figures = staged.seen.named
    calls, users = sum(one.calls for one in figures), sum(one.callers for one in figures)
    told = outcome_of(experiment, calls=calls, users=users)
    said: dict[str, Any] = {"outcome": told.outcome, "winner": told.winner}
    if broken := _broken(staged):
        sentence = f"Pull back to {experiment.control.name}: {broken}"
        return StepVerdict(decision="roll_back", sentence=sentence, **said)
    if staged.trouble:
        sentence = f"{told.sentence}; it cannot be watched ({staged.trouble})"
        return StepVerdict(decision="hold", sentence=sentence, **said)
    said |= {"sentence": told.sentence, "calls_needed": told.calls_needed}
    if experiment.settled_at is None and experiment.is_final:
        return StepVerdict(decision="settle", **said)
    ready_at = None if experiment.is_final else staged.held_until
    if told.calls_needed and (due := _expected(staged, calls, told.calls_needed)) and ready_at:
        ready_at = min(due, ready_at)
    return StepVerdict(decision="hold", ready_at=ready_at, **said)


def _lacking(
    staged: StagedRollout, open_ones: Sequence[LiveFinding], *, at: datetime
) -> StepVerdict:
    """Hold, and say how many calls more are needed and about when they will have come."""
    calls = staged.seen.canary.calls if staged.seen.canary else 0
    seen_at = staged.looks[-1].calls if staged.looks else 0
    due = next_look(staged)[2] if staged.looks else staged.planned
    wanted = [seen_at + (one.calls_needed or 0) for one in open_ones]
    needed = max(1, max([due, *wanted]) - calls)
    known = {one.calls_needed for one in open_ones}
    sentence = f"Hold {staged.label} at {staged.percent:g} %: not enough data"
    if staged.looks and None in known:
        about = next(one for one in open_ones if one.calls_needed is None)
        sentence += f", and no number of calls is sure to settle it: {about.sentence}"
    else:
        sentence += f", about {needed:,} more call{'' if needed == 1 else 's'} of it needed"
    ready_at = _expected(staged, calls, needed)
    if ready_at is not None and ready_at > at:
        sentence += f", in about {_for(ready_at - at)}"
    elif calls == 0:
        sentence += "; nobody has called it yet"
    later = max(filter(None, (ready_at, staged.held_until)))
    return StepVerdict(
        decision="hold",
        sentence=sentence,
        calls_needed=needed,
        ready_at=later if ready_at else None,
    )


def _expected(staged: StagedRollout, calls: int, needed: int) -> datetime | None:
    if calls == 0 or staged.watched_at is None:
        return None
    seconds = max(1.0, (staged.watched_at - staged.step_began_at).total_seconds())
    wait = needed * seconds / calls
    return staged.watched_at + timedelta(seconds=wait) if wait < 366 * 86_400 else None


def _tails(staged: StagedRollout, marks: Sequence[LookMark], counted: str) -> Tails | None:
    """How rarely the truth may lie beyond the ends of this look's intervals.

    Alarms are shared over all rules and steps, in an experiment over all rules and arms, since any
    of them ends the rollout. To go up every
    rule must pass, so that each may be wrong as often as all together.
    """
    stretch = marks[-1].stretch
    own = [mark for mark in marks if mark.stretch == stretch]
    fractions, last = list[float](), 0.0
    for mark in own:
        fraction = mark.counts.get(counted, 0) / mark.planned
        is_new = fraction >= last + _FRACTION_STEP_MIN
        if is_new:
            fractions.append(round(fraction, 6))
            last = fraction
        elif mark is own[-1]:
            return None
    part = 0.5 ** (stretch + 1)
    times = len(staged.experiment.others) if staged.experiment else len(staged.plan.steps)
    shares = len(rules_of(staged.plan)) * times
    alarm = FALSE_ALARMS_MAX * part / shares
    return Tails(
        _tail(tuple(fractions), max(alarm, 1e-9)),
        _tail(tuple(fractions), FALSE_PASSES_MAX * part),
    )


@lru_cache(maxsize=1_024)
def _tail(fractions: tuple[float, ...], alpha: float) -> float:
    looks = sequential.sequential_looks(fractions, confidence=1 - 2 * alpha, spending="pocock")
    return (1 - looks[-1].confidence) / 2


def _for(wait: timedelta) -> str:
    seconds = max(1, ceil(wait.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"
