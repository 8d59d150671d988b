"""Rollouts that go up by steps, and are promoted, held or rolled back by their own verdict."""

from lineside.apps.staged.looks import StagedView, StepVerdict, verdict, view_of
from lineside.apps.staged.record import LiveFinding, StagedRollout
from lineside.apps.staged.steps import abort, current, pause, promote, resume, start
from lineside.apps.staged.watcher import Watcher

__all__ = [
    "LiveFinding",
    "StagedRollout",
    "StagedView",
    "StepVerdict",
    "Watcher",
    "abort",
    "current",
    "pause",
    "promote",
    "resume",
    "start",
    "verdict",
    "view_of",
]
