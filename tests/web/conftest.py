"""The whole server with a use case that went down the line: one release live, one refused."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.store.records import Records
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.small_case import settings_for, write_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from web.chromium import OpenPage


@pytest.fixture(scope="session")
def line_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which the line ran: v1 is live, a worse candidate was refused."""
    root = tmp_path_factory.mktemp("line")
    store = open_line(settings_for(root / "home"))
    scope = local_scope(store)
    release_folder(scope, read_folder(write_folder(root / "good", wrong=5)))
    deploy(scope, "triage")
    worse = write_folder(root / "worse", wrong=60, note="<worse>")
    release_folder(scope, read_folder(worse))
    store.close()
    return root / "home"


@pytest.fixture(scope="module")
def client(line_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server over a copy of that folder, shared by the tests of a module."""
    home = tmp_path_factory.mktemp("server") / "home"
    shutil.copytree(line_home, home)
    with TestClient(build(settings_for(home)), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def settings(made_home: Path) -> Settings:
    return settings_for(made_home)


@pytest.fixture
def empty_client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[TestClient], None]:
    """Refuse a server its database on its event loop, where all others would wait meanwhile."""

    def refuse(client: TestClient) -> None:
        assert client.portal
        loop = client.portal.call(asyncio.get_running_loop)

        def off_the_loop(whole: Callable[..., Any]) -> Callable[..., Any]:
            def asked(*arguments: Any, **named: Any) -> Any:
                with suppress(RuntimeError):
                    is_there = asyncio.get_running_loop() is loop
                    assert not is_there, "the database is asked on the event loop"
                return whole(*arguments, **named)

            return asked

        for name in ("read", "write"):
            monkeypatch.setattr(Records, name, off_the_loop(getattr(Records, name)))

    return refuse


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from web.chromium import opened_browser

    with opened_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: "Browser", server: str) -> "OpenPage":
    """Opens pages of the server that a file of tests runs."""
    from web.chromium import pages_of

    return pages_of(browser, server)
