"""What a rollout is watched for: the limits of its plan, and live as the measure of the rest."""

from collections.abc import Mapping
from math import exp
from typing import Literal, NamedTuple

from lineside.apps.staged.record import LiveFinding, Standing
from lineside.stats import axes, pivots, power, unpaired
from lineside.usecases import rollouts

UNITS_MIN = 30
"""Callers whose calls must be seen before a figure within its limit counts as well."""

ALARM_UNITS_MIN = 10
"""Callers from which on the spread of a mean is known well enough to sound an alarm."""

LATENCY_FLOOR_MS = 20.0
"""Nobody notices so much; a canary may be slower by it, whatever part of live that is."""

_LABELS = {"error_rate": "error rate", "latency": "typical latency", "cost": "cost of a call"}

Sums = Mapping[str, unpaired.ClusterSums]
"""Of one arm, by measure."""


class Tails(NamedTuple):
    """How rarely the truth may lie beyond an end: that which sounds an alarm, and the other."""

    alarm: float
    clear: float


class WatchedRule(NamedTuple):
    """One question that every look asks.

    Attributes:
        measure: Whose sums it is about, see `traces.arms`.
        direction: On which side of the threshold it is well.
    """

    text: str
    kind: Literal["limit", "margin"]
    measure: str
    label: str
    threshold: float
    direction: Literal[">=", "<="]
    unit: str

    @property
    def is_rate(self) -> bool:
        is_share = self.measure in ("error_rate", "feedback")
        return is_share or self.measure.startswith("over:")


def rules_of(plan: rollouts.RolloutPlan) -> list[WatchedRule]:
    """Every rule of a plan, its limits first."""
    return [*map(_limit, plan.stop_if), *(_margin(plan, name) for name in plan.margins)]


def latency_limits(plan: rollouts.RolloutPlan) -> list[float]:
    """Latencies in milliseconds that rules are about."""
    return sorted({r.threshold for r in plan.stop_if if r.measure in rollouts.LATENCY_PERCENTILES})


def weigh(
    rule: WatchedRule, canary: Sums, live: Sums, *, tails: Tails, arm: str = ""
) -> LiveFinding:
    """Say what a rule makes of the calls at a look that counts.

    Args:
        arm: The name of the arm of an experiment that it is about.
    """
    one, other = canary.get(rule.measure), live.get(rule.measure)
    if one is None or (rule.kind == "margin" and other is None):
        return unseen(rule, one, arm=arm)
    threshold = rule.threshold
    is_asked = rule.kind == "limit" and rule.direction == ">="
    allowed = f"{axes.show(threshold, rule.unit)} {'asked for' if is_asked else 'allowed'}"
    if rule.measure == "latency" and other is not None:
        floor = LATENCY_FLOOR_MS / exp(other.mean)
        if floor > threshold:
            threshold, allowed = floor, f"{LATENCY_FLOOR_MS:g} ms that nobody notices"
    pivot = pivot_between(rule, one, other)
    if pivot is None:
        return unseen(rule, one, arm=arm)
    is_upper = rule.direction == "<="
    p_broken = pivot.p_above(threshold) if is_upper else pivot.p_below(threshold)
    p_clear = pivot.p_below(threshold) if is_upper else pivot.p_above(threshold)
    may_alarm = rule.is_rate or one.units >= ALARM_UNITS_MIN
    is_well = pivot.value <= threshold if is_upper else pivot.value >= threshold
    standing: Standing = "unclear"
    if p_broken < tails.alarm and may_alarm:
        standing = "broken"
    elif p_clear <= tails.clear:
        standing = "clear"
    elif rule.kind == "limit" and is_well and one.units >= UNITS_MIN:
        standing = "within"
    low_tail, high_tail = (tails.alarm, tails.clear) if is_upper else (tails.clear, tails.alarm)
    found = LiveFinding(
        arm=arm,
        rule=rule.text,
        kind=rule.kind,
        label=rule.label,
        unit=rule.unit,
        value=pivot.value,
        low=known_end(pivot.low(low_tail)),
        high=known_end(pivot.high(high_tail)),
        threshold=threshold,
        direction=rule.direction,
        standing=standing,
        units=one.units,
        calls_needed=_needed(rule, pivot, one, threshold, tails) if standing == "unclear" else 0,
        sentence="",
    )
    return found.model_copy(update={"sentence": _sentence(found, allowed)})


