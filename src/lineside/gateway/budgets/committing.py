"""Changes of the records off the event loop, those that come together in one transaction."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from lineside.store import Store

_THREADS = 8
_TOGETHER_MAX = 200

Outcome = TypeVar("Outcome")
Change = Callable[[Any], Any]
"""Takes a connection that writes. What it raises is its own failure, and undoes what it did."""


class _Asked(NamedTuple):
    change: Change
    done: "Future[Any]"


class Committing:
    """Makes changes durable, many at once where there is only one writer anyway.

    SQLite has one writer, so that one thread makes all changes that wait, and commits once. On
    PostgreSQL each has a transaction of its own: rows locked for one call must not wait for
    another's.
    """

    def __init__(self, store: Store) -> None:
        self._records = store.records
        self._is_shared = self._records.is_sqlite
        threads = 1 if self._is_shared else _THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="budgets")
        self._waiting: SimpleQueue[_Asked] = SimpleQueue()

    def submit(self, change: Callable[[Any], Outcome]) -> "Future[Outcome]":
        """Make a change; the future is done when it is durable."""
        if not self._is_shared:
            return self._threads.submit(self._alone, change)
        done: Future[Outcome] = Future()
        self._waiting.put(_Asked(change, done))
        self._threads.submit(self._together)
        return done

    def close(self) -> None:
        """Make what waits, and end."""
        self._threads.shutdown(wait=True)

    def _alone(self, change: Callable[[Any], Outcome]) -> Outcome:
        with self._records.write() as connection:
            return change(connection)

    def _together(self) -> None:
        asked = self._drained()
        if not asked:
            return  # an earlier turn took it along
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            with self._records.write() as connection:
                for one in asked:
                    try:
                        with connection.begin_nested():
                            outcomes.append((one.change(connection), None))
                    except Exception as error:  # noqa: BLE001 # of this one; the others go on
                        outcomes.append((None, error))
        except BaseException as error:  # noqa: BLE001 # of all: nothing was kept
            for one in asked:
                one.done.set_exception(error)
            return
        for one, (outcome, failure) in zip(asked, outcomes, strict=True):
            if failure is None:
                one.done.set_result(outcome)
            else:
                one.done.set_exception(failure)

    def _drained(self) -> list[_Asked]:
        asked: list[_Asked] = []
        while len(asked) < _TOGETHER_MAX:
            try:
                asked.append(self._waiting.get_nowait())
            except Empty:
                break
        # One that its caller gave up on is not begun.
        return [one for one in asked if one.done.set_running_or_notify_cancel()]
