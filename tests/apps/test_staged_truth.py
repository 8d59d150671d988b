"""Whole rollouts played many times: watching must not pull back what is well, nor let pass what is
broken.

The same with callers who fail again and again, and at every limit, is `benchmarks/rollouts.py`.
"""

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from lineside.apps import staged
from lineside.apps.staged.looks import calls_planned, look
from lineside.core import now
from lineside.stats.unpaired import ClusterSums
from lineside.usecases import rollouts

RUNS = 25
PLAN = rollouts.RolloutPlan.model_validate(
    {"hold": "1h", "stop_if": ["error_rate > 2%", "latency_p95_ms > 2000"]}
).completed()


def sums(values: np.ndarray) -> ClusterSums:
    row = values.astype(float)
    total, squares = float(row.sum()), float((row**2).sum())
    return ClusterSums(row.size, row.size, total, squares, total, float(row.size))


def arm(rng: np.random.Generator, calls: int, *, errors: float) -> np.ndarray:
    """Calls, each with whether it failed and the logarithm of how long it took."""
    return np.stack([rng.random(calls) < errors, rng.normal(np.log(300), 0.8, calls)])


def measured(calls: np.ndarray) -> dict[str, ClusterSums]:
    errors, logs = calls
    return {
        "error_rate": sums(errors),
        "latency": sums(logs),
        "over:2000": sums(logs > np.log(2000)),
    }


def roll_out(rng: np.random.Generator, *, live: float, canary: float) -> str:
    """One rollout, looked at thirty times a step; how it ended, and at which share."""
    began = now()
    for step, share in enumerate(PLAN.steps):
        found = staged.StagedRollout(
            id="stg_1",
            use_case="triage",
            release_id="rel_2",
            label="v2",
            from_release_id="rel_1",
            from_label="v1",
            plan=PLAN,
            status="running",
            step=step,
            step_began_at=began,
            planned=calls_planned(PLAN.margins["error_rate"], error_rate=live, share=share),
            created_at=began,
            created_by="ann",
        )
        new, old = arm(rng, 0, errors=0), arm(rng, 0, errors=0)
        for at in range(30):
            calls = max(1, int(rng.binomial(int(found.planned / share / 12), share)))
            new = np.hstack([new, arm(rng, calls, errors=canary)])
            old = np.hstack([old, arm(rng, int(calls / share) - calls + 1, errors=live)])
            looks, findings = look(found, measured(new), measured(old), at=began)
            found = found.model_copy(update={"looks": looks, "findings": findings})
            # The hold is over after half of the looks.
            due = staged.verdict(found, at=began + timedelta(hours=2 if at > 15 else 0))
            if due.decision == "roll_back":
                return "rolled back"
            if due.decision in ("promote", "finish"):
                break
        else:
            return "held"
    return "at everybody"


@pytest.mark.parametrize("errors", [0.0, 0.01])
def test_a_harmless_release_is_seldom_pulled_back_however_often_it_is_looked_at(
    errors: float,
) -> None:
    rng = np.random.default_rng(7)
    ended = Counter(roll_out(rng, live=errors, canary=errors) for _ in range(RUNS))

    assert ended["rolled back"] <= 0.05 * RUNS
    assert ended["at everybody"] >= 0.8 * RUNS


@pytest.mark.parametrize("errors", [0.1, 1.0])
def test_a_broken_release_never_reaches_everybody(errors: float) -> None:
    rng = np.random.default_rng(7)
    ended = Counter(roll_out(rng, live=0.01, canary=errors) for _ in range(RUNS))

    assert ended == {"rolled back": RUNS}


def test_a_release_that_is_worse_than_the_margin_is_not_let_pass() -> None:
    rng = np.random.default_rng(7)
    ended = Counter(roll_out(rng, live=0.0, canary=0.035) for _ in range(RUNS))

    assert ended["at everybody"] == 0
