import time
from typing import Any

import pytest

from lineside.core import Invalid
from lineside.evals.scorer import Score, ScorerContext
from lineside.evals.scorers import build_scorers


class Declaration:
    def __init__(self, kind: str, name: str = "it", **arguments: Any) -> None:
        self.name = name
        self.kind = kind
        self.arguments = arguments


def judge(
    declaration: Declaration,
    *,
    expected: Any = None,
    output: Any = None,
    files: dict[str, bytes] | None = None,
) -> Score:
    context = ScorerContext("c1", {"message": "m"}, expected or {}, output or {}, 12.5, 0.001)
    return build_scorers([declaration], files=files or {})[0].judge(context)


def refusal(declaration: Declaration, files: dict[str, bytes] | None = None) -> Invalid:
    with pytest.raises(Invalid) as caught:
        build_scorers([declaration], files=files or {})
    return caught.value


def test_without_a_declaration_accuracy_latency_and_cost_are_scored() -> None:
    context = ScorerContext("c1", {}, {"topic": "a"}, {"topic": "a", "more": 1}, 12.5, None)

    scores = [scorer.judge(context) for scorer in build_scorers([], files={})]

    assert [(score.name, score.value) for score in scores] == [
        ("accuracy", 1.0),
        ("latency_ms", 12.5),
        ("cost_usd", None),
    ]


@pytest.mark.parametrize(
    ("kind", "arguments", "expected", "output", "value"),
    [
        ("exact", {}, {"topic": "a"}, {"topic": "b"}, 0),
        ("exact", {}, {"n": True}, {"n": 1}, 0),
        ("exact", {}, {"n": 1}, {"n": 1.0}, 1),
        ("exact", {}, {"n": [1, {"a": 2}]}, {"n": [1, {"a": 2}]}, 1),
        ("exact", {"fields": ["x"]}, {"x": 1, "y": 2}, {"x": 1, "y": 3}, 1),
        ("exact", {}, {}, {"x": 1}, None),
        ("contains", {"field": "t", "text": "refund"}, {}, {"t": "Your REFUND"}, 1),
        ("contains", {"field": "t", "text": "A", "ignore_case": False}, {}, {"t": "a"}, 0),
        ("contains", {"field": "t"}, {"t": ["a", "b"]}, {"t": "a c"}, 0),
        ("regex", {"field": "t", "pattern": r"^\d+$"}, {}, {"t": "123"}, 1),
        ("regex", {"field": "t", "pattern": "é", "ignore_case": True}, {}, {"t": "CAFÉ"}, 1),
        ("regex", {"field": "t", "pattern": "bad", "must_match": False}, {}, {"t": "bad"}, 0),
        ("numeric", {"field": "n", "absolute": 0.1}, {"n": 1.0}, {"n": 1.05}, 1),
        ("numeric", {"field": "n", "relative": 0.01}, {"n": 100}, {"n": 102}, 0),
        ("numeric", {"field": "n"}, {"n": 1}, {"n": "1"}, 0),
        ("set_f1", {"field": "t"}, {"t": ["a", "b"]}, {"t": ["b", "c"]}, 0.5),
        ("set_f1", {"field": "t"}, {"t": []}, {"t": []}, 1),
        ("set_f1", {"field": "t"}, {}, {"t": []}, None),
        ("json_schema", {"schema": {"required": ["a"]}}, {}, {"b": 1}, 0),
        ("json_schema", {"schema": {"required": ["a"]}}, {}, {"a": 1}, 1),
        ("latency_ms", {}, {}, {}, 12.5),
        ("cost_usd", {}, {}, {}, 0.001),
    ],
)
def test_built_in_scorers(
    kind: str, arguments: Any, expected: Any, output: Any, value: float | None
) -> None:
    score = judge(Declaration(kind, **arguments), expected=expected, output=output)
    assert (score.value, score.error) == (value, None)


def test_a_wrong_answer_is_explained() -> None:
    score = judge(Declaration("exact"), expected={"topic": "a"}, output={"topic": "b"})
    assert score.explanation == '`topic` is `"b"`, expected `"a"`'


def test_a_pattern_that_would_take_years_is_a_missing_score_after_a_second() -> None:
    started = time.monotonic()
    score = judge(Declaration("regex", field="t", pattern="(a+)+$"), output={"t": "a" * 60 + "b"})

    assert score.value is None
    assert "took longer than 1 s" in str(score.error)
    assert time.monotonic() - started < 5
    assert judge(Declaration("regex", field="t", pattern="a"), output={"t": "a"}).value == 1


FILE = b"""
from dataclasses import dataclass

@dataclass
class Manner:
    words: tuple[str, ...] = ("please",)

def polite(context):
    return {"value": any(w in context.output["t"] for w in Manner().words), "label": "polite"}

def broken(context):
    return 1 / 0

def nothing(context):
    return None

def text(context):
    return "0.5"

def endless(context):
    return float("inf")
"""


def test_ones_own_function_judges() -> None:
    declared = Declaration("python", function="scorers.py:polite")
    score = judge(declared, output={"t": "yes please"}, files={"scorers.py": FILE})
    assert (score.name, score.value, score.label) == ("it", 1.0, "polite")


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("broken", "ZeroDivisionError: division by zero"),
        ("text", "TypeError: the score is str `0.5`, expected a number"),
        ("endless", "ValueError: the score is inf, expected a finite number"),
        ("nothing", None),
    ],
)
def test_a_scorer_that_fails_gives_no_score_and_never_a_zero(
    function: str, error: str | None
) -> None:
    declared = Declaration("python", function=f"scorers.py:{function}")
    score = judge(declared, output={"t": ""}, files={"scorers.py": FILE})
    assert (score.value, score.error) == (None, error)


def test_a_function_or_file_that_is_not_there_is_named() -> None:
    files = {"scorers.py": FILE}
    absent = refusal(Declaration("python", function="scorers.py:polte"), files)
    assert absent.hint == "Did you mean `polite`?"
    assert "no file `scorer.py`" in refusal(Declaration("python", function="scorer.py:f")).message


def test_a_file_that_does_not_load_says_why() -> None:
    declared = Declaration("python", function="s.py:f")
    assert "NameError" in refusal(declared, {"s.py": b"f = g"}).message


def test_mistakes_in_a_declaration_name_the_nearest_word() -> None:
    assert refusal(Declaration("exakt")).hint == "Did you mean `exact`?"
    assert refusal(Declaration("set_f1", feild="t")).hint == "Did you mean `field`?"
    assert "needs `pattern`" in refusal(Declaration("regex", field="t")).message
    assert "cannot be read" in refusal(Declaration("regex", field="t", pattern="(")).message
