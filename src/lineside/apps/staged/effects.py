"""What an experiment says at a look: who is better than the first arm, who is not, who is open."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from math import exp
from typing import Literal, NamedTuple

from lineside.apps.staged.experiment import (
    FINAL,
    ArmEffect,
    ArmMetric,
    Experiment,
    SampleRatio,
    Standing,
    UserLook,
)
from lineside.apps.staged.rules import (
    ALARM_UNITS_MIN,
    Sums,
    WatchedRule,
    known_end,
    pivot_between,
)
from lineside.stats import axes, pivots, power, sample_ratio, sequential, unpaired

FALSE_FINDS_MAX = 0.05
"""How often an experiment may say of any arm that it differs though none does, all looks and arms
together, both ways."""

_OWN_TAIL = 0.025
_FRACTION_STEP_MIN = 0.002

Outcome = Literal["better", "keeps", "more"]


class ExperimentVerdict(NamedTuple):
    """The one answer to an experiment.

    Attributes:
        winner: Name of the arm that is surely better, if one is.
    """

    outcome: Outcome
    winner: str | None
    sentence: str
    calls_needed: int | None


class Metric(NamedTuple):
    """What an experiment is about.

    Attributes:
        of_difference: Unit of a difference; `unit` is that of one arm's figure.
        lower_is_better: As a rule; of a score the person who starts it may say otherwise.
    """

    measure: str
    label: str
    of_difference: str
    unit: str
    lower_is_better: bool


METRICS = {
    "error_rate": Metric("error_rate", "error rate", "points", "%", True),
    "latency": Metric("latency", "typical latency", "%", "ms", True),
    "cost": Metric("cost_usd", "cost of a call", "%", "USD", True),
    "feedback": Metric("feedback", "share of thumbs up", "points", "%", False),
}


def metric_of(name: str) -> Metric:
    """What a metric is; every other name is that of a score."""
    return METRICS.get(name) or Metric(f"score:{name}", f"score `{name}`", "", "", False)


def unit_of(experiment: Experiment) -> str:
    """The unit of one arm's figure."""
    return metric_of(experiment.metric).unit


def unit_of_difference(experiment: Experiment) -> str:
    """The unit of a difference between two arms."""
    return metric_of(experiment.metric).of_difference


def compared(experiment: Experiment) -> WatchedRule:
    """The question whether an arm differs from the first one."""
    metric = metric_of(experiment.metric)
    return WatchedRule(
        *(experiment.metric, "margin", metric.measure, metric.label, 0.0),
        *(experiment.direction, metric.of_difference),
    )


def users_of(experiment: Experiment, sums: Mapping[str, Sums]) -> int:
    """Users with a value of the metric, in all arms together."""
    measure = metric_of(experiment.metric).measure
    found = [sums[arm.name].get(measure) for arm in experiment.arms if arm.name in sums]
    return sum(one.units for one in found if one)


def weigh_arms(
    experiment: Experiment, sums: Mapping[str, Sums], *, at: datetime, is_over: bool
) -> Experiment:
    """Take a look that counts.

    With several arms Holm's procedure goes over the looks: an arm that was told apart leaves its
    part of the false finds to those that were not (Maurer and Bretz, "Multiple testing in group
    sequential trials using graphical approaches", Statistics in Biopharmaceutical Research 5,
    2013). The looks of each spend by O'Brien and Fleming.

    Args:
        sums: Of each arm by its name, by measure.
        is_over: Its time is up: no further look will come.
    """
    rule = compared(experiment)
    mine = {arm.name: sums.get(arm.name, {}).get(rule.measure) for arm in experiment.arms}
    users = users_of(experiment, sums)
    is_last = is_over or users >= experiment.users
    looks = (*experiment.looks, UserLook(at=at, users=users))
    fractions = _fractions([look.users for look in looks], experiment.users)
    return experiment.model_copy(
        update={
            "looks": looks,
            "is_over": is_last,
            "metrics": tuple(_own(rule, name, one) for name, one in mine.items() if one),
            "effects": _effects(experiment, rule, mine, fractions, is_last=is_last),
            "ratio": _ratio(experiment, sums),
        }
    )


