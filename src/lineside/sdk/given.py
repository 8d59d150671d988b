"""What a program hands over to be judged: its function, its rows, and scorers of its own."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import orjson

from lineside.core import Invalid, NotFound
from lineside.evals import ScorerContext, read_dataset
from lineside.gateway import ModelReply
from lineside.store import digest_of
from lineside.usecases import scorers as declared

PLAIN = "value"
"""Field that holds an input, expectation or answer that is no object, such as a text."""

_ROWS_BYTES_MAX = 2**31

Scorer = Callable[[ScorerContext], Any]
Scorers = Sequence[str | Mapping[str, Any] | Scorer] | Mapping[str, Any]
Rows = str | Path | Sequence[Mapping[str, Any]]

_scorers: dict[tuple[str, str], Scorer] = {}


@dataclass(frozen=True)
class GivenScorer:
    """One scorer as a run declares it, and the file that leads back to a function of this program.

    Attributes:
        file: Path and content; nothing for a scorer that comes with lineside.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    file: tuple[str, bytes] | None = None


class GivenTarget:
    """A function of this program that answers cases, in threads unless it is asynchronous."""

    def __init__(self, function: Callable[[Any], Any], *, is_plain: bool) -> None:
        self._function = function
        self._is_plain = is_plain
        # What surrounds the caller, such as a trace, surrounds each call as well.
        self._context: Context = copy_context()

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        asked = payload[PLAIN] if self._is_plain else dict(payload)
        context = self._context.copy()
        if inspect.iscoroutinefunction(_called(self._function)):
            answer = await asyncio.create_task(self._function(asked), context=context)
        else:
            answer = await asyncio.to_thread(context.run, self._function, asked)
        return _reply(answer, name_of(self._function))

    async def close(self) -> None:
        """Nothing is held."""


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called; of an object that is called, its class."""
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def rows_of(rows: Rows, *, name: str, bytes_max: int) -> tuple[Any, bool]:
    """The rows as a dataset, and whether inputs are plain values and no objects.

    Raises:
        Invalid: A row cannot be used; says which and why.
    """
    schemas: dict[str, Any] = {"input_schema": {}, "output_schema": {}}
    if isinstance(rows, str | Path):
        path = Path(rows)
        return read_dataset(path.name, path, **schemas, bytes_max=bytes_max), False
    kinds = {isinstance(row.get("input"), Mapping) for row in rows}
    if len(kinds) > 1:
        raise Invalid(
            "bad_dataset",
            "Some inputs are objects and others plain values",
            hint="Give all of them as objects, or all as plain values.",
        )
    lines = [_line(number, row) for number, row in enumerate(rows, start=1)]
    content = b"".join(lines)
    found = read_dataset(f"{name}.jsonl", content, **schemas, bytes_max=_ROWS_BYTES_MAX)
    return found, kinds == {False}


def scorers_of(scorers: Scorers, *, subject: str) -> list[GivenScorer]:
    """The scorers as a run takes them; those that are functions can be found again by the subject.

    Raises:
        Invalid: One is neither a kind, nor a declaration, nor a function.
    """
    listed: Sequence[Any] = [scorers] if isinstance(scorers, str | Mapping) else scorers
    found = []
    for item in listed:
        named = item if isinstance(item, Mapping) else {_named(item): item}
        found += [_scorer(str(name), given, subject) for name, given in named.items()]
    return found


def forget(subject: str) -> None:
    """Let go of the scorers of a run that is done."""
    for key in [key for key in _scorers if key[0] == subject]:
        del _scorers[key]


def judge_given(subject: str, name: str, context: ScorerContext) -> Any:
    """Ask a scorer that was handed over in this process.

    Raises:
        NotFound: The program that had it has ended.
    """
    scorer = _scorers.get((subject, name))
    if scorer is None:
        raise NotFound(
            "scorer_gone",
            f"Scorer `{name}` is a function of a program that has ended",
            hint="Run the program again.",
        )
    return scorer(context)


def given_function(subject: str, name: str) -> tuple[Any, bytes] | None:
    """A scorer that was handed over and its own text; nothing once its program has ended.

    Whether it asks a model is read from what it uses, and from its text which judge it is.
    """
    scorer = _scorers.get((subject, name))
    return None if scorer is None else (scorer, _source(scorer))


def _scorer(name: str, given: Any, subject: str) -> GivenScorer:
    if isinstance(given, str):
        return GivenScorer(name, given)
    if isinstance(given, Mapping) and len(given) == 1:
        [(kind, arguments)] = given.items()
        if (spelled := declared.arguments_of(str(kind), arguments)) is not None:
            return GivenScorer(name, str(kind), spelled)
    if not callable(given):
        raise Invalid(
            "bad_scorer",
            f"Scorer `{name}` is {type(given).__name__}, expected a kind with its arguments, or a "
            "function of one ScorerContext",
            hint='Such as `{"polite": {"contains": {"field": "reply", "text": "please"}}}`.',
        )
    _scorers[subject, name] = given
    path = f"{digest_of(name.encode()).partition(':')[2][:16]}.py"
    is_async = inspect.iscoroutinefunction(_called(given))
    head, wait = ("async def", "await ") if is_async else ("def", "")
    # The function's own text stands in the comment, so that another one makes another run.
    content = (
        f"# {digest_of(_source(given))}\n"
        "from lineside.sdk.given import given_function, judge_given\n\n\n"
        f"def _lineside_given():\n    return given_function({subject!r}, {name!r})\n\n\n"
        f"{head} score(context):\n    return {wait}judge_given({subject!r}, {name!r}, context)\n"
    )
    return GivenScorer(name, "python", {"function": f"{path}:score"}, (path, content.encode()))


def _named(item: Any) -> str:
    return item if isinstance(item, str) else name_of(item)


def _source(function: Any) -> bytes:
    called = _called(function)
    if getattr(called, "__name__", "") == "<lambda>":
        # Its text is that of the whole statement around it.
        return repr(_code(called.__code__)).encode()
    try:
        return inspect.getsource(called).encode()
    except (OSError, TypeError):
        return name_of(function).encode()


def _code(part: Any) -> Any:
    """What a piece of code does, alike in every process."""
    if isinstance(part, CodeType):
        return part.co_code, part.co_names, [_code(constant) for constant in part.co_consts]
    return sorted(map(repr, part)) if isinstance(part, frozenset) else part


def _called(function: Any) -> Any:
    """What is really called: of an object, its method."""
    return function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004 # the method itself is wanted


def _line(number: int, row: Mapping[str, Any]) -> bytes:
    given = {
        name: {PLAIN: value}
        if name in ("input", "expected") and value is not None and not isinstance(value, Mapping)
        else value
        for name, value in row.items()
    }
    try:
        return orjson.dumps(given) + b"\n"
    except TypeError as error:
        raise Invalid("bad_dataset", f"Row {number:,} cannot be kept as JSON: {error}") from error


def _reply(answer: Any, name: str) -> ModelReply:
    if isinstance(answer, ModelReply):
        return answer
    if hasattr(answer, "model_dump"):
        answer = answer.model_dump(mode="json")
    return ModelReply(
        output=dict(answer) if isinstance(answer, Mapping) else {PLAIN: answer}, model=name
    )
