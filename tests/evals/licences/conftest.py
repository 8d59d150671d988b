"""Runs that a scripted judge has judged, on SQLite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.licences.labelled import (
    CASES,
    RunCases,
    judge_file,
)
from evals.test_judges import declared
from lineside.core import Settings
from lineside.evals import (
    Run,
)
from lineside.store import Store, open_store
from lineside.trust import Scope, local_scope


@pytest.fixture
def store(made_home: Path) -> Iterator[Store]:
    """On SQLite: the measuring does not depend on the database."""
    opened = open_store(Settings(home=made_home))
    yield opened
    opened.close()


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner of a workspace that has a ledger."""
    return local_scope(store)


@pytest.fixture
def judge_run(run_cases: RunCases, target: ScriptedTarget) -> RunCases:
    """Runs 80 cases; the first 30 answers are `lost_card`, which the judge says no to."""

    def run(files: dict[str, bytes] | None = None, *, wrong: int = 30, **more: Any) -> Run:
        target.answers = {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        target.answers |= more.pop("answers", {})
        arguments = more.pop("arguments", {})
        return run_cases(
            more.pop("cases", rows(CASES)),
            scorers=more.pop("scorers", [declared(**arguments)]),
            scorer_files=files or judge_file(),
            **more,
        )

    return run
