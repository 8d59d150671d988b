"""How far a judge says what people say, where it errs, and whether something but the answer sways
it."""

from collections.abc import Sequence
from math import hypot, isfinite
from statistics import median
from typing import NamedTuple

from pydantic import Field

from lineside.core import Invalid, Record
from lineside.evals.licences.labels import LabelledAnswer, keys_of
from lineside.evals.run import CONFIDENCE
from lineside.stats import Interval, agreement, judges, paired_difference, slice_gap

_WITHOUT_VERDICT = (
    "See why with `lineside evals show latest --only failed`; its verdicts must be among its "
    "levels, or among the words that people use."
)


class Estimate(Record):
    """A number and the range that holds the truth in 95 of 100 such samples.

    Attributes:
        n: Independent answers behind it.
    """

    value: float
    low: float
    high: float
    n: int


class Attempts(NamedTuple):
    """The attempts on the licence of a judge, this one among them.

    Attributes:
        changed: Answers whose label differs from that of the newest attempt that had them.
        changed_to_judge: Those of them that now say what the judge says.
    """

    made: int = 1
    changed: int = 0
    changed_to_judge: int = 0

    @property
    def confidence(self) -> float:
        """The level at which it must reach the bar: the error is shared among all attempts."""
        return CONFIDENCE if self.made == 1 else 1 - (1 - CONFIDENCE) / self.made


class JudgeMeasure(Record):
    """A judge held against people, who are taken for the truth.

    Attributes:
        labelled: Answers on which both people and the judge said something.
        no_verdict: Labelled answers on which the judge said nothing that fits its schema.
        undecided: Labelled answers on which as many people said one thing as another.
        people: How many people labelled.
        true_yes: Both say yes; `true_no`: both say no.
        false_yes: Only the judge says yes; `false_no`: only people do.
        kappa: Agreement on yes and no beyond chance; 1 is always, 0 as often as by guessing.
        levels_kappa: The same on levels, a near miss weighing less, where there are more than two.
        people_alpha: How far people agree with each other beyond chance, where several labelled.
        sensitivity: Share of people's yes to which the judge says yes.
        specificity: Share of people's no to which the judge says no.
        self_agreement: Share of repeats on which the judge said the same, where it was asked twice.
        orders_disagree: Share of pairwise verdicts that turned with the order of the answers.
        length_bias: How much more the judge exceeds people on the longer half of the answers than
            on the shorter, in shares of yes.
        confidence: Of the intervals of kappa, sensitivity and specificity, whose low ends the bar
            reads: higher for each attempt after the first.
        attempts: How often this judge was held against people by now, see `Attempts`.
        changed: Answers that were labelled otherwise in an earlier attempt; `changed_to_judge` of
            these now say what the judge says.
        slice_gaps: Name of a slice to the gap in how often the judge is right between its best and
            its worst value.
    """

    labelled: int
    no_verdict: int
    undecided: int
    people: int
    true_yes: int
    false_yes: int
    false_no: int
    true_no: int
    accuracy: Estimate
    kappa: Estimate
    sensitivity: Estimate
    specificity: Estimate
    levels_kappa: Estimate | None = None
    people_alpha: Estimate | None = None
    self_agreement: float | None = None
    orders_disagree: float | None = None
    length_bias: Estimate | None = None
    slice_gaps: dict[str, Estimate] = Field(default_factory=dict)
    confidence: float = CONFIDENCE
    attempts: int = 1
    changed: int = 0
    changed_to_judge: int = 0

    @property
    def independent(self) -> int:
        """Labelled answers that stand for themselves: those of one case or cluster count as one."""
        return self.accuracy.n

    @property
    def counted(self) -> str:
        """How many independent answers there are, and of how many rows: `2 (100 rows)`."""
        rows = f" ({self.labelled:,} rows)" if self.independent < self.labelled else ""
        return f"{self.independent:,}{rows}"

    @property
    def note(self) -> str:
        """What to know where rows are related; else empty."""
        if self.independent == self.labelled:
            return ""
        return (
            f"{self.labelled:,} rows hold {self.independent:,} independent answers: rows of one "
            "case or cluster are related and count as one"
        )

    @property
    def attempts_note(self) -> str:
        """What to know where it was refused before; else empty."""
        if self.attempts == 1:
            return ""
        said = (
            f"attempt {self.attempts}: each refusal before raises what kappa and both shares must "
            f"surely reach, now at {self.confidence * 100:.4g} %"
        )
        if self.changed:
            labels = "1 label was" if self.changed == 1 else f"{self.changed:,} labels were"
            said += f"; {labels} changed since, {self.changed_to_judge:,} to what the judge says"
        return said

    @property
    def answered(self) -> float:
        """Share of the labelled answers on which the judge gave a verdict."""
        return self.labelled / (self.labelled + self.no_verdict)


