"""The try-out page of an app that answers from sources."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.traces import Span, new_span_id, new_trace_id, record_spans
from lineside.trust import local_scope
from lineside.usecases import FitAnswers, init_folder, read_folder


@pytest.fixture
def answers(settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    """A server with the template's use case live."""
    store = open_line(settings)
    scope = local_scope(store)
    init_folder(tmp_path / "travel", template="answer", answers=FitAnswers())
    manifest = tmp_path / "travel" / "usecase.yaml"
    # What the page shows is asked here, not whether the example is good enough to be live.
    tests, gate, _ = manifest.read_text().partition("  gate:")
    manifest.write_text(f"{tests}{gate} [latency_ms <= 60000]\n")
    release_folder(scope, read_folder(tmp_path / "travel"))
    deploy(scope, "travel")
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def test_an_answer_shows_its_quotes_and_an_abstention_its_reason(answers: TestClient) -> None:
    hotel = answers.post("/usecases/travel/try", data={"question": "What may a hotel cost?"}).text
    cup = answers.post("/usecases/travel/try", data={"question": "Who won the world cup?"}).text

    assert (
        "<blockquote>Hotels: up to 130 a night, up to 180 in capital cities.</blockquote>" in hotel
    )
    assert "sources/travel-policy.md</code> · Travel policy" in hotel
    assert "passages it looked at" in hotel
    assert '<dd class="">The sources do not say.</dd>' in cup
    assert "Nothing supports an answer" in cup
    assert "What it rests on" not in cup
    assert "it looked at" in cup


def test_the_trace_of_an_answer_shows_the_search(answers: TestClient) -> None:
    asked = {"input": {"question": "What may a hotel cost?"}}
    trace_id = answers.post("/api/usecases/travel/run", json=asked).json()["trace_id"]

    spans = answers.get(f"/api/traces/{trace_id}").json()
    (search,) = [span["span_id"] for span in spans if span["kind"] == "retriever"]
    page = answers.get(f"/traces/{trace_id}?step={search}").text

    assert "Steps" in page
    assert "retriever" in page
    assert re.search(r"sources/travel-policy\.md · Travel policy · score [\d.]+", page)
    assert "<dt>Answered</dt><dd>Hotels: up to 130 a night" in page
    assert "support_min" in page


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ([{"content": "To 130", "id": 7, "score": 0.5}], "<blockquote>To 130</blockquote>"),
        ([{"content": "To 130"}, {"vector": [1]}], "&#34;vector&#34;: ["),
        ("nothing found", "nothing found</pre>"),
    ],
)
def test_a_search_of_another_program_shows_passages_where_there_are_some(
    settings: Settings, output: Any, shown: str
) -> None:
    trace_id, span_id = new_trace_id(), new_span_id()
    store = open_line(settings)
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        name="search",
        kind="retriever",
        started_at=datetime.now(UTC),
        duration_ms=1,
        output=output,
    )
    record_spans(local_scope(store), [span]).result()
    store.close()

    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = client.get(f"/traces/{trace_id}?step={span_id}").text

    assert shown in page
