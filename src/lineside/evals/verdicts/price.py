"""What it takes to know: further cases, with the money and the time that runs like these take."""

from math import ceil
from typing import NamedTuple

from lineside.core import Record
from lineside.evals.judged import JudgedRun
from lineside.evals.run import Run
from lineside.evals.scorers.judges import KINDS
from lineside.stats import wording


class MoreCases(Record):
    """How many more cases would settle a verdict, and what judging them in both runs takes.

    Attributes:
        failed: Those among them that failed and are to be asked again; where it is all of them,
            only in the runs that lack them.
        cost_usd: Judges included; None where a run does not know what its answers or judges cost.
        seconds: At the pace of both runs, one after the other, all asked anew; None for runs
            without an end.
    """

    cases: int
    cost_usd: float | None
    seconds: float | None
    failed: int = 0

    @property
    def in_words(self) -> str:
        """Such as `about 420 more cases, 4.10 USD and 9 min`."""
        what = f"about {wording.show_cases(self.cases)}"
        if self.failed == self.cases:
            count = "1 failed case" if self.cases == 1 else f"{self.cases:,} failed cases"
            taken = " and ".join(filter(None, (_money(self.cost_usd), _time(self.seconds))))
            return f"ask the {count} again" + (f", {taken}" if taken else "")
        if self.failed:
            ones = "one that failed" if self.failed == 1 else f"{self.failed:,} that failed"
            what += f", the {ones} first"
        words = [what, _money(self.cost_usd), _time(self.seconds)]
        *first, last = [word for word in words if word]
        return f"{', '.join(first)} and {last}" if first else last


class CasePace(NamedTuple):
    """What one case takes in a run, with all its repetitions."""

    cost_usd: float | None
    seconds: float | None


def pace_of(judged: JudgedRun) -> CasePace:
    """What a case of this run took on average."""
    run = judged.run
    costs, judges_usd = _mean(judged, "cost_usd"), _judges_usd(run)
    cost = None if costs is None or judges_usd is None else costs + judges_usd
    if run.finished_at is None or not run.cases_done:
        return CasePace(None if cost is None else cost * run.repetitions, None)
    at_once = run.spent.concurrency or run.plan.limits.concurrency_max or 1
    # Work holds the judges' time as well, but shrinks with every answer that was known already.
    worked = run.spent.seconds / run.cases_done
    seconds = max(worked, (_mean(judged, "latency_ms") or 0.0) / 1000 / at_once)
    return CasePace(None if cost is None else cost * run.repetitions, seconds * run.repetitions)


def _mean(judged: JudgedRun, score: str) -> float | None:
    values = judged.column(score).values
    return float(values.mean()) if len(values) else None


def _judges_usd(run: Run) -> float | None:
    """What the judges took for one answer; nothing where that is unknown."""
    if all(item.kind not in KINDS for item in run.scorers):
        return 0.0
    judges = run.spent.judges
    return judges.cost_usd / judges.answers if judges.answers and not judges.cost_unknown else None


def price_of(cases: int, *paces: CasePace, failed: int = 0) -> MoreCases:
    """What so many more cases take, in all of the runs."""
    costs, times = [pace.cost_usd for pace in paces], [pace.seconds for pace in paces]
    known_costs = [cost for cost in costs if cost is not None]
    known_times = [seconds for seconds in times if seconds is not None]
    return MoreCases(
        cases=cases,
        cost_usd=cases * sum(known_costs) if len(known_costs) == len(costs) else None,
        seconds=cases * sum(known_times) if len(known_times) == len(times) else None,
        failed=failed,
    )


def _money(cost_usd: float | None) -> str:
    if cost_usd is None:
        return ""
    return f"{cost_usd:,.2f} USD" if cost_usd >= 0.01 or cost_usd == 0 else "0.01 USD"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, ceil(seconds))} s"
    return f"{ceil(seconds / 60):,} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
