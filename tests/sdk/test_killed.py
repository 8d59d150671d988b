"""A program that is killed while `lineside.evaluate(…)` judges its function."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lineside
from lineside.apps import open_line
from lineside.core import Settings, Unavailable
from lineside.evals import Run, list_runs
from lineside.trust import local_scope

PROGRAM = """
import os, signal
import lineside

def echoes(message):
    if message == "m30":
        os.kill(os.getpid(), signal.SIGKILL)
    return message

rows = [{"id": f"m{n}", "input": f"m{n}", "expected": f"m{n}"} for n in range(40)]
lineside.evaluate(echoes, rows, concurrency=1)
"""


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("killed") / "home"
    environment = os.environ | {"LINESIDE_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False, timeout=60)
    assert done.returncode == -9
    return home


@pytest.fixture
def home(left_behind: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(left_behind, home)
    monkeypatch.setenv("LINESIDE_HOME", str(home))
    return home


def test_whoever_takes_over_says_that_the_function_is_gone(home: Path) -> None:
    store = open_line(Settings(home=home))
    try:
        scope = local_scope(store)
        (run,) = list_runs(scope)
        assert run.status == "running"
        assert store.jobs.recover() == 1
        with pytest.raises(Unavailable):
            store.jobs.result(run.id)
        (run,) = list_runs(scope)
    finally:
        store.close()

    assert_stopped(run)


def test_evaluating_again_stops_the_run_that_nobody_can_finish(home: Path) -> None:
    def echoes(message: str) -> str:
        return message

    rows = [{"id": f"m{number}", "input": f"m{number}", "expected": "m1"} for number in range(4)]
    again = lineside.evaluate(echoes, rows).run

    store = open_line(Settings(home=home))
    runs = list_runs(local_scope(store))
    store.close()
    assert [run.id for run in runs][:1] == [again.id]
    assert (again.status, again.cases_done) == ("done", 4)
    assert_stopped(runs[1])


def assert_stopped(run: Run) -> None:
    assert run.status == "stopped"
    assert run.cases_failed == 0
    (failure,) = run.failures.items()
    assert failure[0] == "stopped:program_ended"
    assert "`echoes` ended after" in failure[1].message
    assert "of 40 cases" in failure[1].message
