"""How many candidates were tried on one held-out part: the more, the sooner one ships by luck."""

from lineside.evals.datasets import queries
from lineside.evals.run import Run
from lineside.store import Store


def count_tried(store: Store, run: Run, baseline_run: Run | None = None) -> int:
    """How many candidates were judged on the held-out cases of a run up to it, itself included.

    Of several parts that counts on which most were tried; 1 where nothing of it is held out. What
    it is held against is no candidate, unless it was one before. Where nobody knows whether what
    answers has changed, each run counts.
    """
    found = [1]
    for mark in run.plan.held_out:
        with store.records.read() as connection:
            rows = queries.judged_on(connection, workspace=run.workspace, mark=mark, until=run.id)
        candidates = {
            subject if plan["target"]["is_fixed"] else run_id
            for run_id, subject, plan in rows
            if baseline_run is None or subject != baseline_run.subject or plan["rules"]
        }
        found.append(len(candidates | {run.subject if run.plan.target.is_fixed else run.id}))
    return max(found)


def tried_note(tried: int, confidence: float) -> str:
    """That many were tried on the same held-out cases, and what to do about it."""
    return (
        f"Candidates judged on these held-out cases so far: {tried}. Of many, one ships by luck "
        f"sooner or later, so this one is judged at {confidence * 100:.4g} %. "
        "Before the next, hold out fresh cases as another split"
    )
