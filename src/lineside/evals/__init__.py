"""Is it good enough: datasets, scorers, runs, comparisons and gates."""

from lineside.evals.dataset import keep_dataset
from lineside.evals.reading import read_dataset
from lineside.evals.result import Result, results_of
from lineside.evals.run import Run, get_run, list_runs, start_run
from lineside.evals.runner import register_runner
from lineside.evals.scorer import ScorerContext

__all__ = [
    "Result",
    "Run",
    "ScorerContext",
    "get_run",
    "keep_dataset",
    "list_runs",
    "read_dataset",
    "register_runner",
    "results_of",
    "start_run",
]
