"""Sound that was sent plays in a browser, and one can go to any place of it."""

import io
import math
import struct
import urllib.request
import wave
from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers

from lineside.core import now
from lineside.store import open_store
from lineside.traces import Message, Span, new_span_id, new_trace_id, open_traces, record_spans
from lineside.trust import local_scope
from lineside.web.ranges import ranged
from web.chromium import OpenPage, running
from web.small_case import settings_for

pytestmark = pytest.mark.xdist_group("chromium")
SECONDS = 40
TRACE = new_trace_id()


def tone() -> bytes:
    """A wave file of a quiet tone."""
    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "none"))
        once = [int(900 * math.sin(at / 8000 * 440 * 2 * math.pi)) for at in range(8000)]
        file.writeframes(struct.pack("<8000h", *once) * SECONDS)
    return kept.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server with a trace in which somebody spoke."""
    root = tmp_path_factory.mktemp("sound")
    store = open_store(settings_for(root / "home"))
    open_traces(store)
    digest = store.payloads.put(tone())
    said = {"type": "media", "data": {"$blob": digest, "bytes": 9, "mime_type": "audio/wav"}}
    span = Span(
        trace_id=TRACE,
        span_id=new_span_id(),
        name="chat",
        kind="model",
        started_at=now(),
        duration_ms=5.0,
        messages_in=[Message(role="user", parts=[said])],
    )
    record_spans(local_scope(store), [span]).result()
    store.close()
    with running(root) as address:
        yield address


def test_one_goes_to_a_place_in_the_sound(open_page: OpenPage) -> None:
    with open_page() as page:
        answers = []
        page.on("response", lambda one: answers.append(one) if "/blobs/" in one.url else None)
        page.goto(f"/traces/{TRACE}")
        sound = page.locator("audio").first
        sound.evaluate(
            "one => new Promise(done => {"
            " one.onloadedmetadata = () => done(); one.preload = 'auto'; one.load(); })"
        )
        end = sound.evaluate("one => one.seekable.length && one.seekable.end(0)")
        there = sound.evaluate(
            "one => new Promise(done => {"
            " one.onseeked = () => done(one.currentTime); one.currentTime = 33; })"
        )

    assert round(end) == SECONDS
    assert round(there) == 33
    assert {one.status for one in answers} == {206}


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-1", 206, b"01", "bytes 0-1/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("", 200, b"0123456789", None),
    ],
)
def test_a_part_is_given_as_http_has_it(
    asked: str, status: int, content: bytes, told: str | None
) -> None:
    answer = ranged(Headers({"range": asked}), b"0123456789", etag="one", media_type="audio/wav")

    assert (answer.status_code, answer.body) == (status, content)
    assert answer.headers.get("content-range") == told
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_part_of_another_file_than_the_one_begun_is_not_given() -> None:
    asked = {"range": "bytes=4-", "if-range": '"another"'}

    assert ranged(Headers(asked), b"0123", etag="one", media_type="audio/wav").body == b"0123"


def test_a_file_that_is_asked_for_whole_says_that_parts_may_be(server: str) -> None:
    page = urllib.request.urlopen(f"{server}/traces/{TRACE}").read().decode()
    address = page.partition('src="/blobs/')[2].partition('"')[0]

    with urllib.request.urlopen(f"{server}/blobs/{address}") as answer:
        assert answer.status == 200
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.read() == tone()
