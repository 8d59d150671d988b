"""Claim: a harmless release is pulled back in 5 % of rollouts at most, over all looks of all steps,
and one that is clearly broken never reaches everybody.

    .venv/bin/python benchmarks/rollouts.py [--json] [--rollouts 400]

Each rollout draws callers with one to seven calls each, whose failures resemble each other, and
goes through the steps 5 %, 25 % and everybody with two limits and three margins watched, by the
functions that the server decides with. `at_every_limit` is the worst harmless case: the release
stands exactly at each limit and margin at once, and every step is watched for 60 rounds, whatever
the verdict. It decides how often a false alarm sounds when nothing is wrong by the rules.

Experiments are played to their end with the same callers, five looks each: where no arm differs,
one is said to in 5 % at most.
"""

import argparse
from collections import Counter
from datetime import timedelta
from math import log
from typing import NamedTuple

import numpy as np
from report import Report

from lineside.apps import staged
from lineside.apps.staged.effects import weigh_arms
from lineside.apps.staged.experiment import LOOKS, Experiment, ExperimentArm
from lineside.apps.staged.looks import calls_planned, look
from lineside.core import now
from lineside.stats.unpaired import ClusterSums
from lineside.usecases import rollouts

SLOW_MS, SPREAD = 2_000, 0.8
_ROUNDS_MAX = 60
_TYPICAL_MS = SLOW_MS / np.exp(1.6449 * SPREAD)  # of which 5 % take longer than SLOW_MS
PLAN = rollouts.RolloutPlan.model_validate(
    {"hold": "1h", "stop_if": ["error_rate > 2%", f"latency_p95_ms > {SLOW_MS}"]}
).completed()


class Truth(NamedTuple):
    """What the two releases are like, of which a rollout sees only calls."""

    errors_live: float
    errors: float
    slower: float = 1.0
    typical_ms: float = _TYPICAL_MS / 1.5
    likeness: float = 0.02
    goes_on: bool = False


TRUTHS = {
    "harmless": Truth(0.01, 0.01),
    "harmless_without_errors": Truth(0.0, 0.0),
    "at_every_limit": Truth(0.0, 0.02, 1.25, _TYPICAL_MS / 1.25, goes_on=True),
    "broken_10_against_1_percent": Truth(0.01, 0.10),
    "broken_5_against_1_percent": Truth(0.01, 0.05),
    "twice_as_slow": Truth(0.01, 0.01, 2.0),
}


class Arm:
    """The calls of one release so far, as the sums that are read of the lake."""

    def __init__(self, rng: np.random.Generator, truth: Truth, *, is_new: bool) -> None:
        self._rng = rng
        self._errors = truth.errors if is_new else truth.errors_live
        self._likeness = truth.likeness
        self._typical = log(truth.typical_ms) + (log(truth.slower) if is_new else 0.0)
        self._sums = {name: np.zeros(6) for name in ("error_rate", "latency", f"over:{SLOW_MS}")}

    def answer(self, callers: int) -> None:
        """Answer some callers, each of whom calls one to seven times."""
        counts = self._rng.integers(1, 8, callers)
        rates = np.full(callers, self._errors)
        if self._errors > 0 and self._likeness:
            size = 1 / self._likeness - 1
            rates = self._rng.beta(self._errors * size, (1 - self._errors) * size, callers)
        owners = np.repeat(np.arange(callers), counts)
        errors = self._rng.random(owners.size) < rates[owners]
        logs = self._rng.normal(self._typical, SPREAD, owners.size)
        values = {"error_rate": errors, "latency": logs, f"over:{SLOW_MS}": logs > log(SLOW_MS)}
        for name, row in values.items():
            totals = np.bincount(owners, weights=row.astype(float), minlength=callers)
            self._sums[name] += (
                *(callers, owners.size, totals.sum(), (totals**2).sum()),
                *((totals * counts).sum(), (counts**2).sum()),
            )

    def sums(self) -> dict[str, ClusterSums]:
        return {
            name: ClusterSums(int(row[0]), int(row[1]), *map(float, row[2:]))
            for name, row in self._sums.items()
            if row[0]
        }


