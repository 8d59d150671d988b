"""Lists and pickers name what was judged in words; a digest tells nobody anything."""

import re

from starlette.testclient import TestClient

from web.small_case import html, words

NAME = r"refused \d{1,2} \w{3} \d\d:\d\d"


def test_runs_releases_and_pickers_name_a_refusal_by_its_moment(client: TestClient) -> None:
    runs = client.get("/api/runs").json()
    for path in ("/runs", "/releases", "/", f"/runs/{runs[-1]['id']}", "/reviews/new"):
        text = words(html(client, path))
        assert re.search(NAME, text), path
        assert not re.search(r"refused [0-9a-f]{6}\b", text), path


def test_a_picker_tells_release_dataset_and_time_before_the_id(client: TestClient) -> None:
    run = client.get("/api/runs").json()[-1]
    option = re.search(rf'<option value="{run["id"]}".*?</option>', html(client, "/reviews/new"))

    assert option
    expected = rf"triage, v1, cases, 100 cases, \d+ \w+ \d\d:\d\d \(…{run['id'][-5:]}\)"
    assert re.fullmatch(expected, words(option[0]))
