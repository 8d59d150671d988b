"""What is masked before it is kept, what is deleted by its age, and what is erased."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lineside.core import Denied, Invalid, now
from lineside.traces import (
    Message,
    Span,
    get_trace,
    new_span_id,
    new_trace_id,
    privacy,
    receive,
    record_spans,
    rewriting,
    search,
)
from lineside.trust import Scope, ledger_entries
from traces.conftest import come_when_begun

TRACE = "0af7651916cd43dd8448eb211c80319c"
JANE = "jane.doe@example.com"


def step(**values: Any) -> Span:
    fields: dict[str, Any] = {
        "trace_id": new_trace_id(),
        "span_id": new_span_id(),
        "name": "triage",
        "kind": "app",
        "use_case": "triage",
        "started_at": now(),
        "duration_ms": 5.0,
    }
    return Span(**(fields | values))


def pair(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def body(*attributes: dict[str, Any], **span: Any) -> dict[str, Any]:
    one = {
        "traceId": TRACE,
        "spanId": "b7ad6b7169203331",
        "name": "chat",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": list(attributes),
    }
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [pair("host.owner", stringValue=JANE)]},
                "scopeSpans": [{"spans": [one | span]}],
            }
        ]
    }


def send(scope: Scope, document: dict[str, Any], form: str = "json") -> receive.Receipt:
    content, media_type = orjson.dumps(document), receive.JSON
    if form == "protobuf":
        from google.protobuf import json_format

        for group in document["resourceSpans"]:
            for span in (one for scoped in group["scopeSpans"] for one in scoped["spans"]):
                # Generic JSON of protobuf has bytes in base64, and these are 24 and 12 digits.
                span["traceId"], span["spanId"] = "CvdlGRbNQ92ESOshHIAxnA==", "t61rcWkgMzE="
        message = json_format.ParseDict(document, ExportTraceServiceRequest())
        content, media_type = message.SerializeToString(), receive.PROTOBUF
    receipt = receive.receive_otlp(
        scope, content, media_type=media_type, encoding="", bytes_max=10**6, use_cases=()
    )
    receipt.durable.result()
    return receipt


def holds(home: Path, *texts: str) -> list[str]:
    """Files of the state folder in which one of the texts stands."""
    return [
        f"{path.name}: {text}"
        for path in home.rglob("*")
        if path.is_file()
        for text in texts
        if text.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_what_is_masked_reaches_no_disk(scope: Scope, form: str) -> None:
    privacy.mask(scope, "email")
    privacy.mask(scope, "card")
    privacy.mask(scope, "secret", field="*password*")
    privacy.mask(scope, "badge", pattern=r"\bE\d{6}\b")
    told = orjson.dumps({"user": {"Password": "hunter2-xyz"}, "from": "jane.doe\\u0040example.com"})
    text = told.decode().replace("\\\\u", "\\u")
    messages = orjson.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": f"I am {JANE}, badge E123456"}]}]
    ).decode()
    receipt = send(
        scope,
        body(
            pair("gen_ai.operation.name", stringValue="chat"),
            pair("gen_ai.input.messages", stringValue=messages),
            pair("payload", stringValue=text),
            pair("db.password", kvlistValue={"values": [pair("a", stringValue="hunter2-xyz")]}),
            pair("card", intValue="4111111111111111"),
            pair(
                "list",
                arrayValue={"values": [{"stringValue": "4111 1111 1111 1111"}, {"intValue": "7"}]},
            ),
            name=f"ask {JANE}",
            status={"code": 2, "message": f"no such user: {JANE}"},
            events=[{"name": "log", "attributes": [pair("line", stringValue=f"sent to {JANE}")]}],
        ),
        form,
    )

    assert (receipt.kept, receipt.refused) == (1, 0)
    (span,) = get_trace(scope, TRACE)
    assert span.messages_in is not None
    assert span.raw is not None
    assert span.messages_in[0].parts[0]["content"] == "I am [masked:email], badge [masked:badge]"
    assert (span.name, span.error) == ("ask [masked:email]", "no such user: [masked:email]")
    attributes = span.raw["attributes"]
    assert attributes["db.password"] == "[masked:secret]"
    assert (attributes["card"], attributes["list"]) == ("[masked:card]", ["[masked:card]", 7])
    assert orjson.loads(attributes["payload"]) == {
        "user": {"Password": "[masked:secret]"},
        "from": "[masked:email]",
    }
    assert span.raw["resource"] == {"host.owner": "[masked:email]"}
    scope.store.flusher.flush()
    home = scope.store.home
    assert holds(home, "jane.doe", "hunter2", "4111111111111111", "4111 1111", "E123456") == []


def test_own_steps_are_masked_and_what_was_derived_is_derived_again(scope: Scope) -> None:
    privacy.mask(scope, "email")
    privacy.mask(scope, "prompt", field="gen_ai.input.messages")
    own = step(
        user_id=JANE,
        input={"message": f"from {JANE}"},
        attributes={"to": [JANE]},
        messages_in=[Message(role="user", parts=[{"type": "text", "content": JANE}])],
    )
    said = '[{"role": "user", "parts": [{"type": "text", "content": "between us"}]}]'
    raw = {
        "start_ns": 1_790_000_000_000_000_000,
        "end_ns": 1_790_000_001_000_000_000,
        "attributes": {"gen_ai.operation.name": "chat", "gen_ai.input.messages": said},
    }
    imported = step(
        kind="model",
        raw=raw,
        mapping=1,
        input="between us",
        messages_in=[Message(role="user", parts=[{"type": "text", "content": "between us"}])],
    )
    record_spans(scope, [own, imported]).result()

    assert "example.com" not in str(get_trace(scope, own.trace_id))
    (kept,) = get_trace(scope, imported.trace_id)
    assert "between us" not in str(kept)
    assert kept.use_case == "triage"


def test_what_cannot_be_masked_is_refused_and_its_sender_is_told(scope: Scope) -> None:
    privacy.mask(scope, "email")
    deep: dict[str, Any] = {"stringValue": JANE}
    for _ in range(40):
        deep = {"arrayValue": {"values": [deep]}}
    nested = orjson.dumps("x" * 3).decode()
    value: Any = "x"
    for _ in range(80):
        value = [value]
    document = body(pair("deep", stringValue=orjson.dumps(value).decode()), pair("a", **deep))
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.append(spans[0] | {"spanId": "c7ad6b7169203331", "attributes": [], "name": nested})

    receipt = send(scope, document)

    assert (receipt.kept, receipt.refused) == (1, 1)
    assert "nests deeper than 64" in receipt.why
    assert [span.span_id for span in get_trace(scope, TRACE)] == ["c7ad6b7169203331"]
    with pytest.raises(Invalid, match="nests deeper than 64"):
        record_spans(scope, [step(input=value)])


def test_a_rule_is_tried_replaced_and_taken_back_in_the_ledger(scope: Scope) -> None:
    privacy.mask(scope, "phone")
    privacy.mask(scope, "iban")
    text = "call +49 30 1234567, pay to DE89 3704 0044 0532 0130 00"
    assert privacy.try_rules(scope, text) == "call [masked:phone], pay to [masked:iban]"

    privacy.unmask(scope, "phone")

    assert [rule.name for rule in privacy.list_rules(scope)] == ["iban"]
    kinds = [entry.kind for entry in ledger_entries(scope)]
    assert kinds == ["privacy.masked", "privacy.masked", "privacy.unmasked"]
    for wrong in ({"pattern": "(?<=a)b"}, {"pattern": "a*"}, {"field": "*"}, {}):
        with pytest.raises(Invalid):
            privacy.mask(scope, "mine", **wrong)


def test_what_is_older_than_its_use_case_is_kept_goes_as_a_whole(scope: Scope) -> None:
    old = now() - timedelta(days=9)
    long_one = new_trace_id()
    gone = step(started_at=old, input="qwxyz gone")
    first = step(started_at=old, trace_id=long_one)
    record_spans(
        scope,
        [
            gone,
            step(started_at=old, use_case="billing"),
            step(started_at=old, use_case=None),
            first,
            step(
                started_at=now(),
                trace_id=long_one,
                parent_span_id=first.span_id,
                use_case=None,
            ),
            step(),
        ],
    ).result()
    rewriting.retain(scope, "triage", days=7)

    come_when_begun(scope.store)
    scope.store.upkeep.run()

    assert get_trace(scope, gone.trace_id) == []
    assert len(get_trace(scope, long_one)) == 2
    assert len(search.list_traces(scope, search.parse_query("")).traces) == 4
    assert search.list_traces(scope, search.read_filters("", text="qwxyz")).traces == ()
    entry = ledger_entries(scope)[-1]
    assert (entry.kind, entry.details["traces"]) == ("privacy.expired", 1)
    assert holds(scope.store.home / "lake" / "data", gone.trace_id) == []
    assert rewriting.apply_retention(scope) == []
    rewriting.retain(scope, None, days=1)
    assert [one.traces for one in rewriting.apply_retention(scope)] == [1]
    assert rewriting.retain(scope, None, days=None) is None


def test_only_who_has_the_right_decides_on_privacy(scope: Scope) -> None:
    reader = Scope(scope.store, scope.workspace, scope.actor, frozenset({"read"}))
    for work in (
        lambda: privacy.mask(reader, "email"),
        lambda: rewriting.retain(reader, "triage", days=1),
    ):
        with pytest.raises(Denied):
            work()
