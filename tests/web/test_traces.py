"""The pages of traces, over what other programs sent."""

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings, now
from lineside.server import build
from lineside.store import open_store
from lineside.traces import (
    Message,
    Span,
    get_trace,
    imports,
    new_span_id,
    new_trace_id,
    open_traces,
    record_spans,
)
from lineside.trust import local_scope
from web.small_case import html, words

pytestmark = pytest.mark.xdist_group("traces")
AT = now() - timedelta(minutes=5)


def step(trace_id: str, **values: Any) -> Span:
    usual = {"span_id": new_span_id(), "name": "chat", "started_at": AT, "duration_ms": 100.0}
    return Span(**({"trace_id": trace_id} | usual | values))


@pytest.fixture
def ids() -> list[str]:
    return [new_trace_id() for _ in range(3)]


@pytest.fixture
def sent(settings: Settings, ids: list[str]) -> TestClient:
    """A conversation with a tool, a trace of 260 steps one of which failed, and a lost root."""
    talk, many, orphan = ids
    root = step(talk, name="answer", kind="agent", service="shop", user_id="u1", duration_ms=2400.0)
    told = [Message(role="user", parts=[{"type": "text", "content": "My <b>kettle</b> broke"}])]
    called = {"type": "tool_call", "id": "c", "name": "look_up", "arguments": {"order": 4711}}
    model = step(
        talk,
        parent_span_id=root.span_id,
        kind="model",
        model="gpt-4o",
        tokens_in=12,
        messages_in=told,
        messages_out=[Message(role="assistant", parts=[called])],
        raw={"attributes": {"gen_ai.request.temperature": 0.2}},
    )
    top = step(many, name="batch", use_case="triage", duration_ms=5000.0)
    steps = [
        step(
            many,
            name=f"part {number}",
            parent_span_id=top.span_id,
            started_at=AT + timedelta(milliseconds=number),
            status="error" if number == 230 else "ok",
            error="HTTP 503" if number == 230 else None,
        )
        for number in range(259)
    ]
    lost = step(orphan, name="late", parent_span_id=new_span_id())
    store = open_store(settings)
    open_traces(store)
    record_spans(local_scope(store), [root, model, top, *steps, lost]).result()
    store.close()
    return TestClient(build(settings), base_url="http://127.0.0.1")


def test_the_list_is_filtered_by_form_and_by_query(sent: TestClient, ids: list[str]) -> None:
    with sent as client:
        everything = html(client, "/traces")
        unclaimed = html(client, "/traces?use_case=unclaimed")
        asked = html(client, "/traces?q=model+%3D+gpt-4o&since=24h&text=KETTLE")
        wrong = html(client, "/traces?q=modl+%3D+gpt-4o", 422)
        moved = client.get("/calls?use_case=unclaimed", follow_redirects=False)

    assert all(id_ in everything for id_ in ids)
    assert "1 failed step" in words(everything)
    assert "its first step is missing" in words(everything)
    assert words(unclaimed).count("Unclaimed") == 4, "the link, the choice, and two traces"
    assert ids[0] in asked
    assert ids[1] not in asked
    assert 'value="model = gpt-4o"' in asked
    assert "Read modl at character 1, expected a field Did you mean model ?" in words(wrong)
    assert 'value="modl = gpt-4o"' in wrong
    assert (moved.status_code, moved.headers["location"]) == (308, "/traces?use_case=unclaimed")


def test_a_trace_shows_its_conversation_steps_and_figures(sent: TestClient, ids: list[str]) -> None:
    with sent as client:
        page = html(client, f"/traces/{ids[0]}")
        model = re.findall(r"/steps/([0-9a-f]{16})", page)[1]
        opened = html(client, f"/traces/{ids[0]}?step={model}")
        fragment = client.get(f"/traces/{ids[0]}/steps/{model}").text
        lost = words(html(client, f"/traces/{ids[2]}"))

    text = words(page)
    assert "My &lt;b&gt;kettle&lt;/b&gt; broke" in page
    assert "Calls look_up" in text
    assert "4711" in text
    assert "2,400 ms Duration" in text or "Duration 2,400 ms" in text
    assert "unknown" in text, "the cost"
    assert "gen_ai.request.temperature" not in page, "payloads of steps come when they are opened"
    for shown in (opened, fragment):
        assert "request.\u200btemperature" in shown
        assert "Copy as curl" in shown
        assert "<b>kettle</b>" not in shown
    assert "<html" not in fragment
    assert " style=" not in page + opened
    assert "The first step is missing" in lost
    assert "Yes, right" not in lost, "feedback belongs to a whole trace"


def test_a_long_trace_begins_with_what_failed_and_the_rest_is_a_click_away(
    sent: TestClient, ids: list[str]
) -> None:
    with sent as client:
        first = html(client, f"/traces/{ids[1]}")
        more = re.findall(r'data-more="([^"]+)"', first)
        rest = client.get(more[0].replace("&amp;", "&")).text
        failed = re.findall(r'data-step="([0-9a-f]{16})"', first)[0]
        chosen = html(client, f"/traces/{ids[1]}?step={failed}")

    assert "What failed first tool" not in words(first)
    assert "part 230 after" in words(first)
    assert "HTTP 503" in first
    assert f'id="s-{failed}"' in first, "the failed step is seen among hundreds"
    assert first.count('<li id="s-') < 60
    assert "more" in words(first)
    assert "<b>part 100</b>" not in first
    assert "<b>part 100</b>" in rest
    assert "chosen" in chosen
    assert "HTTP 503" in chosen


