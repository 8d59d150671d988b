"""The try-out page of an app that answers from sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
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
    assert "Nothing supports an answer" in cup
    assert "<blockquote>" not in cup


def test_the_trace_of_an_answer_shows_the_search(answers: TestClient) -> None:
    asked = {"input": {"question": "What may a hotel cost?"}}
    trace_id = answers.post("/api/usecases/travel/run", json=asked).json()["trace_id"]

    spans = answers.get(f"/api/traces/{trace_id}").json()
    (search,) = [span["span_id"] for span in spans if span["kind"] == "retriever"]
    page = answers.get(f"/traces/{trace_id}?step={search}").text

    assert "Steps" in page
    assert "retriever" in page
    assert "by_meaning" in page
    assert "sources/travel-policy.md#1" in page
    assert "support_min" in page