def roll_out(rng: np.random.Generator, truth: Truth) -> tuple[str, int, int]:
    """One rollout: how it ended, on which step, and after how many calls of the release there."""
    began = now()
    later = began + timedelta(hours=2)
    for step, share in enumerate(PLAN.steps):
        planned = calls_planned(PLAN.margins["error_rate"], error_rate=0.01, share=share)
        found = staged.StagedRollout(
            id="stg",
            use_case="u",
            release_id="b",
            label="v2",
            from_release_id="a",
            from_label="v1",
            plan=PLAN,
            status="running",
            step=step,
            step_began_at=began,
            planned=planned,
            created_at=began,
            created_by="x",
        )
        new, old = Arm(rng, truth, is_new=True), Arm(rng, truth, is_new=False)
        for _ in range(_ROUNDS_MAX):
            callers = rng.binomial(max(8, int(planned / share / 30)), share)
            new.answer(callers)
            old.answer(int(callers / share) - callers)
            looks, findings = look(found, new.sums(), old.sums(), at=began)
            found = found.model_copy(update={"looks": looks, "findings": findings})
            due = staged.verdict(found, at=later)
            calls = looks[-1].calls if looks else 0
            if due.decision == "roll_back":
                return "rolled back", step, calls
            if due.decision in ("promote", "finish") and not truth.goes_on:
                break
        else:
            if not truth.goes_on:
                return "held", step, calls
    return "at everybody", step, calls


EXPERIMENTS = {
    "experiment_alike": ("error_rate", (Truth(0.05, 0.05),)),
    "experiment_alike_four_arms": ("error_rate", (Truth(0.05, 0.05),) * 3),
    "experiment_alike_in_latency": ("latency", (Truth(0.05, 0.05),)),
    "experiment_better": ("error_rate", (Truth(0.05, 0.03),)),
}
_USERS_AN_ARM = 2_000


def hold_against(rng: np.random.Generator, metric: str, truths: tuple[Truth, ...]) -> Experiment:
    """One experiment to its end; the first arm is as the live release of each truth."""
    names = "ABCD"[: len(truths) + 1]
    arms = tuple(
        ExperimentArm(name=one, release_id=one, label=one, share=1 / len(names)) for one in names
    )
    users, smallest = _USERS_AN_ARM * len(names), 0.02 if metric == "error_rate" else 0.25
    held = Experiment(arms=arms, metric=metric, direction="<=", smallest=smallest, users=users)
    answering = {"A": Arm(rng, truths[0], is_new=False)}
    answering |= {
        name: Arm(rng, truth, is_new=True) for name, truth in zip(names[1:], truths, strict=True)
    }
    for before, part in zip((0.0, *LOOKS), LOOKS, strict=False):
        for one in answering.values():
            one.answer(round((part - before) * _USERS_AN_ARM))
        found = {name: one.sums() for name, one in answering.items()}
        held = weigh_arms(held, found, at=now(), is_over=False)
        if held.is_final:
            break
    return held


def play_experiments(report: Report, plays: int) -> None:
    for name, (metric, truths) in EXPERIMENTS.items():
        rng = np.random.default_rng(20_261_127)
        ended = [hold_against(rng, metric, truths) for _ in range(plays)]
        told = [{effect.standing for effect in one.effects} for one in ended]
        for way in ("better", "worse"):
            share = 100 * sum(way in standings for standings in told) / plays
            report.add(f"{name}: {way}", share, "%")
        if "alike" in name:
            apart = 100 * sum(bool(one & {"better", "worse"}) for one in told) / plays
            report.add(f"{name}: told apart", apart, "%", goal="<= 5")
        users = float(np.median([one.looks[-1].users for one in ended]))
        report.add(f"{name}: users until then", users, "users")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rollouts", type=int, default=400)
    given = parser.parse_args()
    report = Report("Rollouts by steps: false alarms, and broken releases")
    for name, truth in TRUTHS.items():
        rng = np.random.default_rng(20_261_127)
        ended = [roll_out(rng, truth) for _ in range(given.rollouts)]
        ways = Counter(way for way, _, _ in ended)
        for way in ("rolled back", "at everybody", "held"):
            goal = None
            if way == "rolled back" and (name.startswith("harmless") or truth.goes_on):
                goal = "<= 5"
            if way == "at everybody" and (name.startswith("broken") or name == "twice_as_slow"):
                goal = "<= 0"
            share = 100 * ways[way] / given.rollouts
            report.add(f"{name}: {way}", share, "%", goal=goal)
        back = [calls for way, _, calls in ended if way == "rolled back"]
        if back:
            report.add(f"{name}: calls until then", float(np.median(back)), "calls")
    play_experiments(report, given.rollouts)
    report.close(as_json=given.json)


if __name__ == "__main__":
    main()
