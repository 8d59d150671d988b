"""Programs that call a maker's client themselves, under what records such a client."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from recording import Recording

QUESTION = "Weather in Paris?"
TOOL_SAID = '{"celsius": 18}'
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
Cases = dict[str, Callable[[], Any]]


class InOpenAI:
    """A helpdesk on OpenAI's client."""

    def __init__(self, recording: Recording, address: str) -> None:
        import openai

        self._failed = openai.APIError
        self._client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        self._tracer = recording.tracing.get_tracer("helpdesk")

    def cases(self) -> Cases:
        return {
            "tools": self._tools,
            "stream": self._stream,
            "stream_tools": lambda: self._stream(tools=[self._tool()]),
            "fail": lambda: self._refused("Fail"),
            "hurry": lambda: self._refused("Hurry"),
            "embed": self._embed,
            "responses": self._responses,
            "responses_stream": self._responses_stream,
        }

    @staticmethod
    def _tool() -> dict[str, Any]:
        return {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}

    @staticmethod
    def _told(question: str = QUESTION) -> list[Any]:
        return [{"role": "system", "content": "Be brief"}, {"role": "user", "content": question}]

    def _chat(self, messages: list[Any], **options: Any) -> Any:
        return self._client.chat.completions.create(model="gpt-4o", messages=messages, **options)

    def _tools(self) -> None:
        told = self._told()
        with self._tracer.start_as_current_span("helpdesk"):
            said = self._chat(told, tools=[self._tool()]).choices[0].message
            call = said.tool_calls[0]
            asked = {"role": "assistant", "content": said.content}
            asked["tool_calls"] = [call.model_dump(include={"id", "type", "function"})]
            result = {"role": "tool", "tool_call_id": call.id, "content": TOOL_SAID}
            self._chat([*told, asked, result], tools=[self._tool()])

    def _stream(self, **options: Any) -> None:
        usage = {"include_usage": True}
        for _ in self._chat(self._told(), stream=True, stream_options=usage, **options):
            pass

    def _refused(self, word: str) -> None:
        with suppress(self._failed):
            self._chat([{"role": "user", "content": word}])

    def _embed(self) -> None:
        self._client.embeddings.create(model="text-embedding-3-small", input=QUESTION)

    def _respond(self, told: list[Any], **options: Any) -> Any:
        tool = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}
        return self._client.responses.create(
            model="gpt-4o", instructions="Be brief", input=told, tools=[tool], **options
        )

    def _responses(self) -> None:
        told: list[Any] = [{"role": "user", "content": QUESTION}]
        with self._tracer.start_as_current_span("helpdesk"):
            call = self._respond(told).output[0]
            asked = {"type": "function_call", "call_id": call.call_id}
            asked |= {"name": call.name, "arguments": call.arguments}
            result = {"type": "function_call_output", "call_id": call.call_id, "output": TOOL_SAID}
            self._respond([*told, asked, result])

    def _responses_stream(self) -> None:
        for _ in self._client.responses.create(model="gpt-4o", input=QUESTION, stream=True):
            pass


class InAnthropic:
    """A helpdesk on Anthropic's client."""

    def __init__(self, recording: Recording, address: str) -> None:
        import anthropic

        self._failed = anthropic.APIError
        self._client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
        self._tracer = recording.tracing.get_tracer("helpdesk")

    def cases(self) -> Cases:
        return {
            "tools": self._tools,
            "stream": self._stream,
            "stream_tools": lambda: self._stream(tools=[self._tool()]),
            "fail": lambda: self._refused("Fail"),
            "hurry": lambda: self._refused("Hurry"),
        }

    @staticmethod
    def _tool() -> dict[str, Any]:
        return {"name": "weather", "description": "Tells it", "input_schema": PARAMETERS}

    def _ask(self, messages: list[Any], **options: Any) -> Any:
        return self._client.messages.create(
            model="claude-sonnet-4-0",
            max_tokens=100,
            system="Be brief",
            messages=messages,
            **options,
        )

    def _tools(self) -> None:
        told: list[Any] = [{"role": "user", "content": QUESTION}]
        with self._tracer.start_as_current_span("helpdesk"):
            said = self._ask(told, tools=[self._tool()])
            asked = [block.model_dump(exclude_none=True) for block in said.content]
            result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": TOOL_SAID}
            told += [{"role": "assistant", "content": asked}, {"role": "user", "content": [result]}]
            self._ask(told, tools=[self._tool()])

    def _stream(self, **options: Any) -> None:
        for _ in self._ask([{"role": "user", "content": QUESTION}], stream=True, **options):
            pass

    def _refused(self, word: str) -> None:
        with suppress(self._failed):
            self._ask([{"role": "user", "content": word}])


def openinference_openai(recording: Recording, address: str) -> Cases:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    recording.begin(OpenAIInstrumentor())
    return in_a_session(InOpenAI(recording, address).cases())


def openinference_anthropic(recording: Recording, address: str) -> Cases:
    from openinference.instrumentation.anthropic import AnthropicInstrumentor

    recording.begin(AnthropicInstrumentor())
    return in_a_session(InAnthropic(recording, address).cases())


def opentelemetry_openai(recording: Recording, address: str, *, content: str) -> Cases:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = content
    recording.begin(OpenAIInstrumentor())
    return InOpenAI(recording, address).cases()


def openllmetry_openai(recording: Recording, address: str, *, on_span: bool = True) -> Cases:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    recording.begin(OpenAIInstrumentor(use_attributes=on_span))
    return InOpenAI(recording, address).cases()


def openllmetry_anthropic(recording: Recording, address: str, *, on_span: bool = True) -> Cases:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    recording.begin(AnthropicInstrumentor(use_legacy_attributes=on_span))
    return InAnthropic(recording, address).cases()


def in_a_session(cases: Cases) -> Cases:
    """The same, for a user in a session, as OpenInference's packages are told it."""
    from openinference.instrumentation import using_attributes

    def within(case: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> None:
            with using_attributes(session_id="session-7", user_id="ada"):
                case()

        return run

    return {name: within(case) for name, case in cases.items()}
