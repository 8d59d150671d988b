"""Programs on a framework, which calls the models and tools, under what records it."""

import asyncio
from contextlib import suppress
from typing import Any

from clients import PARAMETERS, QUESTION, TOOL_SAID, Cases, in_a_session
from recording import Recording


def openinference_langchain(recording: Recording, address: str) -> Cases:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    recording.begin(LangChainInstrumentor())
    return in_a_session(_in_langchain(address, {}))


def langsmith_langchain(recording: Recording, address: str) -> Cases:
    from langchain_core.tracers import LangChainTracer
    from langsmith import Client

    client = Client(
        api_url=address,
        api_key="none",
        tracing_mode="otel",
        otel_tracer_provider=recording.tracing,
    )
    config = {
        "callbacks": [LangChainTracer(client=client)],
        "metadata": {"session_id": "session-7", "user_id": "ada"},
    }
    cases = _in_langchain(address, config)

    def flushed(case: Any) -> Any:
        def run() -> None:
            case()
            client.flush()

        return run

    return {name: flushed(case) for name, case in cases.items()}


def _in_langchain(address: str, config: Any) -> Cases:
    import openai
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.messages import HumanMessage, SystemMessage
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import tool
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_openai import ChatOpenAI

    @tool
    def weather(city: str) -> str:
        """Tells the weather."""
        return TOOL_SAID

    model = ChatOpenAI(
        model="gpt-4o", base_url=f"{address}/v1", api_key="none", max_retries=0, stream_usage=True
    )
    told = [SystemMessage("Be brief"), HumanMessage(QUESTION)]

    def helpdesk(question: str, config: Any) -> str:
        messages: list[Any] = list(told)
        with_tool = model.bind_tools([weather])
        said = with_tool.invoke(messages, config)
        messages.append(said)
        messages += [weather.invoke(call, config) for call in said.tool_calls]
        return str(with_tool.invoke(messages, config).content)

    def stream() -> None:
        for _ in model.stream(told, config):
            pass

    def refused(word: str) -> None:
        with suppress(openai.APIError):
            model.invoke(word, config)

    def retrieve() -> None:
        shelf = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
        shelf.add_documents([Document("Paris is mild", metadata={"page": 1})])
        shelf.as_retriever().invoke(QUESTION, config)

    return {
        "tools": lambda: RunnableLambda(helpdesk).invoke(QUESTION, config),
        "stream": stream,
        "fail": lambda: refused("Fail"),
        "hurry": lambda: refused("Hurry"),
        "retrieve": retrieve,
    }


def pydantic_ai(recording: Recording, address: str, *, version: Any = 5) -> Cases:
    from pydantic_ai import Agent, Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.exceptions import ModelHTTPError
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=_patient_client(address))
    settings = InstrumentationSettings(tracer_provider=recording.tracing, version=version)
    Agent.instrument_all(settings)

    def agent(model: Any) -> Agent:
        made = Agent(model, name="helpdesk", system_prompt="Be brief")

        @made.tool_plain
        def weather(city: str) -> str:
            """Tells the weather."""
            return TOOL_SAID

        return made

    chat = agent(OpenAIChatModel("gpt-4o", provider=provider))
    responses = agent(OpenAIResponsesModel("gpt-4o", provider=provider))
    plain = Agent(OpenAIChatModel("gpt-4o", provider=provider), instructions="Be brief")

    async def stream() -> None:
        async with plain.run_stream(QUESTION) as answer:
            async for _ in answer.stream_text():
                pass

    async def refused(word: str) -> None:
        with suppress(ModelHTTPError):
            await plain.run(word)

    async def embed() -> None:
        model = OpenAIEmbeddingModel("text-embedding-3-small", provider=provider)
        await Embedder(model, instrument=settings).embed_query(QUESTION)

    return _awaited(
        {
            "tools": lambda: chat.run(QUESTION, conversation_id="session-7"),
            "responses": lambda: responses.run(QUESTION),
            "stream": stream,
            "fail": lambda: refused("Fail"),
            "hurry": lambda: refused("Hurry"),
            "embed": embed,
        }
    )


def openai_agents(recording: Recording, address: str) -> Cases:
    import openai
    from agents import (
        Agent,
        FunctionTool,
        OpenAIChatCompletionsModel,
        OpenAIResponsesModel,
        Runner,
        set_trace_processors,
    )
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    # The framework's own processor would send every trace to its maker.
    set_trace_processors([])
    recording.begin(OpenAIAgentsInstrumentor())
    client = _patient_client(address)

    async def weather(context: Any, arguments: str) -> str:
        return TOOL_SAID

    tool = FunctionTool("weather", "Tells it", PARAMETERS, weather, strict_json_schema=False)

    def agent(model: Any, *tools: Any) -> Any:
        return Agent(name="helpdesk", instructions="Be brief", model=model, tools=list(tools))

    responses = OpenAIResponsesModel("gpt-4o", openai_client=client)
    chat = OpenAIChatCompletionsModel("gpt-4o", openai_client=client)

    async def stream() -> None:
        async for _ in Runner.run_streamed(agent(responses), QUESTION).stream_events():
            pass

    async def refused(word: str) -> None:
        with suppress(openai.APIError):
            await Runner.run(agent(responses), word)

    return in_a_session(
        _awaited(
            {
                "tools": lambda: Runner.run(agent(responses, tool), QUESTION),
                "chat": lambda: Runner.run(agent(chat, tool), QUESTION),
                "stream": stream,
                "fail": lambda: refused("Fail"),
                "hurry": lambda: refused("Hurry"),
            }
        )
    )


def _patient_client(address: str) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def _awaited(cases: dict[str, Any]) -> Cases:
    loop = asyncio.new_event_loop()

    def whole(case: Any) -> Any:
        return lambda: loop.run_until_complete(case())

    return {name: whole(case) for name, case in cases.items()}
