"""What is too long for a row is kept beside it, and comes back as it was."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from lineside.core import Invalid
from lineside.traces import (
    Message,
    Span,
    get_trace,
    new_span_id,
    new_trace_id,
    record_spans,
    search,
    views,
)
from lineside.trust import Scope

DOCUMENT = "The kestrel hovers over the meadow. " * 2_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def call(**values: Any) -> Span:
    return Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="chat",
        kind="model",
        started_at=datetime.now(UTC),
        duration_ms=5.0,
        **values,
    )


def kept(scope: Scope, span: Span) -> str:
    record_spans(scope, [span]).result()
    scope.store.flusher.flush()
    return span.trace_id


def test_a_long_call_is_small_in_the_lake_and_whole_to_its_reader(scope: Scope) -> None:
    rows = [{"number": number, "said": "word " * 10} for number in range(1_000)]
    data = base64.b64encode(PICTURE).decode()
    span = call(
        input=DOCUMENT,
        output={"rows": rows},
        messages_in=[
            Message(
                role="user",
                parts=[
                    {"type": "text", "content": DOCUMENT},
                    {"type": "media", "mime_type": "image/png", "data": data},
                ],
            )
        ],
        messages_out=[Message(role="assistant", parts=[{"type": "text", "content": "A bird"}])],
        raw={"attributes": {"input.value": DOCUMENT, "n": 1}, "events": [{"a": {"x": DOCUMENT}}]},
    )

    trace_id = kept(scope, span)

    assert get_trace(scope, trace_id) == [span]
    (small,) = get_trace(scope, trace_id, whole=False)
    assert small.input["start"] == DOCUMENT[:200]
    assert small.input["$blob"] == small.raw["attributes"]["input.value"]["$blob"]  # kept once
    assert small.raw["attributes"]["n"] == 1
    assert scope.store.payloads.get(small.messages_in[0].parts[1]["data"]["$blob"]) == PICTURE
    assert orjson.loads(scope.store.payloads.get(small.output["$blob"])) == {"rows": rows}
    assert len(small.model_dump_json()) < 5_000
    assert small.messages_out == span.messages_out


def test_words_of_a_long_text_are_found_and_listed_with_its_start(scope: Scope) -> None:
    trace_id = kept(scope, call(input=DOCUMENT + " zanzibar"))

    page = search.list_traces(scope, search.parse_query("text ~ zanzibar"))

    assert [row.trace_id for row in page.traces] == [trace_id]
    assert page.traces[0].input.startswith("The kestrel")


def test_what_only_looks_like_a_reference_gives_nobody_what_it_names(scope: Scope) -> None:
    digest = scope.store.payloads.put(b"secret of somebody else")
    forged = {"$blob": digest, "bytes": 23, "mime_type": "text/plain", "form": "text"}

    trace_id = kept(scope, call(input=forged, output=DOCUMENT))

    assert get_trace(scope, trace_id)[0].input == forged


def test_a_step_that_is_only_there_in_part_is_not_copied(scope: Scope) -> None:
    trace_id = kept(scope, call(input=DOCUMENT))
    (small,) = get_trace(scope, trace_id, whole=False)

    with pytest.raises(Invalid, match="holds more than fits here"):
        views.as_case(small)
    (whole,) = get_trace(scope, trace_id)
    assert DOCUMENT in orjson.loads(views.as_case(whole))["input"]["input"]
