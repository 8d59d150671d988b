import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lineside.cli import demo, example
from lineside.core import Conflict


def test_demo_check_takes_the_example_down_the_whole_line_and_stops(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lineside", "demo", "--check", "--json"],
        env=os.environ | {"LINESIDE_HOME": str(place / "untouched")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    stations = {station["title"]: station for station in told["stations"]}
    assert told["ok"]
    assert all(station["ok"] for station in told["stations"])
    assert stations["Ask the gate for a verdict"]["figures"]["decision"] == "ship"
    assert "interval" in stations["Ask the gate for a verdict"]["sentence"]
    assert stations["Try to release a worse version"]["figures"]["decision"] == "hold"
    load = stations["Send 300 real requests"]["figures"]
    assert load["requests"] == 300
    assert load["accuracy"] > 0.85
    assert stations["Verify the ledger"]["figures"]["entries"] >= 3
    assert not (place / "untouched").exists()


def test_demo_needs_its_port_before_it_begins(lineside, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object) -> None:
        raise Conflict("port_taken", "Port 7710 on 127.0.0.1 is taken", hint="Take another.")

    monkeypatch.setattr(demo, "own_port", taken)

    ended = lineside("demo")

    assert ended.code == 1
    assert ended.out == ""
    assert "error: Port 7710" in ended.err


def test_a_station_that_fails_is_named_and_the_check_fails(
    lineside, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    broken = place / "example"
    broken.mkdir()
    (broken / "usecase.yaml").write_text("name: [")
    monkeypatch.setattr(example, "example_folder", lambda: broken)

    ended = lineside("demo", "--check")

    assert ended.code == 1
    assert "✗ Read the manifest" in ended.out
    assert "Not every station worked: 1 (Read the manifest)" in ended.out
    assert "usecase.yaml:2: read" in ended.err
