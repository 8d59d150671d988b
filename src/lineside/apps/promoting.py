"""What counts now, with what its promotion takes from users."""

from lineside.apps.rollout import Rollout, rollout_history
from lineside.apps.unproved import unproved_of
from lineside.trust import Scope


def looked_over(scope: Scope, use_case: str) -> Rollout | None:
    """What counts now, with the values of knobs that it takes from users; `Rollout.unproved`.

    Compared with the release that was live before, however long ago that was.
    """
    history = rollout_history(scope, use_case)
    if not history:
        return None
    present = history[0]
    others = (one for one in history if one.live.release_id != present.live.release_id)
    before = None if present.reason == "rollback" else next(others, None)
    with scope.store.records.read() as connection:
        unproved = unproved_of(connection, scope, before, present)
    return present.model_copy(update={"unproved": unproved})
