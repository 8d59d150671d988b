"""What runs say when they are held against each other: one answer, with all that it rests on."""

from lineside.evals.verdicts.board import Board, BoardEntry, rank_runs
from lineside.evals.verdicts.effects import Effect
from lineside.evals.verdicts.explained import GateLine, explain_gate
from lineside.evals.verdicts.history import RUNS_MAX, HistoryPoint, run_history
from lineside.evals.verdicts.plans import ComparisonPlan, plan_runs
from lineside.evals.verdicts.themes import ErrorAnalysis, analyse_errors
from lineside.evals.verdicts.verdict import RunVerdict, judge_pair

__all__ = [
    "RUNS_MAX",
    "Board",
    "BoardEntry",
    "ComparisonPlan",
    "Effect",
    "ErrorAnalysis",
    "GateLine",
    "HistoryPoint",
    "RunVerdict",
    "analyse_errors",
    "explain_gate",
    "judge_pair",
    "plan_runs",
    "rank_runs",
    "run_history",
]
