"""What is kept beside a step is shown in its place: the start of a text, a picture whole."""

import base64
import re
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.server import build
from lineside.store import open_store
from lineside.traces import Message, Span, new_span_id, new_trace_id, open_traces, record_spans
from lineside.trust import local_scope

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_page_links_to_the_whole_text_and_shows_the_picture(settings: Settings) -> None:
    document = "The kestrel hovers over the meadow. " * 2_000
    data = base64.b64encode(PICTURE).decode()
    parts = [
        {"type": "text", "content": document},
        {"type": "media", "mime_type": "image/png", "data": data},
    ]
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="chat",
        kind="model",
        started_at=datetime.now(UTC),
        duration_ms=5.0,
        messages_in=[Message(role="user", parts=parts)],
    )
    store = open_store(settings)
    open_traces(store)
    record_spans(local_scope(store), [span]).result()
    store.flusher.flush()
    store.close()

    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        shown = client.get(f"/traces/{span.trace_id}?step={span.span_id}")
        links = dict.fromkeys(re.findall(r'(?:href|src)="(/blobs/[^"]+)"', shown.text))
        kept = [client.get(link) for link in links]

    assert shown.status_code == 200
    assert len(shown.text) < len(document)
    assert [answer.content for answer in kept] == [document.encode(), PICTURE]
    assert kept[1].headers["content-type"] == "image/png"
