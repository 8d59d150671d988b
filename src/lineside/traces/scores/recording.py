"""Writing scores down."""

import math
import re
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any

import orjson

from lineside.core import Invalid, now
from lineside.store import intake
from lineside.traces import privacy
from lineside.traces import queries as traces
from lineside.traces.arrivals import trace_key
from lineside.traces.parts import may_see
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries
from lineside.traces.scores.record import (
    EXPLANATION_CHARACTERS_MAX,
    METADATA_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    TraceScore,
    is_of_step_alone,
    score_row,
)
from lineside.traces.scores.waiting import check_room
from lineside.trust import Scope

FORM = "scores"
"""Form of an envelope that holds rows of scores."""

SCORES_MAX = 1_000
_TRACES_OF_A_STEP_MAX = 100
_STEP_ID = re.compile("(?!0+$)[0-9a-f]{16}")
_RECENT = (timedelta(days=2), timedelta(days=40))
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001 # moments in the lake are UTC without saying so


def record_scores(scope: Scope, scores: Sequence[TraceScore]) -> "Future[None]":
    """Keep scores; the future is done once a killed process can no longer lose them.

    A trace that has not arrived yet may be scored: the score waits for it. Where the trace is here,
    the score belongs to the trace's use case, whatever it says itself. Its texts are kept without
    what the workspace's rules of masking name. At most 1,000 at once.

    Raises:
        Denied: The actor lacks the right `feedback` on the use case.
        Invalid: A score names nothing, says nothing, is too long, or could not be masked.
        Unavailable: Too much waits for the lake already, or the disk is full.
    """
    if len(scores) > SCORES_MAX:
        raise Invalid(
            "too_many_scores",
            f"{len(scores):,} scores were sent, the limit is {SCORES_MAX:,}",
            hint="Send them in several parts.",
        )
    for score in scores:
        _check(score)
    scores = [_masked(scope, score) for score in scores]
    whole = _completed(scope, _with_traces(scope, scores))
    for use_case in {score.use_case for score in whole} or {None}:
        scope.require("feedback", use_case=use_case)
    payload = orjson.dumps([score_row(scope.workspace, score) for score in whole])
    # They wait beside the spans, so that a reader sees both in one state.
    envelope = intake.Envelope(
        scope.workspace, traces.SPANS.name, max(1, len(whole)), payload, form=FORM
    )
    return scope.store.inbox.put_soon(envelope)


def traces_of_steps(
    scope: Scope, span_ids: Collection[str], *, since: datetime = BEGINNING
) -> dict[str, str]:
    """The trace of each of these steps, by the step's id; those that no or several traces have
    are left out, and so is what the actor may not see.

    Every span of the workspace is looked at that began since then, so ask for thousands at once.
    """
    found: dict[str, set[str]] = {}
    limit = len(span_ids) * _TRACES_OF_A_STEP_MAX
    with open_reading(scope) as reading:
        own = None if scope.use_cases is None else sorted(scope.use_cases)
        wanted = [scope.workspace, sorted(span_ids), limit, since, own]
        for row in reading.rows(queries.TRACES_OF_STEPS, wanted):
            found.setdefault(row["span_id"], set()).add(row["trace_id"])
    return {span_id: ids.pop() for span_id, ids in found.items() if len(ids) == 1}


def _check(score: TraceScore) -> None:
    if not score.name.strip() or len(score.name) > NAME_CHARACTERS_MAX:
        raise Invalid(
            "bad_score_name",
            f"The score is named `{score.name[:40]}`, with {len(score.name)} characters",
            hint=f"Give it a name of 1 to {NAME_CHARACTERS_MAX} characters.",
        )
    _check_place(score)
    if score.value is None and not score.label:
        raise Invalid(
            "empty_score",
            f"The score `{score.name}` has no value and no label",
            hint="Send at least one of them; leave out a score that failed.",
        )
    if score.value is not None and not math.isfinite(score.value):
        raise Invalid("bad_score_value", f"The score `{score.name}` is {score.value}")
    _check_metadata(score)
    texts = {
        "label": NAME_CHARACTERS_MAX,
        "explanation": EXPLANATION_CHARACTERS_MAX,
        "identifier": NAME_CHARACTERS_MAX,
    }
    for field, limit in texts.items():
        if len(getattr(score, field) or "") > limit:
            raise Invalid(
                "score_too_long",
                f"The {field} of the score `{score.name}` is longer than {limit:,} characters",
            )


def _check_place(score: TraceScore) -> None:
    is_of = score.session_id is not None or score.response_id is not None
    if score.trace_id is not None:
        return
    if not is_of and score.span_id is not None and _STEP_ID.fullmatch(score.span_id) is None:
        raise Invalid(
            "bad_span_id",
            f"The score `{score.name}` names the step `{score.span_id[:40]}`, which can be none",
            hint="Send its id as 16 hexadecimal digits in small letters, or a `trace_id` as well.",
        )
    if is_of != (score.span_id is not None):
        return
    said = "a step and something else" if is_of else "no trace, step or session, and no answer"
    raise Invalid(
        "score_of_nothing",
        f"The score `{score.name}` names {said}",
        hint="Give it a `trace_id`, or one alone of `span_id`, `session_id` and `response_id`.",
    )


