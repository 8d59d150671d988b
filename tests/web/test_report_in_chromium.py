"""The report of one file in a real Chromium, on a desk and on a phone, by day and by night."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lineside.apps import judge_folder, open_line
from lineside.evals import reports
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.chromium import DESK, PHONE, scrolled_sideways
from web.small_case import settings_for, write_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def report(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate that is worse than what is live, as one HTML file."""
    root = tmp_path_factory.mktemp("report")
    store = open_line(settings_for(shutil.copytree(line_home, root / "home")))
    scope = local_scope(store)
    tested = judge_folder(scope, read_folder(write_folder(root / "worse", wrong=60)))
    found = reports.report_of(scope, tested.run, tested.gate, comparison=tested.comparison)
    store.close()
    reports.write_report(found, root / "verdict.html")
    return root / "verdict.html"


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_the_report_fits_its_screen_and_asks_for_nothing(
    report: Path, browser: "Browser", width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(report.as_uri())

    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, paper[4:-1].split(","))) > 600 or scheme == "dark"
    assert sum(map(int, paper[4:-1].split(","))) < 150 or scheme == "light"
    assert scrolled_sideways(page) <= 0
    assert page.locator(".verdict .word").inner_text() == "Hold"
    assert page.get_by_role("heading", name="Against the baseline").is_visible()
    drawn = page.locator("svg.plot")
    boxes = [drawn.nth(at).bounding_box() for at in range(drawn.count())]
    assert boxes
    assert all(box is not None and 0 < box["x"] + box["width"] <= width for box in boxes)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    context.close()
