"""The page of an experiment, its buttons, the API and a webhook's events, on a real server."""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from lineside.apps import list_releases, open_line, staged
from lineside.apps.staged import ExperimentWanted, Watcher
from lineside.server import build
from lineside.trust import local_scope
from web.chromium import DESK, PHONE, OpenPage, running, scrolled_sideways
from web.small_case import html, settings_for, words
from web.two_releases import add_second, answered

API = "/api/usecases/triage/rollout/experiment"
ARMS = [
    {"name": "now", "release": "live", "share": "40%"},
    {"name": "short", "release": "v2"},
    {"name": "same", "release": "v1"},
]


# Made before a browser is opened, whose event loop the jobs of a release would refuse.
@pytest.fixture(scope="module", autouse=True)
def second_home(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which v1 is live and v2 released; nothing is in its lake yet."""
    return add_second(line_home, tmp_path_factory.mktemp("second"))


def hold(second_home: Path, root: Path) -> None:
    """Have an experiment of three arms whose last look was taken: one of them is better."""
    shutil.copytree(second_home, root / "home")
    store = open_line(settings_for(root / "home"))
    scope = local_scope(store)
    wanted: dict[str, Any] = {"arms": ARMS, "users": 1_000, "smallest": "2%"}
    staged.start_experiment(scope, "triage", ExperimentWanted.model_validate(wanted))
    labels = {release.label: release for release in list_releases(scope, "triage")}
    answered(scope, "now", labels["v1"], 404, failing=60, by_user=True)
    answered(scope, "short", labels["v2"], 297, failing=6, by_user=True)
    answered(scope, "same", labels["v1"], 299, failing=41, by_user=True)
    Watcher(scope, every_seconds=0).watch()
    store.close()


@pytest.fixture
def held(second_home: Path, tmp_path: Path) -> Iterator[TestClient]:
    hold(second_home, tmp_path)
    settings = settings_for(tmp_path / "home")
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def server(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("held")
    hold(second_home, root)
    with running(root) as address:
        yield address


def test_the_page_shows_the_arms_and_each_against_the_first(held: TestClient) -> None:
    page = words(html(held, "/usecases/triage/rollout"))

    assert "Experiment on triage" in page
    assert "short is better: error rate differs from now by" in page
    assert "same is not settled" in page
    assert "Its looks are over: users stay in their arms until somebody deploys one." in page
    assert "now v1 40 % 404 404" in page
    assert "short against now" in page
    assert "Deploy short: everybody gets v2" in page
    assert "Pull back: everybody gets v1" in page
    assert "not worse than live by 2% on error_rate" in page
    of_case = words(html(held, "/usecases/triage"))
    assert "Experiment short is better: error rate differs from now by" in of_case


def test_a_button_deploys_the_arm_it_names(held: TestClient) -> None:
    page = html(held, "/usecases/triage/rollout")
    form = dict(re.findall(r'name="(staged|revision)" value="(\w+)"', page))

    done = held.post("/usecases/triage/rollout/deploy", data=form | {"arm": "short"})
    again = held.post("/usecases/triage/rollout/deploy", data=form | {"arm": "short"})

    assert "Done" in words(done.text)
    assert again.status_code == 409
    arms = held.get("/api/usecases/triage/rollout").json()["arms"]
    assert [(arm["name"], arm["label"], arm["percent"]) for arm in arms] == [("live", "v2", 100)]


def test_a_program_begins_one_and_ends_it_over_the_api(held: TestClient) -> None:
    view = held.get("/api/usecases/triage/rollout/steps").json()
    assert (view["verdict"]["outcome"], view["verdict"]["winner"]) == ("better", "short")
    assert held.post(API, json={"users": 400}).status_code == 409

    deployed = held.post(f"{API}/deploy", json={"arm": "now"}).json()
    assert deployed["rollout"]["status"] == "done"
    assert held.post(f"{API}/deploy").status_code == 409

    wrong = held.post(API, json={"users": 400, "metric": "helpful"})
    assert wrong.status_code == 422
    assert "--smallest" in wrong.json()["error"]["hint"]
    begun = held.post(API, json={"users": 400, "length": "2d", "metric": "latency"}).json()
    assert [arm["name"] for arm in begun["rollout"]["experiment"]["arms"]] == ["A", "B"]
    assert held.delete("/api/usecases/triage/rollout/steps").json()["rollout"]["status"] == (
        "rolled_back"
    )


def test_traces_and_charts_go_by_the_name_of_the_arm(held: TestClient) -> None:
    of_one = words(html(held, "/traces?use_case=triage&arm=short"))
    assert "triage · v2" in of_one
    assert "triage · v1" not in of_one
    by_arm = words(html(held, "/traces/charts?use_case=triage&by=arm"))
    assert all(name in by_arm for name in ("now", "short", "same"))


@pytest.mark.xdist_group("chromium")
@pytest.mark.parametrize(
    ("width", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_the_page_fits_its_screen(open_page: OpenPage, width: int, scheme: str) -> None:
    with open_page(width, scheme) as page:
        page.goto("/usecases/triage/rollout")
        expect(page.get_by_role("heading", level=1)).to_have_text("Experiment on triage")
        expect(page.get_by_role("img", name="Each arm against now")).to_be_visible()
        assert scrolled_sideways(page) <= 0


@pytest.mark.xdist_group("chromium")
def test_a_person_deploys_the_winner_on_a_phone(open_page: OpenPage, server: str) -> None:
    """Served by a real server, which gives the same user the same arm till then."""

    def arm_of(user: str) -> str:
        body = json.dumps({"input": {"message": "message 1"}, "user": user}).encode()
        url = f"{server}/api/usecases/triage/run"
        sent = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(sent, timeout=10) as answer:
            return str(json.load(answer)["arm"])

    arms = {user: arm_of(user) for user in map(str, range(12))}
    assert arms == {user: arm_of(user) for user in arms}
    assert len(set(arms.values())) > 1

    with open_page(PHONE) as page:
        page.goto("/usecases/triage/rollout")
        page.get_by_role("button", name="Deploy short: everybody gets v2").click()
        expect(page.get_by_label("Verdict")).to_contain_text("short (v2) was deployed by hand")
