"""One answer held against one scorer, for the tests of scorers."""

from typing import Any, NamedTuple

from lineside.evals.scorer import NamedScorer, Score, ScorerContext
from lineside.evals.scorers import build_scorers


class Declaration(NamedTuple):
    kind: str
    name: str
    arguments: dict[str, Any]


def scorer_of(kind: str, files: dict[str, bytes] | None = None, **arguments: Any) -> NamedScorer:
    return build_scorers([Declaration(kind, "it", arguments)], files=files or {})[0]


def context_of(expected: Any = None, output: Any = None, **more: Any) -> ScorerContext:
    asked = more.pop("input", {"message": "Where is my parcel?"})
    return ScorerContext("c1", asked, expected or {}, output or {}, **more)


def judged(kind: str, expected: Any = None, output: Any = None, **arguments: Any) -> Score:
    return scorer_of(kind, **arguments).judge(context_of(expected, output))


def text_score(kind: str, read: str, wanted: Any, **arguments: Any) -> float | None:
    score = judged(kind, {"reply": wanted}, {"reply": read}, field="reply", **arguments)
    assert score.error is None
    return score.value
