"""Pages that hold runs against each other, over the small use case of these tests."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from lineside.apps import judge_folder, open_line
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.small_case import first_link, html, words, write_folder


def compared(client: TestClient) -> str:
    release = html(client, first_link(html(client, "/releases"), "/releases/"))
    link = re.search(r'href="(/compare[^"]+)"', release)
    assert link
    return link[1].replace("&amp;", "&")


def test_a_verdict_shows_its_effects_slices_and_both_answers(client: TestClient) -> None:
    page = html(client, compared(client))
    text = words(page)

    assert "accuracy decides −55.0 points" in text
    assert "Lost 55 Won 0 Tied 45" in text
    assert "channel: mail" in text
    assert re.search(r"<del>(card|refund)</del>", page)
    assert re.search(r"<ins>(card|refund)</ins>", page)
    tied = words(html(client, f"{compared(client)}&became=tied"))
    assert "Baseline Wrong" in tied
    guarded = words(html(client, f"{compared(client)}&goal=better&margin=5&guard_latency_ms=50"))
    assert "latency an amount, decides" in guarded
    assert "Must be not worse better by points And these must not get worse by more than" in text
    assert "cases without a score points cost per success %" in text
    assert "expected per cent" in words(html(client, f"{compared(client)}&margin=much", 422))


def test_a_gate_is_explained_line_by_line_with_its_evidence(client: TestClient) -> None:
    text = words(html(client, first_link(html(client, "/releases"), "/releases/")))

    assert "Evidence: 100 cases, 60 against it" in text
    assert "This line decides." in text
    assert "c000 0" in text


def test_runs_are_ranked_followed_and_taken_apart(client: TestClient) -> None:
    board = words(html(client, "/leaderboard?use_case=triage"))
    assert "2 candidates over the 100 cases of cases" in board
    assert "v1 rank 1 95.0 %" in board
    assert "Quality against cost" in board
    assert "No candidate knows its cost. lineside prices set says" in board
    assert re.search(r"triage \S.* cases 100 95\.0 % 0 Done", words(html(client, "/runs")))

    history = words(html(client, "/history?use_case=triage"))
    assert "−55.0 points" in history
    assert "Worse" in history
    assert "Hollow: refused by its gate" in history

    run = first_link(html(client, "/runs"), "/runs/")
    themes = words(html(client, f"{run}/themes"))
    assert "of 100 answers" in themes
    assert "channel: mail" in themes


def test_the_api_gives_the_same_verdict(client: TestClient) -> None:
    address = compared(client)
    found = client.get(f"/api/verdict?{address.partition('?')[2]}&guard=latency_ms:9").json()
    assert found["verdict"]["decision"] == "hold"
    assert found["flips"]["lost_total"] == 55
    lines = client.get("/api/usecases/triage/releases/v1/gate").json()
    assert lines[0]["decision"] == "ship"
    assert client.get("/api/usecases/triage/leaderboard").json()["entries"]
    assert client.get("/api/usecases/triage/history?limit=1").json()
    hasty = client.post("/api/usecases/triage/releases/v1/override", json={"reason": "so"})
    assert hasty.status_code == 422


def test_pages_without_a_run_say_what_to_do(empty_client: TestClient) -> None:
    assert "No run is done" in words(html(empty_client, "/leaderboard"))
    assert "lineside test" in words(html(empty_client, "/history"))


def test_candidates_that_were_never_released_go_by_their_day_and_model(
    tmp_path: Path, settings: Settings
) -> None:
    store = open_line(settings)
    for name, wrong in (("one", 5), ("other", 60)):
        judge_folder(
            local_scope(store), read_folder(write_folder(tmp_path / name, wrong=wrong, note=name))
        )
    store.close()
    called = r"candidate of \d{1,2} \w{3} \d\d:\d\d"
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        board, history = (
            html(client, f"/{page}?use_case=triage") for page in ("leaderboard", "history")
        )

    for page in (board, history):
        assert len(re.findall(called, words(page))) >= 2
        assert "sha256:" not in words(page)
    assert re.search(rf'<a href="/runs/run_\w+">{called}[^<]*</a>', board)


def test_a_leaderboard_says_that_nobody_is_surely_first(tmp_path: Path, settings: Settings) -> None:
    store = open_line(settings)
    for name, wrong in (("one", 5), ("other", 8)):
        judge_folder(
            local_scope(store), read_folder(write_folder(tmp_path / name, wrong=wrong, note=name))
        )
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        board = words(html(client, "/leaderboard?use_case=triage"))

    assert re.search(r"Not enough data to rank: candidate of .* may each be first", board)
    assert "rests on" not in board


def test_a_leaderboard_says_on_how_many_runs_a_row_rests(
    tmp_path: Path, settings: Settings
) -> None:
    store = open_line(settings)
    for name, wrong, times in (("one", 5, 1), ("other", 8, 2)):
        folder = read_folder(write_folder(tmp_path / name, wrong=wrong, note=name))
        for again in range(times):
            judge_folder(local_scope(store), folder, fresh=again > 0)
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        board = words(html(client, "/leaderboard?use_case=triage"))

    assert "mean of 2 runs" in board
    assert re.search(r"Asked the same cases anew: candidate of .* rests on 2 runs\. The", board)


JUDGE = """\
  scorers:
    - accuracy: exact
    - better: {judge_pairwise: {model: 'scripted:pairs.jsonl', field: topic}}
  gate:"""
PREFERS_CARD = [
    ("first", {"first": "card", "second": "refund"}, "Card."),
    ("second", {"first": "refund", "second": "card"}, "Card."),
    ("tie", {"default": True}, "Alike."),
]


@pytest.fixture
def two_runs(tmp_path: Path, settings: Settings) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """Two candidates with a judge that compares answers, and the address of both."""
    ids = []
    store = open_line(settings)
    for name, wrong in (("one", 5), ("other", 60)):
        folder = write_folder(tmp_path / name, wrong=wrong, note=name)
        lines = [
            {"when": when, "output": {"reason": why, "verdict": verdict}, "cost_usd": 0.001}
            for verdict, when, why in PREFERS_CARD
        ]
        (folder / "pairs.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
        manifest = (folder / "usecase.yaml").read_text()
        (folder / "usecase.yaml").write_text(manifest.replace("  gate:", JUDGE))
        ids.append(judge_folder(local_scope(store), read_folder(folder)).run.id)
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client, dict(zip(("baseline", "candidate"), ids, strict=True))


def test_a_judge_compares_the_answers_of_two_runs_from_their_page(
    two_runs: tuple[TestClient, dict[str, str]],
) -> None:
    client, runs = two_runs
    page = f"/compare?baseline={runs['baseline']}&candidate={runs['candidate']}"
    asked = html(client, page)
    assert "<option >better</option>" in asked

    sent = client.post("/compare/pairwise", data={**runs, "judge": "better", "max_cost": "5"})
    for _ in range(600):
        if "What it said of each pair" in (shown := html(client, page)):
            break
        assert "has compared" in words(shown)
        time.sleep(0.05)

    assert sent.url.path == "/compare"
    text = words(shown)
    assert "Judge not licensed: nobody has held" in text
    assert "Won 27 Lost 28 Tied 45" in text
    pair = first_link(shown.partition('id="pairwise"')[2], "/runs/run_")
    each = words(html(client, pair))
    assert "answers of two runs over 100 cases" in each
    assert "baseline" in each
    assert "Tied" in each
    assert "Card." in each
    bad = client.post("/compare/pairwise", data={**runs, "judge": "nobody"})
    assert (bad.status_code, "has a judge" in bad.text) == (422, True)


def test_a_program_has_a_judge_compare_two_runs(
    two_runs: tuple[TestClient, dict[str, str]],
) -> None:
    client, runs = two_runs
    assert client.get("/api/verdict/pairwise", params=runs).status_code == 404

    started = client.post("/api/verdict/pairwise", json={**runs, "limits": {"cost_usd_max": 5}})
    run = started.json()
    for _ in range(600):
        if run["status"] != "running":
            break
        time.sleep(0.05)
        run = client.get(f"/api/runs/{run['id']}").json()

    found = client.get("/api/verdict/pairwise", params={**runs, "goal": "better"}).json()
    assert started.status_code == 202
    assert (found["run_id"], found["verdict"]["decision"]) == (run["id"], "more")
    assert (found["flips"]["won_total"], found["flips"]["lost_total"]) == (27, 28)
    assert found["judged"]["calls"] == 200
