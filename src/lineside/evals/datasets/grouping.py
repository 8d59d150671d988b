"""Which things belong together, directly or by others in between."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)


class Groups(Generic[Thing]):
    """Puts things into groups; a thing that was joined with none is a group of its own."""

    def __init__(self) -> None:
        self._above: dict[Thing, Thing] = {}

    def join(self, one: Thing, other: Thing) -> None:
        """Put two things, and all that belong to them, into one group."""
        low, high = self.head(one), self.head(other)
        if low != high:
            self._above[high] = low

    def head(self, thing: Thing) -> Thing:
        """The thing that stands for its group; the same for all of them."""
        above = self._above
        while (next_above := above.get(thing, thing)) != thing:
            above[thing] = above.get(next_above, next_above)
            thing = above[thing]
        return thing
