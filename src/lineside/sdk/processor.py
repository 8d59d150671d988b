"""Our place in the application's OpenTelemetry: stamps spans that begin, takes those that end."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import Status

from lineside.sdk.contexts import NAMES, current
from lineside.sdk.sender import Sender
from lineside.sdk.settings import Mask, SdkSettings

UNMASKED = "(not sent: the mask failed)"
"""Stands where a mask raised: what could not be looked through does not leave."""


class LinesideProcessor(SpanProcessor):
    """Marks every span of the process with the context it began in, and hands it to the sender."""

    def __init__(self, settings: SdkSettings, mask: Mask | None, resource: Resource) -> None:
        self._mask = mask
        self._sender = Sender(settings, resource=resource, encode=self._encoded)
        self.configure(settings, mask)

    @property
    def sender(self) -> Sender:
        return self._sender

    def configure(self, settings: SdkSettings, mask: Mask | None) -> None:
        """Go on with other settings, and open again where it was shut down."""
        base = {NAMES["use_case"]: settings.use_case, NAMES["release"]: settings.release}
        self._base: dict[str, Any] = {name: value for name, value in base.items() if value}
        self._mask = mask
        self._sender.settings = settings
        self._sender.reopen()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 # OpenTelemetry's
        stamps = {**self._base, **current()}
        if stamps:
            own = span.attributes or {}
            span.set_attributes({name: stamps[name] for name in stamps if name not in own})

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._sender.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sender.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        self._sender.close(self._sender.settings.exit_seconds)

    def _encoded(self, spans: Sequence[ReadableSpan]) -> bytes:
        # Masking happens here, on the sender's thread: a slow mask slows no request down.
        mask = self._mask
        leaving = spans if mask is None else [_masked(span, mask) for span in spans]
        return bytes(encode_spans(leaving).SerializeToString())


def _masked(span: ReadableSpan, mask: Mask) -> ReadableSpan:
    """The span with every text that an application can have put there looked through."""
    events = [
        Event(event.name, _looked_through(event.attributes, mask), event.timestamp)
        for event in span.events
    ]
    words = span.status.description
    return ReadableSpan(
        name=_safe(span.name, mask),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_looked_through(span.attributes, mask),
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, _safe(words, mask) if words else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _looked_through(attributes: Any, mask: Mask) -> dict[str, Any]:
    return {name: _safe(value, mask) for name, value in (attributes or {}).items()}


def _safe(value: Any, mask: Mask) -> Any:
    if isinstance(value, str):
        try:
            return str(mask(value))
        except Exception:  # noqa: BLE001 # what a mask of the application raises is not ours to know
            return UNMASKED
    if isinstance(value, tuple | list):
        return [_safe(item, mask) for item in value]
    return value
