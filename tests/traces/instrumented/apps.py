"""What each instrumented program tells, beyond what all of them do."""

from dataclasses import dataclass
from typing import Any

LATEST = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OPENINFERENCE_ENABLE_GENAI_SEMCONV": "true",
}
PROCESSES: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["pydantic-ai", "pydantic-ai-6", "openinference-agents"]),
    (
        {},
        [
            "openinference-openai",
            "opentelemetry-openai-false",
            "opentelemetry-openai-true",
            # It does not let go of the client entirely, so it comes last.
            "openllmetry-openai",
        ],
    ),
    ({}, ["openinference-anthropic", "openllmetry-anthropic", "openllmetry-anthropic-events"]),
    ({}, ["openinference-langchain", "langsmith-langchain"]),
    (
        LATEST,
        [
            "openinference-openai",
            "opentelemetry-openai-span_only",
            "opentelemetry-openai-event_only",
            "openllmetry-openai-events",
        ],
    ),
]


@dataclass(frozen=True)
class App:
    """What a package tells, beyond what all of them do.

    Attributes:
        process: Which of `PROCESSES` runs it.
        switched: How, in the words of the published page.
        told: Whether conversations arrive; `in` where a streamed answer cannot be assigned.
        calls: Id of the tool call.
        returns: Id that a tool's result refers to.
        stops: Why the model stopped, first for a tool and then for good.
        tokens_out: Of a streamed answer.
    """

    name: str
    process: int
    switched: str = "as it comes"
    provider: str = "openai"
    model: str = "gpt-4o-2024-08-06"
    asked: str = "gpt-4o"
    told: str = "all"
    calls: str = "call_1"
    returns: str | None = "call_1"
    stops: tuple[str | None, str | None] = ("tool_calls", "stop")
    cached: int | None = 64
    written: int | None = None
    tokens_out: int = 9
    first_chunk: bool = False
    session: bool = False
    user: bool = False
    tool_step: bool = False
    agent_step: bool = False
    model_of_failed: bool = True
    messages_of_failed: bool = True
    embeds: str | None = None

    @property
    def id(self) -> str:
        return self.name + ("-latest" if PROCESSES[self.process][0] else "")


def in_claude(name: str, **told: Any) -> App:
    anthropic = {"provider": "anthropic", "model": "claude-sonnet-4-20250514"}
    anthropic |= {"asked": "claude-sonnet-4-0", "calls": "toolu_1", "returns": "toolu_1"}
    return App(name, 2, written=10, **(anthropic | told))


TEXT = "Weather in Paris?"
IN_PYDANTIC = {"stops": ("tool_call", "stop"), "first_chunk": True, "session": True}
IN_PYDANTIC |= {"tool_step": True, "agent_step": True, "embeds": TEXT}
APPS = [
    App("openinference-openai", 1, first_chunk=True, session=True, user=True, embeds=TEXT),
    App(
        "openinference-openai",
        4,
        "`OPENINFERENCE_ENABLE_GENAI_SEMCONV=true`",
        first_chunk=True,
        session=True,
        user=True,
        embeds=TEXT,
    ),
    in_claude("openinference-anthropic", stops=("tool_use", "end_turn"), session=True, user=True),
    App("openinference-langchain", 3, session=True, user=True, tool_step=True),
    App(
        "openinference-agents",
        0,
        stops=("stop", "stop"),
        session=True,
        user=True,
        tool_step=True,
        agent_step=True,
        model_of_failed=False,
        messages_of_failed=False,
    ),
    App("opentelemetry-openai-false", 1, told="none", cached=None, embeds=""),
    App("opentelemetry-openai-true", 1, "content `true`", cached=None, embeds=""),
    App("opentelemetry-openai-span_only", 4, "latest, content `span_only`", cached=None, embeds=""),
    App(
        "opentelemetry-openai-event_only", 4, "latest, content `event_only`", cached=None, embeds=""
    ),
    App("openllmetry-openai", 1, stops=("tool_call", "stop"), first_chunk=True, embeds=TEXT),
    App(
        "openllmetry-openai-events",
        4,
        "`use_attributes=False`",
        told="in",
        returns=None,
        first_chunk=True,
        embeds=TEXT,
    ),
    in_claude("openllmetry-anthropic", stops=("tool_call", "stop"), tokens_out=10),
    App(
        "langsmith-langchain",
        3,
        '`tracing_mode="otel"`',
        model="gpt-4o",
        session=True,
        user=True,
        tool_step=True,
    ),
    App("pydantic-ai", 0, messages_of_failed=False, **IN_PYDANTIC),
    App("pydantic-ai-6", 0, "`version=6`", messages_of_failed=False, **IN_PYDANTIC),
]
