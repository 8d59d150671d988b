"""Have a run done, and wait for it."""

import time
from collections.abc import Callable, Sequence

from lineside.evals.dataset import Dataset, keep_dataset
from lineside.evals.plan import RunPlan
from lineside.evals.run import Run, get_run, start_run
from lineside.evals.scorers import Declared
from lineside.trust import Scope

Told = Callable[[Run], None]

_POLL_SECONDS = 0.1


def judge(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    dataset: Dataset,
    plan: RunPlan,
    scorers: Sequence[Declared] = (),
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
        repetitions=repetitions,
        plan=plan,
        fresh=fresh,
    )
    return wait_for(scope, run, progress=progress)


def wait_for(scope: Scope, run: Run, *, progress: Told = lambda _run: None) -> Run:
    """Wait until a run has ended; whatever broke it is raised here."""
    while run.status == "running":
        progress(run)
        time.sleep(_POLL_SECONDS)
        if scope.store.jobs.is_done(run.id):
            # The job's own end is the truth; a handler that broke raises here what broke it.
            scope.store.jobs.result(run.id)
            run = get_run(scope, run.id)
            break
        run = get_run(scope, run.id)
    progress(run)
    return run
