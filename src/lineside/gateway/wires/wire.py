"""What every wire offers, and which there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from lineside.core import Invalid
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest, WireName
from lineside.gateway.output import shorten
from lineside.gateway.wires import (
    chat_answer,
    chat_request,
    chat_stream,
    gemini_answer,
    gemini_request,
    gemini_stream,
    messages_answer,
    messages_request,
    messages_stream,
    responses_answer,
    responses_request,
    responses_stream,
)
from lineside.gateway.wires.sse import SseEvent

Read = TypeVar("Read")


class StreamReader(Protocol):
    """Reads the stream of one answer."""

    def read(self, event: SseEvent) -> Iterator[AnswerEvent]: ...

    def end(self) -> Iterator[AnswerEvent]: ...


class StreamWriter(Protocol):
    """Writes the stream of one answer."""

    def write(self, event: AnswerEvent) -> bytes: ...


@dataclass(frozen=True)
class Wire:
    """One wire: pure translation both ways, without I/O."""

    name: WireName
    read_request: Callable[[Mapping[str, Any]], ModelRequest]
    write_request: Callable[[ModelRequest], dict[str, Any]]
    read_answer: Callable[[Mapping[str, Any]], ModelAnswer]
    write_answer: Callable[[ModelAnswer], dict[str, Any]]
    stream_reader: Callable[[], StreamReader]
    stream_writer: Callable[[ModelRequest], StreamWriter]
    unsaid: frozenset[str]
    """Fields of a request that this wire has no words for."""


def _strictly(read: Callable[[Mapping[str, Any]], Read]) -> Callable[[Mapping[str, Any]], Read]:
    """Whatever stands deep in a body where something else is expected is the sender's mistake."""

    def reading(raw: Mapping[str, Any]) -> Read:
        try:
            return read(raw)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise _misfit(f"`{place}`: {first['msg']}") from None
        except ValueError as error:
            raise _misfit(type(error).__name__) from None  # its own words quote what was read
        except (TypeError, KeyError, AttributeError) as error:
            raise _misfit(f"{type(error).__name__}: {shorten(str(error), 200)}") from None

    return reading


def _misfit(why: str) -> Invalid:
    return Invalid(
        "wire_misfit",
        f"The body does not fit: {why}",
        hint="Compare it with the documentation of the wire you speak.",
    )


_WIRES: dict[str, Wire] = {
    "chat": Wire(
        "chat",
        _strictly(chat_request.read_request),
        chat_request.write_request,
        _strictly(chat_answer.read_answer),
        chat_answer.write_answer,
        chat_stream.ChatStreamReader,
        lambda asked: chat_stream.ChatStreamWriter(wants_tokens=bool(asked.wants_stream_tokens)),
        frozenset({"reasoning_tokens_max"}),
    ),
    "messages": Wire(
        "messages",
        _strictly(messages_request.read_request),
        messages_request.write_request,
        _strictly(messages_answer.read_answer),
        messages_answer.write_answer,
        messages_stream.MessagesStreamReader,
        lambda _: messages_stream.MessagesStreamWriter(),
        frozenset(
            {
                *("seed", "frequency_penalty", "presence_penalty"),
                *("choices_wanted", "wants_logprobs", "top_logprobs"),
            }
        ),
    ),
    "responses": Wire(
        "responses",
        _strictly(responses_request.read_request),
        responses_request.write_request,
        _strictly(responses_answer.read_answer),
        responses_answer.write_answer,
        responses_stream.ResponsesStreamReader,
        responses_stream.ResponsesStreamWriter,
        frozenset(
            {
                *("seed", "frequency_penalty", "presence_penalty", "stop", "top_k"),
                *("choices_wanted", "reasoning_tokens_max"),
            }
        ),
    ),
    "gemini": Wire(
        "gemini",
        _strictly(gemini_request.read_request),
        gemini_request.write_request,
        _strictly(gemini_answer.read_answer),
        gemini_answer.write_answer,
        gemini_stream.GeminiStreamReader,
        lambda _: gemini_stream.GeminiStreamWriter(),
        frozenset({"user", "calls_tools_in_parallel"}),
    ),
}

_REFUSED = {"choices_wanted": "several answers side by side (`n`)", "wants_logprobs": "logprobs"}
# Of what only one wire knows. The rest of it is left out and named.
_REFUSED_EXTRAS = {
    "functions": "`functions`, the old form of `tools`",
    "modalities": "anything but words (`modalities`)",
    "web_search_options": "a search of one provider (`web_search_options`)",
    "mcp_servers": "tools of servers that one provider asks (`mcp_servers`)",
}
_SAYS_NOTHING: tuple[Any, ...] = (None, False, [], {}, "")
_INNER = {"~text": "text", "~reasoning": "reasoning"}


def wire_named(name: str) -> Wire:
    """The wire of that name."""
    return _WIRES[name]


def left_out(request: ModelRequest, wire: Wire) -> list[str]:
    """Fields of a request that the wire cannot say; they are left out, and the caller is told.

    Raises:
        Invalid: Without one of them the answer would not be what the caller asked for.
    """
    if request.wire == wire.name:
        return []
    asked = {name for name in wire.unsaid if getattr(request, name)}
    if request.choices_wanted == 1:
        asked.discard("choices_wanted")
    asked |= set(_said_in_extras(request))
    words = _REFUSED | _REFUSED_EXTRAS
    refused = sorted(asked & words.keys())
    if refused:
        raise Invalid(
            "not_on_this_wire",
            f"The model that is to answer cannot give {words[refused[0]]}",
            hint="Leave it out, or ask a model that speaks the wire you ask in.",
        )
    return sorted(asked)


def _said_in_extras(request: ModelRequest) -> Iterator[str]:
    """Names of the fields that only the caller's own wire knows."""
    for name, value in request.extras.items():
        inner = _INNER.get(name)
        if inner is not None and isinstance(value, dict):
            yield from (f"{inner}.{one}" for one in value if value[one] not in _SAYS_NOTHING)
        is_said = name[0:1] != "~" and value not in _SAYS_NOTHING and value != ["text"]
        # The metadata of a response is given back and kept here.
        if is_said and (request.wire, name) != ("responses", "metadata"):
            yield name
