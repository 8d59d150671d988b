"""Is it good enough: datasets, scorers, runs, comparisons and gates.

Each of these has a front door of its own, as `from lineside.evals import plan`: how a run is to be
done (`plan`), what it asks (`targets`), what it would take (`forecast`), doing it (`running`), and
what is asked (`datasets`), and what people say of answers (`reviews`).
"""

from lineside.evals import datasets as datasets
from lineside.evals import forecast as forecast
from lineside.evals import plan as plan
from lineside.evals import reviews as reviews
from lineside.evals import running as running
from lineside.evals import targets as targets
from lineside.evals.compare import Comparison, compare
from lineside.evals.dataset import keep_dataset
from lineside.evals.gate import GateOutcome, judge_gate
from lineside.evals.reading import read_dataset
from lineside.evals.result import Result, results_of
from lineside.evals.run import Run, get_run, list_runs, start_run
from lineside.evals.runner import register_runner
from lineside.evals.scorer import ScorerContext
from lineside.evals.summary import summarise

__all__ = [
    "Comparison",
    "GateOutcome",
    "Result",
    "Run",
    "ScorerContext",
    "compare",
    "get_run",
    "judge_gate",
    "keep_dataset",
    "list_runs",
    "read_dataset",
    "register_runner",
    "results_of",
    "start_run",
    "summarise",
]
