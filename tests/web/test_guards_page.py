"""The page of guards: what is proven first, short on a phone, each guard with its settings."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lineside.guardrails.reference import guard_references
from lineside.usecases import guards as declarations
from web.chromium import PHONE, OpenPage, running, scrolled_sideways

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def server(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("guards")
    shutil.copytree(line_home, root / "home")
    with running(root) as address:
        yield address


def test_the_page_is_short_on_a_phone_and_unfolds(open_page: OpenPage) -> None:
    with open_page(PHONE) as page:
        page.goto("/guards")
        page.get_by_role("button", name="Probe now").click()
        page.get_by_text("probes were held back as they must be").wait_for()

        assert page.evaluate("document.documentElement.scrollHeight") < 2_000
        assert scrolled_sideways(page) == 0
        setting = page.get_by_text("characters_max", exact=True)
        assert not setting.is_visible()
        page.locator("summary", has_text="length").click()
        assert setting.is_visible()
        page.locator("summary", has_text="paths, one by one").click()
        assert page.get_by_text("POST /v1/chat/completions").first.is_visible()


@pytest.mark.parametrize("kind", declarations.GUARD_KINDS)
def test_every_guard_is_told_with_its_settings_and_its_example_can_be_read(kind: str) -> None:
    (one,) = [one for one in guard_references() if one.name == kind]

    settings = {setting.name for setting in one.settings}
    assert settings == {*declarations.arguments_of(kind).takes} | {
        *("action", "limit", "deadline_ms", "on_error")
    }
    assert declarations.declared_as(yaml.safe_load(one.example)).kind == kind
    page = (Path(__file__).parents[2] / "docs" / "reference" / "guards.md").read_text()
    assert f"## {kind}\n" in page
