"""Scorers of fields, documents and tool calls."""

import random
from typing import Any

import pytest

from evals.scoring import context_of, judged, scorer_of
from lineside.core import Invalid
from lineside.evals.scorers import BUILT_IN
from lineside.stats import wording
from lineside.usecases import ScorerDeclaration
from lineside.usecases.scorer_kinds import KINDS


def test_the_manifest_knows_each_scorer_and_each_argument_of_it() -> None:
    inner = {"name", "files"}
    for kind, make in BUILT_IN.items():
        words = set(make.__code__.co_varnames[: make.__code__.co_kwonlyargcount]) - inner
        assert words == set(KINDS[kind].takes)
    assert KINDS.keys() == BUILT_IN.keys()


def test_a_number_with_a_unit_of_its_own_is_shown_as_it_is() -> None:
    """Points alone are hundredths of a share."""
    for kind in KINDS.values():
        assert wording.show(60.0, kind.unit).startswith("6000.0 %" if kind.is_share else "60.0")


@pytest.mark.parametrize(
    ("declared", "hint"),
    [
        ({"it": {"token_f2": "reply"}}, "Did you mean `token_f1`?"),
        ({"it": {"tool_calls": {"order": "any_ordr"}}}, "Did you mean `any_order`?"),
        ({"it": {"ndcg_at_k": {"kk": 3}}}, "Did you mean `k`?"),
        ({"it": {"judge": {"modle": "scripted:a", "rubric": "x"}}}, "Did you mean `model`?"),
        ({"it": {"judge_reference": {"model": "opnai:x"}}}, "Did you mean `openai:x`?"),
        ({"it": {"judge": {"rubric": "x", "levels": {"a": "b"}}}}, "levels: {rude"),
    ],
)
def test_a_mistake_in_the_manifest_names_the_nearest_word(declared: Any, hint: str) -> None:
    with pytest.raises(ValueError, match="read") as caught:
        ScorerDeclaration.read(declared)
    assert hint in caught.value.hint  # type: ignore[attr-defined]


def test_levels_are_read_in_the_order_they_are_written() -> None:
    scorer = ScorerDeclaration.read(
        {
            "it": {
                "judge": {
                    "model": "scripted:a.jsonl",
                    "rubric": "r",
                    "levels": {"z": "1", "a": "2"},
                }
            }
        }
    )
    assert scorer.arguments["levels"] == [{"z": "1"}, {"a": "2"}]
    assert scorer.model_files == ["a.jsonl"]
    assert ScorerDeclaration.read(scorer.declared()) == scorer


def test_field_match_says_which_fields_are_right() -> None:
    wanted = {"who": {"name": "Ada", "age": 36}, "tags": ["x"], "sum": 100.0}
    read = {"who": {"name": "ada.", "age": 36}, "tags": ["y"], "sum": 100.5}

    strict = judged("field_match", wanted, read)
    lenient = judged("field_match", wanted, read, normalise=True, relative=0.01)

    assert (strict.value, lenient.value) == (0.25, 0.75)
    assert lenient.detail == {"fields": {"who.name": 1.0, "who.age": 1.0, "tags": 0.0, "sum": 1.0}}
    assert lenient.explanation == "wrong: `tags`"


def test_schema_share_counts_the_fields_that_fit() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "c": {"type": "string"},
            "d": {"type": "string"},
        },
        "required": ["a", "b", "d"],
        "additionalProperties": False,
    }
    score = judged("schema_share", None, {"a": "x", "b": "1"}, schema=schema)
    assert (score.value, score.detail) == (
        0.5,
        {"fields": {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}},
    )


def test_retrieval_is_measured_as_trec_does() -> None:
    measures = pytest.importorskip("ir_measures")
    pairs = {
        "precision_at_k": measures.P @ 5,
        "recall_at_k": measures.R @ 5,
        "reciprocal_rank": measures.RR @ 5,
        "ndcg_at_k": measures.nDCG @ 5,
    }
    chance = random.Random(3)  # noqa: S311
    for _ in range(40):
        names = [f"d{n}" for n in range(12)]
        found = chance.sample(names, chance.randrange(1, 12))
        grades = {name: chance.choice([1, 1, 2, 3]) for name in chance.sample(names, 4)}
        ranked = {name: 100.0 - place for place, name in enumerate(found)}
        theirs = measures.calc_aggregate(pairs.values(), {"q": grades}, {"q": ranked})
        for kind, measure in pairs.items():
            score = judged(
                kind,
                {"documents": [{"id": name, "grade": grade} for name, grade in grades.items()]},
                {"documents": [{"id": name, "text": "…"} for name in found]},
                k=5,
            )
            assert score.value == pytest.approx(theirs[measure]), (kind, found, grades)


def test_an_unreadable_document_is_a_failure_and_not_a_zero() -> None:
    score = judged("recall_at_k", {"documents": ["a"]}, {"documents": [{"text": "x"}]})
    assert score.value is None
    assert "has no `id`" in str(score.error)
    assert judged("recall_at_k", {"documents": []}, {"documents": ["a"]}).value is None
    assert judged("recall_at_k", {"documents": ["a"]}, {}).value == 0


