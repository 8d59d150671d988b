"""A candidate that was asked the same anew: all its runs decide, so that no lucky one ships."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from lineside.evals import queries
from lineside.evals.judged import JudgedRun, read_judged
from lineside.evals.run import Run, run_from
from lineside.evals.tried import count_tried, tried_note
from lineside.stats import np
from lineside.store import Store

_RUNS_MAX = 20


class ReadAnew(NamedTuple):
    """A run and perhaps what it is held against, each over all times that it was asked the same.

    Attributes:
        asked: How often the candidate was, and `baseline_asked` the baseline.
    """

    judged: JudgedRun
    baseline: JudgedRun | None
    asked: int
    baseline_asked: int

    @property
    def against(self) -> JudgedRun:
        """The baseline, where the caller named one."""
        assert self.baseline is not None  # noqa: S101 # who asks has named it
        return self.baseline

    @property
    def notes(self) -> list[str]:
        """What gave more than one chance to ship, in sentences; mostly there is nothing."""
        level = f"at {self.judged.confidence * 100:.4g} %"
        notes = []
        if self.asked > 1:
            notes.append(
                f"The same candidate was asked these cases {self.asked} times: the mean of all "
                f"decides, {level}, not the luckiest"
            )
        if self.baseline_asked > 1:
            notes.append(
                f"The baseline was asked these cases {self.baseline_asked} times: the mean of all "
                f"decides, {level}, not the unluckiest"
            )
        if self.judged.tried > 1:
            notes.append(tried_note(self.judged.tried, self.judged.confidence))
        return notes


def read_anew(store: Store, run: Run, baseline_run: Run | None) -> ReadAnew:
    """Read a run, and what it is held against, for a verdict.

    There were as many chances to ship as the candidate was asked, and as the baseline was asked
    anew once the candidate was known; on held-out cases as many again as candidates were tried on
    them. The level is that of all together. Two runs of one candidate are held against each other
    as they are: what differs between the two is the question.
    """
    if baseline_run is not None and baseline_run.subject == run.subject:
        judged = read_judged(store, run, beside=baseline_run)
        return ReadAnew(judged, read_judged(store, baseline_run, beside=run), 1, 1)
    judged, earlier = read_judged(store, run, beside=baseline_run), earlier_tries(store, run)
    judged = over_all(store, judged, earlier) if earlier else judged
    judged.tried = count_tried(store, run, baseline_run)
    if baseline_run is None:
        return ReadAnew(judged, None, len(earlier) + 1, 1)
    baseline = read_judged(store, baseline_run, beside=run)
    before = earlier_tries(store, baseline_run)
    if before:
        baseline = over_all(store, baseline, before)
        first = min(one.id for one in [run, *earlier])
        anew = sum(one.id > first for one in [baseline_run, *before])
        judged.times += min(anew, len(before))
    return ReadAnew(judged, baseline, len(earlier) + 1, len(before) + 1)


def earlier_tries(store: Store, run: Run) -> list[Run]:
    """Whole runs before this one that asked the same candidate the same, the newest 20.

    None where this run took its answers from them, or where nobody knows whether what answers has
    changed since.
    """
    if run.plan.recalls or not run.plan.target.is_fixed:
        return []
    with store.records.read() as connection:
        rows = queries.same_runs(connection, run.model_dump(), status="done")
    found = [one for one in map(run_from, rows) if one.id < run.id]
    whole = [one for one in found if one.cases_done == one.cases_total]
    return sorted(whole, key=lambda one: one.id, reverse=True)[:_RUNS_MAX]


def over_all(store: Store, judged: JudgedRun, earlier: Sequence[Run]) -> JudgedRun:
    """A run with the mean score of each case over it and the runs before it.

    Its intervals are wider by as much as deciding that often takes (Bonferroni).
    """
    own = judged.sheet
    others = [read_judged(store, run).sheet for run in earlier]
    values = np.array([own.values, *(one.values for one in others if one.ids == own.ids)])
    known = values == values  # what is not a number differs from itself
    counts = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
    sheet = replace(own, values=np.where(known[0], means, np.nan))
    return JudgedRun(judged.run, sheet=sheet, rescored=judged.rescored, times=len(values))


def over_all_times(store: Store, judged: JudgedRun) -> JudgedRun:
    """A run as those judge it who let no lucky one count: over all that asked the same anew."""
    earlier = earlier_tries(store, judged.run)
    return over_all(store, judged, earlier) if earlier else judged
