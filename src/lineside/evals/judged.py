"""The cases of a run with their scores: what every judgement starts from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import Invalid, did_you_mean
from lineside.evals import queries
from lineside.evals.run import Run
from lineside.evals.same_scorer import other_scorers
from lineside.evals.sheet import Sheet, read_sheet
from lineside.stats import np
from lineside.store import Store
from lineside.usecases import ScorerDeclaration

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEASURES = frozenset({"latency_ms", "cost_usd", "tokens", "tokens_in", "tokens_out"})


@dataclass(slots=True)
class JudgedCase:
    """One case of a run.

    Attributes:
        asked: Digest of the input and of what is expected, to tell whether two runs asked the same
            and held it against the same; says nothing where they were not read.
        scores: Mean over the repetitions, of scores that all of them gave.
        missing: Names of scores that should be there and are not: the case or the scorer failed, in
            one of the repetitions at least.
        attempts: What each repetition scored, where there are several; those that failed are left
            out.
    """

    id: str
    asked: bytes
    cluster: str | None
    slices: dict[str, str]
    scores: dict[str, float] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    attempts: dict[str, list[float]] | None = None


@dataclass(frozen=True)
class ScoreTrait:
    """How a score reads and which way is better.

    Attributes:
        unit: `%` for shares from 0 to 1, else what to print behind a number.
    """

    label: str
    unit: str
    higher_is_better: bool

    @property
    def is_amount(self) -> bool:
        """Whether it is a time, money or a count: those are of answers, failed cases have none."""
        return self.unit not in ("", "%")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and highest score there can be; nothing where only the scores can tell."""
        if self.unit in ("", "%"):
            return (0.0, 1.0) if self.unit else None
        from lineside.stats import intervals

        return intervals.AMOUNT


class Column(NamedTuple):
    """One score of many cases.

    Attributes:
        clusters: The cluster of each case, where there are any.
        slices: The different slices that cases lie in; `slice_codes` says which, for each case.
    """

    values: "NDArray[Any]"
    clusters: list[str] | None
    slices: list[dict[str, str]]
    slice_codes: "NDArray[Any]"

    def at(self, places: "NDArray[Any]") -> "Column":
        """The same of some of the cases."""
        keys = self.clusters and where_shared([self.clusters[place] for place in places.tolist()])
        return Column(self.values[places], keys, self.slices, self.slice_codes[places])


class JudgedRun:
    """All cases of a run, in the order of its dataset.

    Args:
        cases: Nothing where a sheet has them all.
        is_partial: Whether it is looked at on the way, when the rest was not to be asked yet.
        rescored: Scores that mean something else in the run it was read beside, each with the
            reason.
        times: How often all of it was asked anew and might have shipped.
        tried: How many candidates were tried on the same held-out cases, this one among them.
    """

    def __init__(
        self,
        run: Run,
        cases: list[JudgedCase] | None = None,
        *,
        sheet: Sheet | None = None,
        is_partial: bool = False,
        rescored: Mapping[str, str] | None = None,
        times: int = 1,
        tried: int = 1,
    ) -> None:
        self.run = run
        self.times = times
        self.tried = tried
        self.rescored = rescored or {}
        self.is_partial = is_partial
        if cases is not None:
            self.cases = cases
        if sheet is not None:
            self.sheet = sheet

    @cached_property
    def cases(self) -> list[JudgedCase]:
        """Each case by itself; for those who need all of a score, `column` is quicker."""
        return _cases_of(self.sheet, self.run)

    @cached_property
    def sheet(self) -> Sheet:
        """All cases in columns."""
        return _sheet_of(self.cases, self.run)

    def column(self, score: str) -> Column:
        """A score of all cases that have it."""
        sheet = self.sheet
        row = sheet.values[self.row(score)]
        places = (row == row).nonzero()[0]  # what is not a number differs from itself
        return Column(
            row[places],
            cluster_keys(sheet, places),
            sheet.slices,
            sheet.slice_codes[places],
        )

    def row(self, score: str) -> int:
        """Where the sheet has a score."""
        return [item.name for item in self.run.scorers].index(score)

    def scored(self, score: str) -> list[JudgedCase]:
        """The cases that have a score."""
        return [case for case in self.cases if score in case.scores]

    @property
    def confidence(self) -> float:
        """The level at which this run is judged: on the way that of the look, else its own.

        Its error is shared among all chances there were to ship.
        """
        is_look = self.is_partial and self.run.looks
        level = self.run.looks[-1].confidence if is_look else self.run.confidence
        chances = self.times * self.tried
        return level if chances == 1 else 1 - (1 - level) / chances

    @property
    def never_asked(self) -> int:
        """Cases that nobody asked though they were to be; none where the run ended on purpose."""
        if self.run.is_settled or self.is_partial:
            return 0
        return self.run.cases_total // self.run.repetitions - len(self.sheet.ids)

    def count_missing(self, score: str) -> int:
        """The cases that should have a score and have none; those never asked are among them."""
        return self.never_asked + int(self.sheet.missing[self.row(score)].sum())

    def rests_on(self, score: str) -> str:
        """On how many cases a score rests, where others expect nothing; else empty."""
        sheet, row = self.sheet, self.row(score)
        scored = int((sheet.values[row] == sheet.values[row]).sum())
        unheld = len(sheet.ids) - scored - int(sheet.missing[row].sum())
        if unheld == 0:
            return ""
        return (
            f"rests on {scored:,} of {len(sheet.ids):,} cases: {unheld:,} expect nothing this "
            "score can be held against"
        )

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
        is_share = known is not None and known.is_share
        if not is_share:
            values = self.column(score).values
            is_share = len(values) > 0 and bool(((values == 0) | (values == 1)).all())
        return ScoreTrait(score, "%" if is_share else "", higher_is_better=True)