def outcome_of(experiment: Experiment, *, calls: int, users: int) -> ExperimentVerdict:
    """Say in one sentence who is better, that the first arm keeps, or what lacks.

    Args:
        calls: Of all arms so far, and their `users`.
    """
    effects, first = experiment.effects, experiment.control.name
    if experiment.ratio and experiment.ratio.warning:
        return ExperimentVerdict("more", None, experiment.ratio.warning, None)
    better = [effect for effect in effects if effect.standing == "better"]
    if better:
        return _won(experiment, better)
    if effects and all(effect.standing in FINAL for effect in effects):
        said = "; ".join(effect.sentence for effect in effects)
        return ExperimentVerdict("keeps", None, f"{first} keeps: {said}", None)
    if not experiment.looks or all(effect.standing == "no_data" for effect in effects):
        return _unseen(experiment, calls=calls, users=users)
    open_ones = [effect for effect in effects if effect.standing not in FINAL]
    said = "; ".join(effect.sentence for effect in open_ones)
    known = [one.calls_needed for one in open_ones if one.calls_needed]
    needed = max(known) if len(known) == len(open_ones) else None
    lacking = (
        f"about {needed:,} more calls would settle it"
        if needed
        else "no number of calls that anybody would wait for is sure to settle it"
    )
    sentence = f"Not enough data: {said}; {lacking}"
    return ExperimentVerdict("more", None, sentence, needed)


def _won(experiment: Experiment, better: Sequence[ArmEffect]) -> ExperimentVerdict:
    sign = 1 if experiment.direction == ">=" else -1
    best = max(better, key=lambda effect: sign * (effect.value or 0.0))
    sentence = f"{best.arm} is better: {best.sentence.removeprefix(f'{best.arm}: ')}"
    for other in better:
        if other is not best:
            sentence += f"; {other.arm} is better than {experiment.control.name}, too"
    open_ones = [one.arm for one in experiment.effects if one.standing not in FINAL]
    if open_ones:
        is_are = "is" if len(open_ones) == 1 else "are"
        sentence += f"; {', '.join(open_ones)} {is_are} not settled"
    return ExperimentVerdict("better", best.arm, sentence, None)


def _unseen(experiment: Experiment, *, calls: int, users: int) -> ExperimentVerdict:
    label = metric_of(experiment.metric).label
    if calls == 0:
        said = "nobody has called it yet"
    elif experiment.looks:
        said = f"{label} is not known of every arm"
    else:
        due = experiment.next_look_users
        per_user = calls / max(1, users)
        needed = max(1, round((due - users) * per_user))
        if users < due:
            more = f"about {needed:,} more call{'' if needed == 1 else 's'}"
            said = f"the first look counts at {due:,} users, {more}"
            return ExperimentVerdict("more", None, f"Not enough data: {said}", needed)
        said = f"{label} is known of fewer users than the {due:,} that the first look needs"
    return ExperimentVerdict("more", None, f"Not enough data: {said}", None)


def _effects(
    experiment: Experiment,
    rule: WatchedRule,
    mine: Mapping[str, unpaired.ClusterSums | None],
    fractions: tuple[float, ...],
    *,
    is_last: bool,
) -> tuple[ArmEffect, ...]:
    stands = {one.arm: one for one in experiment.effects if one.standing in FINAL}
    first = mine[experiment.control.name]
    found: dict[str, pivots.Pivot] = {}
    for arm in experiment.others:
        one = mine[arm.name]
        pivot = pivot_between(rule, one, first) if one and first else None
        if arm.name not in stands and pivot is not None:
            found[arm.name] = pivot
    told_apart = sum(one.standing in ("better", "worse") for one in stands.values())
    judged = dict[str, ArmEffect](stands)
    for name in sorted(found, key=lambda name: _p_differs(found[name])):
        level = FALSE_FINDS_MAX / (len(experiment.others) - told_apart)
        judged[name] = _effect(
            *(experiment, rule, name, found[name], mine[name], first),
            tail=_tail(fractions, level, is_last),
            level=level,
        )
        told_apart += judged[name].standing in ("better", "worse")
    return tuple(judged.get(arm.name) or _unknown(rule, arm.name) for arm in experiment.others)


