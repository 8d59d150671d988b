"""People rate in a real Chromium: two at once, by keys alone, and by thumb."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from lineside.apps import open_line
from lineside.evals import list_runs, reviews
from lineside.trust import local_scope
from web.chromium import DESK, PHONE, OpenPage, running, scrolled_sideways
from web.small_case import settings_for

pytestmark = pytest.mark.xdist_group("chromium")

RIGHT = {"name": "right", "ask": "Is the topic right?", "kind": "choice", "options": ["yes", "no"]}
MANY = [
    {"name": "clear", "ask": "How clear is it?", "kind": "scale", "anchors": ["not", "fully"]},
    {"name": "wrong", "ask": "Mark what is wrong", "kind": "spans", "options": ["fact", "tone"]},
    {"name": "note", "ask": "Anything else?", "kind": "text", "is_optional": True},
]


class Made(NamedTuple):
    home: Path
    links: dict[str, str]


@pytest.fixture(scope="module", autouse=True)  # before the browser, whose loop jobs refuse
def made(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A state folder with a run, two reviews of it, and a link for each of two raters."""
    root = tmp_path_factory.mktemp("reviews")
    shutil.copytree(line_home, root / "home")
    store = open_line(settings_for(root / "home"))
    scope = local_scope(store)
    run = list_runs(scope)[0]
    for name, questions, items in (("topics", [RIGHT], 4), ("details", MANY, 3)):
        fields: dict[str, Any] = {"name": name, "questions": questions, "source": {"run": run.id}}
        reviews.open_review(scope, reviews.ReviewWish.model_validate(fields | {"items": items}))
    links = {
        name: reviews.inviting.invite(scope, "topics", name).path for name in ("ben", "cem", "dan")
    }
    store.close()
    return Made(root, links)


@pytest.fixture(scope="module")
def server(made: Made) -> Iterator[str]:
    with running(made.home) as address:
        yield address


def begun(browser: Browser, server: str, link: str) -> Page:
    page = browser.new_context(base_url=server, viewport={"width": DESK, "height": 800}).new_page()
    page.goto(link)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("Is the topic right?")).to_be_visible()
    return page


def test_two_raters_at_once_by_keys_alone_are_blind_and_agree(
    browser: Browser, server: str, made: Made, open_page: OpenPage
) -> None:
    raters = [begun(browser, server, made.links[name]) for name in ("ben", "cem")]
    for turn in range(4):
        for page in raters:
            expect(page.get_by_text(f"{turn} judged, {4 - turn} left")).to_be_visible()
            body = page.locator("main").inner_text()
            assert not any(word in body for word in ("v1", "triage", "confidence", "cem, ben"))
            if turn == 2:
                press(page, "b")
                expect(page.get_by_text("You judged this one before")).to_be_visible()
                press(page, "2")
                expect(page.get_by_text("2 judged, 2 left")).to_be_visible()
            press(page, "1")
    for page in raters:
        expect(page.get_by_role("heading", name="All done, thank you")).to_be_visible()
        assert page.goto("/reviews/topics").status == 403
        page.context.close()

    with open_page() as page:
        page.goto("/reviews/topics")
        for name in ("ben", "cem"):
            expect(page.get_by_role("row", name=f"{name} 4 0")).to_be_visible()
        expect(page.get_by_role("link", name="Labels as CSV")).to_be_visible()


