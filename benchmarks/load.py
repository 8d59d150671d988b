"""Sends requests from a process of its own and says how long each answer took.

Raw HTTP/1.1 over kept-alive loopback connections: a client library would spend more CPU than the
server it measures. Started by the benchmarks; ends with one line of JSON.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """What came of some requests.

    Attributes:
        failed: Answers with another status than 200.
        first_ms_p50: Until the first piece of an answer's body, which may be all of it.
        wrong: One of the answers that failed, cut.
        trace_ids: The `trace_id` of each answer that has one.
    """

    answered: int
    failed: int
    seconds: float
    per_second: float
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    first_ms_p50: float
    wrong: str
    trace_ids: list[str]


def send(
    port: int,
    path: str,
    bodies: list[Any],
    *,
    requests: int,
    clients: int,
    headers: Mapping[str, str] | None = None,
) -> Load:
    """Send requests from another process; `bodies` are taken in turn.

    Each client sends its next request once it has its answer.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "bodies.jsonl"
        file.write_text("".join(json.dumps(body) + "\n" for body in bodies))
        command = [sys.executable, __file__, str(port), path, str(file)]
        command += [str(requests), str(clients), json.dumps(dict(headers or {}))]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode != 0:
        raise SystemExit(f"The client failed:\n{done.stderr[-2000:]}")
    load = Load(**json.loads(done.stdout))
    if load.failed:
        raise SystemExit(f"{load.failed} of {requests} requests failed, such as: {load.wrong}")
    return load


async def _client(
    port: int, path: str, headers: Mapping[str, str], todo: "asyncio.Queue[bytes]", kept: "_Kept"
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    try:
        while not todo.empty():
            body = todo.get_nowait()
            started = time.perf_counter()
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            begun_at: list[float] = []
            reading = read_answer(reader, begun_at)
            status, answer = await asyncio.wait_for(reading, _TIMEOUT_SECONDS)
            kept.latencies_ms.append((time.perf_counter() - started) * 1000)
            kept.firsts_ms.append((begun_at[0] - started) * 1000)
            if status == 200:
                kept.answers.append(answer)
            else:
                kept.wrong.append(answer)
    finally:
        writer.close()


async def read_answer(
    reader: asyncio.StreamReader, begun_at: list[float] | None = None
) -> tuple[int, bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if "content-length" in headers:
        if begun_at is not None:
            begun_at.append(time.perf_counter())
        return int(lines[0].split()[1]), await reader.readexactly(int(headers["content-length"]))
    answer = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        if begun_at is not None and not answer:
            begun_at.append(time.perf_counter())
        answer += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return int(lines[0].split()[1]), answer


class _Kept:
    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        self.firsts_ms: list[float] = []
        self.answers: list[bytes] = []
        self.wrong: list[bytes] = []


async def _all(
    port: int,
    path: str,
    headers: Mapping[str, str],
    bodies: list[bytes],
    *,
    requests: int,
    clients: int,
) -> Load:
    todo: asyncio.Queue[bytes] = asyncio.Queue()
    for number in range(requests):
        todo.put_nowait(bodies[number % len(bodies)])
    kept = _Kept()
    started = time.perf_counter()
    await asyncio.gather(*(_client(port, path, headers, todo, kept) for _ in range(clients)))
    seconds = time.perf_counter() - started
    ordered = sorted(kept.latencies_ms)

    def percentile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    documents = [json.loads(answer) for answer in kept.answers if answer[:1] == b"{"]
    return Load(
        answered=len(kept.answers),
        failed=len(kept.wrong),
        seconds=seconds,
        per_second=len(kept.answers) / seconds,
        latency_ms_p50=percentile(0.5),
        latency_ms_p95=percentile(0.95),
        latency_ms_p99=percentile(0.99),
        first_ms_p50=statistics.median(kept.firsts_ms),
        wrong=kept.wrong[0].decode(errors="replace")[:500] if kept.wrong else "",
        trace_ids=[
            document["trace_id"]
            for document in documents
            if isinstance(document, dict) and "trace_id" in document
        ],
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("path", str), ("bodies", Path)):
        parser.add_argument(name, type=kind)
    parser.add_argument("requests", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("headers", type=json.loads)
    given = parser.parse_args()
    bodies = given.bodies.read_bytes().splitlines()
    work = _all(
        given.port,
        given.path,
        given.headers,
        bodies,
        requests=given.requests,
        clients=given.clients,
    )
    with asyncio.Runner(loop_factory=_loop()) as runner:
        print(json.dumps(asdict(runner.run(work))))


def _loop() -> Any:
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    _main()
