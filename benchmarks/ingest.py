"""Claim: one process takes in 5,000 spans of 2 KiB a second, each durable before the answer, with a
p99 of 250 ms and 500 MiB of memory.

    .venv/bin/python benchmarks/ingest.py [--json] [--seconds 60] [--batch 256] [--clients 4]
        [--rate 5500]

Spans of model calls (`gen_ai.*`, a conversation of about 1.5 KiB in each) go as OTLP protobuf,
uncompressed, to `lineside up` on a fresh state folder; the sender is a process of its own with kept
connections and sends at an even rate (0: as fast as it is answered); a request's time counts from
when it was due. What counts is what was answered with 200 and nothing refused. Then the server is
killed (SIGKILL), and every span is counted in what is on disk.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import read_answer
from machine import LINESIDE, Server, free_port, line_environment, serving
from report import Report, options, progress

_SPAN_BYTES = 2048
_SAMPLE_SECONDS = 0.5
_TIMEOUT_SECONDS = 60
PLACEHOLDER = b"<-trace id->"  # the first 12 bytes of each trace's id
SPAN_PLACEHOLDER = b"<id>"  # the first half of each span's id


def main() -> None:
    if sys.argv[1:2] == ["--send"]:
        print(json.dumps(asyncio.run(_send(*map(int, sys.argv[2:])))))
        return
    given = options(
        __doc__,
        lambda parser: parser.add_argument("--seconds", type=int, default=60),
        lambda parser: parser.add_argument("--batch", type=int, default=256),
        lambda parser: parser.add_argument("--clients", type=int, default=4),
        lambda parser: parser.add_argument("--rate", type=int, default=5500),
    )
    report = Report("Spans of other programs, durable before the answer")
    # What the killed server began may still write for a moment when the folder goes.
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home, port = Path(name) / "home", free_port()
        environment = line_environment(home, port)
        with serving(
            [LINESIDE, "up"], port=port, environment=environment, folder=Path(name)
        ) as server:
            server.wait_for_page("/")
            _sent(port, 2, given)  # imports and the first flush happen here
            kept = _measure(report, server, given)
            server.kill()
        _count(report, home, kept)
    report.close(as_json=given.json)


def _measure(report: Report, server: Server, given: argparse.Namespace) -> int:
    """Put the figures of the load down; returns the spans that were answered for."""
    memory: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            memory.append(server.memory_mb())

    watching = threading.Thread(target=watch)
    watching.start()
    cpu = server.cpu_seconds()
    sent = _sent(server.port, given.seconds, given)
    cpu = server.cpu_seconds() - cpu
    done.set()
    watching.join()
    note = f"{given.clients} clients, {given.batch} spans of {sent['span_bytes']:,} bytes a request"
    report.add("spans_per_second", sent["per_second"], "/s", goal=">= 5000", note=note)
    report.add("latency_ms_p50", sent["latency_ms_p50"], "ms")
    report.add("latency_ms_p99", sent["latency_ms_p99"], "ms", goal="<= 250")
    report.add(
        "sent_again", sent["sent_again"], "", note="answered 503: the inbox was over its limit"
    )
    report.add("failed", sent["failed"], "", goal="<= 0", note=sent["wrong"])
    cpu_us = cpu / max(sent["kept"], 1) * 1e6
    report.add("cpu_us_per_span", cpu_us, "us", note="of the server, flusher in it")
    report.add("memory_mb", memory[-1], "MiB", note="resident, at the end of the load")
    report.add("memory_mb_max", max(memory), "MiB", goal="<= 500")
    middle = memory[len(memory) // 2]
    report.add("memory_mb_growth", memory[-1] - middle, "MiB", note="over the second half")
    return int(sent["kept_in_all"])


_kept_in_all = 0


def _sent(port: int, seconds: int, given: argparse.Namespace) -> dict[str, Any]:
    global _kept_in_all
    command = [sys.executable, __file__, "--send", str(port), str(seconds)]
    command += [str(given.batch), str(given.clients), str(given.rate)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    sent: dict[str, Any] = json.loads(done.stdout)
    _kept_in_all += sent["kept"]
    return sent | {"kept_in_all": _kept_in_all}


def _count(report: Report, home: Path, kept: int) -> None:
    """Count the spans in lake and inbox, as the next server would find them."""
    from lineside.apps import open_line
    from lineside.core import Settings
    from lineside.traces.queries import SPANS

    progress("Count what is on disk")
    store = open_line(Settings(home=home))
    try:
        started = time.perf_counter()
        waited = store.flusher.flush()
        seconds = time.perf_counter() - started
        count = "SELECT count(*) AS spans, count(DISTINCT (trace_id, span_id)) AS once FROM {spans}"
        (found,) = store.lake.read(SPANS, count)
    finally:
        store.close()
    report.add(
        "spans_lost", kept - found["once"], "", goal="<= 0", note=f"of {kept:,} answered for"
    )
    report.add("spans_double", found["spans"] - found["once"], "", goal="<= 0")
    report.add("waited_for_the_lake", waited, "", note="spans, when the server was killed")
    if waited:
        report.add("flush_per_second", waited / seconds, "/s", note="of those, with no load beside")


# --- The sender, in a process of its own -------------------------------------------------------


async def _send(port: int, seconds: int, batch: int, clients: int, rate: int) -> dict[str, Any]:
    body = body_of(batch)
    until = time.perf_counter() + seconds
    kept = _Kept()
    started = time.perf_counter()
    every = batch * clients / rate if rate else 0.0
    sending = (
        _client(port, body, until, kept, every, started + every * number / clients)
        for number in range(clients)
    )
    await asyncio.gather(*sending)
    taken = time.perf_counter() - started
    latencies = sorted(kept.latencies_ms) or [0.0]
    return {
        "kept": kept.requests * batch,
        "per_second": kept.requests * batch / taken,
        "span_bytes": len(body) // batch,
        "latency_ms_p50": latencies[len(latencies) // 2],
        "latency_ms_p99": latencies[int(len(latencies) * 0.99)],
        "sent_again": kept.sent_again,
        "failed": len(kept.wrong),
        "wrong": str(kept.wrong[0][:200]) if kept.wrong else "",
    }


class _Kept:
    def __init__(self) -> None:
        self.requests = 0
        self.sent_again = 0
        self.latencies_ms: list[float] = []
        self.wrong: list[bytes] = []


async def _client(
    port: int, body: bytes, until: float, kept: _Kept, every: float, due: float
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-protobuf\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    try:
        while time.perf_counter() < until:
            fresh = body.replace(PLACEHOLDER, os.urandom(len(PLACEHOLDER)))
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            started = due if every else time.perf_counter()
            due += every
            writer.write(head.encode() + fresh)
            status, answer = await asyncio.wait_for(read_answer(reader), _TIMEOUT_SECONDS)
            kept.latencies_ms.append((time.perf_counter() - started) * 1000)
            if status == 200 and not answer:
                kept.requests += 1
            elif status == 503:
                kept.sent_again += 1
                await asyncio.sleep(0.2)
            else:
                kept.wrong.append(answer)
    finally:
        writer.close()


def body_of(batch: int, *, trace_spans: int | None = None) -> bytes:
    """An OTLP message of spans in traces of that many; in one trace where nothing is said."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scoped = group.scope_spans.add()
    scoped.scope.name = "opentelemetry.instrumentation.openai_v2"
    start = time.time_ns()
    for number in range(batch):
        trace, place = divmod(number, trace_spans or batch)
        span = scoped.spans.add(trace_id=PLACEHOLDER + trace.to_bytes(4, "big"))
        span.span_id = SPAN_PLACEHOLDER + number.to_bytes(4, "big")
        if place:
            first = number - place
            span.parent_span_id = SPAN_PLACEHOLDER + first.to_bytes(4, "big")
        span.name, span.kind = "chat gpt-4o-mini", 3
        span.start_time_unix_nano = start + number * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 850_000_000
        for key, value in _attributes(number).items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            setattr(span.attributes.add(key=key).value, kind, value)
        missing = _SPAN_BYTES - span.ByteSize()
        text = (_WORDS * 40)[: max(missing - 30, 0)]
        span.attributes.add(key="app.context").value.string_value = text
    return bytes(request.SerializeToString())


_WORDS = "My parcel was due last week and has not come; where is it now, please? "


def _attributes(number: int) -> dict[str, Any]:
    asked = [
        {"role": "system", "parts": [{"type": "text", "content": "You answer in one sentence."}]},
        {"role": "user", "parts": [{"type": "text", "content": f"{number}: {_WORDS * 8}"}]},
    ]
    said = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": _WORDS * 3}],
            "finish_reason": "stop",
        }
    ]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{number:08}",
        "gen_ai.usage.input_tokens": 180 + number,
        "gen_ai.usage.output_tokens": 45,
        "gen_ai.conversation.id": f"session-{number % 7}",
        "user.id": f"user-{number % 5}",
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(said),
    }


if __name__ == "__main__":
    main()
