"""The cases of a run with their scores: what every judgement starts from."""

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256

from lineside.core import Invalid, did_you_mean
from lineside.evals import queries
from lineside.evals.run import Run
from lineside.store import Store
from lineside.usecases import ScorerDeclaration

_MEASURES = frozenset({"latency_ms", "cost_usd", "tokens", "tokens_in", "tokens_out"})


@dataclass(slots=True)
class JudgedCase:
    """One case of a run.

    Attributes:
        asked: Digest of the input, to tell whether two runs asked the same; empty where not read.
        scores: Mean over the repetitions that gave the score.
        missing: Names of scores that should be there and are not: the case or the scorer failed.
    """

    id: str
    asked: bytes
    cluster: str | None
    slices: dict[str, str]
    scores: dict[str, float] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class ScoreTrait:
    """How a score reads and which way is better.

    Attributes:
        unit: `%` for shares from 0 to 1, else what to print behind a number.
    """

    label: str
    unit: str
    higher_is_better: bool


class JudgedRun:
    """All cases of a run, in the order of its dataset."""

    def __init__(self, run: Run, cases: list[JudgedCase]) -> None:
        self.run = run
        self.cases = cases

    def scored(self, score: str) -> list[JudgedCase]:
        """The cases that have a score."""
        return [case for case in self.cases if score in case.scores]

    def count_missing(self, score: str) -> int:
        """The cases that should have a score and have none; those never asked are among them."""
        never_asked = self.run.cases_total // self.run.repetitions - len(self.cases)
        return never_asked + sum(score in case.missing for case in self.cases)

    def trait(self, score: str) -> ScoreTrait:
        """How a score reads.

        Raises:
            Invalid: `unknown_score` names the scores that the run has.
        """
        kinds = {item.name: item.kind for item in self.run.scorers}
        if score not in kinds:
            near = did_you_mean(score, kinds)
            raise Invalid(
                "unknown_score",
                f"Run `{self.run.id}` has no score `{score}`; it has: {', '.join(kinds)}",
                hint=f"Did you mean `{near}`?" if near else "Declare it under `tests.scorers`.",
            )
        known = ScorerDeclaration.kind_of(kinds[score])
        if known is not None and known.unit and not known.is_share:
            return ScoreTrait(known.label, known.unit, higher_is_better=known.higher_is_better)
        values = {case.scores[score] for case in self.scored(score)}
        is_share = (known is not None and known.is_share) or (bool(values) and values <= {0.0, 1.0})
        return ScoreTrait(score, "%" if is_share else "", higher_is_better=True)


def clusters_of(cases: list[JudgedCase]) -> list[str] | None:
    """The cluster of each case, where there are any; a case without one stands for itself."""
    if all(case.cluster is None for case in cases):
        return None
    return [f"c:{case.cluster}" if case.cluster else f"i:{case.id}" for case in cases]


def read_judged(store: Store, run: Run, *, beside: Run | None = None) -> JudgedRun:
    """Read all cases of a run with their scores.

    Args:
        beside: Another run that it will be paired with; where their datasets differ, inputs are
            told apart too.
    """
    with_input = beside is not None and beside.dataset_digest != run.dataset_digest
    measures = {item.name for item in run.scorers if item.kind in _MEASURES}
    names = [item.name for item in run.scorers]
    cases: dict[str, JudgedCase] = {}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with store.records.read() as connection:
        for row in queries.judged_rows(connection, run.id, with_input=with_input):
            case = cases.get(row.case_id)
            if case is None:
                asked = sha256(row.input.encode()).digest() if with_input else b""
                case = JudgedCase(row.case_id, asked, row.cluster, row.slices)
                cases[row.case_id] = case
            for name in names:
                score = row.scores.get(name, {})
                value = score.get("value")
                if value is not None:
                    values[row.case_id][name].append(value)
                # Unlike an expectation, a time or a cost is always there, known or not.
                elif row.error_code or score.get("error") or name in measures:
                    case.missing.add(name)
    for case_id, by_name in values.items():
        case = cases[case_id]
        case.scores = {name: sum(row) / len(row) for name, row in by_name.items()}
        case.missing -= case.scores.keys()
    return JudgedRun(run, list(cases.values()))
