"""What a person sees before there is much to see."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

import lineside
from lineside.apps import deploy, judge_folder, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.small_case import html, words, write_folder


def test_an_empty_house_says_what_to_do_next(empty_client: TestClient) -> None:
    home = words(html(empty_client, "/"))

    assert "Nothing on the line yet" in home
    assert "lineside init my-case" in home
    for path in ("/runs", "/releases", "/traces", "/ledger"):
        assert "<main" in html(empty_client, path)


def test_nothing_live_says_how_to_get_there(settings: Settings, tmp_path: Path) -> None:
    store = open_line(settings)
    folder = write_folder(tmp_path / "folder", wrong=60)
    release_folder(local_scope(store), read_folder(folder))
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        assert "lineside deploy triage" in words(html(client, "/usecases/triage"))
        assert "Nothing of triage is live" in words(html(client, "/usecases/triage/try", 404))


def test_a_run_without_answers_says_why_and_how_many(settings: Settings, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", wrong=0)
    (folder / "answers.jsonl").write_text('{"when": {"default": true}, "fail": "denied"}\n')
    store = open_line(settings)
    tested = judge_folder(local_scope(store), read_folder(folder))
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = words(html(client, f"/runs/{tested.run.id}"))
        failed = words(html(client, f"/runs/{tested.run.id}?only=failed"))

    assert "100 cases without an answer" in page
    assert "A failed case is in no mean and never a zero" in page
    assert "No answer" in failed


def test_a_run_under_way_shows_how_far_it_is(settings: Settings, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", wrong=0)
    store = open_line(settings)
    tested = judge_folder(local_scope(store), read_folder(folder))
    store.close()
    with closing(sqlite3.connect(settings.home / "records.sqlite")) as records, records:
        records.execute("UPDATE runs SET status = 'running', cases_done = 37")
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = html(client, f"/runs/{tested.run.id}")

    assert "37 of 100 cases" in page
    assert '<progress class="progress" value="37" max="100"' in page
    assert 'http-equiv="refresh"' in page


def test_a_canary_is_shown_with_its_share(settings: Settings, tmp_path: Path) -> None:
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(write_folder(tmp_path / "first", wrong=5)))
    deploy(scope, "triage")
    release_folder(scope, read_folder(write_folder(tmp_path / "second", wrong=0)))
    deploy(scope, "triage", percent=5)
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = words(html(client, "/usecases/triage"))
        home = words(html(client, "/"))
        releases = words(html(client, "/releases"))

    for text in (page, home):
        assert "v1 (live) 95 %" in text
        assert "v2 (canary) 5 %" in text
    assert "Canary v1 95 %, v2 5 %" in page
    assert "Ship Newest: v2" in page
    assert "canary, 5 % of callers" in releases


def test_a_function_that_was_judged_has_a_run_and_no_page_of_a_use_case(
    settings: Settings,
) -> None:
    rows = [{"input": f"message {number}", "expected": "refund"} for number in range(5)]
    judged = lineside.evaluate(
        lambda _: "refund", rows, name="small talk", version="v7", home=settings.home
    )
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        listed, page = html(client, "/runs"), html(client, f"/runs/{judged.run.id}")

    assert "lambda version v7" in words(listed)
    assert 'href="/runs?use_case=small+talk"' in listed
    assert "Run of small talk" in words(page)
    assert "/usecases/small" not in listed + page


def test_the_page_of_a_run_begins_with_what_its_rules_say(settings: Settings) -> None:
    def by_length(message: str) -> str:
        return "other" if message.endswith("0") else "refund"

    def broken(context: Any) -> float:
        raise ValueError("no such word")

    rows = [{"input": f"message {number}", "expected": "refund"} for number in range(100)]
    judged = lineside.evaluate(
        by_length,
        rows,
        {"accuracy": "exact", "kind": broken},
        gate=["accuracy >= 0.95", "latency_ms <= 9000"],
        repetitions=2,
        name="talk",
        home=settings.home,
    )
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        page = words(html(client, f"/runs/{judged.run.id}"))

    assert "over 200 answers to 100 cases of talk" in page
    verdict = page.index("Hold Accuracy is 90.0 %")
    assert verdict < page.index("Each rule that it was run with") < page.index("Scores accuracy")
    assert "kind : the scorer failed on 200 answers: ValueError: no such word" in page


def test_one_call_without_a_price_does_not_hide_what_the_others_cost(
    settings: Settings, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "priced", wrong=0)
    answers = (
        (folder / "answers.jsonl").read_text().replace('"confidence":0.9}\n', '"cost_usd":0.02}\n')
    )
    (folder / "answers.jsonl").write_text(answers)
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(folder))
    deploy(scope, "triage")
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        for message in ("message 1", "not among those with a price"):
            client.post("/api/usecases/triage/run", json={"input": {"message": message}})
        page, home = words(html(client, "/usecases/triage")), words(html(client, "/"))

    assert "at least $0.0200" in home
    assert "$0.0200 at least: the cost of 50.0 % of calls is known" in page
