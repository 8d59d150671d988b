"""Which run a command means."""

from typing import TYPE_CHECKING

from lineside.core import NotFound, did_you_mean

if TYPE_CHECKING:
    from lineside.evals import Run
    from lineside.trust import Scope

_RUNS_READ_MAX = 1_000
_NAMED_MAX = 8


def require_judged(scope: "Scope", use_case: str) -> None:
    """Go on only if a use case has a run, or none has one yet.

    Raises:
        NotFound: Others have; their names stand in the message.
    """
    from lineside.evals import list_runs

    if list_runs(scope, use_case=use_case, limit=1):
        return
    judged = sorted({run.use_case for run in list_runs(scope, limit=_RUNS_READ_MAX)})
    if not judged:
        return
    near = did_you_mean(use_case, judged)
    raise NotFound(
        "no_runs",
        f"No run is of a use case `{use_case}`; runs are of: {', '.join(judged[:_NAMED_MAX])}",
        hint=f"Did you mean `{near}`?" if near else "Make one: `lineside test my-case`.",
    )


def run_named(scope: "Scope", run_id: str) -> "Run":
    """The run that is meant: an id, or `latest`."""
    from lineside.evals import get_run, list_runs

    if run_id != "latest":
        return get_run(scope, run_id)
    newest = list_runs(scope, limit=1)
    if not newest:
        hint = "Make one: `lineside test my-case`."
        raise NotFound("no_runs", "There are no runs yet", hint=hint)
    return newest[0]
