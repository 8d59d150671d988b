"""Files of other products, by way of the door they are brought in through."""

import base64
import dataclasses
import gzip
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lineside.core import Denied, Invalid, Unavailable
from lineside.store import Store
from lineside.traces import exports, imports
from lineside.trust import Scope
from traces.imported import Write, all_spans, by_name

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


OTLP_SPAN = {
    "traceId": TRACE,
    "spanId": SPAN,
    "name": "chat",
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": "1700000001000000000",
}


MORE_OF_OTLP = {
    "kind": 3,
    "events": [{"name": "retried", "timeUnixNano": "1700000000500000000"}],
    "links": [{"traceId": "1" * 32, "spanId": "2" * 16}],
    "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}],
}


def otlp(*spans: dict[str, Any], service: str = "shop") -> dict[str, Any]:
    named = [{"key": "service.name", "value": {"stringValue": service}}]
    groups = [{"scope": {"name": "lib"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": named}, "scopeSpans": groups}]}


def test_lines_of_a_collector_are_taken_and_each_broken_one_is_named(
    scope: Scope, write: Write
) -> None:
    good = json.dumps(otlp(OTLP_SPAN))
    logs = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {}}]}]}]})
    nameless = json.dumps(otlp({**OTLP_SPAN, "spanId": "zz"}))

    receipt = imports.import_file(
        scope, write("a.jsonl", "\n".join([good, "{broken", logs, nameless]))
    )

    assert (receipt.format, receipt.kept, receipt.refused) == ("otlp", 1, 3)
    assert {(one.reason, one.example) for one in receipt.why} == {
        ("it is not JSON", "line 2"),
        ("it is a log record that says no score", "`` (no span_id)"),
        ("span_id has 1 bytes, expected 8", "`chat` (zz)"),
    }


def test_what_is_exported_here_comes_back_the_same_and_twice_changes_nothing(
    scope: Scope, installation: Store, write: Write, tmp_path: Path
) -> None:
    imports.import_file(scope, write("a.json", otlp(OTLP_SPAN | MORE_OF_OTLP)))
    first = all_spans(scope)
    lines = tmp_path / "again.jsonl.gz"
    lines.write_bytes(gzip.compress(b"".join(exports.otlp_lines(first))))
    other = dataclasses.replace(scope, workspace=uuid.uuid4().hex)

    for _ in range(2):
        imports.import_file(other, lines)

    assert [span.model_dump() for span in all_spans(other)] == [span.model_dump() for span in first]
    assert first[0].raw is not None
    assert [one["name"] for one in first[0].raw["events"]] == ["retried"]


