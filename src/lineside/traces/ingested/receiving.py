"""Taking in a batch of Langfuse's events: each is kept or refused by itself."""

import time
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, NamedTuple

import orjson

from lineside.core import Denied, Invalid, LinesideError, now
from lineside.store import intake
from lineside.traces import privacy
from lineside.traces.compression import unpack
from lineside.traces.conventions.received import storable
from lineside.traces.importers.langfuse import in_camel_case
from lineside.traces.ingested.gathering import NAME
from lineside.traces.ingested.merging import (
    OBSERVATIONS,
    TRACE,
    Event,
    steps_said,
    use_case_named,
)
from lineside.traces.json_values import parsed_json
from lineside.traces.langfuse_scores import record_langfuse_scores
from lineside.traces.otlp import NotASpan, Refusal
from lineside.traces.privacy.aliases import KINDS
from lineside.traces.privacy.masker import Masker
from lineside.traces.receive import USE_CASE_ATTRIBUTE, Route
from lineside.traces.refusals import keep_refusals
from lineside.traces.scores.recording import SCORES_MAX
from lineside.trust import Scope

EVENTS_MAX = 5_000

_SCORE = "score-create"
_STEPS = (
    f"{TRACE}-create",
    *(f"{kind}-{verb}" for kind in OBSERVATIONS for verb in ("create", "update")),
)
_CHARACTERS_SHOWN = 60
_AS_THEY_ARE = {
    *("id", "traceId", "parentObservationId", "type", "level"),
    *("timestamp", "startTime", "endTime", "completionStartTime"),
}
_OF_PEOPLE = {"userId": "user_id", "sessionId": "session_id"}


class EventRefused(NamedTuple):
    """An event that was not kept.

    Attributes:
        error: What was read, what was expected, and what to do.
    """

    id: str
    error: LinesideError


class EventsTaken(NamedTuple):
    """What became of the events of a batch: ids of those kept, and the others."""

    ids: list[str]
    refused: list[EventRefused]


def receive_events(
    scope: Scope, body: bytes, *, encoding: str, bytes_max: int, use_cases: Collection[str]
) -> EventsTaken:
    """Keep the events of a batch durably; one that cannot be kept costs no other.

    What several events say of one step comes together, see `gather`; until then it is not seen.
    Scores are kept as those of `record_langfuse_scores`.

    Args:
        encoding: How the body is compressed, as in the header Content-Encoding.
        bytes_max: Limit of the body, unpacked.
        use_cases: Names of the workspace's use cases.

    Raises:
        Invalid: The body as a whole cannot be read.
        Denied: The rights for all of its events are missing.
        Unavailable: The body is too large, or too much waits for the lake already.
    """
    batch = _Batch(scope, use_cases, _events_in(unpack(body, encoding, bytes_max=bytes_max)))
    batch.keep_steps()
    batch.keep_scores()
    taken = EventsTaken(batch.kept, batch.refused)
    denied = [one.error for one in taken.refused if one.error.code == "missing_right"]
    if denied and len(denied) == len(taken.refused) and not taken.ids:
        raise denied[0]
    batch.count_refused()
    return taken


def _events_in(body: bytes) -> list[Any]:
    document = parsed_json(body)
    events = document.get("batch") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise Invalid(
            "not_a_batch",
            "The body holds no list `batch` of events",
            hint='Send {"batch": [{"id": "…", "type": "trace-create", "timestamp": "…", '
            '"body": {…}}]}.',
        )
    if len(events) > EVENTS_MAX:
        raise Invalid(
            "too_many_events",
            f"{len(events):,} events were sent, the limit is {EVENTS_MAX:,}",
            hint="Send them in several parts.",
        )
    return events


