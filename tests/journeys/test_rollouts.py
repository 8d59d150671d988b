"""Releases that go up by steps on a running server, called as callers do."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import free_ports, wait_for_answer

SECONDS_MAX = 90
PLAN = ("--steps", "50,100", "--hold", "2s", "--margin", "error_rate=20%")

Lineside = Callable[..., subprocess.CompletedProcess[str]]


def write_case(folder: Path, **live: Any) -> None:
    """A small use case; `live` is what else becomes of messages that no test case has."""
    folder.mkdir(exist_ok=True)
    (folder / "usecase.yaml").write_text(
        "name: triage\n"
        "problem: {statement: Agents read every message, who: 40 agents}\n"
        "value: {measure: minutes_to_first_reply, direction: down}\n"
        "risk: limited\nowner: support\ninterface: inline\n"
        "app:\n  kind: predict\n  input: {message: string}\n"
        "  output: {topic: {enum: [card, refund]}}\n  model: scripted:answers.jsonl\n"
        "tests:\n  dataset: cases.jsonl\n  gate: [accuracy >= 0.5]\n"
    )
    cases = [{"input": {"message": f"case {at}"}, "expected": {"topic": "card"}} for at in range(9)]
    answers = [{"when": {"contains": {"message": "live"}}, "output": {"topic": "card"}} | live]
    if "fail" in live:
        del answers[0]["output"]
    answers.append({"when": {"default": True}, "output": {"topic": "card"}})
    for name, rows in (("cases", cases), ("answers", answers)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def call(address: str, at: int) -> str:
    """Who answered: a release, or how the call ended."""
    body = json.dumps({"input": {"message": f"live {at}"}}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{address}/api/usecases/triage/run", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["release"])
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError:
        return "no answer"


def call_many(address: str, count: int) -> Counter[str]:
    with ThreadPoolExecutor(4) as callers:
        return Counter(callers.map(lambda at: call(address, at), range(count)))


def standing(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(
        f"{address}/api/usecases/triage/rollout/steps", timeout=20
    ) as answer:
        return dict(json.load(answer))


def call_until(address: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Go on calling until the rollout stands as wanted."""
    end = time.monotonic() + SECONDS_MAX
    while not done(view := standing(address)):
        assert time.monotonic() < end, view["verdict"]
        call_many(address, 40)
    return view


