"""What people would have found where a judge looked, and how it reads."""

from collections.abc import Sequence
from typing import NamedTuple

from lineside.core import Record
from lineside.evals.licences.labels import keys_of
from lineside.evals.run import CONFIDENCE
from lineside.stats import Interval, corrected, mean_interval, prediction_powered

_WHOLE_POINTS = 100


class SaidOfAnswer(NamedTuple):
    """What judge and people said of one answer, from 0 to 1.

    Attributes:
        people: Nothing where only the judge looked.
    """

    case_id: str
    judge: float
    people: float | None = None
    cluster: str | None = None


class CorrectedScore(Record):
    """A mean score as people would have found it.

    Attributes:
        value: Nothing where the labels do not show that the judge tells yes from no.
        judged: What the judge alone says.
        is_rate: Whether every score is 0 or 1, so that the mean is a share of answers.
        n: Independent answers behind it.
        df: Degrees of freedom of Student's t; nothing stands for the normal distribution.
        method: `people` where all were labelled; `prediction_powered` where a part of these
            answers was, or, of scores between 0 and 1, only others were; `rogan_gladen` where only
            others were and every score is 0 or 1.
    """

    value: float | None
    low: float
    high: float
    judged: float
    is_rate: bool
    n: int
    df: float | None = None
    method: str
    confidence: float = CONFIDENCE

    @property
    def sentence(self) -> str:
        """Such as `true pass rate 86 % ± 3; the judge alone said 91 %`."""
        what = "true pass rate" if self.is_rate else "true mean"
        alone = f"the judge alone said {_percent(self.judged)} %"
        if self.value is None:
            return f"{what} unknown: the judge's error is too large; {alone}"
        down, up = self.value - self.low, self.high - self.value
        if _percent(down) == _percent(up):
            return f"{what} {_percent(self.value)} % ± {_percent(up)}; {alone}"
        ends = f"{_percent(self.low)} % to {_percent(self.high)} %"
        return f"{what} {_percent(self.value)} % ({ends}); {alone}"

    def interval(self) -> Interval | None:
        """The same for a gate."""
        if self.value is None:
            return None
        return Interval(
            self.value, self.low, self.high, self.confidence, self.n, self.method, df=self.df
        )


def correct_with_labels(
    said: Sequence[SaidOfAnswer], *, confidence: float = CONFIDENCE
) -> CorrectedScore:
    """The mean over answers of which people labelled a random part.

    Raises:
        Invalid: As `prediction_powered_mean`.
    """
    labelled = [item for item in said if item.people is not None]
    rest = [item for item in said if item.people is None]
    judged = sum(item.judge for item in said) / len(said)
    people = [float(item.people or 0) for item in labelled]
    is_rate = {*(item.judge for item in said), *people} <= {0.0, 1.0}
    found = (
        prediction_powered.prediction_powered_mean(
            [item.judge for item in rest],
            judge=[item.judge for item in labelled],
            people=people,
            are_shares=True,
            confidence=confidence,
            clusters=keys_of(rest, said),
            labelled_clusters=keys_of(labelled, said),
        )
        if rest
        else mean_interval(people, confidence=confidence, clusters=keys_of(labelled, said))
    )
    return CorrectedScore(
        value=found.value,
        low=found.low,
        high=found.high,
        judged=judged,
        is_rate=is_rate,
        n=found.n,
        df=found.df,
        confidence=confidence,
        method="prediction_powered" if rest else "people",
    )


def correct_elsewhere(
    said: Sequence[SaidOfAnswer],
    labelled: Sequence[SaidOfAnswer],
    *,
    confidence: float = CONFIDENCE,
) -> CorrectedScore:
    """The mean over answers that only the judge saw, by its error on others.

    Right where the judge exceeds people by as much here, on average, as it did there. A case that
    is in both counts as one, for its answers are related.

    Args:
        said: Answers without labels, from 0 to 1.
        labelled: Answers of the licence.

    Raises:
        Invalid: As `prediction_powered_mean`.
    """
    keys = [keys_of(some, [*said, *labelled]) for some in (said, labelled)]
    found = prediction_powered.prediction_powered_mean(
        [item.judge for item in said],
        judge=[item.judge for item in labelled],
        people=[float(item.people or 0) for item in labelled],
        # With less weight on the judge it would be the mean of the labelled answers, not of these.
        is_tuned=False,
        are_shares=True,
        confidence=confidence,
        clusters=keys[0],
        labelled_clusters=keys[1],
    )
    return CorrectedScore(
        value=found.value,
        low=found.low,
        high=found.high,
        judged=found.judged,
        is_rate=False,
        n=found.n,
        df=found.df,
        confidence=confidence,
        method="prediction_powered",
    )


def correct_with_error(
    said: Sequence[SaidOfAnswer],
    labelled: Sequence[SaidOfAnswer],
    *,
    confidence: float = CONFIDENCE,
) -> CorrectedScore:
    """The share of yes among answers that only the judge saw, by its error on others.

    Args:
        said: Answers without labels, 0 or 1 each, or the share of yes among repetitions.
        labelled: Answers of the licence, 0 or 1 each.

    Raises:
        Invalid: As `rogan_gladen`.
    """
    found = corrected.rogan_gladen(
        [item.judge for item in said],
        judge=[item.judge for item in labelled],
        people=[float(item.people or 0) for item in labelled],
        confidence=confidence,
        clusters=keys_of(said),
        labelled_clusters=keys_of(labelled),
    )
    return CorrectedScore(
        value=found.value,
        low=found.low,
        high=found.high,
        judged=found.judged,
        is_rate=True,
        n=found.n,
        confidence=confidence,
        method="rogan_gladen",
    )


def _percent(share: float) -> str:
    return f"{share * _WHOLE_POINTS:.0f}"
