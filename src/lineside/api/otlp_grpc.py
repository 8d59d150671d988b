"""OTLP over gRPC, on a port of its own: what exporters speak when nobody tells them otherwise."""

import errno
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from starlette.datastructures import Headers

from lineside.api import answers
from lineside.api.senders import Senders
from lineside.core import LinesideError
from lineside.traces import logs, metrics, receive, refusals
from lineside.trust import Scope

if TYPE_CHECKING:
    import grpc


class _Service(NamedTuple):
    door: str
    take: Callable[..., receive.Receipt]


SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": _Service("traces", receive.receive_otlp),
    "opentelemetry.proto.collector.logs.v1.LogsService": _Service("logs", logs.receive_logs),
    "opentelemetry.proto.collector.metrics.v1.MetricsService": _Service(
        "metrics", metrics.receive_metrics
    ),
}
"""Services whose `Export` is answered, and what takes their messages in."""

_THREADS = 8
_READING_AT_ONCE = 2
_CALLS_MAX = 1_000
_DURABLE_SECONDS = 30.0
_STOP_SECONDS = 5.0
_UNAVAILABLE = 14

_log = logging.getLogger("lineside")


class GrpcState(NamedTuple):
    """Where OTLP over gRPC is received, or why it is not; neither while it is switched off."""

    address: str | None = None
    error: str | None = None


class OtlpGrpc:
    """Receives what exporters send by gRPC, beside the server and never in its way.

    A port that is taken is told and costs this door alone: the same telemetry can come over HTTP.
    """

    def __init__(self, local: Scope) -> None:
        self._local = local
        self._senders = Senders(local)
        self._turned_away = refusals.TurnedAway(local.store)
        self._bytes_max = local.store.settings.otlp_bytes_max
        self._reading = threading.Semaphore(_READING_AT_ONCE)
        self._starting: threading.Thread | None = None
        self._server: grpc.Server | None = None
        self.state = GrpcState()

    def start(self) -> None:
        """Begin to listen within a moment, in a thread: the first page must not wait for gRPC."""
        if self._local.store.settings.otlp_grpc_port:
            self._starting = threading.Thread(target=self._start, name="lineside-grpc", daemon=True)
            self._starting.start()

    def stop(self) -> None:
        """Answer the calls at hand, and take no further ones."""
        if self._starting is not None:
            self._starting.join(_STOP_SECONDS)
        if self._server is not None:
            self._server.stop(_STOP_SECONDS).wait(2 * _STOP_SECONDS)

    def _start(self) -> None:
        settings = self._local.store.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{host}:{settings.otlp_grpc_port}"
        try:
            _refuse_taken(settings.host, settings.otlp_grpc_port)
            self._server = self._listen(address)
        except (OSError, RuntimeError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            why = "the port is taken" if taken else str(error)
            self.state = GrpcState(error=f"No OTLP over gRPC at {address}: {why}")
            _log.warning(
                "%s; everything else works\n"
                "hint: Set LINESIDE_OTLP_GRPC_PORT to a free port, or to 0 for none",
                self.state.error,
            )
        else:
            self.state = GrpcState(address=address)

    def _listen(self, address: str) -> "grpc.Server":
        import grpc

        server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="lineside-grpc"),
            options=[
                ("grpc.max_receive_message_length", self._bytes_max),
                # Else a second server would share the port, and each get half of what is sent.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=_CALLS_MAX,
        )
        for name, service in SERVICES.items():
            # Without a deserialiser, the message arrives as its bytes, which is how it is kept.
            export = grpc.unary_unary_rpc_method_handler(self._export(service))
            handler = grpc.method_handlers_generic_handler(name, {"Export": export})
            server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(address)
        server.start()
        return server

    def _export(self, service: _Service) -> "Callable[[bytes, grpc.ServicerContext], bytes]":
        def export(body: bytes, context: "grpc.ServicerContext") -> bytes:
            headers = _headers(context)
            try:
                scope = self._senders.scope(headers)
                with self._reading:
                    receipt = service.take(
                        scope,
                        body,
                        media_type=receive.PROTOBUF,
                        encoding="",  # gRPC has unpacked it, up to the same limit
                        bytes_max=self._bytes_max,
                        use_cases=self._senders.use_cases(scope),
                    )
                _wait_until_kept(receipt)
            except LinesideError as error:
                sender = self._senders.known(headers)
                status = answers.http_status(error)
                self._turned_away.count(sender, error, door=service.door, status=status)
                _refuse(context, error)
            return answers.partial_success(receipt.refused, receipt.why)

        return export


def _refuse_taken(host: str, port: int) -> None:
    """Ask for the port in a way that says why not; gRPC would write its own reasons to stderr."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _wait_until_kept(receipt: receive.Receipt) -> None:
    try:
        receipt.durable.result(_DURABLE_SECONDS)
    except LinesideError:
        raise
    except Exception as error:
        raise answers.not_kept(error) from error


def _headers(context: "grpc.ServicerContext") -> Headers:
    pairs = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in context.invocation_metadata()
        if isinstance(value, str)
    ]
    return Headers(raw=pairs)


def _refuse(context: "grpc.ServicerContext", error: LinesideError) -> NoReturn:
    import grpc

    number, text = answers.grpc_code(answers.http_status(error)), answers.in_words(error)
    status = answers.rpc_status(number, text, is_retryable=number == _UNAVAILABLE)
    context.set_trailing_metadata((("grpc-status-details-bin", status),))
    code = next(one for one in grpc.StatusCode if one.value[0] == number)
    context.abort(code, text)
    raise AssertionError("gRPC ends a call by raising")
