"""Rollouts that go up by steps, and experiments: decided or ended by their own calls."""

from lineside.apps.staged.comparing import deploy_arm, promote, start_experiment
from lineside.apps.staged.effects import unit_of, unit_of_difference
from lineside.apps.staged.experiment import Experiment
from lineside.apps.staged.looks import StagedView, StepVerdict, verdict, view_of
from lineside.apps.staged.record import LiveFinding, StagedRollout
from lineside.apps.staged.steps import abort, current, pause, resume, start
from lineside.apps.staged.wanted import ExperimentWanted, read_wanted
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
    "deploy_arm",
    "pause",
    "promote",
    "read_wanted",
    "resume",
    "start",
    "start_experiment",
    "unit_of",
    "unit_of_difference",
    "verdict",
    "view_of",
]
