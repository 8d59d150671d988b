"""What cannot change is worked out once: the numbers of runs that are done."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

KEPT_MAX = 64

Answer = TypeVar("Answer")


class Kept:
    """The answers used last, by what they are an answer to."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, ...], object] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...], make: Callable[[], Answer]) -> Answer:
        """The kept answer, or a new one; two who ask at once may both work it out."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]  # type: ignore[return-value] # made by the same call
        answer = make()
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > KEPT_MAX:
                self._answers.popitem(last=False)
        return answer
