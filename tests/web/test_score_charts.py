"""Charts of scores, and scores and tags as fields of the form."""

import html as markup
import re
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings, now
from lineside.server import build
from lineside.store import open_store
from lineside.traces import Span, marks, new_span_id, open_traces, record_spans, scores
from lineside.trust import local_scope
from web.small_case import html, words

pytestmark = pytest.mark.xdist_group("traces")
AT = now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=50)


def given(place: int, name: str, **said: Any) -> scores.TraceScore:
    return scores.TraceScore(name=name, trace_id=str(place + 1) * 32, at=AT, **said)


@pytest.fixture
def judged(settings: Settings) -> TestClient:
    """Six traces of two services, four of them with a tone and three with a number."""
    store = open_store(settings)
    open_traces(store)
    scope = local_scope(store)
    spans = [
        Span(
            trace_id=str(place + 1) * 32,
            span_id=new_span_id(),
            name="answer",
            service="shop" if place < 3 else "desk",
            started_at=AT + timedelta(hours=10 * (place % 2)),
            duration_ms=10.0,
        )
        for place in range(6)
    ]
    record_spans(scope, spans).result()
    tones = ['"rude"', "kind", "kind", "kind"]
    said = [given(place, "tone", label=label) for place, label in enumerate(tones)]
    said += [given(place, "is grounded", value=value) for place, value in enumerate((1, -0.5, 0))]
    scores.record_scores(scope, said).result()
    marks.tag_trace(scope, "6" * 32, "vip")
    store.close()
    return TestClient(build(settings), base_url="http://127.0.0.1")


def chart_of(page: str, title: str) -> str:
    """The card with this title."""
    cards = page.split('<section class="card chart')
    return next(one for one in cards if f">{markup.escape(title, quote=False)}</h2>" in one)


def links(card: str, pattern: str) -> list[tuple[str, str]]:
    return [(markup.unescape(a), markup.unescape(b)) for a, b in re.findall(pattern, card)]


BUCKETS = r'<a href="([^"]+)" aria-label="([^"]+)" data-bucket'


def test_a_score_is_drawn_with_its_coverage_and_leads_to_the_traces_behind(
    judged: TestClient,
) -> None:
    with judged as client:
        page = html(client, "/traces/charts?of=is+grounded")
        card = chart_of(page, "Score is grounded: mean")
        behind = [
            (html(client, address).count("data-trace="), said)
            for address, said in links(card, BUCKETS)
        ]
        [brush] = re.findall(r'data-brush="([^"]+)"', card)
        brushed = html(client, markup.unescape(brush))
        none = words(html(client, "/traces/charts?of=taste"))

    assert "3 of 6 traces carry it (50.0 %); the rest is not in it" in words(card)
    assert [count for count, _ in behind] == [2, 1]
    assert "2 traces with the score. Mean: 0.50" in behind[0][1]
    assert "Mean: −0.50" in behind[1][1]
    assert brushed.count("data-trace=") == 3
    assert "<option selected>is grounded</option>" in page
    assert "None of these traces carries the score taste" in none


def test_labels_are_drawn_as_shares_and_each_leads_to_its_traces(judged: TestClient) -> None:
    with judged as client:
        card = chart_of(html(client, "/traces/charts?of=tone"), "Score tone: labels")
        split = html(client, "/traces/charts?of=tone&by=service")
        pieces = links(card, r'<a href="([^"]+)" tabindex="-1"[^>]*>.*?<title>([^<]+)</title>')
        behind = {
            said.split("UTC. ")[1]: html(client, address).count("data-trace=")
            for address, said in pieces
        }

    assert "75.0 % kind" in words(card)
    assert "4 of 6 traces carry it" in words(card)
    assert behind == {'"rude": 50.0 %': 1, "kind: 50.0 %": 1, "kind: 100.0 %": 2}
    assert "Score tone: kind" in words(split)
    assert "Score tone: &#34;rude&#34;" in split
    assert "desk" in words(chart_of(split, "Score tone: kind"))


def test_scores_and_tags_are_fields_of_the_form(judged: TestClient) -> None:
    with judged as client:
        low = html(client, "/traces?score=%22is+grounded%22+%3C+0.5")
        tagged = html(client, "/traces?tag=VIP")
        both = html(client, "/traces?tag=vip&score=tone+%3D+kind")
        wrong = words(html(client, "/traces?score=tone", 422))
        line = client.get("/api/traces", params={"q": "score.tone = kind", "service": "shop"})
        field = client.get("/api/traces", params={"score": "tone = kind", "tag": "vip"})

    assert low.count("data-trace=") == 2
    assert tagged.count("data-trace=") == 1
    assert "No trace meets this" in words(both)
    assert 'placeholder="grounded &lt; 0.5"' in low
    assert "The query ends after score.tone" in wrong
    assert len(line.json()["traces"]) == 2
    assert field.json()["traces"] == []
