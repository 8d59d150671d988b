"""Marking the application's own steps: `@lineside.step`, or `with lineside.step("look up"):`."""

from contextlib import AbstractContextManager
from contextvars import Token
from typing import Any, Self, get_args, overload

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Status, StatusCode

from lineside.core import Invalid, did_you_mean, step_kinds
from lineside.sdk import start
from lineside.sdk.calls import Function, stepped
from lineside.sdk.contexts import NAMES
from lineside.sdk.payloads import attribute_of

StepKind = step_kinds.StepKind

# OpenTelemetry's own names where it has one, so that other tools can read them too.
_ATTRIBUTES = {
    **NAMES,
    "cost_usd": "lineside.cost_usd",
    "input": "lineside.input",
    "output": "lineside.output",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.response.model",
    "model_asked": "gen_ai.request.model",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
    "tokens_cached_in": "gen_ai.usage.cache_read.input_tokens",
    "tokens_reasoning_out": "gen_ai.usage.reasoning.output_tokens",
    "agent": "gen_ai.agent.name",
    "tool": "gen_ai.tool.name",
}
_NAMED_AFTER_STEP = {"tool": "gen_ai.tool.name", "agent": "gen_ai.agent.name"}
_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"


class OpenStep(AbstractContextManager["OpenStep"]):
    """One step, from its begin to its end; what is set on it meanwhile stands in the trace.

    It is begun by `with` or `async with`, or by calling what it decorates. Before `init` all of it
    does nothing.
    """

    def __init__(self, name: str | None, kind: StepKind, *, capture: bool) -> None:
        if kind not in get_args(StepKind):
            near = did_you_mean(kind, get_args(StepKind))
            raise Invalid(
                "unknown_step_kind",
                f"A step is of the kind `{kind}`",
                hint=f"Did you mean `{near}`?" if near else f"Use {', '.join(get_args(StepKind))}.",
            )
        self._name = name
        self._kind = kind
        self._capture = capture
        self._span: trace.Span = INVALID_SPAN
        self._token: Token[otel_context.Context] | None = None
        self._input: Any = None
        self._output: Any = None

    @property
    def trace_id(self) -> str | None:
        """Id to give feedback with later; nothing before the step has begun."""
        context = self._span.get_span_context()
        return format(context.trace_id, "032x") if context.is_valid else None

    @property
    def input(self) -> Any:
        return self._input

    @input.setter  # noqa: A003 # the word that everybody uses for it
    def input(self, value: Any) -> None:
        self._input = value
        self.set(input=value)

    @property
    def output(self) -> Any:
        return self._output

    @output.setter
    def output(self, value: Any) -> None:
        self._output = value
        self.set(output=value)

    def set(self, **values: Any) -> None:
        """Say more of the step.

        `tokens_in`, `tokens_out`, `tokens_cached_in`, `tokens_reasoning_out`, `cost_usd`, `model`,
        `model_asked`, `provider`, `tool`, `agent`, `input`, `output`, and the words of `context`
        are read by lineside; `error` says that the step failed, and how. Anything else is kept
        under its own name.
        """
        if not self._span.is_recording():
            return
        if (error := values.pop("error", None)) is not None:
            self._span.set_status(Status(StatusCode.ERROR, str(error)))
        room = start.payload_characters_max()
        for name, value in values.items():
            if value is not None:
                attribute = attribute_of(value, characters_max=room)
                self._span.set_attribute(_ATTRIBUTES.get(name, name), attribute)

    def __enter__(self) -> Self:
        self.begin()
        self._token = otel_context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _place: object) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, place: object) -> None:
        self.__exit__(kind, error, place)

    def __call__(self, function: Function) -> Function:
        """Make every call of the function a step of its own."""
        return stepped(self, function)

    def again(self, name: str) -> "OpenStep":
        """A new step of the same kind; `name` stands where none was given."""
        return OpenStep(self._name or name, self._kind, capture=self._capture)

    @property
    def captures(self) -> bool:
        """Whether what goes in and comes out is worth reading."""
        return self._capture and self._span.is_recording()

    def begin(self) -> None:
        """Start the clock, without making it the step that others are inside of."""
        name = self._name or self._kind
        attributes: dict[str, str] = {"lineside.kind": self._kind}
        if self._kind in _NAMED_AFTER_STEP:
            attributes[_NAMED_AFTER_STEP[self._kind]] = name
        self._span = start.tracer().start_span(name, attributes=attributes)

    def resumed(self) -> AbstractContextManager[None]:
        """Others are inside of this step while the block runs."""
        return _Inside(self._span)

    def first_chunk(self, after_seconds: float) -> None:
        """Say when the first piece of a stream came."""
        self._span.set_attribute(_FIRST_CHUNK, after_seconds)

    def end(self, error: BaseException | None = None) -> None:
        """Stop the clock; an error is kept with its trace back."""
        if error is not None and not isinstance(error, GeneratorExit):
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self._span.end()


@overload
def step(target: Function, /) -> Function: ...
@overload
def step(
    target: str | None = None,
    /,
    *,
    name: str | None = None,
    kind: StepKind = "step",
    capture: bool = True,
) -> OpenStep: ...
def step(
    target: Any = None,
    /,
    *,
    name: str | None = None,
    kind: StepKind = "step",
    capture: bool = True,
) -> Any:
    """Mark a step of the application: as a decorator, or around a block.

    `@lineside.step`, `@lineside.step(name="look up", kind="tool")` on a function, coroutine,
    generator or async generator; `with lineside.step("look up") as step: step.output = …`.
    Arguments, result and exception of a function are recorded; those named like a secret are
    hidden, and long ones are cut.

    Args:
        name: Of the step; the function's own unless given.
        capture: Whether arguments and result are recorded.

    Raises:
        Invalid: There is no such kind; raised when the step is made, not when it runs.
    """
    if callable(target):
        return OpenStep(name, kind, capture=capture)(target)
    return OpenStep(target or name, kind, capture=capture)


class _Inside(AbstractContextManager[None]):
    """A block that is inside of a span, which goes on after it."""

    def __init__(self, span: trace.Span) -> None:
        self._context = trace.set_span_in_context(span)

    def __enter__(self) -> None:
        self._token = otel_context.attach(self._context)

    def __exit__(self, *_: object) -> None:
        otel_context.detach(self._token)
