"""From an ended span to the server, and what becomes of those that it does not take."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from lineside.sdk.processor import LinesideProcessor
from lineside.sdk.settings import SdkSettings
from sdk.collector import Collector

NOBODY = "http://127.0.0.1:9"


class Application:
    """A provider with our processor, as `init` puts them together."""

    def __init__(self, endpoint: str, *, mask: Any = None, **settings: Any) -> None:
        resource = Resource({"service.name": "shop"})
        given = SdkSettings(endpoint=endpoint, **settings)
        self.processor = LinesideProcessor(given, mask, resource)
        self.sender = self.processor.sender
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self.processor)
        self._tracer = provider.get_tracer("test")

    def step(self, name: str, **attributes: Any) -> None:
        self._tracer.start_span(name, attributes=attributes).end()


Start = Callable[..., Application]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Application] = []

    def start(endpoint: str, **settings: Any) -> Application:
        started.append(Application(endpoint, **settings))
        return started[-1]

    yield start
    for application in started:
        application.sender.close(0)


def test_what_does_not_fit_into_the_queue_is_counted_said_once_and_told_to_the_server(
    collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    collector.statuses = [503] * 1_000
    application = start(collector.url, queue_max=5)
    application.step("first")
    assert not application.sender.flush(5)

    for number in range(8):
        application.step(f"later {number}")

    assert application.sender.losses.dropped == {"queue_full": 4}
    collector.statuses.clear()
    assert application.sender.flush(5)
    application.sender.close(5)
    assert collector.spans == ["first", "later 0", "later 1", "later 2", "later 3"]
    assert collector.counts["otel.sdk.processor.span.processed", "queue_full"] == 4
    assert collector.counts["otel.sdk.processor.span.processed", ""] == 5
    begin, total = (record.getMessage() for record in caplog.records)
    assert begin.startswith("Traces are being dropped, because as many spans as may wait")
    assert total.startswith("4 of 9 spans were dropped: 4 because as many spans as may wait")


def test_a_server_that_is_not_there_holds_nobody_up(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    application = start(NOBODY, queue_max=100, exit_seconds=30)
    began = time.monotonic()

    for number in range(1_000):
        application.step(f"step {number}")
    application.processor.shutdown()
    application.step("after the end")

    assert time.monotonic() - began < 10
    assert application.sender.losses.dropped == {
        "queue_full": 900,
        "not_sent_at_exit": 100,
        "already_shutdown": 1,
    }
    first, total = (record.getMessage() for record in caplog.records)
    assert first.startswith("Traces are being dropped, because as many spans as may wait")
    assert f"{NOBODY} cannot be reached" in total


def test_what_the_server_refuses_is_counted_with_its_reason(
    collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 1
    response.partial_success.error_message = "the key is limited to triage"
    collector.answer = response.SerializeToString()
    application = start(collector.url)

    application.step("one")
    application.step("two")
    application.sender.flush(5)
    collector.statuses, collector.answer = [401], b"\x08\x10\x12\x07bad key"
    application.step("three")
    application.sender.close(5)

    assert application.sender.losses.dropped == {"rejected": 2}
    assert "the key is limited to triage" in caplog.text


def test_a_body_that_is_too_large_is_sent_in_smaller_ones(
    collector: Collector, start: Start
) -> None:
    collector.bytes_max = 20_000
    application = start(collector.url)

    for number in range(8):
        application.step(f"small {number}", text="x" * 4_000)
    application.step("giant", text="x" * 30_000)
    application.step("last")
    application.sender.flush(10)

    assert collector.spans == [*(f"small {number}" for number in range(8)), "last"]
    assert application.sender.losses.dropped == {"too_large": 1}


def test_a_server_that_does_not_take_metrics_is_not_asked_again(
    collector: Collector, start: Start
) -> None:
    application = start(collector.url, queue_max=1)
    collector.statuses, collector.metrics_status = [503] * 1_000, 501
    application.step("one")
    application.sender.flush(5)
    application.step("dropped")
    collector.statuses.clear()
    application.sender.flush(5)
    application.step("two")
    application.sender.close(5)

    assert collector.spans == ["one", "two"]
    assert collector.requests.count("/v1/metrics") == 1


def test_a_mask_sees_every_text_before_it_leaves(collector: Collector, start: Start) -> None:
    def mask(text: str) -> str:
        if text == "broken":
            raise ValueError(text)
        return text.replace("4111", "****")

    application = start(collector.url, mask=mask)
    tracer = application._tracer
    with pytest.raises(ValueError), tracer.start_as_current_span("pay 4111") as span:  # noqa: PT011, PT012
        span.set_attribute("card", "4111 1")
        span.set_attribute("odd", "broken")
        raise ValueError("4111 2")
    application.sender.flush(5)

    said = collector.attributes["pay ****"]
    assert (said["card"], said["odd"]) == ("**** 1", "(not sent: the mask failed)")
    assert said["exception.message"] == "**** 2"
    assert "4111" not in str(said)


def test_a_forked_child_sends_its_own_spans_only(collector: Collector, start: Start) -> None:
    collector.statuses = [503]
    application = start(collector.url)
    application.step("of the parent")
    application.sender.flush(5)

    child = os.fork()
    if not child:
        application.step("of the child")
        os._exit(0 if application.sender.flush(5) else 1)
    _, status = os.waitpid(child, 0)
    application.sender.flush(5)

    assert status == 0
    assert sorted(collector.spans) == ["of the child", "of the parent"]
