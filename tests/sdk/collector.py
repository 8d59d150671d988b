"""A scripted server, for what a real one seldom says."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Answers as it is told, and keeps what it took with a 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.metrics_status = 200
        self.answer = b""
        self.bytes_max = 10_000_000
        self.spans: list[str] = []
        self.attributes: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        self.counts: dict[tuple[str, str], int] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = collector.take(self.path, body)
                self.send_response(status)
                self.send_header("content-length", str(len(collector.answer)))
                self.end_headers()
                self.wfile.write(collector.answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> int:
        self.requests.append(path)
        if path == "/v1/metrics":
            status = self.metrics_status
        else:
            status = self.statuses.pop(0) if self.statuses else 200
        if len(body) > self.bytes_max:
            return 413
        if status == 200 and path == "/v1/metrics":
            self._take_metrics(body)
        elif status == 200:
            self._take_spans(body)
        return status

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take_spans(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for span in (one for scope in resource.scope_spans for one in scope.spans):
                self.spans.append(span.name)
                given = {one.key: one.value.string_value for one in span.attributes}
                for event in span.events:
                    given |= {one.key: one.value.string_value for one in event.attributes}
                self.attributes[span.name] = given

    def _take_metrics(self, body: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                for point in metric.sum.data_points:
                    reason = "".join(one.value.string_value for one in point.attributes)
                    self.counts[metric.name, reason] = point.as_int
