"""The control that end users get, in a real Chromium, on a phone and by night."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from web.chromium import PHONE, OpenPage, running, scrolled_sideways

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def server(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running `lineside up` where one more value of a knob was tested."""
    root = tmp_path_factory.mktemp("knobs")
    shutil.copytree(line_home, root / "home")
    subprocess.run(
        [sys.executable, "-m", "lineside", "knobs", "prove", "triage", "autonomy=act"],
        env=os.environ | {"LINESIDE_HOME": str(root / "home")},
        check=True,
    )
    with running(root) as address:
        yield address


def test_a_user_turns_a_knob_and_a_second_window_follows(open_page: OpenPage) -> None:
    with open_page(PHONE, "dark") as page:
        page.goto("/usecases/triage/knobs?user=ann")
        second = page.context.new_page()
        second.goto("/usecases/triage/knobs?user=ann")
        expect(second.get_by_label("Autonomy", exact=True)).to_have_value("0")

        page.get_by_label("Autonomy", exact=True).select_option("act")

        expect(page.get_by_role("status")).to_have_text("Saved")
        expect(second.get_by_label("Autonomy", exact=True)).to_have_value("1")
        assert scrolled_sideways(page) <= 0
        page.get_by_role("button", name="Reset Autonomy").click()
        expect(second.get_by_label("Autonomy", exact=True)).to_have_value("0")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_tries_the_app_and_corrects_it(open_page: OpenPage, script: bool) -> None:
    with open_page(PHONE, script=script) as page:
        page.goto("/usecases/triage")
        page.locator(".actions").get_by_role("link", name="Try it").click()
        page.get_by_label("Message").fill("something new")
        page.get_by_label("Autonomy").select_option("act")
        page.get_by_role("button", name="Ask v1").click()

        answer = page.locator("#answer")
        expect(answer).to_contain_text("card")
        expect(answer).to_contain_text("A person should decide this one")
        expect(page.get_by_label("Message")).to_have_value("something new")
        expect(page.get_by_label("Autonomy")).to_have_value("act")

        page.get_by_text("Say what it should have been").click()
        answer.get_by_label("Topic").select_option("refund")
        answer.get_by_label("Comment").fill("They want the money back")
        page.get_by_role("button", name="Send the correction").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you")
        expect(page.locator("#feedback")).to_contain_text("They want the money back")

        page.goto("/usecases/triage")
        expect(page.locator("main")).to_contain_text("They want the money back")
