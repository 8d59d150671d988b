"""Pages of datasets: what is in them, what changed, what is twice, and what is held out."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from lineside.evals import datasets
from lineside.server import build
from lineside.store import open_store
from lineside.trust import local_scope
from web.small_case import first_link, html, settings_for, words

LONG = "My new card was ordered two weeks ago and has not come yet"


@pytest.fixture(scope="module")
def home(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder in which the line ran."""
    home = tmp_path_factory.mktemp("server") / "home"
    shutil.copytree(line_home, home)
    return home


@pytest.fixture(scope="module")
def version(home: Path) -> datasets.DatasetVersion:
    """The second version of a small dataset with a conversation, a leak and two splits."""
    store = open_store(settings_for(home))
    turns = [{"role": "user", "content": "Hi <b>"}, {"role": "assistant", "content": "Yes?"}]
    cases: list[dict[str, Any]] = [
        {"id": "a", "input": {"message": LONG}, "split": "train", "slices": {"channel": "mail"}},
        {"id": "b", "input": {"message": f"{LONG}!"}, "split": "exam"},
        {"id": "c", "input": {"messages": turns}, "expected": {"tool_calls": [{"name": "track"}]}},
    ]
    file = home.parent / "cases.jsonl"
    kept = []
    for topic in ("refund", "card"):
        cases[0]["expected"] = {"topic": topic}
        file.write_bytes(b"\n".join(map(orjson.dumps, cases)))
        found = datasets.importing.import_cases(file, form="lineside").dataset
        kept.append(datasets.keep_as(local_scope(store), "triage/faq", found))
    store.close()
    return kept[1]


@pytest.fixture(scope="module")
def client(home: Path, version: datasets.DatasetVersion) -> Iterator[TestClient]:
    """A server that has the dataset."""
    assert version.version == 2
    with TestClient(build(settings_for(home)), base_url="http://127.0.0.1") as client:
        yield client


def test_a_dataset_shows_its_versions_and_what_changed(
    client: TestClient, version: datasets.DatasetVersion
) -> None:
    assert f"/datasets/{version.id}" in html(client, "/datasets?use_case=triage")
    shown = html(client, f"/datasets/{version.id}")
    assert "Hi &lt;b&gt;" in shown
    assert "calls track" in words(shown)
    only = words(html(client, f"/datasets/{version.id}?slice=channel%3Dmail"))
    assert "has not come yet" in only
    assert "Yes?" not in only

    place = first_link(shown, "/datasets/ds_[^/]+/diff/")
    changed = words(html(client, place))
    assert "expected.topic refund card" in changed


def test_leaks_are_shown_and_a_part_is_held_out_until_it_is_opened(
    client: TestClient, version: datasets.DatasetVersion
) -> None:
    place = f"/datasets/{version.id}"
    assert "1 group leaks between splits" in words(html(client, f"{place}/duplicates"))

    client.post(f"{place}/hold-out", data={"split": "exam"})
    assert "1 case is held out and not shown" in words(html(client, place))
    assert "Leaks: exam, train" in words(html(client, f"{place}/duplicates"))
    api = f"/api/datasets/{version.id}"
    assert [row["case"]["id"] for row in client.get(f"{api}/cases").json()] == ["a", "c"]
    assert client.get(api).json()["held_out"][0]["split"] == "exam"

    client.post(f"{place}/unlock", data={"split": "exam", "reason": "Exam of v2"})
    assert "ann opened it" in words(html(client, place))
    assert len(client.get(f"{api}/cases?limit=2&after=1").json()) == 2
    assert client.get(f"{api}/duplicates").json()["groups"][0]["is_leak"]


def test_one_click_makes_a_case_of_a_trace(client: TestClient) -> None:
    asked = {"input": {"message": "Where is my card?"}}
    trace_id = client.post("/api/usecases/triage/run", json=asked).json()["trace_id"]
    place = f"/traces/{trace_id}"
    assert "Add as a test case of triage" in html(client, place)

    added, again = (client.post(f"{place}/case") for _ in range(2))

    assert f'href="{place}"' in added.text
    assert "from-traces @1" in words(added.text)
    assert "(was there)" in words(again.text)


def test_a_dataset_without_splits_says_how_a_part_is_held_out(client: TestClient) -> None:
    listed = html(client, "/datasets")
    place = next(
        path
        for path in re.findall(r"/datasets/ds_\w+", listed)
        if "Splits come first" in words(html(client, path))
    )

    assert "lineside datasets split triage/" in words(html(client, place))
