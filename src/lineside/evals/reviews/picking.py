"""Which answers people are shown, with the chance that each had. Pure."""

from collections.abc import Sequence
from random import Random

FLOOR = 0.1
"""Weight that every answer has, so that none is out of reach and every chance is known."""

BINS = 4


def pick(weights: Sequence[float], count: int, *, seed: int) -> list[tuple[int, float]]:
    """Draw places in proportion to their weights, each with the chance it had to be drawn.

    Systematic sampling over a shuffled list: exactly `count` places, or all there are. Who divides
    what is found by the chance gets back what a plain random sample would say.
    """
    count = min(count, len(weights))
    chances = _chances(weights, count)
    order = list(range(len(weights)))
    random = Random(seed)  # noqa: S311 # a draw that can be repeated, no secret
    random.shuffle(order)
    drawn, reached, mark = [], 0.0, random.random()
    for place in order:
        reached += chances[place]
        # What is certain is drawn whatever the sum of the rest rounds to.
        if reached > mark or chances[place] >= 1:
            drawn.append((place, chances[place]))
            mark += 1
    return drawn[:count]


def doubt(value: float | None) -> float:
    """How unsure a judge's score from 0 to 1 reads: 1 in the middle, 0 at both ends."""
    if value is None:
        return 1.0
    return 1 - abs(2 * min(max(value, 0.0), 1.0) - 1)


def bin_of(value: float) -> int:
    return min(int(min(max(value, 0.0), 1.0) * BINS), BINS - 1)


def _chances(weights: Sequence[float], count: int) -> list[float]:
    """Chances that add up to `count`; whoever would get more than 1 gets 1."""
    if count >= len(weights):
        return [1.0] * len(weights)
    certain: set[int] = set()
    for _ in range(len(weights)):
        left = sum(weight for place, weight in enumerate(weights) if place not in certain)
        scale = (count - len(certain)) / left
        more = {
            place
            for place, weight in enumerate(weights)
            if place not in certain and weight * scale >= 1
        }
        if not more:
            return [1.0 if at in certain else weight * scale for at, weight in enumerate(weights)]
        certain |= more
    raise AssertionError("every chance is certain, though not all can be drawn")
