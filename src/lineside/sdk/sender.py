"""Takes ended spans without ever making the application wait, and gets them to the server.

One thread sends what waits in a bounded queue. A span leaves the queue only when the server has
taken it or refused it for good; while the server does not answer, the queue fills up, and what no
longer fits is dropped and counted.
"""

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from lineside.sdk import losses, wire
from lineside.sdk.losses import Losses
from lineside.sdk.settings import SdkSettings

Encode = Callable[[Sequence[ReadableSpan]], bytes]
"""Writes spans as an OTLP message in protobuf."""

_BATCH_SPANS_MAX = 512
_BODY_BYTES_MAX = 8 * 1024 * 1024
_LINGER_SECONDS = 0.5
_REQUEST_SECONDS = 10.0
_BACKOFF_SECONDS_MIN, _BACKOFF_SECONDS_MAX = 0.5, 30.0
_EXIT_PAUSE_SECONDS = 0.25
_REPORT_SECONDS = 5.0
_NO_METRICS_SECONDS = 300.0
_TRY_AGAIN = {408, 429, 502, 503, 504}
_TOO_LARGE = 413
_PROTOBUF = {"content-type": "application/x-protobuf"}


class Sender:
    """The queue and the thread behind it; the thread starts with the first span."""

    def __init__(self, settings: SdkSettings, *, resource: Resource, encode: Encode) -> None:
        self.settings = settings
        self._resource = resource
        self._encode = encode
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin with nothing, as a forked child does: what waited is its parent's to send."""
        self.losses = Losses()
        self._queue: deque[ReadableSpan] = deque()
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._accepted = self._settled = 0
        self._attempts_failed = self._failures_in_row = 0
        self._trouble = ""
        self._is_answering = True
        self._retry_after_seconds = 0.0
        self._reported: dict[str, int] = {}
        self._report_after = 0.0
        self._takes_metrics = True

    def put(self, span: ReadableSpan) -> None:
        """Take a span, or drop and count it; never waits."""
        reason = ""
        with self._changed:
            if self._is_closed:
                reason = losses.SHUT_DOWN
            elif len(self._queue) >= self.settings.queue_max:
                reason = losses.QUEUE_FULL
            else:
                self._queue.append(span)
                self._accepted += 1
                self._start()
                is_much = len(self._queue) >= _BATCH_SPANS_MAX and not self._failures_in_row
        if reason:
            self.losses.add(reason, 1, why=self._trouble)
        elif is_much:
            self._wake.set()

    def flush(self, seconds: float) -> bool:
        """Send what waits now; false where the server did not take it all in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            wanted, failed = self._accepted, self._attempts_failed
            if self._thread is None:
                return self._settled >= wanted
            self._wake.set()
            self._changed.wait_for(
                lambda: self._settled >= wanted or self._attempts_failed > failed,
                timeout=max(0.0, deadline - time.monotonic()),
            )
            return self._settled >= wanted

    def close(self, seconds: float) -> None:
        """Take nothing further, send what waits, and count what the server did not take in time."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
        deadline = time.monotonic() + seconds
        while not self.flush(deadline - time.monotonic()):
            # A server that is not there will not be there a moment later; a busy one may.
            is_hopeless = not self._is_answering or self._thread is None
            if is_hopeless or time.monotonic() + _EXIT_PAUSE_SECONDS > deadline:
                break
            time.sleep(_EXIT_PAUSE_SECONDS)
        with self._changed:
            left = len(self._queue)
            self._queue.clear()
            self._settled += left
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
        if left:
            self.losses.add(losses.NOT_SENT, left, why=self._trouble)
        self.losses.say_total(self._trouble)

    def reopen(self) -> None:
        """Take spans again after a close."""
        with self._changed:
            self._is_closed = False

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="lineside-sender", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter is ending; `close` counts what waits
        self._thread = thread

    def _run(self) -> None:
        # Sending must not be traced, or every batch would give rise to the next.
        otel_context.attach(otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while True:
            self._wake.wait(self._pause_seconds())
            self._wake.clear()
            self._send_waiting()
            with self._changed:
                if self._is_closed and not self._queue:
                    self._thread = None
                    return

    def _pause_seconds(self) -> float:
        if not self._failures_in_row:
            return _LINGER_SECONDS
        grown = _BACKOFF_SECONDS_MIN * 2.0 ** min(self._failures_in_row - 1, 10)
        # All programs of a company lose the server at one moment, and must not return at one.
        spread = min(grown, _BACKOFF_SECONDS_MAX) * random.uniform(0.5, 1.0)  # noqa: S311 # no secret
        return max(spread, min(self._retry_after_seconds, _BACKOFF_SECONDS_MAX))

    def _send_waiting(self) -> None:
        """Send as many as wait now; those that come meanwhile gather into the next batch."""
        left, size = len(self._queue), _BATCH_SPANS_MAX
        while left > 0:
            with self._changed:
                batch = list(islice(self._queue, min(size, left)))
            if not batch:
                break
            if self._is_done_with(batch):
                left -= len(batch)
                size = _BATCH_SPANS_MAX
            elif self._failures_in_row:
                return
            else:
                size = max(1, len(batch) // 2)
        self._report()

    def _is_done_with(self, batch: list[ReadableSpan]) -> bool:
        """Send a batch; false where it must be tried again, in smaller ones if nothing failed."""
        try:
            body = self._encode(batch)
        except Exception as error:  # noqa: BLE001 # one odd span must not stop all others
            return self._dropped_if_single(batch, losses.UNREADABLE, type(error).__name__)
        if len(body) > _BODY_BYTES_MAX and len(batch) > 1:
            return False
        try:
            answer = self._post("/v1/traces", body)
        except OSError as error:
            return self._failed(f"{self.settings.endpoint} cannot be reached: {_said(error)}")
        if answer.status in _TRY_AGAIN:
            self._retry_after_seconds = _seconds(answer.retry_after)
            return self._failed(_status(self.settings.endpoint, answer), is_answering=True)
        self._failures_in_row = 0
        self._trouble = ""
        if answer.status == _TOO_LARGE:
            return self._dropped_if_single(batch, losses.TOO_LARGE, f"{len(body):,} bytes")
        if answer.status != 200:
            self._settle(batch, losses.REFUSED, _status(self.settings.endpoint, answer))
            return True
        self._taken(batch, answer)
        return True

    def _taken(self, batch: list[ReadableSpan], answer: wire.Answer) -> None:
        refused, why = 0, ""
        try:
            partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
            refused, why = min(partial.rejected_spans, len(batch)), partial.error_message
        except ValueError:
            why = ""  # whoever answers 200 in another form took everything
        self.losses.sent(len(batch) - refused)
        if refused:
            self.losses.add(losses.REFUSED, refused, why=why)
        self._settle(batch)

    def _dropped_if_single(self, batch: list[ReadableSpan], reason: str, why: str) -> bool:
        if len(batch) > 1:
            return False
        self._settle(batch, reason, why)
        return True

    def _settle(self, batch: list[ReadableSpan], reason: str = "", why: str = "") -> None:
        if reason:
            self.losses.add(reason, len(batch), why=why)
        with self._changed:
            # After a `close` that could not wait any longer, the queue is already empty.
            gone = min(len(batch), len(self._queue))
            for _ in range(gone):
                self._queue.popleft()
            self._settled += gone
            self._is_answering = True
            self._changed.notify_all()

    def _failed(self, trouble: str, *, is_answering: bool = False) -> bool:
        with self._changed:
            if not self._failures_in_row:
                losses.logger.info("Traces wait, and are sent again: %s", trouble)
            self._failures_in_row += 1
            self._attempts_failed += 1
            self._trouble, self._is_answering = trouble, is_answering
            self._changed.notify_all()
        return False

    def _report(self) -> None:
        """Tell the server what was dropped since it was last told; it may not want to know."""
        dropped = self.losses.dropped
        if dropped == self._reported or self._failures_in_row:
            return
        is_last = self._is_closed and self._takes_metrics
        if time.monotonic() < self._report_after and not is_last:
            return
        self._report_after = time.monotonic() + _REPORT_SECONDS
        try:
            body = self.losses.metrics(self._resource.attributes)
            answer = self._post("/v1/metrics", body)
        except OSError:
            return
        self._takes_metrics = answer.status == 200 or answer.status in _TRY_AGAIN
        if answer.status == 200:
            self._reported = dropped
        elif not self._takes_metrics:
            self._report_after = time.monotonic() + _NO_METRICS_SECONDS

    def _post(self, path: str, body: bytes) -> wire.Answer:
        headers = _PROTOBUF | wire.authorization(self.settings.key)
        url = self.settings.endpoint + path
        return wire.post(url, body, headers, timeout_seconds=_REQUEST_SECONDS)


def _status(endpoint: str, answer: wire.Answer) -> str:
    try:
        # Its two fields have the numbers and types of google.rpc.Status, which is what this is.
        text = ExportTracePartialSuccess.FromString(answer.body).error_message
    except ValueError:
        text = ""
    return f"{endpoint} answered {answer.status}{f': {text}' if text else ''}"


def _said(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error)


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0  # a date; the usual pause does
