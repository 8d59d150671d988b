"""Scores: what programs, people and judges say of a step, a trace or a session, as a number."""

from lineside.traces.scores.figures import ScoreFigures, ScoreGroup, score_figures
from lineside.traces.scores.listing import list_scores
from lineside.traces.scores.record import ScoreSource, TraceScore
from lineside.traces.scores.recording import record_scores
from lineside.traces.scores.waiting import is_stray, list_waiting

__all__ = [
    "ScoreFigures",
    "ScoreGroup",
    "ScoreSource",
    "TraceScore",
    "is_stray",
    "list_scores",
    "list_waiting",
    "record_scores",
    "score_figures",
]
