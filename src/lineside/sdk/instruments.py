"""Switching on the instrumentations of AI libraries that are installed beside us."""

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

from opentelemetry.trace import TracerProvider

AUTO = "auto"

# OpenInference first: where both know a library, it says more of what an agent did.
_GROUPS = ("openinference_instrumentor", "opentelemetry_instrumentor")
_AI_LIBRARIES = {
    "agno",
    "alephalpha",
    "anthropic",
    "autogen",
    "bedrock",
    "beeai",
    "claude_agent_sdk",
    "cohere",
    "crewai",
    "dspy",
    "google_adk",
    "google_genai",
    "google_generativeai",
    "groq",
    "guardrails",
    "haystack",
    "instructor",
    "langchain",
    "litellm",
    "llama_index",
    "llamaindex",
    "mcp",
    "mistralai",
    "ollama",
    "openai",
    "openai_agents",
    "openai_v2",
    "portkey",
    "pydantic_ai",
    "replicate",
    "sagemaker",
    "smolagents",
    "strands_agents",
    "together",
    "transformers",
    "vertexai",
    "watsonx",
    "weaviate",
    "writer",
}
_PREFIXES = ("openinference-instrumentation-", "opentelemetry-instrumentation-")

logger = logging.getLogger("lineside")


def switch_on(wanted: str, provider: TracerProvider) -> list[str]:
    """Switch on instrumentations and say in the log which; one that fails stops nothing.

    Args:
        wanted: `auto` for all of AI libraries, or names of libraries or packages with commas.

    Returns:
        The packages that are on now.
    """
    names = {name.strip() for name in wanted.split(",") if name.strip()}
    on: list[str] = []
    for package, point in _installed(names):
        try:
            instrumentor = point.load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(tracer_provider=provider)
        except Exception as error:  # noqa: BLE001 # a package of others, at any version
            logger.warning("`%s` could not be switched on: %s", package, error)
            continue
        on.append(package)
    logger.info("Instrumentations that are on: %s", ", ".join(on) or "none is installed")
    return on


def _installed(names: set[str]) -> Iterator[tuple[str, EntryPoint]]:
    """One instrumentation for each library; two would record every call twice."""
    seen: set[str] = set()
    for group in _GROUPS:
        for point in sorted(entry_points(group=group), key=_package):
            package = _package(point)
            library = _library(package)
            if library in seen or not package.startswith(_PREFIXES):
                continue
            is_named = bool(names & {package, library, point.name})
            if is_named or (AUTO in names and (group == _GROUPS[0] or library in _AI_LIBRARIES)):
                seen.add(library)
                yield package, point


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _library(package: str) -> str:
    for prefix in _PREFIXES:
        package = package.removeprefix(prefix)
    return package.replace("-", "_").removesuffix("_v2")
