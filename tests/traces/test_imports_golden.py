"""Recorded exports of other products, against the figures that they state themselves."""

import dataclasses
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Settings
from lineside.store import open_store
from lineside.traces import Span, imports, open_traces, search
from lineside.trust import Scope, local_scope
from traces.test_mapping_golden import recorded

PAID = {"model", "embedding", "reranker"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Iterator[Scope]:
    store = open_store(Settings(home=tmp_path_factory.mktemp("golden") / "home"))
    open_traces(store)
    yield local_scope(store)
    store.close()


def bring(fresh: Scope, path: Path) -> tuple[imports.ImportReceipt, dict[str, list[Span]]]:
    scope = dataclasses.replace(fresh, workspace=uuid.uuid4().hex)
    receipt = imports.import_file(scope, path)
    # Into the lake at once: a trace is found there sooner than among what waits for it.
    scope.store.flusher.flush()
    found = search.spans_of(scope, search.parse_query(""))
    return receipt, {spans[0].trace_id: list(spans) for spans in found}


def written(folder: Path, rows: list[Any]) -> Path:
    path = folder / "export.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_langfuse_observations_keep_its_counts_of_tokens_and_its_cost(
    fresh: Scope, tmp_path: Path
) -> None:
    rows = recorded("langfuse_framework_traces")
    observations = {
        (one["traceId"], one["id"]): one for row in rows for one in row["trace"]["observations"]
    }

    receipt, traces = bring(fresh, written(tmp_path, rows))

    spans = {(span.trace_id, span.span_id): span for spans in traces.values() for span in spans}
    assert (receipt.format, receipt.refused) == ("langfuse", 0)
    given = [score for row in rows for score in row["trace"]["trace"]["scores"]]
    told = [row["trace"]["trace"] for row in rows]
    tags = {(one["id"], tag) for one in told for tag in one["tags"]}
    assert (receipt.scores, receipt.tags) == (len(given), len(tags))
    assert spans.keys() == observations.keys()
    for key, one in observations.items():
        span, usage = spans[key], one["usageDetails"]
        assert span.parent_span_id == one["parentObservationId"]
        if usage:
            assert (span.tokens_in, span.tokens_out) == (usage["input"], usage.get("output"))
            assert span.cost_usd == pytest.approx(one["costDetails"]["total"])
            assert one["model"] in (span.model, span.model_asked)


def test_inspect_logs_keep_the_usage_of_every_model_and_every_sample(
    fresh: Scope, tmp_path: Path
) -> None:
    for row in recorded("inspect_eval_logs"):
        log = row["log"]
        if not log.get("samples"):
            continue
        receipt, traces = bring(fresh, written(tmp_path, [row]))

        usage = log["stats"]["model_usage"].values()
        events = Counter(event["event"] for one in log["samples"] for event in one["events"])
        spans = [span for spans in traces.values() for span in spans]
        models = [span for span in spans if span.kind == "model"]
        assert (receipt.traces, receipt.refused) == (len(log["samples"]), 0)
        assert receipt.scores == sum(len(one["scores"]) for one in log["samples"])
        assert receipt.tokens_in == sum(one["input_tokens"] for one in usage)
        assert receipt.tokens_out == sum(one["output_tokens"] for one in usage)
        assert sum(span.tokens_cached_in or 0 for span in models) == sum(
            one["input_tokens_cache_read"] for one in usage
        )
        assert len(models) == events["model"]
        assert all(span.messages_in and span.messages_out for span in models)
        assert Counter(span.kind for span in spans)["tool"] == events["tool"]
        assert {span.name for span in spans if span.parent_span_id is None} == {log["eval"]["task"]}


def test_atif_trajectories_keep_the_sums_of_their_steps(fresh: Scope, tmp_path: Path) -> None:
    rows = recorded("atif_trajectories")
    steps = [
        step
        for row in rows
        for one in trajectories(row)
        for step in one["steps"]
        if step["source"] == "agent" and not step.get("is_copied_context")
    ]

    receipt, traces = bring(fresh, written(tmp_path, rows))

    spans = [span for spans in traces.values() for span in spans]
    counts = Counter(span.kind for span in spans)
    metrics = [step.get("metrics") or {} for step in steps]
    assert receipt.refused == 0
    assert receipt.tokens_in == sum(one.get("prompt_tokens", 0) for one in metrics)
    assert receipt.tokens_out == sum(one.get("completion_tokens", 0) for one in metrics)
    assert counts["model"] == len(steps)
    assert counts["tool"] == sum(len(step.get("tool_calls") or []) for step in steps)
    assert sum(
        span.cost_usd or 0 for span in spans if span.cost_source == "sender"
    ) == pytest.approx(sum(one.get("cost_usd") or 0 for one in metrics))


def trajectories(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "steps" in entry:
        yield entry
    below = [entry.get(name) for name in ("trajectory", "parent", "child")]
    for one in [*below, *entry.get("subagent_trajectories", [])]:
        if isinstance(one, dict):
            yield from trajectories(one)


def test_deepeval_traces_keep_every_span_its_kind_and_its_tokens(
    fresh: Scope, tmp_path: Path
) -> None:
    rows = recorded("deepeval_integration_traces")
    found = [
        span
        for row in rows
        for name, spans in row["trace"].items()
        if name.endswith("Spans")
        for span in spans or []
    ]

    receipt, traces = bring(fresh, written(tmp_path, rows))

    kinds = Counter(span.kind for spans in traces.values() for span in spans)
    stated = Counter(one["type"] for one in found)
    assert (receipt.kept, receipt.refused) == (len(found), 0)
    assert sum(map(len, traces.values())) == len(found)
    assert (kinds["model"], kinds["tool"]) == (stated["llm"], stated["tool"])
    assert (kinds["agent"], kinds["retriever"]) == (stated["agent"], stated["retriever"])
    assert receipt.tokens_in == sum(int(one.get("inputTokenCount") or 0) for one in found)


def test_phoenix_spans_keep_their_tree_and_their_tokens(fresh: Scope, tmp_path: Path) -> None:
    rows = recorded("phoenix_agent_spans")

    receipt, traces = bring(fresh, written(tmp_path, rows))

    spans = [span for spans in traces.values() for span in spans]
    counted = [json.loads(row["attributes"]) for row in rows]
    assert (receipt.kept, receipt.refused) == (len(rows), 0)
    assert sum(span.tokens_in or 0 for span in spans if span.kind in PAID) == sum(
        one.get("llm.token_count.prompt", 0) for one in counted
    )
