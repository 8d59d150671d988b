"""What we ship: candidates, releases, rollouts, knobs, serving, and the line that leads there."""

from lineside.apps.call import Call, CallAnswer
from lineside.apps.line import judge_folder, open_line, release_folder
from lineside.apps.live_release import live_schemas
from lineside.apps.release import Release, get_release, list_releases
from lineside.apps.rollout import (
    Rollout,
    current_rollout,
    deploy,
    roll_back,
    rollout_history,
)
from lineside.apps.serving import Serving

__all__ = [
    "Call",
    "CallAnswer",
    "Release",
    "Rollout",
    "Serving",
    "current_rollout",
    "deploy",
    "get_release",
    "judge_folder",
    "list_releases",
    "live_schemas",
    "open_line",
    "release_folder",
    "roll_back",
    "rollout_history",
]
