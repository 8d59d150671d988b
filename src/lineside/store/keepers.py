"""Rooms that keep something of persons among the records, and can erase it."""

from typing import Protocol


class Keeper(Protocol):
    """Erases what a room keeps of a user, or only counts it; gives how much that is."""

    def __call__(self, workspace: str, user: str, *, only_look: bool) -> int: ...
