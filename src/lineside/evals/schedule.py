"""In which order a run asks its cases, and when it looks whether its gate is settled."""

import logging
import random
import time
from array import array
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from lineside.core import LinesideError
from lineside.evals import queries
from lineside.evals.dataset import Case, stored_dataset
from lineside.evals.gate import find_all
from lineside.evals.judged import read_judged
from lineside.evals.plan import RunLook
from lineside.evals.recall import ToAsk
from lineside.evals.run import Run, run_from
from lineside.evals.scorers.judges import KINDS
from lineside.evals.tried import count_tried
from lineside.evals.twins import Related
from lineside.stats import sequential, verdict
from lineside.store import Store
from lineside.usecases import parse_rule

LOOKS = 10
CASES_PER_LOOK_MIN = 20
WATCHED_CASES_MAX = 20_000
"""A longer run that goes on to its end is not looked at: a look reads all that is judged so far."""
GLANCE_SECONDS = 2.0
_SHARE_LOOKING = 0.1

_log = logging.getLogger("lineside.evals")


class Stretch(NamedTuple):
    """Cases that are asked before the next look.

    Attributes:
        first: Place of the first one in the order of asking; `end` is one past the last.
    """

    first: int
    end: int
    has_look: bool


class Schedule:
    """The order of a run's cases.

    Without rules to look at, as the dataset has them. With some, in an order drawn by the dataset's
    digest, because a dataset that is sorted by topic would settle the verdict on its first topic;
    cases of one cluster stay together, and so do the repetitions of a case.

    Attributes:
        related: Which of its cases count as one cluster.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._dataset = stored_dataset(store, run.dataset_digest, name=run.dataset_name)
        self.related = Related.within(self._dataset)
        self._total = len(self._dataset)
        self._looks = list(run.looks)
        # What a judge's licence makes of a rule is only weighed at the end.
        judges = {item.name for item in run.scorers if item.kind in KINDS}
        scores = {parse_rule(text).score for text in run.plan.rules}
        has_looks = bool(scores) and not scores & judges
        self._stops_early = has_looks and run.plan.stops_early
        self._is_glanced_at = (
            has_looks and not self._stops_early and self._total <= WATCHED_CASES_MAX
        )
        self._not_before = time.monotonic() + GLANCE_SECONDS
        self._is_drawn = self._stops_early or self._is_glanced_at
        self._order, self._starts = self._drawn() if self._is_drawn else (array("l"), array("q"))

    def stretches(self) -> list[Stretch]:
        """What is asked between looks; those that were looked at already are left out."""
        ends = self._ends()
        if not self._stops_early or len(ends) < 2:
            return [Stretch(0, self._total, has_look=self._stops_early)]
        pairs = zip([0, *ends[:-1]], ends, strict=True)
        return [Stretch(first, end, True) for first, end in pairs if end > self._seen]

    def cases(self, stretch: Stretch) -> Iterator[ToAsk]:
        """The cases of a stretch with their repetitions."""
        repetitions = range(self._run.repetitions)
        if not self._is_drawn:
            for repetition in repetitions:
                for position, case in enumerate(self._dataset):
                    yield position, repetition, case
            return
        content = memoryview(self._dataset.content)
        for place in range(stretch.first, stretch.end):
            position = self._order[place]
            start, end = self._starts[position], self._starts[position + 1]
            case = Case(**orjson.loads(content[start : end - 1]))
            for repetition in repetitions:
                yield position, repetition, case

    def look(self, stretch: Stretch) -> bool:
        """Hold what is judged so far against the rules; whether that settles them."""
        return self._look(stretch.end, is_last=stretch.end == self._total)

    def glance(self, answers: int) -> None:
        """Say in the run what its rules say so far, where it goes on to its end whatever that is.

        As often as `look` would, though never so often that it takes much of the time. A glance
        that fails tells nothing, and the run goes on.

        Args:
            answers: How many the run has so far.
        """
        cases = answers // self._run.repetitions
        is_due = any(self._seen < end <= cases < self._total for end in self._ends())
        # Just behind a late look the next one would have nothing new to say.
        is_due = is_due and cases - self._seen >= self._total / (2 * LOOKS)
        began = time.monotonic()
        if not self._is_glanced_at or not is_due or began < self._not_before:
            return
        try:
            self._look(cases, is_last=False)
        except LinesideError as error:
            _log.warning("run %s: no verdict so far: %s", self._run.id, error)
        ended = time.monotonic()
        self._not_before = ended + max(GLANCE_SECONDS, (ended - began) / _SHARE_LOOKING)

    @property
    def _seen(self) -> int:
        return self._looks[-1].cases if self._looks else 0

    def _ends(self) -> list[int]:
        looks = min(LOOKS, self._total // CASES_PER_LOOK_MIN)
        return [self._total * number // looks for number in range(1, looks + 1)]

    def _look(self, cases: int, *, is_last: bool) -> bool:
        fractions = [look.fraction for look in self._looks] + [cases / self._total]
        level = sequential.sequential_looks(fractions, is_last=is_last)[-1].confidence
        with self._store.records.read() as connection:
            workspace = self._run.workspace
            row = queries.run_row(connection, workspace=workspace, run_id=self._run.id)
            other_id = self._run.plan.baseline_run_id
            other = other_id and queries.run_row(connection, workspace=workspace, run_id=other_id)
        if row is None:
            return True
        taken = RunLook(
            cases=cases,
            fraction=fractions[-1],
            confidence=level,
            decision="more",
            sentence="",
        )
        run = run_from(row).model_copy(update={"looks": [*self._looks, taken]})
        beside = run_from(other) if other else None
        judged = read_judged(self._store, run, beside=beside)
        baseline = read_judged(self._store, beside, beside=run) if beside else None
        judged.tried = count_tried(self._store, run, beside)
        rules = [parse_rule(text) for text in run.plan.rules]
        found = verdict(find_all(judged, baseline, rules, []), confidence=judged.confidence)
        said = {"decision": found.decision, "sentence": found.sentence}
        self._looks.append(taken.model_copy(update=said))
        with self._store.records.write() as connection:
            looks = [look.model_dump() for look in self._looks]
            queries.update_run(connection, run.id, looks=looks)
        return found.decision != "more"

    def _drawn(self) -> tuple["array[int]", "array[int]"]:
        """Positions in the order of asking, and where each case's line starts."""
        starts = array("q", [0])
        clusters: dict[str, list[int]] = {}
        for position, case in enumerate(self._dataset):
            starts.append(self._dataset.content.index(b"\n", starts[-1]) + 1)
            cluster = self.related.cluster_of(case)
            key = f"i:{position}" if cluster is None else f"c:{cluster}"
            clusters.setdefault(key, []).append(position)
        groups = list(clusters.values())
        random.Random(self._run.dataset_digest).shuffle(groups)  # noqa: S311 # the same each time
        return array("l", [position for group in groups for position in group]), starts