class Servers:
    """Running servers by their addresses, which can be killed and started again."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, port: int, **more: str) -> str:
        with (self._folder / f"server-{port}.log").open("a") as log:
            self.running[address := f"http://127.0.0.1:{port}"] = subprocess.Popen(
                [sys.executable, "-m", "lineside", "up", "--port", str(port)],
                env=self._environment | {"LINESIDE_ROLLOUT_WATCH_SECONDS": "0.3"} | more,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        return address

    def kill(self, address: str) -> None:
        process = self.running.pop(address)
        process.send_signal(signal.SIGKILL)
        process.wait(20)

    def close(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(20)


@pytest.fixture
def servers(environment: dict[str, str], tmp_path: Path) -> Iterator[Servers]:
    started = Servers(environment, tmp_path)
    yield started
    started.close()


def release_both(lineside: Lineside, tmp_path: Path, **live: Any) -> None:
    """Make v1 live, and release v2, which differs in what it does with live messages."""
    for more in ({}, {"delay_ms": 0} | live):
        write_case(tmp_path / "triage", **more)
        assert lineside("release", "triage").returncode == 0
    assert lineside("deploy", "triage", "v1").returncode == 0


def test_a_good_release_goes_up_though_the_server_is_killed_on_the_way(
    lineside: Lineside, servers: Servers, tmp_path: Path
) -> None:
    release_both(lineside, tmp_path)
    [port] = free_ports(1)
    address = servers.start(port)
    wait_for_answer(f"{address}/healthz")
    started = lineside("rollouts", "start", "triage", "v2", *PLAN)
    assert started.stdout.startswith("✓ triage: 50 % get v2"), started.stderr
    call_until(address, lambda view: len(view["rollout"]["looks"]) > 0)

    servers.kill(address)
    address = servers.start(port)
    wait_for_answer(f"{address}/healthz")
    view = call_until(address, lambda view: view["rollout"]["status"] == "done")

    assert [step["percent"] for step in view["rollout"]["taken"]] == [50]
    assert view["rollout"]["ended_by"] == "lineside"
    assert call_many(address, 20) == {"v2": 20}
    shown = lineside("rollouts", "show", "triage")
    assert "v2 is at everybody" in shown.stdout
    assert "Ended" in shown.stderr
    kinds = [entry["kind"] for entry in json.loads(lineside("ledger", "ls", "--json").stdout)]
    assert kinds.count("rollout.finished") == 1


@pytest.mark.parametrize(
    ("live", "rules", "why"),
    [
        ({"fail": "unavailable"}, ("--stop-if", "error_rate > 2%"), "error rate is 100.0 %"),
        ({"delay_ms": 400}, ("--stop-if", "latency_p95_ms > 200"), "calls above 200 ms is"),
    ],
)
def test_a_release_that_fails_or_is_slow_is_pulled_back(
    lineside: Lineside,
    servers: Servers,
    tmp_path: Path,
    live: dict[str, Any],
    rules: tuple[str, ...],
    why: str,
) -> None:
    release_both(lineside, tmp_path, **live)
    address = servers.start(free_ports(1)[0])
    wait_for_answer(f"{address}/healthz")
    lineside("rollouts", "start", "triage", "v2", "--steps", "20,100", "--hold", "1h", *rules)

    view = call_until(address, lambda view: view["rollout"]["status"] != "running")

    assert view["rollout"]["status"] == "rolled_back"
    assert view["rollout"]["step"] == 0
    assert why in view["rollout"]["ended_why"]
    time.sleep(0.5)
    assert call_many(address, 20) == {"v1": 20}


def test_what_is_pulled_back_stops_answering_on_every_replica(
    postgres_url: str,
    environment: dict[str, str],
    lineside: Lineside,
    servers: Servers,
    tmp_path: Path,
) -> None:
    environment |= {  # the same that the fixtures hand on
        "LINESIDE_DATABASE_URL": postgres_url,
        "LINESIDE_LAKE": str(tmp_path / "lake"),
        "LINESIDE_BLOBS": str(tmp_path / "blobs"),
    }
    release_both(lineside, tmp_path)
    homes = {port: tmp_path / f"home-{port}" for port in free_ports(3)}
    for home in homes.values():  # whoever decides signs the ledger with the same key
        shutil.copytree(Path(environment["LINESIDE_HOME"]) / "keys", home / "keys")
    addresses = [servers.start(port, LINESIDE_HOME=str(home)) for port, home in homes.items()]
    for address in addresses:
        wait_for_answer(f"{address}/healthz")
    lineside("rollouts", "start", "triage", "v2", *PLAN)
    for address in addresses:
        assert "v2" in call_many(address, 40)
    view = call_until(addresses[0], lambda view: view["rollout"]["step"] == 1)
    for address in addresses:  # it is at everybody everywhere, by one decision
        end = time.monotonic() + 10
        while call(address, 0) != "v2":
            assert time.monotonic() < end
    assert view["rollout"]["revision"] >= 1

    back = urllib.request.Request(f"{addresses[0]}/api/usecases/triage/rollback", method="POST")
    urllib.request.urlopen(back, timeout=20).close()
    end = time.monotonic() + 10  # it takes a quarter of a second; the machine may be busy
    for address in addresses:
        while call(address, 0) != "v1":
            assert time.monotonic() < end, f"{address} still answers by v2"
    assert all(call_many(address, 20) == {"v1": 20} for address in addresses)
    entries = json.loads(lineside("ledger", "ls", "--json").stdout)
    steps = [entry for entry in entries if "findings" in entry["details"]]
    assert len([entry for entry in steps if entry["details"].get("traffic")]) == 1
