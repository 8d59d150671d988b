"""The pages in a real Chromium: on a desk and on a phone, by day and by night."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from web.chromium import DESK, PHONE, OpenPage, running, scrolled_sideways

PAGES = {
    "/": "Portfolio",
    "/usecases/triage": "What the gate asks",
    "/usecases/triage/try": "Try triage",
    "/runs": "Evaluate",
    "/releases": "Ship",
    "/traces": "Watch",
    "/ledger": "Signed head",
}

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def server(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running `lineside up` over a line that ran."""
    root = tmp_path_factory.mktemp("chromium")
    shutil.copytree(line_home, root / "home")
    with running(root) as address:
        yield address


def linked_pages(page: Page) -> list[str]:
    """A release, its comparison, a run and a file, as a person gets to them."""
    found = []
    for path, selector in (
        ("/runs", "main a[href^='/runs/']"),
        ("/releases", "main a[href^='/releases/']"),
    ):
        page.goto(path)
        found.append(page.locator(selector).first.get_attribute("href") or "")
    page.goto(found[-1])
    of_release = [page.locator(f"a[href*='{part}']").first for part in ("/files/", "/compare")]
    return found + [link.get_attribute("href") or "" for link in of_release]


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_every_page_fits_its_screen_and_stays_at_home(
    open_page: OpenPage, width: int, scheme: str
) -> None:
    with open_page(width, scheme) as page:
        for path in [*PAGES, *linked_pages(page)]:
            page.goto(path)
            if path in PAGES:
                expect(page.locator("main")).to_contain_text(PAGES[path])
            assert scrolled_sideways(page) <= 0, f"{path} scrolls sideways at {width}"
            expect(page.locator("h1")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme_of_the_system(open_page: OpenPage, scheme: str) -> None:
    with open_page(scheme=scheme) as page:
        page.goto("/")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))

    assert (brightness > 600) is (scheme == "light")


def test_on_a_phone_the_button_that_copies_covers_no_word_of_the_command(
    open_page: OpenPage,
) -> None:
    with open_page(PHONE) as page:
        page.goto("/batches")
        button = page.get_by_role("button", name="Copy").bounding_box()
        text = page.evaluate(
            "() => { const words = document.createRange();"
            " words.selectNodeContents(document.querySelector('.copyable pre'));"
            " return words.getBoundingClientRect().y }"
        )

    assert button
    assert button["y"] + button["height"] <= text


def test_text_of_a_plot_is_as_large_on_a_phone_as_on_a_desk(open_page: OpenPage) -> None:
    for width in (DESK, PHONE):
        with open_page(width) as page:
            page.goto("/usecases/triage")
            boxes = [text.bounding_box() for text in page.locator(".plot text").all()]
            assert boxes
            for box in boxes:
                assert box
                assert box["height"] >= 11
                assert 0 <= box["x"] <= box["x"] + box["width"] <= width


def test_an_example_fills_the_form_and_a_thumb_is_one_click(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/usecases/triage/try")
        page.locator(".example-list a").nth(1).click()
        expect(page.get_by_label("Message")).to_have_value("message 6")
        page.get_by_role("button", name="Ask v1").click()
        expect(page.locator("#answer")).to_contain_text("This answer may stand")
        page.get_by_role("button", name="Yes, right").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you")


def test_the_keyboard_reaches_the_content_first(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/runs")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/runs#main")


def test_wrong_answers_of_a_slice_are_two_choices_away(open_page: OpenPage) -> None:
    with open_page() as page:
        page.goto("/runs")
        page.locator("main a[href^='/runs/']").first.click()
        page.get_by_label("Show").select_option("wrong")
        page.get_by_label("In slice").select_option("channel=chat")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator(".case-list li")).to_have_count(10)
        expect(page.locator(".case-list")).to_contain_text("message 50")
