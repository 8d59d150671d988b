"""Effects beside their intervals, alone and all at once."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Literal

from lineside.core import Record
from lineside.evals.measures import Measured, MeasureKind
from lineside.stats import multiplicity

Role = Literal["main", "guard", "watched"]
Standing = Literal["better", "worse", "open"]

_LEAST_MARGIN = 1e-9


class Effect(Record):
    """How the candidate differs from the baseline in one measure, with its interval.

    Attributes:
        role: The `main` score and the `guard`s decide; what is `watched` is only shown.
        unit: Of the two means, `%` for shares from 0 to 1.
        difference_unit: `points` between shares, and for the share of cases that got better on an
            ordinal score less the share that got worse.
        low: None where the data set no limit, as every other end. Ends hold whatever the `missing`
            cases would have scored; a verdict rests on them.
        together_low: The interval that holds at once with those of all measures beside the main
            score; that one has its own.
        p_adjusted: Two-sided; beside the main score after Holm's correction for all of them.
        standing: `better` or `worse` where the interval that counts leaves no doubt.
        margin: The largest loss that is accepted, where the measure decides.
        method: How the interval was made; `docs/concepts/verdicts.md` names the sources.
    """

    name: str
    label: str
    role: Role
    kind: MeasureKind
    unit: str
    difference_unit: str
    higher_is_better: bool
    baseline: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    together_low: float | None
    together_high: float | None
    p_adjusted: float
    standing: Standing
    margin: float | None
    cases: int
    units: int
    missing: int
    method: str


def margin_of(measured: Measured, allowed: float) -> float:
    """A margin in units of the difference: points of a share, else a part of the baseline."""
    if measured.unit == "%":
        return allowed
    return max(allowed * abs(measured.baseline), _LEAST_MARGIN)


def effects_of(
    main: Measured | None,
    others: Sequence[Measured],
    *,
    margin: float,
    guards: Mapping[str, float],
) -> list[Effect]:
    """The main score first, then guards, then what is only watched.

    The intervals of all others hold at once by Bonferroni: each is made at a higher level.
    """
    effects = [] if main is None else [_effect(main, "main", margin, 1, main.deciding.p_value)]
    together = len(others)
    p_values = [one.ends().p_value for one in others]
    rest = [
        _effect(
            one,
            "guard" if one.name in guards else "watched",
            guards.get(one.name),
            together,
            p_value,
        )
        for one, p_value in zip(others, multiplicity.holm(p_values), strict=True)
    ]
    return effects + sorted(rest, key=lambda effect: effect.role == "watched")


def _effect(
    one: Measured, role: Role, allowed: float | None, together: int, p_adjusted: float
) -> Effect:
    found, own = one.difference, one.ends()
    at_once = one.ends(1 - (1 - found.confidence) / together) if together > 1 else own
    standing: Standing = "open"
    if at_once.low > 0 or at_once.high < 0:
        standing = "better" if (at_once.low > 0) == one.higher_is_better else "worse"
    return Effect(
        name=one.name,
        label=one.label,
        role=role,
        kind=one.kind,
        unit="" if one.kind == "ordinal" else one.unit,
        difference_unit="points" if one.unit == "%" else one.unit,
        higher_is_better=one.higher_is_better,
        baseline=one.baseline,
        candidate=one.candidate,
        difference=found.value,
        low=_known(own.low),
        high=_known(own.high),
        together_low=_known(at_once.low),
        together_high=_known(at_once.high),
        p_adjusted=p_adjusted,
        standing=standing,
        margin=None if allowed is None else margin_of(one, allowed),
        cases=found.cases,
        units=found.n,
        missing=one.missing,
        method=found.method,
    )


def _known(end: float) -> float | None:
    return end if isfinite(end) else None
