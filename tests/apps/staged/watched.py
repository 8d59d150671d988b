"""A staged rollout as a server sees it."""

from collections.abc import Callable
from typing import Any

from lineside.apps import (
    current_rollout,
    staged,
)
from lineside.apps.staged import StagedRollout, Watcher
from lineside.core import now
from lineside.trust import Scope

Call = Callable[..., None]
SOON: dict[str, Any] = {"hold": "0s", "margins": {"error_rate": "10%"}}


def look(scope: Scope) -> StagedRollout:
    """What a server makes of the calls now."""
    Watcher(scope, every_seconds=0).watch()
    found = staged.current(scope, "triage")
    assert found
    return found


def shares(scope: Scope) -> dict[str, float]:
    present = current_rollout(scope, "triage")
    assert present
    return {arm.label: arm.percent for arm in present.arms}


def said(found: StagedRollout) -> str:
    return staged.verdict(found, at=now()).sentence
