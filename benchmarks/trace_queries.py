"""Claim: a laptop holds ten million spans and finds any trace at once. The list of the newest, a
filtered list, one trace, one session and a chart over 30 days take less than 300 ms, text search
less than 1.5 s, starting the server less than 5 s, and the page of a trace of 50,000 steps or of a
session of 20,000 traces less than 1 s.

    .venv/bin/python benchmarks/trace_queries.py [--home FOLDER] [--spans N] [--json] [--peers]

The lake is made by `lake.py` beside this file, in a folder of its own that is removed, or in
FOLDER, which is kept and used again as it is. Times are the 95th percentile of 20 warm calls of the
front door's functions in this process, results read; those of pages are of `lineside up` over HTTP.
There are no peers here; `--peers` changes nothing.
"""

import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import lake
from machine import LINESIDE, free_port, line_environment, serving
from report import Report, options

from lineside.core import Settings, now
from lineside.store import open_store
from lineside.traces import get_trace, open_traces, search
from lineside.trust import Scope, local_scope

_CALLS = 20
_PAGE_CALLS = 10
_CHART_CALLS = 10
_TIMEOUT_SECONDS = 60


def main() -> None:
    given = options(
        __doc__,
        lambda parser: parser.add_argument("--spans", type=int, default=10_000_000),
        lambda parser: parser.add_argument("--home", type=Path),
    )
    report = Report(f"{given.spans:,} spans on a laptop are listed, filtered and searched at once")
    with ExitStack() as stack:
        home = given.home or Path(stack.enter_context(TemporaryDirectory())) / "home"
        if not home.exists():
            report.add("generated_seconds", lake.generate(home, given.spans), "s")
        files = [file for file in home.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files if file.suffix == ".parquet")
        report.add("lake_mb", size / 1e6, "MB", note="Parquet")
        size = sum(file.stat().st_size for file in files if "words" in file.name)
        report.add("words_mb", size / 1e6, "MB", note="the index of words")
        store = open_store(Settings(home=home))
        open_traces(store)
        try:
            _measure(report, local_scope(store))
        finally:
            store.close()
        _measure_pages(report, home)
    report.close(as_json=given.json)


def _measure(report: Report, scope: Scope) -> None:
    def found(query: str, *, limit: int = 50, before: str | None = None) -> search.Page:
        return search.list_traces(scope, search.parse_query(query), limit=limit, before=before)

    page = found("")
    assert len(page.traces) == 50
    middle = (now() - timedelta(days=15)).isoformat() + "~"
    one = found("", before=middle).traces[0].trace_id
    assert len(get_trace(scope, one)) == 5
    cases: dict[str, tuple[Callable[[], object], str]] = {
        "newest_50": (lambda: found(""), "newest 50, nothing asked"),
        "older_page": (lambda: found("", before=middle), "50 from the middle of the 30 days"),
        "filtered_release": (
            lambda: found("release = v2 and latency_ms > 2000"),
            "a release that is not the newest, slow ones",
        ),
        "filtered_errors": (
            lambda: found("status = error and model = gpt-4o and use_case = unclaimed"),
            "three conditions",
        ),
        "filtered_user": (lambda: found("user = u17"), "one of 5,000 users"),
        "filtered_tokens": (lambda: found("tokens_in > 6000"), "a sum over steps"),
        "session": (lambda: found("session = s1000"), "one session"),
        "crowd": (lambda: found(f"session = {lake.CROWD}"), "50 of a session of 20,000 traces"),
        "one_trace": (lambda: get_trace(scope, one), "all its steps with texts and raw"),
        "chart_30_days": (lambda: search.chart(scope), "by use case, in 60 parts"),
        "chart_30_days_model": (lambda: search.chart(scope, by="model"), "the same by model"),
        "stats_30_days": (lambda: search.figures(scope), "count, percentiles, tokens, cost"),
    }
    for name, (call, note) in cases.items():
        report.add(f"{name}_ms_p95", _p95_ms(call), "ms", goal="< 300", note=note)
    _measure_filtered(report, scope)
    text = {"text_often": "invoice", "text_rare": lake.RARE, "text_never": "no such words"}
    for name, word in text.items():
        call = lambda word=word: found(f'text ~ "{word}"')  # noqa: E731 # one line says it
        report.add(f"{name}_ms_p95", _p95_ms(call, calls=8), "ms", goal="< 1500")


def _measure_filtered(report: Report, scope: Scope) -> None:
    """Charts over 30 days of what meets a filter, with how many traces that are."""
    cases = {
        "release": ("release = v2", None),
        "use_case_by_release": ("use_case = case-1", "release"),
        "service": ("service = svc-1", None),
        "service_by_model": ("service = svc-1", "model"),
        "status": ("status = error", None),
        "user": ("user = u17", None),
        "latency": ("latency_ms > 2000", None),
        "latency_by_release": ("latency_ms > 2000", "release"),
        "latency_by_model": ("latency_ms > 2000", "model"),
        "model": ("model = gpt-4o", None),
        "tokens": ("tokens_in > 1000", None),
        "every_latency": ("latency_ms > 0", None),
        "text_rare": (f"text ~ {lake.RARE}", None),
        "text_often": ("text ~ invoice", None),
    }
    for name, (query, by) in cases.items():
        filters = search.parse_query(query)
        chart = search.chart(scope, filters, by=by)
        assert chart
        call = lambda filters=filters, by=by: search.chart(scope, filters, by=by)  # noqa: E731 # one line says it
        is_summed = not name.startswith(("text", "latency", "every", "model", "tokens"))
        report.add(
            f"chart_{name}_ms_p95",
            _p95_ms(call, calls=_CHART_CALLS),
            "ms",
            goal="< 300" if is_summed else None,
            note=f"{query}{f', by {by}' if by else ''}: {chart.whole.count:,}",
        )


def _measure_pages(report: Report, home: Path) -> None:
    port = free_port()
    with serving(
        [LINESIDE, "up"], port=port, environment=line_environment(home, port), folder=home
    ) as server:
        seconds = server.wait_for_page("/traces")
        report.add("start_up_seconds", seconds, "s", goal="< 5", note="until the first list")
        pages = {
            "list": ("/traces", "300"),
            "wide_trace": (f"/traces/{lake.WIDE}", "1000"),
            "crowd": (f"/sessions/{lake.CROWD}", "1000"),
        }
        for name, (path, limit) in pages.items():
            call = lambda path=path: _get(port, path)  # noqa: E731 # one line says it
            taken = _p95_ms(call, calls=_PAGE_CALLS)
            report.add(f"page_{name}_ms_p95", taken, "ms", goal=f"< {limit}", note=path[:20])
        report.add("memory_mb", server.memory_mb(), "MiB", note="of the server and its flusher")


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}{path}", timeout=_TIMEOUT_SECONDS
    ) as answer:
        content: bytes = answer.read()
    return content


def _p95_ms(call: Callable[[], object], *, calls: int = _CALLS) -> float:
    call()
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)[min(calls - 1, round(0.95 * calls) - 1)]


if __name__ == "__main__":
    main()
