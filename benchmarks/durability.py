"""Claim: after 20 kills (SIGKILL) at random moments under load, no span that was answered for is
missing and none is there twice.

    .venv/bin/python benchmarks/durability.py [--json] [--rounds 20] [--peers]

Four senders keep `lineside up` busy with OTLP bodies of 64 spans. In every round the server is
killed after 0.5 to 3 s, in every third the process that writes the lake before it; then the server
is started again on the same state folder. A sender that got no answer sends the same spans again,
as exporters do, so that what was kept unanswered comes twice. At the end every span is looked for
in lake and inbox. There are no peers here; `--peers` changes nothing.
"""

import http.client
import os
import random
import signal
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest import PLACEHOLDER, body_of
from machine import LINESIDE, Server, free_port, line_environment, serving, tree
from report import Report, options, progress

_SENDERS = 4
_BATCH = 64
_TIMEOUT_SECONDS = 20


class _Sender(threading.Thread):
    """Sends until it is told to stop, and remembers what it was answered for."""

    def __init__(self, port: int, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self.kept: list[str] = []
        self.again = 0
        self._port = port
        self._stopping = stopping
        self._body = body_of(_BATCH)

    def run(self) -> None:
        while not self._stopping.is_set():
            trace_id = os.urandom(len(PLACEHOLDER))
            body = self._body.replace(PLACEHOLDER, trace_id)
            while not self._stopping.is_set():
                if self._post(body):
                    self.kept.append((trace_id + bytes(4)).hex())
                    break
                self.again += 1
                time.sleep(0.05)

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(
                "POST", "/v1/traces", body, {"content-type": "application/x-protobuf"}
            )
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def main() -> None:
    given = options(__doc__, lambda parser: parser.add_argument("--rounds", type=int, default=20))
    report = Report("Killed at random moments, it loses nothing and doubles nothing")
    chance = random.Random(7)  # noqa: S311 # when to kill is no secret
    # What the killed server began may still write for a moment when the folder goes.
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home, port = Path(name) / "home", free_port()
        stopping = threading.Event()
        senders = [_Sender(port, stopping) for _ in range(_SENDERS)]
        restarts = [_round(home, port, senders, chance, number) for number in range(given.rounds)]
        stopping.set()
        for sender in senders:
            sender.join(_TIMEOUT_SECONDS)
        report.add("rounds", given.rounds, "")
        report.add("restart_seconds_max", max(restarts), "s", note="until a page is served")
        report.add("sent_again", sum(sender.again for sender in senders), "", note="requests")
        _count(report, home, [trace_id for sender in senders for trace_id in sender.kept])
    report.close(as_json=given.json)


def _round(
    home: Path, port: int, senders: list[_Sender], chance: random.Random, number: int
) -> float:
    """Start the server, let it work, kill it; gives the seconds it took to start."""
    environment = line_environment(home, port)
    with serving(
        [LINESIDE, "up"], port=port, environment=environment, folder=home.parent
    ) as server:
        seconds = server.wait_for_page("/healthz")
        for sender in senders:
            if not sender.is_alive() and number == 0:
                sender.start()
        time.sleep(chance.uniform(0.5, 3))
        if number % 3 == 2:
            _kill_flusher(server)
            time.sleep(chance.uniform(0.1, 1))
        server.kill()
    progress(f"Round {number + 1}: {sum(len(sender.kept) for sender in senders):,} bodies kept")
    return seconds


def _kill_flusher(server: Server) -> None:
    for pid in tree(server.pid):
        if b"flush" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGKILL)


def _count(report: Report, home: Path, kept: list[str]) -> None:
    from lineside.apps import open_line
    from lineside.core import Settings
    from lineside.traces.queries import SPANS

    store = open_line(Settings(home=home))
    try:
        store.flusher.flush()
        found = store.lake.read(
            SPANS,
            "SELECT trace_id, count(*) AS spans, count(DISTINCT span_id) AS once "
            "FROM {spans} GROUP BY trace_id",
        )
    finally:
        store.close()
    by_trace = {row["trace_id"]: row for row in found}
    missing = sum(_BATCH - by_trace[one]["once"] if one in by_trace else _BATCH for one in kept)
    note = f"of {len(kept) * _BATCH:,} answered for"
    report.add("spans_missing", missing, "", goal="<= 0", note=note)
    double = sum(row["spans"] - row["once"] for row in found)
    report.add("spans_double", double, "", goal="<= 0")


if __name__ == "__main__":
    main()