def _effect(
    experiment: Experiment,
    rule: WatchedRule,
    name: str,
    pivot: pivots.Pivot,
    one: unpaired.ClusterSums | None,
    first: unpaired.ClusterSums | None,
    *,
    tail: float,
    level: float,
) -> ArmEffect:
    assert one is not None  # noqa: S101 # there would be no pivot
    assert first is not None  # noqa: S101 # as above
    is_upper, smallest = rule.direction == "<=", experiment.smallest
    p_better = pivot.p_below(0.0) if is_upper else pivot.p_above(0.0)
    p_worse = pivot.p_above(0.0) if is_upper else pivot.p_below(0.0)
    p_no_better = pivot.p_above(-smallest) if is_upper else pivot.p_below(smallest)
    may_tell = rule.is_rate or min(one.units, first.units) >= ALARM_UNITS_MIN
    standing: Standing = "unclear"
    if may_tell and min(p_better, p_worse) <= tail:
        standing = "better" if p_better < p_worse else "worse"
    elif may_tell and p_no_better <= tail:
        standing = "no_better"
    needed = None
    if standing == "unclear":
        settling = [
            power.cases_to_settle(pivot, limit, cases=one.count + first.count, confidence=1 - level)
            for limit in (0.0, -smallest if is_upper else smallest)
        ]
        needed = min((calls for calls in settling if calls is not None), default=None)
    effect = ArmEffect(
        arm=name,
        value=pivot.value,
        low=known_end(pivot.low(tail)),
        high=known_end(pivot.high(tail)),
        standing=standing,
        users=one.units,
        calls_needed=needed,
        sentence="",
    )
    said = _sentence(experiment, rule, effect)
    return effect.model_copy(update={"sentence": said})


def _sentence(experiment: Experiment, rule: WatchedRule, effect: ArmEffect) -> str:
    value = axes.show(effect.value, rule.unit, signed=True)
    span = "too few users for an interval"
    if effect.low is not None and effect.high is not None:
        span = axes.show_span(effect.low, effect.high, rule.unit, signed=True)
    how = {
        "worse": ", surely worse",
        "no_better": f", surely not better by {axes.show(experiment.smallest, rule.unit)}",
    }.get(effect.standing, "")
    against = experiment.control.name
    return f"{effect.arm}: {rule.label} differs from {against} by {value} ({span}){how}"


def _unknown(rule: WatchedRule, name: str) -> ArmEffect:
    return ArmEffect(
        arm=name,
        value=None,
        low=None,
        high=None,
        standing="no_data",
        users=0,
        calls_needed=None,
        sentence=f"{name}: {rule.label} is not known yet of both arms",
    )


def _own(rule: WatchedRule, name: str, sums: unpaired.ClusterSums) -> ArmMetric:
    """One arm's figure as people read it: milliseconds and not their logarithms."""
    pivot = unpaired.exact_rate(sums) if rule.is_rate else unpaired.mean_pivot(sums)
    ends = [known_end(pivot.low(_OWN_TAIL)), known_end(pivot.high(_OWN_TAIL))]
    value, is_log = pivot.value, rule.measure == "latency"
    low, high = (None if end is None or not is_log else exp(min(end, 700.0)) for end in ends)
    return ArmMetric(
        arm=name,
        value=exp(value) if is_log else value,
        low=low if is_log else ends[0],
        high=high if is_log else ends[1],
        users=sums.units,
        calls=sums.count,
    )


def _ratio(experiment: Experiment, sums: Mapping[str, Sums]) -> SampleRatio:
    """Every user has calls and so an error rate, whatever the metric is."""
    shares = {arm.name: arm.share for arm in experiment.arms}
    users = dict.fromkeys(shares, 0)
    for name in users:
        calls = sums.get(name, {}).get("error_rate")
        users[name] = calls.units if calls else 0
    p_value = sample_ratio.sample_ratio_p(list(users.values()), list(shares.values()))
    warning, total = None, sum(users.values())
    if p_value < sample_ratio.MISMATCH_P:
        got = ", ".join(
            f"{name} got {users[name]:,} users where {total * share:,.0f} were expected"
            for name, share in shares.items()
        )
        warning = (
            f"Not to be trusted: the sample ratio does not match ({got}; p < "
            f"{sample_ratio.MISMATCH_P:g}); find out what loses or adds users of one arm"
        )
    return SampleRatio(users=users, p_value=p_value, warning=warning)


def _p_differs(pivot: pivots.Pivot) -> float:
    return min(pivot.p_above(0.0), pivot.p_below(0.0))


def _fractions(users: Sequence[int], planned: int) -> tuple[float, ...]:
    """Information at each look; a look with nobody new takes the place of the one before it."""
    fractions: list[float] = []
    for count in users:
        fraction = round(max(_FRACTION_STEP_MIN, count / planned), 6)
        if not fractions or fraction >= fractions[-1] + _FRACTION_STEP_MIN:
            fractions.append(fraction)
    return tuple(fractions)


@lru_cache(maxsize=1_024)
def _tail(fractions: tuple[float, ...], level: float, is_last: bool) -> float:
    looks = sequential.sequential_looks(fractions, confidence=1 - level, is_last=is_last)
    return (1 - looks[-1].confidence) / 2
