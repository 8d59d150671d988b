"""Claim: one process holds ten thousand streams open at once, without an error and without growth;
and goes on for as long as one likes at an even rate, with its memory flat and no trace lost.

    .venv/bin/python benchmarks/open_streams.py [--json] [--streams 10000] [--seconds 60]
    .venv/bin/python benchmarks/open_streams.py --minutes 30 [--rate 200]

The stand-in for a provider says a word to each stream every ten seconds, until it is told to end
them all. Streams are opened at an even rate, held, and must each end with everything that was said.
Key, budget, trace and guards are those of `gateway.py`. With `--minutes` whole calls come at an
even rate instead, and every call that was answered must afterwards be a trace.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import read_answer
from machine import Server, free_port, serving
from peers import BESIDE
from report import Report, median, options, progress

from gateway import body_of, ours, upstream

_FILES_BESIDE = 300  # beside two for each stream: one to the caller, one to the provider
_OPENED_PER_SECOND = 125
_DRIP_SECONDS = 10
_END_SECONDS_MAX = 300
_SETTLE_SECONDS = 12
_TIMEOUT_SECONDS = 60
_SAMPLE_SECONDS = 5
_IDLE_SECONDS_MAX = 2.0
_MODEL = "mock/small"


def main() -> None:
    given = options(
        __doc__,
        lambda parser: parser.add_argument("--streams", type=int, default=10_000),
        lambda parser: parser.add_argument("--seconds", type=int, default=60),
        lambda parser: parser.add_argument("--minutes", type=float, default=0),
        lambda parser: parser.add_argument("--rate", type=int, default=200),
        lambda parser: parser.add_argument("--client", help=argparse.SUPPRESS),
    )
    if given.client:
        print(json.dumps(_with_uvloop(_hold if "end" in given.client else _even, given.client)))
        return
    files = _allow_files()
    if given.minutes:
        _soak(given)
        return
    if given.streams > (most := (files - _FILES_BESIDE) // 2):
        progress(f"  {files:,} open files are allowed here, enough for {most:,} streams")
        given.streams = most
    _streams(given)


def _allow_files() -> int:
    """Let this process and those it starts open as many files as the machine lets them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _streams(given: argparse.Namespace) -> None:
    report = Report(f"{given.streams:,} open streams on one process")
    with (
        _dripping() as provider,
        TemporaryDirectory() as name,
        ours(Path(name), provider) as (server, secret),
    ):
        time.sleep(_SETTLE_SECONDS)
        task = {
            "port": server.port,
            "secret": secret,
            "count": given.streams,
            "seconds": given.seconds,
            "per_second": _OPENED_PER_SECOND,
            "end": provider,
        }
        before = server.own_memory_mb()
        seen = _watched(server, task)
        time.sleep(_SAMPLE_SECONDS)
        after = server.own_memory_mb()
    done = seen.done
    held = seen.memory_mb(done["opened_at"], done["ending_at"])
    report.add("streams_whole", done["whole"], "", goal=f">= {given.streams}", note="all words")
    report.add("errors", done["failed"], "", goal="<= 0", note=done["wrong"])
    report.add("first_byte_ms_p50", done["first_ms_p50"], "ms", note="while they were opened")
    report.add("first_byte_ms_p99", done["first_ms_p99"], "ms")
    report.add("memory_mb_before", before, "MiB", note="of the server without its flusher")
    report.add("memory_mb_open", max(held), "MiB", note="with all streams open")
    each_kb = (max(held) - before) * 1024 / given.streams
    report.add("memory_kb_a_stream", each_kb, "KiB")
    note = f"from the first half of {given.seconds} s held to the second"
    half = len(held) // 2
    growth = median(held[half:]) - median(held[: half or 1])
    report.add("growth_mb_held", growth, "MiB", goal="<= 10", note=note)
    report.add("memory_mb_after", after, "MiB", note="all ended")
    report.close(as_json=given.json)


