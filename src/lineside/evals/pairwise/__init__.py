"""Which of two runs' answers an LLM judge prefers, case by case.

Such a comparison is a run of its own, so that it is durable, within limits, licensed and paid like
any other: over the cases that both runs were asked, with the candidate's answer for the answer and
the baseline's for what is expected. Lists of runs leave it out.
"""

from lineside.evals.pairwise.asking import (
    KIND,
    PairsToAsk,
    forecast_pairwise,
    judges_of,
    pairs_to_ask,
    pairwise_runs,
    start_pairwise,
)
from lineside.evals.pairwise.preference import Preference, find_preference, judge_preference

__all__ = [
    "KIND",
    "PairsToAsk",
    "Preference",
    "find_preference",
    "forecast_pairwise",
    "judge_preference",
    "judges_of",
    "pairs_to_ask",
    "pairwise_runs",
    "start_pairwise",
]
