"""Prints what the telemetry of instrumented programs holds: `python tests/traces/instrumented APP`.

A program of its own, since an instrumentation changes the process it is in; several apps share one
because their packages take seconds to import. Switches that a package reads once, on import, are
given in the environment. A case that breaks is told in its place, so that the others are seen.
"""

import json
import sys
import traceback
from functools import partial
from importlib.metadata import version
from typing import Any

import clients
import endpoint
import frameworks
from recording import Recording

NOT_INSTALLED = 3
APPS: dict[str, tuple[str, Any]] = {
    "openinference-openai": (
        "openinference-instrumentation-openai",
        clients.openinference_openai,
    ),
    "openinference-anthropic": (
        "openinference-instrumentation-anthropic",
        clients.openinference_anthropic,
    ),
    "openinference-langchain": (
        "openinference-instrumentation-langchain",
        frameworks.openinference_langchain,
    ),
    "openinference-agents": (
        "openinference-instrumentation-openai-agents",
        frameworks.openai_agents,
    ),
    **{
        f"opentelemetry-openai-{content}": (
            "opentelemetry-instrumentation-openai-v2",
            partial(clients.opentelemetry_openai, content=content),
        )
        for content in ("false", "true", "span_only", "event_only")
    },
    "openllmetry-openai": (
        "opentelemetry-instrumentation-openai",
        clients.openllmetry_openai,
    ),
    "openllmetry-openai-events": (
        "opentelemetry-instrumentation-openai",
        partial(clients.openllmetry_openai, on_span=False),
    ),
    "openllmetry-anthropic": (
        "opentelemetry-instrumentation-anthropic",
        clients.openllmetry_anthropic,
    ),
    "openllmetry-anthropic-events": (
        "opentelemetry-instrumentation-anthropic",
        partial(clients.openllmetry_anthropic, on_span=False),
    ),
    "langsmith-langchain": ("langsmith", frameworks.langsmith_langchain),
    "pydantic-ai": ("pydantic-ai-slim", frameworks.pydantic_ai),
    "pydantic-ai-6": ("pydantic-ai-slim", partial(frameworks.pydantic_ai, version=6)),
}


def main(apps: list[str]) -> None:
    address = endpoint.serve()
    json.dump({app: recorded(app, address) for app in apps}, sys.stdout)


def recorded(app: str, address: str) -> dict[str, Any]:
    package, instrument = APPS[app]
    recording = Recording()
    cases: dict[str, Any] = {}
    for name, run in instrument(recording, address).items():
        try:
            run()
        except Exception:  # noqa: BLE001 # told in the recording
            cases[name] = {"broke": traceback.format_exc(), "spans": [], "logs": []}
            recording.taken()
            continue
        cases[name] = recording.taken()
    recording.end()
    return {"package": package, "version": version(package), "cases": cases}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ImportError as error:
        sys.stderr.write(str(error))
        sys.exit(NOT_INSTALLED)
