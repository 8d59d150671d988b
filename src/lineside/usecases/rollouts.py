"""How a release reaches people: the steps, how long each is held, and what ends the rollout.

rollout:
  steps: [5%, 25%, 100%]                             shares of callers, rising to everybody
  hold: 30m                                          how long to stay on a step at least
  stop_if: [error_rate > 2%, latency_p95_ms > 800]   limits that end it
  margins: {error_rate: 2%, latency: 25%}            how much worse than live is still not worse
  audience: country = CH                             whom it is for; else everybody
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from lineside.core import Invalid, Record, did_you_mean
from lineside.usecases.audiences import AudienceRule
from lineside.usecases.document import Mark, Misread, Node, quoted, spelled
from lineside.usecases.rules import StopRule as StopRule

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
STEPS_MAX = 20
MARGIN_MAX = 10.0

LATENCY_PERCENTILES = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9, "latency_p95_ms": 0.95}
LATENCY_PERCENTILES["latency_p99_ms"] = 0.99
"""Measures that bound the latency of a share of the calls."""

STOP_MEASURES = ("error_rate", *LATENCY_PERCENTILES, "cost_usd")
"""What a rule may be about beside scores; `cost_usd` is the mean cost of a call."""

MARGINS = {"error_rate": 0.02, "latency": 0.25, "cost": 0.25}
"""How much worse than live is still not worse, where a manifest does not say: the error rate in
points, typical latency and mean cost as a part of what they are live."""


def read_share(value: object) -> float:
    """Read a share of traffic: `5%`, or a number from 0 to 1."""
    share = None
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}(\.\d{1,9})?\s*%", value.strip()):
        share = float(value.strip()[:-1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    if share is not None and 0 < share <= 1:
        return share
    raise Misread(spelled(value), "a share above 0 % and up to 100 %", hint="Write it as `25%`.")


def _read_margin(value: object) -> float:
    margin = None
    if isinstance(value, str) and re.fullmatch(r"\d{1,4}(\.\d{1,9})?\s*%", value.strip()):
        margin = float(value.strip()[:-1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool):
        margin = float(value)
    if margin is not None and 0 < margin <= MARGIN_MAX:
        return margin
    hint = "Write it as `2%`, or as a number in units of a score."
    raise Misread(spelled(value), f"a margin above 0 and up to {MARGIN_MAX:g}", hint=hint)


def read_duration(value: object) -> timedelta:
    """Read how long: `45s`, `30m`, `2h` or `1d`."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", value.strip()) if isinstance(value, str) else None
    if found:
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    raise Misread(spelled(value), "a duration", hint="Write it as `45s`, `30m`, `2h` or `1d`.")


def write_duration(duration: timedelta) -> str:
    """Write it as `read_duration` reads it."""
    seconds = round(duration.total_seconds())
    unit = next(unit for unit, size in reversed(_UNITS.items()) if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


Share = Annotated[float, PlainValidator(read_share), WithJsonSchema({"type": ["string", "number"]})]
Margin = Annotated[
    float, PlainValidator(_read_margin), WithJsonSchema({"type": ["string", "number"]})
]
Duration = Annotated[
    timedelta,
    PlainValidator(read_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"}),
]
Stop = Annotated[
    StopRule,
    PlainValidator(StopRule.read),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["error_rate > 2%"]}),
]


class RolloutPlan(Record):
    """How a release reaches people."""

    steps: Annotated[
        tuple[Share, ...], Field(description="Shares of traffic, rising to 100%.")
    ] = ()
    hold: Annotated[
        Duration | None, Field(description="How long to stay on a step at least: `30m`, `2h`.")
    ] = None
    stop_if: Annotated[
        tuple[Stop, ...],
        Field(description="What ends the rollout: `error_rate > 2%`, `latency_p95_ms > 800`."),
    ] = ()
    margins: dict[str, Margin] = Field(
        default_factory=dict,
        description="How much worse than live is still not worse: `error_rate`, `latency`, "
        "`cost`, or a score that a rule names.",
    )

    audience: Annotated[
        AudienceRule | None,
        Field(description="Whom it is for, by what callers say of them: `country = CH`."),
    ] = None

    def completed(self) -> "RolloutPlan":
        """The same with the defaults in place of what it leaves open."""
        filled = {
            "steps": self.steps or DEFAULT_STEPS,
            "hold": self.hold if self.hold is not None else DEFAULT_HOLD,
            "margins": MARGINS | self.margins,
        }
        return self.model_copy(update=filled)


DEFAULT_STEPS = (0.05, 0.25, 1.0)
DEFAULT_HOLD = timedelta(minutes=30)


