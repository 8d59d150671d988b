"""Parts that came by turns, one after the other."""

from collections.abc import Iterator

from lineside.gateway.canonical.events import (
    AnswerEnded,
    AnswerEvent,
    ChoiceEnded,
    PartEnded,
    PartGrew,
    PartStarted,
)


class PartsInTurn:
    """Puts the events of one choice in the order of wires that say one part after the other.

    What comes of a part while an earlier one is open waits until that one has ended.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._waiting: list[AnswerEvent] = []

    def feed(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        """The events that may be said now, in their order."""
        if isinstance(event, ChoiceEnded | AnswerEnded):
            # A part that never ended must not keep the others from being said.
            waiting, self._waiting, self._open = self._waiting, [], None
            yield from waiting
        if not isinstance(event, PartStarted | PartGrew | PartEnded):
            yield event
            return
        if self._open is None and isinstance(event, PartStarted):
            self._open = event.at
        if self._open is not None and event.at != self._open:
            self._waiting.append(event)
            return
        yield event
        if isinstance(event, PartEnded):
            self._open = None
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                yield from self.feed(one)
