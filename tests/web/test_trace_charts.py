"""Charts, saved views and the live page, over traces of another program."""

import html as markup
import re
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings, now
from lineside.server import build
from lineside.store import open_store
from lineside.traces import Span, new_span_id, new_trace_id, open_traces, record_spans
from lineside.trust import local_scope
from web.small_case import html, words

pytestmark = pytest.mark.xdist_group("traces")
AT = now().replace(minute=30, second=0, microsecond=0) - timedelta(hours=50)


def trace(hours: float, *, cost_usd: float | None = None, **root: Any) -> list[Span]:
    usual: dict[str, Any] = {"started_at": AT + timedelta(hours=hours), "duration_ms": 400.0}
    usual["trace_id"] = new_trace_id()
    first = Span(**(usual | {"name": "answer", "service": "shop"} | root), span_id=new_span_id())
    call = Span(
        **usual,
        span_id=new_span_id(),
        parent_span_id=first.span_id,
        name="chat",
        kind="model",
        model="house-model",
        cost_usd=cost_usd,
    )
    return [first, call]


@pytest.fixture
def sent(settings: Settings) -> TestClient:
    """Seven traces in two buckets: three of 12 hours' time, one of which failed, and four later."""
    spans = [
        *trace(0, cost_usd=0.5, user_id='u "1"'),
        *trace(0.1, status="error", user_id="<b>"),
        *trace(0.2),
        *(span for number in range(4) for span in trace(40 + number / 10)),
    ]
    store = open_store(settings)
    open_traces(store)
    record_spans(local_scope(store), spans).result()
    store.close()
    return TestClient(build(settings), base_url="http://127.0.0.1")


def hrefs(page: str, pattern: str) -> list[str]:
    return [markup.unescape(one) for one in re.findall(rf'href="({pattern}[^"]*)"', page)]


def test_each_chart_says_what_it_covers_and_leads_to_the_traces_behind(sent: TestClient) -> None:
    with sent as client:
        page = html(client, "/traces/charts")
        buckets = re.findall(r'<a href="([^"]+)" aria-label="([^"]+)" data-bucket', page)
        lists = [html(client, markup.unescape(address)) for address, _ in buckets]
        failed = html(client, hrefs(page, r"/traces\?status=error")[0])

    text = words(page)
    assert "All 7 traces; test runs do not count" in text
    assert "1 of 7 traces ended in an error" in text
    assert "Cost is known for 14 % of 7 model calls; the rest is not in it" in text
    assert "Tokens were counted for 0 % of 7 model calls" in text
    assert "At least" not in text
    said = [int(re.findall(r"UTC, (\d+) traces", label)[0]) for _, label in buckets]
    assert sum(said) == 7 * 4, "each of the four charts with values has each trace once"
    assert [page.count("data-trace=") for page in lists] == said
    assert failed.count("data-trace=") == 1
    assert " style=" not in page


def test_axes_carry_their_unit_and_a_chart_without_values_says_so(sent: TestClient) -> None:
    with sent as client:
        page = words(html(client, "/traces/charts"))

    assert re.search(r"Latency 400 ms p50.*\d ms ", page)
    assert "$0.5" in page, "on the axis of money"
    tokens = page[page.index("Tokens unknown") :]
    assert "Nothing to draw: none known." in tokens


def test_charts_are_split_and_each_name_leads_to_its_traces(sent: TestClient) -> None:
    with sent as client:
        page = html(client, "/traces/charts?by=user&since=30d")
        names = re.findall(r'<li><i class="series-\d"></i><a href="([^"]+)">([^<]+)</a>', page)
        counts = {
            markup.unescape(name): html(client, markup.unescape(address)).count("data-trace=")
            for address, name in names
        }
        wrong = html(client, "/traces/charts?by=modle", 422)
        model = words(html(client, "/traces/charts?by=model"))

    assert counts == {"Unknown": 5, 'u "1"': 1, "<b>": 1}
    assert "<b>:" not in page
    assert "Did you mean model ?" in words(wrong)
    assert "7 model calls" in model
    assert "Time to first token p50" in model
    assert "Reported for 0 % of 7 model calls" in model