def cluster_keys(sheet: Sheet, places: "NDArray[Any]") -> list[str] | None:
    """The cluster of each of some cases, as `clusters_of` gives it."""
    clusters = sheet.clusters
    if clusters is None or not any(clusters):
        return None
    keys = [_cluster(clusters[place], sheet.ids[place]) for place in places.tolist()]
    return where_shared(keys)


def clusters_of(cases: list[JudgedCase]) -> list[str] | None:
    """The cluster of each case; nothing where every case stands for itself."""
    if all(case.cluster is None for case in cases):
        return None
    return where_shared([_cluster(case.cluster, case.id) for case in cases])


def where_shared(keys: list[str]) -> list[str] | None:
    """The clusters of some cases; nothing where every case stands for itself."""
    return keys if len(set(keys)) < len(keys) else None


def _cluster(cluster: str | None, case_id: str) -> str:
    return f"c:{cluster}" if cluster else f"i:{case_id}"


def measures_of(run: Run) -> list[str]:
    """Scores that are always there, known or not: times and costs."""
    return [item.name for item in run.scorers if item.kind in _MEASURES]


def _cases_of(sheet: Sheet, run: Run) -> list[JudgedCase]:
    names = [item.name for item in run.scorers]
    nobody: set[str] = set()
    clusters = sheet.clusters or [None] * len(sheet.ids)
    cases = [
        JudgedCase(case_id, b"", cluster, sheet.slices[code], {}, nobody)
        for case_id, cluster, code in zip(
            sheet.ids, clusters, sheet.slice_codes.tolist(), strict=True
        )
    ]
    for name, row, missing in zip(names, sheet.values, sheet.missing, strict=True):
        for case, value in zip(cases, row.tolist(), strict=True):
            if value == value:
                case.scores[name] = value
        for place in missing.nonzero()[0].tolist():
            cases[place].missing = cases[place].missing | {name}
    return cases


def _sheet_of(cases: Sequence[JudgedCase], run: Run) -> Sheet:
    names = [item.name for item in run.scorers]
    slices: dict[tuple[tuple[str, str], ...], int] = {}
    codes = [slices.setdefault(tuple(case.slices.items()), len(slices)) for case in cases]
    nothing = float("nan")
    return Sheet(
        ids=[case.id for case in cases],
        values=np.array([[case.scores.get(name, nothing) for case in cases] for name in names]),
        missing=np.array([[name in case.missing for case in cases] for name in names], dtype=bool),
        slices=[dict(key) for key in slices],
        slice_codes=np.array(codes, dtype=np.int32),
        clusters=[case.cluster for case in cases],
        asked=[case.asked for case in cases],
    )


def read_judged(store: Store, run: Run, *, beside: Run | None = None) -> JudgedRun:
    """Read all cases of a run with their scores.

    Args:
        beside: Another run that it will be paired with; where their datasets differ, inputs and
            expectations are told apart too.
    """
    with_input = beside is not None and beside.dataset_digest != run.dataset_digest
    rescored = other_scorers(store, beside, run) if beside is not None else {}
    if run.sheet is not None and not with_input:
        return JudgedRun(run, sheet=read_sheet(store, run.sheet), rescored=rescored)
    measures = set(measures_of(run))
    names = [item.name for item in run.scorers]
    cases: dict[str, JudgedCase] = {}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with store.records.read() as connection:
        for row in queries.judged_rows(connection, run.id, with_input=with_input):
            case = cases.get(row.case_id)
            if case is None:
                asked = sha256(row.asked.encode()).digest()
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
        # The tries that failed need not be like the others: their mean is not that of the case.
        case.scores = {
            name: sum(row) / len(row) for name, row in by_name.items() if name not in case.missing
        }
        if run.repetitions > 1:
            case.attempts = dict(by_name)
    is_partial = run.status == "running"
    return JudgedRun(run, list(cases.values()), is_partial=is_partial, rescored=rescored)


def read_repeated(store: Store, run: Run, score: str) -> dict[str, list[float]]:
    """One score of each case, for every repetition that gave it."""
    found: dict[str, list[float]] = {}
    with store.records.read() as connection:
        for row in queries.judged_rows(connection, run.id, with_input=False):
            value = (row.scores.get(score) or {}).get("value")
            if value is not None:
                found.setdefault(row.case_id, []).append(value)
    return found