def _check_metadata(score: TraceScore) -> None:
    try:
        size = len(orjson.dumps(score.metadata))
    except TypeError as error:  # as orjson says that it nests too deeply
        raise Invalid(
            "bad_score_metadata",
            f"The metadata of the score `{score.name}` cannot be kept: {error}",
            hint="Send plain JSON, less deeply nested.",
        ) from None
    if size > METADATA_BYTES_MAX:
        raise Invalid(
            "score_too_long",
            f"The metadata of the score `{score.name}` has {size:,} bytes, "
            f"the limit is {METADATA_BYTES_MAX:,}",
        )


def _masked(scope: Scope, score: TraceScore) -> TraceScore:
    # A session's id too: that of its traces was masked when they came.
    fields = ("name", "label", "explanation", "session_id", "identifier", "metadata")
    said = {field: getattr(score, field) for field in fields}
    return score.model_copy(update=privacy.masked_words(scope.store, scope.workspace, **said))


def _completed(scope: Scope, scores: Sequence[TraceScore]) -> list[TraceScore]:
    """The scores with what their traces say of themselves, as far as those are here.

    That of a whole session gets the use case of the session's traces, unless it says one, and the
    name that the session has here, where that is an alias.
    """
    keys = sorted({trace_key(score.trace_id) for score in scores if score.trace_id})
    sessions = sorted({one.session_id for one in scores if one.session_id and not one.trace_id})
    traces: dict[str, list[dict[str, Any]]] = {}
    use_cases: dict[str, str | None] = {}
    called: dict[str, str] = {}
    if keys or sessions:
        with open_reading(scope) as reading:
            if keys:
                rows = reading.rows(queries.TRACES_KNOWN, [scope.workspace, keys])
                for row in rows:
                    traces.setdefault(row["trace_id"], []).append(row)
            if sessions:
                names = {one: _names(scope, one) for one in sessions}
                asked = [scope.workspace, sorted({one for some in names.values() for one in some})]
                rows = reading.rows(queries.SESSIONS_KNOWN, asked)
                use_cases = {row["session_id"]: row["use_case"] for row in rows}
                called = {
                    one: name
                    for one, some in names.items()
                    if (name := next((kept for kept in some if kept in use_cases), None))
                }

    def update(score: TraceScore) -> dict[str, Any]:
        if score.trace_id is None and (score.response_id or score.span_id):
            # The step may come later: within a limit, only its one use case can be meant.
            return {"use_case": score.use_case or _only(scope)}
        if score.trace_id is None:
            name = called.get(score.session_id or "", score.session_id)
            use_case = score.use_case or use_cases.get(name or "")
            return {"use_case": use_case, "session_id": name}
        if score.trace_id not in traces:
            return {"use_case": score.use_case or _only(scope)}
        return _update(score, _meant(scope, score, traces[score.trace_id]))

    return [score.model_copy(update=update(score)) for score in scores]


def _with_traces(scope: Scope, scores: Sequence[TraceScore]) -> list[TraceScore]:
    """The scores, those of a step alone with its trace where that is here."""
    alone = {score.span_id or "" for score in scores if is_of_step_alone(score)}
    if not alone:
        return list(scores)
    known = places_of_steps(scope, alone)
    whole = [
        score.model_copy(update={"trace_id": known.get(score.span_id or "")})
        if is_of_step_alone(score)
        else score
        for score in scores
    ]
    if waiting := sum(map(is_of_step_alone, whole)):
        check_room(scope, waiting)
    return whole


def places_of_steps(scope: Scope, span_ids: Collection[str]) -> dict[str, str]:
    """The trace of each step: mostly it began of late, so that little has to be read."""
    found: dict[str, str] = {}
    moment = now().replace(tzinfo=None)
    for since in (*(moment - age for age in _RECENT), BEGINNING):
        if left := set(span_ids) - found.keys():
            found |= traces_of_steps(scope, left, since=since)
    return found


def _names(scope: Scope, session_id: str) -> list[str]:
    return privacy.names_kept(scope.store, scope.workspace, "session_id", session_id)


def _only(scope: Scope) -> str | None:
    return min(scope.use_cases) if scope.use_cases and len(scope.use_cases) == 1 else None


def _meant(scope: Scope, score: TraceScore, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The part of its trace that a score is of: within the limit of who gave it, best as it says.

    Else the one whose root came first, which stands last.
    """

    def fits(part: dict[str, Any]) -> tuple[bool, bool]:
        use_case = part["use_case"]
        return may_see(scope, use_case), score.use_case is not None and use_case == score.use_case

    return max(reversed(parts), key=fits)


def _update(score: TraceScore, head: dict[str, Any]) -> dict[str, Any]:
    return {
        "use_case": head["use_case"] or score.use_case,
        "release": score.release or head["release"],
        "session_id": score.session_id or head["session_id"],
    }