def rollout_problems(root: Node | None, scores: Iterable[str]) -> Iterator[tuple[Mark, Misread]]:
    """What is wrong with the plan of a manifest beyond how its values are written.

    Args:
        scores: Names of what is scored, which rules may be about.
    """
    if root is None or not isinstance(root.value, dict):
        return
    nodes = {name: root.get(name) for name in ("steps", "stop_if", "margins")}
    steps = _items(nodes["steps"])
    yield from ((steps[at].mark, wrong) for at, wrong in _step_problems([s.value for s in steps]))
    rules = []
    for item in _items(nodes["stop_if"]):
        try:
            rules.append((item.mark, StopRule.read(item.value)))
        except Misread:
            continue  # the structure has said so
    known = tuple(scores)
    for mark, rule in rules:
        if wrong := _rule_problem(rule, known):
            yield mark, wrong
    margins = nodes["margins"]
    if margins is not None and isinstance(margins.value, dict):
        for name in margins.value:
            if wrong := _margin_problem(name, (rule for _, rule in rules)):
                yield (margins.keys or {})[name], wrong
        for wrong in _audience_problems(root.get("audience") is not None, margins.value):
            yield margins.mark, wrong


def check_plan(plan: RolloutPlan, scores: Iterable[str]) -> RolloutPlan:
    """Return a plan that was typed and not read from a file, if it can be followed.

    Raises:
        Invalid: Says what was read and what was expected.
    """
    known = tuple(scores)
    wrong = [misread for _, misread in _step_problems(plan.steps)]
    wrong += [one for rule in plan.stop_if if (one := _rule_problem(rule, known))]
    wrong += [one for name in plan.margins if (one := _margin_problem(name, plan.stop_if))]
    wrong += _audience_problems(plan.audience is not None, plan.margins)
    if wrong:
        first = wrong[0]
        raise Invalid(
            "bad_rollout_plan", f"Read {first.read}, expected {first.expected}", hint=first.hint
        )
    return plan


def _step_problems(steps: Sequence[object]) -> Iterator[tuple[int, Misread]]:
    shares = []
    for step in steps:
        try:
            shares.append(read_share(step))
        except Misread:
            return  # whoever reads the value has said so
    for at, (before, share) in enumerate(pairwise(shares), start=1):
        if share <= before:
            hint = "Each step goes to more people than the one before it."
            yield at, Misread(_percent(steps[at]), f"more than {before * 100:.4g} %", hint=hint)
            return
    if shares and shares[-1] != 1:
        hint = "Add `100%`, or leave `steps` out and use `lineside deploy --percent`."
        read = f"{_percent(steps[-1])} as the last step"
        yield len(steps) - 1, Misread(read, "`100%`, which is everybody", hint=hint)
    if len(shares) > STEPS_MAX:
        yield STEPS_MAX, Misread(f"{len(shares)} steps", f"at most {STEPS_MAX}", hint="Leave some.")


def _rule_problem(rule: StopRule, scores: Sequence[str]) -> Misread | None:
    if rule.measure not in STOP_MEASURES and rule.measure not in scores:
        near = did_you_mean(rule.measure.casefold(), (*STOP_MEASURES, *scores))
        if near:
            known = ", ".join(f"`{name}`" for name in (*STOP_MEASURES, *scores))
            read = f"{quoted(rule.measure)} in {quoted(rule.text)}"
            hint = f"Did you mean `{near}`?"
            return Misread(read, f"{known}, or the name of a score", hint=hint)
        return None  # programs and people send scores under names of their own
    is_upper = rule.comparator in (">", ">=")
    if rule.measure in STOP_MEASURES and not is_upper:
        hint = f"Write `{rule.measure} > {rule.threshold:g}`: the rule says what ends the rollout."
        return Misread(quoted(rule.text), f"`>` after `{rule.measure}`", hint=hint)
    if rule.measure == "error_rate" and not 0 < rule.threshold < 1:
        near = f"Did you mean `error_rate > {rule.threshold:g}%`?"
        hint = near if 1 <= rule.threshold < 100 else "Write it as `error_rate > 2%`."
        return Misread(quoted(rule.text), "a share above 0 % and below 100 %", hint=hint)
    return None


def _margin_problem(name: str, rules: Iterable[StopRule]) -> Misread | None:
    about = {rule.measure for rule in rules} - set(STOP_MEASURES)
    if name in MARGINS or name in about:
        return None
    choices = (*MARGINS, *sorted(about))
    near = did_you_mean(name, choices)
    hint = f"Did you mean `{near}`?" if near else "Name a score in `stop_if` first."
    return Misread(quoted(name), f"one of {', '.join(f'`{one}`' for one in choices)}", hint=hint)


def _audience_problems(has_audience: bool, margins: Iterable[str]) -> list[Misread]:
    of_scores = [name for name in margins if name not in MARGINS]
    if not has_audience or not of_scores:
        return []
    hint = "Leave it out: a limit on the score in `stop_if` holds within an audience, too."
    expected = "margins of calls only, since scores of others cannot be told from the audience's"
    return [Misread(quoted(name), expected, hint=hint) for name in of_scores]


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _percent(step: object) -> str:
    return quoted(step if isinstance(step, str) else f"{read_share(step) * 100:.4g}%")
