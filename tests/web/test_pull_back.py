"""The button that goes back to what was live before."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.apps.rollout import shadow
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder


@pytest.fixture
def pages(settings: Settings, make_folder):
    store = open_line(settings)
    scope = local_scope(store)
    for note in ("one", "two", "three"):
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"])))
    for label in ("v1", "v2"):
        deploy(scope, "triage", label)
    shadow(scope, "triage", "v3", percent=20)
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def rollout_on(page: str) -> str:
    return re.findall(r'name="rollout" value="(\w+)"', page)[0]


def test_one_click_goes_back_and_a_second_goes_no_further(
    pages: TestClient, nobody_waits: Callable[[TestClient], None]
) -> None:
    nobody_waits(pages)
    before = pages.get("/usecases/triage").text
    assert "Pull back: everybody gets v1" in before
    assert "gets copies of 20 % of the calls" in before

    form = {"rollout": rollout_on(before)}
    after = pages.post("/usecases/triage/pull-back", data=form)
    again = pages.post("/usecases/triage/pull-back", data=form)

    assert after.status_code == 200
    assert "Pull back" not in after.text  # nothing was live before v1
    assert "gets copies" not in after.text
    assert again.status_code == 409
    assert "changed since the page was loaded" in again.text
    now = pages.get("/api/usecases/triage/rollout").json()
    assert [(arm["label"], arm["percent"]) for arm in now["arms"]] == [("v1", 100)]
