"""Whole applications, each a process of its own, that call `lineside.init()`."""

import json
import os
import subprocess
import sys
from typing import Any

from sdk.collector import Collector
from sdk.conftest import Run, Server

SHOP = """
import asyncio, threading, contextvars
import lineside

lineside.init(use_case="triage", service="shop")

@lineside.step(kind="tool")
def look_up(order):
    return {"state": "sent"}

@lineside.step(kind="agent")
async def answer(question):
    await asyncio.to_thread(look_up, 7)
    print(lineside.current_trace_id())
    return "It was sent"

with lineside.context(user="u1", session="s1", release="r9", arm="canary", tenant="acme"):
    asyncio.run(answer("Where is it?"))
"""


def shown(server: Server, trace_id: str) -> list[dict[str, Any]]:
    """What `lineside traces show --json` says."""
    ran = subprocess.run(
        [sys.executable, "-m", "lineside", "traces", "show", trace_id, "--json"],
        env=os.environ | {"LINESIDE_HOME": str(server.home)},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_what_an_application_did_can_be_read_when_it_has_ended(run: Run, server: Server) -> None:
    ran = run(SHOP, LINESIDE_ENDPOINT=server.url)

    agent, tool = shown(server, ran.lines[0])
    assert (agent["name"], agent["kind"], agent["service"]) == ("answer", "agent", "shop")
    assert (agent["input"], agent["output"]) == ({"question": "Where is it?"}, "It was sent")
    assert (tool["kind"], tool["tool_name"]) == ("tool", "look_up")
    assert (tool["input"], tool["output"]) == ({"order": 7}, {"state": "sent"})
    assert tool["parent_span_id"] == agent["span_id"]
    for span in (agent, tool):
        assert (span["use_case"], span["user_id"], span["session_id"]) == ("triage", "u1", "s1")
        assert (span["release"], span["arm"]) == ("r9", "canary")
        assert span["raw"]["attributes"]["tenant"] == "acme"
    assert ran.log == ""


def test_feedback_goes_to_the_answer_it_is_about(run: Run, server: Server) -> None:
    code = """
    import lineside
    lineside.init()
    with lineside.step("answer") as step:
        pass
    print(lineside.feedback(step.trace_id, thumb="down", comment="too late"))
    try:
        lineside.feedback("0" * 32, thumb="up")
    except Exception as error:
        print(type(error).__name__, error.code)
    """
    first, second = run(code, LINESIDE_ENDPOINT=server.url).lines

    assert first.startswith("fb_")
    assert second == "NotFound unknown_trace"


def test_without_a_server_the_application_runs_on_and_the_loss_is_said_at_its_end(run: Run) -> None:
    ran = run(
        "import lineside; lineside.init(); lineside.step(lambda: print('done'))()",
        LINESIDE_PORT="9",
    )

    assert ran.lines == ["done"]
    assert "1 of 1 spans were dropped: 1 because the program ended before" in ran.log
    assert "http://127.0.0.1:9 cannot be reached" in ran.log
    assert ran.seconds < 10


def test_a_provider_that_the_application_has_set_stays(run: Run, collector: Collector) -> None:
    code = """
    import lineside
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    own = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(own))
    trace.set_tracer_provider(provider)
    lineside.init(release="r1")
    lineside.init(release="r2")
    assert trace.get_tracer_provider() is provider
    with lineside.context(user="u1"), trace.get_tracer("theirs").start_as_current_span("outer"):
        with lineside.step("inner"):
            pass
    print([span.name for span in own.get_finished_spans()])
    """
    ran = run(code, LINESIDE_ENDPOINT=collector.url + "/v1/traces")

    assert ran.lines == ["['inner', 'outer']"]
    assert collector.spans == ["inner", "outer"]
    outer = collector.attributes["outer"]
    assert (outer["lineside.user"], outer["lineside.release"]) == ("u1", "r2")


def test_a_setting_that_cannot_be_used_is_said_and_stops_nothing(run: Run) -> None:
    ran = run(
        "import lineside; lineside.init(); lineside.step(lambda: print('done'))()",
        LINESIDE_QUEUE_MAX="many",
    )

    assert ran.lines == ["done"]
    assert "Traces are not sent: `queue_max` is `many`, expected a positive number" in ran.log


def test_importing_lineside_imports_nothing_else(run: Run) -> None:
    code = """
    import sys
    before = set(sys.modules)
    import lineside
    print(sorted(set(sys.modules) - before))
    import lineside.traces
    print(callable(lineside.traces), "traces" in dir(lineside), lineside.dropped())
    """
    assert run(code).lines == ["['lineside']", "True True {}"]


def test_an_installed_instrumentation_is_switched_on_once_for_its_library(
    run: Run, collector: Collector
) -> None:
    code = """
    import logging
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    import openai
    import lineside
    lineside.init(instrument="openai")
    with lineside.context(user="u1"):
        try:
            client = openai.OpenAI(base_url="http://127.0.0.1:9", api_key="k", max_retries=0)
            client.chat.completions.create(model="m", messages=[])
        except openai.APIConnectionError:
            pass
    """
    ran = run(code, LINESIDE_ENDPOINT=collector.url)

    assert "Instrumentations that are on: openinference-instrumentation-openai\n" in ran.log
    assert collector.spans == ["ChatCompletion"]
    assert collector.attributes["ChatCompletion"]["lineside.user"] == "u1"
