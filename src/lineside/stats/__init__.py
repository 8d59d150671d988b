"""How sure are we: intervals, paired comparisons, slice gaps, sample sizes and the verdict.

Pure functions over numbers: no store, no clock, no model. numpy and scipy load with the first
calculation, so that importing this room costs nothing.

What fewer callers need stands in modules of its own, as `from lineside.stats import agreement`:
`agreement` (kappa and alpha), `judges` (a judge against people), `corrected` and
`prediction_powered` (what people would have said), `sequential` (looking early), `multiplicity`,
`leaderboard` (ranks with ties), `planning` (cases and repetitions), `attempts` (pass@k, pass^k),
`ratios` (cost per success), `plots` (intervals as pictures) and `axes` (numbers as people read
them).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineside.stats.arrays import np
    from lineside.stats.findings import Finding
    from lineside.stats.intervals import Interval, mean_interval, wilson
    from lineside.stats.judging import judge_non_inferiority, judge_slice_gap, judge_threshold
    from lineside.stats.paired import PairedDifference, paired_difference
    from lineside.stats.power import cases_needed_for_difference, cases_needed_for_rate
    from lineside.stats.slices import slice_gap
    from lineside.stats.verdicts import Verdict, verdict

__all__ = [
    "Finding",
    "Interval",
    "PairedDifference",
    "Verdict",
    "cases_needed_for_difference",
    "cases_needed_for_rate",
    "judge_non_inferiority",
    "judge_slice_gap",
    "judge_threshold",
    "mean_interval",
    "np",
    "paired_difference",
    "slice_gap",
    "verdict",
    "wilson",
]

_HOMES = {
    "arrays": ("np",),
    "findings": ("Finding",),
    "intervals": ("Interval", "mean_interval", "wilson"),
    "judging": ("judge_non_inferiority", "judge_slice_gap", "judge_threshold"),
    "paired": ("PairedDifference", "paired_difference"),
    "power": ("cases_needed_for_difference", "cases_needed_for_rate"),
    "slices": ("slice_gap",),
    "verdicts": ("Verdict", "verdict"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lineside.stats' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lineside.stats.{_HOME[name]}"), name)
