"""How two runs differ, case by case."""

from collections.abc import Sequence
from dataclasses import dataclass

from lineside.core import Invalid, Record
from lineside.evals.judged import JudgedCase, JudgedRun, clusters_of, read_judged
from lineside.evals.run import get_run
from lineside.stats import PairedDifference, paired_difference
from lineside.trust import Scope

_IDS_MAX = 1000

Pairs = Sequence[tuple[JudgedCase, JudgedCase]]


class Comparison(Record):
    """Candidate minus baseline over the cases that both runs scored.

    Attributes:
        unpaired_cases: Cases that only one run has, has with another input, or has no score of.
        slices: Name of a slice to its values, each with the difference within.
        improved: Ids of cases that the candidate scored higher, in dataset order; at most 1,000.
        worsened: The same, scored lower.
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


@dataclass(frozen=True)
class Pairing:
    """The cases of two runs that were asked the same.

    Attributes:
        pairs: Baseline and candidate of each case that both scored, in the candidate's order.
        missing: Pairs in which one of the two should have a score and has none.
        unpaired: Cases of either run that are in no pair.
    """

    pairs: list[tuple[JudgedCase, JudgedCase]]
    missing: int
    unpaired: int

    def difference(self, score: str, *, confidence: float = 0.95) -> PairedDifference | None:
        """Candidate minus baseline, or nothing without a pair."""
        return _difference(self.pairs, score, confidence=confidence)


def compare(
    scope: Scope, baseline_run_id: str, candidate_run_id: str, *, score: str | None = None
) -> Comparison:
    """Say how much better the candidate is on one score, and how sure we are.

    Runs over different datasets are compared over the cases with the same id and the same input.

    Args:
        score: Name of the score; by default the candidate's main one.

    Raises:
        NotFound: The workspace has no such run.
        Invalid: `no_paired_cases`, or `unknown_score`.
    """
    before, after = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    baseline = read_judged(scope.store, before, beside=after)
    candidate = read_judged(scope.store, after, beside=before)
    name = score or candidate.run.main_score or "latency_ms"
    trait = candidate.trait(name)
    baseline.trait(name)
    pairing = pair(baseline, candidate, name)
    difference = pairing.difference(name)
    if difference is None:
        raise Invalid(
            "no_paired_cases",
            f"Runs `{baseline_run_id}` and `{candidate_run_id}` share no case that both scored "
            f"for `{name}`",
            hint="Run both over the same dataset.",
        )
    changes = [(new.id, new.scores[name] - old.scores[name]) for old, new in pairing.pairs]
    return Comparison(
        baseline_run_id=baseline_run_id,
        candidate_run_id=candidate_run_id,
        score=name,
        unit=trait.unit,
        higher_is_better=trait.higher_is_better,
        difference=difference,
        unpaired_cases=pairing.unpaired + pairing.missing,
        slices=_slices(pairing.pairs, name),
        improved=[case_id for case_id, change in changes if change > 0][:_IDS_MAX],
        worsened=[case_id for case_id, change in changes if change < 0][:_IDS_MAX],
    )


def pair(
    baseline: JudgedRun, candidate: JudgedRun, score: str, *, both: Pairs | None = None
) -> Pairing:
    """Find the cases that both runs asked, by id and by input.

    Args:
        both: What `met` found, where it is known.
    """
    pairs, missing, both = [], 0, met(baseline, candidate) if both is None else both
    for old, new in both:
        if score in old.scores and score in new.scores:
            pairs.append((old, new))
        elif score in old.missing or score in new.missing:
            missing += 1
    unpaired = len(baseline.cases) + len(candidate.cases) - 2 * len(both)
    return Pairing(pairs, missing, unpaired)


def met(baseline: JudgedRun, candidate: JudgedRun) -> list[tuple[JudgedCase, JudgedCase]]:
    """The cases that both runs asked, scored or not, in the candidate's order."""
    before = {case.id: case for case in baseline.cases}
    pairs = ((before.get(new.id), new) for new in candidate.cases)
    return [(old, new) for old, new in pairs if old is not None and old.asked == new.asked]


def _difference(pairs: Pairs, score: str, *, confidence: float = 0.95) -> PairedDifference | None:
    if not pairs:
        return None
    return paired_difference(
        [old.scores[score] for old, _ in pairs],
        [new.scores[score] for _, new in pairs],
        confidence=confidence,
        clusters=clusters_of([new for _, new in pairs]),
    )


def _slices(pairs: Pairs, score: str) -> dict[str, dict[str, PairedDifference]]:
    members: dict[str, dict[str, list[tuple[JudgedCase, JudgedCase]]]] = {}
    for old, new in pairs:
        for name, value in new.slices.items():
            members.setdefault(name, {}).setdefault(value, []).append((old, new))
    found: dict[str, dict[str, PairedDifference]] = {}
    for name, values in sorted(members.items()):
        for value, inside in sorted(values.items()):
            difference = _difference(inside, score)
            if difference is not None:
                found.setdefault(name, {})[value] = difference
    return found