def test_two_traces_stand_side_by_side(sent: TestClient, ids: list[str]) -> None:
    with sent as client:
        page = words(html(client, f"/traces/{ids[0]}/diff/{ids[1]}"))
        form = {"with": f"http://127.0.0.1/traces/{ids[1]}"}
        pasted = client.get(f"/traces/{ids[0]}/diff", params=form, follow_redirects=False)
        alone = html(client, f"/traces/{ids[0]}/diff?before=name", 404)

    assert "answer" in page
    assert "259 added" in page
    assert "1 removed" in page
    assert pasted.headers["location"] == f"/traces/{ids[1]}/diff/{ids[0]}"
    assert "No trace before this one has the name" in words(alone)


def test_a_difference_too_small_to_be_shown_is_called_none(settings: Settings) -> None:
    ids = [new_trace_id(), new_trace_id()]
    store = open_store(settings)
    open_traces(store)
    for trace_id, duration_ms in zip(ids, (0.1, 0.12), strict=True):
        spans = [step(trace_id, name="answer", duration_ms=duration_ms)]
        record_spans(local_scope(store), spans).result()
    store.close()

    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = words(html(client, f"/traces/{ids[0]}/diff/{ids[1]}"))

    assert "Duration 0.1 ms 0.1 ms no change" in page
    assert "+0.0 ms" not in page


def test_what_senders_call_a_picture_is_shown_only_if_it_is_one(settings: Settings) -> None:
    trace_id = new_trace_id()
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
    script = base64.b64encode(b"<svg onload='alert(1)'/>" * 4).decode()
    store = open_store(settings)
    open_traces(store)
    large, evil = (store.payloads.put(content) for content in (b"GIF89a" + bytes(99), b"<script>"))
    parts: list[dict[str, Any]] = [
        {"type": "media", "mime_type": "text/html", "data": image},
        {"type": "media", "mime_type": "image/png", "data": script},
        {
            "type": "media",
            "mime_type": "image/svg+xml",
            "uri": f"data:image/svg+xml;base64,{script}",
        },
        {"type": "media", "mime_type": "image/png", "uri": "javascript:alert(1)"},
        {"type": "media", "mime_type": "image/png", "uri": "https://elsewhere.example/pixel.png"},
        {"type": "media", "data": {"$blob": large, "bytes": 105, "mime_type": "image/gif"}},
        {"type": "text", "content": {"$blob": evil, "bytes": 8, "start": "<script"}},
    ]
    told = [Message(role="user", parts=parts)]
    record_spans(local_scope(store), [step(trace_id, kind="model", messages_in=told)]).result()
    store.close()

    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = html(client, f"/traces/{trace_id}")
        shown, saved = client.get(f"/blobs/{large}"), client.get(f"/blobs/{evil}")
        unknown = client.get(f"/blobs/sha256:{'0' * 64}")

    pictures = re.findall(r'<img class="medium" src="([^"]+)"', page)
    assert pictures == [f"data:image/png;base64,{image}", f"/blobs/{large}"]
    assert "javascript:alert" not in re.findall(r'href="([^"]*)"', page)
    assert 'href="https://elsewhere.example/pixel.png" rel="noopener' in page
    assert "&lt;script…" in page
    assert (shown.headers["content-type"], saved.headers["content-type"]) == (
        "image/gif",
        "application/octet-stream",
    )
    assert "attachment" in saved.headers["content-disposition"]
    assert saved.headers["x-content-type-options"] == "nosniff"
    assert unknown.status_code == 404


def test_what_a_page_shows_is_exported_and_comes_back_by_an_import(
    sent: TestClient, ids: list[str], tmp_path: Path
) -> None:
    with sent as client:
        page = html(client, "/traces?use_case=unclaimed&status=step_failed&q=steps+%3C+9")
        shown = html(client, "/traces?service=shop")
        whole = client.get("/traces/export")
        some = client.get("/traces/export?service=shop")
        one = client.get(f"/traces/{ids[1]}/export")
        refused = client.get("/traces/export?q=modl+%3D+gpt-4o")
        none = client.get(f"/traces/{'0' * 31}1/export")
        link = html(client, f"/traces/{ids[0]}")

    assert "No trace meets this" in page
    assert '<option value="step_failed" selected>' in page
    assert 'href="/traces/export?service=shop" download' in shown
    assert f'href="/traces/{ids[0]}/export" download' in link
    assert (some.status_code, some.headers["content-type"]) == (200, "application/jsonl")
    assert some.headers["content-disposition"] == 'attachment; filename="traces.jsonl"'
    assert f'filename="trace-{ids[1][:12]}.jsonl"' in one.headers["content-disposition"]
    assert [len(one.text.splitlines()) for one in (whole, some, one)] == [3, 1, 1]
    assert ids[0] in some.text
    assert (refused.status_code, none.status_code) == (422, 404)
    (tmp_path / "one.jsonl").write_bytes(one.content)
    store = open_store(Settings(home=tmp_path / "other"))
    open_traces(store)
    receipt = imports.import_file(local_scope(store), tmp_path / "one.jsonl")
    assert (receipt.format, receipt.kept, receipt.refused) == ("otlp", 260, 0)
    assert len(get_trace(local_scope(store), ids[1])) == 260
    store.close()


def test_a_program_gets_pages_and_figures_as_well(sent: TestClient) -> None:
    with sent as client:
        found = client.get("/api/traces", params={"limit": 2}).json()
        rest = client.get("/api/traces", params={"limit": 2, "before": found["older"]}).json()
        counted = client.get("/api/traces/stats", params={"by": "service"}).json()

    assert (len(found["traces"]), len(rest["traces"]), rest["older"]) == (2, 1, None)
    assert {one["name"]: one["count"] for one in counted} == {None: 2, "shop": 1}
