"""Rollouts that go up by steps, and experiments: decided or ended by their own calls."""

from lineside.apps.staged.comparing import promote, start_experiment
from lineside.apps.staged.experiment import Experiment
from lineside.apps.staged.looks import StagedView, StepVerdict, verdict, view_of
from lineside.apps.staged.record import LiveFinding, StagedRollout
from lineside.apps.staged.steps import abort, current, pause, resume, start
from lineside.apps.staged.wanted import ExperimentWanted
from lineside.apps.staged.watcher import Watcher

__all__ = [
    "Experiment",
    "ExperimentWanted",
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
    "start_experiment",
    "verdict",
    "view_of",
]
