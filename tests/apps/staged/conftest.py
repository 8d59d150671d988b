"""Three releases, the first live, and calls of their arms."""

from typing import Any

import pytest

from apps.staged.watched import Call
from lineside.apps import (
    Release,
    deploy,
    release_folder,
)
from lineside.core import now
from lineside.traces import Span, new_span_id, new_trace_id, record_spans
from lineside.trust import Scope
from lineside.usecases import read_folder


@pytest.fixture
def releases(scope: Scope, make_folder) -> list[Release]:
    found = [
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))).release
        for note in ("one", "two", "three")
    ]
    deploy(scope, "triage", "v1")
    return found


@pytest.fixture
def calls(scope: Scope) -> Call:
    """Have an arm answer: so many calls, of which some fail, each taking so long."""

    def record(release: Release, count: int, *, failing: int = 0, **values: Any) -> list[str]:
        arm = values.pop("arm", "live" if release.label == "v1" else "canary")
        usual = {"duration_ms": 100.0, "release": release.id, "arm": arm, "use_case": "triage"}
        spans = [
            Span(
                **usual
                | {"trace_id": new_trace_id(), "span_id": new_span_id(), "name": "triage"}
                | {"kind": "app", "started_at": now()}
                | {"status": "error" if at < failing else "ok", "duration_ms": 100.0 + at % 7}
                | values
            )
            for at in range(count)
        ]
        record_spans(scope, spans).result()
        return [span.trace_id for span in spans]

    return record
