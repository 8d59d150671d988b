"""Have a run done, and wait for it."""

from collections.abc import Callable, Mapping, Sequence

from lineside.core import Invalid, Unavailable
from lineside.evals.compare import Comparison, compare
from lineside.evals.dataset import Dataset, keep_dataset
from lineside.evals.gate import own_verdict as own_verdict
from lineside.evals.gate import require_baseline as require_baseline
from lineside.evals.plan import RunPlan
from lineside.evals.run import Run, get_run, list_runs, start_run, stop_run
from lineside.evals.run import require_rules as require_rules
from lineside.evals.scorers import Declared
from lineside.trust import Scope

Told = Callable[[Run], None]

_PROGRAM_MARK = "@"
"""Stands in the subject of a function, and never in a digest."""
_RUNS_MAX = 200


def judge(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    dataset: Dataset,
    plan: RunPlan,
    scorers: Sequence[Declared] = (),
    scorer_files: Mapping[str, bytes] | None = None,
    repetitions: int = 1,
    fresh: bool = False,
    progress: Told = lambda _run: None,
) -> Run:
    """Judge whatever a plan names over a dataset, in this process, to the end.

    Args:
        progress: Told of the run several times a second.

    Raises:
        Invalid, Denied: as `start_run`.
    """
    run = start_run(
        scope,
        use_case=use_case,
        subject=subject,
        dataset=keep_dataset(scope, use_case, dataset),
        scorers=scorers,
        scorer_files=scorer_files,
        repetitions=repetitions,
        plan=plan,
        fresh=fresh,
    )
    return wait_for(scope, run, progress=progress)


def wait_for(scope: Scope, run: Run, *, progress: Told = lambda _run: None) -> Run:
    """Wait until a run has ended; whatever broke it is raised here."""
    return scope.store.jobs.follow(
        run.id, run, load=lambda: get_run(scope, run.id), progress=progress
    )


def compare_answered(scope: Scope, baseline: Run | None, candidate: Run) -> Comparison | None:
    """Compare two runs that have ended, by the candidate's main score.

    Nothing without a baseline, or where failures or a limit left no case that both scored.
    """
    if baseline is None:
        return None
    try:
        return compare(scope, baseline.id, candidate.id)
    except Invalid as error:
        if error.code != "no_paired_cases":
            raise
        return None


def subject_of_program(name: str, version: str) -> str:
    """The subject of a function that only the program at hand can call."""
    return f"{name}{_PROGRAM_MARK}{version}"


def is_of_program(run: Run) -> bool:
    """Whether a run judges a function that only the program which started it can call."""
    return _PROGRAM_MARK in run.subject


def program_ended(run: Run) -> Unavailable:
    """Why such a run cannot go on in another process."""
    name = run.subject.rpartition(_PROGRAM_MARK)[0]
    return Unavailable(
        "program_ended",
        f"The program that judged its function `{name}` ended after {run.cases_done:,} of "
        f"{run.cases_total:,} cases",
        hint="Evaluate it again; with the same `version=` what was answered is not asked again.",
    )


def stop_ended_programs(scope: Scope, use_case: str, *, except_of: str) -> None:
    """Stop runs that say they are under way though the program that judged them was killed.

    A run of a function can be carried on by no other process, and nobody else would say so before
    a server is started.

    Args:
        except_of: The subject that this program is about to judge, whose run it carries on.
    """
    for run in list_runs(scope, use_case=use_case, limit=_RUNS_MAX):
        is_ours = run.subject == except_of or not is_of_program(run)
        if run.status == "running" and not is_ours and scope.store.jobs.is_orphan(run.id):
            stop_run(scope.store, run, program_ended(run))
