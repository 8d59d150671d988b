"""How two runs differ, case by case."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import Invalid, Record
from lineside.evals.again import read_anew
from lineside.evals.judged import (
    Column,
    JudgedRun,
    cluster_keys,
)
from lineside.evals.run import get_run
from lineside.evals.sheet import Sheet
from lineside.stats import PairedDifference, np, paired_difference
from lineside.trust import Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IDS_MAX = 1000


class Met(NamedTuple):
    """Where the cases that both runs asked stand in each, in the candidate's order."""

    before: "NDArray[Any]"
    after: "NDArray[Any]"


class Comparison(Record):
    """Candidate minus baseline over the cases that both runs scored.

    Attributes:
        unit: Of the difference. An ordinal score, such as a grade, is judged by the share of cases
            that got better less the share that got worse, as in a gate: `%`.
        difference: Its ends and p-value hold whatever `missing_cases` would have scored.
        unpaired_cases: Cases that only one run has, has with another input or expectation, or has
            no score of.
        missing_cases: Those among them that lack a score in one of the runs, since they failed.
        slices: Name of a slice to its values, each with the difference within.
        improved: Ids of cases that the candidate scored higher, in dataset order; at most 1,000.
        worsened: The same, scored lower.
        judge_note: Why the score may decide nothing, where a judge without a licence gave it, or
            another scorer than in the other run.
        higher_is_better: Whether a difference above zero is good news; not so for time and cost.
    """

    baseline_run_id: str
    candidate_run_id: str
    score: str
    unit: str
    higher_is_better: bool
    difference: PairedDifference
    unpaired_cases: int
    slices: dict[str, dict[str, PairedDifference]]
    improved: list[str]
    worsened: list[str]
    judge_note: str | None = None
    missing_cases: int = 0


@dataclass(frozen=True)
class Pairing:
    """The cases of two runs that were asked the same.

    Attributes:
        ids: Cases that both scored, in the candidate's order.
        before: The score of each in the baseline.
        after: The score of each in the candidate, with its cluster and slices.
        missing_codes: Pairs in which one of the two should have a score and has none: the slices
            that each lies in.
        unpaired: Cases of either run that are in no pair.
        bounds: Lowest and highest score there can be, as of `ScoreTrait`.
    """

    ids: list[str]
    before: "NDArray[Any]"
    after: Column
    missing_codes: "NDArray[Any]"
    unpaired: int
    bounds: tuple[float, float] | None

    @property
    def missing(self) -> int:
        """Pairs in which one of the two should have a score and has none."""
        return len(self.missing_codes)

    @property
    def change(self) -> "NDArray[Any]":
        """How much higher each case scored in the candidate."""
        change: NDArray[Any] = self.after.values - self.before
        return change

    def difference(self, *, confidence: float = 0.95) -> PairedDifference | None:
        """Candidate minus baseline, or nothing without a pair."""
        if not self.ids:
            return None
        return paired_difference(
            self.before,
            self.after.values,
            confidence=confidence,
            clusters=self.after.clusters,
            bounds=self.bounds,
        )

    def ids_where(self, is_so: "NDArray[Any]") -> list[str]:
        """The first cases for which it is so."""
        return [self.ids[place] for place in is_so.nonzero()[0][:_IDS_MAX].tolist()]


def compare(
    scope: Scope, baseline_run_id: str, candidate_run_id: str, *, score: str | None = None
) -> Comparison:
    """Say how much better the candidate is on one score, and how sure we are.

    Runs over different datasets are compared over the cases with the same id, the same input and
    the same expectation.

    Args:
        score: Name of the score; by default the candidate's main one.

    Raises:
        NotFound: The workspace has no such run.
        Invalid: `no_paired_cases`, or `unknown_score`.
    """
    # Licences compare runs themselves, so that they cannot be imported before this.
    from lineside.evals.licences.standing import unlicensed
    from lineside.evals.measures import measure
    from lineside.evals.slicewise import differences_by_slice

    before, after = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    anew = read_anew(scope.store, after, before)
    candidate, baseline = anew.judged, anew.against
    name = score or candidate.run.main_score or "latency_ms"
    trait = candidate.trait(name)
    baseline.trait(name)
    pairing = pair(baseline, candidate, name)
    measured = measure(baseline, candidate, name, confidence=candidate.confidence)
    if measured is None:
        raise Invalid(
            "no_paired_cases",
            f"Runs `{baseline_run_id}` and `{candidate_run_id}` share no case that both scored "
            f"for `{name}`",
            hint="Run both over the same dataset.",
        )
    return Comparison(
        baseline_run_id=baseline_run_id,
        candidate_run_id=candidate_run_id,
        score=name,
        unit=measured.unit,
        higher_is_better=trait.higher_is_better,
        difference=measured.deciding,
        missing_cases=pairing.missing,
        unpaired_cases=pairing.unpaired + pairing.missing,
        slices=differences_by_slice(pairing, trait.unit),
        improved=pairing.ids_where(pairing.change > 0),
        worsened=pairing.ids_where(pairing.change < 0),
        judge_note=candidate.rescored.get(name) or unlicensed(scope, [before, after], name),
    )


def pair(baseline: JudgedRun, candidate: JudgedRun, score: str) -> Pairing:
    """Find the cases that both runs asked, by id, input and expectation."""
    old, new = baseline.sheet, candidate.sheet
    here, there = met(baseline, candidate)
    before = old.values[baseline.row(score)][here]
    after = new.values[candidate.row(score)][there]
    lacks = old.missing[baseline.row(score)][here] | new.missing[candidate.row(score)][there]
    has_both = (before == before) & (after == after)  # what is not a number differs from itself
    places = there[has_both]
    bounds = candidate.trait(score).bounds
    return Pairing(
        ids=_ids_at(new, places),
        before=before[has_both],
        after=Column(
            after[has_both],
            cluster_keys(new, places),
            new.slices,
            new.slice_codes[there][has_both],
        ),
        missing_codes=new.slice_codes[there][lacks & ~has_both],
        unpaired=len(old.ids) + len(new.ids) - 2 * len(there),
        # Scores that are all 0 or 1 in one run only are no shares.
        bounds=bounds if baseline.trait(score).bounds == bounds else None,
    )


def met(baseline: JudgedRun, candidate: JudgedRun) -> Met:
    """Find the cases that both runs asked, scored or not."""
    old, new = baseline.sheet, candidate.sheet
    if old.ids == new.ids and not (old.asked and new.asked):  # as over one and the same dataset
        return Met(np.arange(len(old.ids)), np.arange(len(new.ids)))
    place_of = {case_id: place for place, case_id in enumerate(old.ids)}
    here, there = [], []
    for place, case_id in enumerate(new.ids):
        other = place_of.get(case_id)
        if other is None or (old.asked and new.asked and old.asked[other] != new.asked[place]):
            continue
        here.append(other)
        there.append(place)
    return Met(np.array(here, dtype=int), np.array(there, dtype=int))


def _ids_at(sheet: Sheet, places: "NDArray[Any]") -> list[str]:
    if len(places) == len(sheet.ids):  # all of them, in order
        return sheet.ids
    return [sheet.ids[place] for place in places.tolist()]
