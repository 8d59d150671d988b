"""Annotations in Phoenix's words: of a step, a trace or a session; kept as scores and notes."""

import hashlib
import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from lineside.core import Denied, Invalid, NotFound, Record, now
from lineside.traces import marks
from lineside.traces.parts import may_see
from lineside.traces.scores import TraceScore, record_scores
from lineside.traces.scores.listing import scores_of
from lineside.traces.scores.record import KINDS
from lineside.traces.scores.recording import SCORES_MAX, places_of_steps
from lineside.trust import Scope

Target = Literal["span", "trace", "session"]

NOTE = "note"
SPANS_MAX = 1_000
_ID = {"span": re.compile("(?!0+$)[0-9a-f]{16}"), "trace": re.compile("(?!0+$)[0-9a-f]{32}")}
_NAMED_MAX = 5
_KINDS_SAID = {"person": "HUMAN", "judge": "LLM", "code": "CODE"}


class AnnotationResult(Record):
    """What an annotation says; at least one of them."""

    label: str | None = None
    score: float | None = None
    explanation: str | None = None


class Annotation(Record):
    """One annotation as it is sent, of the one thing whose id it has."""

    name: str
    annotator_kind: Literal["LLM", "CODE", "HUMAN"] = "HUMAN"
    span_id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    result: AnnotationResult | None = None
    metadata: dict[str, Any] | None = None
    identifier: str | None = None


class _Place(NamedTuple):
    trace_id: str | None
    span_id: str | None
    session_id: str | None


def record_annotations(scope: Scope, of: Target, said: Sequence[Annotation]) -> list[str]:
    """Keep annotations durably, all of them or none; gives an id for each.

    A later one of the same name, identifier and sender on the same thing takes the place of the
    earlier. What has no score and no label is a note on the trace. Of a step or trace that is not
    here, or that the actor may not see, it waits for such a one: within the actor's use case, if
    there is one limit.

    Raises:
        NotFound: What cannot be an id of a step or trace; or none is here, and the actor is limited
            to several use cases, so that it is open for which of them to wait.
        Unavailable: Too many wait already.
        Invalid: One says nothing, or too much.
        Denied: The right `feedback` is missing.
    """
    if len(said) > SCORES_MAX:
        raise Invalid(
            "too_many_scores",
            f"{len(said):,} annotations were sent, the limit is {SCORES_MAX:,}",
            hint="Send them in several parts.",
        )
    for one in said:
        _check(of, one)
    places, lost = _places(scope, of, said)
    moment = now()
    scores: list[TraceScore] = []
    notes: list[tuple[str, str]] = []
    for number, (one, place) in enumerate(zip(said, places, strict=True)):
        # Of several that take each other's place, the last is the latest.
        score = _score(scope, one, place, at=moment + timedelta(microseconds=number))
        is_words = score.value is None and score.label is None
        if is_words and place.trace_id is not None and place not in lost:
            notes.append((place.trace_id, _note(one)))
        else:
            scores.append(_worded(score) if is_words else score)
    try:
        for trace_id, text in notes:
            marks.note_on_trace(scope, trace_id, text)
        durable = record_scores(scope, scores) if scores else None
    except Denied as error:
        if scope.use_cases is None or error.code == "missing_right":
            raise
        raise _unknown(of, [_id_of(of, one) for one in said]) from None
    if durable is not None:
        durable.result()
    both = zip(said, places, strict=True)
    return [_annotation_id(place, one.name, one.identifier) for one, place in both]


