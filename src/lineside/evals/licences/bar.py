"""What a judge must reach before a gate may lean on it."""

from collections.abc import Iterator

from pydantic import Field

from lineside.core import Record
from lineside.evals.licences.measure import Estimate, JudgeMeasure


class BarCheck(Record):
    """One thing that the bar asks for, and what was found.

    Attributes:
        found: In words, with its interval.
        asked: In words.
        fails: Why it is not enough, as a clause; nothing where it is.
    """

    name: str
    found: str
    asked: str
    fails: str | None = None


class Bar(Record):
    """What a judge must reach against people. The low end of each interval must, not the estimate.

    So a licence takes enough labels: a judge without an error takes about 20 of each class, more
    where it was refused before: intervals of later attempts are wider.

    Attributes:
        labels: Answers with a label and a verdict; those of one case or cluster count as one.
        answered: Share of the labelled answers on which it must give a verdict at all.
        self_agreement: Where it was asked more than once.
        orders_disagree: At most, for a pairwise judge.
        length_bias: It must not surely be swayed by more than this; nor, with `slice_gap`, surely
            be right less often on one slice than on another by more than that.
    """

    labels: int = Field(default=30, ge=10)
    kappa: float = Field(default=0.6, ge=0, le=1)
    sensitivity: float = Field(default=0.8, ge=0, le=1)
    specificity: float = Field(default=0.8, ge=0, le=1)
    answered: float = Field(default=0.9, ge=0, le=1)
    self_agreement: float = Field(default=0.9, ge=0, le=1)
    orders_disagree: float = Field(default=0.25, ge=0, le=1)
    length_bias: float = Field(default=0.1, ge=0, le=1)
    slice_gap: float = Field(default=0.15, ge=0, le=1)

    def checks(self, found: JudgeMeasure) -> list[BarCheck]:
        """Everything that the bar asks of a judge, in the order in which people should read it."""
        return list(self._checks(found))

    def _checks(self, found: JudgeMeasure) -> Iterator[BarCheck]:
        yield _count("labelled answers", found, self.labels)
        yield _share("answers with a verdict", found.answered, at_least=self.answered)
        level = "" if found.attempts == 1 else f" at {found.confidence * 100:.4g} %"
        yield _reaches("agreement beyond chance (kappa)", found.kappa, self.kappa, level)
        yield _reaches("says yes where people do", found.sensitivity, self.sensitivity, level)
        yield _reaches("says no where people do", found.specificity, self.specificity, level)
        if found.self_agreement is not None:
            yield _share("agrees with itself", found.self_agreement, at_least=self.self_agreement)
        if found.orders_disagree is not None:
            yield _share(
                "turns with the order", found.orders_disagree, at_most=self.orders_disagree
            )
        if found.length_bias is not None:
            yield _stays("favours longer answers by", found.length_bias, self.length_bias)
        for name, gap in found.slice_gaps.items():
            yield _stays(f"gap in being right by {name}", gap, self.slice_gap)


def range_of(found: Estimate) -> str:
    """An estimate with its interval in words."""
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _count(name: str, found: JudgeMeasure, asked: int) -> BarCheck:
    fails = None
    if found.independent < asked:
        fails = f"{found.independent:,} labelled answers, asked are {asked:,}"
        if found.independent < found.labelled:
            rows = f"({found.labelled:,} rows)"
            fails = f"{found.independent:,} independent {name} {rows}, asked are {asked:,}"
    return BarCheck(name=name, found=found.counted, asked=f"at least {asked:,}", fails=fails)


def _reaches(name: str, found: Estimate, asked: float, level: str) -> BarCheck:
    shown = f"{range_of(found)}{level}"
    fails = None if found.low >= asked else f"{name} is {shown}, asked is surely {asked:g} or more"
    return BarCheck(name=name, found=shown, asked=f"surely {asked:g} or more", fails=fails)


def _stays(name: str, found: Estimate, asked: float) -> BarCheck:
    shown = range_of(found)
    is_beyond = found.low > asked or found.high < -asked
    fails = f"{name} {shown}, allowed is {asked:g}" if is_beyond else None
    return BarCheck(name=name, found=shown, asked=f"not surely above {asked:g}", fails=fails)


def _share(
    name: str, found: float, *, at_least: float | None = None, at_most: float | None = None
) -> BarCheck:
    is_enough = (at_least is None or found >= at_least) and (at_most is None or found <= at_most)
    asked = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    fails = None if is_enough else f"{name} in {found:.2f}, asked is {asked}"
    return BarCheck(name=name, found=f"{found:.2f}", asked=asked, fails=fails)
