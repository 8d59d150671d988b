"""What people and programs say of an answer: feedback to the server, scores onto the span."""

from typing import Any, Literal

import orjson
from opentelemetry import trace

from lineside.core import Unavailable
from lineside.sdk import start, wire
from lineside.sdk.settings import SdkSettings, read_settings
from lineside.sdk.wire import authorization, error_of

_EVENT = "gen_ai.evaluation.result"
_NAME = "gen_ai.evaluation.name"
_VALUE = "gen_ai.evaluation.score.value"
_LABEL = "gen_ai.evaluation.score.label"
_EXPLANATION = "gen_ai.evaluation.explanation"
_FLUSH_SECONDS = 2.0
_REQUEST_SECONDS = 10.0


def feedback(
    trace_id: str,
    *,
    thumb: Literal["up", "down"] | None = None,
    correction: dict[str, Any] | None = None,
    comment: str | None = None,
) -> str:
    """Give a person's word on an answer to the server, and return the feedback's id.

    What the program has not sent yet is sent first, since the trace must have arrived; that is not
    so inside of the trace's own first step.

    Raises:
        NotFound: The server has no finished trace of this id.
        Invalid: Nothing was said, or too much.
        Denied: The key lacks the right `feedback`.
        Unavailable: The server does not answer.
    """
    start.flush(_FLUSH_SECONDS)
    settings = start.settings() or read_settings({})
    said = {"trace_id": trace_id, "thumb": thumb, "correction": correction, "comment": comment}
    answer = _post(settings, "/api/feedback", orjson.dumps(said))
    if answer.status != 201:
        raise error_of(answer)
    return str(orjson.loads(answer.body)["id"])


def score(
    name: str, value: float | None = None, *, label: str | None = None, comment: str | None = None
) -> None:
    """Put a score of the program's own on the step that the caller is in.

    It travels with the step, as OpenTelemetry's event `gen_ai.evaluation.result`.

    Args:
        value: Higher is better, unless whoever reads it knows otherwise.
        label: The score in a word, such as `pass`.
    """
    said = {_NAME: name, _VALUE: value, _LABEL: label, _EXPLANATION: comment}
    given = {key: item for key, item in said.items() if item is not None}
    trace.get_current_span().add_event(_EVENT, given)


def _post(settings: SdkSettings, path: str, body: bytes) -> wire.Answer:
    headers = {"content-type": "application/json"} | authorization(settings.key)
    try:
        return wire.post(settings.endpoint + path, body, headers, timeout_seconds=_REQUEST_SECONDS)
    except OSError as error:
        raise Unavailable(
            "server_unreachable",
            f"{settings.endpoint} cannot be reached: {error}",
            hint="Start it with `lineside up`, or set LINESIDE_ENDPOINT to where it listens.",
        ) from error