def test_a_week_without_traces_shows_the_ones_before(settings: Settings) -> None:
    store = open_store(settings)
    open_traces(store)
    record_spans(local_scope(store), trace(-24 * 30)).result()
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = words(html(client, "/traces/charts"))
        asked = words(html(client, "/traces/charts?since=24h"))

    assert "All 1 traces" in page
    assert "No trace meets this" in asked


def test_every_field_narrows_the_list_and_can_be_taken_back(sent: TestClient) -> None:
    begin, end = (AT + timedelta(hours=h) for h in (-1, 1))
    with sent as client:
        fields = {"from": f"{begin:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
        early = client.get("/traces", params=fields).text
        none = client.get("/traces", params={"latency_ms_min": "900"}).text
        both = client.get("/traces", params={"service": "shop", "user": "<b>", "col": "user"}).text
        wrong = client.get("/traces", params={"latency_ms_min": "slow"})

    assert early.count("data-trace=") == 3
    assert "No trace meets this" in none
    assert both.count("data-trace=") == 1
    assert hrefs(both, r"/traces\?service=shop&amp;col=user"), "without the user"
    assert '<th scope="col" >Outcome' not in both
    assert wrong.status_code == 422


def test_a_view_is_saved_opened_and_removed(sent: TestClient) -> None:
    asked = {"status": "error", "since": "7d", "col": ["what", "user"]}
    with sent as client:
        form = asked | {"name": "Failed <1>", "who": "all", "page": "/traces"}
        saved = client.post("/traces/views", data=form, follow_redirects=False)
        opened = html(client, saved.headers["location"])
        listed = client.get("/api/traces/views").json()
        elsewhere = client.post("/traces/views", data=form | {"page": "//evil.example"})
        (place,) = set(re.findall(r'action="(/traces/views/[^"]+/remove)"', opened)) or {""}
        gone = client.post(
            f"/traces/views/{client.get('/api/traces/views').json()[0]['id']}/remove",
            data={"page": "/traces/charts"},
            follow_redirects=False,
        )
        left = client.get("/api/traces/views").json()

    assert saved.status_code == 303
    assert "Failed &lt;1&gt;" in opened
    assert opened.count("data-trace=") == 1
    assert (listed[0]["is_shared"], listed[0]["columns"]) == (True, ["what", "user"])
    assert elsewhere.url.host == "127.0.0.1"
    assert place
    assert gone.headers["location"] == "/traces/charts"
    assert left == []


def test_what_waits_when_the_live_page_opens_is_on_it_and_not_new_once_it_is_kept(
    settings: Settings,
) -> None:
    store = open_store(settings)
    open_traces(store)
    scope = local_scope(store)
    record_spans(scope, [span for hours in range(30) for span in trace(hours)]).result()
    store.flusher.flush()
    waiting = trace(-24)
    record_spans(scope, waiting).result()
    client = TestClient(build(settings), base_url="http://127.0.0.1")  # nothing is moved by it

    page = html(client, "/traces/live")
    cursor = re.search(r'data-cursor="(\d+)"', page)
    store.flusher.flush()
    assert cursor
    again = client.get(f"/traces/live/rows?after={cursor[1]}").text

    shown = re.findall(r'data-trace="(\w+)"', page)
    assert shown[0] == waiting[0].trace_id, "what arrived last comes first"
    assert len(shown) == 21
    assert re.findall(r'data-trace="(\w+)"', again) == [waiting[0].trace_id]
    store.close()


def test_the_live_page_goes_on_from_its_cursor(sent: TestClient) -> None:
    with sent as client:
        page = html(client, "/traces/live?service=shop")
        found = re.search(r'data-cursor="(\d+)"', page)
        assert found
        empty = client.get(f"/traces/live/rows?service=desk&after={found[1]}").text
        wrong = client.get("/traces/live/rows?after=yesterday")
        begin = client.get("/api/traces/arrivals").json()

    assert page.count("data-trace=") == 7
    assert '<meta http-equiv="refresh"' in page, "without a script"
    assert empty.count("data-trace=") == 0
    assert wrong.status_code == 422
    assert begin["cursor"]
