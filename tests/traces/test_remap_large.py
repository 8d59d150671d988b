"""Reading anew a lake in which one trace is too large for the memory."""

import secrets
from pathlib import Path

from lineside.core import Settings
from lineside.store import open_store
from lineside.traces import open_traces, rewriting
from lineside.trust import local_scope
from traces.otlp_messages import attributes, message, take

LARGE, SMALL = "a1" * 16, "b2" * 16


def test_a_trace_too_large_to_read_anew_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = open_store(Settings(home=home))
    open_traces(store)
    for start in range(0, 3_000, 500):
        spans = [
            {
                "traceId": LARGE,
                "spanId": f"{number + 1:016x}",
                "attributes": attributes(said=secrets.token_hex(4_000)),
            }
            for number in range(start, start + 500)
        ]
        take(local_scope(store), message(*spans))
        store.flusher.flush()
    take(local_scope(store), message({"traceId": SMALL}))
    store.flusher.flush()
    store.close()

    store = open_store(Settings(home=home, lake_memory_mb=48))
    try:
        open_traces(store)
        done = rewriting.remap(local_scope(store), everything=True)
    finally:
        store.close()

    assert (done.traces, done.steps, done.traces_left, done.left) == (1, 1, 1, (LARGE,))
