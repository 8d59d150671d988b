"""A thing that has to be so, and whether it is; and ratings to check with."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose

import numpy as np

NEAR = 1e-6


@dataclass(frozen=True)
class Check:
    """One thing that has to be so.

    Attributes:
        source: Where the expectation comes from.
    """

    name: str
    source: str
    expected: str
    found: str
    holds: bool


Checks = Iterator[Check]


def same(name: str, source: str, expected: float, found: float, *, within: float = NEAR) -> Check:
    """A number that an independent implementation gives too."""
    holds = isclose(expected, found, abs_tol=within)
    about = f" ± {within:.2g}" if within > NEAR else ""
    return Check(name, source, f"{expected:.6g}{about}", f"{found:.6g}", holds)


def between(name: str, source: str, low: float, high: float, found: float) -> Check:
    """A share in per cent that has to lie between two others."""
    return Check(
        name,
        source,
        f"{100 * low:g} % to {100 * high:g} %",
        f"{100 * found:.2f} %",
        low <= found <= high,
    )


def rated(rng: np.random.Generator, items: int) -> np.ndarray:
    """What three raters say of items, who are right three times in four."""
    truth = rng.choice(3, items, p=[0.6, 0.3, 0.1])
    guesses = rng.integers(0, 3, (3, items))
    return np.where(rng.random((3, items)) < 0.75, truth, guesses)
