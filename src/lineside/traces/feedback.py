"""What people say of an answer, tied to the trace that gave it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from lineside.core import Denied, Invalid, NotFound, Record, new_id, now
from lineside.traces import marks, privacy, queries
from lineside.traces.parts import may_see, own_words
from lineside.traces.record import load_trace
from lineside.trust import Scope

COMMENT_CHARACTERS_MAX = 5_000


class Feedback(Record):
    """One person's word on one answer.

    Attributes:
        thumb: `up` or `down`, or nothing.
        correction: The output as it should have been; a later test case may be made of it.
        comment: In the person's words.
    """

    id: str
    trace_id: str
    use_case: str | None
    release: str | None
    thumb: Literal["up", "down"] | None = None
    correction: dict[str, Any] | None = None
    comment: str | None = None
    given_by: str
    given_at: datetime


def give_feedback(
    scope: Scope,
    trace_id: str,
    *,
    thumb: Literal["up", "down"] | None = None,
    correction: dict[str, Any] | None = None,
    comment: str | None = None,
) -> Feedback:
    """Keep what a person says of an answer, without what the workspace's rules of masking name.

    Raises:
        NotFound: No such trace in this workspace.
        Invalid: Nothing was said, or the comment is longer than 5,000 characters, or could not
            be masked.
    """
    _check(thumb, correction, comment)
    roots = [span for span in load_trace(scope, trace_id) if not span.parent_span_id]
    # Where several use cases have a part in the trace, the answer is that of one within the limit.
    root = next((one for one in roots if may_see(scope, one.use_case)), next(iter(roots), None))
    if root is None:
        raise NotFound(
            "unknown_trace",
            f"No answer has the trace id `{trace_id[:64]}`",
            hint="Use the `trace_id` that came with the answer.",
        )
    scope.require("feedback", use_case=root.use_case)
    feedback = _clean(
        scope,
        Feedback(
            id=new_id("fb"),
            trace_id=trace_id,
            use_case=root.use_case,
            release=root.release,
            thumb=thumb,
            correction=correction,
            comment=comment,
            given_by=scope.actor.name,
            given_at=now(),
        ),
    )
    with scope.store.records.write() as connection:
        queries.insert_feedback(connection, scope.workspace, feedback.model_dump())
    return feedback


def list_feedback(
    scope: Scope, *, use_case: str | None = None, trace_id: str | None = None, limit: int = 50
) -> list[Feedback]:
    """What was said lately, newest first."""
    scope.require("read", use_case=use_case)
    with scope.store.records.read() as connection:
        rows = queries.latest_feedback(
            connection, scope.workspace, use_case=use_case, trace_id=trace_id, limit=limit
        )
    return [Feedback.model_validate(row) for row in rows]


def feedback_on(scope: Scope, trace_ids: Sequence[str]) -> list[Feedback]:
    """What was said of these traces, the earliest first, as far as the actor may see it."""
    with scope.store.records.read() as connection:
        rows = queries.feedback_on(connection, scope.workspace, trace_ids)
    return own_words(scope, [Feedback.model_validate(row) for row in rows])


def bring_feedback(scope: Scope, brought: Sequence[Feedback]) -> list[tuple[Feedback, str]]:
    """Keep feedback that was given elsewhere, with who gave it and when; each once.

    Returns:
        What could not be kept, each with why in words.
    """
    refused: list[tuple[Feedback, str]] = []
    whole: list[Feedback] = []
    heads = marks.use_cases_of(scope, {one.trace_id for one in brought})
    for one in sorted(brought, key=lambda one: one.given_at):
        try:
            use_case = marks.use_case_among(heads, one.trace_id)
            scope.require("feedback", use_case=use_case)
            _check(one.thumb, one.correction, one.comment)
            whole.append(_clean(scope, one.model_copy(update={"use_case": use_case})))
        except (NotFound, Invalid, Denied) as error:
            refused.append((one, error.message))
    with scope.store.records.write() as connection:
        ids = sorted({one.trace_id for one in whole})
        rows = queries.feedback_on(connection, scope.workspace, ids)
        there = [_said(Feedback.model_validate(row)) for row in rows]
        for one in whole:
            if _said(one) not in there:
                there.append(_said(one))
                fresh = one.model_dump() | {"id": new_id("fb")}
                queries.insert_feedback(connection, scope.workspace, fresh)
    return refused


def _check(thumb: str | None, correction: dict[str, Any] | None, comment: str | None) -> None:
    """Refuse what says nothing, or too much."""
    if thumb is None and correction is None and not comment:
        raise Invalid(
            "empty_feedback",
            "Feedback holds no thumb, no correction and no comment",
            hint="Send at least one of them.",
        )
    if comment and len(comment) > COMMENT_CHARACTERS_MAX:
        raise Invalid(
            "comment_too_long",
            f"The comment has {len(comment):,} characters, the limit is {COMMENT_CHARACTERS_MAX:,}",
        )


def _clean(scope: Scope, said: Feedback) -> Feedback:
    """The feedback without what is masked."""
    words = privacy.masked_words(
        scope.store, scope.workspace, correction=said.correction, comment=said.comment
    )
    return said.model_copy(update=words)


def _said(one: Feedback) -> dict[str, Any]:
    """All by which feedback is told from other feedback; its id is another wherever it is kept."""
    return one.model_dump(exclude={"id", "use_case"})
