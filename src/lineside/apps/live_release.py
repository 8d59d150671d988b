"""The release that most callers get: what it is, and what it takes and gives."""

from typing import Any

from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.release import Release, load_release
from lineside.apps.rollout import load_rollouts
from lineside.core import NotFound
from lineside.trust import Scope


def live_schemas(scope: Scope, use_case: str) -> dict[str, Any]:
    """What the live release takes (`input`) and gives (`output`) as JSON Schemas, and its knobs.

    Raises:
        NotFound: Nothing of the use case is live.
    """
    scope.require("read", use_case=use_case)
    release = live_release(scope, use_case)
    if release is None:
        raise NotFound(
            "nothing_live",
            f"Nothing of `{use_case}` is live",
            hint=f"Deploy a release first: `lineside deploy {use_case}`.",
        )
    folder = folder_of(scope.store, get_candidate(scope.store, scope.workspace, release.digest))
    return {
        "release": release.label,
        "input": dict(folder.input_schema),
        "output": dict(folder.output_schema),
        "knobs": [knob.model_dump() for knob in folder.manifest.knobs],
    }


def live_release(scope: Scope, use_case: str) -> Release | None:
    """The release that most callers get, or nothing."""
    rollouts = load_rollouts(scope, use_case, limit=1)
    return load_release(scope, rollouts[0].live.release_id) if rollouts else None
