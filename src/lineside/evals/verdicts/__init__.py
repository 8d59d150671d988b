"""What runs say when they are held against each other: one answer, with all that it rests on."""

from lineside.evals.verdicts.effects import Effect
from lineside.evals.verdicts.price import MoreCases
from lineside.evals.verdicts.slices import SliceEffect, SliceSearch
from lineside.evals.verdicts.verdict import Flips, RunVerdict, judge_pair

__all__ = [
    "Effect",
    "Flips",
    "MoreCases",
    "RunVerdict",
    "SliceEffect",
    "SliceSearch",
    "judge_pair",
]
