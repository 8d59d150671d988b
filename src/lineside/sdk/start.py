"""`lineside.init()` and its end."""

import atexit
import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider

import lineside
from lineside.core import LinesideError
from lineside.sdk.instruments import switch_on
from lineside.sdk.processor import LinesideProcessor
from lineside.sdk.settings import Mask, SdkSettings, read_settings

_FLUSH_SECONDS = 5.0

logger = logging.getLogger("lineside")


class _Running(NamedTuple):
    settings: SdkSettings
    provider: TracerProvider
    processor: LinesideProcessor
    tracer: trace.Tracer


_lock = threading.Lock()
_running: _Running | None = None


def init(
    *,
    endpoint: str | None = None,
    key: str | None = None,
    use_case: str | None = None,
    service: str | None = None,
    release: str | None = None,
    queue_max: int | None = None,
    payload_characters_max: int | None = None,
    exit_seconds: float | None = None,
    instrument: str | Sequence[str] | None = None,
    mask: Mask | None = None,
) -> None:
    """Send what this program does to a lineside server, from now on.

    Whatever is not given is read from the environment (`LINESIDE_ENDPOINT`, `LINESIDE_KEY`, …).
    Where the application has set up OpenTelemetry already, its provider stays and gets one more
    processor; set yours up first. Called again, it goes on with what was said last.

    Nothing here ever raises into the application or holds it up: a setting that cannot be used is
    said in the log of the logger `lineside`, a server that is down is tried again, and what no
    longer fits into the queue is dropped and counted in `dropped()`.

    Args:
        endpoint: Address of the server; this machine unless given.
        instrument: `"auto"` switches on every installed instrumentation of AI libraries, a list of
            names only those.
        mask: Is given each text before it leaves the process (inputs, outputs, any attribute of
            any span, exceptions) and returns the text that may leave.
    """
    global _running
    names = (
        instrument if isinstance(instrument, str) or instrument is None else ",".join(instrument)
    )
    given = {
        "endpoint": endpoint,
        "key": key,
        "use_case": use_case,
        "service": service,
        "release": release,
        "queue_max": queue_max,
        "payload_characters_max": payload_characters_max,
        "exit_seconds": exit_seconds,
        "instrument": names,
    }
    try:
        settings = read_settings(given)
    except LinesideError as error:
        logger.error("Traces are not sent: %s. hint: %s", error.message, error.hint or "change it")
        return
    with _lock:
        if _running is None:
            _running = _begin(settings, mask)
        else:
            _running.processor.configure(settings, mask)
            _running = _running._replace(settings=settings)
        provider = _running.provider
    if settings.instrument:
        switch_on(settings.instrument, provider)


def flush(seconds: float = _FLUSH_SECONDS) -> bool:
    """Send what waits; false where the server did not take all of it in time."""
    return _running is None or _running.processor.sender.flush(seconds)


def shutdown(seconds: float | None = None) -> None:
    """Send what waits and stop; the end of the program does this by itself.

    Args:
        seconds: How long this may take; `exit_seconds` of `init` unless given.
    """
    if _running is not None:
        limit = _running.settings.exit_seconds if seconds is None else seconds
        _running.processor.sender.close(limit)


def dropped() -> dict[str, int]:
    """How many spans never reached the server, by reason; empty where all of them did.

    Reasons are `queue_full`, `rejected`, `too_large`, `not_encodable`, `already_shutdown` and
    `not_sent_at_exit`.
    """
    return {} if _running is None else _running.processor.sender.losses.dropped


def current_trace_id() -> str | None:
    """Id of the trace that the caller is in, 32 hexadecimal digits; nothing outside of one."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def tracer() -> trace.Tracer:
    """What begins the steps of the application; does nothing before `init`."""
    # Asking for it anew would cost a step more than everything else together.
    return _tracer_of(trace.get_tracer_provider()) if _running is None else _running.tracer


def settings() -> SdkSettings | None:
    """What `init` was told, if it was."""
    return None if _running is None else _running.settings


def payload_characters_max() -> int:
    return (settings() or SdkSettings()).payload_characters_max


def _begin(settings: SdkSettings, mask: Mask | None) -> _Running:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        names = {SERVICE_NAME: settings.service} if settings.service else {}
        is_taken = not isinstance(provider, trace.ProxyTracerProvider)
        provider = TracerProvider(resource=Resource.create(names))
        if is_taken:
            logger.warning(
                "Another tracing library holds OpenTelemetry, so only steps marked by lineside "
                "are sent. hint: Call `lineside.init()` before it"
            )
        else:
            trace.set_tracer_provider(provider)
    processor = LinesideProcessor(settings, mask, provider.resource)
    provider.add_span_processor(processor)
    # A provider of the application may have been told not to end with the program.
    atexit.register(shutdown)
    return _Running(settings, provider, processor, _tracer_of(provider))


def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    return provider.get_tracer("lineside.sdk", lineside.__version__)
