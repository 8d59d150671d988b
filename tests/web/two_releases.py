"""A use case with two releases, and what callers got from them."""

import shutil
from pathlib import Path

from lineside.apps import Release, open_line, release_folder
from lineside.core import now
from lineside.traces import Span, new_span_id, new_trace_id, record_spans
from lineside.trust import Scope, local_scope
from lineside.usecases import read_folder
from web.small_case import settings_for, write_folder


def add_second(line_home: Path, root: Path) -> Path:
    """A state folder in which v1 is live and v2 released; nothing is in its lake yet."""
    shutil.copytree(line_home, root / "home")
    store = open_line(settings_for(root / "home"))
    release_folder(local_scope(store), read_folder(write_folder(root / "better", wrong=4)))
    store.close()
    return root / "home"


def answered(
    scope: Scope,
    arm: str,
    release: Release,
    count: int,
    *,
    failing: int,
    took_ms: float = 200,
    by_user: bool = False,
) -> None:
    """Calls that a release answered a moment ago, each of another user where users are named."""
    spans = [
        Span(
            trace_id=new_trace_id(),
            span_id=new_span_id(),
            name="triage",
            kind="app",
            use_case="triage",
            release=release.id,
            arm=arm,
            user_id=f"{arm} {at}" if by_user else None,
            started_at=now(),
            status="error" if at < failing else "ok",
            duration_ms=took_ms + at % 40,
        )
        for at in range(count)
    ]
    record_spans(scope, spans).result()
