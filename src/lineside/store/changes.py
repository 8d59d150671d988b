"""Changes of the records for many callers at once, those that come together in one transaction."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from lineside.store.at_hand import Change, Outcome
from lineside.store.records import Records

_THREADS = 8
_TOGETHER_MAX = 200
_CHECKPOINT_EVERY = 1_000

Value = TypeVar("Value")


class _Asked(NamedTuple):
    change: Change
    done: "asyncio.Future[Any]"
    is_certain: bool
    unwanted: Callable[[Any], object] | None

    @property
    def is_given_up(self) -> bool:
        return self.done.done() and not self.is_certain

    def tell(self, outcome: Outcome) -> None:
        """Say what came of it, on the loop of who asked."""
        if self.done.done():
            if self.unwanted is not None and outcome.failure is None:
                self.unwanted(outcome.value)
        elif outcome.failure is None:
            self.done.set_result(outcome.value)
        else:
            self.done.set_exception(outcome.failure)

    def tell_there(self, outcome: Outcome) -> None:
        """The same from a thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody waits any more
            self.done.get_loop().call_soon_threadsafe(self.tell, outcome)


class Changes:
    """Makes changes durable without a wait of the event loop.

    SQLite has one writer, and takes microseconds for what a call changes. All that is asked for in
    one turn of the loop is made at the end of that turn, in one transaction. Where somebody else is
    writing just then, a thread waits in its place, with all that comes meanwhile.

    On PostgreSQL each change has a transaction and a thread of its own: rows locked for one call
    must not wait for another's.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._is_shared = records.is_sqlite
        threads = 1 if self._is_shared else _THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lineside-changes")
        self._turns: dict[asyncio.AbstractEventLoop, list[_Asked]] = {}
        self._waiting: SimpleQueue[_Asked] = SimpleQueue()
        self._made = 0

    @property
    def is_in_order(self) -> bool:
        """Whether what was asked for first is durable no later than what was asked for next."""
        return self._is_shared

    def make(
        self,
        change: Callable[[Any], Value],
        *,
        is_certain: bool = False,
        unwanted: Callable[[Value], object] | None = None,
    ) -> "asyncio.Future[Value]":
        """Make a change; the future is done when it is durable. To be called on a loop.

        Args:
            is_certain: Make it also where its caller has given up before it was begun.
            unwanted: Told what came of it where its caller gave up after that.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Value] = loop.create_future()
        asked = _Asked(change, done, is_certain, unwanted)
        if not self._is_shared:
            self._threads.submit(self._alone, asked)
            return done
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._end_turn, loop)
        turn.append(asked)
        return done

    def close(self) -> None:
        """Make what waits, also for loops that have ended with it, and end."""
        self._threads.shutdown(wait=True)
        for loop in list(self._turns):
            for one in self._turns.pop(loop, ()):
                self._waiting.put(one)
        self._together()

    def _alone(self, asked: _Asked) -> None:
        if asked.is_given_up:
            return
        try:
            with self._records.write() as connection:
                outcome = Outcome(asked.change(connection))
        except Exception as error:  # noqa: BLE001 # handed to whoever asked
            outcome = Outcome(failure=error)
        asked.tell_there(outcome)

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asked = [one for one in self._turns.pop(loop, ()) if not one.is_given_up]
        if not asked:
            return
        is_first = self._waiting.empty()
        outcomes = self._records.make_now([one.change for one in asked]) if is_first else None
        if outcomes is None:
            for one in asked:
                self._waiting.put(one)
            self._off_loop(self._together)
            return
        for one, outcome in zip(asked, outcomes, strict=True):
            one.tell(outcome)
        self._made += 1
        if self._made % _CHECKPOINT_EVERY == 0:
            self._off_loop(self._records.checkpoint)

    def _off_loop(self, work: Callable[[], None]) -> None:
        try:
            self._threads.submit(work)
        except RuntimeError:  # closed: what comes now is the last
            work()

    def _together(self) -> None:
        while not self._waiting.empty():
            asked, outcomes = list[_Asked](), list[Outcome]()
            try:
                with self._records.write() as connection:
                    # Taken only now, so that what a loop asks for next does not overtake it.
                    asked = self._drained()
                    outcomes = [_nested(connection, one.change) for one in asked]
            except Exception as error:  # noqa: BLE001 # of all: nothing was kept
                asked = asked or self._drained()
                outcomes = [Outcome(failure=error)] * len(asked)
            for one, outcome in zip(asked, outcomes, strict=True):
                one.tell_there(outcome)

    def _drained(self) -> list[_Asked]:
        asked: list[_Asked] = []
        while len(asked) < _TOGETHER_MAX:
            try:
                one = self._waiting.get_nowait()
            except Empty:
                break
            if not one.is_given_up:
                asked.append(one)
        return asked


def _nested(connection: Any, change: Change) -> Outcome:
    try:
        with connection.begin_nested():
            return Outcome(change(connection))
    except Exception as error:  # noqa: BLE001 # of this one; the others go on
        return Outcome(failure=error)
