"""A provider that keeps failing is left alone for a while."""

import pytest

from lineside.core import Unavailable
from lineside.gateway.calls.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_and_lets_one_call_try_again() -> None:
    clock = Clock()
    breaker = Breaker("`local`", clock=clock)
    for _ in range(5):
        breaker.check()
        breaker.failed()

    with pytest.raises(Unavailable, match="left alone for another 10 s"):
        breaker.check()
    clock.now = 10.5
    breaker.check()
    with pytest.raises(Unavailable):
        breaker.check()  # a second one waits for what the first finds
    breaker.succeeded()
    breaker.check()


def test_a_few_failures_among_many_answers_do_not_open_it() -> None:
    breaker = Breaker("`local`", clock=Clock())
    for _ in range(10):
        breaker.succeeded()
    for _ in range(6):
        breaker.failed()

    breaker.check()
