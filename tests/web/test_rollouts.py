"""The page of a release on its way up, its buttons, and the same over the API."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from lineside.apps import deploy, list_releases, open_line, release_folder, staged
from lineside.apps.staged import Watcher
from lineside.core import Settings, now
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.chromium import DESK, PHONE, OpenPage, running, scrolled_sideways
from web.small_case import html, settings_for, words
from web.two_releases import add_second, answered

PLAN = {"steps": ["20%", "60%", "100%"], "hold": "1h", "stop_if": ["error_rate > 3%"]}
API = "/api/usecases/triage/rollout/steps"


# Made before a browser is opened, whose event loop the jobs of a release would refuse.
@pytest.fixture(scope="module", autouse=True)
def second_home(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which v1 is live and v2 released; nothing is in its lake yet."""
    return add_second(line_home, tmp_path_factory.mktemp("second"))


def roll(second_home: Path, root: Path) -> None:
    """Have v2 on its way up in a folder of its own: one step taken, another under way."""
    shutil.copytree(second_home, root / "home")
    store = open_line(settings_for(root / "home"))
    scope = local_scope(store)
    staged.start(scope, "triage", "v2", plan=PLAN)
    labels = {release.label: release for release in list_releases(scope, "triage")}
    answered(scope, "live", labels["v1"], 400, failing=4, took_ms=210)
    answered(scope, "canary", labels["v2"], 300, failing=3, took_ms=190)
    Watcher(scope, every_seconds=0).watch()
    staged.promote(scope, "triage")
    answered(scope, "live", labels["v1"], 150, failing=1, took_ms=210)
    answered(scope, "canary", labels["v2"], 200, failing=2, took_ms=190)
    Watcher(scope, every_seconds=0).watch()
    store.close()


@pytest.fixture
def rolling(second_home: Path, tmp_path: Path) -> Iterator[TestClient]:
    roll(second_home, tmp_path)
    settings = settings_for(tmp_path / "home")
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def server(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("rolling")
    roll(second_home, root)
    with running(root) as address:
        yield address


def shown(page: str) -> dict[str, str]:
    """What a button of the page sends along."""
    return dict(re.findall(r'name="(staged|revision)" value="(\w+)"', page))


def test_the_page_shows_the_steps_both_arms_and_what_each_rule_says(rolling: TestClient) -> None:
    page = words(html(rolling, "/usecases/triage/rollout"))

    assert "v2 in place of v1 , step by step, as its calls allow." in page
    assert "20 % done, 300 calls" in page
    assert "60 % now, 200 calls" in page
    assert "everybody next" in page
    assert "Well so far error_rate &gt; 3% error rate is 1.0 %" in page
    assert "not worse than live by 2% on error_rate" in page
    assert "Pull back: everybody gets v1" in page
    assert "This page loads itself again every 5 seconds." in page
    of_case = words(html(rolling, "/usecases/triage"))
    assert "Step 2 of 3 Hold v2 at 60 %" in of_case


def test_a_button_counts_once_and_not_for_what_changed_meanwhile(
    rolling: TestClient, nobody_waits: Callable[[TestClient], None]
) -> None:
    nobody_waits(rolling)
    form = shown(html(rolling, "/usecases/triage/rollout"))
    paused = rolling.post("/usecases/triage/rollout/pause", data=form)
    again = rolling.post("/usecases/triage/rollout/promote", data=form)

    assert "Paused" in words(paused.text)
    assert "Resume" in paused.text
    assert again.status_code == 409
    assert "changed since the page was loaded" in again.text

    back = rolling.post("/usecases/triage/rollout/pull-back", data=shown(paused.text))
    assert "Rolled back v2 Pulled back by hand" in words(back.text)
    assert "Promote now" not in back.text
    assert 'http-equiv="refresh"' not in back.text
    arms = rolling.get("/api/usecases/triage/rollout").json()["arms"]
    assert [(arm["label"], arm["percent"]) for arm in arms] == [("v1", 100)]


def test_the_page_says_what_to_type_before_there_is_any(
    client: TestClient, empty_client: TestClient
) -> None:
    page = words(html(client, "/usecases/triage/rollout"))
    assert "lineside rollouts start triage" in page
    assert client.get(API).json() is None
    assert empty_client.get("/usecases/nothing/rollout").status_code == 404


def test_a_program_moves_it_over_the_api(rolling: TestClient) -> None:
    view = rolling.get(API).json()
    assert (view["rollout"]["step"], view["is_watched"]) == (1, True)
    assert view["rollout"]["plan"]["stop_if"] == ["error_rate > 3%"]

    assert rolling.post(f"{API}/pause").json()["rollout"]["status"] == "paused"
    assert rolling.post(f"{API}/pause").status_code == 409
    assert rolling.post(f"{API}/resume").json()["rollout"]["status"] == "running"
    assert rolling.post(f"{API}/promote").json()["rollout"]["step"] == 2
    assert rolling.delete(API).json()["rollout"]["status"] == "rolled_back"
    assert rolling.delete(API).status_code == 409

    wrong = rolling.post(API, json={"release": "v2", "stop_if": ["eror_rate > 2%"]})
    assert wrong.status_code == 422
    assert wrong.json()["error"]["hint"] == "Did you mean `error_rate`?"
    made = rolling.post(API, json={"release": "v2", "steps": [0.1, 1], "hold": "5m"})
    assert made.json()["rollout"]["plan"]["steps"] == [0.1, 1.0]


def test_a_server_that_stopped_watching_is_noticed(settings: Settings, make_folder) -> None:
    from datetime import timedelta

    store = open_line(settings)
    scope = local_scope(store)
    for note in ("one", "two"):
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"])))
    deploy(scope, "triage", "v1")
    started = staged.start(scope, "triage", "v2")
    store.close()

    assert staged.view_of(started, at=now()).is_watched
    assert not staged.view_of(started, at=now() + timedelta(minutes=2)).is_watched


@pytest.mark.xdist_group("chromium")
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_the_page_fits_its_screen(open_page: OpenPage, width: int, scheme: str) -> None:
    with open_page(width, scheme) as page:
        page.goto("/usecases/triage/rollout")
        expect(page.get_by_role("heading", level=1)).to_have_text("Rollout of triage")
        expect(page.locator("[aria-current=step]")).to_contain_text("60 %")
        assert scrolled_sideways(page) <= 0


@pytest.mark.xdist_group("chromium")
def test_a_person_promotes_and_pulls_back_on_a_phone(open_page: OpenPage) -> None:
    with open_page(PHONE) as page:
        page.goto("/usecases/triage/rollout")
        page.get_by_role("button", name="Promote now").click()
        expect(page.locator("[aria-current=step]")).to_contain_text("everybody")
        page.get_by_role("button", name="Pull back: everybody gets v1").click()
        expect(page.get_by_label("Verdict")).to_contain_text("Pulled back by hand")
