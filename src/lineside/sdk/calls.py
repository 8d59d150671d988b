"""Every call of a decorated function is a step, whatever kind of function it is."""

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from lineside.sdk import start
from lineside.sdk.payloads import Room

if TYPE_CHECKING:
    from lineside.sdk.steps import OpenStep

Function = TypeVar("Function", bound=Callable[..., Any])
Begin = Callable[[tuple[Any, ...], dict[str, Any]], "OpenStep"]
"""Begins the step of one call, and records its arguments."""


def stepped(pattern: "OpenStep", function: Function) -> Function:
    """The function, each call of which is a step made after the pattern."""
    name, signature = _called_name(function), _signature_of(function)

    def begin(positional: tuple[Any, ...], named: dict[str, Any]) -> "OpenStep":
        step = pattern.again(name)
        step.begin()
        if step.captures:
            step.set(input=_arguments_of(signature, positional, named))
        return step

    if inspect.isasyncgenfunction(function):
        return _copied(function, _async_generator(function, begin))
    if inspect.isgeneratorfunction(function):
        return _copied(function, _generator(function, begin))
    if inspect.iscoroutinefunction(function):
        return _copied(function, _coroutine(function, begin))
    return _copied(function, _plain(function, begin))


def _plain(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*positional: Any, **named: Any) -> Any:
        step = begin(positional, named)
        try:
            with step.resumed():
                result = function(*positional, **named)
        except BaseException as error:
            step.end(error)
            raise
        _end(step, result)
        return result

    return call


def _coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*positional: Any, **named: Any) -> Any:
        step = begin(positional, named)
        try:
            with step.resumed():
                result = await function(*positional, **named)
        except BaseException as error:
            step.end(error)
            raise
        _end(step, result)
        return result

    return call


# A generator's body is inside of its step only while it runs: between two pieces whoever reads it
# does something else, and begins steps of its own.


def _generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*positional: Any, **named: Any) -> Generator[Any, Any, Any]:
        step, stream = begin(positional, named), _Stream()
        inner: Generator[Any, Any, Any] = function(*positional, **named)
        resume, given = inner.send, None
        try:
            while True:
                with step.resumed():
                    piece = resume(given)
                stream.passed(step, piece)
                try:
                    resume, given = inner.send, (yield piece)
                except GeneratorExit:
                    with step.resumed():
                        inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 # is the inner one's to handle
                    resume, given = inner.throw, error
        except StopIteration as end:
            _end(step, stream.result(end.value))
            return end.value
        except BaseException as error:
            _end(step, stream.result(None), error)
            raise

    return call


def _async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*positional: Any, **named: Any) -> AsyncGenerator[Any, Any]:
        step, stream = begin(positional, named), _Stream()
        inner: AsyncGenerator[Any, Any] = function(*positional, **named)
        resume, given = inner.asend, None
        try:
            while True:
                with step.resumed():
                    piece = await resume(given)
                stream.passed(step, piece)
                try:
                    resume, given = inner.asend, (yield piece)
                except GeneratorExit:
                    with step.resumed():
                        await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 # is the inner one's to handle
                    resume, given = inner.athrow, error
        except StopAsyncIteration:
            _end(step, stream.result(None))
        except BaseException as error:
            _end(step, stream.result(None), error)
            raise

    return call


class _Stream:
    """What a generator has given so far."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._gathered = _Gathered()
        self._is_empty = True

    def passed(self, step: "OpenStep", piece: Any) -> None:
        if self._is_empty:
            step.first_chunk(time.perf_counter() - self._began)
            self._is_empty = False
        if step.captures:
            self._gathered.add(piece)

    def result(self, returned: Any) -> Any:
        """The pieces, or what was returned where there was none."""
        return returned if self._is_empty else self._gathered.value


def _end(step: "OpenStep", output: Any, error: BaseException | None = None) -> None:
    if step.captures:
        step.set(output=output)
    step.end(error)


class _Gathered:
    """What a stream gave, as far as it fits: one text where all pieces are texts, else a list."""

    def __init__(self) -> None:
        self._room = Room(start.payload_characters_max())
        self._pieces: list[Any] = []

    def add(self, piece: Any) -> None:
        if not self._room.is_full:
            self._pieces.append(self._room.plain(piece))

    @property
    def value(self) -> Any:
        are_texts = all(isinstance(piece, str) for piece in self._pieces)
        return "".join(self._pieces) if self._pieces and are_texts else self._pieces


def _called_name(function: Callable[..., Any]) -> str:
    """What a function is called where it stands, such as `Shop.answer`."""
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return str(name).rpartition("<locals>.")[2]


def _arguments_of(
    signature: inspect.Signature | None, positional: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any] | None:
    """Arguments by name, without the object a method belongs to."""
    if signature is None:
        return None
    try:
        found = dict(signature.bind(*positional, **named).arguments)
    except TypeError:
        return None  # the call itself is about to say so
    first = next(iter(found), None)
    if first in ("self", "cls"):
        del found[first]
    return found


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _copied(function: Function, wrapper: Callable[..., Any]) -> Function:
    """The wrapper, which looks like the function in every other respect."""
    return functools.wraps(function)(wrapper)  # type: ignore[return-value] # same signature
