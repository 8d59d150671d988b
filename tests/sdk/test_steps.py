"""Marked steps: what stands in the trace of each kind of function, and what the caller notices."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import lineside
from lineside.core import Invalid


class Recorded:
    """Spans that ended, by their names."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def __getitem__(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.exporter.get_finished_spans() if span.name == name)
        return found

    def said(self, name: str) -> tuple[Any, Any]:
        """What went in and came out, read as the server reads it."""
        attributes = self[name].attributes or {}
        return tuple(read(attributes.get(f"lineside.{side}")) for side in ("input", "output"))

    def parent(self, name: str) -> str | None:
        parent = self[name].parent
        names = {one.context.span_id: one.name for one in self.exporter.get_finished_spans()}
        return names[parent.span_id] if parent else None


def read(value: Any) -> Any:
    is_json = isinstance(value, str) and value[:1] in ("{", "[")
    return json.loads(value) if is_json else value


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    return provider


@pytest.fixture
def recorded(provider: TracerProvider) -> Iterator[Recorded]:
    recorded = Recorded()
    processor = SimpleSpanProcessor(recorded.exporter)
    provider.add_span_processor(processor)
    yield recorded
    processor.shutdown()


def test_a_call_of_a_function_is_a_step_with_what_went_in_and_came_out(recorded: Recorded) -> None:
    class Shop:
        @lineside.step(kind="tool")
        def look_up(self, order: int, *more: str, fast: bool = False) -> dict[str, Any]:
            """Find an order."""
            return {"order": order, "state": "sent", "by": more, "fast": fast}

    @lineside.step
    def answer(question: str) -> str:
        assert lineside.current_trace_id()
        return str(Shop().look_up(3, "a", fast=True)["state"])

    assert answer("where?") == "sent"

    assert recorded.said("answer") == ({"question": "where?"}, "sent")
    name = "Shop.look_up"
    assert recorded.said(name) == (
        {"order": 3, "more": ["a"], "fast": True},
        {"order": 3, "state": "sent", "by": ["a"], "fast": True},
    )
    attributes = recorded[name].attributes or {}
    assert (attributes["lineside.kind"], attributes["gen_ai.tool.name"]) == ("tool", name)
    assert recorded.parent(name) == "answer"
    assert Shop.look_up.__doc__ == "Find an order."


async def test_tasks_side_by_side_keep_their_own_steps_apart(recorded: Recorded) -> None:
    async def one(name: str) -> None:
        async with lineside.step(f"outer {name}"):
            await asyncio.sleep(0)
            with lineside.step(f"inner {name}"):
                await asyncio.sleep(0)

    @lineside.step(name="both")
    async def both() -> str:
        await asyncio.gather(one("a"), one("b"))
        return "done"

    assert await both() == "done"

    for name in ("a", "b"):
        assert recorded.parent(f"inner {name}") == f"outer {name}"
        assert recorded.parent(f"outer {name}") == "both"
    assert recorded.said("both")[1] == "done"


def test_a_generator_is_one_step_and_its_reader_is_not_inside_of_it(recorded: Recorded) -> None:
    @lineside.step(kind="model")
    def words(count: int) -> Iterator[str]:
        for number in range(count):
            with lineside.step(f"make {number}"):
                yield f"w{number} "

    with lineside.step("reader"):
        for number, _ in enumerate(words(2)):
            with lineside.step(f"read {number}"):
                pass

    assert recorded.said("words") == ({"count": 2}, "w0 w1 ")
    assert (recorded["words"].attributes or {})["gen_ai.response.time_to_first_chunk"] < 5
    assert recorded.parent("words") == recorded.parent("read 1") == "reader"
    assert recorded.parent("make 1") == "words"


def test_a_generator_can_be_sent_to_thrown_at_and_left(recorded: Recorded) -> None:
    ended = []

    @lineside.step
    def echo() -> Any:
        heard = yield "first"
        try:
            yield heard
        except ValueError:
            yield "caught"
        return "returned"

    @lineside.step
    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    talk = echo()
    assert (next(talk), talk.send("hello"), talk.throw(ValueError())) == (
        "first",
        "hello",
        "caught",
    )
    with pytest.raises(StopIteration) as stop:
        next(talk)
    assert stop.value.value == "returned"
    left = endless()
    next(left)
    left.close()

    assert recorded.said("echo")[1] == "firsthellocaught"
    assert recorded.said("endless")[1] == [1]
    assert ended
    assert recorded["endless"].status.is_unset


