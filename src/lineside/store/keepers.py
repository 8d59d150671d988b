"""Rooms that keep something of persons, sessions or traces among the records, and can erase it."""

from collections.abc import Sequence
from typing import Protocol


class Keeper(Protocol):
    """Erases what a room keeps of a user, or only counts it; gives how much that is."""

    def __call__(self, workspace: str, user: str, *, only_look: bool) -> int: ...


class SessionKeeper(Protocol):
    """The same of some sessions, each given by its id or by an alias of it."""

    def __call__(self, workspace: str, sessions: Sequence[str], *, only_look: bool) -> int: ...


class TraceKeeper(Protocol):
    """Erases what a room keeps that came of some traces, or only counts it; gives how much."""

    def __call__(self, workspace: str, trace_ids: Sequence[str], *, only_look: bool) -> int: ...
