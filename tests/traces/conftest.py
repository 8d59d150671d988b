"""The owner at work where traces are kept."""

import dataclasses
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Settings
from lineside.store import Store, open_store
from lineside.traces import open_traces
from lineside.traces.queries import SPANS
from lineside.trust import Scope, local_scope
from traces.imported import Write


@pytest.fixture
def scope(store: Store) -> Scope:
    """In a fresh installation, on each of the databases."""
    open_traces(store)
    return local_scope(store)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for all tests of a file, since to open one takes a moment."""
    store = open_store(Settings(home=tmp_path_factory.mktemp("traces") / "home"))
    open_traces(store)
    yield store
    store.close()


@pytest.fixture
def apart(installation: Store) -> Scope:
    """In a workspace of its own of an installation that a file's tests share."""
    return dataclasses.replace(local_scope(installation), workspace=uuid.uuid4().hex)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file: texts as they are, a list as JSON lines, anything else as one document."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, list):
            content = "\n".join(json.dumps(one) for one in content)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
        return path

    return write


def come_when_begun(store: Store) -> None:
    """Let what was kept have come here when it began, as it does where clocks are right."""
    store.flusher.flush()
    with store.changing_lake():
        store.lake.change([SPANS], [("UPDATE lake.spans SET arrived_at = started_at", [])])
