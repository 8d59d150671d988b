"""What the instrumentation packages of today really emit, and what is made of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.span import Span

APP = Path(__file__).with_name("instrumented_app.py")
NOT_INSTALLED = 3
TOLD = [("system", "Be brief"), ("user", "Weather in Paris?")]
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}


def emitted(package: str, **switches: str) -> Span:
    """The one span that the app's one call gave."""
    ran = subprocess.run(
        [sys.executable, str(APP), package],
        env=os.environ | switches,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode == NOT_INSTALLED:
        pytest.skip(f"{package} cannot be imported here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    (raw,) = json.loads(ran.stdout)
    return map_span(RawSpan(**raw))


def words(span: Span) -> list[tuple[str, object]]:
    return [(one.role, one.parts[0].get("content")) for one in span.messages_in or []]


def calls(span: Span) -> list[tuple[object, ...]]:
    return [
        (part["id"], part["name"], part["arguments"])
        for one in span.messages_out or []
        for part in one.parts
        if part["type"] == "tool_call"
    ]


def assert_the_call_is_read(span: Span) -> None:
    assert (span.kind, span.status, span.service) == ("model", "ok", "helpdesk")
    assert (span.provider, span.model) == ("openai", "gpt-4o-2024-08-06")
    assert (span.tokens_in, span.tokens_out) == (120, 9)
    assert words(span) == TOLD
    assert calls(span) == [("call_1", "weather", {"city": "Paris"})]
    assert (span.input, span.output) == ("Weather in Paris?", "Let me look")


def test_openinferences_openai_package_is_read() -> None:
    span = emitted("openinference")

    assert_the_call_is_read(span)
    assert (span.tokens_cached_in, span.tokens_reasoning_out) == (64, 3)
    assert span.attributes == {}


def test_opentelemetrys_openai_package_is_read_with_messages_as_events() -> None:
    span = emitted(
        "opentelemetry-openai-v2", OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true"
    )

    assert_the_call_is_read(span)
    assert span.model_asked == "gpt-4o"
    assert [one.finish_reason for one in span.messages_out or []] == ["tool_calls"]


def test_opentelemetrys_openai_package_is_read_with_messages_on_the_span() -> None:
    span = emitted(
        "opentelemetry-openai-v2",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="span_only",
        **LATEST,
    )

    assert_the_call_is_read(span)
    assert span.model_asked == "gpt-4o"