async def test_an_async_generator_is_one_step(recorded: Recorded) -> None:
    @lineside.step
    async def pieces() -> AsyncIterator[dict[str, int]]:
        for number in (1, 2):
            await asyncio.sleep(0)
            with lineside.step(f"piece {number}"):
                pass
            yield {"n": number}

    @lineside.step
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("gone")

    assert [piece async for piece in pieces()] == [{"n": 1}, {"n": 2}]
    reading = broken()
    assert await anext(reading) == 1
    assert lineside.current_trace_id() is None
    with pytest.raises(OSError, match="gone"):
        await anext(reading)

    assert recorded.said("pieces")[1] == [{"n": 1}, {"n": 2}]
    assert recorded.parent("piece 2") == "pieces"
    assert (recorded.said("broken")[1], recorded["broken"].status.description) == (
        [1],
        "OSError: gone",
    )


def test_a_failure_is_recorded_and_raised(recorded: Recorded) -> None:
    @lineside.step
    def fails() -> None:
        raise KeyError("no such order")

    with pytest.raises(KeyError):
        fails()
    with lineside.step("dealt with") as step:
        step.set(error="out of stock")

    assert recorded["fails"].status.description == "KeyError: 'no such order'"
    assert [event.name for event in recorded["fails"].events] == ["exception"]
    assert recorded["dealt with"].status.description == "out of stock"


def test_secrets_are_hidden_long_texts_cut_and_odd_objects_survive(recorded: Recorded) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("never look at me")

    @dataclass
    class Login:
        user: str
        password: str

    loop: list[Any] = []
    loop.append(loop)

    @lineside.step
    def call(login: Login, api_key: str, max_tokens: int, odd: Odd, loop: list[Any]) -> str:
        return "x" * 1_000_000

    @lineside.step(capture=False)
    def private(question: str) -> str:
        return question

    call(Login("ann", "pw"), "sk-1", 5, Odd(), loop)
    private("mine")

    said, answer = recorded.said("call")
    assert said["login"] == {"user": "ann", "password": "(hidden)"}
    assert (said["api_key"], said["max_tokens"], said["odd"]) == ("(hidden)", 5, "(Odd)")
    assert "nested too deeply" in json.dumps(said["loop"])
    assert len(answer) < 70_000
    assert answer.endswith("… (cut)")
    assert recorded.said("private") == (None, None)


def test_what_is_set_on_a_step_gets_the_names_that_the_server_reads(recorded: Recorded) -> None:
    with lineside.step("ask", kind="model") as step:
        step.input = "Hello"
        step.output = {"text": "Hi"}
        step.set(model="m-1", tokens_in=3, tokens_out=4, cost_usd=0.01, user="u1", shelf="B")
        lineside.score("polite", 0.9, label="yes")

    attributes = recorded["ask"].attributes or {}
    assert recorded.said("ask") == ("Hello", {"text": "Hi"})
    assert attributes["gen_ai.response.model"] == "m-1"
    assert attributes["gen_ai.usage.input_tokens"] == 3
    assert attributes["lineside.cost_usd"] == 0.01
    assert (attributes["lineside.user"], attributes["shelf"]) == ("u1", "B")
    (event,) = recorded["ask"].events
    assert event.name == "gen_ai.evaluation.result"
    assert (event.attributes or {})["gen_ai.evaluation.score.value"] == 0.9


def test_a_kind_that_does_not_exist_is_refused_when_the_step_is_made() -> None:
    with pytest.raises(Invalid) as refused:
        lineside.step(kind="retreiver")  # type: ignore[call-overload]

    assert refused.value.hint == "Did you mean `retriever`?"


def test_the_sdk_is_imported_without_what_the_server_needs() -> None:
    script = (
        "import sys; from lineside.sdk import init, step, context; "
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('lineside.')}; "
        "heavy = {'duckdb', 'sqlalchemy', 'starlette', 'pydantic_core'} & sys.modules.keys(); "
        "print(sorted(rooms), sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['core', 'sdk'] []"
