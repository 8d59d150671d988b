"""A limit of time that costs little: every call meets several of them."""

import asyncio
from types import TracebackType


class within:  # noqa: N801 # read as a word of the language: `with within(seconds):`
    """As `asyncio.timeout`, for a third of its price: what is awaited inside ends in time.

    Raises:
        TimeoutError: It did not.
    """

    __slots__ = ("_cancelled_before", "_handle", "_is_over", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 # a coroutine runs in a task
        self._task, self._cancelled_before = task, task.cancelling()
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        if not self._is_over or self._task.uncancel() > self._cancelled_before:
            return  # in time, or somebody else wants the task to end as well
        if kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
