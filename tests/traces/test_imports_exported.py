"""Files that the products of today wrote themselves; the programs beside them made them."""

from pathlib import Path
from typing import Any

import pytest

from lineside.traces import imports, scores, search
from lineside.traces.imports import ImportReceipt
from lineside.traces.scores import TraceScore
from lineside.trust import Scope
from traces.imported import Write, all_spans, by_name

EXPORTED = Path(__file__).parent / "exported"


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def imported(scope: Scope, name: str) -> ImportReceipt:
    return imports.import_file(scope, EXPORTED / name)


def said(scope: Scope) -> dict[str, TraceScore]:
    return {one.name: one for one in scores.list_scores(scope)}


def test_mlflow_traces_come_in_as_a_table_of_their_one_column(scope: Scope) -> None:
    receipt = imported(scope, "mlflow.csv")

    assert (receipt.format, receipt.kept, receipt.refused) == ("mlflow", 2, 0)
    chat = by_name(scope)["chat"]
    assert (chat.tokens_in, chat.tokens_out, chat.tokens_cached_in) == (40, 8, 10)
    assert (chat.user_id, chat.session_id, chat.input) == ("ada", "chat-7", "Where is my parcel?")


def test_mlflow_feedback_of_several_values_is_a_score_for_each(scope: Scope) -> None:
    imported(scope, "mlflow.csv")

    found = said(scope)
    assert {name: one.value for name, one in found.items()} == {
        "kind": 1.0,
        "checks.exact": 1.0,
        "checks.short": 0.5,
    }
    assert found["checks.short"].metadata == {"version": "3"}


def test_an_inspect_log_with_a_score_that_is_no_number_comes_in(scope: Scope) -> None:
    receipt = imported(scope, "inspect.eval")

    assert (receipt.format, receipt.traces) == ("inspect", 2)
    assert [(one.reason, one.count) for one in receipt.why] == [
        ("the score has no number and no label", 2)
    ]
    assert sorted(one.value or 0 for one in scores.list_scores(scope)) == [0, 1]


def test_a_score_that_was_corrected_years_later_makes_no_sample_longer(scope: Scope) -> None:
    imported(scope, "inspect.eval")

    roots = [span for span in all_spans(scope) if span.parent_span_id is None]
    assert [span.duration_ms is not None and span.duration_ms < 60_000 for span in roots] == [
        True,
        True,
    ]
    corrected = next(one for one in scores.list_scores(scope) if one.by == "ada")
    assert (corrected.source, corrected.at.year) == ("person", 2031)


def test_a_conversation_that_inspect_began_with_is_shown_as_one(scope: Scope) -> None:
    imported(scope, "inspect.eval")

    root = next(span for span in all_spans(scope) if span.parent_span_id is None)
    assert root.kind == "workflow"
    assert root.messages_in is not None
    assert [one.role for one in root.messages_in] == ["user", "user"]
    assert search.list_traces(scope).traces[0].input == "Where is parcel 9?"


def test_a_model_is_shown_to_have_been_told_why_a_tool_failed(scope: Scope) -> None:
    imported(scope, "inspect.eval")

    told = [span.messages_in or () for span in all_spans(scope) if span.kind == "model"]
    said = [one.model_dump_json() for messages in told for one in messages if one.role == "tool"]
    assert said
    assert all("There is no parcel 9" in one for one in said)


def test_spans_of_phoenix_come_in_from_the_answer_of_its_api(scope: Scope) -> None:
    receipt = imported(scope, "phoenix_otlp.json")

    assert (receipt.format, receipt.kept, receipt.tags, receipt.refused) == ("phoenix", 1, 2, 0)
    (span,) = all_spans(scope)
    assert (span.kind, span.model, span.tokens_in, span.tokens_out) == (
        "model",
        "gpt-4o-mini",
        40,
        8,
    )
    assert (span.cost_usd, span.session_id, span.output) == (0.001, "chat-7", "It arrives tomorrow")


def test_an_annotation_of_phoenix_keeps_its_identifier_and_metadata(scope: Scope) -> None:
    imported(scope, "phoenix_otlp.json")
    imported(scope, "phoenix_annotations.json")

    tone = said(scope)["tone"]
    assert (tone.value, tone.label, tone.source) == (0.9, "kind", "judge")
    assert (tone.identifier, tone.metadata) == ("second rater", {"model": "judge-1"})


def test_traces_of_phoenix_without_what_they_held_are_refused_and_take_no_places(
    scope: Scope,
) -> None:
    outline = imported(scope, "phoenix_traces.json")
    imported(scope, "phoenix_otlp.json")

    assert (outline.format, outline.kept) == ("phoenix", 0)
    assert outline.why[0].reason.startswith("the list of traces leaves out what their steps held")
    assert [span.model for span in all_spans(scope)] == ["gpt-4o-mini"]


def test_members_of_a_value_that_hold_nothing_do_not_hide_the_one_that_does(
    scope: Scope, write: Write
) -> None:
    nothing: dict[str, Any] = {"arrayValue": None, "stringValue": None, "boolValue": None}
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "startTimeUnixNano": "1700000000000000000",
        "attributes": [{"key": "gen_ai.usage.input_tokens", "value": nothing | {"intValue": "7"}}],
    }
    imports.import_file(
        scope, write("a.json", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    )

    assert all_spans(scope)[0].tokens_in == 7