def annotations_of_steps(
    scope: Scope,
    span_ids: Collection[str],
    *,
    names: Collection[str] = (),
    without: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Scores of some steps as annotations, the earliest first; only what the actor may see."""
    scope.require("read", use_case=min(scope.use_cases) if scope.use_cases else None)
    wanted = {span_id.strip().lower() for span_id in span_ids}
    known = places_of_steps(scope, wanted)
    if not known:
        return []
    return [
        _as_annotation(score)
        for score in scores_of(scope, sorted(set(known.values())))
        if score.span_id in wanted
        and (not names or score.name in names)
        and score.name not in without
    ]


def _check(of: Target, one: Annotation) -> None:
    if not _id_of(of, one):
        raise Invalid(
            "annotation_of_nothing",
            f"The annotation `{one.name[:40]}` has no `{of}_id`",
            hint=f"Give the `{of}_id` that it is about.",
        )
    said = one.result or AnnotationResult()
    if said.score is None and not said.label and not (said.explanation or "").strip():
        raise Invalid(
            "empty_annotation",
            f"The annotation `{one.name[:40]}` has no score, no label and no explanation",
            hint="Send at least one of them.",
        )


def _places(
    scope: Scope, of: Target, said: Sequence[Annotation]
) -> tuple[list[_Place], set[_Place]]:
    """What each is about, and what of it is not here."""
    if of == "session":
        return [_Place(None, None, (one.session_id or "").strip()) for one in said], set()
    ids = [_id_of(of, one) for one in said]
    if of == "trace":
        there = marks.use_cases_of(scope, set(ids))
        known = {one: one for one, use_case in there.items() if may_see(scope, use_case)}
    else:
        known = places_of_steps(scope, set(ids))
    missing = [one for one in dict.fromkeys(ids) if one not in known]
    can_wait = scope.use_cases is None or len(scope.use_cases) == 1
    no_ids = [one for one in missing if not (can_wait and _ID[of].fullmatch(one))]
    if no_ids:
        raise _unknown(of, no_ids)
    trace_ids = dict.fromkeys(missing, None) if of == "span" else dict(zip(ids, ids, strict=True))
    places = {
        one: _Place(known.get(one, trace_ids.get(one)), one if of == "span" else None, None)
        for one in ids
    }
    return [places[one] for one in ids], {places[one] for one in missing}


def _unknown(of: Target, ids: Sequence[str]) -> NotFound:
    named = ", ".join(f"`{one[:64]}`" for one in ids[:_NAMED_MAX])
    more = f" and {len(ids) - _NAMED_MAX:,} more" if len(ids) > _NAMED_MAX else ""
    return NotFound(
        f"unknown_{of}",
        f"No {'step' if of == 'span' else of} has the id {named}{more}; nothing was kept",
        hint="Send what it is about first (a program flushes its spans), then this again.",
    )


def _id_of(of: Target, one: Annotation) -> str:
    given: str | None = getattr(one, f"{of}_id")
    return (given or "").strip() if of == "session" else (given or "").strip().lower()


def _score(scope: Scope, one: Annotation, place: _Place, *, at: datetime) -> TraceScore:
    said = one.result or AnnotationResult()
    return TraceScore(
        name=one.name.strip(),
        value=said.score,
        label=said.label or None,
        explanation=said.explanation,
        source=KINDS.get(one.annotator_kind, "api"),
        by=scope.actor.name,
        identifier=one.identifier or "",
        metadata=one.metadata or None,
        at=at,
        **place._asdict(),
    )


def _worded(score: TraceScore) -> TraceScore:
    """A session has no notes, nor what is not here: what is only words is labelled `note`."""
    return score.model_copy(update={"label": NOTE})


def _note(one: Annotation) -> str:
    words = ((one.result or AnnotationResult()).explanation or "").strip()
    return words if one.name.strip().lower() == NOTE else f"{one.name.strip()}: {words}"


def _annotation_id(place: _Place, name: str, identifier: str | None) -> str:
    # The same for a step whose trace is not known yet.
    told = "\0".join((place.span_id or place.trace_id or "", place.session_id or "", name))
    told = f"{told}\0{identifier or ''}"
    return f"annotation_{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def _as_annotation(score: TraceScore) -> dict[str, Any]:
    place = _Place(score.trace_id, score.span_id, score.session_id if not score.trace_id else None)
    moment = score.at.isoformat()
    return {
        "id": _annotation_id(place, score.name, score.identifier),
        "span_id": score.span_id,
        "name": score.name,
        "annotator_kind": _KINDS_SAID.get(score.source, "CODE"),
        "result": {
            "label": score.label,
            "score": score.value,
            "explanation": score.explanation,
        },
        "metadata": score.metadata or {},
        "identifier": score.identifier or "",
        "created_at": moment,
        "updated_at": moment,
        "source": "API",
        "user_id": None,
    }


def read_annotations(document: Any) -> list[Annotation]:
    """The annotations that a request holds.

    Raises:
        Invalid: It holds none, or one cannot be read; says which field, and what it should be.
    """
    found = document.get("data") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise Invalid(
            "not_annotations",
            "The body holds no list `data` of annotations",
            hint='Send {"data": [{"span_id": "…", "name": "…", "annotator_kind": "HUMAN", '
            '"result": {"score": 1}}]}.',
        )
    try:
        return [Annotation.model_validate(one) for one in found]
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the annotation"
        raise Invalid(
            "bad_annotation", f"An annotation cannot be read: {place}: {first['msg']}"
        ) from None
