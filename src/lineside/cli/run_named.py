"""Which run a command means."""

from typing import TYPE_CHECKING

from lineside.core import NotFound

if TYPE_CHECKING:
    from lineside.evals import Run
    from lineside.trust import Scope


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