class _Batch:
    def __init__(self, scope: Scope, use_cases: Collection[str], events: list[Any]) -> None:
        self._scope = scope
        self._masker = privacy.masker_of(scope.store, scope.workspace)
        limit = None if scope.use_cases is None else tuple(sorted(scope.use_cases))
        self._route = Route(limit, tuple(use_cases))
        self._steps: dict[str, list[Event]] = {}
        self._scores: list[Event] = []
        self.kept: list[str] = []
        self.refused: list[EventRefused] = []
        for event in events:
            self._attempt(event)

    def _attempt(self, event: Any) -> None:
        try:
            whole = _checked(event)
            if whole["type"] == _SCORE:
                self._scores.append(whole)
            else:
                self._add_step(whole)
        except LinesideError as error:
            self._refuse(event, error)

    def _add_step(self, event: Event) -> None:
        self._check_place(event)
        event["body"] = body = self._masked(storable(event["body"]))
        trace_id = body.get("id" if event["type"] == f"{TRACE}-create" else "traceId")
        try:
            steps_said(str(trace_id), [event])
        except NotASpan as error:
            raise _bad(event, str(error)) from None
        except Exception as error:  # noqa: BLE001 # what cannot be read later must not be kept now
            raise _bad(event, f"it cannot be read ({type(error).__name__})") from None
        self._steps.setdefault(str(trace_id), []).append(event)

    def _check_place(self, event: Event) -> None:
        self._scope.require(
            "ingest", use_case=min(self._scope.use_cases) if self._scope.use_cases else None
        )
        limit, named = self._route.limit, use_case_named(event["body"])
        if limit is None or named in limit or (len(limit) == 1 and not named):
            return
        said = f"use case `{str(named)[:80]}`" if named else "no use case is named"
        raise Denied(
            "other_use_case",
            f"{said}: the key is limited to {', '.join(limit)}",
            hint=f"Use a key of one use case, or name one as `{USE_CASE_ATTRIBUTE}` in the "
            "metadata of every event.",
        )

    def _masked(self, body: dict[str, Any]) -> dict[str, Any]:
        masker = self._masker
        if masker is None:
            return body
        try:
            return {name: _masked(masker, name, value) for name, value in body.items()}
        except ValueError as error:
            raise Invalid(
                "not_masked",
                f"The event was not kept: {error}",
                hint="A rule of `lineside privacy rules` could not be applied to it.",
            ) from None

    def keep_steps(self) -> None:
        """Put what is said of each trace into the inbox; done once it is durable."""
        puts: list[tuple[list[Event], Future[None]]] = []
        for trace_id, events in self._steps.items():
            about = {
                "trace_id": trace_id,
                "limit": self._route.limit,
                "names": self._route.names,
                "received_ns": time.time_ns(),
            }
            envelope = intake.Envelope(
                *(self._scope.workspace, NAME, len(events)),
                orjson.dumps(events),
                form=NAME,
                about=about,
            )
            puts.append((events, self._scope.store.inbox.put_soon(envelope)))
        for events, durable in puts:
            durable.result()
            self.kept += [event["id"] for event in events]

    def keep_scores(self) -> None:
        for start in range(0, len(self._scores), SCORES_MAX):
            some = self._scores[start : start + SCORES_MAX]
            try:
                taken = record_langfuse_scores(self._scope, [one["body"] for one in some])
            except Denied as error:
                for one in some:
                    self._refuse(one, error)
                continue
            for place, one in enumerate(some):
                if place in taken.refused:
                    self._refuse(one, _bad(one, taken.refused[place]))
                else:
                    self.kept.append(one["id"])

    def _refuse(self, event: Any, error: LinesideError) -> None:
        said = event.get("id") if isinstance(event, dict) else None
        self.refused.append(EventRefused(str(said or "")[:200], error))

    def count_refused(self) -> None:
        """Let those see what was refused who did not send it."""
        if self.refused:
            refusals = [Refusal(one.error.message, one.id) for one in self.refused]
            keep_refusals(
                *(self._scope, refusals),
                door="langfuse",
                unit="events",
                named=self._route.names,
            ).result()


def _checked(event: Any) -> Event:
    """An event with its body in camelCase.

    Raises:
        Invalid: It is none that is known, or it lacks what each has.
    """
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise Invalid(
            "bad_event",
            f"An event is {type(event).__name__} without an `id` of its own",
            hint="Send an object with `id`, `type`, `timestamp` and `body`.",
        )
    kind, body = event.get("type"), event.get("body")
    if kind != _SCORE and kind not in _STEPS:
        raise Invalid(
            "unknown_event",
            f"There is no event `{str(kind)[:_CHARACTERS_SHOWN]}` here",
            hint=f"Known are {TRACE}-create, {_SCORE}, and -create and -update of "
            f"{', '.join(OBSERVATIONS)}.",
        )
    whole = {"id": event["id"], "type": kind, "timestamp": event.get("timestamp")}
    if not isinstance(body, dict):
        raise _bad(whole, f"its `body` is {type(body).__name__}, expected an object")
    whole["body"] = in_camel_case(body)
    if kind == _SCORE:
        whole["body"] = {"id": event["id"]} | body
        return whole
    for field in ("id",) if kind == f"{TRACE}-create" else ("id", "traceId"):
        if not whole["body"].get(field) or not isinstance(whole["body"][field], str):
            raise _bad(whole, f"its body has no `{field}` that is a text")
    if not isinstance(whole["timestamp"], str):
        whole["timestamp"] = now().isoformat()
    return whole


def _masked(masker: Masker, name: str, value: Any) -> Any:
    if name in _AS_THEY_ARE:
        return value
    called = _OF_PEOPLE.get(name)
    if called is not None and isinstance(value, str | int):
        return masker.person(KINDS[called], value, name, called)
    return masker.field_value(name, value)


def _bad(event: Event, why: str) -> Invalid:
    return Invalid(
        "bad_event",
        f"The event `{event['type']}` was not kept: {why}",
        hint="Send it as Langfuse's clients do; those from 3 on send steps by OpenTelemetry.",
    )
