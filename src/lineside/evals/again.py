"""A candidate that was asked the same anew: all its runs decide, so that no lucky one ships."""

from collections.abc import Sequence
from dataclasses import replace

from lineside.evals import queries
from lineside.evals.judged import JudgedRun, read_judged
from lineside.evals.run import Run, run_from
from lineside.stats import np
from lineside.store import Store

_RUNS_MAX = 20


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
