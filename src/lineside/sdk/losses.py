"""What did not reach the server, and why: counted, said once, and told to the server."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

QUEUE_FULL = "queue_full"
SHUT_DOWN = "already_shutdown"
REFUSED = "rejected"
TOO_LARGE = "too_large"
UNREADABLE = "not_encodable"
NOT_SENT = "not_sent_at_exit"

REASONS = {
    QUEUE_FULL: "as many spans as may wait for the server are waiting already",
    SHUT_DOWN: "lineside was shut down before they ended",
    REFUSED: "the server refused them",
    TOO_LARGE: "they are larger than the server takes",
    UNREADABLE: "they could not be written as OTLP",
    NOT_SENT: "the program ended before the server took them",
}
"""Each reason for which a span is dropped, in words."""

# OpenTelemetry's names for what an SDK says of itself: a processor ends with the hand-over to the
# exporter, whose own losses have a name of their own.
PROCESSED, EXPORTED = "otel.sdk.processor.span.processed", "otel.sdk.exporter.span.exported"
_BY_PROCESSOR = (QUEUE_FULL, SHUT_DOWN)
_WHY_CHARACTERS_MAX = 300

logger = logging.getLogger("lineside")


class Losses:
    """Counts of one process; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped: Counter[str] = Counter()
        self._sent = 0
        self._began_ns = time.time_ns()

    @property
    def dropped(self) -> dict[str, int]:
        """Spans dropped so far, by reason; empty where none was."""
        with self._lock:
            return dict(self._dropped)

    def sent(self, count: int) -> None:
        with self._lock:
            self._sent += count

    def add(self, reason: str, count: int, *, why: str = "") -> None:
        """Count dropped spans; the first ones of the process are said in the log at once."""
        with self._lock:
            # At the very end the total follows at once.
            is_first = not self._dropped and reason != NOT_SENT
            self._dropped[reason] += count
        if is_first:
            logger.warning(
                "Traces are being dropped, because %s%s. hint: `lineside.dropped()` counts them; "
                "this is said once, and again in total when the program ends",
                REASONS[reason],
                f" ({why[:_WHY_CHARACTERS_MAX]})" if why else "",
            )

    def say_total(self, why: str = "") -> None:
        """Say how many were lost, where any was."""
        with self._lock:
            dropped, sent = self._dropped.copy(), self._sent
        if not dropped:
            return
        told = "; ".join(f"{count:,} because {REASONS[name]}" for name, count in dropped.items())
        logger.warning(
            "%s of %s spans were dropped: %s%s",
            f"{dropped.total():,}",
            f"{dropped.total() + sent:,}",
            told,
            f" ({why[:_WHY_CHARACTERS_MAX]})" if why else "",
        )

    def metrics(self, resource: Mapping[str, Any]) -> bytes:
        """The counts as an OTLP metrics message, cumulative since the process began."""
        with self._lock:
            dropped, sent = self._dropped.copy(), self._sent
        by_exporter = {name: n for name, n in dropped.items() if name not in _BY_PROCESSOR}
        by_processor = {name: n for name, n in dropped.items() if name in _BY_PROCESSOR}
        request = ExportMetricsServiceRequest()
        message = request.resource_metrics.add()
        message.resource.attributes.extend(
            _pair(name, str(value)) for name, value in resource.items()
        )
        scope = message.scope_metrics.add()
        scope.scope.name = "lineside.sdk"
        # What is handed to the server has been processed, whatever the server then says.
        self._fill(scope.metrics.add(), PROCESSED, sent + sum(by_exporter.values()), by_processor)
        self._fill(scope.metrics.add(), EXPORTED, sent, by_exporter)
        return bytes(request.SerializeToString())

    def _fill(self, metric: Metric, name: str, good: int, bad: Mapping[str, int]) -> None:
        metric.name, metric.unit = name, "{span}"
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = (
            AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        for reason, count in {"": good, **bad}.items():
            point = metric.sum.data_points.add()
            point.start_time_unix_nano, point.time_unix_nano = self._began_ns, time.time_ns()
            point.as_int = count
            if reason:
                point.attributes.append(_pair("error.type", reason))


def _pair(key: str, value: str) -> KeyValue:
    pair = KeyValue(key=key)
    pair.value.string_value = value
    return pair