def test_a_document_too_long_to_hold_is_read_piece_by_piece(
    scope: Scope, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.traces.importers.files.ENTRY_BYTES_MAX", 2_000)
    monkeypatch.setattr("lineside.traces.importers.files._PIECE_BYTES", 100)
    rows = [observation(id=f"{number:016x}", input="ü" * 50) for number in range(1, 30)]
    whole = json.dumps({"data": rows, "meta": {"page": 1}}, indent=1, ensure_ascii=False)

    receipt = imports.import_file(scope, write("whole.json", whole))
    cut = imports.import_file(scope, write("cut.json", whole[:-900]), format="langfuse")

    assert (receipt.kept, receipt.refused) == (29, 0)
    assert 25 <= cut.kept < 29
    assert [one.example for one in cut.why] == [f"all after entry {cut.kept}"]


def observation(**fields: Any) -> dict[str, Any]:
    return {
        "id": SPAN,
        "traceId": TRACE,
        "type": "GENERATION",
        "name": "answer",
        "startTime": "2025-06-11T14:01:32.598Z",
        "endTime": "2025-06-11T14:01:33.598Z",
        **fields,
    }


def test_langfuse_generations_keep_model_tokens_cost_and_messages(
    scope: Scope, write: Write
) -> None:
    row = observation(
        model="gpt-4o-mini",
        input={"messages": [{"role": "user", "content": "Where is my parcel?"}]},
        output={"role": "assistant", "content": "On its way"},
        usageDetails={"input": 10, "input_cached_tokens": 30, "output": 5, "total": 45},
        costDetails={"input": 0.1, "output": 0.2, "total": 0.3},
        completionStartTime="2025-06-11T14:01:32.698Z",
        level="ERROR",
        statusMessage="cut short",
    )

    imports.import_file(scope, write("rows.jsonl", [row]))

    (span,) = all_spans(scope)
    assert (span.kind, span.model, span.tokens_in, span.tokens_out) == (
        "model",
        "gpt-4o-mini",
        40,
        5,
    )
    assert (span.tokens_cached_in, span.cost_usd, span.first_chunk_ms) == (30, 0.3, 100.0)
    assert (span.status, span.error, span.duration_ms) == ("error", "cut short", 1000.0)
    assert (span.input, span.output) == ("Where is my parcel?", "On its way")


def test_langfuse_rows_of_a_bucket_are_read_by_their_own_names(scope: Scope, write: Write) -> None:
    row = {
        "id": "not-a-hex-id",
        "trace_id": "7f0c3a52-98f2-4c58-a9a6-0f6b8f4f5a11",
        "type": "TOOL",
        "name": "lookup",
        "start_time": "2024-05-29 13:46:19.963000",
        "end_time": "2024-05-29 13:46:20.963000",
        "input": '{"order": 7}',
        "session_id": "s-1",
        "user_id": "u-1",
    }

    imports.import_file(scope, write("rows.jsonl", [row]))
    imports.import_file(scope, write("again.jsonl", [row]))

    (span,) = all_spans(scope)
    assert span.trace_id == "7f0c3a5298f24c58a9a60f6b8f4f5a11"
    assert (span.kind, span.tool_name, span.input) == ("tool", "lookup", {"order": 7})
    assert (span.session_id, span.user_id) == ("s-1", "u-1")
    assert span.started_at.isoformat() == "2024-05-29T13:46:19.963000+00:00"
    assert span.raw is not None
    assert span.raw["attributes"]["lineside.source.span_id"] == "not-a-hex-id"


def test_a_langfuse_trace_with_several_tops_is_put_under_one(scope: Scope, write: Write) -> None:
    trace = {
        "id": TRACE,
        "name": "chat turn",
        "timestamp": "2025-06-11T14:01:32Z",
        "sessionId": "s-1",
        "input": {"question": "Where?"},
        "scores": [{"name": "helpful", "value": 1}],
        "observations": [observation(id="a" * 16, name="one"), observation(id="b" * 16)],
    }

    receipt = imports.import_file(scope, write("traces.json", [trace]))

    named = by_name(scope)
    root = named["chat turn"]
    assert (receipt.kept, receipt.traces) == (3, 1)
    assert {named["one"].parent_span_id, named["answer"].parent_span_id} == {root.span_id}
    assert (root.session_id, root.input) == ("s-1", {"question": "Where?"})
    assert root.raw is not None
    assert root.raw["attributes"]["scores"] == trace["scores"]


PHOENIX = {
    "name": "ChatCompletion",
    "span_kind": "LLM",
    "parent_id": None,
    "start_time": "2024-08-07 23:32:27.604000+00:00",
    "end_time": "2024-08-07 23:32:28.104000+00:00",
    "status_code": "OK",
    "context.span_id": SPAN,
    "context.trace_id": TRACE,
    "attributes.llm.model_name": "gpt-4o",
    "attributes.llm.token_count.prompt": 12,
    "attributes.llm.token_count.completion": 3,
    "attributes.llm.input_messages": [{"message.role": "user", "message.content": "Hi"}],
    "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "Yes?"}],
    "attributes.session.id": "s-1",
}


def phoenix_parquet(folder: Path) -> Path:
    source, target = folder / "rows.json", folder / "spans.parquet"
    source.write_text(json.dumps(PHOENIX))
    with duckdb.connect() as connection:
        rows = "SELECT * REPLACE (start_time::TIMESTAMPTZ AS start_time) FROM read_json(?)"
        connection.sql(rows, params=[str(source)]).write_parquet(str(target))
    return target


def phoenix_csv(folder: Path) -> Path:
    columns = dict(PHOENIX, **{"attributes.llm.token_count.prompt": "12.0", "parent_id": ""})
    cells = ['"' + str(value).replace('"', '""') + '"' for value in columns.values()]
    target = folder / "spans.csv"
    target.write_text(",".join(columns) + "\n" + ",".join(cells) + "\n")
    return target


def phoenix_nested(folder: Path) -> Path:
    row: dict[str, Any] = {key: value for key, value in PHOENIX.items() if "." not in key}
    row["context"] = {"span_id": SPAN, "trace_id": TRACE}
    row["attributes"] = {
        "llm": {
            "model_name": "gpt-4o",
            "token_count": {"prompt": 12, "completion": 3},
            "input_messages": [{"message": {"role": "user", "content": "Hi"}}],
            "output_messages": [{"message": {"role": "assistant", "content": "Yes?"}}],
        },
        "session": {"id": "s-1"},
    }
    target = folder / "spans.jsonl"
    target.write_text(json.dumps(row))
    return target


@pytest.mark.parametrize("make", [phoenix_parquet, phoenix_csv, phoenix_nested])
def test_a_phoenix_dataframe_is_read_however_it_was_written(
    scope: Scope, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    receipt = imports.import_file(scope, make(tmp_path))

    (span,) = all_spans(scope)
    assert (receipt.format, receipt.refused) == ("phoenix", 0)
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, None)
    assert (span.kind, span.model, span.tokens_in, span.tokens_out) == ("model", "gpt-4o", 12, 3)
    assert (span.input, span.output, span.session_id) == ("Hi", "Yes?", "s-1")
    assert (span.duration_ms, span.started_at.isoformat()) == (
        500.0,
        "2024-08-07T23:32:27.604000+00:00",
    )


MLFLOW_ATTRIBUTES = {
    "mlflow.traceRequestId": '"tr-1"',
    "mlflow.spanType": '"CHAT_MODEL"',
    "mlflow.spanInputs": '{"messages": [{"role": "user", "content": "Hi"}]}',
    "mlflow.spanOutputs": '{"choices": [{"message": {"role": "assistant", "content": "Yes?"}}]}',
    "mlflow.chat.tokenUsage": '{"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}',
    "mlflow.llm.model": '"gpt-4o"',
}


def mlflow_2() -> dict[str, Any]:
    span = {
        "name": "Completions",
        "context": {"span_id": f"0x{SPAN}", "trace_id": f"0x{TRACE}"},
        "parent_id": None,
        "start_time": 1_700_000_000_000_000_000,
        "end_time": 1_700_000_000_500_000_000,
        "status_code": "OK",
        "status_message": "",
        "attributes": MLFLOW_ATTRIBUTES,
        "events": [],
    }
    info = {"request_id": "tr-1", "request_metadata": {"mlflow.trace.session": "s-1"}}
    return {"info": info, "data": {"spans": [span], "request": "{}", "response": "{}"}}


def mlflow_3() -> dict[str, Any]:
    span = {
        "trace_id": base64.b64encode(bytes.fromhex(TRACE)).decode(),
        "span_id": base64.b64encode(bytes.fromhex(SPAN)).decode(),
        "parent_span_id": "",
        "name": "Completions",
        "start_time_unix_nano": 1_700_000_000_000_000_000,
        "end_time_unix_nano": 1_700_000_000_500_000_000,
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": MLFLOW_ATTRIBUTES,
    }
    info = {"trace_id": f"tr-{TRACE}", "trace_metadata": {"mlflow.trace.session": "s-1"}}
    return {"info": info, "data": {"spans": [span]}}


def mlflow_row() -> dict[str, Any]:
    """A row of `search_traces`, where the trace is a text."""
    return {"trace_id": f"tr-{TRACE}", "trace": json.dumps(mlflow_3()), "state": "OK"}


@pytest.mark.parametrize("make", [mlflow_2, mlflow_3, mlflow_row])
def test_both_schemas_of_mlflow_traces_give_the_same_step(
    scope: Scope, write: Write, make: Callable[[], dict[str, Any]]
) -> None:
    receipt = imports.import_file(scope, write("traces.jsonl", [make()]))

    (span,) = all_spans(scope)
    assert (receipt.format, receipt.refused) == ("mlflow", 0)
    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, None)
    assert (span.kind, span.model, span.tokens_in, span.tokens_out) == ("model", "gpt-4o", 12, 3)
    assert (span.input, span.output, span.session_id) == ("Hi", "Yes?", "s-1")
    assert span.duration_ms == 500.0


