"""How well a judge says what people say, where both say yes or no."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import hypot

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.samples import Numbers, check_confidence, is_binary, read_values


@dataclass(frozen=True)
class JudgeAccuracy:
    """A judge's answers against the labels of people, taken as the truth.

    Args:
        accuracy: Share of cases on which they agree.
        sensitivity: Share of people's yes to which the judge says yes; also called recall.
        specificity: Share of people's no to which the judge says no.
        precision: Share of the judge's yes that people confirm; None where it never says yes.
        f1: Harmonic mean of precision and sensitivity.
        youden: Sensitivity plus specificity minus 1; at 0 the judge tells nothing.
        true_yes: Both say yes.
        false_yes: The judge says yes, people no.
        false_no: The judge says no, people yes.
        true_no: Both say no.
    """

    accuracy: Interval
    sensitivity: Interval
    specificity: Interval
    precision: Interval | None
    f1: Interval
    youden: Interval
    true_yes: int
    false_yes: int
    false_no: int
    true_no: int


def measure_judge(
    judge: Iterable[float],
    people: Iterable[float],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> JudgeAccuracy:
    """Say how often a judge is right about what people call yes, and about what they call no.

    Every interval but one is Wilson's over the cases it is a share of, with clusters as in
    `mean_interval`. F1 is read from Jaccard's index J, the share of true yes among all cases to
    which either says yes: F1 is `2J / (1 + J)`, so that it has a width even for a judge without an
    error. Youden's index takes its ends from those of sensitivity and specificity (Newcombe,
    Statistics in Medicine 17, 1998, pages 873-890, method 10).

    Args:
        judge: 1 for yes and 0 for no, position by position the same cases as `people`.

    Raises:
        Invalid: `not_binary`, `lengths_differ`, `one_class` where people only say yes or only no,
            and what `mean_interval` raises.
    """
    check_confidence(confidence)
    answers, truth = read_answers(judge, "judge's answers"), read_answers(people, "people's labels")
    if answers.size != truth.size:
        raise Invalid(
            "lengths_differ",
            f"Judge and people must answer for the same cases: {answers.size} and {truth.size}",
        )
    if clusters is not None and len(clusters) != truth.size:
        raise Invalid(
            "lengths_differ", f"There are {truth.size} cases but {len(clusters)} cluster keys"
        )
    if truth.min() == truth.max():
        word = "yes" if truth[0] else "no"
        raise Invalid(
            "one_class",
            f"People said {word} to all {truth.size} cases: a judge's error on the others "
            "is not known",
            hint="Have cases of the other class labelled too",
        )

    def share(hits: Numbers, among: Numbers) -> Interval:
        rows = np.flatnonzero(among).tolist()
        keys = None if clusters is None else [clusters[at] for at in rows]
        return mean_interval(hits[rows], confidence=confidence, clusters=keys)

    right, either = (answers == truth).astype(float), ((answers + truth) > 0).astype(float)
    sensitivity, specificity = share(answers, truth), share(1 - answers, 1 - truth)
    jaccard = share(answers * truth, either)
    return JudgeAccuracy(
        accuracy=share(right, right + 1),
        sensitivity=sensitivity,
        specificity=specificity,
        precision=share(truth, answers) if answers.any() else None,
        f1=replace(
            jaccard,
            value=_f1(jaccard.value),
            low=_f1(jaccard.low),
            high=_f1(jaccard.high),
            method=jaccard.method.replace("wilson", "jaccard"),
        ),
        youden=_youden(sensitivity, specificity),
        true_yes=int((answers * truth).sum()),
        false_yes=int((answers * (1 - truth)).sum()),
        false_no=int(((1 - answers) * truth).sum()),
        true_no=int(((1 - answers) * (1 - truth)).sum()),
    )


def read_answers(values: Iterable[float], name: str) -> Numbers:
    row = read_values(values, name=name)
    if not is_binary(row):
        raise Invalid("not_binary", f"The {name} must all be 0 or 1")
    return row


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _youden(sensitivity: Interval, specificity: Interval) -> Interval:
    value = sensitivity.value + specificity.value - 1
    down = hypot(sensitivity.value - sensitivity.low, specificity.value - specificity.low)
    up = hypot(sensitivity.high - sensitivity.value, specificity.high - specificity.value)
    return Interval(
        value,
        max(-1.0, value - down),
        min(1.0, value + up),
        sensitivity.confidence,
        sensitivity.n + specificity.n,
        "newcombe",
        cases=sensitivity.cases_scored + specificity.cases_scored,
    )