def measure(
    answers: Sequence[LabelledAnswer],
    *,
    passes_at: float,
    self_agreement: float | None = None,
    orders_disagree: float | None = None,
    attempts: Attempts | None = None,
) -> JudgeMeasure:
    """Hold a judge against people.

    Args:
        passes_at: From which score on an answer counts as a yes.
        attempts: Those before; the first one unless given.
        self_agreement: As the run says; where nothing is given, from answers asked again.

    Raises:
        Invalid: `no_verdicts` where the judge spoke of none of them, `one_class` where people said
            yes, or no, to all.
    """
    decided = [item for item in answers if item.people is not None]
    both = [item for item in decided if item.judge is not None]
    if not both:
        raise Invalid(
            "no_verdicts",
            f"The judge gave no verdict on any of the {len(decided):,} labelled answers",
            hint=_WITHOUT_VERDICT,
        )
    judge = [float((item.judge or 0) >= passes_at) for item in both]
    people = [float((item.people or 0) >= passes_at) for item in both]
    if len(both) < len(decided) and len(set(people)) == 1:
        raise Invalid(
            "one_class",
            f"The judge gave a verdict on {len(both):,} of {len(decided):,} labelled answers, and "
            f"people said {'yes' if people[0] else 'no'} to all of those: its error on the others "
            "is not known",
            hint=_WITHOUT_VERDICT,
        )
    keys, tries = keys_of(both), attempts or Attempts()
    level = tries.confidence
    found = judges.measure_judge(judge, people, confidence=level, clusters=keys)
    kappa = agreement.cohen_kappa(judge, people, confidence=level, clusters=keys)
    asked_again = [
        item.judge == item.again
        for item in answers
        if item.judge is not None and item.again is not None
    ]
    if self_agreement is None and asked_again:
        self_agreement = sum(asked_again) / len(asked_again)
    return JudgeMeasure(
        labelled=len(both),
        no_verdict=len(decided) - len(both),
        undecided=sum(item.is_labelled and item.people is None for item in answers),
        people=max(len(item.raters) for item in both),
        true_yes=found.true_yes,
        false_yes=found.false_yes,
        false_no=found.false_no,
        true_no=found.true_no,
        accuracy=_estimate(found.accuracy),
        kappa=_estimate(kappa),
        sensitivity=_estimate(found.sensitivity),
        specificity=_estimate(found.specificity),
        levels_kappa=_levels_kappa(both),
        people_alpha=_people_alpha(answers),
        self_agreement=self_agreement,
        orders_disagree=orders_disagree,
        length_bias=_length_bias(both, judge, people),
        slice_gaps=_slice_gaps(both, judge, people),
        confidence=level,
        attempts=tries.made,
        changed=tries.changed,
        changed_to_judge=tries.changed_to_judge,
    )


def _levels_kappa(both: Sequence[LabelledAnswer]) -> Estimate | None:
    judge, people = [item.judge for item in both], [item.people for item in both]
    if len({*judge, *people}) < 3:
        return None
    return _estimate(agreement.cohen_kappa(judge, people, weights="linear", clusters=keys_of(both)))


def _people_alpha(answers: Sequence[LabelledAnswer]) -> Estimate | None:
    labelled = [item for item in answers if item.is_labelled]
    raters = list(zip(*(item.raters for item in labelled), strict=True))
    if len(raters) < 2:
        return None
    try:
        found = agreement.krippendorff_alpha(raters, level="interval", clusters=keys_of(labelled))
    except Invalid as error:
        # People who shared no answer cannot be held against each other; that is no mistake.
        if error.code in {"no_overlap", "one_class"}:
            return None
        raise
    return _estimate(found)


def _length_bias(
    both: Sequence[LabelledAnswer], judge: Sequence[float], people: Sequence[float]
) -> Estimate | None:
    lengths = [item.characters for item in both if item.characters is not None]
    if len(lengths) < len(both):
        return None
    middle = median(lengths)
    longer = [at for at, length in enumerate(lengths) if length > middle]
    shorter = [at for at, length in enumerate(lengths) if length <= middle]
    if not longer or not shorter:
        return None
    keys = keys_of(both)
    excess = [
        paired_difference(
            [people[at] for at in half],
            [judge[at] for at in half],
            clusters=None if keys is None else [keys[at] for at in half],
        )
        for half in (longer, shorter)
    ]
    # Ends of a difference from the ends of its two parts: Newcombe 1998, method 10.
    value = excess[0].value - excess[1].value
    down = hypot(excess[0].value - excess[0].low, excess[1].high - excess[1].value)
    up = hypot(excess[0].high - excess[0].value, excess[1].value - excess[1].low)
    if not isfinite(down + up):
        return None
    return Estimate(value=value, low=value - down, high=value + up, n=len(both))


def _slice_gaps(
    both: Sequence[LabelledAnswer], judge: Sequence[float], people: Sequence[float]
) -> dict[str, Estimate]:
    gaps: dict[str, Estimate] = {}
    for name in sorted({name for item in both for name in item.slices}):
        inside = [at for at, item in enumerate(both) if name in item.slices]
        keys = keys_of(both)
        gap = slice_gap(
            [float(judge[at] == people[at]) for at in inside],
            [both[at].slices[name] for at in inside],
            clusters=None if keys is None else [keys[at] for at in inside],
            confidence=CONFIDENCE,
        )
        if gap.value is not None and gap.low is not None and gap.high is not None:
            gaps[name] = Estimate(value=gap.value, low=gap.low, high=gap.high, n=gap.n)
    return gaps


def _estimate(found: Interval | agreement.RaterAgreement) -> Estimate:
    return Estimate(value=found.value, low=found.low, high=found.high, n=found.n)
