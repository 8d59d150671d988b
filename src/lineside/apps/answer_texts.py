"""What an answer carries beside its words, as guards judge it: every text of its events."""

from collections.abc import Callable, Container
from typing import Any

from lineside.apps.wire_texts import NESTING_MAX, WireTexts
from lineside.core import Denied
from lineside.gateway import canonical
from lineside.guardrails import message

_BESIDE = "what goes with the answer"
# Of our own making, or judged as it streams.
_OWN = {"kind", "choice", "at", "text", "sizes", "logprobs", "created_s", "wire", "finish_reason"}


class EventTexts:
    """The texts of one event but its words. Let `runs` pass, then take `event`.

    Args:
        asked: Texts that the provider repeats of the request say nothing new.
        is_guarded: Somebody wants a guard here.
    """

    def __init__(
        self, event: canonical.AnswerEvent, *, asked: Container[str], is_guarded: bool
    ) -> None:
        self._event = event
        self._found = WireTexts(is_guarded=is_guarded, is_answer=True)
        try:
            self._tree = event.model_dump(mode="json")
            self._look()
        except ValueError:  # pydantic's own, where it goes past its own depth
            raise Denied(
                "guard_denied",
                f"The answer nests deeper than {NESTING_MAX}, no guard looks through it",
            ) from None
        found = self._found.runs
        self.runs: list[list[message.MessageText]] = [
            run for run in found if any(one.text not in asked for one in run)
        ]

    def event(self, reveal: Callable[[Any], Any]) -> canonical.AnswerEvent:
        """The event with its texts as they are by now, for the person who asked."""
        is_changed = self._found.put_back()
        if not is_changed and not self._found.runs:
            return self._event
        tree = reveal(self._tree)
        if not is_changed and tree == self._tree:
            return self._event
        return type(self._event).model_validate(tree)

    @property
    def left_out(self) -> set[str]:
        """What was left out of it, by name."""
        return self._found.left_out

    def _look(self) -> None:
        tree, found = self._tree, self._found
        if tree.get("model"):
            found.model(tree)
        if "part" in tree:
            found.parts([tree["part"]])
        for name in tree.keys() - _OWN - {"model", "part"}:
            found.value(tree, name, _BESIDE)
