"""Dragging, keys and the live page in a real Chromium."""

import itertools
import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from lineside.core import now
from lineside.store import open_store
from lineside.traces import Span, new_span_id, new_trace_id, open_traces, record_spans
from lineside.trust import local_scope
from web.chromium import DESK, PHONE, OpenPage, running, scrolled_sideways
from web.small_case import settings_for

pytestmark = pytest.mark.xdist_group("chromium")
TRACES = 60
BEGAN = now() - timedelta(hours=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server with a trace for each of the last sixty hours."""
    root = tmp_path_factory.mktemp("lists")
    store = open_store(settings_for(root / "home"))
    open_traces(store)
    spans = [
        Span(
            trace_id=new_trace_id(),
            span_id=new_span_id(),
            name=f"step {number}",
            service="shop",
            started_at=BEGAN + timedelta(hours=number),
            duration_ms=100.0 + number,
        )
        for number in range(TRACES)
    ]
    record_spans(local_scope(store), spans).result()
    store.close()
    with running(root) as address:
        yield address


def send(server: str, name: str, *, began: float | None = None) -> None:
    """Send one trace over OTLP as another program would."""
    start = int((began or time.time()) * 1e9)
    span: dict[str, Any] = {"traceId": new_trace_id(), "spanId": new_span_id(), "name": name}
    span |= {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5_000_000)}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{server}/v1/traces",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the first chart, from one share of its width to another."""
    chart = page.locator("svg.plot-time").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    y = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=5)
    expect(page.locator("svg .brush")).to_be_visible()
    page.mouse.up()


def test_dragging_over_a_chart_leads_to_the_traces_behind_it(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/traces/charts?service=shop&since=7d")
        bars = page.locator("svg.plot-time").first.locator("a[data-bucket]")
        first, last = (at.get_attribute("aria-label") for at in (bars.first, bars.last))
        drag(page, 0.0, 0.999)
        page.wait_for_url("**/traces?**")
        asked = parse_qs(urlsplit(page.url).query)

        assert asked["service"] == ["shop"]
        assert asked["from"] < asked["to"]
        assert first
        assert last
        expect(page.locator("[data-trace]").first).to_contain_text("step 59")
        expect(page.get_by_title("Ask this no more")).to_have_count(3)


def test_arrows_do_what_dragging_does(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/traces/charts?service=shop&since=7d")
        bars = page.locator("svg.plot-time").first.locator("a[data-bucket]")
        before = bars.nth(bars.count() - 2)
        held = [
            int((bar.get_attribute("aria-label") or "").split("UTC, ")[1].split(" ")[0])
            for bar in (before, bars.last)
        ]
        bars.last.focus()
        page.keyboard.press("Shift+ArrowLeft")
        expect(before).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/traces?**")
        expect(page.locator("[data-trace]")).to_have_count(sum(held))


def test_keys_walk_the_list_and_load_what_is_older(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/traces?service=shop")
        expect(page.locator("[data-trace]")).to_have_count(50)
        for key in ("j", "j", "k", "j"):
            page.keyboard.press(key)
        expect(page.locator("[data-trace]").nth(1).locator("[data-open]")).to_be_focused()
        page.keyboard.press("o")
        expect(page.locator("[data-trace]")).to_have_count(TRACES)
        expect(page.locator("[data-older]")).to_have_count(0)
        page.keyboard.press("/")
        expect(page.get_by_label("Words in input")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Next trace")
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.wait_for_url("**/traces/charts")
        page.keyboard.press("g")
        page.keyboard.press("t")
        page.wait_for_url("**/traces")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/traces/*")


def test_older_traces_are_a_link_where_no_script_runs(open_page: OpenPage) -> None:
    with open_page(script=False) as page:
        page.goto("/traces?service=shop")
        page.get_by_role("link", name="Older traces").click()
        expect(page.locator("[data-trace]")).to_have_count(TRACES - 50)
        page.goto("/traces/charts?service=shop&since=7d")
        page.locator("svg.plot-time a[data-bucket]").first.click()
        page.wait_for_url("**/traces?**")


def test_a_trace_shows_live_once_it_arrives_and_after_the_server_was_away(
    open_page: OpenPage, server: str
) -> None:
    with open_page() as page:
        page.goto("/traces/live")
        expect(page.locator("[data-state]")).to_have_text("Live")
        send(server, "fresh one", began=time.time() - 86_400)
        expect(page.locator("[data-rows]")).to_contain_text("fresh one", timeout=15_000)

        page.get_by_role("button", name="Pause").click()
        send(server, "while paused")
        page.wait_for_timeout(1_500)
        expect(page.locator("[data-rows]")).not_to_contain_text("while paused")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("[data-rows]")).to_contain_text("while paused", timeout=15_000)

        page.route("**/traces/live/rows**", lambda route: route.fulfill(status=204))
        expect(page.locator("[data-state]")).to_contain_text("Not connected")
        send(server, "while away")
        page.unroute("**/traces/live/rows**")
        expect(page.locator("[data-rows]")).to_contain_text("while away", timeout=15_000)
        expect(page.locator("[data-state]")).to_have_text("Live")


@pytest.mark.parametrize("script", [True, False])
def test_on_a_phone_plots_and_lists_come_first_and_filters_unfold(
    open_page: OpenPage, script: bool
) -> None:
    with open_page(PHONE, script=script) as page:
        page.goto("/traces/charts?service=shop&since=7d")
        box = page.locator("svg.plot-time").first.bounding_box()
        assert box
        assert box["y"] + box["height"] < 800, "the first plot is seen without scrolling"
        texts = page.locator("svg.plot-time").first.locator(".axis-text[text-anchor]").all()
        boxes = [found for text in texts if (found := text.bounding_box())]
        places = sorted((one["x"], one["x"] + one["width"]) for one in boxes if one["y"] > 300)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))
        expect(page.get_by_text("Service shop ×")).to_be_visible()
        expect(page.locator("select[name=status]")).to_be_hidden()

        page.get_by_text("Filters and split, 2 asked").click()
        page.locator("select[name=status]").select_option("error")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**status=error**")


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_lists_charts_and_live_fit_the_screen(open_page: OpenPage, width: int, scheme: str) -> None:
    with open_page(width, scheme) as page:
        for path in ("/traces", "/traces/charts", "/traces/charts?by=name", "/traces/live"):
            page.goto(path)
            assert scrolled_sideways(page) <= 0, f"{path} scrolls sideways at {width}"
            expect(page.locator("h1")).to_have_count(1)