def test_a_use_case_takes_all_or_those_that_name_it(scope: Scope, write: Write) -> None:
    path = write("a.json", otlp(OTLP_SPAN, service="triage"))

    imports.import_file(scope, path, use_cases={"triage"})
    assert [span.use_case for span in all_spans(scope)] == ["triage"]

    other = dataclasses.replace(scope, workspace=uuid.uuid4().hex)
    imports.import_file(other, path, use_case="refunds", use_cases={"triage"})
    assert [span.use_case for span in all_spans(other)] == ["refunds"]


def test_only_who_may_ingest_may_import(scope: Scope, write: Write) -> None:
    path = write("a.json", otlp(OTLP_SPAN))

    with pytest.raises(Denied):
        imports.import_file(dataclasses.replace(scope, rights=frozenset({"read"})), path)
    limited = dataclasses.replace(scope, use_cases=frozenset({"triage"}))
    with pytest.raises(Denied):
        imports.import_file(limited, path)
    assert imports.import_file(limited, path, use_case="triage").kept == 1


def test_an_import_waits_while_the_inbox_is_full_but_not_for_ever(
    scope: Scope, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.json", otlp(OTLP_SPAN))
    put = scope.store.inbox.put_soon
    answers = iter([Unavailable("inbox_full", "full")] * 2)

    def full_at_first(*arguments: Any) -> Any:
        for error in answers:
            raise error
        return put(*arguments)

    monkeypatch.setattr(imports, "_FULL_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(scope.store.inbox, "put_soon", full_at_first)
    assert imports.import_file(scope, path).kept == 1

    answers = iter([Unavailable("inbox_full", "full")] * 9)
    monkeypatch.setattr(imports, "_FULL_SECONDS_MAX", -1.0)
    with pytest.raises(Unavailable):
        imports.import_file(scope, path)


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"a": 1}', "the keys a"), ("", "it is empty"), ("hello", "it begins with b'hello'")],
)
def test_a_file_of_another_kind_is_refused_with_what_it_holds(
    scope: Scope, write: Write, content: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        imports.import_file(scope, write("other.txt", content))