def test_a_browser_that_rates_opens_nothing_else_until_the_rater_leaves(
    browser: Browser, server: str, made: Made, open_page: OpenPage
) -> None:
    rater = begun(browser, server, made.links["dan"])
    port = server.rpartition(":")[2]
    for path in ("/", "/runs", "/compare", "/releases/live", "/traces", "/api/runs", "/v1/models"):
        assert rater.goto(path).status == 403, path
        expect(rater.get_by_text("This browser opens nothing but reviews")).to_be_visible()
        assert rater.goto(f"http://localhost:{port}{path}").status == 403, path
    rater.set_content(f'<a href="{server}/runs">of a mail</a>')  # a link on a page of another site
    rater.get_by_text("of a mail").click()
    expect(rater.get_by_role("heading", name="This browser rates answers")).to_be_visible()
    assert rater.evaluate("fetch('/api/runs').then(answer => answer.status)") == 403
    rater.get_by_role("link", name="Go on rating").click()
    expect(rater.get_by_text("topics")).to_be_visible()
    for path in ("/reviews/new", "/reviews/topics", "/reviews/topics/settle"):
        assert rater.goto(path).status == 403, path

    with open_page() as owner:  # at once, in another browser
        assert owner.goto("/runs").status == 200
        rater.goto("/reviews/topics/rate")
        rater.get_by_role("link", name="Leave").first.click()
        rater.get_by_role("button", name="Leave").click()
        expect(rater.get_by_role("heading", name="Portfolio")).to_be_visible()
        assert rater.goto("/runs").status == 200
        owner.goto("/reviews/topics")
        expect(owner.get_by_role("row", name="dan").get_by_text("Left")).to_be_visible()
        owner.goto("/ledger")
        expect(owner.get_by_text("left the review")).to_be_visible()
    assert rater.goto(made.links["dan"]).status == 403  # what was seen cannot be forgotten
    rater.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_many_questions_are_answered_with_and_without_a_script(
    open_page: OpenPage, script: bool
) -> None:
    with open_page(PHONE, "dark", script=script) as page:
        page.goto("/reviews/details/rate")
        assert scrolled_sideways(page) == 0
        page.get_by_text("4", exact=True).click()
        if script:
            page.get_by_role("button", name="tone", exact=True).click()
            words = page.locator(".marker-word")
            words.first.focus()
            page.keyboard.press("Space")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Space")
            expect(words.first).to_have_attribute("aria-pressed", "true")
        else:
            item = page.locator("input[name=item]").get_attribute("value") or ""
            wrong = {"item": item, "q-clear": "4", "q-wrong": "[fact] nowhere in it"}
            refused = page.request.post("/reviews/details/rate", form=wrong)
            assert refused.status == 422
            assert "holds no passage" in refused.text()
            page.get_by_label("Copy each passage").fill(page.locator("[data-text]").text_content())
        before = page.locator(".rate-count").inner_text()
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".rate-count")).not_to_have_text(before)


def test_a_review_is_opened_in_the_browser_and_its_differences_settled(
    open_page: OpenPage, browser: Browser, server: str, made: Made
) -> None:
    with open_page() as page:
        page.goto("/reviews")
        page.get_by_role("link", name="Open a review").click()
        page.get_by_label("What do you want to know").fill("Is it right?")
        page.get_by_label("Name", exact=True).fill("opened")
        page.get_by_label("Answers", exact=True).fill("1")
        page.get_by_role("button", name="Open the review").click()
        expect(page.get_by_text("Nobody has answered yet: 1 item to judge")).to_be_visible()
        page.get_by_role("link", name="Rate").click()
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        press(page, "1")
        expect(page.get_by_role("heading", name="All done")).to_be_visible()
        page.goto("/reviews/opened")
        page.get_by_label("Who rates").fill("eve")
        page.get_by_role("button", name="Make a link").click()
        other = begun_elsewhere(browser, page.locator(".notice pre").inner_text())
        press(other, "2")
        expect(other.get_by_role("heading", name="All done")).to_be_visible()
        other.context.close()

        page.goto("/reviews/opened")
        page.get_by_role("link", name="Settle 1").click()
        page.get_by_text("no", exact=True).last.click()
        page.get_by_role("button", name="This is the last word").click()
        expect(page.get_by_text("Nothing is left to be settled")).to_be_visible()


def press(page: Page, key: str) -> None:
    """Press a key that the page's script hears: it does not before the page is there whole."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def begun_elsewhere(browser: Browser, link: str) -> Page:
    address, _, key = link.partition("?key=")
    page = browser.new_context().new_page()
    page.goto(address)
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("Is it right?")).to_be_visible()
    return page
