"""Scores in Langfuse's words, as its clients send them: kept like all others."""

from typing import Any, NamedTuple

from lineside.core import Denied, Invalid, now
from lineside.traces.importers.langfuse_scores import score_of
from lineside.traces.otlp import Refusal
from lineside.traces.scores import TraceScore, record_scores
from lineside.traces.scores.recording import SCORES_MAX
from lineside.trust import Scope

_FIELDS = ("name", "traceId", "observationId", "sessionId", "datasetRunId", "source", "dataType")


class ScoresTaken(NamedTuple):
    """What became of scores that were sent together.

    Attributes:
        ids: Names of those that were kept.
        refused: Why the others were not, by their place among those that were sent.
    """

    ids: list[str]
    refused: dict[int, str]


_Placed = list[tuple[int, TraceScore]]


def record_langfuse_scores(scope: Scope, document: Any) -> ScoresTaken:
    """Keep a score, or a list of them, durably; one that is none costs no other.

    One with the `id` of an earlier one of the same name on the same thing takes its place. What a
    score is about need not be here: it waits for that.

    Raises:
        Invalid: It is no score and no list of scores; of one alone, what is wrong with it.
        Denied: The right `feedback` is missing; of one alone, on what it is about.
        Unavailable: Too much waits already.
    """
    is_one = not isinstance(document, list)
    rows = [document] if is_one else document
    if not rows or len(rows) > SCORES_MAX:
        raise Invalid(
            "bad_scores",
            f"{len(rows):,} scores were sent, expected 1 to {SCORES_MAX:,}",
            hint="Send them in several parts.",
        )
    refused: dict[int, str] = {}
    read: _Placed = []
    for place, row in enumerate(rows):
        try:
            read.append((place, _read(scope, row)))
        except Invalid as error:
            if is_one:
                raise
            refused[place] = error.message
    kept = _record(scope, read, refused, is_one=is_one)
    return ScoresTaken([score.identifier or score.name for _, score in kept], refused)


def _record(scope: Scope, scores: _Placed, refused: dict[int, str], *, is_one: bool) -> _Placed:
    """Keep them all at once, or one by one where one of them cannot be."""
    if not scores:
        return []
    try:
        record_scores(scope, [score for _, score in scores]).result()
    except (Invalid, Denied) as error:
        if is_one or (len(scores) == 1 and error.code == "missing_right"):
            raise
        if len(scores) == 1:
            refused[scores[0][0]] = error.message
            return []
        half = len(scores) // 2
        parts = scores[:half], scores[half:]
        return [one for part in parts for one in _record(scope, part, refused, is_one=False)]
    return scores


def _read(scope: Scope, row: Any) -> TraceScore:
    if not isinstance(row, dict):
        raise Invalid("bad_score", f"A score is {type(row).__name__}, expected an object")
    for field in _FIELDS:
        if not isinstance(row.get(field), str | None):
            raise Invalid("bad_score", f"The score's `{field}` is no text")
    found = score_of(row | {"timestamp": now().isoformat(), "source": row.get("source") or "API"})
    if isinstance(found, Refusal):
        raise Invalid(
            "bad_score",
            f"{found.span}: {found.reason}",
            hint="Send a `name`, a `value`, and the `traceId` or `sessionId` it is about.",
        )
    given = str(row["id"])[:200] if row.get("id") else None
    return found.model_copy(update={"by": scope.actor.name, "identifier": given})