def unseen(rule: WatchedRule, one: unpaired.ClusterSums | None, *, arm: str = "") -> LiveFinding:
    """The finding where there is nothing to go by, yet or at all."""
    lacking = "the live release" if one else "the new release"
    # Most models cost nothing that is known; that must not hold a rollout for good.
    is_waived = rule.kind == "margin" and rule.measure == "cost_usd"
    said = "is not known of both releases, so it is not compared" if is_waived else ""
    return LiveFinding(
        arm=arm,
        rule=rule.text,
        kind=rule.kind,
        label=rule.label,
        unit=rule.unit,
        value=None,
        low=None,
        high=None,
        threshold=rule.threshold,
        direction=rule.direction,
        standing="within" if is_waived else "no_data",
        units=one.units if one else 0,
        calls_needed=0 if is_waived else None,
        sentence=f"{_of(arm)}{rule.label} {said or f'is not known yet of {lacking}'}",
    )


def _limit(rule: rollouts.StopRule) -> WatchedRule:
    percentile = rollouts.LATENCY_PERCENTILES.get(rule.measure)
    if percentile is not None:
        measure, threshold, unit = f"over:{rule.threshold:g}", round(1 - percentile, 6), "%"
        label = f"calls above {axes.show(rule.threshold, 'ms')}"
    elif rule.measure in rollouts.STOP_MEASURES:
        measure, threshold = rule.measure, rule.threshold
        unit = "%" if rule.measure == "error_rate" else "USD"
        label = _LABELS.get(rule.measure, _LABELS["cost"])
    else:
        measure, threshold, unit = f"score:{rule.measure}", rule.threshold, ""
        label = f"score `{rule.measure}`"
    is_upper = rule.comparator in (">", ">=")
    return WatchedRule(
        rule.text, "limit", measure, label, threshold, "<=" if is_upper else ">=", unit
    )


def _margin(plan: rollouts.RolloutPlan, name: str) -> WatchedRule:
    margin = plan.margins[name]
    if name not in rollouts.MARGINS:
        rule = next(rule for rule in plan.stop_if if rule.measure == name)
        is_upper = rule.comparator in (">", ">=")
        threshold = margin if is_upper else -margin
        text = f"not worse than live by {margin:g} on {name}"
        return WatchedRule(
            *(text, "margin", f"score:{name}", f"score `{name}`", threshold),
            *("<=" if is_upper else ">=", ""),
        )
    text = f"not worse than live by {margin * 100:g}% on {name}"
    measure = "cost_usd" if name == "cost" else name
    unit = "points" if name == "error_rate" else "%"
    return WatchedRule(text, "margin", measure, _LABELS[name], margin, "<=", unit)


def pivot_between(
    rule: WatchedRule, one: unpaired.ClusterSums, other: unpaired.ClusterSums | None
) -> pivots.Pivot | None:
    """The estimate that a rule is about, of one arm or of two; None where there is none yet."""
    if rule.kind == "limit":
        return unpaired.exact_rate(one) if rule.is_rate else unpaired.mean_pivot(one)
    if other is None:
        return None
    if rule.is_rate:
        return unpaired.RateDifferencePivot(unpaired.exact_rate(one), unpaired.exact_rate(other))
    if rule.measure == "latency":
        return unpaired.change_of_logs(one, other)
    if rule.measure == "cost_usd":
        return unpaired.change_of_means(one, other)
    return unpaired.mean_difference(one, other)


def _needed(
    rule: WatchedRule,
    pivot: pivots.Pivot,
    one: unpaired.ClusterSums,
    threshold: float,
    tails: Tails,
) -> int | None:
    if one.units < UNITS_MIN and (rule.kind == "limit" or not rule.is_rate):
        return UNITS_MIN - one.units
    confidence = 1 - 2 * min(0.25, tails.clear)
    return power.cases_to_settle(pivot, threshold, cases=one.count, confidence=confidence)


def _sentence(found: LiveFinding, allowed: str) -> str:
    value = axes.show(found.value, found.unit, signed=found.kind == "margin")
    compared = "differs from live by " if found.kind == "margin" else "is "
    how = {
        "broken": f"surely beyond the {allowed}",
        "clear": f"surely within the {allowed}",
        "within": f"within the {allowed} as far as it is seen",
        "unclear": f"not settled against the {allowed}",
        "no_data": "not known",
    }[found.standing]
    return f"{_of(found.arm)}{found.label} {compared}{value} ({_range(found)}), {how}"


def _of(arm: str) -> str:
    return f"{arm}: " if arm else ""


def _range(found: LiveFinding) -> str:
    if found.low is None or found.high is None:
        return "too few calls for an interval"
    return axes.show_span(found.low, found.high, found.unit, signed=found.kind == "margin")


def known_end(end: float) -> float | None:
    """An end of an interval, where it bounds anything."""
    return end if abs(end) < 1e12 else None
