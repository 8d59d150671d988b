"""Says which settings of users a promotion takes away, and how to prove them anew."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lineside.cli.output import note

if TYPE_CHECKING:
    from lineside.apps import unproved as losing


def note_unproved(unproved: "Sequence[losing.UnprovedKnob]") -> None:
    """Warn of each; nothing is said where no user loses anything."""
    for one in unproved:
        note(f"warning: {one.sentence}")
        for command in one.commands:
            note(f"hint: {command}")