def _soak(given: argparse.Namespace) -> None:
    report = Report(f"{given.rate} calls a second for {given.minutes:g} minutes")
    with upstream() as provider, TemporaryDirectory() as name:
        folder = Path(name)
        with ours(folder, provider) as (server, secret):
            time.sleep(_SETTLE_SECONDS)
            task = {
                "port": server.port,
                "secret": secret,
                "count": int(given.rate * given.minutes * 60),
                "per_second": given.rate,
            }
            seen = _watched(server, task)
            server.kill()
        steps, traces = _kept(folder / "home")
    done, held = seen.done, [mb for _, mb in seen.samples]
    report.add("per_second", done["whole"] / done["seconds"], "/s", goal=f">= {given.rate * 0.99}")
    report.add("errors", done["failed"], "", goal="<= 0", note=done["wrong"])
    report.add("latency_ms_p50", done["first_ms_p50"], "ms")
    report.add("latency_ms_p99", done["first_ms_p99"], "ms")
    quarter = max(1, len(held) // 4)
    growth = median(held[-quarter:]) - median(held[quarter : 2 * quarter])
    note = "of the server, from the second quarter of the time to the last"
    report.add("growth_mb", growth, "MiB", goal="<= 10", note=note)
    report.add("memory_mb_max", max(held), "MiB")
    note = f"of {done['whole']:,}; the server was killed after the last answer"
    report.add("traces_lost", done["whole"] - traces, "", goal="<= 0", note=note)
    report.add("traces_double", steps - traces, "", goal="<= 0")
    report.close(as_json=given.json)


class _Seen:
    """What a client did, and how much memory the server had meanwhile."""

    def __init__(self) -> None:
        self.done: dict[str, Any] = {}
        self.samples: list[tuple[float, float]] = []

    def memory_mb(self, since: float, until: float) -> list[float]:
        return [mb for at, mb in self.samples if since <= at <= until] or [self.samples[-1][1]]


def _watched(server: Server, task: dict[str, Any]) -> _Seen:
    """Let a client of its own do something, and watch."""
    seen = _Seen()
    command = [sys.executable, __file__, "--client", json.dumps(task)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while client.poll() is None:
        seen.samples.append((time.time(), server.own_memory_mb()))
        if len(seen.samples) % 6 == 0:
            progress(f"  {seen.samples[-1][1]:,.0f} MiB")
        time.sleep(_SAMPLE_SECONDS)
    assert client.stdout is not None
    if client.returncode:
        raise SystemExit("The client failed")
    seen.done = json.loads(client.stdout.read())
    return seen


def _kept(home: Path) -> tuple[int, int]:
    """Steps and traces of the calls, in the lake, once all that waited is there."""
    from lineside.apps import open_line
    from lineside.core import Settings

    store = open_line(Settings(home=home))
    try:
        store.flusher.flush()
        with store.reading("spans", workspace="default") as (lake, _):
            [found] = lake.rows(
                "SELECT count(*) AS steps, count(DISTINCT trace_id) AS traces FROM {spans} "
                "WHERE model_asked = ?",
                [_MODEL],
            )
    finally:
        store.close()
    return found["steps"], found["traces"]


@contextmanager
def _dripping() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, str(BESIDE / "dripping.py"), str(port), str(_DRIP_SECONDS)]
    with serving(command, port=port) as server:
        server.wait_for_page("/")
        yield port


class _Client:
    """Sends requests at an even rate, each on a connection of its own or one of a few kept."""

    def __init__(self, task: dict[str, Any], *, is_streamed: bool) -> None:
        self.task = task
        body = json.dumps(body_of(_MODEL, is_streamed=is_streamed)).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        head += f"authorization: Bearer {task['secret']}\r\ncontent-type: application/json\r\n"
        self.request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self.firsts_ms: list[float] = []
        self.whole = 0
        self.wrong: list[str] = []
        self.idle: list[Any] = []

    async def once(self, begun: asyncio.Event | None = None) -> None:
        started, first = time.perf_counter(), list[float]()
        try:
            reader, writer = await self._connection()
            writer.write(self.request)
            if begun is None:
                status, answer = await asyncio.wait_for(read_answer(reader), _TIMEOUT_SECONDS)
                self.firsts_ms.append((time.perf_counter() - started) * 1000)
                self.idle.append((time.monotonic(), reader, writer))
            else:
                status, answer = await self._stream(reader, first, started, begun)
                writer.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            return
        finally:
            if begun is not None:
                begun.set()
        if status == 200 and (begun is None or answer.rstrip().endswith(b"[DONE]")):
            self.whole += 1
        else:
            self.wrong.append(f"{status}: {answer[-200:].decode(errors='replace')}")

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The one last used, or a new one where the server may be about to close that."""
        while self.idle:
            since, reader, writer = self.idle.pop()
            if time.monotonic() - since < _IDLE_SECONDS_MAX and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.task["port"], limit=2**14)

    async def _stream(
        self, reader: asyncio.StreamReader, first: list[float], started: float, begun: asyncio.Event
    ) -> tuple[int, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split()[1])
        if b"chunked" not in head:
            return status, await reader.read(400)
        answer = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            piece = (await reader.readexactly(size + 2))[:-2]
            answer = (answer + piece)[-400:]
            if not first:
                first.append((time.perf_counter() - started) * 1000)
                self.firsts_ms.append(first[0])
                begun.set()
        return status, answer

    def said(self, **more: Any) -> dict[str, Any]:
        ordered = sorted(self.firsts_ms) or [0.0]
        return {
            "whole": self.whole,
            "failed": len(self.wrong),
            "wrong": self.wrong[0][:200] if self.wrong else "",
            "first_ms_p50": ordered[len(ordered) // 2],
            "first_ms_p99": ordered[int(len(ordered) * 0.99)],
            **more,
        }


async def _hold(task: dict[str, Any]) -> dict[str, Any]:
    """Open streams, hold them, have them ended."""
    client, begun, started = _Client(task, is_streamed=True), [], time.perf_counter()
    streams = []
    for number in range(task["count"]):
        begun.append(asyncio.Event())
        streams.append(asyncio.ensure_future(client.once(begun[-1])))
        await asyncio.sleep(max(0, started + number / task["per_second"] - time.perf_counter()))
    await asyncio.gather(*(one.wait() for one in begun))
    opened_at = time.time()
    await asyncio.sleep(task["seconds"])
    ending_at = time.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", task["end"])
    writer.write(b"GET /end HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    await reader.readuntil(b"ok")
    await asyncio.wait(streams, timeout=_END_SECONDS_MAX)
    return client.said(opened_at=opened_at, ending_at=ending_at)


async def _even(task: dict[str, Any]) -> dict[str, Any]:
    """Send whole calls at an even rate, whatever becomes of those before."""
    client, started = _Client(task, is_streamed=False), time.perf_counter()
    under_way: set[asyncio.Future[None]] = set()
    for number in range(task["count"]):
        one = asyncio.ensure_future(client.once())
        under_way.add(one)
        one.add_done_callback(under_way.discard)
        await asyncio.sleep(max(0, started + number / task["per_second"] - time.perf_counter()))
    if under_way:
        await asyncio.wait(under_way)
    return client.said(seconds=time.perf_counter() - started)


def _with_uvloop(work: Any, task: str) -> dict[str, Any]:
    import uvloop

    _allow_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found: dict[str, Any] = runner.run(work(json.loads(task)))
    return found


if __name__ == "__main__":
    main()