def test_a_citation_counts_when_its_quote_stands_in_its_document() -> None:
    output = {
        "documents": [{"id": "returns", "text": "You may return a lamp within 30 days, unused."}],
        "citations": [
            {"document": "returns", "quote": "Return a lamp within 30 days"},
            {"document": "returns", "quote": "within 90 days"},
            {"document": "terms", "quote": "lamp"},
        ],
    }
    score = judged("citation_support", None, output)
    assert score.value == pytest.approx(1 / 3)
    assert score.explanation == (
        "`returns` does not say `within 90 days`; there is no document `terms`"
    )
    loose = judged("citation_support", None, output, at_least=0.6)
    assert loose.value == pytest.approx(2 / 3)
    assert judged("citation_support", None, {"citations": []}).value is None


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


FIND, PAY, SEND = call("find", id=1), call("pay", sum=5, to="x"), call("send")


@pytest.mark.parametrize(
    ("made", "wanted", "fits"),
    [
        ([FIND, PAY], [FIND, PAY], {"any_order", "in_order", "exact", "subset", "superset"}),
        ([PAY, FIND], [FIND, PAY], {"any_order", "subset", "superset"}),
        ([FIND, SEND, PAY], [FIND, PAY], {"in_order", "superset"}),
        ([FIND], [FIND, PAY], {"subset"}),
        ([FIND, FIND], [FIND], {"in_order", "superset"}),
        ([], [], {"any_order", "in_order", "exact", "subset", "superset"}),
        ([call("find", id=2)], [FIND], set()),
    ],
)
def test_tool_calls_fit_by_order(made: Any, wanted: Any, fits: set[str]) -> None:
    orders = ["any_order", "in_order", "exact", "subset", "superset"]
    found = {
        order
        for order in orders
        if judged("tool_calls", {"tool_calls": wanted}, {"tool_calls": made}, order=order).value
    }
    assert found == fits


@pytest.mark.parametrize(
    ("arguments", "wanted", "value"),
    [
        ("exact", call("pay", sum=5), 0),
        ("listed", call("pay", sum=5), 1),
        ("ignored", call("pay"), 1),
        ("schema", {"name": "pay", "schema": {"required": ["sum", "to"]}}, 1),
        ("schema", {"name": "pay", "schema": {"properties": {"sum": {"maximum": 1}}}}, 0),
    ],
)
def test_arguments_are_held_against_values_schema_or_nothing(
    arguments: str, wanted: Any, value: float
) -> None:
    made = {"tool_calls": [{"name": "pay", "arguments": '{"sum": 5, "to": "x"}'}]}
    assert judged("tool_calls", {"tool_calls": [wanted]}, made, arguments=arguments).value == value


def test_calls_are_paired_as_well_as_can_be() -> None:
    # The wide expectation must not take the only call that fits the narrow one.
    wanted = {"tool_calls": [call("pay"), call("pay", to="x")]}
    made = {"tool_calls": [call("pay", to="x"), call("pay", to="y")]}
    score = judged("tool_call_f1", wanted, made, arguments="listed")
    assert score.value == 1
    two = judged("tool_call_f1", {"tool_calls": [FIND, PAY]}, {"tool_calls": [FIND, SEND, SEND]})
    assert two.value == pytest.approx(0.4)
    assert two.explanation == "1 missing, 2 too many"


def test_tokens_are_missing_where_the_model_does_not_count() -> None:
    both, half = context_of(tokens_in=7, tokens_out=3), context_of(tokens_in=7)
    assert scorer_of("tokens").judge(both).value == 10
    assert scorer_of("tokens").judge(half).value is None
    assert scorer_of("tokens_in").judge(half).value == 7


class LibraryScore:
    """What autoevals gives: a name, a score, metadata and an error."""

    def __init__(self, score: float | None, error: Exception | None = None) -> None:
        self.name, self.score, self.error = "Factuality", score, error
        self.metadata = {"rationale": "It names the right city."}


class LibraryMetric:
    """What deepeval's metrics are once they have measured."""

    score, reason, error = 0.75, "Three of four claims hold.", None


class LibraryResult:
    """What ragas gives."""

    value, reason = 0.5, "half"


def test_what_other_libraries_give_is_read_as_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, Any]] = [
        (LibraryScore(0.6), (0.6, "It names the right city.", None)),
        (LibraryScore(None, ValueError("no key")), (None, "It names the right city.", "no key")),
        (LibraryMetric(), (0.75, "Three of four claims hold.", None)),
        (LibraryResult(), (0.5, "half", None)),
    ]
    for result, wanted in given:
        scorer = scorer_of(
            "python", {"s.py": b"def f(context): return context.output['it']"}, function="s.py:f"
        )
        score = scorer.judge(context_of(output={"it": result}))
        assert (score.value, score.explanation, score.error) == wanted


def test_a_scorer_of_autoevals_takes_five_lines() -> None:
    pytest.importorskip("autoevals")
    file = (
        b"from autoevals import Levenshtein\n"
        b"def near(context):\n"
        b"    return Levenshtein()(context.output['t'], context.expected['t'])\n"
    )
    scorer = scorer_of("python", {"near.py": file}, function="near.py:near")
    assert scorer.judge(context_of({"t": "sitting"}, {"t": "kitten"})).value == pytest.approx(4 / 7)


def test_a_choice_that_is_none_is_refused_before_the_run() -> None:
    with pytest.raises(Invalid, match="expected one of rouge1") as caught:
        scorer_of("rouge", field="t", variant="rouge3")
    assert caught.value.hint == "Did you mean `rougeL`?"


def test_a_scorer_that_could_find_nothing_is_refused_before_the_run() -> None:
    with pytest.raises(Invalid, match="bans no word"):
        scorer_of("banned_words", field="t", words=[" "])
    with pytest.raises(Invalid, match="first 0 documents"):
        scorer_of("recall_at_k", k=0)
