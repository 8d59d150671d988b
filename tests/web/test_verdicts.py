"""Pages that hold runs against each other, over the small use case of these tests."""

import re

from starlette.testclient import TestClient

from web.small_case import first_link, html, words


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
    assert "latency decides" in guarded
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

    history = words(html(client, "/history?use_case=triage"))
    assert "−55.0 points" in history
    assert "Worse" in history

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
